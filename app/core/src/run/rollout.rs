//! The machine that brings a release to an environment: wait until it may, make the moves of the strategy one by one, look how it
//! goes, and go back at the first good reason.
//!
//! What this machine never does, whatever happens: raise the new version's share once it goes back; begin without the lock of the
//! environment; go on because nothing was measured.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::event::{CancelReason, RunEvent, Signal};
use crate::config::{Environment, StepHold};
use crate::event::User;
use crate::ids::BlobId;

use crate::report::Conclusion;
use crate::rollout::analysis::Instances;
use crate::rollout::{Finding, HookOutcome, Live, Move, Old, Release, Seen, Wait, Which, way_back};
use crate::target::{Pool, Reading};

#[cfg(test)]
mod tests;

/// After each so many looks the time between two grows by what it was at first, so that one that somebody holds for days has a
/// journal that can still be read.
const LOOKS_THINNED: u64 = 1_000;

/// While nobody gets the new version it is looked so often, in seconds.
const IDLE_SECS: u64 = 600;

/// A release is to go to an environment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RolloutSpec {
    /// The release.
    pub release: Release,
    /// The environment as the repository file at the release's commit has it, with templates filled in.
    pub environment: Box<Environment>,
    /// What its instances are to be.
    pub pool: Pool,
    /// Why.
    pub cause: RolloutCause,
    /// Whether it takes its time.
    pub pace: Pace,
    /// When the release began, by its tag.
    pub begun_at: Timestamp,
    /// It is measured so often.
    pub measure_secs: u64,
    /// Before the first share it is measured for so long what is usual.
    pub baseline_secs: u64,
}

/// Why a rollout was started.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum RolloutCause {
    /// The release goes wherever releases go.
    Released,
    /// Somebody has said so.
    Commanded {
        /// Who.
        by: User,
    },
    /// Somebody wants back what was there before.
    Restored {
        /// Who.
        by: User,
        /// Why, in that person's words. Untrusted text.
        because: String,
    },
}

/// Whether a rollout takes its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Pace {
    /// It waits for what the environment asks for, and goes by its strategy.
    Staged,
    /// It waits for nothing but the lock, and everything moves at once: a way back.
    Straight,
}

/// Which of its two lists of moves a rollout goes through.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Way {
    /// Towards the new version.
    Forth,
    /// To what was there before.
    Back,
}

/// What a rollout is told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "word")]
pub enum RolloutWord {
    /// Something that it may wait for has changed.
    Look,
    /// Somebody agrees, or wants it to go on where it waits for somebody to say so.
    Promote {
        /// Who.
        by: User,
    },
    /// It is to begin, where it waits for somebody to say so.
    Deploy {
        /// Who.
        by: User,
    },
    /// It is to stay where it is.
    Pause {
        /// Who.
        by: User,
    },
    /// It may go on.
    Resume {
        /// Who.
        by: User,
    },
    /// It is to make room for a newer release.
    GiveWay {
        /// That release's tag.
        tag: String,
    },
    /// It is to go back.
    RollBack {
        /// Who.
        by: User,
        /// Why, in that person's words. Untrusted text.
        because: String,
    },
}

