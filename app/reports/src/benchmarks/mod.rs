//! Benchmarks: how long things take, and what else is measured of them.
//!
//! [`read`] makes [`Benchmarks`] of one file, [`read_criterion`] of Criterion's folder. What a change means is not judged here.

use std::collections::HashMap;
use std::io::Read;

use serde_json::Value;

use crate::error::{Fault, ReportError, one_line};
use crate::input;

mod cargo;
mod criterion;
mod go;
mod google;
mod hyperfine;
mod jmh;
mod plain;
mod pytest;

pub use criterion::{CriterionError, read as read_criterion};

/// The formats that are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum BenchmarkFormat {
    /// `hyperfine --export-json`.
    Hyperfine,
    /// `go test -bench`.
    Go,
    /// `pytest --benchmark-json`.
    Pytest,
    /// Google Benchmark, `--benchmark_format=json`.
    Google,
    /// `jmh -rf json`.
    Jmh,
    /// `cargo bench` with libtest.
    Cargo,
    /// `[{"name": "x", "unit": "ms", "value": 1.5}]`, or `samples` in place of `value`; `better` may be `bigger`.
    Plain,
}

/// Reads a report as a stream.
///
/// # Errors
/// [`ReportError`] where it is broken, hostile, beyond a limit, or has no measurement in it.
pub fn read(format: BenchmarkFormat, source: impl Read) -> Result<Benchmarks, ReportError> {
    match format {
        BenchmarkFormat::Hyperfine => hyperfine::read(source),
        BenchmarkFormat::Go => go::read(source),
        BenchmarkFormat::Pytest => pytest::read(source),
        BenchmarkFormat::Google => google::read(source),
        BenchmarkFormat::Jmh => jmh::read(source),
        BenchmarkFormat::Cargo => cargo::read(source),
        BenchmarkFormat::Plain => plain::read(source),
    }
}

/// The format that a file with these first bytes is in. None where it may be another.
pub fn sniff(head: &[u8]) -> Option<BenchmarkFormat> {
    let head = input::head(head);
    let text = head.as_str();
    let keys: String = text.chars().filter(|c| !c.is_whitespace()).collect();
    let has = |key: &str| keys.contains(&format!("\"{key}\":"));
    let tests = [
        (BenchmarkFormat::Jmh, keys.starts_with("[{") && has("benchmark") && has("mode")),
        (BenchmarkFormat::Plain, keys.starts_with("[{") && has("name") && (has("value") || has("samples"))),
        (BenchmarkFormat::Hyperfine, keys.starts_with('{') && has("results") && has("command")),
        (BenchmarkFormat::Pytest, keys.starts_with('{') && has("machine_info")),
        (BenchmarkFormat::Google, keys.starts_with('{') && has("context") && (has("benchmarks") || has("num_cpus"))),
        (BenchmarkFormat::Go, text.lines().any(|line| line.starts_with("Benchmark") && line.contains("ns/op"))),
        (BenchmarkFormat::Cargo, text.lines().any(|line| line.starts_with("test ") && line.contains(" bench: "))),
    ];
    tests.into_iter().find(|(_, fits)| *fits).map(|(format, _)| format)
}

/// A report may have so many measurements, and all of them so many samples together. Beyond, it is refused.
const MEASUREMENTS_MAX: usize = 100_000;
const SAMPLES_MAX: usize = 4_000_000;

/// A name or a unit may have so many bytes. Beyond, the report is refused: two that are cut could become one.
const NAME_BYTES_MAX: usize = 4096;

/// All names and units together may have so many bytes. Beyond, the report is refused.
const NAMES_BYTES_MAX: usize = 32 * 1024 * 1024;

/// So many problems are kept.
const PROBLEMS_MAX: usize = 100;

/// Which way is up.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Better {
    /// Times, bytes.
    #[default]
    Smaller,
    /// Operations a second.
    Bigger,
}

