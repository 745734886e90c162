//! The two tests that carry the design, and what belongs to them.

use std::sync::atomic::Ordering;

use kubertnetes::{
    clock::Clock,
    event::{ConversationId, Event, rests, unread},
    llm::Message,
};

use crate::support::{
    stores::{fresh, fresh_sqlite},
    world::World,
};

const QUESTION: &str = "why is web down?";

/// The world as it ends when nothing interferes.
async fn undisturbed() -> String {
    let clock = Clock::standing(1_000_000);
    let fresh = fresh_sqlite(&clock).await;
    let world = World::new(&fresh.store, &clock, "calm");
    let conversation = world.ana_says("1", QUESTION).await;
    world.settle(&conversation).await;
    world.print(&conversation).await
}

/// Invariants 5 and 7, and the idea of the whole: wherever it is stopped, it ends the same.
#[tokio::test]
async fn stopped_after_every_append_the_world_ends_identical() {
    let expect = undisturbed().await;
    assert!(expect.contains("diagnosed") && expect.contains("post p2"), "{expect}");
    let clock = Clock::standing(1_000_000);
    for fresh in fresh(&clock).await {
        let mut cuts = 0;
        for appends in 1.. {
            let world = World::new(&fresh.store, &clock, &format!("run{appends}run"));
            let conversation = world.ana_says("1", QUESTION).await;
            world.ana_says("1", QUESTION).await; // the gateway sends it twice
            let was_cut = world.work_until(world.growths(&conversation, appends)).await;
            world.settle(&conversation).await;
            assert_eq!(world.print(&conversation).await, expect, "{} cut after append {appends}", fresh.kind);
            if !was_cut {
                break;
            }
            cuts += 1;
        }
        assert!(cuts >= 8, "{}: only {cuts} points were tried", fresh.kind);
    }
}

#[tokio::test]
async fn stopped_between_every_post_and_its_record_the_world_ends_identical() {
    let expect = undisturbed().await;
    let clock = Clock::standing(1_000_000);
    for fresh in fresh(&clock).await {
        let mut cuts = 0;
        for (operation, forgets) in (1..=8).flat_map(|n| [(n, false), (n, true)]) {
            let world = World::new(&fresh.store, &clock, &format!("run{operation}{forgets}run"));
            world.platform.silent_after.store(operation, Ordering::SeqCst);
            world.platform.forgets_nonces.store(forgets, Ordering::SeqCst);
            let conversation = world.ana_says("1", QUESTION).await;
            let was_cut = world.work_until(world.platform.silence()).await;
            world.platform.silent_after.store(0, Ordering::SeqCst);
            world.settle(&conversation).await;
            let place = format!("{} silent after operation {operation}, forgets {forgets}", fresh.kind);
            assert_eq!(world.print(&conversation).await, expect, "{place}");
            cuts += usize::from(was_cut);
        }
        // Opening, creating the progress and creating the answer, each twice; edits as the turn's speed has it.
        assert!(cuts >= 6, "{}: only {cuts} points were tried", fresh.kind);
    }
}

/// Not only at the seams: the work is dropped at every point where it waits for anything.
#[tokio::test]
async fn stopped_wherever_it_waits_the_world_ends_identical() {
    let expect = undisturbed().await;
    for polls in (0..2000).step_by(3) {
        let clock = Clock::standing(1_000_000);
        let fresh = fresh_sqlite(&clock).await;
        let world = World::new(&fresh.store, &clock, "origin");
        let conversation = world.ana_says("1", QUESTION).await;
        let mut left = polls;
        let cut = std::future::poll_fn(|_| {
            if left == 0 {
                return std::task::Poll::Ready(());
            }
            left -= 1;
            std::task::Poll::Pending
        });
        let was_cut = world.work_until(cut).await;
        world.settle(&conversation).await;
        assert_eq!(world.print(&conversation).await, expect, "cut at poll {polls}");
        if !was_cut {
            assert!(polls > 50, "it was over after {polls} polls");
            return;
        }
    }
}

