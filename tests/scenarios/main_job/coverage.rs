//! Coverage, as people see it: of all files, of the lines that a change adds, and where these are not run.

use gatewright_tests::on_every_forge;
use gatewright_tests::stage::Scene;
use insta::assert_snapshot;

/// What the tests run is in the repository itself, so that each scenario says it.
const FILE: &str = "\
image: gatewright-sandbox:local
gates:
  coverage:
    run: cp report.info lcov.info
    coverage: lcov.info
    require: { lines: 50, changed-lines: 80 }
";

on_every_forge!(
    the_lines_that_a_change_adds_are_looked_at_apart(FILE),
    what_the_base_branch_has_gained_meanwhile_is_not_the_changes_own(FILE),
    a_report_that_names_no_file_of_the_commit_is_an_error(FILE),
    what_is_covered_may_not_drop_below_the_base(DROP),
    what_several_gates_cover_counts_together_also_where_some_of_them_are_not_run_again(TOGETHER),
);

const DROP: &str = "\
image: gatewright-sandbox:local
gates:
  coverage:
    run: cp report.info lcov.info
    coverage: lcov.info
    require: { drop-at-most: 0.5 }
";

/// The last gate compares, so all three run for pushes to the default branch.
const TOGETHER: &str = "\
image: gatewright-sandbox:local
gates:
  unit: { run: cp unit.info lcov.info, coverage: lcov.info }
  more: { run: cp more.info lcov.info, coverage: lcov.info }
  all:
    needs: [unit, more]
    coverage: { of: [unit, more] }
    require: { drop-at-most: 0.5 }
";

/// Ten lines, and a report in which those after the third are not run.
fn code(first: &str) -> String {
    (1..=10).map(|n| format!("{first} {n}\n")).collect()
}

const HALF: &str = "SF:/workspace/src/a.rs\nDA:1,4\nDA:2,4\nDA:3,4\nDA:8,0\nDA:9,0\nend_of_record\n";

