//! Workloads: what makes pods.

use serde_json::Value;

use super::{
    Related,
    page::{Page, date, list, number, or, pairs_inline, plain, text, truth},
    pod,
};
use crate::cluster::kubectl::{pods, print::age};

pub fn deployment(page: &mut Page, deployment: &Value, related: &Related) {
    let (metadata, spec, status) = (&deployment["metadata"], &deployment["spec"], &deployment["status"]);
    named(page, metadata);
    page.field(0, "CreationTimestamp", date(&metadata["creationTimestamp"]));
    page.pairs("Labels", &metadata["labels"]);
    page.annotations("Annotations", &metadata["annotations"]);
    page.field(0, "Selector", pods::label_selector(&spec["selector"]));
    let count = |key: &str| number(&status[key]);
    page.field(
        0,
        "Replicas",
        format!(
            "{} desired | {} updated | {} total | {} available | {} unavailable",
            number(&spec["replicas"]),
            count("updatedReplicas"),
            count("replicas"),
            count("availableReplicas"),
            count("unavailableReplicas")
        ),
    );
    page.field(0, "StrategyType", text(&spec["strategy"]["type"]));
    page.field(0, "MinReadySeconds", number(&spec["minReadySeconds"]).to_string());
    let rolling = &spec["strategy"]["rollingUpdate"];
    if !rolling.is_null() {
        let (unavailable, surge) = (plain(&rolling["maxUnavailable"]), plain(&rolling["maxSurge"]));
        page.field(0, "RollingUpdateStrategy", format!("{unavailable} max unavailable, {surge} max surge"));
    }
    pod::template(page, &spec["template"]);
    conditions(page, status);
    replica_sets(page, deployment, &related.replica_sets);
    page.events(related.events.as_ref());
}

/// The ReplicaSets of a Deployment: the one of its template, and those before.
fn replica_sets(page: &mut Page, deployment: &Value, all: &[Value]) {
    let wanted = without_hash(&deployment["spec"]["template"]);
    let (new, old): (Vec<&Value>, Vec<&Value>) =
        all.iter().partition(|set| without_hash(&set["spec"]["template"]) == wanted);
    // Of several that fit, the oldest is the one that is used.
    let mut new = new;
    new.sort_by_key(|set| text(&set["metadata"]["creationTimestamp"]));
    let new: Vec<&Value> = new.into_iter().take(1).collect();
    if new.is_empty() && old.is_empty() {
        return;
    }
    let texts = |sets: &[&Value]| {
        let text_of = |set: &&Value| {
            let (is, wanted) = (number(&set["status"]["replicas"]), number(&set["spec"]["replicas"]));
            format!("{} ({is}/{wanted} replicas created)", text(&set["metadata"]["name"]))
        };
        let texts: Vec<String> = sets.iter().map(text_of).collect();
        if texts.is_empty() { "<none>".into() } else { texts.join(", ") }
    };
    page.field(0, "OldReplicaSets", texts(&old));
    page.field(0, "NewReplicaSet", texts(&new));
}

fn without_hash(template: &Value) -> Value {
    let mut template = template.clone();
    if let Some(labels) = template.pointer_mut("/metadata/labels").and_then(Value::as_object_mut) {
        labels.remove("pod-template-hash");
    }
    template
}

pub fn replica_set(page: &mut Page, set: &Value, related: &Related) {
    let (metadata, spec, status) = (&set["metadata"], &set["spec"], &set["status"]);
    named(page, metadata);
    page.field(0, "Selector", pods::label_selector(&spec["selector"]));
    page.pairs("Labels", &metadata["labels"]);
    page.annotations("Annotations", &metadata["annotations"]);
    pod::controller(page, set);
    let (is, wanted) = (number(&status["replicas"]), number(&spec["replicas"]));
    page.field(0, "Replicas", format!("{is} current / {wanted} desired"));
    pod_states(page, set, related);
    pod::template(page, &spec["template"]);
    conditions(page, status);
    page.events(related.events.as_ref());
}

