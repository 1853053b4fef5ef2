//! The folders that commands run in: made and filled when a sandbox is opened, removed when it is closed.

use std::io::{ErrorKind, Read};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use gatewright_core::sandbox::{
    ChangesError, Folder, Network, Restored, SandboxError, SandboxHandle, SandboxKey, SandboxSpec, Source,
};
use tokio_util::io::SyncIoBridge;

use super::environment::environment;
use super::{HostSandbox, HostWorkspace, Open, look, write};
use crate::changes::{Look, Watch};
use crate::source::FillError;

/// A workspace of some gigabytes is written in less than a minute.
const FILL_MAX: Duration = Duration::from_secs(600);

/// So much of the source is under way between git and the folder.
const PIPE_BYTES: usize = 256 * 1024;

/// A folder on the host has no size of its own: the disk ends it.
const NO_BOUND_MIB: u64 = u64::MAX >> 20;

pub(super) async fn open(this: &HostSandbox, spec: &SandboxSpec) -> Result<SandboxHandle, SandboxError> {
    if matches!(spec.network, Network::Egress(_)) {
        let cause = "it may reach certain hosts only, and on the machine itself nothing keeps it from the others; use containers";
        return Err(SandboxError::NotStartable(cause.to_owned()));
    }
    close(this, &spec.key).await?;
    let made = folders(this, spec).await;
    if made.is_err() {
        // That it cannot be removed now is no news to the caller: it is a leftover.
        let _ = close(this, &spec.key).await;
    }
    let (workspace, base) = made?;
    let name = workspace.to_str().map(str::to_owned);
    let name = name.ok_or_else(|| SandboxError::NotStartable(format!("the folder {} is no UTF-8", workspace.display())))?;
    let watch = Arc::new(tokio::sync::Mutex::new(watched(this, spec, &workspace).await?));
    let open = Open { env: environment(&this.config, spec), workspace, base, groups: Vec::new(), watch };
    this.state().open.insert(spec.key.clone(), open);
    // A gate's caches are for machines that forget: this one has those of its tools.
    Ok(SandboxHandle { key: spec.key.clone(), name, restored: Restored::Nothing, folder: Folder::Workspace })
}

/// What is known of a workspace in which nothing has run yet, where somebody is going to work in it.
async fn watched(this: &HostSandbox, spec: &SandboxSpec, workspace: &Path) -> Result<Option<Watch>, SandboxError> {
    let Some(source) = spec.source.as_ref().filter(|_| spec.watched) else { return Ok(None) };
    let mut watch = Watch::new(source.commit.clone(), this.sources.base(source).await?);
    // In place, nobody knows what is there: it is read when it is asked for.
    if matches!(this.config.workspace, HostWorkspace::Fresh(_)) {
        let listing = look::Workspace { folder: workspace.to_owned() }.list(&[]).await;
        let listing = listing.map_err(|error| match error {
            ChangesError::Failed(error) => error,
            ChangesError::Refused(refused) => SandboxError::SourceUnusable(refused.to_string()),
        })?;
        watch.note(listing, &source.overlay);
    }
    Ok(Some(watch))
}

/// The workspace, and what it is compared with where that is wanted.
async fn folders(this: &HostSandbox, spec: &SandboxSpec) -> Result<(PathBuf, Option<PathBuf>), SandboxError> {
    let own = own_folder(this, &spec.key);
    let workspace = match &this.config.workspace {
        HostWorkspace::InPlace(_) if spec.source.as_ref().is_some_and(|source| !source.overlay.is_empty()) => {
            let cause = "what is to be checked has changes that are not in the working tree, and that is not written to";
            return Err(SandboxError::NotStartable(cause.to_owned()));
        }
        HostWorkspace::InPlace(folder) => folder.clone(),
        HostWorkspace::Fresh(_) => fresh(this, &own.join("workspace"), spec.source.as_ref()).await?,
    };
    let base = match &spec.base {
        Some(base) => Some(fresh(this, &own.join("base"), Some(base)).await?),
        None => None,
    };
    Ok((workspace, base))
}

/// What is a sandbox's own: `RUN.GATE`. Neither has a character that a folder's name cannot have, and a run's id has no dot. In
/// place, only what the workspace is compared with is in it.
fn own_folder(this: &HostSandbox, key: &SandboxKey) -> PathBuf {
    let name = format!("{}.{}", key.run, key.gate);
    match &this.config.workspace {
        HostWorkspace::InPlace(_) => this.config.mirrors.join("bases").join(name),
        HostWorkspace::Fresh(root) => root.join(name),
    }
}

