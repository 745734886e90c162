//! What people do: write, press, type commands, and arrange the server.

use serde_json::{Value, json};

use super::{
    Discord,
    clock::Id,
    gateway::{Event, GUILDS},
    objects::{merge, text},
    world::{Attachment, Channel, Guild, Kind, Member, Message, Role, User, World},
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
        self.change(|world| world.channels.get_mut(&channel).unwrap().denied = permissions);
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

    /// How a person mentions the bot.
    pub fn mention(&self) -> String {
        format!("<@{}>", self.bot())
    }

    /// A person writes; returns the message's id.
    pub fn user_says(&self, channel: Id, user: Id, said: &str) -> Id {
        self.user_posts(channel, user, said, &[])
    }

    /// A person writes with files, each a name and its content.
    pub fn user_posts(&self, channel: Id, user: Id, said: &str, files: &[(&str, &str)]) -> Id {
        self.change(|world| {
            let mut message = world.said(channel, user, said);
            for (name, content) in files {
                let (id, bytes) = (world.clock.next_id(), content.as_bytes().to_vec().into());
                let media = "text/plain; charset=utf-8".to_owned();
                message.attachments.push(Attachment { id, name: (*name).to_owned(), media, bytes });
            }
            world.put_message(message)
        })
    }

    /// A person answers a message, which notifies its author.
    pub fn user_replies(&self, channel: Id, user: Id, to: Id, said: &str) -> Id {
        self.change(|world| {
            let mut message = world.said(channel, user, said);
            (message.kind, message.reference) = (19, Some((channel, Some(to))));
            world.find_mentions(&mut message, None);
            world.put_message(message)
        })
    }

    pub fn user_edits(&self, message: Id, said: &str) {
        self.change(|world| {
            let mut message = world.message(message).unwrap().clone();
            said.clone_into(&mut message.content);
            world.find_mentions(&mut message, None);
            world.put_edit(message);
        });
    }

    /// Whoever may, deletes a message.
    pub fn delete(&self, message: Id) {
        self.change(|world| {
            let channel = world.message(message).unwrap().channel;
            world.remove_message(channel, message);
        });
    }

    pub fn user_types(&self, channel: Id, user: Id) {
        self.change(|world| world.tell_typing(channel, user));
    }

    /// Presses a button; returns the interaction's id. Panics where a person could not press it.
    pub fn press_button(&self, message: Id, custom_id: &str, user: Id) -> Id {
        self.change(|world| {
            let message = world.message(message).expect("the message is gone").clone();
            let hidden = message.only_for.is_some_and(|only| only != user);
            let buttons =
                message.components.iter().flat_map(|row| row["components"].as_array().into_iter().flatten());
            let button =
                buttons.clone().find(|button| button["custom_id"] == custom_id && button["disabled"] != true);
            let button = button.filter(|_| !hidden).unwrap_or_else(|| {
                panic!("no button `{custom_id}` to be pressed on the message; it has {:?}", message.buttons())
            });
            let data = json!({ "id": button["id"], "component_type": 2, "custom_id": custom_id });
            let shown = world.message_json(&message);
            world.ask(3, user, message.channel, custom_id, json!({ "data": data, "message": shown }))
        })
    }

    /// Sends a slash command, e.g. `diagnose pod` with `[("namespace", "default")]`; returns the interaction's id.
    /// Panics where Discord's client would not let a person send it.
    pub fn slash(&self, channel: Id, user: Id, command: &str, options: &[(&str, &str)]) -> Id {
        self.change(|world| {
            let data = world.command_data(channel, command, options, None);
            world.ask(2, user, channel, command, json!({ "data": data }))
        })
    }

    /// What is offered while `typed` stands in the option `focused`: name and value of each choice. Panics if there
    /// is no answer in time.
    pub async fn autocomplete(
        &self,
        channel: Id,
        user: Id,
        command: &str,
        filled: &[(&str, &str)],
        (focused, typed): (&str, &str),
    ) -> Vec<(String, Value)> {
        let id = self.change(|world| {
            let data = world.command_data(channel, command, filled, Some((focused, typed)));
            world.ask(4, user, channel, command, json!({ "data": data }))
        });
        self.wait_until("autocompletion to be answered", |world| world.interactions[&id].answered.is_some())
            .await;
        self.read(|world| world.interactions[&id].choices.clone().unwrap_or_default())
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

    fn said(&mut self, channel: Id, user: Id, said: &str) -> Message {
        let where_to = &self.channels[&channel];
        let guild = where_to.guild.and_then(|guild| self.guilds.get(&guild));
        assert!(
            guild.is_none_or(|guild| guild.members.contains_key(&user)),
            "who is no member can't write here"
        );
        assert!(said.chars().count() <= 4000, "Discord's client would not send that much");
        assert!(!where_to.locked, "the thread is locked");
        let (id, now) = (self.clock.next_id(), self.clock.now_ms());
        let mut message = Message::blank(id, channel, user, now);
        said.trim().clone_into(&mut message.content);
        self.find_mentions(&mut message, None);
        message
    }

    /// What a command carries, as Discord's client makes it of the registered command.
    fn command_data(
        &self,
        channel: Id,
        command: &str,
        filled: &[(&str, &str)],
        focused: Option<(&str, &str)>,
    ) -> Value {
        let mut words = command.split(' ');
        let name = words.next().unwrap_or_default();
        let guild = self.channels[&channel].guild.and_then(|guild| self.guilds.get(&guild));
        let all = guild.into_iter().flat_map(|guild| &guild.commands).chain(&self.commands);
        let known = all.clone().find(|known| known["name"] == name);
        let known =
            known.unwrap_or_else(|| panic!("`/{name}` is not registered; there are {:?}", names(all)));
        let mut path = vec![known];
        for word in words {
            let inside = path[path.len() - 1]["options"].as_array().into_iter().flatten();
            let next = inside.clone().find(|option| option["name"] == word);
            path.push(
                next.unwrap_or_else(|| {
                    panic!("`/{command}` is not registered; there are {:?}", names(inside))
                }),
            );
        }
        let mut options = filled_options(path[path.len() - 1], filled, focused);
        for step in path[1..].iter().rev() {
            options = json!([{ "type": step["type"], "name": step["name"], "options": options }]);
        }
        let mut data = json!({ "id": known["id"], "name": name, "type": 1, "options": options });
        if let Some(guild) = known.get("guild_id") {
            merge(&mut data, json!({ "guild_id": guild }));
        }
        data
    }
}

fn names<'a>(of: impl Iterator<Item = &'a Value>) -> Vec<&'a str> {
    of.filter_map(|one| one["name"].as_str()).collect()
}

