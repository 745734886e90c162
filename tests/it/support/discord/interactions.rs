//! Commands, autocompletions and button presses: what was asked, and how it was answered.

use serde_json::{Value, json};

use super::{
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
}
