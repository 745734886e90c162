//! One suite for both databases: the invariants of logs and lanes, each by its name.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use kubertnetes::{
    clock::Clock,
    event::{ConversationId, Event},
    store::{Error, Lane, Received, Store},
};

use crate::support::{
    stores::{fresh, fresh_sqlite},
    world::said,
};

const LEASE: Duration = Duration::from_secs(60);

fn lane(name: &str) -> Lane {
    Lane::Turn(ConversationId(name.to_owned()))
}

async fn states(store: &Store) -> Vec<String> {
    store.jobs().await.unwrap().into_iter().map(|(_, state, _)| state).collect()
}

async fn taken(store: &Store, message: &str) -> ConversationId {
    match store.receive(&said(message, "hi")).await.unwrap() {
        Received::Taken(id) | Received::Known(id) => id,
        Received::NotForUs => panic!("not taken in"),
    }
}

#[tokio::test]
async fn a_lane_has_at_most_one_waiting_and_one_running_job() {
    let clock = Clock::standing(0);
    for fresh in fresh(&clock).await {
        let store = &fresh.store;
        for _ in 0..3 {
            store.ask("q", &lane("a")).await.unwrap();
        }
        assert_eq!(states(store).await, ["pending"]);
        let lease = store.claim("q", LEASE).await.unwrap().unwrap();
        for _ in 0..3 {
            store.ask("q", &lane("a")).await.unwrap();
        }
        assert_eq!(states(store).await, ["pending", "running"]);
        assert_eq!(store.claim("q", LEASE).await.unwrap(), None, "it runs already");
        store.done(&lease).await.unwrap();
        assert!(store.claim("q", LEASE).await.unwrap().is_some(), "what was asked meanwhile is done");
    }
}

#[tokio::test]
async fn a_busy_lane_holds_up_nobody_else() {
    let clock = Clock::standing(0);
    for fresh in fresh(&clock).await {
        let store = &fresh.store;
        store.ask("q", &lane("busy")).await.unwrap();
        store.claim("q", LEASE).await.unwrap().unwrap();
        store.ask("q", &lane("busy")).await.unwrap();
        store.ask("q", &lane("free")).await.unwrap();
        assert_eq!(store.claim("q", LEASE).await.unwrap().map(|l| l.lane), Some(lane("free")));
        assert_eq!(store.claim("q", LEASE).await.unwrap(), None);
        assert_eq!(store.claim("another", LEASE).await.unwrap(), None, "queues are apart");
    }
}

#[tokio::test]
async fn a_retry_is_a_new_row() {
    let clock = Clock::standing(0);
    for fresh in fresh(&clock).await {
        let store = &fresh.store;
        store.ask("q", &lane("a")).await.unwrap();
        let first = store.claim("q", LEASE).await.unwrap().unwrap();
        store.retry(&first, None, "boom").await.unwrap();
        assert_eq!(states(store).await, ["failed", "pending"]);
        assert_eq!(store.claim("q", LEASE).await.unwrap(), None, "not before its time");
        assert!(store.next_due("q").await.unwrap().unwrap() > clock.now_ms());
        clock.advance(Duration::from_secs(2));
        let second = store.claim("q", LEASE).await.unwrap().unwrap();
        assert_eq!((second.attempt, second.job == first.job), (2, false));
        // Who settles a run that is over changes nothing.
        store.done(&first).await.unwrap();
        store.retry(&first, None, "late").await.unwrap();
        assert_eq!(states(store).await, ["failed", "running"]);
        store.done(&second).await.unwrap();
    }
}

#[tokio::test]
async fn what_is_asked_during_a_failing_run_is_its_next_try() {
    let clock = Clock::standing(0);
    for fresh in fresh(&clock).await {
        let store = &fresh.store;
        store.ask("q", &lane("a")).await.unwrap();
        let lease = store.claim("q", LEASE).await.unwrap().unwrap();
        store.ask("q", &lane("a")).await.unwrap();
        store.retry(&lease, Some(LEASE), "boom").await.unwrap();
        let next = store.claim("q", LEASE).await.unwrap().expect("it runs at once, not after the pause");
        assert_eq!(next.attempt, 2, "a new message does not make a poisoned lane look healthy");
    }
}

