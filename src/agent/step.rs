//! What a conversation needs next, decided from its log alone. Pure.

use crate::{
    event::{Entry, Event, ToolCall, open_calls, open_turn, unread},
    redact::Redacted,
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
    AskModel,
    /// Carry out one of its calls.
    RunTool(ToolCall),
    /// Stop working on what was said: with an answer, or with the sentence that says why there is none.
    EndTurn(Option<Redacted>),
}

/// Decides the next step. `max_replies` bounds what one turn may ask of the model.
pub fn next_step(log: &[Entry], max_replies: usize) -> Step {
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
    let mut replies = turn.iter().filter_map(|e| match &e.event {
        Event::ModelReplied { calls, .. } => Some(calls),
        _ => None,
    });
    let Some(calls) = replies.next_back() else {
        return Step::AskModel;
    };
    if let Some(call) = open_calls(turn).first() {
        return Step::RunTool((*call).clone());
    }
    if calls.is_empty() && unread.is_empty() {
        return Step::EndTurn(None);
    }
    if replies.count() + 1 >= max_replies {
        return Step::EndTurn(Some(Redacted::new(format!(
            "I found no answer that holds within {max_replies} steps. Ask about one object, or raise agent.max_replies."
        ))));
    }
    Step::AskModel
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
        Event::TurnStarted { model: "m".into() }
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
            assert_eq!(ended_with(&next_step(&log, 9)), ends, "{log:?}");
        }
        assert_eq!(next_step(&log(vec![said("stop"), said("why?")]), 9), Step::StartTurn);
        assert_eq!(next_step(&log(vec![said("why?"), said("stop")]), 9), Step::StartTurn);
    }
}
