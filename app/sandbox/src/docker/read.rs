//! Reads files out of a sandbox. They were written by untrusted code: nothing is followed, and everything is bounded while
//! it is read, not afterwards.

use std::io::Read;
use std::path::{Component, Path, PathBuf};

use bollard::Docker;
use bollard::query_parameters::{
    ContainerArchiveInfoOptionsBuilder, DownloadFromContainerOptionsBuilder, InspectContainerOptions,
};
use futures_util::TryStreamExt;
use gatewright_core::sandbox::{SandboxError, SandboxHandle};
use gatewright_core::verdict::ReportFile;
use globset::GlobMatcher;
use tokio::io::DuplexStream;
use tokio_util::io::{StreamReader, SyncIoBridge};

use super::CALL_MAX;
use super::error::{lost, status, unavailable, within};
use super::shape;
use crate::spool;
use crate::wanted::{self, Bounds, READ_MAX, literal_part};

/// The engine can only send a whole folder, so what lies beside the wanted files passes by. Beyond this (a sparse file can
/// claim any size) it is given up, and the user is told to name a narrower folder.
pub(super) const SCAN_BYTES_MAX: u64 = 4 << 30;

/// So much of a folder is under way between the engine and the reader.
const PIPE_BYTES: usize = 256 * 1024;

/// The engine writes Go's file modes.
const MODE_SYMLINK: u64 = 1 << 27;

pub(super) async fn read(
    docker: &Docker,
    sandbox: &SandboxHandle,
    glob: &str,
    bounds: Bounds,
    spool: &Path,
) -> Result<Vec<ReportFile>, SandboxError> {
    match tokio::time::timeout(READ_MAX, read_all(docker, sandbox, glob, bounds, spool)).await {
        Ok(read) => read,
        // The workspace is to blame, not the engine: trying again would only take as long.
        Err(_) => Err(wanted::too_slow(glob)),
    }
}

async fn read_all(
    docker: &Docker,
    sandbox: &SandboxHandle,
    glob: &str,
    bounds: Bounds,
    spool: &Path,
) -> Result<Vec<ReportFile>, SandboxError> {
    let matcher = wanted::matcher(glob)?;
    let folder = literal_part(glob)?;
    if !is_there(docker, sandbox, &folder).await? {
        return Ok(Vec::new());
    }
    let wanted = Wanted { glob: glob.to_owned(), matcher, folder: folder.clone(), bounds, spool: spool.to_owned() };
    let mut found = download(docker, sandbox, &folder, wanted.clone()).await?;
    for path in std::mem::take(&mut found.links) {
        // A second name of a file that came under its first. Asked for by itself, it comes with its content.
        let alone = Wanted { folder: path.clone(), bounds: found.left(bounds), ..wanted.clone() };
        found.files.extend(download(docker, sandbox, &path, alone).await?.files);
    }
    found.files.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(found.files)
}

/// Whether a path of the workspace exists. One that leads through a symbolic link is refused.
pub(super) async fn is_there(docker: &Docker, sandbox: &SandboxHandle, path: &Path) -> Result<bool, SandboxError> {
    let mut below = PathBuf::new();
    // The workspace itself is asked for too: where it is not there, the sandbox is not.
    for part in std::iter::once(None).chain(path.components().map(Some)) {
        below.extend(part);
        let options = ContainerArchiveInfoOptionsBuilder::default().path(&inside(sandbox, &below)).build();
        let found = docker.get_container_archive_info(&sandbox.name, Some(options)).await;
        match found {
            Ok(found) if u64::from(found.file_mode) & MODE_SYMLINK != 0 => {
                return Err(wanted::is_a_link(&below));
            }
            Ok(_) => {}
            Err(e) if status(&e) == Some(404) => return runs(docker, &sandbox.name).await.map(|()| false),
            Err(e) => return Err(unavailable(&e)),
        }
    }
    Ok(true)
}

/// A missing file and a missing sandbox are both answered 404, and a stopped one has an empty workspace.
async fn runs(docker: &Docker, id: &str) -> Result<(), SandboxError> {
    let asked = async { docker.inspect_container(id, None::<InspectContainerOptions>).await.map_err(|e| lost(&e)) };
    let found = within("looking at the sandbox", CALL_MAX, asked).await?;
    match found.state.and_then(|state| state.running) {
        Some(true) => Ok(()),
        Some(false) | None => Err(SandboxError::Gone("its container has ended".to_owned())),
    }
}

