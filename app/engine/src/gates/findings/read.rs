//! Reads the reports of a gate together, in the paths of the repository.

use std::collections::HashMap;

use gatewright_core::verdict::{Evidence, ReportFile, Reports, SourceText};
use gatewright_reports::findings::{self, Findings, Merger};
use gatewright_reports::{Diff, RepositoryFiles};

use crate::gates::markdown::code;
use crate::gates::{PATH_CHARS_MAX, mapping, opened};

/// So many problems with reports are shown.
const PROBLEMS_MAX: usize = 20;

/// Files of the repository are read so often to recognise findings by their lines. Beyond, their messages tell.
const TEXTS_MAX: usize = 2_000;

/// So many bytes of them are kept at a time. What is wanted again after that is read again.
const KEPT_BYTES_MAX: usize = 32 * 1024 * 1024;

/// A file of the repository is read if it has at most so many bytes.
const TEXT_BYTES_MAX: u64 = 4 * 1024 * 1024;

/// What the reports of a gate say together.
pub(super) struct Found<'a> {
    /// With fingerprints.
    pub(super) findings: Findings,
    /// What the change adds. None where nothing says so.
    pub(super) diff: Option<Diff>,
    pub(super) texts: Texts<'a>,
}

/// Reads all reports, or says what is wrong with them.
pub(super) fn read<'a>(reports: &Reports, evidence: &'a Evidence) -> Result<Found<'a>, Vec<String>> {
    let survey = evidence.survey.as_ref();
    let files = RepositoryFiles::new(survey.into_iter().flat_map(|survey| survey.files.iter().cloned()));
    let mapping = mapping(evidence);
    let mut problems: Vec<String> =
        reports.errors.iter().map(|error| format!("A report cannot be read: {}", code(error, PATH_CHARS_MAX))).collect();
    let mut merger = Merger::default();
    for report in &reports.files {
        match read_one(report) {
            Ok(mut findings) => {
                findings.map(&files, &mapping);
                merger.add(findings);
            }
            Err(problem) => problems.push(problem),
        }
    }
    let diff = survey.and_then(|survey| survey.diff.as_ref()).map(|diff| Diff::read(diff.as_ref())).transpose();
    let diff = diff.map_err(|error| {
        problems.push(format!("What the change adds cannot be read: {}", code(&error.to_string(), PATH_CHARS_MAX)))
    });
    problems.truncate(PROBLEMS_MAX);
    match diff {
        Ok(diff) if problems.is_empty() => {
            let mut findings = merger.finish();
            let source = survey.and_then(|survey| survey.texts.as_deref());
            let mut texts = Texts { source, reads: 0, known: HashMap::new(), bytes: 0 };
            findings.identify(|path, line| texts.lines(path, line, line));
            Ok(Found { findings, diff, texts })
        }
        Ok(_) | Err(()) => Err(problems),
    }
}

fn read_one(report: &ReportFile) -> Result<Findings, String> {
    let path = code(&report.path, PATH_CHARS_MAX);
    let (head, content) = opened(report)?;
    let format = findings::sniff(&report.path, &head).ok_or_else(|| unknown(&path, &head))?;
    findings::read(format, content)
        .map_err(|error| format!("The report {path} cannot be read: {}", code(&error.to_string(), PATH_CHARS_MAX)))
}

/// Of an empty file nobody knows whether its tool has found nothing, or has written nothing.
fn unknown(path: &str, head: &[u8]) -> String {
    match head.trim_ascii().is_empty() {
        true => format!(
            "The report {path} is empty: a tool that failed leaves the same. One that writes nothing where it finds nothing is believed \
             where its report is called `*.rdjsonl`."
        ),
        false => format!("The report {path} is in no format that is known here."),
    }
}

/// The lines of the repository's files.
pub(super) struct Texts<'a> {
    source: Option<&'a dyn SourceText>,
    reads: usize,
    known: HashMap<String, Option<Lines>>,
    bytes: usize,
}

/// A file, and where its lines begin.
struct Lines {
    text: String,
    begins: Vec<usize>,
}

impl Lines {
    fn of(bytes: &[u8]) -> Lines {
        let text = String::from_utf8_lossy(bytes).into_owned();
        let begins = std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect();
        Lines { text, begins }
    }

    fn lines(&self, first: u32, last: u32) -> Option<&str> {
        let begin = *self.begins.get(usize::try_from(first).ok()?.checked_sub(1)?)?;
        let end = self.begins.get(usize::try_from(last).ok()?).copied().unwrap_or(self.text.len());
        self.text.get(begin..end)
    }
}

impl Texts<'_> {
    /// Lines of a file with their ends. None where there is no such file, or line.
    pub(super) fn lines(&mut self, path: &str, first: u32, last: u32) -> Option<String> {
        if !self.known.contains_key(path) {
            if self.reads >= TEXTS_MAX {
                return None;
            }
            self.reads += 1;
            if self.bytes > KEPT_BYTES_MAX {
                self.known.clear();
                self.bytes = 0;
            }
            let lines = self.source.and_then(|source| source.read(path, TEXT_BYTES_MAX)).map(|bytes| Lines::of(&bytes));
            self.bytes += lines.as_ref().map_or(0, |lines| lines.text.len() + lines.begins.len() * size_of::<usize>());
            self.known.insert(path.to_owned(), lines);
        }
        self.known.get(path)?.as_ref()?.lines(first, last).map(str::to_owned)
    }
}
