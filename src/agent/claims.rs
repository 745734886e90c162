//! What an answer claims in its words, held against what was read: exact values, quotes, and commands that it leaves to
//! people. Pure.

use super::known::Known;
use crate::{cluster::kubectl, text::shorten};

/// What is wrong with an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Doubt {
    /// It says what nothing bears out. One sentence.
    Untrue(String),
    /// It could be better, and is true all the same. One sentence.
    Unfinished(String),
}

impl Doubt {
    /// The sentence.
    pub fn words(&self) -> &str {
        match self {
            Doubt::Untrue(words) | Doubt::Unfinished(words) => words,
        }
    }
}

/// Doubts that are told at once: who has to mend more begins anew anyway.
const MOST: usize = 6;
/// Quotes that are shorter than this are figures of speech.
const SHORTEST_QUOTE: usize = 16;

/// What is doubtful about `text`. `own` are commands of the same answer: what they set is new, not read.
pub fn doubts(text: &str, own: &str, known: &Known<'_>) -> Vec<Doubt> {
    let (prose, blocks) = apart(text);
    let own = format!("{own}\n{}", blocks.join("\n"));
    let mut doubts = Vec::new();
    for span in spans(&prose).into_iter().filter(|span| !is_borne_out(span, &own, known)) {
        doubts.push(Doubt::Untrue(format!("`{}` was read nowhere.", shorten(span, 120))));
    }
    for quote in quotes(&prose).into_iter().filter(|quote| !known.has_read(quote)) {
        doubts.push(Doubt::Untrue(format!("«{}» was read nowhere.", shorten(quote, 120))));
    }
    doubts.extend(left_to_people(&prose, &blocks));
    doubts.dedup();
    doubts.truncate(MOST);
    doubts
}

/// A text without its fenced blocks, and what is in these.
fn apart(text: &str) -> (String, Vec<String>) {
    let (mut prose, mut blocks) = (String::new(), Vec::new());
    for (number, part) in text.split("```").enumerate() {
        if number % 2 == 0 {
            prose.push_str(part);
        } else {
            // The first line names the language.
            blocks.push(part.split_once('\n').map_or(part, |(_, lines)| lines).to_owned());
        }
    }
    (prose, blocks)
}

/// What stands in backticks.
fn spans(prose: &str) -> Vec<&str> {
    prose.lines().flat_map(|line| line.split('`').skip(1).step_by(2)).map(str::trim).collect()
}

/// What is quoted: between quotation marks, or on a line that begins with `>`.
fn quotes(prose: &str) -> Vec<&str> {
    let mut found = Vec::new();
    for line in prose.lines() {
        if let Some(quote) = line.trim_start().strip_prefix('>') {
            found.push(quote.trim().trim_matches('`'));
            continue;
        }
        for (open, close) in [('«', '»'), ('“', '”')] {
            let parts = line.split(open).skip(1).filter_map(|part| part.split_once(close));
            found.extend(parts.map(|(quote, _)| quote.trim().trim_matches('`')));
        }
        found.extend(line.split('"').skip(1).step_by(2).map(|quote| quote.trim().trim_matches('`')));
    }
    found.retain(|quote| quote.len() >= SHORTEST_QUOTE);
    found
}

/// Whether something in backticks was read, belongs to a command of the answer itself, or is no exact value but a word of
/// the field: `readinessProbe`, `spec.replicas`, `--tail`.
fn is_borne_out(span: &str, own: &str, known: &Known<'_>) -> bool {
    if !is_exact(span) || known.has_read(span) || own.to_lowercase().contains(&span.to_lowercase()) {
        return true;
    }
    // `KEY=value`, `key: value`, `deployment/web`: the parts may have been read apart from each other.
    let parts: Vec<&str> = span.split(['=', ' ', '/', ',', '"']).filter(|part| !part.is_empty()).collect();
    parts.len() > 1 && parts.iter().all(|part| is_borne_out(part.trim_end_matches(':'), own, known))
}

