//! What gates bring from one run to the next: folders of the workspace, kept on the host as the engine's own archives.
//!
//! An entry is named by a scope (a branch, a pull request), by the gate with its image and folders, and by a digest of the files
//! that decide about it. Who may read and write which scope is the caller's to say. An entry is written once and never changed:
//! it appears as a whole by a rename, so a process that dies leaves nothing but a draft, which is swept.

use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use gatewright_core::sandbox::CacheUse;
use sha2::{Digest, Sha256};

/// How much is kept, and how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CacheLimits {
    /// All entries together may have so many bytes. Beyond that, those that were used longest ago go.
    pub bytes: u64,
    /// A folder of an entry may have so many bytes. A larger one is not kept.
    pub folder_bytes: u64,
    /// An entry that nobody has used for so long goes.
    pub unused: Duration,
}

impl Default for CacheLimits {
    fn default() -> CacheLimits {
        CacheLimits { bytes: 10 << 30, folder_bytes: 2 << 30, unused: Duration::from_secs(30 * 24 * 3600) }
    }
}

/// A draft that is older than this was left by a process that died.
const DRAFT_MAX: Duration = Duration::from_secs(3600);

/// Where drafts are made.
const DRAFTS: &str = "drafts";

/// Says which archives an entry has, a line each: its number and its bytes.
const CONTENTS: &str = "contents";

/// All entries, in one folder: `SHELF/DIGEST/N.tar`.
#[derive(Debug)]
pub(crate) struct Caches {
    root: PathBuf,
    pub(crate) limits: CacheLimits,
}

/// What may be restored for a step, and under which name it is saved.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    /// The folders, relative to the workspace.
    pub(crate) paths: Vec<String>,
    /// The shelves to look at, the first one first.
    read: Vec<PathBuf>,
    /// The shelf to write to.
    write: Option<PathBuf>,
    /// Of the files that decide.
    digest: String,
}

/// An entry that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) folder: PathBuf,
    /// Whether it was made of the same files.
    pub(crate) exact: bool,
}

impl Entry {
    /// Its archives, each with the number of the folder that it is of. An error where one is missing or not as it was written:
    /// a part of what belongs together is worse than nothing.
    pub(crate) fn archives(&self) -> io::Result<Vec<(usize, PathBuf)>> {
        let contents = std::fs::read_to_string(self.folder.join(CONTENTS))?;
        let damaged = || io::Error::new(io::ErrorKind::InvalidData, "it is not as it was written");
        let one = |line: &str| {
            let (n, bytes) = line.split_once(' ')?;
            Some((n.parse().ok()?, bytes.parse::<u64>().ok()?))
        };
        let mut archives = Vec::new();
        for line in contents.lines() {
            let (n, bytes) = one(line).ok_or_else(damaged)?;
            let path = self.folder.join(archive(n));
            if path.metadata()?.len() != bytes {
                return Err(damaged());
            }
            archives.push((n, path));
        }
        Ok(archives)
    }
}

/// The archive of the folder of that number.
pub(crate) fn archive(n: usize) -> String {
    format!("{n}.tar")
}

impl Plan {
    /// Of a gate that runs in this image. `digest` is of the files that decide.
    pub(crate) fn new(caches: &Caches, cache: &CacheUse, gate: &str, image: &str, digest: String) -> Plan {
        let shelf = |scope: &String| {
            // Each part by its length, so that no two lists of parts make the same name.
            let parts = [scope.as_str(), gate, image].into_iter().chain(cache.paths.iter().map(String::as_str));
            let mut hasher = Sha256::new();
            for part in parts {
                hasher.update((part.len() as u64).to_be_bytes());
                hasher.update(part.as_bytes());
            }
            caches.root.join(hex::encode(hasher.finalize()))
        };
        Plan {
            paths: cache.paths.clone(),
            read: cache.read.iter().map(shelf).collect(),
            write: cache.write.as_ref().map(shelf),
            digest,
        }
    }

    /// Whether there is something to save, and nothing yet under its name.
    pub(crate) fn is_to_be_saved(&self) -> bool {
        self.write.as_ref().is_some_and(|shelf| !shelf.join(&self.digest).exists())
    }
}

impl Caches {
    pub(crate) fn new(root: PathBuf, limits: CacheLimits) -> Caches {
        Caches { root, limits }
    }

    /// The entry that fits best: of the same files on any of the shelves, else the newest one of the first shelf that has any.
    pub(crate) fn find(&self, plan: &Plan) -> Option<Entry> {
        let exact = plan.read.iter().map(|shelf| shelf.join(&plan.digest)).find(|entry| entry.is_dir());
        let exact = exact.map(|folder| Entry { folder, exact: true });
        let found = exact.or_else(|| {
            let newest = |shelf: &PathBuf| entries_of(shelf).into_iter().max_by_key(|(_, used, _)| *used);
            plan.read.iter().find_map(newest).map(|(folder, _, _)| Entry { folder, exact: false })
        })?;
        // So that what is used stays. That it cannot be noted is no reason not to use it.
        let _ = std::fs::File::open(&found.folder).and_then(|folder| folder.set_modified(SystemTime::now()));
        Some(found)
    }

