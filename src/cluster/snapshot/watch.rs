//! Watches of a recorded cluster: what is there is told at once, and after that nothing happens. Pure.

use std::time::Duration;

use bytes::Bytes;
use http::{Response, StatusCode};
use serde_json::json;

use super::{
    accept::Shape,
    answer::HeldOpen,
    discovery::join,
    objects::{self, Asked},
    recorded::{Recorded, Row},
    status::{Refusal, respond},
};

/// How long a watch stays open whose client names no time, in seconds: the API server's least.
const OPEN_SECONDS: u64 = 1800;
/// Says of a bookmark that everything that was there has been told.
const INITIAL_EVENTS_END: &str = "k8s.io/initial-events-end";

/// From where on a client wants to be told what changes.
#[derive(Debug, PartialEq)]
enum Since {
    /// From nothing: whatever is there is new.
    Nothing,
    /// From a version that the client has.
    Version(u64),
}

/// Answers a watch with everything that it will ever have to say, to be held open afterwards.
pub(super) fn answer(
    recorded: &Recorded,
    name: Option<&str>,
    asked: &Asked<'_>,
) -> Result<Response<Bytes>, Refusal> {
    if let Shape::Discovery(_) = asked.shape {
        return Err(Refusal::not_acceptable());
    }
    let since = since(asked.query.get("resourceVersion").unwrap_or_default())?;
    let bookmarked = initial_events(asked)?;
    let mut body = Vec::new();
    let rows = objects::passing(recorded, asked)?;
    let rows = rows.into_iter().filter(|row| name.is_none_or(|name| row.head.name == name));
    let told = rows.filter_map(|row| event(row, &since, bookmarked).map(|event| (event, row)));
    for (number, (event, row)) in told.enumerate() {
        line(&mut body, event, &objects::one(recorded, row, asked, number == 0)?);
    }
    if bookmarked == Some(true) {
        line(&mut body, "BOOKMARK", &bookmark(recorded, asked).to_string());
    }
    let seconds = asked.query.number("timeoutSeconds")?.and_then(|seconds| u64::try_from(seconds).ok());
    let seconds = seconds.filter(|seconds| *seconds > 0).unwrap_or(OPEN_SECONDS);
    let mut response = respond(StatusCode::OK, "application/json", body);
    response.extensions_mut().insert(HeldOpen(Duration::from_secs(seconds)));
    Ok(response)
}

fn since(version: &str) -> Result<Since, Refusal> {
    match version {
        "" | "0" => Ok(Since::Nothing),
        version => version.parse().map(Since::Version).map_err(|_| {
            Refusal::bad_request(format!(
                "resourceVersion: Invalid value: {version:?}: strconv.ParseUint: parsing {version:?}: invalid syntax"
            ))
        }),
    }
}

/// Whether the client wants what is there first, and a bookmark after it; `None` where it does not say.
fn initial_events(asked: &Asked<'_>) -> Result<Option<bool>, Refusal> {
    let told = asked.query.get("sendInitialEvents").is_some();
    if !told {
        return Ok(None);
    }
    if asked.query.get("resourceVersionMatch") != Some("NotOlderThan") {
        return Err(Refusal::invalid(
            r#"ListOptions.meta.k8s.io "" is invalid: resourceVersionMatch: Forbidden: sendInitialEvents requires setting resourceVersionMatch to NotOlderThan"#,
        ));
    }
    Ok(Some(asked.query.flag("sendInitialEvents")))
}

/// What a row is told as, if it is told at all.
fn event(row: &Row, since: &Since, initial: Option<bool>) -> Option<&'static str> {
    match (initial, since) {
        (Some(true), _) | (None, Since::Nothing) => Some("ADDED"),
        (Some(false), Since::Nothing) => None,
        // What the client may have seen an older state of.
        (_, Since::Version(version)) => {
            let own: u64 = row.head.resource_version.parse().unwrap_or_default();
            (own > *version).then_some("MODIFIED")
        }
    }
}

fn line(body: &mut Vec<u8>, event: &str, object: &str) {
    body.extend_from_slice(format!(r#"{{"type":"{event}","object":"#).as_bytes());
    // Between the events only: within a string a line break is never one.
    body.extend(object.bytes().filter(|byte| !matches!(byte, b'\n' | b'\r')));
    body.extend_from_slice(b"}\n");
}

fn bookmark(recorded: &Recorded, asked: &Asked<'_>) -> serde_json::Value {
    let metadata = json!({
        "resourceVersion": recorded.version, "creationTimestamp": null,
        "annotations": {INITIAL_EVENTS_END: "true"},
    });
    let partial = |version: &str| json!({"kind": "PartialObjectMetadata", "apiVersion": format!("meta.k8s.io/{version}"), "metadata": metadata});
    match asked.shape {
        Shape::Table(version) => json!({
            "kind": "Table", "apiVersion": format!("meta.k8s.io/{version}"), "columnDefinitions": [],
            "metadata": {"resourceVersion": recorded.version},
            "rows": [{"cells": [], "object": partial(version)}],
        }),
        Shape::Metadata(version) => partial(version),
        Shape::Objects | Shape::Discovery(_) => json!({
            "kind": asked.resource.kind(), "apiVersion": join(&asked.target.group, &asked.target.version),
            "metadata": metadata,
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_a_number_or_nothing() {
        for (text, expected) in [
            ("", Some(Since::Nothing)),
            ("0", Some(Since::Nothing)),
            ("17", Some(Since::Version(17))),
            ("-1", None),
            ("x", None),
        ] {
            assert_eq!(since(text).ok(), expected, "{text}");
        }
    }

    #[test]
    fn a_client_is_told_what_it_cannot_know() {
        let recorded = Recorded::parse(
            br#"{"columnDefinitions":[],"rows":[{"cells":[],"object":{"metadata":{"name":"a","resourceVersion":"5"}}}]}"#,
        );
        let recorded = recorded.unwrap();
        let row = &recorded.rows[0];
        for (since, initial, expected) in [
            (Since::Nothing, None, Some("ADDED")),
            (Since::Nothing, Some(true), Some("ADDED")),
            (Since::Nothing, Some(false), None),
            (Since::Version(4), None, Some("MODIFIED")),
            (Since::Version(5), None, None),
            (Since::Version(6), None, None),
            (Since::Version(6), Some(true), Some("ADDED")),
            (Since::Version(4), Some(false), Some("MODIFIED")),
        ] {
            assert_eq!(event(row, &since, initial), expected, "{since:?} {initial:?}");
        }
    }
}
