//! What a conversation needs next, decided from its log alone. Pure.

use super::budget::{Budget, Limit, Verdict, Whose};
use crate::{
    event::{Entry, Event, ToolCall, open_calls, open_turn, unread},
    redact::Redacted,
    tools::report,
};

/// The next step.
#[derive(Debug, Clone, PartialEq)]
pub enum Step {
    /// Nothing, until somebody says something.
    Rest,
    /// Begin to work on what was said.
    StartTurn,
    /// Look at the cluster.
    Scan,
    /// Ask the model.
    AskModel {
        /// It has to answer now: no further reply fits its budget.
        last: bool,
    },
    /// Carry out its calls, up to a report.
    RunTools(Vec<ToolCall>),
    /// Check what it reports.
    CheckReport(ToolCall),
    /// Stop working on what was said: with an answer, or with the sentence that says why there is none.
    EndTurn(Option<Redacted>),
}

impl Step {
    /// Its name, for the operator.
    pub fn name(&self) -> &'static str {
        match self {
            Step::Rest => "rest",
            Step::StartTurn => "start",
            Step::Scan => "scan",
            Step::AskModel { .. } => "ask",
            Step::RunTools(_) => "call",
            Step::CheckReport(_) => "check",
            Step::EndTurn(_) => "end",
        }
    }
}

/// Decides the next step within `budget`.
pub fn next_step(log: &[Entry], budget: &Budget<'_>) -> Step {
    let unread = unread(log);
    let Some(turn) = open_turn(log) else { return begin(&unread) };
    if let Some(author) = asked_to_stop(&unread) {
        return Step::EndTurn(Some(Redacted::new(format!("Stopped, as {author} asked."))));
    }
    if !turn.iter().any(|e| matches!(e.event, Event::ClusterScanned { .. })) {
        return Step::Scan;
    }
    if turn.iter().any(|e| matches!(e.event, Event::Diagnosed { .. })) {
        return Step::EndTurn(None);
    }
    let open = open_calls(turn);
    let is_report = |call: &&&ToolCall| call.tool == report::NAME;
    let verdict = budget.verdict();
    let answered = answer(turn).filter(|_| unread.is_empty() && open.is_empty());
    match (&verdict, answered) {
        (_, Some(Answer::Stands)) => return Step::EndTurn(None),
        (Verdict::Over(limit), _) => {
            // A report is there already: to check it costs nothing.
            let reported = open.iter().find(is_report);
            return reported
                .map_or_else(|| Step::EndTurn(Some(over(limit))), |call| Step::CheckReport((*call).clone()));
        }
        (_, Some(Answer::Empty)) => {
            let why = "The model gave no answer, though it was asked again. Ask once more, or choose another model.";
            return Step::EndTurn(Some(Redacted::new(why)));
        }
        _ => {}
    }
    match open.first() {
        Some(call) if call.tool == report::NAME => Step::CheckReport((*call).clone()),
        Some(_) => {
            let calls = open.iter().take_while(|call| call.tool != report::NAME);
            Step::RunTools(calls.map(|call| (*call).clone()).collect())
        }
        None => Step::AskModel { last: verdict == Verdict::Last },
    }
}

/// How the latest reply of a turn answers, if it has no calls and was not sent back.
enum Answer {
    Stands,
    Empty,
}

fn answer(turn: &[Entry]) -> Option<Answer> {
    let latest = turn.iter().rev().find_map(|entry| match &entry.event {
        Event::ModelReplied { text, calls, .. } => Some(calls.is_empty().then_some(text)),
        Event::Doubted { sent_back: true, .. } => Some(None),
        _ => None,
    });
    let text = latest??;
    Some(if text.trim().is_empty() { Answer::Empty } else { Answer::Stands })
}

/// What a person is told of a budget that is used up.
pub(super) fn over(limit: &Limit) -> Redacted {
    let (section, what) = match limit.whose {
        Whose::Turn => ("turn", "ask about one object"),
        Whose::Conversation => ("conversation", "begin a new conversation"),
        Whose::Person => ("person", "ask again tomorrow (UTC)"),
        Whose::Day => ("day", "ask again tomorrow (UTC)"),
    };
    Redacted::new(format!(
        "I found no answer that holds within {limit}: {what}, or have [agent.{section}] raised."
    ))
}

/// What a conversation without a turn under way needs.
fn begin(unread: &[&Entry]) -> Step {
    if unread.is_empty() {
        Step::Rest
    } else if unread.iter().all(|said| asked_to_stop(&[said]).is_some()) {
        Step::EndTurn(Some(Redacted::new("There is nothing to stop: nothing is under way.")))
    } else {
        Step::StartTurn
    }
}

/// Who asked for the turn to end, if that is the last that was said: a question after it wants an answer.
fn asked_to_stop<'a>(unread: &[&'a Entry]) -> Option<&'a Redacted> {
    match &unread.last()?.event {
        Event::UserSaid { text, author, .. } if is_stop(text) => Some(&author.name),
        _ => None,
    }
}

/// Whether a message does nothing but ask to stop.
pub fn is_stop(text: &str) -> bool {
    let word = text.trim().trim_end_matches(['.', '!']).to_ascii_lowercase();
    matches!(word.as_str(), "stop" | "cancel" | "abort" | "stop it" | "please stop" | "stop please")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Author;

    fn log(events: Vec<Event>) -> Vec<Entry> {
        (1..).zip(events).map(|(seq, event)| Entry { seq, at_ms: 0, event }).collect()
    }

    fn said(text: &str) -> Event {
        let author = Author { id: "u".into(), name: Redacted::new("Ana"), roles: vec![] };
        Event::UserSaid { author, text: Redacted::new(text), about: None }
    }

    fn started() -> Event {
        Event::TurnStarted { model: "m".into(), person: None }
    }

    fn ended_with(step: &Step) -> Option<&str> {
        if let Step::EndTurn(Some(why)) = step { Some(why) } else { None }
    }

    #[test]
    fn stop_ends_only_what_was_asked_before_it() {
        for (events, ends) in [
            (vec![said("why?"), started(), said("stop")], Some("Stopped, as Ana asked.")),
            (vec![said("why?"), said("stop"), started()], Some("Stopped, as Ana asked.")),
            (vec![said("why?"), started(), said("stop"), said("what about web?")], None),
            (vec![said("stop"), said("why?"), started()], None),
            (vec![said("stop")], Some("There is nothing to stop: nothing is under way.")),
            (vec![said("Stop."), said("stop it!")], Some("There is nothing to stop: nothing is under way.")),
        ] {
            let log = log(events);
            assert_eq!(ended_with(&next_step(&log, &Budget::default())), ends, "{log:?}");
        }
        assert_eq!(next_step(&log(vec![said("stop"), said("why?")]), &Budget::default()), Step::StartTurn);
        assert_eq!(next_step(&log(vec![said("why?"), said("stop")]), &Budget::default()), Step::StartTurn);
    }
}
