//! `pytest --benchmark-json` of pytest-benchmark.

use std::io::Read;

use serde::Deserialize;
use serde_json::Value;

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
    data: Vec<Value>,
}

/// Reads a report.
pub(super) fn read(source: impl Read) -> Result<Benchmarks, ReportError> {
    let mut json = Json::new(source);
    let mut collector = Collector::default();
    json.object(|json, key| match key {
        "benchmarks" => json.array(|json| {
            let Benchmark { fullname, stats } = json.item()?;
            let data: Option<Vec<f64>> = stats.data.iter().map(Value::as_f64).collect();
            let samples = data.filter(|data| !data.is_empty()).unwrap_or_else(|| vec![stats.mean]);
            collector.add(&fullname, "s", Better::Smaller, &samples).map(|_| ()).map_err(|fault| json.error(fault))
        }),
        _ => json.skip(),
    })?;
    json.end()?;
    collector.finish("pytest-benchmark").map_err(|fault| json.error(fault))
}
