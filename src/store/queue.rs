//! Lanes and their jobs. A job never says "do this": it says "look at this lane", so two asks are one. A lane has at
//! most one waiting and at most one running job; a run ends done, failed with a new row for the next try, or failed
//! for good.

use std::{fmt, time::Duration};

use sqlx::{AssertSqlSafe, Row, any::AnyRow};

use super::{Backend, Error, Result, Statement, Store, Write, wake::Signal};
use crate::{clock::millis, event::ConversationId, redact::Redacted};

/// A line of work in which one thing happens at a time.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Lane {
    /// Advancing a conversation.
    Turn(ConversationId),
    /// Making its place show it.
    Deliver(ConversationId),
}

impl Lane {
    /// The conversation that it is about.
    pub fn conversation(&self) -> &ConversationId {
        match self {
            Lane::Turn(id) | Lane::Deliver(id) => id,
        }
    }

    fn parse(text: &str) -> Result<Self> {
        match text.split_once(':') {
            Some(("turn", id)) => Ok(Lane::Turn(ConversationId(id.to_owned()))),
            Some(("deliver", id)) => Ok(Lane::Deliver(ConversationId(id.to_owned()))),
            _ => Err(Error::Unreadable {
                conversation: text.to_owned(),
                what: "lane".into(),
                why: "no such kind".into(),
            }),
        }
    }
}

impl fmt::Display for Lane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Lane::Turn(id) => write!(f, "turn:{id}"),
            Lane::Deliver(id) => write!(f, "deliver:{id}"),
        }
    }
}

/// Proof that its holder may work on a lane.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    /// The run.
    pub job: String,
    /// Its queue.
    pub queue: String,
    /// Its lane.
    pub lane: Lane,
    /// 1, or more after runs that failed without having appended anything.
    pub attempt: i64,
}

/// How an ask treats a lane that waits before its next try.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Urgency {
    /// The wait goes on.
    Ask,
    /// It is over: a person is waiting.
    Now,
}

/// Failed runs are kept this long for the operator.
const KEEP_FAILED: Duration = Duration::from_secs(7 * 24 * 3600);

impl Store {
    /// Asks that a lane of `queue` be looked at.
    pub async fn ask(&self, queue: &str, lane: &Lane) -> Result<()> {
        let statement = asking(queue, lane, self.clock.now_ms(), Urgency::Now);
        self.alone(statement, Signal::Queue(queue.to_owned())).await
    }

    /// Leases the job of `queue` that has been due longest and whose lane is idle.
    pub async fn claim(&self, queue: &str, lease: Duration) -> Result<Option<Lease>> {
        let now = self.clock.now_ms();
        let claimed = sqlx::query(AssertSqlSafe(claim_sql(self.backend)))
            .bind(&self.owner)
            .bind(now + millis(lease))
            .bind(queue)
            .bind(now)
            .fetch_optional(&mut **self.writer().await?)
            .await;
        match claimed {
            Ok(row) => row.map(|row| leased(&row, queue)).transpose(),
            // On PostgreSQL another process may have claimed the lane since the statement looked.
            Err(e) if e.as_database_error().is_some_and(|e| e.is_unique_violation()) => Ok(None),
            Err(e) => Err(e.into()),
        }
    }

    /// When the next job of `queue` whose lane is idle is due, Unix milliseconds.
    pub async fn next_due(&self, queue: &str) -> Result<Option<i64>> {
        let row = sqlx::query(
            "SELECT MIN(p.run_at_ms) FROM jobs p WHERE p.queue = $1 AND p.state = 'pending' \
             AND NOT EXISTS (SELECT 1 FROM jobs r WHERE r.lane = p.lane AND r.state = 'running')",
        )
        .bind(queue)
        .fetch_one(&self.reader)
        .await?;
        Ok(row.get(0))
    }

    /// Resolves when something was asked of `queue` that may be due; also when that was before the call.
    pub async fn asked(&self, queue: &str) {
        self.wakes.queue(queue).notified().await;
    }

    /// Ends a run: the lane was looked at.
    pub async fn done(&self, lease: &Lease) -> Result<()> {
        let statement = sqlx::query("DELETE FROM jobs WHERE id = $1 AND state = 'running'").bind(&lease.job);
        self.alone(statement, Signal::Queue(lease.queue.clone())).await
    }

