//! What Discord refuses, and what comes of it.

use std::time::{Duration, Instant};

use kubertnetes::{
    chat::{Fault, Platform},
    event::Place,
    redact::Redacted,
};

use super::{Bot, Said, post, text};
use crate::support::discord::{Discord, Effect, Id, Recorded, permission};

/// A bot that was asked something in a channel.
async fn asked(stand_in: &Discord) -> (Bot, Id, Said) {
    let home = stand_in.home();
    let bot = Bot::start(stand_in).await;
    stand_in.user_says(home.channel, home.person, &format!("{} why?", stand_in.mention()));
    let said = bot.hear(1).await.remove(0);
    (bot, home.channel, said)
}

fn title() -> Redacted {
    Redacted::new("why?")
}

fn refused(result: Result<impl std::fmt::Debug, Fault>) -> (String, bool) {
    match result {
        Err(Fault::Refused { why, tell }) => (why.as_str().to_owned(), tell),
        other => panic!("{other:?}"),
    }
}

fn later(result: Result<impl std::fmt::Debug, Fault>) -> Option<Duration> {
    match result {
        Err(Fault::Later { after, .. }) => after,
        other => panic!("{other:?}"),
    }
}

fn threads(asked: &Recorded) -> bool {
    asked.method == "POST" && asked.path.ends_with("/threads")
}

#[tokio::test]
async fn a_full_server_says_so() {
    let stand_in = Discord::start();
    let (bot, channel, said) = asked(&stand_in).await;
    let guild = stand_in.read(|world| world.channels[&channel].guild.unwrap());
    stand_in.thread_limit(guild, 0);
    let (why, tell) = refused(bot.discord.open(&said.place, &title()).await);
    assert!(tell && why.contains("as many active threads as Discord allows"), "{why}");
}

#[tokio::test]
async fn a_missing_permission_is_named_with_its_channel() {
    let stand_in = Discord::start();
    let (bot, channel, said) = asked(&stand_in).await;
    stand_in.deny(channel, permission::CREATE_PUBLIC_THREADS);
    let (why, tell) = refused(bot.discord.open(&said.place, &title()).await);
    assert!(tell && why.contains(&format!("<#{channel}>")) && why.contains("Create Public Threads"), "{why}");
    stand_in.deny(channel, 0);
    let thread = bot.open_thread(&said).await;
    stand_in.deny(channel, permission::SEND_MESSAGES_IN_THREADS);
    let (why, tell) = refused(bot.discord.create(&text(thread), "n1", &post("x")).await);
    assert!(tell && why.contains("Send Messages in Threads"), "{why}");
    stand_in.deny(channel, permission::VIEW_CHANNEL);
    let (why, tell) = refused(bot.discord.create(&text(thread), "n1", &post("x")).await);
    assert!(!tell && why.contains("cannot see"), "{why}");
}

#[tokio::test]
async fn a_channel_or_question_that_is_gone_ends_it() {
    let stand_in = Discord::start();
    let (bot, channel, said) = asked(&stand_in).await;
    stand_in.delete(said.place.origin.parse().unwrap());
    let (why, tell) = refused(bot.discord.open(&said.place, &title()).await);
    assert!(!tell && why.contains("was deleted"), "{why}");
    stand_in.delete_channel(channel);
    let (why, tell) = refused(bot.discord.open(&said.place, &title()).await);
    assert!(!tell && why.contains("is gone"), "{why}");
    let terminal =
        Place { platform: "terminal".into(), channel: "tty".into(), origin: "x".into(), thread: None };
    refused(bot.discord.open(&terminal, &title()).await);
}

#[tokio::test]
async fn an_outage_is_for_later_and_loses_nothing() {
    let stand_in = Discord::start();
    let (bot, _, said) = asked(&stand_in).await;
    for effect in [Effect::Status(500), Effect::Status(503), Effect::DropBefore] {
        stand_in.fail_next(1, threads, effect);
        assert_eq!(later(bot.discord.open(&said.place, &title()).await), None, "{effect:?}");
    }
    stand_in.fail_next(1, threads, Effect::StatusAfter(502));
    later(bot.discord.open(&said.place, &title()).await);
    let thread = bot.discord.open(&said.place, &title()).await.unwrap();
    assert_eq!(thread, said.place.origin, "the one that was opened all the same");
    assert_eq!(stand_in.threads().len(), 1);
}

#[tokio::test]
async fn a_short_limit_is_waited_out_and_a_long_one_is_for_later() {
    let stand_in = Discord::start();
    let (bot, _, said) = asked(&stand_in).await;
    let short = Effect::RateLimited { retry_after: Duration::from_millis(300), global: false };
    stand_in.fail_next(1, threads, short);
    let begun = Instant::now();
    let thread = bot.discord.open(&said.place, &title()).await.unwrap();
    assert!(begun.elapsed() >= Duration::from_millis(300));
    let creates = |asked: &Recorded| asked.route() == "POST /channels/{channel_id}/messages";
    let long = Effect::RateLimited { retry_after: Duration::from_secs(90), global: false };
    stand_in.fail_next(1, creates, long);
    let after = later(bot.discord.create(&thread, "n1", &post("x")).await).unwrap();
    assert!(after > Duration::from_secs(85) && after < Duration::from_secs(91), "{after:?}");
    let before = stand_in.requests().len();
    let after = later(bot.discord.create(&thread, "n1", &post("x")).await).unwrap();
    assert!(after > Duration::from_secs(80), "{after:?}");
    assert_eq!(stand_in.requests().len(), before, "it does not even ask");
    bot.discord.typing(&thread).await.unwrap();
}

#[tokio::test]
async fn a_limit_over_everything_stops_everything() {
    let stand_in = Discord::start();
    let (bot, channel, said) = asked(&stand_in).await;
    let thread = bot.discord.open(&said.place, &title()).await.unwrap();
    let typing = |asked: &Recorded| asked.path.ends_with("/typing");
    stand_in.fail_next(1, typing, Effect::RateLimited { retry_after: Duration::from_secs(60), global: true });
    later(bot.discord.typing(&text(channel)).await).unwrap();
    let before = stand_in.requests().len();
    later(bot.discord.create(&thread, "n1", &post("x")).await).unwrap();
    assert_eq!(stand_in.requests().len(), before);
}

#[tokio::test]
async fn a_request_that_is_never_answered_ends() {
    let stand_in = Discord::start();
    let home = stand_in.home();
    let bot = Bot::with(&stand_in, |config| config.timeout_seconds = 1).await;
    stand_in.fail_next(1, |asked| asked.path.ends_with("/typing"), Effect::Slow(Duration::from_secs(20)));
    later(bot.discord.typing(&text(home.channel)).await);
}

#[tokio::test]
async fn a_token_that_was_reset_says_so() {
    let stand_in = Discord::start();
    let (bot, _, said) = asked(&stand_in).await;
    stand_in.change(|world| world.settings.token = "another".into());
    let (why, tell) = refused(bot.discord.open(&said.place, &title()).await);
    assert!(!tell && why.contains("KUBERT_DISCORD__TOKEN"), "{why}");
}
