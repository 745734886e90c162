//! The way in for commands and buttons. Discord waits three seconds for a first answer, so that one and the store
//! race: the store goes first, unless it is slow.

use std::time::Duration;

use serde_json::{Value, json};
use serenity::{
    http::Route,
    model::{
        application::{CommandInteraction, ComponentInteraction, Interaction},
        channel::PartialChannel,
        guild::Member,
        id::{ChannelId, GuildId, InteractionId},
    },
};
use tokio::time::{Instant, timeout};

use super::{
    answers::Answer, ask::Ask, channels::At, commands, door::Door, inbound::Speaker, message, open::origin,
    refusal::Refusal,
};
use crate::{
    redact::Redacted,
    store::{Incoming, Received},
};

/// How long the store may take before Discord is answered first.
const STORE_FIRST: Duration = Duration::from_millis(1200);

/// How long the cluster may take to give names.
const NAMES_WITHIN: Duration = Duration::from_secs(2);

/// Until when after it was heard a first answer makes sense.
const ANSWER_WITHIN: Duration = Duration::from_millis(2800);

/// The kinds of first answers.
const MESSAGE: u64 = 4;
const THINKING: u64 = 5;
const SILENT: u64 = 6;
const CHOICES: u64 = 8;

/// The flag of a message that only one person sees.
const EPHEMERAL: u64 = 1 << 6;

/// What Discord says when a question has its first answer already.
const ANSWERED: u64 = 40060;

/// Where the first answer goes.
#[derive(Clone, Copy)]
struct Question<'a> {
    id: InteractionId,
    token: &'a str,
}

impl Door {
    /// Takes in what somebody did with a command or a button.
    pub async fn interaction(&self, interaction: &Interaction) {
        match interaction {
            Interaction::Command(command) => self.command(command).await,
            Interaction::Autocomplete(command) => self.choices(command).await,
            Interaction::Component(press) => self.press(press).await,
            _ => {}
        }
    }

    async fn command(&self, command: &CommandInteraction) {
        let question = Question { id: command.id, token: &command.token };
        let told = command.channel.as_ref();
        let Some((at, speaker)) =
            self.asker(command.guild_id, command.channel_id, told, command.member.as_deref())
        else {
            return self.whisper(question, "Use this in a channel of a server.").await;
        };
        let allow = &self.discord.settings().allow;
        if let Some(refusal) = Refusal::of(allow, &at, speaker.id, &speaker.roles) {
            return self.whisper(question, &refusal.words(allow)).await;
        }
        if commands::asks_for_usage(&command.data) {
            let person = speaker.id.to_string();
            let words = timeout(NAMES_WITHIN, self.inlet.ledger.today(&person)).await;
            let late = |_| Redacted::new("I could not read the figures in time. Please ask again.");
            return self.whisper(question, &words.unwrap_or_else(late)).await;
        }
        let Some(asked) = commands::asked(&command.data) else {
            return self
                .whisper(question, "I do not know this command any more. Mention me with your question.")
                .await;
        };
        let answer = Answer {
            application: command.application_id,
            token: command.token.clone(),
            words: Redacted::new(&asked.text),
        };
        let begun = origin(command.id);
        let said = self.incoming(&command.id, at.spot(&begun), &speaker, &asked.text, asked.about, true);
        self.discord.answers().expect(&begun, answer.clone());
        let (received, deferred) = self.take_and_answer(question, THINKING, &said, &begun).await;
        tracing::debug!(interaction = %command.id, ?received, deferred, "heard a command");
        let words = match received {
            Some(Received::Taken(_) | Received::Known(_)) if at.thread.is_some() => {
                message::quote(&answer.words, 1900)
            }
            // Delivery begins the thread from the answer.
            Some(Received::Taken(_) | Received::Known(_)) => return,
            Some(Received::NotForUs) | None => "I could not take this in. Please ask again.".into(),
        };
        if deferred && let Err(error) = self.discord.reword(&answer, &words).await {
            tracing::warn!(interaction = %command.id, %error, "cannot finish the answer to a command");
        }
    }

