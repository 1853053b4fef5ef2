//! What lies over a commit, as a commit of its own: then whatever git can tell of a commit it tells of the change too, and the mirror
//! is asked in no other way. Nobody else has that commit, and it leaves the mirror no other way than with the mirror.

use std::path::Path;

use gatewright_core::CommitId;
use gatewright_core::tree::{FileChange, FileMode};
use sha2::{Digest, Sha256};

use super::git::{Ended, Git, GitError, fetch_error};
use super::mirror::LOCAL_MAX;
use crate::changes::paths;

/// Where such commits are named, each by what it was made of.
pub(super) const REFS: &str = "refs/gatewright/overlaid";

/// The commit with what lies over it, in the repository at `path`, which has the commit. Where nothing does, the commit itself.
pub(super) async fn over(path: &Path, commit: &CommitId, overlay: &[FileChange]) -> Result<CommitId, GitError> {
    if overlay.is_empty() {
        return Ok(commit.clone());
    }
    if let Some((refused, cause)) = overlay.iter().find_map(|change| Some((&change.path, paths::fault(&change.path)?))) {
        return Err(GitError::Unusable(format!("`{}` cannot lie over it: {cause}", paths::shown(refused.as_bytes()))));
    }
    let name = format!("{REFS}/{}", digest(commit, overlay));
    if let Some(made) = named(path, &name).await? {
        return Ok(made);
    }
    let Ended { status, stderr, .. } =
        Git::new(path, &["fast-import", "--quiet"]).with_input(stream(&name, commit, overlay)).run(LOCAL_MAX).await?;
    // Somebody else may have made the same one first: then the name is there whatever came of this.
    match named(path, &name).await? {
        Some(made) => Ok(made),
        None if status.success() => Err(GitError::Broken("git made a commit and does not have it".to_owned())),
        None => Err(fetch_error(&stderr)),
    }
}

async fn named(path: &Path, name: &str) -> Result<Option<CommitId>, GitError> {
    let Ended { status, stdout, .. } = Git::new(path, &["rev-parse", "--verify", "--quiet", name]).run(LOCAL_MAX).await?;
    Ok(String::from_utf8_lossy(&stdout).trim().parse().ok().filter(|_| status.success()))
}

/// Each part by its length, so that no two overlays make the same name.
fn digest(commit: &CommitId, overlay: &[FileChange]) -> String {
    let mut hasher = Sha256::new();
    let mut part = |bytes: &[u8]| {
        hasher.update((bytes.len() as u64).to_be_bytes());
        hasher.update(bytes);
    };
    part(commit.as_str().as_bytes());
    for FileChange { path, now } in overlay {
        part(path.as_bytes());
        match now {
            Some((mode, content)) => {
                part(mode_of(*mode).as_bytes());
                part(content);
            }
            None => part(b"gone"),
        }
    }
    hex::encode(hasher.finalize())
}

fn mode_of(mode: FileMode) -> &'static str {
    match mode {
        FileMode::Plain => "100644",
        FileMode::Executable => "100755",
    }
}

/// What `fast-import` reads: the commit's own tree, without what is gone, with what is there. The time is fixed, so that the same
/// makes the same commit.
fn stream(name: &str, commit: &CommitId, overlay: &[FileChange]) -> Vec<u8> {
    let mut out =
        format!("commit {name}\ncommitter gatewright <gatewright@localhost> 0 +0000\ndata 0\nfrom {commit}\n").into_bytes();
    for change in overlay.iter().filter(|change| change.now.is_none()) {
        out.extend(format!("D {}\n", quoted(&change.path)).into_bytes());
    }
    for change in overlay {
        let Some((mode, content)) = &change.now else { continue };
        let head = format!("M {} inline {}\ndata {}\n", mode_of(*mode), quoted(&change.path), content.len());
        out.extend(head.into_bytes());
        out.extend_from_slice(content);
        out.push(b'\n');
    }
    out
}

fn quoted(path: &str) -> String {
    format!("\"{}\"", path.replace('\\', "\\\\").replace('"', "\\\""))
}
