//! A check run as it is sent to GitHub, and the annotations that GitHub has of it.

use std::collections::HashMap;

use gatewright_core::Timestamp;
use gatewright_core::report::{CheckAction, CheckReport, CheckStatus};
use gatewright_core::verdict::{Annotation, AnnotationLevel};
use gatewright_forge_shared::text::{keep_beginning, keep_end, one_line};
use serde::{Deserialize, Serialize};

/// A check's summary, and its text. GitHub writes "65,535 characters" and measures bytes: four-byte characters are refused
/// from 16,384 on.
const CHECK_TEXT_BYTES_MAX: usize = 65_535;
/// An annotation's message: 64 KB.
const MESSAGE_BYTES_MAX: usize = 64_000;
/// Titles.
const TITLE_CHARS_MAX: usize = 255;
/// GitHub takes no more in one request; more are appended by updates.
pub(crate) const ANNOTATIONS_PER_REQUEST: usize = 50;
/// So many annotations of one check are sent; gates keep fewer. What is beyond is left out.
const ANNOTATIONS_MAX: usize = 500;
/// A longer path is nobody's file. Paths come out of reports, which untrusted code wrote.
const PATH_BYTES_MAX: usize = 4_096;
const ACTIONS_MAX: usize = 3;
const ACTION_LABEL_CHARS_MAX: usize = 20;
const ACTION_DESCRIPTION_CHARS_MAX: usize = 40;
const ACTION_IDENTIFIER_CHARS_MAX: usize = 20;

/// The body that makes a check run or sets it anew.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct CheckBody<'a> {
    pub(crate) name: &'a str,
    /// Only when it is made; it cannot be changed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) head_sha: Option<&'a str>,
    external_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    details_url: Option<&'a str>,
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    started_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    conclusion: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    completed_at: Option<String>,
    pub(crate) output: Output,
    actions: Vec<Action>,
}

#[derive(Debug, Clone, Serialize)]
pub(crate) struct Output {
    title: String,
    summary: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) annotations: Vec<CheckAnnotation>,
}

/// The body that appends annotations and leaves the rest.
#[derive(Debug, Serialize)]
pub(crate) struct MoreAnnotations {
    pub(crate) output: Output,
}

#[derive(Debug, Clone, Serialize)]
struct Action {
    label: String,
    description: String,
    identifier: String,
}

/// An annotation, both as it is sent and as it is read back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct CheckAnnotation {
    path: String,
    start_line: u32,
    end_line: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    start_column: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    end_column: Option<u32>,
    annotation_level: Option<String>,
    message: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    title: Option<String>,
}

impl<'a> CheckBody<'a> {
    /// The report without its annotations.
    pub(crate) fn new(report: &'a CheckReport) -> Self {
        let (status, started_at, completed) = match report.status {
            CheckStatus::Queued => ("queued", None, None),
            CheckStatus::InProgress { started_at } => ("in_progress", Some(started_at), None),
            CheckStatus::Completed { started_at, completed_at, conclusion } => {
                ("completed", started_at, Some((completed_at, conclusion)))
            }
        };
        CheckBody {
            name: &report.name,
            head_sha: None,
            external_id: &report.external_id,
            details_url: report.details_url.as_deref().filter(|url| is_web_address(url)),
            status,
            started_at: started_at.map(iso),
            conclusion: completed.map(|(_, conclusion)| conclusion.as_str()),
            completed_at: completed.map(|(at, _)| iso(at)),
            output: Output::new(report),
            actions: report.actions.iter().filter_map(action).take(ACTIONS_MAX).collect(),
        }
    }
}

impl Output {
    fn new(report: &CheckReport) -> Self {
        let title = one_line(&report.title, TITLE_CHARS_MAX);
        let title = if title.trim().is_empty() { report.name.clone() } else { title };
        // GitHub wants a summary of every output.
        let summary = if report.summary.trim().is_empty() { &title } else { &report.summary };
        Output {
            summary: keep_beginning(summary, CHECK_TEXT_BYTES_MAX).into_owned(),
            text: report.text.as_deref().map(|text| keep_end(text, CHECK_TEXT_BYTES_MAX).into_owned()),
            title,
            annotations: Vec::new(),
        }
    }

