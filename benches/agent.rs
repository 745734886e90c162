//! What a step of a turn costs that is neither model nor API server, and how many tokens a model reads until it has an
//! answer: `cargo bench --bench agent [-- FOLDER]` plays the recorded faults of a folder with a model that looks three
//! times, as a reasonable one would, and then reports what the rules know. The database is SQLite in a temporary folder.
#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::cast_precision_loss, missing_docs)]

use std::{
    path::PathBuf,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use async_trait::async_trait;
use kubertnetes::{
    agent::{
        Agent, Config,
        eyes::{ClusterEyes, Eyes},
        rules::Rules,
        scope::Question,
    },
    clock::Clock,
    cluster::Cluster,
    event::{Author, CallId, ConversationId, Event, Look, ToolCall},
    finding::Finding,
    llm::{Live, Message, Model, ModelError, Prompt, Reply, ToolSpec},
    redact::{Redacted, RedactedJson},
    store::{Incoming, Queues, Received, Spot, Store},
    tools::{Answer, Kept, Toolbox},
    worker::{Binding, Worker},
};
use serde_json::json;

/// When something that is not ours was under way.
type Elsewhere = Arc<Mutex<Vec<(Instant, Instant)>>>;

/// Looks at the pods, at the first fault's object and at its log; then answers as `rules` does.
struct Reasonable {
    elsewhere: Elsewhere,
    prompts: Mutex<Vec<usize>>,
}

#[async_trait]
impl Model for Reasonable {
    fn name(&self) -> &str {
        "reasonable"
    }

    async fn complete(&self, prompt: &Prompt, live: &dyn Live) -> Result<Reply, ModelError> {
        let began = Instant::now();
        self.prompts.lock().unwrap().push(tokens(prompt));
        let replies = prompt.messages.iter().filter(|m| matches!(m, Message::Model { .. })).count();
        let scan = prompt.messages.iter().rev().find_map(|message| match message {
            Message::Scan { look, findings, .. } => Some((look, findings)),
            _ => None,
        });
        let commands = scan.map_or_else(Vec::new, |(look, findings)| looks(replies, look, findings));
        let reply = if commands.is_empty() {
            Rules.complete(prompt, live).await
        } else {
            let calls = commands.into_iter().enumerate().map(|(n, command)| ToolCall {
                id: CallId(format!("b{replies}-{n}")),
                tool: "kubectl".into(),
                args: RedactedJson::new(json!({ "command": command })),
            });
            Ok(Reply { calls: calls.collect(), ..Reply::default() })
        };
        self.elsewhere.lock().unwrap().push((began, Instant::now()));
        reply
    }
}

fn looks(step: usize, look: &Look, findings: &[Finding]) -> Vec<String> {
    let object = findings.first().map(|finding| &finding.resource).or(look.about.first());
    let Some(object) = object else { return Vec::new() };
    let Some(namespace) = &object.namespace else { return Vec::new() };
    let pod = findings.iter().flat_map(|finding| &finding.seen_on).find(|object| object.kind == "Pod");
    match (step, pod) {
        (0, _) => vec![format!("get pods -n {namespace} -o wide"), format!("events -n {namespace}")],
        (1, _) => vec![format!("describe {} {} -n {namespace}", object.kind.to_lowercase(), object.name)],
        (2, Some(pod)) => vec![format!("logs {} -n {namespace} --all-containers --tail=100", pod.name)],
        _ => Vec::new(),
    }
}

/// What a prompt has, as OpenAI's models count.
fn tokens(prompt: &Prompt) -> usize {
    let bpe = tiktoken_rs::o200k_base_singleton();
    let count = |text: &str| bpe.encode_ordinary(text).len();
    let tools = prompt.tools.iter().map(|tool| count(&tool.description) + count(&tool.schema.to_string()));
    let messages = prompt.messages.iter().map(|message| match message {
        Message::User(text) | Message::Scan { text, .. } => count(text),
        Message::Model { text, calls, .. } => {
            count(text) + calls.iter().map(|call| count(&call.args.to_string())).sum::<usize>()
        }
        Message::Tool { output, .. } => count(output),
    });
    count(&prompt.system) + tools.sum::<usize>() + messages.sum::<usize>()
}

/// Eyes whose time is not ours.
struct Timed {
    eyes: ClusterEyes,
    elsewhere: Elsewhere,
}

#[async_trait]
impl Eyes for Timed {
    async fn scan(&self, question: &Question) -> Result<(Look, Vec<Finding>), Redacted> {
        let began = Instant::now();
        let seen = self.eyes.scan(question).await;
        self.elsewhere.lock().unwrap().push((began, Instant::now()));
        seen
    }

    async fn call(&self, call: &ToolCall, kept: &Arc<dyn Kept>) -> Answer {
        let began = Instant::now();
        let answer = self.eyes.call(call, kept).await;
        self.elsewhere.lock().unwrap().push((began, Instant::now()));
        answer
    }

    fn specs(&self) -> Vec<ToolSpec> {
        self.eyes.specs()
    }
}

/// One question, from what is said to the end of its turn.
struct Played {
    name: String,
    prompts: Vec<usize>,
    /// The time between one thing that is not ours and the next.
    ours: Vec<Duration>,
    doubts: usize,
}

async fn play(name: String, cluster: Cluster, question: &str) -> Played {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}/bench.db", folder.path().display());
    let store = Store::connect(&url, 4, Clock::system()).await.unwrap();
    let elsewhere = Elsewhere::default();
    let model = Arc::new(Reasonable { elsewhere: elsewhere.clone(), prompts: Mutex::default() });
    let eyes = ClusterEyes::new(Arc::new(cluster), Toolbox::standard());
    let agent = Agent {
        store: store.clone(),
        model: model.clone(),
        eyes: Arc::new(Timed { eyes, elsewhere: elsewhere.clone() }),
        live: Arc::new(()),
        config: Config::default(),
    };
    let binding = Binding { queue: "turn".into(), work: Arc::new(agent), at_once: 1 };
    let worker = Worker::new(store.clone(), kubertnetes::worker::Config::default(), vec![binding]);
    let began = Instant::now();
    let conversation = said(&store, question).await;
    while worker.step().await.unwrap() {}
    let ended = Instant::now();
    let log = store.log(&conversation, 0).await.unwrap();
    let doubts = log.iter().filter(|entry| match &entry.event {
        Event::Doubted { .. } => true,
        Event::Diagnosed { diagnosis, .. } => !diagnosis.doubts.is_empty(),
        _ => false,
    });
    let ours = between(&elsewhere.lock().unwrap(), began, ended);
    let prompts = model.prompts.lock().unwrap().clone();
    Played { name, prompts, ours, doubts: doubts.count() }
}

