//! Slash commands and buttons.

use std::{sync::Arc, time::Duration};

use kubertnetes::{
    chat::{
        Button, Platform,
        discord::{Commands, Discord, Id as Listed},
    },
    finding::Resource,
    redact::Redacted,
};

use super::{Bot, Cluster, config, post, text};
use crate::support::discord::{Discord as StandIn, Effect, Home, Id, Recorded};

async fn registered(stand_in: &StandIn, guild: Id) {
    stand_in.wait_until("the commands", |world| !world.guilds[&guild].commands.is_empty()).await;
}

/// A bot at home, with its commands registered.
async fn ready() -> (StandIn, Home, Bot) {
    let stand_in = StandIn::start();
    let home = stand_in.home();
    let bot = Bot::start(&stand_in).await;
    registered(&stand_in, home.guild).await;
    (stand_in, home, bot)
}

fn writes(asked: &Recorded) -> bool {
    asked.method == "PUT" && asked.path.ends_with("/commands")
}

fn answered(stand_in: &StandIn, id: Id) -> (Option<u64>, Option<u64>, Option<Id>) {
    stand_in.read(|world| {
        let asked = &world.interactions[&id];
        (asked.answered, asked.answered_after_ms, asked.original)
    })
}

#[tokio::test]
async fn a_command_is_deferred_in_time_and_goes_on_in_a_thread() {
    let (stand_in, home, bot) = ready().await;
    let asked =
        stand_in.slash(home.channel, home.person, "diagnose pod", &[("namespace", "shop"), ("pod", "web-1")]);
    let heard = bot.hear(1).await.remove(0);
    assert_eq!(heard.text, "Diagnose pod `web-1` in namespace `shop`");
    assert_eq!(heard.about, Some(Resource::namespaced("Pod", "shop", "web-1")));
    assert_eq!(heard.author.name.as_str(), "Mira");
    let thread = bot.open_thread(&heard).await;
    let (kind, after, original) = answered(&stand_in, asked);
    assert_eq!(kind, Some(5));
    assert!(after.unwrap() < 3000);
    assert_eq!(Some(thread), original, "the thread begins with the answer");
    let shown = stand_in.posts(home.channel);
    assert_eq!(shown.len(), 1);
    assert_eq!(shown[0].content, "> Diagnose pod \\`web\\-1\\` in namespace \\`shop\\`");
    assert_eq!(bot.discord.open(&heard.place, &Redacted::new("again")).await.unwrap(), text(thread));
    stand_in.user_says(thread, home.person, "and web-2?");
    assert_eq!(bot.hear(2).await[1].place.origin, heard.place.origin, "one conversation");
    stand_in.assert_faithful();
}

#[tokio::test]
async fn a_command_that_comes_twice_asks_once() {
    let (stand_in, home, bot) = ready().await;
    stand_in.change(|world| world.gateway.twice = 1);
    let asked = stand_in.slash(home.channel, home.person, "ask", &[("question", "why?")]);
    let callbacks = |world: &crate::support::discord::World| {
        world.record.requests.iter().filter(|asked| asked.path.ends_with("/callback")).count()
    };
    stand_in.wait_until("both to be answered", |world| callbacks(world) == 2).await;
    let heard = bot.hear(1).await.remove(0);
    assert_eq!(Some(bot.open_thread(&heard).await), answered(&stand_in, asked).2);
}

#[tokio::test]
async fn a_slow_database_does_not_keep_discord_waiting() {
    let (stand_in, home, bot) = ready().await;
    let url = format!("sqlite://{}", bot.folder.path().join("k.db").display());
    let mut database = <sqlx::SqliteConnection as sqlx::Connection>::connect(&url).await.unwrap();
    sqlx::query("BEGIN IMMEDIATE").execute(&mut database).await.unwrap();
    let asked = stand_in.slash(home.channel, home.person, "ask", &[("question", "why?")]);
    stand_in.wait_until("an answer", |world| world.interactions[&asked].answered.is_some()).await;
    assert!(answered(&stand_in, asked).1.unwrap() < 3000);
    assert_eq!(bot.heard().await, []);
    sqlx::query("ROLLBACK").execute(&mut database).await.unwrap();
    let heard = bot.hear(1).await.remove(0);
    assert_eq!(Some(bot.open_thread(&heard).await), answered(&stand_in, asked).2);
}

#[tokio::test]
async fn every_command_asks_its_question() {
    let (stand_in, home, bot) = ready().await;
    let (channel, person) = (home.channel, home.person);
    stand_in.slash(channel, person, "diagnose namespace", &[("namespace", "shop")]);
    bot.hear(1).await;
    stand_in.slash(
        channel,
        person,
        "diagnose workload",
        &[("namespace", "shop"), ("workload", "StatefulSet/db")],
    );
    bot.hear(2).await;
    stand_in.slash(channel, person, "ask", &[("question", "is **anything** wrong?")]);
    let heard = bot.hear(3).await;
    assert_eq!(
        bot.texts().await,
        [
            "Diagnose namespace `shop`",
            "Diagnose StatefulSet `db` in namespace `shop`",
            "is **anything** wrong?"
        ]
    );
    assert_eq!(heard[0].about, Some(Resource::global("Namespace", "shop")));
    assert_eq!(heard[1].about, Some(Resource::namespaced("StatefulSet", "shop", "db")));
    assert_eq!(heard[2].about, None);
}

