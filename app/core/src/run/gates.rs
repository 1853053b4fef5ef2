//! The machine that checks a commit: prepare, run the gates as their needs allow, show what they say.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::event::{CancelReason, Preparation, Prepared, RunEvent, Signal};
use super::spec::GatesSpec;
use crate::config::{GateEvent, Pushed};
use crate::ids::{GateName, RunId, Subject};
use crate::order::{Order, OrderChange, OrderKey, Ordered};
use crate::plan::{Applies, PlannedGate};
use crate::report::{Conclusion, ScanOf};
use crate::verdict::{Exit, StepOutcome, VerdictStatus};

mod step;

pub use step::{Step, StepState, Waiver};

/// The gates of one commit, as far as they are.
#[derive(Debug, Clone)]
pub struct Gates {
    /// What is to be run.
    pub spec: GatesSpec,
    /// What the commit is part of.
    pub subject: Subject,
    /// When the run was accepted.
    pub created_at: Timestamp,
    /// The pinned inputs, once there are any.
    pub prepared: Option<Prepared>,
    /// When they were pinned.
    pub prepared_at: Option<Timestamp>,
    /// The steps, in the order of the file.
    pub steps: Vec<Step>,
    /// Why it is to stop, if it is.
    pub cancel: Option<CancelReason>,
    /// Whether a newer run of the subject has taken over, and with that the subject's comment.
    pub superseded: bool,
    /// The subject's standing orders as far as the run knows of them, and those that were taken back, each with the run
    /// that said so last.
    orders: BTreeMap<OrderKey, (RunId, Option<Order>)>,
    /// When the run was given up, as long as it is: what is not over then has failed.
    given_up_at: Option<Timestamp>,
}

impl Gates {
    pub(super) fn new(spec: GatesSpec, subject: Subject, created_at: Timestamp) -> Gates {
        Gates {
            spec,
            subject,
            created_at,
            prepared: None,
            prepared_at: None,
            steps: Vec::new(),
            cancel: None,
            superseded: false,
            orders: BTreeMap::new(),
            given_up_at: None,
        }
    }

    /// The kind of event that gates are picked by.
    pub fn event(&self) -> GateEvent {
        match self.subject {
            Subject::Pull { .. } | Subject::Issue { .. } | Subject::Agents { .. } | Subject::Commands { .. } => {
                GateEvent::PullRequest
            }
            Subject::MergeGroup { .. } => GateEvent::MergeGroup,
            Subject::Branch { .. }
            | Subject::Tag { .. }
            | Subject::Release { .. }
            | Subject::Notice { .. }
            | Subject::Permit { .. }
            | Subject::Environment { .. } => GateEvent::Push,
        }
    }

    /// Where the commit was pushed to, if that is what the run is about.
    pub fn pushed(&self) -> Pushed {
        match self.subject {
            // The file that counts is the pushed commit's own on the default branch alone.
            Subject::Branch { .. } if self.spec.config_ref.is_none() => Pushed::DefaultBranch,
            Subject::Tag { .. } => Pushed::Tag,
            Subject::Branch { .. }
            | Subject::Pull { .. }
            | Subject::Issue { .. }
            | Subject::MergeGroup { .. }
            | Subject::Release { .. }
            | Subject::Environment { .. }
            | Subject::Notice { .. }
            | Subject::Permit { .. }
            | Subject::Agents { .. }
            | Subject::Commands { .. } => Pushed::Elsewhere,
        }
    }

    pub(super) fn apply(&mut self, at: Timestamp, event: &RunEvent) {
        match event {
            RunEvent::Resumed { .. } => {
                self.given_up_at = None;
                self.interrupt();
            }
            RunEvent::GivenUp { .. } => {
                self.given_up_at = Some(at);
                self.interrupt();
            }
            RunEvent::Signalled { signal, .. } => self.take(signal),
            RunEvent::Prepared { prepared } => self.prepare(prepared, at),
            RunEvent::StepStarted { gate, attempt } => {
                if let Some(step) = self.step_mut(gate) {
                    step.attempts = *attempt;
                    step.state = StepState::Running { attempt: *attempt, started_at: at };
                }
            }
            RunEvent::StepFinished { gate, outcome } => self.finish_step(gate, outcome, at),
            _ => {}
        }
        self.settle(at);
    }

    /// Why this event cannot follow, if it cannot.
    pub(super) fn check(&self, event: &RunEvent) -> Result<(), String> {
        match event {
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
            _ => Ok(()),
        }
    }

