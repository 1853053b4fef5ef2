//! One writer or many readers of a mirror, in this process and in others that share the folder.

use std::fs::{File, OpenOptions};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use gatewright_core::sandbox::SandboxError;
use tokio::sync::{OwnedRwLockReadGuard, OwnedRwLockWriteGuard, RwLock};

use super::of_disk;

/// Whoever holds a mirror fetches into it, or reads from it; both end sooner than this. Beyond it the caller is told to try
/// again later.
const WAIT_MAX: Duration = Duration::from_secs(900);

/// How the lock is to be held.
#[derive(Debug, Clone, Copy)]
pub(super) enum Kind {
    /// Beside other readers.
    Shared,
    /// By one writer.
    Alone,
}

/// A lock that is held until this is dropped.
pub(super) struct Held {
    _file: File,
    _here: Here,
}

enum Here {
    Shared(#[expect(dead_code, reason = "held, not read")] OwnedRwLockReadGuard<()>),
    Alone(#[expect(dead_code, reason = "held, not read")] OwnedRwLockWriteGuard<()>),
}

/// Waits for the lock.
pub(super) async fn hold(here: Arc<RwLock<()>>, path: PathBuf, kind: Kind) -> Result<Held, SandboxError> {
    let held = async {
        // Waiting in this process takes no thread, so of each mirror at most the writer waits for other processes.
        let here = match kind {
            Kind::Shared => Here::Shared(here.read_owned().await),
            Kind::Alone => Here::Alone(here.write_owned().await),
        };
        let file = tokio::task::spawn_blocking(move || lock_file(path, kind)).await;
        let file = file.map_err(|e| SandboxError::Source(format!("waiting for the mirror failed: {e}")))??;
        Ok(Held { _file: file, _here: here })
    };
    match tokio::time::timeout(WAIT_MAX, held).await {
        Ok(held) => held,
        Err(_) => Err(SandboxError::Source(format!("the mirror was in use for more than {} s", WAIT_MAX.as_secs()))),
    }
}

fn lock_file(path: PathBuf, kind: Kind) -> Result<File, SandboxError> {
    let folder = path.parent().unwrap_or(&path);
    private_folder(folder).map_err(|e| of_disk("creating", folder, &e))?;
    let file = OpenOptions::new().create(true).truncate(false).write(true).open(&path);
    let file = file.map_err(|e| of_disk("opening", &path, &e))?;
    let locked = match kind {
        Kind::Shared => file.lock_shared(),
        Kind::Alone => file.lock(),
    };
    locked.map_err(|e| of_disk("locking", &path, &e))?;
    // When the mirror was used last. Where that cannot be written down, it may go a little early.
    let _ = file.set_modified(SystemTime::now());
    Ok(file)
}

/// Mirrors hold private source: nobody else on the host is to read them.
fn private_folder(folder: &std::path::Path) -> std::io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)
}
