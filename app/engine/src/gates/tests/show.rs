//! What is shown of test reports, in Markdown. All names and texts in it come from untrusted code.

use std::fmt::Write;
use std::io;

use gatewright_core::config::GateConfig;
use gatewright_reports::ReportError;
use gatewright_reports::testing::{Cause, TestCase};

use super::super::markdown::{code, fenced, one_line, without_controls};
use super::super::{PATH_CHARS_MAX, compared_with};
use super::compare::Before;
use super::{Failure, Found};

/// A test's name is shown up to so many characters.
const NAME_CHARS_MAX: usize = 200;

/// So many failed tests are shown with their texts; all of them are counted.
const SHOWN_MAX: usize = 20;

/// So many of those that fail on the base too, of the flaky ones and of suites that lost tests are named.
const NAMED_MAX: usize = 20;

/// Of a failed test's text so many characters and lines are shown.
const TEXT_CHARS_MAX: usize = 1000;
const TEXT_LINES_MAX: usize = 20;

/// So many problems with reports are shown.
const PROBLEMS_MAX: usize = 20;

/// Counts, failed tests, flaky ones, what is missing, and the slowest.
pub(super) fn summary(notes: &[String], found: &Found<'_>) -> String {
    let mut parts: Vec<String> = notes.iter().take(PROBLEMS_MAX).cloned().collect();
    if notes.len() > PROBLEMS_MAX {
        parts.push(format!("And {} more reports that cannot be read.", notes.len() - PROBLEMS_MAX));
    }
    if found.run.counts.tests() > 0 {
        parts.push(counts(found));
        parts.extend(fewer(found));
    }
    let failures = found.failures();
    let (known, new): (Vec<Failure<'_>>, Vec<Failure<'_>>) = failures.into_iter().partition(|failure| failure.is_known);
    parts.extend(failed(found, &new));
    parts.extend(failed_before(found, &known));
    parts.extend(flaky(found));
    parts.extend(slowest(found));
    parts.join("\n\n")
}

/// An error of the sandbox while it read reports.
pub(super) fn problem(error: &str) -> String {
    format!("A report cannot be read: {}", code(error, PATH_CHARS_MAX))
}

/// A report that is there and does not come.
pub(super) fn unread(path: &str, error: &io::Error) -> String {
    format!("The report {} cannot be read: {error}", code(path, PATH_CHARS_MAX))
}

/// A report that cannot be read, with its place.
pub(super) fn broken(path: &str, error: &ReportError) -> String {
    let (place, cause) = match error {
        ReportError::Unread(error) => return unread(path, error),
        ReportError::Broken { place, cause } => (place, cause),
        ReportError::TooMuch { place, limit } => (place, limit),
    };
    let place = code(&format!("{path}:{}:{}", place.line, place.column), PATH_CHARS_MAX);
    format!("The report {place} cannot be read: {}", code(cause, PATH_CHARS_MAX))
}

/// No file matches the globs.
pub(super) fn no_report(config: &GateConfig) -> String {
    let globs: Vec<String> = config.test_reports().iter().take(10).map(|glob| code(glob, PATH_CHARS_MAX)).collect();
    let key = if config.junit.is_empty() { "tests" } else { "junit" };
    format!("No file matches {}. `{key}` in the repository file says where the command writes its report.", globs.join(", "))
}

/// A test's name for a title.
pub(super) fn name(case: &TestCase) -> String {
    one_line(&case.name, NAME_CHARS_MAX)
}

fn counts(found: &Found<'_>) -> String {
    let counts = found.run.counts;
    let mut table = format!(
        "| tests | passed | failed | errors | skipped | time |\n|--:|--:|--:|--:|--:|--:|\n| {} | {} | {} | {} | {} | {:.2} s |",
        counts.tests(),
        counts.passed,
        counts.failed,
        counts.errored,
        counts.skipped,
        found.run.secs
    );
    let flaky = found.run.counts.flaky;
    if flaky > 0 {
        let _ = write!(table, "\n\n{flaky} of the passed tests passed only when run again.");
    }
    table
}

/// Where fewer tests were run than on the base.
fn fewer(found: &Found<'_>) -> Option<String> {
    let (base, _) = found.compared.base?;
    let lost = found.compared.lost(&found.run);
    let sum = found.compared.drop(&found.run).map(|(fewer, was)| {
        let verb = if fewer == 1 { "test was" } else { "tests were" };
        format!("{fewer} fewer {verb} run than at {}: {} instead of {was}.", compared_with(base), was - fewer)
    });
    let of_suites = (!lost.is_empty()).then(|| {
        let lines = lost.iter().take(NAMED_MAX).map(|lost| {
            let suite = code(&lost.suite.replace(['\n', '\r'], " "), NAME_CHARS_MAX);
            format!("\n- {suite}: {} instead of {}", lost.is, lost.was)
        });
        let more = and_more(lost.len(), NAMED_MAX);
        format!("<details><summary>Suites that ran fewer tests</summary>\n{}{more}\n\n</details>", lines.collect::<String>())
    });
    let parts: Vec<String> = [sum, of_suites].into_iter().flatten().collect();
    (!parts.is_empty()).then(|| parts.join("\n\n"))
}

