//! Coverage in the paths of the repository.

use std::collections::HashMap;

use super::{Coverage, CoverageReport, FileCoverage};
use crate::paths::{Fit, Mapping, RepositoryFiles, Unmapped, fit, plain};

impl CoverageReport {
    /// The same in paths of the repository, and the files that are not in it.
    pub fn map(self, repository: &RepositoryFiles, mapping: &Mapping) -> (Coverage, Vec<Unmapped>) {
        let folders: Vec<String> =
            self.sources.iter().filter_map(|source| plain(source).ok()).filter(|folder| !folder.is_empty()).collect();
        let mut coverage = Coverage::default();
        let mut unmapped = Vec::new();
        let mut waiting: Vec<(String, String, String, FileCoverage)> = Vec::new();
        let mut roots: HashMap<String, usize> = HashMap::new();
        for (path, file) in self.files {
            match fit(&path, &folders, repository, mapping) {
                Fit::Is(found) => {
                    if let Some(root) = plain(&path).ok().and_then(|path| Some(path.strip_suffix(&found)?.to_owned())) {
                        *roots.entry(root).or_default() += 1;
                    }
                    coverage.add(found, file);
                }
                Fit::IfRoot { root, file: found } => waiting.push((root, found, path, file)),
                Fit::Not(why) => unmapped.push(Unmapped { path, why }),
            }
        }
        let only = waiting.first().map(|(root, ..)| root.clone()).filter(|only| waiting.iter().all(|(root, ..)| root == only));
        for (root, found, path, file) in waiting {
            // Any program has a `setup.py` or `main.c`: that it lies where the others do shows that it is ours.
            if roots.contains_key(&root) || roots.is_empty() && only.as_ref() == Some(&root) {
                coverage.add(found, file);
            } else {
                let why = mapping.why_not(&path);
                unmapped.push(Unmapped { path, why });
            }
        }
        (coverage, unmapped)
    }
}
