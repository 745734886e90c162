//! What changes the world, with the events that tell of it.

use serde_json::{Value, json};

use super::{
    clock::Id,
    gateway::{DIRECT_MESSAGES, Event, GUILD_MESSAGES, GUILDS},
    message::{Attachment, Message, Version},
    multipart::Upload,
    objects::{text, without_nulls},
    world::{Channel, Kind, World},
};

impl World {
    /// A new channel or thread, or one that changed.
    pub fn put_channel(&mut self, channel: Channel) {
        let id = channel.id;
        let known = self.channels.insert(id, channel).is_some();
        let channel = &self.channels[&id];
        let name = match (channel.is_thread(), known) {
            (true, false) => "THREAD_CREATE",
            (true, true) => "THREAD_UPDATE",
            (false, false) => "CHANNEL_CREATE",
            (false, true) => "CHANNEL_UPDATE",
        };
        let mut data = self.channel_json(channel);
        if name == "THREAD_CREATE" {
            data["newly_created"] = json!(true);
        }
        if self.channels[&id].kind != Kind::Dm {
            self.emit(Event { name, data, needs: GUILDS, channel: Some(id) });
        }
    }

    /// A new message; one in an archived thread brings it back.
    pub fn put_message(&mut self, message: Message) -> Id {
        let id = message.id;
        let thread = self.channels.get_mut(&message.channel).unwrap();
        if !matches!(message.kind, 18 | 21) {
            thread.sent += 1;
        }
        if thread.archived {
            let mut thread = thread.clone();
            thread.archived = false;
            thread.archived_ms = message.created_ms;
            self.put_channel(thread);
        }
        let told = message.clone();
        self.messages.insert((message.channel, id), message);
        self.tell_message("MESSAGE_CREATE", &told);
        id
    }

    pub fn tell_message(&mut self, name: &'static str, message: &Message) {
        if message.only_for.is_some() {
            return;
        }
        let mut data = self.message_json(message);
        let guild = self.channels.get(&message.channel).and_then(|channel| channel.guild);
        if let Some(guild) = guild {
            data["guild_id"] = json!(text(guild));
            if let Some(member) = self.guilds[&guild].members.get(&message.author) {
                data["member"] = Self::bare_member_json(member);
            }
        }
        if let Some(nonce) = message.nonce.as_ref().filter(|_| name == "MESSAGE_CREATE") {
            data["nonce"] = nonce.clone();
        }
        let needs = if guild.is_some() { GUILD_MESSAGES } else { DIRECT_MESSAGES };
        self.emit(Event { name, data, needs, channel: Some(message.channel) });
    }

    pub fn remove_message(&mut self, channel: Id, id: Id) {
        let Some(gone) = self.messages.remove(&(channel, id)) else { return };
        let guild = self.channels.get(&channel).and_then(|channel| channel.guild);
        let mut data = json!({ "id": text(id), "channel_id": text(channel) });
        if let Some(guild) = guild {
            data["guild_id"] = json!(text(guild));
        }
        let needs = if guild.is_some() { GUILD_MESSAGES } else { DIRECT_MESSAGES };
        if gone.only_for.is_none() {
            self.emit(Event { name: "MESSAGE_DELETE", data, needs, channel: Some(channel) });
        }
    }

    /// Keeps what a message showed and puts the new in its place.
    pub fn put_edit(&mut self, mut message: Message) {
        let now = self.clock.now_ms();
        let key = (message.channel, message.id);
        let old = &self.messages[&key];
        message.history.push(Version {
            until_ms: now,
            content: old.content.clone(),
            embeds: old.embeds.clone(),
            components: old.components.clone(),
        });
        message.edited_ms = Some(now);
        self.messages.insert(key, message.clone());
        self.tell_message("MESSAGE_UPDATE", &message);
    }