#[tokio::test]
async fn a_snoozed_lane_wakes_early_when_asked() {
    let clock = Clock::standing(0);
    for fresh in fresh(&clock).await {
        let store = &fresh.store;
        store.ask("q", &lane("a")).await.unwrap();
        let lease = store.claim("q", LEASE).await.unwrap().unwrap();
        store.snooze(&lease, LEASE).await.unwrap();
        assert_eq!(store.claim("q", LEASE).await.unwrap(), None);
        store.ask("q", &lane("a")).await.unwrap();
        assert_eq!(store.claim("q", LEASE).await.unwrap().map(|lease| lease.attempt), Some(1));
    }
}

#[tokio::test]
async fn who_has_lost_the_lease_cannot_append() {
    let clock = Clock::standing(0);
    for fresh in fresh(&clock).await {
        let store = &fresh.store;
        let conversation = taken(store, "m1").await;
        let stale = store.claim("turn", LEASE).await.unwrap().unwrap();
        clock.advance(LEASE * 2);
        assert_eq!(store.rescue().await.unwrap(), 1);
        let current = store.claim("turn", LEASE).await.unwrap().unwrap();
        assert_eq!((current.attempt, &current.lane), (2, &stale.lane));
        let event = Event::TurnStarted { model: "x".into(), person: None };
        let refused = store.append(&stale, &conversation, std::slice::from_ref(&event)).await;
        assert!(matches!(refused, Err(Error::LeaseLost(_))), "{refused:?}");
        store.append(&current, &conversation, &[event]).await.unwrap();
        assert_eq!(store.log(&conversation, 0).await.unwrap().len(), 2);
        // It got on, so the next failure counts as the first.
        store.retry(&current, Some(Duration::ZERO), "boom").await.unwrap();
        assert_eq!(store.claim("turn", LEASE).await.unwrap().map(|lease| lease.attempt), Some(2));
    }
}

