//! A message: what it shows, what it showed, and who sees it.

use bytes::Bytes;
use serde_json::Value;

use super::clock::Id;

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
