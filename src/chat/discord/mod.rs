//! Discord: hears people over its gateway and shows conversations over its REST API. Knows nothing of what an answer
//! is made of or of who works on it.

mod answers;
mod ask;
mod catch_up;
mod channels;
mod commands;
mod config;
mod door;
mod faults;
mod gateway;
mod inbound;
mod inbox;
mod interactions;
mod limits;
mod message;
mod open;
mod platform;
mod refusal;
mod rest;

use std::sync::Arc;

use serenity::model::id::UserId;
use tokio::sync::OnceCell;

use crate::{
    chat::{Ledger, Names},
    store::{Queues, Store},
};

pub use config::{Commands, Config, Id};
pub use gateway::run;

use answers::Answers;
use ask::Ask;
use config::Settings;
use rest::Rest;

/// What [`crate::event::Place::platform`] says of conversations held here.
pub const NAME: &str = "discord";

/// One sentence for the operator: what is wrong, where, what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Sentence(pub String);

/// Where what people say goes, and where it asks for names.
#[derive(Clone)]
pub struct Inlet {
    /// Takes in what is said.
    pub store: Store,
    /// The cluster that new conversations are about.
    pub cluster: String,
    /// Who works on new conversations.
    pub queues: Queues,
    /// What a person can choose from while they type a command.
    pub names: Arc<dyn Names>,
    /// What `/usage` tells.
    pub ledger: Arc<dyn Ledger>,
}

/// A bot account on Discord: the [`crate::chat::Platform`] that deliveries write to. Clones share it, and with it
/// the commands that still wait for their answer; so give [`run`] a clone of the one that delivers.
#[derive(Clone)]
pub struct Discord(Arc<Account>);

struct Account {
    settings: Settings,
    rest: Rest,
    answers: Answers,
    /// The bot's own user.
    me: OnceCell<UserId>,
}

impl Discord {
    /// An account that has not been used yet; asks nothing of Discord. Fails with the sentence for a setting that
    /// cannot be.
    pub fn new(config: &Config) -> Result<Self, Sentence> {
        let settings = Settings::of(config)?;
        let rest = Rest::new(&settings)?;
        Ok(Self(Arc::new(Account { settings, rest, answers: Answers::default(), me: OnceCell::new() })))
    }

    fn settings(&self) -> &Settings {
        &self.0.settings
    }

    fn rest(&self) -> &Rest {
        &self.0.rest
    }

    fn answers(&self) -> &Answers {
        &self.0.answers
    }

    /// The bot's own user, asked for once.
    async fn me(&self) -> Result<UserId, rest::Error> {
        #[derive(serde::Deserialize)]
        struct Me {
            id: UserId,
        }
        let ask =
            async || self.rest().fetch::<Me>(&Ask::get(serenity::http::Route::UserMe)).await.map(|me| me.id);
        self.0.me.get_or_try_init(ask).await.copied()
    }
}
