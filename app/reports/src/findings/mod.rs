//! Findings: what linters, compilers and scanners say is wrong, and where.
//!
//! [`read`] makes [`Findings`] of one file, in the paths of its tool; [`Findings::map`] puts the repository's in their place;
//! [`Findings::identify`] gives each a fingerprint that survives moved lines, and [`Findings::new_against`] says which of them
//! the base does not have.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::sync::Arc;

use crate::error::{Fault, ReportError};
use crate::json::Json;
use crate::paths::{Mapping, RepositoryFiles};

mod cargo;
mod cargo_audit;
mod checkstyle;
mod collect;
mod cvss;
mod eslint;
mod fingerprint;
mod gitleaks;
mod merge;
mod rdjson;
mod sarif;
mod semgrep;
mod sniff;
mod trivy;
mod write;

pub use fingerprint::{Fingerprint, Fingerprints};
pub use merge::Merger;
pub use sniff::sniff;
pub use write::{SarifLog, write_sarif};

/// The formats that are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FindingsFormat {
    /// SARIF 2.1.0.
    Sarif,
    /// Checkstyle XML, which many others write too.
    Checkstyle,
    /// Reviewdog's diagnostics, as one object.
    RdJson,
    /// Reviewdog's diagnostics, one a line.
    RdJsonLines,
    /// ESLint's `json` and `json-with-metadata`.
    Eslint,
    /// `--message-format=json` of Cargo (Clippy too), and `--error-format=json` of rustc.
    Cargo,
    /// `semgrep --json`.
    Semgrep,
    /// `trivy --format json`.
    Trivy,
    /// `gitleaks --report-format json`.
    Gitleaks,
    /// `cargo audit --json`.
    CargoAudit,
    /// `[]`: what gitleaks and ESLint write where there is nothing. Which of them has, it does not say.
    EmptyArray,
}

/// Reads a report as a stream. One without any finding is no error: there may be nothing wrong.
///
/// # Errors
/// [`ReportError`] where it is broken, cut off, hostile, beyond a limit, or in another format.
pub fn read(format: FindingsFormat, source: impl Read) -> Result<Findings, ReportError> {
    let mut findings = match format {
        FindingsFormat::Sarif => sarif::read(source),
        FindingsFormat::Checkstyle => checkstyle::read(source),
        FindingsFormat::RdJson => rdjson::read(source),
        FindingsFormat::RdJsonLines => rdjson::read_lines(source),
        FindingsFormat::Eslint => eslint::read(source),
        FindingsFormat::Cargo => cargo::read(source),
        FindingsFormat::Semgrep => semgrep::read(source),
        FindingsFormat::Trivy => trivy::read(source),
        FindingsFormat::Gitleaks => gitleaks::read(source),
        FindingsFormat::CargoAudit => cargo_audit::read(source),
        FindingsFormat::EmptyArray => read_nothing(source),
    }?;
    findings.tools.extend(tools(format).iter().map(|tool| (*tool).to_owned()));
    Ok(findings)
}

/// Who writes a format. Those that many write name their tool.
fn tools(format: FindingsFormat) -> &'static [&'static str] {
    match format {
        FindingsFormat::Sarif | FindingsFormat::RdJson | FindingsFormat::RdJsonLines | FindingsFormat::EmptyArray => &[],
        FindingsFormat::Checkstyle => &["checkstyle"],
        FindingsFormat::Eslint => &["ESLint"],
        FindingsFormat::Cargo => &["Clippy", "rustc"],
        FindingsFormat::Semgrep => &["Semgrep"],
        FindingsFormat::Trivy => &["Trivy"],
        FindingsFormat::Gitleaks => &["gitleaks"],
        FindingsFormat::CargoAudit => &["cargo-audit"],
    }
}

/// Reads an array that is empty.
fn read_nothing(source: impl Read) -> Result<Findings, ReportError> {
    let mut json = Json::new(source);
    json.array(|json| Err(json.error(Fault::broken("an array in no format that is known here"))))?;
    json.end()?;
    Ok(Findings::default())
}

