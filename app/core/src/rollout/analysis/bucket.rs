//! What was measured, in the form in which it is journaled.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::target::{Latency, PoolId, Reading, Totals};

/// What both versions did between two looks at the counters. A span in which it could not be measured has no bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bucket {
    /// When it begins.
    pub from: Timestamp,
    /// How long it is.
    pub secs: u32,
    /// The new version.
    pub canary: Counts,
    /// The version that it is compared with.
    pub stable: Counts,
}

/// What one version did in a bucket.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Requests that were answered, or should have been.
    pub requests: u64,
    /// Those of them that failed.
    pub errors: u64,
    /// Those of them that took longer than this version's [`Thresholds`]. None: the source cannot tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slow: Option<u64>,
    /// The 95th percentile, in milliseconds, as exact as the source's histogram. None: the source cannot tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub p95_ms: Option<u32>,
}

impl Bucket {
    /// A bucket is no longer than this. Looks that lie further apart had an outage between them, and what happened in it cannot be told
    /// to have happened at one weight.
    pub const SECS_MAX: u32 = 120;

    /// What happened between two looks. None where that cannot be told: a version was not counted at both of them, a counter was
    /// reset, or they lie too far apart or in the wrong order.
    pub fn between(before: &Reading, after: &Reading, pools: Pools<'_>, thresholds: Option<Thresholds>) -> Option<Bucket> {
        let secs = u32::try_from(after.at.as_second() - before.at.as_second()).ok()?;
        if secs == 0 || secs > Self::SECS_MAX {
            return None;
        }
        let counts = |pool: &PoolId, threshold_ms: Option<f64>| {
            // A version that is new to the source had no requests at the look before.
            let none = Totals::default();
            Counts::between(before.pools.get(pool).unwrap_or(&none), after.pools.get(pool)?, threshold_ms)
        };
        let canary = counts(pools.canary, thresholds.map(|thresholds| thresholds.canary_ms()))?;
        let stable = counts(pools.stable, thresholds.map(|thresholds| thresholds.stable_ms()))?;
        Some(Bucket { from: before.at, secs, canary, stable })
    }

    /// When it ends.
    pub fn to(&self) -> Timestamp {
        // A sum beyond the year 9999 is that year's end.
        self.from.saturating_add(jiff::SignedDuration::from_secs(i64::from(self.secs))).unwrap_or(Timestamp::MAX)
    }
}

/// Which versions are compared.
#[derive(Debug, Clone, Copy)]
pub struct Pools<'a> {
    /// The new one.
    pub canary: &'a PoolId,
    /// The one that it is compared with.
    pub stable: &'a PoolId,
}

impl Counts {
    /// What a version did between two looks at its counters.
    pub fn between(before: &Totals, after: &Totals, threshold_ms: Option<f64>) -> Option<Counts> {
        let requests = after.requests.checked_sub(before.requests)?;
        let errors = after.errors.checked_sub(before.errors)?.min(requests);
        let latency = after.latency.as_ref().and_then(|latency| difference(before.latency.as_ref(), latency));
        let slow = threshold_ms.and_then(|ms| Some(latency.as_ref()?.slower_than(ms)));
        let p95_ms =
            latency.as_ref().and_then(|latency| latency.percentile(95)).map(|ms| ms.ceil().min(f64::from(u32::MAX)) as u32);
        Some(Counts { requests, errors, slow, p95_ms })
    }
}

/// What came to a histogram between two looks.
fn difference(before: Option<&Latency>, after: &Latency) -> Option<Latency> {
    let Some(before) = before else { return Some(after.clone()) };
    if before.bounds_ms != after.bounds_ms || before.counts.len() != after.counts.len() {
        return None;
    }
    let counts = after.counts.iter().zip(&before.counts).map(|(after, before)| after.checked_sub(*before));
    Some(Latency { bounds_ms: after.bounds_ms.clone(), counts: counts.collect::<Option<Vec<u64>>>()? })
}

impl Latency {
    /// How many of the requests took longer than a bound. Between two bounds, the upper one is taken.
    pub fn slower_than(&self, ms: f64) -> u64 {
        // Thresholds are kept in whole microseconds.
        let us = |ms: f64| (ms * 1000.0).round();
        let beyond = self.bounds_ms.iter().take_while(|bound| us(**bound) < us(ms)).count() + 1;
        self.counts.iter().skip(beyond).fold(0, |sum, count| sum.saturating_add(*count))
    }

    /// The upper bound of the bucket that a percentile lies in. None where there are no requests, or it lies beyond the last bound.
    pub fn percentile(&self, percent: u32) -> Option<f64> {
        let all: u128 = self.counts.iter().map(|count| u128::from(*count)).sum();
        let wanted = (all * u128::from(percent)).div_ceil(100);
        let mut seen = 0_u128;
        let within = self.counts.iter().position(|count| {
            seen += u128::from(*count);
            seen >= wanted
        });
        (all > 0).then_some(self.bounds_ms.get(within?).copied()).flatten()
    }
}

/// Which requests are slow: those that take longer than the stable version's 95th percentile before the rollout; of the new version,
/// that take longer than so many times that as are tolerated. So both have the same share of slow requests exactly where the new
/// version is as much slower as it may be, and an incident that slows both changes nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Thresholds {
    /// The stable version's, in microseconds.
    pub stable_us: u64,
    /// The new version's, in microseconds.
    pub canary_us: u64,
}

impl Thresholds {
    /// The thresholds where both can be counted at any value.
    pub fn exact(p95_ms: f64, worse_at_most: f64) -> Option<Thresholds> {
        Self::of(p95_ms, p95_ms * worse_at_most)
    }

    /// The thresholds that a histogram can count at: its bounds that come next, so that what is tolerated may be more than was asked
    /// for. None where the histogram is empty or ends before.
    pub fn within(histogram: &Latency, worse_at_most: f64) -> Option<Thresholds> {
        let stable_ms = histogram.percentile(95)?;
        let canary_ms = histogram.bounds_ms.iter().copied().find(|bound| *bound >= stable_ms * worse_at_most)?;
        Self::of(stable_ms, canary_ms)
    }

    fn of(stable_ms: f64, canary_ms: f64) -> Option<Thresholds> {
        let us = |ms: f64| (ms.is_finite() && ms > 0.0).then_some((ms * 1000.0).round() as u64);
        Some(Thresholds { stable_us: us(stable_ms)?, canary_us: us(canary_ms)? })
    }

    /// The stable version's, in milliseconds.
    pub fn stable_ms(self) -> f64 {
        self.stable_us as f64 / 1000.0
    }

    /// The new version's, in milliseconds.
    pub fn canary_ms(self) -> f64 {
        self.canary_us as f64 / 1000.0
    }
}

/// What was measured of the stable version before the rollout. Journaled once. Without it errors are compared all the same, and
/// latency is not.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Baseline {
    /// Its requests.
    pub requests: u64,
    /// Those of them that failed.
    pub errors: u64,
    /// Which requests are slow from now on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub thresholds: Option<Thresholds>,
}

impl Baseline {
    /// What a version did between two looks before the rollout.
    pub fn between(before: &Totals, after: &Totals, worse_at_most: Option<super::Times>) -> Option<Baseline> {
        let counts = Counts::between(before, after, None)?;
        let latency = after.latency.as_ref().and_then(|latency| difference(before.latency.as_ref(), latency));
        let thresholds = worse_at_most.and_then(|times| Thresholds::within(latency.as_ref()?, times.factor()));
        Some(Baseline { requests: counts.requests, errors: counts.errors, thresholds })
    }
}
