//! One scene for scenarios that are to pass on every forge: people work on a repository, the service answers, and what
//! they see of it is read back in words that are the same everywhere.
//!
//! [`Stage`] is implemented over each fake. A scenario that only makes sense on one forge uses that fake itself.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use gatewright_core::{ForgeKind, ItemRef};

use crate::github::{Effect, HookEffect, When};
use crate::service::{Service, Setting};

mod github;
mod gitlab;
pub use github::GitHubStage;
pub use gitlab::GitLabStage;

/// The repository of most scenarios.
pub const REPO: &str = "octo/app";

/// Where nobody listens.
const NOWHERE: &str = "http://127.0.0.1:1/";

/// What people are to the repository.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Nobody.
    None,
    /// May look and comment.
    Read,
    /// May push.
    Write,
    /// May manage.
    Maintain,
    /// May do everything.
    Admin,
}

/// A comment of the service, as people see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// Its text, without hidden parts and the line that names ids.
    pub text: String,
    /// Whether it is shown as no longer holding.
    pub folded: bool,
}

/// A check on a commit, as people see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// In the words of the forge-neutral conclusions (`success`, `failure`, `cancelled`, `pending`, `running`, ...).
    pub state: String,
    /// The line beside it.
    pub title: String,
}

/// A pull request or an issue that the service has opened, as people see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proposed {
    /// What it is, and its number.
    pub item: ItemRef,
    /// Its title, without what says that it is a draft.
    pub title: String,
    /// Its text.
    pub body: String,
    /// Its labels.
    pub labels: Vec<String>,
    /// Whether it is not to be merged yet.
    pub draft: bool,
    /// Whether it is neither closed nor merged.
    pub open: bool,
    /// Of a pull request, its branch. Of an issue there is none.
    pub branch: String,
}

/// What the service writes that a fault can strike.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Written {
    /// A new check, or what stands for one.
    Check,
    /// A new comment.
    Comment,
}

/// What a webhook tells that a fault can strike.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Told {
    /// Anything about a pull request itself.
    OfPull,
    /// That one was opened.
    OfOpening,
    /// That somebody has written a comment.
    OfComment,
}

/// A forge as people use it, with the repository [`REPO`] on it. Names that do not exist are mistakes of the scenario.
#[async_trait]
pub trait Stage: Send + Sync {
    /// Has the service serve this forge.
    fn connect(&self, setting: &mut Setting);
    /// Has the forge send its webhooks to the service at this address.
    fn send_to(&self, service: &str);
    /// Has it send webhooks again where it has stopped after failures, and once more what was not taken, as somebody does on
    /// the webhook's page where the service cannot ask for it.
    fn send_again(&self);
    /// Pushes a commit with these files to a branch, which is made where there is none. Returns the commit.
    fn commit(&self, branch: &str, user: &str, files: &[(&str, &str)]) -> String;
    /// The same in the user's fork.
    fn commit_to_fork(&self, branch: &str, user: &str, files: &[(&str, &str)]) -> String;
    /// Pushes a content with Git LFS. Returns the pointer that a commit has of it.
    fn keep_in_lfs(&self, content: &[u8]) -> String;
    /// Moves a branch of the user's fork to a commit that it has held before.
    fn force_push_to_fork(&self, branch: &str, user: &str, commit: &str);
    /// Protects the main branch and makes a tag, or moves it, to a commit.
    fn tag(&self, user: &str, name: &str, commit: &str);
    /// Has the forge vouch for the signature of a commit.
    fn sign(&self, commit: &str);
    /// Merges a pull request. Returns the commit.
    fn merge(&self, number: u64, user: &str) -> String;
    /// Opens a pull request of a branch to the main branch. Returns its number.
    fn open(&self, user: &str, branch: &str) -> u64;
    /// The same of a branch of the user's fork.
    fn open_from_fork(&self, user: &str, branch: &str) -> u64;
    /// Gives it another title.
    fn retitle(&self, number: u64, user: &str, title: &str);
    /// Approves of it.
    fn approve(&self, number: u64, user: &str);
    /// Closes it.
    fn close(&self, number: u64, user: &str);
    /// Comments on it. Returns the comment's number.
    fn comment(&self, number: u64, user: &str, body: &str) -> u64;
    /// Changes a comment.
    fn edit_comment(&self, number: u64, comment: u64, user: &str, body: &str);
    /// Removes a comment.
    fn delete_comment(&self, number: u64, comment: u64, user: &str);
    /// Sets what a user may do from now on.
    fn set_role(&self, user: &str, role: Role);
    /// Makes a user a member of the team `octo/reviewers`.
    fn add_to_team(&self, user: &str);
    /// Lets time pass on the forge.
    fn advance(&self, secs: u64);
    /// The service's reactions to a comment, in order: `eyes`, `+1`, `confused`.
    fn reactions(&self, number: u64, comment: u64) -> Vec<String>;
    /// The sticky comment. Panics where there is more than one.
    fn sticky(&self, number: u64) -> Option<String>;
    /// The service's other comments.
    fn replies(&self, number: u64) -> Vec<Seen>;
    /// Opens an issue. Returns its number.
    fn open_issue(&self, user: &str, title: &str, body: &str) -> u64;
    /// Comments on an issue. Returns the comment's number.
    fn comment_on_issue(&self, number: u64, user: &str, body: &str) -> u64;
    /// Puts a label on a pull request or an issue.
    fn label(&self, item: ItemRef, user: &str, label: &str);
    /// The service's comments on an issue.
    fn replies_on_issue(&self, number: u64) -> Vec<Seen>;
    /// The pull requests and the issues that the service has opened, oldest first.
    fn proposed(&self) -> Vec<Proposed>;
    /// The commit of a branch. None where there is no such branch.
    fn head_of(&self, branch: &str) -> Option<String>;
    /// A text file of a commit. None where there is none.
    fn file(&self, commit: &str, path: &str) -> Option<String>;
    /// Each check on a commit, by name.
    fn shown(&self, commit: &str) -> BTreeMap<String, Check>;
    /// How many checks were ever made on a commit: more than are shown where one was made twice.
    fn checks_made(&self, commit: &str) -> usize;
    /// What people read about a check of a pull request, where its line is not enough for them.
    fn text_of(&self, number: u64, commit: &str, check: &str) -> String;
    /// The remarks about lines, each a path and a line.
    fn remarks(&self, number: u64, commit: &str) -> Vec<(String, u64)>;
    /// Has the forge fail what the service writes.
    fn fault(&self, written: Written, effect: Effect, when: When);
    /// Has the forge fail its API at random, seldom: before the deed, or after it.
    fn fault_now_and_then(&self);
    /// Has the forge fail its webhooks.
    fn hook_fault(&self, told: Told, effect: HookEffect, when: When);
    /// Has its webhooks lead nowhere, from now on.
    fn lose_webhooks(&self);
    /// Which forge it is.
    fn kind(&self) -> ForgeKind;
    /// Parts of what the service knows to get in, and nobody else is to see.
    fn secrets(&self) -> Vec<String>;
    /// The state of each check on a commit, by name.
    fn checks(&self, commit: &str) -> BTreeMap<String, String> {
        self.shown(commit).into_iter().map(|(name, check)| (name, check.state)).collect()
    }
    /// Waits until every delivery was taken, and says whether that is so: one that failed is waited for too.
    async fn delivered(&self) -> bool;
    /// Asserts that the forge had nothing to object to.
    fn assert_valid(&self);
}

