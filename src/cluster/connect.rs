//! Finds the cluster that is meant and makes a client for it. Makes no request.

use std::{
    env,
    path::{Path, PathBuf},
    time::Duration,
};

use http::{HeaderValue, header};
use kube::{
    Client,
    client::AuthError,
    config::{AuthInfo, ExecInteractiveMode, KubeConfigOptions, Kubeconfig},
};

use super::{
    Cluster, Config, Origin,
    kubectl::KnownKinds,
    snapshot::{Snapshot, SnapshotError},
};
use crate::{redact::Redacted, text::one_line};

/// How long a program that signs in may take.
const SIGN_IN_LIMIT: Duration = Duration::from_secs(20);
/// How long a connection may stay silent while it is read from.
const READ_LIMIT: Duration = Duration::from_secs(30);
/// What the API server's audit log sees.
const USER_AGENT: &str = concat!("kubertnetes/", env!("CARGO_PKG_VERSION"));
/// Where a pod finds its credentials.
const POD_TOKEN: &str = "/var/run/secrets/kubernetes.io/serviceaccount/token";

/// Why there is no client. One sentence each: what was tried, and why it failed.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The captured cluster can't be served.
    #[error(transparent)]
    Snapshot(#[from] SnapshotError),
    /// A kubeconfig can't be read or lacks something.
    #[error("the kubeconfig `{path}` can't be used: {reason}")]
    Kubeconfig {
        /// The file, or files.
        path: String,
        /// What is wrong with it.
        reason: Redacted,
    },
    /// The kubeconfig has no such context.
    #[error("the kubeconfig `{path}` has no context `{context}`; {known}")]
    UnknownContext {
        /// The file, or files.
        path: String,
        /// What was asked for.
        context: String,
        /// The ones that it has, as half a sentence.
        known: String,
    },
    /// A context is asked for and there is nothing to look it up in.
    #[error(
        "the context `{context}` was asked for and there is no kubeconfig: set cluster.kubeconfig or $KUBECONFIG, or \
         create ~/.kube/config"
    )]
    NoKubeconfig {
        /// What was asked for.
        context: String,
    },
    /// The credentials that a pod is given can't be used.
    #[error("this runs in a pod, and the pod's own credentials can't be used: {reason}")]
    InPod {
        /// Why.
        reason: Redacted,
    },
    /// The way to sign in that the kubeconfig names does not work.
    #[error("can't sign in to the cluster `{cluster}`: {reason}")]
    SignIn {
        /// The context's name.
        cluster: String,
        /// Why, and what to do.
        reason: Redacted,
    },
}

/// What the process finds around it.
#[derive(Debug, Default)]
pub(super) struct Surroundings {
    /// The files that `$KUBECONFIG` names.
    pub(super) kubeconfigs: Vec<PathBuf>,
    /// The person's home.
    pub(super) home: Option<PathBuf>,
    /// Whether this runs in a pod that has credentials.
    pub(super) in_pod: bool,
}

impl Surroundings {
    fn of_process() -> Self {
        let kubeconfigs = env::var_os("KUBECONFIG").unwrap_or_default();
        Self {
            kubeconfigs: env::split_paths(&kubeconfigs).filter(|path| !path.as_os_str().is_empty()).collect(),
            home: env::home_dir(),
            in_pod: env::var_os("KUBERNETES_SERVICE_HOST").is_some() && Path::new(POD_TOKEN).is_file(),
        }
    }

    /// The kubeconfig files that are used where none is configured and that exist.
    fn defaults(&self) -> Vec<PathBuf> {
        let own = self.home.iter().map(|home| home.join(".kube/config"));
        let candidates = if self.kubeconfigs.is_empty() { own.collect() } else { self.kubeconfigs.clone() };
        candidates.into_iter().filter(|path| path.is_file()).collect()
    }

    /// A path in which `~/` stands for the home, as in a shell.
    fn expand(&self, path: &Path) -> PathBuf {
        match (path.strip_prefix("~"), &self.home) {
            (Ok(below), Some(home)) => home.join(below),
            _ => path.to_owned(),
        }
    }
}

impl Cluster {
    /// Finds the cluster and makes a client for it: the snapshot if one is given, the practice cluster if asked for,
    /// the kubeconfig or context that is given, the credentials of the pod that this runs in, the default kubeconfig
    /// if there is one, else the practice cluster. Makes no request; runs the program that a kubeconfig signs in with.
    pub async fn connect(config: &Config) -> Result<Self, ConnectError> {
        Self::connect_in(config, &Surroundings::of_process()).await
    }

    pub(super) async fn connect_in(config: &Config, around: &Surroundings) -> Result<Self, ConnectError> {
        if let Some(path) = &config.snapshot {
            let path = around.expand(path);
            let opened = tokio::task::spawn_blocking(move || Snapshot::open(&path)).await;
            let snapshot = opened.unwrap_or_else(|error| {
                Err(SnapshotError {
                    path: config.snapshot.clone().unwrap_or_default(),
                    reason: error.to_string(),
                })
            })?;
            return Ok(Self::recorded(snapshot, config));
        }
        if config.demo {
            return Self::practice(config);
        }
        if let Some(path) = &config.kubeconfig {
            return from_kubeconfig(&[around.expand(path)], config).await;
        }
        let defaults = around.defaults();
        match &config.context {
            Some(context) if defaults.is_empty() => {
                Err(ConnectError::NoKubeconfig { context: context.clone() })
            }
            Some(_) => from_kubeconfig(&defaults, config).await,
            None if around.in_pod => from_pod(config).await,
            None if defaults.is_empty() => {
                if !around.kubeconfigs.is_empty() {
                    tracing::warn!("no file that $KUBECONFIG names exists: serving the practice cluster");
                }
                Self::practice(config)
            }
            None => from_kubeconfig(&defaults, config).await,
        }
    }
}

