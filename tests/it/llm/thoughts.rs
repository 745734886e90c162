//! What a model thought goes back to it, and to nobody else.

use kubertnetes::{
    event::{Thought, ThoughtKind},
    llm::{Config, Message, Model, Prompt, Provider, Reply},
    redact::Redacted,
};
use serde_json::{Value, json};

use super::{ask, model, question, user};
use crate::support::llm::{Answer, Script, ScriptedServer, seal_of};

/// Adds a reply and the results of its calls.
fn go_on(prompt: &mut Prompt, reply: Reply) {
    let calls = reply.calls.clone();
    prompt.messages.push(Message::Model { text: reply.text, calls: reply.calls, thought: reply.thought });
    let results = calls.into_iter().map(|call| Message::Tool {
        call: call.id,
        ok: true,
        output: Redacted::new("NAME"),
    });
    prompt.messages.extend(results);
}

async fn reply(model: &dyn Model, prompt: &Prompt) -> Reply {
    ask(model, prompt).await.0.unwrap()
}

fn thinking(server: &ScriptedServer) -> Config {
    let mut config = server.config(Provider::Anthropic);
    let model = config.models.get_mut("scripted").unwrap();
    (model.thinking_tokens, model.temperature) = (Some(1024), Some(0.2));
    config
}

fn look() -> Answer {
    Answer::say("Looking.").and_call("kubectl", &json!({ "command": "get pods" }))
}

fn thought(words: &str) -> Value {
    json!({ "type": "thinking", "thinking": words, "signature": seal_of(words) })
}

fn assistant(server: &ScriptedServer, request: usize) -> Value {
    let messages = server.requests().swap_remove(request).body["messages"].take();
    messages.as_array().unwrap().iter().find(|message| message["role"] == "assistant").unwrap().clone()
}

#[tokio::test]
async fn sealed_thoughts_of_anthropic_go_back_before_the_calls() {
    for whole in [false, true] {
        let hidden = json!({ "type": "redacted_thinking", "data": "EmwKAhgB/+==" });
        let first = look().thinking(thought("The pod restarts.")).thinking(hidden.clone());
        let first = if whole { first.whole() } else { first };
        let server = ScriptedServer::start([first, Answer::say("Done.")]);
        let model = model(&thinking(&server));
        let mut prompt = question();
        let first = reply(model.as_ref(), &prompt).await;
        assert_eq!(first.text.as_str(), "Looking.", "a thought is no word");
        go_on(&mut prompt, first);
        reply(model.as_ref(), &prompt).await;
        let sent = assistant(&server, 1);
        let kinds: Vec<&Value> =
            sent["content"].as_array().unwrap().iter().map(|block| &block["type"]).collect();
        assert_eq!(kinds, ["thinking", "redacted_thinking", "text", "tool_use"]);
        assert_eq!(sent["content"][0], thought("The pod restarts."));
        assert_eq!(sent["content"][1], hidden);
        for request in server.requests() {
            assert_eq!(request.body["thinking"], json!({ "type": "enabled", "budget_tokens": 1024 }));
        }
    }
}

#[tokio::test]
async fn without_its_last_thought_a_turn_goes_on_without_thinking() {
    // Masking broke the seal, or another model made the call.
    let secret = thought("It is set: password=hunter2-long-secret.");
    for foreign in [false, true] {
        let server = ScriptedServer::start([
            look().thinking(secret.clone()),
            Answer::say("Done."),
            Answer::say("Again."),
        ]);
        let model = model(&thinking(&server));
        let mut prompt = question();
        let mut first = reply(model.as_ref(), &prompt).await;
        assert_eq!(first.thought, None);
        if foreign {
            first.thought = Some(Thought { model: "other".into(), parts: vec![] });
        }
        go_on(&mut prompt, first);
        let done = reply(model.as_ref(), &prompt).await;
        go_on(&mut prompt, done);
        prompt.messages.push(user("And now?"));
        reply(model.as_ref(), &prompt).await;
        let thinks: Vec<bool> =
            server.requests().iter().map(|request| request.body.get("thinking").is_some()).collect();
        assert_eq!(thinks, [true, false, true], "the next turn thinks again");
        assert!(!format!("{:?}", server.requests()[1].body).contains("hunter2"));
    }
}

#[tokio::test]
async fn who_decides_alone_how_long_to_think_is_let() {
    let server = ScriptedServer::start(Script::of(|request| {
        match request.body["thinking"]["type"].as_str() {
            Some("enabled") => Answer::status(
                400,
                r#"{"error":{"type":"invalid_request_error","message":"thinking.type.enabled is not supported for this model. Use thinking.type.adaptive"}}"#,
            ),
            _ => Answer::say("Yes."),
        }
    }));
    let model = model(&thinking(&server));
    reply(model.as_ref(), &question()).await;
    reply(model.as_ref(), &question()).await;
    assert_eq!(server.requests().len(), 3);
}

