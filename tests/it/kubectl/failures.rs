//! What a server can answer instead of what was asked for: the same to the real kubectl and to ours, whose words are
//! compared.

use std::{convert::Infallible, sync::Arc};

use axum::body::Body as Answered;
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use kube::{Client, client::Body};
use kubertnetes::cluster::kubectl::Kubectl;
use tokio::net::TcpListener;

use super::{
    against_kubectl::{Served, difference, has_kubectl},
    wire::{kubectl, run},
};
use crate::support;

/// An answer to every request whose path begins so.
#[derive(Clone, Copy)]
struct Trouble {
    path: &'static str,
    code: u16,
    body: &'static str,
}

const FORBIDDEN: &str = r#"{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"Forbidden","code":403,
    "message":"pods is forbidden: User \"system:serviceaccount:a:b\" cannot list resource \"pods\" in API group \"\" in the namespace \"default\"",
    "details":{"kind":"pods"}}"#;
const UNAUTHORIZED: &str = r#"{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"Unauthorized","code":401,"message":"Unauthorized"}"#;
const PODS: &str = "/api/v1/namespaces/default/pods";

/// What is answered, and what is asked.
const TROUBLES: &[(Trouble, &[&str])] = &[
    (
        Trouble { path: "/nothing", code: 404, body: "" },
        &[
            "get pod nope",
            "get pod nope -o yaml",
            "get pods a b",
            "get deploy/nope svc/nope",
            "describe pod nope",
            "describe node nope",
            "logs nope",
            "logs deploy/nope",
            "rollout status deploy/nope",
            "get foo",
            "get foo bar",
            "get foo/bar",
            "get pods,foo",
            "get foo.bar.example.com",
            "describe foo",
            "describe foo/bar",
            "logs foo/bar",
            "rollout history foo/bar",
            "top pods",
        ],
    ),
    (
        Trouble { path: PODS, code: 403, body: FORBIDDEN },
        &[
            "get pods",
            "get pods -o json",
            "get pods -o name",
            "get pods -l app=web",
            "get pods,svc",
            "get pod web",
            "describe pods",
            "describe pod web",
            "logs web",
            "logs -l app=web",
        ],
    ),
    (
        Trouble { path: PODS, code: 401, body: UNAUTHORIZED },
        &["get pods", "get pod web", "describe pod web", "logs web"],
    ),
    (Trouble { path: PODS, code: 401, body: "" }, &["get pods"]),
    (Trouble { path: PODS, code: 403, body: "no way" }, &["get pods"]),
    (Trouble { path: PODS, code: 500, body: "oh no" }, &["get pods", "get pod web", "describe pod web"]),
    (Trouble { path: PODS, code: 502, body: "<html>bad gateway</html>" }, &["get pods"]),
    (Trouble { path: PODS, code: 503, body: "" }, &["get pods"]),
    (Trouble { path: PODS, code: 504, body: "" }, &["get pods"]),
    (
        Trouble {
            path: PODS,
            code: 410,
            body: r#"{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"Expired","code":410,"message":"too old"}"#,
        },
        &["get pods"],
    ),
    (
        Trouble {
            path: PODS,
            code: 429,
            body: r#"{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"TooManyRequests","code":429,"message":"please wait"}"#,
        },
        &["get pods"],
    ),
    (
        Trouble {
            path: PODS,
            code: 400,
            body: r#"{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"BadRequest","code":400,"message":"no"}"#,
        },
        &["get pods", "get pods -l a=b", "get pods --field-selector a=b"],
    ),
    (Trouble { path: "/api", code: 401, body: UNAUTHORIZED }, &["get pods", "describe pod web"]),
];

/// The practice cluster, in trouble.
#[derive(Clone)]
struct Troubled {
    snapshot: Arc<kubertnetes::cluster::snapshot::Snapshot>,
    trouble: Trouble,
}

impl Troubled {
    fn respond(&self, request: &Request<Bytes>) -> Response<Bytes> {
        if request.uri().path().starts_with(self.trouble.path) {
            let kind = if self.trouble.body.starts_with('{') { "application/json" } else { "text/plain" };
            return Response::builder()
                .status(self.trouble.code)
                .header("content-type", kind)
                .body(self.trouble.body.into())
                .unwrap();
        }
        self.snapshot.respond(request)
    }

    /// Served over HTTP; the port.
    async fn serve(&self) -> u16 {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let troubled = self.clone();
        let router = axum::Router::new().fallback(move |request: axum::extract::Request| async move {
            let (parts, body) = request.into_parts();
            let body = axum::body::to_bytes(body, 1 << 20).await.unwrap();
            troubled.respond(&Request::from_parts(parts, body)).map(Answered::from)
        });
        tokio::spawn(async move { axum::serve(listener, router).await });
        port
    }

    fn kubectl(&self) -> Kubectl {
        let troubled = self.clone();
        kubectl(Client::new(
            tower::service_fn(move |request: Request<Body>| {
                let troubled = troubled.clone();
                async move {
                    let (parts, body) = request.into_parts();
                    let body = body.collect().await.unwrap().to_bytes();
                    Ok::<_, Infallible>(troubled.respond(&Request::from_parts(parts, body)).map(Full::new))
                }
            }),
            "default",
        ))
    }
}

/// Without the lines that kubectl's libraries log.
fn without_logging(stderr: &str) -> String {
    stderr.split_inclusive('\n').filter(|line| !line.contains("memcache.go:")).collect()
}

#[tokio::test]
async fn failures_are_said_in_kubectls_words() {
    if !has_kubectl() {
        return;
    }
    let mut wrong = Vec::new();
    for (trouble, lines) in TROUBLES {
        let practice = support::cluster::practice();
        let troubled = Troubled { snapshot: practice.snapshot().unwrap().clone(), trouble: *trouble };
        let served = Served::at(troubled.serve().await, practice);
        for line in *lines {
            let kubectl = troubled.kubectl();
            let (ours, real) = tokio::join!(run(&kubectl, line), served.real(line));
            assert_ne!(ours.code, 0, "{line}");
            let parts = [
                difference(&ours.stderr, &without_logging(&real.stderr)),
                (ours.code != real.code).then(|| "  code".into()),
            ];
            let parts: Vec<String> = parts.into_iter().flatten().collect();
            if !parts.is_empty() {
                wrong.push(format!(
                    "{} {} $ kubectl {line}\n{}",
                    trouble.code,
                    trouble.path,
                    parts.join("\n")
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{} differ:\n{}", wrong.len(), wrong.join("\n"));
}

#[tokio::test]
async fn who_may_not_do_what_where_is_said() {
    let practice = support::cluster::practice();
    let trouble = Trouble { path: PODS, code: 403, body: FORBIDDEN };
    let troubled = Troubled { snapshot: practice.snapshot().unwrap().clone(), trouble };
    let output = run(&troubled.kubectl(), "get pods").await;
    for word in ["(Forbidden)", "system:serviceaccount:a:b", "list", "\"pods\"", "namespace \"default\""] {
        assert!(output.stderr.contains(word), "{}", output.stderr.as_str());
    }
}
