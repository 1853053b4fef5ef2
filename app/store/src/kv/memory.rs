//! The driver that keeps everything in memory, for tests.

use std::collections::BTreeMap;
use std::sync::{PoisonError, RwLock};

use gatewright_core::store::StoreError;

use super::{Changes, Kv, Order, Visit};
use crate::keys::{Key, Range};

/// An ordered map. It is gone with the process.
#[derive(Default)]
pub(crate) struct MemoryKv {
    map: RwLock<BTreeMap<Key, Vec<u8>>>,
}

impl Kv for MemoryKv {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.map.read().unwrap_or_else(PoisonError::into_inner).get(key).cloned())
    }

    fn scan(&self, range: &Range, order: Order, visit: Visit<'_>) -> Result<(), StoreError> {
        if range.from >= range.to {
            return Ok(());
        }
        let map = self.map.read().unwrap_or_else(PoisonError::into_inner);
        let mut pairs = map.range(range.from.clone()..range.to.clone());
        while let Some((key, value)) = match order {
            Order::Up => pairs.next(),
            Order::Down => pairs.next_back(),
        } {
            if visit(key, value).is_break() {
                break;
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
