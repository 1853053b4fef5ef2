//! What a look comes to when the clock is set in the middle of a rollout, and where no version has instances that are ready.

use std::collections::BTreeMap;

use gatewright_core::ids::{ForgeKind, RepoRef, RunId, Subject};
use gatewright_core::rollout::{Live, Move, Old, Release, fill::pool_id, moves};
use gatewright_core::run::{JournalEntry, Pace, RolloutCause, RolloutEvent, RolloutSpec, Run, RunEvent, RunSpec, Way, Work};
use gatewright_core::target::Pool;

use super::*;

const FILE: &str = "image: i\ngates:\n  good: { run: x }\nreleases:\n  on: { tag: 'v*' }\nenvironments:\n  production:\n    \
    target: { docker: { service: s, image: 'i:{{ version }}' } }\n    strategy: { canary: { steps: [50, 100], every: 60s, keep: 0s } }\n    \
    analysis: { warm-up: 0s }\n";

/// A canary at 50 %, looked at every ten seconds, with a clock that can be set.
struct Watched {
    run: Run,
    now: i64,
    totals: [Totals; 2],
    /// What another source has counted.
    other: Option<[Totals; 2]>,
    /// So many of two instances of the new version and of the old one are ready.
    ready: [u32; 2],
}

fn at(secs: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + secs).expect("in range")
}

fn pool(version: &str, spec: &gatewright_core::config::Environment) -> Pool {
    let id = pool_id(version, &spec.target);
    Pool { id, version: version.to_owned(), config: spec.target.clone(), digest: None }
}

impl Watched {
    fn start() -> Watched {
        let environment = gatewright_core::config::parse(FILE).expect("the file is valid").environments.remove(0);
        let release = |version: &str| Release {
            tag: format!("v{version}"),
            version: version.to_owned(),
            commit: "a".repeat(40).parse().expect("a commit"),
            run: None,
            pull: None,
            authors: Vec::new(),
        };
        let spec = RolloutSpec {
            release: release("1.1.0"),
            pool: pool("1.1.0", &environment),
            environment: Box::new(environment.clone()),
            cause: RolloutCause::Released,
            pace: Pace::Staged,
            begun_at: at(0),
            measure_secs: 10,
            baseline_secs: 0,
            remind_after_secs: Vec::new(),
        };
        let live = Live {
            release: release("1.0.0"),
            pool: pool("1.0.0", &environment),
            config_hash: String::new(),
            environment: Box::new(environment.clone()),
            since: at(0),
            rollout: RunId::new(),
            repo: None,
        };
        let list = moves(&environment, Old::Other(1), false, 0);
        let repo = RepoRef { forge: ForgeKind::Github, id: 1, path: "octo/app".to_owned(), installation: None };
        let subject = Subject::Environment { name: environment.name };
        let spec = Box::new(RunSpec { repo, subject, work: Work::Rollout(Box::new(spec)) });
        let created = JournalEntry { seq: 0, at: at(0), event: RunEvent::Created { spec } };
        let run = Run::replay(RunId::new(), &[created]).expect("it can begin");
        let mut watched = Watched { run, now: 0, totals: Default::default(), other: None, ready: [2, 2] };
        let admitted =
            RolloutEvent::Admitted { live: Some(Box::new(live)), digest: None, config_hash: String::new(), moves: list.clone() };
        watched.happens(admitted);
        for (n, what) in list.iter().enumerate().take_while(|(_, what)| !matches!(what, Move::Hold { .. })) {
            if matches!(what, Move::Share { percent: 1.. }) {
                watched.looks([10, 10], 0);
            }
            watched.happens(RolloutEvent::Made { way: Way::Forth, n, seen: Vec::new(), hook: None });
        }
        watched
    }

    fn happens(&mut self, event: RolloutEvent) {
        self.run.apply(at(self.now), &RunEvent::Rollout { event: Box::new(event) }).expect("it can follow");
    }

    fn rollout(&self) -> &Rollout {
        self.run.rollout().expect("it is one")
    }

    /// So many requests later, of the new version with so many errors. What that comes to.
    fn looks(&mut self, requests: [u64; 2], errors: u64) -> Finding {
        self.now += 10;
        for (totals, requests) in self.totals.iter_mut().zip(requests) {
            totals.requests += requests;
        }
        self.totals[0].errors += errors;
        let rollout = self.rollout();
        let pools = [rollout.spec.pool.id.clone(), rollout.live().expect("something was there").pool.id.clone()];
        let reading = |totals: &[Totals; 2]| {
            let pools: BTreeMap<PoolId, Totals> = pools.iter().cloned().zip(totals.clone()).collect();
            Reading { at: at(self.now), pools }
        };
        let look = Look {
            reading: Some(reading(&self.totals)),
            others: self.other.iter().map(reading).collect(),
            unmeasured: None,
            unhealthy: Vec::new(),
            instances: Some(Instances { ready: self.ready[0], all: 2 }),
            old_instances: Some(Instances { ready: self.ready[1], all: 2 }),
            share_millipercent: u64::from(rollout.percent) * 1_000,
        };
        let finding = judge(rollout, &look, at(self.now));
        self.happens(RolloutEvent::Measured { look: Box::new(look), finding: Box::new(finding.clone()) });
        finding
    }

