//! Whether a cluster answers, and how to say that it does not.

use std::{error::Error, time::Duration};

use http::Request;
use serde::Deserialize;

use super::{
    Cluster, Origin,
    read::{ReadError, Reader},
};
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
        "the cluster `{cluster}`{at} rejects the credentials that it was given ({reason}): sign in again"
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

/// The most that is read of a version, in bytes.
const VERSION_BYTES: usize = 64 << 10;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Version {
    git_version: String,
}

impl Cluster {
    /// Asks the cluster for its version, e.g. `v1.36.2`, and so finds out whether it answers.
    pub async fn reachable(&self) -> Result<String, ClusterError> {
        let request = Request::get("/version").body(Vec::new());
        let request = request.map_err(|error| self.unreachable(&error.to_string()))?;
        let reader = Reader { request_timeout: REACH_LIMIT, ..self.reader() };
        match reader.read(request, VERSION_BYTES).await {
            Ok(answer) => match serde_json::from_slice::<Version>(&answer) {
                Ok(version) => Ok(version.git_version),
                Err(_) => Err(self.unreachable("it answered, and not as a Kubernetes API server does")),
            },
            // Who may not ask for the version may still be let in elsewhere.
            Err(ReadError::Refused { code: 403, .. }) => Ok(String::new()),
            Err(ReadError::Refused { code: 401, message }) => Err(self.unauthorized(&message)),
            Err(ReadError::Refused { code, message }) => {
                Err(self.unreachable(&format!("it answered {code} ({message})")))
            }
            Err(error) => Err(self.unreachable(&error.to_string())),
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
    innermost.to_string()
}
