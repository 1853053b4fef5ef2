//! The run: a journal of events and the pure state machine over it.
//!
//! [`Run::apply`] takes what happened and refuses what cannot have happened. [`Run::next`] says what to do now. The
//! engine performs that and appends what came of it; the same journal gives the same run, wherever it is replayed.
//!
//! What all runs share (leases, signals, publishing, the end) is here; what a kind of run does is a machine of its own:
//! [`Gates`] checks a commit, [`Command`] obeys what somebody has said, [`ReleaseRun`] makes a release of a tag, [`Rollout`] brings one to
//! an environment, [`AgentRun`] has a pipeline of agents work, [`NoticeRun`] tells people something,
//! [`PermitRun`] answers a workflow that waits.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::ids::{CommitId, RepoRef, RunId, Subject};
use crate::report::{Conclusion, Known, ReportKey};

mod agent;
mod command;
mod does;
mod event;
mod gates;
mod next;
mod notice;
mod permit;
mod release;
mod rollout;
mod spec;
#[cfg(test)]
mod tests;
mod wanted;

pub use agent::{
    ActNote, Acted, ActedNote, AgentAction, AgentEvent, AgentKey, AgentPrepared, AgentRun, AgentSpec, Amount, Doing, Feedback,
    HandoverNote, Offer, Place, ProgramEnd, ReplyNote, Reserved, Scarce, StageRun, StageState, Stuck, Trigger, Turn, models_of,
};
pub use command::Command;
pub use event::{
    CancelReason, Deed, JournalEntry, NewRun, Preparation, Prepared, Ruled, Ruling, RulingOutcome, RunEvent, Signal,
    SignalTarget, Start,
};
pub use gates::{Gates, Step, StepState, Waiver};
pub use next::{Action, ActionKey, Next};
pub use notice::{Again, Delivery, NoticeAction, NoticeEvent, NoticeRun, NoticeSpec};
pub use permit::{PermitAction, PermitEvent, PermitRun, PermitSpec};
pub use release::{
    Artefact, ChangelogEntry, GatesState, PlannedEnvironment, Refusal, ReleaseAction, ReleaseEvent, ReleaseRun, ReleaseSpec,
    ReleaseWord, Valid,
};
pub use rollout::{
    Admission, Look, Pace, Past, Patience, Rollout, RolloutAction, RolloutCause, RolloutEvent, RolloutKey, RolloutSpec,
    RolloutState, RolloutWord, Way, WayBack,
};
pub use spec::{Call, Cause, CommandSpec, Flood, GatesSpec, Origin, RunSpec, Work};

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
    /// The repository.
    pub repo: RepoRef,
    /// What it is about.
    pub subject: Subject,
    /// The number of events applied.
    pub seq: u64,
    /// When it was accepted.
    pub created_at: Timestamp,
    /// The number of the last signal taken.
    pub signals_taken: u64,
    /// What was published.
    pub published: BTreeMap<ReportKey, PublishState>,
    /// How it ended, and when.
    pub finished: Option<(Conclusion, Timestamp)>,
    /// When the last event was applied.
    pub updated_at: Timestamp,
    /// Why it was given up, and when, as long as it is.
    pub given_up: Option<(String, Timestamp)>,
    /// What it does.
    pub kind: Kind,
}

/// What a run does.
#[derive(Debug, Clone)]
pub enum Kind {
    /// It runs gates.
    Gates(Box<Gates>),
    /// It obeys.
    Command(Box<Command>),
    /// It makes a release of a tag.
    Release(Box<ReleaseRun>),
    /// It brings a release to an environment.
    Rollout(Box<Rollout>),
    /// It has a pipeline of agents work.
    Agent(Box<AgentRun>),
    /// It tells people something.
    Notice(Box<NoticeRun>),
    /// It answers a workflow that waits for leave to deploy.
    Permit(Box<PermitRun>),
}

/// What is known of a report on the forge.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PublishState {
    /// What the forge shows, and the object's id.
    pub shown: Option<(String, u64)>,
    /// Since when.
    pub shown_at: Option<Timestamp>,
    /// What the forge refused to show.
    pub refused: Option<String>,
    /// Why, for people. Its words are the forge's, or those of a program that it quotes.
    pub refused_because: Option<String>,
}

impl Run {
    /// The run that this journal tells of.
    pub fn replay(id: RunId, journal: &[JournalEntry]) -> Result<Run, Impossible> {
        let impossible = |seq, why: &str| Impossible { run: id, seq, why: why.to_owned() };
        let (first, rest) = journal.split_first().ok_or_else(|| impossible(0, "the journal is empty"))?;
        let RunEvent::Created { spec } = &first.event else {
            return Err(impossible(0, "the first entry is not `created`"));
        };
        let mut run = Run::new(id, spec, first.at);
        for entry in rest {
            if entry.seq != run.seq {
                return Err(impossible(entry.seq, "an entry is missing before it"));
            }
            run.apply(entry.at, &entry.event)?;
        }
        Ok(run)
    }

