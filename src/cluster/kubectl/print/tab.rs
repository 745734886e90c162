//! Columns of text: cells end at tabs and are padded to the widest of the lines around them.

/// The narrowest column and the space between two.
#[derive(Debug, Clone, Copy)]
pub struct Gap {
    pub min: usize,
    pub padding: usize,
}

/// What tables have.
pub const TABLE: Gap = Gap { min: 6, padding: 3 };
/// What descriptions have.
pub const DESCRIPTION: Gap = Gap { min: 0, padding: 2 };

/// `text` with its tabs replaced by the spaces that align its columns. A column is a run of consecutive lines that
/// have a cell there and another after it; the last cell of a line is as it is.
pub fn align(text: &str, gap: Gap) -> String {
    let lines: Vec<Vec<&str>> = text.split('\n').map(|line| line.split('\t').collect()).collect();
    let mut widths: Vec<Vec<usize>> =
        lines.iter().map(|cells| cells.iter().map(|cell| cell.chars().count()).collect()).collect();
    let deepest = widths.iter().map(Vec::len).max().unwrap_or(0);
    for column in 0..deepest.saturating_sub(1) {
        let runs = widths.chunk_by_mut(|a, b| (a.len() > column + 1) == (b.len() > column + 1));
        for run in runs.filter(|run| run.first().is_some_and(|line| line.len() > column + 1)) {
            widen(run, column, gap);
        }
    }
    let mut out = String::with_capacity(text.len() * 2);
    for (number, (cells, widths)) in lines.iter().zip(&widths).enumerate() {
        if number > 0 {
            out.push('\n');
        }
        write_line(&mut out, cells, widths);
    }
    out
}

fn widen(run: &mut [Vec<usize>], column: usize, gap: Gap) {
    let widest = run.iter().filter_map(|line| line.get(column)).max().copied().unwrap_or(0);
    let width = (widest + gap.padding).max(gap.min);
    for line in run {
        if let Some(cell) = line.get_mut(column) {
            *cell = width;
        }
    }
}

fn write_line(out: &mut String, cells: &[&str], widths: &[usize]) {
    let last = cells.len().saturating_sub(1);
    for (column, (cell, width)) in cells.iter().zip(widths).enumerate() {
        out.push_str(cell);
        if column < last {
            out.extend(std::iter::repeat_n(' ', width.saturating_sub(cell.chars().count())));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{DESCRIPTION, TABLE, align};

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        assert_eq!(align("NAME\tREADY\nweb-1\t1/1\n", TABLE), "NAME    READY\nweb-1   1/1\n");
        assert_eq!(
            align("A\tB\tC\nlonger-name\t\tx\n", TABLE),
            "A             B     C\nlonger-name         x\n"
        );
    }

    #[test]
    fn a_line_without_the_cell_ends_the_column() {
        assert_eq!(
            align("Name:\tx\nEvents:\n  A\tB\n  long\tC\n", DESCRIPTION),
            "Name:  x\nEvents:\n  A     B\n  long  C\n"
        );
    }

    #[test]
    fn width_counts_characters() {
        assert_eq!(align("é\tx\nab\ty\n", DESCRIPTION), "é   x\nab  y\n");
    }

    #[test]
    fn a_trailing_tab_pads() {
        assert_eq!(align("a\t\nbbb\tc\n", DESCRIPTION), "a    \nbbb  c\n");
    }
}
