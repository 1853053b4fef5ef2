//! What a local run stores, for as long as it is looked at.

use std::io::ErrorKind;
use std::path::PathBuf;

use async_trait::async_trait;
use bytes::Bytes;
use gatewright_core::BlobId;
use gatewright_core::store::{Blobs, StoreError};

/// Blobs as files of a folder that goes with the run. Nothing is durable, and nothing needs to be.
#[derive(Debug)]
pub struct FolderBlobs {
    folder: PathBuf,
}

impl FolderBlobs {
    /// Blobs in this folder, which is made when there is one.
    pub fn new(folder: PathBuf) -> Self {
        FolderBlobs { folder }
    }

    /// The file of a blob, for those who would rather copy than read it.
    pub fn file(&self, id: &BlobId) -> PathBuf {
        self.folder.join(id.as_str())
    }
}

#[async_trait]
impl Blobs for FolderBlobs {
    async fn put(&self, bytes: Bytes) -> Result<BlobId, StoreError> {
        let id = BlobId::of(&bytes);
        let (folder, file) = (self.folder.clone(), self.file(&id));
        let written = tokio::task::spawn_blocking(move || {
            std::fs::create_dir_all(&folder)?;
            std::fs::write(file, bytes)
        });
        let written = written.await.map_err(|error| StoreError::Unavailable(error.to_string()))?;
        written.map(|()| id).map_err(|error| StoreError::Unavailable(error.to_string()))
    }

    async fn get(&self, id: &BlobId) -> Result<Option<Bytes>, StoreError> {
        match std::fs::read(self.file(id)) {
            Ok(bytes) => Ok(Some(Bytes::from(bytes))),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(StoreError::Unavailable(error.to_string())),
        }
    }
}
