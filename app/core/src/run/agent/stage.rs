//! The stages of a pipeline, in a row, each with what has become of it.

use jiff::Timestamp;

use super::event::{ActNote, Amount, HandoverNote, ProgramEnd, ReplyNote};
use super::stuck::Stuck;
use crate::agent::Tool;
use crate::config::{AgentStage, Expect, Pipeline, ProgramStage, Stage, VerifyStage};
use crate::ids::GateName;
use crate::tree::Tree;
use crate::verdict::{StepOutcome, VerdictStatus};

/// A stage and what has become of it.
#[derive(Debug, Clone)]
pub struct StageRun {
    /// What people call it.
    pub name: String,
    /// What it does.
    pub what: Doing,
    /// Which row of which fork it is in.
    pub row: Option<(u16, u16)>,
    /// How far it is.
    pub state: StageState,
    /// The try that it is at, from 1. 0: it has not begun.
    pub tries: u32,
    /// When that try began.
    pub try_since: Timestamp,
    /// Its turns in all tries.
    pub turns: Vec<Turn>,
    /// The turn that its conversation begins with, from 0. A stage that is begun anew knows nothing of what it said before.
    pub talk_from: usize,
    /// After so many turns the gates of a stage, in one of its rounds, had something to say against what it did.
    pub feedback: Vec<Feedback>,
    /// What the gates said, round by round.
    pub rounds: Vec<Vec<(GateName, Box<StepOutcome>)>>,
    /// What differed from the commit when it began.
    pub tree_before: Tree,
    /// What differs now.
    pub tree: Tree,
    /// What its agent handed over last.
    pub handover: Option<HandoverNote>,
    /// How its program ended.
    pub program: Option<ProgramEnd>,
}

/// What a stage does.
#[derive(Debug, Clone)]
pub enum Doing {
    /// An agent works.
    Agent(AgentStage),
    /// A program works.
    Program(ProgramStage),
    /// Gates look.
    Verify(VerifyStage),
    /// Gates look at the result.
    Finally(Vec<GateName>),
}

/// How far a stage is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StageState {
    /// It waits for those before it.
    Waiting,
    /// It is under way.
    Working,
    /// It has done what it was to do.
    Done {
        /// When.
        at: Timestamp,
    },
    /// It has not.
    Failed {
        /// When.
        at: Timestamp,
        /// Why, for people.
        because: String,
    },
    /// It was never wanted.
    NotRun,
}

/// A turn of an agent.
#[derive(Debug, Clone)]
pub struct Turn {
    /// What was set aside for it.
    pub reserved: Amount,
    /// What the model said. None: it is being asked.
    pub reply: Option<ReplyNote>,
    /// What came of it. None: it is being done.
    pub acted: Option<ActedNote>,
}

/// What is remembered of what came of a turn.
#[derive(Debug, Clone)]
pub struct ActedNote {
    /// What the tools said.
    pub blob: crate::ids::BlobId,
    /// How long it is, in bytes.
    pub bytes: u64,
    /// Each of them.
    pub acts: Vec<ActNote>,
    /// The same for results that say the same.
    pub signature: String,
}

/// Gates have said something against what a stage did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Feedback {
    /// After so many of the stage's turns.
    pub after: usize,
    /// The stage of the gates.
    pub verify: u16,
    /// Which round of it.
    pub round: usize,
}

/// A place in a pipeline.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// A stage.
    One(u16),
    /// Rows of stages, at once.
    Fork(Vec<Vec<u16>>),
}

impl StageRun {
    fn new(name: String, what: Doing, row: Option<(u16, u16)>) -> StageRun {
        StageRun {
            name,
            what,
            row,
            state: StageState::Waiting,
            tries: 0,
            try_since: Timestamp::UNIX_EPOCH,
            turns: Vec::new(),
            talk_from: 0,
            feedback: Vec::new(),
            rounds: Vec::new(),
            tree_before: Tree::default(),
            tree: Tree::default(),
            handover: None,
            program: None,
        }
    }

    /// Whether nothing more becomes of it.
    pub fn is_over(&self) -> bool {
        match self.state {
            StageState::Done { .. } | StageState::Failed { .. } | StageState::NotRun => true,
            StageState::Waiting | StageState::Working => false,
        }
    }

