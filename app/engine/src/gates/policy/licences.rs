//! Which licences are right: expressions of SPDX, of which `A OR B` is right where one of them is.

use gatewright_core::config::Dependencies;
use globset::{GlobBuilder, GlobMatcher};
use spdx::{Expression, LicenseReq, ParseMode};

/// What the repository file says of licences.
pub(super) struct Licences {
    allowed: Vec<GlobMatcher>,
    denied: Vec<GlobMatcher>,
}

impl Licences {
    pub(super) fn new(rules: &Dependencies) -> Licences {
        Licences { allowed: words(&rules.licences_allowed), denied: words(&rules.licences_denied) }
    }

    /// Whether every licence is right.
    pub(super) fn ask_nothing(&self) -> bool {
        self.allowed.is_empty() && self.denied.is_empty()
    }

    /// Whether a package under this licence is right.
    pub(super) fn take(&self, licence: &str) -> bool {
        match Expression::parse_mode(licence, ParseMode::LAX) {
            Ok(expression) => expression.evaluate(|one| self.takes_one(one)),
            // `SEE LICENSE IN x` and the like: the words themselves.
            Err(_) => self.takes_words(licence),
        }
    }

    fn takes_one(&self, one: &LicenseReq) -> bool {
        let whole = one.to_string();
        let bare = whole.split(" WITH ").next().unwrap_or(&whole);
        self.takes_words(&whole) || (whole != bare && self.takes_words(bare) && !matches(&self.denied, &whole))
    }

    fn takes_words(&self, words: &str) -> bool {
        !matches(&self.denied, words) && (self.allowed.is_empty() || matches(&self.allowed, words))
    }
}

/// Words in which `*` stands for any others.
pub(super) fn words(patterns: &[String]) -> Vec<GlobMatcher> {
    let glob = |pattern: &String| Some(GlobBuilder::new(pattern).case_insensitive(true).build().ok()?.compile_matcher());
    patterns.iter().filter_map(glob).collect()
}

pub(super) fn matches(globs: &[GlobMatcher], word: &str) -> bool {
    globs.iter().any(|glob| glob.is_match(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn licences(allowed: &[&str], denied: &[&str]) -> Licences {
        let owned = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
        Licences::new(&Dependencies {
            licences_allowed: owned(allowed),
            licences_denied: owned(denied),
            ..Dependencies::default()
        })
    }

    #[test]
    fn one_right_licence_of_several_suffices_and_all_that_hold_together_have_to_be_right() {
        let licences = licences(&[], &["GPL-*", "AGPL-*"]);
        for right in ["MIT", "MIT OR GPL-3.0-only", "(Apache-2.0 AND MIT) OR AGPL-3.0-or-later", "SEE LICENSE IN x"] {
            assert!(licences.take(right), "{right}");
        }
        for wrong in ["GPL-3.0-only", "gpl-2.0+", "MIT AND GPL-3.0-or-later", "GPL-2.0-only WITH Classpath-exception-2.0"] {
            assert!(!licences.take(wrong), "{wrong}");
        }
    }

    #[test]
    fn what_is_not_allowed_is_wrong_where_something_is_allowed() {
        let licences = licences(&["MIT", "BSD-*", "Apache-2.0"], &[]);
        for right in ["MIT", "BSD-3-Clause", "Apache-2.0 WITH LLVM-exception", "ISC OR MIT"] {
            assert!(licences.take(right), "{right}");
        }
        for wrong in ["ISC", "MIT AND ISC", "UNLICENSED", "SEE LICENSE IN x"] {
            assert!(!licences.take(wrong), "{wrong}");
        }
    }
}
