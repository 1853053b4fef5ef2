//! The driver over sled.
//!
//! sled 0.34 does not fsync when it flushes, so by itself it survives a `kill -9` but not a power loss. What makes it
//! survive: segments of 8 MiB, so that no value is put into a file of its own; an fsync of the log after every flush;
//! and values that are small enough for that (see [`VALUE_BYTES_MAX`]).

use std::fs::File;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use gatewright_core::store::StoreError;

use super::{Changes, Kv, Order, Visit};
use crate::keys::Range;

/// sled writes what is larger than a quarter of a segment to a file of its own, which it does not fsync. A leaf holds up
/// to 17 values before it is split, so leaves stay far below that.
const SEGMENT_BYTES: usize = 8 * 1024 * 1024;

/// No value is larger: larger things are cut into chunks or become files, and too long names are refused.
pub(crate) const VALUE_BYTES_MAX: usize = 32 * 1024;

/// sled's own lock is waited for so long, and looked at so often.
const LET_GO_MAX: Duration = Duration::from_secs(5);
const LET_GO_POLL: Duration = Duration::from_millis(20);

/// A sled database with everything in its default tree.
pub(crate) struct SledKv {
    db: sled::Db,
    /// A handle of the log that sled writes to.
    log: File,
    folder: PathBuf,
    /// Held until the database is closed, even if a read is still under way when the store is dropped.
    _lock: File,
}

impl SledKv {
    /// Opens the database in this folder, or makes one. `lock` is what keeps other processes from it.
    pub(crate) fn open(folder: &Path, cache_bytes: u64, lock: File) -> Result<Self, StoreError> {
        let config = sled::Config::new().path(folder).segment_size(SEGMENT_BYTES).cache_capacity(cache_bytes);
        // sled panics on some kinds of damage.
        let opened = catch_unwind(AssertUnwindSafe(|| when_let_go(|| config.open())));
        let db = opened.map_err(|_| StoreError::Damaged("sled could not read its files".to_owned()))?.map_err(error)?;
        let log = File::options().read(true).write(true).open(folder.join("db")).map_err(io_error)?;
        sync_new_files(folder, &log).map_err(io_error)?;
        Ok(SledKv { db, log, folder: folder.to_owned(), _lock: lock })
    }
}

/// sled's threads let go of its lock a moment after the database was dropped. The folder is ours alone, so nobody else has it.
fn when_let_go<T>(open: impl Fn() -> sled::Result<T>) -> sled::Result<T> {
    let began = Instant::now();
    loop {
        match open() {
            Err(sled::Error::Io(error))
                if error.to_string().contains("could not acquire lock") && began.elapsed() < LET_GO_MAX =>
            {
                std::thread::sleep(LET_GO_POLL);
            }
            opened => return opened,
        }
    }
}

/// Makes sure that the files which sled has made are found again.
fn sync_new_files(folder: &Path, log: &File) -> io::Result<()> {
    log.sync_all()?;
    File::open(folder.join("conf"))?.sync_all()?;
    File::open(folder)?.sync_all()
}

impl Kv for SledKv {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.db.get(key).map_err(error)?.map(|value| value.to_vec()))
    }

    fn scan(&self, range: &Range, order: Order, visit: Visit<'_>) -> Result<(), StoreError> {
        if range.from >= range.to {
            return Ok(());
        }
        let mut pairs = self.db.range(range.from.as_slice()..range.to.as_slice());
        while let Some(pair) = match order {
            Order::Up => pairs.next(),
            Order::Down => pairs.next_back(),
        } {
            let (key, value) = pair.map_err(error)?;
            if visit(&key, &value).is_break() {
                break;
            }
        }
        Ok(())
    }

    fn apply(&self, changes: Changes) -> Result<(), StoreError> {
        let mut batch = sled::Batch::default();
        for (key, value) in changes {
            match value {
                Some(value) => {
                    debug_assert!(value.len() <= VALUE_BYTES_MAX, "{} bytes at {key:?}", value.len());
                    batch.insert(key, value);
                }
                None => batch.remove(key),
            }
        }
        self.db.apply_batch(batch).map_err(error)?;
        self.db.flush().map_err(error)?;
        self.log.sync_data().map_err(io_error)
    }

    fn free_bytes(&self) -> Result<u64, StoreError> {
        let room = rustix::fs::statvfs(&self.folder).map_err(|e| io_error(e.into()))?;
        Ok(room.f_bavail.saturating_mul(room.f_frsize))
    }
}

fn error(error: sled::Error) -> StoreError {
    match error {
        sled::Error::Io(error) => io_error(error),
        sled::Error::Corruption { .. } => StoreError::Damaged("sled found its log damaged".to_owned()),
        sled::Error::CollectionNotFound(_) | sled::Error::Unsupported(_) | sled::Error::ReportableBug(_) => {
            StoreError::Unavailable(error.to_string())
        }
    }
}

/// What a failed call to the file system means.
pub(crate) fn io_error(error: io::Error) -> StoreError {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => StoreError::Full(error.to_string()),
        _ => StoreError::Unavailable(error.to_string()),
    }
}
