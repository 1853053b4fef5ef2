//! Coverage by folder.

use std::collections::BTreeMap;

use super::{Coverage, Totals};

/// A folder, with all that is below it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Folder {
    /// In the repository, without a `/` at its end; empty for files in its root.
    pub path: String,
    /// How many files are below it.
    pub files: u64,
    /// Their lines and branches.
    pub totals: Totals,
}

impl Coverage {
    /// The folders down to so many parts of the path, in order, each file in exactly one of them.
    pub fn by_folder(&self, depth: usize) -> Vec<Folder> {
        let mut folders: BTreeMap<String, Folder> = BTreeMap::new();
        for (path, file) in self.files() {
            let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
            let path = folder.split('/').take(depth).collect::<Vec<_>>().join("/");
            let entry = folders.entry(path.clone());
            let folder = entry.or_insert_with(|| Folder { path, files: 0, totals: Totals::default() });
            folder.files += 1;
            folder.totals = [folder.totals, file.totals()].into_iter().sum();
        }
        folders.into_values().collect()
    }
}
