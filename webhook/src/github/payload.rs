//! The parts of GitHub's payloads that are looked at. Everything else in them is skipped without being kept.
//!
//! All fields are optional here: older servers and newer ones leave some out, and what is needed is decided where an
//! event is made of it.

use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::lenient::optional;

/// A payload of any event in use. Their fields do not collide.

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Payload {
    pub(super) action: Option<String>,
    pub(super) installation: Option<Installation>,
    pub(super) repository: Option<Repository>,
    pub(super) sender: Option<Account>,

    pub(super) number: Option<u64>,
    pub(super) pull_request: Option<PullRequest>,
    pub(super) changes: Option<Changes>,

    pub(super) merge_group: Option<MergeGroup>,

    #[serde(rename = "ref")]
    pub(super) git_ref: Option<String>,
    pub(super) before: Option<String>,
    pub(super) after: Option<String>,
    pub(super) created: Option<bool>,
    pub(super) deleted: Option<bool>,
    #[serde(deserialize_with = "optional")]
    pub(super) head_commit: Option<HeadCommit>,

    pub(super) check_run: Option<CheckRun>,
    pub(super) check_suite: Option<CheckSuite>,
    pub(super) requested_action: Option<RequestedAction>,

    #[serde(deserialize_with = "optional")]
    pub(super) environment: Option<String>,
    #[serde(deserialize_with = "optional")]
    pub(super) deployment_callback_url: Option<String>,
    #[serde(deserialize_with = "optional")]
    pub(super) deployment: Option<Deployment>,

    pub(super) issue: Option<Issue>,
    pub(super) comment: Option<Comment>,
    #[serde(deserialize_with = "optional")]
    pub(super) label: Option<Label>,
}

/// A payload of an event that is not in use.

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct OnlyAction {
    pub(super) action: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct Installation {
    pub(super) id: Option<u64>,
}

#[derive(Deserialize)]
pub(super) struct Repository {
    pub(super) id: Option<u64>,
    pub(super) full_name: Option<String>,
    pub(super) default_branch: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct Account {
    pub(super) id: Option<u64>,
    pub(super) login: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct PullRequest {
    pub(super) number: Option<u64>,
    pub(super) head: Option<PullEnd>,
    pub(super) base: Option<PullEnd>,
    #[serde(default, deserialize_with = "optional")]
    pub(super) updated_at: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct PullEnd {
    pub(super) sha: Option<String>,
    #[serde(rename = "ref")]
    pub(super) git_ref: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct Changes {
    /// There when the pull request was given another base branch.
    pub(super) base: Option<IgnoredAny>,
}

#[derive(Deserialize)]
pub(super) struct MergeGroup {
    pub(super) head_sha: Option<String>,
    pub(super) head_ref: Option<String>,
    pub(super) base_sha: Option<String>,
    pub(super) base_ref: Option<String>,
}

/// The newest commit of a push; of a tag the commit that it names.
#[derive(Deserialize)]
pub(super) struct HeadCommit {
    pub(super) id: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct Deployment {
    #[serde(default, deserialize_with = "optional")]
    pub(super) sha: Option<String>,
    #[serde(default, rename = "ref", deserialize_with = "optional")]
    pub(super) git_ref: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct CheckRun {
    pub(super) head_sha: Option<String>,
    pub(super) external_id: Option<String>,
    pub(super) app: Option<App>,
    #[serde(default)]
    pub(super) pull_requests: Option<Vec<PullRequest>>,
}

#[derive(Deserialize)]
pub(super) struct CheckSuite {
    pub(super) head_sha: Option<String>,
    pub(super) app: Option<App>,
    #[serde(default)]
    pub(super) pull_requests: Option<Vec<PullRequest>>,
}

#[derive(Deserialize)]
pub(super) struct App {
    pub(super) id: Option<u64>,
}

#[derive(Deserialize)]
pub(super) struct RequestedAction {
    pub(super) identifier: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct Issue {
    pub(super) number: Option<u64>,
    /// There when the issue is a pull request.
    pub(super) pull_request: Option<IgnoredAny>,
    #[serde(default, deserialize_with = "optional")]
    pub(super) updated_at: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct Label {
    pub(super) name: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct Comment {
    pub(super) id: Option<u64>,
    pub(super) body: Option<String>,
    pub(super) user: Option<Author>,
    pub(super) created_at: Option<String>,
    /// There when an app wrote it, be it in the name of a person.
    pub(super) performed_via_github_app: Option<IgnoredAny>,
}

#[derive(Deserialize)]
pub(super) struct Author {
    pub(super) id: Option<u64>,
    pub(super) login: Option<String>,
    #[serde(rename = "type")]
    pub(super) kind: Option<String>,
}
