//! Rollouts: how long it takes from the decision to go back until nobody gets the new version any more, whether anybody notices a hundred
//! promotions, switches and ways back, and what many rollouts at once take of the machine.
//!
//! `cargo bench -p gatewright-tests --bench rollouts [-- back N] [-- through N] [-- many N]`; without any, all three.
#![expect(clippy::print_stdout, reason = "a bench prints its figures")]

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use gatewright_core::Timestamp;
use gatewright_core::config::Pin;
use gatewright_core::run::{RolloutState, Run};
use gatewright_core::store::Store;
use gatewright_core::target::{
    Cut, Detached, Health, Instance, MetricSource, Observed, Place, Planned, Pool, PoolId, Reading, Routes, Server, Shares, Site,
    Sites, Target, TargetError, Totals, TrafficRouter,
};
use gatewright_tests::FakeGitHub;
use gatewright_tests::github::Limits;
use gatewright_tests::service::{Service, Setting};
use gatewright_tests::site::load::{Load, People};

#[allow(dead_code, reason = "the scenarios use more of it")]
#[path = "../scenarios/releases/world.rs"]
mod world;

use world::World;

const CANARY: &str =
    "    strategy: { canary: { steps: [50, 100], every: 60s, keep: 0s } }\n    analysis: { warm-up: 0s, extend-at-most: 60s }\n";

const MANUAL: &str = "    strategy: { canary: { steps: [{ percent: 50, hold: manual }, 100], every: 1s, keep: 0s } }\n    analysis: { errors: none, warm-up: 0s }\n";

const BLUE_GREEN: &str = "    strategy: { blue-green: { watch: 0s, keep: 0s } }\n    analysis: { errors: none }\n";

const QUICK: &str =
    "    strategy: { canary: { steps: [25, 100], every: 1s, keep: 0s } }\n    analysis: { errors: none, warm-up: 0s }\n";

const ROLLING: &str = "    strategy: { rolling: { batch: 50, every: 1s } }\n    analysis: { errors: none }\n";

/// What failures of WebSockets begin with: one that nobody closes is cut in the end.
const WEB_SOCKET: &str = "WebSocket";

/// Beyond, what there is of many rollouts is measured, however many have begun; and nothing more is waited for.
const BEGUN_MAX: Duration = Duration::from_secs(300);
const OVER_MAX: Duration = Duration::from_secs(900);

/// A repository has so many environments at most.
const ENVIRONMENTS: usize = 20;

#[tokio::main]
async fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| !argument.starts_with("--")).collect();
    let wanted = |name: &str, usual: usize| match arguments.iter().position(|argument| argument == name) {
        Some(at) => arguments.get(at + 1).and_then(|n| n.parse().ok()).unwrap_or(usual),
        None if arguments.is_empty() => usual,
        None => 0,
    };
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let cores = std::thread::available_parallelism().map_or(0, std::num::NonZero::get);
    let build = if cfg!(debug_assertions) { "debug" } else { "release" };
    println!("{build} build, {cores} processors, load {}", load.split_whitespace().next().unwrap_or("unknown"));
    back(wanted("back", 30)).await;
    through(wanted("through", 100)).await;
    many(wanted("many", 200)).await;
}

/// The one of so many percent, of what is sorted.
fn percentile(sorted: &[u128], percent: usize) -> u128 {
    let at = (sorted.len() * percent).div_ceil(100).saturating_sub(1);
    sorted.get(at).copied().unwrap_or_default()
}

/// The runs of rollouts.
async fn rollouts(service: &Service) -> Vec<Run> {
    let mut runs = Vec::new();
    for record in service.runs().await.iter().filter(|record| record.subject.contains("/environment/")) {
        let (_, journal) = service.store.journal(record.id).await.expect("the store answers");
        runs.extend(Run::replay(record.id, &journal));
    }
    runs
}

