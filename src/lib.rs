//! kuBERTnetes: a Kubernetes teammate that finds root causes, shows the evidence and offers the fix.
//!
//! The rooms, what each is for and which may name which: ARCHITECTURE.md.

pub mod analyzers;
pub mod chat;
pub mod clock;
pub mod cluster;
pub mod event;
pub mod finding;
pub mod llm;
pub mod redact;
pub mod store;
pub mod worker;
