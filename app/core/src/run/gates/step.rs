//! One gate within a run, and how far it is.

use jiff::Timestamp;
use serde::Serialize;

use crate::config::GateConfig;
use crate::ids::BlobId;
use crate::verdict::{StepOutcome, Verdict, VerdictStatus};

/// A gate within a run.
#[derive(Debug, Clone)]
pub struct Step {
    /// The gate.
    pub gate: GateConfig,
    /// How far it is.
    pub state: StepState,
    /// How often it was begun.
    pub attempts: u32,
    /// Who has it count as passed whatever it says, if anybody has.
    pub waiver: Option<Waiver>,
}

/// A gate counts as passed because somebody who may say so has said so.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Waiver {
    /// Who, for people.
    pub by: String,
    /// Why. Untrusted text.
    pub reason: String,
}

/// How far a step is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "state")]
pub enum StepState {
    /// It waits for what it needs, or for a slot.
    Waiting,
    /// It runs.
    Running {
        /// Which try it is, from 1.
        attempt: u32,
        /// Since when.
        started_at: Timestamp,
    },
    /// It is over.
    Done {
        /// When it began.
        started_at: Timestamp,
        /// When it ended.
        finished_at: Timestamp,
        /// What came of it.
        outcome: Box<StepOutcome>,
    },
    /// It did not run and will not.
    NotRun {
        /// Why, for people.
        because: String,
        /// Since when that is certain.
        at: Timestamp,
        /// Cancelled or skipped.
        status: VerdictStatus,
    },
    /// Its verdict comes from an earlier run of the same commit, whose check stands.
    Carried {
        /// The verdict.
        verdict: Box<Verdict>,
    },
}

impl Step {
    /// What the gate says, if it says anything yet.
    pub fn status(&self) -> Option<VerdictStatus> {
        match &self.state {
            StepState::Waiting | StepState::Running { .. } => None,
            StepState::Done { outcome, .. } => Some(outcome.verdict.status),
            StepState::NotRun { status, .. } => Some(*status),
            StepState::Carried { verdict } => Some(verdict.status),
        }
    }

    /// Whether nothing more will happen to it.
    pub fn is_over(&self) -> bool {
        match &self.state {
            StepState::Waiting | StepState::Running { .. } => false,
            StepState::Done { .. } | StepState::NotRun { .. } | StepState::Carried { .. } => true,
        }
    }

    /// What its findings are for code scanning, where they were kept for that.
    pub fn scan(&self) -> Option<&BlobId> {
        match &self.state {
            StepState::Done { outcome, .. } => outcome.scan.as_ref(),
            StepState::Waiting | StepState::Running { .. } | StepState::NotRun { .. } | StepState::Carried { .. } => None,
        }
    }

    /// The verdict itself, where the gate ran.
    pub fn verdict(&self) -> Option<&Verdict> {
        match &self.state {
            StepState::Waiting | StepState::Running { .. } | StepState::NotRun { .. } => None,
            StepState::Done { outcome, .. } => Some(&outcome.verdict),
            StepState::Carried { verdict } => Some(verdict),
        }
    }
}
