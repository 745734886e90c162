//! A reply in the frames of each wire.

use kubertnetes::llm::Provider;
use serde_json::{Value, json};

use super::Answer;

pub fn frame(event: Option<&str>, data: &Value) -> String {
    match event {
        Some(event) => format!("event: {event}\ndata: {data}\n\n"),
        None => format!("data: {data}\n\n"),
    }
}

/// `text` in about so many pieces, none within a character.
fn pieces(text: &str, count: usize) -> Vec<String> {
    let letters: Vec<char> = text.chars().collect();
    let size = letters.len().div_ceil(count.max(1)).max(1);
    letters.chunks(size).map(|piece| piece.iter().collect()).collect()
}

const OPENAI_USAGE: (u64, u64, u64) = (120, 20, 64);

fn openai_usage() -> Value {
    let (input, output, cached) = OPENAI_USAGE;
    json!({ "prompt_tokens": input, "completion_tokens": output, "total_tokens": input + output,
        "prompt_tokens_details": { "cached_tokens": cached } })
}

fn openai_reason(answer: &Answer) -> &'static str {
    match (answer.full, answer.calls.is_empty()) {
        (true, _) => "length",
        (_, true) => "stop",
        (_, false) => "tool_calls",
    }
}

/// The same reply with its calls written into its text, as the instructions have it.
pub fn in_text(mut answer: Answer) -> Answer {
    let calls = std::mem::take(&mut answer.calls);
    let object = |(id, tool, args): &(String, String, String)| {
        let args = if args.is_empty() { "{}" } else { args.as_str() };
        format!("{{\"id\": {}, \"tool\": {}, \"args\": {args}}}", json!(id), json!(tool))
    };
    let objects: Vec<String> = calls.iter().map(object).collect();
    let block = match objects.as_slice() {
        [] => return answer,
        [one] => format!("```json\n{one}\n```"),
        many => format!("```json\n[\n{},\n]\n```\nThen I will know more.", many.join(",\n")),
    };
    answer.text = format!("{}\n\n{block}", answer.text).trim_start().to_owned();
    answer
}

fn signature(answer: &Answer, index: usize) -> Option<Value> {
    let signature = answer.signature.as_ref().filter(|_| index == 0)?;
    Some(json!({ "google": { "thought_signature": signature } }))
}

/// The frames up to the last word, and those that end the reply. Fragments of parallel calls are interleaved.
pub fn openai_frames(answer: &Answer) -> (Vec<String>, Vec<String>) {
    let chunk = |delta: Value, reason: Value| {
        let choice = json!({ "index": 0, "delta": delta, "finish_reason": reason });
        frame(
            None,
            &json!({ "id": "x", "object": "chat.completion.chunk", "model": "script-1", "choices": [choice] }),
        )
    };
    let mut frames = vec![chunk(json!({ "role": "assistant", "content": null }), Value::Null)];
    frames.extend(answer.thoughts.iter().map(|thought| chunk(thought.clone(), Value::Null)));
    for piece in pieces(&answer.text, answer.pieces) {
        frames.push(chunk(json!({ "content": piece }), Value::Null));
    }
    for (index, (id, tool, _)) in answer.calls.iter().enumerate() {
        let mut call = json!({ "index": index, "id": id, "type": "function", "function": { "name": tool, "arguments": "" } });
        if let Some(signature) = signature(answer, index) {
            call["extra_content"] = signature;
        }
        frames.push(chunk(json!({ "tool_calls": [call] }), Value::Null));
    }
    let args: Vec<Vec<String>> =
        answer.calls.iter().map(|(_, _, args)| pieces(args, answer.pieces)).collect();
    for round in 0..answer.pieces {
        for (index, args) in args.iter().enumerate() {
            if let Some(piece) = args.get(round) {
                let call = json!({ "index": index, "function": { "arguments": piece } });
                frames.push(chunk(json!({ "tool_calls": [call] }), Value::Null));
            }
        }
    }
    let usage =
        json!({ "id": "x", "object": "chat.completion.chunk", "choices": [], "usage": openai_usage() });
    let end = vec![
        chunk(json!({}), json!(openai_reason(answer))),
        frame(None, &usage),
        "data: [DONE]\n\n".to_owned(),
    ];
    (frames, end)
}