fn filled_options(command: &Value, filled: &[(&str, &str)], focused: Option<(&str, &str)>) -> Value {
    let known = command["options"].as_array().map(Vec::as_slice).unwrap_or_default();
    let find = |name: &str| {
        let found = known.iter().find(|option| option["name"] == name);
        found.unwrap_or_else(|| panic!("no option `{name}`; there are {:?}", names(known.iter())))
    };
    let given = |name: &Value| filled.iter().any(|(filled, _)| *name == *filled);
    let missing = known.iter().find(|option| option["required"] == true && !given(&option["name"]));
    assert!(focused.is_some() || missing.is_none(), "the option {missing:?} is required");
    let mut options: Vec<_> = filled.iter().map(|(name, said)| option_json(find(name), said)).collect();
    if let Some((name, typed)) = focused {
        let option = find(name);
        assert!(option["autocomplete"] == true, "`{name}` is not completed by the bot");
        // Whatever its type, what stands in it so far is text.
        options.push(json!({ "type": option["type"], "name": name, "value": typed, "focused": true }));
    }
    Value::Array(options)
}

fn option_json(option: &Value, said: &str) -> Value {
    let value = match option["type"].as_u64() {
        Some(4 | 5 | 10) => serde_json::from_str(said).expect("a number or a yes/no"),
        _ => json!(said),
    };
    let offered: Vec<_> =
        option["choices"].as_array().into_iter().flatten().map(|choice| &choice["value"]).collect();
    assert!(offered.is_empty() || offered.contains(&&value), "{said} is none of {offered:?}");
    json!({ "type": option["type"], "name": option["name"], "value": value })
}

/// A user's mention.
pub fn mention(user: Id) -> String {
    format!("<@{}>", text(user))
}
