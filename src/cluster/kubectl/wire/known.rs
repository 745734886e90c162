//! Remembers which kinds a server has: asking takes longer than most commands do.

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::{Mutex, MutexGuard},
    time::Instant,
};

use super::{Wire, failure::Failure, kinds::Kinds};

/// For how long what was discovered is taken for granted.
const FRESH: Duration = Duration::from_secs(300);

/// The kinds of one cluster, shared by all that ask it. Whoever comes while they are being asked for waits for them.
#[derive(Clone, Default)]
pub struct KnownKinds(Arc<Mutex<Option<Known>>>);

#[derive(Clone)]
struct Known {
    kinds: Arc<Kinds>,
    since: Instant,
}

impl KnownKinds {
    async fn lock(&self, until: Instant) -> Result<MutexGuard<'_, Option<Known>>, Failure> {
        tokio::time::timeout_at(until, self.0.lock()).await.map_err(|_| Failure::late())
    }
}

impl Wire<'_> {
    /// The server's kinds as they are now.
    pub async fn kinds_now(&self) -> Result<Arc<Kinds>, Failure> {
        self.newer(self.known.lock(self.deadline).await?).await
    }

    /// What `find` finds among the server's kinds. Where that is nothing and they were discovered before this, they
    /// are asked for again, once: the kind may have been installed since.
    pub async fn among_kinds<T>(
        &self,
        mut find: impl FnMut(&Kinds) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let known = self.known.lock(self.deadline).await?;
        let Some(old) = known.clone().filter(|known| known.since.elapsed() < FRESH) else {
            return find(&*self.newer(known).await?);
        };
        drop(known);
        if let Ok(found) = find(&old.kinds) {
            return Ok(found);
        }
        let known = self.known.lock(self.deadline).await?;
        let newer = match known.clone() {
            // Somebody else asked meanwhile.
            Some(known) if known.since > old.since => Ok(known.kinds),
            _ => self.newer(known).await,
        };
        find(&*newer?)
    }

    async fn newer(&self, mut known: MutexGuard<'_, Option<Known>>) -> Result<Arc<Kinds>, Failure> {
        let since = Instant::now();
        let kinds = Arc::new(Kinds::discover(self).await?);
        *known = Some(Known { kinds: kinds.clone(), since });
        Ok(kinds)
    }
}
