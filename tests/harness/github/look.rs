//! The handle's own verbs: what people do, and what they would see.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::git::Edit;
use super::hooks::Delivery;
use super::people::{MergeGroup, PullSpec};
use super::world::{Check, Kind, lock};
use super::{FakeGitHub, Seen};

/// A check run, as people see it.
#[derive(Debug, Clone, PartialEq)]
pub struct CheckRun {
    /// GitHub's id of it.
    pub id: u64,
    /// Its name.
    pub name: String,
    /// The commit.
    pub head: String,
    /// `queued`, `in_progress` or `completed`.
    pub status: String,
    /// `success` and the like, once it is completed.
    pub conclusion: Option<String>,
    /// The bot's own key.
    pub external_id: String,
    /// One line.
    pub title: String,
    /// Markdown.
    pub summary: String,
    /// Markdown.
    pub text: Option<String>,
    /// Where the button "Details" leads.
    pub details_url: Option<String>,
    /// As they were given.
    pub annotations: Vec<Value>,
    /// The identifiers of its buttons.
    pub buttons: Vec<String>,
}

impl CheckRun {
    /// The conclusion, or the status while there is none.
    pub fn state(&self) -> &str {
        self.conclusion.as_deref().unwrap_or(&self.status)
    }
}

/// An upload to code scanning, as it was taken.
#[derive(Debug, Clone, PartialEq)]
pub struct Scanned {
    /// The commit.
    pub head: String,
    /// The full name of what it is the head of.
    pub of: String,
    /// Which uploads it takes the place of.
    pub category: String,
    /// SARIF.
    pub log: Value,
}

/// What code scanning knows.
impl FakeGitHub {
    /// From now on nothing that is uploaded can be processed, for this reason.
    pub fn fail_scans(&self, because: &str) {
        self.world().scans_fail = vec![because.to_owned()];
    }

    /// What stands in a repository, oldest first.
    pub fn scans(&self, repo: &str) -> Vec<Scanned> {
        let world = self.world();
        let repo = world.repo_id(repo);
        let of_repo = world.scans.iter().filter(|scan| scan.repo == repo).cloned();
        of_repo.map(|scan| Scanned { head: scan.head, of: scan.of, category: scan.category, log: scan.log }).collect()
    }
}

fn check_run(check: &Check) -> CheckRun {
    let button = |action: &Value| action["identifier"].as_str().unwrap_or_default().to_owned();
    CheckRun {
        id: check.id,
        name: check.name.clone(),
        head: check.head.clone(),
        status: check.status.clone(),
        conclusion: check.conclusion.clone(),
        external_id: check.external_id.clone(),
        title: check.title.clone().unwrap_or_default(),
        summary: check.summary.clone().unwrap_or_default(),
        text: check.text.clone(),
        details_url: check.details_url.clone(),
        annotations: check.annotations.clone(),
        buttons: check.actions.iter().map(button).collect(),
    }
}

/// What people do. A name that does not exist is a mistake of the scenario, and panics.
impl FakeGitHub {
    /// Makes a private repository `OWNER/NAME` with a first commit on `main`, and installs the App there. The owner is an
    /// organisation. Returns the repository's id.
    pub fn create_repo(&self, full_name: &str) -> u64 {
        let mut world = self.world();
        let repo = world.create_repo(full_name, true);
        world.install(repo);
        repo
    }

    /// The same, public.
    pub fn create_public_repo(&self, full_name: &str) -> u64 {
        let mut world = self.world();
        let repo = world.create_repo(full_name, false);
        world.install(repo);
        repo
    }

    /// A private repository where the App is not installed.
    pub fn create_foreign_repo(&self, full_name: &str) -> u64 {
        self.world().create_repo(full_name, true)
    }

    /// Forks a repository under a person's name, or finds the fork that is there; returns the fork's `OWNER/NAME`.
    pub fn fork(&self, repo: &str, user: &str) -> String {
        let mut world = self.world();
        let parent = world.repo_id(repo);
        let fork = world.fork(parent, user);
        world.repo(fork).full_name()
    }

