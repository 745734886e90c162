//! Claims that are not bound and volumes that are not mounted. Knows the messages of the volume binder, the
//! provisioners and the attach/detach controller.

use jiff::SignedDuration;
use k8s_openapi::api::core::v1::PersistentVolumeClaim;

use crate::cluster::state::Pod;
use crate::finding::{Confidence, Evidence, Resource, Severity};

use super::{
    draft::{Draft, Rank},
    index::{
        Index, Workload, event_time, is_live, is_ready, kubectl_name, message, name, namespace, phase,
        reason, spec_path,
    },
    lookalike::nearest,
    scheduling::amount,
};

const DEFAULT_CLASS: &str = "storageclass.kubernetes.io/is-default-class";

pub(super) fn check(index: &Index<'_>, drafts: &mut Vec<Draft>) {
    for claim in &index.state.claims {
        drafts.extend(unbound(index, claim));
    }
    for workload in index.workloads() {
        drafts.extend(absent_claims(index, workload));
    }
    for pod in index.state.pods.iter().filter(|pod| is_live(pod) && !is_ready(pod)) {
        drafts.extend(unmounted(index, pod));
    }
}

/// The pods that use a claim.
fn users<'a>(index: &Index<'a>, claim: &PersistentVolumeClaim) -> Vec<&'a Pod> {
    let uses = |pod: &&Pod| {
        let volumes = pod.spec.as_ref().and_then(|spec| spec.volumes.as_deref()).unwrap_or_default();
        let mut claims = volumes.iter().filter_map(|volume| volume.persistent_volume_claim.as_ref());
        namespace(&pod.metadata) == namespace(&claim.metadata)
            && claims.any(|source| source.claim_name == name(&claim.metadata))
    };
    index.state.pods.iter().filter(|pod| is_live(pod)).filter(uses).collect()
}

/// The StatefulSet from whose `volumeClaimTemplates` the claim was made: its class has to be changed there. Such a
/// claim is named `<template>-<statefulset>-<ordinal>`.
fn template_owner(index: &Index<'_>, claim: &PersistentVolumeClaim) -> Option<Resource> {
    index.state.stateful_sets.iter().find_map(|set| {
        let templates = set.spec.as_ref()?.volume_claim_templates.as_deref()?;
        let same_space = namespace(&set.metadata) == namespace(&claim.metadata);
        let made = templates.iter().any(|template| {
            let start = format!("{}-{}-", name(&template.metadata), name(&set.metadata));
            let ordinal = name(&claim.metadata).strip_prefix(&start);
            ordinal.is_some_and(|ordinal| ordinal.parse::<u32>().is_ok())
        });
        (same_space && made)
            .then(|| Resource::namespaced("StatefulSet", namespace(&set.metadata), name(&set.metadata)))
    })
}

