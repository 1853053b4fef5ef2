//! A store in which releases have been: one that is live, one that was rolled back, and one that waits.

use std::collections::BTreeMap;

use bytes::Bytes;
use gatewright_core::config::{self, Environment, RepoConfig, StepHold};
use gatewright_core::event::User;
use gatewright_core::order::{Order, OrderChange, Ordered};
use gatewright_core::report::{Conclusion, Latest};
use gatewright_core::rollout::analysis::{Evidence, Instances, Metric, MetricEvidence, Odds, Rule, Seen as Counted, Times};
use gatewright_core::rollout::fill::pool_id;
use gatewright_core::rollout::{Arrival, Finding, HookOutcome, Live, Move, Old, Outcome, Release, Seen, Wait, moves, way_back};
use gatewright_core::run::{
    Artefact, GatesState, Look, NewRun, Pace, PlannedEnvironment, ReleaseEvent, ReleaseSpec, ReleaseWord, RolloutCause,
    RolloutEvent, RolloutSpec, RolloutState, RunEvent, RunSpec, Signal, Valid, Way, Work,
};
use gatewright_core::store::{Acceptance, Blobs, LeaseRequest, Release as End, Store};
use gatewright_core::target::{Health, Instance, Pool, Reading, Routes, Server, Totals};
use gatewright_core::{CommitId, ForgeKind, RepoRef, RunId, Subject, Timestamp};
use gatewright_store::EmbeddedStore;

use crate::support::Bench;

const FILE: &str = "
image: shop:1
gates:
  tests: { run: make test }
releases:
  on: { tag: 'v*' }
  require: [tests]
environments:
  staging:
    target: { docker: { service: shop, image: 'shop:{{ version }}' } }
    strategy: blue-green
  production:
    after: [staging]
    approvals: 2
    url: https://shop.example.com
    target: { docker: { service: shop, image: 'shop:{{ version }}' } }
    strategy: { canary: { steps: [5, 25, 100], every: 5m } }
    hooks: { before: { name: migrate, run: ./migrate.sh } }
";

/// Why the second release was rolled back. A log that somebody can write into is in it.
pub(crate) const WHY: &str =
    "Errors are 6.1 times as many as the stable version's, at odds of 5,012 to 1 <script>alert(1)</script>";

/// What is in the store, by what it is called here.
pub(crate) struct Seeded {
    pub(crate) release: RunId,
    pub(crate) live: RunId,
    pub(crate) rolled_back: RunId,
    pub(crate) waiting: RunId,
}

struct Seeder {
    store: EmbeddedStore,
    repo: RepoRef,
    config: RepoConfig,
    now: Timestamp,
}

/// Fills the store of a bench, whose server file says `sled:data`.
pub(crate) fn seed(bench: &Bench) -> Seeded {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime can be made");
    let store = EmbeddedStore::open(&bench.path("data"), &Default::default()).expect("a new store can be opened");
    let seeder = Seeder {
        store,
        repo: RepoRef { forge: ForgeKind::Github, id: 1, path: "acme/shop".to_owned(), installation: Some(9) },
        config: config::parse(FILE).expect("the file is valid"),
        now: Timestamp::now(),
    };
    runtime.block_on(seeder.fill())
}

fn user(login: &str) -> User {
    User { id: 7, login: login.to_owned() }
}

impl Seeder {
    /// So many minutes ago.
    fn ago(&self, minutes: i64) -> Timestamp {
        Timestamp::from_second(self.now.as_second() - minutes * 60).expect("in range")
    }

    fn environment(&self, name: &str) -> &Environment {
        self.config.environments.iter().find(|environment| environment.name.as_str() == name).expect("the file has it")
    }

    fn release(tag: &str, run: RunId) -> Release {
        let commit: CommitId = tag.replace(['v', '.'], "").repeat(40).chars().take(40).collect::<String>().parse().expect("one");
        let version = tag.trim_start_matches('v').to_owned();
        Release { tag: tag.to_owned(), version, commit, run: Some(run), pull: Some(7), authors: vec![user("ann")] }
    }

    fn pool(&self, release: &Release, environment: &Environment) -> Pool {
        let config = environment.target.clone();
        Pool { id: pool_id(&release.version, &config), version: release.version.clone(), config, digest: None }
    }

    fn live(&self, release: &Release, name: &str, since: Timestamp, rollout: RunId) -> Live {
        let environment = self.environment(name);
        Live {
            release: release.clone(),
            pool: self.pool(release, environment),
            config_hash: "h1".to_owned(),
            environment: Box::new(environment.clone()),
            since,
            rollout,
            repo: None,
        }
    }

