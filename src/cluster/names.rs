//! The names of what a cluster has, for matching the words of a question. Reads metadata only.

use futures::future::join_all;
use k8s_openapi::api::{
    apps::v1::{DaemonSet, Deployment, StatefulSet},
    autoscaling::v2::HorizontalPodAutoscaler,
    batch::v1::{CronJob, Job},
    core::v1::{Namespace, Node, PersistentVolumeClaim, Pod, Service},
    networking::v1::Ingress,
};

use super::{
    Cluster,
    look::Named,
    read::{METADATA_ONLY, ReadError, Reader},
};
use crate::finding::Resource;

/// How many names of one kind are enough.
const ENOUGH: usize = 2_000;

/// A kind, its path for all namespaces and its path for the default one.
struct Kind {
    name: &'static str,
    everywhere: String,
    /// `None` for a cluster-scoped kind.
    at_home: Option<String>,
}

impl Cluster {
    /// The names of all Namespaces, workloads, Pods, Services, Ingresses, PersistentVolumeClaims, Nodes and
    /// HorizontalPodAutoscalers, at most 2000 of each kind, by kind and name. What can't be read is left out; where
    /// only the default namespace may be read, it is that one's.
    pub async fn names(&self) -> Vec<Resource> {
        let reader = Reader { max_objects: ENOUGH, ..self.reader() };
        let kinds = self.kinds();
        let mut names: Vec<Resource> =
            join_all(kinds.iter().map(|kind| list(&reader, kind))).await.into_iter().flatten().collect();
        names.sort();
        names
    }

    fn kinds(&self) -> Vec<Kind> {
        vec![
            self.kind::<Namespace>(false),
            self.kind::<Node>(false),
            self.kind::<Deployment>(true),
            self.kind::<StatefulSet>(true),
            self.kind::<DaemonSet>(true),
            self.kind::<Job>(true),
            self.kind::<CronJob>(true),
            self.kind::<Pod>(true),
            self.kind::<Service>(true),
            self.kind::<Ingress>(true),
            self.kind::<PersistentVolumeClaim>(true),
            self.kind::<HorizontalPodAutoscaler>(true),
        ]
    }

    fn kind<K: k8s_openapi::Resource + kube::Resource<DynamicType = ()>>(&self, namespaced: bool) -> Kind {
        let at_home = namespaced.then(|| K::url_path(&(), Some(self.default_namespace())));
        Kind { name: K::KIND, everywhere: K::url_path(&(), None), at_home }
    }
}

async fn list(reader: &Reader<'_>, kind: &Kind) -> Vec<Resource> {
    let mut listed = reader.list::<Named>(&kind.everywhere, METADATA_ONLY, |_| ()).await;
    if let (Err(ReadError::Refused { code: 403, .. }), Some(at_home)) = (&listed, &kind.at_home) {
        listed = reader.list::<Named>(at_home, METADATA_ONLY, |_| ()).await;
    }
    match listed {
        Ok(listed) => listed.items.into_iter().map(|item| resource(kind.name, item)).collect(),
        Err(error) => {
            tracing::debug!(kind = kind.name, %error, "names could not be read");
            Vec::new()
        }
    }
}

fn resource(kind: &str, item: Named) -> Resource {
    Resource { kind: kind.into(), namespace: item.metadata.namespace, name: item.metadata.name }
}
