//! Namespaces that do not go away. Knows the conditions that the namespace controller sets.

use jiff::SignedDuration;
use k8s_openapi::{api::core::v1::Namespace, apimachinery::pkg::apis::meta::v1::ObjectMeta};

use crate::finding::{Resource, Severity};

use super::{
    draft::Draft,
    index::{Index, name},
};

/// How long the controller may take to empty a namespace.
const PATIENCE: SignedDuration = SignedDuration::from_mins(3);

/// A deleted namespace that stays `Terminating`: objects in it have finalizers that nobody removes
/// (`NamespaceFinalizersRemaining`), or an API group whose server is down cannot be asked what there is
/// (`NamespaceDeletionDiscoveryFailure`). Wrong while a controller still works on it.
pub(super) fn check(index: &Index<'_>, drafts: &mut Vec<Draft>) {
    drafts.extend(index.state.namespaces.iter().filter_map(|space| stuck(index, space)));
}

fn stuck(index: &Index<'_>, space: &Namespace) -> Option<Draft> {
    let deleted = space.metadata.deletion_timestamp.as_ref()?;
    if index.age(deleted.0) < PATIENCE {
        return None;
    }
    let itself = Resource::global("Namespace", name(&space.metadata));
    let conditions =
        space.status.as_ref().and_then(|status| status.conditions.as_deref()).unwrap_or_default();
    let holding = |kind: &str| {
        conditions
            .iter()
            .find(|condition| condition.type_ == kind && condition.status == "True")
            .and_then(|condition| condition.message.as_deref())
    };
    let discovery = holding("NamespaceDeletionDiscoveryFailure");
    let finalizers = holding("NamespaceFinalizersRemaining");
    let content = holding("NamespaceContentRemaining").or_else(|| holding("NamespaceDeletionContentFailure"));
    let why = discovery.or(finalizers).or(content).unwrap_or("its own finalizers are not removed");
    let sentence =
        format!("Namespace `{}` was deleted and stays: {}.", itself.name, why.trim_end_matches('.'));
    let todo = if discovery.is_some() {
        "Bring the API service that does not answer back, or delete its APIService."
    } else {
        "Find the controller of these finalizers; if there is none any more, remove them from the objects."
    };
    let draft = Draft::cause("namespace_stuck_terminating", Severity::Warning, &itself, sentence)
        .evidence(format!("{itself} metadata.deletionTimestamp"), deleted.0.to_string())
        .fix(
            todo,
            format!(
                "kubectl api-resources --verbs=list --namespaced -o name | xargs -n 1 kubectl -n {} get --ignore-not-found --show-kind",
                itself.name
            ),
        );
    let all = [discovery, finalizers, content].into_iter().flatten();
    let draft = all.fold(draft, |draft, said| draft.evidence(format!("{itself} status.conditions"), said));
    let held = held_objects(index, &itself.name);
    Some(held.into_iter().take(MOST_HELD).fold(draft, |draft, (object, finalizers)| {
        draft.evidence(format!("{object} metadata.finalizers"), finalizers).seen_on(object)
    }))
}

/// Objects that are named as what holds a namespace.
const MOST_HELD: usize = 3;

/// The objects of a namespace that were deleted and have finalizers, among those that were read.
fn held_objects(index: &Index<'_>, space: &str) -> Vec<(Resource, String)> {
    let state = index.state;
    let held = |kind: &str, meta: &ObjectMeta| {
        let finalizers = meta.finalizers.as_deref().unwrap_or_default();
        let its = meta.namespace.as_deref() == Some(space)
            && meta.deletion_timestamp.is_some()
            && !finalizers.is_empty();
        its.then(|| (Resource::namespaced(kind, space, name(meta)), finalizers.join(", ")))
    };
    let maps = state.config_maps.iter().filter_map(|item| held("ConfigMap", &item.metadata));
    let pods = state.pods.iter().filter_map(|item| held("Pod", &item.metadata));
    let claims = state.claims.iter().filter_map(|item| held("PersistentVolumeClaim", &item.metadata));
    let services = state.services.iter().filter_map(|item| held("Service", &item.metadata));
    let deployments = state.deployments.iter().filter_map(|item| held("Deployment", &item.metadata));
    maps.chain(pods).chain(claims).chain(services).chain(deployments).collect()
}
