//! The part of an output that a prompt carries where the whole would be too long: its ends, the lines that have words of
//! the question, and those that stand out. Pure.

use std::collections::BTreeSet;

use crate::{
    cluster::kubectl::shape,
    event::ArtifactId,
    redact::Redacted,
    text::{
        forms::{Form, forms, standing_out},
        shorten,
        sieve::is_mark,
        words::{Matches, Words},
    },
    tools::read_output,
};

/// Forms of lines that are told of what is left out, and how much of a line.
const MOST_FORMS: usize = 8;
const MOST_OF_LINE: usize = 300;
/// How many lines are shown around one that has words of the question.
const CONTEXT: usize = 1;
/// How much of a trace is shown.
const MOST_OF_TRACE: usize = 6;

/// At most `most` bytes of an output, with what is left out said where it stood, and how to read it.
pub fn digest(output: &Redacted, most: usize, id: &ArtifactId, words: &Words) -> Redacted {
    let mut room = most;
    loop {
        let digest = Redacted::from(write(output, room, id, words));
        // What was cut apart may look like a secret, whose mark is longer.
        match digest.len().checked_sub(most).filter(|over| *over > 0 && room > 0) {
            Some(over) => room = room.saturating_sub(over.max(64)),
            None => return digest,
        }
    }
}

fn write(output: &str, most: usize, id: &ArtifactId, words: &Words) -> String {
    let lines: Vec<&str> = output.lines().collect();
    let shape = shape(output)
        .map(|shape| format!("; it is {shape}, so ask with `path`, e.g. `{{.items[*].metadata.name}}`"));
    let said = |left: usize| {
        format!(
            "… {left} of {} lines ({} bytes in all) left out here; read or search them with `{}`, id `{}`{}",
            lines.len(),
            output.len(),
            read_output::NAME,
            id.0,
            shape.as_deref().unwrap_or_default()
        )
    };
    // The longest sentence, and the line ends around it.
    let room = most.saturating_sub(said(lines.len()).len() + 8);
    let least = ends(&lines, room / 2);
    let matched = matching(&lines, least.clone(), words, room / 4);
    let told = out_of_the_ordinary(lines.get(least).unwrap_or_default(), room / 4);
    let room = room.saturating_sub(matched.len() + told.len());
    let left = ends(&lines, room);
    let first = lines.get(..left.start).unwrap_or_default().join("\n");
    let last = lines.get(left.end..).unwrap_or_default().join("\n");
    // Lines that are longer than the room: their beginning is better than nothing.
    let begun = if first.is_empty() && last.is_empty() {
        output.get(..output.floor_char_boundary(room / 2))
    } else {
        None
    };
    format!("{}\n{}{matched}{told} …\n{last}", begun.unwrap_or(&first), said(left.len()))
}

/// The lines that are left out where `room` bytes of both ends are shown.
fn ends(lines: &[&str], mut room: usize) -> std::ops::Range<usize> {
    let (mut head, mut tail) = (0, lines.len());
    // The end of a log says more than its beginning: two lines of it for each one of that.
    while head < tail {
        let from_head = head * 2 < lines.len() - tail;
        let length = lines.get(if from_head { head } else { tail - 1 }).map_or(0, |line| line.len() + 1);
        if length > room {
            break;
        }
        room -= length;
        if from_head { head += 1 } else { tail -= 1 }
    }
    head..tail
}

/// The lines with the rarest words of the question, with their numbers and what is around them.
fn matching(lines: &[&str], left: std::ops::Range<usize>, words: &Words, room: usize) -> String {
    const SAID: &str = "\n… of these, lines with words of the question:";
    let mut matches = Matches::new(words);
    lines.iter().enumerate().filter(|(_, line)| !is_mark(line)).for_each(|(at, line)| {
        matches.note(at, line);
    });
    let best = matches.best();
    let (mut shown, mut size) = (BTreeSet::new(), SAID.len());
    for at in best.iter().filter(|at| left.contains(at)) {
        let around = at.saturating_sub(CONTEXT).max(left.start)..(at + CONTEXT + 1).min(left.end);
        let new: Vec<usize> = around.filter(|at| !shown.contains(at)).collect();
        let more: usize = new
            .iter()
            .filter_map(|at| lines.get(*at))
            .map(|line| line.len().min(4 * MOST_OF_LINE) + 14)
            .sum();
        if size + more <= room {
            size += more;
            shown.extend(new);
        }
    }
    let (mut text, mut last) = (String::new(), None);
    for at in &shown {
        if last.is_some_and(|last| at - last > 1) {
            text.push_str("\n--");
        }
        let mark = if best.contains(at) { ':' } else { '-' };
        let line = shorten(lines.get(*at).copied().unwrap_or_default(), MOST_OF_LINE);
        text.push_str(&format!("\n{}{mark} {line}", at + 1));
        last = Some(*at);
    }
    if text.is_empty() { text } else { format!("{SAID}{text}") }
}