/// Invariants 6 and 7: a second message may come at any time.
#[tokio::test]
async fn a_second_message_lands_at_every_point_and_is_read() {
    let clock = Clock::standing(1_000_000);
    for fresh in fresh(&clock).await {
        for (point, while_posting) in (1..=14).flat_map(|n| [(n, false), (n, true)]) {
            let world = World::new(&fresh.store, &clock, &format!("run{point}{while_posting}run"));
            let conversation = world.ana_says("1", QUESTION).await;
            if while_posting {
                world.platform.silent_after.store(point, Ordering::SeqCst);
                world.work_until(world.platform.silence()).await;
                world.platform.silent_after.store(0, Ordering::SeqCst);
            } else {
                // Lands while the work goes on: the work is not cut off.
                let landed = async {
                    world.growths(&conversation, point).await;
                    world.ana_says("2", LATER).await;
                    std::future::pending::<()>().await;
                };
                world.work_until(landed).await;
            }
            world.ana_says("2", LATER).await;
            world.settle(&conversation).await;
            let place = format!("{} point {point} while posting {while_posting}", fresh.kind);
            assert_all_read(&world, &conversation, &place).await;
        }
    }
}

const LATER: &str = "also check the db";

async fn assert_all_read(world: &World, conversation: &ConversationId, place: &str) {
    let log = world.store.log(conversation, 0).await.unwrap();
    assert!(rests(&log) && unread(&log).is_empty(), "{place}");
    let has_later = |m: &Message| matches!(m, Message::User(text) if text.contains(LATER));
    let read = world.model.prompts.lock().unwrap().iter().any(|prompt| prompt.messages.iter().any(has_later));
    assert!(read, "{place}: never read");
    let numbers: Vec<i64> = log.iter().map(|entry| entry.seq).collect();
    assert_eq!(numbers, (1..=log.len() as i64).collect::<Vec<_>>(), "{place}");
    assert_eq!(log.iter().filter(|e| matches!(e.event, Event::UserSaid { .. })).count(), 2, "{place}");
}

#[tokio::test]
async fn stop_ends_a_turn_and_says_so() {
    let clock = Clock::standing(1_000_000);
    for fresh in fresh(&clock).await {
        let world = World::new(&fresh.store, &clock, "origin");
        let conversation = world.ana_says("1", QUESTION).await;
        let stopped = async {
            world.growths(&conversation, 3).await;
            world.ana_says("2", "stop").await;
            std::future::pending::<()>().await;
        };
        world.work_until(stopped).await;
        world.settle(&conversation).await;
        let log = world.store.log(&conversation, 0).await.unwrap();
        let failure = log.iter().find_map(|e| match &e.event {
            Event::TurnEnded { failure } => failure.clone(),
            _ => None,
        });
        assert_eq!(failure.unwrap().as_str(), "Stopped, as ana asked.");
        assert!(!log.iter().any(|e| matches!(e.event, Event::Diagnosed { .. })));
        assert!(world.platform.posts().iter().any(|post| post.contains("Stopped, as ana asked.")));
    }
}

#[tokio::test]
async fn a_follow_up_is_answered_from_the_history() {
    let clock = Clock::standing(1_000_000);
    for fresh in fresh(&clock).await {
        let world = World::new(&fresh.store, &clock, "origin");
        let conversation = world.ana_says("1", QUESTION).await;
        world.settle(&conversation).await;
        world.ana_says("2", "are you sure?").await;
        world.settle(&conversation).await;
        assert_eq!(world.platform.posts().last().unwrap(), "As I said above.");
        let prompts = world.model.prompts.lock().unwrap();
        let last = &prompts.last().unwrap().messages;
        assert!(
            last.iter().any(|m| matches!(m, Message::Tool { output, .. } if output.contains("output of c1")))
        );
    }
}

#[tokio::test]
async fn delivering_again_touches_nothing() {
    let clock = Clock::standing(1_000_000);
    for fresh in fresh(&clock).await {
        let world = World::new(&fresh.store, &clock, "origin");
        let conversation = world.ana_says("1", QUESTION).await;
        world.settle(&conversation).await;
        let before = world.platform.operations();
        world.store.ask("deliver", &kubertnetes::store::Lane::Deliver(conversation.clone())).await.unwrap();
        world.settle(&conversation).await;
        assert_eq!(world.platform.operations(), before);
    }
}

/// Invariant 8: what a person or a cluster lets slip is neither stored nor sent nor posted.
#[tokio::test]
async fn nothing_unredacted_is_appended_sent_or_posted() {
    const SECRET: &str = "ghp_16C7e42F292c6912E7710c838347Ae178B4a";
    let clock = Clock::standing(1_000_000);
    for fresh in fresh(&clock).await {
        let world = World::new(&fresh.store, &clock, "origin");
        world.eyes_see(&format!("env GITHUB_TOKEN={SECRET}"));
        let conversation = world.ana_says("1", &format!("why is web down? my token is {SECRET}")).await;
        world.settle(&conversation).await;
        let print = world.print(&conversation).await;
        assert!(print.contains("why is web down?") && print.contains("GITHUB_TOKEN"), "{print}");
        assert!(!print.contains(SECRET), "{print}");
        let prompts = format!("{:?}", world.model.prompts.lock().unwrap());
        assert!(!prompts.contains(SECRET));
        if fresh.kind == "sqlite" {
            let file = std::fs::read(fresh.file().unwrap()).unwrap();
            let wal = std::fs::read(fresh.file().unwrap().with_extension("db-wal")).unwrap_or_default();
            for bytes in [file, wal] {
                assert!(!bytes.windows(SECRET.len()).any(|window| window == SECRET.as_bytes()));
            }
        }
    }
}

