//! How many requests Discord still takes on each route, as far as its answers have said. Pure: it is told the time.

use std::{collections::HashMap, time::Duration};

use http::{HeaderMap, Method};
use tokio::time::Instant;

/// A route apart from its ids, and the id that Discord counts it by.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Key {
    route: String,
    major: String,
}

impl Key {
    /// The key of a path such as `/api/v10/channels/1/messages/2`.
    pub fn of(method: &Method, path: &str) -> Self {
        let segments: Vec<&str> = path.split('/').filter(|segment| !segment.is_empty()).skip(2).collect();
        let major = match segments.first() {
            Some(&"channels" | &"guilds") => 1..2,
            Some(&"webhooks" | &"interactions") => 1..3,
            _ => 0..0,
        };
        let mut route = method.to_string();
        for (at, segment) in segments.iter().enumerate() {
            let is_id = major.contains(&at) || segment.bytes().all(|b| b.is_ascii_digit());
            route.push('/');
            route.push_str(if is_id { ":" } else { segment });
        }
        let major = segments.get(major).map(|ids| ids.join("/")).unwrap_or_default();
        Self { route, major }
    }
}

struct Bucket {
    left: u32,
    until: Instant,
}

/// What is known of the limits.
#[derive(Default)]
pub(super) struct Limits {
    all: Option<Instant>,
    /// The bucket that Discord says a route belongs to.
    names: HashMap<String, String>,
    buckets: HashMap<(String, String), Bucket>,
}

/// Above so many buckets, those that have run out are forgotten.
const MANY: usize = 4096;

impl Limits {
    /// Counts a request in, or says how long to wait before asking again.
    pub fn reserve(&mut self, key: &Key, now: Instant) -> Option<Duration> {
        if let Some(until) = self.all.filter(|until| *until > now) {
            return Some(until - now);
        }
        let slot = self.slot(key);
        let bucket = self.buckets.get_mut(&slot)?;
        if bucket.until <= now {
            self.buckets.remove(&slot);
            return None;
        }
        if bucket.left == 0 {
            return Some(bucket.until - now);
        }
        bucket.left -= 1;
        None
    }

    /// Learns from the headers of an answer.
    pub fn learn(&mut self, key: &Key, headers: &HeaderMap, now: Instant) {
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        if let Some(name) = text("x-ratelimit-bucket") {
            self.names.insert(key.route.clone(), name.to_owned());
        }
        let left = text("x-ratelimit-remaining").and_then(|left| left.parse().ok());
        let (Some(left), Some(after)) = (left, text("x-ratelimit-reset-after").and_then(seconds)) else {
            return;
        };
        if self.buckets.len() >= MANY {
            self.buckets.retain(|_, bucket| bucket.until > now);
        }
        self.buckets.insert(self.slot(key), Bucket { left, until: now + after });
    }

    /// Learns that a request was one too many: on its route, or over all of them.
    pub fn block(&mut self, key: &Key, everywhere: bool, wait: Duration, now: Instant) {
        let until = now + wait;
        if everywhere {
            self.all = Some(until);
        } else {
            self.buckets.insert(self.slot(key), Bucket { left: 0, until });
        }
    }

    fn slot(&self, key: &Key) -> (String, String) {
        (self.names.get(&key.route).unwrap_or(&key.route).clone(), key.major.clone())
    }
}

