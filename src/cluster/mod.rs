//! Talks to a Kubernetes API server, live or recorded. Knows no chat, model or SQL.

pub mod state;
