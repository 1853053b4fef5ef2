//! Whatever is said to a rollout, and whatever comes of its moves, in any order: what it never does.

#![expect(clippy::unwrap_used, reason = "a fixture that does not parse is a mistake of the test")]

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::config::Environment;
use crate::ids::{ForgeKind, RepoRef, RunId, Subject};
use crate::rollout::{Release, fill::pool_id, moves};
use crate::run::{Action, JournalEntry, Next, Run, RunSpec, Work};
use crate::target::Pool;

/// A rollout that is told something for ever never ends. After so many steps nobody says anything any more.
const STEPS_TOLD: usize = 60;

/// And then it has to come to its end within so many.
const STEPS_MAX: usize = 4_000;

/// What may happen at a step.
#[derive(Debug, Clone)]
enum Chance {
    Word(u8),
    Cancel,
    Made,
    Failed,
    Measured(u8),
    /// It is begun, and ends when something else has happened.
    Begun,
    Later(u16),
    /// The clock is set, by so many seconds.
    Clock(i32),
    Crash,
}

fn chances() -> impl Strategy<Value = Vec<Chance>> {
    let chance = prop_oneof![
        3 => (0..6u8).prop_map(Chance::Word),
        1 => Just(Chance::Cancel),
        12 => Just(Chance::Made),
        1 => Just(Chance::Failed),
        6 => (0..8u8).prop_map(Chance::Measured),
        4 => Just(Chance::Begun),
        4 => (0..900u16).prop_map(Chance::Later),
        1 => (-9_000..9_000i32).prop_map(Chance::Clock),
        2 => Just(Chance::Crash),
    ];
    proptest::collection::vec(chance, 0..STEPS_TOLD)
}

const STRATEGIES: [&str; 9] = [
    "recreate",
    "rolling",
    "{ rolling: { batch: 34, every: 20s } }",
    "{ blue-green: { watch: 0, keep: 0 } }",
    "{ blue-green: { preview: manual, watch: 60s, keep: 30s } }",
    "{ canary: { steps: [10, 50, 100], every: 30s, keep: 0 } }",
    "{ canary: { steps: [0, { percent: 25, hold: manual }, 100], every: 10s } }",
    "{ canary: { steps: [{ percent: 5, hold: manual }, { percent: 100, hold: manual }], keep: 5s } }",
    // It is looked at for longer than somebody has to say something.
    "{ canary: { steps: [{ percent: 10, hold: 7200 }, 100], keep: 0 } }",
];

const HOOKS: [&str; 2] =
    ["", "    hooks: { before: { name: b, run: x }, preview: { name: p, run: x }, after: { name: a, run: x } }\n"];

fn environment(strategy: usize, hooks: usize, replicas: u32) -> Environment {
    let file = format!(
        "image: i\ngates:\n  good: {{ run: x }}\nreleases:\n  on: {{ tag: 'v*' }}\nenvironments:\n  production:\n    deadline: 1h\n    \
         target: {{ docker: {{ service: s, image: 'i:{{{{ version }}}}', replicas: {replicas} }} }}\n    strategy: {}\n{}",
        STRATEGIES[strategy], HOOKS[hooks]
    );
    crate::config::parse(&file).unwrap().environments.remove(0)
}

fn user(id: u64) -> User {
    User { id, login: format!("user{id}") }
}

fn release(tag: &str) -> Release {
    let commit = "a".repeat(40).parse().unwrap();
    Release {
        tag: tag.to_owned(),
        version: tag.trim_start_matches('v').to_owned(),
        commit,
        run: None,
        pull: None,
        authors: vec![],
    }
}

fn pool(version: &str, environment: &Environment) -> Pool {
    let id = pool_id(version, &environment.target);
    Pool { id, version: version.to_owned(), config: environment.target.clone(), digest: None }
}

fn at(secs: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + secs).unwrap()
}

#[derive(Debug, Clone, Copy)]
enum Before {
    Nothing,
    Same,
    Other(u32),
}

