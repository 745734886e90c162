//! A model behind HTTP: sends a prompt, listens to the reply, tries again what may pass. Knows no wire format and
//! no configuration file.

use std::{
    borrow::Cow,
    hash::{BuildHasher, Hasher},
    sync::atomic::{AtomicBool, Ordering::Relaxed},
    time::Duration,
};

use async_trait::async_trait;
use reqwest::{
    RequestBuilder, Response, Url,
    header::{CONTENT_TYPE, HeaderValue},
};
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;
use tokio::time::{Instant, sleep, timeout, timeout_at};

use super::{
    Live, Model, ModelError, Prompt, Reply,
    draft::{Draft, End, Ids},
    gate::Gate,
    prices::Prices,
    sse::Events,
    text_calls,
    trouble::{Remedy, Trouble},
};
use crate::redact::Redacted;

/// A reply that does not stream is read up to this many bytes.
const LONGEST_REPLY: usize = 8 << 20;
/// An error is read up to this many bytes.
const LONGEST_ERROR: usize = 64 << 10;
/// Who is asked to wait longer than this is told so instead, and may do something else meanwhile.
const LONGEST_PAUSE: Duration = Duration::from_secs(20);
/// The pause before the second attempt; each further one is twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
/// After a reply's last word its figures follow at once, or not at all.
const AFTERTHOUGHT: Duration = Duration::from_secs(5);
/// About how many bytes of a prompt make a token; for limits, until the provider says how many there were.
const BYTES_OF_A_TOKEN: usize = 4;

/// What a wire needs to know of its model.
#[derive(Debug, Clone)]
pub(super) struct Settings {
    /// What people call it; thoughts that go back bear this name.
    pub(super) name: String,
    /// The server's address, as configured.
    pub(super) base: Url,
    /// The provider's name of the model.
    pub(super) model: String,
    /// The longest reply.
    pub(super) max_tokens: u32,
    pub(super) temperature: Option<f64>,
    /// How long it may think, in tokens.
    pub(super) thinking_tokens: Option<u32>,
}

/// A provider's wire format.
pub(super) trait Wire: Send + Sync {
    /// Where prompts are posted.
    fn url(&self) -> &Url;

    /// Adds the headers that the provider wants, the key among them.
    fn authorize(&self, request: RequestBuilder, key: Option<HeaderValue>) -> RequestBuilder;

    /// The request's body.
    fn body(&self, prompt: &Prompt) -> Value;

