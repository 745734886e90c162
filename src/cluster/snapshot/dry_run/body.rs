//! The bodies of writes: objects and patches, by their media type. Pure.

use http::{HeaderMap, header};
use serde_json::Value;

use super::super::{protobuf, status::Refusal};

const OBJECTS: &str = "application/json,application/yaml,application/vnd.kubernetes.protobuf";
const PATCHES: &str = "application/json-patch+json,application/merge-patch+json,application/apply-patch+yaml";

/// How a patch changes an object.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum PatchKind {
    /// RFC 6902.
    Json,
    /// RFC 7386.
    Merge,
    /// Kubernetes' own, which merges lists by their keys.
    Strategic,
    /// A server-side apply.
    Apply,
}

fn media_type(headers: &HeaderMap) -> &str {
    let value = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    value.split(';').next().unwrap_or_default().trim()
}

/// Reads an object.
pub(super) fn object(headers: &HeaderMap, body: &[u8]) -> Result<Value, Refusal> {
    match media_type(headers) {
        "application/json" | "" => json(body),
        "application/yaml" => yaml(body),
        "application/vnd.kubernetes.protobuf" => protobuf::read(body).map_err(Refusal::unreadable_format),
        _ => return Err(Refusal::unknown_format(OBJECTS)),
    }
    .and_then(|value| match value {
        Value::Object(_) => Ok(value),
        _ => Err(Refusal::bad_request("the body of the request is no object")),
    })
}

/// Reads a patch of an object of a kind that is Kubernetes' own or a custom one.
pub(super) fn patch(headers: &HeaderMap, custom: bool, body: &[u8]) -> Result<(PatchKind, Value), Refusal> {
    let kind = match media_type(headers) {
        "application/json-patch+json" => PatchKind::Json,
        "application/merge-patch+json" => PatchKind::Merge,
        "application/strategic-merge-patch+json" if !custom => PatchKind::Strategic,
        "application/apply-patch+yaml" => PatchKind::Apply,
        _ if custom => return Err(Refusal::unknown_format(PATCHES)),
        _ => {
            let more = format!("{PATCHES},application/strategic-merge-patch+json");
            return Err(Refusal::unknown_format(&more));
        }
    };
    let value = if kind == PatchKind::Apply { yaml(body)? } else { json(body)? };
    if kind != PatchKind::Json && !value.is_object() {
        return Err(Refusal::bad_request("the patch is no object"));
    }
    Ok((kind, value))
}

fn json(body: &[u8]) -> Result<Value, Refusal> {
    serde_json::from_slice(body)
        .map_err(|error| Refusal::bad_request(format!("the body of the request is not valid JSON: {error}")))
}

/// JSON is YAML, and is read as what it is.
fn yaml(body: &[u8]) -> Result<Value, Refusal> {
    if let Ok(value) = serde_json::from_slice(body) {
        return Ok(value);
    }
    let text = std::str::from_utf8(body).map_err(|error| error.to_string());
    let read = text.and_then(|text| serde_saphyr::from_str(text).map_err(|error| error.to_string()));
    read.map_err(|why| Refusal::bad_request(format!("error decoding YAML: {why}")))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn of_type(media_type: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, media_type.parse().unwrap());
        headers
    }

    #[test]
    fn objects_are_json_or_yaml() {
        for (kind, body, expected) in [
            ("application/json", r#"{"a": 1}"#, Some(json!({"a": 1}))),
            ("application/json; charset=utf-8", r#"{"a": 1}"#, Some(json!({"a": 1}))),
            ("application/yaml", "a: 1\nb: [x, 'y']\n", Some(json!({"a": 1, "b": ["x", "y"]}))),
            ("application/yaml", "a: [", None),
            ("application/json", "a: 1", None),
            ("application/json", "[]", None),
            ("application/vnd.kubernetes.protobuf", "k8s", None),
        ] {
            assert_eq!(object(&of_type(kind), body.as_bytes()).ok(), expected, "{kind} {body}");
        }
    }

    #[test]
    fn patches_are_known_by_their_type() {
        for (kind, custom, expected) in [
            ("application/json-patch+json", false, Some(PatchKind::Json)),
            ("application/merge-patch+json", true, Some(PatchKind::Merge)),
            ("application/strategic-merge-patch+json", false, Some(PatchKind::Strategic)),
            ("application/strategic-merge-patch+json", true, None),
            ("application/apply-patch+yaml", true, Some(PatchKind::Apply)),
            ("application/json", false, None),
        ] {
            let read = patch(&of_type(kind), custom, b"{}").ok().map(|(kind, _)| kind);
            assert_eq!(read, expected, "{kind}");
        }
    }
}
