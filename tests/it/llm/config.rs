//! Configuring models: what is refused in which words, and where keys come from.

use std::sync::Arc;

use kubertnetes::{
    agent::rules::Rules,
    llm::{Config, Provider, connect},
};

use super::{ask, model, question};
use crate::support::llm::{Answer, ScriptedServer};

#[test]
fn bad_configuration_is_one_sentence_that_says_what_to_do() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    for (section, expected) in [
        ("", "there is no model `x`: known are `rules`, `y`; add a section [llm.models.x]"),
        (
            "[models.x]\nmodel = 'm'",
            "[llm.models.x] has no `provider`: set it to \"openai\" or \"anthropic\"",
        ),
        (
            "[models.x]\nprovider = 'openai'",
            "[llm.models.x] has no `model`: set it to the provider's name of the model",
        ),
        (
            "[models.x]\nprovider = 'openai'\nmodel = 'm'\nurl = 'localhost:1'",
            "[llm.models.x] has a `url` that is not of the web: write http://host or https://host",
        ),
        (
            "[models.x]\nprovider = 'openai'\nmodel = 'm'\nurl = 'https://u:hidden@h'",
            "[llm.models.x] has a `url` with a password in it: put it in `api_key`",
        ),
        (
            "[models.x]\nprovider = 'openai'\nmodel = 'm'\nurl = 'http://h'\nmax_tokens = 0",
            "[llm.models.x] has `max_tokens` = 0: set it to 1 or more",
        ),
        (
            "[models.x]\nprovider = 'openai'\nmodel = 'm'\nurl = 'http://h'\nmax_concurrent = 0",
            "[llm.models.x] has `max_concurrent` = 0: set it to 1 or more",
        ),
        (
            "[models.x]\nprovider = 'openai'\nmodel = 'm'\nurl = 'http://h'\nthinking_tokens = 2000",
            "[llm.models.x] has `thinking_tokens`, which only provider \"anthropic\" knows: take it out",
        ),
        (
            "[models.x]\nprovider = 'anthropic'\nmodel = 'm'\nurl = 'http://h'\nthinking_tokens = 4096",
            "[llm.models.x] has `thinking_tokens` = 4096: set it to 1024 or more, and to less than `max_tokens` (4096)",
        ),
        (
            "[models.x]\nprovider = 'openai'\nmodel = 'm'\nurl = 'http://h'\nprice_cached = -0.5",
            "[llm.models.x] has a `price_cached` that is no price: set it to dollars, 0 or more",
        ),
        (
            "fallbacks = ['rules', 'z']\n[models.x]\nprovider = 'openai'\nmodel = 'm'\nurl = 'http://h'",
            "there is no model `z`: known are `rules`, `x`, `y`; add a section [llm.models.z]",
        ),
        (
            "[models.x]\nprovider = 'openai'\nmodel = 'm'\napi_key = 'a'\napi_key_env = 'B'",
            "[llm.models.x] has more than one of `api_key`, `api_key_file` and `api_key_env`: keep one",
        ),
        (
            "[models.x]\nprovider = 'anthropic'\nmodel = 'm'\napi_key = ' '",
            "[llm.models.x] has an API key that is empty or more than one line: check KUBERT_LLM__MODELS__X__API_KEY",
        ),
        (
            "[models.x]\nprovider = 'anthropic'\nmodel = 'm'\napi_key_env = 'KUBERT_TEST_UNSET'",
            "[llm.models.x] has no API key: the environment variable KUBERT_TEST_UNSET is not set",
        ),
        (
            "[models.x]\nprovider = 'anthropic'\nmodel = 'm'\napi_key_file = '/nowhere/key'",
            "[llm.models.x] has an `api_key_file` /nowhere/key that cannot be read: No such file or directory (os error 2)",
        ),
    ] {
        let text = format!("{section}\n[models.y]\nprovider = 'openai'\nmodel = 'm'");
        let mut config: Config = from_toml(&text).unwrap();
        config.model = "x".into();
        let error = connect(&config, Arc::new(Rules)).err().unwrap().to_string();
        assert_eq!(error, expected, "{section}");
        assert!(!error.contains("hidden"));
    }
    for text in ["modle = 'rules'", "[models.x]\nprovider = 'gpt'", "[models.x]\ntokens = 1"] {
        assert!(from_toml(text).is_err(), "{text}");
    }
}

#[test]
fn keys_are_read_from_files_and_never_printed() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("key");
    std::fs::write(&path, "sesame-1\n").unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let server = ScriptedServer::start([Answer::say("Yes.")]);
    let mut config = server.config(Provider::OpenAi);
    assert!(!format!("{config:?}").contains("key-of-the-script"));
    let scripted = config.models.get_mut("scripted").unwrap();
    scripted.api_key = None;
    scripted.api_key_file = Some(path);
    runtime.block_on(ask(model(&config).as_ref(), &question())).0.unwrap();
    assert_eq!(server.requests()[0].headers["authorization"], "Bearer sesame-1");
}

fn from_toml(text: &str) -> Result<Config, ::config::ConfigError> {
    ::config::Config::builder()
        .add_source(::config::File::from_str(text, ::config::FileFormat::Toml))
        .build()?
        .try_deserialize()
}
