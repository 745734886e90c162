//! Where people talk to it: takes in what they say and makes the place show what the log says. Knows nothing of
//! agent, model, tools or cluster; what it needs of those it asks for by the traits here.

pub mod deliver;
pub mod discord;
pub mod markdown;
pub mod render;
pub mod terminal;
pub mod tree;

use std::time::Duration;

use async_trait::async_trait;

use crate::{event::Place, redact::Redacted};

/// One message that a place should show.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Post {
    /// Its stable name within the conversation, e.g. `3/progress`.
    pub key: String,
    /// Markdown, at most [`Limits::text`] characters. Safe: nothing in it pings, links or breaks out of a block.
    pub text: Redacted,
    /// What stands below the text in a frame of its own.
    pub card: Option<Card>,
    /// What is too long for a message.
    pub files: Vec<File>,
    /// What can be pressed.
    pub buttons: Vec<Button>,
    /// Whether it changes often, so that its edits are coalesced.
    pub live: bool,
}

/// The framed part of a post.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Card {
    /// Markdown, at most [`Limits::card`] characters. Safe, as the post's text is.
    pub text: Redacted,
    /// One small line below; empty for none.
    pub footer: Redacted,
    /// Its colour.
    pub tone: Tone,
}

/// What a card's colour says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Tone {
    /// Something is broken.
    Bad,
    /// Something works in part.
    Mixed,
    /// Nothing is wrong.
    Good,
}

/// A text file that goes with a post.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct File {
    /// Its name with extension, e.g. `worker.log`.
    pub name: String,
    /// What is in it.
    pub text: Redacted,
}

/// A button under a post. Pressing it is saying its `says`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Button {
    /// What is received when it is pressed, at most 80 characters, e.g. `stop`.
    pub says: String,
    /// What stands on it.
    pub label: String,
}

/// What a platform's messages can hold, in characters.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// The text of one post.
    pub text: usize,
    /// The card of one post.
    pub card: usize,
    /// A place's title.
    pub title: usize,
}

/// Why a platform did not do as asked, by what to do about it.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Fault {
    /// Overload, rate limit, network: the same request may succeed later.
    #[error("{why}")]
    Later {
        /// When the platform wants to be asked again, where it said so.
        after: Option<Duration>,
        /// For the operator.
        why: String,
    },
    /// It will not be done until a person changes something.
    #[error("{why}")]
    Refused {
        /// One sentence: what is wrong and what to do.
        why: Redacted,
        /// Whether the person can still be told in the channel that they asked in.
        tell: bool,
    },
    /// The post to be edited was deleted: it stays so.
    #[error("the post is gone")]
    Gone,
}

/// A chat service that shows conversations.
#[async_trait]
pub trait Platform: Send + Sync {
    /// Its name, as [`Place::platform`] has it.
    fn name(&self) -> &'static str;

    /// What its messages can hold.
    fn limits(&self) -> Limits;

    /// Opens the thread of a place, or finds the one that an earlier try opened, and returns its id.
    async fn open(&self, place: &Place, title: &Redacted) -> Result<String, Fault>;

    /// Creates a post and returns its id. The platform takes a second post under the same nonce (at most 25
    /// characters) within some minutes for the first one again.
    async fn create(&self, thread: &str, nonce: &str, post: &Post) -> Result<String, Fault>;

    /// Changes a post that exists.
    async fn edit(&self, thread: &str, id: &str, post: &Post) -> Result<(), Fault>;

    /// The ids of the posts that this program made in the thread after `after` (from its start, if `None`), oldest
    /// first. Answers to other messages are not among them.
    async fn own_posts(&self, thread: &str, after: Option<&str>) -> Result<Vec<String>, Fault>;

    /// Shows that an answer is being worked on, for some seconds.
    async fn typing(&self, thread: &str) -> Result<(), Fault>;

    /// Tells the person in the channel that the question came from why it can't be answered in a thread.
    async fn tell(&self, place: &Place, nonce: &str, why: &Redacted) -> Result<(), Fault>;
}

/// What models were asked for and may still be, for a person who wants to know.
#[async_trait]
pub trait Ledger: Send + Sync {
    /// What was spent today, by this person and by all, and what is allowed.
    async fn today(&self, person: &str) -> Redacted;
}

/// Names for a person to choose from while they type a command.
#[async_trait]
pub trait Names: Send + Sync {
    /// Namespaces that match what was typed so far, best first, at most `most`.
    async fn namespaces(&self, typed: &str, most: usize) -> Vec<String>;

    /// Objects of a kind (`Pod`, `Deployment`…; empty for every workload kind) that match, best first.
    async fn objects(&self, kind: &str, namespace: Option<&str>, typed: &str, most: usize) -> Vec<String>;
}
