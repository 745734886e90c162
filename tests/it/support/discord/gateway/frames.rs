//! What a client says over the gateway, and what it is told.

use serde_json::{Value, json};
use tokio::sync::mpsc::UnboundedSender;

use super::{Conn, GUILD_MEMBERS, GUILD_PRESENCES, GUILDS, MESSAGE_CONTENT, Out, Session};
use crate::support::discord::{objects::text, world::World};

/// All intents that there are.
const ALL_INTENTS: u64 = 0x0331_FFFF;

impl World {
    /// A client connected; it is greeted. `None` if the test wants it to fail.
    pub(super) fn connected(&mut self, out: UnboundedSender<Out>) -> Option<u64> {
        if self.gateway.refuse > 0 {
            self.gateway.refuse -= 1;
            return None;
        }
        self.gateway.made += 1;
        let conn = self.gateway.made;
        self.gateway.conns.insert(conn, Conn { out, session: None, zombie: false });
        let interval = u64::try_from(self.settings.heartbeat.as_millis()).unwrap();
        let hello =
            json!({ "op": 10, "s": null, "t": null, "d": { "heartbeat_interval": interval, "_trace": [] } });
        self.gateway.send(conn, Out::Text(hello.to_string()));
        Some(conn)
    }

    /// A connection ended. A client that says goodbye in form ends its session too.
    pub(super) fn disconnected(&mut self, conn: u64, code: Option<u16>) {
        self.gateway.conns.remove(&conn);
        if matches!(code, Some(1000 | 1001)) {
            self.gateway.sessions.retain(|session| session.conn != Some(conn));
        }
        let its = self.gateway.sessions.iter_mut().filter(|session| session.conn == Some(conn));
        its.for_each(|session| session.conn = None);
    }

    /// No heartbeat came in time.
    pub(super) fn missed_beat(&mut self, conn: u64) {
        if self.gateway.conns.get(&conn).is_some_and(|conn| !conn.zombie && conn.session.is_some()) {
            self.record.violation("gateway: no heartbeat for two intervals");
        }
        self.gateway.send(conn, Out::Close(4009));
    }

    /// A client said something.
    pub(super) fn frame(&mut self, conn: u64, frame: &str) {
        let Some(known) = self.gateway.conns.get(&conn).filter(|conn| !conn.zombie) else { return };
        let identified = known.session.is_some();
        let Ok(frame) = serde_json::from_str::<Value>(frame) else {
            return self.gateway.send(conn, Out::Close(4002));
        };
        match frame["op"].as_u64() {
            Some(1) => {
                self.gateway.beats += 1;
                self.gateway.send(conn, Out::Text(json!({ "op": 11 }).to_string()));
            }
            Some(2 | 6) if identified => self.gateway.send(conn, Out::Close(4005)),
            Some(2) => self.identify(conn, &frame["d"]),
            Some(6) => self.resume(conn, &frame["d"]),
            Some(3 | 4 | 8 | 31) if identified => {}
            Some(3 | 4 | 8 | 31) => self.gateway.send(conn, Out::Close(4003)),
            _ => self.gateway.send(conn, Out::Close(4001)),
        }
    }

    fn has_token(&self, said: &Value) -> bool {
        let token = said["token"].as_str().unwrap_or_default();
        token.strip_prefix("Bot ").unwrap_or(token) == self.settings.token
    }

    /// Why an IDENTIFY is not taken, as the code that the connection is closed with.
    fn objection(&self, said: &Value) -> Option<u16> {
        let intents = said["intents"].as_u64();
        let privileged = GUILD_PRESENCES
            | if self.settings.message_content { 0 } else { MESSAGE_CONTENT }
            | if self.settings.guild_members { 0 } else { GUILD_MEMBERS };
        if !said["properties"].is_object() || said["token"].as_str().is_none() {
            Some(4002)
        } else if !self.has_token(said) {
            Some(4004)
        } else if said.get("shard").is_some_and(|shard| *shard != json!([0, 1])) {
            Some(4010)
        } else if intents.is_none_or(|intents| intents & !ALL_INTENTS != 0) {
            Some(4013)
        } else if intents.is_some_and(|intents| intents & privileged != 0) {
            Some(4014)
        } else {
            None
        }
    }

    fn identify(&mut self, conn: u64, said: &Value) {
        if let Some(code) = self.objection(said) {
            return self.gateway.send(conn, Out::Close(code));
        }
        self.gateway.identified += 1;
        let id = format!("{:032x}", u128::from(self.clock.next_id()) << 32 | u128::from(conn));
        let intents = said["intents"].as_u64().unwrap_or_default();
        let session = Session { id: id.clone(), intents, seq: 0, log: Vec::new(), conn: Some(conn) };
        self.gateway.sessions.push(session);
        if let Some(conn) = self.gateway.conns.get_mut(&conn) {
            conn.session = Some(id.clone());
        }
        let at = self.gateway.sessions.len() - 1;
        let ready = self.ready_json(&id);
        self.gateway.dispatch(at, "READY", &ready);
        if intents & GUILDS != 0 {
            for guild in self.guilds.values().map(|guild| self.whole_guild_json(guild)).collect::<Vec<_>>() {
                self.check("event GUILD_CREATE", "GuildWithCountsResponse", &guild);
                self.check_contents(&guild);
                self.gateway.dispatch(at, "GUILD_CREATE", &guild);
            }
        }
    }

    fn check_contents(&mut self, guild: &Value) {
        for (list, shape) in [("threads", "ThreadResponse"), ("members", "GuildMemberResponse")] {
            for object in guild[list].as_array().into_iter().flatten() {
                self.check(&format!("event GUILD_CREATE, {list}"), shape, object);
            }
        }
    }

    fn ready_json(&self, session: &str) -> Value {
        let guilds: Vec<_> =
            self.guilds.keys().map(|id| json!({ "id": text(*id), "unavailable": true })).collect();
        json!({
            "v": 10, "user": self.own_user_json(), "guilds": guilds, "session_id": session,
            "resume_gateway_url": self.gateway_url, "shard": [0, 1], "session_type": "normal",
            "application": { "id": text(self.bot), "flags": self.application_flags() },
            "private_channels": [], "relationships": [], "user_settings": {}, "presences": [],
            "guild_join_requests": [], "geo_ordered_rtc_regions": [], "_trace": [],
        })
    }

    fn resume(&mut self, conn: u64, said: &Value) {
        if !self.has_token(said) {
            return self.gateway.send(conn, Out::Close(4004));
        }
        let (id, seq) =
            (said["session_id"].as_str().unwrap_or_default(), said["seq"].as_u64().unwrap_or_default());
        let Some(at) = self.gateway.sessions.iter().position(|session| session.id == id) else {
            return self.gateway.send(conn, Out::Text(json!({ "op": 9, "d": false }).to_string()));
        };
        if seq > self.gateway.sessions[at].seq {
            return self.gateway.send(conn, Out::Close(4007));
        }
        self.gateway.resumed += 1;
        if let Some(conn) = self.gateway.conns.get_mut(&conn) {
            conn.session = Some(id.to_owned());
        }
        let session = &mut self.gateway.sessions[at];
        session.conn = Some(conn);
        let missed: Vec<_> =
            session.log.iter().filter(|(had, _)| *had > seq).map(|(_, frame)| frame.clone()).collect();
        missed.into_iter().for_each(|frame| self.gateway.send(conn, Out::Text(frame)));
        self.gateway.dispatch(at, "RESUMED", &json!({ "_trace": [] }));
    }
}
