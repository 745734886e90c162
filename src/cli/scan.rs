//! `scan`: the analyzers alone.

use std::{io::IsTerminal, process::ExitCode};

use clap::ValueEnum;
use serde_json::{Value, json};

use super::{ask::cause_json, print};
use crate::{
    analyzers,
    app::{Problem, connect},
    chat::tree::{self, Ink},
    cluster::state::Scope,
    config::Config,
    event::Cause,
    finding::{self, Finding, Severity},
    redact::Redacted,
};

/// Says to scripts that something that should serve does not.
const CRITICAL: u8 = 3;

/// How findings are printed.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(super) enum Output {
    /// Trees of causes, coloured on a terminal
    Text,
    /// One JSON object
    Json,
    /// For a report or a ticket
    Markdown,
    /// A picture of the causes
    Svg,
}

/// Looks at one namespace, or at all of them, and prints what is wrong.
pub(super) async fn scan(
    config: &Config,
    namespace: Option<String>,
    output: Output,
) -> Result<ExitCode, Problem> {
    let cluster = connect(config).await?;
    let scope = Scope { namespaces: namespace.into_iter().collect() };
    let state = cluster.look(&scope).await.map_err(|e| Problem::Failed(e.to_string()))?;
    let findings = analyzers::analyze(&state);
    print(&match output {
        Output::Text => tree::text(&findings, &state.unread, ink()),
        Output::Json => as_json(&findings, &state.unread).to_string(),
        Output::Markdown => tree::markdown(&findings, &state.unread),
        Output::Svg => tree::svg(&findings),
    })?;
    let critical = findings.iter().any(|finding| finding.is_root() && finding.severity == Severity::Critical);
    Ok(if critical { ExitCode::from(CRITICAL) } else { ExitCode::SUCCESS })
}

/// Colours where somebody looks and has not asked for none (`NO_COLOR`).
fn ink() -> Ink {
    Ink(std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty()))
}

fn as_json(findings: &[Finding], unread: &[Redacted]) -> Value {
    let broken = findings.iter().filter(|finding| finding.is_root() && finding.severity < Severity::Notice);
    let causes: Vec<Value> = broken
        .map(|finding| {
            let mut cause = cause_json(&Cause::from(finding));
            let effects: Vec<&str> =
                finding::effects(finding, findings).into_iter().map(|effect| effect.id.0.as_str()).collect();
            if let Some(members) = cause.as_object_mut() {
                members.insert("effects".to_owned(), json!(effects));
            }
            cause
        })
        .collect();
    json!({ "causes": causes, "findings": findings, "unread": unread })
}
