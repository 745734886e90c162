//! Pods that no node takes. Knows the messages of the scheduler's plugins; volumes that are not bound are
//! `storage`'s matter.

use std::sync::LazyLock;

use jiff::SignedDuration;
use k8s_openapi::{api::core::v1::PodSpec, apimachinery::pkg::api::resource::Quantity};
use regex::Regex;
use serde_json::json;

use crate::cluster::state::Pod;
use crate::finding::{Resource, Severity};

use super::{
    change::Change,
    draft::Draft,
    index::{Index, condition, is_editable, is_live, is_ready, name, phase, pod_resource, spec_path},
    node_capacity, node_constraints,
    patterns::pattern,
};

/// A pending pod that the scheduler could not place (`PodScheduled` is `False`, reason `Unschedulable`; the message
/// lists how many nodes each plugin refused) or that no scheduler looks at. Of several reasons the one that refuses
/// most nodes is told; the taint of control-plane nodes only where it is the only one. Wrong while the cluster
/// autoscaler is about to add a node.
pub(super) fn check(index: &Index<'_>, drafts: &mut Vec<Draft>) {
    for pod in index.state.pods.iter().filter(|pod| is_live(pod) && phase(pod) == "Pending") {
        let Some(spec) = &pod.spec else { continue };
        let draft = match condition(pod, "PodScheduled") {
            Some(("False", "Unschedulable", said)) => refused(index, pod, spec, said).map(|draft| {
                draft.evidence(format!("{} status.conditions[PodScheduled]", pod_resource(pod)), said)
            }),
            Some(("False", "SchedulingGated", _)) => Some(gated(index, pod, spec)),
            None if pod.node.is_none() => unseen(index, pod, spec),
            _ => None,
        };
        drafts.extend(draft.map(|draft| draft.seen_on(pod_resource(pod)).hurts(&index.owner(pod))));
    }
}

/// Nobody has looked at the pod: its `schedulerName` is one that does not run. The default scheduler would have set a
/// condition within a second. Told by there being no condition, no event and no pod that this scheduler placed.
fn unseen(index: &Index<'_>, pod: &Pod, spec: &PodSpec) -> Option<Draft> {
    let scheduler = spec.scheduler_name.as_deref().unwrap_or("default-scheduler");
    let placed = index
        .state
        .pods
        .iter()
        .filter(|other| other.node.is_some())
        .filter_map(|other| other.spec.as_ref())
        .any(|spec| spec.scheduler_name.as_deref() == Some(scheduler));
    if placed || index.object_age(&pod.metadata) < SignedDuration::from_secs(30) {
        return None;
    }
    let owner = index.owner(pod);
    let sentence = format!(
        "Pods of `{}` ask for the scheduler `{scheduler}`, which does not run in this cluster, so nothing places them.",
        owner.name
    );
    let field = format!("{owner} {}.schedulerName", spec_path(&owner));
    let command = Change::pod_spec(&owner, "replace", "schedulerName", Some(json!("default-scheduler")));
    Some(
        Draft::cause("unknown_scheduler_name", severity(index, &owner), &owner, sentence)
            .evidence(field, scheduler)
            .evidence(format!("{} status", pod_resource(pod)), "phase: Pending, no conditions, no events")
            .fix("Use the default scheduler, or start the one that is named.", command),
    )
}

/// A pod with `schedulingGates` is not looked at until whoever set them lifts them (concept "Pod Scheduling Readiness").
fn gated(index: &Index<'_>, pod: &Pod, spec: &PodSpec) -> Draft {
    let owner = index.owner(pod);
    let gates: Vec<&str> = spec.scheduling_gates.iter().flatten().map(|gate| gate.name.as_str()).collect();
    let sentence =
        format!("Pods of `{}` wait for the scheduling gate `{}` to be lifted.", owner.name, gates.join(", "));
    Draft::cause("scheduling_gated", Severity::Warning, &owner, sentence).likely()
}

