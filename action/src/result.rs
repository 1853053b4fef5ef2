//! The file of results: what one step leaves for another, and what a pull request's job leaves for a workflow with rights.
//!
//! The second is why it is read so strictly. Whoever opens a pull request from a fork decides what is in it: an unknown field, a
//! text that is too long, a path that leaves the repository, a verdict that its gates do not come to, or any sign that it was
//! not written here makes it no file of results.

use std::collections::BTreeSet;

use gatewright_core::verdict::{Annotation, AnnotationLevel, Verdict, VerdictStatus};
use gatewright_core::{CommitId, GateName};
use gatewright_forge_shared::text::{keep_beginning, one_line};
use serde::{Deserialize, Serialize};

use crate::checked::{Checked, CheckedGate, Counts, word};

/// The file's name in the folder of reports.
pub const FILE_NAME: &str = "result.json";

/// Raised where a reader of the older form could not make sense of the newer.
pub const VERSION: u32 = 1;

/// A file with more bytes is not read. What is written is within it by the limits below.
pub const FILE_BYTES_MAX: u64 = 24 * 1024 * 1024;

/// A repository file has fewer gates.
const GATES_MAX: usize = 200;
/// Of all gates together.
const ANNOTATIONS_MAX: usize = 1_000;
/// A title, and what is different from the base.
const LINE_CHARS_MAX: usize = 500;
/// What one gate says in Markdown.
const SUMMARY_BYTES_MAX: usize = 64 * 1024;
/// An annotation's message. GitHub takes 64 KB.
const MESSAGE_BYTES_MAX: usize = 8 * 1024;
const TITLE_CHARS_MAX: usize = 255;
/// A longer path is nobody's file.
const PATH_BYTES_MAX: usize = 4_096;
/// A gate that took longer than a year is none.
const DURATION_MS_MAX: u64 = 366 * 24 * 3_600 * 1_000;
/// More lines than that has no file.
const LINE_MAX: u32 = 100_000_000;

