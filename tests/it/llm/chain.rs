//! Models that stand in for one another, as they are configured.

use kubertnetes::llm::{Config, ModelError, Provider};

use super::{ask, model, question};
use crate::support::llm::{Answer, ScriptedServer};

/// `scripted`, then `spare`, then the built-in one.
fn config(first: &ScriptedServer, spare: &ScriptedServer) -> Config {
    let mut config = first.config(Provider::OpenAi);
    config.models.get_mut("scripted").unwrap().retries = 0;
    let other = spare.config(Provider::Anthropic).models.remove("scripted").unwrap();
    config.models.insert("spare".into(), other);
    config.fallbacks = vec!["spare".into(), "rules".into()];
    config
}

#[tokio::test]
async fn the_next_model_answers_and_is_named() {
    for (status, body) in [
        (503, ""),
        (401, r#"{"error":{"message":"Incorrect API key"}}"#),
        (402, r#"{"error":{"message":"no credit"}}"#),
        (429, r#"{"error":{"message":"no money","code":"insufficient_quota"}}"#),
    ] {
        let first = ScriptedServer::start([Answer::status(status, body)]);
        let spare = ScriptedServer::start([Answer::say("Yes."), Answer::say("Again.")]);
        let model = model(&config(&first, &spare));
        assert_eq!(model.name(), "scripted");
        for words in ["Yes.", "Again."] {
            let (outcome, heard) = ask(model.as_ref(), &question()).await;
            let reply = outcome.unwrap();
            assert_eq!((reply.text.as_str(), reply.model.as_deref()), (words, Some("spare")), "{status}");
            assert_eq!(heard.concat(), words);
        }
        assert_eq!(first.requests().len(), 1, "who failed is left in peace for a while");
    }
}

#[tokio::test]
async fn the_rules_answer_when_nobody_else_does() {
    let first = ScriptedServer::start([Answer::status(503, "")]);
    let spare = ScriptedServer::start([Answer::status(401, "")]);
    let model = model(&config(&first, &spare));
    let reply = ask(model.as_ref(), &question()).await.0.unwrap();
    assert_eq!(reply.model.as_deref(), Some("rules"));
    assert!(reply.text.contains("have not looked"), "{}", reply.text);
}

#[tokio::test]
async fn a_request_that_is_wrong_is_wrong_for_everybody() {
    let first = ScriptedServer::start([Answer::status(400, r#"{"error":{"message":"bad schema"}}"#)]);
    let spare = ScriptedServer::start(vec![]);
    let (outcome, _) = ask(model(&config(&first, &spare)).as_ref(), &question()).await;
    assert!(matches!(outcome, Err(ModelError::Rejected { account: false, .. })), "{outcome:?}");
}

#[tokio::test]
async fn words_that_were_heard_are_not_followed_by_anothers() {
    let first = ScriptedServer::start([Answer::say("A first line.\n\nAnd more\n\nto come.").cut()]);
    let spare = ScriptedServer::start(vec![]);
    let (outcome, heard) = ask(model(&config(&first, &spare)).as_ref(), &question()).await;
    assert!(matches!(outcome, Err(ModelError::Unavailable { .. })), "{outcome:?}");
    assert!(heard.concat().starts_with("A first line."));
}

#[tokio::test]
async fn when_all_fail_each_is_told_and_the_soonest_is_waited_for() {
    let busy = |seconds: &str| Answer::status(429, "").header("retry-after", seconds);
    let first = ScriptedServer::start([busy("3600")]);
    let spare = ScriptedServer::start([busy("60")]);
    let mut config = config(&first, &spare);
    config.fallbacks.pop();
    let error = ask(model(&config).as_ref(), &question()).await.0.unwrap_err();
    assert_eq!(error.to_string(), "the model scripted is unavailable: HTTP 429; spare: HTTP 429");
    let ModelError::Unavailable { retry_after, .. } = error else { panic!() };
    assert_eq!(retry_after.unwrap().as_secs(), 60);
}

#[tokio::test]
async fn a_long_prompt_goes_to_who_is_known_to_read_more() {
    let body = r#"{"error":{"message":"maximum context length is 8","code":"context_length_exceeded"}}"#;
    for (reads, spare_reads, answers) in [
        (Some(8), Some(100), true),
        (Some(8), Some(8), false),
        (Some(8), None, false),
        (None, Some(100), false),
    ] {
        let first = ScriptedServer::start([Answer::status(400, body)]);
        let spare = ScriptedServer::start(if answers { vec![Answer::say("Yes.")] } else { vec![] });
        let mut config = config(&first, &spare);
        config.models.get_mut("scripted").unwrap().context_tokens = reads;
        config.models.get_mut("spare").unwrap().context_tokens = spare_reads;
        let (outcome, _) = ask(model(&config).as_ref(), &question()).await;
        match outcome {
            Ok(reply) => assert_eq!((answers, reply.model.as_deref()), (true, Some("spare"))),
            Err(error) => {
                assert!(!answers && matches!(error, ModelError::PromptTooLong { .. }), "{error:?}");
            }
        }
    }
}