    fn spec(&self, release: &Release, name: &str, begun_at: Timestamp) -> RolloutSpec {
        let environment = self.environment(name).clone();
        RolloutSpec {
            release: release.clone(),
            pool: self.pool(release, &environment),
            environment: Box::new(environment),
            cause: RolloutCause::Released,
            pace: Pace::Staged,
            begun_at,
            measure_secs: 10,
            baseline_secs: 60,
            remind_after_secs: Vec::new(),
        }
    }

    /// Puts a run into the store with its whole journal.
    async fn run(&self, id: RunId, subject: Subject, work: Work, events: Vec<(Timestamp, RunEvent)>, end: End) {
        let spec = RunSpec { repo: self.repo.clone(), subject, work };
        let at = events.first().map_or(self.now, |(at, _)| *at);
        let acceptance = Acceptance { run: Some(NewRun { id, spec }), ..Acceptance::internal(&format!("seed/{id}"), at) };
        self.store.accept(acceptance).await.expect("it is taken");
        let request = LeaseRequest { worker: "seed".to_owned(), now: at, lease_secs: 36_000, per_repo_max: 10, attempts_max: 5 };
        let leased = self.store.lease(&request).await.expect("it can be asked").expect("one is ready");
        assert_eq!(leased.lease.run, id);
        for (seq, (at, event)) in (leased.seq..).zip(&events) {
            self.store.append(&leased.lease, seq, std::slice::from_ref(event), *at).await.expect("it is appended");
        }
        let last = events.last().map_or(at, |(at, _)| *at);
        self.store.release(&leased.lease, end, last).await.expect("it is released");
    }

    async fn order(&self, name: &str, what: Ordered, at: Timestamp) {
        let key = Subject::Environment { name: name.parse().expect("a name") }.key(&self.repo);
        let order = Order { by: user("gatewright"), at, run: RunId::new(), what };
        let orders = vec![(key, OrderChange::Set { order })];
        let acceptance = Acceptance { orders, ..Acceptance::internal(&format!("seed/{}", RunId::new()), at) };
        self.store.accept(acceptance).await.expect("it is taken");
    }

    async fn fill(self) -> Seeded {
        let (first, second, third) = (RunId::new(), RunId::new(), RunId::new());
        let old = Self::release("v1.4.0", first);
        let (staging, live) = (first.child("staging"), first.child("production"));
        self.straight(staging, &old, "staging", 300).await;
        self.straight(live, &old, "production", 280).await;
        self.released(&old, 310, &[("staging", staging), ("production", live)]).await;
        let bad = Self::release("v1.5.0", second);
        let rolled_back = second.child("production");
        self.canary(rolled_back, &bad, live).await;
        let new = Self::release("v1.6.0", third);
        let waiting = third.child("production");
        self.waits(waiting, &new).await;
        Seeded { release: first, live, rolled_back, waiting }
    }

    async fn released(&self, release: &Release, minutes: i64, rollouts: &[(&str, RunId)]) {
        let at = |later: i64| self.ago(minutes - later);
        let blob = self.store.put(Bytes::from_static(b"what is given out\n")).await.expect("it is kept");
        let artefact = Artefact { name: "shop.tar.gz".parse().expect("a name"), blob, bytes: 18 };
        let planned = |name: &&str| PlannedEnvironment {
            name: name.parse().expect("a name"),
            pool: self.pool(release, self.environment(name)),
            changes: vec![format!("2 containers of shop:{}", release.version)],
            problem: None,
        };
        let names: Vec<&str> = rollouts.iter().map(|(name, _)| *name).collect();
        let valid = Valid {
            release: release.clone(),
            prerelease: false,
            branch: "main".to_owned(),
            previous: Some("v1.3.2".to_owned()),
            config: self.config.releases.clone().expect("the file has releases"),
            environments: self.config.environments.clone(),
            latest: Latest::Yes,
        };
        let of = |event| RunEvent::Release { event: Box::new(event) };
        let started = rollouts.iter().map(|(name, run)| (name.parse().expect("a name"), *run)).collect();
        let run = release.run.expect("it has one");
        let mut events = vec![
            (at(0), of(ReleaseEvent::Validated { valid: Box::new(valid) })),
            (at(0), of(ReleaseEvent::Gates { state: GatesState::Passed { run: Some(run.child("gates")) } })),
            (
                at(1),
                of(ReleaseEvent::Planned {
                    environments: names.iter().map(planned).collect(),
                    notes: "### Features\n\n- a basket that stays\n".to_owned(),
                    artefacts: vec![artefact],
                }),
            ),
            (at(1), of(ReleaseEvent::Drafted)),
            (at(2), of(ReleaseEvent::Started { rollouts: started })),
        ];
        for (n, (name, run)) in (1..).zip(rollouts) {
            let environment = name.parse().expect("a name");
            let word = ReleaseWord::Rollout { environment, run: *run, state: RolloutState::Promoted };
            events.push((at(30), RunEvent::Signalled { n, signal: Signal::Release { word } }));
        }
        events.push((at(30), RunEvent::Finished { conclusion: Conclusion::Success }));
        let spec = ReleaseSpec { tag: release.tag.clone(), commit: None, by: Some(user("ann")), only: None, commanded: None };
        let subject = Subject::Release { tag: release.tag.clone() };
        self.run(run, subject, Work::Release(spec), events, End::Finished(Conclusion::Success)).await;
    }

