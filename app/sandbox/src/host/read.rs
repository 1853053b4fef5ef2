//! Reads files out of a folder of the host. What wrote them may have put links there: none is followed, and everything is
//! bounded while it is read.

use std::fs::File;
use std::io::Read;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Component, Path, PathBuf};
use std::time::{Duration, Instant};

use bytes::Bytes;
use gatewright_core::sandbox::SandboxError;
use gatewright_core::verdict::ReportFile;
use globset::GlobMatcher;
use rustix::fs::{AtFlags, FileType, Mode, OFlags};
use rustix::io::Errno;

/// Looking through a folder with some hundred thousand files takes seconds. Beyond this the user is told to name a narrower one.
const READ_MAX: Duration = Duration::from_secs(120);

/// Folders lie in each other so deep at most. Each takes an open file while it is looked through.
const DEPTH_MAX: usize = 128;

/// Not a part of the source, and in a checkout in place there all the same.
const NOT_SOURCE: &str = ".git";

/// What may be read at most; more is an error.
#[derive(Clone, Copy)]
pub(super) struct Bounds {
    pub(super) files_max: usize,
    pub(super) bytes_max: u64,
}

pub(super) async fn read(folder: &Path, glob: &str, bounds: Bounds) -> Result<Vec<ReportFile>, SandboxError> {
    let (folder, glob) = (folder.to_owned(), glob.to_owned());
    let reading = tokio::task::spawn_blocking(move || read_all(&folder, &glob, bounds)).await;
    reading.unwrap_or_else(|e| Err(SandboxError::Unavailable(format!("the reader of a folder failed: {e}"))))
}

fn read_all(folder: &Path, glob: &str, bounds: Bounds) -> Result<Vec<ReportFile>, SandboxError> {
    let matcher = gatewright_core::plan::glob(glob)
        .map_err(|e| SandboxError::Report(format!("`{glob}` is not a valid glob: {e}")))?
        .compile_matcher();
    let below = literal_part(glob)?;
    let depth_max = if glob.contains("**") { DEPTH_MAX } else { glob.split('/').count() };
    let mut reader = Reader { glob, matcher, bounds, depth_max, until: Instant::now() + READ_MAX, bytes: 0, files: Vec::new() };
    reader.enter(folder, &below)?;
    reader.files.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(reader.files)
}

/// The part of a glob before its first wildcard: a folder, or the file itself where there is none.
fn literal_part(glob: &str) -> Result<PathBuf, SandboxError> {
    let mut literal = PathBuf::new();
    for part in glob.split('/') {
        if part.contains(['*', '?', '[', '{', '\\']) {
            break;
        }
        literal.push(part);
    }
    let inside = literal.components().all(|c| matches!(c, Component::Normal(_)));
    if glob.is_empty() || glob.starts_with('/') || !inside {
        return Err(SandboxError::Report(format!(
            "`{glob}` does not name files of the workspace: it must be relative and without `..`"
        )));
    }
    Ok(literal)
}

/// Opens a folder that is no link.
pub(super) fn open_folder(at: impl AsFd, path: &Path) -> rustix::io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    rustix::fs::openat(at, path, flags, Mode::empty())
}

/// Looks through folders and keeps the files that are wanted.
struct Reader<'a> {
    glob: &'a str,
    matcher: GlobMatcher,
    bounds: Bounds,
    depth_max: usize,
    until: Instant,
    bytes: u64,
    files: Vec<ReportFile>,
}

