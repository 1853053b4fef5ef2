//! Issues, labels, and the texts of issues and pull requests alike: state, and what people do and see of it.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::FakeGitHub;
use super::shape::{escaped, merge, node_id};
use super::world::{Kind, Pull, ReactionOn, Repo, World, time_text};

/// What a label is painted with that nobody has chosen a colour for.
const COLOUR: &str = "ededed";

/// An issue that is no pull request.
#[derive(Debug, Clone)]
pub(crate) struct Issue {
    pub(crate) id: u64,
    pub(crate) number: u64,
    pub(crate) title: String,
    pub(crate) body: Option<String>,
    pub(crate) author: u64,
    pub(crate) labels: Vec<(u64, String)>,
    pub(crate) edits: Edits,
    pub(crate) closed_at: Option<Timestamp>,
    pub(crate) created_at: Timestamp,
    pub(crate) updated_at: Timestamp,
}

/// When the texts of an issue or a pull request were changed, which only GraphQL tells.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Edits {
    pub(crate) body: Option<Timestamp>,
    pub(crate) title: Option<Timestamp>,
}

/// What issues and pull requests of a repository have in common.
#[derive(Debug, Default)]
pub(crate) struct Tracker {
    pub(crate) issues: BTreeMap<u64, Issue>,
    /// The labels that there are, by their names in small letters.
    pub(crate) labels: BTreeMap<String, (u64, String)>,
    /// The plan knows no drafts.
    pub(crate) no_drafts: bool,
}

/// An issue or a pull request, as people see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Thread {
    /// Its number.
    pub number: u64,
    /// Who opened it.
    pub author: String,
    /// Its title.
    pub title: String,
    /// Its text.
    pub body: String,
    /// Its labels, in the order in which it was given them.
    pub labels: Vec<String>,
    /// Whether it is open.
    pub open: bool,
    /// Whether it is a draft.
    pub draft: bool,
    /// Of a pull request, the branch that it is of and the one that it goes to.
    pub branches: Option<(String, String)>,
}

/// What people do with issues.
impl FakeGitHub {
    /// Opens an issue; returns its number.
    pub fn open_issue(&self, repo: &str, user: &str, title: &str, body: &str) -> u64 {
        self.with_user(repo, user, |world, repo, user| world.open_issue(repo, user, title, Some(body), &[]))
    }

    /// Closes an issue.
    pub fn close_issue(&self, repo: &str, number: u64, user: &str) {
        self.with_user(repo, user, |world, repo, user| world.set_issue_state(repo, number, false, user));
    }

    /// Gives an issue or a pull request another title, another text, or both.
    pub fn rewrite(&self, repo: &str, number: u64, user: &str, title: Option<&str>, body: Option<&str>) {
        self.with_user(repo, user, |world, repo, user| world.rewrite(repo, number, title, body, user));
    }

    /// Puts a label on an issue or a pull request.
    pub fn label(&self, repo: &str, number: u64, label: &str, user: &str) {
        self.with_user(repo, user, |world, repo, user| world.label(repo, number, &[label.to_owned()], user));
    }

    /// Takes a label off again.
    pub fn unlabel(&self, repo: &str, number: u64, label: &str) {
        let mut world = self.world();
        let repo = world.repo_id(repo);
        world.labels_of(repo, number).retain(|(_, name)| name != label);
    }

    /// A plan without draft pull requests, as of private repositories that nobody pays for.
    pub fn without_drafts(&self, repo: &str) {
        let mut world = self.world();
        let repo = world.repo_id(repo);
        world.repo_mut(repo).tracker.no_drafts = true;
    }

    fn with_user<R>(&self, repo: &str, user: &str, act: impl FnOnce(&mut World, u64, u64) -> R) -> R {
        let mut world = self.world();
        let (repo, user) = (world.repo_id(repo), world.account_id(user, Kind::User));
        act(&mut world, repo, user)
    }
}

/// What people see of them.
impl FakeGitHub {
    /// The issues of a repository, oldest first.
    pub fn issues(&self, repo: &str) -> Vec<Thread> {
        let world = self.world();
        let repo = world.repo(world.repo_id(repo));
        let seen = |issue: &Issue| Thread {
            number: issue.number,
            author: world.account(issue.author).login.clone(),
            title: issue.title.clone(),
            body: issue.body.clone().unwrap_or_default(),
            labels: names(&issue.labels),
            open: issue.closed_at.is_none(),
            draft: false,
            branches: None,
        };
        repo.tracker.issues.values().map(seen).collect()
    }

