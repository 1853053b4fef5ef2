//! The sweep: asks forges for deliveries that were missed, catches up with what none came of, removes sandboxes that nobody uses, prunes what is old. At
//! the start and every few minutes.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use gatewright_core::{ForgeKind, Timestamp};
use jiff::SignedDuration;
use tokio_util::sync::CancellationToken;

use crate::Engine;
use crate::catch_up::LastAsked;

/// Forges keep failed deliveries for three days.
const LOOK_BACK: SignedDuration = SignedDuration::from_hours(72);

/// Deliveries that failed around the last sweep are asked for once more, since a forge lists them late.
const OVERLAP: SignedDuration = SignedDuration::from_mins(10);

/// An attempt that failed so recently may still be under way as another one.
const SETTLE: SignedDuration = SignedDuration::from_secs(2);

/// So many runs and deliveries are pruned in one go, so that others get their turn at the store.
const PRUNE_BATCH: usize = 200;

/// A sweep prunes so many batches at most; the next goes on.
const PRUNE_BATCHES_MAX: usize = 50;

/// What a sweep did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SweepReport {
    /// Deliveries that a forge was asked to send again.
    pub redelivered: u64,
    /// Runs that were started for pull requests of which no delivery arrived.
    pub caught_up: u64,
    /// Sandboxes that were removed.
    pub sandboxes_removed: u64,
    /// Runs and deliveries that were pruned.
    pub pruned: u64,
    /// Whether every part of it worked.
    pub complete: bool,
}

impl Engine {
    pub(crate) async fn sweep_until(self: Arc<Self>, stop: CancellationToken) {
        let mut since = Timestamp::now() - LOOK_BACK;
        let mut asked = LastAsked::default();
        while !stop.is_cancelled() {
            let now = Timestamp::now();
            let report = tokio::select! {
                report = self.sweep_all(now, since, &mut asked) => report,
                () = stop.cancelled() => return,
            };
            if report.complete {
                since = now - OVERLAP;
            }
            if report.redelivered + report.caught_up + report.sandboxes_removed + report.pruned > 0 {
                tracing::info!(report.redelivered, report.caught_up, report.sandboxes_removed, report.pruned, "swept");
            }
            tokio::select! {
                () = tokio::time::sleep(Duration::from_secs(self.options.sweep_secs)) => {}
                () = stop.cancelled() => {}
            }
        }
    }

    async fn sweep_all(&self, now: Timestamp, since: Timestamp, asked: &mut LastAsked) -> SweepReport {
        let report = self.sweep(now, since).await;
        let (caught_up, complete) = self.catch_up_due(now, asked).await;
        let scheduled = self.start_scheduled(now).await;
        SweepReport { caught_up, complete: report.complete && complete && scheduled, ..report }
    }

    /// Sweeps once: asks for deliveries that failed since `since`, and cleans up.
    pub async fn sweep(&self, now: Timestamp, since: Timestamp) -> SweepReport {
        let mut report = SweepReport { complete: true, ..SweepReport::default() };
        for (kind, forge) in &self.deps.forges {
            // A delivery that was taken though its sender never learned of it may be sent again too: it is a duplicate.
            let settled = move |missed: &gatewright_core::forge::MissedDelivery| missed.at < now - SETTLE;
            match forge.redeliver(since, &settled).await {
                Ok(count) => {
                    report.redelivered += count;
                    count_redelivered(*kind, count);
                }
                Err(error) => {
                    report.complete = false;
                    tracing::warn!(forge = kind.as_str(), %error, "missed deliveries could not be asked for");
                }
            }
        }
        report.sandboxes_removed = self.remove_leftovers(&mut report.complete).await;
        report.pruned = self.prune(now, &mut report.complete).await;
        report
    }

    async fn remove_leftovers(&self, complete: &mut bool) -> u64 {
        let leftovers = match self.deps.sandbox.leftovers().await {
            Ok(leftovers) => leftovers,
            Err(error) => {
                *complete = false;
                tracing::warn!(%error, "leftover sandboxes could not be looked for");
                return 0;
            }
        };
        let mut removed = 0;
        for key in leftovers {
            // A run that is driven here looks after its sandboxes itself.
            if self.driven.lock().unwrap_or_else(PoisonError::into_inner).contains_key(&key.run) {
                continue;
            }
            match self.deps.sandbox.close(&key).await {
                Ok(()) => removed += 1,
                Err(error) => {
                    *complete = false;
                    tracing::warn!(run.id = %key.run, step.key = %key.gate, %error, "a leftover sandbox could not be removed");
                }
            }
        }
        removed
    }

    async fn prune(&self, now: Timestamp, complete: &mut bool) -> u64 {
        let retention = SignedDuration::from_secs(i64::try_from(self.options.retention_secs).unwrap_or(i64::MAX));
        // A retention so long that it reaches before the calendar's beginning keeps everything.
        let Ok(before) = now.checked_sub(retention) else { return 0 };
        let mut pruned = 0;
        for _ in 0..PRUNE_BATCHES_MAX {
            match self.deps.upkeep.prune(before, PRUNE_BATCH).await {
                Ok(0) => break,
                Ok(count) => pruned += count,
                Err(error) => {
                    *complete = false;
                    tracing::warn!(%error, "old runs could not be pruned");
                    break;
                }
            }
        }
        pruned
    }
}

fn count_redelivered(forge: ForgeKind, count: u64) {
    metrics::counter!("gatewright_redeliveries_total", "forge" => forge.as_str()).increment(count);
}
