//! One pull request at a time.

use gatewright_tests::on_every_forge;
use gatewright_tests::stage::{Scene, in_containers};
use insta::assert_snapshot;

on_every_forge!(
    a_pull_request_gets_its_gates_checked_and_one_comment(THREE_GATES),
    what_runs_is_said_by_the_base_branch_and_a_broken_file_in_the_change_is_shown_on_its_line(
        "image: gatewright-sandbox:local\ngates:\n  tests:\n    run: echo from the base; exit 1\n"
    ),
    a_newer_push_stops_the_run_that_it_supersedes(
        "image: gatewright-sandbox:local\ngates:\n  slow:\n    run: test -f quick || sleep 50\n"
    ),
    a_closed_pull_request_stops_its_run("image: gatewright-sandbox:local\ngates:\n  slow:\n    run: sleep 50\n"),
    a_fork_does_not_run_until_it_is_approved_and_the_check_says_so(
        "image: gatewright-sandbox:local\ngates:\n  tests:\n    run: 'true'\n"
    ),
    a_gate_that_does_not_apply_is_reported_as_skipped(ONE_FOR_DOCS),
    a_gate_for_pushes_runs_on_the_branch_and_other_pushes_stay_quiet(ONE_FOR_PUSHES),
    every_way_in_which_a_step_can_end_is_named_in_its_check(EVERY_END, in_containers),
);

const THREE_GATES: &str = "\
image: gatewright-sandbox:local
gates:
  tests:
    run: sh test.sh
    junit: report.xml
  lint:
    run: echo untidy; exit 3
  package:
    needs: [tests]
    run: test -f report.xml || test -f test.sh
";

const ONE_FOR_DOCS: &str = "image: gatewright-sandbox:local\ngates:\n  docs:\n    when: { changed: ['docs/**'] }\n    run: 'true'\n  all:\n    run: 'true'\n";

const ONE_FOR_PUSHES: &str =
    "image: gatewright-sandbox:local\ngates:\n  pushed:\n    when: { events: [push], branches: [main] }\n    run: 'true'\n";

const EVERY_END: &str = "\
image: gatewright-sandbox:local
gates:
  slow: { run: sleep 60, timeout: 1s }
  hungry: { run: 'x=a; while :; do x=$x$x; done' }
  image: { run: 'true', image: 'nobody/has-this:1' }
  broken-report: { run: 'echo nonsense > r.xml', junit: r.xml }
  no-report: { run: 'true', junit: 'none/*.xml' }
  full: { run: 'dd if=/dev/zero of=big bs=1M count=500' }
";

/// A test run of the repository's own: two pass, one fails at a line.
const TEST_SH: &str = r#"
cat > report.xml <<'X'
<testsuite name="shop" tests="3" failures="1" time="0.3">
  <testcase classname="cart" name="adds" time="0.1"/>
  <testcase classname="cart" name="removes" time="0.1"/>
  <testcase classname="cart" name="totals" time="0.1" file="src/cart.rs" line="12"><failure message="expected 3, got 4">at src/cart.rs:12</failure></testcase>
</testsuite>
X
exit 1
"#;

