//! Pods of a StatefulSet that do not find each other by name. Asked by `peers`, which knows what their logs say.

use serde_json::json;

use crate::finding::{Resource, Severity};

use super::{
    change::Change,
    draft::Draft,
    index::{ContainerView, Index, is_ready, name, namespace},
    logs::severity,
};

/// A host name `pod.service…` of which the first part is a pod of a StatefulSet. Its pods have names under the Service that
/// `spec.serviceName` says and no other; and with `OrderedReady` a pod is made after the one before is ready, so a pod
/// that waits for a later one waits for ever (concept "StatefulSets", "Stable Network ID" and "Pod Management Policies").
pub(super) fn unknown(index: &Index<'_>, view: &ContainerView<'_>, host: &str) -> Option<Draft> {
    let mut labels = host.split('.');
    let (pod, service) = (labels.next()?, labels.next()?);
    let space = labels.next().unwrap_or(view.namespace());
    let (owner, ordinal) = pod.rsplit_once('-')?;
    let ordinal: u32 = ordinal.parse().ok()?;
    let set = index.state.stateful_sets.iter().find(|set| {
        name(&set.metadata) == owner
            && (namespace(&set.metadata) == space || namespace(&set.metadata) == view.namespace())
    })?;
    let spec = set.spec.as_ref()?;
    let itself = Resource::namespaced("StatefulSet", namespace(&set.metadata), owner);
    let own = spec.service_name.as_deref().unwrap_or_default();
    if own != service {
        let sentence = format!(
            "StatefulSet `{owner}` names the Service `{own}` in `serviceName`, so its pods have no names under `{service}`: `{host}` does not resolve."
        );
        return Some(
            Draft::cause("statefulset_service_missing", severity(view), &itself, sentence)
                .evidence(format!("{itself} spec.serviceName"), own)
                .fix(
                    format!("Make the StatefulSet anew with `serviceName: {service}`: the field cannot be changed."),
                    format!("kubectl -n {} get statefulset {owner} -o yaml | sed 's/serviceName: {own}$/serviceName: {service}/' | kubectl replace --force -f -", namespace(&set.metadata)),
                )
                .risk("Its pods are ended and started anew; their claims stay."),
        );
    }
    let pods = index.pods_of(&itself);
    let exists = pods.iter().any(|known| name(&known.metadata) == pod);
    let ordered = spec.pod_management_policy.as_deref() != Some("Parallel");
    let waiting = view.owner == itself && !is_ready(view.pod);
    if exists || !ordered || !waiting || i64::from(ordinal) >= i64::from(spec.replicas.unwrap_or(1)) {
        return None;
    }
    let first = name(&view.pod.metadata);
    let sentence = format!(
        "`{first}` gets ready only with its peers, and `{pod}` is made only after `{first}` is ready: StatefulSet `{owner}` starts its pods one after another (`podManagementPolicy: OrderedReady`)."
    );
    Some(
        Draft::cause("statefulset_ordered_deadlock", Severity::Critical, &itself, sentence)
            .likely()
            .evidence(format!("{itself} spec.podManagementPolicy"), spec.pod_management_policy.as_deref().unwrap_or("OrderedReady"))
            .fix(
                "Make the StatefulSet anew with `podManagementPolicy: Parallel`: the field cannot be changed.",
                format!("kubectl -n {} get statefulset {owner} -o yaml | sed 's/podManagementPolicy: OrderedReady/podManagementPolicy: Parallel/' | kubectl replace --force -f -", namespace(&set.metadata)),
            )
            .risk("Its pods are ended and started anew; their claims stay."),
    )
}

/// Updates of StatefulSets that do not come about.
pub(super) fn check(index: &Index<'_>, drafts: &mut Vec<Draft>) {
    for set in &index.state.stateful_sets {
        drafts.extend(not_replaced(index, set));
        drafts.extend(held(set));
    }
}

fn revision(pod: &crate::cluster::state::Pod) -> Option<&String> {
    pod.metadata.labels.as_ref()?.get("controller-revision-hash")
}

