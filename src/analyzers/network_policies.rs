//! NetworkPolicies that keep a client from a Service it needs. Knows the rules of the API, not whether the network
//! plugin enforces them. Asked by `logs` when a client says that it waits in vain: that a policy keeps pods apart is
//! what it is for, so none is a fault by itself.

use std::collections::BTreeMap;

use k8s_openapi::{
    api::networking::v1::{NetworkPolicy, NetworkPolicyPeer, NetworkPolicyPort},
    apimachinery::pkg::util::intstr::IntOrString,
};

use crate::cluster::state::Pod;
use crate::finding::{Resource, Severity};

use super::{
    draft::Draft,
    index::{ContainerView, Index, accepts, labels, name, namespace},
};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Direction {
    Ingress,
    Egress,
}

/// The policy that keeps this container's pod from reaching a Service, if the policies do: pods that a policy selects
/// accept only what some policy allows, and the rules of all policies add up (concept "Network Policies"). Wrong where
/// the network plugin does not enforce policies; the client's timeout is what speaks for it.
pub(super) fn blocked(index: &Index<'_>, view: &ContainerView<'_>, service: &Resource) -> Option<Draft> {
    let target = index.service(service.namespace.as_deref()?, &service.name)?;
    let pods = index.selected_pods(target);
    let server = pods.first()?;
    let port = port_number(target);
    let inward = denying(index, server, view.pod, port, Direction::Ingress);
    let (policy, direction) = match inward {
        Some(policy) => (policy, Direction::Ingress),
        None => (denying(index, view.pod, server, port, Direction::Egress)?, Direction::Egress),
    };
    let itself = Resource::namespaced("NetworkPolicy", namespace(&policy.metadata), name(&policy.metadata));
    let word = if direction == Direction::Ingress { "ingress" } else { "egress" };
    let on = port.map(|port| format!(" on port `{port}`")).unwrap_or_default();
    let meant = near_peer(policy, view.pod)
        .filter(|_| direction == Direction::Ingress)
        .map_or_else(String::new, |(allowed, own)| {
            format!("; it allows `{allowed}`, and the pods have `{own}`")
        });
    let sentence = format!(
        "NetworkPolicy `{}` keeps `{}` from Service `{}`{on}: no {word} rule allows it{meant}.",
        itself.name, view.owner.name, service.name
    );
    let command = allow_command(server, view, port, direction);
    Some(
        Draft::cause("network_policy_blocks_traffic", Severity::Critical, &itself, sentence)
            .likely()
            .evidence(format!("{itself} spec"), describe(policy))
            .seen_on(view.pod_resource())
            .hurts(&view.owner)
            .hurts(service)
            .about(format!("{} {}", view.owner, service))
            .fix(format!("Allow `{}` to reach `{}`.", view.owner.name, service.name), command),
    )
}

/// A policy that lets a pod send, and not to the cluster's DNS: then no name resolves for it, its own Services' included.
pub(super) fn without_dns(index: &Index<'_>, view: &ContainerView<'_>) -> Option<Draft> {
    const DNS: i32 = 53;
    let server = index.state.pods.iter().find(|pod| {
        namespace(&pod.metadata) == "kube-system"
            && labels(&pod.metadata).get("k8s-app").is_some_and(|app| app == "kube-dns")
    });
    // Where the DNS pods cannot be read, a policy without any egress rule is still sure to block them.
    let policy = match server {
        Some(server) => denying(index, view.pod, server, Some(DNS), Direction::Egress)?,
        None => denying(index, view.pod, view.pod, None, Direction::Egress)
            .filter(|policy| rule_count(policy, Direction::Egress) == 0)?,
    };
    let itself = Resource::namespaced("NetworkPolicy", namespace(&policy.metadata), name(&policy.metadata));
    let sentence = format!(
        "NetworkPolicy `{}` keeps `{}` from the cluster's DNS: no egress rule allows port 53, so no name resolves.",
        itself.name, view.owner.name
    );
    let rule = serde_json::json!({"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy",
        "metadata": {"name": "allow-dns", "namespace": view.namespace()},
        "spec": {"podSelector": {}, "policyTypes": ["Egress"], "egress": [{"to": [{"namespaceSelector": {"matchLabels":
            {"kubernetes.io/metadata.name": "kube-system"}}}], "ports": [{"port": 53, "protocol": "UDP"}, {"port": 53, "protocol": "TCP"}]}]}});
    Some(
        Draft::cause("network_policy_blocks_traffic", Severity::Critical, &itself, sentence)
            .likely()
            .evidence(format!("{itself} spec"), describe(policy))
            .fix(
                "Allow the pods of the namespace to reach DNS.",
                format!("echo '{rule}' | kubectl -n {} apply -f -", view.namespace()),
            )
            .about("dns"),
    )
}

