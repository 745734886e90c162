//! Workloads that have too few pods: DaemonSets without nodes, stuck rollouts, and the plain fact. Knows the conditions
//! of the controllers; pods that are turned away are `admission`'s matter.

use jiff::SignedDuration;
use serde_json::json;

use crate::finding::{Confidence, Resource, Severity};

use super::{
    change::Change,
    draft::{Draft, Rank},
    index::{Index, is_live, is_owned, is_ready, labels, name, namespace, pod_resource},
    node_constraints,
};

/// How long a workload may take before it counts as short of pods.
const PATIENCE: SignedDuration = SignedDuration::from_mins(2);

pub(super) fn check(index: &Index<'_>, drafts: &mut Vec<Draft>) {
    daemon_sets(index, drafts);
    tainted_nodes(index, drafts);
    rollouts(index, drafts);
    unavailable(index, drafts);
}

/// A DaemonSet that wants no pod at all, because no node has the labels it asks for. Providers ship such DaemonSets
/// for nodes that a cluster may get (GPUs, Windows): those are a notice.
fn daemon_sets(index: &Index<'_>, drafts: &mut Vec<Draft>) {
    for workload in index
        .workloads()
        .iter()
        .filter(|workload| workload.resource.kind == "DaemonSet" && workload.desired == 0)
    {
        let Some(selector) = workload.pod.node_selector.as_ref().filter(|selector| !selector.is_empty())
        else {
            continue;
        };
        let fits =
            index.state.nodes.iter().any(|node| {
                selector.iter().all(|(key, value)| labels(&node.metadata).get(key) == Some(value))
            });
        if fits
            || index.state.nodes.is_empty()
            || index.object_age(workload.meta) < SignedDuration::from_secs(30)
        {
            continue;
        }
        let optional =
            |key: &String| ["kubernetes.io/os", "gpu", "accelerator"].iter().any(|word| key.contains(word));
        let provided = workload.namespace() == "kube-system" || selector.keys().any(optional);
        let severity = if provided { Severity::Notice } else { Severity::Warning };
        let shown =
            selector.iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join(",");
        let sentence = format!(
            "DaemonSet `{}` runs on no node: it asks for the label `{shown}`, which no node has.",
            workload.resource.name
        );
        let command = Change::pod_spec(&workload.resource, "remove", "nodeSelector", None);
        drafts.push(
            Draft::cause("daemonset_node_selector_mismatch", severity, &workload.resource, sentence)
                .evidence(format!("{} spec.template.spec.nodeSelector", workload.resource), &shown)
                .evidence(format!("{} status.desiredNumberScheduled", workload.resource), "0")
                .fix(
                    format!(
                        "Remove the selector, or label the nodes it is for: kubectl label node <node> {shown}"
                    ),
                    command,
                ),
        );
    }
}

/// Nodes that have the labels a DaemonSet asks for and a taint that it does not tolerate: they get no pod, on purpose or not,
/// so a notice. The control plane's own taints are left out.
fn tainted_nodes(index: &Index<'_>, drafts: &mut Vec<Draft>) {
    for workload in index.workloads().iter().filter(|workload| workload.resource.kind == "DaemonSet") {
        let out = index.state.nodes.iter().filter(|node| {
            let own = labels(&node.metadata).keys().any(|key| key.starts_with("node-role.kubernetes.io/"));
            !own && node_constraints::admits(workload.pod, node)
                && !node_constraints::tolerated(workload.pod, node)
        });
        let out: Vec<_> = out
            .filter(|node| node.spec.as_ref().is_none_or(|spec| spec.unschedulable != Some(true)))
            .collect();
        let Some(first) = out.first() else { continue };
        let taints = first.spec.as_ref().and_then(|spec| spec.taints.as_deref()).unwrap_or_default();
        let taint = taints.iter().find(|taint| !taint.key.starts_with("node.kubernetes.io/"));
        let Some(taint) = taint else { continue };
        let value = taint.value.as_deref().map(|value| format!("={value}")).unwrap_or_default();
        let (called, machine) = (&workload.resource.name, name(&first.metadata));
        let more = if out.len() > 1 { format!(" and {} more", out.len() - 1) } else { String::new() };
        let sentence = format!(
            "DaemonSet `{called}` does not run on node `{machine}`{more}: it does not tolerate the taint `{}{value}:{}`.",
            taint.key, taint.effect
        );
        let toleration = json!({"key": taint.key, "operator": "Exists", "effect": taint.effect});
        let change = match &workload.pod.tolerations {
            Some(known) if !known.is_empty() => {
                Change::pod_spec(&workload.resource, "add", "tolerations/-", Some(toleration))
            }
            _ => Change::pod_spec(&workload.resource, "add", "tolerations", Some(json!([toleration]))),
        };
        drafts.push(
            Draft::cause("taint_not_tolerated", Severity::Notice, &workload.resource, sentence)
                .evidence(
                    format!("Node {machine} spec.taints"),
                    format!("{}{value}:{}", taint.key, taint.effect),
                )
                .seen_on(Resource::global("Node", machine))
                .about(taint.key.clone())
                .fix("Tolerate the taint, if the DaemonSet is meant for those nodes.", change),
        );
    }
}

