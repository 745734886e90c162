//! A whole conversation about the practice cluster with a model behind a server.

use std::{sync::Arc, time::Duration};

use kubertnetes::{
    agent::{self, Agent, eyes::ClusterEyes},
    clock::Clock,
    event::{Entry, Event, rests},
    llm::Config,
    store::Received,
    tools::Toolbox,
    worker::{Binding, Worker},
};
use serde_json::Value;

use super::model;
use crate::support::{cluster::practice, stores::fresh_sqlite, world::said};

/// The log of a conversation that began with `question`, once nothing is left to do. Pauses pass by turning the clock.
pub async fn talk(config: &Config, question: &str) -> Vec<Entry> {
    let clock = Clock::standing(1_000_000);
    let fresh = fresh_sqlite(&clock).await;
    let agent = Agent {
        store: fresh.store.clone(),
        model: model(config),
        eyes: Arc::new(ClusterEyes::new(Arc::new(practice()), Toolbox::standard())),
        live: Arc::new(()),
        config: agent::Config::default(),
    };
    let turns = Binding { queue: "turn".into(), work: Arc::new(agent), at_once: 1 };
    let worker = Worker::new(fresh.store.clone(), kubertnetes::worker::Config::default(), vec![turns]);
    let Received::Taken(conversation) = fresh.store.receive(&said("m1", question)).await.unwrap() else {
        panic!("not taken in")
    };
    for _ in 0..50 {
        while worker.step().await.unwrap() {}
        let log = fresh.store.log(&conversation, 0).await.unwrap();
        if rests(&log) {
            return log;
        }
        clock.advance(Duration::from_secs(3600));
    }
    panic!("does not come to rest")
}

/// The log as text, but for how long things took.
pub fn text(log: &[Entry]) -> String {
    let mut out = String::new();
    for entry in log {
        let mut event = serde_json::to_value(&entry.event).unwrap();
        for pointer in ["/took_ms", "/look/took_ms"] {
            if let Some(took) = event.pointer_mut(pointer) {
                *took = Value::from(0);
            }
        }
        out += &format!("{} {event}\n", entry.seq);
    }
    out
}

/// Why the turn ended without an answer.
pub fn failure(log: &[Entry]) -> Option<String> {
    log.iter().rev().find_map(|entry| match &entry.event {
        Event::TurnEnded { failure } => failure.as_ref().map(ToString::to_string),
        _ => None,
    })
}
