//! The world as the JSON objects of Discord's API.

use serde_json::{Map, Value, json};

use super::{
    clock::{Id, stamp},
    message::{Attachment, HAS_THREAD, Message},
    permission,
    world::{Channel, Guild, Kind, Member, Role, World},
};

/// Marks an application that may read what people write (the form for fewer than a hundred servers).
const MESSAGE_CONTENT_LIMITED: u64 = 1 << 19;
/// Marks an application that may list members.
const GUILD_MEMBERS_LIMITED: u64 = 1 << 15;

pub fn text(id: Id) -> String {
    id.to_string()
}

pub fn texts(ids: &[Id]) -> Vec<String> {
    ids.iter().copied().map(text).collect()
}

impl World {
    pub fn user_json(&self, id: Id) -> Value {
        let name = self.user_name(id);
        let mut user = json!({
            "id": text(id), "username": name.to_lowercase().replace(' ', "."), "global_name": name, "avatar": null,
            "discriminator": "0", "public_flags": 0, "flags": 0, "banner": null, "accent_color": null,
            "avatar_decoration_data": null, "collectibles": null, "primary_guild": null,
        });
        if self.users.get(&id).is_some_and(|user| user.bot) {
            user["bot"] = json!(true);
            user["global_name"] = Value::Null;
            user["username"] = json!(name);
        }
        user
    }

    /// The bot as it sees itself.
    pub fn own_user_json(&self) -> Value {
        let mut user = self.user_json(self.bot);
        merge(&mut user, json!({ "mfa_enabled": false, "locale": "en-US", "verified": true, "email": null }));
        user
    }

    pub fn application_flags(&self) -> u64 {
        let content = if self.settings.message_content { MESSAGE_CONTENT_LIMITED } else { 0 };
        let members = if self.settings.guild_members { GUILD_MEMBERS_LIMITED } else { 0 };
        content | members
    }

    pub fn application_json(&self) -> Value {
        let owner = self.users.keys().copied().find(|id| *id != self.bot).unwrap_or(self.bot);
        json!({
            "id": text(self.bot), "name": self.user_name(self.bot), "icon": null, "description": "", "type": null,
            "bot": self.user_json(self.bot), "bot_public": true, "bot_require_code_grant": false,
            "verify_key": "0".repeat(64), "flags": self.application_flags(),
            "flags_new": self.application_flags().to_string(), "redirect_uris": [],
            "interactions_endpoint_url": null, "role_connections_verification_url": null,
            "owner": self.user_json(owner), "approximate_guild_count": self.guilds.len(),
            "approximate_user_install_count": 0, "approximate_user_authorization_count": 0,
            "explicit_content_filter": 0, "team": null, "eligible_oauth2_scopes": ["bot", "applications.commands"],
        })
    }

    /// A member without the user, as it goes with a message.
    pub fn bare_member_json(member: &Member) -> Value {
        json!({
            "avatar": null, "banner": null, "communication_disabled_until": null, "flags": 0, "nick": null,
            "joined_at": stamp(member.joined_ms), "pending": false, "premium_since": null, "mute": false,
            "deaf": false, "roles": texts(&member.roles),
        })
    }

    pub fn member_json(&self, user: Id, member: &Member) -> Value {
        let mut object = Self::bare_member_json(member);
        object["user"] = self.user_json(user);
        object
    }

    pub fn role_json(role: &Role, position: usize) -> Value {
        let mut object = json!({
            "id": text(role.id), "name": role.name, "permissions": role.permissions.to_string(),
            "position": position, "color": 0,
            "colors": { "primary_color": 0, "secondary_color": null, "tertiary_color": null },
            "hoist": false, "managed": role.bot.is_some(), "mentionable": false, "icon": null, "unicode_emoji": null,
            "flags": 0,
        });
        if let Some(bot) = role.bot {
            object["tags"] = json!({ "bot_id": text(bot) });
        }
        object
    }

    pub fn roles_json(guild: &Guild) -> Vec<Value> {
        guild.roles.iter().enumerate().map(|(at, role)| Self::role_json(role, at)).collect()
    }

