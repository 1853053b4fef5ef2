//! A lock for each name: two publications of one object never look and make at the same time in this process.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use tokio::sync::OwnedMutexGuard;

/// From so many names on, those that nobody holds are dropped before another is added.
const NAMES_KEPT: usize = 256;

/// Locks by name. A lock lasts as long as somebody holds it or waits for it.
#[derive(Debug, Default)]
pub struct Locks(Mutex<HashMap<String, Weak<tokio::sync::Mutex<()>>>>);

impl Locks {
    /// Waits until nobody else holds the name. What is waited for is at most a few calls of bounded time each.
    pub async fn hold(&self, name: String) -> OwnedMutexGuard<()> {
        self.of(name).lock_owned().await
    }

    fn of(&self, name: String) -> Arc<tokio::sync::Mutex<()>> {
        let mut locks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(lock) = locks.get(&name).and_then(Weak::upgrade) {
            return lock;
        }
        if locks.len() >= NAMES_KEPT {
            locks.retain(|_, lock| lock.strong_count() > 0);
        }
        let lock = Arc::default();
        locks.insert(name, Arc::downgrade(&lock));
        lock
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_name_is_held_once_and_names_do_not_pile_up() {
        let locks = Locks::default();
        let held = locks.hold("a".to_owned()).await;
        assert!(locks.of("a".to_owned()).try_lock().is_err());
        drop(held);
        assert!(locks.of("a".to_owned()).try_lock().is_ok());
        for n in 0..10_000 {
            drop(locks.hold(n.to_string()).await);
        }
        assert!(locks.0.lock().expect("not poisoned").len() <= NAMES_KEPT);
    }
}
