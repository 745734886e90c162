//! Services that lead nowhere: no pod is selected, none is ready, or the port is not the one that is listened on.

use jiff::SignedDuration;
use k8s_openapi::{
    api::core::v1::{Service, ServicePort},
    apimachinery::pkg::util::intstr::IntOrString,
};

use serde_json::json;

use crate::cluster::state::Pod;
use crate::finding::{Confidence, Resource, Severity};

use super::{
    change::Change,
    draft::{Draft, Rank},
    index::{Index, Workload, is_ready, name, namespace, phase, selector, selects},
    lookalike::{akin, near, nearest},
    wiring::{Target, listening, resolve},
};

pub(super) fn check(index: &Index<'_>, drafts: &mut Vec<Draft>) {
    governing_services(index, drafts);
    for service in &index.state.services {
        let external = service.spec.as_ref().and_then(|spec| spec.type_.as_deref()) == Some("ExternalName");
        if external {
            drafts.extend(external_name(index, service));
        }
        if external || selector(service).is_none() {
            continue;
        }
        let pods = index.selected_pods(service);
        if pods.is_empty() {
            drafts.extend(selects_nothing(index, service));
        } else if !pods.iter().any(|pod| is_ready(pod)) && index.ready_endpoints(service) == 0 {
            drafts.push(none_ready(index, service, &pods));
        }
        drafts.extend(wrong_target_port(index, service, &pods));
        drafts.extend(pending_balancer(index, service));
    }
}

fn resource(service: &Service) -> Resource {
    Resource::namespaced("Service", namespace(&service.metadata), name(&service.metadata))
}

fn shown(selector: &std::collections::BTreeMap<String, String>) -> String {
    selector.iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join(",")
}

/// A selector that no pod and no pod template has (concept "Service": EndpointSlices list the pods that match). Where
/// a template matches, its workload has no pods, on purpose or not. Where nothing resembles what is selected it is only
/// a notice: charts bring Services for components that not every cluster shows as pods.
fn selects_nothing(index: &Index<'_>, service: &Service) -> Option<Draft> {
    let wanted = selector(service)?;
    let space = namespace(&service.metadata);
    let here = || index.workloads().iter().filter(|workload| workload.namespace() == space);
    let itself = resource(service);
    let called = name(&service.metadata);
    if let Some(workload) = here().find(|workload| selects(wanted, workload.labels)) {
        let on_purpose = workload.desired == 0;
        let severity = if on_purpose { Severity::Notice } else { Severity::Critical };
        let why = if on_purpose { "is scaled to 0" } else { "has no pods" };
        let sentence = format!(
            "Service `{called}` has no endpoints because {} `{}` {why}.",
            workload.resource.kind, workload.resource.name
        );
        let draft =
            Draft::cause("service_no_endpoints", severity, &itself, sentence).blames(&workload.resource);
        return Some(
            Draft { rank: Rank::Route, ..draft }.evidence(format!("{itself} spec.selector"), shown(wanted)),
        );
    }
    let meant = here()
        .filter(|workload| !matches!(workload.resource.kind.as_str(), "Job" | "CronJob"))
        .filter_map(|workload| Some((likeness(service, workload)?, workload)));
    let meant = meant
        .min_by_key(|(score, workload)| (*score, workload.resource.clone()))
        .map(|(_, workload)| workload);
    let Some(workload) = meant else {
        let sentence = format!(
            "Service `{called}` selects `{}`, which no pod and no workload of namespace `{space}` has.",
            shown(wanted)
        );
        return Some(
            Draft::cause("service_selector_mismatch", Severity::Notice, &itself, sentence)
                .confidence(Confidence::Likely)
                .evidence(format!("{itself} spec.selector"), shown(wanted))
                .fix("Correct the selector, or delete the Service if nothing needs it.", ""),
        );
    };
    let has: Vec<String> = wanted
        .keys()
        .map(|key| workload.labels.get(key).map_or(format!("no `{key}`"), |value| format!("`{key}={value}`")))
        .collect();
    let sentence = format!(
        "Service `{called}` selects `{}`, but the pods of {} `{}` have {}, so it has no endpoints.",
        shown(wanted),
        workload.resource.kind,
        workload.resource.name,
        has.join(", ")
    );
    let labels: std::collections::BTreeMap<_, _> = workload.labels.clone();
    let right: Option<serde_json::Map<String, serde_json::Value>> = wanted
        .keys()
        .map(|key| labels.get(key).map(|value| (key.clone(), serde_json::Value::String(value.clone()))))
        .collect();
    let command = right.map(|right| Change::merge(&itself, &json!({"spec": {"selector": right}})));
    Some(
        Draft::cause("service_selector_mismatch", Severity::Critical, &itself, sentence)
            .evidence(format!("{itself} spec.selector"), shown(wanted))
            .evidence(format!("{} spec.template.metadata.labels", workload.resource), shown(workload.labels))
            .fix(
                format!("Make the selector match the pods of `{}`.", workload.resource.name),
                command.unwrap_or_default(),
            ),
    )
}

