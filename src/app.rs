//! The composition root: builds everything from the configuration, binds queues to work, starts and stops it.

use std::{
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use async_trait::async_trait;
use secrecy::ExposeSecret;

use crate::{
    agent::{self, Agent, eyes::ClusterEyes, rules::Rules},
    chat::{Ledger, Names, terminal},
    clock::Clock,
    cluster::Cluster,
    config::Config,
    finding::Resource,
    llm::{self, Model},
    redact::{self, Redacted},
    store::Store,
    tools::Toolbox,
    worker::{Binding, Worker},
};

/// Why a command did not do what it should, by whose turn it is to act.
#[derive(Debug, thiserror::Error)]
pub enum Problem {
    /// What was given to it is wrong: exit code 2.
    #[error("{0}")]
    Setup(String),
    /// It failed: exit code 1.
    #[error("{0}")]
    Failed(String),
}

impl Problem {
    fn setup(error: impl std::fmt::Display) -> Self {
        Problem::Setup(error.to_string())
    }
}

impl From<crate::store::Error> for Problem {
    fn from(error: crate::store::Error) -> Self {
        match error {
            crate::store::Error::Unusable(why) => Problem::Setup(why),
            error => Problem::Failed(error.to_string()),
        }
    }
}

impl From<anyhow::Error> for Problem {
    fn from(error: anyhow::Error) -> Self {
        Problem::Failed(format!("{error:#}"))
    }
}

/// Everything that the commands need.
pub struct App {
    /// What is set.
    pub config: Config,
    /// Where the logs are.
    pub store: Store,
    /// The cluster that it is about.
    pub cluster: Arc<Cluster>,
    model: Arc<dyn Model>,
    workers: Arc<Mutex<Vec<Worker>>>,
}

impl App {
    /// Builds everything; nothing works yet.
    pub async fn open(config: Config) -> Result<Self, Problem> {
        let rules = redact::Rules::new(&config.redact).map_err(Problem::Setup)?;
        let model = llm::connect(&config.llm, Arc::new(Rules)).map_err(Problem::setup)?;
        let cluster = Arc::new(connect(&config).await?);
        let store = store(&config).await?;
        redact::configure(store.mask_key().await?, rules);
        Ok(Self { config, store, cluster, model, workers: Arc::default() })
    }

    fn agent(&self) -> Arc<Agent> {
        Arc::new(Agent {
            store: self.store.clone(),
            model: self.model.clone(),
            eyes: Arc::new(ClusterEyes::new(self.cluster.clone(), Toolbox::standard())),
            live: Arc::new(()),
            config: self.config.agent.clone(),
        })
    }

    /// Works on queues until [`App::close`].
    pub fn work(&self, bindings: Vec<Binding>) {
        let worker = Worker::new(self.store.clone(), self.config.worker.clone(), bindings);
        worker.start();
        self.workers.lock().unwrap_or_else(PoisonError::into_inner).push(worker);
    }

    /// The binding of the turns of `queue`.
    pub fn turns(&self, queue: &str) -> Binding {
        Binding { queue: queue.to_owned(), work: self.agent(), at_once: self.config.worker.turns }
    }

    /// A terminal whose turns are done in this process.
    pub fn terminal(self: &Arc<Self>) -> terminal::Terminal {
        let app = Arc::downgrade(self);
        let attend = move |queue: &str| {
            if let Some(app) = app.upgrade() {
                app.work(vec![app.turns(queue)]);
            }
        };
        terminal::Terminal::new(self.store.clone(), self.cluster.name(), Arc::new(attend), self.ledger())
    }

    /// What models may be asked for, and were.
    pub fn ledger(&self) -> Arc<dyn Ledger> {
        Arc::new(DaysLedger { store: self.store.clone(), allowed: self.config.agent.clone() })
    }

    /// What to say to somebody who starts it.
    pub fn introduction(&self) -> String {
        format!("{} Model: {}.", self.cluster.introduction(), self.model.name())
    }

    /// Lets running work end and lets go of everything.
    pub async fn close(&self) {
        let workers = std::mem::take(&mut *self.workers.lock().unwrap_or_else(PoisonError::into_inner));
        futures::future::join_all(workers.iter().map(Worker::stop)).await;
        self.store.close().await;
    }
}

/// The configured cluster, for commands that keep nothing: their masking is as configured, under a key of their own.
pub async fn connect(config: &Config) -> Result<Cluster, Problem> {
    let rules = redact::Rules::new(&config.redact).map_err(Problem::Setup)?;
    redact::configure(redact::random_key(), rules);
    Cluster::connect(&config.cluster).await.map_err(Problem::setup)
}

/// The configured database.
pub async fn store(config: &Config) -> Result<Store, Problem> {
    let url = store_url(config)?;
    Ok(Store::connect(&url, config.store.connections, Clock::system()).await?)
}

/// The folder for what this program keeps of a person: history and, by default, the database.
pub fn data_folder() -> Option<PathBuf> {
    let folder = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let base = folder("XDG_DATA_HOME").or_else(|| folder("HOME").map(|home| home.join(".local/share")))?;
    Some(base.join("kubertnetes"))
}

fn store_url(config: &Config) -> Result<String, Problem> {
    let url = config.store.url.expose_secret();
    if !url.is_empty() {
        return Ok(url.to_owned());
    }
    let folder = data_folder().ok_or_else(|| {
        Problem::Setup(
            "there is no home folder to keep the database in: set store.url (KUBERT_STORE__URL)".into(),
        )
    })?;
    Ok(format!("sqlite://{}", folder.join("kubertnetes.db").display()))
}

/// The cluster's names for people to choose from.
pub struct ClusterNames {
    cluster: Arc<Cluster>,
    /// What was read last, and when: a person types faster than a cluster changes.
    known: tokio::sync::Mutex<Option<(Instant, Vec<Resource>)>>,
}

struct DaysLedger {
    store: Store,
    allowed: agent::Config,
}

#[async_trait]
impl Ledger for DaysLedger {
    async fn today(&self, person: &str) -> Redacted {
        match agent::budget::today(&self.store, &self.allowed, person).await {
            Ok(words) => Redacted::new(words),
            Err(error) => {
                tracing::warn!(%error, "what was spent cannot be read");
                Redacted::new("The figures can't be read now. Please ask again later.")
            }
        }
    }
}

/// How long names are good for.
const NAMES_FOR: Duration = Duration::from_secs(5);

impl ClusterNames {
    /// The names of `cluster`.
    pub fn new(cluster: Arc<Cluster>) -> Self {
        Self { cluster, known: tokio::sync::Mutex::new(None) }
    }

    async fn read(&self) -> Vec<Resource> {
        let mut known = self.known.lock().await;
        if let Some((at, names)) = &*known
            && at.elapsed() < NAMES_FOR
        {
            return names.clone();
        }
        let names = self.cluster.names().await;
        *known = Some((Instant::now(), names.clone()));
        names
    }
}

#[async_trait]
impl Names for ClusterNames {
    async fn namespaces(&self, typed: &str, most: usize) -> Vec<String> {
        let names = self.read().await;
        best(names.iter().filter(|name| name.kind == "Namespace").map(|name| name.name.as_str()), typed, most)
    }

    async fn objects(&self, kind: &str, namespace: Option<&str>, typed: &str, most: usize) -> Vec<String> {
        const WORKLOADS: [&str; 5] = ["Deployment", "StatefulSet", "DaemonSet", "Job", "CronJob"];
        let names = self.read().await;
        let fits = |name: &&Resource| {
            (name.kind == kind || (kind.is_empty() && WORKLOADS.contains(&name.kind.as_str())))
                && namespace.is_none_or(|namespace| name.namespace.as_deref() == Some(namespace))
        };
        if kind.is_empty() {
            // Of several kinds, the choice has to say which.
            let named: Vec<String> =
                names.iter().filter(fits).map(|n| format!("{}/{}", n.kind, n.name)).collect();
            return best(named.iter().map(String::as_str), typed, most);
        }
        best(names.iter().filter(fits).map(|name| name.name.as_str()), typed, most)
    }
}

/// Names that begin with what was typed (after their kind, if they carry one), then those that contain it.
fn best<'a>(names: impl Iterator<Item = &'a str>, typed: &str, most: usize) -> Vec<String> {
    let typed = typed.trim().to_lowercase();
    let begins = |name: &str| name.rsplit('/').next().is_some_and(|name| name.starts_with(&typed));
    let mut hits: Vec<&str> = names.filter(|name| name.to_lowercase().contains(&typed)).collect();
    hits.sort_by_key(|name| (!begins(name), *name));
    hits.dedup();
    hits.into_iter().take(most).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::best;

    #[test]
    fn prefixes_come_before_substrings() {
        let names = ["web-2", "my-web", "web-1", "api"];
        assert_eq!(best(names.into_iter(), "web", 25), ["web-1", "web-2", "my-web"]);
        assert_eq!(best(names.into_iter(), "", 2), ["api", "my-web"]);
        assert_eq!(best(names.into_iter(), "WEB-1 ", 25), ["web-1"]);
        let kinds = ["Deployment/my-web", "Job/web", "DaemonSet/api"];
        assert_eq!(best(kinds.into_iter(), "web", 25), ["Job/web", "Deployment/my-web"]);
        assert_eq!(best(kinds.into_iter(), "daemonset/a", 25), ["DaemonSet/api"]);
    }
}