    /// How far it is, in a word.
    pub fn word(&self) -> &'static str {
        match self.state {
            StageState::Waiting => "waiting",
            StageState::Working => "working",
            StageState::Done { .. } => "done",
            StageState::Failed { .. } => "failed",
            StageState::NotRun => "not run",
        }
    }

    /// Whether it may change the source.
    pub fn may_change(&self) -> bool {
        match &self.what {
            Doing::Agent(agent) => agent.role.tools.iter().copied().any(Tool::may_change),
            Doing::Program(_) => true,
            Doing::Verify(_) | Doing::Finally(_) => false,
        }
    }

    /// Whether it is the last look at the result.
    pub fn is_final(&self) -> bool {
        matches!(self.what, Doing::Finally(_))
    }

    /// Whether what its gates pass is proven to be good.
    pub fn proves(&self) -> bool {
        match &self.what {
            Doing::Verify(verify) => verify.expect == Expect::Passes,
            Doing::Finally(_) => true,
            Doing::Agent(_) | Doing::Program(_) => false,
        }
    }

    /// The gates that it has look, where that is what it does.
    pub fn gates(&self) -> &[GateName] {
        match &self.what {
            Doing::Verify(verify) => &verify.gates,
            Doing::Finally(gates) => gates,
            Doing::Agent(_) | Doing::Program(_) => &[],
        }
    }

    /// Whether what the gates said in the last round is what they are to say. None: some have not said anything yet.
    pub(super) fn holds(&self) -> Option<bool> {
        let round = self.rounds.last()?;
        if !self.gates().iter().all(|gate| round.iter().any(|(of, _)| of == gate)) {
            return None;
        }
        let passed = |outcome: &StepOutcome| matches!(outcome.verdict.status, VerdictStatus::Passed | VerdictStatus::Skipped);
        let all = round.iter().all(|(_, outcome)| passed(outcome));
        let expect = match &self.what {
            Doing::Verify(verify) => verify.expect,
            Doing::Finally(_) | Doing::Agent(_) | Doing::Program(_) => Expect::Passes,
        };
        Some(match expect {
            Expect::Passes => all,
            // A gate that could not be judged proves nothing.
            Expect::Fails => round.iter().any(|(_, outcome)| outcome.verdict.status == VerdictStatus::Failed),
        })
    }

    /// The gates of the last round that did not say what they are to say, for people.
    pub(super) fn against(&self) -> String {
        let names: Vec<&str> = self
            .rounds
            .last()
            .into_iter()
            .flatten()
            .filter(|(_, outcome)| outcome.verdict.status != VerdictStatus::Passed)
            .map(|(gate, _)| gate.as_str())
            .collect();
        match names.as_slice() {
            [] => "nothing failed, though something should".to_owned(),
            names => format!("{} did not pass", names.join(", ")),
        }
    }

    /// The turns of the try that it is at.
    pub fn turns_of_try(&self) -> &[Turn] {
        let from = self.feedback.last().map_or(0, |feedback| feedback.after);
        self.turns.get(from.max(self.talk_from)..).unwrap_or_default()
    }

    /// Why it goes round in circles, if it does.
    pub(super) fn stuck(&self) -> Option<Stuck> {
        Stuck::of(self.turns_of_try())
    }

    /// So many bytes were said in all turns.
    pub(super) fn bytes_said(&self) -> u64 {
        let of =
            |turn: &Turn| turn.reply.as_ref().map_or(0, |reply| reply.bytes) + turn.acted.as_ref().map_or(0, |acted| acted.bytes);
        self.turns.iter().skip(self.talk_from).map(of).sum()
    }
}

/// The stages of a pipeline, and the order in which they are done. `finally` look at the result.
pub(super) fn laid_out(pipeline: &Pipeline, finally: &[GateName]) -> (Vec<StageRun>, Vec<Place>) {
    let (mut stages, mut places) = (Vec::new(), Vec::new());
    for step in &pipeline.steps {
        let place = match step {
            Stage::Parallel { branches } => {
                let fork = index(places.len());
                let row = |(row, steps): (usize, &Vec<Stage>)| {
                    steps.iter().filter_map(|step| one(&mut stages, step, Some((fork, index(row))))).collect()
                };
                Place::Fork(branches.iter().enumerate().map(row).collect())
            }
            Stage::Agent(_) | Stage::Verify(_) | Stage::Program(_) => match one(&mut stages, step, None) {
                Some(stage) => Place::One(stage),
                None => continue,
            },
        };
        places.push(place);
    }
    if !finally.is_empty() {
        let last = index(stages.len());
        stages.push(StageRun::new("final check".to_owned(), Doing::Finally(finally.to_vec()), None));
        places.push(Place::One(last));
    }
    (stages, places)
}

fn one(stages: &mut Vec<StageRun>, step: &Stage, row: Option<(u16, u16)>) -> Option<u16> {
    let (name, what) = match step {
        Stage::Agent(agent) => (agent.role.name.to_string(), Doing::Agent(agent.clone())),
        Stage::Program(program) => (program.name.clone(), Doing::Program(program.clone())),
        Stage::Verify(verify) => ("verify".to_owned(), Doing::Verify(verify.clone())),
        // The repository file is not taken with rows within rows.
        Stage::Parallel { .. } => return None,
    };
    stages.push(StageRun::new(name, what, row));
    Some(index(stages.len() - 1))
}

pub(super) fn index(n: usize) -> u16 {
    u16::try_from(n).unwrap_or(u16::MAX)
}