/// How well a workload fits a Service that selects nothing, best first: by name, by a label that differs by a slip
/// or shares a word, by all labels but one.
fn likeness(service: &Service, workload: &Workload<'_>) -> Option<u8> {
    let wanted = selector(service)?;
    let called = name(&service.metadata);
    if called == workload.resource.name {
        return Some(0);
    }
    let alike = |wanted: &str, other: &str| near(wanted, other) || akin(wanted, other);
    let mut values = wanted.iter().filter_map(|(key, value)| Some((value, workload.labels.get(key)?)));
    if values.any(|(wanted, other)| wanted != other && near(wanted, other)) {
        return Some(1);
    }
    let equal = wanted.iter().filter(|(key, value)| workload.labels.get(*key) == Some(value)).count();
    if equal > 0 && equal + 1 == wanted.len() {
        return Some(2);
    }
    let mut values = wanted.iter().filter_map(|(key, value)| Some((value, workload.labels.get(key)?)));
    (alike(called, &workload.resource.name) && values.any(|(wanted, other)| akin(wanted, other))).then_some(3)
}

/// Pods are selected and none is ready: a symptom of what is wrong with them.
fn none_ready(index: &Index<'_>, service: &Service, pods: &[&Pod]) -> Draft {
    let itself = resource(service);
    let young = pods.iter().all(|pod| index.object_age(&pod.metadata) < SignedDuration::from_secs(60));
    let severity = if young { Severity::Notice } else { Severity::Critical };
    let sentence = format!(
        "Service `{}` has no ready endpoints: none of its {} pods is ready.",
        itself.name,
        pods.len()
    );
    let mut draft = Draft::cause("service_no_endpoints", severity, &itself, sentence);
    draft.rank = Rank::Route;
    let states: Vec<String> =
        pods.iter().map(|pod| format!("{}: {}", name(&pod.metadata), phase(pod))).collect();
    let draft = draft.evidence(
        format!("EndpointSlices of {itself}"),
        format!("ready endpoints: 0 ({})", states.join(", ")),
    );
    pods.iter().fold(draft, |draft, pod| {
        draft.blames(&index.owner(pod)).seen_on(Resource::namespaced(
            "Pod",
            namespace(&pod.metadata),
            name(&pod.metadata),
        ))
    })
}

/// A `targetPort` on which the selected pods do not listen. A name that no container port has makes the endpoints
/// leave out that port: certain. A number can be right though undeclared, since `containerPort` is only a
/// declaration: it is a fault where every container of the pod declares ports or says in its log where it listens,
/// and none is this one.
fn wrong_target_port<'a>(index: &Index<'a>, service: &Service, pods: &[&'a Pod]) -> Vec<Draft> {
    let Some(pod) = pods.iter().find(|pod| is_ready(pod)).or_else(|| pods.first()) else { return Vec::new() };
    let ports = service.spec.as_ref().and_then(|spec| spec.ports.as_deref()).unwrap_or_default();
    ports
        .iter()
        .enumerate()
        .filter(|(_, port)| port.protocol.as_deref() != Some("UDP"))
        .filter_map(|(place, port)| wrong_port(index, service, pod, place, port))
        .collect()
}

