//! Tests, as people see them: what fails on the base too, and what fails again when it is run again.

use gatewright_tests::on_every_forge;
use gatewright_tests::stage::Scene;
use insta::assert_snapshot;

/// What the tests run is in the repository itself, so that each scenario says it.
const COMPARED: &str = "\
image: gatewright-sandbox:local
gates:
  tests:
    run: cp report.txt junit.xml; test -f good
    junit: junit.xml
    require: { new-failures-at-most: 0 }
";

const TRIED: &str = "\
image: gatewright-sandbox:local
gates:
  tests:
    run: |
      test ! -e left || echo STALE
      touch left
      printf '1..2\\nok 1 - adds\\nnot ok 2 - pays\\n' > out.tap
      exit 1
    tests: out.tap
    retries: 2
";

on_every_forge!(
    only_failures_that_the_base_does_not_have_fail_a_gate_that_compares(COMPARED),
    a_gate_that_fails_is_tried_again_in_a_fresh_sandbox_and_says_so(TRIED),
);

fn report(failed: &[&str]) -> String {
    let case =
        |name: &&str| format!("<testcase name='{name}'><failure message='{name} is wrong'>at src/a.rs:1</failure></testcase>");
    let failed: String = failed.iter().map(case).collect();
    format!("<testsuite name='shop'><testcase name='adds'/>{failed}</testsuite>")
}

async fn only_failures_that_the_base_does_not_have_fail_a_gate_that_compares(scene: Scene) {
    scene.forge.commit("main", "alice", &[("src/a.rs", "a\n"), ("report.txt", report(&["old"]).as_str())]);
    scene.idle().await;
    let head = scene.forge.commit("topic", "alice", &[("src/a.rs", "b\n"), ("report.txt", report(&["old", "new"]).as_str())]);
    let number = scene.forge.open("alice", "topic");
    scene.idle().await;
    assert_snapshot!(scene.shown(&head), @r"
    gatewright: failure (1 of 1 gate failed)
    gatewright/tests: failure (exit code 1; 1 passed, 2 failed (1 new))
    ");
    let text = scene.forge.text_of(number, &head, "gatewright/tests");
    assert!(text.contains("### New failures\n\n- `new`") && text.contains("### Failed on the base too"), "{text}");
    assert_snapshot!(scene.only_comment(number), @r"
    ### Gatewright: 1 of 1 gate failed

    | | Gate | Result | Against the base | Time |
    |---|---|---|---|---:|
    | ❌ | tests | exit code 1; 1 passed, 2 failed (1 new) | 1 new failure, +1 test | T |
    ");
    let head = scene.forge.commit("topic", "alice", &[("report.txt", report(&["old"]).as_str())]);
    scene.idle().await;
    assert_snapshot!(scene.shown(&head), @r"
    gatewright: success (1 gate passed)
    gatewright/tests: success (1 passed, 1 failed (none new))
    ");
    scene.end().await;
}

async fn a_gate_that_fails_is_tried_again_in_a_fresh_sandbox_and_says_so(scene: Scene) {
    let (number, head) = scene.open("topic", "README", "about\n");
    scene.idle().await;
    assert_snapshot!(scene.shown(&head), @r"
    gatewright: failure (1 of 1 gate failed)
    gatewright/tests: failure (exit code 1; 1 passed, 1 failed)
    ");
    let text = scene.forge.text_of(number, &head, "gatewright/tests");
    assert!(text.contains("This was try 3; it ended before with exit code 1, exit code 1."), "{text}");
    assert!(text.contains("=== The gate failed. Try 2 of 3. ===") && text.contains("Try 3 of 3."), "{text}");
    assert!(!text.contains("STALE"), "each try has a workspace of its own: {text}");
    scene.end().await;
}
