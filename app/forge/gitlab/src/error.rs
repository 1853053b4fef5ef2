//! How this crate words [`ForgeError`]s.

use gatewright_core::ForgeKind;
use gatewright_core::forge::ForgeError;

/// So many characters of GitLab's own words go into an error.
const WORDS_CHARS_MAX: usize = 300;

pub(crate) fn limited(wait_secs: u64) -> ForgeError {
    ForgeError::RateLimited { forge: ForgeKind::Gitlab, wait_secs }
}

pub(crate) fn unavailable(cause: impl Into<String>) -> ForgeError {
    ForgeError::Unavailable { forge: ForgeKind::Gitlab, cause: cause.into() }
}

pub(crate) fn missing(what: impl Into<String>) -> ForgeError {
    ForgeError::Missing { forge: ForgeKind::Gitlab, what: what.into() }
}

pub(crate) fn refused(cause: impl Into<String>) -> ForgeError {
    ForgeError::Refused { forge: ForgeKind::Gitlab, cause: cause.into() }
}

pub(crate) fn locked_out(cause: impl Into<String>) -> ForgeError {
    ForgeError::LockedOut { forge: ForgeKind::Gitlab, cause: cause.into() }
}

pub(crate) fn is_missing(error: &ForgeError) -> bool {
    match error {
        ForgeError::Missing { .. } => true,
        ForgeError::RateLimited { .. }
        | ForgeError::Unavailable { .. }
        | ForgeError::LockedOut { .. }
        | ForgeError::Refused { .. } => false,
    }
}

/// Whether asking again would not help: it is not there, or not for us.
pub(crate) fn is_final(error: &ForgeError) -> bool {
    match error {
        ForgeError::Missing { .. } | ForgeError::Refused { .. } => true,
        ForgeError::RateLimited { .. } | ForgeError::Unavailable { .. } | ForgeError::LockedOut { .. } => false,
    }
}

pub(crate) fn may_pass(error: &ForgeError) -> bool {
    match error {
        ForgeError::Unavailable { .. } => true,
        ForgeError::RateLimited { .. }
        | ForgeError::LockedOut { .. }
        | ForgeError::Missing { .. }
        | ForgeError::Refused { .. } => false,
    }
}

/// Words that somebody else wrote, fit for an error: one line, bounded, and without anything that looks like a token.
/// A proxy may echo a request's header fields into its error page.
pub(crate) fn foreign_words(words: &str, token: &str) -> String {
    let words = if token.is_empty() { words.to_owned() } else { words.replace(token, "[redacted]") };
    let words: Vec<&str> = words.split_whitespace().map(|word| if is_like_a_token(word) { "[redacted]" } else { word }).collect();
    words.join(" ").chars().filter(|c| !c.is_control()).take(WORDS_CHARS_MAX).collect()
}

/// GitLab's own prefixes ("Token prefixes": `glpat-` and its kin).
fn is_like_a_token(word: &str) -> bool {
    ["glpat-", "gldt-", "glptt-", "glrt-", "glcbt-", "glft-", "glsoat-", "gloas-"].iter().any(|prefix| word.contains(prefix))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_token_survives_in_foreign_words() {
        let words = "bad header\n'private-token: CANARY' glpat-other, see docs";
        assert_eq!(foreign_words(words, "CANARY"), "bad header 'private-token: [redacted]' [redacted] see docs");
        assert_eq!(foreign_words(&"x".repeat(9_000), "").len(), WORDS_CHARS_MAX);
    }
}