/// How bad a finding is, the worst first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// To be fixed.
    Error,
    /// Probably to be fixed.
    Warning,
    /// Worth to know.
    Note,
    /// Not a matter of severity.
    None,
}

/// How bad a finding is for security, in the words of CVSS, the worst first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// From 9.0.
    Critical,
    /// From 7.0.
    High,
    /// From 4.0.
    Medium,
    /// Above 0.
    Low,
}

impl Severity {
    /// The word for a number from 0 to 10. None for 0, which is no matter of security.
    pub fn of_score(score: f32) -> Option<Severity> {
        match score {
            9.0..=10.0 => Some(Severity::Critical),
            7.0..9.0 => Some(Severity::High),
            4.0..7.0 => Some(Severity::Medium),
            _ => (score > 0.0 && score < 4.0).then_some(Severity::Low),
        }
    }
}

/// What a finding says (SARIF 2.1.0, 3.27.9).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FindingKind {
    /// A problem was found.
    #[default]
    Fail,
    /// None was found.
    Pass,
    /// Whether there is one could not be told.
    Open,
    /// Somebody has to look.
    Review,
    /// Only says something.
    Informational,
    /// The rule does not apply.
    NotApplicable,
}

/// What the report itself says of a finding against an earlier run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum BaselineState {
    /// Was not there.
    New,
    /// Was there.
    Unchanged,
    /// Was there, somewhat different.
    Updated,
    /// Was there, and is not any more.
    Absent,
}

/// What is looked for.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Rule {
    /// The program.
    pub tool: String,
    /// The rule's id within the program; may be empty.
    pub id: String,
    /// What people call it.
    pub name: Option<String>,
    /// What it is about, in a sentence.
    pub summary: Option<String>,
    /// Where to read more.
    pub help_url: Option<String>,
    /// Words that it is filed under, such as `external/cwe/cwe-079`.
    pub tags: Vec<String>,
    /// What it is about and what to do, at length.
    pub help: Option<String>,
    /// Where it stands in catalogues, such as `CWE 79`.
    pub taxa: Vec<String>,
    /// How bad what it finds is for security, from 0 to 10, as CVSS has it. What counts is [`Finding::severity`].
    pub security_severity: Option<f32>,
}

/// A part of a text file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TextRange {
    /// From 1.
    pub start_line: u32,
    /// From 1; in the units of the tool.
    pub start_column: Option<u32>,
    /// Not before the first line.
    pub end_line: u32,
    /// Behind the last character.
    pub end_column: Option<u32>,
}

/// Where something is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Location {
    /// As the report has it, with its bases put before it; after [`Findings::map`], in the repository.
    pub path: Arc<str>,
    /// Where in the file; None means all of it.
    pub range: Option<TextRange>,
}

/// Another place that explains a finding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Related {
    /// Where.
    pub location: Location,
    /// What is there.
    pub message: String,
}

/// One replacement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edit {
    /// The file.
    pub path: Arc<str>,
    /// What goes: from the first column, or the line's begin, to before the last, or the line's end.
    pub range: TextRange,
    /// What comes in its place.
    pub text: String,
}

/// How a finding could be fixed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Fix {
    /// In a sentence; may be empty.
    pub description: String,
    /// All of them together.
    pub edits: Vec<Edit>,
}

/// That somebody has decided to live with a finding.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Suppression {
    /// Why, where it is said.
    pub reason: Option<String>,
}

/// One thing that a tool says is wrong.
#[derive(Debug, Clone, PartialEq)]
pub struct Finding {
    /// What was looked for, and by what.
    pub rule: Arc<Rule>,
    /// How bad it is.
    pub level: Level,
    /// How bad it is for security, where the tool says that. One rule may find what is bad in one place and harmless in another.
    pub severity: Option<Severity>,
    /// Whether it is a problem at all.
    pub kind: FindingKind,
    /// What is wrong. Untrusted text.
    pub message: String,
    /// Where, if in a file.
    pub location: Option<Location>,
    /// The path of a file that is not in the repository; then there is no location.
    pub elsewhere: Option<Arc<str>>,
    /// What it is recognised by in other reports.
    pub fingerprint: Option<Fingerprint>,
    /// Whether it is suppressed.
    pub suppressed: Option<Suppression>,
    /// What the report itself says of it against an earlier run.
    pub baseline: Option<BaselineState>,
    /// Other places that explain it.
    pub related: Vec<Related>,
    /// Where it stands in catalogues, such as `CWE 79`.
    pub taxa: Vec<String>,
    /// How it could be fixed.
    pub fix: Option<Box<Fix>>,
}