/// A Deployment whose rollout makes no progress (`ProgressDeadlineExceeded`), or is paused with changes waiting.
fn rollouts(index: &Index<'_>, drafts: &mut Vec<Draft>) {
    for deployment in &index.state.deployments {
        let itself =
            Resource::namespaced("Deployment", namespace(&deployment.metadata), name(&deployment.metadata));
        let Some(status) = &deployment.status else { continue };
        let conditions = status.conditions.as_deref().unwrap_or_default();
        let late = conditions
            .iter()
            .find(|condition| condition.reason.as_deref() == Some("ProgressDeadlineExceeded"));
        if let Some(condition) = late {
            let available = status.available_replicas.unwrap_or(0);
            let serving = if available > 0 {
                format!("the old pods ({available}) still serve")
            } else {
                "nothing serves".to_owned()
            };
            let sentence = format!("The rollout of `{}` is stuck: {serving}.", itself.name);
            let severity = if available > 0 { Severity::Warning } else { Severity::Critical };
            drafts.push(
                Draft::symptom(Rank::Workload, "rollout_stuck", severity, &itself, sentence)
                    .evidence(
                        format!("{itself} status.conditions[Progressing]"),
                        condition.message.as_deref().unwrap_or("ProgressDeadlineExceeded"),
                    )
                    .fix(
                        if has_earlier(index, &itself) {
                            "Undo the rollout until its cause is found."
                        } else {
                            "Find its cause; there is no earlier version to go back to."
                        },
                        if has_earlier(index, &itself) {
                            format!(
                                "kubectl -n {} rollout undo deployment/{}",
                                namespace(&deployment.metadata),
                                itself.name
                            )
                        } else {
                            String::new()
                        },
                    ),
            );
        }
        let spec = deployment.spec.as_ref();
        let paused = spec.and_then(|spec| spec.paused) == Some(true);
        let wanted = spec.and_then(|spec| spec.replicas).unwrap_or(1);
        if paused && status.updated_replicas.unwrap_or(0) < wanted {
            let sentence = format!(
                "The rollout of `{}` is paused, so its latest change does not take effect.",
                itself.name
            );
            drafts.push(
                Draft::cause("rollout_paused", Severity::Notice, &itself, sentence)
                    .evidence(format!("{itself} spec.paused"), "true")
                    .fix(
                        "Resume it.",
                        Change::merge(&itself, &json!({"spec": {"paused": null}})).told_as(format!(
                            "kubectl -n {} rollout resume deployment/{}",
                            namespace(&deployment.metadata),
                            itself.name
                        )),
                    ),
            );
        }
    }
}

