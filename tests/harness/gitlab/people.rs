//! What people do. A name that does not exist is a mistake of the scenario, and panics.

use super::FakeGitLab;
use super::world::{DEVELOPER, Group, NoteKind, Scope, Token};
use crate::github::git::Edit;

/// A merge request to open.
#[derive(Debug, Clone)]
pub struct MergeRequestSpec {
    pub(super) author: String,
    pub(super) branch: String,
    pub(super) source: Option<String>,
    pub(super) target_branch: String,
    pub(super) title: String,
    pub(super) description: String,
    pub(super) labels: Vec<String>,
}

impl MergeRequestSpec {
    /// Of a branch to `main`, by this user.
    pub fn of(author: &str, branch: &str) -> Self {
        MergeRequestSpec {
            author: author.to_owned(),
            branch: branch.to_owned(),
            source: None,
            target_branch: "main".to_owned(),
            title: "A change".to_owned(),
            description: String::new(),
            labels: Vec::new(),
        }
    }

    /// The branch is of this project.
    #[must_use]
    pub fn from_fork(self, path: &str) -> Self {
        MergeRequestSpec { source: Some(path.to_owned()), ..self }
    }

    /// To another branch.
    #[must_use]
    pub fn to(self, branch: &str) -> Self {
        MergeRequestSpec { target_branch: branch.to_owned(), ..self }
    }

    /// With this title.
    #[must_use]
    pub fn titled(self, title: &str) -> Self {
        MergeRequestSpec { title: title.to_owned(), ..self }
    }

    /// With this description.
    #[must_use]
    pub fn described(self, description: &str) -> Self {
        MergeRequestSpec { description: description.to_owned(), ..self }
    }

    /// With these labels.
    #[must_use]
    pub fn labelled(self, labels: &[&str]) -> Self {
        MergeRequestSpec { labels: labels.iter().map(|label| (*label).to_owned()).collect(), ..self }
    }

    /// As a draft, which GitLab tells by the title.
    #[must_use]
    pub fn draft(self) -> Self {
        MergeRequestSpec { title: format!("Draft: {}", self.title), ..self }
    }
}

/// Projects and what is in them.
impl FakeGitLab {
    /// Makes a private project with a first commit on `main`, of which the bot is a Developer. Returns its id.
    pub fn create_project(&self, path: &str) -> u64 {
        let mut world = self.world();
        let id = world.create_project(path, None);
        world.set_level(id, super::BOT, DEVELOPER);
        id
    }

    /// The same, and everybody may look.
    pub fn create_public_project(&self, path: &str) -> u64 {
        let id = self.create_project(path);
        self.world().project_mut(id).public = true;
        id
    }

    /// Makes a private project of which the bot is no member.
    pub fn create_foreign_project(&self, path: &str) -> u64 {
        self.world().create_project(path, None)
    }

    /// Forks a project under a user's name, where that is not done yet. The bot is no member of it. Returns its path.
    pub fn fork(&self, path: &str, user: &str) -> String {
        self.world().fork(path, user)
    }

    /// Pushes a commit to a branch, which is made from `main` where there is none. Returns the commit.
    pub fn commit<E: Into<Edit>>(
        &self,
        path: &str,
        branch: &str,
        user: &str,
        message: &str,
        edits: impl IntoIterator<Item = E>,
    ) -> String {
        let edits: Vec<Edit> = edits.into_iter().map(Into::into).collect();
        self.world().commit(path, branch, user, message, &edits)
    }

    /// Moves a branch to a commit that is there, whatever it held before.
    pub fn force_push(&self, path: &str, branch: &str, commit: &str, user: &str) {
        let mut world = self.world();
        let (id, by) = (world.project_id(path), world.user_id(user));
        let git = world.project(id).git.clone();
        let before = git.resolve(&format!("refs/heads/{branch}"));
        git.set_ref(&format!("refs/heads/{branch}"), commit);
        world.branch_moved(id, by, branch, before.as_deref(), Some(commit));
    }

