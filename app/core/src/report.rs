//! What a forge is made to show: check runs, the one sticky comment, releases, deployments and proposed changes, each under a stable key.

use bytes::Bytes;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::event::CommentRef;
use crate::ids::{CommitId, EnvironmentName, GateName, ItemRef, RunId};
use crate::suggestion::Suggestion;
use crate::verdict::Annotation;

pub mod proposal;
pub mod release;

pub use proposal::{AGENT_COMMENT_MARKER, IssueReport, ProposalReport, PushedReport};
pub use release::{
    AssetName, AssetReport, Channel, DeploymentReport, DeploymentState, Latest, Life, ProtectionAnswer, ProtectionReport,
    RELEASE_COMMENT_MARKER, RELEASE_MARKER, ReleaseReport, ReleaseStage, Tier,
};

/// Names one object on the forge for ever.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum ReportKey {
    /// The check of one gate in one run.
    Gate(GateName),
    /// The findings of one gate in the forge's code scanning.
    Scan(GateName),
    /// The one check of a run that can be required.
    Aggregate,
    /// The one comment of a pull request, shared by all its runs: the part of the gates.
    Comment,
    /// The reaction that says that a command was seen.
    Seen,
    /// The reaction that says what came of it.
    Answered,
    /// The short reply that says why a command was not obeyed.
    Reply,
    /// That the reply of an earlier command no longer holds.
    Resolved(RunId),
    /// The forge's release of a tag.
    Release,
    /// An artefact of that release.
    Asset(AssetName),
    /// The comment that tells the pull request of a release what becomes of it, shared by all releases of that pull request.
    ReleaseComment,
    /// What goes on in an environment.
    Deployment(EnvironmentName),
    /// The answer to a workflow that waits for leave to deploy.
    ProtectionRule,
    /// What agents do: on a pull request their part of its one comment, on an issue a comment of its own, shared by all their runs about it.
    AgentComment,
    /// A branch of ours with its pull request.
    Proposal,
    /// A commit on a branch that was there.
    Pushed,
    /// One of the issues of a run, by its place among them.
    Issue(u8),
}

impl From<ReportKey> for String {
    fn from(key: ReportKey) -> String {
        match key {
            ReportKey::Gate(gate) => format!("gate:{gate}"),
            ReportKey::Scan(gate) => format!("scan:{gate}"),
            ReportKey::Aggregate => "aggregate".to_owned(),
            ReportKey::Comment => "comment".to_owned(),
            ReportKey::Seen => "seen".to_owned(),
            ReportKey::Answered => "answered".to_owned(),
            ReportKey::Reply => "reply".to_owned(),
            ReportKey::Resolved(run) => format!("resolved:{run}"),
            ReportKey::Release => "release".to_owned(),
            ReportKey::Asset(name) => format!("asset:{name}"),
            ReportKey::ReleaseComment => "release-comment".to_owned(),
            ReportKey::Deployment(environment) => format!("deployment:{environment}"),
            ReportKey::ProtectionRule => "protection-rule".to_owned(),
            ReportKey::AgentComment => "agent-comment".to_owned(),
            ReportKey::Proposal => "proposal".to_owned(),
            ReportKey::Pushed => "pushed".to_owned(),
            ReportKey::Issue(n) => format!("issue:{n}"),
        }
    }
}

