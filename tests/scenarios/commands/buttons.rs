//! The buttons on checks are commands by another hand: the same people may, and the same log tells of them.

use gatewright_tests::github::PullSpec;
use gatewright_tests::stage::REPO;
use insta::assert_snapshot;

use super::{TWO_GATES, on_github};

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_gate_can_be_explained_and_skipped_by_who_may() {
    let (stage, scene) = on_github(TWO_GATES).await;
    let (number, head) = scene.open("topic", "a", "1");
    scene.idle().await;
    let check = stage.github.check_runs(REPO, &head)["gatewright/bad"].clone();
    assert_eq!(check.buttons, ["explain", "skip"]);
    stage.github.press_button(check.id, "explain", "wendy");
    scene.idle().await;
    assert!(scene.sticky(number).contains("wendy asked: explain bad"), "{}", scene.sticky(number));
    stage.github.press_button(check.id, "skip", "wendy");
    scene.idle().await;
    assert_snapshot!(scene.replies(number).join("\n"), @r#"**skip bad "by the button on the check, wendy"** was not done: wendy may not give this command: it is for those who maintain the repository."#);
    stage.github.press_button(check.id, "skip", "max");
    scene.idle().await;
    assert_snapshot!(scene.checks(&head), @r"
    gatewright: success
    gatewright/bad: neutral
    gatewright/good: success
    ");
    assert_eq!(stage.github.all_check_runs(REPO, &head).len(), 3, "the checks that were there show it");
    scene.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_held_pull_request_is_held_in_the_merge_queue_too() {
    let (stage, scene) = on_github("image: gatewright-sandbox:local\ngates:\n  good: { run: 'true' }\n").await;
    let head = scene.forge.commit("topic", "alice", &[("a", "1")]);
    let number = stage.github.open_pull(REPO, PullSpec::of("alice", "topic"));
    scene.idle().await;
    scene.say(number, "wendy", "/gw hold").await;
    let group = stage.github.enqueue(REPO, number, "alice");
    scene.idle().await;
    assert!(scene.checks(&head).contains("gatewright: action_required"), "{}", scene.checks(&head));
    assert!(scene.checks(&group.head).contains("gatewright: action_required"), "{}", scene.checks(&group.head));
    scene.end().await;
}
