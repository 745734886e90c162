//! Strategic merge patches, with their directives, and what a server-side apply merges. Pure.

use serde_json::{Map, Value};

use super::guide::{Guide, Rule};

const ORDER: &str = "$setElementOrder/";
const TAKE_OUT: &str = "$deleteFromPrimitiveList/";

/// Merges a strategic merge patch into an object. The error is a sentence.
pub(super) fn patch(object: &mut Value, patch: &Value, guide: Guide<'_>) -> Result<(), String> {
    let (Value::Object(object), Value::Object(patch)) = (object, patch) else {
        return Err("a strategic merge patch is an object".into());
    };
    patch_map(object, patch, guide)
}

fn patch_map(
    object: &mut Map<String, Value>,
    patch: &Map<String, Value>,
    guide: Guide<'_>,
) -> Result<(), String> {
    match patch.get("$patch").and_then(Value::as_str) {
        Some("replace") => {
            *object = plain_map(patch);
            return Ok(());
        }
        Some("delete") => {
            object.clear();
            return Ok(());
        }
        Some("merge") | None => {}
        Some(other) => return Err(format!("Unknown patch type found: {other}")),
    }
    if let Some(kept) = patch.get("$retainKeys").and_then(Value::as_array) {
        object.retain(|key, _| kept.iter().any(|kept| kept == key));
    }
    for (key, gone) in patch.iter().filter_map(|(key, value)| Some((key.strip_prefix(TAKE_OUT)?, value))) {
        if let (Some(Value::Array(list)), Some(gone)) = (object.get_mut(key), gone.as_array()) {
            list.retain(|item| !gone.contains(item));
        }
    }
    for (key, new) in patch.iter().filter(|(key, _)| !key.starts_with('$')) {
        let order = patch.get(&format!("{ORDER}{key}")).and_then(Value::as_array);
        match (object.get_mut(key), new) {
            (_, Value::Null) => _ = object.remove(key),
            (Some(Value::Object(old)), Value::Object(new)) => patch_map(old, new, guide.field(key))?,
            (Some(Value::Array(old)), Value::Array(new)) => patch_list(old, new, order, guide.field(key))?,
            (_, new) => _ = object.insert(key.clone(), plain(new)),
        }
    }
    // An order may come without a change of the list itself.
    for (key, order) in patch.iter().filter_map(|(key, value)| Some((key.strip_prefix(ORDER)?, value))) {
        if let (Some(Value::Array(list)), Some(order), None) =
            (object.get_mut(key), order.as_array(), patch.get(key))
        {
            let rule = guide.field(key).patched(list);
            let before = list.clone();
            sort(list, order, &before, &rule);
        }
    }
    Ok(())
}

fn patch_list(
    old: &mut Vec<Value>,
    new: &[Value],
    order: Option<&Vec<Value>>,
    guide: Guide<'_>,
) -> Result<(), String> {
    let known: Vec<Value> = new.iter().chain(old.iter()).cloned().collect();
    let rule = guide.patched(&known);
    let before = old.clone();
    match &rule {
        Rule::Atomic => {
            *old = new.iter().map(plain).collect();
            return Ok(());
        }
        Rule::Set => {
            for item in new {
                if !old.contains(item) {
                    old.push(item.clone());
                }
            }
        }
        Rule::Keyed(keys) => patch_items(old, new, keys, guide.item())?,
    }
    let order: Vec<Value> = order.map_or_else(|| new.to_vec(), Clone::clone);
    sort(old, &order, &before, &rule);
    Ok(())
}

fn patch_items(old: &mut Vec<Value>, new: &[Value], keys: &[String], guide: Guide<'_>) -> Result<(), String> {
    if new.iter().any(|item| directive(item) == Some("replace")) {
        *old = new.iter().filter(|item| directive(item).is_none()).map(plain).collect();
        return Ok(());
    }
    for item in new {
        if let Some(missing) = keys.iter().find(|key| item.get(key.as_str()).is_none()) {
            return Err(format!("{item} does not contain declared merge key: {missing}"));
        }
        let at = old.iter().position(|known| is_same(known, item, keys));
        match (directive(item), at) {
            (Some("delete"), _) => old.retain(|known| !is_same(known, item, keys)),
            (_, Some(at)) => {
                if let (Some(Value::Object(known)), Value::Object(item)) = (old.get_mut(at), item) {
                    patch_map(known, item, guide)?;
                }
            }
            (_, None) => old.push(plain(item)),
        }
    }
    Ok(())
}

fn directive(item: &Value) -> Option<&str> {
    item.get("$patch")?.as_str()
}

