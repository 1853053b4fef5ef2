//! The files of a commit.

use std::collections::{BTreeMap, HashMap};

use bytes::Bytes;
use sha1::Sha1;
use sha2::{Digest, Sha256};

use super::{Appearance, Entry, Kind};
use crate::source::{Pointer, turned_inward};

/// How a content is named.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Format {
    /// As an object of git, by SHA-1.
    #[default]
    Sha1,
    /// The same by SHA-256.
    Sha256,
    /// By its own SHA-256, as Git LFS does.
    Lfs,
}

/// Names a file's content, piece by piece. Its length has to be known first.
pub(crate) enum Naming {
    Sha1(Sha1),
    Sha256(Sha256),
}

impl Format {
    pub(crate) fn begin(self, bytes: u64) -> Naming {
        let mut naming = match self {
            Format::Sha1 => Naming::Sha1(Sha1::new()),
            Format::Sha256 => Naming::Sha256(Sha256::new()),
            Format::Lfs => return Naming::Sha256(Sha256::new()),
        };
        naming.add(format!("blob {bytes}\0").as_bytes());
        naming
    }

    /// What a file with this content is called.
    pub(crate) fn name(self, content: &[u8]) -> String {
        let mut naming = self.begin(content.len() as u64);
        naming.add(content);
        naming.end()
    }
}

impl Naming {
    pub(crate) fn add(&mut self, piece: &[u8]) {
        match self {
            Naming::Sha1(hasher) => hasher.update(piece),
            Naming::Sha256(hasher) => hasher.update(piece),
        }
    }

    pub(crate) fn end(self) -> String {
        match self {
            Naming::Sha1(hasher) => hex::encode(hasher.finalize()),
            Naming::Sha256(hasher) => hex::encode(hasher.finalize()),
        }
    }
}

/// A file of a commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Tracked {
    pub(crate) id: String,
    pub(crate) is: TrackedAs,
}

/// What a commit has at a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TrackedAs {
    File { executable: bool },
    Link,
    Submodule,
}

impl Tracked {
    /// Whether it is what lies there.
    pub(super) fn is(&self, kind: Kind) -> bool {
        match (self.is, kind) {
            (TrackedAs::File { executable: was }, Kind::File { executable }) => was == executable,
            (TrackedAs::Link, Kind::Link) => true,
            (TrackedAs::File { .. } | TrackedAs::Link | TrackedAs::Submodule, _) => false,
        }
    }
}

/// All files of a commit.
#[derive(Debug, Default)]
pub(crate) struct Base {
    pub(crate) format: Format,
    pub(crate) files: BTreeMap<Vec<u8>, Tracked>,
    /// Where its links lead, and what is in its `.gitignore` files.
    pub(crate) texts: HashMap<Vec<u8>, Bytes>,
    /// Those of its files that have their content from Git LFS in the workspace, instead of the pointer that the commit has.
    pub(super) lfs: HashMap<Vec<u8>, Pointer>,
}

impl Base {
    /// From the output of `ls-tree -r -z`: `mode type id<TAB>path`.
    pub(crate) fn read(output: &[u8]) -> Base {
        let mut base = Base::default();
        for entry in output.split(|byte| *byte == 0) {
            let Some(tab) = entry.iter().position(|byte| *byte == b'\t') else { continue };
            let what: Vec<&str> = std::str::from_utf8(&entry[..tab]).unwrap_or_default().split(' ').collect();
            let [mode, _, id] = what[..] else { continue };
            let is = match mode {
                "160000" => TrackedAs::Submodule,
                "120000" => TrackedAs::Link,
                // Old histories have files that their group may write, too.
                _ => TrackedAs::File { executable: mode == "100755" },
            };
            base.format = if id.len() == 64 { Format::Sha256 } else { Format::Sha1 };
            base.files.insert(entry[tab + 1..].to_vec(), Tracked { id: id.to_owned(), is });
        }
        base
    }

