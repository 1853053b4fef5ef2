//! What a pipeline makes of what has happened, and what it refuses to have happened.

use jiff::Timestamp;

use super::{
    Acted, ActedNote, AgentEvent, AgentRun, Amount, Doing, Lane, ProgramEnd, ReplyNote, StageRun, StageState, Turn, stage,
};
use crate::config::OnRed;
use crate::ids::GateName;
use crate::run::event::{RunEvent, Signal};
use crate::verdict::{StepOutcome, VerdictStatus};

impl AgentRun {
    /// Why this event cannot follow, if it cannot.
    pub(in crate::run) fn check(&self, event: &RunEvent) -> Result<(), String> {
        let (possible, why) = match event {
            RunEvent::Agent { event } => return self.check_own(event),
            RunEvent::Finished { .. } => {
                (self.refused.is_some() || self.cancel.is_some() || self.offers.is_some(), "it is not over")
            }
            _ => (true, ""),
        };
        possible.then_some(()).ok_or_else(|| why.to_owned())
    }

    fn check_own(&self, event: &AgentEvent) -> Result<(), String> {
        let asked = |stage: &u16, turn: &u32| {
            let of = self.stage(*stage).filter(|of| of.state == StageState::Working);
            of.filter(|of| of.turns.len() == *turn as usize).and_then(|of| of.turns.last())
        };
        let (possible, why) = match event {
            AgentEvent::Prepared { .. } | AgentEvent::Refused { .. } => {
                (self.prepared.is_none() && self.refused.is_none(), "it was prepared before")
            }
            AgentEvent::TurnBegun { stage, turn, .. } => {
                let of = self.stage(*stage).filter(|of| of.state == StageState::Working);
                let settled = of.is_some_and(|of| of.turns.last().is_none_or(|last| last.acted.is_some()));
                (settled && of.is_some_and(|of| of.turns.len() + 1 == *turn as usize), "it is not that turn's time")
            }
            AgentEvent::Replied { stage, turn, .. } | AgentEvent::TurnFailed { stage, turn, .. } => {
                (asked(stage, turn).is_some_and(|turn| turn.reply.is_none()), "nobody was asked that")
            }
            AgentEvent::Acted { stage, turn, .. } => {
                let open = |turn: &Turn| turn.reply.is_some() && turn.acted.is_none();
                (asked(stage, turn).is_some_and(open), "nothing was wanted there")
            }
            AgentEvent::ProgramEnded { stage, .. }
            | AgentEvent::Verified { stage, .. }
            | AgentEvent::Broken { stage, .. }
            | AgentEvent::Expired { stage } => {
                (self.stage(*stage).is_some_and(|of| of.state == StageState::Working), "the stage is not under way")
            }
            AgentEvent::Spent { .. } => (self.prepared.is_some(), "it was not prepared"),
            AgentEvent::Judged { .. } => (self.has_ended() && self.offers.is_none(), "its result is not there"),
        };
        possible.then_some(()).ok_or_else(|| why.to_owned())
    }

    pub(in crate::run) fn apply(&mut self, at: Timestamp, event: &RunEvent) {
        match event {
            RunEvent::Signalled { signal: Signal::Cancel { reason }, .. } if self.cancel.is_none() && self.offers.is_none() => {
                self.cancel = Some(reason.clone());
            }
            // Whoever asked a model is gone, and the answer with it.
            RunEvent::Resumed { .. } => (0..self.stages.len()).for_each(|n| self.lose(n)),
            RunEvent::Agent { event } => {
                self.since = at;
                self.happened(at, event);
                self.follow(at);
            }
            _ => {}
        }
    }

    fn happened(&mut self, at: Timestamp, event: &AgentEvent) {
        match event {
            AgentEvent::Prepared { prepared } => {
                (self.stages, self.places) = stage::laid_out(&prepared.pipeline, &prepared.finally);
                self.prepared = Some(prepared.clone());
                self.prepared_at = at;
                self.lanes.insert(None, Lane::default());
            }
            AgentEvent::Refused { because, quiet } => self.refused = Some((because.clone(), *quiet)),
            AgentEvent::TurnBegun { stage, reserved, .. } => {
                if let Some(stage) = self.stages.get_mut(usize::from(*stage)) {
                    stage.turns.push(Turn { reserved: *reserved, reply: None, acted: None });
                }
            }
            AgentEvent::Replied { stage, reply, .. } => self.replied(*stage, reply),
            AgentEvent::TurnFailed { stage, because, .. } => {
                if let Some(stage) = self.stages.get_mut(usize::from(*stage)) {
                    stage.turns.pop();
                    stage.state = StageState::Failed { at, because: because.clone() };
                }
                self.turns += 1;
            }
            AgentEvent::Broken { stage, because } => {
                if let Some(stage) = self.stages.get_mut(usize::from(*stage)) {
                    stage.state = StageState::Failed { at, because: because.clone() };
                }
            }
            AgentEvent::Acted { stage, acted, .. } => self.acted(at, *stage, acted),
            AgentEvent::ProgramEnded { stage, ended } => self.program_ended(at, *stage, ended),
            AgentEvent::Expired { stage } => {
                self.lose(usize::from(*stage));
                if let Some(stage) = self.stages.get_mut(usize::from(*stage)) {
                    stage.state = StageState::Failed { at, because: "its time was up".to_owned() };
                }
            }
            AgentEvent::Spent { what } => self.stop(what.words().to_owned()),
            AgentEvent::Verified { stage, gate, outcome } => self.verified(*stage, gate, outcome),
            AgentEvent::Judged { offers } => self.offers = Some(offers.clone()),
        }
    }