    /// A folder to make an entry in.
    pub(crate) fn draft(&self) -> io::Result<tempfile::TempDir> {
        let drafts = self.root.join(DRAFTS);
        std::fs::create_dir_all(&drafts)?;
        tempfile::tempdir_in(drafts)
    }

    /// Makes a draft an entry. Where somebody else was quicker, theirs stays.
    pub(crate) fn keep(&self, plan: &Plan, draft: tempfile::TempDir) -> io::Result<()> {
        let Some(shelf) = &plan.write else { return Ok(()) };
        let mut contents = String::new();
        for n in 0..plan.paths.len() {
            if let Ok(metadata) = draft.path().join(archive(n)).metadata() {
                contents += &format!("{n} {}\n", metadata.len());
            }
        }
        std::fs::write(draft.path().join(CONTENTS), contents)?;
        std::fs::create_dir_all(shelf)?;
        match std::fs::rename(draft.path(), shelf.join(&plan.digest)) {
            Err(error) if !matches!(error.kind(), io::ErrorKind::DirectoryNotEmpty | io::ErrorKind::AlreadyExists) => Err(error),
            Ok(()) | Err(_) => {
                self.trim(SystemTime::now());
                Ok(())
            }
        }
    }

    /// Removes an entry that turned out to be of no use.
    pub(crate) fn discard(&self, entry: &Entry) {
        if let Err(error) = std::fs::remove_dir_all(&entry.folder) {
            tracing::warn!(%error, "a cache that cannot be used could not be removed");
        }
    }

    /// Removes what nobody has used for long, then what was used longest ago, until the rest is within its bound.
    fn trim(&self, now: SystemTime) {
        let folders = |folder: &Path| std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
        let mut entries: Vec<_> =
            folders(&self.root).filter(|shelf| !shelf.ends_with(DRAFTS)).flat_map(|shelf| entries_of(&shelf)).collect();
        entries.sort_by_key(|(_, used, _)| std::cmp::Reverse(*used));
        let mut bytes = 0_u64;
        let age = |used: SystemTime| now.duration_since(used).unwrap_or_default();
        for (folder, used, size) in entries {
            bytes = bytes.saturating_add(size);
            if bytes > self.limits.bytes || age(used) > self.limits.unused {
                let _ = std::fs::remove_dir_all(&folder);
                // Fails where the shelf holds others still.
                let _ = folder.parent().map(std::fs::remove_dir);
            }
        }
        for draft in folders(&self.root.join(DRAFTS)) {
            let made = draft.metadata().and_then(|metadata| metadata.modified()).unwrap_or(now);
            if age(made) > DRAFT_MAX {
                let _ = std::fs::remove_dir_all(&draft);
            }
        }
    }
}

