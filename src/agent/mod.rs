//! Advances a conversation: read the log, take the next step, append what happened, until nothing is left to do.
//! Knows nothing of where the conversation is held.

pub mod digest;
pub mod dossier;
pub mod eyes;
mod outputs;
pub mod prompt;
pub mod relevance;
pub mod report;
pub mod rules;
pub mod scope;
pub mod step;
pub mod transcript;

use std::{collections::BTreeSet, sync::Arc, time::Instant};

use anyhow::Result;
use async_trait::async_trait;
use serde::Deserialize;

use crate::{
    event::{ConversationId, Entry, Event, ToolCall, open_turn, unread},
    llm::{Live, Model, ModelError, Reply},
    redact::Redacted,
    store::{Lease, Store},
    text::words::Words,
    tools,
    worker::{Outcome, Work},
};

use self::{
    eyes::Eyes,
    outputs::Outputs,
    scope::Question,
    step::{Step, is_stop, next_step},
};

/// The section `[agent]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// How many replies of the model one turn may take.
    pub max_replies: usize,
    /// How many bytes of one output a prompt may carry; the whole is kept beside the log.
    pub output_bytes: usize,
    /// How many tries a turn has that gets nowhere, before the person is told.
    pub tries: i64,
}

impl Default for Config {
    fn default() -> Self {
        Self { max_replies: 16, output_bytes: 12_000, tries: 5 }
    }
}

/// Advances conversations about one cluster with one model.
pub struct Agent {
    /// Where the logs are.
    pub store: Store,
    /// Who is asked.
    pub model: Arc<dyn Model>,
    /// How it looks at the cluster.
    pub eyes: Arc<dyn Eyes>,
    /// Who hears replies while they are written.
    pub live: Arc<dyn Live>,
    /// Its limits.
    pub config: Config,
}

#[async_trait]
impl Work for Agent {
    async fn run(&self, lease: &Lease) -> Result<Outcome> {
        let conversation = lease.lane.conversation();
        let mut log = self.store.log(conversation, 0).await?;
        if lease.attempt > self.config.tries && (open_turn(&log).is_some() || !unread(&log).is_empty()) {
            let why = "I failed at this several times in a row; the operator finds the reason in my log. Ask again later.";
            self.end_turn(lease, why).await?;
            return Ok(Outcome::Done);
        }
        loop {
            let after = log.last().map_or(0, |entry| entry.seq);
            log.extend(self.store.log(conversation, after).await?);
            let step = next_step(&log, self.config.max_replies);
            if step == Step::Rest {
                return Ok(Outcome::Done);
            }
            let happened = tokio::select! {
                happened = self.take(step, &log, conversation) => happened?,
                () = self.stop_asked(conversation, &log) => continue,
            };
            match happened {
                Happened::Events(events) => {
                    self.store.append(lease, conversation, &events).await?;
                }
                Happened::Unavailable(error) if lease.attempt >= self.config.tries => {
                    self.end_turn(lease, &format!("{error}. Ask again later, or choose another model."))
                        .await?;
                }
                Happened::Unavailable(error) => {
                    let wait = match &error {
                        ModelError::Unavailable { retry_after, .. } => *retry_after,
                        ModelError::PromptTooLong { .. } | ModelError::Rejected { .. } => None,
                    };
                    return Ok(Outcome::Retry(wait, error.to_string()));
                }
            }
        }
    }
}

/// What came of a step.
enum Happened {
    Events(Vec<Event>),
    /// The model may answer later.
    Unavailable(ModelError),
}

impl Agent {
    async fn take(&self, step: Step, log: &[Entry], conversation: &ConversationId) -> Result<Happened> {
        let event = match step {
            Step::Rest => return Ok(Happened::Events(Vec::new())),
            Step::StartTurn => Event::TurnStarted { model: self.model.name().to_owned() },
            Step::Scan => match self.eyes.scan(&question(log)).await {
                Ok((look, findings)) => Event::ClusterScanned { look, findings },
                Err(why) => Event::TurnEnded { failure: Some(why) },
            },
            Step::AskModel => return self.ask_model(log).await,
            Step::RunTool(call) => self.run_tool(&call, log, conversation).await?,
            Step::EndTurn(failure) => Event::TurnEnded { failure },
        };
        Ok(Happened::Events(vec![event]))
    }

