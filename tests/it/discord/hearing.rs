//! What is said in messages, and what becomes of it.

use std::time::Duration;

use kubertnetes::chat::Platform;

use super::{Bot, text};
use crate::support::discord::{Discord, Id, Recorded};

fn direct_messages(stand_in: &Discord, person: Id) -> Vec<String> {
    let channel = stand_in.direct(person);
    stand_in.posts(channel).into_iter().map(|message| message.content).collect()
}

#[tokio::test]
async fn a_mention_anywhere_in_a_message_begins_a_conversation() {
    let stand_in = Discord::start();
    let home = stand_in.home();
    let bot = Bot::start(&stand_in).await;
    let said = format!("hey {} why is the page down?", stand_in.mention());
    let id = stand_in.user_says(home.channel, home.person, &said);
    let heard = &bot.hear(1).await[0];
    assert_eq!(heard.text, "hey why is the page down?");
    assert_eq!((heard.author.id.as_str(), heard.author.name.as_str()), (text(home.person).as_str(), "Mira"));
    assert_eq!(
        (heard.place.channel.as_str(), heard.place.origin.as_str()),
        (text(home.channel).as_str(), text(id).as_str())
    );
    assert_eq!((heard.place.platform.as_str(), &heard.place.thread), ("discord", &None));
    stand_in.assert_faithful();
}

#[tokio::test]
async fn a_mention_is_in_the_log_before_anything_is_asked_of_discord() {
    let stand_in = Discord::start();
    let home = stand_in.home();
    let bot = Bot::start(&stand_in).await;
    stand_in
        .wait_until("commands", |world| world.guilds.values().all(|guild| !guild.commands.is_empty()))
        .await;
    let before = stand_in.requests().len();
    stand_in.user_says(home.channel, home.person, &format!("{} why?", stand_in.mention()));
    bot.hear(1).await;
    assert_eq!(stand_in.requests().len(), before, "{:?}", stand_in.requests().last());
}

#[tokio::test]
async fn follow_ups_in_its_thread_need_no_mention() {
    let stand_in = Discord::start();
    let home = stand_in.home();
    let bot = Bot::start(&stand_in).await;
    stand_in.user_says(home.channel, home.person, &format!("{} why?", stand_in.mention()));
    let first = bot.hear(1).await.remove(0);
    let thread = bot.open_thread(&first).await;
    stand_in.user_says(thread, home.person, "and the other one?");
    stand_in.user_says(home.channel, home.person, "and me?");
    stand_in.user_says(thread, home.person, &format!("{} please", stand_in.mention()));
    let heard = bot.hear(3).await;
    let texts: Vec<_> = heard.iter().map(|said| said.text.as_str()).collect();
    assert_eq!(texts, ["why?", "and the other one?", "please"]);
    assert!(heard.iter().all(|said| said.place.origin == first.place.origin), "one conversation");
    stand_in.assert_faithful();
}

#[tokio::test]
async fn a_mention_in_somebody_elses_thread_is_answered_there() {
    let stand_in = Discord::start();
    let home = stand_in.home();
    let bot = Bot::start(&stand_in).await;
    let start = stand_in.user_says(home.channel, home.person, "lunch?");
    let place = kubertnetes::event::Place {
        platform: "discord".into(),
        channel: text(home.channel),
        origin: text(start),
        thread: None,
    };
    let thread: Id = bot
        .discord
        .open(&place, &kubertnetes::redact::Redacted::new("lunch"))
        .await
        .unwrap()
        .parse()
        .unwrap();
    stand_in.user_says(thread, home.person, "pizza");
    stand_in.user_says(thread, home.person, &format!("{} what broke?", stand_in.mention()));
    stand_in.user_says(thread, home.person, "since noon");
    let heard = bot.hear(2).await;
    assert_eq!(bot.texts().await, ["what broke?", "since noon"]);
    assert_eq!(heard[0].place.thread, Some(text(thread)));
    assert_eq!(heard[0].place.channel, text(home.channel));
}

#[tokio::test]
async fn mention_only_works_without_the_privileged_intent() {
    let stand_in = Discord::builder().message_content(false).start();
    let home = stand_in.home();
    let bot = Bot::with(&stand_in, |config| config.mention_only = true).await;
    stand_in.user_says(home.channel, home.person, &format!("{} why?", stand_in.mention()));
    let first = bot.hear(1).await.remove(0);
    let thread = bot.open_thread(&first).await;
    stand_in.user_says(thread, home.person, "not for the bot");
    stand_in.user_says(thread, home.person, &format!("{} and now?", stand_in.mention()));
    bot.hear(2).await;
    assert_eq!(bot.texts().await, ["why?", "and now?"]);
}

