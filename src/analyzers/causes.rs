//! Turns drafts into findings: one per fault, symptoms linked to their causes, roots and the worst first, numbered.
//! Knows no rule.

use std::collections::{BTreeMap, BTreeSet};

use crate::finding::{Finding, FindingId, Severity};

use super::draft::{Draft, Rank};

/// How many quotes a finding keeps after pods were merged: enough to see that it is not one pod's quirk.
const EVIDENCE_KEPT: usize = 6;

/// The findings that the drafts amount to.
pub(super) fn conclude(drafts: Vec<Draft>) -> Vec<Finding> {
    let mut drafts = merge(drafts);
    let links = reduce(&link(&drafts));
    raise(&mut drafts, &links);
    number(drafts, &links)
}

/// One draft per code, resource, container and matter: the pods of a workload fail alike, and a missing Secret is
/// missing once however many workloads miss it.
fn merge(drafts: Vec<Draft>) -> Vec<Draft> {
    let mut places = BTreeMap::new();
    let mut merged: Vec<Draft> = Vec::new();
    for draft in drafts {
        let finding = &draft.finding;
        let key =
            (finding.code.clone(), finding.resource.clone(), finding.container.clone(), draft.about.clone());
        match places.get(&key).and_then(|place: &usize| merged.get_mut(*place)) {
            Some(kept) => absorb(kept, draft),
            None => {
                places.insert(key, merged.len());
                merged.push(draft);
            }
        }
    }
    merged
}

fn absorb(kept: &mut Draft, other: Draft) {
    kept.finding.severity = kept.finding.severity.min(other.finding.severity);
    kept.finding.confidence = kept.finding.confidence.min(other.finding.confidence);
    kept.rank = kept.rank.min(other.rank);
    for resource in other.finding.seen_on {
        if !kept.finding.seen_on.contains(&resource) {
            kept.finding.seen_on.push(resource);
        }
    }
    for evidence in other.finding.evidence {
        let kept = &mut kept.finding.evidence;
        if kept.len() < EVIDENCE_KEPT && !kept.iter().any(|known| known.text == evidence.text) {
            kept.push(evidence);
        }
    }
    if kept.finding.fix.is_none() {
        kept.finding.fix = other.finding.fix;
    }
    kept.hurts.extend(other.hurts);
    kept.blames.extend(other.blames);
}

/// For each draft, the places of those that explain it. Never a circle: a link that would close one is not made.
fn link(drafts: &[Draft]) -> Vec<BTreeSet<usize>> {
    let mut links = vec![BTreeSet::new(); drafts.len()];
    let mut order: Vec<usize> = (0..drafts.len()).collect();
    order.sort_by_key(|place| drafts.get(*place).map(|draft| draft.rank));
    for &symptom in &order {
        for &cause in &order {
            let (Some(effect), Some(reason)) = (drafts.get(symptom), drafts.get(cause)) else { continue };
            if symptom != cause && explains(reason, effect) && !reaches(&links, cause, symptom) {
                links.get_mut(symptom).map(|causes: &mut BTreeSet<usize>| causes.insert(cause));
            }
        }
    }
    links
}

/// A cause is as bad as the worst that follows from it.
fn raise(drafts: &mut [Draft], links: &[BTreeSet<usize>]) {
    let severities: Vec<_> = drafts.iter().map(|draft| draft.finding.severity).collect();
    for (effect, severity) in severities.into_iter().enumerate() {
        for cause in causes_of(links, effect) {
            if let Some(draft) = drafts.get_mut(cause) {
                draft.finding.severity = draft.finding.severity.min(severity);
            }
        }
    }
}

/// Everything that a draft follows from, near or far.
fn causes_of(links: &[BTreeSet<usize>], effect: usize) -> BTreeSet<usize> {
    let mut found = BTreeSet::new();
    let mut to_see = vec![effect];
    while let Some(place) = to_see.pop() {
        let nearest = links.get(place).into_iter().flatten().copied();
        to_see.extend(nearest.filter(|cause| found.insert(*cause)));
    }
    found
}

/// Whether `cause` is about something that `symptom` blames. About one and the same object only a lower rank
/// explains a higher one, and what is only worth knowing explains nothing; nor do a log's stray complaints.
fn explains(cause: &Draft, symptom: &Draft) -> bool {
    let same = cause.touches(&symptom.finding.resource);
    let telling = cause.finding.severity < Severity::Notice || symptom.finding.severity == Severity::Notice;
    cause.rank != Rank::Complaint
        && (!same || cause.rank < symptom.rank && telling)
        && symptom.blames.iter().any(|blamed| cause.touches(blamed))
}

fn reaches(links: &[BTreeSet<usize>], from: usize, to: usize) -> bool {
    from == to || links.get(from).is_some_and(|next| next.iter().any(|&place| reaches(links, place, to)))
}

