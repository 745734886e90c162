//! What a model thinks while it is being written, and what of it goes back. Knows no wire format and does no IO.

use crate::{
    event::{Seal, Thought, ThoughtKind, ThoughtPart},
    redact::Redacted,
};

/// One part of a thought while it is being written.
#[derive(Debug)]
pub(super) struct PartDraft {
    kind: ThoughtKind,
    /// Its place in the reply, as the provider counts.
    index: u64,
    pub(super) text: String,
    pub(super) seal: String,
    pub(super) call: Option<usize>,
    pub(super) id: String,
    pub(super) format: String,
}

impl PartDraft {
    /// The part as it is kept; `None` where a seal has lost what it seals, or is none.
    fn finish(self) -> Option<ThoughtPart> {
        let mut part = ThoughtPart::new(self.kind);
        part.text = Redacted::new(&self.text);
        if !self.seal.is_empty() {
            if part.text.as_str() != self.text {
                return None;
            }
            part.seal = Some(Seal::new(self.seal)?);
        }
        part.call = self.call;
        part.id = Seal::new(self.id);
        part.format = Seal::new(self.format);
        Some(part)
    }
}

/// A thought while it is being written.
#[derive(Debug, Default)]
pub(super) struct Thinking {
    parts: Vec<PartDraft>,
}

impl Thinking {
    /// The part of that kind at that place in the reply, begun where there is none.
    pub(super) fn part(&mut self, kind: ThoughtKind, index: u64) -> Option<&mut PartDraft> {
        let same = |part: &PartDraft| part.kind == kind && part.index == index;
        if !self.parts.iter().any(same) {
            let (text, seal, id, format) = (String::new(), String::new(), String::new(), String::new());
            self.parts.push(PartDraft { kind, index, text, seal, call: None, id, format });
        }
        self.parts.iter_mut().rfind(|part| same(part))
    }

    /// The next words of what is thought in plain text.
    pub(super) fn text(&mut self, kind: ThoughtKind, words: &str) {
        if !words.is_empty()
            && let Some(part) = self.part(kind, 0)
        {
            part.text.push_str(words);
        }
    }

    /// The whole thought of `model`, if there was one.
    ///
    /// A seal holds for the words that it was made for. Where masking has changed them, the thought is left out whole:
    /// providers refuse a changed part and a sequence with a gap, and do without a thought.
    pub(super) fn finish(self, model: &str) -> Option<Thought> {
        let parts: Option<Vec<ThoughtPart>> =
            one_telling(self.parts).into_iter().map(PartDraft::finish).collect();
        let parts = parts.filter(|parts| !parts.is_empty())?;
        Some(Thought { model: model.to_owned(), parts })
    }
}

/// Some servers tell the same thought in more than one field: the one that says most is kept.
fn one_telling(mut parts: Vec<PartDraft>) -> Vec<PartDraft> {
    let has =
        |parts: &[PartDraft], told: &dyn Fn(ThoughtKind) -> bool| parts.iter().any(|part| told(part.kind));
    if has(&parts, &is_detail) {
        parts.retain(|part| !matches!(part.kind, ThoughtKind::Reasoning | ThoughtKind::ReasoningContent));
    } else if has(&parts, &|kind| kind == ThoughtKind::ReasoningContent) {
        parts.retain(|part| part.kind != ThoughtKind::Reasoning);
    }
    parts
}

/// Whether it is a detail of OpenRouter's.
pub(super) fn is_detail(kind: ThoughtKind) -> bool {
    matches!(kind, ThoughtKind::DetailText | ThoughtKind::DetailSummary | ThoughtKind::DetailEncrypted)
}

/// The parts that may go back to `model`: those of its own thought.
pub(super) fn own<'a>(thought: Option<&'a Thought>, model: &str) -> &'a [ThoughtPart] {
    thought.filter(|thought| thought.model == model).map_or(&[], |thought| &thought.parts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seal_goes_with_the_words_that_it_was_made_for() {
        let think = |words: &str, seal: &str| {
            let mut thinking = Thinking::default();
            let part = thinking.part(ThoughtKind::Thinking, 0).unwrap();
            part.text.push_str(words);
            part.seal.push_str(seal);
            thinking.finish("claude")
        };
        let kept = think("The pod restarts.", "EqQB").unwrap();
        assert_eq!((kept.model.as_str(), kept.parts[0].text.as_str()), ("claude", "The pod restarts."));
        assert_eq!(own(Some(&kept), "claude").len(), 1);
        assert_eq!(own(Some(&kept), "gpt").len(), 0);
        assert_eq!(
            think("It has password=hunter2-long-secret.", "EqQB"),
            None,
            "masked, so the seal is broken"
        );
        assert_eq!(think("The pod restarts.", "no seal"), None);
        let unsealed = think("It has password=hunter2-long-secret.", "").unwrap();
        assert!(unsealed.parts[0].text.contains("‹secret:password#"), "what nobody sealed goes back masked");
        assert_eq!(Thinking::default().finish("claude"), None);
    }

    #[test]
    fn what_is_told_twice_is_kept_once() {
        let mut thinking = Thinking::default();
        thinking.text(ThoughtKind::Reasoning, "Hm.");
        thinking.text(ThoughtKind::ReasoningContent, "Hm.");
        thinking.part(ThoughtKind::DetailEncrypted, 0).unwrap().seal.push_str("gAAA");
        thinking.part(ThoughtKind::CallSignature, 0).unwrap().seal.push_str("CiIB");
        let kinds: Vec<_> = thinking.finish("m").unwrap().parts.iter().map(|part| part.kind).collect();
        assert_eq!(kinds, [ThoughtKind::DetailEncrypted, ThoughtKind::CallSignature]);
    }
}
