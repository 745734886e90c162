//! HorizontalPodAutoscalers that cannot do their work. Knows the conditions of their controller.

use k8s_openapi::api::autoscaling::v2::HorizontalPodAutoscaler;
use serde_json::json;

use crate::finding::{Resource, Severity};

use super::{
    api_versions,
    change::Change,
    draft::Draft,
    index::{Index, kubectl_name, name, namespace},
    lookalike::{akin, nearest},
};

/// An autoscaler whose target does not exist (`AbleToScale` false, `FailedGetScale`), or that gets no metrics
/// (`ScalingActive` false): no metrics API in the cluster, containers without the request that a utilization is a share
/// of, or a broken adapter (concept "Horizontal Pod Autoscaling"). `ScalingDisabled` means that the target is scaled to
/// 0 on purpose. A young autoscaler has no metrics yet.
pub(super) fn check(index: &Index<'_>, drafts: &mut Vec<Draft>) {
    for autoscaler in &index.state.autoscalers {
        let conditions =
            autoscaler.status.as_ref().and_then(|status| status.conditions.as_deref()).unwrap_or_default();
        drafts.extend(at_its_limit(autoscaler));
        for condition in conditions.iter().filter(|condition| condition.status == "False") {
            let why = condition.reason.as_deref().unwrap_or_default();
            let said = condition.message.as_deref().unwrap_or_default();
            let draft = match (condition.type_.as_str(), why) {
                ("AbleToScale", "FailedGetScale") => Some(no_target(index, autoscaler)),
                ("ScalingActive", "ScalingDisabled") => switched_off(index, autoscaler),
                ("ScalingActive", _) => no_metrics(index, autoscaler, said),
                _ => None,
            };
            let source = format!("{} status.conditions[{}]", resource(autoscaler), condition.type_);
            drafts.extend(
                draft.map(|draft| {
                    draft.evidence(source, format!("{why}: {said}")).seen_on(resource(autoscaler))
                }),
            );
        }
    }
}

fn resource(autoscaler: &HorizontalPodAutoscaler) -> Resource {
    Resource::namespaced(
        "HorizontalPodAutoscaler",
        namespace(&autoscaler.metadata),
        name(&autoscaler.metadata),
    )
}

fn target(autoscaler: &HorizontalPodAutoscaler) -> Option<Resource> {
    let target = &autoscaler.spec.as_ref()?.scale_target_ref;
    Some(Resource::namespaced(&target.kind, namespace(&autoscaler.metadata), &target.name))
}

/// An autoscaler that wants more pods than `maxReplicas` (`ScalingLimited`, `TooManyReplicas`). Often that is what the limit
/// is for, so a notice; where the metric stays above its target, a warning.
fn at_its_limit(autoscaler: &HorizontalPodAutoscaler) -> Option<Draft> {
    let status = autoscaler.status.as_ref()?;
    let condition = status.conditions.as_deref()?.iter().find(|condition| {
        condition.type_ == "ScalingLimited"
            && condition.reason.as_deref() == Some("TooManyReplicas")
            && condition.status == "True"
    })?;
    let itself = resource(autoscaler);
    let spec = autoscaler.spec.as_ref()?;
    let now = status.current_metrics.iter().flatten().find_map(|metric| metric.resource.as_ref());
    let wanted = spec.metrics.iter().flatten().find_map(|metric| metric.resource.as_ref());
    let (now, wanted) = (
        now.and_then(|metric| Some((metric.name.clone(), metric.current.average_utilization?))),
        wanted.and_then(|metric| metric.target.average_utilization),
    );
    let above = now.as_ref().zip(wanted).filter(|((_, now), wanted)| now > wanted);
    let told = above
        .as_ref()
        .map(|((what, now), wanted)| format!("; {what} is at `{now} %` of the request, aim `{wanted} %`"))
        .unwrap_or_default();
    let sentence = format!(
        "HorizontalPodAutoscaler `{}` wants more pods than `maxReplicas: {}` allows{told}.",
        itself.name, spec.max_replicas
    );
    let severity = if above.is_some() { Severity::Warning } else { Severity::Notice };
    let change =
        Change::merge(&itself, &json!({"spec": {"maxReplicas": spec.max_replicas.saturating_mul(2)}}));
    Some(
        Draft::cause("hpa_at_maximum", severity, &itself, sentence)
            .evidence(format!("{itself} spec.maxReplicas"), spec.max_replicas.to_string())
            .evidence(
                format!("{itself} status.conditions[ScalingLimited]"),
                condition.message.as_deref().unwrap_or("TooManyReplicas"),
            )
            .fix("Raise maxReplicas if the load is real and the nodes have room.", change),
    )
}

