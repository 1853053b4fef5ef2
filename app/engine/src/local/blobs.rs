//! What a local run stores, for as long as it is looked at.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use gatewright_core::BlobId;
use gatewright_core::store::{Blobs, StoreError};

/// Blobs in memory: a log of at most 2 MiB for each gate, and facts.
#[derive(Debug, Default)]
pub struct MemoryBlobs {
    all: Mutex<HashMap<BlobId, Bytes>>,
}

#[async_trait]
impl Blobs for MemoryBlobs {
    async fn put(&self, bytes: Bytes) -> Result<BlobId, StoreError> {
        let id = BlobId::of(&bytes);
        self.all.lock().unwrap_or_else(PoisonError::into_inner).insert(id.clone(), bytes);
        Ok(id)
    }

    async fn get(&self, id: &BlobId) -> Result<Option<Bytes>, StoreError> {
        Ok(self.all.lock().unwrap_or_else(PoisonError::into_inner).get(id).cloned())
    }
}
