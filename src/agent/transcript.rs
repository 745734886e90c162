//! The conversation as the model sees it. Pure.

use super::dossier;
use crate::{
    event::{CallId, Entry, Event},
    llm::Message,
    redact::Redacted,
};

/// The log as messages.
///
/// The log is in order of arrival; a model wants each call answered right after the reply that made it. What arrives
/// in between is held back until the calls are answered, and a turn that ended answers those it left open.
pub fn transcript(log: &[Entry]) -> Vec<Message> {
    let latest_scan = log.iter().rposition(|e| matches!(e.event, Event::ClusterScanned { .. }));
    let mut building = Building::default();
    for (at, entry) in log.iter().enumerate() {
        match &entry.event {
            Event::UserSaid { author, text, .. } => {
                // A colon ends the name, so a name must not hold one.
                let name = author.name.replace(':', " ");
                building.hold(Message::User(Redacted::new(format!("{name}: {text}"))));
            }
            Event::ClusterScanned { look, findings } if Some(at) == latest_scan => {
                let text = dossier::write(look, findings);
                building.hold(Message::Scan { text, look: look.clone(), findings: findings.clone() });
            }
            Event::ClusterScanned { look, findings } => {
                building.hold(Message::User(dossier::superseded(look, findings)));
            }
            Event::ModelReplied { text, calls, thought, .. } => {
                building.open = calls.iter().map(|call| call.id.clone()).collect();
                let (text, calls, thought) = (text.clone(), calls.clone(), thought.clone());
                building.messages.push(Message::Model { text, calls, thought });
            }
            Event::ToolReturned { call, ok, output, .. } => building.answer(call, *ok, output.clone()),
            Event::Diagnosed { call, .. } => building.answer(call, true, Redacted::new("Posted.")),
            Event::TurnEnded { failure } => building.end_turn(failure.as_ref()),
            Event::TurnStarted { .. } => {}
        }
        building.settle();
    }
    building.messages
}

#[derive(Default)]
struct Building {
    messages: Vec<Message>,
    /// What waits until every open call is answered.
    held: Vec<Message>,
    open: Vec<CallId>,
}

impl Building {
    fn hold(&mut self, message: Message) {
        self.held.push(message);
    }

    fn answer(&mut self, call: &CallId, ok: bool, output: Redacted) {
        let before = self.open.len();
        self.open.retain(|id| id != call);
        if self.open.len() < before {
            self.messages.push(Message::Tool { call: call.clone(), ok, output });
        }
    }

    fn end_turn(&mut self, failure: Option<&Redacted>) {
        for call in std::mem::take(&mut self.open) {
            let output = Redacted::new("Not run: the turn ended.");
            self.messages.push(Message::Tool { call, ok: false, output });
        }
        if let Some(why) = failure {
            self.hold(Message::User(dossier::unanswered(why)));
        }
    }

    fn settle(&mut self) {
        if self.open.is_empty() {
            self.messages.append(&mut self.held);
        }
    }
}
