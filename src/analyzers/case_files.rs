//! Runs the cases that lie beside the rules: small states as YAML, with the root causes that they have.
//!
//! `cases/<topic>.yaml` is a list of cases. `expect` lists every root cause that is no notice, as
//! `code Kind namespace/name`, in any order; `notices` lists findings that must be there with that severity; `says`, texts
//! that the first cause has in its sentence, its evidence or its fix; `because`, pairs of a symptom's and a cause's code.
//! A `Web` stands for a Deployment with its ReplicaSet and pod, see [`web`].

use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    RULES, Rule, causes,
    draft::Draft,
    drafts,
    fixture::{crashed, event, findings, log_of, named_deployment, running, state},
};
use crate::{
    cluster::state::State,
    finding::{Finding, Severity},
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    state: Vec<Value>,
    #[serde(default)]
    expect: Vec<String>,
    #[serde(default)]
    notices: Vec<String>,
    #[serde(default)]
    says: Vec<String>,
    #[serde(default)]
    because: Vec<(String, String)>,
}

fn files() -> Vec<(String, Vec<Case>)> {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/analyzers/cases");
    let mut paths: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let read = |path: &std::path::PathBuf| {
        let text = std::fs::read_to_string(path).unwrap();
        let cases = serde_saphyr::from_str(&text).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        (path.file_stem().unwrap().to_string_lossy().into_owned(), cases)
    };
    paths.iter().map(read).collect()
}

/// `{kind: Web, name, container, status, spec, log, said, events}`: `status` is `running`, `unready`, `crashed` or a
/// container's status; `log` is the log of its present run; `events` is a list of pairs of reason and message about its
/// pod.
fn web(object: &Value) -> Vec<Value> {
    let name = object["name"].as_str().unwrap_or("web");
    let empty = json!({});
    let or_empty = |value: &'_ Value| if value.is_null() { empty.clone() } else { value.clone() };
    let status = match object["status"].as_str() {
        Some("running") => running(true),
        Some("unready") => running(false),
        Some("crashed") => crashed(1),
        Some(other) => panic!("no status {other}"),
        None => or_empty(&object["status"]),
    };
    let mut all =
        named_deployment(name, &or_empty(&object["container"]), &status, &or_empty(&object["spec"]));
    let pod = format!("{name}-1");
    for (key, previous) in [("log", false), ("previous", true)] {
        if let Some(text) = object[key].as_str() {
            let mut log = log_of(&pod, "app", text);
            log["previous"] = json!(previous);
            all.push(log);
        }
    }
    for pair in object["events"].as_array().into_iter().flatten() {
        all.push(event("Pod", &pod, pair[0].as_str().unwrap(), pair[1].as_str().unwrap()));
    }
    // What a case says of the pod itself goes over what was made.
    if let Some(more) = object["pod"].as_object() {
        for (key, value) in more {
            all[2]["status"][key] = value.clone();
        }
    }
    all
}

fn state_of(case: &Case) -> Vec<Value> {
    case.state
        .iter()
        .flat_map(|object| if object["kind"] == "Web" { web(object) } else { vec![object.clone()] })
        .collect()
}

fn shown(finding: &Finding) -> String {
    format!("{} {}", finding.code, finding.resource)
}

fn check(topic: &str, case: &Case) -> Vec<String> {
    judge(topic, case, &findings(state_of(case)))
}

