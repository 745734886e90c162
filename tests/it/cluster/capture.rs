//! Capturing a cluster, and what comes out when the capture is served.

use std::{
    collections::HashMap,
    fs,
    io::Read,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
};

use axum::{body::Body, response::IntoResponse};
use http::{Request, StatusCode};
use kubertnetes::cluster::{
    Cluster, Config,
    snapshot::{CaptureError, CaptureOptions, Captured, Listening, Progress, Snapshot, User},
};
use serde_json::{Value, json};

use super::{DISCOVERY, TABLE, ask, get, names, recorded::resources, refusal};
use crate::support::cluster::{practice, scenario, scenario_folders};

/// Whatever begins like this was planted and must not come out of a capture.
const CANARY: &str = "CANARY";

async fn capture(cluster: &Cluster, out: &Path, options: &CaptureOptions) -> Result<Captured, CaptureError> {
    cluster.capture(out, options, &|_| {}).await
}

fn open(path: &Path) -> Cluster {
    Cluster::recorded(Snapshot::open(path).unwrap(), &Config::default())
}

/// The path of every log that a pod may have.
async fn log_paths(cluster: &Cluster) -> Vec<String> {
    let pods = get(cluster, "/api/v1/pods", "*/*").await;
    let mut paths = Vec::new();
    for pod in pods["items"].as_array().unwrap() {
        let text = |path: &str| pod.pointer(path).and_then(Value::as_str).unwrap_or_default().to_owned();
        let base =
            format!("/api/v1/namespaces/{}/pods/{}/log", text("/metadata/namespace"), text("/metadata/name"));
        for kind in ["initContainers", "containers"] {
            for container in pod["spec"][kind].as_array().into_iter().flatten() {
                let name = container["name"].as_str().unwrap();
                for more in ["", "&previous=true", "&timestamps=true&tailLines=2"] {
                    paths.push(format!("{base}?container={name}{more}"));
                }
            }
        }
    }
    paths
}

/// Every list, as objects and as a table, and every log are the same.
async fn assert_same(one: &Cluster, other: &Cluster) {
    let mut compared = 0;
    for (path, resource) in resources(one).await {
        for accept in ["application/json", TABLE] {
            let (expected, seen) = (get(one, &path, accept).await, get(other, &path, accept).await);
            assert_eq!(expected, seen, "{path}");
        }
        let listed = get(one, &path, "*/*").await;
        let Some(first) = listed["items"].as_array().unwrap().first() else { continue };
        let name = first["metadata"]["name"].as_str().unwrap();
        let (base, plural) = path.rsplit_once('/').unwrap();
        let path = match first["metadata"]["namespace"].as_str() {
            Some(namespace) if resource["scope"] == "Namespaced" => {
                format!("{base}/namespaces/{namespace}/{plural}/{name}")
            }
            _ => format!("{path}/{name}"),
        };
        assert_eq!(get(one, &path, "*/*").await, get(other, &path, "*/*").await, "{path}");
        compared += 1;
    }
    assert!(compared > 20, "{compared}");
    for path in log_paths(one).await {
        assert_eq!(
            ask(one, "GET", &path, "*/*", "").await,
            ask(other, "GET", &path, "*/*", "").await,
            "{path}"
        );
    }
    assert_eq!(get(one, "/version", "*/*").await, get(other, "/version", "*/*").await);
    assert_eq!(one.now(), other.now());
}

#[tokio::test]
async fn a_capture_serves_what_was_captured() {
    let folder = tempfile::tempdir().unwrap();
    let whole = CaptureOptions { with_secrets: true, ..CaptureOptions::default() };
    let source = practice();
    for name in ["k.tar.gz", "k"] {
        let out = folder.path().join(name);
        let captured = capture(&source, &out, &whole).await.unwrap();
        assert_eq!(captured.unread, []);
        assert!(captured.kinds > 50 && captured.objects > 200 && captured.logs >= 4, "{captured:?}");
        let served = open(&out);
        assert_eq!(served.name(), "k");
        assert_same(&source, &served).await;
        let again = capture(&source, &out, &whole).await.unwrap_err();
        assert!(
            matches!(&again, CaptureError::Place { .. }) && again.to_string().contains("it is there already"),
            "{again}"
        );
    }
    // Page by page it is the same.
    let small = Cluster::practice(&Config { page_objects: 3, ..Config::default() }).unwrap();
    capture(&small, &folder.path().join("paged"), &whole).await.unwrap();
    assert_same(&source, &open(&folder.path().join("paged"))).await;
    // What it lies over is captured with it.
    if let Some(source) = scenario("004") {
        capture(&source, &folder.path().join("scenario"), &whole).await.unwrap();
        assert_same(&source, &open(&folder.path().join("scenario"))).await;
    }
}

