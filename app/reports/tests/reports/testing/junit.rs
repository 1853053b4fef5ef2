//! JUnit: every dialect that the fixtures have, compared with what other tools count; broken and hostile files; bounds.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::{Path, PathBuf};

use gatewright_reports::ReportError;
use gatewright_reports::testing::{TestFormat, TestRun, read, read_any, sniff};

use super::{counts, good, names, refused};
use crate::fixtures::{files, report};

fn junit(text: &str) -> TestRun {
    good(TestFormat::Junit, text)
}

/// A report that another tool wrote, if there is one.
fn wild(path: &str) -> Option<TestRun> {
    let bytes = report(&format!("junit/{path}"))?;
    assert_eq!(sniff(&bytes), Some(TestFormat::Junit), "{path}");
    Some(read(TestFormat::Junit, &*bytes).unwrap_or_else(|error| panic!("{path}: {error}")))
}

#[test]
fn reports_of_many_tools_say_what_these_tools_said() {
    // Passed, failed, errored, skipped, flaky: as Python's own XML reader counts the cases; the totals that the files declare agree.
    for (path, expected) in [
        (
            "mikepenz/tests__utils__target__surefire-reports__TEST-action.surefire.report.calc.StringUtilsTest.xml",
            [2, 2, 0, 1, 0],
        ),
        ("mikepenz/python__report.xml", [1, 2, 0, 0, 0]),
        ("mikepenz/nextest__basic.xml", [2, 1, 0, 0, 0]),
        ("mikepenz/junit_flaky_failure__marathon_junit_report.xml", [1, 0, 0, 0, 1]),
        ("mikepenz/perl__result.xml", [1, 0, 0, 0, 0]),
        ("mikepenz/xunit__report.xml", [3, 1, 0, 0, 0]),
        ("dorny/test-errors__jest__jest-test-results.xml", [0, 0, 2, 0, 0]),
        ("dorny/external__phpunit__junit-basic.xml", [8, 1, 0, 0, 0]),
        ("dorny/python-xunit-unittest.xml", [4, 1, 1, 2, 0]),
        ("dorny/swift-xunit.xml", [2, 1, 0, 0, 0]),
        ("dorny/external__java__pulsar-test-report.xml", [793, 1, 0, 14, 0]),
    ] {
        let Some(run) = wild(path) else { return };
        assert_eq!(counts(&run), expected, "{path}");
    }
}

/// Broken, empty, hostile or not JUnit. Every other one is read.
const REFUSED: [&str; 10] = [
    "empty__dotnet-trx.trx",
    "external__FluentValidation.Tests.trx",
    // Negative times.
    "junit-report-bad-duration.xml",
    "junit-report-huge.xml",
    "junit-xml__non-junit.xml",
    "junit-xml__pytest__corrupt-xml.xml",
    "xml__empty.xml",
    "xml__non-xml.xml",
    "testXxe-oob.xml",
    "tests__utils__pom.xml",
];

#[test]
fn every_report_in_the_wild_is_read_or_refused_with_its_place() {
    let is_report = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "xml" || extension == "trx");
    for path in files("junit").iter().filter(|path| is_report(path)) {
        let result = read(TestFormat::Junit, std::fs::File::open(path).unwrap());
        let name = path.file_name().unwrap().to_string_lossy();
        assert_eq!(result.is_err(), REFUSED.contains(&&*name), "{}: {result:?}", path.display());
        if let Err(error) = result {
            assert!(error.place().is_some(), "{error}");
        }
    }
}

/// What another reader counted, beside some of the reports.
fn counted(path: &Path) -> Option<[u64; 3]> {
    let json: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string(path.with_extension("results.json")).ok()?).unwrap();
    let number = |key: &str| find(&json, key).unwrap_or_else(|| panic!("{key} in {}", path.display()));
    Some([number("tests_succ"), number("tests_fail") + number("tests_error"), number("tests_skip")])
}

/// The first number under this key, however deep.
fn find(json: &serde_json::Value, key: &str) -> Option<u64> {
    match json {
        serde_json::Value::Object(map) => {
            map.get(key).and_then(serde_json::Value::as_u64).or_else(|| map.values().find_map(|value| find(value, key)))
        }
        serde_json::Value::Array(list) => list.iter().find_map(|value| find(value, key)),
        _ => None,
    }
}

