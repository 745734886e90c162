//! Which findings answer a question and which are merely there. Pure.

use std::collections::BTreeSet;

use crate::finding::{Finding, FindingId, Resource, Severity};

/// The root causes among the findings.
#[derive(Debug, Default)]
pub struct Relevant<'a> {
    /// Those that the question is about, in the analyzers' order.
    pub asked: Vec<&'a Finding>,
    /// The others.
    pub unasked: Vec<&'a Finding>,
}

/// Sorts the root causes by whether they answer a question about `about`; an empty `about` asks for all of them.
///
/// A finding answers if it names one of the objects, or causes one that does; failing that, if it is in a namespace of
/// theirs.
pub fn sort<'a>(findings: &'a [Finding], about: &[Resource]) -> Relevant<'a> {
    let roots = || findings.iter().filter(|finding| finding.is_root());
    if about.is_empty() {
        return Relevant { asked: roots().collect(), unasked: Vec::new() };
    }
    let mut asked = with_causes(findings, |finding| about.iter().any(|object| names(finding, object)));
    let none = |asked: &BTreeSet<&FindingId>| {
        !roots().any(|root| asked.contains(&root.id) && root.severity < Severity::Notice)
    };
    if none(&asked) {
        asked.extend(with_causes(findings, |finding| about.iter().any(|object| speaks_of(finding, object))));
    }
    if none(&asked) {
        asked.extend(with_causes(findings, |finding| {
            about.iter().any(|object| object.kind != "Namespace" && shares_namespace(finding, object))
        }));
    }
    let (asked, unasked) = roots().partition(|root| asked.contains(&root.id));
    Relevant { asked, unasked }
}

/// The findings that `answers` picks and everything that they follow from.
fn with_causes(findings: &[Finding], answers: impl Fn(&Finding) -> bool) -> BTreeSet<&FindingId> {
    let mut picked: BTreeSet<&FindingId> = BTreeSet::new();
    let mut to_see: Vec<&Finding> = findings.iter().filter(|finding| answers(finding)).collect();
    while let Some(finding) = to_see.pop() {
        if picked.insert(&finding.id) {
            to_see.extend(findings.iter().filter(|cause| finding.because_of.contains(&cause.id)));
        }
    }
    picked
}

fn names(finding: &Finding, object: &Resource) -> bool {
    let objects = || std::iter::once(&finding.resource).chain(&finding.seen_on);
    if object.kind == "Namespace" {
        return objects().any(|named| named.namespace.as_ref() == Some(&object.name) || named == object);
    }
    objects().any(|named| {
        named.namespace == object.namespace
            && (named.name == object.name
                || is_generated_from(&named.name, &object.name)
                || is_generated_from(&object.name, &named.name))
    })
}

/// Whether `name` is what a controller made of `owner`, e.g. `web-7d4b9` of `web`.
fn is_generated_from(name: &str, owner: &str) -> bool {
    name.strip_prefix(owner).is_some_and(|rest| rest.starts_with('-'))
}

/// Whether its sentence names the object, as that of an Ingress names the Service that it cannot reach.
fn speaks_of(finding: &Finding, object: &Resource) -> bool {
    object.kind != "Namespace" && finding.summary.contains(&format!("`{}`", object.name))
}

fn shares_namespace(finding: &Finding, object: &Resource) -> bool {
    object.namespace.is_some() && finding.resource.namespace == object.namespace
}
