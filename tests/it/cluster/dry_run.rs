//! Writes that are only tried in a recorded cluster.

use std::fs;

use http::Request;
use http_body_util::BodyExt;
use kubertnetes::cluster::{Cluster, Config, snapshot::Snapshot};
use serde_json::{Value, json};

use super::get;
use crate::support::{cluster::practice, shared};

const WEB: &str = "/apis/apps/v1/namespaces/default/deployments/faulty-app";
const STRATEGIC: &str = "application/strategic-merge-patch+json";
const MERGE: &str = "application/merge-patch+json";
const APPLY: &str = "application/apply-patch+yaml";
const JSON: &str = "application/json";
const JSON_PATCH: &str = "application/json-patch+json";
const MAPS: &str = "/api/v1/namespaces/default/configmaps";

/// The code, the warnings and the body of the answer to a write.
async fn write(
    cluster: &Cluster,
    method: &str,
    path: &str,
    kind: &str,
    body: &str,
) -> (u16, Vec<String>, Value) {
    let request = Request::builder().method(method).uri(path).header("content-type", kind);
    let request = request.body(body.as_bytes().to_vec().into()).unwrap();
    let response = cluster.client().send(request).await.unwrap();
    let code = response.status().as_u16();
    let warnings = response.headers().get_all("warning").iter();
    let warnings = warnings.map(|value| value.to_str().unwrap().to_owned()).collect();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    (code, warnings, serde_json::from_slice(&body).unwrap())
}

/// What a write that must succeed is answered with.
async fn tried(cluster: &Cluster, method: &str, path: &str, kind: &str, body: &Value) -> Value {
    let path = format!("{path}{}dryRun=All", if path.contains('?') { '&' } else { '?' });
    let (code, warnings, answer) = write(cluster, method, &path, kind, &body.to_string()).await;
    assert!((200..300).contains(&code) && warnings.is_empty(), "{path}: {code} {warnings:?} {answer}");
    answer
}

fn images(object: &Value) -> Vec<&str> {
    let containers = object["spec"]["template"]["spec"]["containers"].as_array().unwrap();
    containers.iter().map(|container| container["image"].as_str().unwrap_or_default()).collect()
}

#[tokio::test]
async fn patches_are_merged_and_never_stored() {
    let cluster = practice();
    let before = get(&cluster, WEB, "*/*").await;
    let image = |name: &str| json!({"spec": {"template": {"spec": {"containers": [{"name": name, "image": "new:1"}]}}}});

    let merged = tried(&cluster, "PATCH", WEB, STRATEGIC, &image("web")).await;
    let names = |object: &Value| {
        let containers = object["spec"]["template"]["spec"]["containers"].as_array().unwrap().iter();
        containers.map(|c| c["name"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(names(&merged), names(&before));
    assert_eq!(images(&merged).iter().filter(|image| **image == "new:1").count(), 1);
    assert_eq!(merged["status"], before["status"]);
    let generation = before["metadata"]["generation"].as_i64().unwrap();
    assert_eq!(merged["metadata"]["generation"], generation + 1);
    assert_eq!(merged["metadata"]["resourceVersion"], before["metadata"]["resourceVersion"]);

    // A merge patch replaces the list.
    assert_eq!(images(&tried(&cluster, "PATCH", WEB, MERGE, &image("web")).await), ["new:1"]);
    let operations = json!([{"op": "replace", "path": "/spec/replicas", "value": 7},
        {"op": "test", "path": "/metadata/name", "value": "faulty-app"}]);
    let patched = tried(&cluster, "PATCH", WEB, "application/json-patch+json", &operations).await;
    assert_eq!(patched["spec"]["replicas"], 7);
    let labelled = tried(&cluster, "PATCH", WEB, MERGE, &json!({"metadata": {"labels": {"a": "b"}}})).await;
    assert_eq!(
        (&labelled["metadata"]["labels"]["a"], &labelled["metadata"]["generation"]),
        (&json!("b"), &generation.into())
    );

    let applied = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "faulty-app"},
        "spec": {"template": {"spec": {"containers": [{"name": "extra", "image": "x"}]}}}});
    let applied = tried(&cluster, "PATCH", &format!("{WEB}?fieldManager=me"), APPLY, &applied).await;
    assert_eq!(images(&applied).len(), images(&before).len() + 1);

    let mut replaced = before.clone();
    replaced["spec"]["replicas"] = 0.into();
    assert_eq!(tried(&cluster, "PUT", WEB, JSON, &replaced).await["spec"]["replicas"], 0);
    let scale =
        tried(&cluster, "PATCH", &format!("{WEB}/scale"), MERGE, &json!({"spec": {"replicas": 4}})).await;
    assert_eq!((&scale["kind"], &scale["spec"]["replicas"]), (&json!("Scale"), &json!(4)));
    let gone = tried(&cluster, "DELETE", WEB, JSON, &json!({})).await;
    assert_eq!((&gone["status"], &gone["details"]["name"]), (&json!("Success"), &json!("faulty-app")));

    assert_eq!(get(&cluster, WEB, "*/*").await, before);
}

