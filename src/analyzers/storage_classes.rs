//! Claims whose StorageClass is not there. Asked by `storage`.

use k8s_openapi::api::core::v1::PersistentVolumeClaim;
use serde_json::json;

use crate::finding::{Resource, Severity};

use super::{
    change::Change,
    draft::Draft,
    index::{Index, name, namespace},
    lookalike::nearest,
};

fn class_names(index: &Index<'_>) -> Vec<String> {
    index.state.storage_classes.iter().map(|class| name(&class.metadata).to_owned()).collect()
}

/// A class that does not exist: a claim keeps its class, so it has to be made anew.
pub(super) fn missing_class(
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

/// No class is named and none is the default.
pub(super) fn no_class(
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
    // A class without a provisioner gives no volume by itself.
    let makes = |called: &&String| {
        index.state.storage_classes.iter().any(|class| {
            name(&class.metadata) == called.as_str() && class.provisioner != "kubernetes.io/no-provisioner"
        })
    };
    let class = have.iter().find(makes).map_or("<class>", String::as_str);
    let itself =
        Resource::namespaced("PersistentVolumeClaim", namespace(&claim.metadata), name(&claim.metadata));
    let command = Change::merge(&itself, &json!({"spec": {"storageClassName": class}}));
    Draft::cause("pvc_no_storage_class", severity, resource, sentence)
        .fix(format!("Name a StorageClass, such as `{class}`, or make one the default."), command)
        .risk("A class without a provisioner still needs a PersistentVolume of that class.")
}
