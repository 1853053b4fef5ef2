//! What the forge should show of a run.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;
use sha2::{Digest, Sha256};

use super::{
    AgentRun, ChangelogEntry, Command, Gates, GatesState, Kind, Preparation, PublishState, ReleaseRun, Rollout, RolloutState,
    Run, Step, StepState,
};
use crate::config::{GateEvent, Offering};
use crate::ids::{ForgeKind, Subject};
use crate::order::OrderKey;
use crate::report::{CheckStatus, Conclusion, DeploymentState, Reaction, ReportKey, ScanReport};
use crate::verdict::{Exit, VerdictStatus};

/// Part of every digest: a change of how reports are rendered makes it another, so that open runs are shown anew.
const RENDERING: u32 = 1;

impl Run {
    /// The reports that the forge should show now, each with a digest of what it is to show. A report whose digest is
    /// what was published last need not be published again.
    pub fn wanted(&self) -> Vec<(ReportKey, String)> {
        match &self.kind {
            Kind::Gates(gates) => {
                let mut wanted = gates.wanted(&self.published);
                if self.repo.forge.has_code_scanning() {
                    wanted.extend(gates.scans());
                }
                wanted
            }
            // What was said gets no answer; the audit log, the journal and `gatewright runs` tell why.
            Kind::Command(command) => command.wanted(),
            Kind::Release(release) => release.wanted(self.repo.forge, &self.published),
            Kind::Rollout(rollout) => rollout.wanted(|key| self.published.contains_key(key)),
            Kind::Agent(agent) => agent.wanted(self.about(), &self.published),
            // Other channels show it.
            Kind::Notice(_) => Vec::new(),
            Kind::Permit(permit) => permit.answer.iter().map(|answer| (ReportKey::ProtectionRule, digest(answer))).collect(),
        }
    }
}

impl Run {
    /// Why code scanning has not taken what this gate found, if so. Words of the forge.
    pub fn scan_refused(&self, step: &Step) -> Option<&str> {
        scan_refused(step, &self.published)
    }

    /// When code scanning was asked for the last time what became of what this gate found, where it was not through with it then.
    pub fn scan_pending(&self, step: &Step) -> Option<Timestamp> {
        scan_pending(step, &self.published)
    }
}

impl Command {
    fn wanted(&self) -> Vec<(ReportKey, String)> {
        let mut wanted = Vec::new();
        if self.is_seen() {
            wanted.push((ReportKey::Seen, digest(&Reaction::Eyes)));
        }
        if let (Some(reaction), true) = (self.reaction(), self.is_in_comment()) {
            wanted.push((ReportKey::Answered, digest(&reaction)));
        }
        if self.has_reply() {
            wanted.push((ReportKey::Reply, digest(&self.ruled.as_ref().map(|ruled| &ruled.rulings))));
        }
        if let (Some(ruled), true) = (&self.ruled, self.obeyed) {
            wanted.extend(ruled.outdated.iter().map(|(run, _)| (ReportKey::Resolved(*run), digest(&"resolved"))));
        }
        wanted
    }
}

impl ReleaseRun {
    /// `published` is what the forge shows.
    fn wanted(&self, forge: ForgeKind, published: &BTreeMap<ReportKey, PublishState>) -> Vec<(ReportKey, String)> {
        let mut wanted = Vec::new();
        let shown = published.get(&ReportKey::Release).and_then(|state| state.shown.as_ref()).map(|(digest, _)| digest.as_str());
        let release = digest(&(self.drafted, &self.notes));
        // An artefact belongs to a release that is there: as a draft, or where there are no drafts, published.
        let there = if forge.has_draft_releases() { shown.is_some() } else { self.drafted && shown == Some(&release) };
        for key in self.draft().filter(|key| *key == ReportKey::Release || there) {
            let shown = match &key {
                ReportKey::Release => release.clone(),
                _ => digest(&self.artefacts.iter().find(|artefact| ReportKey::Asset(artefact.name.clone()) == key)),
            };
            wanted.push((key, shown));
        }
        if let Some(entry @ ChangelogEntry::Proposed { .. }) = &self.changelog {
            wanted.push((ReportKey::Proposal, digest(entry)));
        }
        if self.is_one() && self.pull().is_some() {
            let states: Vec<_> = self.rollouts.iter().flatten().map(|(name, _, state)| (name, state)).collect();
            let gates = self.gates.as_ref().map(|gates| match gates {
                GatesState::Passed { .. } => "passed",
                GatesState::Running { .. } => "running",
                GatesState::Failed { .. } => "failed",
            });
            let shown = (self.problem(), &self.tag_trouble, gates, self.drafted, self.rollouts.is_some(), states);
            let shown = match &self.changelog {
                Some(entry) => digest(&(shown, entry, landed(published, &ReportKey::Proposal))),
                None => digest(&shown),
            };
            wanted.push((ReportKey::ReleaseComment, shown));
        }
        wanted
    }
}

