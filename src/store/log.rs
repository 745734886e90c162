//! Conversations and their logs. What a person says comes in by [`Store::receive`]; everything else is appended
//! under a lease.

use std::borrow::Cow;

use sqlx::{Row, any::AnyRow};

use super::{
    Error, Lane, Lease, Result, Store, Write, masked,
    queue::{Urgency, enqueue, hold},
    spent,
    wake::{Signal, Watch},
};
use crate::{
    event::{Author, ConversationId, Entry, Event, Place},
    finding::Resource,
    redact::Redacted,
};

/// Where something was said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Spot {
    /// In a channel, where the message or command `origin` begins a conversation.
    Channel {
        /// The channel.
        channel: String,
        /// The message or command.
        origin: String,
    },
    /// In a thread, which goes on with its conversation or begins one.
    Thread {
        /// The channel that the thread belongs to.
        channel: String,
        /// The thread.
        thread: String,
    },
}

/// Who does a conversation's turns and who shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Queues {
    /// The queue of its turns.
    pub turn: String,
    /// The queue of its deliveries; `None` for a conversation that is followed and not posted.
    pub deliver: Option<String>,
}

/// Something a person said.
#[derive(Debug, Clone)]
pub struct Incoming {
    /// The platform's name.
    pub platform: String,
    /// The platform's id of the message: the same id is the same message.
    pub message: String,
    /// Where.
    pub spot: Spot,
    /// Who.
    pub author: Author,
    /// What, without the mention.
    pub text: Redacted,
    /// The object that a command named.
    pub about: Option<Resource>,
    /// Whether it is said to the bot: if not, it is taken in only where a conversation is going on.
    pub addressed: bool,
    /// The cluster that a new conversation is about.
    pub cluster: String,
    /// Who is to work on a new conversation.
    pub queues: Queues,
}

/// What came of something said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Received {
    /// It is in the log now.
    Taken(ConversationId),
    /// It was there already.
    Known(ConversationId),
    /// It was not said to the bot.
    NotForUs,
}

/// A conversation, without its log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conversation {
    /// Its id.
    pub id: ConversationId,
    /// The cluster that it is about.
    pub cluster: String,
    /// Where it is held.
    pub place: Place,
    /// The number of its last entry.
    pub last_seq: i64,
}

impl Store {
    /// Takes in what a person said, in one transaction: finds or makes the conversation, appends `UserSaid` unless
    /// this message is there already, and asks for a turn and a delivery.
    pub async fn receive(&self, said: &Incoming) -> Result<Received> {
        let mut writer = self.writer().await?;
        let mut write = self.begin(&mut writer).await?;
        let source = format!("{}:{}", said.platform, said.message);
        let known = sqlx::query("SELECT conversation_id FROM events WHERE source = $1")
            .bind(&source)
            .fetch_optional(&mut *write.tx)
            .await?;
        if let Some(row) = known {
            return Ok(Received::Known(ConversationId(row.get(0))));
        }
        let Some((conversation, queues)) = find_or_make(&mut write, said, self.clock.now_ms()).await? else {
            return Ok(Received::NotForUs);
        };
        let event = Event::UserSaid {
            author: said.author.clone(),
            text: said.text.clone(),
            about: said.about.clone(),
        };
        let now = self.clock.now_ms();
        if insert(&mut write, &conversation, now, &[event], Some(&source)).await?.is_none() {
            // Another process took the same message in between the look and here.
            return Ok(Received::Known(conversation));
        }
        if let Some(queue) = &queues.deliver {
            enqueue(&mut write, queue, &Lane::Deliver(conversation.clone()), now, Urgency::Ask).await?;
        }
        enqueue(&mut write, &queues.turn, &Lane::Turn(conversation.clone()), now, Urgency::Now).await?;
        self.commit(write).await?;
        Ok(Received::Taken(conversation))
    }

    /// Appends `events` together, if `lease` still holds, and asks for a delivery.
    pub async fn append(
        &self,
        lease: &Lease,
        conversation: &ConversationId,
        events: &[Event],
    ) -> Result<Vec<Entry>> {
        let mut writer = self.writer().await?;
        let mut write = self.begin(&mut writer).await?;
        hold(&mut write, lease).await?;
        let now = self.clock.now_ms();
        let Some((entries, deliver)) = insert(&mut write, conversation, now, events, None).await? else {
            return Err(Error::LeaseLost(lease.lane.clone()));
        };
        if let Some(queue) = deliver {
            enqueue(&mut write, &queue, &Lane::Deliver(conversation.clone()), now, Urgency::Ask).await?;
        }
        self.commit(write).await?;
        Ok(entries)
    }