    /// The id of a repository.
    pub fn repo_id(&self, repo: &str) -> u64 {
        self.world().repo_id(repo)
    }

    /// The installation that covers a repository.
    pub fn installation(&self, repo: &str) -> u64 {
        let world = self.world();
        world.installation_of(world.repo_id(repo)).expect("the App is installed there").id
    }

    /// Stops the App from acting in an installation, or lets it again.
    pub fn suspend(&self, installation: u64, suspended: bool) {
        let mut world = self.world();
        let now = world.now();
        let found = world.installations.iter_mut().find(|i| i.id == installation).expect("the installation exists");
        found.suspended_at = suspended.then_some(now);
        let owner = found.account;
        world.tell_installation(installation, if suspended { "suspend" } else { "unsuspend" }, owner);
    }

    /// Makes a repository one that is only read from now on.
    pub fn archive(&self, repo: &str) {
        let mut world = self.world();
        let repo = world.repo_id(repo);
        world.repo_mut(repo).archived = true;
    }

    /// Takes the App out of a repository.
    pub fn uninstall(&self, repo: &str) {
        let mut world = self.world();
        let repo = world.repo_id(repo);
        let found = world.installations.iter_mut().find(|i| i.repos.contains(&repo)).expect("the App is installed there");
        found.repos.remove(&repo);
        let (id, owner) = (found.id, found.account);
        world.tell_installation_repositories(id, "removed", repo, owner);
    }

    /// Commits to a branch and pushes it; a new branch starts at the default branch. Returns the commit.
    pub fn commit<E: Into<Edit>>(
        &self,
        repo: &str,
        branch: &str,
        author: &str,
        message: &str,
        edits: impl IntoIterator<Item = E>,
    ) -> String {
        let edits: Vec<Edit> = edits.into_iter().map(Into::into).collect();
        let mut world = self.world();
        let repo = world.repo_id(repo);
        world.commit(repo, branch, author, message, &edits)
    }

    /// Points a branch at a commit, as a forced push does.
    pub fn force_push(&self, repo: &str, branch: &str, commit: &str, user: &str) {
        self.push_ref(repo, &format!("refs/heads/{branch}"), Some(commit), user);
    }

    /// Removes a branch. Its pull requests are closed.
    pub fn delete_branch(&self, repo: &str, branch: &str, user: &str) {
        self.push_ref(repo, &format!("refs/heads/{branch}"), None, user);
    }

    /// Tags a commit.
    pub fn tag(&self, repo: &str, name: &str, commit: &str, user: &str) {
        self.push_ref(repo, &format!("refs/tags/{name}"), Some(commit), user);
    }

    fn push_ref(&self, repo: &str, name: &str, commit: Option<&str>, user: &str) {
        let mut world = self.world();
        let (repo, user) = (world.repo_id(repo), world.account_id(user, Kind::User));
        world.push_ref(repo, name, commit, user);
    }

    /// Opens a pull request; returns its number.
    pub fn open_pull(&self, repo: &str, pull: PullSpec) -> u64 {
        let mut world = self.world();
        let repo = world.repo_id(repo);
        world.open_pull(repo, &pull)
    }

    pub(crate) fn with_pull<R>(
        &self,
        repo: &str,
        number: u64,
        user: &str,
        act: impl FnOnce(&mut super::World, u64, u64) -> R,
    ) -> R {
        let mut world = self.world();
        let (repo, user) = (world.repo_id(repo), world.account_id(user, Kind::User));
        world.pull(repo, number);
        act(&mut world, repo, user)
    }

    /// Closes a pull request without merging it.
    pub fn close_pull(&self, repo: &str, number: u64, user: &str) {
        self.with_pull(repo, number, user, |world, repo, user| world.close_pull(repo, number, user));
    }

    /// Opens a closed one again.
    pub fn reopen_pull(&self, repo: &str, number: u64, user: &str) {
        self.with_pull(repo, number, user, |world, repo, user| world.reopen_pull(repo, number, user));
    }