/// A claim that stays `Pending`: its StorageClass does not exist, it has none and there is no default class, or
/// nothing provides a volume (concept "Persistent Volumes"; `ProvisioningFailed` and `FailedBinding` are written by
/// the persistentvolume controller). A class with `volumeBindingMode: WaitForFirstConsumer` waits for a pod: that is
/// no fault where no pod uses the claim.
fn unbound(index: &Index<'_>, claim: &PersistentVolumeClaim) -> Option<Draft> {
    let state = claim.status.as_ref().and_then(|status| status.phase.as_deref()).unwrap_or_default();
    let itself =
        Resource::namespaced("PersistentVolumeClaim", namespace(&claim.metadata), name(&claim.metadata));
    let pods = users(index, claim);
    if state == "Lost" {
        let sentence = format!(
            "Claim `{}` has lost its volume: the PersistentVolume it was bound to is gone.",
            itself.name
        );
        return Some(hurting(
            index,
            &pods,
            Draft::cause("pvc_volume_lost", Severity::Critical, &itself, sentence)
                .fix("Restore the data into a new claim.", ""),
        ));
    }
    if !index.is_listed("storageclasses")
        || state != "Pending"
        || index.object_age(&claim.metadata) < SignedDuration::from_secs(30)
    {
        return None;
    }
    let spec = claim.spec.as_ref()?;
    let resource = template_owner(index, claim).unwrap_or_else(|| itself.clone());
    let severity = if pods.is_empty() { Severity::Warning } else { Severity::Critical };
    let said = last_event(index, claim);
    let class = spec.storage_class_name.as_deref();
    let found = class
        .and_then(|class| index.state.storage_classes.iter().find(|known| name(&known.metadata) == class));
    let draft = match (class, found) {
        (Some(class), None) if !class.is_empty() && !has_volume(index, claim, class) => {
            missing_class(index, &resource, &itself, class, severity)
        }
        (None, _) if !has_default_class(index) && !has_volume(index, claim, "") => {
            no_class(index, claim, &resource, severity)
        }
        (Some(_), Some(found)) => {
            let waits =
                found.volume_binding_mode.as_deref() == Some("WaitForFirstConsumer") && pods.is_empty();
            if waits
                || said.is_none() && found.provisioner != "kubernetes.io/no-provisioner" && pods.is_empty()
            {
                return None;
            }
            not_provided(index, claim, &resource, name(&found.metadata), &found.provisioner, severity)?
        }
        _ => return None,
    };
    let field = if resource.kind == "StatefulSet" {
        format!("{resource} spec.volumeClaimTemplates[].spec.storageClassName")
    } else {
        format!("{itself} spec.storageClassName")
    };
    let draft = draft.evidence(field, class.unwrap_or("(none)")).seen_on(itself);
    Some(hurting(index, &pods, draft.evidence_from(said)))
}

fn hurting(index: &Index<'_>, pods: &[&Pod], draft: Draft) -> Draft {
    pods.iter().fold(draft, |draft, pod| {
        let seen = Resource::namespaced("Pod", namespace(&pod.metadata), name(&pod.metadata));
        draft.hurts(&index.owner(pod)).seen_on(seen)
    })
}

fn last_event(index: &Index<'_>, claim: &PersistentVolumeClaim) -> Option<Evidence> {
    let events = index.events("PersistentVolumeClaim", namespace(&claim.metadata), name(&claim.metadata));
    let telling = events.iter().rev().find(|event| {
        matches!(reason(event), "ProvisioningFailed" | "FailedBinding" | "ExternalProvisioning")
    })?;
    Some(Evidence::new(
        format!("event on PersistentVolumeClaim {}/{}", namespace(&claim.metadata), name(&claim.metadata)),
        message(telling),
    ))
}

fn has_default_class(index: &Index<'_>) -> bool {
    index.state.storage_classes.iter().any(|class| {
        class.metadata.annotations.as_ref().and_then(|notes| notes.get(DEFAULT_CLASS)).map(String::as_str)
            == Some("true")
    })
}

/// Whether a free volume of that class is large enough: then the binder is about to bind it.
fn has_volume(index: &Index<'_>, claim: &PersistentVolumeClaim, class: &str) -> bool {
    let wanted = claim
        .spec
        .as_ref()
        .and_then(|spec| spec.resources.as_ref()?.requests.as_ref()?.get("storage"))
        .map_or(0.0, amount);
    index.state.volumes.iter().any(|volume| {
        let spec = volume.spec.as_ref();
        let size = spec.and_then(|spec| spec.capacity.as_ref()?.get("storage")).map_or(0.0, amount);
        let same = spec.and_then(|spec| spec.storage_class_name.as_deref()).unwrap_or_default() == class;
        let free = volume.status.as_ref().and_then(|status| status.phase.as_deref()) == Some("Available");
        same && free && size >= wanted
    })
}

fn class_names(index: &Index<'_>) -> Vec<String> {
    index.state.storage_classes.iter().map(|class| name(&class.metadata).to_owned()).collect()
}

