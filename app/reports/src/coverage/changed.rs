//! Coverage of the lines that a change adds.

use super::{Coverage, Ratio};
use crate::diff::{Diff, LineRange};

/// How well the lines that a change adds are covered.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ChangedCoverage {
    /// Of the added lines that can be run, those that were.
    pub lines: Ratio,
    /// Of the branches on them, those that were taken.
    pub branches: Ratio,
    /// Files with added lines of which nothing is known: no code, or never loaded by a test.
    pub files_unknown: Vec<String>,
    /// Added lines that were not run, in order of paths and lines.
    pub uncovered: Vec<UncoveredRange>,
}

/// Lines that one annotation covers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UncoveredRange {
    /// The file in the repository.
    pub path: String,
    /// Begins and ends with a line that was not run. What is between was added too, and either not run or cannot be.
    pub range: LineRange,
    /// How many lines in it were not run.
    pub lines: u32,
}

impl Coverage {
    /// What is known of the lines that a diff adds.
    pub fn changed_lines(&self, diff: &Diff) -> ChangedCoverage {
        let mut changed = ChangedCoverage::default();
        for (path, ranges) in diff.added() {
            let Some(file) = self.file(path) else {
                changed.files_unknown.extend((!ranges.is_empty()).then(|| path.to_owned()));
                continue;
            };
            for range in ranges {
                let first = file.lines.partition_point(|line| line.number < range.first);
                let lines = file.lines[first..].iter().take_while(|line| line.number <= range.last);
                changed.lines = changed.lines + Ratio::count(lines.clone().map(|line| line.hits > 0));
                let first = file.branches.partition_point(|branch| branch.line() < range.first);
                let branches = file.branches[first..].iter().take_while(|branch| branch.line() <= range.last);
                changed.branches = changed.branches + Ratio::count(branches.map(|branch| branch.taken()));
                let runs = lines.collect::<Vec<_>>();
                for missed in runs.split(|line| line.hits > 0) {
                    let [first, ..] = missed else { continue };
                    let last = missed.last().unwrap_or(first);
                    let range = LineRange { first: first.number, last: last.number };
                    let lines = u32::try_from(missed.len()).unwrap_or(u32::MAX);
                    changed.uncovered.push(UncoveredRange { path: path.to_owned(), range, lines });
                }
            }
        }
        changed
    }
}
