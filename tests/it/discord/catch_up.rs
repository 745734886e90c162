//! What was said while the bot was away.

use std::time::Duration;

use kubertnetes::chat::discord::Id as Listed;

use super::{Bot, config, names, text};
use crate::support::discord::{Discord, Effect, Message, permission};

#[tokio::test]
async fn what_was_said_while_it_was_down_is_answered_once() {
    let stand_in = Discord::start();
    let home = stand_in.home();
    let mention = stand_in.mention();
    let bot = Bot::start(&stand_in).await;
    stand_in.user_says(home.channel, home.person, &format!("{mention} before"));
    let first = bot.hear(1).await.remove(0);
    let thread = bot.open_thread(&first).await;
    let folder = bot.kill(&stand_in).await;
    for n in 0..12 {
        stand_in.user_says(home.channel, home.person, &format!("{mention} down {n:02}"));
        stand_in.user_says(home.channel, home.person, "talk");
    }
    for n in 0..3 {
        stand_in.user_says(thread, home.person, &format!("follow-up {n}"));
    }
    let bot = Bot::open(&config(&stand_in), folder, names()).await;
    let heard = bot.hear(16).await;
    let in_thread: Vec<_> = heard
        .iter()
        .filter(|said| said.place.origin == first.place.origin)
        .map(|said| said.text.as_str())
        .collect();
    assert_eq!(in_thread, ["before", "follow-up 0", "follow-up 1", "follow-up 2"]);
    // And once more: all of it is known now.
    let folder = bot.kill(&stand_in).await;
    let bot = Bot::open(&config(&stand_in), folder, names()).await;
    stand_in.wait_ready().await;
    stand_in.user_says(home.channel, home.person, &format!("{mention} after"));
    bot.hear(17).await;
    stand_in.assert_faithful();
}

#[tokio::test]
async fn a_thread_that_was_put_away_again_is_looked_through() {
    let stand_in = Discord::start();
    let home = stand_in.home();
    let bot = Bot::start(&stand_in).await;
    stand_in.user_says(home.channel, home.person, &format!("{} before", stand_in.mention()));
    let first = bot.hear(1).await.remove(0);
    let thread = bot.open_thread(&first).await;
    let folder = bot.kill(&stand_in).await;
    stand_in.user_says(thread, home.person, "still broken");
    stand_in.archive(thread, false);
    let bot = Bot::open(&config(&stand_in), folder, names()).await;
    bot.hear(2).await;
    assert_eq!(bot.texts().await, ["before", "still broken"]);
}

#[tokio::test]
async fn what_is_said_while_it_catches_up_comes_after_what_was_missed() {
    let stand_in = Discord::start();
    let home = stand_in.home();
    let bot = Bot::start(&stand_in).await;
    stand_in.user_says(home.channel, home.person, &format!("{} before", stand_in.mention()));
    let first = bot.hear(1).await.remove(0);
    let thread = bot.open_thread(&first).await;
    let folder = bot.kill(&stand_in).await;
    stand_in.user_says(thread, home.person, "missed");
    let path = format!("/channels/{thread}/messages");
    let slow = Effect::Slow(Duration::from_secs(2));
    stand_in.fail_next(2, move |asked| asked.method == "GET" && asked.path == path, slow);
    let bot = Bot::open(&config(&stand_in), folder, names()).await;
    stand_in.wait_ready().await;
    stand_in.user_says(thread, home.person, "live");
    bot.hear(3).await;
    assert_eq!(bot.texts().await, ["before", "missed", "live"]);
}

#[tokio::test]
async fn people_have_their_roles_though_fetched_messages_come_without() {
    let stand_in = Discord::start();
    let home = stand_in.home();
    let sre = stand_in.role(home.guild, "sre");
    let ana = stand_in.user("Ana");
    stand_in.join(home.guild, ana, &[sre]);
    stand_in.user_says(home.channel, ana, &format!("{} why?", stand_in.mention()));
    stand_in.user_says(home.channel, home.person, &format!("{} why not?", stand_in.mention()));
    let bot = Bot::with(&stand_in, |config| config.roles = vec![Listed(text(sre))]).await;
    let heard = bot.hear(1).await;
    assert_eq!((heard[0].author.name.as_str(), &heard[0].author.roles), ("Ana", &vec![text(sre)]));
}

