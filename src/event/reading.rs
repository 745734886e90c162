//! What a log says about the state that a conversation is in. Pure.

use super::{Entry, Event, ToolCall, Usage};

/// The turn under way, from its start on.
pub fn open_turn(log: &[Entry]) -> Option<&[Entry]> {
    let last =
        log.iter().rposition(|e| matches!(e.event, Event::TurnStarted { .. } | Event::TurnEnded { .. }))?;
    let turn = log.get(last..)?;
    matches!(turn.first()?.event, Event::TurnStarted { .. }).then_some(turn)
}

/// The calls of a turn's latest reply that are not answered yet.
pub fn open_calls(turn: &[Entry]) -> Vec<&ToolCall> {
    let latest = turn.iter().enumerate().rev().find_map(|(at, entry)| match &entry.event {
        Event::ModelReplied { calls, .. } => Some((calls, turn.get(at..).unwrap_or_default())),
        _ => None,
    });
    let Some((calls, since)) = latest else { return Vec::new() };
    let answered = |call: &ToolCall| {
        since.iter().any(|entry| match &entry.event {
            Event::ToolReturned { call: id, .. } | Event::Diagnosed { call: id, .. } => *id == call.id,
            _ => false,
        })
    };
    calls.iter().filter(|call| !answered(call)).collect()
}

/// What a person said that no reply has read and no failed turn has owned up to.
pub fn unread(log: &[Entry]) -> Vec<&Entry> {
    let read_to = log
        .iter()
        .map(|e| match &e.event {
            Event::ModelReplied { read_to, .. } => *read_to,
            Event::TurnEnded { failure: Some(_) } => e.seq,
            _ => 0,
        })
        .max()
        .unwrap_or_default();
    log.iter().filter(|e| matches!(e.event, Event::UserSaid { .. }) && e.seq > read_to).collect()
}

/// Whether nothing is left to do until somebody says something.
pub fn rests(log: &[Entry]) -> bool {
    open_turn(log).is_none() && unread(log).is_empty()
}

/// What a turn took.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tally {
    /// Looks at the cluster: the scan and the calls that were carried out.
    pub looks: usize,
    /// Tokens read and written by the model.
    pub tokens: u64,
    /// What that cost, in millionths of a US dollar.
    pub cost: u64,
    /// From its start to its last entry.
    pub took_ms: i64,
    /// The model that did it; where another stood in for it, each that answered.
    pub model: String,
}

impl Tally {
    fn spend(&mut self, usage: &Usage) {
        self.tokens += usage.input + usage.output;
        self.cost += usage.cost;
    }
}

/// Sums up the entries of one turn.
pub fn tally(turn: &[Entry]) -> Tally {
    let mut tally = Tally::default();
    let mut asked = "";
    let mut answered: Vec<&str> = Vec::new();
    for entry in turn {
        match &entry.event {
            Event::TurnStarted { model, .. } => asked = model,
            Event::ClusterScanned { .. } | Event::ToolReturned { ok: true, .. } => tally.looks += 1,
            Event::ModelReplied { usage, model, .. } => {
                tally.spend(usage);
                let model = model.as_deref().unwrap_or(asked);
                if !answered.contains(&model) {
                    answered.push(model);
                }
            }
            Event::Condensed { usage, .. } => tally.spend(usage),
            Event::UserSaid { .. }
            | Event::ToolReturned { .. }
            | Event::Diagnosed { .. }
            | Event::Doubted { .. }
            | Event::TurnEnded { .. } => {}
        }
    }
    tally.model = if answered.is_empty() { asked.to_owned() } else { answered.join(", ") };
    if let (Some(first), Some(last)) = (turn.first(), turn.last()) {
        tally.took_ms = last.at_ms - first.at_ms;
    }
    tally
}
