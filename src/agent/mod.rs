//! Advances a conversation: read the log, take the next step, append what happened, until nothing is left to do.
//! Knows nothing of where the conversation is held.

mod brief;
pub mod budget;
pub mod claims;
pub mod condense;
pub mod digest;
pub mod dossier;
pub mod eyes;
pub mod fence;
pub mod known;
mod outputs;
pub mod prompt;
pub mod proposal;
mod prose;
pub mod relevance;
mod repeats;
pub mod report;
pub mod rules;
pub mod scope;
pub mod step;
pub mod transcript;

use std::{
    collections::BTreeSet,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::Result;
use async_trait::async_trait;
use futures::{FutureExt, StreamExt, future::BoxFuture};
use serde::Deserialize;
use tracing::Instrument;

use crate::{
    clock::millis,
    event::{ConversationId, Entry, Event, ToolCall, open_turn, unread},
    llm::{Live, Model, ModelError, Reply},
    redact::Redacted,
    store::{Lease, Spent, Store},
    text::{tokens, words::Words},
    tools,
    worker::{Outcome, Work},
};

use self::{
    budget::{Allowance, Budget, Limit, Verdict, Whose},
    eyes::Eyes,
    outputs::Outputs,
    scope::Question,
    step::{Step, is_stop, next_step},
};

/// The section `[agent]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// How many bytes of one output a prompt may carry; the whole is kept beside the log.
    pub output_bytes: usize,
    /// How many tokens a prompt may have before the conversation is condensed.
    pub prompt_tokens: usize,
    /// How many calls of one reply are carried out at once.
    pub parallel_calls: usize,
    /// How many tries a turn has that gets nowhere, before the person is told.
    pub tries: i64,
    /// What one question may take.
    pub turn: Allowance,
    /// What one conversation may take.
    pub conversation: Allowance,
    /// What one person may take a day.
    pub person: Allowance,
    /// What all may take a day.
    pub day: Allowance,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            output_bytes: 12_000,
            prompt_tokens: 32_000,
            parallel_calls: 8,
            tries: 5,
            turn: Allowance { steps: Some(16), seconds: Some(600), ..Allowance::default() },
            conversation: Allowance::default(),
            person: Allowance::default(),
            day: Allowance::default(),
        }
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
            let budget = self.budget(&log).await?;
            let step = next_step(&log, &budget);
            if step == Step::Rest {
                return Ok(Outcome::Done);
            }
            let span = tracing::debug_span!("step", %conversation, step = step.name());
            let happened = tokio::select! {
                happened = self.take(step, &log, &budget, lease).instrument(span) => happened?,
                () = self.stop_asked(conversation, &log) => continue,
            };
            match happened {
                Happened::Events(events) if events.is_empty() => {}
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
    /// What is to be appended; nothing, where the step did it itself.
    Events(Vec<Event>),
    /// The model may answer later.
    Unavailable(ModelError),
}

impl Agent {
    async fn take(&self, step: Step, log: &[Entry], budget: &Budget<'_>, lease: &Lease) -> Result<Happened> {
        let event = match step {
            Step::Rest => return Ok(Happened::Events(Vec::new())),
            Step::StartTurn => {
                let person = unread(log).first().and_then(|entry| author(&entry.event)).map(str::to_owned);
                Event::TurnStarted { model: self.model.name().to_owned(), person }
            }
            Step::Scan => match self.eyes.scan(&question(log)).await {
                Ok((look, findings)) => Event::ClusterScanned { look, findings },
                Err(why) => Event::TurnEnded { failure: Some(why) },
            },
            Step::AskModel { last } => return self.ask_model(log, budget, last).await,
            Step::RunTools(calls) => {
                self.run_tools(&calls, log, lease).await?;
                return Ok(Happened::Events(Vec::new()));
            }
            Step::CheckReport(call) => return Ok(Happened::Events(check_report(&call, log, budget))),
            Step::EndTurn(failure) => Event::TurnEnded { failure },
        };
        Ok(Happened::Events(vec![event]))
    }

