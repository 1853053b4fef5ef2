//! Webhook payloads: what happened, told with the state as it is at that moment.

use bytes::Bytes;
use serde_json::{Value, json};

use super::hooks::Delivery;
use super::openapi::description;
use super::shape::{merge, node_id};
use super::world::{World, time_text};

/// The events that the fake can send.
pub(crate) const EVENTS: [&str; 15] = [
    "check_run",
    "check_suite",
    "create",
    "delete",
    "deployment_protection_rule",
    "installation",
    "installation_repositories",
    "issue_comment",
    "issues",
    "merge_group",
    "ping",
    "pull_request",
    "pull_request_review_comment",
    "push",
    "status",
];

/// The commits of one push that its payload lists; GitHub's own limit is 2,048.
const PUSH_COMMITS_MAX: usize = 100;

/// What every App gets, whether it subscribed or not.
fn unasked(event: &str, action: Option<&str>) -> bool {
    match event {
        "ping" | "installation" | "installation_repositories" => true,
        "check_run" => matches!(action, Some("rerequested" | "requested_action")),
        "check_suite" => matches!(action, Some("requested" | "rerequested")),
        _ => false,
    }
}

impl World {
    /// Sends an event about a repository to the App, where it is installed there and wants the event.
    pub(crate) fn tell(&mut self, repo: u64, event: &str, sender: u64, extra: Value) {
        let Some(installation) = self.installation_of(repo).filter(|i| i.suspended_at.is_none()).map(|i| i.id) else { return };
        if sender == self.app.bot && !self.own_writes_tell {
            return;
        }
        let found = self.repo(repo);
        let repository = if event == "push" { self.push_repo_json(repo) } else { self.repo_json(found) };
        let mut payload = json!({
            "repository": repository, "sender": self.user_json(sender),
            "installation": {"id": installation, "node_id": node_id("IntegrationInstallation", installation)},
        });
        if let Some(organization) = self.organization_json(found.owner) {
            payload["organization"] = organization;
        }
        merge(&mut payload, extra);
        self.send(event, payload, Some(installation), Some(repo));
    }

    /// Queues a delivery, where the App has a webhook and wants the event.
    pub(crate) fn send(&mut self, event: &str, payload: Value, installation: Option<u64>, repository: Option<u64>) {
        let action = payload["action"].as_str().map(str::to_owned);
        let wanted = unasked(event, action.as_deref()) || self.app.events.iter().any(|e| e == event);
        if self.hook.is_none() || !wanted {
            return;
        }
        for error in description().payload_errors(event, &payload) {
            self.violation(format!("fake: the payload of {event} {}: {error}", action.as_deref().unwrap_or_default()));
        }
        let guid = self.new_guid();
        let body = Bytes::from(serde_json::to_vec(&payload).expect("JSON can be written"));
        let event = event.to_owned();
        self.queue.push(&guid, false);
        self.deliveries.push(Delivery { guid, event, action, installation, repository, body, attempts: Vec::new() });
    }

    /// A delivery's id: a UUID in form, counted in fact, so that two runs of one test have the same.
    fn new_guid(&mut self) -> String {
        let id = self.new_id();
        format!("{:08x}-0000-11f0-8000-{id:012x}", self.app.id)
    }

    /// In pushes, GitHub writes the repository with times in seconds and a short owner.
    fn push_repo_json(&self, repo: u64) -> Value {
        let repo = self.repo(repo);
        let mut shape = self.repo_json(repo);
        let owner = self.account(repo.owner);
        merge(
            &mut shape,
            json!({
                "created_at": repo.created_at.as_second(), "pushed_at": repo.pushed_at.as_second(), "master_branch": repo.default_branch,
                "stargazers": 0,
            }),
        );
        shape["owner"]["name"] = json!(owner.login);
        shape["owner"]["email"] = Value::Null;
        shape
    }

    pub(crate) fn tell_pull(&mut self, repo: u64, number: u64, action: &str, sender: u64, extra: Value) {
        let shape = self.pull_json(self.repo(repo), self.pull(repo, number));
        let mut payload = json!({"action": action, "number": number, "pull_request": shape});
        merge(&mut payload, extra);
        self.tell(repo, "pull_request", sender, payload);
    }

    pub(crate) fn tell_check(&mut self, id: u64, action: &str, sender: u64, extra: Value) {
        let check = self.checks.iter().find(|c| c.id == id).expect("checks are never removed").clone();
        let mut payload = json!({"action": action, "check_run": self.check_payload(&check)});
        merge(&mut payload, extra);
        self.tell(check.repo, "check_run", sender, payload);
    }

    pub(crate) fn tell_suite(&mut self, id: u64, action: &str, sender: u64) {
        let suite = self.suites.iter().find(|s| s.id == id).expect("suites are never removed").clone();
        let mut shape = self.suite_json(&suite);
        let object = shape.as_object_mut().expect("shapes are objects");
        object.remove("repository");
        // The description's list of events here is older than merge queues.
        object["app"].as_object_mut().expect("shapes are objects").remove("events");
        self.tell(suite.repo, "check_suite", sender, json!({"action": action, "check_suite": shape}));
    }