/// Why a file is none of ours.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ResultError {
    /// It is no JSON, or not of the file's shape. The words hold nothing of the file.
    #[error("the file of results cannot be read: it is not of the shape that Gatewright writes (line {line}, column {column})")]
    Shape {
        /// Where reading ended.
        line: usize,
        /// Where reading ended.
        column: usize,
    },
    /// It was written by another version.
    #[error(
        "the file of results is of form {0}, and this Gatewright reads form {VERSION}; have both workflows use the same version"
    )]
    Version(u32),
    /// Something in it cannot be.
    #[error("the file of results is refused: {0}")]
    Refused(&'static str),
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    version: u32,
    verdict: String,
    headline: String,
    counts: Counts,
    head: Option<CommitId>,
    base: Option<CommitId>,
    gates: Vec<Gate>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Gate {
    name: GateName,
    required: bool,
    status: VerdictStatus,
    title: String,
    change: String,
    duration_ms: Option<u64>,
    summary: String,
    annotations: Vec<Remark>,
    annotations_left_out: u64,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Remark {
    path: String,
    start_line: u32,
    end_line: u32,
    column: Option<u32>,
    level: AnnotationLevel,
    title: String,
    message: String,
}

#[derive(Deserialize)]
struct VersionOnly {
    version: u32,
}

/// The file's text. What is too long for it is cut, and what is too much is counted.
pub fn write(checked: &Checked) -> String {
    let mut room = ANNOTATIONS_MAX;
    let mut gates: Vec<Gate> = checked.gates.iter().take(GATES_MAX).map(|gate| written(gate, &mut room)).collect();
    gates.shrink_to_fit();
    let file = File {
        version: VERSION,
        verdict: word(checked.status()).to_owned(),
        headline: checked.headline(),
        counts: checked.counts(),
        head: checked.head.clone(),
        base: checked.base.clone(),
        gates,
    };
    // Every part of it is a text, a number, or a list of these.
    serde_json::to_string_pretty(&file).expect("it can be written as JSON")
}

fn written(gate: &CheckedGate, room: &mut usize) -> Gate {
    let verdict = &gate.verdict;
    let annotations: Vec<Remark> = verdict.annotations.iter().filter(|a| is_place(a)).take(*room).map(remark).collect();
    *room -= annotations.len();
    Gate {
        name: gate.name.clone(),
        required: gate.required,
        status: verdict.status,
        title: one_line(&verdict.title, LINE_CHARS_MAX),
        change: one_line(&verdict.change, LINE_CHARS_MAX),
        duration_ms: gate.duration_ms.map(|ms| ms.min(DURATION_MS_MAX)),
        summary: keep_beginning(&verdict.summary, SUMMARY_BYTES_MAX).into_owned(),
        annotations_left_out: verdict.annotations_left_out + (verdict.annotations.len() - annotations.len()) as u64,
        annotations,
    }
}

fn remark(annotation: &Annotation) -> Remark {
    Remark {
        path: annotation.path.clone(),
        start_line: annotation.start_line,
        end_line: annotation.end_line,
        column: annotation.column,
        level: annotation.level,
        title: one_line(&annotation.title, TITLE_CHARS_MAX),
        message: keep_beginning(&annotation.message, MESSAGE_BYTES_MAX).into_owned(),
    }
}

/// Whether an annotation is at a place that a file of a repository has.
fn is_place(annotation: &Annotation) -> bool {
    let (start, end) = (annotation.start_line, annotation.end_line);
    is_path(&annotation.path) && start >= 1 && end >= start && end <= LINE_MAX && annotation.column != Some(0)
}

/// Whether it is a path within a repository.
fn is_path(path: &str) -> bool {
    let parts = || path.split('/');
    (1..=PATH_BYTES_MAX).contains(&path.len())
        && !path.contains(['\\', '\0'])
        && !path.chars().any(char::is_control)
        && parts().all(|part| !matches!(part, "" | "." | ".."))
        && parts().next() != Some(".git")
}

/// Reads such a file, whoever wrote it.
///
/// # Errors
/// [`ResultError`], of which no text holds anything of the file.
pub fn read(text: &[u8]) -> Result<Checked, ResultError> {
    if text.len() as u64 > FILE_BYTES_MAX {
        return Err(ResultError::Refused("it is too large"));
    }
    let shape = |error: serde_json::Error| ResultError::Shape { line: error.line(), column: error.column() };
    let VersionOnly { version } = serde_json::from_slice(text).map_err(shape)?;
    if version != VERSION {
        return Err(ResultError::Version(version));
    }
    let file: File = serde_json::from_slice(text).map_err(shape)?;
    if file.gates.len() > GATES_MAX {
        return Err(ResultError::Refused("it has too many gates"));
    }
    let mut names = BTreeSet::new();
    if !file.gates.iter().all(|gate| names.insert(gate.name.clone())) {
        return Err(ResultError::Refused("it has a gate twice"));
    }
    if file.gates.iter().map(|gate| gate.annotations.len()).sum::<usize>() > ANNOTATIONS_MAX {
        return Err(ResultError::Refused("it has too many annotations"));
    }
    let gates: Result<Vec<CheckedGate>, ResultError> = file.gates.into_iter().map(read_gate).collect();
    let checked = Checked { head: file.head, base: file.base, gates: gates? };
    if file.verdict != word(checked.status()) || file.headline != checked.headline() || file.counts != checked.counts() {
        return Err(ResultError::Refused("its verdict is not what its gates come to"));
    }
    Ok(checked)
}

fn read_gate(gate: Gate) -> Result<CheckedGate, ResultError> {
    let lines = [&gate.title, &gate.change];
    if lines.iter().any(|line| line.chars().count() > LINE_CHARS_MAX) || gate.summary.len() > SUMMARY_BYTES_MAX {
        return Err(ResultError::Refused("a text in it is too long"));
    }
    if gate.duration_ms.is_some_and(|ms| ms > DURATION_MS_MAX) || gate.annotations_left_out > u64::from(u32::MAX) {
        return Err(ResultError::Refused("a number in it cannot be"));
    }
    let annotations: Result<Vec<Annotation>, ResultError> = gate.annotations.into_iter().map(read_remark).collect();
    let verdict = Verdict {
        annotations: annotations?,
        annotations_left_out: gate.annotations_left_out,
        change: gate.change,
        ..Verdict::plain(gate.status, gate.title, gate.summary)
    };
    Ok(CheckedGate { name: gate.name, required: gate.required, verdict, duration_ms: gate.duration_ms })
}

fn read_remark(remark: Remark) -> Result<Annotation, ResultError> {
    let Remark { path, start_line, end_line, column, level, title, message } = remark;
    if title.chars().count() > TITLE_CHARS_MAX || message.len() > MESSAGE_BYTES_MAX {
        return Err(ResultError::Refused("a text in it is too long"));
    }
    let annotation = Annotation { path, start_line, end_line, column, level, title, message };
    if is_place(&annotation) {
        Ok(annotation)
    } else {
        Err(ResultError::Refused("an annotation in it is at no place of a repository"))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;
    use crate::checked::tests::{checked, gate};
    use VerdictStatus::{Failed, Passed};

    fn annotation(path: &str, line: u32) -> Annotation {
        Annotation {
            path: path.to_owned(),
            start_line: line,
            end_line: line,
            column: Some(2),
            level: AnnotationLevel::Warning,
            title: "t".to_owned(),
            message: "m".to_owned(),
        }
    }

    fn sample() -> Checked {
        let mut lint = gate("lint", true, Failed);
        lint.verdict.annotations = vec![annotation("src/a.rs", 3)];
        lint.verdict.summary = "**bad**".to_owned();
        let mut sample = checked(vec![lint, gate("tests", false, Passed)]);
        sample.head = "a".repeat(40).parse().ok();
        sample
    }

    fn changed(change: impl Fn(&mut Value)) -> Result<Checked, ResultError> {
        let mut value: Value = serde_json::from_str(&write(&sample())).expect("it is JSON");
        change(&mut value);
        read(value.to_string().as_bytes())
    }

    #[test]
    fn what_was_written_is_read_back() {
        assert_eq!(read(write(&sample()).as_bytes()), Ok(sample()));
    }

    #[test]
    fn what_is_too_long_is_cut_when_it_is_written_and_refused_when_it_is_read() {
        let mut long = sample();
        let verdict = &mut long.gates[0].verdict;
        verdict.title = "é\n".repeat(2_000);
        verdict.summary = "line\n".repeat(100_000);
        verdict.annotations =
            (1..=2_000).map(|line| Annotation { message: "x".repeat(100_000), ..annotation("a", line) }).collect();
        let text = write(&long);
        assert!(text.len() as u64 <= FILE_BYTES_MAX);
        let back = read(text.as_bytes()).expect("what is written can be read");
        assert_eq!((back.gates[0].verdict.annotations.len(), back.gates[0].verdict.annotations_left_out), (1_000, 1_000));
        let refused = |change: &dyn Fn(&mut Value)| changed(change).expect_err("it is refused").to_string();
        assert_eq!(
            refused(&|v| v["gates"][0]["title"] = json!("x".repeat(501))),
            "the file of results is refused: a text in it is too long"
        );
        refused(&|v| v["gates"][0]["summary"] = json!("x".repeat(70_000)));
        refused(&|v| v["gates"][0]["annotations"] = json!(vec![v["gates"][0]["annotations"][0].clone(); 1_001]));
    }

    #[test]
    fn a_file_that_was_not_written_here_is_refused() {
        for change in [
            (&|v: &mut Value| v["extra"] = json!(1)) as &dyn Fn(&mut Value),
            &|v| v["gates"][0]["extra"] = json!(1),
            &|v| v["gates"][0]["name"] = json!("a b"),
            &|v| v["gates"][0]["status"] = json!("great"),
            &|v| v["gates"][1]["name"] = json!("lint"),
            &|v| v["verdict"] = json!("passed"),
            &|v| v["gates"][0]["status"] = json!("passed"),
            &|v| v["counts"]["failed"] = json!(0),
            &|v| v["headline"] = json!("all is well"),
            &|v| v["head"] = json!("main"),
            &|v| v["gates"][0]["duration_ms"] = json!(u64::MAX),
            &|v| v["gates"][0]["annotations_left_out"] = json!(u64::MAX),
        ] {
            assert!(changed(change).is_err());
        }
        assert_eq!(changed(|v| v["version"] = json!(2)), Err(ResultError::Version(2)));
        for bytes in [&b""[..], b"[]", b"{", b"\xff", b"{\"version\": 1}"] {
            assert!(read(bytes).is_err());
        }
        let deep = format!("{{\"version\": 1, \"gates\": {}{}}}", "[".repeat(100_000), "]".repeat(100_000));
        assert!(matches!(read(deep.as_bytes()), Err(ResultError::Shape { .. })), "nesting is bounded");
    }

    #[test]
    fn an_annotation_is_within_the_repository() {
        for path in ["/etc/passwd", "../x", "a/../../x", "a//b", "./a", "", "a\\b", "a\nb", ".git/config", &"p".repeat(5_000)] {
            assert!(changed(|v| v["gates"][0]["annotations"][0]["path"] = json!(path)).is_err(), "{path:?}");
        }
        for (start, end) in [(0, 0), (3, 2), (1, 200_000_000)] {
            let at = |v: &mut Value| {
                v["gates"][0]["annotations"][0]["start_line"] = json!(start);
                v["gates"][0]["annotations"][0]["end_line"] = json!(end);
            };
            assert!(changed(at).is_err(), "{start}-{end}");
        }
    }

    proptest! {
        #[test]
        fn no_byte_makes_it_panic_and_what_is_read_is_within_the_limits(at in 0usize..2_000, byte: u8) {
            let mut text = write(&sample()).into_bytes();
            let at = at % text.len();
            text[at] = byte;
            if let Ok(checked) = read(&text) {
                prop_assert_eq!(read(write(&checked).as_bytes()), Ok(checked));
            }
        }
    }
}
