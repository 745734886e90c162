//! A client of the practice cluster that notes what is asked of it, and the rule that all of it has to keep: nothing
//! that a command of the dialect sends can change anything. Used by the tests and by the fuzzer.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::{Method, Request, Response};
use http_body_util::{BodyExt, Full};
use kube::{Client, client::Body};
use kubertnetes::cluster::{
    kubectl::{Command, Kubectl, Output},
    snapshot::Snapshot,
};
use tower::BoxError;

/// Notes what is asked of the practice cluster. Needs a Tokio runtime around its use.
pub struct Watched {
    snapshot: Arc<Snapshot>,
    asked: Arc<Mutex<Vec<(Method, String)>>>,
}

impl Watched {
    pub fn new() -> Self {
        Self { snapshot: Arc::new(Snapshot::practice().unwrap()), asked: Arc::default() }
    }

    /// Runs a command and gives what it asked for.
    pub async fn run(&self, command: &Command) -> (Output, Vec<(Method, String)>) {
        let (snapshot, asked) = (self.snapshot.clone(), self.asked.clone());
        let service = tower::service_fn(move |request: Request<Body>| {
            let (snapshot, asked) = (snapshot.clone(), asked.clone());
            async move {
                let (parts, body) = request.into_parts();
                asked.lock().unwrap().push((parts.method.clone(), parts.uri.to_string()));
                let body: Bytes = body.collect().await?.to_bytes();
                let answer: Response<Bytes> = snapshot.respond(&Request::from_parts(parts, body));
                Ok::<_, BoxError>(answer.map(Full::new))
            }
        });
        let client = Client::new(service, "default");
        let output = Kubectl::new(client, self.snapshot.captured_at(), "default").run(command).await;
        (output, std::mem::take(&mut *self.asked.lock().unwrap()))
    }
}

/// The requests that store nothing although they are no GET: a client asks what it may do itself.
const REVIEWS: [&str; 2] = [
    "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews",
    "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews",
];

/// Parts of paths that reach into containers and nodes, where a GET may do anything.
const REACHING_IN: [&str; 6] = ["exec", "attach", "portforward", "proxy", "run", "token"];

/// Why a request breaks the rule.
pub fn offence(method: &Method, uri: &str) -> Option<String> {
    let (path, query) = uri.split_once('?').unwrap_or((uri, ""));
    let parts: Vec<&str> = path.split('/').skip(1).collect();
    let known = matches!(parts.first(), Some(&("api" | "apis" | "version" | "openapi")));
    if *method != Method::GET && !(*method == Method::POST && REVIEWS.contains(&uri)) {
        return Some(format!("{method} {uri} is not a read"));
    }
    if !known || parts.iter().any(|part| part.is_empty() || *part == "." || *part == "..") {
        return Some(format!("{uri} is not a plain path of the API"));
    }
    // `/api/v1/namespaces/NS/PLURAL/NAME/PART` and shorter: what comes after a name is a part of the object.
    let after_version = if parts.first() == Some(&"api") { 2 } else { 3 };
    let rest = parts.get(after_version..).unwrap_or_default();
    let rest = if rest.first() == Some(&"namespaces") && rest.len() > 3 { &rest[2..] } else { rest };
    if rest.get(2).is_some_and(|part| REACHING_IN.contains(part)) {
        return Some(format!("{uri} reaches into something that runs"));
    }
    if query.split('&').any(|pair| pair.starts_with("watch=") || pair.starts_with("follow=")) {
        return Some(format!("{uri} does not end"));
    }
    None
}
