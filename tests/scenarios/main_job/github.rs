//! What only GitHub has: merge groups, buttons, deliveries that it sends again.

use std::sync::Arc;
use std::time::Duration;

use gatewright_core::Timestamp;
use gatewright_core::store::{RunRecord, RunState};
use gatewright_tests::github::{Effect, Fault, PullSpec};
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
async fn a_merge_group_behind_another_goes_by_the_base_branchs_file_and_not_by_what_the_other_brings() {
    let (stage, scene) = scene("image: gatewright-sandbox:local\ngates:\n  tests:\n    run: 'true'\n").await;
    let own = "image: gatewright-sandbox:local\ngates:\n  smuggled:\n    run: 'true'\n";
    let (first, _) = scene.open("first", ".gatewright.yml", own);
    let (second, _) = scene.open("second", "a", "1");
    scene.idle().await;
    let group = stage.github.enqueue(REPO, first, "alice");
    let behind = stage.github.enqueue_behind(REPO, second, &group, "alice");
    scene.idle().await;
    for group in [group, behind] {
        assert_eq!(scene.shown(&group.head), "gatewright: success (1 gate passed)\ngatewright/tests: success (exit code 0)");
    }
    scene.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_comes_while_github_does_not_take_the_apps_key_waits_in_nobodys_way() {
    let (stage, scene) = scene("image: gatewright-sandbox:local\ngates:\n  tests:\n    run: 'true'\n").await;
    scene.idle().await;
    for target in ["apps/*", "/repos/**"] {
        stage.github.fault(Fault::on(target, Effect::Unauthorized));
    }
    let (number, _) = scene.open("topic", "a", "1");
    let told = || async {
        let runs = scene.service.runs().await;
        let waits = |id| scene.service.engine.waits_of(id).iter().any(|wait| wait.cause.contains("does not let Gatewright in"));
        runs.iter().any(|run| run.subject.ends_with(&format!("/pull/{number}")) && waits(run.id) && is_waiting(run))
    };
    until("the run holds no worker, and says why it waits", told).await;
    // Somebody has mended the key. The next push would be checked in any case, and the run of the one before has not been lost.
    stage.github.clear_faults();
    let head = stage.github.commit(REPO, "topic", "alice", "more", [("a", "2")]);
    scene.idle().await;
    assert_eq!(scene.shown(&head), "gatewright: success (1 gate passed)\ngatewright/tests: success (exit code 0)");
    scene.only_comment(number);
    scene.end().await;
}

fn is_waiting(run: &RunRecord) -> bool {
    matches!(run.state, RunState::Ready { ready_at } if ready_at > Timestamp::now())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_check_whose_details_github_refuses_is_concluded_all_the_same() {
    let file = "image: gatewright-sandbox:local\ngates:\n  tests:\n    run: echo a detail; exit 1\n";
    let (stage, scene) = scene(file).await;
    scene.idle().await;
    // The first change of a check is that of the gate's which says how it ended.
    stage.github.fault(Fault::on("checks/update", Effect::Invalid).once());
    let (_, head) = scene.open("topic", "a", "1");
    scene.idle().await;
    let checks = stage.github.check_runs(REPO, &head);
    let states: Vec<(&str, Option<&str>)> =
        checks.iter().map(|(name, check)| (name.as_str(), check.conclusion.as_deref())).collect();
    assert_eq!(states, [("gatewright", Some("failure")), ("gatewright/tests", Some("failure"))]);
    let plain = checks.values().filter(|check| check.summary.contains("refused to show"));
    assert_eq!(plain.count(), 1, "{checks:?}");
    scene.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_check_of_which_nothing_is_known_any_more_has_its_pull_request_checked_anew() {
    let (stage, scene) = scene("image: gatewright-sandbox:local\ngates:\n  tests:\n    run: 'true'\n").await;
    let (number, head) = scene.open("topic", "a", "1");
    scene.idle().await;
    let before = stage.github.check_runs(REPO, &head);
    // A service whose store is another one, as after a long time, when runs are pruned.
    let scene = scene.forgetful().await;
    stage.github.rerequest(before["gatewright/tests"].id, "alice");
    scene.idle().await;
    assert_ne!(stage.github.check_runs(REPO, &head)["gatewright/tests"].id, before["gatewright/tests"].id);
    scene.only_comment(number);
    scene.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_lists_do_not_show_yet_when_the_service_starts_again_is_not_said_twice() {
    let stage = Arc::new(GitHubStage::start().await);
    let file = "image: gatewright-sandbox:local\ngates:\n  tests:\n    run: 'true'\n";
    let scene = Scene::with(stage.clone(), file, |setting| {
        (setting.grace_secs, setting.uncertain_ms) = (0, 3_000);
    })
    .await;
    scene.idle().await;
    stage.github.set_lists_lag(Duration::from_secs(2));
    // Each is made, and the service is stopped before it hears so.
    for operation in ["issues/create-comment", "checks/create"] {
        stage.github.fault(Fault::on(operation, Effect::HangAfter(Duration::from_secs(60))).once());
    }
    let (number, head) = scene.open("topic", "a", "1");
    let made = || async { stage.github.comments(REPO, number).len() == 1 && !stage.github.check_runs(REPO, &head).is_empty() };
    until("both were made", made).await;
    let scene = scene.restarted(async |_| ()).await;
    scene.idle().await;
    assert_eq!(scene.forge.checks_made(&head), 2, "no check was made twice");
    scene.only_comment(number);
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