    /// Removes a branch.
    pub fn delete_branch(&self, path: &str, branch: &str, user: &str) {
        let mut world = self.world();
        let (id, by) = (world.project_id(path), world.user_id(user));
        let git = world.project(id).git.clone();
        let before = git.resolve(&format!("refs/heads/{branch}")).expect("the branch exists");
        git.delete_ref(&format!("refs/heads/{branch}"));
        world.branch_moved(id, by, branch, Some(&before), None);
    }

    /// Protects a branch, as GitLab does with the default branch unless a setting says otherwise: statuses on its pipelines
    /// are for Maintainers. What is pushed is not judged by it.
    pub fn protect(&self, path: &str, branch: &str) {
        let mut world = self.world();
        let id = world.project_id(path);
        world.project_mut(id).protected.insert(branch.to_owned());
    }

    /// Tags a commit.
    pub fn tag(&self, path: &str, name: &str, commit: &str, user: &str) {
        let mut world = self.world();
        let (id, by) = (world.project_id(path), world.user_id(user));
        let name = format!("refs/tags/{name}");
        world.project(id).git.set_ref(&name, commit);
        world.tell_push("Tag Push Hook", id, by, &name, [None, Some(commit)]);
    }

    /// Gives a project an external status check, as the plan Ultimate has them. Returns its id.
    pub fn add_status_check(&self, path: &str, name: &str) -> u64 {
        let mut world = self.world();
        let (project, id) = (world.project_id(path), world.new_id());
        world.project_mut(project).checks.get_or_insert_default().push((id, name.to_owned()));
        id
    }
}

/// Merge requests and what is said on them.
impl FakeGitLab {
    /// Opens a merge request in this project. Returns its number.
    pub fn open_merge_request(&self, path: &str, spec: &MergeRequestSpec) -> u64 {
        self.world().open(path, spec)
    }

    /// Closes it.
    pub fn close(&self, path: &str, iid: u64, user: &str) {
        self.set_state(path, iid, "closed", "close", user);
    }

    /// Reopens it.
    pub fn reopen(&self, path: &str, iid: u64, user: &str) {
        self.set_state(path, iid, "opened", "reopen", user);
    }

    fn set_state(&self, path: &str, iid: u64, state: &'static str, action: &str, user: &str) {
        let mut world = self.world();
        let (project, by) = (world.project_id(path), world.user_id(user));
        world.set_state(project, iid, state, action, by);
    }

    /// Merges it. The merge commit, or None where the two conflict.
    pub fn merge(&self, path: &str, iid: u64, user: &str) -> Option<String> {
        let mut world = self.world();
        let (project, by) = (world.project_id(path), world.user_id(user));
        world.merge(project, iid, by)
    }

    /// Changes its title; `Draft:` before it makes it a draft.
    pub fn retitle(&self, path: &str, iid: u64, title: &str, user: &str) {
        let mut world = self.world();
        let (project, by) = (world.project_id(path), world.user_id(user));
        world.retitle(project, iid, title, by);
    }

    /// Approves it.
    pub fn approve(&self, path: &str, iid: u64, user: &str) {
        let mut world = self.world();
        let (project, by) = (world.project_id(path), world.user_id(user));
        world.approve(project, iid, by);
    }

    /// Writes a note on a merge request. Returns its id.
    pub fn comment(&self, path: &str, iid: u64, user: &str, body: &str) -> u64 {
        let mut world = self.world();
        let (project, by) = (world.project_id(path), world.user_id(user));
        world.add_note(project, iid, by, body, NoteKind::Comment)
    }

    /// The same, only for those who may look at the code. Returns its id.
    pub fn comment_internally(&self, path: &str, iid: u64, user: &str, body: &str) -> u64 {
        let mut world = self.world();
        let (project, by) = (world.project_id(path), world.user_id(user));
        world.add_note(project, iid, by, body, NoteKind::Internal)
    }

    /// Answers in the thread that a note is in. Returns the answer's id.
    pub fn answer(&self, note: u64, user: &str, body: &str) -> u64 {
        let mut world = self.world();
        let by = world.user_id(user);
        let found = world.note(note).expect("the note exists");
        let thread = found.thread.as_ref().expect("the note is in a thread").id.clone();
        let (project, iid) = (found.project, found.iid);
        world.add_reply(project, iid, by, body, &thread)
    }

