//! The event that a workflow was started by, as the file tells that `GITHUB_EVENT_PATH` names. GitHub wrote it, but names of
//! branches and repositories in it are whatever people chose.

use gatewright_core::CommitId;
use serde::Deserialize;

/// What matters of an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A pull request, by `pull_request` or `pull_request_target`.
    Pull {
        /// Its number.
        number: u64,
        /// Its head.
        head: CommitId,
        /// The base branch's commit when the event came about.
        base: CommitId,
        /// The base branch.
        base_ref: String,
        /// Whether its head lies in another repository.
        fork: bool,
    },
    /// A branch was pushed to.
    Push {
        /// The branch; None for a tag.
        branch: Option<String>,
        /// What it pointed at before; None where it is new.
        before: Option<CommitId>,
        /// The repository's default branch.
        default_branch: String,
    },
    /// A merge queue asks.
    MergeGroup {
        /// The commit that the group is put on.
        base: CommitId,
        /// The branch that it is to go into.
        base_ref: String,
    },
    /// Another workflow has ended.
    WorkflowRun(WorkflowRun),
    /// Any other: a schedule, a button, ...
    Other {
        /// The repository's default branch, where the event says it.
        default_branch: Option<String>,
    },
}

/// A workflow that has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkflowRun {
    /// What it was started by.
    pub event: String,
    /// The commit that it was about.
    pub head: CommitId,
    /// Whether it ended well.
    pub succeeded: bool,
    /// Its page.
    pub page: String,
}

/// An event that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EventError {
    /// The file is not JSON, or not of an event's shape.
    #[error("the event file is not that of a `{name}` event (line {line}, column {column})")]
    Unreadable {
        /// The event's name.
        name: String,
        /// Where reading ended.
        line: usize,
        /// Where reading ended.
        column: usize,
    },
}

#[derive(Deserialize)]
struct PullPayload {
    number: u64,
    pull_request: Pull,
}

#[derive(Deserialize)]
struct Pull {
    head: Side,
    base: Side,
}

#[derive(Deserialize)]
struct Side {
    sha: CommitId,
    #[serde(rename = "ref")]
    name: String,
    /// Null where a fork was deleted.
    repo: Option<Id>,
}

#[derive(Deserialize, PartialEq, Eq)]
struct Id {
    id: u64,
}

#[derive(Deserialize)]
struct PushPayload {
    #[serde(rename = "ref")]
    name: String,
    before: CommitId,
    repository: Repository,
}

#[derive(Deserialize)]
struct Repository {
    default_branch: String,
}

#[derive(Deserialize)]
struct MergeGroupPayload {
    merge_group: MergeGroup,
}

#[derive(Deserialize)]
struct MergeGroup {
    base_sha: CommitId,
    base_ref: String,
}

#[derive(Deserialize)]
struct WorkflowRunPayload {
    workflow_run: Run,
}

#[derive(Deserialize)]
struct Run {
    event: String,
    head_sha: CommitId,
    /// Null while it runs.
    conclusion: Option<String>,
    #[serde(default)]
    html_url: String,
}

#[derive(Deserialize)]
struct OtherPayload {
    repository: Option<Repository>,
}

impl Event {
    /// Reads the event of this name (`GITHUB_EVENT_NAME`).
    pub fn read(name: &str, payload: &[u8]) -> Result<Event, EventError> {
        match name {
            "pull_request" | "pull_request_target" => parse(name, payload).map(pull),
            "push" => parse(name, payload).map(push),
            "merge_group" => parse(name, payload).map(|MergeGroupPayload { merge_group: group }| Event::MergeGroup {
                base: group.base_sha,
                base_ref: branch_of(&group.base_ref).unwrap_or(&group.base_ref).to_owned(),
            }),
            "workflow_run" => parse(name, payload).map(|WorkflowRunPayload { workflow_run: run }| {
                Event::WorkflowRun(WorkflowRun {
                    event: run.event,
                    head: run.head_sha,
                    succeeded: run.conclusion.as_deref() == Some("success"),
                    page: run.html_url,
                })
            }),
            // A schedule's file is `{"schedule": "..."}` in some versions of the server.
            _ => Ok(Event::Other {
                default_branch: parse(name, payload)
                    .ok()
                    .and_then(|other: OtherPayload| other.repository)
                    .map(|repo| repo.default_branch),
            }),
        }
    }
}

fn parse<'a, T: Deserialize<'a>>(name: &str, payload: &'a [u8]) -> Result<T, EventError> {
    serde_json::from_slice(payload).map_err(|error| EventError::Unreadable {
        name: name.chars().take(80).collect(),
        line: error.line(),
        column: error.column(),
    })
}

