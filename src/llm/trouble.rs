//! What can go wrong between us and a provider, sorted by what to do about it. Pure: statuses and bodies in, sentences
//! out; does not know which model it is about.

use std::time::Duration;

use reqwest::{StatusCode, header::HeaderMap};
use serde_json::Value;

use crate::text::{one_line, shorten};

/// A provider's words are quoted up to this many characters.
const LONGEST_QUOTE: usize = 300;

/// What to do about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Remedy {
    /// Ask again later.
    Wait,
    /// Shorten the prompt.
    Shorten,
    /// Ask without tools: calls can be written as text.
    DropTools,
    /// Give a valid API key.
    MendKey,
    /// Mend what this account may have or where it is asked for; another model may answer meanwhile.
    MendAccount,
    /// Mend the configuration or the request.
    Mend,
}

/// Why an attempt gave no reply.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Trouble {
    /// What to do about it.
    pub(super) remedy: Remedy,
    /// What happened, one sentence without a full stop; not yet redacted.
    pub(super) reason: String,
    /// When the provider wants to be asked again.
    pub(super) retry_after: Option<Duration>,
    /// How many further attempts it is worth, where those are few.
    pub(super) tries: Option<u32>,
}

impl Trouble {
    /// Something that may have passed by the next attempt.
    pub(super) fn passing(reason: impl Into<String>) -> Self {
        Self { remedy: Remedy::Wait, reason: reason.into(), retry_after: None, tries: None }
    }

    /// Something that will be the same at the next attempt.
    pub(super) fn lasting(reason: impl Into<String>) -> Self {
        Self { remedy: Remedy::Mend, ..Self::passing(reason) }
    }

    /// An answer that is no success.
    pub(super) fn refused(status: StatusCode, headers: &HeaderMap, body: &str) -> Self {
        let complaint = Complaint::read(body);
        let remedy = complaint.remedy(Some(status));
        let words = complaint.words();
        let reason = match (remedy, status.as_u16()) {
            (Remedy::MendAccount, 404) => format!("HTTP 404, check the model's `url` and `model`{words}"),
            (Remedy::Mend, code @ 300..=399) => {
                format!("HTTP {code}, the server redirects elsewhere: check the model's `url`{words}")
            }
            (_, code) => format!("HTTP {code}{words}"),
        };
        let retry_after = if remedy == Remedy::Wait { retry_after(headers) } else { None };
        Self { remedy, reason, retry_after, tries: None }
    }

    /// An error inside a reply that began as a success.
    pub(super) fn told(error: &Value) -> Self {
        let complaint = Complaint::of(error);
        let remedy = complaint.remedy(None);
        Self { remedy, ..Self::passing(format!("an error within the reply{}", complaint.words())) }
    }

    /// A failure of the connection. Its words name neither the URL (which may carry a key) nor its query.
    pub(super) fn connection(error: reqwest::Error) -> Self {
        let connecting = error.is_connect();
        let error = error.without_url();
        let mut reason = if connecting { "no connection" } else { "the connection broke" }.to_owned();
        let mut cause = std::error::Error::source(&error);
        while let Some(inner) = cause {
            if inner.source().is_none() {
                reason = format!("{reason}: {inner}");
            }
            cause = inner.source();
        }
        Self::passing(cut(&reason))
    }
}

/// An error as a provider words it.
struct Complaint {
    /// Its type and code, for programs.
    tag: String,
    /// Its message, for people.
    message: String,
}

impl Complaint {
    fn read(body: &str) -> Self {
        match serde_json::from_str::<Value>(body) {
            Ok(value) => Self::of(&value),
            Err(_) if body.trim_start().starts_with('<') => {
                Self { tag: String::new(), message: "a page of HTML".into() }
            }
            Err(_) => Self { tag: String::new(), message: body.trim().to_owned() },
        }
    }

    /// Reads `{"error": {"type", "code", "message"}}` and what is made of it elsewhere: wrapped in an array (Gemini),
    /// a bare string (Ollama), without the envelope (vLLM), `detail` (FastAPI).
    fn of(value: &Value) -> Self {
        let value = value.get(0).unwrap_or(value);
        let error = value.get("error").filter(|error| !error.is_null()).unwrap_or(value);
        let member = |name: &str| match error.get(name) {
            Some(Value::String(text)) => Some(text.clone()),
            Some(Value::Number(number)) => Some(number.to_string()),
            _ => None,
        };
        let tag = ["type", "code", "status"]
            .into_iter()
            .filter_map(member)
            .collect::<Vec<_>>()
            .join(" ")
            .to_lowercase();
        let message = ["message", "detail", "error"].into_iter().find_map(member);
        let message =
            message.or_else(|| error.as_str().map(str::to_owned)).unwrap_or_else(|| error.to_string());
        Self { tag, message }
    }

    fn words(&self) -> String {
        if self.message.is_empty() { String::new() } else { format!(": {}", cut(&self.message)) }
    }

