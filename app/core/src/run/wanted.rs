//! What the forge should show of a run.

use serde::Serialize;
use sha2::{Digest, Sha256};

use super::{Preparation, Run, Step, StepState};
use crate::config::GateEvent;
use crate::report::{CheckStatus, Conclusion, ReportKey};
use crate::verdict::{Exit, VerdictStatus};

/// Part of every digest: a change of how reports are rendered makes it another, so that open runs are shown anew.
const RENDERING: u32 = 1;

impl Run {
    /// The reports that the forge should show now, each with a digest of what it is to show. A report whose digest is
    /// what was published last need not be published again.
    pub fn wanted(&self) -> Vec<(ReportKey, String)> {
        if !self.is_shown() {
            return Vec::new();
        }
        let mut wanted = Vec::new();
        for step in &self.steps {
            let key = ReportKey::Gate(step.gate.name.clone());
            // A carried verdict is shown by the earlier run's check. A step that was cancelled before its check was
            // ever made needs none.
            let carried = matches!(step.state, StepState::Carried { .. });
            let unseen = step.status() == Some(VerdictStatus::Cancelled) && !self.published.contains_key(&key);
            if !carried && !unseen {
                wanted.push((key, digest(&self.gate_status(step))));
            }
        }
        wanted.push((ReportKey::Aggregate, digest(&(self.aggregate_status(), self.gate_lines(Running::Shown)))));
        if self.has_comment() {
            wanted.push((ReportKey::Comment, digest(&(self.is_open(), self.gate_lines(Running::Hidden), self.conclusion()))));
        }
        wanted
    }

    /// Whether the run has anything to show. A run that was over before it was planned leaves no trace on the forge.
    fn is_shown(&self) -> bool {
        match self.preparation() {
            None | Some(Preparation::Stale { .. } | Preparation::Closed | Preparation::Gone { .. }) => false,
            Some(Preparation::NoConfig { head_problems }) => head_problems.is_some(),
            // Most pushes concern no gate at all; a check on each of them would only be noise.
            Some(Preparation::Planned { .. }) => !self.steps.is_empty() || self.spec.gate_event() != GateEvent::Push,
            Some(Preparation::ConfigBroken { .. }) => self.spec.gate_event() != GateEvent::Push,
            Some(Preparation::NeedsApproval) => true,
        }
    }

    /// The comment belongs to the newest run of a pull request, so a superseded run leaves it alone.
    fn has_comment(&self) -> bool {
        self.spec.subject.pull().is_some() && !self.superseded
    }

    /// Whether some gate is not over.
    pub fn is_open(&self) -> bool {
        !self.steps.iter().all(Step::is_over)
    }

    /// How far the aggregate check is.
    pub fn aggregate_status(&self) -> CheckStatus {
        let started_at = self.prepared_at();
        if self.is_open() {
            CheckStatus::InProgress { started_at }
        } else {
            let completed_at = self.steps.iter().filter_map(over_at).max().unwrap_or(started_at);
            CheckStatus::Completed { started_at: Some(started_at), completed_at, conclusion: self.conclusion() }
        }
    }

    /// How far a gate's check is.
    pub fn gate_status(&self, step: &Step) -> CheckStatus {
        match &step.state {
            StepState::Waiting => CheckStatus::Queued,
            StepState::Running { started_at, .. } => CheckStatus::InProgress { started_at: *started_at },
            StepState::Done { started_at, finished_at, outcome } => CheckStatus::Completed {
                started_at: Some(*started_at),
                completed_at: *finished_at,
                conclusion: gate_conclusion(outcome.verdict.status, &outcome.exit),
            },
            StepState::NotRun { at, status, .. } => CheckStatus::Completed {
                started_at: None,
                completed_at: *at,
                conclusion: gate_conclusion(*status, &Exit::Cancelled),
            },
            StepState::Carried { verdict } => CheckStatus::Completed {
                started_at: None,
                completed_at: self.created_at,
                conclusion: verdict.as_ref().map_or(Conclusion::Neutral, |v| gate_conclusion(v.status, &Exit::Cancelled)),
            },
        }
    }

    fn prepared_at(&self) -> jiff::Timestamp {
        self.prepared_at.unwrap_or(self.created_at)
    }

    fn gate_lines(&self, running: Running) -> Vec<(&str, &'static str, &str)> {
        let word = |step: &Step| match &step.state {
            StepState::Running { .. } if running == Running::Shown => "running",
            StepState::Waiting | StepState::Running { .. } => "waiting",
            StepState::Done { .. } => "done",
            StepState::NotRun { .. } => "not run",
            StepState::Carried { .. } => "carried",
        };
        self.steps
            .iter()
            .map(|step| (step.gate.name.as_str(), word(step), step.verdict().map_or("", |v| v.title.as_str())))
            .collect()
    }
}

/// Whether a report tells a running gate from a waiting one. The comment does not: each edit costs one of the few
/// writes that the forge allows.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Running {
    Shown,
    Hidden,
}

fn over_at(step: &Step) -> Option<jiff::Timestamp> {
    match &step.state {
        StepState::Done { finished_at, .. } => Some(*finished_at),
        StepState::NotRun { at, .. } => Some(*at),
        StepState::Waiting | StepState::Running { .. } | StepState::Carried { .. } => None,
    }
}

fn gate_conclusion(status: VerdictStatus, exit: &Exit) -> Conclusion {
    match (status, exit) {
        (VerdictStatus::Passed, _) => Conclusion::Success,
        (VerdictStatus::Failed | VerdictStatus::Errored, Exit::TimedOut { .. }) => Conclusion::TimedOut,
        (VerdictStatus::Failed | VerdictStatus::Errored, _) => Conclusion::Failure,
        (VerdictStatus::Cancelled, _) => Conclusion::Cancelled,
        (VerdictStatus::Skipped, _) => Conclusion::Skipped,
    }
}

fn digest(shown: &impl Serialize) -> String {
    let json = serde_json::to_vec(&(RENDERING, shown)).expect("reports hold only what JSON can say");
    hex::encode(&Sha256::digest(json)[..8])
}