/// What the findings of a case's state lack, or have too much.
fn judge(topic: &str, case: &Case, found: &[Finding]) -> Vec<String> {
    let sorted = |mut list: Vec<String>| {
        list.sort();
        list
    };
    let roots = found.iter().filter(|finding| finding.is_root() && finding.severity < Severity::Notice);
    let roots = sorted(roots.map(shown).collect());
    let mut wrong = Vec::new();
    let mut complain = |what: String| wrong.push(format!("{topic}, {}: {what}", case.name));
    if roots != sorted(case.expect.clone()) {
        let all: Vec<String> = found.iter().map(|f| format!("{:?} {}", f.severity, shown(f))).collect();
        complain(format!("expected {:?}, found {roots:?} among {all:?}", case.expect));
    }
    for notice in &case.notices {
        if !found.iter().any(|finding| finding.severity == Severity::Notice && shown(finding) == *notice) {
            complain(format!("no notice {notice}"));
        }
    }
    let first = found.first().map(|finding| serde_json::to_string(finding).unwrap()).unwrap_or_default();
    for text in &case.says {
        let quoted = serde_json::to_string(text).unwrap();
        if !first.contains(quoted.trim_matches('"')) {
            complain(format!("«{text}» is not in {first}"));
        }
    }
    for (symptom, cause) in &case.because {
        let follows = found.iter().filter(|finding| finding.code == *symptom).any(|finding| {
            finding
                .because_of
                .iter()
                .any(|id| found.iter().any(|other| other.id == *id && other.code == *cause))
        });
        if !follows {
            complain(format!("{symptom} does not follow from {cause}"));
        }
    }
    wrong
}

#[test]
fn cases_have_the_root_causes_that_they_expect() {
    let only = std::env::var("ONLY").unwrap_or_default();
    let mut wrong = Vec::new();
    for (topic, cases) in files() {
        for case in cases.iter().filter(|case| case.name.contains(&only)) {
            wrong.extend(check(&topic, case));
        }
    }
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
}

/// Each topic's rules and each code are switched off in turn: a case has to fail every time.
#[test]
fn what_is_switched_off_is_missed() {
    let files = files();
    let cases: Vec<(&str, &Case, State)> = files
        .iter()
        .flat_map(|(topic, cases)| cases.iter().map(move |case| (topic.as_str(), case)))
        .map(|(topic, case)| (topic, case, state(&Value::Array(state_of(case)))))
        .collect();
    let mut survivors = Vec::new();
    for off in 0..RULES.len() {
        let rest: Vec<Rule> =
            RULES.iter().enumerate().filter(|(at, _)| *at != off).map(|(_, rule)| *rule).collect();
        let missed = cases.iter().any(|(topic, case, state)| {
            !judge(topic, case, &causes::conclude(drafts(state, &rest))).is_empty()
        });
        if !missed {
            survivors.push(format!("rules {off}"));
        }
    }
    let written: Vec<Vec<Draft>> = cases.iter().map(|(_, _, state)| drafts(state, RULES)).collect();
    for (code, _) in super::codes::CODES {
        let missed = cases.iter().zip(&written).any(|((topic, case, _), drafts)| {
            let has = drafts.iter().any(|draft| draft.finding.code == *code);
            let rest = || drafts.iter().filter(|draft| draft.finding.code != *code).cloned().collect();
            has && !judge(topic, case, &causes::conclude(rest())).is_empty()
        });
        if !missed {
            survivors.push((*code).to_owned());
        }
    }
    assert!(survivors.is_empty(), "nobody misses {survivors:?}");
}

#[test]
fn every_code_has_a_case() {
    let mut covered = std::collections::BTreeSet::new();
    for (_, cases) in files() {
        for case in &cases {
            let codes = case.expect.iter().chain(&case.notices).filter_map(|line| line.split(' ').next());
            covered.extend(codes.map(str::to_owned));
            covered.extend(case.because.iter().map(|(symptom, _)| symptom.clone()));
        }
    }
    let codes: Vec<&str> = super::codes::CODES.iter().map(|(code, _)| *code).collect();
    let missing: Vec<&&str> = codes.iter().filter(|code| !covered.contains(**code)).collect();
    let unknown: Vec<&String> = covered.iter().filter(|code| !codes.contains(&code.as_str())).collect();
    assert!(missing.is_empty(), "no case expects {missing:?}");
    assert!(unknown.is_empty(), "not in the list of codes: {unknown:?}");
}