async fn the_lines_that_a_change_adds_are_looked_at_apart(scene: Scene) {
    let a = code("line");
    let head = scene.forge.commit("topic", "alice", &[("src/a.rs", a.as_str()), ("report.info", HALF)]);
    let number = scene.forge.open("alice", "topic");
    scene.idle().await;
    assert_snapshot!(scene.shown(&head), @r"
    gatewright: failure (1 of 1 gate failed)
    gatewright/coverage: failure (60 % (3 of 5) of changed lines, less than 80 %)
    ");
    let text = scene.forge.text_of(number, &head, "gatewright/coverage");
    assert!(text.contains("| lines | 60 % (3 of 5) | 50 % | ✅ |"), "{text}");
    assert!(text.contains("| changed lines | 60 % (3 of 5) | 80 % | ❌ |"), "{text}");
    assert!(text.contains("- `src/a.rs:8-9`"), "{text}");
    assert_eq!(scene.forge.remarks(number, &head), [("src/a.rs".to_owned(), 8)], "where it has to be mended");
    scene.end().await;
}

async fn what_the_base_branch_has_gained_meanwhile_is_not_the_changes_own(scene: Scene) {
    let a = code("line");
    scene.forge.commit("main", "alice", &[("src/a.rs", a.as_str()), ("report.info", HALF)]);
    scene.forge.commit("topic", "alice", &[("README", "about\n")]);
    let number = scene.forge.open("alice", "topic");
    scene.idle().await;
    let more = format!("{a}{a}");
    scene.forge.commit("main", "alice", &[("src/a.rs", more.as_str())]);
    let head = scene.forge.commit("topic", "alice", &[("src/a.rs", a.replacen("line 1\n", "line one\n", 1).as_str())]);
    scene.idle().await;
    assert_snapshot!(scene.shown(&head), @r"
    gatewright: success (1 gate passed)
    gatewright/coverage: success (60 % (3 of 5) of lines, 100 % (1 of 1) of changed lines)
    ");
    assert_eq!(scene.forge.remarks(number, &head), []);
    scene.end().await;
}

async fn a_report_that_names_no_file_of_the_commit_is_an_error(scene: Scene) {
    let elsewhere = HALF.replace("src/a.rs", "src/other.rs");
    let (number, head) = scene.open("topic", "report.info", &elsewhere);
    scene.idle().await;
    assert_snapshot!(scene.shown(&head), @r"
    gatewright: failure (1 of 1 gate failed)
    gatewright/coverage: failure (a coverage report cannot be read)
    ");
    let text = scene.forge.text_of(number, &head, "gatewright/coverage");
    assert!(text.contains("names no file of this commit, for example `/workspace/src/other.rs`"), "{text}");
    scene.end().await;
}

async fn what_is_covered_may_not_drop_below_the_base(scene: Scene) {
    let a = code("line");
    let main = scene.forge.commit("main", "alice", &[("src/a.rs", a.as_str()), ("report.info", HALF)]);
    scene.idle().await;
    assert_snapshot!(scene.shown(&main), @"
    gatewright (push): success (1 gate passed)
    gatewright/coverage (push): success (60 % (3 of 5) of lines, 60 % (3 of 5) of changed lines)
    ");
    let less = HALF.replace("DA:3,4", "DA:3,0");
    let head = scene.forge.commit("topic", "alice", &[("report.info", less.as_str())]);
    let number = scene.forge.open("alice", "topic");
    scene.idle().await;
    assert_snapshot!(scene.shown(&head), @"
    gatewright: failure (1 of 1 gate failed)
    gatewright/coverage: failure (-20 % of lines, and a drop of 0.5 % is allowed)
    ");
    let text = scene.forge.text_of(number, &head, "gatewright/coverage");
    assert!(text.contains("40 % (2 of 5) here, 60 % (3 of 5) at"), "{text}");
    assert!(text.contains(&format!("{}, the commit that it started from", &main[..7])), "{text}");
    assert!(scene.sticky(number).contains("| -20 % of lines |"), "a column of its own");
    scene.end().await;
}

async fn what_several_gates_cover_counts_together_also_where_some_of_them_are_not_run_again(scene: Scene) {
    let (a, other_half) = (code("line"), HALF.replace(",4", ",x").replace(",0", ",1").replace(",x", ",0"));
    let files = [("src/a.rs", a.as_str()), ("unit.info", HALF), ("more.info", other_half.as_str())];
    let main = scene.forge.commit("main", "alice", &files);
    scene.idle().await;
    assert_snapshot!(scene.shown(&main), @"
    gatewright (push): success (3 gates passed)
    gatewright/all (push): success (100 % (5 of 5) of lines, 100 % (5 of 5) of changed lines)
    gatewright/more (push): success (40 % (2 of 5) of lines, 40 % (2 of 5) of changed lines)
    gatewright/unit (push): success (60 % (3 of 5) of lines, 60 % (3 of 5) of changed lines)
    ");
    let less = other_half.replace("DA:9,1", "DA:9,0");
    let head = scene.forge.commit("topic", "alice", &[("more.info", less.as_str())]);
    let number = scene.forge.open("alice", "topic");
    scene.idle().await;
    assert_snapshot!(scene.shown(&head), @"
    gatewright: failure (1 of 3 gates failed)
    gatewright/all: failure (-20 % of lines, and a drop of 0.5 % is allowed)
    gatewright/more: success (20 % (1 of 5) of lines)
    gatewright/unit: success (60 % (3 of 5) of lines)
    ");
    let text = scene.forge.text_of(number, &head, "gatewright/all");
    assert!(text.contains("| `unit` | 60 % (3 of 5) |") && text.contains("| `more` | 20 % (1 of 5) |"), "{text}");
    assert!(text.contains("80 % (4 of 5) here, 100 % (5 of 5) at"), "{text}");
    // The verdicts of the others stand, and so does what they have covered.
    scene.say(number, "wendy", "/gw run all").await;
    assert_snapshot!(scene.shown(&head), @"
    gatewright: failure (1 of 3 gates failed)
    gatewright/all: failure (-20 % of lines, and a drop of 0.5 % is allowed)
    gatewright/more: success (20 % (1 of 5) of lines)
    gatewright/unit: success (60 % (3 of 5) of lines)
    ");
    scene.end().await;
}
