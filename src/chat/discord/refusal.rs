//! Why somebody is not answered, in a sentence for them.

use serenity::model::id::{ChannelId, UserId};

use super::{channels::At, config::Allow};

/// Why somebody is not answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    /// The server is not on the list.
    Guild,
    /// The channel is not on the list.
    Channel(ChannelId),
    /// The person is not.
    Person,
}

impl Refusal {
    /// Why this person is not answered here, if so.
    pub fn of(allow: &Allow, at: &At, user: UserId, roles: &[serenity::model::id::RoleId]) -> Option<Self> {
        if !allow.guild(at.guild) {
            Some(Refusal::Guild)
        } else if !allow.channel(at.channel) {
            Some(Refusal::Channel(at.channel))
        } else if !allow.person(user, roles) {
            Some(Refusal::Person)
        } else {
            None
        }
    }

    /// The words for the person.
    pub fn words(self, allow: &Allow) -> String {
        match self {
            Refusal::Guild => "I am not set up to answer in this server. Whoever runs me can add it to \
                               discord.guilds."
                .into(),
            Refusal::Channel(here) => {
                let mut others: Vec<_> = allow.channels.iter().collect();
                others.sort();
                let others: Vec<_> = others.iter().take(5).map(|channel| format!("<#{channel}>")).collect();
                format!("I am not set up to answer in <#{here}>. Ask me in {}.", others.join(" or "))
            }
            Refusal::Person => {
                "You are not on the list of people who may ask me. Whoever runs me can add you, or a \
                                role of yours, to discord.users or discord.roles."
                    .into()
            }
        }
    }

    /// What is told once.
    pub fn notice(self, user: UserId) -> String {
        match self {
            Refusal::Guild => format!("discord:{user}:guild"),
            Refusal::Channel(channel) => format!("discord:{user}:channel:{channel}"),
            Refusal::Person => format!("discord:{user}:person"),
        }
    }
}
