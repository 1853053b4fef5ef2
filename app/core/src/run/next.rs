//! What a run wants done now.

use super::gates::Need;
use jiff::Timestamp;

use super::agent::{AgentAction, AgentKey};
use super::notice::NoticeAction;
use super::permit::PermitAction;
use super::release::ReleaseAction;
use super::rollout::{RolloutAction, RolloutKey, Wanted};
use super::{Command, Gates, Kind, Run, Step, StepState};
use crate::ids::GateName;
use crate::report::{Conclusion, Known, ReportKey};
use crate::run::RunEvent;

/// What a run wants done now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    /// These, in any order and at the same time. What is under way already is named again until it has ended; what is
    /// no longer named can be given up.
    Perform {
        /// What.
        actions: Vec<Action>,
        /// When something else will be wanted, whatever happens until then.
        wake_at: Option<Timestamp>,
    },
    /// Nothing any more.
    Over(Conclusion),
}

/// Something to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Pin the inputs and plan; then supersede older runs about the same subject.
    Prepare,
    /// Wait for a slot for this gate, then say that it starts.
    Claim {
        /// The gate.
        gate: GateName,
        /// Which try it will be, from 1.
        attempt: u32,
    },
    /// Run this gate's step and judge it.
    Execute {
        /// The gate.
        gate: GateName,
        /// Which try it is.
        attempt: u32,
    },
    /// Stop this gate's step.
    Stop {
        /// The gate.
        gate: GateName,
    },
    /// Weigh what was said: who may do it, and what it comes to.
    Rule,
    /// Do all that was ruled.
    Obey,
    /// Go on with a release.
    Release(ReleaseAction),
    /// Go on with a rollout.
    Rollout(RolloutAction),
    /// Go on with a pipeline of agents.
    Agent(AgentAction),
    /// Tell people something.
    Notice(NoticeAction),
    /// Go on with the answer to a workflow that waits.
    Permit(PermitAction),
    /// Make the forge show a report.
    Publish {
        /// Its key.
        key: ReportKey,
        /// What it is to show.
        digest: String,
        /// What is known of it.
        known: Known,
        /// Whether this run publishes it for the first time.
        first: bool,
    },
    /// Leave the run to a person, now that what the forge shows says so.
    SetAside {
        /// Why.
        cause: String,
    },
    /// Say that the run is over.
    Finish {
        /// How.
        conclusion: Conclusion,
    },
}

/// Names an action for as long as it is wanted.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ActionKey {
    /// [`Action::Prepare`].
    Prepare,
    /// [`Action::Claim`].
    Claim(GateName),
    /// [`Action::Execute`].
    Execute(GateName),
    /// [`Action::Stop`].
    Stop(GateName),
    /// [`Action::Rule`].
    Rule,
    /// [`Action::Obey`].
    Obey,
    /// [`Action::Release`].
    Release(ReleaseAction),
    /// [`Action::Rollout`].
    Rollout(RolloutKey),
    /// [`Action::Agent`].
    Agent(AgentKey),
    /// [`Action::Notice`].
    Notice(NoticeAction),
    /// [`Action::Permit`].
    Permit(PermitAction),
    /// [`Action::Publish`]. One report is published by one hand at a time.
    Publish(ReportKey),
    /// [`Action::SetAside`].
    SetAside,
    /// [`Action::Finish`].
    Finish,
}

impl Action {
    /// The action's name.
    pub fn key(&self) -> ActionKey {
        match self {
            Action::Prepare => ActionKey::Prepare,
            Action::Claim { gate, .. } => ActionKey::Claim(gate.clone()),
            Action::Execute { gate, .. } => ActionKey::Execute(gate.clone()),
            Action::Stop { gate } => ActionKey::Stop(gate.clone()),
            Action::Rule => ActionKey::Rule,
            Action::Obey => ActionKey::Obey,
            Action::Release(action) => ActionKey::Release(action.clone()),
            Action::Rollout(action) => ActionKey::Rollout(action.key()),
            Action::Agent(action) => ActionKey::Agent(action.key()),
            Action::Notice(action) => ActionKey::Notice(action.clone()),
            Action::Permit(action) => ActionKey::Permit(*action),
            Action::Publish { key, .. } => ActionKey::Publish(key.clone()),
            Action::SetAside { .. } => ActionKey::SetAside,
            Action::Finish { .. } => ActionKey::Finish,
        }
    }

    /// What must be in the journal before the action is performed for the first time, so that after a crash it is known
    /// that it may have been.
    pub fn begins(&self) -> Option<RunEvent> {
        match self {
            Action::Publish { key, first: true, .. } => Some(RunEvent::PublishBegun { key: key.clone() }),
            Action::Agent(action) => action.begins().map(|event| RunEvent::Agent { event: Box::new(event) }),
            Action::Publish { .. }
            | Action::Prepare
            | Action::Claim { .. }
            | Action::Execute { .. }
            | Action::Stop { .. }
            | Action::Rule
            | Action::Obey
            | Action::Release(_)
            | Action::Rollout(_)
            | Action::Notice(_)
            | Action::Permit(_)
            | Action::SetAside { .. }
            | Action::Finish { .. } => None,
        }
    }
}

