//! `hyperfine --export-json`.

use std::collections::BTreeMap;
use std::io::Read;

use serde::Deserialize;

use super::{Benchmarks, Better, Collector};
use crate::error::ReportError;
use crate::json::Json;

#[derive(Deserialize)]
struct Run {
    command: String,
    mean: f64,
    #[serde(default)]
    times: Option<Vec<f64>>,
    #[serde(default)]
    parameters: BTreeMap<String, String>,
}

/// Reads a report.
pub(super) fn read(source: impl Read) -> Result<Benchmarks, ReportError> {
    let mut json = Json::new(source);
    let mut collector = Collector::default();
    json.object(|json, key| match key {
        "results" => json.array(|json| {
            let run: Run = json.item()?;
            let mut name = run.command;
            // The same command may be named for several parameters: `-n` hides them.
            for (key, value) in &run.parameters {
                name += &format!(" {key}={value}");
            }
            let times = run.times.filter(|times| !times.is_empty()).unwrap_or_else(|| vec![run.mean]);
            collector.add(&name, "s", Better::Smaller, &times).map(|_| ()).map_err(|fault| json.error(fault))
        }),
        _ => json.skip(),
    })?;
    json.end()?;
    collector.finish("hyperfine").map_err(|fault| json.error(fault))
}