    /// Changes a note.
    pub fn edit_note(&self, id: u64, body: &str) {
        self.world().edit_note(id, body);
    }

    /// Removes a note. GitLab tells nobody.
    pub fn delete_note(&self, id: u64) {
        self.world().delete_note(id);
    }

    /// Starts a pipeline of GitLab's own CI for a branch or for `refs/merge-requests/IID/head`. Returns its id.
    pub fn start_pipeline(&self, path: &str, reference: &str) -> u64 {
        let mut world = self.world();
        let project = world.project_id(path);
        let git = &world.project(project).git;
        let named = git.resolve(&format!("refs/heads/{reference}")).or_else(|| git.resolve(reference));
        let source = if reference.starts_with("refs/merge-requests/") { "merge_request_event" } else { "push" };
        let sha = named.expect("the ref exists");
        world.add_pipeline(project, &sha, reference, source)
    }
}

/// Accounts.
impl FakeGitLab {
    /// Gives a user an access level in a project: 10 Guest, 20 Reporter, 30 Developer, 40 Maintainer, 50 Owner, 0 none.
    pub fn set_level(&self, path: &str, user: &str, level: u64) {
        let mut world = self.world();
        let id = world.project_id(path);
        world.set_level(id, user, level);
    }

    /// Makes a group that only its members see, where there is none of that name.
    pub fn create_private_group(&self, path: &str) {
        self.group(path, |group| group.private = true);
    }

    /// Makes a user a member of a group, which is made where there is none. What is below the group takes it over.
    pub fn add_to_group(&self, path: &str, user: &str, level: u64) {
        let user = self.user_id(user);
        self.group(path, |group| {
            group.levels.insert(user, level);
        });
    }

    /// Ends a user's membership in a group.
    pub fn remove_from_group(&self, path: &str, user: &str) {
        let user = self.user_id(user);
        self.group(path, |group| {
            group.levels.remove(&user);
        });
    }

    fn group(&self, path: &str, change: impl FnOnce(&mut Group)) {
        let mut world = self.world();
        let id = world.new_id();
        change(world.groups.entry(path.to_owned()).or_insert_with(|| Group { id, ..Group::default() }));
    }

    /// Makes an account one of a program.
    pub fn make_bot(&self, user: &str) {
        let mut world = self.world();
        let id = world.user_id(user);
        world.user_mut(id).bot = true;
    }

    /// Blocks an account, or lets it in again.
    pub fn block(&self, user: &str, blocked: bool) {
        let mut world = self.world();
        let id = world.user_id(user);
        world.user_mut(id).state = if blocked { "blocked" } else { "active" };
    }

    /// A user's number. The account is made where there is none.
    pub fn user_id(&self, user: &str) -> u64 {
        self.world().user_id(user)
    }

    /// A personal token of a user.
    pub fn personal_token(&self, user: &str, scope: Scope) -> String {
        let mut world = self.world();
        let user = world.user_id(user);
        let value = format!("glpat-{}", uuid::Uuid::now_v7().simple());
        world.tokens.push(Token { value: value.clone(), user, scope });
        value
    }

    /// A token of a project: GitLab makes an account for it that is a member of that project alone.
    pub fn project_token(&self, path: &str, level: u64, scope: Scope) -> String {
        let id = self.world().project_id(path);
        let user = format!("project_{id}_bot_{}", uuid::Uuid::now_v7().simple());
        self.make_bot(&user);
        self.set_level(path, &user, level);
        self.personal_token(&user, scope)
    }

    /// A token of a group: GitLab makes an account for it that is a member of that group alone.
    pub fn group_token(&self, path: &str, level: u64, scope: Scope) -> String {
        self.group(path, |_| ());
        let id = self.world().groups[path].id;
        let user = format!("group_{id}_bot_{}", uuid::Uuid::now_v7().simple());
        self.make_bot(&user);
        self.add_to_group(path, &user, level);
        self.personal_token(&user, scope)
    }

    /// Revokes a token.
    pub fn revoke(&self, token: &str) {
        self.world().tokens.retain(|one| one.value != token);
    }
}
