//! A change to the source that a tool proposes, as a review can show it.

use serde::{Deserialize, Serialize};

/// Lines of a file that others could take the place of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Suggestion {
    /// The file, relative to the repository's root.
    pub path: String,
    /// The first of the lines, from 1. All of them are added by the change.
    pub first_line: u32,
    /// The last of them.
    pub last_line: u32,
    /// What would stand in their place, without the end of its last line. Untrusted text.
    pub text: String,
    /// Why: Markdown on one line, without effect.
    pub message: String,
}

impl Suggestion {
    /// A gate makes at most so many: a review that says more is not read.
    pub const MAX: usize = 10;

    /// The code block that a forge offers to apply. `word` is what the forge calls it.
    pub fn block(&self, word: &str) -> String {
        let longest = self.text.split(|c| c != '`').map(str::len).max().unwrap_or_default();
        let fence = "`".repeat(longest.max(2) + 1);
        let end = if self.text.is_empty() { "" } else { "\n" };
        format!("{fence}{word}\n{}{end}{fence}", self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_suggestion_cannot_leave_its_block() {
        let of = |text: &str| Suggestion {
            path: "a".to_owned(),
            first_line: 1,
            last_line: 1,
            text: text.to_owned(),
            message: String::new(),
        };
        assert_eq!(of("x\n```\n@all").block("suggestion"), "````suggestion\nx\n```\n@all\n````");
        assert_eq!(of("").block("suggestion"), "```suggestion\n```");
    }
}