/// An event of a rollout.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "type")]
pub enum RolloutEvent {
    /// It may not begin yet.
    Looked {
        /// What it waits for.
        waits: Vec<Wait>,
        /// When to look again, where nobody says so before.
        look_at: Timestamp,
        /// So many words it had heard when the look began. What it heard since is not looked at yet.
        heard: u64,
    },
    /// It holds the environment's lock and begins.
    Admitted {
        /// What the environment runs.
        live: Option<Box<Live>>,
        /// The image's digest, pinned.
        digest: Option<String>,
        /// What each new instance's configuration hash will be.
        config_hash: String,
        /// The moves to make.
        moves: Vec<Move>,
    },
    /// It will not begin at all.
    Refused {
        /// Why, for people.
        because: String,
    },
    /// A move was made.
    Made {
        /// The list.
        way: Way,
        /// Its place in the list.
        n: usize,
        /// What target and router looked like before a share was changed, and afterwards.
        seen: Vec<Seen>,
        /// What came of its command.
        hook: Option<HookOutcome>,
    },
    /// A move could not be made, and trying again would not help.
    Failed {
        /// The list.
        way: Way,
        /// Its place in the list.
        n: usize,
        /// Why, for people.
        because: String,
        /// What came of its command.
        hook: Option<HookOutcome>,
    },
    /// It was looked how it goes.
    Measured {
        /// What was measured, or why nothing was.
        look: Box<Look>,
        /// What that comes to.
        finding: Box<Finding>,
    },
    /// Others were told how it stands.
    Told {
        /// How.
        state: RolloutState,
    },
}

impl RolloutEvent {
    /// The blobs that it refers to: logs of commands.
    pub fn blobs(&self) -> impl Iterator<Item = &BlobId> {
        let hook = match self {
            RolloutEvent::Made { hook, .. } | RolloutEvent::Failed { hook, .. } => hook.as_ref(),
            RolloutEvent::Looked { .. }
            | RolloutEvent::Admitted { .. }
            | RolloutEvent::Refused { .. }
            | RolloutEvent::Measured { .. }
            | RolloutEvent::Told { .. } => None,
        };
        hook.and_then(|hook| hook.log.as_ref()).into_iter()
    }
}

/// One look at how it goes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Look {
    /// The counters, of the source that decides.
    pub reading: Option<Reading>,
    /// Those of the other sources that could be read, for people to compare with.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub others: Vec<Reading>,
    /// Why a source could not be.
    pub unmeasured: Option<String>,
    /// New instances that are not as they should be, each with what is wrong.
    pub unhealthy: Vec<String>,
    /// New instances in all. None where they could not be looked at.
    pub instances: Option<Instances>,
    /// The share that the router gave the new version, read back, in thousandths of a percent.
    pub share_millipercent: u64,
}

/// How a rollout stands, for others.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "state")]
pub enum RolloutState {
    /// It has not begun.
    Waiting {
        /// What it waits for, for people.
        waits: Vec<Wait>,
    },
    /// It is under way.
    Moving {
        /// The move, for people.
        what: String,
        /// So many are made.
        made: u32,
        /// Of so many.
        of: u32,
        /// The new version's share now, in percent.
        percent: u32,
    },
    /// It stays where it is.
    Paused {
        /// Why, for people.
        because: String,
        /// The new version's share, in percent.
        percent: u32,
    },
    /// The environment runs the release.
    Promoted,
    /// It goes back.
    RollingBack {
        /// Why, for people.
        because: String,
    },
    /// Everything is as it was.
    RolledBack {
        /// Why, for people.
        because: String,
    },
    /// It never began.
    GivenUp {
        /// Why, for people.
        because: String,
    },
}

impl RolloutState {
    /// Whether nothing more will come of it.
    pub fn is_over(&self) -> bool {
        match self {
            RolloutState::Promoted | RolloutState::RolledBack { .. } | RolloutState::GivenUp { .. } => true,
            RolloutState::Waiting { .. }
            | RolloutState::Moving { .. }
            | RolloutState::Paused { .. }
            | RolloutState::RollingBack { .. } => false,
        }
    }
}

/// What a rollout found when it began.
#[derive(Debug, Clone, PartialEq)]
pub struct Admission {
    /// When.
    pub at: Timestamp,
    /// What the environment ran.
    pub live: Option<Box<Live>>,
    /// What each new instance's configuration hash will be.
    pub config_hash: String,
}

/// A rollout goes back.
#[derive(Debug, Clone, PartialEq)]
pub struct WayBack {
    /// Why, for people.
    pub because: String,
    /// When that was decided.
    pub decided_at: Timestamp,
    /// When the router was read to give the new version nothing.
    pub read_back_at: Option<Timestamp>,
    /// Whether it was the analysis that decided.
    pub by_analysis: bool,
    /// Whether releases do not come by themselves afterwards.
    pub holds: bool,
}