    fn remedy(&self, status: Option<StatusCode>) -> Remedy {
        let message = self.message.to_lowercase();
        let says =
            |signs: &[&str]| signs.iter().any(|sign| message.contains(sign) || self.tag.contains(sign));
        if says(&TOO_LONG) {
            return Remedy::Shorten;
        }
        if says(&OUT_OF_CREDIT) {
            return Remedy::MendAccount;
        }
        if says(&NO_TOOLS) {
            return Remedy::DropTools;
        }
        match status.map(|status| status.as_u16()) {
            Some(401) => Remedy::MendKey,
            Some(402..=404) => Remedy::MendAccount,
            Some(413) => Remedy::Shorten,
            Some(408 | 409 | 425 | 429 | 500..=599) => Remedy::Wait,
            Some(400) if message.contains("api key not valid") => Remedy::MendKey,
            Some(_) => Remedy::Mend,
            None if self.tag.contains("authentication") => Remedy::MendKey,
            None if self.tag.contains("permission") => Remedy::MendAccount,
            None if self.tag.contains("invalid_request") => Remedy::Mend,
            None => Remedy::Wait,
        }
    }
}

/// How the providers say that a prompt is longer than the model can read.
const TOO_LONG: [&str; 14] = [
    "context_length_exceeded",            // OpenAI, Azure
    "maximum context length",             // OpenAI, vLLM, Mistral, OpenRouter
    "contextwindowexceeded",              // LiteLLM
    "exceed_context_size",                // llama.cpp
    "exceeds the available context size", // llama.cpp
    "exceeds the context length",         // Ollama, LM Studio
    "exceeds the context window",         // OpenAI responses
    "exceed context limit",               // Anthropic, with max_tokens
    "prompt is too long",                 // Anthropic
    "request_too_large",                  // Anthropic
    "input token count",                  // Gemini
    "input is too long",                  // Bedrock
    "request too large for model",        // Groq
    "reduce the length of the messages",  // Groq, Azure
];

/// How they say that waiting will not help, though some say it with 429.
const OUT_OF_CREDIT: [&str; 4] = ["insufficient_quota", "billing", "credit balance", "out of credit"];

/// How they say that the model calls no tools, or that the server was not set up for it.
const NO_TOOLS: [&str; 7] = [
    "does not support tool",                 // Ollama
    "does not support function calling",     // Fireworks, older gateways
    "support tool use",                      // OpenRouter
    "tool choice requires",                  // vLLM
    "tools param requires",                  // llama.cpp
    "does not support parameters: ['tools'", // LiteLLM
    "tool calling is not supported",         // Groq
];

/// When the provider wants to be asked again: `retry-after-ms`, or `retry-after` in seconds, which LiteLLM hands on under
/// a name of its own. The date form is not read: no provider uses it and clocks differ.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let number = |name: &str| headers.get(name)?.to_str().ok()?.trim().parse::<f64>().ok();
    let seconds = number("retry-after-ms").map(|ms| ms / 1000.0);
    let seconds = seconds.or_else(|| number("retry-after")).or_else(|| number("llm_provider-retry-after"))?;
    Duration::try_from_secs_f64(seconds).ok()
}

