//! The machine that makes a release of a tag: find out what it is, have its gates say yes, plan every environment, let the forge show it,
//! and start a rollout for each environment.

use jiff::{SignedDuration, Timestamp};

use super::event::{CancelReason, RunEvent, Signal};
use super::rollout::RolloutState;
use crate::config::Notes;
use crate::ids::{CommitId, EnvironmentName, RunId};
use crate::report::{Conclusion, ReportKey};
use crate::rollout::Release;

mod said;
#[cfg(test)]
mod tests;

pub use said::{
    Artefact, ChangelogEntry, GatesState, PlannedEnvironment, Refusal, ReleaseEvent, ReleaseSpec, ReleaseWord, Valid,
};

/// A tag that is made a release of.
#[derive(Debug, Clone)]
pub struct ReleaseRun {
    /// What is to be done.
    pub spec: ReleaseSpec,
    /// When it was accepted.
    pub created_at: Timestamp,
    /// What the tag is, once that is known.
    pub valid: Option<Box<Valid>>,
    /// Why it is none.
    pub refused: Option<Refusal>,
    /// How its gates stand.
    pub gates: Option<GatesState>,
    /// What would be done in each environment.
    pub planned: Option<Vec<PlannedEnvironment>>,
    /// What is new. Markdown, made by us.
    pub notes: String,
    /// What is given out with the release.
    pub artefacts: Vec<Artefact>,
    /// Whether the forge's release is there in full.
    pub drafted: bool,
    /// What becomes of the changelog file, once it was looked.
    pub changelog: Option<ChangelogEntry>,
    /// Its rollouts, in the order of the file, with how each stands as far as it has told.
    pub rollouts: Option<Vec<(EnvironmentName, RunId, Option<RolloutState>)>>,
    /// What rollouts told before it was written down that they were started.
    early: Vec<(RunId, RolloutState)>,
    /// Whether somebody may have moved or deleted the tag.
    pub tag_doubtful: bool,
    /// So often it was told that somebody may have.
    pub tag_told: u64,
    /// What has happened to the tag since, for people.
    pub tag_trouble: Option<String>,
    /// Why it is to stop.
    pub cancel: Option<CancelReason>,
    /// When it last changed.
    pub since: Timestamp,
}

/// Something to be done for a release.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ReleaseAction {
    /// Find out what the tag is.
    Validate,
    /// Find what its gates say, and have them run where nothing is known.
    Gates,
    /// Look at every environment.
    Plan,
    /// See that everything that belongs to the forge's release is there.
    Draft,
    /// Start the rollouts.
    Start,
    /// Look what the changelog file is to say.
    Changelog,
    /// Look where the tag points.
    LookAtTag,
}

impl ReleaseRun {
    pub(super) fn new(spec: ReleaseSpec, created_at: Timestamp) -> ReleaseRun {
        ReleaseRun {
            spec,
            created_at,
            valid: None,
            refused: None,
            gates: None,
            planned: None,
            notes: String::new(),
            artefacts: Vec::new(),
            drafted: false,
            changelog: None,
            rollouts: None,
            early: Vec::new(),
            tag_doubtful: false,
            tag_told: 0,
            tag_trouble: None,
            cancel: None,
            since: created_at,
        }
    }

    /// The release, once it is known to be one.
    pub fn release(&self) -> Option<&Release> {
        self.valid.as_ref().map(|valid| &valid.release)
    }

    /// Why it goes no further, for people. None while nothing is wrong.
    pub fn problem(&self) -> Option<String> {
        if let Some(Refusal::Invalid { because, .. } | Refusal::NotOne { because }) = &self.refused {
            return Some(because.clone());
        }
        if let (Some(trouble), None) = (&self.tag_trouble, &self.rollouts) {
            return Some(trouble.clone());
        }
        if let Some(reason) = &self.cancel {
            return Some(reason.to_string());
        }
        if let Some(GatesState::Failed { because, .. }) = &self.gates {
            return Some(because.clone());
        }
        let planned = self.planned.as_ref()?;
        let problems: Vec<String> = planned
            .iter()
            .filter_map(|environment| Some(format!("{}: {}", environment.name, environment.problem.as_ref()?)))
            .collect();
        (!problems.is_empty()).then(|| problems.join("; "))
    }

