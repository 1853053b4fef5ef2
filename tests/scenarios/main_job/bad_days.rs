//! The forge, the engine or the operator interferes; the pull request ends right all the same.

use insta::assert_snapshot;

use super::{REPO, Scene};
use gatewright_tests::github::{Effect, Fault, HookEffect, HookFault, PullSpec, When};
use gatewright_tests::service::{Service, until};

const ONE_GATE: &str = "image: gatewright-sandbox:local\ngates:\n  tests:\n    run: 'true'\n";

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_is_told_to_stop_hands_its_runs_back_and_the_next_one_finishes_them() {
    let file = "image: gatewright-sandbox:local\ngates:\n  slow:\n    run: sleep 4\n";
    let scene = Scene::with(file, |setting| setting.grace_secs = 0).await;
    let (number, head) = scene.open("topic", "a", "1");
    until("the gate runs", || async {
        scene.github.check_runs(REPO, &head).get("gatewright/slow").is_some_and(|check| check.state() == "in_progress")
    })
    .await;
    let Scene { github, service, setting, _dir } = scene;
    service.stop().await;
    let service = Service::start(&github, &setting).await;
    service.idle(&github).await;
    let check = &github.check_runs(REPO, &head)["gatewright/slow"];
    assert_eq!(check.state(), "success");
    assert!(check.summary.contains("Try 2"), "{}", check.summary);
    assert_eq!(github.all_check_runs(REPO, &head).len(), 2, "no check was made twice");
    assert_eq!(github.bot_comments(REPO, number).len(), 1);
    let attempts: Vec<u32> = service.runs().await.iter().map(|run| run.attempts).collect();
    assert!(attempts.iter().all(|attempts| *attempts <= 1), "a run that was handed back was not tried in vain: {attempts:?}");
    service.stop().await;
    github.assert_valid();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_engine_that_is_down_is_named_in_the_check() {
    let scene = Scene::with(ONE_GATE, |setting| setting.engine = Some("unix:///nowhere/docker.sock".to_owned())).await;
    let (_, head) = scene.open("topic", "a", "1");
    scene.idle().await;
    let check = &scene.github.check_runs(REPO, &head)["gatewright/tests"];
    assert_eq!(check.state(), "failure");
    assert!(check.summary.contains("the container engine is not reachable"), "{}", check.summary);
    scene.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_forge_asks_to_be_written_later_is_written_later_and_once() {
    let scene = Scene::with_file(ONE_GATE).await;
    let limit = |retry_after_secs| Effect::SecondaryLimit { retry_after_secs };
    scene.github.fault(Fault::on("checks/create", limit(1)).when(When::First(2)));
    scene.github.fault(Fault::on("issues/create-comment", limit(1)).once());
    let (number, head) = scene.open("topic", "a", "1");
    scene.idle().await;
    assert_snapshot!(scene.checks(&head), @r"
    gatewright: success (1 gate passed)
    gatewright/tests: success (exit code 0)
    ");
    assert_eq!(scene.github.all_check_runs(REPO, &head).len(), 2);
    assert_eq!(scene.github.bot_comments(REPO, number).len(), 1);
    // Two runs, of the pull request and of its branch, some dozen turns each: while it waits a driver does not spin.
    let turns = scene.service.engine.turns();
    assert!(turns < 200, "{turns} turns");
    scene.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_that_are_lost_after_the_write_double_nothing() {
    let scene = Scene::with_file(ONE_GATE).await;
    for operation in ["checks/create", "issues/create-comment"] {
        scene.github.fault(Fault::on(operation, Effect::BadGatewayAfter).nth(1));
        scene.github.fault(Fault::on(operation, Effect::CutAfter).nth(2));
    }
    let (number, head) = scene.open("topic", "a", "1");
    scene.idle().await;
    assert_eq!(scene.github.all_check_runs(REPO, &head).len(), 2, "{:#?}", scene.github.all_check_runs(REPO, &head));
    assert_eq!(scene.github.bot_comments(REPO, number).len(), 1);
    scene.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn deliveries_out_of_order_leave_the_newest_commit_checked() {
    let scene = Scene::with_file("image: gatewright-sandbox:local\ngates:\n  tests:\n    run: test -f b\n").await;
    scene.idle().await;
    // That the pull request was opened is told after that it got a second commit.
    scene.github.hook_fault(HookFault::on("pull_request.opened", HookEffect::HoldBehind(6)).once());
    let (number, _) = scene.open("topic", "a", "1");
    let newest = scene.github.commit(REPO, "topic", "alice", "another", [("b", "1")]);
    for n in 0..6 {
        scene.github.comment(REPO, number, "alice", &format!("comment {n}"));
    }
    scene.idle().await;
    assert_snapshot!(scene.checks(&newest), @r"
    gatewright: success (1 gate passed)
    gatewright/tests: success (exit code 0)
    ");
    assert!(super::without_times(&scene.comment(number)).starts_with("### Gatewright: 1 gate passed"));
    scene.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_hooks_that_tell_of_one_push_make_one_comment_and_one_verdict() {
    let scene = Scene::with_file(ONE_GATE).await;
    scene.github.hook_fault(HookFault::on("pull_request", HookEffect::TwoHooks));
    let head = scene.github.commit(REPO, "topic", "alice", "a change", [("a", "1")]);
    let number = scene.github.open_pull(REPO, PullSpec::of("alice", "topic"));
    scene.idle().await;
    assert_snapshot!(scene.checks(&head), @r"
    gatewright: success (1 gate passed)
    gatewright/tests: success (exit code 0)
    ");
    assert_eq!(scene.github.bot_comments(REPO, number).len(), 1);
    scene.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn when_the_base_branch_breaks_its_file_the_last_valid_one_stays_in_force() {
    let scene = Scene::with_file(ONE_GATE).await;
    scene.open("first", "a", "1");
    scene.idle().await;
    scene.github.commit(REPO, "main", "alice", "oops", [(".gatewright.yml", "gates: [\n")]);
    scene.github.commit(REPO, "second", "alice", "a change", [(".gatewright.yml", ONE_GATE)]);
    let (number, head) = scene.open("second", "b", "1");
    scene.idle().await;
    assert_snapshot!(scene.checks(&head), @r"
    gatewright: success (1 gate passed)
    gatewright/tests: success (exit code 0)
    ");
    assert!(scene.comment(number).contains("the last valid one is in force"), "{}", scene.comment(number));
    scene.end().await;
}
