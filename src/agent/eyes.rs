//! How the agent looks at a cluster: one scan at the start of a turn, then the calls of the model.

use std::{sync::Arc, time::Instant};

use async_trait::async_trait;

use super::scope::{Question, aim};
use crate::{
    analyzers,
    cluster::{
        Cluster,
        state::{Scope, State},
    },
    event::{Look, ToolCall},
    finding::Finding,
    llm::ToolSpec,
    redact::Redacted,
    tools::{Answer, Lent, Toolbox},
};

/// Looks at a cluster.
#[async_trait]
pub trait Eyes: Send + Sync {
    /// Looks at what the question is about and runs the analyzers. The error is the sentence for the person.
    async fn scan(&self, question: &Question) -> Result<(Look, Vec<Finding>), Redacted>;

    /// Carries out a call.
    async fn call(&self, call: &ToolCall) -> Answer;

    /// What the model may call.
    fn specs(&self) -> Vec<ToolSpec>;
}

/// Eyes on a cluster.
pub struct ClusterEyes {
    lent: Lent,
    toolbox: Toolbox,
}

impl ClusterEyes {
    /// Eyes on `cluster` with the tools of `toolbox`.
    pub fn new(cluster: Arc<Cluster>, toolbox: Toolbox) -> Self {
        Self { lent: Lent { cluster }, toolbox }
    }
}

#[async_trait]
impl Eyes for ClusterEyes {
    async fn scan(&self, question: &Question) -> Result<(Look, Vec<Finding>), Redacted> {
        let cluster = &self.lent.cluster;
        let began = Instant::now();
        let names = cluster.names().await;
        let aim = aim(question, &names);
        let scope = Scope { namespaces: aim.namespaces.clone() };
        let state = cluster.look(&scope).await.map_err(|e| Redacted::new(e.to_string()))?;
        let findings = analyzers::analyze(&state);
        let look = Look {
            cluster: Redacted::new(cluster.name()),
            namespaces: aim.namespaces,
            about: aim.about,
            read: counts(&state),
            unread: state.unread.clone(),
            took_ms: u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX),
        };
        Ok((look, findings))
    }

    async fn call(&self, call: &ToolCall) -> Answer {
        self.toolbox.call(call, &self.lent).await
    }

    fn specs(&self) -> Vec<ToolSpec> {
        self.toolbox.specs()
    }
}

/// What was read, as `12 Pods`.
fn counts(state: &State) -> Vec<Redacted> {
    let workloads = state.deployments.len()
        + state.stateful_sets.len()
        + state.daemon_sets.len()
        + state.jobs.len()
        + state.cron_jobs.len();
    [
        (state.nodes.len(), "node"),
        (workloads, "workload"),
        (state.pods.len(), "pod"),
        (state.services.len(), "service"),
        (state.events.len(), "event"),
        (state.logs.len(), "log"),
    ]
    .into_iter()
    .filter(|(count, _)| *count > 0)
    .map(|(count, what)| Redacted::new(format!("{count} {what}{}", if count == 1 { "" } else { "s" })))
    .collect()
}
