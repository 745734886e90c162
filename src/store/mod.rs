//! Keeps conversations, the work they ask for and what is shown of them, in SQLite or PostgreSQL. The only room that
//! speaks SQL; knows nothing of what a conversation is about.
//!
//! Both databases run the same text; the one difference is `FOR UPDATE SKIP LOCKED` in the claim.

mod artifacts;
mod log;
mod masked;
mod migrations;
mod posts;
mod queue;
mod spent;
mod wake;
mod writer;

use std::{path::Path, time::Duration};

use serde::Deserialize;
use sqlx::{Any, AnyPool, Connection, Executor, Transaction, any::AnyPoolOptions};

use crate::clock::Clock;

pub use log::{Conversation, Incoming, Queues, Received, Spot};
pub use posts::Shown;
pub use queue::{Lane, Lease};
pub use spent::Spent;
pub use wake::Watch;

use migrations::migrate;
use wake::{Signal, Wakes};
use writer::{Writer, Writers};

/// The section `[store]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// `sqlite://PATH` or `postgres://USER:PASSWORD@HOST/DATABASE`; empty: a SQLite file in the user's data folder.
    pub url: secrecy::SecretString,
    /// Connections to PostgreSQL, or readers of SQLite.
    pub connections: u32,
}

impl Default for Config {
    fn default() -> Self {
        Self { url: String::new().into(), connections: 4 }
    }
}

/// Why the store did not do as asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It cannot be opened; the sentence says what to do.
    #[error("{0}")]
    Unusable(String),
    /// Another worker has the lane: whatever this one was doing, it must stop.
    #[error("the lease on {0} was lost")]
    LeaseLost(Lane),
    /// What is stored cannot be read.
    #[error("conversation {conversation} has an unreadable {what}: {why}")]
    Unreadable {
        /// Which conversation.
        conversation: String,
        /// Which part of it.
        what: String,
        /// The parser's words.
        why: String,
    },
    /// The database failed.
    #[error("the database failed: {0}")]
    Database(#[from] sqlx::Error),
}

/// The store's results.
pub type Result<T> = std::result::Result<T, Error>;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Backend {
    Sqlite,
    Postgres,
}

/// A handle on the database; clones share it.
#[derive(Clone)]
pub struct Store {
    writers: Writers,
    reader: AnyPool,
    backend: Backend,
    clock: Clock,
    wakes: Wakes,
    /// This process among those that share the database.
    owner: String,
}

impl Store {
    /// Opens the database and brings its schema up to date.
    pub async fn connect(url: &str, connections: u32, clock: Clock) -> Result<Self> {
        sqlx::any::install_default_drivers();
        let backend = backend_of(url)?;
        let (writers, reader) = match backend {
            Backend::Sqlite => {
                let url = sqlite_url(url)?;
                let first = sqlite_pool(1).connect(&url).await.map_err(|e| cannot_open(&url, &e))?;
                migrate(&first).await?;
                let reader =
                    sqlite_pool(connections).connect(&url).await.map_err(|e| cannot_open(&url, &e))?;
                (Writers::one(&first).await?, reader)
            }
            Backend::Postgres => {
                let options =
                    AnyPoolOptions::new().max_connections(connections.max(2)).acquire_timeout(ACQUIRE);
                let pool = options.connect(url).await.map_err(|e| cannot_open(url, &e))?;
                migrate(&pool).await?;
                (Writers::Many(pool.clone()), pool)
            }
        };
        let store = Self {
            writers,
            reader,
            backend,
            clock,
            wakes: Wakes::default(),
            owner: uuid::Uuid::now_v7().to_string(),
        };
        if backend == Backend::Postgres {
            store.wakes.listen(url).await?;
        }
        Ok(store)
    }

    /// The clock that its times come from.
    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    /// Whether the database answers, to those who read and to those who write.
    pub async fn ping(&self) -> Result<()> {
        sqlx::query("SELECT 1").fetch_one(&self.reader).await?;
        sqlx::query("SELECT 1").fetch_one(&mut **self.writer().await?).await?;
        Ok(())
    }

    /// Lets go of all connections.
    pub async fn close(&self) {
        self.reader.close().await;
        self.writers.close().await;
    }

