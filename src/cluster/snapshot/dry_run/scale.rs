//! The subresource `scale`: how many replicas an object wants, and a new number for it. Pure.

use serde_json::{Map, Value, json};

/// An object's `Scale`.
pub(super) fn of(object: &Value) -> Value {
    let metadata = &object["metadata"];
    let kept = ["name", "namespace", "uid", "resourceVersion", "creationTimestamp"];
    let kept: Map<String, Value> =
        kept.into_iter().filter_map(|key| Some((key.to_owned(), metadata.get(key)?.clone()))).collect();
    json!({
        "kind": "Scale", "apiVersion": "autoscaling/v1", "metadata": kept,
        "spec": {"replicas": replicas(&object["spec"])},
        "status": {"replicas": replicas(&object["status"]), "selector": selector(&object["spec"]["selector"])},
    })
}

fn replicas(part: &Value) -> i64 {
    part["replicas"].as_i64().unwrap_or_default()
}

/// Gives an object the number of a `Scale`. The error is a sentence.
pub(super) fn set(object: &mut Value, scale: &Value) -> Result<(), String> {
    let number = match &scale["spec"]["replicas"] {
        Value::Null => 0,
        other => other.as_i64().ok_or_else(|| {
            format!("Scale in version \"v1\" cannot be handled as a Scale: spec.replicas is {other}, which is no whole number")
        })?,
    };
    if number < 0 {
        return Err(format!("spec.replicas: Invalid value: {number}: must be greater than or equal to 0"));
    }
    object["spec"]["replicas"] = number.into();
    Ok(())
}

/// A selector as text: `a=b,c in (d,e)`.
fn selector(selector: &Value) -> String {
    let labelled = selector
        .get("matchLabels")
        .or_else(|| selector.get("matchExpressions").is_none().then_some(selector));
    let labels = labelled.and_then(Value::as_object).into_iter().flatten();
    let mut parts: Vec<String> =
        labels.map(|(key, value)| format!("{key}={}", value.as_str().unwrap_or_default())).collect();
    parts.sort();
    for expression in selector["matchExpressions"].as_array().into_iter().flatten() {
        let key = expression["key"].as_str().unwrap_or_default();
        let values = expression["values"].as_array().into_iter().flatten().filter_map(Value::as_str);
        let values = values.collect::<Vec<_>>().join(",");
        parts.push(match expression["operator"].as_str().unwrap_or_default() {
            "In" => format!("{key} in ({values})"),
            "NotIn" => format!("{key} notin ({values})"),
            "DoesNotExist" => format!("!{key}"),
            _ => key.to_owned(),
        });
    }
    parts.join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_has_a_scale() {
        let object = json!({"metadata": {"name": "web", "namespace": "x", "uid": "u", "labels": {}},
            "spec": {"replicas": 3, "selector": {"matchLabels": {"b": "2", "a": "1"},
                "matchExpressions": [{"key": "c", "operator": "In", "values": ["d", "e"]}, {"key": "f", "operator": "Exists"}]}},
            "status": {"replicas": 2}});
        let scale = of(&object);
        assert_eq!(scale["metadata"], json!({"name": "web", "namespace": "x", "uid": "u"}));
        assert_eq!((&scale["spec"], &scale["status"]["replicas"]), (&json!({"replicas": 3}), &json!(2)));
        assert_eq!(scale["status"]["selector"], "a=1,b=2,c in (d,e),f");
        assert_eq!(selector(&json!({"app": "x"})), "app=x");
        assert_eq!(selector(&Value::Null), "");
    }

    #[test]
    fn a_scale_sets_the_number() {
        let mut object = json!({"spec": {"replicas": 1, "other": true}});
        assert_eq!(set(&mut object, &json!({"spec": {"replicas": 5}})), Ok(()));
        assert_eq!(object, json!({"spec": {"replicas": 5, "other": true}}));
        assert_eq!(set(&mut object, &json!({"spec": {}})), Ok(()));
        assert_eq!(object["spec"]["replicas"], 0);
        assert!(set(&mut object, &json!({"spec": {"replicas": -1}})).is_err());
        assert!(set(&mut object, &json!({"spec": {"replicas": "x"}})).is_err());
    }
}
