//! Findings, as people see them: which of them the change brings, however its lines have moved.

use std::sync::Arc;

use gatewright_tests::on_every_forge;
use gatewright_tests::stage::{GitHubStage, REPO, Scene};
use insta::assert_snapshot;
use serde_json::{Value, json};

/// What the linter says is in the repository itself, so that each scenario says it.
const FILE: &str = "\
image: gatewright-sandbox:local
gates:
  lint:
    run: cp report.sarif out.sarif
    sarif: out.sarif
    code-scanning: true
    require: { new: { error: 0 } }
";

on_every_forge!(
    only_what_a_change_brings_fails_it_however_lines_have_moved(FILE),
    where_nothing_is_known_of_the_base_added_lines_tell(FILE),
);

/// A report of errors of the rule `eval` in these lines of `src/a.py`.
fn report(lines: &[u32]) -> String {
    let result = |line: &u32| {
        let fix = json!({"artifactLocation": {"uri": "src/a.py"}, "replacements": [
            {"deletedRegion": {"startLine": line, "startColumn": 1, "endLine": line, "endColumn": 5},
             "insertedContent": {"text": "parse"}}]});
        json!({"ruleId": "eval", "level": "error", "message": {"text": "eval of a text"}, "fixes": [{"artifactChanges": [fix]}],
            "locations": [{"physicalLocation": {"artifactLocation": {"uri": "src/a.py"}, "region": {"startLine": line}}}]})
    };
    let results: Vec<Value> = lines.iter().map(result).collect();
    json!({"version": "2.1.0", "runs": [{"tool": {"driver": {"name": "lint"}}, "results": results}]}).to_string()
}

const BEFORE: &str = "def a(x):\n    pass\neval(first)\ndef b(x):\n    pass\neval(second)\n";

