use serde::{Deserialize, Serialize};

/// What is kept of coverage: the totals of all files.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CoverageFacts {
    /// Of the lines that can be run.
    pub lines: Share,
    /// Of the branches.
    pub branches: Share,
}

/// So many of so many.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Share {
    /// So many.
    pub covered: u64,
    /// Of so many.
    pub total: u64,
}