    /// Merges by a merge commit, which is returned; None where the branches conflict.
    pub fn merge_pull(&self, repo: &str, number: u64, user: &str) -> Option<String> {
        self.with_pull(repo, number, user, |world, repo, user| world.merge_pull(repo, number, user))
    }

    /// Makes a pull request a draft, or ready for review.
    pub fn set_draft(&self, repo: &str, number: u64, draft: bool, user: &str) {
        self.with_pull(repo, number, user, |world, repo, user| world.set_draft(repo, number, draft, user));
    }

    /// Gives a pull request another title.
    pub fn retitle_pull(&self, repo: &str, number: u64, title: &str, user: &str) {
        self.with_pull(repo, number, user, |world, repo, user| world.rewrite(repo, number, Some(title), None, user));
    }

    /// Reviews a pull request with this word: `APPROVED`, `CHANGES_REQUESTED`, `COMMENTED` or `DISMISSED`.
    pub fn review_pull(&self, repo: &str, number: u64, state: &'static str, user: &str) {
        self.with_pull(repo, number, user, |world, repo, user| world.review_pull(repo, number, state, user));
    }

    /// Points a pull request at another base branch.
    pub fn retarget_pull(&self, repo: &str, number: u64, base: &str, user: &str) {
        self.with_pull(repo, number, user, |world, repo, user| world.retarget_pull(repo, number, base, user));
    }

    /// Puts a label on a pull request.
    pub fn label_pull(&self, repo: &str, number: u64, label: &str, user: &str) {
        self.with_pull(repo, number, user, |world, repo, user| world.label(repo, number, &[label.to_owned()], user));
    }

    /// Puts a pull request into the merge queue: a group with its own branch, which asks for checks.
    pub fn enqueue(&self, repo: &str, number: u64, user: &str) -> MergeGroup {
        self.with_pull(repo, number, user, |world, repo, user| {
            world.make_merge_group(repo, number, None, user).expect("the pull request has no conflicts")
        })
    }

    /// Puts a pull request into the merge queue behind a group that is in it already.
    pub fn enqueue_behind(&self, repo: &str, number: u64, group: &MergeGroup, user: &str) -> MergeGroup {
        self.with_pull(repo, number, user, |world, repo, user| {
            world.make_merge_group(repo, number, Some(group), user).expect("the pull request has no conflicts")
        })
    }

    /// Gives a group of the merge queue up.
    pub fn destroy_merge_group(&self, repo: &str, group: &MergeGroup, user: &str) {
        let mut world = self.world();
        let (repo, user) = (world.repo_id(repo), world.account_id(user, Kind::User));
        world.destroy_merge_group(repo, group, user);
    }

    /// Presses a button of a check.
    pub fn press_button(&self, check: u64, identifier: &str, user: &str) {
        let mut world = self.world();
        let user = world.account_id(user, Kind::User);
        let found = world.checks.iter().find(|c| c.id == check).expect("the check exists");
        let has = found.actions.iter().any(|action| action["identifier"] == identifier);
        assert!(has, "the check {} has no button {identifier}", found.name);
        world.tell_check(check, "requested_action", user, json!({"requested_action": {"identifier": identifier}}));
    }

    /// Presses "Re-run" on a check.
    pub fn rerequest(&self, check: u64, user: &str) {
        let mut world = self.world();
        let user = world.account_id(user, Kind::User);
        world.tell_check(check, "rerequested", user, json!({}));
    }

    /// Presses "Re-run all checks" on a commit.
    pub fn rerequest_all(&self, repo: &str, commit: &str, user: &str) {
        let mut world = self.world();
        let (repo, user) = (world.repo_id(repo), world.account_id(user, Kind::User));
        let suite = world.suite_of(repo, commit, None, None);
        world.tell_suite(suite, "rerequested", user);
    }

    /// A token of a person, for git over HTTP and the API.
    pub fn user_token(&self, user: &str) -> String {
        let mut world = self.world();
        let user = world.account_id(user, Kind::User);
        let token = format!("ghp_{:036}", world.new_id());
        world.user_tokens.insert(token.clone(), user);
        token
    }

