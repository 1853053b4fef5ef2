//! Reads the report files that CI tools write, as streams within bounds, into models that know no tool.
//!
//! [`coverage`] reads which lines and branches tests went through, and compares that with a [`Diff`].
//!
//! It deliberately knows no forge, no engine and no sandbox, judges nothing, writes nothing for people, and opens no file:
//! what it reads is any [`std::io::Read`]. JUnit is read where test gates are judged. Gates call it.
//!
//! Reports come from untrusted code. What one may hold is limited by named constants, so that no file takes over 256 MB of
//! memory, however long it is; entities are never expanded; whatever is broken, cut off, or cannot be is a [`ReportError`]
//! that names the place, never a guess.

mod diff;
mod error;
mod input;
mod json;
mod lines;
mod paths;
mod skip;
mod xml;

pub mod benchmarks;
pub mod coverage;
pub mod findings;
pub mod testing;

pub use diff::{Diff, LineRange};
pub use error::{Place, ReportError};
pub use paths::{Mapping, RepositoryFiles, Unmapped, WhyUnmapped};