/// A number of seconds as Discord writes it, e.g. `0.65`; rounded up to a millisecond.
pub(super) fn seconds(text: &str) -> Option<Duration> {
    let seconds: f64 = text.trim().parse().ok()?;
    // A day is more than Discord ever asks for, and keeps the sum of times in range.
    Duration::try_from_secs_f64(seconds.clamp(0.0, 86_400.0)).ok().map(|wait| wait + Duration::from_millis(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(bucket: &str, left: &str, after: &str) -> HeaderMap {
        [("x-ratelimit-bucket", bucket), ("x-ratelimit-remaining", left), ("x-ratelimit-reset-after", after)]
            .into_iter()
            .map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()))
            .collect()
    }

    fn post(channel: u64) -> Key {
        Key::of(&Method::POST, &format!("/api/v10/channels/{channel}/messages"))
    }

    #[test]
    fn a_key_keeps_the_major_id_apart() {
        for (path, route, major) in [
            ("/api/v10/channels/1/messages/2", "GET/channels/:/messages/:", "1"),
            ("/api/v10/channels/1/messages/2/threads", "GET/channels/:/messages/:/threads", "1"),
            ("/api/v10/guilds/7/members/8", "GET/guilds/:/members/:", "7"),
            (
                "/api/v10/webhooks/5/tOk3n/messages/@original",
                "GET/webhooks/:/:/messages/@original",
                "5/tOk3n",
            ),
            ("/api/v10/interactions/5/tOk3n/callback", "GET/interactions/:/:/callback", "5/tOk3n"),
            ("/api/v10/users/@me/channels", "GET/users/@me/channels", ""),
            ("/api/v10/applications/5/guilds/6/commands", "GET/applications/:/guilds/:/commands", ""),
        ] {
            assert_eq!(Key::of(&Method::GET, path), Key { route: route.into(), major: major.into() });
        }
    }

    #[test]
    fn a_bucket_runs_out_and_fills_again() {
        let (mut limits, now) = (Limits::default(), Instant::now());
        assert_eq!(limits.reserve(&post(1), now), None);
        limits.learn(&post(1), &headers("b", "1", "2.0"), now);
        assert_eq!(limits.reserve(&post(1), now), None);
        assert_eq!(limits.reserve(&post(1), now), Some(Duration::from_millis(2001)));
        assert_eq!(limits.reserve(&post(2), now), None, "another channel has a bucket of its own");
        assert_eq!(limits.reserve(&post(1), now + Duration::from_secs(3)), None);
    }

    #[test]
    fn routes_of_one_bucket_share_it() {
        let (mut limits, now) = (Limits::default(), Instant::now());
        let get = Key::of(&Method::GET, "/api/v10/channels/1/messages");
        limits.learn(&get, &headers("shared", "5", "9"), now);
        limits.learn(&post(1), &headers("shared", "0", "9"), now);
        assert!(limits.reserve(&get, now).is_some());
    }

    #[test]
    fn the_limit_over_all_routes_stops_all_of_them() {
        let (mut limits, now) = (Limits::default(), Instant::now());
        limits.block(&post(1), true, Duration::from_secs(4), now);
        assert_eq!(limits.reserve(&post(2), now), Some(Duration::from_secs(4)));
        assert_eq!(limits.reserve(&post(2), now + Duration::from_secs(5)), None);
        limits.block(&post(1), false, Duration::from_secs(4), now + Duration::from_secs(5));
        assert_eq!(limits.reserve(&post(2), now + Duration::from_secs(5)), None);
        assert!(limits.reserve(&post(1), now + Duration::from_secs(5)).is_some());
    }

    #[test]
    fn odd_headers_are_not_believed() {
        let (mut limits, now) = (Limits::default(), Instant::now());
        for (left, after) in [("-1", "1"), ("x", "1"), ("0", "x"), ("0", "NaN"), ("", "")] {
            limits.learn(&post(1), &headers("b", left, after), now);
            assert_eq!(limits.reserve(&post(1), now), None, "{left} {after}");
        }
        assert_eq!(seconds("-3"), Some(Duration::from_millis(1)));
        assert_eq!(seconds("1e300"), Some(Duration::from_millis(86_400_001)));
    }

    #[test]
    fn old_buckets_are_forgotten() {
        let (mut limits, now) = (Limits::default(), Instant::now());
        for channel in 1..=5000 {
            limits.learn(&post(channel), &headers("b", "4", "1"), now + Duration::from_secs(channel));
        }
        assert!(limits.buckets.len() <= MANY);
    }
}
