//! The buckets in which latencies are counted here.

use std::time::Duration;

use gatewright_core::target::Latency;

/// The upper bounds of the buckets, in milliseconds; a bucket holds what took less. There is one more for what took longer.
pub const BOUNDS_MS: [u32; 25] =
    [1, 2, 3, 5, 7, 10, 15, 20, 30, 40, 50, 75, 100, 150, 200, 300, 400, 500, 750, 1000, 1500, 2000, 3000, 5000, 10000];

/// Nothing counted yet.
pub(crate) fn none() -> Latency {
    let bounds_ms: Vec<f64> = BOUNDS_MS.iter().map(|bound| f64::from(*bound)).collect();
    Latency { counts: vec![0; bounds_ms.len() + 1], bounds_ms }
}

/// Counts one.
pub(crate) fn count(latency: &mut Latency, took: Duration) {
    let bucket = latency.bounds_ms.partition_point(|bound| *bound <= took.as_secs_f64() * 1000.0);
    latency.counts[bucket] += 1;
}
