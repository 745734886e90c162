//! What the commands print: `ask`, `scan` and `config`, with the built-in model and with one behind an API.

use std::path::Path;

use kubertnetes::llm::Provider;
use serde_json::{Value, json};

use super::with_model;
use crate::support::{
    binary::{Ended, Home},
    llm::{Answer, Request, Script, ScriptedServer},
};

const QUESTION: &str = "why is the page down?";

fn keys(object: &Value) -> Vec<&str> {
    object.as_object().unwrap().keys().map(String::as_str).collect()
}

/// The one object that was printed, with everything that it must have.
fn answer_of(ended: &Ended) -> Value {
    assert_eq!(ended.stdout.lines().count(), 1, "{}", ended.stdout);
    let answer: Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!(
        keys(&answer),
        ["answer", "causes", "conversation", "fix", "seconds", "steps", "tokens"],
        "{answer:#}"
    );
    for cause in answer["causes"].as_array().unwrap() {
        assert_cause(cause);
    }
    assert!(
        answer["seconds"].is_f64() && answer["tokens"].is_u64() && answer["steps"].is_u64(),
        "{answer:#}"
    );
    assert_eq!(answer["conversation"].as_str().unwrap().len(), 36);
    answer
}

fn assert_cause(cause: &Value) {
    for key in ["kind", "name", "code", "severity", "summary"] {
        assert!(cause[key].as_str().is_some_and(|text| !text.is_empty()), "`{key}` in {cause:#}");
    }
    let keys = keys(cause);
    assert!(["namespace", "container", "fix"].iter().all(|key| keys.contains(key)), "{cause:#}");
    let evidence = cause["evidence"].as_array().unwrap();
    assert!(!evidence.is_empty() && evidence.iter().all(Value::is_string), "{cause:#}");
}

fn named(causes: &Value) -> Vec<(&str, &str, &str)> {
    let mut named: Vec<_> = causes
        .as_array()
        .unwrap()
        .iter()
        .map(|it| {
            let word = |key: &str| it[key].as_str().unwrap_or("-");
            (word("name"), word("container"), word("code"))
        })
        .collect();
    named.sort_unstable();
    named
}

const FAULTS: [(&str, &str, &str); 3] = [
    ("crashloop-app", "worker", "config_file_path_mismatch"),
    ("faulty-app", "api", "config_file_path_mismatch"),
    ("faulty-app", "web", "wrong_dependency_port"),
];

fn snapshot() -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("k3d-cluster/snapshot").display().to_string()
}

#[tokio::test]
async fn a_question_is_answered_as_one_json_object() {
    let snapshot = snapshot();
    for cluster in [&["--demo"][..], &["--snapshot", &snapshot]] {
        let home = Home::new();
        let ended = home.run(&[cluster, &["ask", "--json", QUESTION]].concat()).await;
        assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""), "{ended:?}");
        let answer = answer_of(&ended);
        assert_eq!(named(&answer["causes"]), FAULTS);
        let first = &answer["causes"][0];
        assert_eq!(answer["fix"], first["fix"]);
        assert!(answer["fix"]["command"].as_str().unwrap().starts_with("kubectl -n default set env "));
        assert!(answer["answer"].as_str().unwrap().contains(first["summary"].as_str().unwrap()));
        assert!(answer["steps"].as_u64().unwrap() >= 3 && answer["tokens"] == 0);
    }
}

#[tokio::test]
async fn a_question_is_answered_for_people() {
    let ended = Home::new().run(&["--demo", "ask", "what", "is", "wrong", "with", "crashloop-app?"]).await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let (steps, rest) = ended.stdout.split_at(ended.stdout.rfind("\n· ").unwrap());
    assert!(steps.starts_with("· "), "{}", ended.stdout);
    assert!(rest.contains("SETTINGS_FILE=/etc/worker/settings.ini"), "{}", ended.stdout);
    let (about, _) = rest.split_once("though you did not ask").unwrap_or((rest, ""));
    assert!(!about.contains("API_URL"), "it is about crashloop-app: {}", ended.stdout);
}

