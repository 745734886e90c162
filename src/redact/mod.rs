//! The only text that may be kept, sent or shown. Pure; knows nothing of where text comes from or goes to.
//!
//! A secret is known by the name before it (`keys`, `values`), by its looks (`shapes`), by the address or header it
//! stands in (`addresses`, `headers`) or by the block (`blocks`); `scan` finds them in one pass and `masking` puts a
//! `placeholder` in the place of each. In doubt it is masked: a fact that is missing can be looked up, a password that
//! was posted cannot be taken back.

mod addresses;
mod base64;
mod blocks;
mod commands;
#[cfg(test)]
mod corpus_tests;
mod flow;
mod headers;
mod json;
mod keys;
mod looks;
mod masking;
mod pieces;
mod placeholder;
mod scan;
mod settings;
mod shapes;
#[cfg(test)]
mod tests;
mod values;

pub use flow::Flow;
pub use pieces::Pieces;
pub use placeholder::{Unnumbered, numbered, unnumbered};
pub use settings::{Config, Rules, configure, random_key};

use std::{
    borrow::Cow,
    fmt,
    ops::{Deref, Range},
};

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

/// Text with its secrets masked, each by `‹secret:NAME#TAG›`: the same secret by the same placeholder. There is no way to make one that skips the masking: reading a stored one back
/// masks again, which changes nothing in text that is masked already.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct Redacted(String);

impl Redacted {
    /// Masks what looks like a secret in `text`.
    pub fn new(text: impl AsRef<str>) -> Self {
        Self(mask(text.as_ref()).into_owned())
    }

    /// The placeholder of a `value` that is a secret as a whole, known as `name`.
    pub fn secret(name: &str, value: &str) -> Self {
        Self(json::named(name, value))
    }

    /// The masked text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Masks as [`Redacted::new`], without a copy where there is nothing to mask.
impl From<String> for Redacted {
    fn from(text: String) -> Self {
        let masked = match mask(&text) {
            Cow::Borrowed(_) => None,
            Cow::Owned(masked) => Some(masked),
        };
        Self(masked.unwrap_or(text))
    }
}

impl Deref for Redacted {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl AsRef<str> for Redacted {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Redacted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Redacted {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Cow::<'de, str>::deserialize(deserializer).map(Self::new)
    }
}

/// JSON in which every string is masked.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct RedactedJson(Value);

impl RedactedJson {
    /// Masks every string and every member whose name says that it is a secret.
    pub fn new(mut value: Value) -> Self {
        json::mask_json(&mut value);
        Self(value)
    }

    /// The masked JSON, to be taken apart: a part of it is masked, too, though the name that told of a secret is gone.
    pub fn into_value(self) -> Value {
        self.0
    }
}

impl Deref for RedactedJson {
    type Target = Value;

    fn deref(&self) -> &Value {
        &self.0
    }
}

impl<'de> Deserialize<'de> for RedactedJson {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Value::deserialize(deserializer).map(Self::new)
    }
}

/// Masking is repeated until nothing changes, so that masking again changes nothing. More rounds than this are never
/// needed; a text that wants them is hidden whole.
const PASSES: usize = 8;

fn mask(text: &str) -> Cow<'_, str> {
    mask_part(text, 0..text.len()).0
}

/// The masked text, and where in it stands what became of a part of `text`.
fn mask_part(text: &str, part: Range<usize>) -> (Cow<'_, str>, Range<usize>) {
    masking::Masking::of(text, settings::settings()).following(part).finish()
}
