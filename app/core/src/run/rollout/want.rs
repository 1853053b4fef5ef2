//! What a rollout wants done, and when it wants something else by itself.

use jiff::Timestamp;

use super::{Rollout, RolloutState, Way, after};
use crate::rollout::Move;

/// After each so many looks the time between two grows by what it was at first, so that one that somebody holds for days has a
/// journal that can still be read.
const LOOKS_THINNED: u64 = 1_000;

/// While nobody gets the new version it is looked so often, in seconds.
const IDLE_SECS: u64 = 600;

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
    /// Write down that people are to be reminded. Telling others follows from it.
    Remind,
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
    /// [`RolloutAction::Remind`].
    Remind,
}

impl RolloutAction {
    /// The action's name.
    pub(in crate::run) fn key(&self) -> RolloutKey {
        match self {
            RolloutAction::Look => RolloutKey::Look,
            RolloutAction::Make { what, .. } if matches!(**what, Move::Share { .. }) => RolloutKey::Share,
            RolloutAction::Make { way, n, .. } => RolloutKey::Make(*way, *n),
            RolloutAction::Measure => RolloutKey::Measure,
            RolloutAction::Tell { .. } => RolloutKey::Tell,
            RolloutAction::Remind => RolloutKey::Remind,
        }
    }
}

/// What a rollout wants now.
pub(in crate::run) struct Wanted {
    /// To be done.
    pub(in crate::run) actions: Vec<RolloutAction>,
    /// When it will want something else by itself.
    pub(in crate::run) wake_at: Option<Timestamp>,
    /// Whether there is nothing more to come.
    pub(in crate::run) over: bool,
}

impl Rollout {
    /// What is to be done beside publishing.
    pub(in crate::run) fn next(&self, now: Timestamp) -> Wanted {
        let mut wanted = self.next_move(now);
        let state = self.state();
        if self.told.as_ref() != Some(&state) {
            wanted.actions.push(RolloutAction::Tell { state });
        }
        match self.remind_at() {
            Some(at) if at <= now => wanted.actions.push(RolloutAction::Remind),
            Some(at) => wanted.wake_at = Some(wanted.wake_at.map_or(at, |wake_at| wake_at.min(at))),
            None => {}
        }
        wanted
    }

    /// When people are reminded next of what is waited for.
    fn remind_at(&self) -> Option<Timestamp> {
        let since = self.waiting_since()?;
        let secs = self.spec.remind_after_secs.get(self.reminders() as usize)?;
        Some(after(since, *secs))
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
            return at(self.look_next(now), RolloutAction::Measure);
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

    fn look_next(&self, now: Timestamp) -> Timestamp {
        // The clock was set back. Nobody is to get the new version unwatched until it is as late again.
        if self.looked_at.unwrap_or(self.since) > now {
            return now;
        }
        let thinned = self.spec.measure_secs * (1 + self.looks.len() as u64 / LOOKS_THINNED);
        let secs = match self.current() {
            Some(Move::Baseline { .. }) => thinned,
            // Nobody gets the new version: only whether somebody has waited for too long is of interest.
            Some(_) | None if self.percent == 0 => thinned.max(IDLE_SECS),
            Some(_) | None => thinned,
        };
        self.looked_at.map_or(self.since, |at| after(at, secs))
    }
}
