//! What a commit has, file by file, for whoever finds out what has been changed since.

use std::collections::HashSet;
use std::path::Path;

use bytes::Bytes;
use gatewright_core::CommitId;

use super::git::{Ended, Git, GitError};
use super::mirror::LOCAL_MAX;
use super::survey::next_blob;
use crate::changes::{Base, Texts, Tracked};

/// Of the links and `.gitignore` files of a commit, so many are read, the first ones. No honest repository has more.
const READ_MAX: usize = 2000;

/// The files of a commit in the repository at `path`, which has it.
pub(super) async fn of(path: &Path, commit: &CommitId) -> Result<Base, GitError> {
    let mut base = Base::read(&told(path, &["ls-tree", "-r", "-z", commit.as_str()], Vec::new()).await?);
    let wanted: Vec<(Vec<u8>, Tracked)> = base.small_texts().take(READ_MAX).collect();
    if wanted.is_empty() {
        return Ok(base);
    }
    let ids: String = wanted.iter().map(|(_, tracked)| format!("{}\n", tracked.id)).collect();
    let mut rest = Bytes::from(told(path, &["cat-file", "--batch"], ids.into_bytes()).await?);
    for (path, _) in wanted {
        let content = next_blob(&mut rest).ok_or_else(|| GitError::Broken("git does not have all blobs".to_owned()))?;
        base.texts.insert(path, content);
    }
    Ok(base)
}

/// Which of these paths are text, by the attributes of the commit. An older git cannot be asked that: then none is.
pub(super) async fn texts(path: &Path, commit: &CommitId, paths: &[&str]) -> Result<Texts, GitError> {
    let from = format!("--source={commit}");
    let input: Vec<u8> = paths.iter().flat_map(|path| path.bytes().chain([0])).collect();
    let git = Git::new(path, &["check-attr", "-z", "--stdin", &from, "text", "eol"]).with_input(input);
    let Ended { status, stdout, .. } = git.run(LOCAL_MAX).await?;
    let mut texts = Texts::default();
    let fields: Vec<&str> = std::str::from_utf8(&stdout).unwrap_or_default().split('\0').collect();
    let mut not_text = HashSet::new();
    for one in fields.chunks_exact(3).filter(|_| status.success()) {
        let [path, attribute, value] = one else { continue };
        match (*attribute, *value) {
            ("text", "set" | "input") | ("eol", "crlf" | "lf") => texts.always.insert((*path).to_owned()),
            ("text", "auto") => texts.unless_known.insert((*path).to_owned()),
            ("text", "unset") => not_text.insert((*path).to_owned()),
            _ => false,
        };
    }
    texts.always.retain(|path| !not_text.contains(path));
    Ok(texts)
}

async fn told(path: &Path, args: &[&str], input: Vec<u8>) -> Result<Vec<u8>, GitError> {
    let Ended { status, stdout, stderr } = Git::new(path, args).with_input(input).run(LOCAL_MAX).await?;
    if status.success() { Ok(stdout) } else { Err(GitError::Broken(stderr)) }
}
