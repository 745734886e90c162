//! A recorded cluster as an API server: discovery, lists, objects, selectors, pages, refusals.

use std::{collections::BTreeSet, fs, path::Path};

use kubertnetes::cluster::{Cluster, Config, snapshot::Snapshot};
use serde_json::{Value, json};

use super::{DISCOVERY, METADATA, TABLE, ask, get, names, refusal};
use crate::support::{
    cluster::{practice, scenario, scenario_folders},
    shared,
};

/// Every resource that discovery says can be listed, as its path.
pub(super) async fn resources(cluster: &Cluster) -> Vec<(String, Value)> {
    let mut found = Vec::new();
    for (root, accept) in [("/api", DISCOVERY), ("/apis", DISCOVERY)] {
        for group in get(cluster, root, accept).await["items"].as_array().unwrap() {
            for version in group["versions"].as_array().unwrap() {
                let name =
                    group["metadata"]["name"].as_str().map_or(String::new(), |name| format!("/{name}"));
                let prefix = format!("{root}{name}/{}", version["version"].as_str().unwrap());
                for resource in version["resources"].as_array().unwrap() {
                    let plural = resource["resource"].as_str().unwrap();
                    let lists = resource["verbs"].as_array().unwrap().contains(&json!("list"));
                    if lists && plural != "componentstatuses" {
                        found.push((format!("{prefix}/{plural}"), resource.clone()));
                    }
                }
            }
        }
    }
    found
}

/// The recorded file of a resource's path, from a snapshot's folder or its base, and whether it is the base's.
fn file(folder: &Path, path: &str) -> (Value, bool) {
    let below = path.replacen("/apis/", "resources/", 1).replacen("/api/", "resources/core/", 1) + ".json";
    let candidates = [folder.join("snapshot"), folder.to_owned(), folder.join("../_base")];
    let at = candidates.iter().position(|root| root.join(&below).is_file()).unwrap();
    (serde_json::from_slice(&fs::read(candidates[at].join(&below)).unwrap()).unwrap(), at == 2)
}

/// Checks every resource of a snapshot against its files; returns how many objects it has.
async fn check_all(cluster: &Cluster, folder: &Path) -> usize {
    let mut objects = 0;
    for (path, resource) in resources(cluster).await {
        let (recorded, of_base) = file(folder, &path);
        let rows = recorded["rows"].as_array().cloned().unwrap_or_default();
        let table = get(cluster, &format!("{path}?includeObject=Object"), TABLE).await;
        assert_eq!(table["rows"], json!(rows), "{path}");
        assert_eq!(table["columnDefinitions"], recorded["columnDefinitions"], "{path}");
        objects += rows.len();
        if of_base {
            continue;
        }

        let list = get(cluster, &path, "application/json").await;
        assert_eq!(list["kind"], format!("{}List", resource["responseKind"]["kind"].as_str().unwrap()));
        assert_eq!(list["items"].as_array().unwrap().len(), rows.len(), "{path}");
        for (item, row) in list["items"].as_array().unwrap().iter().zip(&rows) {
            assert_eq!(item["metadata"], row["object"]["metadata"], "{path}");
            assert_eq!(item["spec"], row["object"]["spec"], "{path}");
        }
        if let Some(row) = rows.last() {
            let (prefix, plural) = path.rsplit_once('/').unwrap();
            let meta = &row["object"]["metadata"];
            let within =
                meta["namespace"].as_str().map_or(String::new(), |name| format!("/namespaces/{name}"));
            let one = format!("{prefix}{within}/{plural}/{}", meta["name"].as_str().unwrap());
            assert_eq!(get(cluster, &one, "application/json").await, row["object"], "{one}");
            let table = get(cluster, &one, TABLE).await;
            assert_eq!(table["rows"][0]["cells"], row["cells"], "{one}");
        }
    }
    objects
}

#[tokio::test]
async fn the_practice_cluster_serves_all_that_was_recorded() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("k3d-cluster/snapshot");
    assert!(check_all(&practice(), &folder).await > 200);
}

