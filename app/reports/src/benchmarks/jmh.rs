//! JMH's JSON. The measurements of all forks are the samples.

use std::collections::BTreeMap;
use std::io::Read;

use serde::Deserialize;
use serde_json::Value;

use super::{Benchmarks, Better, Collector, number};
use crate::error::{Fault, ReportError};
use crate::json::Json;

#[derive(Deserialize)]
struct Run {
    benchmark: String,
    mode: String,
    #[serde(default)]
    params: BTreeMap<String, String>,
    #[serde(rename = "primaryMetric")]
    metric: Metric,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Metric {
    score: Value,
    #[serde(default)]
    score_confidence: Option<(Value, Value)>,
    score_unit: String,
    /// By fork; not there in the mode that samples times.
    #[serde(default)]
    raw_data: Vec<Vec<f64>>,
}

/// Reads a report.
pub(super) fn read(source: impl Read) -> Result<Benchmarks, ReportError> {
    let mut json = Json::new(source);
    let mut collector = Collector::default();
    json.array(|json| {
        let run: Run = json.item()?;
        take(&run, &mut collector).map_err(|fault| json.error(fault))
    })?;
    json.end()?;
    collector.finish("JMH").map_err(|fault| json.error(fault))
}

fn take(run: &Run, collector: &mut Collector) -> Result<(), Fault> {
    let mut name = run.benchmark.clone();
    for (key, value) in &run.params {
        name += &format!(" {key}={value}");
    }
    let better = if run.mode == "thrpt" { Better::Bigger } else { Better::Smaller };
    let samples: Vec<f64> = run.metric.raw_data.iter().flatten().copied().collect();
    let unit = &run.metric.score_unit;
    if !samples.is_empty() {
        return collector.add(&name, unit, better, &samples).map(|_| ());
    }
    let score = number(Some(&run.metric.score)).ok_or_else(|| Fault::broken("a score that is no number, and no raw data"))?;
    let interval = run.metric.score_confidence.as_ref().and_then(|(low, high)| number(Some(low)).zip(number(Some(high))));
    collector.stated(&name, unit, better, score, interval)
}
