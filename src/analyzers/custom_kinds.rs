//! Kinds that a CustomResourceDefinition should add and does not. Knows the conditions that the API server's
//! controllers set on definitions.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinitionCondition;

use crate::{
    cluster::state::CustomKind,
    finding::{Resource, Severity},
};

use super::{draft::Draft, index::Index};

/// A definition whose names are taken by another one is not served, so none of its objects can be made or read
/// (`NamesAccepted`, set by the naming controller); one whose deletion got stuck keeps its objects and takes no new ones
/// (`Terminating` with `InstanceDeletionFailed`, set by the finalizing controller). A definition that was made a moment
/// ago has no condition yet, and is not told.
pub(super) fn check(index: &Index<'_>, drafts: &mut Vec<Draft>) {
    drafts.extend(index.state.custom_kinds.iter().filter_map(|kind| refused(kind).or_else(|| stuck(kind))));
}

fn refused(kind: &CustomKind) -> Option<Draft> {
    let condition = condition(kind, "NamesAccepted", "False")?;
    let sentence = format!(
        "Kind `{}` of CustomResourceDefinition `{}` is not served: {}.",
        kind.kind,
        kind.name,
        words(condition)
    );
    Some(draft(kind, condition, "custom_kind_names_conflict", sentence).fix(
        "Delete the definition that has the name and is not needed, or rename this one.",
        format!(
            "kubectl get crd -o custom-columns=NAME:.metadata.name,KIND:.spec.names.kind | grep -w {}",
            kind.kind
        ),
    ))
}

fn stuck(kind: &CustomKind) -> Option<Draft> {
    let condition = condition(kind, "Terminating", "True")?;
    if condition.reason.as_deref() != Some("InstanceDeletionFailed") {
        return None;
    }
    let sentence = format!(
        "CustomResourceDefinition `{}` is being deleted and its objects cannot be: {}.",
        kind.name,
        words(condition)
    );
    Some(draft(kind, condition, "custom_kind_stuck_deletion", sentence).fix(
        "Find out which controller has to take its finalizers off these objects, and start it again.",
        format!("kubectl get {} -A -o custom-columns=NAMESPACE:.metadata.namespace,NAME:.metadata.name,FINALIZERS:.metadata.finalizers", kind.name),
    ))
}

fn condition<'k>(
    kind: &'k CustomKind,
    type_: &str,
    status: &str,
) -> Option<&'k CustomResourceDefinitionCondition> {
    kind.conditions.iter().find(|condition| condition.type_ == type_ && condition.status == status)
}

/// What the server says, else its one word for it.
fn words(condition: &CustomResourceDefinitionCondition) -> &str {
    let said = condition.message.as_deref().filter(|said| !said.is_empty());
    said.or(condition.reason.as_deref()).unwrap_or("the server does not say why").trim_end_matches('.')
}

fn draft(
    kind: &CustomKind,
    condition: &CustomResourceDefinitionCondition,
    code: &'static str,
    sentence: String,
) -> Draft {
    let itself = Resource::global("CustomResourceDefinition", &kind.name);
    Draft::cause(code, Severity::Warning, &itself, sentence).evidence(
        format!("{itself} status.conditions[{}]", condition.type_),
        format!("{}: {}", condition.status, words(condition)),
    )
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::fixture::roots;

    fn definition(conditions: &Value) -> Value {
        json!({
            "kind": "CustomResourceDefinition", "metadata": {"name": "widgets.shop.example"},
            "spec": {"names": {"kind": "Widget"}}, "status": {"conditions": conditions},
        })
    }

    #[test]
    fn only_what_is_not_served_is_told() {
        for (conditions, expected) in [
            (
                json!([{"type": "NamesAccepted", "status": "True"}, {"type": "Established", "status": "True"}]),
                None,
            ),
            (json!([]), None),
            (json!(null), None),
            (
                json!([{"type": "Terminating", "status": "True", "reason": "InstanceDeletionInProgress"}]),
                None,
            ),
            (
                json!([{"type": "NamesAccepted", "status": "False", "reason": "KindConflict",
                    "message": "\"Widget\" is already in use"}, {"type": "Established", "status": "False"}]),
                Some("custom_kind_names_conflict"),
            ),
            (
                json!([{"type": "Terminating", "status": "True", "reason": "InstanceDeletionFailed",
                    "message": "could not list instances: timed out"}]),
                Some("custom_kind_stuck_deletion"),
            ),
        ] {
            let expected =
                expected.map(|code| format!("{code} CustomResourceDefinition widgets.shop.example"));
            assert_eq!(roots(vec![definition(&conditions)]), Vec::from_iter(expected), "{conditions}");
        }
    }
}
