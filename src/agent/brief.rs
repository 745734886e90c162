//! What a condensed prompt has of an output: its beginning, its end and what stood out. Pure.

use std::collections::HashMap;

use super::repeats::is_same;
use crate::{
    event::{ArtifactId, CallId, Entry, Event, ToolCall},
    redact::Redacted,
    text::{
        forms::{forms, standing_out},
        shorten,
    },
    tools::read_output,
};

/// Outputs up to so many bytes are brief as they are.
pub(super) const SHORT: usize = 700;
const MOST_LINES: usize = 4;
const MOST_OF_LINE: usize = 160;

/// An output in brief.
pub(super) fn brief(output: &Redacted, artifact: Option<&ArtifactId>) -> Redacted {
    if output.len() <= SHORT {
        return output.clone();
    }
    let lines: Vec<&str> = output.lines().collect();
    let cut = |line: &&str| shorten(line, MOST_OF_LINE);
    let found = forms(lines.iter().copied());
    let middle = lines.get(2..lines.len().saturating_sub(1)).unwrap_or_default();
    let out: Vec<String> = standing_out(&found, MOST_LINES)
        .iter()
        .map(|form| form.last)
        .filter(|line| middle.contains(line))
        .map(|line| shorten(line, MOST_OF_LINE))
        .collect();
    let begins: Vec<String> = lines.iter().take(2).map(cut).collect();
    let ends: Vec<String> = lines.iter().skip(2).last().map(cut).into_iter().collect();
    let whole = match artifact {
        Some(id) => format!("`{}`, id `{}`, has all of it", read_output::NAME, id.0),
        None => "call again for all of it".to_owned(),
    };
    let told = format!("… {} lines in all; {whole} …", lines.len());
    Redacted::from([begins, vec![told], out, ends].concat().join("\n"))
}

/// The calls that a later one of the same kind has taken the place of, with that one.
pub(super) fn superseded(log: &[Entry]) -> HashMap<&CallId, &CallId> {
    let calls: Vec<&ToolCall> = log
        .iter()
        .flat_map(|entry| match &entry.event {
            Event::ModelReplied { calls, .. } => calls.as_slice(),
            _ => &[],
        })
        .collect();
    calls
        .iter()
        .enumerate()
        .filter_map(|(at, call)| {
            let later = calls.iter().skip(at + 1).rfind(|other| is_same(other, call))?;
            Some((&call.id, &later.id))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_brief_output_has_both_ends_and_what_stands_out() {
        let mut lines: Vec<String> = (0..200).map(|n| format!("INFO served request {n} in 3 ms")).collect();
        lines[100] = "FATAL cannot open /etc/app/settings.yaml".into();
        let told = brief(&Redacted::new(lines.join("\n")), Some(&ArtifactId("a1".into())));
        assert!(told.len() < SHORT, "{told}");
        assert!(told.starts_with("INFO served request 0") && told.ends_with("request 199 in 3 ms"), "{told}");
        assert!(told.contains("FATAL cannot open") && told.contains("`read_output`, id `a1`"), "{told}");
        let short = Redacted::new("web-1 0/1");
        assert_eq!(brief(&short, None), short);
    }
}
