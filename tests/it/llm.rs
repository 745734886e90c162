//! Tests of the room `llm`: both wires against a server that plays a script.

use std::{
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use kubertnetes::{
    agent::rules::Rules,
    event::{CallId, Look, ToolCall, Usage},
    llm::{
        Config, INVALID_ARGS, Live, Message, Model, ModelError, Prompt, Provider, Reply, ToolSpec, connect,
    },
    redact::{Redacted, RedactedJson},
};
use serde_json::json;

use crate::support::llm::{Answer, Script, ScriptedServer, Speech};

mod chain;
mod config;
mod endings;
mod foreign;
mod limits;
mod same_log;
mod talk;
mod text_calls;
mod thoughts;

const BOTH: [Provider; 2] = [Provider::OpenAi, Provider::Anthropic];
const ALL: [Speech; 3] = [Speech::OpenAi, Speech::Anthropic, Speech::Text];

#[derive(Default)]
struct Ear(Mutex<Vec<String>>);

impl Ear {
    fn heard(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }
}

impl Live for Ear {
    fn delta(&self, text: &Redacted) {
        self.0.lock().unwrap().push(text.to_string());
    }
}

fn model(config: &Config) -> Arc<dyn Model> {
    let _ = rustls::crypto::ring::default_provider().install_default();
    connect(config, Arc::new(Rules)).unwrap()
}

fn prompt(messages: Vec<Message>) -> Prompt {
    let schema = json!({ "type": "object", "properties": { "command": { "type": "string" } } });
    let tool = |name| ToolSpec { name, description: "Reads.".into(), schema: schema.clone() };
    let system = Redacted::new("You look at clusters.");
    Prompt { system, messages, tools: vec![tool("kubectl"), tool("report")], answer_now: false }
}

fn user(text: &str) -> Message {
    Message::User(Redacted::new(text))
}

fn question() -> Prompt {
    prompt(vec![user("Why is it down?")])
}

async fn ask(model: &dyn Model, prompt: &Prompt) -> (Result<Reply, ModelError>, Vec<String>) {
    let ear = Ear::default();
    let outcome = model.complete(prompt, &ear).await;
    (outcome, ear.heard())
}

/// Asks once, over each wire, a server that plays `answers`.
async fn play(
    speech: impl Into<Speech>,
    answers: impl Into<Script>,
    change: impl FnOnce(&mut Config),
) -> (Result<Reply, ModelError>, Vec<String>, ScriptedServer) {
    let server = ScriptedServer::start(answers);
    let mut config = server.config(speech);
    change(&mut config);
    let (outcome, heard) = ask(model(&config).as_ref(), &question()).await;
    (outcome, heard, server)
}

fn no_change(_: &mut Config) {}

fn no_retries(config: &mut Config) {
    config.models.get_mut("scripted").unwrap().retries = 0;
}

#[tokio::test]
async fn words_come_piece_by_piece_and_cost_is_counted() {
    for provider in ALL {
        let text = "The pod cannot start.\n\nIts image ümlaut:1 is missing.\n\nPush it.";
        for answer in [Answer::say(text), Answer::say(text).in_pieces(40), Answer::say(text).whole()] {
            let (outcome, heard, _server) = play(provider, [answer], no_change).await;
            let reply = outcome.unwrap();
            assert_eq!(reply.text.as_str(), text);
            assert!(reply.calls.is_empty());
            assert_eq!(reply.usage, Usage { input: 120, output: 20, cached: 64, cost: 0 }, "{provider:?}");
            assert_eq!(heard.concat(), text);
            assert!(heard.len() > 1, "streamed, yet told at once: {heard:?}");
        }
    }
}

#[tokio::test]
async fn parallel_calls_are_put_together_from_their_fragments() {
    for provider in ALL {
        let calls = Answer::say("Looking.")
            .and_call("kubectl", &json!({ "command": "get pods -A" }))
            .and_call("kubectl", &json!({ "command": "logs \"web\" | ü" }))
            .and_raw_call("own", "report", "");
        for answer in [calls.clone().in_pieces(30), calls.clone().in_pieces(1), calls.whole()] {
            let (outcome, _, _server) = play(provider, [answer], no_change).await;
            let reply = outcome.unwrap();
            assert_eq!(reply.text.as_str(), "Looking.");
            let call = |id: &str, tool: &str, args| ToolCall {
                id: CallId(id.into()),
                tool: tool.into(),
                args: RedactedJson::new(args),
            };
            let expected = [
                call("call_1_0", "kubectl", json!({ "command": "get pods -A" })),
                call("call_1_1", "kubectl", json!({ "command": "logs \"web\" | ü" })),
                call("own", "report", json!({})),
            ];
            assert_eq!(reply.calls, expected, "{provider:?}");
        }
    }
}

#[tokio::test]
async fn unreadable_arguments_and_missing_ids_make_calls_that_can_be_refused() {
    for provider in BOTH {
        let answer = Answer::say("")
            .and_raw_call("", "kubectl", "{\"command\":\"get po")
            .and_raw_call("", "kubectl", "get pods");
        let ask_twice = |answer: Answer| async move {
            let (outcome, _, _server) = play(provider, [answer], no_change).await;
            outcome.unwrap().calls
        };
        let calls = ask_twice(answer.clone()).await;
        assert_eq!(calls[0].args[INVALID_ARGS], "{\"command\":\"get po");
        assert_eq!(calls[1].args[INVALID_ARGS], "get pods");
        assert_ne!(calls[0].id, calls[1].id);
        assert!(!calls[0].id.0.is_empty());
        assert_eq!(calls, ask_twice(answer).await, "ids are not stable");
    }
}

/// A transcript with all that is awkward: a scan after the question, two calls in one reply, a refused one, invalid
/// arguments, an id and a tool name of another provider, a second question while a call was running, an empty reply.
fn awkward() -> Prompt {
    let call = |id: &str, tool: &str, args| ToolCall {
        id: CallId(id.into()),
        tool: tool.into(),
        args: RedactedJson::new(args),
    };
    let result = |id: &str, ok, output: &str| Message::Tool {
        call: CallId(id.into()),
        ok,
        output: Redacted::new(output),
    };
    let reply = |text: &str, calls| Message::Model { text: Redacted::new(text), calls, thought: None };
    prompt(vec![
        user("Why is it down?"),
        Message::Scan { text: Redacted::new("f1: image missing"), findings: vec![], look: Look::default() },
        reply(
            "Looking.",
            vec![
                call("a", "kubectl", json!({ "command": "get pods" })),
                call("call|x.1", "functions.kubectl", json!({ INVALID_ARGS: "get" })),
            ],
        ),
        result("a", true, "NAME READY"),
        result("call|x.1", false, "there is no such tool"),
        user("And the service?"),
        reply("", vec![call("c", "kubectl", json!({}))]),
        result("c", true, ""),
        reply(" ", vec![]),
        user("Hello?"),
    ])
}

#[tokio::test]
async fn every_prompt_is_well_formed_on_the_wire() {
    for provider in ALL {
        let server = ScriptedServer::start([Answer::say("Yes.")]);
        let (outcome, _) = ask(model(&server.config(provider)).as_ref(), &awkward()).await;
        outcome.unwrap();
        let request = server.requests().pop().unwrap();
        assert!(request.system().starts_with("You look at clusters."));
        assert_eq!(request.tools(), ["kubectl", "report"]);
        assert_eq!(request.results().iter().map(|(_, ok, _)| *ok).collect::<Vec<_>>(), [true, false, true]);
        let said = request.said().join("|");
        for words in ["Why is it down?", "f1: image missing", "And the service?", "Hello?"] {
            assert!(said.contains(words), "{words} is not in {said}");
        }
        assert_eq!(request.body["max_tokens"], 4096);
        assert!(request.body.get("temperature").is_none());
    }
}

#[tokio::test]
async fn a_conversation_that_begins_with_the_model_is_still_accepted() {
    for provider in ALL {
        let server = ScriptedServer::start([Answer::say("Yes.")]);
        let reply = Message::Model { text: Redacted::new("As I said."), calls: vec![], thought: None };
        let (outcome, _) =
            ask(model(&server.config(provider)).as_ref(), &prompt(vec![reply, user("So?")])).await;
        outcome.unwrap();
    }
}

#[tokio::test]
async fn anthropic_is_asked_to_cache_the_fixed_part_and_the_tail() {
    let server = ScriptedServer::start([Answer::say("Yes.")]);
    ask(model(&server.config(Provider::Anthropic)).as_ref(), &awkward()).await.0.unwrap();
    let body = server.requests().pop().unwrap().body;
    assert_eq!(body["system"][0]["cache_control"]["type"], "ephemeral");
    assert!(body["tools"][0].get("cache_control").is_none());
    assert_eq!(body["tools"][1]["cache_control"]["type"], "ephemeral");
    let messages = body["messages"].as_array().unwrap();
    let marked = |blocks: &serde_json::Value| {
        blocks.as_array().unwrap().last().unwrap().get("cache_control").is_some()
    };
    let marks: Vec<bool> = messages.iter().map(|message| marked(&message["content"])).collect();
    assert_eq!(marks, [false, false, true, false, true]);
    // The two results of one reply, then what the person said meanwhile.
    let third: Vec<_> =
        messages[2]["content"].as_array().unwrap().iter().map(|block| &block["type"]).collect();
    assert_eq!(third, ["tool_result", "tool_result", "text"]);
}

#[tokio::test]
async fn keys_go_in_the_header_that_the_provider_reads() {
    for (provider, name, value) in [
        (Provider::OpenAi, "authorization", "Bearer key-of-the-script"),
        (Provider::Anthropic, "x-api-key", "key-of-the-script"),
    ] {
        let (outcome, _, server) = play(provider, [Answer::say("Yes.")], no_change).await;
        outcome.unwrap();
        let request = server.requests().remove(0);
        assert_eq!(request.headers[name], value);
        assert!(
            ["/v1/chat/completions", "/v1/messages"].contains(&request.path.as_str()),
            "{}",
            request.path
        );
    }
}

#[tokio::test]
async fn what_passes_is_tried_again() {
    let slow = || Answer::status(429, r#"{"error":{"message":"slow down"}}"#).header("retry-after", "0");
    for provider in ALL {
        for trouble in [
            slow(),
            Answer::status(529, "").header("retry-after-ms", "1"),
            Answer::status(502, "<html>").header("retry-after", "0"),
            Answer::say("").cut(),
            Answer::say("").truncated(),
            Answer::say("").failing(
                json!({ "type": "error", "error": { "type": "overloaded_error", "message": "Overloaded" } }),
            ),
        ] {
            let (outcome, heard, server) =
                play(provider, [trouble.clone(), Answer::say("Yes.")], no_change).await;
            assert_eq!(outcome.unwrap().text.as_str(), "Yes.", "{trouble:?}");
            assert_eq!(heard.concat(), "Yes.");
            assert_eq!(server.requests().len(), 2);
        }
        let (outcome, _, server) = play(provider, vec![slow(); 4], no_change).await;
        assert!(matches!(outcome, Err(ModelError::Unavailable { .. })));
        assert_eq!(server.requests().len(), 4, "the first attempt and three more");
    }
}

#[tokio::test]
async fn a_long_wait_is_the_callers_to_decide() {
    for provider in BOTH {
        let answer =
            Answer::status(429, r#"{"error":{"message":"daily limit."}}"#).header("retry-after", "3600");
        let (outcome, _, server) = play(provider, [answer], no_change).await;
        let Err(ModelError::Unavailable { model, reason, retry_after }) = outcome else {
            panic!("{outcome:?}")
        };
        assert_eq!((model.as_str(), reason.as_str()), ("scripted", "HTTP 429: daily limit"));
        assert_eq!(retry_after, Some(Duration::from_secs(3600)));
        assert_eq!(server.requests().len(), 1);
    }
}

#[tokio::test]
async fn words_that_were_heard_are_never_said_twice() {
    let begun = Answer::say("A first line.\n\nAnd more\n\nto come.");
    for provider in ALL {
        let error = json!({ "error": { "message": "server overloaded", "type": "server_error" } });
        for answer in [begun.clone().cut(), begun.clone().truncated(), begun.clone().failing(error)] {
            let (outcome, heard, server) =
                play(provider, [answer.clone(), Answer::say("Again.")], no_change).await;
            assert!(matches!(outcome, Err(ModelError::Unavailable { .. })), "{answer:?}: {outcome:?}");
            assert!(heard.concat().starts_with("A first line."));
            assert_eq!(server.requests().len(), 1);
        }
    }
}

#[tokio::test]
async fn silence_and_slowness_end() {
    for provider in ALL {
        let stalled = |config: &mut Config| {
            no_retries(config);
            config.models.get_mut("scripted").unwrap().stall_seconds = 1;
        };
        let (outcome, _, _server) = play(provider, [Answer::say("Well").stalled()], stalled).await;
        assert_eq!(outcome.unwrap_err().to_string(), "the model scripted is unavailable: silence for 1 s");

        let slow = |config: &mut Config| config.models.get_mut("scripted").unwrap().timeout_seconds = 1;
        let started = Instant::now();
        let (outcome, _, _server) = play(provider, [Answer::say("Well").stalled()], slow).await;
        assert_eq!(
            outcome.unwrap_err().to_string(),
            "the model scripted is unavailable: no answer within 1 s"
        );
        assert!(started.elapsed() < Duration::from_secs(10));
    }
}

#[tokio::test]
async fn a_rejected_key_names_the_setting_and_not_the_key() {
    for provider in BOTH {
        let body = r#"{"error":{"type":"authentication_error","message":"Incorrect API key provided: key-of-the-script"}}"#;
        let (outcome, _, _server) = play(provider, [Answer::status(401, body)], no_change).await;
        let error = outcome.unwrap_err();
        let text = error.to_string();
        assert!(matches!(error, ModelError::Rejected { .. }), "{error:?}");
        assert!(
            text.contains(
                "the API key of model scripted was rejected: check KUBERT_LLM__MODELS__SCRIPTED__API_KEY"
            ),
            "{text}"
        );
        assert!(!format!("{error:?} {error}").contains("key-of-the-script"));

        let keyless = |config: &mut Config| config.models.get_mut("scripted").unwrap().api_key = None;
        let (outcome, _, _server) = play(provider, [Answer::status(401, "")], keyless).await;
        assert!(outcome.unwrap_err().to_string().contains("wants an API key"));
    }
}

#[tokio::test]
async fn refusals_are_told_apart_and_not_repeated() {
    for provider in ALL {
        for (code, body, sign) in [
            (
                400,
                r#"{"error":{"type":"invalid_request_error","message":"prompt is too long: 210000 tokens > 200000 maximum"}}"#,
                "exceeds the context window",
            ),
            (
                400,
                r#"{"error":{"message":"This model's maximum context length is 8192 tokens","code":"context_length_exceeded"}}"#,
                "exceeds the context window",
            ),
            (400, r#"{"error":{"message":"bad schema"}}"#, "rejected the request: HTTP 400: bad schema"),
            (404, r#"{"error":{"message":"no model script-1"}}"#, "check the model's `url` and `model`"),
            (307, "", "redirects elsewhere"),
            (429, r#"{"error":{"message":"no money","code":"insufficient_quota"}}"#, "rejected the request"),
        ] {
            let (outcome, _, server) = play(provider, [Answer::status(code, body)], no_change).await;
            let text = outcome.unwrap_err().to_string();
            assert!(text.contains(sign), "{text}");
            assert_eq!(server.requests().len(), 1);
        }
        for garbage in
            ["<html>Open WebUI</html>", "{}", "[]", "null", "", "{\"choices\":[]}", "\u{0}\u{fffd}"]
        {
            let (outcome, _, _server) = play(provider, [Answer::garbage(garbage)], no_change).await;
            let text = outcome.unwrap_err().to_string();
            assert!(text.contains("no reply of a language model"), "{garbage:?}: {text}");
        }
    }
}

#[tokio::test]
async fn an_unreachable_server_is_named_without_its_address() {
    let address = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap()
    };
    let server = ScriptedServer::start(vec![]);
    let mut config = server.config(Provider::OpenAi);
    no_retries(&mut config);
    config.models.get_mut("scripted").unwrap().url = format!("http://{address}/?key=hidden");
    let error = ask(model(&config).as_ref(), &question()).await.0.unwrap_err().to_string();
    assert!(error.contains("no connection") && error.contains("refused"), "{error}");
    assert!(!error.contains("hidden"), "{error}");
}

#[tokio::test]
async fn a_reply_that_reached_its_limit_says_so() {
    for provider in ALL {
        let (outcome, heard, _server) = play(provider, [Answer::say("The pod is").full()], no_change).await;
        let text = outcome.unwrap().text;
        assert!(text.starts_with("The pod is") && text.contains("max_tokens"), "{text}");
        assert_eq!(heard.concat(), text.as_str());
    }
}

#[tokio::test]
async fn newer_models_get_the_name_of_the_limit_that_they_want() {
    let server = ScriptedServer::start(Script::of(|request| {
        if request.body.get("max_tokens").is_some() {
            return Answer::status(
                400,
                r#"{"error":{"message":"Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.","code":"unsupported_parameter"}}"#,
            );
        }
        if request.body.get("stream_options").is_some() {
            return Answer::status(422, r#"{"detail":"Extra inputs are not permitted: stream_options"}"#);
        }
        Answer::say("Yes.")
    }));
    let model = model(&server.config(Provider::OpenAi));
    for requests in [3, 4] {
        assert_eq!(ask(model.as_ref(), &question()).await.0.unwrap().text.as_str(), "Yes.");
        assert_eq!(server.requests().len(), requests, "what was learnt is remembered");
    }
    assert_eq!(server.requests()[3].body["max_completion_tokens"], 4096);
}

#[tokio::test]
async fn a_loop_can_be_driven_by_a_script_that_reads_the_transcript() {
    for provider in ALL {
        let server = ScriptedServer::start(Script::of(|request| match request.results().as_slice() {
            [] => Answer::call("kubectl", &json!({ "command": "get pods" }))
                .and_call("kubectl", &json!({ "command": "get svc" })),
            [.., (_, _, last)] => Answer::say(&format!("After {} results: {last}", request.results().len())),
        }));
        let model = model(&server.config(provider));
        let mut prompt = question();
        let reply = ask(model.as_ref(), &prompt).await.0.unwrap();
        prompt.messages.push(Message::Model { text: reply.text, calls: reply.calls.clone(), thought: None });
        for call in reply.calls {
            let output = Redacted::new(format!("did {}", call.args["command"]));
            prompt.messages.push(Message::Tool { call: call.id, ok: true, output });
        }
        let reply = ask(model.as_ref(), &prompt).await.0.unwrap();
        assert_eq!(reply.text.as_str(), "After 2 results: did \"get svc\"");
    }
}

#[tokio::test]
async fn the_scripted_server_refuses_what_a_provider_would() {
    for provider in BOTH {
        let unanswered =
            ToolCall { id: CallId("a".into()), tool: "kubectl".into(), args: RedactedJson::default() };
        let reply =
            Message::Model { text: Redacted::new("Looking."), calls: vec![unanswered], thought: None };
        let server = ScriptedServer::start([Answer::say("Yes.")]);
        let (outcome, _) =
            ask(model(&server.config(provider)).as_ref(), &prompt(vec![user("Why?"), reply, user("So?")]))
                .await;
        assert!(matches!(outcome, Err(ModelError::Rejected { .. })), "{outcome:?}");
        assert!(!server.take_complaints().is_empty());
    }
}

#[tokio::test]
async fn a_secret_is_never_heard_by_its_first_half() {
    let text = "The database is refused.\nIt is reached with postgres://app:hunter2-long-secret@db/x and \
                password=hunter2-long-secret.\nKey sk-proj-hunter2longsecret1234 is set.\nThat is all there is.";
    for provider in ALL {
        for pieces in [7, 30, 400] {
            let (outcome, heard, _server) =
                play(provider, [Answer::say(text).in_pieces(pieces)], no_change).await;
            let reply = outcome.unwrap();
            assert_eq!(heard.concat(), reply.text.as_str());
            for piece in &heard {
                assert!(!piece.contains("hunt"), "{piece}");
            }
            assert!(
                reply.text.contains("postgres://app:‹secret:password#")
                    && reply.text.contains("That is all there is.")
            );
            assert!(heard.len() > 3, "{heard:?}");
        }
    }
}
