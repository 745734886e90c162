//! The answer as the model gives it. Only its shape: the agent checks it against the log.

use schemars::JsonSchema;
use serde::Deserialize;

/// The tool's name.
pub const NAME: &str = "report";

/// Ends the work with the answer. Call it once, when the cause is known or when nothing is wrong. It is checked:
/// every cause must rest on findings or calls of this conversation, and quotes must be word for word.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Args {
    /// One or two plain sentences: what is broken because of what, or that nothing is.
    pub summary: String,
    /// The faults, most important first. Empty when nothing is wrong.
    #[serde(default)]
    pub causes: Vec<CauseArgs>,
    /// `certain`, `likely` or `possible`.
    #[serde(default)]
    pub confidence: Option<ConfidenceArg>,
    /// What was not looked at and might matter, a few words each.
    #[serde(default)]
    pub not_checked: Vec<String>,
}

/// How sure the model is.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ConfidenceArg {
    /// It follows from what was read.
    Certain,
    /// It fits best.
    Likely,
    /// One of several.
    Possible,
}

/// One fault.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CauseArgs {
    /// The object to change, `Kind/namespace/name`, or `Kind/name` for a cluster-scoped one.
    pub resource: String,
    /// The container, where it is about one.
    #[serde(default)]
    pub container: Option<String>,
    /// What is wrong with it, one sentence with exact values in backticks.
    pub summary: String,
    /// What follows from it elsewhere, one short sentence each.
    #[serde(default)]
    pub effects: Vec<String>,
    /// The findings (`f1`) and calls (their ids) that show it.
    pub rests_on: Vec<String>,
    /// The lines or values that show it, copied word for word.
    #[serde(default)]
    pub quotes: Vec<String>,
    /// What to do, one imperative sentence.
    #[serde(default)]
    pub fix_summary: Option<String>,
    /// kubectl lines to paste.
    #[serde(default)]
    pub fix_command: Option<String>,
    /// True for a fault that was not asked about.
    #[serde(default)]
    pub unasked: bool,
}