/// Keeps only the nearest explanations: what is reached through another one is dropped.
fn reduce(links: &[BTreeSet<usize>]) -> Vec<BTreeSet<usize>> {
    links
        .iter()
        .map(|causes| {
            causes
                .iter()
                .copied()
                .filter(|&far| !causes.iter().any(|&near| near != far && reaches(links, near, far)))
                .collect()
        })
        .collect()
}

/// How many drafts follow from each: of causes that are as bad, the one that breaks most comes first.
fn reach(links: &[BTreeSet<usize>]) -> Vec<usize> {
    let mut counts = vec![0; links.len()];
    for cause in (0..links.len()).flat_map(|effect| causes_of(links, effect)) {
        if let Some(count) = counts.get_mut(cause) {
            *count += 1;
        }
    }
    counts
}

fn number(drafts: Vec<Draft>, links: &[BTreeSet<usize>]) -> Vec<Finding> {
    let mut order: Vec<usize> = (0..drafts.len()).collect();
    let empty = BTreeSet::new();
    let nearest = |place: usize| links.get(place).unwrap_or(&empty);
    let reach = reach(links);
    order.sort_by_cached_key(|&place| {
        drafts.get(place).map(|draft| {
            let finding = &draft.finding;
            // Symptoms go by how far they are from the cause, as a chain is told.
            let is_symptom = !nearest(place).is_empty();
            let distance = is_symptom.then_some(draft.rank);
            let reach = reach.get(place).filter(|_| !is_symptom).copied().unwrap_or(0);
            (
                is_symptom,
                finding.severity,
                std::cmp::Reverse(reach),
                distance,
                finding.confidence,
                draft.rank,
                finding.resource.clone(),
                finding.code.clone(),
            )
        })
    });
    let mut ids = vec![FindingId(String::new()); drafts.len()];
    for (position, &place) in order.iter().enumerate() {
        if let Some(id) = ids.get_mut(place) {
            *id = FindingId(format!("f{}", position + 1));
        }
    }
    let mut drafts: Vec<Option<Draft>> = drafts.into_iter().map(Some).collect();
    let take = |place: usize| {
        let mut finding = drafts.get_mut(place)?.take()?.finding;
        finding.id = ids.get(place)?.clone();
        finding.because_of = nearest(place).iter().filter_map(|cause| ids.get(*cause).cloned()).collect();
        finding.because_of.sort();
        Some(finding)
    };
    order.iter().copied().filter_map(take).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finding::Resource;

    fn object(kind: &str) -> Resource {
        Resource::namespaced(kind, "shop", "a")
    }

    #[test]
    fn a_chain_is_told_link_by_link() {
        let (secret, web, service) = (object("Secret"), object("Deployment"), object("Service"));
        let cause = Draft::cause("secret_missing", Severity::Warning, &secret, "s").hurts(&web);
        let workload = Draft::symptom(Rank::Workload, "down", Severity::Critical, &web, "d");
        let mut route = Draft::cause("empty", Severity::Critical, &service, "e").blames(&web).blames(&secret);
        route.rank = Rank::Route;
        let found = conclude(vec![route, workload, cause]);
        let told: Vec<(&str, &str, Vec<&str>)> = found
            .iter()
            .map(|finding| {
                let causes = finding.because_of.iter().map(|cause| cause.0.as_str()).collect();
                (finding.id.0.as_str(), finding.code.as_str(), causes)
            })
            .collect();
        assert_eq!(
            told,
            [("f1", "secret_missing", vec![]), ("f2", "down", vec!["f1"]), ("f3", "empty", vec!["f2"])]
        );
    }

    #[test]
    fn findings_that_blame_each_other_make_no_circle() {
        let (a, b) = (object("A"), object("B"));
        let one = Draft::cause("one", Severity::Critical, &a, "1").blames(&b);
        let two = Draft::cause("two", Severity::Critical, &b, "2").blames(&a);
        let found = conclude(vec![one, two]);
        assert_eq!(found.iter().filter(|finding| finding.is_root()).count(), 1);
    }

    #[test]
    fn pods_that_fail_alike_are_one_finding() {
        let web = object("Deployment");
        let of = |pod: &str, severity: Severity| {
            let pod = Resource::namespaced("Pod", "shop", pod);
            Draft::cause("oom", severity, &web, "s")
                .container("app")
                .evidence(pod.to_string(), "killed")
                .seen_on(pod)
        };
        let found = conclude(vec![of("a-1", Severity::Warning), of("a-2", Severity::Critical)]);
        assert_eq!((found.len(), found[0].severity, found[0].seen_on.len()), (1, Severity::Critical, 2));
        assert_eq!(found[0].evidence.len(), 1, "the same words are quoted once");
    }

    #[test]
    fn a_logs_complaints_explain_nothing() {
        let web = object("Deployment");
        let log = Draft::symptom(Rank::Complaint, "errors_in_log", Severity::Notice, &web, "l");
        let down = Draft::symptom(Rank::Workload, "down", Severity::Critical, &web, "d");
        let found = conclude(vec![log, down]);
        assert_eq!((found[0].code.as_str(), found[0].is_root()), ("down", true));
    }
}
