//! The gateway's memory: sessions, what was sent in each of them, and who hears of what.

mod frames;
mod socket;

use std::collections::HashMap;

use serde_json::{Value, json};
use tokio::sync::mpsc::UnboundedSender;

pub(super) use socket::listen;

use super::{
    clock::Id,
    permission,
    record::{Check, Shape},
    world::World,
};

pub const GUILDS: u64 = 1;
pub const GUILD_MEMBERS: u64 = 1 << 1;
pub const GUILD_PRESENCES: u64 = 1 << 8;
pub const GUILD_MESSAGES: u64 = 1 << 9;
pub const GUILD_MESSAGE_TYPING: u64 = 1 << 11;
pub const DIRECT_MESSAGES: u64 = 1 << 12;
pub const DIRECT_MESSAGE_TYPING: u64 = 1 << 14;
pub const MESSAGE_CONTENT: u64 = 1 << 15;

/// What a connection is told to do.
#[derive(Debug)]
pub enum Out {
    Text(String),
    Close(u16),
    /// End without a word.
    Cut,
}

/// Something that happened, before anybody heard of it.
#[derive(Debug, Clone)]
pub struct Event {
    pub name: &'static str,
    pub data: Value,
    /// Any of these intents is needed to hear of it; 0 for none.
    pub needs: u64,
    /// Where it happened, for what the bot may see.
    pub channel: Option<Id>,
}

#[derive(Debug)]
pub struct Session {
    pub id: String,
    pub intents: u64,
    pub seq: u64,
    log: Vec<(u64, String)>,
    /// The connection that it is heard on.
    conn: Option<u64>,
}

#[derive(Debug)]
struct Conn {
    out: UnboundedSender<Out>,
    session: Option<String>,
    /// Silent: hears nothing and is not answered.
    zombie: bool,
}

#[derive(Debug, Default)]
pub struct Gateway {
    sessions: Vec<Session>,
    conns: HashMap<u64, Conn>,
    made: u64,
    /// Events that are held back to be let go in another order.
    held: Option<Vec<Event>>,
    /// How many of the next events come twice.
    pub twice: usize,
    /// Whether events are lost for good.
    pub losing: bool,
    /// How many of the next connections are refused.
    pub refuse: usize,
    /// Sessions ever started.
    pub identified: usize,
    /// Sessions ever resumed.
    pub resumed: usize,
    /// Heartbeats heard.
    pub beats: usize,
}

impl Gateway {
    /// How many sessions are being heard at the moment.
    pub fn listening(&self) -> usize {
        self.sessions.iter().filter(|session| session.conn.is_some()).count()
    }

    fn send(&self, conn: u64, out: Out) {
        if let Some(conn) = self.conns.get(&conn).filter(|conn| !conn.zombie) {
            // It may have gone this moment: then it will resume.
            let _ = conn.out.send(out);
        }
    }

    fn dispatch(&mut self, session: usize, name: &str, data: &Value) {
        let session = &mut self.sessions[session];
        session.seq += 1;
        let frame = json!({ "op": 0, "s": session.seq, "t": name, "d": data }).to_string();
        session.log.push((session.seq, frame.clone()));
        if let Some(conn) = session.conn {
            self.send(conn, Out::Text(frame));
        }
    }

    pub fn hold(&mut self) {
        self.held.get_or_insert_with(Vec::new);
    }

    /// Tells every connection with a session.
    fn tell_all(&self, out: impl Fn() -> Out) {
        for (id, conn) in &self.conns {
            if conn.session.is_some() {
                self.send(*id, out());
            }
        }
    }

    pub fn ask_to_reconnect(&self) {
        self.tell_all(|| Out::Text(json!({ "op": 7, "d": null }).to_string()));
    }

    pub fn invalidate(&mut self, resumable: bool) {
        self.tell_all(|| Out::Text(json!({ "op": 9, "d": resumable }).to_string()));
        if !resumable {
            self.forget();
        }
    }

    pub fn close(&self, code: u16) {
        self.tell_all(|| Out::Close(code));
    }