    async fn ask_model(&self, log: &[Entry]) -> Result<Happened> {
        let prompt = prompt::prompt(log, self.eyes.specs());
        let reply = match self.model.complete(&prompt, &*self.live).await {
            Ok(reply) => reply,
            Err(error @ ModelError::Unavailable { .. }) => return Ok(Happened::Unavailable(error)),
            Err(error) => {
                let failure = Some(Redacted::new(error.to_string()));
                return Ok(Happened::Events(vec![Event::TurnEnded { failure }]));
            }
        };
        let read_to = log.last().map_or(0, |entry| entry.seq);
        let Reply { text, calls, usage } = reply;
        let calls = with_ids_of_their_own(calls, log, read_to);
        Ok(Happened::Events(vec![Event::ModelReplied { read_to, text, calls, usage }]))
    }

    async fn run_tool(&self, call: &ToolCall, log: &[Entry], conversation: &ConversationId) -> Result<Event> {
        let began = Instant::now();
        let words = outputs::words(log);
        let answer = if call.tool == tools::report::NAME {
            match report::check(call, log) {
                Ok(diagnosis) => return Ok(Event::Diagnosed { call: call.id.clone(), diagnosis }),
                Err(why) => tools::Answer::refused(why),
            }
        } else {
            self.eyes.call(call, &self.outputs(conversation, words.clone())).await
        };
        let (output, artifact) = if answer.output.len() > self.config.output_bytes {
            let id = self.store.keep(conversation, &answer.output).await?;
            (digest::digest(&answer.output, self.config.output_bytes, &id, &words), Some(id))
        } else {
            (answer.output, None)
        };
        Ok(Event::ToolReturned {
            call: call.id.clone(),
            ok: answer.ok,
            output,
            gist: answer.gist,
            artifact,
            took_ms: u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX),
        })
    }

    fn outputs(&self, conversation: &ConversationId, words: Words) -> Arc<dyn tools::Kept> {
        Arc::new(Outputs {
            store: self.store.clone(),
            conversation: conversation.clone(),
            most_shown: self.config.output_bytes,
            words,
        })
    }

    /// Resolves when somebody asks to stop after what `log` has.
    async fn stop_asked(&self, conversation: &ConversationId, log: &[Entry]) {
        let mut watch = self.store.watch(conversation);
        let mut after = log.last().map_or(0, |entry| entry.seq);
        loop {
            if let Ok(news) = self.store.log(conversation, after).await {
                if news.iter().any(|e| matches!(&e.event, Event::UserSaid { text, .. } if is_stop(text))) {
                    return;
                }
                after = news.last().map_or(after, |entry| entry.seq);
            }
            watch.grown().await;
        }
    }

    async fn end_turn(&self, lease: &Lease, why: &str) -> Result<()> {
        let event = Event::TurnEnded { failure: Some(Redacted::new(why)) };
        self.store.append(lease, lease.lane.conversation(), &[event]).await?;
        Ok(())
    }
}

/// What the unread messages ask, and what the conversation was about before.
fn question(log: &[Entry]) -> Question {
    let mut question = Question::default();
    for entry in unread(log) {
        if let Event::UserSaid { text, about, .. } = &entry.event {
            question.texts.push(text.clone());
            question.named.extend(about.clone());
        }
    }
    question.earlier = log
        .iter()
        .rev()
        .find_map(|entry| match &entry.event {
            Event::ClusterScanned { look, .. } => Some(look.about.clone()),
            _ => None,
        })
        .unwrap_or_default();
    question
}

/// Some servers number the calls of every reply from zero; in a log an id names one call.
fn with_ids_of_their_own(mut calls: Vec<ToolCall>, log: &[Entry], read_to: i64) -> Vec<ToolCall> {
    let mut taken: BTreeSet<String> = log
        .iter()
        .flat_map(|entry| match &entry.event {
            Event::ModelReplied { calls, .. } => calls.as_slice(),
            _ => &[],
        })
        .map(|call| call.id.0.clone())
        .collect();
    for (n, call) in calls.iter_mut().enumerate() {
        if !taken.insert(call.id.0.clone()) {
            call.id.0 = format!("{}-{read_to}-{n}", call.id);
            taken.insert(call.id.0.clone());
        }
    }
    calls
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{event::CallId, redact::RedactedJson};

    #[test]
    fn an_id_names_one_call_of_the_log() {
        let call =
            |id: &str| ToolCall { id: CallId(id.into()), tool: "t".into(), args: RedactedJson::default() };
        let replied = Event::ModelReplied {
            read_to: 1,
            text: Redacted::default(),
            calls: vec![call("call_0")],
            usage: crate::event::Usage::default(),
        };
        let log = [Entry { seq: 2, at_ms: 0, event: replied }];
        let calls = with_ids_of_their_own(vec![call("call_0"), call("call_1"), call("call_1")], &log, 7);
        let ids: BTreeSet<&str> = calls.iter().map(|call| call.id.0.as_str()).collect();
        assert_eq!(ids.len(), 3);
        assert!(ids.contains("call_1") && !ids.contains("call_0"), "{ids:?}");
    }
}