    pub(crate) fn tell_push(&mut self, repo: u64, name: &str, before: Option<&str>, after: Option<&str>, sender: u64) {
        let zero = "0".repeat(40);
        let found = self.repo(repo);
        let forced = before.zip(after).is_some_and(|(before, after)| !found.git.is_ancestor(before, after));
        let html = format!("{}/{}", self.base, found.full_name());
        let compare = format!("{html}/compare/{}...{}", before.map_or("", |b| &b[..12]), after.map_or("", |a| &a[..12]));
        let commits = after.map(|after| self.pushed_commits(repo, before, after)).unwrap_or_default();
        let head = after.and_then(|after| found.git.info(after)).map(|c| self.push_commit_json(repo, &c));
        let pusher = self.account(sender).login.clone();
        let payload = json!({
            "ref": name, "before": before.unwrap_or(&zero), "after": after.unwrap_or(&zero), "created": before.is_none(),
            "deleted": after.is_none(), "forced": forced, "base_ref": null, "compare": compare, "commits": commits, "head_commit": head,
            "pusher": {"name": pusher, "email": format!("{pusher}@users.noreply.example.com")},
        });
        self.tell(repo, "push", sender, payload);
        let kind = if name.starts_with("refs/tags/") { "tag" } else { "branch" };
        let short = name.trim_start_matches("refs/heads/").trim_start_matches("refs/tags/");
        let described = json!({"ref": short, "ref_type": kind, "pusher_type": "user"});
        if before.is_none() {
            let mut created = described.clone();
            merge(&mut created, json!({"master_branch": self.repo(repo).default_branch, "description": null}));
            self.tell(repo, "create", sender, created);
        } else if after.is_none() {
            self.tell(repo, "delete", sender, described);
        }
    }

    fn pushed_commits(&self, repo: u64, before: Option<&str>, after: &str) -> Vec<Value> {
        let found = self.repo(repo);
        let since =
            before.map(str::to_owned).or_else(|| found.branch(&found.default_branch).cloned()).filter(|since| since != after);
        let mut commits = found.git.log(since.as_deref(), after, PUSH_COMMITS_MAX);
        commits.reverse();
        commits.iter().map(|c| self.push_commit_json(repo, c)).collect()
    }

    fn push_commit_json(&self, repo: u64, commit: &super::git::CommitInfo) -> Value {
        let found = self.repo(repo);
        let files = found.git.diff(commit.parents.first().map(String::as_str), &commit.sha);
        let named =
            |statuses: &[&str]| files.iter().filter(|f| statuses.contains(&f.status)).map(|f| f.path.clone()).collect::<Vec<_>>();
        let who = |s: &super::git::Signature| json!({"name": s.name, "email": s.email, "username": s.name});
        json!({
            "id": commit.sha, "tree_id": commit.tree, "distinct": true, "message": commit.message, "timestamp": commit.author.date,
            "url": format!("{}/{}/commit/{}", self.base, found.full_name(), commit.sha), "author": who(&commit.author),
            "committer": who(&commit.committer), "added": named(&["added"]), "removed": named(&["removed"]),
            "modified": named(&["modified", "renamed", "copied", "changed"]),
        })
    }

    pub(crate) fn tell_merge_group(&mut self, repo: u64, action: &str, sender: u64, group: Value) {
        let mut payload = json!({"action": action, "merge_group": group});
        if action == "destroyed" {
            payload["reason"] = json!("dequeued");
        }
        self.tell(repo, "merge_group", sender, payload);
    }

    pub(crate) fn tell_installation(&mut self, id: u64, action: &str, sender: u64) {
        let repositories: Vec<Value> =
            self.installation(id).expect("looked up before").repos.iter().map(|r| self.short_repo_json(*r)).collect();
        let mut payload = json!({"action": action, "installation": self.installation_json(id), "sender": self.user_json(sender)});
        if !matches!(action, "suspend" | "unsuspend") {
            payload["repositories"] = json!(repositories);
        }
        if action == "created" {
            payload["requester"] = Value::Null;
        }
        self.send("installation", payload, Some(id), None);
    }

    pub(crate) fn tell_installation_repositories(&mut self, id: u64, action: &str, repo: u64, sender: u64) {
        let changed = json!([self.short_repo_json(repo)]);
        let (added, removed) = if action == "added" { (changed, json!([])) } else { (json!([]), changed) };
        let payload = json!({
            "action": action, "installation": self.installation_json(id), "repository_selection": "selected", "requester": null,
            "repositories_added": added, "repositories_removed": removed, "sender": self.user_json(sender),
        });
        self.send("installation_repositories", payload, Some(id), None);
    }

    fn short_repo_json(&self, id: u64) -> Value {
        let repo = self.repo(id);
        json!({"id": id, "node_id": node_id("Repository", id), "name": repo.name, "full_name": repo.full_name(), "private": repo.private})
    }

    pub(crate) fn tell_ping(&mut self) {
        let Some(hook) = self.hook.clone() else { return };
        let now = time_text(self.now());
        let payload = json!({
            "zen": "Keep it logically awesome.", "hook_id": self.app.hook_id,
            "hook": {
                "type": "App", "id": self.app.hook_id, "name": "web", "active": true, "events": self.app.events, "app_id": self.app.id,
                "config": {"content_type": "json", "insecure_ssl": "0", "secret": "********", "url": hook.url},
                "created_at": now, "updated_at": now, "deliveries_url": format!("{}/app/hook/deliveries", self.base),
            },
        });
        self.send("ping", payload, None, None);
    }
}
