//! Criterion's folder, `target/criterion`: each benchmark has a folder `new` with `benchmark.json` (its name), `sample.json`
//! (how often, and how long) and `estimates.json` (what it made of that).

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::{Benchmarks, Better, Collector};
use crate::error::{Fault, Place, ReportError};
use crate::json::parse_error;

#[derive(Deserialize)]
struct Name {
    full_id: String,
}

#[derive(Deserialize)]
struct Sample {
    iters: Vec<f64>,
    times: Vec<f64>,
}

#[derive(Deserialize)]
struct Estimates {
    mean: Estimate,
    /// Not there where the iterations of a sample do not grow.
    #[serde(default)]
    slope: Option<Estimate>,
}

#[derive(Deserialize)]
struct Estimate {
    point_estimate: f64,
    confidence_interval: Interval,
}

#[derive(Deserialize)]
struct Interval {
    lower_bound: f64,
    upper_bound: f64,
}

/// Why a folder of Criterion cannot be used: the file, and what is wrong in it.
#[derive(Debug, thiserror::Error)]
#[error("{path}: {error}")]
pub struct CriterionError {
    /// The file.
    pub path: String,
    /// What is wrong in it.
    #[source]
    pub error: ReportError,
}

/// Reads files by their paths, with `/`, below any folder. Files that are not needed may be left out.
///
/// # Errors
/// [`CriterionError`] where a file is broken, or none of them is of a benchmark.
pub fn read(files: &BTreeMap<String, Vec<u8>>) -> Result<Benchmarks, CriterionError> {
    let mut collector = Collector::default();
    for (path, bytes) in files {
        let Some(folder) = path.strip_suffix("benchmark.json").filter(|folder| folder.ends_with("/new/") || *folder == "new/")
        else {
            continue;
        };
        let name: Name = parsed(path, bytes)?;
        let (sample, estimates) = (format!("{folder}sample.json"), format!("{folder}estimates.json"));
        let taken = match (files.get(&sample), files.get(&estimates)) {
            (Some(bytes), _) => take_sample(&name, &parsed(&sample, bytes)?, &mut collector).map_err(|fault| (sample, fault)),
            (None, Some(bytes)) => {
                take_estimates(&name, &parsed(&estimates, bytes)?, &mut collector).map_err(|fault| (estimates, fault))
            }
            (None, None) => {
                collector.problem(format!("{} has neither samples nor estimates", name.full_id));
                Ok(())
            }
        };
        taken.map_err(|(path, fault)| broken(&path, fault))?;
    }
    collector.finish("Criterion").map_err(|fault| broken("", fault))
}

/// Nanoseconds for one iteration.
fn take_sample(name: &Name, sample: &Sample, collector: &mut Collector) -> Result<(), Fault> {
    if sample.iters.len() != sample.times.len() {
        return Err(Fault::Broken(format!("{} counts and {} times", sample.iters.len(), sample.times.len())));
    }
    let samples: Vec<f64> = sample.times.iter().zip(&sample.iters).map(|(time, iterations)| time / iterations).collect();
    collector.add(&name.full_id, "ns", Better::Smaller, &samples).map(|_| ())
}

/// The slope where there is one, as Criterion itself shows.
fn take_estimates(name: &Name, estimates: &Estimates, collector: &mut Collector) -> Result<(), Fault> {
    let estimate = estimates.slope.as_ref().unwrap_or(&estimates.mean);
    let interval = (estimate.confidence_interval.lower_bound, estimate.confidence_interval.upper_bound);
    collector.stated(&name.full_id, "ns", Better::Smaller, estimate.point_estimate, Some(interval))
}

fn parsed<T: DeserializeOwned>(path: &str, bytes: &[u8]) -> Result<T, CriterionError> {
    let begin = Place { line: 1, column: 1 };
    serde_json::from_slice(bytes).map_err(|error| CriterionError { path: path.to_owned(), error: parse_error(&error, begin) })
}

fn broken(path: &str, fault: Fault) -> CriterionError {
    CriterionError { path: path.to_owned(), error: fault.at(Place { line: 1, column: 1 }) }
}