    pub(crate) fn with(&self, annotations: Vec<CheckAnnotation>) -> Self {
        Output { annotations, ..self.clone() }
    }
}

/// The annotations to be shown. They belong to a check that is over: until then the verdict is not known, and what is
/// once appended cannot be taken back.
pub(crate) fn annotations(report: &CheckReport) -> Vec<CheckAnnotation> {
    match report.status {
        CheckStatus::Queued | CheckStatus::InProgress { .. } => Vec::new(),
        CheckStatus::Completed { .. } => report.annotations.iter().filter_map(annotation).take(ANNOTATIONS_MAX).collect(),
    }
}

/// Those of `wanted` that `there` does not hold, in their order; of equal ones as many as are missing.
pub(crate) fn not_yet_there(wanted: Vec<CheckAnnotation>, there: &[CheckAnnotation]) -> Vec<CheckAnnotation> {
    let mut counts: HashMap<_, usize> = HashMap::new();
    for annotation in there {
        *counts.entry(annotation.identity()).or_default() += 1;
    }
    let mut is_there = |annotation: &CheckAnnotation| match counts.get_mut(&annotation.identity()) {
        Some(count) if *count > 0 => {
            *count -= 1;
            true
        }
        Some(_) | None => false,
    };
    wanted.into_iter().filter(|annotation| !is_there(annotation)).collect()
}

impl CheckAnnotation {
    /// By what one is known again. White space is left out of it, because GitHub trims and folds it.
    fn identity(&self) -> (String, u32, u32, String, String) {
        let words = |text: &Option<String>| text.iter().flat_map(|text| text.split_whitespace()).collect::<String>();
        let level = self.annotation_level.clone().unwrap_or_default();
        (self.path.clone(), self.start_line, self.end_line, level, words(&self.title) + &words(&self.message))
    }
}

/// None where GitHub would refuse it, and the whole check with it.
fn annotation(annotation: &Annotation) -> Option<CheckAnnotation> {
    let path = &annotation.path;
    if path.is_empty() || path.len() > PATH_BYTES_MAX || path.chars().any(char::is_control) {
        return None;
    }
    let start_line = annotation.start_line.max(1);
    let end_line = annotation.end_line.max(start_line);
    let column = annotation.column.filter(|column| start_line == end_line && *column > 0);
    let title = one_line(&annotation.title, TITLE_CHARS_MAX);
    let message = keep_beginning(&annotation.message, MESSAGE_BYTES_MAX).into_owned();
    let message = match (message.trim().is_empty(), title.trim().is_empty()) {
        (false, _) => message,
        (true, false) => title.clone(),
        (true, true) => "(no message)".to_owned(),
    };
    Some(CheckAnnotation {
        path: path.clone(),
        start_line,
        end_line,
        start_column: column,
        end_column: column,
        annotation_level: Some(level(annotation.level).to_owned()),
        message: Some(message),
        title: Some(title).filter(|title| !title.trim().is_empty()),
    })
}

fn level(level: AnnotationLevel) -> &'static str {
    match level {
        AnnotationLevel::Failure => "failure",
        AnnotationLevel::Warning => "warning",
        AnnotationLevel::Notice => "notice",
    }
}

/// A button whose identifier does not fit is left out: cut, it would come back as one that nobody knows.
fn action(action: &CheckAction) -> Option<Action> {
    let length = action.identifier.chars().count();
    (1..=ACTION_IDENTIFIER_CHARS_MAX).contains(&length).then(|| Action {
        label: one_line(&action.label, ACTION_LABEL_CHARS_MAX),
        description: one_line(&action.description, ACTION_DESCRIPTION_CHARS_MAX),
        identifier: action.identifier.clone(),
    })
}

fn is_web_address(url: &str) -> bool {
    url.starts_with("https://") || url.starts_with("http://")
}

