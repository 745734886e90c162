//! The section `[discord]`, and what it says once it is checked.

use std::{collections::HashSet, fmt, hash::Hash, num::NonZeroU64, time::Duration};

use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Deserializer, de};
use serenity::model::id::{ChannelId, GuildId, RoleId, UserId};

use super::Sentence;

/// The section `[discord]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Whether Discord is on; unset: where there is a token.
    pub enabled: Option<bool>,
    /// The bot's token.
    pub token: SecretString,
    /// Where Discord's REST API is, e.g. a proxy; the gateway's address comes from there.
    pub api: String,
    /// Ids of the servers to answer in; empty: all that the bot is in.
    pub guilds: Vec<Id>,
    /// Ids of the channels to answer in, threads included; empty: all.
    pub channels: Vec<Id>,
    /// Ids of the people who may ask. Empty, with `roles` empty: everybody.
    pub users: Vec<Id>,
    /// Ids of the roles whose people may ask.
    pub roles: Vec<Id>,
    /// Hear only messages that mention the bot, in threads too: works without the privileged message content intent.
    pub mention_only: bool,
    /// Where slash commands are registered.
    pub commands: Commands,
    /// How far back messages that were said while the bot was away are answered, in hours; 0: not at all.
    pub catch_up_hours: u32,
    /// How long a request to Discord may take, in seconds.
    pub timeout_seconds: u64,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            enabled: None,
            token: String::new().into(),
            api: "https://discord.com".into(),
            guilds: Vec::new(),
            channels: Vec::new(),
            users: Vec::new(),
            roles: Vec::new(),
            mention_only: false,
            commands: Commands::Guild,
            catch_up_hours: 24,
            timeout_seconds: 10,
        }
    }
}

impl Config {
    /// Whether it is on. It may be so without a token, which is then asked for.
    pub fn enabled(&self) -> bool {
        self.enabled.unwrap_or_else(|| !self.token.expose_secret().trim().is_empty())
    }
}

/// Where slash commands are registered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Commands {
    /// In each server by itself: they are there at once.
    Guild,
    /// For all servers together.
    Global,
    /// Nowhere: only mentions work.
    Off,
}

/// An id of Discord's, written as a string or as a number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Id(pub String);

impl<'de> Deserialize<'de> for Id {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;
        impl de::Visitor<'_> for Either {
            type Value = Id;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an id, e.g. \"1234567890123456789\"")
            }

            fn visit_str<E>(self, text: &str) -> Result<Id, E> {
                Ok(Id(text.to_owned()))
            }

            fn visit_i64<E>(self, number: i64) -> Result<Id, E> {
                Ok(Id(number.to_string()))
            }

            fn visit_u64<E>(self, number: u64) -> Result<Id, E> {
                Ok(Id(number.to_string()))
            }
        }
        deserializer.deserialize_any(Either)
    }
}

/// A section that was checked.
#[derive(Clone)]
pub(super) struct Settings {
    pub token: SecretString,
    /// Without a slash at its end and without `/api/v10`.
    pub base: String,
    pub allow: Allow,
    pub mention_only: bool,
    pub commands: Commands,
    pub window: Duration,
    pub timeout: Duration,
}

impl Settings {
    pub fn of(config: &Config) -> Result<Self, Sentence> {
        let token = config.token.expose_secret().trim();
        let token = token.strip_prefix("Bot ").unwrap_or(token).trim();
        if token.is_empty() {
            return Err(Sentence(
                "discord.token is empty: put the bot's token into KUBERT_DISCORD__TOKEN (developer portal, your \
                 application, Bot, Reset Token)"
                    .into(),
            ));
        }
        if !token.chars().all(|c| c.is_ascii_graphic()) {
            return Err(Sentence(
                "discord.token is not a token: it has spaces or unusual characters in it; copy it again from the \
                 developer portal (Bot, Reset Token)"
                    .into(),
            ));
        }
        Ok(Self {
            token: token.to_owned().into(),
            base: base(&config.api)?,
            allow: Allow {
                guilds: ids("guilds", &config.guilds)?,
                channels: ids("channels", &config.channels)?,
                users: ids("users", &config.users)?,
                roles: ids("roles", &config.roles)?,
            },
            mention_only: config.mention_only,
            commands: config.commands,
            window: Duration::from_secs(u64::from(config.catch_up_hours) * 3600),
            timeout: Duration::from_secs(config.timeout_seconds.max(1)),
        })
    }
}

/// Where and to whom the bot answers; an empty list lets all through.
#[derive(Debug, Clone, Default)]
pub(super) struct Allow {
    pub guilds: HashSet<GuildId>,
    pub channels: HashSet<ChannelId>,
    pub users: HashSet<UserId>,
    pub roles: HashSet<RoleId>,
}

impl Allow {
    pub fn guild(&self, guild: GuildId) -> bool {
        self.guilds.is_empty() || self.guilds.contains(&guild)
    }

    /// `channel` is the channel itself, not a thread of it.
    pub fn channel(&self, channel: ChannelId) -> bool {
        self.channels.is_empty() || self.channels.contains(&channel)
    }

