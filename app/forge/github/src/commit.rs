//! Commits by GitHub's git data API: a tree on top of another, a commit of it, and a branch that is made there or moved on to it.
//!
//! Nothing is signed here: what an App commits GitHub signs by itself where no author is named, and shows it as verified.

use std::str;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use gatewright_core::forge::ForgeError;
use gatewright_core::report::proposal::{check_changes, is_branch_name, is_signed, signed_message};
use gatewright_core::tree::{FileChange, FileMode};
use gatewright_core::{CommitId, RepoRef};
use gatewright_forge_shared::address::with_query;
use http::Method;
use serde::{Deserialize, Serialize};

use crate::call::{Call, Repeat};
use crate::error::refused;
use crate::github::GitHub;
use crate::read::PER_PAGE;
use crate::route::repo_route;

/// Of what was put on a branch since a commit, so many pages of 100 commits are looked through for ours.
const SINCE_PAGES_MAX: usize = 3;

/// What a change is made of, whichever report asks for it.
pub(crate) struct Change<'a> {
    pub(crate) branch: &'a str,
    pub(crate) parent: &'a CommitId,
    pub(crate) changes: &'a [FileChange],
    pub(crate) message: &'a str,
    pub(crate) external_id: &'a str,
}

#[derive(Serialize)]
struct TreeBody<'a> {
    base_tree: &'a str,
    tree: Vec<TreeEntry<'a>>,
}

#[derive(Serialize)]
struct TreeEntry<'a> {
    path: &'a str,
    mode: &'static str,
    #[serde(rename = "type")]
    kind: &'static str,
    #[serde(flatten)]
    content: TreeContent<'a>,
}

/// What an entry is: its own text, a blob that is there, or, with `null` for its id, nothing any more.
#[derive(Serialize)]
enum TreeContent<'a> {
    #[serde(rename = "content")]
    Text(&'a str),
    #[serde(rename = "sha")]
    Blob(Option<String>),
}

#[derive(Serialize)]
struct BlobBody {
    content: String,
    encoding: &'static str,
}

#[derive(Serialize)]
struct CommitBody<'a> {
    message: &'a str,
    tree: &'a str,
    parents: [&'a str; 1],
}

#[derive(Serialize)]
struct RefBody<'a> {
    #[serde(rename = "ref", skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    sha: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    force: Option<bool>,
}

#[derive(Deserialize)]
struct Object {
    sha: String,
}

#[derive(Deserialize)]
struct Ref {
    object: RefObject,
}

#[derive(Deserialize)]
struct RefObject {
    sha: CommitId,
}

#[derive(Deserialize)]
struct GitCommit {
    #[serde(default)]
    message: String,
    tree: Object,
    #[serde(default)]
    parents: Vec<Object>,
}

#[derive(Deserialize)]
struct Comparison {
    #[serde(default)]
    status: String,
    #[serde(default)]
    commits: Vec<ComparedCommit>,
}

#[derive(Deserialize)]
struct ComparedCommit {
    commit: Described,
}

#[derive(Deserialize)]
struct Described {
    #[serde(default)]
    message: String,
}

impl Change<'_> {
    pub(crate) fn check(&self) -> Result<(), ForgeError> {
        if !is_branch_name(self.branch) {
            return Err(refused(format!("{:?} is no name for a branch", self.branch)));
        }
        check_changes(self.changes).map_err(refused)
    }
}

impl GitHub {
    /// The commit that a branch points at. None where there is no such branch.
    pub(crate) async fn head_of(&self, repo: &RepoRef, branch: &str) -> Result<Option<CommitId>, ForgeError> {
        let parts: Vec<&str> = ["git", "ref", "heads"].into_iter().chain(branch.split('/')).collect();
        let answer = self.api.for_changes(repo, &Call::get("branch_head", repo_route(repo, &parts)?)).await?;
        if answer.status == 404 {
            return Ok(None);
        }
        let found: Ref = answer.ok(|| format!("branch {branch} of {}", repo.path))?.json("branch_head")?;
        Ok(Some(found.object.sha))
    }

    /// Whether a commit is the one that this change made: its trailer names the key, and its only parent is where the change began.
    pub(crate) async fn is_commit_of(&self, repo: &RepoRef, commit: &CommitId, change: &Change<'_>) -> Result<bool, ForgeError> {
        let commit = self.git_commit(repo, commit).await?;
        let follows = matches!(commit.parents.as_slice(), [parent] if parent.sha == change.parent.as_str());
        Ok(follows && is_signed(&commit.message, change.external_id))
    }

    /// Whether the commit of this change is among those that lie between its parent and this head.
    pub(crate) async fn is_among(&self, repo: &RepoRef, head: &CommitId, change: &Change<'_>) -> Result<bool, ForgeError> {
        let target = repo_route(repo, &["compare", &format!("{}...{head}", change.parent)])?;
        let mut next = Some(with_query(target, &[PER_PAGE]));
        for _ in 0..SINCE_PAGES_MAX {
            let Some(target) = next else { break };
            let answer = self.api.for_changes(repo, &Call::get("since", target)).await?;
            let answer = answer.ok(|| format!("{}...{} of {}", change.parent.short(), head.short(), repo.path))?;
            if answer.too_large {
                break;
            }
            let page: Comparison = answer.json("since")?;
            // After a forced push our commit may lie on a side way that the branch has left.
            if page.status != "ahead" {
                return Ok(false);
            }
            if page.commits.iter().any(|one| is_signed(&one.commit.message, change.external_id)) {
                return Ok(true);
            }
            next = answer.next;
        }
        Ok(false)
    }

