//! Who may write: one connection on SQLite, which has one writer at a time, and a pool's connections on PostgreSQL.
//!
//! SQLite's is held and not pooled. A pool asks the connection's thread before and after every use whether it is still
//! there, and those two round trips take longer than the statement between them.

use std::{ops::DerefMut, sync::Arc};

use sqlx::{AnyConnection, AnyPool, Connection};
use tokio::sync::{Mutex, MutexGuard};

/// The way to a connection that may write; clones share it.
#[derive(Clone)]
pub(super) enum Writers {
    /// SQLite's one; `None` once it is closed.
    One(Arc<Mutex<Option<AnyConnection>>>),
    /// PostgreSQL's.
    Many(AnyPool),
}

/// A connection that nobody else writes through meanwhile.
pub(super) type Writer<'w> = Box<dyn DerefMut<Target = AnyConnection> + Send + 'w>;

impl Writers {
    /// Makes the only connection of `pool` the one that writes.
    pub(super) async fn one(pool: &AnyPool) -> sqlx::Result<Self> {
        let connection = pool.acquire().await?.detach();
        Ok(Self::One(Arc::new(Mutex::new(Some(connection)))))
    }

    /// Waits for a connection. A transaction that was dropped in it is rolled back before anything else.
    pub(super) async fn writer(&self) -> sqlx::Result<Writer<'_>> {
        match self {
            Self::One(connection) => {
                let open = MutexGuard::try_map(connection.lock().await, Option::as_mut);
                Ok(Box::new(open.map_err(|_| sqlx::Error::PoolClosed)?))
            }
            Self::Many(pool) => Ok(Box::new(pool.acquire().await?)),
        }
    }

    /// Lets go of the connections.
    pub(super) async fn close(&self) {
        match self {
            Self::One(connection) => {
                let held = connection.lock().await.take();
                if let Some(connection) = held {
                    // It is gone either way, and everything that was committed is on disk.
                    let _ = connection.close().await;
                }
            }
            Self::Many(pool) => pool.close().await,
        }
    }
}
