//! What a provider would refuse about a prompt.

use kubertnetes::llm::Provider;
use serde_json::Value;

use super::Request;

/// Everything wrong with a request; empty when a real provider would take it.
pub fn faults(request: &Request) -> Vec<String> {
    let mut faults = Vec::new();
    let body = &request.body;
    for field in ["model", "messages"] {
        if body.get(field).is_none() {
            faults.push(format!("`{field}` is missing"));
        }
    }
    if body["max_tokens"].as_u64().or(body["max_completion_tokens"].as_u64()).unwrap_or(0) == 0 {
        faults.push("`max_tokens` is missing".into());
    }
    if !request.in_text() && body["tools"].as_array().is_none_or(Vec::is_empty) {
        faults.push("`tools` are missing".into());
    }
    let messages = body["messages"].as_array().cloned().unwrap_or_default();
    if messages.is_empty() {
        faults.push("no messages".into());
    }
    match request.provider {
        Provider::OpenAi => openai(body, &messages, &mut faults),
        Provider::Anthropic => anthropic(request, &messages, &mut faults),
    }
    faults
}

/// The seal of a thought, so that a changed one is found out.
pub fn seal_of(thought: &str) -> String {
    let sum = thought.bytes().fold(7_u64, |sum, byte| sum.wrapping_mul(31).wrapping_add(u64::from(byte)));
    format!("Seal+{sum}/==")
}

fn text<'a>(value: &'a Value, member: &str) -> &'a str {
    value[member].as_str().unwrap_or_default()
}

fn name_is_allowed(name: &str, faults: &mut Vec<String>) {
    let allowed = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    if name.is_empty() || name.len() > 64 || !name.chars().all(allowed) {
        faults.push(format!("{name:?} is not allowed as a name or id"));
    }
}

/// Every call is answered, once, before anything else is said.
fn openai(body: &Value, messages: &[Value], faults: &mut Vec<String>) {
    for tool in body["tools"].as_array().into_iter().flatten() {
        name_is_allowed(text(&tool["function"], "name"), faults);
        if !tool["function"]["parameters"].is_object() {
            faults.push("a tool has no schema".into());
        }
    }
    let mut open: Vec<String> = vec![];
    let mut before = "";
    for (number, message) in messages.iter().enumerate() {
        let role = text(message, "role");
        if role == "tool" {
            let id = text(message, "tool_call_id");
            match open.iter().position(|call| call == id) {
                Some(at) => drop(open.remove(at)),
                None => faults.push(format!("message {number} answers {id:?}, which is not open")),
            }
        } else if !open.is_empty() {
            faults.push(format!("message {number} comes before the answers to {open:?}"));
        }
        match role {
            "system" if number == 0 => {}
            "tool" => {}
            "user" if text(message, "content").trim().is_empty() => {
                faults.push(format!("message {number} is empty"));
            }
            "user" | "assistant" if before == role => {
                faults.push(format!("message {number}: {role} twice in a row"));
            }
            "user" => {}
            "assistant" => open = openai_calls(number, message, faults),
            role => faults.push(format!("message {number} has the role {role:?}")),
        }
        before = role;
    }
    if !open.is_empty() {
        faults.push(format!("never answered: {open:?}"));
    }
}

fn openai_calls(number: usize, message: &Value, faults: &mut Vec<String>) -> Vec<String> {
    let calls = message["tool_calls"].as_array().cloned().unwrap_or_default();
    if calls.is_empty() && text(message, "content").trim().is_empty() {
        faults.push(format!("message {number} says nothing"));
    }
    for call in &calls {
        name_is_allowed(text(&call["function"], "name"), faults);
        let args = text(&call["function"], "arguments");
        if !serde_json::from_str::<Value>(args).is_ok_and(|args| args.is_object()) {
            faults.push(format!("message {number}: arguments that are no object: {args}"));
        }
    }
    distinct(calls.iter().map(|call| text(call, "id").to_owned()).collect(), faults)
}

fn distinct(ids: Vec<String>, faults: &mut Vec<String>) -> Vec<String> {
    for (place, id) in ids.iter().enumerate() {
        if id.is_empty() || ids[..place].contains(id) {
            faults.push(format!("the id {id:?} is empty or used twice"));
        }
    }
    ids
}

/// Roles alternate from a person's on; the answers to all calls of a reply stand first in the next message.
fn anthropic(request: &Request, messages: &[Value], faults: &mut Vec<String>) {
    if request.headers.get("anthropic-version").is_none() {
        faults.push("no anthropic-version".into());
    }
    for tool in request.body["tools"].as_array().into_iter().flatten() {
        name_is_allowed(text(tool, "name"), faults);
        if !tool["input_schema"].is_object() {
            faults.push("a tool has no schema".into());
        }
    }
    if request.body.to_string().matches("cache_control").count() > 4 {
        faults.push("more than four cache marks".into());
    }
    thoughts(&request.body, messages, faults);
    let mut open: Vec<String> = vec![];
    for (number, message) in messages.iter().enumerate() {
        let role = text(message, "role");
        if role != ["user", "assistant"][number % 2] {
            faults
                .push(format!("message {number} has the role {role:?}: they must alternate, a user's first"));
        }
        let blocks = message["content"].as_array().cloned().unwrap_or_default();
        if blocks.is_empty() {
            faults.push(format!("message {number} is empty"));
        }
        let results = blocks.iter().take_while(|block| block["type"] == "tool_result");
        let answered: Vec<String> = results.map(|block| text(block, "tool_use_id").to_owned()).collect();
        if answered != open {
            faults.push(format!("message {number} answers {answered:?}, open are {open:?}"));
        }
        open = anthropic_blocks(number, &blocks[answered.len()..], faults);
    }
    if !open.is_empty() {
        faults.push(format!("never answered: {open:?}"));
    }
}

/// Who thinks goes on from a thought, and gets back what it thought unchanged.
fn thoughts(body: &Value, messages: &[Value], faults: &mut Vec<String>) {
    if body.get("thinking").is_some() && body.get("temperature").is_some() {
        faults.push("a temperature, though it thinks".into());
    }
    let last = messages.iter().rfind(|message| message["role"] == "assistant");
    let last = last.and_then(|message| message["content"].as_array());
    if let Some(blocks) = last
        && body.get("thinking").is_some()
        && blocks.iter().any(|block| block["type"] == "tool_use")
        && !text(&blocks[0], "type").ends_with("thinking")
    {
        faults.push("Expected `thinking` or `redacted_thinking`, but found another block".into());
    }
}

fn anthropic_blocks(number: usize, blocks: &[Value], faults: &mut Vec<String>) -> Vec<String> {
    let mut calls = vec![];
    for block in blocks {
        match text(block, "type") {
            "text" if text(block, "text").trim().is_empty() => {
                faults.push(format!("message {number} has blank text"));
            }
            "text" => {}
            "thinking" if text(block, "signature") != seal_of(text(block, "thinking")) => {
                faults.push(format!("message {number}: a thought was changed"));
            }
            "thinking" | "redacted_thinking" => {}
            "tool_use" => {
                name_is_allowed(text(block, "name"), faults);
                name_is_allowed(text(block, "id"), faults);
                if !block["input"].is_object() {
                    faults.push(format!("message {number}: input that is no object"));
                }
                calls.push(text(block, "id").to_owned());
            }
            kind => faults.push(format!("message {number} has a block {kind:?} where none may stand")),
        }
    }
    distinct(calls, faults)
}
