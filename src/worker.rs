//! Claims lanes, runs the work bound to their queue, renews leases, settles runs, frees the lanes of the dead and
//! drains when it stops. Knows nothing of what the work is.

use std::{
    collections::HashMap,
    panic::AssertUnwindSafe,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use anyhow::Result;
use async_trait::async_trait;
use futures::FutureExt;
use serde::Deserialize;
use tokio::sync::Semaphore;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::store::{self, Lease, Store};

/// The section `[worker]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// How long a lane stays claimed after its process died, in milliseconds.
    pub lease_ms: u64,
    /// How often to look for work that no wake-up told of, in milliseconds.
    pub poll_ms: u64,
    /// Turns under way at once.
    pub turns: usize,
    /// Deliveries under way at once.
    pub deliveries: usize,
    /// How long running work may finish when the program stops, in milliseconds.
    pub drain_ms: u64,
}

impl Default for Config {
    fn default() -> Self {
        Self { lease_ms: 10_000, poll_ms: 5_000, turns: 64, deliveries: 16, drain_ms: 5_000 }
    }
}

impl Config {
    fn lease(&self) -> Duration {
        Duration::from_millis(self.lease_ms)
    }
}

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Nothing is left to do until somebody asks.
    Done,
    /// Look again after this long, or when somebody asks.
    Snooze(Duration),
    /// It failed and may succeed later: after this long, or after a pause that grows.
    Retry(Option<Duration>, String),
    /// It failed and trying again cannot help.
    GiveUp(String),
}

/// What is done on the lanes of a queue. It may be stopped at any await and started again.
#[async_trait]
pub trait Work: Send + Sync {
    /// Looks at the lane. An error is a failed try.
    async fn run(&self, lease: &Lease) -> Result<Outcome>;
}

/// A queue and what is done on its lanes.
#[derive(Clone)]
pub struct Binding {
    /// The queue's name.
    pub queue: String,
    /// What is done.
    pub work: Arc<dyn Work>,
    /// How many lanes at once.
    pub at_once: usize,
}

/// Works on queues.
#[derive(Clone)]
pub struct Worker {
    store: Store,
    config: Config,
    bindings: Vec<Binding>,
    /// The runs under way, by job, so that one whose lease is lost can be stopped.
    running: Arc<Mutex<HashMap<String, CancellationToken>>>,
    stop: CancellationToken,
    tasks: TaskTracker,
}

impl Worker {
    /// A worker that has not begun.
    pub fn new(store: Store, config: Config, bindings: Vec<Binding>) -> Self {
        Self {
            store,
            config,
            bindings,
            running: Arc::default(),
            stop: CancellationToken::new(),
            tasks: TaskTracker::new(),
        }
    }

    /// Begins to work in the background.
    pub fn start(&self) {
        for binding in &self.bindings {
            let (worker, binding) = (self.clone(), binding.clone());
            self.tasks.spawn(async move { worker.serve(&binding).await });
        }
        let worker = self.clone();
        self.tasks.spawn(async move { worker.keep_leases().await });
    }

    /// Claims nothing more, lets running work finish for a while, and releases the rest.
    pub async fn stop(&self) {
        self.stop.cancel();
        self.tasks.close();
        let drain = Duration::from_millis(self.config.drain_ms);
        if tokio::time::timeout(drain, self.tasks.wait()).await.is_err() {
            for run in self.running().values() {
                run.cancel();
            }
            self.tasks.wait().await;
        }
    }

    /// Claims and runs one job that is due, if there is one; for tests, which step a worker by hand.
    pub async fn step(&self) -> Result<bool> {
        for binding in &self.bindings {
            if let Some(lease) = self.store.claim(&binding.queue, self.config.lease()).await? {
                self.run(binding, &lease).await;
                return Ok(true);
            }
        }
        Ok(false)
    }

