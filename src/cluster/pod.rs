//! A pod as it is kept: replicas share one spec, which is most of a pod and the same in each of them. Pure.

use std::{borrow::Cow, collections::HashMap, sync::Arc};

use k8s_openapi::{
    NamespaceResourceScope,
    api::core::v1::{self, PodSpec, PodStatus},
    apimachinery::pkg::apis::meta::v1::ObjectMeta,
};
use kube::Resource;
use serde::{Deserialize, Deserializer};

/// A pod. What differs between replicas stands beside the spec that they share.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Pod {
    /// Its metadata.
    pub metadata: ObjectMeta,
    /// Its spec, without the name of its node and without the volume of its token.
    pub spec: Option<Arc<PodSpec>>,
    /// The node that it is bound to.
    pub node: Option<String>,
    /// Its status.
    pub status: Option<PodStatus>,
}

/// The volume through which a pod has its token; the admission of service accounts adds it, under a random name.
const TOKEN_VOLUME: &str = "kube-api-access-";

impl From<v1::Pod> for Pod {
    fn from(pod: v1::Pod) -> Self {
        let mut node = None;
        let spec = pod.spec.map(|mut spec| {
            node = spec.node_name.take();
            if let Some(volumes) = &mut spec.volumes {
                volumes.retain(|volume| !volume.name.starts_with(TOKEN_VOLUME));
            }
            for container in spec.containers.iter_mut().chain(spec.init_containers.iter_mut().flatten()) {
                if let Some(mounts) = &mut container.volume_mounts {
                    mounts.retain(|mount| !mount.name.starts_with(TOKEN_VOLUME));
                }
            }
            Arc::new(spec)
        });
        Self { metadata: pod.metadata, spec, node, status: pod.status }
    }
}

impl<'de> Deserialize<'de> for Pod {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        v1::Pod::deserialize(deserializer).map(Self::from)
    }
}

impl Resource for Pod {
    type DynamicType = ();
    type Scope = NamespaceResourceScope;

    fn kind((): &()) -> Cow<'_, str> {
        v1::Pod::kind(&())
    }

    fn group((): &()) -> Cow<'_, str> {
        v1::Pod::group(&())
    }

    fn version((): &()) -> Cow<'_, str> {
        v1::Pod::version(&())
    }

    fn plural((): &()) -> Cow<'_, str> {
        v1::Pod::plural(&())
    }

    fn meta(&self) -> &ObjectMeta {
        &self.metadata
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        &mut self.metadata
    }
}

/// The latest spec of each owner's pods.
#[derive(Default)]
pub(super) struct Shared(HashMap<String, Arc<PodSpec>>);

impl Shared {
    /// Lets a pod have the spec of an earlier one of the same owner, where they are equal.
    pub(super) fn share(&mut self, pod: &mut Pod) {
        let owner =
            pod.metadata.owner_references.iter().flatten().find(|owner| owner.controller == Some(true));
        let (Some(owner), Some(spec)) = (owner, &mut pod.spec) else { return };
        match self.0.get(&owner.uid) {
            Some(known) if known == spec => *spec = known.clone(),
            _ => {
                self.0.insert(owner.uid.clone(), spec.clone());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn pod(name: &str, owner: &str, image: &str) -> Pod {
        let token = format!("kube-api-access-{name}");
        serde_json::from_value(json!({
            "metadata": {"name": name,
                "ownerReferences": [{"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "r", "uid": owner, "controller": true}]},
            "spec": {"nodeName": format!("node-of-{name}"), "volumes": [{"name": token}, {"name": "v"}],
                "containers": [{"name": "c", "image": image,
                    "volumeMounts": [{"name": "v", "mountPath": "/v"}, {"name": token, "mountPath": "/t"}]}]},
        }))
        .unwrap()
    }

    #[test]
    fn replicas_share_their_spec_and_others_do_not() {
        let mut pods =
            [pod("a", "o", "i:1"), pod("b", "o", "i:1"), pod("c", "o", "i:2"), pod("d", "p", "i:1")];
        let mut shared = Shared::default();
        pods.iter_mut().for_each(|pod| shared.share(pod));
        let same =
            |a: usize, b: usize| Arc::ptr_eq(pods[a].spec.as_ref().unwrap(), pods[b].spec.as_ref().unwrap());
        assert!(same(0, 1) && !same(0, 2) && !same(0, 3));
        assert_eq!(pods[1].node.as_deref(), Some("node-of-b"));
        let spec = pods[1].spec.as_ref().unwrap();
        assert_eq!(
            (spec.volumes.as_ref().unwrap().len(), spec.containers[0].volume_mounts.as_ref().unwrap().len()),
            (1, 1)
        );
        assert_eq!(Pod::url_path(&(), Some("n")), "/api/v1/namespaces/n/pods");
    }
}