pub(super) fn severity(index: &Index<'_>, owner: &Resource) -> Severity {
    let serving = index.pods_of(owner).iter().any(|pod| is_ready(pod));
    if serving { Severity::Warning } else { Severity::Critical }
}

/// The reasons in a scheduler's message with the number of nodes each refuses.
fn reasons(said: &str) -> Vec<(u32, &str)> {
    static COUNTED: LazyLock<Regex> = LazyLock::new(|| pattern(r"^(\d+) (.+?)\.?$"));
    let said = said.split(" preemption:").next().unwrap_or(said);
    let list = said.split_once("nodes are available: ").map_or(said, |(_, list)| list);
    let list = list.split(". ").next().unwrap_or(list);
    let parts = list.split(", ").filter_map(|part| {
        let groups = COUNTED.captures(part)?;
        Some((groups.get(1)?.as_str().parse().ok()?, groups.get(2)?.as_str()))
    });
    parts.collect()
}

fn refused(index: &Index<'_>, pod: &Pod, spec: &PodSpec, said: &str) -> Option<Draft> {
    let owner = index.owner(pod);
    let all = reasons(said);
    let expected = |reason: &str| {
        reason.contains("node-role.kubernetes.io/control-plane")
            || reason.contains("node-role.kubernetes.io/master")
    };
    let real: Vec<_> = all.iter().filter(|(_, reason)| !expected(reason)).copied().collect();
    // Nodes without the labels are out by choice, and one reserves a node by a taint on purpose: where something else
    // keeps the pod from the nodes that are left, that is told.
    let placeable = index.state.nodes.iter().any(|node| node_constraints::admits(spec, node));
    let by_choice = |reason: &str| {
        let labels = reason.contains("node affinity/selector");
        if placeable { u8::from(labels) * 2 + u8::from(reason.contains("taint")) } else { u8::from(!labels) }
    };
    let weight = |(count, reason): &&(u32, &str)| (std::cmp::Reverse(by_choice(reason)), *count);
    let (_, reason) = real.iter().max_by_key(weight).or_else(|| all.iter().max_by_key(weight)).copied()?;
    let told = match reason {
        _ if reason.starts_with("Insufficient ") => {
            insufficient(index, &owner, pod, spec, reason.trim_start_matches("Insufficient "))
        }
        "Too many pods" => plain(
            index,
            &owner,
            "node_pod_limit_reached",
            "the nodes already run as many pods as they may",
            "Add a node, or raise maxPods of the kubelets.",
        ),
        _ if reason.contains("node affinity/selector") => node_constraints::selector(index, &owner, spec),
        _ if reason.contains("untolerated taint") => node_constraints::taint(index, &owner, spec, reason),
        _ if reason.contains("unschedulable") => node_constraints::cordoned(index, &owner)?,
        _ if reason.contains("pod anti-affinity rules") => node_constraints::anti_affinity(index, &owner),
        _ if reason.contains("pod affinity rules") => plain(
            index,
            &owner,
            "pod_affinity_unsatisfiable",
            "no node runs the pods that its required podAffinity asks for",
            "Start those pods, or make the rule preferred.",
        ),
        _ if reason.contains("topology spread") => plain(
            index,
            &owner,
            "topology_spread_unsatisfiable",
            &format!("its topologySpreadConstraints ({}) allow no node", spread(spec)),
            "Set whenUnsatisfiable to ScheduleAnyway, add nodes, or leave out tainted ones with nodeTaintsPolicy: Honor.",
        ),
        _ if reason.contains("free ports") => node_constraints::host_port(index, pod, &owner, spec),
        _ if reason.contains("volume node affinity conflict") => plain(
            index,
            &owner,
            "volume_node_affinity_conflict",
            "its volume can only be used on nodes that do not take it, such as those of another zone",
            "Run the pod where the volume is, or recreate the volume there.",
        ),
        _ if reason.contains("exceed max volume count") => plain(
            index,
            &owner,
            "node_volume_limit_reached",
            "the nodes have as many volumes attached as they may",
            "Add a node.",
        ),
        _ => return None,
    };
    Some(told)
}