async fn said(store: &Store, question: &str) -> ConversationId {
    let incoming = Incoming {
        platform: "bench".into(),
        message: "m".into(),
        spot: Spot::Channel { channel: "c".into(), origin: "m".into() },
        author: Author { id: "u".into(), name: Redacted::new("Ana"), roles: vec![] },
        text: Redacted::new(question),
        about: None,
        addressed: true,
        cluster: "bench".into(),
        queues: Queues { turn: "turn".into(), deliver: None },
    };
    let Received::Taken(conversation) = store.receive(&incoming).await.unwrap() else {
        panic!("not taken in")
    };
    conversation
}

/// What is left between spans, those that overlap taken as one.
fn between(spans: &[(Instant, Instant)], began: Instant, ended: Instant) -> Vec<Duration> {
    let mut spans = spans.to_vec();
    spans.sort();
    let mut gaps = Vec::new();
    let mut until = began;
    for (from, to) in spans {
        if from > until {
            gaps.push(from - until);
        }
        until = until.max(to);
    }
    gaps.push(ended - until);
    gaps
}

fn scenarios(folder: &PathBuf) -> Vec<(String, PathBuf, String)> {
    let mut found: Vec<_> = std::fs::read_dir(folder)
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| {
            let text = std::fs::read_to_string(entry.path().join("scenario.yaml")).ok()?;
            let question = text.lines().find_map(|line| line.strip_prefix("question:"))?;
            let question = question.trim().trim_matches(['"', '\'']).to_owned();
            Some((entry.file_name().to_string_lossy().into_owned(), entry.path(), question))
        })
        .collect();
    found.sort();
    found
}

#[tokio::main]
async fn main() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let given = std::env::args().skip(1).find(|argument| !argument.starts_with("--"));
    let folder = given.map_or_else(
        || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/scenarios")),
        PathBuf::from,
    );
    let practice = kubertnetes::cluster::Config { demo: true, ..Default::default() };
    let practice = Cluster::connect(&practice).await.unwrap();
    let mut all = vec![play("practice cluster".into(), practice, "Why is the page down?").await];
    for (name, path, question) in scenarios(&folder) {
        let config = kubertnetes::cluster::Config { snapshot: Some(path), ..Default::default() };
        all.push(play(name, Cluster::connect(&config).await.unwrap(), &question).await);
    }
    println!("{:<44} {:>5} {:>13} {:>13}", "question", "steps", "first prompt", "all prompts");
    for played in &all {
        let (first, sum) =
            (played.prompts.first().copied().unwrap_or_default(), played.prompts.iter().sum::<usize>());
        println!("{:<44} {:>5} {:>13} {:>13}", played.name, played.prompts.len(), first, sum);
    }
    let steps: usize = all.iter().map(|played| played.prompts.len()).sum();
    let tokens: usize = all.iter().flat_map(|played| &played.prompts).sum();
    let doubts: usize = all.iter().map(|played| played.doubts).sum();
    let mut ours: Vec<Duration> = all.iter().flat_map(|played| played.ours.clone()).collect();
    ours.sort();
    let at = |percent: usize| ours[(ours.len() - 1) * percent / 100];
    println!(
        "\n{} questions: {} tokens and {:.1} steps each, {doubts} answers doubted",
        all.len(),
        tokens / all.len(),
        steps as f64 / all.len() as f64
    );
    println!(
        "time per step that is ours: p50 {:.2?}, p99 {:.2?}, longest {:.2?} ({} steps)",
        at(50),
        at(99),
        at(100),
        ours.len()
    );
}