async fn a_pull_request_gets_its_gates_checked_and_one_comment(scene: Scene) {
    let lines = "one of twenty\n".repeat(20);
    let head = scene.forge.commit("topic", "alice", &[("test.sh", TEST_SH), ("src/cart.rs", lines.as_str())]);
    let number = scene.forge.open("alice", "topic");
    scene.idle().await;
    assert_snapshot!(scene.shown(&head), @r"
    gatewright: failure (2 of 3 gates failed)
    gatewright/lint: failure (exit code 3)
    gatewright/package: skipped (skipped: it needs `tests`, which did not pass)
    gatewright/tests: failure (exit code 1; 2 passed, 1 failed)
    ");
    assert_snapshot!(scene.only_comment(number), @r"
    ### Gatewright: 2 of 3 gates failed

    | | Gate | Result | Time |
    |---|---|---|---:|
    | ❌ | tests | exit code 1; 2 passed, 1 failed | T |
    | ❌ | lint | exit code 3 | T |
    | ➖ | package | skipped: it needs \`tests\`, which did not pass |  |
    ");
    let remarks = scene.forge.remarks(number, &head);
    assert_eq!(remarks, [("src/cart.rs".to_owned(), 12)], "the failed test is remarked on where it failed");
    let text = scene.forge.text_of(number, &head, "gatewright/tests");
    assert!(text.contains("cart totals") && text.contains("expected 3, got 4"), "{text}");
    assert!(scene.forge.text_of(number, &head, "gatewright/lint").contains("untidy"), "what it printed is shown");
    scene.end().await;
}

async fn what_runs_is_said_by_the_base_branch_and_a_broken_file_in_the_change_is_shown_on_its_line(scene: Scene) {
    let hostile = "image: evil:latest\ngates:\n  tests:\n    run: echo from the head\n    junitt: x.xml\n";
    let (number, head) = scene.open("topic", ".gatewright.yml", hostile);
    scene.idle().await;
    let text = scene.forge.text_of(number, &head, "gatewright/tests");
    assert!(text.contains("from the base"), "{text}");
    assert_eq!(scene.forge.remarks(number, &head), [(".gatewright.yml".to_owned(), 5)]);
    assert_snapshot!(scene.shown(&head), @r"
    gatewright: failure (.gatewright.yml is not valid)
    gatewright/tests: failure (exit code 1)
    ");
    assert_snapshot!(scene.only_comment(number), @r"
    ### Gatewright: .gatewright.yml is not valid

    | | Gate | Result | Time |
    |---|---|---|---:|
    | ❌ | tests | exit code 1 | T |

    The `.gatewright.yml` in this change is not valid; merging it would break the gates of main:

    - line 5:5: unknown key \`junitt\`; did you mean \`junit\`?
    ");
    scene.end().await;
}

async fn a_newer_push_stops_the_run_that_it_supersedes(scene: Scene) {
    let (number, old) = scene.open("topic", "a", "1");
    scene.until_running(&old, "gatewright/slow").await;
    let new = scene.forge.commit("topic", "alice", &[("quick", "")]);
    scene.idle().await;
    assert_snapshot!(scene.shown(&old).replace(&new[..7], "NEW"), @r"
    gatewright: cancelled (stopped: superseded by a newer run at NEW)
    gatewright/slow: cancelled (cancelled)
    ");
    assert_snapshot!(scene.shown(&new), @r"
    gatewright: success (1 gate passed)
    gatewright/slow: success (exit code 0)
    ");
    assert_snapshot!(scene.only_comment(number), @r"
    ### Gatewright: 1 gate passed

    | | Gate | Result | Time |
    |---|---|---|---:|
    | ✅ | slow | exit code 0 | T |
    ");
    scene.end().await;
}

async fn a_closed_pull_request_stops_its_run(scene: Scene) {
    let (number, head) = scene.open("topic", "a", "1");
    scene.until_running(&head, "gatewright/slow").await;
    scene.forge.close(number, "alice");
    scene.idle().await;
    assert_snapshot!(scene.shown(&head), @r"
    gatewright: cancelled (stopped: it was closed)
    gatewright/slow: cancelled (cancelled)
    ");
    scene.end().await;
}

async fn a_fork_does_not_run_until_it_is_approved_and_the_check_says_so(scene: Scene) {
    let head = scene.forge.commit_to_fork("topic", "mallory", &[("a", "1")]);
    let number = scene.forge.open_from_fork("mallory", "topic");
    scene.idle().await;
    assert_snapshot!(scene.shown(&head), @"gatewright: action_required (waiting for approval: this comes from a fork)");
    assert_snapshot!(scene.only_comment(number).replace(&head[..7], "HEAD"), @r"
    ### Gatewright: waiting for approval: this comes from a fork

    This change comes from a fork. Its code does not run here until somebody who may write to the repository has looked at it and comments `/gw approve HEAD`. A push takes that back.
    ");
    scene.end().await;
}

async fn a_gate_that_does_not_apply_is_reported_as_skipped(scene: Scene) {
    let (_, head) = scene.open("topic", "src/a.rs", "1");
    scene.idle().await;
    assert_snapshot!(scene.shown(&head), @r"
    gatewright: success (1 gate passed)
    gatewright/all: success (exit code 0)
    gatewright/docs: skipped (skipped: no changed file matches `docs/**`)
    ");
    scene.end().await;
}

async fn a_gate_for_pushes_runs_on_the_branch_and_other_pushes_stay_quiet(scene: Scene) {
    let on_main = scene.forge.commit("main", "alice", &[("a", "1")]);
    let on_topic = scene.forge.commit("topic", "alice", &[("b", "1")]);
    scene.idle().await;
    assert_snapshot!(scene.shown(&on_main), @r"
    gatewright (push): success (1 gate passed)
    gatewright/pushed (push): success (exit code 0)
    ");
    assert_eq!(scene.shown(&on_topic), "");
    scene.end().await;
}

async fn every_way_in_which_a_step_can_end_is_named_in_its_check(scene: Scene) {
    let (_, head) = scene.open("topic", "a", "1");
    scene.idle().await;
    assert_snapshot!(scene.shown(&head), @r"
    gatewright: failure (6 of 6 gates failed)
    gatewright/broken-report: failure (a report cannot be read)
    gatewright/full: failure (the workspace's disk was full; exit code 1)
    gatewright/hungry: failure (out of memory (256 MiB))
    gatewright/image: failure (not started: the image `nobody/has-this:1` is not available: it is not on the engine, and this service is configured to pull none)
    gatewright/no-report: failure (no test report)
    gatewright/slow: timed_out (timed out after 1 s)
    ");
    scene.end().await;
}
