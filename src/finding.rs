//! What is wrong, with what, because of what. Made by the analyzers and read by everyone; knows no cluster,
//! model or chat.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::redact::{Redacted, RedactedJson};

/// One Kubernetes object, by name.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Resource {
    /// The kind as the API spells it, e.g. `Deployment`.
    pub kind: String,
    /// `None` for a cluster-scoped kind.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// The object's name.
    pub name: String,
}

impl Resource {
    /// An object that lives in a namespace.
    pub fn namespaced(kind: &str, namespace: &str, name: &str) -> Self {
        Self { kind: kind.into(), namespace: Some(namespace.into()), name: name.into() }
    }

    /// A cluster-scoped object, such as a Node or a Namespace.
    pub fn global(kind: &str, name: &str) -> Self {
        Self { kind: kind.into(), namespace: None, name: name.into() }
    }
}

/// `Deployment default/web`, `Node node-1`.
impl fmt::Display for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.namespace {
            Some(namespace) => write!(f, "{} {namespace}/{}", self.kind, self.name),
            None => write!(f, "{} {}", self.kind, self.name),
        }
    }
}

/// How bad it is, worst first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Something that should serve does not.
    Critical,
    /// It works in part, or will break.
    Warning,
    /// Worth knowing, nothing is broken.
    Notice,
}

/// How sure the one who says it is, surest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Confidence {
    /// The cluster says so itself, or it follows from what it says.
    #[default]
    Certain,
    /// Other explanations exist, this one fits best.
    Likely,
    /// One explanation of several.
    Possible,
}

/// Something that was read, word for word.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evidence {
    /// Where it was read: a field path with its object, `event`, or `log of web in faulty-app-1`.
    pub source: Redacted,
    /// What stood there.
    pub text: Redacted,
}

impl Evidence {
    /// `text` as it stood at `source`.
    pub fn new(source: impl AsRef<str>, text: impl AsRef<str>) -> Self {
        Self { source: Redacted::new(source), text: Redacted::new(text) }
    }
}

/// What would mend it. Data: nothing here runs by itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fix {
    /// One sentence, imperative: `Point API_URL at port 9090.`
    pub summary: Redacted,
    /// Shell lines to paste, usually one `kubectl` command; empty where no command can do it.
    pub command: Redacted,
    /// What could go wrong, where anything could.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub risk: Option<Redacted>,
    /// The same as patches, in the order in which they are to be applied; empty where something is left to be filled in
    /// or no patch can do it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub patches: Vec<Patch>,
}

/// A change to one object, as the API server takes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Patch {
    /// Group and version, e.g. `apps/v1`.
    pub api_version: String,
    /// The object.
    #[serde(flatten)]
    pub resource: Resource,
    /// How the body is to be read.
    #[serde(rename = "type")]
    pub form: PatchForm,
    /// What is sent.
    pub body: RedactedJson,
}

/// The kinds of patch, called as `kubectl patch --type` calls them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PatchForm {
    /// Operations on paths (RFC 6902).
    Json,
    /// Members that replace members (RFC 7386).
    Merge,
    /// As merge, with lists merged by their key.
    Strategic,
}

/// The number of a finding within its scan, `f1` for the first.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct FindingId(pub String);

impl fmt::Display for FindingId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One thing wrong with one resource.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// What other findings of the same scan, and a report, call it.
    pub id: FindingId,
    /// The kind of fault, stable and snake_case, e.g. `image_tag_not_found`.
    pub code: String,
    /// How bad it is.
    pub severity: Severity,
    /// How sure the analyzer is.
    #[serde(default)]
    pub confidence: Confidence,
    /// The object to change: where the fix belongs, not where it hurts.
    pub resource: Resource,
    /// The container of that object, where it is about one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub container: Option<String>,
    /// The objects that show it, e.g. the pods of a Deployment.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub seen_on: Vec<Resource>,
    /// One sentence with the values expected and found.
    pub summary: Redacted,
    /// What bears it out.
    pub evidence: Vec<Evidence>,
    /// What would mend it, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fix: Option<Fix>,
    /// The findings that this one follows from. Empty: it is a root cause.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub because_of: Vec<FindingId>,
}

impl Finding {
    /// Whether nothing else that was found explains it.
    pub fn is_root(&self) -> bool {
        self.because_of.is_empty()
    }
}

/// Everything among `findings` that follows from `cause`, nearest first: how far it reaches.
pub fn effects<'f>(cause: &Finding, findings: &'f [Finding]) -> Vec<&'f Finding> {
    let mut reached = vec![&cause.id];
    let mut effects = Vec::new();
    while let Some(next) = findings.iter().find(|finding| {
        !reached.contains(&&finding.id) && finding.because_of.iter().any(|id| reached.contains(&id))
    }) {
        reached.push(&next.id);
        effects.push(next);
    }
    effects
}
