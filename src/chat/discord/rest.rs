//! Calls Discord's REST API: within its rate limits, with a deadline, one request at a time. Knows what an answer's
//! status means for the next request and nothing of what the request is for.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use http::{HeaderMap, HeaderValue, StatusCode, header};
use secrecy::ExposeSecret;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::time::Instant;

use super::{
    Sentence,
    ask::Ask,
    config::Settings,
    limits::{Key, Limits, seconds},
};

/// Why a request was not done.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    /// It was not sent, or was one too many: the limit is lifted after this long.
    #[error("Discord's rate limit is reached for {} s", .0.as_secs())]
    Busy(Duration),
    /// No answer: it may have been done or not.
    #[error("Discord cannot be reached: {0}")]
    Network(String),
    /// Discord said no.
    #[error("Discord answered {status} ({code}): {message}")]
    Status {
        /// The HTTP status.
        status: StatusCode,
        /// Discord's own code, 0 where it gave none.
        code: u64,
        /// Discord's words.
        message: String,
    },
    /// It was done, and the answer makes no sense.
    #[error("Discord's answer cannot be read: {0}")]
    Unreadable(String),
}

impl Error {
    /// Discord's own code, 0 where there is none.
    pub fn code(&self) -> u64 {
        match self {
            Error::Status { code, .. } => *code,
            Error::Busy(_) | Error::Network(_) | Error::Unreadable(_) => 0,
        }
    }

    /// Whether the same request may be done later.
    pub fn is_passing(&self) -> bool {
        match self {
            Error::Busy(_) | Error::Network(_) | Error::Unreadable(_) => true,
            Error::Status { status, .. } => {
                status.is_server_error()
                    || matches!(*status, StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS)
            }
        }
    }
}

/// A request waits this long for its limit before it is given back.
const PATIENCE: Duration = Duration::from_secs(2);

/// Tries of a request that Discord said was one too many.
const TRIES: u32 = 5;

/// Calls Discord as one bot.
pub(super) struct Rest {
    http: reqwest::Client,
    base: String,
    limits: Mutex<Limits>,
}

impl Rest {
    pub fn new(settings: &Settings) -> Result<Self, Sentence> {
        let unusable = |e: &dyn std::fmt::Display| Sentence(format!("cannot set up calls to Discord: {e}"));
        let mut token = HeaderValue::from_str(&format!("Bot {}", settings.token.expose_secret()))
            .map_err(|e| unusable(&e))?;
        token.set_sensitive(true);
        let http = reqwest::Client::builder()
            .user_agent(concat!("DiscordBot (kuBERTnetes, ", env!("CARGO_PKG_VERSION"), ")"))
            .default_headers(HeaderMap::from_iter([(header::AUTHORIZATION, token)]))
            .timeout(settings.timeout)
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(|e| unusable(&e))?;
        Ok(Self { http, base: settings.base.clone(), limits: Mutex::default() })
    }

    /// Does a request and reads the answer as `T`.
    pub async fn fetch<T: DeserializeOwned>(&self, ask: &Ask<'_>) -> Result<T, Error> {
        let answer = self.call(ask).await?;
        serde_json::from_value(answer).map_err(|e| Error::Unreadable(e.to_string()))
    }

    /// Does a request, and does it again for as long as only passing trouble stops it; for work that nobody else
    /// would repeat.
    pub async fn persist<T: DeserializeOwned>(&self, ask: &Ask<'_>) -> Result<T, Error> {
        let mut pause = Duration::from_millis(500);
        loop {
            match self.fetch(ask).await {
                Err(Error::Busy(wait)) => tokio::time::sleep(wait).await,
                Err(error) if error.is_passing() && !matches!(error, Error::Unreadable(_)) => {
                    tracing::warn!(%error, "will ask Discord again");
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(Duration::from_secs(30));
                }
                settled => return settled,
            }
        }
    }

    /// Does a request; `Null` where the answer has no body.
    pub async fn call(&self, ask: &Ask<'_>) -> Result<Value, Error> {
        let path = ask.path();
        let key = Key::of(ask.method(), &path);
        let deadline = Instant::now() + PATIENCE;
        for _ in 0..TRIES {
            self.wait_for(&key, deadline).await?;
            let response = self.send(ask, &path).await?;
            let (status, headers) = (response.status(), response.headers().clone());
            self.limits().learn(&key, &headers, Instant::now());
            let body = response.bytes().await.map_err(unreachable)?;
            if status != StatusCode::TOO_MANY_REQUESTS {
                return answer(status, &body);
            }
            let (wait, everywhere) = too_many(&headers, &body);
            self.limits().block(&key, everywhere, wait, Instant::now());
        }
        Err(Error::Busy(PATIENCE))
    }