impl TryFrom<String> for ReportKey {
    type Error = crate::ids::InvalidId;
    fn try_from(s: String) -> Result<Self, Self::Error> {
        match s.as_str() {
            "aggregate" => Ok(ReportKey::Aggregate),
            "comment" => Ok(ReportKey::Comment),
            "seen" => Ok(ReportKey::Seen),
            "answered" => Ok(ReportKey::Answered),
            "reply" => Ok(ReportKey::Reply),
            "release" => Ok(ReportKey::Release),
            "release-comment" => Ok(ReportKey::ReleaseComment),
            "protection-rule" => Ok(ReportKey::ProtectionRule),
            "agent-comment" => Ok(ReportKey::AgentComment),
            "proposal" => Ok(ReportKey::Proposal),
            "pushed" => Ok(ReportKey::Pushed),
            other => match other.split_once(':') {
                Some(("resolved", run)) => run.parse().map(ReportKey::Resolved),
                Some(("scan", gate)) => gate.parse().map(ReportKey::Scan),
                Some(("asset", name)) => name.parse().map(ReportKey::Asset),
                Some(("deployment", environment)) => environment.parse().map(ReportKey::Deployment),
                Some(("issue", n)) => {
                    n.parse().map(ReportKey::Issue).map_err(|_| crate::ids::invalid("report key", other, "a number"))
                }
                Some(("gate", gate)) => gate.parse().map(ReportKey::Gate),
                Some(_) | None => other.parse().map(ReportKey::Gate),
            },
        }
    }
}

/// A report, rendered and ready to be published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Report {
    /// A check run (GitHub) or commit status (GitLab).
    Check(Box<CheckReport>),
    /// The sticky comment, or a reply.
    Comment(CommentReport),
    /// A reaction to somebody's comment.
    Reaction(ReactionReport),
    /// Findings for code scanning.
    Scan(Box<ScanReport>),
    /// A release.
    Release(Box<ReleaseReport>),
    /// An artefact of a release.
    Asset(Box<AssetReport>),
    /// A deployment.
    Deployment(Box<DeploymentReport>),
    /// The answer to a workflow that waits for leave to deploy.
    ProtectionRule(ProtectionReport),
    /// A branch of ours with its pull request. It is published as the pull request's number.
    Proposal(Box<ProposalReport>),
    /// A commit on a branch that is there. It has no number: it is published as [`NO_NUMBER`].
    Pushed(Box<PushedReport>),
    /// An issue. It is published as its number.
    Issue(IssueReport),
}

/// What is published as the id of something that has none.
pub const NO_NUMBER: u64 = 0;

/// Findings for the forge's code scanning. What the same gate gave for the same commit before, it takes the place of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScanReport {
    /// The commit that they are about.
    pub head: CommitId,
    /// What it is the head of.
    pub of: ScanOf,
    /// SARIF 2.1.0, compressed by gzip: at most 10 MB. It names its category.
    pub sarif: Bytes,
}

impl ScanReport {
    /// An upload has no number: what it is published under says how far the forge is with it. It is through, or does not say.
    pub const TAKEN: u64 = 0;

    /// The forge has taken it, and was not through with it when it was asked for the last time.
    pub const PENDING: u64 = 1;
}

/// What a commit is the head of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ScanOf {
    /// A branch.
    Branch(String),
    /// A pull request.
    Pull(u64),
}

/// A check as it should look.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckReport {
    /// Its name: `gatewright` or `gatewright/GATE`.
    pub name: String,
    /// The commit that it is on.
    pub head: CommitId,
    /// The pull request that it is about, where there is one. Forges that have no checks show it there.
    pub pull: Option<u64>,
    /// The stable key by which it is found again; see [`external_id`].
    pub external_id: String,
    /// How far it is.
    pub status: CheckStatus,
    /// One line.
    pub title: String,
    /// Markdown; the forge adapter cuts it where the forge has a limit, keeping its beginning.
    pub summary: String,
    /// More Markdown, such as the log's end; cut keeping its end.
    pub text: Option<String>,
    /// Places in the source.
    pub annotations: Vec<Annotation>,
    /// Changes to the source that tools propose. Each is said once on a pull request, as part of a review.
    pub suggestions: Vec<Suggestion>,
    /// Buttons.
    pub actions: Vec<CheckAction>,
    /// Where the run's page is.
    pub details_url: Option<String>,
}

/// How far a check is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "status")]
pub enum CheckStatus {
    /// It waits.
    Queued,
    /// It runs.
    InProgress {
        /// Since when.
        started_at: Timestamp,
    },
    /// It is over.
    Completed {
        /// When it began, if it did.
        started_at: Option<Timestamp>,
        /// When it ended.
        completed_at: Timestamp,
        /// How.
        conclusion: Conclusion,
    },
}