/// Half of the versions fail and are found out, the other half are taken back by a word at 50 %.
async fn back(times: usize) {
    if times == 0 {
        return;
    }
    let world = World::start().await;
    world.tag("v1.0.0", &world.file(MANUAL, ""));
    world.idle().await;
    let load = Load::start(&world.router.address(), People { eager: 4, slow: 2, talking: 2 });
    load.more(50).await;
    let mut noticed = 0;
    for n in 1..=times {
        let (tag, by_word) = (format!("v1.{n}.0"), n % 2 == 0);
        let bad = || load.seen().bad.values().sum::<u64>();
        let before = bad();
        let file = if by_word { world.file(MANUAL, "") } else { world.file(CANARY, ", FAIL_PERCENT: '50'") };
        let pull = world.merge(&tag, &file);
        if by_word {
            world.until_at(&tag, "production", "until somebody says").await;
            world.say(pull, "max", "/gw rollback production").await;
        }
        world.until_at(&tag, "production", "rolled back").await;
        // One person may give 20 commands a minute, and a release takes some seconds.
        world.say(pull, "ada", "/gw resume production").await;
        world.idle().await;
        noticed += if by_word { bad() - before } else { 0 };
    }
    load.stop().await;
    let took = |run: &Run| {
        let back = run.rollout()?.back.as_ref()?;
        u128::try_from(back.read_back_at?.duration_since(back.decided_at).as_millis()).ok()
    };
    let mut all: Vec<u128> = rollouts(&world.service).await.iter().filter_map(took).collect();
    all.sort_unstable();
    println!(
        "decision to read-back, {} whole rollouts on Docker and HAProxy under load: p50 {} ms, p99 {} ms, the longest {} ms",
        all.len(),
        percentile(&all, 50),
        percentile(&all, 99),
        all.last().copied().unwrap_or_default()
    );
    println!("requests that failed around ways back of healthy versions: {noticed}");
    world.end().await;
}

/// Healthy versions by every strategy without a pause, and some of them taken back.
async fn through(times: usize) {
    if times == 0 {
        return;
    }
    let world = World::start().await;
    // A release is about 60 requests; nobody brings a hundred within GitHub's hour.
    world.github.set_limits(Limits { per_hour: 1_000_000, ..Limits::default() });
    world.tag("v1.0.0", &world.file(BLUE_GREEN, ""));
    world.idle().await;
    let load = Load::start(&world.router.address(), People { eager: 4, slow: 2, talking: 2 });
    load.more(50).await;
    let failed = || {
        let mut bad = load.seen().bad;
        bad.retain(|what, _| !what.starts_with(WEB_SOCKET));
        bad
    };
    let begun = Instant::now();
    for n in 1..=times {
        let tag = format!("v1.{n}.0");
        let strategy = [BLUE_GREEN, QUICK, ROLLING, MANUAL][n % 4];
        let before = failed();
        let pull = world.merge(&tag, &world.file(strategy, ""));
        if strategy == MANUAL {
            world.until_at(&tag, "production", "until somebody says").await;
            world.say(pull, "max", "/gw rollback production").await;
            world.until_at(&tag, "production", "rolled back").await;
            world.say(pull, "ada", "/gw resume production").await;
        }
        world.idle().await;
        if failed() != before {
            eprintln!("requests failed around {tag}, after {:.0} s: {:?}; {strategy}", begun.elapsed().as_secs_f64(), failed());
        }
        if n % 10 == 0 {
            eprintln!("{n} of {times} after {:.0} s", begun.elapsed().as_secs_f64());
        }
    }
    let seen = load.stop().await;
    let states = rollouts(&world.service).await;
    let count = |is: fn(&RolloutState) -> bool| states.iter().filter_map(Run::rollout).filter(|of| is(&of.state())).count();
    // One that nobody closes outlives the time that is waited for what an instance has in flight, and is cut then.
    let cut: u64 = seen.bad.iter().filter(|(what, _)| what.starts_with(WEB_SOCKET)).map(|(_, count)| count).sum();
    // WebSockets that are cut end in states of their own.
    for line in world.router.log().lines().filter(|line| !line.contains("/ws ")) {
        eprintln!("HAProxy: {line}");
    }
    println!(
        "{times} releases under load in {:.0} s: {} promoted, {} taken back; {} requests answered, {} failed; {cut} WebSockets cut \
         after their 5 s: {:?}",
        begun.elapsed().as_secs_f64(),
        count(|state| matches!(state, RolloutState::Promoted)) - 1,
        count(|state| matches!(state, RolloutState::RolledBack { .. })),
        seen.good(),
        seen.bad.values().sum::<u64>() - cut,
        seen.bad
    );
    world.end().await;
}

