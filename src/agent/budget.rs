//! What a turn, a conversation, a person and a day may spend, and whether one more reply fits.

use std::fmt;

use serde::Deserialize;

use crate::{
    event::{Entry, Event, Usage, open_turn},
    store::{self, Spent, Store},
};

/// What is allowed; what is not set is not limited.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Allowance {
    /// Replies of the model.
    pub steps: Option<u64>,
    /// Tokens that it reads and writes.
    pub tokens: Option<u64>,
    /// US dollars, by the prices that are configured with each model.
    pub dollars: Option<f64>,
    /// Seconds of work: of a turn and a conversation with its tools, else those that the model took.
    pub seconds: Option<u64>,
}

impl Allowance {
    /// Whether it limits anything.
    pub fn limits(&self) -> bool {
        self.steps.is_some() || self.tokens.is_some() || self.dollars.is_some() || self.seconds.is_some()
    }
}

/// Whose allowance it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Whose {
    /// One question's.
    Turn,
    /// One thread's.
    Conversation,
    /// One person's, for a day.
    Person,
    /// Everybody's together, for a day.
    Day,
}

impl fmt::Display for Whose {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Whose::Turn => "one question",
            Whose::Conversation => "one conversation",
            Whose::Person => "one person a day",
            Whose::Day => "a day",
        })
    }
}

/// What is allowed and what was spent, wherever it was.
#[derive(Debug, Clone, Default)]
pub struct Budget<'a> {
    /// Of each, what is allowed and what was spent.
    limits: Vec<(Whose, &'a Allowance, Spent)>,
    /// What the next reply will spend: as much as the one before.
    next: Spent,
}

/// An allowance that is used up, in the words for a person: `the 16 replies that one question may take`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limit {
    /// Whose.
    pub whose: Whose,
    /// What and how much.
    pub what: String,
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the {} that {} may take", self.what, self.whose)
    }
}

/// Whether one more reply fits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It does.
    Go,
    /// One more, which has to answer.
    Last,
    /// None.
    Over(Limit),
}

