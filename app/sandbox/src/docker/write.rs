//! Writes files into a sandbox's workspace.

use std::collections::BTreeSet;
use std::path::{Component, Path, PathBuf};
use std::time::{Duration, SystemTime};

use bollard::Docker;
use bollard::query_parameters::UploadToContainerOptionsBuilder;
use gatewright_core::sandbox::{SandboxError, SandboxHandle};

use super::error::{lost, within, words};
use super::{exec, shape};

/// Files of this size are the caller's own, such as a patch to try; the source comes another way.
const CONTENT_BYTES_MAX: usize = 64 << 20;

/// Writing that much takes well under a second.
const WRITE_MAX: Duration = Duration::from_secs(60);

/// The number of the sandbox's user and group.
const OWNER: u64 = 1000;

pub(super) async fn write(docker: &Docker, sandbox: &SandboxHandle, path: &str, content: &[u8]) -> Result<(), SandboxError> {
    write_all(docker, sandbox, &[(path, 0o644, content)]).await
}

/// Writes files with their modes, and nothing through a link: the engine has a link in the place of a folder that is named in an
/// archive for a fault, and a link in the place of a file makes way for the file.
pub(super) async fn write_all(
    docker: &Docker,
    sandbox: &SandboxHandle,
    files: &[(&str, u32, &[u8])],
) -> Result<(), SandboxError> {
    let archive = archive(files)?;
    let folder = shape::path(sandbox.folder);
    let options = UploadToContainerOptionsBuilder::default().path(folder).no_overwrite_dir_non_dir("true").build();
    let named = match files {
        [(path, ..)] => format!("`{path}`"),
        _ => format!("{} files", files.len()),
    };
    let written = async {
        let body = bollard::body_full(archive.into());
        match docker.upload_to_container(&sandbox.name, Some(options), body).await {
            Ok(()) => Ok(()),
            Err(e) if words(&e).contains("no space left on device") => {
                let full = SandboxError::Report(format!("{named} cannot be written: that does not fit into the workspace"));
                Err(exec::without_room(docker, &sandbox.name, words(&e), full).await)
            }
            Err(e) if words(&e).contains("cannot overwrite") => {
                let cause = "a symbolic link, a file or a folder is in the way";
                Err(SandboxError::Report(format!("{named} cannot be written: {cause} ({})", words(&e))))
            }
            Err(e) => Err(lost(&e)),
        }
    };
    within("writing files", WRITE_MAX, written).await
}

/// Makes a folder of the workspace, and those above it, as the sandbox's user's own.
pub(super) async fn folders(docker: &Docker, id: &str, path: &Path) -> Result<(), SandboxError> {
    let mut builder = tar::Builder::new(Vec::new());
    let above: Vec<&Path> = path.ancestors().filter(|folder| !folder.as_os_str().is_empty()).collect();
    let made = above
        .iter()
        .rev()
        .try_for_each(|folder| builder.append_data(&mut header(tar::EntryType::Directory, 0o755, 0), folder, &[][..]))
        .and_then(|()| builder.into_inner());
    let archive = made.map_err(|e| SandboxError::Report(format!("`{}` cannot be made: {e}", path.display())))?;
    let options = UploadToContainerOptionsBuilder::default().path(shape::WORKSPACE).build();
    docker.upload_to_container(id, Some(options), bollard::body_full(archive.into())).await.map_err(|e| lost(&e))
}

/// An archive of the files and the folders above them, which would otherwise be made as root's.
fn archive(files: &[(&str, u32, &[u8])]) -> Result<Vec<u8>, SandboxError> {
    let mut builder = tar::Builder::new(Vec::new());
    let mut made = BTreeSet::new();
    for (path, mode, content) in files {
        let parts: Vec<Component<'_>> = Path::new(path).components().collect();
        if parts.is_empty() || path.ends_with('/') || !parts.iter().all(|c| matches!(c, Component::Normal(_))) {
            return Err(SandboxError::Report(format!("`{path}` does not name a file of the workspace")));
        }
        if content.len() > CONTENT_BYTES_MAX {
            return Err(SandboxError::Report(format!("`{path}` is larger than {} MiB", CONTENT_BYTES_MAX >> 20)));
        }
        let above = (1..parts.len()).map(|depth| parts[..depth].iter().collect::<PathBuf>());
        let folders: Vec<PathBuf> = above.filter(|folder| made.insert(folder.clone())).collect();
        folders
            .iter()
            .try_for_each(|folder| builder.append_data(&mut header(tar::EntryType::Directory, 0o755, 0), folder, &[][..]))
            .and_then(|()| builder.append_data(&mut header(tar::EntryType::Regular, *mode, content.len()), path, *content))
            .map_err(|e| SandboxError::Report(format!("`{path}` cannot be written: {e}")))?;
    }
    builder.into_inner().map_err(|e| SandboxError::Report(format!("files cannot be written: {e}")))
}

fn header(kind: tar::EntryType, mode: u32, size: usize) -> tar::Header {
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_uid(OWNER);
    header.set_gid(OWNER);
    header.set_size(size as u64);
    // Build tools go by the time: a file that is written now is newer than what was built before.
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    header.set_mtime(now.as_secs());
    header
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_files_of_the_workspace_are_written() {
        for outside in ["", "/etc/x", "../x", "a/../../x", "a/"] {
            assert!(archive(&[(outside, 0o644, b"")]).is_err(), "{outside}");
        }
        assert!(archive(&[("a/b/c.txt", 0o644, b"x"), ("a/d", 0o755, b"")]).is_ok());
    }
}
