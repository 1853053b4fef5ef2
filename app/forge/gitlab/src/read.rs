//! What is read of a project: merge requests, branches, files.

use bytes::Bytes;
use gatewright_core::event::User;
use gatewright_core::forge::{ForgeError, PullState};
use gatewright_core::{CommitId, RepoRef};
use gatewright_forge_shared::address::with_query;
use serde::Deserialize;

use crate::call::{Call, merge_request_route, project_route};
use crate::error::{is_missing, missing, refused, unavailable};
use crate::gitlab::{Account, GitLab};

/// The largest file that is read; a larger one is refused.
const FILE_BYTES_MAX: usize = 1024 * 1024;

/// A merge request, as far as anything here needs it.
#[derive(Deserialize)]
pub(crate) struct MergeRequest {
    pub(crate) iid: u64,
    #[serde(default)]
    state: String,
    #[serde(default)]
    title: Option<String>,
    author: Account,
    /// Its head. None for as long as GitLab prepares it.
    pub(crate) sha: Option<CommitId>,
    /// None where the fork was deleted.
    pub(crate) source_project_id: Option<u64>,
    pub(crate) target_project_id: u64,
    pub(crate) source_branch: String,
    pub(crate) target_branch: String,
    /// How many files it changes: a number, with `+` behind it where GitLab stopped counting.
    #[serde(default)]
    pub(crate) changes_count: Option<String>,
    /// None for as long as GitLab prepares it.
    #[serde(default)]
    pub(crate) diff_refs: Option<DiffRefs>,
    #[serde(default)]
    pub(crate) head_pipeline: Option<Pipeline>,
}

/// Between what the newest version of a merge request's diff lies. Of old merge requests some of it is unknown.
#[derive(Deserialize)]
pub(crate) struct DiffRefs {
    /// Where the two branches parted.
    pub(crate) base_sha: Option<CommitId>,
    /// The target branch's commit when the diff was made.
    pub(crate) start_sha: Option<CommitId>,
    pub(crate) head_sha: Option<CommitId>,
}

/// A pipeline of a merge request.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Pipeline {
    pub(crate) id: u64,
    pub(crate) sha: String,
    #[serde(rename = "ref")]
    pub(crate) reference: String,
    #[serde(default)]
    pub(crate) project_id: Option<u64>,
}

#[derive(Deserialize)]
struct Branch {
    commit: Commit,
}

#[derive(Deserialize)]
struct Commit {
    id: CommitId,
}

impl MergeRequest {
    /// A fork that cannot be named is a fork.
    pub(crate) fn is_from_fork(&self) -> bool {
        self.source_project_id != Some(self.target_project_id)
    }
}

impl GitLab {
    pub(crate) async fn merge_request(&self, repo: &RepoRef, number: u64) -> Result<MergeRequest, ForgeError> {
        let call = Call::get("merge_request", merge_request_route(repo, number, &[])?);
        self.api.read(call).await?.ok(|| format!("{}!{number}", repo.path))?.json("merge_request")
    }

    pub(crate) async fn read_pull(&self, repo: &RepoRef, number: u64) -> Result<PullState, ForgeError> {
        let found = self.merge_request(repo, number).await?;
        // "locked" is one that is being merged.
        let open = found.state == "opened";
        let fork = found.is_from_fork();
        let base = match (self.read_branch(repo, &found.target_branch).await, found.diff_refs.and_then(|refs| refs.start_sha)) {
            (Ok(commit), _) => commit,
            // Of a merge request that is over, the branch may be gone.
            (Err(error), Some(start)) if is_missing(&error) && !open => start,
            (Err(error), _) => return Err(error),
        };
        let head = found.sha.ok_or_else(|| unavailable(format!("{}!{number} has no commit yet", repo.path)))?;
        Ok(PullState {
            number: found.iid,
            open,
            head,
            head_ref: found.source_branch,
            fork,
            base_ref: found.target_branch,
            base,
            author: User { id: found.author.id, login: found.author.username },
            title: found.title.unwrap_or_default(),
        })
    }

    /// GitLab knows it of the newest version of the diff, which it makes a moment after a push.
    pub(crate) async fn read_merge_base(&self, repo: &RepoRef, number: u64) -> Result<CommitId, ForgeError> {
        let refs = self.merge_request(repo, number).await?.diff_refs;
        refs.and_then(|refs| refs.base_sha).ok_or_else(|| unavailable(format!("{}!{number} has no diff yet", repo.path)))
    }

    pub(crate) async fn read_branch(&self, repo: &RepoRef, name: &str) -> Result<CommitId, ForgeError> {
        let call = Call::get("branch", project_route(repo, &["repository", "branches", name])?);
        let answer = self.api.read(call).await?.ok(|| format!("branch {name} of {}", repo.path))?;
        let branch: Branch = answer.json("branch")?;
        Ok(branch.commit.id)
    }

    /// GitLab does not follow a symbolic link: its content is the path that it leads to.
    pub(crate) async fn read_file(&self, repo: &RepoRef, commit: &CommitId, path: &str) -> Result<Option<Bytes>, ForgeError> {
        let Ok(target) = project_route(repo, &["repository", "files", path, "raw"]) else {
            return Ok(None);
        };
        let key = format!("{}@{commit}:{path}", repo.key());
        if let Some(file) = self.files.get(&key) {
            return Ok(Some(file));
        }
        let call = Call::get("file", with_query(target, &[("ref", commit.as_str())])).answer_bytes_max(FILE_BYTES_MAX);
        let answer = self.api.send(&call).await?;
        if answer.status == 404 {
            return no_file(&answer.words, || format!("{} at {}", repo.path, commit.short()));
        }
        let answer = answer.ok(|| format!("{path} at {}", commit.short()))?;
        if answer.too_large {
            return Err(refused(format!("{path} is larger than 1 MiB")));
        }
        self.files.put(key, answer.body.clone(), answer.body.len());
        Ok(Some(answer.body))
    }
}

/// A commit without that file is one thing, a project or a commit that we cannot see another: the first means "no gates".
fn no_file(words: &str, what: impl FnOnce() -> String) -> Result<Option<Bytes>, ForgeError> {
    let words = words.to_ascii_lowercase();
    if words.contains("project") || words.contains("commit") { Err(missing(what())) } else { Ok(None) }
}
