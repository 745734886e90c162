//! What platforms show of conversations, and what people were told once.

use sqlx::Row;

use super::{Result, Store};
use crate::event::ConversationId;

/// A post that was made, or that was about to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shown {
    /// Its key within the conversation.
    pub key: String,
    /// The platform's id of it; `None` where it is not known whether it was made.
    pub remote: Option<String>,
    /// The digest of what it shows.
    pub digest: String,
    /// When it was last changed, Unix milliseconds.
    pub at_ms: i64,
}

impl Store {
    /// What is shown of a conversation, oldest post first.
    pub async fn posts(&self, conversation: &ConversationId) -> Result<Vec<Shown>> {
        let rows = sqlx::query(
            "SELECT post_key, remote_id, digest, shown_at_ms FROM posts WHERE conversation_id = $1 \
             ORDER BY made_at_ms, post_key",
        )
        .bind(&conversation.0)
        .fetch_all(&self.reader)
        .await?;
        Ok(rows
            .iter()
            .map(|row| Shown { key: row.get(0), remote: row.get(1), digest: row.get(2), at_ms: row.get(3) })
            .collect())
    }

    /// Notes that a post is about to be made: from here on it may exist.
    pub async fn about_to_post(&self, conversation: &ConversationId, key: &str) -> Result<()> {
        sqlx::query(
            "INSERT INTO posts (conversation_id, post_key, digest, made_at_ms, shown_at_ms) VALUES ($1, $2, '', $3, $3) \
             ON CONFLICT (conversation_id, post_key) DO NOTHING",
        )
        .bind(&conversation.0)
        .bind(key)
        .bind(self.clock.now_ms())
        .execute(&mut **self.writer().await?)
        .await?;
        Ok(())
    }

    /// Notes that a post exists and what it shows.
    pub async fn posted(
        &self,
        conversation: &ConversationId,
        key: &str,
        remote: &str,
        digest: &str,
    ) -> Result<()> {
        sqlx::query(
            "INSERT INTO posts (conversation_id, post_key, remote_id, digest, made_at_ms, shown_at_ms) \
             VALUES ($1, $2, $3, $4, $5, $5) \
             ON CONFLICT (conversation_id, post_key) DO UPDATE SET remote_id = EXCLUDED.remote_id, \
               digest = EXCLUDED.digest, shown_at_ms = EXCLUDED.shown_at_ms",
        )
        .bind(&conversation.0)
        .bind(key)
        .bind(remote)
        .bind(digest)
        .bind(self.clock.now_ms())
        .execute(&mut **self.writer().await?)
        .await?;
        Ok(())
    }

    /// Whether `notice` is told for the first time; it counts as told from now on.
    pub async fn tell_once(&self, notice: &str) -> Result<bool> {
        let told = sqlx::query(
            "INSERT INTO told (notice, told_at_ms) VALUES ($1, $2) ON CONFLICT (notice) DO NOTHING",
        )
        .bind(notice)
        .bind(self.clock.now_ms())
        .execute(&mut **self.writer().await?)
        .await?;
        Ok(told.rows_affected() == 1)
    }
}
