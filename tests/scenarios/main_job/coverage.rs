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
);

const DROP: &str = "\
image: gatewright-sandbox:local
gates:
  coverage:
    run: cp report.info lcov.info
    coverage: lcov.info
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
