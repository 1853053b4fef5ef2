//! Coverage: which lines and branches tests have gone through.
//!
//! [`read`] makes a [`CoverageReport`] of one file, in the paths of its tool; [`CoverageReport::map`] makes a [`Coverage`] of
//! it, in the paths of the repository; those of several files and jobs are put together by [`Coverage::merge`]. From job to job it
//! goes by [`Coverage::hand_on`].

use std::collections::BTreeMap;
use std::io::Read;

use crate::error::ReportError;

mod build;
mod changed;
mod clover;
mod cobertura;
mod coveragepy;
mod folders;
mod gocover;
mod handed;
mod jacoco;
mod lcov;
mod llvm;
mod map;
mod opencover;
mod ratio;
mod sniff;

pub use changed::{ChangedCoverage, UncoveredRange};
pub use folders::Folder;
pub use ratio::Ratio;
pub use sniff::sniff;

/// The formats that are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CoverageFormat {
    /// Tracefiles of LCOV (`geninfo(1)`).
    Lcov,
    /// Cobertura XML, which coverage.py and many others write.
    Cobertura,
    /// JaCoCo XML.
    Jacoco,
    /// Clover XML: OpenClover, PHPUnit, Istanbul.
    Clover,
    /// `go test -coverprofile`.
    GoProfile,
    /// OpenCover XML.
    OpenCover,
    /// `coverage json` of coverage.py.
    CoveragePy,
    /// `llvm-cov export` as JSON.
    Llvm,
}

/// Reads a report as a stream.
///
/// # Errors
/// [`ReportError`] where it is broken, cut off, hostile, beyond a limit, or has no file in it.
pub fn read(format: CoverageFormat, source: impl Read) -> Result<CoverageReport, ReportError> {
    match format {
        CoverageFormat::Lcov => lcov::read(source),
        CoverageFormat::Cobertura => cobertura::read(source),
        CoverageFormat::Jacoco => jacoco::read(source),
        CoverageFormat::Clover => clover::read(source),
        CoverageFormat::GoProfile => gocover::read(source),
        CoverageFormat::OpenCover => opencover::read(source),
        CoverageFormat::CoveragePy => coveragepy::read(source),
        CoverageFormat::Llvm => llvm::read(source),
    }
}

/// A line that can be run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Line {
    /// From 1.
    pub number: u32,
    /// How often it was run, where the format says; else 1. What is beyond the type is its largest value.
    pub hits: u32,
}

/// One way that execution may go on from a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Branch {
    line: u32,
    /// The id, and in the last bit whether it was taken: a report may have millions of them.
    packed: u32,
}

impl Branch {
    /// Ids are below this.
    pub const IDS: u32 = 1 << 31;

    fn new(line: u32, id: u32, taken: bool) -> Branch {
        Branch { line, packed: (id % Branch::IDS) << 1 | u32::from(taken) }
    }

    /// The line, from 1.
    pub fn line(self) -> u32 {
        self.line
    }

    /// Tells it from the other branches of its line. The same branch has the same id in all reports of a format.
    pub fn id(self) -> u32 {
        self.packed >> 1
    }

    /// Whether execution went there.
    pub fn taken(self) -> bool {
        self.packed & 1 == 1
    }
}

/// What is known of one file: 8 bytes a line, and 8 a branch.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FileCoverage {
    /// In order of their numbers, each once.
    lines: Vec<Line>,
    /// In order of line and id, each once.
    branches: Vec<Branch>,
}

/// Lines and branches, counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Totals {
    /// Of the lines that can be run, those that were.
    pub lines: Ratio,
    /// Of the branches, those that were taken.
    pub branches: Ratio,
}

/// One report, in the paths of its tool.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CoverageReport {
    /// Path, as it stands in the report, and what is known of it; in order of paths, each once.
    pub files: Vec<(String, FileCoverage)>,
    /// Folders that relative paths may begin in.
    pub sources: Vec<String>,
}

