//! What goes over the wire: methods, pages, patience, limits, secrets. The far end is a few lines here.

use std::{
    convert::Infallible,
    future::Future,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use bytes::Bytes;
use http::{Method, Request, Response};
use http_body_util::{BodyExt, Full};
use kube::{Client, client::Body};
use kubertnetes::cluster::kubectl::{Kubectl, Limits, Output, parse};
use proptest::{prelude::*, test_runner::RngSeed};
use serde_json::{Value, json};

use crate::support;

pub type Answer = Response<axum::body::Body>;

pub fn answer(status: u16, body: impl Into<Bytes>) -> Answer {
    Response::builder().status(status).body(body.into().into()).unwrap()
}

fn status(code: u16, reason: &str, message: &str) -> Answer {
    let body =
        json!({"kind": "Status", "status": "Failure", "reason": reason, "message": message, "code": code});
    answer(code, body.to_string())
}

/// A far end that answers discovery, and the rest by `rest`.
pub fn client<F, A>(rest: F) -> Client
where
    F: Fn(String) -> A + Send + Sync + 'static,
    A: Future<Output = Answer> + Send + 'static,
{
    let rest = Arc::new(rest);
    let service = tower::service_fn(move |request: Request<Body>| {
        let rest = rest.clone();
        async move {
            let uri = request.uri().to_string();
            let resource = |name: &str, kind: &str, short: &str| {
                json!({"resource": name, "responseKind": {"kind": kind}, "scope": "Namespaced",
                    "singularResource": kind.to_lowercase(), "verbs": ["get", "list"], "shortNames": [short]})
            };
            let list = |items: Value| json!({"kind": "APIGroupDiscoveryList", "items": items}).to_string();
            let resources = [resource("pods", "Pod", "po"), resource("secrets", "Secret", "")];
            Ok::<_, Infallible>(match uri.as_str() {
                "/api" => answer(
                    200,
                    list(json!([{"metadata": {}, "versions": [{"version": "v1", "resources": resources}]}])),
                ),
                "/apis" => answer(200, list(json!([]))),
                _ => rest(uri).await,
            })
        }
    });
    Client::new(service, "default")
}

pub fn kubectl(client: Client) -> Kubectl {
    Kubectl::new(client, "2026-01-01T00:00:00Z".parse().unwrap(), "default")
}

pub async fn run(kubectl: &Kubectl, line: &str) -> Output {
    kubectl.run(&parse(line).unwrap()).await
}

pub fn pods(names: &[&str], next: &str) -> Answer {
    let items: Vec<Value> = names.iter().map(|name| json!({"metadata": {"name": name}})).collect();
    answer(
        200,
        json!({"kind": "PodList", "apiVersion": "v1", "metadata": {"continue": next}, "items": items})
            .to_string(),
    )
}

#[tokio::test]
async fn lists_are_read_page_by_page_and_begun_again_when_they_expire() {
    let asked = Arc::new(Mutex::new(Vec::new()));
    let log = asked.clone();
    let kubectl = kubectl(client(move |uri| {
        let log = log.clone();
        async move {
            let expire = {
                let mut log = log.lock().unwrap();
                log.push(uri.clone());
                log.len() == 2
            };
            match uri.split_once("&continue=") {
                Some(_) if expire => status(410, "Expired", "The provided continue parameter is too old"),
                Some((_, "a%2Fb")) => pods(&["two"], ""),
                Some(other) => panic!("{other:?}"),
                None => pods(&["one"], "a/b"),
            }
        }
    }));
    let output = run(&kubectl, "get pods -o name").await;
    assert_eq!(output.stdout.as_str(), "pod/one\npod/two\n");
    assert_eq!(asked.lock().unwrap().len(), 4);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_asks_for_patience_gets_some_but_not_for_ever() {
    let asked = Arc::new(Mutex::new(0));
    let log = asked.clone();
    let busy = move |times: usize| {
        let log = log.clone();
        client(move |_| {
            let log = log.clone();
            async move {
                let mut asked = log.lock().unwrap();
                *asked += 1;
                if *asked > times {
                    return pods(&["one"], "");
                }
                let mut answer = status(429, "TooManyRequests", "please wait");
                answer.headers_mut().insert("retry-after", "2".parse().unwrap());
                answer
            }
        })
    };
    let output = run(&kubectl(busy(2)), "get pods -o name").await;
    assert_eq!((output.stdout.as_str(), *asked.lock().unwrap()), ("pod/one\n", 3));
    *asked.lock().unwrap() = 0;
    let output = run(&kubectl(busy(1000)), "get pods -o name").await;
    assert_eq!(output.stderr.as_str(), "Error from server (TooManyRequests): please wait\n");
    assert_eq!(*asked.lock().unwrap(), 4);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_does_not_answer_is_given_up() {
    let silent = || client(|_| std::future::pending());
    for line in ["get pods", "logs web --tail=5", "events"] {
        let output = run(&kubectl(silent()), line).await;
        assert_eq!(
            (output.code, output.stderr.as_str()),
            (1, "Unable to connect to the server: no answer in time\n"),
            "{line}"
        );
    }
}

#[tokio::test]
async fn a_server_that_cannot_be_reached_is_said_so() {
    let refused = tower::service_fn(|_: Request<Body>| async {
        Err::<Answer, _>(std::io::Error::new(
            std::io::ErrorKind::ConnectionRefused,
            "Connection refused (os error 111)",
        ))
    });
    let output = run(&kubectl(Client::new(refused, "default")), "get pods").await;
    assert_eq!(
        output.stderr.as_str(),
        "The connection to the server was refused - did you specify the right host or port?\n"
    );
    assert_eq!(output.code, 1);
}

/// A log without an end: what is read of it is all that is ever made.
fn endless_log() -> Answer {
    let line = Bytes::from_static(b"2026-01-01T00:00:00Z the same line again and again\n");
    let lines = futures::stream::repeat_with(move || Ok::<_, Infallible>(line.clone()));
    Response::new(axum::body::Body::from_stream(lines))
}

#[tokio::test]
async fn a_log_without_an_end_is_cut_at_the_limit_and_says_so() {
    let client = client(|uri| async move {
        if uri.contains("/log?") {
            return endless_log();
        }
        answer(
            200,
            json!({"kind": "Pod", "metadata": {"name": "web", "namespace": "default"},
            "spec": {"containers": [{"name": "app"}]}})
            .to_string(),
        )
    });
    let kubectl = kubectl(client).with_limits(Limits { output: 10_000, log: 100_000, ..Limits::default() });
    let started = Instant::now();
    let output = run(&kubectl, "logs web --tail=-1").await;
    assert!(started.elapsed() < Duration::from_secs(5));
    assert!(output.stdout.len() < 10_500, "{}", output.stdout.len());
    let last = output.stdout.lines().last().unwrap();
    assert!(
        last.starts_with("(cut: the log of app in web goes on after these 100000 bytes; narrow it"),
        "{last}"
    );
    let none = run(&kubectl, "logs web | grep nothing").await;
    assert!(none.stdout.starts_with("(0 of 1961 lines match `nothing`)\n(cut: "), "{}", none.stdout.as_str());
    // Who has seen enough reads no more.
    let first = run(&kubectl, "logs web | head -n 2").await;
    assert_eq!(first.stdout.lines().count(), 2, "{}", first.stdout.as_str());
}

#[tokio::test]
async fn an_answer_that_is_too_large_is_refused() {
    let client = client(|_| async { answer(200, vec![b' '; 3 << 20]) });
    let kubectl = kubectl(client).with_limits(Limits { read: 2 << 20, ..Limits::default() });
    let output = run(&kubectl, "get pods -o yaml").await;
    assert!(
        output.stderr.starts_with("error: the answer is larger than 2 MiB; narrow it"),
        "{}",
        output.stderr.as_str()
    );
}

#[tokio::test]
async fn the_default_tail_is_said_where_it_hides_something() {
    let log = |lines: usize| {
        client(move |uri| async move {
            if let Some((_, tail)) = uri.split_once("&tailLines=") {
                let tail: usize = tail.parse().unwrap();
                return answer(
                    200,
                    (0..lines).skip(lines.saturating_sub(tail)).map(|n| format!("{n}\n")).collect::<String>(),
                );
            }
            answer(200, json!({"metadata": {"name": "web", "namespace": "default"}, "spec": {"containers": [{"name": "a"}]}}).to_string())
        })
    };
    let output = run(&kubectl(log(200)), "logs web").await;
    assert_eq!(output.stdout.lines().count(), 200);
    assert!(output.stdout.ends_with("199\n"));
    let output = run(&kubectl(log(201)), "logs web").await;
    assert!(output.stdout.starts_with("1\n"), "{}", output.stdout.as_str());
    assert!(
        output.stdout.ends_with(
            "200\n(the last 200 lines of each log; --tail=N, --tail=-1 or --since=1h show more)\n"
        )
    );
    let output = run(&kubectl(log(500)), "logs web --tail=300").await;
    assert_eq!(output.stdout.lines().count(), 300);
}

#[tokio::test]
async fn warnings_of_the_server_are_passed_on_once() {
    let client = client(|_| async {
        let mut answer = pods(&["one"], "");
        answer.headers_mut().insert("warning", "299 - \"v1 Pods are \\\"old\\\"\"".parse().unwrap());
        answer
    });
    let output = run(&kubectl(client), "get pods,pods -o name").await;
    assert_eq!(output.stderr.as_str(), "Warning: v1 Pods are \"old\"\n");
}

#[tokio::test]
async fn an_old_server_is_asked_group_by_group() {
    let service = tower::service_fn(|request: Request<Body>| async move {
        let resources = |version: &str, name: &str, kind: &str| {
            json!({"kind": "APIResourceList", "groupVersion": version, "resources": [
                {"name": name, "singularName": "", "namespaced": true, "kind": kind, "verbs": ["get", "list"]},
                {"name": format!("{name}/status"), "namespaced": true, "kind": kind, "verbs": ["get"]},
            ]})
        };
        let body = match request.uri().to_string().as_str() {
            "/api" => json!({"kind": "APIVersions", "versions": ["v1"]}),
            "/apis" => json!({"kind": "APIGroupList", "groups": [{"name": "apps",
                "versions": [{"groupVersion": "apps/v1beta1"}, {"groupVersion": "apps/v1"}],
                "preferredVersion": {"groupVersion": "apps/v1"}}]}),
            "/api/v1" => resources("v1", "pods", "Pod"),
            "/apis/apps/v1" => resources("apps/v1", "deployments", "Deployment"),
            "/apis/apps/v1beta1" => return Ok::<_, Infallible>(status(503, "ServiceUnavailable", "down")),
            "/apis/apps/v1/namespaces/default/deployments/web" => {
                json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}})
            }
            other => panic!("{other}"),
        };
        Ok(answer(200, body.to_string()))
    });
    let output = run(&kubectl(Client::new(service, "default")), "get deployment web -o name").await;
    assert_eq!((output.stdout.as_str(), output.stderr.as_str()), ("deployment.apps/web\n", ""));
}

