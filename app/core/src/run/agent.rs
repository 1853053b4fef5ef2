//! The machine that runs a pipeline of agents: which stage is next, whether the budget allows for another turn, what gates make of the
//! work, and what tree comes of it.
//!
//! A tree that gates have passed is a checkpoint ("green"). Work that gates do not pass goes back to who did it, a few times; after
//! that the pipeline goes back to the last checkpoint.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use super::event::CancelReason;
use crate::agent::inputs::Inputs;
use crate::config::Offering;
use crate::ids::GateName;
use crate::report::Conclusion;
use crate::tree::Tree;
use crate::verdict::StepOutcome;

mod budget;
mod event;
mod follow;
mod happen;
mod stage;
mod stuck;
#[cfg(test)]
mod tests;

pub use budget::models_of;
pub use event::{
    ActNote, Acted, AgentEvent, AgentPrepared, AgentSpec, Amount, HandoverNote, Offer, ProgramEnd, ReplyNote, Scarce, Trigger,
};
pub use stage::{ActedNote, Doing, Feedback, Place, StageRun, StageState, Turn};
pub use stuck::Stuck;

/// A pipeline of agents.
#[derive(Debug, Clone)]
pub struct AgentRun {
    /// What is to be done.
    pub spec: AgentSpec,
    /// Its pinned inputs, once they are known.
    pub prepared: Option<Box<AgentPrepared>>,
    /// When they were.
    pub prepared_at: Timestamp,
    /// Why it is not run, and whether nobody is told.
    pub refused: Option<(String, bool)>,
    /// Its stages.
    pub stages: Vec<StageRun>,
    /// The order in which they are done.
    pub places: Vec<Place>,
    /// Where it is, by row: `None` is the pipeline itself.
    lanes: BTreeMap<Option<(u16, u16)>, Lane>,
    /// What has been used up.
    pub spent: Amount,
    /// Turns that were paid for, those too of which nobody knows what came.
    pub turns: u32,
    /// Whether something was used whose price is not known.
    pub unpriced: bool,
    /// The tree that each gate has passed last, with what it said.
    passed: BTreeMap<GateName, (Tree, Box<StepOutcome>)>,
    /// Why the rest is not done, for people.
    pub stopped: Option<String>,
    /// What becomes of what was handed over.
    pub offers: Option<Vec<Offer>>,
    /// Why it is to stop.
    pub cancel: Option<CancelReason>,
    /// When it last changed.
    pub since: Timestamp,
}

/// Where a row of stages is.
#[derive(Debug, Clone, Default)]
struct Lane {
    /// The place in it that is next.
    at: usize,
    /// What differs from the commit after what is done.
    tree: Tree,
    /// The last of those that gates have passed.
    green: Tree,
}

/// Something to be done for a pipeline.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AgentAction {
    /// Pin the inputs.
    Prepare,
    /// Ask the model.
    Turn {
        /// The stage.
        stage: u16,
        /// Which turn of it, from 1.
        turn: u32,
        /// What is set aside for it.
        reserved: Reserved,
    },
    /// Do what the model wants.
    Act {
        /// The stage.
        stage: u16,
        /// The turn.
        turn: u32,
    },
    /// Run a stage's program.
    Program {
        /// The stage.
        stage: u16,
        /// Which try.
        attempt: u32,
    },
    /// Have a gate look at what there is.
    Verify {
        /// The stage.
        stage: u16,
        /// Which of its rounds.
        round: u32,
        /// The gate.
        gate: GateName,
    },
    /// Say that a stage was not over in time.
    Expire {
        /// The stage.
        stage: u16,
    },
    /// Say that the budget allows for no more.
    Stop {
        /// Of what there is no more.
        what: Scarce,
    },
    /// Decide what of the result is shown to people.
    Judge,
}

/// What is set aside for a turn, and whether that is in the journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Reserved {
    /// Tokens.
    pub tokens: u64,
    /// Millionths of a US dollar.
    pub micro_usd: u64,
    /// Whether the turn is still to be begun.
    pub first: bool,
}

/// Names an action of a pipeline for as long as it is wanted.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AgentKey {
    /// [`AgentAction::Turn`].
    Turn(u16, u32),
    /// Any other.
    Other(AgentAction),
}

