//! `/metrics`: Prometheus text, with what is best asked for at the moment of asking.

use std::time::Duration;

use gatewright_core::Timestamp;
use gatewright_core::store::{StoreStats, StoreUpkeep};
use metrics::{Unit, describe_counter, describe_gauge, describe_histogram, gauge};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use tokio_util::sync::CancellationToken;

use crate::failure::Failure;

/// Histograms keep every value until they are tidied up.
const UPKEEP_EVERY: Duration = Duration::from_secs(5);

/// From a fast acknowledgement to a long gate.
const SECONDS: [f64; 16] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 30.0, 120.0, 600.0, 3600.0];

/// A page of memory, on every machine that this runs on.
const PAGE_BYTES: f64 = 4096.0;

#[derive(Clone)]
pub(super) struct Metrics {
    handle: PrometheusHandle,
}

impl Metrics {
    /// Takes what the whole process measures. Called once.
    pub(super) fn install() -> Result<Metrics, Failure> {
        let cannot = |error| Failure::Outside(format!("metrics cannot be kept: {error}"));
        let builder = PrometheusBuilder::new().set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &SECONDS);
        let handle = builder.and_then(PrometheusBuilder::install_recorder).map_err(cannot)?;
        describe();
        gauge!("gatewright_build_info", "version" => env!("CARGO_PKG_VERSION")).set(1.0);
        gauge!("process_start_time_seconds").set(Timestamp::now().as_millisecond() as f64 / 1000.0);
        Ok(Metrics { handle })
    }

    pub(super) async fn upkeep_until(self, stop: CancellationToken) {
        while !stop.is_cancelled() {
            self.handle.run_upkeep();
            tokio::select! {
                () = tokio::time::sleep(UPKEEP_EVERY) => {}
                () = stop.cancelled() => {}
            }
        }
    }

    /// The text that Prometheus reads.
    pub(super) async fn text(&self, upkeep: &dyn StoreUpkeep, now: Timestamp) -> String {
        match upkeep.stats(now).await {
            Ok(stats) => set_queue(&stats, now),
            Err(error) => tracing::warn!(%error, "the store gives no figures"),
        }
        if let Some(bytes) = resident_bytes() {
            gauge!("process_resident_memory_bytes").set(bytes);
        }
        self.handle.render()
    }
}

fn describe() {
    describe_gauge!("gatewright_build_info", "Always 1; the label says which version this is");
    describe_gauge!("gatewright_queue_runs", "Unfinished runs by state: ready, leased, waiting, set_aside");
    describe_gauge!(
        "gatewright_queue_oldest_seconds",
        Unit::Seconds,
        "How long the oldest ready run has been waiting for a worker"
    );
    describe_gauge!("gatewright_last_delivery_age_seconds", Unit::Seconds, "How long ago the last delivery of a forge was taken");
    describe_gauge!("gatewright_part_up", "Whether a part worked when it was last asked: store, sandbox, git, github, gitlab");
    describe_counter!("gatewright_caught_up_total", "Runs started for pull requests of which no delivery arrived");
    describe_histogram!("gatewright_run_seconds", Unit::Seconds, "From a run's acceptance to its end, by conclusion");
    describe_histogram!("gatewright_step_seconds", Unit::Seconds, "From a sandbox's start to its gate's verdict, by status");
    describe_counter!("gatewright_sandbox_failures_total", "Steps that could not be run because the sandbox failed");
    describe_counter!("gatewright_redeliveries_total", "Missed deliveries that a forge was asked to send again");
    describe_gauge!(
        "gatewright_environment_drifted",
        "1 where what runs is not what was released, else 0, by repository and environment"
    );
    describe_counter!("gatewright_drifts_total", "Drifts that were found");
    describe_counter!("gatewright_notices_total", "Notices by what came of a try to send them: sent, failed, refused");
    describe_counter!(
        "gatewright_rollouts_total",
        "Rollouts that are over, by outcome: promoted, restored, rolled_back, given_up"
    );
    describe_histogram!("gatewright_lead_time_seconds", Unit::Seconds, "From the begin of a release until it was live");
    describe_histogram!(
        "gatewright_rollback_seconds",
        Unit::Seconds,
        "From the decision to go back until the router was read to be back"
    );
    describe_gauge!("process_start_time_seconds", Unit::Seconds, "When the process started, in seconds since 1970");
    describe_gauge!("process_resident_memory_bytes", Unit::Bytes, "Memory of the process");
}

fn set_queue(stats: &StoreStats, now: Timestamp) {
    for (state, runs) in
        [("ready", stats.ready), ("leased", stats.leased), ("waiting", stats.waiting), ("set_aside", stats.set_aside)]
    {
        gauge!("gatewright_queue_runs", "state" => state).set(runs as f64);
    }
    gauge!("gatewright_queue_oldest_seconds").set(oldest_secs(stats, now));
    for (forge, secs) in last_delivery_secs(stats, now) {
        gauge!("gatewright_last_delivery_age_seconds", "forge" => forge).set(secs);
    }
}

/// How long ago the last delivery of each forge was taken.
pub(super) fn last_delivery_secs(stats: &StoreStats, now: Timestamp) -> impl Iterator<Item = (&'static str, f64)> {
    let secs = move |at: &Timestamp| now.duration_since(*at).as_secs_f64().max(0.0);
    stats.last_delivery_at.iter().map(move |(forge, at)| (forge.as_str(), secs(at)))
}

/// How long the oldest ready run has been waiting.
pub(super) fn oldest_secs(stats: &StoreStats, now: Timestamp) -> f64 {
    stats.oldest_ready_at.map_or(0.0, |at| now.duration_since(at).as_secs_f64().max(0.0))
}

fn resident_bytes() -> Option<f64> {
    let statm = std::fs::read_to_string("/proc/self/statm").ok()?;
    let pages: f64 = statm.split(' ').nth(1)?.parse().ok()?;
    Some(pages * PAGE_BYTES)
}