/// Something that happened, for the timeline.
#[derive(Debug, Clone, PartialEq)]
pub struct Past {
    /// When.
    pub at: Timestamp,
    /// What, for people. Made by us.
    pub what: String,
}

/// A release on its way into an environment.
#[derive(Debug, Clone)]
pub struct Rollout {
    /// What is to be done.
    pub spec: RolloutSpec,
    /// When it was accepted.
    pub created_at: Timestamp,
    /// What it waits for before it begins.
    pub waits: Vec<Wait>,
    /// When to look again whether it may begin. None: now.
    pub look_at: Option<Timestamp>,
    /// So many words it has heard.
    pub heard: u64,
    /// Who has agreed. Whether that person may is found out when it is looked whether it may begin.
    pub approvals: Vec<User>,
    /// Who has said that it is to begin.
    pub commanded: Option<User>,
    /// What it found when it began.
    pub admission: Option<Admission>,
    /// Why it will not begin.
    pub refused: Option<String>,
    /// The moves to make, or those of the way back.
    pub moves: Vec<Move>,
    /// So many of them are made.
    pub made: usize,
    /// When the last one was.
    pub since: Timestamp,
    /// What was measured, with what that came to.
    pub looks: Vec<(Timestamp, Look, Finding)>,
    /// When it was looked last, whatever came of it.
    pub looked_at: Option<Timestamp>,
    /// The new version's share, as it was last set, in percent.
    pub percent: u32,
    /// Whether the old version may have fewer instances than it had.
    shrunk: bool,
    /// Why it stays where it is.
    pub paused: Option<String>,
    /// That it goes back.
    pub back: Option<WayBack>,
    /// Whether what is live was written down.
    pub settled: bool,
    /// When it was.
    pub settled_at: Option<Timestamp>,
    /// What came of the commands around it.
    pub hooks: Vec<HookOutcome>,
    /// What target and router looked like around each change of shares.
    pub checkpoints: Vec<(Timestamp, Vec<Seen>)>,
    /// What has happened, for people.
    pub timeline: Vec<Past>,
    /// What others were told last.
    pub told: Option<RolloutState>,
}

/// Something to be done for a rollout.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RolloutAction {
    /// Find out whether it may begin; if so, take the lock.
    Look,
    /// Make a move.
    Make {
        /// The list.
        way: Way,
        /// Its place in the list.
        n: usize,
        /// The move.
        what: Box<Move>,
    },
    /// Look how it goes.
    Measure,
    /// Tell others how it stands.
    Tell {
        /// How.
        state: RolloutState,
    },
}

/// Names an action of a rollout for as long as it is wanted.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RolloutKey {
    /// [`RolloutAction::Look`].
    Look,
    /// A change of shares. It has one key whatever the share: one that has begun is over before another begins, so that none comes
    /// after the one that takes everything back.
    Share,
    /// Any other move, by its list and its place there.
    Make(Way, usize),
    /// [`RolloutAction::Measure`].
    Measure,
    /// [`RolloutAction::Tell`].
    Tell,
}

impl RolloutAction {
    /// The action's name.
    pub(super) fn key(&self) -> RolloutKey {
        match self {
            RolloutAction::Look => RolloutKey::Look,
            RolloutAction::Make { what, .. } if matches!(**what, Move::Share { .. }) => RolloutKey::Share,
            RolloutAction::Make { way, n, .. } => RolloutKey::Make(*way, *n),
            RolloutAction::Measure => RolloutKey::Measure,
            RolloutAction::Tell { .. } => RolloutKey::Tell,
        }
    }
}

/// What a rollout wants now.
pub(super) struct Wanted {
    /// To be done.
    pub(super) actions: Vec<RolloutAction>,
    /// When it will want something else by itself.
    pub(super) wake_at: Option<Timestamp>,
    /// Whether there is nothing more to come.
    pub(super) over: bool,
}

