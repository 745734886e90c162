//! Reads a kubectl command line into a typed command, or says in one sentence why not and what to write instead.
//! Pure: no environment, no files, no cluster.

mod flags;
mod pipe;
mod refused;
mod verbs;
mod words;

#[cfg(test)]
mod tests;

use std::fmt;

use self::flags::Parsed;
use super::command::{Command, Verb};
use crate::{redact::Redacted, text::words::Words};

/// Why a line is not run, in one sentence for the one who wrote it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal(Redacted);

impl Refusal {
    fn new(sentence: impl AsRef<str>) -> Self {
        Self(Redacted::new(sentence))
    }

    /// The sentence.
    pub fn sentence(&self) -> &Redacted {
        &self.0
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl std::error::Error for Refusal {}

/// Reads `get pods -n default`, with or without `kubectl` before it, and with filters such as `| grep web` behind it.
///
/// # Errors
///
/// For everything that is not one command that only reads.
pub fn parse(line: &str) -> Result<Command, Refusal> {
    let mut parts = words::split(line)?.into_iter();
    let mut words = parts.next().unwrap_or_default();
    let pipe = pipe::read(parts)?;
    if words.first().is_some_and(|word| word == "kubectl" || word == "k") {
        words.remove(0);
    }
    let verb = take_verb(&mut words)?;
    let mut second = || second_word(&mut words);
    let verb = match verb.as_str() {
        "get" => Verb::Get(verbs::get(&Parsed::read("get", words, flags::GET)?)?),
        "describe" => Verb::Describe(verbs::describe(&Parsed::read("describe", words, flags::DESCRIBE)?)?),
        "logs" | "log" => Verb::Logs(verbs::logs(&Parsed::read("logs", words, flags::LOGS)?)?),
        "events" | "event" => Verb::Events(verbs::events(&Parsed::read("events", words, flags::EVENTS)?)?),
        "top" => Verb::Top(verbs::top(&Parsed::read("top", words, flags::TOP)?)?),
        "api-resources" => Verb::ApiResources(verbs::api_resources(&Parsed::read(
            "api-resources",
            words,
            flags::API_RESOURCES,
        )?)?),
        "api-versions" => {
            verbs::nothing_more("api-versions", &Parsed::read("api-versions", words, flags::NONE)?)?;
            Verb::ApiVersions
        }
        "version" => Verb::Version(verbs::version(&Parsed::read("version", words, flags::VERSION)?)?),
        "cluster-info" => {
            verbs::nothing_more("cluster-info", &Parsed::read("cluster-info", words, flags::NONE)?)?;
            Verb::ClusterInfo
        }
        "rollout" => match second() {
            Some(word) if word == "status" || word == "history" => {
                let parsed = Parsed::read("rollout", words, flags::ROLLOUT)?;
                Verb::Rollout(verbs::rollout(&parsed, word == "history")?)
            }
            word => return Err(refused::second_word("rollout", word.as_deref())),
        },
        "explain" => Verb::Explain(verbs::explain(&Parsed::read("explain", words, flags::EXPLAIN)?)?),
        "auth" => match second() {
            Some(word) if word == "can-i" => {
                Verb::CanI(verbs::can_i(&Parsed::read("auth can-i", words, flags::CAN_I)?)?)
            }
            word => return Err(refused::second_word("auth", word.as_deref())),
        },
        other => return Err(refused::verb(other)),
    };
    Ok(Command { verb, pipe, words: Words::default() })
}

/// Takes the second word of a verb such as `rollout` out: neither a flag nor the namespace that may stand before it.
fn second_word(words: &mut Vec<String>) -> Option<String> {
    let mut at = 0;
    while let Some(word) = words.get(at) {
        match word.as_str() {
            "-n" | "--namespace" => at += 2,
            word if word.starts_with('-') => at += 1,
            _ => return Some(words.remove(at)),
        }
    }
    None
}

/// Takes the verb out of the words: the first one that is neither a flag nor the value of the one flag that may
/// stand before it.
fn take_verb(words: &mut Vec<String>) -> Result<String, Refusal> {
    let mut at = 0;
    while let Some(word) = words.get(at) {
        match word.as_str() {
            "-n" | "--namespace" => at += 2,
            word if word.starts_with("-n") || word.starts_with("--namespace=") => at += 1,
            word if word.starts_with("--") => {
                let name = word.trim_start_matches('-').split('=').next().unwrap_or_default();
                return Err(refused::long_flag("kubectl", name, &[flags::NAMESPACE]));
            }
            word if word.starts_with('-') && word.len() > 1 => {
                let name = word.chars().nth(1).unwrap_or('-');
                return Err(refused::short_flag("kubectl", name, &[flags::NAMESPACE]));
            }
            _ => return Ok(words.remove(at)),
        }
    }
    Err(Refusal::new(
        "There is no verb; write for example `get pods -n default` or `logs deploy/web --tail=50`.",
    ))
}