/// Every byte of a capture, unpacked.
fn bytes_of(out: &Path) -> HashMap<PathBuf, Vec<u8>> {
    let mut found = HashMap::new();
    let mut tar = tar::Archive::new(flate2::read::GzDecoder::new(fs::File::open(out).unwrap()));
    for entry in tar.entries().unwrap() {
        let mut entry = entry.unwrap();
        let mut content = Vec::new();
        entry.read_to_end(&mut content).unwrap();
        found.insert(entry.path().unwrap().into_owned(), content);
    }
    found
}

fn has(content: &[u8], part: &str) -> bool {
    content.windows(part.len()).any(|window| window == part.as_bytes())
}

/// Base64 of a text, at each of the three places where it may begin in another.
fn in_base64(text: &str) -> Vec<String> {
    let encoded = |text: String| {
        let bytes = k8s_openapi::ByteString(text.into_bytes());
        serde_json::to_value(bytes).unwrap().as_str().unwrap().to_owned()
    };
    // The first and last characters depend on what stands beside it.
    (0..3)
        .map(|shift| {
            let text = encoded(format!("{}{text}", "x".repeat(shift)));
            let inner = text.trim_end_matches('=');
            inner[shift * 4 / 3 + usize::from(shift > 0)..inner.len() - 1].to_owned()
        })
        .collect()
}

fn assert_clean(out: &Path) {
    let mut forms = in_base64(CANARY);
    forms.push(CANARY.into());
    for (path, content) in bytes_of(out) {
        for form in &forms {
            assert!(!has(&content, form), "{form} in {}", path.display());
        }
    }
}

/// The practice cluster with a Secret in it, and with credentials in places that are not made for them.
fn with_planted_secrets(folder: &Path) {
    let practice = Path::new(env!("CARGO_MANIFEST_DIR")).join("k3d-cluster/snapshot");
    let link = |path: &str| {
        fs::create_dir_all(folder.join(path).parent().unwrap()).unwrap();
        std::os::unix::fs::symlink(practice.join(path), folder.join(path)).unwrap();
    };
    ["snapshot.json", "discovery", "logs"].into_iter().for_each(link);
    for group in fs::read_dir(practice.join("resources")).unwrap() {
        let group = group.unwrap().file_name().into_string().unwrap();
        if group != "core" {
            link(&format!("resources/{group}"));
        }
    }
    for file in fs::read_dir(practice.join("resources/core/v1")).unwrap() {
        let file = file.unwrap().file_name().into_string().unwrap();
        if file != "secrets.json" && file != "configmaps.json" {
            link(&format!("resources/core/v1/{file}"));
        }
    }
    let base64 = |text: &str| serde_json::to_value(k8s_openapi::ByteString(text.into())).unwrap();
    let write = |plural: &str, objects: Value| {
        let rows: Vec<Value> = objects
            .as_array()
            .unwrap()
            .iter()
            .map(|object| json!({"cells": [object["metadata"]["name"], "db.password=CANARY-in-a-cell"], "object": object}))
            .collect();
        let table = json!({"metadata": {"resourceVersion": "9"}, "columnDefinitions": [], "rows": rows});
        fs::write(folder.join(format!("resources/core/v1/{plural}.json")), table.to_string()).unwrap();
    };
    let applied = json!({"data": {"user": base64("CANARY-applied")}}).to_string();
    write(
        "secrets",
        json!([{"kind": "Secret", "apiVersion": "v1", "type": "Opaque", "data": {"user": base64("CANARY-user"), "key": base64("xCANARY-key")},
            "metadata": {"name": "db", "namespace": "default", "uid": "1",
                "annotations": {"kubectl.kubernetes.io/last-applied-configuration": applied}}},
            {"kind": "Secret", "apiVersion": "v1", "type": "kubernetes.io/service-account-token", "data": {"token": base64("CANARY.sa.token")},
            "metadata": {"name": "sa-token", "namespace": "default", "uid": "2"}}]),
    );
    write(
        "configmaps",
        json!([{"kind": "ConfigMap", "apiVersion": "v1", "metadata": {"name": "c", "namespace": "default", "uid": "3"},
            "data": {"app.properties": "db.password=CANARY-in-a-map\nport=80\n"},
            "binaryData": {"b": base64("api_key=CANARY-in-bytes\n")}}]),
    );
}

