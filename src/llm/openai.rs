//! The wire format of OpenAI's chat completions, as OpenAI, Azure, Ollama, vLLM, llama.cpp, LiteLLM, Gemini and many
//! gateways speak it. Makes requests and reads replies; sends nothing itself.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use reqwest::{RequestBuilder, Url, header::HeaderValue};
use serde_json::{Value, json};

use super::{
    Message, Prompt,
    draft::{CallDraft, Draft, End},
    reasoning::{give_back, read_signature, read_thought},
    remote::{Settings, Wire, endpoint, tool_name},
    thinking::own,
    trouble::{Remedy, Trouble},
};
use crate::event::{CallId, Seal, Thought, ThoughtKind, ThoughtPart, ToolCall, Usage};

/// What Gemini takes in place of the signature of a call that another model made.
const NO_SIGNATURE: &str = "skip_thought_signature_validator";

/// One server that speaks chat completions.
pub(super) struct OpenAi {
    settings: Settings,
    url: Url,
    /// Azure wants the key in a header of its own.
    azure: bool,
    /// Gemini wants every call that is played back to be signed.
    gemini: bool,
    /// The server refused `max_tokens` and named `max_completion_tokens`.
    completion_tokens: AtomicBool,
    /// The server refused `stream_options`.
    no_stream_options: AtomicBool,
    /// The server refused to have thoughts back.
    no_thoughts: AtomicBool,
    /// The server wants every reply back with a thought, those of other models too.
    every_thought: AtomicBool,
}

impl OpenAi {
    pub(super) fn new(settings: Settings) -> Self {
        let host = settings.base.host_str().unwrap_or_default();
        Self {
            azure: host.ends_with(".azure.com"),
            gemini: host.ends_with(".googleapis.com"),
            url: url(&settings.base),
            settings,
            completion_tokens: AtomicBool::new(false),
            no_stream_options: AtomicBool::new(false),
            no_thoughts: AtomicBool::new(false),
            every_thought: AtomicBool::new(false),
        }
    }
}

fn url(base: &Url) -> Url {
    match base.path().trim_end_matches('/') {
        "" => endpoint(base, &["v1", "chat", "completions"]),
        path if path.ends_with("/chat/completions") => base.clone(),
        _ => endpoint(base, &["chat", "completions"]),
    }
}

impl Wire for OpenAi {
    fn url(&self) -> &Url {
        &self.url
    }

    fn authorize(&self, request: RequestBuilder, key: Option<HeaderValue>) -> RequestBuilder {
        match key {
            Some(key) if self.azure => request.header("api-key", key),
            Some(key) => {
                let mut bearer = [b"Bearer ", key.as_bytes()].concat();
                let value = HeaderValue::from_bytes(&bearer).map(|mut value| {
                    value.set_sensitive(true);
                    value
                });
                bearer.fill(0);
                match value {
                    Ok(value) => request.header("authorization", value),
                    Err(_) => request,
                }
            }
            None => request,
        }
    }

    fn body(&self, prompt: &Prompt) -> Value {
        let mut body = json!({
            "model": self.settings.model,
            "messages": self.messages(prompt),
            "stream": true,
        });
        let limit = if self.completion_tokens.load(Relaxed) { "max_completion_tokens" } else { "max_tokens" };
        body[limit] = json!(self.settings.max_tokens);
        if !self.no_stream_options.load(Relaxed) {
            body["stream_options"] = json!({ "include_usage": true });
        }
        if let Some(temperature) = self.settings.temperature {
            body["temperature"] = json!(temperature);
        }
        if !prompt.tools.is_empty() {
            body["tools"] = prompt
                .tools
                .iter()
                .map(|tool| {
                    json!({
                        "type": "function",
                        "function": { "name": tool.name, "description": tool.description, "parameters": tool.schema },
                    })
                })
                .collect();
            if prompt.answer_now {
                body["tool_choice"] = json!("none");
            }
        }
        body
    }

    fn hear(&self, event: &Value, draft: &mut Draft<'_>) -> bool {
        read_usage(&event["usage"], &mut draft.usage);
        let choice = &event["choices"][0];
        read_message(&choice["delta"], draft, Fragments::Partial);
        read_end(choice, draft);
        false
    }

