//! What a verdict rests on: what was seen, when, on which numbers.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Bucket, Counts, Times};
use crate::config::Percent;

/// What a verdict rests on. It holds no text from outside.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evidence {
    /// When it was judged.
    pub at: Timestamp,
    /// What was broken. None where nothing was.
    pub rule: Option<Rule>,
    /// Since when the new version seems to be worse.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
    /// The evidence of all metrics together, that it is worse ...
    pub odds: Odds,
    /// ... and the odds at which it is rolled back.
    pub needed: Odds,
    /// Each metric that is compared.
    pub metrics: Vec<MetricEvidence>,
    /// What was counted in all.
    pub seen: Seen,
}

/// What was counted in all buckets that are judged.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen {
    /// When the first of them began.
    pub from: Option<Timestamp>,
    /// When the last of them ended.
    pub to: Option<Timestamp>,
    /// How many there are.
    pub buckets: u32,
    /// So many seconds are in them. What is missing between first and last was not measured.
    pub secs: u64,
    /// The new version.
    pub canary: Counts,
    /// The stable version.
    pub stable: Counts,
}

/// What is known of one metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct MetricEvidence {
    /// Which.
    pub metric: Metric,
    /// The odds that the new version is worse at it.
    pub odds: Odds,
    /// How many times as often it happens to the new version, since when it seems to be worse. None where nothing happened, or too few
    /// to the stable version to tell.
    pub estimate: Option<Times>,
    /// It happens at most so many times as often, at 95 % confidence. None: it can be anything.
    pub at_most: Option<Times>,
    /// What may be tolerated.
    pub tolerated: Times,
}

/// What is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Metric {
    /// Requests that failed.
    Errors,
    /// Requests that took longer than their version's [`Thresholds`](super::Thresholds).
    SlowRequests,
}

/// Odds: the e-value, in hundredths of its decimal logarithm, so that any of it fits and is written the same everywhere.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Odds {
    /// 200 are odds of 100 to 1.
    pub log10_hundredths: i32,
}

impl Odds {
    /// Rounded down, so that odds are never said to be there that are not.
    pub(super) fn of_log(log: f64) -> Odds {
        Odds { log10_hundredths: (log / std::f64::consts::LN_10 * 100.0 + 1e-9).floor() as i32 }
    }

    /// The decimal logarithm.
    pub fn log10(self) -> f64 {
        f64::from(self.log10_hundredths) / 100.0
    }
}

impl fmt::Display for Odds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let log10 = self.log10();
        match log10 {
            ..0.0 => write!(f, "{:.2} to 1", 10_f64.powf(log10)),
            0.0..6.0 => write!(f, "{} to 1", thousands(10_f64.powf(log10).round() as u64)),
            _ => write!(f, "10^{log10:.0} to 1"),
        }
    }
}

/// What a new version is rolled back for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "rule")]
pub enum Rule {
    /// It is worse than the stable version, at this metric above all.
    Worse {
        /// The metric.
        metric: Metric,
    },
    /// More of its requests fail than ever may.
    ErrorRate {
        /// The limit.
        at_most: Percent,
        /// What it was in the last window that broke it.
        seen: Percent,
    },
    /// Its requests take longer than they ever may.
    P95 {
        /// The limit, in milliseconds.
        at_most_ms: u32,
        /// What it was in the last window that broke it. None: more than the source's histogram can tell.
        seen_ms: Option<u32>,
    },
    /// None of its instances is ready any more.
    Unhealthy {
        /// So many there are.
        instances: u32,
    },
}

impl Seen {
    pub(super) fn take(&mut self, bucket: &Bucket) {
        self.from = self.from.or(Some(bucket.from));
        self.to = Some(bucket.to());
        self.buckets = self.buckets.saturating_add(1);
        self.secs = self.secs.saturating_add(u64::from(bucket.secs));
        self.canary.add(&bucket.canary);
        self.stable.add(&bucket.stable);
    }
}

impl Counts {
    pub(super) fn add(&mut self, other: &Counts) {
        self.requests = self.requests.saturating_add(other.requests);
        self.errors = self.errors.saturating_add(other.errors);
        if let Some(slow) = other.slow {
            self.slow = Some(self.slow.unwrap_or(0).saturating_add(slow));
        }
    }

    /// The share of the requests that failed, in percent. None without requests.
    pub fn error_percent(&self) -> Option<f64> {
        (self.requests > 0).then(|| 100.0 * self.errors as f64 / self.requests as f64)
    }
}

impl fmt::Display for Metric {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Metric::Errors => "errors",
            Metric::SlowRequests => "slow requests",
        })
    }
}

/// What the rule says, in a sentence without its end: `errors are 4.2 times as many as the stable version's, at odds of 1,234 to 1`.
impl fmt::Display for Evidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.rule {
            None => write!(f, "nothing shows that the new version is worse; the odds are {}", self.odds),
            Some(Rule::Worse { metric }) => {
                let of = self.metrics.iter().find(|evidence| evidence.metric == *metric);
                match of.and_then(|evidence| evidence.estimate) {
                    Some(times) => write!(f, "{metric} are {times} as many as the stable version's")?,
                    None => write!(f, "{metric} happen to the new version only")?,
                }
                write!(f, ", at odds of {} ({} are needed)", self.odds, self.needed)?;
                match self.since {
                    Some(since) => write!(f, ", since {}", time(since)),
                    None => Ok(()),
                }
            }
            Some(Rule::ErrorRate { at_most, seen }) => write!(f, "{seen} of its requests failed, and {at_most} may"),
            Some(Rule::P95 { at_most_ms, seen_ms: Some(seen) }) => {
                write!(f, "its 95th percentile was {seen} ms, and may be {at_most_ms} ms")
            }
            Some(Rule::P95 { at_most_ms, seen_ms: None }) => {
                write!(f, "its 95th percentile was longer than is measured, and may be {at_most_ms} ms")
            }
            Some(Rule::Unhealthy { instances: 1 }) => f.write_str("its only instance is not ready any more"),
            Some(Rule::Unhealthy { instances }) => write!(f, "none of its {instances} instances is ready any more"),
        }
    }
}

impl Evidence {
    /// What was seen, and when.
    pub fn title(&self) -> String {
        format!("At {}: {self}", time(self.at))
    }
}

/// A time of the day, to the second, in UTC.
pub(super) fn time(at: Timestamp) -> String {
    at.strftime("%H:%M:%S UTC").to_string()
}

/// A number with commas.
pub(super) fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.char_indices() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}