#[tokio::test]
async fn no_secret_comes_out_of_a_capture() {
    let folder = tempfile::tempdir().unwrap();
    let planted = folder.path().join("planted");
    with_planted_secrets(&planted);
    let source = open(&planted);
    let whole = CaptureOptions { with_secrets: true, ..CaptureOptions::default() };
    let (kept, out) = (folder.path().join("kept.tgz"), folder.path().join("masked.tgz"));
    capture(&source, &kept, &whole).await.unwrap();
    assert!(
        bytes_of(&kept).values().any(|content| has(content, CANARY)),
        "the planted values can be captured"
    );
    for form in in_base64("CANARY-user").iter().take(1) {
        assert!(bytes_of(&kept).values().any(|content| has(content, form)), "{form}");
    }
    capture(&source, &out, &CaptureOptions::default()).await.unwrap();
    assert_clean(&out);
    let served = open(&out);
    let secret = get(&served, "/api/v1/namespaces/default/secrets/db", "*/*").await;
    for key in ["user", "key"] {
        let shown: k8s_openapi::ByteString = serde_json::from_value(secret["data"][key].clone()).unwrap();
        let shown = String::from_utf8(shown.0).unwrap();
        assert!(shown.starts_with(&format!("‹secret:{key}#")) && shown.ends_with('›'), "{shown}");
    }
    let map = get(&served, "/api/v1/namespaces/default/configmaps/c", "*/*").await;
    assert!(map["data"]["app.properties"].as_str().unwrap().contains("port=80"), "{map}");
    // A client that knows the types reads it, as this program does.
    let state = served.look(&kubertnetes::cluster::state::Scope::default()).await.unwrap();
    assert_eq!(state.unread, []);
    assert_eq!(state.secrets.iter().find(|secret| secret.name == "db").unwrap().keys, ["key", "user"]);
}

#[tokio::test]
async fn the_credentials_of_the_scenarios_do_not_come_out() {
    let folder = tempfile::tempdir().unwrap();
    let with_canary = scenario_folders().into_iter().filter(|path| {
        let name = path.file_name().unwrap().to_string_lossy();
        ["078", "079", "080"].iter().any(|number| name.starts_with(number))
    });
    for path in with_canary {
        let source = open(&path);
        let out = folder.path().join(format!("{}.tar.gz", source.name()));
        capture(&source, &out, &CaptureOptions::default()).await.unwrap();
        assert_clean(&out);
        // What it is about is still there.
        let served = open(&out);
        for path in ["/api/v1/pods", "/api/v1/events", "/apis/apps/v1/deployments", "/api/v1/configmaps"] {
            assert_eq!(names(&get(&source, path, "*/*").await), names(&get(&served, path, "*/*").await));
        }
        let state = served.look(&kubertnetes::cluster::state::Scope::default()).await.unwrap();
        assert_eq!(state.unread, []);
    }
}

#[tokio::test]
async fn what_may_not_be_read_is_refused_again_and_never_empty() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("k");
    let account = User::new("system:serviceaccount:kube-system:node-controller", &[]);
    let source = Cluster::recorded(Snapshot::practice().unwrap().with_user(account), &Config::default());
    let captured = capture(&source, &out, &CaptureOptions::default()).await.unwrap();
    let served = open(&out);
    let secrets = "/api/v1/namespaces/default/secrets";
    for path in ["/api/v1/secrets", secrets, "/api/v1/namespaces/default/secrets/x"] {
        let (code, reason, message) = refusal(&served, "GET", path, "*/*").await;
        assert_eq!((code, reason.as_str()), (403, "Forbidden"), "{path}");
        assert_eq!(
            message,
            "secrets is forbidden: User \"system:serviceaccount:kube-system:node-controller\" cannot list resource \
             \"secrets\" in API group \"\" at the cluster scope"
        );
    }
    assert!(captured.unread.iter().any(|unread| unread.starts_with("resources/core/v1/secrets.json: ")));
    // What may be read is there.
    assert_eq!(names(&get(&served, "/api/v1/nodes", "*/*").await).len(), 1);
    assert_eq!(
        names(&get(&served, "/api/v1/pods", "*/*").await),
        names(&get(&practice(), "/api/v1/pods", "*/*").await)
    );
    let log = "/api/v1/namespaces/default/pods/faulty-app-c57794dc-v7wxw/log?container=web";
    let (code, _, message) = refusal(&served, "GET", log, "*/*").await;
    assert!(code == 403 && message.contains("cannot get resource \"pods/log\""), "{message}");
    let state = served.look(&kubertnetes::cluster::state::Scope::default()).await.unwrap();
    assert!(state.unread.iter().any(|unread| unread.contains("secrets")), "{:?}", state.unread);
}

