//! The vocabulary: everything that can happen in a conversation. Does no IO and knows nothing of how events are
//! stored or shown. Variants and fields are for ever: add optional ones, never change or take away.

mod reading;
mod thought;

use std::fmt;

use serde::{Deserialize, Serialize};

pub use reading::{Tally, open_calls, open_turn, rests, tally, unread};
pub use thought::{Seal, Thought, ThoughtKind, ThoughtPart};

use crate::{
    finding::{Confidence, Evidence, Finding, FindingId, Fix, Resource, Severity},
    redact::{Redacted, RedactedJson},
};

/// A conversation's id, a UUIDv7.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ConversationId(pub String);

impl fmt::Display for ConversationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A tool call's id, unique within its conversation.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct CallId(pub String);

impl fmt::Display for CallId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Names the whole output of a call, of which the log keeps only what a prompt may carry.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ArtifactId(pub String);

/// What a model asked to have done.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ToolCall {
    /// What the answer refers to.
    pub id: CallId,
    /// The tool's name, as the model wrote it.
    pub tool: String,
    /// The arguments, as the model wrote them.
    pub args: RedactedJson,
}

impl ToolCall {
    /// The tool and its first argument, e.g. `kubectl get pods`.
    pub fn in_words(&self) -> String {
        let argument = self.args.as_object().and_then(|args| args.values().find_map(|value| value.as_str()));
        format!("{} {}", self.tool, argument.unwrap_or_default())
    }
}

/// Who said something.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Author {
    /// The platform's id of the person; approvals and limits go by it.
    pub id: String,
    /// The name to call them by.
    pub name: Redacted,
    /// The platform's ids of the roles that they had when they said it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub roles: Vec<String>,
}

/// What a reply cost.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// Tokens of the prompt, cached ones included.
    pub input: u64,
    /// Tokens of the reply.
    pub output: u64,
    /// Those of the prompt that came from the provider's cache.
    #[serde(default)]
    pub cached: u64,
    /// Millionths of a US dollar, by the prices that were configured when it was answered.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub cost: u64,
}

fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// A fault that a diagnosis names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cause {
    /// Where the fix belongs.
    pub resource: Resource,
    /// The container, where it is about one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub container: Option<String>,
    /// The kind of fault, snake_case.
    pub code: String,
    /// How bad it is.
    pub severity: Severity,
    /// What is wrong, in one sentence.
    pub summary: Redacted,
    /// What follows from it, one sentence each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub effects: Vec<Redacted>,
    /// What bears it out, word for word.
    pub evidence: Vec<Evidence>,
    /// What would mend it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fix: Option<Fix>,
    /// The findings and calls of this log that the claim rests on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rests_on: Vec<Citation>,
    /// Whether the question was about something else.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unasked: bool,
}

/// A root finding as the cause that it is.
impl From<&Finding> for Cause {
    fn from(finding: &Finding) -> Self {
        Self {
            resource: finding.resource.clone(),
            container: finding.container.clone(),
            code: finding.code.clone(),
            severity: finding.severity,
            summary: finding.summary.clone(),
            effects: Vec::new(),
            evidence: finding.evidence.clone(),
            fix: finding.fix.clone(),
            rests_on: vec![Citation::Finding(finding.id.clone())],
            unasked: false,
        }
    }
}

/// What a claim rests on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Citation {
    /// A finding of the turn's scan.
    Finding(FindingId),
    /// A call of this log.
    Call(CallId),
}

/// The answer to a question: what is broken because of what.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Diagnosis {
    /// The cause in one or two sentences, or that nothing is wrong.
    pub summary: Redacted,
    /// The causes, worst first; empty when nothing is wrong.
    pub causes: Vec<Cause>,
    /// How sure it is.
    #[serde(default)]
    pub confidence: Confidence,
    /// What was not looked at.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub not_checked: Vec<Redacted>,
    /// What it claims and the log does not bear out, one sentence each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub doubts: Vec<Redacted>,
}

impl Diagnosis {
    /// The causes, those asked about first.
    pub fn ranked(&self) -> Vec<&Cause> {
        let mut causes: Vec<&Cause> = self.causes.iter().collect();
        causes.sort_by_key(|cause| cause.unasked);
        causes
    }
}

