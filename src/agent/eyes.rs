//! How the agent looks at a cluster: one scan at the start of a turn, then the calls of the model.

use std::{sync::Arc, time::Instant};

use async_trait::async_trait;

use super::scope::{Question, aim, asks_for_what_is_served};
use crate::cluster::state::Pod;
use crate::{
    analyzers,
    cluster::{
        Cluster,
        state::{Scope, State},
    },
    event::{Look, ToolCall},
    finding::{Finding, Resource},
    llm::ToolSpec,
    redact::Redacted,
    tools::{Answer, Kept, Lent, Toolbox},
};

/// Looks at a cluster.
#[async_trait]
pub trait Eyes: Send + Sync {
    /// Looks at what the question is about and runs the analyzers. The error is the sentence for the person.
    async fn scan(&self, question: &Question) -> Result<(Look, Vec<Finding>), Redacted>;

    /// Carries out a call for a conversation that keeps these outputs.
    async fn call(&self, call: &ToolCall, kept: &Arc<dyn Kept>) -> Answer;

    /// What the model may call.
    fn specs(&self) -> Vec<ToolSpec>;
}

/// Eyes on a cluster.
pub struct ClusterEyes {
    cluster: Arc<Cluster>,
    toolbox: Toolbox,
}

impl ClusterEyes {
    /// Eyes on `cluster` with the tools of `toolbox`.
    pub fn new(cluster: Arc<Cluster>, toolbox: Toolbox) -> Self {
        Self { cluster, toolbox }
    }
}

#[async_trait]
impl Eyes for ClusterEyes {
    async fn scan(&self, question: &Question) -> Result<(Look, Vec<Finding>), Redacted> {
        let cluster = &self.cluster;
        let began = Instant::now();
        let names = cluster.names().await;
        let aim = aim(question, &names);
        let scope = Scope { namespaces: aim.namespaces.clone() };
        let state = cluster.look(&scope).await.map_err(|e| Redacted::new(e.to_string()))?;
        let findings = analyzers::analyze(&state);
        let mut about = aim.about;
        about.extend(
            ingresses_of_hosts(&state, &question.texts)
                .into_iter()
                .filter(|found| !about.contains(found))
                .collect::<Vec<_>>(),
        );
        if about.is_empty() && asks_for_what_is_served(&question.texts) {
            about = served_and_faulty(&state, &findings);
        }
        let look = Look {
            cluster: Redacted::new(cluster.name()),
            namespaces: aim.namespaces,
            standing: analyzers::standing(&state, &about),
            about,
            unknown: aim.unknown,
            read: counts(&state),
            unread: state.unread.clone(),
            took_ms: u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX),
        };
        Ok((look, findings))
    }

    async fn call(&self, call: &ToolCall, kept: &Arc<dyn Kept>) -> Answer {
        let lent = Lent { cluster: self.cluster.clone(), kept: kept.clone() };
        self.toolbox.call(call, &lent).await
    }

    fn specs(&self) -> Vec<ToolSpec> {
        self.toolbox.specs()
    }
}

/// The Ingresses of the host names that the question has.
fn ingresses_of_hosts(state: &State, texts: &[Redacted]) -> Vec<Resource> {
    let said: Vec<String> = texts
        .iter()
        .flat_map(|text| {
            text.split(|letter: char| !(letter.is_ascii_alphanumeric() || "-.".contains(letter)))
                .map(str::to_lowercase)
                .collect::<Vec<_>>()
        })
        .map(|word| word.trim_matches(['.', '-']).to_owned())
        .filter(|word| word.contains('.'))
        .collect();
    let serves = |ingress: &&k8s_openapi::api::networking::v1::Ingress| {
        let spec = ingress.spec.as_ref();
        let rules = spec.and_then(|spec| spec.rules.as_deref()).unwrap_or_default();
        let tls = spec.and_then(|spec| spec.tls.as_deref()).unwrap_or_default();
        let hosts = rules
            .iter()
            .filter_map(|rule| rule.host.as_ref())
            .chain(tls.iter().flat_map(|entry| entry.hosts.iter().flatten()));
        hosts.into_iter().any(|host| said.contains(host))
    };
    let found = state.ingresses.iter().filter(serves);
    let named = found.filter_map(|ingress| {
        Some(Resource::namespaced(
            "Ingress",
            ingress.metadata.namespace.as_deref()?,
            ingress.metadata.name.as_deref()?,
        ))
    });
    named.collect()
}

/// The pods behind Services that a fault is seen on: what somebody means who names nothing and asks for a page.
fn served_and_faulty(state: &State, findings: &[Finding]) -> Vec<Resource> {
    let behind_service = |pod: &&Pod| {
        let labels = pod.metadata.labels.as_ref();
        state.services.iter().filter(|s| s.metadata.namespace == pod.metadata.namespace).any(|service| {
            let selector = service.spec.as_ref().and_then(|spec| spec.selector.as_ref());
            selector.is_some_and(|selector| {
                !selector.is_empty()
                    && selector.iter().all(|(key, value)| labels.and_then(|l| l.get(key)) == Some(value))
            })
        })
    };
    let pods = state.pods.iter().filter(behind_service);
    let named = pods.filter_map(|pod| {
        Some(Resource::namespaced("Pod", pod.metadata.namespace.as_deref()?, pod.metadata.name.as_deref()?))
    });
    named.filter(|pod| findings.iter().any(|finding| finding.seen_on.contains(pod))).collect()
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
