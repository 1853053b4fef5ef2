//! The two kinds of error, in short.

use gatewright_core::target::TargetError;

/// Words of others are cut to this; they end up in comments and pages.
const WORDS_MAX: usize = 500;

/// It may pass.
pub(crate) fn unavailable(what: impl Into<String>, cause: impl AsRef<str>) -> TargetError {
    TargetError::Unavailable { what: what.into(), cause: cut(cause.as_ref()) }
}

/// It will not do it.
pub(crate) fn refused(what: impl Into<String>, cause: impl AsRef<str>) -> TargetError {
    TargetError::Refused { what: what.into(), cause: cut(cause.as_ref()) }
}

/// Bounded, and without what a terminal or a log would take for more than text.
pub(crate) fn cut(words: &str) -> String {
    words.trim().chars().take(WORDS_MAX).map(|c| if c.is_control() { ' ' } else { c }).collect()
}