pub fn stateful_set(page: &mut Page, set: &Value, related: &Related) {
    let (metadata, spec, status) = (&set["metadata"], &set["spec"], &set["status"]);
    named(page, metadata);
    page.field(0, "CreationTimestamp", date(&metadata["creationTimestamp"]));
    page.field(0, "Selector", pods::label_selector(&spec["selector"]));
    page.pairs("Labels", &metadata["labels"]);
    page.annotations("Annotations", &metadata["annotations"]);
    let (wanted, is) = (number(&spec["replicas"]), number(&status["replicas"]));
    page.field(0, "Replicas", format!("{wanted} desired | {is} total"));
    page.field(0, "Update Strategy", text(&spec["updateStrategy"]["type"]));
    page.some(1, "Partition", &spec["updateStrategy"]["rollingUpdate"]["partition"]);
    page.some(1, "MaxUnavailable", &spec["updateStrategy"]["rollingUpdate"]["maxUnavailable"]);
    pod_states(page, set, related);
    pod::template(page, &spec["template"]);
    claim_templates(page, &spec["volumeClaimTemplates"]);
    page.events(related.events.as_ref());
}

fn claim_templates(page: &mut Page, templates: &Value) {
    if list(templates).is_empty() {
        return page.field(0, "Volume Claims", "<none>");
    }
    page.line(0, "Volume Claims:");
    for claim in list(templates) {
        let (metadata, spec) = (&claim["metadata"], &claim["spec"]);
        page.field(1, "Name", text(&metadata["name"]));
        page.field(1, "StorageClass", plain(&spec["storageClassName"]));
        page.lines("  ", "Labels", "\t", &super::page::pair_texts(&metadata["labels"]));
        page.lines("  ", "Annotations", "\t", &super::page::pair_texts(&metadata["annotations"]));
        page.field(1, "Capacity", or(&spec["resources"]["requests"]["storage"], "<default>"));
        page.field(1, "Access Modes", format!("[{}]", super::page::joined(&spec["accessModes"], " ")));
    }
}

pub fn daemon_set(page: &mut Page, set: &Value, related: &Related) {
    let (metadata, spec, status) = (&set["metadata"], &set["spec"], &set["status"]);
    page.field(0, "Name", text(&metadata["name"]));
    page.field(0, "Namespace", text(&metadata["namespace"]));
    page.field(0, "Selector", pods::label_selector(&spec["selector"]));
    page.field(0, "Node-Selector", pairs_inline(&spec["template"]["spec"]["nodeSelector"]));
    page.pairs("Labels", &metadata["labels"]);
    page.annotations("Annotations", &metadata["annotations"]);
    for (name, key) in [
        ("Desired Number of Nodes Scheduled", "desiredNumberScheduled"),
        ("Current Number of Nodes Scheduled", "currentNumberScheduled"),
        ("Number of Nodes Scheduled with Up-to-date Pods", "updatedNumberScheduled"),
        ("Number of Nodes Scheduled with Available Pods", "numberAvailable"),
        ("Number of Nodes Misscheduled", "numberMisscheduled"),
    ] {
        page.line(0, format!("{name}: {}", number(&status[key])));
    }
    pod_states(page, set, related);
    pod::template(page, &spec["template"]);
    page.events(related.events.as_ref());
}

pub fn job(page: &mut Page, job: &Value, related: &Related) {
    let (spec, status) = (&job["spec"], &job["status"]);
    named(page, &job["metadata"]);
    page.field(0, "Selector", pods::label_selector(&spec["selector"]));
    page.pairs("Labels", &job["metadata"]["labels"]);
    page.annotations("Annotations", &job["metadata"]["annotations"]);
    pod::controller(page, job);
    page.some(0, "Parallelism", &spec["parallelism"]);
    page.field(0, "Completions", or(&spec["completions"], "<unset>"));
    page.some(0, "Completion Mode", &spec["completionMode"]);
    page.some(0, "Suspend", &spec["suspend"]);
    page.some(0, "Backoff Limit", &spec["backoffLimit"]);
    page.some(0, "TTL Seconds After Finished", &spec["ttlSecondsAfterFinished"]);
    job_times(page, spec, status);
    let ready = status["ready"].as_i64().map(|ready| format!(" ({ready} Ready)")).unwrap_or_default();
    let count = |key: &str| number(&status[key]);
    let (active, succeeded, failed) = (count("active"), count("succeeded"), count("failed"));
    page.field(
        0,
        "Pods Statuses",
        format!("{active} Active{ready} / {succeeded} Succeeded / {failed} Failed"),
    );
    if spec["completionMode"] == "Indexed" {
        page.field(0, "Completed Indexes", or(&status["completedIndexes"], "<none>"));
    }
    pod::template(page, &spec["template"]);
    page.events(related.events.as_ref());
}

