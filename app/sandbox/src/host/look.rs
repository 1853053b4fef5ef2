//! Lists and reads a folder of the host for whoever finds out what has changed in it. No link is followed, and everything is bounded.

use std::ffi::OsStr;
use std::fs::File;
use std::io::Read;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use bytes::Bytes;
use gatewright_core::sandbox::{ChangesError, Refused, SandboxError};
use gatewright_core::tree::Tree;
use rustix::fs::{AtFlags, FileType, Mode, OFlags, Stat};
use rustix::io::Errno;

use super::read::open_folder;
use crate::changes::{Appearance, Entry, Found, Kind, Listing, Look, Wanted, paths};

/// More entries than this are not looked through.
const ENTRIES_MAX: usize = 500_000;

/// Folders lie in each other so deep at most. Each takes an open file while it is looked through.
const DEPTH_MAX: usize = 128;

/// So much is read of a file at once.
const CHUNK: usize = 64 * 1024;

/// A workspace that is a folder of the host.
pub(super) struct Workspace {
    pub(super) folder: PathBuf,
}

#[async_trait]
impl Look for Workspace {
    async fn list(&self, prune: &[String]) -> Result<Listing, ChangesError> {
        let (folder, prune) = (self.folder.clone(), prune.to_vec());
        on_a_thread(move || {
            let mut lister = Lister { prune, listing: Listing::default() };
            let root = open_folder(rustix::fs::CWD, &folder).map_err(|e| SandboxError::Gone(format!("its folder: {e}")))?;
            lister.walk(&root, b"", 0)?;
            Ok(lister.listing)
        })
        .await
    }

    async fn read(&self, wanted: &[Wanted]) -> Result<Vec<Found>, ChangesError> {
        let (folder, wanted) = (self.folder.clone(), wanted.to_vec());
        on_a_thread(move || {
            let mut left = Tree::BYTES_MAX;
            wanted.iter().map(|one| read_one(&folder, one, &mut left)).collect()
        })
        .await
    }
}

async fn on_a_thread<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, ChangesError> + Send + 'static,
) -> Result<T, ChangesError> {
    let failed = |e| SandboxError::Unavailable(format!("the reader of a folder failed: {e}"));
    tokio::task::spawn_blocking(work).await.map_err(failed)?
}

struct Lister {
    prune: Vec<String>,
    listing: Listing,
}

impl Lister {
    fn walk(&mut self, at: &OwnedFd, path: &[u8], depth: usize) -> Result<(), ChangesError> {
        let Ok(entries) = rustix::fs::Dir::read_from(at) else {
            self.listing.incomplete = true;
            return Ok(());
        };
        for entry in entries {
            let Ok(entry) = entry else {
                self.listing.incomplete = true;
                return Ok(());
            };
            let name = entry.file_name().to_bytes();
            if matches!(name, b"." | b"..") || (path.is_empty() && name == b".git") {
                continue;
            }
            let path = if path.is_empty() { name.to_vec() } else { [path, b"/", name].concat() };
            if self.prune.iter().any(|folder| folder.as_bytes() == path) {
                continue;
            }
            self.look(at, name, path, depth)?;
        }
        Ok(())
    }

    fn look(&mut self, at: &OwnedFd, name: &[u8], path: Vec<u8>, depth: usize) -> Result<(), ChangesError> {
        let name = Path::new(OsStr::from_bytes(name));
        let Ok(stat) = rustix::fs::statat(at, name, AtFlags::SYMLINK_NOFOLLOW) else {
            self.listing.incomplete = true;
            return Ok(());
        };
        if FileType::from_raw_mode(stat.st_mode) == FileType::Directory {
            if depth >= DEPTH_MAX {
                return Err(unreadable(format!("folders lie more than {DEPTH_MAX} deep in each other")));
            }
            match open_folder(at, name) {
                Ok(below) => self.walk(&below, &path, depth + 1)?,
                Err(_) => self.listing.incomplete = true,
            }
            return Ok(());
        }
        if self.listing.entries.len() >= ENTRIES_MAX {
            return Err(unreadable("there are too many files".to_owned()));
        }
        self.listing.entries.push(Entry { path, look: appearance(&stat) });
        Ok(())
    }
}