/// A `scaleTargetRef` that nothing is: the controller cannot get its scale. A near name of the same kind was probably meant.
fn no_target(index: &Index<'_>, autoscaler: &HorizontalPodAutoscaler) -> Draft {
    let itself = resource(autoscaler);
    if let Some(draft) = removed_version(autoscaler, &itself) {
        return draft;
    }
    let target = target(autoscaler).unwrap_or_else(|| itself.clone());
    let space = namespace(&autoscaler.metadata);
    let same_kind: Vec<&str> = index
        .workloads()
        .iter()
        .filter(|workload| workload.namespace() == space && workload.resource.kind == target.kind)
        .map(|workload| workload.resource.name.as_str())
        .collect();
    let named_alike = same_kind.iter().copied().find(|known| *known == itself.name);
    let meant = nearest(&target.name, same_kind.iter().copied())
        .or(named_alike)
        .or_else(|| same_kind.iter().copied().find(|known| akin(known, &target.name)));
    let similar = meant.map(|meant| format!("; {} `{meant}` does", target.kind)).unwrap_or_default();
    let sentence = format!(
        "HorizontalPodAutoscaler `{}` scales {} `{}`, which does not exist{similar}.",
        itself.name, target.kind, target.name
    );
    let draft = Draft::cause("hpa_target_not_found", Severity::Warning, &itself, sentence)
        .evidence(format!("{itself} spec.scaleTargetRef.name"), &target.name);
    match meant {
        Some(meant) => draft.fix(
            format!("Point it at `{meant}`."),
            Change::merge(&itself, &json!({"spec": {"scaleTargetRef": {"name": meant}}})),
        ),
        None => draft.fix("Point it at a workload that exists, or delete it.", ""),
    }
}

/// A target in an API version that Kubernetes no longer serves ("Deprecated API Migration Guide").
fn removed_version(autoscaler: &HorizontalPodAutoscaler, itself: &Resource) -> Option<Draft> {
    let version = autoscaler.spec.as_ref()?.scale_target_ref.api_version.as_deref()?;
    let successor = api_versions::successor(version)?;
    let sentence = format!(
        "HorizontalPodAutoscaler `{}` names its target in the API version `{version}`, which is no longer served.",
        itself.name
    );
    Some(
        Draft::cause("removed_api_version", Severity::Warning, itself, sentence)
            .evidence(format!("{itself} spec.scaleTargetRef.apiVersion"), version)
            .fix(
                format!("Use `{successor}`."),
                Change::merge(itself, &json!({"spec": {"scaleTargetRef": {"apiVersion": successor}}})),
            ),
    )
}

/// Why the controller has no metrics, as its message tells: see the rule above for the causes.
fn no_metrics(index: &Index<'_>, autoscaler: &HorizontalPodAutoscaler, said: &str) -> Option<Draft> {
    let itself = resource(autoscaler);
    let target = target(autoscaler)?;
    if said.contains("missing request for") {
        return Some(missing_request(index, &itself, &target, said));
    }
    let absent = said.contains("unable to fetch metrics from resource metrics API")
        && (!index.state.has_metrics_api
            || said.contains("could not find the requested resource")
            || said.contains("unable to handle the request"));
    if absent {
        let resource = Resource::global("APIService", "v1beta1.metrics.k8s.io");
        let sentence = format!(
            "The cluster serves no resource metrics API (`metrics.k8s.io`), so HorizontalPodAutoscaler `{}` cannot scale.",
            itself.name
        );
        return Some(
            Draft::cause("metrics_api_missing", Severity::Warning, &resource, sentence)
                .hurts(&itself)
                .fix("Install metrics-server, or repair it.", "kubectl apply -f https://github.com/kubernetes-sigs/metrics-server/releases/latest/download/components.yaml")
                .risk("It is a component of the whole cluster."),
        );
    }
    let young = said.contains("did not receive metrics")
        && index.object_age(&autoscaler.metadata) < jiff::SignedDuration::from_mins(3);
    if young {
        return None;
    }
    let api =
        ["custom.metrics.k8s.io", "external.metrics.k8s.io", "custom metrics API", "external metrics API"];
    if let Some(api) = api.into_iter().find(|api| said.contains(api)) {
        let sentence = format!(
            "HorizontalPodAutoscaler `{}` scales by a metric of the {api}, which the cluster does not serve.",
            itself.name
        );
        return Some(
            Draft::cause("custom_metrics_api_missing", Severity::Warning, &itself, sentence)
                .fix("Install the adapter that serves that metric, or scale by CPU or memory.", ""),
        );
    }
    let sentence = format!("HorizontalPodAutoscaler `{}` gets no metrics and does not scale.", itself.name);
    Some(Draft::cause("hpa_metrics_unavailable", Severity::Warning, &itself, sentence).likely())
}

