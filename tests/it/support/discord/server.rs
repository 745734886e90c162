//! How a test arranges things: people, servers, channels, and what may be done in them.

use serde_json::json;

use super::{
    Discord,
    clock::Id,
    gateway::{Event, GUILDS},
    objects::text,
    world::{Channel, Guild, Kind, Member, Role, User, World},
};

/// A small server to begin with.
#[derive(Debug, Clone, Copy)]
pub struct Home {
    pub guild: Id,
    pub channel: Id,
    pub person: Id,
}

impl Discord {
    /// A server `Acme` with the channel `ops` and the person `Mira`.
    pub fn home(&self) -> Home {
        let person = self.user("Mira");
        let guild = self.guild("Acme");
        self.join(guild, person, &[]);
        Home { guild, channel: self.channel(guild, "ops"), person }
    }

    /// A person. They belong to no server yet.
    pub fn user(&self, name: &str) -> Id {
        self.change(|world| world.add_user(name, false))
    }

    /// Another bot.
    pub fn other_bot(&self, name: &str) -> Id {
        self.change(|world| world.add_user(name, true))
    }

    /// A server with the bot in it.
    pub fn guild(&self, name: &str) -> Id {
        self.change(|world| world.add_guild(name))
    }

    pub fn role(&self, guild: Id, name: &str) -> Id {
        self.change(|world| {
            let (id, name) = (world.clock.next_id(), name.to_owned());
            let roles = &mut world.guilds.get_mut(&guild).unwrap().roles;
            roles.push(Role { id, name, permissions: 0, bot: None });
            id
        })
    }

    /// Makes a person a member with these roles.
    pub fn join(&self, guild: Id, user: Id, roles: &[Id]) {
        self.change(|world| {
            let member = Member { roles: roles.to_vec(), joined_ms: world.clock.now_ms() };
            world.guilds.get_mut(&guild).unwrap().members.insert(user, member);
        });
    }

    /// A text channel.
    pub fn channel(&self, guild: Id, name: &str) -> Id {
        self.change(|world| world.add_channel(guild, name))
    }

    /// The direct conversation of the bot with a person.
    pub fn direct(&self, user: Id) -> Id {
        self.change(|world| world.direct_channel(user))
    }

    /// The person takes no direct messages, or does again.
    pub fn close_dms(&self, user: Id, closed: bool) {
        self.change(|world| world.users.get_mut(&user).unwrap().dms_closed = closed);
    }

    /// Takes permissions away from the bot in a channel and its threads; 0 gives them back.
    pub fn deny(&self, channel: Id, permissions: u64) {
        self.change(|world| {
            let mut channel = world.channels[&channel].clone();
            channel.denied = permissions;
            world.put_channel(channel);
        });
    }

    /// How many threads may be active in a server at once.
    pub fn thread_limit(&self, guild: Id, most: usize) {
        self.change(|world| world.guilds.get_mut(&guild).unwrap().thread_limit = most);
    }

    pub fn archive(&self, thread: Id, locked: bool) {
        self.change(|world| {
            let mut thread = world.channels[&thread].clone();
            (thread.archived, thread.locked, thread.archived_ms) = (true, locked, world.clock.now_ms());
            world.put_channel(thread);
        });
    }

    /// Removes a channel or thread with all that is in it.
    pub fn delete_channel(&self, channel: Id) {
        self.change(|world| world.remove_channel(channel));
    }
}

impl World {
    fn add_user(&mut self, name: &str, bot: bool) -> Id {
        let id = self.clock.next_id();
        self.users.insert(id, User { id, name: name.to_owned(), bot, dms_closed: false });
        id
    }

    fn add_guild(&mut self, name: &str) -> Id {
        let (id, own_role, now) = (self.clock.next_id(), self.clock.next_id(), self.clock.now_ms());
        let owner = self.users.keys().copied().find(|id| *id != self.bot).unwrap_or(self.bot);
        let permissions = self.settings.permissions;
        let everyone = Role { id, name: "@everyone".to_owned(), permissions: 0, bot: None };
        let bots =
            Role { id: own_role, name: self.settings.bot_name.clone(), permissions, bot: Some(self.bot) };
        let member = Member { roles: vec![own_role], joined_ms: now };
        let guild = Guild {
            id,
            name: name.to_owned(),
            owner,
            roles: vec![everyone, bots],
            members: [(self.bot, member)].into(),
            commands: Vec::new(),
            thread_limit: 1000,
        };
        let data = self.whole_guild_json(&guild);
        self.guilds.insert(id, guild);
        self.emit(Event { name: "GUILD_CREATE", data, needs: GUILDS, channel: None });
        id
    }

    fn add_channel(&mut self, guild: Id, name: &str) -> Id {
        let (id, now) = (self.clock.next_id(), self.clock.now_ms());
        self.put_channel(Channel {
            id,
            kind: Kind::Text,
            guild: Some(guild),
            parent: None,
            name: name.to_owned(),
            owner: self.guilds[&guild].owner,
            recipient: None,
            archived: false,
            archived_ms: now,
            locked: false,
            created_ms: now,
            auto_archive: 0,
            denied: 0,
            sent: 0,
        });
        id
    }

    fn remove_channel(&mut self, id: Id) {
        let threads: Vec<_> = self.threads_of(id).map(|thread| thread.id).collect();
        threads.into_iter().for_each(|thread| self.remove_channel(thread));
        let Some(gone) = self.channels.get(&id).cloned() else { return };
        let name = if gone.is_thread() { "THREAD_DELETE" } else { "CHANNEL_DELETE" };
        let data = self.channel_json(&gone);
        self.emit(Event { name, data, needs: GUILDS, channel: Some(id) });
        self.channels.remove(&id);
        self.messages.retain(|(channel, _), _| *channel != id);
    }

    pub fn remove_guild(&mut self, id: Id) {
        let data = json!({ "id": text(id) });
        self.emit(Event { name: "GUILD_DELETE", data, needs: GUILDS, channel: None });
        let gone: Vec<_> = self.channels.values().filter(|c| c.guild == Some(id)).map(|c| c.id).collect();
        self.channels.retain(|channel, _| !gone.contains(channel));
        self.messages.retain(|(channel, _), _| !gone.contains(channel));
        self.guilds.remove(&id);
    }
}
