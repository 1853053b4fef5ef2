//! What webhooks say.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::issues::label_payloads;
use super::world::{NoteKind, Noteable, World};

/// No commit, where a push makes or removes a ref.
const NO_COMMIT: &str = "0000000000000000000000000000000000000000";

/// A push tells of so many commits at most.
const PUSHED_COMMITS_MAX: usize = 20;

/// As payloads write times.
fn time(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string()
}

impl World {
    fn project_payload(&self, id: u64) -> Value {
        let project = self.project(id);
        let (namespace, name) = project.path.rsplit_once('/').unwrap_or(("", &project.path));
        let url = format!("{}/{}", self.url, project.path);
        json!({
            "id": id, "name": name, "description": "", "web_url": url, "avatar_url": null,
            "git_ssh_url": format!("git@gitlab.invalid:{}.git", project.path), "git_http_url": format!("{url}.git"),
            "namespace": namespace, "visibility_level": if project.public { 20 } else { 0 },
            "path_with_namespace": project.path, "default_branch": "main", "ci_config_path": null,
            "homepage": url, "url": format!("git@gitlab.invalid:{}.git", project.path),
            "ssh_url": format!("git@gitlab.invalid:{}.git", project.path), "http_url": format!("{url}.git"),
        })
    }

    fn user_payload(&self, id: u64) -> Value {
        let name = self.username(id);
        json!({ "id": id, "name": name, "username": name, "avatar_url": null, "email": "[REDACTED]" })
    }

    fn repository_payload(&self, id: u64) -> Value {
        let project = self.project_payload(id);
        json!({ "name": project["name"], "url": project["url"], "description": "", "homepage": project["web_url"] })
    }

    /// The same, as pushes and jobs tell it.
    fn pushed_repository_payload(&self, id: u64) -> Value {
        let (project, mut repository) = (self.project_payload(id), self.repository_payload(id));
        for name in ["git_http_url", "git_ssh_url", "visibility_level"] {
            repository[name] = project[name].clone();
        }
        repository
    }

    /// The commits that a push brings, oldest first, with the files that each touches.
    fn pushed_commits(&self, project: u64, before: Option<&str>, after: &str) -> Vec<Value> {
        let git = &self.project(project).git;
        let base = before.map(str::to_owned).or_else(|| git.resolve("refs/heads/main"));
        let mut commits = git.log(base.as_deref(), after, PUSHED_COMMITS_MAX);
        commits.reverse();
        let told = commits.iter().map(|commit| {
            let files = git.diff(commit.parents.first().map(String::as_str), &commit.sha);
            let named = |status: &str| files.iter().filter(|file| file.status == status).map(|file| file.path.clone()).collect();
            let mut told = self.commit_payload(project, &commit.sha);
            for (name, status) in [("added", "added"), ("modified", "modified"), ("removed", "removed")] {
                told[name] = named(status);
            }
            told
        });
        told.collect()
    }

    fn commit_payload(&self, project: u64, sha: &str) -> Value {
        let Some(commit) = self.project(project).git.info(sha) else { return json!({ "id": sha }) };
        json!({
            "id": sha, "message": commit.message, "title": commit.message.lines().next(), "timestamp": commit.committer.date,
            "url": format!("{}/{}/-/commit/{sha}", self.url, self.project(project).path),
            "author": { "name": commit.author.name, "email": commit.author.email },
        })
    }

    fn request_payload(&self, project: u64, iid: u64) -> Value {
        let mr = self.request(project, iid).expect("the merge request exists");
        json!({
            "id": mr.id, "iid": iid, "title": mr.title, "description": mr.description, "state": mr.state, "draft": mr.draft(),
            "work_in_progress": mr.draft(), "source_branch": mr.branch, "target_branch": mr.target_branch,
            "source_project_id": mr.source, "target_project_id": project, "source": self.project_payload(mr.source),
            "target": self.project_payload(project), "last_commit": self.commit_payload(mr.source, &mr.sha),
            "author_id": mr.author, "assignee_id": null, "assignee_ids": [], "reviewer_ids": [], "labels": label_payloads(&mr.labels),
            "created_at": time(mr.created_at), "updated_at": time(mr.updated_at), "merge_commit_sha": mr.merge_commit,
            "head_pipeline_id": self.head_pipeline(mr).map(|pipeline| pipeline.id), "merge_status": "can_be_merged",
            "detailed_merge_status": "mergeable", "blocking_discussions_resolved": true,
            "url": format!("{}/{}/-/merge_requests/{iid}", self.url, self.project(project).path),
            "state_id": match mr.state { "closed" => 2, "merged" => 3, _ => 1 }, "merge_error": null, "merge_params": {},
            "merge_user_id": null, "merge_when_pipeline_succeeds": false, "milestone_id": null, "last_edited_at": null,
            "last_edited_by_id": null, "updated_by_id": null, "first_contribution": false, "time_estimate": 0,
            "total_time_spent": 0, "human_time_estimate": null, "human_total_time_spent": null,
        })
    }