#[tokio::test]
async fn what_cannot_be_asked_says_so() {
    let home = Home::new();
    for args in [
        &["--demo", "ask", "--json"][..],
        &["--demo", "--model", "gtp", "ask", QUESTION],
        &["--snapshot", "absent", "ask", "--json", QUESTION],
        &["--demo", "answer"],
    ] {
        let ended = home.run(args).await;
        assert_eq!((ended.code, ended.stdout.as_str()), (Some(2), ""), "{args:?}: {ended:?}");
        assert!(!ended.stderr.is_empty());
    }
}

/// Looks, reads, reports with a finding that there is not, and mends the report.
fn play(request: &Request) -> Answer {
    let report = |rests_on: Value, quote: &str| {
        let cause = json!({
            "resource": "Deployment/default/crashloop-app",
            "summary": "The worker looks for `settings.cfg`, and `settings.ini` is there.",
            "rests_on": rests_on,
            "quotes": [quote],
        });
        let summary = "`crashloop-app` is given the name of a file that does not exist.";
        Answer::call("report", &json!({ "summary": summary, "causes": [cause], "confidence": "likely" }))
    };
    let results = request.results();
    let Some((call, ok, output)) = results.first() else {
        return Answer::say("I look at the pods.")
            .and_call("kubectl", &json!({ "command": "get pods -n default" }));
    };
    assert!(ok, "{output}");
    let pod = output.split_whitespace().find(|word| word.starts_with("crashloop-app-")).expect("the pod");
    match results.len() {
        1 => report(json!(["f99", call]), pod),
        _ => report(json!(["f1", call]), pod),
    }
}

#[tokio::test]
async fn a_model_behind_an_api_looks_reads_and_reports() {
    for provider in [Provider::OpenAi, Provider::Anthropic] {
        let server = ScriptedServer::start(Script::of(play));
        let home = with_model(Home::new(), &server, provider);
        let ended = home.run(&["--demo", "--model", "scripted", "ask", "--json", QUESTION]).await;
        assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""), "{ended:?}");
        let answer = answer_of(&ended);
        assert_eq!(
            named(&answer["causes"]),
            [("crashloop-app", "worker", "config_file_path_mismatch")],
            "{answer:#}"
        );
        let evidence = answer["causes"][0]["evidence"].as_array().unwrap();
        assert!(
            evidence[0].as_str().unwrap().contains("crashloop-app-"),
            "its quote comes first: {evidence:?}"
        );
        assert!(
            answer["fix"]["command"].as_str().unwrap().contains("settings.ini"),
            "the finding's fix: {answer:#}"
        );
        assert!(answer["answer"].as_str().unwrap().contains("a file that does not exist"));
        assert_eq!((&answer["tokens"], &answer["steps"]), (&json!(3 * 140), &json!(2)), "{answer:#}");
        let requests = server.requests();
        assert_eq!(requests.len(), 3, "{provider:?}");
        assert!(requests[0].tools().contains(&"report".to_owned()));
        let said = requests[0].said().join("\n");
        assert!(said.contains(QUESTION) && said.contains("f1"), "{said}");
        let (_, ok, refusal) = requests[2].results().pop().unwrap();
        assert!(!ok && refusal.contains("`f99` is neither a finding nor an answered call"), "{refusal}");
    }
}

