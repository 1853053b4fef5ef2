//! Blobs as files: `ab/abcdef...`, written elsewhere first, so that a file under its own name is always whole.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use gatewright_core::BlobId;
use gatewright_core::store::StoreError;

use super::{BlobShelves, SHELVES, shelf_name};
use crate::kv::io_error;

/// A folder of blobs. The store's lock sees to it that no other process uses it.
pub(crate) struct BlobFolder {
    folder: PathBuf,
    /// Held while a blob gets its name, counts as put again, or goes, so that none of these comes in between another.
    naming: Mutex<()>,
    next_draft: AtomicU64,
}

impl BlobFolder {
    /// The blobs in this folder, which is made where it is missing.
    pub(crate) fn open(folder: &Path) -> io::Result<Self> {
        for shelf in 0..SHELVES {
            fs::create_dir_all(folder.join(shelf_name(shelf)))?;
        }
        let drafts = folder.join("drafts");
        // What a process had begun to write when it died is worth nothing.
        if drafts.exists() {
            fs::remove_dir_all(&drafts)?;
        }
        fs::create_dir(&drafts)?;
        File::open(folder)?.sync_all()?;
        Ok(BlobFolder { folder: folder.to_owned(), naming: Mutex::new(()), next_draft: AtomicU64::new(0) })
    }

    fn file(&self, id: &BlobId) -> PathBuf {
        self.folder.join(&id.as_str()[..2]).join(id.as_str())
    }

    fn shelf_of(&self, id: &BlobId) -> PathBuf {
        self.folder.join(&id.as_str()[..2])
    }

    fn naming(&self) -> MutexGuard<'_, ()> {
        self.naming.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the blob is kept already; then it counts as put just now.
    fn touch(&self, id: &BlobId) -> io::Result<bool> {
        let _naming = self.naming();
        match File::options().write(true).open(self.file(id)) {
            Ok(file) => {
                file.set_modified(SystemTime::now())?;
                // Whoever gave it its name may have died before the name was durable.
                File::open(self.shelf_of(id))?.sync_all()?;
                Ok(true)
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn write(&self, id: &BlobId, bytes: &[u8]) -> io::Result<()> {
        let n = self.next_draft.fetch_add(1, Ordering::Relaxed);
        let draft = self.folder.join("drafts").join(n.to_string());
        let written = write_durably(&draft, bytes).and_then(|()| {
            let _naming = self.naming();
            fs::rename(&draft, self.file(id))?;
            File::open(self.shelf_of(id))?.sync_all()
        });
        if written.is_err() {
            // It may be gone already, under its own name. There it is whole, and the sweep finds it if nobody refers to it.
            let _gone = fs::remove_file(&draft);
        }
        written
    }
}

fn write_durably(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = File::options().write(true).create_new(true).open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

impl BlobShelves for BlobFolder {
    fn put(&self, bytes: &[u8]) -> Result<BlobId, StoreError> {
        let id = BlobId::of(bytes);
        if !self.touch(&id).map_err(io_error)? {
            self.write(&id, bytes).map_err(io_error)?;
        }
        Ok(id)
    }

    fn get(&self, id: &BlobId) -> Result<Option<Vec<u8>>, StoreError> {
        match fs::read(self.file(id)) {
            Ok(bytes) if BlobId::of(&bytes) == *id => Ok(Some(bytes)),
            Ok(_) => Err(StoreError::Damaged(format!("the file of blob {id} holds something else"))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(io_error(error)),
        }
    }

    fn remove_older(&self, id: &BlobId, before: SystemTime) -> Result<(), StoreError> {
        let _naming = self.naming();
        let file = self.file(id);
        let removed = match fs::metadata(&file).and_then(|m| m.modified()) {
            Ok(put_at) if put_at < before => fs::remove_file(&file),
            Ok(_) => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error),
        };
        removed.map_err(io_error)
    }

    fn older(&self, shelf: usize, before: SystemTime) -> Result<Vec<BlobId>, StoreError> {
        let mut older = Vec::new();
        for entry in fs::read_dir(self.folder.join(shelf_name(shelf))).map_err(io_error)? {
            let entry = entry.map_err(io_error)?;
            let Ok(id) = BlobId::try_from(entry.file_name().to_string_lossy().into_owned()) else { continue };
            if entry.metadata().and_then(|m| m.modified()).map_err(io_error)? < before {
                older.push(id);
            }
        }
        Ok(older)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_was_changed_is_not_taken_for_the_blob() {
        let folder = tempfile::tempdir().expect("a folder for the test");
        let blobs = BlobFolder::open(folder.path()).expect("an empty folder opens");
        let id = blobs.put(b"the log").expect("there is room");
        fs::write(blobs.file(&id), b"another log").expect("the file is ours");
        assert!(matches!(blobs.get(&id), Err(StoreError::Damaged(_))));
    }

    #[test]
    fn what_was_half_written_when_the_process_died_is_gone() {
        let folder = tempfile::tempdir().expect("a folder for the test");
        drop(BlobFolder::open(folder.path()).expect("an empty folder opens"));
        fs::write(folder.path().join("drafts/7"), b"half of a l").expect("the folder is ours");
        drop(BlobFolder::open(folder.path()).expect("it opens again"));
        assert!(!folder.path().join("drafts/7").exists());
    }
}