    fn new(id: RunId, spec: &RunSpec, at: Timestamp) -> Run {
        let RunSpec { repo, subject, work } = spec.clone();
        let kind = match work {
            Work::Gates(spec) => Kind::Gates(Box::new(Gates::new(spec, subject.clone(), at))),
            Work::Command(spec) => Kind::Command(Box::new(Command::new(spec))),
            Work::Release(spec) => Kind::Release(Box::new(ReleaseRun::new(spec, at))),
            Work::Rollout(spec) => Kind::Rollout(Box::new(Rollout::new(*spec, at))),
            Work::Agent(spec) => Kind::Agent(Box::new(AgentRun::new(spec, at))),
            Work::Notice(spec) => Kind::Notice(Box::new(NoticeRun::new(*spec, at))),
            Work::Permit(spec) => Kind::Permit(Box::new(PermitRun::new(spec, at))),
        };
        let (published, finished, given_up) = (BTreeMap::new(), None, None);
        Run { id, repo, subject, seq: 1, created_at: at, signals_taken: 0, published, finished, updated_at: at, given_up, kind }
    }

    /// Takes what happened. An error leaves the run as it was.
    pub fn apply(&mut self, at: Timestamp, event: &RunEvent) -> Result<(), Impossible> {
        self.check(event).map_err(|why| Impossible { run: self.id, seq: self.seq, why })?;
        match event {
            RunEvent::Signalled { n, .. } => self.signals_taken = *n,
            RunEvent::PublishBegun { key } => {
                self.published.entry(key.clone()).or_default();
            }
            RunEvent::Published { key, digest, id } => {
                let state = self.published.entry(key.clone()).or_default();
                (state.shown, state.shown_at) = (Some((digest.clone(), *id)), Some(at));
            }
            RunEvent::PublishRefused { key, digest, cause } => {
                let state = self.published.entry(key.clone()).or_default();
                (state.refused, state.refused_because) = (Some(digest.clone()), Some(cause.clone()));
            }
            RunEvent::Finished { conclusion } => self.finished = Some((*conclusion, at)),
            RunEvent::GivenUp { cause } => self.given_up = Some((cause.clone(), at)),
            RunEvent::Resumed { .. } => self.given_up = None,
            _ => {}
        }
        match &mut self.kind {
            Kind::Gates(gates) => gates.apply(at, event),
            Kind::Command(command) => command.apply(event),
            Kind::Release(release) => release.apply(at, event),
            Kind::Rollout(rollout) => rollout.apply(at, event),
            Kind::Agent(agent) => agent.apply(at, event),
            Kind::Notice(notice) => notice.apply(at, event),
            Kind::Permit(permit) => permit.apply(event),
        }
        self.seq += 1;
        self.updated_at = at;
        Ok(())
    }

    /// Why this event cannot follow, if it cannot.
    fn check(&self, event: &RunEvent) -> Result<(), String> {
        if self.finished.is_some() {
            return Err("the run is finished".to_owned());
        }
        match event {
            RunEvent::Created { .. } => return Err("it was created before".to_owned()),
            RunEvent::Published { key, .. } | RunEvent::PublishRefused { key, .. } if !self.published.contains_key(key) => {
                return Err("the report was never begun".to_owned());
            }
            RunEvent::Signalled { n, .. } if *n != self.signals_taken + 1 => {
                return Err(format!("signal {} is to be taken next", self.signals_taken + 1));
            }
            _ => {}
        }
        let does = self.kind.does();
        if event.whose().is_some_and(|whose| whose != does) {
            return Err(format!("the run {does}"));
        }
        match &self.kind {
            Kind::Gates(gates) => gates.check(event),
            Kind::Command(command) => command.check(event),
            Kind::Release(release) => release.check(event),
            Kind::Rollout(rollout) => rollout.check(event),
            Kind::Agent(agent) => agent.check(event),
            Kind::Notice(notice) => notice.check(event),
            Kind::Permit(permit) => permit.check(event),
        }
    }

    /// The gates, where that is what it runs.
    pub fn gates(&self) -> Option<&Gates> {
        match &self.kind {
            Kind::Gates(gates) => Some(gates),
            Kind::Command(_) | Kind::Release(_) | Kind::Rollout(_) | Kind::Agent(_) | Kind::Notice(_) | Kind::Permit(_) => None,
        }
    }

    /// What was said, where that is what it is about.
    pub fn command(&self) -> Option<&Command> {
        match &self.kind {
            Kind::Command(command) => Some(command),
            Kind::Gates(_) | Kind::Release(_) | Kind::Rollout(_) | Kind::Agent(_) | Kind::Notice(_) | Kind::Permit(_) => None,
        }
    }

