//! Test reports. `tests/data/testing` holds what cargo-nextest 0.9 (`--retries 1`, `libtest-json-plus`), libtest
//! (nightly, `--format json`), Node's `--test-reporter=tap`, Go 1.19 and Perl's Test::More wrote for small programs; Node's
//! without its stack traces.

use gatewright_reports::testing::{Outcome, TestCase, TestFormat, TestRun, read, sniff};

use crate::fixtures::report;

mod junit;
mod trx;

const NEXTEST: &str = include_str!("../../data/testing/nextest.json");
const LIBTEST: &str = include_str!("../../data/testing/libtest.json");
const NODE: &str = include_str!("../../data/testing/node.tap");

fn good(format: TestFormat, text: &str) -> TestRun {
    read(format, text.as_bytes()).unwrap_or_else(|error| panic!("{error}"))
}

fn refused(format: TestFormat, text: &str) -> String {
    read(format, text.as_bytes()).expect_err("it is refused").to_string()
}

/// Passed, failed, errored, skipped, flaky.
fn counts(run: &TestRun) -> [u64; 5] {
    let counts = run.counts;
    [counts.passed, counts.failed, counts.errored, counts.skipped, counts.flaky]
}

fn names(cases: &[TestCase]) -> Vec<String> {
    cases.iter().map(|case| case.name.clone()).collect()
}

#[test]
fn nextest_says_what_its_summary_says() {
    assert_eq!(sniff(NEXTEST.as_bytes()), Some(TestFormat::Libtest));
    let run = good(TestFormat::Libtest, NEXTEST);
    // "5 tests run: 4 passed (1 flaky), 1 failed, 1 skipped"
    assert_eq!(counts(&run), [4, 1, 0, 1, 1]);
    assert_eq!(
        (names(&run.bad), names(&run.flaky)),
        (vec!["demo::demo tests::fails".to_owned()], vec!["demo::demo tests::flaky".to_owned()])
    );
    assert!(run.bad[0].text.contains("panicked at src/lib.rs:8:9"));
    assert_eq!(run.slowest[0], (0.123_692_762, "demo::demo tests::panics".to_owned()));
}

#[test]
fn libtest_says_what_its_suites_say() {
    assert_eq!(sniff(LIBTEST.as_bytes()), Some(TestFormat::Libtest));
    let run = good(TestFormat::Libtest, LIBTEST);
    assert_eq!(counts(&run), [3, 2, 0, 1, 0]);
    assert_eq!(names(&run.bad), ["tests::flaky", "tests::fails"]);
}

#[test]
fn a_test_program_that_dies_is_no_pass() {
    let begun = "{\"type\":\"suite\",\"event\":\"started\",\"test_count\":2}\n";
    let test = |name: &str, event: &str| format!("{{\"type\":\"test\",\"event\":\"{event}\",\"name\":\"{name}\"}}\n");
    let dead = format!("{begun}{}{}{}", test("a", "started"), test("a", "ok"), test("b", "started"));
    let run = good(TestFormat::Libtest, &dead);
    assert_eq!((counts(&run), run.bad[0].text.as_str()), ([1, 0, 1, 0, 0], "it did not end"));
    let next = format!("{dead}{begun}{}{}{{\"type\":\"suite\",\"event\":\"ok\"}}", test("b", "started"), test("b", "ok"));
    assert_eq!(counts(&good(TestFormat::Libtest, &next)), [2, 0, 1, 0, 0]);
    let run = good(TestFormat::Libtest, begun);
    assert_eq!((counts(&run), run.bad[0].text.as_str()), ([0, 0, 1, 0, 0], "the report ends before the program did"));
}