#[tokio::test]
async fn a_new_object_is_answered_as_it_would_be() {
    let cluster = practice();
    let path = "/api/v1/namespaces/default/configmaps";
    let made =
        tried(&cluster, "POST", path, JSON, &json!({"metadata": {"name": "new"}, "data": {"a": "b"}})).await;
    assert_eq!(
        (&made["kind"], &made["apiVersion"], &made["data"]["a"]),
        (&json!("ConfigMap"), &json!("v1"), &json!("b"))
    );
    assert_eq!(made["metadata"]["namespace"], "default");
    assert_eq!(made["metadata"]["creationTimestamp"], "2026-11-23T03:30:50Z");
    assert!(made["metadata"]["uid"].as_str().is_some_and(|uid| uid.len() == 36));
    let yaml = "metadata:\n  generateName: x-\ndata: {a: b}\n";
    let (code, _, made) =
        write(&cluster, "POST", &format!("{path}?dryRun=All"), "application/yaml", yaml).await;
    assert!(code == 201 && made["metadata"]["name"].as_str().unwrap().starts_with("x-"), "{made}");
    let applied = json!({"metadata": {"name": "new"}, "data": {"a": "b"}});
    let applied = tried(&cluster, "PATCH", &format!("{path}/new?fieldManager=me"), APPLY, &applied).await;
    assert_eq!(applied["metadata"]["name"], "new");
}

/// A write is refused with a code and words.
async fn refused(
    cluster: &Cluster,
    method: &str,
    path: &str,
    kind: &str,
    body: &Value,
    expected: (u16, &str),
) {
    let (code, _, answer) = write(cluster, method, path, kind, &body.to_string()).await;
    assert_eq!((code, &answer["kind"]), (expected.0, &json!("Status")), "{method} {path} {body}: {answer}");
    assert!(answer["message"].as_str().unwrap().contains(expected.1), "{method} {path} {body}: {answer}");
}

