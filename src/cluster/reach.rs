//! Whether a cluster answers, and how to say that it does not.

use std::{error::Error, time::Duration};

use http::Request;
use serde::Deserialize;

use super::{Cluster, Origin};
use crate::redact::Redacted;

/// How long the one question takes at most that finds out whether a cluster answers.
const REACH_LIMIT: Duration = Duration::from_secs(5);

/// Why a cluster could not be looked at, in one sentence for the person who asked.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ClusterError {
    /// It does not answer.
    #[error("the cluster `{cluster}`{at} can't be reached: {reason}")]
    Unreachable {
        /// Its name.
        cluster: String,
        /// ` at <address>`, where it has one.
        at: String,
        /// Why.
        reason: Redacted,
    },
    /// It does not let this program in.
    #[error(
        "the cluster `{cluster}`{at} rejects the credentials of the kubeconfig ({reason}): sign in again"
    )]
    Unauthorized {
        /// Its name.
        cluster: String,
        /// ` at <address>`, where it has one.
        at: String,
        /// What it said.
        reason: Redacted,
    },
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Version {
    git_version: String,
}

impl Cluster {
    /// Asks the cluster for its version, e.g. `v1.36.2`, and so finds out whether it answers.
    pub async fn reachable(&self) -> Result<String, ClusterError> {
        let request = Request::get("/version")
            .body(Vec::new())
            .map_err(|error| self.unreachable(&error.to_string()))?;
        match tokio::time::timeout(REACH_LIMIT, self.client.request::<Version>(request)).await {
            Ok(Ok(version)) => Ok(version.git_version),
            // Who may not ask for the version may still be let in elsewhere.
            Ok(Err(kube::Error::Api(status))) if status.code == 403 => Ok(String::new()),
            Ok(Err(kube::Error::Api(status))) if status.code == 401 => {
                Err(self.unauthorized(&status.message))
            }
            Ok(Err(error)) => Err(self.unreachable(&connection_reason(&error))),
            Err(_) => Err(self.unreachable(&format!("no answer within {} s", REACH_LIMIT.as_secs()))),
        }
    }

    fn address(&self) -> String {
        match &self.origin {
            Origin::Live { url } => format!(" at {}", url.trim_end_matches('/')),
            Origin::Recorded { .. } | Origin::Practice { .. } => String::new(),
        }
    }

    pub(super) fn unreachable(&self, reason: &str) -> ClusterError {
        ClusterError::Unreachable {
            cluster: self.name.clone(),
            at: self.address(),
            reason: Redacted::new(reason),
        }
    }

    pub(super) fn unauthorized(&self, reason: &str) -> ClusterError {
        ClusterError::Unauthorized {
            cluster: self.name.clone(),
            at: self.address(),
            reason: Redacted::new(reason),
        }
    }
}

/// The innermost reason: those around it only say that something failed.
pub(super) fn connection_reason(error: &kube::Error) -> String {
    let mut innermost: &dyn Error = error;
    while let Some(cause) = innermost.source() {
        innermost = cause;
    }
    match error {
        kube::Error::Api(status) => format!("it answered {} {}", status.code, status.message),
        kube::Error::SerdeError(_) => "it answered, and not as a Kubernetes API server does".into(),
        _ => innermost.to_string(),
    }
}
