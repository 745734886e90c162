//! The REST routes: which there are, what they are asked and what they answer.

mod account;
mod channels;
mod commands;
mod interactions;
mod messages;
mod threads;

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{
    clock::Id,
    multipart::Upload,
    permission,
    world::{Channel, World},
};

/// A request to a known route.
#[derive(Debug)]
pub struct Call {
    /// What stands for the braces of the pattern, in order.
    pub ids: Vec<String>,
    pub query: BTreeMap<String, String>,
    pub body: Value,
    pub files: Vec<Upload>,
}

#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    pub body: Option<Value>,
}

/// An answer that says no, in Discord's shape.
#[derive(Debug, PartialEq)]
pub struct Refusal {
    status: u16,
    code: u32,
    message: String,
    errors: Option<Value>,
}

pub type Answer = Result<Reply, Refusal>;

pub struct Route {
    pub method: &'static str,
    /// As the specification writes it.
    pub pattern: &'static str,
    /// Whether it wants no bot token: the path has one.
    pub open: bool,
    pub act: fn(&mut World, &Call) -> Answer,
}

/// What a path leads to.
pub enum Found {
    Route(&'static Route, Vec<String>),
    OtherMethod,
    Nothing,
}

impl Found {
    pub fn route(&self) -> Option<&'static Route> {
        match self {
            Self::Route(route, _) => Some(route),
            _ => None,
        }
    }
}

const fn route(method: &'static str, pattern: &'static str, act: fn(&mut World, &Call) -> Answer) -> Route {
    Route { method, pattern, open: false, act }
}

const fn open(method: &'static str, pattern: &'static str, act: fn(&mut World, &Call) -> Answer) -> Route {
    Route { method, pattern, open: true, act }
}

/// The first that matches counts: literal segments stand before braces.
static ROUTES: &[Route] = &[
    open("GET", "/gateway", account::gateway),
    route("GET", "/gateway/bot", account::gateway_bot),
    route("GET", "/users/@me", account::me),
    route("POST", "/users/@me/channels", channels::direct),
    route("GET", "/users/{user_id}", account::user),
    route("GET", "/applications/@me", account::application),
    route("GET", "/oauth2/applications/@me", account::application),
    route("GET", "/applications/{application_id}/commands", commands::list),
    route("PUT", "/applications/{application_id}/commands", commands::replace),
    route("POST", "/applications/{application_id}/commands", commands::add),
    route("GET", "/applications/{application_id}/guilds/{guild_id}/commands", commands::list),
    route("PUT", "/applications/{application_id}/guilds/{guild_id}/commands", commands::replace),
    route("POST", "/applications/{application_id}/guilds/{guild_id}/commands", commands::add),
    route("GET", "/guilds/{guild_id}", account::guild),
    route("GET", "/guilds/{guild_id}/roles", account::roles),
    route("GET", "/guilds/{guild_id}/members", account::members),
    route("GET", "/guilds/{guild_id}/members/{user_id}", account::member),
    route("GET", "/guilds/{guild_id}/channels", channels::of_guild),
    route("GET", "/guilds/{guild_id}/threads/active", threads::active),
    route("GET", "/channels/{channel_id}", channels::get),
    route("PATCH", "/channels/{channel_id}", channels::change),
    route("POST", "/channels/{channel_id}/typing", channels::typing),
    route("GET", "/channels/{channel_id}/messages", messages::list),
    route("POST", "/channels/{channel_id}/messages", messages::create),
    route("GET", "/channels/{channel_id}/messages/{message_id}", messages::get),
    route("PATCH", "/channels/{channel_id}/messages/{message_id}", messages::edit),
    route("DELETE", "/channels/{channel_id}/messages/{message_id}", messages::delete),
    route("POST", "/channels/{channel_id}/messages/{message_id}/threads", threads::from_message),
    route("POST", "/channels/{channel_id}/threads", threads::alone),
    route("GET", "/channels/{channel_id}/threads/archived/public", threads::archived),
    route("PUT", "/channels/{channel_id}/thread-members/@me", threads::join),
    open("POST", "/interactions/{interaction_id}/{interaction_token}/callback", interactions::answer),
    open("POST", "/webhooks/{webhook_id}/{webhook_token}", interactions::follow_up),
    open("GET", "/webhooks/{webhook_id}/{webhook_token}/messages/@original", interactions::original),
    open("PATCH", "/webhooks/{webhook_id}/{webhook_token}/messages/@original", interactions::edit_original),
    open(
        "DELETE",
        "/webhooks/{webhook_id}/{webhook_token}/messages/@original",
        interactions::delete_original,
    ),
    open("GET", "/webhooks/{webhook_id}/{webhook_token}/messages/{message_id}", interactions::original),
    open(
        "PATCH",
        "/webhooks/{webhook_id}/{webhook_token}/messages/{message_id}",
        interactions::edit_original,
    ),
    open(
        "DELETE",
        "/webhooks/{webhook_id}/{webhook_token}/messages/{message_id}",
        interactions::delete_original,
    ),
];

