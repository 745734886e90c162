//! The way in: takes what people say in messages to the store, each once, in order, whatever the store or Discord do
//! meanwhile.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use serde::Deserialize;
use serde_json::json;
use serenity::{
    http::Route,
    model::{
        channel::Message,
        id::{ChannelId, GuildId, MessageId, RoleId, UserId},
    },
};
use tokio_util::sync::CancellationToken;

use super::{
    Discord, Inlet, NAME,
    ask::Ask,
    channels::{At, Channels},
    inbound::{Heard, Me, Speaker, addresses, inbound, is_by_a_person, speaker},
    inbox::Inbox,
    message,
    refusal::Refusal,
    rest::Error,
};
use crate::{
    finding::Resource,
    redact::Redacted,
    store::{Incoming, Received, Spot},
};

/// Events come as a task each; those of one moment have this long to get into order.
const SETTLING: Duration = Duration::from_millis(5);

/// A message on its way in.
pub(super) struct Waiting {
    pub message: Message,
    /// Whether it was fetched, and not heard when it was said.
    pub missed: bool,
}

/// Takes in what people say.
pub(super) struct Door {
    pub discord: Discord,
    pub inlet: Inlet,
    pub me: UserId,
    pub channels: Channels,
    pub inbox: Inbox<ChannelId, MessageId, Waiting>,
    /// Roles of people whose messages were fetched: those come without.
    roles: Mutex<HashMap<(GuildId, UserId), Vec<RoleId>>>,
    pub stop: CancellationToken,
}

impl Door {
    pub fn new(discord: Discord, inlet: Inlet, me: UserId, stop: CancellationToken) -> Self {
        Self {
            discord,
            inlet,
            me,
            channels: Channels::default(),
            inbox: Inbox::default(),
            roles: Mutex::default(),
            stop,
        }
    }

    /// Takes in a message, after those of its channel that were said before it.
    pub async fn hear(self: &Arc<Self>, message: Message, missed: bool) {
        if !self.may_matter(&message) {
            return;
        }
        let (channel, id) = (message.channel_id, message.id);
        if self.inbox.put(channel, id, Waiting { message, missed }) {
            self.serve(channel).await;
        }
    }

    /// Takes in what waits in a channel.
    pub async fn serve(self: &Arc<Self>, channel: ChannelId) {
        tokio::time::sleep(SETTLING).await;
        while let Some(waiting) = self.inbox.next(channel) {
            let id = waiting.message.id;
            if let Err(error) = self.weigh(&waiting).await {
                tracing::error!(channel = %channel, message = %id, %error, "cannot place a message");
            }
        }
    }

    /// Whether a message mentions the bot.
    pub fn is_addressed(&self, message: &Message) -> bool {
        let known = self.channels.known(message.channel_id);
        let role = known.and_then(|at| self.channels.own_role(at.guild));
        addresses(message, &Me { user: self.me, role })
    }

    /// Whether a message can be for the bot, as far as can be told without asking anybody.
    fn may_matter(&self, message: &Message) -> bool {
        let known = self.channels.known(message.channel_id);
        let open_to_all = !self.discord.settings().mention_only && known.is_none_or(|at| at.thread.is_some());
        is_by_a_person(message, self.me) && (open_to_all || self.is_addressed(message))
    }

    async fn weigh(self: &Arc<Self>, waiting: &Waiting) -> Result<(), Error> {
        let message = &waiting.message;
        if waiting.missed && self.is_known(message.id).await {
            return Ok(());
        }
        let settings = self.discord.settings();
        let Some(at) = self.channels.find(message.channel_id, self.discord.rest()).await? else {
            return Ok(());
        };
        let roles = if message.member.is_some() {
            Vec::new()
        } else {
            self.roles(at.guild, message.author.id).await?
        };
        let speaker = speaker(message, roles);
        let me = Me { user: self.me, role: self.channels.own_role(at.guild) };
        match inbound(message, &at, &speaker, &me, &settings.allow, settings.mention_only) {
            Heard::Nothing => {}
            Heard::Refused(refusal) => {
                // Others need not wait until they are told.
                let (door, message) = (self.clone(), message.clone());
                tokio::spawn(async move { door.refuse(&message, &at, refusal).await });
            }
            Heard::Said { text, addressed } => {
                let spot = at.spot(&message.id);
                let said = self.incoming(&message.id, spot, &speaker, &text, None, addressed);
                let received = self.take(&said).await;
                tracing::debug!(message = %message.id, ?received, "heard a message");
            }
        }
        Ok(())
    }

