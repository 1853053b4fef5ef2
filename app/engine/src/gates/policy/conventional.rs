//! Titles and messages as <https://www.conventionalcommits.org/en/v1.0.0/> has them.

use git_conventional::Commit;

use super::{named, word};

/// A text that is written as it should be, for who has to write one.
pub(super) const EXAMPLE: &str = "`feat(parser): read arrays`, `fix: …`, or `feat!: …` for what breaks its users";

/// What is wrong with a text. None where nothing is. Whatever follows the first line counts too.
pub(super) fn fault(text: &str, types: &[String]) -> Option<String> {
    let commit = match Commit::parse(text) {
        Ok(commit) => commit,
        Err(error) => return Some(error.to_string().lines().next().unwrap_or_default().to_lowercase()).map(|cause| word(&cause)),
    };
    let kind = commit.type_().as_str();
    let known = types.is_empty() || types.iter().any(|one| one.eq_ignore_ascii_case(kind));
    (!known).then(|| format!("the type {} is none of {}", word(kind), named(types.iter())))
}
