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

    /// Visits the pairs of a range in order. Whoever visits may read and change the map meanwhile, and others may: what is changed ahead of
    /// the visit may be seen in either state.
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

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may fail at once")]

    use std::fs::File;
    use std::sync::{Arc, mpsc};
    use std::thread;
    use std::time::Duration;

    use super::*;

    /// Both drivers.
    fn drivers(folder: &std::path::Path) -> [Arc<dyn Kv>; 2] {
        let lock = File::create(folder.join("lock")).unwrap();
        [Arc::new(MemoryKv::default()), Arc::new(SledKv::open(&folder.join("db"), 1 << 20, lock).unwrap())]
    }

    fn put(kv: &dyn Kv, keys: &[&[u8]]) {
        kv.apply(keys.iter().map(|key| (key.to_vec(), Some(key.to_vec()))).collect()).unwrap();
    }

    fn all() -> Range {
        Range { from: vec![0], to: vec![255] }
    }

    #[test]
    fn a_range_is_visited_from_either_end_and_without_its_own_end() {
        let folder = tempfile::tempdir().unwrap();
        for kv in drivers(folder.path()) {
            put(&*kv, &[b"a", b"b", b"ba", b"c", b"d"]);
            let range = Range { from: b"b".to_vec(), to: b"d".to_vec() };
            assert_eq!(keys(&*kv, &range, Order::Up, 9).unwrap(), [&b"b"[..], b"ba", b"c"]);
            assert_eq!(keys(&*kv, &range, Order::Down, 2).unwrap(), [&b"c"[..], b"ba"]);
        }
    }

    /// Listing looks rows up by what it finds in an index, while others write.
    #[test]
    fn whoever_visits_a_range_can_read_and_write_meanwhile() {
        let folder = tempfile::tempdir().unwrap();
        for kv in drivers(folder.path()) {
            put(&*kv, &[b"a", b"b"]);
            let (tell, told) = mpsc::channel();
            // On a thread of its own, so that one that waits for ever fails the test.
            thread::spawn(move || {
                let mut seen = Vec::new();
                kv.scan(&all(), Order::Up, &mut |key, _| {
                    put(&*kv, &[b"c"]);
                    seen.push(kv.get(key).unwrap());
                    ControlFlow::Continue(())
                })
                .unwrap();
                tell.send(seen).unwrap();
            });
            let seen = told.recv_timeout(Duration::from_secs(60)).unwrap();
            assert_eq!(seen[..2], [Some(b"a".to_vec()), Some(b"b".to_vec())]);
        }
    }
}
