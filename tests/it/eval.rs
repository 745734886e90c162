//! Tests of the room `eval`: the captured faults of a real cluster, asked about as a person would.

use std::sync::Arc;

use kubertnetes::{config::Config, eval};

use crate::support::shared;

fn config() -> Config {
    Config::from_env(None, &[], Some(std::collections::HashMap::new())).unwrap()
}

/// What must not get worse. `cargo run -- eval --scenarios DIR` prints what is behind a number.
#[tokio::test(flavor = "multi_thread")]
async fn answers_name_the_causes_of_captured_faults() {
    let Some(scenarios) = shared("scenarios") else { return };
    let report = eval::run(&config(), &scenarios, "", |_, _| ()).await.unwrap();
    println!("{}", report.table());
    let json = report.json();
    let number = |key: &str| json[key].as_u64().unwrap();
    assert!(number("cause_first") * 100 >= number("faults") * 97);
    assert!(number("all_facts") * 100 >= number("total") * 97);
    assert_eq!((number("forbidden"), number("healthy_with_alarm")), (0, 0));
    assert!(json["causes_per_true_one"].as_f64().unwrap() <= 1.2);
}

const FAULT: &str = "id: lost\nquestion: why is crashloop-app crashing?\nexpect:\n  root_causes:\n  \
                     - {kind: Deployment, namespace: default, name: crashloop-app, code: CODE}\n  facts: [[FACT]]\n  \
                     forbidden: [DENIED]\n";

/// Grades one scenario that is the practice cluster.
async fn graded(code: &str, fact: &str, denied: &str) -> serde_json::Value {
    let folder = tempfile::tempdir().unwrap();
    let scenario = folder.path().join("lost");
    std::fs::create_dir(&scenario).unwrap();
    let text = FAULT.replace("CODE", code).replace("FACT", fact).replace("DENIED", denied);
    std::fs::write(scenario.join("scenario.yaml"), text).unwrap();
    let recorded = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("k3d-cluster/snapshot");
    std::os::unix::fs::symlink(recorded, scenario.join("snapshot")).unwrap();
    let told = Arc::new(std::sync::Mutex::new(Vec::new()));
    let heard = told.clone();
    let config = config();
    let done = move |done, all| heard.lock().unwrap().push((done, all));
    let json = eval::run(&config, folder.path(), "", done).await.unwrap().json();
    assert_eq!(*told.lock().unwrap(), [(0, 1), (1, 1)]);
    json
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scenario_passes_only_with_the_cause_the_facts_and_nothing_forbidden() {
    let right = "config_file_path_mismatch";
    for (code, fact, denied, passed) in [
        (right, "SETTINGS\\.ini", "out of memory", 1),
        ("missing_env_var", "settings\\.ini", "out of memory", 0),
        (right, "Settings.toml", "out of memory", 0),
        (right, "settings\\.ini", "Settings_File", 0),
    ] {
        let json = graded(code, fact, denied).await;
        assert_eq!((json["passed"].as_u64(), json["total"].as_u64()), (Some(passed), Some(1)), "{json:#}");
    }
}