#[tokio::test]
async fn namespaces_that_were_left_out_are_not_empty() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("k.tar.gz");
    let only = CaptureOptions { namespaces: vec!["default".into()], ..CaptureOptions::default() };
    capture(&practice(), &out, &only).await.unwrap();
    let served = open(&out);
    let pods = names(&get(&served, "/api/v1/pods", "*/*").await);
    assert!(pods.len() == 2 && pods.iter().all(|pod| pod.starts_with("default/")), "{pods:?}");
    assert_eq!(names(&get(&served, "/api/v1/namespaces/default/pods", "*/*").await), pods);
    let (code, _, message) = refusal(&served, "GET", "/api/v1/namespaces/kube-system/pods", "*/*").await;
    assert!(code == 404 && message.ends_with("the namespace \"kube-system\" was not recorded"), "{message}");
    assert!(!names(&get(&served, "/api/v1/nodes", "*/*").await).is_empty());
    let request = Request::get("/api/v1/pods").body(bytes::Bytes::new()).unwrap();
    let response = served.snapshot().unwrap().respond(&request);
    assert_eq!(response.headers()["warning"], r#"299 - "only these namespaces were recorded: default""#);
    // A capture of a part is a part.
    let again = folder.path().join("again");
    capture(&served, &again, &CaptureOptions::default()).await.unwrap();
    assert_eq!(refusal(&open(&again), "GET", "/api/v1/namespaces/kube-system/pods", "*/*").await.0, 404);
}

#[tokio::test]
async fn a_namespace_that_does_not_exist_is_refused_where_that_can_be_known() {
    let folder = tempfile::tempdir().unwrap();
    let options =
        CaptureOptions { namespaces: vec!["default".into(), "defualt".into()], ..CaptureOptions::default() };
    for name in ["k", "k.tgz"] {
        let failed = capture(&practice(), &folder.path().join(name), &options).await.unwrap_err();
        let CaptureError::NoNamespace { namespace, known } = &failed else { panic!("{failed}") };
        assert!(namespace == "defualt" && known.iter().any(|name| name == "kube-system"), "{failed:?}");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }
    // Who may not list namespaces gets what there is.
    let account = User::new("system:serviceaccount:kube-system:node-controller", &[]);
    let source = Cluster::recorded(Snapshot::practice().unwrap().with_user(account), &Config::default());
    let captured = capture(&source, &folder.path().join("k"), &options).await.unwrap();
    assert!(captured.unread.iter().any(|unread| unread.contains("namespaces")), "{:?}", captured.unread);
}

/// Serves the practice cluster from a runtime of its own, so that it can go away with all its connections.
fn serve_apart(kubeconfig: &Path) -> tokio::runtime::Runtime {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let (sent, listening) = std::sync::mpsc::channel();
    runtime.spawn(async move {
        let snapshot = Arc::new(Snapshot::practice().unwrap());
        let listening = Listening::on(snapshot, "127.0.0.1:0").await.unwrap();
        sent.send(listening.kubeconfig()).unwrap();
        listening.serve().await.unwrap();
    });
    fs::write(kubeconfig, listening.recv().unwrap()).unwrap();
    runtime
}

#[tokio::test]
async fn a_capture_that_is_cut_off_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let kubeconfig = folder.path().join("config");
    let left = || {
        let names = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name());
        names.filter(|name| name != "config").collect::<Vec<_>>()
    };
    for name in ["k.tar.gz", "k"] {
        // The server goes away.
        let server = Mutex::new(Some(serve_apart(&kubeconfig)));
        let config = Config { kubeconfig: Some(kubeconfig.clone()), ..Config::default() };
        let cluster = Cluster::connect(&config).await.unwrap();
        let stop = |progress: Progress<'_>| {
            if progress.done == 9
                && let Some(server) = server.lock().unwrap().take()
            {
                server.shutdown_background();
            }
        };
        let failed = cluster.capture(&folder.path().join(name), &CaptureOptions::default(), &stop).await;
        assert!(matches!(failed, Err(CaptureError::Unreadable(_))), "{failed:?}");
        assert!(server.lock().unwrap().is_none() && left().is_empty(), "{:?}", left());

        // Whoever captures is stopped.
        let (begun, seen) = (tokio::sync::Notify::new(), Mutex::new(Vec::new()));
        let tell = |progress: Progress<'_>| {
            if progress.done == 9 {
                *seen.lock().unwrap() = left();
                begun.notify_one();
            }
        };
        let (cluster, out, options) = (practice(), folder.path().join(name), CaptureOptions::default());
        tokio::select! {
            _ = cluster.capture(&out, &options, &tell) => panic!("it ended"),
            () = begun.notified() => {}
        }
        assert_eq!(seen.lock().unwrap().len(), 1);
        assert!(left().is_empty(), "{:?}", left());
    }
}

