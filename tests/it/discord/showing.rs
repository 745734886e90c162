//! What the platform shows.

use std::time::Duration;

use kubertnetes::{
    chat::{Button, Fault, File, Platform, Post},
    redact::Redacted,
};

use super::{Bot, card, post, text};
use crate::support::discord::{Discord, Effect, Id, Recorded};

/// A bot, and a thread that it opened.
async fn thread(stand_in: &Discord) -> (Bot, Id) {
    let home = stand_in.home();
    let bot = Bot::start(stand_in).await;
    stand_in.user_says(home.channel, home.person, &format!("{} why?", stand_in.mention()));
    let first = bot.hear(1).await.remove(0);
    let thread = bot.open_thread(&first).await;
    (bot, thread)
}

fn rich() -> Post {
    let mut post = post("see https://example.com @everyone <@1>");
    post.card = Some(card("**`web` calls the wrong port**"));
    post.files = vec![File { name: "web.log".into(), text: Redacted::new("refused\n".repeat(1000)) }];
    post.buttons = vec![Button { says: "stop".into(), label: "Stop".into() }];
    post
}

#[tokio::test]
async fn a_thread_is_opened_once_and_named() {
    let stand_in = Discord::start();
    let home = stand_in.home();
    let bot = Bot::start(&stand_in).await;
    let asked = stand_in.user_says(home.channel, home.person, &format!("{} why?", stand_in.mention()));
    let said = bot.hear(1).await.remove(0);
    let title = Redacted::new("é".repeat(300));
    assert_eq!(bot.discord.open(&said.place, &title).await.unwrap(), text(asked));
    assert_eq!(bot.discord.open(&said.place, &title).await.unwrap(), text(asked), "it is there already");
    let threads = stand_in.threads();
    assert_eq!(threads.len(), 1);
    assert_eq!((threads[0].name.chars().count(), threads[0].auto_archive), (100, 1440));
    stand_in.assert_faithful();
}

#[tokio::test]
async fn a_post_is_shown_whole_and_pings_nobody() {
    let stand_in = Discord::start();
    let (bot, thread) = thread(&stand_in).await;
    let id = bot.discord.create(&text(thread), "n1", &rich()).await.unwrap();
    let shown = stand_in.posts(thread).pop().unwrap();
    assert_eq!(text(shown.id), id);
    assert!(!shown.pings());
    assert_eq!(shown.embeds[0]["description"], "**`web` calls the wrong port**");
    assert_eq!(shown.embeds[0]["footer"]["text"], "2 s");
    assert_eq!(shown.attachments[0].name, "web.log");
    assert_eq!(shown.attachments[0].bytes.len(), 8000);
    assert_eq!(shown.buttons(), [("say:stop".into(), "Stop".into())]);
    assert_eq!(shown.flags & 4, 0, "its card is to be seen");
    stand_in.assert_faithful();
}

#[tokio::test]
async fn an_edit_leaves_nothing_of_what_was_there() {
    let stand_in = Discord::start();
    let (bot, thread) = thread(&stand_in).await;
    let id = bot.discord.create(&text(thread), "n1", &rich()).await.unwrap();
    bot.discord.edit(&text(thread), &id, &post("done, @here")).await.unwrap();
    let shown = stand_in.posts(thread).pop().unwrap();
    assert_eq!(shown.content, "done, @here");
    assert!(shown.embeds.is_empty() && shown.components.is_empty() && shown.attachments.is_empty());
    assert!(!shown.pings());
    bot.discord.edit(&text(thread), &id, &rich()).await.unwrap();
    assert_eq!(stand_in.posts(thread).pop().unwrap().attachments.len(), 1);
    stand_in.assert_faithful();
}

