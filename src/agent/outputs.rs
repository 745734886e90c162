//! Outputs that are longer than a prompt should be: the part of one that is shown, and where the whole is read.

use async_trait::async_trait;

use crate::{
    event::{ArtifactId, ConversationId},
    redact::Redacted,
    store::Store,
    text::{
        forms::{Form, forms, standing_out},
        shorten,
    },
    tools::{Kept, read_output},
};

/// The outputs that one conversation keeps.
pub(super) struct Outputs {
    pub(super) store: Store,
    pub(super) conversation: ConversationId,
    pub(super) most_shown: usize,
}

#[async_trait]
impl Kept for Outputs {
    async fn output(&self, id: &str) -> Result<Option<Redacted>, String> {
        let found = self.store.artifact(&self.conversation, &ArtifactId(id.into())).await;
        found.map_err(|error| {
            tracing::warn!(%error, id, "a kept output cannot be read");
            "The kept output can't be read now; call again, or ask for less at once.".into()
        })
    }

    fn most_shown(&self) -> usize {
        self.most_shown
    }
}

/// Forms of lines that are told of what is left out, and how much of a line.
const MOST_FORMS: usize = 8;
const MOST_OF_LINE: usize = 300;

/// A line that stands out, how often its like comes, and the first lines of what belongs to it.
fn told(form: &Form<'_>) -> String {
    let times = if form.times > 1 { format!("({} times) ", form.times) } else { String::new() };
    let trace: Vec<String> = form.trace.iter().take(6).map(|line| shorten(line, MOST_OF_LINE)).collect();
    let below = if trace.is_empty() { String::new() } else { format!("\n{}", trace.join("\n")) };
    format!("{times}{}{below}", shorten(form.last, MOST_OF_LINE))
}

/// The first and last lines of an output that is longer than `most` bytes, with what is left out said between them,
/// and how to read it.
pub(super) fn cut(output: &Redacted, most: usize, id: &ArtifactId) -> Redacted {
    let lines: Vec<&str> = output.lines().collect();
    let (mut head, mut tail, mut room) = (0, lines.len(), most);
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
    let middle = lines.get(head..tail).unwrap_or_default();
    let found = forms(middle.iter().copied());
    let out = standing_out(&found, MOST_FORMS);
    let told: Vec<String> = out.iter().map(|form| told(form)).collect();
    let told =
        if told.is_empty() { String::new() } else { format!("; among them:\n{}\n…", told.join("\n")) };
    let first = lines.get(..head).unwrap_or_default().join("\n");
    let last = lines.get(tail..).unwrap_or_default().join("\n");
    let left_out = format!(
        "… {} of {} lines ({} bytes in all) left out here; read or search them with `{}`, id `{}`{told} …",
        tail - head,
        lines.len(),
        output.len(),
        read_output::NAME,
        id.0
    );
    // Lines that are longer than the room: their beginning is better than nothing.
    let begun: String =
        if first.is_empty() && last.is_empty() { output.chars().take(most / 4).collect() } else { first };
    Redacted::new(format!("{begun}\n{left_out}\n{last}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id() -> ArtifactId {
        ArtifactId("01a206e4-5cf0-77cf-a2a8-b7f3950eaa15".into())
    }

    #[test]
    fn what_is_cut_says_so_and_keeps_both_ends() {
        let lines: Vec<String> = (0..1000).map(|n| format!("line {n}")).collect();
        let output = Redacted::new(lines.join("\n"));
        let cut = cut(&output, 300, &id());
        assert!(cut.len() < 500, "{}", cut.len());
        assert!(cut.starts_with("line 0\n") && cut.ends_with("line 999"), "{cut}");
        assert!(cut.contains("of 1000 lines") && cut.contains("`read_output`, id `01a2"), "{cut}");
    }

    #[test]
    fn one_endless_line_is_cut_too() {
        let cut = cut(&Redacted::new("ab ".repeat(10_000)), 300, &id());
        assert!(cut.len() < 300 && cut.starts_with("ab ab") && cut.contains("left out"), "{cut}");
    }
}
