//! The stand-in's own time, which a test may move on, and the ids that grow with it.

use std::time::{Duration, Instant, SystemTime};

/// A snowflake.
pub type Id = u64;

/// Where Discord's ids start to count: the first second of 2015, in Unix milliseconds.
const EPOCH_MS: u64 = 1_420_070_400_000;

#[derive(Debug)]
pub struct Clock {
    started: Instant,
    started_ms: u64,
    ahead: Duration,
    last: Id,
}

impl Clock {
    pub fn start() -> Self {
        let unix = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
        Self { started: Instant::now(), started_ms: millis(unix), ahead: Duration::ZERO, last: 0 }
    }

    /// Unix milliseconds.
    pub fn now_ms(&self) -> u64 {
        self.started_ms + millis(self.started.elapsed() + self.ahead)
    }

    pub fn advance(&mut self, by: Duration) {
        self.ahead += by;
    }

    /// An id that is greater than every id before it and tells the time of its making.
    pub fn next_id(&mut self) -> Id {
        self.last = ((self.now_ms() - EPOCH_MS) << 22).max(self.last + 1);
        self.last
    }
}

pub fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap()
}

/// When an id was made, in Unix milliseconds.
pub fn made_ms(id: Id) -> u64 {
    (id >> 22) + EPOCH_MS
}

/// Unix milliseconds as Discord writes a time.
pub fn stamp(ms: u64) -> String {
    let time = jiff::Timestamp::from_millisecond(i64::try_from(ms).unwrap()).unwrap();
    time.strftime("%Y-%m-%dT%H:%M:%S%.6f+00:00").to_string()
}
