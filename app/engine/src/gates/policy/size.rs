//! `size-at-most`: how large a change may be. Lock files never count: no person writes them.

use gatewright_core::config::{Policy, Size};
use gatewright_core::plan::PathRules;
use gatewright_core::survey::{FileChange, Survey, SurveyWanted};
use gatewright_core::verdict::AnnotationLevel;
use gatewright_reports::lockfiles::format_of;

use super::{Found, NAMED_MAX, Rule, counted, named, remark, word};

pub(super) const RULE: Rule = Rule {
    name: "size-at-most",
    asked: |policy| policy.size.is_some(),
    wanted: |_| SurveyWanted { changes: true, ..SurveyWanted::default() },
    check,
};

fn check(policy: &Policy, survey: &Survey) -> Found {
    let Some(changes) = &survey.changes else { return Found::nothing_to_compare() };
    let size = policy.size.clone().unwrap_or_default();
    let except = PathRules::new(&size.except);
    // Without rules every path would match.
    let counts =
        |change: &&FileChange| format_of(&change.path).is_none() && (size.except.is_empty() || !except.matches(&change.path));
    let counted_files: Vec<&FileChange> = changes.iter().filter(counts).collect();
    let lines: u64 = counted_files.iter().map(|change| lines_of(change)).sum();
    let large = |change: &&&FileChange| size.file_bytes.is_some_and(|most| change.bytes > most);
    let large: Vec<&FileChange> = counted_files.iter().filter(large).copied().collect();
    let is = format!("{} and {}", counted(counted_files.len(), "file", "files"), counted_lines(lines));
    let faults = faults(&size, counted_files.len() as u64, lines, &large);
    if faults.is_empty() {
        return Found::kept(format!("{is} changed")).titled();
    }
    let annotations = large.iter().map(|change| {
        let message = format!("This file has {} bytes; {} are allowed.", change.bytes, size.file_bytes.unwrap_or_default());
        remark(&change.path, 1, AnnotationLevel::Failure, "Too large", message)
    });
    let next = "Split the change, keep large files elsewhere, or take generated files out with `size-at-most.except` in the \
                repository file.";
    let annotations = annotations.collect();
    let found = Found::broken(faults.join("; "), next);
    let found = if large.is_empty() { found.titled() } else { found };
    found.with_details(largest(&counted_files)).with_annotations(annotations)
}

fn faults(size: &Size, files: u64, lines: u64, large: &[&FileChange]) -> Vec<String> {
    let mut faults = Vec::new();
    if let Some(most) = size.files.filter(|most| files > *most) {
        faults.push(format!("{files} files changed, {most} are allowed"));
    }
    if let Some(most) = size.lines.filter(|most| lines > *most) {
        faults.push(format!("{} added or removed, {most} are allowed", counted_lines(lines)));
    }
    if let Some(most) = size.file_bytes.filter(|_| !large.is_empty()) {
        faults.push(format!("more than {most} bytes in {}", named(large.iter().map(|change| &change.path))));
    }
    faults
}

fn lines_of(change: &FileChange) -> u64 {
    change.added.unwrap_or(0).saturating_add(change.removed.unwrap_or(0))
}

fn counted_lines(lines: u64) -> String {
    if lines == 1 { "1 line".to_owned() } else { format!("{lines} lines") }
}

fn largest(changes: &[&FileChange]) -> String {
    let mut by_size: Vec<&&FileChange> = changes.iter().collect();
    by_size.sort_by_key(|change| std::cmp::Reverse((lines_of(change), change.bytes)));
    let row = |change: &&&FileChange| {
        let lines = match (change.added, change.removed) {
            (Some(added), Some(removed)) => format!("+{added} −{removed}"),
            _ => "binary".to_owned(),
        };
        format!("| {} | {lines} | {} |\n", word(&change.path).replace('|', "\\|"), change.bytes)
    };
    let rows: String = by_size.iter().take(NAMED_MAX).map(row).collect();
    format!("The largest of what has changed:\n\n| file | lines | bytes |\n|---|--:|--:|\n{}", rows.trim_end())
}
