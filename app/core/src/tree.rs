//! What somebody has changed in a source: whole files, against a pinned commit. It is how the work of an agent leaves its sandbox, a
//! checkpoint, and what a pull request is made of.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::ids::BlobId;

/// The files that are other than in the commit, by their paths relative to its root.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tree {
    /// What each of them is now.
    pub files: BTreeMap<String, FileNow>,
}

/// What a file is now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "is")]
pub enum FileNow {
    /// There.
    There {
        /// What kind of file it is.
        mode: FileMode,
        /// What is in it.
        content: BlobId,
        /// How long it is.
        bytes: u64,
    },
    /// Gone.
    Gone,
}

/// The kinds of file that may be changed. Links and submodules are none: what they lead to is not what was looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FileMode {
    /// 100644.
    Plain,
    /// 100755.
    Executable,
}

/// A changed file with what is in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileChange {
    /// Its path, relative to the root of the source.
    pub path: String,
    /// What it is now. None: it is gone.
    pub now: Option<(FileMode, Bytes)>,
}

impl Tree {
    /// More files than this are no change that anybody would review.
    pub const FILES_MAX: usize = 100;

    /// All changed files together may have so many bytes.
    pub const BYTES_MAX: u64 = 4 * 1024 * 1024;

    /// Whether nothing was changed.
    pub fn is_empty(&self) -> bool {
        self.files.is_empty()
    }

    /// The blobs that it refers to.
    pub fn blobs(&self) -> impl Iterator<Item = &BlobId> {
        self.files.values().filter_map(|file| match file {
            FileNow::There { content, .. } => Some(content),
            FileNow::Gone => None,
        })
    }

    /// The changes of several that started from `base`, where no two change the same file differently. Otherwise the files that they
    /// disagree about.
    pub fn merged(base: &Tree, changed: &[Tree]) -> Result<Tree, BTreeSet<String>> {
        let mut merged = base.clone();
        let mut by: BTreeMap<&str, Option<&FileNow>> = BTreeMap::new();
        let mut conflicts = BTreeSet::new();
        for tree in changed {
            let paths: BTreeSet<&str> = tree.files.keys().chain(base.files.keys()).map(String::as_str).collect();
            for path in paths {
                let now = tree.files.get(path);
                if now == base.files.get(path) {
                    continue;
                }
                if by.insert(path, now).is_some_and(|other| other != now) {
                    conflicts.insert(path.to_owned());
                }
                match now {
                    Some(now) => merged.files.insert(path.to_owned(), now.clone()),
                    None => merged.files.remove(path),
                };
            }
        }
        if conflicts.is_empty() { Ok(merged) } else { Err(conflicts) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(files: &[(&str, &str)]) -> Tree {
        let there =
            |text: &str| FileNow::There { mode: FileMode::Plain, content: BlobId::of(text.as_bytes()), bytes: text.len() as u64 };
        Tree { files: files.iter().map(|(path, text)| ((*path).to_owned(), there(text))).collect() }
    }

    #[test]
    fn changes_of_different_files_come_together() {
        let base = tree(&[("a", "1")]);
        let merged = Tree::merged(&base, &[tree(&[("a", "2")]), tree(&[("a", "1"), ("b", "1")])]);
        assert_eq!(merged, Ok(tree(&[("a", "2"), ("b", "1")])));
        let back = Tree::merged(&base, &[tree(&[]), tree(&[("a", "1"), ("b", "1")])]);
        assert_eq!(back, Ok(tree(&[("b", "1")])), "what one takes back is taken back");
    }

    #[test]
    fn changes_of_the_same_file_come_together_where_they_are_the_same() {
        let base = tree(&[]);
        assert_eq!(Tree::merged(&base, &[tree(&[("a", "1")]), tree(&[("a", "1")])]), Ok(tree(&[("a", "1")])));
        let conflict = Tree::merged(&base, &[tree(&[("a", "1"), ("b", "1")]), tree(&[("a", "2")])]);
        assert_eq!(conflict, Err(BTreeSet::from(["a".to_owned()])));
    }
}
