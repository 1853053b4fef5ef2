//! The main job, as people see it: a pull request is opened, its gates run, GitHub shows what came of it.
//!
//! Real parts all through: git over HTTP, a container engine, the store on disk; GitHub is the fake that judges each
//! request by GitHub's own description.

#[path = "main_job/bad_days.rs"]
mod bad_days;
#[path = "main_job/crash.rs"]
mod crash;
#[path = "main_job/crowd.rs"]
mod crowd;
#[path = "main_job/flow.rs"]
mod flow;
#[path = "main_job/missed.rs"]
mod missed;
#[path = "main_job/secrets.rs"]
mod secrets;

use gatewright_tests::FakeGitHub;
use gatewright_tests::github::PullSpec;
use gatewright_tests::service::{Service, Setting};

/// The repository of most scenarios.
const REPO: &str = "octo/app";

/// A GitHub with a repository whose base branch has this repository file, and a service.
struct Scene {
    github: FakeGitHub,
    service: Service,
    setting: Setting,
    _dir: tempfile::TempDir,
}

impl Scene {
    async fn with_file(file: &str) -> Scene {
        Self::with(file, |_| ()).await
    }

    async fn with(file: &str, change: impl FnOnce(&mut Setting)) -> Scene {
        let github = FakeGitHub::start().await;
        github.create_repo(REPO);
        github.commit(REPO, "main", "alice", "the gates", [(".gatewright.yml", file)]);
        let dir = tempfile::tempdir().expect("a temporary folder can be made");
        let mut setting = Setting::new(&github, dir.path());
        change(&mut setting);
        let service = Service::start(&github, &setting).await;
        Scene { github, service, setting, _dir: dir }
    }

    /// Opens a pull request with this file in it. Its number, and its head.
    fn open(&self, branch: &str, path: &str, content: &str) -> (u64, String) {
        let head = self.github.commit(REPO, branch, "alice", "a change", [(path, content)]);
        (self.github.open_pull(REPO, PullSpec::of("alice", branch)), head)
    }

    async fn idle(&self) {
        self.service.idle(&self.github).await;
    }

    /// Each check and how it stands, as a person would list them.
    fn checks(&self, commit: &str) -> String {
        let line = |check: &gatewright_tests::github::CheckRun| format!("{}: {} ({})", check.name, check.state(), check.title);
        self.github.check_runs(REPO, commit).values().map(line).collect::<Vec<_>>().join("\n")
    }

    /// The one comment, without the line that names ids.
    fn comment(&self, number: u64) -> String {
        let comments = self.github.bot_comments(REPO, number);
        assert_eq!(comments.len(), 1, "one comment, not {comments:#?}");
        let line = |line: &&str| !line.starts_with("<sub>") && !line.starts_with("<!--");
        comments[0].body.lines().filter(line).collect::<Vec<_>>().join("\n").trim().to_owned()
    }

    /// Stops the service, and asserts that GitHub had nothing to object to.
    async fn end(self) {
        self.service.stop().await;
        self.github.assert_valid();
    }
}

/// The times in a table, which differ from run to run.
fn without_times(text: &str) -> String {
    let cell = |cell: &str| if cell.trim().ends_with(" s") { " T ".to_owned() } else { cell.to_owned() };
    text.lines().map(|line| line.split('|').map(cell).collect::<Vec<_>>().join("|")).collect::<Vec<_>>().join("\n")
}
