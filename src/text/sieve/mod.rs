//! Keeps of a text that is too long to be kept what is worth it: its beginning, its end, and of what lies between the
//! lines that stand out and those that have words of a question. Knows no log format. Pure.

mod shelf;

use std::{borrow::Cow, collections::BTreeMap};

use self::shelf::{Chosen, Forms, Shelf, Tail};
use super::{
    forms::{RARE, Table},
    shorten,
    words::{Matches, Words},
};

/// The most that is kept of a line of a text that does not fit, in bytes.
const LONGEST_LINE: usize = 16 << 10;
/// How many lines are kept before and after one that has words of the question.
const CONTEXT: usize = 2;
/// How many forms of lines are told with how often they come.
const MOST_TOLD: usize = 8;
/// How much of a line is told with it, in characters.
const MOST_OF_LINE: usize = 300;
/// What a mark takes at most, in bytes.
const MARK: usize = 64;

/// A text of which lines come one after another.
#[derive(Debug)]
pub struct Sieve {
    /// How many bytes are kept at most.
    most: usize,
    /// The text, as long as it fits.
    whole: String,
    matches: Matches,
    /// What is kept once it does not.
    parts: Option<Parts>,
}

/// What a sieve kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// The text; where lines are left out, a mark says which.
    pub text: String,
    /// How many lines there were.
    pub lines: usize,
    /// What is to be said of what is left out, if anything is.
    pub notes: Vec<String>,
}

impl Sieve {
    /// Keeps at most `most` bytes, the lines with these words before others.
    pub fn new(most: usize, words: &Words) -> Self {
        Self { most, whole: String::new(), matches: Matches::new(words), parts: None }
    }

    /// Takes in the next line, without its end.
    pub fn line(&mut self, line: &str) {
        if let Some(parts) = &mut self.parts {
            return parts.line(line, &mut self.matches);
        }
        if self.whole.len() + line.len() < self.most {
            self.whole.push_str(line);
            self.whole.push('\n');
            return;
        }
        let mut parts = Parts::new(self.most);
        for known in std::mem::take(&mut self.whole).split_terminator('\n').chain([line]) {
            parts.line(known, &mut self.matches);
        }
        self.parts = Some(parts);
    }

    /// What is kept.
    pub fn finish(self) -> Kept {
        match self.parts {
            None => Kept { lines: self.whole.lines().count(), text: self.whole, notes: Vec::new() },
            Some(parts) => parts.finish(self.matches),
        }
    }
}

/// Whether a line of what a sieve kept is a mark: it stands for lines that are left out.
pub fn is_mark(line: &str) -> bool {
    line.starts_with("(line") && line.ends_with(" left out)")
}

/// The beginning, the end, and what is worth keeping of what lies between.
#[derive(Debug)]
struct Parts {
    most: usize,
    head: String,
    /// How many lines the head has, once it is full.
    head_lines: Option<usize>,
    tail: Tail,
    /// How many lines came, and bytes.
    lines: usize,
    bytes: usize,
    /// The place of the first line of the tail.
    gone: usize,
    table: Table,
    forms: Forms,
    /// Lines with words of the question and what is around them.
    matched: Shelf,
    /// Up to which place lines are kept because of the last match.
    until: usize,
}

impl Parts {
    fn new(most: usize) -> Self {
        Self {
            most,
            head: String::new(),
            head_lines: None,
            tail: Tail { text: String::new(), start: 0, most: most / 2 },
            lines: 0,
            bytes: 0,
            gone: 0,
            table: Table::default(),
            forms: Forms::new(most / 4),
            matched: Shelf::new(most / 4),
            until: 0,
        }
    }

    fn line(&mut self, line: &str, matches: &mut Matches) {
        self.bytes += line.len() + 1;
        let line = clipped(line, LONGEST_LINE.min(self.most / 8));
        self.lines += 1;
        if self.head_lines.is_none() {
            if self.head.len() + line.len() < self.most / 4 {
                self.head.push_str(&line);
                self.head.push('\n');
                self.table.note(self.lines - 1, &line);
                matches.note(self.lines - 1, &line);
                return;
            }
            self.head_lines = Some(self.lines - 1);
            self.gone = self.lines - 1;
        }
        self.tail.push(&line);
        while self.tail.is_too_long() {
            self.between(matches);
        }
    }

    /// Takes the first line off the tail and looks whether it is worth keeping.
    fn between(&mut self, matches: &mut Matches) {
        let at = self.gone;
        self.gone += 1;
        let (before, line) = self.tail.pop();
        self.forms.note(at, line, &mut self.table);
        let matched = matches.note(at, line);
        if matched {
            let back = CONTEXT.min(at - self.head_lines.unwrap_or_default());
            for (place, line) in (0..at).rev().zip(before.trim_end_matches('\n').rsplit('\n')).take(back) {
                self.matched.keep(place, line);
            }
            self.until = at + CONTEXT + 1;
        }
        if at < self.until {
            self.matched.keep(at, line);
        }
        if matched && self.matched.is_full() {
            self.matched.keep_around(&matches.best());
        }
    }