async fn fresh(this: &HostSandbox, folder: &Path, source: Option<&Source>) -> Result<PathBuf, SandboxError> {
    let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder);
    made.map_err(|e| of_disk("making", folder, &e))?;
    if let Some(source) = source {
        this.sources.ensure(source, NO_BOUND_MIB).await?;
        match tokio::time::timeout(FILL_MAX, fill(this, folder, source)).await {
            Ok(filled) => filled?,
            Err(_) => return Err(SandboxError::Source(format!("it took longer than {} s to write it", FILL_MAX.as_secs()))),
        }
        write::lay(folder, &source.overlay).await.map_err(|error| match error {
            SandboxError::Report(words) => SandboxError::SourceUnusable(words),
            other => other,
        })?;
    }
    // What commands see of it is the same path, however it was named.
    folder.canonicalize().map_err(|e| of_disk("finding", folder, &e))
}

async fn fill(this: &HostSandbox, folder: &Path, source: &Source) -> Result<(), SandboxError> {
    match fill_once(this, folder, source).await {
        Err(FillError::Broken(_)) => {
            this.sources.remake(source).await?;
            fill_once(this, folder, source).await.map_err(SandboxError::from)
        }
        other => other.map_err(SandboxError::from),
    }
}

async fn fill_once(this: &HostSandbox, folder: &Path, source: &Source) -> Result<(), FillError> {
    let (mut into_pipe, out_of_pipe) = tokio::io::duplex(PIPE_BYTES);
    let bridge = SyncIoBridge::new(out_of_pipe);
    let into = folder.to_owned();
    // The writer ends when its pipe does, so it does not outlive this future by more than a moment.
    let writer = tokio::task::spawn_blocking(move || unpack(bridge, &into));
    let archived = this.sources.archive(source, NO_BOUND_MIB, &mut into_pipe).await;
    // The end of what the writer reads.
    drop(into_pipe);
    let written = writer.await.map_err(|e| SandboxError::Source(format!("the writer of the files failed: {e}")))?;
    match (written, archived) {
        (Ok(()), archived) => archived,
        // The writer stopped first, and knows why.
        (Err(e), Ok(()) | Err(FillError::Unread)) => Err(of_disk("writing the files of", folder, &e).into()),
        (Err(_), Err(of_git)) => Err(of_git),
    }
}

/// Writes an archive's files below a folder. Nothing goes through a symbolic link that the archive itself has made.
fn unpack(archive: impl Read, folder: &Path) -> std::io::Result<()> {
    let mut archive = tar::Archive::new(archive);
    archive.set_preserve_mtime(false);
    for entry in archive.entries()? {
        entry?.unpack_in(folder)?;
    }
    // What fills the archive's last record up.
    std::io::copy(&mut archive.into_inner(), &mut std::io::sink()).map(|_| ())
}

/// Ends what runs in a sandbox, and removes the folder that is its own.
pub(super) async fn close(this: &HostSandbox, key: &SandboxKey) -> Result<(), SandboxError> {
    this.kill(key);
    let folder = own_folder(this, key);
    match tokio::fs::remove_dir_all(&folder).await {
        Ok(()) => Ok(()),
        Err(e) if e.kind() == ErrorKind::NotFound => Ok(()),
        // Folders that a command has made unwritable are in the way (Go's module cache is one).
        Err(e) if e.kind() == ErrorKind::PermissionDenied => {
            let path = folder.clone();
            let removed = tokio::task::spawn_blocking(move || writable(&path).and_then(|()| std::fs::remove_dir_all(path))).await;
            removed.unwrap_or_else(|e| Err(std::io::Error::other(e))).map_err(|e| of_disk("removing", &folder, &e))
        }
        Err(e) => Err(of_disk("removing", &folder, &e)),
    }
}

/// Makes the folders below a folder its owner's to write. Links are not followed.
fn writable(folder: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o700))?;
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            writable(&entry.path())?;
        }
    }
    Ok(())
}

/// The keys of the folders that there are.
pub(super) async fn leftovers(this: &HostSandbox) -> Result<Vec<SandboxKey>, SandboxError> {
    let HostWorkspace::Fresh(root) = &this.config.workspace else { return Ok(Vec::new()) };
    let entries = match std::fs::read_dir(root) {
        Ok(entries) => entries,
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(e) => return Err(of_disk("listing", root, &e)),
    };
    let key = |entry: std::io::Result<std::fs::DirEntry>| {
        let name = entry.ok()?.file_name().into_string().ok()?;
        let (run, gate) = name.split_once('.')?;
        Some(SandboxKey { run: run.parse().ok()?, gate: gate.parse().ok()? })
    };
    let mut keys: Vec<SandboxKey> = entries.filter_map(key).collect();
    keys.sort_by(|a, b| (a.run, &a.gate).cmp(&(b.run, &b.gate)));
    Ok(keys)
}

fn of_disk(what: &str, path: &Path, error: &std::io::Error) -> SandboxError {
    let words = format!("{what} {}: {error}", path.display());
    match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => SandboxError::HostDiskFull(words),
        _ => SandboxError::Unavailable(words),
    }
}
