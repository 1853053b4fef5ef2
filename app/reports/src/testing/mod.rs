//! Tests that a program says it ran.
//!
//! [`read`] makes a [`TestRun`] of one file, whatever its length: counts of all tests and of each suite, the bad and the flaky
//! ones with their texts, the slowest. [`TestRun::add`] puts those of several files together.

use std::collections::BTreeMap;
use std::io::{Cursor, Read};

use crate::error::{Fault, Place, ReportError};
use crate::input::{self, SNIFF_BYTES};

mod go;
mod junit;
mod libtest;
mod place;
mod tally;
mod tap;
mod trx;

pub use place::SourcePlace;
use tally::{Names, RUNNING_MAX, TEXT_BYTES_MAX, Tally, append, cut, secs};

/// The formats that are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TestFormat {
    /// JUnit's XML, in all dialects: there is no standard for it.
    Junit,
    /// `go test -json`.
    GoTest,
    /// libtest's `--format json`, which cargo-nextest's `--message-format libtest-json` is too.
    Libtest,
    /// The Test Anything Protocol, versions 12 to 14.
    Tap,
    /// TRX: `dotnet test --logger trx`.
    Trx,
}

/// Reads a report as a stream. One without any test is no error here: whether that is one, is the caller's to say.
///
/// # Errors
/// [`ReportError`] where it is broken, hostile, beyond a limit, or in another format.
pub fn read(format: TestFormat, source: impl Read) -> Result<TestRun, ReportError> {
    match format {
        TestFormat::Junit => junit::read(source),
        TestFormat::GoTest => go::read(source),
        TestFormat::Libtest => libtest::read(source),
        TestFormat::Tap => tap::read(source),
        TestFormat::Trx => trx::read(source),
    }
}

/// Reads a report in the format that its beginning tells.
///
/// # Errors
/// [`ReportError`] as [`read`] gives, and where the format cannot be told.
pub fn read_any(mut source: impl Read) -> Result<TestRun, ReportError> {
    let mut head = Vec::with_capacity(SNIFF_BYTES);
    source.by_ref().take(SNIFF_BYTES as u64).read_to_end(&mut head).map_err(ReportError::Unread)?;
    let begin = Place { line: 1, column: 1 };
    let unknown = || Fault::broken("this is no test report: neither JUnit, TRX, go test -json, libtest's JSON nor TAP").at(begin);
    let format = sniff(&head).ok_or_else(unknown)?;
    read(format, Cursor::new(head).chain(source))
}

/// The format that a file with these first bytes is in. None where it may be another.
pub fn sniff(head: &[u8]) -> Option<TestFormat> {
    let head = input::head(head);
    let text = head.as_str();
    if text.starts_with('<') {
        let is_trx = trx::is_trx(text).then_some(TestFormat::Trx);
        return is_trx.or_else(|| junit::is_junit(text).then_some(TestFormat::Junit));
    }
    let is_tap = |line: &str| tap::is_result(line) || line.starts_with("TAP version ") || line.starts_with("1..");
    if text.lines().find(|line| !line.starts_with('#')).is_some_and(is_tap) || tap::begins_below(text) {
        return Some(TestFormat::Tap);
    }
    // Before the first event may stand what the builder says.
    let first = text.lines().find(|line| line.starts_with('{')).unwrap_or_default();
    let first: String = first.chars().filter(|c| !c.is_whitespace()).collect();
    let go = first.contains("\"Action\":") && (first.contains("\"Package\":") || first.contains("\"ImportPath\":"));
    let libtest = ["suite", "test", "bench"].iter().any(|kind| first.starts_with(&format!("{{\"type\":\"{kind}\",\"event\"")));
    let go = go || text.lines().next().is_some_and(|line| go::unbuilt(line).is_some());
    match (go, libtest) {
        (true, _) => Some(TestFormat::GoTest),
        (false, true) => Some(TestFormat::Libtest),
        (false, false) => None,
    }
}

/// How a test ended, the worst last.
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