    /// Waits until the route's limit lets a request through, if that is soon.
    async fn wait_for(&self, key: &Key, deadline: Instant) -> Result<(), Error> {
        loop {
            let now = Instant::now();
            let Some(wait) = self.limits().reserve(key, now) else { return Ok(()) };
            if now + wait > deadline {
                return Err(Error::Busy(wait));
            }
            tokio::time::sleep(wait).await;
        }
    }

    /// Sends a request. Only one that never left this machine is sent again.
    async fn send(&self, ask: &Ask<'_>, path: &str) -> Result<reqwest::Response, Error> {
        match ask.on(&self.http, &self.base, path)?.send().await {
            Err(error) if error.is_connect() => {
                tokio::time::sleep(Duration::from_millis(100)).await;
                ask.on(&self.http, &self.base, path)?.send().await.map_err(unreachable)
            }
            sent => sent.map_err(unreachable),
        }
    }

    fn limits(&self) -> MutexGuard<'_, Limits> {
        self.limits.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn answer(status: StatusCode, body: &[u8]) -> Result<Value, Error> {
    if status.is_success() {
        return match body {
            [] => Ok(Value::Null),
            body => serde_json::from_slice(body).map_err(|e| Error::Unreadable(e.to_string())),
        };
    }
    let said: Value = serde_json::from_slice(body).unwrap_or_default();
    let mut message = said["message"].as_str().unwrap_or("no reason given").to_owned();
    if !said["errors"].is_null() {
        message = format!("{message}: {}", said["errors"]);
    }
    let message = message.chars().take(300).collect();
    Err(Error::Status { status, code: said["code"].as_u64().unwrap_or_default(), message })
}

/// How long to wait, and whether with everything.
fn too_many(headers: &HeaderMap, body: &[u8]) -> (Duration, bool) {
    let said: Value = serde_json::from_slice(body).unwrap_or_default();
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let wait = match &said["retry_after"] {
        Value::Number(number) => seconds(&number.to_string()),
        _ => header("retry-after").and_then(seconds),
    };
    let everywhere = said["global"].as_bool().unwrap_or_else(|| header("x-ratelimit-global").is_some());
    (wait.unwrap_or(Duration::from_secs(1)), everywhere)
}

/// Without the address: it may hold the token of an interaction.
fn unreachable(error: reqwest::Error) -> Error {
    let error = error.without_url();
    let mut words = error.to_string();
    let mut cause = std::error::Error::source(&error);
    while let Some(inner) = cause {
        words = format!("{words}: {inner}");
        cause = inner.source();
    }
    Error::Network(words)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_answer_is_read_by_its_status() {
        assert_eq!(answer(StatusCode::NO_CONTENT, b"").unwrap(), Value::Null);
        assert_eq!(answer(StatusCode::OK, b"{\"id\":\"1\"}").unwrap(), json!({"id": "1"}));
        assert!(matches!(answer(StatusCode::OK, b"<html>"), Err(Error::Unreadable(_))));
        let error = answer(StatusCode::FORBIDDEN, b"{\"code\":50013,\"message\":\"Missing Permissions\"}")
            .unwrap_err();
        assert_eq!((error.code(), error.is_passing()), (50013, false));
        let error = answer(StatusCode::BAD_GATEWAY, b"<html>").unwrap_err();
        assert_eq!((error.code(), error.is_passing()), (0, true));
    }

    #[test]
    fn a_refused_form_says_which_field() {
        let body = json!({"code": 50035, "message": "Invalid Form Body", "errors": {"name": "too long"}});
        let error = answer(StatusCode::BAD_REQUEST, body.to_string().as_bytes()).unwrap_err();
        assert!(error.to_string().contains("Invalid Form Body: {\"name\":\"too long\"}"), "{error}");
    }

    #[test]
    fn one_too_many_says_how_long() {
        let none = HeaderMap::new();
        let header = HeaderMap::from_iter([(header::RETRY_AFTER, HeaderValue::from_static("65"))]);
        let body = br#"{"message":"You are being rate limited.","retry_after":0.65,"global":false}"#;
        assert_eq!(too_many(&header, body), (Duration::from_millis(651), false));
        assert_eq!(
            too_many(&none, br#"{"retry_after":7,"global":true}"#),
            (Duration::from_millis(7001), true)
        );
        assert_eq!(too_many(&header, b"error 1015"), (Duration::from_millis(65_001), false));
        assert_eq!(too_many(&none, b""), (Duration::from_secs(1), false));
    }
}
