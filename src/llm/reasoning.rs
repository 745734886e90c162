//! Thoughts as servers of chat completions tell them: DeepSeek's `reasoning_content`, `reasoning`, OpenRouter's details,
//! Gemini's signatures. Knows nothing of the rest of a message.

use serde_json::{Value, json};

use super::{draft::Draft, thinking::is_detail};
use crate::event::{Seal, ThoughtKind, ThoughtPart};

/// Adds a thought under the names by which it came. Whoever needs it no more leaves it out unread.
pub(super) fn give_back(message: &mut Value, thought: &[ThoughtPart]) {
    for part in thought {
        match part.kind {
            ThoughtKind::ReasoningContent => message["reasoning_content"] = json!(part.text),
            ThoughtKind::Reasoning => message["reasoning"] = json!(part.text),
            _ => {}
        }
    }
    let details: Vec<Value> =
        thought.iter().filter(|part| is_detail(part.kind)).enumerate().map(detail).collect();
    if !details.is_empty() {
        message["reasoning_details"] = details.into();
    }
}

fn detail((index, part): (usize, &ThoughtPart)) -> Value {
    let mut detail = json!({ "type": part.kind, "index": index });
    let seal = |seal: &Option<Seal>| seal.as_ref().map(|seal| json!(seal));
    let text = (!part.text.is_empty()).then(|| json!(part.text));
    let members = match part.kind {
        ThoughtKind::DetailSummary => [("summary", text), ("signature", None)],
        ThoughtKind::DetailEncrypted => [("data", seal(&part.seal)), ("signature", None)],
        _ => [("text", text), ("signature", seal(&part.seal))],
    };
    for (name, value) in members.into_iter().chain([("id", seal(&part.id)), ("format", seal(&part.format))]) {
        if let Some(value) = value {
            detail[name] = value;
        }
    }
    detail
}

/// Takes in what a message, or a piece of one, tells of a thought.
pub(super) fn read_thought(message: &Value, draft: &mut Draft<'_>) {
    for (kind, name) in
        [(ThoughtKind::ReasoningContent, "reasoning_content"), (ThoughtKind::Reasoning, "reasoning")]
    {
        draft.thinking.text(kind, message[name].as_str().unwrap_or_default());
    }
    for (place, detail) in (0..).zip(message["reasoning_details"].as_array().into_iter().flatten()) {
        let (kind, text, seal) = match detail["type"].as_str() {
            Some("reasoning.text") => (ThoughtKind::DetailText, "text", "signature"),
            Some("reasoning.summary") => (ThoughtKind::DetailSummary, "summary", "signature"),
            Some("reasoning.encrypted") => (ThoughtKind::DetailEncrypted, "", "data"),
            _ => continue,
        };
        let Some(part) = draft.thinking.part(kind, detail["index"].as_u64().unwrap_or(place)) else {
            continue;
        };
        let member = |name: &str| detail[name].as_str().unwrap_or_default();
        part.text.push_str(member(text));
        for (known, told) in [
            (&mut part.seal, member(seal)),
            (&mut part.id, member("id")),
            (&mut part.format, member("format")),
        ] {
            if known.is_empty() {
                known.push_str(told);
            }
        }
    }
}

/// Gemini's signature of a call, which stands beside it.
pub(super) fn read_signature(call: &Value, place: usize, draft: &mut Draft<'_>) {
    let signature = call.pointer("/extra_content/google/thought_signature").and_then(Value::as_str);
    if let Some(signature) = signature
        && let Some(part) = draft.thinking.part(ThoughtKind::CallSignature, place as u64)
    {
        part.call = Some(place);
        part.seal.push_str(signature);
    }
}
