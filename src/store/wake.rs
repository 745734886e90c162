//! Wakes those who wait for work or for a log to grow, so that nobody has to poll. A wake-up that is missed costs
//! time, never correctness: those who wait look by themselves now and then.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use sqlx::postgres::PgListener;
use tokio::sync::{Notify, watch};

use super::{Error, Result, cannot_open};
use crate::event::ConversationId;

/// What a transaction changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Signal {
    /// A queue has a job that may be due.
    Queue(String),
    /// A log has grown.
    Log(ConversationId),
}

impl Signal {
    pub(super) fn to_payload(&self) -> String {
        match self {
            Signal::Queue(name) => format!("queue {name}"),
            Signal::Log(conversation) => format!("log {conversation}"),
        }
    }

    fn from_payload(payload: &str) -> Option<Self> {
        match payload.split_once(' ')? {
            ("queue", name) => Some(Signal::Queue(name.to_owned())),
            ("log", id) => Some(Signal::Log(ConversationId(id.to_owned()))),
            _ => None,
        }
    }
}

/// Tells when a conversation's log has grown.
pub struct Watch(watch::Receiver<()>);

impl Watch {
    /// Resolves when the log has grown since the last call.
    pub async fn grown(&mut self) {
        // The sender outlives its receivers: it is dropped only when there are none.
        if self.0.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

#[derive(Clone, Default)]
pub(super) struct Wakes {
    queues: Arc<Mutex<HashMap<String, Arc<Notify>>>>,
    logs: Arc<Mutex<HashMap<ConversationId, watch::Sender<()>>>>,
}

impl Wakes {
    /// What a queue's one claimer waits on. A wake-up that comes while it works is kept for it.
    pub(super) fn queue(&self, name: &str) -> Arc<Notify> {
        lock(&self.queues).entry(name.to_owned()).or_default().clone()
    }

    pub(super) fn log(&self, conversation: &ConversationId) -> Watch {
        let mut logs = lock(&self.logs);
        logs.retain(|_, sender| sender.receiver_count() > 0);
        Watch(logs.entry(conversation.clone()).or_insert_with(|| watch::Sender::new(())).subscribe())
    }

    pub(super) fn wake(&self, signals: &[Signal]) {
        for signal in signals {
            match signal {
                Signal::Queue(name) => {
                    if let Some(claimer) = lock(&self.queues).get(name) {
                        claimer.notify_one();
                    }
                }
                Signal::Log(conversation) => {
                    if let Some(sender) = lock(&self.logs).get(conversation) {
                        sender.send_replace(());
                    }
                }
            }
        }
    }

    /// Passes on what other processes write to the same PostgreSQL database.
    pub(super) async fn listen(&self, url: &str) -> Result<()> {
        let cannot = |e: sqlx::Error| -> Error { cannot_open(url, &e) };
        let mut listener = PgListener::connect(url).await.map_err(cannot)?;
        listener.listen("kubertnetes").await.map_err(cannot)?;
        let wakes = self.clone();
        tokio::spawn(async move {
            // It connects again by itself; an error here is one failed try, and the slow poll covers the gap.
            loop {
                match listener.recv().await {
                    Ok(notification) => {
                        if let Some(signal) = Signal::from_payload(notification.payload()) {
                            wakes.wake(&[signal]);
                        }
                    }
                    Err(error) => {
                        tracing::warn!(%error, "lost the connection that PostgreSQL's notifications come over");
                        tokio::time::sleep(std::time::Duration::from_secs(1)).await;
                    }
                }
            }
        });
        Ok(())
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