impl Finding {
    fn new(rule: Arc<Rule>, level: Level, message: &str) -> Finding {
        let message = collect::cut(message, collect::MESSAGE_BYTES_MAX);
        Finding {
            severity: rule.security_severity.and_then(Severity::of_score),
            rule,
            level,
            message,
            kind: FindingKind::Fail,
            location: None,
            elsewhere: None,
            fingerprint: None,
            suppressed: None,
            baseline: None,
            related: Vec::new(),
            taxa: Vec::new(),
            fix: None,
        }
    }

    /// Whether somebody has to do something about it: a problem, there now, and not suppressed with a reason.
    pub fn stands(&self) -> bool {
        self.is_problem() && self.reason().is_none()
    }

    /// Why somebody has decided to live with it. A suppression that says no reason is none: the finding stands.
    pub fn reason(&self) -> Option<&str> {
        self.suppressed.as_ref()?.reason.as_deref()
    }

    /// Whether it is a problem, and there now; it may be suppressed.
    pub fn is_problem(&self) -> bool {
        let problem = match self.kind {
            FindingKind::Fail | FindingKind::Open | FindingKind::Review => true,
            FindingKind::Pass | FindingKind::Informational | FindingKind::NotApplicable => false,
        };
        problem && self.baseline != Some(BaselineState::Absent)
    }
}

/// What one or several reports say.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Findings {
    /// In the order of the report. No more than the first 100,000 of a report: see `left_out`.
    pub list: Vec<Finding>,
    /// How many more findings that stand there are, by level and by how bad they are for security, which are only counted.
    pub left_out: BTreeMap<(Level, Option<Severity>), u64>,
    /// What the tool says it could not do. Then that nothing was found means little.
    pub problems: Vec<String>,
    /// Whether it says that it did not run to its end. Then that nothing was found means nothing.
    pub unfinished: bool,
    /// The tools that were asked, whether or not they found something; at most 100.
    pub tools: BTreeSet<String>,
}

impl Findings {
    /// How many findings stand, by level, those that are left out included.
    pub fn counts(&self) -> BTreeMap<Level, u64> {
        let mut counts = BTreeMap::new();
        for ((level, _), count) in &self.left_out {
            *counts.entry(*level).or_default() += count;
        }
        for finding in self.list.iter().filter(|finding| finding.stands()) {
            *counts.entry(finding.level).or_default() += 1;
        }
        counts
    }

    /// Puts paths of the repository in place of the tool's. A finding in a file that is not in it is kept, without location.
    pub fn map(&mut self, repository: &RepositoryFiles, mapping: &Mapping) {
        let mut known: BTreeMap<Arc<str>, Option<Arc<str>>> = BTreeMap::new();
        let mut place = |path: &Arc<str>| {
            let found = known.entry(path.clone()).or_insert_with(|| repository.find(path, mapping).map(Arc::from));
            found.clone()
        };
        for finding in &mut self.list {
            if let Some(location) = &mut finding.location {
                match place(&location.path) {
                    Some(path) => location.path = path,
                    None => finding.elsewhere = finding.location.take().map(|location| location.path),
                }
            }
            finding.related.retain_mut(|related| match place(&related.location.path) {
                Some(path) => {
                    related.location.path = path;
                    true
                }
                None => false,
            });
            // A fix that is not wholly in the repository is none.
            let fix = finding.fix.take();
            finding.fix = fix.and_then(|mut fix| {
                fix.edits.iter_mut().try_for_each(|edit| place(&edit.path).map(|path| edit.path = path))?;
                Some(fix)
            });
        }
    }
}