    /// Ends a run as done and asks for another one after `wait`, or sooner if something happens.
    pub async fn snooze(&self, lease: &Lease, wait: Duration) -> Result<()> {
        let mut writer = self.writer().await?;
        let mut write = self.begin(&mut writer).await?;
        let ended = sqlx::query("DELETE FROM jobs WHERE id = $1 AND state = 'running'")
            .bind(&lease.job)
            .execute(&mut *write.tx)
            .await?;
        if ended.rows_affected() == 1 {
            let at = self.clock.now_ms() + millis(wait);
            enqueue(&mut write, &lease.queue, &lease.lane, at, Urgency::Ask).await?;
        }
        self.commit(write).await
    }

    /// Ends a run as failed and asks for the next try: after `wait`, or after a pause that grows with the attempts.
    /// What was asked meanwhile is done at once, as that next try.
    pub async fn retry(&self, lease: &Lease, wait: Option<Duration>, error: &str) -> Result<()> {
        let mut writer = self.writer().await?;
        let mut write = self.begin(&mut writer).await?;
        if let Some(row) = fail(&mut write, lease, error).await? {
            let attempt: i64 = row.get(0);
            let at = self.clock.now_ms() + millis(wait.unwrap_or_else(|| pause(attempt)));
            again(&mut write, &lease.queue, &lease.lane, attempt + 1, at).await?;
        }
        self.commit(write).await
    }

    /// Ends a run that was interrupted on purpose: the next one is the same try.
    pub async fn release(&self, lease: &Lease) -> Result<()> {
        let mut writer = self.writer().await?;
        let mut write = self.begin(&mut writer).await?;
        if let Some(row) = fail(&mut write, lease, "released").await? {
            again(&mut write, &lease.queue, &lease.lane, row.get(0), self.clock.now_ms()).await?;
        }
        self.commit(write).await
    }

    /// Ends a run as failed for good.
    pub async fn give_up(&self, lease: &Lease, error: &str) -> Result<()> {
        let mut writer = self.writer().await?;
        let mut write = self.begin(&mut writer).await?;
        fail(&mut write, lease, error).await?;
        write.signals.push(Signal::Queue(lease.queue.clone()));
        self.commit(write).await
    }

    /// Keeps this process's leases for another `lease` and gives the runs that it still holds.
    pub async fn renew(&self, lease: Duration) -> Result<Vec<String>> {
        let rows = sqlx::query(
            "UPDATE jobs SET lease_until_ms = $1 WHERE owner = $2 AND state = 'running' RETURNING id",
        )
        .bind(self.clock.now_ms() + millis(lease))
        .bind(&self.owner)
        .fetch_all(&mut **self.writer().await?)
        .await?;
        Ok(rows.iter().map(|row| row.get(0)).collect())
    }

    /// Frees lanes whose worker died, asks for their next try, and gives their number.
    pub async fn rescue(&self) -> Result<usize> {
        let now = self.clock.now_ms();
        let mut writer = self.writer().await?;
        let mut write = self.begin(&mut writer).await?;
        let mut dead = sqlx::query(
            "UPDATE jobs SET state = 'failed', owner = NULL, lease_until_ms = NULL, error = 'the lease ran out' \
             WHERE state = 'running' AND lease_until_ms < $1 RETURNING attempt, queue, lane",
        )
        .bind(now)
        .fetch_all(&mut *write.tx)
        .await?;
        // In the order in which every transaction takes lanes, so that none waits for the other.
        dead.sort_by_key(|row| row.get::<String, _>(2));
        for row in &dead {
            let lane = Lane::parse(&row.get::<String, _>(2))?;
            again(&mut write, &row.get::<String, _>(1), &lane, row.get::<i64, _>(0) + 1, now).await?;
        }
        sqlx::query("DELETE FROM jobs WHERE state = 'failed' AND run_at_ms < $1")
            .bind(now - millis(KEEP_FAILED))
            .execute(&mut *write.tx)
            .await?;
        self.commit(write).await?;
        Ok(dead.len())
    }

    /// Every waiting, running and failed run as `lane state attempt`, without the ids; for tests and the operator.
    pub async fn jobs(&self) -> Result<Vec<(String, String, i64)>> {
        let rows = sqlx::query("SELECT lane, state, attempt FROM jobs ORDER BY lane, state, id")
            .fetch_all(&self.reader)
            .await?;
        Ok(rows.iter().map(|row| (row.get(0), row.get(1), row.get(2))).collect())
    }
}

/// 1 s, 2 s, 4 s… up to a minute.
fn pause(attempt: i64) -> Duration {
    let doublings = u32::try_from(attempt.clamp(1, 7) - 1).unwrap_or_default();
    Duration::from_secs(1 << doublings).min(Duration::from_secs(60))
}

