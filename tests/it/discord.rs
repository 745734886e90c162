//! Tests of the room `chat/discord`, against the stand-in.

mod catch_up;
mod commands;
mod connection;
mod hearing;
mod showing;
mod trouble;

use std::{path::Path, sync::Arc, time::Duration};

use async_trait::async_trait;
use kubertnetes::{
    chat::{
        Card, Ledger, Names, Platform, Post, Tone,
        discord::{self, Config, Discord, Inlet, Sentence},
    },
    clock::Clock,
    event::{Author, Event, Place},
    finding::Resource,
    redact::Redacted,
    store::{Queues, Store},
};
use tempfile::TempDir;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::support::discord::{Discord as StandIn, Id};

/// Something that came in, with the place of its conversation.
#[derive(Debug, Clone, PartialEq)]
struct Said {
    author: Author,
    text: String,
    about: Option<Resource>,
    place: Place,
}

/// The bot, without anybody who works on what it hears.
struct Bot {
    discord: Discord,
    store: Store,
    stop: CancellationToken,
    run: JoinHandle<Result<(), Sentence>>,
    folder: Arc<TempDir>,
}

fn config(stand_in: &StandIn) -> Config {
    // Another test may have done so.
    let _ = rustls::crypto::ring::default_provider().install_default();
    Config { token: stand_in.token().into(), api: stand_in.api(), ..Config::default() }
}

async fn store(folder: &Path) -> Store {
    let url = format!("sqlite://{}", folder.join("k.db").display());
    Store::connect(&url, 2, Clock::system()).await.unwrap()
}

fn names() -> Arc<dyn Names> {
    Arc::new(Cluster { slow: Duration::ZERO })
}

/// A cluster with a few names.
struct Cluster {
    slow: Duration,
}

/// Tells whom it was asked about.
pub struct Spent;

#[async_trait]
impl Ledger for Spent {
    async fn today(&self, person: &str) -> Redacted {
        Redacted::new(format!("{person}: 3 replies"))
    }
}

#[async_trait]
impl Names for Cluster {
    async fn namespaces(&self, typed: &str, most: usize) -> Vec<String> {
        tokio::time::sleep(self.slow).await;
        let all = ["default", "kube-system", "shop"];
        all.iter().filter(|name| name.contains(typed)).take(most).map(ToString::to_string).collect()
    }

    async fn objects(&self, kind: &str, namespace: Option<&str>, typed: &str, most: usize) -> Vec<String> {
        tokio::time::sleep(self.slow).await;
        let all: &[&str] = match (kind, namespace) {
            ("Pod", Some("shop")) => &["web-1", "web-2", "db-0"],
            ("", Some("shop")) => &["Deployment/web", "StatefulSet/db"],
            _ => &[],
        };
        all.iter().filter(|name| name.contains(typed)).take(most).map(ToString::to_string).collect()
    }
}

impl Bot {
    /// Starts and waits until it listens and has registered its commands.
    async fn start(stand_in: &StandIn) -> Self {
        Self::with(stand_in, |_| {}).await
    }

    async fn with(stand_in: &StandIn, change: impl FnOnce(&mut Config)) -> Self {
        let mut config = config(stand_in);
        change(&mut config);
        let bot = Self::open(&config, Arc::new(tempfile::tempdir().unwrap()), names()).await;
        stand_in.wait_ready().await;
        bot
    }

    async fn open(config: &Config, folder: Arc<TempDir>, names: Arc<dyn Names>) -> Self {
        let discord = Discord::new(config).unwrap();
        let store = store(folder.path()).await;
        let stop = CancellationToken::new();
        let inlet = Inlet {
            store: store.clone(),
            cluster: "practice".into(),
            queues: queues(),
            names,
            ledger: Arc::new(Spent),
        };
        let run = tokio::spawn(discord::run(discord.clone(), inlet, stop.clone()));
        Self { discord, store, stop, run, folder }
    }

    /// Stops as if killed: nothing is finished, nothing is said to Discord.
    async fn kill(mut self, stand_in: &StandIn) -> Arc<TempDir> {
        self.run.abort();
        let _ = (&mut self.run).await;
        // The library's tasks live on for a moment; to Discord the connection is gone.
        self.stop.cancel();
        stand_in.change(|world| {
            world.gateway.forget();
            world.gateway.cut();
        });
        self.store.close().await;
        self.folder.clone()
    }

    /// Everything that came in, oldest conversation first.
    async fn heard(&self) -> Vec<Said> {
        let mut heard = Vec::new();
        for conversation in self.store.conversations("discord", 0, 1000).await.unwrap().into_iter().rev() {
            for entry in self.store.log(&conversation.id, 0).await.unwrap() {
                let Event::UserSaid { author, text, about } = entry.event else { continue };
                heard.push(Said {
                    author,
                    text: text.as_str().into(),
                    about,
                    place: conversation.place.clone(),
                });
            }
        }
        heard
    }

    async fn texts(&self) -> Vec<String> {
        self.heard().await.into_iter().map(|said| said.text).collect()
    }

    /// Waits until so many things came in, and gives them.
    async fn hear(&self, count: usize) -> Vec<Said> {
        let mut heard = Vec::new();
        let enough = async {
            loop {
                heard = self.heard().await;
                if heard.len() >= count {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        let in_time = tokio::time::timeout(Duration::from_secs(30), enough).await.is_ok();
        assert!(in_time && heard.len() == count, "wanted {count}, heard {heard:#?}");
        heard
    }

    /// Opens the thread of a conversation that came in, as delivery does.
    async fn open_thread(&self, said: &Said) -> Id {
        let thread = self.discord.open(&said.place, &Redacted::new(&said.text)).await.unwrap();
        let id = self.conversation(said).await;
        self.store.opened(&id, &thread).await.unwrap();
        thread.parse().unwrap()
    }

    async fn conversation(&self, said: &Said) -> kubertnetes::event::ConversationId {
        let all = self.store.conversations("discord", 0, 1000).await.unwrap();
        all.into_iter().find(|known| known.place.origin == said.place.origin).unwrap().id
    }
}

impl Drop for Bot {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

fn queues() -> Queues {
    Queues { turn: "turns".into(), deliver: Some("discord".into()) }
}

fn text(id: Id) -> String {
    id.to_string()
}

fn post(text: &str) -> Post {
    Post {
        key: "1/answer".into(),
        text: Redacted::new(text),
        card: None,
        files: Vec::new(),
        buttons: Vec::new(),
        live: false,
    }
}

fn card(text: &str) -> Card {
    Card { text: Redacted::new(text), footer: Redacted::new("2 s"), tone: Tone::Bad }
}
