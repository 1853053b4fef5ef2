//! Which paths the `.gitignore` files of a workspace leave out, as git has it: the file that is nearest decides, and what is in a
//! folder that is left out is left out too.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use ::ignore::Match;
use ::ignore::gitignore::{Gitignore, GitignoreBuilder};
use sha2::{Digest, Sha256};

use super::{Base, Entry, Kind};

const NAME: &[u8] = b".gitignore";

/// A longer file of rules has none.
const BYTES_MAX: usize = 256 * 1024;

/// How deep a `.gitignore` file lies. None of what is no such file.
pub(super) fn depth(entry: &Entry) -> Option<usize> {
    let name = entry.path.rsplit(|byte| *byte == b'/').next()?;
    let is_one = name == NAME && matches!(entry.look.kind, Kind::File { .. });
    is_one.then(|| entry.path.iter().filter(|byte| **byte == b'/').count())
}

/// The rules of a workspace.
#[derive(Default)]
pub(super) struct Rules {
    /// By the folder that they lie in.
    files: BTreeMap<Vec<u8>, Gitignore>,
    hasher: Sha256,
    /// What was found out of folders.
    folders: RefCell<HashMap<Vec<u8>, bool>>,
}

impl Rules {
    /// Adds a file. What cannot be understood of it has no say, as with git.
    pub(super) fn add(&mut self, path: &[u8], text: impl AsRef<[u8]>) {
        let text = text.as_ref();
        self.hasher.update(Sha256::digest(path));
        self.hasher.update(Sha256::digest(text));
        let mut builder = GitignoreBuilder::new("");
        for line in String::from_utf8_lossy(text).lines().take_while(|_| text.len() <= BYTES_MAX) {
            let _ = builder.add_line(None, line);
        }
        self.files.insert(above(path).to_vec(), builder.build().unwrap_or_else(|_| Gitignore::empty()));
        self.folders.get_mut().clear();
    }

    /// Tells these rules from others.
    pub(super) fn digest(&self) -> Vec<u8> {
        self.hasher.clone().finalize().to_vec()
    }

    /// Whether they leave out what is no folder.
    pub(super) fn ignore(&self, path: &[u8]) -> bool {
        self.ignore_folder(above(path)) || self.says(path, false)
    }

    fn ignore_folder(&self, folder: &[u8]) -> bool {
        if folder.is_empty() {
            return false;
        }
        if let Some(known) = self.folders.borrow().get(folder) {
            return *known;
        }
        let ignored = self.ignore_folder(above(folder)) || self.says(folder, true);
        self.folders.borrow_mut().insert(folder.to_vec(), ignored);
        ignored
    }

    /// The nearest file that says something of a path decides.
    fn says(&self, path: &[u8], is_folder: bool) -> bool {
        let mut folder = above(path);
        loop {
            if let Some(rules) = self.files.get(folder) {
                let below = if folder.is_empty() { path } else { &path[folder.len() + 1..] };
                match rules.matched(Path::new(OsStr::from_bytes(below)), is_folder) {
                    Match::Ignore(_) => return true,
                    Match::Whitelist(_) => return false,
                    Match::None => {}
                }
            }
            if folder.is_empty() {
                return false;
            }
            folder = above(folder);
        }
    }

    /// The uppermost folders that were found to be left out and in which the commit has nothing, sorted.
    pub(super) fn folders(&self, base: &Base) -> Vec<String> {
        let folders = self.folders.borrow();
        let ignored =
            folders.iter().filter(|(folder, ignored)| **ignored && !folders.get(above(folder)).is_some_and(|above| *above));
        let named = ignored.filter_map(|(folder, _)| String::from_utf8(folder.clone()).ok());
        let mut named: Vec<String> =
            named.filter(|folder| !folder.contains(char::is_control) && !base.has_below(folder)).collect();
        named.sort();
        named
    }
}

/// The folder that something lies in; empty for the root.
fn above(path: &[u8]) -> &[u8] {
    path.iter().rposition(|byte| *byte == b'/').map_or(&[], |end| &path[..end])
}
