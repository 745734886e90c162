//! `kill -9` at any moment: nothing that was said is lost and nothing is said twice.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use kubertnetes::{
    clock::Clock,
    event::{Entry, Event, rests},
    store::{Conversation, Store},
};

use crate::support::{
    binary::{Bot, Home, ShownOnFailure},
    discord::{Discord, Id, World, server},
    stores,
};

const KILLS: u64 = 200;
/// On PostgreSQL, where the same code runs and a start takes longer.
const KILLS_ON_POSTGRES: u64 = 40;
/// A start looks through every thread: more would only make the lives longer.
const MOST_CONVERSATIONS: usize = 12;
/// How long a killed process keeps its conversations from the next one.
const LEASE_MS: &str = "700";

/// SplitMix64: the same moments in every run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, most: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % most
    }
}

/// A person who keeps asking, and the bot that keeps dying.
struct Trial {
    discord: Discord,
    at: server::Home,
    home: Home,
    dice: Dice,
    mentions: Vec<Id>,
    follow_ups: Vec<Id>,
}

impl Trial {
    fn new(url: Option<&str>) -> Self {
        // How slow the machine is is not what is tested.
        let discord = Discord::builder()
            .answer_window(Duration::from_secs(30))
            // Nor is it Discord's memory of nonces that keeps posts from being doubled: it may be down for longer.
            .nonce_window(Duration::ZERO)
            .start();
        let at = discord.home();
        let mut home = Home::on(&discord)
            .set("KUBERT_WORKER__LEASE_MS", LEASE_MS)
            // A turn that is cut off again and again is given up, lest it be what kills the process. Here it is not.
            .set("KUBERT_AGENT__TRIES", "1000");
        if let Some(url) = url {
            home = home.set("KUBERT_STORE__URL", url);
        }
        Self { discord, at, home, dice: Dice(20_260_101), mentions: Vec::new(), follow_ups: Vec::new() }
    }

    fn mention(&mut self, text: &str) {
        let text = format!("{} {text}", self.discord.mention());
        self.mentions.push(self.discord.user_says(self.at.channel, self.at.person, &text));
    }

    /// A new question, or one more in a thread of an earlier one.
    fn say(&mut self) {
        let threads = self.discord.threads();
        let number = self.mentions.len() + self.follow_ups.len();
        let fresh = self.mentions.len() < MOST_CONVERSATIONS && self.dice.below(4) == 0;
        if threads.is_empty() || fresh {
            return self.mention(&format!("what is broken, {number}?"));
        }
        let thread = &threads[usize::try_from(self.dice.below(threads.len() as u64)).unwrap()];
        let words =
            ["how do I fix faulty-app?", "is it fixed now?", "what does the worker log?", "and what else?"];
        let words = words[usize::try_from(self.dice.below(4)).unwrap()];
        let said = self.discord.user_says(thread.id, self.at.person, &format!("{words} ({number})"));
        self.follow_ups.push(said);
    }

    async fn start(&self) -> Bot {
        // The last life's connection is gone, so that the next one to listen is this one's.
        self.discord.wait_until("the last connection to end", |world| world.gateway.listening() == 0).await;
        self.home.serve()
    }

    /// How long a first life takes from being ready to its first post, in milliseconds; then it is killed.
    async fn first_post(&mut self) -> u64 {
        self.say();
        let bot = self.start().await;
        self.discord.wait_ready().await;
        let began = std::time::Instant::now();
        self.discord.wait_until("a first post", |world| posts_in(world) > 0).await;
        bot.kill().await;
        u64::try_from(began.elapsed().as_millis()).unwrap()
    }

    /// Kills the bot so many times; gives in how many of its lives it had begun to post something.
    async fn kill(&mut self, times: u64) -> usize {
        // Lives are as long as work takes here, so that they end within it on a slow machine, too.
        let span = self.first_post().await.clamp(200, 2_000) * 3;
        let (mut busy, mut life) = (0, 0);
        // Some lives more where work is slow, so that as many as are wanted come to something.
        while life < times || (busy as u64 * 4 < times && life < 2 * times) {
            let shown = posts_made(&self.discord);
            if life % 2 == 0 {
                self.say();
            }
            let bot = self.start().await;
            // Every fourth life ends anywhere, its start included.
            if life % 4 != 3 {
                self.discord.wait_ready().await;
            }
            if life % 2 == 1 {
                self.say();
            }
            tokio::time::sleep(Duration::from_millis(self.dice.below(span))).await;
            bot.kill().await;
            busy += usize::from(posts_made(&self.discord) > shown);
            life += 1;
        }
        busy
    }

