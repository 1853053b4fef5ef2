//! Whatever models, tools and gates say, in any order: what a pipeline never does, and what it comes to.

#![expect(clippy::unwrap_used, reason = "a fixture that does not parse is a mistake of the test")]

use proptest::prelude::*;

use super::*;
use crate::agent::Tool;
use crate::agent::inputs::Inputs;
use crate::config::{AgentStage, Budget, Expect, OnRed, Pipeline, Role, Stage, Triggers, VerifyStage};
use crate::ids::{BlobId, CommitId, ForgeKind, RepoRef, RunId, Subject};
use crate::model::{Finish, Price, Usage};
use crate::run::{Action, JournalEntry, Next, Run, RunEvent, RunSpec, Signal, Work};
use crate::tree::{FileMode, FileNow};
use crate::verdict::{Exit, Verdict, VerdictStatus};

/// Whatever comes, a pipeline has to come to its end within so many steps.
const STEPS_MAX: usize = 2_000;

fn at(secs: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + secs).unwrap()
}

fn tree(files: &[(&str, u64)]) -> Tree {
    let there = |n: u64| FileNow::There { mode: FileMode::Plain, content: BlobId::of(&n.to_le_bytes()), bytes: n };
    Tree { files: files.iter().map(|(path, n)| ((*path).to_owned(), there(*n))).collect() }
}

fn agent(name: &str, writes: bool) -> Stage {
    let tools = if writes { Tool::ALL.to_vec() } else { Tool::READING.to_vec() };
    let role = Role { name: name.parse().unwrap(), prompt: None, tools };
    Stage::Agent(AgentStage { role, models: Vec::new(), turns_max: 5, secs_max: 600 })
}

fn verify(expect: Expect) -> Stage {
    Stage::Verify(VerifyStage { gates: vec!["tests".parse().unwrap()], expect })
}

fn pipeline(steps: Vec<Stage>) -> Pipeline {
    Pipeline {
        name: "fix".parse().unwrap(),
        on: Triggers::default(),
        inputs: Vec::new(),
        steps,
        models: Vec::new(),
        budget: Budget { micro_usd: Some(2_000_000), tokens: 1_000_000, turns: 40, secs: 3600 },
        tries: 2,
        on_red: OnRed::Stop,
        may: Offering::ALL.to_vec(),
        protect: Vec::new(),
        image: "i".to_owned(),
        network: false,
        line: 1,
    }
}

fn prepared(pipeline: Pipeline, finally: &[&str]) -> AgentPrepared {
    let commit: CommitId = "a".repeat(40).parse().unwrap();
    let model: crate::model::ModelName = "scripted/one".parse().unwrap();
    AgentPrepared {
        pipeline,
        inputs: Inputs::new(),
        pull: None,
        commit: commit.clone(),
        target: "main".to_owned(),
        base: commit,
        gates: Vec::new(),
        finally: finally.iter().map(|gate| gate.parse().unwrap()).collect(),
        prompts: BTreeMap::new(),
        context: BlobId::of(b"context"),
        context_bytes: 1_000,
        delimiter: "d".to_owned(),
        models: vec![model.clone()],
        prices: vec![(model, Price { input: 3_000_000, cache_read: 300_000, cache_write: 3_750_000, output: 15_000_000 })],
        tokens_max: 1_000,
        protected: Vec::new(),
        leftovers: Vec::new(),
        day_left: None,
        day_tokens_left: None,
    }
}

/// What comes of an action.
#[derive(Debug, Clone)]
enum Chance {
    /// The model wants something done, and it works.
    Works(u64),
    /// The model wants the same as before, and the same comes of it.
    Same,
    /// The agent is done.
    Over,
    /// It goes wrong: no model answers, gates fail.
    Bad,
    /// The service is killed while the first thing that is wanted is under way.
    Crash,
    /// Time passes.
    Later(i64),
    Cancel,
}

fn chances() -> impl Strategy<Value = Vec<Chance>> {
    let chance = prop_oneof![
        8 => any::<u64>().prop_map(Chance::Works),
        2 => Just(Chance::Same),
        6 => Just(Chance::Over),
        3 => Just(Chance::Bad),
        2 => Just(Chance::Crash),
        1 => (1..400i64).prop_map(Chance::Later),
    ];
    let end = prop_oneof![9 => Just(None), 1 => Just(Some(Chance::Cancel))];
    (proptest::collection::vec(chance, 0..60), end).prop_map(|(mut all, end)| {
        all.extend(end);
        all
    })
}

