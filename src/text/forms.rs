//! The lines of a log by their form: which there are, how often they come, and which stand out. Knows no log format. Pure.

use std::{
    collections::HashMap,
    hash::{BuildHasher, Hasher, RandomState},
};

/// More forms than this are not told apart: then the lines have no form.
const MOST_FORMS: usize = 50_000;
/// A form that comes this often at most is rare in a log of a hundred times as many lines.
const RARE: usize = 3;
/// The most that is kept of the lines that belong to one, such as a stack trace.
const MOST_TRACE: usize = 40;

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

/// The forms of these lines, in the order in which they first come.
pub fn forms<'t>(lines: impl Iterator<Item = &'t str>) -> Vec<Form<'t>> {
    let hasher = RandomState::new();
    let mut places: HashMap<u64, usize> = HashMap::new();
    let mut found: Vec<Form<'t>> = Vec::new();
    let mut current: Option<usize> = None;
    for (at, line) in lines.enumerate() {
        let text = without_time(line);
        if text.trim().is_empty() {
            continue;
        }
        if let Some(form) =
            current.and_then(|place| found.get_mut(place)).filter(|_| belongs_to_the_last(text))
        {
            if form.trace.len() < MOST_TRACE {
                form.trace.push(line);
            }
            continue;
        }
        let shape = shape(text, &hasher);
        let place = match places.get(&shape) {
            Some(place) => *place,
            None if found.len() >= MOST_FORMS => continue,
            None => {
                places.insert(shape, found.len());
                found.push(Form {
                    first: line,
                    last: line,
                    trace: Vec::new(),
                    times: 0,
                    first_at: at,
                    last_at: at,
                    tone: tone(text),
                });
                found.len() - 1
            }
        };
        if let Some(form) = found.get_mut(place) {
            form.times += 1;
            (form.last, form.last_at) = (line, at);
            form.trace.clear();
        }
        current = Some(place);
    }
    found
}

/// The forms that one would look at first: errors, then warnings, the frequent ones first; then what hardly ever comes
/// among many lines of few forms.
pub fn standing_out<'f, 't>(forms: &'f [Form<'t>], most: usize) -> Vec<&'f Form<'t>> {
    let total: usize = forms.iter().map(|form| form.times).sum();
    let rare =
        |form: &&Form<'_>| form.times <= RARE && total >= 100 * form.times && forms.len() * 10 <= total;
    let mut chosen: Vec<&Form<'_>> =
        forms.iter().filter(|form| form.tone != Tone::Plain || rare(form)).collect();
    chosen.sort_by_key(|form| (form.tone, std::cmp::Reverse(form.times), std::cmp::Reverse(form.last_at)));
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

/// What is the same in all lines of a form: the words, without those that have a digit in them.
fn shape(text: &str, hasher: &RandomState) -> u64 {
    let mut state = hasher.build_hasher();
    for word in text.split(|letter: char| letter.is_whitespace() || "=:,;()[]{}\"'<>|".contains(letter)) {
        if word.is_empty() {
            continue;
        }
        if word.bytes().any(|byte| byte.is_ascii_digit()) {
            state.write_u8(b'#');
        } else {
            state.write(word.as_bytes());
        }
        state.write_u8(0);
    }
    state.finish()
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
        let lower = word.to_ascii_lowercase();
        // A level at the beginning says what the line is, whatever words come after.
        if first && matches!(lower.as_str(), "info" | "debug" | "trace" | "notice") {
            return Tone::Plain;
        }
        if first && matches!(lower.as_str(), "warn" | "warning") {
            return Tone::Uneasy;
        }
        first = first && lower.bytes().any(|byte| byte.is_ascii_digit());
        if BAD.contains(&lower.as_str()) || lower.ends_with("exception") || word.ends_with("Error") {
            return Tone::Bad;
        }
        if UNEASY.contains(&lower.as_str()) {
            found = Tone::Uneasy;
        }
    }
    found
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
