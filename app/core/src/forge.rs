//! The forge: what the engine asks of GitHub and GitLab, and the trait that an adapter implements.

use async_trait::async_trait;
use bytes::Bytes;
use jiff::Timestamp;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};

use crate::event::{CommentRef, User};
use crate::ids::{CommitId, ForgeKind, RepoRef};
use crate::report::{Known, Published, Report};

mod items;
mod releases;

pub use crate::ids::ItemRef;
pub use items::{COMMENTS_MAX, Item, ItemComment, Items};
pub use releases::{COMMITS_MAX, Protection, PullRef, ReleasedCommit, ReleasedCommits, Releases, Signature, TagState, Tags};

/// A pull request as the forge has it now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PullState {
    /// Its number.
    pub number: u64,
    /// Whether it can still be merged.
    pub open: bool,
    /// Its head commit.
    pub head: CommitId,
    /// The head branch, without `refs/heads/`. Of a fork it is the fork's.
    #[serde(default)]
    pub head_ref: String,
    /// Whether its head lies in another repository than its base.
    pub fork: bool,
    /// The base branch.
    pub base_ref: String,
    /// The base branch's commit now: where the repository file is read from.
    pub base: CommitId,
    /// Who opened it.
    pub author: User,
    /// Its title. Untrusted text.
    pub title: String,
}

/// Between which commits files are to be compared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// What a pull request changes.
    Pull {
        /// Its number.
        number: u64,
    },
    /// What lies between two commits.
    Between {
        /// The older one.
        base: CommitId,
        /// The newer one.
        head: CommitId,
    },
}

/// The files that a change touches.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChangedFiles {
    /// Their paths; of a renamed file both the old and the new one.
    pub paths: Vec<String>,
    /// Whether the forge named not all of them (GitHub names 3,000 at most). Then every `changed` rule counts as met.
    pub incomplete: bool,
}

/// A comment as it is on the forge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommentState {
    /// Who wrote it.
    pub author: User,
    /// When, by the forge's clock.
    pub written_at: Timestamp,
    /// What it says. Untrusted text.
    pub body: String,
}

/// How to fetch from a repository. Given to git through its environment on the host, never by a URL or an argument.
#[derive(Debug, Clone)]
pub struct CloneCredential {
    /// The address, without any credential in it.
    pub url: String,
    /// The name and the secret, where the repository needs them.
    pub login: Option<(String, SecretString)>,
    /// Whether the login opens this repository only. One that opens more is not used for what the repository's content
    /// names, such as submodules.
    pub one_repository: bool,
}

/// What a user may do in a repository, weakest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Permission {
    /// Nothing.
    None,
    /// Look and comment.
    Read,
    /// Push.
    Write,
    /// Manage without access to what is sensitive.
    Maintain,
    /// Everything.
    Admin,
}

/// Who somebody is to a repository, as the forge says now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Standing {
    /// What the user may do.
    pub permission: Permission,
    /// The name that belongs to the user's id now.
    pub login: String,
    /// Whether it is a program's account. What such an account writes is never obeyed.
    pub bot: bool,
    /// Those of the teams that were asked about of which the user is a member.
    pub teams: Vec<String>,
}

/// An open pull request, as far as it matters for finding what was missed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenPull {
    /// Its number.
    pub number: u64,
    /// Its head commit.
    pub head: CommitId,
    /// The branch that it is to be merged into.
    pub base_ref: String,
    /// Who opened it.
    pub author: User,
    /// When it was last changed in any way, comments too, by the forge's clock.
    pub updated_at: Timestamp,
}

/// A delivery that the forge tried and that was not taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MissedDelivery {
    /// The forge's number of the attempt, by which it can be sent again.
    pub attempt: u64,
    /// The delivery's own id, which all its attempts share.
    pub guid: String,
    /// When it was tried.
    pub at: Timestamp,
    /// The event's name.
    pub event: String,
    /// So many attempts have failed, as far as is known.
    pub failures: u32,
}

/// What came of asking for missed deliveries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Redelivered {
    /// So many are sent again.
    pub sent: u64,
    /// There are more, for which it is better to ask again soon.
    pub more: bool,
}