    fn read(&self, reply: &Value, draft: &mut Draft<'_>) -> bool {
        let choice = &reply["choices"][0];
        if !choice["message"].is_object() {
            return false;
        }
        read_usage(&reply["usage"], &mut draft.usage);
        read_message(&choice["message"], draft, Fragments::Whole);
        read_end(choice, draft);
        draft.end(End::Done);
        true
    }

    fn concede(&self, sent: &Value, trouble: &Trouble) -> bool {
        if trouble.remedy != Remedy::Mend {
            return false;
        }
        // DeepSeek, while it thinks, demands a thought of every reply; others refuse a member that they do not know.
        if trouble.reason.contains("reasoning_content") && trouble.reason.contains("passed back") {
            return !self.every_thought.swap(true, Relaxed);
        }
        if trouble.reason.contains("reasoning") && sent["messages"].to_string().contains("\"reasoning") {
            return !self.no_thoughts.swap(true, Relaxed);
        }
        for (field, names, flag) in [
            ("max_tokens", "max_completion_tokens", &self.completion_tokens),
            ("stream_options", "stream_options", &self.no_stream_options),
        ] {
            if sent.get(field).is_some() && trouble.reason.contains(names) {
                flag.store(true, Relaxed);
                return true;
            }
        }
        false
    }
}

impl OpenAi {
    /// The messages, what one side said in a row put together: the chat templates of many local models insist on it.
    fn messages(&self, prompt: &Prompt) -> Vec<Value> {
        let mut messages: Vec<Value> = Vec::new();
        if !prompt.system.is_empty() {
            messages.push(json!({ "role": "system", "content": prompt.system }));
        }
        for message in &prompt.messages {
            match message {
                Message::User(text) | Message::Scan { text, .. } => push_user(&mut messages, text),
                Message::Model { text, calls, thought } => {
                    if !text.trim().is_empty() || !calls.is_empty() {
                        messages.push(self.spoken(text, calls, thought.as_ref()));
                    }
                }
                Message::Tool { call: CallId(id), ok, output } => {
                    let content = if *ok { output.to_string() } else { format!("Error: {output}") };
                    messages.push(json!({ "role": "tool", "tool_call_id": id, "content": content }));
                }
            }
        }
        messages
    }

    fn spoken(&self, text: &str, calls: &[ToolCall], thought: Option<&Thought>) -> Value {
        let blank = text.trim().is_empty() && !calls.is_empty();
        let content = if blank { Value::Null } else { json!(text) };
        let mut message = json!({ "role": "assistant", "content": content });
        let thought = own(thought, &self.settings.name);
        if !calls.is_empty() {
            message["tool_calls"] =
                calls.iter().enumerate().map(|(place, call)| self.called(place, call, thought)).collect();
        }
        if !self.no_thoughts.load(Relaxed) {
            give_back(&mut message, thought);
            if self.every_thought.load(Relaxed) && message.get("reasoning_content").is_none() {
                message["reasoning_content"] = json!(" ");
            }
        }
        message
    }

    fn called(&self, place: usize, call: &ToolCall, thought: &[ThoughtPart]) -> Value {
        let function = json!({ "name": tool_name(&call.tool), "arguments": call.args.to_string() });
        let mut told = json!({ "id": call.id, "type": "function", "function": function });
        // Of parallel calls, Gemini signs the first, and wants them back as they came.
        let mut signatures = thought.iter().filter(|part| part.kind == ThoughtKind::CallSignature).peekable();
        let foreign = signatures.peek().is_none() && self.gemini;
        let seal = signatures.find(|part| part.call == Some(place)).and_then(|part| part.seal.as_ref());
        let signature = seal.map(Seal::for_its_provider).or(foreign.then_some(NO_SIGNATURE));
        if let Some(signature) = signature {
            told["extra_content"] = json!({ "google": { "thought_signature": signature } });
        }
        told
    }
}

fn push_user(messages: &mut Vec<Value>, text: &str) {
    if text.trim().is_empty() {
        return;
    }
    if let Some(last) = messages.last_mut()
        && last["role"] == "user"
    {
        let before = last["content"].as_str().unwrap_or_default();
        last["content"] = json!(format!("{before}\n\n{text}"));
        return;
    }
    messages.push(json!({ "role": "user", "content": text }));
}