/// A rollout and somebody who does what it wants.
struct Play {
    run: Run,
    journal: Vec<JournalEntry>,
    now: i64,
    signals: u64,
    before: Before,
    /// The router's share of the new version, and whether a change of it is under way.
    percent: u32,
    percents_back: Vec<u32>,
    settled: usize,
    /// Begun, and not over.
    flight: Option<RolloutAction>,
    promoted_by: usize,
}

impl Play {
    fn new(spec: RolloutSpec, before: Before) -> Play {
        let repo = RepoRef { forge: ForgeKind::Github, id: 1, path: "octo/app".to_owned(), installation: Some(1) };
        let subject = Subject::Environment { name: spec.environment.name.clone() };
        let spec = Box::new(RunSpec { repo, subject, work: Work::Rollout(Box::new(spec)) });
        let journal = vec![JournalEntry { seq: 0, at: at(0), event: RunEvent::Created { spec } }];
        let run = Run::replay(RunId::new(), &journal).unwrap();
        let (percents_back, flight) = (Vec::new(), None);
        Play { run, journal, now: 0, signals: 0, before, percent: 0, percents_back, settled: 0, flight, promoted_by: 0 }
    }

    fn rollout(&self) -> &Rollout {
        self.run.rollout().unwrap()
    }

    fn happens(&mut self, event: RunEvent) {
        let (now, was) = (at(self.now), self.rollout().clone());
        self.run.apply(now, &event).unwrap();
        self.journal.push(JournalEntry { seq: self.run.seq - 1, at: now, event });
        let is = self.rollout();
        assert!(was.back.is_none() || is.back.is_some(), "there is no way back from the way back");
        assert!(was.back.is_none() || is.percent <= was.percent, "the share never rises on the way back");
        assert!(was.refused.is_none() || is.admission.is_none(), "what was called off does not begin");
        assert!(!was.settled || (is.settled && is.back.is_some() == was.back.is_some()), "what is settled stays so");
    }

    fn rolls(&mut self, event: RolloutEvent) {
        self.happens(RunEvent::Rollout { event: Box::new(event) });
    }

    fn says(&mut self, signal: Signal) {
        self.signals += 1;
        self.happens(RunEvent::Signalled { n: self.signals, signal });
    }

    fn word(&mut self, word: u8) {
        let by = user(u64::from(word) + 7);
        let word = match word {
            0 => RolloutWord::Look,
            1 => RolloutWord::Promote { by },
            2 => RolloutWord::Deploy { by },
            3 => RolloutWord::Pause { by },
            4 => RolloutWord::Resume { by },
            _ => RolloutWord::RollBack { by, because: "x".to_owned() },
        };
        if matches!(word, RolloutWord::Promote { .. }) && matches!(self.rollout().current(), Some(Move::Hold { .. })) {
            self.promoted_by += 1;
        }
        self.says(Signal::Rollout { word });
    }

    /// The forge shows whatever it is to show.
    fn publishes(&mut self) {
        let Next::Perform { actions, .. } = self.run.next(at(self.now)) else { return };
        for action in actions {
            let begins = action.begins();
            let Action::Publish { key, digest, .. } = action else { continue };
            begins.into_iter().for_each(|event| self.happens(event));
            self.happens(RunEvent::Published { key, digest, id: 1 });
        }
    }

    /// What it wants now. None: nothing more.
    fn wants(&mut self) -> Option<(Vec<RolloutAction>, Option<Timestamp>)> {
        self.publishes();
        let Next::Perform { actions, wake_at } = self.run.next(at(self.now)) else { return None };
        let mut own = Vec::new();
        for action in actions {
            match action {
                Action::Rollout(action) => own.push(action),
                Action::Finish { .. } => return None,
                other => panic!("a rollout wants {other:?}"),
            }
        }
        assert!(
            !own.is_empty() || wake_at.is_some(),
            "it wants nothing, is not over, and nothing would wake it: {:?}",
            self.rollout()
        );
        let rollout = self.rollout();
        for action in &own {
            let RolloutAction::Make { way, what, .. } = action else { continue };
            assert_eq!(*way, rollout.way(), "it wants what belongs to the way that it goes");
            if let (Move::Share { percent }, Way::Back) = (&**what, way) {
                assert_eq!(*percent, 0, "the way back takes everything away");
            }
            assert!(rollout.paused.is_none(), "it stays where it is: {action:?}");
        }
        Some((own, wake_at))
    }