/// Invariant 9: a prompt carries a part of a long output, says so, and the whole is kept.
#[tokio::test]
async fn a_long_output_is_cut_in_the_prompt_and_kept_whole() {
    let clock = Clock::standing(1_000_000);
    for fresh in fresh(&clock).await {
        let world = World::new(&fresh.store, &clock, "origin");
        let long = "a line of a log\n".repeat(5_000);
        world.eyes_see(&long);
        let conversation = world.ana_says("1", QUESTION).await;
        world.settle(&conversation).await;
        let log = world.store.log(&conversation, 0).await.unwrap();
        let (output, artifact) = log
            .iter()
            .find_map(|entry| match &entry.event {
                Event::ToolReturned { ok: true, output, artifact, .. } => {
                    Some((output.clone(), artifact.clone()))
                }
                _ => None,
            })
            .unwrap();
        assert!(output.len() < 13_000 && output.contains("left out here"), "{}", output.len());
        let whole = world.store.artifact(&conversation, &artifact.unwrap()).await.unwrap().unwrap();
        assert!(whole.contains(long.trim_end()));
        for prompt in world.model.prompts.lock().unwrap().iter() {
            for message in &prompt.messages {
                assert!(format!("{message:?}").len() < 16_000);
            }
        }
    }
}

/// And what was cut can be searched by whoever was shown a part of it, and by nobody else.
#[tokio::test]
async fn an_output_that_was_cut_is_searched_by_its_own_conversation() {
    let clock = Clock::standing(1_000_000);
    for fresh in fresh(&clock).await {
        let world = World::new(&fresh.store, &clock, "origin");
        let line = "a line of a log\n";
        world.eyes_see(&format!("{}the needle is here\n{}", line.repeat(3_000), line.repeat(3_000)));
        *world.model.searches.lock().unwrap() = Some(("NEEDLE".into(), None));
        let conversation = world.ana_says("1", QUESTION).await;
        world.settle(&conversation).await;
        let answer = world.platform.posts().last().cloned().unwrap();
        assert!(
            answer.contains("1 of 6001 lines match") && answer.contains("3001: the needle is here"),
            "{answer}"
        );
        let log = world.store.log(&conversation, 0).await.unwrap();
        let artifacts = log.iter().filter_map(|entry| match &entry.event {
            Event::ToolReturned { artifact, .. } => artifact.clone(),
            _ => None,
        });
        let artifacts: Vec<_> = artifacts.collect();
        let [artifact] = artifacts.as_slice() else { panic!("{artifacts:?}") };

        let other = World::new(&fresh.store, &clock, "other");
        *other.model.searches.lock().unwrap() = Some(("NEEDLE".into(), Some(artifact.0.clone())));
        let conversation = other.ana_says("1", QUESTION).await;
        other.settle(&conversation).await;
        let answer = other.platform.posts().last().cloned().unwrap();
        let refusal = format!("This conversation keeps no output `{}`", artifact.0);
        assert!(answer.contains(&refusal) && !answer.contains("needle"), "{answer}");
    }
}

/// A turn that gets nowhere does not go on for ever: the person is told.
#[tokio::test]
async fn a_turn_that_fails_again_and_again_says_so() {
    let clock = Clock::standing(1_000_000);
    for fresh in fresh(&clock).await {
        let world = World::new(&fresh.store, &clock, "origin");
        world.model.unavailable.store(true, Ordering::SeqCst);
        let conversation = world.ana_says("1", QUESTION).await;
        world.settle(&conversation).await;
        let last = world.platform.posts().last().cloned().unwrap();
        assert!(last.contains("is unavailable: overloaded") && last.contains("What I know so far"), "{last}");
        // And it is not stuck.
        world.model.unavailable.store(false, Ordering::SeqCst);
        world.ana_says("2", "and now?").await;
        world.settle(&conversation).await;
        assert!(world.platform.posts().last().unwrap().contains("because of its tag"));
    }
}
