//! The driver that keeps everything in memory: for what runs on somebody's machine once, and for tests.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::{PoisonError, RwLock};

use gatewright_core::store::StoreError;

use super::{Changes, Kv, Order, Visit};
use crate::keys::{Key, Range};

/// An ordered map. It is gone with the process.
#[derive(Default)]
pub(crate) struct MemoryKv {
    map: RwLock<BTreeMap<Key, Vec<u8>>>,
}

impl MemoryKv {
    /// The first or the last pair within bounds.
    fn outermost(&self, within: (Bound<Key>, Bound<Key>), order: Order) -> Option<(Key, Vec<u8>)> {
        let map = self.map.read().unwrap_or_else(PoisonError::into_inner);
        let mut pairs = map.range(within);
        let (key, value) = match order {
            Order::Up => pairs.next(),
            Order::Down => pairs.next_back(),
        }?;
        Some((key.clone(), value.clone()))
    }
}

impl Kv for MemoryKv {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.map.read().unwrap_or_else(PoisonError::into_inner).get(key).cloned())
    }

    fn scan(&self, range: &Range, order: Order, visit: Visit<'_>) -> Result<(), StoreError> {
        if range.from >= range.to {
            return Ok(());
        }
        // Pair by pair, and never locked while a pair is looked at: whoever looks may ask for more of the map, and a lock that is
        // taken twice for reading waits for ever where a writer waits between the two.
        let (mut from, mut to) = (Bound::Included(range.from.clone()), Bound::Excluded(range.to.clone()));
        while let Some((key, value)) = self.outermost((from.clone(), to.clone()), order) {
            if visit(&key, &value).is_break() {
                break;
            }
            match order {
                Order::Up => from = Bound::Excluded(key),
                Order::Down => to = Bound::Excluded(key),
            }
        }
        Ok(())
    }

    fn apply(&self, changes: Changes) -> Result<(), StoreError> {
        let mut map = self.map.write().unwrap_or_else(PoisonError::into_inner);
        for (key, value) in changes {
            match value {
                Some(value) => map.insert(key, value),
                None => map.remove(&key),
            };
        }
        Ok(())
    }

    fn free_bytes(&self) -> Result<u64, StoreError> {
        Ok(u64::MAX)
    }
}