/// A place that is only in memory: whatever is asked for is so, and requests come by the weights.
#[derive(Default)]
struct Made {
    instances: Vec<Instance>,
    weights: BTreeMap<PoolId, u32>,
    totals: BTreeMap<PoolId, Totals>,
    counted_at: Option<Timestamp>,
}

/// Requests a second to each place.
const REQUESTS_PER_SEC: u64 = 200;

#[derive(Default)]
struct InMemory {
    places: Mutex<BTreeMap<String, Made>>,
}

impl InMemory {
    fn at<T>(&self, place: &Place, act: impl FnOnce(&mut Made) -> T) -> T {
        act(self.places.lock().unwrap_or_else(PoisonError::into_inner).entry(place.to_string()).or_default())
    }
}

#[async_trait]
impl Target for InMemory {
    async fn plan(&self, _: &Place, _: &Pool) -> Result<Planned, TargetError> {
        Ok(Planned { digest: None, config_hash: "same".to_owned(), changes: Vec::new() })
    }

    async fn deploy(&self, place: &Place, pool: &Pool, replicas: u32) -> Result<Vec<Instance>, TargetError> {
        let instance = |n: u32| Instance {
            id: format!("{}-{n}", pool.id),
            pool: pool.id.clone(),
            address: Some(format!("127.0.0.1:{}", 1_000 + n)),
            health: Health::Ready,
            config_hash: "same".to_owned(),
            digest: None,
        };
        Ok(self.at(place, |made| {
            made.instances.retain(|instance| instance.pool != pool.id);
            let own: Vec<Instance> = (0..replicas).map(instance).collect();
            made.instances.extend(own.clone());
            own
        }))
    }

    async fn observe(&self, place: &Place) -> Result<Observed, TargetError> {
        Ok(Observed { instances: self.at(place, |made| made.instances.clone()) })
    }

    async fn remove(&self, place: &Place, instances: &[String]) -> Result<(), TargetError> {
        self.at(place, |made| made.instances.retain(|instance| !instances.contains(&instance.id)));
        Ok(())
    }

    async fn changed(&self) -> Result<(), TargetError> {
        std::future::pending().await
    }
}

fn routes(made: &Made) -> Routes {
    let server = |instance: &Instance| Server {
        instance: instance.id.clone(),
        pool: instance.pool.clone(),
        address: instance.address.clone().unwrap_or_default(),
        weight: made.weights.get(&instance.pool).copied().unwrap_or(0),
        up: true,
        in_flight: 0,
    };
    Routes { servers: made.instances.iter().map(server).collect() }
}

#[async_trait]
impl TrafficRouter for InMemory {
    async fn read(&self, place: &Place) -> Result<Routes, TargetError> {
        Ok(self.at(place, |made| routes(made)))
    }

    async fn attach(&self, _: &Place, _: &[Instance]) -> Result<(), TargetError> {
        Ok(())
    }

    async fn split(&self, place: &Place, shares: &Shares) -> Result<Routes, TargetError> {
        Ok(self.at(place, |made| {
            made.weights = shares.iter().map(|(pool, percent)| (pool.clone(), percent)).collect();
            routes(made)
        }))
    }

    async fn detach(&self, _: &Place, _: &[String], _: Cut) -> Result<Detached, TargetError> {
        Ok(Detached::Done)
    }

    async fn pin(&self, _: &Place, _: &Pin, _: Option<&PoolId>) -> Result<(), TargetError> {
        Ok(())
    }
}

#[async_trait]
impl MetricSource for InMemory {
    async fn read(&self, place: &Place, pools: &[PoolId]) -> Result<Reading, TargetError> {
        let now = Timestamp::now();
        Ok(self.at(place, |made| {
            let ms = made.counted_at.replace(now).map_or(0, |before| now.duration_since(before).as_millis());
            for (pool, percent) in &made.weights {
                let requests = u64::try_from(ms).unwrap_or(0) * REQUESTS_PER_SEC * u64::from(*percent) / 100_000;
                made.totals.entry(pool.clone()).or_default().requests += requests;
            }
            let of = |pool: &PoolId| (pool.clone(), made.totals.get(pool).cloned().unwrap_or_default());
            Reading { at: now, pools: pools.iter().map(of).collect() }
        }))
    }
}

