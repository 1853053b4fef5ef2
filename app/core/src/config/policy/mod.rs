//! What a gate's `require` asks of the change itself, beside what reports say: its files, its commits, its title, who approves
//! of it, and what comes in with it. None of it needs a sandbox.

use serde::{Deserialize, Serialize};

use crate::command::Who;

pub(super) mod keys;
pub(super) mod read;

/// What is asked of a change. A list that is empty, and a rule that is not there, asks nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Policy {
    /// Globs, one of which must match a changed file; `!glob` takes files out.
    pub touched: Vec<String>,
    /// Globs of changelogs, one of which must gain a line under its heading "Unreleased".
    pub changelog: Vec<String>,
    /// How the pull request's title is to be written.
    pub title: Option<Style>,
    /// What every commit has to be.
    pub commits: Vec<CommitRule>,
    /// The types that a conventional title or message may have. Empty: any.
    pub types: Vec<String>,
    /// How large the change may be.
    pub size: Option<Size>,
    /// What must not be done to which files.
    pub forbidden: Forbidden,
    /// Globs of the Markdown files whose relative links are looked at.
    pub links: Vec<String>,
    /// Who has to approve of it.
    pub reviewers: Option<Reviewers>,
    /// What may come in by lock files.
    pub dependencies: Option<Dependencies>,
}

impl Policy {
    /// Whether nothing is asked.
    pub fn is_empty(&self) -> bool {
        *self == Policy::default()
    }
}

/// How a title or a message is to be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Style {
    /// `type(scope)!: what it does`: <https://www.conventionalcommits.org/en/v1.0.0/>.
    Conventional,
}

/// What a commit has to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CommitRule {
    /// Its message is written as [`Style::Conventional`] has it.
    Conventional,
    /// Its author signs it off: <https://developercertificate.org>.
    SignedOff,
}

impl CommitRule {
    /// All of them, as the file writes them.
    pub const ALL: [(&'static str, CommitRule); 2] =
        [("conventional", CommitRule::Conventional), ("signed-off", CommitRule::SignedOff)];
}

/// How large a change may be.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Size {
    /// So many files.
    pub files: Option<u64>,
    /// So many lines, added and removed together.
    pub lines: Option<u64>,
    /// So many bytes in a file that it adds or changes.
    pub file_bytes: Option<u64>,
    /// Globs of files that do not count. Lock files never do.
    pub except: Vec<String>,
}

/// What must not be done to which files: globs, in which `!glob` takes files out.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Forbidden {
    /// To add one, or to give one such a name.
    pub added: Vec<String>,
    /// To change one.
    pub changed: Vec<String>,
    /// To remove one, or to give one another name.
    pub removed: Vec<String>,
}

/// Who has to approve of a change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Reviewers {
    /// An owner of each changed file that has owners, as the `CODEOWNERS` of the base branch has them.
    CodeOwners,
    /// As these rules say, each of them.
    Rules {
        /// The rules.
        rules: Vec<Review>,
    },
}

/// Who has to approve of changes to some files.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Review {
    /// Globs of files. Empty: every change.
    pub paths: Vec<String>,
    /// Users and teams, of whom it has to be. Empty: anybody whose approval the forge counts.
    pub from: Vec<Who>,
    /// So many of them.
    pub count: u64,
}

/// What may come in by lock files.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Dependencies {
    /// So many packages that were not there.
    pub new_at_most: Option<u64>,
    /// Globs of the places that packages may come from, such as `crates.io` or `github.com/acme/*`. Empty: any.
    pub sources: Vec<String>,
    /// Globs of licences, one of which must cover a package whose licence is known. Empty: any.
    pub licences_allowed: Vec<String>,
    /// Globs of licences that a package must not be under.
    pub licences_denied: Vec<String>,
}
