//! What people do: push, open, comment, press. Each changes the state as GitHub would and tells the App about it.

use serde_json::{Value, json};

use super::git::Edit;
use super::world::{Kind, Merged, Pull, Repo, Review, World};

/// A pull request to be opened. [`PullSpec::of`] names what it must have.
#[derive(Debug, Clone)]
pub struct PullSpec {
    pub(crate) author: String,
    pub(crate) head_repo: Option<String>,
    pub(crate) head: String,
    pub(crate) base: Option<String>,
    pub(crate) title: Option<String>,
    pub(crate) body: Option<String>,
    pub(crate) draft: bool,
}

impl PullSpec {
    /// A pull request by `author` of the branch `head`, to the default branch.
    pub fn of(author: &str, head: &str) -> Self {
        let (author, head) = (author.to_owned(), head.to_owned());
        PullSpec { author, head_repo: None, head, base: None, title: None, body: None, draft: false }
    }

    /// The branch lies in this fork.
    #[must_use]
    pub fn from_fork(mut self, repo: &str) -> Self {
        self.head_repo = Some(repo.to_owned());
        self
    }

    /// Into this branch.
    #[must_use]
    pub fn into_branch(mut self, base: &str) -> Self {
        self.base = Some(base.to_owned());
        self
    }

    /// Its title; else the branch's name.
    #[must_use]
    pub fn title(mut self, title: &str) -> Self {
        self.title = Some(title.to_owned());
        self
    }

    /// Its description.
    #[must_use]
    pub fn body(mut self, body: &str) -> Self {
        self.body = Some(body.to_owned());
        self
    }

    /// Not ready for review.
    #[must_use]
    pub fn draft(mut self) -> Self {
        self.draft = true;
        self
    }
}

/// A group that a merge queue made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MergeGroup {
    /// The group's branch, with `refs/heads/`.
    pub head_ref: String,
    /// The group's commit.
    pub head: String,
    /// The commit that it was made on.
    pub base: String,
    /// The branch that it is for, without `refs/heads/`.
    pub base_branch: String,
}

impl World {
    pub(crate) fn create_repo(&mut self, full_name: &str, private: bool) -> u64 {
        let (owner, name) = full_name.split_once('/').expect("a repository's name is OWNER/NAME");
        let owner = self.account_id(owner, Kind::Organization);
        let dir = self.dir.join(format!("{}.git", full_name.to_lowercase()));
        let git = super::git::Git::init(dir, "main");
        let id = self.add_repo(owner, name, private, None, git);
        let author = self.repo(id).owner;
        let readme = [Edit::from(("README.md", &*format!("# {name}\n")))];
        let first = self.repo(id).git.commit("main", None, &self.signature(author), "first commit", &readme);
        self.repo_mut(id).refs.insert("refs/heads/main".to_owned(), first);
        id
    }

    fn add_repo(&mut self, owner: u64, name: &str, private: bool, parent: Option<u64>, git: super::git::Git) -> u64 {
        let (id, now) = (self.new_id(), self.now());
        let refs = git.refs().into_iter().collect();
        let owner_login = self.account(owner).login.clone();
        self.repos.push(Repo {
            id,
            owner,
            owner_login,
            name: name.to_owned(),
            private,
            archived: false,
            default_branch: "main".to_owned(),
            parent,
            git,
            refs,
            levels: Default::default(),
            roles: Default::default(),
            pulls: Default::default(),
            tracker: Default::default(),
            next_number: 1,
            created_at: now,
            pushed_at: now,
        });
        id
    }

    /// A copy of a repository under a person's name. The App is not installed there.
    pub(crate) fn fork(&mut self, repo: u64, user: &str) -> u64 {
        let owner = self.account_id(user, Kind::User);
        // A second fork by the same person is the first, as on GitHub.
        if let Some(found) = self.repos.iter().find(|r| r.owner == owner && r.parent == Some(repo)) {
            return found.id;
        }
        let parent = self.repo(repo);
        let (name, private) = (parent.name.clone(), parent.private);
        let dir = self.dir.join(format!("{}/{}.git", user.to_lowercase(), name.to_lowercase()));
        let git = parent.git.fork(dir);
        self.add_repo(owner, &name, private, Some(repo), git)
    }