    /// A release that went where nothing was.
    async fn straight(&self, id: RunId, release: &Release, name: &str, minutes: i64) {
        let spec = self.spec(release, name, self.ago(310));
        let list = moves(&spec.environment, Old::Nothing, true, 0);
        let at = self.ago(minutes);
        let mut events = vec![(at, admitted(None, &list))];
        events.extend((0..list.len()).map(|n| (at, made(Way::Forth, n, Vec::new(), None))));
        events.push((at, RunEvent::Finished { conclusion: Conclusion::Success }));
        let subject = Subject::Environment { name: name.parse().expect("a name") };
        self.run(id, subject, Work::Rollout(Box::new(spec)), events, End::Finished(Conclusion::Success)).await;
        let live = self.live(release, name, at, id);
        let arrival = Arrival { live: live.clone(), outcome: Outcome::Promoted, at, begun_at: self.ago(310) };
        self.order(name, Ordered::Arrival { arrival: Box::new(arrival) }, at).await;
        self.order(name, Ordered::Live { live: Box::new(live) }, at).await;
    }

    /// A release whose errors were found at 25 %.
    async fn canary(&self, id: RunId, release: &Release, before: RunId) {
        let old = Self::release("v1.4.0", before);
        let live = self.live(&old, "production", self.ago(280), before);
        let spec = self.spec(release, "production", self.ago(60));
        let (new_pool, old_pool) = (spec.pool.id.clone(), live.pool.id.clone());
        let list = moves(&spec.environment, Old::Other(live.replicas()), false, 60);
        let start = self.ago(50).as_second();
        let at = |secs: i64| Timestamp::from_second(start + secs).expect("in range");
        let log = self.store.put(Bytes::from_static(b"migrated 3 tables\n")).await.expect("it is kept");
        let mut hook = Some(HookOutcome {
            name: "migrate".parse().expect("a name"),
            passed: true,
            ended: "exit 0".to_owned(),
            log: Some(log),
            duration_ms: 1_200,
        });
        let mut events = vec![
            (at(-60), waits_for(vec![Wait::Approvals { missing: 2, who: "whoever may promote".to_owned() }], at(600))),
            (at(0), admitted(Some(Box::new(live.clone())), &list)),
        ];
        let (mut secs, mut percent, mut totals) = (0, 0, [0_u64; 4]);
        for (n, what) in list.iter().enumerate() {
            let looks = match what {
                Move::Baseline { .. } => 6,
                Move::Hold { hold: StepHold::Secs(_), percent: 25 } => 12,
                Move::Hold { .. } => 30,
                _ => 0,
            };
            for look in 0..looks {
                secs += 10;
                totals[0] += 40 * u64::from(percent) / 10;
                totals[2] += 40 * u64::from(100 - percent) / 10;
                totals[3] += u64::from(look % 5 == 0);
                totals[1] += if percent == 25 { 9 } else { 0 };
                let pools = [(&new_pool, totals[0], totals[1]), (&old_pool, totals[2], totals[3])];
                let total = |(pool, requests, errors): (&gatewright_core::target::PoolId, u64, u64)| {
                    (pool.clone(), Totals { requests, errors, latency: None })
                };
                let reading = Reading { at: at(secs), pools: BTreeMap::from(pools.map(total)) };
                let last = percent == 25 && look == looks - 1;
                events.push((at(secs), measured(reading, percent, last)));
            }
            match what {
                Move::Hold { percent: 25, .. } => break,
                Move::Hold { .. } | Move::Baseline { .. } => {}
                Move::Share { percent: to } => {
                    percent = *to;
                    let seen = |percent| seen(&[(new_pool.as_str(), percent), (old_pool.as_str(), 100 - percent)]);
                    events.push((at(secs), made(Way::Forth, n, vec![seen(0), seen(percent)], None)));
                }
                Move::Hook { .. } => events.push((at(secs), made(Way::Forth, n, Vec::new(), hook.take()))),
                _ => events.push((at(secs), made(Way::Forth, n, Vec::new(), None))),
            }
        }
        let back = way_back(Old::Other(live.replicas()), false);
        for (n, what) in back.iter().enumerate() {
            let seen = match what {
                Move::Share { .. } => vec![seen(&[(old_pool.as_str(), 100)])],
                _ => Vec::new(),
            };
            events.push((at(secs + 4), made(Way::Back, n, seen, None)));
        }
        events.push((at(secs + 5), RunEvent::Finished { conclusion: Conclusion::Failure }));
        let subject = Subject::Environment { name: "production".parse().expect("a name") };
        self.run(id, subject, Work::Rollout(Box::new(spec)), events, End::Finished(Conclusion::Failure)).await;
        let outcome = Outcome::RolledBack { because: WHY.to_owned() };
        let arrival =
            Arrival { live: self.live(release, "production", at(secs), id), outcome, at: at(secs), begun_at: self.ago(60) };
        self.order("production", Ordered::Arrival { arrival: Box::new(arrival) }, at(secs)).await;
        let reason = Some("v1.5.0 was rolled back".to_owned());
        self.order("production", Ordered::Hold { reason }, at(secs)).await;
    }