/// How a check or a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Conclusion {
    /// All is well.
    Success,
    /// The code is at fault, or a gate could not be judged.
    Failure,
    /// Nothing to say.
    Neutral,
    /// Stopped: superseded, closed, or by a user.
    Cancelled,
    /// Does not apply.
    Skipped,
    /// A gate reached its time limit.
    TimedOut,
    /// Somebody must do something first, such as approve a fork's pull request.
    ActionRequired,
}

impl Conclusion {
    /// As the API and the logs write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Conclusion::Success => "success",
            Conclusion::Failure => "failure",
            Conclusion::Neutral => "neutral",
            Conclusion::Cancelled => "cancelled",
            Conclusion::Skipped => "skipped",
            Conclusion::TimedOut => "timed_out",
            Conclusion::ActionRequired => "action_required",
        }
    }
}

/// A button on a check. The forge allows three.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckAction {
    /// At most 20 characters.
    pub label: String,
    /// At most 40 characters.
    pub description: String,
    /// At most 20 characters; comes back in the event.
    pub identifier: String,
}

/// The identifier of the button that runs the failed gates again.
pub const RERUN_FAILED: &str = "rerun-failed";

/// The identifier of the button that has a gate count as passed.
pub const SKIP: &str = "skip";

/// The identifier of the button that has a gate's verdict explained.
pub const EXPLAIN: &str = "explain";

/// A comment of ours as it should look.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommentReport {
    /// What it is about.
    pub on: ItemRef,
    /// Hidden text by which the comment is found again. Only a comment of our own account that starts with it counts.
    pub marker: String,
    /// Markdown, without the marker.
    pub body: String,
    /// Whether it still holds.
    pub holds: Holds,
}

/// Whether a comment still holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Holds {
    /// It does.
    Yes,
    /// It does not: the forge is to show it minimised, or folded where it cannot do that. It is not made for that.
    NoLonger,
}

/// A reaction of ours to somebody's comment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReactionReport {
    /// The comment.
    pub comment: CommentRef,
    /// Which.
    pub reaction: Reaction,
}

/// The reactions that we give.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reaction {
    /// Eyes: it was seen.
    Eyes,
    /// Thumbs up: it was obeyed.
    ThumbsUp,
    /// Confused: it was not.
    Confused,
}

/// The first line of the sticky comment.
pub const COMMENT_MARKER: &str = "<!-- gatewright:sticky -->";

/// The first line of the reply to a command.
pub fn reply_marker(run: RunId) -> String {
    format!("<!-- gatewright:reply {run} -->")
}

/// What is known of the object on the forge before it is published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Known {
    /// It was never tried: make it without looking first.
    Never,
    /// It may have been made by an attempt whose end nobody saw, or by an earlier run: look before making it.
    Maybe,
    /// It was made, and this is the forge's id of it.
    Id(u64),
}

/// What the forge now shows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Published {
    /// The forge's id of the object.
    pub id: u64,
}

/// The stable key of a run's check: `RUN_ID` for the aggregate, `RUN_ID/GATE` for a gate's.
pub fn external_id(run: RunId, gate: Option<&GateName>) -> String {
    match gate {
        Some(gate) => format!("{run}/{gate}"),
        None => run.to_string(),
    }
}

/// The run and the gate of an [`external_id`]. None where it is not one of ours.
pub fn parse_external_id(id: &str) -> Option<(RunId, Option<GateName>)> {
    match id.split_once('/') {
        Some((run, gate)) => Some((run.parse().ok()?, Some(gate.parse().ok()?))),
        None => Some((id.parse().ok()?, None)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_read_as_it_is_written() {
        let keys = [ReportKey::AgentComment, ReportKey::Proposal, ReportKey::Pushed, ReportKey::Issue(0), ReportKey::Issue(255)];
        for key in keys {
            assert_eq!(ReportKey::try_from(String::from(key.clone())), Ok(key));
        }
        assert!(ReportKey::try_from("issue:256".to_owned()).is_err());
    }
}
