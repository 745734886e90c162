//! Routes about channels: what they are, changing them, typing, direct conversations.

use serde_json::{Value, json};

use super::{Answer, Call, Refusal, Reply};
use crate::support::discord::{
    limits::Form,
    permission,
    world::{Channel, Kind, Typing, World},
};

pub fn get(world: &mut World, call: &Call) -> Answer {
    Reply::ok(world.channel_json(world.reach(call.id(0))?))
}

pub fn of_guild(world: &mut World, call: &Call) -> Answer {
    let id = call.id(0);
    if !world.guilds.contains_key(&id) {
        return Err(Refusal::unknown("Guild"));
    }
    let its =
        world.channels.values().filter(|channel| channel.guild == Some(id) && channel.kind == Kind::Text);
    Reply::ok(its.map(|channel| world.channel_json(channel)).collect::<Value>())
}

pub fn typing(world: &mut World, call: &Call) -> Answer {
    let channel = world.reach(call.id(0))?;
    let id = world.allowed(channel.id, speaking(channel))?.id;
    let at_ms = world.clock.now_ms();
    world.typing.push(Typing { channel: id, at_ms });
    Reply::empty()
}

/// The permission that writing somewhere needs.
pub fn speaking(channel: &Channel) -> u64 {
    match channel.is_thread() {
        true => permission::SEND_MESSAGES_IN_THREADS,
        false => permission::SEND_MESSAGES,
    }
}

pub fn change(world: &mut World, call: &Call) -> Answer {
    let channel = world.reach(call.id(0))?.clone();
    let name = call.body["name"].as_str();
    let mut form = Form::default();
    form.length("name", name, 1, 100);
    form.finish()?;
    let needed = match channel.kind {
        Kind::Text => permission::MANAGE_CHANNELS,
        Kind::Dm => return Err(Refusal::new(403, 50003, "Cannot execute action on a DM channel")),
        _ if channel.owner == world.bot && call.body.get("locked").is_none() => {
            permission::SEND_MESSAGES_IN_THREADS
        }
        _ => permission::MANAGE_THREADS,
    };
    world.allowed(channel.id, needed)?;
    if channel.archived && call.body["archived"] != json!(false) {
        return Err(Refusal::new(400, 50083, "Thread is archived"));
    }
    let mut changed = channel;
    if let Some(name) = name {
        name.clone_into(&mut changed.name);
    }
    if let Some(minutes) = call.body["auto_archive_duration"].as_u64() {
        changed.auto_archive = minutes;
    }
    if let Some(locked) = call.body["locked"].as_bool() {
        changed.locked = locked;
    }
    if let Some(archived) = call.body["archived"].as_bool().filter(|_| changed.is_thread()) {
        changed.archived = archived;
        changed.archived_ms = world.clock.now_ms();
    }
    let shown = world.channel_json(&changed);
    world.put_channel(changed);
    Reply::ok(shown)
}

pub fn direct(world: &mut World, call: &Call) -> Answer {
    let id = call.body["recipient_id"].as_str().and_then(|id| id.parse().ok()).unwrap_or_default();
    if !world.users.contains_key(&id) || id == world.bot {
        return Err(Refusal::new(400, 50033, "Invalid Recipient(s)"));
    }
    let channel = world.direct_channel(id);
    Reply::ok(world.channel_json(&world.channels[&channel]))
}
