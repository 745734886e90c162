//! Pods that are thrown out of their node or do not go away. Knows what the kubelet and the API server report.

use std::sync::LazyLock;

use jiff::SignedDuration;
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use regex::Regex;

use crate::cluster::state::Pod;
use crate::finding::{Resource, Severity};

use super::{
    change::Change,
    complaints::last_words,
    container_start::shortened,
    draft::{Draft, Rank},
    index::{Index, event_time, is_ready, message, name, phase, pod_resource, reason},
    memory::doubled,
    patterns::pattern,
    wiring,
};

pub(super) fn check(index: &Index<'_>, drafts: &mut Vec<Draft>) {
    for pod in &index.state.pods {
        drafts.extend(eviction(index, pod));
        drafts.extend(stuck_deletion(index, pod));
        drafts.extend(turned_away(index, pod));
        drafts.extend(waiting_init(index, pod));
        drafts.extend(no_such_node(index, pod));
        drafts.extend(failing_stop_hook(index, pod));
    }
}

/// A pod that the kubelet evicted: for its own use of an emptyDir or of ephemeral storage beyond the limit, or for
/// want of a resource on the node ("Node-pressure Eviction"; the kubelet's eviction manager writes the message).
/// Evictions of which nothing is left but the record, hours later, are not told.
fn eviction(index: &Index<'_>, pod: &Pod) -> Option<Draft> {
    static VOLUME: LazyLock<Regex> =
        LazyLock::new(|| pattern(r#"EmptyDir volume "([^"]+)" exceeds the limit "([^"]+)""#));
    let status = pod.status.as_ref()?;
    let recent = index.object_age(&pod.metadata) < SignedDuration::from_hours(6);
    if status.reason.as_deref() != Some("Evicted") || !recent {
        return None;
    }
    let said = status.message.as_deref().unwrap_or_default();
    let owner = index.owner(pod);
    let draft = if let Some(groups) = VOLUME.captures(said) {
        let (volume, limit) = (groups.get(1)?.as_str(), groups.get(2)?.as_str());
        let sentence = format!(
            "Pods of `{}` are evicted because they write more than the `sizeLimit` of `{limit}` into emptyDir `{volume}`.",
            owner.name
        );
        Draft::cause("emptydir_size_limit_exceeded", Severity::Critical, &owner, sentence)
            .evidence(
                format!("{owner} {}.volumes[{volume}].emptyDir.sizeLimit", super::index::spec_path(&owner)),
                limit,
            )
            .fix("Raise the sizeLimit to what the work needs.", enlarge(&owner, volume, limit))
            .about(volume)
    } else if said.contains("ephemeral local storage usage exceeds") {
        let sentence = format!(
            "Pods of `{}` are evicted because they use more ephemeral storage than their limit.",
            owner.name
        );
        Draft::cause("ephemeral_storage_limit_exceeded", Severity::Critical, &owner, sentence)
            .fix("Raise limits.ephemeral-storage, or write less.", "")
    } else {
        let serving = index.pods_of(&owner).iter().any(|pod| is_ready(pod));
        let severity = if serving { Severity::Notice } else { Severity::Warning };
        let sentence =
            format!("Pods of `{}` were evicted because their node ran short of a resource.", owner.name);
        Draft::cause("evicted_by_node_pressure", severity, &owner, sentence)
            .likely()
            .fix("Give the pods requests that match what they use, and the node room.", "")
    };
    let resource = pod_resource(pod);
    Some(draft.evidence(format!("{resource} status.message"), said).seen_on(resource).hurts(&owner))
}

fn enlarge(owner: &Resource, volume: &str, limit: &str) -> Change {
    let (Some(more), true) = (doubled(&Quantity(limit.to_owned())), owner.kind == "Deployment") else {
        return Change::default();
    };
    let patch = serde_json::json!({"spec": {"template": {"spec": {"volumes": [{"name": volume, "emptyDir": {"sizeLimit": more}}]}}}});
    Change::strategic(owner, &patch)
}

/// A pod that was placed and that the kubelet of its node does not admit: more than is left (`OutOfcpu`), other labels
/// (`NodeAffinity`), a device that is gone (`UnexpectedAdmissionError`); it stays `Failed` and is not tried again. Old ones
/// and those whose owner is whole again are history.
fn turned_away(index: &Index<'_>, pod: &Pod) -> Option<Draft> {
    let status = pod.status.as_ref()?;
    let why = status.reason.as_deref().unwrap_or_default();
    let known = ["NodeAffinity", "UnexpectedAdmissionError", "NodePorts", "SysctlForbidden", "Topology"];
    let refused = phase(pod) == "Failed"
        && (why.starts_with("OutOf") || known.iter().any(|word| why.starts_with(word)));
    if !refused || index.object_age(&pod.metadata) > SignedDuration::from_hours(6) {
        return None;
    }
    let owner = index.owner(pod);
    let serving = index.pods_of(&owner).iter().any(|other| is_ready(other));
    let severity = if serving { Severity::Notice } else { Severity::Critical };
    let said = status.message.as_deref().unwrap_or_default();
    let node = pod.node.as_deref().unwrap_or("its node");
    let sentence = format!("The kubelet of `{node}` does not admit a pod of `{}` ({why}).", owner.name);
    let resource = pod_resource(pod);
    Some(
        Draft::cause("pod_rejected_by_kubelet", severity, &owner, sentence)
            .evidence(format!("{resource} status.message"), format!("{why}: {said}"))
            .seen_on(resource)
            .hurts(&owner)
            .fix("Ask for what the node has left, or leave the placing to the scheduler (no nodeName).", ""),
    )
}

/// `spec.nodeName` that names no node: nothing runs the pod, and nobody says so (concept "Assigning Pods to Nodes").
fn no_such_node(index: &Index<'_>, pod: &Pod) -> Option<Draft> {
    let node = pod.node.as_deref()?;
    let waits = phase(pod) == "Pending" && index.object_age(&pod.metadata) > SignedDuration::from_secs(60);
    let known = !waits || index.state.nodes.iter().any(|known| name(&known.metadata) == node);
    if known || !waits || index.state.nodes.is_empty() {
        return None;
    }
    let owner = index.owner(pod);
    if index.workload(&owner).and_then(|workload| workload.pod.node_name.as_deref()) != Some(node) {
        return None;
    }
    let sentence = format!("Pods of `{}` are bound to node `{node}`, which does not exist.", owner.name);
    let field = format!("{owner} {}.nodeName", super::index::spec_path(&owner));
    Some(
        Draft::cause("node_missing", Severity::Critical, &owner, sentence)
            .evidence(field, node)
            .seen_on(pod_resource(pod))
            .hurts(&owner)
            .fix(
                "Take nodeName out, so that the scheduler chooses.",
                Change::pod_spec(&owner, "remove", "nodeName", None),
            ),
    )
}

/// How long an init container may run before it is told that the pod waits for it.
const INIT_PATIENCE: SignedDuration = SignedDuration::from_mins(3);

/// An init container that runs and runs: the others start after it only (concept "Init Containers"). What it waits for is
/// for its log and its command to say; Services that it names are blamed. Wrong where it has that much to do.
fn waiting_init(index: &Index<'_>, pod: &Pod) -> Option<Draft> {
    pod.spec.as_ref()?.init_containers.as_ref()?;
    let views = index.containers_of(pod);
    let view = views.iter().find(|view| {
        let since = view.running_since().map_or(SignedDuration::ZERO, |at| index.age(at));
        view.init && !view.is_native_sidecar() && view.is_running() && since > INIT_PATIENCE
    })?;
    let words = index.log(view, false).and_then(|log| last_words(&log.text)).map_or("", |line| line.text);
    let said = if words.is_empty() { String::new() } else { format!(" (`{}`)", shortened(words)) };
    let sentence = format!(
        "Pods of `{}` do not start because init container `{}` does not end{said}.",
        view.owner.name,
        view.name()
    );
    let command = view.spec.command.iter().flatten().chain(view.spec.args.iter().flatten()).cloned();
    let command = command.collect::<Vec<_>>().join(" ");
    if let Some(host) = wiring::absent_host(index, view, &format!("{words}\n{command}")) {
        let log = format!("log of {} in {}", view.name(), name(&pod.metadata));
        let draft = wiring::unknown_host(index, view, &host, Severity::Critical);
        return Some(
            draft.container(view.name()).evidence(log, words).evidence(view.field("command"), command),
        );
    }
    let draft =
        Draft::symptom(Rank::Container, "init_container_waiting", Severity::Critical, &view.owner, sentence)
            .container(view.name())
            .likely()
            .seen_on(pod_resource(pod))
            .evidence(view.field("command"), command)
            .evidence(format!("log of {} in {}", view.name(), name(&pod.metadata)), words);
    Some(wiring::dependencies(index, view).iter().fold(draft, Draft::blames))
}

/// A preStop hook that fails delays nothing but does not do what it is for, such as draining connections
/// (`FailedPreStopHook`, from the kubelet).
fn failing_stop_hook(index: &Index<'_>, pod: &Pod) -> Option<Draft> {
    let hooked = |container: &k8s_openapi::api::core::v1::Container| {
        container.lifecycle.as_ref().is_some_and(|lifecycle| lifecycle.pre_stop.is_some())
    };
    pod.spec.as_ref()?.containers.iter().find(|container| hooked(container))?;
    let mut events = index.pod_events(pod).iter().rev();
    let event = events.find(|event| reason(event) == "FailedPreStopHook")?;
    if event_time(event).is_some_and(|at| index.age(at) > SignedDuration::from_hours(1)) {
        return None;
    }
    let owner = index.owner(pod);
    let sentence = format!("The preStop hook of `{}` fails when its pods are ended.", owner.name);
    Some(
        Draft::cause("pre_stop_hook_failed", Severity::Warning, &owner, sentence)
            .evidence(format!("event on {}", pod_resource(pod)), message(event))
            .seen_on(pod_resource(pod))
            .fix("Correct the hook's command or path.", ""),
    )
}

/// A deleted pod that is still there: the API server keeps an object until its last finalizer is removed (concept
/// "Finalizers"), and a pod until its kubelet says that it has ended. Wrong while a controller still works on it.
fn stuck_deletion(index: &Index<'_>, pod: &Pod) -> Option<Draft> {
    let deleted = pod.metadata.deletion_timestamp.as_ref()?;
    let late = index.age(deleted.0);
    let resource = pod_resource(pod);
    let finalizers = pod.metadata.finalizers.as_deref().unwrap_or_default();
    // The deletion timestamp has the grace period in it already.
    if late < SignedDuration::from_secs(60) {
        return None;
    }
    if let Some(first) = finalizers.first() {
        let sentence = format!(
            "Pod `{}` was deleted but stays because its finalizer `{first}` is not removed by whoever set it.",
            resource.name
        );
        let command = Change::merge(&resource, &serde_json::json!({"metadata": {"finalizers": null}}));
        return Some(
            Draft::cause("pod_finalizer_stuck", Severity::Warning, &resource, sentence)
                .evidence(format!("{resource} metadata.finalizers"), finalizers.join(", "))
                .evidence(format!("{resource} metadata.deletionTimestamp"), deleted.0.to_string())
                .fix(
                    "Find the controller of that finalizer; if there is none any more, remove the finalizer.",
                    command,
                )
                .risk("What the finalizer protects (a backup, an external record) is then not cleaned up."),
        );
    }
    let node = pod.node.clone()?;
    let sentence =
        format!("Pod `{}` was deleted but node `{node}` has not confirmed that it ended.", resource.name);
    let mut draft = Draft::cause("pod_stuck_terminating", Severity::Warning, &resource, sentence)
        .likely()
        .evidence(format!("{resource} metadata.deletionTimestamp"), deleted.0.to_string())
        .blames(&Resource::global("Node", &node))
        .fix("Look at the kubelet of that node.", "");
    draft.rank = Rank::Container;
    Some(draft)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::fixture::{deployment, roots, running};

    #[test]
    fn deleted_pods_that_stay() {
        let mut objects = deployment(&json!({}), &running(true), &json!({}));
        objects[2]["metadata"]["deletionTimestamp"] = json!("2026-01-02T03:00:00Z");
        objects[2]["metadata"]["finalizers"] = json!(["example.com/keep"]);
        assert!(roots(objects.clone()).contains(&"pod_finalizer_stuck Pod shop/web-1".to_owned()));
        objects[2]["metadata"]["deletionTimestamp"] = json!("2026-01-02T03:04:00Z");
        assert!(!roots(objects).contains(&"pod_finalizer_stuck Pod shop/web-1".to_owned()));
    }

    #[test]
    fn evicted_for_an_empty_dir() {
        let mut objects = deployment(&json!({}), &running(true), &json!({}));
        objects[2]["status"] = json!({"phase": "Failed", "reason": "Evicted",
            "message": "Usage of EmptyDir volume \"scratch\" exceeds the limit \"32Mi\". "});
        let found = roots(objects);
        assert!(found.contains(&"emptydir_size_limit_exceeded Deployment shop/web".to_owned()), "{found:?}");
    }
}
