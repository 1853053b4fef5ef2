//! What the report files of one run of a command measured, all of them together.

use std::collections::{BTreeMap, HashMap};

use gatewright_core::facts::{self, BenchmarkFact, BenchmarkFacts};
use gatewright_core::verdict::{ReportFile, Reports};
use gatewright_reports::benchmarks::{self, Benchmarks, Better, Measurement};

use super::super::markdown::code;
use super::super::{PATH_CHARS_MAX, opened, whole};

/// A gate's reports may have so many measurements together. Beyond, they cannot be read: each is compared with each.
const MEASUREMENTS_MAX: usize = BenchmarkFacts::LIST_MAX;

/// And so many samples, which are in memory until they are summed up.
const SAMPLES_MAX: usize = 4_000_000;

/// Criterion's files may have so many bytes together: they are read whole.
const CRITERION_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// So many problems are shown.
const PROBLEMS_MAX: usize = 20;

/// What Criterion's folder `new` holds that tells anything.
const CRITERION_FILES: [&str; 3] = ["benchmark.json", "estimates.json", "sample.json"];

/// What was measured.
pub(super) struct Measured {
    /// Each name and unit once, in the order of the reports.
    pub(super) list: Vec<Measurement>,
    /// What could not be measured, in the tool's words.
    pub(super) problems: Vec<String>,
}

impl Measured {
    /// What is kept of it.
    pub(super) fn facts(&self) -> BenchmarkFacts {
        BenchmarkFacts { list: self.list.iter().map(fact).collect() }
    }
}

/// Reads all files. The error is what is wrong with them, in Markdown.
pub(super) fn read(reports: &Reports) -> Result<Measured, String> {
    let mut problems: Vec<String> =
        reports.errors.iter().map(|error| format!("A report cannot be read: {}", code(error, PATH_CHARS_MAX))).collect();
    let mut merged = Merged::default();
    let (of_criterion, others): (Vec<_>, Vec<_>) = reports.files.iter().partition(|file| is_criterion(&file.path));
    let criterion = (!of_criterion.is_empty()).then(|| read_criterion(&of_criterion));
    let read = criterion.into_iter().chain(others.into_iter().map(read_file));
    for read in read {
        let added = read.and_then(|benchmarks| merged.add(benchmarks));
        problems.extend(added.err());
    }
    if problems.is_empty() {
        return Ok(Measured { list: merged.list, problems: merged.problems });
    }
    let more = problems.len().saturating_sub(PROBLEMS_MAX);
    problems.truncate(PROBLEMS_MAX);
    if more > 0 {
        problems.push(format!("And {more} more problems."));
    }
    Err(problems.join("\n\n"))
}

/// Measurements of several files.
#[derive(Default)]
struct Merged {
    list: Vec<Measurement>,
    at: HashMap<(String, String), usize>,
    samples: usize,
    problems: Vec<String>,
}

impl Merged {
    fn add(&mut self, benchmarks: Benchmarks) -> Result<(), String> {
        self.problems.extend(benchmarks.problems);
        self.problems.truncate(PROBLEMS_MAX);
        for one in benchmarks.list {
            self.samples += one.samples.len();
            match self.at.get(&(one.name.clone(), one.unit.clone())) {
                // The same benchmark once more is more samples of it.
                Some(at) => self.list[*at].samples.extend(one.samples),
                None => {
                    self.at.insert((one.name.clone(), one.unit.clone()), self.list.len());
                    self.list.push(one);
                }
            }
            if self.list.len() > MEASUREMENTS_MAX || self.samples > SAMPLES_MAX {
                return Err(format!("There are more than {MEASUREMENTS_MAX} measurements, or {SAMPLES_MAX} samples of them."));
            }
        }
        Ok(())
    }
}

/// Whether a file is one of those in which Criterion keeps a benchmark, of this run or of another.
fn is_criterion(path: &str) -> bool {
    path.rsplit_once('/').is_some_and(|(folder, name)| CRITERION_FILES.contains(&name) && folder.contains('/'))
}

fn read_criterion(files: &[&ReportFile]) -> Result<Benchmarks, String> {
    let bytes: u64 = files.iter().map(|file| file.content.bytes()).sum();
    if bytes > CRITERION_BYTES_MAX {
        return Err(format!("Criterion's files have {bytes} bytes together, more than {CRITERION_BYTES_MAX}."));
    }
    let mut read = BTreeMap::new();
    for file in files.iter().filter(|file| file.path.rsplit('/').nth(1) == Some("new")) {
        read.insert(file.path.clone(), whole(file)?);
    }
    benchmarks::read_criterion(&read)
        .map_err(|error| format!("A report of Criterion cannot be read: {}", code(&error.to_string(), PATH_CHARS_MAX)))
}

/// Reads a file in one of the other formats.
fn read_file(file: &ReportFile) -> Result<Benchmarks, String> {
    let name = || code(&file.path, PATH_CHARS_MAX);
    let (head, content) = opened(file)?;
    let unknown = || format!("The report {} is in no format of benchmarks that is known.", name());
    let format = benchmarks::sniff(&head).ok_or_else(unknown)?;
    let read = benchmarks::read(format, content);
    read.map_err(|error| format!("The report {} cannot be read: {}", name(), code(&error.to_string(), PATH_CHARS_MAX)))
}

/// A measurement summed up.
fn fact(measurement: &Measurement) -> BenchmarkFact {
    let mut samples = measurement.samples.clone();
    samples.sort_by(f64::total_cmp);
    BenchmarkFact {
        name: BenchmarkFacts::name(&measurement.name),
        unit: BenchmarkFacts::name(&measurement.unit),
        better: match measurement.better {
            Better::Smaller => facts::Better::Smaller,
            Better::Bigger => facts::Better::Bigger,
        },
        samples: samples.len() as u64,
        low: quantile(&samples, 0.25),
        median: quantile(&samples, 0.5),
        high: quantile(&samples, 0.75),
    }
}

/// A quantile of sorted values, by linear interpolation (Hyndman and Fan, *The American Statistician* 50, 1996, definition 7).
pub(super) fn quantile(sorted: &[f64], share: f64) -> f64 {
    let at = sorted.len().saturating_sub(1) as f64 * share;
    let (below, above) = (at.floor() as usize, at.ceil() as usize);
    match (sorted.get(below), sorted.get(above)) {
        (Some(low), Some(high)) => low + (high - low) * at.fract(),
        _ => 0.0,
    }
}