fn anthropic_reason(answer: &Answer) -> &'static str {
    match (answer.full, answer.calls.is_empty()) {
        (true, _) => "max_tokens",
        (_, true) => "end_turn",
        (_, false) => "tool_use",
    }
}

pub fn anthropic_frames(answer: &Answer) -> (Vec<String>, Vec<String>) {
    let event = |data: Value| frame(data["type"].as_str(), &data);
    let usage = json!({ "input_tokens": 16, "cache_creation_input_tokens": 40, "cache_read_input_tokens": 64, "output_tokens": 1 });
    let message = json!({ "id": "m", "type": "message", "role": "assistant", "content": [], "usage": usage });
    let mut frames =
        vec![event(json!({ "type": "message_start", "message": message })), event(json!({ "type": "ping" }))];
    let mut index = 0;
    let mut block = |start: Value, deltas: Vec<Value>| {
        frames.push(event(json!({ "type": "content_block_start", "index": index, "content_block": start })));
        for delta in deltas {
            frames.push(event(json!({ "type": "content_block_delta", "index": index, "delta": delta })));
        }
        frames.push(event(json!({ "type": "content_block_stop", "index": index })));
        index += 1;
    };
    for thought in &answer.thoughts {
        let words = pieces(thought["thinking"].as_str().unwrap_or_default(), answer.pieces).into_iter();
        let mut deltas: Vec<Value> =
            words.map(|piece| json!({ "type": "thinking_delta", "thinking": piece })).collect();
        if thought["type"] == "redacted_thinking" {
            block(thought.clone(), vec![]);
        } else {
            deltas.push(json!({ "type": "signature_delta", "signature": thought["signature"] }));
            block(json!({ "type": "thinking", "thinking": "", "signature": "" }), deltas);
        }
    }
    if !answer.text.is_empty() {
        let deltas = pieces(&answer.text, answer.pieces).into_iter();
        let deltas = deltas.map(|piece| json!({ "type": "text_delta", "text": piece })).collect();
        block(json!({ "type": "text", "text": "" }), deltas);
    }
    for (id, tool, args) in &answer.calls {
        let deltas = pieces(args, answer.pieces).into_iter();
        let deltas =
            deltas.map(|piece| json!({ "type": "input_json_delta", "partial_json": piece })).collect();
        block(json!({ "type": "tool_use", "id": id, "name": tool, "input": {} }), deltas);
    }
    let end = vec![
        event(
            json!({ "type": "message_delta", "delta": { "stop_reason": anthropic_reason(answer) }, "usage": { "output_tokens": 20 } }),
        ),
        event(json!({ "type": "message_stop" })),
    ];
    (frames, end)
}

pub fn whole(answer: &Answer, provider: Provider) -> Value {
    match provider {
        Provider::OpenAi => {
            let call = |(id, tool, args): &(String, String, String)| json!({ "id": id, "type": "function", "function": { "name": tool, "arguments": args } });
            let mut message = json!({ "role": "assistant", "content": answer.text });
            for thought in &answer.thoughts {
                message.as_object_mut().unwrap().extend(thought.as_object().unwrap().clone());
            }
            if !answer.calls.is_empty() {
                message["tool_calls"] = answer.calls.iter().map(call).collect();
            }
            let choice = json!({ "index": 0, "message": message, "finish_reason": openai_reason(answer) });
            json!({ "id": "x", "object": "chat.completion", "choices": [choice], "usage": openai_usage() })
        }
        Provider::Anthropic => {
            let mut content = answer.thoughts.clone();
            if !answer.text.is_empty() {
                content.push(json!({ "type": "text", "text": answer.text }));
            }
            content.extend(answer.calls.iter().map(|(id, tool, args)| {
                let input: Value = serde_json::from_str(args).unwrap_or_default();
                json!({ "type": "tool_use", "id": id, "name": tool, "input": input })
            }));
            json!({ "id": "m", "type": "message", "role": "assistant", "content": content,
                "stop_reason": anthropic_reason(answer), "usage": { "input_tokens": 16,
                "cache_creation_input_tokens": 40, "cache_read_input_tokens": 64, "output_tokens": 20 } })
        }
    }
}