/// What a failed call to a forge means for what comes next.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ForgeError {
    /// Too many requests: nothing was done; come back later.
    #[error("{forge} asks us to wait {wait_secs} s")]
    RateLimited {
        /// Who asks.
        forge: ForgeKind,
        /// How long.
        wait_secs: u64,
    },
    /// It failed for a reason that may pass: a 5xx, a timeout, a cut connection. A write may have been done.
    #[error("{forge} did not answer as it should: {cause}")]
    Unavailable {
        /// Which forge.
        forge: ForgeKind,
        /// What happened, without any secret.
        cause: String,
    },
    /// It does not let us in: credentials that it does not accept, an installation that was suspended. Nothing was done, and nothing will
    /// be until somebody has mended that.
    #[error("{forge} does not let Gatewright in: {cause}")]
    LockedOut {
        /// Which forge.
        forge: ForgeKind,
        /// Its words, and what to look at.
        cause: String,
    },
    /// It is not there, or we may not see it.
    #[error("{what} does not exist on {forge}, or Gatewright may not see it")]
    Missing {
        /// Which forge.
        forge: ForgeKind,
        /// What was looked for.
        what: String,
    },
    /// The forge will not do it, and asking again will not change that: a missing permission, an invalid request.
    #[error("{forge} refused: {cause}")]
    Refused {
        /// Which forge.
        forge: ForgeKind,
        /// Its words.
        cause: String,
    },
}

impl ForgeError {
    /// Whether asking again later may help.
    #[must_use]
    pub fn may_pass(&self) -> bool {
        match self {
            ForgeError::RateLimited { .. } | ForgeError::Unavailable { .. } | ForgeError::LockedOut { .. } => true,
            ForgeError::Missing { .. } | ForgeError::Refused { .. } => false,
        }
    }
}

/// A forge that Gatewright serves.
#[async_trait]
pub trait Forge: CatchUp + Reviews + Releases + Items {
    /// A pull request as it is now.
    async fn pull(&self, repo: &RepoRef, number: u64) -> Result<PullState, ForgeError>;

    /// The commit that a branch points at now.
    async fn branch(&self, repo: &RepoRef, name: &str) -> Result<CommitId, ForgeError>;

    /// A file of at most 1 MiB at a commit. None where that commit has no such file.
    async fn file(&self, repo: &RepoRef, commit: &CommitId, path: &str) -> Result<Option<Bytes>, ForgeError>;

    /// The files that a change touches.
    async fn changed_files(&self, repo: &RepoRef, change: &Change) -> Result<ChangedFiles, ForgeError>;

    /// The newest commit that a pull request's head has in common with its base branch.
    async fn merge_base(&self, repo: &RepoRef, pull: &PullState) -> Result<CommitId, ForgeError>;

    /// Who a user is, asked from the forge by the user's id, and of which of these teams a member. A team is written as the
    /// repository file has it: `org/team` on GitHub, a group's path on GitLab. One that the forge does not know, or does
    /// not show us, has no members.
    async fn standing(&self, repo: &RepoRef, user: &User, teams: &[String]) -> Result<Standing, ForgeError>;

    /// A comment as it is now. None where it is gone, or is not one that somebody wrote for all who may see the rest.
    async fn comment(&self, repo: &RepoRef, comment: &CommentRef) -> Result<Option<CommentState>, ForgeError>;

    /// A credential to fetch from this repository.
    async fn credential(&self, repo: &RepoRef) -> Result<CloneCredential, ForgeError>;

    /// Makes the forge show this report: finds the object of this key, or makes it, and sets it to what the report says.
    /// Doing it twice changes nothing.
    async fn publish(&self, repo: &RepoRef, report: &Report, known: &Known) -> Result<Published, ForgeError>;
}

/// What a forge tells of who reviews.
#[async_trait]
pub trait Reviews: Send + Sync {
    /// Who approves of a pull request as it is now: whose latest word is an approval that was not taken back. At most 100.
    async fn approvals(&self, repo: &RepoRef, number: u64) -> Result<Vec<User>, ForgeError>;
}

/// What a forge offers to find out what was missed.
#[async_trait]
pub trait CatchUp: Send + Sync {
    /// Asks for deliveries that failed since `since`, and has those that `wanted` picks sent again. Those that it does not pick, or that
    /// could not be sent, are remembered, and picked from the next time too.
    async fn redeliver(
        &self,
        since: Timestamp,
        wanted: &(dyn for<'a> Fn(&'a MissedDelivery) -> bool + Send + Sync),
    ) -> Result<Redelivered, ForgeError>;

    /// The repositories that Gatewright is installed on, or a member of; archived ones left out.
    async fn repositories(&self) -> Result<Vec<RepoRef>, ForgeError>;

    /// The open pull requests of a repository that were changed in any way since then, the last changed first.
    async fn open_pulls(&self, repo: &RepoRef, since: Timestamp) -> Result<Vec<OpenPull>, ForgeError>;
}
