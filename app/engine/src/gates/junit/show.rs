//! What is shown of test reports, in Markdown. All names and texts in it come from untrusted code.

use std::fmt::Write;

use super::super::markdown::{code, fenced, without_controls};
use super::{Broken, Tally};

/// A test's name is shown up to so many characters.
pub(super) const NAME_CHARS_MAX: usize = 200;

/// Of a failed test's text so many characters and lines are shown.
const TEXT_CHARS_MAX: usize = 1000;
const TEXT_LINES_MAX: usize = 20;

/// The glob and path names in a sentence are cut to so many characters.
const PATH_CHARS_MAX: usize = 200;

/// So many problems with reports are shown.
const PROBLEMS_MAX: usize = 20;

/// Counts, failed tests and the slowest ones.
pub(super) fn summary(notes: &[String], tally: &Tally) -> String {
    let mut parts: Vec<String> = notes.iter().take(PROBLEMS_MAX).cloned().collect();
    if notes.len() > PROBLEMS_MAX {
        parts.push(format!("And {} more reports that cannot be read.", notes.len() - PROBLEMS_MAX));
    }
    if tally.tests() > 0 {
        parts.push(counts(tally));
    }
    parts.extend(failed(tally));
    parts.extend(slowest(tally));
    parts.join("\n\n")
}

/// An error of the sandbox while it read reports.
pub(super) fn problem(error: &str) -> String {
    format!("A report cannot be read: {}", code(error, PATH_CHARS_MAX))
}

/// A report that cannot be read, with its place.
pub(super) fn broken(path: &str, broken: &Broken) -> String {
    let Broken { line, column, cause } = broken;
    let place = code(&format!("{path}:{line}:{column}"), PATH_CHARS_MAX);
    format!("The report {place} cannot be read: {}", code(cause, PATH_CHARS_MAX))
}

/// No file matches the globs.
pub(super) fn no_report(globs: &[String]) -> String {
    let globs: Vec<String> = globs.iter().take(10).map(|glob| code(glob, PATH_CHARS_MAX)).collect();
    format!("No file matches {}. `junit` in the repository file says where the command writes its report.", globs.join(", "))
}

fn counts(tally: &Tally) -> String {
    let Tally { passed, failed, errored, skipped, flaky, secs, .. } = tally;
    let mut table = format!(
        "| tests | passed | failed | errors | skipped | time |\n|--:|--:|--:|--:|--:|--:|\n\
         | {} | {passed} | {failed} | {errored} | {skipped} | {secs:.2} s |",
        tally.tests()
    );
    if *flaky > 0 {
        let _ = write!(table, "\n\n{flaky} of the passed tests passed only when run again.");
    }
    table
}

fn failed(tally: &Tally) -> Option<String> {
    if tally.shown.is_empty() {
        return None;
    }
    let mut text = "### Failed tests".to_owned();
    for failure in &tally.shown {
        let at = failure.place.as_ref().map(|place| format!(" at {}", code(place, PATH_CHARS_MAX)));
        let _ = write!(text, "\n\n- {}{}", code(&failure.name, NAME_CHARS_MAX), at.unwrap_or_default());
        let block = fenced(&failure.text);
        if !block.is_empty() {
            let _ = write!(text, "\n\n{block}");
        }
    }
    let more = tally.bad().saturating_sub(tally.shown.len() as u64);
    if more > 0 {
        let _ = write!(text, "\n\nAnd {more} more failed tests.");
    }
    Some(text)
}

fn slowest(tally: &Tally) -> Option<String> {
    if tally.slowest.is_empty() {
        return None;
    }
    let lines = tally.slowest.iter().map(|(secs, name)| format!("\n- {secs:.3} s {}", code(name, NAME_CHARS_MAX)));
    Some(format!("### Slowest tests\n{}", lines.collect::<String>()))
}

/// What is kept of a failed test's texts: the beginning, as lines.
pub(super) fn excerpt(message: &str, text: &str) -> String {
    let (message, text) = (without_controls(message, true), without_controls(text, true));
    let (message, text) = (message.trim(), text.trim());
    // Many tools repeat the message as the text's beginning.
    let whole = if text.starts_with(message) || message.is_empty() { text.to_owned() } else { format!("{message}\n{text}") };
    let lines: Vec<&str> = whole.trim_end().lines().take(TEXT_LINES_MAX).collect();
    let mut excerpt: String = lines.join("\n").chars().take(TEXT_CHARS_MAX).collect();
    if excerpt.len() < whole.trim_end().len() {
        excerpt.push('…');
    }
    excerpt
}