    fn replied(&mut self, stage: u16, reply: &ReplyNote) {
        self.turns += 1;
        self.unpriced |= reply.micro_usd.is_none();
        self.spent += Amount { tokens: reply.usage.total(), micro_usd: reply.micro_usd.unwrap_or_default() };
        if let Some(turn) = self.stages.get_mut(usize::from(stage)).and_then(|stage| stage.turns.last_mut()) {
            turn.reply = Some(reply.clone());
        }
    }

    fn acted(&mut self, at: Timestamp, stage: u16, acted: &Acted) {
        let Some(stage) = self.stages.get_mut(usize::from(stage)) else { return };
        let Acted { blob, bytes, acts, signature, tree, handover } = acted.clone();
        if let Some(turn) = stage.turns.last_mut() {
            turn.acted = Some(ActedNote { blob, bytes, acts, signature });
        }
        if let Some(tree) = tree {
            stage.tree = tree;
        }
        let Doing::Agent(agent) = &stage.what else { return };
        if let Some(handover) = handover {
            stage.handover = Some(handover);
            stage.state = StageState::Done { at };
        } else if let Some(stuck) = stage.stuck() {
            stage.state = StageState::Failed { at, because: stuck.words().to_owned() };
        } else if stage.turns_of_try().len() >= agent.turns_max as usize {
            let because = format!("it was not done after {} turns", agent.turns_max);
            stage.state = StageState::Failed { at, because };
        }
    }

    fn program_ended(&mut self, at: Timestamp, stage: u16, ended: &ProgramEnd) {
        let Some(stage) = self.stages.get_mut(usize::from(stage)) else { return };
        if let Some(tree) = &ended.tree {
            stage.tree = tree.clone();
        }
        stage.state = match &ended.failed {
            None => StageState::Done { at },
            Some(because) => StageState::Failed { at, because: because.clone() },
        };
        stage.program = Some(ended.clone());
    }

    fn verified(&mut self, stage: u16, gate: &GateName, outcome: &StepOutcome) {
        let Some(stage) = self.stages.get_mut(usize::from(stage)) else { return };
        if matches!(outcome.verdict.status, VerdictStatus::Passed | VerdictStatus::Skipped) {
            self.passed.insert(gate.clone(), (stage.tree.clone(), Box::new(outcome.clone())));
        }
        if let Some(round) = stage.rounds.last_mut() {
            round.push((gate.clone(), Box::new(outcome.clone())));
        }
    }

    /// The rest is not done, and what was not passed by gates is taken back where gates are asked at all. What they have still to say
    /// about the result, they say.
    pub(super) fn stop(&mut self, because: String) {
        let asked = self.stages.iter().any(|stage| stage.proves() && !stage.is_final());
        for n in 0..self.stages.len() {
            self.lose(n);
            let stage = &mut self.stages[n];
            if !stage.is_over() {
                stage.state = if stage.is_final() { StageState::Waiting } else { StageState::NotRun };
            }
        }
        self.lanes.retain(|lane, _| lane.is_none());
        let last = self.places.len() - usize::from(self.stages.last().is_some_and(StageRun::is_final));
        if let Some(main) = self.lanes.get_mut(&None) {
            main.at = last;
            if asked {
                main.tree = main.green.clone();
            }
        }
        self.stopped.get_or_insert(because);
    }

    /// Nobody will hear the answer that a stage waits for. It may be given, so it is paid for.
    fn lose(&mut self, n: usize) {
        let Some(stage) = self.stages.get_mut(n) else { return };
        if let Some(Turn { reply: None, reserved, .. }) = stage.turns.last() {
            self.spent += *reserved;
            self.turns += 1;
            stage.turns.pop();
        }
    }

    pub(super) fn on_red(&self) -> OnRed {
        self.prepared.as_ref().map_or(OnRed::Stop, |prepared| prepared.pipeline.on_red)
    }
}
