//! `/readyz`: whether each part can do its work.
//!
//! Only a store that cannot take deliveries makes the service not ready: then a forge had better be told to come back. With
//! the forge down runs wait, and with the container engine down gates end as not judged and say so; deliveries are taken in
//! either case, so the service stays in service and says `degraded`.

use std::sync::Arc;
use std::time::Duration;

use gatewright_core::Timestamp;
use gatewright_core::sandbox::Sandbox;
use gatewright_core::store::{StoreStats, StoreUpkeep};
use gatewright_forge_github::GitHub;
use metrics::gauge;
use serde::Serialize;
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout};

use super::metrics::oldest_secs;

/// Store and container engine are asked again after so long, however often the page is fetched.
const CHECK_EVERY: Duration = Duration::from_secs(5);

/// The forge is asked again after so long: each time costs one call of its budget.
const FORGE_EVERY: Duration = Duration::from_secs(60);

/// A forge that was down is asked again after so long.
const FORGE_DOWN_EVERY: Duration = Duration::from_secs(15);

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
    github: Part,
    queue: Queue,
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
    github: Arc<GitHub>,
    /// What was found last. Held while the parts are asked, so that many who ask at once make one call.
    last: Mutex<Last>,
}

#[derive(Default)]
struct Last {
    report: Option<(Instant, Report)>,
    github: Option<(Instant, Part)>,
}

impl Readiness {
    pub(super) fn new(upkeep: Arc<dyn StoreUpkeep>, sandbox: Arc<dyn Sandbox>, github: Arc<GitHub>) -> Self {
        Readiness { upkeep, sandbox, github, last: Mutex::default() }
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
        let (store, sandbox, github) = tokio::join!(self.store(), self.sandbox(), self.github(last.github.take()));
        last.github = Some(github.clone());
        let stats = self.upkeep.stats(now).await.unwrap_or_default();
        let report = report(store, sandbox, github.1, &stats, now);
        last.report = Some((Instant::now(), report.clone()));
        report
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

    async fn github(&self, last: Option<(Instant, Part)>) -> (Instant, Part) {
        if let Some((at, part)) = last {
            let every = if matches!(part, Part::Ok { .. }) { FORGE_EVERY } else { FORGE_DOWN_EVERY };
            if at.elapsed() < every {
                return (at, part);
            }
        }
        let part = match timeout(ANSWER_WITHIN, self.github.probe()).await {
            Ok(Ok(app)) => Part::Ok { detail: format!("signed in as the App {} ({})", app.slug, app.id) },
            Ok(Err(error)) => Part::Down { cause: error.to_string() },
            Err(_) => too_late(),
        };
        (Instant::now(), part)
    }
}

fn too_late() -> Part {
    Part::Down { cause: format!("no answer within {} s", ANSWER_WITHIN.as_secs()) }
}

fn report(store: Part, sandbox: Part, github: Part, stats: &StoreStats, now: Timestamp) -> Report {
    let up = |part: &Part| matches!(part, Part::Ok { .. });
    for (name, part) in [("store", &store), ("sandbox", &sandbox), ("github", &github)] {
        gauge!("gatewright_part_up", "part" => name).set(if up(part) { 1.0 } else { 0.0 });
    }
    let status = match (up(&store), up(&sandbox) && up(&github)) {
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
    Report { status, parts: PartReports { store, sandbox, github, queue } }
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

    fn status(store: Part, sandbox: Part, github: Part) -> Status {
        report(store, sandbox, github, &StoreStats::default(), Timestamp::UNIX_EPOCH).status
    }

    #[test]
    fn only_a_store_that_is_down_keeps_deliveries_out() {
        let ok = || Part::Ok { detail: String::new() };
        let down = || Part::Down { cause: "x".to_owned() };
        assert_eq!(status(ok(), ok(), ok()), Status::Ready);
        assert_eq!(status(ok(), down(), ok()), Status::Degraded);
        assert_eq!(status(ok(), ok(), down()), Status::Degraded);
        assert_eq!(status(down(), ok(), ok()), Status::Unavailable);
    }
}
