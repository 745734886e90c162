//! How objects stand, in a sentence each, faults or not: what one tells somebody who asks whether all is well. Knows no rule.

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::{
    api::{
        apps::v1::Deployment,
        batch::v1::{CronJob, Job},
        storage::v1::StorageClass,
    },
    apimachinery::pkg::apis::meta::v1::ObjectMeta,
};

use crate::{
    cluster::state::{Pod, State},
    finding::Resource,
    redact::Redacted,
    text::{one_line, shorten},
};

use super::index::{ContainerView, Index, is_live, is_ready, name, namespace, phase};

/// Sentences for one question: more is not read.
const MOST: usize = 8;

/// How the objects of a question stand. A namespace is told by its workloads, those with something to tell first.
pub fn standing(state: &State, about: &[Resource]) -> Vec<Redacted> {
    if about.is_empty() {
        return Vec::new();
    }
    let index = Index::new(state);
    let mut told: Vec<(bool, String)> = Vec::new();
    for object in about {
        for (plain, sentence) in of(&index, object) {
            if !told.iter().any(|(_, known)| *known == sentence) {
                told.push((plain, sentence));
            }
        }
    }
    told.sort_by_key(|(plain, _)| *plain);
    told.into_iter().take(MOST).map(|(_, sentence)| Redacted::new(sentence)).collect()
}

/// Sentences about an object; the flag says that there is nothing to tell but that it is well.
fn of(index: &Index<'_>, object: &Resource) -> Vec<(bool, String)> {
    let same = |meta: &ObjectMeta| {
        name(meta) == object.name && object.namespace.as_deref().unwrap_or_default() == namespace(meta)
    };
    let one = |sentence: Option<String>| sentence.map(|sentence| (false, sentence)).into_iter().collect();
    match object.kind.as_str() {
        "Namespace" => {
            let here = index.workloads().iter().filter(|workload| workload.namespace() == object.name);
            here.flat_map(|workload| of(index, &workload.resource)).collect()
        }
        "Deployment" | "StatefulSet" | "DaemonSet" | "ReplicaSet" => workload(index, object),
        "Pod" => {
            index.state.pods.iter().filter(|pod| same(&pod.metadata)).map(|item| pod(index, item)).collect()
        }
        "CronJob" => one(index
            .state
            .cron_jobs
            .iter()
            .find(|cron| same(&cron.metadata))
            .map(|cron| cron_job(index, cron))),
        "Job" => one(index.state.jobs.iter().find(|item| same(&item.metadata)).map(|item| job(index, item))),
        "Service" => {
            one(index.service(object.namespace.as_deref().unwrap_or_default(), &object.name).map(|service| {
                let ready = index.ready_endpoints(service);
                format!("Service `{}` has {}.", object.name, counted(ready, "ready endpoint"))
            }))
        }
        "PersistentVolumeClaim" => {
            one(index.state.claims.iter().find(|claim| same(&claim.metadata)).map(|claim| {
                let phase =
                    claim.status.as_ref().and_then(|status| status.phase.as_deref()).unwrap_or("Pending");
                let class = claim.spec.as_ref().and_then(|spec| spec.storage_class_name.as_deref());
            let class = state_class(index, class);
            let waits = class.is_some_and(|class| class.volume_binding_mode.as_deref() == Some("WaitForFirstConsumer"));
            let why = if waits && phase == "Pending" {
                "; its class binds a volume only for the first consumer, a pod that uses it (`WaitForFirstConsumer`)"
            } else {
                ""
            };
            format!("Claim `{}` is `{phase}`{why}.", object.name)
            }))
        }
        "HorizontalPodAutoscaler" => {
            one(index.state.autoscalers.iter().find(|hpa| same(&hpa.metadata)).and_then(|hpa| {
                let (spec, status) = (hpa.spec.as_ref()?, hpa.status.as_ref()?);
                Some(format!(
                    "HorizontalPodAutoscaler `{}` has `{}` pods and wants `{}` (least `{}`, most `{}`).",
                    object.name,
                    status.current_replicas.unwrap_or(0),
                    status.desired_replicas,
                    spec.min_replicas.unwrap_or(1),
                    spec.max_replicas
                ))
            }))
        }
        _ => Vec::new(),
    }
}