    fn percent(&self) -> u32 {
        self.rollout().percent
    }
}

#[test]
fn a_version_that_fails_goes_back_as_soon_whatever_the_clock_is_set_to() {
    let mut needed = Vec::new();
    for set in [0, -3_600, -20, 3_600, 90_000_000] {
        let mut watched = Watched::start();
        for _ in 0..2 {
            assert!(!matches!(watched.looks([100, 100], 0), Finding::Back { .. }));
        }
        watched.now += set;
        let fails = |_: &usize| matches!(watched.looks([100, 100], 30), Finding::Back { .. });
        needed.push((1..20_usize).find(fails).unwrap_or(20));
    }
    // What was done while nobody knows for how long is of no use: one look more.
    let most = needed[0] + 1;
    assert!(needed.iter().all(|looks| *looks <= most), "{needed:?}");
}

#[test]
fn a_clock_that_is_set_promotes_nothing_that_was_not_watched_for_half_of_its_step() {
    for (set, goes_on) in [(0, true), (-3_600, true), (-20, true), (300, true), (3_600, false), (90_000_000, false)] {
        let mut watched = Watched::start();
        watched.looks([20_000, 20_000], 0);
        watched.now += set;
        let mut looks = 0;
        let holds = |watched: &Watched| watched.percent() == 50 && matches!(watched.rollout().current(), Some(Move::Hold { .. }));
        while holds(&watched) && watched.rollout().paused.is_none() && looks < 100 {
            watched.looks([20_000, 20_000], 0);
            looks += 1;
        }
        // By more than a step may be drawn out: people are asked.
        assert_eq!(watched.rollout().paused.is_none(), goes_on, "set by {set} s");
        // A step lasts for a minute, and is looked at every ten seconds.
        assert!(!goes_on || (3..=12).contains(&looks), "set by {set} s: {looks} looks");
    }
}

#[test]
fn what_another_source_shows_to_be_worse_goes_no_further_by_itself() {
    for (errors, goes_on) in [(0, true), (2_000, false)] {
        let mut watched = Watched::start();
        watched.other = Some(Default::default());
        let mut last = Finding::GoOn;
        for _ in 0..12 {
            for (n, totals) in watched.other.iter_mut().flatten().enumerate() {
                totals.requests += 20_000;
                totals.errors += if n == 0 { errors } else { 0 };
            }
            last = watched.looks([20_000, 20_000], 0);
            assert!(!matches!(last, Finding::Back { .. }), "the first one decides, and it sees nothing: {last:?}");
            if watched.rollout().paused.is_some() || !matches!(watched.rollout().current(), Some(Move::Hold { .. })) {
                break;
            }
        }
        let paused = watched.rollout().paused.clone();
        match goes_on {
            true => assert_eq!((paused, &last), (None, &Finding::GoOn)),
            false => assert!(
                paused.is_some_and(|why| why.starts_with("Another source of metrics speaks against it: errors")),
                "{last:?}"
            ),
        }
    }
}

#[test]
fn where_no_version_has_instances_that_are_ready_nobody_is_to_blame_for_as_long_as_new_ones_may_take() {
    let mut watched = Watched::start();
    for _ in 0..5 {
        assert!(matches!(watched.looks([20_000, 20_000], 0), Finding::Wait { .. }));
    }
    watched.ready = [0, 1];
    for _ in 0..3 {
        let of_both = Finding::Wait { because: OF_BOTH.to_owned() };
        assert_eq!(watched.looks([20_000, 20_000], 0), of_both, "its time is over, but nothing is promoted meanwhile");
    }
    let mut watched = Watched::start();
    watched.ready = [0, 0];
    let within = ready_within_secs(&watched.rollout().spec.pool.config);
    let looks = (1..100).find(|_| matches!(watched.looks([20_000, 20_000], 0), Finding::Back { .. }));
    assert_eq!(looks, usize::try_from(within / 10 + 2).ok(), "a look every 10 s, {within} s long");
    // What is wrong with the new version alone is found at once.
    let mut watched = Watched::start();
    watched.ready = [0, 2];
    assert!(matches!(watched.looks([20_000, 20_000], 0), Finding::Back { .. }));
}
