//! Objects by namespace, so that a question about one object does not go through the whole cluster. Knows no rule.

use std::collections::{BTreeMap, HashMap};

use k8s_openapi::{
    api::{
        core::v1::{ConfigMap, Service},
        discovery::v1::{Endpoint, EndpointSlice},
    },
    apimachinery::pkg::apis::meta::v1::ObjectMeta,
};

use crate::cluster::state::{Pod, State};

use super::index::{Index, is_live, labels, name, namespace, selector, selects};

/// What a Service's slices say whose they are with.
const SERVICE_NAME: &str = "kubernetes.io/service-name";

/// The objects of one kind by namespace, in the state's order.
struct Grouped<'a, T>(HashMap<&'a str, Vec<&'a T>>);

impl<'a, T> Grouped<'a, T> {
    fn new(items: impl Iterator<Item = &'a T>, meta: fn(&T) -> &ObjectMeta) -> Self {
        let mut groups: HashMap<&'a str, Vec<&'a T>> = HashMap::new();
        for item in items {
            groups.entry(namespace(meta(item))).or_default().push(item);
        }
        Self(groups)
    }

    fn of(&self, space: &str) -> &[&'a T] {
        self.0.get(space).map_or(&[], Vec::as_slice)
    }

    fn named(&self, space: &str, called: &str, meta: fn(&T) -> &ObjectMeta) -> Option<&'a T> {
        self.of(space).iter().find(|item| name(meta(item)) == called).copied()
    }
}

/// What is looked up by namespace.
pub(super) struct Within<'a> {
    /// Those that are not being deleted and have not ended.
    pods: Grouped<'a, Pod>,
    services: Grouped<'a, Service>,
    slices: Grouped<'a, EndpointSlice>,
    config_maps: Grouped<'a, ConfigMap>,
    /// Live pods by the name of their node.
    on_nodes: HashMap<&'a str, Vec<&'a Pod>>,
}

impl<'a> Within<'a> {
    pub(super) fn new(state: &'a State) -> Self {
        let mut on_nodes: HashMap<&str, Vec<&Pod>> = HashMap::new();
        for pod in state.pods.iter().filter(|pod| is_live(pod)) {
            if let Some(node) = pod.node.as_deref() {
                on_nodes.entry(node).or_default().push(pod);
            }
        }
        Self {
            on_nodes,
            pods: Grouped::new(state.pods.iter().filter(|pod| is_live(pod)), |pod| &pod.metadata),
            services: Grouped::new(state.services.iter(), |service| &service.metadata),
            slices: Grouped::new(state.endpoint_slices.iter(), |slice| &slice.metadata),
            config_maps: Grouped::new(state.config_maps.iter(), |map| &map.metadata),
        }
    }
}

impl<'a> Index<'a> {
    /// The Services whose selector takes pods with these labels.
    pub(super) fn services_of(&self, space: &str, labels: &BTreeMap<String, String>) -> Vec<&'a Service> {
        let takes = |service: &&&Service| selector(service).is_some_and(|wanted| selects(wanted, labels));
        self.within.services.of(space).iter().filter(takes).copied().collect()
    }

    pub(super) fn service(&self, space: &str, called: &str) -> Option<&'a Service> {
        self.within.services.named(space, called, |service| &service.metadata)
    }

    pub(super) fn config_map(&self, space: &str, called: &str) -> Option<&'a ConfigMap> {
        self.within.config_maps.named(space, called, |map| &map.metadata)
    }

    /// The live pods of a node.
    pub(super) fn pods_on(&self, node: &str) -> &[&'a Pod] {
        self.within.on_nodes.get(node).map_or(&[], Vec::as_slice)
    }

    /// How many endpoints of a Service can be sent to.
    pub(super) fn ready_endpoints(&self, service: &Service) -> usize {
        let its = |slice: &&&EndpointSlice| {
            let of = slice.metadata.labels.as_ref().and_then(|labels| labels.get(SERVICE_NAME));
            of == service.metadata.name.as_ref()
        };
        let ready = |endpoint: &&Endpoint| {
            endpoint.conditions.as_ref().and_then(|conditions| conditions.ready) != Some(false)
        };
        let addresses = |slice: &&EndpointSlice| {
            slice
                .endpoints
                .iter()
                .filter(ready)
                .map(|endpoint| endpoint.addresses.len().max(1))
                .sum::<usize>()
        };
        self.within.slices.of(namespace(&service.metadata)).iter().filter(its).map(addresses).sum()
    }

    /// The live pods that a Service's selector takes.
    pub(super) fn selected_pods(&self, service: &Service) -> Vec<&'a Pod> {
        let Some(selector) = selector(service) else { return Vec::new() };
        let pods = self.within.pods.of(namespace(&service.metadata)).iter();
        pods.filter(|pod| selects(selector, labels(&pod.metadata))).copied().collect()
    }
}
