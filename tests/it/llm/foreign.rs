//! The wires against servers that others wrote: aimock, and LiteLLM's proxy in front of it. `tests/conformance.sh`
//! starts them and names them in `KUBERT_TEST_AIMOCK` and `KUBERT_TEST_LITELLM`.

use std::time::Duration;

use kubertnetes::{
    event::ThoughtKind,
    llm::{Config, Message, Model, ModelConfig, ModelError, Prompt, Provider},
    redact::Redacted,
};

use super::{ask, model, prompt, user};
use crate::support::left_out;

fn server(variable: &str) -> Option<String> {
    let url = std::env::var(variable).ok();
    if url.is_none() {
        left_out(&format!("{variable} is not set"));
    }
    url
}

fn config(provider: Provider, url: &str, name: &str) -> Config {
    let section = ModelConfig {
        provider: Some(provider),
        url: url.into(),
        model: name.into(),
        api_key: Some("sk-test".into()),
        retries: 0,
        ..ModelConfig::default()
    };
    Config {
        model: "scripted".into(),
        models: [("scripted".to_owned(), section)].into(),
        ..Config::default()
    }
}

/// Two calls at once, their results, and the last word.
async fn converse(model: &dyn Model, place: &str) -> Prompt {
    let mut prompt = prompt(vec![user("two calls")]);
    let (outcome, heard) = ask(model, &prompt).await;
    let reply = outcome.unwrap_or_else(|error| panic!("{place}: {error}"));
    assert_eq!((reply.text.as_str(), heard.concat().as_str()), ("Looking.", "Looking."), "{place}");
    let commands: Vec<_> = reply.calls.iter().map(|call| call.args["command"].as_str().unwrap()).collect();
    assert_eq!(commands, ["get pods", "get svc"], "{place}");
    assert_ne!(reply.calls[0].id, reply.calls[1].id, "{place}");
    let results = reply.calls.iter().map(|call| (call.id.clone(), call.args["command"] == "get pods"));
    let results: Vec<_> = results.collect();
    prompt.messages.push(Message::Model { text: reply.text, calls: reply.calls, thought: reply.thought });
    for (call, ok) in results {
        prompt.messages.push(Message::Tool { call, ok, output: Redacted::new("NAME READY") });
    }
    let (outcome, heard) = ask(model, &prompt).await;
    let reply = outcome.unwrap_or_else(|error| panic!("{place}: {error}"));
    assert_eq!(
        (reply.text.as_str(), heard.concat().as_str()),
        ("Both are there.", "Both are there."),
        "{place}"
    );
    assert!(reply.calls.is_empty(), "{place}");
    prompt
}

async fn fail(model: &dyn Model, question: &str) -> ModelError {
    let (outcome, _) = ask(model, &prompt(vec![user(question)])).await;
    outcome.expect_err(question)
}

/// Every failure is told apart.
async fn refuse(model: &dyn Model, place: &str) {
    let error = fail(model, "slow down").await;
    assert!(matches!(error, ModelError::Unavailable { .. }), "{place}: {error:?}");
    let error = fail(model, "overloaded").await;
    assert!(matches!(error, ModelError::Unavailable { .. }), "{place}: {error:?}");
    let error = fail(model, "wrong key").await;
    assert!(matches!(error, ModelError::Rejected { account: true, .. }), "{place}: {error:?}");
    assert!(error.to_string().contains("was rejected: check"), "{place}: {error}");
    let error = fail(model, "too long").await;
    assert!(matches!(error, ModelError::PromptTooLong { .. }), "{place}: {error:?}");
}

const AIMOCK: &str = "KUBERT_TEST_AIMOCK";

#[tokio::test]
async fn aimock_is_understood_in_every_format() {
    let Some(url) = server(AIMOCK) else { return };
    for (provider, path, name) in [
        (Provider::OpenAi, "/v1", "gpt-5"),
        (Provider::Anthropic, "", "claude-sonnet-4-5"),
        (Provider::OpenAi, "/v1beta/openai/", "gemini-3-pro"),
    ] {
        let model = model(&config(provider, &format!("{url}{path}"), name));
        converse(model.as_ref(), name).await;
        refuse(model.as_ref(), name).await;
        let ModelError::Unavailable { retry_after, .. } = fail(model.as_ref(), "slow down").await else {
            panic!()
        };
        assert_eq!(retry_after, Some(Duration::from_secs(1)), "{name}");
        let error = fail(model.as_ref(), "cut off").await;
        assert!(matches!(error, ModelError::Unavailable { .. }), "{name}: {error:?}");
    }
}

#[tokio::test]
async fn aimock_gets_its_thoughts_back() {
    let Some(url) = server(AIMOCK) else { return };
    for (provider, path, name, kind) in [
        (Provider::OpenAi, "/v1", "deepseek-reasoner", ThoughtKind::ReasoningContent),
        (Provider::Anthropic, "", "claude-sonnet-4-5", ThoughtKind::Thinking),
    ] {
        let mut config = config(provider, &format!("{url}{path}"), name);
        if provider == Provider::Anthropic {
            config.models.get_mut("scripted").unwrap().thinking_tokens = Some(1024);
        }
        let prompt = converse(model(&config).as_ref(), name).await;
        let Some(Message::Model { thought: Some(thought), .. }) = prompt.messages.get(1) else {
            panic!("{name}")
        };
        assert_eq!((thought.parts[0].kind, thought.parts[0].text.as_str()), (kind, "Two at once."));
    }
}

#[tokio::test]
async fn litellm_is_understood_in_front_of_each_format() {
    let Some(url) = server("KUBERT_TEST_LITELLM") else { return };
    for (provider, path, name) in [
        (Provider::OpenAi, "/v1", "behind-openai"),
        (Provider::OpenAi, "/v1", "behind-anthropic"),
        (Provider::Anthropic, "", "behind-anthropic"),
        (Provider::Anthropic, "", "behind-openai"),
    ] {
        let place = format!("{provider:?} {name}");
        let model = model(&config(provider, &format!("{url}{path}"), name));
        converse(model.as_ref(), &place).await;
        refuse(model.as_ref(), &place).await;
    }
}
