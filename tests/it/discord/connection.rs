//! The connection to the gateway: broken, refused, renewed.

use std::time::Duration;

use kubertnetes::chat::discord::{Discord, Inlet, run};
use tokio_util::sync::CancellationToken;

use super::{Bot, config, names, queues, store};
use crate::support::discord::{Discord as StandIn, Effect};

/// How `run` ends, if it does.
async fn end(stand_in: &StandIn, change: impl FnOnce(&mut kubertnetes::chat::discord::Config)) -> String {
    let mut config = config(stand_in);
    change(&mut config);
    let folder = tempfile::tempdir().unwrap();
    let inlet = Inlet {
        store: store(folder.path()).await,
        cluster: "practice".into(),
        queues: queues(),
        names: names(),
        ledger: std::sync::Arc::new(super::Spent),
    };
    let running = run(Discord::new(&config).unwrap(), inlet, CancellationToken::new());
    tokio::time::timeout(Duration::from_secs(30), running).await.expect("it goes on").unwrap_err().0
}

async fn asks(stand_in: &StandIn, bot: &Bot, said: &str, count: usize) {
    let (channel, person) = stand_in.read(|world| {
        let channel = world.channels.values().find(|channel| channel.name == "ops").unwrap().id;
        (channel, world.users.values().find(|user| user.name == "Mira").unwrap().id)
    });
    stand_in.user_says(channel, person, &format!("{} {said}", stand_in.mention()));
    bot.hear(count).await;
}

#[tokio::test]
async fn a_wrong_token_ends_with_what_to_do() {
    let stand_in = StandIn::start();
    stand_in.home();
    let why = end(&stand_in, |config| config.token = "wrong".to_owned().into()).await;
    assert!(why.contains("KUBERT_DISCORD__TOKEN"), "{why}");
    assert!(!why.contains("wrong"), "{why}");
}

#[tokio::test]
async fn a_missing_intent_ends_with_what_to_do() {
    let stand_in = StandIn::builder().message_content(false).start();
    stand_in.home();
    let why = end(&stand_in, |_| {}).await;
    assert!(why.contains("Message Content Intent") && why.contains("discord.mention_only = true"), "{why}");
}

#[tokio::test]
async fn a_token_that_the_gateway_refuses_ends_with_what_to_do() {
    let stand_in = StandIn::start();
    stand_in.home();
    let mut bot = Bot::start(&stand_in).await;
    stand_in.change(|world| world.gateway.close(4004));
    let ended = tokio::time::timeout(Duration::from_secs(30), &mut bot.run).await.expect("it goes on");
    let why = ended.unwrap().unwrap_err().0;
    assert!(why.contains("KUBERT_DISCORD__TOKEN"), "{why}");
}

#[tokio::test]
async fn a_place_that_is_no_discord_says_so() {
    let stand_in = StandIn::start();
    let why = end(&stand_in, |config| config.api = format!("{}/elsewhere", config.api)).await;
    assert!(why.contains("discord.api"), "{why}");
}

#[tokio::test]
async fn an_outage_at_the_start_is_waited_out() {
    let stand_in = StandIn::start();
    stand_in.home();
    stand_in.fail_next(2, |asked| asked.path == "/gateway/bot", Effect::Status(503));
    // The library's own first question fails too: it must not go to the public gateway instead.
    stand_in.fail_next(9, |asked| asked.path == "/gateway", Effect::Status(500));
    let bot = Bot::start(&stand_in).await;
    asks(&stand_in, &bot, "hello", 1).await;
}

#[tokio::test]
async fn it_resumes_when_asked_to_and_when_cut_off() {
    let stand_in = StandIn::start();
    let home = stand_in.home();
    let bot = Bot::start(&stand_in).await;
    asks(&stand_in, &bot, "one", 1).await;
    stand_in.change(|world| world.gateway.ask_to_reconnect());
    stand_in.user_says(home.channel, home.person, &format!("{} two", stand_in.mention()));
    stand_in.wait_until("a resumption", |world| world.gateway.resumed == 1).await;
    bot.hear(2).await;
    stand_in.change(|world| world.gateway.cut());
    stand_in.user_says(home.channel, home.person, &format!("{} three", stand_in.mention()));
    stand_in.wait_until("a resumption", |world| world.gateway.resumed == 2).await;
    bot.hear(3).await;
    asks(&stand_in, &bot, "four", 4).await;
    assert_eq!(stand_in.read(|world| world.gateway.identified), 1);
}

#[tokio::test]
async fn what_was_said_before_a_new_session_is_fetched() {
    let stand_in = StandIn::start();
    let home = stand_in.home();
    let bot = Bot::start(&stand_in).await;
    asks(&stand_in, &bot, "one", 1).await;
    let first = bot.heard().await.remove(0);
    let thread = bot.open_thread(&first).await;
    stand_in.change(|world| world.gateway.losing = true);
    stand_in.user_says(home.channel, home.person, &format!("{} lost", stand_in.mention()));
    stand_in.user_says(thread, home.person, "lost too");
    stand_in.change(|world| {
        world.gateway.losing = false;
        world.gateway.invalidate(false);
    });
    stand_in.wait_until("a new session", |world| world.gateway.identified == 2).await;
    let mut texts: Vec<_> = bot.hear(3).await.into_iter().map(|said| said.text).collect();
    texts.sort();
    assert_eq!(texts, ["lost", "lost too", "one"]);
}

#[tokio::test]
async fn a_connection_that_went_silent_is_given_up() {
    let stand_in = StandIn::builder().heartbeat(Duration::from_millis(500)).start();
    stand_in.home();
    let bot = Bot::start(&stand_in).await;
    asks(&stand_in, &bot, "one", 1).await;
    stand_in.change(|world| world.gateway.zombify());
    asks(&stand_in, &bot, "two", 2).await;
    asks(&stand_in, &bot, "three", 3).await;
}

#[tokio::test]
async fn questions_that_are_never_answered_do_not_keep_it_from_starting() {
    let stand_in = StandIn::start();
    stand_in.home();
    for path in ["/gateway/bot", "/gateway"] {
        stand_in.fail_next(1, move |asked| asked.path == path, Effect::Slow(Duration::from_secs(600)));
    }
    let bot = Bot::with(&stand_in, |config| config.timeout_seconds = 1).await;
    asks(&stand_in, &bot, "one", 1).await;
}

#[tokio::test]
async fn it_leaves_when_told_to() {
    let stand_in = StandIn::start();
    stand_in.home();
    let mut bot = Bot::start(&stand_in).await;
    bot.stop.cancel();
    let ended = tokio::time::timeout(Duration::from_secs(10), &mut bot.run).await.expect("it goes on");
    assert_eq!(ended.unwrap(), Ok(()));
    stand_in.wait_until("it to be gone", |world| world.gateway.listening() == 0).await;
}