impl Rollout {
    /// `made` says whether the run has made a report before.
    fn wanted(&self, made: impl Fn(&ReportKey) -> bool) -> Vec<(ReportKey, String)> {
        // Nothing comes to the environment that the forge does not show there already.
        if !self.spec.cause.brings_a_release() {
            return Vec::new();
        }
        let key = ReportKey::Deployment(self.spec.environment.name.clone());
        let (state, words) = self.deployment();
        // What was given up before anybody saw it need not be seen.
        if state == DeploymentState::Cancelled && !made(&key) {
            return Vec::new();
        }
        vec![(key, digest(&(state, words)))]
    }

    /// How far it is, as a deployment of the forge, with a line for people.
    pub fn deployment(&self) -> (DeploymentState, String) {
        match self.state() {
            RolloutState::Waiting { waits, .. } if waits.is_empty() => (DeploymentState::Queued, "getting ready".to_owned()),
            RolloutState::Waiting { waits, .. } => {
                let waits: Vec<String> = waits.iter().map(ToString::to_string).collect();
                (DeploymentState::Waiting, format!("waits for {}", waits.join(" and ")))
            }
            RolloutState::Moving { percent, .. } => (DeploymentState::InProgress, format!("at {percent} %")),
            RolloutState::Paused { because, .. } => (DeploymentState::InProgress, because),
            RolloutState::RollingBack { because } => (DeploymentState::InProgress, format!("going back: {because}")),
            RolloutState::Promoted => (DeploymentState::Success, format!("{} is live", self.spec.release.tag)),
            RolloutState::RolledBack { because } => (DeploymentState::Failure, format!("rolled back: {because}")),
            RolloutState::GivenUp { because } => (DeploymentState::Cancelled, because),
        }
    }
}

impl AgentRun {
    /// `about` is what it is about, `published` what the forge shows.
    fn wanted(&self, about: &Subject, published: &BTreeMap<ReportKey, PublishState>) -> Vec<(ReportKey, String)> {
        let quiet = self.refused.as_ref().is_some_and(|(_, quiet)| *quiet);
        let known = self.prepared.is_some() || self.refused.is_some();
        let mut wanted = Vec::new();
        if quiet || !known {
            return wanted;
        }
        let mut issues = 0;
        for offer in self.offers.iter().flatten().filter(|offer| offer.refused.is_none()) {
            let key = match offer.what {
                Offering::PullRequest => ReportKey::Proposal,
                Offering::Commit => ReportKey::Pushed,
                Offering::Issue => {
                    issues += 1;
                    ReportKey::Issue(issues - 1)
                }
                // They are part of the check and the comment.
                Offering::Comment | Offering::Suggestion | Offering::Finding => continue,
            };
            wanted.push((key, digest(&offer.blob)));
        }
        let shown = digest(&(self.progress(), landed(published, &ReportKey::Proposal), landed(published, &ReportKey::Pushed)));
        if about.pull().is_some() && self.prepared.is_some() {
            wanted.push((ReportKey::Aggregate, shown.clone()));
        }
        if about.item().is_some() {
            wanted.push((ReportKey::AgentComment, shown));
        }
        wanted
    }

    /// What is told of it while it works: a change of a stage, not of a turn, since each edit costs one of the few writes that the forge
    /// allows.
    fn progress(&self) -> impl Serialize {
        let stages: Vec<_> = self.stages.iter().map(|stage| (stage.word(), stage.tries)).collect();
        (stages, &self.refused, &self.stopped, &self.offers, self.cancel.is_some())
    }
}

