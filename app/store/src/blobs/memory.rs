//! Blobs in memory, for tests.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use gatewright_core::BlobId;
use gatewright_core::store::StoreError;

use super::{BlobShelves, shelf_name};

/// A map. It is gone with the process.
#[derive(Default)]
pub(crate) struct BlobMap {
    blobs: Mutex<BTreeMap<BlobId, (Vec<u8>, SystemTime)>>,
}

impl BlobMap {
    fn blobs(&self) -> MutexGuard<'_, BTreeMap<BlobId, (Vec<u8>, SystemTime)>> {
        self.blobs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl BlobShelves for BlobMap {
    fn put(&self, bytes: &[u8]) -> Result<BlobId, StoreError> {
        let id = BlobId::of(bytes);
        self.blobs().insert(id.clone(), (bytes.to_vec(), SystemTime::now()));
        Ok(id)
    }

    fn get(&self, id: &BlobId) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.blobs().get(id).map(|(bytes, _)| bytes.clone()))
    }

    fn remove_older(&self, id: &BlobId, before: SystemTime) -> Result<(), StoreError> {
        let mut blobs = self.blobs();
        if blobs.get(id).is_some_and(|(_, put_at)| *put_at < before) {
            blobs.remove(id);
        }
        Ok(())
    }

    fn older(&self, shelf: usize, before: SystemTime) -> Result<Vec<BlobId>, StoreError> {
        let shelf = shelf_name(shelf);
        let blobs = self.blobs();
        let older = blobs.iter().filter(|(id, (_, put_at))| id.as_str().starts_with(&shelf) && *put_at < before);
        Ok(older.map(|(id, _)| id.clone()).collect())
    }
}
