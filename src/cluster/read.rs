//! Reads answers of an API server within limits of size and time. Knows nothing of what they mean.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use kube::{Client, api::ListParams, core::Request as Paths};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::value::RawValue;
use tokio::{sync::Semaphore, time::Instant};

use super::{lean::lean, reach::connection_reason};

/// The most that one page of a list may hold, in bytes.
const PAGE_BYTES: usize = 16 << 20;
/// The most objects that room is made for before they come.
const MOST_EXPECTED: usize = 100_000;
/// The most that is read of a refusal, in bytes.
const REFUSAL_BYTES: usize = 64 << 10;
/// How long to wait before an overloaded server is asked once more.
const SECOND_TRY: Duration = Duration::from_millis(500);
/// What a client says that only wants metadata.
pub(super) const METADATA_ONLY: &str =
    "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json";

/// How often a list may be begun again whose pages went out of date (410) while they were read.
pub(super) struct Restarts(u8);

impl Default for Restarts {
    fn default() -> Self {
        Self(2)
    }
}

impl Restarts {
    /// Takes one, if there is one left.
    pub(super) fn another(&mut self) -> bool {
        let left = self.0.checked_sub(1);
        self.0 = left.unwrap_or_default();
        left.is_some()
    }
}

/// Why something could not be read.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub(super) enum ReadError {
    /// The server said no.
    #[error("{message}")]
    Refused {
        /// The HTTP status.
        code: u16,
        /// What it said.
        message: String,
    },
    /// The server did not answer in time.
    #[error("no answer within {} s", .0.as_secs())]
    TimedOut(Duration),
    /// The time for all reading is over.
    #[error("there was no time left for it")]
    NoTime,
    /// The answer is larger than what is read.
    #[error("the answer is larger than {} MiB", .0 >> 20)]
    TooLarge(usize),
    /// So much was read already that nothing more is.
    #[error("as many bytes as one look may read were read before it")]
    NoBytes,
    /// The connection failed.
    #[error("{0}")]
    Broken(String),
    /// The answer is not what it should be.
    #[error("the answer can't be understood: {0}")]
    Garbled(String),
}

/// Reads from one cluster, so many requests at a time, until a deadline and a number of bytes.
pub(super) struct Reader<'a> {
    pub(super) client: &'a Client,
    pub(super) permits: Semaphore,
    pub(super) deadline: Instant,
    pub(super) request_timeout: Duration,
    pub(super) page_objects: u32,
    pub(super) max_objects: usize,
    pub(super) bytes_left: AtomicUsize,
}

/// A list, and what is missing in it.
#[derive(Debug)]
pub(super) struct Listed<T> {
    pub(super) items: Vec<T>,
    /// One clause for each thing that is missing.
    pub(super) missing: Vec<String>,
}

#[derive(Deserialize)]
struct Page<'a> {
    #[serde(default)]
    metadata: PageMeta,
    #[serde(borrow, default)]
    items: Option<Vec<&'a RawValue>>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase")]
struct PageMeta {
    #[serde(default, rename = "continue")]
    next: Option<String>,
    #[serde(default)]
    remaining_item_count: i64,
}

#[derive(Deserialize)]
struct Refusal {
    #[serde(default)]
    message: String,
}

