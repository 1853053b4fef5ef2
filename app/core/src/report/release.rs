//! What a forge is made to show of releases and deployments.

use std::fmt;
use std::str::FromStr;

use bytes::Bytes;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::ids::{CommitId, EnvironmentName, InvalidId};

/// The first line of the one comment that tells a pull request what became of it.
pub const RELEASE_COMMENT_MARKER: &str = "<!-- gatewright:release -->";

/// The first line of a release of ours. One that does not start with it was made by a person, and stays as it is.
pub const RELEASE_MARKER: &str = "<!-- gatewright:notes -->";

/// The forge's release of a tag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReleaseReport {
    /// The tag, which is there already: no release ever makes one.
    pub tag: String,
    /// The commit that the tag must name. Where it names another, or is gone, nothing is published.
    pub commit: CommitId,
    /// The title.
    pub name: String,
    /// Markdown, without the marker. What is longer than the forge takes is cut at its end: 125,000 characters on GitHub,
    /// 1,000,000 on GitLab.
    pub body: String,
    /// How far it is.
    pub stage: ReleaseStage,
    /// Whom it is for.
    pub channel: Channel,
    /// Whether the forge is to call it the newest. A draft and a pre-release never are.
    pub latest: Latest,
}

/// How far a forge's release is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReleaseStage {
    /// Only those who may write see it. GitLab has no such thing, and nothing is made there.
    Draft,
    /// Everybody sees it. It never goes back to a draft.
    Published,
}

/// Whom a release is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Channel {
    /// For everybody.
    Stable,
    /// For those who try it: its version has a pre-release part.
    Prerelease,
}

/// Whether a release is the newest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Latest {
    /// It is.
    Yes,
    /// A version with a higher number is out.
    No,
}

/// The name of an artefact: 1 to 100 letters, digits, `-`, `_`, `.` or `+`, with neither end a `.`, since GitHub stores a
/// file of any other name under one of its own making, and it would not be found again.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct AssetName(String);

impl AssetName {
    /// The rule in words, for error texts.
    pub const RULE: &'static str = "1 to 100 letters, digits, '-', '_', '.' or '+', with neither end a '.'";

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for AssetName {
    type Err = InvalidId;
    fn from_str(s: &str) -> Result<Self, InvalidId> {
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_.+".contains(c);
        if s.is_empty() || s.len() > 100 || s.starts_with('.') || s.ends_with('.') || !s.chars().all(plain) {
            return Err(crate::ids::invalid("artefact name", s, Self::RULE));
        }
        Ok(AssetName(s.to_owned()))
    }
}

impl TryFrom<String> for AssetName {
    type Error = InvalidId;
    fn try_from(s: String) -> Result<Self, InvalidId> {
        s.parse()
    }
}

impl From<AssetName> for String {
    fn from(name: AssetName) -> String {
        name.0
    }
}

impl fmt::Display for AssetName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// An artefact of a release. The release is there already, be it as a draft.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AssetReport {
    /// The release's tag.
    pub tag: String,
    /// Its name, by which it is found again.
    pub name: AssetName,
    /// Its media type, such as `application/gzip`.
    pub content_type: String,
    /// What is in it: at most 256 MiB.
    pub content: Bytes,
    /// The SHA-256 of that, in small hexadecimal digits.
    pub sha256: String,
    /// Where the service itself gives it out. GitLab takes addresses only; without one it shows nothing.
    pub url: Option<String>,
}

/// A release on its way into an environment, as a deployment of the forge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeploymentReport {
    /// Names this deployment for ever: what GitHub keeps as its payload. At most 200 characters.
    pub key: String,
    /// Where to.
    pub environment: EnvironmentName,
    /// The tag that is deployed.
    pub tag: String,
    /// Its commit.
    pub commit: CommitId,
    /// When the rollout began. GitLab keeps no key: there a deployment of ours is this one if it has the same environment, tag and
    /// commit, and was made since (5 minutes of difference between the clocks allowed for).
    pub since: Timestamp,
    /// How far it is.
    pub state: DeploymentState,
    /// One line; cut after 140 characters. Not shown on GitLab.
    pub description: String,
    /// The page that tells more.
    pub log_url: Option<String>,
    /// Where people find the environment.
    pub environment_url: Option<String>,
    /// What kind of environment it is.
    pub tier: Tier,
    /// Whether the environment stays.
    pub life: Life,
}

/// How far a deployment is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeploymentState {
    /// It will begin.
    Queued,
    /// It waits for people or for a time.
    Waiting,
    /// It is under way.
    InProgress,
    /// It is live.
    Success,
    /// It failed, or was rolled back.
    Failure,
    /// It was live, and another one is.
    Inactive,
    /// It was given up before it began, or taken the place of.
    Cancelled,
}

impl DeploymentState {
    /// Whether it has come to its end, good or bad.
    pub fn is_over(self) -> bool {
        match self {
            DeploymentState::Queued | DeploymentState::Waiting | DeploymentState::InProgress => false,
            DeploymentState::Success | DeploymentState::Failure | DeploymentState::Inactive | DeploymentState::Cancelled => true,
        }
    }
}

/// What kind of environment it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Tier {
    /// What users use.
    Production,
    /// Anything before that.
    Before,
}

/// Whether an environment stays.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Life {
    /// It does.
    Permanent,
    /// It is taken down when it has served, such as one for a pull request.
    Transient,
}

/// The answer to a workflow that waits for leave to deploy. GitHub alone asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProtectionReport {
    /// The workflow run that asked.
    pub workflow_run: u64,
    /// The environment that it wants to deploy to.
    pub environment: String,
    /// What it is told.
    pub answer: ProtectionAnswer,
    /// Why; Markdown, cut after 1,024 characters. GitHub takes 10 of them for one workflow run.
    pub comment: String,
}

/// What a waiting workflow is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ProtectionAnswer {
    /// It may deploy.
    Approved,
    /// It may not.
    Rejected,
    /// It is not decided; the comment says what it waits for.
    NotYet,
}

#[cfg(test)]
mod tests {
    use super::AssetName;

    #[test]
    fn only_names_that_github_leaves_alone_name_an_artefact() {
        for good in ["SHA256SUMS", "app-1.2.3+build.5_x86.tar.gz"] {
            assert!(good.parse::<AssetName>().is_ok(), "{good}");
        }
        for bad in ["", ".hidden", "a.", "a b", "a/b", "ä", "a?name=b", &"a".repeat(101)] {
            assert!(bad.parse::<AssetName>().is_err(), "{bad}");
        }
    }
}