#[test]
fn counts_are_those_that_another_reader_came_to() {
    let mut compared = 0;
    for path in files("junit").iter().filter(|path| path.extension().is_some_and(|extension| extension == "xml")) {
        let Some(expected) = counted(path) else { continue };
        let run = read(TestFormat::Junit, std::fs::File::open(path).unwrap()).unwrap();
        assert_eq!([run.counts.passed, run.counts.bad(), run.counts.skipped], expected, "{}", path.display());
        compared += 1;
    }
    assert!(compared >= 5 || std::env::var_os("GATEWRIGHT_FIXTURES").is_none(), "only {compared} reports carry counts");
}

#[test]
fn what_a_suite_has_is_counted_with_it() {
    let text = r#"<testsuites><testsuite name="outer"><testsuite name="a"><testcase name="1"/><testcase name="2"><skipped/></testcase></testsuite>
      <testcase name="3"><error/></testcase></testsuite>
      <testsuite name="a"><testcase name="4"><failure/></testcase></testsuite>
      <testsuite name="pytest"><testcase classname="tests.test_x" name="5"/></testsuite>
      <testsuite name="unit.Test-20260101123456"><testcase classname="T" name="6"/></testsuite><testsuite name="only-counts" tests="3"/></testsuites>"#;
    let run = junit(text);
    let suites: BTreeMap<&str, (u64, u64)> =
        run.suites.iter().map(|(name, counts)| (name.as_str(), (counts.run(), counts.skipped))).collect();
    let expected = [("a", (2, 1)), ("only-counts", (3, 0)), ("outer", (1, 0)), ("tests.test_x", (1, 0)), ("unit.Test", (1, 0))];
    assert_eq!(suites, expected.into());
    assert_eq!(counts(&run), [6, 1, 1, 1, 0]);
}

#[test]
fn a_case_says_what_is_wrong_and_where() {
    let text = r#"<testsuite name="shop"><testcase classname="shop.cart" name="pays" time="1.25" file="shop/cart.py" line="40">
      <system-out><![CDATA[shop/other.py:1: no]]> &nonsense;</system-out>
      <failure message="assert &lt;3&gt;">one &amp; two &#x41;<![CDATA[ <three> ]]><!-- not this --><b>four</b>
shop/cart.py:42: AssertionError</failure></testcase></testsuite>"#;
    let run = junit(text);
    let case = &run.bad[0];
    assert_eq!((case.name.as_str(), case.message.as_str()), ("shop.cart pays", "assert <3>"));
    // What an element in a failure holds is none of its text.
    assert_eq!(case.text, "one & two A <three> \nshop/cart.py:42: AssertionError");
    assert_eq!(case.place("/workspace").map(|place| (place.path, place.line)), Some(("shop/cart.py".to_owned(), 42)));
    assert_eq!(run.slowest, [(1.25, "shop.cart pays".to_owned())]);
}

#[test]
fn a_test_that_was_run_again_within_its_case_is_flaky_with_its_failure() {
    let text = r#"<testsuite name="s"><testcase name="a" time="0.1"><flakyFailure message="once" type="E">at src/a.rs:3:1<stackTrace>x</stackTrace></flakyFailure></testcase>
      <testcase name="b"><failure message="no"/><rerunFailure message="again"/></testcase></testsuite>"#;
    let run = junit(text);
    assert_eq!((counts(&run), names(&run.flaky), names(&run.bad)), ([1, 1, 0, 0, 1], vec!["a".to_owned()], vec!["b".to_owned()]));
    assert_eq!((run.flaky[0].message.as_str(), run.flaky[0].text.as_str()), ("once", "at src/a.rs:3:1"));
}

