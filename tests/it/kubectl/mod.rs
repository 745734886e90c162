//! Tests of the kubectl dialect.

mod against_kubectl;
mod describe;
mod discovery;
mod explain;
mod failures;
mod grammar;
mod long;
mod secrets;
mod wire;
