//! Reads a captured cluster into a `State`, without a server in between.

use std::{collections::BTreeMap, fs, path::Path};

use jiff::Timestamp;
use k8s_openapi::{ByteString, api::core::v1::Secret};
use kubertnetes::{
    cluster::state::{ContainerLog, SecretKeys, State},
    redact::Redacted,
};
use serde::de::DeserializeOwned;
use serde_json::Value;

/// How many lines of a log are read, from its end.
const LINES: usize = 400;

/// The folders to look a path up in, first to last.
fn layers(folder: &Path) -> Vec<std::path::PathBuf> {
    vec![folder.join("snapshot"), folder.parent().unwrap().join("_base")]
}

/// The objects of one resource; a scenario's file replaces the base's.
fn objects<T: DeserializeOwned>(folder: &Path, resource: &str) -> Vec<T> {
    let files =
        layers(folder).into_iter().map(|layer| layer.join("resources").join(format!("{resource}.json")));
    let Some(text) = files.filter_map(|file| fs::read_to_string(file).ok()).next() else { return Vec::new() };
    let table: Value = serde_json::from_str(&text).unwrap();
    let rows = table["rows"].as_array().cloned().unwrap_or_default();
    rows.into_iter()
        .map(|mut row| {
            serde_json::from_value(row["object"].take()).unwrap_or_else(|error| panic!("{resource}: {error}"))
        })
        .collect()
}

pub fn load(folder: &Path) -> State {
    let about: Value =
        serde_json::from_str(&fs::read_to_string(folder.join("snapshot/snapshot.json")).unwrap()).unwrap();
    let mut state = State {
        taken_at: about["capturedAt"].as_str().unwrap().parse().unwrap(),
        version: about["serverVersion"]["gitVersion"].as_str().unwrap().to_owned(),
        has_metrics_api: groups(folder).contains("metrics.k8s.io"),
        pods: objects(folder, "core/v1/pods"),
        deployments: objects(folder, "apps/v1/deployments"),
        replica_sets: objects(folder, "apps/v1/replicasets"),
        stateful_sets: objects(folder, "apps/v1/statefulsets"),
        daemon_sets: objects(folder, "apps/v1/daemonsets"),
        jobs: objects(folder, "batch/v1/jobs"),
        cron_jobs: objects(folder, "batch/v1/cronjobs"),
        services: objects(folder, "core/v1/services"),
        endpoint_slices: objects(folder, "discovery.k8s.io/v1/endpointslices"),
        ingresses: objects(folder, "networking.k8s.io/v1/ingresses"),
        network_policies: objects(folder, "networking.k8s.io/v1/networkpolicies"),
        config_maps: objects(folder, "core/v1/configmaps"),
        secrets: objects(folder, "core/v1/secrets").iter().map(secret).collect(),
        service_accounts: objects(folder, "core/v1/serviceaccounts"),
        claims: objects(folder, "core/v1/persistentvolumeclaims"),
        quotas: objects(folder, "core/v1/resourcequotas"),
        limit_ranges: objects(folder, "core/v1/limitranges"),
        autoscalers: objects(folder, "autoscaling/v2/horizontalpodautoscalers"),
        disruption_budgets: objects(folder, "policy/v1/poddisruptionbudgets"),
        roles: objects(folder, "rbac.authorization.k8s.io/v1/roles"),
        role_bindings: objects(folder, "rbac.authorization.k8s.io/v1/rolebindings"),
        events: objects(folder, "core/v1/events"),
        nodes: objects(folder, "core/v1/nodes"),
        namespaces: objects(folder, "core/v1/namespaces"),
        volumes: objects(folder, "core/v1/persistentvolumes"),
        storage_classes: objects(folder, "storage.k8s.io/v1/storageclasses"),
        ingress_classes: objects(folder, "networking.k8s.io/v1/ingressclasses"),
        priority_classes: objects(folder, "scheduling.k8s.io/v1/priorityclasses"),
        cluster_roles: objects(folder, "rbac.authorization.k8s.io/v1/clusterroles"),
        cluster_role_bindings: objects(folder, "rbac.authorization.k8s.io/v1/clusterrolebindings"),
        validating_webhooks: objects(
            folder,
            "admissionregistration.k8s.io/v1/validatingwebhookconfigurations",
        ),
        mutating_webhooks: objects(folder, "admissionregistration.k8s.io/v1/mutatingwebhookconfigurations"),
        logs: logs(folder),
        ..State::default()
    };
    for service in &state.services {
        let space = service.metadata.namespace.clone().unwrap();
        state.service_names.entry(space).or_default().push(service.metadata.name.clone().unwrap());
    }
    state
}

fn groups(folder: &Path) -> String {
    let files = layers(folder).into_iter().map(|layer| layer.join("discovery/apis.json"));
    files.filter_map(|file| fs::read_to_string(file).ok()).next().unwrap_or_default()
}

fn secret(secret: &Secret) -> SecretKeys {
    let data = secret.data.clone().unwrap_or_default();
    SecretKeys {
        namespace: secret.metadata.namespace.clone().unwrap(),
        name: secret.metadata.name.clone().unwrap(),
        type_: secret.type_.clone().unwrap_or_default(),
        certificates_expire: data.get("tls.crt").and_then(not_after).into_iter().collect(),
        keys: data.into_keys().collect(),
    }
}

/// The second UTCTime of a certificate in PEM: the end of its validity.
fn not_after(pem: &ByteString) -> Option<Timestamp> {
    let text = String::from_utf8(pem.0.clone()).ok()?;
    let body: String = text.lines().filter(|line| !line.starts_with("-----")).collect();
    let der: ByteString = serde_json::from_value(Value::String(body)).ok()?;
    let mut times = der.0.windows(15).filter(|bytes| bytes[0] == 0x17 && bytes[1] == 13);
    let stamp = String::from_utf8(times.nth(1)?[2..].to_vec()).ok()?;
    let part = |from: usize| stamp.get(from..from + 2).unwrap();
    format!("20{}-{}-{}T{}:{}:{}Z", part(0), part(2), part(4), part(6), part(8), part(10)).parse().ok()
}

fn logs(folder: &Path) -> Vec<ContainerLog> {
    let mut all = BTreeMap::new();
    // The base first, so that the scenario's own files replace it.
    for layer in layers(folder).into_iter().rev() {
        for file in walk(&layer.join("logs")) {
            let text = fs::read_to_string(&file).unwrap();
            let parts: Vec<String> =
                file.iter().rev().take(3).map(|part| part.to_string_lossy().into_owned()).collect();
            let previous = parts[0].ends_with(".previous.log");
            let container = parts[0].trim_end_matches(".log").trim_end_matches(".previous").to_owned();
            let lines: Vec<&str> = text.lines().collect();
            let kept = lines[lines.len().saturating_sub(LINES)..].join("\n");
            let log = ContainerLog {
                namespace: parts[2].clone(),
                pod: parts[1].clone(),
                container: container.clone(),
                previous,
                text: Redacted::new(kept),
                cut: lines.len() > LINES,
            };
            all.insert((parts[2].clone(), parts[1].clone(), container, previous), log);
        }
    }
    all.into_values().collect()
}

fn walk(folder: &Path) -> Vec<std::path::PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let paths = entries.map(|entry| entry.unwrap().path());
    paths
        .flat_map(|path| if path.is_dir() { walk(&path) } else { vec![path] })
        .filter(|path| path.extension().is_some_and(|end| end == "log"))
        .collect()
}
