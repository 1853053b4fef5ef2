//! Reports of real tools, and hostile ones.
#![expect(clippy::unwrap_used, reason = "tests may panic")]

mod any;
mod benchmarks;
mod coverage;
mod findings;
mod fixtures;
mod lockfiles;
mod memory;
mod testing;
mod written;
