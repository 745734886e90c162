//! Pods that are thrown out of their node or do not go away. Knows what the kubelet and the API server report.

use std::sync::LazyLock;

use jiff::SignedDuration;
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use regex::Regex;

use crate::cluster::state::Pod;
use crate::finding::{Resource, Severity};

use super::{
    container_start::doubled,
    draft::{Draft, Rank},
    index::{Index, is_ready, name, namespace},
    patterns::pattern,
};

pub(super) fn check(index: &Index<'_>, drafts: &mut Vec<Draft>) {
    for pod in &index.state.pods {
        drafts.extend(eviction(index, pod));
        drafts.extend(stuck_deletion(index, pod));
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
    let resource = Resource::namespaced("Pod", namespace(&pod.metadata), name(&pod.metadata));
    Some(draft.evidence(format!("{resource} status.message"), said).seen_on(resource).hurts(&owner))
}

fn enlarge(owner: &Resource, volume: &str, limit: &str) -> String {
    let (Some(more), true) = (doubled(&Quantity(limit.to_owned())), owner.kind == "Deployment") else {
        return String::new();
    };
    let patch = serde_json::json!({"spec": {"template": {"spec": {"volumes": [{"name": volume, "emptyDir": {"sizeLimit": more}}]}}}});
    format!(
        "kubectl -n {} patch deployment {} -p '{patch}'",
        owner.namespace.as_deref().unwrap_or_default(),
        owner.name
    )
}

/// A deleted pod that is still there: the API server keeps an object until its last finalizer is removed (concept
/// "Finalizers"), and a pod until its kubelet says that it has ended. Wrong while a controller still works on it.
fn stuck_deletion(index: &Index<'_>, pod: &Pod) -> Option<Draft> {
    let deleted = pod.metadata.deletion_timestamp.as_ref()?;
    let late = index.age(deleted.0);
    let resource = Resource::namespaced("Pod", namespace(&pod.metadata), name(&pod.metadata));
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
        let command = format!(
            "kubectl -n {} patch pod {} --type merge -p '{{\"metadata\":{{\"finalizers\":null}}}}'",
            namespace(&pod.metadata),
            resource.name
        );
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
