//! Annotations as threads on a merge request: which of them are shown, where, and as what.

use std::collections::{BTreeMap, HashSet};

use gatewright_core::forge::ForgeError;
use gatewright_core::report::{CheckReport, CheckStatus, Conclusion};
use gatewright_core::suggestion::Suggestion;
use gatewright_core::verdict::{Annotation, AnnotationLevel};
use gatewright_core::{CommitId, RepoRef};
use gatewright_forge_shared::text::one_line;
use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::changes::FileDiff;
use crate::diff::lines_of;
use crate::error::is_final;
use crate::gitlab::GitLab;
use crate::harmless::harmless;
use crate::read::DiffRefs;
use crate::thread::Thread;

/// So many threads of one check: each notifies people. The status says how many annotations have none.
const REMARKS_MAX: usize = 20;
/// A longer message is cut; the whole of it is in the gate's log.
const MESSAGE_BYTES_MAX: usize = 4_000;
const TITLE_CHARS_MAX: usize = 255;
/// An annotation over more lines than this is looked for in the first of them only.
const LINES_MAX: u32 = 1_000;
/// How the first line of such a thread begins, by which it is found again.
const MARKER: &str = "<!-- gatewright:remark ";

/// The threads of one check, as they should be and as they are.
pub(crate) struct Remarks {
    /// The merge request.
    pub(crate) number: u64,
    pub(crate) wanted: Vec<Remark>,
    pub(crate) there: Vec<Thread>,
    /// How many annotations break the gate and have no thread.
    without: usize,
    /// How many break it.
    failures: usize,
}

/// One thread as it should be.
pub(crate) struct Remark {
    pub(crate) key: String,
    pub(crate) body: String,
    pub(crate) position: Position,
}

/// A place in a merge request's diff, as GitLab's discussions name it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Position {
    position_type: &'static str,
    base_sha: String,
    start_sha: String,
    head_sha: String,
    old_path: String,
    new_path: String,
    new_line: u32,
    /// Of a line that is unchanged.
    #[serde(skip_serializing_if = "Option::is_none")]
    old_line: Option<u32>,
}

/// Between what a diff lies, in the words of [`DiffRefs`].
struct Span {
    base: CommitId,
    start: CommitId,
    head: CommitId,
}

impl Span {
    fn of(refs: DiffRefs) -> Option<Self> {
        Some(Span { base: refs.base_sha?, start: refs.start_sha?, head: refs.head_sha? })
    }
}

impl Remarks {
    /// What the status says of annotations that have no thread.
    pub(crate) fn left_out(&self) -> Option<String> {
        let without = self.without;
        (without > 0).then(|| format!("{without} of {} remarks not shown at their lines", self.failures))
    }
}

impl GitLab {
    /// None where threads stay as they are: it is about no merge request, or not over, or not judged, or not about its head.
    /// Where threads are not for us, the check is shown without.
    pub(crate) async fn remarks_of(&self, repo: &RepoRef, report: &CheckReport) -> Result<Option<Remarks>, ForgeError> {
        let Some(number) = report.pull.filter(|_| is_judged(report.status)) else {
            return Ok(None);
        };
        match self.read_remarks(repo, report, number).await {
            Err(error) if is_final(&error) => {
                tracing::warn!(forge = "gitlab", repo = repo.path, %error, "a check is shown without threads");
                Ok(None)
            }
            result => result,
        }
    }

    async fn read_remarks(&self, repo: &RepoRef, report: &CheckReport, number: u64) -> Result<Option<Remarks>, ForgeError> {
        let failures: Vec<&Annotation> =
            report.annotations.iter().filter(|annotation| annotation.level == AnnotationLevel::Failure).collect();
        let there = self.threads_of(repo, number, &marker(&report.name)).await?;
        let nothing = failures.is_empty() && report.suggestions.is_empty();
        if nothing && there.is_empty() {
            return Ok(None);
        }
        let refs = self.merge_request(repo, number).await?.diff_refs;
        let Some(span) = refs.and_then(Span::of).filter(|span| span.head == report.head) else {
            return Ok(None);
        };
        let diff = if nothing { Vec::new() } else { self.diff_of_pull(repo, number).await?.items };
        let mut wanted = wanted(&report.name, &failures, &diff, &span);
        let without = failures.len().saturating_sub(wanted.len());
        wanted.extend(suggested(report, &diff, &span));
        Ok(Some(Remarks { number, wanted, there, without, failures: failures.len() }))
    }
}

