//! Holds an answer against what was expected of it. Pure.

use serde::Serialize;

use super::{
    Seen,
    scenario::{Expected, Scenario},
};
use crate::finding::{Resource, Severity};

/// How one scenario came out.
#[derive(Debug, Clone, Serialize)]
pub struct Grade {
    /// The scenario's name.
    pub id: String,
    /// What sort of fault it is.
    pub category: String,
    /// Whether nothing is wrong in it.
    pub healthy: bool,
    /// Whether everything below is as it should be.
    pub passed: bool,
    /// Whether the answer begins with exactly the expected causes; for a healthy one, whether it names none.
    pub causes_first: bool,
    /// What was expected and is not among the first causes, as `code kind namespace/name`.
    pub missed: Vec<String>,
    /// The causes that the answer names, in order.
    pub named: Vec<String>,
    /// How many root causes a scan reports, notices left out.
    pub reported: usize,
    /// How many there are.
    pub expected: usize,
    /// How many of the facts the answer has, and how many there are.
    pub facts: (usize, usize),
    /// The first alternative of each fact that is not in the answer.
    pub facts_missed: Vec<String>,
    /// The forbidden statements that the answer makes.
    pub forbidden: Vec<String>,
    /// The critical findings where nothing is wrong.
    pub false_alarms: Vec<String>,
    /// From the question to the answer.
    pub took_ms: u64,
    /// The answer itself.
    pub answer: String,
}

pub(super) fn grade(scenario: Scenario, seen: &Seen) -> Grade {
    let named: Vec<String> = seen.causes.iter().map(|cause| line(&cause.code, &cause.resource)).collect();
    let wanted: Vec<String> = scenario.causes.iter().map(expected_line).collect();
    let first = named.get(..wanted.len().min(named.len())).unwrap_or_default();
    let missed: Vec<String> = wanted.iter().filter(|cause| !first.contains(cause)).cloned().collect();
    let causes_first = if scenario.healthy {
        seen.causes.iter().all(|cause| cause.severity == Severity::Notice || cause.unasked)
    } else {
        missed.is_empty()
    };
    let held = |fact: &&Vec<regex::Regex>| fact.iter().any(|pattern| pattern.is_match(&seen.answer));
    let facts_missed: Vec<String> = scenario
        .facts
        .iter()
        .filter(|fact| !held(fact))
        .filter_map(|fact| fact.first().map(|pattern| plain(pattern.as_str())))
        .collect();
    let forbidden: Vec<String> = scenario
        .forbidden
        .iter()
        .filter_map(|pattern| pattern.find(&seen.answer).map(|found| found.as_str().to_owned()))
        .collect();
    let alarms = seen.roots().filter(|finding| scenario.healthy && finding.severity == Severity::Critical);
    let false_alarms: Vec<String> = alarms.map(|finding| line(&finding.code, &finding.resource)).collect();
    Grade {
        passed: causes_first && facts_missed.is_empty() && forbidden.is_empty() && false_alarms.is_empty(),
        facts: (scenario.facts.len() - facts_missed.len(), scenario.facts.len()),
        reported: seen.roots().count(),
        expected: wanted.len(),
        id: scenario.id,
        category: scenario.category,
        healthy: scenario.healthy,
        causes_first,
        missed,
        named,
        facts_missed,
        forbidden,
        false_alarms,
        took_ms: seen.took_ms,
        answer: seen.answer.clone(),
    }
}

fn plain(pattern: &str) -> String {
    pattern.trim_start_matches("(?i)").to_owned()
}

fn line(code: &str, resource: &Resource) -> String {
    format!("{code} {resource}")
}

fn expected_line(expected: &Expected) -> String {
    let resource = Resource {
        kind: expected.kind.clone(),
        namespace: expected.namespace.clone(),
        name: expected.name.clone(),
    };
    line(&expected.code, &resource)
}
