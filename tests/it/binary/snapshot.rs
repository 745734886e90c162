//! `kubertnetes snapshot …` as a process of its own.

use std::{future::pending, path::Path, sync::Arc, time::Duration};

use axum::{Router, body::Body, extract::Request};
use kubertnetes::cluster::snapshot::Snapshot;
use serde_json::json;

use crate::support::binary::Home;

/// Waits until a file is there, and gives what stands in it.
async fn appears(path: &Path) -> String {
    for _ in 0..600 {
        if let Ok(text) = std::fs::read_to_string(path) {
            return text;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("{} does not appear", path.display());
}

#[tokio::test]
async fn a_captured_cluster_is_served_until_it_is_told_to_stop() {
    let home = Home::new();
    let file = home.path().join("kubeconfig");
    let served = home.start(&["--demo", "snapshot", "serve", "--write-kubeconfig", file.to_str().unwrap()]);
    let config: serde_json::Value = serde_json::from_str(&appears(&file).await).unwrap();
    assert_eq!(config["current-context"], "practice cluster");
    let url = config["clusters"][0]["cluster"]["server"].as_str().unwrap();
    assert!(url.starts_with("http://127.0.0.1:"), "{url}");

    // The program reads its own kubeconfig as any client does.
    let got =
        home.run(&["--kubeconfig", file.to_str().unwrap(), "kubectl", "get", "pods", "-n", "default"]).await;
    assert!(got.stdout.contains("crashloop-app-55bc5c6f9-kqnps"), "{got:?}");
    assert!(served.terminate().await.success());
    let files: Vec<_> =
        std::fs::read_dir(home.path()).unwrap().map(|file| file.unwrap().file_name()).collect();
    assert!(!files.iter().any(|name| name.to_string_lossy().starts_with(".kubeconfig")), "{files:?}");
}

#[tokio::test]
async fn what_cannot_be_served_ends_in_one_sentence() {
    let home = Home::new();
    for (args, says) in [
        (vec!["snapshot", "serve", "absent"], vec!["absent", "no such folder or file"]),
        (vec!["snapshot", "serve", "."], vec!["snapshot.json"]),
        (vec!["snapshot", "serve"], vec!["--demo"]),
        (vec!["--demo", "snapshot", "serve", "--listen", "nowhere"], vec!["nowhere", "127.0.0.1:8001"]),
        (
            vec!["--demo", "snapshot", "serve", "--write-kubeconfig", "absent/k"],
            vec!["absent/k", "can't be written"],
        ),
    ] {
        let ended = home.run(&args).await;
        assert_eq!((ended.code, ended.stdout.as_str()), (Some(2), ""), "{args:?}: {ended:?}");
        assert_eq!(ended.stderr.lines().count(), 1, "{}", ended.stderr);
        for part in says {
            assert!(ended.stderr.contains(part), "`{part}` is missing in {}", ended.stderr);
        }
    }
}

#[tokio::test]
async fn a_capture_is_made_and_can_be_used_for_everything() {
    let home = Home::new();
    let ended = home.run(&["--demo", "snapshot", "capture", "-n", "default", "k.tar.gz"]).await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(ended.stdout.starts_with("Captured ") && ended.stdout.ends_with(" in k.tar.gz\n"), "{ended:?}");
    assert!(ended.stderr.contains("\nReading ") && ended.stderr.contains(" logs\n"), "{}", ended.stderr);
    let got = home.run(&["--snapshot", "k.tar.gz", "kubectl", "get", "deploy", "-o", "name"]).await;
    assert_eq!(got.stdout, "deployment.apps/crashloop-app\ndeployment.apps/faulty-app\n");
    for (wanted, says) in [
        ("defualt", "there is no namespace `defualt` to capture; there is `default`\n"),
        ("elsewhere", "there is no namespace `elsewhere` to capture\n"),
    ] {
        let refused = home.run(&["--demo", "snapshot", "capture", "-n", wanted, "none.tar.gz"]).await;
        assert_eq!((refused.code, refused.stdout.as_str()), (Some(2), ""), "{refused:?}");
        assert!(refused.stderr.ends_with(says), "{}", refused.stderr);
    }
    let again = home.run(&["--demo", "snapshot", "capture", "k.tar.gz"]).await;
    assert_eq!((again.code, again.stdout.as_str()), (Some(2), ""));
    assert!(again.stderr.contains("it is there already"), "{}", again.stderr);
}

/// The practice cluster, whose events never come.
async fn never_done() -> (String, tokio::task::JoinHandle<()>) {
    let snapshot = Arc::new(Snapshot::practice().unwrap());
    let app = Router::new().fallback(move |request: Request| {
        let snapshot = snapshot.clone();
        async move {
            if request.uri().path().ends_with("/events") {
                return pending().await;
            }
            snapshot.respond(&request.map(|_| bytes::Bytes::new())).map(Body::from)
        }
    });
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    (url, tokio::spawn(async move { axum::serve(listener, app).await.unwrap() }))
}

#[tokio::test]
async fn a_capture_that_is_interrupted_leaves_no_half_file() {
    let (url, server) = never_done().await;
    for out in ["k.tar.gz", "k"] {
        let home = Home::new();
        let config = json!({"current-context": "c", "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
            "clusters": [{"name": "c", "cluster": {"server": url}}], "users": [{"name": "u", "user": {}}]});
        home.file("config", &config.to_string());
        let left = || {
            let names = std::fs::read_dir(home.path()).unwrap().map(|file| file.unwrap().file_name());
            let names = names.map(|name| name.to_string_lossy().into_owned());
            names.filter(|name| name.contains(out)).collect::<Vec<_>>()
        };
        let capturing = home.start(&["--kubeconfig", "config", "snapshot", "capture", out]);
        for _ in 0..600 {
            if capturing.log().contains("kinds") && !left().is_empty() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let [unfinished] = left().try_into().unwrap();
        assert!(unfinished.starts_with('.') && unfinished.ends_with(".unfinished"), "{unfinished}");
        let log = home.path().join("stderr.log");
        let ended = capturing.interrupt().await;
        assert_eq!(ended.code(), Some(1), "{ended:?}");
        assert!(std::fs::read_to_string(log).unwrap().contains("stopped; nothing was kept"));
        assert_eq!(left(), Vec::<String>::new());
    }
    server.abort();
}
