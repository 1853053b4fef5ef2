//! Whatever a release is told, and whatever comes of what it does, in any order: what it never does.

#![expect(clippy::unwrap_used, reason = "a fixture that does not parse is a mistake of the test")]

use proptest::prelude::*;

use super::*;
use crate::ids::{ForgeKind, RepoRef, Subject};
use crate::report::Latest;
use crate::run::{Action, JournalEntry, Next, Run, RunSpec, Work};

/// Once nobody says anything any more, it has to come to its end within so many steps.
const STEPS_MAX: usize = 200;

const FILE: &str = "image: i\ngates:\n  good: { run: x }\nreleases:\n  on: { tag: 'v*' }\n  changelog: NEWS.md\nenvironments:\n  \
    staging:\n    target: { docker: { service: s, image: i } }\n  production:\n    after: staging\n";

#[derive(Debug, Clone)]
enum Chance {
    /// What it wants ends well.
    Done,
    /// It ends badly.
    Bad,
    /// A rollout tells how it stands: which, and how.
    Told(bool, u8),
    TagChanged,
    Look,
    Cancel,
    Crash,
}

fn chances() -> impl proptest::strategy::Strategy<Value = Vec<Chance>> {
    let chance = prop_oneof![
        10 => Just(Chance::Done),
        1 => Just(Chance::Bad),
        3 => (any::<bool>(), 0..4u8).prop_map(|(which, state)| Chance::Told(which, state)),
        1 => Just(Chance::TagChanged),
        1 => Just(Chance::Look),
        1 => Just(Chance::Cancel),
        1 => Just(Chance::Crash),
    ];
    proptest::collection::vec(chance, 0..40)
}

fn at(secs: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + secs).unwrap()
}

fn commit() -> CommitId {
    "a".repeat(40).parse().unwrap()
}

struct Play {
    run: Run,
    journal: Vec<JournalEntry>,
    now: i64,
    signals: u64,
    starts: usize,
    asked: usize,
    over: Vec<RunId>,
}

impl Play {
    fn new() -> Play {
        let repo = RepoRef { forge: ForgeKind::Github, id: 1, path: "octo/app".to_owned(), installation: Some(1) };
        let spec = ReleaseSpec { tag: "v1.0.0".to_owned(), commit: None, by: None, only: None, commanded: None };
        let subject = Subject::Release { tag: "v1.0.0".to_owned() };
        let spec = Box::new(RunSpec { repo, subject, work: Work::Release(spec) });
        let journal = vec![JournalEntry { seq: 0, at: at(0), event: RunEvent::Created { spec } }];
        let run = Run::replay(RunId::new(), &journal).unwrap();
        Play { run, journal, now: 0, signals: 0, starts: 0, asked: 0, over: Vec::new() }
    }

    fn release(&self) -> &ReleaseRun {
        self.run.release().unwrap()
    }

    fn happens(&mut self, event: RunEvent) {
        self.run.apply(at(self.now), &event).unwrap();
        self.journal.push(JournalEntry { seq: self.run.seq - 1, at: at(self.now), event });
    }

    fn comes(&mut self, event: ReleaseEvent) {
        self.happens(RunEvent::Release { event: Box::new(event) });
    }

    fn says(&mut self, signal: Signal) {
        self.signals += 1;
        self.happens(RunEvent::Signalled { n: self.signals, signal });
    }

    fn rollout(&self, staging: bool) -> RunId {
        self.run.id.child(if staging { "staging" } else { "production" })
    }

    fn tells(&mut self, staging: bool, state: u8) {
        let run = self.rollout(staging);
        // What is over tells nothing more.
        if self.over.contains(&run) {
            return;
        }
        let because = "x".to_owned();
        let state = match state {
            0 => RolloutState::Waiting { waits: Vec::new(), patience: Default::default() },
            1 => RolloutState::Promoted,
            2 => RolloutState::RolledBack { because },
            _ => RolloutState::GivenUp { because },
        };
        if state.is_over() {
            self.over.push(run);
        }
        let environment = if staging { "staging" } else { "production" }.parse().unwrap();
        self.says(Signal::Release { word: ReleaseWord::Rollout { environment, run, state } });
    }

    fn valid() -> Valid {
        let config = crate::config::parse(FILE).unwrap();
        let release = Release {
            tag: "v1.0.0".to_owned(),
            version: "1.0.0".to_owned(),
            commit: commit(),
            run: None,
            pull: Some(7),
            authors: Vec::new(),
        };
        Valid {
            release,
            prerelease: false,
            branch: "main".to_owned(),
            previous: None,
            config: config.releases.unwrap(),
            environments: config.environments,
            latest: Latest::Yes,
        }
    }

    /// Does what it wants. False where it wants nothing.
    fn goes_on(&mut self, well: bool) -> bool {
        let Next::Perform { actions, wake_at } = self.run.next(at(self.now)) else { return false };
        assert!(!actions.is_empty() || wake_at.is_some(), "nothing would wake it: {:?}", self.release());
        match (actions.into_iter().next(), wake_at) {
            (Some(Action::Finish { .. }), _) => return false,
            (Some(Action::Release(action)), _) => self.performs(&action, well),
            (Some(action @ Action::Publish { .. }), _) => {
                action.begins().into_iter().for_each(|event| self.happens(event));
                let Action::Publish { key, digest, .. } = action else { return true };
                self.happens(RunEvent::Published { key, digest, id: 1 });
            }
            (Some(other), _) => panic!("a release wants {other:?}"),
            (None, Some(wake_at)) => self.now = wake_at.as_second() - at(0).as_second(),
            (None, None) => {}
        }
        true
    }

