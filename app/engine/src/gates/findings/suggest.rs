//! Fixes that tools propose, as whole lines for a review of the change.

use gatewright_core::suggestion::Suggestion;
use gatewright_reports::Diff;
use gatewright_reports::findings::{Edit, Finding, Fix};

use super::read::Texts;
use crate::gates::markdown::{code, without_controls};

/// A suggestion replaces at most so many lines, by at most so many bytes. Larger ones are for a commit of its own.
const LINES_MAX: u32 = 20;
const BYTES_MAX: usize = 2 * 1024;

/// Rules and messages are cut to so many characters.
const RULE_CHARS_MAX: usize = 100;
const MESSAGE_CHARS_MAX: usize = 300;

/// Fixes of new findings that lie wholly on lines that the change adds, those of the worst findings first.
pub(super) fn suggestions(new: &[&Finding], diff: Option<&Diff>, texts: &mut Texts<'_>) -> Vec<Suggestion> {
    let Some(diff) = diff else { return Vec::new() };
    let mut suggestions: Vec<Suggestion> = Vec::new();
    for finding in new {
        if suggestions.len() >= Suggestion::MAX {
            break;
        }
        let Some(suggestion) = finding.fix.as_deref().and_then(|fix| suggestion(finding, fix, diff, texts)) else { continue };
        let overlaps = |other: &Suggestion| {
            other.path == suggestion.path && other.first_line <= suggestion.last_line && suggestion.first_line <= other.last_line
        };
        // Of two for one line the second no longer fits once the first is taken.
        if !suggestions.iter().any(overlaps) {
            suggestions.push(suggestion);
        }
    }
    suggestions
}

fn suggestion(finding: &Finding, fix: &Fix, diff: &Diff, texts: &mut Texts<'_>) -> Option<Suggestion> {
    let path = &fix.edits.first()?.path;
    if fix.edits.iter().any(|edit| edit.path != *path) {
        return None;
    }
    let first = fix.edits.iter().map(|edit| edit.range.start_line).min()?;
    let last = fix.edits.iter().map(last_line).max()?.max(first);
    if last - first >= LINES_MAX || !diff.adds_all(path, first, last) {
        return None;
    }
    let was = texts.lines(path, first, last)?;
    let text = applied(&was, first, &fix.edits)?;
    let fits = text.len() <= BYTES_MAX && text != was && without_controls(&text, true) == text.replace('\t', " ");
    let text = text.strip_suffix('\n').unwrap_or(&text).to_owned();
    let rule = if finding.rule.id.is_empty() { &finding.rule.tool } else { &finding.rule.id };
    let message = format!("{}: {}", code(rule, RULE_CHARS_MAX), code(&finding.message, MESSAGE_CHARS_MAX));
    fits.then(|| Suggestion { path: path.to_string(), first_line: first, last_line: last, text, message })
}

/// The last line that an edit changes. One that ends before the first character of a line leaves that line alone.
fn last_line(edit: &Edit) -> u32 {
    let range = edit.range;
    if range.end_column == Some(1) && range.end_line > range.start_line { range.end_line - 1 } else { range.end_line }
}

/// Lines with their ends, of which the first has this number, after all edits. None where edits overlap, lie outside, or
/// where it is not clear what their columns count.
fn applied(was: &str, first: u32, edits: &[Edit]) -> Option<String> {
    // Tools count columns in bytes, UTF-16 units or characters, and do not say in which. Here they are all the same.
    if !was.is_ascii() || was.contains('\r') {
        return None;
    }
    let begins: Vec<usize> = std::iter::once(0).chain(was.match_indices('\n').map(|(at, _)| at + 1)).collect();
    let offset = |line: u32, column: Option<u32>, none: usize| -> Option<usize> {
        let at = usize::try_from(line.checked_sub(first)?).ok()?;
        let begin = *begins.get(at)?;
        let end = begins.get(at + 1).map_or(was.len(), |next| next - 1);
        match column {
            Some(column) => Some(begin + usize::try_from(column).ok()?.checked_sub(1)?).filter(|at| *at <= end),
            None => Some(if none == 0 { begin } else { end }),
        }
    };
    let mut spans = Vec::new();
    for edit in edits {
        let range = edit.range;
        let from = offset(range.start_line, range.start_column, 0)?;
        let to = offset(range.end_line, range.end_column, 1)?;
        spans.push((from, to, edit.text.as_str()));
    }
    spans.sort_unstable();
    let mut text = String::new();
    let mut at = 0;
    for (from, to, new) in spans {
        text.push_str(was.get(at..from)?);
        text.push_str(new);
        at = to.max(from);
    }
    text.push_str(was.get(at..)?);
    Some(text)
}
