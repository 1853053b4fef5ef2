//! Which files a change touches, and what of them.

use gatewright_core::forge::{ChangedFiles, ForgeError};
use gatewright_core::{CommitId, RepoRef};
use gatewright_forge_shared::address::with_query;
use serde::Deserialize;

use crate::api::{Listed, PER_PAGE};
use crate::call::{Call, merge_request_route, project_route};
use crate::gitlab::GitLab;

/// GitLab keeps 1,000 files of a diff unless its administrator allows more, 3,000 at most. Beyond these pages of 100:
/// incomplete.
const FILE_PAGES_MAX: usize = 31;
/// A comparison names no more files than this, and does not say so.
const COMPARED_FILES_MAX: usize = 1_000;

/// One file of a diff.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct FileDiff {
    pub(crate) old_path: String,
    pub(crate) new_path: String,
    /// The hunks, without the lines that name the files.
    #[serde(default)]
    pub(crate) diff: String,
    /// GitLab left the hunks out.
    #[serde(default)]
    collapsed: Option<bool>,
    /// GitLab left the hunks out.
    #[serde(default)]
    too_large: Option<bool>,
}

#[derive(Deserialize)]
struct Comparison {
    #[serde(default)]
    diffs: Vec<FileDiff>,
    /// It gave up.
    #[serde(default)]
    compare_timeout: bool,
}

impl GitLab {
    /// A file whose hunks are left out is named all the same; files that are not named at all show in the count.
    pub(crate) async fn files_of_pull(&self, repo: &RepoRef, number: u64) -> Result<ChangedFiles, ForgeError> {
        let counted = self.merge_request(repo, number).await?.changes_count;
        let listed = self.diff_of_pull(repo, number).await?;
        let complete = counted.and_then(|count| count.parse().ok()).is_some_and(|count: usize| count <= listed.items.len());
        Ok(ChangedFiles { incomplete: listed.more || !complete, paths: paths(listed.items) })
    }

    pub(crate) async fn diff_of_pull(&self, repo: &RepoRef, number: u64) -> Result<Listed<FileDiff>, ForgeError> {
        let target = with_query(merge_request_route(repo, number, &["diffs"])?, &[PER_PAGE]);
        self.api.list(Call::get("diffs", target), FILE_PAGES_MAX, || format!("{}!{number}", repo.path)).await
    }

    /// `straight` compares the two commits themselves, not the newer one with where the two parted: so it is right after a
    /// forced push too.
    pub(crate) async fn files_between(
        &self,
        repo: &RepoRef,
        base: &CommitId,
        head: &CommitId,
    ) -> Result<ChangedFiles, ForgeError> {
        let query = [("from", base.as_str()), ("to", head.as_str()), ("straight", "true")];
        let target = with_query(project_route(repo, &["repository", "compare"])?, &query);
        let answer = self.api.send(&Call::get("compare", target)).await?;
        let answer = answer.ok(|| format!("{}...{}", base.short(), head.short()))?;
        if answer.too_large {
            return Ok(ChangedFiles { paths: Vec::new(), incomplete: true });
        }
        let comparison: Comparison = answer.json("compare")?;
        // Where GitLab begins to leave hunks out, it may go on to leave files out.
        let cut = |file: &FileDiff| file.collapsed == Some(true) || file.too_large == Some(true);
        let many = comparison.diffs.len() >= COMPARED_FILES_MAX || comparison.diffs.iter().any(cut);
        Ok(ChangedFiles { incomplete: comparison.compare_timeout || many, paths: paths(comparison.diffs) })
    }
}

fn paths(files: Vec<FileDiff>) -> Vec<String> {
    let both = |file: FileDiff| {
        let old = Some(file.old_path).filter(|old| *old != file.new_path);
        old.into_iter().chain([file.new_path])
    };
    files.into_iter().flat_map(both).collect()
}
