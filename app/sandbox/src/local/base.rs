//! What a working tree is compared with.

use std::path::Path;

use gatewright_core::CommitId;

use super::{ASK_MAX, LocalError, WorkingTree};
use crate::source::Git;

/// Where a default branch is looked for if the clone does not say which one it is.
const USUAL: [&str; 6] = [
    "refs/remotes/origin/main",
    "refs/remotes/origin/master",
    "refs/remotes/upstream/main",
    "refs/remotes/upstream/master",
    "refs/heads/main",
    "refs/heads/master",
];

/// The commit that a working tree is compared with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Base {
    /// The newest commit that the working tree's has in common with what was named.
    pub commit: CommitId,
    /// What was named, as it is written: `origin/main`, `v1.2`.
    pub name: String,
    /// The branch that the change is taken to go to: `main`. None where what was named is none.
    pub branch: Option<String>,
}

impl WorkingTree {
    /// What it is compared with: `rev`, or else the default branch, and of that the newest commit that `HEAD` has in common with
    /// it. None where there is no default branch, or nothing is committed yet.
    pub async fn base(&self, rev: Option<&str>) -> Result<Option<Base>, LocalError> {
        let Some(head) = self.head().await? else { return Ok(None) };
        let (full, tip) = match rev {
            Some(rev) => self.named(rev).await?,
            None => match self.default_branch().await? {
                Some(found) => found,
                None => return Ok(None),
            },
        };
        let common = self.git(&["merge-base", head.as_str(), tip.as_str()]).run(ASK_MAX).await?;
        let common = String::from_utf8_lossy(&common.stdout).trim().parse().ok();
        let branch = branch(&full).map(str::to_owned);
        let name = full.strip_prefix("refs/remotes/").or_else(|| full.strip_prefix("refs/heads/")).unwrap_or(&full).to_owned();
        // Histories that have nothing in common, or of which a shallow clone has too little: compared with it as it is.
        Ok(Some(Base { commit: common.unwrap_or(tip), name, branch }))
    }

    /// The paths of the files that differ between two commits that a snapshot's repository knows; of a renamed file both.
    pub async fn changed(&self, repository: &Path, since: &CommitId, commit: &CommitId) -> Result<Vec<String>, LocalError> {
        let fixed = ["diff", "--name-only", "-z", "--no-renames", "--no-ext-diff", "--no-textconv"];
        let ended = Git::new(repository, &[&fixed[..], &[since.as_str(), commit.as_str(), "--"]].concat()).run(ASK_MAX).await?;
        if !ended.status.success() {
            return Err(LocalError::Unusable(format!(
                "what has changed since {} cannot be told: {}",
                since.short(),
                ended.stderr
            )));
        }
        let paths = ended.stdout.split(|byte| *byte == 0).filter(|path| !path.is_empty());
        Ok(paths.map(|path| String::from_utf8_lossy(path).into_owned()).collect())
    }

    /// A commit and those before it on its branch, newest first, at most `count`.
    pub async fn history(&self, from: &CommitId, count: usize) -> Result<Vec<CommitId>, LocalError> {
        let count = format!("--max-count={count}");
        let said = self.ask(&["rev-list", "--first-parent", &count, from.as_str()]).await?;
        Ok(said.lines().filter_map(|line| line.parse().ok()).collect())
    }

    /// The commit that the user has named, and its full name if it is a branch.
    async fn named(&self, rev: &str) -> Result<(String, CommitId), LocalError> {
        let missing = |cause: &str| LocalError::NoSuchRevision { rev: rev.to_owned(), cause: cause.to_owned() };
        let Some(tip) = self.commit_of(rev).await? else {
            return Err(missing("git knows no such branch, tag or commit; where it is on a server, fetch it first"));
        };
        let args = ["rev-parse", "--verify", "--quiet", "--symbolic-full-name", "--end-of-options", rev];
        let ended = self.git(&args).run(ASK_MAX).await?;
        let full = String::from_utf8_lossy(&ended.stdout).trim().lines().last().unwrap_or_default().to_owned();
        Ok((if full.starts_with("refs/") { full } else { rev.to_owned() }, tip))
    }

    async fn default_branch(&self) -> Result<Option<(String, CommitId)>, LocalError> {
        let told = self.git(&["symbolic-ref", "--quiet", "refs/remotes/origin/HEAD"]).run(ASK_MAX).await?;
        let told = String::from_utf8_lossy(&told.stdout).trim().to_owned();
        for name in [told.as_str()].into_iter().filter(|name| !name.is_empty()).chain(USUAL) {
            if let Some(tip) = self.commit_of(name).await? {
                return Ok(Some((name.to_owned(), tip)));
            }
        }
        Ok(None)
    }
}

/// The branch's own name, of a full one.
fn branch(full: &str) -> Option<&str> {
    full.strip_prefix("refs/heads/").or_else(|| Some(full.strip_prefix("refs/remotes/")?.split_once('/')?.1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_branch_is_known_by_the_name_that_the_repository_file_uses() {
        assert_eq!(branch("refs/remotes/origin/release/1"), Some("release/1"));
        assert_eq!(branch("refs/heads/main"), Some("main"));
        assert_eq!(branch("v1.2"), None);
    }
}