fn is_judged(status: CheckStatus) -> bool {
    match status {
        CheckStatus::Queued | CheckStatus::InProgress { .. } => false,
        CheckStatus::Completed { conclusion, .. } => match conclusion {
            Conclusion::Cancelled | Conclusion::Skipped => false,
            Conclusion::Success
            | Conclusion::Failure
            | Conclusion::Neutral
            | Conclusion::TimedOut
            | Conclusion::ActionRequired => true,
        },
    }
}

/// The first of them that lie in the diff. Equal ones are one.
fn wanted(check: &str, failures: &[&Annotation], diff: &[FileDiff], span: &Span) -> Vec<Remark> {
    let mut lines: BTreeMap<&str, (&FileDiff, BTreeMap<u32, Option<u32>>)> = BTreeMap::new();
    let mut keys = HashSet::new();
    let mut found = Vec::new();
    for annotation in failures {
        let Some(file) = diff.iter().find(|file| file.new_path == annotation.path) else { continue };
        let (file, lines) = lines.entry(&file.new_path).or_insert_with(|| (file, lines_of(&file.diff)));
        let Some((new_line, old_line)) = line_of(annotation, lines) else { continue };
        let key = key(check, annotation);
        if found.len() < REMARKS_MAX && keys.insert(key.clone()) {
            let position = position(file, span, new_line, old_line);
            found.push(Remark { body: body(check, &key, annotation), key, position });
        }
    }
    found
}

/// What tools propose to change, on lines that the diff adds. GitLab offers to apply it.
fn suggested(report: &CheckReport, diff: &[FileDiff], span: &Span) -> Vec<Remark> {
    let mut found: Vec<Remark> = Vec::new();
    for suggestion in report.suggestions.iter().take(Suggestion::MAX) {
        let Some(file) = diff.iter().find(|file| file.new_path == suggestion.path) else { continue };
        let lines = lines_of(&file.diff);
        let added = (suggestion.first_line..=suggestion.last_line).all(|line| lines.get(&line) == Some(&None));
        let key = short_hash(&[&report.name, "suggestion", &suggestion.path, &suggestion.message, &suggestion.text]);
        if let (true, Some(body)) =
            (added && found.iter().all(|other| other.key != key), proposal(&report.name, &key, suggestion))
        {
            found.push(Remark { body, key, position: position(file, span, suggestion.first_line, None) });
        }
    }
    found
}

/// None where it could not be shown as it is: what is made harmless is no longer what was proposed.
fn proposal(check: &str, key: &str, suggestion: &Suggestion) -> Option<String> {
    let below = suggestion.last_line - suggestion.first_line;
    let block = suggestion.block(&format!("suggestion:-0+{below}"));
    let body = format!("{}{key} -->\n`{check}` proposes: {}\n\n{block}", marker(check), suggestion.message);
    (harmless(&body) == body).then_some(body)
}

/// The first changed line of the annotation's, or the first that the diff shows.
fn line_of(annotation: &Annotation, lines: &BTreeMap<u32, Option<u32>>) -> Option<(u32, Option<u32>)> {
    let start = annotation.start_line.max(1);
    let end = annotation.end_line.clamp(start, start.saturating_add(LINES_MAX));
    let mut shown = lines.range(start..=end).map(|(new, old)| (*new, *old));
    shown.clone().find(|(_, old)| old.is_none()).or_else(|| shown.next())
}

fn position(file: &FileDiff, span: &Span, new_line: u32, old_line: Option<u32>) -> Position {
    Position {
        position_type: "text",
        base_sha: span.base.to_string(),
        start_sha: span.start.to_string(),
        head_sha: span.head.to_string(),
        old_path: file.old_path.clone(),
        new_path: file.new_path.clone(),
        new_line,
        old_line,
    }
}

