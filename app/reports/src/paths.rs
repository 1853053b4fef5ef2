//! From the paths of a tool to those of the repository.
//!
//! A report names files as its tool saw them: by full path in some container, relative to a source folder, by package or by Go
//! module. A file of the repository is meant where the path, with what is known to stand before it taken away, is its path;
//! else where one of both paths ends in the other, whole, and in no other way. What fits no file, or several, is left out and
//! named: a guess could show somebody else's coverage.

use std::collections::HashSet;

/// Of a path so many parts are looked at.
const PARTS_MAX: usize = 128;

/// Folders of what others wrote: what lies in them is not the repository's, though it may be called the same.
pub(crate) const OTHERS: [&str; 7] = ["node_modules", "site-packages", "dist-packages", ".venv", ".cargo", ".m2", "vendor"];

/// What is known of the paths in a report.
#[derive(Debug, Clone, Default)]
pub struct Mapping {
    /// Folders that the repository lay in, `/workspace` say. The longest that fits is taken away.
    pub roots: Vec<String>,
    /// The module's path in `go.mod`, and the folder of that file in the repository (empty: its root): see
    /// [`go_modules`](crate::go_modules).
    pub go_modules: Vec<(String, String)>,
}

/// The files of a repository, to be found by the ends of their paths.
#[derive(Debug, Clone, Default)]
pub struct RepositoryFiles {
    paths: HashSet<String>,
    /// Paths with their parts in reverse order, sorted: those with the same end are neighbours.
    reversed: Vec<String>,
}

/// A file of a report that is in no known place of the repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unmapped {
    /// As it stands in the report.
    pub path: String,
    /// Why.
    pub why: WhyUnmapped,
}

/// Why a file of a report is no file of the repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WhyUnmapped {
    /// No file of the repository fits.
    Unknown,
    /// The path leads out of where the repository lay, by `..` or to a known other place, and no file fits.
    Outside,
    /// Several files of the repository fit; two of them.
    Ambiguous([String; 2]),
}

/// What a report's path may be in the repository.
pub(crate) enum Fit {
    Is(String),
    /// A file of the repository's root, if this is the folder that it lay in.
    IfRoot {
        root: String,
        file: String,
    },
    Not(WhyUnmapped),
}

impl RepositoryFiles {
    /// The files, as paths relative to the repository's root, with `/`.
    pub fn new(paths: impl IntoIterator<Item = String>) -> RepositoryFiles {
        let paths: HashSet<String> = paths.into_iter().collect();
        let mut reversed: Vec<String> = paths.iter().map(|path| reverse(path)).collect();
        reversed.sort_unstable();
        RepositoryFiles { paths, reversed }
    }

    /// The file that a path of a report is.
    pub fn find(&self, path: &str, mapping: &Mapping) -> Option<String> {
        match fit(path, &[], self, mapping) {
            Fit::Is(path) => Some(path),
            Fit::IfRoot { .. } | Fit::Not(_) => None,
        }
    }

    /// Those of which the path ends in `/` and `end`: none, one, or two of many.
    fn ending_in(&self, end: &str) -> [Option<&str>; 2] {
        let prefix = format!("{}/", reverse(end));
        let begin = self.reversed.partition_point(|path| path.as_str() < prefix.as_str());
        [0, 1].map(|nth| self.reversed.get(begin + nth).map(String::as_str).filter(|path| path.starts_with(&prefix)))
    }
}

