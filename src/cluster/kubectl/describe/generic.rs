//! Every other kind: its fields, their names made readable.

use serde_json::{Map, Value};

use super::{Related, page::Page};
use crate::cluster::kubectl::print::json::{sorted, sprint};

/// What is said at the top or not at all.
const SKIPPED: &[&str] = &[
    ".metadata.managedFields",
    ".metadata.name",
    ".metadata.namespace",
    ".metadata.labels",
    ".metadata.annotations",
];

/// Words that are written in capitals.
const ACRONYMS: &[&str] = &["API", "URL", "UID", "GUID"];

pub fn describe(page: &mut Page, object: &Value, related: &Related) {
    page.head(object);
    if let Some(members) = object.as_object() {
        fields(page, 0, members, "");
    }
    page.events(related.events.as_ref());
}

fn fields(page: &mut Page, level: usize, members: &Map<String, Value>, prefix: &str) {
    for (name, value) in sorted(members) {
        let path = format!("{prefix}.{name}");
        if SKIPPED.contains(&path.as_str()) {
            continue;
        }
        let label = label(name);
        match value {
            Value::Object(members) => {
                page.line(level, format!("{label}:"));
                fields(page, level + 1, members, &path);
            }
            Value::Array(items) => {
                page.line(level, format!("{label}:"));
                for item in items {
                    match item {
                        Value::Object(members) => fields(page, level + 1, members, &path),
                        other => page.line(level + 1, sprint(other)),
                    }
                }
            }
            other => page.field(level, &label, sprint(other)),
        }
    }
}

/// `creationTimestamp` as `Creation Timestamp`.
fn label(name: &str) -> String {
    if !name.chars().all(|char| char.is_alphabetic() || char == '-') {
        return name.into();
    }
    let words = words(name).into_iter().map(|word| {
        if ACRONYMS.contains(&word.to_uppercase().as_str()) {
            return word.to_uppercase();
        }
        let mut chars = word.chars();
        match chars.next() {
            Some(first) if word.to_lowercase() == word => first.to_uppercase().chain(chars).collect(),
            _ => word,
        }
    });
    words.collect::<Vec<_>>().join(" ")
}

/// The words of a name in camel case: `podIPAddress` has `pod`, `IP` and `Address`.
fn words(name: &str) -> Vec<String> {
    let class = |char: char| match char {
        _ if char.is_lowercase() => 0,
        _ if char.is_uppercase() => 1,
        _ => 2,
    };
    let mut words: Vec<String> = Vec::new();
    let mut before = None;
    for char in name.chars() {
        match words.last_mut().filter(|_| before == Some(class(char))) {
            Some(word) => word.push(char),
            None => words.push(char.into()),
        }
        before = Some(class(char));
    }
    for at in 1..words.len() {
        let (left, right) = words.split_at_mut(at);
        if let (Some(upper), Some(lower)) = (left.last_mut(), right.first_mut())
            && upper.starts_with(char::is_uppercase)
            && lower.starts_with(char::is_lowercase)
            && let Some(capital) = upper.pop()
        {
            lower.insert(0, capital);
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

#[cfg(test)]
mod tests {
    use super::label;

    #[test]
    fn names_become_readable() {
        for (name, expected) in [
            ("apiVersion", "API Version"),
            ("creationTimestamp", "Creation Timestamp"),
            ("uid", "UID"),
            ("kind", "Kind"),
            ("podCIDR", "Pod CIDR"),
            ("podIPAddress", "Pod IP Address"),
            ("k8s.io/x", "k8s.io/x"),
            ("x509", "x509"),
        ] {
            assert_eq!(label(name), expected);
        }
    }
}