fn missing_class(
    index: &Index<'_>,
    resource: &Resource,
    claim: &Resource,
    class: &str,
    severity: Severity,
) -> Draft {
    let have = class_names(index);
    let offers = if have.is_empty() {
        "there is no StorageClass at all".to_owned()
    } else {
        format!("there is `{}`", have.join("`, `"))
    };
    let sentence = format!(
        "{} `{}` asks for the StorageClass `{class}`, which does not exist; {offers}.",
        resource.kind, resource.name
    );
    let near = nearest(class, have.iter().map(String::as_str))
        .map(str::to_owned)
        .or_else(|| have.first().cloned())
        .unwrap_or_else(|| "<class>".to_owned());
    let draft = Draft::cause("storage_class_missing", severity, resource, sentence);
    let space = claim.namespace.as_deref().unwrap_or_default();
    let (kind, what, note) = if resource.kind == "StatefulSet" {
        ("statefulset", "the StatefulSet", ": claim templates cannot be changed")
    } else {
        ("pvc", "the claim", "")
    };
    let again = |kind: &str, called: &str| {
        format!(
            "kubectl -n {space} get {kind} {called} -o yaml | sed 's/storageClassName: {class}/storageClassName: {near}/' | kubectl replace --force -f -"
        )
    };
    // The claim that the template has made already keeps its class, too.
    let command = if kind == "pvc" {
        again(kind, &claim.name)
    } else {
        format!("{}\n{}", again("pvc", &claim.name), again(kind, &resource.name))
    };
    draft
        .fix(format!("Recreate {what} with the class `{near}`{note}."), command)
        .risk("The claim was never bound, so no data is lost; the pods that use it are made anew.")
}

fn no_class(
    index: &Index<'_>,
    claim: &PersistentVolumeClaim,
    resource: &Resource,
    severity: Severity,
) -> Draft {
    let have = class_names(index);
    let offers = if have.is_empty() { String::new() } else { format!(" (there is `{}`)", have.join("`, `")) };
    let sentence = format!(
        "Claim `{}` names no StorageClass, and the cluster has no default one{offers} and no free volume that fits.",
        name(&claim.metadata)
    );
    let class = have.first().map_or("<class>", String::as_str);
    let space = namespace(&claim.metadata);
    let called = name(&claim.metadata);
    let command = format!(
        "kubectl -n {space} patch pvc {called} --type merge -p '{{\"spec\":{{\"storageClassName\":\"{class}\"}}}}'"
    );
    Draft::cause("pvc_no_storage_class", severity, resource, sentence)
        .fix(format!("Name a StorageClass, such as `{class}`, or make one the default."), command)
        .risk("A class without a provisioner still needs a PersistentVolume of that class.")
}

fn not_provided(
    index: &Index<'_>,
    claim: &PersistentVolumeClaim,
    resource: &Resource,
    class: &str,
    provisioner: &str,
    severity: Severity,
) -> Option<Draft> {
    if provisioner == "kubernetes.io/no-provisioner" {
        if has_volume(index, claim, class) {
            return None;
        }
        let sentence = format!(
            "StorageClass `{class}` makes no volumes by itself, and no free PersistentVolume fits claim `{}`.",
            name(&claim.metadata)
        );
        return Some(
            Draft::cause("pvc_no_matching_volume", severity, resource, sentence)
                .fix("Create a PersistentVolume of that class, size and access mode.", ""),
        );
    }
    let events = index.events("PersistentVolumeClaim", namespace(&claim.metadata), name(&claim.metadata));
    let failed = events.iter().any(|event| reason(event) == "ProvisioningFailed");
    let waiting = index.object_age(&claim.metadata) > SignedDuration::from_mins(2);
    if !failed && !waiting {
        return None;
    }
    let sentence = if failed {
        format!("The provisioner `{provisioner}` cannot make a volume for claim `{}`.", name(&claim.metadata))
    } else {
        format!(
            "The provisioner `{provisioner}` has not made a volume for claim `{}`: it may not run.",
            name(&claim.metadata)
        )
    };
    let sure = if failed { Confidence::Certain } else { Confidence::Likely };
    Some(
        Draft::cause("volume_provisioning_failed", severity, resource, sentence)
            .confidence(sure)
            .fix("Look at the provisioner's pods and their log.", ""),
    )
}

