//! What a run is told, and what its journal can say.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::agent::AgentEvent;
use super::notice::NoticeEvent;
use super::permit::PermitEvent;
use super::release::{ReleaseEvent, ReleaseWord};
use super::rollout::{RolloutEvent, RolloutWord};
use super::spec::RunSpec;
use crate::command::{CommandName, Who};
use crate::config::Problem;
use crate::forge::PullState;
use crate::ids::{CommitId, GateName, RunId};
use crate::order::{Order, OrderChange};
use crate::plan::Plan;
use crate::report::{Conclusion, ReportKey};
use crate::verdict::{StepOutcome, Verdict};

/// Something that a run is told from outside.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Signal {
    /// Stop.
    Cancel {
        /// Why.
        reason: CancelReason,
    },
    /// A standing order of the run's subject has changed.
    Order {
        /// How.
        change: OrderChange,
    },
    /// A release is told something.
    Release {
        /// What.
        word: ReleaseWord,
    },
    /// A rollout is told something.
    Rollout {
        /// What.
        word: RolloutWord,
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
    /// What was said was weighed: who may do it, and what it comes to.
    Ruled {
        /// What came of it.
        ruled: Box<Ruled>,
    },
    /// All that was ruled is done.
    Obeyed,
    /// Something happened to a release.
    Release {
        /// What.
        event: Box<ReleaseEvent>,
    },
    /// Something happened to a rollout.
    Rollout {
        /// What.
        event: Box<RolloutEvent>,
    },
    /// Something happened to a pipeline of agents.
    Agent {
        /// What.
        event: Box<AgentEvent>,
    },
    /// Somebody was told something, or could not be.
    Notice {
        /// What came of it.
        event: NoticeEvent,
    },
    /// Something happened to a workflow that waits.
    Permit {
        /// What.
        event: PermitEvent,
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
    /// The run was tried too often and is given up, until a worker takes it again because a person asked for that.
    GivenUp {
        /// Why, for people.
        cause: String,
    },
    /// The run is over. Always the last event.
    Finished {
        /// How.
        conclusion: Conclusion,
    },
}

impl RunEvent {
    /// Whether the run has got somewhere with it that no later attempt can lose. A rollout outlives more restarts of the service than a
    /// run that gets nowhere may have attempts.
    pub fn gets_on(&self) -> bool {
        match self {
            RunEvent::Release { .. } | RunEvent::Rollout { .. } | RunEvent::Notice { .. } | RunEvent::Permit { .. } => true,
            RunEvent::Agent { event } => event.gets_on(),
            _ => false,
        }
    }
}

/// The pinned inputs of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Prepared {
    /// The pull request, where there is one.
    pub pull: Option<PullState>,
    /// The commit whose repository file counts.
    pub base: Option<CommitId>,
    /// The commit that the run's is compared with to find the lines that it adds, where a gate asks for them.
    #[serde(default)]
    pub compared_with: Option<CommitId>,
    /// What earlier runs made the forge show that this one goes on with: the sticky comment, and, of a run that runs no
    /// gate itself, the checks.
    pub shown: BTreeMap<ReportKey, u64>,
    /// The standing orders of the subject.
    pub orders: Vec<Order>,
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
        /// Who may give which command, as the file has it.
        commands: BTreeMap<CommandName, Vec<Who>>,
        /// Gates whose failure starts agents.
        #[serde(default)]
        agents_on: Vec<GateName>,
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

/// What came of what somebody said.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Ruled {
    /// The commit that it is pinned to: the head when it was weighed.
    pub head: Option<CommitId>,
    /// The ruling on each command, in their order. None at all: it is not answered, as with what a program wrote.
    pub rulings: Vec<Ruling>,
    /// Replies to earlier commands of the same person that no longer hold: the runs, and the forge's ids of the replies.
    pub outdated: Vec<(RunId, u64)>,
    /// What is refused gets no reply: there is nobody to read it, or that person has had replies enough.
    #[serde(default)]
    pub quiet: bool,
}

/// The ruling on one command.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Ruling {
    /// The command, as it was understood.
    pub command: String,
    /// What came of it.
    pub outcome: RulingOutcome,
}

/// What a ruling says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum RulingOutcome {
    /// It is obeyed.
    Granted {
        /// What is to be done.
        deed: Box<Deed>,
        /// What that comes to, for the audit log.
        means: String,
    },
    /// It is not.
    Refused {
        /// Why, and what to do instead. Markdown, made by us.
        because: String,
    },
}

/// What a command comes to. It is accepted as a whole, once.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Deed {
    /// A run to start.
    pub run: Option<NewRun>,
    /// Whether it starts only where no unfinished run was there to be told.
    pub start: Start,
    /// What unfinished runs are told.
    pub signals: Vec<(SignalTarget, Signal)>,
    /// What stands from now on about the subject.
    pub orders: Vec<OrderChange>,
    /// What stands from now on about other subjects, each by its key.
    #[serde(default)]
    pub elsewhere: Vec<(String, OrderChange)>,
}

/// A run to be made. Its journal starts with [`RunEvent::Created`] holding `spec`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NewRun {
    /// Its id.
    pub id: RunId,
    /// What it is to do.
    pub spec: RunSpec,
}

/// When a new run starts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Start {
    /// Whatever else there is.
    #[default]
    Always,
    /// Only where none of the signals reached a run about the same.
    UnlessTold,
}

/// Which unfinished runs get a signal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum SignalTarget {
    /// This one.
    Run {
        /// The run.
        run: RunId,
    },
    /// All about a subject.
    Subject {
        /// The subject's key, see [`Subject::key`].
        key: String,
        /// Only older runs than this one.
        before: Option<RunId>,
        /// Only runs on this commit.
        commit: Option<CommitId>,
    },
}

/// An entry of a run's journal.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct JournalEntry {
    /// Its number, from 0.
    pub seq: u64,
    /// When it was appended.
    pub at: Timestamp,
    /// What happened.
    pub event: RunEvent,
}
