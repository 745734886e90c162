//! Namespaces that do not go away. Knows the conditions that the namespace controller sets.

use jiff::SignedDuration;
use k8s_openapi::api::core::v1::Namespace;

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
    Some(all.fold(draft, |draft, said| draft.evidence(format!("{itself} status.conditions"), said)))
}