/// A pod that refers to a claim that does not exist cannot be scheduled (`persistentvolumeclaim "x" not found`, from
/// the scheduler). A near name that exists is what was meant.
fn absent_claims(index: &Index<'_>, workload: &Workload<'_>) -> Vec<Draft> {
    let space = workload.namespace();
    let pods = index.pods_of(&workload.resource);
    let alive = workload.desired > 0 || pods.iter().any(|pod| is_live(pod));
    if !alive || !index.is_listed("persistentvolumeclaims") {
        return Vec::new();
    }
    let here: Vec<&str> = index
        .state
        .claims
        .iter()
        .filter(|claim| namespace(&claim.metadata) == space)
        .map(|claim| name(&claim.metadata))
        .collect();
    let volumes = workload.pod.volumes.iter().flatten();
    let wanted = volumes
        .enumerate()
        .filter_map(|(place, volume)| Some((place, volume, volume.persistent_volume_claim.as_ref()?)));
    let absent = wanted.filter(|(_, _, source)| !here.contains(&source.claim_name.as_str()));
    absent
        .map(|(place, volume, source)| {
            let called = &source.claim_name;
            let field = format!("{} {}.volumes[{}].persistentVolumeClaim.claimName", workload.resource, spec_path(&workload.resource), volume.name);
            let draft = match nearest(called, here.iter().copied()) {
                Some(near) => {
                    let sentence = format!("{} `{}` uses the claim `{called}`, which does not exist; `{near}` does.", workload.resource.kind, workload.resource.name);
                    let path = format!("/{}/volumes/{place}/persistentVolumeClaim/claimName", spec_path(&workload.resource).replace('.', "/"));
                    let command = format!("kubectl -n {space} patch {} --type json -p '[{{\"op\":\"replace\",\"path\":\"{path}\",\"value\":\"{near}\"}}]'", kubectl_name(&workload.resource));
                    let command = if super::index::is_editable(&workload.resource) { command } else { String::new() };
                    Draft::cause("pvc_name_mismatch", Severity::Critical, &workload.resource, sentence).fix(format!("Refer to the claim `{near}`."), command)
                }
                None => {
                    let sentence = format!("The claim `{called}`, which {} `{}` uses, does not exist.", workload.resource.kind, workload.resource.name);
                    let resource = Resource::namespaced("PersistentVolumeClaim", space, called);
                    Draft::cause("pvc_missing", Severity::Critical, &resource, sentence).fix("Create the claim.", "")
                }
            };
            let waiting = pods.iter().filter(|pod| is_live(pod) && phase(pod) == "Pending");
            let draft = waiting.fold(draft, |draft, pod| draft.seen_on(Resource::namespaced("Pod", space, name(&pod.metadata))));
            draft.evidence(field, called).hurts(&workload.resource).about(called.clone())
        })
        .collect()
}

