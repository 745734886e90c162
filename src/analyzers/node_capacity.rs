//! Nodes that are full, late or of another version. Knows the nodes' numbers, not their conditions.

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::Node;

use crate::{
    cluster::state::Pod,
    finding::{Resource, Severity},
};

use super::{
    draft::Draft,
    index::{Index, name},
    scheduling::amount,
};

/// The share of what a node can give from which on it is called full.
const FULL: f64 = 0.98;
/// The node controller marks a node `Unknown` after 40 s without a renewal of its lease.
const LEASE_GRACE: SignedDuration = SignedDuration::from_secs(40);

pub(super) fn check(index: &Index<'_>, drafts: &mut Vec<Draft>) {
    for node in &index.state.nodes {
        drafts.extend(full(node, index.pods_on(name(&node.metadata))));
        drafts.extend(skew(index, node));
        drafts.extend(late_lease(index, node));
    }
}

/// What the pods request of a resource: the sum over the containers, or the largest init container where that is more
/// (concept "Resource sharing within containers").
pub(super) fn requested(pod: &Pod, what: &str) -> f64 {
    let Some(spec) = &pod.spec else { return 0.0 };
    let of = |container: &k8s_openapi::api::core::v1::Container| {
        container.resources.as_ref().and_then(|all| all.requests.as_ref()?.get(what)).map_or(0.0, amount)
    };
    let together: f64 = spec.containers.iter().map(of).sum();
    spec.init_containers.iter().flatten().map(of).fold(together, f64::max)
}

/// What a node can give of a resource.
pub(super) fn offers(node: &Node, what: &str) -> f64 {
    node.status.as_ref().and_then(|status| status.allocatable.as_ref()?.get(what)).map_or(0.0, amount)
}

/// What a node has left of a resource, by the requests of the pods on it.
pub(super) fn free(index: &Index<'_>, node: &Node, what: &str) -> f64 {
    let taken: f64 = index.pods_on(name(&node.metadata)).iter().map(|pod| requested(pod, what)).sum();
    offers(node, what) - taken
}

/// A node whose pods request all that it can give: new ones do not fit. Worth knowing only; a pod that waits for room is
/// `scheduling`'s matter.
fn full(node: &Node, pods: &[&Pod]) -> Option<Draft> {
    let allocatable = node.status.as_ref()?.allocatable.as_ref()?;
    let itself = Resource::global("Node", name(&node.metadata));
    let share = |what: &str| {
        let offers = allocatable.get(what).map_or(0.0, amount);
        let taken = pods.iter().map(|pod| requested(pod, what)).sum::<f64>();
        (offers > 0.0).then(|| (what.to_owned(), taken / offers))
    };
    let (what, share) = ["cpu", "memory"].into_iter().filter_map(share).find(|(_, share)| *share >= FULL)?;
    let sentence =
        format!("Node `{}` is full: {:.0} % of its {what} is requested.", itself.name, share * 100.0);
    Some(
        Draft::cause("node_full", Severity::Notice, &itself, sentence).evidence(
            format!("{itself} status.allocatable.{what}"),
            format!("{:.0} % requested", share * 100.0),
        ),
    )
}

/// A kubelet that is newer than the API server, or more than three minor versions older ("Version Skew Policy").
fn skew(index: &Index<'_>, node: &Node) -> Option<Draft> {
    let kubelet = &node.status.as_ref()?.node_info.as_ref()?.kubelet_version;
    let (own, servers) = (minor(kubelet)?, minor(&index.state.version)?);
    if own <= servers && servers - own <= 3 {
        return None;
    }
    let itself = Resource::global("Node", name(&node.metadata));
    let sentence = format!(
        "Node `{}` runs kubelet `{kubelet}`, which the API server `{}` does not support.",
        itself.name, index.state.version
    );
    Some(
        Draft::cause("node_version_skew", Severity::Warning, &itself, sentence)
            .evidence(format!("{itself} status.nodeInfo.kubeletVersion"), kubelet)
            .fix("Bring the kubelet to at most the API server's version, and no more than three minor versions behind.", ""),
    )
}

/// The minor version of `v1.36.2`.
fn minor(version: &str) -> Option<i32> {
    version.trim_start_matches('v').split('.').nth(1)?.parse().ok()
}

/// A node that stopped renewing its lease before the node controller has said so (concept "Nodes", "Heartbeats"). Held
/// against the newest lease of the cluster: in a recording all may be old.
fn late_lease(index: &Index<'_>, node: &Node) -> Option<Draft> {
    let leases = &index.state.node_leases;
    let own: Timestamp = *leases.get(name(&node.metadata))?;
    let newest = leases.values().max()?;
    let late = newest.duration_since(own);
    let known = node.status.as_ref().and_then(|status| status.conditions.as_deref()).unwrap_or_default();
    let ready = known.iter().any(|condition| condition.type_ == "Ready" && condition.status == "True");
    if late <= LEASE_GRACE || !ready {
        return None;
    }
    let itself = Resource::global("Node", name(&node.metadata));
    let sentence = format!(
        "Node `{}` has not renewed its lease for `{}` s and will be taken for lost.",
        itself.name,
        late.as_secs()
    );
    Some(
        Draft::cause("node_lease_expired", Severity::Warning, &itself, sentence)
            .evidence(format!("Lease kube-node-lease/{} spec.renewTime", itself.name), own.to_string())
            .fix("Look at the node and its kubelet.", ""),
    )
}
