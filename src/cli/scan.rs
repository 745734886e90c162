//! `scan`: the analyzers alone.

use std::process::ExitCode;

use clap::ValueEnum;
use serde_json::{Value, json};

use super::{ask::cause_json, print};
use crate::{
    analyzers,
    app::{Problem, connect},
    cluster::state::Scope,
    config::Config,
    event::Cause,
    finding::{Finding, Severity},
    redact::Redacted,
};

/// How findings are printed.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(super) enum Output {
    Text,
    Json,
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
    match output {
        Output::Json => {
            let broken =
                findings.iter().filter(|finding| finding.is_root() && finding.severity < Severity::Notice);
            let causes: Vec<Value> = broken.map(|finding| cause_json(&Cause::from(finding))).collect();
            print(&json!({ "causes": causes, "findings": findings, "unread": state.unread }).to_string())?;
        }
        Output::Text => print(&scan_text(&findings, &state.unread))?,
    }
    Ok(ExitCode::SUCCESS)
}

fn scan_text(findings: &[Finding], unread: &[Redacted]) -> String {
    let mut lines = Vec::new();
    for finding in findings {
        let severity = match finding.severity {
            Severity::Critical => "critical",
            Severity::Warning => "warning",
            Severity::Notice => "notice",
        };
        let because: Vec<&str> = finding.because_of.iter().map(|id| id.0.as_str()).collect();
        let because =
            if because.is_empty() { String::new() } else { format!(" (because of {})", because.join(", ")) };
        lines.push(format!("{} {severity} {} {}{because}", finding.id, finding.code, finding.resource));
        lines.push(format!("   {}", finding.summary));
        if let Some(fix) = finding.fix.as_ref().filter(|fix| !fix.command.is_empty()) {
            lines.push(format!("   fix: {}", fix.command));
        }
    }
    if findings.is_empty() {
        let limit = if unread.is_empty() { "" } else { " in what could be read" };
        lines.push(format!("Nothing wrong was found{limit}."));
    }
    lines.extend(unread.iter().map(|what| format!("Not read: {what}")));
    lines.join("\n")
}