    /// A release that waits, for longer than any test takes.
    async fn waits(&self, id: RunId, release: &Release) {
        let spec = self.spec(release, "production", self.ago(5));
        let waits = vec![
            Wait::After { environment: "staging".parse().expect("a name") },
            Wait::Approvals { missing: 2, who: "whoever may promote".to_owned() },
        ];
        let events = vec![(self.ago(4), waits_for(waits, self.ago(-600)))];
        let subject = Subject::Environment { name: "production".parse().expect("a name") };
        self.run(id, subject, Work::Rollout(Box::new(spec)), events, End::WaitUntil(self.ago(-600))).await;
    }
}

fn of(event: RolloutEvent) -> RunEvent {
    RunEvent::Rollout { event: Box::new(event) }
}

fn waits_for(waits: Vec<Wait>, look_at: Timestamp) -> RunEvent {
    of(RolloutEvent::Looked { waits, look_at, heard: 0 })
}

fn admitted(live: Option<Box<Live>>, moves: &[Move]) -> RunEvent {
    of(RolloutEvent::Admitted { live, digest: None, config_hash: "h2".to_owned(), moves: moves.to_vec() })
}

fn made(way: Way, n: usize, seen: Vec<Seen>, hook: Option<HookOutcome>) -> RunEvent {
    of(RolloutEvent::Made { way, n, seen, hook })
}

fn seen(shares: &[(&str, u32)]) -> Seen {
    let server = |(pool, weight): &(&str, u32)| Server {
        instance: format!("{pool}-1"),
        pool: pool.parse().expect("a pool"),
        address: "10.0.0.7:8080".to_owned(),
        weight: *weight,
        up: true,
        in_flight: 0,
    };
    let instance = |(pool, _): &(&str, u32)| Instance {
        id: format!("{pool}-1"),
        pool: pool.parse().expect("a pool"),
        address: Some("10.0.0.7:8080".to_owned()),
        health: Health::Ready,
        config_hash: "h1".to_owned(),
        digest: None,
    };
    Seen { instances: shares.iter().map(instance).collect(), routes: Routes { servers: shares.iter().map(server).collect() } }
}

fn measured(reading: Reading, percent: u32, last: bool) -> RunEvent {
    let finding = match (last, percent) {
        (true, _) => Finding::Back { because: WHY.to_owned(), evidence: Some(Box::new(evidence(reading.at))) },
        (false, 5) => Finding::GoOn,
        (false, _) => Finding::Wait { because: "too few requests yet".to_owned() },
    };
    let look = Look {
        reading: Some(reading),
        others: Vec::new(),
        unmeasured: None,
        unhealthy: Vec::new(),
        instances: Some(Instances { ready: 2, all: 2 }),
        old_instances: None,
        share_millipercent: u64::from(percent) * 1_000,
    };
    of(RolloutEvent::Measured { look: Box::new(look), finding: Box::new(finding) })
}

fn evidence(at: Timestamp) -> Evidence {
    let odds = Odds { log10_hundredths: 370 };
    let tolerated = Times { hundredths: 150 };
    Evidence {
        at,
        rule: Some(Rule::Worse { metric: Metric::Errors }),
        since: None,
        odds,
        needed: Odds { log10_hundredths: 200 },
        metrics: vec![MetricEvidence { metric: Metric::Errors, odds, estimate: None, at_most: None, tolerated }],
        seen: Counted::default(),
    }
}
