//! `explain` by the real kubectl over HTTP and by ours within the process, on a recorded cluster with its schemas.

use std::{
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use kube::Client;
use kubertnetes::cluster::{Cluster, Config, kubectl::Limits, snapshot::Snapshot};
use serde_json::{Value, json};

use super::{
    against_kubectl::{Served, compare, has_kubectl},
    wire::{answer, client, kubectl, run},
};
use crate::support;

/// What is explained of Kubernetes' own kinds.
const COMMANDS: &[&str] = &[
    "explain pods",
    "explain po",
    "explain Pod",
    "explain pod",
    "explain pods.",
    "explain pods.spec",
    "explain pods.spec.containers",
    "explain pods.spec.containers.image",
    "explain pods.spec.containers.imagePullPolicy",
    "explain pods.spec.containers.ports.protocol",
    "explain pods.spec.containers.resources",
    "explain pods.spec.containers.resources.limits",
    "explain pods.spec.containers.resources.limits.cpu",
    "explain pods.spec.containers.livenessProbe.httpGet.port",
    "explain pods.spec.containers.env.valueFrom.secretKeyRef.name",
    "explain pods.spec.volumes.configMap.items",
    "explain pods.spec.affinity.nodeAffinity",
    "explain pods.spec.nodeSelector",
    "explain pods.spec.restartPolicy",
    "explain pods.spec.securityContext.fsGroupChangePolicy",
    "explain pods.spec.tolerations.effect",
    "explain pods.metadata",
    "explain pods.metadata.labels",
    "explain pods.metadata.ownerReferences.uid",
    "explain pods.metadata.managedFields.fieldsV1",
    "explain pods.metadata.creationTimestamp",
    "explain pods.kind",
    "explain pods.status.conditions.status",
    "explain pods.status.containerStatuses.state.waiting",
    "explain pods --recursive",
    "explain pods.spec.containers --recursive",
    "explain pods.spec.affinity --recursive=true",
    "explain pods.metadata --recursive=false",
    "explain svc",
    "explain services.spec.ports.targetPort",
    "explain services.spec.type",
    "explain svc.spec --recursive",
    "explain nodes.status.capacity",
    "explain no.spec.taints",
    "explain cm",
    "explain configmaps.binaryData",
    "explain secret.data",
    "explain events.involvedObject",
    "explain ns.spec.finalizers",
    "explain pvc.spec.accessModes",
    "explain pv.spec.hostPath.type",
    "explain pv --recursive",
    "explain limits.spec.limits",
    "explain quota.spec.scopeSelector",
    "explain sa",
    "explain ep.subsets",
    "explain deploy",
    "explain deploy.spec.strategy",
    "explain deploy.spec.strategy.rollingUpdate.maxSurge",
    "explain deploy.spec.template.spec.initContainers.lifecycle",
    "explain deployments.apps",
    "explain deployments.apps.spec.replicas",
    "explain deployment.spec.selector.matchExpressions --recursive",
    "explain deploy --recursive",
    "explain deploy --api-version=apps/v1",
    "explain sts.spec.updateStrategy.type",
    "explain sts --recursive --api-version apps/v1",
    "explain ds.spec",
    "explain rs.status",
    "explain cronjobs.spec",
    "explain cj.spec.concurrencyPolicy",
    "explain jobs.spec.podFailurePolicy.rules.onExitCodes.operator",
    "explain hpa",
    "explain hpa.spec.metrics.resource.target",
    "explain hpa.spec.behavior --recursive",
    "explain horizontalpodautoscalers.autoscaling.spec.minReplicas",
    "explain ing.spec.rules.http.paths.pathType",
    "explain netpol.spec.ingress --recursive",
    "explain ingressclass",
    "explain pdb.spec.minAvailable",
    "explain clusterroles.rules",
    "explain clusterrolebindings.roleRef",
    "explain rolebinding.subjects",
    "explain sc.volumeBindingMode",
    "explain sc.parameters",
    "explain storageclasses.storage.k8s.io",
    "explain csidrivers --recursive",
    "explain deploy -o plaintext",
    // What there is not.
    "explain foo",
    "explain foo.spec",
    "explain pods.foo",
    "explain pods.spec.foo",
    "explain pods.spec.foo.bar",
    "explain pods.spec.containers.image.foo",
    "explain pods.Spec",
    "explain pods..spec",
    "explain pods...spec",
    "explain pods.spec..containers",
    "explain pods.spec..",
    "explain 'pods[0]'",
    "explain 'pods.spec[0]'",
    "explain 'pods[*].spec'",
    "explain 'po.spec.containers[0].image'",
    "explain \"pods['spec']\"",
    "explain \"pods.metadata['labels']\"",
    "explain 'pods.spec.*'",
    "explain 'pods.spec}{.x'",
    "explain 'po.spec[0]' --api-version=v1",
    "explain 'po.spec.' --api-version=v1",
    "explain pods..",
    "explain podsspec",
    "explain deploy..spec",
    "explain deployments..apps",
    "explain deploy.apps",
    "explain deployments.v1.apps",
    "explain deployments.app",
    "explain pods.spec.nodeSelector.foo",
    "explain pods --api-version=v2",
    "explain pods --api-version=apps/v1",
    "explain pods --api-version=a/b/c",
    "explain pods --api-version=/",
    "explain deploy --api-version=apps/v1beta1",
    "explain deployments.apps --api-version=apps/v1",
    "explain crd",
    "explain leases",
];

/// A cluster that is the practice cluster with these schemas.
fn with_schemas(schemas: &Path) -> (tempfile::TempDir, Cluster) {
    let folder = tempfile::tempdir().unwrap();
    let recorded = Path::new(env!("CARGO_MANIFEST_DIR")).join("k3d-cluster/snapshot");
    for entry in std::fs::read_dir(recorded).unwrap() {
        let entry = entry.unwrap();
        symlink(entry.path(), folder.path().join(entry.file_name())).unwrap();
    }
    symlink(schemas, folder.path().join("openapi")).unwrap();
    let snapshot = Snapshot::open(folder.path()).unwrap();
    (folder, Cluster::recorded(snapshot, &Config::default()))
}

async fn all_equal(schemas: &Path, lines: &[&str]) {
    let (_folder, cluster) = with_schemas(schemas);
    let served = Served::of(cluster).await;
    let mut wrong = Vec::new();
    for line in lines {
        wrong.extend(compare(&served, line, |output| output.stdout.to_string()).await);
    }
    assert!(wrong.is_empty(), "{} of {} differ:\n{}", wrong.len(), lines.len(), wrong.join("\n"));
}

#[tokio::test]
async fn explanations_equal_kubectl_byte_for_byte() {
    let (true, Some(schemas)) = (has_kubectl(), support::shared("openapi")) else { return };
    all_equal(&schemas, COMMANDS).await;
}

/// Schemas as custom resources and hostile servers may have them, in the place of the ConfigMap's and others'.
fn odd_schemas() -> Value {
    let words =
        "word ".repeat(40) + &"long".repeat(30) + " end,\nof line\u{a0}and\u{a0}no break.  Two spaces ";
    let of = |kind: &str| json!([{"group": "", "version": "v1", "kind": kind}]);
    let reference = |name: &str| json!({"$ref": format!("#/components/schemas/{name}")});
    let gets = |kind: &str| json!({"get": {"x-kubernetes-group-version-kind": {"group": "", "version": "v1", "kind": kind}}});
    json!({
        "openapi": "3.0.0",
        "paths": {
            "/api/v1/namespaces/{namespace}/configmaps/{name}": gets("ConfigMap"),
            "/api/v1/nodes": {"get": {}, "post": {"x-kubernetes-group-version-kind": {"group": "", "version": "v1", "kind": "Node"}}},
            "/api/v1/namespaces": gets("Namespace"),
        },
        "components": {"schemas": {
            "a.b.ConfigMap": {
                "description": words, "type": "object", "required": ["kinds", "again"],
                "x-kubernetes-group-version-kind": of("ConfigMap"),
                "properties": {
                    "kinds": {"type": "string", "enum": ["a", "", "c", "d", "e", "f"], "description": words},
                    "four": {"type": "string", "enum": ["a", "b", "c", "d"]},
                    "numbers": {"type": "integer", "enum": [1, 2.5, 100000000, -123456.5]},
                    "truths": {"type": "boolean", "enum": [true, false]},
                    "again": reference("a.b.ConfigMap"),
                    "list": {"type": "array", "items": {"type": "array", "items": reference("a.b.Leaf")}, "description": "A list."},
                    "map": {"type": "object", "additionalProperties": {"type": "array", "items": {"type": "string"}}},
                    "maps": {"type": "object", "additionalProperties": {"description": "Inner.", "additionalProperties": reference("a.b.Leaf")}},
                    "open": {"type": "object", "additionalProperties": true, "x-kubernetes-preserve-unknown-fields": true},
                    "empty": {"type": "object", "additionalProperties": {}},
                    "typeless": {"description": "No type."},
                    "both": {"x-kubernetes-int-or-string": true, "anyOf": [{"type": "integer"}, {"type": "string"}]},
                    "one": {"allOf": [reference("a.b.Leaf")], "default": {}, "description": "One."},
                    "two": {"allOf": [reference("a.b.Leaf"), {"description": "Second.", "properties": {"second": {"type": "string"}}}]},
                    "quantity": reference("a.b.Quantity"),
                    "nowhere": reference("a.b.Nowhere"),
                    "elsewhere": {"$ref": "http://example.com/x.json"},
                    "ünïcode": {"type": "string", "description": "ä".repeat(200)},
                },
            },
            "a.b.Leaf": {"description": "A leaf.", "type": "object", "required": ["name"], "properties": {
                "name": {"type": "string"}, "deep": {"properties": {"deeper": {"properties": {"deepest": {"type": "string", "description": words}}}}},
            }},
            "a.b.Quantity": {"description": "An amount.", "type": "string"},
            "a.b.Node": {"x-kubernetes-group-version-kind": of("Node"), "allOf": [{"properties": {"left": reference("a.b.Loop")}}, reference("a.b.Leaf")]},
            "a.b.Loop": {"allOf": [{"properties": {"more": {"$ref": "#/components/schemas/a.b.Loop"}}}]},
        }},
    })
}

fn odd_folder() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let schemas = folder.path().join("schemas");
    std::fs::create_dir_all(schemas.join("api")).unwrap();
    let paths = json!({"paths": {"api/v1": {"serverRelativeURL": "/openapi/v3/api/v1?hash=1"}}});
    std::fs::write(schemas.join("v3.json"), paths.to_string()).unwrap();
    std::fs::write(schemas.join("api/v1.json"), odd_schemas().to_string()).unwrap();
    (folder, schemas)
}