/// Whether a span says something that only the cluster can know.
fn is_exact(span: &str) -> bool {
    let is_command = span.starts_with("kubectl ") || span.starts_with('-');
    let has_digit = span.bytes().any(|byte| byte.is_ascii_digit());
    let is_name = span.contains('-') && !span.bytes().any(|byte| byte.is_ascii_uppercase());
    let is_version = matches!(span, "v1" | "v2" | "apps/v1" | "batch/v1" | "true" | "false" | "0" | "1");
    !span.is_empty() && !is_command && !is_version && (has_digit || is_name || span.contains(' '))
}

/// Commands that only look, in an answer whose reader was to run them: the tool could have.
fn left_to_people(prose: &str, blocks: &[String]) -> Option<Doubt> {
    let lines = blocks.iter().flat_map(|block| block.lines()).chain(spans(prose));
    let mut only_look = lines.filter_map(|line| {
        let rest = line.trim().trim_start_matches(['$', ' ']).strip_prefix("kubectl ")?;
        let looks = ["get ", "describe ", "logs ", "events", "top "].iter().any(|verb| rest.contains(verb));
        (looks && kubectl::parse(rest).is_ok()).then(|| line.trim().to_owned())
    });
    // What is watched or looked at after a change is part of the change.
    let changes = blocks.iter().flat_map(|block| block.lines()).any(|line| {
        let rest = line.trim().strip_prefix("kubectl ");
        rest.is_some_and(|rest| kubectl::parse(rest).is_err())
    });
    let command = only_look.next().filter(|_| !changes)?;
    Some(Doubt::Unfinished(format!(
        "`{}` is something that you can look at yourself: call the tool, and say what it shows.",
        shorten(&command, 160)
    )))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        event::{CallId, Entry, Event},
        redact::Redacted,
    };

    fn log() -> Vec<Entry> {
        let returned = Event::ToolReturned {
            call: CallId("c1".into()),
            ok: true,
            output: Redacted::new(
                "NAME    READY   RESTARTS\nweb-1   0/1     7\npanic: cannot open /etc/app/settings.yaml\nPORT=8080",
            ),
            gist: Redacted::new("pods in `shop`: 1"),
            artifact: None,
            took_ms: 0,
        };
        vec![Entry { seq: 1, at_ms: 0, event: returned }]
    }

    fn check(text: &str, own: &str) -> Vec<String> {
        let log = log();
        doubts(text, own, &Known::of(&log)).iter().map(|doubt| doubt.words().to_owned()).collect()
    }

    #[test]
    fn what_was_read_stands() {
        for text in [
            "`web-1` in `shop` restarted `7` times.",
            "It says «panic: cannot open /etc/app/settings.yaml».",
            "It says \"panic:  cannot   open /etc/app/settings.yaml\" again and again.",
            "> panic: cannot open /etc/app/settings.yaml",
            "Its `readinessProbe` and `spec.template.spec.containers` are fine; see `--tail`.",
            "`PORT` is `8080`, i.e. `PORT: 8080`, in `pods/web-1`.",
            "Its \"health\" is \"ok\".",
            "Set it:\n```sh\nkubectl -n shop set env deploy/web PORT=9090\n```\nThen `PORT` is `9090`.",
            "```sh\nkubectl -n shop set env deploy/web PORT=9090\nkubectl -n shop get pods -l app=web\n```",
        ] {
            assert_eq!(check(text, ""), Vec::<String>::new(), "{text}");
        }
        assert_eq!(
            check("Raise it to `512Mi`.", "kubectl set resources deploy/web --limits=memory=512Mi"),
            [""; 0]
        );
    }

    #[test]
    fn what_was_not_read_is_told() {
        for (text, told) in [
            ("`web-9` is down.", "`web-9`"),
            ("It restarted `8` times.", "`8`"),
            ("It listens on `PORT=9090`.", "`PORT=9090`"),
            ("It says «panic: cannot open /etc/app/config.yaml».", "config.yaml"),
            ("It says \"connection refused to the database\".", "connection refused"),
            ("> out of memory while reading", "out of memory"),
            ("Run `kubectl -n shop get pods` to find out.", "look at yourself"),
            ("Check it:\n```sh\nkubectl logs web-1 -n shop --previous\n```", "look at yourself"),
            ("Check it:\n```\n$ kubectl -n shop describe pod web-1\n```", "look at yourself"),
        ] {
            let doubts = check(text, "");
            assert!(doubts.len() == 1 && doubts[0].contains(told), "{text}: {doubts:?}");
        }
    }
}