fn state_class<'a>(index: &Index<'a>, called: Option<&str>) -> Option<&'a StorageClass> {
    index.state.storage_classes.iter().find(|class| Some(name(&class.metadata)) == called)
}

fn workload(index: &Index<'_>, object: &Resource) -> Vec<(bool, String)> {
    let Some(workload) = index.workload(object) else { return Vec::new() };
    let pods: Vec<&Pod> = index.pods_of(object).iter().copied().filter(|pod| is_live(pod)).collect();
    let (kind, called) = (&object.kind, &object.name);
    let mut told = Vec::new();
    if workload.desired == 0 && kind != "DaemonSet" {
        let why = notes(workload.meta);
        told.push((false, format!("{kind} `{called}` is scaled to 0 replicas, so it has no pods.{why}")));
    } else {
        let ready = pods.iter().filter(|pod| is_ready(pod)).count();
        let wanted = workload.desired;
        told.push((
            usize::try_from(wanted) == Ok(ready),
            format!("{kind} `{called}` has {ready} of {wanted} pods ready."),
        ));
    }
    let same = |item: &&Deployment| {
        kind == "Deployment"
            && name(&item.metadata) == called
            && namespace(&item.metadata) == workload.namespace()
    };
    told.extend(
        index
            .state
            .deployments
            .iter()
            .find(same)
            .and_then(|item| rollout(index, item))
            .map(|sentence| (false, sentence)),
    );
    let views = pods.iter().flat_map(|pod| index.containers_of(pod));
    let restarted =
        views.filter_map(|view| Some((restart(index, &view)?, view.last_end()?.finished_at.as_ref()?.0)));
    let latest = restarted.max_by_key(|(_, at)| *at);
    told.extend(latest.map(|(sentence, _)| (false, sentence)));
    told
}

/// Annotations in which people say why something is as it is: sentences, not what tools keep there.
fn notes(meta: &ObjectMeta) -> String {
    let by_tools =
        ["kubernetes.io", "k8s.io", "helm.sh", "argoproj.io", "fluxcd.io", "istio.io", "cattle.io"];
    let told = meta.annotations.iter().flatten().filter(|(key, value)| {
        let domain = key.split('/').next().unwrap_or_default();
        let by_people = key.ends_with("change-cause") || !by_tools.iter().any(|tool| domain.ends_with(tool));
        by_people
            && value.len() < 300
            && value.split_whitespace().count() >= 3
            && !value.starts_with(['{', '['])
    });
    let told = told.take(2).map(|(key, value)| {
        format!(" Its annotation `{key}` says: {}.", shorten(one_line(value).trim_end_matches('.'), 160))
    });
    told.collect()
}

/// A rollout that goes on within its time.
fn rollout(index: &Index<'_>, item: &Deployment) -> Option<String> {
    let (spec, status) = (item.spec.as_ref()?, item.status.as_ref()?);
    let wanted = spec.replicas.unwrap_or(1);
    let updated = status.updated_replicas.unwrap_or(0);
    let old = status.replicas.unwrap_or(0) - updated;
    let progressing =
        status.conditions.as_deref()?.iter().find(|condition| condition.type_ == "Progressing")?;
    let done = updated >= wanted && old <= 0 && status.available_replicas.unwrap_or(0) >= wanted;
    if done || wanted == 0 || progressing.status != "True" {
        return None;
    }
    let limit = spec.progress_deadline_seconds.unwrap_or(600);
    let since = progressing.last_update_time.as_ref().map(|at| index.age(at.0).as_secs()).unwrap_or(0);
    Some(format!(
        "The rollout of `{}` is in progress, not stuck: {updated} of {wanted} pods are of the new version, {} old ones still serve; its last step was {since} s ago, and it counts as stuck after {limit} s without one.",
        name(&item.metadata),
        old.max(0)
    ))
}