#[test]
fn go_tests_are_counted_as_by_another_count() {
    let Some(bytes) = report("test-json/dorny/golang-json.json") else { return };
    assert_eq!(sniff(&bytes), Some(TestFormat::GoTest));
    let text = String::from_utf8(bytes).unwrap();
    let ended = |action: &str| {
        let has = |line: &&str| line.contains(&format!("\"Action\":\"{action}\"")) && line.contains("\"Test\":");
        text.lines().filter(has).count() as u64
    };
    let run = good(TestFormat::GoTest, &text);
    assert_eq!(counts(&run), [ended("pass"), ended("fail"), 0, ended("skip"), 0]);
    assert_eq!((counts(&run), run.counts.tests()), ([5, 6, 0, 1, 0], 12));
    assert!(run.bad[0].text.contains("calculator_test.go:19: expected 1+1 = 3, got 2"), "{:?}", run.bad[0]);
}

#[test]
fn go_says_what_its_events_say() {
    // Go 1.19; the first is of several packages, of which one cannot be built. Counted from the events by another program.
    for (text, expected) in [
        (include_str!("../../data/testing/go-all.json"), [7, 4, 1, 1, 0]),
        (include_str!("../../data/testing/go-bad.json"), [1, 4, 0, 0, 0]),
        (include_str!("../../data/testing/go-dies.json"), [1, 1, 0, 0, 0]),
        (include_str!("../../data/testing/go-flaky.json"), [1, 0, 0, 0, 1]),
    ] {
        assert_eq!(sniff(text.as_bytes()), Some(TestFormat::GoTest));
        assert_eq!(counts(&good(TestFormat::GoTest, text)), expected);
    }
    let run = good(TestFormat::GoTest, include_str!("../../data/testing/go-dies.json"));
    let place = run.bad[0].place("/workspace").map(|place| (place.path, place.line));
    assert_eq!((run.bad[0].name.as_str(), place), ("example.com/m/dies TestDies", Some(("dies/d_test.go".to_owned(), 4))));
    let unbuilt = "FAIL\texample.com/m/broken [build failed]\n";
    assert_eq!(sniff(unbuilt.as_bytes()), Some(TestFormat::GoTest));
    assert_eq!(names(&good(TestFormat::GoTest, unbuilt).bad), ["example.com/m/broken"]);
}

#[test]
fn tap_of_perl_is_what_perl_says() {
    // As `prove` counts and judges them, but that a test with subtests counts only by these.
    let run = |text| good(TestFormat::Tap, text);
    let several = run(include_str!("../../data/testing/perl-a.tap"));
    assert_eq!(
        (counts(&several), names(&several.bad)),
        ([3, 3, 0, 2, 0], vec!["compares".to_owned(), "inner two".to_owned(), "deep".to_owned()])
    );
    assert_eq!(counts(&run(include_str!("../../data/testing/perl-b.tap"))), [1, 0, 1, 0, 0], "it bailed out");
    assert_eq!(counts(&run(include_str!("../../data/testing/perl-c.tap"))), [2, 0, 1, 0, 0], "it died half way");
    assert_eq!(counts(&run(include_str!("../../data/testing/perl-d.tap"))), [0; 5], "it was skipped as a whole");
}

#[test]
fn go_packages_that_do_not_build_or_end_are_errors() {
    let build = r#"{"ImportPath":"m/a [m/a.test]","Action":"build-output","Output":"a.go:3: undefined: x\n"}
{"ImportPath":"m/a [m/a.test]","Action":"build-fail"}
{"Action":"start","Package":"m/a"}
{"Action":"output","Package":"m/a","Output":"FAIL\tm/a [build failed]\n"}
{"Action":"fail","Package":"m/a","Elapsed":0,"FailedBuild":"m/a [m/a.test]"}
"#;
    let run = good(TestFormat::GoTest, build);
    assert_eq!(counts(&run), [0, 0, 1, 0, 0]);
    assert_eq!(run.bad[0].text, "a.go:3: undefined: x\nFAIL\tm/a [build failed]\n");
    let panics = r#"{"Action":"start","Package":"m/b"}
{"Action":"run","Package":"m/b","Test":"TestA"}
{"Action":"output","Package":"m/b","Test":"TestA","Output":"panic: boom\n"}
{"Action":"fail","Package":"m/b","Elapsed":0.1}
{"Action":"start","Package":"m/c"}
{"Action":"run","Package":"m/c","Test":"TestC"}
"#;
    let run = good(TestFormat::GoTest, panics);
    assert_eq!(counts(&run), [0, 0, 3, 0, 0]);
    assert_eq!(names(&run.bad), ["m/b TestA", "m/c", "m/c TestC"]);
    assert_eq!(run.bad[2].text, "the report ends before it did");
}

