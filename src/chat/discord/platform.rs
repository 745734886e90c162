//! Shows conversations on Discord.

use async_trait::async_trait;
use serde::Deserialize;
use serde_json::{Value, json};
use serenity::{
    http::Route,
    model::id::{ChannelId, MessageId},
};

use super::{
    Discord, NAME,
    ask::Ask,
    faults::{Doing, fault},
    message,
    open::{LONGEST_TITLE, id, interaction},
    rest::Error,
};
use crate::{
    chat::{Fault, Limits, Platform, Post},
    event::Place,
    redact::Redacted,
};

/// Messages per page, Discord's most.
pub(super) const PAGE: usize = 100;

/// What an edit of a post in a thread that was put away comes to.
const ARCHIVED: u64 = 50083;

#[derive(Deserialize)]
struct Made {
    id: MessageId,
}

#[async_trait]
impl Platform for Discord {
    fn name(&self) -> &'static str {
        NAME
    }

    fn limits(&self) -> Limits {
        Limits { text: 2000, card: 4096, title: LONGEST_TITLE }
    }

    async fn open(&self, place: &Place, title: &Redacted) -> Result<String, Fault> {
        self.open_thread(place, title).await
    }

    async fn create(&self, thread: &str, nonce: &str, post: &Post) -> Result<String, Fault> {
        let route = Route::ChannelMessages { channel_id: id(thread)? };
        let ask = Ask::post(route, message::create(post, nonce)).files(&post.files);
        let made: Made = self.rest().fetch(&ask).await.map_err(|e| fault(&e, Doing::Posting, thread))?;
        Ok(made.id.to_string())
    }

    async fn edit(&self, thread: &str, post_id: &str, post: &Post) -> Result<(), Fault> {
        let channel: ChannelId = id(thread)?;
        let route = Route::ChannelMessage { channel_id: channel, message_id: id(post_id)? };
        let ask = Ask::patch(route, message::edit(post)).files(&post.files);
        let mut done = self.rest().call(&ask).await;
        if done.as_ref().is_err_and(|error| error.code() == ARCHIVED) {
            done = match self.revive(channel).await {
                Ok(_) => self.rest().call(&ask).await,
                refused => refused,
            };
        }
        done.map(drop).map_err(|e| fault(&e, Doing::Editing, thread))
    }

    async fn own_posts(&self, thread: &str, after: Option<&str>) -> Result<Vec<String>, Fault> {
        let channel: ChannelId = id(thread)?;
        let after = after.map(id::<MessageId>).transpose()?.map_or(0, MessageId::get);
        self.own_messages(channel, after).await.map_err(|e| fault(&e, Doing::Reading, thread))
    }

    async fn typing(&self, thread: &str) -> Result<(), Fault> {
        let route = Route::ChannelTyping { channel_id: id(thread)? };
        self.rest().call(&Ask::poke(route)).await.map(drop).map_err(|e| fault(&e, Doing::Typing, thread))
    }

    async fn tell(&self, place: &Place, nonce: &str, why: &Redacted) -> Result<(), Fault> {
        if let Some(answer) = self.answers().get(&place.origin).await
            && self.reword(&answer, why).await.is_ok()
        {
            return Ok(());
        }
        let mut body = message::note(why, nonce);
        if interaction(&place.origin).is_none() {
            body = message::replying(body, &place.origin);
        }
        let route = Route::ChannelMessages { channel_id: id(&place.channel)? };
        let told = self.rest().call(&Ask::post(route, body)).await;
        told.map(drop).map_err(|e| fault(&e, Doing::Telling, &place.channel))
    }
}

impl Discord {
    /// Gets a thread back that Discord has put away; a new post does that by itself, an edit does not.
    async fn revive(&self, thread: ChannelId) -> Result<Value, Error> {
        let route = Route::Channel { channel_id: thread };
        self.rest().call(&Ask::patch(route, json!({ "archived": false }))).await
    }

    /// The bot's posts in a channel after the message `after`, oldest first.
    async fn own_messages(&self, channel: ChannelId, mut after: u64) -> Result<Vec<String>, Error> {
        let me = self.me().await?.to_string();
        let mut own = Vec::new();
        loop {
            let page = self.page(channel, after).await?;
            own.extend(
                page.iter().filter(|(_, shown)| is_own_post(shown, &me)).map(|(id, _)| id.to_string()),
            );
            match page.last() {
                Some((last, _)) if page.len() >= PAGE => after = *last,
                _ => return Ok(own),
            }
        }
    }

    /// The first messages of a channel after the message `after`, oldest first, with their ids.
    async fn page(&self, channel: ChannelId, after: u64) -> Result<Vec<(u64, Value)>, Error> {
        self.rest().fetch(&page_after(channel, after)).await.map(by_id)
    }
}

/// Asks for the first messages of a channel after the message `after`.
pub(super) fn page_after(channel: ChannelId, after: u64) -> Ask<'static> {
    Ask::get(Route::ChannelMessages { channel_id: channel }).query("after", &after).query("limit", &PAGE)
}

/// A page of messages with their ids, oldest first; Discord gives the newest first.
pub(super) fn by_id(page: Vec<Value>) -> Vec<(u64, Value)> {
    let with_id = |shown: Value| Some((shown["id"].as_str()?.parse().ok()?, shown));
    let mut page: Vec<(u64, Value)> = page.into_iter().filter_map(with_id).collect();
    page.sort_by_key(|(id, _)| *id);
    page
}

/// Whether the bot posted it by itself, not as a reply or as the answer to a command.
fn is_own_post(shown: &Value, me: &str) -> bool {
    shown["author"]["id"] == me
        && shown["type"] == 0
        && shown["message_reference"].is_null()
        && shown["interaction_metadata"].is_null()
}
