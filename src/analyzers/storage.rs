//! Claims that are not bound. Knows the messages of the volume binder and the provisioners; volumes that are not mounted
//! are `mounting`'s matter.

use jiff::SignedDuration;
use k8s_openapi::api::core::v1::{PersistentVolumeClaim, PersistentVolumeClaimSpec};
use serde_json::json;

use crate::cluster::state::Pod;
use crate::finding::{Confidence, Evidence, Resource, Severity};

use super::{
    change::Change,
    draft::Draft,
    index::{Index, Workload, is_live, message, name, namespace, phase, pod_resource, reason, spec_path},
    lookalike::nearest,
    storage_classes::{missing_class, no_class},
    volume_fit::{fits, nearest_volume},
};

const DEFAULT_CLASS: &str = "storageclass.kubernetes.io/is-default-class";

pub(super) fn check(index: &Index<'_>, drafts: &mut Vec<Draft>) {
    for claim in &index.state.claims {
        drafts.extend(unbound(index, claim));
        drafts.extend(resizing(index, claim));
    }
    for workload in index.workloads() {
        drafts.extend(absent_claims(index, workload));
    }
}

/// The pods that use a claim.
pub(super) fn users<'a>(index: &Index<'a>, claim: &PersistentVolumeClaim) -> Vec<&'a Pod> {
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
    if let Some(draft) = absent_volume(index, claim, spec, &resource, severity) {
        return Some(hurting(index, &pods, draft.evidence_from(said)));
    }
    let draft = match (class, found) {
        // A class that is only a name binds volumes of that name: no StorageClass has to exist for it.
        (Some(class), None) if !class.is_empty() && !has_volume(index, claim, class) => {
            let of_class = |volume: &&k8s_openapi::api::core::v1::PersistentVolume| {
                volume.spec.as_ref().and_then(|spec| spec.storage_class_name.as_deref()) == Some(class)
            };
            if index.state.volumes.iter().any(|volume| of_class(&volume)) {
                no_volume_fits(index, claim, &resource, Some(class), severity)
            } else {
                missing_class(index, &resource, &itself, class, severity)
            }
        }
        (Some(""), _) if !has_volume(index, claim, "") => {
            no_volume_fits(index, claim, &resource, None, severity)
        }
        (None, _) if !has_default_class(index) && !has_volume(index, claim, "") => {
            match nearest_volume(index, claim) {
                Some((_, misfits)) if misfits.len() == 1 => {
                    no_volume_fits(index, claim, &resource, None, severity)
                }
                _ => no_class(index, claim, &resource, severity),
            }
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

/// A claim for one volume by name (`spec.volumeName`) that does not exist: it waits for it for ever.
fn absent_volume(
    index: &Index<'_>,
    claim: &PersistentVolumeClaim,
    spec: &PersistentVolumeClaimSpec,
    resource: &Resource,
    severity: Severity,
) -> Option<Draft> {
    let called = spec.volume_name.as_deref().filter(|called| !called.is_empty())?;
    let names = || index.state.volumes.iter().map(|volume| name(&volume.metadata));
    if names().any(|known| known == called) || !index.is_listed("persistentvolumes") {
        return None;
    }
    let near = nearest(called, names()).map(|near| format!("; there is `{near}`")).unwrap_or_default();
    let sentence = format!(
        "Claim `{}` asks for the PersistentVolume `{called}`, which does not exist{near}.",
        name(&claim.metadata)
    );
    Some(
        Draft::cause("pv_missing", severity, resource, sentence)
            .evidence(format!("{resource} spec.volumeName"), called)
            .fix("Create that volume, or make the claim anew without volumeName.", ""),
    )
}

fn hurting(index: &Index<'_>, pods: &[&Pod], draft: Draft) -> Draft {
    pods.iter().fold(draft, |draft, pod| {
        let seen = pod_resource(pod);
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

/// No provisioner makes a volume, and none that is there fits. Where one comes near, what keeps it from being bound is the
/// cause. A field of a claim cannot be changed, so claim or volume has to be made anew.
fn no_volume_fits(
    index: &Index<'_>,
    claim: &PersistentVolumeClaim,
    resource: &Resource,
    class: Option<&str>,
    severity: Severity,
) -> Draft {
    let called = name(&claim.metadata);
    let whence = class.map_or("Nothing makes a volume".to_owned(), |class| {
        format!("StorageClass `{class}` makes no volumes by itself")
    });
    let Some((volume, misfits)) = nearest_volume(index, claim) else {
        let sentence = format!("{whence}, and no free PersistentVolume fits claim `{called}`.");
        return Draft::cause("pvc_no_matching_volume", severity, resource, sentence)
            .fix("Create a PersistentVolume of that class, size and access mode.", "");
    };
    let volume = name(&volume.metadata);
    let words: Vec<&str> = misfits.iter().map(|misfit| misfit.words.as_str()).collect();
    let sentence =
        format!("Claim `{called}` cannot be bound: PersistentVolume `{volume}` {}.", words.join(", and it "));
    let only = misfits.first().filter(|_| misfits.len() == 1);
    let code = only.map_or("pvc_no_matching_volume", |misfit| misfit.code);
    let fix = match code {
        "pv_not_available" => {
            "Clear the volume's claimRef once its data may be used again, or provide another volume."
        }
        "pv_too_small" => "Ask for what the volume has, or provide a larger one.",
        "pv_access_mode_mismatch" => {
            "Ask for an access mode that the volume allows, or provide one that allows it."
        }
        _ => "Make the claim and the volume agree; a claim has to be made anew for that.",
    };
    let change = match code {
        "pv_not_available" => Change::json(
            &Resource::global("PersistentVolume", volume),
            &json!([{"op": "remove", "path": "/spec/claimRef"}]),
        ),
        _ => Change::default(),
    };
    let held = Resource::global("PersistentVolume", volume);
    let draft = if code == "pv_not_available" {
        Draft::cause(code, severity, &held, sentence)
            .fix(fix, change)
            .risk("The data of the former claim is still on the volume.")
            .hurts(resource)
    } else {
        Draft::cause(code, severity, resource, sentence).fix(fix, change)
    };
    misfits.iter().fold(draft, |draft, misfit| {
        draft
            .evidence(format!("PersistentVolume {volume} against claim spec.{}", misfit.field), &misfit.words)
    })
}

/// A claim that is to grow and cannot (`ControllerResizeError` and `NodeResizeError`, set by the resizer and the kubelet;
/// `VolumeResizeFailed` events).
fn resizing(index: &Index<'_>, claim: &PersistentVolumeClaim) -> Option<Draft> {
    let conditions = claim.status.as_ref()?.conditions.as_deref().unwrap_or_default();
    let failed = conditions
        .iter()
        .find(|condition| condition.type_.ends_with("ResizeError") && condition.status == "True");
    let events = index.events("PersistentVolumeClaim", namespace(&claim.metadata), name(&claim.metadata));
    let event = events.iter().rev().find(|event| reason(event) == "VolumeResizeFailed");
    let said = failed
        .and_then(|condition| condition.message.as_deref())
        .or_else(|| event.map(|event| message(event)))?;
    let itself =
        Resource::namespaced("PersistentVolumeClaim", namespace(&claim.metadata), name(&claim.metadata));
    let sentence = format!("Claim `{}` cannot be enlarged.", itself.name);
    Some(
        Draft::cause("pvc_resize_failed", Severity::Warning, &itself, sentence)
            .evidence(format!("{itself} status"), said)
            .fix("Look at what the storage driver says; some grow a volume only while no pod uses it.", ""),
    )
}

/// Whether a free volume of that class is large enough: then the binder is about to bind it.
fn has_volume(index: &Index<'_>, claim: &PersistentVolumeClaim, class: &str) -> bool {
    index.state.volumes.iter().any(|volume| {
        let of_class =
            volume.spec.as_ref().and_then(|spec| spec.storage_class_name.as_deref()).unwrap_or_default();
        of_class == class && fits(claim, volume)
    })
}

/// The class has a provisioner that fails or does not answer; the events on the claim are its words.
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
        return Some(no_volume_fits(index, claim, resource, Some(class), severity));
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
            let field = format!(
                "{} {}.volumes[{}].persistentVolumeClaim.claimName",
                workload.resource,
                spec_path(&workload.resource),
                volume.name
            );
            let draft = match nearest(called, here.iter().copied()) {
                Some(near) => {
                    let sentence = format!(
                        "{} `{}` uses the claim `{called}`, which does not exist; `{near}` does.",
                        workload.resource.kind, workload.resource.name
                    );
                    let path = format!("volumes/{place}/persistentVolumeClaim/claimName");
                    let command = Change::pod_spec(&workload.resource, "replace", &path, Some(json!(near)));
                    Draft::cause("pvc_name_mismatch", Severity::Critical, &workload.resource, sentence)
                        .fix(format!("Refer to the claim `{near}`."), command)
                }
                None => {
                    let sentence = format!(
                        "The claim `{called}`, which {} `{}` uses, does not exist.",
                        workload.resource.kind, workload.resource.name
                    );
                    let resource = Resource::namespaced("PersistentVolumeClaim", space, called);
                    Draft::cause("pvc_missing", Severity::Critical, &resource, sentence)
                        .fix("Create the claim.", "")
                }
            };
            let waiting = pods.iter().filter(|pod| is_live(pod) && phase(pod) == "Pending");
            let draft = waiting.fold(draft, |draft, pod| {
                draft.seen_on(Resource::namespaced("Pod", space, name(&pod.metadata)))
            });
            draft.evidence(field, called).hurts(&workload.resource).about(called.clone())
        })
        .collect()
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
