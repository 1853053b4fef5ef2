//! The stage over the fake GitLab.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;

use super::{REPO, Role, Seen, Stage, readable};
use crate::FakeGitLab;
use crate::gitlab::{BOT, MergeRequestSpec, NoteSeen, Signing, StatusSeen};
use crate::service::{GitlabSetting, Setting, WEBHOOK_SECRET};

/// A GitLab with the scenario's project.
pub struct GitLabStage {
    /// The fake itself.
    pub gitlab: FakeGitLab,
    forks: Mutex<BTreeMap<String, String>>,
}

impl GitLabStage {
    /// Starts it.
    pub async fn start() -> GitLabStage {
        let gitlab = FakeGitLab::start().await;
        gitlab.create_project(REPO);
        GitLabStage { gitlab, forks: Mutex::default() }
    }

    fn fork_of(&self, user: &str) -> String {
        let mut forks = self.forks.lock().unwrap_or_else(PoisonError::into_inner);
        forks.entry(user.to_owned()).or_insert_with(|| self.gitlab.fork(REPO, user)).clone()
    }

    fn replies_of(&self, number: u64) -> impl Iterator<Item = NoteSeen> {
        let ours = self.gitlab.bot_notes(REPO, number).into_iter();
        // Those with a place are remarks about lines.
        ours.filter(|note| note.place.is_none() && !note.body.starts_with(STICKY))
    }
}

const STICKY: &str = "<!-- gatewright:sticky -->";

/// How a reply begins that is shown as no longer holding.
const FOLDED: &str = "<details><summary>This no longer holds.</summary>";

/// A status in the forge-neutral words: GitLab has fewer, so the description says the rest.
fn state(status: &StatusSeen) -> String {
    let of_description = [
        ("Neutral", "neutral"),
        ("Skipped", "skipped"),
        ("skipped", "skipped"),
        ("Timed out", "timed_out"),
        ("Action required", "action_required"),
    ];
    let word = match status.state.as_str() {
        "canceled" => "cancelled",
        "failed" => "failure",
        other => other,
    };
    let said = of_description.into_iter().find(|(said, _)| status.description.starts_with(said));
    said.filter(|_| matches!(word, "success" | "failure")).map_or(word, |(_, meant)| meant).to_owned()
}

#[async_trait]
impl Stage for GitLabStage {
    fn connect(&self, setting: &mut Setting) {
        setting.gitlab = Some(GitlabSetting::of(&self.gitlab));
    }

    fn send_to(&self, service: &str) {
        self.gitlab.set_webhook(&format!("{service}/webhooks/gitlab"), Signing::Token(WEBHOOK_SECRET.to_owned()));
    }

    fn send_again(&self) {
        self.gitlab.enable_webhook();
    }

    fn commit(&self, branch: &str, user: &str, files: &[(&str, &str)]) -> String {
        self.gitlab.commit(REPO, branch, user, "a change", files.iter().copied())
    }

    fn commit_to_fork(&self, branch: &str, user: &str, files: &[(&str, &str)]) -> String {
        self.gitlab.commit(&self.fork_of(user), branch, user, "a change", files.iter().copied())
    }

    fn open(&self, user: &str, branch: &str) -> u64 {
        self.gitlab.open_merge_request(REPO, &MergeRequestSpec::of(user, branch))
    }

    fn open_from_fork(&self, user: &str, branch: &str) -> u64 {
        let fork = self.fork_of(user);
        self.gitlab.open_merge_request(REPO, &MergeRequestSpec::of(user, branch).from_fork(&fork))
    }

    fn close(&self, number: u64, user: &str) {
        self.gitlab.close(REPO, number, user);
    }

    fn comment(&self, number: u64, user: &str, body: &str) -> u64 {
        self.gitlab.comment(REPO, number, user, body)
    }

    fn edit_comment(&self, _: u64, comment: u64, _: &str, body: &str) {
        self.gitlab.edit_note(comment, body);
    }

    fn delete_comment(&self, _: u64, comment: u64, _: &str) {
        self.gitlab.delete_note(comment);
    }

    fn set_role(&self, user: &str, role: Role) {
        let level = match role {
            Role::None => 0,
            Role::Read => 20,
            Role::Write => 30,
            Role::Maintain => 40,
            Role::Admin => 50,
        };
        self.gitlab.set_level(REPO, user, level);
    }

    fn add_to_team(&self, user: &str) {
        self.gitlab.add_to_group("octo/reviewers", user, 20);
    }

    fn advance(&self, secs: u64) {
        self.gitlab.advance(secs);
    }

    fn reactions(&self, _: u64, comment: u64) -> Vec<String> {
        let ours = self.gitlab.reactions(comment).into_iter().filter(|(user, _)| user == BOT);
        let name = |name: String| if name == "thumbsup" { "+1".to_owned() } else { name };
        ours.map(|(_, emoji)| name(emoji)).collect()
    }

    fn sticky(&self, number: u64) -> Option<String> {
        self.gitlab.sticky(REPO, number, STICKY).map(|note| readable(&note.body))
    }

    fn replies(&self, number: u64) -> Vec<Seen> {
        let seen = |note: NoteSeen| Seen { text: readable(&note.body), folded: note.body.contains(FOLDED) };
        self.replies_of(number).map(seen).collect()
    }

    fn checks(&self, commit: &str) -> BTreeMap<String, String> {
        let statuses = self.gitlab.statuses_anywhere(commit);
        statuses.into_iter().map(|(name, status)| (name, state(&status))).collect()
    }

    async fn delivered(&self) -> bool {
        // GitLab sends nothing twice by itself: what failed has failed.
        self.gitlab.deliveries_settled().await;
        true
    }

    fn assert_valid(&self) {
        self.gitlab.assert_valid();
    }
}
