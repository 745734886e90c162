//! The tool `diagnose`: runs the analyzers over a part of the cluster.

use schemars::JsonSchema;
use serde::Deserialize;

use super::{Answer, Lent, Tool};
use crate::{analyzers, cluster::state::Scope, finding::Finding, redact::Redacted};

/// Runs the rule-based analyzers over one namespace, or over all of them, as it is now. Use it for a part of the
/// cluster that the look at the start did not cover, or to see whether something has changed since.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Args {
    /// The namespace; leave it out for all of them.
    #[serde(default)]
    pub namespace: Option<String>,
}

/// The tool.
pub struct Diagnose;

impl Tool for Diagnose {
    const NAME: &'static str = "diagnose";
    type Args = Args;

    async fn call(&self, args: Args, lent: &Lent) -> Answer {
        let scope = Scope { namespaces: args.namespace.iter().cloned().collect() };
        let state = match lent.cluster.look(&scope).await {
            Ok(state) => state,
            Err(error) => return Answer::refused(error.to_string()),
        };
        let findings = analyzers::analyze(&state);
        let lines: Vec<String> = findings.iter().map(line).collect();
        let output = if lines.is_empty() { "Nothing wrong was found.".to_owned() } else { lines.join("\n") };
        let place = args.namespace.map_or_else(|| "all namespaces".to_owned(), |name| format!("`{name}`"));
        let gist = format!("analyzers on {place}: {} found", findings.len());
        Answer { ok: true, output: Redacted::new(output), gist: Redacted::new(gist) }
    }
}

fn line(finding: &Finding) -> String {
    let quotes: Vec<String> =
        finding.evidence.iter().take(2).map(|e| format!("{}: «{}»", e.source, e.text)).collect();
    format!("{} {}: {} {}", finding.code, finding.resource, finding.summary, quotes.join("; "))
}