impl Rollout {
    pub(super) fn new(spec: RolloutSpec, created_at: Timestamp) -> Rollout {
        Rollout {
            spec,
            created_at,
            waits: Vec::new(),
            look_at: None,
            heard: 0,
            approvals: Vec::new(),
            commanded: None,
            admission: None,
            refused: None,
            moves: Vec::new(),
            made: 0,
            since: created_at,
            looks: Vec::new(),
            looked_at: None,
            percent: 0,
            shrunk: false,
            paused: None,
            back: None,
            settled: false,
            settled_at: None,
            hooks: Vec::new(),
            checkpoints: Vec::new(),
            timeline: Vec::new(),
            told: None,
        }
    }

    /// What was there when it began.
    pub fn old(&self) -> Old {
        match self.admission.as_ref().and_then(|admission| admission.live.as_ref()) {
            None => Old::Nothing,
            Some(live) if live.pool.id == self.spec.pool.id => Old::Same,
            Some(live) => Old::Other(live.replicas()),
        }
    }

    /// What the environment ran when it began.
    pub fn live(&self) -> Option<&Live> {
        self.admission.as_ref().and_then(|admission| admission.live.as_deref())
    }

    /// Which way it goes.
    pub fn way(&self) -> Way {
        if self.back.is_some() { Way::Back } else { Way::Forth }
    }

    /// The move to make now.
    pub fn current(&self) -> Option<&Move> {
        self.moves.get(self.made)
    }

    /// How it stands, for others.
    pub fn state(&self) -> RolloutState {
        if let Some(because) = &self.refused {
            return RolloutState::GivenUp { because: because.clone() };
        }
        if let Some(WayBack { because, .. }) = &self.back {
            let because = because.clone();
            return if self.settled { RolloutState::RolledBack { because } } else { RolloutState::RollingBack { because } };
        }
        if self.settled {
            return RolloutState::Promoted;
        }
        if self.admission.is_none() {
            return RolloutState::Waiting { waits: self.waits.clone() };
        }
        if let Some(because) = self.waits_for_somebody() {
            return RolloutState::Paused { because, percent: self.percent };
        }
        let what = self.current().map_or_else(String::new, Move::words);
        let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        RolloutState::Moving { what, made: count(self.made), of: count(self.moves.len()), percent: self.percent }
    }

    /// Why it does not go on until somebody says so.
    fn waits_for_somebody(&self) -> Option<String> {
        if self.paused.is_some() {
            return self.paused.clone();
        }
        let manual = matches!(self.current(), Some(Move::Hold { hold: StepHold::Manual, .. }));
        manual.then(|| format!("at {} %, until somebody says `promote`", self.percent))
    }

    pub(super) fn conclusion(&self) -> Conclusion {
        match self.state() {
            RolloutState::Promoted => Conclusion::Success,
            RolloutState::RolledBack { .. } | RolloutState::RollingBack { .. } => Conclusion::Failure,
            RolloutState::GivenUp { .. } => Conclusion::Cancelled,
            RolloutState::Waiting { .. } | RolloutState::Moving { .. } | RolloutState::Paused { .. } => Conclusion::Neutral,
        }
    }

    /// What is to be done beside publishing.
    pub(super) fn next(&self, now: Timestamp) -> Wanted {
        let mut wanted = self.next_move(now);
        let state = self.state();
        if self.told.as_ref() != Some(&state) {
            wanted.actions.push(RolloutAction::Tell { state });
        }
        wanted
    }

