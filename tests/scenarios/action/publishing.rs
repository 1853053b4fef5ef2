//! The step with the token: what it publishes of its own job, and of the job of a pull request from a fork.

use std::fs;

use gatewright_tests::FakeGitHub;
use gatewright_tests::github::{Options, PullSpec};
use serde_json::{Value, json};

use crate::runner::{Runner, Step};

const REPO: &str = "octo/app";
const FILE: &str = ".gatewright.yml";
const GATES: &str = r#"image: none
gates:
  tests: { run: 'false' }
  lint:
    run: |
      printf '%s' '{"version": "2.1.0", "runs": [{"tool": {"driver": {"name": "lint"}}, "results": []}]}' > out.sarif
    sarif: out.sarif
    code-scanning: true
"#;

/// A forge with a pull request, and a job for it whose first step has run.
struct Scene {
    github: FakeGitHub,
    runner: Runner,
    number: u64,
    head: String,
    fork: bool,
}

impl Scene {
    async fn own() -> Scene {
        Scene::of(false).await
    }

    async fn forked() -> Scene {
        Scene::of(true).await
    }

    async fn of(fork: bool) -> Scene {
        // A job's token is one of an App's installation: that of the App `github-actions`.
        let github = FakeGitHub::start_with(Options { slug: "github-actions".to_owned(), ..Options::default() }).await;
        github.create_repo(REPO);
        github.commit(REPO, "main", "alice", "main", [("README.md", "An example\n")]);
        let (number, head) = if fork {
            let forked = github.fork(REPO, "mallory");
            let head = github.commit(&forked, "topic", "mallory", "change", [("a", "b")]);
            (github.open_pull(REPO, PullSpec::of("mallory", "topic").from_fork(&forked)), head)
        } else {
            let head = github.commit(REPO, "topic", "alice", "change", [("a", "b")]);
            (github.open_pull(REPO, PullSpec::of("alice", "topic")), head)
        };
        let runner = Runner::pull_request(&[(FILE, GATES)], &[("a", "b")]);
        let mut scene = Scene { github, runner, number, head, fork };
        scene.pull_request();
        let step = scene.runner.step(&[]);
        assert_eq!(step.code, 1, "{step:#?}");
        scene.runner.set("GATEWRIGHT_SEAL", step.output("seal"));
        let (api, token) = (scene.github.url(), scene.github.installation_token(REPO));
        scene
            .runner
            .set("GITHUB_API_URL", &api)
            .set("INPUT_TOKEN", &token)
            .set("INPUT_CHECK", "true")
            .set("INPUT_COMMENT", "true");
        scene
    }

    /// The job is one of the pull request's.
    fn pull_request(&mut self) {
        let side = |sha: &str, repo: u64| json!({"sha": sha, "ref": "x", "repo": {"id": repo}});
        let head_repo = if self.fork { 2 } else { 1 };
        let base = self.runner.base.clone();
        let payload = json!({
            "number": self.number,
            "pull_request": {"head": side(&self.head, head_repo), "base": side(&base, 1)},
        });
        let merged = self.runner.merged.clone();
        self.runner.github("pull_request", "refs/pull/1/merge", &merged, &payload);
    }

    /// The job is one of the workflow that publishes for others, with this file.
    fn publishing(&mut self, conclusion: &str, file: &str) {
        let payload = json!({"workflow_run": {
            "event": "pull_request", "head_sha": self.head, "conclusion": conclusion,
            "html_url": "https://github.com/octo/app/actions/runs/99", "pull_requests": [],
        }});
        let base = self.runner.base.clone();
        self.runner.github("workflow_run", "refs/heads/main", &base, &payload);
        self.runner.set("INPUT_PUBLISH_RESULT", file);
    }

    async fn publish(&self) -> Step {
        tokio::task::block_in_place(|| self.runner.step(&["publish"]))
    }

