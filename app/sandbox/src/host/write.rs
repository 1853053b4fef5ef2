//! Writes a file into a folder of the host, never through a symbolic link.

use std::io::Write;
use std::path::{Component, Path};

use bytes::Bytes;
use gatewright_core::sandbox::SandboxError;
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

use super::read::open_folder;

/// Files of this size are the caller's own, such as a patch to try; the source comes another way.
const CONTENT_BYTES_MAX: usize = 64 << 20;

pub(super) async fn write(folder: &Path, path: &str, content: Bytes) -> Result<(), SandboxError> {
    if content.len() > CONTENT_BYTES_MAX {
        return Err(SandboxError::Report(format!("`{path}` is larger than {} MiB", CONTENT_BYTES_MAX >> 20)));
    }
    let (folder, path) = (folder.to_owned(), path.to_owned());
    let written = tokio::task::spawn_blocking(move || write_file(&folder, &path, &content)).await;
    written.unwrap_or_else(|e| Err(SandboxError::Unavailable(format!("the writer of a file failed: {e}"))))
}

fn write_file(folder: &Path, path: &str, content: &[u8]) -> Result<(), SandboxError> {
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
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let opened = rustix::fs::openat(&at, file.as_os_str(), flags, Mode::from_raw_mode(0o644)).map_err(refused)?;
    let written = std::fs::File::from(opened).write_all(content);
    written.map_err(|e| SandboxError::Report(format!("`{path}` cannot be written: {e}")))
}
