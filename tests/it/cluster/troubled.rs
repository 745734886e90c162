//! Clusters that are slow, closed, gone or strange.

use std::{
    future::pending,
    sync::{Arc, Mutex},
};

use axum::{
    Router,
    body::{Body, to_bytes},
    extract::Request,
    response::{IntoResponse, Response},
};
use http::StatusCode;
use kubertnetes::cluster::{
    Cluster, Config,
    snapshot::Snapshot,
    state::{Scope, State},
};
use serde_json::json;
use tokio::{net::TcpListener, task::JoinHandle};

/// What a server does with a request.
enum Answer {
    /// What the practice cluster would.
    Usual,
    /// Nothing, ever.
    Silence,
    /// Something else.
    Other(Response),
}

/// A live API server that answers as the practice cluster, save for what a test wants otherwise.
struct Server {
    url: String,
    asked: Arc<Mutex<Vec<String>>>,
    task: JoinHandle<()>,
    folder: tempfile::TempDir,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Server {
    /// `twist` gets the path, with its parameters.
    async fn with(twist: fn(&str) -> Answer) -> Self {
        let snapshot = Arc::new(Snapshot::practice().unwrap());
        let asked = Arc::new(Mutex::new(Vec::new()));
        let log = asked.clone();
        let app = Router::new().fallback(move |request: Request| {
            let (snapshot, log) = (snapshot.clone(), log.clone());
            async move { answer(&snapshot, &log, twist, request).await }
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let task = tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        Self { url, asked, task, folder: tempfile::tempdir().unwrap() }
    }

    /// Connects as a person does, with a kubeconfig.
    async fn connect(&self, config: Config) -> Cluster {
        connect(&self.url, &self.folder, config).await
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

async fn answer(
    snapshot: &Snapshot,
    log: &Mutex<Vec<String>>,
    twist: fn(&str) -> Answer,
    request: Request,
) -> Response {
    let path = request.uri().path_and_query().unwrap().to_string();
    let agent = request.headers().get("user-agent").map(|agent| agent.to_str().unwrap().to_owned());
    log.lock().unwrap().push(path.clone());
    assert_eq!(agent.as_deref(), Some(concat!("kubertnetes/", env!("CARGO_PKG_VERSION"))));
    match twist(&path) {
        Answer::Silence => pending().await,
        Answer::Other(response) => response,
        Answer::Usual => {
            let (parts, body) = request.into_parts();
            let body = to_bytes(body, 1 << 20).await.unwrap();
            snapshot.respond(&Request::from_parts(parts, body)).map(Body::from)
        }
    }
}

async fn connect(url: &str, folder: &tempfile::TempDir, config: Config) -> Cluster {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let path = folder.path().join("config");
    let text = format!(
        "current-context: test\ncontexts: [{{name: test, context: {{cluster: c, user: u}}}}]\n\
         clusters: [{{name: c, cluster: {{server: \"{url}\"}}}}]\nusers: [{{name: u, user: {{token: t}}}}]\n"
    );
    std::fs::write(&path, text).unwrap();
    Cluster::connect(&Config { kubeconfig: Some(path), ..config }).await.unwrap()
}

fn refuse(code: StatusCode, message: &str) -> Answer {
    let status = json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "message": message,
        "code": code.as_u16()});
    Answer::Other((code, status.to_string()).into_response())
}

async fn look(cluster: &Cluster, namespaces: &[&str]) -> State {
    let scope = Scope { namespaces: namespaces.iter().map(|name| (*name).to_owned()).collect() };
    cluster.look(&scope).await.unwrap()
}

fn unread(state: &State) -> Vec<&str> {
    state.unread.iter().map(|sentence| sentence.as_str()).collect()
}

#[tokio::test]
async fn a_live_cluster_is_read_like_a_recorded_one() {
    let server = Server::with(|_| Answer::Usual).await;
    let cluster = server.connect(Config::default()).await;
    assert_eq!(server.asked(), Vec::<String>::new(), "connecting asks nothing");
    assert_eq!(cluster.reachable().await.unwrap(), "v1.36.2");
    assert_eq!((cluster.name(), cluster.is_recorded(), cluster.is_practice()), ("test", false, false));
    let (live, recorded) = (look(&cluster, &[]).await, look(&crate::support::cluster::practice(), &[]).await);
    assert_eq!(unread(&live), Vec::<&str>::new());
    assert_eq!((live.pods, live.events, live.logs), (recorded.pods, recorded.events, recorded.logs));
    assert_eq!(cluster.names().await, crate::support::cluster::practice().names().await);
}

#[tokio::test]
async fn what_may_not_be_read_or_is_not_there_is_said() {
    let server = Server::with(|path| match path {
        path if path.starts_with("/api/v1/secrets") => refuse(
            StatusCode::FORBIDDEN,
            "secrets is forbidden: User \"bot\" cannot list resource \"secrets\"",
        ),
        path if path.contains("poddisruptionbudgets") => refuse(StatusCode::NOT_FOUND, "no such thing"),
        path if path.contains("/log?") => refuse(StatusCode::FORBIDDEN, "pods/log is forbidden"),
        _ => Answer::Usual,
    })
    .await;
    let state = look(&server.connect(Config::default()).await, &[]).await;
    assert_eq!(
        unread(&state),
        [
            "4 logs could not be read, the first of worker in default/crashloop-app-55bc5c6f9-kqnps: pods/log is \
             forbidden",
            "PodDisruptionBudgets could not be read: this cluster does not serve policy/v1",
            "Secrets could not be read: not allowed (secrets is forbidden: User \"bot\" cannot list resource \
             \"secrets\")",
        ]
    );
    assert!(!state.pods.is_empty() && state.logs.is_empty());
}

#[tokio::test]
async fn names_of_the_default_namespace_are_read_where_no_others_may_be() {
    let server = Server::with(|path| match path {
        path if path.starts_with("/api/v1/pods") => refuse(StatusCode::FORBIDDEN, "no"),
        path if path.starts_with("/api/v1/nodes") => refuse(StatusCode::FORBIDDEN, "no"),
        _ => Answer::Usual,
    })
    .await;
    let names = server.connect(Config::default()).await.names().await;
    let pods: Vec<_> = names.iter().filter(|name| name.kind == "Pod").collect();
    assert_eq!(pods.len(), 2);
    assert!(names.iter().all(|name| name.kind != "Node"));
}

#[tokio::test]
async fn what_does_not_come_in_time_is_said() {
    let server = Server::with(|path| match path {
        path if path.contains("/configmaps") || path.contains("/secrets") => Answer::Silence,
        _ => Answer::Usual,
    })
    .await;
    let config = Config { request_timeout_seconds: 2, ..Config::default() };
    let state = look(&server.connect(config).await, &["default"]).await;
    for what in ["ConfigMaps", "Secrets"] {
        let sentence = format!("{what} in namespace default could not be read: no answer within 2 s");
        assert!(unread(&state).contains(&sentence.as_str()), "{:?}", unread(&state));
    }
    assert!(!state.pods.is_empty());
    let config = Config { request_timeout_seconds: 60, look_timeout_seconds: 1, ..Config::default() };
    let state = look(&server.connect(config).await, &["default"]).await;
    assert!(
        unread(&state)
            .contains(&"ConfigMaps in namespace default could not be read: there was no time left for it"),
        "{:?}",
        unread(&state)
    );
}

#[tokio::test]
async fn a_cluster_that_does_not_answer_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let cluster = connect(&url, &folder, Config::default()).await;
    let error = cluster.look(&Scope::default()).await.unwrap_err().to_string();
    let expected = format!("the cluster `test` at {url} can't be reached: Connection refused");
    assert!(error.starts_with(&expected), "{error}");
    assert!(cluster.names().await.is_empty());
}

#[tokio::test]
async fn a_cluster_that_knows_the_credentials_no_more_is_an_error() {
    for at in ["/version", "/api/v1/pods"] {
        let server = match at {
            "/version" => Server::with(|_| refuse(StatusCode::UNAUTHORIZED, "Unauthorized")).await,
            _ => {
                Server::with(|path| match path {
                    "/version" => Answer::Usual,
                    _ => refuse(StatusCode::UNAUTHORIZED, "Unauthorized"),
                })
                .await
            }
        };
        let error =
            server.connect(Config::default()).await.look(&Scope::default()).await.unwrap_err().to_string();
        let url = &server.url;
        assert_eq!(
            error,
            format!(
                "the cluster `test` at {url} rejects the credentials that it was given (Unauthorized): sign in again"
            )
        );
    }
}

#[tokio::test]
async fn what_is_no_api_server_is_an_error() {
    let server = Server::with(|_| Answer::Other("<html>hello</html>".into_response())).await;
    let error = server.connect(Config::default()).await.reachable().await.unwrap_err().to_string();
    assert!(
        error.ends_with("can't be reached: it answered, and not as a Kubernetes API server does"),
        "{error}"
    );
}

#[tokio::test]
async fn lists_are_read_page_by_page_up_to_a_limit() {
    let server = Server::with(|_| Answer::Usual).await;
    let config = Config { page_objects: 7, ..Config::default() };
    let state = look(&server.connect(config).await, &[]).await;
    assert_eq!(unread(&state), Vec::<&str>::new());
    assert_eq!(
        state.cluster_roles.len(),
        look(&crate::support::cluster::practice(), &[]).await.cluster_roles.len()
    );
    let pages = server.asked().iter().filter(|path| path.contains("/clusterroles?")).count();
    assert!(pages > state.cluster_roles.len() / 7, "{pages}");

    let config = Config { page_objects: 7, max_objects: 10, ..Config::default() };
    let state = look(&server.connect(config).await, &[]).await;
    assert_eq!(state.cluster_roles.len(), 14);
    assert!(unread(&state).contains(&"ClusterRoles: only the first 14 were read"), "{:?}", unread(&state));

    let config = Config { page_objects: 1, max_bytes: 200_000, parallel_requests: 1, ..Config::default() };
    let state = look(&server.connect(config).await, &[]).await;
    assert!(!unread(&state).is_empty() && !state.deployments.is_empty());
}

#[tokio::test]
async fn a_page_that_is_too_large_is_asked_for_in_smaller_ones() {
    let server = Server::with(|path| {
        let large = path.contains("/configmaps?") && !path.contains("limit=1&") && !path.ends_with("limit=1");
        if large { Answer::Other(vec![b' '; 17 << 20].into_response()) } else { Answer::Usual }
    })
    .await;
    let state = look(&server.connect(Config::default()).await, &["default"]).await;
    assert_eq!(unread(&state), Vec::<&str>::new());
    assert!(state.config_maps.len() > 2);
}

#[tokio::test]
async fn an_object_that_cannot_be_understood_does_not_hide_the_others() {
    let server = Server::with(|path| match path {
        path if path.starts_with("/api/v1/nodes?") => {
            let list = json!({"kind": "NodeList", "metadata": {}, "items": [
                {"metadata": {"name": "good", "managedFields": [{"manager": "kubelet"}]}}, {"metadata": {"name": "bad"}, "spec": 7}]});
            Answer::Other(list.to_string().into_response())
        }
        path if path.starts_with("/api/v1/persistentvolumes?") => Answer::Other("{".into_response()),
        _ => Answer::Usual,
    })
    .await;
    let state = look(&server.connect(Config::default()).await, &[]).await;
    assert_eq!(state.nodes.len(), 1);
    assert!(state.nodes[0].metadata.managed_fields.as_ref().is_none_or(Vec::is_empty), "nobody reads them");
    let sentences = unread(&state);
    assert!(sentences[0].starts_with("Nodes: 1 of them can't be understood ("), "{sentences:?}");
    assert!(
        sentences[1].starts_with("PersistentVolumes could not be read: the answer can't be understood: EOF"),
        "{sentences:?}"
    );
}

#[tokio::test]
async fn an_overloaded_server_is_asked_once_more() {
    use std::sync::atomic::{AtomicBool, Ordering};
    static ASKED: AtomicBool = AtomicBool::new(false);
    let server = Server::with(|path| match path {
        path if path.starts_with("/api/v1/pods?") && !ASKED.swap(true, Ordering::SeqCst) => {
            refuse(StatusCode::TOO_MANY_REQUESTS, "later")
        }
        path if path.starts_with("/api/v1/services?") => {
            refuse(StatusCode::SERVICE_UNAVAILABLE, "overloaded")
        }
        _ => Answer::Usual,
    })
    .await;
    let state = look(&server.connect(Config::default()).await, &[]).await;
    assert!(!state.pods.is_empty());
    assert_eq!(unread(&state), ["Services could not be read: overloaded"]);
    assert_eq!(server.asked().iter().filter(|path| path.starts_with("/api/v1/services?")).count(), 2);
}

#[tokio::test]
async fn a_log_with_endless_lines_still_ends_with_its_newest() {
    let server = Server::with(|path| match path {
        path if path.contains("/log?") && path.contains("tailLines=201") => {
            Answer::Other(vec![b'x'; (2 << 20) + 100].into_response())
        }
        path if path.contains("/log?") => Answer::Other("2026-11-23T03:00:00Z newest\n".into_response()),
        _ => Answer::Usual,
    })
    .await;
    let state = look(&server.connect(Config::default()).await, &["default"]).await;
    assert_eq!(unread(&state), Vec::<&str>::new());
    assert!(state.logs.iter().all(|log| log.text.as_str() == "2026-11-23T03:00:00Z newest\n" && log.cut));
}

#[tokio::test]
async fn a_list_that_changes_while_it_is_read_is_begun_again() {
    use std::sync::atomic::{AtomicBool, Ordering};
    static EXPIRED: AtomicBool = AtomicBool::new(false);
    let is_later_page = |path: &str| path.contains("continue=");
    let server = Server::with(|path| match path {
        path if path.contains("/clusterroles?") && path.contains("continue=") => {
            if EXPIRED.swap(true, Ordering::SeqCst) {
                Answer::Usual
            } else {
                refuse(StatusCode::GONE, "too old")
            }
        }
        path if path.contains("/events?") && path.contains("continue=") => {
            refuse(StatusCode::GONE, "too old")
        }
        _ => Answer::Usual,
    })
    .await;
    let config = Config { page_objects: 7, ..Config::default() };
    let state = look(&server.connect(config).await, &[]).await;
    let whole = look(&crate::support::cluster::practice(), &[]).await;
    assert_eq!(state.cluster_roles, whole.cluster_roles, "each once");
    // One that never stands still is told as far as it was read, and not asked for for ever.
    assert_eq!(unread(&state), ["Events: the list changed while it was read"]);
    assert_eq!(state.events.len(), 7);
    let asked = server.asked();
    let later = asked.iter().filter(|path| path.contains("/events?") && is_later_page(path)).count();
    assert_eq!(later, 3);
}

#[tokio::test]
async fn a_refusal_without_a_word_is_said_all_the_same() {
    let server = Server::with(|path| match path {
        path if path.starts_with("/api/v1/secrets") => Answer::Other(StatusCode::FORBIDDEN.into_response()),
        _ => Answer::Usual,
    })
    .await;
    let cluster = server.connect(Config::default()).await;
    assert_eq!(
        unread(&look(&cluster, &[]).await),
        ["Secrets could not be read: not allowed (it answered 403 Forbidden)"]
    );
    let command = kubertnetes::cluster::kubectl::parse("get secrets -A").unwrap();
    let output = cluster.kubectl(&command).await;
    assert_eq!((output.code, output.stdout.as_str()), (1, ""));
    assert!(output.stderr.contains("orbidden"), "{}", output.stderr);
}