impl Reader<'_> {
    /// Goes down the literal part of the glob, and looks through what is there. What is not there has no files.
    fn enter(&mut self, folder: &Path, below: &Path) -> Result<(), SandboxError> {
        let mut at = open_folder(rustix::fs::CWD, folder)
            .map_err(|e| SandboxError::Gone(format!("its folder {} cannot be read: {e}", folder.display())))?;
        let mut path = PathBuf::new();
        for part in below.components() {
            path.push(part);
            let name = Path::new(part.as_os_str());
            match rustix::fs::statat(&at, name, AtFlags::SYMLINK_NOFOLLOW).map(|found| FileType::from_raw_mode(found.st_mode)) {
                Ok(FileType::Directory) => at = open_folder(&at, name).map_err(|e| unreadable(&path, e))?,
                Ok(FileType::RegularFile) if path == below => return self.take(&at, name, &path),
                Ok(FileType::Symlink) => {
                    let words = format!("`{}` is a symbolic link, which is not followed", path.display());
                    return Err(SandboxError::Report(words));
                }
                Ok(_) | Err(Errno::NOENT) => return Ok(()),
                Err(e) => return Err(unreadable(&path, e)),
            }
        }
        self.walk(&at, &path, path.components().count())
    }

    fn walk(&mut self, at: &OwnedFd, path: &Path, depth: usize) -> Result<(), SandboxError> {
        if Instant::now() > self.until {
            let words = format!("reading `{}` took longer than {} s; name a narrower folder", self.glob, READ_MAX.as_secs());
            return Err(SandboxError::Report(words));
        }
        for entry in rustix::fs::Dir::read_from(at).map_err(|e| unreadable(path, e))? {
            let entry = entry.map_err(|e| unreadable(path, e))?;
            // Names that are no text are named by no glob.
            let Ok(name) = entry.file_name().to_str() else { continue };
            if matches!(name, "." | ".." | NOT_SOURCE) {
                continue;
            }
            self.look(at, Path::new(name), &path.join(name), depth + 1)?;
        }
        Ok(())
    }

    fn look(&mut self, at: &OwnedFd, name: &Path, path: &Path, depth: usize) -> Result<(), SandboxError> {
        let kind = match rustix::fs::statat(at, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(found) => FileType::from_raw_mode(found.st_mode),
            // It has vanished meanwhile.
            Err(Errno::NOENT) => return Ok(()),
            Err(e) => return Err(unreadable(path, e)),
        };
        match kind {
            FileType::Directory if depth < self.depth_max => match open_folder(at, name) {
                Ok(below) => self.walk(&below, path, depth),
                Err(Errno::NOENT | Errno::ACCESS) => Ok(()),
                Err(e) => Err(unreadable(path, e)),
            },
            FileType::Directory if self.depth_max == DEPTH_MAX => {
                let words = format!("beside the files that match `{}` lie folders more than {DEPTH_MAX} deep", self.glob);
                Err(SandboxError::Report(format!("{words}; name a narrower folder")))
            }
            FileType::RegularFile if self.matcher.is_match(path) => self.take(at, name, path),
            // Symbolic links, devices and the like are not read.
            _ => Ok(()),
        }
    }

    fn take(&mut self, at: &OwnedFd, name: &Path, path: &Path) -> Result<(), SandboxError> {
        if self.files.len() >= self.bounds.files_max {
            return Err(SandboxError::Report(format!("more than {} files match `{}`", self.bounds.files_max, self.glob)));
        }
        // What was a regular file a moment ago may be a pipe now, which is not waited for.
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let opened = rustix::fs::openat(at, name, flags, Mode::empty()).map_err(|e| unreadable(path, e))?;
        let file = File::from(opened);
        if !file.metadata().is_ok_and(|found| found.is_file()) {
            return Ok(());
        }
        let left = self.bounds.bytes_max.saturating_sub(self.bytes);
        let mut bytes = Vec::new();
        let read = file.take(left.saturating_add(1)).read_to_end(&mut bytes);
        read.map_err(|e| SandboxError::Report(format!("`{}` cannot be read: {e}", path.display())))?;
        if bytes.len() as u64 > left {
            let words = format!("the files that match `{}` hold more than {} bytes", self.glob, self.bounds.bytes_max);
            return Err(SandboxError::Report(words));
        }
        self.bytes += bytes.len() as u64;
        self.files.push(ReportFile { path: path.to_string_lossy().into_owned(), bytes: Bytes::from(bytes) });
        Ok(())
    }
}

fn unreadable(path: &Path, error: Errno) -> SandboxError {
    SandboxError::Report(format!("`{}` cannot be read: {error}", path.display()))
}