#[tokio::test]
async fn other_bots_and_its_own_posts_are_not_answered() {
    let stand_in = Discord::start();
    let home = stand_in.home();
    let other = stand_in.other_bot("Pager");
    stand_in.join(home.guild, other, &[]);
    let bot = Bot::start(&stand_in).await;
    stand_in.user_says(home.channel, other, &format!("{} alert!", stand_in.mention()));
    stand_in.user_says(home.channel, home.person, &format!("{} why?", stand_in.mention()));
    let first = bot.hear(1).await.remove(0);
    let thread = bot.open_thread(&first).await;
    bot.discord
        .create(&text(thread), "n1", &super::post(&format!("{} see", stand_in.mention())))
        .await
        .unwrap();
    stand_in.user_says(thread, other, "another alert");
    stand_in.user_says(thread, home.person, "thanks");
    bot.hear(2).await;
    assert_eq!(bot.texts().await, ["why?", "thanks"]);
}

#[tokio::test]
async fn its_role_is_as_good_as_its_name() {
    let stand_in = Discord::start();
    let home = stand_in.home();
    let own = stand_in.read(|world| {
        let roles = &world.guilds[&home.guild].roles;
        roles.iter().find(|role| role.bot.is_some()).unwrap().id
    });
    let other = stand_in.role(home.guild, "sre");
    let bot = Bot::start(&stand_in).await;
    stand_in.user_says(home.channel, home.person, &format!("<@&{other}> not you"));
    stand_in.user_says(home.channel, home.person, &format!("<@&{own}> you"));
    bot.hear(1).await;
    assert_eq!(bot.texts().await, ["you"]);
}

#[tokio::test]
async fn a_message_waits_until_the_database_takes_it() {
    let stand_in = Discord::start();
    let home = stand_in.home();
    let bot = Bot::start(&stand_in).await;
    let url = format!("sqlite://{}", bot.folder.path().join("k.db").display());
    let mut database = <sqlx::SqliteConnection as sqlx::Connection>::connect(&url).await.unwrap();
    sqlx::query("ALTER TABLE conversations RENAME TO broken").execute(&mut database).await.unwrap();
    stand_in.user_says(home.channel, home.person, &format!("{} one", stand_in.mention()));
    stand_in.user_says(home.channel, home.person, &format!("{} two", stand_in.mention()));
    // Long enough for a first try to fail.
    tokio::time::sleep(Duration::from_millis(200)).await;
    sqlx::query("ALTER TABLE broken RENAME TO conversations").execute(&mut database).await.unwrap();
    bot.hear(2).await;
    assert_eq!(bot.texts().await, ["one", "two"], "in order");
}

#[tokio::test]
async fn events_in_any_order_and_more_than_once_are_taken_in_once() {
    let stand_in = Discord::start();
    let home = stand_in.home();
    let bot = Bot::start(&stand_in).await;
    stand_in.change(|world| world.gateway.hold());
    for n in 0..6 {
        stand_in.user_says(home.channel, home.person, &format!("{} question {n}", stand_in.mention()));
    }
    stand_in.change(|world| {
        world.gateway.twice = 6;
        world.release(|events| events.reverse());
    });
    bot.hear(6).await;
    let last = stand_in.user_says(home.channel, home.person, &format!("{} last", stand_in.mention()));
    let heard = bot.hear(7).await;
    let mut texts: Vec<_> = heard.iter().map(|said| said.text.clone()).collect();
    texts.sort();
    assert_eq!(
        texts,
        ["last", "question 0", "question 1", "question 2", "question 3", "question 4", "question 5"]
    );
    assert!(heard.iter().any(|said| said.place.origin == text(last)));
}