    fn finish(mut self, mut matches: Matches) -> Kept {
        let first = self.head_lines.unwrap_or(self.lines);
        for (place, line) in (self.gone..).zip(self.tail.rest().split_terminator('\n')) {
            self.table.note(place, line);
            matches.note(place, line);
        }
        let room = (self.most / 4).saturating_sub(2 * MARK);
        let mut chosen = Chosen::default();
        let best = matches.best();
        for at in best.iter().filter(|at| (first..self.gone).contains(at)) {
            chosen.take(
                (at.saturating_sub(CONTEXT)..=at + CONTEXT).filter_map(|at| self.matched.get(at)),
                room / 2,
            );
        }
        let ranked = self.forms.ranked(&self.table);
        for (_, places) in &ranked {
            chosen.take(places.iter().filter_map(|at| self.forms.shelf.get(*at)), room);
        }
        let mut notes = vec![format!(
            "{} lines in all, {} bytes; {} of them are left out, and of those between the beginning and the end {} are here, \
             which stand out or have words of the question",
            self.lines,
            self.bytes,
            self.gone - first - chosen.lines.len(),
            chosen.lines.len()
        )];
        notes.extend(ranked.iter().filter(|(tally, _)| tally.times > RARE).take(MOST_TOLD).filter_map(
            |(tally, places)| {
                let (_, line) = self.forms.shelf.get(*places.first()?)?;
                let (times, first, last) = (tally.times, tally.first_at + 1, tally.last_at + 1);
                Some(format!(
                    "{times} times, from line {first} to line {last}: {}",
                    shorten(line, MOST_OF_LINE)
                ))
            },
        ));
        let text = assembled(self.head, first, &chosen.lines, self.gone, self.tail.rest());
        Kept { text, lines: self.lines, notes }
    }
}

/// A line, or its beginning.
fn clipped(line: &str, most: usize) -> Cow<'_, str> {
    if line.len() <= most {
        return line.into();
    }
    let begun = line.get(..line.floor_char_boundary(most.saturating_sub(MARK))).unwrap_or_default();
    format!("{begun}… (of a line of {} bytes)", line.len()).into()
}

