//! What there is: people, servers, channels, threads, messages, and what the bot did to them.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde_json::Value;

use super::{
    builder::Settings,
    clock::{Clock, Id},
    faults::Faults,
    gateway::Gateway,
    interactions::Interaction,
    permission,
    rates::Rates,
    record::Record,
};

#[derive(Debug, Clone)]
pub struct User {
    pub id: Id,
    pub name: String,
    pub bot: bool,
    /// Does not take direct messages from the bot.
    pub dms_closed: bool,
}

#[derive(Debug, Clone)]
pub struct Role {
    pub id: Id,
    pub name: String,
    pub permissions: u64,
    /// The bot whose own role it is.
    pub bot: Option<Id>,
}

#[derive(Debug, Clone)]
pub struct Member {
    pub roles: Vec<Id>,
    pub joined_ms: u64,
}

#[derive(Debug, Clone)]
pub struct Guild {
    pub id: Id,
    pub name: String,
    pub owner: Id,
    pub roles: Vec<Role>,
    pub members: BTreeMap<Id, Member>,
    /// The commands registered here, as Discord shows them.
    pub commands: Vec<Value>,
    /// How many threads may be active at once.
    pub thread_limit: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Text,
    Dm,
    PublicThread,
    PrivateThread,
}

impl Kind {
    pub fn number(self) -> u64 {
        match self {
            Self::Text => 0,
            Self::Dm => 1,
            Self::PublicThread => 11,
            Self::PrivateThread => 12,
        }
    }
}

/// A text channel, a thread or a direct conversation.
#[derive(Debug, Clone)]
pub struct Channel {
    pub id: Id,
    pub kind: Kind,
    pub guild: Option<Id>,
    pub parent: Option<Id>,
    pub name: String,
    pub owner: Id,
    /// Who the bot talks to here, in a direct conversation.
    pub recipient: Option<Id>,
    pub archived: bool,
    pub archived_ms: u64,
    pub locked: bool,
    pub created_ms: u64,
    /// Minutes.
    pub auto_archive: u64,
    /// Permissions taken away from the bot here.
    pub denied: u64,
    /// Messages ever sent here, without the first of a thread.
    pub sent: u64,
}

impl Channel {
    pub fn is_thread(&self) -> bool {
        matches!(self.kind, Kind::PublicThread | Kind::PrivateThread)
    }
}

#[derive(Debug, Clone)]
pub struct Attachment {
    pub id: Id,
    pub name: String,
    pub media: String,
    pub bytes: Bytes,
}

/// What a message showed until it was edited.
#[derive(Debug, Clone)]
pub struct Version {
    pub until_ms: u64,
    pub content: String,
    pub embeds: Vec<Value>,
    pub components: Vec<Value>,
}

#[derive(Debug, Clone)]
pub struct Message {
    pub id: Id,
    pub channel: Id,
    pub author: Id,
    /// Discord's number: 0 said, 18 thread opened, 19 reply, 20 answer to a command, 21 start of a thread.
    pub kind: u64,
    pub content: String,
    pub embeds: Vec<Value>,
    /// As Discord shows them, with numbers.
    pub components: Vec<Value>,
    pub attachments: Vec<Attachment>,
    pub flags: u64,
    pub nonce: Option<Value>,
    /// Who was notified.
    pub mentions: Vec<Id>,
    pub mention_roles: Vec<Id>,
    pub mention_everyone: bool,
    pub created_ms: u64,
    pub edited_ms: Option<u64>,
    /// Oldest first.
    pub history: Vec<Version>,
    /// The message that it answers or shows: channel and, but for an opened thread, message.
    pub reference: Option<(Id, Option<Id>)>,
    /// The interaction that it answers.
    pub interaction: Option<Id>,
    /// The only person who sees it.
    pub only_for: Option<Id>,
}

/// Set on the message that a thread hangs on.
pub const HAS_THREAD: u64 = 1 << 5;
/// Only one person sees it.
pub const EPHEMERAL: u64 = 1 << 6;
/// "… is thinking".
pub const LOADING: u64 = 1 << 7;

impl Message {
    pub fn blank(id: Id, channel: Id, author: Id, created_ms: u64) -> Self {
        Self {
            id,
            channel,
            author,
            kind: 0,
            content: String::new(),
            embeds: Vec::new(),
            components: Vec::new(),
            attachments: Vec::new(),
            flags: 0,
            nonce: None,
            mentions: Vec::new(),
            mention_roles: Vec::new(),
            mention_everyone: false,
            created_ms,
            edited_ms: None,
            history: Vec::new(),
            reference: None,
            interaction: None,
            only_for: None,
        }
    }

    /// How often it was edited.
    pub fn edits(&self) -> usize {
        self.history.len()
    }