#[tokio::test]
async fn patches_that_the_server_would_refuse_are_refused() {
    let cluster = practice();
    let strict = "ConfigMap in version \"v1\" cannot be handled as a ConfigMap: strict decoding error: unknown field \"dat\"";
    let in_patch = " \"\" is invalid: patch: Invalid value: \"{\\\"spec\\\":{\\\"replica\\\":1}}\": strict decoding error: unknown field \"spec.replica\"";
    let mistyped = "Deployment in version \"v1\" cannot be handled as a Deployment: json:";
    let all = "?dryRun=All";
    for (query, kind, body, expected) in [
        ("", MERGE, json!({"spec": {"replicas": 2}}), (405, "recorded cluster")),
        ("?dryRun=Some", MERGE, json!({}), (422, "supported values: \"All\"")),
        ("?dryRun=All&fieldValidation=Strict", MERGE, json!({"spec": {"replica": 1}}), (422, in_patch)),
        (all, MERGE, json!({"spec": {"replicas": "two"}}), (400, mistyped)),
        ("-x?dryRun=All", MERGE, json!({}), (404, "deployments.apps \"faulty-app-x\" not found")),
        (all, APPLY, json!({}), (422, "fieldManager: Required value")),
        (all, JSON, json!({}), (415, STRATEGIC)),
        (all, MERGE, json!({"metadata": {"resourceVersion": "1"}}), (409, "the object has been modified")),
        (
            all,
            JSON_PATCH,
            json!([{"op": "test", "path": "/kind", "value": "x"}]),
            (422, "rejected our request"),
        ),
    ] {
        refused(&cluster, "PATCH", &format!("{WEB}{query}"), kind, &body, expected).await;
    }
    let path = format!("{MAPS}?dryRun=All");
    let typo = json!({"metadata": {"name": "x"}, "dat": {}});
    refused(&cluster, "POST", &format!("{path}&fieldValidation=Strict"), JSON, &typo, (400, strict)).await;
    let (code, warnings, made) = write(&cluster, "POST", &path, JSON, &typo.to_string()).await;
    assert_eq!((code, warnings), (201, vec![r#"299 - "unknown field \"dat\"""#.to_owned()]));
    assert_eq!(made.get("dat"), None, "what is not known is dropped");
    let path = format!("{path}&fieldValidation=Ignore");
    let (code, warnings, _) = write(&cluster, "POST", &path, JSON, &typo.to_string()).await;
    assert_eq!((code, warnings), (201, vec![]));
}

#[tokio::test]
async fn objects_that_the_server_would_refuse_are_refused() {
    let cluster = practice();
    let named = |name: &str| json!({"metadata": {"name": name}});
    for (body, expected) in [
        (named("kube-root-ca.crt"), (409, "configmaps \"kube-root-ca.crt\" already exists")),
        (json!({"kind": "Secret"}), (400, "does not match the expected kind (ConfigMap)")),
        (json!({"metadata": {"name": "x", "namespace": "y"}}), (400, "does not match the namespace")),
        (json!({"metadata": {}}), (422, "name or generateName is required")),
        (named("Upper"), (422, "a lowercase RFC 1123 subdomain")),
    ] {
        refused(&cluster, "POST", &format!("{MAPS}?dryRun=All"), JSON, &body, expected).await;
    }
    let gone = "/api/v1/namespaces/gone/configmaps?dryRun=All";
    refused(&cluster, "POST", gone, JSON, &named("x"), (404, "namespaces \"gone\" not found")).await;
    let eviction = "/api/v1/namespaces/default/pods/faulty-app-c57794dc-v7wxw/eviction?dryRun=All";
    refused(&cluster, "POST", eviction, JSON, &json!({}), (405, "can't try this write")).await;
    let there = format!("{MAPS}/kube-root-ca.crt");
    for (body, expected) in [
        (json!({"dryRun": ["All"], "preconditions": {"uid": "x"}}), (409, "Precondition failed")),
        (json!({"dryRun": ["Some"]}), (422, "supported values")),
        (json!({}), (405, "recorded cluster")),
    ] {
        refused(&cluster, "DELETE", &there, JSON, &body, expected).await;
    }
}

#[tokio::test]
async fn protobuf_is_read_as_far_as_it_is_known() {
    const PROTOBUF: &str = "application/vnd.kubernetes.protobuf";
    let cluster = practice();
    let namespace = "k8s\0\n\u{f}\n\u{2}v1\u{12}\u{9}Namespace\u{12}\u{8}\n\u{6}\n\u{4}shop";
    let (code, _, made) = write(&cluster, "POST", "/api/v1/namespaces?dryRun=All", PROTOBUF, namespace).await;
    assert_eq!((code, &made["kind"], &made["metadata"]["name"]), (201, &json!("Namespace"), &json!("shop")));
    let node = "k8s\0\n\n\n\u{2}v1\u{12}\u{4}Node\u{12}\0";
    for (body, says) in [
        (node, "a recorded cluster can't read v1/Node as protobuf: send it as JSON or YAML"),
        ("k8s\0\n", "the body of the request is no object in Kubernetes' protobuf"),
    ] {
        let (code, _, answer) = write(&cluster, "POST", "/api/v1/nodes?dryRun=All", PROTOBUF, body).await;
        assert!(code == 415 && answer["message"].as_str().unwrap().starts_with(says), "{answer}");
    }
}

#[tokio::test]
async fn what_is_missing_or_cannot_be_changed_is_said_as_the_server_says_it() {
    let cluster = practice();
    let selector = "Deployment.apps \"faulty-app\" is invalid: spec.selector: Invalid value: \
                    {\"matchLabels\":{\"app\":\"other\"}}: field is immutable";
    let pod = "/api/v1/namespaces/default/pods/faulty-app-c57794dc-v7wxw?dryRun=All";
    let service = "/api/v1/namespaces/default/services/faulty-app-service?dryRun=All";
    let other = json!({"spec": {"selector": {"matchLabels": {"app": "other"}}, "template": {"metadata": {"labels": {"app": "other"}}}}});
    let web = format!("{WEB}?dryRun=All");
    let env = json!({"spec": {"containers": [{"name": "web", "env": [{"name": "A", "value": "b"}]}]}});
    for (path, body, expected) in [
        (web.as_str(), other, selector),
        (
            &web,
            json!({"spec": {"template": {"spec": {"containers": [{"name": "new"}]}}}}),
            "Deployment.apps \"faulty-app\" is invalid: spec.template.spec.containers[0].image: Required value",
        ),
        (
            pod,
            env,
            "Pod \"faulty-app-c57794dc-v7wxw\" is invalid: spec: Forbidden: pod updates may not change fields other than `spec.containers[*].image`",
        ),
        (
            service,
            json!({"spec": {"clusterIP": "10.43.0.99"}}),
            "spec.clusterIPs[0]: Invalid value: [\"10.43.0.99\"]: may not change once set",
        ),
    ] {
        refused(&cluster, "PATCH", path, STRATEGIC, &body, (422, expected)).await;
    }
    let image = json!({"spec": {"containers": [{"name": "web", "image": "new:1"}]}});
    tried(&cluster, "PATCH", pod.trim_end_matches("?dryRun=All"), STRATEGIC, &image).await;
    let deployments = "/apis/apps/v1/namespaces/default/deployments?dryRun=All";
    let empty = "Deployment.apps \"x\" is invalid: [spec.selector: Required value, \
                 spec.template.spec.containers: Required value]";
    let body = json!({"metadata": {"name": "x"}});
    refused(&cluster, "POST", deployments, JSON, &body, (422, empty)).await;
    let (_, _, answer) = write(&cluster, "POST", deployments, JSON, &body.to_string()).await;
    assert_eq!(
        answer["details"],
        json!({"name": "x", "group": "apps", "kind": "Deployment", "causes": [
            {"reason": "FieldValueRequired", "message": "Required value", "field": "spec.selector"},
            {"reason": "FieldValueRequired", "message": "Required value", "field": "spec.template.spec.containers"}]})
    );
}

/// The practice cluster with the published schemas of Kubernetes laid over it.
#[tokio::test]
async fn recorded_schemas_are_what_writes_are_checked_by() {
    let Some(schemas) = shared("openapi") else { return };
    let folder = tempfile::tempdir().unwrap();
    let practice_files = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("k3d-cluster/snapshot");
    for name in ["snapshot.json", "discovery", "resources"] {
        std::os::unix::fs::symlink(practice_files.join(name), folder.path().join(name)).unwrap();
    }
    std::os::unix::fs::symlink(fs::canonicalize(schemas).unwrap(), folder.path().join("openapi")).unwrap();
    let cluster = Cluster::recorded(Snapshot::open(folder.path()).unwrap(), &Config::default());
    let before = get(&cluster, WEB, "*/*").await;
    let image = json!({"spec": {"template": {"spec": {"containers": [{"name": "web", "image": "new:1"}]}}}});
    let merged = tried(&cluster, "PATCH", WEB, STRATEGIC, &image).await;
    assert_eq!(images(&merged).len(), images(&before).len());
    let path = format!("{WEB}?dryRun=All&fieldValidation=Strict");
    for (patch, code, says) in [
        (
            json!({"spec": {"replicas": "two"}}),
            400,
            "Go struct field DeploymentSpec.spec.replicas of type int32",
        ),
        (json!({"spec": {"paused": "no"}}), 400, "Go struct field DeploymentSpec.spec.paused of type bool"),
        (
            json!({"spec": {"template": {"spec": {"dnsPolcy": "None"}}}}),
            422,
            "unknown field \"spec.template.spec.dnsPolcy\"",
        ),
    ] {
        let (seen, _, answer) = write(&cluster, "PATCH", &path, STRATEGIC, &patch.to_string()).await;
        assert!(seen == code && answer["message"].as_str().unwrap().contains(says), "{patch}: {answer}");
    }
    // Of lists that are merged, the schemas know what each item must have.
    let mount = json!({"spec": {"template": {"spec": {"containers": [{"name": "web", "volumeDevices": [{"devicePath": "/x"}]}]}}}});
    let missing = "spec.template.spec.containers[0].volumeDevices[0].name: Required value";
    refused(&cluster, "PATCH", &path, STRATEGIC, &mount, (422, missing)).await;
    let binding = json!({"metadata": {"name": "x"}, "subjects": []});
    let bindings = "/apis/rbac.authorization.k8s.io/v1/namespaces/default/rolebindings?dryRun=All";
    refused(&cluster, "POST", bindings, JSON, &binding, (422, "roleRef.name: Required value")).await;
    // What was recorded is never refused.
    for (path, kind) in [
        ("/api/v1/pods", "v1"),
        ("/apis/apps/v1/deployments", "apps/v1"),
        ("/api/v1/services", "v1"),
        ("/api/v1/configmaps", "v1"),
        ("/apis/rbac.authorization.k8s.io/v1/rolebindings", "rbac.authorization.k8s.io/v1"),
        ("/apis/apps/v1/replicasets", "apps/v1"),
    ] {
        for item in get(&cluster, path, "*/*").await["items"].as_array().unwrap() {
            let (base, plural) = path.rsplit_once('/').unwrap();
            let (namespace, name) = (&item["metadata"]["namespace"], &item["metadata"]["name"]);
            let one = format!(
                "{base}/namespaces/{}/{plural}/{}",
                namespace.as_str().unwrap(),
                name.as_str().unwrap()
            );
            let one = format!("{one}?fieldValidation=Strict");
            assert_eq!(tried(&cluster, "PUT", &one, JSON, item).await["apiVersion"], kind);
        }
    }
}