/// A label that a policy asks of its peers, of which the pod has another value: what was probably meant.
fn near_peer(policy: &NetworkPolicy, pod: &Pod) -> Option<(String, String)> {
    let rules = policy.spec.as_ref()?.ingress.iter().flatten();
    let peers =
        rules.flat_map(|rule| rule.from.iter().flatten()).filter_map(|peer| peer.pod_selector.as_ref());
    let wanted = peers.flat_map(|selector| selector.match_labels.iter().flatten());
    let own = labels(&pod.metadata);
    wanted
        .filter_map(|(key, value)| Some((key, value, own.get(key)?)))
        .find(|(_, wanted, own)| wanted != own)
        .map(|(key, wanted, own)| (format!("{key}={wanted}"), format!("{key}={own}")))
}

fn port_number(service: &k8s_openapi::api::core::v1::Service) -> Option<i32> {
    let port = service.spec.as_ref()?.ports.as_ref()?.first()?;
    match port.target_port {
        Some(IntOrString::Int(number)) => Some(number),
        _ => Some(port.port),
    }
}

fn describe(policy: &NetworkPolicy) -> String {
    let Some(spec) = &policy.spec else { return String::new() };
    let selected = spec
        .pod_selector
        .as_ref()
        .and_then(|selector| serde_json::to_string(selector).ok())
        .unwrap_or_else(|| "{}".into());
    let rules = |count: Option<usize>| count.map_or("none".to_owned(), |count| count.to_string());
    format!(
        "podSelector: {selected}, policyTypes: {}, ingress rules: {}, egress rules: {}",
        spec.policy_types.iter().flatten().cloned().collect::<Vec<_>>().join(","),
        rules(spec.ingress.as_ref().map(Vec::len)),
        rules(spec.egress.as_ref().map(Vec::len))
    )
}

/// The policy to name where `peer` may not talk with `pod`: one without any rule for the direction first. `None` where
/// it may.
fn denying<'a>(
    index: &Index<'a>,
    pod: &Pod,
    peer: &Pod,
    port: Option<i32>,
    direction: Direction,
) -> Option<&'a NetworkPolicy> {
    let applies = |policy: &&NetworkPolicy| {
        let Some(spec) = &policy.spec else { return false };
        let selected =
            spec.pod_selector.as_ref().is_none_or(|selector| accepts(selector, labels(&pod.metadata)));
        let types = spec.policy_types.as_deref().unwrap_or_default();
        let word = if direction == Direction::Ingress { "Ingress" } else { "Egress" };
        // Without policyTypes a policy is for ingress, and for egress where it has such rules.
        let implied = types.is_empty() && (direction == Direction::Ingress || spec.egress.is_some());
        namespace(&policy.metadata) == namespace(&pod.metadata)
            && selected
            && (implied || types.iter().any(|kind| kind == word))
    };
    let policies: Vec<&NetworkPolicy> = index.state.network_policies.iter().filter(applies).collect();
    if policies.iter().any(|policy| allows(index, policy, peer, port, direction)) {
        return None;
    }
    policies.into_iter().min_by_key(|policy| (rule_count(policy, direction), name(&policy.metadata)))
}

fn rule_count(policy: &NetworkPolicy, direction: Direction) -> usize {
    let Some(spec) = &policy.spec else { return 0 };
    match direction {
        Direction::Ingress => spec.ingress.as_ref().map_or(0, Vec::len),
        Direction::Egress => spec.egress.as_ref().map_or(0, Vec::len),
    }
}

fn allows(
    index: &Index<'_>,
    policy: &NetworkPolicy,
    peer: &Pod,
    port: Option<i32>,
    direction: Direction,
) -> bool {
    let Some(spec) = &policy.spec else { return true };
    let within = namespace(&policy.metadata);
    let fits = |peers: Option<&Vec<NetworkPolicyPeer>>, ports: Option<&Vec<NetworkPolicyPort>>| {
        let peer_fits = peers.is_none_or(|peers| {
            peers.is_empty() || peers.iter().any(|rule| peer_fits(index, rule, peer, within))
        });
        peer_fits
            && ports.is_none_or(|ports| ports.is_empty() || ports.iter().any(|rule| port_fits(rule, port)))
    };
    match direction {
        Direction::Ingress => {
            spec.ingress.iter().flatten().any(|rule| fits(rule.from.as_ref(), rule.ports.as_ref()))
        }
        Direction::Egress => {
            spec.egress.iter().flatten().any(|rule| fits(rule.to.as_ref(), rule.ports.as_ref()))
        }
    }
}

fn peer_fits(index: &Index<'_>, rule: &NetworkPolicyPeer, peer: &Pod, within: &str) -> bool {
    // An address range may or may not have the peer in it; the doubt is the policy's.
    if rule.ip_block.is_some() {
        return true;
    }
    let pod_fits =
        rule.pod_selector.as_ref().is_none_or(|selector| accepts(selector, labels(&peer.metadata)));
    let space_fits = match &rule.namespace_selector {
        Some(selector) => accepts(selector, &namespace_labels(index, namespace(&peer.metadata))),
        None => namespace(&peer.metadata) == within,
    };
    pod_fits && space_fits
}

