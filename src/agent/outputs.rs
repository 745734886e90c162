//! The outputs that a conversation keeps because they are longer than a prompt should be.

use async_trait::async_trait;

use crate::{
    event::{ArtifactId, ConversationId, Entry, Event},
    redact::Redacted,
    store::Store,
    text::words::Words,
    tools::Kept,
};

/// The outputs that one conversation keeps.
pub(super) struct Outputs {
    pub(super) store: Store,
    pub(super) conversation: ConversationId,
    pub(super) most_shown: usize,
    pub(super) words: Words,
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

    fn words(&self) -> &Words {
        &self.words
    }
}

/// What the person looks for: the words of what was said since the last turn ended, or, where these tell nothing, of what
/// was said before.
pub(super) fn words(log: &[Entry]) -> Words {
    let mut said = String::new();
    let mut words = Words::default();
    for entry in log.iter().rev() {
        match &entry.event {
            Event::UserSaid { text, .. } => {
                said = format!("{text}\n{said}");
                words = Words::of(&said);
            }
            Event::TurnEnded { .. } if !words.is_empty() => break,
            _ => {}
        }
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Author;

    #[test]
    fn a_person_looks_for_what_was_said_last_and_tells_something() {
        let said = |text: &str| {
            let author = Author { id: "u".into(), name: Redacted::new("Ana"), roles: vec![] };
            Event::UserSaid { author, text: Redacted::new(text), about: None }
        };
        let ended = || Event::TurnEnded { failure: None };
        for (events, expected) in [
            (vec![said("where is order 4711?")], "order 4711"),
            (vec![said("where is order 4711?"), ended(), said("and invoice 7?")], "invoice"),
            (vec![said("where is order 4711?"), ended(), said("why?")], "order 4711"),
            (vec![said("order 4711"), said("of the shop")], "order 4711 shop"),
            (vec![], ""),
        ] {
            let log: Vec<Entry> =
                (1..).zip(events).map(|(seq, event)| Entry { seq, at_ms: 0, event }).collect();
            assert_eq!(words(&log), Words::of(expected), "{log:?}");
        }
    }
}
