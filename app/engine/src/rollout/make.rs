//! Make: makes one move of a rollout true.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use gatewright_core::config::{Strategy, TargetConfig};
use gatewright_core::order::{Order, OrderChange, OrderKey, Ordered};
use gatewright_core::rollout::{Arrival, Live, Move, Old, Outcome, Seen, Which};
use gatewright_core::run::{Pace, Rollout, RolloutEvent, Run, Way};
use gatewright_core::store::{Acceptance, StoreError};
use gatewright_core::target::{Cut, Detached, Health, Instance, Place, Pool, PoolId, Routes, Shares, Site, TargetError};
use gatewright_core::{RunId, Timestamp};
use tokio_util::sync::CancellationToken;

use super::{EnvironmentOrders, acceptance, again, done, follow, hook, look_again, own, place, seen, service, site, soon};
use crate::Engine;
use crate::perform::Done;

/// Between two looks whether instances are ready.
const LOOK_AGAIN: Duration = Duration::from_millis(250);

/// What was to be cut is gone at once. Where it is not for so long, that is said, and tried again later.
const CUT_MAX: Duration = Duration::from_secs(60);

/// An instance that was found dead so often in a row will not live.
const DEATHS_MAX: u32 = 3;

/// What the router reads back may differ from the share that was asked for by so much, in thousandths of a percent: weights are whole
/// numbers.
const ROUNDING_MILLIPERCENT: u64 = 1_000;

/// What a move needs.
struct Context<'a> {
    engine: &'a Engine,
    run: &'a Run,
    rollout: &'a Rollout,
    place: Place,
    site: Site,
    way: Way,
}

/// Why a move was not made.
enum Short {
    /// Not yet.
    Again(Done),
    /// Not ever, for this reason.
    Failed(String),
}

impl From<TargetError> for Short {
    fn from(error: TargetError) -> Self {
        match error {
            TargetError::Unavailable { .. } => Short::Again(again(error)),
            TargetError::Refused { .. } => Short::Failed(error.to_string()),
        }
    }
}

impl From<StoreError> for Short {
    fn from(error: StoreError) -> Self {
        Short::Again(again(error))
    }
}

/// What a move that was made leaves in the journal.
#[derive(Default)]
struct Made {
    seen: Vec<Seen>,
}

pub(super) async fn make(
    engine: &Engine,
    run: &Run,
    rollout: &Rollout,
    way: Way,
    n: usize,
    what: &Move,
    stop: &CancellationToken,
) -> Done {
    let made = match what {
        Move::Hook { hook } => hook::run(engine, run, rollout, way, n, hook, stop).await,
        Move::Deploy { .. }
        | Move::Baseline { .. }
        | Move::Hold { .. }
        | Move::Share { .. }
        | Move::Shrink { .. }
        | Move::Settle
        | Move::Keep { .. }
        | Move::Clean => moved(engine, run, rollout, way, n, what, stop).await,
    };
    match made {
        // Others wait for the environment meanwhile, and nobody may be looking.
        Done::Again { cause, .. }
            if way == Way::Forth && !rollout.settled && tries(engine, run) >= engine.options.move_failures_max =>
        {
            let because = format!("it was tried {} times: {cause}", engine.options.move_failures_max);
            done(RolloutEvent::Failed { way, n, because, hook: None })
        }
        made => made,
    }
}

/// How often it has been tried to do what is to be done now, as far as this process knows.
fn tries(engine: &Engine, run: &Run) -> u32 {
    engine.waits_of(run.id).iter().map(|wait| wait.failures).max().unwrap_or(0) + 1
}

async fn moved(engine: &Engine, run: &Run, rollout: &Rollout, way: Way, n: usize, what: &Move, stop: &CancellationToken) -> Done {
    let place = place(run, rollout);
    let site = match site(engine, &place) {
        Ok(site) => site,
        // The operator has closed the site in the middle. What is there stays until it is open again.
        Err(error) => return again(error),
    };
    let context = Context { engine, run, rollout, place, site, way };
    // A change of shares that has begun is brought to its end, so that it is known what users get.
    let stopped = async {
        match what {
            Move::Share { .. } => std::future::pending().await,
            Move::Hook { .. }
            | Move::Deploy { .. }
            | Move::Baseline { .. }
            | Move::Hold { .. }
            | Move::Shrink { .. }
            | Move::Settle
            | Move::Keep { .. }
            | Move::Clean => stop.cancelled().await,
        }
    };
    let made = tokio::select! {
        made = context.make(what) => made,
        () = stopped => return Done::GivenUp,
    };
    match made {
        Ok(Made { seen }) => done(RolloutEvent::Made { way, n, seen, hook: None }),
        Err(Short::Again(done)) => done,
        // There is no way back from a way back, nor from what is settled: it is tried until it is done.
        Err(Short::Failed(cause)) if way == Way::Back || rollout.settled => Done::Again { after: None, cause },
        Err(Short::Failed(because)) => done(RolloutEvent::Failed { way, n, because, hook: None }),
    }
}

