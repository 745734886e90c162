//! The kubectl dialect, which people and language models are fluent in: a command line is read into a typed command
//! that only reads, run through the API, and printed as kubectl prints it. Has no shell, no subprocess, no files and
//! no way to write; knows nothing of who asks.
//!
//! `get`, `logs`, `explain` and `api-resources` equal kubectl byte for byte, `describe` and `events` but for ages and
//! versions; tests against the real one hold that. What differs on purpose is listed in the README.

mod about;
mod can_i;
mod command;
mod describe;
mod events;
mod explain;
mod get;
mod gist;
mod log_stream;
mod logs;
mod output;
mod parse;
mod pods;
mod print;
mod reread;
mod rollout;
mod secret;
mod table;
mod top;
mod wire;

use jiff::Timestamp;
use kube::Client;

use self::{command::Verb, output::Draft, wire::Wire};
use super::Cluster;
use crate::{redact::Redacted, text::pipe::Pipe};

pub(super) use self::wire::KnownKinds;
pub use self::{
    command::Command,
    gist::{gist, looking},
    output::Output,
    parse::{Refusal, parse},
    reread::{jsonpath, shape},
    wire::Limits,
};

/// Runs commands against one cluster. Clones share what they know of its kinds.
#[derive(Clone)]
pub struct Kubectl {
    client: Client,
    known: KnownKinds,
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
        Self {
            client,
            known: KnownKinds::default(),
            now,
            default_namespace: default_namespace.into(),
            limits: Limits::default(),
        }
    }

    /// The same within other limits.
    #[must_use]
    pub fn with_limits(self, limits: Limits) -> Self {
        Self { limits, ..self }
    }

    /// Runs a command. What fails is said in the output, in kubectl's words.
    pub async fn run(&self, command: &Command) -> Output {
        let session = Session {
            wire: Wire::new(&self.client, &self.known, self.limits),
            now: self.now,
            default_namespace: &self.default_namespace,
        };
        let mut draft = match &command.verb {
            // What is filtered is filtered whole.
            Verb::Get(get) if command.pipe.is_empty() => get::run(&session, get, self.limits.output).await,
            Verb::Get(get) => get::run(&session, get, usize::MAX).await,
            Verb::Describe(describe) => describe::run(&session, describe).await,
            Verb::Logs(logs) => logs::run(&session, logs, &command.pipe, &command.words).await,
            Verb::Events(events) => events::run(&session, events).await,
            Verb::Top(top) => top::run(&session, top).await,
            Verb::ApiResources(asked) => about::api_resources(&session, asked).await,
            Verb::ApiVersions => about::api_versions(&session).await,
            Verb::Version(form) => about::version(&session, *form).await,
            Verb::ClusterInfo => about::cluster_info(&session).await,
            Verb::Explain(asked) => explain::run(&session, asked).await,
            Verb::Rollout(rollout) => rollout::run(&session, rollout).await,
            Verb::CanI(asked) => can_i::run(&session, asked).await,
        };
        if !matches!(command.verb, Verb::Logs(_)) && !command.pipe.is_empty() {
            filter(&mut draft, &command.pipe);
        }
        let warnings: String =
            session.wire.warnings().iter().map(|text| format!("Warning: {text}\n")).collect();
        draft.err.insert_str(0, &warnings);
        draft.finish(self.limits.output)
    }
}

/// Leaves of what a command says the lines that its filters pick. They see masked text alone: whether a pattern matches
/// would tell of a secret, too.
fn filter(draft: &mut Draft, pipe: &Pipe) {
    let masked = Redacted::from(std::mem::take(&mut draft.out));
    let (picked, said) = pipe.run(&masked);
    draft.out = picked;
    draft.notes.extend(said);
}

impl Cluster {
    /// Runs a command here. What fails is said in the output, in kubectl's words.
    pub async fn kubectl(&self, command: &Command) -> Output {
        let kubectl = Kubectl::new(self.client().clone(), self.now(), self.default_namespace());
        Kubectl { known: self.kinds_known.clone(), ..kubectl }.run(command).await
    }
}
