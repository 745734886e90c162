//! Tests of the room `agent`: turns of a model that is a function of its prompt, on eyes that see one fault.

mod answers;
mod budgets;
mod prompts;

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use kubertnetes::{
    agent::{Agent, Config, eyes::Eyes, scope::Question},
    clock::Clock,
    event::{CallId, ConversationId, Diagnosis, Entry, Event, Look, ToolCall, Usage, rests},
    finding::Finding,
    llm::{Live, Model, ModelError, Prompt, Reply, ToolSpec},
    redact::{Redacted, RedactedJson},
    store::{Received, Store},
    tools::{Answer, Kept, Toolbox},
    worker::{Binding, Worker},
};
use serde_json::{Value, json};

use crate::support::{
    stores::{Fresh, fresh_sqlite},
    world::{check_prompt, fault, said},
};

type Play = dyn Fn(&Prompt, usize) -> Result<Reply, ModelError> + Send + Sync;
type See = dyn Fn(&ToolCall) -> Answer + Send + Sync;

/// A model that is a function of its prompt and of how often it was asked.
struct Playing {
    play: Box<Play>,
    prompts: Mutex<Vec<Prompt>>,
}

#[async_trait]
impl Model for Playing {
    fn name(&self) -> &str {
        "playing"
    }

    async fn complete(&self, prompt: &Prompt, _: &dyn Live) -> Result<Reply, ModelError> {
        check_prompt(prompt);
        let asked = {
            let mut prompts = self.prompts.lock().unwrap();
            prompts.push(prompt.clone());
            prompts.len()
        };
        (self.play)(prompt, asked)
    }
}

/// Eyes that see that `web` cannot start, and what `see` shows.
struct Seeing {
    see: Box<See>,
    /// Calls wait for each other: so many have to be under way at once.
    together: tokio::sync::Barrier,
    calls: Mutex<Vec<String>>,
}

#[async_trait]
impl Eyes for Seeing {
    async fn scan(&self, _: &Question) -> Result<(Look, Vec<Finding>), Redacted> {
        let look = Look { cluster: Redacted::new("test"), ..Look::default() };
        Ok((look, vec![fault()]))
    }

    async fn call(&self, call: &ToolCall, _: &Arc<dyn Kept>) -> Answer {
        self.calls.lock().unwrap().push(call.id.0.clone());
        self.together.wait().await;
        (self.see)(call)
    }

    fn specs(&self) -> Vec<ToolSpec> {
        Toolbox::standard().specs()
    }
}

/// A conversation's agent and what it works with.
struct Desk {
    fresh: Fresh,
    clock: Clock,
    model: Arc<Playing>,
    eyes: Arc<Seeing>,
    worker: Worker,
}

impl Desk {
    async fn new(
        config: Config,
        together: usize,
        see: impl Fn(&ToolCall) -> Answer + Send + Sync + 'static,
        play: impl Fn(&Prompt, usize) -> Result<Reply, ModelError> + Send + Sync + 'static,
    ) -> Self {
        let clock = Clock::standing(1_000_000);
        let fresh = fresh_sqlite(&clock).await;
        let model = Arc::new(Playing { play: Box::new(play), prompts: Mutex::default() });
        let barrier = tokio::sync::Barrier::new(together);
        let eyes = Arc::new(Seeing { see: Box::new(see), together: barrier, calls: Mutex::default() });
        let agent = Agent {
            store: fresh.store.clone(),
            model: model.clone(),
            eyes: eyes.clone(),
            live: Arc::new(()),
            config,
        };
        let turns = Binding { queue: "turn".into(), work: Arc::new(agent), at_once: 1 };
        let worker = Worker::new(fresh.store.clone(), kubertnetes::worker::Config::default(), vec![turns]);
        Self { fresh, clock, model, eyes, worker }
    }

    /// With `web-1 0/1` to see, one call after the other.
    async fn plain(
        play: impl Fn(&Prompt, usize) -> Result<Reply, ModelError> + Send + Sync + 'static,
    ) -> Self {
        Self::new(Config::default(), 1, |_| shows("web-1   0/1   ImagePullBackOff"), play).await
    }

    fn store(&self) -> &Store {
        &self.fresh.store
    }

    /// Says something and works until the conversation rests. Its log.
    async fn ask(&self, message: &str, text: &str) -> Vec<Entry> {
        let mut incoming = said(message, text);
        incoming.queues.deliver = None;
        let (Received::Taken(id) | Received::Known(id)) = self.store().receive(&incoming).await.unwrap()
        else {
            panic!("not taken in")
        };
        self.work(&id).await
    }

    async fn work(&self, id: &ConversationId) -> Vec<Entry> {
        while self.worker.step().await.unwrap() {}
        let log = self.store().log(id, 0).await.unwrap();
        assert!(rests(&log), "{:?} {log:#?}", self.store().jobs().await);
        log
    }

    fn prompts(&self) -> Vec<Prompt> {
        self.model.prompts.lock().unwrap().clone()
    }
}

fn shows(output: &str) -> Answer {
    Answer { ok: true, output: Redacted::new(output), gist: Redacted::new("pods in `shop`: 1") }
}

fn says(text: &str) -> Result<Reply, ModelError> {
    Ok(Reply {
        text: Redacted::new(text),
        usage: Usage { input: 90, output: 10, ..Usage::default() },
        ..Reply::default()
    })
}

fn call(id: &str, tool: &str, args: Value) -> ToolCall {
    ToolCall { id: CallId(id.into()), tool: tool.into(), args: RedactedJson::new(args) }
}

fn calls(calls: Vec<ToolCall>) -> Result<Reply, ModelError> {
    says("").map(|reply| Reply { calls, ..reply })
}

fn looks(id: &str, command: &str) -> ToolCall {
    call(id, "kubectl", json!({ "command": command }))
}

/// A report about `web` with this sentence.
fn reports(id: &str, sentence: &str) -> Result<Reply, ModelError> {
    let cause = json!({ "resource": "Deployment/shop/web", "summary": sentence, "rests_on": ["f1"] });
    calls(vec![call(id, "report", json!({ "summary": "`web` cannot start.", "causes": [cause] }))])
}

fn diagnosis(log: &[Entry]) -> Option<&Diagnosis> {
    log.iter().rev().find_map(|entry| match &entry.event {
        Event::Diagnosed { diagnosis, .. } => Some(diagnosis),
        _ => None,
    })
}

fn failure(log: &[Entry]) -> Option<&str> {
    match &log.last()?.event {
        Event::TurnEnded { failure } => failure.as_ref().map(Redacted::as_str),
        _ => None,
    }
}

fn kinds(log: &[Entry]) -> Vec<&'static str> {
    log.iter().map(|entry| entry.event.kind()).collect()
}
