//! Routes about messages.

use serde_json::{Value, json};

use super::{Answer, Call, Refusal, Reply, channels::speaking};
use crate::support::discord::{
    clock::{Id, made_ms, millis},
    gateway::Event,
    limits::{self, Form},
    message::Message,
    multipart::Upload,
    objects::text,
    permission,
    world::{Channel, World},
};

/// The flags that a bot may set: no previews, no notification.
pub const SETTABLE: u64 = 1 << 2 | 1 << 12;

pub fn create(world: &mut World, call: &Call) -> Answer {
    let channel = world.reach(call.id(0))?.clone();
    world.allowed(channel.id, speaking(&channel))?;
    world.mind_manners("POST message", &call.body, true);
    limits::message(&call.body, &call.files)?;
    world.may_hold(&channel, &call.body, &call.files)?;
    if channel.recipient.is_some_and(|with| world.users[&with].dms_closed) {
        return Err(Refusal::new(403, 50007, "Cannot send messages to this user"));
    }
    world.open_to_write(&channel)?;
    let nonce = Some(call.body["nonce"].clone()).filter(|nonce| !nonce.is_null());
    if let Some((channel, id)) = world.same_nonce(&call.body) {
        // A message that was deleted since is not made again either: the answer is that it is unknown.
        let mut shown = world.message_json(world.message_at(channel, id)?);
        shown["nonce"] = json!(nonce);
        return Reply::ok(shown);
    }
    let (id, now) = (world.clock.next_id(), world.clock.now_ms());
    let mut message = Message::blank(id, channel.id, world.bot, now);
    world.refer(&mut message, &channel, &call.body["message_reference"])?;
    message.nonce = nonce.clone();
    message.flags = call.body["flags"].as_u64().unwrap_or_default() & SETTABLE;
    world.fill(&mut message, &call.body, &call.files);
    not_empty(&message)?;
    world.put_message(message.clone());
    let mut shown = world.message_json(&message);
    if let Some(nonce) = nonce {
        world.nonces.extend(word(&nonce).map(|nonce| (nonce, (channel.id, id))));
        shown["nonce"] = nonce;
    }
    Reply::ok(shown)
}

pub fn not_empty(message: &Message) -> Result<(), Refusal> {
    if message.content.is_empty() && message.embeds.is_empty() && message.attachments.is_empty() {
        return Err(Refusal::new(400, 50006, "Cannot send an empty message"));
    }
    Ok(())
}

impl World {
    /// Writes down what Discord takes but a careful bot does not send.
    pub fn mind_manners(&mut self, what: &str, body: &Value, create: bool) {
        let allowed = &body["allowed_mentions"];
        let none = |key: &str| allowed[key].as_array().is_none_or(Vec::is_empty);
        let quiet = allowed["parse"] == json!([])
            && none("users")
            && none("roles")
            && allowed["replied_user"] != true;
        if !quiet {
            self.record.violation(format!("{what}: allowed_mentions is {allowed}, not {{\"parse\":[]}}"));
        }
        if create && (body["nonce"].is_null() || body["enforce_nonce"] != true) {
            let (nonce, enforced) = (&body["nonce"], &body["enforce_nonce"]);
            self.record.violation(format!("{what}: nonce is {nonce}, enforce_nonce is {enforced}"));
        }
    }

    fn may_hold(&self, channel: &Channel, body: &Value, files: &[Upload]) -> Result<(), Refusal> {
        if body["embeds"].as_array().is_some_and(|embeds| !embeds.is_empty()) {
            self.allowed(channel.id, permission::EMBED_LINKS)?;
        }
        if !files.is_empty() {
            self.allowed(channel.id, permission::ATTACH_FILES)?;
        }
        Ok(())
    }

    /// The message that the bot made under the same nonce a short while ago, wherever that was.
    fn same_nonce(&self, body: &Value) -> Option<(Id, Id)> {
        let nonce = word(&body["nonce"]).filter(|_| body["enforce_nonce"] == true)?;
        let since = self.clock.now_ms().saturating_sub(millis(self.settings.nonce_window));
        self.nonces.get(&nonce).copied().filter(|(_, id)| made_ms(*id) >= since)
    }

    /// Whether a thread takes messages of the bot.
    pub fn open_to_write(&self, channel: &Channel) -> Result<(), Refusal> {
        let above = self.permissions(channel) & permission::MANAGE_THREADS != 0;
        match (channel.archived, channel.locked && !above) {
            (true, true) => Err(Refusal::new(400, 50083, "Thread is archived")),
            (false, true) => Err(Refusal::new(400, 160_005, "Thread is locked")),
            (_, false) => Ok(()),
        }
    }

    /// Whether messages there can be changed and removed.
    pub fn open_to_change(&self, channel: &Channel) -> Result<(), Refusal> {
        if channel.archived {
            return Err(Refusal::new(400, 50083, "Thread is archived"));
        }
        self.open_to_write(channel)
    }

