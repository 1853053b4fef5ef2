//! JUnit XML: tests that a program says it ran. Counts them, names the failed ones where they are, and the slowest.
//!
//! There is no standard for these files, so every dialect that is in use is read (`read`). What is not read is never a pass:
//! a report that is missing, broken, empty or hostile makes the gate an error that names file and place.

use gatewright_core::config::GateConfig;
use gatewright_core::verdict::{Annotation, Evidence, Exit, ReportKind, Reports, Verdict, VerdictStatus};

use super::{Kind, Opinion};

mod decode;
mod place;
mod read;
mod show;

pub(super) const KIND: Kind =
    Kind { about: Some(ReportKind::Tests), reports: |config| (!config.junit.is_empty()).then_some(&config.junit), judge };

/// So many failed tests are shown in the summary; all of them are counted.
const SHOWN_MAX: usize = 20;

/// So many of the slowest tests are shown.
const SLOWEST_MAX: usize = 10;

/// What the reports of a gate say together.
#[derive(Default)]
struct Tally {
    passed: u64,
    failed: u64,
    errored: u64,
    skipped: u64,
    /// Tests among the passed that passed only when they were run again.
    flaky: u64,
    /// The time of all tests, in seconds.
    secs: f64,
    /// The first failed tests.
    shown: Vec<Failure>,
    /// The slowest tests, the slowest first.
    slowest: Vec<(f64, String)>,
    /// Places of failed tests.
    failures: Vec<Annotation>,
    /// Places of flaky tests.
    warnings: Vec<Annotation>,
    annotations_left_out: u64,
}

/// A failed test, cut to what is shown of it.
struct Failure {
    name: String,
    place: Option<String>,
    text: String,
}

/// A report that cannot be read.
struct Broken {
    line: u64,
    column: u64,
    /// May hold text of the report.
    cause: String,
}

impl Tally {
    fn bad(&self) -> u64 {
        self.failed + self.errored
    }

    fn tests(&self) -> u64 {
        self.passed + self.bad() + self.skipped
    }

    /// Notes how long a test took.
    fn took(&mut self, secs: f64, name: impl FnOnce() -> String) {
        self.secs += secs;
        let full = self.slowest.len() >= SLOWEST_MAX;
        if secs <= 0.0 || full && self.slowest.last().is_some_and(|(least, _)| secs <= *least) {
            return;
        }
        let at = self.slowest.partition_point(|(other, _)| *other >= secs);
        self.slowest.insert(at, (secs, name()));
        self.slowest.truncate(SLOWEST_MAX);
    }

    /// Notes a place, while there is room.
    fn annotate(&mut self, annotation: Annotation, failed: bool) {
        let list = if failed { &mut self.failures } else { &mut self.warnings };
        if list.len() < Verdict::ANNOTATIONS_MAX {
            list.push(annotation);
        } else {
            self.annotations_left_out += 1;
        }
    }

    /// `214 passed, 2 failed, 3 skipped`
    fn words(&self) -> String {
        let counts = [(self.bad(), "failed"), (self.skipped, "skipped"), (self.flaky, "flaky")];
        let more = counts.iter().filter(|(n, _)| *n > 0).map(|(n, word)| format!(", {n} {word}"));
        format!("{} passed{}", self.passed, more.collect::<String>())
    }
}

fn judge(config: &GateConfig, evidence: &Evidence) -> Opinion {
    let mut tally = Tally::default();
    let none = Reports::default();
    let reports = evidence.reports.get(&ReportKind::Tests).unwrap_or(&none);
    let mut problems = reports.errors.iter().map(|error| show::problem(error)).collect::<Vec<_>>();
    for report in &reports.files {
        match super::whole(report) {
            Ok(bytes) => {
                if let Err(broken) = read::read(&bytes, &mut tally) {
                    problems.push(show::broken(&report.path, &broken));
                }
            }
            Err(problem) => problems.push(problem),
        }
    }
    if !problems.is_empty() {
        return opinion(VerdictStatus::Errored, "a report cannot be read".to_owned(), problems, tally);
    }
    let exit_well = evidence.exit == Exit::Code { code: 0 };
    if reports.files.is_empty() {
        // A command that failed may not have come so far: a compiler's error, say. Then that is the cause to be shown.
        let status = if exit_well { VerdictStatus::Errored } else { VerdictStatus::Failed };
        return opinion(status, "no test report".to_owned(), vec![show::no_report(&config.junit)], tally);
    }
    if tally.tests() == 0 {
        let text = "The report has no tests in it. A gate that tests nothing does not pass.".to_owned();
        return opinion(VerdictStatus::Errored, "the report has no tests".to_owned(), vec![text], tally);
    }
    let status = if tally.bad() > 0 { VerdictStatus::Failed } else { VerdictStatus::Passed };
    let notes = match (exit_well, tally.bad() > 0) {
        (true, true) => vec!["The command ended with exit code 0, but its report names failed tests.".to_owned()],
        (false, false) => vec!["The report names no failed test, but the command failed.".to_owned()],
        (true, false) | (false, true) => Vec::new(),
    };
    opinion(status, tally.words(), notes, tally)
}

fn opinion(status: VerdictStatus, title: String, notes: Vec<String>, tally: Tally) -> Opinion {
    let title = match (status, tally.tests()) {
        (VerdictStatus::Errored, 1..) => format!("{title}; {}", tally.words()),
        _ => title,
    };
    let summary = show::summary(&notes, &tally);
    let mut annotations = tally.failures;
    let room = Verdict::ANNOTATIONS_MAX - annotations.len();
    let left_out = tally.warnings.len().saturating_sub(room) as u64;
    annotations.extend(tally.warnings.into_iter().take(room));
    let annotations_left_out = tally.annotations_left_out + left_out;
    Opinion { annotations, annotations_left_out, ..Opinion::plain(status, title, summary) }
}
