//! Makes a place show what its conversation's log says: the posts that should be there against the posts that are.
//! May be stopped anywhere and started again.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use anyhow::Result;
use async_trait::async_trait;
use sha2::{Digest, Sha256};

use super::{Fault, Platform, Post, render::render, render::title};
use crate::{
    event::{ConversationId, Entry, rests},
    store::{Conversation, Lease, Shown, Store},
    worker::{Outcome, Work},
};

/// A place's typing indicator lasts about ten seconds.
const TYPING: Duration = Duration::from_secs(8);

/// Delivers the conversations of one platform.
pub struct Delivery {
    store: Store,
    platform: Arc<dyn Platform>,
    /// Edits of one live post are at least this far apart.
    coalesce: Duration,
    /// When each place was last shown that an answer is being worked on. Lost with the process, which costs one call.
    typed: Mutex<HashMap<ConversationId, Instant>>,
}

impl Delivery {
    /// Delivers to `platform`, with edits of a live post at least `coalesce` apart.
    pub fn new(store: Store, platform: Arc<dyn Platform>, coalesce: Duration) -> Self {
        Self { store, platform, coalesce, typed: Mutex::default() }
    }

    async fn deliver(&self, lease: &Lease) -> Result<Outcome, Stop> {
        let id = lease.lane.conversation();
        let Some(conversation) = self.store.conversation(id).await? else { return Ok(Outcome::Done) };
        let log = self.store.log(id, 0).await?;
        let thread = self.thread(&conversation, &log).await?;
        let shown = self.settle_doubts(id, &thread, self.store.posts(id).await?).await?;
        let mut wait: Option<Duration> = None;
        for post in render(&log, self.platform.limits()) {
            let digest = digest(&post);
            let known = shown.iter().find(|known| known.key == post.key);
            match known.and_then(|known| known.remote.as_ref().map(|remote| (known, remote))) {
                None => self.create(id, &thread, &post, &digest).await?,
                Some((known, _)) if known.digest == digest => {}
                Some((known, remote)) => match self.too_soon(&post, known) {
                    Some(left) => wait = Some(wait.map_or(left, |wait| wait.min(left))),
                    None => self.edit(id, &thread, remote, &post, &digest).await?,
                },
            }
        }
        if !rests(&log) {
            self.show_typing(id, &thread).await?;
            wait = Some(wait.map_or(TYPING, |wait| wait.min(TYPING)));
        } else {
            self.typed.lock().unwrap_or_else(PoisonError::into_inner).remove(id);
        }
        Ok(wait.map_or(Outcome::Done, Outcome::Snooze))
    }

    /// The thread of a conversation, opened if need be.
    async fn thread(&self, conversation: &Conversation, log: &[Entry]) -> Result<String, Stop> {
        if let Some(thread) = &conversation.place.thread {
            return Ok(thread.clone());
        }
        let title = title(log, self.platform.limits());
        let thread = self.platform.open(&conversation.place, &title).await?;
        self.store.opened(&conversation.id, &thread).await?;
        Ok(thread)
    }

    /// Finds out about posts that were about to be made when an earlier run was cut off: the thread is read back, and
    /// a post of ours there that no record knows is the one in doubt.
    async fn settle_doubts(
        &self,
        id: &ConversationId,
        thread: &str,
        mut shown: Vec<Shown>,
    ) -> Result<Vec<Shown>, Stop> {
        if shown.iter().all(|known| known.remote.is_some()) {
            return Ok(shown);
        }
        let there = self.platform.own_posts(thread, None).await?;
        let known: Vec<String> = shown.iter().filter_map(|known| known.remote.clone()).collect();
        let mut unknown = there.into_iter().filter(|id| !known.contains(id));
        for doubt in shown.iter_mut().filter(|known| known.remote.is_none()) {
            if let Some(remote) = unknown.next() {
                // What it shows is not known either: an empty digest has it edited.
                self.store.posted(id, &doubt.key, &remote, "").await?;
                doubt.remote = Some(remote);
            }
        }
        Ok(shown)
    }