/// Failed tests, with what they say.
fn failed(found: &Found<'_>, failures: &[Failure<'_>]) -> Option<String> {
    if failures.is_empty() {
        return None;
    }
    let mut text = match found.compared.base {
        Some(_) => "### New failures".to_owned(),
        None => "### Failed tests".to_owned(),
    };
    if let Some((base, facts)) = found.compared.base.filter(|(_, facts)| facts.failed_left_out > 0) {
        let left_out = facts.failed_left_out;
        let _ = write!(
            text,
            "\n\nAt {}, {left_out} more tests failed of which no name is kept: some of these may be among them.",
            compared_with(base)
        );
    }
    for failure in failures.iter().take(SHOWN_MAX) {
        let case = failure.case;
        let at = case
            .place(found.workspace)
            .map(|place| format!(" at {}", code(&format!("{}:{}", place.path, place.line), PATH_CHARS_MAX)));
        let _ = write!(text, "\n\n- {}{}{}", code(&case.name, NAME_CHARS_MAX), at.unwrap_or_default(), marks(found, case));
        let block = fenced(&excerpt(case));
        if !block.is_empty() {
            let _ = write!(text, "\n\n{block}");
        }
    }
    let known = found.run.bad.len() - failures.len();
    let shown: u64 = failures.iter().take(SHOWN_MAX).map(|failure| failure.case.stands_for).sum();
    let more = found.run.counts.bad().saturating_sub(shown + known as u64);
    if more > 0 {
        let _ = write!(text, "\n\nAnd {more} more failed tests.");
    }
    Some(text)
}

/// What is known of a failed test beside its failure.
fn marks(found: &Found<'_>, case: &TestCase) -> String {
    let mut marks = String::new();
    if found.tries.has_passed(case) {
        marks.push_str(" (flaky: it passed at an earlier try)");
    }
    if let Some(Before { failed, flaky, of }) = found.compared.before(&case.name) {
        let and = if flaky > 0 { format!(", and passed only when run again in {flaky}") } else { String::new() };
        let _ = write!(marks, " (flaky before: failed in {failed} of the last {of} runs of the base branch{and})");
    }
    marks
}

/// Those that fail on the base too: their names.
fn failed_before(found: &Found<'_>, failures: &[Failure<'_>]) -> Option<String> {
    let (base, _) = found.compared.base.filter(|_| !failures.is_empty())?;
    let lines = failures.iter().take(NAMED_MAX).map(|failure| {
        let first = excerpt(failure.case);
        let says = first.lines().next().map(|line| format!(": {}", code(line, NAME_CHARS_MAX))).unwrap_or_default();
        format!("\n- {}{says}{}", code(&failure.case.name, NAME_CHARS_MAX), marks(found, failure.case))
    });
    let more = and_more(failures.len(), NAMED_MAX);
    let at = compared_with(base);
    Some(format!("### Failed on the base too\n\nThese fail at {at}, as well.\n{}{more}", lines.collect::<String>()))
}

/// Those that passed only when run again.
fn flaky(found: &Found<'_>) -> Option<String> {
    let of_report = found.run.flaky.iter().map(|case| (case, "it passed only when run again".to_owned()));
    let of_tries = found.tries.flaky.iter().map(|(case, times)| {
        let times = if *times == 1 { "at an earlier try".to_owned() } else { format!("at {times} earlier tries") };
        (case, format!("it failed {times}, and not at the last one"))
    });
    let all: Vec<(&TestCase, String)> = of_report.chain(of_tries).collect();
    if all.is_empty() {
        return None;
    }
    let lines = all.iter().take(NAMED_MAX).map(|(case, how)| {
        let first = excerpt(case);
        let says = first.lines().next().map(|line| format!(", with {}", code(line, NAME_CHARS_MAX))).unwrap_or_default();
        format!("\n- {}: {how}{says}{}", code(&case.name, NAME_CHARS_MAX), before(found, case))
    });
    let more = and_more(usize::try_from(found.flaky()).unwrap_or(usize::MAX), NAMED_MAX);
    Some(format!("### Flaky tests\n{}{more}", lines.collect::<String>()))
}

fn before(found: &Found<'_>, case: &TestCase) -> String {
    let before = found.compared.before(&case.name);
    before
        .map(|before| {
            format!(" (flaky before, in {} of the last {} runs of the base branch)", before.failed.max(before.flaky), before.of)
        })
        .unwrap_or_default()
}

fn and_more(all: usize, shown: usize) -> String {
    match all.saturating_sub(shown) {
        0 => String::new(),
        more => format!("\n- and {more} more"),
    }
}

fn slowest(found: &Found<'_>) -> Option<String> {
    if found.run.slowest.is_empty() {
        return None;
    }
    let lines = found.run.slowest.iter().map(|(secs, name)| format!("\n- {secs:.3} s {}", code(name, NAME_CHARS_MAX)));
    Some(format!("### Slowest tests\n{}", lines.collect::<String>()))
}

/// What is shown of a failed test's texts: some lines of the part that says why.
pub(super) fn excerpt(case: &TestCase) -> String {
    let (message, text) = (without_controls(&case.message, true), without_controls(&case.text, true));
    let (message, text) = (message.trim(), text.trim());
    // Many tools repeat the message as the text's beginning.
    let whole = if text.starts_with(message) || message.is_empty() { text.to_owned() } else { format!("{message}\n{text}") };
    let whole = whole.trim_end();
    match case.cause {
        Cause::First => beginning(whole),
        Cause::Last => end(whole),
    }
}

fn beginning(text: &str) -> String {
    let lines: Vec<&str> = text.lines().take(TEXT_LINES_MAX).collect();
    let mut excerpt: String = lines.join("\n").chars().take(TEXT_CHARS_MAX).collect();
    if excerpt.len() < text.len() {
        excerpt.push('…');
    }
    excerpt
}

fn end(text: &str) -> String {
    let mut lines: Vec<&str> = text.lines().rev().take(TEXT_LINES_MAX).collect();
    lines.reverse();
    let joined = lines.join("\n");
    let over = joined.chars().count().saturating_sub(TEXT_CHARS_MAX);
    let excerpt: String = joined.chars().skip(over).collect();
    if excerpt.len() < text.len() { format!("…{excerpt}") } else { excerpt }
}