    /// Makes the commit, which no branch names yet.
    pub(crate) async fn make_commit(&self, repo: &RepoRef, change: &Change<'_>) -> Result<CommitId, ForgeError> {
        let base = self.git_commit(repo, change.parent).await?.tree.sha;
        let tree = self.make_tree(repo, &base, change.changes).await?;
        if tree == base {
            return Err(refused(format!("the changes leave {} as it is", change.parent.short())));
        }
        let message = signed_message(change.message, change.external_id);
        let body = CommitBody { message: &message, tree: &tree, parents: [change.parent.as_str()] };
        // Should it be made twice, no branch ever names the other one.
        let call = Call::write("make_commit", Method::POST, repo_route(repo, &["git", "commits"])?, &body)?;
        let answer = self.api.for_changes(repo, &call.repeat(Repeat::Safe)).await?;
        let made: Object = answer.ok(|| format!("a commit in {}", repo.path))?.json("make_commit")?;
        made.sha.parse().map_err(|_| refused("it names the new commit by no commit's id"))
    }

    /// Makes a branch. False where there is one of that name.
    pub(crate) async fn make_branch(&self, repo: &RepoRef, name: &str, commit: &CommitId) -> Result<bool, ForgeError> {
        let body = RefBody { name: Some(format!("refs/heads/{name}")), sha: commit.as_str(), force: None };
        let call = Call::write("make_branch", Method::POST, repo_route(repo, &["git", "refs"])?, &body)?;
        let answer = self.api.for_changes(repo, &call).await?;
        if answer.status == 422 && answer.words.to_ascii_lowercase().contains("already exists") {
            return Ok(false);
        }
        answer.ok(|| format!("branch {name} of {}", repo.path)).map(|_| true)
    }

    /// Moves a branch on to a commit that follows its head. False where the head is another by now: nothing is ever forced.
    pub(crate) async fn move_branch(&self, repo: &RepoRef, name: &str, commit: &CommitId) -> Result<bool, ForgeError> {
        let parts: Vec<&str> = ["git", "refs", "heads"].into_iter().chain(name.split('/')).collect();
        let body = RefBody { name: None, sha: commit.as_str(), force: Some(false) };
        let call = Call::write("move_branch", Method::PATCH, repo_route(repo, &parts)?, &body)?;
        let answer = self.api.for_changes(repo, &call).await?;
        if answer.status == 422 && answer.words.to_ascii_lowercase().contains("fast forward") {
            return Ok(false);
        }
        answer.ok(|| format!("branch {name} of {}", repo.path)).map(|_| true)
    }

    async fn git_commit(&self, repo: &RepoRef, commit: &CommitId) -> Result<GitCommit, ForgeError> {
        let call = Call::get("git_commit", repo_route(repo, &["git", "commits", commit.as_str()])?);
        let answer = self.api.for_changes(repo, &call).await?;
        answer.ok(|| format!("the commit {} of {}", commit.short(), repo.path))?.json("git_commit")
    }

    async fn make_tree(&self, repo: &RepoRef, base: &str, changes: &[FileChange]) -> Result<String, ForgeError> {
        let mut tree = Vec::with_capacity(changes.len());
        for change in changes {
            tree.push(self.entry(repo, change).await?);
        }
        let body = TreeBody { base_tree: base, tree };
        let call = Call::write("make_tree", Method::POST, repo_route(repo, &["git", "trees"])?, &body)?;
        let answer = self.api.for_changes(repo, &call.repeat(Repeat::Safe)).await?;
        if answer.status == 422 && changes.iter().any(|change| change.now.is_none()) {
            // GitHub's own words for a file that is removed and was never there speak of a "BadObjectState".
            return Err(refused(format!("422 {}; is a file removed that is not there?", answer.words)));
        }
        let made: Object = answer.ok(|| format!("a tree in {}", repo.path))?.json("make_tree")?;
        Ok(made.sha)
    }

    /// Text goes along with the tree, so that a hundred files are one request; everything else is a blob of its own.
    async fn entry<'a>(&self, repo: &RepoRef, change: &'a FileChange) -> Result<TreeEntry<'a>, ForgeError> {
        let (mode, content) = match &change.now {
            None => (FileMode::Plain, TreeContent::Blob(None)),
            Some((mode, bytes)) => match str::from_utf8(bytes).ok().filter(|text| !text.contains('\0')) {
                Some(text) => (*mode, TreeContent::Text(text)),
                None => (*mode, TreeContent::Blob(Some(self.make_blob(repo, bytes).await?))),
            },
        };
        let mode = match mode {
            FileMode::Plain => "100644",
            FileMode::Executable => "100755",
        };
        Ok(TreeEntry { path: &change.path, mode, kind: "blob", content })
    }

    async fn make_blob(&self, repo: &RepoRef, bytes: &[u8]) -> Result<String, ForgeError> {
        let body = BlobBody { content: BASE64_STANDARD.encode(bytes), encoding: "base64" };
        let call = Call::write("make_blob", Method::POST, repo_route(repo, &["git", "blobs"])?, &body)?;
        let answer = self.api.for_changes(repo, &call.repeat(Repeat::Safe)).await?;
        let made: Object = answer.ok(|| format!("a blob in {}", repo.path))?.json("make_blob")?;
        Ok(made.sha)
    }
}