#[tokio::test]
async fn a_post_whose_answer_was_lost_is_not_made_twice() {
    let stand_in = Discord::start();
    let (bot, thread) = thread(&stand_in).await;
    let creates = |asked: &Recorded| asked.route() == "POST /channels/{channel_id}/messages";
    stand_in.fail_next(1, creates, Effect::DropAfter);
    let lost = bot.discord.create(&text(thread), "same", &post("once")).await;
    assert!(matches!(lost, Err(Fault::Later { .. })), "{lost:?}");
    let id = bot.discord.create(&text(thread), "same", &post("once")).await.unwrap();
    assert_eq!(stand_in.posts(thread).iter().filter(|post| post.content == "once").count(), 1);
    assert_eq!(bot.discord.own_posts(&text(thread), None).await.unwrap(), [id]);
}

#[tokio::test]
async fn own_posts_are_read_back_in_order_over_pages() {
    let stand_in = Discord::start();
    let (bot, thread) = thread(&stand_in).await;
    let person = stand_in.read(|world| world.users.values().find(|user| user.name == "Mira").unwrap().id);
    let mut made = Vec::new();
    for n in 0..3 {
        made.push(
            bot.discord.create(&text(thread), &format!("n{n}"), &post(&format!("post {n}"))).await.unwrap(),
        );
        for _ in 0..60 {
            stand_in.user_says(thread, person, "chatter");
        }
    }
    assert_eq!(bot.discord.own_posts(&text(thread), None).await.unwrap(), made);
    assert_eq!(bot.discord.own_posts(&text(thread), Some(&made[0])).await.unwrap(), made[1..]);
    assert!(bot.discord.own_posts(&text(thread), Some(&made[2])).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_deleted_post_is_gone_and_an_archived_thread_is_revived() {
    let stand_in = Discord::start();
    let (bot, thread) = thread(&stand_in).await;
    let id = bot.discord.create(&text(thread), "n1", &post("one")).await.unwrap();
    stand_in.archive(thread, false);
    bot.discord.edit(&text(thread), &id, &post("two")).await.unwrap();
    assert!(!stand_in.threads()[0].archived);
    stand_in.archive(thread, false);
    bot.discord.create(&text(thread), "n2", &post("three")).await.unwrap();
    assert!(!stand_in.threads()[0].archived);
    stand_in.delete(id.parse().unwrap());
    let gone = bot.discord.edit(&text(thread), &id, &post("four")).await;
    assert!(matches!(gone, Err(Fault::Gone)), "{gone:?}");
}

#[tokio::test]
async fn typing_is_shown_and_a_word_in_the_channel_answers_the_question() {
    let stand_in = Discord::start();
    let home = stand_in.home();
    let bot = Bot::start(&stand_in).await;
    let asked = stand_in.user_says(home.channel, home.person, &format!("{} why?", stand_in.mention()));
    let said = bot.hear(1).await.remove(0);
    bot.discord.typing(&text(home.channel)).await.unwrap();
    assert_eq!(stand_in.read(|world| world.typing.len()), 1);
    for _ in 0..2 {
        bot.discord.tell(&said.place, "t1", &Redacted::new("no thread here")).await.unwrap();
    }
    let told = stand_in.posts(home.channel);
    assert_eq!(told.len(), 1);
    assert_eq!(
        (told[0].content.as_str(), told[0].reference),
        ("no thread here", Some((home.channel, Some(asked))))
    );
    assert!(!told[0].pings());
    stand_in.assert_faithful();
}

#[tokio::test]
async fn real_rate_limits_are_kept() {
    let stand_in =
        Discord::builder().rate("POST /channels/{channel_id}/messages", 5, Duration::from_secs(1)).start();
    let (bot, thread) = thread(&stand_in).await;
    for n in 0..12 {
        bot.discord.create(&text(thread), &format!("n{n}"), &post(&format!("{n}"))).await.unwrap();
    }
    assert_eq!(stand_in.posts(thread).iter().filter(|post| post.kind == 0).count(), 12);
    let too_many = stand_in.requests().iter().filter(|asked| asked.status == 429).count();
    assert_eq!(too_many, 0, "it waits before it is told to");
}
