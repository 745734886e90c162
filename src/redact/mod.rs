//! The only text that may be kept, sent or shown. Pure; knows nothing of where text comes from or goes to.
//!
//! A secret is known by the name before it (`keys`, `values`), by its looks (`shapes`) or by the block it stands in
//! (`blocks`); `scan` finds them in one pass. In doubt it is masked: a fact that is missing can be looked up, a
//! password that was posted cannot be taken back.

mod blocks;
mod flow;
mod json;
mod keys;
mod pieces;
mod scan;
mod shapes;
#[cfg(test)]
mod tests;
mod values;

pub use flow::Flow;
pub use pieces::Pieces;

use std::{
    borrow::Cow,
    fmt,
    ops::{Deref, Range},
    sync::LazyLock,
};

use regex::Regex;
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

/// What stands in place of a secret.
const MARKER: &str = "[redacted]";

/// Finds the markers in a text, faster than `str::match_indices`.
static MARKERS: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(&regex::escape(MARKER)).ok());

/// Masking is repeated until nothing changes, so that masking again changes nothing. More rounds than this are never
/// needed; a text that wants them is hidden whole.
const PASSES: usize = 8;

fn mask(text: &str) -> Cow<'_, str> {
    mask_part(text, 0..text.len()).0
}

/// The masked text, and where in it stands what became of a part of `text`.
fn mask_part(text: &str, part: Range<usize>) -> (Cow<'_, str>, Range<usize>) {
    let Some((mut masked, mut part)) = pass(text, part.clone()) else { return (Cow::Borrowed(text), part) };
    for _ in 1..PASSES {
        match pass(&masked, part.clone()) {
            Some(again) => (masked, part) = again,
            None => return (Cow::Owned(masked), part),
        }
    }
    (Cow::Owned(MARKER.into()), 0..MARKER.len())
}

/// Masks once, and says where a part of the text went; `None` where there is nothing to mask.
fn pass(text: &str, part: Range<usize>) -> Option<(String, Range<usize>)> {
    let found = scan::find(text);
    if found.is_empty() {
        return None;
    }
    let markers = MARKERS.iter().flat_map(|marker| marker.find_iter(text));
    let markers: Vec<Range<usize>> = markers.map(|marker| marker.range()).collect();
    let mut found: Vec<Range<usize>> =
        found.into_iter().filter_map(|range| beside(range, &markers, text)).collect();
    found.sort_by_key(|range| range.start);
    let mut masked = String::with_capacity(text.len());
    let mut done = 0;
    let mut moved = part.clone();
    let mut rest = found.into_iter().peekable();
    while let Some(mut range) = rest.next() {
        while let Some(next) = rest.next_if(|next| next.start <= range.end) {
            range.end = range.end.max(next.end);
        }
        masked.push_str(text.get(done..range.start)?);
        let marker = masked.len()..masked.len() + MARKER.len();
        masked.push_str(MARKER);
        // The marker belongs to the part in which the secret begins.
        if range.start < part.start {
            moved.start = marker.end + part.start.saturating_sub(range.end);
        }
        if range.start < part.end {
            moved.end = marker.end + part.end.saturating_sub(range.end);
        }
        done = range.end;
    }
    masked.push_str(text.get(done..)?);
    (masked != text).then_some((masked, moved))
}

/// `range` grown to whole characters and whole markers; `None` where it is part of a marker or empty. So every round
/// takes something away that is not a marker, and the rounds end.
fn beside(range: Range<usize>, markers: &[Range<usize>], text: &str) -> Option<Range<usize>> {
    let mut start = range.start;
    let mut end = range.end;
    while !text.is_char_boundary(start) {
        start -= 1;
    }
    while !text.is_char_boundary(end) {
        end += 1;
    }
    let first = markers.partition_point(|marker| marker.end <= start);
    for marker in markers.iter().skip(first) {
        if marker.start >= end {
            break;
        }
        if marker.start <= start && end <= marker.end {
            return None;
        }
        start = start.min(marker.start);
        end = end.max(marker.end);
    }
    (start < end).then_some(start..end)
}
