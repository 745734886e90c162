//! A reply while it is being written: what both wires put together piece by piece. Knows no wire format and does no IO.

use std::collections::HashSet;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::{
    INVALID_ARGS, Live, Message, Prompt, Reply, text_calls::TextCalls, thinking::Thinking, trouble::Trouble,
};
use crate::{
    event::{CallId, ToolCall, Usage},
    redact::{Pieces, RedactedJson},
};

/// Arguments that are no JSON object are quoted up to this many characters.
const LONGEST_INVALID: usize = 2000;

/// What a reader is told of a reply that was too long.
const CUT_OFF: &str = "\n\n[cut off here: the reply reached `max_tokens`]";

/// What is told of a reply without a word or a call.
const NOTHING: &str = "it answered nothing";

/// What is told of a reply that is nothing but thoughts.
const SPENT: &str = "it used up `max_tokens` before it said anything: raise `max_tokens` of this model";

/// Why a model stopped writing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// It said what it had to say.
    Done,
    /// It reached `max_tokens`.
    Full,
    /// The provider's filter or the model itself declined.
    Declined,
}

/// A call while it is being written.
#[derive(Debug, Default)]
pub(super) struct CallDraft {
    /// Its place in the reply, as the provider counts.
    pub(super) index: u64,
    pub(super) id: String,
    pub(super) tool: String,
    /// JSON, as far as it has come.
    pub(super) args: String,
}

/// A reply while it is being written.
pub(super) struct Draft<'a> {
    live: &'a dyn Live,
    muttering: Muttering,
    /// Where calls come as text.
    text_calls: Option<TextCalls>,
    words: Pieces,
    heard: bool,
    end: Option<End>,
    pub(super) calls: Vec<CallDraft>,
    pub(super) thinking: Thinking,
    pub(super) usage: Usage,
    /// Tokens of the prompt that were written to the provider's cache.
    pub(super) cache_writes: u64,
}

impl<'a> Draft<'a> {
    pub(super) fn new(live: &'a dyn Live) -> Self {
        Self {
            live,
            muttering: Muttering::default(),
            text_calls: None,
            words: Pieces::default(),
            heard: false,
            end: None,
            calls: Vec::new(),
            thinking: Thinking::default(),
            usage: Usage::default(),
            cache_writes: 0,
        }
    }

    /// A reply in whose text the calls stand.
    pub(super) fn with_calls_in_text(live: &'a dyn Live) -> Self {
        Self { text_calls: Some(TextCalls::default()), ..Self::new(live) }
    }

    /// The next piece of text.
    pub(super) fn say(&mut self, piece: &str) {
        let mut visible = self.muttering.pass(piece);
        if let Some(calls) = &mut self.text_calls {
            visible = calls.pass(&visible);
        }
        self.tell(&visible);
    }

    fn tell(&mut self, visible: &str) {
        if visible.is_empty() {
            return;
        }
        let settled = self.words.push(visible);
        if !settled.is_empty() {
            self.heard = true;
            self.live.delta(&settled);
        }
    }

    /// The model stopped writing. What says so first is right.
    pub(super) fn end(&mut self, end: End) {
        self.end.get_or_insert(end);
    }

    /// Whether the model is known to have stopped, so that nothing is missing.
    pub(super) fn ended(&self) -> bool {
        self.end.is_some()
    }

    /// Whether a person may have seen part of it.
    pub(super) fn heard(&self) -> bool {
        self.heard
    }

    /// The whole reply of `model`, told to its end.
    pub(super) fn finish(mut self, model: &str, ids: &Ids) -> Result<Reply, Trouble> {
        let held = self.muttering.end();
        self.say(&held);
        if let Some(mut calls) = self.text_calls.take() {
            let (rest, calls) = calls.end();
            self.tell(&rest);
            self.calls.extend(calls);
        }
        let silent = self.calls.is_empty() && self.words.is_blank();
        match self.end {
            Some(End::Full) if silent => return Err(Trouble::lasting(SPENT)),
            Some(End::Declined) if silent => {
                return Err(Trouble::lasting("it declined to answer (content filter)"));
            }
            _ if silent => return Err(Trouble { tries: Some(1), ..Trouble::passing(NOTHING) }),
            Some(End::Full) if self.calls.is_empty() => self.tell(CUT_OFF),
            _ => {}
        }
        let (rest, text) = self.words.finish();
        if !rest.is_empty() {
            self.live.delta(&rest);
        }
        let thought = self.thinking.finish(model);
        Ok(Reply { text, calls: ids.name(self.calls), usage: self.usage, thought, ..Reply::default() })
    }
}