fn inside(sandbox: &SandboxHandle, path: &Path) -> String {
    Path::new(shape::path(sandbox.folder)).join(path).to_string_lossy().trim_end_matches('/').to_owned()
}

/// Streams a folder (or file) of the workspace past the reader.
async fn download(docker: &Docker, sandbox: &SandboxHandle, path: &Path, wanted: Wanted) -> Result<Found, SandboxError> {
    stream(docker, sandbox, path, move |archive| wanted.pick(archive)).await?
}

/// Streams the engine's archive of a folder (or file) to a reader on a thread of its own.
pub(super) async fn stream<T: Send + 'static, E: Send + 'static>(
    docker: &Docker,
    sandbox: &SandboxHandle,
    path: &Path,
    reader: impl FnOnce(SyncIoBridge<DuplexStream>) -> Result<T, E> + Send + 'static,
) -> Result<Result<T, E>, SandboxError> {
    let options = DownloadFromContainerOptionsBuilder::default().path(&inside(sandbox, path)).build();
    let archive = docker.download_from_container(&sandbox.name, Some(options)).map_err(std::io::Error::other);
    let mut archive = StreamReader::new(Box::pin(archive));
    let (mut to_reader, from_engine) = tokio::io::duplex(PIPE_BYTES);
    let bridge = SyncIoBridge::new(from_engine);
    // The reader ends when its pipe does, so it does not outlive this future by more than a moment.
    let reader = tokio::task::spawn_blocking(move || reader(bridge));
    let pumped = tokio::io::copy(&mut archive, &mut to_reader).await;
    drop(to_reader);
    let found = reader.await.map_err(|e| SandboxError::Unavailable(format!("the reader of an archive failed: {e}")))?;
    match pumped {
        // What cut the archive off says more than that it is cut off.
        Err(e) if e.kind() != std::io::ErrorKind::BrokenPipe => Err(unreadable(&e)),
        // The reader has seen enough and closed the pipe.
        Ok(_) | Err(_) => Ok(found),
    }
}

fn unreadable(error: &std::io::Error) -> SandboxError {
    SandboxError::Report(format!("the workspace could not be read, perhaps because something still wrote to it: {error}"))
}

/// A file could not be read, or not be kept.
fn unkept(error: &std::io::Error) -> SandboxError {
    match error.kind() {
        std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => SandboxError::HostDiskFull(error.to_string()),
        _ => unreadable(error),
    }
}

/// Which files are wanted of the folder that is streamed.
#[derive(Clone)]
struct Wanted {
    glob: String,
    matcher: GlobMatcher,
    /// The folder, relative to the workspace.
    folder: PathBuf,
    bounds: Bounds,
    /// Where large files are kept until they have been judged.
    spool: PathBuf,
}

#[derive(Default)]
struct Found {
    files: Vec<ReportFile>,
    /// Hard links to files that came under another name.
    links: Vec<PathBuf>,
}

impl Found {
    fn left(&self, bounds: Bounds) -> Bounds {
        let bytes: u64 = self.files.iter().map(|file| file.content.bytes()).sum();
        Bounds { files_max: bounds.files_max.saturating_sub(self.files.len()), bytes_max: bounds.bytes_max.saturating_sub(bytes) }
    }
}

impl Wanted {
    /// Picks the wanted files out of an archive.
    fn pick(&self, archive: impl Read) -> Result<Found, SandboxError> {
        let mut archive = tar::Archive::new(archive.take(SCAN_BYTES_MAX));
        let mut found = Found::default();
        let mut passed = 0_u64;
        for entry in archive.entries().map_err(|e| unreadable(&e))? {
            let mut entry = entry.map_err(|e| unreadable(&e))?;
            passed = passed.saturating_add(entry.size());
            let path = entry.path().ok().and_then(|path| self.place(&path));
            let wanted = path.filter(|path| self.matcher.is_match(path));
            match (wanted, entry.header().entry_type()) {
                (Some(path), tar::EntryType::Regular) => self.take(&mut found, &path, &mut entry)?,
                (Some(path), tar::EntryType::Link) => {
                    self.count(&found)?;
                    found.links.push(path);
                }
                // Symbolic links, devices and the like are not read.
                (Some(_) | None, _) if passed > SCAN_BYTES_MAX => return Err(self.too_much_beside()),
                (Some(_) | None, _) => {}
            }
        }
        Ok(found)
    }