    /// Takes in one event of a stream; true: it was the last.
    fn hear(&self, event: &Value, draft: &mut Draft<'_>) -> bool;

    /// Takes in a reply that came in one piece; false: it is none.
    fn read(&self, reply: &Value, draft: &mut Draft<'_>) -> bool;

    /// Gives in to a server that refused part of `sent`; true: the next body differs, ask again.
    fn concede(&self, _sent: &Value, _trouble: &Trouble) -> bool {
        false
    }
}

/// `base` with `segments` added to its path, the query kept.
pub(super) fn endpoint(base: &Url, segments: &[&str]) -> Url {
    let mut url = base.clone();
    if let Ok(mut path) = url.path_segments_mut() {
        path.pop_if_empty().extend(segments);
    }
    url
}

/// A tool's name as providers accept it back. A model may have called what is no name at all.
pub(super) fn tool_name(name: &str) -> String {
    let allowed = |c: char| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' };
    let name: String = name.chars().take(64).map(allowed).collect();
    if name.is_empty() { "unnamed".into() } else { name }
}

/// A configured model.
pub(super) struct Remote {
    pub(super) name: String,
    pub(super) wire: Box<dyn Wire>,
    pub(super) http: reqwest::Client,
    pub(super) key: Option<SecretString>,
    /// Where a person sets the key.
    pub(super) key_setting: String,
    /// The longest that a call may take, further attempts included.
    pub(super) whole: Duration,
    /// The longest silence.
    pub(super) stall: Duration,
    /// How many further attempts there may be.
    pub(super) retries: u32,
    pub(super) prices: Prices,
    /// What keeps it from being flooded.
    pub(super) gate: Gate,
    /// Whether calls are asked for and read as text: configured so, or learnt from a server that refused tools.
    pub(super) calls_in_text: AtomicBool,
}

#[async_trait]
impl Model for Remote {
    fn name(&self) -> &str {
        &self.name
    }

    async fn complete(&self, prompt: &Prompt, live: &dyn Live) -> Result<Reply, ModelError> {
        self.persist(prompt, live).await.map_err(|trouble| self.explain(&trouble))
    }
}

impl Remote {
    /// Tries until there is a reply, a trouble that stays, a word that was heard, or the time is over. Waiting for its
    /// turn is no part of that time.
    async fn persist(&self, prompt: &Prompt, live: &dyn Live) -> Result<Reply, Trouble> {
        let ids = Ids::of(prompt);
        let mut deadline = Instant::now() + self.whole;
        let mut failures = 0;
        loop {
            let in_text = self.calls_in_text.load(Relaxed);
            let asked =
                if in_text { Cow::Owned(text_calls::written_out(prompt)) } else { Cow::Borrowed(prompt) };
            let body = self.wire.body(&asked);
            let queued = Instant::now();
            let expected = if self.gate.tokens.is_some() { about_tokens(&body) } else { 0 };
            let pass = self.gate.enter(expected).await;
            deadline += queued.elapsed();
            let mut draft = if in_text { Draft::with_calls_in_text(live) } else { Draft::new(live) };
            let outcome = timeout_at(deadline, self.attempt(&body, &mut draft)).await;
            pass.settle(draft.usage.input + draft.usage.output);
            let outcome = outcome.map_err(|_| self.overdue())?;
            let heard = draft.heard();
            draft.usage.cost = self.prices.of(&draft.usage, draft.cache_writes);
            let trouble = match outcome.and_then(|()| draft.finish(&self.name, &ids)) {
                Ok(reply) => return Ok(reply),
                Err(trouble) => trouble,
            };
            if self.concede(&body, &trouble) {
                continue;
            }
            if trouble.remedy != Remedy::Wait || heard || failures >= self.most_failures(&trouble) {
                return Err(trouble);
            }
            let pause = trouble.retry_after.unwrap_or_else(|| backoff(failures));
            if pause > LONGEST_PAUSE || Instant::now() + pause > deadline {
                return Err(trouble);
            }
            failures += 1;
            tracing::warn!(model = self.name, failures, reason = %self.censor(&trouble.reason), "asking the model again");
            sleep(pause).await;
        }
    }

    fn most_failures(&self, trouble: &Trouble) -> u32 {
        trouble.tries.map_or(self.retries, |tries| tries.min(self.retries))
    }

    fn overdue(&self) -> Trouble {
        Trouble::passing(format!("no answer within {}", seconds(self.whole)))
    }

    /// Gives in to a server that refused part of what was sent; true: ask again.
    fn concede(&self, sent: &Value, trouble: &Trouble) -> bool {
        if trouble.remedy == Remedy::DropTools && sent.get("tools").is_some() {
            if !self.calls_in_text.swap(true, Relaxed) {
                tracing::warn!(model = self.name, reason = %self.censor(&trouble.reason),
                    "the server takes no tools: calls are written as text from now on; `tools = \"text\"` does so at once");
            }
            return true;
        }
        self.wire.concede(sent, trouble)
    }

    async fn attempt(&self, body: &Value, draft: &mut Draft<'_>) -> Result<(), Trouble> {
        let request = self.http.post(self.wire.url().clone()).json(body);
        let request = self.wire.authorize(request, self.key_header());
        let response = self.unless_stalled(self.stall, request.send()).await?.map_err(Trouble::connection)?;
        let status = response.status();
        if !status.is_success() {
            let headers = response.headers().clone();
            let body = self.text(response, LONGEST_ERROR).await.unwrap_or_default();
            return Err(Trouble::refused(status, &headers, &body));
        }
        let kind =
            response.headers().get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        if kind.starts_with("text/event-stream") {
            self.listen(response, draft).await
        } else {
            self.read(response, draft).await
        }
    }

    /// Listens to a stream to its end.
    async fn listen(&self, mut response: Response, draft: &mut Draft<'_>) -> Result<(), Trouble> {
        let mut events = Events::default();
        loop {
            let patience = if draft.ended() { self.stall.min(AFTERTHOUGHT) } else { self.stall };
            let chunk = match self.unless_stalled(patience, response.chunk()).await {
                Ok(Ok(chunk)) => chunk,
                Ok(Err(_)) | Err(_) if draft.ended() => return Ok(()),
                Ok(Err(error)) => return Err(Trouble::connection(error)),
                Err(stalled) => return Err(stalled),
            };
            let Some(chunk) = chunk else { break };
            let complete =
                events.push(&chunk).map_err(|_| Trouble::lasting("an endless event within the reply"))?;
            for data in complete {
                if self.hear(&data, draft)? {
                    return Ok(());
                }
            }
        }
        if let Some(data) = events.finish() {
            // What was cut off in its middle is unreadable, and missed just below.
            let _ = self.hear(&data, draft);
        }
        if draft.ended() { Ok(()) } else { Err(Trouble::passing("the reply broke off before its end")) }
    }

    /// Takes in one event's data; true: it was the last.
    fn hear(&self, data: &str, draft: &mut Draft<'_>) -> Result<bool, Trouble> {
        if data == "[DONE]" {
            draft.end(End::Done);
            return Ok(true);
        }
        let event: Value = serde_json::from_str(data)
            .map_err(|_| Trouble::passing("an unreadable event within the reply"))?;
        if event["type"] == "error" || event.get("error").is_some_and(|error| !error.is_null()) {
            return Err(Trouble::told(&event));
        }
        Ok(self.wire.hear(&event, draft))
    }

    /// Reads the answer of a server that does not stream.
    async fn read(&self, response: Response, draft: &mut Draft<'_>) -> Result<(), Trouble> {
        let text = self.text(response, LONGEST_REPLY).await?;
        let reply: Value = serde_json::from_str(&text).map_err(|_| not_a_model())?;
        if self.wire.read(&reply, draft) {
            return Ok(());
        }
        Err(if reply.get("error").is_some_and(|error| !error.is_null()) {
            Trouble::told(&reply)
        } else {
            not_a_model()
        })
    }

    async fn text(&self, mut response: Response, limit: usize) -> Result<String, Trouble> {
        let mut bytes = Vec::new();
        while let Some(chunk) =
            self.unless_stalled(self.stall, response.chunk()).await?.map_err(Trouble::connection)?
        {
            bytes.extend_from_slice(&chunk);
            if bytes.len() > limit {
                return Err(Trouble::lasting("an endless answer"));
            }
        }
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    async fn unless_stalled<T>(
        &self,
        patience: Duration,
        step: impl Future<Output = T>,
    ) -> Result<T, Trouble> {
        timeout(patience, step)
            .await
            .map_err(|_| Trouble::passing(format!("silence for {}", seconds(patience))))
    }

    fn key_header(&self) -> Option<HeaderValue> {
        // `connect` has refused keys that no header can hold.
        let mut value = HeaderValue::from_str(self.key.as_ref()?.expose_secret()).ok()?;
        value.set_sensitive(true);
        Some(value)
    }

    /// The words without secrets, least of all our own.
    fn censor(&self, words: &str) -> Redacted {
        match &self.key {
            Some(key) => Redacted::new(words.replace(key.expose_secret(), "[redacted]")),
            None => Redacted::new(words),
        }
    }

    fn explain(&self, trouble: &Trouble) -> ModelError {
        let model = self.name.clone();
        let reason = self.censor(&trouble.reason);
        match trouble.remedy {
            Remedy::Wait => ModelError::Unavailable { model, reason, retry_after: trouble.retry_after },
            Remedy::Shorten => ModelError::PromptTooLong { model, reason },
            Remedy::Mend | Remedy::DropTools => ModelError::Rejected { model, reason, account: false },
            Remedy::MendAccount => ModelError::Rejected { model, reason, account: true },
            Remedy::MendKey => {
                let setting = &self.key_setting;
                let what = match self.key {
                    Some(_) => {
                        format!("the API key of model {model} was rejected: check {setting} ({reason})")
                    }
                    None => format!("model {model} wants an API key: set {setting} ({reason})"),
                };
                ModelError::Rejected { model, reason: Redacted::new(what), account: true }
            }
        }
    }
}

fn about_tokens(body: &Value) -> u32 {
    u32::try_from(body.to_string().len() / BYTES_OF_A_TOKEN).unwrap_or(u32::MAX)
}

fn not_a_model() -> Trouble {
    Trouble::lasting("the answer is no reply of a language model: check the model's `url` and `provider`")
}

fn seconds(duration: Duration) -> String {
    format!("{} s", duration.as_secs())
}

/// The pause after so many failures: doubling, and scattered so that conversations that failed together do not return
/// together.
fn backoff(failures: u32) -> Duration {
    let longest = FIRST_PAUSE.saturating_mul(2_u32.saturating_pow(failures)).min(LONGEST_PAUSE);
    let chance = std::hash::RandomState::new().build_hasher().finish() % 1000;
    longest / 2 + (longest / 2).mul_f64(f64::from(u16::try_from(chance).unwrap_or_default()) / 1000.0)
}
