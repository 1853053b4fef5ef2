//! Looks at one environment, and writes down what is found.

use std::time::Duration;

use gatewright_core::config::Drift as Wanted;
use gatewright_core::order::{OrderChange, Ordered};
use gatewright_core::rollout::drift::{Difference, Drift, Others, RESTORES_MAX, differences, words};
use gatewright_core::rollout::fill::pool_id_anew;
use gatewright_core::rollout::{Live, Release};
use gatewright_core::run::{NewRun, Pace, RolloutCause, RolloutSpec, RunSpec, Work};
use gatewright_core::store::{Acceptance, AuditEntry, Phase, RunFilter, StoreError};
use gatewright_core::target::{Pool, TargetError};
use gatewright_core::{RunId, Subject, Timestamp};

use super::Watched;
use crate::redact::Redactor;
use crate::rollout::{EnvironmentOrders, follow, own, place_of, seen};
use crate::{Engine, notices};

/// What differs is looked at again after so long, and counts if it still does: a container that the engine is just starting again is
/// no drift.
const SURE_AFTER: Duration = Duration::from_secs(1);

/// An environment may have so many rollouts that are not over. More are not asked about.
const OPEN_MAX: usize = 100;

/// Why it was not found out whether there is drift.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unknown {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Target(#[from] TargetError),
}

/// The same without the service's secrets: a program of the operator's may repeat one.
pub(super) fn redacted(engine: &Engine, text: &str) -> String {
    Redactor::new(engine.options.secrets.iter().cloned()).text(text)
}

/// Compares what runs with what was released, and writes down what has changed since.
pub(super) async fn look(engine: &Engine, environment: &Watched, now: impl Fn() -> Timestamp) -> Result<(), Unknown> {
    let Some(before) = undisturbed(engine, environment).await? else { return Ok(()) };
    let others = others(engine, &before, &environment.live).await?;
    let mut found = differing(environment, others).await?;
    if !found.is_empty() && before.drift().is_none_or(|drift| drift.differences != found) {
        tokio::time::sleep(SURE_AFTER).await;
        let again = differing(environment, others).await?;
        found.retain(|difference| again.contains(difference));
    }
    let found: Vec<Difference> = found.into_iter().map(|difference| masked(engine, difference)).collect();
    // What came in between is a rollout's own doing.
    let Some(here) = undisturbed(engine, environment).await? else { return Ok(()) };
    let stands = here.drift().filter(|drift| drift.stands());
    gauge(environment, !found.is_empty());
    match (stands, found.is_empty()) {
        (None, true) => Ok(()),
        (Some(drift), true) => gone(engine, environment, &here, drift, now()).await,
        (Some(drift), false) if drift.differences == found => restore(engine, environment, &here, drift, now()).await,
        (Some(_) | None, false) => {
            let drift = told(engine, environment, &here, found, now()).await?;
            restore(engine, environment, &here, &drift, now()).await
        }
    }
}

/// What stands about the environment, where nothing is under way there and what is live is what it was.
async fn undisturbed(engine: &Engine, environment: &Watched) -> Result<Option<EnvironmentOrders>, StoreError> {
    let here = EnvironmentOrders::of(engine, &environment.repo, &environment.name).await?;
    let same = here.live().is_some_and(|live| live.rollout == environment.live.rollout);
    Ok((here.holder().is_none() && same).then_some(here))
}

/// Whether the rollout that brought what is live still keeps the version before.
async fn others(engine: &Engine, here: &EnvironmentOrders, live: &Live) -> Result<Others, StoreError> {
    let filter = RunFilter { subject: Some(here.key.clone()), phase: Some(Phase::Open), ..RunFilter::default() };
    let open = engine.deps.store.list(&filter, OPEN_MAX).await?;
    Ok(if open.iter().any(|run| run.id == live.rollout) { Others::Kept } else { Others::None })
}

async fn differing(environment: &Watched, others: Others) -> Result<Vec<Difference>, TargetError> {
    let place = place_of(&environment.repo, &environment.live.environment, &environment.live.pool);
    let mut seen = seen(&environment.site, &place).await?;
    if follow(&environment.site, &place, &seen.instances, &seen.routes).await? {
        tracing::info!(%place, "instances were somewhere else than the router knew, and it was told");
        seen.routes = environment.site.router.read(&place).await?;
    }
    Ok(differences(&environment.live, &seen, others))
}

/// Instances of a target of the operator's making may be called anything.
fn masked(engine: &Engine, difference: Difference) -> Difference {
    let name = |instance: String| redacted(engine, &instance);
    match difference {
        Difference::Image { instance } => Difference::Image { instance: name(instance) },
        Difference::Configuration { instance } => Difference::Configuration { instance: name(instance) },
        Difference::Stopped { instance } => Difference::Stopped { instance: name(instance) },
        Difference::Unrouted { instance } => Difference::Unrouted { instance: name(instance) },
        other @ (Difference::Replicas { .. } | Difference::Foreign { .. } | Difference::Weights { .. }) => other,
    }
}