    pub fn guild_json(&self, guild: &Guild) -> Value {
        json!({
            "id": text(guild.id), "name": guild.name, "icon": null, "description": null, "home_header": null,
            "splash": null, "discovery_splash": null, "features": [], "banner": null, "owner_id": text(guild.owner),
            "application_id": null, "region": "us-east", "afk_channel_id": null, "afk_timeout": 300,
            "system_channel_id": null, "system_channel_flags": 0, "widget_enabled": false, "widget_channel_id": null,
            "verification_level": 0, "roles": Self::roles_json(guild), "default_message_notifications": 0,
            "mfa_level": 0, "explicit_content_filter": 0, "max_presences": null, "max_members": 250_000,
            "max_stage_video_channel_users": 50, "max_video_channel_users": 25, "vanity_url_code": null,
            "premium_tier": 0, "premium_subscription_count": 0, "preferred_locale": "en-US",
            "rules_channel_id": null, "safety_alerts_channel_id": null, "public_updates_channel_id": null,
            "premium_progress_bar_enabled": false, "nsfw": false, "nsfw_level": 0, "emojis": [], "stickers": [],
            "incidents_data": null,
        })
    }

    pub fn channel_json(&self, channel: &Channel) -> Value {
        let last = self.all_messages(channel.id).next_back().map(|message| text(message.id));
        let mut object = json!({
            "id": text(channel.id), "type": channel.kind.number(), "flags": 0, "last_message_id": last,
        });
        let rest = match channel.kind {
            Kind::Dm => {
                json!({ "recipients": channel.recipient.map(|id| self.user_json(id)).into_iter().collect::<Vec<_>>() })
            }
            Kind::Text => self.text_channel_json(channel),
            Kind::PublicThread | Kind::PrivateThread => self.thread_json(channel),
        };
        merge(&mut object, rest);
        object
    }

    fn text_channel_json(&self, channel: &Channel) -> Value {
        let deny =
            json!({ "id": text(self.bot), "type": 1, "allow": "0", "deny": channel.denied.to_string() });
        let overwrites = if channel.denied == 0 { Vec::new() } else { vec![deny] };
        let position = self.channels.keys().position(|id| *id == channel.id);
        json!({
            "guild_id": channel.guild.map(text), "name": channel.name, "parent_id": channel.parent.map(text),
            "rate_limit_per_user": 0, "topic": null, "position": position, "permission_overwrites": overwrites,
            "nsfw": false,
        })
    }

    fn thread_json(&self, channel: &Channel) -> Value {
        let now = self.messages(channel.id).filter(|message| message.kind != 21).count();
        let mut object = json!({
            "guild_id": channel.guild.map(text), "name": channel.name, "parent_id": channel.parent.map(text),
            "rate_limit_per_user": 0, "owner_id": text(channel.owner), "message_count": now, "member_count": 1,
            "total_message_sent": channel.sent,
            "thread_metadata": {
                "archived": channel.archived, "archive_timestamp": stamp(channel.archived_ms),
                "auto_archive_duration": channel.auto_archive, "locked": channel.locked,
                "create_timestamp": stamp(channel.created_ms),
            },
        });
        if self.joined(channel) {
            object["member"] = self.thread_member_json(channel);
        }
        object
    }

    /// Whether the bot is in a thread: it opened it or wrote there.
    pub fn joined(&self, channel: &Channel) -> bool {
        channel.owner == self.bot || self.posts(channel.id).next().is_some()
    }

    pub fn thread_member_json(&self, thread: &Channel) -> Value {
        let joined = stamp(thread.created_ms);
        json!({ "id": text(thread.id), "user_id": text(self.bot), "join_timestamp": joined, "flags": 0 })
    }

    pub fn attachment_json(&self, channel: Id, file: &Attachment) -> Value {
        let url = format!("{}/attachments/{channel}/{}/{}", self.address, file.id, file.name);
        json!({
            "id": text(file.id), "filename": file.name, "size": file.bytes.len(), "url": url, "proxy_url": url,
            "content_type": file.media,
        })
    }

