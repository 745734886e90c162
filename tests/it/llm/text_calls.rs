//! Models without tool calling: calls as JSON in the text.

use kubertnetes::llm::{Message, Provider};
use serde_json::json;

use super::{ask, awkward, model, no_change, play, question};
use crate::support::llm::{Answer, Script, ScriptedServer, Speech};

#[tokio::test]
async fn nobody_hears_the_json_of_a_call() {
    for pieces in [1, 3, 40, 400] {
        let answer = Answer::say("I look at `web` [first].")
            .and_call("kubectl", &json!({ "command": "get pods" }))
            .and_call("kubectl", &json!({ "command": "get svc" }))
            .in_pieces(pieces);
        let (outcome, heard, _server) = play(Speech::Text, [answer], no_change).await;
        let reply = outcome.unwrap();
        assert_eq!(reply.text.as_str(), "I look at `web` [first].");
        assert_eq!(heard.concat(), reply.text.as_str());
        let commands: Vec<_> =
            reply.calls.iter().map(|call| call.args["command"].as_str().unwrap()).collect();
        assert_eq!(commands, ["get pods", "get svc"]);
    }
}

#[tokio::test]
async fn a_conversation_with_calls_is_told_in_text() {
    let server = ScriptedServer::start([Answer::say("Yes.")]);
    ask(model(&server.config(Speech::Text)).as_ref(), &awkward()).await.0.unwrap();
    let request = server.requests().remove(0);
    assert!(request.body.get("tools").is_none() && request.in_text());
    let results = request.results();
    assert_eq!(results[0], ("a".into(), true, "NAME READY".into()));
    assert_eq!((results[1].0.as_str(), results[1].1), ("call|x.1", false));
    let all = request.body["messages"].to_string();
    assert!(all.contains(r#"\"tool\":\"kubectl\""#) && !all.contains("tool_calls"), "{all}");
}

#[tokio::test]
async fn a_server_that_takes_no_tools_gets_them_as_text_from_then_on() {
    let server = ScriptedServer::start(Script::of(|request| {
        if request.body.get("tools").is_some() {
            let words =
                r#"{"error":{"message":"registry.ollama.ai/library/gemma:2b does not support tools"}}"#;
            return Answer::status(400, words);
        }
        match request.results().len() {
            0 => Answer::call("kubectl", &json!({ "command": "get pods" })),
            _ => Answer::say("Done."),
        }
    }));
    let model = model(&server.config(Provider::OpenAi));
    let mut prompt = question();
    let reply = ask(model.as_ref(), &prompt).await.0.unwrap();
    assert_eq!(reply.calls.len(), 1);
    assert_eq!(server.requests().len(), 2);
    let call = reply.calls[0].id.clone();
    prompt.messages.push(Message::Model { text: reply.text, calls: reply.calls, thought: None });
    prompt.messages.push(Message::Tool { call, ok: true, output: "NAME".to_owned().into() });
    assert_eq!(ask(model.as_ref(), &prompt).await.0.unwrap().text.as_str(), "Done.");
    assert_eq!(server.requests().len(), 3, "what was learnt is remembered");
}