fn namespace_labels(index: &Index<'_>, called: &str) -> BTreeMap<String, String> {
    let found = index.state.namespaces.iter().find(|space| name(&space.metadata) == called);
    let mut all = found.map(|space| labels(&space.metadata).clone()).unwrap_or_default();
    // The API server puts this label on every namespace.
    all.insert("kubernetes.io/metadata.name".to_owned(), called.to_owned());
    all
}

fn port_fits(rule: &NetworkPolicyPort, port: Option<i32>) -> bool {
    match (&rule.port, port) {
        (Some(IntOrString::Int(first)), Some(port)) => {
            *first == port || rule.end_port.is_some_and(|last| (*first..=last).contains(&port))
        }
        _ => true,
    }
}

/// A policy that allows just this traffic, to paste.
fn allow_command(server: &Pod, view: &ContainerView<'_>, port: Option<i32>, direction: Direction) -> String {
    let (target, peer) =
        if direction == Direction::Ingress { (server, view.pod) } else { (view.pod, server) };
    let own = stable_labels(labels(&target.metadata));
    let others = stable_labels(labels(&peer.metadata));
    let mut peer_rule = serde_json::json!({"podSelector": {"matchLabels": others}});
    if namespace(&peer.metadata) != namespace(&target.metadata)
        && let Some(rule) = peer_rule.as_object_mut()
    {
        let labels =
            serde_json::json!({"matchLabels": {"kubernetes.io/metadata.name": namespace(&peer.metadata)}});
        rule.insert("namespaceSelector".to_owned(), labels);
    }
    let (rules, list, kind) = if direction == Direction::Ingress {
        ("ingress", "from", "Ingress")
    } else {
        ("egress", "to", "Egress")
    };
    let mut rule = serde_json::Map::new();
    rule.insert(list.to_owned(), serde_json::json!([peer_rule]));
    if let Some(port) = port {
        rule.insert("ports".to_owned(), serde_json::json!([{"port": port}]));
    }
    let policy = serde_json::json!({"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy",
        "metadata": {"name": format!("allow-{}", view.owner.name), "namespace": namespace(&target.metadata)},
        "spec": {"podSelector": {"matchLabels": own}, "policyTypes": [kind], rules: [rule]}});
    format!("echo '{policy}' | kubectl -n {} apply -f -", namespace(&target.metadata))
}

/// The labels that do not change from one rollout to the next.
fn stable_labels(labels: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    let changing = [
        "pod-template-hash",
        "controller-revision-hash",
        "statefulset.kubernetes.io/pod-name",
        "apps.kubernetes.io/pod-index",
    ];
    labels
        .iter()
        .filter(|(key, _)| !changing.contains(&key.as_str()))
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::fixture::{log_of, named_deployment, roots, running};

    fn case(policy: &Value, log: &str) -> Vec<String> {
        let client = json!({"env": [{"name": "DB_URL", "value": "http://db:5432"}]});
        let mut objects = named_deployment("web", &client, &running(true), &json!({}));
        objects.extend(named_deployment(
            "db",
            &json!({"ports": [{"containerPort": 5432}]}),
            &running(true),
            &json!({}),
        ));
        objects.push(json!({"kind": "Service", "metadata": {"name": "db"}, "spec": {"selector": {"app": "db"}, "ports": [{"port": 5432, "targetPort": 5432}]}}));
        objects.push(json!({"kind": "NetworkPolicy", "metadata": {"name": "rule"}, "spec": policy}));
        objects.push(log_of("web-1", "app", log));
        roots(objects)
    }

    #[test]
    fn what_policies_let_through() {
        let late = "ERROR db ping timed out\nERROR db ping timed out";
        let denied = vec!["network_policy_blocks_traffic NetworkPolicy shop/rule".to_owned()];
        for (policy, expected) in [
            (json!({"podSelector": {}, "policyTypes": ["Ingress"]}), denied.clone()),
            (json!({"podSelector": {}, "policyTypes": ["Ingress"], "ingress": [{}]}), vec![]),
            (json!({"podSelector": {"matchLabels": {"app": "other"}}, "policyTypes": ["Ingress"]}), vec![]),
            (
                json!({"podSelector": {}, "policyTypes": ["Ingress"], "ingress": [{"from": [{"podSelector": {"matchLabels": {"app": "web"}}}]}]}),
                vec![],
            ),
            (
                json!({"podSelector": {}, "policyTypes": ["Ingress"], "ingress": [{"ports": [{"port": 9090}]}]}),
                denied.clone(),
            ),
            (
                json!({"podSelector": {}, "policyTypes": ["Ingress"], "ingress": [{"from": [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "mon"}}}]}]}),
                denied.clone(),
            ),
            (
                json!({"podSelector": {"matchLabels": {"app": "web"}}, "policyTypes": ["Egress"], "egress": []}),
                denied,
            ),
        ] {
            assert_eq!(case(&policy, late), expected, "{policy}");
        }
    }

    #[test]
    fn without_a_timeout_a_policy_is_no_fault() {
        assert_eq!(
            case(&json!({"podSelector": {}, "policyTypes": ["Ingress"]}), "INFO ok"),
            Vec::<String>::new()
        );
    }
}