#[tokio::test]
async fn what_may_be_done_is_asked_of_the_server() {
    let cluster = support::cluster::practice();
    for (line, stdout, code) in [
        ("auth can-i get pods", "yes\n", 0),
        ("auth can-i get pods/web -q", "", 0),
        ("auth can-i get pods --subresource=log", "yes\n", 0),
        ("auth can-i delete pods", "yes\n", 0),
        ("auth can-i get /healthz", "yes\n", 0),
    ] {
        let output = cluster.kubectl(&parse(line).unwrap()).await;
        assert_eq!((output.stdout.as_str(), output.code), (stdout, code), "{line}");
    }
    let unknown = cluster.kubectl(&parse("auth can-i get gadgets").unwrap()).await;
    assert!(unknown.stderr.contains("Warning: the server doesn't have a resource type 'gadgets'"));
    let all = cluster.kubectl(&parse("auth can-i --list").unwrap()).await;
    assert!(all.stdout.starts_with("Resources "), "{}", all.stdout.as_str());
    assert!(all.stdout.contains("[*]"), "{}", all.stdout.as_str());
}

/// A word that is taken for a flag, a verb, a kind, a name or a template.
fn word() -> impl Strategy<Value = String> {
    prop_oneof![
        proptest::sample::select(vec![
            "get",
            "describe",
            "logs",
            "events",
            "top",
            "rollout",
            "status",
            "history",
            "auth",
            "can-i",
            "--list",
            "version",
            "api-resources",
            "api-versions",
            "cluster-info",
            "pods",
            "po",
            "svc",
            "deploy",
            "all",
            "nodes",
            "secrets",
            "cm",
            "deploy/faulty-app",
            "faulty-app",
            "pod/nope",
            "-A",
            "-n",
            "default",
            "kube-system",
            "-o",
            "wide",
            "yaml",
            "json",
            "name",
            "-o=jsonpath={..name}",
            "-o=custom-columns=N:.metadata.name",
            "-l",
            "app",
            "--sort-by=.metadata.name",
            "--tail=3",
            "-p",
            "--all-containers",
            "--prefix",
            "-c",
            "web",
            "--for",
            "--types=Warning",
            "--show-labels",
            "create",
            "delete",
            "patch",
            "exec",
            "--raw",
            "/api/v1/namespaces/default/pods",
            "-f",
            "x.yaml",
            "--token=x",
            "--as=admin",
            "--subresource=status",
            "--revision=1",
            "--ignore-not-found",
            "hpa",
            "ingress",
            "pvc",
        ])
        .prop_map(str::to_owned),
        "[a-z0-9./=,{}\\[\\]*@-]{1,12}",
    ]
}