/// What is known of a repository's files.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Coverage {
    files: BTreeMap<String, FileCoverage>,
}

impl FileCoverage {
    /// The lines that can be run, in order.
    pub fn lines(&self) -> &[Line] {
        &self.lines
    }

    /// The branches, in order of their lines.
    pub fn branches(&self) -> &[Branch] {
        &self.branches
    }

    /// How often a line was run; None where it cannot be.
    pub fn hits(&self, line: u32) -> Option<u32> {
        let at = self.lines.binary_search_by_key(&line, |line| line.number).ok()?;
        Some(self.lines[at].hits)
    }

    /// Of the branches of a line, those that were taken.
    pub fn branches_of(&self, line: u32) -> Ratio {
        let begin = self.branches.partition_point(|branch| branch.line < line);
        Ratio::count(self.branches[begin..].iter().take_while(|branch| branch.line == line).map(|branch| branch.taken()))
    }

    /// Lines and branches, counted.
    pub fn totals(&self) -> Totals {
        Totals {
            lines: Ratio::count(self.lines.iter().map(|line| line.hits > 0)),
            branches: Ratio::count(self.branches.iter().map(|branch| branch.taken())),
        }
    }

    /// Adds what another report says of the same file: a line or branch is covered where one of them covers it.
    pub fn merge(&mut self, other: FileCoverage) {
        if self.lines.is_empty() && self.branches.is_empty() {
            *self = other;
            return;
        }
        self.lines.extend(other.lines);
        self.branches.extend(other.branches);
        self.tidy();
    }

    /// Puts lines and branches in order, each once.
    fn tidy(&mut self) {
        if !self.lines.is_sorted_by(|a, b| a.number < b.number) {
            self.lines.sort_unstable_by_key(|line| line.number);
            self.lines.dedup_by(|later, first| {
                let same = later.number == first.number;
                first.hits = if same { first.hits.max(later.hits) } else { first.hits };
                same
            });
        }
        if !self.branches.is_sorted_by(|a, b| (a.line, a.id()) < (b.line, b.id())) {
            self.branches.sort_unstable_by_key(|branch| (branch.line, branch.id()));
            self.branches.dedup_by(|later, first| {
                let same = (later.line, later.id()) == (first.line, first.id());
                first.packed |= u32::from(same && later.taken());
                same
            });
        }
    }
}

impl CoverageReport {
    /// Lines and branches of all files, counted.
    pub fn totals(&self) -> Totals {
        self.files.iter().map(|(_, file)| file.totals()).sum()
    }
}

impl Coverage {
    /// Coverage of files of which the paths in the repository are known.
    pub fn of(files: impl IntoIterator<Item = (String, FileCoverage)>) -> Coverage {
        let mut coverage = Coverage::default();
        for (path, file) in files {
            coverage.add(path, file);
        }
        coverage
    }

    /// The files in order of their paths.
    pub fn files(&self) -> impl Iterator<Item = (&str, &FileCoverage)> {
        self.files.iter().map(|(path, file)| (path.as_str(), file))
    }

    /// What is known of a file.
    pub fn file(&self, path: &str) -> Option<&FileCoverage> {
        self.files.get(path)
    }

    /// Adds what other tests have gone through: a line or branch is covered where one of both covers it.
    pub fn merge(&mut self, other: Coverage) {
        for (path, file) in other.files {
            self.add(path, file);
        }
    }

    /// Lines and branches of all files, counted.
    pub fn totals(&self) -> Totals {
        self.files.values().map(FileCoverage::totals).sum()
    }

    fn add(&mut self, path: String, file: FileCoverage) {
        self.files.entry(path).or_default().merge(file);
    }
}

impl std::iter::Sum for Totals {
    fn sum<I: Iterator<Item = Totals>>(all: I) -> Totals {
        all.fold(Totals::default(), |sum, one| Totals { lines: sum.lines + one.lines, branches: sum.branches + one.branches })
    }
}