    pub(crate) fn commit(&mut self, repo: u64, branch: &str, author: &str, message: &str, edits: &[Edit]) -> String {
        let author = self.account_id(author, Kind::User);
        let found = self.repo(repo);
        let before = found.branch(branch).cloned();
        let parent = before.clone().or_else(|| found.branch(&found.default_branch).cloned());
        let sha = found.git.commit(branch, parent.as_deref(), &self.signature(author), message, edits);
        self.ref_moved(repo, &format!("refs/heads/{branch}"), before, Some(sha.clone()), author);
        sha
    }

    /// Points a ref at a commit (or removes it), as a push does.
    pub(crate) fn push_ref(&mut self, repo: u64, name: &str, after: Option<&str>, sender: u64) {
        let found = self.repo(repo);
        let before = found.refs.get(name).cloned();
        match after {
            Some(after) => found.git.set_ref(name, after),
            None => found.git.delete_ref(name),
        }
        self.ref_moved(repo, name, before, after.map(str::to_owned), sender);
    }

    /// Git has been pushed to: whatever differs from what was known has just moved.
    pub(crate) fn sync_refs(&mut self, repo: u64, sender: u64) {
        let found = self.repo(repo);
        let now: std::collections::BTreeMap<String, String> = found.git.refs().into_iter().collect();
        let known = found.refs.clone();
        let moved = now.iter().filter(|(name, sha)| known.get(*name) != Some(*sha));
        for (name, sha) in moved {
            self.ref_moved(repo, name, known.get(name).cloned(), Some(sha.clone()), sender);
        }
        for (name, sha) in known.into_iter().filter(|(name, _)| !now.contains_key(name)) {
            self.ref_moved(repo, &name, Some(sha), None, sender);
        }
    }

    /// Everything that follows from a ref's move.
    fn ref_moved(&mut self, repo: u64, name: &str, before: Option<String>, after: Option<String>, sender: u64) {
        let now = self.now();
        let found = self.repo_mut(repo);
        found.pushed_at = now;
        match &after {
            Some(after) => drop(found.refs.insert(name.to_owned(), after.clone())),
            None => drop(found.refs.remove(name)),
        }
        if before == after {
            return;
        }
        self.tell_push(repo, name, before.as_deref(), after.as_deref(), sender);
        let Some(branch) = name.strip_prefix("refs/heads/") else { return };
        if let Some(after) = &after {
            self.request_suite(repo, branch, before.as_deref(), after, sender);
        }
        for (base, number) in self.pulls_of_head(repo, branch) {
            match &after {
                Some(after) => self.synchronize(base, number, after, sender),
                None => self.close_pull(base, number, sender),
            }
        }
        self.refresh_pulls_into(repo, branch);
    }

    /// A push makes a check suite for every App that may write checks.
    fn request_suite(&mut self, repo: u64, branch: &str, before: Option<&str>, after: &str, sender: u64) {
        let known = self.suites.iter().any(|s| s.repo == repo && s.head == after);
        if self.installation_of(repo).is_some() && !known {
            let suite = self.suite_of(repo, after, Some(branch), before);
            self.tell_suite(suite, "requested", sender);
        }
    }

    fn pulls_of_head(&self, repo: u64, branch: &str) -> Vec<(u64, u64)> {
        let of = |p: &&Pull| p.open() && p.head_repo == repo && p.head_branch == branch;
        self.repos.iter().flat_map(|r| r.pulls.values().filter(of).map(|p| (r.id, p.number))).collect()
    }

    fn synchronize(&mut self, repo: u64, number: u64, after: &str, sender: u64) {
        let now = self.now();
        let before = self.pull(repo, number).head.clone();
        let base = self.repo(repo).branch(&self.pull(repo, number).base_branch).cloned();
        let pull = self.pull_mut(repo, number);
        pull.head = after.to_owned();
        pull.base = base.unwrap_or_else(|| pull.base.clone());
        pull.updated_at = now;
        self.refresh_pull(repo, number);
        self.tell_pull(repo, number, "synchronize", sender, json!({"before": before, "after": after}));
    }

    fn refresh_pulls_into(&mut self, repo: u64, branch: &str) {
        let into = |p: &&Pull| p.open() && p.base_branch == branch;
        let numbers: Vec<u64> = self.repo(repo).pulls.values().filter(into).map(|p| p.number).collect();
        numbers.into_iter().for_each(|number| self.refresh_pull(repo, number));
    }

