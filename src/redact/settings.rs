//! What masking is told from outside: the key of the tags, what else is a secret, and what is none.

use std::sync::{LazyLock, OnceLock};

use regex::Regex;
use serde::Deserialize;

/// The section `[redact]`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Regular expressions of further secrets, looked for within each line.
    pub patterns: Vec<String>,
    /// Regular expressions of values that are never masked, known by name or not; one has to match the whole value.
    pub allow: Vec<String>,
}

/// The settings in effect.
pub(super) struct Settings {
    pub(super) key: [u8; 32],
    pub(super) patterns: Vec<Regex>,
    allow: Vec<Regex>,
}

impl Settings {
    pub(super) fn of(key: [u8; 32], rules: Rules) -> Self {
        Self { key, patterns: rules.patterns, allow: rules.allow }
    }

    /// Whether `value` is never masked.
    pub(super) fn allows(&self, value: &str) -> bool {
        self.allow.iter().any(|allow| allow.is_match(value))
    }
}

static CONFIGURED: OnceLock<Settings> = OnceLock::new();
/// Until it is configured, and where it never is: tags that mean nothing outside this process.
static OWN: LazyLock<Settings> = LazyLock::new(|| Settings::of(own_key(), Rules::default()));

pub(super) fn settings() -> &'static Settings {
    CONFIGURED.get().unwrap_or_else(|| &OWN)
}

/// A new key for [`configure`].
pub fn random_key() -> [u8; 32] {
    let mut key = [0; 32];
    for half in key.chunks_mut(16) {
        half.copy_from_slice(uuid::Uuid::new_v4().as_bytes());
    }
    key
}

#[cfg(not(test))]
fn own_key() -> [u8; 32] {
    random_key()
}

/// The same in every run.
#[cfg(test)]
fn own_key() -> [u8; 32] {
    [7; 32]
}

/// What is configured, checked.
#[derive(Debug, Clone, Default)]
pub struct Rules {
    patterns: Vec<Regex>,
    allow: Vec<Regex>,
}

impl Rules {
    /// # Errors
    /// A regular expression cannot be read; the sentence says which and why.
    pub fn new(config: &Config) -> Result<Self, String> {
        let read = |key: &str, written: &[String], whole: bool| {
            written.iter().map(|written| regex(key, written, whole)).collect::<Result<Vec<_>, _>>()
        };
        Ok(Self {
            patterns: read("patterns", &config.patterns, false)?,
            allow: read("allow", &config.allow, true)?,
        })
    }
}

fn regex(key: &str, written: &str, whole: bool) -> Result<Regex, String> {
    let read = Regex::new(written)
        .and_then(|alone| if whole { Regex::new(&format!(r"\A(?:{written})\z")) } else { Ok(alone) });
    read.map_err(|e| {
        let error = e.to_string();
        let why = error.lines().last().unwrap_or_default().trim_start_matches("error: ");
        format!("redact.{key} has `{written}`, which is no regular expression: {why}; mend it or take it out")
    })
}

/// Sets the key of the tags and what is configured, once for the whole process: whoever comes later changes nothing,
/// since the same secret has to have the same tag in all of it.
pub fn configure(key: [u8; 32], rules: Rules) {
    let _ = CONFIGURED.set(Settings::of(key, rules));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_regular_expression_is_said_in_one_sentence() {
        let config = Config { patterns: vec!["ok".into()], allow: vec!["(".into()] };
        let error = Rules::new(&config).unwrap_err();
        assert_eq!(
            error,
            "redact.allow has `(`, which is no regular expression: unclosed group; mend it or take it out"
        );
        let config = Config { patterns: vec!["[".into()], ..Config::default() };
        assert!(Rules::new(&config).unwrap_err().starts_with("redact.patterns has `[`"));
    }
}