fn is_same(one: &Value, other: &Value, keys: &[String]) -> bool {
    keys.iter().all(|key| one.get(key.as_str()) == other.get(key.as_str()))
}

/// Puts what the order names into that order, and the rest where it stood before, as the API server does: what is new
/// comes before what the order does not name.
fn sort(list: &mut Vec<Value>, order: &[Value], before: &[Value], rule: &Rule) {
    let same = |one: &Value, other: &Value| match rule {
        Rule::Keyed(keys) => is_same(one, other, keys),
        _ => one == other,
    };
    let place = |item: &Value, list: &[Value]| list.iter().position(|known| same(known, item));
    let (mut named, rest): (Vec<Value>, Vec<Value>) =
        std::mem::take(list).into_iter().partition(|item| place(item, order).is_some());
    named.sort_by_key(|item| place(item, order));
    let (mut named, mut rest) = (named.into_iter().peekable(), rest.into_iter().peekable());
    loop {
        let stays = match (rest.peek(), named.peek()) {
            (Some(rest), Some(named)) => match (place(rest, before), place(named, before)) {
                (Some(rest), Some(named)) => rest < named,
                _ => false,
            },
            (rest, _) => rest.is_some(),
        };
        match if stays { rest.next() } else { named.next() } {
            Some(item) => list.push(item),
            None => return,
        }
    }
}

/// A value without what is only an instruction.
fn plain(value: &Value) -> Value {
    match value {
        Value::Object(members) => Value::Object(plain_map(members)),
        Value::Array(items) => {
            items.iter().filter(|item| directive(item) != Some("delete")).map(plain).collect()
        }
        other => other.clone(),
    }
}

fn plain_map(members: &Map<String, Value>) -> Map<String, Value> {
    let own = members.iter().filter(|(key, value)| !key.starts_with('$') && !value.is_null());
    own.map(|(key, value)| (key.clone(), plain(value))).collect()
}

/// Merges what a server-side apply names into an object. Who owns which field is not known, so nothing is taken away.
pub(super) fn apply(object: &mut Value, applied: &Value, guide: Guide<'_>) {
    match (object, applied) {
        (_, Value::Null) => {}
        (Value::Object(object), Value::Object(applied)) if !guide.is_atomic_map() => {
            for (key, new) in applied {
                match object.get_mut(key) {
                    Some(old) => apply(old, new, guide.field(key)),
                    None => _ = object.insert(key.clone(), plain(new)),
                }
            }
        }
        (Value::Array(old), Value::Array(new)) => {
            let known: Vec<Value> = new.iter().chain(old.iter()).cloned().collect();
            match guide.applied(&known) {
                Rule::Atomic => old.clone_from(new),
                Rule::Set => {
                    let added: Vec<Value> = new.iter().filter(|item| !old.contains(item)).cloned().collect();
                    old.extend(added);
                }
                Rule::Keyed(keys) => {
                    for item in new {
                        match old.iter_mut().find(|known| is_applied_to(known, item, &keys)) {
                            Some(known) => apply(known, item, guide.item()),
                            None => old.push(item.clone()),
                        }
                    }
                }
            }
        }
        (object, applied) => *object = plain(applied),
    }
}

