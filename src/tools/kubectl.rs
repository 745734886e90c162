//! The tool `kubectl`: reads the cluster with a kubectl command line.

use schemars::JsonSchema;
use serde::Deserialize;

use super::{Answer, Lent, Tool, pattern};
use crate::{cluster::kubectl, redact::Redacted};

/// Reads the cluster with one kubectl command line. Read verbs only: get, describe, logs, events, top, explain,
/// rollout status|history, auth can-i, api-resources, version. No shell; `| grep`, `| head`, `| tail` and `| wc -l` may
/// follow. Narrow with -n, -l, --field-selector, -o jsonpath, --tail, and `grep`, which searches a log of any size whole.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Args {
    /// E.g. `get pods -n shop -o wide` or `logs deploy/web -n shop -c app --previous --tail=50`.
    pub command: String,
    /// Show only the lines that match this regular expression, with numbers; upper and lower case are alike.
    #[serde(default)]
    pub grep: Option<String>,
    /// Lines to show around each match.
    #[serde(default)]
    pub context: Option<usize>,
}

/// The tool.
pub struct Kubectl;

impl Tool for Kubectl {
    const NAME: &'static str = "kubectl";
    type Args = Args;

    async fn call(&self, args: Args, lent: &Lent) -> Answer {
        let command = match command(&args) {
            Ok(command) => command.looking_for(lent.kept.words()),
            Err(refusal) => return Answer::refused(refusal),
        };
        let output = lent.cluster.kubectl(&command).await;
        let looking = kubectl::looking(&command, lent.cluster.default_namespace());
        let gist = Redacted::new(format!("{looking}: {}", kubectl::gist(&command, &output)));
        let ok = output.code == 0;
        if output.stderr.is_empty() && !output.stdout.is_empty() {
            return Answer { ok, output: output.stdout, gist };
        }
        let mut text = output.stdout.to_string();
        if !text.is_empty() && !text.ends_with('\n') {
            text.push('\n');
        }
        text.push_str(&output.stderr);
        if text.is_empty() {
            text.push_str("(no output)");
        }
        Answer { ok, output: Redacted::from(text), gist }
    }
}

/// The command that is asked for. The error is a sentence.
fn command(args: &Args) -> Result<kubectl::Command, String> {
    let command = kubectl::parse(&args.command).map_err(|refusal| refusal.to_string())?;
    match (&args.grep, args.context) {
        (None, Some(_)) => {
            Err("`context` goes with `grep`: give a regular expression, or leave it out.".into())
        }
        (None, None) => Ok(command),
        (Some(grep), context) => Ok(command.grep(pattern(grep)?, context.unwrap_or_default())),
    }
}
