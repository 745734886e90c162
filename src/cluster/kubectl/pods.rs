//! What commands need to know of pods and of those who select them.

use std::cmp::{Ordering, Reverse};

use serde_json::Value;

use super::print::json::sorted;

pub fn name(object: &Value) -> String {
    object["metadata"]["name"].as_str().unwrap_or_default().into()
}

pub fn namespace(object: &Value) -> String {
    object["metadata"]["namespace"].as_str().unwrap_or_default().into()
}

/// The names of the containers in one of the pod's lists.
pub fn container_names(pod: &Value, list: &str) -> Vec<String> {
    let containers = pod["spec"][list].as_array().map(Vec::as_slice).unwrap_or_default();
    containers.iter().filter_map(|container| container["name"].as_str()).map(Into::into).collect()
}

/// The labels by which a workload or a Service selects its pods; `None` where it selects none.
pub fn selector(owner: &Value) -> Option<String> {
    let selector = &owner["spec"]["selector"];
    let kind = owner["kind"].as_str().unwrap_or_default();
    let text = match kind {
        "Service" | "ReplicationController" => equalities(selector),
        "Deployment" | "ReplicaSet" | "StatefulSet" | "DaemonSet" | "Job" => label_selector(selector),
        _ => return None,
    };
    Some(text).filter(|text| !text.is_empty())
}

fn equalities(labels: &Value) -> String {
    let labels = labels.as_object().map(sorted).unwrap_or_default();
    let labels: Vec<String> = labels
        .into_iter()
        .map(|(name, value)| format!("{name}={}", value.as_str().unwrap_or_default()))
        .collect();
    labels.join(",")
}

/// `app=web,!old,tier in (a,b)`, as selectors are written: by key.
pub fn label_selector(selector: &Value) -> String {
    let labels = selector["matchLabels"].as_object().map(sorted).unwrap_or_default().into_iter();
    let mut parts: Vec<(&str, String)> = labels
        .map(|(key, value)| (key.as_str(), format!("{key}={}", value.as_str().unwrap_or_default())))
        .collect();
    for expression in selector["matchExpressions"].as_array().map(Vec::as_slice).unwrap_or_default() {
        let key = expression["key"].as_str().unwrap_or_default();
        let mut values: Vec<&str> = expression["values"]
            .as_array()
            .map(|values| values.iter().filter_map(Value::as_str).collect())
            .unwrap_or_default();
        values.sort_unstable();
        let values = values.join(",");
        let text = match expression["operator"].as_str().unwrap_or_default() {
            "In" => format!("{key} in ({values})"),
            "NotIn" => format!("{key} notin ({values})"),
            "DoesNotExist" => format!("!{key}"),
            _ => key.into(),
        };
        parts.push((key, text));
    }
    parts.sort_by_key(|(key, _)| *key);
    parts.into_iter().map(|(_, text)| text).collect::<Vec<_>>().join(",")
}

/// Whether `owner` made the object and keeps it.
pub fn is_controlled_by(object: &Value, owner: &Value) -> bool {
    let owners = object["metadata"]["ownerReferences"].as_array().map(Vec::as_slice).unwrap_or_default();
    owners
        .iter()
        .any(|reference| reference["controller"] == true && reference["uid"] == owner["metadata"]["uid"])
}

pub fn is_ready(pod: &Value) -> bool {
    condition(pod, "Ready").is_some_and(|condition| condition["status"] == "True")
}

/// One of an object's conditions.
pub fn condition<'a>(object: &'a Value, kind: &str) -> Option<&'a Value> {
    object["status"]["conditions"].as_array()?.iter().find(|condition| condition["type"] == kind)
}

