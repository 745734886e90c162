//! Asks the API server, within bounds: every request has a deadline and every answer a size. Sends GET, and POST
//! for reviews of one's own access; knows nothing of commands and of how answers are printed.

pub(super) mod failure;
pub(super) mod kinds;
mod known;
pub(super) mod lists;

use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use http::{Method, Request, Response, StatusCode, header};
use http_body_util::BodyExt;
use kube::{Client, client::Body};
use serde_json::Value;
use tokio::time::Instant;

use self::failure::Failure;
pub use self::known::KnownKinds;

/// How much one command may ask for.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// How long one request may take.
    pub request: Duration,
    /// How long the command may take.
    pub command: Duration,
    /// How many bytes may be printed.
    pub output: usize,
    /// How many bytes of one log are read; what is printed of them is worth it.
    pub log: usize,
    /// How many bytes may be read.
    pub read: usize,
    /// How many objects are asked for at once.
    pub page: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            request: Duration::from_secs(15),
            command: Duration::from_secs(45),
            output: 8 << 20,
            log: 2 << 30,
            read: 64 << 20,
            page: 500,
        }
    }
}

/// How often a server that asks for patience gets some, and how much at a time.
const PATIENCE: (u32, Duration) = (3, Duration::from_secs(5));

/// What is asked for where nothing special is.
pub const JSON: &str = "application/json";

/// A connection for the time of one command.
pub struct Wire<'a> {
    client: &'a Client,
    known: &'a KnownKinds,
    pub limits: Limits,
    deadline: Instant,
    read: AtomicUsize,
    warnings: Mutex<Vec<String>>,
}

impl<'a> Wire<'a> {
    pub fn new(client: &'a Client, known: &'a KnownKinds, limits: Limits) -> Self {
        Self {
            client,
            known,
            limits,
            deadline: Instant::now() + limits.command,
            read: AtomicUsize::new(0),
            warnings: Mutex::default(),
        }
    }

    /// The answer to a GET, as JSON.
    pub async fn get(&self, path: &str, accept: &str) -> Result<Value, Failure> {
        let bytes = self.get_bytes(path, accept).await?;
        serde_json::from_slice(&bytes)
            .map_err(|error| Failure::error(format!("{path}: the answer is not JSON: {error}")))
    }

    /// The answer to a GET, as it is.
    pub async fn get_bytes(&self, path: &str, accept: &str) -> Result<Vec<u8>, Failure> {
        let (answer, until) = self.ask(Method::GET, path, accept, Vec::new()).await?;
        self.whole(answer.into_body(), until).await
    }

