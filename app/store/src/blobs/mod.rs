//! Things too large for the tree, by the SHA-256 of their bytes.

use std::time::SystemTime;

use gatewright_core::BlobId;
use gatewright_core::store::StoreError;

mod folder;
mod memory;

pub(crate) use folder::BlobFolder;
pub(crate) use memory::BlobMap;

/// Blobs lie in so many shelves, by the first byte of their id.
pub(crate) const SHELVES: usize = 256;

/// Where blobs are kept.
pub(crate) trait BlobShelves: Send + Sync {
    /// Keeps bytes, durably. Where they are kept already, they count as put just now.
    fn put(&self, bytes: &[u8]) -> Result<BlobId, StoreError>;

    /// Brings them back.
    fn get(&self, id: &BlobId) -> Result<Option<Vec<u8>>, StoreError>;

    /// Removes a blob unless it was put after `before`: who put it may be about to refer to it.
    fn remove_older(&self, id: &BlobId, before: SystemTime) -> Result<(), StoreError>;

    /// The blobs of a shelf that were last put before then.
    fn older(&self, shelf: usize, before: SystemTime) -> Result<Vec<BlobId>, StoreError>;
}

/// The shelf that a blob lies on, as its id's first two digits.
fn shelf_name(shelf: usize) -> String {
    format!("{:02x}", shelf % SHELVES)
}
