//! What a conversation needs next, decided from its log alone. Pure.

use crate::{
    event::{Entry, Event, ToolCall, open_turn, unread},
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
    let Some(turn) = open_turn(log) else {
        return if unread.is_empty() { Step::Rest } else { Step::StartTurn };
    };
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
        Event::ModelReplied { calls, .. } => Some((e.seq, calls)),
        _ => None,
    });
    let Some((seq, calls)) = replies.next_back() else {
        return Step::AskModel;
    };
    if let Some(call) = calls.iter().find(|call| !is_answered(turn, seq, call)) {
        return Step::RunTool(call.clone());
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

/// Who asked for the turn to end, if somebody did.
fn asked_to_stop<'a>(unread: &[&'a Entry]) -> Option<&'a Redacted> {
    unread.iter().find_map(|e| match &e.event {
        Event::UserSaid { text, author, .. } if is_stop(text) => Some(&author.name),
        _ => None,
    })
}

/// Whether a message does nothing but ask to stop.
pub fn is_stop(text: &str) -> bool {
    let word = text.trim().trim_end_matches(['.', '!']).to_ascii_lowercase();
    matches!(word.as_str(), "stop" | "cancel" | "abort" | "stop it" | "please stop" | "stop please")
}

fn is_answered(turn: &[Entry], reply: i64, call: &ToolCall) -> bool {
    turn.iter().any(|e| {
        e.seq > reply
            && match &e.event {
                Event::ToolReturned { call: id, .. } | Event::Diagnosed { call: id, .. } => *id == call.id,
                _ => false,
            }
    })
}