    fn next_move(&self, now: Timestamp) -> Wanted {
        let at = |at: Timestamp, action| match at <= now {
            true => Wanted { actions: vec![action], wake_at: None, over: false },
            false => Wanted { actions: Vec::new(), wake_at: Some(at), over: false },
        };
        if self.refused.is_some() {
            return Wanted { actions: Vec::new(), wake_at: None, over: true };
        }
        if self.admission.is_none() {
            return at(self.look_at.unwrap_or(now), RolloutAction::Look);
        }
        let Some(current) = self.current() else {
            return Wanted { actions: Vec::new(), wake_at: None, over: true };
        };
        if self.measures() {
            return at(self.look_next(), RolloutAction::Measure);
        }
        let make = || RolloutAction::Make { way: self.way(), n: self.made, what: Box::new(current.clone()) };
        match current {
            Move::Keep { secs } => at(after(self.since, *secs), make()),
            Move::Hook { .. }
            | Move::Deploy { .. }
            | Move::Baseline { .. }
            | Move::Share { .. }
            | Move::Hold { .. }
            | Move::Shrink { .. }
            | Move::Settle
            | Move::Clean => at(now, make()),
        }
    }

    /// Whether it is time to look how it goes, now and then.
    fn measures(&self) -> bool {
        let looks = match self.current() {
            Some(Move::Baseline { .. } | Move::Hold { .. }) => true,
            Some(_) | None => self.paused.is_some() && !self.settled,
        };
        looks && self.back.is_none()
    }

    fn look_next(&self) -> Timestamp {
        let thinned = self.spec.measure_secs * (1 + self.looks.len() as u64 / LOOKS_THINNED);
        let secs = match self.current() {
            Some(Move::Baseline { .. }) => thinned,
            // Nobody gets the new version: only whether somebody has waited for too long is of interest.
            Some(_) | None if self.percent == 0 => thinned.max(IDLE_SECS),
            Some(_) | None => thinned,
        };
        self.looked_at.map_or(self.since, |at| after(at, secs))
    }

    /// Somebody who is to say something has said nothing for so long that it goes back.
    fn deadline(&self) -> Timestamp {
        after(self.since, self.spec.environment.deadline_secs)
    }

    pub(super) fn apply(&mut self, at: Timestamp, event: &RunEvent) {
        match event {
            RunEvent::Signalled { signal, .. } => self.take(at, signal),
            RunEvent::Rollout { event } => self.happened(at, event),
            RunEvent::Created { .. }
            | RunEvent::Resumed { .. }
            | RunEvent::Prepared { .. }
            | RunEvent::StepStarted { .. }
            | RunEvent::StepFinished { .. }
            | RunEvent::Ruled { .. }
            | RunEvent::Obeyed
            | RunEvent::Release { .. }
            | RunEvent::Agent { .. }
            | RunEvent::PublishBegun { .. }
            | RunEvent::Published { .. }
            | RunEvent::PublishRefused { .. }
            | RunEvent::GivenUp { .. }
            | RunEvent::Finished { .. } => {}
        }
    }

    /// Why this event cannot follow, if it cannot.
    pub(super) fn check(&self, event: &RunEvent) -> Result<(), String> {
        let (possible, why) = match event {
            RunEvent::Rollout { event } => match event.as_ref() {
                RolloutEvent::Looked { .. } | RolloutEvent::Admitted { .. } | RolloutEvent::Refused { .. } => {
                    (self.admission.is_none(), "it has begun before")
                }
                // What began before it was decided to go back can end afterwards.
                RolloutEvent::Made { way, n, .. } | RolloutEvent::Failed { way, n, .. } => {
                    (self.admission.is_some() && (*way < self.way() || *n == self.made), "that is not the move to make")
                }
                RolloutEvent::Measured { .. } => (self.admission.is_some(), "it has not begun"),
                RolloutEvent::Told { .. } => (true, ""),
            },
            RunEvent::Finished { .. } => {
                (self.refused.is_some() || (self.admission.is_some() && self.current().is_none()), "it is not over")
            }
            RunEvent::Prepared { .. }
            | RunEvent::StepStarted { .. }
            | RunEvent::StepFinished { .. }
            | RunEvent::Ruled { .. }
            | RunEvent::Obeyed
            | RunEvent::Release { .. }
            | RunEvent::Agent { .. } => (false, "the run is a rollout"),
            RunEvent::Created { .. }
            | RunEvent::Resumed { .. }
            | RunEvent::Signalled { .. }
            | RunEvent::PublishBegun { .. }
            | RunEvent::Published { .. }
            | RunEvent::PublishRefused { .. }
            | RunEvent::GivenUp { .. } => (true, ""),
        };
        possible.then_some(()).ok_or_else(|| why.to_owned())
    }

