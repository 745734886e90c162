//! Which models there are and how each is reached: the section `[llm]`. Builds nothing.

use std::{collections::BTreeMap, path::PathBuf};

use secrecy::SecretString;
use serde::Deserialize;

/// The section `[llm]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Which model answers: `rules`, which is built in, or a name of `models`.
    pub model: String,
    /// Who is asked, in this order, where that model cannot be had: names as those of `model`.
    pub fallbacks: Vec<String>,
    /// The models that are reached over the network, by the name that people call them: `[llm.models.NAME]`.
    pub models: BTreeMap<String, ModelConfig>,
}

impl Default for Config {
    fn default() -> Self {
        Self { model: "rules".into(), fallbacks: Vec::new(), models: BTreeMap::new() }
    }
}

/// A section `[llm.models.NAME]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ModelConfig {
    /// Which wire format the server speaks. Required.
    pub provider: Option<Provider>,
    /// The server's address, `https://api.openai.com/v1` or `https://api.anthropic.com` when empty.
    pub url: String,
    /// The provider's name of the model. Required.
    pub model: String,
    /// The key itself. At most one of the three may be given.
    pub api_key: Option<SecretString>,
    /// A file that holds the key.
    pub api_key_file: Option<PathBuf>,
    /// An environment variable that holds the key. Where none of the three is given and `url` is empty,
    /// `OPENAI_API_KEY` or `ANTHROPIC_API_KEY` is read.
    pub api_key_env: Option<String>,
    /// The longest reply, in tokens.
    pub max_tokens: u32,
    /// Sent where given; not every model takes one.
    pub temperature: Option<f64>,
    /// How calls are asked for and written.
    pub tools: Tools,
    /// How many tokens Anthropic's models may think before they reply; `None`: as they are.
    pub thinking_tokens: Option<u32>,
    /// How many tokens it can read; `None`: unknown. One that stands in for another gets what was too long for that
    /// one only where it is known to read more.
    pub context_tokens: Option<u64>,
    /// US dollars per million tokens that are read; `None`: nothing.
    pub price_input: Option<f64>,
    /// Per million that came from the provider's cache; `None`: as any other.
    pub price_cached: Option<f64>,
    /// Per million that are written.
    pub price_output: Option<f64>,
    /// How many requests its server gets at once; the smallest of all models with that address holds for the server.
    pub max_concurrent: Option<usize>,
    /// How many requests it gets per minute.
    pub requests_per_minute: Option<u32>,
    /// How many tokens it reads and writes per minute.
    pub tokens_per_minute: Option<u32>,
    /// The longest that a call may take, further attempts included and waiting for its turn not.
    pub timeout_seconds: u64,
    /// The longest silence before and within a reply.
    pub stall_seconds: u64,
    /// How many further attempts what may pass gets: rate limits, overload, a broken connection.
    pub retries: u32,
}

impl Default for ModelConfig {
    fn default() -> Self {
        Self {
            provider: None,
            url: String::new(),
            model: String::new(),
            api_key: None,
            api_key_file: None,
            api_key_env: None,
            max_tokens: 4096,
            temperature: None,
            tools: Tools::default(),
            thinking_tokens: None,
            context_tokens: None,
            price_input: None,
            price_cached: None,
            price_output: None,
            max_concurrent: None,
            requests_per_minute: None,
            tokens_per_minute: None,
            timeout_seconds: 300,
            stall_seconds: 90,
            retries: 3,
        }
    }
}

/// A wire format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Provider {
    /// Chat completions: OpenAI, Azure, Ollama, vLLM, llama.cpp, LiteLLM, Gemini and most gateways.
    OpenAi,
    /// The Messages API.
    Anthropic,
}

/// How calls are asked for and written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Tools {
    /// As the provider's format has it.
    #[default]
    Native,
    /// As JSON in the text: for models that know nothing else.
    Text,
}

impl Provider {
    /// Its own address.
    pub(super) fn home(self) -> &'static str {
        match self {
            Provider::OpenAi => "https://api.openai.com/v1",
            Provider::Anthropic => "https://api.anthropic.com",
        }
    }

    /// Where its key is usually found.
    pub(super) fn usual_key(self) -> &'static str {
        match self {
            Provider::OpenAi => "OPENAI_API_KEY",
            Provider::Anthropic => "ANTHROPIC_API_KEY",
        }
    }
}