/// A pod that a StatefulSet does not replace although its template was changed: with `OrderedReady` the update waits for
/// the pod to get ready, which it cannot ("Forced rollback", concept "StatefulSets").
fn not_replaced(index: &Index<'_>, set: &k8s_openapi::api::apps::v1::StatefulSet) -> Option<Draft> {
    let (spec, status) = (set.spec.as_ref()?, set.status.as_ref()?);
    let update = status.update_revision.as_ref()?;
    let rolling =
        spec.update_strategy.as_ref().and_then(|strategy| strategy.type_.as_deref()) != Some("OnDelete");
    let ordered = spec.pod_management_policy.as_deref() != Some("Parallel");
    let itself = Resource::namespaced("StatefulSet", namespace(&set.metadata), name(&set.metadata));
    let broken = index.pods_of(&itself).iter().find(|pod| {
        let other =
            revision(pod).is_some_and(|own| own != update && status.current_revision.as_ref() != Some(own));
        other && !is_ready(pod) && super::index::is_live(pod)
    })?;
    let called = name(&broken.metadata);
    if !rolling || !ordered {
        return None;
    }
    let sentence = format!(
        "Pod `{called}` still has a revision that is neither the current one of StatefulSet `{}` nor the new one: the update waits for it to get ready, so it has to be deleted by hand.",
        itself.name
    );
    Some(
        Draft::cause("statefulset_pod_not_replaced", Severity::Critical, &itself, sentence)
            .evidence(
                format!("Pod {}/{called} labels[controller-revision-hash]", namespace(&set.metadata)),
                revision(broken).cloned().unwrap_or_default(),
            )
            .evidence(format!("{itself} status.updateRevision"), update)
            .seen_on(Resource::namespaced("Pod", namespace(&set.metadata), called))
            .hurts(&itself)
            .fix(
                "Delete the pod, so that it is made anew from the present template.",
                format!("kubectl -n {} delete pod {called}", namespace(&set.metadata)),
            ),
    )
}

/// A change of the template that takes no effect by itself: `OnDelete` replaces a pod only when somebody deletes it, a
/// `partition` holds all pods below it back. Somebody wanted it, so a notice.
fn held(set: &k8s_openapi::api::apps::v1::StatefulSet) -> Option<Draft> {
    let (spec, status) = (set.spec.as_ref()?, set.status.as_ref()?);
    let wanted = spec.replicas.unwrap_or(1);
    let updated = status.updated_replicas.unwrap_or(0);
    if status.update_revision.is_none()
        || status.update_revision == status.current_revision
        || updated >= wanted
    {
        return None;
    }
    let strategy = spec.update_strategy.as_ref()?;
    let partition = strategy.rolling_update.as_ref().and_then(|rolling| rolling.partition).unwrap_or(0);
    let itself = Resource::namespaced("StatefulSet", namespace(&set.metadata), name(&set.metadata));
    let space = namespace(&set.metadata);
    let (why, field, value, todo, change) = if strategy.type_.as_deref() == Some("OnDelete") {
        (
            "its update strategy `OnDelete` replaces a pod only when somebody deletes it".to_owned(),
            "spec.updateStrategy.type",
            "OnDelete".to_owned(),
            "Delete its pods one after another, or use RollingUpdate.",
            Change::from(format!("kubectl -n {space} delete pod {}-{}", itself.name, wanted - 1)),
        )
    } else if partition > 0 {
        (
            format!("its `partition: {partition}` holds the pods below that number back"),
            "spec.updateStrategy.rollingUpdate.partition",
            partition.to_string(),
            "Lower the partition to go on with the update.",
            Change::merge(&itself, &json!({"spec": {"updateStrategy": {"rollingUpdate": {"partition": 0}}}})),
        )
    } else {
        return None;
    };
    let sentence =
        format!("{updated} of {wanted} pods of StatefulSet `{}` have its latest change: {why}.", itself.name);
    Some(
        Draft::cause("statefulset_update_held", Severity::Notice, &itself, sentence)
            .evidence(format!("{itself} {field}"), value)
            .fix(todo, change),
    )
}
