//! Why nodes refuse a pod that has room: labels, taints, cordons, anti-affinity, host ports. Asked by `scheduling`, which
//! knows the scheduler's messages.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{Node, NodeSelectorRequirement, PodSpec, Taint};
use serde_json::json;

use crate::cluster::state::Pod;
use crate::finding::{Confidence, Resource};

use super::{
    change::Change,
    draft::Draft,
    index::{Index, is_live, kubectl_name, labels, name, spec_path},
    lookalike::{near, nearest},
    scheduling::{plain, severity},
};

/// No node has the labels that `nodeSelector` or required node affinity asks for.
pub(super) fn selector(index: &Index<'_>, owner: &Resource, spec: &PodSpec) -> Draft {
    let wanted: Vec<String> =
        spec.node_selector.iter().flatten().map(|(key, value)| format!("{key}={value}")).collect();
    let required = spec.affinity.as_ref().and_then(|affinity| {
        affinity.node_affinity.as_ref()?.required_during_scheduling_ignored_during_execution.as_ref()
    });
    let terms: Vec<String> = required
        .iter()
        .flat_map(|required| &required.node_selector_terms)
        .flat_map(|term| term.match_expressions.iter().flatten())
        .map(|rule| {
            format!(
                "{} {} {}",
                rule.key,
                rule.operator,
                rule.values.iter().flatten().cloned().collect::<Vec<_>>().join(",")
            )
        })
        .collect();
    let asked = if wanted.is_empty() { terms.join("; ") } else { wanted.join(",") };
    let sentence = format!(
        "Pods of `{}` may only run on nodes labelled `{asked}`, and no node is{}.",
        owner.name,
        has_instead(index, spec)
    );
    let field = if wanted.is_empty() { "affinity.nodeAffinity" } else { "nodeSelector" };
    let draft = Draft::cause("node_selector_mismatch", severity(index, owner), owner, sentence)
        .evidence(format!("{owner} {}.{field}", spec_path(owner)), &asked);
    match spec.node_selector.as_ref().and_then(|selector| selector.iter().next()) {
        Some((key, value)) => {
            let remove = Change::pod_spec(owner, "remove", "nodeSelector", None);
            draft.fix(
                format!("Remove the selector, or label a node: kubectl label node <node> {key}={value}"),
                remove,
            )
        }
        None => draft.fix("Correct the node affinity, or label a node.", ""),
    }
}

/// Whether a node has what `nodeSelector` and required node affinity ask for (concept "Assigning Pods to Nodes").
pub(super) fn admits(spec: &PodSpec, node: &Node) -> bool {
    let own = labels(&node.metadata);
    let selected = spec.node_selector.iter().flatten().all(|(key, value)| own.get(key) == Some(value));
    let required = spec.affinity.as_ref().and_then(|affinity| {
        affinity.node_affinity.as_ref()?.required_during_scheduling_ignored_during_execution.as_ref()
    });
    let by_name = BTreeMap::from([("metadata.name".to_owned(), name(&node.metadata).to_owned())]);
    selected
        && required.is_none_or(|required| {
            required.node_selector_terms.iter().any(|term| {
                term.match_expressions.iter().flatten().all(|rule| holds(rule, own))
                    && term.match_fields.iter().flatten().all(|rule| holds(rule, &by_name))
            })
        })
}

fn holds(rule: &NodeSelectorRequirement, own: &BTreeMap<String, String>) -> bool {
    let value = own.get(&rule.key);
    let among = value.is_some_and(|value| rule.values.iter().flatten().any(|other| other == value));
    let bound = rule.values.iter().flatten().next().and_then(|bound| bound.parse::<i64>().ok());
    let number = value.and_then(|value| value.parse::<i64>().ok());
    match rule.operator.as_str() {
        "In" => among,
        "NotIn" => !among,
        "Exists" => value.is_some(),
        "DoesNotExist" => value.is_none(),
        "Gt" => number.zip(bound).is_some_and(|(number, bound)| number > bound),
        "Lt" => number.zip(bound).is_some_and(|(number, bound)| number < bound),
        _ => false,
    }
}

/// What the nodes have under the label that is asked for, or a label of a near name.
fn has_instead(index: &Index<'_>, spec: &PodSpec) -> String {
    let labels: BTreeMap<&str, &str> = index
        .state
        .nodes
        .iter()
        .flat_map(|node| node.metadata.labels.iter().flatten())
        .map(|(key, value)| (key.as_str(), value.as_str()))
        .collect();
    for (key, _) in spec.node_selector.iter().flatten() {
        if let Some(value) = labels.get(key.as_str()) {
            return format!("; one has `{key}={value}`");
        }
        if let Some(near) = nearest(key, labels.keys().copied()) {
            return format!("; one has the label `{near}`");
        }
    }
    String::new()
}

