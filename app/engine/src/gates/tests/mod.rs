//! Tests that a program says it ran: counted, the failed ones named where they are, those that fail on the base too apart from
//! the new ones, flaky ones found by trying again and by what was seen before, and the slowest.
//!
//! Reports are read by `gatewright-reports`; this says what they come to. What is not read is never a pass: a report that is
//! missing, broken, empty or hostile makes the gate an error that names file and place.

use std::collections::BTreeMap;

use gatewright_core::config::{GateConfig, Percent};
use gatewright_core::facts::{Facts, TestFacts};
use gatewright_core::verdict::{
    Annotation, AnnotationLevel, Evidence, Exit, ReportFile, ReportKind, Reports, Verdict, VerdictStatus,
};
use gatewright_reports::testing::{self, TestCase, TestFormat, TestRun};

use super::{Kind, Opinion};
use compare::Compared;
use tries::Tries;

mod compare;
mod show;
mod tries;

pub(super) const KIND: Kind = Kind {
    about: Some(ReportKind::Tests),
    reports: |config| Some(config.test_reports()).filter(|globs| !globs.is_empty()),
    judge,
};

/// What a shell itself says with its exit code, or a signal, is from here on. No tests are counted by it.
const SHELL_CODES: i64 = 126;

/// What the reports of a gate say, and how that differs from before.
struct Found<'a> {
    run: TestRun,
    /// Where the sandbox had the source.
    workspace: &'a str,
    compared: Compared<'a>,
    tries: Tries,
}

/// What is wrong with a test that failed.
struct Failure<'f> {
    case: &'f TestCase,
    /// It fails on the base too.
    is_known: bool,
}

impl Found<'_> {
    /// The failed tests, those first that the base does not have.
    fn failures(&self) -> Vec<Failure<'_>> {
        let failure = |case| Failure { case, is_known: self.compared.is_known(case) };
        let mut failures: Vec<Failure<'_>> = self.run.bad.iter().map(failure).collect();
        failures.sort_by_key(|failure| failure.is_known);
        failures
    }

    /// How many tests failed that do not fail on the base. Those that are only counted are new.
    fn new_failures(&self) -> u64 {
        let known = self.run.bad.iter().filter(|case| self.compared.is_known(case)).count() as u64;
        self.run.counts.bad().saturating_sub(known)
    }

    /// How many tests passed only when run again: by what the report says, and by what earlier tries say.
    fn flaky(&self) -> u64 {
        self.run.counts.flaky + self.tries.flaky.len() as u64
    }

    /// `214 passed, 2 failed (1 new), 3 skipped`
    fn words(&self) -> String {
        let bad = match (self.run.counts.bad(), &self.compared.base) {
            (0, _) => String::new(),
            (bad, None) => format!(", {bad} failed"),
            (bad, Some(_)) => match self.new_failures() {
                0 => format!(", {bad} failed (none new)"),
                new => format!(", {bad} failed ({new} new)"),
            },
        };
        let counts = [(self.run.counts.skipped, "skipped"), (self.flaky(), "flaky")];
        let more = counts.iter().filter(|(n, _)| *n > 0).map(|(n, word)| format!(", {n} {word}"));
        format!("{} passed{bad}{}", self.run.counts.passed, more.collect::<String>())
    }
}

fn judge(config: &GateConfig, evidence: &Evidence) -> Opinion {
    let none = Reports::default();
    let reports = evidence.reports.get(&ReportKind::Tests).unwrap_or(&none);
    let (run, problems) = read(config, reports);
    let tries = Tries::of(config, &evidence.earlier, &run);
    let found = Found { workspace: &evidence.workspace, compared: Compared::with(evidence), tries, run };
    if !problems.is_empty() {
        return errored(&found, "a report cannot be read", &problems);
    }
    if reports.files.is_empty() {
        // A command that failed may not have come so far: a compiler's error, say. Then that is the cause to be shown.
        let exit_well = evidence.exit == Exit::Code { code: 0 };
        let status = if exit_well { VerdictStatus::Errored } else { VerdictStatus::Failed };
        return Opinion::plain(status, "no test report", show::no_report(config));
    }
    if found.run.counts.tests() == 0 {
        let text = "The report has no tests in it. A gate that tests nothing does not pass.";
        return errored(&found, "the report has no tests", &[text.to_owned()]);
    }
    if found.run.counts.run() == 0 {
        let text = "All tests of the report were skipped, so none was run. A gate that tests nothing does not pass.";
        return errored(&found, "no test was run", &[text.to_owned()]);
    }
    judged(config, &evidence.exit, &found)
}

/// Reads all reports, and says which of them cannot be.
fn read(config: &GateConfig, reports: &Reports) -> (TestRun, Vec<String>) {
    let mut problems: Vec<String> = reports.errors.iter().map(|error| show::problem(error)).collect();
    let mut all = TestRun::default();
    for report in &reports.files {
        match read_one(config, report) {
            Ok(run) => all.add(run),
            Err(problem) => problems.push(problem),
        }
    }
    (all, problems)
}

fn read_one(config: &GateConfig, report: &ReportFile) -> Result<TestRun, String> {
    let content = report.content.open().map_err(|error| show::unread(&report.path, &error))?;
    let read = match config.junit.is_empty() {
        false => testing::read(TestFormat::Junit, content),
        true => testing::read_any(content),
    };
    read.map_err(|error| show::broken(&report.path, &error))
}

fn errored(found: &Found<'_>, title: &str, problems: &[String]) -> Opinion {
    let title = match found.run.counts.tests() {
        0 => title.to_owned(),
        _ => format!("{title}; {}", found.words()),
    };
    Opinion::plain(VerdictStatus::Errored, title, show::summary(problems, found))
}

