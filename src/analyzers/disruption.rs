//! PodDisruptionBudgets that never let a pod be evicted. Knows the API's arithmetic only.

use k8s_openapi::{api::policy::v1::PodDisruptionBudget, apimachinery::pkg::util::intstr::IntOrString};

use serde_json::json;

use crate::finding::{Resource, Severity};

use super::{
    change::Change,
    draft::Draft,
    index::{Index, name, namespace},
};

/// A budget that allows no disruption though all its pods are healthy: every eviction is refused, so a node with one of
/// them cannot be drained (concept "Disruptions"). A budget that allows none because pods are down does its work and is
/// not told. Some people want exactly that; so a warning.
pub(super) fn check(index: &Index<'_>, drafts: &mut Vec<Draft>) {
    drafts.extend(index.state.disruption_budgets.iter().filter_map(blocking));
}

/// A budget whose controller cannot tell how many pods there should be (`SyncFailed`): it allows no eviction at all, for
/// instance where it selects pods of which no controller says how many are wanted.
fn failing(budget: &PodDisruptionBudget) -> Draft {
    let itself =
        Resource::namespaced("PodDisruptionBudget", namespace(&budget.metadata), name(&budget.metadata));
    let conditions =
        budget.status.as_ref().and_then(|status| status.conditions.as_deref()).unwrap_or_default();
    let said = conditions.iter().find(|c| c.reason == "SyncFailed").map_or("", |c| c.message.as_str());
    let sentence =
        format!("PodDisruptionBudget `{}` cannot be worked out and lets no pod be evicted.", itself.name);
    Draft::cause("pdb_sync_failed", Severity::Warning, &itself, sentence)
        .evidence(format!("{itself} status.conditions"), said)
        .fix("Use minAvailable as a number, or select pods of one controller.", "")
}

fn blocking(budget: &PodDisruptionBudget) -> Option<Draft> {
    let status = budget.status.as_ref()?;
    let spec = budget.spec.as_ref()?;
    if status.expected_pods == 0 && status.conditions.iter().flatten().any(|c| c.reason == "SyncFailed") {
        return Some(failing(budget));
    }
    let whole = status.expected_pods > 0 && status.current_healthy >= status.expected_pods;
    if status.disruptions_allowed > 0 || !whole {
        return None;
    }
    let (space, called) = (namespace(&budget.metadata), name(&budget.metadata));
    let itself = Resource::namespaced("PodDisruptionBudget", space, called);
    let shown = |value: &IntOrString| match value {
        IntOrString::Int(number) => number.to_string(),
        IntOrString::String(share) => share.clone(),
    };
    let (field, value) = match (&spec.min_available, &spec.max_unavailable) {
        (Some(value), _) => ("minAvailable", shown(value)),
        (None, Some(value)) => ("maxUnavailable", shown(value)),
        (None, None) => return None,
    };
    let pods = status.expected_pods;
    let sentence = format!(
        "PodDisruptionBudget `{called}` never lets one of its `{pods}` healthy pods be evicted (`{field}: {value}`), so their nodes cannot be drained."
    );
    let change = Change::merge(&itself, &json!({"spec": {"minAvailable": null, "maxUnavailable": 1}}));
    Some(
        Draft::cause("pdb_blocks_evictions", Severity::Warning, &itself, sentence)
            .evidence(format!("{itself} spec.{field}"), value)
            .evidence(
                format!("{itself} status"),
                format!(
                    "disruptionsAllowed: 0, currentHealthy: {}, desiredHealthy: {}, expectedPods: {pods}",
                    status.current_healthy, status.desired_healthy
                ),
            )
            .fix("Allow one disruption at a time, or run one pod more.", change)
            .risk("During a drain one pod fewer serves."),
    )
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::fixture::roots;

    #[test]
    fn budgets() {
        for (allowed, healthy, expected_pods, expected) in [
            (0, 2, 2, vec!["pdb_blocks_evictions PodDisruptionBudget shop/b"]),
            (1, 2, 2, vec![]),
            (0, 1, 2, vec![]),
            (0, 0, 0, vec![]),
        ] {
            let budget = json!({"kind": "PodDisruptionBudget", "metadata": {"name": "b"}, "spec": {"minAvailable": 2},
                "status": {"disruptionsAllowed": allowed, "currentHealthy": healthy, "desiredHealthy": 2, "expectedPods": expected_pods}});
            assert_eq!(roots(vec![budget]), expected, "{allowed} {healthy}");
        }
    }
}