/// As [`is_same`], where a port without a protocol is one of TCP.
fn is_applied_to(one: &Value, other: &Value, keys: &[String]) -> bool {
    let tcp = Value::from("TCP");
    let value = |item: &Value, key: &str| item.get(key).or((key == "protocol").then_some(&tcp)).cloned();
    keys.iter().all(|key| value(one, key) == value(other, key))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn patched(object: &Value, by: &Value) -> Value {
        let mut object = object.clone();
        patch(&mut object, by, Guide::WellKnown("")).unwrap();
        object
    }

    #[test]
    fn maps_and_lists_are_merged() {
        for (object, by, expected) in [
            (json!({"a": 1, "b": {"c": 2}}), json!({"b": {"d": 3}}), json!({"a": 1, "b": {"c": 2, "d": 3}})),
            (json!({"a": 1, "b": 2}), json!({"a": null, "x": null}), json!({"b": 2})),
            (
                json!({"containers": [{"name": "a", "image": "x", "tty": true}, {"name": "b"}]}),
                json!({"containers": [{"name": "a", "image": "y"}]}),
                json!({"containers": [{"name": "a", "image": "y", "tty": true}, {"name": "b"}]}),
            ),
            // What is new comes first where no order is given.
            (
                json!({"containers": [{"name": "a"}]}),
                json!({"containers": [{"name": "b"}]}),
                json!({"containers": [{"name": "b"}, {"name": "a"}]}),
            ),
            (
                json!({"env": [{"name": "A", "value": "1"}]}),
                json!({"$setElementOrder/env": [{"name": "A"}, {"name": "B"}], "env": [{"name": "B", "value": "2"}]}),
                json!({"env": [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}]}),
            ),
            (
                json!({"env": [{"name": "A"}, {"name": "B"}, {"name": "C"}]}),
                json!({"$setElementOrder/env": [{"name": "C"}, {"name": "A"}]}),
                json!({"env": [{"name": "B"}, {"name": "C"}, {"name": "A"}]}),
            ),
            (
                json!({"env": [{"name": "A"}, {"name": "B"}]}),
                json!({"env": [{"name": "A", "$patch": "delete"}]}),
                json!({"env": [{"name": "B"}]}),
            ),
            (
                json!({"env": [{"name": "A"}, {"name": "B"}]}),
                json!({"env": [{"name": "C"}, {"$patch": "replace"}]}),
                json!({"env": [{"name": "C"}]}),
            ),
            (
                json!({"ports": [{"containerPort": 80, "name": "x"}]}),
                json!({"ports": [{"containerPort": 80, "name": "y"}]}),
                json!({"ports": [{"containerPort": 80, "name": "y"}]}),
            ),
            (
                json!({"tolerations": [{"key": "a"}]}),
                json!({"tolerations": [{"key": "b"}]}),
                json!({"tolerations": [{"key": "b"}]}),
            ),
            (json!({"command": ["a", "b"]}), json!({"command": ["c"]}), json!({"command": ["c"]})),
            (
                json!({"finalizers": ["a", "b"]}),
                json!({"$deleteFromPrimitiveList/finalizers": ["a"], "finalizers": ["c"]}),
                json!({"finalizers": ["c", "b"]}),
            ),
            (
                json!({"strategy": {"type": "RollingUpdate", "rollingUpdate": {}}}),
                json!({"strategy": {"$retainKeys": ["type"], "type": "Recreate"}}),
                json!({"strategy": {"type": "Recreate"}}),
            ),
            (
                json!({"a": {"b": 1, "c": 2}}),
                json!({"a": {"$patch": "replace", "d": 3}}),
                json!({"a": {"d": 3}}),
            ),
            (json!({"a": {"b": 1}}), json!({"a": {"$patch": "delete"}}), json!({"a": {}})),
            (json!({"a": 1}), json!({"a": {"b": null, "c": 1}}), json!({"a": {"c": 1}})),
        ] {
            assert_eq!(patched(&object, &by), expected, "{object} {by}");
        }
    }

    #[test]
    fn a_patch_that_makes_no_sense_is_refused() {
        for (object, by) in [
            (json!({"env": [{"name": "A"}]}), json!({"env": [{"value": "1"}]})),
            (json!({"a": {}}), json!({"a": {"$patch": "explode"}})),
            (json!({}), json!([])),
        ] {
            assert!(patch(&mut object.clone(), &by, Guide::WellKnown("")).is_err(), "{by}");
        }
    }

    #[test]
    fn what_is_applied_is_merged_and_nothing_taken_away() {
        for (object, by, expected) in [
            (json!({"a": {"b": 1}}), json!({"a": {"c": 2}}), json!({"a": {"b": 1, "c": 2}})),
            (
                json!({"containers": [{"name": "a", "image": "x"}]}),
                json!({"containers": [{"name": "b"}, {"name": "a", "tty": true}]}),
                json!({"containers": [{"name": "a", "image": "x", "tty": true}, {"name": "b"}]}),
            ),
            (
                json!({"ports": [{"port": 53, "protocol": "UDP"}, {"port": 53, "protocol": "TCP"}]}),
                json!({"ports": [{"port": 53, "name": "dns"}]}),
                json!({"ports": [{"port": 53, "protocol": "UDP"}, {"port": 53, "protocol": "TCP", "name": "dns"}]}),
            ),
            (json!({"command": ["a"]}), json!({"command": ["b"]}), json!({"command": ["b"]})),
            (
                json!({"selector": {"a": "1"}}),
                json!({"selector": {"b": "2"}}),
                json!({"selector": {"b": "2"}}),
            ),
            (json!({"a": 1}), json!({"a": null}), json!({"a": 1})),
        ] {
            let mut merged = object.clone();
            apply(&mut merged, &by, Guide::WellKnown(""));
            assert_eq!(merged, expected, "{object} {by}");
        }
    }
}
