//! Calls that were made before in the same turn and would show the same again. Pure.

use crate::{
    event::{CallId, Entry, Event, ToolCall},
    redact::Redacted,
    tools::Answer,
};

/// What a call that refers to another is called.
const SAME: &str = "the same";
/// After so long the cluster may have moved on.
const GOOD_FOR_MS: i64 = 30_000;

/// The answer to a call that `turn` has already, if nothing can have changed since: where it stands, and how old it is.
pub(super) fn answered(call: &ToolCall, turn: &[Entry], now_ms: i64) -> Option<Answer> {
    let asked = made(turn).filter(|(earlier, _)| earlier.id != call.id && is_same(earlier, call));
    let (id, at_ms) = asked.filter_map(|(earlier, _)| answer(&earlier.id, turn)).next_back()?;
    let age = now_ms - at_ms;
    let changed = turn.iter().any(|entry| entry.at_ms >= at_ms && may_change(&entry.event));
    if age > GOOD_FOR_MS || changed {
        return None;
    }
    let seconds = age / 1000;
    Some(Answer {
        ok: true,
        output: Redacted::new(format!(
            "The same call was answered {seconds} s ago, as `{}`: see there. It is carried out again once something has changed.",
            id.0
        )),
        gist: Redacted::new(format!("{SAME} as {seconds} s ago")),
    })
}

/// The answer to a call that stands a second time in the same reply.
pub(super) fn doubled(call: &ToolCall, together: &[ToolCall]) -> Option<Answer> {
    let first = together.iter().take_while(|other| other.id != call.id).find(|other| is_same(other, call))?;
    Some(Answer {
        ok: true,
        output: Redacted::new(format!("The same call is answered as `{}`: see there.", first.id)),
        gist: Redacted::new(format!("{SAME} once more")),
    })
}

/// The calls of a turn, each with the number of its entry.
fn made(turn: &[Entry]) -> impl DoubleEndedIterator<Item = (&ToolCall, i64)> {
    turn.iter().flat_map(|entry| match &entry.event {
        Event::ModelReplied { calls, .. } => calls.iter().map(|call| (call, entry.seq)).collect(),
        _ => Vec::new(),
    })
}

/// When a call was carried out that has an answer of its own.
fn answer<'a>(id: &CallId, turn: &'a [Entry]) -> Option<(&'a CallId, i64)> {
    turn.iter().find_map(|entry| match &entry.event {
        Event::ToolReturned { call, ok: true, gist, .. } if call == id && !gist.starts_with(SAME) => {
            Some((call, entry.at_ms))
        }
        _ => None,
    })
}

/// A person may have changed something, or know that somebody did.
fn may_change(event: &Event) -> bool {
    match event {
        Event::UserSaid { .. } => true,
        Event::TurnStarted { .. }
        | Event::ClusterScanned { .. }
        | Event::ModelReplied { .. }
        | Event::ToolReturned { .. }
        | Event::Diagnosed { .. }
        | Event::Doubted { .. }
        | Event::Condensed { .. }
        | Event::TurnEnded { .. } => false,
    }
}

/// Whether two calls look at the same.
pub(super) fn is_same(one: &ToolCall, other: &ToolCall) -> bool {
    let command = |call: &ToolCall| {
        let words = call.args.get("command")?.as_str()?.trim().trim_start_matches("kubectl ").to_owned();
        (call.args.as_object()?.len() == 1).then(|| words.split_whitespace().collect::<Vec<_>>().join(" "))
    };
    one.tool == other.tool
        && match (command(one), command(other)) {
            (Some(one), Some(other)) => one == other,
            _ => *one.args == *other.args,
        }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{
        event::{Author, Usage},
        redact::RedactedJson,
    };

    fn call(id: &str, command: &str) -> ToolCall {
        let args = RedactedJson::new(json!({ "command": command }));
        ToolCall { id: CallId(id.into()), tool: "kubectl".into(), args }
    }

    fn turn(after: Option<Event>) -> Vec<Entry> {
        let replied = Event::ModelReplied {
            read_to: 1,
            text: Redacted::default(),
            calls: vec![call("c1", "get pods -n shop")],
            usage: Usage::default(),
            model: None,
            thought: None,
            last: false,
            took_ms: 0,
        };
        let returned = Event::ToolReturned {
            call: CallId("c1".into()),
            ok: true,
            output: Redacted::new("web-1"),
            gist: Redacted::default(),
            artifact: None,
            took_ms: 0,
        };
        let events = [replied, returned].into_iter().chain(after);
        (1..).zip(events).map(|(seq, event)| Entry { seq, at_ms: 10_000 + seq, event }).collect()
    }

    #[test]
    fn a_repeated_look_is_answered_from_the_log_until_something_changes() {
        let author = Author { id: "u".into(), name: Redacted::new("Ana"), roles: vec![] };
        let said = Event::UserSaid { author, text: Redacted::new("I restarted it"), about: None };
        let again = call("c2", "kubectl get  pods -n shop");
        let answer = answered(&again, &turn(None), 15_000).unwrap();
        assert!(answer.ok && answer.output.contains("4 s ago, as `c1`"), "{answer:?}");
        assert_eq!(answered(&call("c2", "get pods -n web"), &turn(None), 15_000), None, "another look");
        assert_eq!(answered(&again, &turn(Some(said)), 15_000), None, "somebody said something");
        assert_eq!(answered(&again, &turn(None), 50_000), None, "it is old");
        assert_eq!(answered(&call("c1", "get pods -n shop"), &turn(None), 15_000), None, "itself");
        let together = [call("c1", "get pods"), call("c2", "kubectl get pods"), call("c3", "get nodes")];
        assert!(doubled(&together[1], &together).unwrap().output.contains("`c1`"));
        assert_eq!(doubled(&together[0], &together), None);
        assert_eq!(doubled(&together[2], &together), None);
    }
}