    /// The pull requests of a repository, oldest first.
    pub fn pulls(&self, repo: &str) -> Vec<Thread> {
        let world = self.world();
        let repo = world.repo(world.repo_id(repo));
        let seen = |pull: &Pull| Thread {
            number: pull.number,
            author: world.account(pull.author).login.clone(),
            title: pull.title.clone(),
            body: pull.body.clone().unwrap_or_default(),
            labels: names(&pull.labels),
            open: pull.open(),
            draft: pull.draft,
            branches: Some((pull.head_branch.clone(), pull.base_branch.clone())),
        };
        repo.pulls.values().map(seen).collect()
    }

    /// Whether there is a branch of this name.
    pub fn has_branch(&self, repo: &str, branch: &str) -> bool {
        let world = self.world();
        world.repo(world.repo_id(repo)).branch(branch).is_some()
    }

    /// The files of a commit: their modes and contents, by path.
    pub fn files(&self, repo: &str, commit: &str) -> BTreeMap<String, (String, Vec<u8>)> {
        let world = self.world();
        world.repo(world.repo_id(repo)).git.files(commit)
    }

    /// A commit's message, its parents, and whether GitHub vouches for its signature.
    pub fn commit_info(&self, repo: &str, commit: &str) -> (String, Vec<String>, bool) {
        let world = self.world();
        let info = world.repo(world.repo_id(repo)).git.info(commit).expect("there is such a commit");
        let verified = world.verification_json(commit)["verified"] == true;
        (info.message, info.parents, verified)
    }
}

fn names(labels: &[(u64, String)]) -> Vec<String> {
    labels.iter().map(|(_, name)| name.clone()).collect()
}

impl World {
    /// Whether an issue or a pull request has this number.
    pub(crate) fn has_thread(&self, repo: u64, number: u64) -> bool {
        let repo = self.repo(repo);
        repo.pulls.contains_key(&number) || repo.tracker.issues.contains_key(&number)
    }

    pub(crate) fn is_issue(&self, repo: u64, number: u64) -> bool {
        self.repo(repo).tracker.issues.contains_key(&number)
    }

    pub(crate) fn open_issue(&mut self, repo: u64, author: u64, title: &str, body: Option<&str>, labels: &[String]) -> u64 {
        let (id, now, number) = (self.new_id(), self.now(), self.new_number(repo));
        let issue = Issue {
            id,
            number,
            title: title.to_owned(),
            body: body.map(str::to_owned),
            author,
            labels: Vec::new(),
            edits: Edits::default(),
            closed_at: None,
            created_at: now,
            updated_at: now,
        };
        self.repo_mut(repo).tracker.issues.insert(number, issue);
        // GitHub tells of it with its labels on, and then of each label.
        let ids: Vec<(u64, String)> = labels.iter().map(|label| self.label_named(repo, label)).collect();
        self.labels_of(repo, number).extend(ids.iter().cloned());
        self.tell_issue(repo, number, "opened", author, json!({}));
        for label in ids {
            let label = self.label_json(repo, &label);
            self.tell_issue(repo, number, "labeled", author, json!({"label": label}));
        }
        number
    }

    pub(crate) fn set_issue_state(&mut self, repo: u64, number: u64, open: bool, sender: u64) {
        let now = self.now();
        let issue = self.issue_mut(repo, number);
        issue.closed_at = (!open).then_some(now);
        issue.updated_at = now;
        self.tell_issue(repo, number, if open { "reopened" } else { "closed" }, sender, json!({}));
    }

    pub(crate) fn rewrite(&mut self, repo: u64, number: u64, title: Option<&str>, body: Option<&str>, sender: u64) {
        let now = self.now();
        let mut changes = json!({});
        {
            let (old_title, old_body, edits) = self.texts_of(repo, number);
            if let Some(title) = title.filter(|title| *title != old_title) {
                edits.title = Some(now);
                changes["title"] = json!({"from": std::mem::replace(old_title, title.to_owned())});
            }
            if let Some(body) = body.filter(|body| old_body.as_deref() != Some(body)) {
                edits.body = Some(now);
                changes["body"] = json!({"from": old_body.replace(body.to_owned()).unwrap_or_default()});
            }
        }
        self.touch(repo, number);
        let extra = json!({"changes": changes});
        match self.is_issue(repo, number) {
            true => self.tell_issue(repo, number, "edited", sender, extra),
            false => self.tell_pull(repo, number, "edited", sender, extra),
        }
    }