/// What a path asks for of an object: `exec` and `proxy` do more than read, though they are asked for with GET.
fn subresource(path: &str) -> Option<&str> {
    let parts: Vec<&str> = path.split('/').skip(1).collect();
    let version = if parts.first() == Some(&"apis") { 3 } else { 2 };
    let namespaced = parts.get(version) == Some(&"namespaces") && parts.len() > version + 2;
    parts.get(version + if namespaced { 4 } else { 2 }).copied()
}

#[test]
fn no_command_asks_for_anything_but_reading() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let _inside = runtime.enter();
    let snapshot = support::cluster::practice().snapshot().unwrap().clone();
    let seen: Arc<Mutex<Vec<(Method, String)>>> = Arc::default();
    let log = seen.clone();
    let service = tower::service_fn(move |request: Request<Body>| {
        let (snapshot, log) = (snapshot.clone(), log.clone());
        async move {
            let (parts, body) = request.into_parts();
            log.lock().unwrap().push((parts.method.clone(), parts.uri.path().to_owned()));
            let body = body.collect().await.unwrap().to_bytes();
            Ok::<_, Infallible>(snapshot.respond(&Request::from_parts(parts, body)).map(Full::new))
        }
    });
    let kubectl = kubectl(Client::new(service, "default"));
    let reviews = [
        "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews",
        "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews",
    ];
    let verbs = proptest::sample::select(vec![
        "get",
        "get",
        "get",
        "describe",
        "logs",
        "events",
        "top",
        "rollout status",
        "rollout history",
        "auth can-i",
        "api-resources",
        "explain",
        "version",
        "",
    ]);
    let config = ProptestConfig {
        cases: 2000,
        failure_persistence: None,
        rng_seed: RngSeed::Fixed(7),
        ..ProptestConfig::default()
    };
    let ran = std::cell::Cell::new(0);
    proptest!(config, |(verb in verbs, words in proptest::collection::vec(word(), 0..5))| {
        if let Ok(command) = parse(&format!("{verb} {}", words.join(" "))) {
            ran.set(ran.get() + 1);
            runtime.block_on(kubectl.run(&command));
            for (method, path) in seen.lock().unwrap().drain(..) {
                let reads = method == Method::GET && (path.starts_with("/api") || path.starts_with("/openapi/v3") || path == "/version");
                prop_assert!(reads || (method == Method::POST && reviews.contains(&path.as_str())), "{method} {path}");
                let part = subresource(&path);
                prop_assert!(matches!(part, None | Some("log" | "status" | "scale" | "resize")), "{path}");
            }
        }
    });
    assert!(ran.get() > 100, "{} commands ran", ran.get());
}
