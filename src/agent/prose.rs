//! Checks an answer in words: it has to say something, to be borne out by the log, and to be a report where a cause is
//! known. Pure.

use super::{
    claims::{self, Doubt},
    known::Known,
};
use crate::{
    event::{Entry, Event, open_turn},
    finding::Severity,
    redact::Redacted,
};

/// What is wrong with `text`, the answer of a reply without calls to what `log` has; `None` where it stands as it is.
/// It is sent back once in a turn, and only if `more`: there may be another reply.
pub(super) fn doubted(text: &str, log: &[Entry], more: bool) -> Option<Event> {
    let turn = open_turn(log).unwrap_or_default();
    let sent_before = turn.iter().any(|entry| matches!(entry.event, Event::Doubted { .. }));
    let may_send = more && !sent_before;
    let mut doubts = if text.trim().is_empty() {
        vec![Doubt::Unfinished("The answer was empty: report what you found, or say it in words.".into())]
    } else {
        claims::doubts(text, "", &Known::of(log))
    };
    if may_send && doubts.is_empty() && wants_report(log, turn) {
        let words = "This was said in words: call `report` with the cause and what it rests on, so that it can be \
                     checked. If nothing is wrong, report no causes. If it was no question about a fault, say it again.";
        doubts.push(Doubt::Unfinished(words.into()));
    }
    // What could be better is worth one more try, and no remark to people.
    doubts.retain(|doubt| may_send || matches!(doubt, Doubt::Untrue(_)));
    if doubts.is_empty() {
        return None;
    }
    let doubts = doubts.iter().map(|doubt| Redacted::new(doubt.words())).collect();
    Some(Event::Doubted { doubts, sent_back: may_send })
}

/// Whether there is a fault to report: this is a first answer, and a fault was found or something was looked at.
fn wants_report(log: &[Entry], turn: &[Entry]) -> bool {
    let answered = log.iter().any(|entry| matches!(entry.event, Event::Diagnosed { .. }));
    !answered
        && turn.iter().any(|entry| match &entry.event {
            Event::ClusterScanned { findings, .. } => {
                findings.iter().any(|finding| finding.is_root() && finding.severity < Severity::Notice)
            }
            Event::ToolReturned { .. } => true,
            _ => false,
        })
}