/// Leaves out the `<think>…</think>` that some local models begin their answer with.
#[derive(Debug)]
enum Muttering {
    /// Too little was said to know.
    Unknown(String),
    /// Thinking aloud.
    Inside(String),
    /// Answering.
    Over,
}

impl Default for Muttering {
    fn default() -> Self {
        Muttering::Unknown(String::new())
    }
}

impl Muttering {
    const OPEN: &str = "<think>";
    const CLOSE: &str = "</think>";

    /// What of `piece`, and of pieces held back before, belongs to the answer.
    fn pass(&mut self, piece: &str) -> String {
        match self {
            Muttering::Over => piece.to_owned(),
            Muttering::Unknown(held) => {
                held.push_str(piece);
                let begun = held.trim_start();
                if let Some(inside) = begun.strip_prefix(Self::OPEN) {
                    let inside = inside.to_owned();
                    *self = Muttering::Inside(String::new());
                    self.pass(&inside)
                } else if Self::OPEN.starts_with(begun) {
                    String::new()
                } else {
                    let held = std::mem::take(held);
                    *self = Muttering::Over;
                    held
                }
            }
            Muttering::Inside(held) => {
                held.push_str(piece);
                let Some((_, answer)) = held.split_once(Self::CLOSE) else { return String::new() };
                let answer = answer.trim_start().to_owned();
                *self = Muttering::Over;
                answer
            }
        }
    }

    /// What was held back and turned out to be no thought.
    fn end(&mut self) -> String {
        match std::mem::replace(self, Muttering::Over) {
            Muttering::Unknown(held) => held,
            Muttering::Inside(_) | Muttering::Over => String::new(),
        }
    }
}

/// Gives calls the ids that the log knows them by: the provider's own, unless it gave none or one that was used
/// before. Those it makes follow from the prompt alone, so the same prompt answered again gets the same ids.
pub(super) struct Ids {
    taken: HashSet<String>,
    seed: String,
}

impl Ids {
    pub(super) fn of(prompt: &Prompt) -> Self {
        let mut digest = Sha256::new();
        let mut taken = HashSet::new();
        for message in &prompt.messages {
            match message {
                Message::User(text) | Message::Scan { text, .. } => digest.update(text.as_bytes()),
                Message::Tool { output, .. } => digest.update(output.as_bytes()),
                Message::Model { text, calls, .. } => {
                    digest.update(text.as_bytes());
                    taken.extend(calls.iter().map(|call| call.id.0.clone()));
                }
            }
            digest.update([0]);
        }
        let seed = digest.finalize().iter().take(6).map(|byte| format!("{byte:02x}")).collect();
        Self { taken, seed }
    }

    fn name(&self, drafts: Vec<CallDraft>) -> Vec<ToolCall> {
        let mut taken = self.taken.clone();
        let mut calls = Vec::with_capacity(drafts.len());
        for (place, draft) in drafts.into_iter().enumerate() {
            let mut id = draft.id;
            let mut round = 0;
            while id.is_empty() || taken.contains(&id) {
                id = format!("call_{}_{}", self.seed, place + 1000 * round);
                round += 1;
            }
            taken.insert(id.clone());
            calls.push(ToolCall { id: CallId(id), tool: draft.tool, args: args(&draft.args) });
        }
        calls
    }
}

