//! A captured cluster, served as a Kubernetes API: the same answers in the process, through a `kube::Client`, and
//! over HTTP, for a real `kubectl`. Nothing in it ever changes.

mod accept;
mod access;
mod answer;
mod api;
mod capture;
mod discovery;
mod dry_run;
mod fields;
mod files;
mod http_server;
mod logs;
mod objects;
mod open;
mod parameters;
mod protobuf;
mod recorded;
mod selector;
mod status;
mod watch;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, OnceLock, PoisonError},
    task::{Context, Poll},
};

use axum::body::Body;
use bytes::Bytes;
use futures::future::BoxFuture;
use http::{Request, Response};
use http_body_util::{BodyExt, Limited};
use jiff::Timestamp;
use serde_json::value::RawValue;
use tower::{BoxError, Service};

use self::{
    access::{Ask, Rbac},
    answer::sent,
    discovery::Discovery,
    dry_run::Schemas,
    files::Files,
    open::Unread,
    recorded::Recorded,
    status::Refusal,
};

pub use self::{
    access::User,
    capture::{CaptureError, CaptureOptions, Captured, Progress},
    http_server::Listening,
    open::SnapshotError,
};

/// The most that a request's body may hold, in bytes: as much as an object may have and its patch around it.
const BODY_LIMIT: usize = 3 << 20;

/// A captured cluster. A file of it is read and parsed when it is first asked for.
pub struct Snapshot {
    name: String,
    captured_at: Timestamp,
    server_version: Box<RawValue>,
    files: Files,
    /// What could not be read when it was captured.
    unread: Unread,
    /// Who asks, unless a request says otherwise.
    user: User,
    rbac: OnceLock<Result<Rbac, Refusal>>,
    discovery: OnceLock<Result<Discovery, Refusal>>,
    recorded: Mutex<HashMap<String, Arc<Recorded>>>,
    schemas: Mutex<HashMap<String, Arc<Schemas>>>,
}

impl Snapshot {
    /// What people call it: its folder or archive, or `practice cluster`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// When it was captured: the time that stands still in it.
    pub fn captured_at(&self) -> Timestamp {
        self.captured_at
    }

    /// The same, for somebody else than the admin: they get what the recorded roles let them have.
    pub fn with_user(self, user: User) -> Self {
        Self { user, ..self }
    }

    /// Who asks, unless a request says otherwise.
    pub fn user(&self) -> &User {
        &self.user
    }

    /// The only namespaces that it holds; none: all.
    fn only_namespaces(&self) -> &[String] {
        self.unread.only_namespaces()
    }

    /// Answers one request as the API server would have at the time of the capture. A watch is answered with all that
    /// it will ever say.
    pub fn respond(&self, request: &Request<Bytes>) -> Response<Bytes> {
        api::answer(self, request).unwrap_or_else(|refusal| refusal.to_response())
    }

    /// A client that asks this snapshot within the process. Needs a Tokio runtime around it.
    pub fn client(self: &Arc<Self>) -> kube::Client {
        kube::Client::new(InProcess(self.clone()), "default")
    }

    /// Answers over HTTP on a listener until the future is dropped.
    pub async fn serve(self: Arc<Self>, listener: tokio::net::TcpListener) -> std::io::Result<()> {
        http_server::serve(self, listener).await
    }

    /// Refuses what a user may not do.
    fn authorise(&self, user: &User, ask: &Ask) -> Result<(), Refusal> {
        // The roles of a cluster are many, and nothing in them counts for the admin.
        if user.is_master() { Ok(()) } else { access::authorise(self.rbac()?, user, ask) }
    }

    fn rbac(&self) -> Result<&Rbac, Refusal> {
        let read =
            |plural: &str| self.recorded(&format!("resources/rbac.authorization.k8s.io/v1/{plural}.json"));
        let read = self.rbac.get_or_init(|| {
            let kinds = ["roles", "clusterroles", "rolebindings", "clusterrolebindings"];
            let tables = kinds.map(read).into_iter().collect::<Result<Vec<_>, _>>()?;
            let mut objects = tables.iter().map(|table| {
                table.iter().flat_map(|table| &table.rows).map(|row| row.object.as_ref()).collect()
            });
            Ok(Rbac::read(&access::Sources {
                roles: objects.next().unwrap_or_default(),
                cluster_roles: objects.next().unwrap_or_default(),
                role_bindings: objects.next().unwrap_or_default(),
                cluster_role_bindings: objects.next().unwrap_or_default(),
            }))
        });
        read.as_ref().map_err(Clone::clone)
    }

    fn discovery(&self) -> Result<&Discovery, Refusal> {
        let parsed = self.discovery.get_or_init(|| {
            let read = |path: &str| {
                self.read(path)?
                    .ok_or_else(|| Refusal::internal(format!("{path} is missing in the recording")))
            };
            Discovery::parse(read("discovery/api.json")?, read("discovery/apis.json")?)
        });
        parsed.as_ref().map_err(Clone::clone)
    }

    fn read(&self, path: &str) -> Result<Option<Bytes>, Refusal> {
        self.files.read(path).map_err(|error| Refusal::internal(format!("{path} can't be read: {error}")))
    }

    /// The recorded objects of one resource, or `None` where it was not recorded.
    fn recorded(&self, path: &str) -> Result<Option<Arc<Recorded>>, Refusal> {
        if let Some(found) = self.tables().get(path) {
            return Ok(Some(found.clone()));
        }
        let Some(content) = self.read(path)? else { return Ok(None) };
        let parsed = Recorded::parse(&content)
            .map_err(|error| Refusal::internal(format!("{path} is not a recorded table: {error}")))?;
        let parsed = Arc::new(parsed);
        self.tables().insert(path.to_owned(), parsed.clone());
        Ok(Some(parsed))
    }

    /// The recorded schemas of one version of a group, or `None` where they were not recorded.
    fn schemas(&self, group: &str, version: &str) -> Result<Option<Arc<Schemas>>, Refusal> {
        let path = match group {
            "" => format!("openapi/api/{version}.json"),
            group => format!("openapi/apis/{group}/{version}.json"),
        };
        let known = || self.schemas.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(found) = known().get(&path) {
            return Ok(Some(found.clone()));
        }
        let Some(content) = self.read(&path)? else { return Ok(None) };
        let parsed = Schemas::parse(&content)
            .map_err(|error| Refusal::internal(format!("{path} is not a recorded schema: {error}")))?;
        let parsed = Arc::new(parsed);
        known().insert(path, parsed.clone());
        Ok(Some(parsed))
    }

    fn tables(&self) -> std::sync::MutexGuard<'_, HashMap<String, Arc<Recorded>>> {
        self.recorded.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Snapshot").field("name", &self.name).field("captured_at", &self.captured_at).finish()
    }
}

/// The snapshot as the far end of a client.
#[derive(Clone)]
struct InProcess(Arc<Snapshot>);

impl Service<Request<kube::client::Body>> for InProcess {
    type Response = Response<Body>;
    type Error = BoxError;
    type Future = BoxFuture<'static, Result<Self::Response, BoxError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<kube::client::Body>) -> Self::Future {
        let snapshot = self.0.clone();
        Box::pin(async move {
            let (parts, body) = request.into_parts();
            let body = Limited::new(body, BODY_LIMIT).collect().await?.to_bytes();
            let request = Request::from_parts(parts, body);
            // Reading and parsing a file is not for the threads that run everything else.
            let response = tokio::task::spawn_blocking(move || snapshot.respond(&request)).await?;
            Ok(sent(response))
        })
    }
}
