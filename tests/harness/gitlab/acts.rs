//! What people and programs do, and what it changes.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::issues::Rewrite;
use super::people::MergeRequestSpec;
use super::world::{DiffRefs, MergeRequest, Note, NoteKind, Noteable, OWNER, Project, Thread, World};
use crate::github::git::{Edit, Git};

impl World {
    pub(super) fn create_project(&mut self, path: &str, parent: Option<u64>) -> u64 {
        let id = self.new_id();
        let dir = self.dir.join(format!("{id}.git"));
        let git = match parent {
            Some(parent) => self.project(parent).git.fork(dir),
            None => {
                let (git, by) = (Git::init(dir, "main"), self.signature("admin"));
                git.commit("main", None, &by, "a project", &[Edit::from(("README.md", "a project\n"))]);
                git
            }
        };
        let public = parent.is_some_and(|parent| self.project(parent).public);
        let (levels, protected) = (BTreeMap::new(), BTreeSet::new());
        self.projects.push(Project { id, path: path.to_owned(), git, parent, public, levels, protected, checks: None });
        id
    }

    pub(super) fn fork(&mut self, path: &str, user: &str) -> String {
        let parent = self.project_id(path);
        let fork = format!("{user}/{}", path.rsplit('/').next().expect("a path has a last part"));
        if !self.projects.iter().any(|project| project.path == fork && project.parent == Some(parent)) {
            let id = self.create_project(&fork, Some(parent));
            self.set_level(id, user, OWNER);
        }
        fork
    }

    pub(super) fn set_level(&mut self, project: u64, user: &str, level: u64) {
        let user = self.user_id(user);
        let levels = &mut self.project_mut(project).levels;
        if level == 0 {
            levels.remove(&user)
        } else {
            levels.insert(user, level)
        };
    }

    pub(super) fn commit(&mut self, path: &str, branch: &str, user: &str, message: &str, edits: &[Edit]) -> String {
        let (id, by, signature) = (self.project_id(path), self.user_id(user), self.signature(user));
        let git = &self.project(id).git;
        let before = git.resolve(&format!("refs/heads/{branch}"));
        let parent = before.clone().or_else(|| git.resolve("refs/heads/main"));
        let sha = git.commit(branch, parent.as_deref(), &signature, message, edits);
        self.branch_moved(id, by, branch, before.as_deref(), Some(&sha));
        sha
    }

    /// Tells of everything that a push over git has moved.
    pub(super) fn refs_moved(&mut self, project: u64, by: u64, before: &[(String, String)]) {
        let after = self.project(project).git.refs();
        let find = |refs: &[(String, String)], name: &str| refs.iter().find(|(n, _)| n == name).map(|(_, sha)| sha.clone());
        let mut names: Vec<&String> = before.iter().chain(&after).map(|(name, _)| name).collect();
        names.sort();
        names.dedup();
        for name in names {
            let (old, new) = (find(before, name), find(&after, name));
            if old == new {
                continue;
            }
            if let Some(branch) = name.strip_prefix("refs/heads/") {
                self.branch_moved(project, by, branch, old.as_deref(), new.as_deref());
            } else if name.starts_with("refs/tags/") {
                self.tell_push("Tag Push Hook", project, by, name, [old.as_deref(), new.as_deref()]);
            }
        }
    }

    pub(super) fn branch_moved(&mut self, project: u64, by: u64, branch: &str, before: Option<&str>, after: Option<&str>) {
        self.tell_push("Push Hook", project, by, &format!("refs/heads/{branch}"), [before, after]);
        let Some(sha) = after else { return };
        let moved = |mr: &&MergeRequest| mr.source == project && mr.branch == branch && mr.state == "opened" && mr.sha != sha;
        let moved: Vec<(u64, u64)> = self.requests.iter().filter(moved).map(|mr| (mr.project, mr.iid)).collect();
        for (target, iid) in moved {
            let oldrev = self.move_head(target, iid, sha);
            self.add_note(target, iid, by, "added 1 commit", NoteKind::System);
            self.tell_request(target, iid, "update", by, json!({ "oldrev": oldrev }), json!({}));
        }
    }

    fn target_branch(&self, project: u64, iid: u64) -> String {
        self.request(project, iid).expect("the merge request exists").target_branch.clone()
    }

    fn version(&self, target: u64, head: &str, branch: &str) -> DiffRefs {
        let git = &self.project(target).git;
        let start = git.resolve(&format!("refs/heads/{branch}")).expect("the target branch exists");
        let base = git.merge_base(&start, head).unwrap_or_else(|| start.clone());
        DiffRefs { base, start, head: head.to_owned() }
    }

    pub(super) fn open(&mut self, target: &str, spec: &MergeRequestSpec) -> u64 {
        let (project, author) = (self.project_id(target), self.user_id(&spec.author));
        let source = spec.source.as_deref().map_or(project, |source| self.project_id(source));
        let sha = self.project(source).git.resolve(&format!("refs/heads/{}", spec.branch)).expect("the branch exists");
        let iid = self.requests.iter().filter(|mr| mr.project == project).count() as u64 + 1;
        let version = self.version(project, &sha, &spec.target_branch);
        self.project(project).git.set_ref(&format!("refs/merge-requests/{iid}/head"), &sha);
        let (id, now) = (self.new_id(), self.now());
        self.requests.push(MergeRequest {
            id,
            project,
            iid,
            source,
            branch: spec.branch.clone(),
            target_branch: spec.target_branch.clone(),
            title: spec.title.clone(),
            description: spec.description.clone(),
            labels: spec.labels.clone(),
            author,
            state: "opened",
            sha,
            versions: vec![version],
            merge_commit: None,
            approvals: Vec::new(),
            created_at: now,
            updated_at: now,
            answers: BTreeMap::new(),
        });
        self.tell_request(project, iid, "open", author, json!({}), json!({}));
        iid
    }

