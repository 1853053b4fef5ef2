//! Issues, and the texts and labels of issues and merge requests: state, and what people do and see of it.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::FakeGitLab;
use super::world::{MergeRequest, NoteKind, Noteable, World, time_text};

pub(super) struct Issue {
    pub(super) id: u64,
    pub(super) project: u64,
    pub(super) iid: u64,
    pub(super) title: String,
    pub(super) description: String,
    pub(super) author: u64,
    pub(super) labels: Vec<String>,
    pub(super) open: bool,
    /// Only members see it.
    pub(super) confidential: bool,
    pub(super) created_at: Timestamp,
    pub(super) updated_at: Timestamp,
}

/// What an update of an issue or a merge request changes.
#[derive(Debug, Clone, Default)]
pub(super) struct Rewrite {
    pub(super) title: Option<String>,
    pub(super) description: Option<String>,
    pub(super) add_labels: Vec<String>,
    pub(super) remove_labels: Vec<String>,
}

/// An issue or a merge request, as people see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// Its number.
    pub iid: u64,
    /// Who opened it.
    pub author: String,
    /// Its title; a draft's begins with `Draft:`.
    pub title: String,
    /// Its description.
    pub description: String,
    /// Its labels, in the order in which it was given them.
    pub labels: Vec<String>,
    /// `opened`, `closed` or `merged`.
    pub state: &'static str,
    /// Of a merge request, the branch that it is of and the one that it goes to.
    pub branches: Option<(String, String)>,
}

/// What people do with issues, texts and labels.
impl FakeGitLab {
    /// Opens an issue with these labels. Returns its number.
    pub fn open_issue(&self, path: &str, user: &str, title: &str, description: &str, labels: &[&str]) -> u64 {
        self.world_of(path, user, |world, project, by| {
            let labels = labels.iter().map(|label| (*label).to_owned()).collect();
            world.open_issue(project, by, title, description, labels, false)
        })
    }

    /// The same, for members alone to see.
    pub fn open_confidential_issue(&self, path: &str, user: &str, title: &str) -> u64 {
        self.world_of(path, user, |world, project, by| world.open_issue(project, by, title, "", Vec::new(), true))
    }

    /// Closes an issue.
    pub fn close_issue(&self, path: &str, iid: u64, user: &str) {
        self.world_of(path, user, |world, project, by| {
            world.issue_mut(project, iid).open = false;
            world.tell_issue(project, iid, "close", by, json!({}));
        });
    }

    /// Writes a note on an issue. Returns its id.
    pub fn comment_on_issue(&self, path: &str, iid: u64, user: &str, body: &str) -> u64 {
        self.world_of(path, user, |world, project, by| {
            world.add_note_on(project, iid, Noteable::Issue, by, body, NoteKind::Comment)
        })
    }

    /// Gives an issue another title, another description, or both.
    pub fn rewrite_issue(&self, path: &str, iid: u64, user: &str, title: Option<&str>, description: Option<&str>) {
        self.world_of(path, user, |world, project, by| {
            world.rewrite(project, iid, Noteable::Issue, by, &texts(title, description))
        });
    }

    /// The same of a merge request.
    pub fn rewrite(&self, path: &str, iid: u64, user: &str, title: Option<&str>, description: Option<&str>) {
        self.world_of(path, user, |world, project, by| {
            world.rewrite(project, iid, Noteable::Request, by, &texts(title, description))
        });
    }

    /// Puts labels on an issue.
    pub fn label_issue(&self, path: &str, iid: u64, user: &str, labels: &[&str]) {
        self.world_of(path, user, |world, project, by| world.rewrite(project, iid, Noteable::Issue, by, &more(labels)));
    }

    /// Puts labels on a merge request.
    pub fn label(&self, path: &str, iid: u64, user: &str, labels: &[&str]) {
        self.world_of(path, user, |world, project, by| world.rewrite(project, iid, Noteable::Request, by, &more(labels)));
    }

    /// Takes a label off a merge request again.
    pub fn unlabel(&self, path: &str, iid: u64, user: &str, label: &str) {
        let less = Rewrite { remove_labels: vec![label.to_owned()], ..Rewrite::default() };
        self.world_of(path, user, |world, project, by| world.rewrite(project, iid, Noteable::Request, by, &less));
    }

    fn world_of<R>(&self, path: &str, user: &str, act: impl FnOnce(&mut World, u64, u64) -> R) -> R {
        let mut world = self.world();
        let (project, by) = (world.project_id(path), world.user_id(user));
        act(&mut world, project, by)
    }
}

