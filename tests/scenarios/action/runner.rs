//! A runner: a repository with a change in it, a job's checkout of it, and a step in the environment that the forge documents.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};
use tempfile::TempDir;

/// What a repository on the forge has: `main`, and a change to it.
pub(crate) struct Runner {
    folder: TempDir,
    pub(crate) base: String,
    pub(crate) head: String,
    /// The merge of both, which GitHub checks out for a pull request.
    pub(crate) merged: String,
    variables: BTreeMap<String, String>,
}

/// What came of a step.
#[derive(Debug)]
pub(crate) struct Step {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    pub(crate) outputs: BTreeMap<String, String>,
    pub(crate) summary: String,
}

pub(crate) fn git(folder: &Path, args: &[&str]) -> String {
    let mut command = Command::new("git");
    command.args(args).current_dir(folder).env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
    for who in ["AUTHOR", "COMMITTER"] {
        command.env(format!("GIT_{who}_NAME"), "Octo").env(format!("GIT_{who}_EMAIL"), "octo@example.com");
        command.env(format!("GIT_{who}_DATE"), "2026-01-02T03:04:05Z");
    }
    let output = command.env("HOME", folder).output().expect("git runs");
    assert!(output.status.success(), "git {args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

fn write(folder: &Path, files: &[(&str, &str)]) {
    for (name, content) in files {
        let path = folder.join(name);
        fs::create_dir_all(path.parent().expect("it lies in the folder")).expect("a folder can be made");
        fs::write(path, content).expect("a file can be written");
    }
}

impl Runner {
    /// A repository with these files on `main`, and a change that adds or changes others; not checked out yet.
    fn new(main: &[(&str, &str)], change: &[(&str, &str)]) -> Runner {
        let folder = tempfile::tempdir().expect("a folder can be made");
        let origin = folder.path().join("origin");
        fs::create_dir(&origin).expect("a folder can be made");
        git(&origin, &["init", "--quiet", "--initial-branch=main"]);
        // As both forges allow it.
        git(&origin, &["config", "uploadpack.allowAnySHA1InWant", "true"]);
        let commit = |files: &[(&str, &str)], message: &str| {
            write(&origin, files);
            git(&origin, &["add", "--all", "--force"]);
            git(&origin, &["commit", "--quiet", "--allow-empty", "-m", message]);
            git(&origin, &["rev-parse", "HEAD"])
        };
        commit(&[("README.md", "An example\n")], "first");
        let base = commit(main, "main");
        git(&origin, &["checkout", "--quiet", "-b", "topic"]);
        let head = commit(change, "change");
        git(&origin, &["checkout", "--quiet", "--detach", "main"]);
        git(&origin, &["merge", "--quiet", "--no-ff", "-m", "merged", "topic"]);
        let merged = git(&origin, &["rev-parse", "HEAD"]);
        git(&origin, &["update-ref", "refs/pull/7/merge", &merged]);
        git(&origin, &["checkout", "--quiet", "main"]);
        let mut runner = Runner { folder, base, head, merged, variables: BTreeMap::new() };
        for name in ["temp", "home", "tools"] {
            fs::create_dir(runner.path(name)).expect("a folder can be made");
        }
        runner.set("PATH", &std::env::var("PATH").expect("there is one"));
        runner.set("HOME", &runner.path("home").display().to_string());
        runner.set("CI", "true");
        runner
    }

    /// A job of GitHub Actions for the pull request 7, checked out as actions/checkout does: one commit, the merge.
    pub(crate) fn pull_request(main: &[(&str, &str)], change: &[(&str, &str)]) -> Runner {
        let mut runner = Runner::new(main, change);
        runner.check_out(&runner.merged.clone());
        let side = |sha: &str, name: &str| json!({"sha": sha, "ref": name, "repo": {"id": 1, "full_name": "octo/app"}});
        let payload = json!({
            "action": "synchronize", "number": 7,
            "pull_request": {"number": 7, "head": side(&runner.head, "topic"), "base": side(&runner.base, "main")},
            "repository": {"id": 1, "full_name": "octo/app", "default_branch": "main"},
        });
        let merged = runner.merged.clone();
        runner.github("pull_request", "refs/pull/7/merge", &merged, &payload);
        runner
    }

    /// The same for a push of the change to the default branch.
    pub(crate) fn push(main: &[(&str, &str)], change: &[(&str, &str)]) -> Runner {
        let mut runner = Runner::new(main, change);
        runner.check_out(&runner.head.clone());
        let payload = json!({
            "ref": "refs/heads/main", "before": runner.base, "after": runner.head,
            "repository": {"id": 1, "full_name": "octo/app", "default_branch": "main"},
        });
        let head = runner.head.clone();
        runner.github("push", "refs/heads/main", &head, &payload);
        runner
    }

    /// A job of GitLab CI for the merge request 12.
    pub(crate) fn merge_request(main: &[(&str, &str)], change: &[(&str, &str)]) -> Runner {
        let mut runner = Runner::new(main, change);
        let head = runner.head.clone();
        runner.gitlab(&head);
        for (name, value) in [
            ("CI_PIPELINE_SOURCE", "merge_request_event"),
            ("CI_MERGE_REQUEST_IID", "12"),
            ("CI_MERGE_REQUEST_PROJECT_ID", "5"),
            ("CI_MERGE_REQUEST_SOURCE_PROJECT_ID", "5"),
            ("CI_MERGE_REQUEST_TARGET_BRANCH_NAME", "main"),
            ("CI_MERGE_REQUEST_EVENT_TYPE", "detached"),
            ("CI_COMMIT_BEFORE_SHA", "0000000000000000000000000000000000000000"),
        ] {
            runner.set(name, value);
        }
        runner.set("CI_MERGE_REQUEST_DIFF_BASE_SHA", &runner.base.clone());
        runner
    }

    /// A job of GitLab CI for a push of `main`, before the change.
    pub(crate) fn default_branch(main: &[(&str, &str)], change: &[(&str, &str)]) -> Runner {
        let mut runner = Runner::new(main, change);
        let base = runner.base.clone();
        runner.gitlab(&base);
        let before = git(&runner.path("origin"), &["rev-parse", "main~"]);
        runner.set("CI_PIPELINE_SOURCE", "push").set("CI_COMMIT_BRANCH", "main").set("CI_COMMIT_BEFORE_SHA", &before);
        runner
    }

    /// What every job of GitLab CI has ("Predefined CI/CD variables reference"), with this commit checked out.
    fn gitlab(&mut self, commit: &str) {
        self.check_out(commit);
        self.set("CI_COMMIT_SHA", commit);
        self.set("CI_PROJECT_DIR", &self.checkout().display().to_string());
        for (name, value) in [
            ("GITLAB_CI", "true"),
            ("CI_API_V4_URL", "https://gitlab.invalid/api/v4"),
            ("CI_PROJECT_ID", "5"),
            ("CI_DEFAULT_BRANCH", "main"),
            ("CI_JOB_NAME", "gates"),
            ("CI_JOB_TOKEN", "CANARY-JOB-TOKEN"),
        ] {
            self.set(name, value);
        }
    }

    fn check_out(&self, commit: &str) {
        let checkout = self.checkout();
        fs::create_dir(&checkout).expect("a folder can be made");
        git(&checkout, &["init", "--quiet", "--initial-branch=main"]);
        git(&checkout, &["remote", "add", "origin", &format!("file://{}", self.path("origin").display())]);
        git(&checkout, &["fetch", "--quiet", "--no-tags", "--depth=1", "origin", commit]);
        git(&checkout, &["checkout", "--quiet", "--detach", commit]);
    }

    /// What every step of GitHub Actions has ("Variables", "Default environment variables").
    pub(crate) fn github(&mut self, event: &str, name: &str, sha: &str, payload: &Value) {
        let event_file = self.path("temp/event.json");
        fs::write(&event_file, payload.to_string()).expect("a file can be written");
        for (file, variable) in [("output", "GITHUB_OUTPUT"), ("summary", "GITHUB_STEP_SUMMARY"), ("env", "GITHUB_ENV")] {
            fs::write(self.path(&format!("temp/{file}")), "").expect("a file can be written");
            self.set(variable, &self.path(&format!("temp/{file}")).display().to_string());
        }
        for (variable, value) in [
            ("GITHUB_ACTIONS", "true"),
            ("GITHUB_EVENT_NAME", event),
            ("GITHUB_REF", name),
            ("GITHUB_SHA", sha),
            ("GITHUB_REPOSITORY", "octo/app"),
            ("GITHUB_REPOSITORY_ID", "1"),
            ("GITHUB_RUN_ID", "99"),
            ("GITHUB_RUN_ATTEMPT", "1"),
            ("GITHUB_JOB", "gates"),
            ("GITHUB_WORKFLOW", "gates"),
            ("GITHUB_SERVER_URL", "https://github.com"),
            ("RUNNER_OS", "Linux"),
            ("RUNNER_ARCH", "X64"),
            ("ACTIONS_RUNTIME_TOKEN", "CANARY-RUNTIME-TOKEN"),
        ] {
            self.set(variable, value);
        }
        self.set("GITHUB_EVENT_PATH", &event_file.display().to_string());
        self.set("GITHUB_WORKSPACE", &self.checkout().display().to_string());
        self.set("RUNNER_TEMP", &self.path("temp").display().to_string());
        self.set("RUNNER_TOOL_CACHE", &self.path("tools").display().to_string());
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn checkout(&self) -> PathBuf {
        self.path("checkout")
    }

    /// A file that the step left in its checkout.
    pub(crate) fn left(&self, name: &str) -> String {
        let path = self.checkout().join(name);
        fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    }

    pub(crate) fn set(&mut self, name: &str, value: &str) -> &mut Self {
        self.variables.insert(name.to_owned(), value.to_owned());
        self
    }

    pub(crate) fn unset(&mut self, name: &str) -> &mut Self {
        self.variables.remove(name);
        self
    }

    /// Runs `gatewright action`, or a subcommand of it, as a step.
    pub(crate) fn step(&self, more: &[&str]) -> Step {
        let mut program = Command::new(env!("CARGO_BIN_EXE_service-under-test"));
        program.arg("action").args(more);
        self.runs(program)
    }

    /// Runs a program as a step.
    pub(crate) fn runs(&self, mut program: Command) -> Step {
        program.current_dir(self.checkout()).env_clear().envs(&self.variables);
        let output = program.output().expect("the program runs");
        let read = |name: &str| {
            let path = self.variables.get(name);
            path.map(|path| fs::read_to_string(path).unwrap_or_default()).unwrap_or_default()
        };
        Step {
            code: output.status.code().expect("it ends by itself"),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
            outputs: outputs(&read("GITHUB_OUTPUT")),
            summary: read("GITHUB_STEP_SUMMARY"),
        }
    }
}

/// A file of outputs, as the runner reads it (`FileCommandManager`): `NAME<<DELIMITER`, lines, `DELIMITER`.
fn outputs(text: &str) -> BTreeMap<String, String> {
    let mut outputs = BTreeMap::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        let (name, delimiter) = line.split_once("<<").unwrap_or_else(|| panic!("no output: {line:?}"));
        let value: Vec<&str> = lines.by_ref().take_while(|line| *line != delimiter).collect();
        outputs.insert(name.to_owned(), value.join("\n"));
    }
    outputs
}

impl Step {
    /// The commands that GitHub's runner obeys, of all lines of the output (`ActionCommandManager`): those that begin a line
    /// with `::`, and the old kind, `##[`, anywhere in it; none between `stop-commands` and its token.
    pub(crate) fn obeyed(&self) -> Vec<String> {
        let mut stopped: Option<String> = None;
        let mut obeyed = Vec::new();
        for line in self.stdout.split(['\n', '\r']) {
            if let Some(token) = &stopped {
                if line.trim_start() == format!("::{token}::") {
                    stopped = None;
                }
                continue;
            }
            let is_new = line.trim_start().strip_prefix("::").is_some_and(|rest| rest.contains("::"));
            if let Some(token) = line.trim_start().strip_prefix("::stop-commands::") {
                stopped = Some(token.to_owned());
            } else if is_new || line.contains("##[") {
                obeyed.push(line.to_owned());
            }
        }
        assert_eq!(stopped, None, "commands are never left stopped");
        obeyed
    }

    /// The annotations that it shows.
    pub(crate) fn annotations(&self) -> Vec<String> {
        let levels = ["::error ", "::warning ", "::notice "];
        self.obeyed().into_iter().filter(|line| levels.iter().any(|level| line.starts_with(level))).collect()
    }

    pub(crate) fn output(&self, name: &str) -> &str {
        self.outputs.get(name).map_or("", String::as_str)
    }
}
