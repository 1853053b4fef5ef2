//! A delivery as it was verified, and the forge-neutral [`Event`] that it means.

use async_trait::async_trait;
use bytes::Bytes;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::ids::{CommitId, DeliveryId, ForgeKind, ItemRef, RepoRef};

/// One webhook delivery whose signature was right.
#[derive(Debug, Clone)]
pub struct Delivery {
    /// The forge's id of it; a redelivery has the same.
    pub id: DeliveryId,
    /// Who sent it.
    pub forge: ForgeKind,
    /// The forge's name of the event, such as `pull_request`.
    pub name: String,
    /// The payload's `action`, such as `opened`, where the event has one.
    pub action: Option<String>,
    /// When it was received.
    pub received_at: Timestamp,
    /// The body exactly as it was signed.
    pub body: Bytes,
    /// What it means here.
    pub event: Event,
}

/// What a delivery means, whichever forge it came from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "type")]
pub enum Event {
    /// Something happened to a pull request.
    Pull(PullEvent),
    /// A merge queue asks for checks on a group, or has given a group up.
    MergeGroup(MergeGroupEvent),
    /// A branch was pushed to.
    Push(PushEvent),
    /// Somebody asked for a check to be run again.
    Rerequested(RerequestedEvent),
    /// Somebody wrote a comment that has a line with a slash at its beginning.
    Comment(Box<CommentEvent>),
    /// Somebody pressed a button on a check.
    Button(ButtonEvent),
    /// A tag was made, moved or deleted.
    Tag(TagEvent),
    /// A workflow of the forge waits for leave to deploy.
    ProtectionRule(Box<ProtectionRuleEvent>),
    /// Something happened to an issue.
    Issue(IssueEvent),
    /// A pull request was given labels.
    Labelled(LabelledEvent),
    /// Recorded, but nothing is done.
    Unused {
        /// Why, for the journal: "event is not used", "no repository", ...
        reason: String,
    },
}

/// Who did something, as the forge names them. Permissions go by `id`, never by `login`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct User {
    /// The forge's number of the account.
    pub id: u64,
    /// The name at that moment, for people.
    pub login: String,
}

/// A pull request event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PullEvent {
    /// The repository that the pull request is to.
    pub repo: RepoRef,
    /// Its number.
    pub number: u64,
    /// The head commit, as the delivery has it.
    pub head: CommitId,
    /// The branch that it is to be merged into.
    pub base_ref: String,
    /// Who did it.
    pub sender: User,
    /// What happened.
    pub change: PullChange,
    /// When the pull request was last changed, by the forge's clock. For a push that is when the head moved.
    pub changed_at: Option<Timestamp>,
    /// The labels that it was opened with, at most [`LABELS_MAX`], where no event of their own tells of them: GitLab sends none,
    /// GitHub one each.
    #[serde(default)]
    pub labels: Vec<String>,
}

/// What happened to a pull request, as far as it matters here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PullChange {
    /// Opened, reopened or made ready for review: it wants its gates.
    Opened,
    /// New commits, or another base branch.
    Updated,
    /// Merged or closed: what runs for it can stop.
    Closed,
}

/// A pull request was given labels.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LabelledEvent {
    /// The repository that the pull request is to.
    pub repo: RepoRef,
    /// Its number.
    pub number: u64,
    /// The head commit, as the delivery has it.
    pub head: CommitId,
    /// The branch that it is to be merged into.
    pub base_ref: String,
    /// Who did it. It may be a program, ourselves too.
    pub sender: User,
    /// The labels that it did not have before: at most [`LABELS_MAX`].
    pub labels: Vec<String>,
    /// When the pull request was last changed, by the forge's clock.
    pub at: Option<Timestamp>,
}

/// More labels than so many at once are not told of.
pub const LABELS_MAX: usize = 20;

/// An issue event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IssueEvent {
    /// The repository.
    pub repo: RepoRef,
    /// Its number.
    pub number: u64,
    /// Who did it. It may be a program, ourselves too.
    pub sender: User,
    /// What happened.
    pub change: IssueChange,
    /// When the issue was last changed, by the forge's clock.
    pub at: Option<Timestamp>,
}

/// What happened to an issue, as far as it matters here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IssueChange {
    /// Opened. Not reopened: it was asked for once.
    Opened {
        /// The labels that it was opened with, at most [`LABELS_MAX`], where no event of their own tells of them: GitLab sends
        /// none, GitHub one each.
        labels: Vec<String>,
    },
    /// Given labels.
    Labelled {
        /// The labels that it did not have before: at most [`LABELS_MAX`].
        labels: Vec<String>,
    },
}

/// A merge-queue event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MergeGroupEvent {
    /// The repository.
    pub repo: RepoRef,
    /// The group's commit, on which the queue waits for checks.
    pub head: CommitId,
    /// The group's own branch, with `refs/heads/`.
    pub head_ref: String,
    /// The commit of the base branch that the group was made on.
    pub base: CommitId,
    /// The base branch, without `refs/heads/`.
    pub base_ref: String,
    /// Who caused it.
    pub sender: User,
    /// False once the queue has given the group up.
    pub wanted: bool,
}

/// A push to a branch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PushEvent {
    /// The repository.
    pub repo: RepoRef,
    /// The branch, without `refs/heads/`.
    pub branch: String,
    /// The branch's commit before, absent for a new branch.
    pub before: Option<CommitId>,
    /// The branch's commit now.
    pub after: CommitId,
    /// The repository's default branch.
    pub default_branch: String,
    /// Who pushed.
    pub sender: User,
}

