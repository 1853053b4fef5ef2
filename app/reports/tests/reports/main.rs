//! Reports of real tools, and hostile ones.
#![expect(clippy::unwrap_used, reason = "tests may panic")]

mod coverage;
mod findings;
mod fixtures;
