//! Routes about the bot itself, servers and who is in them.

use serde_json::{Value, json};

use super::{Answer, Call, Refusal, Reply};
use crate::support::discord::world::{Guild, World};

pub fn gateway(world: &mut World, _: &Call) -> Answer {
    Reply::ok(json!({ "url": world.gateway_url }))
}

pub fn gateway_bot(world: &mut World, _: &Call) -> Answer {
    let left = 1000 - world.gateway.identified;
    let start = json!({ "total": 1000, "remaining": left, "reset_after": 14_400_000, "max_concurrency": 1 });
    Reply::ok(json!({ "url": world.gateway_url, "shards": 1, "session_start_limit": start }))
}

pub fn me(world: &mut World, _: &Call) -> Answer {
    Reply::ok(world.own_user_json())
}

pub fn user(world: &mut World, call: &Call) -> Answer {
    match world.users.contains_key(&call.id(0)) {
        true => Reply::ok(world.user_json(call.id(0))),
        false => Err(Refusal::unknown("User")),
    }
}

pub fn application(world: &mut World, _: &Call) -> Answer {
    Reply::ok(world.application_json())
}

fn guild_of<'w>(world: &'w World, call: &Call) -> Result<&'w Guild, Refusal> {
    world.guilds.get(&call.id(0)).ok_or_else(|| Refusal::unknown("Guild"))
}

pub fn guild(world: &mut World, call: &Call) -> Answer {
    Reply::ok(world.guild_json(guild_of(world, call)?))
}

pub fn roles(world: &mut World, call: &Call) -> Answer {
    Reply::ok(json!(World::roles_json(guild_of(world, call)?)))
}

pub fn members(world: &mut World, call: &Call) -> Answer {
    let guild = guild_of(world, call)?;
    if !world.settings.guild_members {
        return Err(Refusal::new(403, 50001, "Missing Access"));
    }
    let number = |key: &str| call.query.get(key).and_then(|value| value.parse::<u64>().ok());
    let (after, limit) = (number("after").unwrap_or_default(), number("limit").unwrap_or(1));
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let shown = guild.members.iter().filter(|(id, _)| **id > after).take(limit);
    Reply::ok(shown.map(|(id, member)| world.member_json(*id, member)).collect::<Value>())
}

pub fn member(world: &mut World, call: &Call) -> Answer {
    let id = call.id(1);
    let member = guild_of(world, call)?.members.get(&id).ok_or_else(|| Refusal::unknown("Member"))?;
    Reply::ok(world.member_json(id, member))
}
