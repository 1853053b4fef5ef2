//! A fork's code runs when somebody who may say so has said so, for one commit.

use gatewright_tests::on_every_forge;
use gatewright_tests::stage::{Role, Scene};
use insta::assert_snapshot;

use super::TWO_GATES;

on_every_forge!(
    on this machine:
    a_fork_runs_once_it_is_approved_and_a_push_takes_that_back(TWO_GATES),
    an_approval_names_the_commit_or_means_the_one_that_was_looked_at(TWO_GATES),
    who_may_not_approve_does_not_and_neither_does_the_author(TWO_GATES),
    an_approval_of_somebody_who_lost_the_right_since_is_worth_nothing(TWO_GATES),
);

/// Opens a pull request from mallory's fork. Its number, and its head.
async fn open_from_fork(scene: &Scene) -> (u64, String) {
    let head = scene.forge.commit_to_fork("topic", "mallory", &[("a", "1")]);
    let number = scene.forge.open_from_fork("mallory", "topic");
    scene.idle().await;
    (number, head)
}

async fn a_fork_runs_once_it_is_approved_and_a_push_takes_that_back(scene: Scene) {
    let (number, head) = open_from_fork(&scene).await;
    assert_snapshot!(scene.checks(&head), @"gatewright: action_required");
    let comment = scene.say(number, "wendy", "/gw approve").await;
    assert_eq!(scene.forge.reactions(number, comment), ["eyes", "+1"]);
    assert_snapshot!(scene.checks(&head), @r"
    gatewright: failure
    gatewright/bad: failure
    gatewright/good: success
    ");
    assert!(scene.sticky(number).contains("approved by wendy"), "{}", scene.sticky(number));
    scene.say(number, "wendy", "/gw rerun").await;
    assert_snapshot!(scene.checks(&head), @r"
    gatewright: failure
    gatewright/bad: failure
    gatewright/good: success
    ");
    let next = scene.forge.commit_to_fork("topic", "mallory", &[("a", "2")]);
    scene.idle().await;
    assert_snapshot!(scene.checks(&next), @"gatewright: action_required");
    let comment = scene.say(number, "wendy", "/gw run").await;
    assert_eq!(scene.forge.reactions(number, comment), ["eyes", "confused"]);
    assert_snapshot!(scene.replies(number).join("\n").replace(&next[..7], "NEXT"), @"**run** was not done: this comes from a fork, and NEXT is not approved. Look at it, then write `/gw approve NEXT`.");
    scene.end().await;
}

async fn an_approval_names_the_commit_or_means_the_one_that_was_looked_at(scene: Scene) {
    let (number, head) = open_from_fork(&scene).await;
    let next = scene.forge.commit_to_fork("topic", "mallory", &[("a", "2")]);
    scene.idle().await;
    scene.say(number, "wendy", &format!("/gw approve {}", &head[..10])).await;
    let shown = |text: String| text.replace(&head[..10], "HEAD").replace(&next[..7], "NEXT");
    assert_snapshot!(shown(scene.replies(number).join("\n")), @"**approve HEAD** was not done: the head is NEXT, not HEAD. Look at it, then write `/gw approve NEXT`.");
    scene.say(number, "wendy", "/gw approve main").await;
    assert_snapshot!(shown(scene.replies(number).join("\n")), @"**approve main** was not done: main is not a commit: give at least 7 of its digits, as in `/gw approve NEXT`.");
    scene.say(number, "wendy", &format!("/ok-to-test {}", &next[..7])).await;
    assert_eq!(scene.replies(number), Vec::<String>::new());
    assert_snapshot!(scene.checks(&next), @r"
    gatewright: failure
    gatewright/bad: failure
    gatewright/good: success
    ");
    scene.end().await;
}

async fn who_may_not_approve_does_not_and_neither_does_the_author(scene: Scene) {
    let (number, head) = open_from_fork(&scene).await;
    for user in ["rita", "mallory"] {
        let comment = scene.say(number, user, "/gw approve").await;
        assert_eq!(scene.forge.reactions(number, comment), ["eyes", "confused"], "{user}");
    }
    let comment = scene.say(number, "mallory", "/gw rerun").await;
    assert_eq!(
        scene.forge.reactions(number, comment),
        ["eyes", "confused"],
        "the author may rerun, but not what is not approved"
    );
    assert!(scene.checks(&head).contains("gatewright: action_required") || scene.checks(&head).contains("gatewright: failure"));
    scene.end().await;
}

async fn an_approval_of_somebody_who_lost_the_right_since_is_worth_nothing(scene: Scene) {
    let (number, head) = open_from_fork(&scene).await;
    scene.say(number, "wendy", "/gw approve").await;
    assert!(scene.checks(&head).contains("gatewright/good: success"));
    scene.forge.set_role("wendy", Role::Read);
    scene.say(number, "max", "/gw run").await;
    assert!(scene.sticky(number).contains("waiting for approval"), "{}", scene.sticky(number));
    scene.say(number, "max", "/gw approve").await;
    assert!(scene.sticky(number).contains("approved by max"), "{}", scene.sticky(number));
    scene.end().await;
}
