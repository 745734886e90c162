//! `config/default.toml` says what the program does: its values are the rooms' defaults, its keys are the rooms' keys.

use std::{
    collections::{BTreeSet, HashMap},
    fmt::Debug,
    path::Path,
};

use kubertnetes::{
    agent, chat::discord, cluster, config::Config, llm, redact, serve, store, telemetry, worker,
};
use secrecy::ExposeSecret;

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/config/default.toml");

/// Reads a file over the built-in defaults, with no environment and without anybody's config/local.toml.
fn read(path: &Path) -> Result<Config, String> {
    Config::from_env(Some(path), &[], Some(HashMap::new())).map_err(|e| e.to_string())
}

/// The file with its optional keys and its example section in effect.
fn with_everything_set() -> String {
    let text = std::fs::read_to_string(FILE).unwrap();
    let set = |line: &str| match line.strip_prefix("# ") {
        Some(rest) if is_key(rest) || rest.starts_with("[llm.models.") => rest.to_owned(),
        _ => line.to_owned(),
    };
    text.lines().map(set).collect::<Vec<_>>().join("\n")
}

fn is_key(line: &str) -> bool {
    key_of(line).is_some()
}

/// The key that a line of TOML sets.
fn key_of(line: &str) -> Option<&str> {
    let (key, _) = line.split_once(" = ")?;
    let plain = !key.is_empty() && key.chars().all(|c| c.is_ascii_lowercase() || c == '_');
    plain.then_some(key)
}

/// The keys of each section.
fn keys(toml: &str) -> BTreeSet<String> {
    let (mut section, mut keys) = (String::new(), BTreeSet::new());
    for line in toml.lines() {
        if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            section = name.to_owned();
        } else if let Some(key) = key_of(line) {
            keys.insert(format!("{section}.{key}"));
        }
    }
    keys
}

/// The fields of a section's type.
fn fields(section: &str, default: &impl Debug) -> BTreeSet<String> {
    let text = format!("{default:#?}");
    let field = |line: &str| {
        let line = line.strip_prefix("    ").filter(|rest| !rest.starts_with(' '))?;
        line.split_once(": ").map(|(name, _)| format!("{section}.{name}"))
    };
    text.lines().filter_map(field).collect()
}

#[test]
fn the_default_files_values_are_the_rooms_defaults() {
    fn same(section: &str, read: &impl Debug, default: &impl Debug) {
        assert_eq!(format!("{read:#?}"), format!("{default:#?}"), "[{section}]");
    }
    let config = read(Path::new(FILE)).unwrap();
    same("agent", &config.agent, &agent::Config::default());
    same("cluster", &config.cluster, &cluster::Config::default());
    same("discord", &config.discord, &discord::Config::default());
    same("llm", &config.llm, &llm::Config::default());
    same("log", &config.log, &telemetry::Config::default());
    same("redact", &config.redact, &redact::Config::default());
    same("serve", &config.serve, &serve::Config::default());
    same("store", &config.store, &store::Config::default());
    same("worker", &config.worker, &worker::Config::default());
    // What is secret does not show above.
    assert!(!config.discord.enabled());
    assert_eq!(config.store.url.expose_secret(), "");
}

#[test]
fn the_default_file_has_every_key_and_no_other() {
    let everything = with_everything_set();
    let mut there = keys(&everything);
    let mut known = fields("agent", &agent::Config::default());
    for section in ["agent.turn", "agent.conversation", "agent.person", "agent.day"] {
        known.extend(fields(section, &agent::budget::Allowance::default()));
        there.insert(section.into());
    }
    known.extend(fields("cluster", &cluster::Config::default()));
    known.extend(fields("discord", &discord::Config::default()));
    known.extend(fields("llm", &llm::Config::default()));
    known.extend(fields("llm.models.local", &llm::ModelConfig::default()));
    known.extend(fields("log", &telemetry::Config::default()));
    known.extend(fields("redact", &redact::Config::default()));
    known.extend(fields("serve", &serve::Config::default()));
    known.extend(fields("store", &store::Config::default()));
    known.extend(fields("worker", &worker::Config::default()));
    // Its sections stand for it.
    there.insert("llm.models".into());
    assert_eq!(there, known);
}

#[test]
fn the_default_files_optional_keys_are_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("all.toml");
    std::fs::write(&path, with_everything_set()).unwrap();
    let config = read(&path).unwrap();
    assert_eq!(config.cluster.context.as_deref(), Some("production"));
    assert!(config.cluster.kubeconfig.is_some() && config.cluster.snapshot.is_some());
    let model = config.llm.models.get("local").unwrap();
    assert_eq!((model.model.as_str(), model.temperature), ("qwen3:8b", Some(0.2)));
    assert_eq!(model.api_key.as_ref().unwrap().expose_secret(), "sk-…");
    let numbers = (model.max_tokens, model.timeout_seconds, model.stall_seconds, model.retries);
    let default = llm::ModelConfig::default();
    assert_eq!(
        numbers,
        (default.max_tokens, default.timeout_seconds, default.stall_seconds, default.retries)
    );
}

#[test]
fn the_readme_has_every_key() {
    let readme = include_str!("../../README.md");
    for key in keys(&with_everything_set()) {
        let shown = key.strip_prefix("llm.models.local.").unwrap_or(&key);
        // The four allowances have the same keys: they share rows.
        let shown = ["conversation", "person", "day"]
            .iter()
            .fold(shown.to_owned(), |key, whose| key.replace(&format!("agent.{whose}."), "agent.turn."));
        assert!(readme.contains(&format!("| `{shown}` |")), "README.md has no row for {key}");
    }
}

#[test]
fn an_unknown_key_is_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    for (toml, says) in [
        ("[agent]\nmax_reply = 3", "max_reply"),
        ("[agents]\ntries = 3", "unknown section `agents`"),
        ("[llm.models.x]\nmodle = \"y\"", "modle"),
        ("[worker]\nturns = \"many\"", "[worker]"),
    ] {
        let path = folder.path().join("wrong.toml");
        std::fs::write(&path, toml).unwrap();
        let error = read(&path).err().unwrap();
        assert!(error.contains(says) && error.lines().count() == 1, "{error}");
    }
}
