//! Which channels and threads there are and what belongs to what: heard from the gateway, asked for where it was
//! silent.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use serde::Deserialize;
use serenity::{
    http::Route,
    model::{
        channel::{ChannelType, GuildChannel, PartialChannel},
        guild::Guild,
        id::{ChannelId, GuildId, RoleId, UserId},
    },
};

use super::{
    ask::Ask,
    rest::{Error, Rest},
};
use crate::store::Spot;

/// A channel of a server, or a thread of a channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct At {
    pub guild: GuildId,
    /// The channel itself, or the one that the thread belongs to.
    pub channel: ChannelId,
    pub thread: Option<ChannelId>,
}

impl At {
    /// Where a message is said that would begin a conversation with `origin`.
    pub fn spot(&self, origin: &impl ToString) -> Spot {
        let channel = self.channel.to_string();
        match self.thread {
            Some(thread) => Spot::Thread { channel, thread: thread.to_string() },
            None => Spot::Channel { channel, origin: origin.to_string() },
        }
    }

    /// The id that messages said here carry.
    pub fn id(&self) -> ChannelId {
        self.thread.unwrap_or(self.channel)
    }
}

/// What is known.
#[derive(Default)]
pub(super) struct Channels {
    places: Mutex<HashMap<ChannelId, At>>,
    /// The role that Discord made for the bot in each server; people mention it when they mean the bot.
    own_roles: Mutex<HashMap<GuildId, RoleId>>,
}

impl Channels {
    /// Learns a server's channels and active threads.
    pub fn learn_guild(&self, guild: &Guild, me: UserId) {
        let mut places = self.places();
        for channel in guild.channels.values() {
            places.insert(channel.id, at(guild.id, channel.id, channel.kind, channel.parent_id));
        }
        for thread in &guild.threads {
            places.insert(thread.id, at(guild.id, thread.id, thread.kind, thread.parent_id));
        }
        drop(places);
        let own = guild.roles.values().find(|role| role.tags.bot_id == Some(me));
        if let Some(role) = own {
            self.own_roles.lock().unwrap_or_else(PoisonError::into_inner).insert(guild.id, role.id);
        }
    }

    /// Learns one channel or thread.
    pub fn learn(&self, channel: &GuildChannel) {
        let place = at(channel.guild_id, channel.id, channel.kind, channel.parent_id);
        self.places().insert(channel.id, place);
    }

    /// Forgets one that was deleted.
    pub fn forget(&self, channel: ChannelId) {
        self.places().remove(&channel);
    }

    /// The bot's own role in a server.
    pub fn own_role(&self, guild: GuildId) -> Option<RoleId> {
        self.own_roles.lock().unwrap_or_else(PoisonError::into_inner).get(&guild).copied()
    }

    /// A channel or thread that was heard of.
    pub fn known(&self, channel: ChannelId) -> Option<At> {
        self.places().get(&channel).copied()
    }

    /// A channel or thread, asked for if it was not heard of; `None` for one
    /// outside of servers.
    pub async fn find(&self, channel: ChannelId, rest: &Rest) -> Result<Option<At>, Error> {
        #[derive(Deserialize)]
        struct Found {
            id: ChannelId,
            #[serde(rename = "type")]
            kind: ChannelType,
            guild_id: Option<GuildId>,
            parent_id: Option<ChannelId>,
        }
        if let Some(known) = self.known(channel) {
            return Ok(Some(known));
        }
        let found: Found = rest.persist(&Ask::get(Route::Channel { channel_id: channel })).await?;
        let Some(guild) = found.guild_id else { return Ok(None) };
        let place = at(guild, found.id, found.kind, found.parent_id);
        self.places().insert(channel, place);
        Ok(Some(place))
    }

    /// Where a command was used, as Discord tells with it.
    pub fn of_interaction(&self, guild: GuildId, id: ChannelId, told: Option<&PartialChannel>) -> Option<At> {
        told.map(|told| at(guild, told.id, told.kind, told.parent_id)).or_else(|| self.known(id))
    }

    fn places(&self) -> MutexGuard<'_, HashMap<ChannelId, At>> {
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn at(guild: GuildId, id: ChannelId, kind: ChannelType, parent: Option<ChannelId>) -> At {
    let is_thread =
        matches!(kind, ChannelType::PublicThread | ChannelType::PrivateThread | ChannelType::NewsThread);
    match parent.filter(|_| is_thread) {
        Some(parent) => At { guild, channel: parent, thread: Some(id) },
        None => At { guild, channel: id, thread: None },
    }
}
