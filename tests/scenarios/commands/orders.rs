//! What stands once it was said: a skipped gate, a held pull request.

use gatewright_tests::on_every_forge;
use gatewright_tests::stage::Scene;
use insta::assert_snapshot;

use super::TWO_GATES;

/// Its gate runs until the commit holds a file.
const WAITING: &str = "image: gatewright-sandbox:local\ngates:\n  waits: { run: test -f quick || sleep 3 }\n";

on_every_forge!(
    on this machine:
    a_skipped_gate_counts_as_passed_at_this_commit_only_and_the_check_says_who_and_why(TWO_GATES),
    a_held_pull_request_does_not_pass_whatever_is_pushed_until_it_is_let_go(TWO_GATES),
    what_is_said_while_gates_run_takes_effect_in_the_same_run(WAITING),
);

async fn a_skipped_gate_counts_as_passed_at_this_commit_only_and_the_check_says_who_and_why(scene: Scene) {
    let (number, head) = scene.open("topic", "a", "1");
    scene.idle().await;
    let comment = scene.say(number, "max", "/gw skip bad \"known since friday\" see @team #1").await;
    assert_eq!(scene.forge.reactions(number, comment), ["eyes", "+1"]);
    assert_snapshot!(scene.checks(&head), @r"
    gatewright: success
    gatewright/bad: neutral
    gatewright/good: success
    ");
    assert_snapshot!(scene.sticky(number).replace(&head[..7], "HEAD"), @r"
    ### Gatewright: 1 gate passed, 1 skipped by hand

    | | Gate | Result | Time |
    |---|---|---|---:|
    | ✅ | good | exit code 0 (earlier run) |  |
    | ⏭️ | bad | skipped by max; it said: exit code 3 (earlier run) |  |

    Gate bad counts as passed at HEAD, by max: known since friday see &#64;team &#35;1
    ");
    let next = scene.forge.commit("topic", "alice", &[("a", "2")]);
    scene.idle().await;
    assert_snapshot!(scene.checks(&next), @r"
    gatewright: failure
    gatewright/bad: failure
    gatewright/good: success
    ");
    scene.end().await;
}

async fn a_held_pull_request_does_not_pass_whatever_is_pushed_until_it_is_let_go(scene: Scene) {
    scene.forge.commit(
        "main",
        "alice",
        &[(".gatewright.yml", "image: gatewright-sandbox:local\ngates:\n  good: { run: 'true' }\n")],
    );
    let (number, head) = scene.open("topic", "a", "1");
    scene.idle().await;
    scene.say(number, "wendy", "/gw hold not before friday").await;
    assert_snapshot!(scene.checks(&head), @r"
    gatewright: action_required
    gatewright/good: success
    ");
    let next = scene.forge.commit("topic", "alice", &[("a", "2")]);
    scene.idle().await;
    assert_snapshot!(scene.sticky(number), @r"
    ### Gatewright: held by wendy; 1 gate passed

    | | Gate | Result | Time |
    |---|---|---|---:|
    | ✅ | good | exit code 0 | T |

    Held by wendy: not before friday. It is not to be merged until somebody comments `/gw unhold`.
    ");
    scene.say(number, "wendy", "/gw unhold").await;
    assert_snapshot!(scene.checks(&next), @r"
    gatewright: success
    gatewright/good: success
    ");
    scene.end().await;
}

async fn what_is_said_while_gates_run_takes_effect_in_the_same_run(scene: Scene) {
    let (number, head) = scene.open("topic", "a", "1");
    gatewright_tests::service::until("the gate runs", || async { scene.checks(&head).contains("waits: running") }).await;
    scene.say(number, "wendy", "/gw hold").await;
    assert!(scene.sticky(number).contains("Held by wendy"), "{}", scene.sticky(number));
    assert!(scene.sticky(number).contains("exit code 0"), "{}", scene.sticky(number));
    let runs = scene.service.runs().await;
    assert_eq!(runs.iter().filter(|run| run.title == format!("#{number}")).count(), 1, "no second run was needed");
    scene.end().await;
}