    pub fn message_json(&self, message: &Message) -> Value {
        let mut object = self.basic_message_json(message);
        if message.kind == 19 || message.kind == 21 {
            let told = message.reference.and_then(|(channel, id)| self.messages.get(&(channel, id?)));
            object["referenced_message"] = told.map_or(Value::Null, |told| self.basic_message_json(told));
        }
        if let Some(thread) = self.channels.get(&message.id).filter(|_| message.flags & HAS_THREAD != 0) {
            object["thread"] = self.channel_json(thread);
        }
        object
    }

    fn basic_message_json(&self, message: &Message) -> Value {
        let files: Vec<_> =
            message.attachments.iter().map(|file| self.attachment_json(message.channel, file)).collect();
        let mentions: Vec<_> = message.mentions.iter().map(|id| self.user_json(*id)).collect();
        let mut object = json!({
            "id": text(message.id), "channel_id": text(message.channel), "type": message.kind,
            "content": message.content, "author": self.user_json(message.author), "mentions": mentions,
            "mention_roles": texts(&message.mention_roles), "mention_everyone": message.mention_everyone,
            "attachments": files, "embeds": message.embeds, "components": message.components,
            "timestamp": stamp(message.created_ms), "edited_timestamp": message.edited_ms.map(stamp),
            "flags": message.flags, "pinned": false, "tts": false,
        });
        if let Some((channel, id)) = message.reference {
            object["message_reference"] = self.reference_json(channel, id);
        }
        if let Some(interaction) = message.interaction.and_then(|id| self.interactions.get(&id)) {
            object["application_id"] = json!(text(self.bot));
            object["webhook_id"] = json!(text(self.bot));
            object["interaction_metadata"] = interaction.metadata_json(self);
        }
        object
    }

    fn reference_json(&self, channel: Id, message: Option<Id>) -> Value {
        let mut object = json!({ "type": 0, "channel_id": text(channel) });
        if let Some(message) = message {
            object["message_id"] = json!(text(message));
        }
        if let Some(guild) = self.channels.get(&channel).and_then(|channel| channel.guild) {
            object["guild_id"] = json!(text(guild));
        }
        object
    }

    /// A server with all that is in it, as the gateway tells of it.
    pub fn whole_guild_json(&self, guild: &Guild) -> Value {
        let mut object = self.guild_json(guild);
        let seen = |channel: &&Channel| {
            channel.guild == Some(guild.id) && self.permissions(channel) & permission::VIEW_CHANNEL != 0
        };
        let mut channels: Vec<_> = self.channels.values().filter(seen).filter(|c| !c.is_thread()).collect();
        channels.sort_by_key(|channel| channel.id);
        let channels: Vec<_> =
            channels.into_iter().map(|channel| without_guild(self.channel_json(channel))).collect();
        let threads: Vec<_> =
            self.threads().filter(seen).filter(|t| !t.archived).map(|t| self.channel_json(t)).collect();
        let members: Vec<_> =
            guild.members.iter().map(|(id, member)| self.member_json(*id, member)).collect();
        let bot = guild.members.get(&self.bot).map_or(0, |member| member.joined_ms);
        merge(
            &mut object,
            json!({
                "joined_at": stamp(bot), "large": false, "unavailable": false, "member_count": guild.members.len(),
                "voice_states": [], "members": members, "channels": channels, "threads": threads, "presences": [],
                "stage_instances": [], "guild_scheduled_events": [], "soundboard_sounds": [],
            }),
        );
        object
    }
}

/// Inside a server the gateway leaves this out of its channels.
fn without_guild(mut channel: Value) -> Value {
    channel.as_object_mut().map(|fields| fields.remove("guild_id"));
    channel
}

/// Adds the fields of `more`.
pub fn merge(object: &mut Value, more: Value) {
    if let (Value::Object(into), Value::Object(more)) = (object, more) {
        into.extend(more);
    }
}

/// Without the fields that are null, as most of Discord's answers are.
pub fn without_nulls(value: &Value) -> Value {
    match value {
        Value::Object(fields) => {
            let kept = fields.iter().filter(|(_, value)| !value.is_null());
            Value::Object(kept.map(|(key, value)| (key.clone(), without_nulls(value))).collect::<Map<_, _>>())
        }
        Value::Array(items) => Value::Array(items.iter().map(without_nulls).collect()),
        other => other.clone(),
    }
}
