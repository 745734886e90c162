//! Looking at a recorded cluster as a whole.

use std::time::Instant;

use k8s_openapi::api::core::v1::{ConfigMap, Event};
use kube::ResourceExt;
use kubertnetes::{
    cluster::{
        Cluster, Config,
        snapshot::Snapshot,
        state::{Scope, State},
    },
    finding::Resource,
};

use crate::support::cluster::{practice, scenario, scenario_folders};

async fn look(cluster: &Cluster, namespaces: &[&str]) -> State {
    let scope = Scope { namespaces: namespaces.iter().map(|name| (*name).to_owned()).collect() };
    cluster.look(&scope).await.unwrap()
}

#[tokio::test]
async fn a_look_reads_the_whole_practice_cluster() {
    let state = look(&practice(), &[]).await;
    assert_eq!(state.unread, []);
    assert_eq!((state.version.as_str(), state.has_metrics_api), ("v1.36.2", false));
    assert_eq!(state.taken_at, "2026-11-23T03:30:50Z".parse().unwrap());
    let deployments: Vec<String> = state.deployments.iter().map(ResourceExt::name_any).collect();
    assert_eq!(deployments, ["crashloop-app", "faulty-app", "cluster-dns"]);
    assert_eq!(state.nodes.len(), 1);
    assert!(
        state
            .config_maps
            .iter()
            .any(|map| map.data.as_ref().is_some_and(|data| data.contains_key("settings.ini")))
    );
    let applied = |key: &str| key.ends_with("last-applied-configuration");
    let twice =
        |map: &ConfigMap| map.annotations().iter().any(|(key, value)| applied(key) && !value.is_empty());
    assert!(!state.config_maps.iter().any(twice), "kubectl's second copy");
    assert!(state.cluster_roles.len() > 50 && !state.service_accounts.is_empty());
    assert_eq!(state.service_names["default"], ["faulty-app-service", "kubernetes"]);
    assert!(state.pods.iter().all(|pod| pod.metadata.managed_fields.as_ref().is_none_or(Vec::is_empty)));
    let seen = |event: &Event| {
        let last = event.last_timestamp.as_ref().map(|time| time.0);
        last.or_else(|| event.event_time.as_ref().map(|time| time.0)).unwrap()
    };
    assert!(state.events.len() > 10 && state.events.is_sorted_by_key(seen));
}

#[tokio::test]
async fn a_look_reads_the_logs_worst_first() {
    let state = look(&practice(), &["default"]).await;
    let logs: Vec<(&str, bool, bool)> =
        state.logs.iter().map(|log| (log.container.as_str(), log.previous, log.cut)).collect();
    assert_eq!(logs, [("worker", true, false), ("api", false, false), ("web", false, false)]);
    assert!(state.logs[0].text.contains("FATAL: settings file not found: /etc/worker/settings.cfg"));
    assert!(state.logs[2].text.starts_with("2026-11-23T03:"), "with times");

    let config = Config { log_lines: 2, max_logs: 2, ..Config::default() };
    let short = look(&Cluster::practice(&config).unwrap(), &["default"]).await;
    assert_eq!(short.logs.len(), 2);
    assert_eq!((short.logs[1].text.lines().count(), short.logs[1].cut), (2, false));
    assert_eq!(short.unread[0].as_str(), "1 of 3 container logs were not read: at most 2 are");
    let config = Config { log_lines: 3, log_bytes: 150, ..Config::default() };
    let short = look(&Cluster::practice(&config).unwrap(), &["default"]).await;
    let web = short.logs.iter().find(|log| log.container == "web").unwrap();
    assert!(web.cut && web.text.len() <= 150 && web.text.ends_with('\n'), "{:?}", web.text);
    assert!(state.logs[2].text.ends_with(web.text.as_str()));
}

#[tokio::test]
async fn a_look_at_some_namespaces_reads_those_and_all_that_is_the_clusters() {
    let cluster = practice();
    let state = look(&cluster, &["kube-system", "default"]).await;
    let whole = look(&cluster, &[]).await;
    assert_eq!(state.unread, []);
    let names = |state: &State| state.pods.iter().map(ResourceExt::name_any).collect::<Vec<_>>();
    assert_eq!(names(&state), names(&whole));
    let state = look(&cluster, &["kube-system"]).await;
    assert!(state.pods.iter().all(|pod| pod.namespace().as_deref() == Some("kube-system")));
    assert_eq!(state.namespaces, whole.namespaces);
    assert_eq!(state.service_names, whole.service_names);
    assert_eq!(state.scope.namespaces, ["kube-system"]);
    let nowhere = look(&cluster, &["nowhere", "../nodes"]).await;
    let sentences: Vec<&str> = nowhere.unread.iter().map(|sentence| sentence.as_str()).collect();
    assert_eq!(sentences, ["there is no namespace ../nodes", "there is no namespace nowhere"]);
    assert!(nowhere.pods.is_empty() && !nowhere.nodes.is_empty());
}

#[tokio::test]
async fn a_look_at_every_scenario_leaves_nothing_unread() {
    let began = Instant::now();
    let folders = scenario_folders();
    for folder in &folders {
        let cluster = Cluster::recorded(Snapshot::open(folder).unwrap(), &Config::default());
        let state = look(&cluster, &[]).await;
        assert_eq!(state.unread, [], "{}", folder.display());
        assert!(state.pods.len() >= 2 && !state.logs.is_empty(), "{}", folder.display());
        for log in &state.logs {
            assert!(log.text.len() <= Config::default().log_bytes && log.text.lines().count() <= 200);
        }
    }
    println!("{} looks in {:?}", folders.len(), began.elapsed());
}

#[tokio::test]
async fn a_secret_is_known_by_its_keys() {
    let Some(cluster) = scenario("073") else { return };
    let state = look(&cluster, &[]).await;
    assert!(state.secrets.iter().any(|secret| !secret.keys.is_empty()), "{:?}", state.secrets);
    let Some(cluster) = scenario("089") else { return };
    assert!(look(&cluster, &[]).await.has_metrics_api);
}

#[tokio::test]
async fn the_names_of_all_things_can_be_asked_for() {
    let names = practice().names().await;
    for expected in [
        Resource::global("Namespace", "default"),
        Resource::namespaced("Deployment", "default", "faulty-app"),
        Resource::namespaced("Pod", "default", "crashloop-app-55bc5c6f9-kqnps"),
        Resource::namespaced("Service", "default", "faulty-app-service"),
    ] {
        assert!(names.contains(&expected), "{expected}");
    }
    assert!(names.is_sorted() && names.iter().any(|name| name.kind == "Node"));
}