#[tokio::test]
async fn schemas_are_captured_where_they_are_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let source = folder.path().join("source");
    let practice_files = Path::new(env!("CARGO_MANIFEST_DIR")).join("k3d-cluster/snapshot");
    fs::create_dir_all(source.join("openapi/apis/apps")).unwrap();
    for name in ["snapshot.json", "discovery", "resources", "logs"] {
        std::os::unix::fs::symlink(practice_files.join(name), source.join(name)).unwrap();
    }
    let index = json!({"paths": {"apis/apps/v1": {"serverRelativeURL": "/openapi/v3/apis/apps/v1?hash=1"}, "api/v1": {}}});
    fs::write(source.join("openapi/v3.json"), index.to_string()).unwrap();
    fs::write(source.join("openapi/apis/apps/v1.json"), r#"{"components":{}}"#).unwrap();
    let options = CaptureOptions { openapi: true, ..CaptureOptions::default() };
    let out = folder.path().join("k");
    let captured = capture(&open(&source), &out, &options).await.unwrap();
    assert_eq!(captured.unread.len(), 1, "{:?}", captured.unread);
    let served = open(&out);
    assert_eq!(get(&served, "/openapi/v3", "*/*").await, index);
    assert_eq!(get(&served, "/openapi/v3/apis/apps/v1", "*/*").await, json!({"components": {}}));
    assert_eq!(refusal(&served, "GET", "/openapi/v3/api/v1", "*/*").await.0, 404);
}

/// Serves the practice cluster as servers did before discovery came in one document; one that is down, with some path,
/// serves nothing there. Gives the kubeconfig.
async fn old_server(down: &'static str) -> (String, tokio::task::JoinHandle<()>) {
    let snapshot = Arc::new(Snapshot::practice().unwrap());
    let app = axum::Router::new().fallback(move |mut request: axum::extract::Request| {
        let snapshot = snapshot.clone();
        async move {
            let path = request.uri().path().to_owned();
            if path == down {
                return StatusCode::SERVICE_UNAVAILABLE.into_response();
            }
            if path == "/api" || path == "/apis" {
                request.headers_mut().insert("accept", "application/json".parse().unwrap());
            }
            let request = request.map(|_| bytes::Bytes::new());
            snapshot.respond(&request).map(Body::from)
        }
    });
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let task = tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
    let config = json!({"current-context": "c", "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
        "clusters": [{"name": "c", "cluster": {"server": url}}], "users": [{"name": "u", "user": {}}]});
    (config.to_string(), task)
}

#[tokio::test]
async fn a_server_that_tells_of_its_api_piece_by_piece_is_captured_all_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let source = practice();
    for (name, down) in [("whole", ""), ("part", "/apis/autoscaling/v1")] {
        let (kubeconfig, server) = old_server(down).await;
        let path = folder.path().join("config");
        fs::write(&path, kubeconfig).unwrap();
        let cluster =
            Cluster::connect(&Config { kubeconfig: Some(path), ..Config::default() }).await.unwrap();
        let options = CaptureOptions { with_secrets: true, ..CaptureOptions::default() };
        let captured = capture(&cluster, &folder.path().join(name), &options).await.unwrap();
        let served = open(&folder.path().join(name));
        if down.is_empty() {
            assert_eq!(captured.unread, []);
            for path in ["/api", "/apis"] {
                assert_eq!(
                    get(&served, path, DISCOVERY).await,
                    get(&source, path, DISCOVERY).await,
                    "{path}"
                );
            }
        } else {
            assert_eq!(captured.unread.len(), 1, "{:?}", captured.unread);
            assert!(captured.unread[0].starts_with("apis/autoscaling/v1: "), "{:?}", captured.unread);
            let list = "/apis/autoscaling/v1/horizontalpodautoscalers";
            assert_eq!(refusal(&served, "GET", list, "*/*").await.0, 404);
        }
        for path in
            ["/api/v1/pods", "/apis/autoscaling/v2/horizontalpodautoscalers", "/apis/apps/v1/deployments"]
        {
            assert_eq!(
                names(&get(&served, path, "*/*").await),
                names(&get(&source, path, "*/*").await),
                "{path}"
            );
        }
        server.abort();
    }
}