fn texts(title: Option<&str>, description: Option<&str>) -> Rewrite {
    Rewrite { title: title.map(str::to_owned), description: description.map(str::to_owned), ..Rewrite::default() }
}

fn more(labels: &[&str]) -> Rewrite {
    Rewrite { add_labels: labels.iter().map(|label| (*label).to_owned()).collect(), ..Rewrite::default() }
}

/// What people see.
impl FakeGitLab {
    /// The issues of a project, oldest first.
    pub fn issues(&self, path: &str) -> Vec<Item> {
        let world = self.world();
        let project = world.project_id(path);
        let seen = |issue: &Issue| Item {
            iid: issue.iid,
            author: world.username(issue.author).to_owned(),
            title: issue.title.clone(),
            description: issue.description.clone(),
            labels: issue.labels.clone(),
            state: issue.state(),
            branches: None,
        };
        world.issues.iter().filter(|issue| issue.project == project).map(seen).collect()
    }

    /// The merge requests of a project, oldest first.
    pub fn merge_requests(&self, path: &str) -> Vec<Item> {
        let world = self.world();
        let project = world.project_id(path);
        let seen = |mr: &MergeRequest| Item {
            iid: mr.iid,
            author: world.username(mr.author).to_owned(),
            title: mr.title.clone(),
            description: mr.description.clone(),
            labels: mr.labels.clone(),
            state: mr.state,
            branches: Some((mr.branch.clone(), mr.target_branch.clone())),
        };
        world.requests.iter().filter(|mr| mr.project == project).map(seen).collect()
    }

    /// A project's id.
    ///
    /// # Panics
    /// Where there is no such project.
    pub fn project_id(&self, path: &str) -> u64 {
        self.world().project_id(path)
    }

    /// Whether there is a branch of this name.
    pub fn has_branch(&self, path: &str, branch: &str) -> bool {
        let world = self.world();
        world.project(world.project_id(path)).git.resolve(&format!("refs/heads/{branch}")).is_some()
    }

    /// The files of a commit: their modes and contents, by path.
    pub fn files(&self, path: &str, commit: &str) -> BTreeMap<String, (String, Vec<u8>)> {
        let world = self.world();
        world.project(world.project_id(path)).git.files(commit)
    }

    /// A commit's message and its parents.
    ///
    /// # Panics
    /// Where there is no such commit.
    pub fn commit_info(&self, path: &str, commit: &str) -> (String, Vec<String>) {
        let world = self.world();
        let info = world.project(world.project_id(path)).git.info(commit).expect("the commit exists");
        (info.message, info.parents)
    }

    /// The notes that people and programs wrote on an issue, oldest first: who and what.
    pub fn notes_on_issue(&self, path: &str, iid: u64) -> Vec<(String, String)> {
        let world = self.world();
        let project = world.project_id(path);
        let notes = world.notes_about(project, iid, Noteable::Issue, None).filter(|note| note.kind == NoteKind::Comment);
        notes.map(|note| (world.username(note.author).to_owned(), note.body.clone())).collect()
    }
}

impl Issue {
    pub(super) fn state(&self) -> &'static str {
        if self.open { "opened" } else { "closed" }
    }
}

impl World {
    pub(super) fn issue(&self, project: u64, iid: u64) -> Option<&Issue> {
        self.issues.iter().find(|issue| issue.project == project && issue.iid == iid)
    }

    pub(super) fn issue_mut(&mut self, project: u64, iid: u64) -> &mut Issue {
        let mut issues = self.issues.iter_mut();
        issues.find(|issue| issue.project == project && issue.iid == iid).expect("the issue exists")
    }

    pub(super) fn open_issue(
        &mut self,
        project: u64,
        author: u64,
        title: &str,
        description: &str,
        labels: Vec<String>,
        confidential: bool,
    ) -> u64 {
        let (id, now) = (self.new_id(), self.now());
        let iid = self.issues.iter().filter(|issue| issue.project == project).count() as u64 + 1;
        let (title, description) = (title.to_owned(), description.to_owned());
        let (created_at, updated_at) = (now, now);
        self.issues.push(Issue {
            id,
            project,
            iid,
            title,
            description,
            author,
            labels,
            open: true,
            confidential,
            created_at,
            updated_at,
        });
        self.tell_issue(project, iid, "open", author, json!({}));
        iid
    }

