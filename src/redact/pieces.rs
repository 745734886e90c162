//! Masks text that comes in pieces, as a reply does while it is written.

use super::{Redacted, mask, scan};

/// Masks text that comes in pieces, giving out what the rest cannot change any more: a secret that is cut in two by
/// the pieces is never shown by its first half. What is given out, put together, is the masked whole.
#[derive(Debug, Default)]
pub struct Pieces {
    raw: String,
    /// The lines before this byte of `raw` are masked and done with.
    done: usize,
    /// How many bytes of the masked text from `done` on were given out.
    ahead: usize,
    /// The masked text that was given out.
    given: String,
    /// Something began whose end, and what comes between, only the whole can tell.
    held: bool,
}

impl Pieces {
    /// Takes in the next piece and gives out what is settled, which may be nothing.
    pub fn push(&mut self, piece: &str) -> Redacted {
        self.raw.push_str(piece);
        if self.held || !piece.contains(char::is_whitespace) {
            return Redacted::default();
        }
        let before = self.given.len();
        self.give_lines();
        self.give_words();
        Redacted(self.given.get(before..).unwrap_or_default().to_owned())
    }

    /// Whether nothing but white space came.
    pub fn is_blank(&self) -> bool {
        self.raw.trim().is_empty()
    }

    /// What was held back, and the whole.
    pub fn finish(self) -> (Redacted, Redacted) {
        let whole = mask(&self.raw).into_owned();
        // Were the two ever to differ, nothing more is told, and the whole is right.
        let rest = whole.strip_prefix(self.given.as_str()).unwrap_or_default().to_owned();
        (Redacted(rest), Redacted(whole))
    }

    /// Gives out the complete lines. One that may tell of a secret waits for the next, which may hold it.
    fn give_lines(&mut self) {
        let Some(open) = self.raw.get(self.done..) else { return };
        let mut end = 0;
        let mut pending = 0;
        for line in open.split_inclusive('\n').filter(|line| line.ends_with('\n')) {
            if begins_block(line) {
                self.held = true;
                break;
            }
            pending += line.len();
            if !scan::has_sign(line) {
                end = pending;
            }
        }
        // What waits is one line at most: the last that was complete.
        let settled = open.get(..pending).unwrap_or_default();
        let last = settled.trim_end_matches('\n').rfind('\n').map_or(0, |at| at + 1);
        self.commit(end.max(last));
    }

    fn commit(&mut self, length: usize) {
        if length == 0 {
            return;
        }
        let lines = self.raw.get(self.done..self.done + length).unwrap_or_default();
        let masked = mask(lines);
        self.given.push_str(masked.get(self.ahead..).unwrap_or_default());
        self.done += length;
        self.ahead = 0;
    }

    /// Gives out the complete words of the line that is being written, as long as nothing in it tells of a secret.
    fn give_words(&mut self) {
        if self.held {
            return;
        }
        let Some(open) = self.raw.get(self.done..) else { return };
        let words = open.rfind(char::is_whitespace).and_then(|at| {
            let space = open.get(at..)?.chars().next()?.len_utf8();
            open.get(..at + space)
        });
        let Some(words) = words.filter(|words| !scan::has_sign(words) && !begins_block(words)) else {
            return;
        };
        let masked = mask(words);
        self.given.push_str(masked.get(self.ahead..).unwrap_or_default());
        self.ahead = self.ahead.max(masked.len());
    }
}

/// Whether a line may begin something that goes over several: a key, a block of YAML, a Secret.
fn begins_block(line: &str) -> bool {
    let words = line.trim().trim_start_matches("- ");
    let scalar = words.ends_with(['|', '>', '+', '-'])
        || words.ends_with(|c: char| c.is_ascii_digit()) && words.contains(['|', '>']);
    words.contains("-----BEGIN")
        || words.starts_with("data:")
        || words.starts_with("stringData:")
        || words.contains("data\"")
        || words.contains("Data\"")
        || words.contains("kind") && words.contains("Secret")
        || scalar && scan::has_sign(line)
}
