//! The folder of a store: who has it, and of which version it is.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use gatewright_core::store::StoreError;

use crate::keys::{LAYOUT, LAYOUT_KEY};
use crate::kv::{Changes, Kv};

/// Why a store cannot be opened.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// Another process has it: stop that one, or use another folder.
    #[error("the store in {path:?} is in use by another Gatewright; stop that one first, or give this one a folder of its own")]
    InUse {
        /// The folder.
        path: PathBuf,
    },
    /// The file system refuses: permissions, a full disk, a folder that cannot be made.
    #[error("the store in {path:?} cannot be opened: {cause}")]
    Io {
        /// The folder.
        path: PathBuf,
        /// The system's words.
        cause: String,
    },
    /// What is there cannot be read: restore a backup.
    #[error("the store in {path:?} is damaged: {cause}; restore it from a backup, or move the folder away to begin anew")]
    Damaged {
        /// The folder.
        path: PathBuf,
        /// What is wrong.
        cause: String,
    },
    /// It was written by another version of Gatewright.
    #[error(
        "the store in {path:?} has the layout {found:?} and this Gatewright has {LAYOUT_WORD:?}; use the version that wrote it"
    )]
    OtherLayout {
        /// The folder.
        path: PathBuf,
        /// Its layout.
        found: String,
    },
}

/// A process that was killed while it was starting another one leaves the lock to that one until it has become its program, which takes
/// milliseconds, under load more. Whoever has it for longer is at work.
const LEFT_BEHIND_MAX: Duration = Duration::from_secs(2);
const LEFT_BEHIND_POLL: Duration = Duration::from_millis(20);

const LAYOUT_WORD: &str = match std::str::from_utf8(LAYOUT) {
    Ok(word) => word,
    Err(_) => panic!("the layout is a word"),
};

impl OpenError {
    pub(crate) fn io(path: &Path, error: &io::Error) -> OpenError {
        OpenError::Io { path: path.to_owned(), cause: error.to_string() }
    }

    pub(crate) fn store(path: &Path, error: StoreError) -> OpenError {
        let path = path.to_owned();
        match error {
            StoreError::Damaged(cause) => OpenError::Damaged { path, cause },
            StoreError::Full(cause) | StoreError::Unavailable(cause) => OpenError::Io { path, cause },
            StoreError::LeaseLost(_) | StoreError::WrongSeq { .. } | StoreError::Untaken(_) | StoreError::NoRun(_) => {
                OpenError::Damaged { path, cause: error.to_string() }
            }
        }
    }
}

/// Makes the folder where it is missing, and takes it for this process, for as long as the file is open.
pub(crate) fn claim(path: &Path) -> Result<File, OpenError> {
    let begun = Instant::now();
    claim_while(path, || {
        thread::sleep(LEFT_BEHIND_POLL);
        begun.elapsed() < LEFT_BEHIND_MAX
    })
}

/// The same; where somebody else has it, it is tried again for as long as `waits` says.
fn claim_while(path: &Path, mut waits: impl FnMut() -> bool) -> Result<File, OpenError> {
    let lock = || {
        fs::create_dir_all(path)?;
        File::options().create(true).truncate(false).write(true).open(path.join("lock"))
    };
    let lock = lock().map_err(|e| OpenError::io(path, &e))?;
    loop {
        match lock.try_lock() {
            Ok(()) => return Ok(lock),
            Err(TryLockError::WouldBlock) if waits() => {}
            Err(TryLockError::WouldBlock) => return Err(OpenError::InUse { path: path.to_owned() }),
            Err(TryLockError::Error(error)) => return Err(OpenError::io(path, &error)),
        }
    }
}

/// Makes sure that the folder itself, and what was made in it, is found again.
pub(crate) fn sync(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()?;
    let parent = fs::canonicalize(path)?.parent().map(Path::to_owned);
    parent.map_or(Ok(()), |parent| File::open(parent)?.sync_all())
}

/// Refuses a store of another layout, and marks a new one.
pub(crate) fn check_layout(path: &Path, kv: &dyn Kv) -> Result<(), OpenError> {
    let found = kv.get(LAYOUT_KEY).map_err(|e| OpenError::store(path, e))?;
    match found {
        Some(found) if found == LAYOUT => Ok(()),
        Some(found) => {
            let found = String::from_utf8_lossy(&found).into_owned();
            Err(OpenError::OtherLayout { path: path.to_owned(), found })
        }
        None => {
            let mark = Changes::from([(LAYOUT_KEY.to_vec(), Some(LAYOUT.to_vec()))]);
            kv.apply(mark).map_err(|e| OpenError::store(path, e))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kv::MemoryKv;

    #[test]
    fn a_store_of_another_layout_is_left_alone() {
        let kv = MemoryKv::default();
        let other = Changes::from([(LAYOUT_KEY.to_vec(), Some(b"99".to_vec()))]);
        kv.apply(other).expect("memory takes everything");
        let error = check_layout(Path::new("data"), &kv).expect_err("it is of another layout");
        assert_eq!(error, OpenError::OtherLayout { path: PathBuf::from("data"), found: "99".to_owned() });
        assert_eq!(kv.get(LAYOUT_KEY), Ok(Some(b"99".to_vec())));
    }

    #[test]
    fn a_lock_that_a_killed_process_has_left_to_a_child_for_a_moment_keeps_nobody_out() {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let mut child = Some(claim(folder.path()).expect("nobody has it"));
        let mut waited = 0;
        let claimed = claim_while(folder.path(), || {
            waited += 1;
            // The child becomes its program, and with that leaves the lock.
            waited < 2 || child.take().is_some()
        });
        assert!(claimed.is_ok() && waited == 2, "{claimed:?} after {waited}");
        let refused = claim_while(folder.path(), || false).expect_err("this process has it");
        assert_eq!(refused, OpenError::InUse { path: folder.path().to_owned() });
    }
}