    pub(super) fn given_up_at(&self) -> Option<Timestamp> {
        self.given_up_at
    }

    /// The branch that this is to be merged into, or that was pushed to: as the forge had it when the run was prepared.
    pub fn base_ref(&self) -> &str {
        let pull = self.prepared.as_ref().and_then(|prepared| prepared.pull.as_ref());
        pull.map_or(&self.spec.base_ref, |pull| &pull.base_ref)
    }

    /// What code scanning is to know the commit as. None where findings are not for it: those of a merge group's commit, which
    /// is on no branch that anybody sees, and those of a fork, which the forge takes from nobody but its own jobs.
    pub fn scan_of(&self) -> Option<ScanOf> {
        if let Subject::Branch { name } = &self.subject {
            return Some(ScanOf::Branch(name.clone()));
        }
        let number = self.subject.pull()?;
        let fork = self.prepared.as_ref().and_then(|prepared| prepared.pull.as_ref()).is_none_or(|pull| pull.fork);
        (!fork).then_some(ScanOf::Pull(number))
    }

    /// Whether nothing is asked to run: what the forge shows is to be drawn anew, since an order has changed it.
    pub fn is_redraw(&self) -> bool {
        self.spec.only.as_ref().is_some_and(Vec::is_empty)
    }

    /// The step of a gate.
    pub fn step(&self, gate: &GateName) -> Option<&Step> {
        self.steps.iter().find(|step| &step.gate.name == gate)
    }

    fn step_mut(&mut self, gate: &GateName) -> Option<&mut Step> {
        self.steps.iter_mut().find(|step| &step.gate.name == gate)
    }

    /// The plan's preparation, where there is one.
    pub fn preparation(&self) -> Option<&Preparation> {
        self.prepared.as_ref().map(|prepared| &prepared.outcome)
    }

    /// The standing order of this key that holds for the run's commit.
    pub fn order(&self, key: &OrderKey) -> Option<&Order> {
        let (_, order) = self.orders.get(key)?;
        order.as_ref().filter(|order| order.commit().is_none_or(|commit| *commit == self.spec.head))
    }

