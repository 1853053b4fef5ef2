//! What a release brings: the commits between two, and the pull requests that they came by.

use gatewright_core::forge::{COMMITS_MAX, ForgeError, PullRef, ReleasedCommit, ReleasedCommits};
use gatewright_core::{CommitId, RepoRef, Timestamp};
use gatewright_forge_shared::address::with_query;
use gatewright_forge_shared::text::keep_beginning;
use serde::Deserialize;

use crate::answer::Answer;
use crate::call::Call;
use crate::github::GitHub;
use crate::read::{GHOST, PER_PAGE};
use crate::route::repo_route;
use crate::tags::MESSAGE_BYTES_MAX;

/// 250 commits by 100.
const COMMIT_PAGES_MAX: usize = 3;
/// The pull requests of so many commits, the newest, are asked for: one request each.
const PULLS_OF_MAX: usize = 100;

#[derive(Deserialize)]
struct Comparison {
    #[serde(default)]
    html_url: Option<String>,
    #[serde(default)]
    total_commits: u64,
    #[serde(default)]
    commits: Vec<Commit>,
}

#[derive(Deserialize)]
struct Commit {
    sha: CommitId,
    commit: GitCommit,
    /// None where no account belongs to the e-mail address.
    #[serde(default)]
    author: Option<Account>,
}

#[derive(Deserialize)]
struct GitCommit {
    #[serde(default)]
    message: String,
    #[serde(default)]
    author: Option<Person>,
}

#[derive(Deserialize)]
struct Person {
    #[serde(default)]
    name: String,
}

#[derive(Deserialize)]
struct Account {
    /// GitHub answers `{}` for some accounts that are gone.
    #[serde(default)]
    login: Option<String>,
}

#[derive(Deserialize)]
struct Pull {
    number: u64,
    #[serde(default)]
    title: String,
    #[serde(default)]
    user: Option<Account>,
    #[serde(default)]
    labels: Vec<Label>,
    #[serde(default)]
    merged_at: Option<Timestamp>,
    base: Base,
}

#[derive(Deserialize)]
struct Label {
    #[serde(default)]
    name: String,
}

#[derive(Deserialize)]
struct Base {
    #[serde(rename = "ref")]
    name: String,
}

/// A pull request that a commit was merged by.
pub(crate) struct Merged {
    pub(crate) pull: PullRef,
    pub(crate) base_ref: String,
}

impl GitHub {
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
            commit.pulls = self.merged_pulls(repo, &commit.id).await?.into_iter().map(|merged| merged.pull).collect();
        }
        Ok(found)
    }

    /// GitHub lists them oldest first.
    async fn compared(&self, repo: &RepoRef, from: &CommitId, to: &CommitId) -> Result<ReleasedCommits, ForgeError> {
        let route = repo_route(repo, &["compare", &format!("{from}...{to}")])?;
        let mut found = ReleasedCommits::default();
        let mut total = 0;
        for page in 1..=COMMIT_PAGES_MAX {
            let target = with_query(route.clone(), &[PER_PAGE, ("page", &page.to_string())]);
            let answer = self.api.for_repo(repo, &Call::get("commits_between", target)).await?;
            let answer = answer.ok(|| format!("{}...{}", from.short(), to.short()))?;
            if answer.too_large {
                // Its first page holds the files too. Notes that name no commit are better than no release.
                tracing::warn!(forge = "github", repo = repo.path, "what lies between two releases is more than is read");
                return Ok(ReleasedCommits { more: 1, ..ReleasedCommits::default() });
            }
            let comparison: Comparison = answer.json("commits_between")?;
            total = comparison.total_commits;
            found.compare_url = comparison.html_url;
            let ended = comparison.commits.is_empty();
            found.commits.extend(comparison.commits.into_iter().map(released));
            if ended || found.commits.len() as u64 >= total {
                break;
            }
        }
        found.commits.truncate(COMMITS_MAX);
        found.more = total.saturating_sub(found.commits.len() as u64);
        Ok(found)
    }

    /// GitHub lists them newest first.
    async fn all_up_to(&self, repo: &RepoRef, to: &CommitId) -> Result<ReleasedCommits, ForgeError> {
        let mut next = Some(with_query(repo_route(repo, &["commits"])?, &[("sha", to.as_str()), PER_PAGE]));
        let mut commits = Vec::new();
        for _ in 0..COMMIT_PAGES_MAX {
            let Some(target) = next else { break };
            let answer: Answer = self.api.for_repo(repo, &Call::get("commits", target)).await?;
            let answer = answer.ok(|| format!("the commits of {}", repo.path))?;
            commits.extend(answer.json::<Vec<Commit>>("commits")?.into_iter().map(released));
            next = answer.next;
        }
        let left = commits.len().saturating_sub(COMMITS_MAX) as u64;
        commits.truncate(COMMITS_MAX);
        commits.reverse();
        Ok(ReleasedCommits { commits, more: left.max(next.is_some().into()), ..ReleasedCommits::default() })
    }

    pub(crate) async fn read_pull_of(&self, repo: &RepoRef, commit: &CommitId) -> Result<Option<u64>, ForgeError> {
        Ok(self.merged_pulls(repo, commit).await?.into_iter().map(|merged| merged.pull.number).max())
    }

    /// The merged pull requests that a commit came by: one, as a rule.
    pub(crate) async fn merged_pulls(&self, repo: &RepoRef, commit: &CommitId) -> Result<Vec<Merged>, ForgeError> {
        let target = with_query(repo_route(repo, &["commits", commit.as_str(), "pulls"])?, &[PER_PAGE]);
        let answer = self.api.read_cached(repo, Call::get("pulls_of", target)).await?;
        let pulls: Vec<Pull> = answer.ok(|| format!("commit {}", commit.short()))?.json("pulls_of")?;
        Ok(pulls.into_iter().filter(|pull| pull.merged_at.is_some()).map(merged).collect())
    }
}

fn released(commit: Commit) -> ReleasedCommit {
    let Commit { sha, commit, author } = commit;
    ReleasedCommit {
        id: sha,
        message: keep_beginning(&commit.message, MESSAGE_BYTES_MAX).into_owned(),
        author: commit.author.map(|person| person.name).unwrap_or_default(),
        login: author.and_then(|account| account.login),
        pulls: Vec::new(),
    }
}

fn merged(pull: Pull) -> Merged {
    let author = pull.user.and_then(|user| user.login).unwrap_or_else(|| GHOST.to_owned());
    let labels = pull.labels.into_iter().map(|label| label.name).collect();
    Merged { pull: PullRef { number: pull.number, title: pull.title, author, labels }, base_ref: pull.base.name }
}
