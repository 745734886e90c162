//! States written as short JSON, for the tests of the rules.

use serde_json::{Value, json};

use crate::{
    cluster::state::{ContainerLog, SecretKeys, State},
    finding::Finding,
    redact::Redacted,
};

/// The moment at which every state of the tests was taken.
pub(super) const NOW: &str = "2026-01-02T03:04:05Z";

/// A state of these objects. A Secret's `expires` is a list of times; `{"kind": "Log", "pod", "container", "text"}`
/// is a log, its lines stamped with the time of the state.
pub(super) fn state(objects: &Value) -> State {
    let mut state = State { taken_at: NOW.parse().unwrap(), has_metrics_api: true, ..State::default() };
    for object in objects.as_array().unwrap() {
        add(&mut state, object.clone());
    }
    for service in &state.services {
        let names = state.service_names.entry(service.metadata.namespace.clone().unwrap()).or_default();
        names.push(service.metadata.name.clone().unwrap());
    }
    state
}

fn add(state: &mut State, mut object: Value) {
    fn typed<T: serde::de::DeserializeOwned>(object: Value) -> T {
        let shown = object.to_string();
        serde_json::from_value(object).unwrap_or_else(|e| panic!("{e}: {shown}"))
    }
    let kind = object["kind"].as_str().unwrap().to_owned();
    let global = [
        "Node",
        "Namespace",
        "PersistentVolume",
        "StorageClass",
        "IngressClass",
        "Version",
        "Lease",
        "PriorityClass",
        "ClusterRole",
        "GatewayClass",
    ];
    if !global.contains(&kind.as_str()) && object["metadata"]["namespace"].is_null() {
        object["metadata"]["namespace"] = json!("shop");
    }
    match kind.as_str() {
        "Pod" => state.pods.push(typed(object)),
        "Deployment" => state.deployments.push(typed(object)),
        "ReplicaSet" => state.replica_sets.push(typed(object)),
        "StatefulSet" => state.stateful_sets.push(typed(object)),
        "DaemonSet" => state.daemon_sets.push(typed(object)),
        "Job" => state.jobs.push(typed(object)),
        "CronJob" => state.cron_jobs.push(typed(object)),
        "Service" => state.services.push(typed(object)),
        "EndpointSlice" => state.endpoint_slices.push(typed(object)),
        "Ingress" => state.ingresses.push(typed(object)),
        "IngressClass" => state.ingress_classes.push(typed(object)),
        "NetworkPolicy" => state.network_policies.push(typed(object)),
        "ConfigMap" => state.config_maps.push(typed(object)),
        "PersistentVolumeClaim" => state.claims.push(typed(object)),
        "PersistentVolume" => state.volumes.push(typed(object)),
        "StorageClass" => state.storage_classes.push(typed(object)),
        "ResourceQuota" => state.quotas.push(typed(object)),
        "HorizontalPodAutoscaler" => state.autoscalers.push(typed(object)),
        "PodDisruptionBudget" => state.disruption_budgets.push(typed(object)),
        "Node" => state.nodes.push(typed(object)),
        "Namespace" => state.namespaces.push(typed(object)),
        "CustomResourceDefinition" => state.custom_kinds.push(typed(object)),
        "Event" => state.events.push(typed(object)),
        "ServiceAccount" => state.service_accounts.push(typed(object)),
        "Role" => state.roles.push(typed(object)),
        "RoleBinding" => state.role_bindings.push(typed(object)),
        "ValidatingWebhookConfiguration" => state.validating_webhooks.push(typed(object)),
        "Secret" => state.secrets.push(secret(&object)),
        "Log" => state.logs.push(log(&object)),
        "Version" => state.version = object["version"].as_str().unwrap().to_owned(),
        "PriorityClass" => state.priority_classes.push(typed(object)),
        "LimitRange" => state.limit_ranges.push(typed(object)),
        "GatewayClass" => state.gateway_classes.push(typed(object)),
        "Gateway" => state.gateways.push(typed(object)),
        "HTTPRoute" => state.http_routes.push(typed(object)),
        "ReferenceGrant" => state.reference_grants.push(typed(object)),
        "ClusterRole" => state.cluster_roles.push(typed(object)),
        "Lease" => {
            let renewed = object["renewed"].as_str().unwrap().parse().unwrap();
            state.node_leases.insert(object["metadata"]["name"].as_str().unwrap().to_owned(), renewed);
        }
        other => panic!("no list for {other}"),
    }
}

fn secret(object: &Value) -> SecretKeys {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    SecretKeys {
        namespace: text(&object["metadata"]["namespace"]),
        name: text(&object["metadata"]["name"]),
        type_: text(&object["type"]),
        keys: list(&object["keys"]).iter().map(text).collect(),
        certificates_expire: list(&object["expires"]).iter().map(|at| text(at).parse().unwrap()).collect(),
    }
}