    /// The release, where that is what it makes.
    pub fn release(&self) -> Option<&ReleaseRun> {
        match &self.kind {
            Kind::Release(release) => Some(release),
            Kind::Gates(_) | Kind::Command(_) | Kind::Rollout(_) | Kind::Agent(_) | Kind::Notice(_) | Kind::Permit(_) => None,
        }
    }

    /// The rollout, where that is what it is.
    pub fn rollout(&self) -> Option<&Rollout> {
        match &self.kind {
            Kind::Rollout(rollout) => Some(rollout),
            Kind::Gates(_) | Kind::Command(_) | Kind::Release(_) | Kind::Agent(_) | Kind::Notice(_) | Kind::Permit(_) => None,
        }
    }

    /// The pipeline of agents, where that is what works.
    pub fn agent(&self) -> Option<&AgentRun> {
        match &self.kind {
            Kind::Agent(agent) => Some(agent),
            Kind::Gates(_) | Kind::Command(_) | Kind::Release(_) | Kind::Rollout(_) | Kind::Notice(_) | Kind::Permit(_) => None,
        }
    }

    /// What people are told, where that is what it does.
    pub fn notice(&self) -> Option<&NoticeRun> {
        match &self.kind {
            Kind::Notice(notice) => Some(notice),
            Kind::Gates(_) | Kind::Command(_) | Kind::Release(_) | Kind::Rollout(_) | Kind::Agent(_) | Kind::Permit(_) => None,
        }
    }

    /// The workflow that waits, where that is what it answers.
    pub fn permit(&self) -> Option<&PermitRun> {
        match &self.kind {
            Kind::Permit(permit) => Some(permit),
            Kind::Gates(_) | Kind::Command(_) | Kind::Release(_) | Kind::Rollout(_) | Kind::Agent(_) | Kind::Notice(_) => None,
        }
    }

    /// What it is about: of what is done about something, that.
    pub fn about(&self) -> &Subject {
        match &self.subject {
            Subject::Agents { about } | Subject::Commands { about } => about,
            other => other,
        }
    }

    /// The commit that it is about, where it is about one.
    pub fn commit(&self) -> Option<&CommitId> {
        match &self.kind {
            Kind::Gates(gates) => Some(&gates.spec.head),
            Kind::Command(command) => command.spec.head.as_ref(),
            Kind::Release(release) => release.release().map(|release| &release.commit).or(release.spec.commit.as_ref()),
            Kind::Rollout(rollout) => Some(&rollout.spec.release.commit),
            Kind::Agent(agent) => agent.prepared.as_ref().map(|prepared| &prepared.commit).or(agent.spec.head.as_ref()),
            Kind::Notice(_) => None,
            Kind::Permit(permit) => permit.spec.head.as_ref(),
        }
    }

    /// How the run ends or has ended, given what it says now.
    pub fn conclusion(&self) -> Conclusion {
        if self.given_up.is_some() {
            return Conclusion::Failure;
        }
        match &self.kind {
            Kind::Gates(gates) => gates.conclusion(),
            Kind::Command(command) => command.conclusion(),
            Kind::Release(release) => release.conclusion(),
            Kind::Rollout(rollout) => rollout.conclusion(),
            Kind::Agent(agent) => agent.conclusion(),
            Kind::Notice(notice) => notice.conclusion(),
            Kind::Permit(permit) => permit.conclusion(),
        }
    }

    /// The forge's id of what a report is shown as, where this run made it or goes on with it.
    pub fn shown_as(&self, key: &ReportKey) -> Option<u64> {
        let own = self.published.get(key).and_then(|state| state.shown.as_ref()).map(|(_, id)| *id);
        own.or_else(|| self.gates()?.prepared.as_ref()?.shown.get(key).copied())
    }

    /// What the forge was asked to show for the first time, where nobody knows whether it does and twice would be once too often: of a
    /// reaction there is one, however often it is made.
    pub fn uncertain(&self) -> Vec<ReportKey> {
        let unknown = |state: &PublishState| state.shown.is_none() && state.refused.is_none();
        let unknown = self.published.iter().filter(|(_, state)| unknown(state)).map(|(key, _)| key.clone());
        unknown.filter(|key| !matches!(key, ReportKey::Seen | ReportKey::Answered)).collect()
    }

    /// What is known of a report before it is published.
    fn known(&self, key: &ReportKey) -> Known {
        if let ReportKey::Resolved(run) = key {
            return self.command().and_then(|command| command.outdated_reply(*run)).map_or(Known::Never, Known::Id);
        }
        match (self.shown_as(key), self.published.contains_key(key)) {
            (Some(id), _) => Known::Id(id),
            (None, true) => Known::Maybe,
            // All runs of a pull request or an issue share its comments, so an earlier one may have made it.
            (None, false) if [ReportKey::Comment, ReportKey::ReleaseComment, ReportKey::AgentComment].contains(key) => {
                Known::Maybe
            }
            (None, false) => Known::Never,
        }
    }
}