fn steps() -> impl Strategy<Value = Vec<Stage>> {
    let one = prop_oneof![
        3 => any::<bool>().prop_map(|writes| agent("coder", writes)),
        2 => Just(verify(Expect::Passes)),
        1 => Just(verify(Expect::Fails)),
    ];
    let row = proptest::collection::vec(one.clone(), 1..3);
    let step = prop_oneof![
        4 => one,
        1 => proptest::collection::vec(row, 1..4).prop_map(|branches| Stage::Parallel { branches }),
    ];
    proptest::collection::vec(step, 1..6)
}

struct Play {
    run: Run,
    journal: Vec<JournalEntry>,
    now: i64,
    begun: Vec<(u16, u32)>,
    crashes: usize,
}

impl Play {
    fn new(prepared: AgentPrepared) -> Play {
        let repo = RepoRef { forge: ForgeKind::Github, id: 1, path: "octo/app".to_owned(), installation: Some(1) };
        let work = Work::Agent(AgentSpec {
            trigger: Trigger::IssueOpened,
            task: "mend it".to_owned(),
            inputs: Inputs::new(),
            head: None,
            by: None,
            triggered_at: at(0),
        });
        let subject = Subject::Agents { about: Box::new(Subject::Issue { number: 7 }) };
        let spec = Box::new(RunSpec { repo, subject, work });
        let journal = vec![JournalEntry { seq: 0, at: at(0), event: RunEvent::Created { spec } }];
        let run = Run::replay(RunId::new(), &journal).unwrap();
        let mut play = Play { run, journal, now: 0, begun: Vec::new(), crashes: 0 };
        play.comes(AgentEvent::Prepared { prepared: Box::new(prepared) });
        play
    }

    fn of(&self) -> &AgentRun {
        self.run.agent().unwrap()
    }

    fn happens(&mut self, event: RunEvent) {
        self.run.apply(at(self.now), &event).unwrap();
        self.journal.push(JournalEntry { seq: self.run.seq - 1, at: at(self.now), event });
    }

    fn comes(&mut self, event: AgentEvent) {
        self.happens(RunEvent::Agent { event: Box::new(event) });
    }

    /// What is wanted beside publishing.
    fn wanted(&self) -> Vec<AgentAction> {
        let Next::Perform { actions, .. } = self.run.next(at(self.now)) else { return Vec::new() };
        let own = |action| match action {
            Action::Agent(action) => Some(action),
            _ => None,
        };
        actions.into_iter().filter_map(own).collect()
    }

    fn reply(&mut self, stage: u16, turn: u32, signature: &str) {
        let reply = Box::new(ReplyNote {
            blob: BlobId::of(b"reply"),
            bytes: 100,
            calls: vec!["write".to_owned()],
            signature: signature.to_owned(),
            finish: Finish::Tools,
            usage: Usage { input: 500, output: 100, ..Usage::default() },
            micro_usd: Some(3_000),
            model: "scripted/one".parse().unwrap(),
            millis: 1,
        });
        self.comes(AgentEvent::Replied { stage, turn, reply });
    }

    fn act(&mut self, stage: u16, turn: u32, signature: &str, tree: Option<Tree>, over: bool) {
        let handover = over.then(|| HandoverNote { blob: BlobId::of(b"handover"), summary: "done".to_owned(), findings: 0 });
        let acts = vec![ActNote { tool: "write".to_owned(), about: "a".to_owned(), failed: false, millis: 1 }];
        let acted = Acted { blob: BlobId::of(b"acted"), bytes: 100, acts, signature: signature.to_owned(), tree, handover };
        self.comes(AgentEvent::Acted { stage, turn, acted: Box::new(acted) });
    }

    fn gate(&mut self, stage: u16, gate: GateName, status: VerdictStatus) {
        let outcome = Box::new(StepOutcome::of(Exit::Code { code: 0 }, Verdict::plain(status, "", "")));
        self.comes(AgentEvent::Verified { stage, gate, outcome });
    }