#[tokio::test]
async fn every_scenario_serves_all_that_was_recorded() {
    for folder in scenario_folders() {
        let cluster = Cluster::recorded(Snapshot::open(&folder).unwrap(), &Config::default());
        assert!(check_all(&cluster, &folder).await > 100, "{}", folder.display());
    }
}

#[tokio::test]
async fn what_differs_replaces_the_base_and_the_rest_is_the_bases() {
    let Some(cluster) = scenario("004") else { return };
    assert_eq!(cluster.name(), "004-thumbnailer-oom");
    assert_eq!(cluster.now(), "2026-11-23T02:43:09Z".parse().unwrap());
    let namespaces = names(&get(&cluster, "/api/v1/namespaces", "application/json").await);
    assert!(
        namespaces.contains(&"media".into()) && namespaces.contains(&"kube-system".into()),
        "{namespaces:?}"
    );
    assert_eq!(names(&get(&cluster, "/apis/networking.k8s.io/v1/ingressclasses", "*/*").await), ["edge"]);
    let Some(scenario) = scenario("089") else { return };
    assert_eq!(get(&scenario, "/apis/metrics.k8s.io", "*/*").await["name"], "metrics.k8s.io");
    assert_eq!(refusal(&cluster, "GET", "/apis/metrics.k8s.io", "*/*").await.0, 404);
}

/// A `.tar.gz` with the files below the folders, each under its prefix.
fn archive(path: &Path, parts: &[(&str, &Path)]) {
    let mut tar = tar::Builder::new(flate2::write::GzEncoder::new(
        fs::File::create(path).unwrap(),
        flate2::Compression::fast(),
    ));
    for (prefix, folder) in parts {
        tar.append_dir_all(prefix, folder).unwrap();
    }
    tar.into_inner().unwrap().finish().unwrap();
}

#[tokio::test]
async fn an_archive_serves_what_its_folder_would() {
    let folder = tempfile::tempdir().unwrap();
    let practice = Path::new(env!("CARGO_MANIFEST_DIR")).join("k3d-cluster/snapshot");
    for prefix in [".", "snapshot", "some/where"] {
        let path = folder.path().join("shop.tar.gz");
        archive(&path, &[(prefix, &practice)]);
        let cluster = Cluster::recorded(Snapshot::open(&path).unwrap(), &Config::default());
        assert_eq!(cluster.name(), "shop");
        assert!(check_all(&cluster, &practice).await > 200);
        let log = "/api/v1/namespaces/default/pods/crashloop-app-55bc5c6f9-kqnps/log";
        assert!(ask(&cluster, "GET", log, "*/*", "").await.2.contains("FATAL"), "{prefix}");
    }
    let Some(scenarios) = shared("scenarios") else { return };
    let path = folder.path().join("004.tgz");
    let own = scenarios.join("004-thumbnailer-oom/snapshot");
    archive(&path, &[("004/snapshot", &own), ("_base", &scenarios.join("_base"))]);
    let cluster = Cluster::recorded(Snapshot::open(&path).unwrap(), &Config::default());
    check_all(&cluster, &scenarios.join("004-thumbnailer-oom")).await;
}

