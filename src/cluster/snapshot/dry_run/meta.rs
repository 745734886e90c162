//! The metadata of objects that are only tried: what the API server gives, keeps and refuses. Pure.

use jiff::Timestamp;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use super::super::{api::Target, status::Refusal};
use crate::cluster::lean::drop_managed_fields;

/// What the API server keeps of an object, whatever a write says.
const KEPT: &[&str] =
    &["uid", "creationTimestamp", "resourceVersion", "generation", "deletionTimestamp", "selfLink"];

/// Sets a member of an object, or takes it away.
pub(super) fn set(object: &mut Value, key: &str, value: Option<Value>) {
    if let Some(members) = object.as_object_mut() {
        match value {
            Some(value) => _ = members.insert(key.into(), value),
            None => _ = members.remove(key),
        }
    }
}

/// Takes away the member at a path such as `spec.containers[0].imag`.
pub(super) fn remove_at(object: &mut Value, path: &str) {
    let pointer = format!("/{}", path.replace(['.', '['], "/").replace(']', ""));
    let Some((parent, key)) = pointer.rsplit_once('/') else { return };
    if let Some(Value::Object(members)) = object.pointer_mut(parent) {
        members.remove(key);
    }
}

fn text<'a>(object: &'a Value, key: &str) -> &'a str {
    object["metadata"][key].as_str().unwrap_or_default()
}

fn members(object: &mut Value) -> Option<&mut Map<String, Value>> {
    let object = object.as_object_mut()?;
    object.entry("metadata").or_insert_with(|| json!({})).as_object_mut()
}

/// Refuses an object of another name than the path's.
pub(super) fn must_be_named(object: &Value, name: &str) -> Result<(), Refusal> {
    match text(object, "name") {
        own if own == name => Ok(()),
        own => Err(Refusal::bad_request(format!(
            "the name of the object ({own}) does not match the name on the URL ({name})"
        ))),
    }
}

/// The name of a new object, made up where it has only the beginning of one.
pub(super) fn name_new(object: &mut Value, kind: &str, group: &str) -> Result<String, Refusal> {
    let kind = if group.is_empty() { kind.to_owned() } else { format!("{kind}.{group}") };
    let beginning = text(object, "generateName").to_owned();
    let mut name = text(object, "name").to_owned();
    if name.is_empty() && !beginning.is_empty() {
        let digest = Sha256::digest(object.to_string());
        let letters = b"bcdfghjklmnpqrstvwxz2456789";
        let made = digest.iter().take(5).filter_map(|byte| letters.get(usize::from(*byte) % letters.len()));
        name = format!("{beginning}{}", made.map(|letter| char::from(*letter)).collect::<String>());
        if let Some(metadata) = members(object) {
            metadata.insert("name".into(), name.clone().into());
        }
    }
    if name.is_empty() {
        return Err(Refusal::invalid(format!(
            "{kind} \"\" is invalid: metadata.name: Required value: name or generateName is required"
        )));
    }
    // Roles may be called anything that fits into a path.
    let is_good = if group == "rbac.authorization.k8s.io" {
        !name.contains(['/', '%']) && name != "." && name != ".."
    } else {
        is_subdomain(&name)
    };
    match is_good {
        true => Ok(name),
        false => Err(Refusal::invalid(format!(
            "{kind} {name:?} is invalid: metadata.name: Invalid value: {name:?}: a lowercase RFC 1123 subdomain must \
             consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric \
             character (e.g. 'example.com', regex used for validation is \
             '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
        ))),
    }
}

fn is_subdomain(name: &str) -> bool {
    let letter = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let is_label = |label: &str| {
        let ends = [label.bytes().next(), label.bytes().last()];
        ends.iter().all(|end| end.is_some_and(letter))
            && label.bytes().all(|byte| letter(byte) || byte == b'-')
    };
    name.len() <= 253 && name.split('.').all(is_label)
}

/// Puts a new object into the path's namespace.
pub(super) fn place(object: &mut Value, namespace: &str) -> Result<(), Refusal> {
    let own = text(object, "namespace").to_owned();
    if !own.is_empty() && own != namespace {
        return Err(Refusal::bad_request(
            "the namespace of the provided object does not match the namespace sent on the request",
        ));
    }
    if let Some(metadata) = members(object) {
        metadata.insert("namespace".into(), namespace.into());
    }
    Ok(())
}

/// Gives a new object what the API server gives it.
pub(super) fn begin(object: &mut Value, now: Timestamp) {
    let has_spec = object.get("spec").is_some();
    let digest = Sha256::digest(object.to_string());
    let uid = digest.first_chunk::<16>().map(|bytes| uuid::Builder::from_random_bytes(*bytes).into_uuid());
    drop_managed_fields(object);
    if let Some(metadata) = members(object) {
        metadata.remove("resourceVersion");
        metadata.insert("uid".into(), uid.unwrap_or_default().to_string().into());
        let seconds = now.as_second();
        let now = Timestamp::from_second(seconds).unwrap_or(now);
        metadata.insert("creationTimestamp".into(), now.to_string().into());
        if has_spec {
            metadata.insert("generation".into(), 1.into());
        }
    }
}