#[tokio::test]
async fn what_is_older_than_the_window_stays_unanswered() {
    let stand_in = Discord::start();
    let home = stand_in.home();
    stand_in.change(|world| {
        let hours_ago = |id: u64, hours: u64| id - ((hours * 3_600_000) << 22);
        for (hours, said) in [(30, "too old"), (20, "not too old")] {
            let (now, bot) = (world.clock.next_id(), world.bot);
            let made = world.clock.now_ms() - hours * 3_600_000;
            let mut message = Message::blank(hours_ago(now, hours), home.channel, home.person, made);
            message.content = format!("<@{bot}> {said}");
            message.mentions = vec![bot];
            world.put_message(message);
        }
    });
    let bot = Bot::start(&stand_in).await;
    bot.hear(1).await;
    stand_in.user_says(home.channel, home.person, &format!("{} now", stand_in.mention()));
    bot.hear(2).await;
    assert_eq!(bot.texts().await, ["not too old", "now"]);
}

#[tokio::test]
async fn pages_of_missed_messages_are_read_to_the_end() {
    let stand_in = Discord::start();
    let home = stand_in.home();
    for n in 0..250 {
        let said = if n % 100 == 0 { format!("{} question {n}", stand_in.mention()) } else { "talk".into() };
        stand_in.user_says(home.channel, home.person, &said);
    }
    let bot = Bot::start(&stand_in).await;
    bot.hear(3).await;
    assert_eq!(bot.texts().await, ["question 0", "question 100", "question 200"]);
}

#[tokio::test]
async fn only_watched_channels_are_looked_through() {
    let stand_in = Discord::start();
    let home = stand_in.home();
    let (general, hidden) = (stand_in.channel(home.guild, "general"), stand_in.channel(home.guild, "hidden"));
    let quiet = stand_in.channel(home.guild, "quiet");
    stand_in.deny(hidden, permission::READ_MESSAGE_HISTORY);
    for channel in [home.channel, general, hidden] {
        stand_in.user_says(channel, home.person, &format!("{} why?", stand_in.mention()));
    }
    let bot = Bot::with(&stand_in, |config| {
        config.channels = vec![Listed(text(home.channel)), Listed(text(hidden)), Listed(text(quiet))];
    })
    .await;
    let heard = bot.hear(1).await;
    assert_eq!(heard[0].place.channel, text(home.channel));
    let read = |channel: u64| {
        stand_in
            .requests()
            .iter()
            .any(|asked| asked.method == "GET" && asked.path == format!("/channels/{channel}/messages"))
    };
    assert!(read(home.channel) && !read(general) && !read(hidden) && !read(quiet));
}

#[tokio::test]
async fn trouble_in_one_channel_does_not_stop_the_others() {
    let stand_in = Discord::start();
    let home = stand_in.home();
    let general = stand_in.channel(home.guild, "general");
    for channel in [home.channel, general] {
        stand_in.user_says(channel, home.person, &format!("{} why?", stand_in.mention()));
    }
    let path = format!("/channels/{}/messages", home.channel);
    stand_in.fail_next(1, move |asked| asked.path == path, Effect::Status(403));
    let path = format!("/channels/{general}/messages");
    stand_in.fail_next(2, move |asked| asked.path == path, Effect::Status(503));
    let bot = Bot::start(&stand_in).await;
    let heard = bot.hear(1).await;
    assert_eq!(heard[0].place.channel, text(general));
}

#[tokio::test]
async fn with_no_window_nothing_is_fetched() {
    let stand_in = Discord::start();
    let home = stand_in.home();
    stand_in.user_says(home.channel, home.person, &format!("{} before", stand_in.mention()));
    let bot = Bot::with(&stand_in, |config| config.catch_up_hours = 0).await;
    stand_in.user_says(home.channel, home.person, &format!("{} now", stand_in.mention()));
    bot.hear(1).await;
    assert_eq!(bot.texts().await, ["now"]);
}
