//! The kubectl dialect, which people and language models are fluent in: a command line is read into a typed command
//! that only reads, run through the API, and printed as kubectl prints it. Has no shell, no subprocess, no files and
//! no way to write; knows nothing of who asks.
//!
//! `get`, `logs`, `explain` and `api-resources` equal kubectl byte for byte, `describe` and `events` but for ages and
//! versions; tests against the real one hold that. What differs on purpose:
//!
//! - The values of Secrets are `***` in every form and sizes in a description, the token of a service account too,
//!   and their copy in an annotation is left out.
//! - `logs` without `--tail` and `--since` shows the last 200 lines (10 of each pod with `-l`, as kubectl does) and
//!   says so in its last line where there are more; output is cut at a limit and says so. The containers of a pod
//!   come in the order of its spec, kubectl's in none. One that cannot be read does not hide the others.
//! - Ages are measured to the cluster's time, which stands still in a recorded one.
//! - What sorts alike keeps its order; kubectl's sorting does not keep it. Quantities are sorted by amount only where
//!   all texts are quantities.
//! - Where kubectl would wait or watch (`rollout status`, `logs deploy/…` without pods), the answer is what there is.
//! - `describe` names ports, time zones and the containers of events, and `logs` the containers that a pod does have,
//!   as newer versions do. Nodes have the kubelet's events, which kubectl misses where they carry no id; several
//!   objects of which one is missing are described all the same.
//! - `version`, `cluster-info` and a refused connection have no client and no address to tell of; an answer that does
//!   not come in time is said in words of our own.
//! - `explain` reads OpenAPI v3 alone, and says so where a server has none of it.
//! - A failing JSONPath says why without the whole object after it. `..` and `*` go by name, kubectl's in no order.
//! - A description of a namespace whose quotas or limits cannot be read says so and goes on; the resources of a
//!   LimitRange come by name, kubectl's in no order.
//! - Descriptions of VolumeAttributesClasses, CSINodes, CertificateSigningRequests, ReplicationControllers, ServiceCIDRs
//!   and IPAddresses are in kubectl's general form, as those of custom kinds are.

mod about;
mod can_i;
mod command;
mod describe;
mod events;
mod explain;
mod get;
mod gist;
mod logs;
mod output;
mod parse;
mod pods;
mod print;
mod rollout;
mod secret;
mod table;
mod top;
mod wire;

use jiff::Timestamp;
use kube::Client;

use self::{command::Verb, wire::Wire};
use super::Cluster;

pub(super) use self::wire::KnownKinds;
pub use self::{
    command::Command,
    gist::{gist, looking},
    output::Output,
    parse::{Refusal, parse},
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
        let mut draft = match &command.0 {
            Verb::Get(get) => get::run(&session, get).await,
            Verb::Describe(describe) => describe::run(&session, describe).await,
            Verb::Logs(logs) => logs::run(&session, logs).await,
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
        let warnings: String =
            session.wire.warnings().iter().map(|text| format!("Warning: {text}\n")).collect();
        draft.err.insert_str(0, &warnings);
        draft.finish(self.limits.output)
    }
}

impl Cluster {
    /// Runs a command here. What fails is said in the output, in kubectl's words.
    pub async fn kubectl(&self, command: &Command) -> Output {
        let kubectl = Kubectl::new(self.client().clone(), self.now(), self.default_namespace());
        Kubectl { known: self.kinds_known.clone(), ..kubectl }.run(command).await
    }
}
