//! A commit of the user's repository as it is, what changes of it are as a patch, and a patch in the working tree.

use std::path::Path;

use gatewright_core::CommitId;
use gatewright_core::tree::FileChange;

use super::{ASK_MAX, LocalError, Snapshot, WorkingTree, told};
use crate::source::{Git, Mirror};

/// Nothing of anybody's configuration has a say in a patch, and every file of it can be made again from it alone.
const WHOLE: [&str; 7] = ["diff", "--binary", "--full-index", "--no-color", "--no-ext-diff", "--no-textconv", "--no-renames"];

impl WorkingTree {
    /// Makes `repository` (a folder that is not there yet) a repository that sandboxes can be filled from, with a commit that the user's
    /// repository has.
    pub async fn at(&self, repository: &Path, commit: &CommitId) -> Result<Snapshot, LocalError> {
        self.borrow_objects(repository).await?;
        if !Mirror::new(repository.to_owned()).has(commit).await? {
            let cause = "the repository does not have it; `git fetch` it first, or name a clone that does".to_owned();
            return Err(LocalError::NoSuchRevision { rev: commit.to_string(), cause });
        }
        Ok(Snapshot { repository: repository.to_owned(), commit: commit.clone(), committed: true })
    }

    /// The newest commit that two have in common. None where they have none, or one of them is not here.
    pub async fn common_commit(&self, one: &CommitId, other: &CommitId) -> Result<Option<CommitId>, LocalError> {
        let ended = self.git(&["merge-base", one.as_str(), other.as_str()]).run(ASK_MAX).await?;
        Ok(String::from_utf8_lossy(&ended.stdout).trim().parse().ok().filter(|_| ended.status.success()))
    }

    /// Which of these files are other than in the commit that is checked out, or not in it.
    pub async fn uncommitted(&self, paths: &[&str]) -> Result<Vec<String>, LocalError> {
        let fixed = ["--literal-pathspecs", "status", "--porcelain", "-z", "--no-renames", "--untracked-files=all", "--"];
        let ended = self.git(&[&fixed[..], paths].concat()).run(ASK_MAX).await?;
        if !ended.status.success() {
            return Err(LocalError::Unusable(format!("what is not committed cannot be told: {}", ended.stderr)));
        }
        // Two letters and a space stand before each path.
        let entries = ended.stdout.split(|byte| *byte == 0).filter_map(|entry| entry.get(3..));
        Ok(entries.filter(|path| !path.is_empty()).map(|path| String::from_utf8_lossy(path).into_owned()).collect())
    }

    /// Applies a patch to the files of the working tree: all of it, or nothing where a part of it does not fit.
    pub async fn apply(&self, patch: &Path) -> Result<(), LocalError> {
        let patch = patch.to_str().ok_or_else(|| LocalError::Unusable("the patch's path is not UTF-8".to_owned()))?;
        let ended = self.git(&["apply", "--whitespace=nowarn", "--", patch]).run(ASK_MAX).await?;
        if ended.status.success() { Ok(()) } else { Err(LocalError::Unusable(ended.stderr.trim().to_owned())) }
    }
}

impl Snapshot {
    /// A file of the commit. None where it has none of that path.
    pub async fn file(&self, path: &str) -> Result<Option<Vec<u8>>, LocalError> {
        let object = format!("{}:{path}", self.commit);
        let ended = Git::new(&self.repository, &["cat-file", "blob", &object]).run(ASK_MAX).await?;
        Ok(ended.status.success().then_some(ended.stdout))
    }

    /// These changes of the commit as a patch that git applies, binary files too.
    pub async fn patch(&self, changes: &[FileChange]) -> Result<Vec<u8>, LocalError> {
        let changed = Mirror::new(self.repository.clone()).over(&self.commit, changes).await?;
        let fixed = ["--src-prefix=a/", "--dst-prefix=b/", self.commit.as_str(), changed.as_str(), "--"];
        let ended = Git::new(&self.repository, &[&WHOLE[..], &fixed].concat()).run(ASK_MAX).await?;
        match ended.status.success() {
            true => Ok(ended.stdout),
            false => told(ended).map(String::into_bytes),
        }
    }
}