    async fn serve(&self, binding: &Binding) {
        let places = Arc::new(Semaphore::new(binding.at_once.max(1)));
        while let Some(Ok(place)) = self.stop.run_until_cancelled(places.clone().acquire_owned()).await {
            let lease = match self.store.claim(&binding.queue, self.config.lease()).await {
                Ok(Some(lease)) => lease,
                Ok(None) => {
                    self.stop.run_until_cancelled(self.idle(&binding.queue)).await;
                    continue;
                }
                Err(error) => {
                    tracing::error!(queue = binding.queue, %error, "cannot claim work");
                    self.stop.run_until_cancelled(tokio::time::sleep(Duration::from_secs(1))).await;
                    continue;
                }
            };
            let (worker, binding) = (self.clone(), binding.clone());
            self.tasks.spawn(async move {
                worker.run(&binding, &lease).await;
                drop(place);
            });
        }
    }

    /// Waits until a job may be due.
    async fn idle(&self, queue: &str) {
        let poll = Duration::from_millis(self.config.poll_ms);
        let now = self.store.clock().now_ms();
        let due = match self.store.next_due(queue).await {
            Ok(Some(at)) => Duration::from_millis(u64::try_from(at - now).unwrap_or_default()).min(poll),
            Ok(None) | Err(_) => poll,
        };
        tokio::select! {
            () = self.store.asked(queue) => {}
            () = tokio::time::sleep(due) => {}
        }
    }

    async fn run(&self, binding: &Binding, lease: &Lease) {
        let lost = CancellationToken::new();
        self.running().insert(lease.job.clone(), lost.clone());
        let work = AssertUnwindSafe(binding.work.run(lease)).catch_unwind();
        let ended = lost.run_until_cancelled(work).await;
        self.running().remove(&lease.job);
        let settled = match ended {
            Some(Ok(Ok(outcome))) => self.settle(lease, outcome).await,
            Some(Ok(Err(error))) if is_lease_lost(&error) => Ok(()),
            Some(Ok(Err(error))) => self.settle(lease, Outcome::Retry(None, format!("{error:#}"))).await,
            Some(Err(panic)) => self.settle(lease, Outcome::Retry(None, panic_words(&*panic))).await,
            None => self.store.release(lease).await,
        };
        if let Err(error) = settled {
            tracing::error!(lane = %lease.lane, %error, "cannot settle a run; its lease will run out");
        }
    }

    async fn settle(&self, lease: &Lease, outcome: Outcome) -> store::Result<()> {
        match outcome {
            Outcome::Done => self.store.done(lease).await,
            Outcome::Snooze(wait) => self.store.snooze(lease, wait).await,
            Outcome::Retry(wait, error) => {
                tracing::warn!(lane = %lease.lane, attempt = lease.attempt, error, "will be tried again");
                self.store.retry(lease, wait, &error).await
            }
            Outcome::GiveUp(error) => {
                tracing::error!(lane = %lease.lane, attempt = lease.attempt, error, "given up");
                self.store.give_up(lease, &error).await
            }
        }
    }

    /// Renews this process's leases, stops runs whose lease was lost, and frees the lanes of dead processes.
    async fn keep_leases(&self) {
        let mut beat = tokio::time::interval(self.config.lease() / 3);
        beat.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        // Leases are kept while the running work drains, too.
        let drained = async {
            self.stop.cancelled().await;
            while !self.running().is_empty() {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::pin!(drained);
        loop {
            tokio::select! {
                () = &mut drained => return,
                _ = beat.tick() => {}
            }
            if let Err(error) = self.beat().await {
                tracing::error!(%error, "cannot renew leases");
            }
        }
    }

    async fn beat(&self) -> store::Result<()> {
        // Taken before the renewal: a run that begins after it is not in its answer.
        let before: Vec<String> = self.running().keys().cloned().collect();
        let held = self.store.renew(self.config.lease()).await?;
        for job in before.iter().filter(|job| !held.contains(job)) {
            if let Some(run) = self.running().get(job) {
                run.cancel();
            }
        }
        let rescued = self.store.rescue().await?;
        if rescued > 0 {
            tracing::info!(rescued, "freed the lanes of a worker that died");
        }
        Ok(())
    }

    fn running(&self) -> std::sync::MutexGuard<'_, HashMap<String, CancellationToken>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn is_lease_lost(error: &anyhow::Error) -> bool {
    matches!(error.downcast_ref(), Some(store::Error::LeaseLost(_)))
}

fn panic_words(panic: &(dyn std::any::Any + Send)) -> String {
    let words = panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no message");
    format!("the work panicked: {words}")
}
