//! The stage over the fake GitHub.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use gatewright_core::{ForgeKind, ItemRef};
use serde_json::Value;

use super::{Check, NOWHERE, Proposed, REPO, Role, Seen, Stage, Told, Written, readable};
use crate::FakeGitHub;
use crate::github::{Attempt, Effect, Fault, HookEffect, HookFault, Level, PullSpec, Thread, When};
use crate::service::{GithubSetting, Setting, WEBHOOK_SECRET};

/// A GitHub with the scenario's repository.
pub struct GitHubStage {
    /// The fake itself.
    pub github: FakeGitHub,
    forks: Mutex<BTreeMap<String, String>>,
}

impl GitHubStage {
    /// Starts it.
    pub async fn start() -> GitHubStage {
        let github = FakeGitHub::start().await;
        github.create_repo(REPO);
        GitHubStage { github, forks: Mutex::default() }
    }

    fn fork_of(&self, user: &str) -> String {
        let mut forks = self.forks.lock().unwrap_or_else(PoisonError::into_inner);
        forks.entry(user.to_owned()).or_insert_with(|| self.github.fork(REPO, user)).clone()
    }
}

const STICKY: &str = "<!-- gatewright:sticky -->";

#[async_trait]
impl Stage for GitHubStage {
    fn connect(&self, setting: &mut Setting) {
        setting.github = Some(GithubSetting::of(&self.github));
    }

    fn send_to(&self, service: &str) {
        self.github.set_webhook(&format!("{service}/webhooks/github"), WEBHOOK_SECRET);
    }

    fn send_again(&self) {
        // GitHub never stops by itself, and the service asks it for what it has missed.
    }

    fn commit(&self, branch: &str, user: &str, files: &[(&str, &str)]) -> String {
        self.github.commit(REPO, branch, user, "a change", files.iter().copied())
    }

    fn commit_to_fork(&self, branch: &str, user: &str, files: &[(&str, &str)]) -> String {
        self.github.commit(&self.fork_of(user), branch, user, "a change", files.iter().copied())
    }

    fn keep_in_lfs(&self, content: &[u8]) -> String {
        self.github.keep_in_lfs(content)
    }

    fn force_push_to_fork(&self, branch: &str, user: &str, commit: &str) {
        self.github.force_push(&self.fork_of(user), branch, commit, user);
    }

    fn tag(&self, user: &str, name: &str, commit: &str) {
        self.github.protect(REPO, "main");
        self.github.push_tag(REPO, name, commit, user);
    }

    fn sign(&self, commit: &str) {
        self.github.sign(commit);
    }

    fn merge(&self, number: u64, user: &str) -> String {
        self.github.merge_pull(REPO, number, user).expect("nothing conflicts")
    }

    fn open(&self, user: &str, branch: &str) -> u64 {
        self.github.open_pull(REPO, PullSpec::of(user, branch))
    }

    fn open_from_fork(&self, user: &str, branch: &str) -> u64 {
        self.github.open_pull(REPO, PullSpec::of(user, branch).from_fork(&self.fork_of(user)))
    }

    fn retitle(&self, number: u64, user: &str, title: &str) {
        self.github.retitle_pull(REPO, number, title, user);
    }

    fn approve(&self, number: u64, user: &str) {
        self.github.review_pull(REPO, number, "APPROVED", user);
    }

    fn close(&self, number: u64, user: &str) {
        self.github.close_pull(REPO, number, user);
    }

    fn comment(&self, number: u64, user: &str, body: &str) -> u64 {
        self.github.comment(REPO, number, user, body)
    }

    fn edit_comment(&self, _: u64, comment: u64, user: &str, body: &str) {
        self.github.edit_comment(comment, user, body);
    }

    fn delete_comment(&self, _: u64, comment: u64, user: &str) {
        self.github.delete_comment(comment, user);
    }

    fn set_role(&self, user: &str, role: Role) {
        let level = match role {
            Role::None => Level::None,
            Role::Read => Level::Read,
            Role::Write => Level::Write,
            Role::Maintain => Level::Maintain,
            Role::Admin => Level::Admin,
        };
        self.github.set_permission(REPO, user, level);
    }

    fn add_to_team(&self, user: &str) {
        self.github.add_to_team("octo/reviewers", user);
    }

    fn advance(&self, secs: u64) {
        self.github.advance(secs);
    }

    fn reactions(&self, _: u64, comment: u64) -> Vec<String> {
        let bot = self.github.bot_login();
        let ours = self.github.reactions(REPO, comment).into_iter().filter(|(login, _)| *login == bot);
        ours.map(|(_, content)| content).collect()
    }

    fn sticky(&self, number: u64) -> Option<String> {
        let ours = self.github.bot_comments(REPO, number);
        let mut sticky = ours.into_iter().filter(|comment| comment.body.starts_with(STICKY));
        let first = sticky.next();
        assert!(sticky.next().is_none(), "there is more than one sticky comment");
        first.map(|comment| readable(&comment.body))
    }

