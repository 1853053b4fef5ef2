//! What answers look like: like GitLab's own, as recorded.

use std::sync::Arc;

use serde_json::{Value, json};

use super::world::{Emoji, MergeRequest, Note, NoteKind, Noteable, Pipeline, Status, World, lock, time_text};
use crate::github::git::{CommitInfo, FileChange};

impl World {
    pub(super) fn account(&self, id: u64) -> Value {
        let name = self.username(id);
        let state = self.user(id).map_or("active", |user| user.state);
        json!({
            "id": id, "username": name, "name": name, "state": state, "locked": false, "avatar_url": null,
            "web_url": format!("{}/{name}", self.url),
        })
    }

    pub(super) fn member(&self, id: u64, level: u64) -> Value {
        let mut member = self.account(id);
        member["access_level"] = json!(level);
        member["expires_at"] = Value::Null;
        member["membership_state"] = json!("active");
        member
    }

    pub(super) fn project_answer(&self, id: u64) -> Value {
        let project = self.project(id);
        let (namespace, name) = project.path.rsplit_once('/').unwrap_or(("", &project.path));
        let url = format!("{}/{}", self.url, project.path);
        let mut answer = json!({
            "id": id, "description": null, "name": name, "name_with_namespace": format!("{namespace} / {name}"), "path": name,
            "path_with_namespace": project.path, "default_branch": "main", "tag_list": [], "topics": [],
            "ssh_url_to_repo": format!("git@gitlab.invalid:{}.git", project.path), "http_url_to_repo": format!("{url}.git"),
            "web_url": url, "visibility": if project.public { "public" } else { "private" }, "archived": false,
            "namespace": { "name": namespace, "path": namespace, "kind": "group", "full_path": namespace },
            "merge_requests_enabled": true, "jobs_enabled": true, "empty_repo": false,
        });
        if let Some(parent) = project.parent {
            answer["forked_from_project"] = json!({ "id": parent, "path_with_namespace": self.project(parent).path });
        }
        answer
    }

    pub(super) fn request_answer(&self, mr: &MergeRequest) -> Value {
        let refs = mr.refs();
        let path = &self.project(mr.project).path;
        json!({
            "id": mr.id, "iid": mr.iid, "project_id": mr.project, "title": mr.title, "description": mr.description, "state": mr.state,
            "created_at": time_text(mr.created_at), "updated_at": time_text(mr.updated_at), "target_branch": mr.target_branch,
            "source_branch": mr.branch, "author": self.account(mr.author), "assignee": null, "assignees": [], "reviewers": [],
            "source_project_id": mr.source, "target_project_id": mr.project, "labels": mr.labels, "draft": mr.draft(),
            "work_in_progress": mr.draft(), "milestone": null, "merge_status": "can_be_merged",
            "detailed_merge_status": "mergeable", "sha": mr.sha, "merge_commit_sha": mr.merge_commit,
            "squash_commit_sha": null, "has_conflicts": false, "blocking_discussions_resolved": true,
            "web_url": format!("{}/{path}/-/merge_requests/{}", self.url, mr.iid),
            "references": { "short": format!("!{}", mr.iid), "relative": format!("!{}", mr.iid), "full": format!("{path}!{}", mr.iid) },
            "user_notes_count": self.notes_on(mr, None).filter(|note| note.kind == NoteKind::Comment).count(),
            "changes_count": self.files(mr).len().to_string(),
            "diff_refs": { "base_sha": refs.base, "head_sha": refs.head, "start_sha": refs.start },
            "head_pipeline": self.head_pipeline(mr).map(|pipeline| self.pipeline_answer(pipeline)),
            "user": { "can_merge": false },
        })
    }

    /// The same in a list, where GitLab says less.
    pub(super) fn request_in_list(&self, mr: &MergeRequest) -> Value {
        let mut answer = self.request_answer(mr);
        if let Some(fields) = answer.as_object_mut() {
            for name in ["changes_count", "diff_refs", "head_pipeline", "user"] {
                fields.remove(name);
            }
        }
        answer
    }

    /// The files of the newest version of a merge request's diff.
    pub(super) fn files(&self, mr: &MergeRequest) -> Arc<Vec<FileChange>> {
        let (base, head) = (&mr.refs().base, &mr.refs().head);
        // Every answer about a merge request counts its files, and git takes a process each time.
        let mut known = lock(&self.diffs);
        let diff = || Arc::new(self.project(mr.project).git.diff(Some(base), head));
        known.entry((base.clone(), head.clone())).or_insert_with(diff).clone()
    }