    /// Performs one action.
    fn perform(&mut self, action: AgentAction, chance: &Chance) {
        if let Some(event) = action.begins() {
            if let AgentEvent::TurnBegun { stage, turn, .. } = &event {
                self.begun.push((*stage, *turn));
            }
            self.comes(event);
        }
        if matches!(chance, Chance::Crash) {
            self.crashes += 1;
            return self.happens(RunEvent::Resumed { attempt: 1, worker: "w".to_owned() });
        }
        match action {
            AgentAction::Turn { stage, turn, .. } => match chance {
                Chance::Bad => {
                    // It was asked and not answered: asked again later, it is another question.
                    self.begun.retain(|begun| *begun != (stage, turn));
                    self.comes(AgentEvent::TurnFailed { stage, turn, because: "gone".to_owned() });
                }
                Chance::Same => self.reply(stage, turn, "same"),
                _ => self.reply(stage, turn, &turn.to_string()),
            },
            AgentAction::Act { stage, turn } => match chance {
                Chance::Works(n) => {
                    let writes = self.of().stage(stage).unwrap().may_change();
                    let path = if n % 3 == 0 { "shared".to_owned() } else { format!("{stage}") };
                    let now = writes.then(|| tree(&[(&path, *n % 4)]));
                    self.act(stage, turn, &turn.to_string(), now, false);
                }
                Chance::Over => self.act(stage, turn, "over", None, true),
                _ => self.act(stage, turn, "same", None, false),
            },
            AgentAction::Verify { stage, gate, .. } => {
                let status = match chance {
                    Chance::Bad => VerdictStatus::Failed,
                    _ => VerdictStatus::Passed,
                };
                self.gate(stage, gate, status);
            }
            AgentAction::Expire { stage } => self.comes(AgentEvent::Expired { stage }),
            AgentAction::Stop { what } => self.comes(AgentEvent::Spent { what }),
            AgentAction::Judge => self.comes(AgentEvent::Judged { offers: Vec::new() }),
            AgentAction::Prepare | AgentAction::Program { .. } => unreachable!("it is prepared and has no programs"),
        }
    }

    /// One action after the other until nothing more is wanted. Where chances have run out, everything goes well.
    fn play(&mut self, chances: &[Chance]) {
        let mut chances = chances.iter();
        for _ in 0..STEPS_MAX {
            let chance = chances.next().cloned().unwrap_or(Chance::Over);
            match chance {
                Chance::Later(secs) => self.now += secs,
                Chance::Cancel => {
                    let n = self.run.signals_taken + 1;
                    let signal = Signal::Cancel { reason: CancelReason::Closed };
                    self.happens(RunEvent::Signalled { n, signal });
                }
                _ => match self.wanted().into_iter().next() {
                    Some(action) => self.perform(action, &chance),
                    None => return,
                },
            }
            self.always();
        }
        panic!("no end: {:?}", self.wanted());
    }