    /// Where in the workspace an entry lies. The engine names entries from the last part of the folder's own name.
    fn place(&self, entry: &Path) -> Option<PathBuf> {
        let mut parts = entry.components().filter(|c| !matches!(c, Component::CurDir));
        parts.next()?;
        let below: PathBuf = parts.collect();
        let plain = below.components().all(|c| matches!(c, Component::Normal(_)));
        plain.then(|| if below.as_os_str().is_empty() { self.folder.clone() } else { self.folder.join(below) })
    }

    fn take(&self, found: &mut Found, path: &Path, entry: &mut impl Read) -> Result<(), SandboxError> {
        self.count(found)?;
        let left = found.left(self.bounds).bytes_max;
        let Some(content) = spool::keep(entry, left, &self.spool).map_err(|e| unkept(&e))? else {
            return Err(wanted::too_large(&self.glob, self.bounds));
        };
        found.files.push(ReportFile { path: path.to_string_lossy().into_owned(), content });
        Ok(())
    }

    fn count(&self, found: &Found) -> Result<(), SandboxError> {
        if found.files.len() + found.links.len() < self.bounds.files_max {
            return Ok(());
        }
        Err(wanted::too_many(&self.glob, self.bounds))
    }

    fn too_much_beside(&self) -> SandboxError {
        let gib = SCAN_BYTES_MAX >> 30;
        let words = format!("beside the files that match `{}` lie more than {gib} GiB; name a narrower folder", self.glob);
        SandboxError::Report(words)
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may fail at once")]

    use super::*;

    fn wanted(glob: &str, bounds: Bounds) -> Wanted {
        let matcher = gatewright_core::plan::glob(glob).unwrap().compile_matcher();
        Wanted { glob: glob.to_owned(), matcher, folder: literal_part(glob).unwrap(), bounds, spool: std::env::temp_dir() }
    }

    const FEW: Bounds = Bounds { files_max: 2, bytes_max: 10 };

    fn entry(builder: &mut tar::Builder<Vec<u8>>, name: &[u8], kind: tar::EntryType, content: &[u8]) {
        let mut header = tar::Header::new_gnu();
        // Straight into the header: the builder itself refuses what a hostile archive would hold.
        header.as_old_mut().name[..name.len()].copy_from_slice(name);
        header.set_entry_type(kind);
        header.set_size(content.len() as u64);
        header.set_cksum();
        builder.append(&header, content).unwrap();
    }

    #[test]
    fn hostile_entries_are_not_taken() {
        let mut builder = tar::Builder::new(Vec::new());
        entry(&mut builder, b"workspace/../../etc/passwd", tar::EntryType::Regular, b"no");
        entry(&mut builder, b"workspace/link", tar::EntryType::Symlink, b"");
        entry(&mut builder, b"workspace/device", tar::EntryType::Char, b"");
        entry(&mut builder, b"workspace/a", tar::EntryType::Regular, b"yes");
        let found = wanted("**", FEW).pick(&builder.into_inner().unwrap()[..]).unwrap();
        let paths: Vec<&str> = found.files.iter().map(|file| file.path.as_str()).collect();
        assert_eq!(paths, ["a"]);
    }

    #[test]
    fn a_file_that_claims_more_than_is_allowed_is_refused_without_being_read() {
        let mut header = tar::Header::new_gnu();
        header.set_path("workspace/a").unwrap();
        header.set_size(10 << 30);
        header.set_cksum();
        let endless = header.as_bytes()[..].chain(std::io::repeat(0));
        let refused = wanted("*", FEW).pick(endless).map(|_| ()).unwrap_err();
        assert_eq!(refused.to_string(), "the files that match `*` hold more than 10 bytes");
    }

    #[test]
    fn a_sparse_giant_beside_the_reports_does_not_hold_the_reader_up() {
        let mut header = tar::Header::new_gnu();
        header.set_path("workspace/giant").unwrap();
        header.set_size(1 << 40);
        header.set_cksum();
        let endless = header.as_bytes()[..].chain(std::io::repeat(0));
        let refused = wanted("*.xml", FEW).pick(endless).map(|_| ()).unwrap_err();
        assert!(refused.to_string().contains("name a narrower folder"), "{refused}");
    }

    #[test]
    fn more_files_than_allowed_are_an_error() {
        let mut builder = tar::Builder::new(Vec::new());
        for name in [&b"workspace/a"[..], b"workspace/b", b"workspace/c"] {
            entry(&mut builder, name, tar::EntryType::Regular, b"");
        }
        let refused = wanted("*", FEW).pick(&builder.into_inner().unwrap()[..]).map(|_| ()).unwrap_err();
        assert_eq!(refused.to_string(), "more than 2 files match `*`");
    }
}