    pub fn person(&self, user: UserId, roles: &[RoleId]) -> bool {
        (self.users.is_empty() && self.roles.is_empty())
            || self.users.contains(&user)
            || roles.iter().any(|role| self.roles.contains(role))
    }
}

fn base(api: &str) -> Result<String, Sentence> {
    let trimmed = api.trim().trim_end_matches('/');
    let trimmed = trimmed.strip_suffix("/api/v10").unwrap_or(trimmed).trim_end_matches('/');
    let usable = reqwest::Url::parse(trimmed)
        .is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.query().is_none());
    if usable {
        Ok(trimmed.to_owned())
    } else {
        Err(Sentence(format!(
            "discord.api (KUBERT_DISCORD__API) is not a web address: {api:?}; leave it out for Discord itself, or \
             give one like https://proxy.example.com"
        )))
    }
}

fn ids<T: From<NonZeroU64> + Eq + Hash>(key: &str, texts: &[Id]) -> Result<HashSet<T>, Sentence> {
    texts
        .iter()
        .map(|Id(text)| {
            text.trim().parse::<NonZeroU64>().map(T::from).map_err(|_| {
                Sentence(format!(
                    "discord.{key} has {text:?} in it, which is no id: turn on Developer Mode in Discord's settings, \
                     right-click the {} and choose Copy ID",
                    key.trim_end_matches('s')
                ))
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(toml: &str) -> Result<Settings, String> {
        let text = format!("token = \"abc.def\"\n{toml}");
        let config: Config = config::Config::builder()
            .add_source(config::File::from_str(&text, config::FileFormat::Toml))
            .build()
            .and_then(config::Config::try_deserialize)
            .map_err(|e| e.to_string())?;
        Settings::of(&config).map_err(|e| e.to_string())
    }

    #[test]
    fn the_address_is_taken_with_and_without_its_version() {
        for (api, base) in [
            ("https://discord.com", "https://discord.com"),
            ("https://discord.com/", "https://discord.com"),
            ("https://discord.com/api/v10", "https://discord.com"),
            ("http://127.0.0.1:4000/api/v10/", "http://127.0.0.1:4000"),
            ("https://proxy.example.com/discord", "https://proxy.example.com/discord"),
        ] {
            assert_eq!(read(&format!("api = \"{api}\"")).unwrap().base, base);
        }
        for api in ["", "discord.com", "ftp://discord.com", "https://discord.com?x=1", "https://"] {
            let error = read(&format!("api = \"{api}\"")).err().unwrap();
            assert!(error.contains("discord.api (KUBERT_DISCORD__API) is not a web address"), "{error}");
        }
    }

    #[test]
    fn ids_are_strings_or_numbers() {
        let settings = read("guilds = [\"1\", 2]\nroles = [9007199254740993]").unwrap();
        assert!(settings.allow.guild(GuildId::new(2)) && !settings.allow.guild(GuildId::new(3)));
        assert!(settings.allow.person(UserId::new(5), &[RoleId::new(9_007_199_254_740_993)]));
        for (toml, says) in [
            ("channels = [\"general\"]", "discord.channels has \"general\" in it, which is no id"),
            ("users = [\"0\"]", "discord.users has \"0\" in it"),
            ("roles = [-1]", "discord.roles has \"-1\" in it"),
            ("chanels = [\"1\"]", "unknown field `chanels`"),
            ("commands = \"everywhere\"", "everywhere"),
        ] {
            let error = read(toml).err().unwrap();
            assert!(error.contains(says), "{error}");
        }
    }

    #[test]
    fn a_token_is_needed_and_looks_like_one() {
        for (token, says) in [
            ("", "discord.token is empty"),
            ("  ", "discord.token is empty"),
            ("a b", "discord.token is not a token"),
        ] {
            let config = Config { token: token.to_owned().into(), ..Config::default() };
            assert!(Settings::of(&config).err().unwrap().0.contains(says));
        }
        let config = Config { token: " Bot abc.def \n".to_owned().into(), ..Config::default() };
        assert_eq!(Settings::of(&config).unwrap().token.expose_secret(), "abc.def");
        assert!(config.enabled() && !Config::default().enabled());
        assert!(!Config { enabled: Some(false), ..config }.enabled());
        assert!(Config { enabled: Some(true), ..Config::default() }.enabled());
    }

    #[test]
    fn a_person_is_let_in_by_id_or_by_role() {
        let (ana, sre) = (UserId::new(1), RoleId::new(7));
        let open = Allow::default();
        assert!(open.person(ana, &[]));
        let by_role = Allow { roles: [sre].into(), ..Allow::default() };
        assert!(by_role.person(ana, &[sre]) && !by_role.person(ana, &[RoleId::new(8)]));
        let by_id = Allow { users: [ana].into(), roles: [sre].into(), ..Allow::default() };
        assert!(by_id.person(ana, &[]) && !by_id.person(UserId::new(2), &[]));
    }
}