fn tolerates(spec: &PodSpec, taint: &Taint) -> bool {
    spec.tolerations.iter().flatten().any(|toleration| {
        let any = toleration.key.as_deref().unwrap_or_default().is_empty();
        let same_key = any || toleration.key.as_deref() == Some(&taint.key);
        let same_effect =
            toleration.effect.as_deref().is_none_or(|effect| effect.is_empty() || effect == taint.effect);
        let exists = toleration.operator.as_deref() == Some("Exists") || any;
        same_key
            && same_effect
            && (exists
                || toleration.value.as_deref().unwrap_or_default()
                    == taint.value.as_deref().unwrap_or_default())
    })
}

/// Whether the pod tolerates every taint of the node that keeps pods out.
pub(super) fn tolerated(spec: &PodSpec, node: &Node) -> bool {
    let taints = node.spec.as_ref().and_then(|spec| spec.taints.as_deref()).unwrap_or_default();
    taints.iter().all(|taint| taint.effect == "PreferNoSchedule" || tolerates(spec, taint))
}

/// Taints that the control plane sets by itself: their cause is the node's state.
fn is_automatic(key: &str) -> bool {
    key.starts_with("node.kubernetes.io/") || key.starts_with("node.cloudprovider.kubernetes.io/")
}

/// A taint that the pod does not tolerate. Where every node has one, an ordinary pod has no place left and the node is
/// what changed; where other nodes are free of it, the workload is told. A toleration may be what is wanted instead.
pub(super) fn taint(index: &Index<'_>, owner: &Resource, spec: &PodSpec, reason: &str) -> Draft {
    let keeps_out = |node: &Node| {
        let taints = node.spec.as_ref().and_then(|spec| spec.taints.as_deref()).unwrap_or_default();
        taints.iter().find(|taint| taint.effect != "PreferNoSchedule" && !tolerates(spec, taint)).cloned()
    };
    let keeping_out = |labelled: bool| -> Vec<_> {
        let nodes = index.state.nodes.iter().filter(|node| !labelled || admits(spec, node));
        nodes.filter_map(|node| Some((node, keeps_out(node)?))).collect()
    };
    let mut tainted = keeping_out(true);
    if tainted.is_empty() {
        tainted = keeping_out(false);
    }
    let Some((node, taint)) = tainted.first() else {
        return plain(
            index,
            owner,
            "taint_not_tolerated",
            &format!("the scheduler says: {reason}"),
            "Tolerate the taint, or remove it from the node.",
        );
    };
    if taint.key == "node.kubernetes.io/unschedulable" {
        return cordoned(index, owner).unwrap_or_else(|| {
            plain(index, owner, "node_cordoned", "its node is cordoned", "Uncordon the node.")
        });
    }
    let value = taint.value.as_deref().map(|value| format!("={value}")).unwrap_or_default();
    let shown = format!("{}{value}:{}", taint.key, taint.effect);
    let machine = name(&node.metadata);
    let sentence =
        format!("Node `{machine}` has the taint `{shown}`, which pods of `{}` do not tolerate.", owner.name);
    if let Some(draft) = near_toleration(index, owner, spec, node, taint, &shown) {
        return draft;
    }
    let node_resource = Resource::global("Node", machine);
    let everywhere = tainted.len() == index.state.nodes.len();
    let resource =
        if everywhere && !is_automatic(&taint.key) { node_resource.clone() } else { owner.clone() };
    let mut draft = Draft::cause("taint_not_tolerated", severity(index, owner), &resource, sentence)
        .evidence(format!("{node_resource} spec.taints"), &shown)
        .about(&taint.key);
    if is_automatic(&taint.key) {
        draft = draft.blames(&node_resource);
    }
    if is_automatic(&taint.key) {
        draft.rank = super::draft::Rank::Dependency;
        return draft.fix("Mend the node: this taint goes when it is well.", "");
    }
    let command = format!("kubectl taint node {machine} {}{value}:{}-", taint.key, taint.effect);
    draft
        .fix(
            "Remove the taint if the node is meant for ordinary pods; else give the workload a toleration.",
            command,
        )
        .risk("Somebody may have reserved the node with that taint.")
}

/// A toleration for that very taint which does not hold, since its value or effect is another: that is what was meant.
fn near_toleration(
    index: &Index<'_>,
    owner: &Resource,
    spec: &PodSpec,
    node: &Node,
    taint: &Taint,
    shown: &str,
) -> Option<Draft> {
    let own = index.workload(owner).map_or(spec, |workload| workload.pod);
    let mut tolerations = own.tolerations.iter().flatten().enumerate();
    let (place, toleration) = tolerations.find(|(_, toleration)| {
        toleration.key.as_deref().is_some_and(|key| key == taint.key || near(key, &taint.key))
    })?;
    let effect = toleration.effect.as_deref().filter(|effect| !effect.is_empty() && *effect != taint.effect);
    let value = toleration.value.as_deref().unwrap_or_default();
    let other_key = toleration.key.as_deref().filter(|key| *key != taint.key);
    let (field, wrong, right) = match effect {
        _ if other_key.is_some() => ("key", other_key.unwrap_or_default(), taint.key.as_str()),
        Some(effect) => ("effect", effect, taint.effect.as_str()),
        None => ("value", value, taint.value.as_deref().unwrap_or_default()),
    };
    let machine = name(&node.metadata);
    let sentence = format!(
        "Node `{machine}` has the taint `{shown}`; the toleration of `{}` for it has the {field} `{wrong}` and does not hold.",
        owner.name
    );
    let change =
        Change::pod_spec(owner, "replace", &format!("tolerations/{place}/{field}"), Some(json!(right)));
    Some(
        Draft::cause("taint_not_tolerated", severity(index, owner), owner, sentence)
            .evidence(format!("Node {machine} spec.taints"), shown)
            .evidence(format!("{owner} {}.tolerations[{place}].{field}", spec_path(owner)), wrong)
            .fix(format!("Tolerate `{shown}`, if the workload is meant for that node."), change)
            .about(&taint.key),
    )
}