#[tokio::test]
async fn odd_schemas_are_explained_as_kubectl_explains_them() {
    if !has_kubectl() {
        return;
    }
    let (_folder, schemas) = odd_folder();
    let mut lines: Vec<String> =
        ["cm", "cm --recursive", "no", "no --recursive", "ns", "pods", "deploy"].map(Into::into).to_vec();
    let odd = odd_schemas();
    let fields = odd["components"]["schemas"]["a.b.ConfigMap"]["properties"].as_object().unwrap();
    lines.extend(fields.keys().map(|field| format!("cm.{field}")));
    lines.extend(fields.keys().map(|field| format!("cm.{field}.name")));
    lines.extend(
        [
            "cm.again.again.kinds",
            "cm.one.deep.deeper.deepest",
            "cm.two.second",
            "cm.two.name",
            "no.left",
            "no.left.more",
            "no.left.more.more --recursive",
            "no.name",
        ]
        .map(Into::into),
    );
    let lines: Vec<String> = lines.iter().map(|line| format!("explain {line}")).collect();
    all_equal(&schemas, &lines.iter().map(String::as_str).collect::<Vec<_>>()).await;
}

/// A far end whose API documents are these.
fn schemas(paths: Value, document: Value) -> (Client, Arc<Mutex<Vec<String>>>) {
    let asked: Arc<Mutex<Vec<String>>> = Arc::default();
    let log = asked.clone();
    let client = client(move |uri| {
        log.lock().unwrap().push(uri.clone());
        let body = if uri == "/openapi/v3" { json!({"paths": paths}) } else { document.clone() };
        async move { answer(200, body.to_string()) }
    });
    (client, asked)
}

