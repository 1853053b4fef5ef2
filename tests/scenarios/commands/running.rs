//! Running, running again and stopping.

use gatewright_tests::on_every_forge;
use gatewright_tests::service::until;
use gatewright_tests::stage::Scene;
use insta::assert_snapshot;

use super::TWO_GATES;

const SLOW: &str = "image: gatewright-sandbox:local\ngates:\n  slow: { run: sleep 60 }\n";

on_every_forge!(
    on this machine:
    rerun_runs_what_failed_and_what_passed_stands(TWO_GATES),
    run_runs_the_gates_that_it_names_and_test_is_another_word_for_it(TWO_GATES),
    cancel_stops_what_runs_and_says_who_did_it(SLOW),
    there_is_an_answer_where_there_is_nothing_to_do(TWO_GATES),
);

async fn rerun_runs_what_failed_and_what_passed_stands(scene: Scene) {
    let (number, head) = scene.open("topic", "a", "1");
    scene.idle().await;
    scene.say(number, "wendy", "/gw rerun").await;
    assert_snapshot!(scene.checks(&head), @r"
    gatewright: failure
    gatewright/bad: failure
    gatewright/good: success
    ");
    assert_snapshot!(scene.sticky(number), @r"
    ### Gatewright: 1 of 2 gates failed

    | | Gate | Result | Time |
    |---|---|---|---:|
    | ✅ | good | exit code 0 (earlier run) |  |
    | ❌ | bad | exit code 3 | T |
    ");
    let runs = scene.service.runs().await;
    let of_pull = runs.iter().filter(|run| run.title == format!("#{number}")).count();
    assert_eq!(of_pull, 2, "the one that opened it, and the one that ran again");
    scene.end().await;
}

async fn run_runs_the_gates_that_it_names_and_test_is_another_word_for_it(scene: Scene) {
    let (number, _) = scene.open("topic", "a", "1");
    scene.idle().await;
    scene.say(number, "wendy", "/gw run bad").await;
    assert!(scene.sticky(number).contains("| good | exit code 0 (earlier run) |"), "{}", scene.sticky(number));
    scene.say(number, "wendy", "/test good").await;
    assert!(scene.sticky(number).contains("| bad | exit code 3 (earlier run) |"), "{}", scene.sticky(number));
    scene.say(number, "wendy", "/test all").await;
    assert!(!scene.sticky(number).contains("earlier run"), "{}", scene.sticky(number));
    scene.say(number, "wendy", "/gw run god").await;
    assert_snapshot!(scene.replies(number).join("\n"), @"**run god** was not done: there is no gate god. Did you mean `good`?");
    scene.end().await;
}

async fn cancel_stops_what_runs_and_says_who_did_it(scene: Scene) {
    let (number, head) = scene.open("topic", "a", "1");
    until("the gate runs", || async { scene.checks(&head).contains("slow: running") }).await;
    scene.say(number, "wendy", "/gw cancel").await;
    assert_snapshot!(scene.checks(&head), @r"
    gatewright: cancelled
    gatewright/slow: cancelled
    ");
    assert!(scene.sticky(number).contains("stopped by wendy"), "{}", scene.sticky(number));
    scene.end().await;
}

async fn there_is_an_answer_where_there_is_nothing_to_do(scene: Scene) {
    let (number, head) = scene.open("topic", "a", "1");
    scene.idle().await;
    scene.say(number, "max", "/gw cancel\n/gw unhold\n/gw approve\n/gw skip bad\n/gw explain\n/gw run nothing").await;
    assert_snapshot!(scene.replies(number).join("\n").replace(&head[..7], "HEAD"), @r"
    **cancel** was not done: nothing runs here.

    **unhold** was not done: nobody holds this.

    **approve** was not done: this does not come from a fork, so there is nothing to approve.

    **skip bad** was not done: it needs a reason, which is shown on the check: `/gw skip bad REASON`.

    **explain** was not done: it is written `/gw explain GATE`.

    **run nothing** was not done: there is no gate nothing. The gates are `good`, `bad`.
    ");
    scene.forge.close(number, "alice");
    scene.idle().await;
    scene.say(number, "max", "/gw run").await;
    assert_snapshot!(scene.replies(number).join("\n"), @"**run** was not done: it is closed. Reopen it first.");
    scene.end().await;
}