/// Which part of a test's text says why it is bad.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Cause {
    /// The beginning: the text is made for the report.
    #[default]
    First,
    /// The end: the text is what the test wrote, up to where it stopped.
    Last,
}

/// A test that was run, as far as it is kept. All texts are untrusted.
#[derive(Debug, Clone, PartialEq)]
pub struct TestCase {
    /// The suite, package, program or group that it is counted with; may be empty.
    pub suite: String,
    /// Its full name, by which it is the same test in another report: with its class, package or program. May be empty.
    pub name: String,
    /// How it ended.
    pub outcome: Outcome,
    /// For how many tests it stands: more than one where a report counts bad tests that it does not name.
    pub stands_for: u64,
    /// How long it took.
    pub secs: Option<f64>,
    /// Where its source is, as the report has it.
    pub file: Option<String>,
    /// The line there.
    pub line: Option<u32>,
    /// What is wrong, in short. Often empty.
    pub message: String,
    /// What is wrong, or why it was skipped; no more than 8 KiB of it.
    pub text: String,
    /// Which part of the text is worth showing.
    pub cause: Cause,
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
    /// Those of each suite. No more than 5,000 suites; the tests of others are counted above only.
    pub suites: BTreeMap<String, TestCounts>,
    /// The time of all tests, in seconds.
    pub secs: f64,
    /// The tests that failed or did not come to an end, in the order of the report. No more than 10,000.
    pub bad: Vec<TestCase>,
    /// The tests that passed only when run again, with the text of their failure. No more than 1,000.
    pub flaky: Vec<TestCase>,
    /// The slowest tests, the slowest first, with their seconds. No more than 10.
    pub slowest: Vec<(f64, String)>,
}

impl TestCounts {
    /// All of them.
    pub fn tests(&self) -> u64 {
        self.run().saturating_add(self.skipped)
    }

    /// Those that were run.
    pub fn run(&self) -> u64 {
        self.passed.saturating_add(self.bad())
    }

    /// Those that did not pass and were not skipped.
    pub fn bad(&self) -> u64 {
        self.failed.saturating_add(self.errored)
    }

    fn of(&mut self, outcome: Outcome) -> &mut u64 {
        match outcome {
            Outcome::Passed => &mut self.passed,
            Outcome::Skipped => &mut self.skipped,
            Outcome::Failed => &mut self.failed,
            Outcome::Errored => &mut self.errored,
        }
    }

    fn add(&mut self, other: TestCounts) {
        let TestCounts { passed, failed, errored, skipped, flaky } = other;
        self.passed = self.passed.saturating_add(passed);
        self.failed = self.failed.saturating_add(failed);
        self.errored = self.errored.saturating_add(errored);
        self.skipped = self.skipped.saturating_add(skipped);
        self.flaky = self.flaky.saturating_add(flaky);
    }
}

impl TestCase {
    /// A test of a suite whose name belongs to the test's, and whose text is what it wrote.
    fn new(suite: &str, name: &str, outcome: Outcome) -> TestCase {
        let (suite, name) = (cut(suite), cut(name));
        let full = match (suite.as_str(), name.as_str()) {
            ("", _) => name,
            (_, "") => suite.clone(),
            (suite, name) => format!("{suite} {name}"),
        };
        TestCase { cause: Cause::Last, ..TestCase::named(suite, full, outcome) }
    }

    /// A test of this full name.
    fn named(suite: String, name: String, outcome: Outcome) -> TestCase {
        let (message, text) = (String::new(), String::new());
        let (file, line, cause) = (None, None, Cause::First);
        TestCase { suite, name, outcome, stands_for: 1, secs: None, file, line, message, text, cause }
    }

    /// Where in the source the test is to be shown, if it says so: in the file that the report names, else the first place in
    /// its texts that lies in the source. `root` is where the source lay while the test ran, as `/workspace`.
    pub fn place(&self, root: &str) -> Option<SourcePlace> {
        place::find(root, self.file.as_deref(), self.line, [&self.message, &self.text])
    }
}