/// `maxSkew 1 over kubernetes.io/hostname, DoNotSchedule`.
fn spread(spec: &PodSpec) -> String {
    let hard = spec
        .topology_spread_constraints
        .iter()
        .flatten()
        .filter(|rule| rule.when_unsatisfiable == "DoNotSchedule");
    let told = hard
        .map(|rule| format!("`maxSkew: {}` over `{}`, `DoNotSchedule`", rule.max_skew, rule.topology_key));
    told.collect::<Vec<_>>().join("; ")
}

pub(super) fn plain(index: &Index<'_>, owner: &Resource, code: &str, why: &str, todo: &str) -> Draft {
    let sentence = format!("No node takes a pod of `{}`: {why}.", owner.name);
    Draft::cause(code, severity(index, owner), owner, sentence).fix(todo, "")
}

/// A quantity in units: bytes, cores, pieces.
pub(super) fn amount(quantity: &Quantity) -> f64 {
    let text = quantity.0.trim();
    let split = text.find(|letter: char| !(letter.is_ascii_digit() || letter == '.')).unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let number: f64 = number.parse().unwrap_or(0.0);
    let factor = match unit {
        "m" => 1e-3,
        "k" => 1e3,
        "M" => 1e6,
        "G" => 1e9,
        "T" => 1e12,
        "Ki" => 1024.0,
        "Mi" => 1024.0 * 1024.0,
        "Gi" => 1024.0 * 1024.0 * 1024.0,
        "Ti" => 1024.0 * 1024.0 * 1024.0 * 1024.0,
        _ => 1.0,
    };
    number * factor
}

/// More is requested than a node has left. Requests count, not use (concept "Resource Management"). The smallest change is
/// a request that the emptiest node could take.
fn insufficient(index: &Index<'_>, owner: &Resource, pod: &Pod, spec: &PodSpec, what: &str) -> Draft {
    let request = |container: &k8s_openapi::api::core::v1::Container| {
        container.resources.as_ref()?.requests.as_ref()?.get(what).cloned()
    };
    let containers = spec.containers.iter();
    let requests: Vec<(String, Quantity)> =
        containers.filter_map(|container| Some((container.name.clone(), request(container)?))).collect();
    let wanted = node_capacity::requested(pod, what);
    let told: Vec<String> = requests.iter().map(|(_, quantity)| quantity.0.clone()).collect();
    // The others are out of the question, however large they are.
    let able = |node: &k8s_openapi::api::core::v1::Node| {
        node_constraints::admits(spec, node) && node_constraints::tolerated(spec, node)
    };
    let any = index.state.nodes.iter().any(able);
    let nodes = index
        .state
        .nodes
        .iter()
        .filter(|node| !any || able(node))
        .filter(|node| node.spec.as_ref().is_none_or(|spec| spec.unschedulable != Some(true)));
    let best = nodes
        .map(|node| {
            (node_capacity::offers(node, what), node_capacity::free(index, node, what), name(&node.metadata))
        })
        .max_by(|(_, one, _), (_, other, _)| one.total_cmp(other));
    let asks = format!("Pods of `{}` request `{}` {what}", owner.name, told.join(" + "));
    let sentence = match best {
        Some((offers, ..)) if offers < wanted => {
            format!("{asks}, but the largest node offers `{}`.", readable(offers, what))
        }
        Some((_, free, node)) => format!(
            "{asks}, and no node has that much left unreserved: `{node}` has the most, `{}`.",
            readable(free.max(0.0), what)
        ),
        None => format!("{asks}, and no node has that much left unreserved."),
    };
    let field = format!("{owner} {}.containers[].resources.requests.{what}", spec_path(owner));
    let code = format!("insufficient_{}", what.replace(['-', '.', '/'], "_"));
    let draft = Draft::cause(&code, severity(index, owner), owner, sentence).evidence(field, told.join(", "));
    let draft = match best {
        Some((offers, free, node)) => draft.evidence(
            format!("Node {node} status.allocatable.{what}"),
            format!("{}, {} of it not requested", readable(offers, what), readable(free.max(0.0), what)),
        ),
        None => draft,
    };
    let mut draft = draft;
    draft = match preempted(index, owner) {
        Some((by, said)) => {
            draft.finding.summary = crate::redact::Redacted::new(format!(
                "{} Its pod had to go for {by}, which has a higher priority.",
                draft.finding.summary
            ));
            draft.finding.code = "preempted_by_higher_priority".to_owned();
            draft.evidence(format!("events on pods of {owner}"), said)
        }
        None => draft,
    };
    let summary = format!("Lower the {what} request to what a node can give, or add a larger node.");
    match requests.first().filter(|_| is_editable(owner)) {
        Some((container, own)) => {
            // The other containers keep theirs.
            let room = best.map_or(0.0, |(_, free, _)| free) - (wanted - amount(own));
            let fitting = fitting(room, what).unwrap_or_else(|| "<less>".to_owned());
            draft.fix(summary, Change::set_resources(owner, container, "requests", what, &fitting))
        }
        None => draft.fix(summary, ""),
    }
}

