//! How a conversation ends when the model or its server fails: one test per failure, over every wire.

use std::time::Instant;

use kubertnetes::{
    event::{Entry, Event},
    llm::ModelError,
};
use serde_json::json;

use super::{
    ALL, BOTH, no_change, play,
    talk::{failure, talk, text},
};
use crate::support::llm::{Answer, Request, Script, ScriptedServer, Speech};

const QUESTION: &str = "why does crashloop-app not start?";

/// How a conversation ends. A first answer in words is asked for twice: whether it should not be a report.
async fn ends(speech: Speech, answers: impl Into<Script>) -> (Vec<Entry>, ScriptedServer) {
    let server = ScriptedServer::start(answers);
    let log = talk(&server.config(speech), QUESTION).await;
    (log, server)
}

fn last_words(log: &[Entry]) -> &str {
    let said = log.iter().rev().find_map(|entry| match &entry.event {
        Event::ModelReplied { text, calls, .. } if calls.is_empty() => Some(text.as_str()),
        _ => None,
    });
    said.unwrap_or_default()
}

#[tokio::test]
async fn a_reply_that_broke_off_is_asked_for_again_by_the_turn() {
    let begun = || Answer::say("A first line.\n\nAnd more\n\nto come.");
    for speech in ALL {
        for broken in [begun().cut(), begun().truncated()] {
            let (log, server) =
                ends(speech, [broken, Answer::say("The whole."), Answer::say("The whole.")]).await;
            assert_eq!(last_words(&log), "The whole.", "{speech:?}");
            assert!(!text(&log).contains("A first line."), "what broke off is not kept");
            assert_eq!(server.requests().len(), 3);
        }
    }
}

#[tokio::test]
async fn an_overload_is_waited_out() {
    for speech in ALL {
        for (status, header, value) in [(429, "retry-after", "0"), (529, "retry-after-ms", "1")] {
            let busy = Answer::status(status, r#"{"error":{"message":"busy"}}"#).header(header, value);
            let (log, server) = ends(speech, [busy, Answer::say("Yes."), Answer::say("Yes.")]).await;
            assert_eq!((last_words(&log), failure(&log)), ("Yes.", None));
            assert_eq!(server.requests().len(), 3);
        }
        // Too long to wait for within a step: the job comes back for it.
        let busy = Answer::status(429, "").header("retry-after", "1800");
        let (log, _server) = ends(speech, [busy, Answer::say("Yes."), Answer::say("Yes.")]).await;
        assert_eq!((last_words(&log), failure(&log)), ("Yes.", None));
    }
}

/// What cannot be read or is not there is refused in words that the model can mend.
fn mends(request: &Request) -> Answer {
    match request.results().as_slice() {
        [] => Answer::say("").and_raw_call("auto", "kubectl", "{\"command\": get pods}"),
        [(_, false, refusal)] if refusal.contains("get pods") => {
            Answer::call("kubctl", &json!({ "command": "get pods" }))
        }
        [_, (_, false, refusal)] if refusal.contains("kubctl") => Answer::say("I mend it."),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn unreadable_arguments_and_unknown_tools_are_answers_to_the_model() {
    for speech in ALL {
        let (log, _server) = ends(speech, Script::of(mends)).await;
        assert_eq!((last_words(&log), failure(&log)), ("I mend it.", None), "{speech:?}");
    }
}

#[tokio::test]
async fn nothing_is_asked_for_once_more_and_then_owned_up_to() {
    for speech in ALL {
        let (outcome, heard, server) = play(speech, [Answer::say(""), Answer::say("Yes.")], no_change).await;
        assert_eq!(outcome.unwrap().text.as_str(), "Yes.");
        assert_eq!((heard.concat().as_str(), server.requests().len()), ("Yes.", 2));
        let (outcome, _, server) = play(speech, vec![Answer::say(""); 2], no_change).await;
        let error = outcome.unwrap_err();
        assert!(matches!(error, ModelError::Unavailable { .. }), "{error:?}");
        assert_eq!(error.to_string(), "the model scripted is unavailable: it answered nothing");
        assert_eq!(server.requests().len(), 2);
    }
}

#[tokio::test]
async fn three_hundred_parallel_calls_are_put_together_at_once() {
    let mut answer = Answer::say("All of them.").in_pieces(20);
    for n in 0..300 {
        let filler = "x".repeat(200);
        answer =
            answer.and_call("kubectl", &json!({ "command": format!("get pod web-{n}"), "filler": filler }));
    }
    for speech in ALL {
        let (outcome, _, _server) = {
            let began = Instant::now();
            let played = play(speech, [answer.clone()], no_change).await;
            assert!(began.elapsed().as_secs() < 20, "{speech:?} took {:?}", began.elapsed());
            played
        };
        let reply = outcome.unwrap();
        assert_eq!((reply.text.as_str(), reply.calls.len()), ("All of them.", 300));
        for (n, call) in reply.calls.iter().enumerate() {
            assert_eq!(call.args["command"], format!("get pod web-{n}"), "{speech:?}");
            assert_eq!(call.id.0, format!("call_1_{n}"));
        }
    }
}

#[tokio::test]
async fn a_prompt_that_is_too_long_is_told_from_what_cannot_be_mended() {
    for provider in BOTH {
        let body = r#"{"error":{"message":"prompt is too long: 9 tokens > 8 maximum","type":"invalid_request_error"}}"#;
        let (outcome, _, server) = play(provider, [Answer::status(400, body)], no_change).await;
        assert!(matches!(outcome, Err(ModelError::PromptTooLong { .. })), "{outcome:?}");
        assert_eq!(server.requests().len(), 1);
    }
}
