//! Google Benchmark's JSON. Repetitions are the samples; what it sums up of them is read only where they are not there.

use std::io::Read;

use serde::Deserialize;

use super::{Benchmarks, Better, Collector, MEASUREMENTS_MAX, NAMES_BYTES_MAX};
use crate::error::{Fault, ReportError, one_line};
use crate::json::Json;

#[derive(Deserialize)]
struct Run {
    name: String,
    #[serde(default)]
    run_name: Option<String>,
    #[serde(default)]
    run_type: Option<String>,
    #[serde(default)]
    aggregate_name: Option<String>,
    #[serde(default)]
    real_time: Option<f64>,
    #[serde(default)]
    time_unit: Option<String>,
    #[serde(default)]
    error_occurred: bool,
    #[serde(default)]
    error_message: Option<String>,
}

/// Reads a report.
pub(super) fn read(source: impl Read) -> Result<Benchmarks, ReportError> {
    let mut json = Json::new(source);
    let mut collector = Collector::default();
    // Means, for benchmarks of which only aggregates are reported.
    let mut means: Vec<(String, f64)> = Vec::new();
    json.object(|json, key| match key {
        "benchmarks" => json.array(|json| {
            let run: Run = json.item()?;
            take(run, &mut means, &mut collector).map_err(|fault| json.error(fault))
        }),
        _ => json.skip(),
    })?;
    json.end()?;
    for (name, mean) in means {
        if !collector.by_name.contains_key(&(name.clone(), "ns".to_owned())) {
            collector.add(&name, "ns", Better::Smaller, &[mean]).map_err(|fault| json.error(fault))?;
        }
    }
    collector.finish("Google Benchmark").map_err(|fault| json.error(fault))
}

fn take(run: Run, means: &mut Vec<(String, f64)>, collector: &mut Collector) -> Result<(), Fault> {
    let name = run.run_name.unwrap_or(run.name);
    if run.error_occurred {
        collector.problem(format!("{name}: {}", run.error_message.unwrap_or_default()));
        return Ok(());
    }
    // Big-O fits have no time.
    let Some(time) = run.real_time else { return Ok(()) };
    let nanos = time * nanos(run.time_unit.as_deref().unwrap_or("ns"))?;
    match (run.run_type.as_deref(), run.aggregate_name.as_deref()) {
        (Some("aggregate"), Some("mean")) => {
            collector.names_bytes += name.len();
            if means.len() >= MEASUREMENTS_MAX || collector.names_bytes > NAMES_BYTES_MAX {
                return Err(Fault::TooMuch(format!("more than {MEASUREMENTS_MAX} means, or {NAMES_BYTES_MAX} bytes of names")));
            }
            means.push((name, nanos));
        }
        (Some("aggregate"), _) => {}
        _ => drop(collector.add(&name, "ns", Better::Smaller, &[nanos])?),
    }
    Ok(())
}

fn nanos(unit: &str) -> Result<f64, Fault> {
    match unit {
        "ns" => Ok(1.0),
        "us" => Ok(1e3),
        "ms" => Ok(1e6),
        "s" => Ok(1e9),
        _ => Err(Fault::Broken(format!("the time unit {:?}", one_line(unit, 40)))),
    }
}
