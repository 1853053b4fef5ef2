//! `pytest --benchmark-json` of pytest-benchmark.

use std::io::Read;

use serde::Deserialize;
use serde::de::IgnoredAny;

use super::{Benchmarks, Better, Collector};
use crate::error::ReportError;
use crate::json::Json;

#[derive(Deserialize)]
struct Benchmark {
    fullname: String,
    stats: Stats,
}

#[derive(Deserialize)]
struct Stats {
    mean: f64,
    /// Seconds for one iteration, a round each; only there if asked for. People leave out some of them.
    #[serde(default)]
    data: Vec<Sample>,
}

/// A sample, or what somebody has put in the place of many.
#[derive(Deserialize)]
#[serde(untagged)]
enum Sample {
    Secs(f64),
    Other(IgnoredAny),
}

impl Sample {
    fn secs(&self) -> Option<f64> {
        match self {
            Sample::Secs(secs) => Some(*secs),
            Sample::Other(_) => None,
        }
    }
}

/// Reads a report.
pub(super) fn read(source: impl Read) -> Result<Benchmarks, ReportError> {
    let mut json = Json::new(source);
    let mut collector = Collector::default();
    json.object(|json, key| match key {
        "benchmarks" => json.array(|json| {
            let Benchmark { fullname, stats } = json.item()?;
            let data: Option<Vec<f64>> = stats.data.iter().map(Sample::secs).collect();
            let samples = data.filter(|data| !data.is_empty()).unwrap_or_else(|| vec![stats.mean]);
            collector.add(&fullname, "s", Better::Smaller, &samples).map(|_| ()).map_err(|fault| json.error(fault))
        }),
        _ => json.skip(),
    })?;
    json.end()?;
    collector.finish("pytest-benchmark").map_err(|fault| json.error(fault))
}
