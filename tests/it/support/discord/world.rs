//! What there is: people, servers, channels, threads, messages, and what the bot did to them.

use std::collections::{BTreeMap, HashMap};

use serde_json::Value;

use super::{
    builder::Settings,
    clock::{Clock, Id},
    faults::Faults,
    gateway::Gateway,
    interactions::Interaction,
    message::Message,
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
    /// The messages made under each nonce of late: channel and message, whether or not they are still there.
    pub nonces: HashMap<String, (Id, Id)>,
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
            nonces: HashMap::new(),
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