    /// Whether somebody keeps the subject from being merged.
    pub fn is_held(&self) -> bool {
        self.order(&OrderKey::Hold).is_some()
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
            Signal::Order { change } => self.take_order(change),
            Signal::Release { .. } | Signal::Rollout { .. } => {}
            Signal::Cancel { reason } => {
                self.superseded |= matches!(reason, CancelReason::Superseded { .. });
                // The first reason stands: it is what was done, and what people were told.
                if self.cancel.is_none() && self.heeds(reason) {
                    self.cancel = Some(reason.clone());
                }
            }
        }
    }

    /// Whether a reason to stop stops anything.
    fn heeds(&self, reason: &CancelReason) -> bool {
        match (&self.prepared, reason) {
            // It shows what somebody has ordered. Who stops what runs does not take that back.
            (None, CancelReason::User { .. }) => !self.is_redraw(),
            (None, CancelReason::Superseded { .. } | CancelReason::Closed) => true,
            // A run whose gates are all over is not stopped by anything: its verdicts are true, and only have to be shown.
            (Some(_), _) => self.is_open(),
        }
    }

    fn take_order(&mut self, change: &OrderChange) {
        let (key, run, order) = match change {
            OrderChange::Set { order } => (order.key(), order.run, Some(order.clone())),
            OrderChange::Clear { key, run } => (key.clone(), *run, None),
            // A run stays at its commit, and its gates are nobody's alone.
            OrderChange::MovedTo { .. } | OrderChange::Take { .. } | OrderChange::Yield { .. } => return,
        };
        // What was read when the run was prepared may be older than what it was told.
        if self.orders.get(&key).is_none_or(|(newest, _)| *newest <= run) {
            self.orders.insert(key, (run, order));
        }
        self.waive();
    }

    /// Marks the steps that somebody has skipped, and gives those another chance that needed one of them.
    fn waive(&mut self) {
        let before = self.steps.iter().filter(|step| step.waiver.is_some()).count();
        self.mark_waived();
        let waived = self.steps.iter().filter(|step| step.waiver.is_some()).count();
        if waived == before || self.cancel.is_some() {
            return;
        }
        let lost: Vec<usize> = (0..self.steps.len()).filter(|index| self.was_lost(&self.steps[*index])).collect();
        for index in lost {
            self.steps[index].state = StepState::Waiting;
        }
    }

    /// Whether a step did not run only since what it needs did not pass. What of these is still hopeless settles again.
    fn was_lost(&self, step: &Step) -> bool {
        let lost = matches!(step.state, StepState::NotRun { status: VerdictStatus::Skipped | VerdictStatus::Errored, .. });
        lost && step.waiver.is_none() && !self.does_not_apply(&step.gate.name)
    }

    fn mark_waived(&mut self) {
        let orders = std::mem::take(&mut self.orders);
        for (_, order) in orders.values() {
            if let Some(Order { by, what: Ordered::Skip { gate, commit, reason }, .. }) = order
                && *commit == self.spec.head
                && let Some(step) = self.step_mut(gate)
            {
                step.waiver = Some(Waiver { by: by.login.clone(), reason: reason.clone() });
            }
        }
        self.orders = orders;
    }

    fn prepare(&mut self, prepared: &Prepared, at: Timestamp) {
        if let Preparation::Planned { plan, carried, .. } = &prepared.outcome {
            let state = |planned: &PlannedGate| match (&planned.applies, carried.get(&planned.config.name)) {
                (Applies::No { because }, _) => {
                    StepState::NotRun { because: because.clone(), at, status: VerdictStatus::Skipped }
                }
                (Applies::NotAskedFor, Some(verdict)) => StepState::Carried { verdict: Box::new(verdict.clone()) },
                // A gate that was not asked for and of which no verdict stands runs all the same: a commit passes when all
                // its gates have, not when those have that somebody named.
                (Applies::NotAskedFor, None) | (Applies::Yes, _) => StepState::Waiting,
            };
            let step = |planned| Step { state: state(planned), gate: planned.config.clone(), attempts: 0, waiver: None };
            self.steps = plan.gates.iter().map(step).collect();
        }
        self.prepared = Some(prepared.clone());
        self.prepared_at = Some(at);
        for order in &prepared.orders {
            self.take_order(&OrderChange::Set { order: order.clone() });
        }
        self.waive();
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
            if let Some(Waiver { by, .. }) = &step.waiver {
                return Some((index, format!("skipped by {by}"), VerdictStatus::Skipped));
            }
            let lost = step.gate.needs.iter().find(|need| self.need(need) == Need::Lost)?;
            // Where an advisory gate is in the way nothing else would tell that a required one has said nothing, and its silence is no pass.
            let silent = step.gate.required && self.step(lost).is_some_and(|lost| !lost.gate.required);
            let status = if silent { VerdictStatus::Errored } else { VerdictStatus::Skipped };
            Some((index, format!("it needs `{lost}`, which did not pass"), status))
        })
    }

    /// Whether what a gate needs is there.
    pub(super) fn need(&self, gate: &GateName) -> Need {
        // A gate that the plan leaves out does not apply to what is going on, so it cannot fail here.
        let Some(step) = self.step(gate) else { return Need::Met };
        if step.waiver.is_some() && step.is_over() {
            return Need::Met;
        }
        match &step.state {
            StepState::Waiting | StepState::Running { .. } => Need::Open,
            // A gate that does not apply here cannot fail here.
            StepState::NotRun { status: VerdictStatus::Skipped, .. } if self.does_not_apply(gate) => Need::Met,
            StepState::NotRun { .. } => Need::Lost,
            StepState::Carried { verdict } => Need::of(verdict.status),
            StepState::Done { outcome, .. } => Need::of(outcome.verdict.status),
        }
    }

    /// Whether a gate is none of what is checked here: its `when` says so, or the plan has none of that name.
    pub fn does_not_apply(&self, gate: &GateName) -> bool {
        let Some(Prepared { outcome: Preparation::Planned { plan, .. }, .. }) = &self.prepared else { return false };
        plan.gates.iter().any(|planned| &planned.config.name == gate && matches!(planned.applies, Applies::No { .. }))
    }

    /// How the run ends or has ended, given what its gates say now.
    pub fn conclusion(&self) -> Conclusion {
        match self.conclusion_of_gates() {
            Conclusion::Success | Conclusion::Neutral | Conclusion::Skipped if self.is_held() => Conclusion::ActionRequired,
            conclusion => conclusion,
        }
    }

    fn conclusion_of_gates(&self) -> Conclusion {
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
            Some(VerdictStatus::Failed | VerdictStatus::Errored | VerdictStatus::Cancelled) => {
                step.gate.required && step.waiver.is_none()
            }
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
pub(super) enum Need {
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
            CancelReason::Closed => f.write_str("it was closed"),
            CancelReason::User { login } => write!(f, "stopped by {login}"),
        }
    }
}
