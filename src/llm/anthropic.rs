//! The wire format of Anthropic's Messages API. Makes requests and reads replies; sends nothing itself.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use reqwest::{RequestBuilder, Url, header::HeaderValue};
use serde_json::{Value, json};

use super::{
    Message, Prompt,
    draft::{CallDraft, Draft, End},
    remote::{Settings, Wire, endpoint, tool_name},
    thinking::own,
    trouble::{Remedy, Trouble},
};
use crate::event::{CallId, ThoughtKind, ThoughtPart};

/// The revision of the API that this is written for.
const VERSION: &str = "2023-06-01";

/// One server that speaks the Messages API.
pub(super) struct Anthropic {
    settings: Settings,
    url: Url,
    /// The model decides by itself how long it thinks, and refuses to be told.
    adaptive: AtomicBool,
}

impl Anthropic {
    pub(super) fn new(settings: Settings) -> Self {
        Self { url: url(&settings.base), settings, adaptive: AtomicBool::new(false) }
    }
}

fn url(base: &Url) -> Url {
    match base.path().trim_end_matches('/') {
        path if path.ends_with("/v1/messages") => base.clone(),
        path if path.ends_with("/v1") => endpoint(base, &["messages"]),
        _ => endpoint(base, &["v1", "messages"]),
    }
}

impl Wire for Anthropic {
    fn url(&self) -> &Url {
        &self.url
    }

    fn authorize(&self, request: RequestBuilder, key: Option<HeaderValue>) -> RequestBuilder {
        let request = request.header("anthropic-version", VERSION);
        match key {
            Some(key) => request.header("x-api-key", key),
            None => request,
        }
    }

    fn body(&self, prompt: &Prompt) -> Value {
        let thinks = self.settings.thinking_tokens.is_none() || can_think(prompt, &self.settings.name);
        let mut body = json!({
            "model": self.settings.model,
            "messages": messages(prompt, thinks, &self.settings.name),
            "max_tokens": self.settings.max_tokens,
            "stream": true,
        });
        if !prompt.system.trim().is_empty() {
            body["system"] = json!([{ "type": "text", "text": prompt.system }]);
            mark(body["system"].get_mut(0));
        }
        if !prompt.tools.is_empty() {
            let tool = |tool: &super::ToolSpec| json!({ "name": tool.name, "description": tool.description, "input_schema": tool.schema });
            let mut tools: Vec<Value> = prompt.tools.iter().map(tool).collect();
            mark(tools.last_mut());
            body["tools"] = tools.into();
            if prompt.answer_now {
                body["tool_choice"] = json!({ "type": "none" });
            }
        }
        match self.settings.thinking_tokens {
            Some(_) if thinks && self.adaptive.load(Relaxed) => {
                body["thinking"] = json!({ "type": "adaptive" });
            }
            Some(budget) if thinks => {
                body["thinking"] = json!({ "type": "enabled", "budget_tokens": budget });
            }
            _ => {}
        }
        // Who thinks takes no temperature.
        if let Some(temperature) = self.settings.temperature
            && body.get("thinking").is_none()
        {
            body["temperature"] = json!(temperature);
        }
        body
    }

    fn hear(&self, event: &Value, draft: &mut Draft<'_>) -> bool {
        let index = event["index"].as_u64().unwrap_or_default();
        match event["type"].as_str().unwrap_or_default() {
            "message_start" => read_usage(&event["message"]["usage"], draft),
            "content_block_start" => read_block(&event["content_block"], index, draft),
            "content_block_delta" => read_delta(&event["delta"], index, draft),
            "message_delta" => {
                read_usage(&event["usage"], draft);
                read_reason(&event["delta"], draft);
            }
            "message_stop" => {
                draft.end(End::Done);
                return true;
            }
            _ => {}
        }
        false
    }

    fn read(&self, reply: &Value, draft: &mut Draft<'_>) -> bool {
        let Some(blocks) = reply["content"].as_array() else { return false };
        for (index, block) in (0..).zip(blocks) {
            read_block(block, index, draft);
        }
        read_usage(&reply["usage"], draft);
        read_reason(reply, draft);
        draft.end(End::Done);
        true
    }

    fn concede(&self, sent: &Value, trouble: &Trouble) -> bool {
        let wants = trouble.remedy == Remedy::Mend && trouble.reason.contains("adaptive");
        wants && sent.get("thinking").is_some() && !self.adaptive.swap(true, Relaxed)
    }
}

/// Whether the model may be asked to think now. It may not begin to in the middle of its turn: where the reply before
/// the last results has no thought, since another model gave it or its words had to be masked, this one goes without.
fn can_think(prompt: &Prompt, name: &str) -> bool {
    let last = prompt.messages.iter().rev().find_map(|message| match message {
        Message::Model { calls, thought, .. } => {
            Some(calls.is_empty() || !own(thought.as_ref(), name).is_empty())
        }
        _ => None,
    });
    last.unwrap_or(true)
}

/// Asks for what comes before and including `block` to be cached.
fn mark(block: Option<&mut Value>) {
    if let Some(block) = block {
        block["cache_control"] = json!({ "type": "ephemeral" });
    }
}

