//! Rollouts' effects: what their machine asks for is made true here, over the traits of `gatewright_core::target`. Every effect says
//! what should be so and looks afterwards whether it is: performing one again changes nothing.

use std::time::Duration;

use gatewright_core::config::Environment;
use gatewright_core::event::User;
use gatewright_core::order::{Order, OrderChange, OrderKey, Ordered};
use gatewright_core::rollout::drift::Drift;
use gatewright_core::rollout::{Arrival, Live, Seen};
use gatewright_core::run::{Rollout, RolloutAction, RolloutEvent, Run, RunEvent, Signal, SignalTarget};
use gatewright_core::store::{Acceptance, Phase, RunFilter, Store, StoreError};
use gatewright_core::target::{Health, Instance, Place, Pool, Routes, Site, TargetError};
use gatewright_core::{EnvironmentName, RepoRef, RunId, Subject, Timestamp};
use tokio_util::sync::CancellationToken;

use crate::Engine;
use crate::perform::Done;

mod hook;
mod judge;
mod look;
mod make;
mod measure;
mod picture;
mod redacted;
mod tell;

pub(crate) use redacted::redacted;

pub use picture::{evidence, picture};

/// To tell others that an environment has changed, so many open runs of the repository are looked at.
const OPEN_RUNS_MAX: usize = 500;

/// Performs an action of a rollout.
pub(crate) async fn perform(
    engine: &Engine,
    run: &Run,
    rollout: &Rollout,
    action: RolloutAction,
    stop: &CancellationToken,
) -> Done {
    match action {
        RolloutAction::Look => look::look(engine, run, rollout).await,
        RolloutAction::Make { way, n, what } => make::make(engine, run, rollout, way, n, &what, stop).await,
        RolloutAction::Measure => measure::measure(engine, run, rollout).await,
        RolloutAction::Tell { state } => tell::tell(engine, run, rollout, state).await,
        RolloutAction::Remind => done(RolloutEvent::Reminded),
    }
}

/// What happened, as the driver takes it.
fn done(event: RolloutEvent) -> Done {
    Done::Events(vec![RunEvent::Rollout { event: Box::new(event) }])
}

fn again(error: impl std::fmt::Display) -> Done {
    Done::Again { after: None, cause: error.to_string() }
}

/// The same again before long: it is on its way.
fn soon(cause: impl Into<String>) -> Done {
    Done::Again { after: Some(Duration::from_millis(500)), cause: cause.into() }
}

/// Whose words the service's own orders are.
fn service() -> User {
    User { id: 0, login: "gatewright".to_owned() }
}

/// Where a rollout goes.
fn place(run: &Run, rollout: &Rollout) -> Place {
    place_of(&run.repo, &rollout.spec.environment, &rollout.spec.pool)
}

/// Where a pool goes.
pub(crate) fn place_of(repo: &RepoRef, environment: &Environment, pool: &Pool) -> Place {
    Place { repo: repo.clone(), environment: environment.name.clone(), service: pool.config.service().to_owned() }
}

/// The site of a place.
pub(crate) fn site(engine: &Engine, place: &Place) -> Result<Site, TargetError> {
    engine.deps.sites.site(place)
}

/// What target and router have at a place.
pub(crate) async fn seen(site: &Site, place: &Place) -> Result<Seen, TargetError> {
    let (instances, routes) = tokio::try_join!(site.target.observe(place), site.router.read(place))?;
    Ok(Seen { instances: instances.instances, routes })
}

/// Tells the router where instances are that it has somewhere else: an engine that was restarted gives them other addresses, and may give
/// one version's to the other. Whether there were any. A router that writes addresses in its own way has nobody somewhere else.
pub(crate) async fn follow(site: &Site, place: &Place, instances: &[Instance], routes: &Routes) -> Result<bool, TargetError> {
    let moved: Vec<Instance> = instances.iter().filter(|instance| is_elsewhere(instance, routes)).cloned().collect();
    if moved.is_empty() {
        return Ok(false);
    }
    site.router.attach(place, &moved).await?;
    let told = site.router.read(place).await?;
    Ok(moved.iter().any(|instance| !is_elsewhere(instance, &told)))
}

fn is_elsewhere(instance: &Instance, routes: &Routes) -> bool {
    let Some(address) = instance.address.as_deref() else { return false };
    let mut own = routes.servers.iter().filter(|server| server.pool == instance.pool && server.instance == instance.id);
    instance.health == Health::Ready && own.any(|server| server.address != address)
}

/// What stands about an environment.
pub(crate) struct EnvironmentOrders {
    /// The subject's key.
    pub(crate) key: String,
    /// All of it.
    pub(crate) orders: Vec<Order>,
}

impl EnvironmentOrders {
    pub(crate) async fn of(engine: &Engine, repo: &RepoRef, name: &EnvironmentName) -> Result<EnvironmentOrders, StoreError> {
        Self::read(engine.deps.store.as_ref(), repo, name).await
    }

    pub(crate) async fn read(store: &dyn Store, repo: &RepoRef, name: &EnvironmentName) -> Result<EnvironmentOrders, StoreError> {
        let key = Subject::Environment { name: name.clone() }.key(repo);
        let orders = store.orders(&key).await?;
        Ok(EnvironmentOrders { key, orders })
    }

