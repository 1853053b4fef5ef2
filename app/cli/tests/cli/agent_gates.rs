//! What gates have to do with agents on a working tree: what they say before agents begin, and what they compare with.

use insta::assert_snapshot;
use serde_json::json;

use crate::agents::{MENDED, MENDS, agents, broken, text};
use crate::run::json as json_of;

/// Whoever finds out why a gate fails, and who mends it.
const FIXES: &str = r#"
conversations:
  - match: ["Find out why the gates fail", "gate tests: verdict", "gate tests: end of its log", "2 + 3 is not -1"]
    exchanges:
      - reply: { calls: [{ tool: finish, arguments: { summary: "add.sh subtracts." } }], usage: { input: 1000, output: 20 } }
  - match: ["Mend what was diagnosed"]
    exchanges:
      - reply: { calls: [{ tool: patch, arguments: { path: add.sh, old: "$1 - $2", new: "$1 + $2" } }, { tool: finish, arguments: { summary: "It adds now.", title: "Add" } }], usage: { input: 1000, output: 20 } }
  - match: []
    exchanges:
      - reply: { calls: [{ tool: finish, arguments: { summary: "Nothing to do." } }], usage: { input: 1000, output: 20 } }
"#;

#[test]
fn to_fix_is_to_be_shown_what_gates_say_and_where_they_pass_there_is_nothing_to_fix() {
    let bench = broken("gates:\n  tests: { run: sh test.sh }\n", FIXES);
    let fix = ["agent", "run", "--pipeline", "fix", "--config", ".git/models.toml", "--logs", ".git/kept"];
    let done = bench.run(&[&fix[..], &["--apply"]].concat());
    assert_eq!(done.code, Some(0), "{}{}", done.stdout, done.stderr);
    assert!(done.stderr.starts_with("before: gate tests failed: exit code 1\nfix: diagnose, repair, verify"), "{}", done.stderr);
    assert_eq!(text(&bench, "add.sh"), MENDED);
    assert!(text(&bench, ".git/kept/before-tests.log").contains("2 + 3 is not -1"));

    let done = bench.run(&fix);
    assert_eq!(done.code, Some(0), "{}{}", done.stdout, done.stderr);
    assert_snapshot!(done.stdout.trim(), @"not started: the gates pass (tests), so there is nothing to fix; what is wrong all the same, say with --requirements");
    let done = bench.run(&[&fix[..], &["--json"]].concat());
    let answer = json_of(&done);
    assert_eq!((done.code, &answer["exit_code"], &answer["turns"]), (Some(0), &json!(0), &json!(0)), "{answer}");
    assert!(answer["not_started"].as_str().is_some_and(|why| why.contains("nothing to fix")), "{answer}");
    let done = bench.run(&[&fix[..], &["--requirements", "it is slow"]].concat());
    assert!(done.stderr.contains("fix: diagnose, repair, verify"), "{}", done.stderr);

    bench.write(".gatewright.yml", "image: nobody/has:this\ngates:\n  tests: { run: sh test.sh }\n");
    let done = bench.run(&[&fix[..], &["--pull", "never"]].concat());
    assert_eq!(done.code, Some(3), "{}{}", done.stdout, done.stderr);
    assert!(done.stderr.contains("the gates cannot be run here: tests: "), "{}", done.stderr);
}

/// The failure that the base has too is known of it, as soon as somebody has measured it.
#[test]
fn gates_that_compare_know_what_was_kept_of_the_base() {
    let old = "echo '<testsuite><testcase name=\"old\"><failure/></testcase></testsuite>' > report.xml; exit 1";
    let file = format!(
        "gates:\n  tests: {{ run: '{}', junit: report.xml, require: {{ new-failures-at-most: 0 }} }}\n",
        old.replace('\'', "''")
    );
    let bench = broken(&format!("{file}agents:\n  build: {{ steps: [coder, verify], tries: 1 }}\n"), MENDS);
    let done = agents(&bench, &[]);
    assert_eq!(done.code, Some(1), "{}{}", done.stdout, done.stderr);
    let measured = bench.run(&["run", "--committed"]);
    assert_eq!(measured.code, Some(1), "{}{}", measured.stdout, measured.stderr);
    let done = agents(&bench, &[]);
    assert_eq!(done.code, Some(0), "{}{}", done.stdout, done.stderr);
}
