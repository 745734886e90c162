//! One conversation from the mention to the end of the process, and what else a person does on the way.

use std::time::{Duration, Instant};

use kubertnetes::{clock::Clock, llm::Provider, store::Store};

use crate::support::{
    binary::{Home, ShownOnFailure},
    discord::{Channel, Discord, Id, Message},
    llm::{Answer, ScriptedServer},
    stores,
};

/// How long a whole conversation may take on a slow machine.
const PATIENCE: Duration = Duration::from_secs(120);

/// Waits until the bot has posted something in the thread after `since` posts that `is_answer`.
async fn answer(
    discord: &Discord,
    thread: Id,
    since: usize,
    what: &str,
    is_answer: impl Fn(&Message) -> bool,
) -> Message {
    discord.wait_until(what, |world| world.posts(thread).skip(since).any(&is_answer)).await;
    discord.posts(thread).into_iter().skip(since).find(is_answer).unwrap()
}

/// A post that notifies: not the one that shows progress.
fn is_progress(post: &Message) -> bool {
    post.content.starts_with("**Looking**") || post.content.starts_with("**Looked**")
}

fn is_diagnosis(post: &Message) -> bool {
    post.embeds.iter().any(|embed| embed["footer"]["text"].as_str().is_some_and(|text| text.contains("look")))
}

async fn thread_named(discord: &Discord, name: &str) -> Channel {
    let has = |channel: &Channel| channel.is_thread() && channel.name.contains(name);
    discord.wait_until(&format!("a thread `{name}`"), |world| world.channels.values().any(has)).await;
    discord.threads().into_iter().find(has).unwrap()
}

/// Every part of the diagnosis of the practice cluster.
fn assert_names_all_faults(diagnosis: &Message) {
    let text = diagnosis.text();
    for part in [
        "faulty-app",
        "container `web`",
        "`API_URL=http://localhost:9000`",
        "kubectl -n default set env deployment/faulty-app -c web API_URL=http://localhost:9090",
        "container `api`",
        "`CATALOG_DIR=/var/lib/catalogue`",
        "kubectl -n default set env deployment/faulty-app -c api CATALOG_DIR=/var/lib/catalog\n",
        "crashloop-app",
        "`SETTINGS_FILE=/etc/worker/settings.cfg`",
        "kubectl -n default set env deployment/crashloop-app -c worker SETTINGS_FILE=/etc/worker/settings.ini",
        "Connection refused",
        "FATAL: settings file not found",
    ] {
        assert!(text.contains(part), "`{part}` is missing in\n{text}");
    }
    let footer = diagnosis.embeds.last().unwrap()["footer"]["text"].as_str().unwrap();
    let counted = regex::Regex::new(r"(\d+) looks · \d+\.\d s · rules$").unwrap();
    assert!(counted.captures(footer).is_some_and(|it| it[1].parse::<u32>().unwrap() >= 3), "{footer}");
}

async fn mention_to_diagnosis(discord: &Discord, channel: Id, person: Id) -> Id {
    discord.user_says(channel, person, &format!("{} why is the page down?", discord.mention()));
    let thread = thread_named(discord, "why is the page down?").await;
    assert_eq!(thread.parent, Some(channel));
    let diagnosis = answer(discord, thread.id, 0, "a diagnosis", is_diagnosis).await;
    assert_names_all_faults(&diagnosis);
    let settled = |post: &Message| post.content.starts_with("**Looked**");
    let progress = answer(discord, thread.id, 0, "the progress to be done", settled).await;
    let steps = progress.content.lines().filter(|line| line.starts_with("· ")).count();
    assert!(steps >= 3, "{steps} steps in\n{}", progress.content);
    assert!(progress.id < diagnosis.id, "the progress comes first");
    assert_eq!(discord.posts(thread.id).len(), 2, "one progress post and one diagnosis");
    thread.id
}

