//! Agents: the roles that are built in, the tools that they may use, and what they hand over.
//!
//! An agent is data. One loop (in the engine) runs them all: it asks the model, has the tools used in a sandbox, and ends with a
//! [`Handover`]. What of that anybody gets to see is decided by a policy, item by item, never by the agent.

use serde::{Deserialize, Serialize};

pub mod inputs;
mod pipelines;
mod roles;
mod tools;

pub use pipelines::{BuiltInPipeline, BuiltInStep, PIPELINES};
pub use roles::{BUILT_IN, BuiltIn};
pub use tools::Tool;

pub use crate::ids::{InputName, RoleName};

/// What an agent says at its end. All of its texts are untrusted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Handover {
    /// What it did or found, in a few sentences. The next stages read it, and people.
    pub summary: String,
    /// A title for the change, as a commit's first line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// What it found, place by place.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub findings: Vec<Finding>,
    /// Issues that it wants opened.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub issues: Vec<ProposedIssue>,
}

/// Something found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Finding {
    /// The file.
    pub path: String,
    /// The first line, from 1.
    pub line: u32,
    /// The last line. None: the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end_line: Option<u32>,
    /// How bad it is.
    pub severity: Severity,
    /// What.
    pub message: String,
    /// What the lines should be instead.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replacement: Option<String>,
}

/// How bad something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Worth knowing.
    Notice,
    /// Should be changed.
    Warning,
    /// Must be changed.
    Error,
}

/// An issue that an agent wants opened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProposedIssue {
    /// Its title.
    pub title: String,
    /// What it says.
    pub body: String,
}

impl Handover {
    /// Its texts may have so many bytes each.
    pub const TEXT_BYTES_MAX: usize = 16 * 1024;

    /// It may hold so many findings.
    pub const FINDINGS_MAX: usize = 50;

    /// And so many issues.
    pub const ISSUES_MAX: usize = 5;
}
