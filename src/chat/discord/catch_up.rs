//! Fetches what was said while nobody listened, and lets it go the normal way in.

use std::{collections::HashSet, num::NonZeroU64, sync::Arc, time::Duration};

use futures::{StreamExt, stream};
use serde_json::Value;
use serenity::model::{
    Permissions,
    channel::{ChannelType, GuildChannel, Message},
    guild::Guild,
    id::ChannelId,
};

use super::{
    NAME,
    door::Door,
    platform::{PAGE, by_id, page_after},
    rest::Error,
};
use crate::{clock::millis, store::Conversation};

/// Channels looked through at once.
const AT_ONCE: usize = 4;

/// Pages of one channel that are read at most.
const PAGES: usize = 50;

/// Conversations that are looked through at most.
const CONVERSATIONS: i64 = 500;

/// Conversations that are known again at most, the latest ones.
const KNOWN: i64 = 10_000;

/// How long new messages wait for those before them that are being fetched.
const WAIT: Duration = Duration::from_secs(15);

/// 2015-01-01, which Discord's ids count from, in Unix milliseconds.
const EPOCH_MS: i64 = 1_420_070_400_000;

impl Door {
    /// Looks through the threads of the conversations that go on. What is said there meanwhile waits, so that it
    /// comes after what was missed.
    pub async fn catch_up_conversations(self: &Arc<Self>) {
        self.inbox.hold_all();
        self.forget_roles();
        let threads = self.conversations(self.window_start_ms(), CONVERSATIONS).await;
        let again = self.inbox.hold_only(threads.iter().copied());
        self.serve_all(again);
        let patience = tokio::spawn({
            let door = self.clone();
            async move {
                tokio::time::sleep(WAIT).await;
                let again = door.inbox.hold_only([]);
                door.serve_all(again);
            }
        });
        stream::iter(threads)
            .for_each_concurrent(AT_ONCE, async |thread| {
                self.look_through(thread, true).await;
                if self.inbox.release(thread) {
                    self.serve(thread).await;
                }
            })
            .await;
        patience.abort();
    }

    /// Looks through the channels of a server that just came into sight, and through its active threads.
    pub async fn catch_up_guild(self: &Arc<Self>, guild: &Guild) {
        if !self.discord.settings().allow.guild(guild.id) || self.discord.settings().window.is_zero() {
            return;
        }
        let since = self.window_start();
        let watched = guild.channels.values().filter(|channel| self.is_watched(guild, channel));
        let news = watched.chain(self.watched_threads(guild)).filter(|channel| has_news(channel, since));
        let mut news: Vec<ChannelId> = news.map(|channel| channel.id).collect();
        // Channels come before the threads that began in them.
        news.sort_by_key(|id| !guild.channels.contains_key(id));
        let any_thread = news.iter().any(|id| !guild.channels.contains_key(id));
        let ours: HashSet<ChannelId> = if any_thread {
            self.conversations(0, KNOWN).await.into_iter().collect()
        } else {
            HashSet::new()
        };
        let look = async |channel| self.look_through(channel, ours.contains(&channel)).await;
        stream::iter(news).for_each_concurrent(AT_ONCE, look).await;
    }

    fn serve_all(self: &Arc<Self>, channels: Vec<ChannelId>) {
        for channel in channels {
            let door = self.clone();
            tokio::spawn(async move { door.serve(channel).await });
        }
    }

    /// The threads of the latest conversations since then.
    async fn conversations(&self, since_ms: i64, most: i64) -> Vec<ChannelId> {
        let thread = |conversation: &Conversation| {
            conversation.place.thread.as_ref()?.parse::<NonZeroU64>().ok().map(ChannelId::from)
        };
        match self.inlet.store.conversations(NAME, since_ms, most).await {
            Ok(found) => found.iter().filter_map(thread).collect(),
            Err(error) => {
                tracing::error!(%error, "cannot find the conversations to catch up with");
                Vec::new()
            }
        }
    }

    fn is_watched(&self, guild: &Guild, channel: &GuildChannel) -> bool {
        let needed = Permissions::VIEW_CHANNEL | Permissions::READ_MESSAGE_HISTORY;
        let sees = guild
            .members
            .get(&self.me)
            .is_none_or(|own| guild.user_permissions_in(channel, own).contains(needed));
        matches!(channel.kind, ChannelType::Text | ChannelType::News)
            && self.discord.settings().allow.channel(channel.id)
            && sees
    }

    fn watched_threads<'a>(&'a self, guild: &'a Guild) -> impl Iterator<Item = &'a GuildChannel> {
        let allow = &self.discord.settings().allow;
        guild.threads.iter().filter(|thread| thread.parent_id.is_none_or(|parent| allow.channel(parent)))
    }

    /// Lets the messages of a channel within the window come in, oldest first. Those that are not said to the bot
    /// count only where it takes part: in threads of `ours`.
    async fn look_through(self: &Arc<Self>, channel: ChannelId, ours: bool) {
        match self.fetch_missed(channel, ours).await {
            Ok(0) => {}
            Ok(messages) => tracing::debug!(%channel, messages, "looked through a channel"),
            // It may not be seen, or is gone: whoever asks there now will be told what is missing.
            Err(error) => tracing::debug!(%channel, %error, "cannot look through a channel"),
        }
    }

    async fn fetch_missed(self: &Arc<Self>, channel: ChannelId, mut ours: bool) -> Result<usize, Error> {
        let mut after = self.window_start();
        let mut count = 0;
        for _ in 0..PAGES {
            let page: Vec<Value> = self.discord.rest().persist(&page_after(channel, after)).await?;
            let page = by_id(page);
            count += page.len();
            let full = page.len() >= PAGE;
            after = page.last().map_or(after, |(last, _)| *last);
            for (id, shown) in page {
                match serde_json::from_value::<Message>(shown) {
                    Ok(message) => {
                        ours |= self.is_addressed(&message);
                        if ours {
                            self.hear(message, true).await;
                        }
                    }
                    Err(error) => tracing::warn!(%channel, message = id, %error, "a message cannot be read"),
                }
            }
            if !full {
                return Ok(count);
            }
        }
        tracing::warn!(%channel, count, "too much was said here to look through all of it");
        Ok(count)
    }

    /// The id that a message said at the beginning of the window would have.
    fn window_start(&self) -> u64 {
        u64::try_from(self.window_start_ms() - EPOCH_MS).unwrap_or_default() << 22
    }

    fn window_start_ms(&self) -> i64 {
        self.inlet.store.clock().now_ms() - millis(self.discord.settings().window)
    }
}

/// Whether something was said after the message `since`, as far as Discord tells.
fn has_news(channel: &GuildChannel, since: u64) -> bool {
    channel.last_message_id.is_some_and(|last| last.get() > since)
}
