//! Commits by GitLab's commits API: one request with an action for each file, which also makes the branch where there is none.
//!
//! GitLab tells creating a file from changing one, so what is at the parent is asked for each file. Nothing is signed here.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use gatewright_core::forge::ForgeError;
use gatewright_core::report::proposal::{check_changes, is_branch_name, is_signed, signed_message};
use gatewright_core::tree::{FileChange, FileMode};
use gatewright_core::{BlobId, CommitId, RepoRef};
use gatewright_forge_shared::address::with_query;
use serde::{Deserialize, Serialize};

use crate::call::{Call, project_route};
use crate::error::refused;
use crate::gitlab::GitLab;

/// What a change is made of, whichever report asks for it.
pub(crate) struct Change<'a> {
    pub(crate) branch: &'a str,
    pub(crate) parent: &'a CommitId,
    pub(crate) changes: &'a [FileChange],
    pub(crate) message: &'a str,
    pub(crate) external_id: &'a str,
}

/// Where a commit goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Onto {
    /// A branch that it makes.
    New,
    /// A branch whose head is the parent.
    Head,
}

#[derive(Serialize)]
struct CommitBody<'a> {
    branch: &'a str,
    commit_message: &'a str,
    /// Only where the branch is to be made: GitLab refuses it for one that is there.
    #[serde(skip_serializing_if = "Option::is_none")]
    start_sha: Option<&'a str>,
    actions: Vec<Action<'a>>,
}

#[derive(Serialize)]
struct Action<'a> {
    action: &'static str,
    file_path: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    content: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    encoding: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    execute_filemode: Option<bool>,
    /// GitLab refuses the whole where the file was changed by a later commit than this.
    #[serde(skip_serializing_if = "Option::is_none")]
    last_commit_id: Option<String>,
}

#[derive(Deserialize)]
pub(crate) struct Commit {
    pub(crate) id: CommitId,
    #[serde(default)]
    message: String,
    #[serde(default)]
    parent_ids: Vec<String>,
}

#[derive(Deserialize)]
struct Branch {
    commit: Commit,
}

#[derive(Deserialize)]
struct Comparison {
    #[serde(default)]
    commits: Vec<Commit>,
}

impl Change<'_> {
    pub(crate) fn check(&self) -> Result<(), ForgeError> {
        if !is_branch_name(self.branch) {
            return Err(refused(format!("{:?} is no name for a branch", self.branch)));
        }
        check_changes(self.changes).map_err(refused)
    }

    /// Whether this is the commit that the change made: its trailer names the key, and its only parent is where the change began.
    pub(crate) fn made(&self, commit: &Commit) -> bool {
        matches!(commit.parent_ids.as_slice(), [parent] if parent == self.parent.as_str())
            && is_signed(&commit.message, self.external_id)
    }
}

impl GitLab {
    /// The commit that a branch points at. None where there is no such branch.
    pub(crate) async fn head_of(&self, repo: &RepoRef, branch: &str) -> Result<Option<Commit>, ForgeError> {
        let call = Call::get("branch_head", project_route(repo, &["repository", "branches", branch])?);
        let answer = self.api.send(&call).await?;
        if answer.status == 404 && answer.words.to_ascii_lowercase().contains("branch") {
            return Ok(None);
        }
        Ok(Some(answer.ok(|| format!("branch {branch} of {}", repo.path))?.json::<Branch>("branch_head")?.commit))
    }

    /// Whether the commit of this change is among those that lie between its parent and this head.
    pub(crate) async fn is_among(&self, repo: &RepoRef, head: &CommitId, change: &Change<'_>) -> Result<bool, ForgeError> {
        let query = [("from", change.parent.as_str()), ("to", head.as_str())];
        let call = Call::get("since", with_query(project_route(repo, &["repository", "compare"])?, &query));
        let answer = self.api.send(&call).await?.ok(|| format!("{}...{}", change.parent.short(), head.short()))?;
        if answer.too_large {
            return Ok(false);
        }
        Ok(answer.json::<Comparison>("since")?.commits.iter().any(|commit| change.made(commit)))
    }

    /// Makes the commit. None where there is a branch of that name, and it was to be made.
    pub(crate) async fn make_commit(
        &self,
        repo: &RepoRef,
        change: &Change<'_>,
        onto: Onto,
    ) -> Result<Option<Commit>, ForgeError> {
        let mut actions = Vec::with_capacity(change.changes.len());
        for one in change.changes {
            actions.extend(self.actions(repo, change.parent, one).await?);
        }
        if actions.is_empty() {
            return Err(refused(format!("the changes leave {} as it is", change.parent.short())));
        }
        let body = CommitBody {
            branch: change.branch,
            commit_message: &signed_message(change.message, change.external_id),
            start_sha: (onto == Onto::New).then_some(change.parent.as_str()),
            actions,
        };
        let call = Call::post("make_commit", project_route(repo, &["repository", "commits"])?, &body)?;
        let answer = self.api.send(&call).await?;
        if onto == Onto::New && answer.status == 400 && answer.words.contains("already exists") {
            return Ok(None);
        }
        answer.ok(|| format!("branch {} of {}", change.branch, repo.path))?.json("make_commit").map(Some)
    }

    /// What makes a file what it should be: nothing where it is that already.
    async fn actions<'a>(
        &self,
        repo: &RepoRef,
        parent: &CommitId,
        change: &'a FileChange,
    ) -> Result<Vec<Action<'a>>, ForgeError> {
        let path = change.path.as_str();
        let there = self.file_at(repo, parent, path).await?;
        let plain = |action| Action {
            action,
            file_path: path,
            content: None,
            encoding: None,
            execute_filemode: None,
            last_commit_id: None,
        };
        let Some((mode, bytes)) = &change.now else {
            let there = there.ok_or_else(|| refused(format!("{path} is to be removed, and is not in {}", parent.short())))?;
            return Ok(vec![Action { last_commit_id: there.last_commit, ..plain("delete") }]);
        };
        let executable = *mode == FileMode::Executable;
        let (was_executable, same) = there
            .as_ref()
            .map_or((false, false), |file| (file.executable, file.sha256.as_deref() == Some(BlobId::of(bytes).as_str())));
        let mut actions = Vec::new();
        if !same {
            let action = if there.is_some() { "update" } else { "create" };
            let last_commit_id = there.and_then(|file| file.last_commit);
            let content = Some(BASE64_STANDARD.encode(bytes));
            actions.push(Action { content, encoding: Some("base64"), last_commit_id, ..plain(action) });
        }
        if executable != was_executable {
            actions.push(Action { execute_filemode: Some(executable), ..plain("chmod") });
        }
        Ok(actions)
    }

    /// What GitLab says of a file at a commit, without the file. None where there is none.
    async fn file_at(&self, repo: &RepoRef, commit: &CommitId, path: &str) -> Result<Option<FileFields>, ForgeError> {
        let target = project_route(repo, &["repository", "files", path])?;
        let call = Call::head("file_at", with_query(target, &[("ref", commit.as_str())]));
        let answer = self.api.send(&call).await?;
        if answer.status == 404 {
            return Ok(None);
        }
        Ok(Some(answer.ok(|| format!("{path} at {}", commit.short()))?.file))
    }
}

/// What the header fields say of a file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct FileFields {
    pub(crate) executable: bool,
    /// The SHA-256 of its content.
    pub(crate) sha256: Option<String>,
    /// The last commit that changed it.
    pub(crate) last_commit: Option<String>,
}