/// SQLite has one writer, so there is nothing to skip.
fn claim_sql(backend: Backend) -> String {
    let skip_locked = match backend {
        Backend::Sqlite => "",
        Backend::Postgres => "FOR UPDATE SKIP LOCKED",
    };
    format!(
        "UPDATE jobs SET state = 'running', owner = $1, lease_until_ms = $2 WHERE id = ( \
           SELECT p.id FROM jobs p WHERE p.queue = $3 AND p.state = 'pending' AND p.run_at_ms <= $4 \
           AND NOT EXISTS (SELECT 1 FROM jobs r WHERE r.lane = p.lane AND r.state = 'running') \
           ORDER BY p.run_at_ms, p.id LIMIT 1 {skip_locked}) \
         RETURNING id, lane, attempt"
    )
}

fn leased(row: &AnyRow, queue: &str) -> Result<Lease> {
    let lane = Lane::parse(&row.get::<String, _>(1))?;
    Ok(Lease { job: row.get(0), queue: queue.to_owned(), lane, attempt: row.get(2) })
}

/// Makes sure that `lease` still holds and, since its holder is getting on, that it counts as a first try.
pub(super) async fn hold(write: &mut Write<'_>, lease: &Lease) -> Result<()> {
    let held = sqlx::query("UPDATE jobs SET attempt = 1 WHERE id = $1 AND state = 'running'")
        .bind(&lease.job)
        .execute(&mut *write.tx)
        .await?;
    if held.rows_affected() == 1 { Ok(()) } else { Err(Error::LeaseLost(lease.lane.clone())) }
}

/// Ends a run as failed and gives its attempt, if the lease still held.
async fn fail(write: &mut Write<'_>, lease: &Lease, error: &str) -> Result<Option<AnyRow>> {
    Ok(sqlx::query(
        "UPDATE jobs SET state = 'failed', owner = NULL, lease_until_ms = NULL, error = $2 \
         WHERE id = $1 AND state = 'running' RETURNING attempt",
    )
    .bind(&lease.job)
    .bind(Redacted::new(error).as_str().to_owned())
    .fetch_optional(&mut *write.tx)
    .await?)
}

/// Asks that `lane` be looked at from `at_ms` on, as part of a transaction.
pub(super) async fn enqueue(
    write: &mut Write<'_>,
    queue: &str,
    lane: &Lane,
    at_ms: i64,
    urgency: Urgency,
) -> Result<()> {
    asking(queue, lane, at_ms, urgency).execute(&mut *write.tx).await?;
    write.signals.push(Signal::Queue(queue.to_owned()));
    Ok(())
}

/// The statement that asks for a lane. Asking twice before it is looked at is asking once, for the earlier time.
fn asking<'q>(queue: &'q str, lane: &Lane, at_ms: i64, urgency: Urgency) -> Statement<'q> {
    sqlx::query(
        "INSERT INTO jobs (id, queue, lane, attempt, state, run_at_ms) VALUES ($1, $2, $3, 1, 'pending', $4) \
         ON CONFLICT (lane) WHERE state = 'pending' DO UPDATE SET run_at_ms = CASE \
           WHEN EXCLUDED.run_at_ms < jobs.run_at_ms AND (jobs.attempt = 1 OR $5 = 1) THEN EXCLUDED.run_at_ms \
           ELSE jobs.run_at_ms END",
    )
    .bind(uuid::Uuid::now_v7().to_string())
    .bind(queue)
    .bind(lane.to_string())
    .bind(at_ms)
    .bind(i64::from(urgency == Urgency::Now))
}

/// Asks for the next try of a lane. One that was asked for meanwhile becomes that try.
async fn again(write: &mut Write<'_>, queue: &str, lane: &Lane, attempt: i64, at_ms: i64) -> Result<()> {
    sqlx::query(
        "INSERT INTO jobs (id, queue, lane, attempt, state, run_at_ms) VALUES ($1, $2, $3, $4, 'pending', $5) \
         ON CONFLICT (lane) WHERE state = 'pending' DO UPDATE SET attempt = EXCLUDED.attempt",
    )
    .bind(uuid::Uuid::now_v7().to_string())
    .bind(queue)
    .bind(lane.to_string())
    .bind(attempt)
    .bind(at_ms)
    .execute(&mut *write.tx)
    .await?;
    write.signals.push(Signal::Queue(queue.to_owned()));
    Ok(())
}