/// The arguments as an object. An object within a JSON string, which small models write, is taken for what it means.
fn args(raw: &str) -> RedactedJson {
    if raw.trim().is_empty() {
        return RedactedJson::new(json!({}));
    }
    let mut read = serde_json::from_str(raw);
    if let Ok(Value::String(inner)) = &read {
        read = serde_json::from_str(inner);
    }
    let object = read.ok().filter(Value::is_object).unwrap_or_else(|| {
        let quoted: String = raw.chars().take(LONGEST_INVALID).collect();
        json!({ INVALID_ARGS: quoted })
    });
    RedactedJson::new(object)
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;
    use crate::redact::Redacted;

    #[derive(Default)]
    struct Heard(Mutex<String>);

    impl Live for Heard {
        fn delta(&self, text: &Redacted) {
            self.0.lock().unwrap().push_str(text);
        }
    }

    fn no_ids() -> Ids {
        Ids { taken: HashSet::new(), seed: "seed".into() }
    }

    fn call(id: &str, args: &str) -> CallDraft {
        CallDraft { index: 0, id: id.into(), tool: "kubectl".into(), args: args.into() }
    }

    #[test]
    fn thoughts_are_left_out_however_they_are_cut() {
        for (said, expected) in [
            ("<think>hm\nhm</think>\n\nThe pod.", "The pod."),
            (" \n<think></think>Yes", "Yes"),
            ("<thinking about it", "<thinking about it"),
            ("no <think>thought</think>", "no <think>thought</think>"),
            ("<thi", "<thi"),
        ] {
            for size in 1..=said.len().max(1) {
                let heard = Heard::default();
                let mut draft = Draft::new(&heard);
                for piece in said.as_bytes().chunks(size) {
                    draft.say(std::str::from_utf8(piece).unwrap());
                }
                draft.end(End::Done);
                let reply = draft.finish("m", &no_ids()).unwrap();
                assert_eq!(reply.text.trim_start(), expected, "{said:?} in pieces of {size}");
                assert_eq!(*heard.0.lock().unwrap(), reply.text.as_str());
            }
        }
    }

    #[test]
    fn arguments_become_an_object_or_say_that_they_are_none() {
        for (raw, expected) in [
            ("", json!({})),
            ("  ", json!({})),
            (r#"{"command":"get pods"}"#, json!({"command": "get pods"})),
            (r#""{\"command\":\"get pods\"}""#, json!({"command": "get pods"})),
            (r#"{"command":"get po"#, json!({INVALID_ARGS: r#"{"command":"get po"#})),
            ("[1]", json!({INVALID_ARGS: "[1]"})),
            ("null", json!({INVALID_ARGS: "null"})),
            ("get pods", json!({INVALID_ARGS: "get pods"})),
        ] {
            assert_eq!(*args(raw), expected, "{raw}");
        }
    }

    #[test]
    fn missing_and_repeated_ids_are_replaced_by_stable_ones() {
        let ids = Ids { taken: HashSet::from(["call_0".to_owned()]), seed: "seed".into() };
        let named = || {
            let calls =
                vec![call("", ""), call("call_0", ""), call("own", ""), call("own", ""), call("", "")];
            ids.name(calls).into_iter().map(|call| call.id.0).collect::<Vec<_>>()
        };
        assert_eq!(named(), ["call_seed_0", "call_seed_1", "own", "call_seed_3", "call_seed_4"]);
        assert_eq!(named(), named());
    }

    #[test]
    fn a_longer_conversation_makes_other_ids() {
        let ids = |turns: usize| {
            let messages = (0..turns).map(|_| Message::User(Redacted::new("again"))).collect();
            let prompt = Prompt { messages, ..Prompt::default() };
            Ids::of(&prompt).name(vec![call("", "")])
        };
        assert_eq!(ids(1), ids(1));
        assert_ne!(ids(1), ids(2));
    }

    #[test]
    fn a_reply_that_was_cut_says_so() {
        let heard = Heard::default();
        let mut draft = Draft::new(&heard);
        draft.say("The pod is");
        draft.end(End::Full);
        let text = draft.finish("m", &no_ids()).unwrap().text;
        assert!(text.starts_with("The pod is") && text.contains("max_tokens"), "{text}");
        assert_eq!(*heard.0.lock().unwrap(), text.as_str());

        let mut draft = Draft::new(&heard);
        draft.end(End::Full);
        assert!(draft.finish("m", &no_ids()).unwrap_err().reason.contains("raise `max_tokens`"));
    }

    #[test]
    fn nothing_is_no_reply() {
        for said in ["", " \n", "<think>hm</think>", "<think>never finished"] {
            let mut draft = Draft::new(&());
            draft.say(said);
            draft.end(End::Done);
            let trouble = draft.finish("m", &no_ids()).unwrap_err();
            assert_eq!((trouble.reason.as_str(), trouble.tries), (NOTHING, Some(1)), "{said:?}");
        }
    }
}