#[tokio::test]
async fn a_model_that_refuses_is_owned_up_to() {
    for provider in [Provider::OpenAi, Provider::Anthropic] {
        let refusal = r#"{"error":{"message":"your key has expired"}}"#;
        let server = ScriptedServer::start([Answer::status(401, refusal)]);
        let home = with_model(Home::new(), &server, provider);
        let ended = home.run(&["--demo", "--model", "scripted", "ask", "--json", QUESTION]).await;
        assert_eq!(ended.code, Some(1), "{ended:?}");
        let answer = answer_of(&ended);
        let text = answer["answer"].as_str().unwrap();
        assert!(text.contains("KUBERT_LLM__MODELS__SCRIPTED__API_KEY"), "what to do about it: {text}");
        assert!(text.contains("faulty-app"), "what the rules know all the same: {text}");
        assert!(!ended.stdout.contains("key-of-the-script") && !ended.stderr.contains("key-of-the-script"));
        assert_eq!(answer["causes"], json!([]));
        assert_eq!(answer["fix"], Value::Null);
    }
}

#[tokio::test]
async fn a_scan_prints_what_it_found() {
    let home = Home::new();
    let ended = home.run(&["--demo", "scan", "-o", "json"]).await;
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(3), ""), "{ended:?}");
    let found: Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!(keys(&found), ["causes", "findings", "unread"]);
    assert_eq!(named(&found["causes"]), FAULTS);
    found["causes"].as_array().unwrap().iter().for_each(assert_cause);
    let findings = found["findings"].as_array().unwrap();
    let follows = |it: &&Value| it["because_of"].as_array().is_some_and(|of| !of.is_empty());
    assert_eq!(findings.iter().filter(follows).count(), findings.len() - FAULTS.len(), "{findings:#?}");
    let text = home.run(&["--demo", "scan", "-n", "default"]).await;
    assert_eq!(text.code, Some(3));
    assert!(text.stdout.starts_with("critical Deployment default/"), "{}", text.stdout);
    for (name, container, code) in FAULTS {
        let begins = format!(" Deployment default/{name}, container {container}  f");
        let line = text.stdout.lines().find(|line| line.contains(&begins) && line.ends_with(code));
        assert!(line.is_some(), "{code}\n{}", text.stdout);
    }
    assert!(text.stdout.contains("\n    kubectl -n default set env "), "{}", text.stdout);
    let picture = home.run(&["--demo", "scan", "-o", "svg"]).await;
    assert!(picture.stdout.starts_with("<svg ") && picture.code == Some(3), "{picture:?}");
    let markdown = home.run(&["--demo", "scan", "-o", "markdown"]).await;
    assert!(markdown.stdout.contains("1. **Deployment default/"), "{}", markdown.stdout);
    let elsewhere = home.run(&["--demo", "scan", "-n", "kube-public"]).await;
    assert_eq!(
        (elsewhere.code, elsewhere.stdout.trim()),
        (Some(0), "Nothing wrong was found."),
        "{elsewhere:?}"
    );
}

#[tokio::test]
async fn secrets_are_masked_in_the_printed_configuration() {
    let home = Home::new()
        .set("KUBERT_DISCORD__TOKEN", "the-token-of-the-bot")
        .set("KUBERT_STORE__URL", "postgres://bot:the-password@db.example/k")
        .set("KUBERT_LLM__MODELS__BIG__API_KEY", "the-key-of-the-model");
    let ended = home.run(&["config"]).await;
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""), "{ended:?}");
    for line in ["discord.token = \"***\"", "llm.models.big.api_key = \"***\"", "worker.lease_ms = 10000"] {
        assert!(ended.stdout.contains(line), "`{line}` is missing in\n{}", ended.stdout);
    }
    assert!(ended.stdout.contains("db.example"), "{}", ended.stdout);
    for secret in ["the-token", "the-password", "the-key"] {
        assert!(!ended.stdout.contains(secret), "{}", ended.stdout);
    }
}

#[tokio::test]
async fn a_reader_that_has_read_enough_is_no_failure() {
    for (command, code) in [("scan -o json", 3), ("ask what is wrong?", 0)] {
        let line =
            format!("{{ {} --demo {command}; echo $? >&2; }} | true", env!("CARGO_BIN_EXE_kubertnetes"));
        let ended = Home::new().shell(&line).await;
        assert_eq!(ended.stderr, format!("{code}\n"), "{command}");
    }
}
