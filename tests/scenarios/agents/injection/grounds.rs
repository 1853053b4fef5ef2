//! What the suite does on each forge, and everything that people see of the service there.

use std::collections::BTreeMap;

use gatewright_tests::github::PullSpec;
use gatewright_tests::gitlab::{BOT, MergeRequestSpec};
use gatewright_tests::stage::{GitHubStage, GitLabStage, REPO, Stage};

/// The files of a commit, by path: mode and content.
pub(super) type Files = BTreeMap<String, (String, Vec<u8>)>;

/// A pull request that is full of cases.
pub(super) struct Laid {
    pub(super) branch: String,
    pub(super) message: String,
    pub(super) files: Vec<(String, String)>,
    pub(super) title: String,
    pub(super) body: String,
    pub(super) comment: String,
    pub(super) labels: Vec<String>,
}

/// A forge of the suite.
pub(super) trait Ground: Stage + Sized {
    async fn begin() -> Self;

    /// Pushes, opens, comments and labels. Returns the number.
    fn lay(&self, laid: &Laid) -> u64;

    /// The files of a branch.
    fn files(&self, branch: &str) -> Files;

    /// Every Markdown that the service shows to people, also on lines of a change, every title, and every message of a commit.
    fn shown_to_people(&self) -> Vec<String>;

    /// What has become of pull requests that nobody asked for: one that is closed or merged, one of ours that could be merged, an order
    /// that the forge has obeyed.
    fn done_unasked(&self) -> Vec<String>;

    /// The files of what was proposed for a branch.
    fn proposed_for(&self, branch: &str) -> Vec<Files>;
}

impl Ground for GitHubStage {
    async fn begin() -> Self {
        GitHubStage::start().await
    }

    fn lay(&self, laid: &Laid) -> u64 {
        let github = &self.github;
        let files = laid.files.iter().map(|(path, content)| (path.as_str(), content.as_str()));
        github.commit(REPO, &laid.branch, "alice", &laid.message, files);
        let number = github.open_pull(REPO, PullSpec::of("alice", &laid.branch).title(&laid.title).body(&laid.body));
        github.comment(REPO, number, "rita", &laid.comment);
        // A label has 50 characters.
        let labels = laid.labels.iter().map(|label| label.chars().take(50).collect::<String>());
        labels.for_each(|label| github.label(REPO, number, &label, "wendy"));
        number
    }

    fn files(&self, branch: &str) -> Files {
        self.github.files(REPO, &self.github.branch(REPO, branch))
    }

    fn shown_to_people(&self) -> Vec<String> {
        let github = &self.github;
        let mut texts = Vec::new();
        for pull in github.pulls(REPO) {
            texts.extend(github.bot_comments(REPO, pull.number).into_iter().map(|comment| comment.body));
            texts.extend(github.diff_comments(REPO, pull.number).into_iter().map(|comment| comment.body));
            if pull.author != "alice" {
                let (message, ..) = github.commit_info(REPO, &github.pull_head(REPO, pull.number));
                texts.extend([pull.title, pull.body, message]);
            }
            for check in github.all_check_runs(REPO, &github.pull_head(REPO, pull.number)) {
                texts.extend([check.title, check.summary].into_iter().chain(check.text));
            }
        }
        texts
    }

    fn done_unasked(&self) -> Vec<String> {
        let pulls = self.github.pulls(REPO).into_iter();
        pulls.filter(|pull| !pull.open || (pull.author != "alice" && !pull.draft)).map(|pull| pull.title).collect()
    }

    fn proposed_for(&self, branch: &str) -> Vec<Files> {
        let all = self.github.pulls(REPO).into_iter().filter(|pull| pull.author != "alice");
        let branches = all.filter_map(|pull| pull.branches).filter(|(_, base)| base == branch);
        branches.map(|(own, _)| self.files(&own)).collect()
    }
}

impl Ground for GitLabStage {
    async fn begin() -> Self {
        GitLabStage::start().await
    }

    fn lay(&self, laid: &Laid) -> u64 {
        let gitlab = &self.gitlab;
        let files = laid.files.iter().map(|(path, content)| (path.as_str(), content.as_str()));
        gitlab.commit(REPO, &laid.branch, "alice", &laid.message, files);
        let number = gitlab
            .open_merge_request(REPO, &MergeRequestSpec::of("alice", &laid.branch).titled(&laid.title).described(&laid.body));
        gitlab.comment(REPO, number, "rita", &laid.comment);
        let labels: Vec<&str> = laid.labels.iter().map(String::as_str).collect();
        gitlab.label(REPO, number, "wendy", &labels);
        number
    }

    fn files(&self, branch: &str) -> Files {
        self.gitlab.files(REPO, &self.gitlab.branch(REPO, branch))
    }

    fn shown_to_people(&self) -> Vec<String> {
        let gitlab = &self.gitlab;
        let mut texts = Vec::new();
        for request in gitlab.merge_requests(REPO) {
            texts.extend(gitlab.bot_notes(REPO, request.iid).into_iter().map(|note| note.body));
            let statuses = gitlab.statuses_anywhere(&gitlab.head(REPO, request.iid));
            texts.extend(statuses.into_iter().flat_map(|(name, status)| [name, status.description]));
            if request.author == BOT {
                let (message, _) = gitlab.commit_info(REPO, &gitlab.head(REPO, request.iid));
                texts.extend([request.title, request.description, message]);
            }
        }
        texts
    }

    fn done_unasked(&self) -> Vec<String> {
        let requests = self.gitlab.merge_requests(REPO).into_iter();
        let unasked = requests
            .filter(|request| request.state != "opened" || (request.author == BOT && !request.title.starts_with("Draft: ")));
        let orders = self.gitlab.obeyed().into_iter().filter(|(user, _)| user == BOT).map(|(_, line)| line);
        unasked.map(|request| request.title).chain(orders).collect()
    }

    fn proposed_for(&self, branch: &str) -> Vec<Files> {
        let all = self.gitlab.merge_requests(REPO).into_iter().filter(|request| request.author == BOT);
        let branches = all.filter_map(|request| request.branches).filter(|(_, target)| target == branch);
        branches.map(|(own, _)| self.files(&own)).collect()
    }
}