    fn admit(&mut self) {
        let spec = self.rollout().spec.clone();
        let old = match self.before {
            Before::Nothing => None,
            Before::Same => Some((spec.pool.clone(), (*spec.environment).clone())),
            Before::Other(replicas) => {
                let environment = environment(1, 0, replicas);
                Some((pool("1.0.0", &environment), environment))
            }
        };
        let live = old.map(|(pool, environment)| {
            let (environment, since) = (Box::new(environment), at(0));
            let config_hash = String::new();
            Box::new(Live {
                release: release("v1.0.0"),
                pool,
                config_hash,
                environment,
                since,
                rollout: RunId::new(),
                repo: None,
            })
        });
        let old = match self.before {
            Before::Nothing => Old::Nothing,
            Before::Same => Old::Same,
            Before::Other(replicas) => Old::Other(replicas),
        };
        let moves = moves(&spec.environment, old, spec.pace == Pace::Straight, spec.baseline_secs);
        if matches!(old, Old::Same) {
            self.percent = 100;
        }
        self.rolls(RolloutEvent::Admitted { live, digest: None, config_hash: String::new(), moves });
    }

    /// An action ends well.
    fn made(&mut self, action: RolloutAction, finding: Finding) {
        match action {
            RolloutAction::Look => self.admit(),
            RolloutAction::Tell { state } => self.rolls(RolloutEvent::Told { state }),
            RolloutAction::Remind => self.rolls(RolloutEvent::Reminded),
            RolloutAction::Measure => {
                let look = Look {
                    reading: None,
                    others: Vec::new(),
                    unmeasured: None,
                    unhealthy: Vec::new(),
                    instances: None,
                    old_instances: None,
                    share_millipercent: u64::from(self.percent) * 1000,
                };
                self.rolls(RolloutEvent::Measured { look: Box::new(look), finding: Box::new(finding) });
            }
            RolloutAction::Make { way, n, what } => {
                match *what {
                    Move::Share { percent } => {
                        self.percent = percent;
                        if way == Way::Back {
                            self.percents_back.push(percent);
                        }
                    }
                    // One of the way forth that ends after it was decided to go back is said over by that of the way back.
                    Move::Settle if way == self.rollout().way() => self.settled += 1,
                    _ => {}
                }
                self.rolls(RolloutEvent::Made { way, n, seen: Vec::new(), hook: None });
            }
        }
    }

    fn fails(&mut self, action: RolloutAction) {
        match action {
            RolloutAction::Look => self.rolls(RolloutEvent::Refused { because: "no".to_owned() }),
            // What goes back or is settled is tried until it is done.
            RolloutAction::Make { way: Way::Forth, n, .. } if !self.rollout().settled => {
                self.rolls(RolloutEvent::Failed { way: Way::Forth, n, because: "no".to_owned(), hook: None });
            }
            RolloutAction::Make { .. } | RolloutAction::Measure | RolloutAction::Tell { .. } | RolloutAction::Remind => {}
        }
    }

    fn ends_flight(&mut self, well: bool) {
        let Some(action) = self.flight.take() else { return };
        match well {
            true => self.made(action, Finding::GoOn),
            false => self.fails(action),
        }
    }

    /// One of what it wants, that is not under way.
    fn free(&self, actions: Vec<RolloutAction>, nth: usize) -> Option<RolloutAction> {
        let key = self.flight.as_ref().map(RolloutAction::key);
        let mut free: Vec<_> = actions.into_iter().filter(|action| Some(action.key()) != key).collect();
        (!free.is_empty()).then(|| free.remove(nth % free.len()))
    }

