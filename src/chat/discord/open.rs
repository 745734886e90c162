//! Opens threads: from the message that asked, or from the answer to the command that did.

use std::num::NonZeroU64;

use serde::Deserialize;
use serde_json::{Value, json};
use serenity::{
    http::Route,
    model::id::{ChannelId, InteractionId, MessageId},
};

use super::{
    Discord,
    answers::Answer,
    ask::Ask,
    faults::{Doing, fault, no_id},
    message,
    rest::Error,
};
use crate::{chat::Fault, event::Place, redact::Redacted};

/// A day without a word, then Discord puts the thread away.
const ARCHIVED_AFTER_MINUTES: u64 = 1440;

/// The flag of an answer that still says "thinking…".
const LOADING: u64 = 1 << 7;

/// Discord's length of a thread's name.
pub(super) const LONGEST_TITLE: usize = 100;

#[derive(Deserialize)]
struct Made {
    id: MessageId,
}

/// The origin of a conversation that a command began. The letter keeps it apart from those that a message began.
pub(super) fn origin(interaction: InteractionId) -> String {
    format!("i{interaction}")
}

/// The command that began a conversation, if one did.
pub(super) fn interaction(origin: &str) -> Option<InteractionId> {
    origin.strip_prefix('i').and_then(|id| id.parse::<NonZeroU64>().ok()).map(Into::into)
}

/// An id out of the log.
pub(super) fn id<T: From<NonZeroU64>>(text: &str) -> Result<T, Fault> {
    text.parse::<NonZeroU64>().map(T::from).map_err(|_| no_id(text))
}

impl Discord {
    /// Opens a place's thread, or finds the one that an earlier try opened.
    pub(super) async fn open_thread(&self, place: &Place, title: &Redacted) -> Result<String, Fault> {
        if let Some(thread) = &place.thread {
            return Ok(thread.clone());
        }
        let channel: ChannelId = id(&place.channel)?;
        let begun = match interaction(&place.origin) {
            Some(interaction) => self
                .starter(channel, interaction, &place.origin, title)
                .await
                .map_err(|e| fault(&e, Doing::Telling, &place.channel))?,
            None => id(&place.origin)?,
        };
        let body = json!({ "name": name(title), "auto_archive_duration": ARCHIVED_AFTER_MINUTES });
        let route = Route::ChannelMessageThreads { channel_id: channel, message_id: begun };
        match self.rest().fetch::<Made>(&Ask::post(route, body)).await {
            Ok(made) => Ok(made.id.to_string()),
            // It exists: a thread has the id of the message that it began with.
            Err(error) if error.code() == 160_004 => Ok(begun.to_string()),
            Err(error) => Err(fault(&error, Doing::Opening, &place.channel)),
        }
    }

    /// The message that a command's thread begins with.
    async fn starter(
        &self,
        channel: ChannelId,
        interaction: InteractionId,
        origin: &str,
        title: &Redacted,
    ) -> Result<MessageId, Error> {
        if let Some(answer) = self.answers().get(origin).await {
            match self.reword(&answer, &message::quote(&answer.words, 1900)).await {
                Ok(made) => return Ok(made),
                Err(error) if error.is_passing() => return Err(error),
                Err(error) => tracing::debug!(%error, "a command's answer cannot be changed any more"),
            }
        }
        let words = format!("Asked by command {}:\n{}", when(interaction), message::quote(title, 400));
        if let Some(made) = self.find_starter(channel, interaction, &words).await? {
            return Ok(made);
        }
        let route = Route::ChannelMessages { channel_id: channel };
        let body = message::note(&words, origin);
        self.rest().fetch::<Made>(&Ask::post(route, body)).await.map(|made| made.id)
    }

    /// Changes the first answer to a command.
    pub(super) async fn reword(&self, answer: &Answer, words: &str) -> Result<MessageId, Error> {
        let route = Route::WebhookOriginalInteractionResponse {
            application_id: answer.application,
            token: &answer.token,
        };
        self.rest().fetch::<Made>(&Ask::patch(route, message::text(words))).await.map(|made| made.id)
    }

    /// What an earlier try, of another process perhaps, made the thread begin with.
    async fn find_starter(
        &self,
        channel: ChannelId,
        interaction: InteractionId,
        words: &str,
    ) -> Result<Option<MessageId>, Error> {
        let me = self.me().await?.to_string();
        let interaction = interaction.to_string();
        let ask = Ask::get(Route::ChannelMessages { channel_id: channel })
            .query("after", &interaction)
            .query("limit", &100);
        let page: Vec<Value> = match self.rest().fetch(&ask).await {
            Err(error) if !error.is_passing() => return Ok(None),
            page => page?,
        };
        let is_it = |shown: &&Value| {
            let answers = shown["interaction_metadata"]["id"] == interaction.as_str()
                && shown["flags"].as_u64().unwrap_or_default() & LOADING == 0;
            shown["author"]["id"] == me.as_str() && (answers || shown["content"] == words)
        };
        let made = page.iter().find(is_it).and_then(|shown| shown["id"].as_str()?.parse::<NonZeroU64>().ok());
        Ok(made.map(MessageId::from))
    }
}

/// The time of a command, as Discord shows times to each reader in their own.
fn when(interaction: InteractionId) -> String {
    format!("<t:{}:f>", interaction.created_at().unix_timestamp())
}

fn name(title: &str) -> String {
    let name: String = title.trim().chars().take(LONGEST_TITLE).collect();
    if name.is_empty() { "Diagnosis".into() } else { name }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_says_what_began_it() {
        assert_eq!(origin(InteractionId::new(7)), "i7");
        assert_eq!(interaction("i7"), Some(InteractionId::new(7)));
        assert_eq!(interaction("7"), None);
        assert_eq!(interaction("i0"), None);
        assert_eq!(id::<ChannelId>("7").unwrap(), ChannelId::new(7));
        assert!(matches!(id::<ChannelId>("main"), Err(Fault::Refused { tell: false, .. })));
    }

    #[test]
    fn a_name_fits() {
        assert_eq!(name("  why? "), "why?");
        assert_eq!(name(&"ü".repeat(200)).chars().count(), 100);
        assert_eq!(name("  "), "Diagnosis");
    }
}