fn job_times(page: &mut Page, spec: &Value, status: &Value) {
    let (start, end) = (&status["startTime"], &status["completionTime"]);
    if !start.is_null() {
        page.field(0, "Start Time", date(start));
    }
    if !end.is_null() {
        page.field(0, "Completed At", date(end));
    }
    if let (Ok(_), Ok(end)) = (text(start).parse::<jiff::Timestamp>(), text(end).parse()) {
        page.field(0, "Duration", age::since(start.as_str(), end));
    }
    if let Some(seconds) = spec["activeDeadlineSeconds"].as_i64() {
        page.field(0, "Active Deadline Seconds", format!("{seconds}s"));
    }
}

pub fn cron_job(page: &mut Page, cron: &Value, related: &Related) {
    let (spec, status) = (&cron["spec"], &cron["status"]);
    page.head(cron);
    page.field(0, "Schedule", text(&spec["schedule"]));
    page.field(0, "Concurrency Policy", text(&spec["concurrencyPolicy"]));
    page.field(0, "Suspend", if spec["suspend"].is_null() { "<unset>" } else { truth(&spec["suspend"]) });
    page.field(0, "Time Zone", or(&spec["timeZone"], "<unset>"));
    page.field(0, "Successful Job History Limit", or(&spec["successfulJobsHistoryLimit"], "<unset>"));
    page.field(0, "Failed Job History Limit", or(&spec["failedJobsHistoryLimit"], "<unset>"));
    let deadline = &spec["startingDeadlineSeconds"];
    let deadline = deadline.as_i64().map_or_else(|| "<unset>".into(), |seconds| format!("{seconds}s"));
    page.field(0, "Starting Deadline Seconds", deadline);
    let job = &spec["jobTemplate"]["spec"];
    let selector = &job["selector"];
    let selector = if selector.is_null() { "<unset>".into() } else { pods::label_selector(selector) };
    page.field(0, "Selector", selector);
    page.field(0, "Parallelism", or(&job["parallelism"], "<unset>"));
    page.field(0, "Completions", or(&job["completions"], "<unset>"));
    if let Some(seconds) = job["activeDeadlineSeconds"].as_i64() {
        page.field(0, "Active Deadline Seconds", format!("{seconds}s"));
    }
    pod::template(page, &job["template"]);
    let last = &status["lastScheduleTime"];
    page.field(0, "Last Schedule Time", if last.is_null() { "<unset>".into() } else { date(last) });
    let active: Vec<&str> = list(&status["active"]).iter().map(|job| text(&job["name"])).collect();
    page.field(0, "Active Jobs", if active.is_empty() { "<none>".into() } else { active.join(", ") });
    page.events(related.events.as_ref());
}

fn named(page: &mut Page, metadata: &Value) {
    page.field(0, "Name", text(&metadata["name"]));
    page.field(0, "Namespace", text(&metadata["namespace"]));
}

/// How many of the workload's own pods are in which phase.
fn pod_states(page: &mut Page, owner: &Value, related: &Related) {
    let count = |phase: &str| {
        let own = related.pods.iter().filter(|pod| pods::is_controlled_by(pod, owner));
        own.filter(|pod| pod["status"]["phase"] == phase).count()
    };
    page.field(
        0,
        "Pods Status",
        format!(
            "{} Running / {} Waiting / {} Succeeded / {} Failed",
            count("Running"),
            count("Pending"),
            count("Succeeded"),
            count("Failed")
        ),
    );
}

fn conditions(page: &mut Page, status: &Value) {
    if list(&status["conditions"]).is_empty() {
        return;
    }
    page.put(0, "Conditions:\n  Type\tStatus\tReason\n");
    page.line(1, "----\t------\t------");
    for condition in list(&status["conditions"]) {
        let (kind, is, reason) =
            (text(&condition["type"]), text(&condition["status"]), text(&condition["reason"]));
        page.line(1, format!("{kind} \t{is}\t{reason}"));
    }
}