/// Who took the place of a pod of this workload within the hour (`Preempted`, from the scheduler; concept "Pod Priority and
/// Preemption").
fn preempted(index: &Index<'_>, owner: &Resource) -> Option<(String, String)> {
    static BY: LazyLock<Regex> =
        LazyLock::new(|| pattern(r"Preempted by pod (\S+) on node|Preempted by (\S+) on node"));
    let pods = index.workload(owner)?.resource.name.clone();
    let event = index.state.events.iter().rev().find(|event| {
        let about = &event.involved_object;
        let its = about.namespace == owner.namespace
            && about.name.as_deref().is_some_and(|name| name.starts_with(&format!("{pods}-")));
        let recent =
            super::index::event_time(event).is_none_or(|at| index.age(at) < SignedDuration::from_hours(1));
        super::index::reason(event) == "Preempted" && its && recent
    })?;
    let said = super::index::message(event);
    let id = crate::analyzers::patterns::first_group(&BY, said)?;
    let by = index
        .state
        .pods
        .iter()
        .find(|pod| pod.metadata.uid.as_deref() == Some(id) || id.ends_with(name(&pod.metadata)));
    let who = by.map_or_else(
        || "another pod".to_owned(),
        |pod| {
            let other = index.owner(pod);
            format!("{} `{}`", other.kind, other.name)
        },
    );
    Some((who, said.to_owned()))
}

/// The largest round request that fits into `room`; none where nothing sensible does.
fn fitting(room: f64, what: &str) -> Option<String> {
    let (unit, name, least) = match what {
        "cpu" => (0.001, "m", 10.0),
        "memory" | "ephemeral-storage" => (1024.0 * 1024.0, "Mi", 16.0),
        _ => (1.0, "", 1.0),
    };
    let count = (room / unit).floor();
    let step = if count >= 100.0 { 50.0 } else { 1.0 };
    let count = (count / step).floor() * step;
    (count >= least).then(|| format!("{count:.0}{name}"))
}