#[tokio::test]
async fn a_renewed_lease_is_not_rescued() {
    let clock = Clock::standing(0);
    for fresh in fresh(&clock).await {
        let store = &fresh.store;
        store.ask("q", &lane("a")).await.unwrap();
        let lease = store.claim("q", LEASE).await.unwrap().unwrap();
        clock.advance(LEASE / 2);
        assert_eq!(store.renew(LEASE).await.unwrap(), std::slice::from_ref(&lease.job));
        let other = Store::connect(&fresh.url, 1, clock.clone()).await.unwrap();
        assert!(other.renew(LEASE).await.unwrap().is_empty(), "another process's leases are its own");
        clock.advance(LEASE * 3 / 4);
        assert_eq!(other.rescue().await.unwrap(), 0);
        clock.advance(LEASE);
        assert_eq!(other.rescue().await.unwrap(), 1);
        assert!(store.renew(LEASE).await.unwrap().is_empty(), "and it is told so");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn log_numbers_have_no_gap() {
    let clock = Clock::standing(0);
    for fresh in fresh(&clock).await {
        let tasks: Vec<_> = (0..60)
            .map(|n| {
                let store = fresh.store.clone();
                tokio::spawn(async move { taken(&store, &format!("m{}", n % 50)).await })
            })
            .collect();
        let mut conversations: Vec<ConversationId> = Vec::new();
        for task in tasks {
            conversations.push(task.await.unwrap());
        }
        conversations.dedup();
        assert_eq!(conversations.len(), 1, "one place, one conversation");
        let log = fresh.store.log(&conversations[0], 0).await.unwrap();
        assert_eq!(log.iter().map(|e| e.seq).collect::<Vec<_>>(), (1..=50).collect::<Vec<_>>());
        assert_eq!(
            states(&fresh.store).await,
            ["pending", "pending"],
            "one turn and one delivery for all of them"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 8)]
async fn one_conversation_is_never_advanced_twice_at_once() {
    let clock = Clock::system();
    for fresh in fresh(&clock).await {
        let store = fresh.store.clone();
        for n in 0..60 {
            store.ask("q", &lane(&n.to_string())).await.unwrap();
        }
        let runs: Arc<Mutex<HashMap<Lane, (usize, bool)>>> = Arc::default();
        let workers: Vec<_> = (0..8)
            .map(|_| {
                let (store, runs) = (store.clone(), runs.clone());
                tokio::spawn(async move {
                    while let Some(lease) = claim_or_end(&store).await {
                        let first = {
                            let mut runs = runs.lock().unwrap();
                            let run = runs.entry(lease.lane.clone()).or_default();
                            assert!(!run.1, "{} runs twice", lease.lane);
                            *run = (run.0 + 1, true);
                            run.0 == 1
                        };
                        for _ in 0..if first { 3 } else { 0 } {
                            store.ask("q", &lease.lane).await.unwrap();
                        }
                        runs.lock().unwrap().get_mut(&lease.lane).unwrap().1 = false;
                        store.done(&lease).await.unwrap();
                    }
                })
            })
            .collect();
        for worker in workers {
            worker.await.unwrap();
        }
        let runs = runs.lock().unwrap();
        assert_eq!(runs.len(), 60);
        assert!(
            runs.values().all(|(times, _)| *times == 2),
            "{}: asked during the run, run once more",
            fresh.kind
        );
    }
}

/// The next job, or `None` when nothing waits and nothing runs.
async fn claim_or_end(store: &Store) -> Option<kubertnetes::store::Lease> {
    loop {
        if let Some(lease) = store.claim("q", LEASE).await.unwrap() {
            return Some(lease);
        }
        if store.jobs().await.unwrap().is_empty() {
            return None;
        }
        tokio::task::yield_now().await;
    }
}

/// Few lanes, many workers, constant asking, failing and rescuing: no statement may fail.
#[tokio::test(flavor = "multi_thread", worker_threads = 8)]
async fn contention_breaks_nothing() {
    let clock = Clock::system();
    for fresh in fresh(&clock).await {
        let claims = Arc::new(AtomicUsize::new(0));
        let tasks: Vec<_> = (1..=8u32)
            .map(|seed| {
                let (store, claims) = (fresh.store.clone(), claims.clone());
                tokio::spawn(async move {
                    let mut x = seed.wrapping_mul(2_654_435_761) | 1;
                    for _ in 0..60 {
                        x ^= x << 13;
                        x ^= x >> 17;
                        x ^= x << 5;
                        store.ask("q", &lane(&(x % 3).to_string())).await.unwrap();
                        let held = if x.is_multiple_of(7) { Duration::ZERO } else { LEASE };
                        if let Some(lease) = store.claim("q", held).await.unwrap() {
                            claims.fetch_add(1, Ordering::SeqCst);
                            match x % 5 {
                                0 => store.retry(&lease, Some(Duration::ZERO), "again").await.unwrap(),
                                1 => store.snooze(&lease, Duration::ZERO).await.unwrap(),
                                _ => store.done(&lease).await.unwrap(),
                            }
                        }
                        if x.is_multiple_of(11) {
                            store.rescue().await.unwrap();
                        }
                    }
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
        assert!(claims.load(Ordering::SeqCst) > 50);
    }
}

#[tokio::test]
async fn a_message_is_taken_in_once_wherever_it_is_seen() {
    let clock = Clock::standing(0);
    for fresh in fresh(&clock).await {
        let store = &fresh.store;
        let conversation = taken(store, "m1").await;
        assert_eq!(store.receive(&said("m1", "hi")).await.unwrap(), Received::Known(conversation.clone()));
        let mut elsewhere = said("m1", "hi");
        elsewhere.spot = kubertnetes::store::Spot::Thread { channel: "general".into(), thread: "t9".into() };
        assert_eq!(store.receive(&elsewhere).await.unwrap(), Received::Known(conversation.clone()));
        assert_eq!(store.log(&conversation, 0).await.unwrap().len(), 1);
        assert!(store.has_message("recorder", "m1").await.unwrap());
        assert!(!store.has_message("recorder", "m2").await.unwrap());
    }
}

#[tokio::test]
async fn what_is_not_said_to_the_bot_is_taken_in_only_where_a_conversation_is_going_on() {
    let clock = Clock::standing(0);
    for fresh in fresh(&clock).await {
        let store = &fresh.store;
        let thread = |message: &str, thread: &str| {
            let mut said = said(message, "and now?");
            said.addressed = false;
            said.spot = kubertnetes::store::Spot::Thread { channel: "general".into(), thread: thread.into() };
            said
        };
        assert_eq!(store.receive(&thread("m0", "m1")).await.unwrap(), Received::NotForUs);
        let conversation = taken(store, "m1").await;
        // The thread of a message has the message's id, known before it is opened.
        assert_eq!(store.receive(&thread("m2", "m1")).await.unwrap(), Received::Taken(conversation.clone()));
        store.opened(&conversation, "t1").await.unwrap();
        assert_eq!(store.receive(&thread("m3", "t1")).await.unwrap(), Received::Taken(conversation.clone()));
        assert_eq!(store.receive(&thread("m4", "t2")).await.unwrap(), Received::NotForUs);
        let place = store.conversation(&conversation).await.unwrap().unwrap().place;
        assert_eq!((place.origin.as_str(), place.thread.as_deref()), ("m1", Some("t1")));
    }
}

#[tokio::test]
async fn posts_in_doubt_are_known_as_such() {
    let clock = Clock::standing(5);
    for fresh in fresh(&clock).await {
        let store = &fresh.store;
        let conversation = taken(store, "m1").await;
        store.about_to_post(&conversation, "2/progress").await.unwrap();
        assert_eq!(store.posts(&conversation).await.unwrap()[0].remote, None);
        store.posted(&conversation, "2/progress", "p1", "abc").await.unwrap();
        store.about_to_post(&conversation, "2/progress").await.unwrap();
        let shown = store.posts(&conversation).await.unwrap();
        assert_eq!(
            (shown.len(), shown[0].remote.as_deref(), shown[0].digest.as_str()),
            (1, Some("p1"), "abc")
        );
        assert!(store.tell_once("x").await.unwrap());
        assert!(!store.tell_once("x").await.unwrap());
    }
}

#[tokio::test]
async fn a_waiting_claimer_is_woken_by_another_process() {
    let clock = Clock::system();
    for fresh in fresh(&clock).await {
        // SQLite files are shared by processes of one machine, which look by themselves now and then.
        let asker = if fresh.kind == "postgres" {
            Store::connect(&fresh.url, 1, clock.clone()).await.unwrap()
        } else {
            fresh.store.clone()
        };
        assert_eq!(fresh.store.claim("q", LEASE).await.unwrap(), None);
        let store = fresh.store.clone();
        let waiting = tokio::spawn(async move { store.asked("q").await });
        let began = Instant::now();
        while !waiting.is_finished() {
            asker.ask("q", &lane("a")).await.unwrap();
            tokio::time::sleep(Duration::from_millis(10)).await;
            assert!(began.elapsed() < Duration::from_secs(10), "never woken");
        }
    }
}

#[tokio::test]
async fn a_newer_schema_is_refused_in_one_sentence() {
    let clock = Clock::standing(0);
    for fresh in fresh(&clock).await {
        let mut raw = <sqlx::AnyConnection as sqlx::Connection>::connect(&fresh.url).await.unwrap();
        sqlx::query(
            "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
             SELECT 9999, description, success, checksum, execution_time FROM _sqlx_migrations WHERE version = 1",
        )
        .execute(&mut raw)
        .await
        .unwrap();
        let refused = Store::connect(&fresh.url, 1, clock.clone()).await.err().unwrap().to_string();
        assert!(refused.contains("newer kubertnetes") && refused.contains("9999"), "{refused}");
    }
}

#[tokio::test]
async fn an_artifact_is_read_back_by_its_own_conversation_alone() {
    let clock = Clock::standing(0);
    let fresh = fresh_sqlite(&clock).await;
    let conversation = taken(&fresh.store, "m1").await;
    let id = fresh.store.keep(&conversation, &kubertnetes::redact::Redacted::new("long")).await.unwrap();
    assert_eq!(fresh.store.artifact(&conversation, &id).await.unwrap().unwrap().as_str(), "long");
    let other = ConversationId("other".into());
    assert_eq!(fresh.store.artifact(&other, &id).await.unwrap(), None);
}