async fn follow_ups(discord: &Discord, thread: Id, person: Id) {
    let before = discord.posts(thread).len();
    discord.user_says(thread, person, "how do I fix faulty-app?");
    let fix = answer(discord, thread, before, "the fix", |post| !is_progress(post)).await.text();
    assert!(fix.contains("API_URL=http://localhost:9090"), "{fix}");
    assert!(fix.contains("CATALOG_DIR=/var/lib/catalog"), "{fix}");
    assert!(!fix.contains("SETTINGS_FILE"), "nobody asked about crashloop-app:\n{fix}");
    let before = discord.posts(thread).len();
    discord.user_says(thread, person, "is it fixed now?");
    let now = answer(discord, thread, before, "how it is now", |post| !is_progress(post)).await.text();
    assert!(now.contains("Not yet") && now.contains("faulty-app"), "{now}");
}

/// Nothing is under way any more: the word may not break anything.
async fn stops(discord: &Discord, thread: Id, person: Id) {
    let before = discord.posts(thread).len();
    discord.user_says(thread, person, "stop");
    let told = answer(discord, thread, before, "an answer to `stop`", |_| true).await.text();
    assert_eq!(told, "There is nothing to stop: nothing is under way.");
    let before = discord.posts(thread).len();
    discord.user_says(thread, person, "what is the evidence?");
    let quoted = answer(discord, thread, before, "an answer after `stop`", |post| !is_progress(post)).await;
    assert!(quoted.text().contains("9000"), "{}", quoted.text());
}

fn assert_deferred_in_time(discord: &Discord, asked: Id) {
    let asked = discord.interaction(asked);
    assert_eq!(asked.answered, Some(5), "deferred");
    assert!(asked.answered_after_ms.unwrap() < 3000, "{asked:?}");
}

async fn diagnose_pod(discord: &Discord, channel: Id, person: Id) {
    let offered = |choices: Vec<(String, serde_json::Value)>| -> Vec<String> {
        choices.into_iter().map(|(name, _)| name).collect()
    };
    let command = "diagnose pod";
    let by_prefix = discord.autocomplete(channel, person, command, &[], ("namespace", "def")).await;
    assert_eq!(offered(by_prefix), ["default"]);
    let by_part = discord.autocomplete(channel, person, command, &[], ("namespace", "fault")).await;
    assert_eq!(offered(by_part), ["default"]);
    let filled = [("namespace", "default")];
    let by_prefix = offered(discord.autocomplete(channel, person, command, &filled, ("pod", "faul")).await);
    let by_part = offered(discord.autocomplete(channel, person, command, &filled, ("pod", "ulty")).await);
    assert!(by_prefix.len() == 1 && by_prefix[0].starts_with("faulty-app-"), "{by_prefix:?}");
    assert_eq!(by_part, by_prefix);
    let options = [("namespace", "default"), ("pod", by_prefix[0].as_str())];
    let asked = discord.slash(channel, person, command, &options);
    let thread = thread_named(discord, &format!("Diagnose pod `{}`", by_prefix[0])).await.id;
    assert_deferred_in_time(discord, asked);
    let text = answer(discord, thread, 0, "the diagnosis of the pod", is_diagnosis).await.text();
    let (about, aside) = text.split_once("though you did not ask").unwrap_or((&text, ""));
    assert!(about.contains("API_URL") && about.contains("CATALOG_DIR"), "{text}");
    assert!(!about.contains("SETTINGS_FILE"), "it is about the pod that was named:\n{text}");
    assert!(aside.is_empty() || aside.contains("crashloop-app"), "{text}");
}

async fn ask(discord: &Discord, channel: Id, person: Id) {
    let question = "why does the worker restart all the time?";
    let asked = discord.slash(channel, person, "ask", &[("question", question)]);
    let thread = thread_named(discord, question).await.id;
    assert_deferred_in_time(discord, asked);
    let text = answer(discord, thread, 0, "the answer to /ask", is_diagnosis).await.text();
    assert!(text.contains("SETTINGS_FILE"), "{text}");
}

