//! Fresh databases of both kinds. PostgreSQL is used where `KUBERT_TEST_POSTGRES` names a server, which the project's
//! test command starts.

use std::io::Write as _;

use kubertnetes::{clock::Clock, store::Store};
use sqlx::{AssertSqlSafe, Connection};

/// A store on a database of its own.
pub struct Fresh {
    /// `sqlite` or `postgres`.
    pub kind: &'static str,
    pub store: Store,
    /// Opens the same database once more, as another process would.
    pub url: String,
    folder: Option<tempfile::TempDir>,
}

impl Fresh {
    /// The file that it is in, if it is in one.
    pub fn file(&self) -> Option<std::path::PathBuf> {
        self.folder.as_ref().map(|folder| folder.path().join("test.db"))
    }
}

/// One store of each kind that there is, with `clock`.
pub async fn fresh(clock: &Clock) -> Vec<Fresh> {
    let mut all = vec![fresh_sqlite(clock).await];
    match std::env::var("KUBERT_TEST_POSTGRES") {
        Ok(server) => all.push(fresh_postgres(&server, clock).await),
        Err(_) => {
            let test = std::thread::current().name().unwrap_or("a test").to_owned();
            let _ = writeln!(
                std::io::stderr(),
                "left out: {test} on PostgreSQL (KUBERT_TEST_POSTGRES is not set)"
            );
        }
    }
    all
}

/// A store in a SQLite file of its own.
pub async fn fresh_sqlite(clock: &Clock) -> Fresh {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}", folder.path().join("test.db").display());
    let store = Store::connect(&url, 2, clock.clone()).await.unwrap();
    Fresh { kind: "sqlite", store, url, folder: Some(folder) }
}

async fn fresh_postgres(server: &str, clock: &Clock) -> Fresh {
    sqlx::any::install_default_drivers();
    let name = format!("test_{}", uuid::Uuid::now_v7().simple());
    let mut admin = sqlx::AnyConnection::connect(&format!("{server}/postgres")).await.unwrap();
    sqlx::query(AssertSqlSafe(format!("CREATE DATABASE {name}"))).execute(&mut admin).await.unwrap();
    admin.close().await.unwrap();
    let url = format!("{server}/{name}");
    let store = Store::connect(&url, 3, clock.clone()).await.unwrap();
    Fresh { kind: "postgres", store, url, folder: None }
}
