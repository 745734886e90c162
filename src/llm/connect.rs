//! Builds the configured models. Knows how to build one, not how one works.

use std::{
    collections::BTreeMap,
    sync::{Arc, atomic::AtomicBool},
    time::Duration,
};

use reqwest::{Url, header::HeaderValue};
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::Semaphore;

use super::{
    Config, Model, ModelConfig, Provider, Tools,
    anthropic::Anthropic,
    chain::{Chain, Link},
    gate::{Gate, Meter},
    openai::OpenAi,
    prices::Prices,
    remote::{Remote, Settings, Wire},
};

/// What is wrong with the configuration, where, and what to do: one sentence.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ConfigError(String);

/// The configured model, with those behind it that stand in for it; `built_in` is the one that needs no section. Nothing
/// is sent yet.
///
/// # Errors
/// There is none of such a name, or its section is incomplete or contradicts itself.
pub fn connect(config: &Config, built_in: Arc<dyn Model>) -> Result<Arc<dyn Model>, ConfigError> {
    if config.model == built_in.name() {
        return Ok(built_in);
    }
    let places = places(config);
    let mut links: Vec<Link> = Vec::new();
    let mut names: Vec<&String> = Vec::new();
    for name in std::iter::once(&config.model).chain(&config.fallbacks) {
        if names.contains(&name) {
            continue;
        }
        names.push(name);
        if name == built_in.name() {
            links.push(Link::new(built_in.clone(), None));
            continue;
        }
        let model = config.models.get(name).ok_or_else(|| unknown(name, built_in.name(), config))?;
        links.push(Link::new(Arc::new(remote(name, model, &places)?), model.context_tokens));
    }
    Ok(Arc::new(Chain { links }))
}

/// One place per request that a server gets at once, by its address: what floods it is what all models there are asked.
fn places(config: &Config) -> BTreeMap<String, Arc<Semaphore>> {
    let mut fewest: BTreeMap<String, usize> = BTreeMap::new();
    for (name, model) in &config.models {
        let address = model.provider.and_then(|provider| address(name, model, provider).ok());
        if let (Some(address), Some(most)) = (address, model.max_concurrent) {
            let fewest = fewest.entry(server(&address)).or_insert(most);
            *fewest = most.min(*fewest);
        }
    }
    let place = |(server, most): (String, usize)| {
        (server, Arc::new(Semaphore::new(most.min(Semaphore::MAX_PERMITS))))
    };
    fewest.into_iter().map(place).collect()
}

fn server(address: &Url) -> String {
    address.origin().ascii_serialization()
}

fn remote(
    name: &str,
    model: &ModelConfig,
    places: &BTreeMap<String, Arc<Semaphore>>,
) -> Result<Remote, ConfigError> {
    let provider = model
        .provider
        .ok_or_else(|| wrong(name, "has no `provider`: set it to \"openai\" or \"anthropic\""))?;
    check(name, model)?;
    let base = address(name, model, provider)?;
    let http = client(&base).map_err(|error| wrong(name, &format!("cannot be reached by HTTP: {error}")))?;
    let gate = Gate {
        places: places.get(&server(&base)).cloned(),
        requests: model.requests_per_minute.map(Meter::new),
        tokens: model.tokens_per_minute.map(Meter::new),
    };
    let settings = Settings {
        name: name.to_owned(),
        base,
        model: model.model.clone(),
        max_tokens: model.max_tokens,
        temperature: model.temperature,
        thinking_tokens: model.thinking_tokens,
    };
    let wire: Box<dyn Wire> = match provider {
        Provider::OpenAi => Box::new(OpenAi::new(settings)),
        Provider::Anthropic => Box::new(Anthropic::new(settings)),
    };
    Ok(Remote {
        name: name.to_owned(),
        wire,
        http,
        key: key(name, model, provider)?,
        key_setting: key_setting(name, model),
        whole: Duration::from_secs(model.timeout_seconds),
        stall: Duration::from_secs(model.stall_seconds),
        retries: model.retries,
        prices: prices(name, model)?,
        gate,
        calls_in_text: AtomicBool::new(model.tools == Tools::Text),
    })
}

/// What contradicts itself in a section.
fn check(name: &str, model: &ModelConfig) -> Result<(), ConfigError> {
    if model.model.trim().is_empty() {
        return Err(wrong(name, "has no `model`: set it to the provider's name of the model"));
    }
    for (value, key) in [
        (u64::from(model.max_tokens), "max_tokens"),
        (model.timeout_seconds, "timeout_seconds"),
        (model.stall_seconds, "stall_seconds"),
        (model.max_concurrent.map_or(1, |most| most as u64), "max_concurrent"),
        (model.requests_per_minute.map_or(1, u64::from), "requests_per_minute"),
        (model.tokens_per_minute.map_or(1, u64::from), "tokens_per_minute"),
    ] {
        if value == 0 {
            return Err(wrong(name, &format!("has `{key}` = 0: set it to 1 or more")));
        }
    }
    match model.thinking_tokens {
        Some(_) if model.provider != Some(Provider::Anthropic) => {
            Err(wrong(name, "has `thinking_tokens`, which only provider \"anthropic\" knows: take it out"))
        }
        Some(budget) if budget < 1024 || budget >= model.max_tokens => Err(wrong(
            name,
            &format!(
                "has `thinking_tokens` = {budget}: set it to 1024 or more, and to less than `max_tokens` ({})",
                model.max_tokens
            ),
        )),
        _ => Ok(()),
    }
}

fn prices(name: &str, model: &ModelConfig) -> Result<Prices, ConfigError> {
    let price = |dollars: Option<f64>, key: &str| {
        Prices::read(dollars.unwrap_or_default()).ok_or_else(|| {
            wrong(name, &format!("has a `{key}` that is no price: set it to dollars, 0 or more"))
        })
    };
    Ok(Prices {
        input: price(model.price_input, "price_input")?,
        cached: price(model.price_cached.or(model.price_input), "price_cached")?,
        output: price(model.price_output, "price_output")?,
    })
}

fn wrong(name: &str, what: &str) -> ConfigError {
    ConfigError(format!("[llm.models.{name}] {what}"))
}

fn unknown(name: &str, built_in: &str, config: &Config) -> ConfigError {
    let known: Vec<&str> =
        std::iter::once(built_in).chain(config.models.keys().map(String::as_str)).collect();
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn models_of_one_server_share_its_places_and_the_smallest_number_holds() {
        let model = |url: &str, most| ModelConfig {
            provider: Some(Provider::OpenAi),
            url: url.into(),
            max_concurrent: most,
            ..ModelConfig::default()
        };
        let models = [
            ("big", model("http://gpu:8000/v1", Some(4))),
            ("small", model("http://gpu:8000/", Some(2))),
            ("any", model("http://gpu:8000/v1", None)),
            ("other", model("http://gpu:9000/v1", Some(1))),
            ("free", model("", None)),
        ];
        let models = models.into_iter().map(|(name, model)| (name.to_owned(), model)).collect();
        let places = places(&Config { models, ..Config::default() });
        let free: Vec<(&str, usize)> =
            places.iter().map(|(server, places)| (server.as_str(), places.available_permits())).collect();
        assert_eq!(free, [("http://gpu:8000", 2), ("http://gpu:9000", 1)]);
    }
}