fn wrong_port<'a>(
    index: &Index<'a>,
    service: &Service,
    pod: &'a Pod,
    place: usize,
    port: &ServicePort,
) -> Option<Draft> {
    let itself = resource(service);
    let owner = index.owner(pod);
    let containers: Vec<_> = index.containers_of(pod).into_iter().filter(|view| !view.init).collect();
    let declared = containers.iter().flat_map(|view| view.spec.ports.iter().flatten());
    let known: Vec<u16> = containers.iter().flat_map(|view| listening(index, view)).collect();
    let target = port.target_port.clone().unwrap_or(IntOrString::Int(port.port));
    let wrong = match &target {
        IntOrString::String(called) if !declared.clone().any(|port| port.name.as_deref() == Some(called)) => {
            called.clone()
        }
        IntOrString::Int(number) => {
            let number = u16::try_from(*number).ok()?;
            let silent = containers.iter().any(|view| listening(index, view).is_empty());
            let named_elsewhere = containers.iter().any(|view| uses_port(view.spec, number));
            if silent || known.contains(&number) || named_elsewhere {
                return None;
            }
            number.to_string()
        }
        IntOrString::String(_) => return None,
    };
    let list = known.iter().map(|port| format!("`{port}`")).collect::<Vec<_>>().join(", ");
    let list = if list.is_empty() { "no port of that name".to_owned() } else { list };
    let sentence = format!(
        "Service `{}` sends port `{}` to `targetPort: {wrong}`, but the pods of `{}` listen on {}.",
        itself.name,
        port.port,
        owner.name,
        if list.is_empty() { "no port of that name".to_owned() } else { list }
    );
    let evidence = containers
        .iter()
        .map(|view| format!("{}: {:?}", view.name(), listening(index, view)))
        .collect::<Vec<_>>()
        .join("; ");
    // A port for metrics and the like is often served and not declared.
    let aside =
        service.spec.as_ref().and_then(|spec| spec.ports.as_ref()).is_some_and(|ports| ports.len() > 1)
            || ["metric", "monitor", "prom", "admin", "debug"].iter().any(|word| {
                itself.name.contains(word) || port.name.as_deref().is_some_and(|name| name.contains(word))
            });
    let guess = matches!(target, IntOrString::Int(_));
    let severity = if guess && aside { Severity::Notice } else { Severity::Critical };
    let draft = Draft::cause("service_target_port_wrong", severity, &itself, sentence)
        .confidence(if matches!(target, IntOrString::String(_)) {
            Confidence::Certain
        } else {
            Confidence::Likely
        })
        .evidence(format!("{itself} spec.ports[{place}].targetPort"), wrong)
        .evidence(format!("{owner} container ports"), evidence)
        .about(port.port.to_string());
    Some(match known.first() {
        Some(right) => draft.fix(
            format!("Set targetPort to `{right}`."),
            Change::json(&itself, &json!([{"op": "replace", "path": format!("/spec/ports/{place}/targetPort"), "value": right}])),
        ),
        None => draft.fix("Give a container port that name, or use a number.", ""),
    })
}

/// Whether the container's spec uses the number in a variable or an argument: then it may well listen there.
fn uses_port(container: &k8s_openapi::api::core::v1::Container, port: u16) -> bool {
    let digits = port.to_string();
    let words = container.command.iter().flatten().chain(container.args.iter().flatten());
    let values = container.env.iter().flatten().filter_map(|env| env.value.as_ref());
    words
        .chain(values)
        .any(|text| text.split(|letter: char| !letter.is_ascii_digit()).any(|part| part == digits))
}

/// An `ExternalName` that is a name of this cluster and of no Service in it: it resolves to nothing (concept "Service").
fn external_name(index: &Index<'_>, service: &Service) -> Option<Draft> {
    let host = service.spec.as_ref()?.external_name.as_deref()?;
    let Target::NoService { space, name: called } = resolve(index, namespace(&service.metadata), host) else {
        return None;
    };
    if !host.contains(".svc") {
        return None;
    }
    let itself = resource(service);
    let names = index.state.service_names.get(&space).map(Vec::as_slice).unwrap_or_default();
    let near = nearest(&called, names.iter().map(String::as_str));
    let similar = near.map(|near| format!("; there is `{near}`")).unwrap_or_default();
    let sentence = format!(
        "Service `{}` stands for `{host}`, but namespace `{space}` has no Service `{called}`{similar}.",
        itself.name
    );
    let draft = Draft::cause("external_name_not_found", Severity::Critical, &itself, sentence)
        .evidence(format!("{itself} spec.externalName"), host);
    Some(match near {
        Some(near) => {
            let right = host.replacen(&called, near, 1);
            let change = Change::merge(&itself, &json!({"spec": {"externalName": right}}));
            draft.fix(format!("Name `{right}`."), change)
        }
        None => draft.fix("Correct spec.externalName.", ""),
    })
}

/// The Service that gives the pods of a StatefulSet their names has to exist (concept "StatefulSets", "Stable Network ID");
/// without it the pods run and nobody can resolve them. Many run without needing it, so a notice.
fn governing_services(index: &Index<'_>, drafts: &mut Vec<Draft>) {
    for set in &index.state.stateful_sets {
        let Some(called) = set.spec.as_ref().and_then(|spec| spec.service_name.as_deref()) else { continue };
        let space = namespace(&set.metadata);
        if called.is_empty() || index.service(space, called).is_some() || !index.is_listed("services") {
            continue;
        }
        let itself = Resource::namespaced("StatefulSet", space, name(&set.metadata));
        let sentence = format!(
            "StatefulSet `{}` names the Service `{called}`, which does not exist, so its pods have no names in DNS.",
            itself.name
        );
        drafts.push(
            Draft::cause("statefulset_service_missing", Severity::Notice, &itself, sentence)
                .evidence(format!("{itself} spec.serviceName"), called)
                .fix(
                    "Create that Service, headless.",
                    format!("kubectl -n {space} create service clusterip {called} --clusterip=None"),
                ),
        );
    }
}