#[test]
fn a_test_that_passes_when_run_again_is_flaky() {
    let event = |action: &str| format!("{{\"Action\":\"{action}\",\"Package\":\"p\",\"Test\":\"T\",\"Elapsed\":1.5}}\n");
    let rerun = format!("{}{}{}{}", event("run"), event("fail"), event("run"), event("pass"));
    let run = good(TestFormat::GoTest, &rerun);
    assert_eq!((counts(&run), names(&run.flaky), run.bad.len()), ([1, 0, 0, 0, 1], vec!["p T".to_owned()], 0));
    let again = format!("{rerun}{}", event("fail"));
    assert_eq!(counts(&good(TestFormat::GoTest, &again))[1], 1);
    let skipped = format!("{}{}", event("fail"), event("skip"));
    let run = good(TestFormat::GoTest, &skipped);
    assert_eq!((counts(&run), run.bad.len()), ([0, 0, 0, 1, 0], 0));
    let twice = format!("{}{}", event("fail"), event("fail"));
    assert_eq!(counts(&good(TestFormat::GoTest, &twice)), [0, 1, 0, 0, 0]);
}

#[test]
fn tap_of_node_is_what_it_sums_up() {
    assert_eq!(sniff(NODE.as_bytes()), Some(TestFormat::Tap));
    let run = good(TestFormat::Tap, NODE);
    // "# tests 7, pass 3, fail 2, skipped 1, todo 1"
    assert_eq!(counts(&run), [3, 2, 0, 2, 0]);
    assert_eq!(names(&run.bad), ["fails", "group inner # odd"]);
    assert!(run.bad[0].text.contains("error: '2 == 3'") && run.bad[1].text.contains("error: 'boom'"));
    assert_eq!(run.slowest[0], (0.000_871_46, "adds".to_owned()));
}

#[test]
fn tap_is_read_as_its_versions_have_it() {
    let run = good(TestFormat::Tap, "1..4\nok\nnot ok 2\n# because\nok 3 - x # skip none\nnot ok 4 a\\#b # TODO later\n");
    assert_eq!(counts(&run), [1, 1, 0, 2, 0]);
    assert_eq!(run.bad[0].text, "because\n");
    // Two tests may have one name; that is no second attempt.
    let run = good(TestFormat::Tap, "not ok 1 - a\nok 2 - a\nnot ok 3 - a # SKIP\nnot ok 4 - a\n1..4\n");
    assert_eq!((counts(&run), run.bad.len()), ([1, 2, 0, 1, 0], 2));
    let run = good(TestFormat::Tap, "ok 1\n1..3\n");
    assert_eq!((counts(&run), run.bad[0].text.as_str()), ([1, 0, 1, 0, 0], "the plan says 3 tests, and 1 came"));
    assert_eq!(counts(&good(TestFormat::Tap, "1..3\nok 1\nBail out! no database\n")), [1, 0, 1, 0, 0]);
    assert_eq!(counts(&good(TestFormat::Tap, "1..0 # SKIP no network\n")), [0; 5]);
    let run = good(TestFormat::Tap, "not ok 1 - 2 and 2\nnot ok 2nd\nnot ok 3 -minus\n1..3\n");
    assert_eq!(names(&run.bad), ["2 and 2", "2nd", "-minus"]);
    // A parent that is bad though its subtests are good is bad itself; a subtest's plan counts too.
    let nested = "# Subtest: a\n    ok 1 - x\n    1..1\nnot ok 1 - a\n# Subtest: b\n    ok 1 - y\n    1..2\nok 2 - b\n1..2\n";
    let run = good(TestFormat::Tap, nested);
    assert_eq!((counts(&run), names(&run.bad)), ([2, 1, 1, 0, 0], vec!["a".to_owned(), "1..".to_owned()]));
}

