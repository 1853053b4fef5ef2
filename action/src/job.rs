//! Where it runs, and what the job is about, by the job's variables.

use gatewright_core::config::{GateEvent, Pushed};
use gatewright_core::{CommitId, ForgeKind, RepoRef};

use crate::github::event::{Event, EventError};
use crate::{Variables, variable};

/// A job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Job {
    /// Whose runner it is on.
    pub runner: Runner,
    /// What it is about.
    pub change: Change,
}

/// Whose runner a job is on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Runner {
    /// GitHub Actions.
    Github,
    /// GitLab CI.
    Gitlab,
}

/// What a job is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The commit that is shown as checked: a pull request's head, not the merge that the forge made of it.
    pub head: Option<CommitId>,
    /// The kind of event; None where it is of none that gates can be for (a schedule, a button), and so all gates run.
    pub event: Option<GateEvent>,
    /// The branch that the change is to go into, or that was pushed.
    pub branch: Option<String>,
    /// Where it was pushed to, if it is a push.
    pub pushed: Pushed,
    /// What it is compared with.
    pub against: Against,
    /// The pull request, where there is one.
    pub pull: Option<Pull>,
}

/// A pull request, as the job's event tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pull {
    /// Its number.
    pub number: u64,
    /// Whether its head lies in another repository. Then the job's token cannot write.
    pub fork: bool,
}

/// What a change is compared with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Against {
    /// This commit, or rather the newest that the change has in common with it.
    Commit(CommitId),
    /// The same of a branch of the repository.
    Branch(String),
    /// Nothing: it is the default branch itself, or nobody knows.
    Nothing,
}