fn log(object: &Value) -> ContainerLog {
    let lines = object["text"].as_str().unwrap().lines();
    let text: String = lines.map(|line| format!("2026-01-02T03:04:00.000000000Z {line}\n")).collect();
    ContainerLog {
        namespace: object["metadata"]["namespace"].as_str().unwrap().to_owned(),
        pod: object["pod"].as_str().unwrap().to_owned(),
        container: object["container"].as_str().unwrap().to_owned(),
        previous: object["previous"].as_bool().unwrap_or(false),
        text: Redacted::new(text),
        cut: false,
    }
}

/// A Deployment `web` with one ReplicaSet and one pod `web-1`. `container` is merged into its container `app`,
/// `status` is the container's status (its name is filled in), `spec` is merged into the pod's spec.
pub(super) fn deployment(container: &Value, status: &Value, spec: &Value) -> Vec<Value> {
    named_deployment("web", container, status, spec)
}

pub(super) fn named_deployment(name: &str, container: &Value, status: &Value, spec: &Value) -> Vec<Value> {
    let container = merged(json!({"name": "app", "image": "busybox:1"}), container);
    let spec = merged(json!({"containers": [container]}), spec);
    let status = merged(
        json!({"name": "app", "image": "busybox:1", "imageID": "", "ready": false, "restartCount": 0}),
        status,
    );
    let ready = if status["ready"] == json!(true) { "True" } else { "False" };
    let set = format!("{name}-5d");
    let born = "2026-01-02T02:00:00Z";
    vec![
        json!({"kind": "Deployment", "metadata": {"name": name, "creationTimestamp": born},
            "spec": {"replicas": 1, "selector": {"matchLabels": {"app": name}},
                "template": {"metadata": {"labels": {"app": name}}, "spec": spec}},
            "status": {"replicas": 1, "availableReplicas": i32::from(ready == "True")}}),
        json!({"kind": "ReplicaSet", "metadata": {"name": set, "creationTimestamp": born, "ownerReferences": [
            {"apiVersion": "apps/v1", "kind": "Deployment", "name": name, "uid": "1", "controller": true}]},
            "spec": {"replicas": 1, "selector": {"matchLabels": {"app": name}},
                "template": {"metadata": {"labels": {"app": name}}, "spec": spec}},
            "status": {"replicas": 1}}),
        json!({"kind": "Pod", "metadata": {"name": format!("{name}-1"), "labels": {"app": name},
            "creationTimestamp": born, "ownerReferences": [
            {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": set, "uid": "2", "controller": true}]},
            "spec": spec,
            "status": {"phase": "Running", "containerStatuses": [status], "conditions": [
                {"type": "PodScheduled", "status": "True"}, {"type": "Ready", "status": ready}]}}),
    ]
}

/// A container status in a crash loop that ended with that code.
pub(super) fn crashed(code: i32) -> Value {
    json!({"restartCount": 6, "state": {"waiting": {"reason": "CrashLoopBackOff",
        "message": "back-off 5m0s restarting failed container=app"}},
        "lastState": {"terminated": {"exitCode": code, "reason": "Error",
            "startedAt": "2026-01-02T03:03:00Z", "finishedAt": "2026-01-02T03:03:01Z"}}})
}

/// A container status that runs since an hour and is ready or not.
pub(super) fn running(ready: bool) -> Value {
    json!({"ready": ready, "started": true, "state": {"running": {"startedAt": "2026-01-02T02:04:05Z"}}})
}

/// A warning event about an object, just now.
pub(super) fn event(kind: &str, name: &str, reason: &str, message: &str) -> Value {
    json!({"kind": "Event", "metadata": {"name": format!("{name}.1")}, "type": "Warning", "reason": reason,
        "message": message, "count": 9, "lastTimestamp": NOW,
        "involvedObject": {"kind": kind, "name": name, "namespace": "shop"}})
}

pub(super) fn log_of(pod: &str, container: &str, text: &str) -> Value {
    json!({"kind": "Log", "pod": pod, "container": container, "text": text})
}

fn merged(mut base: Value, more: &Value) -> Value {
    for (key, value) in more.as_object().into_iter().flatten() {
        base[key] = value.clone();
    }
    base
}

/// What the rules find in these objects.
pub(super) fn findings(objects: Vec<Value>) -> Vec<Finding> {
    super::analyze(&state(&Value::Array(objects)))
}

/// `code resource` of each root finding that is worse than a notice.
pub(super) fn roots(objects: Vec<Value>) -> Vec<String> {
    let found = findings(objects);
    let roots = found
        .iter()
        .filter(|finding| finding.is_root() && finding.severity < crate::finding::Severity::Notice);
    roots.map(|finding| format!("{} {}", finding.code, finding.resource)).collect()
}