/// What was measured under one name.
#[derive(Debug, Clone, PartialEq)]
pub struct Measurement {
    /// What was measured, with its parameters.
    pub name: String,
    /// In what: `ns`, `s`, `ops/s`, `B/op`.
    pub unit: String,
    /// Which way is up.
    pub better: Better,
    /// One at least; finite, and not negative. Where the report brings no samples, the one value that it states.
    pub samples: Vec<f64>,
    /// The interval that the tool states around its value, where it states no samples.
    pub interval: Option<(f64, f64)>,
}

/// What a report says.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Benchmarks {
    /// In the order of the report; each name and unit once.
    pub list: Vec<Measurement>,
    /// What could not be measured.
    pub problems: Vec<String>,
}

/// Puts measurements together, within bounds.
#[derive(Default)]
struct Collector {
    benchmarks: Benchmarks,
    by_name: HashMap<(String, String), usize>,
    samples: usize,
    names_bytes: usize,
}

impl Collector {
    /// Adds samples to what is measured under this name and unit.
    fn add(&mut self, name: &str, unit: &str, better: Better, samples: &[f64]) -> Result<&mut Measurement, Fault> {
        if samples.is_empty() {
            return Err(Fault::Broken(format!("{:?} has no samples", one_line(name, 100))));
        }
        for sample in samples {
            if !sample.is_finite() || *sample < 0.0 {
                return Err(Fault::Broken(format!("{:?} has the sample {sample}", one_line(name, 100))));
            }
        }
        self.samples += samples.len();
        if self.samples > SAMPLES_MAX {
            return Err(Fault::TooMuch(format!("more than {SAMPLES_MAX} samples")));
        }
        if name.len() > NAME_BYTES_MAX || unit.len() > NAME_BYTES_MAX {
            return Err(Fault::TooMuch(format!("a name of more than {NAME_BYTES_MAX} bytes")));
        }
        let key = (name.to_owned(), unit.to_owned());
        let at = match self.by_name.get(&key) {
            Some(at) => *at,
            None => {
                let at = self.benchmarks.list.len();
                self.names_bytes += name.len() + unit.len();
                if at >= MEASUREMENTS_MAX || self.names_bytes > NAMES_BYTES_MAX {
                    let limits = format!("more than {MEASUREMENTS_MAX} measurements, or {NAMES_BYTES_MAX} bytes of their names");
                    return Err(Fault::TooMuch(limits));
                }
                let (name, unit) = key.clone();
                self.by_name.insert(key, at);
                self.benchmarks.list.push(Measurement { name, unit, better, samples: Vec::new(), interval: None });
                at
            }
        };
        let measurement = &mut self.benchmarks.list[at];
        measurement.samples.extend_from_slice(samples);
        // What is stated around one value says nothing of several.
        if measurement.samples.len() > samples.len() {
            measurement.interval = None;
        }
        Ok(measurement)
    }

    /// Adds the one value that is stated, with the interval around it.
    fn stated(&mut self, name: &str, unit: &str, better: Better, value: f64, interval: Option<(f64, f64)>) -> Result<(), Fault> {
        let measurement = self.add(name, unit, better, &[value])?;
        if measurement.samples.len() == 1 {
            measurement.interval = interval.filter(|(low, high)| low.is_finite() && high.is_finite() && low <= high);
        }
        Ok(())
    }

    fn problem(&mut self, text: String) {
        if self.benchmarks.problems.len() < PROBLEMS_MAX {
            self.benchmarks.problems.push(one_line(&text, 1000));
        }
    }

    /// An error where nothing was measured.
    fn finish(self, called: &str) -> Result<Benchmarks, Fault> {
        match self.benchmarks.list.is_empty() && self.benchmarks.problems.is_empty() {
            true => Err(Fault::Broken(format!("no measurement is in it; this is no report of {called}, or an empty one"))),
            false => Ok(self.benchmarks),
        }
    }
}

/// A number; some writers put `"NaN"` in quotes where they have none.
fn number(value: Option<&Value>) -> Option<f64> {
    value.and_then(Value::as_f64).filter(|number| number.is_finite())
}
