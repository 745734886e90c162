//! Routes that open and list threads.

use serde_json::{Value, json};

use super::{Answer, Call, Refusal, Reply};
use crate::support::discord::{
    clock::Id,
    limits::Form,
    message::{HAS_THREAD, Message},
    permission,
    world::{Channel, Kind, World},
};

pub fn from_message(world: &mut World, call: &Call) -> Answer {
    let (channel, message) = (call.id(0), call.id(1));
    let parent = world.allowed(channel, permission::CREATE_PUBLIC_THREADS)?;
    if parent.kind != Kind::Text {
        return Err(Refusal::new(400, 50024, "Cannot execute action on this channel type"));
    }
    let Some(from) = world.messages.get(&(channel, message)).filter(|m| m.only_for.is_none()) else {
        return Err(Refusal::unknown("Message"));
    };
    if matches!(from.kind, 18 | 21) {
        return Err(Refusal::new(400, 50068, "Invalid message type"));
    }
    let author = from.author;
    let name = wanted_name(call)?;
    if world.channels.contains_key(&message) {
        return Err(Refusal::new(400, 160_004, "A thread has already been created for this message"));
    }
    let thread = world.open_thread(channel, message, &name, Kind::PublicThread, call)?;
    let from = world.messages.get_mut(&(channel, message)).unwrap();
    from.flags |= HAS_THREAD;
    let from = from.clone();
    world.tell_message("MESSAGE_UPDATE", &from);
    let (id, now) = (world.clock.next_id(), world.clock.now_ms());
    let start = Message {
        kind: 21,
        reference: Some((channel, Some(message))),
        ..Message::blank(id, thread, author, now)
    };
    world.put_message(start);
    Reply::created(world.channel_json(&world.channels[&thread]))
}

pub fn alone(world: &mut World, call: &Call) -> Answer {
    let channel = call.id(0);
    // As Discord has it: private, unless told otherwise.
    let kind = match call.body["type"].as_u64().unwrap_or(12) {
        11 => Kind::PublicThread,
        _ => Kind::PrivateThread,
    };
    let needed = match kind {
        Kind::PublicThread => permission::CREATE_PUBLIC_THREADS,
        _ => permission::CREATE_PRIVATE_THREADS,
    };
    if world.allowed(channel, needed)?.kind != Kind::Text {
        return Err(Refusal::new(400, 50024, "Cannot execute action on this channel type"));
    }
    let name = wanted_name(call)?;
    let id = world.clock.next_id();
    let thread = world.open_thread(channel, id, &name, kind, call)?;
    if kind == Kind::PublicThread {
        let (id, now) = (world.clock.next_id(), world.clock.now_ms());
        let told = Message {
            kind: 18,
            content: name,
            reference: Some((thread, None)),
            ..Message::blank(id, channel, world.bot, now)
        };
        world.put_message(told);
    }
    Reply::created(world.channel_json(&world.channels[&thread]))
}

fn wanted_name(call: &Call) -> Result<String, Refusal> {
    let name = call.body["name"].as_str().map(str::trim);
    let mut form = Form::default();
    match name {
        Some(name) => form.length("name", Some(name), 1, 100),
        None => form.wrong("name", "BASE_TYPE_REQUIRED", "This field is required"),
    }
    form.finish()?;
    Ok(name.unwrap_or_default().to_owned())
}

impl World {
    fn open_thread(
        &mut self,
        parent: Id,
        id: Id,
        name: &str,
        kind: Kind,
        call: &Call,
    ) -> Result<Id, Refusal> {
        let guild = self.channels[&parent].guild;
        let active = self.threads().filter(|thread| thread.guild == guild && !thread.archived).count();
        if guild.is_some_and(|guild| active >= self.guilds[&guild].thread_limit) {
            return Err(Refusal::new(400, 160_006, "Maximum number of active threads reached"));
        }
        let now = self.clock.now_ms();
        let thread = Channel {
            id,
            kind,
            guild,
            parent: Some(parent),
            name: name.to_owned(),
            owner: self.bot,
            recipient: None,
            archived: false,
            archived_ms: now,
            locked: false,
            created_ms: now,
            auto_archive: call.body["auto_archive_duration"].as_u64().unwrap_or(4320),
            denied: 0,
            sent: 0,
        };
        self.put_channel(thread);
        Ok(id)
    }

    fn threads_json(&self, threads: &[&Channel], more: bool) -> Value {
        let joined = threads.iter().filter(|thread| self.joined(thread));
        json!({
            "threads": threads.iter().map(|thread| self.channel_json(thread)).collect::<Vec<_>>(),
            "members": joined.map(|thread| self.thread_member_json(thread)).collect::<Vec<_>>(),
            "has_more": more,
        })
    }
}

pub fn active(world: &mut World, call: &Call) -> Answer {
    let guild = call.id(0);
    if !world.guilds.contains_key(&guild) {
        return Err(Refusal::unknown("Guild"));
    }
    let seen = |thread: &&Channel| world.permissions(thread) & permission::VIEW_CHANNEL != 0;
    let mut threads: Vec<_> = world
        .threads()
        .filter(|thread| thread.guild == Some(guild) && !thread.archived)
        .filter(seen)
        .collect();
    threads.reverse();
    Reply::ok(world.threads_json(&threads, false))
}

/// Last archived first; `before` is a time.
pub fn archived(world: &mut World, call: &Call) -> Answer {
    let channel = world.allowed(call.id(0), permission::READ_MESSAGE_HISTORY)?.id;
    let before =
        call.query.get("before").and_then(|time| time.replace(' ', "+").parse::<jiff::Timestamp>().ok());
    let before = before.map_or(u64::MAX, |time| u64::try_from(time.as_millisecond()).unwrap_or_default());
    let limit = call.query.get("limit").and_then(|limit| limit.parse().ok()).unwrap_or(50).clamp(2, 100);
    let mut threads: Vec<_> = world
        .threads_of(channel)
        .filter(|thread| thread.archived && thread.kind == Kind::PublicThread && thread.archived_ms < before)
        .collect();
    threads.sort_by_key(|thread| std::cmp::Reverse(thread.archived_ms));
    let more = threads.len() > limit;
    threads.truncate(limit);
    Reply::ok(world.threads_json(&threads, more))
}

/// The bot hears of public threads without that; nothing else changes.
pub fn join(world: &mut World, call: &Call) -> Answer {
    let thread = world.reach(call.id(0))?;
    match (thread.is_thread(), thread.archived) {
        (false, _) => Err(Refusal::new(400, 50024, "Cannot execute action on this channel type")),
        (true, true) => Err(Refusal::new(400, 50083, "Thread is archived")),
        (true, false) => Reply::empty(),
    }
}
