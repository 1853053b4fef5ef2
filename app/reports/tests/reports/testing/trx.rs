//! TRX, as `dotnet test --logger trx` writes it.

use gatewright_reports::testing::{TestFormat, TestRun, read, sniff};

use crate::fixtures::report;

fn good(text: &str) -> TestRun {
    assert_eq!(sniff(text.as_bytes()), Some(TestFormat::Trx));
    read(TestFormat::Trx, text.as_bytes()).unwrap_or_else(|error| panic!("{error}"))
}

/// A run of these results and definitions, of which the summary says this.
fn run(results: &str, definitions: &str, summary: &str) -> String {
    format!(
        "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<TestRun id=\"0\" xmlns=\"http://microsoft.com/schemas/VisualStudio/TeamTest/2010\">\
         <Times/><Results>{results}</Results><TestDefinitions>{definitions}</TestDefinitions>{summary}</TestRun>"
    )
}

fn result(name: &str, id: &str, outcome: &str, inner: &str) -> String {
    format!(
        "<UnitTestResult testId=\"{id}\" testName=\"{name}\" duration=\"00:01:02.5000000\" outcome=\"{outcome}\">{inner}</UnitTestResult>"
    )
}

fn names(run: &TestRun) -> Vec<(&str, &str)> {
    run.bad.iter().map(|case| (case.suite.as_str(), case.name.as_str())).collect()
}

#[test]
fn results_are_counted_by_their_outcome_and_failures_have_texts_and_places() {
    let error = "<Output><StdOut>noise</StdOut><ErrorInfo><Message>expected 3 &lt; 2</Message>\
        <StackTrace>   at Shop.Tests.CartTests.Adds() in /workspace/tests/CartTests.cs:line 42</StackTrace></ErrorInfo></Output>";
    let results = [
        result("Shop.Tests.CartTests.Adds(price: 1.5)", "1", "Failed", error),
        result("Shop.Tests.CartTests.Pays", "2", "Passed", ""),
        result("Shop.Tests.CartTests.Ships", "3", "NotExecuted", ""),
        result("Shop.Tests.CartTests.Waits", "4", "Timeout", ""),
    ];
    let run = good(&run(
        &results.concat(),
        "",
        "<ResultSummary outcome=\"Failed\"><Counters failed=\"1\" timeout=\"1\"/></ResultSummary>",
    ));
    let counts = run.counts;
    assert_eq!((counts.passed, counts.failed, counts.errored, counts.skipped), (1, 1, 1, 1));
    assert_eq!(names(&run)[0], ("Shop.Tests.CartTests", "Shop.Tests.CartTests.Adds(price: 1.5)"));
    let case = &run.bad[0];
    assert_eq!((case.message.as_str(), case.secs), ("expected 3 < 2", Some(62.5)));
    let place = case.place("/workspace").unwrap();
    assert_eq!((place.path.as_str(), place.line), ("tests/CartTests.cs", 42));
}

#[test]
fn a_test_whose_name_has_no_class_has_that_of_its_definition() {
    let definition = |id: &str, class: &str| {
        format!(
            "<UnitTest name=\"Adds\" id=\"{id}\"><Execution id=\"e\"/><TestMethod className=\"{class}, Shop.Tests\" name=\"Adds\"/></UnitTest>"
        )
    };
    let definitions = definition("1", "Shop.One") + &definition("2", "Shop.Two");
    let results =
        ["1", "2", "3"].map(|id| result("Adds", id, "Failed", "")).concat() + &result("costs 1.5 euros", "2", "Failed", "");
    let run = good(&run(&results, &definitions, ""));
    assert_eq!(
        names(&run),
        [("Shop.One", "Shop.One.Adds"), ("Shop.Two", "Shop.Two.Adds"), ("", "Adds"), ("Shop.Two", "Shop.Two.costs 1.5 euros")]
    );
}

#[test]
fn rows_of_data_are_one_test_with_what_each_says() {
    let row = |said: &str| {
        result("Adds (row)", "1", "Failed", &format!("<Output><ErrorInfo><Message>{said}</Message></ErrorInfo></Output>"))
    };
    let inner = format!("<InnerResults>{}{}</InnerResults>", row("first"), row("second"));
    let run = good(&run(&result("Shop.One.Adds", "1", "Failed", &inner), "", ""));
    assert_eq!((run.counts.tests(), run.bad[0].message.as_str()), (1, "first\nsecond"));
}

#[test]
fn a_run_that_broke_down_is_no_pass_though_all_its_results_passed() {
    let summary = "<ResultSummary outcome=\"Failed\"><Counters total=\"1\" passed=\"1\"/><RunInfos>\
        <RunInfo outcome=\"Warning\"><Text>slow</Text></RunInfo>\
        <RunInfo outcome=\"Error\"><Text>The active test run was aborted. Reason: Test host process crashed</Text></RunInfo></RunInfos></ResultSummary>";
    let passed = result("Shop.One.Adds", "1", "Passed", "");
    let broken = good(&run(&passed, "", summary));
    assert_eq!((broken.counts.passed, broken.counts.errored), (1, 1));
    assert_eq!(broken.bad[0].text, "The active test run was aborted. Reason: Test host process crashed");
    let counted = good(&run(&passed, "", "<ResultSummary outcome=\"Completed\"><Counters failed=\"3\"/></ResultSummary>"));
    assert_eq!(counted.counts.failed + counted.counts.errored, 3);
    let unended = good(&run("<UnitTestResult testName=\"a.b\"/>", "", ""));
    assert_eq!(unended.counts.errored, 1);
}

#[test]
fn what_is_cut_off_or_says_what_cannot_be_is_refused_at_its_place() {
    let whole = run(&result("a.b", "1", "Passed", ""), "", "");
    let refused = |text: &str| read(TestFormat::Trx, text.as_bytes()).expect_err("it is refused").to_string();
    assert!(refused(&whole[..whole.len() - 12]).starts_with("line 2"));
    assert!(refused(&whole.replace("Passed", "Splendid")).contains("the outcome \"Splendid\", which is not known"));
    assert!(refused(&whole.replace("00:01:02", "00:-1:02")).contains("a test that took -"));
    assert!(refused("<testsuite/>").contains("TRX"));
    let odd = good(&whole.replace("00:01:02.5000000", "soon"));
    assert_eq!((odd.counts.passed, odd.secs), (1, 0.0));
}

#[test]
fn reports_of_dotnet_are_read() {
    let Some(bytes) = report("junit/dorny/external__FluentValidation.Tests.trx") else { return };
    assert_eq!(sniff(&bytes), Some(TestFormat::Trx));
    let run = read(TestFormat::Trx, bytes.as_slice()).unwrap();
    // By its own counters.
    assert_eq!((run.counts.passed, run.counts.skipped, run.counts.bad()), (803, 1, 0));
    let Some(bytes) = report("junit/dorny/empty__dotnet-trx.trx") else { return };
    assert_eq!(read(TestFormat::Trx, bytes.as_slice()).unwrap().counts.tests(), 0);
}
