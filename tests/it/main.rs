//! The integration tests, one binary.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, clippy::print_stderr, missing_docs)]

mod analyzers;
mod cluster;
mod discord;
mod discord_standin;
mod kubectl;
mod llm;
mod support;
