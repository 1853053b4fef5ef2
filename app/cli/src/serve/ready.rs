//! `/readyz`: whether each part can do its work.
//!
//! Only a store that cannot take deliveries makes the service not ready: then a forge had better be told to come back. With
//! the forge down runs wait, and with the container engine down gates end as not judged and say so; deliveries are taken in
//! either case, so the service stays in service and says `degraded`. Providers of models are not asked: what their circuits say is
//! shown, and one that is open makes the service `degraded` and no more.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::sync::Arc;
use std::time::Duration;

use gatewright_core::Timestamp;
use gatewright_core::model::{Circuit, Model, ProviderHealth};
use gatewright_core::sandbox::Sandbox;
use gatewright_core::store::{StoreStats, StoreUpkeep};
use metrics::gauge;
use serde::Serialize;
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout};

use super::git;
use super::metrics::{last_delivery_secs, oldest_secs};
use super::parts::Forges;

/// Store and container engine are asked again after so long, however often the page is fetched.
const CHECK_EVERY: Duration = Duration::from_secs(5);

/// A forge is asked again after so long, since each time costs one call of its budget; git too, since each is a process.
const SELDOM_EVERY: Duration = Duration::from_secs(60);

/// Where they were down they are asked again after so long.
const SELDOM_DOWN_EVERY: Duration = Duration::from_secs(15);

/// A part that has not answered by then is down. Load balancers wait a few seconds.
const ANSWER_WITHIN: Duration = Duration::from_secs(3);

/// What `/readyz` says.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Report {
    pub(super) status: Status,
    parts: PartReports,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Status {
    /// Everything works.
    Ready,
    /// Deliveries are taken, but not all work can be done.
    Degraded,
    /// Deliveries cannot be taken.
    Unavailable,
    /// The process is about to end.
    Stopping,
}

#[derive(Debug, Clone, Serialize)]
struct PartReports {
    store: Part,
    sandbox: Part,
    git: Part,
    #[serde(skip_serializing_if = "Option::is_none")]
    github: Option<Part>,
    #[serde(skip_serializing_if = "Option::is_none")]
    gitlab: Option<Part>,
    /// The providers of models, by name. Left out where there are none.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    models: BTreeMap<String, Part>,
    queue: Queue,
    /// How many seconds ago the last delivery of each forge was taken. A forge without one since the start is not there.
    last_delivery_secs: BTreeMap<&'static str, f64>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "status")]
enum Part {
    Ok { detail: String },
    Down { cause: String },
}

#[derive(Debug, Clone, Serialize)]
struct Queue {
    ready: u64,
    leased: u64,
    waiting: u64,
    set_aside: u64,
    oldest_ready_secs: f64,
}

pub(super) struct Readiness {
    upkeep: Arc<dyn StoreUpkeep>,
    sandbox: Arc<dyn Sandbox>,
    forges: Forges,
    models: Arc<dyn Model>,
    /// What was found last. Held while the parts are asked, so that many who ask at once make one call.
    last: Mutex<Last>,
}

/// A part that is asked seldom, as it was found, and when.
type Asked = Option<(Instant, Part)>;

#[derive(Default)]
struct Last {
    report: Option<(Instant, Report)>,
    git: Asked,
    github: Asked,
    gitlab: Asked,
}

/// The parts as they were found.
struct Found {
    store: Part,
    sandbox: Part,
    git: Part,
    github: Option<Part>,
    gitlab: Option<Part>,
    models: BTreeMap<String, Part>,
}

impl Readiness {
    pub(super) fn new(upkeep: Arc<dyn StoreUpkeep>, sandbox: Arc<dyn Sandbox>, forges: Forges, models: Arc<dyn Model>) -> Self {
        Readiness { upkeep, sandbox, forges, models, last: Mutex::default() }
    }

    /// What is found now, or was a few seconds ago.
    pub(super) async fn report(&self) -> Report {
        let mut last = self.last.lock().await;
        if let Some((at, report)) = &last.report
            && at.elapsed() < CHECK_EVERY
        {
            return report.clone();
        }
        let now = Timestamp::now();
        let (git, github, gitlab) = (last.git.take(), last.github.take(), last.gitlab.take());
        let (store, sandbox, git, github, gitlab) =
            tokio::join!(self.store(), self.sandbox(), seldom(git, git::probe()), self.github(github), self.gitlab(gitlab));
        let part = |asked: &Asked| asked.as_ref().map(|(_, part)| part.clone());
        let found =
            Found { store, sandbox, git: git.1.clone(), github: part(&github), gitlab: part(&gitlab), models: self.models() };
        (last.git, last.github, last.gitlab) = (Some(git), github, gitlab);
        let stats = self.upkeep.stats(now).await.unwrap_or_default();
        let report = report(found, &stats, now);
        last.report = Some((Instant::now(), report.clone()));
        report
    }

    fn models(&self) -> BTreeMap<String, Part> {
        self.models.health().into_iter().map(|health| (health.provider.clone(), provider(&health))).collect()
    }