    /// Lets the bot live until it has nothing left to do, then ends it in peace.
    async fn settle(&self) -> Settled {
        let bot = self.start().await;
        self.discord.wait_ready().await;
        let store = Store::connect(self.home.database(), 2, Clock::system()).await.unwrap();
        let deadline = tokio::time::Instant::now() + Duration::from_secs(90);
        loop {
            let missing = self.missing(&store).await;
            let mut jobs = store.jobs().await.unwrap();
            // The runs that were cut off are kept for a while, for the operator.
            jobs.retain(|(_, state, _)| state != "failed");
            if missing.is_empty() && jobs.is_empty() {
                break;
            }
            let late = tokio::time::Instant::now() > deadline;
            assert!(!late, "it does not settle: messages {missing:?} are unread, jobs {jobs:?}");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        assert_eq!(bot.terminate().await.code(), Some(0));
        let mut logs = BTreeMap::new();
        for conversation in store.conversations("discord", 0, 10_000).await.unwrap() {
            let log = store.log(&conversation.id, 0).await.unwrap();
            let known = store.posts(&conversation.id).await.unwrap();
            let known = known.into_iter().map(|post| (post.key, post.remote)).collect();
            logs.insert(conversation.id.0.clone(), Held { conversation, log, known });
        }
        Settled(logs)
    }

    async fn missing(&self, store: &Store) -> Vec<Id> {
        let mut missing = Vec::new();
        for said in self.mentions.iter().chain(&self.follow_ups) {
            if !store.has_message("discord", &said.to_string()).await.unwrap() {
                missing.push(*said);
            }
        }
        missing
    }

    fn check(&self, settled: &Settled) {
        assert_eq!(settled.0.len(), self.mentions.len(), "each mention begins one conversation");
        let said = settled.0.values().flat_map(|held| &held.log);
        let said = said.filter(|entry| matches!(entry.event, Event::UserSaid { .. })).count();
        assert_eq!(said, self.mentions.len() + self.follow_ups.len(), "each message is in one log, once");
        let origins: BTreeSet<String> =
            settled.0.values().map(|held| held.conversation.place.origin.clone()).collect();
        assert_eq!(origins, self.mentions.iter().map(Id::to_string).collect());
        for held in settled.0.values() {
            self.check_one(held);
        }
        self.discord.assert_faithful();
    }

    fn check_one(&self, held: &Held) {
        let thread: Id = held.conversation.place.thread.as_ref().expect("a thread").parse().unwrap();
        let shown = || format!("{}\n{:?}", self.discord.render(thread), held.known);
        let numbers: Vec<i64> = held.log.iter().map(|entry| entry.seq).collect();
        assert_eq!(numbers, (1..=numbers.len() as i64).collect::<Vec<_>>(), "without a gap");
        assert!(rests(&held.log), "something is unread or under way\n{}", shown());
        let failed = held.log.iter().find_map(|entry| match &entry.event {
            Event::TurnEnded { failure } => failure.clone(),
            _ => None,
        });
        assert_eq!(failed, None, "a turn failed\n{}", shown());
        // Every post in the thread is one that the bot knows of under one key, and the other way round.
        let there: Vec<String> = self.discord.posts(thread).iter().map(|post| post.id.to_string()).collect();
        let mut known: Vec<String> = held
            .known
            .iter()
            .map(|(key, remote)| remote.clone().unwrap_or_else(|| format!("{key}?")))
            .collect();
        known.sort();
        assert_eq!(there, known, "a post is doubled or lost\n{}", shown());
        // One progress post and an answer for each turn.
        let turns = held.log.iter().filter(|entry| matches!(entry.event, Event::TurnStarted { .. })).count();
        let progress = held.known.iter().filter(|(key, _)| key.ends_with("/progress")).count();
        assert_eq!(progress, turns, "{}", shown());
        let answered: BTreeSet<&str> = held
            .known
            .iter()
            .filter(|(key, _)| key.contains("/diagnosis") || key.contains("/answer"))
            .filter_map(|(key, _)| key.split('/').next())
            .collect();
        assert_eq!(answered.len(), turns, "a turn has no answer\n{}", shown());
    }
}

/// A conversation as the store has it in the end, with the key and the id of every post.
struct Held {
    conversation: Conversation,
    log: Vec<Entry>,
    known: Vec<(String, Option<String>)>,
}

struct Settled(BTreeMap<String, Held>);

fn posts_made(discord: &Discord) -> usize {
    discord.read(posts_in)
}

fn posts_in(world: &World) -> usize {
    let posted = |asked: &&crate::support::discord::Recorded| {
        matches!(asked.method.as_str(), "POST" | "PATCH") && asked.path.ends_with("/messages")
            || asked.path.ends_with("/threads")
    };
    world.record.requests.iter().filter(posted).count()
}

async fn dies_and_goes_on(url: Option<&str>, kills: u64) {
    let mut trial = Trial::new(url);
    let busy = trial.kill(kills).await;
    let settled = trial.settle().await;
    let _shown = ShownOnFailure(&trial.discord);
    trial.check(&settled);
    println!(
        "{kills} kills, {busy} of them after it had posted; {} mentions, {} follow-ups",
        trial.mentions.len(),
        trial.follow_ups.len()
    );
    // Lives that end before anything was done would prove nothing.
    assert!(busy as u64 * 4 >= kills, "only {busy} of {kills} lives came to anything");
}

#[tokio::test]
async fn killed_at_any_moment_it_loses_and_doubles_nothing() {
    dies_and_goes_on(None, KILLS).await;
}

#[tokio::test]
async fn killed_at_any_moment_it_loses_and_doubles_nothing_on_postgres() {
    for fresh in stores::fresh(&Clock::system()).await {
        if fresh.kind == "postgres" {
            fresh.store.close().await;
            dies_and_goes_on(Some(&fresh.url), KILLS_ON_POSTGRES).await;
        }
    }
}

#[tokio::test]
async fn what_is_asked_while_it_is_down_is_answered_once_each() {
    let mut trial = Trial::new(None);
    let bot = trial.start().await;
    trial.discord.wait_ready().await;
    assert_eq!(bot.terminate().await.code(), Some(0));
    for number in 0..12 {
        trial.mention(&format!("what is broken, {number}?"));
    }
    let settled = trial.settle().await;
    let _shown = ShownOnFailure(&trial.discord);
    trial.check(&settled);
    let turns =
        |held: &Held| held.log.iter().filter(|entry| matches!(entry.event, Event::Diagnosed { .. })).count();
    assert!(settled.0.values().all(|held| turns(held) == 1), "one diagnosis each");
}