impl Reader<'_> {
    /// Reads one answer of at most `limit` bytes.
    pub(super) async fn read(&self, request: Request<Vec<u8>>, limit: usize) -> Result<Bytes, ReadError> {
        let again = request.clone();
        match self.read_once(request, limit).await {
            Err(ReadError::Refused { code: 429 | 503 | 504, .. }) => {
                tokio::time::sleep(SECOND_TRY).await;
                self.read_once(again, limit).await
            }
            answer => answer,
        }
    }

    async fn read_once(&self, request: Request<Vec<u8>>, limit: usize) -> Result<Bytes, ReadError> {
        let no_time = |_| ReadError::NoTime;
        let permit = tokio::time::timeout_at(self.deadline, self.permits.acquire()).await.map_err(no_time)?;
        let _permit = permit.map_err(|error| ReadError::Broken(error.to_string()))?;
        let timeout = self.request_timeout;
        let until = self.deadline.min(Instant::now() + timeout);
        match tokio::time::timeout_at(until, receive(self.client, request, limit)).await {
            Ok(answer) => answer,
            Err(_) if until == self.deadline => Err(ReadError::NoTime),
            Err(_) => Err(ReadError::TimedOut(timeout)),
        }
    }

    /// Reads a list page by page and tidies each object up. One that can't be understood is left out, and that is
    /// said.
    pub(super) async fn list<T: DeserializeOwned + Send + 'static>(
        &self,
        path: &str,
        accept: &str,
        mut tidy: impl FnMut(&mut T) + Send + 'static,
    ) -> Result<Listed<T>, ReadError> {
        let mut listed = Listed { items: Vec::new(), missing: Vec::new() };
        let mut size = self.page_objects.max(1);
        let (mut next, mut restarts) = (None::<String>, Restarts::default());
        loop {
            let page = match self.page(path, accept, size, next.as_deref()).await {
                // Large objects: smaller pages.
                Err(ReadError::TooLarge(_)) if size > 1 => {
                    size = size.div_ceil(8);
                    continue;
                }
                // The list is older than what the server remembers.
                Err(ReadError::Refused { code: 410, .. }) if next.is_some() && restarts.another() => {
                    (listed.items, listed.missing, next) = (Vec::new(), Vec::new(), None);
                    continue;
                }
                // And what was read of it is no smaller for it.
                Err(ReadError::Refused { code: 410, .. }) if next.is_some() => {
                    listed.missing.push("the list changed while it was read".into());
                    return Ok(listed);
                }
                page => page,
            };
            // A budget is spent even where nothing comes after it.
            let spent = page.as_ref().is_ok_and(|page| !self.spend(page.len()));
            let taken;
            (listed, tidy, taken) = match page {
                Ok(page) => decode(page, listed, tidy).await?,
                Err(error) => (listed, tidy, Err(error)),
            };
            match taken {
                Ok(None) => return Ok(listed),
                Ok(token) => next = token,
                Err(error) if listed.items.is_empty() => return Err(error),
                Err(error) => {
                    listed.missing.push(format!("only the first {} were read: {error}", listed.items.len()));
                    return Ok(listed);
                }
            }
            if listed.items.len() >= self.max_objects || spent {
                listed.missing.push(format!("only the first {} were read", listed.items.len()));
                return Ok(listed);
            }
        }
    }

    async fn page(
        &self,
        path: &str,
        accept: &str,
        size: u32,
        next: Option<&str>,
    ) -> Result<Bytes, ReadError> {
        let limit = PAGE_BYTES.min(self.bytes_left.load(Ordering::Relaxed));
        if limit == 0 {
            return Err(ReadError::NoBytes);
        }
        let mut wanted = ListParams::default().limit(size);
        wanted.continue_token = next.map(str::to_owned);
        let mut request =
            Paths::new(path).list(&wanted).map_err(|error| ReadError::Broken(error.to_string()))?;
        let accept =
            accept.parse().map_err(|_| ReadError::Broken("the accepted type is not a header".into()))?;
        request.headers_mut().insert(http::header::ACCEPT, accept);
        self.read(request, limit).await
    }

    /// Takes from what may still be read; whether anything is left.
    fn spend(&self, bytes: usize) -> bool {
        let left = |left: usize| Some(left.saturating_sub(bytes));
        let before = self.bytes_left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, left);
        before.is_ok_and(|before| before > bytes)
    }
}

/// Adds a page's objects on a thread where that keeps nobody waiting: it takes longer than the transfer. Gives back
/// what it was given, and the token of the next page.
async fn decode<T, F>(
    page: Bytes,
    mut listed: Listed<T>,
    mut tidy: F,
) -> Result<(Listed<T>, F, Result<Option<String>, ReadError>), ReadError>
where
    T: DeserializeOwned + Send + 'static,
    F: FnMut(&mut T) + Send + 'static,
{
    let decoding = tokio::task::spawn_blocking(move || {
        let taken = take_page(&page, &mut listed, &mut tidy);
        (listed, tidy, taken)
    });
    decoding.await.map_err(|error| ReadError::Broken(error.to_string()))
}

/// Adds a page's objects; returns the token of the next page.
fn take_page<T: DeserializeOwned>(
    page: &[u8],
    listed: &mut Listed<T>,
    tidy: &mut impl FnMut(&mut T),
) -> Result<Option<String>, ReadError> {
    let page: Page<'_> =
        serde_json::from_slice(page).map_err(|error| ReadError::Garbled(error.to_string()))?;
    let mut garbled = Vec::new();
    let items = page.items.unwrap_or_default();
    let expected = usize::try_from(page.metadata.remaining_item_count).unwrap_or_default().min(MOST_EXPECTED);
    // Growing by doubling would hold everything twice for a moment.
    listed.items.reserve_exact(items.len() + expected);
    for item in items {
        match serde_json::from_str::<T>(&lean(item.get())) {
            Ok(mut item) => {
                tidy(&mut item);
                listed.items.push(item);
            }
            Err(error) => garbled.push(error.to_string()),
        }
    }
    if let Some(first) = garbled.first() {
        listed.missing.push(format!("{} of them can't be understood ({first})", garbled.len()));
    }
    Ok(page.metadata.next.filter(|next| !next.is_empty()))
}

async fn receive(client: &Client, request: Request<Vec<u8>>, limit: usize) -> Result<Bytes, ReadError> {
    let response = client
        .send(request.map(Into::into))
        .await
        .map_err(|error| ReadError::Broken(connection_reason(&error)))?;
    let code = response.status();
    let limit = if code.is_success() { limit } else { REFUSAL_BYTES };
    let body =
        Limited::new(response.into_body(), limit).collect().await.map(http_body_util::Collected::to_bytes);
    match body {
        Ok(body) if code.is_success() => Ok(body),
        Ok(body) => Err(ReadError::Refused { code: code.as_u16(), message: refusal(code, &body) }),
        Err(_) if !code.is_success() => {
            Err(ReadError::Refused { code: code.as_u16(), message: format!("it answered {code}") })
        }
        Err(error) if error.is::<LengthLimitError>() => Err(ReadError::TooLarge(limit)),
        Err(error) => Err(ReadError::Broken(error.to_string())),
    }
}

/// What a refusal says: its message, or its status where it has none.
fn refusal(code: http::StatusCode, body: &[u8]) -> String {
    let said = serde_json::from_slice::<Refusal>(body).map(|refusal| refusal.message).unwrap_or_default();
    if said.is_empty() { format!("it answered {code}") } else { said }
}
