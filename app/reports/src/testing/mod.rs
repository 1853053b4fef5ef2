//! Tests that a program says it ran, in the formats beside JUnit.
//!
//! [`read`] makes a [`TestRun`] of one file: counts of all tests, the bad and the flaky ones with their texts, the slowest.

use std::collections::HashMap;
use std::io::Read;

use crate::error::{Fault, ReportError};
use crate::input;

mod go;
mod libtest;
mod tap;

/// The formats that are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TestFormat {
    /// `go test -json`.
    GoTest,
    /// libtest's `--format json`, which cargo-nextest's `--message-format libtest-json` is too.
    Libtest,
    /// The Test Anything Protocol, versions 12 to 14.
    Tap,
}

/// Reads a report as a stream. One without any test is no error here: whether that is one, is the caller's to say.
///
/// # Errors
/// [`ReportError`] where it is broken, hostile, beyond a limit, or in another format.
pub fn read(format: TestFormat, source: impl Read) -> Result<TestRun, ReportError> {
    match format {
        TestFormat::GoTest => go::read(source),
        TestFormat::Libtest => libtest::read(source),
        TestFormat::Tap => tap::read(source),
    }
}

/// The format that a file with these first bytes is in. None where it may be another.
pub fn sniff(head: &[u8]) -> Option<TestFormat> {
    let head = input::head(head);
    let text = head.as_str();
    let first: String = text.lines().next().unwrap_or_default().chars().filter(|c| !c.is_whitespace()).collect();
    let go = first.contains("\"Action\":") && (first.contains("\"Package\":") || first.contains("\"ImportPath\":"));
    let libtest = ["suite", "test", "bench"].iter().any(|kind| first.starts_with(&format!("{{\"type\":\"{kind}\",\"event\"")));
    let is_tap = |line: &str| tap::is_result(line) || line.starts_with("TAP version ") || line.starts_with("1..");
    match (go, libtest) {
        (true, _) => Some(TestFormat::GoTest),
        (false, true) => Some(TestFormat::Libtest),
        (false, false) => text.lines().find(|line| !line.starts_with('#')).is_some_and(is_tap).then_some(TestFormat::Tap),
    }
}

/// So many bad tests are kept. All are counted.
const BAD_MAX: usize = 10_000;

/// So many flaky tests are kept. All are counted.
const FLAKY_MAX: usize = 1_000;

/// So many of the slowest tests are kept.
const SLOWEST_MAX: usize = 10;

/// Of a bad test's text so many bytes are kept; of all of them together so many.
const TEXT_BYTES_MAX: usize = 8 * 1024;
const TEXTS_BYTES_MAX: usize = 32 * 1024 * 1024;

/// Of a name so many bytes are kept.
const NAME_BYTES_MAX: usize = 1024;

/// So many tests may be under way at once. Beyond, the report is refused.
const RUNNING_MAX: usize = 50_000;

/// A report may have so many tests. Beyond, it is refused.
const CASES_MAX: u64 = 5_000_000;

/// How a test ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Outcome {
    /// Well.
    Passed,
    /// It was not run, or does not count yet.
    Skipped,
    /// What it checks does not hold.
    Failed,
    /// It did not come to an end, or could not be run.
    Errored,
}

/// A test that was run, as far as it is kept.
#[derive(Debug, Clone, PartialEq)]
pub struct TestCase {
    /// The package, program or group that it belongs to; may be empty.
    pub suite: String,
    /// Its name in the suite.
    pub name: String,
    /// How it ended.
    pub outcome: Outcome,
    /// How long it took.
    pub secs: Option<f64>,
    /// What it said, or why it was skipped: the end of it, where it is long. Untrusted text.
    pub text: String,
}

/// Tests, counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TestCounts {
    /// Those that passed, flaky ones included.
    pub passed: u64,
    /// Those that failed.
    pub failed: u64,
    /// Those that did not come to an end.
    pub errored: u64,
    /// Those that were not run.
    pub skipped: u64,
    /// Of those that passed, how many did so only when run again.
    pub flaky: u64,
}

/// What a report says.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct TestRun {
    /// All tests.
    pub counts: TestCounts,
    /// The time of all tests, in seconds.
    pub secs: f64,
    /// The tests that failed or did not come to an end, in the order of the report. No more than 10,000.
    pub bad: Vec<TestCase>,
    /// The tests that passed only when run again, with the text of their failure. No more than 1,000.
    pub flaky: Vec<TestCase>,
    /// The slowest tests, the slowest first, with their seconds.
    pub slowest: Vec<(f64, String)>,
}

impl TestCounts {
    /// All of them.
    pub fn tests(&self) -> u64 {
        self.passed + self.bad() + self.skipped
    }

    /// Those that did not pass and were not skipped.
    pub fn bad(&self) -> u64 {
        self.failed + self.errored
    }

    fn of(&mut self, outcome: Outcome) -> &mut u64 {
        match outcome {
            Outcome::Passed => &mut self.passed,
            Outcome::Skipped => &mut self.skipped,
            Outcome::Failed => &mut self.failed,
            Outcome::Errored => &mut self.errored,
        }
    }
}

impl TestCase {
    fn new(suite: &str, name: &str, outcome: Outcome) -> TestCase {
        TestCase { suite: cut(suite), name: cut(name), outcome, secs: None, text: String::new() }
    }

