//! Commands that Discord waits for an answer to: their tokens, for as long as they are good. In memory alone: who
//! finds no token here does without.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use serenity::model::id::ApplicationId;
use tokio::{sync::watch, time::Instant};

use crate::redact::Redacted;

/// A little less than the 15 minutes that Discord gives.
const GOOD_FOR: Duration = Duration::from_secs(14 * 60);

/// A command that was answered with "thinking…" and waits for more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Answer {
    pub application: ApplicationId,
    pub token: String,
    /// What was asked.
    pub words: Redacted,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Deferral {
    Waiting,
    Done,
    Failed,
}

struct Entry {
    answer: Answer,
    deferral: watch::Sender<Deferral>,
    until: Instant,
}

/// The commands that wait.
#[derive(Clone, Default)]
pub(super) struct Answers(Arc<Mutex<HashMap<String, Entry>>>);

impl Answers {
    /// Keeps a command's token before it is known whether Discord still takes an answer.
    pub fn expect(&self, origin: &str, answer: Answer) {
        let now = Instant::now();
        let deferral = watch::Sender::new(Deferral::Waiting);
        let mut entries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        entries.retain(|_, entry| entry.until > now);
        entries.insert(origin.to_owned(), Entry { answer, deferral, until: now + GOOD_FOR });
    }

    /// Notes whether Discord took the first answer.
    pub fn settle(&self, origin: &str, deferred: bool) {
        let entries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(entry) = entries.get(origin) {
            entry.deferral.send_replace(if deferred { Deferral::Done } else { Deferral::Failed });
        }
    }

    /// The command's token, if it can be used: waits until that is known.
    pub async fn get(&self, origin: &str) -> Option<Answer> {
        let (answer, mut deferral) = {
            let entries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            let entry = entries.get(origin).filter(|entry| entry.until > Instant::now())?;
            (entry.answer.clone(), entry.deferral.subscribe())
        };
        let settled = deferral.wait_for(|deferral| *deferral != Deferral::Waiting);
        // Discord takes a first answer for three seconds only.
        match tokio::time::timeout(Duration::from_secs(4), settled).await {
            Ok(Ok(settled)) if *settled == Deferral::Done => Some(answer),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer() -> Answer {
        Answer { application: ApplicationId::new(1), token: "t".into(), words: Redacted::new("why?") }
    }

    #[tokio::test(start_paused = true)]
    async fn a_token_is_given_once_the_first_answer_was_taken() {
        let answers = Answers::default();
        assert_eq!(answers.get("i1").await, None);
        answers.expect("i1", answer());
        let later = tokio::spawn({
            let answers = answers.clone();
            async move { answers.get("i1").await }
        });
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert!(!later.is_finished());
        answers.settle("i1", true);
        assert_eq!(later.await.unwrap(), Some(answer()));
    }

    #[tokio::test(start_paused = true)]
    async fn a_token_that_was_never_good_or_is_old_is_not_given() {
        let answers = Answers::default();
        answers.expect("failed", answer());
        answers.settle("failed", false);
        assert_eq!(answers.get("failed").await, None);
        answers.expect("silent", answer());
        assert_eq!(answers.get("silent").await, None);
        answers.expect("old", answer());
        answers.settle("old", true);
        tokio::time::sleep(GOOD_FOR).await;
        assert_eq!(answers.get("old").await, None);
        answers.expect("new", answer());
        assert_eq!(answers.0.lock().unwrap().len(), 1, "the old ones are forgotten");
    }
}