fn judged(config: &GateConfig, exit: &Exit, found: &Found<'_>) -> Opinion {
    let (bad, new) = (found.run.counts.bad(), found.new_failures());
    let fails = match config.require.new_failures_at_most {
        Some(most) => new > u64::from(most),
        None => bad > 0,
    };
    let drop = config.require.tests_drop_at_most.filter(|most| !found.compared.drop_is_within(&found.run, *most));
    let status = if fails || drop.is_some() { VerdictStatus::Failed } else { VerdictStatus::Passed };
    let excuses_exit = bad > 0 && !fails && matches!(exit, Exit::Code { code } if *code < SHELL_CODES);
    let (annotations, annotations_left_out) = annotations(found, fails);
    let summary = show::summary(&notes(config, exit, found, fails), found);
    Opinion {
        annotations,
        annotations_left_out,
        change: found.compared.change(&found.run, new),
        facts: Facts { tests: Some(kept(found)), ..Facts::default() },
        excuses_exit,
        ..Opinion::plain(status, title(found, drop), summary)
    }
}

fn title(found: &Found<'_>, drop: Option<Percent>) -> String {
    match drop {
        Some(most) => format!("more than {most} fewer tests than on the base; {}", found.words()),
        None => found.words(),
    }
}

/// What is odd about the numbers.
fn notes(config: &GateConfig, exit: &Exit, found: &Found<'_>, fails: bool) -> Vec<String> {
    let mut notes = Vec::new();
    let bad = found.run.counts.bad() > 0;
    match (*exit == Exit::Code { code: 0 }, bad) {
        (true, true) if fails => {
            notes.push("The command ended with exit code 0, but its report names failed tests.".to_owned());
        }
        (false, false) => notes.push("The report names no failed test, but the command failed.".to_owned()),
        (true, true | false) | (false, true) => {}
    }
    if bad && !fails {
        notes.push("Only new failures count (`new-failures-at-most`), so the command's exit code does not.".to_owned());
    }
    if found.compared.base.is_none() && config.compares_tests() {
        notes.push(super::NO_BASE.to_owned());
    }
    notes
}

/// What is kept for later runs to compare with.
fn kept(found: &Found<'_>) -> TestFacts {
    let counts = found.run.counts;
    let of_tries = found.tries.flaky.iter().map(|(case, _)| case);
    // One that failed at some try and passed at another was flaky, whichever came last.
    let unsteady = found.run.bad.iter().filter(|case| found.tries.has_passed(case));
    let flaky = found.run.flaky.iter().chain(of_tries).chain(unsteady);
    let (failed_names, names_left_out) = names(found.run.bad.iter().filter(|case| case.stands_for == 1));
    let failed_left_out = counts.bad().saturating_sub(failed_names.len() as u64).max(names_left_out);
    TestFacts {
        passed: counts.passed,
        bad: counts.bad(),
        skipped: counts.skipped,
        failed_names,
        failed_left_out,
        flaky_names: names(flaky).0,
        suites: largest_suites(&found.run),
    }
}

/// The names of tests, sorted, as far as there is room; and how many there was none for.
fn names<'c>(cases: impl Iterator<Item = &'c TestCase>) -> (Vec<String>, u64) {
    let mut names: Vec<&str> = cases.map(|case| case.name.as_str()).filter(|name| !name.is_empty()).collect();
    names.sort_unstable();
    names.dedup();
    let all = names.len();
    let mut room = TestFacts::NAMES_BYTES_MAX;
    let fits = |name: &&str| {
        let fits = name.len() <= room;
        room = room.saturating_sub(name.len());
        fits
    };
    let kept: Vec<String> = names.into_iter().take(TestFacts::NAMES_MAX).take_while(fits).map(str::to_owned).collect();
    let left_out = (all - kept.len()) as u64;
    (kept, left_out)
}

fn largest_suites(run: &TestRun) -> BTreeMap<String, u64> {
    let mut suites: Vec<(&String, u64)> = run.suites.iter().map(|(name, counts)| (name, counts.run())).collect();
    suites.sort_by_key(|(_, run)| std::cmp::Reverse(*run));
    let largest = suites.into_iter().filter(|(_, run)| *run > 0).take(TestFacts::SUITES_MAX);
    largest.map(|(name, run)| (name.clone(), run)).collect()
}

/// Failures first; where these fail the gate they are what has to be mended, else a hint.
fn annotations(found: &Found<'_>, fails: bool) -> (Vec<Annotation>, u64) {
    let (mut annotations, mut left_out) = (Vec::new(), 0_u64);
    let mut add = |case: &TestCase, level, message: String| {
        let Some(place) = case.place(found.workspace) else { return };
        if annotations.len() >= Verdict::ANNOTATIONS_MAX {
            left_out += 1;
            return;
        }
        let (start_line, end_line, title) = (place.line, place.line, show::name(case));
        annotations.push(Annotation { path: place.path, start_line, end_line, column: place.column, level, title, message });
    };
    for Failure { case, is_known } in found.failures() {
        let level = if fails { AnnotationLevel::Failure } else { AnnotationLevel::Warning };
        let known = if is_known { "It fails on the base too.\n" } else { "" };
        let text = Some(show::excerpt(case)).filter(|text| !text.is_empty());
        add(case, level, format!("{known}{}", text.as_deref().unwrap_or("failed")));
    }
    let of_tries = found.tries.flaky.iter().map(|(case, _)| case);
    for case in found.run.flaky.iter().chain(of_tries) {
        add(case, AnnotationLevel::Warning, "passed only when it was run again".to_owned());
    }
    (annotations, left_out)
}
