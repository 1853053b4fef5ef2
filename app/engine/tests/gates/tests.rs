//! Tests against the base, against earlier tries and against what was seen before; formats beside JUnit; what is kept.

use gatewright_core::config::GateConfig;
use gatewright_core::facts::{Facts, Past, TestFacts};
use gatewright_core::verdict::{Evidence, Exit, ReportFile, ReportKind, Reports, Try, Verdict, VerdictStatus};
use gatewright_core::{CommitId, RunId};
use gatewright_engine::gates;
use insta::assert_snapshot;

use super::{evidence, gate, judge, shown};

/// A report of these tests: each passes, unless there is a `!` before its name (it fails) or a `-` (it is skipped).
fn report(tests: &str) -> String {
    let case = |test: &str| {
        let (name, inner) = match (test.strip_prefix('!'), test.strip_prefix('-')) {
            (Some(name), _) => (name, format!("<failure message='{name} is wrong'>at src/{name}.rs:3:1</failure>")),
            (None, Some(name)) => (name, "<skipped/>".to_owned()),
            (None, None) => (test, String::new()),
        };
        let (suite, name) = name.split_once('/').unwrap_or(("s", name));
        format!("<testsuite name='{suite}'><testcase name='{name}'>{inner}</testcase></testsuite>")
    };
    format!("<testsuites>{}</testsuites>", tests.split_whitespace().map(case).collect::<String>())
}

fn of(code: i64, tests: &str) -> Evidence {
    evidence(code, &[("out.xml", report(tests).as_bytes())])
}

/// What is kept of a run of these tests.
fn facts(tests: &str) -> TestFacts {
    let code = i64::from(tests.contains('!'));
    gates::judge(&gate(", junit: out.xml"), &of(code, tests)).facts.tests.expect("it has tests")
}

fn past(facts: TestFacts) -> Past {
    let commit: CommitId = "0123456789abcdef0123456789abcdef01234567".parse().unwrap();
    let facts = Facts { tests: Some(facts), ..Facts::default() };
    Past { run: RunId::new(), commit, at: jiff::Timestamp::UNIX_EPOCH, exact: true, facts }
}

/// The verdict on these tests where the base had those.
fn against(config: &str, tests: &str, base: &str) -> Verdict {
    let code = i64::from(tests.contains('!'));
    judge(&gate(config), &Evidence { base: Some(past(facts(base))), ..of(code, tests) })
}

fn both(verdict: &Verdict) -> String {
    let change = Some(&verdict.change).filter(|change| !change.is_empty());
    let change = change.map(|change| format!("\nchange: {change}")).unwrap_or_default();
    format!("{}{change}\n\n{}", shown(verdict), verdict.summary)
}

const JUNIT: &str = ", junit: out.xml";
const ONLY_NEW: &str = ", junit: out.xml, require: { new-failures-at-most: 0 }";

#[test]
fn failures_are_shown_where_they_are_whatever_folder_the_source_was_in() {
    let report = |root: &str| {
        format!(
            "<testsuite><testcase name='a' file='{root}/src/a.test.js'><failure>at {root}/src/a.test.js:3:7</failure></testcase></testsuite>"
        )
    };
    let places = |root: &str, workspace: &str| {
        let of = evidence(1, &[("out.xml", report(root).as_bytes())]);
        let verdict = judge(&gate(JUNIT), &Evidence { workspace: workspace.to_owned(), ..of });
        verdict.annotations.iter().map(|at| format!("{}:{}", at.path, at.start_line)).collect::<Vec<_>>()
    };
    for root in ["/workspace", "/home/runner/work/shop/shop"] {
        assert_eq!(places(root, root), ["src/a.test.js:3"], "{root}");
    }
    assert_eq!(places("/etc", "/workspace"), [""; 0], "what lies elsewhere is nobody's file");
}