#[test]
fn bad_tests_that_are_only_counted_stand_for_their_number() {
    let run = junit(r#"<testsuite name="set-up" tests="5" failures="3" errors="1"/>"#);
    assert_eq!(counts(&run), [1, 3, 1, 0, 0]);
    let stand: Vec<(&str, u64)> = run.bad.iter().map(|case| (case.name.as_str(), case.stands_for)).collect();
    assert_eq!(stand, [("set-up", 3), ("set-up", 1)]);
}

#[test]
fn numbers_that_cannot_be_are_refused_where_they_stand() {
    for (attributes, cause) in [
        ("time='-1'", "time=\"-1\""),
        ("time='NaN'", "time=\"NaN\""),
        ("time='inf'", "time=\"inf\""),
        ("time='1e400'", "time=\"1e400\""),
        ("duration='-0.5'", "duration=\"-0.5\""),
    ] {
        let found = refused(TestFormat::Junit, &format!("<testsuite>\n<testcase name='a' {attributes}/></testsuite>"));
        assert_eq!(found, format!("line 2, column 1: <testcase> has {cause}, which cannot be"));
    }
    let found = refused(TestFormat::Junit, "<testsuites>\n <testsuite tests='-3'/></testsuites>");
    assert_eq!(found, "line 2, column 2: <testsuite> has tests=\"-3\", which cannot be");
}

#[test]
fn times_that_are_no_numbers_are_no_reason_to_distrust_a_test() {
    let cases: String = ["", "&lt;&lt;computed&gt;&gt;", "0,25", "1,000.5", "PT5S", "1e12", "-0"]
        .iter()
        .map(|time| format!("<testcase name='t' time='{time}'/>"))
        .collect();
    let run = junit(&format!("<testsuite>{cases}</testsuite>"));
    assert_eq!((run.counts.passed, run.secs), (7, 1000.75));
}

#[test]
fn hostile_files_are_refused_where_they_are() {
    let deep = format!("<testsuite>{}", "<a>".repeat(100_000));
    let wide = (0..1000).fold("<testsuite ".to_owned(), |text, n| text + &format!("a{n}='x' ")) + "/>";
    let long_name = format!("<testsuite><{}/></testsuite>", "a".repeat(2000));
    let long_tag = format!("<testsuite><testcase name='{}'/></testsuite>", "a".repeat(9 * 1024 * 1024));
    for (text, cause) in [
        (
            "<!DOCTYPE t [<!ENTITY a 'aaaa'><!ENTITY b '&a;&a;'>]><testsuite><testcase name='&b;'/></testsuite>",
            "defines entities",
        ),
        ("<!DOCTYPE t [<!ENTITY x SYSTEM 'file:///etc/passwd'>]><testsuite/>", "defines entities"),
        ("<!DOCTYPE t [<!ENTITY % x 'y'>%x;]><testsuite/>", "defines entities"),
        ("<testsuite><testcase name='&x;'/></testsuite>", "unrecognized entity `x`"),
        ("<testsuite><testcase><failure>a &x; b</failure></testcase></testsuite>", "the entity &x; is not known"),
        ("<testsuite><testcase><failure>a & b</failure></testcase></testsuite>", "an `&` that begins no reference"),
        ("<testsuite><testcase><system-out><![CDATA[a]]</system-out></testcase></testsuite>", "ends before its last element"),
        ("<testsuite><testcase><testcase/></testcase></testsuite>", "a <testcase> in a <testcase>"),
        ("<testsuite><testcase name='a'>\n</testsuite>", "expected `</testcase>`"),
        ("<testsuite/><testsuite/>", "a second outermost element"),
        ("<html/>", "this is no JUnit report: its outermost element is <html>"),
        ("", "it is empty"),
        (&deep, "more than 128 elements in each other"),
        (&wide, "more than 64 attributes on one element"),
        (&long_name, "an element's name of more than 1 KiB"),
        (&long_tag, "a tag of more than 8 MiB"),
    ] {
        let found = refused(TestFormat::Junit, text);
        assert!(found.starts_with("line ") && found.contains(cause), "{cause}: {found}");
    }
    let wrong = b"<testsuite>\n<testcase name='gr\xf6\xdfer'/></testsuite>";
    let found = read(TestFormat::Junit, &wrong[..]).expect_err("that is no UTF-8").to_string();
    assert!(found.starts_with("line 2, column 19: bytes that are not valid UTF-8"), "{found}");
}

#[test]
fn nasty_xml_is_never_a_test_report() {
    for path in files("nasty").iter().filter(|path| path.extension().is_some_and(|extension| extension == "xml")) {
        let result = read_any(std::fs::File::open(path).unwrap());
        let refused =
            matches!(&result, Err(error @ (ReportError::Broken { .. } | ReportError::TooMuch { .. })) if error.place().is_some());
        assert!(refused, "{}: {result:?}", path.display());
    }
}

#[test]
fn a_long_report_cut_anywhere_is_refused() {
    let Some(report) = report("junit/enricomi/junit-xml__pytest__junit.gloo.elastic.spark.torch.xml") else { return };
    let end = report.trim_ascii_end().len();
    for cut in (0..end).step_by(37).chain([end - 1]) {
        assert!(read(TestFormat::Junit, &report[..cut]).is_err(), "cut at {cut} of {end}");
    }
}

#[test]
fn encodings_are_those_that_the_file_says() {
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
        assert_eq!(sniff(&report), Some(TestFormat::Junit));
        assert_eq!(names(&read(TestFormat::Junit, &*report).unwrap().bad), ["größer"]);
    }
}