    /// The log after entry `after`, oldest first.
    pub async fn log(&self, conversation: &ConversationId, after: i64) -> Result<Vec<Entry>> {
        sqlx::query(
            "SELECT seq, at_ms, body FROM events WHERE conversation_id = $1 AND seq > $2 ORDER BY seq",
        )
        .bind(&conversation.0)
        .bind(after)
        .fetch_all(&self.reader)
        .await?
        .iter()
        .map(|row| entry(conversation, row))
        .collect()
    }

    /// Tells when the log grows.
    pub fn watch(&self, conversation: &ConversationId) -> Watch {
        self.wakes.log(conversation)
    }

    /// A conversation by its id.
    pub async fn conversation(&self, id: &ConversationId) -> Result<Option<Conversation>> {
        let row = sqlx::query(
            "SELECT id, cluster, platform, channel, origin, thread, last_seq FROM conversations WHERE id = $1",
        )
        .bind(&id.0)
        .fetch_optional(&self.reader)
        .await?;
        Ok(row.map(|row| conversation(&row)))
    }

    /// The conversations of a platform that something was said in since `since_ms`, latest first, at most `most`.
    pub async fn conversations(&self, platform: &str, since_ms: i64, most: i64) -> Result<Vec<Conversation>> {
        Ok(sqlx::query(
            "SELECT id, cluster, platform, channel, origin, thread, last_seq FROM conversations \
             WHERE platform = $1 AND active_at_ms >= $2 ORDER BY active_at_ms DESC LIMIT $3",
        )
        .bind(platform)
        .bind(since_ms)
        .bind(most)
        .fetch_all(&self.reader)
        .await?
        .iter()
        .map(conversation)
        .collect())
    }

    /// The conversations whose id begins with `begins`, latest first, at most `most`.
    pub async fn conversations_like(&self, begins: &str, most: i64) -> Result<Vec<Conversation>> {
        // Ids have neither of these, and LIKE makes something of them.
        let begins = begins.replace(['%', '_'], "?");
        Ok(sqlx::query(
            "SELECT id, cluster, platform, channel, origin, thread, last_seq FROM conversations \
             WHERE id LIKE $1 ORDER BY active_at_ms DESC, id DESC LIMIT $2",
        )
        .bind(format!("{begins}%"))
        .bind(most)
        .fetch_all(&self.reader)
        .await?
        .iter()
        .map(conversation)
        .collect())
    }

    /// Whether a platform's message was taken in.
    pub async fn has_message(&self, platform: &str, message: &str) -> Result<bool> {
        let row = sqlx::query("SELECT 1 FROM events WHERE source = $1")
            .bind(format!("{platform}:{message}"))
            .fetch_optional(&self.reader)
            .await?;
        Ok(row.is_some())
    }

    /// Notes the thread that a conversation's place was opened as.
    pub async fn opened(&self, conversation: &ConversationId, thread: &str) -> Result<()> {
        sqlx::query("UPDATE conversations SET thread = $2 WHERE id = $1 AND thread IS NULL")
            .bind(&conversation.0)
            .bind(thread)
            .execute(&mut **self.writer().await?)
            .await?;
        Ok(())
    }
}