    /// A token of an installation with all of its permissions, for looking at what it may do.
    pub fn installation_token(&self, repo: &str) -> String {
        let mut world = self.world();
        let installation = world.installation_of(world.repo_id(repo)).expect("the App is installed there").id;
        let permissions = world.app.permissions.clone();
        let (expires_at, id) = (world.machine_now() + world.token_life, world.new_id());
        let token = format!("ghs_{id:036}");
        world.tokens.insert(token.clone(), super::world::Token { installation, repos: None, permissions, expires_at });
        token
    }

    /// Has the newest attempt of a delivery sent again, as the button in the App's settings does.
    pub fn redeliver(&self, guid: &str) {
        let world = self.world();
        assert!(world.deliveries.iter().any(|d| d.guid == guid), "there is no delivery {guid}");
        world.queue.push(guid, true);
    }
}

/// What people see.
impl FakeGitHub {
    /// The commit of a branch now.
    pub fn branch(&self, repo: &str, branch: &str) -> String {
        let world = self.world();
        world.repo(world.repo_id(repo)).branch(branch).unwrap_or_else(|| panic!("{repo} has no branch {branch}")).clone()
    }

    /// The head commit of a pull request now.
    pub fn pull_head(&self, repo: &str, number: u64) -> String {
        let world = self.world();
        world.pull(world.repo_id(repo), number).head.clone()
    }

    /// The newest check of each name on a commit, by name.
    pub fn check_runs(&self, repo: &str, commit: &str) -> BTreeMap<String, CheckRun> {
        let world = self.world();
        world.latest_checks(world.repo_id(repo), commit).into_iter().map(|c| (c.name.clone(), check_run(c))).collect()
    }

    /// Every check on a commit, oldest first, those with the same name included.
    pub fn all_check_runs(&self, repo: &str, commit: &str) -> Vec<CheckRun> {
        let world = self.world();
        let repo = world.repo_id(repo);
        world.checks.iter().filter(|c| c.repo == repo && c.head == commit).map(check_run).collect()
    }

    /// The newest statuses of a commit, by context: their state.
    pub fn statuses(&self, repo: &str, commit: &str) -> BTreeMap<String, String> {
        let world = self.world();
        let repo = world.repo_id(repo);
        let of = world.statuses.iter().filter(|s| s.repo == repo && s.sha == commit);
        of.map(|s| (s.context.clone(), s.state.clone())).collect()
    }

    /// Every webhook so far, oldest first, with its attempts.
    pub fn deliveries(&self) -> Vec<Delivery> {
        self.world().deliveries.clone()
    }

    /// Every request so far, oldest first.
    pub fn log(&self) -> Vec<Seen> {
        lock(&self.inner.shared.log).iter().cloned().collect()
    }

    /// How many requests of an operation came: `checks/create`, `git/upload-pack`.
    pub fn calls(&self, operation: &str) -> usize {
        lock(&self.inner.shared.log).iter().filter(|seen| seen.operation == operation).count()
    }

    /// How many requests came in all.
    pub fn requests(&self) -> usize {
        lock(&self.inner.shared.log).len()
    }

    /// How many requests were under way at the same time, at most. GitHub wants no more than 100.
    pub fn requests_at_once(&self) -> usize {
        self.inner.shared.under_way.most()
    }

    /// How many tokens were given out to the App.
    pub fn tokens_minted(&self) -> usize {
        self.calls("apps/create-installation-access-token")
    }

    /// Everything that was not as GitHub's description has it: requests of the bot, and (starting with `fake:`) answers and
    /// payloads of the fake.
    pub fn violations(&self) -> Vec<String> {
        self.world().violations.clone()
    }

    /// Forgets the violations so far, and returns them.
    pub fn take_violations(&self) -> Vec<String> {
        std::mem::take(&mut self.world().violations)
    }

    /// # Panics
    /// Where there is any of [`violations`](Self::violations), with all of them.
    pub fn assert_valid(&self) {
        let violations = self.violations();
        assert!(violations.is_empty(), "{} violations of GitHub's API:\n{}", violations.len(), violations.join("\n"));
    }
}
