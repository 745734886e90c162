//! Tests of the kubectl dialect.

mod against_kubectl;
mod describe;
mod discovery;
mod explain;
mod grammar;
mod wire;