/// `YYYY-MM-DDTHH:MM:SSZ`: GitHub takes no fractions in some of its versions.
fn iso(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

#[cfg(test)]
mod tests {
    use gatewright_core::report::Conclusion;

    use super::*;

    fn report(status: CheckStatus) -> CheckReport {
        CheckReport {
            name: "gatewright/tests".to_owned(),
            head: "a".repeat(40).parse().expect("a commit"),
            pull: None,
            external_id: "run/tests".to_owned(),
            status,
            title: "3 passed".to_owned(),
            summary: String::new(),
            text: None,
            annotations: Vec::new(),
            suggestions: Vec::new(),
            actions: Vec::new(),
            details_url: Some("javascript:alert(1)".to_owned()),
        }
    }

    fn remark(start_line: u32, end_line: u32) -> Annotation {
        Annotation {
            path: "src/lib.rs".to_owned(),
            start_line,
            end_line,
            column: Some(7),
            level: AnnotationLevel::Failure,
            title: "t".repeat(400),
            message: "m".repeat(100_000),
        }
    }

    fn completed() -> CheckStatus {
        let completed_at = "2026-03-04T05:06:07.89Z".parse().expect("a time");
        CheckStatus::Completed { started_at: None, completed_at, conclusion: Conclusion::TimedOut }
    }

    #[test]
    fn a_completed_check_says_when_and_how_and_carries_no_foreign_address() {
        let json = serde_json::to_value(CheckBody::new(&report(completed()))).expect("serializable");
        let expected = serde_json::json!({
            "name": "gatewright/tests", "external_id": "run/tests", "status": "completed", "conclusion": "timed_out",
            "completed_at": "2026-03-04T05:06:07Z", "actions": [],
            "output": {"title": "3 passed", "summary": "3 passed"},
        });
        assert_eq!(json, expected);
    }

    #[test]
    fn annotations_wait_for_the_end_and_fit() {
        let mut report = report(CheckStatus::Queued);
        report.annotations = vec![remark(0, 0), remark(5, 9), remark(1, 1), remark(1, 1), remark(1, 1)];
        report.annotations[2].path = String::new();
        report.annotations[3].path = "a\0b".to_owned();
        report.annotations[4].path = "p".repeat(5_000);
        assert_eq!(annotations(&report), []);
        report.status = completed();
        let sent = annotations(&report);
        assert_eq!(sent.len(), 2);
        assert_eq!((sent[0].start_line, sent[0].end_line, sent[0].start_column), (1, 1, Some(7)));
        assert_eq!((sent[1].start_line, sent[1].end_line, sent[1].start_column), (5, 9, None));
        assert_eq!(sent[0].title.as_ref().map(|t| t.chars().count()), Some(255));
        assert!(sent[0].message.as_ref().is_some_and(|m| m.len() <= 64_000 && m.contains("left out")));
    }

    #[test]
    fn only_what_is_missing_is_sent_again_and_equal_ones_are_counted() {
        let wanted: Vec<_> = [3, 1, 1, 2, 1].iter().filter_map(|line| annotation(&remark(*line, *line))).collect();
        let mut there = vec![wanted[1].clone(), wanted[0].clone(), wanted[2].clone()];
        there[0].message = there[0].message.take().map(|m| format!("{m} \n"));
        let missing: Vec<_> = not_yet_there(wanted.clone(), &there).iter().map(|a| a.start_line).collect();
        assert_eq!(missing, [2, 1]);
        assert_eq!(not_yet_there(wanted.clone(), &wanted), []);
    }

    #[test]
    fn buttons_are_three_and_keep_their_identifier() {
        let button = |identifier: &str| CheckAction {
            label: "A label that is far too long".to_owned(),
            description: "d".repeat(60),
            identifier: identifier.to_owned(),
        };
        let mut report = report(CheckStatus::Queued);
        report.actions = ["one", "", "an-identifier-that-is-too-long", "two", "three", "four"].map(button).to_vec();
        let actions = CheckBody::new(&report).actions;
        assert_eq!(actions.iter().map(|a| a.identifier.as_str()).collect::<Vec<_>>(), ["one", "two", "three"]);
        assert!(actions.iter().all(|a| a.label.chars().count() == 20 && a.description.chars().count() == 40));
    }
}
