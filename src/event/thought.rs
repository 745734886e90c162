//! What a provider wants back with a reply, so that its model goes on thinking where it stopped. Knows no wire format
//! beyond the names of the parts. Nothing here is ever shown, posted or logged.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::redact::Redacted;

/// What a model thought before it replied. It goes back to the same model alone: another could not read it, and would
/// refuse the seals.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Thought {
    /// Whose it is, by the name in the configuration.
    pub model: String,
    /// Its parts, in the provider's order.
    pub parts: Vec<ThoughtPart>,
}

/// One part of a thought.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ThoughtPart {
    /// What the provider calls it.
    pub kind: ThoughtKind,
    /// What can be read of it.
    #[serde(default, skip_serializing_if = "is_empty")]
    pub text: Redacted,
    /// What only the provider can read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seal: Option<Seal>,
    /// Which of the reply's calls it belongs to, counted from 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub call: Option<usize>,
    /// The provider's id of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<Seal>,
    /// The provider's name for its form.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub format: Option<Seal>,
}

impl ThoughtPart {
    /// A part with nothing in it yet.
    pub fn new(kind: ThoughtKind) -> Self {
        Self { kind, text: Redacted::default(), seal: None, call: None, id: None, format: None }
    }
}

fn is_empty(text: &Redacted) -> bool {
    text.is_empty()
}

/// What a part of a thought is, by the providers' own names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum ThoughtKind {
    /// Text, as DeepSeek and llama.cpp send it.
    #[serde(rename = "reasoning_content")]
    ReasoningContent,
    /// Text, as OpenRouter, Ollama and vLLM send it.
    #[serde(rename = "reasoning")]
    Reasoning,
    /// A detail of OpenRouter's: text, perhaps sealed.
    #[serde(rename = "reasoning.text")]
    DetailText,
    /// A detail of OpenRouter's: a summary.
    #[serde(rename = "reasoning.summary")]
    DetailSummary,
    /// A detail of OpenRouter's: nothing but a seal.
    #[serde(rename = "reasoning.encrypted")]
    DetailEncrypted,
    /// A block of Anthropic's: text and its signature.
    #[serde(rename = "thinking")]
    Thinking,
    /// A block of Anthropic's: nothing but a seal.
    #[serde(rename = "redacted_thinking")]
    RedactedThinking,
    /// Gemini's signature of one call.
    #[serde(rename = "thought_signature")]
    CallSignature,
}

/// What only the provider that made it can read. It is no [`Redacted`] because masking would break it; instead it takes
/// nothing but what a seal can be, and is not printed.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Seal(String);

impl Seal {
    /// The longest that is taken, in bytes.
    pub const LONGEST: usize = 256 << 10;

    /// `text` as a seal, if it is one: not empty, not endless, and of base64's letters (either alphabet) alone.
    pub fn new(text: impl Into<String>) -> Option<Self> {
        let text = text.into();
        let letter = |byte: u8| byte.is_ascii_alphanumeric() || b"+/=-_".contains(&byte);
        let fits = !text.is_empty() && text.len() <= Self::LONGEST && text.bytes().all(letter);
        fits.then_some(Self(text))
    }

    /// The seal, for its provider alone.
    pub fn for_its_provider(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Seal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Seal({} bytes)", self.0.len())
    }
}

impl TryFrom<String> for Seal {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::new(text).ok_or("a seal holds other letters than base64's, none or too many")
    }
}

impl From<Seal> for String {
    fn from(Seal(text): Seal) -> Self {
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seal_takes_what_a_seal_can_be() {
        for taken in ["EqQBCgIYAhIM1+/=", "gAAAA_-", "rs_0a1b", "anthropic-claude-v1"] {
            let seal = Seal::new(taken).unwrap();
            assert_eq!(seal.for_its_provider(), taken);
            assert!(!format!("{seal:?}").contains(taken));
        }
        let longest = "A".repeat(Seal::LONGEST);
        assert!(Seal::new(longest.clone()).is_some());
        for refused in ["", "two words", "password: x", "a\nb", "ümlaut", "{}", &format!("{longest}A")] {
            assert!(Seal::new(refused).is_none(), "{refused}");
            assert!(serde_json::from_value::<Seal>(serde_json::json!(refused)).is_err());
        }
    }
}