impl AgentAction {
    /// The action's name.
    pub fn key(&self) -> AgentKey {
        match self {
            AgentAction::Turn { stage, turn, .. } => AgentKey::Turn(*stage, *turn),
            other => AgentKey::Other(other.clone()),
        }
    }

    /// What must be in the journal before it is performed for the first time.
    pub(super) fn begins(&self) -> Option<AgentEvent> {
        match self {
            AgentAction::Turn { stage, turn, reserved } if reserved.first => Some(AgentEvent::TurnBegun {
                stage: *stage,
                turn: *turn,
                reserved: Amount { tokens: reserved.tokens, micro_usd: reserved.micro_usd },
            }),
            AgentAction::Turn { .. }
            | AgentAction::Prepare
            | AgentAction::Act { .. }
            | AgentAction::Program { .. }
            | AgentAction::Verify { .. }
            | AgentAction::Expire { .. }
            | AgentAction::Stop { .. }
            | AgentAction::Judge => None,
        }
    }
}

impl AgentRun {
    /// What was said in a stage is shortened where it comes to more bytes, the oldest first.
    pub const HISTORY_BYTES_MAX: u64 = 400 * 1024;

    pub(super) fn new(spec: AgentSpec, at: Timestamp) -> AgentRun {
        AgentRun {
            spec,
            prepared: None,
            prepared_at: at,
            refused: None,
            stages: Vec::new(),
            places: Vec::new(),
            lanes: BTreeMap::new(),
            spent: Amount::default(),
            turns: 0,
            unpriced: false,
            passed: BTreeMap::new(),
            stopped: None,
            offers: None,
            cancel: None,
            since: at,
        }
    }

    /// A stage by its number.
    pub fn stage(&self, stage: u16) -> Option<&StageRun> {
        self.stages.get(usize::from(stage))
    }

    /// The name of the pipeline, once it is known which one it is.
    pub fn pipeline(&self) -> Option<&str> {
        self.prepared.as_ref().map(|prepared| prepared.pipeline.name.as_str())
    }

    /// What it is given beside the task: as it was asked for, until what the file has is known too.
    pub fn inputs(&self) -> &Inputs {
        self.prepared.as_ref().map_or(&self.spec.inputs, |prepared| &prepared.inputs)
    }

    /// What the pipeline has come to: what differs from its commit. Only a pipeline that has ended says so.
    pub fn result(&self) -> &Tree {
        static NOTHING: Tree = Tree { files: BTreeMap::new() };
        self.lanes.get(&None).map_or(&NOTHING, |main| &main.tree)
    }

    /// Whether gates have looked at the result, and all of them passed it.
    pub fn is_verified(&self) -> bool {
        let mut gates = self.stages.iter().filter(|stage| stage.proves()).flat_map(StageRun::gates).peekable();
        gates.peek().is_some() && gates.all(|gate| self.passed.get(gate).is_some_and(|(tree, _)| tree == self.result()))
    }

    /// Whether it is known what comes of it: nothing is under way, and nothing more will be.
    pub fn has_ended(&self) -> bool {
        self.prepared.is_some() && self.stages.iter().all(StageRun::is_over)
    }

    /// Whether something of this is shown.
    pub fn offers_any(&self, what: Offering) -> bool {
        self.offers.iter().flatten().any(|offer| offer.what == what && offer.refused.is_none())
    }

    pub(super) fn conclusion(&self) -> Conclusion {
        if self.cancel.is_some() {
            return Conclusion::Cancelled;
        }
        match &self.refused {
            Some((_, true)) => return Conclusion::Skipped,
            Some((_, false)) => return Conclusion::ActionRequired,
            None => {}
        }
        let failed = self.stages.iter().any(|stage| matches!(stage.state, StageState::Failed { .. }));
        if self.stopped.is_some() || failed { Conclusion::Neutral } else { Conclusion::Success }
    }

