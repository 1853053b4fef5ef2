//! Drift: keeps comparing what runs with what was released. Targets tell when something may have changed; routers tell nothing, so
//! everything is looked at now and then too. What is found stands as an order of the environment, so it is told once, and is told
//! to be gone once, whatever happens to the service in between.
//!
//! Where the environment wants it mended, a rollout is started that makes again what is live
//! ([`RolloutCause::Drifted`](gatewright_core::run::RolloutCause)), which waits for the environment's lock like any other. One thing alone
//! is changed here: a router that has instances somewhere else than they are is told where, which is nothing that a release decides.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use futures_util::stream;
use gatewright_core::Timestamp;
use gatewright_core::order::{Order, Ordered};
use gatewright_core::rollout::Live;
use gatewright_core::store::{RunFilter, StoreError};
use gatewright_core::target::{Site, Target};
use gatewright_core::{EnvironmentName, RepoRef};
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::Engine;
use crate::rollout::{place_of, site};

mod look;

/// So many environments are read from the store at once.
const PAGE: usize = 100;

/// So many are watched. Beyond that none is, and the log says so.
const WATCHED_MAX: usize = 10_000;

/// So many are looked at at once: each look asks an engine for its containers, and a router.
const AT_ONCE: usize = 4;

/// Between two looks at everything it is waited for so long at least, however much is told meanwhile: an instance that ends again and
/// again is told of each time.
const BREATH: Duration = Duration::from_secs(1);

/// A target whose changes cannot be heard is asked again after so long.
const DEAF_PAUSE: Duration = Duration::from_secs(10);

/// An environment with something live in it.
struct Watched {
    repo: RepoRef,
    name: EnvironmentName,
    live: Live,
    site: Site,
}

/// Watches until `stop` is cancelled.
pub(crate) async fn watch_until(engine: Arc<Engine>, stop: CancellationToken) {
    let changed = Arc::new(Notify::new());
    let mut listening = Listening { changed: Arc::clone(&changed), targets: Vec::new(), tasks: JoinSet::new() };
    while !stop.is_cancelled() {
        let begun = Instant::now();
        tokio::select! {
            () = look_at_all(&engine, &mut listening) => {}
            () = stop.cancelled() => return,
        }
        // What takes long to look at is looked at less often.
        let breath = BREATH.max(begun.elapsed());
        let sweep = Duration::from_secs(engine.options.drift_secs.max(1)).max(breath);
        let told = async {
            tokio::time::sleep(breath).await;
            tokio::select! {
                () = changed.notified() => {}
                () = engine.settled.notified() => {}
            }
        };
        tokio::select! {
            () = told => {}
            () = tokio::time::sleep(sweep) => {}
            () = stop.cancelled() => return,
        }
    }
}

/// Those who tell when something may have changed. They are heard for as long as this is there.
struct Listening {
    changed: Arc<Notify>,
    targets: Vec<Arc<dyn Target>>,
    tasks: JoinSet<()>,
}

impl Listening {
    /// Hears of a target from now on, once.
    fn to(&mut self, target: &Arc<dyn Target>) {
        let same = |known: &Arc<dyn Target>| Arc::as_ptr(known).cast::<()>() == Arc::as_ptr(target).cast::<()>();
        if self.targets.iter().any(same) {
            return;
        }
        self.targets.push(Arc::clone(target));
        let (target, changed) = (Arc::clone(target), Arc::clone(&self.changed));
        self.tasks.spawn(async move {
            loop {
                if let Err(error) = target.changed().await {
                    tracing::warn!(%error, "a target does not tell of changes; it is looked at now and then");
                    tokio::time::sleep(DEAF_PAUSE).await;
                }
                changed.notify_one();
            }
        });
    }
}

async fn look_at_all(engine: &Engine, listening: &mut Listening) {
    let watched = match watched(engine).await {
        Ok(watched) => watched,
        Err(error) => {
            tracing::warn!(%error, "what runs cannot be compared with what was released");
            return;
        }
    };
    for environment in &watched {
        listening.to(&environment.site.target);
    }
    let looks: Vec<_> = watched.iter().map(|environment| look_at(engine, environment)).collect();
    stream::iter(looks).buffer_unordered(AT_ONCE).collect::<()>().await;
}

async fn look_at(engine: &Engine, environment: &Watched) {
    let Watched { repo, name, .. } = environment;
    if let Err(error) = look::look(engine, environment, Timestamp::now).await {
        let error = look::redacted(engine, &error.to_string());
        tracing::warn!(%repo, environment = %name, error, "what runs cannot be compared with what was released");
    }
}

/// The environments that have something live and that the operator has opened.
async fn watched(engine: &Engine) -> Result<Vec<Watched>, StoreError> {
    let (mut found, mut after) = (Vec::new(), None::<String>);
    while found.len() < WATCHED_MAX {
        let page = engine.deps.environments.live(after.as_deref(), PAGE).await?;
        let Some((last, _)) = page.last() else { return Ok(found) };
        after = Some(last.clone());
        for (subject, order) in page {
            found.extend(opened(engine, &subject, order).await?);
        }
    }
    tracing::warn!(environments = WATCHED_MAX, "there are more environments than are watched for drift");
    Ok(found)
}

async fn opened(engine: &Engine, subject: &str, order: Order) -> Result<Option<Watched>, StoreError> {
    let Ordered::Live { live } = order.what else { return Ok(None) };
    let Some(repo) = repository(engine, subject, &live).await? else { return Ok(None) };
    let place = place_of(&repo, &live.environment, &live.pool);
    let name = live.environment.name.clone();
    // What the operator has closed is nobody's business any more.
    Ok(site(engine, &place).ok().map(|site| Watched { repo, name, live: *live, site }))
}

/// The repository as it is named now: as its newest run has it, else as it was named when the environment got what it runs.
async fn repository(engine: &Engine, subject: &str, live: &Live) -> Result<Option<RepoRef>, StoreError> {
    let Some((key, _)) = subject.split_once("/environment/") else { return Ok(None) };
    let filter = RunFilter { repo: Some(key.to_owned()), ..RunFilter::default() };
    let newest = engine.deps.store.list(&filter, 1).await?;
    Ok(newest.into_iter().next().map(|record| record.repo).or_else(|| live.repo.clone()))
}
