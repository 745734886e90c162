//! The lines of a log by their form: which there are, how often they come, and which stand out. Knows no log format. Pure.

use std::{cmp::Reverse, collections::HashMap};

/// More forms than this are not told apart: then the lines have no form, unless they are errors.
const MOST_FORMS: usize = 50_000;
/// How many more errors are told apart all the same.
const MOST_ERRORS: usize = 5_000;
/// A form that comes this often at most is rare in a log of a hundred times as many lines.
pub(super) const RARE: usize = 3;
/// The most that is kept of the lines that belong to one, such as a stack trace.
pub(super) const MOST_TRACE: usize = 40;

/// How a line sounds, worst first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Tone {
    /// An error.
    Bad,
    /// A warning, or something that was not done.
    Uneasy,
    /// Anything else.
    Plain,
}

/// Lines that differ in numbers and names of instances alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Form<'t> {
    /// The first of them.
    pub first: &'t str,
    /// The last of them, with the lines that belong to it.
    pub last: &'t str,
    /// The lines that belong to the last one, as a stack trace does, first one first.
    pub trace: Vec<&'t str>,
    /// How many there are.
    pub times: usize,
    /// The place of the first among all lines, from 0.
    pub first_at: usize,
    /// The place of the last.
    pub last_at: usize,
    /// How they sound.
    pub tone: Tone,
}

/// How often a form comes, and where.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Tally {
    pub(super) times: usize,
    pub(super) first_at: usize,
    pub(super) last_at: usize,
    pub(super) tone: Tone,
}

impl Tally {
    /// Errors come first, then warnings, the frequent ones first.
    pub(super) fn order(&self) -> impl Ord + use<> {
        (self.tone, Reverse(self.times), Reverse(self.last_at))
    }
}

/// What a line is among the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Noted {
    /// One of the form with this number.
    Line(usize),
    /// Belongs to the line before it, which has the form with this number.
    Trace(usize),
    /// Blank, or of one form too many.
    Nothing,
}

/// Counts lines by their form as they come. Keeps none of them.
#[derive(Debug, Default)]
pub(super) struct Table {
    places: HashMap<u64, usize>,
    tallies: Vec<Tally>,
    /// How many lines have a form.
    total: usize,
    current: Option<usize>,
}

impl Table {
    /// Takes in the line at `at`.
    pub(super) fn note(&mut self, at: usize, line: &str) -> Noted {
        let text = without_time(line);
        if text.trim().is_empty() {
            return Noted::Nothing;
        }
        if let Some(place) = self.current.filter(|_| belongs_to_the_last(text)) {
            return Noted::Trace(place);
        }
        self.current = self.place(at, text);
        let Some(place) = self.current else { return Noted::Nothing };
        if let Some(tally) = self.tallies.get_mut(place) {
            tally.times += 1;
            tally.last_at = at;
        }
        self.total += 1;
        Noted::Line(place)
    }

    fn place(&mut self, at: usize, text: &str) -> Option<usize> {
        let shape = shape(text);
        if let Some(place) = self.places.get(&shape) {
            return Some(*place);
        }
        let tone = tone(text);
        let room = MOST_FORMS + if tone == Tone::Bad { MOST_ERRORS } else { 0 };
        if self.tallies.len() >= room {
            return None;
        }
        self.places.insert(shape, self.tallies.len());
        self.tallies.push(Tally { times: 0, first_at: at, last_at: at, tone });
        Some(self.tallies.len() - 1)
    }

    pub(super) fn tally(&self, place: usize) -> Option<&Tally> {
        self.tallies.get(place)
    }

    /// Whether one would look at it first: an error, a warning, or what hardly ever comes among many lines of few forms.
    pub(super) fn stands_out(&self, tally: &Tally) -> bool {
        tally.tone != Tone::Plain || is_rare(tally.times, self.total, self.tallies.len())
    }
}

