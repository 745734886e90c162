//! Masks JSON by what its members are called and by what Kubernetes means by them; strings as any other text.

use std::borrow::Cow;

use serde_json::{Map, Value};

use super::{
    PASSES,
    keys::{self, Key},
    mask,
    placeholder::{self, NAMELESS},
    settings::settings,
    values,
};

/// Where `kubectl apply` keeps the whole manifest once more.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// Masks `value` until nothing is left to mask.
pub(super) fn mask_json(value: &mut Value) {
    for _ in 0..PASSES {
        if !pass(value, false) {
            return;
        }
    }
}

/// Masks once and says whether anything changed. `secret`: the object is an item of a list of Secrets.
fn pass(value: &mut Value, secret: bool) -> bool {
    match value {
        Value::String(text) => match mask(text) {
            Cow::Owned(masked) => replace(text, masked),
            Cow::Borrowed(_) => false,
        },
        Value::Array(items) => array(items, secret),
        Value::Object(members) => object(members, secret),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

fn replace(text: &mut String, masked: impl Into<String>) -> bool {
    let masked = masked.into();
    let changed = *text != masked;
    *text = masked;
    changed
}

/// Masks the items; one after a flag such as `--password` whatever it is.
fn array(items: &mut [Value], secrets: bool) -> bool {
    let mut changed = false;
    let mut before: Option<String> = None;
    for item in items {
        let flag = item.as_str().filter(|flag| flag.starts_with("--") && keys::classify(flag) == Key::Secret);
        let flag = flag.map(str::to_owned);
        if let (Some(name), None) = (before, &flag) {
            changed |= hide(item, Key::Secret, &name);
        }
        before = flag;
        changed |= pass(item, secrets);
    }
    changed
}

fn object(members: &mut Map<String, Value>, listed: bool) -> bool {
    let kind = members.get("kind").and_then(Value::as_str);
    let secret = kind == Some("Secret") || kind.is_none() && (listed || looks_like_secret(members));
    let list = kind == Some("SecretList");
    let mut changed = false;
    if secret {
        changed |= hide_data(members);
    }
    changed |= hide_pair(members);
    for (name, value) in members.iter_mut() {
        let key = keys::classify(name);
        if key != Key::Plain && !keys::names_an_object(name) {
            changed |= hide(value, key, name);
        }
        changed |= match value {
            Value::String(manifest) if name == LAST_APPLIED => mask_manifest(manifest),
            _ => pass(value, list && name == "items"),
        };
    }
    changed
}

/// A Secret in a list of its kind does not say what it is, except by its type.
fn looks_like_secret(members: &Map<String, Value>) -> bool {
    let of_secrets = |kind: &str| {
        kind == "Opaque" || kind.starts_with("kubernetes.io/") || kind.starts_with("bootstrap.kubernetes.io/")
    };
    let kind = members.get("type").and_then(Value::as_str);
    members.contains_key("metadata") && members.contains_key("data") && kind.is_some_and(of_secrets)
}

/// Hides the values of a Secret, its keys kept, and drops the copy that `kubectl apply` made.
fn hide_data(members: &mut Map<String, Value>) -> bool {
    let mut changed = false;
    for name in ["data", "stringData"] {
        let data = members.get_mut(name).and_then(Value::as_object_mut);
        for (name, value) in data.into_iter().flatten() {
            let text = match &mut *value {
                Value::Null => continue,
                Value::String(text) => std::mem::take(text),
                other => other.to_string(),
            };
            let shown = text.is_empty() || placeholder::is_one(&text) || settings().allows(&text);
            let masked = if shown { text.clone() } else { named(name, &text) };
            changed |= masked != text;
            *value = Value::String(masked);
        }
    }
    let annotations = members.get_mut("metadata").and_then(|metadata| metadata.get_mut("annotations"));
    let annotations = annotations.and_then(Value::as_object_mut);
    changed | annotations.is_some_and(|annotations| annotations.remove(LAST_APPLIED).is_some())
}

/// `{"name": "DB_PASSWORD", "value": "…"}`, as environments are listed.
fn hide_pair(members: &mut Map<String, Value>) -> bool {
    let name = ["name", "key", "Name", "Key"].into_iter().find_map(|member| members.get(member)?.as_str());
    let Some((name, key)) =
        name.map(|name| (name, keys::classify(name))).filter(|(_, key)| *key != Key::Plain)
    else {
        return false;
    };
    let name = name.to_owned();
    let value = ["value", "Value"].into_iter().find(|member| members.contains_key(*member));
    value.and_then(|value| members.get_mut(value)).is_some_and(|value| hide(value, key, &name))
}

/// Hides a string that is known as `name`, unless it is nothing to hide.
fn hide(value: &mut Value, key: Key, name: &str) -> bool {
    let Value::String(text) = value else { return false };
    let mut secret = text.as_str();
    if key == Key::Authorization {
        secret = secret.split_once(' ').map_or(secret, |(_, secret)| secret);
    }
    if placeholder::begins(secret)
        || values::is_harmless(secret, key, true)
        || key == Key::Cookie && !secret.contains('=')
        || settings().allows(secret)
    {
        return false;
    }
    let scheme = text.len() - secret.len();
    let masked = format!("{}{}", text.get(..scheme).unwrap_or_default(), named(name, secret));
    replace(text, masked)
}

/// The placeholder of a value, whose name may be one by mistake.
pub(super) fn named(name: &str, value: &str) -> String {
    let is_plain = matches!(mask(name), Cow::Borrowed(_));
    placeholder::of(if is_plain { name } else { NAMELESS }, value)
}

/// Masks a manifest in a string: as JSON if it is that.
fn mask_manifest(text: &mut String) -> bool {
    let mut changed = false;
    if let Ok(mut manifest) = serde_json::from_str::<Value>(text)
        && pass(&mut manifest, false)
    {
        changed = replace(text, manifest.to_string());
    }
    let masked = mask(text).into_owned();
    replace(text, masked) | changed
}
