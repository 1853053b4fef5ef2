//! Writes files into a folder of the host and removes them, never through a symbolic link.

use std::io::{ErrorKind, Write};
use std::path::{Component, Path};

use bytes::Bytes;
use gatewright_core::sandbox::SandboxError;
use gatewright_core::tree::{FileChange, FileMode};
use rustix::fs::{AtFlags, FileType, Mode, OFlags};
use rustix::io::Errno;

use super::look::open_above;
use super::read::open_folder;
use crate::changes::paths;

/// Files of this size are the caller's own, such as a patch to try; the source comes another way.
const CONTENT_BYTES_MAX: usize = 64 << 20;

pub(super) async fn write(folder: &Path, path: &str, content: Bytes) -> Result<(), SandboxError> {
    if content.len() > CONTENT_BYTES_MAX {
        return Err(SandboxError::Report(format!("`{path}` is larger than {} MiB", CONTENT_BYTES_MAX >> 20)));
    }
    let (folder, path) = (folder.to_owned(), path.to_owned());
    on_a_thread(move || write_file(&folder, &path, FileMode::Plain, &content)).await
}

/// Has the folder hold these files, and hold those no longer that are gone.
pub(super) async fn lay(folder: &Path, changes: &[FileChange]) -> Result<(), SandboxError> {
    if let Some((path, cause)) = changes.iter().find_map(|change| Some((&change.path, paths::fault(&change.path)?))) {
        return Err(SandboxError::Report(format!("`{}` cannot be laid: {cause}", paths::shown(path.as_bytes()))));
    }
    let (folder, changes) = (folder.to_owned(), changes.to_vec());
    on_a_thread(move || {
        let mut gone = changes.iter().filter(|change| change.now.is_none());
        gone.try_for_each(|change| remove_file(&folder, &change.path))?;
        let mut there = changes.iter().filter_map(|change| Some((&change.path, change.now.as_ref()?)));
        there.try_for_each(|(path, (mode, content))| write_file(&folder, path, *mode, content))
    })
    .await
}

async fn on_a_thread(work: impl FnOnce() -> Result<(), SandboxError> + Send + 'static) -> Result<(), SandboxError> {
    let written = tokio::task::spawn_blocking(work).await;
    written.unwrap_or_else(|e| Err(SandboxError::Unavailable(format!("the writer of a file failed: {e}"))))
}

fn write_file(folder: &Path, path: &str, mode: FileMode, content: &[u8]) -> Result<(), SandboxError> {
    let parts: Vec<Component<'_>> = Path::new(path).components().collect();
    let plain = parts.iter().all(|part| matches!(part, Component::Normal(_)));
    let Some((file, above)) = parts.split_last().filter(|_| plain && !path.ends_with('/')) else {
        return Err(SandboxError::Report(format!("`{path}` does not name a file of the workspace")));
    };
    let refused = |e: Errno| SandboxError::Report(format!("`{path}` cannot be written: {e}"));
    let mut at = open_folder(rustix::fs::CWD, folder).map_err(refused)?;
    for part in above {
        match rustix::fs::mkdirat(&at, part.as_os_str(), Mode::from_raw_mode(0o755)) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(e) => return Err(refused(e)),
        }
        at = open_folder(&at, Path::new(part.as_os_str())).map_err(refused)?;
    }
    let mode = Mode::from_raw_mode(match mode {
        FileMode::Plain => 0o644,
        FileMode::Executable => 0o755,
    });
    // Made anew: a link makes way for the file, and so does a second name of another file, which must not change with it.
    match rustix::fs::unlinkat(&at, file.as_os_str(), AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => {}
        Err(e) => return Err(refused(e)),
    }
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let opened = rustix::fs::openat(&at, file.as_os_str(), flags, mode).map_err(refused)?;
    // Whatever the service's own mask takes away.
    rustix::fs::fchmod(&opened, mode).map_err(refused)?;
    let written = std::fs::File::from(opened).write_all(content);
    written.map_err(|e| match e.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => SandboxError::HostDiskFull(format!("writing `{path}`: {e}")),
        _ => SandboxError::Report(format!("`{path}` cannot be written: {e}")),
    })
}

/// Removes a file, and the folders above it that become empty. What is a folder by now is no file any more, and stays.
fn remove_file(folder: &Path, path: &str) -> Result<(), SandboxError> {
    let refused = |e: Errno| SandboxError::Report(format!("`{path}` cannot be removed: {e}"));
    let (at, name) = match open_above(folder, Path::new(path)) {
        Ok(found) => found,
        Err(Errno::NOENT) => return Ok(()),
        Err(e) => return Err(refused(e)),
    };
    match rustix::fs::statat(&at, name, AtFlags::SYMLINK_NOFOLLOW).map(|found| FileType::from_raw_mode(found.st_mode)) {
        Err(Errno::NOENT) | Ok(FileType::Directory) => return Ok(()),
        Err(e) => return Err(refused(e)),
        Ok(_) => rustix::fs::unlinkat(&at, name, AtFlags::empty()).map_err(refused)?,
    }
    for above in Path::new(path).ancestors().skip(1).filter(|above| !above.as_os_str().is_empty()) {
        let Ok((at, name)) = open_above(folder, above) else { break };
        // Fails where something else lies in it.
        if rustix::fs::unlinkat(&at, name, AtFlags::REMOVEDIR).is_err() {
            break;
        }
    }
    Ok(())
}
