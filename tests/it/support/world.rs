//! A conversation from end to end without a network: a scripted model that checks every prompt, eyes that see the same
//! thing every time, a platform that remembers. Can be cut off like a process by a power cut.

use std::{
    collections::BTreeMap,
    future::Future,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use kubertnetes::{
    agent::{Agent, Config, eyes::Eyes, scope::Question},
    chat::{Fault, Limits, Platform, Post, deliver::Delivery},
    clock::Clock,
    event::{Author, CallId, ConversationId, Look, Place, ToolCall, Usage, rests},
    finding::{Confidence, Evidence, Finding, FindingId, Resource, Severity},
    llm::{Live, Message, Model, ModelError, Prompt, Reply, ToolSpec},
    redact::{Redacted, RedactedJson},
    store::{Incoming, Queues, Received, Spot, Store},
    tools::{Answer, Kept, Lent, Toolbox, read_output},
    worker::{Binding, Worker},
};
use serde_json::json;

/// How long a lane stays claimed after a cut.
const LEASE: Duration = Duration::from_secs(10);

pub struct World {
    pub store: Store,
    pub clock: Clock,
    pub platform: Arc<Recorder>,
    pub model: Arc<Scripted>,
    eyes: Arc<SameEyes>,
    origin: String,
    turns: Worker,
    deliveries: Worker,
}

impl World {
    /// A world of its own, in a database that it may share with others: `origin` tells them apart.
    pub fn new(store: &Store, clock: &Clock, origin: &str) -> Self {
        let platform = Arc::new(Recorder::default());
        let model = Arc::new(Scripted::default());
        let eyes = Arc::new(SameEyes::default());
        let agent = Agent {
            store: store.clone(),
            model: model.clone(),
            eyes: eyes.clone(),
            live: Arc::new(()),
            config: Config::default(),
        };
        let delivery = Delivery::new(store.clone(), platform.clone(), Duration::from_millis(1500));
        let turns = vec![Binding { queue: "turn".into(), work: Arc::new(agent), at_once: 4 }];
        let deliveries = vec![Binding { queue: "deliver".into(), work: Arc::new(delivery), at_once: 4 }];
        let config = kubertnetes::worker::Config {
            lease_ms: u64::try_from(LEASE.as_millis()).unwrap(),
            ..kubertnetes::worker::Config::default()
        };
        let turns = Worker::new(store.clone(), config.clone(), turns);
        let deliveries = Worker::new(store.clone(), config, deliveries);
        Self {
            store: store.clone(),
            clock: clock.clone(),
            platform,
            model,
            eyes,
            origin: origin.into(),
            turns,
            deliveries,
        }
    }

    /// What every look shows besides.
    pub fn eyes_see(&self, text: &str) {
        *self.eyes.besides.lock().unwrap() = text.to_owned();
    }

    /// Ana says something in the channel, by a message that begins the conversation or in its thread.
    pub async fn ana_says(&self, message: &str, text: &str) -> ConversationId {
        let mut said = said(&format!("{}/{message}", self.origin), text);
        said.spot = Spot::Channel { channel: "general".into(), origin: self.origin.clone() };
        match self.store.receive(&said).await.unwrap() {
            Received::Taken(id) | Received::Known(id) => id,
            Received::NotForUs => panic!("not taken in"),
        }
    }

    /// Works until nothing is left to do, letting leases and pauses run out by turning the clock.
    pub async fn settle(&self, conversation: &ConversationId) {
        for _ in 0..200 {
            while self.turns.step().await.unwrap() || self.deliveries.step().await.unwrap() {}
            let jobs = self.store.jobs().await.unwrap();
            if rests(&self.store.log(conversation, 0).await.unwrap())
                && jobs.iter().all(|(_, s, _)| s == "failed")
            {
                return;
            }
            self.clock.advance(LEASE + Duration::from_secs(1));
            self.store.rescue().await.unwrap();
        }
        panic!("does not settle: {:?}\n{}", self.store.jobs().await.unwrap(), self.print(conversation).await);
    }

    /// Works, posting while a turn goes on, until nothing is due or `cut` resolves, whichever is first; gives whether
    /// it was cut off.
    pub async fn work_until(&self, cut: impl Future<Output = ()>) -> bool {
        let turns = async { while self.turns.step().await.unwrap() {} };
        let deliveries = async {
            // Live posts may be edited once the clock has moved on.
            for _ in 0..20 {
                while self.deliveries.step().await.unwrap() {}
                self.clock.advance(Duration::from_millis(200));
            }
        };
        let work = async {
            futures::join!(turns, deliveries);
        };
        tokio::select! {
            biased;
            () = cut => true,
            () = work => false,
        }
    }

    /// Resolves when the log has grown `times` times from now.
    pub async fn growths(&self, conversation: &ConversationId, times: usize) {
        let mut watch = self.store.watch(conversation);
        for _ in 0..times {
            watch.grown().await;
        }
    }

    /// The whole world as one text.
    pub async fn print(&self, conversation: &ConversationId) -> String {
        let mut out = String::new();
        for entry in self.store.log(conversation, 0).await.unwrap() {
            let mut event = serde_json::to_value(&entry.event).unwrap();
            if event.get("took_ms").is_some() {
                event["took_ms"] = json!(0);
            }
            out += &format!("{} {event}\n", entry.seq);
        }
        (out + &self.platform.print()).replace(&self.origin, "origin")
    }
}

pub fn said(message: &str, text: &str) -> Incoming {
    Incoming {
        platform: "recorder".into(),
        message: message.into(),
        spot: Spot::Channel { channel: "general".into(), origin: "m1".into() },
        author: Author { id: "u1".into(), name: Redacted::new("ana"), roles: vec![] },
        text: Redacted::new(text),
        about: None,
        addressed: true,
        cluster: "test".into(),
        queues: Queues { turn: "turn".into(), deliver: Some("deliver".into()) },
    }
}

/// The fault that the tests' eyes see.
pub fn fault() -> Finding {
    Finding {
        id: FindingId("f1".into()),
        code: "image_tag_not_found".into(),
        severity: Severity::Critical,
        confidence: Confidence::Certain,
        resource: Resource::namespaced("Deployment", "shop", "web"),
        container: Some("app".into()),
        seen_on: vec![Resource::namespaced("Pod", "shop", "web-1")],
        summary: Redacted::new("`web` asks for the image tag `v2`, which does not exist."),
        evidence: vec![Evidence::new("event", "manifest for web:v2 not found")],
        fix: None,
        because_of: vec![],
    }
}

/// Sees one fault, and carries out any call of `look`.
#[derive(Default)]
struct SameEyes {
    besides: Mutex<String>,
}

#[async_trait]
impl Eyes for SameEyes {
    async fn scan(&self, _: &Question) -> Result<(Look, Vec<Finding>), Redacted> {
        tokio::task::yield_now().await;
        Ok((Look { cluster: Redacted::new("test"), ..Look::default() }, vec![fault()]))
    }

    async fn call(&self, call: &ToolCall, kept: &Arc<dyn Kept>) -> Answer {
        tokio::task::yield_now().await;
        if call.tool == read_output::NAME {
            let lent = Lent { cluster: Arc::new(super::cluster::practice()), kept: kept.clone() };
            return Toolbox::standard().call(call, &lent).await;
        }
        if call.tool == "look" {
            let output = Redacted::new(format!("output of {} {}", call.id, self.besides.lock().unwrap()));
            Answer { ok: true, output, gist: Redacted::new("looked") }
        } else {
            Answer::refused("there is no such tool")
        }
    }

    fn specs(&self) -> Vec<ToolSpec> {
        vec![ToolSpec { name: "look", description: "Looks.".into(), schema: json!({ "type": "object" }) }]
    }
}

/// A pure function of the prompt, so that a turn that is taken up again gets the reply that it would have got: two
/// calls (one of a tool that does not exist), one more, then the report. A follow-up is answered in words.
#[derive(Default)]
pub struct Scripted {
    /// Whether it is overloaded.
    pub unavailable: std::sync::atomic::AtomicBool,
    /// What it looks for in the output that it gets, and says in place of a report: a pattern, and the id to look
    /// by where it is not the one that stands in the output.
    pub searches: Mutex<Option<(String, Option<String>)>>,
    pub prompts: Mutex<Vec<Prompt>>,
}

#[async_trait]
impl Model for Scripted {
    fn name(&self) -> &str {
        "scripted"
    }

    async fn complete(&self, prompt: &Prompt, _: &dyn Live) -> Result<Reply, ModelError> {
        tokio::task::yield_now().await;
        check_prompt(prompt);
        if self.unavailable.load(Ordering::SeqCst) {
            let reason = Redacted::new("overloaded");
            return Err(ModelError::Unavailable { model: "scripted".into(), reason, retry_after: None });
        }
        self.prompts.lock().unwrap().push(prompt.clone());
        let call = |id: &str, tool: &str, args| ToolCall {
            id: CallId(id.into()),
            tool: tool.into(),
            args: RedactedJson::new(args),
        };
        let searches = self.searches.lock().unwrap().clone();
        let latest = prompt.messages.iter().rev().find_map(|message| match message {
            Message::Tool { output, .. } => Some(output.to_string()),
            _ => None,
        });
        let reported = prompt
            .messages
            .iter()
            .any(|m| matches!(m, Message::Tool { output, .. } if &**output == "Posted."));
        let replies = prompt.messages.iter().filter(|m| matches!(m, Message::Model { .. })).count();
        if let (Some((pattern, id)), Some(latest)) = (searches, latest) {
            let named = || regex::Regex::new("`read_output`, id `([^`]+)`").unwrap().captures(&latest);
            let id = id.unwrap_or_else(|| named().map_or(String::new(), |found| found[1].to_owned()));
            let (text, calls) = match replies {
                1 => ("", vec![call("c1", "read_output", json!({"id": id, "grep": pattern}))]),
                _ => (latest.as_str(), vec![]),
            };
            return Ok(Reply { text: Redacted::new(text), calls, ..Reply::default() });
        }
        let (text, calls) = match replies {
            _ if self.searches.lock().unwrap().is_some() => ("", vec![call("c0", "look", json!({}))]),
            _ if reported => ("As I said above.", vec![]),
            0 => ("looking", vec![call("c1", "look", json!({})), call("c2", "nonsense", json!({}))]),
            1 => ("", vec![call("c3", "look", json!({"once": "more"}))]),
            2 => ("", vec![call("c5", "look", json!({"and": "again"}))]),
            _ => {
                let cause = json!({"resource": "Deployment/shop/web", "summary": "The tag `v2` is wrong.", "rests_on": ["f1", "c1"]});
                (
                    "",
                    vec![call(
                        "c4",
                        "report",
                        json!({"summary": "`web` is down because of its tag.", "causes": [cause]}),
                    )],
                )
            }
        };
        let usage = Usage { input: 10, output: 1, ..Usage::default() };
        Ok(Reply { text: Redacted::new(text), calls, usage, ..Reply::default() })
    }
}

/// Every call is answered right after the reply that made it, once, and by nothing else.
pub fn check_prompt(prompt: &Prompt) {
    let mut messages = prompt.messages.iter().peekable();
    while let Some(message) = messages.next() {
        match message {
            Message::Model { calls, .. } => {
                for call in calls {
                    match messages.next() {
                        Some(Message::Tool { call: answered, .. }) if *answered == call.id => {}
                        other => panic!("call {} is followed by {other:?} in {prompt:#?}", call.id),
                    }
                }
            }
            Message::Tool { call, .. } => {
                panic!("{call} is answered without having been made in {prompt:#?}")
            }
            Message::User(_) | Message::Scan { .. } => {}
        }
    }
    assert!(!prompt.messages.is_empty(), "an empty prompt");
    assert!(
        !matches!(prompt.messages.last(), Some(Message::Model { .. })),
        "nothing new since the last reply"
    );
}

/// A platform that remembers what it shows. It takes a nonce once, as Discord does for some minutes.
#[derive(Default)]
pub struct Recorder {
    shows: Mutex<Shows>,
    operations: AtomicUsize,
    /// The operation after whose effect its caller never hears from it.
    pub silent_after: AtomicUsize,
    silenced: tokio::sync::Notify,
    /// Forget nonces: more than some minutes have passed.
    pub forgets_nonces: std::sync::atomic::AtomicBool,
}

#[derive(Default)]
struct Shows {
    opened: Vec<String>,
    posts: Vec<(String, String)>,
    nonces: BTreeMap<String, String>,
}

impl Recorder {
    /// Resolves when the operation of `silent_after` had its effect.
    pub async fn silence(&self) {
        self.silenced.notified().await;
    }

    pub fn operations(&self) -> usize {
        self.operations.load(Ordering::SeqCst)
    }

    pub fn posts(&self) -> Vec<String> {
        self.shows.lock().unwrap().posts.iter().map(|(_, text)| text.clone()).collect()
    }

    fn print(&self) -> String {
        let shows = self.shows.lock().unwrap();
        let mut out = format!("opened {:?}\n", shows.opened);
        for (id, text) in &shows.posts {
            out += &format!("post {id}: {text}\n");
        }
        out
    }

    /// After its effect, the operation that is to be silent never returns.
    async fn effect_done(&self) {
        let n = self.operations.fetch_add(1, Ordering::SeqCst) + 1;
        if n == self.silent_after.load(Ordering::SeqCst) {
            self.silenced.notify_one();
            std::future::pending::<()>().await;
        }
    }
}

#[async_trait]
impl Platform for Recorder {
    fn name(&self) -> &'static str {
        "recorder"
    }

    fn limits(&self) -> Limits {
        Limits { text: 2000, card: 4096, title: 100 }
    }

    async fn open(&self, place: &Place, title: &Redacted) -> Result<String, Fault> {
        {
            let mut shows = self.shows.lock().unwrap();
            let name = format!("{} {title}", place.origin);
            if !shows.opened.contains(&name) {
                shows.opened.push(name);
            }
        }
        self.effect_done().await;
        Ok(place.origin.clone())
    }

    async fn create(&self, _: &str, nonce: &str, post: &Post) -> Result<String, Fault> {
        assert!(nonce.len() <= 25);
        let id = {
            let mut shows = self.shows.lock().unwrap();
            let known =
                shows.nonces.get(nonce).filter(|_| !self.forgets_nonces.load(Ordering::SeqCst)).cloned();
            known.unwrap_or_else(|| {
                let id = format!("p{}", shows.posts.len() + 1);
                shows.posts.push((id.clone(), shown(post)));
                shows.nonces.insert(nonce.to_owned(), id.clone());
                id
            })
        };
        self.effect_done().await;
        Ok(id)
    }

    async fn edit(&self, _: &str, id: &str, post: &Post) -> Result<(), Fault> {
        {
            let mut shows = self.shows.lock().unwrap();
            let there = shows.posts.iter_mut().find(|(there, _)| there == id).ok_or(Fault::Gone)?;
            there.1 = shown(post);
        }
        self.effect_done().await;
        Ok(())
    }

    async fn own_posts(&self, _: &str, after: Option<&str>) -> Result<Vec<String>, Fault> {
        assert!(after.is_none());
        Ok(self.shows.lock().unwrap().posts.iter().map(|(id, _)| id.clone()).collect())
    }

    async fn typing(&self, _: &str) -> Result<(), Fault> {
        Ok(())
    }

    async fn tell(&self, _: &Place, _: &str, _: &Redacted) -> Result<(), Fault> {
        Ok(())
    }
}

/// The post without what depends on when it was made.
fn shown(post: &Post) -> String {
    let card = post.card.as_ref().map(|card| format!(" [{}]", card.text)).unwrap_or_default();
    let times = regex::Regex::new(r"\d+\.\d s").unwrap();
    times.replace_all(&format!("{}{card}", post.text), "# s").into_owned()
}
