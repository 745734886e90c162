//! Routes that answer interactions, and the messages that hang on them.

use serde_json::{Value, json};

use super::{
    Answer, Call, Refusal, Reply,
    messages::{SETTABLE, not_empty},
};
use crate::support::discord::{
    clock::{Id, millis},
    interactions::Interaction,
    limits::{self, Form},
    message::{EPHEMERAL, LOADING, Message},
    multipart::Upload,
    objects::text,
    world::World,
};

pub fn answer(world: &mut World, call: &Call) -> Answer {
    let asked = world.interactions.get(&call.id(0)).filter(|asked| asked.token == call.ids[1]);
    let asked = asked.ok_or_else(|| Refusal::unknown("interaction"))?.clone();
    let after = world.clock.now_ms() - asked.created_ms;
    if asked.answered.is_some() {
        return Err(Refusal::new(400, 40060, "Interaction has already been acknowledged."));
    }
    if after > millis(world.settings.answer_window) {
        return Err(Refusal::unknown("interaction"));
    }
    if asked.kind != 4 {
        world.open_to_write(&world.channels[&asked.channel])?;
    }
    let (kind, data) = (call.body["type"].as_u64().unwrap_or_default(), &call.body["data"]);
    if !fits(asked.kind, kind) {
        let mut form = Form::default();
        let message = "The specified interaction response type cannot be used for this interaction";
        form.wrong("type", "INTERACTION_RESPONSE_TYPE_INVALID", message);
        form.finish()?;
    }
    let original = match kind {
        4 => Some(world.answer_message(&asked, data, &call.files)?),
        5 => Some(world.thinking(&asked, data)),
        6 => asked.pressed,
        7 => {
            let pressed = asked.pressed.unwrap_or_default();
            Some(world.edit_answer(&asked, pressed, data, &call.files)?)
        }
        _ => {
            limits::choices(&data["choices"])?;
            world.interactions.get_mut(&asked.id).unwrap().choices = Some(chosen(&data["choices"]));
            None
        }
    };
    let asked = world.interactions.get_mut(&asked.id).unwrap();
    (asked.answered, asked.answered_after_ms, asked.original) = (Some(kind), Some(after), original);
    let asked = asked.clone();
    match call.query.get("with_response").map(String::as_str) {
        Some("true") => Reply::ok(world.callback_json(&asked)),
        _ => Reply::empty(),
    }
}

/// Whether this kind of answer fits this kind of question.
fn fits(asked: u64, answer: u64) -> bool {
    match asked {
        2 => matches!(answer, 4 | 5),
        3 => matches!(answer, 4..=7),
        _ => answer == 8,
    }
}

fn chosen(choices: &Value) -> Vec<(String, Value)> {
    let choices = choices.as_array().into_iter().flatten();
    choices.map(|one| (one["name"].as_str().unwrap_or_default().to_owned(), one["value"].clone())).collect()
}

impl World {
    fn new_answer(&mut self, asked: &Interaction, data: &Value) -> Message {
        let (id, now) = (self.clock.next_id(), self.clock.now_ms());
        let mut message = Message::blank(id, asked.channel, self.bot, now);
        message.flags = data["flags"].as_u64().unwrap_or_default() & (SETTABLE | EPHEMERAL);
        message.only_for = (message.flags & EPHEMERAL != 0).then_some(asked.user);
        message.interaction = Some(asked.id);
        message.kind = if asked.kind == 2 { 20 } else { 19 };
        message.reference = asked.pressed.map(|pressed| (asked.channel, Some(pressed)));
        message
    }

    fn answer_message(&mut self, asked: &Interaction, data: &Value, files: &[Upload]) -> Result<Id, Refusal> {
        self.mind_manners("answer to an interaction", data, false);
        limits::message(data, files)?;
        let mut message = self.new_answer(asked, data);
        self.fill(&mut message, data, files);
        not_empty(&message)?;
        Ok(self.put_message(message))
    }

    fn thinking(&mut self, asked: &Interaction, data: &Value) -> Id {
        let mut message = self.new_answer(asked, data);
        message.flags |= LOADING;
        self.put_message(message)
    }