impl Gates {
    /// `published` is what the run has made before.
    fn wanted(&self, published: &BTreeMap<ReportKey, PublishState>) -> Vec<(ReportKey, String)> {
        if !self.is_shown() {
            return Vec::new();
        }
        let mut wanted = Vec::new();
        for step in &self.steps {
            let key = ReportKey::Gate(step.gate.name.clone());
            // A carried verdict is shown by the earlier run's check, but that it counts as passed now is not. A step that
            // was cancelled before its check was ever made needs none.
            let carried = matches!(step.state, StepState::Carried { .. }) && step.waiver.is_none();
            let unseen = step.status() == Some(VerdictStatus::Cancelled) && !published.contains_key(&key);
            if !carried && !unseen {
                let (status, waiver) = (self.gate_status(step), &step.waiver);
                let shown = match (scan_refused(step, published), scan_pending(step, published)) {
                    (None, None) => digest(&(status, waiver)),
                    (Some(because), _) => digest(&(status, waiver, because)),
                    (None, Some(since)) => digest(&(status, waiver, since)),
                };
                wanted.push((key, shown));
            }
        }
        let hold = self.order(&OrderKey::Hold).map(|order| order.run);
        wanted.push((ReportKey::Aggregate, digest(&(self.aggregate_status(), self.gate_lines(Running::Shown), hold))));
        if self.has_comment() {
            let given_up = self.given_up_at().is_some();
            let answer = self.order(&OrderKey::Answer).map(|order| (order.run, given_up));
            let lines = self.gate_lines(Running::Hidden);
            wanted.push((ReportKey::Comment, digest(&(self.is_open(), lines, self.conclusion(), hold, answer))));
        }
        wanted
    }

    /// What code scanning is given.
    fn scans(&self) -> impl Iterator<Item = (ReportKey, String)> {
        let takes = self.is_shown() && self.scan_of().is_some();
        let steps = self.steps.iter().filter(move |_| takes);
        steps.filter_map(|step| Some((ReportKey::Scan(step.gate.name.clone()), digest(step.scan()?))))
    }

    /// Whether the run has anything to show. A run that was over before it was planned leaves no trace on the forge.
    fn is_shown(&self) -> bool {
        match self.preparation() {
            Some(Preparation::NoConfig { .. } | Preparation::ConfigBroken { .. }) if self.is_held() => true,
            None => self.given_up_at().is_some() && self.cancel.is_none(),
            Some(Preparation::Stale { .. } | Preparation::Closed | Preparation::Gone { .. }) => false,
            Some(Preparation::NoConfig { head_problems }) => head_problems.is_some(),
            // Most pushes concern no gate at all; a check on each of them would only be noise.
            Some(Preparation::Planned { .. }) => !self.steps.is_empty() || self.event() != GateEvent::Push,
            Some(Preparation::ConfigBroken { .. }) => self.event() != GateEvent::Push,
            Some(Preparation::NeedsApproval) => true,
        }
    }

    /// The comment belongs to the newest run of a pull request, so a superseded run leaves it alone.
    fn has_comment(&self) -> bool {
        self.subject.pull().is_some() && !self.superseded
    }

    /// Whether some gate is not over.
    pub fn is_open(&self) -> bool {
        !self.steps.iter().all(Step::is_over)
    }

    /// How far the aggregate check is.
    pub fn aggregate_status(&self) -> CheckStatus {
        let started_at = self.prepared_at();
        if let Some(at) = self.given_up_at() {
            let conclusion = Conclusion::Failure;
            return CheckStatus::Completed { started_at: Some(started_at), completed_at: at, conclusion };
        }
        if self.is_open() {
            CheckStatus::InProgress { started_at }
        } else {
            let completed_at = self.steps.iter().filter_map(over_at).max().unwrap_or(started_at);
            CheckStatus::Completed { started_at: Some(started_at), completed_at, conclusion: self.conclusion() }
        }
    }