/// Schemas in which each is made of the next one `branches` times, `depth` of them.
fn branching(depth: usize, branches: usize) -> Value {
    let of = json!({"group": "", "version": "v1", "kind": "Pod"});
    let mut schemas = serde_json::Map::new();
    for number in 0..depth {
        let next = json!({"$ref": format!("#/components/schemas/s{}", number + 1)});
        schemas.insert(format!("s{number}"), json!({"allOf": vec![next; branches]}));
    }
    schemas["s0"]["x-kubernetes-group-version-kind"] = json!([of]);
    json!({"paths": {"/api/v1/pods": {"get": {"x-kubernetes-group-version-kind": of}}}, "components": {"schemas": schemas}})
}

#[tokio::test]
async fn schemas_without_an_end_are_given_up() {
    for (depth, branches) in [(50, 2), (20_000, 1)] {
        let (client, _) = schemas(
            json!({"api/v1": {"serverRelativeURL": "/openapi/v3/api/v1"}}),
            branching(depth, branches),
        );
        let kubectl = kubectl(client);
        for line in ["explain pods", "explain pods --recursive", "explain pods.x.y"] {
            let started = Instant::now();
            let output = run(&kubectl, line).await;
            assert!(started.elapsed() < Duration::from_secs(20), "{line}: {:?}", started.elapsed());
            let said = if line.ends_with('y') { &output.stderr } else { &output.stdout };
            let end = if line.ends_with('y') {
                "field \"y\" does not exist"
            } else {
                "(the fields go on; name one"
            };
            assert!(said.contains(end), "{line}: {}", said.as_str());
        }
    }
}