    fn order(&self, key: &OrderKey) -> Option<&Order> {
        self.orders.iter().find(|order| order.key() == *key)
    }

    /// What the environment runs.
    pub(crate) fn live(&self) -> Option<&Live> {
        self.order(&OrderKey::Live).and_then(|order| match &order.what {
            Ordered::Live { live } => Some(live.as_ref()),
            Ordered::Hold { .. }
            | Ordered::Approval { .. }
            | Ordered::Skip { .. }
            | Ordered::Answer { .. }
            | Ordered::Lock
            | Ordered::Freeze { .. }
            | Ordered::Arrival { .. }
            | Ordered::Drift { .. } => None,
        })
    }

    /// The run that has the environment to itself.
    pub(crate) fn holder(&self) -> Option<RunId> {
        self.order(&OrderKey::Lock).map(|order| order.run)
    }

    /// Who keeps releases from the environment now.
    pub(crate) fn freeze(&self, now: Timestamp) -> Option<(&Order, Option<Timestamp>, Option<&str>)> {
        let order = self.order(&OrderKey::Freeze)?;
        match &order.what {
            Ordered::Freeze { until, reason } if until.is_none_or(|until| until > now) => {
                Some((order, *until, reason.as_deref()))
            }
            Ordered::Freeze { .. }
            | Ordered::Hold { .. }
            | Ordered::Approval { .. }
            | Ordered::Skip { .. }
            | Ordered::Answer { .. }
            | Ordered::Lock
            | Ordered::Live { .. }
            | Ordered::Arrival { .. }
            | Ordered::Drift { .. } => None,
        }
    }

    /// Why releases do not come by themselves, since one was rolled back.
    pub(crate) fn hold(&self) -> Option<String> {
        let order = self.order(&OrderKey::Hold)?;
        match &order.what {
            Ordered::Hold { reason } => Some(reason.clone().unwrap_or_else(|| format!("held by {}", order.by.login))),
            Ordered::Freeze { .. }
            | Ordered::Approval { .. }
            | Ordered::Skip { .. }
            | Ordered::Answer { .. }
            | Ordered::Lock
            | Ordered::Live { .. }
            | Ordered::Arrival { .. }
            | Ordered::Drift { .. } => None,
        }
    }

    /// What was found when what runs was last compared with what was released.
    pub(crate) fn drift(&self) -> Option<&Drift> {
        match &self.order(&OrderKey::Drift)?.what {
            Ordered::Drift { drift } => Some(drift),
            Ordered::Hold { .. }
            | Ordered::Approval { .. }
            | Ordered::Skip { .. }
            | Ordered::Answer { .. }
            | Ordered::Lock
            | Ordered::Live { .. }
            | Ordered::Freeze { .. }
            | Ordered::Arrival { .. } => None,
        }
    }

    /// What became of the releases that have come here, the last one first.
    pub(crate) fn arrivals(&self) -> Vec<&Arrival> {
        let mut arrivals: Vec<&Arrival> = self.orders.iter().filter_map(arrival).collect();
        arrivals.sort_by_key(|arrival| std::cmp::Reverse(arrival.at));
        arrivals
    }

    /// What became of a release here.
    pub(crate) fn arrival(&self, tag: &str) -> Option<&Arrival> {
        self.order(&OrderKey::Arrival(tag.to_owned())).and_then(arrival)
    }
}

fn arrival(order: &Order) -> Option<&Arrival> {
    match &order.what {
        Ordered::Arrival { arrival } => Some(arrival),
        Ordered::Hold { .. }
        | Ordered::Approval { .. }
        | Ordered::Skip { .. }
        | Ordered::Answer { .. }
        | Ordered::Lock
        | Ordered::Live { .. }
        | Ordered::Freeze { .. }
        | Ordered::Drift { .. } => None,
    }
}

/// Something that stands about an environment from now on, in the service's own words.
pub(crate) fn own(what: Ordered, now: Timestamp) -> OrderChange {
    // Orders go by the run that gave them, the newer one first. A rollout can be older than what somebody has said since.
    OrderChange::Set { order: Order { by: service(), at: now, run: RunId::new(), what } }
}

/// The signals that have every open rollout of the repository look again whether it may begin.
async fn look_again(engine: &Engine, run: &Run) -> Result<Vec<(SignalTarget, Signal)>, StoreError> {
    let filter = RunFilter { repo: Some(run.repo.key()), phase: Some(Phase::Open), ..RunFilter::default() };
    let open = engine.deps.store.list(&filter, OPEN_RUNS_MAX).await?;
    let prefix = format!("{}/environment/", run.repo.key());
    let others = open.into_iter().filter(|record| record.id != run.id && record.subject.starts_with(&prefix));
    let look = || Signal::Rollout { word: gatewright_core::run::RolloutWord::Look };
    Ok(others.map(|record| (SignalTarget::Run { run: record.id }, look())).collect())
}

/// An acceptance under a name that follows from how far the run is: what was accepted before a crash is not accepted again, and what
/// is asked for later is something else.
fn acceptance(run: &Run, purpose: &str, now: Timestamp) -> Acceptance {
    Acceptance::internal(&format!("{purpose}/{}/{}", run.id, run.seq), now)
}
