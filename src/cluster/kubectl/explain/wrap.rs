//! Breaks text into lines at its spaces, where kubectl breaks it.

/// `text` in lines of at most `width` characters, each after `indent` spaces. Its own line breaks stay. Words that
/// are longer stand out.
pub fn wrap(text: &str, width: usize, indent: usize) -> String {
    let pad = " ".repeat(indent);
    let mut lines = Lines { out: pad.clone(), pad, ..Lines::default() };
    for char in text.chars() {
        lines.take(char, width);
    }
    lines.end(width);
    lines.out
}

/// What is written, and what waits: the spaces before the word that is being read, and the word so far.
#[derive(Default)]
struct Lines {
    out: String,
    pad: String,
    /// Characters in the last line of `out`.
    written: usize,
    spaces: String,
    spaces_width: usize,
    word: String,
    word_width: usize,
}

impl Lines {
    fn take(&mut self, char: char, width: usize) {
        if char == '\n' {
            self.end(width);
            return self.begin();
        }
        if char.is_whitespace() && char != '\u{a0}' {
            if self.spaces.is_empty() || !self.word.is_empty() {
                self.settle();
            }
            self.spaces.push(char);
            self.spaces_width += 1;
            return;
        }
        self.word.push(char);
        self.word_width += 1;
        if self.written + self.spaces_width + self.word_width > width && self.word_width < width {
            self.spaces.clear();
            self.spaces_width = 0;
            self.begin();
        }
    }

    /// Begins a line.
    fn begin(&mut self) {
        self.out.push('\n');
        self.out.push_str(&self.pad);
        self.written = 0;
    }

    fn settle(&mut self) {
        self.written += self.spaces_width + self.word_width;
        self.out.push_str(&self.spaces);
        self.out.push_str(&self.word);
        self.spaces.clear();
        self.word.clear();
        (self.spaces_width, self.word_width) = (0, 0);
    }

    /// Writes what waits, spaces at the end only where they fit.
    fn end(&mut self, width: usize) {
        if self.word.is_empty() && self.written + self.spaces_width > width {
            self.spaces.clear();
        }
        self.settle();
    }
}

#[cfg(test)]
mod tests {
    use super::wrap;

    #[test]
    fn lines_break_at_spaces() {
        for (text, width, expected) in [
            ("", 10, "  "),
            ("one", 10, "  one"),
            ("one two three", 7, "  one two\n  three"),
            ("one two three", 8, "  one two\n  three"),
            ("one  two", 8, "  one  two"),
            ("one\ntwo", 8, "  one\n  two"),
            ("one \n\ntwo\n", 8, "  one \n  \n  two\n  "),
            ("a longerthanthewidth b", 8, "  a\n  longerthanthewidth\n  b"),
            ("one two ", 8, "  one two "),
            ("one two  ", 8, "  one two"),
            ("éé éé", 5, "  éé éé"),
            ("no\u{a0}break here", 9, "  no\u{a0}break\n  here"),
        ] {
            assert_eq!(wrap(text, width, 2), expected, "{text:?} in {width}");
        }
    }
}