#[expect(clippy::useless_conversion, reason = "the fields' types differ between platforms")]
fn appearance(stat: &Stat) -> Appearance {
    let kind = match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile => Kind::File { executable: stat.st_mode & 0o100 != 0 },
        FileType::Symlink => Kind::Link,
        _ => Kind::Special,
    };
    let nanos = stat.st_ctime_nsec as u32;
    // A file system that knows no fractions would take two changes within a second for none.
    let stamp = (nanos != 0).then_some((u64::from(stat.st_ino), i64::from(stat.st_ctime), nanos));
    Appearance { kind, bytes: u64::try_from(stat.st_size).unwrap_or(0), stamp }
}

fn unreadable(cause: String) -> ChangesError {
    Refused::Unreadable { cause }.into()
}

/// Opens the folder that something lies in, by way of folders only.
pub(super) fn open_above<'a>(root: &Path, path: &'a Path) -> rustix::io::Result<(OwnedFd, &'a OsStr)> {
    let mut at = open_folder(rustix::fs::CWD, root)?;
    for part in path.parent().into_iter().flat_map(Path::components) {
        at = open_folder(&at, Path::new(part.as_os_str()))?;
    }
    Ok((at, path.file_name().ok_or(Errno::INVAL)?))
}

fn read_one(root: &Path, wanted: &Wanted, left: &mut u64) -> Result<Found, ChangesError> {
    let gone = |_| unreadable("files come and go while it is looked at".to_owned());
    let path = Path::new(OsStr::from_bytes(&wanted.path));
    let (at, name) = open_above(root, path).map_err(gone)?;
    if wanted.link {
        let target = rustix::fs::readlinkat(&at, name, Vec::new()).map_err(gone)?;
        let target = std::ffi::OsString::from_vec(target.into_bytes());
        return Ok(found(wanted, Bytes::copy_from_slice(target.as_bytes())));
    }
    // What was a regular file a moment ago may be a pipe now, which is not waited for.
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let mut file = File::from(rustix::fs::openat(&at, name, flags, Mode::empty()).map_err(gone)?);
    let metadata = file.metadata().map_err(|_| gone(Errno::IO))?;
    if !metadata.is_file() {
        return Err(gone(Errno::IO));
    }
    read_file(&mut file, metadata.len(), wanted, left)
}

fn found(wanted: &Wanted, content: Bytes) -> Found {
    let id = wanted.format.name(&content);
    let content = (wanted.unless.as_ref() != Some(&id)).then_some(content);
    Found { id, content }
}

/// Reads a file. One that is too large to be of use is read all the same where it may be as it was.
fn read_file(file: &mut File, bytes: u64, wanted: &Wanted, left: &mut u64) -> Result<Found, ChangesError> {
    let too_large = || Refused::TooLarge { path: paths::shown(&wanted.path) };
    if bytes > *left && wanted.unless.is_none() {
        return Err(too_large().into());
    }
    let (mut naming, mut content) = (wanted.format.begin(bytes), Vec::new());
    let mut file = file.take(bytes);
    let (mut chunk, mut read) = (vec![0; CHUNK], 0);
    loop {
        let length = file.read(&mut chunk).map_err(|e| unreadable(e.to_string()))?;
        if length == 0 {
            break;
        }
        read += length as u64;
        naming.add(&chunk[..length]);
        if bytes <= *left {
            content.extend_from_slice(&chunk[..length]);
        }
    }
    if read != bytes {
        return Err(unreadable("files change while it is looked at".to_owned()));
    }
    let id = naming.end();
    if wanted.unless.as_ref() == Some(&id) {
        return Ok(Found { id, content: None });
    }
    *left = left.checked_sub(bytes).ok_or_else(too_large)?;
    Ok(Found { id, content: Some(Bytes::from(content)) })
}