impl Context<'_> {
    async fn make(&self, what: &Move) -> Result<Made, Short> {
        match what {
            Move::Deploy { pool, replicas } => self.deploy(*pool, *replicas).await.map(|()| Made::default()),
            Move::Share { percent } => self.share(*percent).await.map(|seen| Made { seen }),
            Move::Shrink { pool, replicas } => self.shrink(*pool, *replicas).await.map(|()| Made::default()),
            Move::Clean => self.clean().await.map(|()| Made::default()),
            Move::Settle => self.settle().await.map(|()| Made::default()),
            // Time alone makes these.
            Move::Keep { .. } | Move::Baseline { .. } | Move::Hold { .. } | Move::Hook { .. } => Ok(Made::default()),
        }
    }

    fn pool(&self, which: Which) -> Option<&Pool> {
        match which {
            Which::New => Some(&self.rollout.spec.pool),
            Which::Old => self.rollout.live().map(|live| &live.pool),
        }
    }

    /// Has a pool's instances run and waits until so many are ready. They can be routed to then, and get nothing yet.
    async fn deploy(&self, which: Which, replicas: u32) -> Result<(), Short> {
        let Some(pool) = self.pool(which) else { return Ok(()) };
        let patience = Duration::from_secs(ready_within_secs(&pool.config));
        let started = Instant::now();
        let mut deaths: BTreeMap<String, u32> = BTreeMap::new();
        loop {
            let instances = self.site.target.deploy(&self.place, pool, replicas).await?;
            let own: Vec<Instance> = instances.into_iter().filter(|instance| instance.pool == pool.id).collect();
            let ready: Vec<Instance> = own.iter().filter(|instance| instance.health == Health::Ready).cloned().collect();
            if ready.len() >= replicas as usize {
                self.site.router.attach(&self.place, &ready).await?;
                if which == Which::New {
                    self.pin(Some(&pool.id)).await?;
                }
                return Ok(());
            }
            for instance in &own {
                if let Health::Dead { because } = &instance.health {
                    let times = deaths.entry(instance.id.clone()).or_default();
                    *times += 1;
                    if *times >= DEATHS_MAX {
                        return Err(Short::Failed(format!("{} ended as soon as it was started: {because}", instance.id)));
                    }
                }
            }
            if started.elapsed() > patience {
                let why = own.iter().map(|instance| format!("{}: {}", instance.id, health_words(&instance.health)));
                let why: Vec<String> = why.collect();
                let (ready, secs) = (ready.len(), patience.as_secs());
                return Err(Short::Failed(format!(
                    "{ready} of {replicas} instances were ready after {secs} s ({})",
                    why.join("; ")
                )));
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }

    /// Shares out the requests, and reads back that it is so.
    async fn share(&self, percent: u32) -> Result<Vec<Seen>, Short> {
        let new = self.rollout.spec.pool.id.clone();
        let old = match self.rollout.old() {
            Old::Other(_) => self.rollout.live().map(|live| live.pool.id.clone()),
            Old::Nothing | Old::Same => None,
        };
        let shares = match (old, percent) {
            (Some(old), percent) => Shares::split(new.clone(), percent, old),
            (None, _) => Shares::all_to(new.clone()),
        };
        // On the way back every moment counts: nothing is looked at that is known already, and nothing is attached that is there.
        if self.way == Way::Back
            && let Ok(routes) = self.site.router.split(&self.place, &shares).await
            && agrees(&routes, &shares)
        {
            return Ok(vec![Seen { instances: Vec::new(), routes }]);
        }
        let before = seen(&self.site, &self.place).await?;
        let wanted: Vec<&PoolId> = shares.iter().map(|(pool, _)| pool).collect();
        let is_wanted = |instance: &&Instance| wanted.contains(&&instance.pool) && instance.health == Health::Ready;
        let instances: Vec<Instance> = before.instances.iter().filter(is_wanted).cloned().collect();
        self.site.router.attach(&self.place, &instances).await?;
        let routes = self.site.router.split(&self.place, &shares).await?;
        if !agrees(&routes, &shares) {
            let has = routes.share_millipercent(&new) as f64 / 1000.0;
            return Err(Short::Again(soon(format!("the router gives the new version {has} % and not {percent} %"))));
        }
        Ok(vec![before, Seen { instances: Vec::new(), routes }])
    }

    /// Takes instances of a pool away until there are so many, without cutting anything off.
    async fn shrink(&self, which: Which, replicas: u32) -> Result<(), Short> {
        let Some(pool) = self.pool(which) else { return Ok(()) };
        let observed = self.site.target.observe(&self.place).await?;
        let mut own: Vec<String> =
            observed.instances.into_iter().filter(|instance| instance.pool == pool.id).map(|instance| instance.id).collect();
        own.sort();
        let surplus = own.split_off((replicas as usize).min(own.len()));
        self.take_away(&surplus).await
    }

    /// Has testers get a pool, where the strategy knows some.
    async fn pin(&self, pool: Option<&PoolId>) -> Result<(), TargetError> {
        match &self.rollout.spec.environment.strategy {
            Strategy::Canary { pin: Some(pin), .. } => self.site.router.pin(&self.place, pin, pool).await,
            Strategy::Canary { pin: None, .. } | Strategy::Recreate | Strategy::Rolling { .. } | Strategy::BlueGreen { .. } => {
                Ok(())
            }
        }
    }

    /// Nothing new, then nothing in flight, then gone.
    async fn take_away(&self, instances: &[String]) -> Result<(), Short> {
        if instances.is_empty() {
            return Ok(());
        }
        let patience = Duration::from_secs(self.engine.options.drain_secs);
        let started = Instant::now();
        loop {
            let cut = if started.elapsed() < patience { Cut::Nothing } else { Cut::InFlight };
            match self.site.router.detach(&self.place, instances, cut).await? {
                Detached::Done => break,
                Detached::Draining { in_flight } if started.elapsed() > patience + CUT_MAX => {
                    let cause = format!("the router still has {in_flight} requests in flight that were to be cut");
                    return Err(Short::Again(soon(cause)));
                }
                Detached::Draining { .. } => tokio::time::sleep(LOOK_AGAIN).await,
            }
        }
        Ok(self.site.target.remove(&self.place, instances).await?)
    }

    /// The pool that stays when this rollout is over.
    fn staying(&self) -> Option<&PoolId> {
        match (self.way, self.rollout.old()) {
            (Way::Forth, _) | (Way::Back, Old::Same) => Some(&self.rollout.spec.pool.id),
            (Way::Back, Old::Other(_)) => self.rollout.live().map(|live| &live.pool.id),
            (Way::Back, Old::Nothing) => None,
        }
    }

    /// Removes everything that does not stay. Where the environment is settled, others may be under way by now: then that is theirs.
    async fn clean(&self) -> Result<(), Short> {
        if self.rollout.settled && !self.lock_again().await? {
            return Ok(());
        }
        self.pin(None).await?;
        let seen = seen(&self.site, &self.place).await?;
        // Once the rest is gone, nobody else answers for what stays.
        follow(&self.site, &self.place, &seen.instances, &seen.routes).await?;
        let staying = self.staying();
        let rest = seen.instances.into_iter().filter(|instance| Some(&instance.pool) != staying);
        let rest: Vec<String> = rest.map(|instance| instance.id).collect();
        self.take_away(&rest).await?;
        if self.rollout.settled {
            let key = EnvironmentOrders::of(self.engine, &self.run.repo, &self.rollout.spec.environment.name).await?.key;
            self.accept("unlock", vec![(key, self.unlock())]).await?;
        }
        Ok(())
    }

    /// Takes the lock again. False where the environment is not this rollout's any more.
    async fn lock_again(&self) -> Result<bool, StoreError> {
        let name = &self.rollout.spec.environment.name;
        let here = EnvironmentOrders::of(self.engine, &self.run.repo, name).await?;
        if here.live().is_none_or(|live| live.rollout != self.run.id) {
            return Ok(false);
        }
        let now = Timestamp::now();
        let order = Order { by: service(), at: now, run: self.run.id, what: Ordered::Lock };
        let orders = vec![(here.key, OrderChange::Take { order })];
        let words = format!("lock/{}", RunId::new());
        self.engine.accept(Acceptance { orders, ..Acceptance::internal(&words, now) }).await?;
        let here = EnvironmentOrders::of(self.engine, &self.run.repo, name).await?;
        let own = here.holder() == Some(self.run.id) && here.live().is_some_and(|live| live.rollout == self.run.id);
        if here.holder() == Some(self.run.id) && !own {
            self.accept("unlock", vec![(here.key, self.unlock())]).await?;
        }
        Ok(own)
    }

    fn unlock(&self) -> OrderChange {
        OrderChange::Yield { key: OrderKey::Lock, run: self.run.id }
    }

    /// Writes down what the environment runs and what became of the release, and lets others begin.
    async fn settle(&self) -> Result<(), Short> {
        let now = Timestamp::now();
        let spec = &self.rollout.spec;
        let Some(admission) = &self.rollout.admission else { return Ok(()) };
        let live = Live {
            release: spec.release.clone(),
            pool: spec.pool.clone(),
            config_hash: admission.config_hash.clone(),
            environment: spec.environment.clone(),
            since: now,
            rollout: self.run.id,
            repo: Some(self.run.repo.clone()),
        };
        if !spec.cause.brings_a_release() {
            return self.settle_made_again(live).await;
        }
        let outcome = match &self.rollout.back {
            None => Outcome::Promoted,
            Some(back) => Outcome::RolledBack { because: back.because.clone() },
        };
        let mut orders = Vec::new();
        // What is live has arrived, whoever gave up bringing it again.
        if self.rollout.back.is_none() || self.rollout.old() != Old::Same {
            let arrival = Arrival { live: live.clone(), outcome, at: now, begun_at: spec.begun_at };
            orders.push(own(Ordered::Arrival { arrival: Box::new(arrival) }, now));
        }
        orders.push(self.live_from_now_on(live, now));
        orders.extend(self.hold(now));
        orders.push(self.unlock());
        let key = EnvironmentOrders::of(self.engine, &self.run.repo, &spec.environment.name).await?.key;
        self.accept("settle", orders.into_iter().map(|change| (key.clone(), change)).collect()).await?;
        Ok(())
    }

    /// What is live is what was live, in a pool of its own where instances were made anew. What became of the release stands as it is.
    async fn settle_made_again(&self, made: Live) -> Result<(), Short> {
        let Some(live) = self.rollout.live() else { return Ok(()) };
        let made = Live { release: live.release.clone(), since: live.since, ..made };
        let orders = [self.live_from_now_on(made, Timestamp::now()), self.unlock()];
        let key = EnvironmentOrders::of(self.engine, &self.run.repo, &self.rollout.spec.environment.name).await?.key;
        self.accept("settle", orders.into_iter().map(|change| (key.clone(), change)).collect()).await?;
        Ok(())
    }

    /// What is live once this is over. On a way back that is what was live before, said once more: somebody may have said `rollback` in the moment in
    /// which the new version was written down.
    fn live_from_now_on(&self, new: Live, now: Timestamp) -> OrderChange {
        match (&self.rollout.back, self.rollout.live()) {
            (None, _) => own(Ordered::Live { live: Box::new(new) }, now),
            (Some(_), Some(before)) => own(Ordered::Live { live: Box::new(before.clone()) }, now),
            (Some(_), None) => OrderChange::Clear { key: OrderKey::Live, run: RunId::new() },
        }
    }

    /// Whether releases come by themselves from now on.
    fn hold(&self, now: Timestamp) -> Option<OrderChange> {
        let tag = &self.rollout.spec.release.tag;
        let reason = match (&self.rollout.back, self.rollout.spec.pace) {
            // What undid itself is not begun again by itself.
            (Some(back), _) if back.holds => format!("{tag} was rolled back: {}", back.because),
            (Some(_), _) => return None,
            // Who went back on purpose does not want the newer release to come again by itself.
            (None, Pace::Straight) => format!("somebody went back to {tag}"),
            // What kept others from coming is mended.
            (None, Pace::Staged) => return Some(OrderChange::Clear { key: OrderKey::Hold, run: RunId::new() }),
        };
        Some(own(Ordered::Hold { reason: Some(reason) }, now))
    }

    async fn accept(&self, purpose: &str, orders: Vec<(String, OrderChange)>) -> Result<(), StoreError> {
        let signals = look_again(self.engine, self.run).await?;
        let acceptance = Acceptance { orders, signals, ..acceptance(self.run, purpose, Timestamp::now()) };
        self.engine.accept(acceptance).await?;
        self.engine.settled.notify_one();
        Ok(())
    }
}

/// Whether what was read back is what was asked for.
fn agrees(routes: &Routes, shares: &Shares) -> bool {
    shares.iter().all(|(pool, percent)| {
        let (has, wanted) = (routes.share_millipercent(pool), u64::from(percent) * 1000);
        match percent {
            0 | 100 => has == wanted,
            1..100 => has.abs_diff(wanted) <= ROUNDING_MILLIPERCENT,
            101.. => false,
        }
    })
}

pub(super) fn ready_within_secs(config: &TargetConfig) -> u64 {
    match config {
        TargetConfig::Docker(docker) => docker.health.ready_within_secs,
        TargetConfig::Exec(exec) => exec.ready_within_secs,
    }
}

pub(super) fn health_words(health: &Health) -> String {
    match health {
        Health::Starting => "starting".to_owned(),
        Health::Ready => "ready".to_owned(),
        Health::Unhealthy { because } => format!("unhealthy, {because}"),
        Health::Dead { because } => format!("dead, {because}"),
    }
}
