//! What a gate's step left behind, and what the gate says of it.

use std::collections::BTreeMap;
use std::io::Read;
use std::sync::Arc;

use bytes::{Buf, Bytes};
use serde::{Deserialize, Serialize};

use crate::facts::Past;
use crate::ids::{BlobId, GateName};
use crate::sandbox::WORKSPACE;
use crate::suggestion::Suggestion;
pub use crate::survey::Survey;

/// How a step's command ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Exit {
    /// It ended by itself.
    Code {
        /// Its exit code; 0 is success.
        code: i64,
    },
    /// It was killed at its time limit.
    TimedOut {
        /// The limit.
        after_secs: u64,
    },
    /// The kernel killed it for want of memory.
    OutOfMemory {
        /// The limit.
        memory_mib: u64,
    },
    /// It was stopped because nobody wants the result any more.
    Cancelled,
    /// It never ran.
    NotStarted {
        /// Why, in words for the user: the image is missing, the engine is down, ...
        cause: String,
    },
}

/// What a finished step is judged by.
#[derive(Debug, Clone)]
pub struct Evidence {
    /// How the command ended.
    pub exit: Exit,
    /// Where the source was, for what ran: reports may name files by it.
    pub workspace: String,
    /// The redacted output's last part, at most [`Evidence::TAIL_BYTES_MAX`] bytes.
    pub log_tail: String,
    /// Whether the sandbox's workspace was full when the command ended.
    pub disk_full: bool,
    /// The reports that the gate asked for, by what they are about.
    pub reports: BTreeMap<ReportKind, Reports>,
    /// What the source itself tells, where the gate asked for that.
    pub survey: Option<Survey>,
    /// What the same gate said of the commit that this one is compared with, where the gate asked for that and it is known.
    pub base: Option<Past>,
    /// What the same gate said of commits of the base branch, newest first, at most [`Evidence::HISTORY_MAX`], where the gate
    /// asked for that.
    pub history: Vec<Past>,
    /// The tries of the command before this one, where it was tried again because it had failed.
    pub earlier: Vec<Try>,
    /// The rounds in which base and head were measured in turn, where the gate asked for that.
    pub rounds: Option<Rounds>,
    /// The coverage of other gates, where the gate counts it together with its own: one for each that it names, in that order.
    pub counted: Vec<Counted>,
}

/// The coverage of another gate of the run.
#[derive(Debug, Clone)]
pub struct Counted {
    /// The gate.
    pub gate: GateName,
    /// What there is of it.
    pub what: CountedWhat,
}

/// What there is of another gate's coverage.
#[derive(Debug, Clone)]
pub enum CountedWhat {
    /// All of it, as the gate's judging has handed it on.
    Here(Bytes),
    /// Nothing: the gate does not apply to this change.
    DoesNotApply,
    /// It should be there, and is not.
    Missing {
        /// Why, in words for the user.
        because: String,
    },
}

/// Rounds in which a command ran in the base's source and in the head's, one after the other.
#[derive(Debug, Clone, Default)]
pub struct Rounds {
    /// Those that came to their end, in order.
    pub list: Vec<Round>,
    /// How many were asked for.
    pub wanted: u32,
    /// Why there are fewer than that, in words for the user.
    pub cut_short: Option<String>,
}

/// What a round's two runs of the command left.
#[derive(Debug, Clone, Default)]
pub struct Round {
    /// The benchmark reports in the base's source.
    pub base: Reports,
    /// Those in the head's.
    pub head: Reports,
}

/// An earlier try of a step's command.
#[derive(Debug, Clone)]
pub struct Try {
    /// How the command ended.
    pub exit: Exit,
    /// The reports that it left.
    pub reports: BTreeMap<ReportKind, Reports>,
}

/// What a report is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ReportKind {
    /// Tests.
    Tests,
    /// Which lines tests went through.
    Coverage,
    /// What linters, compilers and scanners found.
    Findings,
    /// How long things took.
    Benchmarks,
}

/// The reports of one kind.
#[derive(Debug, Clone, Default)]
pub struct Reports {
    /// The files, in the order of the gate's globs, then by name.
    pub files: Vec<ReportFile>,
    /// What went wrong while they were read, in words for the user. A gate with such an error never passes.
    pub errors: Vec<String>,
}

/// What is in a commit's files.
pub trait SourceText: std::fmt::Debug + Send + Sync {
    /// A file's content; None where there is no such file, where it is longer than `bytes_max`, or where it cannot be read.
    /// Waits for it, so it is not to be called where others would wait too.
    fn read(&self, path: &str, bytes_max: u64) -> Option<Bytes>;
}

impl Evidence {
    /// So much of a log goes into a check's text.
    pub const TAIL_BYTES_MAX: usize = 8 * 1024;

    /// So many past commits are looked at.
    pub const HISTORY_MAX: usize = 20;

    /// Of a command that ended like that and left nothing.
    pub fn of(exit: Exit) -> Evidence {
        Evidence {
            exit,
            workspace: WORKSPACE.to_owned(),
            log_tail: String::new(),
            disk_full: false,
            reports: BTreeMap::new(),
            survey: None,
            base: None,
            history: Vec::new(),
            earlier: Vec::new(),
            rounds: None,
            counted: Vec::new(),
        }
    }
}

/// A file that was read out of a sandbox. It was written by untrusted code.
#[derive(Debug, Clone)]
pub struct ReportFile {
    /// Its path, relative to the workspace.
    pub path: String,
    /// Its content.
    pub content: Arc<dyn ReportContent>,
}