fn gauge(environment: &Watched, drifted: bool) {
    let (repo, name) = (environment.repo.path.clone(), environment.name.to_string());
    metrics::gauge!("gatewright_environment_drifted", "repo" => repo, "environment" => name).set(if drifted { 1.0 } else { 0.0 });
}

/// Writes down what differs now.
async fn told(
    engine: &Engine,
    environment: &Watched,
    here: &EnvironmentOrders,
    found: Vec<Difference>,
    now: Timestamp,
) -> Result<Drift, Unknown> {
    let restores = here.drift().map(|drift| drift.recent_restores(now)).unwrap_or_default();
    let drift = Drift { id: RunId::new(), found_at: now, differences: found, gone_at: None, restores };
    metrics::counter!("gatewright_drifts_total").increment(1);
    write(engine, environment, here, &drift, "environment.drift", now).await?;
    Ok(drift)
}

async fn gone(
    engine: &Engine,
    environment: &Watched,
    here: &EnvironmentOrders,
    drift: &Drift,
    now: Timestamp,
) -> Result<(), Unknown> {
    let drift = Drift { differences: Vec::new(), gone_at: Some(now), ..drift.clone() };
    Ok(write(engine, environment, here, &drift, "environment.drift-gone", now).await?)
}

async fn write(
    engine: &Engine,
    environment: &Watched,
    here: &EnvironmentOrders,
    drift: &Drift,
    action: &str,
    now: Timestamp,
) -> Result<(), StoreError> {
    let Watched { repo, name, live, .. } = environment;
    let what = if drift.stands() { drift.words() } else { "what runs is what was released".to_owned() };
    tracing::warn!(%repo, environment = %name, tag = live.release.tag, drift = what, "drift");
    let audit = AuditEntry {
        at: now,
        actor: "gatewright".to_owned(),
        action: action.to_owned(),
        target: format!("{repo} environment/{name}"),
        commit: Some(live.release.commit.clone()),
        outcome: what,
    };
    let acceptance = Acceptance {
        run: notices::of_drift(engine, repo, name, live, drift, now),
        orders: vec![(here.key.clone(), set(drift, now))],
        audit: vec![audit],
        ..Acceptance::internal(&format!("{action}/{}", drift.id), now)
    };
    engine.accept(acceptance).await.map(|_| ())
}

fn set(drift: &Drift, now: Timestamp) -> OrderChange {
    own(Ordered::Drift { drift: Box::new(drift.clone()) }, now)
}

/// Starts what makes again what is live, once for each drift, where the environment wants that. Should it come to nothing, the drift stands
/// until somebody does something about it.
async fn restore(
    engine: &Engine,
    environment: &Watched,
    here: &EnvironmentOrders,
    drift: &Drift,
    now: Timestamp,
) -> Result<(), Unknown> {
    let Watched { repo, name, live, .. } = environment;
    let begun = drift.restores.contains(&drift.found_at);
    if live.environment.drift != Wanted::Restore || begun || drift.recent_restores(now).len() >= RESTORES_MAX {
        return Ok(());
    }
    tracing::info!(%repo, environment = %name, run.id = %drift.id, drift = words(&drift.differences), "what is live is made again");
    let subject = Subject::Environment { name: name.clone() };
    let spec = spec(environment, drift, now);
    let run = NewRun { id: drift.id, spec: RunSpec { repo: repo.clone(), subject, work: Work::Rollout(Box::new(spec)) } };
    let mut counted = drift.clone();
    counted.restores.push(drift.found_at);
    let acceptance = Acceptance {
        run: Some(run),
        orders: vec![(here.key.clone(), set(&counted, now))],
        ..Acceptance::internal(&format!("environment.restore/{}", drift.id), now)
    };
    Ok(engine.accept(acceptance).await.map(|_| ())?)
}

/// What is about instances is mended beside them: new ones get everything before what is there is taken away, so that users notice nothing.
fn spec(environment: &Watched, drift: &Drift, now: Timestamp) -> RolloutSpec {
    let Live { release, pool, environment: config, .. } = &environment.live;
    let anew = drift.differences.iter().any(Difference::is_of_instances);
    let id = if anew { pool_id_anew(&release.version, &pool.config, drift.id) } else { pool.id.clone() };
    RolloutSpec {
        // The release's run is told nothing: nothing has become of it.
        release: Release { run: None, ..release.clone() },
        environment: config.clone(),
        pool: Pool { id, ..pool.clone() },
        cause: RolloutCause::Drifted { pool: pool.id.clone(), differences: drift.differences.clone() },
        pace: Pace::Straight,
        begun_at: now,
        measure_secs: 10,
        baseline_secs: 0,
        remind_after_secs: Vec::new(),
    }
}