    pub fn cut(&self) {
        self.tell_all(|| Out::Cut);
    }

    /// Every connection goes silent without ending.
    pub fn zombify(&mut self) {
        self.conns.values_mut().for_each(|conn| conn.zombie = true);
    }

    /// No session can be resumed any more.
    pub fn forget(&mut self) {
        self.sessions.clear();
        self.conns.values_mut().for_each(|conn| conn.session = None);
    }
}

impl World {
    /// Tells everybody who asked for it.
    pub fn emit(&mut self, event: Event) {
        if let Some(held) = &mut self.gateway.held {
            held.push(event);
            return;
        }
        self.check_event(&event);
        let times = if self.gateway.twice > 0 { 2 } else { 1 };
        self.gateway.twice = self.gateway.twice.saturating_sub(1);
        if self.gateway.losing || !self.bot_sees(event.channel) {
            return;
        }
        for _ in 0..times {
            for session in 0..self.gateway.sessions.len() {
                let intents = self.gateway.sessions[session].intents;
                if event.needs != 0 && intents & event.needs == 0 {
                    continue;
                }
                let shown = self.as_seen_with(&event, intents);
                self.gateway.dispatch(session, event.name, &shown);
            }
        }
    }

    /// Lets go what was held back, in the order that `arrange` makes of it.
    pub fn release(&mut self, arrange: impl FnOnce(&mut Vec<Event>)) {
        let mut events = self.gateway.held.take().unwrap_or_default();
        arrange(&mut events);
        events.into_iter().for_each(|event| self.emit(event));
    }

    fn bot_sees(&self, channel: Option<Id>) -> bool {
        let channel = channel.and_then(|id| self.channels.get(&id));
        channel.is_none_or(|channel| self.permissions(channel) & permission::VIEW_CHANNEL != 0)
    }

    fn as_seen_with(&self, event: &Event, intents: u64) -> Value {
        let mut data = event.data.clone();
        if event.name.starts_with("MESSAGE_") && intents & MESSAGE_CONTENT == 0 {
            self.hide_content(&mut data);
        }
        data
    }

    /// Takes out of a message what only the MESSAGE_CONTENT intent shows.
    pub fn hide_content(&self, message: &mut Value) {
        let bot = self.bot.to_string();
        let channel = message["channel_id"].as_str().and_then(|id| id.parse().ok());
        let direct = channel.and_then(|id: Id| self.channels.get(&id)).is_some_and(|c| c.guild.is_none());
        let mentioned =
            message["mentions"].as_array().is_some_and(|all| all.iter().any(|user| user["id"] == bot));
        if direct || mentioned || message["author"]["id"] == bot || message.get("content").is_none() {
            return;
        }
        message["content"] = json!("");
        for list in ["embeds", "attachments", "components"] {
            message[list] = json!([]);
        }
        if message["referenced_message"].is_object() {
            self.hide_content(&mut message["referenced_message"]);
        }
    }

    fn check_event(&mut self, event: &Event) {
        let shape = match event.name {
            "MESSAGE_CREATE" | "MESSAGE_UPDATE" => "MessageResponse",
            "THREAD_CREATE" | "THREAD_UPDATE" => "ThreadResponse",
            "CHANNEL_CREATE" | "CHANNEL_UPDATE" => "GuildChannelResponse",
            "GUILD_CREATE" => "GuildWithCountsResponse",
            "INTERACTION_CREATE" if event.data["type"] == 3 => {
                self.check(
                    "event INTERACTION_CREATE, its message",
                    "MessageResponse",
                    &event.data["message"],
                );
                return;
            }
            _ => return,
        };
        self.check(&format!("event {}", event.name), shape, &event.data);
    }

    /// Keeps an object to be held against the specification.
    fn check(&mut self, what: &str, object: &'static str, value: &Value) {
        if self.settings.checked {
            let (what, shape) = (what.to_owned(), Shape::Object(object));
            self.record.checks.push(Check { what, shape, value: Some(value.clone()) });
        }
    }
}
