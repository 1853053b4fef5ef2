//! The run: a journal of events and the pure state machine over it.
//!
//! [`Run::apply`] takes what happened and refuses what cannot have happened. [`Run::next`] says what to do now. The
//! engine performs that and appends what came of it; the same journal gives the same run, wherever it is replayed.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;

use crate::config::GateConfig;
use crate::ids::{GateName, RunId};
use crate::plan::Applies;
use crate::report::{Conclusion, ReportKey};
use crate::store::JournalEntry;
use crate::verdict::{Exit, StepOutcome, Verdict, VerdictStatus};

mod event;
mod next;
#[cfg(test)]
mod tests;
mod wanted;

pub use event::{CancelReason, Cause, Preparation, Prepared, RunEvent, RunSpec, Signal};
pub use next::{Action, ActionKey, Next};

/// A journal says something that cannot have happened.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("run {run}: entry {seq} cannot follow: {why}")]
pub struct Impossible {
    /// The run.
    pub run: RunId,
    /// The entry's number.
    pub seq: u64,
    /// Why not.
    pub why: String,
}

/// A run as its journal tells it.
#[derive(Debug, Clone)]
pub struct Run {
    /// Its id.
    pub id: RunId,
    /// What it is to do.
    pub spec: RunSpec,
    /// The number of events applied.
    pub seq: u64,
    /// When it was accepted.
    pub created_at: Timestamp,
    /// Its pinned inputs, once there are any.
    pub prepared: Option<Prepared>,
    /// When they were pinned.
    pub prepared_at: Option<Timestamp>,
    /// Its steps, in the order of the file.
    pub steps: Vec<Step>,
    /// Why it is to stop, if it is.
    pub cancel: Option<CancelReason>,
    /// Whether a newer run of its subject has taken over, and with that the subject's comment.
    pub superseded: bool,
    /// The number of the last signal taken.
    pub signals_taken: u64,
    /// What was published.
    pub published: BTreeMap<ReportKey, PublishState>,
    /// How it ended, and when.
    pub finished: Option<(Conclusion, Timestamp)>,
    /// When the last event was applied.
    pub updated_at: Timestamp,
}

/// A gate within a run.
#[derive(Debug, Clone)]
pub struct Step {
    /// The gate.
    pub gate: GateConfig,
    /// How far it is.
    pub state: StepState,
    /// How often it was begun.
    pub attempts: u32,
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
        /// The verdict. None where the earlier run has none.
        verdict: Option<Box<Verdict>>,
    },
}

/// What is known of a report on the forge.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PublishState {
    /// What the forge shows, and the object's id.
    pub shown: Option<(String, u64)>,
    /// What the forge refused to show.
    pub refused: Option<String>,
}

impl Step {
    /// What the gate says, if it says anything yet.
    pub fn status(&self) -> Option<VerdictStatus> {
        match &self.state {
            StepState::Waiting | StepState::Running { .. } => None,
            StepState::Done { outcome, .. } => Some(outcome.verdict.status),
            StepState::NotRun { status, .. } => Some(*status),
            StepState::Carried { verdict } => verdict.as_ref().map(|v| v.status),
        }
    }

    /// Whether nothing more will happen to it.
    pub fn is_over(&self) -> bool {
        match &self.state {
            StepState::Waiting | StepState::Running { .. } => false,
            StepState::Done { .. } | StepState::NotRun { .. } | StepState::Carried { .. } => true,
        }
    }

    /// The verdict itself, where the gate ran.
    pub fn verdict(&self) -> Option<&Verdict> {
        match &self.state {
            StepState::Waiting | StepState::Running { .. } | StepState::NotRun { .. } => None,
            StepState::Done { outcome, .. } => Some(&outcome.verdict),
            StepState::Carried { verdict } => verdict.as_deref(),
        }
    }
}

impl Run {
    /// The run that this journal tells of.
    pub fn replay(id: RunId, journal: &[JournalEntry]) -> Result<Run, Impossible> {
        let impossible = |seq, why: &str| Impossible { run: id, seq, why: why.to_owned() };
        let (first, rest) = journal.split_first().ok_or_else(|| impossible(0, "the journal is empty"))?;
        let RunEvent::Created { spec } = &first.event else {
            return Err(impossible(0, "the first entry is not `created`"));
        };
        let mut run = Run {
            id,
            spec: (**spec).clone(),
            seq: 1,
            created_at: first.at,
            prepared: None,
            prepared_at: None,
            steps: Vec::new(),
            cancel: None,
            superseded: false,
            signals_taken: 0,
            published: BTreeMap::new(),
            finished: None,
            updated_at: first.at,
        };
        for entry in rest {
            if entry.seq != run.seq {
                return Err(impossible(entry.seq, "an entry is missing before it"));
            }
            run.apply(entry.at, &entry.event)?;
        }
        Ok(run)
    }

