//! Queries to a Prometheus as a source of metrics.
//!
//! Each query gives a counter of one pool: the sum of what it returns. Counters as they are, not rates: what happened between two readings is
//! found by whoever compares them, who also notices a counter that began anew.

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;
use gatewright_core::secret::{ExposeSecret, SecretString};
use gatewright_core::target::{Latency, MetricSource, Place, PoolId, Reading, TargetError, Totals};
use jiff::Timestamp;
use serde::Deserialize;

mod template;

use crate::error::{refused, unavailable};
pub use template::{InvalidQuery, Query};

/// A query that takes longer has failed.
const ANSWER_MAX: Duration = Duration::from_secs(10);

/// An answer of more bytes is refused: a query that returns so many series is not the one that was meant.
const ANSWER_BYTES_MAX: usize = 1 << 20;

/// What is asked. All of it is the operator's.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where it is, without a slash at its end.
    pub url: String,
    /// Sent as `Authorization: Bearer`.
    pub token: Option<SecretString>,
    /// Requests of a pool.
    pub requests: Query,
    /// Those of them that failed.
    pub errors: Query,
    /// The buckets of a histogram, by the label `le`.
    pub latency: Option<Query>,
    /// What the buckets' bounds are in.
    pub unit: Unit,
}

/// What a histogram's bounds are in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Unit {
    /// As Prometheus recommends.
    #[default]
    Seconds,
    /// Thousandths of them.
    Milliseconds,
}

/// A Prometheus.
pub struct Prometheus {
    config: Config,
    client: reqwest::Client,
}

impl Prometheus {
    /// Connects to nothing yet.
    ///
    /// # Errors
    /// Where the machine has no roots of trust that could be read.
    pub fn new(config: Config) -> Result<Self, TargetError> {
        let client = reqwest::Client::builder().timeout(ANSWER_MAX).build();
        let client = client.map_err(|error| refused("the HTTP client", error.to_string()))?;
        Ok(Prometheus { config, client })
    }

    fn name(&self) -> String {
        format!("Prometheus at {}", self.config.url)
    }

    async fn totals(&self, place: &Place, pool: &PoolId) -> Result<Option<Totals>, TargetError> {
        let Some(requests) = sum(&self.ask(&self.config.requests.fill(place, pool)).await?) else { return Ok(None) };
        // A service that never failed may have no such counter.
        let errors = sum(&self.ask(&self.config.errors.fill(place, pool)).await?).unwrap_or(0);
        let latency = match &self.config.latency {
            Some(query) => latency(&self.ask(&query.fill(place, pool)).await?, self.config.unit),
            None => None,
        };
        Ok(Some(Totals { requests, errors: errors.min(requests), latency }))
    }

    async fn ask(&self, query: &str) -> Result<Vec<Sample>, TargetError> {
        let url = format!("{}/api/v1/query", self.config.url);
        let mut request = self.client.get(url).query(&[("query", query)]);
        if let Some(token) = &self.config.token {
            request = request.bearer_auth(token.expose_secret());
        }
        let lost = |error: reqwest::Error| unavailable(self.name(), words(&error));
        let mut answer = request.send().await.map_err(lost)?;
        let status = answer.status();
        let mut body = Vec::new();
        while let Some(part) = answer.chunk().await.map_err(lost)? {
            if body.len() + part.len() > ANSWER_BYTES_MAX {
                return Err(refused(self.name(), format!("`{query}` is answered with more than {ANSWER_BYTES_MAX} bytes")));
            }
            body.extend_from_slice(&part);
        }
        let parsed: Result<Body, _> = serde_json::from_slice(&body);
        match parsed {
            Ok(Body { data: Some(data), .. }) if status.is_success() => {
                data.samples().ok_or_else(|| refused(self.name(), format!("`{query}` gives neither a vector nor a scalar")))
            }
            Ok(Body { error: Some(error), .. }) if status.is_client_error() => {
                Err(refused(self.name(), format!("`{query}`: {error}")))
            }
            Ok(_) | Err(_) if status.is_client_error() => Err(refused(self.name(), format!("it answers {status}"))),
            Ok(_) | Err(_) => Err(unavailable(self.name(), format!("it answers {status}"))),
        }
    }
}