async fn story(url: &str, store: &Store) {
    let discord = Discord::start();
    let at = discord.home();
    let home = Home::on(&discord).set("KUBERT_STORE__URL", url);
    let (bot, begun) = (home.serve(), Instant::now());
    let _shown = ShownOnFailure(&discord);
    discord.wait_ready().await;
    let registered = |world: &crate::support::discord::World| !world.guilds[&at.guild].commands.is_empty();
    discord.wait_until("the commands to be registered", registered).await;
    let thread = mention_to_diagnosis(&discord, at.channel, at.person).await;
    follow_ups(&discord, thread, at.person).await;
    stops(&discord, thread, at.person).await;
    diagnose_pod(&discord, at.channel, at.person).await;
    ask(&discord, at.channel, at.person).await;
    while !store.jobs().await.unwrap().is_empty() {
        assert!(begun.elapsed() < PATIENCE, "{:?} are left", store.jobs().await.unwrap());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(progress_is_done(&discord), "a post still says that it is looking");
    let told = Instant::now();
    let log = bot.log();
    assert_eq!(bot.terminate().await.code(), Some(0), "{log}");
    assert!(told.elapsed() < Duration::from_secs(8), "it took {:?} to end", told.elapsed());
    assert!(!log.contains("ERROR") && !log.contains("WARN"), "{log}");
    discord.threads().iter().for_each(|thread| println!("{}", discord.render(thread.id)));
    discord.assert_faithful();
}

fn progress_is_done(discord: &Discord) -> bool {
    let posts = discord.threads().into_iter().flat_map(|thread| discord.posts(thread.id));
    posts.filter(is_progress).all(|post| post.content.starts_with("**Looked**") && post.buttons().is_empty())
}

#[tokio::test]
async fn a_conversation_from_the_mention_to_the_end() {
    for fresh in stores::fresh(&Clock::system()).await {
        println!("on {}", fresh.kind);
        story(&fresh.url, &fresh.store).await;
    }
}

#[tokio::test]
async fn the_stop_button_ends_what_is_under_way() {
    // The model begins to speak and then is silent.
    // The last is said twice: a first answer in words is asked whether it should not be a report.
    let last = || Answer::say("Back to work.");
    let server = ScriptedServer::start([Answer::say("Let me see").stalled(), last(), last()]);
    let discord = Discord::start();
    let at = discord.home();
    let bot = super::with_model(Home::on(&discord), &server, Provider::OpenAi)
        .set("KUBERT_LLM__MODEL", "scripted")
        .serve();
    let _shown = ShownOnFailure(&discord);
    discord.wait_ready().await;
    discord.user_says(at.channel, at.person, &format!("{} what is broken?", discord.mention()));
    let thread = thread_named(&discord, "what is broken?").await.id;
    let has_stop = |post: &Message| post.buttons().iter().any(|(_, label)| label == "Stop");
    let post = answer(&discord, thread, 0, "a Stop button", has_stop).await;
    while server.requests().is_empty() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let (custom_id, _) = post.buttons().remove(0);
    let pressed = discord.press_button(post.id, &custom_id, at.person);
    let said = answer(&discord, thread, 0, "its end", |post| !is_progress(post)).await.text();
    assert!(said.starts_with("Stopped, as Mira asked."), "{said}");
    assert!(said.contains("faulty-app"), "what is known all the same: {said}");
    assert!(discord.interaction(pressed).answered_after_ms.unwrap() < 3000);
    let before = discord.posts(thread).len();
    discord.user_says(thread, at.person, "go on");
    answer(&discord, thread, before, "an answer", |post| post.text() == "Back to work.").await;
    discord
        .wait_until("the buttons to be gone", |world| world.posts(thread).all(|post| !has_stop(post)))
        .await;
    assert_eq!(bot.terminate().await.code(), Some(0));
    discord.assert_faithful();
}
