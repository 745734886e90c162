//! What replies of models took, by person and time: what budgets of a day are reckoned from.

use sqlx::Row;

use super::{Result, Store, Write};
use crate::event::{ConversationId, Event};

/// What was spent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Spent {
    /// Replies of models.
    pub steps: u64,
    /// Tokens read and written.
    pub tokens: u64,
    /// Millionths of a US dollar.
    pub cost: u64,
    /// Milliseconds that models took.
    pub ms: u64,
}

impl Store {
    /// What was spent since `since_ms`, by one person or by all.
    pub async fn spent(&self, since_ms: i64, person: Option<&str>) -> Result<Spent> {
        let row = sqlx::query(
            "SELECT COUNT(*), CAST(COALESCE(SUM(tokens), 0) AS BIGINT), CAST(COALESCE(SUM(cost), 0) AS BIGINT), \
             CAST(COALESCE(SUM(took_ms), 0) AS BIGINT) FROM spent \
             WHERE at_ms >= $1 AND ($2 = '' OR person = $2)",
        )
        .bind(since_ms)
        .bind(person.unwrap_or_default().to_owned())
        .fetch_one(&self.reader)
        .await?;
        let number = |at: usize| u64::try_from(row.get::<i64, _>(at)).unwrap_or_default();
        Ok(Spent { steps: number(0), tokens: number(1), cost: number(2), ms: number(3) })
    }
}

/// Notes what an event took, if it is one that a model was asked for.
pub(super) async fn note(
    write: &mut Write<'_>,
    conversation: &ConversationId,
    (seq, now_ms): (i64, i64),
    event: &Event,
) -> Result<()> {
    let (usage, took_ms) = match event {
        Event::ModelReplied { usage, took_ms, .. } => (usage, *took_ms),
        Event::Condensed { usage, .. } => (usage, 0),
        _ => return Ok(()),
    };
    // The turn knows whom it is done for.
    let latest = "SELECT body FROM events WHERE conversation_id = $1 AND kind = 'turn_started' AND seq < $2 \
                  ORDER BY seq DESC LIMIT 1";
    let turn = sqlx::query(latest).bind(&conversation.0).bind(seq).fetch_optional(&mut *write.tx).await?;
    let started = turn.and_then(|row| serde_json::from_str(&row.get::<String, _>(0)).ok());
    let person = match started {
        Some(Event::TurnStarted { person: Some(person), .. }) => person,
        _ => String::new(),
    };
    let count = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
    sqlx::query(
        "INSERT INTO spent (conversation_id, seq, at_ms, person, tokens, cost, took_ms) \
         VALUES ($1, $2, $3, $4, $5, $6, $7)",
    )
    .bind(&conversation.0)
    .bind(seq)
    .bind(now_ms)
    .bind(person)
    .bind(count(usage.input + usage.output))
    .bind(count(usage.cost))
    .bind(count(took_ms))
    .execute(&mut *write.tx)
    .await?;
    Ok(())
}