    fn bodies(&self) -> Vec<String> {
        self.github.comments(REPO, self.number).into_iter().map(|comment| comment.body).collect()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pull_request_of_the_repository_gets_a_check_and_one_comment_however_often_it_is_published() {
    let scene = Scene::own().await;
    for _ in 0..2 {
        let step = scene.publish().await;
        assert_eq!(step.code, 0, "{step:#?}");
        assert!(step.stdout.starts_with("::add-mask::ghs_"), "{}", step.stdout);
    }
    let checks = scene.github.check_runs(REPO, &scene.head);
    let check = &checks["gatewright-action"];
    assert_eq!((check.state(), check.title.as_str()), ("failure", "1 of 2 gates did not pass"));
    assert_eq!(check.details_url.as_deref(), Some("https://github.com/octo/app/actions/runs/99/attempts/1"));
    let bodies = scene.bodies();
    assert_eq!(bodies.len(), 1, "{bodies:?}");
    assert!(bodies[0].contains("[the run's page](https://github.com/octo/app/actions/runs/99/attempts/1)"), "{}", bodies[0]);
    assert!(
        bodies[0].starts_with("<!-- gatewright:action gatewright-action -->\n### Gatewright: 1 of 2 gates did not pass"),
        "{}",
        bodies[0]
    );
    assert_eq!(scene.github.violations(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pull_request_of_a_fork_is_not_published_by_its_own_job() {
    let scene = Scene::forked().await;
    let step = scene.publish().await;
    assert_eq!(step.code, 0, "{step:#?}");
    assert!(step.annotations()[0].contains("comes from a fork"), "{:?}", step.annotations());
    assert!(scene.bodies().is_empty() && scene.github.check_runs(REPO, &scene.head).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_second_workflow_publishes_what_a_forks_job_left_on_the_pull_request_of_that_head() {
    let mut scene = Scene::forked().await;
    // Another pull request, which the file cannot name: there is no place for that in it.
    scene.github.commit(REPO, "other", "alice", "other", [("c", "d")]);
    let other = scene.github.open_pull(REPO, PullSpec::of("alice", "other"));
    scene.publishing("failure", "gatewright-reports/result.json");
    let step = scene.publish().await;
    assert_eq!(step.code, 0, "{step:#?}");
    assert_eq!(scene.github.check_runs(REPO, &scene.head)["gatewright-action"].state(), "failure");
    let bodies = scene.bodies();
    assert!(bodies.len() == 1 && bodies[0].contains("As the pull request's own job says"), "{bodies:?}");
    assert!(scene.github.comments(REPO, other).is_empty());
    assert_eq!(scene.github.violations(), Vec::<String>::new());
}

/// The file of results that the first step left, changed by whoever ran in it.
fn forge(scene: &Scene, change: impl Fn(&mut Value)) {
    let path = scene.runner.checkout().join("gatewright-reports/result.json");
    let mut result: Value = serde_json::from_str(&fs::read_to_string(&path).expect("it is there")).expect("it is JSON");
    change(&mut result);
    fs::write(&path, result.to_string()).expect("it can be written");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forged_file_says_nothing_in_markdown_and_passes_nothing_that_did_not() {
    let mut scene = Scene::forked().await;
    forge(&scene, |result| {
        result["gates"].as_array_mut().expect("a list").truncate(1);
        let gate = &mut result["gates"][0];
        gate["status"] = json!("passed");
        gate["title"] = json!("[all fine](https://evil.example) @octo/team <img src=x>");
        gate["summary"] = json!("![x](https://evil.example/x.png) <!-- gatewright:sticky -->");
        result["verdict"] = json!("passed");
        result["headline"] = json!("1 gate passed");
        result["counts"] =
            json!({"passed": 1, "failed": 0, "errored": 0, "cancelled": 0, "skipped": 0, "advisory": 0, "annotations": 0});
        result["head"] = json!("f".repeat(40));
    });
    scene.publishing("failure", "gatewright-reports/result.json");
    let step = scene.publish().await;
    assert_eq!(step.code, 0, "{step:#?}");
    let check = &scene.github.check_runs(REPO, &scene.head)["gatewright-action"];
    assert_eq!((check.state(), check.title.as_str()), ("failure", "the job did not end well"));
    let body = scene.bodies().remove(0);
    assert!(body.contains(r"\[all fine\](https&#58;//evil.example) &#64;octo/team &lt;img src=x&gt;"), "{body}");
    assert!(!body.contains("x.png") && !body.contains("gatewright:sticky"), "{body}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_file_of_results_is_refused_and_nothing_is_published() {
    let mut scene = Scene::forked().await;
    let file = scene.runner.checkout().join("gatewright-reports/result.json");
    scene.publishing("success", "gatewright-reports/result.json");
    forge(&scene, |result| result["pull"] = json!(1));
    assert_eq!(scene.publish().await.code, 2, "an unknown field");
    fs::write(&file, "x".repeat(25 << 20)).expect("it can be written");
    assert_eq!(scene.publish().await.code, 3, "too large");
    fs::remove_file(&file).expect("it can be removed");
    std::os::unix::fs::symlink("/etc/passwd", &file).expect("a link can be made");
    assert_eq!(scene.publish().await.code, 3, "a link");
    fs::remove_file(&file).expect("it can be removed");
    assert_eq!(scene.publish().await.code, 3, "none");
    assert!(scene.bodies().is_empty() && scene.github.check_runs(REPO, &scene.head).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pull_request_that_has_moved_on_is_not_commented_on() {
    let mut scene = Scene::own().await;
    scene.github.commit(REPO, "topic", "alice", "more", [("a", "c")]);
    scene.publishing("failure", "gatewright-reports/result.json");
    let step = scene.publish().await;
    assert_eq!(step.code, 0, "{step:#?}");
    assert!(step.annotations()[0].contains("no open pull request has this commit as its head now"), "{:?}", step.annotations());
    assert!(scene.bodies().is_empty());
    assert!(
        scene.github.check_runs(REPO, &scene.head).contains_key("gatewright-action"),
        "the check is on the commit that was checked"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn only_pull_requests_are_published_for_and_only_by_the_workflow_that_says_so() {
    let mut scene = Scene::own().await;
    scene.runner.set("INPUT_PUBLISH_RESULT", "gatewright-reports/result.json");
    assert_eq!(scene.publish().await.code, 2, "a pull request's own job publishes its own result");
    scene.publishing("success", "");
    assert_eq!(scene.publish().await.code, 2, "a workflow behind another names the file");
    let payload = json!({"workflow_run": {"event": "push", "head_sha": scene.head, "conclusion": "success"}});
    let base = scene.runner.base.clone();
    scene.runner.github("workflow_run", "refs/heads/main", &base, &payload);
    scene.runner.set("INPUT_PUBLISH_RESULT", "gatewright-reports/result.json");
    let step = scene.publish().await;
    assert_eq!((step.code, scene.bodies().len()), (0, 0), "{step:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn findings_go_to_code_scanning_from_the_job_itself_and_never_from_a_claim() {
    let mut scene = Scene::own().await;
    scene.runner.set("INPUT_CODE_SCANNING", "true");
    let step = scene.publish().await;
    assert_eq!(step.code, 0, "{step:#?}");
    let scans = scene.github.scans(REPO);
    let head = format!("refs/pull/{}/head", scene.number);
    assert_eq!(scans.iter().map(|scan| (&scan.head, &scan.of)).collect::<Vec<_>>(), [(&scene.head, &head)]);
    let mut forked = Scene::forked().await;
    forked.runner.set("INPUT_CODE_SCANNING", "true");
    forked.publishing("failure", "gatewright-reports/result.json");
    assert_eq!(forked.publish().await.code, 0);
    assert!(forked.github.scans(REPO).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn results_that_lie_in_the_checkout_are_not_published_where_the_gates_came_to_none() {
    let mut scene = Scene::own().await;
    // The pull request breaks the repository file, and brings results of its own.
    scene.pull_request();
    fs::write(scene.runner.checkout().join(FILE), "gates: { tests: { rnu: x } }\n").expect("it can be written");
    forge(&scene, |result| result["gates"][0]["summary"] = json!("![x](https://evil.example/x.png)"));
    let step = scene.runner.step(&[]);
    let told: Vec<&String> = step.outputs.keys().collect();
    assert_eq!((step.code, told), (2, Vec::new()), "{step:#?}");
    let folder = scene.runner.checkout().join("gatewright-reports");
    assert!(!folder.join("result.json").exists(), "an earlier run's results are gone");
    fs::write(folder.join("result.json"), "{}").expect("it can be written");
    scene.runner.unset("GATEWRIGHT_SEAL");
    let step = scene.publish().await;
    assert_eq!(step.code, 2, "{step:#?}");
    assert!(step.stderr.contains("came to no result in this job"), "{}", step.stderr);
    assert!(scene.bodies().is_empty() && scene.github.check_runs(REPO, &scene.head).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn results_that_were_changed_behind_the_gates_or_are_of_another_commit_are_not_published() {
    let mut scene = Scene::own().await;
    forge(&scene, |result| result["gates"][0]["summary"] = json!("all is well"));
    let step = scene.publish().await;
    assert_eq!(step.code, 2, "{step:#?}");
    assert!(step.stderr.contains("something in this job has changed it since"), "{}", step.stderr);
    let mut other = Scene::own().await;
    other.head = other.runner.base.clone();
    other.pull_request();
    let step = other.publish().await;
    assert_eq!(step.code, 2, "{step:#?}");
    assert!(step.stderr.contains("the results are not those of"), "{}", step.stderr);
    scene.runner.set("GATEWRIGHT_SEAL", "result.json");
    assert_eq!(scene.publish().await.code, 2, "that is no seal");
    for scene in [scene, other] {
        assert!(scene.bodies().is_empty() && scene.github.check_runs(REPO, &scene.head).is_empty());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn findings_that_no_gate_of_this_job_has_left_are_not_given_to_code_scanning() {
    let mut scene = Scene::own().await;
    scene.runner.set("INPUT_CODE_SCANNING", "true");
    let folder = scene.runner.checkout().join("gatewright-reports/code-scanning");
    fs::copy(folder.join("lint.sarif.gz"), folder.join("tests.sarif.gz")).expect("it can be copied");
    let step = scene.publish().await;
    assert_eq!((step.code, scene.github.scans(REPO).len()), (0, 1), "only the gate that has left any: {step:#?}");
    fs::write(folder.join("lint.sarif.gz"), "other findings").expect("it can be written");
    let step = scene.publish().await;
    assert_eq!((step.code, scene.github.scans(REPO).len()), (2, 1), "{step:#?}");
    assert!(step.stderr.contains("lint.sarif.gz is not as the step"), "{}", step.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_comment_of_somebody_else_with_the_same_marker_stays_as_it_is() {
    let scene = Scene::own().await;
    let theirs = "<!-- gatewright:action gatewright-action -->\nmine";
    scene.github.comment(REPO, scene.number, "mallory", theirs);
    assert_eq!(scene.publish().await.code, 0);
    let bodies = scene.bodies();
    assert!(bodies.len() == 2 && bodies.contains(&theirs.to_owned()), "{bodies:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_may_not_write_says_which_permission_is_missing() {
    let mut scene = Scene::own().await;
    scene.runner.set("INPUT_TOKEN", "ghs_000000000000000000000000000000000000");
    let step = scene.publish().await;
    assert_eq!(step.code, 3, "{step:#?}");
    assert!(step.stderr.contains("permissions"), "{}", step.stderr);
    assert!(!step.stderr.contains("ghs_"), "no error shows the token: {}", step.stderr);
    assert_eq!(scene.runner.set("INPUT_TOKEN", "").step(&["publish"]).code, 2);
}