#[tokio::test]
async fn a_command_in_a_thread_asks_there() {
    let (stand_in, home, bot) = ready().await;
    stand_in.user_says(home.channel, home.person, &format!("{} why?", stand_in.mention()));
    let first = bot.hear(1).await.remove(0);
    let thread = bot.open_thread(&first).await;
    let mine = bot.discord.create(&text(thread), "n1", &post("looking")).await.unwrap();
    stand_in.slash(thread, home.person, "ask", &[("question", "and now?")]);
    let heard = bot.hear(2).await;
    assert_eq!(heard[1].place.origin, first.place.origin, "one conversation");
    stand_in
        .wait_until("the quote", |world| world.posts(thread).any(|post| post.content == "> and now?"))
        .await;
    let own = bot.discord.own_posts(&text(thread), None).await.unwrap();
    assert_eq!(own, [mine], "the answer to the command is not one of its posts");
    stand_in.assert_faithful();
}

#[tokio::test]
async fn a_command_whose_token_is_lost_is_answered_by_a_post_of_its_own_once() {
    let (stand_in, home, bot) = ready().await;
    stand_in.slash(home.channel, home.person, "ask", &[("question", "why?")]);
    let heard = bot.hear(1).await.remove(0);
    // Another process, or the same after a restart.
    let other = Discord::new(&config(&stand_in)).unwrap();
    stand_in.fail_next(
        1,
        |asked| asked.route().starts_with("POST") && asked.path.ends_with("/threads"),
        Effect::Status(500),
    );
    assert!(other.open(&heard.place, &Redacted::new("why?")).await.is_err());
    stand_in.advance(Duration::from_secs(1200));
    let thread = other.open(&heard.place, &Redacted::new("why?")).await.unwrap();
    let again =
        Discord::new(&config(&stand_in)).unwrap().open(&heard.place, &Redacted::new("why?")).await.unwrap();
    assert_eq!(thread, again);
    let asked: Vec<_> = stand_in
        .posts(home.channel)
        .into_iter()
        .filter(|post| post.content.starts_with("Asked by command <t:") && post.content.ends_with("> why?"))
        .collect();
    assert_eq!(asked.iter().map(|post| text(post.id)).collect::<Vec<_>>(), [thread]);
}

#[tokio::test]
async fn a_thread_begun_before_a_crash_is_found_again() {
    let (stand_in, home, bot) = ready().await;
    stand_in.slash(home.channel, home.person, "ask", &[("question", "why?")]);
    let heard = bot.hear(1).await.remove(0);
    let thread = bot.discord.open(&heard.place, &Redacted::new("why?")).await.unwrap();
    let other = Discord::new(&config(&stand_in)).unwrap();
    assert_eq!(other.open(&heard.place, &Redacted::new("why?")).await.unwrap(), thread);
    assert_eq!(stand_in.posts(home.channel).len(), 1);
}

#[tokio::test]
async fn names_are_completed_from_the_cluster() {
    let stand_in = StandIn::start();
    let home = stand_in.home();
    let _bot = Bot::start(&stand_in).await;
    registered(&stand_in, home.guild).await;
    let (channel, person) = (home.channel, home.person);
    let names = |choices: Vec<(String, serde_json::Value)>| {
        choices
            .into_iter()
            .map(|(name, value)| {
                assert_eq!(value, name);
                name
            })
            .collect::<Vec<_>>()
    };
    let found = stand_in.autocomplete(channel, person, "diagnose pod", &[], ("namespace", "s")).await;
    assert_eq!(names(found), ["kube-system", "shop"]);
    let filled = [("namespace", "shop")];
    let found = stand_in.autocomplete(channel, person, "diagnose pod", &filled, ("pod", "web")).await;
    assert_eq!(names(found), ["web-1", "web-2"]);
    let found = stand_in.autocomplete(channel, person, "diagnose workload", &filled, ("workload", "")).await;
    assert_eq!(names(found), ["Deployment/web", "StatefulSet/db"]);
    stand_in.assert_faithful();
}

#[tokio::test]
async fn a_slow_cluster_or_a_stranger_gets_no_names_in_time() {
    let stand_in = StandIn::start();
    let home = stand_in.home();
    let slow = Arc::new(Cluster { slow: Duration::from_secs(60) });
    let _bot = Bot::open(&config(&stand_in), Arc::new(tempfile::tempdir().unwrap()), slow).await;
    registered(&stand_in, home.guild).await;
    let found =
        stand_in.autocomplete(home.channel, home.person, "diagnose pod", &[], ("namespace", "")).await;
    assert_eq!(found, []);
    stand_in.assert_faithful();

    let stand_in = StandIn::start();
    let home = stand_in.home();
    let _bot = Bot::with(&stand_in, |config| config.users = vec![Listed("1".into())]).await;
    registered(&stand_in, home.guild).await;
    let found =
        stand_in.autocomplete(home.channel, home.person, "diagnose pod", &[], ("namespace", "")).await;
    assert_eq!(found, []);
}

