//! `ask`: one question, its steps as they happen, its answer as text or as one JSON object.

use std::{process::ExitCode, sync::Arc};

use serde_json::{Value, json};

use super::{print, printed};
use crate::{
    app::{App, Problem},
    chat::{
        render::{answer, step_line},
        terminal,
    },
    config::Config,
    event::{Cause, Diagnosis, Entry, Event, tally},
};

/// Asks and prints. Fails where the turn ended without an answer.
pub(super) async fn ask(config: Config, question: &str, json: bool) -> Result<ExitCode, Problem> {
    let app = Arc::new(App::open(config).await?);
    let mut terminal = app.terminal();
    let mut failed_to_print = Ok(());
    let log = terminal
        .ask(question, |entry| {
            if let (false, Some(line)) = (json, step_line(&entry.event)) {
                failed_to_print = print(&format!("· {line}"));
            }
        })
        .await;
    let log = match log {
        Ok(log) => log,
        Err(e) => {
            app.close().await;
            return Err(e.into());
        }
    };
    failed_to_print?;
    if json {
        let id = terminal.conversation().map(ToString::to_string).unwrap_or_default();
        print(&answer_json(&id, &log).to_string())?;
    } else {
        let text = answer(&log, terminal::LIMITS);
        printed(terminal::print_markdown(&mut std::io::stdout(), &text))?;
    }
    app.close().await;
    let failed = matches!(log.last().map(|e| &e.event), Some(Event::TurnEnded { failure: Some(_) }));
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// What `ask --json` prints.
fn answer_json(conversation: &str, log: &[Entry]) -> Value {
    let turn = terminal::latest_turn(log);
    let tally = tally(turn);
    let diagnosis = turn.iter().rev().find_map(|entry| match &entry.event {
        Event::Diagnosed { diagnosis, .. } => Some(diagnosis),
        _ => None,
    });
    let causes: Vec<&Cause> = diagnosis.map(Diagnosis::ranked).unwrap_or_default();
    json!({
        "conversation": conversation,
        "answer": answer(log, terminal::LIMITS),
        "causes": causes.iter().map(|cause| cause_json(cause)).collect::<Vec<_>>(),
        "fix": causes.first().and_then(|cause| cause.fix.as_ref()),
        "steps": tally.looks,
        "tokens": tally.tokens,
        "seconds": seconds(tally.took_ms),
    })
}

/// Milliseconds as seconds; a turn is short enough for the conversion to be exact.
fn seconds(ms: i64) -> f64 {
    f64::from(i32::try_from(ms).unwrap_or(i32::MAX)) / 1000.0
}

/// A cause as `ask` and `scan` print it.
pub(super) fn cause_json(cause: &Cause) -> Value {
    json!({
        "kind": cause.resource.kind,
        "namespace": cause.resource.namespace,
        "name": cause.resource.name,
        "container": cause.container,
        "code": cause.code,
        "severity": cause.severity,
        "summary": cause.summary,
        "evidence": cause.evidence.iter().map(|e| format!("{}: {}", e.source, e.text)).collect::<Vec<_>>(),
        "fix": cause.fix,
    })
}
