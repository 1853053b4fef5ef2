//! The JSON of check runs, check suites and statuses.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::shape::{merge, node_id};
use super::world::{Check, Repo, Status, Suite, World, time_text};

/// How late lists are.
#[derive(Default)]
pub(crate) struct Lag {
    /// What was made is listed only after so long.
    pub(crate) of_lists: Duration,
    /// When comments and checks were made, where that matters.
    made: HashMap<u64, Instant>,
}

impl World {
    pub(crate) fn check_json(&self, check: &Check) -> Value {
        let repo = self.repo(check.repo);
        let url = format!("{}/check-runs/{}", self.repo_url(repo), check.id);
        let html = format!("{}/{}/runs/{}", self.base, repo.full_name(), check.id);
        json!({
            "id": check.id, "name": check.name, "node_id": node_id("CheckRun", check.id), "head_sha": check.head,
            "external_id": check.external_id, "url": url, "html_url": html,
            "details_url": check.details_url.clone().unwrap_or_else(|| html.clone()), "status": check.status,
            "conclusion": check.conclusion, "started_at": check.started_at, "completed_at": check.completed_at,
            "output": {
                "title": check.title, "summary": check.summary, "text": check.text, "annotations_count": check.annotations.len(),
                "annotations_url": format!("{url}/annotations"),
            },
            "check_suite": {"id": check.suite}, "app": self.app_json(), "pull_requests": self.pulls_of(repo, &check.head),
        })
    }

    /// As `check_run` payloads have it: with the suite in it.
    pub(crate) fn check_payload(&self, check: &Check) -> Value {
        let mut shape = self.check_json(check);
        let suite = self.suites.iter().find(|s| s.id == check.suite).expect("a check has a suite");
        let mut suite_shape = self.suite_core(suite);
        if suite_shape["conclusion"].is_null() {
            // The description of the payload has no null here, though the forge sends one; it leaves the key out as well.
            suite_shape.as_object_mut().expect("shapes are objects").remove("conclusion");
        }
        shape["check_suite"] = suite_shape;
        shape
    }

    fn suite_core(&self, suite: &Suite) -> Value {
        let repo = self.repo(suite.repo);
        let (status, conclusion) = self.suite_state(suite);
        json!({
            "id": suite.id, "node_id": node_id("CheckSuite", suite.id), "head_branch": suite.branch, "head_sha": suite.head,
            "status": status, "conclusion": conclusion, "url": format!("{}/check-suites/{}", self.repo_url(repo), suite.id),
            "before": suite.before, "after": suite.head, "pull_requests": self.pulls_of(repo, &suite.head), "app": self.app_json(),
            "created_at": time_text(suite.created_at), "updated_at": time_text(suite.updated_at),
        })
    }

    pub(crate) fn suite_json(&self, suite: &Suite) -> Value {
        let repo = self.repo(suite.repo);
        let runs = self.checks.iter().filter(|c| c.suite == suite.id).count();
        let commit = repo.git.info(&suite.head).map(|c| self.simple_commit_json(&c));
        let mut shape = self.suite_core(suite);
        merge(
            &mut shape,
            json!({
                "latest_check_runs_count": runs, "head_commit": commit, "repository": self.minimal_repo_json(repo),
                "check_runs_url": format!("{}/check-suites/{}/check-runs", self.repo_url(repo), suite.id),
                "rerequestable": true, "runs_rerequestable": true,
            }),
        );
        shape
    }

    /// A suite is done when all its checks are; then the worst conclusion is its own.
    fn suite_state(&self, suite: &Suite) -> (&'static str, Option<&str>) {
        const WORST_FIRST: [&str; 5] = ["failure", "timed_out", "action_required", "cancelled", "stale"];
        let checks: Vec<&Check> = self.latest_checks(suite.repo, &suite.head);
        if checks.is_empty() {
            return ("queued", None);
        }
        if checks.iter().any(|c| c.status != "completed") {
            return (if checks.iter().all(|c| c.status == "queued") { "queued" } else { "in_progress" }, None);
        }
        let has = |wanted: &&&str| checks.iter().any(|c| c.conclusion.as_deref() == Some(**wanted));
        ("completed", Some(WORST_FIRST.iter().find(has).copied().unwrap_or("success")))
    }

    /// A comment or check was made just now.
    pub(crate) fn made(&mut self, id: u64) {
        if !self.lag.of_lists.is_zero() {
            self.lag.made.insert(id, Instant::now());
        }
    }

    /// Whether lists do not show it yet.
    pub(crate) fn lags(&self, id: u64) -> bool {
        self.lag.made.get(&id).is_some_and(|made| made.elapsed() < self.lag.of_lists)
    }

    /// The newest check of each name on a commit, oldest first.
    pub(crate) fn latest_checks(&self, repo: u64, head: &str) -> Vec<&Check> {
        let on = |c: &&Check| c.repo == repo && c.head == head;
        let newest =
            |c: &&Check| !self.checks.iter().any(|d| d.repo == repo && d.head == head && d.name == c.name && d.id > c.id);
        self.checks.iter().filter(on).filter(newest).collect()
    }

    fn pulls_of(&self, repo: &Repo, head: &str) -> Value {
        self.pulls_at(repo.id, head).into_iter().map(|p| self.pull_minimal_json(repo, p)).collect()
    }

    pub(crate) fn annotation_json(&self, check: &Check, given: &Value) -> Value {
        let repo = self.repo(check.repo);
        let path = super::shape::escaped(given["path"].as_str().unwrap_or_default());
        let mut shape = json!({
            "start_column": null, "end_column": null, "title": null, "raw_details": null,
            "blob_href": format!("{}/{}/blob/{}/{path}", self.base, repo.full_name(), check.head),
        });
        merge(&mut shape, given.clone());
        shape
    }

    pub(crate) fn status_json(&self, status: &Status) -> Value {
        let url = format!("{}/statuses/{}", self.repo_url(self.repo(status.repo)), status.sha);
        json!({
            "url": url, "avatar_url": null, "id": status.id, "node_id": node_id("StatusContext", status.id), "state": status.state,
            "description": status.description, "target_url": status.target_url, "context": status.context,
            "created_at": time_text(status.created_at), "updated_at": time_text(status.created_at),
            "creator": self.user_json(status.creator),
        })
    }
}