/// A stage with a service on it.
pub struct Scene {
    /// The forge.
    pub forge: Arc<dyn Stage>,
    /// The service.
    pub service: Service,
    /// What the service was started with.
    pub setting: Setting,
    _dir: tempfile::TempDir,
}

impl Scene {
    /// A service over a forge whose main branch has this repository file.
    ///
    /// # Panics
    /// Where the temporary folder cannot be written.
    pub async fn with_file(forge: Arc<dyn Stage>, file: &str) -> Scene {
        Self::with(forge, file, |_| ()).await
    }

    /// The same, with another setting.
    ///
    /// # Panics
    /// Where the temporary folder cannot be written.
    pub async fn with(forge: Arc<dyn Stage>, file: &str, change: impl FnOnce(&mut Setting)) -> Scene {
        forge.commit("main", "alice", &[(".gatewright.yml", file)]);
        for (user, role) in [("rita", Role::Read), ("wendy", Role::Write), ("max", Role::Maintain), ("ada", Role::Admin)] {
            forge.set_role(user, role);
        }
        let dir = tempfile::tempdir().expect("a temporary folder can be made");
        let mut setting = Setting::without_forge(dir.path());
        forge.connect(&mut setting);
        change(&mut setting);
        let service = Service::listen(&setting).await;
        forge.send_to(&service.url);
        Scene { forge, service, setting, _dir: dir }
    }

    /// Opens a pull request by `alice` with this file in it. Its number, and its head.
    pub fn open(&self, branch: &str, path: &str, content: &str) -> (u64, String) {
        let head = self.forge.commit(branch, "alice", &[(path, content)]);
        (self.forge.open("alice", branch), head)
    }

    /// Says something, a moment after what was done before, and waits until all is done. Returns the comment's number.
    pub async fn say(&self, number: u64, user: &str, body: &str) -> u64 {
        self.forge.advance(2);
        let comment = self.forge.comment(number, user, body);
        self.idle().await;
        comment
    }

    /// Waits until every delivery was taken and every run is over.
    pub async fn idle(&self) {
        crate::service::idle(|| self.forge.delivered(), || self.service.open_runs()).await;
    }

    /// The same, for what takes long.
    pub async fn idle_within(&self, patience: std::time::Duration) {
        crate::service::idle_within(patience, || self.forge.delivered(), || self.service.open_runs()).await;
    }

    /// Each check and how it stands, as a person would list them.
    pub fn checks(&self, commit: &str) -> String {
        let checks = self.forge.checks(commit);
        checks.iter().map(|(name, state)| format!("{name}: {state}")).collect::<Vec<_>>().join("\n")
    }

