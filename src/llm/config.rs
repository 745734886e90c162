//! Which models there are and how each is reached: the section `[llm]`. Knows how to build a model, not how one works.

use std::{collections::BTreeMap, path::PathBuf, sync::Arc, time::Duration};

use reqwest::{Url, header::HeaderValue};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

use super::{
    Model,
    anthropic::Anthropic,
    openai::OpenAi,
    remote::{Remote, Settings, Wire},
};

/// The model that is always there and is not built here.
const BUILT_IN: &str = "rules";

/// The section `[llm]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Which model answers: `rules`, which is built in, or a name of `models`.
    pub model: String,
    /// The models that are reached over the network, by the name that people call them: `[llm.models.NAME]`.
    pub models: BTreeMap<String, ModelConfig>,
}

impl Default for Config {
    fn default() -> Self {
        Self { model: BUILT_IN.into(), models: BTreeMap::new() }
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
    /// The longest that a call may take, further attempts included.
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

impl Provider {
    fn home(self) -> &'static str {
        match self {
            Provider::OpenAi => "https://api.openai.com/v1",
            Provider::Anthropic => "https://api.anthropic.com",
        }
    }

    fn usual_key(self) -> &'static str {
        match self {
            Provider::OpenAi => "OPENAI_API_KEY",
            Provider::Anthropic => "ANTHROPIC_API_KEY",
        }
    }
}

/// What is wrong with the configuration, where, and what to do: one sentence.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ConfigError(String);

/// The configured model of that name; nothing is sent yet.
///
/// # Errors
/// There is none of that name, or its section is incomplete or contradicts itself.
pub fn connect(name: &str, config: &Config) -> Result<Arc<dyn Model>, ConfigError> {
    let Some(model) = config.models.get(name) else { return Err(unknown(name, config)) };
    let provider = model
        .provider
        .ok_or_else(|| wrong(name, "has no `provider`: set it to \"openai\" or \"anthropic\""))?;
    if model.model.trim().is_empty() {
        return Err(wrong(name, "has no `model`: set it to the provider's name of the model"));
    }
    for (value, key) in [
        (u64::from(model.max_tokens), "max_tokens"),
        (model.timeout_seconds, "timeout_seconds"),
        (model.stall_seconds, "stall_seconds"),
    ] {
        if value == 0 {
            return Err(wrong(name, &format!("has `{key}` = 0: set it to 1 or more")));
        }
    }
    let settings = Settings {
        base: address(name, model, provider)?,
        model: model.model.clone(),
        max_tokens: model.max_tokens,
        temperature: model.temperature,
    };
    let http = client(&settings.base)
        .map_err(|error| wrong(name, &format!("cannot be reached by HTTP: {error}")))?;
    let wire: Box<dyn Wire> = match provider {
        Provider::OpenAi => Box::new(OpenAi::new(settings)),
        Provider::Anthropic => Box::new(Anthropic::new(settings)),
    };
    Ok(Arc::new(Remote {
        name: name.to_owned(),
        wire,
        http,
        key: key(name, model, provider)?,
        key_setting: key_setting(name, model),
        whole: Duration::from_secs(model.timeout_seconds),
        stall: Duration::from_secs(model.stall_seconds),
        retries: model.retries,
    }))
}

fn wrong(name: &str, what: &str) -> ConfigError {
    ConfigError(format!("[llm.models.{name}] {what}"))
}

fn unknown(name: &str, config: &Config) -> ConfigError {
    if name == BUILT_IN {
        return ConfigError(format!(
            "the model `{BUILT_IN}` is built in and is not reached over the network"
        ));
    }
    let known: Vec<&str> =
        std::iter::once(BUILT_IN).chain(config.models.keys().map(String::as_str)).collect();
    let known = known.join("`, `");
    ConfigError(format!("there is no model `{name}`: known are `{known}`; add a section [llm.models.{name}]"))
}

fn address(name: &str, model: &ModelConfig, provider: Provider) -> Result<Url, ConfigError> {
    let text = if model.url.is_empty() { provider.home() } else { model.url.trim() };
    // The text is not quoted where it could hold a password.
    let url = Url::parse(text)
        .map_err(|error| wrong(name, &format!("has a `url` that is none ({error}): write http(s)://host")))?;
    if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
        return Err(wrong(name, "has a `url` that is not of the web: write http://host or https://host"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(wrong(name, "has a `url` with a password in it: put it in `api_key`"));
    }
    Ok(url)
}

fn key(name: &str, model: &ModelConfig, provider: Provider) -> Result<Option<SecretString>, ConfigError> {
    let given = [model.api_key.is_some(), model.api_key_file.is_some(), model.api_key_env.is_some()];
    if given.iter().filter(|given| **given).count() > 1 {
        return Err(wrong(
            name,
            "has more than one of `api_key`, `api_key_file` and `api_key_env`: keep one",
        ));
    }
    let from_env = |variable: &str| {
        let unset =
            || wrong(name, &format!("has no API key: the environment variable {variable} is not set"));
        std::env::var(variable).map_err(|_| unset())
    };
    let text = if let Some(key) = &model.api_key {
        key.expose_secret().to_owned()
    } else if let Some(path) = &model.api_key_file {
        let unreadable = |error| {
            wrong(name, &format!("has an `api_key_file` {} that cannot be read: {error}", path.display()))
        };
        std::fs::read_to_string(path).map_err(unreadable)?
    } else if let Some(variable) = &model.api_key_env {
        from_env(variable)?
    } else if model.url.is_empty() {
        let setting = key_setting(name, model);
        let missing = |_| wrong(name, &format!("has no API key: set {setting} or {}", provider.usual_key()));
        from_env(provider.usual_key()).map_err(missing)?
    } else {
        return Ok(None);
    };
    let text = text.trim();
    if text.is_empty() || HeaderValue::from_str(text).is_err() {
        let setting = key_setting(name, model);
        return Err(wrong(
            name,
            &format!("has an API key that is empty or more than one line: check {setting}"),
        ));
    }
    Ok(Some(SecretString::from(text)))
}

/// Where a person sets the key of this model.
fn key_setting(name: &str, model: &ModelConfig) -> String {
    if let Some(path) = &model.api_key_file {
        return format!("the file {}", path.display());
    }
    if let Some(variable) = &model.api_key_env {
        return format!("the environment variable {variable}");
    }
    if name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_') {
        return format!("KUBERT_LLM__MODELS__{}__API_KEY", name.to_uppercase());
    }
    format!("`api_key` of [llm.models.{name}]")
}

/// A client that follows no redirect, since it would take the key along, and reaches this machine without a proxy.
fn client(base: &Url) -> Result<reqwest::Client, reqwest::Error> {
    let builder = reqwest::Client::builder()
        .user_agent(concat!("kubertnetes/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(Duration::from_secs(10))
        .redirect(reqwest::redirect::Policy::none());
    let local = matches!(base.host_str(), Some("localhost" | "127.0.0.1" | "[::1]"));
    if local { builder.no_proxy() } else { builder }.build()
}