    /// Labels that it has not yet. Those that the repository does not have are made.
    pub(crate) fn label(&mut self, repo: u64, number: u64, labels: &[String], sender: u64) {
        for label in labels {
            let label = self.label_named(repo, label);
            if self.labels_of(repo, number).contains(&label) {
                continue;
            }
            self.labels_of(repo, number).push(label.clone());
            self.touch(repo, number);
            let extra = json!({"label": self.label_json(repo, &label)});
            match self.is_issue(repo, number) {
                true => self.tell_issue(repo, number, "labeled", sender, extra),
                false => self.tell_pull(repo, number, "labeled", sender, extra),
            }
        }
    }

    fn label_named(&mut self, repo: u64, name: &str) -> (u64, String) {
        let id = self.new_id();
        self.repo_mut(repo).tracker.labels.entry(name.to_lowercase()).or_insert((id, name.to_owned())).clone()
    }

    fn labels_of(&mut self, repo: u64, number: u64) -> &mut Vec<(u64, String)> {
        match self.is_issue(repo, number) {
            true => &mut self.issue_mut(repo, number).labels,
            false => &mut self.pull_mut(repo, number).labels,
        }
    }

    fn texts_of(&mut self, repo: u64, number: u64) -> (&mut String, &mut Option<String>, &mut Edits) {
        if self.is_issue(repo, number) {
            let issue = self.issue_mut(repo, number);
            return (&mut issue.title, &mut issue.body, &mut issue.edits);
        }
        let pull = self.pull_mut(repo, number);
        (&mut pull.title, &mut pull.body, &mut pull.edits)
    }

    fn issue_mut(&mut self, repo: u64, number: u64) -> &mut Issue {
        self.repo_mut(repo).tracker.issues.get_mut(&number).expect("issues are never removed")
    }

    /// It was changed just now.
    pub(crate) fn touch(&mut self, repo: u64, number: u64) {
        let now = self.now();
        match self.is_issue(repo, number) {
            true => self.issue_mut(repo, number).updated_at = now,
            false => self.pull_mut(repo, number).updated_at = now,
        }
    }

    fn tell_issue(&mut self, repo: u64, number: u64, action: &str, sender: u64, extra: Value) {
        let mut payload = json!({"action": action, "issue": self.thread_json(repo, number)});
        merge(&mut payload, extra);
        self.tell(repo, "issues", sender, payload);
    }

    /// An issue or a pull request as an issue.
    pub(crate) fn thread_json(&self, repo: u64, number: u64) -> Value {
        let repo = self.repo(repo);
        match repo.tracker.issues.get(&number) {
            Some(issue) => self.plain_issue_json(repo, issue),
            None => self.issue_json(repo, self.pull(repo.id, number)),
        }
    }

    fn plain_issue_json(&self, repo: &Repo, issue: &Issue) -> Value {
        let (url, n) = (self.repo_url(repo), issue.number);
        let comments = self.comments.iter().filter(|c| c.repo == repo.id && c.number == n).count();
        let open = issue.closed_at.is_none();
        json!({
            "url": format!("{url}/issues/{n}"), "repository_url": url, "labels_url": format!("{url}/issues/{n}/labels{{/name}}"),
            "comments_url": format!("{url}/issues/{n}/comments"), "events_url": format!("{url}/issues/{n}/events"),
            "html_url": format!("{}/{}/issues/{n}", self.base, repo.full_name()), "id": issue.id, "node_id": node_id("Issue", issue.id),
            "number": n, "title": issue.title, "user": self.user_json(issue.author), "labels": self.all_labels_json(repo, &issue.labels),
            "state": if open { "open" } else { "closed" }, "locked": false, "assignee": null, "assignees": [], "milestone": null,
            "comments": comments, "created_at": time_text(issue.created_at), "updated_at": time_text(issue.updated_at),
            "closed_at": issue.closed_at.map(time_text), "closed_by": null, "author_association": self.association(repo, issue.author),
            "active_lock_reason": null, "body": issue.body,
            "reactions": self.reactions_json(&format!("{url}/issues/{n}"), ReactionOn::Issue(repo.id, n)),
            "timeline_url": format!("{url}/issues/{n}/timeline"), "performed_via_github_app": null,
            "state_reason": if open { Value::Null } else { json!("completed") },
        })
    }

    pub(crate) fn all_labels_json(&self, repo: &Repo, labels: &[(u64, String)]) -> Value {
        labels.iter().map(|label| self.label_json(repo.id, label)).collect()
    }

    pub(crate) fn label_json(&self, repo: u64, (id, name): &(u64, String)) -> Value {
        let url = format!("{}/labels/{}", self.repo_url(self.repo(repo)), escaped(name));
        json!({
            "id": id, "node_id": node_id("Label", id), "url": url, "name": name, "color": COLOUR, "default": false, "description": "",
        })
    }
}
