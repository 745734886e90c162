//! Numbers the placeholders of secrets, for each conversation from 1 by first sight, and keeps the key by which the same
//! secret is known again. Knows no secret.

use std::{borrow::Cow, collections::BTreeMap};

use sqlx::Row;

use super::{Error, Result, Store, Write};
use crate::{event::ConversationId, redact};

impl Store {
    /// The key of the placeholders' tags: the same for all who share the database. Made at the first call.
    pub async fn mask_key(&self) -> Result<[u8; 32]> {
        let made: String = redact::random_key().iter().map(|byte| format!("{byte:02x}")).collect();
        let mut writer = self.writer().await?;
        sqlx::query("INSERT INTO mask_key (id, key) VALUES (1, $1) ON CONFLICT (id) DO NOTHING")
            .bind(made)
            .execute(&mut **writer)
            .await?;
        let row = sqlx::query("SELECT key FROM mask_key WHERE id = 1").fetch_one(&mut **writer).await?;
        let kept = row.get::<String, _>(0);
        from_hex(&kept).ok_or_else(|| {
            Error::Unusable(
                "the table mask_key of the database holds no key of 64 hexadecimal digits; delete its row, and a new \
                 one is made"
                    .into(),
            )
        })
    }
}

fn from_hex(text: &str) -> Option<[u8; 32]> {
    let digits = text.as_bytes().chunks_exact(2);
    let bytes = digits.map(|two| u8::from_str_radix(std::str::from_utf8(two).ok()?, 16).ok());
    bytes.collect::<Option<Vec<u8>>>()?.try_into().ok().filter(|_| text.len() == 64)
}

/// `text` with the numbers of `conversation` in its placeholders. The caller holds the lock on the conversation's row,
/// so nobody else numbers meanwhile.
pub(super) async fn numbered<'t>(
    write: &mut Write<'_>,
    conversation: &ConversationId,
    text: &'t str,
) -> Result<Cow<'t, str>> {
    let waiting = redact::unnumbered(text);
    if waiting.is_empty() {
        return Ok(Cow::Borrowed(text));
    }
    let rows = sqlx::query("SELECT tag, number, name FROM masked WHERE conversation_id = $1")
        .bind(&conversation.0)
        .fetch_all(&mut *write.tx)
        .await?;
    let mut known: BTreeMap<String, (i64, String)> =
        rows.iter().map(|row| (row.get(0), (row.get(1), row.get(2)))).collect();
    let mut last = known.values().map(|(number, _)| *number).max().unwrap_or(0);
    for new in waiting {
        if known.contains_key(&new.tag) {
            continue;
        }
        last += 1;
        sqlx::query("INSERT INTO masked (conversation_id, tag, number, name) VALUES ($1, $2, $3, $4)")
            .bind(&conversation.0)
            .bind(&new.tag)
            .bind(last)
            .bind(&new.name)
            .execute(&mut *write.tx)
            .await?;
        known.insert(new.tag, (last, new.name));
    }
    Ok(Cow::Owned(redact::numbered(text, &known).into_owned()))
}