    fn crash(&mut self) {
        // What was under way may have been done, and nobody knows.
        if let Some(RolloutAction::Make { what, .. }) = self.flight.take()
            && let Move::Share { percent } = *what
        {
            self.percent = percent;
        }
        let again = Run::replay(self.run.id, &self.journal).unwrap();
        assert_eq!(again.next(at(self.now)), self.run.next(at(self.now)), "a replay wants the same");
        assert_eq!(again.rollout().unwrap().state(), self.rollout().state());
        self.run = again;
    }

    fn chance(&mut self, nth: usize, chance: &Chance) {
        let Some((actions, wake_at)) = self.wants() else { return };
        match chance {
            Chance::Word(word) => self.word(*word),
            Chance::Cancel => self.says(Signal::Cancel { reason: CancelReason::User { login: "u".to_owned() } }),
            Chance::Crash => self.crash(),
            Chance::Later(secs) => {
                self.now += i64::from(*secs);
                self.ends_flight(secs % 3 > 0);
            }
            Chance::Clock(secs) => self.now += i64::from(*secs),
            Chance::Begun => {
                self.ends_flight(true);
                if let Some((actions, _)) = self.wants() {
                    self.flight = self.free(actions, nth);
                }
            }
            Chance::Failed => match self.free(actions, nth) {
                Some(action) => self.fails(action),
                None => self.ends_flight(false),
            },
            Chance::Made => self.goes_on(actions, wake_at, nth, Finding::GoOn),
            Chance::Measured(n) => self.goes_on(actions, wake_at, nth, finding(*n)),
        }
    }

    fn goes_on(&mut self, actions: Vec<RolloutAction>, wake_at: Option<Timestamp>, nth: usize, finding: Finding) {
        match (self.free(actions, nth), wake_at) {
            (Some(action), _) => self.made(action, finding),
            (None, _) if self.flight.is_some() => self.ends_flight(true),
            (None, Some(wake_at)) => self.now = wake_at.as_second() - at(0).as_second(),
            (None, None) => {}
        }
    }

    /// Everything goes well until somebody gets the new version.
    fn until_held(&mut self) {
        while self.percent == 0 || !matches!(self.rollout().current(), Some(Move::Hold { .. })) {
            let (actions, wake_at) = self.wants().unwrap();
            self.now += 1;
            self.goes_on(actions, wake_at, 0, Finding::GoOn);
        }
    }

    /// Nobody says anything any more, and everything goes well.
    fn play_to_its_end(&mut self) {
        for nth in 0..STEPS_MAX {
            let Some((actions, wake_at)) = self.wants() else {
                // The driver waits for what it has begun.
                self.ends_flight(true);
                if self.wants().is_none() {
                    return;
                }
                continue;
            };
            self.now += 1;
            self.goes_on(actions, wake_at, nth, Finding::GoOn);
        }
        panic!("it never ends: {:?}", self.rollout());
    }

    fn ended_right(&self) {
        let rollout = self.rollout();
        let state = rollout.state();
        assert!(state.is_over(), "{state:?}");
        assert_eq!(rollout.told.as_ref(), Some(&state), "others know how it ended");
        assert_eq!(self.settled, usize::from(rollout.admission.is_some()), "what is live is written down once, where it began");
        assert!(self.percents_back.iter().all(|percent| *percent == 0));
        match (&state, rollout.old()) {
            (RolloutState::Promoted, _) => assert_eq!((self.percent, rollout.percent), (100, 100)),
            (RolloutState::RolledBack { .. }, Old::Other(_)) => assert_eq!((self.percent, rollout.percent), (0, 0)),
            _ => {}
        }
        if state == RolloutState::Promoted {
            let timed = |what: &&Move| matches!(what, Move::Hold { hold: StepHold::Secs(_), .. });
            let held = rollout.moves.iter().filter(timed).count();
            let good = rollout.looks.iter().filter(|(_, _, finding)| *finding == Finding::GoOn).count();
            assert!(good + self.promoted_by >= held, "each timed hold was looked at and found good, or somebody said so");
        }
    }
}