    pub(super) fn tell_request(&mut self, project: u64, iid: u64, action: &str, by: u64, more: Value, changes: Value) {
        let mut attributes = self.request_payload(project, iid);
        attributes["action"] = json!(action);
        for (key, value) in more.as_object().into_iter().flatten() {
            attributes[key] = value.clone();
        }
        let labels = attributes["labels"].clone();
        let payload = json!({
            "object_kind": "merge_request", "event_type": "merge_request", "user": self.user_payload(by),
            "project": self.project_payload(project), "repository": self.repository_payload(project),
            "object_attributes": attributes, "labels": labels, "changes": changes,
        });
        self.send("Merge Request Hook", Some(action), project, &payload);
    }

    fn issue_payload(&self, project: u64, iid: u64) -> Value {
        let issue = self.issue(project, iid).expect("the issue exists");
        json!({
            "id": issue.id, "iid": iid, "project_id": project, "title": issue.title, "description": issue.description,
            "state": issue.state(), "state_id": if issue.open { 1 } else { 2 }, "author_id": issue.author, "assignee_ids": [],
            "assignee_id": null, "labels": label_payloads(&issue.labels), "confidential": issue.confidential, "type": "Issue",
            "created_at": time(issue.created_at), "updated_at": time(issue.updated_at), "closed_at": null, "due_date": null,
            "discussion_locked": null, "milestone_id": null, "moved_to_id": null, "relative_position": null, "severity": "unknown",
            "url": format!("{}/{}/-/issues/{iid}", self.url, self.project(project).path), "weight": null,
        })
    }

    pub(super) fn tell_issue(&mut self, project: u64, iid: u64, action: &str, by: u64, changes: Value) {
        let mut attributes = self.issue_payload(project, iid);
        let (labels, confidential) = (attributes["labels"].clone(), attributes["confidential"] == true);
        attributes["action"] = json!(action);
        let payload = json!({
            "object_kind": "issue", "event_type": if confidential { "confidential_issue" } else { "issue" },
            "user": self.user_payload(by), "project": self.project_payload(project), "repository": self.repository_payload(project),
            "object_attributes": attributes, "labels": labels, "changes": changes,
        });
        self.send(if confidential { "Confidential Issue Hook" } else { "Issue Hook" }, Some(action), project, &payload);
    }

    pub(super) fn tell_note(&mut self, id: u64, action: &str) {
        let note = self.note(id).expect("the note exists");
        let (project, iid, author, on) = (note.project, note.iid, note.author, note.on);
        let (key, about, kind, folder) = match on {
            Noteable::Request => ("merge_request", self.request_payload(project, iid), "MergeRequest", "merge_requests"),
            Noteable::Issue => ("issue", self.issue_payload(project, iid), "Issue", "issues"),
        };
        let internal = note.kind == NoteKind::Internal;
        let thread = note.thread.as_ref();
        let at_line = thread.and_then(|thread| thread.position.as_ref());
        let attributes = json!({
            "id": id, "note": note.body, "noteable_type": kind, "noteable_id": about["id"], "author_id": author,
            "system": false, "internal": internal, "action": action, "created_at": time(note.created_at),
            "updated_at": time(note.updated_at), "project_id": project, "commit_id": null, "line_code": null, "st_diff": null,
            "attachment": null, "change_position": null, "original_position": at_line, "resolved_at": null,
            "resolved_by_id": thread.and_then(|thread| thread.resolved_by), "resolved_by_push": null, "updated_by_id": null,
            "description": note.body,
            "type": if at_line.is_some() { Some("DiffNote") } else { thread.map(|_| "DiscussionNote") },
            "position": at_line, "discussion_id": thread.map_or_else(|| format!("{id:040x}"), |thread| thread.id.clone()),
            "url": format!("{}/{}/-/{folder}/{iid}#note_{id}", self.url, self.project(project).path),
        });
        let payload = json!({
            "object_kind": "note", "event_type": if internal { "confidential_note" } else { "note" },
            "user": self.user_payload(author), "project_id": project,
            "project": self.project_payload(project), "repository": self.repository_payload(project),
            "object_attributes": attributes, key: about,
        });
        self.send(if internal { "Confidential Note Hook" } else { "Note Hook" }, Some(action), project, &payload);
    }

