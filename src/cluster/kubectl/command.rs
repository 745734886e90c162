//! What can be asked, typed: a command that cannot be written down here cannot be run. Knows no words and no wire.

use regex::Regex;

use super::print::{columns::CustomColumns, jsonpath::Template};
use crate::text::{
    pipe::{Grep, Pipe, Stage},
    words::Words,
};

/// A command that only reads. Made by [`super::parse()`] alone.
#[derive(Debug, Clone, PartialEq)]
pub struct Command {
    pub(super) verb: Verb,
    /// Which lines of what it says are shown.
    pub(super) pipe: Pipe,
    /// What somebody looks for in a log that is too long to be shown.
    pub(super) words: Words,
}

impl Command {
    /// Of what it says only the lines that match, with their numbers and so many lines around each.
    #[must_use]
    pub fn grep(mut self, pattern: Regex, context: usize) -> Self {
        self.pipe.0.insert(0, Stage::Grep(Grep::around(pattern, context)));
        self
    }

    /// Of a log that is too long, lines with these words are kept before others.
    #[must_use]
    pub fn looking_for(self, words: &Words) -> Self {
        Self { words: words.clone(), ..self }
    }
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Verb {
    Get(Get),
    Describe(Describe),
    Logs(Logs),
    Events(Events),
    Top(Top),
    ApiResources(ApiResources),
    ApiVersions,
    Version(Plain),
    ClusterInfo,
    Explain(Explain),
    Rollout(Rollout),
    CanI(CanI),
}

/// Which namespace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Where {
    Default,
    In(String),
    Everywhere,
}

/// Which objects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Subject {
    /// All of these kinds.
    Kinds(Vec<String>),
    /// These names of one kind.
    Named { kind: String, names: Vec<String> },
    /// Each its own kind and name.
    Pairs(Vec<(String, String)>),
}

/// Which objects of a list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Filter {
    pub labels: Option<String>,
    pub fields: Option<String>,
}

impl Filter {
    pub fn is_empty(&self) -> bool {
        self.labels.is_none() && self.fields.is_none()
    }
}

/// How `get` prints.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Form {
    Table { wide: bool },
    Plain(Plain),
    Name,
    JsonPath { template: Template, as_json: bool },
    CustomColumns(CustomColumns),
}

/// An object as text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Plain {
    Yaml,
    Json,
    /// In words, where the verb has them.
    Words,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Get {
    pub subject: Subject,
    pub place: Where,
    pub filter: Filter,
    pub form: Form,
    pub sort_by: Option<Template>,
    pub labels: bool,
    pub label_columns: Vec<String>,
    pub headers: bool,
    pub kinds_shown: bool,
    pub managed_fields: bool,
    pub ignore_not_found: bool,
    pub subresource: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Describe {
    pub subject: Subject,
    pub place: Where,
    pub labels: Option<String>,
    pub events: bool,
}

/// Whose log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Source {
    /// `pod` or `kind/name`.
    Object { kind: String, name: String },
    /// Every pod with these labels.
    Labels(String),
}

/// From when on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Since {
    Seconds(i64),
    Time(String),
}

#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
pub(super) struct Logs {
    pub source: Source,
    pub place: Where,
    pub container: Option<String>,
    pub all_containers: bool,
    pub all_pods: bool,
    pub previous: bool,
    pub timestamps: bool,
    pub prefix: bool,
    pub ignore_errors: bool,
    /// `None`: not said; negative: all.
    pub tail: Option<i64>,
    pub since: Option<Since>,
    pub limit_bytes: Option<u64>,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Events {
    pub place: Where,
    pub about: Option<(String, String)>,
    pub types: Vec<String>,
    pub headers: bool,
    pub form: Form,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Top {
    pub nodes: bool,
    pub name: Option<String>,
    pub place: Where,
    pub filter: Filter,
    pub containers: bool,
    pub headers: bool,
    pub by_memory: Option<bool>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct ApiResources {
    pub group: Option<String>,
    pub namespaced: Option<bool>,
    pub verbs: Vec<String>,
    pub categories: Vec<String>,
    pub names_only: bool,
    pub wide: bool,
    pub headers: bool,
    pub sort_by: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Explain {
    /// A kind, and after dots its group or a field.
    pub word: String,
    pub api_version: Option<String>,
    pub recursive: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Rollout {
    pub history: bool,
    pub kind: String,
    pub name: String,
    pub place: Where,
    pub revision: Option<i64>,
    /// Whether a status is to be the last one, as it is unless `--watch=false` is given.
    pub waits: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct CanI {
    pub question: Question,
    pub place: Where,
    pub quiet: bool,
    pub headers: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Question {
    Everything,
    Url { verb: String, path: String },
    Resource { verb: String, resource: String, name: Option<String>, subresource: Option<String> },
}
