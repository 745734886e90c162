//! The conversation as the model sees it. Pure.

use std::collections::HashMap;

use super::{brief, dossier, fence};
use crate::{
    event::{CallId, Entry, Event, ToolCall},
    llm::Message,
    redact::Redacted,
    tools::report,
};

/// The log as messages.
///
/// The log is in order of arrival; a model wants each call answered right after the reply that made it. What arrives
/// in between is held back until the calls are answered, and a turn that ended answers those it left open. What was
/// condensed is told by what stands in its place, but for the latest look, which is there always.
pub fn transcript(log: &[Entry]) -> Vec<Message> {
    let latest_scan = log.iter().rev().find(|e| matches!(e.event, Event::ClusterScanned { .. }));
    let latest_scan = latest_scan.map_or(0, |entry| entry.seq);
    let mut building = Building { latest_scan, ..Building::default() };
    let mut begins = 0;
    for entry in log {
        match &entry.event {
            Event::Condensed { to, text: Some(text), .. } => {
                begins = *to;
                building.messages = vec![Message::User(text.clone())];
            }
            Event::Condensed { to, text: None, .. } => building.digests = *to,
            _ => {}
        }
    }
    if building.digests > 0 {
        building.superseded = brief::superseded(log);
    }
    for entry in log {
        if entry.seq > begins || entry.seq == latest_scan {
            building.take(entry);
            building.settle();
        }
    }
    building.messages
}

#[derive(Default)]
struct Building<'a> {
    messages: Vec<Message>,
    /// What waits until every open call is answered.
    held: Vec<Message>,
    /// The calls that are not answered yet.
    open: Vec<ToolCall>,
    latest_scan: i64,
    /// Outputs up to this entry are told as digests.
    digests: i64,
    /// Calls that a later one has taken the place of.
    superseded: HashMap<&'a CallId, &'a CallId>,
}

impl Building<'_> {
    fn take(&mut self, entry: &Entry) {
        match &entry.event {
            Event::UserSaid { author, text, .. } => {
                let name = fence::name(&author.name);
                self.hold(Message::User(Redacted::from(format!("{name}: {text}"))));
            }
            Event::ClusterScanned { look, findings } if entry.seq == self.latest_scan => {
                let text = dossier::write(look, findings);
                self.hold(Message::Scan { text, look: look.clone(), findings: findings.clone() });
            }
            Event::ClusterScanned { look, findings } => {
                self.hold(Message::User(dossier::superseded(look, findings)));
            }
            Event::ModelReplied { text, calls, thought, .. } => {
                self.open.clone_from(calls);
                let (text, calls, thought) = (text.clone(), calls.clone(), thought.clone());
                self.messages.push(Message::Model { text, calls, thought });
            }
            Event::ToolReturned { call, ok, output, .. } if entry.seq > self.digests => {
                self.answer(call, *ok, output);
            }
            Event::ToolReturned { call, ok, output, artifact, .. } => match self.superseded.get(call) {
                Some(later) => {
                    let told = format!("The later call `{}` has taken the place of this one.", later.0);
                    self.tell(call, *ok, Redacted::from(told));
                }
                None => self.answer(call, *ok, &brief::brief(output, artifact.as_ref())),
            },
            Event::Diagnosed { call, .. } => self.tell(call, true, Redacted::new("Posted.")),
            // The call of a report is answered with what is wrong with it.
            Event::Doubted { doubts, sent_back: true } if !self.ends_with_a_call() => {
                self.hold(Message::User(dossier::doubted(doubts)));
            }
            Event::TurnEnded { failure } => self.end_turn(failure.as_ref()),
            Event::TurnStarted { .. } | Event::Doubted { .. } | Event::Condensed { .. } => {}
        }
    }

    fn ends_with_a_call(&self) -> bool {
        matches!(self.messages.last(), Some(Message::Tool { .. }))
    }

    fn hold(&mut self, message: Message) {
        self.held.push(message);
    }

    /// What came of a call: data where it was carried out, words of ours where it was refused.
    fn answer(&mut self, id: &CallId, ok: bool, output: &Redacted) {
        let Some(call) = self.open.iter().find(|call| call.id == *id) else { return };
        if call.tool == report::NAME {
            return self.tell(id, ok, output.clone());
        }
        let source = call.in_words();
        self.tell(id, ok, fence::fenced(&source, output));
    }

    fn tell(&mut self, id: &CallId, ok: bool, output: Redacted) {
        let before = self.open.len();
        self.open.retain(|call| call.id != *id);
        if self.open.len() < before {
            self.messages.push(Message::Tool { call: id.clone(), ok, output });
        }
    }

    fn end_turn(&mut self, failure: Option<&Redacted>) {
        for call in std::mem::take(&mut self.open) {
            let output = Redacted::new("Not run: the turn ended.");
            self.messages.push(Message::Tool { call: call.id, ok: false, output });
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