    async fn writer(&self) -> Result<Writer<'_>> {
        Ok(self.writers.writer().await?)
    }

    /// A write transaction. On SQLite it takes the write lock at once: one that has to upgrade a read lock later
    /// fails where it could have waited.
    async fn begin<'w>(&self, writer: &'w mut Writer<'_>) -> Result<Write<'w>> {
        let tx = match self.backend {
            Backend::Sqlite => writer.begin_with("BEGIN IMMEDIATE").await?,
            Backend::Postgres => writer.begin().await?,
        };
        Ok(Write { tx, signals: Vec::new() })
    }

    /// Carries out one statement, which is a transaction by itself; PostgreSQL's notification needs one around both.
    async fn alone(&self, statement: Statement<'_>, signal: Signal) -> Result<()> {
        let mut writer = self.writer().await?;
        if self.backend == Backend::Sqlite {
            statement.execute(&mut **writer).await?;
            self.wakes.wake(&[signal]);
            return Ok(());
        }
        let mut write = self.begin(&mut writer).await?;
        statement.execute(&mut *write.tx).await?;
        write.signals.push(signal);
        self.commit(write).await
    }

    /// Commits, then wakes whoever waits for what was written: here, and through PostgreSQL in other processes.
    async fn commit(&self, mut write: Write<'_>) -> Result<()> {
        if self.backend == Backend::Postgres {
            for signal in &write.signals {
                sqlx::query("SELECT pg_notify('kubertnetes', $1)")
                    .bind(signal.to_payload())
                    .execute(&mut *write.tx)
                    .await?;
            }
        }
        write.tx.commit().await?;
        self.wakes.wake(&write.signals);
        Ok(())
    }
}

/// A statement with its values.
type Statement<'q> = sqlx::query::Query<'q, Any, <Any as sqlx::Database>::Arguments>;

/// A write transaction and whom to wake when it is committed.
struct Write<'w> {
    tx: Transaction<'w, Any>,
    signals: Vec<Signal>,
}

const ACQUIRE: Duration = Duration::from_secs(10);

fn backend_of(url: &str) -> Result<Backend> {
    match url.split_once(':').map(|(scheme, _)| scheme) {
        Some("sqlite") => Ok(Backend::Sqlite),
        Some("postgres" | "postgresql") => Ok(Backend::Postgres),
        _ => Err(Error::Unusable(
            "store.url must begin with sqlite:// or postgres://, e.g. sqlite:///var/lib/kubertnetes/kubertnetes.db"
                .into(),
        )),
    }
}

/// Makes the file's folder, and has the file made where it is missing.
fn sqlite_url(url: &str) -> Result<String> {
    let path = url.trim_start_matches("sqlite:").trim_start_matches("//");
    let file = path.split('?').next().unwrap_or_default();
    if let Some(folder) = Path::new(file).parent().filter(|folder| !folder.as_os_str().is_empty()) {
        std::fs::create_dir_all(folder).map_err(|e| {
            Error::Unusable(format!(
                "cannot make the folder {} for the database: {e}; set store.url (KUBERT_STORE__URL) to a writable place",
                folder.display()
            ))
        })?;
    }
    Ok(if path.contains("mode=") {
        url.to_owned()
    } else {
        format!("{url}{}mode=rwc", if path.contains('?') { "&" } else { "?" })
    })
}

fn sqlite_pool(connections: u32) -> AnyPoolOptions {
    AnyPoolOptions::new().max_connections(connections.max(1)).acquire_timeout(ACQUIRE).after_connect(
        |conn, _| {
            Box::pin(async move {
                // NORMAL keeps every commit through a killed process. A power cut may take the last moments of it back
                // to a consistent earlier state; messages are then fetched again and posts found again by their place.
                for pragma in [
                    "PRAGMA busy_timeout = 10000",
                    "PRAGMA journal_mode = WAL",
                    "PRAGMA synchronous = NORMAL",
                    "PRAGMA foreign_keys = ON",
                    "PRAGMA cache_size = -2000",
                ] {
                    conn.execute(pragma).await?;
                }
                Ok(())
            })
        },
    )
}

/// The sentence for a database that does not open, without the URL's password.
fn cannot_open(url: &str, error: &sqlx::Error) -> Error {
    let shown = match (url.split_once("://"), url.rsplit_once('@')) {
        (Some((scheme, _)), Some((_, rest))) => format!("{scheme}://…@{rest}"),
        _ => url.trim_end_matches("?mode=rwc").to_owned(),
    };
    Error::Unusable(format!(
        "cannot open the database {shown}: {error}; check store.url (KUBERT_STORE__URL) and that it is writable"
    ))
}