    /// How far a gate's check is.
    pub fn gate_status(&self, step: &Step) -> CheckStatus {
        if let (Some(at), false) = (self.given_up_at(), step.is_over()) {
            return CheckStatus::Completed { started_at: None, completed_at: at, conclusion: Conclusion::Failure };
        }
        match &step.state {
            StepState::Waiting => CheckStatus::Queued,
            StepState::Running { started_at, .. } => CheckStatus::InProgress { started_at: *started_at },
            StepState::Done { started_at, finished_at, outcome } => CheckStatus::Completed {
                started_at: Some(*started_at),
                completed_at: *finished_at,
                conclusion: gate_conclusion(step, outcome.verdict.status, &outcome.exit),
            },
            StepState::NotRun { at, status, .. } => CheckStatus::Completed {
                started_at: None,
                completed_at: *at,
                conclusion: gate_conclusion(step, *status, &Exit::Cancelled),
            },
            StepState::Carried { verdict } => CheckStatus::Completed {
                started_at: None,
                completed_at: self.created_at,
                conclusion: gate_conclusion(step, verdict.status, &Exit::Cancelled),
            },
        }
    }

    fn prepared_at(&self) -> Timestamp {
        self.prepared_at.unwrap_or(self.created_at)
    }

    fn gate_lines(&self, running: Running) -> Vec<(&str, &'static str, &str, bool)> {
        let word = |step: &Step| match &step.state {
            StepState::Running { .. } if running == Running::Shown => "running",
            StepState::Waiting | StepState::Running { .. } => "waiting",
            StepState::Done { .. } => "done",
            StepState::NotRun { .. } => "not run",
            StepState::Carried { .. } => "carried",
        };
        self.steps
            .iter()
            .map(|step| {
                let title = step.verdict().map_or("", |v| v.title.as_str());
                (step.gate.name.as_str(), word(step), title, step.waiver.is_some())
            })
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

/// Why code scanning has not taken what a gate found, if so.
fn scan_refused<'p>(step: &Step, published: &'p BTreeMap<ReportKey, PublishState>) -> Option<&'p str> {
    let state = published.get(&ReportKey::Scan(step.gate.name.clone()))?;
    let newest = digest(step.scan()?);
    state.refused_because.as_deref().filter(|_| state.refused.as_ref() == Some(&newest))
}

/// Since when an upload of what a gate found is known to be open, if it is.
fn scan_pending(step: &Step, published: &BTreeMap<ReportKey, PublishState>) -> Option<Timestamp> {
    let state = published.get(&ReportKey::Scan(step.gate.name.clone()))?;
    let open = Some((digest(step.scan()?), ScanReport::PENDING));
    state.shown_at.filter(|_| state.shown == open)
}

fn over_at(step: &Step) -> Option<Timestamp> {
    match &step.state {
        StepState::Done { finished_at, .. } => Some(*finished_at),
        StepState::NotRun { at, .. } => Some(*at),
        StepState::Waiting | StepState::Running { .. } | StepState::Carried { .. } => None,
    }
}

fn gate_conclusion(step: &Step, status: VerdictStatus, exit: &Exit) -> Conclusion {
    if step.waiver.is_some() && status != VerdictStatus::Passed {
        return Conclusion::Neutral;
    }
    match (status, exit) {
        (VerdictStatus::Passed, _) => Conclusion::Success,
        (VerdictStatus::Failed | VerdictStatus::Errored, Exit::TimedOut { .. }) => Conclusion::TimedOut,
        (VerdictStatus::Failed | VerdictStatus::Errored, _) => Conclusion::Failure,
        (VerdictStatus::Cancelled, _) => Conclusion::Cancelled,
        (VerdictStatus::Skipped, _) => Conclusion::Skipped,
    }
}

/// The number under which the forge shows something, and whether it has refused it.
fn landed<'a>(published: &'a BTreeMap<ReportKey, PublishState>, key: &ReportKey) -> Option<(Option<u64>, &'a Option<String>)> {
    published.get(key).map(|state| (state.shown.as_ref().map(|(_, id)| *id), &state.refused))
}

fn digest(shown: &impl Serialize) -> String {
    let json = serde_json::to_vec(&(RENDERING, shown)).expect("reports hold only what JSON can say");
    hex::encode(&Sha256::digest(json)[..8])
}
