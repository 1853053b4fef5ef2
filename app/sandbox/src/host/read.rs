//! Reads files out of a folder of the host. What wrote them may have put links there: none is followed, and everything is
//! bounded while it is read.

use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::time::Instant;

use gatewright_core::sandbox::SandboxError;
use gatewright_core::verdict::ReportFile;
use globset::GlobMatcher;
use rustix::fs::{AtFlags, FileType, Mode, OFlags};
use rustix::io::Errno;

use crate::spool;
use crate::wanted::{self, Bounds, READ_MAX, literal_part};

/// Folders lie in each other so deep at most. Each takes an open file while it is looked through.
const DEPTH_MAX: usize = 128;

/// Not a part of the source, and in a checkout in place there all the same.
const NOT_SOURCE: &str = ".git";

/// Reads files, large ones into unnamed files in the folder `spool`.
pub(super) async fn read(folder: &Path, glob: &str, bounds: Bounds, spool: &Path) -> Result<Vec<ReportFile>, SandboxError> {
    let (folder, glob, spool) = (folder.to_owned(), glob.to_owned(), spool.to_owned());
    let reading = tokio::task::spawn_blocking(move || read_all(&folder, &glob, bounds, &spool)).await;
    reading.unwrap_or_else(|e| Err(SandboxError::Unavailable(format!("the reader of a folder failed: {e}"))))
}

fn read_all(folder: &Path, glob: &str, bounds: Bounds, spool: &Path) -> Result<Vec<ReportFile>, SandboxError> {
    let matcher = wanted::matcher(glob)?;
    let below = literal_part(glob)?;
    let depth_max = if glob.contains("**") { DEPTH_MAX } else { glob.split('/').count() };
    let mut reader =
        Reader { glob, matcher, bounds, spool, depth_max, until: Instant::now() + READ_MAX, bytes: 0, files: Vec::new() };
    reader.enter(folder, &below)?;
    reader.files.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(reader.files)
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
    spool: &'a Path,
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
                    return Err(wanted::is_a_link(&path));
                }
                Ok(_) | Err(Errno::NOENT) => return Ok(()),
                Err(e) => return Err(unreadable(&path, e)),
            }
        }
        self.walk(&at, &path, path.components().count())
    }

    fn walk(&mut self, at: &OwnedFd, path: &Path, depth: usize) -> Result<(), SandboxError> {
        if Instant::now() > self.until {
            return Err(wanted::too_slow(self.glob));
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
            return Err(wanted::too_many(self.glob, self.bounds));
        }
        // What was a regular file a moment ago may be a pipe now, which is not waited for.
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let opened = rustix::fs::openat(at, name, flags, Mode::empty()).map_err(|e| unreadable(path, e))?;
        let mut file = File::from(opened);
        if !file.metadata().is_ok_and(|found| found.is_file()) {
            return Ok(());
        }
        let left = self.bounds.bytes_max.saturating_sub(self.bytes);
        let kept = spool::keep(&mut file, left, self.spool);
        let kept = kept.map_err(|e| SandboxError::Report(format!("`{}` cannot be read: {e}", path.display())))?;
        let content = kept.ok_or_else(|| wanted::too_large(self.glob, self.bounds))?;
        self.bytes += content.bytes();
        self.files.push(ReportFile { path: path.to_string_lossy().into_owned(), content });
        Ok(())
    }
}

fn unreadable(path: &Path, error: Errno) -> SandboxError {
    SandboxError::Report(format!("`{}` cannot be read: {error}", path.display()))
}