    pub(super) fn touch(&mut self, project: u64, iid: u64) {
        let now = self.now();
        self.request_mut(project, iid).updated_at = now;
    }

    pub(super) fn set_state(&mut self, project: u64, iid: u64, state: &'static str, action: &str, by: u64) {
        self.touch(project, iid);
        self.request_mut(project, iid).state = state;
        if action == "reopen" {
            self.follow(project, iid);
        }
        self.tell_request(project, iid, action, by, json!({}), json!({}));
    }

    /// Has a merge request go by its branch as it is now, where that moved while nobody looked. It is not told as an update.
    fn follow(&mut self, project: u64, iid: u64) {
        let mr = self.request(project, iid).expect("the merge request exists");
        let now = self.project(mr.source).git.resolve(&format!("refs/heads/{}", mr.branch));
        let Some(sha) = now.filter(|sha| *sha != mr.sha) else { return };
        self.move_head(project, iid, &sha);
    }

    /// Makes a new version. Returns the head before.
    fn move_head(&mut self, project: u64, iid: u64, sha: &str) -> String {
        let (now, version) = (self.now(), self.version(project, sha, &self.target_branch(project, iid)));
        let mr = self.request_mut(project, iid);
        let before = std::mem::replace(&mut mr.sha, sha.to_owned());
        mr.updated_at = now;
        mr.versions.push(version);
        self.project(project).git.set_ref(&format!("refs/merge-requests/{iid}/head"), sha);
        before
    }

    /// Merges; None where the two conflict.
    pub(super) fn merge(&mut self, project: u64, iid: u64, by: u64) -> Option<String> {
        let name = self.username(by).to_owned();
        let signature = self.signature(&name);
        let mr = self.request(project, iid).expect("the merge request exists");
        let (branch, head) = (mr.target_branch.clone(), mr.sha.clone());
        let git = &self.project(project).git;
        let base = git.resolve(&format!("refs/heads/{branch}")).expect("the target branch exists");
        let sha = git.merge(&base, &head, &signature, &format!("Merge branch into '{branch}'"))?;
        git.set_ref(&format!("refs/heads/{branch}"), &sha);
        self.request_mut(project, iid).merge_commit = Some(sha.clone());
        self.branch_moved(project, by, &branch, Some(&base), Some(&sha));
        self.set_state(project, iid, "merged", "merge", by);
        Some(sha)
    }

    pub(super) fn retitle(&mut self, project: u64, iid: u64, title: &str, by: u64) {
        let rewrite = Rewrite { title: Some(title.to_owned()), ..Rewrite::default() };
        self.rewrite(project, iid, Noteable::Request, by, &rewrite);
    }

    pub(super) fn approve(&mut self, project: u64, iid: u64, by: u64) {
        self.touch(project, iid);
        self.request_mut(project, iid).approvals.push(by);
        self.add_note(project, iid, by, "approved this merge request", NoteKind::System);
        self.tell_request(project, iid, "approved", by, json!({}), json!({}));
    }

    /// A note that stands alone.
    pub(super) fn add_note(&mut self, project: u64, iid: u64, author: u64, body: &str, kind: NoteKind) -> u64 {
        self.add_note_on(project, iid, Noteable::Request, author, body, kind)
    }

    /// The same on an issue or a merge request.
    pub(super) fn add_note_on(&mut self, project: u64, iid: u64, on: Noteable, author: u64, body: &str, kind: NoteKind) -> u64 {
        let (id, now) = (self.new_id(), self.now());
        let (created_at, updated_at) = (now, now);
        self.add(Note { id, on, kind, project, iid, author, body: body.to_owned(), created_at, updated_at, thread: None })
    }

    /// A note that begins a thread, at a place in the diff or at none.
    pub(super) fn add_thread(&mut self, project: u64, iid: u64, author: u64, body: &str, position: Option<Value>) -> u64 {
        let id = format!("{:040x}", self.new_id());
        self.add_in_thread(project, iid, author, body, Thread { id, position, resolved_by: None })
    }

    /// A note that goes on with a thread.
    pub(super) fn add_reply(&mut self, project: u64, iid: u64, author: u64, body: &str, thread: &str) -> u64 {
        let first = self.notes.iter().filter_map(|note| note.thread.as_ref()).find(|one| one.id == thread);
        let position = first.and_then(|first| first.position.clone());
        self.add_in_thread(project, iid, author, body, Thread { id: thread.to_owned(), position, resolved_by: None })
    }

    fn add_in_thread(&mut self, project: u64, iid: u64, author: u64, body: &str, thread: Thread) -> u64 {
        let (id, now) = (self.new_id(), self.now());
        let (on, kind, created_at, updated_at) = (Noteable::Request, NoteKind::Comment, now, now);
        self.add(Note { id, on, kind, project, iid, author, body: body.to_owned(), created_at, updated_at, thread: Some(thread) })
    }

    fn add(&mut self, note: Note) -> u64 {
        let Note { id, project, iid, on, kind, .. } = note;
        self.notes.push(note);
        self.touch_thing(project, iid, on);
        if kind != NoteKind::System {
            self.tell_note(id, "create");
        }
        id
    }

    pub(super) fn edit_note(&mut self, id: u64, body: &str) {
        let now = self.now();
        let note = self.note_mut(id);
        note.updated_at = now;
        note.body = body.to_owned();
        self.tell_note(id, "update");
    }

    pub(super) fn delete_note(&mut self, id: u64) {
        self.notes.retain(|note| note.id != id);
        self.emoji.retain(|emoji| emoji.note != id);
    }
}