/// The same for every run of the check, so that what was said once is not said again after a push or a rerun.
fn key(check: &str, annotation: &Annotation) -> String {
    let line = annotation.start_line.to_string();
    short_hash(&[check, &annotation.path, &line, &annotation.title])
}

fn marker(check: &str) -> String {
    // The name as a hash: it must not end the HTML comment.
    format!("{MARKER}{} ", short_hash(&[check]))
}

/// 32 hexadecimal digits. Each part is ended by a NUL, which none of them can hold.
fn short_hash(parts: &[&str]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(part.as_bytes());
        hash.update([0]);
    }
    hex::encode(&hash.finalize()[..16])
}

/// Everything that untrusted code wrote stands in a code block, whose fence is longer than any within.
fn body(check: &str, key: &str, annotation: &Annotation) -> String {
    let title = one_line(&annotation.title, TITLE_CHARS_MAX);
    let message = cut(&annotation.message);
    let text = match (title.trim(), message.trim()) {
        ("", message) => message.to_owned(),
        (title, "") => title.to_owned(),
        (title, message) if title == message => title.to_owned(),
        (title, message) => format!("{title}\n\n{message}"),
    };
    let fence = "`".repeat(longest_run(&text).max(2) + 1);
    let body = format!("{}{key} -->\n`{check}` failed here:\n\n{fence}text\n{text}\n{fence}", marker(check));
    harmless(&body).into_owned()
}

fn cut(message: &str) -> String {
    let message = message.replace('\0', "\u{fffd}");
    if message.len() <= MESSAGE_BYTES_MAX {
        return message;
    }
    format!("{}…", &message[..message.floor_char_boundary(MESSAGE_BYTES_MAX)])
}

fn longest_run(text: &str) -> usize {
    text.split(|c| c != '`').map(str::len).max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failure(line: u32, title: &str, message: &str) -> Annotation {
        Annotation {
            path: "src/lib.rs".to_owned(),
            start_line: line,
            end_line: line + 2,
            column: None,
            level: AnnotationLevel::Failure,
            title: title.to_owned(),
            message: message.to_owned(),
        }
    }

    #[test]
    fn a_remark_stands_at_the_first_changed_line_or_at_one_that_is_shown() {
        let lines = BTreeMap::from([(4, Some(4)), (5, None), (9, Some(8)), (10, Some(9))]);
        let at = |line| line_of(&failure(line, "t", "m"), &lines);
        assert_eq!(at(4), Some((5, None)));
        assert_eq!(at(8), Some((9, Some(8))));
        assert_eq!(at(0), None, "lines 1 to 2 are not in the diff");
        assert_eq!(at(40), None);
        let whole = Annotation { end_line: u32::MAX, ..failure(6, "t", "m") };
        assert_eq!(line_of(&whole, &lines), Some((9, Some(8))));
    }

    #[test]
    fn what_untrusted_code_wrote_cannot_leave_its_code_block() {
        let body = body("gatewright/tests", "k", &failure(1, "@all ``` x", "````\n/merge\n</details> ![x](http://evil)"));
        assert!(body.contains("\n`````text\n@all ``` x\n\n````\n\u{200B}/merge\n") && body.ends_with("\n`````"), "{body}");
        let long = super::body("c", "k", &failure(1, "t", &"日".repeat(9_000)));
        assert!(long.len() < 5_000 && long.contains("日…\n```"));
        assert_eq!(super::body("c", "k", &failure(1, "t", "t")).matches("\nt\n").count(), 1);
    }

    #[test]
    fn a_key_is_of_the_check_the_place_and_the_title() {
        let one = key("a", &failure(1, "t", "m"));
        assert_eq!(one, key("a", &failure(1, "t", "another message")));
        let others = [key("b", &failure(1, "t", "m")), key("a", &failure(2, "t", "m")), key("a", &failure(1, "u", "m"))];
        assert!(others.iter().all(|other| *other != one) && one.len() == 32);
    }
}