fn pull(PullPayload { number, pull_request: Pull { head, base } }: PullPayload) -> Event {
    Event::Pull { number, fork: head.repo != base.repo, head: head.sha, base: base.sha, base_ref: base.name }
}

fn push(payload: PushPayload) -> Event {
    Event::Push {
        branch: branch_of(&payload.name).map(str::to_owned),
        before: Some(payload.before).filter(|commit| !commit.is_zero()),
        default_branch: payload.repository.default_branch,
    }
}

fn branch_of(name: &str) -> Option<&str> {
    name.strip_prefix("refs/heads/")
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
    const BASE: &str = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";

    fn commit(text: &str) -> CommitId {
        text.parse().expect("a commit")
    }

    fn pull_of(head_repo: &str) -> Event {
        let payload = format!(
            r#"{{"action": "synchronize", "number": 7, "pull_request": {{
                "head": {{"sha": "{HEAD}", "ref": "topic", "repo": {head_repo}}},
                "base": {{"sha": "{BASE}", "ref": "main", "repo": {{"id": 1}}}}}}}}"#
        );
        Event::read("pull_request", payload.as_bytes()).expect("it can be read")
    }

    #[test]
    fn a_pull_request_says_its_commits_and_whether_it_is_from_a_fork() {
        let expected =
            |fork| Event::Pull { number: 7, head: commit(HEAD), base: commit(BASE), base_ref: "main".to_owned(), fork };
        assert_eq!(pull_of(r#"{"id": 1, "name": "app"}"#), expected(false));
        assert_eq!(pull_of(r#"{"id": 2}"#), expected(true));
        assert_eq!(pull_of("null"), expected(true), "a fork that was deleted is one");
    }

    #[test]
    fn a_push_of_a_new_branch_has_nothing_before_it() {
        let of = |name: &str, before: &str| {
            let payload = format!(r#"{{"ref": "{name}", "before": "{before}", "repository": {{"default_branch": "main"}}}}"#);
            Event::read("push", payload.as_bytes()).expect("it can be read")
        };
        let default_branch = || "main".to_owned();
        let (branch, before) = (Some("a/b".to_owned()), Some(commit(BASE)));
        assert_eq!(
            of("refs/heads/a/b", BASE),
            Event::Push { branch: branch.clone(), before: before.clone(), default_branch: default_branch() }
        );
        assert_eq!(of("refs/heads/a/b", &"0".repeat(40)), Event::Push { branch, before: None, default_branch: default_branch() });
        assert_eq!(of("refs/tags/v1", BASE), Event::Push { branch: None, before, default_branch: default_branch() });
    }

    #[test]
    fn a_merge_group_and_an_ended_workflow_say_their_commits() {
        let group =
            format!(r#"{{"merge_group": {{"base_sha": "{BASE}", "base_ref": "refs/heads/main", "head_sha": "{HEAD}"}}}}"#);
        let read = Event::read("merge_group", group.as_bytes());
        assert_eq!(read, Ok(Event::MergeGroup { base: commit(BASE), base_ref: "main".to_owned() }));
        let run = format!(
            r#"{{"workflow_run": {{"event": "pull_request", "head_sha": "{HEAD}", "conclusion": "failure", "html_url": "https://github.com/o/r/actions/runs/1"}}}}"#
        );
        let expected = WorkflowRun {
            event: "pull_request".to_owned(),
            head: commit(HEAD),
            succeeded: false,
            page: "https://github.com/o/r/actions/runs/1".to_owned(),
        };
        assert_eq!(Event::read("workflow_run", run.as_bytes()), Ok(Event::WorkflowRun(expected)));
    }

    #[test]
    fn an_event_that_says_nothing_is_no_error() {
        assert_eq!(Event::read("schedule", br#"{"schedule": "0 4 * * *"}"#), Ok(Event::Other { default_branch: None }));
        let asked = Event::read("workflow_dispatch", br#"{"inputs": null, "repository": {"default_branch": "trunk"}}"#);
        assert_eq!(asked, Ok(Event::Other { default_branch: Some("trunk".to_owned()) }));
    }

    #[test]
    fn a_file_that_is_not_the_events_says_where() {
        let error = Event::read("push", b"{\n\"ref\": 7}").expect_err("a number is no ref");
        assert_eq!(error.to_string(), "the event file is not that of a `push` event (line 2, column 8)");
        let abbreviated = r#"{"ref": "refs/heads/main", "before": "main", "repository": {"default_branch": "main"}}"#;
        assert!(Event::read("push", abbreviated.as_bytes()).is_err(), "a branch is no commit");
    }
}