    /// Each check, how it stands, and the line beside it.
    pub fn shown(&self, commit: &str) -> String {
        let shown = self.forge.shown(commit);
        shown.iter().map(|(name, check)| format!("{name}: {} ({})", check.state, check.title)).collect::<Vec<_>>().join("\n")
    }

    /// Waits until a check runs.
    pub async fn until_running(&self, commit: &str, check: &str) {
        let runs = || async { self.forge.checks(commit).get(check).is_some_and(|state| state == "running") };
        crate::service::until("the check runs", runs).await;
    }

    /// Stops the service, has something happen, and starts it on the same files again.
    #[must_use]
    pub async fn restarted(self, meanwhile: impl AsyncFnOnce(&dyn Stage)) -> Scene {
        let Scene { forge, service, setting, _dir } = self;
        service.stop().await;
        meanwhile(&*forge).await;
        let service = Service::listen(&setting).await;
        forge.send_to(&service.url);
        Scene { forge, service, setting, _dir }
    }

    /// Stops the service, and starts it on an empty store.
    ///
    /// # Panics
    /// Where the store cannot be removed.
    #[must_use]
    pub async fn forgetful(self) -> Scene {
        let dir = self.setting.dir.clone();
        self.restarted(async |_| std::fs::remove_dir_all(dir.join("store")).expect("the store can be removed")).await
    }

    /// The sticky comment, which is the only one.
    ///
    /// # Panics
    /// Where there is none, or another one.
    pub fn only_comment(&self, number: u64) -> String {
        assert_eq!(self.forge.replies(number), [], "one comment, and no others");
        self.sticky(number)
    }

    /// The sticky comment.
    ///
    /// # Panics
    /// Where there is none.
    pub fn sticky(&self, number: u64) -> String {
        self.forge.sticky(number).expect("there is one comment")
    }

    /// The replies that are not folded.
    pub fn replies(&self, number: u64) -> Vec<String> {
        self.forge.replies(number).into_iter().filter(|seen| !seen.folded).map(|seen| seen.text).collect()
    }

    /// The audit log's lines, oldest first, each `ACTOR ACTION TARGET: OUTCOME`.
    ///
    /// # Panics
    /// Where the store does not answer.
    pub async fn audit(&self) -> Vec<String> {
        use gatewright_core::store::StoreUpkeep;
        let mut entries = self.service.store.audited(1_000).await.expect("the store answers");
        entries.reverse();
        entries.into_iter().map(|e| format!("{} {} {}: {}", e.actor, e.action, e.target, e.outcome)).collect()
    }

    /// Stops the service, and asserts that the forge had nothing to object to.
    pub async fn end(self) {
        self.service.stop().await;
        self.forge.assert_valid();
    }
}

/// Tries each scenario on each forge. A scenario gets a scene with the file that it names, and with a changed setting where
/// it names a change. On GitHub steps run in containers; on GitLab, where the forge alone is another one, they run on this machine.
/// After `on this machine:` they do so on both.
#[macro_export]
macro_rules! on_every_forge {
    (on this machine: $($scenarios:tt)*) => {
        $crate::on_every_forge! { @on on_github GitHubStage true $($scenarios)* }
        $crate::on_every_forge! { @on on_gitlab GitLabStage true $($scenarios)* }
    };
    (@on $forge:ident $stage:ident $on_machine:literal $($scenario:ident($file:expr $(, $change:expr)?)),* $(,)?) => {
        mod $forge {
            #[allow(unused_imports, reason = "a file's name may be its own constant or one from here")]
            use super::*;

            $(#[tokio::test(flavor = "multi_thread")]
            async fn $scenario() {
                let forge = std::sync::Arc::new($crate::stage::$stage::start().await);
                let scene = $crate::stage::Scene::with(forge, $file, |setting| {
                    setting.on_machine = $on_machine;
                    let change: fn(&mut $crate::service::Setting) = $crate::on_every_forge!(@change $($change)?);
                    change(setting);
                }).await;
                super::$scenario(scene).await;
            })*
        }
    };
    (@change) => { |_| () };
    (@change $change:expr) => { $change };
    ($($scenarios:tt)*) => {
        $crate::on_every_forge! { @on on_github GitHubStage false $($scenarios)* }
        $crate::on_every_forge! { @on on_gitlab GitLabStage true $($scenarios)* }
    };
}

/// A change of a scenario's setting: steps run in containers, on every forge.
pub fn in_containers(setting: &mut Setting) {
    setting.on_machine = false;
}

/// A comment's text as scenarios compare it: without hidden marks and the line of ids, and without the times and links in tables.
pub fn readable(body: &str) -> String {
    let line = |line: &&str| !line.starts_with("<sub>") && !line.starts_with("<!--");
    let cell = |cell: &str| match cell.trim().strip_prefix('[').and_then(|link| link.split_once("](https://ci.example.com/runs/"))
    {
        Some((text, _)) => format!(" {text} "),
        None if cell.trim().ends_with(" s") => " T ".to_owned(),
        None => cell.to_owned(),
    };
    let lines = body.lines().filter(line).map(|line| line.split('|').map(cell).collect::<Vec<_>>().join("|"));
    lines.collect::<Vec<_>>().join("\n").trim().to_owned()
}
