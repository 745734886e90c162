//! kuBERTnetes: a Kubernetes teammate that finds root causes, shows the evidence and offers the fix.
//!
//! The rooms, what each is for and which may name which: ARCHITECTURE.md.

pub mod agent;
pub mod analyzers;
pub mod app;
pub mod chat;
pub mod cli;
pub mod clock;
pub mod cluster;
pub mod config;
pub mod eval;
pub mod event;
pub mod finding;
pub mod llm;
pub mod redact;
pub mod replay;
pub mod serve;
pub mod store;
pub mod telemetry;
pub mod text;
pub mod tools;
pub mod worker;