    /// What holds at any time.
    fn always(&self) {
        let of = self.of();
        let budget = &of.prepared.as_ref().unwrap().pipeline.budget;
        let mut gone = of.spent;
        gone += of.set_aside().0;
        assert!(gone.tokens <= budget.tokens && budget.micro_usd.is_none_or(|most| gone.micro_usd <= most), "{gone:?}");
        assert!(of.turns <= budget.turns, "{} turns", of.turns);
        let same = Run::replay(self.run.id, &self.journal).unwrap();
        assert_eq!(format!("{:?}", same.kind), format!("{:?}", self.run.kind), "the journal tells the same");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn whatever_happens_a_pipeline_ends_within_its_budget_with_nothing_unproven(
        steps in steps(), chances in chances(), turns in 1..40u32, money in 1..300u64, go_on in any::<bool>()
    ) {
        let mut of = pipeline(steps);
        of.budget = Budget { micro_usd: Some(money * 10_000), turns, ..of.budget };
        of.on_red = if go_on { OnRed::GoOn } else { OnRed::Stop };
        let mut play = Play::new(prepared(of, &["tests", "security"]));
        play.play(&chances);
        let of = play.of();
        prop_assert!(of.result().is_empty() || of.is_verified() || of.cancel.is_some(), "{:?}", of.result());
        let again = play.begun.len() - play.begun.iter().collect::<std::collections::BTreeSet<_>>().len();
        prop_assert!(again <= play.crashes, "a crash costs one turn at most, not {} of {}", again, play.crashes);
    }
}

/// Performs what is wanted first, and checks that it is what the test says.
fn turn(play: &mut Play, stage: u16, now: Option<Tree>, over: bool) {
    let wanted = play.wanted();
    let AgentAction::Turn { stage: of, turn, .. } = wanted[0].clone() else { panic!("{wanted:?}") };
    assert_eq!(of, stage);
    play.perform(wanted[0].clone(), &Chance::Over);
    play.act(stage, turn, &turn.to_string(), now, over);
}

fn gates(play: &mut Play, status: VerdictStatus) {
    for action in play.wanted() {
        let AgentAction::Verify { stage, gate, .. } = action else { panic!("{action:?}") };
        play.gate(stage, gate, status);
    }
}

#[test]
fn what_gates_say_against_work_goes_back_to_who_did_it() {
    let steps = vec![agent("diagnose", false), agent("repair", true), verify(Expect::Passes), agent("quality", true)];
    let mut play = Play::new(prepared(pipeline(steps), &["tests"]));
    turn(&mut play, 0, None, true);
    turn(&mut play, 1, Some(tree(&[("a", 1)])), true);
    gates(&mut play, VerdictStatus::Failed);
    let repair = play.of().stage(1).unwrap();
    assert_eq!((repair.tries, &repair.state), (2, &StageState::Working));
    assert_eq!(repair.feedback, [Feedback { after: 1, verify: 2, round: 0 }]);
    turn(&mut play, 1, Some(tree(&[("a", 2)])), true);
    gates(&mut play, VerdictStatus::Passed);
    turn(&mut play, 3, None, true);
    assert_eq!(play.wanted(), [AgentAction::Judge], "what was looked at is not looked at again");
    assert_eq!(play.of().result(), &tree(&[("a", 2)]));
    assert!(play.of().is_verified());
}

#[test]
fn work_that_does_not_pass_in_the_end_is_taken_back_to_the_last_that_did() {
    let steps = vec![agent("repair", true), verify(Expect::Passes), agent("quality", true)];
    let mut play = Play::new(prepared(pipeline(steps), &["tests"]));
    turn(&mut play, 0, Some(tree(&[("a", 1)])), true);
    gates(&mut play, VerdictStatus::Passed);
    for n in 2..4 {
        turn(&mut play, 2, Some(tree(&[("a", n)])), true);
        gates(&mut play, VerdictStatus::Failed);
    }
    assert_eq!(play.of().result(), &tree(&[("a", 1)]), "both tries failed");
    assert_eq!((play.wanted(), play.of().is_verified()), (vec![AgentAction::Judge], true));
}

#[test]
fn a_test_that_was_to_fail_and_does_not_goes_back_to_its_writer() {
    let steps = vec![agent("tester", true), verify(Expect::Fails), agent("coder", true), verify(Expect::Passes)];
    let mut play = Play::new(prepared(pipeline(steps), &[]));
    turn(&mut play, 0, Some(tree(&[("t", 1)])), true);
    gates(&mut play, VerdictStatus::Passed);
    turn(&mut play, 0, Some(tree(&[("t", 2)])), true);
    gates(&mut play, VerdictStatus::Errored);
    assert!(play.of().stopped.is_some(), "what could not be judged proves no failing test");
    assert!(play.of().result().is_empty());
}

#[test]
fn rows_that_change_the_same_file_differently_are_a_conflict() {
    let rows = |stages: &[&str]| Stage::Parallel { branches: stages.iter().map(|name| vec![agent(name, true)]).collect() };
    let mut play = Play::new(prepared(pipeline(vec![rows(&["coder", "documentation"])]), &[]));
    assert_eq!(play.wanted().len(), 2, "both work at once");
    turn(&mut play, 0, Some(tree(&[("a", 1)])), true);
    turn(&mut play, 1, Some(tree(&[("a", 2)])), true);
    assert_eq!(play.of().stopped.as_deref(), Some("stages that ran at once changed the same files differently: `a`"));
    assert!(play.of().result().is_empty());
    let mut play = Play::new(prepared(pipeline(vec![rows(&["coder", "documentation"])]), &[]));
    turn(&mut play, 0, Some(tree(&[("a", 1)])), true);
    turn(&mut play, 1, Some(tree(&[("b", 1)])), true);
    assert_eq!(play.of().result(), &tree(&[("a", 1), ("b", 1)]));
}

#[test]
fn an_agent_that_goes_round_in_circles_is_stopped() {
    let same = |play: &mut Play, n: u32| {
        let action = play.wanted().remove(0);
        play.perform(action, &Chance::Same);
        play.act(0, n, "same", None, false);
    };
    let mut play = Play::new(prepared(pipeline(vec![agent("coder", true)]), &[]));
    (1..=3).for_each(|n| same(&mut play, n));
    assert_eq!(play.of().stopped.as_deref(), Some("coder: it did the same again and again"));
    assert_eq!(play.of().turns, 3);
}

#[test]
fn a_turn_that_the_budget_has_no_room_for_is_not_taken() {
    let mut of = pipeline(vec![agent("coder", true)]);
    of.budget.micro_usd = Some(20_000);
    let mut play = Play::new(prepared(of, &[]));
    turn(&mut play, 0, Some(tree(&[("a", 1)])), false);
    assert_eq!(play.wanted(), [AgentAction::Stop { what: Scarce::Money }]);
    let mut of = pipeline(vec![agent("coder", true)]);
    of.budget.secs = 60;
    let mut play = Play::new(prepared(of, &[]));
    play.now = 60;
    assert_eq!(play.wanted(), [AgentAction::Stop { what: Scarce::Time }]);
}