fn finding(n: u8) -> Finding {
    let because = "x".to_owned();
    match n {
        0..4 => Finding::GoOn,
        4 | 5 => Finding::Wait { because },
        6 => Finding::Pause { because },
        _ => Finding::Back { because, evidence: None },
    }
}

fn specs() -> impl Strategy<Value = (RolloutSpec, Before)> {
    let before = prop_oneof![1 => Just(Before::Nothing), 1 => Just(Before::Same), 6 => (1..5u32).prop_map(Before::Other)];
    let sizes = (0..STRATEGIES.len(), 0..HOOKS.len(), 1..6u32);
    (sizes, before, proptest::bool::weighted(0.1), 0..3u64).prop_map(
        |((strategy, hooks, replicas), before, straight, baseline)| {
            let environment = environment(strategy, hooks, replicas);
            let spec = RolloutSpec {
                release: release("v1.1.0"),
                pool: pool("1.1.0", &environment),
                environment: Box::new(environment),
                cause: RolloutCause::Released,
                pace: if straight { Pace::Straight } else { Pace::Staged },
                begun_at: at(0),
                measure_secs: 10,
                baseline_secs: baseline * 15,
                remind_after_secs: vec![60, 300],
            };
            (spec, before)
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_happens_a_rollout_ends_with_everything_on_one_version((spec, before) in specs(), chances in chances()) {
        let mut play = Play::new(spec, before);
        for (nth, chance) in chances.iter().enumerate() {
            play.chance(nth, chance);
        }
        play.play_to_its_end();
        play.ended_right();
        // Every part of the journal tells of a run, and the whole of it of this one.
        for length in 1..=play.journal.len() {
            prop_assert!(Run::replay(play.run.id, &play.journal[..length]).is_ok());
        }
        let again = Run::replay(play.run.id, &play.journal).unwrap();
        prop_assert_eq!(format!("{:?}", again.rollout()), format!("{:?}", play.run.rollout()));
    }
}

fn canary() -> Play {
    canary_that_reminds(&[])
}

fn canary_that_reminds(after_secs: &[u64]) -> Play {
    let environment = environment(5, 0, 2);
    let spec = RolloutSpec {
        release: release("v1.1.0"),
        pool: pool("1.1.0", &environment),
        environment: Box::new(environment),
        cause: RolloutCause::Released,
        pace: Pace::Staged,
        begun_at: at(0),
        measure_secs: 10,
        baseline_secs: 0,
        remind_after_secs: after_secs.to_vec(),
    };
    Play::new(spec, Before::Other(2))
}

#[test]
fn people_are_reminded_of_what_waits_after_named_times_and_anew_of_another_wait() {
    let mut play = canary_that_reminds(&[60, 300]);
    let looked = |play: &mut Play, waits: Vec<Wait>| {
        let heard = play.rollout().heard;
        play.rolls(RolloutEvent::Looked { waits, look_at: at(100_000), heard });
    };
    let reminds = |play: &Play, secs: i64| {
        let Next::Perform { actions, .. } = play.run.next(at(secs)) else { return false };
        actions.contains(&Action::Rollout(RolloutAction::Remind))
    };
    let approvals = |missing| Wait::Approvals { missing, who: "max".to_owned() };
    looked(&mut play, vec![approvals(2)]);
    let since = play.now;
    assert_eq!([reminds(&play, since + 59), reminds(&play, since + 60)], [false, true]);
    play.now = since + 60;
    play.rolls(RolloutEvent::Reminded);
    assert_eq!([reminds(&play, since + 299), reminds(&play, since + 300)], [false, true]);
    // One approval less is the same wait.
    looked(&mut play, vec![approvals(1)]);
    assert!(!reminds(&play, since + 299));
    play.now = since + 300;
    play.rolls(RolloutEvent::Reminded);
    assert!(!reminds(&play, since + 50_000), "there is no third one");
    let state = play.rollout().state();
    assert!(matches!(&state, RolloutState::Waiting { patience, .. } if patience.reminders == 2), "{state:?}");
    looked(&mut play, vec![Wait::Command]);
    assert_eq!([reminds(&play, play.now + 59), reminds(&play, play.now + 60)], [false, true]);
}

#[test]
fn what_is_said_while_it_looks_is_looked_at_at_once() {
    let mut play = canary();
    let waits = vec![Wait::Command];
    play.word(2);
    play.rolls(RolloutEvent::Looked { waits: waits.clone(), look_at: at(600), heard: 0 });
    assert!(play.wants().unwrap().0.contains(&RolloutAction::Look), "that look knew nothing of the word");
    play.rolls(RolloutEvent::Looked { waits, look_at: at(600), heard: 1 });
    assert_eq!(play.wants().unwrap().1, Some(at(600)));
}

#[test]
fn a_rollout_called_off_while_it_took_the_lock_tells_once_more_that_it_gave_up() {
    let mut play = canary();
    play.word(5);
    let state = play.rollout().state();
    play.rolls(RolloutEvent::Told { state: state.clone() });
    assert!(play.wants().is_none());
    play.admit();
    assert_eq!(play.wants().unwrap().0, [RolloutAction::Tell { state }]);
    assert!(play.rollout().admission.is_none());
}

#[test]
fn a_clock_that_is_set_back_leaves_nobody_unwatched_and_has_the_step_last_anew() {
    let mut play = canary();
    play.until_held();
    let (now, made) = (play.now, play.rollout().made);
    play.now -= 3_600;
    let measure = |play: &mut Play| play.wants().unwrap().0.contains(&RolloutAction::Measure);
    assert!(measure(&mut play), "it is looked at once, not in an hour");
    play.made(RolloutAction::Measure, Finding::GoOn);
    assert!(!measure(&mut play) && play.rollout().made == made);
    // Steps last for 30 s.
    play.now += 29;
    play.made(RolloutAction::Measure, Finding::GoOn);
    assert_eq!(play.rollout().made, made, "the step is not over yet");
    play.now += 1;
    play.made(RolloutAction::Measure, Finding::GoOn);
    assert_eq!(play.rollout().made, made + 1, "it is over long before the clock is what it was: {now}");
}

#[test]
fn a_long_timed_hold_is_nobodys_silence() {
    let environment = environment(8, 0, 1);
    let mut play = canary();
    play.run = {
        let mut spec = play.rollout().spec.clone();
        spec.pool = pool("1.1.0", &environment);
        spec.environment = Box::new(environment);
        let fresh = Play::new(spec, Before::Other(1));
        play.journal = fresh.journal;
        fresh.run
    };
    play.play_to_its_end();
    assert_eq!(play.rollout().state(), RolloutState::Promoted);
}

#[test]
fn no_list_of_moves_ever_begins_to_remove_what_serves() {
    let mut lists = BTreeMap::new();
    for strategy in 0..STRATEGIES.len() {
        for replicas in 1..8 {
            let environment = environment(strategy, 0, replicas);
            lists.insert((strategy, replicas), moves(&environment, Old::Other(3), false, 0));
        }
    }
    for ((strategy, replicas), list) in lists {
        let (mut percent, mut new) = (0, 0);
        for what in list {
            match what {
                Move::Share { percent: to } => {
                    assert!(to == 0 || new > 0, "{strategy} {replicas}: nobody is sent where nothing is");
                    percent = to;
                }
                Move::Deploy { pool: Which::New, replicas } => new = replicas,
                Move::Shrink { pool: Which::Old, replicas: 0 } => {
                    assert!(percent == 100 || strategy == 0, "{strategy} {replicas}: the old version serves {} %", 100 - percent);
                }
                Move::Clean => assert_eq!(percent, 100),
                _ => {}
            }
        }
    }
}
