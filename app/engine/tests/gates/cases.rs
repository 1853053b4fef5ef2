//! What gates say of commands and of reports in the dialects that tools write.

use gatewright_core::verdict::{Evidence, Exit, ReportKind, Verdict, VerdictStatus};
use gatewright_engine::gates;
use insta::assert_snapshot;

use super::{evidence, gate, judge, judged, shown, status};

/// The verdict on a command without reports.
fn command(exit: Exit) -> Verdict {
    judge(&gate(""), &Evidence { exit, ..evidence(0, &[]) })
}

fn both(verdict: &Verdict) -> String {
    format!("{}\n\n{}", shown(verdict), verdict.summary)
}

#[test]
fn a_command_that_ends_well_passes() {
    assert_snapshot!(both(&command(Exit::Code { code: 0 })), @"Passed: exit code 0");
}

#[test]
fn each_way_to_end_is_named() {
    assert_snapshot!(both(&command(Exit::Code { code: 2 })), @"
    Failed: exit code 2

    The command ended with exit code 2.
    ");
    assert_snapshot!(both(&command(Exit::Code { code: 127 })), @"
    Failed: exit code 127

    The command ended with exit code 127: the command was not found.
    ");
    assert_snapshot!(both(&command(Exit::TimedOut { after_secs: 5400 })), @"
    Errored: timed out after 1 h 30 min

    The command was killed at its time limit of 1 h 30 min. `timeout` in the repository file raises it.
    ");
    assert_snapshot!(both(&command(Exit::OutOfMemory { memory_mib: 512 })), @"
    Errored: out of memory (512 MiB)

    The command wanted more memory than its limit of 512 MiB, and was killed for it.
    ");
    assert_snapshot!(both(&command(Exit::Cancelled)), @"
    Cancelled: cancelled

    The command was stopped: its result is not wanted any more.
    ");
    let cause = "the image `rust:1.95` is not available: no such image".to_owned();
    assert_snapshot!(both(&command(Exit::NotStarted { cause })), @"
    Errored: not started: the image `rust:1.95` is not available: no such image

    The command did not start:

    ```text
    the image `rust:1.95` is not available: no such image
    ```
    ");
}

#[test]
fn a_full_disk_is_named_when_the_command_failed() {
    let full = |code| judge(&gate(""), &Evidence { disk_full: true, ..evidence(code, &[]) });
    assert_snapshot!(both(&full(1)), @"
    Errored: the workspace's disk was full; exit code 1

    The command ended with exit code 1.

    The workspace had no space left when the command ended. Write less, or raise the service's disk limit (`disk_mib`).
    ");
    assert_eq!(full(0).status, VerdictStatus::Passed);
}

#[test]
fn the_log_is_shown_without_effect() {
    let log_tail = "\u{1b}[31mFAILED\u{1b}[0m ```\n<!-- gatewright:sticky --> @everyone\n".to_owned();
    let verdict = |code| judge(&gate(""), &Evidence { log_tail: log_tail.clone(), ..evidence(code, &[]) });
    assert_snapshot!(verdict(1).summary, @"
    The command ended with exit code 1.

    ### The log's end

    ````text
    FAILED ```
    <!-- gatewright:sticky --> @everyone
    ````
    ");
    assert_snapshot!(verdict(0).summary, @"
    <details><summary>The log's end</summary>

    ````text
    FAILED ```
    <!-- gatewright:sticky --> @everyone
    ````

    </details>
    ");
}

const MIXED: &str = r#"<testsuites>
  <testsuite name="shop" tests="4">
    <testcase classname="shop.cart" name="adds" time="0.5"/>
    <testcase classname="shop.cart" name="pays" time="1.25" file="shop/cart.py" line="40">
      <failure message="assert 3 == 4">shop/cart.py:42: AssertionError</failure>
    </testcase>
    <testcase classname="shop.cart" name="ships"><error type="KeyError"><![CDATA[KeyError: 'x']]></error></testcase>
    <testcase classname="shop.cart" name="refunds"><skipped message="later"/></testcase>
  </testsuite>
</testsuites>"#;

#[test]
fn a_report_is_counted_shown_and_annotated() {
    assert_snapshot!(both(&judged(MIXED)), @"
    Failed: 1 passed, 2 failed, 1 skipped
    Failure shop/cart.py:42 shop.cart pays: assert 3 == 4

    The command ended with exit code 0, but its report names failed tests.

    | tests | passed | failed | errors | skipped | time |
    |--:|--:|--:|--:|--:|--:|
    | 4 | 1 | 1 | 1 | 1 | 1.75 s |

    ### Failed tests

    - `shop.cart pays` at `shop/cart.py:42`

    ```text
    assert 3 == 4
    shop/cart.py:42: AssertionError
    ```

    - `shop.cart ships`

    ```text
    KeyError: 'x'
    ```

    ### Slowest tests

    - 1.250 s `shop.cart pays`
    - 0.500 s `shop.cart adds`
    ");
}

const GOOD: &str = r#"<testsuite name="s"><testcase name="a"/></testsuite>"#;

#[test]
fn exit_code_and_report_must_both_be_well() {
    let judged_as = |code, report: &str| judge(&gate(", junit: out.xml"), &evidence(code, &[("out.xml", report.as_bytes())]));
    assert_snapshot!(shown(&judged_as(0, GOOD)), @"Passed: 1 passed");
    assert_snapshot!(both(&judged_as(2, GOOD)), @"
    Failed: exit code 2; 1 passed

    The command ended with exit code 2.

    The report names no failed test, but the command failed.

    | tests | passed | failed | errors | skipped | time |
    |--:|--:|--:|--:|--:|--:|
    | 1 | 1 | 0 | 0 | 0 | 0.00 s |
    ");
    assert_snapshot!(shown(&judged_as(101, MIXED)), @"
    Failed: exit code 101; 1 passed, 2 failed, 1 skipped
    Failure shop/cart.py:42 shop.cart pays: assert 3 == 4
    ");
    assert!(judged_as(0, MIXED).summary.starts_with("The command ended with exit code 0, but its report names failed tests."));
}

#[test]
fn a_missing_report_is_no_pass() {
    let missing = |code| judge(&gate(", junit: [\"a/*.xml\", b.xml]"), &evidence(code, &[]));
    assert_snapshot!(both(&missing(0)), @"
    Errored: no test report

    No file matches `a/*.xml`, `b.xml`. `junit` in the repository file says where the command writes its report.
    ");
    assert_snapshot!(both(&missing(101)), @"
    Failed: exit code 101; no test report

    The command ended with exit code 101.

    No file matches `a/*.xml`, `b.xml`. `junit` in the repository file says where the command writes its report.
    ");
}

#[test]
fn a_report_that_the_sandbox_could_not_give_is_no_pass() {
    let mut evidence = evidence(0, &[("out.xml", GOOD.as_bytes())]);
    let reports = evidence.reports.entry(ReportKind::Tests).or_default();
    reports.errors.push("big.xml is larger than 67108864 bytes".to_owned());
    assert_snapshot!(both(&judge(&gate(", junit: \"*.xml\""), &evidence)), @"
    Errored: a report cannot be read; 1 passed

    A report cannot be read: `big.xml is larger than 67108864 bytes`

    | tests | passed | failed | errors | skipped | time |
    |--:|--:|--:|--:|--:|--:|
    | 1 | 1 | 0 | 0 | 0 | 0.00 s |
    ");
}

#[test]
fn several_reports_count_together_and_an_empty_suite_beside_tests_is_well() {
    let empty = br#"<testsuite name="none" tests="0"/>"#;
    let judged_as = |reports: &[(&str, &[u8])]| judge(&gate(", junit: \"*.xml\""), &evidence(0, reports));
    assert_snapshot!(shown(&judged_as(&[("a.xml", GOOD.as_bytes()), ("b.xml", empty), ("c.xml", GOOD.as_bytes())])), @"Passed: 2 passed");
    assert_snapshot!(shown(&judged_as(&[("b.xml", empty)])), @"Errored: the report has no tests");
    assert_snapshot!(both(&judged_as(&[("a.xml", GOOD.as_bytes()), ("b.xml", b"")])), @"
    Errored: a report cannot be read; 1 passed

    The report `b.xml:1:1` cannot be read: `the file has no element; it is empty`

    | tests | passed | failed | errors | skipped | time |
    |--:|--:|--:|--:|--:|--:|
    | 1 | 1 | 0 | 0 | 0 | 0.00 s |
    ");
}

#[test]
fn a_suite_of_which_all_tests_are_skipped_has_tested_nothing() {
    let skipped =
        r#"<testsuite name="s"><testcase name="a"><skipped/></testcase><testcase name="b"><skipped/></testcase></testsuite>"#;
    assert_snapshot!(both(&judged(skipped)), @"
    Errored: no test was run; 0 passed, 2 skipped

    All tests of the report were skipped, so none was run. A gate that tests nothing does not pass.

    | tests | passed | failed | errors | skipped | time |
    |--:|--:|--:|--:|--:|--:|
    | 2 | 0 | 0 | 0 | 2 | 0.00 s |
    ");
    let beside = [("a.xml", GOOD.as_bytes()), ("b.xml", skipped.as_bytes())];
    assert_snapshot!(shown(&judge(&gate(", junit: \"*.xml\""), &evidence(0, &beside))), @"Passed: 1 passed, 2 skipped");
}

#[test]
fn nothing_is_judged_of_a_command_that_was_killed() {
    let evidence = Evidence { exit: Exit::TimedOut { after_secs: 60 }, ..evidence(0, &[("out.xml", GOOD.as_bytes())]) };
    assert_snapshot!(shown(&judge(&gate(", junit: out.xml"), &evidence)), @"Errored: timed out after 1 min");
}

#[test]
fn the_globs_of_a_gate_are_what_is_read() {
    let wanted = gates::reports_wanted(&gate(", junit: [\"a/*.xml\", b.xml], coverage: lcov.info"));
    let [(tests, junit), (lines, coverage)] = &wanted[..] else { panic!("{wanted:?}") };
    assert_eq!((*tests, *lines), (ReportKind::Tests, ReportKind::Coverage));
    assert_eq!((&junit[..], &coverage[..]), (&["a/*.xml".to_owned(), "b.xml".to_owned()][..], &["lcov.info".to_owned()][..]));
    assert!(gates::reports_wanted(&gate("")).is_empty());
}

#[test]
fn surefire_reports_reruns_within_the_case() {
    let report = r#"<testsuite name="com.acme.T" tests="3" errors="0" skipped="0" failures="1" time="1,234.5">
      <testcase name="a" classname="com.acme.T" time="1,000.25"/>
      <testcase name="b" classname="com.acme.T" time="0.1"><flakyFailure message="once" type="E"><stackTrace>x</stackTrace></flakyFailure></testcase>
      <testcase name="c" classname="com.acme.T" time="">
        <failure message="no" type="E">at com.acme.T.c(T.java:12)</failure><rerunFailure message="no">again</rerunFailure>
      </testcase>
    </testsuite>"#;
    assert_snapshot!(both(&judged(report)), @"
    Failed: 2 passed, 1 failed, 1 flaky

    The command ended with exit code 0, but its report names failed tests.

    | tests | passed | failed | errors | skipped | time |
    |--:|--:|--:|--:|--:|--:|
    | 3 | 2 | 1 | 0 | 0 | 1000.35 s |

    1 of the passed tests passed only when run again.

    ### Failed tests

    - `com.acme.T c`

    ```text
    no
    at com.acme.T.c(T.java:12)
    ```

    ### Flaky tests

    - `com.acme.T b`: it passed only when run again, with `once`

    ### Slowest tests

    - 1000.250 s `com.acme.T a`
    - 0.100 s `com.acme.T b`
    ");
}

#[test]
fn pytest_counts_lines_from_zero() {
    let report = r#"<?xml version="1.0" encoding="utf-8"?><testsuites><testsuite name="pytest" errors="0" failures="1" tests="1">
      <testcase classname="tests.test_a" name="test_x[1]" file="tests/test_a.py" line="8" time="0.001"><failure message="boom">no place</failure></testcase>
    </testsuite></testsuites>"#;
    assert_snapshot!(shown(&judged(report)), @"
    Failed: 0 passed, 1 failed
    Failure tests/test_a.py:9 tests.test_a test_x[1]: boom
    ");
}

#[test]
fn go_phpunit_jest_nextest_and_dotnet_are_read() {
    let go = r#"<testsuites><testsuite tests="2" failures="1" time="0.160" name="example.com/pkg">
      <properties><property name="go.version" value="go1.22"></property></properties>
      <testcase classname="pkg" name="TestOne" time="0.060"></testcase>
      <testcase classname="pkg" name="TestTwo" time="0.100"><failure message="Failed" type="">pkg/file_test.go:11: Error message</failure></testcase>
    </testsuite></testsuites>"#;
    assert_snapshot!(shown(&judged(go)), @"
    Failed: 1 passed, 1 failed
    Failure pkg/file_test.go:11 pkg TestTwo: Failed
    ");
    let phpunit = r#"<testsuites><testsuite name="" tests="2"><testsuite name="Unit" tests="2"><testsuite name="ATest" file="/workspace/tests/ATest.php" tests="2">
      <testcase name="testA" class="ATest" classname="ATest" file="/workspace/tests/ATest.php" line="9" assertions="1" time="0.01"/>
      <testcase name="testB" class="ATest" classname="ATest" file="/workspace/tests/ATest.php" line="14" assertions="1" time="0.01">
        <failure type="PHPUnit\Framework\ExpectationFailedException">ATest::testB&#13;
Failed asserting that false is true.

/workspace/tests/ATest.php:17
</failure></testcase></testsuite></testsuite></testsuite></testsuites>"#;
    assert_snapshot!(shown(&judged(phpunit)), @r"
    Failed: 1 passed, 1 failed
    Failure tests/ATest.php:17 ATest testB: PHPUnit\Framework\ExpectationFailedException
    ");
    let jest = r#"<testsuites name="jest tests" tests="1" failures="1" time="0.6"><testsuite name="cart" errors="0" failures="1" skipped="0">
      <testcase classname="cart adds" name="cart adds" time="0.003"><failure>Error: expect(received).toBe(expected)
    at Object.&lt;anonymous&gt; (/workspace/src/cart.test.ts:7:19)
    at run (/workspace/node_modules/jest-circus/run.js:1:2)</failure></testcase></testsuite></testsuites>"#;
    assert_snapshot!(shown(&judged(jest)), @"
    Failed: 0 passed, 1 failed
    Failure src/cart.test.ts:7:19 cart adds: Error: expect(received).toBe(expected)
    ");
    let nextest = r#"<testsuites name="nextest-run" tests="2" failures="1" errors="0" uuid="x"><testsuite name="app" tests="2" disabled="0" errors="0" failures="1">
      <testcase name="a::flaky" classname="app" time="0.1"><flakyFailure message="once" type="test failure">x</flakyFailure></testcase>
      <testcase name="a::bad" classname="app" time="0.2"><failure type="test failure with exit code 101">thread 'a::bad' panicked at src/a.rs:33:9:
no</failure><rerunFailure type="x">again</rerunFailure><system-out>running 1 test</system-out></testcase></testsuite></testsuites>"#;
    assert_snapshot!(shown(&judged(nextest)), @"
    Failed: 1 passed, 1 failed, 1 flaky
    Failure src/a.rs:33:9 app a::bad: test failure with exit code 101
    ");
    let dotnet = r#"<?xml version="1.0" encoding="utf-16"?><testsuites><testsuite name="A.dll" tests="1" failures="1">
      <testcase classname="N.T" name="M" time="0.01"><failure type="failure" message="Assert.True() Failure">   at N.T.M() in /workspace/src/T.cs:line 21</failure></testcase>
      <system-out/></testsuite></testsuites>"#;
    assert_snapshot!(shown(&judged(dotnet)), @"
    Failed: 0 passed, 1 failed
    Failure src/T.cs:21 N.T M: Assert.True() Failure
    ");
}

#[test]
fn statuses_in_attributes_count() {
    let report = r#"<testsuite name="g"><testcase name="a" status="run" result="completed"/><testcase name="b" status="notrun" result="suppressed"/>
      <testcase name="c" status="failed"/><testcase name="d" status="disabled"/></testsuite>"#;
    assert_snapshot!(shown(&judged(report)), @"Failed: 1 passed, 1 failed, 2 skipped");
}

#[test]
fn suites_with_nothing_but_counts_count() {
    assert_snapshot!(shown(&judged(r#"<testsuites><testsuite name="a" tests="5" failures="1" skipped="1"/></testsuites>"#)), @"Failed: 3 passed, 1 failed, 1 skipped");
    assert_snapshot!(shown(&judged(r#"<testsuites tests="7"/>"#)), @"Passed: 7 passed");
}

#[test]
fn failures_that_no_case_tells_of_are_no_pass() {
    assert_snapshot!(both(&judged(r#"<testsuite name="set-up" tests="1" errors="1"><testcase name="a"/></testsuite>"#)), @"
    Failed: 1 passed, 1 failed

    The command ended with exit code 0, but its report names failed tests.

    | tests | passed | failed | errors | skipped | time |
    |--:|--:|--:|--:|--:|--:|
    | 2 | 1 | 0 | 1 | 0 | 0.00 s |

    ### Failed tests

    - `set-up`

    ```text
    1 failed, which the report does not name
    ```
    ");
    let of_suite = r#"<testsuite name="src/a.test.ts"><error message="does not compile">src/a.test.ts:3:1 - error</error><testcase name="a"/></testsuite>"#;
    assert_snapshot!(shown(&judged(of_suite)), @"
    Failed: 1 passed, 1 failed
    Failure src/a.test.ts:3:1 src/a.test.ts: does not compile
    ");
}

#[test]
fn cases_without_attributes_or_outside_of_suites_are_tests_too() {
    assert_snapshot!(shown(&judged("<testsuites><testcase/><group><testcase><failure/></testcase></group></testsuites>")), @"Failed: 1 passed, 1 failed");
}

#[test]
fn times_that_are_no_times_are_no_reason_to_distrust_a_test() {
    let times = ["", "<<", "0,25", "1,000.5", "PT5S"];
    let cases: String = times.iter().map(|time| format!("<testcase name='t' time='{}'/>", time.replace('<', "&lt;"))).collect();
    let verdict = judged(format!("<testsuite>{cases}</testsuite>"));
    assert_eq!(verdict.title, "5 passed");
    assert!(verdict.summary.contains("| 1000.75 s |"), "{}", verdict.summary);
}

#[test]
fn times_that_cannot_be_are_an_error_with_their_place() {
    for time in ["-1", "NaN", "inf", "1e400"] {
        let verdict = judged(format!("<testsuite>\n<testcase name='t' time='{time}'/></testsuite>"));
        let told = format!("The report `out.xml:2:1` cannot be read: `<testcase> has time=\"{time}\", which cannot be`");
        assert_eq!((verdict.status, verdict.summary), (VerdictStatus::Errored, told));
    }
}

#[test]
fn reports_in_other_encodings_are_read() {
    let text = "<testsuite><testcase name='größer'><failure message='ä≠ö'/></testcase></testsuite>";
    let utf16 = |swap: bool| -> Vec<u8> {
        let units = "\u{feff}<?xml version='1.0' encoding='UTF-16'?>".encode_utf16().chain(text.encode_utf16());
        units.flat_map(|unit| if swap { unit.to_be_bytes() } else { unit.to_le_bytes() }).collect()
    };
    let latin = || -> Vec<u8> {
        let text = format!("<?xml version='1.0' encoding='ISO-8859-1'?>{}", text.replace('≠', "!"));
        text.chars().map(|c| u8::try_from(u32::from(c)).unwrap()).collect()
    };
    for report in [utf16(false), utf16(true), latin(), format!("\u{feff}{text}").into_bytes(), text.as_bytes().to_vec()] {
        let verdict = judged(&report);
        assert_eq!(verdict.title, "0 passed, 1 failed");
        assert!(verdict.summary.contains("`größer`"), "{}", verdict.summary);
    }
}

#[test]
fn bytes_that_the_encoding_does_not_have_are_an_error_with_its_place() {
    let report = b"<testsuite>\n<testcase name='gr\xf6\xdfer'/></testsuite>";
    assert_snapshot!(both(&judged(report)), @"
    Errored: a report cannot be read

    The report `out.xml:2:19` cannot be read: `bytes that are not valid UTF-8, which the report is in`
    ");
    assert_eq!(status("<?xml version='1.0' encoding='klingon'?><testsuite><testcase/></testsuite>"), VerdictStatus::Errored);
}
