//! How long ago, in the few characters that kubectl takes for it.

use jiff::Timestamp;

/// `5d3h`, `12m`, `45s`: the time between the two, as kubectl rounds it.
pub fn between(earlier: Timestamp, now: Timestamp) -> String {
    let nanoseconds = now.as_nanosecond() - earlier.as_nanosecond();
    seconds(i64::try_from(nanoseconds / 1_000_000_000).unwrap_or(i64::MAX))
}

/// [`between`] for an RFC 3339 text; `<unknown>` for none.
pub fn since(earlier: Option<&str>, now: Timestamp) -> String {
    earlier
        .and_then(|text| text.parse::<Timestamp>().ok())
        .map_or_else(|| "<unknown>".into(), |earlier| between(earlier, now))
}

/// A number of seconds as kubectl writes a duration.
pub fn seconds(total: i64) -> String {
    if total < -1 {
        return "<invalid>".into();
    }
    let total = total.max(0);
    let (minutes, hours, days) = (total / 60, total / 3600, total / 86400);
    let with_rest = |whole: i64, unit: char, rest: i64, small: char| {
        if rest == 0 { format!("{whole}{unit}") } else { format!("{whole}{unit}{rest}{small}") }
    };
    match total {
        0..120 => format!("{total}s"),
        120..600 => with_rest(minutes, 'm', total % 60, 's'),
        600..10_800 => format!("{minutes}m"),
        10_800..28_800 => with_rest(hours, 'h', minutes % 60, 'm'),
        28_800..172_800 => format!("{hours}h"),
        172_800..691_200 => with_rest(days, 'd', hours % 24, 'h'),
        691_200..63_072_000 => format!("{days}d"),
        63_072_000..252_288_000 => with_rest(days / 365, 'y', days % 365, 'd'),
        _ => format!("{}y", days / 365),
    }
}

#[cfg(test)]
mod tests {
    use super::seconds;

    #[test]
    fn durations_round_as_kubectl_does() {
        for (total, expected) in [
            (-5, "<invalid>"),
            (-1, "0s"),
            (0, "0s"),
            (119, "119s"),
            (120, "2m"),
            (125, "2m5s"),
            (599, "9m59s"),
            (600, "10m"),
            (10_799, "179m"),
            (10_800, "3h"),
            (10_860, "3h1m"),
            (28_800, "8h"),
            (172_799, "47h"),
            (172_800, "2d"),
            (176_400, "2d1h"),
            (691_200, "8d"),
            (63_072_000, "2y"),
            (63_072_000 + 86_400, "2y1d"),
            (252_288_000, "8y"),
        ] {
            assert_eq!(seconds(total), expected, "{total}");
        }
    }
}
