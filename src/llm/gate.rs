//! How much of a model is asked at once and per minute. Whoever comes first goes first, and who gives up leaves the
//! queue. Knows no wire format; its time is tokio's.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{Instant, sleep},
};

/// What keeps a model from being flooded.
#[derive(Default)]
pub(super) struct Gate {
    /// Places at the server; models of one server share them.
    pub(super) places: Option<Arc<Semaphore>>,
    /// Requests per minute.
    pub(super) requests: Option<Meter>,
    /// Tokens per minute, read and written.
    pub(super) tokens: Option<Meter>,
}

/// The right to ask once, given back when it is dropped.
pub(super) struct Pass<'a> {
    gate: &'a Gate,
    /// The tokens that were taken for it.
    expected: u32,
    _place: Option<OwnedSemaphorePermit>,
}

impl Gate {
    /// Waits for the right to ask once about `expected` tokens.
    pub(super) async fn enter(&self, expected: u32) -> Pass<'_> {
        if let Some(requests) = &self.requests {
            requests.take(1).await;
        }
        if let Some(tokens) = &self.tokens {
            tokens.take(expected).await;
        }
        let place = match &self.places {
            // It is never closed.
            Some(places) => places.clone().acquire_owned().await.ok(),
            None => None,
        };
        Pass { gate: self, expected, _place: place }
    }
}

impl Pass<'_> {
    /// Ends it: so many tokens it was in truth; 0 where nobody said.
    pub(super) fn settle(self, truth: u64) {
        if let Some(tokens) = &self.gate.tokens
            && truth > 0
        {
            tokens.correct(self.expected, u32::try_from(truth).unwrap_or(u32::MAX));
        }
    }
}

/// An allowance per minute that comes in evenly and is full at first.
pub(super) struct Meter {
    per_minute: f64,
    /// Held by the one whose turn it is; tokio's are handed on in order.
    turn: tokio::sync::Mutex<()>,
    /// What is left, and when that was so. Below zero where more was used than was expected.
    left: Mutex<(f64, Instant)>,
}

impl Meter {
    pub(super) fn new(per_minute: u32) -> Self {
        let per_minute = f64::from(per_minute);
        Self {
            per_minute,
            turn: tokio::sync::Mutex::default(),
            left: Mutex::new((per_minute, Instant::now())),
        }
    }

    /// Waits until so much is left and takes it. What is more than a minute's allowance waits for all of one.
    async fn take(&self, amount: u32) {
        let _turn = self.turn.lock().await;
        let amount = f64::from(amount).min(self.per_minute);
        while let Some(pause) = self.try_take(amount) {
            sleep(pause).await;
        }
    }

    /// Takes it, or says how long it will be until there is enough.
    fn try_take(&self, amount: f64) -> Option<Duration> {
        let mut left = self.left.lock().unwrap_or_else(PoisonError::into_inner);
        let per_second = self.per_minute / 60.0;
        let now = Instant::now();
        let came_in = now.duration_since(left.1).as_secs_f64() * per_second;
        *left = ((left.0 + came_in).min(self.per_minute), now);
        // A sleep may end a little short of what was computed.
        let missing = amount - left.0;
        if missing <= 1e-6 {
            left.0 -= amount;
            return None;
        }
        Some(
            Duration::try_from_secs_f64(missing / per_second).unwrap_or(Duration::from_secs(60))
                + Duration::from_millis(1),
        )
    }

    fn correct(&self, expected: u32, truth: u32) {
        let taken = f64::from(expected).min(self.per_minute);
        let mut left = self.left.lock().unwrap_or_else(PoisonError::into_inner);
        left.0 += taken - f64::from(truth);
    }
}

#[cfg(test)]
mod tests {
    use futures::{StreamExt, stream::FuturesUnordered};

    use super::*;

    fn gate(places: Option<usize>, requests: Option<u32>, tokens: Option<u32>) -> Gate {
        Gate {
            places: places.map(|places| Arc::new(Semaphore::new(places))),
            requests: requests.map(Meter::new),
            tokens: tokens.map(Meter::new),
        }
    }

    /// When each of `count` gets in, in seconds, in the order in which they get in.
    async fn entries(gate: &Gate, count: usize, expected: u32) -> Vec<(usize, u64)> {
        let began = Instant::now();
        let enter = |n: usize| async move {
            gate.enter(expected).await;
            (n, began.elapsed().as_secs())
        };
        (0..count).map(enter).collect::<FuturesUnordered<_>>().collect().await
    }

    #[tokio::test(start_paused = true)]
    async fn requests_pass_in_order_and_no_faster_than_they_may() {
        let gate = gate(None, Some(2), None);
        assert_eq!(entries(&gate, 5, 0).await, [(0, 0), (1, 0), (2, 30), (3, 60), (4, 90)]);
        assert_eq!(entries(&Gate::default(), 3, 9).await, [(0, 0), (1, 0), (2, 0)]);
    }

    #[tokio::test(start_paused = true)]
    async fn tokens_are_paid_as_they_were_used() {
        let gate = gate(None, None, Some(600));
        gate.enter(100).await.settle(600);
        let began = Instant::now();
        gate.enter(300).await.settle(0);
        assert_eq!(began.elapsed().as_secs(), 30);
        gate.enter(10_000).await.settle(10_000);
        assert_eq!(began.elapsed().as_secs(), 90, "more than a minute's worth waits for all of one");
    }

    #[tokio::test(start_paused = true)]
    async fn a_place_is_handed_on_in_order_and_a_waiter_may_leave() {
        let gate = gate(Some(1), None, None);
        let first = gate.enter(0).await;
        let mut second = Box::pin(gate.enter(0));
        let mut third = Box::pin(gate.enter(0));
        assert!(futures::poll!(&mut second).is_pending() && futures::poll!(&mut third).is_pending());
        drop(first);
        assert!(futures::poll!(&mut third).is_pending(), "the second was first");
        drop(second);
        assert!(futures::poll!(&mut third).is_ready(), "who left keeps nobody waiting");
    }
}
