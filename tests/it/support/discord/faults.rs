//! What goes wrong on demand.

use std::{fmt, time::Duration};

use serde_json::Value;

use super::record::Recorded;

/// How a request goes wrong.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Effect {
    /// Answered so, nothing is done.
    Status(u16),
    /// It is done, and answered so all the same.
    StatusAfter(u16),
    /// Answered with 429, nothing is done, and the limit stays exhausted for that long.
    RateLimited { retry_after: Duration, global: bool },
    /// The connection ends without an answer, nothing is done.
    DropBefore,
    /// It is done, but the connection ends without an answer.
    DropAfter,
    /// It is done after a while.
    Slow(Duration),
}

type Matches = Box<dyn FnMut(&Recorded) -> bool + Send>;
type Change = Box<dyn FnMut(&mut Value) + Send>;

struct Fault {
    left: usize,
    matches: Matches,
    effect: Effect,
}

struct Mangle {
    matches: Matches,
    change: Change,
}

#[derive(Default)]
pub struct Faults {
    planned: Vec<Fault>,
    mangles: Vec<Mangle>,
    /// Added to every request.
    pub latency: Duration,
}

impl fmt::Debug for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} planned, latency {:?}", self.planned.len(), self.latency)
    }
}

impl Faults {
    pub fn plan(&mut self, times: usize, matches: Matches, effect: Effect) {
        self.planned.push(Fault { left: times, matches, effect });
    }

    pub fn plan_mangle(&mut self, matches: Matches, change: Change) {
        self.mangles.push(Mangle { matches, change });
    }

    pub fn clear(&mut self) {
        *self = Self::default();
    }

    /// What is to go wrong with this request.
    pub fn take(&mut self, request: &Recorded) -> Option<Effect> {
        let hit = self.planned.iter_mut().filter(|fault| fault.left > 0).find_map(|fault| {
            let matches = (fault.matches)(request);
            matches.then_some(fault)
        })?;
        hit.left -= 1;
        Some(hit.effect)
    }

    /// Changes the answer to this request, if the test asked for that.
    pub fn mangle(&mut self, request: &Recorded, answer: &mut Value) {
        if let Some(at) = self.mangles.iter_mut().position(|mangle| (mangle.matches)(request)) {
            (self.mangles.remove(at).change)(answer);
        }
    }
}