impl<'a> Budget<'a> {
    /// The budget of the turn under way in `log`, with what its person and everybody spent today.
    pub fn new(allowed: [(Whose, &'a Allowance); 4], log: &[Entry], person: Spent, day: Spent) -> Self {
        let turn = open_turn(log).unwrap_or_default();
        let limits = allowed.map(|(whose, allowance)| {
            let spent = match whose {
                Whose::Turn => spent(turn),
                Whose::Conversation => spent(log),
                Whose::Person => person,
                Whose::Day => day,
            };
            (whose, allowance, spent)
        });
        let latest = log.iter().rev().find_map(|entry| match &entry.event {
            Event::ModelReplied { usage, .. } => Some(*usage),
            _ => None,
        });
        let mut next = Spent::default();
        add(&mut next, latest.unwrap_or_default());
        Self { limits: limits.into(), next }
    }

    /// Whether one more reply fits.
    pub fn verdict(&self) -> Verdict {
        let mut last = false;
        for (whose, allowance, spent) in &self.limits {
            for (what, limit, spent, next) in figures(allowance, spent, &self.next) {
                if spent >= limit {
                    return Verdict::Over(Limit { whose: *whose, what });
                }
                last |= spent + next * 2.0 > limit;
            }
        }
        if last { Verdict::Last } else { Verdict::Go }
    }

    /// How many milliseconds are left until an allowance of time ends, and which it is.
    pub fn time_left(&self) -> Option<(u64, Limit)> {
        let left = self.limits.iter().filter_map(|(whose, allowance, spent)| {
            let seconds = allowance.seconds?;
            let limit = Limit { whose: *whose, what: format!("{seconds} seconds") };
            Some(((seconds * 1000).saturating_sub(spent.ms), limit))
        });
        left.min_by_key(|(ms, _)| *ms)
    }
}

/// What is limited: in words, the limit, what was spent of it and what the next reply will take.
fn figures(allowance: &Allowance, spent: &Spent, next: &Spent) -> Vec<(String, f64, f64, f64)> {
    let limit = |limit: Option<u64>, unit: &str, spent: u64, next: u64| {
        limit.map(|limit| (format!("{limit} {unit}"), exact(limit), exact(spent), exact(next)))
    };
    let dollars = allowance
        .dollars
        .map(|limit| (format!("{limit} US dollars"), limit, exact(spent.cost) / 1e6, exact(next.cost) / 1e6));
    // Who waits has to have an answer before the time is over: the last fifth is for it.
    let time = allowance.seconds.map(|limit| {
        (format!("{limit} seconds"), exact(limit), exact(spent.ms) / 1000.0, exact(limit) / 10.0)
    });
    [
        limit(allowance.steps, "replies of the model", spent.steps, next.steps),
        limit(allowance.tokens, "tokens", spent.tokens, next.tokens),
        dollars,
        time,
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// A count as a number to reckon with; what is above 2³² is above every limit, too.
fn exact(count: u64) -> f64 {
    f64::from(u32::try_from(count).unwrap_or(u32::MAX))
}

fn add(spent: &mut Spent, usage: Usage) {
    spent.steps += 1;
    spent.tokens += usage.input + usage.output;
    spent.cost += usage.cost;
}

/// When the day began that `now_ms` is in, in UTC.
pub fn day_of(now_ms: i64) -> i64 {
    const DAY_MS: i64 = 24 * 60 * 60 * 1000;
    now_ms - now_ms.rem_euclid(DAY_MS)
}

/// What was spent today by a person and by all, and what is allowed, in words.
pub async fn today(store: &Store, allowed: &super::Config, person: &str) -> store::Result<String> {
    let since = day_of(store.clock().now_ms());
    let (yours, all) = (store.spent(since, Some(person)).await?, store.spent(since, None).await?);
    let line = |who: &str, spent: Spent, allowed: &Allowance| {
        format!("{who}: {}{}", in_words(spent), allowed_in_words(allowed))
    };
    Ok([
        "Asked of the language model since midnight (UTC)".to_owned(),
        line("· you", yours, &allowed.person),
        line("· everybody", all, &allowed.day),
        format!("One question may take{}.", of(&allowed.turn).unwrap_or_else(|| " any amount".into())),
    ]
    .join("\n"))
}

fn in_words(spent: Spent) -> String {
    let replies = if spent.steps == 1 { "reply" } else { "replies" };
    let dollars = exact(spent.cost) / 1e6;
    format!("{} {replies}, {} tokens, ${dollars:.4}, {} s", spent.steps, spent.tokens, spent.ms / 1000)
}

fn allowed_in_words(allowed: &Allowance) -> String {
    of(allowed).map_or_else(|| " (no limit)".into(), |words| format!(" (allowed:{words})"))
}

/// An allowance in words, with a space before them; `None` where nothing is limited.
fn of(allowed: &Allowance) -> Option<String> {
    let figures = figures(allowed, &Spent::default(), &Spent::default());
    let words: Vec<String> = figures.into_iter().map(|(what, ..)| what).collect();
    (!words.is_empty()).then(|| format!(" {}", words.join(", ")))
}

/// What the turns of these entries spent. Of their time, what was worked: not how long a model that could not be had was
/// waited for.
pub fn spent(entries: &[Entry]) -> Spent {
    let mut spent = Spent::default();
    // Since when something is under way, as long as a turn is.
    let mut since: Option<i64> = None;
    let mut ms = 0;
    for entry in entries {
        let gap = since.map_or(0, |since| entry.at_ms - since);
        match &entry.event {
            // Comes from outside, at any time.
            Event::UserSaid { .. } => continue,
            Event::TurnStarted { .. } => since = Some(entry.at_ms),
            Event::TurnEnded { .. } => since = None,
            Event::ModelReplied { usage, took_ms, .. } => {
                add(&mut spent, *usage);
                ms += gap.min(i64::try_from(*took_ms).unwrap_or(i64::MAX));
            }
            Event::Condensed { usage, .. } => {
                add(&mut spent, *usage);
                ms += gap;
            }
            Event::ClusterScanned { .. }
            | Event::ToolReturned { .. }
            | Event::Diagnosed { .. }
            | Event::Doubted { .. } => ms += gap,
        }
        since = since.map(|_| entry.at_ms);
    }
    spent.ms = u64::try_from(ms).unwrap_or_default();
    spent
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::redact::Redacted;

    /// A turn with replies of so many tokens and of that cost, the last of which was there after `ms` of work.
    fn log(replies: &[(u64, u64)], ms: i64) -> Vec<Entry> {
        let started = Event::TurnStarted { model: "m".into(), person: None };
        let replied = |(tokens, cost): &(u64, u64)| Event::ModelReplied {
            read_to: 0,
            text: Redacted::default(),
            calls: vec![],
            usage: Usage { input: *tokens, cost: *cost, ..Usage::default() },
            model: None,
            thought: None,
            last: false,
            took_ms: u64::try_from(ms).unwrap(),
        };
        let events = std::iter::once(started).chain(replies.iter().map(replied));
        let mut log: Vec<Entry> =
            (1..).zip(events).map(|(seq, event)| Entry { seq, at_ms: 0, event }).collect();
        if let [_, .., last] = log.as_mut_slice() {
            last.at_ms = ms;
        }
        log
    }

    fn allow(
        steps: Option<u64>,
        tokens: Option<u64>,
        dollars: Option<f64>,
        seconds: Option<u64>,
    ) -> Allowance {
        Allowance { steps, tokens, dollars, seconds }
    }

    fn verdict(turn: &Allowance, log: &[Entry]) -> Verdict {
        let none = Allowance::default();
        let allowed =
            [(Whose::Turn, turn), (Whose::Conversation, &none), (Whose::Person, &none), (Whose::Day, &none)];
        Budget::new(allowed, log, Spent::default(), Spent::default()).verdict()
    }

    #[test]
    fn the_last_reply_is_announced_and_the_end_is_kept() {
        let over = |what: &str| Verdict::Over(Limit { whose: Whose::Turn, what: what.into() });
        for (allowance, replies, ms, expected) in [
            (allow(None, None, None, None), vec![(9_000_000, 9)], 9_000_000, Verdict::Go),
            (allow(Some(3), None, None, None), vec![], 0, Verdict::Go),
            (allow(Some(3), None, None, None), vec![(1, 0)], 0, Verdict::Go),
            (allow(Some(3), None, None, None), vec![(1, 0), (1, 0)], 0, Verdict::Last),
            (allow(Some(3), None, None, None), vec![(1, 0); 3], 0, over("3 replies of the model")),
            (allow(Some(1), None, None, None), vec![], 0, Verdict::Last),
            (allow(None, Some(1000), None, None), vec![(300, 0)], 0, Verdict::Go),
            (allow(None, Some(1000), None, None), vec![(300, 0), (400, 0)], 0, Verdict::Last),
            (allow(None, Some(1000), None, None), vec![(600, 0), (400, 0)], 0, over("1000 tokens")),
            (allow(None, None, Some(0.05), None), vec![(1, 10_000)], 0, Verdict::Go),
            (allow(None, None, Some(0.05), None), vec![(1, 20_000)], 0, Verdict::Last),
            (allow(None, None, Some(0.05), None), vec![(1, 50_000)], 0, over("0.05 US dollars")),
            (allow(None, None, None, Some(60)), vec![(1, 0)], 47_000, Verdict::Go),
            (allow(None, None, None, Some(60)), vec![(1, 0)], 49_000, Verdict::Last),
            (allow(None, None, None, Some(60)), vec![(1, 0)], 60_000, over("60 seconds")),
        ] {
            assert_eq!(verdict(&allowance, &log(&replies, ms)), expected, "{allowance:?} {replies:?}");
        }
    }

    #[test]
    fn to_wait_for_a_model_is_no_work() {
        let mut log = log(&[(1, 0)], 20_000);
        log[1].at_ms = 2_000_000;
        assert_eq!(spent(&log).ms, 20_000);
    }

    #[test]
    fn what_others_spent_today_counts() {
        let (none, day) = (Allowance::default(), allow(None, Some(100), None, None));
        let allowed =
            [(Whose::Turn, &none), (Whose::Conversation, &none), (Whose::Person, &none), (Whose::Day, &day)];
        let today = Spent { tokens: 100, ..Spent::default() };
        let log = log(&[], 0);
        let verdict = |person, day| Budget::new(allowed, &log, person, day).verdict();
        assert_eq!(verdict(today, Spent::default()), Verdict::Go);
        let Verdict::Over(limit) = verdict(Spent::default(), today) else { panic!("it goes on") };
        assert_eq!(limit.to_string(), "the 100 tokens that a day may take");
    }
}