/// As DeepSeek: while it thinks, each of its replies must come back with what it thought.
fn demands_thoughts(request: &crate::support::llm::Request) -> Answer {
    let messages = request.body["messages"].as_array().unwrap();
    let replies = || messages.iter().filter(|message| message["role"] == "assistant");
    if replies().any(|reply| reply["reasoning_content"].as_str().unwrap_or_default().is_empty()) {
        return Answer::status(
            400,
            r#"{"error":{"message":"The `reasoning_content` in the thinking mode must be passed back to the API.","type":"invalid_request_error"}}"#,
        );
    }
    let thoughts = || json!({ "reasoning_content": format!("Step {}.", replies().count()) });
    match request.results().len() {
        0 | 1 => look().thinking(json!({ "reasoning_content": "At " })).thinking(thoughts()),
        _ => Answer::say("Done.").thinking(thoughts()),
    }
}

#[tokio::test]
async fn plain_thoughts_go_back_where_they_are_demanded() {
    let server = ScriptedServer::start(Script::of(demands_thoughts));
    let model = model(&server.config(Provider::OpenAi));
    let mut prompt = question();
    for _ in 0..2 {
        let next = reply(model.as_ref(), &prompt).await;
        go_on(&mut prompt, next);
    }
    assert_eq!(reply(model.as_ref(), &prompt).await.text.as_str(), "Done.");
    assert_eq!(assistant(&server, 1)["reasoning_content"], "At Step 0.");
    assert_eq!(server.requests().len(), 3);

    // A reply of another model among them: something stands for what it thought.
    if let Some(Message::Model { thought, .. }) = prompt.messages.get_mut(1) {
        thought.as_mut().unwrap().model = "other".into();
    }
    assert_eq!(reply(model.as_ref(), &prompt).await.text.as_str(), "Done.");
    assert_eq!(assistant(&server, 4)["reasoning_content"], " ");
}

#[tokio::test]
async fn details_go_back_as_they_came() {
    let details = json!([
        { "type": "reasoning.summary", "summary": "A restart.", "id": "rs_1", "format": "openai-responses-v1", "index": 0 },
        { "type": "reasoning.encrypted", "data": "gAAAA_-=", "id": "rs_1", "format": "openai-responses-v1", "index": 1 },
        { "type": "reasoning.text", "text": "The pod restarts.", "signature": "EqQB", "format": "anthropic-claude-v1", "index": 2 },
    ]);
    let begun = json!({ "reasoning": "The pod", "reasoning_details": [
        { "type": "reasoning.text", "text": "The pod", "format": "anthropic-claude-v1", "index": 2 },
    ] });
    let ended = json!({ "reasoning": " restarts.", "reasoning_details": [
        { "type": "reasoning.text", "text": " restarts.", "signature": "EqQB", "index": 2 },
    ] });
    let others = json!({ "reasoning_details": [details[0], details[1]] });
    let first = look().thinking(others).thinking(begun).thinking(ended);
    let server = ScriptedServer::start([first, Answer::say("Done.")]);
    let model = model(&server.config(Provider::OpenAi));
    let mut prompt = question();
    let first = reply(model.as_ref(), &prompt).await;
    go_on(&mut prompt, first);
    reply(model.as_ref(), &prompt).await;
    let sent = assistant(&server, 1);
    assert_eq!(sent["reasoning_details"], details);
    assert!(sent.get("reasoning").is_none(), "told once");
}

#[tokio::test]
async fn a_signed_call_goes_back_signed() {
    let first = look().and_call("kubectl", &json!({ "command": "get svc" })).signed("CiIBVKhc7+/=");
    for first in [first.clone(), first.in_pieces(20)] {
        let server = ScriptedServer::start([first, Answer::say("Done.")]);
        let model = model(&server.config(Provider::OpenAi));
        let mut prompt = question();
        let first = reply(model.as_ref(), &prompt).await;
        assert_eq!(first.thought.as_ref().unwrap().parts[0].kind, ThoughtKind::CallSignature);
        go_on(&mut prompt, first);
        reply(model.as_ref(), &prompt).await;
        let calls = assistant(&server, 1)["tool_calls"].take();
        assert_eq!(calls[0]["extra_content"]["google"]["thought_signature"], "CiIBVKhc7+/=");
        assert!(calls[1].get("extra_content").is_none(), "only the first was signed");
    }
}

#[tokio::test]
async fn a_server_that_refuses_thoughts_gets_none() {
    let server = ScriptedServer::start(Script::of(|request| {
        if request.body.to_string().contains("\"reasoning\"") {
            return Answer::status(400, r#"{"error":{"message":"property 'reasoning' is unsupported"}}"#);
        }
        match request.results().len() {
            0 => look().thinking(json!({ "reasoning": "Hm." })),
            _ => Answer::say("Done."),
        }
    }));
    let model = model(&server.config(Provider::OpenAi));
    let mut prompt = question();
    let first = reply(model.as_ref(), &prompt).await;
    assert_eq!(first.thought.as_ref().unwrap().parts[0].text.as_str(), "Hm.");
    go_on(&mut prompt, first);
    for requests in [3, 4] {
        assert_eq!(reply(model.as_ref(), &prompt).await.text.as_str(), "Done.");
        assert_eq!(server.requests().len(), requests);
    }
}
