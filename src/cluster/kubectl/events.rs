//! `events`: what happened, oldest first, in the columns of `kubectl events`.

use std::cmp::Ordering;

use jiff::Timestamp;
use serde_json::Value;

use super::{
    Session,
    command::{Events, Filter, Form, Where},
    get,
    output::Draft,
    print::{
        age,
        tab::{self, TABLE},
    },
    wire::{failure::Failure, kinds::Kind, lists},
};

pub(super) async fn run(session: &Session<'_>, events: &Events) -> Draft {
    match found(session, events).await {
        Ok(found) => print(session, events, &found),
        Err(failure) => failure.into(),
    }
}

/// The kind of events that descriptions and `events` read.
pub(super) fn kind() -> Kind {
    Kind {
        version: "v1".into(),
        plural: "events".into(),
        kind: "Event".into(),
        namespaced: true,
        ..Kind::default()
    }
}

async fn found(session: &Session<'_>, events: &Events) -> Result<Vec<Value>, Failure> {
    let mut filter = Filter::default();
    if let Some((word, name)) = &events.about {
        let kind = session.wire.among_kinds(|kinds| kinds.resolve(word).cloned()).await?;
        filter.fields = Some(format!(
            "involvedObject.kind={},involvedObject.apiVersion={},involvedObject.name={name}",
            kind.kind,
            kind.api_version()
        ));
    }
    let namespace = events.place.namespace(session.default_namespace);
    let mut found = lists::objects(&session.wire, &kind(), namespace, &filter, lists::As::Objects).await?;
    found.retain(|event| {
        let kind = event["type"].as_str().unwrap_or_default();
        events.types.is_empty() || events.types.iter().any(|wanted| wanted.eq_ignore_ascii_case(kind))
    });
    found.sort_by(by_time);
    Ok(found)
}

fn print(session: &Session<'_>, events: &Events, found: &[Value]) -> Draft {
    let mut draft = Draft::default();
    if found.is_empty() {
        match events.place.namespace(session.default_namespace) {
            Some(namespace) => draft.warn(format!("No events found in {namespace} namespace.")),
            None => draft.warn("No events found."),
        }
        return draft;
    }
    let printed = match &events.form {
        Form::Table { .. } => Ok(table(session, events, found)),
        Form::Plain(plain) => Ok(get::plain_text(*plain, &list(found))),
        Form::JsonPath { template, as_json: true } => template.render_json(&list(found)),
        Form::JsonPath { template, as_json: false } => template.render(&list(found)),
        Form::CustomColumns(columns) => columns.print(found, events.headers),
        Form::Name => Ok(found.iter().map(|event| format!("event/{}\n", super::pods::name(event))).collect()),
    };
    match printed {
        Ok(text) => draft.out = text,
        Err(error) => draft.fail(&Failure::error(error)),
    }
    draft
}

fn list(events: &[Value]) -> Value {
    serde_json::json!({"apiVersion": "v1", "kind": "EventList", "items": events, "metadata": {}})
}

fn table(session: &Session<'_>, events: &Events, found: &[Value]) -> String {
    let everywhere = events.place == Where::Everywhere;
    let mut text = String::new();
    if events.headers {
        if everywhere {
            text.push_str("NAMESPACE\t");
        }
        text.push_str("LAST SEEN\tTYPE\tREASON\tOBJECT\tMESSAGE\n");
    }
    for event in found {
        if everywhere {
            text.push_str(&super::pods::namespace(event));
            text.push('\t');
        }
        let object = &event["involvedObject"];
        text.push_str(&format!(
            "{}\t{}\t{}\t{}/{}\t{}\n",
            last_seen(event, session.now),
            field(&event["type"]),
            field(&event["reason"]),
            field(&object["kind"]),
            field(&object["name"]),
            field(&event["message"]),
        ));
    }
    tab::align(&text, TABLE)
}

/// A text that stays in its cell.
fn field(value: &Value) -> String {
    value.as_str().unwrap_or_default().trim().replace('\u{1b}', "^[").replace('\t', " ")
}

/// `12s`, `12s (x5 over 3m)`.
pub(super) fn last_seen(event: &Value, now: Timestamp) -> String {
    let since = |value: &Value| age::since(value.as_str(), now);
    let first = match event["eventTime"].is_null() {
        true => since(&event["firstTimestamp"]),
        false => since(&event["eventTime"]),
    };
    let series = &event["series"];
    if !series.is_null() {
        let count = series["count"].as_i64().unwrap_or(0);
        return format!("{} (x{count} over {first})", since(&series["lastObservedTime"]));
    }
    match event["count"].as_i64() {
        Some(count) if count > 1 => format!("{} (x{count} over {first})", since(&event["lastTimestamp"])),
        _ => first,
    }
}

/// The order in which they last happened.
fn by_time(a: &Value, b: &Value) -> Ordering {
    let time = |event: &Value| {
        let series = event["series"]["lastObservedTime"].as_str();
        let time = series.or(event["lastTimestamp"].as_str()).or(event["eventTime"].as_str());
        time.and_then(|time| time.parse::<Timestamp>().ok())
    };
    time(a).cmp(&time(b))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{by_time, last_seen};

    #[test]
    fn last_seen_counts_repetitions() {
        let now = "2026-01-01T01:00:00Z".parse().unwrap();
        for (event, expected) in [
            (json!({"firstTimestamp": "2026-01-01T00:59:30Z", "count": 1}), "30s"),
            (
                json!({"firstTimestamp": "2026-01-01T00:00:00Z", "lastTimestamp": "2026-01-01T00:59:00Z", "count": 5}),
                "60s (x5 over 60m)",
            ),
            (json!({"eventTime": "2026-01-01T00:50:00.000000Z", "firstTimestamp": null}), "10m"),
            (
                json!({"eventTime": "2026-01-01T00:50:00Z", "series": {"count": 3, "lastObservedTime": "2026-01-01T00:59:50Z"}}),
                "10s (x3 over 10m)",
            ),
            (json!({}), "<unknown>"),
        ] {
            assert_eq!(last_seen(&event, now), expected, "{event}");
        }
    }

    #[test]
    fn the_oldest_is_first() {
        let mut events = [
            json!({"n": 2, "lastTimestamp": "2026-01-01T00:00:02Z"}),
            json!({"n": 3, "lastTimestamp": null, "eventTime": "2026-01-01T00:00:03.5Z"}),
            json!({"n": 1, "lastTimestamp": "2026-01-01T00:00:01Z"}),
        ];
        events.sort_by(by_time);
        assert_eq!(events.map(|event| event["n"].as_i64()), [Some(1), Some(2), Some(3)]);
    }
}
