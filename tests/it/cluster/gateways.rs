//! Looking at a cluster with the Gateway API, and what a look asks for.

use std::{
    fs,
    path::Path,
    sync::{Arc, Mutex},
};

use axum::{Router, body::Body, extract::Request};
use k8s_openapi::api::rbac::v1::{ClusterRole, PolicyRule};
use kubertnetes::cluster::{
    Cluster, Config,
    snapshot::Snapshot,
    state::{Scope, State},
};
use serde::Deserialize;
use serde_json::{Value, json};

const GROUP: &str = "gateway.networking.k8s.io";
/// Plural, kind and whether it belongs to a namespace, as the Gateway API defines them.
const KINDS: &[(&str, &str, bool)] = &[
    ("gatewayclasses", "GatewayClass", false),
    ("gateways", "Gateway", true),
    ("httproutes", "HTTPRoute", true),
    ("referencegrants", "ReferenceGrant", true),
];

/// The practice cluster with the Gateway API installed and some objects of it; kinds of `v1beta1` alone are said.
fn with_gateways(folder: &Path, beta: &[&str]) {
    let practice = Path::new(env!("CARGO_MANIFEST_DIR")).join("k3d-cluster/snapshot");
    let link = |path: &str| {
        fs::create_dir_all(folder.join(path).parent().unwrap()).unwrap();
        std::os::unix::fs::symlink(practice.join(path), folder.join(path)).unwrap();
    };
    ["snapshot.json", "logs", "discovery/api.json"].into_iter().for_each(link);
    for group in fs::read_dir(practice.join("resources")).unwrap() {
        let group = group.unwrap().file_name().into_string().unwrap();
        if group != "apiextensions.k8s.io" {
            link(&format!("resources/{group}"));
        }
    }
    let version = |plural: &str| if beta.contains(&plural) { "v1beta1" } else { "v1" };
    let mut apis: Value =
        serde_json::from_str(&fs::read_to_string(practice.join("discovery/apis.json")).unwrap()).unwrap();
    let versions = ["v1", "v1beta1"].map(|served| {
        let kinds = KINDS.iter().filter(|(plural, ..)| version(plural) == served);
        let resources = kinds.map(|(plural, kind, namespaced)| {
            json!({"resource": plural, "responseKind": {"group": GROUP, "version": served, "kind": kind},
                "scope": if *namespaced { "Namespaced" } else { "Cluster" }, "singularResource": kind.to_lowercase(),
                "verbs": ["get", "list"]})
        });
        json!({"version": served, "resources": resources.collect::<Vec<_>>(), "freshness": "Current"})
    });
    apis["items"].as_array_mut().unwrap().push(json!({"metadata": {"name": GROUP}, "versions": versions}));
    fs::write(folder.join("discovery/apis.json"), apis.to_string()).unwrap();

    let write = |group: &str, version: &str, plural: &str, objects: Vec<Value>| {
        let rows: Vec<Value> = objects
            .into_iter()
            .map(|object| json!({"cells": [object["metadata"]["name"]], "object": object}))
            .collect();
        let table = json!({"kind": "Table", "apiVersion": "meta.k8s.io/v1", "metadata": {"resourceVersion": "9"},
            "columnDefinitions": [], "rows": rows});
        let path = folder.join(format!("resources/{group}/{version}"));
        fs::create_dir_all(&path).unwrap();
        fs::write(path.join(format!("{plural}.json")), table.to_string()).unwrap();
    };
    let definitions = KINDS.iter().map(|(plural, kind, _)| {
        let served = version(plural);
        json!({"kind": "CustomResourceDefinition", "apiVersion": "apiextensions.k8s.io/v1",
            "metadata": {"name": format!("{plural}.{GROUP}"), "uid": plural},
            "spec": {"group": GROUP, "names": {"kind": kind, "plural": plural}, "versions": [
                {"name": served, "served": true}, {"name": "v1alpha2", "served": false}]}})
    });
    write("apiextensions.k8s.io", "v1", "customresourcedefinitions", definitions.collect());
    for (plural, kind, namespaced) in KINDS {
        let version = version(plural);
        let object = |space: &str| {
            let mut object = json!({"kind": kind, "apiVersion": format!("{GROUP}/{version}"),
                "metadata": {"name": format!("one-of-{space}"), "uid": format!("{plural}-{space}")}, "spec": {}});
            if *namespaced {
                object["metadata"]["namespace"] = space.into();
            }
            object
        };
        write(GROUP, version, plural, vec![object("kube-system"), object("default")]);
    }
}

async fn look(cluster: &Cluster, namespaces: &[&str]) -> State {
    let scope = Scope { namespaces: namespaces.iter().map(|name| (*name).to_owned()).collect() };
    cluster.look(&scope).await.unwrap()
}