    fn note(&mut self, at: Timestamp, what: impl Into<String>) {
        self.timeline.push(Past { at, what: what.into() });
    }

    fn take(&mut self, at: Timestamp, signal: &Signal) {
        match signal {
            Signal::Rollout { word } => self.hear(at, word),
            Signal::Cancel { reason } => self.go_back(at, format!("{}.", capital(&reason_words(reason))), false),
            Signal::Order { .. } | Signal::Release { .. } => {}
        }
    }

    fn hear(&mut self, at: Timestamp, word: &RolloutWord) {
        // Whatever it was told, it may be what it waited for.
        self.look_at = None;
        self.heard += 1;
        match word {
            RolloutWord::Look => {}
            RolloutWord::Deploy { by } => self.commanded = Some(by.clone()),
            RolloutWord::Promote { by } => self.promote(at, by),
            RolloutWord::Pause { by } => {
                if self.admission.is_some() && self.back.is_none() && !self.settled {
                    self.note(at, format!("paused by {}", by.login));
                    self.since_pause(at);
                    self.paused = Some(format!("paused by {}", by.login));
                }
            }
            RolloutWord::Resume { by } => {
                if self.paused.take().is_some() {
                    self.note(at, format!("resumed by {}", by.login));
                    self.since_pause(at);
                }
            }
            RolloutWord::GiveWay { tag } => {
                self.go_back(at, format!("{tag} takes its place"), false);
                if let Some(back) = &mut self.back {
                    back.holds = false;
                }
            }
            RolloutWord::RollBack { by, because } => {
                let because = if because.is_empty() { String::new() } else { format!(": {because}") };
                self.go_back(at, format!("Rolled back by {}{because}", by.login), false);
            }
        }
    }

    /// A hold begins anew with a pause and after it: what was measured stands, the time does not.
    fn since_pause(&mut self, at: Timestamp) {
        self.since = at;
    }

    fn promote(&mut self, at: Timestamp, by: &User) {
        if self.admission.is_none() {
            if !self.approvals.iter().any(|user| user.id == by.id) {
                self.note(at, format!("approved by {}", by.login));
                self.approvals.push(by.clone());
            }
            return;
        }
        if self.back.is_some() || self.settled {
            return;
        }
        let paused = self.paused.take().is_some();
        let holds = matches!(self.current(), Some(Move::Hold { .. }));
        if paused || holds {
            self.note(at, format!("promoted by {}", by.login));
        }
        if holds {
            self.advance(at);
        }
    }

    fn advance(&mut self, at: Timestamp) {
        self.made += 1;
        self.since = at;
    }

    fn happened(&mut self, at: Timestamp, event: &RolloutEvent) {
        match event {
            RolloutEvent::Looked { waits, look_at, heard } => {
                self.waits.clone_from(waits);
                self.look_at = (*heard == self.heard).then_some(*look_at);
            }
            // It was called off while it took the lock: telling that once more gives the lock back.
            RolloutEvent::Admitted { .. } if self.refused.is_some() => self.told = None,
            RolloutEvent::Admitted { live, digest, config_hash, moves } => {
                self.admission = Some(Admission { at, live: live.clone(), config_hash: config_hash.clone() });
                self.spec.pool.digest.clone_from(digest);
                self.waits.clear();
                self.moves.clone_from(moves);
                self.since = at;
                self.note(at, "begun");
            }
            RolloutEvent::Refused { because } => self.refused = Some(because.clone()),
            RolloutEvent::Made { way, seen, hook, .. } => self.made_move(at, *way, seen, hook.as_ref()),
            RolloutEvent::Failed { way, because, hook, .. } => {
                self.hooks.extend(hook.clone());
                if *way == self.way() {
                    self.go_back(at, because.clone(), false);
                }
            }
            RolloutEvent::Measured { look, finding } => self.looked(at, look, finding),
            RolloutEvent::Told { state } => self.told = Some(state.clone()),
        }
    }