#[tokio::test]
async fn whoever_may_not_ask_is_told_so_once_and_privately() {
    let stand_in = Discord::start();
    let home = stand_in.home();
    let sre = stand_in.role(home.guild, "sre");
    let (ana, ben) = (stand_in.user("Ana"), stand_in.user("Ben"));
    stand_in.join(home.guild, ana, &[sre]);
    stand_in.join(home.guild, ben, &[]);
    let bot = Bot::with(&stand_in, |config| {
        config.roles = vec![kubertnetes::chat::discord::Id(text(sre))];
        config.users = vec![kubertnetes::chat::discord::Id(text(ben))];
    })
    .await;
    let mention = stand_in.mention();
    for _ in 0..3 {
        stand_in.user_says(home.channel, home.person, &format!("{mention} why?"));
    }
    stand_in.user_says(home.channel, ana, &format!("{mention} by role"));
    stand_in.user_says(home.channel, ben, &format!("{mention} by name"));
    let heard = bot.hear(2).await;
    assert_eq!(heard[0].author.roles, [text(sre)]);
    assert_eq!(bot.texts().await, ["by role", "by name"]);
    stand_in
        .wait_until("a word to Mira", |world| {
            world.messages.values().any(|m| m.content.contains("not on the list"))
        })
        .await;
    stand_in.user_says(home.channel, home.person, &format!("{mention} again?"));
    stand_in.user_says(home.channel, ana, &format!("{mention} more"));
    bot.hear(3).await;
    let told = direct_messages(&stand_in, home.person);
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].contains("discord.users or discord.roles"), "{told:?}");
    assert_eq!(stand_in.posts(home.channel).len(), 0, "nobody else sees it");
    stand_in.assert_faithful();
}

#[tokio::test]
async fn whoever_takes_no_direct_messages_is_told_where_they_asked() {
    let stand_in = Discord::start();
    let home = stand_in.home();
    stand_in.close_dms(home.person, true);
    let ana = stand_in.user("Ana");
    let bot =
        Bot::with(&stand_in, |config| config.users = vec![kubertnetes::chat::discord::Id(text(ana))]).await;
    let asked = stand_in.user_says(home.channel, home.person, &format!("{} why?", stand_in.mention()));
    stand_in.wait_until("a reply", |world| world.posts(home.channel).count() == 1).await;
    let reply = stand_in.posts(home.channel).remove(0);
    assert_eq!(reply.reference, Some((home.channel, Some(asked))));
    assert!(reply.content.contains("not on the list") && !reply.pings(), "{reply:?}");
    stand_in.user_says(home.channel, home.person, &format!("{} why?", stand_in.mention()));
    stand_in.join(home.guild, ana, &[]);
    stand_in.user_says(home.channel, ana, &format!("{} hi", stand_in.mention()));
    bot.hear(1).await;
    assert_eq!(stand_in.posts(home.channel).len(), 1, "told once");
    stand_in.assert_faithful();
}

#[tokio::test]
async fn channels_and_servers_that_are_not_listed_are_left_alone() {
    let stand_in = Discord::start();
    let home = stand_in.home();
    let general = stand_in.channel(home.guild, "general");
    let elsewhere = stand_in.guild("Elsewhere");
    stand_in.join(elsewhere, home.person, &[]);
    let lobby = stand_in.channel(elsewhere, "lobby");
    let bot = Bot::with(&stand_in, |config| {
        config.guilds = vec![kubertnetes::chat::discord::Id(text(home.guild))];
        config.channels = vec![kubertnetes::chat::discord::Id(text(home.channel))];
    })
    .await;
    let mention = stand_in.mention();
    stand_in.user_says(general, home.person, &format!("{mention} in general"));
    stand_in.user_says(lobby, home.person, &format!("{mention} in the lobby"));
    stand_in.user_says(home.channel, home.person, &format!("{mention} in ops"));
    let first = bot.hear(1).await.remove(0);
    assert_eq!(first.text, "in ops");
    let thread = bot.open_thread(&first).await;
    stand_in.user_says(thread, home.person, "in its thread");
    bot.hear(2).await;
    stand_in
        .wait_until("a word", |world| world.messages.values().any(|m| m.content.contains("Ask me in")))
        .await;
    let told = direct_messages(&stand_in, home.person);
    assert_eq!(told, [format!("I am not set up to answer in <#{general}>. Ask me in <#{}>.", home.channel)]);
    let commands = |asked: &Recorded| asked.method == "PUT" && asked.path.contains(&text(elsewhere));
    assert!(!stand_in.requests().iter().any(commands), "no commands where nobody is answered");
}

#[tokio::test]
async fn files_are_said_not_read() {
    let stand_in = Discord::start();
    let home = stand_in.home();
    let bot = Bot::start(&stand_in).await;
    let said = format!("{} what is this?", stand_in.mention());
    stand_in.user_posts(home.channel, home.person, &said, &[("web.log", "boom")]);
    bot.hear(1).await;
    assert_eq!(bot.texts().await, ["what is this?\n[1 attachment, not read]"]);
}