fn is_rare(times: usize, total: usize, forms: usize) -> bool {
    times <= RARE && total >= 100 * times && forms * 10 <= total
}

impl<'t> Form<'t> {
    fn of(line: &'t str) -> Self {
        let tone = Tone::Plain;
        Self { first: line, last: line, trace: Vec::new(), times: 1, first_at: 0, last_at: 0, tone }
    }
}

/// The forms of these lines, in the order in which they first come.
pub fn forms<'t>(lines: impl Iterator<Item = &'t str>) -> Vec<Form<'t>> {
    let mut table = Table::default();
    let mut found: Vec<Form<'t>> = Vec::new();
    for (at, line) in lines.enumerate() {
        match table.note(at, line) {
            Noted::Line(place) => match found.get_mut(place) {
                Some(form) => {
                    form.last = line;
                    form.trace.clear();
                }
                None => found.push(Form::of(line)),
            },
            Noted::Trace(place) => {
                let form = found.get_mut(place).filter(|form| form.trace.len() < MOST_TRACE);
                if let Some(form) = form {
                    form.trace.push(line);
                }
            }
            Noted::Nothing => {}
        }
    }
    for (form, tally) in found.iter_mut().zip(&table.tallies) {
        (form.times, form.first_at, form.last_at) = (tally.times, tally.first_at, tally.last_at);
        form.tone = tally.tone;
    }
    found
}

/// The forms that one would look at first: errors, then warnings, the frequent ones first; then what hardly ever comes
/// among many lines of few forms.
pub fn standing_out<'f, 't>(forms: &'f [Form<'t>], most: usize) -> Vec<&'f Form<'t>> {
    let total: usize = forms.iter().map(|form| form.times).sum();
    let rare = |form: &&Form<'_>| is_rare(form.times, total, forms.len());
    let mut chosen: Vec<&Form<'_>> =
        forms.iter().filter(|form| form.tone != Tone::Plain || rare(form)).collect();
    chosen.sort_by_key(|form| (form.tone, Reverse(form.times), Reverse(form.last_at)));
    chosen.truncate(most);
    chosen
}

/// A line without the time in front, which the kubelet or the application put there.
pub fn without_time(line: &str) -> &str {
    let Some((first, rest)) = line.split_once(' ') else { return line };
    let is_time = first.len() >= 19
        && first.as_bytes().first().is_some_and(u8::is_ascii_digit)
        && first.contains('T')
        && first.bytes().all(|byte| byte.is_ascii_digit() || b"-:.TZ+".contains(&byte));
    if is_time { rest } else { line }
}

/// Whether a line goes on with what the line before began: indented, or a cause or frame of an error.
pub fn belongs_to_the_last(text: &str) -> bool {
    text.starts_with([' ', '\t', '|'])
        || ["Caused by: ", "Traceback (most recent", "During handling of the above", "goroutine ", "at "]
            .iter()
            .any(|start| text.starts_with(start))
}

/// What is the same in all lines of a form: the words, without those that have a digit in them. Byte by byte, since
/// every line of a log comes by here.
fn shape(text: &str) -> u64 {
    const EMPTY: u64 = 0;
    const WITH_DIGIT: u64 = 1;
    let mix = |state: u64, next: u64| (state.rotate_left(26) ^ next).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let (mut whole, mut word) = (EMPTY, EMPTY);
    for byte in text.bytes().chain([b' ']) {
        match byte {
            b' '
            | b'\t'..=b'\r'
            | b'='
            | b':'
            | b','
            | b';'
            | b'('
            | b')'
            | b'['
            | b']'
            | b'{'
            | b'}'
            | b'"'
            | b'\''
            | b'<'
            | b'>'
            | b'|' => {
                if word != EMPTY {
                    whole = mix(whole, word);
                }
                word = EMPTY;
            }
            b'0'..=b'9' => word = WITH_DIGIT,
            _ if word == WITH_DIGIT => {}
            _ => word = mix(word, u64::from(byte)) | 2,
        }
    }
    whole
}