/// Whether calls come in pieces or each at once.
#[derive(Clone, Copy, PartialEq)]
enum Fragments {
    Partial,
    Whole,
}

fn read_message(message: &Value, draft: &mut Draft<'_>, fragments: Fragments) {
    match &message["content"] {
        Value::String(text) => draft.say(text),
        Value::Array(parts) => {
            for text in
                parts.iter().filter(|part| part["type"] == "text").filter_map(|part| part["text"].as_str())
            {
                draft.say(text);
            }
        }
        _ => {}
    }
    if let Some(refusal) = message["refusal"].as_str() {
        draft.say(refusal);
    }
    read_thought(message, draft);
    for (place, call) in message["tool_calls"].as_array().into_iter().flatten().enumerate() {
        read_call(call, place, draft, fragments);
    }
}

/// Takes in a call or a fragment of one. Fragments belong together by their index; servers that leave it out, or give
/// every call the same, are told by the next name.
fn read_call(call: &Value, place: usize, draft: &mut Draft<'_>, fragments: Fragments) {
    let id = call["id"].as_str().unwrap_or_default();
    let tool = call["function"]["name"].as_str().unwrap_or_default();
    let args = match &call["function"]["arguments"] {
        Value::String(piece) => piece.clone(),
        Value::Null => String::new(),
        object => object.to_string(),
    };
    let index = call["index"].as_u64();
    let at = draft.calls.iter().rposition(|open| index.is_none_or(|index| open.index == index));
    let open = at.and_then(|at| draft.calls.get_mut(at));
    let at = match open {
        Some(open) if fragments == Fragments::Partial && !begins_another(open, id, tool) => {
            if open.tool.is_empty() {
                open.tool.push_str(tool);
            }
            if open.id.is_empty() {
                open.id.push_str(id);
            }
            open.args.push_str(&args);
            at.unwrap_or_default()
        }
        _ => {
            let index = index.unwrap_or(place as u64);
            draft.calls.push(CallDraft { index, id: id.into(), tool: tool.into(), args });
            draft.calls.len() - 1
        }
    };
    read_signature(call, at, draft);
}

fn begins_another(open: &CallDraft, id: &str, tool: &str) -> bool {
    if tool.is_empty() || open.tool.is_empty() {
        return false;
    }
    if !id.is_empty() && !open.id.is_empty() {
        return id != open.id;
    }
    serde_json::from_str::<Value>(&open.args).is_ok_and(|args| args.is_object())
}

fn read_end(choice: &Value, draft: &mut Draft<'_>) {
    match choice["finish_reason"].as_str() {
        Some("length" | "max_tokens") => draft.end(End::Full),
        Some("content_filter") => draft.end(End::Declined),
        Some(_) => draft.end(End::Done),
        None => {}
    }
}

