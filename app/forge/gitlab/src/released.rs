//! What a release brings: the commits between two, and the merge requests that they came by.

use gatewright_core::forge::{COMMITS_MAX, ForgeError, PullRef, ReleasedCommit, ReleasedCommits};
use gatewright_core::{CommitId, RepoRef};
use gatewright_forge_shared::address::with_query;
use gatewright_forge_shared::text::keep_beginning;
use serde::Deserialize;

use crate::api::PER_PAGE;
use crate::call::{Call, project_route};
use crate::gitlab::{Account, GitLab};
use crate::tags::MESSAGE_BYTES_MAX;

/// 250 commits by 100.
const COMMIT_PAGES_MAX: usize = 3;
/// The merge requests of so many commits, the newest, are asked for: one request each.
const PULLS_OF_MAX: usize = 100;
/// A commit belongs to few merge requests; more than 100 are not read.
const REQUEST_PAGES_MAX: usize = 1;

#[derive(Deserialize)]
struct Comparison {
    #[serde(default)]
    commits: Vec<Commit>,
    #[serde(default)]
    compare_timeout: bool,
    #[serde(default)]
    web_url: Option<String>,
}

#[derive(Deserialize)]
struct Commit {
    id: CommitId,
    #[serde(default)]
    message: String,
    #[serde(default)]
    author_name: String,
}

/// A merge request that a commit was merged by.
#[derive(Deserialize)]
pub(crate) struct MergedRequest {
    iid: u64,
    #[serde(default)]
    title: String,
    #[serde(default)]
    state: String,
    #[serde(default)]
    author: Option<Account>,
    #[serde(default)]
    labels: Vec<String>,
    pub(crate) target_branch: String,
    #[serde(default)]
    target_project_id: Option<u64>,
}

impl GitLab {
    pub(crate) async fn read_commits_between(
        &self,
        repo: &RepoRef,
        from: Option<&CommitId>,
        to: &CommitId,
    ) -> Result<ReleasedCommits, ForgeError> {
        let mut found = match from {
            Some(from) => self.compared(repo, from, to).await?,
            None => self.all_up_to(repo, to).await?,
        };
        let asked_from = found.commits.len().saturating_sub(PULLS_OF_MAX);
        found.pulls_incomplete = asked_from > 0;
        for commit in &mut found.commits[asked_from..] {
            commit.pulls = self.merged_requests(repo, &commit.id).await?.into_iter().map(pull).collect();
        }
        Ok(found)
    }

    /// GitLab lists them oldest first, all at once.
    async fn compared(&self, repo: &RepoRef, from: &CommitId, to: &CommitId) -> Result<ReleasedCommits, ForgeError> {
        let query = [("from", from.as_str()), ("to", to.as_str())];
        let call = Call::get("commits_between", with_query(project_route(repo, &["repository", "compare"])?, &query));
        let answer = self.api.send(&call).await?.ok(|| format!("{}...{}", from.short(), to.short()))?;
        if answer.too_large {
            // It holds the difference too. Notes that name no commit are better than no release.
            tracing::warn!(forge = "gitlab", repo = repo.path, "what lies between two releases is more than is read");
            return Ok(ReleasedCommits { more: 1, ..ReleasedCommits::default() });
        }
        let comparison: Comparison = answer.json("commits_between")?;
        let left = comparison.commits.len().saturating_sub(COMMITS_MAX) as u64;
        Ok(ReleasedCommits {
            commits: comparison.commits.into_iter().take(COMMITS_MAX).map(released).collect(),
            more: left.max(comparison.compare_timeout.into()),
            pulls_incomplete: false,
            compare_url: comparison.web_url,
        })
    }

    /// GitLab lists them newest first.
    async fn all_up_to(&self, repo: &RepoRef, to: &CommitId) -> Result<ReleasedCommits, ForgeError> {
        let route = project_route(repo, &["repository", "commits"])?;
        let first = Call::get("commits", with_query(route, &[("ref_name", to.as_str()), PER_PAGE]));
        let listed = self.api.list::<Commit>(first, COMMIT_PAGES_MAX, || format!("the commits of {}", repo.path)).await?;
        let left = listed.items.len().saturating_sub(COMMITS_MAX) as u64;
        let mut commits: Vec<ReleasedCommit> = listed.items.into_iter().take(COMMITS_MAX).map(released).collect();
        commits.reverse();
        Ok(ReleasedCommits { commits, more: left.max(listed.more.into()), ..ReleasedCommits::default() })
    }

    pub(crate) async fn read_pull_of(&self, repo: &RepoRef, commit: &CommitId) -> Result<Option<u64>, ForgeError> {
        Ok(self.merged_requests(repo, commit).await?.into_iter().map(|request| request.iid).max())
    }

    /// The merged merge requests of this project that a commit came by: one, as a rule.
    pub(crate) async fn merged_requests(&self, repo: &RepoRef, commit: &CommitId) -> Result<Vec<MergedRequest>, ForgeError> {
        let route = project_route(repo, &["repository", "commits", commit.as_str(), "merge_requests"])?;
        let first = Call::get("merge_requests_of", with_query(route, &[PER_PAGE]));
        let what = || format!("commit {}", commit.short());
        let mut requests = self.api.list::<MergedRequest>(first, REQUEST_PAGES_MAX, what).await?.items;
        let here = |request: &MergedRequest| request.target_project_id.is_none_or(|id| id == repo.id);
        requests.retain(|request| request.state == "merged" && here(request));
        Ok(requests)
    }
}

fn released(commit: Commit) -> ReleasedCommit {
    ReleasedCommit {
        id: commit.id,
        message: keep_beginning(&commit.message, MESSAGE_BYTES_MAX).into_owned(),
        author: commit.author_name,
        // A commit on GitLab names no account.
        login: None,
        pulls: Vec::new(),
    }
}

fn pull(request: MergedRequest) -> PullRef {
    let author = request.author.map(|author| author.username).unwrap_or_default();
    PullRef { number: request.iid, title: request.title, author, labels: request.labels }
}
