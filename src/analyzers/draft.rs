//! A finding while it is being written: with what it hurts and what may explain it. Knows no rule.

use crate::{
    finding::{Confidence, Evidence, Finding, FindingId, Fix, Resource, Severity},
    redact::Redacted,
};

use super::change::Change;

/// How far from the cause a finding stands. Between findings about one object the lower explains the higher.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Rank {
    /// Something that is written wrong or missing.
    Cause,
    /// A dependency that cannot be used.
    Dependency,
    /// A container that does not start, stay up or get ready.
    Container,
    /// A workload with too few pods.
    Workload,
    /// A Service or route with nothing behind it.
    Route,
    /// Complaints in a log that nothing else accounts for.
    Complaint,
}

/// A finding being written.
#[derive(Debug, Clone)]
pub(super) struct Draft {
    pub(super) finding: Finding,
    pub(super) rank: Rank,
    /// Objects that break because of this, besides `finding.resource` and `finding.seen_on`.
    pub(super) hurts: Vec<Resource>,
    /// Objects whose faults would explain this one.
    pub(super) blames: Vec<Resource>,
    /// What tells it from another of the same code on the same resource and container.
    pub(super) about: String,
}

impl Draft {
    /// A cause: `summary` is the sentence that is shown.
    pub(super) fn cause(
        code: &str,
        severity: Severity,
        resource: &Resource,
        summary: impl AsRef<str>,
    ) -> Self {
        let finding = Finding {
            id: FindingId(String::new()),
            code: code.to_owned(),
            severity,
            confidence: Confidence::Certain,
            resource: resource.clone(),
            container: None,
            seen_on: Vec::new(),
            summary: Redacted::new(summary),
            evidence: Vec::new(),
            fix: None,
            because_of: Vec::new(),
        };
        Self { finding, rank: Rank::Cause, hurts: Vec::new(), blames: Vec::new(), about: String::new() }
    }

    /// A symptom of that rank; a lower-ranking finding about the same object explains it.
    pub(super) fn symptom(
        rank: Rank,
        code: &str,
        severity: Severity,
        resource: &Resource,
        summary: impl AsRef<str>,
    ) -> Self {
        let mut draft = Self::cause(code, severity, resource, summary);
        draft.rank = rank;
        draft.blames.push(resource.clone());
        draft
    }

    pub(super) fn container(mut self, name: &str) -> Self {
        self.finding.container = Some(name.to_owned());
        self
    }

    pub(super) fn seen_on(mut self, resource: Resource) -> Self {
        if resource != self.finding.resource && !self.finding.seen_on.contains(&resource) {
            self.finding.seen_on.push(resource);
        }
        self
    }

    pub(super) fn evidence(mut self, source: impl AsRef<str>, text: impl AsRef<str>) -> Self {
        if !text.as_ref().trim().is_empty() {
            self.finding.evidence.push(Evidence::new(source, text.as_ref().trim_end()));
        }
        self
    }

    pub(super) fn evidence_from(mut self, evidence: Option<Evidence>) -> Self {
        self.finding.evidence.extend(evidence);
        self
    }

    /// What to do; `change` is empty where no command can do it.
    pub(super) fn fix(mut self, summary: impl AsRef<str>, change: impl Into<Change>) -> Self {
        let change = change.into();
        self.finding.fix = Some(Fix {
            summary: Redacted::new(summary),
            command: Redacted::new(&change.command),
            risk: None,
            patches: change.ready(),
        });
        self
    }

    pub(super) fn risk(mut self, risk: &str) -> Self {
        if let Some(fix) = &mut self.finding.fix {
            fix.risk = Some(Redacted::new(risk));
        }
        self
    }

    pub(super) fn confidence(mut self, confidence: Confidence) -> Self {
        self.finding.confidence = confidence;
        self
    }

    pub(super) fn likely(self) -> Self {
        self.confidence(Confidence::Likely)
    }

    pub(super) fn hurts(mut self, resource: &Resource) -> Self {
        if !self.hurts.contains(resource) {
            self.hurts.push(resource.clone());
        }
        self
    }

    pub(super) fn blames(mut self, resource: &Resource) -> Self {
        if !self.blames.contains(resource) {
            self.blames.push(resource.clone());
        }
        self
    }

    pub(super) fn about(mut self, what: impl Into<String>) -> Self {
        self.about = what.into();
        self
    }

    /// Whether this finding could explain one that blames `resource`.
    pub(super) fn touches(&self, resource: &Resource) -> bool {
        self.finding.resource == *resource
            || self.hurts.contains(resource)
            || self.finding.seen_on.contains(resource)
    }
}
