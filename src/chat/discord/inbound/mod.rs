//! What a message is to the bot: nothing, a refusal, or something said. Pure.

use serenity::model::{
    channel::{Message, MessageType},
    id::{RoleId, UserId},
};

use super::{channels::At, config::Allow, refusal::Refusal};
use crate::{event::Author, redact::Redacted};

/// The bot, as people call it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Me {
    pub user: UserId,
    /// The role that Discord made for it in the server at hand.
    pub role: Option<RoleId>,
}

/// Who said it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Speaker {
    pub id: UserId,
    pub name: String,
    pub roles: Vec<RoleId>,
}

impl Speaker {
    /// As the log keeps them.
    pub fn author(&self) -> Author {
        Author {
            id: self.id.to_string(),
            name: Redacted::new(&self.name),
            roles: self.roles.iter().map(ToString::to_string).collect(),
        }
    }
}

/// What a message is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Heard {
    /// None of its business.
    Nothing,
    /// Said to it by somebody, or somewhere, that it does not answer.
    Refused(Refusal),
    /// Said to it, or said where it takes part.
    Said {
        /// Without the mention.
        text: String,
        /// Whether it was mentioned.
        addressed: bool,
    },
}

/// What a mention without a word is taken for.
const NO_WORDS: &str = "Is anything wrong?";

/// Whether a person wrote it; all else is never answered.
pub(super) fn is_by_a_person(message: &Message, me: UserId) -> bool {
    let kind = matches!(message.kind, MessageType::Regular | MessageType::InlineReply);
    let author = &message.author;
    kind && !author.bot && !author.system && author.id != me && message.webhook_id.is_none()
}

/// Whether a message mentions the bot, by its user or by its role.
pub(super) fn addresses(message: &Message, me: &Me) -> bool {
    message.mentions.iter().any(|user| user.id == me.user)
        || me.role.is_some_and(|role| message.mention_roles.contains(&role))
}

/// What a message is. `mention_only` leaves out everything that does not mention the bot.
pub(super) fn inbound(
    message: &Message,
    at: &At,
    speaker: &Speaker,
    me: &Me,
    allow: &Allow,
    mention_only: bool,
) -> Heard {
    if !is_by_a_person(message, me.user) {
        return Heard::Nothing;
    }
    let addressed = addresses(message, me);
    if !addressed && (mention_only || at.thread.is_none()) {
        return Heard::Nothing;
    }
    if let Some(refusal) = Refusal::of(allow, at, speaker.id, &speaker.roles) {
        // A server that it does not serve, and people who talk to each other, are left alone.
        let told = addressed && refusal != Refusal::Guild;
        return if told { Heard::Refused(refusal) } else { Heard::Nothing };
    }
    let text = words(message, me);
    match text.is_empty() {
        true if addressed => Heard::Said { text: NO_WORDS.into(), addressed },
        true => Heard::Nothing,
        false => Heard::Said { text, addressed },
    }
}

/// Who wrote a message, with the roles that come with it or, for one that was fetched, with `roles`.
pub(super) fn speaker(message: &Message, roles: Vec<RoleId>) -> Speaker {
    let (author, member) = (&message.author, message.member.as_deref());
    let nick = member.and_then(|member| member.nick.clone());
    Speaker {
        id: author.id,
        name: nick.or_else(|| author.global_name.clone()).unwrap_or_else(|| author.name.clone()),
        roles: member.map_or(roles, |member| member.roles.clone()),
    }
}

/// The text without mentions of the bot, with other people by name and with a word about what cannot be read.
fn words(message: &Message, me: &Me) -> String {
    let mut text = message.content.clone();
    let mut own = vec![format!("<@{}>", me.user), format!("<@!{}>", me.user)];
    own.extend(me.role.map(|role| format!("<@&{role}>")));
    for mention in &own {
        text = cut_out(&text, mention);
    }
    for user in message.mentions.iter().filter(|user| user.id != me.user) {
        let name = format!("@{}", user.global_name.as_ref().unwrap_or(&user.name));
        text = text.replace(&format!("<@{}>", user.id), &name).replace(&format!("<@!{}>", user.id), &name);
    }
    let mut text = text.trim().to_owned();
    match message.attachments.len() {
        0 => {}
        n => {
            let note = format!("[{n} attachment{}, not read]", if n == 1 { "" } else { "s" });
            text = if text.is_empty() { note } else { format!("{text}\n{note}") };
        }
    }
    text
}

/// `text` without `mention`, and without the blanks and the comma that it leaves behind.
fn cut_out(text: &str, mention: &str) -> String {
    let blank = |c: char| c == ' ' || c == '\t';
    let mut parts = text.split(mention);
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        out.truncate(out.trim_end_matches(blank).len());
        let part = part.trim_start_matches(blank);
        let at_start = out.is_empty() || out.ends_with('\n');
        let part = if at_start { part.trim_start_matches([',', ':', ';', ' ']) } else { part };
        let closes = part.starts_with(['.', ',', ':', ';', '?', '!', ')', '\n']);
        if !at_start && !part.is_empty() && !closes {
            out.push(' ');
        }
        out.push_str(part);
    }
    out
}

#[cfg(test)]
mod tests;