    /// Puts what was said into the words of the store.
    pub fn incoming(
        &self,
        id: &impl ToString,
        spot: Spot,
        speaker: &Speaker,
        text: &str,
        about: Option<Resource>,
        addressed: bool,
    ) -> Incoming {
        Incoming {
            platform: NAME.into(),
            message: id.to_string(),
            spot,
            author: speaker.author(),
            text: Redacted::new(text),
            about,
            addressed,
            cluster: self.inlet.cluster.clone(),
            queues: self.inlet.queues.clone(),
        }
    }

    /// Gives what was said to the store, however often that takes; `None` when the program stops first.
    pub async fn take(&self, said: &Incoming) -> Option<Received> {
        let mut pause = Duration::from_millis(100);
        loop {
            match self.inlet.store.receive(said).await {
                Ok(received) => return Some(received),
                Err(error) => tracing::error!(message = said.message, %error, "cannot take in a message yet"),
            }
            self.stop.run_until_cancelled(tokio::time::sleep(pause)).await?;
            pause = (pause * 2).min(Duration::from_secs(5));
        }
    }

    async fn is_known(&self, message: MessageId) -> bool {
        // Where this fails, taking it in does the same check again.
        self.inlet.store.has_message(NAME, &message.to_string()).await.unwrap_or_default()
    }

    /// The roles of somebody whose message came without them.
    async fn roles(&self, guild: GuildId, user: UserId) -> Result<Vec<RoleId>, Error> {
        #[derive(Deserialize)]
        struct Found {
            roles: Vec<RoleId>,
        }
        let known = self.roles.lock().unwrap_or_else(PoisonError::into_inner).get(&(guild, user)).cloned();
        if let Some(roles) = known {
            return Ok(roles);
        }
        let ask = Ask::get(Route::GuildMember { guild_id: guild, user_id: user });
        let roles = match self.discord.rest().persist::<Found>(&ask).await {
            Ok(found) => found.roles,
            // They have left the server.
            Err(error) if !error.is_passing() => Vec::new(),
            Err(error) => return Err(error),
        };
        self.roles.lock().unwrap_or_else(PoisonError::into_inner).insert((guild, user), roles.clone());
        Ok(roles)
    }

    /// Forgets the roles that were asked for: they may have changed.
    pub fn forget_roles(&self) {
        self.roles.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// Tells somebody once why they get no answer: in private, or in the channel where that is closed.
    async fn refuse(&self, message: &Message, at: &At, refusal: Refusal) {
        match self.inlet.store.tell_once(&refusal.notice(message.author.id)).await {
            Ok(true) => {}
            Ok(false) => return,
            Err(error) => return tracing::error!(%error, "cannot note whom to tell why they get no answer"),
        }
        let words = refusal.words(&self.discord.settings().allow);
        let told = match self.write_to(message, &words).await {
            Err(error) if !error.is_passing() => self.reply(message, at.id(), &words).await,
            told => told,
        };
        if let Err(error) = told {
            tracing::warn!(user = %message.author.id, %error, "cannot tell somebody why they get no answer");
        }
    }

    async fn write_to(&self, message: &Message, words: &str) -> Result<(), Error> {
        #[derive(Deserialize)]
        struct Made {
            id: ChannelId,
        }
        let body = json!({ "recipient_id": message.author.id.to_string() });
        let direct: Made = self.discord.rest().persist(&Ask::post(Route::UserMeDmChannels, body)).await?;
        let route = Route::ChannelMessages { channel_id: direct.id };
        let body = message::note(words, &format!("r{}", message.id));
        self.discord.rest().persist::<serde_json::Value>(&Ask::post(route, body)).await.map(drop)
    }

    async fn reply(&self, message: &Message, channel: ChannelId, words: &str) -> Result<(), Error> {
        let route = Route::ChannelMessages { channel_id: channel };
        let body = message::note(words, &format!("r{}", message.id));
        let body = message::replying(body, &message.id.to_string());
        self.discord.rest().persist::<serde_json::Value>(&Ask::post(route, body)).await.map(drop)
    }
}
