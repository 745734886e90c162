//! The integration tests, one binary.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, clippy::print_stderr, missing_docs)]

mod agent;
mod analyzers;
mod attacks;
mod binary;
mod cluster;
mod config;
mod conversation;
mod discord;
mod discord_standin;
mod eval;
mod events;
mod kubectl;
mod layering;
mod llm;
mod redact;
mod render;
mod store;
mod support;