    /// What is to be done beside publishing, when something else will be, and whether there is nothing more to come.
    pub(super) fn next(&self, now: Timestamp) -> (Vec<AgentAction>, Option<Timestamp>, bool) {
        if self.refused.is_some() || self.cancel.is_some() || self.offers.is_some() {
            return (Vec::new(), None, true);
        }
        let Some(prepared) = &self.prepared else { return (vec![AgentAction::Prepare], None, false) };
        if self.has_ended() {
            return (vec![AgentAction::Judge], None, false);
        }
        let secs = |secs: u64| SignedDuration::from_secs(i64::try_from(secs).unwrap_or(i64::MAX));
        let end = self.prepared_at.saturating_add(secs(prepared.pipeline.budget.secs)).unwrap_or(Timestamp::MAX);
        if end <= now && self.stopped.is_none() {
            return (vec![AgentAction::Stop { what: Scarce::Time }], None, false);
        }
        let mut wanted = Wanted { actions: Vec::new(), wake_at: Some(end).filter(|end| *end > now), set_aside: self.set_aside() };
        for (n, stage) in self.stages.iter().enumerate().filter(|(_, stage)| stage.state == StageState::Working) {
            let n = stage::index(n);
            let most = match &stage.what {
                Doing::Agent(agent) => agent.secs_max,
                Doing::Program(program) => program.secs_max,
                Doing::Verify(_) | Doing::Finally(_) => u64::MAX,
            };
            let end = stage.try_since.saturating_add(secs(most)).unwrap_or(Timestamp::MAX);
            if end <= now {
                wanted.actions.push(AgentAction::Expire { stage: n });
                continue;
            }
            wanted.wake_at = wanted.wake_at.into_iter().chain([end]).min();
            self.wanted_of(prepared, n, stage, &mut wanted);
        }
        (wanted.actions, wanted.wake_at, false)
    }

    fn wanted_of(&self, prepared: &AgentPrepared, n: u16, stage: &StageRun, wanted: &mut Wanted) {
        match &stage.what {
            Doing::Agent(_) => self.turn_of(prepared, n, stage, wanted),
            Doing::Program(_) => wanted.actions.push(AgentAction::Program { stage: n, attempt: stage.tries }),
            Doing::Verify(_) | Doing::Finally(_) => {
                let round = stage.rounds.last().map_or(&[][..], Vec::as_slice);
                let number = u32::try_from(stage.rounds.len()).unwrap_or(u32::MAX);
                let left = stage.gates().iter().filter(|gate| !round.iter().any(|(of, _)| of == *gate));
                wanted.actions.extend(left.map(|gate| AgentAction::Verify { stage: n, round: number, gate: gate.clone() }));
            }
        }
    }

    fn turn_of(&self, prepared: &AgentPrepared, n: u16, stage: &StageRun, wanted: &mut Wanted) {
        let number = |turns: usize| u32::try_from(turns).unwrap_or(u32::MAX);
        match stage.turns.last() {
            Some(Turn { reply: None, reserved, .. }) => {
                let reserved = Reserved { tokens: reserved.tokens, micro_usd: reserved.micro_usd, first: false };
                wanted.actions.push(AgentAction::Turn { stage: n, turn: number(stage.turns.len()), reserved });
            }
            Some(Turn { reply: Some(_), acted: None, .. }) => {
                wanted.actions.push(AgentAction::Act { stage: n, turn: number(stage.turns.len()) });
            }
            None | Some(Turn { reply: Some(_), acted: Some(_), .. }) => {
                let next = budget::of_turn(prepared, stage);
                let (aside, under_way) = wanted.set_aside;
                let mut gone = self.spent;
                gone += aside;
                match budget::short_of(prepared, gone, self.turns.saturating_add(under_way), next) {
                    None => {
                        wanted.set_aside.0 += next;
                        wanted.set_aside.1 += 1;
                        let reserved = Reserved { tokens: next.tokens, micro_usd: next.micro_usd, first: true };
                        wanted.actions.push(AgentAction::Turn { stage: n, turn: number(stage.turns.len()) + 1, reserved });
                    }
                    // Turns that are under way may need less than was set aside for them.
                    Some(_) if under_way > 0 => {}
                    Some(what) => wanted.actions.push(AgentAction::Stop { what }),
                }
            }
        }
    }

    /// What is set aside for turns that are under way, and how many those are.
    fn set_aside(&self) -> (Amount, u32) {
        let mut aside = (Amount::default(), 0);
        let under_way = self.stages.iter().filter_map(|stage| stage.turns.last()).filter(|turn| turn.reply.is_none());
        for turn in under_way {
            aside.0 += turn.reserved;
            aside.1 += 1;
        }
        aside
    }
}

struct Wanted {
    actions: Vec<AgentAction>,
    wake_at: Option<Timestamp>,
    set_aside: (Amount, u32),
}
