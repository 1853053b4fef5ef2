//! Reads the report files that CI tools write, as streams within bounds, into models that know no tool.
//!
//! - [`coverage`]: which lines and branches tests went through, in the repository's paths, merged over files and jobs, and of
//!   the lines that a [`Diff`] adds;
//! - [`findings`]: what linters, compilers and scanners say is wrong, and which of it the base does not have;
//! - [`testing`]: how tests ended, counted by suite, with the bad, the flaky and the slowest ones;
//! - [`benchmarks`]: what was measured, sample by sample;
//! - [`lockfiles`]: which packages a repository holds to, and what differs between two states of that.
//!
//! Each has a `read` for all its formats and a `sniff` that tells which one a file is in.
//!
//! It deliberately knows no forge, no engine and no sandbox, judges nothing, writes nothing for people, and opens no file:
//! what it reads is any [`std::io::Read`]. Gates call it.
//!
//! Reports come from untrusted code. What one may hold is limited by named constants, so that no file takes over 256 MB of
//! memory, however long it is; entities are never expanded; whatever is broken, cut off, or cannot be is a [`ReportError`]
//! that names the place, never a guess.
//!
//! ```
//! use gatewright_reports::coverage::{self, CoverageFormat};
//! use gatewright_reports::{Diff, Mapping, RepositoryFiles};
//!
//! let lcov = "SF:/workspace/src/a.c\nDA:1,4\nDA:2,0\nend_of_record\n";
//! let report = coverage::read(CoverageFormat::Lcov, lcov.as_bytes())?;
//! let files = RepositoryFiles::new(["src/a.c".to_owned()]);
//! let mapping = Mapping { roots: vec!["/workspace".to_owned()], ..Mapping::default() };
//! let (coverage, unmapped) = report.map(&files, &mapping);
//! assert!(unmapped.is_empty());
//!
//! let diff = Diff::read("--- a/src/a.c\n+++ b/src/a.c\n@@ -1 +1,2 @@\n one();\n+two();\n".as_bytes())?;
//! let changed = coverage.changed_lines(&diff);
//! assert_eq!(changed.lines.to_string(), "0 % (0 of 1)");
//! assert_eq!(changed.uncovered[0].range.first, 2);
//! # Ok::<(), gatewright_reports::ReportError>(())
//! ```

mod diff;
mod error;
mod input;
mod json;
mod lines;
mod modules;
mod paths;
mod skip;
mod xml;

pub mod benchmarks;
pub mod coverage;
pub mod findings;
pub mod lockfiles;
pub mod testing;

pub use diff::{Diff, LineRange};
pub use error::{Place, ReportError};
pub use input::SNIFF_BYTES;
pub use modules::{GO_MOD_BYTES_MAX, go_modules};
pub use paths::{Mapping, RepositoryFiles, Unmapped, WhyUnmapped};
