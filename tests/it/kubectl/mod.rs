//! Tests of the kubectl dialect.

mod against_kubectl;
mod explain;
mod grammar;
mod wire;
