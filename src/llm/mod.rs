//! Talks to a language model. Knows no Kubernetes, chat or SQL.

mod anthropic;
mod chain;
mod config;
mod connect;
mod draft;
mod gate;
mod openai;
mod prices;
mod reasoning;
mod remote;
mod sse;
mod text_calls;
mod thinking;
mod trouble;

pub use config::{Config, ModelConfig, Provider, Tools};
pub use connect::{ConfigError, connect};

use std::time::Duration;

use async_trait::async_trait;

use crate::{
    event::{CallId, Look, Thought, ToolCall, Usage},
    finding::Finding,
    redact::Redacted,
};

/// One message of a prompt.
#[derive(Debug, Clone, PartialEq)]
pub enum Message {
    /// What a person said.
    User(Redacted),
    /// What the analyzers found: a wire sends the text, a built-in model reads the findings.
    Scan {
        /// What was looked at and found, written out.
        text: Redacted,
        /// What was looked at.
        look: Look,
        /// The same as data.
        findings: Vec<Finding>,
    },
    /// What the model said and asked for.
    Model {
        /// Its words.
        text: Redacted,
        /// Its calls.
        calls: Vec<ToolCall>,
        /// What its provider wants back with it.
        thought: Option<Thought>,
    },
    /// The answer to a call.
    Tool {
        /// Which call.
        call: CallId,
        /// Whether it was carried out.
        ok: bool,
        /// What came of it.
        output: Redacted,
    },
}

/// A tool as the model is told of it.
#[derive(Debug, Clone, PartialEq)]
pub struct ToolSpec {
    /// The name to call it by.
    pub name: &'static str,
    /// What it does and when to use it.
    pub description: String,
    /// JSON Schema of its arguments.
    pub schema: serde_json::Value,
}

/// All that a model is given to answer.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Prompt {
    /// The instructions; never anything that came from a cluster or a person.
    pub system: Redacted,
    /// The conversation, oldest first. Every call is answered right after the message that made it.
    pub messages: Vec<Message>,
    /// What the model may call.
    pub tools: Vec<ToolSpec>,
    /// Whether it has to answer in words now: the tools are told all the same, since some providers want to know those
    /// that the conversation has calls of.
    pub answer_now: bool,
}

/// What a model answered.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Reply {
    /// Its words.
    pub text: Redacted,
    /// Its calls. Empty: it is done.
    pub calls: Vec<ToolCall>,
    /// What it cost.
    pub usage: Usage,
    /// Who answered, where it is not the model that was asked first.
    pub model: Option<String>,
    /// What its provider wants back with it.
    pub thought: Option<Thought>,
}

/// The one member of the arguments of a call that the model did not write as a JSON object: what it wrote instead,
/// cut to size. No tool has an argument of this name, so whoever checks arguments refuses the call, and the refusal
/// can quote the model to itself.
pub const INVALID_ARGS: &str = "__invalid__";

/// Why there is no reply, by what to do about it.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ModelError {
    /// Rate limit, overload, network: the same request may succeed later.
    #[error("the model {model} is unavailable: {reason}")]
    Unavailable {
        /// The model's name.
        model: String,
        /// What the provider said.
        reason: Redacted,
        /// When the provider wants to be asked again.
        retry_after: Option<Duration>,
    },
    /// The prompt is longer than the model can read.
    #[error("the prompt exceeds the context window of {model}: {reason}")]
    PromptTooLong {
        /// The model's name.
        model: String,
        /// What the provider said.
        reason: Redacted,
    },
    /// Bad key, unknown model, refused request: asking again cannot help.
    #[error("the model {model} rejected the request: {reason}")]
    Rejected {
        /// The model's name.
        model: String,
        /// What the provider said, and what to check.
        reason: Redacted,
        /// Whether it is about this model's key, credit or address, so that another model may answer.
        account: bool,
    },
}

impl ModelError {
    /// The model's name, and what was said.
    fn told(&self) -> (&str, &Redacted) {
        match self {
            ModelError::Unavailable { model, reason, .. }
            | ModelError::PromptTooLong { model, reason }
            | ModelError::Rejected { model, reason, .. } => (model, reason),
        }
    }
}

/// A language model.
#[async_trait]
pub trait Model: Send + Sync {
    /// What the person calls it, e.g. `rules`.
    fn name(&self) -> &str;

    /// Answers a prompt, telling `live` of the words as they come.
    ///
    /// What may pass is tried again inside, for as long as `live` has heard nothing: words that were shown are never
    /// taken back or said twice. Once some were, a broken reply is [`ModelError::Unavailable`] and the caller decides.
    async fn complete(&self, prompt: &Prompt, live: &dyn Live) -> Result<Reply, ModelError>;
}

/// Hears a reply while it is being written. Nothing heard here is kept.
pub trait Live: Send + Sync {
    /// The next piece of text.
    fn delta(&self, text: &Redacted);
}

impl Live for () {
    fn delta(&self, _: &Redacted) {}
}
