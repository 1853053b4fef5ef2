//! The sweep: asks forges for deliveries that were missed, catches up with what none came of, removes sandboxes that nobody uses, prunes what is old. At
//! the start and every few minutes.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use gatewright_core::forge::{MissedDelivery, Redelivered};
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

/// A delivery that was sent again and failed again is sent after this long, doubled each time up to [`AGAIN_MAX`].
const AGAIN: SignedDuration = SignedDuration::from_mins(3);

/// See [`AGAIN`].
const AGAIN_MAX: SignedDuration = SignedDuration::from_hours(1);

/// Where there is more than fits into one sweep, the next comes after this long.
const MORE_SECS: u64 = 60;

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
    /// There is more to send again than fits into one sweep.
    pub more: bool,
}

impl Engine {
    pub(crate) async fn sweep_until(self: Arc<Self>, stop: CancellationToken) {
        let mut since = Timestamp::now() - LOOK_BACK;
        let mut asked = LastAsked::since(self.last_deliveries().await);
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
            let pause = if report.more { MORE_SECS.min(self.options.sweep_secs) } else { self.options.sweep_secs };
            tokio::select! {
                () = tokio::time::sleep(Duration::from_secs(pause)) => {}
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
            let due = move |missed: &MissedDelivery| missed.at < now - pause(missed.failures);
            match forge.redeliver(since, &due).await {
                Ok(Redelivered { sent, more }) => {
                    report.redelivered += sent;
                    report.more |= more;
                    count_redelivered(*kind, sent);
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

/// How long after its last attempt a delivery of which so many have failed is sent again.
fn pause(failures: u32) -> SignedDuration {
    match failures.checked_sub(2) {
        None => SETTLE,
        Some(again) => AGAIN.saturating_mul(1 << again.min(10)).min(AGAIN_MAX),
    }
}

fn count_redelivered(forge: ForgeKind, count: u64) {
    metrics::counter!("gatewright_redeliveries_total", "forge" => forge.as_str()).increment(count);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_fails_again_and_again_is_sent_again_ever_more_seldom_and_at_least_each_hour() {
        let mins = |failures| pause(failures).as_mins();
        assert_eq!([1, 2, 3, 4, 5, 6, 7, 90].map(mins), [0, 3, 6, 12, 24, 48, 60, 60]);
        assert_eq!(pause(1), SETTLE);
    }
}
