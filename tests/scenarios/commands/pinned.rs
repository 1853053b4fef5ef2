//! What is said holds for what was looked at, by whom it was said, and for no longer than it may.

use gatewright_tests::github::{HookEffect, When};
use gatewright_tests::on_every_forge;
use gatewright_tests::stage::{GitLabStage, REPO, Role, Scene, Told};
use insta::assert_snapshot;

use super::{TWO_GATES, on_github};

/// The second needs the first, which fails.
const CHAIN: &str = "\
image: gatewright-sandbox:local
gates:
  build: { run: exit 1 }
  tests: { run: exit 2, needs: [build] }
  lint: { run: 'true' }
";

const QUICK: &str = "image: gatewright-sandbox:local\ngates:\n  good: { run: 'true' }\n";

on_every_forge!(
    on this machine:
    a_gate_that_never_ran_since_another_failed_runs_once_that_one_is_skipped(CHAIN),
    a_gate_that_never_ran_does_not_count_as_passed_when_the_one_that_it_needs_is_run_again(CHAIN),
    a_skip_that_was_said_before_a_push_is_not_of_the_commit_that_was_pushed(TWO_GATES),
    an_approval_does_not_follow_a_push_back_to_an_earlier_commit(TWO_GATES),
    a_skip_of_somebody_who_may_no_longer_skip_counts_for_nothing(TWO_GATES),
    a_hold_is_in_force_even_if_somebody_cancels_at_once(QUICK),
    a_hold_that_crosses_with_a_push_holds_what_was_pushed(QUICK),
    a_comment_of_which_two_webhooks_tell_is_obeyed_once(TWO_GATES),
);

