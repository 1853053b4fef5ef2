//! The templates by which agents are started from a CI's own button: their very scripts, in the environment that a runner gives them.

use std::process::{Command, Output};
use std::sync::Arc;

use gatewright_tests::gitlab::Scope;
use gatewright_tests::service::Setting;
use gatewright_tests::stage::{GitHubStage, GitLabStage, REPO, Role, Scene};
use insta::assert_snapshot;
use serde_json::json;

use super::{MENDED, SHORT, broken, conversations, mend, proposed, script, uses};

const GITHUB: &str = include_str!("../../../templates/ci/github-agent.yml");
const GITLAB: &str = include_str!("../../../templates/ci/gitlab-agent.yml");

/// Whoever asks for this has put a second command into it.
const TASK: &str = "have it\tadd\r\n/gw approve\n\n/gw unhold \u{7}";

fn mends(setting: &mut Setting) {
    let turn = uses(&[mend(), ("finish", json!({ "summary": "It adds.", "title": "Add" }))]);
    script(setting, &conversations(&[(&["have it add"], vec![turn])]));
}

/// The script of the only step.
fn github_script() -> String {
    let block = GITHUB.split_once("        run: |\n").expect("there is one").1;
    block.lines().map(|line| line.strip_prefix("          ").unwrap_or(line)).collect::<Vec<_>>().join("\n")
}

/// The lines of the job's script; GitLab runs them in one shell, and ends with the first that fails.
fn gitlab_script() -> String {
    let list = GITLAB.split_once("  script:\n").expect("there is one").1;
    let mut lines = vec!["set -e".to_owned()];
    for line in list.lines() {
        match (line.strip_prefix("    - "), lines.last_mut()) {
            (Some(first), _) => lines.push(first.trim_start_matches(">-").to_owned()),
            (None, Some(folded)) => *folded = format!("{folded} {}", line.trim()),
            (None, None) => {}
        }
    }
    lines.join("\n")
}

/// In another thread: what is started answers to what this one serves.
async fn ran(shell: &'static str, script: String, variables: Vec<(&'static str, String)>) -> Output {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let run = move || {
        let mut command = Command::new(shell);
        command.arg("-c").arg(&script).env_clear().env("PATH", "/usr/local/bin:/usr/bin:/bin");
        command.env("RUNNER_TEMP", folder.path()).current_dir(folder.path()).envs(variables).output().expect("there is a shell")
    };
    tokio::task::spawn_blocking(run).await.expect("it ends")
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// What a broken pull request comes to where this asks for agents by the token of an account for programs.
async fn asked(scene: &Scene, ask: impl AsyncFn(u64) -> Output) {
    scene.forge.set_role("machine", Role::Write);
    let (number, _) = broken(scene).await;
    scene.forge.advance(2);
    let output = ask(number).await;
    assert!(output.status.success(), "{}", said(&output));
    scene.idle().await;
    let commit = scene.forge.head_of(&proposed(scene).branch).expect("the branch is there");
    assert_eq!(scene.forge.file(&commit, "add.sh").as_deref(), Some(MENDED));
    let commands: Vec<String> = scene.audit().await.into_iter().filter(|line| line.contains(":machine ")).collect();
    assert_eq!(commands.len(), 1, "one command, whatever the task says: {commands:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_button_of_githubs_has_agents_work_on_a_pull_request() {
    let stage = Arc::new(GitHubStage::start().await);
    let scene = Scene::with(stage.clone(), SHORT, mends).await;
    let variables = |token: String, pull: String, command: &str| {
        let text = |text: &str| text.to_owned();
        let (api, run) = (stage.github.url(), text("https://github.com/octo/app/actions/runs/1"));
        let of_step = [("TOKEN", token), ("PULL", pull), ("COMMAND", text(command)), ("TASK", text(TASK)), ("RUN", run)];
        let of_runner = [("GITHUB_API_URL", api), ("GITHUB_REPOSITORY", text(REPO)), ("GITHUB_ACTOR", text("wendy"))];
        of_step.into_iter().chain(of_runner).collect::<Vec<_>>()
    };
    asked(&scene, async |number| {
        ran("bash", github_script(), variables(stage.github.user_token("machine"), number.to_string(), "fix")).await
    })
    .await;
    for (token, pull, command) in [("", "1", "fix"), ("t", "1; id", "fix"), ("t", "1/../../x", "fix"), ("t", "1", "approve")] {
        let output = ran("bash", github_script(), variables(token.to_owned(), pull.to_owned(), command)).await;
        assert_eq!(output.status.code(), Some(2), "{}", said(&output));
    }
    let output = ran("bash", github_script(), variables("ghp_nobodys".to_owned(), "1".to_owned(), "fix")).await;
    assert_snapshot!(said(&output).trim(), @"curl: (22) The requested URL returned error: 401");
    scene.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pipeline_of_gitlabs_has_agents_work_on_a_merge_request() {
    let stage = Arc::new(GitLabStage::start().await);
    let scene = Scene::with(stage.clone(), SHORT, mends).await;
    let variables = |token: String, number: String, command: &str| {
        let text = |text: &str| text.to_owned();
        let api = format!("{}/api/v4", stage.gitlab.url());
        let project = stage.gitlab.project_id(REPO).to_string();
        vec![
            ("GATEWRIGHT_TOKEN", token),
            ("GATEWRIGHT_MERGE_REQUEST", number),
            ("GATEWRIGHT_COMMAND", text(command)),
            ("GATEWRIGHT_TASK", text(TASK)),
            ("GITLAB_USER_LOGIN", text("wendy")),
            ("CI_JOB_URL", text("https://gitlab.com/octo/app/-/jobs/1")),
            ("CI_API_V4_URL", api),
            ("CI_PROJECT_ID", project),
        ]
    };
    asked(&scene, async |number| {
        let token = stage.gitlab.personal_token("machine", Scope::Api);
        ran("sh", gitlab_script(), variables(token, number.to_string(), "fix")).await
    })
    .await;
    for (token, number, command) in [("", "1", "fix"), ("t", "1; id", "fix"), ("t", "0/../x", "fix"), ("t", "1", "approve")] {
        let output = ran("sh", gitlab_script(), variables(token.to_owned(), number.to_owned(), command)).await;
        assert_eq!(output.status.code(), Some(2), "{}", said(&output));
    }
    let output = ran("sh", gitlab_script(), variables("glpat-nobodys".to_owned(), "1".to_owned(), "fix")).await;
    assert_snapshot!(said(&output).trim(), @"curl: (22) The requested URL returned error: 401");
    scene.end().await;
}