    /// Whether people are to be told of it: it is, or should have been, a release.
    pub fn is_one(&self) -> bool {
        self.valid.is_some() || matches!(self.refused, Some(Refusal::Invalid { .. }))
    }

    /// Whether the forge may show the release to everybody.
    pub fn is_published(&self) -> bool {
        self.drafted && self.problem().is_none()
    }

    /// The changelog file that its notes go into. A pre-release has none: the notes of the final one tell all of it.
    pub fn changelog_file(&self) -> Option<&str> {
        let valid = self.valid.as_ref().filter(|valid| !valid.prerelease)?;
        valid.config.changelog.as_deref()
    }

    /// What belongs to the forge's release.
    pub(super) fn draft(&self) -> impl Iterator<Item = ReportKey> {
        let made = self.valid.as_ref().is_some_and(|valid| valid.config.notes != Notes::None) && self.planned.is_some();
        let assets = self.artefacts.iter().map(|artefact| ReportKey::Asset(artefact.name.clone()));
        [ReportKey::Release].into_iter().chain(assets).filter(move |_| made && self.problem().is_none())
    }

    /// The pull request that is told what becomes of it.
    pub fn pull(&self) -> Option<u64> {
        match &self.refused {
            Some(Refusal::Invalid { pull, .. }) => *pull,
            Some(Refusal::NotOne { .. }) | None => self.release().and_then(|release| release.pull),
        }
    }

    pub(super) fn conclusion(&self) -> Conclusion {
        if let Some(Refusal::NotOne { .. }) = self.refused {
            return Conclusion::Skipped;
        }
        if self.cancel.is_some() {
            return Conclusion::Cancelled;
        }
        if self.problem().is_some() {
            return Conclusion::Failure;
        }
        let states = self.rollouts.iter().flatten().map(|(_, _, state)| state.as_ref());
        let bad = |state: &RolloutState| matches!(state, RolloutState::RolledBack { .. } | RolloutState::RollingBack { .. });
        match states.flatten().any(bad) {
            true => Conclusion::Failure,
            false => Conclusion::Success,
        }
    }

    /// What is to be done beside publishing, when that may change by itself, and whether there is nothing more to come.
    /// `settled` says whether the forge shows a report, or will not; `published` whether it shows the release as it is to be now, or
    /// will not.
    pub(super) fn next(
        &self,
        now: Timestamp,
        settled: impl Fn(&ReportKey) -> bool,
        published: bool,
    ) -> (Vec<ReleaseAction>, Option<Timestamp>, bool) {
        if self.valid.is_none() && self.refused.is_none() && self.cancel.is_none() {
            return (vec![ReleaseAction::Validate], None, false);
        }
        let started = self.rollouts.is_some();
        if self.tag_doubtful && self.problem().is_none() {
            return (vec![ReleaseAction::LookAtTag], None, false);
        }
        if !started && self.problem().is_some() {
            return (Vec::new(), None, true);
        }
        match &self.gates {
            None => return (vec![ReleaseAction::Gates], None, false),
            Some(GatesState::Running { look_at, .. }) if *look_at <= now => return (vec![ReleaseAction::Gates], None, false),
            Some(GatesState::Running { look_at, .. }) => return (Vec::new(), Some(*look_at), false),
            Some(GatesState::Passed { .. } | GatesState::Failed { .. }) => {}
        }
        if self.planned.is_none() {
            return (vec![ReleaseAction::Plan], None, false);
        }
        if !self.drafted {
            let there = self.draft().all(|key| settled(&key));
            return (if there { vec![ReleaseAction::Draft] } else { Vec::new() }, None, false);
        }
        let Some(rollouts) = &self.rollouts else { return (vec![ReleaseAction::Start], None, false) };
        let over = rollouts.iter().all(|(_, _, state)| state.as_ref().is_some_and(RolloutState::is_over));
        // Rollouts tell how they stand. One that was set aside tells nothing, so this wait has no end of its own but is no work either.
        let wake = now.checked_add(SignedDuration::from_hours(1)).unwrap_or(Timestamp::MAX);
        let changelog = published && self.changelog_file().is_some() && self.changelog.is_none();
        let actions = if changelog { vec![ReleaseAction::Changelog] } else { Vec::new() };
        (actions, (!over).then_some(wake), over)
    }

