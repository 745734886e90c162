//! Rate limits: buckets by route and major id, and the one over all.

use std::{
    collections::HashMap,
    hash::{DefaultHasher, Hash as _, Hasher as _},
    time::Duration,
};

use super::clock::millis;

/// A limit of one route.
#[derive(Debug, Clone)]
pub struct Rate {
    /// Method and pattern.
    pub route: String,
    pub limit: u64,
    pub per: Duration,
}

#[derive(Debug, Clone, Copy)]
struct Window {
    ends_ms: u64,
    used: u64,
}

#[derive(Debug, Default)]
pub struct Rates {
    windows: HashMap<(String, String), Window>,
    all: Option<Window>,
    /// Until then everything is refused.
    pub closed_until_ms: u64,
}

/// How a request stands in its bucket.
#[derive(Debug, Clone)]
pub struct Standing {
    pub bucket: String,
    pub limit: u64,
    pub remaining: u64,
    pub reset_ms: u64,
    pub reset_after_ms: u64,
    /// Whether it is over a limit.
    pub over: Option<Over>,
}

#[derive(Debug, Clone, Copy)]
pub struct Over {
    pub retry_after_ms: u64,
    pub global: bool,
}

impl Rates {
    /// Counts a request.
    pub fn count(
        &mut self,
        rates: &[Rate],
        global: Option<u64>,
        route: &str,
        major: &str,
        now_ms: u64,
    ) -> Standing {
        let wide = Rate { route: String::new(), limit: 10_000, per: Duration::from_secs(1) };
        let rate = rates.iter().find(|rate| rate.route == route).unwrap_or(&wide);
        let key = (route.to_owned(), major.to_owned());
        let window = self.windows.entry(key).or_insert(Window { ends_ms: 0, used: 0 });
        renew(window, now_ms, rate.per);
        let mut over = self.over_all(global, now_ms);
        let window = self.windows.get_mut(&(route.to_owned(), major.to_owned())).unwrap();
        if over.is_none() && window.used >= rate.limit {
            over = Some(Over { retry_after_ms: window.ends_ms - now_ms, global: false });
        } else if over.is_none() {
            window.used += 1;
        }
        Standing {
            bucket: bucket(route),
            limit: rate.limit,
            remaining: rate.limit.saturating_sub(window.used),
            reset_ms: window.ends_ms,
            reset_after_ms: window.ends_ms - now_ms,
            over,
        }
    }

    /// Lets nothing more through for a while: this route, or everything.
    pub fn close(&mut self, route: &str, major: &str, global: bool, until_ms: u64) {
        if global {
            self.closed_until_ms = until_ms;
        } else {
            let window = Window { ends_ms: until_ms, used: u64::MAX };
            self.windows.insert((route.to_owned(), major.to_owned()), window);
        }
    }

    fn over_all(&mut self, global: Option<u64>, now_ms: u64) -> Option<Over> {
        if now_ms < self.closed_until_ms {
            return Some(Over { retry_after_ms: self.closed_until_ms - now_ms, global: true });
        }
        let limit = global?;
        let window = self.all.get_or_insert(Window { ends_ms: 0, used: 0 });
        renew(window, now_ms, Duration::from_secs(1));
        if window.used >= limit {
            return Some(Over { retry_after_ms: window.ends_ms - now_ms, global: true });
        }
        window.used += 1;
        None
    }
}

fn renew(window: &mut Window, now_ms: u64, per: Duration) {
    if window.ends_ms <= now_ms {
        *window = Window { ends_ms: now_ms + millis(per), used: 0 };
    }
}

/// A name that says nothing, as Discord's do.
fn bucket(route: &str) -> String {
    let mut hasher = DefaultHasher::new();
    route.hash(&mut hasher);
    format!("{:016x}", hasher.finish())
}