fn read_usage(usage: &Value, into: &mut Usage) {
    let number = |pointer: &str| usage.pointer(pointer).and_then(Value::as_u64);
    if let Some(input) = number("/prompt_tokens") {
        let cached =
            number("/prompt_tokens_details/cached_tokens").or_else(|| number("/prompt_cache_hit_tokens"));
        let output = number("/completion_tokens").unwrap_or_default();
        *into = Usage { input, output, cached: cached.unwrap_or_default(), ..*into };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_is_found_from_what_people_paste() {
        for (base, expected) in [
            ("https://api.openai.com/v1", "https://api.openai.com/v1/chat/completions"),
            ("https://api.openai.com/v1/", "https://api.openai.com/v1/chat/completions"),
            ("http://localhost:11434", "http://localhost:11434/v1/chat/completions"),
            ("http://localhost:11434/", "http://localhost:11434/v1/chat/completions"),
            ("http://vllm:8000/v1/chat/completions", "http://vllm:8000/v1/chat/completions"),
            (
                "https://generativelanguage.googleapis.com/v1beta/openai/",
                "https://generativelanguage.googleapis.com/v1beta/openai/chat/completions",
            ),
            (
                "https://x.openai.azure.com/openai/deployments/gpt?api-version=2024-10-21",
                "https://x.openai.azure.com/openai/deployments/gpt/chat/completions?api-version=2024-10-21",
            ),
        ] {
            assert_eq!(url(&base.parse().unwrap()).as_str(), expected, "{base}");
        }
    }

    #[test]
    fn gemini_gets_something_in_place_of_signatures_that_others_did_not_make() {
        let call = |id: &str| ToolCall {
            id: CallId(id.into()),
            tool: "kubectl".into(),
            args: crate::redact::RedactedJson::default(),
        };
        let signature = |base: &str, owner: &str| {
            let settings = Settings {
                name: "gemini".into(),
                base: base.parse().unwrap(),
                model: "gemini-3-pro".into(),
                max_tokens: 1,
                temperature: None,
                thinking_tokens: None,
            };
            let mut part = ThoughtPart::new(ThoughtKind::CallSignature);
            (part.call, part.seal) = (Some(0), Seal::new("CiIB"));
            let thought = Thought { model: owner.into(), parts: vec![part] };
            let told = OpenAi::new(settings).spoken("", &[call("a"), call("b")], Some(&thought));
            let sign = |at: &str| told.pointer(at).and_then(Value::as_str).map(str::to_owned);
            [0, 1].map(|n| sign(&format!("/tool_calls/{n}/extra_content/google/thought_signature")))
        };
        let gemini = "https://generativelanguage.googleapis.com/v1beta/openai/";
        assert_eq!(signature(gemini, "gemini"), [Some("CiIB".into()), None]);
        let skip = || Some(NO_SIGNATURE.to_owned());
        assert_eq!(signature(gemini, "other"), [skip(), skip()]);
        assert_eq!(signature("http://localhost/v1", "other"), [None, None]);
    }

    fn calls(events: &[Value]) -> Vec<(String, String, String)> {
        let mut draft = Draft::new(&());
        for event in events {
            read_message(event, &mut draft, Fragments::Partial);
        }
        draft.calls.into_iter().map(|call| (call.id, call.tool, call.args)).collect()
    }

    fn fragment(index: Option<u64>, id: &str, name: &str, args: &str) -> Value {
        let mut call = json!({ "id": id, "function": { "name": name, "arguments": args } });
        if let Some(index) = index {
            call["index"] = json!(index);
        }
        json!({ "tool_calls": [call] })
    }

    fn expect(calls: &[(&str, &str, &str)]) -> Vec<(String, String, String)> {
        calls.iter().map(|(id, tool, args)| ((*id).into(), (*tool).into(), (*args).into())).collect()
    }

    #[test]
    fn interleaved_fragments_find_their_call() {
        let heard = calls(&[
            fragment(Some(0), "a", "kubectl", ""),
            fragment(Some(1), "b", "docs", ""),
            fragment(Some(0), "", "", "{\"x\""),
            fragment(Some(1), "", "", "{}"),
            fragment(Some(0), "", "", ":1}"),
        ]);
        assert_eq!(heard, expect(&[("a", "kubectl", "{\"x\":1}"), ("b", "docs", "{}")]));
    }

    #[test]
    fn servers_that_count_badly_are_understood() {
        let both = expect(&[("a", "kubectl", "{}"), ("b", "kubectl", "{}")]);
        let same_index = [fragment(Some(0), "a", "kubectl", "{}"), fragment(Some(0), "b", "kubectl", "{}")];
        assert_eq!(calls(&same_index), both);
        let no_index = [fragment(None, "a", "kubectl", "{}"), fragment(None, "b", "kubectl", "{}")];
        assert_eq!(calls(&no_index), both);
        let no_ids = [fragment(Some(0), "", "kubectl", "{}"), fragment(Some(0), "", "kubectl", "{}")];
        assert_eq!(calls(&no_ids), expect(&[("", "kubectl", "{}"), ("", "kubectl", "{}")]));
        let repeated = [fragment(Some(0), "a", "kubectl", "{"), fragment(Some(0), "a", "kubectl", "}")];
        assert_eq!(calls(&repeated), expect(&[("a", "kubectl", "{}")]));
        let object = json!({"tool_calls": [{"function": {"name": "kubectl", "arguments": {"x": 1}}}]});
        assert_eq!(calls(&[object]), expect(&[("", "kubectl", "{\"x\":1}")]));
    }
}