/// The messages: roles alternate, a person's comes first, all results of one reply stand in one message. The last two of
/// a person's are marked for the cache, the newest to be found next time and the one before it to be found now, even
/// where many calls lie between them.
fn messages(prompt: &Prompt, thinks: bool, name: &str) -> Vec<Value> {
    let mut turns: Vec<(&str, Vec<Value>)> = Vec::new();
    for message in &prompt.messages {
        let (role, mut blocks) = blocks(message);
        if let Message::Model { thought, .. } = message
            && thinks
            && !blocks.is_empty()
        {
            // Of turns that are over, the provider leaves the thoughts out by itself.
            blocks.splice(..0, own(thought.as_ref(), name).iter().filter_map(thought_block));
        }
        if blocks.is_empty() {
            continue;
        }
        match turns.last_mut() {
            Some((last, before)) if *last == role => before.extend(blocks),
            _ => turns.push((role, blocks)),
        }
    }
    if turns.first().is_some_and(|(role, _)| *role == "assistant") {
        turns.insert(0, ("user", vec![text_block("(The conversation began earlier.)")]));
    }
    for (_, blocks) in turns.iter_mut().rev().filter(|(role, _)| *role == "user").take(2) {
        mark(blocks.last_mut());
    }
    turns.into_iter().map(|(role, content)| json!({ "role": role, "content": content })).collect()
}

fn blocks(message: &Message) -> (&'static str, Vec<Value>) {
    match message {
        Message::User(text) | Message::Scan { text, .. } => ("user", said(text)),
        Message::Model { text, calls, .. } => {
            let mut blocks = said(text);
            blocks.extend(calls.iter().map(|call| {
                let name = tool_name(&call.tool);
                json!({ "type": "tool_use", "id": call_id(&call.id), "name": name, "input": call.args })
            }));
            ("assistant", blocks)
        }
        Message::Tool { call, ok, output } => {
            let result = json!({
                "type": "tool_result",
                "tool_use_id": call_id(call),
                "content": output,
                "is_error": !ok,
            });
            ("user", vec![result])
        }
    }
}

fn thought_block(part: &ThoughtPart) -> Option<Value> {
    let seal = part.seal.as_ref()?;
    match part.kind {
        ThoughtKind::Thinking => {
            Some(json!({ "type": "thinking", "thinking": part.text, "signature": seal }))
        }
        ThoughtKind::RedactedThinking => Some(json!({ "type": "redacted_thinking", "data": seal })),
        _ => None,
    }
}

/// Blank text is refused by the API, so it is left out.
fn said(text: &str) -> Vec<Value> {
    if text.trim().is_empty() { vec![] } else { vec![text_block(text)] }
}

fn text_block(text: &str) -> Value {
    json!({ "type": "text", "text": text })
}

/// The id in the letters that the API allows: a conversation may have begun with another provider.
fn call_id(CallId(id): &CallId) -> String {
    id.chars().map(|c| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' }).collect()
}

fn read_block(block: &Value, index: u64, draft: &mut Draft<'_>) {
    let member = |name: &str| block[name].as_str().unwrap_or_default();
    match member("type") {
        "text" => draft.say(member("text")),
        "thinking" => think(ThoughtKind::Thinking, index, member("thinking"), member("signature"), draft),
        "redacted_thinking" => think(ThoughtKind::RedactedThinking, index, "", member("data"), draft),
        "tool_use" => {
            // While streaming, the input begins as `{}` and its text follows.
            let args = block["input"].as_object().filter(|input| !input.is_empty());
            let args = args.map(|_| block["input"].to_string()).unwrap_or_default();
            draft.calls.push(CallDraft { index, id: member("id").into(), tool: member("name").into(), args });
        }
        _ => {}
    }
}

fn think(kind: ThoughtKind, index: u64, words: &str, seal: &str, draft: &mut Draft<'_>) {
    if let Some(part) = draft.thinking.part(kind, index) {
        part.text.push_str(words);
        part.seal.push_str(seal);
    }
}

fn read_delta(delta: &Value, index: u64, draft: &mut Draft<'_>) {
    let member = |name: &str| delta[name].as_str().unwrap_or_default();
    match member("type") {
        "text_delta" => draft.say(member("text")),
        "thinking_delta" => think(ThoughtKind::Thinking, index, member("thinking"), "", draft),
        "signature_delta" => think(ThoughtKind::Thinking, index, "", member("signature"), draft),
        "input_json_delta" => {
            if let Some(call) = draft.calls.iter_mut().find(|call| call.index == index) {
                call.args.push_str(member("partial_json"));
            }
        }
        _ => {}
    }
}

fn read_reason(message: &Value, draft: &mut Draft<'_>) {
    match message["stop_reason"].as_str() {
        Some("max_tokens" | "model_context_window_exceeded") => draft.end(End::Full),
        Some("refusal") => draft.end(End::Declined),
        _ => {}
    }
}

/// Takes in what is told: the start of a stream counts the prompt, its end the reply.
fn read_usage(usage: &Value, draft: &mut Draft<'_>) {
    let number = |name: &str| usage[name].as_u64();
    let into = &mut draft.usage;
    if let Some(fresh) = number("input_tokens") {
        into.cached = number("cache_read_input_tokens").unwrap_or_default();
        draft.cache_writes = number("cache_creation_input_tokens").unwrap_or_default();
        into.input = fresh + into.cached + draft.cache_writes;
    }
    if let Some(output) = number("output_tokens") {
        into.output = output;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_is_found_from_what_people_paste() {
        for (base, expected) in [
            ("https://api.anthropic.com", "https://api.anthropic.com/v1/messages"),
            ("https://api.anthropic.com/v1/", "https://api.anthropic.com/v1/messages"),
            ("https://api.anthropic.com/v1/messages", "https://api.anthropic.com/v1/messages"),
            ("http://gateway:4000/anthropic", "http://gateway:4000/anthropic/v1/messages"),
        ] {
            assert_eq!(url(&base.parse().unwrap()).as_str(), expected, "{base}");
        }
    }

    #[test]
    fn foreign_ids_are_spelt_in_allowed_letters() {
        for (id, expected) in
            [("toolu_01-a", "toolu_01-a"), ("call:1|x.y", "call_1_x_y"), ("chatcmpl/ä", "chatcmpl__")]
        {
            assert_eq!(call_id(&CallId(id.into())), expected);
        }
    }
}