async fn a_gate_that_never_ran_since_another_failed_runs_once_that_one_is_skipped(scene: Scene) {
    let (number, head) = scene.open("topic", "a", "1");
    scene.idle().await;
    assert_eq!(scene.forge.checks(&head)["gatewright/tests"], "skipped");
    scene.say(number, "max", "/gw skip build the registry is down").await;
    assert_snapshot!(scene.checks(&head), @r"
    gatewright: failure
    gatewright/build: neutral
    gatewright/lint: success
    gatewright/tests: failure
    ");
    scene.end().await;
}

async fn a_gate_that_never_ran_does_not_count_as_passed_when_the_one_that_it_needs_is_run_again(scene: Scene) {
    // The base branch's file changes under the pull request: the first gate passes now, and only that is asked for.
    let (number, head) = scene.open("topic", "a", "1");
    scene.idle().await;
    let fixed = CHAIN.replace("build: { run: exit 1 }", "build: { run: 'true' }");
    scene.forge.commit("main", "alice", &[(".gatewright.yml", fixed.as_str())]);
    scene.say(number, "wendy", "/gw run build").await;
    assert_snapshot!(scene.checks(&head), @r"
    gatewright: failure
    gatewright/build: success
    gatewright/lint: success
    gatewright/tests: failure
    ");
    scene.end().await;
}

/// Has the delivery of the next comment arrive after those of what comes next.
fn late(scene: &Scene) {
    scene.forge.hook_fault(Told::OfComment, HookEffect::HoldBehind(1), When::Nth(1));
}

async fn a_skip_that_was_said_before_a_push_is_not_of_the_commit_that_was_pushed(scene: Scene) {
    let (number, _) = scene.open("topic", "a", "1");
    scene.idle().await;
    scene.forge.advance(2);
    late(&scene);
    let comment = scene.forge.comment(number, "max", "/gw skip bad it is only flaky");
    scene.forge.advance(2);
    let next = scene.forge.commit("topic", "alice", &[("a", "2")]);
    scene.idle().await;
    assert_eq!(scene.forge.reactions(number, comment), ["eyes", "confused"]);
    assert_eq!(scene.forge.checks(&next)["gatewright/bad"], "failure");
    assert!(scene.replies(number)[0].contains(&format!("the head is {} now", &next[..7])), "{:?}", scene.replies(number));
    scene.end().await;
}

async fn an_approval_does_not_follow_a_push_back_to_an_earlier_commit(scene: Scene) {
    let evil = scene.forge.commit_to_fork("topic", "mallory", &[("a", "evil")]);
    let number = scene.forge.open_from_fork("mallory", "topic");
    scene.idle().await;
    scene.forge.advance(2);
    let nice = scene.forge.commit_to_fork("topic", "mallory", &[("a", "nice")]);
    scene.idle().await;
    scene.forge.advance(2);
    late(&scene);
    scene.forge.comment(number, "wendy", "/gw approve");
    scene.forge.advance(2);
    scene.forge.force_push_to_fork("topic", "mallory", &evil);
    scene.idle().await;
    for commit in [&evil, &nice] {
        assert!(!scene.checks(commit).contains("good"), "no code of the fork ran: {}", scene.checks(commit));
    }
    scene.end().await;
}

async fn a_skip_of_somebody_who_may_no_longer_skip_counts_for_nothing(scene: Scene) {
    let (number, head) = scene.open("topic", "a", "1");
    scene.idle().await;
    scene.say(number, "max", "/gw skip bad flaky").await;
    assert_eq!(scene.forge.checks(&head)["gatewright"], "success");
    scene.forge.set_role("max", Role::Read);
    scene.say(number, "wendy", "/gw run good").await;
    assert_eq!(scene.forge.checks(&head)["gatewright"], "failure");
    scene.end().await;
}

async fn a_hold_is_in_force_even_if_somebody_cancels_at_once(scene: Scene) {
    for n in 0..4 {
        let (number, head) = scene.open(&format!("topic-{n}"), "a", &n.to_string());
        scene.idle().await;
        scene.forge.comment(number, "wendy", "/gw hold");
        scene.forge.comment(number, "alice", "/gw cancel");
        scene.idle().await;
        assert_ne!(scene.forge.checks(&head)["gatewright"], "success", "{}", scene.sticky(number));
    }
    scene.end().await;
}

async fn a_hold_that_crosses_with_a_push_holds_what_was_pushed(scene: Scene) {
    for n in 0..4 {
        let branch = format!("topic-{n}");
        let (number, _) = scene.open(&branch, "a", &n.to_string());
        scene.idle().await;
        scene.forge.comment(number, "wendy", "/gw hold");
        let next = scene.forge.commit(&branch, "alice", &[("b", "1")]);
        scene.idle().await;
        assert_eq!(scene.forge.checks(&next)["gatewright"], "action_required", "{}", scene.sticky(number));
    }
    scene.end().await;
}

async fn a_comment_of_which_two_webhooks_tell_is_obeyed_once(scene: Scene) {
    let (number, _) = scene.open("topic", "a", "1");
    scene.idle().await;
    scene.forge.hook_fault(Told::OfComment, HookEffect::TwoHooks, When::Always);
    let comment = scene.say(number, "wendy", "/gw rerun").await;
    assert_eq!(scene.forge.reactions(number, comment), ["eyes", "+1"]);
    assert_eq!(scene.audit().await.len(), 1, "{:#?}", scene.audit().await);
    scene.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn verdicts_for_one_base_branch_do_not_stand_for_another() {
    let (stage, scene) = on_github(QUICK).await;
    let weak = "image: gatewright-sandbox:local\ngates:\n  good: { run: 'true' }\n  bad: { run: 'true' }\n";
    scene.forge.commit("weak", "alice", &[(".gatewright.yml", weak)]);
    scene.forge.commit("main", "alice", &[(".gatewright.yml", TWO_GATES)]);
    let (number, head) = scene.open("topic", "a", "1");
    scene.idle().await;
    stage.github.retarget_pull(REPO, number, "weak", "alice");
    scene.idle().await;
    assert_eq!(scene.forge.checks(&head)["gatewright"], "success");
    let of_weak = stage.github.check_runs(REPO, &head)["gatewright/good"].id;
    // The delivery that tells of the way back is late, and a reader asks for something meanwhile.
    stage.github.hook_fault(gatewright_tests::github::HookFault::on("pull_request", HookEffect::HoldBehind(1)).once());
    stage.github.retarget_pull(REPO, number, "main", "alice");
    scene.say(number, "rita", "/gw status").await;
    assert_eq!(scene.forge.checks(&head)["gatewright"], "failure");
    stage.github.rerequest(of_weak, "alice");
    scene.idle().await;
    assert_eq!(scene.forge.checks(&head)["gatewright"], "failure");
    scene.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_button_on_an_earlier_commits_check_skips_nothing_at_the_head() {
    let (stage, scene) = on_github(TWO_GATES).await;
    let (number, head) = scene.open("topic", "a", "1");
    scene.idle().await;
    let earlier = stage.github.check_runs(REPO, &head)["gatewright/bad"].id;
    let next = scene.forge.commit("topic", "alice", &[("a", "2")]);
    scene.idle().await;
    stage.github.press_button(earlier, "skip", "max");
    scene.idle().await;
    assert_eq!(scene.forge.checks(&next)["gatewright/bad"], "failure", "{:?}", scene.replies(number));
    scene.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hold_reaches_the_merge_group_that_is_being_checked() {
    let (stage, scene) = on_github("image: gatewright-sandbox:local\ngates:\n  slow: { run: test -f quick && sleep 4 }\n").await;
    let (number, head) = scene.open("topic", "quick", "1");
    scene.idle().await;
    assert_eq!(scene.forge.checks(&head)["gatewright"], "success");
    let group = stage.github.enqueue(REPO, number, "alice");
    scene.until_running(&group.head, "gatewright/slow").await;
    scene.say(number, "wendy", "/gw hold").await;
    assert_eq!(scene.forge.checks(&group.head)["gatewright"], "action_required");
    assert_eq!(scene.forge.checks(&head)["gatewright"], "action_required");
    scene.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_knows_gitlabs_webhook_token_cannot_speak_for_others() {
    let stage = std::sync::Arc::new(GitLabStage::start().await);
    let scene = Scene::with_file(stage.clone(), QUICK).await;
    let (number, head) = scene.open("topic", "a", "1");
    scene.idle().await;
    scene.say(number, "ada", "Looks good to me.").await;
    let deliveries = stage.gitlab.deliveries();
    let real = deliveries.iter().rfind(|delivery| delivery.name() == "note.create").expect("the note was told of");
    let mut forged = real.payload();
    forged["object_attributes"]["note"] = "/gw hold".into();
    let sent = reqwest::Client::new()
        .post(format!("{}/webhooks/gitlab", scene.service.url))
        .header("X-Gitlab-Event", "Note Hook")
        .header("X-Gitlab-Token", gatewright_tests::service::WEBHOOK_SECRET)
        .header("X-Gitlab-Event-UUID", "0b1a0e4e-0000-4000-8000-000000000000")
        .json(&forged)
        .send();
    assert_eq!(sent.await.expect("it answers").status(), 202);
    scene.idle().await;
    assert_eq!(scene.forge.checks(&head)["gatewright"], "success");
    let audit = scene.audit().await;
    assert!(audit.len() == 1 && audit[0].contains("refused"), "{audit:#?}");
    scene.end().await;
}
