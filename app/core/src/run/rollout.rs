//! The machine that brings a release to an environment: wait until it may, make the moves of the strategy one by one, look how it
//! goes, and go back at the first good reason.
//!
//! What this machine never does, whatever happens: raise the new version's share once it goes back; begin without the lock of the
//! environment; go on because nothing was measured.

use jiff::{SignedDuration, Timestamp};

use super::event::{CancelReason, RunEvent, Signal};
use crate::config::StepHold;
use crate::event::User;
use crate::report::Conclusion;
use crate::rollout::{Finding, HookOutcome, Live, Move, Old, Seen, Wait, Which, way_back};

mod said;
#[cfg(test)]
mod tests;
mod want;

pub use said::{Look, Pace, Patience, RolloutCause, RolloutEvent, RolloutSpec, RolloutState, RolloutWord, Way};
pub(in crate::run) use want::Wanted;
pub use want::{RolloutAction, RolloutKey};

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
    /// Since when it waits for things of these kinds.
    pub waits_since: Timestamp,
    /// The last reminder: since when what it was about had been waited for, and the how many-th it was, from 1.
    reminded: Option<(Timestamp, u32)>,
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

impl Rollout {
    pub(super) fn new(spec: RolloutSpec, created_at: Timestamp) -> Rollout {
        Rollout {
            spec,
            created_at,
            waits: Vec::new(),
            waits_since: created_at,
            reminded: None,
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
            return RolloutState::Waiting { waits: self.waits.clone(), patience: self.patience() };
        }
        if let Some(because) = self.waits_for_somebody() {
            return RolloutState::Paused { because, percent: self.percent, patience: self.patience() };
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

    /// Since when it waits for somebody or for a time, if it does.
    fn waiting_since(&self) -> Option<Timestamp> {
        if self.refused.is_some() || self.back.is_some() || self.settled {
            return None;
        }
        match &self.admission {
            None => (!self.waits.is_empty()).then_some(self.waits_since),
            Some(_) => self.waits_for_somebody().is_some().then_some(self.since),
        }
    }

    /// So many reminders there were of what is waited for now.
    fn reminders(&self) -> u32 {
        let now = self.waiting_since();
        self.reminded.filter(|(since, _)| Some(*since) == now).map_or(0, |(_, n)| n)
    }

    /// How long it has waited already, and until when it will.
    fn patience(&self) -> Patience {
        let begun = if self.admission.is_some() { self.since } else { self.created_at };
        Patience {
            since: self.waiting_since(),
            reminders: self.reminders(),
            ends_at: self.waiting_since().map(|_| after(begun, self.spec.environment.deadline_secs)),
        }
    }

    pub(super) fn conclusion(&self) -> Conclusion {
        match self.state() {
            RolloutState::Promoted => Conclusion::Success,
            RolloutState::RolledBack { .. } | RolloutState::RollingBack { .. } => Conclusion::Failure,
            RolloutState::GivenUp { .. } => Conclusion::Cancelled,
            RolloutState::Waiting { .. } | RolloutState::Moving { .. } | RolloutState::Paused { .. } => Conclusion::Neutral,
        }
    }

    /// Somebody who is to say something has said nothing for so long that it goes back.
    fn deadline(&self) -> Timestamp {
        after(self.since, self.spec.environment.deadline_secs)
    }

    pub(super) fn apply(&mut self, at: Timestamp, event: &RunEvent) {
        match event {
            RunEvent::Signalled { signal, .. } => self.take(at, signal),
            RunEvent::Rollout { event } => self.happened(at, event),
            _ => {}
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
                RolloutEvent::Told { .. } | RolloutEvent::Reminded => (true, ""),
            },
            RunEvent::Finished { .. } => {
                (self.refused.is_some() || (self.admission.is_some() && self.current().is_none()), "it is not over")
            }
            _ => (true, ""),
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
                if !same_kinds(&self.waits, waits) {
                    self.waits_since = at;
                }
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
            RolloutEvent::Reminded => {
                if let Some(since) = self.waiting_since() {
                    self.reminded = Some((since, self.reminders() + 1));
                    self.note(at, "people were reminded");
                }
            }
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
        // The clock was set back: how long the move lasts already cannot be told, so it lasts anew.
        self.since = self.since.min(at);
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

/// Whether things of the same kinds are waited for.
fn same_kinds(before: &[Wait], now: &[Wait]) -> bool {
    let kinds = |waits: &[Wait]| waits.iter().map(std::mem::discriminant).collect::<Vec<_>>();
    kinds(before) == kinds(now)
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
