//! A cache bounded by entries and by bytes; what was not used for longest goes first.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// What an entry costs beside its key and value.
const OVERHEAD_BYTES: usize = 128;

/// A cache that threads share. Its keys are texts.
#[derive(Debug)]
pub struct Cache<V> {
    entries_max: usize,
    bytes_max: usize,
    inner: Mutex<Inner<V>>,
}

#[derive(Debug)]
struct Inner<V> {
    entries: HashMap<String, Entry<V>>,
    by_use: BTreeMap<u64, String>,
    uses: u64,
    bytes: usize,
}

#[derive(Debug)]
struct Entry<V> {
    value: V,
    bytes: usize,
    used: u64,
}

impl<V: Clone> Cache<V> {
    /// An empty one that keeps at most so many entries and so many bytes.
    pub fn new(entries_max: usize, bytes_max: usize) -> Self {
        let inner = Inner { entries: HashMap::new(), by_use: BTreeMap::new(), uses: 0, bytes: 0 };
        Cache { entries_max, bytes_max, inner: Mutex::new(inner) }
    }

    /// What is kept under the key. That makes it the one used last.
    pub fn get(&self, key: &str) -> Option<V> {
        let mut inner = self.lock();
        let inner = &mut *inner;
        inner.uses += 1;
        let entry = inner.entries.get_mut(key)?;
        let name = inner.by_use.remove(&entry.used)?;
        entry.used = inner.uses;
        inner.by_use.insert(inner.uses, name);
        Some(entry.value.clone())
    }

    /// Keeps a value that takes about `bytes`. One that is larger than a quarter of the cache is not kept.
    pub fn put(&self, key: String, value: V, bytes: usize) {
        let bytes = bytes + 2 * key.len() + OVERHEAD_BYTES;
        let mut inner = self.lock();
        inner.remove(&key);
        if bytes > self.bytes_max / 4 {
            return;
        }
        inner.uses += 1;
        let used = inner.uses;
        inner.bytes += bytes;
        inner.by_use.insert(used, key.clone());
        inner.entries.insert(key, Entry { value, bytes, used });
        while inner.entries.len() > self.entries_max || inner.bytes > self.bytes_max {
            let Some(oldest) = inner.by_use.values().next().cloned() else { break };
            inner.remove(&oldest);
        }
    }

    /// Forgets what is kept under the key.
    pub fn remove(&self, key: &str) {
        self.lock().remove(key);
    }

    fn lock(&self) -> MutexGuard<'_, Inner<V>> {
        // A cache in whose middle a thread panicked holds at worst an entry too few.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<V> Inner<V> {
    fn remove(&mut self, key: &str) {
        if let Some(entry) = self.entries.remove(key) {
            self.by_use.remove(&entry.used);
            self.bytes -= entry.bytes;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_used_for_longest_goes_first() {
        let cache = Cache::new(2, 100_000);
        cache.put("a".to_owned(), 1, 10);
        cache.put("b".to_owned(), 2, 10);
        assert_eq!(cache.get("a"), Some(1));
        cache.put("c".to_owned(), 3, 10);
        assert_eq!((cache.get("a"), cache.get("b"), cache.get("c")), (Some(1), None, Some(3)));
    }

    #[test]
    fn bytes_are_bounded_and_replacing_does_not_leak() {
        let cache = Cache::new(1_000, 10_000);
        for round in 0..5_000 {
            cache.put(format!("key{}", round % 7), round, 1_000);
            cache.put(format!("other{round}"), round, 100);
        }
        let inner = cache.lock();
        assert!(inner.bytes <= 10_000);
        assert_eq!(inner.entries.len(), inner.by_use.len());
        assert_eq!(inner.bytes, inner.entries.values().map(|e| e.bytes).sum::<usize>());
    }

    #[test]
    fn a_value_as_large_as_the_cache_is_not_kept() {
        let cache = Cache::new(10, 1_000);
        cache.put("small".to_owned(), 1, 10);
        cache.put("large".to_owned(), 2, 900);
        assert_eq!((cache.get("small"), cache.get("large")), (Some(1), None));
    }
}