#[test]
fn what_is_broken_is_refused_where_it_stands() {
    for (format, text, error) in [
        (TestFormat::GoTest, "", "no event is in it"),
        (TestFormat::GoTest, "ok  \tm\t0.1s\n", "no event is in it"),
        (TestFormat::GoTest, "{\"Action\":\"start\"}\n{\"Action\":\"pa", "line 2, column 13: EOF"),
        (TestFormat::GoTest, "{\"Action\":\"pass\",\"Test\":\"T\",\"Elapsed\":-1}", "line 1, column 1: a test that took -1 s"),
        (TestFormat::Libtest, "", "no event is in it"),
        (TestFormat::Libtest, "{\"type\":\"test\",\"event\":\"ok\",\"name\":\"a\",\"exec_time\":1e300}", "a test that took"),
        (TestFormat::Libtest, "{\"type\":1}", "invalid type"),
        (TestFormat::Tap, "", "this is no TAP"),
        (TestFormat::Tap, "ok 1\n", "the file ends without a plan"),
        (TestFormat::Tap, "1..1\nnot ok 1\n  ---\n  a: b\n", "the file ends within the text of a test"),
    ] {
        let found = refused(format, text);
        assert!(found.contains(error), "{text}: {found}");
    }
    let deep = format!("{}ok 1\n1..1\n", " ".repeat(4000));
    assert!(refused(TestFormat::Tap, &deep).contains("more than 64 subtests"));
}

#[test]
fn texts_and_lists_are_bounded() {
    let mut text = String::new();
    for n in 0..10_100 {
        text += &format!("{{\"Action\":\"run\",\"Package\":\"p\",\"Test\":\"T{n}\"}}\n");
        text += &format!(
            "{{\"Action\":\"output\",\"Package\":\"p\",\"Test\":\"T{n}\",\"Output\":\"{}end\"}}\n",
            "x".repeat(if n < 4200 { 9000 } else { 0 })
        );
        text += &format!("{{\"Action\":\"fail\",\"Package\":\"p\",\"Test\":\"T{n}\"}}\n");
    }
    let run = good(TestFormat::GoTest, &text);
    assert_eq!((run.counts.failed, run.bad.len()), (10_100, 10_000));
    assert!(run.bad[0].text.len() <= 8192 && run.bad[0].text.ends_with("end"));
    assert!(run.bad.iter().map(|case| case.text.len()).sum::<usize>() <= 32 * 1024 * 1024);
    assert!(run.bad.iter().all(|case| case.outcome == Outcome::Failed));
}

#[test]
fn tap_is_known_below_what_a_runner_says_first() {
    let npm = "\n> shop@1.0.0 test\n> node --test\n\nTAP version 13\n# Subtest: adds\nok 1 - adds\n1..1\n# tests 1\n";
    assert_eq!(sniff(npm.as_bytes()), Some(TestFormat::Tap));
    assert_eq!(read(TestFormat::Tap, npm.as_bytes()).unwrap().counts.passed, 1);
    let planned = "> prove -v t/\n1..2 # two of them\nok 1\nok 2\n";
    assert_eq!(sniff(planned.as_bytes()), Some(TestFormat::Tap));
    for other in
        ["make: ok then\nok with me\n", "see 1..2\n 1..2\n", "see\nTAP version 99 is old\n", "see\n1..x\n", "{\"a\":1}\n"]
    {
        assert_eq!(sniff(other.as_bytes()), None, "{other}");
    }
}
