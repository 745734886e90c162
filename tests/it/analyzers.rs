//! Tests of the room `analyzers`, against captured faults of a real cluster.

use std::{collections::BTreeSet, path::Path};

use kubertnetes::{
    analyzers::analyze,
    cluster::{Cluster, Config, snapshot::Snapshot, state::Scope},
    finding::{Finding, Patch, PatchForm, Severity},
};

use crate::support::cluster::{practice, scenario_folders};

fn shown(finding: &Finding) -> String {
    format!("{} {}", finding.code, finding.resource)
}

async fn findings(cluster: &Cluster) -> Vec<Finding> {
    analyze(&cluster.look(&Scope::default()).await.unwrap())
}

async fn findings_in(folder: &Path) -> Vec<Finding> {
    findings(&Cluster::recorded(Snapshot::open(folder).unwrap(), &Config::default())).await
}

fn is_telling(finding: &&Finding) -> bool {
    finding.is_root() && finding.severity < Severity::Notice
}

#[tokio::test]
async fn analyzers_find_the_faults_behind_a_pod_that_looks_healthy() {
    let findings = findings(&practice()).await;
    if std::env::var_os("VERBOSE").is_some() {
        println!("{}", serde_json::to_string_pretty(&findings).unwrap());
    }
    let roots: Vec<String> = findings
        .iter()
        .filter(is_telling)
        .map(|finding| {
            format!(
                "{} {} {}",
                shown(finding),
                finding.container.as_deref().unwrap_or_default(),
                finding.fix.as_ref().map_or("", |fix| fix.command.as_str())
            )
        })
        .collect();
    let expected: BTreeSet<&str> = [
        "config_file_path_mismatch Deployment default/crashloop-app worker kubectl -n default set env deployment/crashloop-app -c worker SETTINGS_FILE=/etc/worker/settings.ini",
        "config_file_path_mismatch Deployment default/faulty-app api kubectl -n default set env deployment/faulty-app -c api CATALOG_DIR=/var/lib/catalog",
        "wrong_dependency_port Deployment default/faulty-app web kubectl -n default set env deployment/faulty-app -c web API_URL=http://localhost:9090",
    ].into();
    assert_eq!(roots.iter().map(String::as_str).collect::<BTreeSet<_>>(), expected);
}

#[tokio::test]
async fn analyzers_number_findings_and_refer_only_to_findings() {
    for folder in scenario_folders() {
        let findings = findings_in(&folder).await;
        let ids: BTreeSet<String> = findings.iter().map(|finding| finding.id.0.clone()).collect();
        assert_eq!(ids.len(), findings.len(), "{}", folder.display());
        for (place, finding) in findings.iter().enumerate() {
            assert_eq!(finding.id.0, format!("f{}", place + 1));
            assert!(finding.because_of.iter().all(|cause| ids.contains(&cause.0)));
            assert!(!finding.evidence.is_empty(), "{} has no evidence", finding.summary);
            let first_symptom = findings.iter().position(|finding| !finding.is_root());
            assert!(!finding.is_root() || first_symptom.is_none_or(|symptom| place < symptom));
        }
    }
}

/// Where the API server has an object, by the plural that it gives its kind.
fn path(patch: &Patch) -> String {
    let root =
        if patch.api_version == "v1" { "/api/v1".to_owned() } else { format!("/apis/{}", patch.api_version) };
    let kind = patch.resource.kind.to_lowercase();
    let plural = if kind.ends_with('s') {
        format!("{kind}es")
    } else if let Some(stem) = kind.strip_suffix("cy") {
        format!("{stem}cies")
    } else {
        format!("{kind}s")
    };
    let space =
        patch.resource.namespace.as_ref().map(|space| format!("/namespaces/{space}")).unwrap_or_default();
    format!("{root}{space}/{plural}/{}?dryRun=All", patch.resource.name)
}

#[tokio::test]
async fn the_api_server_takes_every_patch_that_is_offered() {
    let (mut tried, mut refused) = (0, Vec::new());
    for folder in scenario_folders() {
        let cluster = Cluster::recorded(Snapshot::open(&folder).unwrap(), &Config::default());
        let patches = findings(&cluster)
            .await
            .into_iter()
            .filter_map(|finding| finding.fix)
            .flat_map(|fix| fix.patches);
        for patch in patches {
            let form = match patch.form {
                PatchForm::Json => "application/json-patch+json",
                PatchForm::Merge => "application/merge-patch+json",
                PatchForm::Strategic => "application/strategic-merge-patch+json",
            };
            let request = http::Request::patch(path(&patch)).header("content-type", form);
            let request = request.body(patch.body.to_string().into_bytes().into()).unwrap();
            let code = cluster.client().send(request).await.unwrap().status().as_u16();
            tried += 1;
            if code != 200 {
                refused.push(format!("{}: {code} for {} {}", folder.display(), path(&patch), *patch.body));
            }
        }
    }
    println!("{tried} patches tried");
    assert!(refused.is_empty(), "{}", refused.join("\n"));
    assert!(tried >= 40 || scenario_folders().is_empty(), "only {tried} patches");
}