/// A volume that the kubelet cannot mount or the controller cannot attach (`FailedMount`, `FailedAttachVolume`), two
/// minutes and more after the pod was placed. Missing ConfigMaps and Secrets are told by `config_refs`, which is then
/// the cause of this one.
fn unmounted(index: &Index<'_>, pod: &Pod) -> Option<Draft> {
    let begun =
        pod.status.as_ref().and_then(|status| status.container_statuses.as_ref()).is_some_and(|all| {
            all.iter().any(|status| {
                status.restart_count > 0 || status.state.as_ref().is_some_and(|state| state.running.is_some())
            })
        });
    if begun || index.object_age(&pod.metadata) < SignedDuration::from_mins(2) {
        return None;
    }
    let events = index.pod_events(pod).iter().rev();
    let mut recent = events
        .filter(|event| event_time(event).is_none_or(|at| index.age(at) < SignedDuration::from_mins(10)));
    let event = recent.find(|event| matches!(reason(event), "FailedMount" | "FailedAttachVolume"))?;
    let owner = index.owner(pod);
    let said = message(event);
    let resource = Resource::namespaced("Pod", namespace(&pod.metadata), name(&pod.metadata));
    let draft = if said.contains("Multi-Attach error") {
        let sentence = format!(
            "A volume of `{}` is still attached to another node and can only be used on one (ReadWriteOnce).",
            owner.name
        );
        Draft::cause("volume_multi_attach", Severity::Critical, &owner, sentence)
            .fix("Delete the pod that still holds the volume, or use a Recreate strategy.", "")
    } else {
        let sentence = format!("A volume of `{}` cannot be mounted.", owner.name);
        Draft::symptom(Rank::Container, "volume_mount_failed", Severity::Critical, &owner, sentence).likely()
    };
    Some(draft.evidence(format!("event on {resource}"), said).seen_on(resource).hurts(&owner))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::fixture::{deployment, roots};

    fn claim(name: &str, class: &Value) -> Value {
        let mut claim = json!({"kind": "PersistentVolumeClaim", "metadata": {"name": name, "creationTimestamp": "2026-01-02T02:00:00Z"},
            "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}, "status": {"phase": "Pending"}});
        if !class.is_null() {
            claim["spec"]["storageClassName"] = class.clone();
        }
        claim
    }

    fn using(claim_name: &str, more: Vec<Value>) -> Vec<Value> {
        let spec = json!({"volumes": [{"name": "d", "persistentVolumeClaim": {"claimName": claim_name}}]});
        let mut objects = deployment(&json!({}), &json!({}), &spec);
        objects[2]["status"] = json!({"phase": "Pending"});
        objects[2]["spec"]["nodeName"] = json!("n1");
        objects.extend(more);
        objects
    }

    fn class(name: &str, provisioner: &str) -> Value {
        json!({"kind": "StorageClass", "metadata": {"name": name}, "provisioner": provisioner, "volumeBindingMode": "WaitForFirstConsumer"})
    }

    #[test]
    fn classes() {
        for (claim, expected) in [
            (claim("d", &json!("gone")), "storage_class_missing PersistentVolumeClaim shop/d"),
            (claim("d", &Value::Null), "pvc_no_storage_class PersistentVolumeClaim shop/d"),
            (claim("d", &json!("local")), "pvc_no_matching_volume PersistentVolumeClaim shop/d"),
        ] {
            let objects = using("d", vec![claim.clone(), class("local", "kubernetes.io/no-provisioner")]);
            assert_eq!(roots(objects), [expected], "{claim}");
        }
    }

    #[test]
    fn a_claim_that_waits_for_its_first_pod_is_no_fault() {
        assert_eq!(
            roots(vec![claim("d", &json!("csi")), class("csi", "ebs.csi.aws.com")]),
            Vec::<String>::new()
        );
    }

    #[test]
    fn a_bound_claim_is_no_fault() {
        let mut bound = claim("d", &json!("gone"));
        bound["status"]["phase"] = json!("Bound");
        assert_eq!(roots(vec![bound]), Vec::<String>::new());
    }

    #[test]
    fn a_near_claim_was_meant() {
        let mut bound = claim("upload-data", &json!("x"));
        bound["status"]["phase"] = json!("Bound");
        assert_eq!(roots(using("uploads-data", vec![bound])), ["pvc_name_mismatch Deployment shop/web"]);
        assert_eq!(
            roots(using("uploads-data", vec![])),
            ["pvc_missing PersistentVolumeClaim shop/uploads-data"]
        );
    }

    #[test]
    fn a_claim_of_a_template_is_changed_in_its_stateful_set() {
        let set = json!({"kind": "StatefulSet", "metadata": {"name": "db"}, "spec": {"serviceName": "db", "selector": {},
            "template": {"spec": {"containers": []}}, "volumeClaimTemplates": [{"metadata": {"name": "data"}, "spec": {}}]}});
        let found = roots(vec![claim("data-db-0", &json!("gone")), set]);
        assert!(found.contains(&"storage_class_missing StatefulSet shop/db".to_owned()), "{found:?}");
    }
}
