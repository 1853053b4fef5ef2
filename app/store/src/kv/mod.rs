//! What the store needs of a driver: an ordered map of bytes whose changes are applied all or none, and durably.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use gatewright_core::store::StoreError;

use crate::keys::{Key, Range};

mod memory;
mod sled;

pub(crate) use memory::MemoryKv;
pub(crate) use sled::{SledKv, VALUE_BYTES_MAX, io_error};

/// Changes by key: a value to be put there, or None to remove what is there.
pub(crate) type Changes = BTreeMap<Key, Option<Vec<u8>>>;

/// From which end a range is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Order {
    Up,
    Down,
}

/// What is told a pair of a range, and says whether to go on.
pub(crate) type Visit<'a> = &'a mut dyn FnMut(&[u8], &[u8]) -> ControlFlow<()>;

/// A driver.
pub(crate) trait Kv: Send + Sync {
    /// The value at a key.
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError>;

    /// Visits the pairs of a range in order.
    fn scan(&self, range: &Range, order: Order, visit: Visit<'_>) -> Result<(), StoreError>;

    /// Makes all changes or none, and returns once they would survive a power loss. After an error nothing more may be
    /// applied: what came of the changes is not known before the store is opened again.
    fn apply(&self, changes: Changes) -> Result<(), StoreError>;

    /// So many bytes can still be written to the disk.
    fn free_bytes(&self) -> Result<u64, StoreError>;
}

/// At most `limit` keys of a range.
pub(crate) fn keys(kv: &dyn Kv, range: &Range, order: Order, limit: usize) -> Result<Vec<Key>, StoreError> {
    Ok(pairs(kv, range, order, limit)?.into_iter().map(|(key, _)| key).collect())
}

/// At most `limit` pairs of a range.
pub(crate) fn pairs(kv: &dyn Kv, range: &Range, order: Order, limit: usize) -> Result<Vec<(Key, Vec<u8>)>, StoreError> {
    let mut found = Vec::new();
    if limit == 0 {
        return Ok(found);
    }
    kv.scan(range, order, &mut |key, value| {
        found.push((key.to_vec(), value.to_vec()));
        if found.len() < limit { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    })?;
    Ok(found)
}
