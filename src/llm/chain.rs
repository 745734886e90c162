//! Models that stand in for one another: asked in order, until one answers. Knows nothing of how each is reached.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use async_trait::async_trait;
use tokio::time::Instant;

use super::{Live, Model, ModelError, Prompt, Reply};
use crate::redact::Redacted;

/// A model that failed is asked last for so long, unless its provider says how long, so that not every step waits for
/// it to fail again.
const REST: Duration = Duration::from_secs(30);

/// One of the models.
pub(super) struct Link {
    model: Arc<dyn Model>,
    /// How many tokens it can read, where that is known.
    context: Option<u64>,
    rests_until: Mutex<Option<Instant>>,
}

impl Link {
    pub(super) fn new(model: Arc<dyn Model>, context: Option<u64>) -> Self {
        Self { model, context, rests_until: Mutex::default() }
    }

    fn rests(&self) -> bool {
        let until = self.rests_until.lock().unwrap_or_else(PoisonError::into_inner);
        until.is_some_and(|until| Instant::now() < until)
    }

    fn rest(&self, pause: Duration) {
        let until = Instant::now().checked_add(pause);
        *self.rests_until.lock().unwrap_or_else(PoisonError::into_inner) = until;
    }
}

/// Models that stand in for one another, the first before the others.
pub(super) struct Chain {
    pub(super) links: Vec<Link>,
}

#[async_trait]
impl Model for Chain {
    fn name(&self) -> &str {
        self.links.first().map_or("", |link| link.model.name())
    }

    async fn complete(&self, prompt: &Prompt, live: &dyn Live) -> Result<Reply, ModelError> {
        let ear = Ear { live, heard: AtomicBool::new(false) };
        let mut failures = Vec::new();
        // A prompt that was too long for a model is asked only of those that are known to read more.
        let mut too_little = None;
        for (place, link) in self.order() {
            if too_little.is_some() && link.context <= too_little {
                continue;
            }
            let error = match link.model.complete(prompt, &ear).await {
                Ok(mut reply) => {
                    if place > 0 {
                        reply.model.get_or_insert_with(|| link.model.name().to_owned());
                    }
                    return Ok(reply);
                }
                Err(error) => error,
            };
            let goes_on = match &error {
                ModelError::Unavailable { retry_after, .. } => {
                    link.rest(retry_after.unwrap_or(REST));
                    true
                }
                ModelError::Rejected { account: true, .. } => {
                    link.rest(REST);
                    true
                }
                // Its request is everybody's; of one that stands in, the failure of the first says more.
                ModelError::Rejected { .. } => !failures.is_empty(),
                ModelError::PromptTooLong { .. } => {
                    too_little = too_little.max(link.context);
                    too_little.is_some()
                }
            };
            // What was heard is not said twice.
            if !goes_on || ear.heard.load(Relaxed) {
                return Err(error);
            }
            tracing::warn!(model = link.model.name(), %error, "asking the next model");
            failures.push(error);
        }
        Err(all_failed(&failures))
    }
}

impl Chain {
    /// The models with their places: those that failed a short while ago last.
    fn order(&self) -> impl Iterator<Item = (usize, &Link)> {
        let (resting, ready): (Vec<_>, Vec<_>) =
            self.links.iter().enumerate().partition(|(_, link)| link.rests());
        ready.into_iter().chain(resting)
    }
}

/// What the caller can do something about goes first: a prompt to shorten, then a wait. The words are everybody's.
fn all_failed(failures: &[ModelError]) -> ModelError {
    let rank = |error: &&ModelError| match error {
        ModelError::PromptTooLong { .. } => 0,
        ModelError::Unavailable { .. } => 1,
        ModelError::Rejected { .. } => 2,
    };
    let soonest = failures.iter().filter_map(|error| match error {
        ModelError::Unavailable { retry_after, .. } => *retry_after,
        _ => None,
    });
    let soonest = soonest.min();
    let Some(told) = failures.iter().min_by_key(rank) else {
        let reason = Redacted::new("there is no model to ask");
        return ModelError::Rejected { model: String::new(), reason, account: false };
    };
    let (model, reason) = told.told();
    let others = failures.iter().map(ModelError::told).filter(|other| other.0 != model);
    let others: Vec<String> = others.map(|(model, reason)| format!("; {model}: {reason}")).collect();
    let (model, reason) = (model.to_owned(), Redacted::new(format!("{reason}{}", others.concat())));
    match told {
        ModelError::PromptTooLong { .. } => ModelError::PromptTooLong { model, reason },
        ModelError::Unavailable { .. } => ModelError::Unavailable { model, reason, retry_after: soonest },
        ModelError::Rejected { account, .. } => ModelError::Rejected { model, reason, account: *account },
    }
}

/// Notes whether anything was heard.
struct Ear<'a> {
    live: &'a dyn Live,
    heard: AtomicBool,
}

impl Live for Ear<'_> {
    fn delta(&self, text: &Redacted) {
        self.heard.store(true, Relaxed);
        self.live.delta(text);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Answers, or fails as it is told to.
    struct Fake {
        name: &'static str,
        fails: Mutex<Option<ModelError>>,
        asked: Mutex<usize>,
    }

    #[async_trait]
    impl Model for Fake {
        fn name(&self) -> &str {
            self.name
        }

        async fn complete(&self, _: &Prompt, _: &dyn Live) -> Result<Reply, ModelError> {
            *self.asked.lock().unwrap() += 1;
            self.fails.lock().unwrap().clone().map_or_else(|| Ok(Reply::default()), Err)
        }
    }

    fn busy(retry_after: Option<u64>) -> ModelError {
        let retry_after = retry_after.map(Duration::from_secs);
        ModelError::Unavailable { model: "first".into(), reason: Redacted::new("busy"), retry_after }
    }

    async fn asked(chain: &Chain) -> Option<String> {
        let prompt = Prompt::default();
        chain.complete(&prompt, &()).await.unwrap().model
    }

    #[tokio::test(start_paused = true)]
    async fn who_failed_is_asked_first_again_after_a_while() {
        for (retry_after, rest) in [(None, 30), (Some(3600), 3600)] {
            let fake =
                |name, fails| Arc::new(Fake { name, fails: Mutex::new(fails), asked: Mutex::default() });
            let (first, spare) = (fake("first", Some(busy(retry_after))), fake("spare", None));
            let chain = Chain { links: vec![Link::new(first.clone(), None), Link::new(spare.clone(), None)] };
            assert_eq!(asked(&chain).await.as_deref(), Some("spare"));
            *first.fails.lock().unwrap() = None;
            tokio::time::advance(Duration::from_secs(rest - 1)).await;
            assert_eq!(asked(&chain).await.as_deref(), Some("spare"));
            assert_eq!(*first.asked.lock().unwrap(), 1);
            // Where nobody else answers, it is asked all the same.
            *spare.fails.lock().unwrap() = Some(busy(None));
            assert_eq!(asked(&chain).await, None);
            tokio::time::advance(Duration::from_secs(2)).await;
            assert_eq!(asked(&chain).await, None, "it is the first, so nobody has to be named");
            assert_eq!((*first.asked.lock().unwrap(), *spare.asked.lock().unwrap()), (3, 3));
        }
    }
}