    /// The answer to a GET that may be too long to be held: it is read chunk by chunk.
    pub async fn open(&self, path: &str) -> Result<Chunks<'_>, Failure> {
        let (answer, _) = self.ask(Method::GET, path, "application/json, */*", Vec::new()).await?;
        Ok(Chunks { body: answer.into_body(), wire: self })
    }

    /// Asks what the one who asks may do. `kind` is one of the self-subject reviews, which store nothing.
    pub async fn review(&self, kind: SelfReview, spec: &Value) -> Result<Value, Failure> {
        let (plural, name) = match kind {
            SelfReview::Access => ("selfsubjectaccessreviews", "SelfSubjectAccessReview"),
            SelfReview::Rules => ("selfsubjectrulesreviews", "SelfSubjectRulesReview"),
        };
        let body = serde_json::json!({"apiVersion": "authorization.k8s.io/v1", "kind": name, "metadata": {}, "spec": spec});
        let path = format!("/apis/authorization.k8s.io/v1/{plural}");
        let answer = self.ask(Method::POST, &path, JSON, body.to_string().into_bytes()).await?;
        let bytes = self.whole(answer.0.into_body(), answer.1).await?;
        serde_json::from_slice(&bytes)
            .map_err(|error| Failure::error(format!("{path}: the answer is not JSON: {error}")))
    }

    /// What the server warned of, each once.
    pub fn warnings(&self) -> Vec<String> {
        self.warnings.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Sends, and sends again where the server asks for patience. Also says until when the answer may be read.
    async fn ask(
        &self,
        method: Method,
        path: &str,
        accept: &str,
        body: Vec<u8>,
    ) -> Result<(Response<Body>, Instant), Failure> {
        for attempt in 0.. {
            let until = self.deadline.min(Instant::now() + self.limits.request);
            let request = Request::builder().method(method.clone()).uri(path).header(header::ACCEPT, accept);
            let request = if body.is_empty() { request } else { request.header(header::CONTENT_TYPE, JSON) };
            let request = request
                .body(Body::from(body.clone()))
                .map_err(|error| Failure::error(format!("{path} cannot be asked for: {error}")))?;
            let answer = tokio::time::timeout_at(until, self.client.send(request)).await;
            let answer =
                answer.map_err(|_| Failure::late())?.map_err(|error| Failure::unreachable(&error))?;
            self.note_warnings(&answer);
            if answer.status().is_success() {
                return Ok((answer, until));
            }
            match patience(&answer).filter(|_| attempt < PATIENCE.0) {
                Some(pause) if Instant::now() + pause < self.deadline => tokio::time::sleep(pause).await,
                _ => {
                    let status = answer.status();
                    let bytes = self.whole(answer.into_body(), until).await?;
                    return Err(Failure::answered(status, &bytes));
                }
            }
        }
        Err(Failure::late())
    }

    async fn whole(&self, mut body: Body, until: Instant) -> Result<Vec<u8>, Failure> {
        let mut bytes = Vec::new();
        while let Some(chunk) = next_chunk(&mut body, until).await? {
            let read = self.read.fetch_add(chunk.len(), Ordering::Relaxed) + chunk.len();
            if read > self.limits.read {
                return Err(Failure::error(format!(
                    "the answer is larger than {} MiB; narrow it with a namespace, a name, -l or --field-selector",
                    self.limits.read >> 20
                )));
            }
            bytes.extend_from_slice(&chunk);
        }
        Ok(bytes)
    }

    fn note_warnings(&self, answer: &Response<Body>) {
        let mut warnings = self.warnings.lock().unwrap_or_else(PoisonError::into_inner);
        for value in answer.headers().get_all(header::WARNING) {
            let text = value.to_str().ok().and_then(|value| value.strip_prefix("299 "));
            let text =
                text.and_then(|text| Some(text.split_once('"')?.1.rsplit_once('"')?.0.replace("\\\"", "\"")));
            if let Some(text) = text.filter(|text| !warnings.contains(text)) {
                warnings.push(text);
            }
        }
    }
}

/// An answer that comes in chunks.
pub struct Chunks<'a> {
    body: Body,
    wire: &'a Wire<'a>,
}

impl Chunks<'_> {
    /// The next one; `None` at the end. While something comes, only the time of the whole command is a limit.
    pub async fn next(&mut self) -> Result<Option<bytes::Bytes>, Failure> {
        let until = self.wire.deadline.min(Instant::now() + self.wire.limits.request);
        next_chunk(&mut self.body, until).await
    }
}

/// The two reviews that ask about oneself.
#[derive(Debug, Clone, Copy)]
pub enum SelfReview {
    Access,
    Rules,
}

/// How long a server that cannot answer now asks to wait, within bounds.
fn patience(answer: &Response<Body>) -> Option<Duration> {
    if !matches!(answer.status(), StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE) {
        return None;
    }
    let seconds = answer.headers().get(header::RETRY_AFTER)?.to_str().ok()?.parse().ok()?;
    Some(Duration::from_secs(seconds).min(PATIENCE.1))
}

async fn next_chunk(body: &mut Body, until: Instant) -> Result<Option<bytes::Bytes>, Failure> {
    loop {
        let frame = tokio::time::timeout_at(until, body.frame()).await.map_err(|_| Failure::late())?;
        match frame {
            None => return Ok(None),
            Some(Err(error)) => return Err(Failure::unreachable(&error)),
            Some(Ok(frame)) => match frame.into_data() {
                Ok(data) => return Ok(Some(data)),
                Err(_trailers) => {}
            },
        }
    }
}

/// `text` as a value in a query.
pub fn encode(text: &str) -> String {
    use std::fmt::Write as _;
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            out.push(byte.into());
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}