/// The conversation that something was said in, with its queues; `None` where there is none and none is begun.
async fn find_or_make(
    write: &mut Write<'_>,
    said: &Incoming,
    now_ms: i64,
) -> Result<Option<(ConversationId, Queues)>> {
    // A thread that began with a message has the message's id, so its first replies may come before it is opened.
    let (channel, origin, thread) = match &said.spot {
        Spot::Channel { channel, origin } => (channel, origin, None),
        Spot::Thread { channel, thread } => (channel, thread, Some(thread)),
    };
    let find = "SELECT id, turn_queue, deliver_queue FROM conversations \
                WHERE platform = $1 AND (thread = $2 OR origin = $2)";
    if let Some(row) =
        sqlx::query(find).bind(&said.platform).bind(origin).fetch_optional(&mut *write.tx).await?
    {
        return Ok(Some(owned(&row)));
    }
    if !said.addressed {
        return Ok(None);
    }
    sqlx::query(
        "INSERT INTO conversations \
           (id, cluster, platform, channel, origin, thread, turn_queue, deliver_queue, active_at_ms) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT (platform, origin) DO NOTHING",
    )
    .bind(uuid::Uuid::now_v7().to_string())
    .bind(&said.cluster)
    .bind(&said.platform)
    .bind(channel)
    .bind(origin)
    .bind(thread.cloned())
    .bind(&said.queues.turn)
    .bind(said.queues.deliver.clone())
    .bind(now_ms)
    .execute(&mut *write.tx)
    .await?;
    let row = sqlx::query(find).bind(&said.platform).bind(origin).fetch_one(&mut *write.tx).await?;
    Ok(Some(owned(&row)))
}

fn owned(row: &AnyRow) -> (ConversationId, Queues) {
    (ConversationId(row.get(0)), Queues { turn: row.get(1), deliver: row.get(2) })
}

/// Puts `events` at the end of the log, their placeholders numbered, and gives them back with the delivery queue; `None` if `source` is in a log
/// already.
async fn insert(
    write: &mut Write<'_>,
    conversation: &ConversationId,
    now_ms: i64,
    events: &[Event],
    source: Option<&str>,
) -> Result<Option<(Vec<Entry>, Option<String>)>> {
    // The lock on this row is what keeps the numbers without a gap on both databases.
    let row = sqlx::query(
        "UPDATE conversations SET last_seq = last_seq + $2, active_at_ms = $3 WHERE id = $1 \
         RETURNING last_seq, deliver_queue",
    )
    .bind(&conversation.0)
    .bind(i64::try_from(events.len()).unwrap_or(i64::MAX))
    .bind(now_ms)
    .fetch_one(&mut *write.tx)
    .await?;
    let mut seq = row.get::<i64, _>(0) - i64::try_from(events.len()).unwrap_or(i64::MAX);
    let mut entries = Vec::with_capacity(events.len());
    for event in events {
        seq += 1;
        let body = serde_json::to_string(event).map_err(|e| unreadable(conversation, seq, &e))?;
        let body = masked::numbered(write, conversation, &body).await?;
        let event = match &body {
            Cow::Borrowed(_) => event.clone(),
            Cow::Owned(body) => parsed(conversation, seq, body)?,
        };
        let inserted = sqlx::query(
            "INSERT INTO events (conversation_id, seq, at_ms, kind, body, source) \
             VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (source) WHERE source IS NOT NULL DO NOTHING",
        )
        .bind(&conversation.0)
        .bind(seq)
        .bind(now_ms)
        .bind(event.kind())
        .bind(body.as_ref())
        .bind(source.map(str::to_owned))
        .execute(&mut *write.tx)
        .await?;
        if inserted.rows_affected() == 0 {
            return Ok(None);
        }
        spent::note(write, conversation, (seq, now_ms), &event).await?;
        entries.push(Entry { seq, at_ms: now_ms, event });
    }
    write.signals.push(Signal::Log(conversation.clone()));
    Ok(Some((entries, row.get(1))))
}

fn entry(conversation: &ConversationId, row: &AnyRow) -> Result<Entry> {
    let seq = row.get(0);
    let event = parsed(conversation, seq, &row.get::<String, _>(2))?;
    Ok(Entry { seq, at_ms: row.get(1), event })
}

fn parsed(conversation: &ConversationId, seq: i64, body: &str) -> Result<Event> {
    serde_json::from_str(body).map_err(|e| unreadable(conversation, seq, &e))
}

fn unreadable(conversation: &ConversationId, seq: i64, error: &serde_json::Error) -> Error {
    Error::Unreadable {
        conversation: conversation.0.clone(),
        what: format!("entry {seq}"),
        why: error.to_string(),
    }
}

fn conversation(row: &AnyRow) -> Conversation {
    Conversation {
        id: ConversationId(row.get(0)),
        cluster: row.get(1),
        place: Place { platform: row.get(2), channel: row.get(3), origin: row.get(4), thread: row.get(5) },
        last_seq: row.get(6),
    }
}