/// Which file of the repository a report's path is. `folders` are those that relative paths may begin in.
pub(crate) fn fit(path: &str, folders: &[String], repository: &RepositoryFiles, mapping: &Mapping) -> Fit {
    let own = plain(path);
    let absolute = own.as_ref().is_ok_and(|path| is_absolute(path));
    let joined = folders.iter().filter(|_| !absolute).filter_map(|folder| plain(&format!("{folder}/{path}")).ok());
    let mut in_root = None;
    let mut candidates: Vec<String> = joined.chain(own.clone().ok()).collect();
    for candidate in &candidates {
        let mut known = bare(candidate, mapping).into_iter().filter(|(_, path)| repository.paths.contains(path));
        if let Some((length, path)) = known.next() {
            // Two modules of one name: whose file it is, the report does not say.
            return match known.next().filter(|(other, two)| *other == length && *two != path) {
                Some((_, two)) => Fit::Not(WhyUnmapped::Ambiguous([path, two])),
                None => Fit::Is(path),
            };
        }
    }
    // What lies where the repository does, and is not of it, was made or fetched there.
    candidates.retain(|candidate| bare(candidate, mapping).len() == 1);
    for candidate in &candidates {
        match ends(candidate, repository) {
            Some((root, _)) if root.split('/').any(|part| OTHERS.contains(&part)) => {}
            Some((_, found)) if found.contains('/') => return Fit::Is(found),
            Some((root, file)) => in_root = Some(Fit::IfRoot { root, file }),
            None => {}
        }
    }
    match own {
        Ok(own) if !absolute => match repository.ending_in(&own) {
            [Some(one), None] => return Fit::Is(reverse(one)),
            [Some(one), Some(two)] => return Fit::Not(WhyUnmapped::Ambiguous([reverse(one), reverse(two)])),
            [None, _] => {}
        },
        Ok(_) | Err(()) => {}
    }
    in_root.unwrap_or_else(|| Fit::Not(mapping.why_not(path)))
}

impl Mapping {
    /// Why a path is no file of the repository, where none fits.
    pub(crate) fn why_not(&self, path: &str) -> WhyUnmapped {
        let Ok(path) = plain(path) else { return WhyUnmapped::Outside };
        let lies_below = |root: &String| plain(root).is_ok_and(|root| below(&path, &root).is_some());
        match is_absolute(&path) && !self.roots.is_empty() && !self.roots.iter().any(lies_below) {
            true => WhyUnmapped::Outside,
            false => WhyUnmapped::Unknown,
        }
    }
}

/// The path without what is known to stand before it, the most first, with how much that is.
fn bare(path: &str, mapping: &Mapping) -> Vec<(usize, String)> {
    let mut found: Vec<(usize, String)> = Vec::new();
    for root in &mapping.roots {
        let Ok(root) = plain(root) else { continue };
        if let Some(rest) = below(path, &root) {
            found.push((root.len(), rest.to_owned()));
        }
    }
    for (module, folder) in &mapping.go_modules {
        if let Some(rest) = below(path, module) {
            let folder = folder.trim_matches('/');
            found.push((module.len(), if folder.is_empty() { rest.to_owned() } else { format!("{folder}/{rest}") }));
        }
    }
    found.sort_by_key(|(length, _)| std::cmp::Reverse(*length));
    found.push((0, path.to_owned()));
    found
}

/// What of a path is below a folder.
fn below<'p>(path: &'p str, folder: &str) -> Option<&'p str> {
    path.strip_prefix(folder.trim_end_matches('/'))?.strip_prefix('/').filter(|rest| !rest.is_empty())
}

/// The longest path of the repository that a path ends in, with what stands before it.
fn ends(path: &str, repository: &RepositoryFiles) -> Option<(String, String)> {
    let begins = path.match_indices('/').map(|(at, _)| at + 1).take(PARTS_MAX);
    let found = begins.map(|begin| path.split_at(begin)).find(|(_, end)| repository.paths.contains(*end));
    found.map(|(root, end)| (root.to_owned(), end.to_owned()))
}

fn is_absolute(path: &str) -> bool {
    path.starts_with('/') || path.as_bytes().get(1) == Some(&b':')
}

/// A path with `/` only, without `file://`, empty parts and `.`, and with `..` taken back. Err where it leads out of where it
/// begins.
pub(crate) fn plain(path: &str) -> Result<String, ()> {
    let path = path.trim().replace('\\', "/");
    let path = path.strip_prefix("file://").unwrap_or(&path);
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop().ok_or(())?;
            }
            _ => parts.push(part),
        }
    }
    let lead = if path.starts_with('/') { "/" } else { "" };
    Ok(format!("{lead}{}", parts.join("/")))
}

fn reverse(path: &str) -> String {
    let mut parts: Vec<&str> = path.split('/').collect();
    parts.reverse();
    parts.join("/")
}
