//! Takes the values out of Secrets before anything else sees them.

use serde_json::Value;

use crate::redact::{Redacted, RedactedJson};

/// Where `kubectl apply` keeps a copy of what was applied, values and all.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// Masks the values of `object` where it is a Secret: the keys stay, each value is its placeholder.
pub fn mask(object: &mut Value) {
    if object["kind"] != "Secret" || object["apiVersion"] != "v1" {
        return;
    }
    for field in ["data", "stringData"] {
        if let Some(values) = object.get_mut(field).and_then(Value::as_object_mut) {
            for (key, value) in values.iter_mut().filter(|(_, value)| **value != "") {
                let masked =
                    Redacted::secret(key, &value.as_str().map_or_else(|| value.to_string(), str::to_owned));
                *value = masked.as_str().into();
            }
        }
    }
    if let Some(annotations) = object.pointer_mut("/metadata/annotations").and_then(Value::as_object_mut) {
        annotations.remove(LAST_APPLIED);
        if annotations.is_empty()
            && let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut)
        {
            metadata.remove("annotations");
        }
    }
}

/// Masks an object before anything is picked out of it: a value without its name tells of no secret.
pub fn mask_whole(object: &mut Value) {
    mask(object);
    *object = RedactedJson::new(object.take()).into_value();
}

/// How many bytes a base64 text stands for.
pub fn decoded_length(base64: &str) -> usize {
    let digits = base64.bytes().filter(|byte| !matches!(byte, b'=' | b'\n' | b'\r')).count();
    digits * 3 / 4
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{decoded_length, mask, mask_whole};
    use crate::redact::Redacted;

    #[test]
    fn values_go_and_keys_stay() {
        let mut secret = json!({
            "apiVersion": "v1", "kind": "Secret",
            "metadata": {"name": "x", "annotations": {"kubectl.kubernetes.io/last-applied-configuration": "{\"data\":\"c2VjcmV0\"}"}},
            "data": {"password": "c2VjcmV0", "empty": ""}, "stringData": {"token": "secret"},
        });
        mask(&mut secret);
        let masked = |name: &str| Redacted::secret(name, "secret").to_string();
        assert_eq!(
            secret,
            json!({
                "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "x"},
                // The same secret, as data and as text.
                "data": {"password": masked("password"), "empty": ""}, "stringData": {"token": masked("token")},
            })
        );
    }

    #[test]
    fn what_is_picked_out_of_an_object_is_masked() {
        let mut pod = json!({"apiVersion": "v1", "kind": "Pod", "spec": {"containers": [
            {"env": [{"name": "DB_PASSWORD", "value": "hunter2"}], "args": ["--token", "hunter2", "--port", "80"]}]}});
        mask_whole(&mut pod);
        let container = &pod["spec"]["containers"][0];
        let masked = |name: &str| Redacted::secret(name, "hunter2").to_string();
        assert_eq!(container["env"][0]["value"], masked("DB_PASSWORD"));
        assert_eq!(container["args"], json!(["--token", masked("--token"), "--port", "80"]));
    }

    #[test]
    fn other_kinds_stay_as_they_are() {
        let mut map = json!({"apiVersion": "v1", "kind": "ConfigMap", "data": {"a": "b"}});
        mask(&mut map);
        assert_eq!(map["data"]["a"], "b");
    }

    #[test]
    fn lengths_are_those_of_the_bytes() {
        for (base64, expected) in [("", 0), ("YQ==", 1), ("YWI=", 2), ("YWJj", 3), ("c2VjcmV0", 6)] {
            assert_eq!(decoded_length(base64), expected);
        }
    }
}