#[test]
fn what_tests_wrote_may_be_of_any_length() {
    let output = "line &lt; of output\n".repeat(200_000);
    let plain = "x".repeat(3 * 1024 * 1024);
    let text = format!(
        "<testsuite><system-out><![CDATA[{plain}]]></system-out><!-- {plain} --><testcase name='a'><system-out>{output}</system-out></testcase>\
         <testcase name='b'><failure><![CDATA[{plain}]]></failure><failure>{output}</failure></testcase></testsuite>"
    );
    let run = junit(&text);
    assert_eq!((counts(&run), run.bad[0].text.len()), ([1, 1, 0, 0, 0], 8192));
}

#[test]
fn a_reference_that_is_cut_is_none_that_is_not_known() {
    for length in 8170..8200 {
        let run = junit(&format!(
            "<testsuite><testcase><failure>{}&amp;&#xe4;&lt;ä</failure></testcase></testsuite>",
            "y".repeat(length)
        ));
        assert!(run.bad[0].text.len() <= 8192, "{length}");
    }
    for length in (16_300..16_400).step_by(1) {
        junit(&format!(
            "<testsuite><testcase><failure>{}&amp;&#xe4;</failure></testcase></testsuite>",
            "&lt;y".repeat(length / 5) + &"z".repeat(length % 5)
        ));
    }
}

#[test]
fn several_reports_are_one_run_within_bounds() {
    let mut report = "<testsuite name='s'>".to_owned();
    for n in 0..6000 {
        write!(report, "<testcase name='t{n}' time='{n}'><failure>{}</failure></testcase>", "x".repeat(4000)).unwrap();
    }
    let run = junit(&(report + "</testsuite>"));
    let mut all = run.clone();
    all.add(run);
    all.add(junit("<testsuite name='other'><testcase name='a' time='7000'/></testsuite>"));
    assert_eq!((all.counts.failed, all.counts.passed, all.bad.len()), (12_000, 1, 10_000));
    assert!(all.bad.iter().map(|case| case.text.len()).sum::<usize>() <= 32 * 1024 * 1024);
    assert_eq!((all.suites["s"].failed, all.suites["other"].passed), (12_000, 1));
    let slowest: Vec<f64> = all.slowest.iter().map(|(secs, _)| *secs).collect();
    assert_eq!(slowest[..4], [7000.0, 5999.0, 5999.0, 5998.0]);
}

#[test]
fn the_format_is_told_by_the_beginning() {
    for (text, format) in [
        ("<?xml version='1.0'?>\n<!-- x --><testsuites/>", Some(TestFormat::Junit)),
        ("<testsuite/>", Some(TestFormat::Junit)),
        ("<coverage/>", None),
        ("go: downloading x\n{\"Action\":\"start\",\"Package\":\"p\"}\n", Some(TestFormat::GoTest)),
        ("# a comment\nok 1\n1..1\n", Some(TestFormat::Tap)),
        ("hello", None),
        ("", None),
    ] {
        assert_eq!(sniff(text.as_bytes()), format, "{text}");
    }
    assert_eq!(read_any("1..1\nok 1\n".as_bytes()).unwrap().counts.passed, 1);
    let error = read_any("hello".as_bytes()).expect_err("it is none").to_string();
    assert!(error.starts_with("line 1, column 1: this is no test report"), "{error}");
}