    fn replies(&self, number: u64) -> Vec<Seen> {
        let ours = self.github.bot_comments(REPO, number);
        let replies = ours.into_iter().filter(|comment| !comment.body.starts_with(STICKY));
        replies.map(|comment| Seen { text: readable(&comment.body), folded: comment.minimised }).collect()
    }

    fn open_issue(&self, user: &str, title: &str, body: &str) -> u64 {
        self.github.open_issue(REPO, user, title, body)
    }

    fn comment_on_issue(&self, number: u64, user: &str, body: &str) -> u64 {
        self.github.comment(REPO, number, user, body)
    }

    fn label(&self, item: ItemRef, user: &str, label: &str) {
        self.github.label(REPO, item.number(), label, user);
    }

    fn replies_on_issue(&self, number: u64) -> Vec<Seen> {
        self.replies(number)
    }

    fn proposed(&self) -> Vec<Proposed> {
        let bot = self.github.bot_login();
        let pulls = self.github.pulls(REPO).into_iter().map(|thread| (ItemRef::Pull { number: thread.number }, thread));
        let issues = self.github.issues(REPO).into_iter().map(|thread| (ItemRef::Issue { number: thread.number }, thread));
        let seen = |(item, thread): (ItemRef, Thread)| Proposed {
            item,
            title: thread.title,
            body: thread.body,
            labels: thread.labels,
            draft: thread.draft,
            open: thread.open,
            branch: thread.branches.map(|(branch, _)| branch).unwrap_or_default(),
        };
        pulls.chain(issues).filter(|(_, thread)| thread.author == bot).map(seen).collect()
    }

    fn head_of(&self, branch: &str) -> Option<String> {
        self.github.has_branch(REPO, branch).then(|| self.github.branch(REPO, branch))
    }

    fn file(&self, commit: &str, path: &str) -> Option<String> {
        let (_, content) = self.github.files(REPO, commit).remove(path)?;
        String::from_utf8(content).ok()
    }

    fn shown(&self, commit: &str) -> BTreeMap<String, Check> {
        let state = |state: &str| match state {
            "queued" => "pending".to_owned(),
            "in_progress" => "running".to_owned(),
            state => state.to_owned(),
        };
        let checks = self.github.check_runs(REPO, commit);
        checks.into_iter().map(|(name, check)| (name, Check { state: state(check.state()), title: check.title })).collect()
    }

    fn checks_made(&self, commit: &str) -> usize {
        self.github.all_check_runs(REPO, commit).len()
    }

    fn text_of(&self, _: u64, commit: &str, check: &str) -> String {
        self.github.check_runs(REPO, commit)[check].summary.clone()
    }

    fn remarks(&self, _: u64, commit: &str) -> Vec<(String, u64)> {
        let checks = self.github.check_runs(REPO, commit);
        let annotations = checks.values().flat_map(|check| &check.annotations);
        let place = |one: &Value| Some((one["path"].as_str()?.to_owned(), one["start_line"].as_u64()?));
        annotations.filter_map(place).collect()
    }

    fn fault(&self, written: Written, effect: Effect, when: When) {
        let operation = match written {
            Written::Check => "checks/create",
            Written::Comment => "issues/create-comment",
        };
        self.github.fault(Fault::on(operation, effect).when(when));
    }

    fn fault_now_and_then(&self) {
        let chance = |seed| When::Chance { percent: 3, seed };
        self.github.fault(Fault::on("/repos/**", Effect::ServerError).when(chance(2)));
        self.github.fault(Fault::on("/repos/**", Effect::BadGatewayAfter).method("POST").when(chance(3)));
    }

    fn hook_fault(&self, told: Told, effect: HookEffect, when: When) {
        let event = match told {
            Told::OfPull => "pull_request",
            Told::OfOpening => "pull_request.opened",
            Told::OfComment => "issue_comment.created",
        };
        self.github.hook_fault(HookFault::on(event, effect).when(when));
    }

    fn lose_webhooks(&self) {
        self.github.move_webhook(NOWHERE);
    }

    fn kind(&self) -> ForgeKind {
        ForgeKind::Github
    }

    fn secrets(&self) -> Vec<String> {
        let key = self.github.private_key_pem();
        let line = key.lines().nth(2).expect("a key has several lines");
        vec![line.to_owned(), "ghs_".to_owned(), "x-access-token".to_owned()]
    }

    async fn delivered(&self) -> bool {
        self.github.deliveries_settled().await;
        self.github.deliveries().iter().all(|delivery| delivery.attempts.iter().any(Attempt::taken))
    }

    fn assert_valid(&self) {
        self.github.assert_valid();
    }
}