/// `kubectl uncordon`.
pub(super) fn uncordon(node: &Resource) -> Change {
    Change::merge(node, &json!({"spec": {"unschedulable": null}}))
        .told_as(format!("kubectl uncordon {}", node.name))
}

/// `kubectl cordon` sets spec.unschedulable; drains and some autoscalers do too.
pub(super) fn cordoned(index: &Index<'_>, owner: &Resource) -> Option<Draft> {
    let node = index
        .state
        .nodes
        .iter()
        .find(|node| node.spec.as_ref().and_then(|spec| spec.unschedulable) == Some(true))?;
    let machine = name(&node.metadata);
    let resource = Resource::global("Node", machine);
    let sentence =
        format!("Node `{machine}` is cordoned, so new pods of `{}` have no node to go to.", owner.name);
    Some(
        Draft::cause("node_cordoned", severity(index, owner), &resource, sentence)
            .evidence(format!("{resource} spec.unschedulable"), "true")
            .fix("Uncordon the node when its maintenance is over.", uncordon(&resource))
            .risk("Somebody may be working on the node."),
    )
}

/// Required podAntiAffinity over nodes allows one pod for each node: more pods than nodes never fit (concept "Assigning Pods to
/// Nodes"). Wrong while a node is about to be added.
pub(super) fn anti_affinity(index: &Index<'_>, owner: &Resource) -> Draft {
    let nodes = index.state.nodes.len();
    let wanted = index.workload(owner).map_or(0, |workload| workload.desired);
    let sentence = format!(
        "`{}` wants `{wanted}` pods that may not share a node (required podAntiAffinity), and the cluster has `{nodes}` node{}.",
        owner.name,
        if nodes == 1 { "" } else { "s" }
    );
    let field = format!("{owner} {}.affinity.podAntiAffinity", spec_path(owner));
    Draft::cause("pod_anti_affinity_unsatisfiable", severity(index, owner), owner, sentence)
        .evidence(field, "requiredDuringSchedulingIgnoredDuringExecution")
        .fix("Make the rule preferred, or want no more pods than there are nodes.", {
            let space = owner.namespace.as_deref().unwrap_or_default();
            if matches!(owner.kind.as_str(), "Deployment" | "StatefulSet") {
                let command = format!("kubectl -n {space} scale {} --replicas={nodes}", kubectl_name(owner));
                Change::merge(owner, &json!({"spec": {"replicas": nodes}})).told_as(command)
            } else {
                Change::default()
            }
        })
}

/// Two pods of one node cannot have the same hostPort.
pub(super) fn host_port(index: &Index<'_>, pod: &Pod, owner: &Resource, spec: &PodSpec) -> Draft {
    let ports = |spec: &PodSpec| -> Vec<i32> {
        spec.containers
            .iter()
            .flat_map(|container| container.ports.iter().flatten())
            .filter_map(|port| port.host_port)
            .collect()
    };
    let wanted = ports(spec);
    let holder = index
        .state
        .pods
        .iter()
        .filter(|other| {
            is_live(other) && other.metadata.uid != pod.metadata.uid
                || other.metadata.name != pod.metadata.name
        })
        .find_map(|other| {
            other.node.as_ref()?;
            let shared = ports(other.spec.as_ref()?).into_iter().find(|port| wanted.contains(port))?;
            Some((index.owner(other), shared))
        });
    let shown = wanted.iter().map(i32::to_string).collect::<Vec<_>>().join(", ");
    let sentence = match &holder {
        Some((other, port)) => format!(
            "`{}` wants hostPort `{port}`, which {} `{}` already has on the node.",
            owner.name, other.kind, other.name
        ),
        None => format!("`{}` wants hostPort `{shown}`, which is taken on every node.", owner.name),
    };
    let draft = Draft::cause("host_port_conflict", severity(index, owner), owner, sentence)
        .evidence(format!("{owner} {}.containers[].ports[].hostPort", spec_path(owner)), shown)
        .fix("Use another hostPort, or none and a Service instead.", "");
    match holder {
        Some((other, port)) => draft.evidence(
            format!("{other} {}.containers[].ports[].hostPort", spec_path(&other)),
            port.to_string(),
        ),
        None => draft.confidence(Confidence::Likely),
    }
}
