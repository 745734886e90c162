//! What people do: write, answer, edit, delete, press buttons.

use serde_json::json;

use super::{
    Discord,
    clock::Id,
    message::{Attachment, Message},
    objects::text,
    world::{Channel, Kind, World},
};

impl Discord {
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

    /// A person opens a thread of their own in a channel.
    pub fn user_opens_thread(&self, channel: Id, user: Id, name: &str) -> Id {
        self.change(|world| {
            let (id, now) = (world.clock.next_id(), world.clock.now_ms());
            let parent = world.channels[&channel].clone();
            let (kind, name) = (Kind::PublicThread, name.to_owned());
            world.put_channel(Channel {
                id,
                kind,
                parent: Some(channel),
                name: name.clone(),
                owner: user,
                created_ms: now,
                archived_ms: now,
                auto_archive: 4320,
                denied: 0,
                sent: 0,
                ..parent
            });
            let told = world.clock.next_id();
            let message = Message::blank(told, channel, user, now);
            world.put_message(Message { kind: 18, content: name, reference: Some((id, None)), ..message });
            id
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
}

impl World {
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
}

/// A user's mention.
pub fn mention(user: Id) -> String {
    format!("<@{}>", text(user))
}
