//! Room on the disk: where all mirrors together have grown too large, those go that nobody has used for longest.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::mirror::bytes_in;

/// All mirrors together may have so many bytes.
pub(super) const MIRRORS_BYTES_MAX: u64 = 32 << 30;

/// It is looked at so often at most.
pub(super) const MEASURED_EVERY: Duration = Duration::from_secs(60);

/// A mirror as it lies there.
struct Lying {
    path: PathBuf,
    lock: PathBuf,
    bytes: u64,
    used_at: SystemTime,
}

/// Removes mirrors until they have at most so many bytes, those that were used longest ago first. One that is in use stays.
pub(super) fn make(root: &Path, bytes_max: u64) {
    let mut lying = lying(root);
    lying.sort_by_key(|mirror| mirror.used_at);
    let mut bytes = lying.iter().fold(0_u64, |sum, mirror| sum.saturating_add(mirror.bytes));
    for mirror in lying {
        if bytes <= bytes_max {
            return;
        }
        // Whoever wants it next makes it anew, behind this lock.
        let Ok(lock) = File::options().write(true).open(&mirror.lock) else { continue };
        if lock.try_lock().is_err() {
            continue;
        }
        match fs::remove_dir_all(&mirror.path) {
            Ok(()) => {
                bytes = bytes.saturating_sub(mirror.bytes);
                tracing::info!(mirror = %mirror.path.display(), bytes = mirror.bytes, "removed a mirror to make room");
            }
            Err(error) => tracing::warn!(mirror = %mirror.path.display(), %error, "a mirror could not be removed"),
        }
    }
}

fn lying(root: &Path) -> Vec<Lying> {
    let Ok(entries) = fs::read_dir(root) else { return Vec::new() };
    let mirror = |entry: fs::DirEntry| {
        let path = entry.path();
        let lock = path.with_extension("lock");
        let used_at = fs::metadata(&lock).and_then(|lock| lock.modified()).ok()?;
        let is_mirror = path.extension().is_some_and(|extension| extension == "git");
        is_mirror.then(|| Lying { bytes: bytes_in(&path), path, lock, used_at })
    };
    entries.filter_map(|entry| mirror(entry.ok()?)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mirrors_that_nobody_has_used_for_longest_go_and_none_that_is_in_use() {
        let root = tempfile::tempdir().expect("a temporary folder can be made");
        let at = |secs| SystemTime::UNIX_EPOCH + Duration::from_secs(secs);
        for (name, used_at) in [("newest", 40), ("held", 10), ("older", 20), ("old", 30)] {
            let pack = root.path().join(format!("{name}.git/objects/pack"));
            fs::create_dir_all(&pack).expect("it can be made");
            fs::write(pack.join("a.pack"), [0; 1_000]).expect("it can be written");
            let lock = File::create(root.path().join(format!("{name}.lock"))).expect("it can be made");
            lock.set_modified(at(used_at)).expect("the file is ours");
        }
        let held = File::open(root.path().join("held.lock")).expect("it is there");
        held.lock_shared().expect("nobody holds it");
        let left = || {
            let mut left: Vec<String> = lying(root.path()).iter().map(|lying| lying.path.display().to_string()).collect();
            left.sort();
            left.into_iter().map(|path| path.rsplit('/').next().unwrap_or_default().to_owned()).collect::<Vec<_>>()
        };
        // A lock stays beside a mirror that has gone, and counts as none.
        make(root.path(), 4_000);
        assert_eq!(left(), ["held.git", "newest.git", "old.git", "older.git"]);
        make(root.path(), 2_500);
        assert_eq!(left(), ["held.git", "newest.git"]);
        make(root.path(), 0);
        assert_eq!(left(), ["held.git"]);
    }
}
