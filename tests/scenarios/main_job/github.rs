//! What only GitHub has: merge groups, buttons, deliveries that it sends again.

use std::sync::Arc;

use gatewright_tests::github::PullSpec;
use gatewright_tests::service::until;
use gatewright_tests::stage::{GitHubStage, REPO, Scene};
use insta::assert_snapshot;

async fn scene(file: &str) -> (Arc<GitHubStage>, Scene) {
    let stage = Arc::new(GitHubStage::start().await);
    (stage.clone(), Scene::with_file(stage, file).await)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_merge_group_gets_real_checks_on_its_own_commit() {
    let (stage, scene) = scene("image: gatewright-sandbox:local\ngates:\n  tests:\n    run: test -f a\n").await;
    let (number, _) = scene.open("topic", "a", "1");
    scene.idle().await;
    let group = stage.github.enqueue(REPO, number, "alice");
    scene.idle().await;
    assert_snapshot!(scene.shown(&group.head), @r"
    gatewright: success (1 gate passed)
    gatewright/tests: success (exit code 0)
    ");
    scene.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_failed_gates_can_be_run_again_by_a_button_and_one_check_by_its_own() {
    let file = "image: gatewright-sandbox:local\ngates:\n  good:\n    run: 'true'\n  bad:\n    run: 'false'\n";
    let (stage, scene) = scene(file).await;
    let github = &stage.github;
    let (number, head) = scene.open("topic", "a", "1");
    scene.idle().await;
    let before = github.check_runs(REPO, &head);
    github.press_button(before["gatewright"].id, "rerun-failed", "alice");
    scene.idle().await;
    let after = github.check_runs(REPO, &head);
    assert_eq!(after["gatewright/good"].id, before["gatewright/good"].id, "what passed stands");
    assert_ne!(after["gatewright/bad"].id, before["gatewright/bad"].id, "what failed ran again");
    assert_snapshot!(scene.only_comment(number), @r"
    ### Gatewright: 1 of 2 gates failed

    | | Gate | Result | Time |
    |---|---|---|---:|
    | ✅ | good | exit code 0 (earlier run) |  |
    | ❌ | bad | exit code 1 | T |
    ");
    github.rerequest(after["gatewright/good"].id, "alice");
    scene.idle().await;
    assert_ne!(github.check_runs(REPO, &head)["gatewright/good"].id, before["gatewright/good"].id);
    github.rerequest_all(REPO, &head, "alice");
    scene.idle().await;
    assert_snapshot!(scene.shown(&head), @r"
    gatewright: failure (1 of 2 gates failed)
    gatewright/bad: failure (exit code 1)
    gatewright/good: success (exit code 0)
    ");
    scene.only_comment(number);
    scene.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_repository_file_nothing_is_said() {
    let (stage, scene) = scene("image: gatewright-sandbox:local\ngates: {}\n").await;
    let github = &stage.github;
    github.create_repo("octo/other");
    let head = github.commit("octo/other", "topic", "alice", "a change", [("a", "1")]);
    let number = github.open_pull("octo/other", PullSpec::of("alice", "topic"));
    scene.idle().await;
    assert!(github.check_runs("octo/other", &head).is_empty());
    assert!(github.comments("octo/other", number).is_empty());
    scene.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn deliveries_that_were_missed_while_the_service_was_down_are_asked_for_and_taken() {
    let (stage, scene) = scene("image: gatewright-sandbox:local\ngates:\n  tests:\n    run: 'true'\n").await;
    scene.idle().await;
    let mut head = String::new();
    let scene = scene
        .restarted(async |forge| {
            head = forge.commit("topic", "alice", &[("a", "1")]);
            forge.open("alice", "topic");
            stage.github.deliveries_settled().await;
        })
        .await;
    let passed = || async { scene.forge.checks(&head).get("gatewright").is_some_and(|state| state == "success") };
    until("the missed delivery's run is over", passed).await;
    scene.idle().await;
    scene.end().await;
}
