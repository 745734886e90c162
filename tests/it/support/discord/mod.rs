//! A stand-in for Discord: its gateway and the part of its REST API that we use, on real sockets of this machine, so
//! that it serves the library in the test's process and the program in its own alike. Knows nothing of our code.
//!
//! ```ignore
//! let discord = Discord::start();
//! let home = discord.home();
//! // … a bot that was given discord.api() and discord.token() …
//! discord.wait_ready().await;
//! discord.user_says(home.channel, home.person, &format!("{} why is the page down?", discord.mention()));
//! discord.wait_until("an answer", |world| world.threads().any(|thread| world.posts(thread.id).count() > 1)).await;
//! println!("{}", discord.render(thread));
//! discord.assert_faithful();
//! ```
// Each test uses a part of it.
#![allow(dead_code)]

mod acts;
mod builder;
pub mod clock;
pub mod faults;
pub mod gateway;
mod http;
pub mod interactions;
mod limits;
mod line;
pub mod message;
mod mischief;
mod multipart;
mod objects;
pub mod people;
pub mod permission;
mod rates;
pub mod record;
mod render;
mod rest;
pub mod server;
mod spec;
pub mod world;

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc},
    thread::JoinHandle,
    time::Duration,
};

use tokio::{
    net::TcpListener,
    sync::{oneshot, watch},
};

pub use self::{
    builder::{Builder, Settings},
    clock::Id,
    faults::Effect,
    message::Message,
    record::Recorded,
    server::Home,
    world::{Channel, World},
};

/// How long a test waits for something, unless it says otherwise.
const PATIENCE: Duration = Duration::from_secs(30);

