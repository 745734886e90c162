//! Which containers' logs are worth reading, the ones that are worst off first. Pure.

use std::{cmp::Reverse, collections::BTreeMap};

use k8s_openapi::api::core::v1::{ContainerState, ContainerStateTerminated, ContainerStatus};
use kube::ResourceExt;

use crate::cluster::state::Pod;

/// One run of one container.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Run {
    pub(super) namespace: String,
    pub(super) pod: String,
    pub(super) container: String,
    /// Whether it is the run before the current one.
    pub(super) previous: bool,
}

/// How bad a container is off, worst first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Trouble {
    /// Ended badly, or ended and is not let start again yet.
    Failed,
    /// Runs and is not ready.
    NotReady,
    /// Runs and is ready, and did not at first.
    Restarted,
    /// Runs and is ready: what it complains about shows only in its log.
    Running,
    /// Did what it had to do.
    Done,
}

/// The runs that have a log, the most telling first. A container that waits for its next start has the log of the
/// run before only. Of containers that are as badly off, the first of each owner's comes before the second of any.
pub(super) fn reading(pods: &[Pod]) -> Vec<Run> {
    let mut found: Vec<(Trouble, &Pod, Run)> = pods.iter().flat_map(runs).collect();
    // The newest pod of an owner tells most of how it is now.
    found.sort_by_cached_key(|(trouble, pod, run)| {
        (*trouble, run.namespace.clone(), Reverse(pod.creation_timestamp()), run.clone())
    });
    let mut before: BTreeMap<(Trouble, String, String, String, bool), usize> = BTreeMap::new();
    let mut ranked: Vec<(Trouble, usize, Run)> = Vec::with_capacity(found.len());
    for (trouble, pod, run) in found {
        let key = (trouble, run.namespace.clone(), owner(pod), run.container.clone(), run.previous);
        let number = before.entry(key).or_default();
        *number += 1;
        ranked.push((trouble, *number, run));
    }
    // Stable, so what was sorted above stays so among equals.
    ranked.sort_by_key(|(trouble, number, _)| (*trouble, *number));
    ranked.into_iter().map(|(_, _, run)| run).collect()
}

fn owner(pod: &Pod) -> String {
    pod.owner_references().first().map_or_else(|| pod.name_any(), |owner| owner.uid.clone())
}

fn runs(pod: &Pod) -> Vec<(Trouble, &Pod, Run)> {
    let Some(status) = &pod.status else { return Vec::new() };
    let statuses =
        [&status.container_statuses, &status.init_container_statuses, &status.ephemeral_container_statuses];
    let statuses = statuses.into_iter().flatten().flatten();
    statuses.flat_map(|status| runs_of(pod, status)).collect()
}

fn runs_of<'a>(pod: &'a Pod, status: &ContainerStatus) -> Vec<(Trouble, &'a Pod, Run)> {
    let run = |previous| Run {
        namespace: pod.namespace().unwrap_or_default(),
        pod: pod.name_any(),
        container: status.name.clone(),
        previous,
    };
    let trouble = trouble(status);
    let mut runs = Vec::new();
    if has_current(status.state.as_ref()) {
        runs.push((trouble, pod, run(false)));
    }
    if last(status).is_some_and(has_log) {
        runs.push((trouble, pod, run(true)));
    }
    runs
}

fn last(status: &ContainerStatus) -> Option<&ContainerStateTerminated> {
    status.last_state.as_ref()?.terminated.as_ref()
}

fn has_log(ended: &ContainerStateTerminated) -> bool {
    ended.container_id.as_deref().is_some_and(|id| !id.is_empty())
}

fn has_current(state: Option<&ContainerState>) -> bool {
    state.is_some_and(|state| state.running.is_some() || state.terminated.as_ref().is_some_and(has_log))
}

fn trouble(status: &ContainerStatus) -> Trouble {
    let state = status.state.clone().unwrap_or_default();
    match (state.terminated, state.running) {
        (Some(ended), _) if ended.exit_code != 0 => Trouble::Failed,
        (Some(_), _) => Trouble::Done,
        (None, None) => Trouble::Failed,
        (None, Some(_)) if !status.ready => Trouble::NotReady,
        (None, Some(_)) if status.restart_count > 0 => Trouble::Restarted,
        (None, Some(_)) => Trouble::Running,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn pod(name: &str, owner: &str, created: &str, statuses: &Value) -> Pod {
        serde_json::from_value(json!({
            "metadata": {"name": name, "namespace": "n", "creationTimestamp": created,
                "ownerReferences": [{"apiVersion": "v1", "kind": "ReplicaSet", "name": owner, "uid": owner}]},
            "status": {"containerStatuses": statuses},
        }))
        .unwrap()
    }

    fn container(name: &str, ready: bool, restarts: i32, state: &Value, last: &Value) -> Value {
        json!({"name": name, "ready": ready, "restartCount": restarts, "state": state, "lastState": last,
            "image": "", "imageID": ""})
    }

    /// `pod/container` in order, `-` after it for the run before.
    fn order(pods: &[Pod]) -> Vec<String> {
        let name = |run: Run| format!("{}/{}{}", run.pod, run.container, if run.previous { "-" } else { "" });
        reading(pods).into_iter().map(name).collect()
    }

    #[test]
    fn what_is_worst_off_comes_first_and_what_has_no_log_not_at_all() {
        let running = json!({"running": {}});
        let ended = |code: i32| json!({"terminated": {"exitCode": code, "containerID": "c://1"}});
        let waiting = |reason: &str| json!({"waiting": {"reason": reason}});
        let none = json!({});
        let statuses = json!([
            container("fine", true, 0, &running, &none),
            container("done", false, 0, &ended(0), &none),
            container("again", true, 2, &running, &ended(1)),
            container("unready", false, 0, &running, &none),
            container("pulling", false, 0, &waiting("ImagePullBackOff"), &none),
            container("looping", false, 5, &waiting("CrashLoopBackOff"), &ended(1)),
            container("exited", false, 0, &ended(2), &none),
            container("vanished", false, 0, &json!({"terminated": {"exitCode": 137}}), &none),
            container("exited-twice", false, 1, &ended(2), &ended(2)),
        ]);
        assert_eq!(
            order(&[pod("p", "o", "2026-01-01T00:00:00Z", &statuses)]),
            [
                "p/exited",
                "p/exited-twice",
                "p/exited-twice-",
                "p/looping-",
                "p/unready",
                "p/again",
                "p/again-",
                "p/fine",
                "p/done"
            ]
        );
    }

    #[test]
    fn every_owner_has_its_turn_and_its_newest_pod_speaks_first() {
        let running = json!([container("c", true, 0, &json!({"running": {}}), &json!({}))]);
        let pods = [
            pod("a1", "a", "2026-01-01T00:00:00Z", &running),
            pod("a2", "a", "2026-01-03T00:00:00Z", &running),
            pod("a3", "a", "2026-01-02T00:00:00Z", &running),
            pod("b1", "b", "2026-01-01T00:00:00Z", &running),
        ];
        assert_eq!(order(&pods), ["a2/c", "b1/c", "a3/c", "a1/c"]);
    }

    #[test]
    fn init_containers_count_too_and_a_pod_without_status_does_not() {
        let pod: Pod = serde_json::from_value(json!({"metadata": {"name": "p", "namespace": "n"}, "status":
            {"initContainerStatuses": [container("init", false, 0,
                &json!({"terminated": {"exitCode": 1, "containerID": "c://1"}}), &json!({}))]}}))
        .unwrap();
        assert_eq!(order(&[pod, Pod::default()]), ["p/init"]);
    }
}
