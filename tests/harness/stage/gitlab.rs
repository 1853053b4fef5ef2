//! The stage over the fake GitLab.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use gatewright_core::{ForgeKind, ItemRef};

use super::{Check, NOWHERE, Proposed, REPO, Role, Seen, Stage, Told, Written, readable};
use crate::FakeGitLab;
use crate::gitlab::{
    BOT, Effect, Fault, HookEffect, HookFault, Item, Limits, MergeRequestSpec, NoteSeen, Signing, StatusSeen, TOKEN, When,
};
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
        // What remains of a limit is told whether or not it is enforced, and obeyed.
        gitlab.set_limits(Limits { per_minute: 1_000_000, notes_per_minute: 1_000_000, enforced: false });
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

/// Those that the service's documents ask for.
const TRIGGERS: [&str; 5] = ["Push Hook", "Tag Push Hook", "Note Hook", "Issue Hook", "Merge Request Hook"];

const STICKY: &str = "<!-- gatewright:sticky -->";

/// How a reply begins that is shown as no longer holding.
const FOLDED: &str = "<details><summary>This no longer holds.</summary>";

/// How a comment shows what a check holds elsewhere, up to its end.
const EVIDENCE: [&str; 2] = ["<details><summary>❌ ", "<details><summary>⚠️ "];

/// As the fake names it.
fn operation(written: Written) -> &'static str {
    match written {
        Written::Check => "POST /projects/:id/statuses/:sha",
        Written::Comment => "POST /projects/:id/merge_requests/:iid/notes",
    }
}

/// A status in the forge-neutral words: GitLab has fewer, so the description begins with the rest.
fn check(status: &StatusSeen) -> Check {
    let said = [
        ("Neutral: ", "neutral"),
        ("Skipped: ", "skipped"),
        ("Timed out: ", "timed_out"),
        ("Action required: ", "action_required"),
    ];
    let found = said.into_iter().find_map(|(begin, state)| Some((state, status.description.strip_prefix(begin)?)));
    let state = match status.state.as_str() {
        // The gate's own words say it already.
        "success" if status.description.starts_with("skipped: ") => "skipped",
        "failed" if status.description.starts_with("timed out") => "timed_out",
        "canceled" => "cancelled",
        "failed" => "failure",
        other => other,
    };
    let (state, title) = found.unwrap_or((state, &status.description));
    // Where remarks stand at lines, the line says how many.
    let title = title.split(" (").next().filter(|_| title.ends_with(" remarks)")).unwrap_or(title);
    Check { state: state.to_owned(), title: title.to_owned() }
}

/// A comment without what checks hold elsewhere.
fn without_evidence(body: &str) -> String {
    let mut rest = body.to_owned();
    while let Some(start) = EVIDENCE.iter().filter_map(|begin| rest.find(begin)).min() {
        let end = rest[start..].find("</details>").expect("it ends") + start + "</details>".len();
        rest.replace_range(start..end, "");
    }
    rest
}

#[async_trait]
impl Stage for GitLabStage {
    fn connect(&self, setting: &mut Setting) {
        setting.gitlab = Some(GitlabSetting::of(&self.gitlab));
    }

    fn send_to(&self, service: &str) {
        self.gitlab.set_webhook(&format!("{service}/webhooks/gitlab"), Signing::Token(WEBHOOK_SECRET.to_owned()));
        self.gitlab.set_triggers(&TRIGGERS);
    }

    fn send_again(&self) {
        self.gitlab.enable_webhook();
        for missed in self.gitlab.deliveries().iter().filter(|delivery| !delivery.taken()) {
            self.gitlab.resend(&missed.key);
        }
    }

    fn commit(&self, branch: &str, user: &str, files: &[(&str, &str)]) -> String {
        self.gitlab.commit(REPO, branch, user, "a change", files.iter().copied())
    }

    fn commit_to_fork(&self, branch: &str, user: &str, files: &[(&str, &str)]) -> String {
        self.gitlab.commit(&self.fork_of(user), branch, user, "a change", files.iter().copied())
    }

    fn keep_in_lfs(&self, content: &[u8]) -> String {
        self.gitlab.keep_in_lfs(content)
    }

    fn force_push_to_fork(&self, branch: &str, user: &str, commit: &str) {
        self.gitlab.force_push(&self.fork_of(user), branch, commit, user);
    }

    fn tag(&self, user: &str, name: &str, commit: &str) {
        self.gitlab.protect(REPO, "main");
        self.gitlab.push_tag(REPO, name, commit, user);
    }

    fn sign(&self, commit: &str) {
        self.gitlab.sign_as(commit, "verified");
    }

    fn merge(&self, number: u64, user: &str) -> String {
        self.gitlab.merge(REPO, number, user).expect("nothing conflicts")
    }

    fn open(&self, user: &str, branch: &str) -> u64 {
        self.gitlab.open_merge_request(REPO, &MergeRequestSpec::of(user, branch))
    }

    fn open_from_fork(&self, user: &str, branch: &str) -> u64 {
        let fork = self.fork_of(user);
        self.gitlab.open_merge_request(REPO, &MergeRequestSpec::of(user, branch).from_fork(&fork))
    }

