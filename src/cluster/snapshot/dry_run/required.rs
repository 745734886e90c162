//! What an object must have, beside being of the right types: by tables of what the API server demands of its own
//! kinds, and by recorded schemas. Pure.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{super::status::Cause, meta::set, schema::Node};

/// Where objects hold the specification of a pod.
const POD_SPECS: &[(&str, &str)] = &[
    ("Pod", "spec"),
    ("DaemonSet Deployment Job ReplicaSet ReplicationController StatefulSet", "spec.template.spec"),
    ("CronJob", "spec.jobTemplate.spec.template.spec"),
];

/// What a pod's specification must have; `containers[*]` stands for the init containers, too. What is after a colon is
/// said in the place of nothing.
const OF_PODS: &[&str] = &[
    "containers",
    "containers[*].name",
    "containers[*].image",
    "containers[*].ports[*].containerPort",
    "containers[*].env[*].name",
    "containers[*].env[*].valueFrom?.configMapKeyRef?.key",
    "containers[*].env[*].valueFrom?.secretKeyRef?.key",
    "containers[*].volumeMounts[*].name",
    "containers[*].volumeMounts[*].mountPath",
    "volumes[*].name",
    "volumes[*].configMap?.name",
    "volumes[*].hostPath?.path",
    "volumes[*].persistentVolumeClaim?.claimName",
    "volumes[*].secret?.secretName",
];