fn restart(index: &Index<'_>, view: &ContainerView<'_>) -> Option<String> {
    let end = view.last_end().filter(|_| view.restarts() > 0)?;
    let ago = index.age(end.finished_at.as_ref()?.0);
    let since = if view.is_running() && view.is_ready() { "; it has run well since" } else { "" };
    Some(format!(
        "Container `{}` of pod `{}` has restarted {}, last {} ago with exit code {}{since}.",
        view.name(),
        name(&view.pod.metadata),
        if view.restarts() == 1 { "once".to_owned() } else { format!("{} times", view.restarts()) },
        ago_words(ago),
        end.exit_code
    ))
}

fn pod(index: &Index<'_>, pod: &Pod) -> (bool, String) {
    let called = name(&pod.metadata);
    match phase(pod) {
        "Succeeded" => {
            let owner = index.owner(pod);
            let whose = if owner.kind == "Pod" {
                String::new()
            } else {
                format!(" for {} `{}`", owner.kind, owner.name)
            };
            (
                false,
                format!(
                    "Pod `{called}` has completed its work{whose}; a completed pod no longer runs, and need not."
                ),
            )
        }
        phase => {
            let views = index.containers_of(pod);
            let ready = views.iter().filter(|view| !view.init && view.is_ready()).count();
            let all = views.iter().filter(|view| !view.init).count();
            let restart = views
                .iter()
                .find_map(|view| restart(index, view))
                .map(|told| format!(" {told}"))
                .unwrap_or_default();
            (
                restart.is_empty() && ready == all,
                format!("Pod `{called}` is `{phase}` with {ready} of {all} containers ready.{restart}"),
            )
        }
    }
}

fn cron_job(index: &Index<'_>, cron: &CronJob) -> String {
    let (spec, status) = (cron.spec.as_ref(), cron.status.as_ref());
    let schedule = spec.map(|spec| spec.schedule.as_str()).unwrap_or_default();
    let ago = |at: Option<Timestamp>| at.map(|at| format!("{} ago", ago_words(index.age(at))));
    let last = ago(status.and_then(|status| status.last_schedule_time.as_ref()).map(|at| at.0));
    let well = ago(status.and_then(|status| status.last_successful_time.as_ref()).map(|at| at.0));
    let active = status.and_then(|status| status.active.as_ref()).map_or(0, Vec::len);
    let suspended = if spec.and_then(|spec| spec.suspend) == Some(true) { ", but is suspended" } else { "" };
    let last = last.map_or("it has not run yet".to_owned(), |last| format!("it last started {last}"));
    let well = well.map_or(String::new(), |well| format!(" and last completed {well}"));
    let now = match active {
        0 => "nothing runs between the runs".to_owned(),
        count => format!("{} now", counted(count, "run")),
    };
    format!("CronJob `{}` runs at `{schedule}`{suspended}; {last}{well}; {now}.", name(&cron.metadata))
}

fn job(index: &Index<'_>, job: &Job) -> String {
    let called = name(&job.metadata);
    let status = job.status.as_ref();
    let conditions = status.and_then(|status| status.conditions.as_deref()).unwrap_or_default();
    let holds =
        |kind: &str| conditions.iter().any(|condition| condition.type_ == kind && condition.status == "True");
    if holds("Complete") {
        let at = status
            .and_then(|status| status.completion_time.as_ref())
            .map(|at| format!(" {} ago", ago_words(index.age(at.0))));
        return format!("Job `{called}` completed{}.", at.unwrap_or_default());
    }
    if holds("Failed") {
        return format!("Job `{called}` failed.");
    }
    let number = |count: Option<i32>| count.unwrap_or(0);
    format!(
        "Job `{called}` has {} active, {} succeeded and {} failed pods.",
        number(status.and_then(|status| status.active)),
        number(status.and_then(|status| status.succeeded)),
        number(status.and_then(|status| status.failed))
    )
}