/// A job that cannot be made sense of.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JobError {
    /// Neither of the forges' runners.
    #[error(
        "this is no job of GitHub Actions (GITHUB_ACTIONS=true) or GitLab CI (GITLAB_CI=true); on your own machine use `gatewright run`"
    )]
    NoRunner,
    /// A variable that every job has is not set.
    #[error("the variable {0} is not set, as it is in every job")]
    Missing(&'static str),
    /// A variable is not what it is in every job.
    #[error("the variable {0} is not what it is in every job")]
    Unusable(&'static str),
    /// The event file cannot be used.
    #[error(transparent)]
    Event(#[from] EventError),
}

impl Runner {
    /// By what every job of the forge has set.
    pub fn of(variables: &Variables) -> Result<Runner, JobError> {
        match (variable(variables, "GITHUB_ACTIONS"), variable(variables, "GITLAB_CI")) {
            (Some("true"), _) => Ok(Runner::Github),
            (_, Some("true")) => Ok(Runner::Gitlab),
            _ => Err(JobError::NoRunner),
        }
    }
}

/// The event of a job on GitHub. `payload` is what the file holds that `GITHUB_EVENT_PATH` names.
pub fn github_event(variables: &Variables, payload: &[u8]) -> Result<Event, JobError> {
    Ok(Event::read(needed(variables, "GITHUB_EVENT_NAME")?, payload)?)
}

/// The repository of a job on GitHub.
pub fn github_repository(variables: &Variables) -> Result<RepoRef, JobError> {
    let path = needed(variables, "GITHUB_REPOSITORY")?;
    let id = needed(variables, "GITHUB_REPOSITORY_ID")?.parse().map_err(|_| JobError::Unusable("GITHUB_REPOSITORY_ID"))?;
    let parts: Vec<&str> = path.split('/').collect();
    if parts.len() != 2 || parts.iter().any(|part| part.is_empty() || *part == "." || *part == "..") {
        return Err(JobError::Unusable("GITHUB_REPOSITORY"));
    }
    Ok(RepoRef { forge: ForgeKind::Github, id, path: path.to_owned(), installation: None })
}

/// The page of the run that a job on GitHub is a part of: that of this attempt, where the job says which.
pub fn github_run_page(variables: &Variables) -> Option<String> {
    let of = |name: &str| variable(variables, name);
    let (server, path, run) = (of("GITHUB_SERVER_URL")?, of("GITHUB_REPOSITORY")?, of("GITHUB_RUN_ID")?);
    let attempt = of("GITHUB_RUN_ATTEMPT").map(|attempt| format!("/attempts/{attempt}")).unwrap_or_default();
    Some(format!("{}/{path}/actions/runs/{run}{attempt}", server.trim_end_matches('/')))
}

/// What a job on GitHub is about.
pub fn github(variables: &Variables, event: &Event) -> Job {
    // For a pull request that is the merge that GitHub made; its head is what people look at.
    let checked_out = variable(variables, "GITHUB_SHA").and_then(|sha| sha.parse().ok());
    let of = |event, branch: Option<&str>, against| Change {
        head: checked_out.clone(),
        event: Some(event),
        branch: branch.map(str::to_owned),
        pushed: Pushed::Elsewhere,
        against,
        pull: None,
    };
    let change = match event {
        Event::Pull { number, head, base, base_ref, fork } => Change {
            head: Some(head.clone()),
            pull: Some(Pull { number: *number, fork: *fork }),
            ..of(GateEvent::PullRequest, Some(base_ref), Against::Commit(base.clone()))
        },
        Event::Push { branch, before, default_branch } => {
            let against = match before {
                Some(before) => Against::Commit(before.clone()),
                None if branch.as_ref() == Some(default_branch) => Against::Nothing,
                None => Against::Branch(default_branch.clone()),
            };
            let pushed = pushed(branch.as_deref(), Some(default_branch));
            Change { pushed, ..of(GateEvent::Push, branch.as_deref(), against) }
        }
        Event::MergeGroup { base, base_ref } => of(GateEvent::MergeGroup, Some(base_ref), Against::Commit(base.clone())),
        Event::WorkflowRun(_) | Event::Other { .. } => {
            let branch = variable(variables, "GITHUB_REF").and_then(|name| name.strip_prefix("refs/heads/"));
            let against = match event {
                Event::Other { default_branch: Some(default) } if branch.is_some_and(|branch| branch != default) => {
                    Against::Branch(default.clone())
                }
                _ => Against::Nothing,
            };
            Change { event: None, ..of(GateEvent::Push, branch, against) }
        }
    };
    Job { runner: Runner::Github, change }
}

/// What a job on GitLab is about.
pub fn gitlab(variables: &Variables) -> Result<Job, JobError> {
    let commit = |name: &str| -> Option<CommitId> {
        variable(variables, name).and_then(|sha| sha.parse().ok()).filter(|commit: &CommitId| !commit.is_zero())
    };
    let checked_out = commit("CI_COMMIT_SHA").ok_or(JobError::Missing("CI_COMMIT_SHA"))?;
    let default = variable(variables, "CI_DEFAULT_BRANCH");
    let branch = variable(variables, "CI_COMMIT_BRANCH");
    let change = match (variable(variables, "CI_PIPELINE_SOURCE"), variable(variables, "CI_MERGE_REQUEST_IID")) {
        (_, Some(number)) => {
            let number = number.parse().map_err(|_| JobError::Unusable("CI_MERGE_REQUEST_IID"))?;
            let projects =
                (variable(variables, "CI_MERGE_REQUEST_SOURCE_PROJECT_ID"), variable(variables, "CI_MERGE_REQUEST_PROJECT_ID"));
            let train = variable(variables, "CI_MERGE_REQUEST_EVENT_TYPE") == Some("merge_train");
            let target = variable(variables, "CI_MERGE_REQUEST_TARGET_BRANCH_NAME");
            let base = commit("CI_MERGE_REQUEST_TARGET_BRANCH_SHA").or_else(|| commit("CI_MERGE_REQUEST_DIFF_BASE_SHA"));
            Change {
                // Set in pipelines of merged results only, where the commit is one that nobody has pushed.
                head: commit("CI_MERGE_REQUEST_SOURCE_BRANCH_SHA").or(Some(checked_out)),
                event: Some(if train { GateEvent::MergeGroup } else { GateEvent::PullRequest }),
                branch: target.map(str::to_owned),
                pushed: Pushed::Elsewhere,
                against: base.map_or_else(|| of_branch(target, None), Against::Commit),
                pull: Some(Pull { number, fork: projects.0 != projects.1 }),
            }
        }
        (source, None) => {
            let before = commit("CI_COMMIT_BEFORE_SHA");
            Change {
                head: Some(checked_out),
                event: (source == Some("push")).then_some(GateEvent::Push),
                branch: branch.map(str::to_owned),
                pushed: pushed(branch, default),
                against: before.map_or_else(|| of_branch(default, branch), Against::Commit),
                pull: None,
            }
        }
    };
    Ok(Job { runner: Runner::Gitlab, change })
}

fn pushed(branch: Option<&str>, default: Option<&str>) -> Pushed {
    if branch.is_some() && branch == default { Pushed::DefaultBranch } else { Pushed::Elsewhere }
}

fn of_branch(branch: Option<&str>, itself: Option<&str>) -> Against {
    match branch {
        Some(branch) if Some(branch) != itself => Against::Branch(branch.to_owned()),
        Some(_) | None => Against::Nothing,
    }
}

fn needed<'a>(variables: &'a Variables, name: &'static str) -> Result<&'a str, JobError> {
    variable(variables, name).ok_or(JobError::Missing(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
    const BASE: &str = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";
    const MERGED: &str = "cccccccccccccccccccccccccccccccccccccccc";
    const NONE: &str = "0000000000000000000000000000000000000000";

    fn variables(set: &[(&str, &str)]) -> Variables {
        set.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    fn commit(text: &str) -> CommitId {
        text.parse().expect("a commit")
    }

    #[test]
    fn a_pull_request_on_github_is_about_its_head_and_not_about_the_merge_that_is_checked_out() {
        let event = Event::Pull { number: 7, head: commit(HEAD), base: commit(BASE), base_ref: "main".to_owned(), fork: true };
        let change = github(&variables(&[("GITHUB_SHA", MERGED)]), &event).change;
        let expected = Change {
            head: Some(commit(HEAD)),
            event: Some(GateEvent::PullRequest),
            branch: Some("main".to_owned()),
            pushed: Pushed::Elsewhere,
            against: Against::Commit(commit(BASE)),
            pull: Some(Pull { number: 7, fork: true }),
        };
        assert_eq!(change, expected);
    }

    #[test]
    fn a_push_is_compared_with_what_was_there_and_a_new_branch_with_the_default_branch() {
        let of = |branch: &str, before: Option<&str>| {
            let event =
                Event::Push { branch: Some(branch.to_owned()), before: before.map(commit), default_branch: "main".to_owned() };
            github(&variables(&[("GITHUB_SHA", HEAD)]), &event).change.against
        };
        assert_eq!(of("topic", Some(BASE)), Against::Commit(commit(BASE)));
        assert_eq!(of("topic", None), Against::Branch("main".to_owned()));
        assert_eq!(of("main", None), Against::Nothing);
    }

    #[test]
    fn a_schedule_is_for_all_gates() {
        let event = Event::Other { default_branch: None };
        let change = github(&variables(&[("GITHUB_SHA", HEAD), ("GITHUB_REF", "refs/heads/main")]), &event).change;
        assert_eq!((change.event, change.branch.as_deref(), change.against), (None, Some("main"), Against::Nothing));
    }

    #[test]
    fn merge_requests_are_known_in_each_kind_of_pipeline() {
        let common = [
            ("CI_COMMIT_SHA", MERGED),
            ("CI_PIPELINE_SOURCE", "merge_request_event"),
            ("CI_MERGE_REQUEST_IID", "12"),
            ("CI_MERGE_REQUEST_PROJECT_ID", "5"),
            ("CI_MERGE_REQUEST_SOURCE_PROJECT_ID", "5"),
            ("CI_MERGE_REQUEST_TARGET_BRANCH_NAME", "main"),
            ("CI_COMMIT_BEFORE_SHA", NONE),
        ];
        let of = |more: &[(&str, &str)]| gitlab(&variables(&[&common, more].concat())).expect("a job").change;
        let detached = of(&[("CI_MERGE_REQUEST_DIFF_BASE_SHA", BASE), ("CI_MERGE_REQUEST_TARGET_BRANCH_SHA", "")]);
        assert_eq!((detached.head, detached.against), (Some(commit(MERGED)), Against::Commit(commit(BASE))));
        assert_eq!(detached.pull, Some(Pull { number: 12, fork: false }));
        let merged = of(&[("CI_MERGE_REQUEST_SOURCE_BRANCH_SHA", HEAD), ("CI_MERGE_REQUEST_TARGET_BRANCH_SHA", BASE)]);
        assert_eq!((merged.head, merged.against), (Some(commit(HEAD)), Against::Commit(commit(BASE))));
        let train = of(&[("CI_MERGE_REQUEST_EVENT_TYPE", "merge_train"), ("CI_MERGE_REQUEST_SOURCE_PROJECT_ID", "6")]);
        assert_eq!((train.event, train.against), (Some(GateEvent::MergeGroup), Against::Branch("main".to_owned())));
        assert_eq!(train.pull, Some(Pull { number: 12, fork: true }));
    }

    #[test]
    fn branches_on_gitlab_are_compared_as_on_github() {
        let of = |branch: &str, before: &str| {
            let set = [
                ("CI_COMMIT_SHA", HEAD),
                ("CI_PIPELINE_SOURCE", "push"),
                ("CI_COMMIT_BRANCH", branch),
                ("CI_DEFAULT_BRANCH", "main"),
                ("CI_COMMIT_BEFORE_SHA", before),
            ];
            gitlab(&variables(&set)).expect("a job").change.against
        };
        assert_eq!(of("topic", BASE), Against::Commit(commit(BASE)));
        assert_eq!(of("topic", NONE), Against::Branch("main".to_owned()));
        assert_eq!(of("main", NONE), Against::Nothing);
    }

    #[test]
    fn what_is_no_job_says_what_to_do() {
        assert_eq!(Runner::of(&variables(&[("CI", "true")])), Err(JobError::NoRunner));
        assert_eq!(Runner::of(&variables(&[("GITLAB_CI", "true")])), Ok(Runner::Gitlab));
        let error = github_event(&variables(&[]), b"{}").expect_err("no event is named");
        assert_eq!(error.to_string(), "the variable GITHUB_EVENT_NAME is not set, as it is in every job");
    }

    #[test]
    fn a_repository_is_an_owner_and_a_name() {
        let of = |path: &str| github_repository(&variables(&[("GITHUB_REPOSITORY", path), ("GITHUB_REPOSITORY_ID", "9")]));
        assert_eq!(of("octo/app").map(|repo| (repo.id, repo.path)), Ok((9, "octo/app".to_owned())));
        for bad in ["octo", "octo/../app", "octo/..", "/app"] {
            assert_eq!(of(bad), Err(JobError::Unusable("GITHUB_REPOSITORY")), "{bad}");
        }
    }
}