    fn performs(&mut self, action: &ReleaseAction, well: bool) {
        assert!(self.release().problem().is_none() || self.release().rollouts.is_some(), "what cannot be goes no further");
        let run = self.run.id.child("gates");
        match action {
            ReleaseAction::Validate if well => self.comes(ReleaseEvent::Validated { valid: Box::new(Self::valid()) }),
            ReleaseAction::Validate => {
                let refusal = Refusal::Invalid { because: "x".to_owned(), commit: commit(), pull: Some(7) };
                self.comes(ReleaseEvent::Refused { refusal });
            }
            ReleaseAction::Gates if self.asked < 2 => {
                self.asked += 1;
                let look_at = at(self.now + 5);
                self.comes(ReleaseEvent::Gates { state: GatesState::Running { run, look_at } });
            }
            ReleaseAction::Gates if well => self.comes(ReleaseEvent::Gates { state: GatesState::Passed { run: Some(run) } }),
            ReleaseAction::Gates => {
                self.comes(ReleaseEvent::Gates { state: GatesState::Failed { run, because: "x".to_owned() } });
            }
            ReleaseAction::Plan => {
                let (notes, artefacts) = ("notes".to_owned(), Vec::new());
                self.comes(ReleaseEvent::Planned { environments: Vec::new(), notes, artefacts });
            }
            ReleaseAction::Draft => self.comes(ReleaseEvent::Drafted),
            ReleaseAction::Start => {
                self.starts += 1;
                let environments = Self::valid().environments;
                let rollouts = environments.iter().map(|one| (one.name.clone(), self.run.id.child(one.name.as_str())));
                let rollouts = rollouts.collect();
                self.comes(ReleaseEvent::Started { rollouts });
            }
            ReleaseAction::Changelog if well => {
                let (parent, content) = (commit(), crate::ids::BlobId::of(b"x"));
                self.comes(ReleaseEvent::Changelog { entry: ChangelogEntry::Proposed { parent, content } });
            }
            ReleaseAction::Changelog => {
                self.comes(ReleaseEvent::Changelog { entry: ChangelogEntry::AsItIs { because: "x".to_owned() } });
            }
            ReleaseAction::LookAtTag => {
                let told = self.release().tag_told;
                self.comes(ReleaseEvent::TagSeen { commit: well.then(commit), told });
            }
        }
    }

    fn chance(&mut self, chance: &Chance) {
        self.now += 1;
        if matches!(self.run.next(at(self.now)), Next::Perform { ref actions, .. } if matches!(actions[..], [Action::Finish { .. }]))
        {
            return;
        }
        match chance {
            Chance::Done => drop(self.goes_on(true)),
            Chance::Bad => drop(self.goes_on(false)),
            // They can be further than this run's journal, once it may have started them.
            Chance::Told(staging, state) if self.release().drafted => self.tells(*staging, *state),
            Chance::Told(..) => {}
            Chance::TagChanged => self.says(Signal::Release { word: ReleaseWord::TagChanged }),
            Chance::Look => self.says(Signal::Release { word: ReleaseWord::Look }),
            Chance::Cancel => self.says(Signal::Cancel { reason: CancelReason::User { login: "u".to_owned() } }),
            Chance::Crash => {
                let again = Run::replay(self.run.id, &self.journal).unwrap();
                assert_eq!(again.next(at(self.now)), self.run.next(at(self.now)), "a replay wants the same");
                self.run = again;
            }
        }
    }

    fn play_to_its_end(&mut self) {
        for _ in 0..STEPS_MAX {
            self.now += 1;
            if self.release().rollouts.is_some() {
                self.tells(true, 1);
                self.tells(false, 1);
            }
            if !self.goes_on(true) {
                return;
            }
        }
        panic!("it never ends: {:?}", self.release());
    }
}

#[test]
fn a_tag_that_changes_while_it_is_looked_at_is_looked_at_again() {
    let mut play = Play::new();
    play.performs(&ReleaseAction::Validate, true);
    let changed = || Signal::Release { word: ReleaseWord::TagChanged };
    play.says(changed());
    let told = play.release().tag_told;
    play.says(changed());
    play.comes(ReleaseEvent::TagSeen { commit: Some(commit()), told });
    assert!(play.release().tag_doubtful, "the look began before the second change");
    let told = play.release().tag_told;
    play.comes(ReleaseEvent::TagSeen { commit: Some(commit()), told });
    assert!(!play.release().tag_doubtful);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_happens_a_release_ends_and_starts_its_rollouts_once_at_most(chances in chances()) {
        let mut play = Play::new();
        for chance in &chances {
            play.chance(chance);
        }
        play.play_to_its_end();
        let release = play.release();
        prop_assert!(play.starts <= 1);
        prop_assert_eq!(play.starts == 1, release.rollouts.is_some());
        prop_assert_eq!(release.changelog.is_some(), release.rollouts.is_some(), "the changelog follows what is shown to everybody");
        prop_assert!(release.rollouts.is_some() || release.problem().is_some(), "it says why it went nowhere");
        let states = release.rollouts.iter().flatten().map(|(_, _, state)| state.as_ref());
        prop_assert!(states.clone().all(|state| state.is_some_and(RolloutState::is_over)), "it waits for all of its rollouts");
    }
}
