//! The parts of GitLab's payloads that are looked at. Everything else in them is skipped without being kept.
//!
//! All fields are optional here: instances run many years' versions, system hooks leave some out, and what is needed is
//! decided where an event is made of it. What only makes an event better, such as a name, may be of any type.

use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::lenient::optional;

/// What every payload may say about itself.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Outline {
    #[serde(deserialize_with = "optional")]
    pub(super) object_kind: Option<String>,
    /// Instead of `object_kind` in system hooks.
    #[serde(deserialize_with = "optional")]
    pub(super) event_name: Option<String>,
    #[serde(deserialize_with = "optional")]
    pub(super) event_type: Option<String>,
    #[serde(deserialize_with = "optional")]
    pub(super) object_attributes: Option<OnlyAction>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct OnlyAction {
    #[serde(deserialize_with = "optional")]
    pub(super) action: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Account {
    #[serde(deserialize_with = "optional")]
    pub(super) id: Option<u64>,
    #[serde(deserialize_with = "optional")]
    pub(super) username: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct Project {
    pub(super) id: Option<u64>,
    pub(super) path_with_namespace: Option<String>,
    pub(super) default_branch: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct Commit {
    pub(super) id: Option<String>,
}

/// A payload of a merge request event.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct MergeRequestHook {
    #[serde(deserialize_with = "optional")]
    pub(super) user: Option<Account>,
    pub(super) project: Option<Project>,
    pub(super) object_attributes: Option<MergeRequest>,
    #[serde(deserialize_with = "optional")]
    pub(super) changes: Option<Changes>,
    #[serde(deserialize_with = "optional")]
    pub(super) labels: Option<Vec<Label>>,
}

#[derive(Deserialize)]
pub(super) struct MergeRequest {
    pub(super) iid: Option<u64>,
    pub(super) action: Option<String>,
    /// There when an update brings new commits: the head before them.
    pub(super) oldrev: Option<String>,
    pub(super) target_branch: Option<String>,
    pub(super) target_project_id: Option<u64>,
    pub(super) target: Option<Project>,
    pub(super) last_commit: Option<Commit>,
    #[serde(default, deserialize_with = "optional")]
    pub(super) updated_at: Option<String>,
}

/// What an update changed.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Changes {
    pub(super) target_branch: Option<IgnoredAny>,
    #[serde(deserialize_with = "optional")]
    pub(super) draft: Option<Changed<bool>>,
    /// Instead of `draft` in versions before 14.
    #[serde(deserialize_with = "optional")]
    pub(super) work_in_progress: Option<Changed<bool>>,
    #[serde(deserialize_with = "optional")]
    pub(super) title: Option<Changed<String>>,
    #[serde(deserialize_with = "optional")]
    pub(super) labels: Option<Changed<Vec<Label>>>,
}

#[derive(Deserialize)]
pub(super) struct Label {
    pub(super) title: Option<String>,
}

/// A payload of an issue event.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct IssueHook {
    #[serde(deserialize_with = "optional")]
    pub(super) event_type: Option<String>,
    #[serde(deserialize_with = "optional")]
    pub(super) user: Option<Account>,
    pub(super) project: Option<Project>,
    pub(super) object_attributes: Option<Issue>,
    #[serde(deserialize_with = "optional")]
    pub(super) changes: Option<Changes>,
    #[serde(deserialize_with = "optional")]
    pub(super) labels: Option<Vec<Label>>,
}

#[derive(Deserialize)]
pub(super) struct Issue {
    pub(super) iid: Option<u64>,
    pub(super) action: Option<String>,
    pub(super) project_id: Option<u64>,
    pub(super) confidential: Option<bool>,
    #[serde(default, deserialize_with = "optional")]
    pub(super) updated_at: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct Changed<T> {
    pub(super) previous: Option<T>,
    pub(super) current: Option<T>,
}

/// A payload of a comment.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct NoteHook {
    pub(super) event_type: Option<String>,
    #[serde(deserialize_with = "optional")]
    pub(super) user: Option<Account>,
    pub(super) project: Option<Project>,
    pub(super) object_attributes: Option<Note>,
    pub(super) merge_request: Option<NotedMergeRequest>,
    #[serde(deserialize_with = "optional")]
    pub(super) issue: Option<NotedIssue>,
}

#[derive(Deserialize)]
pub(super) struct NotedIssue {
    pub(super) iid: Option<u64>,
    pub(super) project_id: Option<u64>,
    pub(super) confidential: Option<bool>,
}

#[derive(Deserialize)]
pub(super) struct Note {
    pub(super) id: Option<u64>,
    pub(super) note: Option<String>,
    pub(super) noteable_type: Option<String>,
    pub(super) author_id: Option<u64>,
    /// `create` or `update`; absent before 16.11.
    pub(super) action: Option<String>,
    pub(super) system: Option<bool>,
    pub(super) internal: Option<bool>,
    pub(super) created_at: Option<String>,
    pub(super) updated_at: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct NotedMergeRequest {
    pub(super) iid: Option<u64>,
    pub(super) target_project_id: Option<u64>,
    pub(super) target: Option<Project>,
    #[serde(default, deserialize_with = "optional")]
    pub(super) last_commit: Option<Commit>,
}

/// A payload of a push. Those of system hooks name the project's number beside the project only.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct PushHook {
    #[serde(rename = "ref")]
    pub(super) git_ref: Option<String>,
    pub(super) before: Option<String>,
    pub(super) after: Option<String>,
    /// Of a tag the commit that it names.
    #[serde(deserialize_with = "optional")]
    pub(super) checkout_sha: Option<String>,
    #[serde(deserialize_with = "optional")]
    pub(super) user_id: Option<u64>,
    #[serde(deserialize_with = "optional")]
    pub(super) user_username: Option<String>,
    #[serde(deserialize_with = "optional")]
    pub(super) user_name: Option<String>,
    pub(super) project_id: Option<u64>,
    pub(super) project: Option<Project>,
}