/// What one look at the cluster covered.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Look {
    /// The cluster that was looked at, by name.
    pub cluster: Redacted,
    /// The namespaces looked at; empty means all of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub namespaces: Vec<String>,
    /// The objects that the question is about, where it names any.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub about: Vec<Resource>,
    /// Names in the question that nothing in the cluster has.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unknown: Vec<Unknown>,
    /// How these objects stand, one sentence each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub standing: Vec<Redacted>,
    /// How many of each kind were read, e.g. `2 Pods`, `14 Events`.
    pub read: Vec<Redacted>,
    /// What could not be read, and why.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unread: Vec<Redacted>,
    /// How long it took.
    pub took_ms: u64,
}

/// A name that nothing in the cluster has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unknown {
    /// As it was written.
    pub name: Redacted,
    /// What may have been meant, nearest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub near: Vec<Resource>,
}

/// A fact, in the past tense. Never edited, never deleted one by one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Event {
    /// A person said something.
    UserSaid {
        /// Who.
        author: Author,
        /// What, without the mention of the bot.
        text: Redacted,
        /// The object that a command named, where it was one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        about: Option<Resource>,
    },
    /// Work on what was said began.
    TurnStarted {
        /// The model that does it.
        model: String,
        /// The platform's id of the person whom it is done for, and whose budget it is taken from.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        person: Option<String>,
    },
    /// The cluster was looked at and the analyzers ran.
    ClusterScanned {
        /// What was looked at.
        look: Look,
        /// What they found.
        findings: Vec<Finding>,
    },
    /// The model answered the prompt.
    ModelReplied {
        /// The number of the last entry that the model had read.
        read_to: i64,
        /// What it said besides its calls.
        text: Redacted,
        /// What it wants done.
        calls: Vec<ToolCall>,
        /// What it cost.
        #[serde(default)]
        usage: Usage,
        /// Who answered, where it is not the model that the turn began with.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        model: Option<String>,
        /// What its provider wants back with this reply.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        thought: Option<Thought>,
        /// Whether it was told to answer, since no further reply fits its budget.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        last: bool,
        /// How long the model took.
        #[serde(default)]
        took_ms: u64,
    },
    /// A call was carried out, or refused in words that the model can mend.
    ToolReturned {
        /// Which.
        call: CallId,
        /// Whether it was carried out.
        ok: bool,
        /// What the model gets to read, cut to size.
        output: Redacted,
        /// The result in a few words, for people.
        #[serde(default)]
        gist: Redacted,
        /// The whole output, where `output` is cut.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        artifact: Option<ArtifactId>,
        /// How long it took.
        #[serde(default)]
        took_ms: u64,
    },
    /// A checked report.
    Diagnosed {
        /// The call that reported it.
        call: CallId,
        /// What it says.
        diagnosis: Diagnosis,
    },
    /// An answer in words was held against the log and found wanting.
    Doubted {
        /// What is wrong with it, one sentence each.
        doubts: Vec<Redacted>,
        /// Whether the model was asked to mend it; if not, it stands, and what is doubtful is said with it.
        sent_back: bool,
    },
    /// The beginning of the log became too long for a prompt. It stays as it is; a prompt has less of it.
    Condensed {
        /// The last entry that a prompt has less of.
        to: i64,
        /// What a prompt has in place of these entries; `None`: the entries, their outputs as digests.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        text: Option<Redacted>,
        /// What it cost, where a model wrote the text.
        #[serde(default)]
        usage: Usage,
    },
    /// Work on what was said ended.
    TurnEnded {
        /// Why without an answer, in one sentence for the person who asked; `None` where there is one.
        failure: Option<Redacted>,
    },
}

impl Event {
    /// The variant's name as it is stored.
    pub fn kind(&self) -> &'static str {
        match self {
            Event::UserSaid { .. } => "user_said",
            Event::TurnStarted { .. } => "turn_started",
            Event::ClusterScanned { .. } => "cluster_scanned",
            Event::ModelReplied { .. } => "model_replied",
            Event::ToolReturned { .. } => "tool_returned",
            Event::Diagnosed { .. } => "diagnosed",
            Event::Doubted { .. } => "doubted",
            Event::Condensed { .. } => "condensed",
            Event::TurnEnded { .. } => "turn_ended",
        }
    }
}

/// An event at its place in one conversation's log.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// 1, 2, 3… without a gap.
    pub seq: i64,
    /// When it was appended, Unix milliseconds.
    pub at_ms: i64,
    /// What happened.
    pub event: Event,
}

/// Where a conversation is held.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// The platform's name, e.g. `discord`.
    pub platform: String,
    /// The channel that the question was asked in.
    pub channel: String,
    /// The message or command that began it; unique on its platform.
    pub origin: String,
    /// The thread that shows it; `None` until it is opened.
    pub thread: Option<String>,
}
