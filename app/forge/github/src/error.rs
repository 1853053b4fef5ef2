//! How this crate words [`ForgeError`]s.

use gatewright_core::ForgeKind;
use gatewright_core::forge::ForgeError;

/// So many characters of GitHub's own words go into an error.
const WORDS_CHARS_MAX: usize = 300;

pub(crate) fn limited(wait_secs: u64) -> ForgeError {
    ForgeError::RateLimited { forge: ForgeKind::Github, wait_secs }
}

pub(crate) fn unavailable(cause: impl Into<String>) -> ForgeError {
    ForgeError::Unavailable { forge: ForgeKind::Github, cause: cause.into() }
}

pub(crate) fn missing(what: impl Into<String>) -> ForgeError {
    ForgeError::Missing { forge: ForgeKind::Github, what: what.into() }
}

pub(crate) fn refused(cause: impl Into<String>) -> ForgeError {
    ForgeError::Refused { forge: ForgeKind::Github, cause: cause.into() }
}

pub(crate) fn locked_out(cause: impl Into<String>) -> ForgeError {
    ForgeError::LockedOut { forge: ForgeKind::Github, cause: cause.into() }
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
pub(crate) fn foreign_words(words: &str, bearer: &str) -> String {
    let words = if bearer.is_empty() { words.to_owned() } else { words.replace(bearer, "[redacted]") };
    let words: Vec<&str> = words.split_whitespace().map(|word| if is_like_a_token(word) { "[redacted]" } else { word }).collect();
    words.join(" ").chars().filter(|c| !c.is_control()).take(WORDS_CHARS_MAX).collect()
}

/// GitHub's own prefixes (`ghs_`, `ghp_`, `github_pat_`, ...) and a JSON Web Token's first bytes.
fn is_like_a_token(word: &str) -> bool {
    let github = ["ghs_", "ghp_", "gho_", "ghu_", "ghr_", "github_pat_"];
    github.iter().any(|prefix| word.contains(prefix)) || (word.contains("eyJ") && word.contains('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_token_survives_in_foreign_words() {
        let words = "bad header\n'authorization: Bearer CANARY' ghs_other, see eyJhbGciOi.J9.x and docs";
        assert_eq!(
            foreign_words(words, "CANARY"),
            "bad header 'authorization: Bearer [redacted]' [redacted] see [redacted] and docs"
        );
        assert_eq!(foreign_words(&"x".repeat(9_000), "").len(), WORDS_CHARS_MAX);
    }
}