    /// The direct conversation with a person.
    pub fn direct_channel(&mut self, with: Id) -> Id {
        let known = self.channels.values().find(|channel| channel.recipient == Some(with));
        if let Some(channel) = known {
            return channel.id;
        }
        let (id, now) = (self.clock.next_id(), self.clock.now_ms());
        self.put_channel(Channel {
            id,
            kind: Kind::Dm,
            guild: None,
            parent: None,
            name: format!("@{}", self.user_name(with)),
            owner: self.bot,
            recipient: Some(with),
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

    /// Puts what a request says into a message.
    pub fn fill(&mut self, message: &mut Message, body: &Value, files: &[Upload]) {
        if let Some(content) = body.get("content") {
            content.as_str().unwrap_or_default().trim().clone_into(&mut message.content);
        }
        if let Some(embeds) = body.get("embeds") {
            message.embeds = embeds.as_array().into_iter().flatten().map(shown_embed).collect();
        }
        if let Some(rows) = body.get("components") {
            let mut number = 0;
            message.components =
                rows.as_array().into_iter().flatten().map(|row| numbered(row, &mut number)).collect();
        }
        if let Some(kept) = body.get("attachments").and_then(Value::as_array) {
            let ids: Vec<_> = kept.iter().filter_map(|one| one["id"].as_str()).collect();
            message.attachments.retain(|file| ids.contains(&text(file.id).as_str()));
        }
        for file in files {
            let id = self.clock.next_id();
            let (name, media, bytes) = (name_of(file, body), file.media.clone(), file.bytes.clone());
            message.attachments.push(Attachment { id, name, media, bytes });
        }
        self.find_mentions(message, body.get("allowed_mentions"));
    }

    /// Who is notified by a text. Without `allowed`, everybody it names.
    pub fn find_mentions(&self, message: &mut Message, allowed: Option<&Value>) {
        let lets = |kind: &str, id: Option<Id>| {
            let Some(allowed) = allowed.filter(|allowed| !allowed.is_null()) else { return true };
            let has = |list: &str, what: &str| {
                allowed[list].as_array().is_some_and(|all| all.iter().any(|one| one == what))
            };
            has("parse", kind) || id.is_some_and(|id| has(kind, &text(id)))
        };
        let named = |marks: &[&str]| named(&message.content, marks);
        let users = named(&["<@", "<@!"]).into_iter().filter(|id| self.users.contains_key(id));
        let mut mentions: Vec<_> = users.filter(|id| lets("users", Some(*id))).collect();
        let roles: Vec<_> = named(&["<@&"]).into_iter().filter(|id| lets("roles", Some(*id))).collect();
        let all = message.content.contains("@everyone") || message.content.contains("@here");
        if let Some(told) =
            message.reference.filter(|_| message.kind == 19).and_then(|(c, m)| self.messages.get(&(c, m?)))
        {
            let quiet = allowed.is_some_and(|allowed| allowed["replied_user"] != true);
            if !quiet && !mentions.contains(&told.author) {
                mentions.push(told.author);
            }
        }
        message.mention_everyone = all && lets("everyone", None);
        message.mentions = mentions;
        message.mention_roles = roles;
    }
}

/// A file's name, as the request's list of files has it or else the form.
fn name_of(file: &Upload, body: &Value) -> String {
    let number = file.number.parse::<u64>().ok();
    let numbered =
        |one: &&Value| one["id"] == file.number.as_str() || number.is_some() && one["id"].as_u64() == number;
    let listed = body["attachments"].as_array().into_iter().flatten().find(numbered);
    listed.and_then(|one| one["filename"].as_str()).unwrap_or(&file.name).replace(' ', "_")
}

/// The ids in marks like `<@1>`, each once.
fn named(text: &str, marks: &[&str]) -> Vec<Id> {
    let mut ids = Vec::new();
    for (at, _) in text.match_indices('<') {
        let Some((mark, _)) = text[at..].split_once('>') else { continue };
        let id = marks.iter().find_map(|start| mark.strip_prefix(start)?.parse().ok());
        ids.extend(id.filter(|id| !ids.contains(id)));
    }
    ids
}

/// An embed as Discord gives it back.
fn shown_embed(embed: &Value) -> Value {
    let mut shown = without_nulls(embed);
    shown["type"] = json!("rich");
    for at in ["/title", "/description", "/footer/text", "/author/name"] {
        if let Some(text) = shown.pointer_mut(at) {
            *text = json!(text.as_str().unwrap_or_default().trim());
        }
    }
    for field in shown.get_mut("fields").and_then(Value::as_array_mut).into_iter().flatten() {
        if field["inline"].is_null() {
            field["inline"] = json!(false);
        }
    }
    shown
}

/// A component with the number that Discord gives to those that have none.
fn numbered(component: &Value, number: &mut u64) -> Value {
    *number += 1;
    let mut shown = without_nulls(component);
    if shown["id"].as_u64().unwrap_or_default() == 0 {
        shown["id"] = json!(*number);
    }
    if let Some(inside) = component.get("components").and_then(Value::as_array) {
        shown["components"] = inside.iter().map(|one| numbered(one, number)).collect();
    }
    shown
}