/// An autoscaler does nothing for a target that is scaled to 0 (`ScalingDisabled`): somebody has to scale it up first. A
/// notice, since that is how one switches both off.
fn switched_off(index: &Index<'_>, autoscaler: &HorizontalPodAutoscaler) -> Option<Draft> {
    let itself = resource(autoscaler);
    let target = target(autoscaler)?;
    index.workload(&target)?;
    let least = autoscaler.spec.as_ref().and_then(|spec| spec.min_replicas).unwrap_or(1);
    let sentence = format!(
        "HorizontalPodAutoscaler `{}` is off while {} `{}` is scaled to 0 replicas.",
        itself.name, target.kind, target.name
    );
    let command = format!(
        "kubectl -n {} scale {} --replicas={least}",
        namespace(&autoscaler.metadata),
        kubectl_name(&target)
    );
    Some(
        Draft::cause("hpa_target_scaled_to_zero", Severity::Notice, &target, sentence)
            .evidence(format!("{target} spec.replicas"), "0")
            .fix(
                format!("Scale it to `{least}`, if it is not off on purpose."),
                Change::merge(&target, &json!({"spec": {"replicas": least}})).told_as(command),
            ),
    )
}

/// A utilization is a share of the request, so every container of the target needs one.
fn missing_request(index: &Index<'_>, itself: &Resource, target: &Resource, said: &str) -> Draft {
    let mut words = said.split("missing request for ").nth(1).unwrap_or_default().split_whitespace();
    let what = words.next().unwrap_or("cpu");
    let container = words.skip_while(|word| *word != "container").nth(1);
    let named = container.map(|container| format!("Container `{container}` of ")).unwrap_or_default();
    let sentence = format!(
        "{named}{} `{}` has no {what} request, which HorizontalPodAutoscaler `{}` needs to compute a utilization.",
        target.kind, target.name, itself.name
    );
    let amount = if what == "memory" { "128Mi" } else { "100m" };
    let first = index.workload(target).and_then(|workload| workload.pod.containers.first());
    let command = container
        .or(first.map(|container| container.name.as_str()))
        .map(|container| Change::set_resources(target, container, "requests", what, amount));
    let known = index.workload(target).map(|workload| {
        let containers = workload.pod.containers.iter();
        containers
            .map(|container| {
                let requests = container.resources.as_ref().and_then(|resources| resources.requests.as_ref());
                let requests = requests.map(|all| {
                    all.iter().map(|(key, value)| format!("{key}={}", value.0)).collect::<Vec<_>>().join(",")
                });
                format!("{}: {}", container.name, requests.unwrap_or_else(|| "(none)".to_owned()))
            })
            .collect::<Vec<_>>()
            .join("; ")
    });
    let draft =
        Draft::cause("hpa_target_missing_requests", Severity::Warning, target, sentence).hurts(itself);
    let draft = known
        .map(|known| {
            draft
                .clone()
                .evidence(format!("{target} spec.template.spec.containers[].resources.requests"), known)
        })
        .unwrap_or(draft);
    draft.fix(format!("Give it a {what} request, near what it uses."), command.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::fixture::{deployment, findings, roots, running};

    fn case(target: &str, condition: &Value) -> Vec<Value> {
        let mut objects = deployment(&json!({}), &running(true), &json!({}));
        objects.push(json!({"kind": "HorizontalPodAutoscaler", "metadata": {"name": "web", "creationTimestamp": "2026-01-02T02:00:00Z"},
            "spec": {"maxReplicas": 3, "scaleTargetRef": {"kind": "Deployment", "name": target}}, "status": {"desiredReplicas": 0, "conditions": [condition]}}));
        objects
    }

    #[test]
    fn conditions() {
        let active = |status: &str, reason: &str, said: &str| json!({"type": "ScalingActive", "status": status, "reason": reason, "message": said});
        for (target, condition, expected) in [
            (
                "webs",
                json!({"type": "AbleToScale", "status": "False", "reason": "FailedGetScale", "message": "not found"}),
                vec!["hpa_target_not_found HorizontalPodAutoscaler shop/web"],
            ),
            (
                "web",
                active(
                    "False",
                    "FailedGetResourceMetric",
                    "unable to fetch metrics from resource metrics API: the server could not find the requested resource",
                ),
                vec!["metrics_api_missing APIService v1beta1.metrics.k8s.io"],
            ),
            (
                "web",
                active(
                    "False",
                    "FailedGetResourceMetric",
                    "failed to get cpu utilization: missing request for cpu in container app of Pod web-1",
                ),
                vec!["hpa_target_missing_requests Deployment shop/web"],
            ),
            (
                "web",
                active(
                    "False",
                    "ScalingDisabled",
                    "scaling is disabled since the replica count of the target is zero",
                ),
                vec![],
            ),
            ("web", active("True", "ValidMetricFound", ""), vec![]),
        ] {
            assert_eq!(roots(case(target, &condition)), expected, "{condition}");
        }
    }

    #[test]
    fn the_request_is_set_on_the_container() {
        let said = "failed to get cpu utilization: missing request for cpu in container app of Pod web-1";
        let found = findings(case(
            "web",
            &json!({"type": "ScalingActive", "status": "False", "reason": "FailedGetResourceMetric", "message": said}),
        ));
        assert_eq!(
            found[0].fix.as_ref().unwrap().command.as_str(),
            "kubectl -n shop set resources deployment/web -c app --requests=cpu=100m"
        );
    }
}
