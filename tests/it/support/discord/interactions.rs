//! Commands, autocompletions and button presses: what was asked, and how it was answered.

use serde_json::{Value, json};

use super::{
    Discord,
    clock::Id,
    gateway::Event,
    objects::{merge, text},
    world::World,
};

/// What the bot was asked by something other than a message.
#[derive(Debug, Clone)]
pub struct Interaction {
    pub id: Id,
    pub token: String,
    /// 2 a command, 3 a button, 4 an autocompletion.
    pub kind: u64,
    pub user: Id,
    pub channel: Id,
    pub created_ms: u64,
    /// Command with subcommand, or the custom id of the button.
    pub what: String,
    /// The message that the button is on.
    pub pressed: Option<Id>,
    /// The type of the first answer.
    pub answered: Option<u64>,
    /// When it was answered, after the question.
    pub answered_after_ms: Option<u64>,
    /// The message of the first answer.
    pub original: Option<Id>,
    /// Messages sent after the first.
    pub follow_ups: Vec<Id>,
    /// Name and value of each choice of an autocompletion.
    pub choices: Option<Vec<(String, Value)>>,
}

impl Interaction {
    pub fn metadata_json(&self, world: &World) -> Value {
        let guild = world.channels.get(&self.channel).and_then(|channel| channel.guild);
        let mut object = json!({
            "id": text(self.id), "type": self.kind, "user": world.user_json(self.user),
            "authorizing_integration_owners": { "0": text(guild.unwrap_or_default()) },
        });
        if let Some(pressed) = self.pressed {
            object["interacted_message_id"] = json!(text(pressed));
        }
        object
    }
}

impl Discord {
    /// Sends a slash command, e.g. `diagnose pod` with `[("namespace", "default")]`; returns the interaction's id.
    /// Panics where Discord's client would not let a person send it.
    pub fn slash(&self, channel: Id, user: Id, command: &str, options: &[(&str, &str)]) -> Id {
        self.change(|world| {
            let data = world.command_data(channel, command, options, None);
            world.ask(2, user, channel, command, json!({ "data": data }))
        })
    }

    /// What was asked, and how it was answered.
    pub fn interaction(&self, id: Id) -> Interaction {
        self.read(|world| world.interactions[&id].clone())
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
    /// A person asks; `more` is what is said beside the circumstances.
    pub fn ask(&mut self, kind: u64, user: Id, channel: Id, what: &str, more: Value) -> Id {
        let (id, now) = (self.clock.next_id(), self.clock.now_ms());
        let token = format!("aW50ZXJhY3Rpb246{id:x}{:x}", id ^ 0x5bd1_e995_7f4a_7c15);
        let pressed = more["message"]["id"].as_str().and_then(|id| id.parse().ok());
        self.interactions.insert(
            id,
            Interaction {
                id,
                token: token.clone(),
                kind,
                user,
                channel,
                created_ms: now,
                what: what.to_owned(),
                pressed,
                answered: None,
                answered_after_ms: None,
                original: None,
                follow_ups: Vec::new(),
                choices: None,
            },
        );
        let mut data = self.circumstances(user, channel);
        merge(&mut data, json!({ "id": text(id), "token": token, "type": kind, "version": 1 }));
        merge(&mut data, more);
        // Discord tells of interactions even where the bot does not see the channel.
        self.emit(Event { name: "INTERACTION_CREATE", data, needs: 0, channel: None });
        id
    }

    fn circumstances(&self, user: Id, id: Id) -> Value {
        let channel = &self.channels[&id];
        let permissions = self.permissions(channel).to_string();
        let mut shown = self.channel_json(channel);
        shown["permissions"] = json!("2248473465835073");
        let mut object = json!({
            "application_id": text(self.bot), "channel_id": text(id), "channel": shown, "locale": "en-US",
            "app_permissions": permissions, "entitlements": [], "entitlement_sku_ids": [],
            "attachment_size_limit": 10_485_760,
        });
        let whose = match channel.guild {
            Some(guild) => {
                let mut member = self.member_json(user, &self.guilds[&guild].members[&user]);
                member["permissions"] = json!("2248473465835073");
                json!({
                    "guild_id": text(guild), "guild": { "id": text(guild), "locale": "en-US", "features": [] },
                    "guild_locale": "en-US", "member": member, "context": 0,
                    "authorizing_integration_owners": { "0": text(guild) },
                })
            }
            None => json!({
                "user": self.user_json(user), "context": 1, "authorizing_integration_owners": { "0": "0" },
            }),
        };
        merge(&mut object, whose);
        object
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