/// The world, and the wake-up of those who wait for it to change.
#[derive(Debug)]
struct Shared {
    world: Mutex<World>,
    changed: watch::Sender<u64>,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, World> {
        // A test that failed while it held the world must not hide why.
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change<R>(&self, act: impl FnOnce(&mut World) -> R) -> R {
        let result = act(&mut self.lock());
        self.changed.send_modify(|version| *version += 1);
        result
    }
}

/// A running stand-in. It ends when this is dropped; if something went over the wire that must not and the test did
/// not look at [`Discord::violations`], it panics then.
#[derive(Debug)]
pub struct Discord {
    shared: Arc<Shared>,
    rest: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Discord {
    pub fn start() -> Self {
        Self::builder().start()
    }

    pub fn builder() -> Builder {
        Builder::default()
    }

    /// It has a thread of its own, so that a test may block or stop its clock.
    fn open(settings: Settings) -> Self {
        let (started, start) = mpsc::channel();
        let (stop, stopped) = oneshot::channel();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async move {
                let rest = TcpListener::bind("127.0.0.1:0").await.unwrap();
                let gateway = TcpListener::bind("127.0.0.1:0").await.unwrap();
                let address = rest.local_addr().unwrap();
                let gateway_url = format!("ws://{}", gateway.local_addr().unwrap());
                let world = World::new(settings, format!("http://{address}"), gateway_url);
                let shared = Arc::new(Shared { world: Mutex::new(world), changed: watch::Sender::new(0) });
                started.send((address, Arc::clone(&shared))).unwrap();
                tokio::select! {
                    () = http::serve(Arc::clone(&shared), rest) => {}
                    () = gateway::listen(shared, gateway) => {}
                    _ = stopped => {}
                }
            });
        });
        let (rest, shared) = start.recv().unwrap();
        Self { shared, rest, stop: Some(stop), thread: Some(thread) }
    }

    /// The base of the REST API, what the program is given as `KUBERT_DISCORD__API`.
    pub fn api(&self) -> String {
        format!("http://{}", self.rest)
    }

    pub fn token(&self) -> String {
        self.read(|world| world.settings.token.clone())
    }

    /// The id of the bot's user and of its application.
    pub fn bot(&self) -> Id {
        self.read(|world| world.bot)
    }

    /// Looks at the world. Do not call the stand-in inside.
    pub fn read<R>(&self, look: impl FnOnce(&World) -> R) -> R {
        look(&self.shared.lock())
    }

    /// Changes the world by hand. Do not call the stand-in inside.
    pub fn change<R>(&self, act: impl FnOnce(&mut World) -> R) -> R {
        self.shared.change(act)
    }

    /// Waits until the world is so; panics with a picture of it if that takes too long.
    pub async fn wait_until(&self, what: &str, is_so: impl FnMut(&World) -> bool) {
        self.wait_at_most(PATIENCE, what, is_so).await;
    }

    pub async fn wait_at_most(&self, most: Duration, what: &str, mut is_so: impl FnMut(&World) -> bool) {
        let mut changed = self.shared.changed.subscribe();
        let waiting = async {
            while !self.read(&mut is_so) {
                changed.changed().await.unwrap();
            }
        };
        if tokio::time::timeout(most, waiting).await.is_err() {
            panic!("waited {most:?} for {what}\n{}", self.picture());
        }
    }

    /// Waits until the bot listens on the gateway.
    pub async fn wait_ready(&self) {
        self.wait_until("the bot to be on the gateway", |world| world.gateway.listening() > 0).await;
    }

    /// All channels and the last requests, for the message of a test that fails.
    pub fn picture(&self) -> String {
        self.read(|world| {
            let channels: String = world.channels.keys().map(|id| world.render(*id)).collect();
            let requests = world.record.requests.iter().rev().take(15).rev();
            let requests: String = requests
                .map(|asked| format!("{} {} → {}\n", asked.method, asked.path, asked.status))
                .collect();
            format!("{channels}── last requests\n{requests}")
        })
    }

    /// A channel or thread as a person sees it.
    pub fn render(&self, channel: Id) -> String {
        self.read(|world| world.render(channel))
    }

    /// All threads, oldest first.
    pub fn threads(&self) -> Vec<Channel> {
        self.read(|world| world.threads().cloned().collect())
    }

    /// The messages of a channel or thread, oldest first.
    pub fn messages(&self, channel: Id) -> Vec<Message> {
        self.read(|world| world.messages(channel).cloned().collect())
    }

    /// What the bot posted in a channel or thread, oldest first.
    pub fn posts(&self, channel: Id) -> Vec<Message> {
        self.read(|world| world.posts(channel).cloned().collect())
    }

    /// All requests so far.
    pub fn requests(&self) -> Vec<Recorded> {
        self.read(|world| world.record.requests.clone())
    }

    /// Moves the stand-in's clock on, which the windows of nonces, interactions and rate limits go by.
    pub fn advance(&self, by: Duration) {
        self.change(|world| world.clock.advance(by));
    }

    /// What went over the wire and must not: what the specification does not allow, in requests, answers and events,
    /// and what a careful bot does not do.
    pub fn violations(&self) -> Vec<String> {
        self.hold_against_spec();
        self.change(|world| {
            world.record.seen = world.record.violations.len();
            world.record.violations.clone()
        })
    }

    fn hold_against_spec(&self) {
        let checks = self.change(|world| std::mem::take(&mut world.record.checks));
        if checks.is_empty() {
            return;
        }
        // Not under the lock: it may take a while.
        if let Some(spec) = spec::spec() {
            let found: Vec<_> = checks.iter().flat_map(|check| spec.faults(check)).collect();
            self.change(|world| world.record.violations.extend(found));
        }
    }

    /// Panics if there are violations.
    pub fn assert_faithful(&self) {
        let violations = self.violations();
        assert!(violations.is_empty(), "violations:\n{}", violations.join("\n"));
    }
}

impl Drop for Discord {
    fn drop(&mut self) {
        drop(self.stop.take());
        self.thread.take().map(JoinHandle::join);
        if !std::thread::panicking() {
            self.hold_against_spec();
            let unseen = self.read(|world| world.record.violations[world.record.seen..].join("\n"));
            assert!(unseen.is_empty(), "violations that the test did not look at:\n{unseen}");
        }
    }
}
