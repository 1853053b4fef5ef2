//! The forge, the engine or the operator interferes; the pull request ends right all the same.

use gatewright_tests::github::{Effect, HookEffect, When};
use gatewright_tests::on_every_forge;
use gatewright_tests::stage::{Scene, Told, Written, in_containers};
use insta::assert_snapshot;

const ONE_GATE: &str = "image: gatewright-sandbox:local\ngates:\n  tests:\n    run: 'true'\n";

on_every_forge!(
    a_service_that_is_told_to_stop_hands_its_runs_back_and_the_next_one_finishes_them(
        "image: gatewright-sandbox:local\ngates:\n  slow:\n    run: sleep 4; exit 1\n",
        |setting| setting.grace_secs = 0
    ),
    an_engine_that_is_down_is_named_in_the_check(ONE_GATE, |setting| {
        in_containers(setting);
        setting.engine = Some("unix:///nowhere/docker.sock".to_owned());
    }),
    what_the_forge_asks_to_be_written_later_is_written_later_and_once(ONE_GATE),
    answers_that_are_lost_after_the_write_double_nothing(ONE_GATE),
    deliveries_out_of_order_leave_the_newest_commit_checked(
        "image: gatewright-sandbox:local\ngates:\n  tests:\n    run: test -f b\n"
    ),
    two_hooks_that_tell_of_one_push_make_one_comment_and_one_verdict(ONE_GATE),
    when_the_base_branch_breaks_its_file_the_last_valid_one_stays_in_force(ONE_GATE),
);

async fn a_service_that_is_told_to_stop_hands_its_runs_back_and_the_next_one_finishes_them(scene: Scene) {
    let (number, head) = scene.open("topic", "a", "1");
    scene.until_running(&head, "gatewright/slow").await;
    let scene = scene.restarted(async |_| ()).await;
    scene.idle().await;
    assert_eq!(scene.forge.checks(&head)["gatewright/slow"], "failure");
    let text = scene.forge.text_of(number, &head, "gatewright/slow");
    assert!(text.contains("Try 2"), "{text}");
    assert_eq!(scene.forge.checks_made(&head), 2, "no check was made twice");
    scene.only_comment(number);
    let attempts: Vec<u32> = scene.service.runs().await.iter().map(|run| run.attempts).collect();
    assert!(attempts.iter().all(|attempts| *attempts <= 1), "a run that was handed back was not tried in vain: {attempts:?}");
    scene.end().await;
}

async fn an_engine_that_is_down_is_named_in_the_check(scene: Scene) {
    let (number, head) = scene.open("topic", "a", "1");
    scene.idle().await;
    assert_eq!(scene.forge.checks(&head)["gatewright/tests"], "failure");
    let text = scene.forge.text_of(number, &head, "gatewright/tests");
    assert!(text.contains("the container engine is not reachable"), "{text}");
    scene.end().await;
}

async fn what_the_forge_asks_to_be_written_later_is_written_later_and_once(scene: Scene) {
    let limit = |retry_after_secs| Effect::SecondaryLimit { retry_after_secs };
    scene.forge.fault(Written::Check, limit(1), When::First(2));
    scene.forge.fault(Written::Comment, limit(1), When::Nth(1));
    let (number, head) = scene.open("topic", "a", "1");
    scene.idle().await;
    assert_snapshot!(scene.shown(&head), @r"
    gatewright: success (1 gate passed)
    gatewright/tests: success (exit code 0)
    ");
    assert_eq!(scene.forge.checks_made(&head), 2);
    scene.only_comment(number);
    // Two runs, of the pull request and of its branch, some dozen turns each: while it waits a driver does not spin.
    let turns = scene.service.engine.turns();
    assert!(turns < 200, "{turns} turns");
    scene.end().await;
}

async fn answers_that_are_lost_after_the_write_double_nothing(scene: Scene) {
    for written in [Written::Check, Written::Comment] {
        scene.forge.fault(written, Effect::BadGatewayAfter, When::Nth(1));
        scene.forge.fault(written, Effect::CutAfter, When::Nth(2));
    }
    let (number, head) = scene.open("topic", "a", "1");
    scene.idle().await;
    assert_eq!(scene.forge.checks_made(&head), 2);
    scene.only_comment(number);
    scene.end().await;
}

async fn deliveries_out_of_order_leave_the_newest_commit_checked(scene: Scene) {
    scene.idle().await;
    // That the pull request was opened is told after that it got a second commit.
    scene.forge.hook_fault(Told::OfOpening, HookEffect::HoldBehind(6), When::Nth(1));
    let (number, _) = scene.open("topic", "a", "1");
    let newest = scene.forge.commit("topic", "alice", &[("b", "1")]);
    for n in 0..6 {
        scene.forge.comment(number, "alice", &format!("comment {n}"));
    }
    scene.idle().await;
    assert_snapshot!(scene.shown(&newest), @r"
    gatewright: success (1 gate passed)
    gatewright/tests: success (exit code 0)
    ");
    assert!(scene.only_comment(number).starts_with("### Gatewright: 1 gate passed"));
    scene.end().await;
}

async fn two_hooks_that_tell_of_one_push_make_one_comment_and_one_verdict(scene: Scene) {
    scene.forge.hook_fault(Told::OfPull, HookEffect::TwoHooks, When::Always);
    let head = scene.forge.commit("topic", "alice", &[("a", "1")]);
    let number = scene.forge.open("alice", "topic");
    scene.idle().await;
    assert_snapshot!(scene.shown(&head), @r"
    gatewright: success (1 gate passed)
    gatewright/tests: success (exit code 0)
    ");
    scene.only_comment(number);
    scene.end().await;
}

async fn when_the_base_branch_breaks_its_file_the_last_valid_one_stays_in_force(scene: Scene) {
    scene.open("first", "a", "1");
    scene.idle().await;
    scene.forge.commit("main", "alice", &[(".gatewright.yml", "gates: [\n")]);
    scene.forge.commit("second", "alice", &[(".gatewright.yml", ONE_GATE)]);
    let (number, head) = scene.open("second", "b", "1");
    scene.idle().await;
    assert_snapshot!(scene.shown(&head), @r"
    gatewright: success (1 gate passed)
    gatewright/tests: success (exit code 0)
    ");
    assert!(scene.only_comment(number).contains("the last valid one is in force"), "{}", scene.only_comment(number));
    scene.end().await;
}
