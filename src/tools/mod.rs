//! What the model may do: look. Knows no chat, store or agent.

pub mod diagnose;
pub mod kubectl;
pub mod read_output;
pub mod report;

use std::{collections::BTreeMap, future::Future, sync::Arc};

use async_trait::async_trait;
use regex::{Regex, RegexBuilder};
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::{
    cluster::Cluster,
    event::ToolCall,
    llm::{INVALID_ARGS, ToolSpec},
    redact::Redacted,
    text::words::Words,
};

/// The largest program that a pattern may make, in bytes.
const LARGEST_PATTERN: usize = 1 << 20;

/// What a tool is lent for one call.
#[derive(Clone)]
pub struct Lent {
    /// The cluster that the conversation is about.
    pub cluster: Arc<Cluster>,
    /// The outputs that the conversation keeps.
    pub kept: Arc<dyn Kept>,
}

/// The whole outputs of which a conversation shows a part.
#[async_trait]
pub trait Kept: Send + Sync {
    /// The output of that id, if this conversation has it. The error is a sentence.
    async fn output(&self, id: &str) -> Result<Option<Redacted>, String>;

    /// How many bytes of an output are shown at once.
    fn most_shown(&self) -> usize;

    /// What the person who asks looks for: of an output that is too long, lines with these words are kept and shown
    /// before others.
    fn words(&self) -> &Words;
}

/// A pattern that a model wrote; upper and lower case are alike. The error is a sentence.
fn pattern(text: &str) -> Result<Regex, String> {
    let regex = RegexBuilder::new(text).case_insensitive(true).size_limit(LARGEST_PATTERN).build();
    regex.map_err(|error| {
        let error = error.to_string();
        let why = error.lines().last().unwrap_or_default().trim_start_matches("error: ");
        format!("`grep` is no regular expression: {why}; put a `\\` before what is meant as it stands.")
    })
}

/// What came of a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// Whether it was carried out; if not, `output` says what to ask instead.
    pub ok: bool,
    /// The whole output.
    pub output: Redacted,
    /// What was looked at and the result in a few words, for people.
    pub gist: Redacted,
}

impl Answer {
    /// A refusal in words that the model can mend.
    pub fn refused(why: impl AsRef<str>) -> Self {
        Self { ok: false, output: Redacted::new(why), gist: Redacted::new("refused") }
    }
}

/// A tool. It never fails: what goes wrong is an answer that the model can read.
pub trait Tool: Send + Sync + 'static {
    /// The name to call it by.
    const NAME: &'static str;
    /// The arguments that the model fills in; this type's doc comment is the tool's description.
    type Args: DeserializeOwned + JsonSchema + Send;

    /// Carries out one call.
    fn call(&self, args: Self::Args, lent: &Lent) -> impl Future<Output = Answer> + Send;
}

/// [`Tool`] with its types erased, so that tools can share a table.
#[async_trait]
trait AnyTool: Send + Sync {
    fn spec(&self) -> ToolSpec;
    async fn call(&self, args: Value, lent: &Lent) -> Answer;
}

#[async_trait]
impl<T: Tool> AnyTool for T {
    fn spec(&self) -> ToolSpec {
        spec::<T::Args>(T::NAME)
    }

    async fn call(&self, args: Value, lent: &Lent) -> Answer {
        match serde_json::from_value(args) {
            Ok(args) => Tool::call(self, args, lent).await,
            Err(e) => Answer::refused(format!("The arguments of {} do not fit: {e}.", T::NAME)),
        }
    }
}

/// A tool as the model is told of it, from the type of its arguments.
pub(crate) fn spec<Args: JsonSchema>(name: &'static str) -> ToolSpec {
    let mut schema = schemars::schema_for!(Args).to_value();
    let mut description = String::new();
    if let Some(members) = schema.as_object_mut() {
        members.remove("$schema");
        members.remove("title");
        if let Some(Value::String(text)) = members.remove("description") {
            description = text;
        }
    }
    ToolSpec { name, description, schema }
}

/// What is told of a call whose arguments the model did not write as a JSON object.
pub fn unreadable(call: &ToolCall) -> Option<String> {
    let written = call.args.get(INVALID_ARGS).and_then(Value::as_str)?;
    Some(format!("The arguments of {} are no JSON object: {written}", call.tool))
}

/// The tools that there are.
#[derive(Default)]
pub struct Toolbox(BTreeMap<&'static str, Box<dyn AnyTool>>);

impl Toolbox {
    /// Every tool that looks at a cluster, or at what another one found.
    pub fn standard() -> Self {
        Self::default().with(kubectl::Kubectl).with(diagnose::Diagnose).with(read_output::ReadOutput)
    }

    /// One more tool.
    #[must_use]
    pub fn with<T: Tool>(mut self, tool: T) -> Self {
        self.0.insert(T::NAME, Box::new(tool));
        self
    }

    /// What the model is told of: these tools and `report`, which the agent carries out itself.
    pub fn specs(&self) -> Vec<ToolSpec> {
        let mut specs: Vec<ToolSpec> = self.0.values().map(|tool| tool.spec()).collect();
        specs.push(spec::<report::Args>(report::NAME));
        specs
    }

    /// Carries out a call.
    pub async fn call(&self, call: &ToolCall, lent: &Lent) -> Answer {
        match self.0.get(call.tool.as_str()) {
            Some(tool) => match unreadable(call) {
                Some(why) => Answer::refused(why),
                None => tool.call((*call.args).clone(), lent).await,
            },
            None => {
                let names: Vec<&str> = self.0.keys().copied().chain([report::NAME]).collect();
                Answer::refused(format!("There is no tool `{}`. There are {}.", call.tool, names.join(", ")))
            }
        }
    }
}
