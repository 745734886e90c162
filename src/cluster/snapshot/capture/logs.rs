//! Reads the ends of containers' logs for a capture.

use k8s_openapi::api::core::v1::{ContainerStatus, Pod};
use kube::{api::LogParams, core::Request as Paths};
use serde_json::Value;

use super::CaptureOptions;
use crate::{
    cluster::read::{ReadError, Reader},
    redact::Redacted,
};

/// One run of one container.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Run {
    namespace: String,
    pod: String,
    container: String,
    previous: bool,
}

impl Run {
    pub(super) fn namespace(&self) -> &str {
        &self.namespace
    }

    /// The snapshot's file.
    pub(super) fn file(&self) -> String {
        let ending = if self.previous { ".previous.log" } else { ".log" };
        format!("logs/{}/{}/{}{ending}", self.namespace, self.pod, self.container)
    }
}

/// The runs of a pod's containers that may have a log.
pub(super) fn runs(pod: &Value) -> Vec<Run> {
    let Ok(pod) = serde_json::from_value::<Pod>(pod.clone()) else { return Vec::new() };
    let status = pod.status.unwrap_or_default();
    let statuses =
        [status.init_container_statuses, status.container_statuses, status.ephemeral_container_statuses];
    let (namespace, name) =
        (pod.metadata.namespace.unwrap_or_default(), pod.metadata.name.unwrap_or_default());
    let run = |status: &ContainerStatus, previous| Run {
        namespace: namespace.clone(),
        pod: name.clone(),
        container: status.name.clone(),
        previous,
    };
    let mut found = Vec::new();
    for status in statuses.iter().flatten().flatten() {
        found.push(run(status, false));
        if status.restart_count > 0
            || status.last_state.as_ref().is_some_and(|last| last.terminated.is_some())
        {
            found.push(run(status, true));
        }
    }
    found
}

/// The end of a log, with times; masked unless everything is kept.
pub(super) async fn read(
    reader: &Reader<'_>,
    run: &Run,
    options: &CaptureOptions,
) -> Result<String, ReadError> {
    let mut lines = options.log_lines.max(1);
    // The server cuts at the end, where the newest lines are: fewer are asked for until all of them fit.
    let log = loop {
        match receive(reader, run, lines, options.log_bytes).await {
            Err(ReadError::TooLarge(_)) if lines > 1 => lines = lines.div_ceil(4),
            Err(ReadError::TooLarge(_)) => break Vec::new(),
            log => break log?,
        }
    };
    let with_secrets = options.with_secrets;
    let text = move || {
        let text = String::from_utf8_lossy(&log);
        if with_secrets { text.into_owned() } else { Redacted::new(&text).to_string() }
    };
    tokio::task::spawn_blocking(text).await.map_err(|error| ReadError::Broken(error.to_string()))
}

async fn receive(reader: &Reader<'_>, run: &Run, lines: usize, bytes: usize) -> Result<Vec<u8>, ReadError> {
    let number = |number: usize| i64::try_from(number).unwrap_or(i64::MAX);
    let wanted = LogParams {
        container: Some(run.container.clone()),
        previous: run.previous,
        timestamps: true,
        tail_lines: Some(number(lines)),
        // One more than may be tells that there are more.
        limit_bytes: Some(number(bytes.saturating_add(1))),
        ..LogParams::default()
    };
    let path = format!("/api/v1/namespaces/{}/pods", run.namespace);
    let request =
        Paths::new(path).logs(&run.pod, &wanted).map_err(|error| ReadError::Garbled(error.to_string()))?;
    // The kubelet may send slightly more than it is asked for.
    let log = reader.read(request, bytes.saturating_add(64 << 10)).await?;
    if log.len() > bytes { Err(ReadError::TooLarge(bytes)) } else { Ok(log.into()) }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_run_of_a_container_is_known() {
        let status = |name: &str, restarts: i32, last: Value| json!({"name": name, "restartCount": restarts, "lastState": last, "image": "", "imageID": "", "ready": true});
        let pod = json!({"metadata": {"name": "p", "namespace": "n"}, "status": {
            "initContainerStatuses": [status("i", 0, json!({}))],
            "containerStatuses": [status("a", 2, json!({})), status("b", 0, json!({"terminated": {"exitCode": 1}}))]}});
        let files: Vec<String> = runs(&pod).iter().map(Run::file).collect();
        assert_eq!(
            files,
            [
                "logs/n/p/i.log",
                "logs/n/p/a.log",
                "logs/n/p/a.previous.log",
                "logs/n/p/b.log",
                "logs/n/p/b.previous.log"
            ]
        );
        assert_eq!(runs(&json!({"metadata": {"name": "p"}})), []);
    }
}