async fn only_what_a_change_brings_fails_it_however_lines_have_moved(scene: Scene) {
    scene.forge.commit("main", "alice", &[("src/a.py", BEFORE), ("report.sarif", &report(&[3, 6]))]);
    scene.idle().await;
    // Two lines at the top, and an error of the same rule with the same message between the others.
    let after = format!("import x\nimport y\n{}", BEFORE.replace("def b", "eval(third)\ndef b"));
    let (number, head) = {
        let head = scene.forge.commit("topic", "alice", &[("src/a.py", &after), ("report.sarif", &report(&[5, 6, 9]))]);
        (scene.forge.open("alice", "topic"), head)
    };
    scene.idle().await;
    assert_snapshot!(scene.shown(&head), @r"
    gatewright: failure (1 of 1 gate failed)
    gatewright/lint: failure (1 new error, none allowed)
    ");
    let text = scene.forge.text_of(number, &head, "gatewright/lint");
    assert!(text.contains("| errors | 1 | 3 | new at most 0 | ❌ |"), "{text}");
    assert!(text.contains(": 1 new, 0 fixed."), "{text}");
    assert!(text.contains("- `src/a.py:6` error, `eval`: `eval of a text`"), "{text}");
    let at_line = ("src/a.py".to_owned(), 6);
    assert!(scene.forge.remarks(number, &head).iter().all(|remark| *remark == at_line));
    assert!(scene.forge.remarks(number, &head).contains(&at_line), "where it has to be mended");
    let mended = after.replace("eval(third)\n", "");
    let head = scene.forge.commit("topic", "alice", &[("src/a.py", &mended), ("report.sarif", &report(&[5]))]);
    scene.idle().await;
    assert_snapshot!(scene.shown(&head), @r"
    gatewright: success (1 gate passed)
    gatewright/lint: success (no new findings, 1 known)
    ");
    let comment = scene.only_comment(number);
    assert!(comment.contains("1 fixed"), "{comment}");
    scene.end().await;
}

async fn where_nothing_is_known_of_the_base_added_lines_tell(scene: Scene) {
    let text = format!("{BEFORE}eval(third)\n");
    scene.forge.commit("topic", "alice", &[("src/a.py", &text), ("report.sarif", &report(&[3]))]);
    let number = scene.forge.open("alice", "topic");
    scene.idle().await;
    let head = scene.forge.commit("topic", "alice", &[("report.sarif", "{}")]);
    scene.idle().await;
    assert_snapshot!(scene.shown(&head), @r"
    gatewright: failure (1 of 1 gate failed)
    gatewright/lint: failure (a report of findings cannot be read)
    ");
    let head = scene.forge.commit("topic", "alice", &[("report.sarif", &report(&[7]))]);
    scene.idle().await;
    assert_snapshot!(scene.shown(&head), @r"
    gatewright: failure (1 of 1 gate failed)
    gatewright/lint: failure (1 new error, none allowed)
    ");
    let text = scene.forge.text_of(number, &head, "gatewright/lint");
    assert!(text.contains("Findings on lines that the change adds count as new"), "{text}");
    scene.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn findings_are_given_to_code_scanning_and_fixes_are_proposed_once() {
    let stage = Arc::new(GitHubStage::start().await);
    let scene = Scene::with_file(stage.clone(), FILE).await;
    let main = scene.forge.commit("main", "alice", &[("src/a.py", BEFORE), ("report.sarif", &report(&[3, 6]))]);
    scene.idle().await;
    let after = format!("import x\n{BEFORE}eval(third)\n");
    let head = scene.forge.commit("topic", "alice", &[("src/a.py", &after), ("report.sarif", &report(&[4, 7, 8]))]);
    let number = scene.forge.open("alice", "topic");
    scene.idle().await;
    let scans = stage.github.scans(REPO);
    let of: Vec<_> = scans.iter().map(|scan| (scan.head.as_str(), scan.of.clone(), scan.category.as_str())).collect();
    let pull = format!("refs/pull/{number}/head");
    assert_eq!(of, [(main.as_str(), "refs/heads/main".to_owned(), "gatewright/lint"), (head.as_str(), pull, "gatewright/lint")]);
    let marks = |scan: usize| -> Vec<Value> {
        let results = scans[scan].log["runs"][0]["results"].as_array().expect("results").clone();
        results.iter().map(|result| result["partialFingerprints"]["primaryLocationLineHash"].clone()).collect()
    };
    assert_eq!(marks(1)[..2], marks(0), "what was there before has the same fingerprint");
    let proposed = stage.github.diff_comments(REPO, number);
    let [proposed] = proposed.as_slice() else { panic!("{proposed:#?}") };
    assert!(proposed.body.ends_with("`eval`: `eval of a text`\n\n```suggestion\nparse(third)\n```"), "{}", proposed.body);
    // Another push that leaves it as it is says nothing again, also where the lines have moved.
    let moved = format!("import y\n{after}");
    scene.forge.commit("topic", "alice", &[("src/a.py", &moved), ("report.sarif", &report(&[5, 8, 9]))]);
    scene.idle().await;
    assert_eq!(stage.github.diff_comments(REPO, number).len(), 1);
    assert_eq!(stage.github.scans(REPO).len(), 3);
    scene.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn findings_that_code_scanning_cannot_process_are_said_so_in_the_check() {
    let stage = Arc::new(GitHubStage::start().await);
    stage.github.fail_scans("rejecting SARIF, as there are more @alerts <b>than</b> allowed");
    let scene = Scene::with_file(stage.clone(), FILE).await;
    let head = scene.forge.commit("topic", "alice", &[("src/a.py", BEFORE), ("report.sarif", &report(&[]))]);
    let number = scene.forge.open("alice", "topic");
    scene.idle().await;
    assert_snapshot!(scene.shown(&head), @r"
    gatewright: success (1 gate passed)
    gatewright/lint: success (no findings)
    ");
    let text = scene.forge.text_of(number, &head, "gatewright/lint");
    let said = text.lines().find(|line| line.contains("Code scanning")).unwrap_or_default();
    assert_snapshot!(said, @"**Code scanning did not take the findings**: `GitHub refused: code scanning could not process the findings: rejecting SARIF, as there are more @alerts <b>than</b> allowed`. The verdict does not depend on it.");
    assert_eq!(stage.github.scans(REPO).len(), 1, "it is not uploaded again");
    scene.end().await;
}