/// The pod whose log says most comes first: assigned, running, ready for longest, restarted most, oldest.
pub fn by_logging(a: &Value, b: &Value) -> Ordering {
    let unassigned = |pod: &Value| pod["spec"]["nodeName"].as_str().unwrap_or_default().is_empty();
    let phase = |pod: &Value| match pod["status"]["phase"].as_str() {
        Some("Unknown") => 1,
        Some("Pending") => 2,
        _ => 0,
    };
    let ready_since = |pod: &Value| {
        let time = condition(pod, "Ready").filter(|condition| condition["status"] == "True");
        last(time.and_then(|condition| condition["lastTransitionTime"].as_str()))
    };
    let restarts = |pod: &Value| {
        let statuses = pod["status"]["containerStatuses"].as_array().map(Vec::as_slice).unwrap_or_default();
        Reverse(statuses.iter().filter_map(|status| status["restartCount"].as_i64()).max().unwrap_or(0))
    };
    let created = |pod: &Value| last(pod["metadata"]["creationTimestamp"].as_str());
    unassigned(a)
        .cmp(&unassigned(b))
        .then_with(|| phase(a).cmp(&phase(b)))
        .then_with(|| is_ready(b).cmp(&is_ready(a)))
        .then_with(|| ready_since(a).cmp(&ready_since(b)))
        .then_with(|| restarts(a).cmp(&restarts(b)))
        .then_with(|| created(a).cmp(&created(b)))
}

/// A time to order by, none being last. API times have one form, so their texts are in the order of the times.
fn last(time: Option<&str>) -> (bool, String) {
    (time.is_none(), time.unwrap_or_default().into())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{by_logging, label_selector, selector};

    #[test]
    fn selectors_are_written_as_queries() {
        let spec = json!({
            "matchLabels": {"b": "2", "a": "1"},
            "matchExpressions": [
                {"key": "t", "operator": "In", "values": ["y", "x"]},
                {"key": "u", "operator": "NotIn", "values": ["z"]},
                {"key": "v", "operator": "Exists"},
                {"key": "w", "operator": "DoesNotExist"},
            ],
        });
        assert_eq!(label_selector(&spec), "a=1,b=2,t in (x,y),u notin (z),v,!w");
        assert_eq!(
            selector(&json!({"kind": "Service", "spec": {"selector": {"a": "b"}}})).as_deref(),
            Some("a=b")
        );
        assert_eq!(selector(&json!({"kind": "Service", "spec": {}})), None);
        assert_eq!(selector(&json!({"kind": "ConfigMap", "spec": {"selector": {"a": "b"}}})), None);
    }

    #[test]
    fn the_pod_that_says_most_is_first() {
        let pod = |name: &str, phase: &str, ready: Option<&str>, restarts: i64, created: &str| -> Value {
            json!({
                "metadata": {"name": name, "creationTimestamp": created},
                "spec": {"nodeName": if phase == "Pending" { "" } else { "n" }},
                "status": {
                    "phase": phase,
                    "containerStatuses": [{"restartCount": restarts}],
                    "conditions": [{"type": "Ready", "status": if ready.is_some() { "True" } else { "False" },
                        "lastTransitionTime": ready.unwrap_or("2026-01-01T00:00:00Z")}],
                },
            })
        };
        let mut pods = [
            pod("pending", "Pending", None, 0, "2026-01-01T00:00:00Z"),
            pod("new", "Running", None, 0, "2026-01-03T00:00:00Z"),
            pod("old", "Running", None, 0, "2026-01-02T00:00:00Z"),
            pod("restarted", "Running", None, 7, "2026-01-04T00:00:00Z"),
            pod("ready-late", "Running", Some("2026-01-05T00:00:00Z"), 0, "2026-01-01T00:00:00Z"),
            pod("ready-early", "Running", Some("2026-01-04T00:00:00Z"), 0, "2026-01-01T00:00:00Z"),
        ];
        pods.sort_by(by_logging);
        let order: Vec<_> = pods.iter().filter_map(|pod| pod["metadata"]["name"].as_str()).collect();
        assert_eq!(order, ["ready-early", "ready-late", "restarted", "old", "new", "pending"]);
    }
}