    /// What the turn under way may still spend.
    async fn budget(&self, log: &[Entry]) -> Result<Budget<'_>> {
        let Config { turn, conversation, person, day, .. } = &self.config;
        let today = budget::day_of(self.store.clock().now_ms());
        let who = open_turn(log).and_then(|turn| match &turn.first()?.event {
            Event::TurnStarted { person, .. } => person.as_deref(),
            _ => None,
        });
        let persons = match who {
            Some(who) if person.limits() => self.store.spent(today, Some(who)).await?,
            _ => Spent::default(),
        };
        let days = if day.limits() { self.store.spent(today, None).await? } else { Spent::default() };
        let allowed = [
            (Whose::Turn, turn),
            (Whose::Conversation, conversation),
            (Whose::Person, person),
            (Whose::Day, day),
        ];
        Ok(Budget::new(allowed, log, persons, days))
    }

    async fn ask_model(&self, log: &[Entry], budget: &Budget<'_>, last: bool) -> Result<Happened> {
        let prompt = prompt::prompt(log, self.eyes.specs(), last);
        if condense::tokens_of(&prompt) > self.config.prompt_tokens
            && let Some(condensed) = condense::next(log)
        {
            return Ok(Happened::Events(vec![self.written_shorter(condensed).await]));
        }
        let began = Instant::now();
        let asked = self.model.complete(&prompt, &*self.live);
        let reply = match within(budget.time_left(), asked).await {
            Err(limit) => {
                let failure = Some(step::over(&limit));
                return Ok(Happened::Events(vec![Event::TurnEnded { failure }]));
            }
            Ok(Ok(reply)) => reply,
            Ok(Err(error @ ModelError::Unavailable { .. })) => return Ok(Happened::Unavailable(error)),
            Ok(Err(error @ ModelError::PromptTooLong { .. })) => {
                let failure = || Event::TurnEnded { failure: Some(Redacted::new(too_long(&error))) };
                return Ok(Happened::Events(vec![condense::next(log).unwrap_or_else(failure)]));
            }
            Ok(Err(error)) => {
                let failure = Some(Redacted::new(error.to_string()));
                return Ok(Happened::Events(vec![Event::TurnEnded { failure }]));
            }
        };
        let took = began.elapsed();
        let read_to = log.last().map_or(0, |entry| entry.seq);
        let Reply { text, calls, usage, model, thought } = reply;
        let calls = with_ids_of_their_own(calls, log, read_to);
        let doubted = if calls.is_empty() { prose::doubted(&text, log, !last) } else { None };
        let took_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        tracing::debug!(
            took_ms,
            tokens = usage.input + usage.output,
            cached = usage.cached,
            microdollars = usage.cost,
            calls = calls.len(),
            last,
            "the model replied"
        );
        let replied = Event::ModelReplied { read_to, text, calls, usage, model, thought, last, took_ms };
        Ok(Happened::Events(std::iter::once(replied).chain(doubted).collect()))
    }

    /// A long text that stands for entries, written shorter by the model; as it is where that does not help.
    async fn written_shorter(&self, condensed: Event) -> Event {
        let Event::Condensed { to, text: Some(text), .. } = &condensed else { return condensed };
        if tokens::estimate(text) < self.config.prompt_tokens / 4 {
            return condensed;
        }
        let prompt = condense::shorter(text);
        let Ok(reply) = self.model.complete(&prompt, &()).await else { return condensed };
        match condense::mended(text, &reply.text) {
            Some(text) => Event::Condensed { to: *to, text: Some(text), usage: reply.usage },
            None => condensed,
        }
    }

    /// Carries out calls side by side, and appends what came of them in their order.
    async fn run_tools(&self, calls: &[ToolCall], log: &[Entry], lease: &Lease) -> Result<()> {
        let conversation = lease.lane.conversation();
        let turn = open_turn(log).unwrap_or_default();
        let kept = Arc::new(self.outputs(conversation, outputs::words(log)));
        let answers: Vec<BoxFuture<'_, Result<Event>>> = calls
            .iter()
            .map(|call| {
                let span = tracing::debug_span!("call", tool = call.tool, id = %call.id);
                self.run_tool(call, calls, turn, &kept).instrument(span).boxed()
            })
            .collect();
        let mut answers = futures::stream::iter(answers).buffered(self.config.parallel_calls.max(1));
        while let Some(returned) = answers.next().await {
            let returned = [returned?];
            self.store.append(lease, conversation, &returned).await?;
        }
        Ok(())
    }

    async fn run_tool(
        &self,
        call: &ToolCall,
        together: &[ToolCall],
        turn: &[Entry],
        kept: &Arc<Outputs>,
    ) -> Result<Event> {
        let began = Instant::now();
        let known = repeats::doubled(call, together)
            .or_else(|| repeats::answered(call, turn, self.store.clock().now_ms()));
        let answer = match known {
            Some(answer) => answer,
            None => {
                let lent: Arc<dyn tools::Kept> = kept.clone();
                self.eyes.call(call, &lent).await
            }
        };
        let (output, artifact) = if answer.output.len() > self.config.output_bytes {
            let id = self.store.keep(&kept.conversation, &answer.output).await?;
            (digest::digest(&answer.output, self.config.output_bytes, &id, &kept.words), Some(id))
        } else {
            (answer.output, None)
        };
        let took_ms = millis(began.elapsed());
        tracing::debug!(took_ms, ok = answer.ok, bytes = output.len(), "a call was carried out");
        Ok(Event::ToolReturned {
            call: call.id.clone(),
            ok: answer.ok,
            output,
            gist: answer.gist,
            artifact,
            took_ms: u64::try_from(took_ms).unwrap_or_default(),
        })
    }

    fn outputs(&self, conversation: &ConversationId, words: Words) -> Outputs {
        Outputs {
            store: self.store.clone(),
            conversation: conversation.clone(),
            most_shown: self.config.output_bytes,
            words,
        }
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

fn too_long(error: &ModelError) -> String {
    format!("{error}. Begin a new conversation, or choose a model with a larger context.")
}

fn author(event: &Event) -> Option<&str> {
    if let Event::UserSaid { author, .. } = event { Some(&author.id) } else { None }
}

/// What comes of `asked` within so many milliseconds, else the limit that ended it.
async fn within<T>(left: Option<(u64, Limit)>, asked: impl Future<Output = T>) -> Result<T, Limit> {
    match left {
        Some((ms, limit)) => tokio::time::timeout(Duration::from_millis(ms), asked).await.map_err(|_| limit),
        None => Ok(asked.await),
    }
}

/// A report that is borne out is the diagnosis. One that is not is sent back, once in a turn; then it stands, and what is
/// doubtful is said with it.
fn check_report(call: &ToolCall, log: &[Entry], budget: &Budget<'_>) -> Vec<Event> {
    let turn = open_turn(log).unwrap_or_default();
    let sent_before = turn.iter().any(|entry| matches!(entry.event, Event::Doubted { .. }));
    let refused = |why: &str| Event::ToolReturned {
        call: call.id.clone(),
        ok: false,
        output: Redacted::new(why),
        gist: Redacted::new("the report does not hold yet"),
        artifact: None,
        took_ms: 0,
    };
    match report::check(call, log) {
        Err(why) => vec![refused(&why)],
        Ok(checked)
            if checked.doubts.is_empty() || sent_before || matches!(budget.verdict(), Verdict::Over(_)) =>
        {
            vec![Event::Diagnosed { call: call.id.clone(), diagnosis: checked.diagnosis }]
        }
        Ok(checked) => {
            let doubts: Vec<Redacted> =
                checked.doubts.iter().map(|doubt| Redacted::new(doubt.words())).collect();
            let list: Vec<&str> = doubts.iter().map(Redacted::as_str).collect();
            let why = format!("Mend this and report again:\n- {}", list.join("\n- "));
            vec![refused(&why), Event::Doubted { doubts, sent_back: true }]
        }
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
            model: None,
            thought: None,
            last: false,
            took_ms: 0,
        };
        let log = [Entry { seq: 2, at_ms: 0, event: replied }];
        let calls = with_ids_of_their_own(vec![call("call_0"), call("call_1"), call("call_1")], &log, 7);
        let ids: BTreeSet<&str> = calls.iter().map(|call| call.id.0.as_str()).collect();
        assert_eq!(ids.len(), 3);
        assert!(ids.contains("call_1") && !ids.contains("call_0"), "{ids:?}");
    }
}
