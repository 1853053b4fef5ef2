//! What bounds the load: slots for sandboxes, and one hand at a time per object.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use tokio::sync::{OwnedMutexGuard, OwnedSemaphorePermit, Semaphore};

/// Slots for sandboxes: so many in all, and so many a repository.
pub(crate) struct Slots {
    all: Arc<Semaphore>,
    per_repo_max: usize,
    repos: Mutex<HashMap<String, Weak<Semaphore>>>,
}

/// A slot. Dropping it gives it back.
pub(crate) struct Slot {
    _all: OwnedSemaphorePermit,
    _repo: OwnedSemaphorePermit,
    // Held so that the repository's semaphore lives as long as somebody uses it.
    _semaphore: Arc<Semaphore>,
}

impl Slots {
    pub(crate) fn new(max: usize, per_repo_max: usize) -> Self {
        let all = Arc::new(Semaphore::new(max.max(1)));
        Slots { all, per_repo_max: per_repo_max.max(1), repos: Mutex::new(HashMap::new()) }
    }

    /// A slot, if one is free now.
    pub(crate) fn try_claim(&self, repo: &str) -> Option<Slot> {
        let semaphore = self.repo(repo);
        let of_repo = Arc::clone(&semaphore).try_acquire_owned().ok()?;
        let of_all = Arc::clone(&self.all).try_acquire_owned().ok()?;
        Some(Slot { _all: of_all, _repo: of_repo, _semaphore: semaphore })
    }

    /// A slot, as soon as one is free; those that asked first get theirs first. The repository's own is waited for
    /// first, so that the backlog of one repository does not stand in the way of the others.
    pub(crate) async fn claim(&self, repo: &str) -> Slot {
        let semaphore = self.repo(repo);
        let of_repo = Arc::clone(&semaphore).acquire_owned().await.expect("slots are never closed");
        let of_all = Arc::clone(&self.all).acquire_owned().await.expect("slots are never closed");
        Slot { _all: of_all, _repo: of_repo, _semaphore: semaphore }
    }

    fn repo(&self, repo: &str) -> Arc<Semaphore> {
        let mut repos = self.repos.lock().unwrap_or_else(PoisonError::into_inner);
        repos.retain(|_, semaphore| semaphore.strong_count() > 0);
        if let Some(semaphore) = repos.get(repo).and_then(Weak::upgrade) {
            return semaphore;
        }
        let semaphore = Arc::new(Semaphore::new(self.per_repo_max));
        repos.insert(repo.to_owned(), Arc::downgrade(&semaphore));
        semaphore
    }
}

/// Locks by name, each gone when nobody holds it.
#[derive(Default)]
pub(crate) struct KeyedLocks {
    locks: Mutex<HashMap<String, Weak<tokio::sync::Mutex<()>>>>,
}

impl KeyedLocks {
    /// Holds the lock of this name.
    pub(crate) async fn lock(&self, name: &str) -> OwnedMutexGuard<()> {
        let lock = {
            let mut locks = self.locks.lock().unwrap_or_else(PoisonError::into_inner);
            locks.retain(|_, lock| lock.strong_count() > 0);
            let held = locks.get(name).and_then(Weak::upgrade);
            let lock = held.unwrap_or_default();
            locks.insert(name.to_owned(), Arc::downgrade(&lock));
            lock
        };
        lock.lock_owned().await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_busy_repository_leaves_slots_for_the_others() {
        let slots = Slots::new(3, 2);
        let _first = slots.claim("a").await;
        let second = slots.claim("a").await;
        assert!(slots.try_claim("a").is_none());
        assert!(slots.try_claim("b").is_some());
        drop(second);
        assert!(slots.try_claim("a").is_some());
    }

    #[tokio::test]
    async fn one_lock_a_name() {
        let locks = KeyedLocks::default();
        let held = locks.lock("a").await;
        let _other = locks.lock("b").await;
        assert!(futures_util::FutureExt::now_or_never(locks.lock("a")).is_none());
        drop(held);
        assert!(futures_util::FutureExt::now_or_never(locks.lock("a")).is_some());
    }
}
