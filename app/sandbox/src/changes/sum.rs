//! Adds up what has changed, and refuses what cannot be taken out of a workspace.

use std::collections::{BTreeMap, HashMap, HashSet};

use bytes::Bytes;
use gatewright_core::sandbox::Refused;
use gatewright_core::tree::{FileChange, FileMode, Tree};

use super::paths::{self, Cases};
use super::{Base, Entry, Kind, Listing, TrackedAs};

/// What is new, before any of it is read: whatever is refused for its path, its kind, or for being too much is not read at all.
#[derive(Default)]
pub(super) struct New {
    /// How many files there are in each uppermost folder.
    folders: BTreeMap<String, usize>,
    bytes: u64,
    largest: (u64, String),
}

impl New {
    pub(super) fn count(&mut self, entry: &Entry, base: &Base) -> Result<(), Refused> {
        let shown = || paths::shown(&entry.path);
        if base.in_submodule(&entry.path) {
            return Err(Refused::Submodule { path: shown() });
        }
        match entry.look.kind {
            Kind::File { .. } => {}
            Kind::Link => return Err(Refused::Link { path: shown() }),
            Kind::Special => return Err(Refused::Special { path: shown() }),
        }
        let path = named(&entry.path)?;
        *self.folders.entry(uppermost(path)).or_default() += 1;
        self.bytes = self.bytes.saturating_add(entry.look.bytes);
        if entry.look.bytes >= self.largest.0 {
            self.largest = (entry.look.bytes, shown());
        }
        Ok(())
    }

    pub(super) fn check(self) -> Result<(), Refused> {
        too_many(&self.folders)?;
        if self.bytes > Tree::BYTES_MAX { Err(Refused::TooLarge { path: self.largest.1 }) } else { Ok(()) }
    }
}

fn too_many(folders: &BTreeMap<String, usize>) -> Result<(), Refused> {
    let files: usize = folders.values().sum();
    match folders.iter().max_by_key(|(_, files)| **files) {
        Some((folder, most)) if files > Tree::FILES_MAX => {
            Err(Refused::TooManyFiles { files, folder: folder.clone(), most: *most })
        }
        Some(_) | None => Ok(()),
    }
}

fn uppermost(path: &str) -> String {
    path.split_once('/').map_or(".", |(folder, _)| folder).to_owned()
}

/// A path as text, if it may be that of a changed file.
fn named(path: &[u8]) -> Result<&str, Refused> {
    let refused = |cause| Refused::Path { path: paths::shown(path), cause };
    let text = std::str::from_utf8(path).map_err(|_| refused("it is not UTF-8"))?;
    match paths::fault(text) {
        Some(cause) => Err(refused(cause)),
        None => Ok(text),
    }
}

/// The changes, as they add up.
pub(super) struct Sum<'a> {
    base: &'a Base,
    /// Of the commit, and still there.
    there: HashSet<Vec<u8>>,
    changes: Vec<FileChange>,
    bytes: u64,
    largest: (usize, String),
}

impl<'a> Sum<'a> {
    pub(super) fn new(base: &'a Base) -> Sum<'a> {
        Sum { base, there: HashSet::new(), changes: Vec::new(), bytes: 0, largest: (0, String::new()) }
    }

    /// What is as the commit has it.
    pub(super) fn same(&mut self, path: &[u8]) {
        self.there.insert(path.to_vec());
    }

    /// What is other than that, or new.
    pub(super) fn changed(&mut self, path: &[u8], mode: FileMode, content: &Bytes) -> Result<(), Refused> {
        if let Some(tracked) = self.base.get(path) {
            self.there.insert(path.to_vec());
            if tracked.is == TrackedAs::Link {
                return Err(Refused::Link { path: paths::shown(path) });
            }
            // Changed, and changed back.
            let executable = mode == FileMode::Executable;
            if tracked.is == (TrackedAs::File { executable }) && self.base.format.name(content) == tracked.id {
                return Ok(());
            }
            if self.base.in_lfs(path) {
                return Err(Refused::Lfs { path: paths::shown(path) });
            }
        }
        let text = named(path)?;
        if text == ".gitmodules" {
            return Err(Refused::Submodule { path: text.to_owned() });
        }
        self.bytes = self.bytes.saturating_add(content.len() as u64);
        if content.len() >= self.largest.0 {
            self.largest = (content.len(), paths::shown(path));
        }
        self.changes.push(FileChange { path: text.to_owned(), now: Some((mode, content.clone())) });
        Ok(())
    }

    /// All changes, sorted by path.
    pub(super) fn over(mut self, listing: &Listing) -> Result<Vec<FileChange>, Refused> {
        let gone: Vec<&[u8]> = self
            .base
            .files
            .iter()
            .filter(|(_, tracked)| tracked.is != TrackedAs::Submodule)
            .map(|(path, _)| path.as_slice())
            .filter(|path| !self.there.contains(*path))
            .collect();
        if listing.incomplete && !gone.is_empty() {
            let cause = "a folder of it cannot be read, or files come and go while it is looked at".to_owned();
            return Err(Refused::Unreadable { cause });
        }
        for path in gone {
            self.changes.push(FileChange { path: named(path)?.to_owned(), now: None });
        }
        let mut folders: BTreeMap<String, usize> = BTreeMap::new();
        self.changes.iter().for_each(|change| *folders.entry(uppermost(&change.path)).or_default() += 1);
        too_many(&folders)?;
        if self.bytes > Tree::BYTES_MAX {
            return Err(Refused::TooLarge { path: self.largest.1 });
        }
        self.cases()?;
        self.changes.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(self.changes)
    }

    /// A file that is new must not fall together with another one. (Those that do in the commit itself are not the change's fault.)
    fn cases(&self) -> Result<(), Refused> {
        let new = |change: &&FileChange| change.now.is_some() && self.base.get(change.path.as_bytes()).is_none();
        let new: HashMap<&str, ()> = self.changes.iter().filter(new).map(|change| (change.path.as_str(), ())).collect();
        if new.is_empty() {
            return Ok(());
        }
        let mut cases = Cases::default();
        self.there.iter().filter_map(|path| std::str::from_utf8(path).ok()).for_each(|path| cases.add(path));
        let mut sorted: Vec<&str> = new.into_keys().collect();
        sorted.sort_unstable();
        for path in sorted {
            if let Some(other) = cases.other(path) {
                return Err(Refused::Case { path: path.to_owned(), other: paths::shown(other.as_bytes()) });
            }
            cases.add(path);
        }
        Ok(())
    }
}
