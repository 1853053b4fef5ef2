//! What a program writes that no tool measures: `[{"name", "unit", "value" or "samples"}]`.

use std::io::Read;

use serde::Deserialize;

use super::{Benchmarks, Better, Collector};
use crate::error::{Fault, ReportError};
use crate::json::Json;

#[derive(Deserialize)]
struct Entry {
    name: String,
    #[serde(default)]
    unit: String,
    #[serde(default)]
    value: Option<f64>,
    #[serde(default)]
    samples: Vec<f64>,
    #[serde(default)]
    better: Option<Direction>,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Direction {
    Smaller,
    Bigger,
}

/// Reads a report.
pub(super) fn read(source: impl Read) -> Result<Benchmarks, ReportError> {
    let mut json = Json::new(source);
    let mut collector = Collector::default();
    json.array(|json| {
        let entry: Entry = json.item()?;
        take(&entry, &mut collector).map_err(|fault| json.error(fault))
    })?;
    json.end()?;
    collector.finish("measurements").map_err(|fault| json.error(fault))
}

fn take(entry: &Entry, collector: &mut Collector) -> Result<(), Fault> {
    let better = match entry.better {
        Some(Direction::Bigger) => Better::Bigger,
        Some(Direction::Smaller) | None => Better::Smaller,
    };
    let samples = match (entry.value, entry.samples.as_slice()) {
        (Some(value), []) => vec![value],
        (None, samples) => samples.to_vec(),
        (Some(_), _) => return Err(Fault::broken("both a value and samples")),
    };
    collector.add(&entry.name, &entry.unit, better, &samples).map(|_| ())
}