/// What a StatefulSet waits for: it makes its pods one after another, each after the one before is ready
/// (`podManagementPolicy: OrderedReady`, concept "StatefulSets").
fn behind_an_ordinal(index: &Index<'_>, owner: &Resource, have: usize, wanted: usize) -> String {
    let set = index.state.stateful_sets.iter().find(|set| {
        owner.kind == "StatefulSet"
            && name(&set.metadata) == owner.name
            && Some(namespace(&set.metadata)) == owner.namespace.as_deref()
    });
    let ordered = set
        .and_then(|set| set.spec.as_ref())
        .is_some_and(|spec| spec.pod_management_policy.as_deref() != Some("Parallel"));
    let ordinal = |pod: &&&crate::cluster::state::Pod| {
        name(&pod.metadata)
            .rsplit('-')
            .next()
            .and_then(|number| number.parse::<u32>().ok())
            .unwrap_or(u32::MAX)
    };
    let first = index.pods_of(owner).iter().filter(|pod| is_live(pod) && !is_ready(pod)).min_by_key(ordinal);
    match first {
        Some(pod) if ordered && have < wanted => {
            format!(": it waits for `{}` before it makes the next", name(&pod.metadata))
        }
        _ => String::new(),
    }
}

/// Whether a Deployment has a ReplicaSet beside its newest: without one there is nothing to go back to.
fn has_earlier(index: &Index<'_>, deployment: &Resource) -> bool {
    let owned = index.state.replica_sets.iter().filter(|set| {
        let space = namespace(&set.metadata);
        index.owner_of(space, "ReplicaSet", name(&set.metadata)) == *deployment
    });
    owned.count() > 1
}

/// A workload with fewer ready pods than it wants, minutes after anything changed: the symptom that the causes found
/// elsewhere account for, and the last resort where none was found.
fn unavailable(index: &Index<'_>, drafts: &mut Vec<Draft>) {
    for workload in index.workloads() {
        let is_long_running = matches!(
            workload.resource.kind.as_str(),
            "Deployment" | "StatefulSet" | "DaemonSet" | "ReplicaSet"
        ) && !is_owned(workload.meta);
        let pods: Vec<_> = index.pods_of(&workload.resource).iter().filter(|pod| is_live(pod)).collect();
        let ready = pods.iter().filter(|pod| is_ready(pod)).count();
        let wanted = usize::try_from(workload.desired).unwrap_or(0);
        let mut unready = pods.iter().filter(|pod| !is_ready(pod)).peekable();
        let starting =
            unready.peek().is_some() && unready.all(|pod| index.object_age(&pod.metadata) < PATIENCE);
        let settling = starting || index.object_age(workload.meta) < SignedDuration::from_secs(45);
        if !is_long_running || ready >= wanted || settling {
            continue;
        }
        let severity = if ready == 0 { Severity::Critical } else { Severity::Warning };
        let resource = &workload.resource;
        let sentence = format!(
            "{} `{}` has `{ready}` of `{wanted}` pods ready{}.",
            resource.kind,
            resource.name,
            behind_an_ordinal(index, resource, pods.len(), wanted)
        );
        let draft = Draft::symptom(Rank::Workload, "workload_unavailable", severity, resource, sentence)
            .confidence(Confidence::Certain);
        let draft = pods
            .iter()
            .filter(|pod| !is_ready(pod))
            .fold(draft, |draft, pod| draft.seen_on(pod_resource(pod)));
        drafts.push(draft.evidence(format!("{resource} status"), format!("ready {ready}, wanted {wanted}")));
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::fixture::roots;

    #[test]
    fn a_daemon_set_for_nodes_that_are_not_there() {
        let set = |selector: Value| {
            json!({"kind": "DaemonSet", "metadata": {"name": "agent"}, "spec": {"selector": {}, "template": {"spec": {"nodeSelector": selector, "containers": []}}},
            "status": {"currentNumberScheduled": 0, "desiredNumberScheduled": 0, "numberMisscheduled": 0, "numberReady": 0}})
        };
        let node = json!({"kind": "Node", "metadata": {"name": "n1", "labels": {"disk": "ssd"}}, "status": {"conditions": [{"type": "Ready", "status": "True"}]}});
        assert_eq!(
            roots(vec![set(json!({"edge": "true"})), node.clone()]),
            ["daemonset_node_selector_mismatch DaemonSet shop/agent"]
        );
        assert_eq!(roots(vec![set(json!({"disk": "ssd"})), node]), Vec::<String>::new());
    }
}
