//! What a command says, and how it ends.

use super::wire::failure::Failure;
use crate::redact::Redacted;

/// What a command says and how it ends.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Output {
    /// What was found. Cut at the limit, which its last line says.
    pub stdout: Redacted,
    /// What went wrong, in kubectl's words.
    pub stderr: Redacted,
    /// 0 where nothing went wrong, as kubectl exits.
    pub code: i32,
}

/// What is said so far.
#[derive(Debug, Default)]
pub(super) struct Draft {
    pub out: String,
    pub err: String,
    pub code: i32,
    /// What the last line of the output says besides.
    pub notes: Vec<String>,
}

impl Draft {
    /// All that is said is `out`.
    pub fn of(out: String) -> Self {
        Self { out, ..Self::default() }
    }

    /// A line to standard error.
    pub fn warn(&mut self, line: impl AsRef<str>) {
        self.err.push_str(line.as_ref());
        self.err.push('\n');
    }

    /// Something went wrong.
    pub fn fail(&mut self, failure: &Failure) {
        self.warn(&failure.message);
        self.code = 1;
    }

    /// Cuts what is too long and says so, masks, and is done.
    pub fn finish(mut self, most: usize) -> Output {
        if self.out.len() > most {
            let whole = self.out.len();
            let mut end = most;
            while !self.out.is_char_boundary(end) {
                end -= 1;
            }
            // Whole lines, unless there is but one.
            let end = self.out.get(..end).and_then(|kept| kept.rfind('\n')).map_or(end, |at| at + 1);
            self.out.truncate(end);
            self.notes.push(format!("cut after {end} of {whole} bytes; narrow the question to see the rest"));
        }
        for note in &self.notes {
            if !self.out.is_empty() && !self.out.ends_with('\n') {
                self.out.push('\n');
            }
            self.out.push_str(&format!("({note})\n"));
        }
        Output { stdout: Redacted::from(self.out), stderr: Redacted::from(self.err), code: self.code }
    }
}

impl From<Failure> for Draft {
    fn from(failure: Failure) -> Self {
        let mut draft = Self::default();
        draft.fail(&failure);
        draft
    }
}

#[cfg(test)]
mod tests {
    use super::Draft;

    #[test]
    fn long_output_is_cut_at_a_line_and_says_so() {
        let output = Draft::of("one\ntwo\nthree\n".into()).finish(10);
        assert_eq!(
            output.stdout.as_str(),
            "one\ntwo\n(cut after 8 of 14 bytes; narrow the question to see the rest)\n"
        );
        let output = Draft::of("éééé".into()).finish(3);
        assert!(output.stdout.starts_with("é\n(cut after 2 of 8 bytes"));
        assert_eq!(Draft::of("short".into()).finish(10).stdout.as_str(), "short");
    }
}
