//! Looks at custom kinds: at their definitions, and at the objects of those that the rules know, where they are defined.

use futures::future::join_all;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde::de::DeserializeOwned;

use super::{
    super::{
        gateway::{GROUP, Item},
        state::{CustomKind, State},
    },
    Look,
};

/// The versions that have the fields that are read, the better one first.
const VERSIONS: [&str; 2] = ["v1", "v1beta1"];

/// Where in the state the objects of a kind go.
type Into<S, T> = fn(&mut State) -> &mut Vec<Item<S, T>>;

impl Look<'_> {
    /// The definitions, and the objects of the Gateway API where it is installed. Where it is not, nothing more is asked.
    pub(super) async fn custom_kinds(&self) {
        let (what, path) =
            ("CustomResourceDefinitions", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions");
        let listed = self.reader.list::<CustomKind>(path, "application/json", |_| ()).await;
        let Some(kinds) = self.take(what, None, "apiextensions.k8s.io/v1", listed) else { return };
        // Routes refer to Gateways of other namespaces, and these to what yet others let them have.
        let everywhere = [None];
        let within = self.places();
        tokio::join!(
            self.objects(&kinds, "GatewayClasses", &everywhere, |state| &mut state.gateway_classes),
            self.objects(&kinds, "Gateways", &everywhere, |state| &mut state.gateways),
            self.objects(&kinds, "ReferenceGrants", &everywhere, |state| &mut state.reference_grants),
            self.objects(&kinds, "HTTPRoutes", &within, |state| &mut state.http_routes),
        );
        self.state().custom_kinds = kinds;
    }

    /// The objects of one kind of the Gateway API.
    async fn objects<S, T>(&self, kinds: &[CustomKind], what: &str, places: &[Option<&str>], into: Into<S, T>)
    where
        S: DeserializeOwned + Send + 'static,
        T: DeserializeOwned + Default + Send + 'static,
    {
        let plural = what.to_lowercase();
        let called = format!("{plural}.{GROUP}");
        let Some(kind) = kinds.iter().find(|kind| kind.name == called) else { return };
        let serves = |version: &&str| kind.served.iter().any(|served| served == version);
        let Some(version) = VERSIONS.into_iter().find(serves) else { return };
        let reads = places.iter().map(|place| async {
            let within = place.map_or_else(String::new, |place| format!("namespaces/{place}/"));
            let path = format!("/apis/{GROUP}/{version}/{within}{plural}");
            let listed = self.reader.list::<Item<S, T>>(&path, "application/json", |_| ()).await;
            self.take(what, *place, &format!("{GROUP}/{version}"), listed).unwrap_or_default()
        });
        let mut items: Vec<Item<S, T>> = join_all(reads).await.into_iter().flatten().collect();
        let identity = |meta: &ObjectMeta| (meta.namespace.clone(), meta.name.clone());
        items.sort_by_cached_key(|item| identity(&item.metadata));
        *into(&mut self.state()) = items;
    }
}
