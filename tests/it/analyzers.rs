//! Tests of the room `analyzers`, against captured faults of a real cluster.

use std::{collections::BTreeSet, fmt::Write as _, path::Path};

use kubertnetes::{
    analyzers::analyze,
    cluster::{Cluster, Config, snapshot::Snapshot, state::Scope},
    finding::{Finding, Severity},
};

use crate::support::cluster::{practice, scenario_folders};

/// What a scenario expects: `code kind namespace/name` of each root cause.
struct Expectation {
    healthy: bool,
    causes: BTreeSet<String>,
}

/// Reads the few lines that count of a `scenario.yaml`.
fn expectation(folder: &Path) -> Expectation {
    let text = std::fs::read_to_string(folder.join("scenario.yaml")).unwrap();
    let mut causes = BTreeSet::new();
    let (mut kind, mut namespace, mut name) = (String::new(), None, String::new());
    let mut within = false;
    for line in text.lines() {
        let content = line.trim_start();
        let indent = line.len() - content.len();
        within = if indent <= 2 && !content.starts_with('-') { content == "root_causes:" } else { within };
        let Some((key, value)) = content.trim_start_matches("- ").split_once(": ").filter(|_| within) else {
            continue;
        };
        match key {
            "kind" => (kind, namespace) = (value.to_owned(), None),
            "namespace" => namespace = Some(value.to_owned()),
            "name" => value.clone_into(&mut name),
            "code" => {
                let place = namespace.as_ref().map(|space| format!("{space}/")).unwrap_or_default();
                causes.insert(format!("{value} {kind} {place}{name}"));
            }
            _ => {}
        }
    }
    Expectation { healthy: text.contains("healthy: true"), causes }
}

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

/// How a set of scenarios came out.
#[derive(Default)]
struct Tally {
    hit: usize,
    unhealthy: usize,
    extra: usize,
    false_alarms: Vec<String>,
    table: String,
}

async fn judge(folder: &Path, tally: &mut Tally) {
    let expected = expectation(folder);
    let findings = findings_in(folder).await;
    let roots: Vec<String> = findings.iter().filter(|finding| finding.is_root()).map(shown).collect();
    let telling: Vec<String> = findings.iter().filter(is_telling).map(shown).collect();
    let missing: Vec<&String> = expected.causes.iter().filter(|cause| !roots.contains(cause)).collect();
    let extra: Vec<&String> = telling.iter().filter(|root| !expected.causes.contains(*root)).collect();
    let name = folder.file_name().unwrap().to_string_lossy();
    if expected.healthy {
        tally.false_alarms.extend(telling.iter().map(|root| format!("{name}: {root}")));
    } else {
        tally.unhealthy += 1;
        tally.hit += usize::from(missing.is_empty());
        tally.extra += extra.len();
    }
    let verdict = if missing.is_empty() { "ok  " } else { "MISS" };
    writeln!(tally.table, "{verdict} {name}").unwrap();
    missing.iter().for_each(|cause| writeln!(tally.table, "       missing {cause}").unwrap());
    extra.iter().for_each(|root| writeln!(tally.table, "       extra   {root}").unwrap());
    if std::env::var_os("VERBOSE").is_some() {
        for finding in &findings {
            writeln!(tally.table, "{}", serde_json::to_string_pretty(finding).unwrap()).unwrap();
        }
    }
}

#[tokio::test]
async fn analyzers_find_the_root_causes_of_captured_faults() {
    let folders = scenario_folders();
    let mut tally = Tally::default();
    let only = std::env::var("ONLY").unwrap_or_default();
    let chosen = folders.iter().filter(|folder| folder.to_string_lossy().contains(&only));
    for folder in chosen {
        judge(folder, &mut tally).await;
    }
    println!("{}", tally.table);
    println!("{} of {} found, {} extra roots", tally.hit, tally.unhealthy, tally.extra);
    if only.is_empty() && !folders.is_empty() {
        assert!(tally.hit >= 60, "{} of {} found\n{}", tally.hit, tally.unhealthy, tally.table);
        assert!(tally.extra <= 5, "{} extra root findings\n{}", tally.extra, tally.table);
        assert_eq!(tally.false_alarms, Vec::<String>::new());
    }
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