    /// Takes what happened. An error leaves the run as it was.
    pub fn apply(&mut self, at: Timestamp, event: &RunEvent) -> Result<(), Impossible> {
        self.check(event).map_err(|why| Impossible { run: self.id, seq: self.seq, why })?;
        match event {
            RunEvent::Created { .. } => {}
            RunEvent::Resumed { .. } => self.interrupt(),
            RunEvent::Signalled { n, signal } => {
                self.signals_taken = *n;
                self.take(signal);
            }
            RunEvent::Prepared { prepared } => self.prepare(prepared, at),
            RunEvent::StepStarted { gate, attempt } => {
                if let Some(step) = self.step_mut(gate) {
                    step.attempts = *attempt;
                    step.state = StepState::Running { attempt: *attempt, started_at: at };
                }
            }
            RunEvent::StepFinished { gate, outcome } => self.finish_step(gate, outcome, at),
            RunEvent::PublishBegun { key } => {
                self.published.entry(key.clone()).or_default();
            }
            RunEvent::Published { key, digest, id } => {
                self.published.entry(key.clone()).or_default().shown = Some((digest.clone(), *id));
            }
            RunEvent::PublishRefused { key, digest, .. } => {
                self.published.entry(key.clone()).or_default().refused = Some(digest.clone());
            }
            RunEvent::Finished { conclusion } => self.finished = Some((*conclusion, at)),
        }
        self.settle(at);
        self.seq += 1;
        self.updated_at = at;
        Ok(())
    }

    /// The step of a gate.
    pub fn step(&self, gate: &GateName) -> Option<&Step> {
        self.steps.iter().find(|step| &step.gate.name == gate)
    }

    fn step_mut(&mut self, gate: &GateName) -> Option<&mut Step> {
        self.steps.iter_mut().find(|step| &step.gate.name == gate)
    }

    /// Why this event cannot follow, if it cannot.
    fn check(&self, event: &RunEvent) -> Result<(), String> {
        if self.finished.is_some() {
            return Err("the run is finished".to_owned());
        }
        match event {
            RunEvent::Created { .. } => Err("it was created before".to_owned()),
            RunEvent::Resumed { .. } | RunEvent::PublishBegun { .. } => Ok(()),
            RunEvent::Published { key, .. } | RunEvent::PublishRefused { key, .. } => {
                let begun = self.published.contains_key(key);
                begun.then_some(()).ok_or_else(|| "the report was never begun".to_owned())
            }
            RunEvent::Signalled { n, .. } => {
                let next = self.signals_taken + 1;
                (*n == next).then_some(()).ok_or_else(|| format!("signal {next} is to be taken next"))
            }
            RunEvent::Prepared { .. } => self.prepared.is_none().then_some(()).ok_or_else(|| "it was prepared before".to_owned()),
            RunEvent::StepStarted { gate, attempt } => match self.step(gate) {
                Some(Step { state: StepState::Waiting, attempts, .. }) if *attempt == attempts + 1 => Ok(()),
                Some(_) | None => Err(format!("gate {gate} is not waiting for try {attempt}")),
            },
            RunEvent::StepFinished { gate, .. } => match self.step(gate).map(|step| &step.state) {
                Some(StepState::Running { .. }) => Ok(()),
                Some(StepState::Waiting | StepState::Done { .. } | StepState::NotRun { .. } | StepState::Carried { .. })
                | None => Err(format!("gate {gate} does not run")),
            },
            RunEvent::Finished { .. } => {
                let idle = self.steps.iter().all(Step::is_over);
                idle.then_some(()).ok_or_else(|| "a gate is not over".to_owned())
            }
        }
    }

    fn interrupt(&mut self) {
        for step in &mut self.steps {
            if let StepState::Running { .. } = step.state {
                step.state = StepState::Waiting;
            }
        }
    }

    fn take(&mut self, signal: &Signal) {
        match signal {
            Signal::Cancel { reason } => {
                self.superseded |= matches!(reason, CancelReason::Superseded { .. });
                // The first reason stands: it is what was done, and what people were told. A run whose gates are all
                // over is not stopped by anything: its verdicts are true, and only have to be shown.
                if self.cancel.is_none() && (self.prepared.is_none() || self.is_open()) {
                    self.cancel = Some(reason.clone());
                }
            }
        }
    }

    fn prepare(&mut self, prepared: &Prepared, at: Timestamp) {
        if let Preparation::Planned { plan, carried, .. } = &prepared.outcome {
            let state = |planned: &crate::plan::PlannedGate| match &planned.applies {
                Applies::Yes => StepState::Waiting,
                Applies::No { because } => StepState::NotRun { because: because.clone(), at, status: VerdictStatus::Skipped },
                Applies::NotAskedFor => StepState::Carried { verdict: carried.get(&planned.config.name).cloned().map(Box::new) },
            };
            let step = |planned| Step { state: state(planned), gate: planned.config.clone(), attempts: 0 };
            self.steps = plan.gates.iter().map(step).collect();
        }
        self.prepared = Some(prepared.clone());
        self.prepared_at = Some(at);
    }