    pub(super) fn apply(&mut self, at: Timestamp, event: &RunEvent) {
        match event {
            RunEvent::Signalled { signal, .. } => self.take(signal),
            RunEvent::Release { event } => self.happened(at, event),
            _ => {}
        }
    }

    fn take(&mut self, signal: &Signal) {
        match signal {
            // What has been started is its rollouts' matter.
            Signal::Cancel { reason } if self.rollouts.is_none() && self.cancel.is_none() => self.cancel = Some(reason.clone()),
            Signal::Cancel { .. } | Signal::Order { .. } | Signal::Rollout { .. } => {}
            Signal::Release { word } => match word {
                ReleaseWord::Rollout { run, state, .. } => {
                    match &mut self.rollouts {
                        Some(rollouts) => tell(rollouts, *run, state),
                        // After a crash the rollouts may be further than this journal.
                        None => self.early.push((*run, state.clone())),
                    }
                }
                ReleaseWord::TagChanged => {
                    self.tag_doubtful = true;
                    self.tag_told += 1;
                }
                ReleaseWord::Look => {
                    if let Some(GatesState::Running { look_at, .. }) = &mut self.gates {
                        *look_at = Timestamp::MIN;
                    }
                }
            },
        }
    }

    fn happened(&mut self, at: Timestamp, event: &ReleaseEvent) {
        self.since = at;
        match event {
            ReleaseEvent::Validated { valid } => self.valid = Some(valid.clone()),
            ReleaseEvent::Refused { refusal } => self.refused = Some(refusal.clone()),
            ReleaseEvent::Gates { state } => self.gates = Some(state.clone()),
            ReleaseEvent::Planned { environments, notes, artefacts } => {
                self.planned = Some(environments.clone());
                self.notes.clone_from(notes);
                self.artefacts.clone_from(artefacts);
            }
            ReleaseEvent::Drafted => self.drafted = true,
            ReleaseEvent::Started { rollouts } => {
                let mut rollouts: Vec<_> = rollouts.iter().map(|(name, run)| (name.clone(), *run, None)).collect();
                for (run, state) in std::mem::take(&mut self.early) {
                    tell(&mut rollouts, run, &state);
                }
                self.rollouts = Some(rollouts);
                // What has been started is its rollouts' matter.
                self.cancel = None;
            }
            ReleaseEvent::Changelog { entry } => self.changelog = Some(entry.clone()),
            ReleaseEvent::TagSeen { commit, told } => self.tag_seen(commit.as_ref(), *told),
        }
    }

    fn tag_seen(&mut self, commit: Option<&CommitId>, told: u64) {
        self.tag_doubtful = told < self.tag_told;
        let Some(valid) = &self.valid else { return };
        self.tag_trouble = match commit {
            Some(commit) if *commit == valid.release.commit => None,
            Some(commit) => {
                let was = valid.release.commit.short();
                Some(format!("the tag was moved from {was} to {} while it was being released", commit.short()))
            }
            None => Some("the tag was deleted while it was being released".to_owned()),
        };
    }

    /// Why this event cannot follow, if it cannot.
    pub(super) fn check(&self, event: &RunEvent) -> Result<(), String> {
        let (possible, why) = match event {
            RunEvent::Release { event } => match event.as_ref() {
                ReleaseEvent::Validated { .. } | ReleaseEvent::Refused { .. } => {
                    (self.valid.is_none() && self.refused.is_none(), "it was validated before")
                }
                ReleaseEvent::Gates { .. } | ReleaseEvent::Planned { .. } | ReleaseEvent::TagSeen { .. } => {
                    (self.valid.is_some(), "it was not validated")
                }
                ReleaseEvent::Drafted => (self.planned.is_some(), "it was not planned"),
                ReleaseEvent::Changelog { .. } => (self.rollouts.is_some(), "it was not started"),
                ReleaseEvent::Started { .. } => (self.drafted && self.rollouts.is_none(), "it cannot be started now"),
            },
            _ => (true, ""),
        };
        possible.then_some(()).ok_or_else(|| why.to_owned())
    }
}

/// One of its rollouts has told how it stands.
fn tell(rollouts: &mut [(EnvironmentName, RunId, Option<RolloutState>)], run: RunId, state: &RolloutState) {
    if let Some((_, _, known)) = rollouts.iter_mut().find(|(_, of, _)| *of == run) {
        *known = Some(state.clone());
    }
}