    /// Changes texts and labels, with GitLab's own words about it and the webhook. Labels are in no note.
    pub(super) fn rewrite(&mut self, project: u64, iid: u64, on: Noteable, by: u64, rewrite: &Rewrite) {
        let was_draft = self.request(project, iid).is_some_and(MergeRequest::draft);
        let mut changes = json!({});
        let mut said = Vec::new();
        let (title, description, labels) = self.texts_of(project, iid, on);
        if let Some(new) = rewrite.title.as_ref().filter(|new| *new != title) {
            let previous = std::mem::replace(title, new.clone());
            said.push(format!("changed title from **{previous}** to **{new}**"));
            changes["title"] = json!({ "previous": previous, "current": new });
        }
        if let Some(new) = rewrite.description.as_ref().filter(|new| *new != description) {
            let previous = std::mem::replace(description, new.clone());
            said.push("changed the description".to_owned());
            changes["description"] = json!({ "previous": previous, "current": new });
        }
        let before = labels.clone();
        let new: Vec<String> = rewrite.add_labels.iter().filter(|label| !labels.contains(label)).cloned().collect();
        labels.extend(new);
        labels.retain(|label| !rewrite.remove_labels.contains(label));
        if before != *labels {
            changes["labels"] = json!({ "previous": label_payloads(&before), "current": label_payloads(labels) });
        }
        if changes.as_object().is_none_or(serde_json::Map::is_empty) {
            return;
        }
        for words in said {
            self.add_note_on(project, iid, on, by, &words, NoteKind::System);
        }
        self.touch_thing(project, iid, on);
        match on {
            Noteable::Issue => self.tell_issue(project, iid, "update", by, changes),
            Noteable::Request => {
                let draft = self.request(project, iid).is_some_and(MergeRequest::draft);
                if was_draft != draft {
                    changes["draft"] = json!({ "previous": was_draft, "current": draft });
                }
                self.tell_request(project, iid, "update", by, json!({}), changes);
            }
        }
    }

    fn texts_of(&mut self, project: u64, iid: u64, on: Noteable) -> (&mut String, &mut String, &mut Vec<String>) {
        match on {
            Noteable::Issue => {
                let issue = self.issue_mut(project, iid);
                (&mut issue.title, &mut issue.description, &mut issue.labels)
            }
            Noteable::Request => {
                let mr = self.request_mut(project, iid);
                (&mut mr.title, &mut mr.description, &mut mr.labels)
            }
        }
    }

    pub(super) fn touch_thing(&mut self, project: u64, iid: u64, on: Noteable) {
        let now = self.now();
        match on {
            Noteable::Issue => self.issue_mut(project, iid).updated_at = now,
            Noteable::Request => self.request_mut(project, iid).updated_at = now,
        }
    }

    pub(super) fn issue_answer(&self, issue: &Issue) -> Value {
        let path = &self.project(issue.project).path;
        let iid = issue.iid;
        let comments = self.notes_about(issue.project, iid, Noteable::Issue, None).filter(|note| note.kind == NoteKind::Comment);
        json!({
            "id": issue.id, "iid": iid, "project_id": issue.project, "title": issue.title, "description": issue.description,
            "state": issue.state(), "created_at": time_text(issue.created_at), "updated_at": time_text(issue.updated_at),
            "closed_at": null, "closed_by": null, "labels": issue.labels, "milestone": null, "assignees": [], "assignee": null,
            "author": self.account(issue.author), "type": "ISSUE", "issue_type": "issue", "user_notes_count": comments.count(),
            "merge_requests_count": 0, "upvotes": 0, "downvotes": 0, "due_date": null, "confidential": issue.confidential,
            "discussion_locked": null, "web_url": format!("{}/{path}/-/issues/{iid}", self.url), "has_tasks": false,
            "references": { "short": format!("#{iid}"), "relative": format!("#{iid}"), "full": format!("{path}#{iid}") },
        })
    }
}

/// Labels as webhooks tell them.
pub(super) fn label_payloads(labels: &[String]) -> Value {
    let one = |(n, title): (usize, &String)| {
        json!({
            "id": n + 1, "title": title, "color": "#ededed", "project_id": null, "created_at": "2026-01-01 00:00:00 UTC",
            "updated_at": "2026-01-01 00:00:00 UTC", "template": false, "description": null, "type": "ProjectLabel", "group_id": null,
        })
    };
    labels.iter().enumerate().map(one).collect()
}
