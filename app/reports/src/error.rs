//! What is wrong with a report, and where.

use std::fmt;
use std::io;

/// A cause, which may quote the report, is cut to so many characters.
const CAUSE_CHARS_MAX: usize = 300;

/// Where in a report: of the text after decoding, so a byte order mark does not count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// From 1.
    pub line: u64,
    /// In bytes, from 1.
    pub column: u64,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, column {}", self.line, self.column)
    }
}

/// Why a report cannot be used. Nothing of a report that ends in an error is to be believed: what was read of it so far may
/// be a part that looks better than the whole.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// The source of the bytes failed; another attempt may do.
    #[error("the report cannot be read: {0}")]
    Unread(#[source] io::Error),
    /// The report is not what it should be. Its writer has to change.
    #[error("{place}: {cause}")]
    Broken {
        /// Where.
        place: Place,
        /// What is wrong there. May quote the report, so it is not to be trusted as markup.
        cause: String,
    },
    /// The report is beyond a limit of what is read. A smaller one, or several, would do.
    #[error("{place}: {limit}")]
    TooMuch {
        /// Where the limit was reached.
        place: Place,
        /// Which limit.
        limit: String,
    },
}

impl ReportError {
    /// Where in the report, unless reading it failed.
    pub fn place(&self) -> Option<Place> {
        match self {
            ReportError::Unread(_) => None,
            ReportError::Broken { place, .. } | ReportError::TooMuch { place, .. } => Some(*place),
        }
    }
}

/// What is wrong, before the place is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Fault {
    Broken(String),
    TooMuch(String),
}

impl Fault {
    pub(crate) fn broken(cause: impl Into<String>) -> Fault {
        Fault::Broken(cause.into())
    }

    pub(crate) fn too_much(limit: impl Into<String>) -> Fault {
        Fault::TooMuch(limit.into())
    }

    pub(crate) fn at(self, place: Place) -> ReportError {
        match self {
            Fault::Broken(cause) => ReportError::Broken { place, cause: one_line(&cause, CAUSE_CHARS_MAX) },
            Fault::TooMuch(limit) => ReportError::TooMuch { place, limit },
        }
    }
}

/// A text of the report for an error: on one line, without control characters, cut.
pub(crate) fn one_line(text: &str, chars_max: usize) -> String {
    let mut line: String = text.chars().take(chars_max).map(|c| if c.is_control() { ' ' } else { c }).collect();
    if text.chars().nth(chars_max).is_some() {
        line.push('…');
    }
    line
}