impl ReportFile {
    /// A file whose content is in memory.
    pub fn new(path: impl Into<String>, content: impl Into<Bytes>) -> ReportFile {
        ReportFile { path: path.into(), content: Arc::new(content.into()) }
    }
}

/// What is in a report. It may be larger than what should be in memory, so it is read as a stream, as often as wanted.
pub trait ReportContent: std::fmt::Debug + Send + Sync {
    /// Its length in bytes.
    fn bytes(&self) -> u64;

    /// Reads it from its beginning. Each reader has a place of its own.
    fn open(&self) -> std::io::Result<Box<dyn Read + Send>>;
}

impl ReportContent for Bytes {
    fn bytes(&self) -> u64 {
        self.len() as u64
    }

    fn open(&self) -> std::io::Result<Box<dyn Read + Send>> {
        Ok(Box::new(self.clone().reader()))
    }
}

/// A gate's word on a step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdict {
    /// The word itself.
    pub status: VerdictStatus,
    /// One line for tables: "214 passed, 2 failed".
    pub title: String,
    /// What the check's page says, in Markdown, made by us; parts that come from untrusted code are escaped in it.
    pub summary: String,
    /// Places in the source that the verdict is about, the worst first.
    pub annotations: Vec<Annotation>,
    /// How many more annotations there were than [`Verdict::ANNOTATIONS_MAX`].
    pub annotations_left_out: u64,
    /// A few words on what is different from the base, for a column of a table: "+0.3 % of lines". Empty where there is nothing
    /// to compare.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub change: String,
    /// Changes to the source that tools propose for what they found, at most [`Suggestion::MAX`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub suggestions: Vec<Suggestion>,
}

impl Verdict {
    /// So many annotations are kept of one gate; the summary says how many more there were.
    pub const ANNOTATIONS_MAX: usize = 200;

    /// A verdict of one line.
    pub fn plain(status: VerdictStatus, title: impl Into<String>, summary: impl Into<String>) -> Self {
        Verdict {
            status,
            title: title.into(),
            summary: summary.into(),
            annotations: Vec::new(),
            annotations_left_out: 0,
            change: String::new(),
            suggestions: Vec::new(),
        }
    }
}

/// The word itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum VerdictStatus {
    /// All is well.
    Passed,
    /// The code under test is at fault.
    Failed,
    /// The gate could not be judged: no image, a broken report, a timeout. Never a pass.
    Errored,
    /// It was stopped because nobody wants the result any more.
    Cancelled,
    /// It does not apply here.
    Skipped,
}

impl VerdictStatus {
    /// In a few words, for people.
    pub fn words(self) -> &'static str {
        match self {
            VerdictStatus::Passed => "passed",
            VerdictStatus::Failed => "failed",
            VerdictStatus::Errored => "could not be judged",
            VerdictStatus::Cancelled => "stopped",
            VerdictStatus::Skipped => "skipped",
        }
    }
}

/// A remark at a place in the source.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Annotation {
    /// The file, relative to the repository's root.
    pub path: String,
    /// First line, from 1.
    pub start_line: u32,
    /// Last line, at least `start_line`.
    pub end_line: u32,
    /// First column, from 1, only where it is one line.
    pub column: Option<u32>,
    /// How bad it is.
    pub level: AnnotationLevel,
    /// A headline, at most 255 characters.
    pub title: String,
    /// What is wrong.
    pub message: String,
}

/// How bad an annotation is, the worst first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AnnotationLevel {
    /// Breaks the gate.
    Failure,
    /// Worth a look.
    Warning,
    /// For information.
    Notice,
}

/// What is journaled of a finished step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepOutcome {
    /// How the command ended.
    pub exit: Exit,
    /// What the gate says.
    pub verdict: Verdict,
    /// The redacted log, where one was written.
    pub log: Option<LogRef>,
    /// From the start of the sandbox to the verdict.
    pub duration_ms: u64,
    /// What is kept of its reports for later runs to compare with: [`Facts`](crate::facts::Facts) as JSON.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub facts: Option<BlobId>,
    /// The files that it was asked to keep, by their paths.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub outputs: Vec<Output>,
    /// What its findings are for the forge's code scanning, where the gate asks for that: SARIF, compressed by gzip.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scan: Option<BlobId>,
    /// What it has covered, where another gate counts that: written by `gatewright-reports`, compressed by gzip.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub coverage: Option<BlobId>,
}

impl StepOutcome {
    /// Of a step that took no time and of which nothing is stored.
    pub fn of(exit: Exit, verdict: Verdict) -> StepOutcome {
        StepOutcome { exit, verdict, log: None, duration_ms: 0, facts: None, outputs: Vec::new(), scan: None, coverage: None }
    }

    /// Everything that is stored of it beside the journal.
    pub fn blobs(&self) -> impl Iterator<Item = &BlobId> {
        let outputs = self.outputs.iter().map(|output| &output.blob);
        self.log.iter().map(|log| &log.blob).chain(&self.facts).chain(&self.scan).chain(&self.coverage).chain(outputs)
    }
}

/// A file that a step left and that is kept as long as its run is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Output {
    /// Its path, relative to the workspace. Untrusted text.
    pub path: String,
    /// Where it is.
    pub blob: BlobId,
    /// Its length.
    pub bytes: u64,
}

/// A stored log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogRef {
    /// Where it is.
    pub blob: BlobId,
    /// Its length.
    pub bytes: u64,
    /// How many bytes in its middle were dropped because it was too long.
    pub dropped_bytes: u64,
}