#[tokio::test]
async fn schemas_are_read_where_the_server_has_them_and_nowhere_else() {
    let document = json!({
        "paths": {"/api/v1/pods": {"get": {"x-kubernetes-group-version-kind": {"group": "", "version": "v1", "kind": "Pod"}}}},
        "components": {"schemas": {"Pod": {"description": "A pod.",
            "x-kubernetes-group-version-kind": [{"group": "", "version": "v1", "kind": "Pod"}]}}},
    });
    for (said, asked) in [
        ("/openapi/v3/api/v1?hash=AB12", "/openapi/v3/api/v1?hash=AB12"),
        ("/api/v1/namespaces/default/pods/x/proxy/", "/openapi/v3/api/v1"),
        ("https://example.com/openapi/v3/api/v1", "/openapi/v3/api/v1"),
        ("/openapi/v3/../../api/v1/secrets", "/openapi/v3/api/v1"),
        ("", "/openapi/v3/api/v1"),
    ] {
        let (client, seen) = schemas(json!({"api/v1": {"serverRelativeURL": said}}), document.clone());
        let output = run(&kubectl(client), "explain pods").await;
        assert_eq!(
            output.stdout.as_str(),
            "KIND:       Pod\nVERSION:    v1\n\nDESCRIPTION:\n    A pod.\n    \n\n",
            "{}",
            output.stderr.as_str()
        );
        assert_eq!(*seen.lock().unwrap(), ["/openapi/v3", asked]);
    }
    let without = client(|_| async { answer(404, "404 page not found") });
    let output = run(&kubectl(without), "explain pods").await;
    assert_eq!(
        (output.code, output.stderr.as_str()),
        (
            1,
            "error: this cluster gives no OpenAPI v3 document, so its kinds cannot be explained; use api-resources, \
             or get -o yaml on an object\n"
        )
    );
    let (large, _) = schemas(json!({"api/v1": {}}), json!({"paths": {}, "x": "x".repeat(3 << 20)}));
    let small = kubectl(large).with_limits(Limits { read: 2 << 20, ..Limits::default() });
    let output = run(&small, "explain pods").await;
    assert!(
        output.stderr.starts_with("error: the answer is larger than 2 MiB"),
        "{}",
        output.stderr.as_str()
    );
}