impl Run {
    /// What is to be done now.
    pub fn next(&self, now: Timestamp) -> Next {
        if let Some((conclusion, _)) = self.finished {
            return Next::Over(conclusion);
        }
        if let Some((cause, _)) = &self.given_up {
            let publish = self.publish_actions();
            let aside = Action::SetAside { cause: cause.clone() };
            return Next::Perform { actions: if publish.is_empty() { vec![aside] } else { publish }, wake_at: None };
        }
        let (mut actions, wake_at, over) = match &self.kind {
            Kind::Gates(gates) => gates.next(),
            Kind::Command(command) => command.next(),
            Kind::Release(release) => {
                let refused =
                    self.published.get(&ReportKey::Release).is_some_and(|state| state.shown.is_none() && state.refused.is_some());
                // Where nothing is there before it is published, artefacts follow it; where nothing will be there, none do.
                let alone = refused || !self.repo.forge.has_draft_releases();
                let shown = |key: &ReportKey| {
                    let settled = self.published.get(key).is_some_and(|state| state.shown.is_some() || state.refused.is_some());
                    settled || alone && matches!(key, ReportKey::Asset(_))
                };
                let (actions, wake_at, over) = release.next(now, shown, !self.is_to_publish(&ReportKey::Release));
                (actions.into_iter().map(Action::Release).collect(), wake_at, over)
            }
            Kind::Rollout(rollout) => {
                let Wanted { actions, wake_at, over } = rollout.next(now);
                (actions.into_iter().map(Action::Rollout).collect(), wake_at, over)
            }
            Kind::Permit(permit) => {
                let (actions, wake_at, over) = permit.next(now);
                (actions.into_iter().map(Action::Permit).collect(), wake_at, over)
            }
            Kind::Notice(notice) => {
                let (actions, wake_at, over) = notice.next(now);
                (actions.into_iter().map(Action::Notice).collect(), wake_at, over)
            }
            Kind::Agent(agent) => {
                let (actions, wake_at, over) = agent.next(now);
                (actions.into_iter().map(Action::Agent).collect(), wake_at, over)
            }
        };
        actions.extend(self.publish_actions());
        if actions.is_empty() && over {
            actions.push(Action::Finish { conclusion: self.conclusion() });
        }
        Next::Perform { actions, wake_at }
    }

    /// Whether a report is wanted that the forge does not show, and has not refused.
    fn is_to_publish(&self, wanted: &ReportKey) -> bool {
        self.publish_actions().iter().any(|action| matches!(action, Action::Publish { key, .. } if key == wanted))
    }

    fn publish_actions(&self) -> Vec<Action> {
        let action = |(key, digest): (ReportKey, String)| {
            let state = self.published.get(&key);
            let settled = state.is_some_and(|s| {
                s.refused.as_ref() == Some(&digest) || s.shown.as_ref().is_some_and(|(shown, _)| *shown == digest)
            });
            let known = self.known(&key);
            (!settled).then_some(Action::Publish { key, digest, known, first: state.is_none() })
        };
        self.wanted().into_iter().filter_map(action).collect()
    }
}

impl Gates {
    /// What is to be done beside publishing, and whether the rest is only that.
    fn next(&self) -> (Vec<Action>, Option<Timestamp>, bool) {
        if self.prepared.is_none() && self.cancel.is_none() {
            return (vec![Action::Prepare], None, false);
        }
        (self.steps.iter().filter_map(|step| self.step_action(step)).collect(), None, self.steps.iter().all(Step::is_over))
    }

    fn step_action(&self, step: &Step) -> Option<Action> {
        let gate = step.gate.name.clone();
        match &step.state {
            StepState::Waiting => {
                let ready = step.gate.needs.iter().all(|need| self.need(need) == Need::Met);
                ready.then_some(Action::Claim { gate, attempt: step.attempts + 1 })
            }
            StepState::Running { .. } if self.cancel.is_some() => Some(Action::Stop { gate }),
            StepState::Running { attempt, .. } => Some(Action::Execute { gate, attempt: *attempt }),
            StepState::Done { .. } | StepState::NotRun { .. } | StepState::Carried { .. } => None,
        }
    }
}

impl Command {
    /// What is to be done beside publishing, and whether the rest is only that.
    fn next(&self) -> (Vec<Action>, Option<Timestamp>, bool) {
        match (&self.ruled, self.obeyed) {
            (None, _) => (vec![Action::Rule], None, false),
            (Some(_), false) => (vec![Action::Obey], None, false),
            (Some(_), true) => (Vec::new(), None, true),
        }
    }
}