/// An amount as people write it: memory in Gi or Mi, CPU in cores.
fn readable(value: f64, what: &str) -> String {
    let mega = 1024.0 * 1024.0;
    match what {
        "memory" | "ephemeral-storage" if value >= 1024.0 * mega => {
            format!("{:.1}Gi", value / (1024.0 * mega))
        }
        "memory" | "ephemeral-storage" => format!("{:.0}Mi", value / mega),
        "cpu" if value.fract() != 0.0 => format!("{:.0}m", value * 1000.0),
        _ => format!("{value:.0}"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::fixture::{deployment, roots};
    use super::*;

    fn pending(container: &Value, spec: &Value, reason: &str, node: &Value) -> Vec<String> {
        let mut objects = deployment(container, &json!({}), spec);
        objects[2]["status"] = json!({"phase": "Pending", "conditions": [{"type": "PodScheduled", "status": "False",
            "reason": "Unschedulable", "message": format!("0/1 nodes are available: {reason}. preemption: 0/1 nodes are available: 1 Preemption is not helpful for scheduling.")}]});
        objects.push(
            json!({"kind": "Node", "metadata": {"name": "n1", "labels": {"disk": "hdd"}}, "spec": node,
            "status": {"allocatable": {"cpu": "2", "memory": "8Gi"}}}),
        );
        roots(objects)
    }

    #[test]
    fn reasons_of_the_scheduler() {
        let nothing = json!({});
        let taint = json!({"taints": [{"key": "dedicated", "value": "gpu", "effect": "NoSchedule"}]});
        let cordoned = json!({"unschedulable": true, "taints": [{"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"}]});
        for (reason, node, expected) in [
            ("1 Insufficient cpu", &nothing, "insufficient_cpu Deployment shop/web"),
            ("1 Insufficient memory", &nothing, "insufficient_memory Deployment shop/web"),
            (
                "1 node(s) didn't match Pod's node affinity/selector",
                &nothing,
                "node_selector_mismatch Deployment shop/web",
            ),
            ("1 node(s) had untolerated taint(s)", &taint, "taint_not_tolerated Node n1"),
            ("1 node(s) had untolerated taint {dedicated: gpu}", &taint, "taint_not_tolerated Node n1"),
            ("1 node(s) were unschedulable", &cordoned, "node_cordoned Node n1"),
            ("1 node(s) had untolerated taint(s)", &cordoned, "node_cordoned Node n1"),
            (
                "1 node(s) didn't match pod anti-affinity rules",
                &nothing,
                "pod_anti_affinity_unsatisfiable Deployment shop/web",
            ),
            (
                "1 node(s) didn't have free ports for the requested pod ports",
                &nothing,
                "host_port_conflict Deployment shop/web",
            ),
            (
                "1 node(s) had volume node affinity conflict",
                &nothing,
                "volume_node_affinity_conflict Deployment shop/web",
            ),
            ("1 Too many pods", &nothing, "node_pod_limit_reached Deployment shop/web"),
        ] {
            assert_eq!(
                pending(&json!({}), &json!({"nodeSelector": {"disk": "ssd"}}), reason, node),
                [expected],
                "{reason}"
            );
        }
    }

    #[test]
    fn the_reason_of_most_nodes_counts_and_the_control_plane_is_no_fault() {
        let said = "0/3 nodes are available: 1 node(s) had untolerated taint {node-role.kubernetes.io/control-plane: }, 2 Insufficient cpu. preemption: no.";
        assert_eq!(
            reasons(said),
            [
                (1, "node(s) had untolerated taint {node-role.kubernetes.io/control-plane: }"),
                (2, "Insufficient cpu")
            ]
        );
    }

    #[test]
    fn a_scheduler_that_does_not_run() {
        let mut objects = deployment(&json!({}), &json!({}), &json!({"schedulerName": "mine"}));
        objects[2]["status"] = json!({"phase": "Pending"});
        assert_eq!(roots(objects.clone()), ["unknown_scheduler_name Deployment shop/web"]);
        let mut placed = objects[2].clone();
        placed["metadata"]["name"] = json!("web-2");
        placed["spec"]["nodeName"] = json!("n1");
        objects.push(placed);
        assert!(!roots(objects).contains(&"unknown_scheduler_name Deployment shop/web".to_owned()));
    }

    #[test]
    fn quantities() {
        for (text, expected) in [("100m", 0.1), ("2", 2.0), ("1Ki", 1024.0), ("1.5G", 1.5e9)] {
            assert!((amount(&Quantity(text.into())) - expected).abs() < 1e-9, "{text}");
        }
    }
}
