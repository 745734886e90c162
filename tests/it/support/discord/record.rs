//! What was asked of the stand-in, and what was wrong with it.

use serde_json::Value;

/// A request that came in, with what was answered.
#[derive(Debug, Clone)]
pub struct Recorded {
    /// By the stand-in's clock, Unix milliseconds.
    pub at_ms: u64,
    pub method: String,
    /// Without `/api/v10` and query.
    pub path: String,
    /// The path as the specification has it; empty for an unknown one.
    pub pattern: &'static str,
    pub query: String,
    /// The JSON of the body, `payload_json` of a form.
    pub body: Value,
    /// The names of the files in the form.
    pub files: Vec<String>,
    /// 0 for a connection that was dropped.
    pub status: u16,
}

impl Recorded {
    /// E.g. `POST /channels/{channel_id}/messages`.
    pub fn route(&self) -> String {
        format!("{} {}", self.method, self.pattern)
    }
}

/// What something that goes over the wire must look like.
#[derive(Debug, Clone)]
pub enum Shape {
    Request {
        method: String,
        pattern: &'static str,
        query: String,
    },
    Answer {
        method: String,
        pattern: &'static str,
        status: u16,
    },
    /// An object of the specification.
    Object(&'static str),
}

/// Something that went over the wire, to be held against the specification when the test asks.
#[derive(Debug)]
pub struct Check {
    pub what: String,
    pub shape: Shape,
    pub value: Option<Value>,
}

#[derive(Debug, Default)]
pub struct Record {
    pub requests: Vec<Recorded>,
    pub checks: Vec<Check>,
    pub violations: Vec<String>,
    /// How many violations the test has looked at: those that it has not seen fail it at the end.
    pub seen: usize,
}

impl Record {
    pub fn violation(&mut self, what: impl Into<String>) {
        self.violations.push(what.into());
    }
}