    /// Sets `refs/pull/N/head` and `refs/pull/N/merge`, which is absent while they conflict.
    fn refresh_pull(&mut self, repo: u64, number: u64) {
        let (found, pull) = (self.repo(repo), self.pull(repo, number));
        let message = format!("Merge {} into {}", pull.head, pull.base);
        let by = self.signature(self.app.owner);
        let base = found.branch(&pull.base_branch).cloned();
        let merge = base.and_then(|base| found.git.merge(&base, &pull.head, &by, &message));
        let head = pull.head.clone();
        let [head_ref, merge_ref] = ["head", "merge"].map(|side| format!("refs/pull/{number}/{side}"));
        found.git.set_ref(&head_ref, &head);
        match &merge {
            Some(merge) => found.git.set_ref(&merge_ref, merge),
            None if found.refs.contains_key(&merge_ref) => found.git.delete_ref(&merge_ref),
            None => {}
        }
        let refs = &mut self.repo_mut(repo).refs;
        refs.insert(head_ref, head);
        match merge {
            Some(merge) => drop(refs.insert(merge_ref, merge)),
            None => drop(refs.remove(&merge_ref)),
        }
    }

    pub(crate) fn open_pull(&mut self, repo: u64, spec: &PullSpec) -> u64 {
        let author = self.account_id(&spec.author, Kind::User);
        let head_repo = spec.head_repo.as_ref().map_or(repo, |name| self.repo_id(name));
        let base_branch = spec.base.clone().unwrap_or_else(|| self.repo(repo).default_branch.clone());
        let tip = |world: &World, repo, branch: &str| {
            world.repo(repo).branch(branch).unwrap_or_else(|| panic!("there is no branch {branch}")).clone()
        };
        let (head, base) = (tip(self, head_repo, &spec.head), tip(self, repo, &base_branch));
        let (id, now) = (self.new_id(), self.now());
        let number = self.new_number(repo);
        let pull = Pull {
            id,
            number,
            title: spec.title.clone().unwrap_or_else(|| spec.head.clone()),
            body: spec.body.clone(),
            author,
            draft: spec.draft,
            head_repo,
            head_branch: spec.head.clone(),
            head,
            base_branch,
            base,
            labels: Vec::new(),
            edits: Default::default(),
            reviews: Vec::new(),
            merged: None,
            closed_at: None,
            created_at: now,
            updated_at: now,
        };
        self.repo_mut(repo).pulls.insert(number, pull);
        self.refresh_pull(repo, number);
        self.tell_pull(repo, number, "opened", author, json!({}));
        number
    }

    pub(crate) fn new_number(&mut self, repo: u64) -> u64 {
        let repo = self.repo_mut(repo);
        repo.next_number += 1;
        repo.next_number - 1
    }

    pub(crate) fn close_pull(&mut self, repo: u64, number: u64, sender: u64) {
        let now = self.now();
        let pull = self.pull_mut(repo, number);
        pull.closed_at = Some(now);
        pull.updated_at = now;
        self.tell_pull(repo, number, "closed", sender, json!({}));
    }

    pub(crate) fn reopen_pull(&mut self, repo: u64, number: u64, sender: u64) {
        let now = self.now();
        let base = self.repo(repo).branch(&self.pull(repo, number).base_branch).cloned();
        let pull = self.pull_mut(repo, number);
        pull.closed_at = None;
        pull.updated_at = now;
        pull.base = base.unwrap_or_else(|| pull.base.clone());
        self.refresh_pull(repo, number);
        self.tell_pull(repo, number, "reopened", sender, json!({}));
    }

    pub(crate) fn set_draft(&mut self, repo: u64, number: u64, draft: bool, sender: u64) {
        let now = self.now();
        let pull = self.pull_mut(repo, number);
        pull.draft = draft;
        pull.updated_at = now;
        let action = if draft { "converted_to_draft" } else { "ready_for_review" };
        self.tell_pull(repo, number, action, sender, json!({}));
    }

