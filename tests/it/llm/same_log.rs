//! The same conversation over every wire ends in the same log.

use serde_json::json;

use super::{
    ALL,
    talk::{talk, text},
};
use crate::support::llm::{Answer, Request, Script, ScriptedServer};

/// Two calls at once, one of them refused, and a report.
fn play(request: &Request) -> Answer {
    match request.results().as_slice() {
        [] => Answer::say("I look at **both**.")
            .and_call("kubectl", &json!({ "command": "get pods -n default" }))
            .and_call("kubectl", &json!({ "command": "delete pod \"web\" -n default" })),
        [(pods, true, table), (_, false, refusal)] => {
            assert!(table.contains("crashloop-app-") && refusal.contains("delete"), "{table} {refusal}");
            let cause = json!({
                "resource": "Deployment/default/crashloop-app",
                "summary": "The worker looks for `settings.cfg`, and `settings.ini` is there.",
                "rests_on": ["f1", pods],
            });
            let summary = "`crashloop-app` is given a name [of a file] that does not exist.";
            Answer::call("report", &json!({ "summary": summary, "causes": [cause], "confidence": "likely" }))
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn every_wire_ends_in_the_identical_log() {
    let mut logs = Vec::new();
    for speech in ALL {
        let server = ScriptedServer::start(Script::of(play));
        let log = text(&talk(&server.config(speech), "why does crashloop-app not start?").await);
        assert!(log.contains("\"diagnosed\"") && log.contains("I look at **both**."), "{log}");
        assert!(!log.contains("```"), "a call is left in the text: {log}");
        assert_eq!(server.requests().len(), 2, "{speech:?}");
        logs.push(log);
    }
    for log in &logs {
        assert_eq!(*log, logs[0]);
    }
}
