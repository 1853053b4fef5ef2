//! What a forge tells of tags and of what lies between them. What it is made to show of releases and deployments is
//! published like every other report: see [`report::release`](crate::report::release).

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use super::ForgeError;
use crate::ids::{CommitId, RepoRef};

/// A tag as it is on the forge now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TagState {
    /// Its name, without `refs/tags/`.
    pub name: String,
    /// The commit that it names, through however many tag objects.
    pub commit: CommitId,
    /// The tag object, where it is an annotated tag.
    pub object: Option<CommitId>,
    /// What the annotated tag says, at most 64 KiB. Untrusted text.
    pub message: Option<String>,
    /// The tag's own signature. A lightweight tag has none.
    pub signature: Signature,
    /// The signature of the commit.
    pub commit_signature: Signature,
}

/// What the forge says of a signature. Gatewright verifies none itself: who may sign for whom is what the forge knows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "signature")]
pub enum Signature {
    /// There is one, and the forge vouches for it.
    Verified {
        /// Who it says signed: `NAME <EMAIL>`. Untrusted text.
        by: Option<String>,
    },
    /// There is one, and the forge does not vouch for it.
    Unverified {
        /// The forge's word for why not, such as `expired_key`.
        reason: String,
    },
    /// There is none.
    Unsigned,
    /// The forge does not tell, or cannot tell now.
    Unknown {
        /// Why, for people.
        reason: String,
    },
}

/// The tags of a repository.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tags {
    /// Name and commit, in no order that one can rely on.
    pub tags: Vec<(String, CommitId)>,
    /// Whether there are more than were read (2,000).
    pub incomplete: bool,
}

/// Whether a protected branch holds a commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Protection {
    /// One does.
    On {
        /// Its name.
        branch: String,
    },
    /// None that was looked at does.
    Off {
        /// The protected branches that were looked at, in that order.
        looked_at: Vec<String>,
        /// Whether there are others that were not. On GitLab always: it lists none to us.
        incomplete: bool,
    },
}

/// What lies between two commits.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ReleasedCommits {
    /// Oldest first, at most [`COMMITS_MAX`].
    pub commits: Vec<ReleasedCommit>,
    /// How many more there are, where the forge says so, or at least 1 where it only says that there are.
    pub more: u64,
    /// Whether the pull requests of some commits were not asked for, because there are too many.
    pub pulls_incomplete: bool,
    /// A page of the forge that shows the difference.
    pub compare_url: Option<String>,
}

/// At most so many commits are told of.
pub const COMMITS_MAX: usize = 250;

/// A commit that a release brings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReleasedCommit {
    /// The commit.
    pub id: CommitId,
    /// Its message, at most 64 KiB. Untrusted text.
    pub message: String,
    /// Who wrote it, as git has it. Untrusted text.
    pub author: String,
    /// The author's account, where the forge knows one.
    pub login: Option<String>,
    /// The merged pull requests that it came by.
    pub pulls: Vec<PullRef>,
}

/// A merged pull request, as release notes name it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PullRef {
    /// Its number.
    pub number: u64,
    /// Its title. Untrusted text.
    pub title: String,
    /// The name of who opened it.
    pub author: String,
    /// Its labels. Untrusted text.
    pub labels: Vec<String>,
}

/// What a forge tells of tags and releases.
#[async_trait]
pub trait Releases: Send + Sync {
    /// A tag as it is now. None where there is no such tag.
    async fn tag(&self, repo: &RepoRef, name: &str) -> Result<Option<TagState>, ForgeError>;

    /// The repository's tags, to find what was released before.
    async fn tags(&self, repo: &RepoRef) -> Result<Tags, ForgeError>;

    /// Whether a protected branch holds the commit. The default branch is looked at first; then the branches that the
    /// commit's pull requests were merged into; then, on GitHub, up to 30 other protected branches.
    async fn protection(&self, repo: &RepoRef, commit: &CommitId) -> Result<Protection, ForgeError>;

    /// What `to` has that `from` has not, or all that `to` has, with the pull requests of at most 100 of the commits.
    async fn commits_between(
        &self,
        repo: &RepoRef,
        from: Option<&CommitId>,
        to: &CommitId,
    ) -> Result<ReleasedCommits, ForgeError>;

    /// The merged pull request that a commit came by; of several the one with the highest number.
    async fn pull_of(&self, repo: &RepoRef, commit: &CommitId) -> Result<Option<u64>, ForgeError>;
}