    pub(super) fn pipeline_answer(&self, pipeline: &Pipeline) -> Value {
        json!({
            "id": pipeline.id, "iid": pipeline.id, "project_id": pipeline.project, "sha": pipeline.sha,
            "ref": pipeline.reference, "status": self.pipeline_state(pipeline.id), "source": pipeline.source,
            "created_at": time_text(pipeline.created_at), "updated_at": time_text(pipeline.created_at),
            "web_url": format!("{}/{}/-/pipelines/{}", self.url, self.project(pipeline.project).path, pipeline.id),
        })
    }

    pub(super) fn status_answer(&self, status: &Status) -> Value {
        json!({
            "id": status.id, "sha": status.sha, "ref": status.reference, "status": status.state, "name": status.name,
            "target_url": status.target_url, "description": status.description, "created_at": time_text(status.created_at),
            "started_at": null, "finished_at": status.finished_at.map(time_text), "allow_failure": false,
            "coverage": status.coverage, "pipeline_id": status.pipeline, "author": self.account(status.author),
        })
    }

    pub(super) fn note_answer(&self, note: &Note) -> Value {
        let (noteable, kind_of) = match note.on {
            Noteable::Request => (self.request(note.project, note.iid).expect("a note is on something").id, "MergeRequest"),
            Noteable::Issue => (self.issue(note.project, note.iid).expect("a note is on something").id, "Issue"),
        };
        let thread = note.thread.as_ref();
        let position = thread.and_then(|thread| thread.position.as_ref());
        let kind = if position.is_some() { Some("DiffNote") } else { thread.map(|_| "DiscussionNote") };
        let internal = note.kind == NoteKind::Internal;
        let mut answer = json!({
            "id": note.id, "type": kind, "body": note.body, "attachment": null, "author": self.account(note.author),
            "created_at": time_text(note.created_at), "updated_at": time_text(note.updated_at),
            "system": note.kind == NoteKind::System,
            "noteable_id": noteable, "noteable_type": kind_of, "project_id": note.project, "noteable_iid": note.iid,
            "resolvable": thread.is_some(), "confidential": internal, "internal": internal, "imported": false,
            "imported_from": "none", "commands_changes": {},
        });
        if let Some(thread) = thread {
            answer["resolved"] = json!(thread.resolved_by.is_some());
            answer["resolved_by"] = thread.resolved_by.map_or(Value::Null, |user| self.account(user));
        }
        if let Some(position) = position {
            answer["position"] = position.clone();
        }
        answer
    }

    pub(super) fn emoji_answer(&self, emoji: &Emoji) -> Value {
        json!({
            "id": emoji.id, "name": emoji.name, "user": self.account(emoji.user), "created_at": time_text(emoji.at),
            "updated_at": time_text(emoji.at), "awardable_id": emoji.note, "awardable_type": "Note", "url": null,
        })
    }
}

pub(super) fn commit_answer(url: &str, commit: &CommitInfo) -> Value {
    json!({
        "id": commit.sha, "short_id": &commit.sha[..8], "created_at": commit.committer.date, "parent_ids": commit.parents,
        "title": commit.message.lines().next(), "message": commit.message, "author_name": commit.author.name,
        "author_email": commit.author.email, "authored_date": commit.author.date, "committer_name": commit.committer.name,
        "committer_email": commit.committer.email, "committed_date": commit.committer.date, "trailers": {},
        "web_url": format!("{url}/-/commit/{}", commit.sha),
    })
}

/// One file of a diff. Its hunks are left out where it is binary.
pub(super) fn file_answer(file: &FileChange) -> Value {
    let patch = file.patch.as_ref().map_or_else(String::new, |patch| format!("{patch}\n"));
    json!({
        "old_path": file.previous.as_ref().unwrap_or(&file.path), "new_path": file.path,
        "a_mode": if file.status == "added" { "0" } else { "100644" },
        "b_mode": if file.status == "removed" { "0" } else { "100644" },
        "diff": patch, "new_file": file.status == "added", "renamed_file": file.status == "renamed",
        "deleted_file": file.status == "removed", "generated_file": false, "collapsed": false, "too_large": false,
    })
}