    fn made_move(&mut self, at: Timestamp, way: Way, seen: &[Seen], hook: Option<&HookOutcome>) {
        self.hooks.extend(hook.cloned());
        // What ends after it was decided to go back belongs to the list that was left.
        let Some(current) = self.current().filter(|_| way == self.way()).cloned() else { return };
        match &current {
            Move::Share { percent } => {
                self.checkpoints.push((at, seen.to_vec()));
                self.percent = *percent;
                if let Some(back) = &mut self.back {
                    back.read_back_at = Some(at);
                }
            }
            Move::Shrink { pool: Which::Old, .. } => self.shrunk = true,
            Move::Settle => {
                self.settled = true;
                self.settled_at = Some(at);
            }
            Move::Hook { .. }
            | Move::Deploy { .. }
            | Move::Baseline { .. }
            | Move::Hold { .. }
            | Move::Shrink { pool: Which::New, .. }
            | Move::Keep { .. }
            | Move::Clean => {}
        }
        self.note(at, current.words());
        self.advance(at);
    }

    fn looked(&mut self, at: Timestamp, look: &Look, finding: &Finding) {
        self.looks.push((at, look.clone(), finding.clone()));
        self.looked_at = Some(at);
        if self.back.is_some() || self.settled {
            return;
        }
        match finding {
            Finding::Back { because, .. } => return self.go_back(at, because.clone(), true),
            Finding::Pause { because } if self.paused.is_none() => {
                self.note(at, because.clone());
                self.paused = Some(because.clone());
                self.since = at;
            }
            Finding::Pause { .. } | Finding::GoOn | Finding::Wait { .. } => {}
        }
        if self.waits_for_somebody().is_some() && at >= self.deadline() {
            return self.go_back(at, "Nobody said `promote` in time".to_owned(), false);
        }
        let over = match self.current() {
            Some(Move::Baseline { secs }) => at >= after(self.since, *secs) && self.paused.is_none(),
            Some(Move::Hold { hold: StepHold::Secs(secs), .. }) => {
                at >= after(self.since, *secs) && matches!(finding, Finding::GoOn) && self.paused.is_none()
            }
            Some(_) | None => false,
        };
        if over {
            let words = self.current().map(Move::words).unwrap_or_default();
            self.note(at, words);
            self.advance(at);
        }
    }

    /// Gives up what has not begun, and goes back where something has. What is over stays as it is.
    fn go_back(&mut self, at: Timestamp, because: String, by_analysis: bool) {
        if self.settled || self.back.is_some() || self.refused.is_some() {
            return;
        }
        self.note(at, because.clone());
        if self.admission.is_none() {
            self.refused = Some(because);
            return;
        }
        // A move that was under way may have been made in part.
        let shrinks = matches!(self.current(), Some(Move::Shrink { pool: Which::Old, .. }));
        self.moves = way_back(self.old(), self.shrunk || shrinks);
        self.made = 0;
        self.since = at;
        self.paused = None;
        self.back = Some(WayBack { because, decided_at: at, read_back_at: None, by_analysis, holds: true });
    }
}

fn after(at: Timestamp, secs: u64) -> Timestamp {
    let secs = SignedDuration::from_secs(i64::try_from(secs).unwrap_or(i64::MAX));
    at.checked_add(secs).unwrap_or(Timestamp::MAX)
}

fn reason_words(reason: &CancelReason) -> String {
    reason.to_string()
}

fn capital(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
}
