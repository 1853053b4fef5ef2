//! The worker: leases runs and drives each in a task of its own, until it is told to stop.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use gatewright_core::Timestamp;
use gatewright_core::store::{LeaseRequest, Leased};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::{Engine, drift, drive};

/// Without being told, the worker looks for ready runs so often: for those whose time has come, and those of a process
/// that died.
const POLL: Duration = Duration::from_millis(500);

/// Where there was no run to lease, the store is left alone for so long whatever arrives: under a flood of deliveries for
/// a repository that has all the runs it may have, asking after each would cost more than taking them.
const BREATH: Duration = Duration::from_millis(5);

/// After the store failed, the worker leaves it alone for so long.
const STORE_PAUSE: Duration = Duration::from_secs(1);

/// After the grace period, drivers have so long to remove their sandboxes and hand their runs back.
const HAND_BACK: Duration = Duration::from_secs(8);

/// How a process stops: first no new work, then no work at all.
#[derive(Debug, Clone, Default)]
pub(crate) struct Stopping {
    /// Start nothing new; what has nothing under way is handed back.
    pub(crate) drain: CancellationToken,
    /// Hand everything back now.
    pub(crate) kill: CancellationToken,
}

impl Engine {
    /// Works until `stop` is cancelled, then finishes or hands back what runs, and returns.
    pub async fn work(self: &Arc<Self>, stop: CancellationToken) {
        let stopping = Stopping { drain: stop.clone(), kill: CancellationToken::new() };
        let sweeper = tokio::spawn(Arc::clone(self).sweep_until(stop.clone()));
        let drift = tokio::spawn(drift::watch_until(Arc::clone(self), stop.clone()));
        let mut drivers = JoinSet::new();
        let room = Arc::new(Semaphore::new(self.options.runs_max.max(1)));
        while !stop.is_cancelled() {
            let permit = tokio::select! {
                permit = Arc::clone(&room).acquire_owned() => permit.expect("the semaphore is never closed"),
                () = stop.cancelled() => break,
            };
            match self.next_run(&stop).await {
                Some(leased) => {
                    let driving = drive::drive(Arc::clone(self), leased, stopping.clone());
                    drivers.spawn(async move {
                        driving.await;
                        drop(permit);
                    });
                }
                None => break,
            }
            while drivers.try_join_next().is_some() {}
        }
        self.drain(drivers, &stopping).await;
        // Both end by themselves once `stop` is cancelled; a panic in one was logged by the runtime.
        let _ = sweeper.await;
        let _ = drift.await;
    }

    /// The next run to drive, as soon as there is one. None once there is to be no more.
    async fn next_run(&self, stop: &CancellationToken) -> Option<Leased> {
        while !stop.is_cancelled() {
            let request = LeaseRequest {
                worker: self.options.worker.clone(),
                now: Timestamp::now(),
                lease_secs: self.options.lease_secs,
                per_repo_max: self.options.runs_per_repo_max,
                // One more, in which the forge is told that the run is given up: its checks are not to say for ever that
                // it goes on. Where that kills the process too, the run is set aside without a word.
                attempts_max: self.options.attempts_max + 1,
            };
            let pause = match self.deps.store.lease(&request).await {
                Ok(Some(leased)) => return Some(leased),
                Ok(None) => POLL,
                Err(error) => {
                    tracing::error!(%error, "the store gives no runs");
                    STORE_PAUSE
                }
            };
            tokio::time::sleep(BREATH).await;
            tokio::select! {
                () = self.ready.notified() => {}
                () = tokio::time::sleep(pause) => {}
                () = stop.cancelled() => {}
            }
        }
        None
    }

    async fn drain(&self, mut drivers: JoinSet<()>, stopping: &Stopping) {
        let open = self.driven.lock().unwrap_or_else(PoisonError::into_inner).len();
        tracing::info!(runs = open, "stopping: no new work is taken");
        let all = async { while drivers.join_next().await.is_some() {} };
        let grace = Duration::from_secs(self.options.grace_secs);
        tokio::pin!(all);
        if tokio::time::timeout(grace, &mut all).await.is_ok() {
            return;
        }
        tracing::info!("handing back what still runs");
        stopping.kill.cancel();
        if tokio::time::timeout(HAND_BACK, &mut all).await.is_err() {
            tracing::warn!("some runs could not be handed back; they are taken up again when their leases end");
        }
    }
}