fn assembled(head: String, first: usize, between: &BTreeMap<usize, &str>, gone: usize, tail: &str) -> String {
    let (mut text, mut next) = (head, first);
    let mark = |text: &mut String, from: usize, to: usize| match to - from {
        0 => {}
        1 => text.push_str(&format!("(line {to} left out)\n")),
        _ => text.push_str(&format!("(lines {} to {to} left out)\n", from + 1)),
    };
    for (at, line) in between {
        mark(&mut text, next, *at);
        text.push_str(line);
        text.push('\n');
        next = at + 1;
    }
    mark(&mut text, next, gone);
    text.push_str(tail);
    text
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn sift<'t>(most: usize, said: &str, lines: impl Iterator<Item = &'t str>) -> Kept {
        let mut sieve = Sieve::new(most, &Words::of(said));
        lines.for_each(|line| sieve.line(line));
        sieve.finish()
    }

    /// A log in which most lines are alike.
    fn log(lines: usize, special: &[(usize, &str)]) -> Vec<String> {
        let mut log: Vec<String> =
            (0..lines).map(|n| format!("INFO order {n} sent to host-{} in {}ms", n % 7, n % 90)).collect();
        for (at, line) in special {
            log[*at] = (*line).to_owned();
        }
        log
    }

    #[test]
    fn what_fits_is_kept_as_it_is() {
        let log = log(100, &[(5, ""), (7, "ERROR x\r")]);
        let kept = sift(100_000, "order 17", log.iter().map(String::as_str));
        assert_eq!(kept, Kept { text: log.join("\n") + "\n", lines: 100, notes: vec![] });
    }

    #[test]
    fn of_a_text_that_does_not_fit_the_ends_and_what_tells_are_kept() {
        let plain = "INFO order 31000 sent to host-4 in 40ms";
        let log = log(
            50_000,
            &[
                (20_000, "ERROR cannot reach the rates\tat a.B(B.java:1)"),
                (20_001, "\tat c.D(D.java:2)"),
                (33_333, "address of the vault changed"),
            ],
        );
        let kept = sift(64 << 10, "what happened to order 31000?", log.iter().map(String::as_str));
        assert!(kept.text.len() <= 64 << 10 && kept.text.len() > 40 << 10, "{}", kept.text.len());
        let lines: Vec<&str> = kept.text.lines().collect();
        assert_eq!(
            (lines[0], lines[lines.len() - 1], kept.lines),
            (log[0].as_str(), log[49_999].as_str(), 50_000)
        );
        for (line, before) in [
            (plain, log[30_999].as_str()),
            (log[20_000].as_str(), "(lines"),
            (log[20_001].as_str(), "ERROR"),
            (log[33_333].as_str(), "(lines"),
        ] {
            let at =
                lines.iter().position(|known| *known == line).unwrap_or_else(|| panic!("{line} is missing"));
            assert!(lines[at - 1].starts_with(before), "{line} comes after {}", lines[at - 1]);
        }
        assert!(
            lines.contains(&"(lines 31004 to 33333 left out)"),
            "{:?}",
            lines.iter().filter(|line| is_mark(line)).collect::<Vec<_>>()
        );
        assert!(kept.notes[0].starts_with("50000 lines in all, "), "{:?}", kept.notes);
    }

    #[test]
    fn how_often_an_error_comes_is_told() {
        let mut log = log(50_000, &[]);
        (10_000..40_000).step_by(10).for_each(|at| log[at] = format!("ERROR no rates for order {at}"));
        let kept = sift(64 << 10, "", log.iter().map(String::as_str));
        assert_eq!(
            kept.notes[1],
            "3000 times, from line 10001 to line 39991: ERROR no rates for order 10000"
        );
        assert_eq!(kept.text.matches("ERROR no rates").count(), RARE);
    }

    /// Lines of which no two are alike fill no memory, and hide neither an error nor what was asked for.
    #[test]
    fn a_log_without_forms_is_sifted_too() {
        let word = |mut n: usize| {
            let mut word = String::new();
            while n > 0 {
                word.push(char::from(b'a' + u8::try_from(n % 26).unwrap()));
                n /= 26;
            }
            word
        };
        let mut log: Vec<String> =
            (0..120_000).map(|n| format!("{} went {}", word(n * 7919), word(n))).collect();
        log[100_000] = "panic: no rates".into();
        log[101_000] = "zebra went 4711".into();
        let mut sieve = Sieve::new(64 << 10, &Words::of("4711"));
        for line in &log {
            sieve.line(line);
            let Some(parts) = &sieve.parts else { continue };
            let held =
                parts.forms.shelf.bytes + parts.matched.bytes + parts.head.len() + parts.tail.text.len();
            assert!(held < 3 * (64 << 10) + 4 * LONGEST_LINE, "it holds {held}");
        }
        let kept = sieve.finish();
        assert!(kept.text.contains("\npanic: no rates\n") && kept.text.contains("\nzebra went 4711\n"));
    }

    /// Words that thousands of lines have do not crowd out the line that has the rare one.
    #[test]
    fn the_telling_line_is_kept_among_many_that_match() {
        let mut log = log(200_000, &[]);
        (10_000..190_000)
            .step_by(30)
            .for_each(|at| log[at] = format!("INFO payout {at} of vault-{at} booked at {at}"));
        log[150_000] = "INFO payout 150000 of vault-7 kept waiting at 1".into();
        let kept = sift(64 << 10, "which payout was kept waiting?", log.iter().map(String::as_str));
        assert!(kept.text.contains(&log[150_000]));
    }

    #[test]
    fn a_line_that_is_too_long_is_kept_in_part() {
        let long = "ä".repeat(100_000);
        let log: Vec<&str> = std::iter::repeat_n("plain", 5_000).chain([long.as_str()]).collect();
        let kept = sift(8_000, "", log.into_iter());
        assert!(
            kept.text.contains("ää… (of a line of 200000 bytes)") && kept.text.len() <= 8_000,
            "{}",
            kept.text
        );
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

        /// It never holds more than it may, every line is either there or in a mark, and in its order.
        #[test]
        fn nothing_is_lost_without_a_word(
            lines in proptest::collection::vec("(ERROR )?[a-c]{1,3} [0-9]{1,2}.{0,40}", 0..600),
            most in 1_500_usize..20_000,
        ) {
            let lines: Vec<String> = lines.into_iter().map(|line| line.replace(['\n', '\r'], " ")).collect();
            let kept = sift(most, "aab 7", lines.iter().map(String::as_str));
            prop_assert!(kept.text.len() <= most, "{} of {most}", kept.text.len());
            let mut at = 0;
            for line in kept.text.split_terminator('\n') {
                if is_mark(line) {
                    let numbers: Vec<usize> = line.split(' ').filter_map(|word| word.parse().ok()).collect();
                    prop_assert_eq!(numbers[0], at + 1);
                    at = numbers[numbers.len() - 1];
                } else {
                    prop_assert_eq!(line, &lines[at]);
                    at += 1;
                }
            }
            prop_assert_eq!((at, kept.lines), (lines.len(), lines.len()));
        }
    }
}