/// A recorded cluster over HTTP, and the paths that it is asked for.
async fn watched(snapshot: Snapshot, home: &Path) -> (Cluster, Arc<Mutex<Vec<String>>>) {
    let (snapshot, asked) = (Arc::new(snapshot), Arc::new(Mutex::new(Vec::new())));
    let seen = asked.clone();
    let app = Router::new().fallback(move |request: Request| {
        seen.lock().unwrap().push(request.uri().path().to_owned());
        let answer = snapshot.respond(&request.map(|_| bytes::Bytes::new())).map(Body::from);
        async move { answer }
    });
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
    let config = json!({"current-context": "c", "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
        "clusters": [{"name": "c", "cluster": {"server": url}}], "users": [{"name": "u", "user": {}}]});
    fs::write(home.join("config"), config.to_string()).unwrap();
    let config = Config { kubeconfig: Some(home.join("config")), ..Config::default() };
    (Cluster::connect(&config).await.unwrap(), asked)
}

#[tokio::test]
async fn the_gateway_api_is_read_where_it_is_installed() {
    for beta in
        [&[][..], &["referencegrants"], &["gateways", "httproutes", "gatewayclasses", "referencegrants"]]
    {
        let folder = tempfile::tempdir().unwrap();
        with_gateways(folder.path(), beta);
        let cluster = Cluster::recorded(Snapshot::open(folder.path()).unwrap(), &Config::default());
        let state = look(&cluster, &[]).await;
        assert_eq!(state.unread, []);
        let spaces: Vec<&str> =
            state.http_routes.iter().map(|route| route.metadata.namespace.as_deref().unwrap()).collect();
        assert_eq!(spaces, ["default", "kube-system"]);
        assert_eq!(
            (state.gateway_classes.len(), state.gateways.len(), state.reference_grants.len()),
            (2, 2, 2)
        );
        // Routes refer to what other namespaces have.
        let part = look(&cluster, &["default"]).await;
        assert_eq!(part.unread, []);
        assert_eq!((part.http_routes.len(), part.gateways.len(), part.reference_grants.len()), (1, 2, 2));
    }
}

#[tokio::test]
async fn the_gateway_api_is_neither_asked_for_nor_missed_where_it_is_not_installed() {
    let home = tempfile::tempdir().unwrap();
    let (cluster, asked) = watched(Snapshot::practice().unwrap(), home.path()).await;
    let state = look(&cluster, &[]).await;
    assert_eq!(state.unread, []);
    assert!(state.gateways.is_empty() && state.custom_kinds.is_empty());
    let asked = asked.lock().unwrap().clone();
    assert!(asked.len() > 30 && !asked.iter().any(|path| path.contains(GROUP)), "{asked:?}");
}

/// The rules of the role that the README tells people to make.
fn role_of_the_readme() -> Vec<PolicyRule> {
    let readme = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).unwrap();
    let blocks = readme.split("```yaml\n").skip(1).filter_map(|block| block.split("```").next());
    let documents = blocks.flat_map(|block| block.split("\n---\n"));
    let role = documents.into_iter().find(|document| document.contains("kind: ClusterRole\n")).unwrap();
    let role: Value = serde_saphyr::from_str(role).unwrap();
    ClusterRole::deserialize(role).unwrap().rules.unwrap()
}

/// The group and resource that a path is about, `pods/log` for a log.
fn resource_of(path: &str) -> Option<(String, String)> {
    let parts: Vec<&str> = path.trim_matches('/').split('/').collect();
    let (group, rest) = match parts.as_slice() {
        ["api", _, rest @ ..] => ("", rest),
        ["apis", group, _, rest @ ..] => (*group, rest),
        _ => return None,
    };
    let resource = match rest {
        [] => return None,
        ["namespaces", _, plural] | [plural] => (*plural).to_owned(),
        ["namespaces", _, plural, _, sub] => format!("{plural}/{sub}"),
        other => panic!("{other:?}"),
    };
    Some((group.into(), resource))
}

#[tokio::test]
async fn the_role_of_the_readme_lets_a_look_read_everything() {
    let folder = tempfile::tempdir().unwrap();
    with_gateways(folder.path(), &[]);
    let home = tempfile::tempdir().unwrap();
    let (cluster, asked) = watched(Snapshot::open(folder.path()).unwrap(), home.path()).await;
    assert_eq!(look(&cluster, &[]).await.unread, []);
    assert_eq!(look(&cluster, &["default"]).await.unread, []);
    let mut asked: Vec<(String, String)> =
        asked.lock().unwrap().iter().filter_map(|path| resource_of(path)).collect();
    asked.sort();
    asked.dedup();
    assert!(asked.len() > 35 && asked.contains(&(String::new(), "pods/log".into())), "{asked:?}");
    let rules = role_of_the_readme();
    let has = |list: &[String], wanted: &str| list.iter().any(|item| item == wanted || item == "*");
    let missing = asked.iter().filter(|(group, resource)| {
        !rules.iter().any(|rule| {
            has(rule.api_groups.as_deref().unwrap_or_default(), group)
                && has(rule.resources.as_deref().unwrap_or_default(), resource)
                && rule.verbs == ["get", "list"]
        })
    });
    assert_eq!(missing.collect::<Vec<_>>(), Vec::<&(String, String)>::new());
    for group in ["apiregistration.k8s.io", "node.k8s.io"] {
        assert!(
            rules.iter().any(|rule| has(rule.api_groups.as_deref().unwrap_or_default(), group)),
            "{group}"
        );
    }
}