#[test]
fn a_folder_or_archive_that_is_no_snapshot_is_refused_in_one_sentence() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.tar.gz");
    let reason = |path: &Path| Snapshot::open(path).unwrap_err().reason;
    fs::write(&path, "not gzip").unwrap();
    assert!(reason(&path).starts_with("it is neither a folder nor a readable .tar.gz"), "{}", reason(&path));
    archive(&path, &[("x", &Path::new(env!("CARGO_MANIFEST_DIR")).join("src/llm"))]);
    assert_eq!(reason(&path), "it has no snapshot.json");
    let description = folder.path().join("snapshot.json");
    let text = r#"{"format":1,"capturedAt":"2026-11-23T03:00:00+00:00","serverVersion":{},"base":"_gone"}"#;
    fs::write(&description, text).unwrap();
    assert_eq!(reason(folder.path()), "it lies over `_gone`, and there is no such folder beside it");
    fs::write(&description, text.replace(r#","base":"_gone""#, "")).unwrap();
    assert_eq!(reason(folder.path()), "it has no discovery/api.json, neither by itself nor in its base");
}

#[tokio::test]
async fn older_clients_get_the_older_discovery() {
    let cluster = practice();
    assert_eq!(get(&cluster, "/version", "*/*").await["gitVersion"], "v1.36.2");
    assert_eq!(get(&cluster, "/api", "application/json").await["versions"], json!(["v1"]));
    let groups = get(&cluster, "/apis", "application/json").await;
    let groups: BTreeSet<&str> =
        groups["groups"].as_array().unwrap().iter().map(|g| g["name"].as_str().unwrap()).collect();
    assert!(groups.contains("apps") && groups.contains("events.k8s.io") && !groups.contains(""));
    let mut legacy = 0;
    for (path, resource) in resources(&cluster).await {
        let (prefix, plural) = path.rsplit_once('/').unwrap();
        let list = get(&cluster, prefix, "application/json").await;
        let entry =
            list["resources"].as_array().unwrap().iter().find(|entry| entry["name"] == plural).unwrap();
        assert_eq!(entry["kind"], resource["responseKind"]["kind"]);
        assert_eq!(entry["namespaced"], resource["scope"] == "Namespaced");
        legacy += 1;
    }
    assert!(legacy > 50);
    let discovered = kube::Discovery::new(cluster.client().clone()).run().await.unwrap();
    let aggregated = kube::Discovery::new(cluster.client().clone()).run_aggregated().await.unwrap();
    assert_eq!(discovered.groups().count(), aggregated.groups().count());
}

#[tokio::test]
async fn selectors_narrow_a_list() {
    let cluster = practice();
    for (query, expected) in [
        ("namespaces/default/pods?labelSelector=app%3Dfaulty-app", vec!["default/faulty-app-c57794dc-v7wxw"]),
        ("pods?labelSelector=app%20in%20(crashloop-app)", vec!["default/crashloop-app-55bc5c6f9-kqnps"]),
        (
            "namespaces/default/pods?labelSelector=app%2Capp!%3Dfaulty-app",
            vec!["default/crashloop-app-55bc5c6f9-kqnps"],
        ),
        ("namespaces/kube-system/pods?labelSelector=app%3Dfaulty-app", vec![]),
        ("namespaces/nowhere/pods", vec![]),
        (
            "pods?fieldSelector=metadata.name%3Dfaulty-app-c57794dc-v7wxw",
            vec!["default/faulty-app-c57794dc-v7wxw"],
        ),
        (
            "pods?fieldSelector=metadata.namespace!%3Dkube-system,status.phase%3DRunning&labelSelector=app%3Dcrashloop-app",
            vec!["default/crashloop-app-55bc5c6f9-kqnps"],
        ),
        ("pods?fieldSelector=status.phase%3DPending", vec![]),
        (
            "namespaces/default/services?fieldSelector=spec.type%3DClusterIP&labelSelector=!component",
            vec!["default/faulty-app-service"],
        ),
    ] {
        let list = get(&cluster, &format!("/api/v1/{query}"), "application/json").await;
        assert_eq!(names(&list), expected, "{query}");
        let metadata = get(&cluster, &format!("/api/v1/{query}"), METADATA).await;
        assert_eq!(
            (names(&metadata), &metadata["kind"]),
            (names(&list), &json!("PartialObjectMetadataList"))
        );
    }
    let about = "involvedObject.name%3Dcrashloop-app-55bc5c6f9-kqnps,type%3DWarning";
    let old = get(&cluster, &format!("/api/v1/events?fieldSelector={about}"), "*/*").await;
    let about = about.replace("involvedObject", "regarding");
    let new = get(&cluster, &format!("/apis/events.k8s.io/v1/events?fieldSelector={about}"), "*/*").await;
    assert!(!names(&old).is_empty());
    assert_eq!(names(&old), names(&new));
}

#[tokio::test]
async fn a_list_can_be_read_in_pages() {
    let cluster = practice();
    let path = "/apis/rbac.authorization.k8s.io/v1/clusterroles";
    let all = names(&get(&cluster, path, "*/*").await);
    let (mut paged, mut token) = (Vec::new(), String::new());
    loop {
        let page = get(&cluster, &format!("{path}?limit=7&continue={token}"), "*/*").await;
        paged.extend(names(&page));
        let left = page["metadata"]["remainingItemCount"].as_u64().unwrap_or(0);
        assert_eq!(left, (all.len() - paged.len()) as u64);
        match page["metadata"]["continue"].as_str() {
            Some(next) => token = next.to_owned(),
            None => break,
        }
    }
    assert_eq!(paged, all);
    assert_eq!(refusal(&cluster, "GET", &format!("{path}?continue=1.2"), "*/*").await.1, "Expired");
    assert_eq!(refusal(&cluster, "GET", &format!("{path}?continue=x"), "*/*").await.0, 400);
    assert_eq!(refusal(&cluster, "GET", &format!("{path}?limit=x"), "*/*").await.0, 400);
}

#[tokio::test]
async fn a_table_carries_as_much_of_the_objects_as_is_asked_for() {
    let cluster = practice();
    let path = "/api/v1/namespaces/default/pods";
    let row = |table: Value| table["rows"][0]["object"].clone();
    let full = row(get(&cluster, &format!("{path}?includeObject=Object"), TABLE).await);
    assert_eq!(full["kind"], "Pod");
    let partial = json!({"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": full["metadata"]});
    assert_eq!(row(get(&cluster, path, TABLE).await), partial);
    assert_eq!(row(get(&cluster, &format!("{path}?includeObject=Metadata"), TABLE).await), partial);
    assert_eq!(row(get(&cluster, &format!("{path}?includeObject=None"), TABLE).await), Value::Null);
    assert_eq!(refusal(&cluster, "GET", &format!("{path}?includeObject=All"), TABLE).await.0, 400);
}

#[tokio::test]
async fn refusals_are_worded_as_the_api_servers() {
    let cluster = practice();
    for (method, path, accept, code, reason, message) in [
        ("GET", "/api/v1/namespaces/default/pods/x", "*/*", 404, "NotFound", r#"pods "x" not found"#),
        ("GET", "/api/v1/namespaces/x", "*/*", 404, "NotFound", r#"namespaces "x" not found"#),
        (
            "GET",
            "/apis/apps/v1/namespaces/default/deployments/x",
            "*/*",
            404,
            "NotFound",
            r#"deployments.apps "x" not found"#,
        ),
        ("GET", "/api/v1/foos", "*/*", 404, "NotFound", "the server could not find the requested resource"),
        (
            "GET",
            "/apis/foo/v1/bars",
            "*/*",
            404,
            "NotFound",
            "the server could not find the requested resource",
        ),
        ("GET", "/nonsense", "*/*", 404, "NotFound", "the server could not find the requested resource"),
        (
            "GET",
            "/api/v1/namespaces/x/nodes",
            "*/*",
            404,
            "NotFound",
            "the server could not find the requested resource",
        ),
        (
            "GET",
            "/api/v1/pods",
            "application/yaml",
            406,
            "NotAcceptable",
            "only the following media types are accepted: application/json",
        ),
        (
            "GET",
            "/api/v1/pods?fieldSelector=spec.x%3D1",
            "*/*",
            400,
            "BadRequest",
            "field label not supported: spec.x",
        ),
    ] {
        let expected = (code, reason.to_owned(), message.to_owned());
        assert_eq!(refusal(&cluster, method, path, accept).await, expected, "{path}");
    }
    assert_eq!(refusal(&cluster, "GET", "/api/v1/pods?labelSelector=a%20b", "*/*").await.0, 400);
    assert_eq!(refusal(&cluster, "GET", "/openapi/v3", "*/*").await.0, 404);
}

#[tokio::test]
async fn nothing_can_be_changed() {
    let cluster = practice();
    let pod = "/api/v1/namespaces/default/pods/faulty-app-c57794dc-v7wxw";
    for (method, path) in [
        ("DELETE", pod),
        ("PATCH", pod),
        ("PUT", pod),
        ("POST", "/api/v1/namespaces/default/pods"),
        ("DELETE", "/api/v1/namespaces/default/pods"),
        ("POST", "/version"),
        ("POST", "/api/v1/namespaces/default/pods/faulty-app-c57794dc-v7wxw/eviction"),
    ] {
        let (code, reason, message) = refusal(&cluster, method, path, "*/*").await;
        assert_eq!((code, reason.as_str()), (405, "MethodNotAllowed"), "{method} {path}");
        assert!(
            message.contains("recorded cluster (practice cluster, captured 2026-11-23T03:30:50Z)"),
            "{message}"
        );
    }
    assert_eq!(refusal(&cluster, "GET", "/api/v1/watch/pods", "*/*").await.0, 405);
}

/// A snapshot with one custom resource, and one file that is broken.
fn custom(folder: &Path) {
    let write = |path: &str, text: &str| {
        let path = folder.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    };
    let resource = |plural: &str, kind: &str| {
        json!({"resource": plural, "responseKind": {"group": "", "version": "", "kind": kind},
            "scope": "Namespaced", "singularResource": "x", "verbs": ["get", "list"]})
    };
    let group = |name: &str, resources: Value| json!({"metadata": {"name": name}, "versions": [{"version": "v1", "resources": resources}]});
    let core = json!([resource("pods", "Pod"), resource("events", "Event")]);
    let crds = json!([resource("customresourcedefinitions", "CustomResourceDefinition")]);
    let table = |object: Value| {
        json!({"columnDefinitions": [], "rows": [{"cells": [], "object": object}]}).to_string()
    };
    write(
        "snapshot.json",
        r#"{"format":1,"capturedAt":"2026-11-23T03:00:00Z","serverVersion":{"gitVersion":"v1.99.0"}}"#,
    );
    write("discovery/api.json", &json!({"items": [group("", core)]}).to_string());
    let apis =
        [group("shop.example.com", json!([resource("carts", "Cart")])), group("apiextensions.k8s.io", crds)];
    write("discovery/apis.json", &json!({"items": apis}).to_string());
    let named =
        |name: &str| json!({"kind": "K", "apiVersion": "g/v1", "metadata": {"name": name, "namespace": "n"}});
    write("resources/shop.example.com/v1/carts.json", &table(named("c")));
    let definition = json!({"metadata": {"name": "carts.shop.example.com"}});
    write("resources/apiextensions.k8s.io/v1/customresourcedefinitions.json", &table(definition));
    write("resources/core/v1/pods.json", &table(named("p")));
    write("resources/core/v1/events.json", "{");
    write("openapi/v3.json", r#"{"paths":{}}"#);
    write("openapi/api/v1.json", r#"{"components":{}}"#);
}

#[tokio::test]
async fn custom_resources_and_recorded_schemas_are_served_and_a_broken_file_is_named() {
    let folder = tempfile::tempdir().unwrap();
    custom(folder.path());
    let cluster = Cluster::recorded(Snapshot::open(folder.path()).unwrap(), &Config::default());
    // Lists of built-in kinds leave out what every item would repeat; lists of custom ones do not.
    assert_eq!(get(&cluster, "/api/v1/pods", "*/*").await["items"][0]["kind"], Value::Null);
    assert_eq!(get(&cluster, "/apis/shop.example.com/v1/carts", "*/*").await["items"][0]["kind"], "K");
    assert_eq!(get(&cluster, "/api/v1/namespaces/n/pods/p", "*/*").await["kind"], "K");
    assert_eq!(get(&cluster, "/openapi/v3", "*/*").await, json!({"paths": {}}));
    assert_eq!(get(&cluster, "/openapi/v3/api/v1?hash=X", "*/*").await, json!({"components": {}}));
    let (code, _, message) = refusal(&cluster, "GET", "/api/v1/events", "*/*").await;
    assert_eq!(code, 500);
    assert!(message.starts_with("resources/core/v1/events.json is not a recorded table: "), "{message}");
}
