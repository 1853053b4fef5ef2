//! What webhooks say.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::world::World;

/// No commit, where a push makes or removes a ref.
const NO_COMMIT: &str = "0000000000000000000000000000000000000000";

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
            "id": mr.id, "iid": iid, "title": mr.title, "description": "", "state": mr.state, "draft": mr.draft(),
            "work_in_progress": mr.draft(), "source_branch": mr.branch, "target_branch": mr.target_branch,
            "source_project_id": mr.source, "target_project_id": project, "source": self.project_payload(mr.source),
            "target": self.project_payload(project), "last_commit": self.commit_payload(mr.source, &mr.sha),
            "author_id": mr.author, "assignee_id": null, "assignee_ids": [], "reviewer_ids": [], "labels": [],
            "created_at": time(mr.created_at), "updated_at": time(mr.updated_at), "merge_commit_sha": mr.merge_commit,
            "head_pipeline_id": self.head_pipeline(mr).map(|pipeline| pipeline.id), "merge_status": "can_be_merged",
            "detailed_merge_status": "mergeable", "blocking_discussions_resolved": true,
            "url": format!("{}/{}/-/merge_requests/{iid}", self.url, self.project(project).path),
            "state_id": match mr.state { "closed" => 2, "merged" => 3, _ => 1 },
        })
    }

    pub(super) fn tell_request(&mut self, project: u64, iid: u64, action: &str, by: u64, more: Value, changes: Value) {
        let mut attributes = self.request_payload(project, iid);
        attributes["action"] = json!(action);
        for (key, value) in more.as_object().into_iter().flatten() {
            attributes[key] = value.clone();
        }
        let payload = json!({
            "object_kind": "merge_request", "event_type": "merge_request", "user": self.user_payload(by),
            "project": self.project_payload(project), "repository": self.repository_payload(project),
            "object_attributes": attributes, "labels": [], "changes": changes,
        });
        self.send("Merge Request Hook", Some(action), project, &payload);
    }

    pub(super) fn tell_note(&mut self, id: u64, action: &str) {
        let note = self.note(id).expect("the note exists");
        let (project, iid, author) = (note.project, note.iid, note.author);
        let mr = self.request(project, iid).expect("a note is on a merge request");
        let thread = note.thread.as_ref();
        let at_line = thread.and_then(|thread| thread.position.as_ref());
        let attributes = json!({
            "id": id, "note": note.body, "noteable_type": "MergeRequest", "noteable_id": mr.id, "author_id": author,
            "system": false, "internal": false, "action": action, "created_at": time(note.created_at),
            "updated_at": time(note.updated_at), "project_id": project, "commit_id": null, "line_code": null, "st_diff": null,
            "type": if at_line.is_some() { Some("DiffNote") } else { thread.map(|_| "DiscussionNote") },
            "position": at_line, "discussion_id": thread.map_or_else(|| format!("{id:040x}"), |thread| thread.id.clone()),
            "url": format!("{}/{}/-/merge_requests/{iid}#note_{id}", self.url, self.project(project).path),
        });
        let payload = json!({
            "object_kind": "note", "event_type": "note", "user": self.user_payload(author), "project_id": project,
            "project": self.project_payload(project), "repository": self.repository_payload(project),
            "object_attributes": attributes, "merge_request": self.request_payload(project, iid),
        });
        self.send("Note Hook", Some(action), project, &payload);
    }

    /// `Push Hook` or `Tag Push Hook`; between these two commits.
    pub(super) fn tell_push(&mut self, event: &'static str, project: u64, by: u64, name: &str, ends: [Option<&str>; 2]) {
        let kind = if event == "Push Hook" { "push" } else { "tag_push" };
        let [before, after] = ends;
        let commits: Vec<Value> =
            after.filter(|_| kind == "push").into_iter().map(|sha| self.commit_payload(project, sha)).collect();
        let payload = json!({
            "object_kind": kind, "event_name": kind, "ref": name, "before": before.unwrap_or(NO_COMMIT),
            "after": after.unwrap_or(NO_COMMIT), "checkout_sha": after, "message": null, "user_id": by,
            "user_name": self.username(by), "user_username": self.username(by), "user_email": "", "user_avatar": null,
            "project_id": project, "project": self.project_payload(project), "repository": self.repository_payload(project),
            "total_commits_count": commits.len(), "commits": commits,
        });
        self.send(event, None, project, &payload);
    }

    /// `action` is `award` or `revoke`.
    pub(super) fn tell_emoji(&mut self, emoji: u64, action: &str) {
        let emoji = self.emoji.iter().find(|one| one.id == emoji).expect("the emoji exists");
        let note = self.note(emoji.note).expect("an emoji is on a note");
        let (project, iid) = (note.project, note.iid);
        let url = format!("{}/{}/-/merge_requests/{iid}#note_{}", self.url, self.project(project).path, note.id);
        let attributes = json!({
            "user_id": emoji.user, "created_at": time(emoji.at), "id": emoji.id, "name": emoji.name,
            "awardable_type": "Note", "awardable_id": emoji.note, "updated_at": time(emoji.at), "action": action,
            "awarded_on_url": url,
        });
        let payload = json!({
            "object_kind": "emoji", "event_type": action, "user": self.user_payload(emoji.user), "project_id": project,
            "project": self.project_payload(project), "object_attributes": attributes,
            "note": { "id": note.id, "note": note.body, "noteable_type": "MergeRequest", "author_id": note.author },
            "merge_request": self.request_payload(project, iid),
        });
        self.send("Emoji Hook", Some(action), project, &payload);
    }

    /// A status changed: its pipeline does, and GitLab shows it as a job.
    pub(super) fn tell_status(&mut self, status: u64) {
        let status = self.statuses.iter().find(|one| one.id == status).expect("the status exists");
        let pipeline = self.pipelines.iter().find(|one| one.id == status.pipeline).expect("a status is in a pipeline");
        let (project, user, state) = (status.project, self.user_payload(status.author), self.pipeline_state(pipeline.id));
        let job = json!({
            "object_kind": "build", "ref": status.reference, "tag": false, "sha": status.sha, "build_id": status.id,
            "build_name": status.name, "build_stage": "external", "build_status": status.state,
            "build_created_at": time(status.created_at), "build_allow_failure": false, "pipeline_id": pipeline.id,
            "project_id": project, "project_name": self.project(project).path, "user": user,
            "repository": self.repository_payload(project), "project": self.project_payload(project),
        });
        let attributes = json!({
            "id": pipeline.id, "iid": pipeline.id, "ref": pipeline.reference, "tag": false, "sha": pipeline.sha,
            "source": pipeline.source, "status": state, "detailed_status": state, "stages": ["external"],
            "created_at": time(pipeline.created_at), "variables": [],
        });
        let payload = json!({
            "object_kind": "pipeline", "object_attributes": attributes, "merge_request": null, "user": user,
            "project": self.project_payload(project), "commit": self.commit_payload(project, &pipeline.sha), "builds": [],
        });
        self.send("Job Hook", None, project, &job);
        self.send("Pipeline Hook", None, project, &payload);
    }
}