pub fn find(method: &str, path: &str) -> Found {
    let mut found = Found::Nothing;
    for route in ROUTES {
        match matched(route.pattern, path) {
            Some(ids) if route.method == method => return Found::Route(route, ids),
            Some(_) => found = Found::OtherMethod,
            None => {}
        }
    }
    found
}

fn matched(pattern: &str, path: &str) -> Option<Vec<String>> {
    let (wanted, had): (Vec<_>, Vec<_>) = (pattern.split('/').collect(), path.split('/').collect());
    if wanted.len() != had.len() {
        return None;
    }
    let mut ids = Vec::new();
    for (wanted, had) in wanted.into_iter().zip(had) {
        if wanted.starts_with('{') && !had.is_empty() {
            ids.push(had.to_owned());
        } else if wanted != had {
            return None;
        }
    }
    Some(ids)
}

/// The parameters of a query.
pub fn pairs(query: &str) -> BTreeMap<String, String> {
    let url = reqwest::Url::parse(&format!("http://localhost/?{query}"));
    url.map(|url| url.query_pairs().into_owned().collect()).unwrap_or_default()
}

impl Call {
    /// The id at a brace of the pattern; what is no number is no known id.
    pub fn id(&self, at: usize) -> Id {
        self.ids[at].parse().unwrap_or_default()
    }
}

impl Reply {
    pub fn ok(body: Value) -> Answer {
        Ok(Self { status: 200, body: Some(body) })
    }

    pub fn created(body: Value) -> Answer {
        Ok(Self { status: 201, body: Some(body) })
    }

    pub fn empty() -> Answer {
        Ok(Self { status: 204, body: None })
    }
}

impl Refusal {
    pub fn new(status: u16, code: u32, message: &str) -> Self {
        Self { status, code, message: message.to_owned(), errors: None }
    }

    /// 50035 with the places of the body that are wrong.
    pub fn form(errors: Value) -> Self {
        Self { errors: Some(errors), ..Self::new(400, 50035, "Invalid Form Body") }
    }

    pub fn unknown(what: &str) -> Self {
        let code = match what {
            "Channel" => 10003,
            "Guild" => 10004,
            "Member" => 10007,
            "Message" => 10008,
            "User" => 10013,
            "Webhook" => 10015,
            "interaction" => 10062,
            _ => 10002,
        };
        Self::new(404, code, &format!("Unknown {what}"))
    }

    pub fn reply(self) -> Reply {
        let mut body = json!({ "message": self.message, "code": self.code });
        if let Some(errors) = self.errors {
            body["errors"] = errors;
        }
        Reply { status: self.status, body: Some(body) }
    }
}

impl World {
    /// A channel that the bot sees.
    pub fn reach(&self, id: Id) -> Result<&Channel, Refusal> {
        let channel = self.channels.get(&id).ok_or_else(|| Refusal::unknown("Channel"))?;
        if self.permissions(channel) & permission::VIEW_CHANNEL == 0 {
            return Err(Refusal::new(403, 50001, "Missing Access"));
        }
        Ok(channel)
    }

    /// A channel that the bot sees and where it may do this.
    pub fn allowed(&self, id: Id, permission: u64) -> Result<&Channel, Refusal> {
        let channel = self.reach(id)?;
        if self.permissions(channel) & permission != permission {
            return Err(Refusal::new(403, 50013, "Missing Permissions"));
        }
        Ok(channel)
    }
}
