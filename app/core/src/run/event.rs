//! What a run is asked to do, and what its journal can say.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::config::{GateEvent, Problem};
use crate::event::User;
use crate::forge::PullState;
use crate::ids::{CommitId, GateName, RepoRef, RunId, Subject};
use crate::plan::Plan;
use crate::report::{Conclusion, ReportKey};
use crate::verdict::{StepOutcome, Verdict};

/// What a run is to do: the gates of one commit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunSpec {
    /// The repository.
    pub repo: RepoRef,
    /// What it is about.
    pub subject: Subject,
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
    /// Only these gates.
    pub only: Option<Vec<GateName>>,
    /// The run of the same commit whose other verdicts stand.
    pub rerun_of: Option<RunId>,
}

impl RunSpec {
    /// The kind of event that gates are picked by.
    pub fn gate_event(&self) -> GateEvent {
        match self.subject {
            Subject::Pull { .. } => GateEvent::PullRequest,
            Subject::MergeGroup { .. } => GateEvent::MergeGroup,
            Subject::Branch { .. } => GateEvent::Push,
        }
    }
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
}

/// Something that a run is told from outside.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Signal {
    /// Stop.
    Cancel {
        /// Why.
        reason: CancelReason,
    },
}

/// Why a run was stopped.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "reason")]
pub enum CancelReason {
    /// A newer run about the same subject took over.
    Superseded {
        /// That run.
        by: RunId,
        /// Its commit.
        commit: CommitId,
    },
    /// The pull request was closed or merged, or the merge group given up.
    Closed,
    /// A person stopped it.
    User {
        /// Who.
        login: String,
    },
}

/// An event in a run's journal.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "type")]
pub enum RunEvent {
    /// The run was accepted. Always the first event, and only the first.
    Created {
        /// What it is to do.
        spec: Box<RunSpec>,
    },
    /// A worker took the run. Steps that an earlier worker had begun are begun again.
    Resumed {
        /// The attempt, from 1.
        attempt: u32,
        /// The worker, for people.
        worker: String,
    },
    /// A signal was taken.
    Signalled {
        /// Its number.
        n: u64,
        /// The signal.
        signal: Signal,
    },
    /// The inputs were pinned and the plan was made.
    Prepared {
        /// What came of it.
        prepared: Box<Prepared>,
    },
    /// A step got its slot and begins.
    StepStarted {
        /// Its gate.
        gate: GateName,
        /// Which try of this gate it is, from 1.
        attempt: u32,
    },
    /// A step ended and was judged.
    StepFinished {
        /// Its gate.
        gate: GateName,
        /// What came of it.
        outcome: Box<StepOutcome>,
    },
    /// A report is about to be published for the first time; if nothing follows, it may or may not be there.
    PublishBegun {
        /// Its key.
        key: ReportKey,
    },
    /// The forge shows a report.
    Published {
        /// Its key.
        key: ReportKey,
        /// What it showed, see [`Run::wanted`](super::Run::wanted).
        digest: String,
        /// The forge's id of the object.
        id: u64,
    },
    /// The forge will not show a report, and asking again would not help.
    PublishRefused {
        /// Its key.
        key: ReportKey,
        /// What it should have shown.
        digest: String,
        /// The forge's words.
        cause: String,
    },
    /// The run is over. Always the last event.
    Finished {
        /// How.
        conclusion: Conclusion,
    },
}

/// The pinned inputs of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Prepared {
    /// The pull request, where there is one.
    pub pull: Option<PullState>,
    /// The commit whose repository file counts.
    pub base: Option<CommitId>,
    /// The sticky comment, where an earlier run made one.
    pub comment: Option<u64>,
    /// What is to be done.
    pub outcome: Preparation,
}

/// What preparing came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Preparation {
    /// There is a plan.
    Planned {
        /// The plan.
        plan: Plan,
        /// Verdicts of an earlier run of this commit that stand.
        carried: BTreeMap<GateName, Verdict>,
        /// What is wrong with the repository file in the change itself.
        head_problems: Vec<Problem>,
        /// What is wrong with the base branch's file, where an older valid one is in force instead.
        base_problems: Vec<Problem>,
    },
    /// The base branch has no repository file, so there is nothing to do.
    NoConfig {
        /// What is wrong with the file that the change itself adds. None where it adds none.
        head_problems: Option<Vec<Problem>>,
    },
    /// The base branch's file is broken and no valid one is known.
    ConfigBroken {
        /// What is wrong.
        problems: Vec<Problem>,
    },
    /// The commit is no longer the head.
    Stale {
        /// What is.
        head: CommitId,
    },
    /// The pull request is closed.
    Closed,
    /// It comes from a fork, and nobody has approved this commit.
    NeedsApproval,
    /// The repository or the pull request is gone, or Gatewright may not see it.
    Gone {
        /// The forge's words.
        cause: String,
    },
}