/// Keeps what no write changes, and refuses one of an object that is not the stored one.
pub(super) fn keep(stored: &Value, object: &mut Value, target: &Target) -> Result<(), Refusal> {
    let name = text(stored, "name");
    must_be_named(object, name)?;
    let conflict = |why: &str| Refusal::conflict(&target.group, &target.plural, name, why);
    match text(object, "resourceVersion") {
        "" => {}
        own if own == text(stored, "resourceVersion") => {}
        _ => {
            return Err(conflict(
                "the object has been modified; please apply your changes to the latest version and try again",
            ));
        }
    }
    match text(object, "uid") {
        "" => {}
        own if own == text(stored, "uid") => {}
        own => {
            return Err(conflict(&format!(
                "Precondition failed: UID in precondition: {own}, UID in object meta: {}",
                text(stored, "uid")
            )));
        }
    }
    if ![text(stored, "namespace"), ""].contains(&text(object, "namespace")) {
        return Err(Refusal::bad_request(
            "the namespace of the provided object does not match the namespace sent on the request",
        ));
    }
    drop_managed_fields(object);
    let Some(metadata) = members(object) else { return Ok(()) };
    for key in KEPT.iter().chain(&["namespace"]) {
        match stored["metadata"].get(key) {
            Some(value) => _ = metadata.insert((*key).into(), value.clone()),
            None => _ = metadata.remove(*key),
        }
    }
    Ok(())
}

/// Counts a change of what is wanted, in kinds that are counted.
pub(super) fn count_generation(stored: &Value, object: &mut Value) {
    let counted = stored["metadata"]["generation"].as_i64();
    if let (Some(before), true) = (counted, stored.get("spec") != object.get("spec"))
        && let Some(metadata) = members(object)
    {
        metadata.insert("generation".into(), (before + 1).into());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_object_needs_a_good_name() {
        for (metadata, group, expected) in [
            (json!({"name": "web"}), "", Some("web")),
            (json!({"name": "a.b-c.d1"}), "", Some("a.b-c.d1")),
            (json!({"name": "Web"}), "", None),
            (json!({"name": "-web"}), "", None),
            (json!({"name": "a..b"}), "", None),
            (json!({"name": "system:Web"}), "rbac.authorization.k8s.io", Some("system:Web")),
            (json!({"name": "a/b"}), "rbac.authorization.k8s.io", None),
            (json!({}), "", None),
        ] {
            let mut object = json!({"metadata": metadata});
            let name = name_new(&mut object, "Pod", group).ok();
            assert_eq!(name.as_deref(), expected, "{object}");
        }
        let mut object = json!({"metadata": {"generateName": "job-"}});
        let name = name_new(&mut object, "Pod", "").unwrap();
        assert!(name.starts_with("job-") && name.len() == 9, "{name}");
        assert_eq!(object["metadata"]["name"], name);
    }

    #[test]
    fn a_member_is_taken_away_by_its_path() {
        let mut object = json!({"a": [{"b": 1, "c": 2}], "d": 3});
        for path in ["a[0].b", "d", "x.y", "a[7].c"] {
            remove_at(&mut object, path);
        }
        assert_eq!(object, json!({"a": [{"c": 2}]}));
    }

    #[test]
    fn what_the_server_owns_is_kept() {
        let target = Target::parse(&["api", "v1", "namespaces", "x", "pods", "p"]).unwrap().ok().unwrap();
        let stored = json!({"metadata": {"name": "p", "namespace": "x", "uid": "u", "resourceVersion": "5",
            "generation": 2, "labels": {"a": "1"}}, "spec": {"a": 1}});
        for (change, refused) in [
            (json!({"labels": {"a": "2"}}), false),
            (json!({"generation": 9, "creationTimestamp": "x"}), false),
            (json!({"resourceVersion": "5", "uid": "u"}), false),
            (json!({"resourceVersion": "4"}), true),
            (json!({"uid": "v"}), true),
            (json!({"name": "q"}), true),
            (json!({"namespace": "y"}), true),
        ] {
            let mut object = stored.clone();
            json_patch::merge(&mut object["metadata"], &change);
            assert_eq!(keep(&stored, &mut object, &target).is_err(), refused, "{change}");
            if !refused {
                assert_eq!(object["metadata"]["generation"], 2);
                assert_eq!(object["metadata"].get("creationTimestamp"), None);
            }
        }
        let mut object = stored.clone();
        count_generation(&stored, &mut object);
        assert_eq!(object["metadata"]["generation"], 2);
        object["spec"]["a"] = 2.into();
        count_generation(&stored, &mut object);
        assert_eq!(object["metadata"]["generation"], 3);
    }
}
