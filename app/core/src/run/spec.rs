//! What a run is asked to do, and why.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::agent::AgentSpec;
use super::notice::NoticeSpec;
use super::permit::PermitSpec;
use super::release::ReleaseSpec;
use super::rollout::RolloutSpec;
use crate::event::{CommentRef, User};
use crate::ids::{CommitId, GateName, RepoRef, RunId, Subject};

/// What a run is to do.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunSpec {
    /// The repository.
    pub repo: RepoRef,
    /// What it is about.
    pub subject: Subject,
    /// The work itself.
    pub work: Work,
}

/// The kinds of run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Work {
    /// The gates of one commit.
    Gates(GatesSpec),
    /// What somebody has said in one comment, or by pressing a button.
    Command(CommandSpec),
    /// What becomes of a tag.
    Release(ReleaseSpec),
    /// A release on its way into an environment.
    Rollout(Box<RolloutSpec>),
    /// What a pipeline of agents is to do.
    Agent(AgentSpec),
    /// What people are to be told.
    Notice(Box<NoticeSpec>),
    /// A workflow of the forge that waits for leave to deploy.
    Permit(PermitSpec),
}

/// Which gates of which commit are to be run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GatesSpec {
    /// The commit to check.
    pub head: CommitId,
    /// The branch that the change is going to, or that was pushed.
    pub base_ref: String,
    /// The commit whose repository file counts, where the event pins it (merge groups, pushes to the default branch).
    pub base: Option<CommitId>,
    /// The branch whose repository file counts, where that is not `base_ref`: pushes to other than the default branch.
    pub config_ref: Option<String>,
    /// The older end of the change, where there is no pull request to ask.
    pub compare_from: Option<CommitId>,
    /// Why.
    pub cause: Cause,
    /// When the forge last changed the pull request, by its own clock, as the event says. For a push: when the head moved.
    pub changed_at: Option<Timestamp>,
    /// Only these gates, and those of which no verdict stands.
    pub only: Option<Vec<GateName>>,
    /// The run of the same commit whose other verdicts stand.
    pub rerun_of: Option<RunId>,
}

impl GatesSpec {
    /// All gates of a commit that is going to a branch, or was pushed to it, by that branch's repository file.
    pub fn of(head: CommitId, base_ref: String, cause: Cause) -> Self {
        GatesSpec {
            head,
            base_ref,
            base: None,
            config_ref: None,
            compare_from: None,
            cause,
            changed_at: None,
            only: None,
            rerun_of: None,
        }
    }
}

/// What somebody has said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommandSpec {
    /// How.
    pub origin: Origin,
    /// Who.
    pub by: User,
    /// When, by the forge's clock.
    pub said_at: Timestamp,
    /// The head commit then, where the forge says so with the delivery.
    pub head: Option<CommitId>,
    /// The commands, in their order: each a name and its arguments.
    pub calls: Vec<Call>,
    /// So many more commands were in the comment than are obeyed of one.
    pub unread: u32,
    /// Whether it is more than may be said at once.
    pub flood: Flood,
}

/// How something was said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Origin {
    /// In a comment.
    Comment {
        /// The comment.
        comment: CommentRef,
    },
    /// By pressing a button on a check.
    Button {
        /// The run whose check it is.
        run: RunId,
    },
}

/// One command, as it was written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Call {
    /// Its name: that of an alias is replaced, and in lower case.
    pub name: String,
    /// Its arguments, without the quotes. Untrusted text.
    pub args: Vec<String>,
}

/// Whether there is more of something than there may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Flood {
    /// There is not.
    No,
    /// There is, and this is the first that is too much: people are told.
    Begins,
    /// There is, and people have been told.
    GoesOn,
}

/// Why a run was started.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Cause {
    /// A pull request was opened.
    Opened,
    /// A pull request got new commits or another base.
    Updated,
    /// A merge queue asked.
    MergeQueue,
    /// A branch was pushed to.
    Pushed,
    /// Somebody asked for it again.
    Rerequested {
        /// Who.
        by: User,
    },
    /// Somebody gave a command.
    Commanded {
        /// Who.
        by: User,
        /// Which: its name.
        command: String,
    },
    /// The delivery that should have started it never arrived.
    CaughtUp,
    /// A release asks for it.
    Released {
        /// The release's run.
        run: RunId,
    },
}