    async fn create(&self, id: &ConversationId, thread: &str, post: &Post, digest: &str) -> Result<(), Stop> {
        self.store.about_to_post(id, &post.key).await?;
        let remote = self.platform.create(thread, &nonce(id, &post.key), post).await?;
        self.store.posted(id, &post.key, &remote, digest).await?;
        // A new post ends the typing indicator.
        self.typed.lock().unwrap_or_else(PoisonError::into_inner).remove(id);
        Ok(())
    }

    async fn edit(
        &self,
        id: &ConversationId,
        thread: &str,
        remote: &str,
        post: &Post,
        digest: &str,
    ) -> Result<(), Stop> {
        match self.platform.edit(thread, remote, post).await {
            // Somebody deleted it: it stays so.
            Ok(()) | Err(Fault::Gone) => {}
            Err(fault) => return Err(fault.into()),
        }
        self.store.posted(id, &post.key, remote, digest).await?;
        Ok(())
    }

    /// How long an edit has to wait. The last state of a post, which has nothing to press any more, does not wait.
    fn too_soon(&self, post: &Post, known: &Shown) -> Option<Duration> {
        if !post.live || post.buttons.is_empty() || known.digest.is_empty() {
            return None;
        }
        let since = self.store.clock().now_ms().saturating_sub(known.at_ms);
        let left =
            self.coalesce.saturating_sub(Duration::from_millis(u64::try_from(since).unwrap_or_default()));
        (!left.is_zero()).then_some(left)
    }

    async fn show_typing(&self, id: &ConversationId, thread: &str) -> Result<(), Stop> {
        {
            let mut typed = self.typed.lock().unwrap_or_else(PoisonError::into_inner);
            if typed.get(id).is_some_and(|at| at.elapsed() < TYPING) {
                return Ok(());
            }
            typed.insert(id.clone(), Instant::now());
        }
        Ok(self.platform.typing(thread).await?)
    }

    /// Tells the person why nothing will be shown, where that is possible, and gives up.
    async fn refused(&self, lease: &Lease, why: crate::redact::Redacted, tell: bool) -> Result<Outcome> {
        let id = lease.lane.conversation();
        if tell && let Some(conversation) = self.store.conversation(id).await? {
            let notice = format!("refused:{id}:{why}");
            if self.platform.tell(&conversation.place, &nonce(id, &why), &why).await.is_ok() {
                self.store.tell_once(&notice).await?;
            }
        }
        Ok(Outcome::GiveUp(why.to_string()))
    }
}

#[async_trait]
impl Work for Delivery {
    async fn run(&self, lease: &Lease) -> Result<Outcome> {
        match self.deliver(lease).await {
            Ok(outcome) => Ok(outcome),
            Err(Stop::Platform(Fault::Later { after, why })) => Ok(Outcome::Retry(after, why)),
            Err(Stop::Platform(Fault::Refused { why, tell })) => self.refused(lease, why, tell).await,
            Err(Stop::Platform(Fault::Gone)) => Ok(Outcome::GiveUp("the thread is gone".into())),
            Err(Stop::Store(error)) => Err(error.into()),
        }
    }
}

/// Why a delivery did not get to its end.
#[derive(Debug, thiserror::Error)]
enum Stop {
    #[error(transparent)]
    Platform(#[from] Fault),
    #[error(transparent)]
    Store(#[from] crate::store::Error),
}

/// What a post shows, in few characters.
fn digest(post: &Post) -> String {
    hex(&Sha256::digest(format!("{post:?}")), 16)
}

/// Within the 25 characters that platforms take, and the same at every try of one post.
fn nonce(conversation: &ConversationId, key: &str) -> String {
    hex(&Sha256::digest(format!("{conversation}/{key}")), 24)
}

fn hex(bytes: &[u8], digits: usize) -> String {
    let all: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    all.get(..digits).unwrap_or(&all).to_owned()
}
