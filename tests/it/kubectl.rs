//! Tests of the kubectl dialect.
