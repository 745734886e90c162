//! Watching a recorded cluster: what is there is told, and then nothing happens.

use std::time::{Duration, Instant};

use futures::{StreamExt, TryStreamExt};
use http::Request;
use http_body_util::BodyExt;
use k8s_openapi::api::core::v1::Pod;
use kube::{
    Api, ResourceExt,
    api::{ListParams, WatchEvent, WatchParams},
};
use kubertnetes::cluster::Cluster;
use serde_json::Value;

use super::{METADATA, TABLE, get, names, refusal};
use crate::support::cluster::practice;

/// Everything that a watch says until the time that the request names is over.
async fn watch(cluster: &Cluster, path: &str, accept: &str) -> Vec<Value> {
    let request = Request::get(path).header("accept", accept).body(Vec::new().into()).unwrap();
    let response = cluster.client().send(request).await.unwrap();
    assert_eq!(response.status(), 200, "{path}");
    let body = response.into_body().collect().await.unwrap().to_bytes();
    String::from_utf8_lossy(&body).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn told(events: &[Value]) -> Vec<String> {
    let text = |event: &Value| {
        let name = event["object"]["metadata"]["name"].as_str().unwrap_or_default();
        format!("{} {name}", event["type"].as_str().unwrap())
    };
    events.iter().map(text).collect()
}

#[tokio::test(start_paused = true)]
async fn what_is_there_is_told_once() {
    let cluster = practice();
    let pods = "/api/v1/namespaces/default/pods?timeoutSeconds=5";
    let listed = get(&cluster, pods, "*/*").await;
    let version = listed["metadata"]["resourceVersion"].as_str().unwrap();
    let both = ["ADDED crashloop-app-55bc5c6f9-kqnps", "ADDED faulty-app-c57794dc-v7wxw"];
    for (query, expected) in [
        ("&watch=true", both.to_vec()),
        ("&watch=1&resourceVersion=0", both.to_vec()),
        ("&watch=true&labelSelector=app%3Dfaulty-app", vec![both[1]]),
        ("&watch=true&fieldSelector=status.phase%3DPending", vec![]),
        (&format!("&watch=true&resourceVersion={version}"), vec![]),
        ("&watch=true&sendInitialEvents=false&resourceVersionMatch=NotOlderThan", vec![]),
        (
            "&watch=true&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true",
            vec![both[0], both[1], "BOOKMARK "],
        ),
    ] {
        let events = watch(&cluster, &format!("{pods}{query}"), "*/*").await;
        assert_eq!(told(&events), expected, "{query}");
        for event in &events {
            assert_eq!(
                (&event["object"]["kind"], &event["object"]["apiVersion"]),
                (&"Pod".into(), &"v1".into())
            );
        }
        if let Some(last) = events.last().filter(|event| event["type"] == "BOOKMARK") {
            assert_eq!(last["object"]["metadata"]["annotations"]["k8s.io/initial-events-end"], "true");
            assert_eq!(last["object"]["metadata"]["resourceVersion"], version);
        }
    }
    let one = "/api/v1/namespaces/default/pods/faulty-app-c57794dc-v7wxw?watch=true&timeoutSeconds=1";
    assert_eq!(told(&watch(&cluster, one, "*/*").await), [both[1]]);
    for (query, code) in
        [("&resourceVersion=x", 400), ("&sendInitialEvents=true", 422), ("&labelSelector=a%20b", 400)]
    {
        assert_eq!(
            refusal(&cluster, "GET", &format!("{pods}&watch=true{query}"), "*/*").await.0,
            code,
            "{query}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_watch_has_the_shapes_of_a_list() {
    let cluster = practice();
    let path = "/api/v1/namespaces/default/pods";
    let table = get(&cluster, path, TABLE).await;
    let events = watch(&cluster, &format!("{path}?watch=true&timeoutSeconds=1"), TABLE).await;
    assert_eq!(events.len(), table["rows"].as_array().unwrap().len());
    for (number, event) in events.iter().enumerate() {
        assert_eq!(event["object"]["kind"], "Table");
        assert_eq!(event["object"]["rows"][0], table["rows"][number]);
        let columns = &event["object"]["columnDefinitions"];
        assert_eq!(columns, if number == 0 { &table["columnDefinitions"] } else { &Value::Null });
    }
    let listed = get(&cluster, path, METADATA).await;
    let events = watch(&cluster, &format!("{path}?watch=true&timeoutSeconds=1"), METADATA).await;
    let objects: Vec<Value> = events.into_iter().map(|mut event| event["object"].take()).collect();
    assert_eq!(names(&serde_json::json!({"items": objects})), names(&listed));
    assert_eq!(objects[0]["kind"], "PartialObjectMetadata");
}

#[tokio::test]
async fn a_watch_tells_at_once_and_ends_when_it_was_asked_to() {
    let began = Instant::now();
    let cluster = practice();
    let api: Api<Pod> = Api::namespaced(cluster.client().clone(), "default");
    let mut events = api.watch(&WatchParams::default().timeout(290), "0").await.unwrap().boxed();
    let mut seen = Vec::new();
    while seen.len() < 2 {
        match events.try_next().await.unwrap().unwrap() {
            WatchEvent::Added(pod) => seen.push(pod.name_any()),
            other => panic!("{other:?}"),
        }
    }
    // Nothing more comes, and it is not over.
    assert!(tokio::time::timeout(Duration::from_millis(50), events.try_next()).await.is_err());
    assert!(began.elapsed() < Duration::from_secs(60));

    let listed = api.list(&ListParams::default()).await.unwrap();
    let version = listed.metadata.resource_version.unwrap();
    let over: Vec<_> =
        api.watch(&WatchParams::default().timeout(1), &version).await.unwrap().try_collect().await.unwrap();
    assert!(over.is_empty(), "{over:?}");

    // As a client reads that keeps a copy of everything.
    let params = WatchParams::default().timeout(1).initial_events();
    let events: Vec<WatchEvent<Pod>> = api.watch(&params, "0").await.unwrap().try_collect().await.unwrap();
    assert!(matches!(
        events.as_slice(),
        [WatchEvent::Added(_), WatchEvent::Added(_), WatchEvent::Bookmark(_)]
    ));
}
