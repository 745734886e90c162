//! The whole outputs of which a log keeps only the part that a prompt may carry.

use sqlx::Row;

use super::{Result, Store, masked};
use crate::{
    event::{ArtifactId, ConversationId},
    redact::Redacted,
};

impl Store {
    /// Keeps an output, with the conversation's numbers in its placeholders.
    pub async fn keep(&self, conversation: &ConversationId, text: &Redacted) -> Result<ArtifactId> {
        let id = uuid::Uuid::now_v7().to_string();
        let mut writer = self.writer().await?;
        let mut write = self.begin(&mut writer).await?;
        // The lock that numbering wants, as an append has it.
        sqlx::query("UPDATE conversations SET last_seq = last_seq WHERE id = $1")
            .bind(&conversation.0)
            .execute(&mut *write.tx)
            .await?;
        let text = masked::numbered(&mut write, conversation, text).await?;
        sqlx::query("INSERT INTO artifacts (id, conversation_id, made_at_ms, text) VALUES ($1, $2, $3, $4)")
            .bind(&id)
            .bind(&conversation.0)
            .bind(self.clock.now_ms())
            .bind(text.as_ref())
            .execute(&mut *write.tx)
            .await?;
        self.commit(write).await?;
        Ok(ArtifactId(id))
    }

    /// An output of this conversation.
    pub async fn artifact(&self, conversation: &ConversationId, id: &ArtifactId) -> Result<Option<Redacted>> {
        let row = sqlx::query("SELECT text FROM artifacts WHERE id = $1 AND conversation_id = $2")
            .bind(&id.0)
            .bind(&conversation.0)
            .fetch_optional(&self.reader)
            .await?;
        Ok(row.map(|row| Redacted::from(row.get::<String, _>(0))))
    }
}
