//! Logs for the operator, to stderr only, masked as everything that is shown. Knows nothing of what is logged.

use std::io::{IsTerminal, Write};

use serde::Deserialize;
use tracing_subscriber::EnvFilter;

use crate::redact::Redacted;

/// The section `[log]`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// What is logged, in tracing's syntax; empty for the command's own default.
    pub filter: String,
    /// How.
    pub format: Format,
}

/// How a log line looks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// For people.
    #[default]
    Text,
    /// One JSON object per line.
    Json,
}

/// Begins to log. `fallback` is what is logged where neither the configuration nor `RUST_LOG` says.
///
/// # Errors
/// The filter does not parse; the sentence says which.
pub fn start(config: &Config, fallback: &str) -> Result<(), String> {
    let filter = std::env::var("RUST_LOG").ok().filter(|filter| !filter.is_empty());
    // At `warn`, serenity prints events that it cannot read as they came, with what people said in them. What ends
    // its connection for good it prints as errors, which our own sentence then repeats.
    let filter = filter.unwrap_or_else(|| {
        if config.filter.is_empty() {
            format!("{fallback},serenity=off,sqlx=warn")
        } else {
            config.filter.clone()
        }
    });
    let filter = EnvFilter::try_new(&filter).map_err(|e| {
        format!("log.filter `{filter}` cannot be read: {e}; write e.g. `info` or `kubertnetes=debug`")
    })?;
    let logs = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(|| Masked(std::io::stderr()));
    // A second start, as tests do, changes nothing.
    let _ = match config.format {
        Format::Text => logs.with_target(false).try_init(),
        Format::Json => logs.json().try_init(),
    };
    Ok(())
}

/// Masks what is written. An event is written at once, so that no secret is cut in two.
struct Masked<W>(W);

impl<W: Write> Write for Masked<W> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.write_all(Redacted::new(String::from_utf8_lossy(bytes)).as_bytes())?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.0.flush()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex, PoisonError};

    use super::*;

    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<Vec<u8>>>);

    impl Write for Kept {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap_or_else(PoisonError::into_inner).write(bytes)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn what_is_logged_is_masked() {
        let kept = Kept::default();
        let log = kept.clone();
        let write = move || Masked(log.clone());
        let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(write).finish();
        tracing::subscriber::with_default(subscriber, || {
            tracing::warn!(error = "postgres://app:hunter2@db refused", "cannot connect");
        });
        let lines = String::from_utf8(kept.0.lock().unwrap().clone()).unwrap();
        assert!(
            lines.contains("cannot connect") && lines.contains("postgres://app:‹secret:password#"),
            "{lines}"
        );
        assert!(!lines.contains("hunter2"), "{lines}");
    }
}
