//! Puts the configuration together: the defaults in the binary, then a file, then the environment. Each room owns
//! its section; nothing here knows what a key means.

use std::path::{Path, PathBuf};

use config::{Environment, File, FileFormat};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::{
    agent, chat, cluster, llm,
    redact::{self, RedactedJson},
    store, telemetry,
    text::one_line,
    worker,
};

const DEFAULTS: &str = include_str!("../config/default.toml");
const LOCAL: &str = "config/local.toml";
const SECTIONS: [&str; 9] =
    ["agent", "cluster", "discord", "llm", "log", "redact", "serve", "store", "worker"];

/// The keys that hold lists.
const LISTS: [&str; 6] = [
    "discord.guilds",
    "discord.channels",
    "discord.users",
    "discord.roles",
    "redact.patterns",
    "redact.allow",
];

/// Everything that can be set.
#[derive(Debug, Clone)]
pub struct Config {
    /// `[agent]`
    pub agent: agent::Config,
    /// `[cluster]`
    pub cluster: cluster::Config,
    /// `[discord]`
    pub discord: chat::discord::Config,
    /// `[llm]`
    pub llm: llm::Config,
    /// `[log]`
    pub log: telemetry::Config,
    /// `[redact]`
    pub redact: redact::Config,
    /// `[serve]`
    pub serve: crate::serve::Config,
    /// `[store]`
    pub store: store::Config,
    /// `[worker]`
    pub worker: worker::Config,
    /// All of it as one JSON object, secrets masked.
    pub shown: RedactedJson,
}

/// What is wrong with the configuration, where, and what to do: one sentence.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ConfigError(pub String);

impl Config {
    /// Reads the defaults, then `file` (or `config/local.toml`, where there is one), then `KUBERT_…` variables, then
    /// `set`, pairs of a dotted key and a value from the command line.
    pub fn load(file: Option<&Path>, set: &[(&str, String)]) -> Result<Self, ConfigError> {
        Self::from_env(file, set, None)
    }

    /// [`Config::load`] with other variables than those of the process.
    pub fn from_env(
        file: Option<&Path>,
        set: &[(&str, String)],
        variables: Option<std::collections::HashMap<String, String>>,
    ) -> Result<Self, ConfigError> {
        let mut layers = config::Config::builder().add_source(File::from_str(DEFAULTS, FileFormat::Toml));
        let local = PathBuf::from(LOCAL);
        layers = match file {
            Some(path) => layers.add_source(File::from(path.to_path_buf()).format(FileFormat::Toml)),
            None => layers.add_source(File::from(local).format(FileFormat::Toml).required(false)),
        };
        let mut environment = Environment::with_prefix("KUBERT")
            .prefix_separator("_")
            .separator("__")
            .try_parsing(true)
            .list_separator(",");
        for key in LISTS {
            environment = environment.with_list_parse_key(key);
        }
        layers = layers.add_source(environment.source(variables));
        for (key, value) in set {
            layers = layers.set_override(key, value.as_str()).map_err(|e| wrong(key, &e))?;
        }
        let all = layers.build().map_err(|e| {
            ConfigError(format!("the configuration cannot be read: {}", one_line(&e.to_string())))
        })?;
        let tree: Value = all.clone().try_deserialize().map_err(|e| wrong("the configuration", &e))?;
        if let Some(unknown) =
            tree.as_object().and_then(|o| o.keys().find(|key| !SECTIONS.contains(&key.as_str())))
        {
            return Err(ConfigError(format!(
                "the configuration has an unknown section `{unknown}`; there are {}",
                SECTIONS.join(", ")
            )));
        }
        Ok(Self {
            agent: section(&all, "agent")?,
            cluster: section(&all, "cluster")?,
            discord: section(&all, "discord")?,
            llm: section(&all, "llm")?,
            log: section(&all, "log")?,
            redact: section(&all, "redact")?,
            serve: section(&all, "serve")?,
            store: section(&all, "store")?,
            worker: section(&all, "worker")?,
            shown: shown(tree),
        })
    }

    /// The configuration as `section.key = value` lines, which TOML reads too.
    pub fn print(&self) -> String {
        let mut lines = Vec::new();
        flatten("", &self.shown, &mut lines);
        lines.join("\n")
    }
}

fn section<T: DeserializeOwned + Default>(all: &config::Config, name: &str) -> Result<T, ConfigError> {
    let wrong = |e| wrong(&format!("[{name}]"), &e);
    // Not `get`: its error names the section in the place of the key.
    let mut sections = all.cache.clone().into_table().map_err(wrong)?;
    sections.remove(name).map_or_else(|| Ok(T::default()), |section| T::deserialize(section).map_err(wrong))
}

fn wrong(place: &str, error: &config::ConfigError) -> ConfigError {
    ConfigError(format!("{place} in the configuration is wrong: {}", one_line(&error.to_string())))
}

/// Masks what is a secret by its place, then what looks like one.
fn shown(mut tree: Value) -> RedactedJson {
    mask(&mut tree);
    RedactedJson::new(tree)
}

fn mask(tree: &mut Value) {
    let Some(members) = tree.as_object_mut() else { return };
    for (key, value) in members {
        match value {
            Value::String(text) if matches!(key.as_str(), "token" | "api_key") && !text.is_empty() => {
                *text = "***".into();
            }
            Value::String(text) if key == "url" => {
                if let (Some((scheme, _)), Some((_, place))) = (text.split_once("://"), text.rsplit_once('@'))
                {
                    *text = format!("{scheme}://***@{place}");
                }
            }
            nested => mask(nested),
        }
    }
}

fn flatten(prefix: &str, value: &Value, lines: &mut Vec<String>) {
    match value {
        Value::Object(members) => {
            for (key, value) in members {
                let key = if prefix.is_empty() { key.clone() } else { format!("{prefix}.{key}") };
                flatten(&key, value, lines);
            }
        }
        Value::Null => {}
        value => lines.push(format!("{prefix} = {value}")),
    }
}