    /// `Push Hook` or `Tag Push Hook`; between these two commits.
    pub(super) fn tell_push(&mut self, event: &'static str, project: u64, by: u64, name: &str, ends: [Option<&str>; 2]) {
        let kind = if event == "Push Hook" { "push" } else { "tag_push" };
        let [before, after] = ends;
        let protected = &self.project(project).protected;
        let protected = name.strip_prefix("refs/heads/").is_some_and(|name| protected.contains(name));
        // Of an annotated tag, what was pushed is the tag object.
        let git = &self.project(project).git;
        let checkout = after.and_then(|after| git.resolve(after));
        let message = after.and_then(|after| git.tag_of(after)).map(|tag| tag.message.trim_end().to_owned());
        let pushed = after.filter(|_| kind == "push");
        let commits = pushed.map(|after| self.pushed_commits(project, before, after)).unwrap_or_default();
        let payload = json!({
            "object_kind": kind, "event_name": kind, "ref": name, "before": before.unwrap_or(NO_COMMIT),
            "after": after.unwrap_or(NO_COMMIT), "checkout_sha": checkout, "message": message, "user_id": by,
            "user_name": self.username(by), "user_username": self.username(by), "user_email": "", "user_avatar": null,
            "project_id": project, "project": self.project_payload(project),
            "repository": self.pushed_repository_payload(project), "push_options": {}, "ref_protected": protected,
            "total_commits_count": commits.len(), "commits": commits,
        });
        self.send(event, None, project, &payload);
    }

    /// `action` is `award` or `revoke`.
    pub(super) fn tell_emoji(&mut self, emoji: u64, action: &str) {
        let emoji = self.emoji.iter().find(|one| one.id == emoji).expect("the emoji exists");
        let note = self.note(emoji.note).expect("an emoji is on a note");
        let (project, iid) = (note.project, note.iid);
        let (key, about, kind, folder) = match note.on {
            Noteable::Request => ("merge_request", self.request_payload(project, iid), "MergeRequest", "merge_requests"),
            Noteable::Issue => ("issue", self.issue_payload(project, iid), "Issue", "issues"),
        };
        let url = format!("{}/{}/-/{folder}/{iid}#note_{}", self.url, self.project(project).path, note.id);
        let attributes = json!({
            "user_id": emoji.user, "created_at": time(emoji.at), "id": emoji.id, "name": emoji.name,
            "awardable_type": "Note", "awardable_id": emoji.note, "updated_at": time(emoji.at), "action": action,
            "awarded_on_url": url,
        });
        let payload = json!({
            "object_kind": "emoji", "event_type": action, "user": self.user_payload(emoji.user), "project_id": project,
            "project": self.project_payload(project), "object_attributes": attributes,
            "note": { "id": note.id, "note": note.body, "noteable_type": kind, "author_id": note.author },
            key: about,
        });
        self.send("Emoji Hook", Some(action), project, &payload);
    }

    /// A status changed: its pipeline does, and GitLab shows it as a job.
    pub(super) fn tell_status(&mut self, status: u64) {
        let status = self.statuses.iter().find(|one| one.id == status).expect("the status exists");
        let pipeline = self.pipelines.iter().find(|one| one.id == status.pipeline).expect("a status is in a pipeline");
        let (project, user, state) = (status.project, self.user_payload(status.author), self.pipeline_state(pipeline.id));
        let finished = status.finished_at.map(time);
        let git = self.project(project).git.info(&status.sha);
        let commit = json!({
            "id": pipeline.id, "name": null, "sha": status.sha, "status": state, "duration": null, "started_at": null,
            "finished_at": finished, "message": git.as_ref().map(|commit| &commit.message),
            "author_name": git.as_ref().map(|commit| &commit.author.name),
            "author_email": git.as_ref().map(|commit| &commit.author.email),
        });
        let job = json!({
            "object_kind": "build", "ref": status.reference, "tag": false, "before_sha": NO_COMMIT, "sha": status.sha,
            "build_id": status.id, "build_name": status.name, "build_stage": "external", "build_status": status.state,
            "build_created_at": time(status.created_at), "build_started_at": null, "build_finished_at": finished,
            "build_duration": null, "build_queued_duration": null, "build_allow_failure": false,
            "build_failure_reason": if status.state == "failed" { "api_failure" } else { "unknown_failure" },
            "retries_count": 0, "pipeline_id": pipeline.id, "project_id": project, "project_name": self.project(project).path,
            "user": user, "runner": null, "environment": null, "commit": commit,
            "repository": self.pushed_repository_payload(project), "project": self.project_payload(project),
        });
        let url = format!("{}/{}/-/pipelines/{}", self.url, self.project(project).path, pipeline.id);
        let attributes = json!({
            "id": pipeline.id, "iid": pipeline.id, "name": null, "ref": pipeline.reference, "tag": false, "sha": pipeline.sha,
            "before_sha": NO_COMMIT, "source": pipeline.source, "status": state, "detailed_status": state,
            "stages": ["external"], "created_at": time(pipeline.created_at), "finished_at": finished, "duration": null,
            "queued_duration": null, "variables": [], "url": url,
        });
        let payload = json!({
            "object_kind": "pipeline", "object_attributes": attributes, "merge_request": null, "user": user,
            "project": self.project_payload(project), "commit": self.commit_payload(project, &pipeline.sha), "builds": [],
        });
        self.send("Job Hook", None, project, &job);
        self.send("Pipeline Hook", None, project, &payload);
    }
}