    /// Suite and name.
    pub fn full_name(&self) -> String {
        match (self.suite.as_str(), self.name.as_str()) {
            ("", name) => name.to_owned(),
            (suite, "") => suite.to_owned(),
            (suite, name) => format!("{suite} {name}"),
        }
    }
}

/// Puts a run together, within bounds.
#[derive(Default)]
struct Tally {
    run: TestRun,
    texts_bytes: usize,
    /// Whether a name is of one test only, so that one that comes again was run again.
    names: Names,
    /// Bad tests that are kept, by suite and name, and where.
    kept: HashMap<(String, String), usize>,
    /// Which of them were not bad when they were run again.
    recovered: Vec<bool>,
}

/// Whether several tests may have one name.
#[derive(Default, Clone, Copy, PartialEq, Eq)]
enum Names {
    #[default]
    Unique,
    MayRepeat,
}

impl Tally {
    /// Takes a test. One that was bad before under the same name was run again: then the last time counts.
    fn add(&mut self, mut case: TestCase) -> Result<(), Fault> {
        if self.run.counts.tests() >= CASES_MAX {
            return Err(Fault::TooMuch(format!("more than {CASES_MAX} tests")));
        }
        self.time(&case);
        let earlier = self.earlier(&case);
        if let Some(at) = earlier {
            let was = self.run.bad[at].outcome;
            *self.run.counts.of(was) -= 1;
            match case.outcome {
                Outcome::Passed => self.flaky(at),
                Outcome::Skipped => self.recovered[at] = true,
                Outcome::Failed | Outcome::Errored => {}
            }
        }
        *self.run.counts.of(case.outcome) += 1;
        if matches!(case.outcome, Outcome::Passed | Outcome::Skipped) {
            return Ok(());
        }
        case.text = self.fitting(&case.text);
        match earlier {
            Some(at) => self.run.bad[at] = case,
            None if self.run.bad.len() < BAD_MAX => {
                self.kept.insert((case.suite.clone(), case.name.clone()), self.run.bad.len());
                self.recovered.push(false);
                self.run.bad.push(case);
            }
            None => {}
        }
        Ok(())
    }

    /// Notes that a test passed only when it was run again.
    fn add_flaky(&mut self, case: TestCase) -> Result<(), Fault> {
        let (suite, name) = (case.suite.clone(), case.name.clone());
        let known = self.earlier(&case).is_some();
        self.add(case)?;
        if !known {
            self.run.counts.flaky += 1;
            if self.run.flaky.len() < FLAKY_MAX {
                self.run.flaky.push(TestCase::new(&suite, &name, Outcome::Passed));
            }
        }
        Ok(())
    }

    /// The bad test of the same name that is kept and has been bad since.
    fn earlier(&self, case: &TestCase) -> Option<usize> {
        if self.kept.is_empty() || self.names == Names::MayRepeat {
            return None;
        }
        let at = self.kept.get(&(case.suite.clone(), case.name.clone())).copied()?;
        (!self.recovered[at]).then_some(at)
    }

    fn flaky(&mut self, at: usize) {
        self.recovered[at] = true;
        self.run.counts.flaky += 1;
        if self.run.flaky.len() < FLAKY_MAX {
            self.run.flaky.push(TestCase { outcome: Outcome::Passed, ..self.run.bad[at].clone() });
        }
    }

    /// The end of a text, if there is room for it.
    fn fitting(&mut self, text: &str) -> String {
        let room = TEXT_BYTES_MAX.min(TEXTS_BYTES_MAX - self.texts_bytes);
        let begin = text.ceil_char_boundary(text.len().saturating_sub(room));
        self.texts_bytes += text.len() - begin;
        text[begin..].to_owned()
    }

    fn time(&mut self, case: &TestCase) {
        let Some(secs) = case.secs else { return };
        self.run.secs += secs;
        let slowest = &mut self.run.slowest;
        let full = slowest.len() >= SLOWEST_MAX;
        if secs <= 0.0 || full && slowest.last().is_some_and(|(least, _)| secs <= *least) {
            return;
        }
        let at = slowest.partition_point(|(other, _)| *other >= secs);
        slowest.insert(at, (secs, case.full_name()));
        slowest.truncate(SLOWEST_MAX);
    }

    fn finish(mut self) -> TestRun {
        let mut recovered = self.recovered.iter();
        self.run.bad.retain(|_| !recovered.next().is_some_and(|recovered| *recovered));
        self.run
    }
}

/// What is kept of a name.
fn cut(name: &str) -> String {
    name[..name.floor_char_boundary(NAME_BYTES_MAX)].to_owned()
}

/// Appends to a text of which only the end counts.
fn append(text: &mut String, more: &str) {
    text.push_str(more);
    if text.len() > 4 * TEXT_BYTES_MAX {
        let begin = text.ceil_char_boundary(text.len() - TEXT_BYTES_MAX);
        text.drain(..begin);
    }
}

/// A time that can be one.
fn secs(secs: f64) -> Result<f64, Fault> {
    match secs.is_finite() && (0.0..1e9).contains(&secs) {
        true => Ok(secs),
        false => Err(Fault::Broken(format!("a test that took {secs} s"))),
    }
}