    fn edit_answer(
        &mut self,
        asked: &Interaction,
        id: Id,
        body: &Value,
        files: &[Upload],
    ) -> Result<Id, Refusal> {
        self.mind_manners("edit of an answer", body, false);
        self.open_to_change(&self.channels[&asked.channel])?;
        let known = self.messages.get(&(asked.channel, id));
        let mut message = known.ok_or_else(|| Refusal::unknown("Message"))?.clone();
        limits::message(body, files)?;
        self.fill(&mut message, body, files);
        message.flags &= !LOADING;
        not_empty(&message)?;
        self.put_edit(message);
        Ok(id)
    }

    fn callback_json(&self, asked: &Interaction) -> Value {
        let answered = asked.answered.unwrap_or_default();
        let message = asked.original.and_then(|id| self.messages.get(&(asked.channel, id)));
        let mut object = json!({ "interaction": { "id": text(asked.id), "type": asked.kind } });
        if let Some(message) = message {
            let interaction = &mut object["interaction"];
            interaction["response_message_id"] = json!(text(message.id));
            interaction["response_message_loading"] = json!(message.flags & LOADING != 0);
            interaction["response_message_ephemeral"] = json!(message.only_for.is_some());
            if matches!(answered, 4 | 7) {
                object["resource"] = json!({ "type": answered, "message": self.message_json(message) });
            }
        }
        object
    }

    /// The interaction whose token is in the path, while that is good.
    fn by_token(&self, call: &Call) -> Result<Interaction, Refusal> {
        if call.id(0) != self.bot {
            return Err(Refusal::unknown("Webhook"));
        }
        let asked = self.interactions.values().find(|asked| asked.token == call.ids[1]);
        let good = |asked: &&Interaction| {
            self.clock.now_ms() - asked.created_ms <= millis(self.settings.token_window)
        };
        let asked = asked.filter(good).ok_or_else(|| Refusal::new(401, 50027, "Invalid Webhook Token"))?;
        if asked.answered.is_none() {
            return Err(Refusal::unknown("Webhook"));
        }
        Ok(asked.clone())
    }

    /// The interaction and one of its messages: the one in the path, or else the first answer.
    fn hanging(&self, call: &Call) -> Result<(Interaction, Message), Refusal> {
        let asked = self.by_token(call)?;
        let id = match call.ids.get(2) {
            None => asked.original,
            Some(_) => {
                Some(call.id(2)).filter(|id| asked.original == Some(*id) || asked.follow_ups.contains(id))
            }
        };
        let message = id.and_then(|id| self.messages.get(&(asked.channel, id)));
        let message = message.ok_or_else(|| Refusal::unknown("Message"))?.clone();
        Ok((asked, message))
    }
}

pub fn follow_up(world: &mut World, call: &Call) -> Answer {
    let asked = world.by_token(call)?;
    let first = asked.original.and_then(|id| world.messages.get(&(asked.channel, id)));
    if let Some(first) = first.filter(|message| message.flags & LOADING != 0) {
        // The first message after "is thinking" takes its place.
        let id = first.id;
        world.edit_answer(&asked, id, &call.body, &call.files)?;
        return Reply::ok(world.message_json(&world.messages[&(asked.channel, id)]));
    }
    world.open_to_write(&world.channels[&asked.channel])?;
    let id = world.answer_message(&asked, &call.body, &call.files)?;
    world.interactions.get_mut(&asked.id).unwrap().follow_ups.push(id);
    Reply::ok(world.message_json(&world.messages[&(asked.channel, id)]))
}

pub fn original(world: &mut World, call: &Call) -> Answer {
    let (_, message) = world.hanging(call)?;
    Reply::ok(world.message_json(&message))
}

pub fn edit_original(world: &mut World, call: &Call) -> Answer {
    let (asked, message) = world.hanging(call)?;
    world.edit_answer(&asked, message.id, &call.body, &call.files)?;
    Reply::ok(world.message_json(&world.messages[&(asked.channel, message.id)]))
}

pub fn delete_original(world: &mut World, call: &Call) -> Answer {
    let (asked, message) = world.hanging(call)?;
    world.remove_message(asked.channel, message.id);
    Reply::empty()
}