    async fn store(&self) -> Part {
        match timeout(ANSWER_WITHIN, self.upkeep.probe()).await {
            Ok(Ok(())) => Part::Ok { detail: "a write is durable".to_owned() },
            Ok(Err(error)) => Part::Down { cause: error.to_string() },
            Err(_) => too_late(),
        }
    }

    async fn sandbox(&self) -> Part {
        match timeout(ANSWER_WITHIN, self.sandbox.probe()).await {
            Ok(Ok(detail)) => Part::Ok { detail },
            Ok(Err(error)) => Part::Down { cause: error.to_string() },
            Err(_) => too_late(),
        }
    }

    async fn github(&self, last: Asked) -> Asked {
        let github = self.forges.github.as_ref()?;
        let detail = async { github.probe().await.map(|app| format!("signed in as the App {} ({})", app.slug, app.id)) };
        Some(seldom(last, detail).await)
    }

    async fn gitlab(&self, last: Asked) -> Asked {
        let gitlab = self.forges.gitlab.as_ref()?;
        let detail = async { gitlab.probe().await.map(|user| format!("signed in as {} ({})", user.username, user.id)) };
        Some(seldom(last, detail).await)
    }
}

/// A part as it is found now, or was found a while ago.
async fn seldom<E: Display>(last: Asked, probe: impl Future<Output = Result<String, E>>) -> (Instant, Part) {
    if let Some((at, part)) = last {
        let every = if matches!(part, Part::Ok { .. }) { SELDOM_EVERY } else { SELDOM_DOWN_EVERY };
        if at.elapsed() < every {
            return (at, part);
        }
    }
    let part = match timeout(ANSWER_WITHIN, probe).await {
        Ok(Ok(detail)) => Part::Ok { detail },
        Ok(Err(error)) => Part::Down { cause: error.to_string() },
        Err(_) => too_late(),
    };
    (Instant::now(), part)
}

fn provider(health: &ProviderHealth) -> Part {
    let last = health.last_failure.as_deref().unwrap_or("none");
    match health.circuit {
        Circuit::Closed => Part::Ok { detail: "the circuit is closed".to_owned() },
        Circuit::HalfOpen => Part::Ok { detail: format!("the circuit is half-open; the last failure was: {last}") },
        Circuit::Open { until } => {
            Part::Down { cause: format!("the circuit is open until {until:.0}; the last failure was: {last}") }
        }
    }
}

fn too_late() -> Part {
    Part::Down { cause: format!("no answer within {} s", ANSWER_WITHIN.as_secs()) }
}

fn report(found: Found, stats: &StoreStats, now: Timestamp) -> Report {
    let up = |part: &Part| matches!(part, Part::Ok { .. });
    let Found { store, sandbox, git, github, gitlab, models } = found;
    let own = [("store", &store), ("sandbox", &sandbox), ("git", &git)];
    let forges = [("github", &github), ("gitlab", &gitlab)].into_iter().filter_map(|(name, part)| Some((name, part.as_ref()?)));
    let mut all_up = true;
    for (name, part) in own.into_iter().chain(forges) {
        gauge!("gatewright_part_up", "part" => name).set(if up(part) { 1.0 } else { 0.0 });
        all_up &= up(part);
    }
    all_up &= models.values().all(up);
    let status = match (up(&store), all_up) {
        (true, true) => Status::Ready,
        (true, false) => Status::Degraded,
        (false, _) => Status::Unavailable,
    };
    let queue = Queue {
        ready: stats.ready,
        leased: stats.leased,
        waiting: stats.waiting,
        set_aside: stats.set_aside,
        oldest_ready_secs: oldest_secs(stats, now),
    };
    let last_delivery_secs = last_delivery_secs(stats, now).collect();
    Report { status, parts: PartReports { store, sandbox, git, github, gitlab, models, queue, last_delivery_secs } }
}

impl Report {
    /// The same, said by a process that is about to end.
    pub(super) fn stopping(self) -> Report {
        Report { status: Status::Stopping, ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(store: Part, sandbox: Part, git: Part, github: Part) -> Status {
        let found = Found { store, sandbox, git, github: Some(github), gitlab: None, models: BTreeMap::new() };
        report(found, &StoreStats::default(), Timestamp::UNIX_EPOCH).status
    }

    #[test]
    fn only_a_store_that_is_down_keeps_deliveries_out() {
        let ok = || Part::Ok { detail: String::new() };
        let down = || Part::Down { cause: "x".to_owned() };
        assert_eq!(status(ok(), ok(), ok(), ok()), Status::Ready);
        assert_eq!(status(ok(), down(), ok(), ok()), Status::Degraded);
        assert_eq!(status(ok(), ok(), down(), ok()), Status::Degraded);
        assert_eq!(status(ok(), ok(), ok(), down()), Status::Degraded);
        assert_eq!(status(down(), ok(), ok(), ok()), Status::Unavailable);
    }
}
