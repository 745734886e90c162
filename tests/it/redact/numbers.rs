//! The numbers that a conversation's placeholders have, on both databases.

use std::time::Duration;

use kubertnetes::{
    clock::Clock,
    event::{CallId, ConversationId, Event},
    redact::Redacted,
    store::{Incoming, Lease, Received, Spot, Store},
};

use crate::support::{stores::fresh, world::said};

const LEASE: Duration = Duration::from_secs(60);

fn returned(output: &str) -> Event {
    Event::ToolReturned {
        call: CallId("c1".into()),
        ok: true,
        output: Redacted::new(output),
        gist: Redacted::default(),
        artifact: None,
        took_ms: 0,
    }
}

fn in_channel(origin: &str, message: &str, text: &str) -> Incoming {
    let spot = Spot::Channel { channel: "general".into(), origin: origin.into() };
    Incoming { spot, ..said(message, text) }
}

async fn say(store: &Store, origin: &str, message: &str, text: &str) -> ConversationId {
    match store.receive(&in_channel(origin, message, text)).await.unwrap() {
        Received::Taken(id) => id,
        other => panic!("{other:?}"),
    }
}

/// The texts of the log: what was said and what was returned.
async fn texts(store: &Store, conversation: &ConversationId) -> Vec<String> {
    let log = store.log(conversation, 0).await.unwrap();
    let text = |event: &Event| match event {
        Event::UserSaid { text, .. } => text.to_string(),
        Event::ToolReturned { output, .. } => output.to_string(),
        other => panic!("{other:?}"),
    };
    log.iter().map(|entry| text(&entry.event)).collect()
}

async fn lease_of(store: &Store) -> Lease {
    store.claim("turn", LEASE).await.unwrap().unwrap()
}

#[tokio::test]
async fn secrets_are_numbered_by_first_sight_wherever_they_come_in() {
    let clock = Clock::standing(0);
    for fresh in fresh(&clock).await {
        let store = &fresh.store;
        let said = "DB_PASSWORD=hunter2-hunter2 and token=abc123def";
        let id = say(store, "m1", "1", said).await;
        let lease = lease_of(store).await;
        let kept = "password: third-secret\nPGPASSWORD=hunter2-hunter2\n";
        let artifact = store.keep(&id, &Redacted::new(kept)).await.unwrap();
        let events = [
            returned("api_key=fourth-secret postgres://app:hunter2-hunter2@db/x"),
            returned("nothing to hide"),
            returned("it says ‹secret:token#2›, and ‹secret:x#1234›"),
            returned("password: third-secret"),
        ];
        let entries = store.append(&lease, &id, &events).await.unwrap();

        let expected = [
            "DB_PASSWORD=‹secret:DB_PASSWORD#1› and token=‹secret:token#2›",
            // The name by which it was known first.
            "api_key=‹secret:api_key#4› postgres://app:‹secret:DB_PASSWORD#1›@db/x",
            "nothing to hide",
            "it says ‹secret:token#2›, and ‹secret:x#1234›",
            "password: ‹secret:password#3›",
        ];
        assert_eq!(texts(store, &id).await, expected, "{}", fresh.kind);
        let whole = store.artifact(&id, &artifact).await.unwrap().unwrap();
        let expected = "password: ‹secret:password#3›\nPGPASSWORD=‹secret:DB_PASSWORD#1›\n";
        assert_eq!(whole.as_str(), expected, "{}", fresh.kind);
        // What an append gives back is what is read.
        assert_eq!(entries, store.log(&id, 1).await.unwrap());
    }
}

#[tokio::test]
async fn numbers_stay_when_it_is_started_again_and_are_each_conversations_own() {
    let clock = Clock::standing(0);
    for fresh in fresh(&clock).await {
        let id = say(&fresh.store, "m1", "1", "token=first-secret password=second-secret").await;
        let again = Store::connect(&fresh.url, 2, clock.clone()).await.unwrap();
        assert_eq!(again.mask_key().await.unwrap(), fresh.store.mask_key().await.unwrap(), "{}", fresh.kind);
        assert_eq!(say(&again, "m1", "2", "password=second-secret password=third-secret").await, id);
        let expected = "password=‹secret:password#2› password=‹secret:password#3›";
        assert_eq!(texts(&again, &id).await[1], expected, "{}", fresh.kind);
        let other = say(&again, "m2", "3", "password=second-secret").await;
        assert_eq!(texts(&again, &other).await, ["password=‹secret:password#1›"], "{}", fresh.kind);
    }
}

/// Two processes see new secrets in one conversation at the same time.
#[tokio::test]
async fn no_two_secrets_get_one_number() {
    let clock = Clock::standing(0);
    for fresh in fresh(&clock).await {
        let id = say(&fresh.store, "m1", "1", "hi").await;
        let other = Store::connect(&fresh.url, 2, clock.clone()).await.unwrap();
        let work = (0..20).map(|n| {
            let store = if n % 2 == 0 { &fresh.store } else { &other };
            let id = &id;
            async move {
                let text = format!("password=secret-number-{}", n / 2);
                if n % 4 < 2 {
                    store.keep(id, &Redacted::new(&text)).await.unwrap();
                } else {
                    store.receive(&in_channel("m1", &format!("n{n}"), &text)).await.unwrap();
                }
            }
        });
        futures::future::join_all(work).await;
        let all: String = (0..10).map(|n| format!("password=secret-number-{n}\n")).collect();
        let artifact = fresh.store.keep(&id, &Redacted::new(&all)).await.unwrap();
        let text = fresh.store.artifact(&id, &artifact).await.unwrap().unwrap();
        let mut numbers: Vec<u32> = text
            .lines()
            .map(|line| {
                line.trim_start_matches("password=‹secret:password#").trim_end_matches('›').parse().unwrap()
            })
            .collect();
        numbers.sort_unstable();
        assert_eq!(numbers, (1..=10).collect::<Vec<u32>>(), "{}", fresh.kind);
    }
}