#[test]
fn failures_that_the_base_has_are_shown_apart_and_fail_the_gate_all_the_same() {
    assert_snapshot!(both(&against(JUNIT, "a !old !new", "a !old")), @r"
    Failed: exit code 1; 1 passed, 2 failed (1 new)
    Failure src/new.rs:3:1 new: new is wrong
    Failure src/old.rs:3:1 old: It fails on the base too.
    change: 1 new failure, +1 test

    The command ended with exit code 1.

    | tests | passed | failed | errors | skipped | time |
    |--:|--:|--:|--:|--:|--:|
    | 3 | 1 | 2 | 0 | 0 | 0.00 s |

    ### New failures

    - `new` at `src/new.rs:3`

    ```text
    new is wrong
    at src/new.rs:3:1
    ```

    ### Failed on the base too

    These fail at 0123456, the commit that it started from, as well.

    - `old`: `old is wrong`
    ");
}

#[test]
fn a_failure_that_the_base_has_is_forgiven_where_only_new_ones_count() {
    assert_snapshot!(both(&against(ONLY_NEW, "a !old", "a !old")), @r"
    Passed: 1 passed, 1 failed (none new)
    Warning src/old.rs:3:1 old: It fails on the base too.

    Only new failures count (`new-failures-at-most`), so the command's exit code does not.

    | tests | passed | failed | errors | skipped | time |
    |--:|--:|--:|--:|--:|--:|
    | 2 | 1 | 1 | 0 | 0 | 0.00 s |

    ### Failed on the base too

    These fail at 0123456, the commit that it started from, as well.

    - `old`: `old is wrong`
    ");
    assert_snapshot!(shown(&against(ONLY_NEW, "a !old !new", "a !old")), @r"
    Failed: exit code 1; 1 passed, 2 failed (1 new)
    Failure src/new.rs:3:1 new: new is wrong
    Failure src/old.rs:3:1 old: It fails on the base too.
    ");
    let one = ", junit: out.xml, require: { new-failures-at-most: 1 }";
    assert_snapshot!(shown(&against(one, "a !old !new", "a !old")), @r"
    Passed: 1 passed, 2 failed (1 new)
    Warning src/new.rs:3:1 new: new is wrong
    Warning src/old.rs:3:1 old: It fails on the base too.
    ");
}

#[test]
fn an_exit_code_that_no_test_explains_is_not_forgiven() {
    let base = || Some(past(facts("a !old")));
    let judged = |evidence: Evidence| judge(&gate(ONLY_NEW), &Evidence { base: base(), ..evidence });
    assert_snapshot!(shown(&judged(of(1, "a b"))), @"Failed: exit code 1; 2 passed");
    assert_snapshot!(shown(&judged(of(137, "a !old"))), @r"
    Failed: exit code 137; 1 passed, 1 failed (none new)
    Warning src/old.rs:3:1 old: It fails on the base too.
    ");
    assert_eq!(judged(Evidence { exit: Exit::TimedOut { after_secs: 5 }, ..of(1, "!old") }).status, VerdictStatus::Errored);
    assert_eq!(judged(evidence(1, &[])).status, VerdictStatus::Failed);
}

#[test]
fn where_nothing_is_known_of_the_base_every_failure_is_new() {
    assert_snapshot!(both(&judge(&gate(ONLY_NEW), &of(1, "a !b"))), @r"
    Failed: exit code 1; 1 passed, 1 failed
    Failure src/b.rs:3:1 b: b is wrong

    The command ended with exit code 1.

    Nothing is known of the base yet, so this was not compared. A gate that compares also runs for pushes to the default branch, unless its `when` says otherwise; from the next such push on there is something to compare with.

    | tests | passed | failed | errors | skipped | time |
    |--:|--:|--:|--:|--:|--:|
    | 2 | 1 | 1 | 0 | 0 | 0.00 s |

    ### Failed tests

    - `b` at `src/b.rs:3`

    ```text
    b is wrong
    at src/b.rs:3:1
    ```
    ");
}

#[test]
fn failures_that_are_only_counted_are_never_known() {
    let counted = "<testsuite name='x' tests='3' failures='2'/>";
    let judgement = gates::judge(&gate(JUNIT), &evidence(1, &[("out.xml", counted.as_bytes())]));
    let facts = judgement.facts.tests.unwrap();
    assert_eq!((facts.bad, facts.failed_names.len(), facts.failed_left_out), (2, 0, 2));
    let again = Evidence { base: Some(past(facts)), ..evidence(1, &[("out.xml", counted.as_bytes())]) };
    assert_eq!(judge(&gate(ONLY_NEW), &again).title, "exit code 1; 1 passed, 2 failed (2 new)");
}

#[test]
fn fewer_tests_than_on_the_base_are_pointed_out() {
    let verdict = against(JUNIT, "a/1 a/2 b/1 -b/2 c/1", "a/1 a/2 b/1 b/2 b/3 c/1 d/1 d/2");
    assert_snapshot!(both(&verdict), @r"
    Passed: 4 passed, 1 skipped
    change: -4 tests

    | tests | passed | failed | errors | skipped | time |
    |--:|--:|--:|--:|--:|--:|
    | 5 | 4 | 0 | 0 | 1 | 0.00 s |

    4 fewer tests were run than at 0123456, the commit that it started from: 4 instead of 8.

    <details><summary>Suites that ran fewer tests</summary>

    - `b`: 1 instead of 3
    - `d`: 0 instead of 2

    </details>
    ");
    let limit = |most: &str| format!(", junit: out.xml, require: {{ tests-drop-at-most: {most} }}");
    assert_snapshot!(shown(&against(&limit("40"), "1 2 3", "1 2 3 4 5")), @"Passed: 3 passed");
    assert_snapshot!(shown(&against(&limit("39.99"), "1 2 3", "1 2 3 4 5")), @"Failed: more than 39.99 % fewer tests than on the base; 3 passed");
    // That a suite has lost tests is said even where another has got as many.
    assert!(against(JUNIT, "a/1 b/1 b/2", "a/1 a/2 b/1").summary.contains("- `a`: 1 instead of 2"));
}

#[test]
fn what_has_changed_is_said_in_a_few_words() {
    assert_eq!(against(JUNIT, "a b c", "a b c").change, "");
    assert_eq!(against(JUNIT, "a b c d", "a b c").change, "+1 test");
    assert_eq!(against(JUNIT, "a b", "!a b").change, "1 failure gone");
    assert_eq!(against(JUNIT, "!a !b", "a b !c !d").change, "2 new failures, 2 failures gone, -2 tests");
    assert_eq!(judge(&gate(JUNIT), &of(0, "a")).change, "");
}

fn earlier(code: i64, tests: &str) -> Try {
    let file = ReportFile::new("out.xml", report(tests).into_bytes());
    let reports = [(ReportKind::Tests, Reports { files: vec![file], errors: Vec::new() })].into();
    Try { exit: Exit::Code { code }, reports }
}

fn after(config: &str, tries: Vec<Try>, last: Evidence) -> Verdict {
    judge(&gate(config), &Evidence { earlier: tries, ..last })
}

#[test]
fn a_test_that_passes_at_a_later_try_is_flaky_and_the_gate_passes() {
    let verdict = after(JUNIT, vec![earlier(1, "a !b !c"), earlier(1, "a b !c")], of(0, "a b c"));
    assert_snapshot!(both(&verdict), @r"
    Passed: exit code 0 at try 3; 3 passed, 2 flaky
    Warning src/b.rs:3:1 b: passed only when it was run again
    Warning src/c.rs:3:1 c: passed only when it was run again

    ⚠️ The command had failed before it passed at try 3: exit code 1, exit code 1.

    | tests | passed | failed | errors | skipped | time |
    |--:|--:|--:|--:|--:|--:|
    | 3 | 3 | 0 | 0 | 0 | 0.00 s |

    ### Flaky tests

    - `b`: it failed at an earlier try, and not at the last one, with `b is wrong`
    - `c`: it failed at 2 earlier tries, and not at the last one, with `c is wrong`
    ");
}

#[test]
fn a_test_that_fails_at_some_tries_only_is_marked_where_the_gate_fails() {
    let verdict = after(JUNIT, vec![earlier(1, "a !b c !d")], of(1, "a b !c !d"));
    assert_snapshot!(both(&verdict), @r"
    Failed: exit code 1; 2 passed, 2 failed, 1 flaky
    Failure src/c.rs:3:1 c: c is wrong
    Failure src/d.rs:3:1 d: d is wrong
    Warning src/b.rs:3:1 b: passed only when it was run again

    The command ended with exit code 1.

    This was try 2; it ended before with exit code 1.

    | tests | passed | failed | errors | skipped | time |
    |--:|--:|--:|--:|--:|--:|
    | 4 | 2 | 2 | 0 | 0 | 0.00 s |

    ### Failed tests

    - `c` at `src/c.rs:3` (flaky: it passed at an earlier try)

    ```text
    c is wrong
    at src/c.rs:3:1
    ```

    - `d` at `src/d.rs:3`

    ```text
    d is wrong
    at src/d.rs:3:1
    ```

    ### Flaky tests

    - `b`: it failed at an earlier try, and not at the last one, with `b is wrong`
    ");
}

#[test]
fn a_command_without_reports_passes_where_a_later_try_does_and_says_so() {
    let tried = |code| Try { exit: Exit::Code { code }, reports: std::collections::BTreeMap::new() };
    assert_snapshot!(both(&after("", vec![tried(1), tried(2)], Evidence::of(Exit::Code { code: 0 }))), @r"
    Passed: exit code 0 at try 3

    ⚠️ The command had failed before it passed at try 3: exit code 1, exit code 2.
    ");
    assert_snapshot!(both(&after("", vec![tried(1)], Evidence::of(Exit::Code { code: 3 }))), @r"
    Failed: exit code 3

    The command ended with exit code 3.

    This was try 2; it ended before with exit code 1.
    ");
}

#[test]
fn a_try_that_came_to_no_tests_tells_nothing_of_them() {
    let broken = Try { exit: Exit::Code { code: 101 }, reports: std::collections::BTreeMap::new() };
    let verdict = after(JUNIT, vec![broken], of(1, "a !b"));
    assert!(!verdict.summary.contains("flaky"), "{}", verdict.summary);
    let verdict = after(JUNIT, vec![earlier(1, "a !b")], evidence(0, &[("out.xml", b"<testsuite/>")]));
    assert_eq!(
        (verdict.status, verdict.title.as_str()),
        (VerdictStatus::Errored, "exit code 0 at try 2; the report has no tests")
    );
}

#[test]
fn a_gate_that_failed_by_itself_may_pass_again_and_no_other() {
    let again = |config: &str, evidence: &Evidence| gates::may_pass_again(&gate(config), evidence);
    assert!(again("", &Evidence::of(Exit::Code { code: 1 })) && again(JUNIT, &of(0, "!a")) && again(JUNIT, &evidence(1, &[])));
    assert!(!again("", &Evidence::of(Exit::Code { code: 0 })) && !again(JUNIT, &of(0, "a")));
    assert!(!again("", &Evidence::of(Exit::TimedOut { after_secs: 5 })));
    assert!(!again(JUNIT, &evidence(0, &[("out.xml", b"<broken")])), "a broken report is no failure that comes and goes");
    let known = Evidence { base: Some(past(facts("a !old"))), ..of(1, "a !old") };
    assert!(!again(ONLY_NEW, &known), "what is forgiven is not tried again");
}

#[test]
fn a_test_that_came_and_went_on_the_base_branch_is_marked() {
    let history = |runs: &[&str]| runs.iter().map(|tests| past(facts(tests))).collect::<Vec<_>>();
    let judged = |runs: &[&str]| judge(&gate(JUNIT), &Evidence { history: history(runs), ..of(1, "!a b") }).summary;
    // Newest first.
    let marked = judged(&["a b", "!a b", "a b", "!a b", "a b"]);
    assert!(
        marked.contains("- `a` at `src/a.rs:3` (flaky before: failed in 2 of the last 5 runs of the base branch)"),
        "{marked}"
    );
    assert!(!judged(&["!a b", "!a b", "a b"]).contains("flaky"), "it is broken");
    assert!(!judged(&["a b", "a !b"]).contains("flaky"), "another one is");
    let mut unsteady = facts("a b");
    unsteady.flaky_names = vec!["a".to_owned()];
    let evidence = Evidence { history: vec![past(facts("a b")), past(unsteady)], ..of(1, "!a b") };
    let marked = judge(&gate(JUNIT), &evidence).summary;
    assert!(
        marked.contains("(flaky before: failed in 0 of the last 2 runs of the base branch, and passed only when run again in 1)"),
        "{marked}"
    );
}

#[test]
fn what_is_kept_of_tests_is_small_and_sorted() {
    let kept = facts("b/x a/y !b/z !a/c -a/d");
    assert_eq!(
        kept,
        TestFacts {
            passed: 2,
            bad: 2,
            skipped: 1,
            failed_names: vec!["c".to_owned(), "z".to_owned()],
            suites: [("a".to_owned(), 2), ("b".to_owned(), 2)].into(),
            ..TestFacts::default()
        }
    );
    let many: String = (0..3000).map(|n| format!("!s{n}/test-{n:04}-{} ", "x".repeat(200))).collect();
    let kept = facts(&many);
    assert!(kept.failed_names.len() <= TestFacts::NAMES_MAX && kept.suites.len() == TestFacts::SUITES_MAX);
    assert_eq!((kept.bad, kept.failed_names.len() as u64 + kept.failed_left_out), (3000, 3000));
    let bytes = serde_json::to_vec(&kept).unwrap().len();
    assert!(bytes < 400_000, "{bytes}");
    let verdict = judge(&gate(JUNIT), &Evidence { base: Some(past(kept)), ..of(1, "!other") });
    assert!(verdict.summary.contains("more tests failed of which no name is kept"), "{}", verdict.summary);
}

#[test]
fn a_flaky_test_is_kept_as_one() {
    let tried = |tests: &str, code, last: &str| {
        let evidence = Evidence { earlier: vec![earlier(1, tests)], ..of(code, last) };
        gates::judge(&gate(JUNIT), &evidence).facts.tests.unwrap()
    };
    assert_eq!(tried("a !b", 0, "a b").flaky_names, ["b"]);
    let both = tried("a !b !c", 1, "!a b !c");
    assert_eq!(
        (both.flaky_names, both.failed_names),
        (vec!["a".to_owned(), "b".to_owned()], vec!["a".to_owned(), "c".to_owned()])
    );
}

#[test]
fn tests_takes_every_format_by_its_beginning_and_junit_only_its_own() {
    let go = "{\"Action\":\"run\",\"Package\":\"m\",\"Test\":\"T\"}\n{\"Action\":\"output\",\"Package\":\"m\",\"Test\":\"T\",\"Output\":\"    pkg/m_test.go:7: got 2\\n\"}\n{\"Action\":\"fail\",\"Package\":\"m\",\"Test\":\"T\",\"Elapsed\":0.5}\n";
    let libtest = "{\"type\":\"suite\",\"event\":\"started\"}\n{\"type\":\"test\",\"event\":\"started\",\"name\":\"a\"}\n{\"type\":\"test\",\"event\":\"failed\",\"name\":\"a\",\"stdout\":\"noise\\nthread 'a' panicked at src/lib.rs:8:9:\\nno\\n\"}\n{\"type\":\"suite\",\"event\":\"failed\"}\n";
    let tap = "not ok 1 - adds\n  ---\n  error: '2 == 3'\n  at: test/a.js:4:1\n  ...\n1..1\n";
    let config = gate(", tests: \"out/*\"");
    let judged = |config: &GateConfig, text: &str| shown(&judge(config, &evidence(1, &[("out/r", text.as_bytes())])));
    assert_snapshot!(judged(&config, go), @r"
    Failed: exit code 1; 0 passed, 1 failed
    Failure pkg/m_test.go:7 m T: pkg/m_test.go:7: got 2
    ");
    assert_snapshot!(judged(&config, libtest), @r"
    Failed: exit code 1; 0 passed, 1 failed
    Failure src/lib.rs:8:9 a: noise
    ");
    assert_snapshot!(judged(&config, tap), @r"
    Failed: exit code 1; 0 passed, 1 failed
    Failure test/a.js:4:1 adds: error: '2 == 3'
    ");
    assert_snapshot!(judged(&config, &report("!a")), @r"
    Failed: exit code 1; 0 passed, 1 failed
    Failure src/a.rs:3:1 a: a is wrong
    ");
    let trx = "<TestRun><Results><UnitTestResult testName='Shop.CartTests.Adds' outcome='Failed'><Output><ErrorInfo><Message>3 is not 4</Message>\
        <StackTrace>at Shop.CartTests.Adds() in /workspace/tests/CartTests.cs:line 9</StackTrace></ErrorInfo></Output></UnitTestResult></Results></TestRun>";
    assert_snapshot!(judged(&config, trx), @r"
    Failed: exit code 1; 0 passed, 1 failed
    Failure tests/CartTests.cs:9 Shop.CartTests.Adds: 3 is not 4
    ");
    assert_snapshot!(judge(&config, &evidence(1, &[("out/r", b"hello")])).summary, @r"
    The command ended with exit code 1.

    The report `out/r:1:1` cannot be read: `this is no test report: neither JUnit, TRX, go test -json, libtest's JSON nor TAP`
    ");
    assert_snapshot!(judge(&gate(", junit: \"out/*\""), &evidence(1, &[("out/r", tap.as_bytes())])).summary, @r"
    The command ended with exit code 1.

    The report `out/r:1:1` cannot be read: `text outside of the outermost element; this is no JUnit report`
    ");
    assert_snapshot!(judge(&config, &evidence(0, &[])).summary, @"No file matches `out/*`. `tests` in the repository file says where the command writes its report.");
}

#[test]
fn names_from_before_have_no_effect_where_they_are_shown() {
    let name = "`x` @octo/all <!-- x --> **b**";
    let escaped = name.replace('<', "&lt;").replace('>', "&gt;");
    let text = format!(
        "<testsuites><testsuite name='{escaped}'><testcase name='{escaped}'><failure message='{escaped}'/></testcase></testsuite></testsuites>"
    );
    let base = gates::judge(
        &gate(JUNIT),
        &evidence(1, &[("out.xml", text.replace("</testsuite>", "<testcase name='z'/></testsuite>").as_bytes())]),
    );
    let past = past(base.facts.tests.unwrap());
    let again = Evidence { base: Some(past), ..evidence(1, &[("out.xml", text.as_bytes())]) };
    let verdict = judge(&gate(JUNIT), &again);
    assert!(verdict.summary.contains("Suites that ran fewer tests"), "{}", verdict.summary);
    let spans =
        verdict.summary.replace("`` `x` @octo/all <!-- x --> **b** ``", "").replace("`` `x` @octo/all <!-- x --> **b**``", "");
    assert!(!spans.contains('@') && !spans.contains("<!--") && !spans.contains("**"), "{spans}");
}
