//! Tests of the kubectl dialect.

mod against_kubectl;
mod grammar;
mod wire;