    fn retitle(&self, number: u64, user: &str, title: &str) {
        self.gitlab.retitle(REPO, number, title, user);
    }

    fn approve(&self, number: u64, user: &str) {
        self.gitlab.approve(REPO, number, user);
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
        self.gitlab.sticky(REPO, number, STICKY).map(|note| readable(&without_evidence(&note.body)))
    }

    fn replies(&self, number: u64) -> Vec<Seen> {
        let seen = |note: NoteSeen| Seen { text: readable(&note.body), folded: note.body.contains(FOLDED) };
        self.replies_of(number).map(seen).collect()
    }

    fn open_issue(&self, user: &str, title: &str, body: &str) -> u64 {
        self.gitlab.open_issue(REPO, user, title, body, &[])
    }

    fn comment_on_issue(&self, number: u64, user: &str, body: &str) -> u64 {
        self.gitlab.comment_on_issue(REPO, number, user, body)
    }

    fn label(&self, item: ItemRef, user: &str, label: &str) {
        match item {
            ItemRef::Pull { number } => self.gitlab.label(REPO, number, user, &[label]),
            ItemRef::Issue { number } => self.gitlab.label_issue(REPO, number, user, &[label]),
        }
    }

    fn replies_on_issue(&self, number: u64) -> Vec<Seen> {
        let ours = self.gitlab.notes_on_issue(REPO, number).into_iter().filter(|(user, _)| user == BOT);
        ours.map(|(_, body)| Seen { text: readable(&body), folded: body.contains(FOLDED) }).collect()
    }

    fn proposed(&self) -> Vec<Proposed> {
        let requests = self.gitlab.merge_requests(REPO).into_iter().map(|item| (ItemRef::Pull { number: item.iid }, item));
        let issues = self.gitlab.issues(REPO).into_iter().map(|item| (ItemRef::Issue { number: item.iid }, item));
        let seen = |(at, item): (ItemRef, Item)| {
            let title = item.title.strip_prefix("Draft: ");
            Proposed {
                item: at,
                title: title.unwrap_or(&item.title).to_owned(),
                body: item.description,
                labels: item.labels,
                draft: title.is_some(),
                open: item.state == "opened",
                branch: item.branches.map(|(branch, _)| branch).unwrap_or_default(),
            }
        };
        requests.chain(issues).filter(|(_, item)| item.author == BOT).map(seen).collect()
    }

    fn head_of(&self, branch: &str) -> Option<String> {
        self.gitlab.has_branch(REPO, branch).then(|| self.gitlab.branch(REPO, branch))
    }

    fn file(&self, commit: &str, path: &str) -> Option<String> {
        let (_, content) = self.gitlab.files(REPO, commit).remove(path)?;
        String::from_utf8(content).ok()
    }

    fn shown(&self, commit: &str) -> BTreeMap<String, Check> {
        let statuses = self.gitlab.statuses_anywhere(commit);
        statuses.into_iter().map(|(name, status)| (name, check(&status))).collect()
    }

    fn checks_made(&self, commit: &str) -> usize {
        self.gitlab.statuses_made(commit)
    }

    fn text_of(&self, number: u64, _: &str, check: &str) -> String {
        let gate = check.strip_prefix("gatewright/").unwrap_or(check);
        let note = self.gitlab.sticky(REPO, number, STICKY).expect("there is one comment");
        let begin = format!(" {gate}</summary>");
        let text = note.body.split_once(&begin).map(|(_, rest)| rest.split("</details>").next().unwrap_or_default());
        text.map_or(note.body.clone(), str::to_owned)
    }

    fn remarks(&self, number: u64, _: &str) -> Vec<(String, u64)> {
        self.gitlab.bot_notes(REPO, number).into_iter().filter_map(|note| note.place).collect()
    }

    fn fault(&self, written: Written, effect: Effect, when: When) {
        self.gitlab.fault(Fault::on(operation(written), effect).when(when));
    }

    fn fault_now_and_then(&self) {
        let chance = |seed| When::Chance { percent: 3, seed };
        self.gitlab.fault(Fault::on("/api/v4/projects/**", Effect::ServerError).when(chance(2)));
        self.gitlab.fault(Fault::on("/api/v4/projects/**", Effect::BadGatewayAfter).method("POST").when(chance(3)));
    }

    fn hook_fault(&self, told: Told, effect: HookEffect, when: When) {
        let event = match told {
            Told::OfPull => "merge_request",
            Told::OfOpening => "merge_request.open",
            Told::OfComment => "note.create",
        };
        self.gitlab.hook_fault(HookFault::on(event, effect).when(when));
    }

    fn lose_webhooks(&self) {
        self.gitlab.set_webhook(NOWHERE, Signing::Token(WEBHOOK_SECRET.to_owned()));
    }

    fn kind(&self) -> ForgeKind {
        ForgeKind::Gitlab
    }

    fn secrets(&self) -> Vec<String> {
        vec![TOKEN.to_owned()]
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
