//! `describe` of quotas, limits, volumes, policies, roles and endpoints, by the real kubectl and by ours: on recorded
//! clusters, and on objects that have every field that is described.

use std::{collections::BTreeMap, os::unix::fs::symlink, path::Path};

use kubertnetes::cluster::{Cluster, Config, snapshot::Snapshot};
use serde_json::{Value, json};

use super::against_kubectl::{Served, compare, described, has_kubectl};
use crate::support;

/// What is described of each cluster, those of a whole cluster only of the first.
const WIDE: &[&str] = &[
    "describe ns",
    "describe sc",
    "describe ingressclass",
    "describe priorityclass",
    "describe clusterroles admin view cluster-admin system:node",
    "describe clusterrolebindings cluster-admin system:node system:basic-user",
    "describe roles,rolebindings -A",
    "describe sa -A",
    "describe endpointslices -A",
    "describe ep -A",
];

const EACH: &[&str] = &[
    "describe ns",
    "describe netpol -A",
    "describe quota -A",
    "describe limits -A",
    "describe pdb -A",
    "describe pv",
    "describe cronjobs -A",
];

/// Scenarios with a volume, network policies, a quota, a limit range, a disruption budget, a cron job.
const CLUSTERS: &[&str] = &["039", "046", "053", "054", "057", "060"];

async fn differences(served: &Served, lines: &[&str]) -> Vec<String> {
    let mut wrong = Vec::new();
    for line in lines {
        wrong.extend(compare(served, line, |output| described(line, output)).await);
    }
    wrong
}

#[tokio::test]
async fn descriptions_of_what_surrounds_pods_equal_kubectl() {
    if !has_kubectl() {
        return;
    }
    let mut wrong = differences(&Served::of(support::cluster::practice()).await, WIDE).await;
    for number in CLUSTERS {
        let Some(cluster) = support::cluster::scenario(number) else { continue };
        wrong.extend(differences(&Served::of(cluster).await, EACH).await);
    }
    assert!(wrong.is_empty(), "{} differ:\n{}", wrong.len(), wrong.join("\n"));
}

/// Objects that have every field that is described and objects that have none, by the files that lists of them are
/// recorded in.
const ODD_OBJECTS: &str = include_str!("odd_objects.json");

/// The practice cluster with these objects in the place of its own of their kinds.
fn odd_cluster() -> (tempfile::TempDir, Cluster) {
    let folder = tempfile::tempdir().unwrap();
    let recorded = Path::new(env!("CARGO_MANIFEST_DIR")).join("k3d-cluster/snapshot");
    for name in ["snapshot.json", "discovery"] {
        symlink(recorded.join(name), folder.path().join(name)).unwrap();
    }
    let mut kinds: BTreeMap<&str, Vec<Value>> = serde_json::from_str(ODD_OBJECTS).unwrap();
    kinds.insert("core/v1/events", Vec::new());
    for (path, objects) in kinds {
        let rows: Vec<Value> = objects
            .into_iter()
            .map(|object| json!({"cells": [object["metadata"]["name"]], "object": object}))
            .collect();
        let table = json!({"kind": "Table", "apiVersion": "meta.k8s.io/v1", "metadata": {"resourceVersion": "1"},
            "columnDefinitions": [{"name": "Name", "type": "string", "format": "name", "description": "", "priority": 0}], "rows": rows});
        let file = folder.path().join("resources").join(path).with_extension("json");
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, table.to_string()).unwrap();
    }
    let snapshot = Snapshot::open(folder.path()).unwrap();
    (folder, Cluster::recorded(snapshot, &Config::default()))
}

#[tokio::test]
async fn every_field_is_described_as_kubectl_does() {
    if !has_kubectl() {
        return;
    }
    let (_folder, cluster) = odd_cluster();
    let served = Served::of(cluster).await;
    let lines = [
        "describe quota",
        "describe limits",
        "describe pv",
        "describe sc",
        "describe netpol",
        "describe pdb",
        "describe sa",
        "describe clusterroles admin view cluster-admin system:node",
        "describe rolebindings",
        "describe endpointslices",
        "describe ep",
        "describe ingressclass",
        "describe priorityclass",
        "describe ns",
        "describe pv csi local",
        "describe quota -n nowhere",
    ];
    let wrong = differences(&served, &lines).await;
    let volumes = served.run("describe pv csi").await;
    assert!(volumes.stdout.contains("VolumeAttributes:      a=1"), "{}", volumes.stdout.as_str());
    assert!(wrong.is_empty(), "{} differ:\n{}", wrong.len(), wrong.join("\n"));
}
