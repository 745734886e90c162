//! The practice cluster as a live API server in which one container has written a log of any length. It is made while it
//! is read: neither a file nor a memory holds it.

use std::{path::Path, sync::Arc};

use axum::{
    Router,
    body::{Body, to_bytes},
    extract::Request,
    response::Response,
};
use bytes::Bytes;
use kubertnetes::cluster::snapshot::Snapshot;
use tokio::net::TcpListener;

/// Says what only the words of a question point at: a line of business like any other.
pub const NEEDLE: &str =
    "INFO query 00250017 of host-3.shop.example was put back, zone ledger frozen by request 88-1402";
/// An error that comes once.
pub const ERROR: &str = "ERROR plugin/forward: no upstream is left for rates.bank.example";
/// Something that must not be shown, near the needle.
pub const SECRET: &str = "INFO reload with api_token=9f8e7d6c5b4a39281706f5e4d3c2b1a0";

/// A log of so many megabytes.
#[derive(Clone, Copy)]
pub struct BigLog {
    pub megabytes: usize,
}

/// How many lines are made at once, and how long each is with its end.
const LINES: usize = 1_000;
const LENGTH: usize = 100;

impl BigLog {
    /// How many chunks of it there are.
    fn chunks(self) -> usize {
        (self.megabytes << 20) / (LINES * LENGTH)
    }

    /// A chunk of whole lines; the middle one has what is looked for.
    fn chunk(self, number: usize) -> Bytes {
        let mut chunk = Vec::with_capacity(LINES * LENGTH);
        for line in 0..LINES {
            let line = number * LINES + line;
            let host = line % 7;
            let text = format!(
                "INFO query {line:08} of host-{host}.shop.example answered from the cache in {:02} ms",
                line % 83
            );
            chunk.extend_from_slice(text.as_bytes());
            chunk.resize(chunk.len() + LENGTH - 1 - text.len(), b'.');
            chunk.push(b'\n');
            if line == self.chunks() / 2 * LINES + 300 {
                chunk.extend_from_slice(format!("{SECRET}\n{NEEDLE}\n{ERROR}\n").as_bytes());
            }
        }
        chunk.into()
    }

    /// All of it.
    pub fn all(self) -> impl Iterator<Item = Bytes> + Send + 'static {
        (0..self.chunks()).map(move |number| self.chunk(number))
    }

    fn body(self, query: &str) -> Body {
        let tail = query.split('&').find_map(|part| part.strip_prefix("tailLines=")?.parse::<usize>().ok());
        let Some(tail) = tail else {
            return Body::from_stream(futures::stream::iter(self.all().map(Ok::<_, std::io::Error>)));
        };
        let last = self.chunk(self.chunks() - 1);
        Body::from(last.slice(last.len() - (tail * LENGTH).min(last.len())..))
    }

    /// Answers as the practice cluster does, with this log in the place of the DNS server's.
    pub async fn serve(self, listener: TcpListener) {
        let snapshot = Arc::new(Snapshot::practice().unwrap());
        let app = Router::new().fallback(move |request: Request| {
            let snapshot = snapshot.clone();
            async move {
                let (path, query) =
                    (request.uri().path().to_owned(), request.uri().query().unwrap_or_default().to_owned());
                if path.contains("/pods/cluster-dns-") && path.ends_with("/log") {
                    return Response::new(self.body(&query));
                }
                let (parts, body) = request.into_parts();
                let body = to_bytes(body, 1 << 20).await.unwrap();
                snapshot.respond(&Request::from_parts(parts, body)).map(Body::from)
            }
        });
        axum::serve(listener, app).await.unwrap();
    }
}

/// Writes a kubeconfig for a server at this address.
pub fn kubeconfig(folder: &Path, url: &str) -> String {
    let path = folder.join("kubeconfig");
    let config = serde_json::json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "c",
        "clusters": [{"name": "c", "cluster": {"server": url}}],
        "users": [{"name": "u", "user": {}}],
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
    });
    std::fs::write(&path, config.to_string()).unwrap();
    path.display().to_string()
}