/// A load balancer that nobody provides: `status.loadBalancer` stays empty without a cloud controller or the like.
fn pending_balancer(index: &Index<'_>, service: &Service) -> Option<Draft> {
    let spec = service.spec.as_ref()?;
    let status = service.status.as_ref().and_then(|status| status.load_balancer.as_ref()?.ingress.as_ref());
    let waits = spec.type_.as_deref() == Some("LoadBalancer") && status.is_none_or(Vec::is_empty);
    if !waits || index.object_age(&service.metadata) < SignedDuration::from_mins(5) {
        return None;
    }
    let itself = resource(service);
    let sentence = format!(
        "Service `{}` is a LoadBalancer and has no external address yet: nothing in the cluster provides one.",
        itself.name
    );
    Some(
        Draft::cause("load_balancer_pending", Severity::Warning, &itself, sentence)
            .confidence(Confidence::Likely)
            .evidence(format!("{itself} status.loadBalancer"), "{}")
            .fix("Install a load balancer controller, or use an Ingress or a NodePort.", ""),
    )
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::fixture::{deployment, findings, roots, running};
    use super::*;

    fn service(selector: &Value, ports: &Value) -> Value {
        json!({"kind": "Service", "metadata": {"name": "front"}, "spec": {"selector": selector, "ports": ports}})
    }

    fn with(service: Value, container: &Value) -> Vec<Value> {
        let mut objects = deployment(container, &running(true), &json!({}));
        objects.push(service);
        objects
    }

    #[test]
    fn selectors() {
        let ports = json!([{"port": 80, "targetPort": 8080}]);
        let container = json!({"ports": [{"containerPort": 8080}]});
        for (selector, expected) in [
            (json!({"app": "web"}), vec![]),
            // Nothing here resembles it: a notice.
            (json!({"app": "other"}), vec![]),
            (json!({"app": "web", "tier": "x"}), vec!["service_selector_mismatch Service shop/front"]),
            (json!({}), vec![]),
        ] {
            assert_eq!(roots(with(service(&selector, &ports), &container)), expected, "{selector}");
        }
    }

    #[test]
    fn the_labels_of_the_workload_are_offered() {
        let mut objects = with(service(&json!({"app": "web-service"}), &json!([{"port": 80}])), &json!({}));
        objects[3]["metadata"]["name"] = json!("web");
        let finding = findings(objects).remove(0);
        assert_eq!(
            finding.fix.unwrap().command.as_str(),
            r#"kubectl -n shop patch service/web --type merge -p '{"spec":{"selector":{"app":"web"}}}'"#
        );
    }

    #[test]
    fn target_ports() {
        let selector = json!({"app": "web"});
        let named = json!({"ports": [{"name": "http", "containerPort": 8080}]});
        let wrong = vec!["service_target_port_wrong Service shop/front"];
        for (target, container, expected) in [
            (json!("http"), &named, vec![]),
            (json!("web"), &named, wrong.clone()),
            (json!(8080), &named, vec![]),
            (json!(9090), &named, wrong),
            (json!(9090), &json!({}), vec![]),
            (json!(9090), &json!({"args": ["--port=9090"], "ports": [{"containerPort": 8080}]}), vec![]),
        ] {
            let ports = json!([{"port": 80, "targetPort": target}]);
            assert_eq!(roots(with(service(&selector, &ports), container)), expected, "{target} {container}");
        }
    }

    #[test]
    fn a_service_of_pods_that_are_not_ready_is_a_symptom() {
        let status = json!({"restartCount": 5, "state": {"waiting": {"reason": "ImagePullBackOff", "message": "not found"}}});
        let mut objects = deployment(&json!({"image": "nginx:nope"}), &status, &json!({}));
        objects.push(service(&json!({"app": "web"}), &json!([{"port": 80}])));
        let found = findings(objects);
        let symptom = found.iter().find(|finding| finding.code == "service_no_endpoints").unwrap();
        assert!(!symptom.is_root());
    }

    #[test]
    fn scaled_to_nothing_on_purpose_is_a_notice() {
        let mut objects = with(service(&json!({"app": "web"}), &json!([{"port": 80}])), &json!({}));
        objects[0]["spec"]["replicas"] = json!(0);
        objects.remove(2);
        assert_eq!(roots(objects.clone()), Vec::<String>::new());
        assert!(findings(objects).iter().all(|finding| finding.severity == Severity::Notice));
    }
}
