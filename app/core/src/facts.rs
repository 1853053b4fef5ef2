//! What is kept of a gate's reports, for later runs to compare with.
//!
//! Facts are few and small beside the reports that they come from: totals, names and fingerprints, each within a limit that
//! its kind names. They are stored as a blob of JSON. A field that an older version did not write is empty, so that kinds can
//! learn to keep more.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::ids::{CommitId, RunId};

mod benchmarks;
mod coverage;
mod findings;
mod tests;

pub use benchmarks::{BenchmarkFact, BenchmarkFacts, Better};
pub use coverage::{CoverageFacts, Share};
pub use findings::FindingFacts;
pub use tests::TestFacts;

/// What is kept of one gate's reports of one commit.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Facts {
    /// Of its tests.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tests: Option<TestFacts>,
    /// Of its coverage.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub coverage: Option<CoverageFacts>,
    /// Of what linters and scanners found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub findings: Option<FindingFacts>,
    /// Of its benchmarks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub benchmarks: Option<BenchmarkFacts>,
}

impl Facts {
    /// A gate of which more than that would be kept is not compared with.
    pub const BYTES_MAX: usize = 16 * 1024 * 1024;

    /// Whether nothing is kept.
    pub fn is_empty(&self) -> bool {
        *self == Facts::default()
    }

    /// Adds what another kind of the same gate keeps.
    pub fn merge(&mut self, other: Facts) {
        let Facts { tests, coverage, findings, benchmarks } = other;
        self.tests = self.tests.take().or(tests);
        self.coverage = self.coverage.take().or(coverage);
        self.findings = self.findings.take().or(findings);
        self.benchmarks = self.benchmarks.take().or(benchmarks);
    }
}

/// What the same gate said of another commit.
#[derive(Debug, Clone, PartialEq)]
pub struct Past {
    /// The run that said it.
    pub run: RunId,
    /// The commit.
    pub commit: CommitId,
    /// When.
    pub at: Timestamp,
    /// Whether it is the very commit that the run's is compared with. If not, it is the newest one of the same branch of which
    /// anything is kept.
    pub exact: bool,
    /// What it said.
    pub facts: Facts,
}