/// The entries of a shelf: where each is, when it was last used, and its size.
fn entries_of(shelf: &Path) -> Vec<(PathBuf, SystemTime, u64)> {
    let listed = |folder: &Path| std::fs::read_dir(folder).into_iter().flatten().flatten();
    let size = |folder: &Path| listed(folder).filter_map(|file| file.metadata().ok()).map(|file| file.len()).sum();
    listed(shelf)
        .filter_map(|entry| {
            let used = entry.metadata().ok().filter(std::fs::Metadata::is_dir)?.modified().ok()?;
            Some((entry.path(), used, size(&entry.path())))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may fail at once")]

    use super::*;

    fn cache(read: &[&str], write: Option<&str>) -> CacheUse {
        CacheUse {
            paths: vec!["deps".to_owned()],
            key: vec!["lock".to_owned()],
            read: read.iter().map(|scope| (*scope).to_owned()).collect(),
            write: write.map(str::to_owned),
        }
    }

    fn plan(caches: &Caches, read: &[&str], write: Option<&str>, digest: &str) -> Plan {
        Plan::new(caches, &cache(read, write), "tests", "image:1", digest.to_owned())
    }

    fn save(caches: &Caches, scope: &str, digest: &str, content: &str) {
        let draft = caches.draft().unwrap();
        std::fs::write(draft.path().join("0.tar"), content).unwrap();
        caches.keep(&plan(caches, &[], Some(scope), digest), draft).unwrap();
    }

    fn found(caches: &Caches, plan: &Plan) -> Option<(String, bool)> {
        let entry = caches.find(plan)?;
        Some((std::fs::read_to_string(entry.folder.join("0.tar")).unwrap(), entry.exact))
    }

    #[test]
    fn the_same_files_are_found_in_any_scope_before_the_newest_of_the_own_one() {
        let folder = tempfile::tempdir().unwrap();
        let caches = Caches::new(folder.path().to_owned(), CacheLimits::default());
        let of_pull = |digest: &str| plan(&caches, &["pull/7", "branch/main"], Some("pull/7"), digest);
        assert_eq!(found(&caches, &of_pull("a")), None);
        save(&caches, "branch/main", "a", "main's a");
        assert_eq!(found(&caches, &of_pull("a")), Some(("main's a".to_owned(), true)));
        assert_eq!(found(&caches, &of_pull("b")), Some(("main's a".to_owned(), false)));
        save(&caches, "pull/7", "b", "pull's b");
        assert_eq!(found(&caches, &of_pull("b")), Some(("pull's b".to_owned(), true)));
        assert_eq!(found(&caches, &of_pull("a")), Some(("main's a".to_owned(), true)));
        assert_eq!(found(&caches, &of_pull("c")), Some(("pull's b".to_owned(), false)));
        assert_eq!(found(&caches, &plan(&caches, &["branch/main"], None, "b")), Some(("main's a".to_owned(), false)));
    }

    #[test]
    fn another_gate_image_or_folder_has_a_cache_of_its_own() {
        let folder = tempfile::tempdir().unwrap();
        let caches = Caches::new(folder.path().to_owned(), CacheLimits::default());
        save(&caches, "branch/main", "a", "x");
        let of = |gate: &str, image: &str, path: &str| {
            let cache = CacheUse { paths: vec![path.to_owned()], ..cache(&["branch/main"], None) };
            found(&caches, &Plan::new(&caches, &cache, gate, image, "a".to_owned())).is_some()
        };
        assert!(of("tests", "image:1", "deps"));
        assert!(!of("lint", "image:1", "deps") && !of("tests", "image:2", "deps") && !of("tests", "image:1", "other"));
    }

    #[test]
    fn an_entry_that_is_there_is_never_written_again() {
        let folder = tempfile::tempdir().unwrap();
        let caches = Caches::new(folder.path().to_owned(), CacheLimits::default());
        assert!(plan(&caches, &[], Some("s"), "a").is_to_be_saved());
        save(&caches, "s", "a", "first");
        assert!(!plan(&caches, &[], Some("s"), "a").is_to_be_saved());
        save(&caches, "s", "a", "second");
        assert_eq!(found(&caches, &plan(&caches, &["s"], None, "a")), Some(("first".to_owned(), true)));
        assert!(!plan(&caches, &["s"], None, "new").is_to_be_saved(), "who may only read");
    }

    #[test]
    fn what_nobody_has_used_for_long_goes_and_so_does_what_a_dead_process_has_left() {
        let folder = tempfile::tempdir().unwrap();
        let caches = Caches::new(folder.path().to_owned(), CacheLimits::default());
        save(&caches, "s", "a", "x");
        let left = caches.draft().unwrap().keep();
        let soon = SystemTime::now() + Duration::from_secs(60);
        caches.trim(soon);
        assert!(left.is_dir() && found(&caches, &plan(&caches, &["s"], None, "a")).is_some());
        caches.trim(soon + caches.limits.unused);
        assert!(!left.is_dir() && found(&caches, &plan(&caches, &["s"], None, "a")).is_none());
    }

    #[test]
    fn an_entry_of_which_a_part_is_missing_or_cut_is_not_used_at_all() {
        let folder = tempfile::tempdir().unwrap();
        let caches = Caches::new(folder.path().to_owned(), CacheLimits::default());
        for (digest, damage) in [("a", None), ("b", Some(None)), ("c", Some(Some("cu")))] {
            save(&caches, "s", digest, "cut off");
            let entry = caches.find(&plan(&caches, &["s"], None, digest)).unwrap();
            assert_eq!(entry.archives().unwrap(), [(0, entry.folder.join("0.tar"))]);
            match damage {
                Some(Some(text)) => std::fs::write(entry.folder.join("0.tar"), text).unwrap(),
                Some(None) => std::fs::remove_file(entry.folder.join("0.tar")).unwrap(),
                None => std::fs::remove_file(entry.folder.join(CONTENTS)).unwrap(),
            }
            assert!(entry.archives().is_err(), "{digest}");
        }
    }

    #[test]
    fn beyond_the_bound_those_go_that_were_used_longest_ago() {
        let folder = tempfile::tempdir().unwrap();
        let caches = Caches::new(folder.path().to_owned(), CacheLimits { bytes: 40, ..CacheLimits::default() });
        for (digest, ago) in [("old", 3), ("newer", 2), ("newest", 1)] {
            save(&caches, "s", digest, "ten bytes.");
            let entry = plan(&caches, &[], Some("s"), digest).write.unwrap().join(digest);
            std::fs::File::open(entry).unwrap().set_modified(SystemTime::now() - Duration::from_secs(ago * 60)).unwrap();
        }
        caches.trim(SystemTime::now());
        let kept = |digest: &str| !plan(&caches, &[], Some("s"), digest).is_to_be_saved();
        assert_eq!(["old", "newer", "newest"].map(kept), [false, true, true]);
    }
}
