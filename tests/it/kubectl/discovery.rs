//! Which kinds a server has is asked for once in a while, not with every command.

use std::{
    convert::Infallible,
    sync::{Arc, Mutex},
    time::Duration,
};

use http::Request;
use kube::{Client, client::Body};
use kubertnetes::cluster::kubectl::Kubectl;
use serde_json::{Value, json};

use super::wire::{answer, kubectl, run};

/// A far end that counts, and whose kinds can change.
#[derive(Clone, Default)]
struct Server {
    asked: Arc<Mutex<Vec<String>>>,
    kinds: Arc<Mutex<Vec<&'static str>>>,
    down: Arc<Mutex<bool>>,
}

impl Server {
    fn with(kinds: &[&'static str]) -> Self {
        let server = Self::default();
        server.set(kinds);
        server
    }

    fn set(&self, kinds: &[&'static str]) {
        *self.kinds.lock().unwrap() = kinds.to_vec();
    }

    fn kubectl(&self) -> Kubectl {
        let server = self.clone();
        let service = tower::service_fn(move |request: Request<Body>| {
            let server = server.clone();
            async move {
                let path = request.uri().path().to_owned();
                server.asked.lock().unwrap().push(path.clone());
                // So that others come in between.
                tokio::task::yield_now().await;
                if *server.down.lock().unwrap() {
                    return Ok::<_, Infallible>(answer(500, "down"));
                }
                let resources: Vec<Value> = server.kinds.lock().unwrap().iter().map(|kind| {
                    json!({"resource": format!("{kind}s"), "responseKind": {"kind": kind}, "scope": "Namespaced",
                        "singularResource": kind, "verbs": ["get", "list"]})
                }).collect();
                let groups =
                    json!([{"metadata": {}, "versions": [{"version": "v1", "resources": resources}]}]);
                Ok(answer(200, match path.as_str() {
                    "/api" => json!({"kind": "APIGroupDiscoveryList", "items": groups}),
                    "/apis" => json!({"kind": "APIGroupDiscoveryList", "items": []}),
                    _ => json!({"kind": "List", "apiVersion": "v1", "metadata": {}, "items": [{"kind": "X", "metadata": {"name": "one"}}]}),
                }.to_string()))
            }
        });
        kubectl(Client::new(service, "default"))
    }

    /// How often it was asked for its kinds, and for anything else, since the last call.
    fn counts(&self) -> (usize, usize) {
        let asked = std::mem::take(&mut *self.asked.lock().unwrap());
        let kinds = asked.iter().filter(|path| matches!(path.as_str(), "/api" | "/apis")).count();
        (kinds, asked.len() - kinds)
    }
}

#[tokio::test(start_paused = true)]
async fn kinds_are_asked_for_once_in_a_while() {
    let server = Server::with(&["pod"]);
    let kubectl = server.kubectl();
    for (line, expected) in [
        ("get pods -o name", (2, 1)),
        ("get pods -o name", (0, 1)),
        ("get pod one -o yaml", (0, 1)),
        ("describe pod one --show-events=false", (0, 1)),
        // Who asks for the kinds gets those of now.
        ("api-resources", (2, 0)),
        ("get pods -o name", (0, 1)),
    ] {
        let output = run(&kubectl.clone(), line).await;
        assert_eq!((output.code, server.counts()), (0, expected), "{line}: {}", output.stderr.as_str());
    }
    tokio::time::advance(Duration::from_secs(200)).await;
    run(&kubectl, "get pods -o name").await;
    assert_eq!(server.counts(), (0, 1));
    tokio::time::advance(Duration::from_secs(200)).await;
    run(&kubectl, "get pods -o name").await;
    assert_eq!(server.counts(), (2, 1));
}

#[tokio::test]
async fn a_kind_that_is_not_known_is_looked_for_again_once() {
    let server = Server::with(&["pod"]);
    let kubectl = server.kubectl();
    let output = run(&kubectl, "get gadgets,widgets").await;
    assert_eq!(output.stderr.as_str(), "error: the server doesn't have a resource type \"gadgets\"\n");
    assert_eq!(server.counts(), (2, 0), "they were just asked for");
    let output = run(&kubectl, "get gadgets,widgets").await;
    assert_eq!(output.stderr.as_str(), "error: the server doesn't have a resource type \"gadgets\"\n");
    assert_eq!(server.counts(), (2, 0));
    server.set(&["pod", "gadget"]);
    let output = run(&kubectl, "get gadgets -o name").await;
    assert_eq!((output.stdout.as_str(), server.counts()), ("x/one\n", (2, 1)));
    run(&kubectl, "get pods,gadgets -o name").await;
    assert_eq!(server.counts(), (0, 2));
}

#[tokio::test]
async fn a_failure_is_not_remembered() {
    let server = Server::with(&["pod"]);
    let kubectl = server.kubectl();
    *server.down.lock().unwrap() = true;
    let output = run(&kubectl, "get pods").await;
    assert!(output.stderr.contains("(InternalError)"), "{}", output.stderr.as_str());
    *server.down.lock().unwrap() = false;
    server.counts();
    assert_eq!(run(&kubectl, "get pods -o name").await.code, 0);
    assert_eq!(server.counts(), (2, 1));
    // What was known stays when it cannot be asked for again, and that is what is said.
    *server.down.lock().unwrap() = true;
    let output = run(&kubectl, "get gadgets").await;
    assert!(output.stderr.contains("(InternalError)"), "{}", output.stderr.as_str());
    *server.down.lock().unwrap() = false;
    server.counts();
    run(&kubectl, "get pods -o name").await;
    assert_eq!(server.counts(), (0, 1));
}

#[tokio::test]
async fn commands_at_the_same_time_ask_once() {
    let server = Server::with(&["pod"]);
    let kubectl = server.kubectl();
    let outputs = futures::future::join_all((0..8).map(|_| run(&kubectl, "get pods -o name"))).await;
    assert!(outputs.iter().all(|output| output.code == 0));
    assert_eq!(server.counts(), (2, 8));
    server.set(&["pod", "gadget"]);
    let outputs = futures::future::join_all((0..8).map(|_| run(&kubectl, "get gadgets -o name"))).await;
    assert!(outputs.iter().all(|output| output.code == 0));
    assert_eq!(server.counts(), (2, 8));
}