/// The lines that stand out, how often their like comes, and the first lines of what belongs to them.
fn out_of_the_ordinary(lines: &[&str], room: usize) -> String {
    const SAID: &str = "\n… of these, lines that stand out:";
    let found = forms(lines.iter().copied().filter(|line| !is_mark(line)));
    let mut text = String::new();
    for form in standing_out(&found, MOST_FORMS) {
        let told = told(form);
        if SAID.len() + text.len() + told.len() <= room {
            text.push_str(&told);
        }
    }
    if text.is_empty() { text } else { format!("{SAID}{text}") }
}

fn told(form: &Form<'_>) -> String {
    let times = if form.times > 1 { format!("({} times) ", form.times) } else { String::new() };
    let lines = std::iter::once(form.last).chain(form.trace.iter().copied().take(MOST_OF_TRACE));
    let lines: Vec<String> = lines.map(|line| shorten(line, MOST_OF_LINE)).collect();
    format!("\n{times}{}", lines.join("\n"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn id() -> ArtifactId {
        ArtifactId("01a206e4-5cf0-77cf-a2a8-b7f3950eaa15".into())
    }

    fn cut(text: &str, most: usize, question: &str) -> Redacted {
        digest(&Redacted::new(text), most, &id(), &Words::of(question))
    }

    /// A log in which most lines are alike.
    fn log(special: &[(usize, &str)]) -> String {
        let line = |n: usize| {
            let special = special.iter().find(|(at, _)| *at == n).map(|(_, line)| (*line).to_owned());
            special.unwrap_or_else(|| format!("INFO order {n} sent to host-{} in {}ms", n % 7, n % 90))
        };
        (0..20_000).map(|n| line(n) + "\n").collect()
    }

    #[test]
    fn what_is_cut_says_so_and_keeps_both_ends() {
        let lines: Vec<String> = (0..1000).map(|n| format!("line {n}")).collect();
        let cut = cut(&lines.join("\n"), 500, "");
        assert!(cut.len() <= 500 && cut.len() > 400, "{}", cut.len());
        assert!(cut.starts_with("line 0\n") && cut.ends_with("line 999"), "{cut}");
        assert!(cut.contains("of 1000 lines") && cut.contains("`read_output`, id `01a2"), "{cut}");
    }

    #[test]
    fn one_endless_line_is_cut_too() {
        let cut = cut(&"ab ".repeat(10_000), 300, "");
        assert!(cut.len() <= 300 && cut.starts_with("ab ab") && cut.contains("left out"), "{cut}");
    }

    #[test]
    fn what_the_question_is_about_is_shown_with_its_surroundings() {
        let log = log(&[
            (9_000, "order 42-17 kept waiting: address unknown"),
            (9_500, "ERROR no rates\n\tat a.B(B.java:1)"),
        ]);
        let cut = cut(&log, 12_000, "what became of order 42-17?");
        let expected = "\n9000- INFO order 8999 sent to host-4 in 89ms\n9001: order 42-17 kept waiting: address unknown\n9002- INFO";
        assert!(cut.contains(expected), "{cut}");
        assert!(
            cut.contains("\n… of these, lines that stand out:\nERROR no rates\n\tat a.B(B.java:1)\n"),
            "{cut}"
        );
        assert!(cut.len() <= 12_000 && cut.len() > 11_000, "{}", cut.len());
        let other = digest(&Redacted::new(&log), 12_000, &id(), &Words::of("which orders were sent?"));
        assert!(!other.contains("words of the question"), "every line has these words: {other}");
    }

    #[test]
    fn a_list_says_what_it_is() {
        let pod =
            "        {\n            \"apiVersion\": \"v1\",\n            \"kind\": \"Pod\"\n        },\n";
        let text = format!(
            "{{\n    \"apiVersion\": \"v1\",\n    \"items\": [\n{}    ],\n    \"kind\": \"List\"\n}}\n",
            pod.repeat(500)
        );
        let cut = cut(&text, 2_000, "");
        assert!(cut.contains("; it is JSON of a List of 500 × Pod, so ask with `path`"), "{cut}");
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

        /// Whatever an output looks like and whatever stands out in it, its digest is no longer than it may be.
        #[test]
        fn a_digest_is_never_longer_than_it_may_be(
            lines in proptest::collection::vec("(ERROR |WARN |password=|at |)?.{0,60}", 1..300),
            question in "[a-z0-9 ]{0,40}",
            most in 400_usize..6_000,
        ) {
            let cut = cut(&lines.join("\n"), most, &question);
            prop_assert!(cut.len() <= most, "{} of {most}: {cut}", cut.len());
        }
    }
}