struct Everywhere(Site);

impl Sites for Everywhere {
    fn site(&self, _: &Place) -> Result<Site, TargetError> {
        Ok(self.0.clone())
    }
}

/// Processor time of this process in seconds, and the most memory that it had, in MiB.
fn taken() -> (f64, u64) {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    // The name in brackets may have spaces in it; the 12th and 13th word behind it are ticks of 10 ms.
    let stat = read("/proc/self/stat");
    let words = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
    let ticks: f64 = words.skip(11).take(2).filter_map(|word| word.parse::<f64>().ok()).sum();
    let status = read("/proc/self/status");
    let most = status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.split_whitespace().next()?.parse::<u64>().ok());
    (ticks / 100.0, most.unwrap_or(0) / 1024)
}

/// So many environments, 20 to a repository, each with a canary of its own over places in memory.
async fn many(rollouts: usize) {
    if rollouts == 0 {
        return;
    }
    let site = Arc::new(InMemory::default());
    let site = Site { target: site.clone(), router: site.clone(), metrics: vec![site] };
    let github = FakeGitHub::start().await;
    let dir = tempfile::tempdir().expect("a temporary folder can be made");
    let mut setting = Setting::new(&github, dir.path());
    setting.sites = Arc::new(Everywhere(site));
    setting.measure_secs = 10;
    let service = Service::start(&github, &setting).await;
    let repos: Vec<String> = (0..rollouts.div_ceil(ENVIRONMENTS)).map(|n| format!("octo/app{n}")).collect();
    let all = repos.len() * ENVIRONMENTS;
    let tag = |tag: &str, every: &str| {
        let environment = |n: usize| {
            format!(
                "  e{n}:\n    target: {{ docker: {{ service: s, image: 'i:{{{{ version }}}}', replicas: 2 }} }}\n    strategy: {{ canary: {{ steps: [5, 25, 50, 100], \
                 every: {every}, keep: 0s }} }}\n    analysis: {{ warm-up: 0s }}\n"
            )
        };
        let environments: String = (0..ENVIRONMENTS).map(environment).collect();
        let file = format!(
            "image: i\ngates:\n  good: {{ run: 'true' }}\nreleases:\n  on: {{ tag: 'v*' }}\nenvironments:\n{environments}"
        );
        for repo in &repos {
            let commit =
                github.commit(repo, "main", "alice", &format!("feat: {tag}"), [(".gatewright.yml", file.as_str()), ("f", tag)]);
            github.push_tag(repo, tag, &commit, "alice");
        }
    };
    for repo in &repos {
        github.create_repo(repo);
        github.protect(repo, "main");
    }
    tag("v1.0.0", "90s");
    service.idle(&github).await;
    let (_, memory_before) = taken();
    let begun = Instant::now();
    tag("v1.1.0", "90s");
    let count = async |is: fn(&RolloutState) -> bool| {
        let runs = self::rollouts(&service).await;
        runs.iter().filter(|run| run.rollout().is_some_and(|of| is(&of.state()))).count()
    };
    let measured = |state: &RolloutState| matches!(state, RolloutState::Moving { percent: 1.., .. });
    // Counting takes a while with so many journals; so it is done seldom.
    while count(measured).await < all && begun.elapsed() < BEGUN_MAX {
        tokio::time::sleep(Duration::from_secs(5)).await;
    }
    let at_once = count(measured).await;
    let ((cpu_before, _), since) = (taken(), Instant::now());
    tokio::time::sleep(Duration::from_secs(30)).await;
    let processors = (taken().0 - cpu_before) / since.elapsed().as_secs_f64();
    let (_, memory) = taken();
    println!(
        "{at_once} of {all} rollouts at once, each looked at every 10 s, 200 requests a second: {processors:.2} processors, at most {memory} MiB \
         ({memory_before} MiB before), the fake forge with them"
    );
    while service.open_runs().await != Some(0) && begun.elapsed() < OVER_MAX {
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    let promoted = count(|state| *state == RolloutState::Promoted).await - all;
    println!("  {promoted} promoted after {:.0} s, at most {} MiB", begun.elapsed().as_secs_f64(), taken().1);
    service.stop().await;
}