/// A wish to run checks again, from the forge's own buttons.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RerequestedEvent {
    /// The repository.
    pub repo: RepoRef,
    /// The commit that the checks are on.
    pub head: CommitId,
    /// The pull requests that it is the head of, as far as the delivery names them: [`PULLS_OF_CHECK_MAX`] at most.
    #[serde(default)]
    pub pulls: Vec<PullOfCheck>,
    /// Who asked.
    pub sender: User,
    /// What is to be run again.
    pub what: Rerequested,
}

/// So many pull requests of a check are read from a delivery.
pub const PULLS_OF_CHECK_MAX: usize = 10;

/// A pull request that a check is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PullOfCheck {
    /// Its number.
    pub number: u64,
    /// The branch that it is to be merged into.
    pub base_ref: String,
}

/// What is to be run again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rerequested {
    /// Every gate of the commit.
    All,
    /// One check.
    Check {
        /// Its `external_id`, which names run and gate.
        external_id: String,
    },
}

/// A new comment on a pull request or an issue. Edits are not read: what was obeyed could be made to look like something else, and
/// what is added later would be obeyed without anybody having looked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommentEvent {
    /// The repository.
    pub repo: RepoRef,
    /// Where it is.
    pub comment: CommentRef,
    /// Who wrote it.
    pub by: User,
    /// When, by the forge's clock.
    pub written_at: Timestamp,
    /// The pull request's head when it was written, where the delivery says so.
    pub head: Option<CommitId>,
    /// Its text. Untrusted.
    pub body: String,
}

/// A comment on a pull request or an issue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommentRef {
    /// The number of the pull request, or of the issue.
    #[serde(alias = "pull")]
    pub number: u64,
    /// The forge's number of the comment.
    pub id: u64,
    /// What kind of comment it is.
    pub place: CommentPlace,
}

/// Where a comment is. The forge has different addresses for them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CommentPlace {
    /// In the conversation of a pull request. All of GitLab's notes on one count as such.
    Conversation,
    /// At a line of a pull request's diff.
    Diff,
    /// On an issue.
    Issue,
}

impl CommentRef {
    /// What the comment is about.
    pub fn item(&self) -> ItemRef {
        match self.place {
            CommentPlace::Conversation | CommentPlace::Diff => ItemRef::Pull { number: self.number },
            CommentPlace::Issue => ItemRef::Issue { number: self.number },
        }
    }
}

/// A button on a check, pressed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ButtonEvent {
    /// The repository.
    pub repo: RepoRef,
    /// The commit that the check is on.
    pub head: CommitId,
    /// Who pressed it.
    pub by: User,
    /// The check's `external_id`, which names run and gate.
    pub external_id: String,
    /// The button's identifier.
    pub button: String,
}

/// A tag that was made, moved or deleted. Deliveries come late and in any order, so the forge is asked again what the tag is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TagEvent {
    /// The repository.
    pub repo: RepoRef,
    /// The tag, without `refs/tags/`.
    pub tag: String,
    /// The commit that the delivery names; of an annotated tag, where it names none, the tag object. None: it was deleted.
    pub commit: Option<CommitId>,
    /// What it was before, absent for a new tag. Of an annotated tag the tag object.
    pub before: Option<CommitId>,
    /// The repository's default branch.
    pub default_branch: String,
    /// Who pushed.
    pub sender: User,
}

/// A workflow that waits for leave to deploy. GitHub asks so where the App is a protection rule of the environment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProtectionRuleEvent {
    /// The repository.
    pub repo: RepoRef,
    /// The environment's name on the forge, which need not be one of the repository file's.
    pub environment: String,
    /// The workflow run that waits.
    pub workflow_run: u64,
    /// The commit that it wants to deploy, where the delivery says so.
    pub head: Option<CommitId>,
    /// The branch or tag that it wants to deploy, where the delivery says so.
    pub deployed_ref: Option<String>,
    /// Who started the workflow.
    pub sender: User,
}

impl Event {
    /// The repository that the event is about, where there is one.
    pub fn repo(&self) -> Option<&RepoRef> {
        match self {
            Event::Pull(e) => Some(&e.repo),
            Event::MergeGroup(e) => Some(&e.repo),
            Event::Push(e) => Some(&e.repo),
            Event::Rerequested(e) => Some(&e.repo),
            Event::Comment(e) => Some(&e.repo),
            Event::Button(e) => Some(&e.repo),
            Event::Tag(e) => Some(&e.repo),
            Event::ProtectionRule(e) => Some(&e.repo),
            Event::Issue(e) => Some(&e.repo),
            Event::Labelled(e) => Some(&e.repo),
            Event::Unused { .. } => None,
        }
    }
}

/// What came of a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Taken {
    /// It is on disk now.
    New,
    /// It was taken before.
    Duplicate,
}

/// A delivery could not be taken; nothing of it was kept.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("deliveries cannot be taken now: {cause}")]
pub struct IntakeError {
    /// When the sender may try again.
    pub retry_after_secs: u32,
    /// Why, for the log.
    pub cause: String,
}

/// Takes verified deliveries. The engine is the one that does.
#[async_trait]
pub trait Intake: Send + Sync {
    /// Returns once the delivery, and the run that it starts, are durable.
    async fn take(&self, delivery: Delivery) -> Result<Taken, IntakeError>;
}
