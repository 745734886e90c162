//! Nodes that are not well. Knows the conditions that the kubelet and the node controller set.

use k8s_openapi::api::core::v1::Node;

use crate::finding::{Resource, Severity};

use super::{
    draft::Draft,
    index::{Index, name},
    node_constraints::uncordon,
};

/// A node that is not `Ready` (`Unknown`: its kubelet has not reported for 40 s and more), is short of memory, disk or
/// process numbers, or has no network (reference "Node Status"). Its pods suffer from it. A cordoned node alone is a
/// notice: somebody wanted it.
pub(super) fn check(index: &Index<'_>, drafts: &mut Vec<Draft>) {
    for node in &index.state.nodes {
        let itself = Resource::global("Node", name(&node.metadata));
        let found = conditions(node, &itself);
        for draft in found {
            let pods = index.state.pods.iter().filter(|pod| pod.node.as_deref() == Some(&itself.name));
            drafts.push(pods.fold(draft, |draft, pod| draft.hurts(&index.owner(pod))));
        }
        if node.spec.as_ref().and_then(|spec| spec.unschedulable) == Some(true) {
            let sentence = format!("Node `{}` is cordoned: it takes no new pods.", itself.name);
            drafts.push(
                Draft::cause("node_cordoned", Severity::Notice, &itself, sentence)
                    .evidence(format!("{itself} spec.unschedulable"), "true")
                    .fix("Uncordon the node when its maintenance is over.", uncordon(&itself)),
            );
        }
    }
}

fn conditions(node: &Node, itself: &Resource) -> Vec<Draft> {
    let conditions = node.status.as_ref().and_then(|status| status.conditions.as_deref()).unwrap_or_default();
    let told = conditions.iter().filter_map(|condition| {
        let (code, what, severity) = match (condition.type_.as_str(), condition.status.as_str()) {
            ("Ready", "Unknown") => ("node_not_ready", "has stopped reporting", Severity::Critical),
            ("Ready", "False") => ("node_not_ready", "is not ready", Severity::Critical),
            ("MemoryPressure", "True") => {
                ("node_memory_pressure", "is short of memory and evicts pods", Severity::Warning)
            }
            ("DiskPressure", "True") => {
                ("node_disk_pressure", "is short of disk space and evicts pods", Severity::Warning)
            }
            ("PIDPressure", "True") => {
                ("node_pid_pressure", "has almost no process numbers left", Severity::Warning)
            }
            ("NetworkUnavailable", "True") => {
                ("node_network_unavailable", "has no pod network", Severity::Critical)
            }
            _ => return None,
        };
        let sentence = format!("Node `{}` {what}.", itself.name);
        let said = format!(
            "{}: {}",
            condition.reason.as_deref().unwrap_or_default(),
            condition.message.as_deref().unwrap_or_default()
        );
        Some(
            Draft::cause(code, severity, itself, sentence)
                .evidence(format!("{itself} status.conditions[{}]", condition.type_), said),
        )
    });
    told.collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::fixture::{findings, roots};

    #[test]
    fn node_conditions() {
        for (kind, status, expected) in [
            ("Ready", "True", vec![]),
            ("Ready", "Unknown", vec!["node_not_ready Node n1"]),
            ("DiskPressure", "True", vec!["node_disk_pressure Node n1"]),
            ("MemoryPressure", "False", vec![]),
        ] {
            let node = json!({"kind": "Node", "metadata": {"name": "n1"}, "status": {"conditions": [{"type": kind, "status": status}]}});
            assert_eq!(roots(vec![node]), expected, "{kind} {status}");
        }
    }

    #[test]
    fn a_cordoned_node_alone_is_a_notice() {
        let node = json!({"kind": "Node", "metadata": {"name": "n1"}, "spec": {"unschedulable": true}});
        assert_eq!(roots(vec![node.clone()]), Vec::<String>::new());
        assert_eq!(findings(vec![node])[0].code, "node_cordoned");
    }
}