/// What objects must have. `x?` may be absent, and what comes after it only is needed where it is there.
const OF_KINDS: &[(&str, &[&str])] = &[
    ("DaemonSet Deployment ReplicaSet StatefulSet", &["spec.selector"]),
    ("Job", &[r#"spec.template.spec.restartPolicy: valid values: "OnFailure", "Never""#]),
    (
        "CronJob",
        &[
            "spec.schedule",
            r#"spec.jobTemplate.spec.template.spec.restartPolicy: valid values: "OnFailure", "Never""#,
        ],
    ),
    ("Service", &["spec.ports[*].port: Invalid value: 0: must be between 1 and 65535, inclusive"]),
    (
        "Ingress",
        &[
            "spec.rules[*].http?.paths",
            "spec.rules[*].http?.paths[*].pathType: pathType must be specified",
            "spec.rules[*].http?.paths[*].backend.service?.name",
        ],
    ),
    (
        "HorizontalPodAutoscaler",
        &[
            "spec.maxReplicas: must be set and greater than 0",
            "spec.scaleTargetRef.kind",
            "spec.scaleTargetRef.name",
        ],
    ),
    ("ClusterRole Role", &["rules[*].verbs: verbs must contain at least one value"]),
    ("ClusterRoleBinding RoleBinding", &["roleRef.name", "subjects[*].name"]),
    ("IngressClass", &["spec.controller"]),
    ("LimitRange", &["spec.limits[*].type"]),
    (
        "PersistentVolumeClaim",
        &["spec.accessModes: at least 1 access mode is required", "spec.resources.requests.storage"],
    ),
    ("StorageClass", &["provisioner"]),
];

/// Fields that the schemas demand and the API server does without.
const TOLERATED: &[(&str, &str)] =
    &[("CSINodeSpec", "drivers"), ("HTTPHeader", "value"), ("LimitRangeSpec", "limits"), ("Sysctl", "value")];

/// What an object of one of Kubernetes' own kinds lacks.
pub(super) fn of_kind(kind: &str, object: &Value) -> Vec<Cause> {
    let is_it = |kinds: &str| kinds.split(' ').any(|known| known == kind);
    let mut found = Vec::new();
    for path in OF_KINDS.iter().filter(|(kinds, _)| is_it(kinds)).flat_map(|(_, paths)| *paths) {
        demand(object, "", path, &mut found);
    }
    for (_, place) in POD_SPECS.iter().filter(|(kinds, _)| is_it(kinds)) {
        let spec = object.pointer(&format!("/{}", place.replace('.', "/"))).unwrap_or(&Value::Null);
        for path in OF_PODS {
            demand(spec, place, path, &mut found);
            if let Some(rest) = path.strip_prefix("containers[") {
                demand(spec, place, &format!("initContainers[{rest}"), &mut found);
            }
        }
    }
    if is_it("Deployment") || is_it("DaemonSet") || is_it("ReplicaSet") || is_it("StatefulSet") {
        found.extend(unselected(object));
    }
    found
}

/// Adds what is missing at `path: words` below a place.
fn demand(value: &Value, place: &str, path: &str, found: &mut Vec<Cause>) {
    let (path, words) = path.split_once(": ").unwrap_or((path, ""));
    let mut fields = Vec::new();
    walk(value, place.to_owned(), path, &mut |field, value| {
        let is_other = words.starts_with("valid values") && !words.contains(&value.to_string());
        if is_missing(value) || is_other {
            fields.push(field);
        }
    });
    found.extend(fields.into_iter().map(|field| match words {
        "" => Cause::new(field, "Required value"),
        own if own.starts_with("Invalid value") => Cause::new(field, own),
        words => Cause::new(field, format!("Required value: {words}")),
    }));
}

/// Calls `told` with every field that a path leads to, and what is there.
fn walk(value: &Value, place: String, path: &str, told: &mut impl FnMut(String, &Value)) {
    if path.is_empty() {
        return told(place, value);
    }
    let (step, rest) = path.split_once('.').unwrap_or((path, ""));
    let name = step.trim_end_matches(['?', '*', '[', ']']);
    let place = join(&place, name);
    match (&value[name], step.ends_with("[*]")) {
        (Value::Array(items), true) => {
            for (number, item) in items.iter().enumerate() {
                walk(item, format!("{place}[{number}]"), rest, told);
            }
        }
        (_, true) => {}
        (Value::Null, false) if step.ends_with('?') => {}
        (value, false) => walk(value, place, rest, told),
    }
}

fn join(place: &str, name: &str) -> String {
    if place.is_empty() { name.to_owned() } else { format!("{place}.{name}") }
}

/// Whether it is what Go has where nothing was given.
fn is_missing(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Number(number) => number.as_i64() == Some(0),
        _ => false,
    }
}

/// A workload whose pods it would not find again.
fn unselected(object: &Value) -> Option<Cause> {
    let labels = &object["spec"]["template"]["metadata"]["labels"];
    let wanted = object["spec"]["selector"]["matchLabels"].as_object()?;
    if wanted.iter().all(|(key, value)| labels.get(key) == Some(value)) {
        return None;
    }
    let labels: Option<BTreeMap<_, _>> = labels.as_object().map(|labels| labels.iter().collect());
    let labels = serde_json::to_string(&labels).unwrap_or_default();
    let words = format!("Invalid value: {labels}: `selector` does not match template `labels`");
    Some(Cause::new("spec.template.metadata.labels", words))
}

/// What an object lacks by its recorded schema. What no custom resource definition defines is checked by the API
/// server's own code, to which an absent number is zero and an absent part is an empty one.
pub(super) fn by_schema(node: Node<'_>, object: &Value, custom: bool) -> Vec<Cause> {
    let (mut object, mut found) = (object.clone(), Vec::new());
    ["metadata", "status"].iter().for_each(|name| set(&mut object, name, None));
    look(node, &object, "", custom, &mut found);
    found.retain(|cause| !cause.field.starts_with("metadata") && !cause.field.starts_with("status"));
    found
}

fn look(node: Node<'_>, value: &Value, place: &str, custom: bool, found: &mut Vec<Cause>) {
    match value {
        Value::Object(members) => {
            for name in node.required() {
                let own = members.get(name).unwrap_or(&Value::Null);
                if own.is_null() || !custom && own == "" {
                    lack(node, name, join(place, name), custom, found);
                }
            }
            for (name, value) in members {
                if let Some(field) = node.field(name) {
                    look(field, value, &join(place, name), custom, found);
                }
            }
        }
        Value::Array(items) => {
            let Some(schema) = node.item() else { return };
            for (number, item) in items.iter().enumerate() {
                look(schema, item, &format!("{place}[{number}]"), custom, found);
            }
        }
        _ => {}
    }
}

/// Adds a field that is not there.
fn lack(node: Node<'_>, name: &str, place: String, custom: bool, found: &mut Vec<Cause>) {
    let field = node.field(name);
    if !custom {
        let tolerated = |(owner, field): &(&str, &str)| *field == name && node.type_name() == Some(*owner);
        let counts = field.is_some_and(|field| ["string", "array", "object"].contains(&field.type_of()));
        if !counts || TOLERATED.iter().any(tolerated) {
            return;
        }
        // A part that is never absent: what is missing is in it.
        if let Some(field) = field.filter(|field| field.is_empty_by_default()) {
            return look(field, &Value::Object(serde_json::Map::new()), &place, custom, found);
        }
    }
    found.push(Cause::new(place, "Required value"));
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn lacks(kind: &str, object: &Value) -> Vec<String> {
        of_kind(kind, object).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn what_the_server_demands_is_missed() {
        let container = json!({"name": "a", "image": "b"});
        let template = json!({"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [container]}});
        let ports = "spec.ports[1].port: Invalid value: 0: must be between 1 and 65535, inclusive";
        let restart =
            "spec.template.spec.restartPolicy: Required value: valid values: \"OnFailure\", \"Never\"";
        for (kind, object, expected) in [
            ("ConfigMap", json!({}), vec![]),
            (
                "Deployment",
                json!({"spec": {"selector": {"matchLabels": {"a": "b"}}, "template": template}}),
                vec![],
            ),
            (
                "Deployment",
                json!({}),
                vec!["spec.selector: Required value", "spec.template.spec.containers: Required value"],
            ),
            (
                "Deployment",
                json!({"spec": {"selector": {"matchLabels": {"a": "c"}}, "template": template}}),
                vec![
                    "spec.template.metadata.labels: Invalid value: {\"a\":\"b\"}: `selector` does not match template `labels`",
                ],
            ),
            (
                "Pod",
                json!({"spec": {"containers": [container, {"name": "", "env": [{"value": "x"}]}],
                    "initContainers": [{"name": "i"}], "volumes": [{"name": "v", "secret": {}}, {"name": "w", "emptyDir": {}}]}}),
                vec![
                    "spec.containers[1].name: Required value",
                    "spec.containers[1].image: Required value",
                    "spec.initContainers[0].image: Required value",
                    "spec.containers[1].env[0].name: Required value",
                    "spec.volumes[0].secret.secretName: Required value",
                ],
            ),
            ("Service", json!({"spec": {"ports": [{"port": 1}, {"name": "x"}]}}), vec![ports]),
            ("Job", json!({"spec": {"template": template}}), vec![restart]),
            ("StorageClass", json!({"provisioner": ""}), vec!["provisioner: Required value"]),
        ] {
            assert_eq!(lacks(kind, &object), expected, "{kind} {object}");
        }
        let mut always = json!({"spec": {"template": template}});
        for (policy, expected) in [("Always", vec![restart]), ("Never", vec![])] {
            always["spec"]["template"]["spec"]["restartPolicy"] = policy.into();
            assert_eq!(lacks("Job", &always), expected);
        }
    }
}