fn tone(text: &str) -> Tone {
    const BAD: [&str; 14] = [
        "error",
        "err",
        "fatal",
        "critical",
        "panic",
        "severe",
        "exception",
        "failed",
        "failure",
        "fail",
        "fails",
        "cannot",
        "traceback",
        "denied",
    ];
    const UNEASY: [&str; 12] = [
        "warn", "warning", "skipped", "skipping", "rejected", "refused", "dropped", "invalid", "retrying",
        "timeout", "ignored", "unable",
    ];
    let mut found = Tone::Plain;
    let mut first = true;
    for word in text.split(|letter: char| !letter.is_ascii_alphanumeric()).filter(|word| !word.is_empty()) {
        let is = |known: &&str| word.eq_ignore_ascii_case(known);
        // A level at the beginning says what the line is, whatever words come after.
        if first && ["info", "debug", "trace", "notice"].iter().any(is) {
            return Tone::Plain;
        }
        if first && ["warn", "warning"].iter().any(is) {
            return Tone::Uneasy;
        }
        first = first && word.bytes().any(|byte| byte.is_ascii_digit());
        if BAD.iter().any(is) || ends_with_exception(word) || word.ends_with("Error") {
            return Tone::Bad;
        }
        if UNEASY.iter().any(is) {
            found = Tone::Uneasy;
        }
    }
    found
}

fn ends_with_exception(word: &str) -> bool {
    const EXCEPTION: &str = "exception";
    let from = word.len().checked_sub(EXCEPTION.len());
    from.and_then(|from| word.get(from..)).is_some_and(|end| end.eq_ignore_ascii_case(EXCEPTION))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_among_fifty_thousand_stands_out() {
        let mut lines: Vec<String> =
            (0..50_000).map(|n| format!("INFO order {n} sent to host-{} in {}ms", n % 7, n % 90)).collect();
        lines[31_000] = "order 31000 held back: address unknown".into();
        let forms = forms(lines.iter().map(String::as_str));
        assert_eq!(forms.len(), 2);
        let out = standing_out(&forms, 5);
        assert_eq!(
            out.iter().map(|form| (form.first, form.first_at)).collect::<Vec<_>>(),
            [(lines[31_000].as_str(), 31_000)]
        );
    }

    #[test]
    fn errors_come_before_warnings_and_the_frequent_ones_first() {
        let log = "2026-01-02T03:04:05.1Z ERROR a 1\nWARN b\nERROR c\nERROR c\nINFO no error\nd\n";
        let forms = forms(log.lines());
        let out: Vec<(&str, usize)> =
            standing_out(&forms, 9).iter().map(|form| (without_time(form.first), form.times)).collect();
        assert_eq!(out, [("ERROR c", 2), ("ERROR a 1", 1), ("WARN b", 1)]);
    }

    #[test]
    fn a_stack_trace_stays_whole() {
        let log = "INFO up\njava.lang.IllegalStateException: no rates\n\tat a.B.c(B.java:1)\nCaused by: x.Y: z\n\tat q.R.s(R.java:2)\nINFO up\n";
        let forms = forms(log.lines());
        let error = standing_out(&forms, 1)[0];
        assert_eq!(error.trace, ["\tat a.B.c(B.java:1)", "Caused by: x.Y: z", "\tat q.R.s(R.java:2)"]);
        assert_eq!(forms.len(), 2);
    }

    #[test]
    fn what_a_line_says_of_itself_counts() {
        for (line, expected) in [
            ("INFO 0 errors", Tone::Plain),
            ("[12:01:02] WARN cannot see", Tone::Uneasy),
            ("level=error msg=x", Tone::Bad),
            ("ValueError: bad", Tone::Bad),
            ("payout skipped", Tone::Uneasy),
            ("ready", Tone::Plain),
        ] {
            assert_eq!(tone(line), expected, "{line}");
        }
    }
}
