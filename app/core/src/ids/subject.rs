//! What a run is about, and what people write on.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{EnvironmentName, RepoRef};

/// What a run is about. Of two runs about one subject the newer supersedes the older.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Subject {
    /// A pull request (merge request on GitLab).
    Pull {
        /// Its number in the repository.
        number: u64,
    },
    /// A workflow of the forge that waits for leave to deploy.
    Permit {
        /// The environment's name on the forge. Untrusted text.
        environment: String,
    },
    /// An issue.
    Issue {
        /// Its number in the repository.
        number: u64,
    },
    /// A group in a merge queue.
    MergeGroup {
        /// The queue's own branch, such as `refs/heads/gh-readonly-queue/main/pr-7-...`.
        head_ref: String,
    },
    /// A branch that was pushed to.
    Branch {
        /// Its name, without `refs/heads/`.
        name: String,
    },
    /// The commit of a tag, whose gates a release asks for.
    Tag {
        /// Its name, without `refs/tags/`.
        name: String,
    },
    /// What becomes of a tag that is a release.
    Release {
        /// Its name, without `refs/tags/`.
        tag: String,
    },
    /// What goes into an environment.
    Environment {
        /// Its name.
        name: EnvironmentName,
    },
    /// What people are told about an environment. Such runs supersede nothing: each tells one thing.
    Notice {
        /// Its name.
        environment: EnvironmentName,
    },
    /// What agents do about another subject.
    Agents {
        /// That subject.
        about: Box<Subject>,
    },
    /// What people say about another subject. Such runs supersede nothing: each is about what was said once.
    Commands {
        /// That subject.
        about: Box<Subject>,
    },
}

impl Subject {
    /// `REPO_KEY/pull/7` and the like: what superseding and lookup go by.
    pub fn key(&self, repo: &RepoRef) -> String {
        match self {
            Subject::Pull { number } => format!("{}/pull/{number}", repo.key()),
            Subject::Issue { number } => format!("{}/issue/{number}", repo.key()),
            Subject::MergeGroup { head_ref } => format!("{}/merge-group/{head_ref}", repo.key()),
            Subject::Branch { name } => format!("{}/branch/{name}", repo.key()),
            Subject::Tag { name } => format!("{}/tag/{name}", repo.key()),
            Subject::Release { tag } => format!("{}/release/{tag}", repo.key()),
            Subject::Environment { name } => format!("{}/environment/{name}", repo.key()),
            Subject::Notice { environment } => format!("{}/notice/{environment}", repo.key()),
            Subject::Permit { environment } => format!("{}/permit/{environment}", repo.key()),
            Subject::Agents { about } => format!("{}/agents", about.key(repo)),
            Subject::Commands { about } => format!("{}/commands", about.key(repo)),
        }
    }

    /// The pull request that a merge group was made for, where the name of the group's branch says so: GitHub calls it
    /// `gh-readonly-queue/BASE/pr-7-SHA`.
    pub fn queued_pull(&self) -> Option<u64> {
        let Subject::MergeGroup { head_ref } = self else { return None };
        head_ref.rsplit('/').next()?.strip_prefix("pr-")?.split('-').next()?.parse().ok()
    }

    /// The pull request's number, where there is one.
    pub fn pull(&self) -> Option<u64> {
        match self.item()? {
            ItemRef::Pull { number } => Some(number),
            ItemRef::Issue { .. } => None,
        }
    }

    /// What people can comment on of it, where there is such a thing.
    pub fn item(&self) -> Option<ItemRef> {
        match self {
            Subject::Pull { number } => Some(ItemRef::Pull { number: *number }),
            Subject::Issue { number } => Some(ItemRef::Issue { number: *number }),
            Subject::MergeGroup { .. }
            | Subject::Branch { .. }
            | Subject::Tag { .. }
            | Subject::Release { .. }
            | Subject::Environment { .. }
            | Subject::Notice { .. }
            | Subject::Permit { .. }
            | Subject::Agents { .. }
            | Subject::Commands { .. } => None,
        }
    }
}

/// What people write on: a pull request or an issue. GitHub counts both by the same numbers, GitLab each by its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "item")]
pub enum ItemRef {
    /// A pull request (merge request on GitLab).
    Pull {
        /// Its number in the repository.
        number: u64,
    },
    /// An issue.
    Issue {
        /// Its number in the repository.
        number: u64,
    },
}

impl ItemRef {
    /// Its number in the repository.
    pub fn number(self) -> u64 {
        match self {
            ItemRef::Pull { number } | ItemRef::Issue { number } => number,
        }
    }

    /// The subject that runs about it have.
    pub fn subject(self) -> Subject {
        match self {
            ItemRef::Pull { number } => Subject::Pull { number },
            ItemRef::Issue { number } => Subject::Issue { number },
        }
    }
}

impl fmt::Display for ItemRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.subject().fmt(f)
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Subject::Pull { number } => write!(f, "#{number}"),
            Subject::Issue { number } => write!(f, "issue {number}"),
            Subject::MergeGroup { head_ref } => write!(f, "merge group {}", head_ref.trim_start_matches("refs/heads/")),
            Subject::Branch { name } => write!(f, "branch {name}"),
            Subject::Tag { name } => write!(f, "tag {name}"),
            Subject::Release { tag } => write!(f, "release {tag}"),
            Subject::Environment { name } => write!(f, "environment {name}"),
            Subject::Notice { environment } => write!(f, "notice about {environment}"),
            Subject::Permit { environment } => write!(f, "leave to deploy to {environment}"),
            Subject::Agents { about } => write!(f, "agents on {about}"),
            Subject::Commands { about } => write!(f, "commands on {about}"),
        }
    }
}
