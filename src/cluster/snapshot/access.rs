//! What a client of a recorded cluster may do: read everything, change nothing. Pure.

use bytes::Bytes;
use http::{Response, StatusCode};
use serde_json::{Value, json};

use super::status::{Refusal, respond};

const READS: [&str; 2] = ["get", "list"];

/// Answers a review that asks about the asker; `None` where the kind is none of those.
pub(super) fn review(group: &str, plural: &str, body: &[u8]) -> Option<Result<Response<Bytes>, Refusal>> {
    let status = match (group, plural) {
        ("authorization.k8s.io", "selfsubjectaccessreviews") => access,
        ("authorization.k8s.io", "selfsubjectrulesreviews") => |_: &Value| rules(),
        ("authentication.k8s.io", "selfsubjectreviews") => {
            |_: &Value| json!({"userInfo": {"username": "reader", "groups": ["system:authenticated"]}})
        }
        _ => return None,
    };
    Some(answer(body, status))
}

fn answer(body: &[u8], status: fn(&Value) -> Value) -> Result<Response<Bytes>, Refusal> {
    let mut review: Value =
        serde_json::from_slice(body).ok().filter(Value::is_object).ok_or_else(Refusal::unknown_format)?;
    review["status"] = status(&review["spec"]);
    Ok(respond(StatusCode::CREATED, "application/json", review.to_string()))
}

fn access(spec: &Value) -> Value {
    let attributes = ["resourceAttributes", "nonResourceAttributes"].map(|name| &spec[name]["verb"]);
    let reads = attributes.iter().any(|verb| verb.as_str().is_some_and(|verb| READS.contains(&verb)));
    match reads {
        true => json!({"allowed": true, "reason": "a recorded cluster can be read"}),
        false => json!({"allowed": false, "reason": "a recorded cluster can only be read"}),
    }
}

fn rules() -> Value {
    json!({
        "resourceRules": [{"verbs": READS, "apiGroups": ["*"], "resources": ["*"]}],
        "nonResourceRules": [{"verbs": ["get"], "nonResourceURLs": ["*"]}],
        "incomplete": false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reading_is_allowed_and_nothing_else() {
        for (spec, allowed) in [
            (json!({"resourceAttributes": {"verb": "get", "resource": "pods"}}), true),
            (json!({"resourceAttributes": {"verb": "list", "resource": "secrets"}}), true),
            (json!({"nonResourceAttributes": {"verb": "get", "path": "/version"}}), true),
            (json!({"resourceAttributes": {"verb": "watch"}}), false),
            (json!({"resourceAttributes": {"verb": "delete"}}), false),
            (json!({"resourceAttributes": {"verb": "*"}}), false),
            (json!({}), false),
        ] {
            assert_eq!(access(&spec)["allowed"], allowed, "{spec}");
        }
    }
}
