//! The snapshot over HTTP, for a real `kubectl`.

use std::{fs, io, net::SocketAddr, path::Path, sync::Arc};

use axum::{
    Router,
    body::to_bytes,
    extract::{Request, State},
    response::Response,
};
use serde_json::json;
use tokio::net::TcpListener;

use super::{BODY_LIMIT, Snapshot, SnapshotError, answer::sent, status::Refusal};

/// A snapshot that has an address, and is not yet served.
pub struct Listening {
    snapshot: Arc<Snapshot>,
    listener: TcpListener,
    address: SocketAddr,
}

impl Listening {
    /// Takes an address, e.g. `127.0.0.1:0`, for a snapshot that can be served.
    pub async fn on(snapshot: Arc<Snapshot>, address: &str) -> Result<Self, SnapshotError> {
        let bad = |reason: String| SnapshotError { path: snapshot.name().into(), reason };
        let checked = snapshot.clone();
        let check = tokio::task::spawn_blocking(move || checked.discovery().map(|_| ()));
        check.await.map_err(|error| bad(error.to_string()))?.map_err(|refusal| bad(refusal.message()))?;
        let taken = TcpListener::bind(address).await.and_then(|listener| {
            let address = listener.local_addr()?;
            Ok((listener, address))
        });
        let (listener, address) = taken.map_err(|error| {
            bad(format!(
                "cannot listen on {address} ({error}): --listen takes a free address such as 127.0.0.1:8001"
            ))
        })?;
        Ok(Self { snapshot, listener, address })
    }

    /// Where it is served, e.g. `http://127.0.0.1:34567`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// A kubeconfig with this cluster as its only one. JSON, which is YAML as well.
    pub fn kubeconfig(&self) -> String {
        let name = self.snapshot.name();
        let user = self.snapshot.user().name();
        let config = json!({
            "apiVersion": "v1", "kind": "Config", "current-context": name, "preferences": {},
            "clusters": [{"name": name, "cluster": {"server": self.url()}}],
            "contexts": [{"name": name, "context": {"cluster": name, "user": user}}],
            "users": [{"name": user, "user": {}}],
        });
        format!("{config:#}\n")
    }

    /// Whether only this machine reaches it.
    pub fn is_loopback(&self) -> bool {
        self.address.ip().is_loopback()
    }

    /// Writes the kubeconfig. The file appears whole, or not at all.
    pub fn write_kubeconfig(&self, path: &Path) -> Result<(), SnapshotError> {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let unfinished = path.with_file_name(format!(".{name}.{}", std::process::id()));
        let written = fs::write(&unfinished, self.kubeconfig()).and_then(|()| fs::rename(&unfinished, path));
        written.map_err(|error| {
            // Nothing may be there to take away.
            let _ = fs::remove_file(&unfinished);
            let reason = format!("the kubeconfig {} can't be written: {error}", path.display());
            SnapshotError { path: self.snapshot.name().into(), reason }
        })
    }

    /// Answers until the future is dropped.
    pub async fn serve(self) -> io::Result<()> {
        serve(self.snapshot, self.listener).await
    }
}

pub(super) async fn serve(snapshot: Arc<Snapshot>, listener: TcpListener) -> io::Result<()> {
    axum::serve(listener, Router::new().fallback(answer).with_state(snapshot)).await
}

async fn answer(State(snapshot): State<Arc<Snapshot>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let Ok(body) = to_bytes(body, BODY_LIMIT).await else {
        return sent(Refusal::bad_request("the request's body is too large").to_response());
    };
    let request = http::Request::from_parts(parts, body);
    let answered = tokio::task::spawn_blocking(move || snapshot.respond(&request)).await;
    sent(answered.unwrap_or_else(|error| Refusal::internal(error.to_string()).to_response()))
}
