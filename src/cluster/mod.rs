//! Talks to a Kubernetes API server, live or recorded. Knows no chat, model or SQL.

mod connect;
mod custom_kind;
pub mod gateway;
pub mod kubectl;
mod lean;
mod look;
mod names;
mod pod;
mod reach;
mod read;
pub mod snapshot;
pub mod state;

use std::{path::PathBuf, sync::Arc};

use jiff::Timestamp;
use kube::Client;
use serde::Deserialize;

use self::snapshot::Snapshot;
use crate::redact::Redacted;

pub use self::{connect::ConnectError, reach::ClusterError};

/// Which cluster, and how much of it is read at most. The section `[cluster]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// A kubeconfig file. Unset: `$KUBECONFIG`, else `~/.kube/config`.
    pub kubeconfig: Option<PathBuf>,
    /// The kubeconfig's context. Unset: its current one.
    pub context: Option<String>,
    /// A captured cluster to serve instead of a live one: a folder or a `.tar.gz`.
    pub snapshot: Option<PathBuf>,
    /// Whether to serve the practice cluster that ships in the binary.
    pub demo: bool,
    /// Seconds until a connection that does not come about is given up.
    pub connect_timeout_seconds: u64,
    /// Seconds until one request is given up.
    pub request_timeout_seconds: u64,
    /// Seconds until a look at the cluster makes do with what it has read.
    pub look_timeout_seconds: u64,
    /// How many requests a look makes at once.
    pub parallel_requests: usize,
    /// How many objects are asked for at once.
    pub page_objects: u32,
    /// How many objects of one kind are read at most.
    pub max_objects: usize,
    /// How many bytes one look reads at most, logs aside.
    pub max_bytes: usize,
    /// How many logs one look reads at most.
    pub max_logs: usize,
    /// How many lines of each log, from its end.
    pub log_lines: usize,
    /// How many bytes of each log are kept at most, from its end.
    pub log_bytes: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            kubeconfig: None,
            context: None,
            snapshot: None,
            demo: false,
            connect_timeout_seconds: 5,
            request_timeout_seconds: 10,
            look_timeout_seconds: 30,
            parallel_requests: 8,
            page_objects: 500,
            max_objects: 50_000,
            max_bytes: 256 << 20,
            max_logs: 60,
            log_lines: 200,
            log_bytes: 64 << 10,
        }
    }
}

/// A cluster that can be asked. Cheap to clone.
#[derive(Clone)]
pub struct Cluster {
    client: Client,
    name: String,
    default_namespace: String,
    origin: Origin,
    config: Config,
    kinds_known: kubectl::KnownKinds,
}

/// Where a cluster's answers come from.
#[derive(Clone)]
enum Origin {
    /// A live API server, by its address.
    Live { url: String },
    /// A capture.
    Recorded { snapshot: Arc<Snapshot> },
    /// The capture that ships in the binary.
    Practice { snapshot: Arc<Snapshot> },
}

impl Cluster {
    /// A captured cluster. Needs a Tokio runtime around it.
    pub fn recorded(snapshot: Snapshot, config: &Config) -> Self {
        let snapshot = Arc::new(snapshot);
        Self::of(&snapshot.clone(), Origin::Recorded { snapshot }, config)
    }

    /// The practice cluster that ships in the binary. Needs a Tokio runtime around it.
    pub fn practice(config: &Config) -> Result<Self, ConnectError> {
        let snapshot = Arc::new(Snapshot::practice()?);
        Ok(Self::of(&snapshot.clone(), Origin::Practice { snapshot }, config))
    }

    fn of(snapshot: &Arc<Snapshot>, origin: Origin, config: &Config) -> Self {
        Self {
            client: snapshot.client(),
            name: snapshot.name().to_owned(),
            default_namespace: "default".into(),
            origin,
            config: config.clone(),
            kinds_known: kubectl::KnownKinds::default(),
        }
    }

    /// The client that all questions to this cluster go through. It never retries by itself.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// What to call it: the kubeconfig's context, the snapshot's folder, or `practice cluster`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The settings that it was connected with: deadlines and limits.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// The namespace that is meant where none is named.
    pub fn default_namespace(&self) -> &str {
        &self.default_namespace
    }

    /// The cluster's time. In a recorded one it stands still at the capture.
    pub fn now(&self) -> Timestamp {
        self.snapshot().map_or_else(Timestamp::now, |snapshot| snapshot.captured_at())
    }

    /// Whether it is a capture, the practice cluster included.
    pub fn is_recorded(&self) -> bool {
        self.snapshot().is_some()
    }

    /// Whether it is the practice cluster that ships in the binary.
    pub fn is_practice(&self) -> bool {
        matches!(self.origin, Origin::Practice { .. })
    }

    /// The capture, where it is one.
    pub fn snapshot(&self) -> Option<&Arc<Snapshot>> {
        match &self.origin {
            Origin::Live { .. } => None,
            Origin::Recorded { snapshot } | Origin::Practice { snapshot } => Some(snapshot),
        }
    }

    /// What this cluster is, in one sentence for the person who starts the program.
    pub fn introduction(&self) -> Redacted {
        Redacted::new(match &self.origin {
            Origin::Live { url } => format!("Connected to the cluster `{}` at {url}.", self.name),
            Origin::Recorded { snapshot } => {
                format!("Serving the recorded cluster `{}`, as it was at {}.", self.name, snapshot.captured_at())
            }
            Origin::Practice { .. } => "This is the practice cluster that ships with kuBERTnetes, recorded with three \
                                        faults in it; for your own, set cluster.kubeconfig and cluster.context, or \
                                        make `kubectl get pods` work here and start again without demo."
                .into(),
        })
    }
}

impl std::fmt::Debug for Cluster {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Cluster").field("name", &self.name).finish_non_exhaustive()
    }
}
