use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// What is kept of tests.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct TestFacts {
    /// Those that passed, flaky ones included.
    #[serde(default)]
    pub passed: u64,
    /// Those that failed or did not come to an end.
    #[serde(default)]
    pub bad: u64,
    /// Those that were not run.
    #[serde(default)]
    pub skipped: u64,
    /// The names of those that failed, sorted, within [`TestFacts::NAMES_MAX`] and [`TestFacts::NAMES_BYTES_MAX`].
    #[serde(default)]
    pub failed_names: Vec<String>,
    /// How many more failed, whose names are not kept.
    #[serde(default)]
    pub failed_left_out: u64,
    /// The names of those that both failed and passed, sorted, within the same limits.
    #[serde(default)]
    pub flaky_names: Vec<String>,
    /// How many tests each suite ran: of the [`TestFacts::SUITES_MAX`] largest.
    #[serde(default)]
    pub suites: BTreeMap<String, u64>,
}

impl TestFacts {
    /// So many names are kept. Of a failure whose name is not, nobody knows later that it was there.
    pub const NAMES_MAX: usize = 2_000;

    /// The names may have so many bytes together.
    pub const NAMES_BYTES_MAX: usize = 256 * 1024;

    /// So many suites are kept. That a smaller one loses tests shows in the sum only.
    pub const SUITES_MAX: usize = 500;

    /// Those that were run.
    pub fn run(&self) -> u64 {
        self.passed.saturating_add(self.bad)
    }
}