#[tokio::test]
async fn a_stranger_who_sends_a_command_is_told_so_in_private() {
    let stand_in = StandIn::start();
    let home = stand_in.home();
    let bot = Bot::with(&stand_in, |config| config.users = vec![Listed("1".into())]).await;
    registered(&stand_in, home.guild).await;
    let asked = stand_in.slash(home.channel, home.person, "ask", &[("question", "why?")]);
    stand_in.wait_until("an answer", |world| world.interactions[&asked].answered.is_some()).await;
    let (kind, _, original) = answered(&stand_in, asked);
    assert_eq!(kind, Some(4));
    let shown = stand_in.read(|world| world.message(original.unwrap()).unwrap().clone());
    assert_eq!(shown.only_for, Some(home.person));
    assert!(shown.content.contains("not on the list"));
    assert_eq!(bot.heard().await, []);
    stand_in.assert_faithful();
}

#[tokio::test]
async fn what_was_spent_is_told_in_private() {
    let (stand_in, home, bot) = ready().await;
    let asked = stand_in.slash(home.channel, home.person, "usage", &[]);
    stand_in.wait_until("an answer", |world| world.interactions[&asked].answered.is_some()).await;
    let (kind, _, original) = answered(&stand_in, asked);
    assert_eq!(kind, Some(4));
    let shown = stand_in.read(|world| world.message(original.unwrap()).unwrap().clone());
    assert_eq!(shown.only_for, Some(home.person));
    assert_eq!(shown.content, format!("{}: 3 replies", home.person));
    assert_eq!(bot.heard().await, [], "it is no question about the cluster");
    stand_in.assert_faithful();
}

#[tokio::test]
async fn pressing_a_button_says_its_words() {
    let stand_in = StandIn::start();
    let home = stand_in.home();
    let bot = Bot::start(&stand_in).await;
    stand_in.user_says(home.channel, home.person, &format!("{} why?", stand_in.mention()));
    let first = bot.hear(1).await.remove(0);
    let thread = bot.open_thread(&first).await;
    let mut progress = post("looking");
    progress.buttons = vec![Button { says: "stop".into(), label: "Stop".into() }];
    let made: Id = bot.discord.create(&text(thread), "n1", &progress).await.unwrap().parse().unwrap();
    let pressed = stand_in.press_button(made, "say:stop", home.person);
    let heard = bot.hear(2).await;
    assert_eq!((heard[1].text.as_str(), &heard[1].place.origin), ("stop", &first.place.origin));
    stand_in.wait_until("an answer", |world| world.interactions[&pressed].answered.is_some()).await;
    assert_eq!(answered(&stand_in, pressed).0, Some(6));
    stand_in.assert_faithful();
}

#[tokio::test]
async fn a_first_answer_that_fails_is_given_again() {
    let (stand_in, home, bot) = ready().await;
    let callback = |asked: &Recorded| asked.path.ends_with("/callback");
    stand_in.fail_next(1, callback, Effect::Status(502));
    stand_in.fail_next(1, callback, Effect::DropAfter);
    let asked = stand_in.slash(home.channel, home.person, "ask", &[("question", "why?")]);
    let heard = bot.hear(1).await.remove(0);
    let thread = bot.open_thread(&heard).await;
    assert_eq!(Some(thread), answered(&stand_in, asked).2, "it was taken, whatever the answers said");
}

#[tokio::test]
async fn commands_are_written_only_when_they_differ() {
    let (stand_in, home, bot) = ready().await;
    let folder = bot.kill(&stand_in).await;
    assert_eq!(stand_in.requests().iter().filter(|asked| writes(asked)).count(), 1);
    let reads = |asked: &Recorded| {
        asked.method == "GET" && asked.path.contains("/guilds/") && asked.path.ends_with("/commands")
    };
    let before = stand_in.requests().iter().filter(|asked| reads(asked)).count();
    let bot = Bot::open(&config(&stand_in), folder, super::names()).await;
    stand_in
        .wait_until("a look", |world| {
            world.record.requests.iter().filter(|asked| reads(asked)).count() > before
        })
        .await;
    let folder = bot.kill(&stand_in).await;
    assert_eq!(stand_in.requests().iter().filter(|asked| writes(asked)).count(), 1);

    let mut global = config(&stand_in);
    global.commands = Commands::Global;
    let _bot = Bot::open(&global, folder, super::names()).await;
    stand_in
        .wait_until("commands for all", |world| {
            !world.commands.is_empty() && world.guilds[&home.guild].commands.is_empty()
        })
        .await;
    let contexts = stand_in.read(|world| world.commands[0]["contexts"].clone());
    assert_eq!(contexts, serde_json::json!([0]), "not in direct messages");
    stand_in.assert_faithful();
}