    fn refer(&self, message: &mut Message, channel: &Channel, reference: &Value) -> Result<(), Refusal> {
        let Some(id) = reference["message_id"].as_str().and_then(|id| id.parse::<Id>().ok()) else {
            return Ok(());
        };
        if self.permissions(channel) & permission::READ_MESSAGE_HISTORY == 0 {
            return Err(Refusal::new(
                403,
                160_002,
                "Cannot reply without permission to read message history",
            ));
        }
        if self.messages.contains_key(&(channel.id, id)) {
            message.kind = 19;
            message.reference = Some((channel.id, Some(id)));
        } else if reference["fail_if_not_exists"] != false {
            let mut form = Form::default();
            form.wrong("message_reference", "REPLIES_UNKNOWN_MESSAGE", "Unknown message");
            form.finish()?;
        }
        Ok(())
    }

    fn message_at(&self, channel: Id, id: Id) -> Result<&Message, Refusal> {
        let message = self.messages.get(&(channel, id)).filter(|message| message.only_for.is_none());
        message.ok_or_else(|| Refusal::unknown("Message"))
    }

    /// As a GET shows it.
    fn read_json(&self, message: &Message) -> Value {
        let mut shown = self.message_json(message);
        if !self.settings.message_content {
            self.hide_content(&mut shown);
        }
        shown
    }
}

/// A nonce may be a number too.
fn word(nonce: &Value) -> Option<String> {
    match nonce {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

pub fn get(world: &mut World, call: &Call) -> Answer {
    world.allowed(call.id(0), permission::READ_MESSAGE_HISTORY)?;
    Reply::ok(world.read_json(world.message_at(call.id(0), call.id(1))?))
}

/// Newest first, wherever in the channel they are taken from.
pub fn list(world: &mut World, call: &Call) -> Answer {
    let channel = world.reach(call.id(0))?;
    let limit = wanted_limit(call)?;
    if world.permissions(channel) & permission::READ_MESSAGE_HISTORY == 0 {
        return Reply::ok(json!([]));
    }
    let at = |key: &str| call.query.get(key).map(|id| id.parse::<Id>().unwrap_or_default());
    let all: Vec<_> = world.messages(channel.id).collect();
    let mut shown: Vec<_> = if let Some(around) = at("around") {
        let half = limit / 2;
        let here = all.partition_point(|message| message.id < around);
        all.into_iter().skip(here.saturating_sub(half)).take(limit).rev().collect()
    } else if let Some(after) = at("after") {
        all.into_iter().filter(|message| message.id > after).take(limit).collect()
    } else {
        let before = at("before").unwrap_or(Id::MAX);
        all.into_iter().rev().filter(|message| message.id < before).take(limit).collect()
    };
    shown.sort_by_key(|message| std::cmp::Reverse(message.id));
    Reply::ok(shown.into_iter().map(|message| world.read_json(message)).collect())
}

fn wanted_limit(call: &Call) -> Result<usize, Refusal> {
    let limit = call.query.get("limit").map_or(Some(50), |limit| limit.parse().ok());
    let mut form = Form::default();
    match limit {
        Some(limit @ 1..=100) => return Ok(limit),
        None => form.wrong("limit", "NUMBER_TYPE_COERCE", "Value is not an integer."),
        Some(0) => form.wrong("limit", "NUMBER_TYPE_MIN", "int value should be greater than or equal to 1."),
        Some(_) => form.wrong("limit", "NUMBER_TYPE_MAX", "int value should be less than or equal to 100."),
    }
    form.finish().map(|()| 0)
}

pub fn edit(world: &mut World, call: &Call) -> Answer {
    let channel = world.reach(call.id(0))?.clone();
    let mut message = world.message_at(channel.id, call.id(1))?.clone();
    world.mind_manners("PATCH message", &call.body, false);
    if message.author != world.bot {
        return Err(Refusal::new(403, 50005, "Cannot edit a message authored by another user"));
    }
    world.open_to_change(&channel)?;
    limits::message(&call.body, &call.files)?;
    world.may_hold(&channel, &call.body, &call.files)?;
    world.fill(&mut message, &call.body, &call.files);
    if let Some(flags) = call.body["flags"].as_u64() {
        message.flags = message.flags & !SETTABLE | flags & SETTABLE;
    }
    not_empty(&message)?;
    world.put_edit(message);
    Reply::ok(world.message_json(world.message_at(channel.id, call.id(1))?))
}

pub fn delete(world: &mut World, call: &Call) -> Answer {
    let channel = world.reach(call.id(0))?;
    let message = world.message_at(channel.id, call.id(1))?;
    world.open_to_change(channel)?;
    let channel = channel.id;
    if message.author != world.bot {
        world.allowed(channel, permission::MANAGE_MESSAGES)?;
    }
    world.remove_message(channel, call.id(1));
    Reply::empty()
}

impl World {
    /// Tells the bot that a person types.
    pub fn tell_typing(&mut self, channel: Id, user: Id) {
        use crate::support::discord::gateway::{DIRECT_MESSAGE_TYPING, GUILD_MESSAGE_TYPING};
        let guild = self.channels[&channel].guild;
        let seconds = made_ms(self.clock.next_id()) / 1000;
        let mut data = json!({ "channel_id": text(channel), "user_id": text(user), "timestamp": seconds });
        if let Some(guild) = guild {
            data["guild_id"] = json!(text(guild));
            data["member"] = self.member_json(user, &self.guilds[&guild].members[&user]);
        }
        let needs = if guild.is_some() { GUILD_MESSAGE_TYPING } else { DIRECT_MESSAGE_TYPING };
        self.emit(Event { name: "TYPING_START", data, needs, channel: Some(channel) });
    }
}