async fn from_pod(config: &Config) -> Result<Cluster, ConnectError> {
    let found = kube::Config::incluster()
        .map_err(|error| ConnectError::InPod { reason: Redacted::new(why(&error)) })?;
    client(found, "in-cluster".into(), config).await
}

async fn from_kubeconfig(paths: &[PathBuf], config: &Config) -> Result<Cluster, ConnectError> {
    let path = paths.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(":");
    let bad = |error: &dyn std::error::Error| ConnectError::Kubeconfig {
        path: path.clone(),
        reason: Redacted::new(why(error)),
    };
    let mut merged = Kubeconfig::default();
    for path in paths {
        let next = Kubeconfig::read_from(path).map_err(|error| bad(&error))?;
        merged = merged.merge(next).map_err(|error| bad(&error))?;
    }
    let context = choose_context(&merged, config.context.as_deref(), &path)?;
    let options = KubeConfigOptions { context: Some(context.clone()), ..KubeConfigOptions::default() };
    let found = kube::Config::from_custom_kubeconfig(merged, &options).await.map_err(|error| bad(&error))?;
    client(found, context, config).await
}

/// The context that is asked for, or the current one, if the kubeconfig has it.
fn choose_context(kubeconfig: &Kubeconfig, asked: Option<&str>, path: &str) -> Result<String, ConnectError> {
    let names: Vec<String> =
        kubeconfig.contexts.iter().map(|context| format!("`{}`", context.name)).collect();
    let known = if names.is_empty() { "it has none".into() } else { format!("it has {}", names.join(", ")) };
    let current = kubeconfig.current_context.as_deref().filter(|current| !current.is_empty());
    let Some(context) = asked.or(current) else {
        let reason = Redacted::new(format!("it has no current context, so set cluster.context; {known}"));
        return Err(ConnectError::Kubeconfig { path: path.into(), reason });
    };
    if kubeconfig.contexts.iter().any(|known| known.name == context) {
        return Ok(context.to_owned());
    }
    Err(ConnectError::UnknownContext { path: path.into(), context: context.into(), known })
}

async fn client(mut found: kube::Config, name: String, config: &Config) -> Result<Cluster, ConnectError> {
    let url = found.cluster_url.to_string();
    let default_namespace = found.default_namespace.trim().to_owned();
    found.default_retry = false;
    found.connect_timeout = Some(Duration::from_secs(config.connect_timeout_seconds.max(1)));
    found.read_timeout = Some(READ_LIMIT);
    found.reset_reader_on_write = true;
    found.headers.push((header::USER_AGENT, HeaderValue::from_static(USER_AGENT)));
    if let Some(exec) = &mut found.auth_info.exec {
        // Nobody sits at the keyboard of a bot.
        exec.interactive_mode = Some(ExecInteractiveMode::Never);
    }
    let auth = found.auth_info.clone();
    let fail = |reason: String| ConnectError::SignIn { cluster: name.clone(), reason: Redacted::new(reason) };
    // A kubeconfig may sign in with a program, which is waited for.
    let made = tokio::task::spawn_blocking(move || Client::try_from(found));
    let made = tokio::time::timeout(SIGN_IN_LIMIT, made)
        .await
        .map_err(|_| fail(format!("{} did not end within {} s", program(&auth), SIGN_IN_LIMIT.as_secs())))?;
    let client = made
        .map_err(|error| fail(error.to_string()))?
        .map_err(|error| fail(sign_in_reason(&error, &auth)))?;
    Ok(Cluster {
        client,
        name,
        default_namespace,
        origin: Origin::Live { url },
        config: config.clone(),
        kinds_known: KnownKinds::default(),
    })
}

fn program(auth: &AuthInfo) -> String {
    let command = auth.exec.as_ref().and_then(|exec| exec.command.as_deref());
    command.map_or_else(|| "signing in".into(), |command| format!("the program `{command}`"))
}

/// Why there is no client. What a sign-in program printed may hold a token: of it only what it said about an error is told.
fn sign_in_reason(error: &kube::Error, auth: &AuthInfo) -> String {
    let kube::Error::Auth(error) = error else { return why(error) };
    match error {
        AuthError::AuthExecStart(start) => {
            let hint = auth.exec.as_ref().and_then(|exec| exec.install_hint.as_deref()).map(str::trim);
            let hint =
                hint.filter(|hint| !hint.is_empty()).unwrap_or("install it, or put its folder on the PATH");
            format!("{} can't be started ({start}): {hint}", program(auth))
        }
        AuthError::AuthExecRun { out, .. } => {
            let said = String::from_utf8_lossy(&out.stderr);
            let said =
                said.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or("it said nothing").trim();
            format!("{} failed with {}: {said}", program(auth), out.status)
        }
        AuthError::AuthExecParse(_) | AuthError::ExecPluginFailed => {
            format!("{} did not print credentials", program(auth))
        }
        other => why(other),
    }
}

/// The innermost cause, and what it stopped, in one line.
pub(super) fn why(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let said = inner.to_string();
        if !text.contains(&said) {
            text = format!("{text}: {said}");
        }
        cause = inner.source();
    }
    one_line(&text)
}

#[cfg(test)]
#[path = "connect_tests.rs"]
mod tests;