    /// Reviews are told to no webhook here: the service asks for them.
    pub(crate) fn review_pull(&mut self, repo: u64, number: u64, state: &'static str, by: u64) {
        let (id, at) = (self.new_id(), self.now());
        let pull = self.repo_mut(repo).pulls.get_mut(&number).expect("there is such a pull request");
        pull.reviews.push(Review { id, by, state, commit: pull.head.clone(), at });
    }

    pub(crate) fn retarget_pull(&mut self, repo: u64, number: u64, base: &str, sender: u64) {
        let tip = self.repo(repo).branch(base).expect("the new base branch exists").clone();
        let now = self.now();
        let pull = self.pull_mut(repo, number);
        pull.updated_at = now;
        let branch = std::mem::replace(&mut pull.base_branch, base.to_owned());
        let sha = std::mem::replace(&mut pull.base, tip);
        self.refresh_pull(repo, number);
        let changes = json!({"base": {"ref": {"from": branch}, "sha": {"from": sha}}});
        self.tell_pull(repo, number, "edited", sender, json!({"changes": changes}));
    }

    /// Merges by a merge commit. None where they conflict.
    pub(crate) fn merge_pull(&mut self, repo: u64, number: u64, sender: u64) -> Option<String> {
        let (found, pull) = (self.repo(repo), self.pull(repo, number).clone());
        let base = found.branch(&pull.base_branch)?;
        let message = format!("Merge pull request #{number} from {}\n\n{}", pull.head_branch, pull.title);
        let commit = found.git.merge(base, &pull.head, &self.signature(sender), &message)?;
        let at = self.now();
        let merged = self.pull_mut(repo, number);
        merged.merged = Some(Merged { commit: commit.clone(), by: sender, at });
        merged.closed_at = Some(at);
        merged.updated_at = at;
        self.push_ref(repo, &format!("refs/heads/{}", pull.base_branch), Some(&commit), sender);
        self.tell_pull(repo, number, "closed", sender, json!({}));
        Some(commit)
    }

    /// Puts a pull request into a merge queue's group, on its base branch or on the group before it. None where they conflict.
    pub(crate) fn make_merge_group(
        &mut self,
        repo: u64,
        number: u64,
        behind: Option<&MergeGroup>,
        sender: u64,
    ) -> Option<MergeGroup> {
        let (found, pull) = (self.repo(repo), self.pull(repo, number).clone());
        let base = match behind {
            Some(group) => group.head.clone(),
            None => found.branch(&pull.base_branch)?.clone(),
        };
        let message = format!("Merge pull request #{number} from {}", pull.head_branch);
        let head = found.git.merge(&base, &pull.head, &self.signature(sender), &message)?;
        let head_ref = format!("refs/heads/gh-readonly-queue/{}/pr-{number}-{base}", pull.base_branch);
        self.push_ref(repo, &head_ref, Some(&head), sender);
        let group = MergeGroup { head_ref, head, base, base_branch: pull.base_branch };
        let shape = self.group_json(repo, &group);
        self.tell_merge_group(repo, "checks_requested", sender, shape);
        Some(group)
    }

    pub(crate) fn destroy_merge_group(&mut self, repo: u64, group: &MergeGroup, sender: u64) {
        let shape = self.group_json(repo, group);
        self.push_ref(repo, &group.head_ref, None, sender);
        self.tell_merge_group(repo, "destroyed", sender, shape);
    }

    fn group_json(&self, repo: u64, group: &MergeGroup) -> Value {
        let commit = self.repo(repo).git.info(&group.head).expect("the group's commit was just made");
        json!({
            "head_sha": group.head, "head_ref": group.head_ref, "base_sha": group.base,
            "base_ref": format!("refs/heads/{}", group.base_branch), "head_commit": self.simple_commit_json(&commit),
        })
    }

    /// Installs the App for an account, or adds a repository to what is installed there.
    pub(crate) fn install(&mut self, repo: u64) -> u64 {
        let owner = self.repo(repo).owner;
        if let Some(found) = self.installations.iter_mut().find(|i| i.account == owner) {
            let (id, new) = (found.id, found.repos.insert(repo));
            if new {
                self.tell_installation_repositories(id, "added", repo, owner);
            }
            return id;
        }
        let (id, now) = (self.new_id(), self.now());
        let repos = [repo].into();
        self.installations.push(super::world::Installation { id, account: owner, repos, suspended_at: None, created_at: now });
        self.tell_installation(id, "created", owner);
        id
    }
}
