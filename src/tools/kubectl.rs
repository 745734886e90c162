//! The tool `kubectl`: reads the cluster with a kubectl command line.

use schemars::JsonSchema;
use serde::Deserialize;

use super::{Answer, Lent, Tool};
use crate::{cluster::kubectl, redact::Redacted};

/// Reads the cluster with one kubectl command line. Read verbs only: get, describe, logs, events, top, explain,
/// rollout status|history, auth can-i, api-resources, version. No shell: no pipes, redirections or substitutions;
/// narrow with -n, -l, --field-selector, -o jsonpath, --tail. What is cut can be searched with read_output.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Args {
    /// E.g. `get pods -n shop -o wide` or `logs deploy/web -n shop -c app --previous --tail=50`.
    pub command: String,
}

/// The tool.
pub struct Kubectl;

impl Tool for Kubectl {
    const NAME: &'static str = "kubectl";
    type Args = Args;

    async fn call(&self, args: Args, lent: &Lent) -> Answer {
        let command = match kubectl::parse(&args.command) {
            Ok(command) => command,
            Err(refusal) => return Answer::refused(refusal.to_string()),
        };
        let output = lent.cluster.kubectl(&command).await;
        let mut text = output.stdout.to_string();
        if !output.stderr.is_empty() {
            if !text.is_empty() && !text.ends_with('\n') {
                text.push('\n');
            }
            text.push_str(&output.stderr);
        }
        if text.is_empty() {
            text.push_str("(no output)");
        }
        let looking = kubectl::looking(&command, lent.cluster.default_namespace());
        let gist = format!("{looking}: {}", kubectl::gist(&command, &output));
        Answer { ok: output.code == 0, output: Redacted::new(text), gist: Redacted::new(gist) }
    }
}