    /// Everything that can be read on it, the embeds included.
    pub fn text(&self) -> String {
        let mut parts = vec![self.content.clone()];
        for embed in &self.embeds {
            let said = ["/title", "/description", "/footer/text"];
            parts.extend(said.iter().filter_map(|at| embed.pointer(at)?.as_str().map(str::to_owned)));
        }
        parts.retain(|part| !part.is_empty());
        parts.join("\n")
    }

    /// Custom id and label of each button.
    pub fn buttons(&self) -> Vec<(String, String)> {
        let word = |button: &Value, key: &str| button[key].as_str().unwrap_or_default().to_owned();
        self.components
            .iter()
            .flat_map(|row| row["components"].as_array().into_iter().flatten())
            .filter(|component| component["type"] == 2)
            .map(|button| (word(button, "custom_id"), word(button, "label")))
            .collect()
    }

    /// Whether it notified anybody.
    pub fn pings(&self) -> bool {
        self.mention_everyone || !self.mentions.is_empty() || !self.mention_roles.is_empty()
    }
}

/// The bot showed that it types.
#[derive(Debug, Clone, Copy)]
pub struct Typing {
    pub channel: Id,
    pub at_ms: u64,
}

#[derive(Debug)]
pub struct World {
    pub settings: Settings,
    pub clock: Clock,
    /// The bot's user, and the application: Discord gives both the same id.
    pub bot: Id,
    /// Where files are to be had from.
    pub address: String,
    /// The address of the gateway.
    pub gateway_url: String,
    pub users: BTreeMap<Id, User>,
    pub guilds: BTreeMap<Id, Guild>,
    pub channels: BTreeMap<Id, Channel>,
    /// By channel and message.
    pub messages: BTreeMap<(Id, Id), Message>,
    /// The commands registered everywhere.
    pub commands: Vec<Value>,
    pub interactions: BTreeMap<Id, Interaction>,
    pub typing: Vec<Typing>,
    pub record: Record,
    pub gateway: Gateway,
    pub rates: Rates,
    pub faults: Faults,
}

impl World {
    pub fn new(settings: Settings, address: String, gateway_url: String) -> Self {
        let mut clock = Clock::start();
        let bot = clock.next_id();
        let name = settings.bot_name.clone();
        let user = User { id: bot, name, bot: true, dms_closed: false };
        Self {
            settings,
            clock,
            bot,
            address,
            gateway_url,
            users: BTreeMap::from([(bot, user)]),
            guilds: BTreeMap::new(),
            channels: BTreeMap::new(),
            messages: BTreeMap::new(),
            commands: Vec::new(),
            interactions: BTreeMap::new(),
            typing: Vec::new(),
            record: Record::default(),
            gateway: Gateway::default(),
            rates: Rates::default(),
            faults: Faults::default(),
        }
    }

    /// The messages of a channel or thread that everybody there sees, oldest first.
    pub fn messages(&self, channel: Id) -> impl DoubleEndedIterator<Item = &Message> {
        self.all_messages(channel).filter(|message| message.only_for.is_none())
    }

    /// Also those that only one person sees.
    pub fn all_messages(&self, channel: Id) -> impl DoubleEndedIterator<Item = &Message> {
        self.messages.range((channel, 0)..=(channel, Id::MAX)).map(|(_, message)| message)
    }

    /// What the bot posted in a channel or thread, oldest first.
    pub fn posts(&self, channel: Id) -> impl DoubleEndedIterator<Item = &Message> {
        self.messages(channel).filter(|message| message.author == self.bot && message.kind != 18)
    }

    /// A message wherever it is.
    pub fn message(&self, id: Id) -> Option<&Message> {
        self.messages.values().find(|message| message.id == id)
    }

    /// All threads, oldest first.
    pub fn threads(&self) -> impl Iterator<Item = &Channel> {
        self.channels.values().filter(|channel| channel.is_thread())
    }

    /// The threads of a channel, oldest first.
    pub fn threads_of(&self, channel: Id) -> impl Iterator<Item = &Channel> {
        self.threads().filter(move |thread| thread.parent == Some(channel))
    }

    /// What the bot may do in a channel or thread.
    pub fn permissions(&self, channel: &Channel) -> u64 {
        let parent = channel.parent.and_then(|id| self.channels.get(&id));
        let denied = channel.denied | parent.map_or(0, |parent| parent.denied);
        match channel.guild {
            Some(_) => self.settings.permissions & !denied,
            None => permission::INVITED_WITH & !denied,
        }
    }

    pub fn user_name(&self, id: Id) -> &str {
        self.users.get(&id).map_or("somebody", |user| &user.name)
    }
}