    fn finish_step(&mut self, gate: &GateName, outcome: &StepOutcome, at: Timestamp) {
        if let Some(step) = self.step_mut(gate)
            && let StepState::Running { started_at, .. } = step.state
        {
            step.state = StepState::Done { started_at, finished_at: at, outcome: Box::new(outcome.clone()) };
        }
    }

    /// Gives steps that can no longer run their state: those of a cancelled run, and those whose needs did not pass.
    fn settle(&mut self, at: Timestamp) {
        // A step that is given up can be what another needs, so this goes on until nothing changes.
        while let Some((index, because, status)) = self.first_hopeless() {
            self.steps[index].state = StepState::NotRun { because, at, status };
        }
    }

    fn first_hopeless(&self) -> Option<(usize, String, VerdictStatus)> {
        self.steps.iter().enumerate().filter(|(_, step)| step.state == StepState::Waiting).find_map(|(index, step)| {
            if let Some(reason) = &self.cancel {
                return Some((index, reason.to_string(), VerdictStatus::Cancelled));
            }
            let lost = step.gate.needs.iter().find(|need| self.need(need) == Need::Lost)?;
            Some((index, format!("it needs `{lost}`, which did not pass"), VerdictStatus::Skipped))
        })
    }

    /// Whether what a gate needs is there.
    fn need(&self, gate: &GateName) -> Need {
        let Some(step) = self.step(gate) else { return Need::Lost };
        match &step.state {
            StepState::Waiting | StepState::Running { .. } => Need::Open,
            // A gate that does not apply here cannot fail here.
            StepState::NotRun { status: VerdictStatus::Skipped, .. } if self.does_not_apply(gate) => Need::Met,
            StepState::NotRun { .. } => Need::Lost,
            StepState::Carried { verdict: None } => Need::Met,
            StepState::Carried { verdict: Some(verdict) } => Need::of(verdict.status),
            StepState::Done { outcome, .. } => Need::of(outcome.verdict.status),
        }
    }

    fn does_not_apply(&self, gate: &GateName) -> bool {
        let Some(Prepared { outcome: Preparation::Planned { plan, .. }, .. }) = &self.prepared else { return false };
        plan.gates.iter().any(|planned| &planned.config.name == gate && matches!(planned.applies, Applies::No { .. }))
    }

    /// How the run ends or has ended, given what its gates say now.
    pub fn conclusion(&self) -> Conclusion {
        if self.cancel.is_some() {
            return Conclusion::Cancelled;
        }
        match self.prepared.as_ref().map(|prepared| &prepared.outcome) {
            None | Some(Preparation::Stale { .. } | Preparation::Closed | Preparation::Gone { .. }) => Conclusion::Cancelled,
            Some(Preparation::NoConfig { head_problems: None }) => Conclusion::Neutral,
            Some(Preparation::NoConfig { head_problems: Some(problems) }) if problems.is_empty() => Conclusion::Neutral,
            Some(Preparation::NoConfig { .. } | Preparation::ConfigBroken { .. }) => Conclusion::Failure,
            Some(Preparation::NeedsApproval) => Conclusion::ActionRequired,
            Some(Preparation::Planned { head_problems, .. }) => self.gates_conclusion(head_problems.is_empty()),
        }
    }

    fn gates_conclusion(&self, file_is_valid: bool) -> Conclusion {
        let bad = |step: &&Step| match step.status() {
            Some(VerdictStatus::Failed | VerdictStatus::Errored | VerdictStatus::Cancelled) => step.gate.required,
            Some(VerdictStatus::Passed | VerdictStatus::Skipped) | None => false,
        };
        let bad: Vec<&Step> = self.steps.iter().filter(bad).collect();
        let timed_out = |step: &&Step| match &step.state {
            StepState::Done { outcome, .. } => matches!(outcome.exit, Exit::TimedOut { .. }),
            StepState::Waiting | StepState::Running { .. } | StepState::NotRun { .. } | StepState::Carried { .. } => false,
        };
        if !file_is_valid {
            Conclusion::Failure
        } else if bad.is_empty() {
            Conclusion::Success
        } else if bad.iter().all(timed_out) {
            Conclusion::TimedOut
        } else {
            Conclusion::Failure
        }
    }
}

/// Whether what a gate needs is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Need {
    Met,
    Open,
    Lost,
}

impl Need {
    fn of(status: VerdictStatus) -> Need {
        match status {
            VerdictStatus::Passed | VerdictStatus::Skipped => Need::Met,
            VerdictStatus::Failed | VerdictStatus::Errored | VerdictStatus::Cancelled => Need::Lost,
        }
    }
}

impl std::fmt::Display for CancelReason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            CancelReason::Superseded { commit, .. } => write!(f, "superseded by a newer run at {}", commit.short()),
            CancelReason::Closed => f.write_str("the pull request was closed"),
            CancelReason::User { login } => write!(f, "stopped by {login}"),
        }
    }
}