/// Without the address, which is named already, and with what the client hides.
fn words(error: &reqwest::Error) -> String {
    let mut words = String::new();
    let mut source = std::error::Error::source(error);
    while let Some(inner) = source {
        words = inner.to_string();
        source = inner.source();
    }
    if error.is_timeout() { format!("no answer within {} s", ANSWER_MAX.as_secs()) } else { words }
}

#[async_trait]
impl MetricSource for Prometheus {
    async fn read(&self, place: &Place, pools: &[PoolId]) -> Result<Reading, TargetError> {
        let mut all = BTreeMap::new();
        for pool in pools {
            if let Some(totals) = self.totals(place, pool).await? {
                all.insert(pool.clone(), totals);
            }
        }
        Ok(Reading { at: Timestamp::now(), pools: all })
    }
}

#[derive(Deserialize)]
struct Body {
    data: Option<Data>,
    error: Option<String>,
}

#[derive(Deserialize)]
struct Data {
    #[serde(rename = "resultType")]
    kind: String,
    result: serde_json::Value,
}

#[derive(Debug, Deserialize)]
struct Sample {
    #[serde(default)]
    metric: BTreeMap<String, String>,
    value: (serde_json::Value, String),
}

impl Data {
    fn samples(self) -> Option<Vec<Sample>> {
        match self.kind.as_str() {
            "vector" => serde_json::from_value(self.result).ok(),
            "scalar" => Some(vec![Sample { metric: BTreeMap::new(), value: serde_json::from_value(self.result).ok()? }]),
            _ => None,
        }
    }
}

impl Sample {
    /// None for what is no number, as the ratio of nothing to nothing.
    fn number(&self) -> Option<f64> {
        self.value.1.parse().ok().filter(|number: &f64| number.is_finite() && *number >= 0.0)
    }
}

/// None where there is nothing: the pool is not measured.
fn sum(samples: &[Sample]) -> Option<u64> {
    let numbers: Vec<f64> = samples.iter().filter_map(Sample::number).collect();
    (!numbers.is_empty()).then(|| numbers.iter().sum::<f64>().round() as u64)
}

/// From cumulative buckets to what is in each. None without a bucket, or without the one that holds all.
fn latency(samples: &[Sample], unit: Unit) -> Option<Latency> {
    let factor = match unit {
        Unit::Seconds => 1000.0,
        Unit::Milliseconds => 1.0,
    };
    let mut buckets: Vec<(f64, f64)> = Vec::new();
    for sample in samples {
        let (bound, count): (f64, f64) = (sample.metric.get("le")?.parse().ok()?, sample.number()?);
        match buckets.iter_mut().find(|(other, _)| *other == bound) {
            Some((_, all)) => *all += count,
            None => buckets.push((bound, count)),
        }
    }
    buckets.sort_by(|a, b| a.0.total_cmp(&b.0));
    buckets.last().filter(|(bound, _)| bound.is_infinite())?;
    let mut below = 0.0;
    let counts = buckets.iter().map(|(_, all)| {
        let own = (all - below).max(0.0).round() as u64;
        below = *all;
        own
    });
    let counts = counts.collect();
    let bounds_ms = buckets[..buckets.len() - 1].iter().map(|(bound, _)| bound * factor).collect();
    Some(Latency { bounds_ms, counts })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(le: Option<&str>, value: &str) -> Sample {
        let metric = le.map(|le| ("le".to_owned(), le.to_owned())).into_iter().collect();
        Sample { metric, value: (serde_json::Value::Null, value.to_owned()) }
    }

    #[test]
    fn series_of_one_query_are_added_up_and_none_is_no_measurement() {
        assert_eq!(sum(&[sample(None, "3"), sample(None, "4")]), Some(7));
        assert_eq!(sum(&[]), None);
        assert_eq!(sum(&[sample(None, "NaN")]), None);
    }

    #[test]
    fn cumulative_buckets_become_what_is_in_each() {
        let samples = [sample(Some("+Inf"), "10"), sample(Some("0.1"), "4"), sample(Some("0.5"), "9"), sample(Some("0.1"), "0")];
        let expected = Latency { bounds_ms: vec![100.0, 500.0], counts: vec![4, 5, 1] };
        assert_eq!(latency(&samples, Unit::Seconds), Some(expected));
        assert_eq!(latency(&samples[1..], Unit::Seconds), None);
    }
}
