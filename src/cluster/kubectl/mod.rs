//! The kubectl dialect, which people and language models are fluent in: a command line is read into a typed command
//! that only reads, run through the API, and printed as kubectl prints it. Has no shell, no subprocess, no files and
//! no way to write; knows nothing of who asks.
//!
//! `get` and `logs` equal kubectl byte for byte, which a test against the real one holds. What differs on purpose:
//!
//! - The values of Secrets are `***`, and their copy in an annotation is left out.
//! - `logs` without `--tail` and `--since` shows the last 200 lines and says so where there are more; output is cut
//!   at a limit and says so. The containers of a pod come in the order of its spec, kubectl's in none.
//! - Ages are measured to the cluster's time, which stands still in a recorded one.
//! - What sorts alike keeps its order. kubectl's sorting does not.
//! - Where kubectl would wait or watch, the answer is what there is now.
//! - `logs` of a container that the pod does not have names those it has, as newer versions of kubectl do.
//! - A failing JSONPath says why without the whole object after it.

#![expect(dead_code, reason = "describe and the smaller verbs come next")]

mod command;
mod events;
mod get;
mod logs;
mod output;
mod parse;
mod pods;
mod print;
mod secret;
mod table;
mod wire;

use jiff::Timestamp;
use kube::Client;

use self::{command::Verb, output::Draft, wire::Wire};
use super::Cluster;

pub use self::{
    command::Command,
    output::Output,
    parse::{Refusal, parse},
    wire::Limits,
};

/// Runs commands against one cluster.
#[derive(Clone)]
pub struct Kubectl {
    client: Client,
    now: Timestamp,
    default_namespace: String,
    limits: Limits,
}

/// What a command needs while it runs.
struct Session<'a> {
    wire: Wire<'a>,
    now: Timestamp,
    default_namespace: &'a str,
}

impl Kubectl {
    /// Asks through `client`. Ages are measured to `now`; where a command names no namespace it means
    /// `default_namespace`.
    pub fn new(client: Client, now: Timestamp, default_namespace: impl Into<String>) -> Self {
        Self { client, now, default_namespace: default_namespace.into(), limits: Limits::default() }
    }

    /// The same within other limits.
    #[must_use]
    pub fn with_limits(self, limits: Limits) -> Self {
        Self { limits, ..self }
    }

    /// Runs a command. What fails is said in the output, in kubectl's words.
    pub async fn run(&self, command: &Command) -> Output {
        let session = Session {
            wire: Wire::new(&self.client, self.limits),
            now: self.now,
            default_namespace: &self.default_namespace,
        };
        let mut draft = match &command.0 {
            Verb::Get(get) => get::run(&session, get).await,
            Verb::Logs(logs) => logs::run(&session, logs).await,
            Verb::Events(events) => events::run(&session, events).await,
            _ => Draft::from(wire::failure::Failure::error(
                "this verb is not available yet; use get, logs or events",
            )),
        };
        let warnings: String =
            session.wire.warnings().iter().map(|text| format!("Warning: {text}\n")).collect();
        draft.err.insert_str(0, &warnings);
        draft.finish(self.limits.output)
    }
}

impl Cluster {
    /// Runs a command here. What fails is said in the output, in kubectl's words.
    pub async fn kubectl(&self, command: &Command) -> Output {
        Kubectl::new(self.client().clone(), self.now(), self.default_namespace()).run(command).await
    }
}