/// `words` on one line, short enough to be part of a sentence.
pub(super) fn cut(words: &str) -> String {
    shorten(one_line(words).trim_end_matches('.'), LONGEST_QUOTE)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn remedy(status: u16, body: &str) -> Remedy {
        Trouble::refused(StatusCode::from_u16(status).unwrap(), &HeaderMap::new(), body).remedy
    }

    #[test]
    fn statuses_and_words_say_what_to_do() {
        for (status, body, expected) in [
            (429, r#"{"error":{"message":"slow down","type":"rate_limit_error"}}"#, Remedy::Wait),
            (
                429,
                r#"{"error":{"message":"You exceeded your current quota, check your plan and billing details","code":"insufficient_quota"}}"#,
                Remedy::MendAccount,
            ),
            (
                400,
                r#"{"type":"error","error":{"type":"invalid_request_error","message":"Your credit balance is too low"}}"#,
                Remedy::MendAccount,
            ),
            (
                529,
                r#"{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}"#,
                Remedy::Wait,
            ),
            (500, "", Remedy::Wait),
            (502, "<html>bad gateway</html>", Remedy::Wait),
            (503, "model is loading", Remedy::Wait),
            (504, "", Remedy::Wait),
            (408, "", Remedy::Wait),
            (401, r#"{"error":{"message":"Incorrect API key provided"}}"#, Remedy::MendKey),
            (
                400,
                r#"[{"error":{"code":400,"message":"API key not valid. Please pass a valid API key.","status":"INVALID_ARGUMENT"}}]"#,
                Remedy::MendKey,
            ),
            (403, r#"{"error":{"message":"your plan has no such model"}}"#, Remedy::MendAccount),
            (404, r#"{"error":"model 'x' not found"}"#, Remedy::MendAccount),
            (402, "", Remedy::MendAccount),
            (
                400,
                r#"{"error":{"message":"registry.ollama.ai/library/gemma:2b does not support tools","type":"api_error"}}"#,
                Remedy::DropTools,
            ),
            (
                400,
                r#"{"object":"error","message":"\"auto\" tool choice requires --enable-auto-tool-choice and --tool-call-parser to be set"}"#,
                Remedy::DropTools,
            ),
            (
                500,
                r#"{"error":{"code":500,"message":"tools param requires --jinja flag"}}"#,
                Remedy::DropTools,
            ),
            (
                404,
                r#"{"error":{"message":"No endpoints found that support tool use.","code":404}}"#,
                Remedy::DropTools,
            ),
            (307, "", Remedy::Mend),
            (400, r#"{"error":{"message":"bad tool schema"}}"#, Remedy::Mend),
            (422, r#"{"detail":[{"loc":["body"],"msg":"extra"}]}"#, Remedy::Mend),
        ] {
            assert_eq!(remedy(status, body), expected, "{status} {body}");
        }
    }

    #[test]
    fn every_providers_overflow_is_told_from_other_refusals() {
        for (status, body) in [
            (
                400,
                r#"{"error":{"message":"This model's maximum context length is 8192 tokens.","code":"context_length_exceeded"}}"#,
            ),
            (
                400,
                r#"{"object":"error","message":"'max_tokens' or 'max_completion_tokens' is too large: 8192. This model's maximum context length is 65536 tokens and your request has 57879 input tokens","code":400}"#,
            ),
            (
                400,
                r#"{"type":"error","error":{"type":"invalid_request_error","message":"prompt is too long: 210000 tokens > 200000 maximum"}}"#,
            ),
            (
                400,
                r#"{"type":"error","error":{"type":"invalid_request_error","message":"input length and `max_tokens` exceed context limit: 199000 + 8000 > 200000"}}"#,
            ),
            (
                413,
                r#"{"type":"error","error":{"type":"request_too_large","message":"Request exceeds the maximum size"}}"#,
            ),
            (
                400,
                r#"{"error":{"code":400,"message":"the request exceeds the available context size, try increasing it","type":"exceed_context_size_error"}}"#,
            ),
            (
                400,
                r#"[{"error":{"code":400,"message":"The input token count (1200000) exceeds the maximum number of tokens allowed (1048576).","status":"INVALID_ARGUMENT"}}]"#,
            ),
            (
                400,
                r#"{"error":{"message":"litellm.ContextWindowExceededError: BedrockException","type":null,"code":"400"}}"#,
            ),
            (400, r#"{"message":"Input is too long for requested model."}"#),
            (
                413,
                r#"{"error":{"message":"Request too large for model `x` on tokens per minute","code":"rate_limit_exceeded"}}"#,
            ),
            (500, r#"{"error":"the prompt exceeds the context length"}"#),
        ] {
            assert_eq!(remedy(status, body), Remedy::Shorten, "{status} {body}");
        }
    }

    #[test]
    fn errors_inside_a_reply_are_read_without_a_status() {
        let told = |body: &str| Trouble::told(&serde_json::from_str(body).unwrap()).remedy;
        assert_eq!(
            told(r#"{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}"#),
            Remedy::Wait
        );
        assert_eq!(told(r#"{"error":{"message":"server overloaded","type":"server_error"}}"#), Remedy::Wait);
        assert_eq!(told(r#"{"error":{"message":"bad","type":"invalid_request_error"}}"#), Remedy::Mend);
        assert_eq!(told(r#"{"error":{"message":"maximum context length is 8"}}"#), Remedy::Shorten);
        assert_eq!(
            told(r#"{"type":"error","error":{"type":"authentication_error","message":"x"}}"#),
            Remedy::MendKey
        );
        assert_eq!(told(r#"{"error":"out of memory"}"#), Remedy::Wait);
    }

    #[test]
    fn the_wait_that_a_provider_asks_for_is_read() {
        let wait = |pairs: &[(&'static str, &'static str)]| {
            let headers =
                pairs.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect();
            Trouble::refused(StatusCode::TOO_MANY_REQUESTS, &headers, "").retry_after
        };
        assert_eq!(wait(&[("retry-after", "7")]), Some(Duration::from_secs(7)));
        assert_eq!(wait(&[("retry-after", " 1.5 ")]), Some(Duration::from_millis(1500)));
        assert_eq!(wait(&[("llm_provider-retry-after", "7")]), Some(Duration::from_secs(7)));
        assert_eq!(
            wait(&[("retry-after", "7"), ("retry-after-ms", "250")]),
            Some(Duration::from_millis(250))
        );
        for unreadable in ["-1", "soon", "NaN", "inf", "1e300", "Wed, 21 Oct 2026 07:28:00 GMT"] {
            assert_eq!(wait(&[("retry-after", unreadable)]), None, "{unreadable}");
        }
    }

    #[test]
    fn a_quote_is_one_short_line() {
        assert_eq!(cut("two\n  lines.\n"), "two lines");
        let long = cut(&"ä".repeat(1000));
        assert_eq!(long.chars().count(), LONGEST_QUOTE);
        assert!(long.ends_with('…'));
    }
}