fn counted(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

/// `40 s`, `5 min`, `3 h`, `2 days`.
fn ago_words(age: SignedDuration) -> String {
    match age.as_secs() {
        seconds if seconds < 120 => format!("{seconds} s"),
        seconds if seconds < 7200 => format!("{} min", seconds / 60),
        seconds if seconds < 172_800 => format!("{} h", seconds / 3600),
        seconds => format!("{} days", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::fixture::{deployment, running, state};
    use super::*;

    fn told(objects: Vec<Value>, kind: &str, name: &str) -> Vec<String> {
        let about = if kind == "Namespace" {
            Resource::global(kind, name)
        } else {
            Resource::namespaced(kind, "shop", name)
        };
        standing(&state(&Value::Array(objects)), &[about]).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_workload_that_is_well_says_so() {
        let objects = deployment(&json!({}), &running(true), &json!({}));
        assert_eq!(told(objects.clone(), "Deployment", "web"), ["Deployment `web` has 1 of 1 pods ready."]);
        assert_eq!(told(objects, "Namespace", "shop"), ["Deployment `web` has 1 of 1 pods ready."]);
    }

    #[test]
    fn scaled_to_zero_with_the_reason_that_people_gave() {
        let mut objects = deployment(&json!({}), &running(true), &json!({}));
        objects.truncate(1);
        objects[0]["spec"]["replicas"] = json!(0);
        objects[0]["metadata"]["annotations"] =
            json!({"team.example/paused": "CHG-1 until Monday", "x": "y"});
        assert_eq!(
            told(objects, "Deployment", "web"),
            [
                "Deployment `web` is scaled to 0 replicas, so it has no pods. Its annotation `team.example/paused` says: CHG-1 until Monday."
            ]
        );
    }

    #[test]
    fn a_rollout_within_its_time_is_not_stuck() {
        let mut objects = deployment(&json!({}), &running(true), &json!({}));
        objects[0]["spec"]["replicas"] = json!(4);
        objects[0]["status"] = json!({"replicas": 5, "updatedReplicas": 2, "availableReplicas": 3, "conditions": [
            {"type": "Progressing", "status": "True", "reason": "ReplicaSetUpdated", "lastUpdateTime": "2026-01-02T03:04:00Z"}]});
        let told = told(objects, "Deployment", "web");
        assert!(
            told[1].contains("in progress, not stuck: 2 of 4") && told[1].contains("3 old ones"),
            "{told:?}"
        );
    }

    #[test]
    fn restarts_that_are_over_and_work_that_is_done() {
        let mut status = running(true);
        status["restartCount"] = json!(1);
        status["lastState"] = json!({"terminated": {"exitCode": 137, "finishedAt": "2026-01-02T02:04:05Z"}});
        let objects = deployment(&json!({}), &status, &json!({}));
        assert_eq!(
            told(objects, "Pod", "web-1"),
            [
                "Pod `web-1` is `Running` with 1 of 1 containers ready. Container `app` of pod `web-1` has restarted once, last 60 min ago with exit code 137; it has run well since."
            ]
        );
        let done = json!({"kind": "Pod", "metadata": {"name": "a"}, "status": {"phase": "Succeeded"}});
        assert!(told(vec![done], "Pod", "a")[0].contains("has completed its work"));
        let cron = json!({"kind": "CronJob", "metadata": {"name": "c"}, "spec": {"schedule": "*/5 * * * *", "jobTemplate": {}},
            "status": {"lastScheduleTime": "2026-01-02T03:00:05Z", "lastSuccessfulTime": "2026-01-02T03:00:25Z"}});
        assert_eq!(
            told(vec![cron], "CronJob", "c"),
            [
                "CronJob `c` runs at `*/5 * * * *`; it last started 4 min ago and last completed 3 min ago; nothing runs between the runs."
            ]
        );
    }
}