    /// The same commit in a workspace that has what is kept in Git LFS.
    pub(crate) fn with_lfs(mut self, pointers: Vec<Pointer>) -> Base {
        self.lfs = pointers.into_iter().map(|pointer| (pointer.path.clone(), pointer)).collect();
        self
    }

    /// A file of which the workspace has something else than its content from Git LFS.
    pub(crate) fn forget_lfs(&mut self, path: &[u8]) {
        self.lfs.remove(path);
    }

    /// Whether a file's content is that of Git LFS.
    pub(super) fn in_lfs(&self, path: &[u8]) -> bool {
        self.lfs.contains_key(path)
    }

    /// Whether something is not what Git LFS has there, by how it looks: what may be read of it is known to be of no use.
    pub(super) fn is_other_lfs(&self, entry: &Entry) -> bool {
        let Some(pointer) = self.lfs.get(&entry.path) else { return false };
        let Kind::File { .. } = entry.look.kind else { return false };
        let is_pointer = entry.look.bytes <= Pointer::BYTES_MAX;
        let same_mode = self.get(&entry.path).is_some_and(|tracked| tracked.is(entry.look.kind));
        !same_mode || (entry.look.bytes != pointer.bytes && !is_pointer)
    }

    /// How the content of what lies at a path is named where it is as it was, and that name. None where it cannot be as it was.
    pub(super) fn name_of(&self, path: &[u8], look: &Appearance) -> (Format, Option<String>) {
        let tracked = self.get(path).filter(|tracked| tracked.is(look.kind));
        match self.lfs.get(path) {
            // Where nobody has put the content there, such as in a checkout of the user's own, the pointer is as good.
            Some(pointer) if pointer.bytes == look.bytes => (Format::Lfs, tracked.map(|_| pointer.oid.clone())),
            Some(_) | None => (self.format, tracked.map(|tracked| tracked.id.clone())),
        }
    }

    /// Links and `.gitignore` files, the contents of which are wanted.
    pub(crate) fn small_texts(&self) -> impl Iterator<Item = (Vec<u8>, Tracked)> {
        let wanted = |path: &[u8], tracked: &Tracked| match tracked.is {
            TrackedAs::Link => true,
            TrackedAs::File { .. } => path == b".gitignore" || path.ends_with(b"/.gitignore"),
            TrackedAs::Submodule => false,
        };
        self.files
            .iter()
            .filter(move |(path, tracked)| wanted(path, tracked))
            .map(|(path, tracked)| (path.clone(), tracked.clone()))
    }

    /// The file at a path. A submodule is none.
    pub(crate) fn get(&self, path: &[u8]) -> Option<&Tracked> {
        self.files.get(path).filter(|tracked| tracked.is != TrackedAs::Submodule)
    }

    /// Whether something at a path lies in a submodule, or is in its place.
    pub(super) fn in_submodule(&self, path: &[u8]) -> bool {
        let ends = path.iter().enumerate().filter(|(_, byte)| **byte == b'/').map(|(at, _)| at).chain([path.len()]);
        ends.map(|end| &path[..end]).any(|above| self.files.get(above).is_some_and(|found| found.is == TrackedAs::Submodule))
    }

    /// Whether it has something below a folder.
    pub(super) fn has_below(&self, folder: &str) -> bool {
        let below = format!("{folder}/").into_bytes();
        self.files.range(below.clone()..).next().is_some_and(|(path, _)| path.starts_with(&below))
    }

    /// Whether its link at a path leads there, as far as it was not turned when the workspace was filled.
    pub(super) fn leads(&self, path: &[u8], to: &[u8]) -> bool {
        let is_link = self.get(path).is_some_and(|tracked| tracked.is == TrackedAs::Link);
        let link = self.texts.get(path).filter(|_| is_link);
        link.is_some_and(|link| link == to || turned_inward(path, link).as_deref() == Some(to))
    }
}
