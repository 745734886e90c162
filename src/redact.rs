//! The only text that may be kept, sent or shown. Pure; knows nothing of where text comes from or goes to.

use std::{borrow::Cow, fmt, ops::Deref};

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

/// Text with its secrets masked. There is no way to make one that skips the masking: reading a stored one back
/// masks again, which changes nothing in text that is masked already.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct Redacted(String);

impl Redacted {
    /// Masks what looks like a secret in `text`.
    pub fn new(text: impl AsRef<str>) -> Self {
        Self(mask(text.as_ref()).into_owned())
    }

    /// The masked text.
    pub fn as_str(&self) -> &str {
        &self.0
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
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(transparent)]
pub struct RedactedJson(Value);

impl RedactedJson {
    /// Masks every string and every member whose name says that it is a secret.
    pub fn new(mut value: Value) -> Self {
        mask_json(&mut value);
        Self(value)
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

/// Masks text that comes in pieces, giving out what the rest cannot change any more: a secret that is cut in two by
/// the pieces is never shown by its first half. What is given out, put together, is the masked whole.
#[derive(Debug, Default)]
pub struct Pieces {
    raw: String,
    /// How much of the masked text was given out, in bytes.
    given: usize,
}

impl Pieces {
    /// Takes in the next piece and gives out what is settled, which may be nothing.
    pub fn push(&mut self, piece: &str) -> Redacted {
        self.raw.push_str(piece);
        let settled = self.raw.rfind('\n').map_or(0, |end| end + 1);
        let masked = mask(self.raw.get(..settled).unwrap_or_default());
        let fresh = masked.get(self.given..).unwrap_or_default().to_owned();
        self.given = self.given.max(masked.len());
        Redacted(fresh)
    }

    /// Whether nothing but white space came.
    pub fn is_blank(&self) -> bool {
        self.raw.trim().is_empty()
    }

    /// What was held back, and the whole.
    pub fn finish(self) -> (Redacted, Redacted) {
        let whole = mask(&self.raw).into_owned();
        let rest = whole.get(self.given..).unwrap_or_default().to_owned();
        (Redacted(rest), Redacted(whole))
    }
}

fn mask(text: &str) -> Cow<'_, str> {
    Cow::Borrowed(text)
}

fn mask_json(value: &mut Value) {
    match value {
        Value::String(text) => {
            if let Cow::Owned(masked) = mask(text) {
                *text = masked;
            }
        }
        Value::Array(items) => items.iter_mut().for_each(mask_json),
        Value::Object(members) => members.values_mut().for_each(mask_json),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}