    async fn press(&self, press: &ComponentInteraction) {
        let question = Question { id: press.id, token: &press.token };
        let told = press.channel.as_ref();
        let says = message::says(&press.data.custom_id);
        let asker = self.asker(press.guild_id, press.channel_id, told, press.member.as_ref());
        let (Some(says), Some((at, speaker))) = (says, asker) else {
            self.first_answer(question, &json!({ "type": SILENT })).await;
            return;
        };
        let allow = &self.discord.settings().allow;
        if let Some(refusal) = Refusal::of(allow, &at, speaker.id, &speaker.roles) {
            return self.whisper(question, &refusal.words(allow)).await;
        }
        let said = self.incoming(&press.id, at.spot(&origin(press.id)), &speaker, says, None, true);
        let (received, _) = self.take_and_answer(question, SILENT, &said, "").await;
        tracing::debug!(interaction = %press.id, ?received, "heard a button");
    }

    async fn choices(&self, command: &CommandInteraction) {
        let question = Question { id: command.id, token: &command.token };
        let told = command.channel.as_ref();
        let asker = self.asker(command.guild_id, command.channel_id, told, command.member.as_deref());
        let allow = &self.discord.settings().allow;
        let allowed = asker.is_some_and(|(at, who)| Refusal::of(allow, &at, who.id, &who.roles).is_none());
        let found = match allowed {
            true => timeout(NAMES_WITHIN, commands::choices(&*self.inlet.names, &command.data)).await,
            false => Ok(Vec::new()),
        };
        let choices: Vec<Value> =
            found.unwrap_or_default().iter().map(|name| json!({ "name": name, "value": name })).collect();
        self.first_answer(question, &json!({ "type": CHOICES, "data": { "choices": choices } })).await;
    }

    /// Where something was done and by whom; `None` outside of servers.
    fn asker(
        &self,
        guild: Option<GuildId>,
        channel: ChannelId,
        told: Option<&PartialChannel>,
        member: Option<&Member>,
    ) -> Option<(At, Speaker)> {
        let at = self.channels.of_interaction(guild?, channel, told)?;
        let member = member?;
        let speaker = Speaker {
            id: member.user.id,
            name: member.display_name().to_owned(),
            roles: member.roles.clone(),
        };
        Some((at, speaker))
    }

    /// Takes in what was said and gives the first answer, in this order if the store is quick. What became of the
    /// two; the second is noted under `begun` at once.
    async fn take_and_answer(
        &self,
        question: Question<'_>,
        kind: u64,
        said: &Incoming,
        begun: &str,
    ) -> (Option<Received>, bool) {
        let take = self.take(said);
        tokio::pin!(take);
        let received = timeout(STORE_FIRST, &mut take).await;
        let answered = self.first_answer(question, &json!({ "type": kind })).await;
        self.discord.answers().settle(begun, answered);
        match received {
            Ok(received) => (received, answered),
            Err(_) => (take.await, answered),
        }
    }

    /// Says something that only the one who asked sees.
    async fn whisper(&self, question: Question<'_>, words: &str) {
        let mut data = message::text(words);
        data["flags"] = json!(EPHEMERAL);
        self.first_answer(question, &json!({ "type": MESSAGE, "data": data })).await;
    }

    /// Gives the first answer, within the time that Discord waits for it. Whether it took it.
    async fn first_answer(&self, question: Question<'_>, body: &Value) -> bool {
        let deadline = Instant::now() + ANSWER_WITHIN;
        loop {
            let route = Route::InteractionResponse { interaction_id: question.id, token: question.token };
            let ask = Ask::post(route, body.clone());
            let error = match tokio::time::timeout_at(deadline, self.discord.rest().call(&ask)).await {
                Ok(Ok(_)) => return true,
                Ok(Err(error)) if error.code() == ANSWERED => return true,
                Ok(Err(error)) if error.is_passing() && Instant::now() < deadline => {
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    continue;
                }
                Ok(Err(error)) => error.to_string(),
                Err(_) => "too late".to_owned(),
            };
            tracing::warn!(interaction = %question.id, error, "cannot answer a command or button");
            return false;
        }
    }
}
