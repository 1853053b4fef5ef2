//! One pull request at a time.

use insta::assert_snapshot;

use super::{REPO, Scene, without_times};
use gatewright_tests::github::PullSpec;

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

#[tokio::test(flavor = "multi_thread")]
async fn a_pull_request_gets_its_gates_checked_and_one_comment() {
    let scene = Scene::with_file(THREE_GATES).await;
    let (number, head) = scene.open("topic", "test.sh", TEST_SH);
    scene.idle().await;
    assert_snapshot!(scene.checks(&head), @r"
    gatewright: failure (2 of 3 gates failed)
    gatewright/lint: failure (exit code 3)
    gatewright/package: skipped (skipped: it needs `tests`, which did not pass)
    gatewright/tests: failure (exit code 1; 2 passed, 1 failed)
    ");
    assert_snapshot!(without_times(&scene.comment(number)), @r"
    ### Gatewright: 2 of 3 gates failed

    | | Gate | Result | Time |
    |---|---|---|---:|
    | ❌ | tests | exit code 1; 2 passed, 1 failed | T |
    | ❌ | lint | exit code 3 | T |
    | ➖ | package | skipped: it needs \`tests\`, which did not pass |  |
    ");
    let annotation = &scene.github.check_runs(REPO, &head)["gatewright/tests"].annotations[0];
    assert_eq!(annotation["path"], "src/cart.rs");
    assert_eq!(annotation["start_line"], 12);
    scene.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_runs_is_said_by_the_base_branch_and_a_broken_file_in_the_change_is_shown_on_its_line() {
    let scene = Scene::with_file("image: gatewright-sandbox:local\ngates:\n  tests:\n    run: echo from the base\n").await;
    let hostile = "image: evil:latest\ngates:\n  tests:\n    run: echo from the head\n    junitt: x.xml\n";
    let (number, head) = scene.open("topic", ".gatewright.yml", hostile);
    scene.idle().await;
    let checks = scene.github.check_runs(REPO, &head);
    assert!(checks["gatewright/tests"].summary.contains("from the base"), "{:#?}", checks["gatewright/tests"]);
    let annotation = &checks["gatewright"].annotations[0];
    assert_eq!((annotation["path"].as_str(), annotation["start_line"].as_u64()), (Some(".gatewright.yml"), Some(5)));
    assert_snapshot!(scene.checks(&head), @r"
    gatewright: failure (.gatewright.yml is not valid)
    gatewright/tests: success (exit code 0)
    ");
    assert_snapshot!(without_times(&scene.comment(number)), @r"
    ### Gatewright: .gatewright.yml is not valid

    | | Gate | Result | Time |
    |---|---|---|---:|
    | ✅ | tests | exit code 0 | T |

    The `.gatewright.yml` in this change is not valid; merging it would break the gates of main:

    - line 5:5: unknown key \`junitt\`; did you mean \`junit\`?
    ");
    scene.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_newer_push_stops_the_run_that_it_supersedes() {
    let scene = Scene::with_file("image: gatewright-sandbox:local\ngates:\n  slow:\n    run: test -f quick || sleep 50\n").await;
    let (number, old) = scene.open("topic", "a", "1");
    gatewright_tests::service::until("the first run is under way", || async {
        scene.github.check_runs(REPO, &old).get("gatewright/slow").is_some_and(|check| check.state() == "in_progress")
    })
    .await;
    let new = scene.github.commit(REPO, "topic", "alice", "quick now", [("quick", "")]);
    scene.idle().await;
    assert_snapshot!(scene.checks(&old).replace(&new[..7], "NEW"), @r"
    gatewright: cancelled (stopped: superseded by a newer run at NEW)
    gatewright/slow: cancelled (cancelled)
    ");
    assert_snapshot!(scene.checks(&new), @r"
    gatewright: success (1 gate passed)
    gatewright/slow: success (exit code 0)
    ");
    assert_snapshot!(without_times(&scene.comment(number)), @r"
    ### Gatewright: 1 gate passed

    | | Gate | Result | Time |
    |---|---|---|---:|
    | ✅ | slow | exit code 0 | T |
    ");
    scene.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_closed_pull_request_stops_its_run() {
    let scene = Scene::with_file("image: gatewright-sandbox:local\ngates:\n  slow:\n    run: sleep 50\n").await;
    let (number, head) = scene.open("topic", "a", "1");
    gatewright_tests::service::until("the run is under way", || async {
        scene.github.check_runs(REPO, &head).get("gatewright/slow").is_some_and(|check| check.state() == "in_progress")
    })
    .await;
    scene.github.close_pull(REPO, number, "alice");
    scene.idle().await;
    let check = &scene.github.check_runs(REPO, &head)["gatewright/slow"];
    assert!(check.summary.contains("the pull request was closed"), "{}", check.summary);
    assert_snapshot!(scene.checks(&head), @r"
    gatewright: cancelled (stopped: the pull request was closed)
    gatewright/slow: cancelled (cancelled)
    ");
    scene.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fork_does_not_run_until_it_is_approved_and_the_check_says_so() {
    let scene = Scene::with_file("image: gatewright-sandbox:local\ngates:\n  tests:\n    run: 'true'\n").await;
    let fork = scene.github.fork(REPO, "mallory");
    let head = scene.github.commit(&fork, "topic", "mallory", "a change", [("a", "1")]);
    let number = scene.github.open_pull(REPO, PullSpec::of("mallory", "topic").from_fork(&fork));
    scene.idle().await;
    assert_snapshot!(scene.checks(&head), @"gatewright: action_required (waiting for approval: this comes from a fork)");
    assert_snapshot!(scene.comment(number).replace(&head[..7], "HEAD"), @r"
    ### Gatewright: waiting for approval: this comes from a fork

    This pull request comes from a fork. Its code does not run here until somebody who may write to the repository has looked at it and comments `/gw approve HEAD`. A push takes that back.
    ");
    scene.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gate_that_does_not_apply_is_reported_as_skipped() {
    let file = "image: gatewright-sandbox:local\ngates:\n  docs:\n    when: { changed: ['docs/**'] }\n    run: 'true'\n  all:\n    run: 'true'\n";
    let scene = Scene::with_file(file).await;
    let (_, head) = scene.open("topic", "src/a.rs", "1");
    scene.idle().await;
    assert_snapshot!(scene.checks(&head), @r"
    gatewright: success (1 gate passed)
    gatewright/all: success (exit code 0)
    gatewright/docs: skipped (skipped: no changed file matches `docs/**`)
    ");
    scene.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_merge_group_gets_real_checks_on_its_own_commit() {
    let scene = Scene::with_file("image: gatewright-sandbox:local\ngates:\n  tests:\n    run: test -f a\n").await;
    let (number, _) = scene.open("topic", "a", "1");
    scene.idle().await;
    let group = scene.github.enqueue(REPO, number, "alice");
    scene.idle().await;
    assert_snapshot!(scene.checks(&group.head), @r"
    gatewright: success (1 gate passed)
    gatewright/tests: success (exit code 0)
    ");
    scene.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gate_for_pushes_runs_on_the_branch_and_other_pushes_stay_quiet() {
    let file =
        "image: gatewright-sandbox:local\ngates:\n  pushed:\n    when: { events: [push], branches: [main] }\n    run: 'true'\n";
    let scene = Scene::with_file(file).await;
    let on_main = scene.github.commit(REPO, "main", "alice", "a change", [("a", "1")]);
    let on_topic = scene.github.commit(REPO, "topic", "alice", "a change", [("b", "1")]);
    scene.idle().await;
    assert_snapshot!(scene.checks(&on_main), @r"
    gatewright (push): success (1 gate passed)
    gatewright/pushed (push): success (exit code 0)
    ");
    assert_eq!(scene.checks(&on_topic), "");
    scene.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_failed_gates_can_be_run_again_by_a_button_and_one_check_by_its_own() {
    // Passes from its second run on: the sandbox starts afresh each time, so the repository has to change its mind.
    let file = "image: gatewright-sandbox:local\ngates:\n  good:\n    run: 'true'\n  bad:\n    run: 'false'\n";
    let scene = Scene::with_file(file).await;
    let (number, head) = scene.open("topic", "a", "1");
    scene.idle().await;
    let before = scene.github.check_runs(REPO, &head);
    scene.github.press_button(before["gatewright"].id, "rerun-failed", "alice");
    scene.idle().await;
    let after = scene.github.check_runs(REPO, &head);
    assert_eq!(after["gatewright/good"].id, before["gatewright/good"].id, "what passed stands");
    assert_ne!(after["gatewright/bad"].id, before["gatewright/bad"].id, "what failed ran again");
    assert_snapshot!(without_times(&scene.comment(number)), @r"
    ### Gatewright: 1 of 2 gates failed

    | | Gate | Result | Time |
    |---|---|---|---:|
    | ✅ | good | exit code 0 (earlier run) |  |
    | ❌ | bad | exit code 1 | T |
    ");
    scene.github.rerequest(after["gatewright/good"].id, "alice");
    scene.idle().await;
    assert_ne!(scene.github.check_runs(REPO, &head)["gatewright/good"].id, before["gatewright/good"].id);
    scene.github.rerequest_all(REPO, &head, "alice");
    scene.idle().await;
    assert_snapshot!(scene.checks(&head), @r"
    gatewright: failure (1 of 2 gates failed)
    gatewright/bad: failure (exit code 1)
    gatewright/good: success (exit code 0)
    ");
    assert_eq!(scene.github.bot_comments(REPO, number).len(), 1);
    scene.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_way_in_which_a_step_can_end_is_named_in_its_check() {
    let file = "\
image: gatewright-sandbox:local
gates:
  slow: { run: sleep 60, timeout: 1s }
  hungry: { run: 'x=a; while :; do x=$x$x; done' }
  image: { run: 'true', image: 'nobody/has-this:1' }
  broken-report: { run: 'echo nonsense > r.xml', junit: r.xml }
  no-report: { run: 'true', junit: 'none/*.xml' }
  full: { run: 'dd if=/dev/zero of=big bs=1M count=500' }
";
    let scene = Scene::with_file(file).await;
    let (_, head) = scene.open("topic", "a", "1");
    scene.idle().await;
    assert_snapshot!(scene.checks(&head), @r"
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

#[tokio::test(flavor = "multi_thread")]
async fn without_a_repository_file_nothing_is_said() {
    let scene = Scene::with_file("image: gatewright-sandbox:local\ngates: {}\n").await;
    scene.github.create_repo("octo/other");
    let head = scene.github.commit("octo/other", "topic", "alice", "a change", [("a", "1")]);
    let number = scene.github.open_pull("octo/other", PullSpec::of("alice", "topic"));
    scene.idle().await;
    assert!(scene.github.check_runs("octo/other", &head).is_empty());
    assert!(scene.github.comments("octo/other", number).is_empty());
    scene.end().await;
}
