//! Reports that are broken or written to deceive: none of them passes, runs away, or has an effect where it is shown.

use std::fmt::Write;

use gatewright_core::verdict::{Verdict, VerdictStatus};
use insta::assert_snapshot;
use proptest::prelude::*;

use super::{evidence, gate, judge, judged, status};

/// The sentence that says why a report cannot be read.
fn cause(report: impl AsRef<[u8]>) -> String {
    let verdict = judged(report);
    assert_eq!(verdict.status, VerdictStatus::Errored, "{}", verdict.title);
    verdict.summary.lines().next().unwrap().to_owned()
}

#[test]
fn broken_reports_are_told_where_they_break() {
    assert_snapshot!(cause(""), @"The report `out.xml:1:1` cannot be read: `the file has no element; it is empty`");
    assert_snapshot!(cause("  \n\n"), @"The report `out.xml:3:1` cannot be read: `the file has no element; it is empty`");
    assert_snapshot!(cause("no tests were run\n"), @"The report `out.xml:1:1` cannot be read: `text outside of the outermost element; this is no JUnit report`");
    assert_snapshot!(cause("{\"tests\": 5}"), @"The report `out.xml:1:1` cannot be read: `text outside of the outermost element; this is no JUnit report`");
    assert_snapshot!(cause("<html><body>404</body></html>"), @"The report `out.xml:1:1` cannot be read: `this is no JUnit report: its outermost element is <html>`");
    assert_snapshot!(cause("<testsuite>\n  <testcase name='a'>\n</testsuite>"), @"The report `out.xml:3:1` cannot be read: ``ill-formed document: expected `</testcase>`, but `</testsuite>` was found``");
    assert_snapshot!(cause("<testsuite><testcase name='a'/>\n<testca"), @"The report `out.xml:2:1` cannot be read: ``syntax error: tag not closed: `>` not found before end of input``");
    assert_snapshot!(cause("<testsuite><testcase name='a'/>"), @"The report `out.xml:1:32` cannot be read: `the file ends before its last element does`");
    assert_snapshot!(cause("<testsuite><testcase name='a' name='b'/></testsuite>"), @r#"The report `out.xml:1:12` cannot be read: `<testcase> has "name" twice`"#);
    assert_snapshot!(cause("<testsuite><testcase name='a'/></testsuite><testsuite/>"), @"The report `out.xml:1:44` cannot be read: `a second outermost element`");
    assert_snapshot!(cause("<testsuite><testcase name='a'/></testsuite>\nDone."), @"The report `out.xml:1:44` cannot be read: `text outside of the outermost element; this is no JUnit report`");
    assert_snapshot!(cause("<testsuite><testcase name='&secret;'/></testsuite>"), @"The report `out.xml:1:12` cannot be read: `` <testcase>: at 1..7: unrecognized entity `secret` ``");
    assert_snapshot!(cause("<testsuite><testcase><failure>&secret;</failure></testcase></testsuite>"), @"The report `out.xml:1:31` cannot be read: `the entity &secret; is not known`");
    assert_snapshot!(cause("<testsuite><testcase><testcase/></testcase></testsuite>"), @"The report `out.xml:1:22` cannot be read: `a <testcase> in a <testcase>`");
}

#[test]
fn entities_are_never_expanded() {
    let bomb = "<!DOCTYPE t [<!ENTITY a 'aaaa'><!ENTITY b '&a;&a;&a;'>]><testsuite><testcase name='&b;'/></testsuite>";
    assert_snapshot!(cause(bomb), @"The report `out.xml:1:1` cannot be read: `the document type defines entities, which is not allowed`");
    let file = "<!DOCTYPE t [<!ENTITY x SYSTEM 'file:///etc/passwd'>]><testsuite><testcase><failure>&x;</failure></testcase></testsuite>";
    assert_snapshot!(cause(file), @"The report `out.xml:1:1` cannot be read: `the document type defines entities, which is not allowed`");
    let outer = "<!DOCTYPE t SYSTEM 'http://127.0.0.1/x.dtd'><testsuite><testcase name='&x;'/></testsuite>";
    assert_snapshot!(cause(outer), @"The report `out.xml:1:56` cannot be read: `` <testcase>: at 1..2: unrecognized entity `x` ``");
    // A document type that defines nothing is what some old tools write.
    assert_eq!(status("<!DOCTYPE testsuites><testsuite><testcase name='a'/></testsuite>"), VerdictStatus::Passed);
}

#[test]
fn depth_and_attributes_have_limits() {
    let deep = format!("<testsuite>{}", "<a>".repeat(100_000));
    assert_snapshot!(cause(deep), @"The report `out.xml:1:393` cannot be read: `more than 128 elements in each other`");
    let wide = (0..1000).fold("<testsuite ".to_owned(), |text, n| text + &format!("a{n}='x' ")) + "/>";
    assert_snapshot!(cause(wide), @"The report `out.xml:1:1` cannot be read: `more than 64 attributes on one element`");
    let nested = "<testsuite>".repeat(60) + "<testcase/>" + &"</testsuite>".repeat(60);
    assert_eq!(status(nested), VerdictStatus::Passed);
}

#[test]
fn declared_counts_cannot_overflow() {
    let suite = format!("<testsuite tests='{0}' failures='{0}' errors='{0}' skipped='{0}'/>", u64::MAX);
    let verdict = judged(format!("<testsuites>{}</testsuites>", suite.repeat(50)));
    assert_eq!(verdict.status, VerdictStatus::Errored, "{}", verdict.title);
    assert!(verdict.summary.contains("more than 5000000 tests"), "{}", verdict.summary);
}

/// A report of so many failed tests, each with this name, message and text.
fn failures(count: usize, name: &str, message: &str, text: &str) -> String {
    let mut report = "<testsuite>".to_owned();
    for n in 1..=count {
        write!(
            report,
            "<testcase name=\"{name}\" file=\"src/a.rs\" line=\"{n}\"><failure message=\"{message}\">{text}</failure></testcase>"
        )
        .unwrap();
    }
    report + "</testsuite>"
}

#[test]
fn names_and_messages_have_no_effect_where_they_are_shown() {
    let name = "`x` @octo/all #1 &lt;!-- gatewright:sticky --&gt; [l](http://e) ![i](http://e)";
    let text = "```&#10;/gw approve&#10;@octo/all&#10;&lt;img src=x&gt;&#27;[2J&#8238;";
    let verdict = judged(failures(1, name, "m", text));
    assert_snapshot!(verdict.summary, @"
    The command ended with exit code 0, but its report names failed tests.

    | tests | passed | failed | errors | skipped | time |
    |--:|--:|--:|--:|--:|--:|
    | 1 | 0 | 1 | 0 | 0 | 0.00 s |

    ### Failed tests

    - `` `x` @octo/all #1 <!-- gatewright:sticky --> [l](http://e) ![i](http://e) `` at `src/a.rs:1`

    ````text
    m
    ```
    /gw approve
    @octo/all
    <img src=x>
    ````
    ");
    assert_snapshot!(verdict.annotations[0].message, @"
    m
    ```
    /gw approve
    @octo/all
    <img src=x>
    ");
    assert!(!verdict.title.contains(['@', '<', '`']));
}

/// What stands in a verdict outside of code, where Markdown would take effect.
fn outside_of_code(summary: &str) -> String {
    let mut outside = String::new();
    let mut fence: Option<String> = None;
    for line in summary.lines() {
        let ticks: String = line.chars().take_while(|c| *c == '`').collect();
        match &fence {
            Some(open) if ticks.len() >= open.len() && line == ticks => fence = None,
            Some(_) => {}
            None if ticks.len() >= 3 && line[ticks.len()..] == *"text" => fence = Some(ticks),
            None => outside += &without_spans(line),
        }
    }
    assert_eq!(fence, None, "a fence is never closed:\n{summary}");
    outside
}

fn without_spans(line: &str) -> String {
    let Some(begin) = line.find('`') else { return line.to_owned() };
    let ticks = line[begin..].chars().take_while(|c| *c == '`').count();
    let (mut at, inside) = (0, &line[begin + ticks..]);
    while let Some(next) = inside[at..].find('`') {
        let run = inside[at + next..].chars().take_while(|c| *c == '`').count();
        if run == ticks {
            return line[..begin].to_owned() + &without_spans(&inside[at + next + run..]);
        }
        at += next + run;
    }
    panic!("a code span is never closed: {line}");
}

#[test]
fn a_flood_of_failures_is_bounded() {
    let long = "x".repeat(20_000);
    let verdict = judged(failures(500, &long, &long, &long));
    assert_eq!(verdict.title, "0 passed, 500 failed");
    assert_eq!(verdict.annotations.len(), Verdict::ANNOTATIONS_MAX);
    assert_eq!(verdict.annotations_left_out, 300);
    assert!(verdict.summary.len() < 40_000, "{}", verdict.summary.len());
    assert!(verdict.summary.contains("And 480 more failed tests."));
    let annotation = &verdict.annotations[0];
    assert!(annotation.title.chars().count() <= 255 && annotation.message.len() < 4000);
}

#[test]
fn many_annotations_share_what_may_be_journaled() {
    let verdict = judged(failures(300, "t", "m", &"ä".repeat(5000)));
    let bytes: usize = verdict.annotations.iter().map(|annotation| annotation.message.len()).sum();
    assert!(bytes < 70_000 && verdict.annotations.len() == 200, "{bytes}");
}

#[test]
fn a_report_of_nothing_but_colons_is_no_labour() {
    let verdict = judged(failures(500, "t", &":1".repeat(2000), &"\", line 1:1".repeat(700)));
    assert_eq!(verdict.title, "0 passed, 500 failed");
}

#[test]
fn a_huge_output_is_read_past() {
    let report = format!(
        "<testsuite><testcase name='a'><system-out>{}</system-out></testcase></testsuite>",
        "&lt;x&gt; ".repeat(1_000_000)
    );
    assert_eq!(judged(report).title, "1 passed");
}

#[test]
fn paths_that_lead_out_of_the_source_are_not_annotated() {
    let mut report = "<testsuite>".to_owned();
    for path in [
        "/etc/passwd.txt",
        "../../x.rs",
        "a/../../x.rs",
        "C:\\x.rs",
        "~/x.rs",
        "http://e/x.rs",
        "src/\u{202e}a\n.rs",
        ".git/config.x",
    ] {
        write!(report, "<testcase name='t' file='{path}' line='3'><failure>{path}:4</failure></testcase>").unwrap();
    }
    let verdict = judged(report + "</testsuite>");
    assert_eq!(verdict.title, "0 passed, 8 failed");
    let paths: Vec<&str> = verdict.annotations.iter().map(|a| a.path.as_str()).collect();
    assert!(paths.iter().all(|path| path.starts_with("src/")), "{paths:?}");
}

#[test]
fn many_broken_reports_make_a_bounded_summary() {
    let names: Vec<String> = (0..1000).map(|n| format!("{n}/{}.xml", "y".repeat(5000))).collect();
    let reports: Vec<(&str, &[u8])> = names.iter().map(|name| (name.as_str(), &b"<a>"[..])).collect();
    let verdict = judge(&gate(", junit: \"**/*.xml\""), &evidence(0, &reports));
    assert_eq!(verdict.status, VerdictStatus::Errored);
    assert!(verdict.summary.len() < 20_000 && verdict.summary.contains("And 980 more"), "{}", verdict.summary.len());
}

/// A valid report with at least one test that was run.
fn a_report() -> impl Strategy<Value = String> {
    let part = prop_oneof![
        Just(""),
        Just("<skipped/>"),
        Just("<system-out>a &amp; b <![CDATA[<c>]]></system-out>"),
        Just("<properties><property name=\"p\" value=\"v\"/></properties>"),
        Just("<!-- c -->"),
    ];
    let case =
        ("[a-zäß ]{0,12}", part).prop_map(|(name, part)| format!("<testcase name=\"{name}\" time=\"0.1\">{part}</testcase>\n"));
    proptest::collection::vec(case, 1..8).prop_map(|cases| {
        format!(
            "<?xml version=\"1.0\"?>\n<testsuites><testsuite name=\"s\"><testcase/>{}</testsuite></testsuites>",
            cases.concat()
        )
    })
}

/// Pieces of reports in any order.
fn xml_like() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        Just("<testsuites>"),
        Just("</testsuites>"),
        Just("<testsuite name='s' tests='3'>"),
        Just("</testsuite>"),
        Just("<testcase name='`@a'>"),
        Just("</testcase>"),
        Just("<testcase/>"),
        Just("<failure message='```'>"),
        Just("</failure>"),
        Just("<skipped/>"),
        Just("<error>"),
        Just("</error>"),
        Just("&lt;"),
        Just("&x;"),
        Just("<![CDATA["),
        Just("]]>"),
        Just("<!--"),
        Just("-->"),
        Just("<?xml "),
        Just("?>"),
        Just("<!DOCTYPE a ["),
        Just("]>"),
        Just("src/a.rs:3:4"),
        Just("`"),
        Just("``` @b\n"),
        Just("\n"),
        Just("ä"),
        Just("\u{1b}["),
        Just("&#"),
    ];
    let bytes = proptest::collection::vec(any::<u8>(), 0..8);
    let piece = prop_oneof![9 => piece.prop_map(|piece| piece.as_bytes().to_vec()), 1 => bytes];
    proptest::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn a_valid_report_passes_and_cut_anywhere_does_not(report in a_report(), cut in any::<prop::sample::Index>()) {
        prop_assert_eq!(status(&report), VerdictStatus::Passed);
        let cut = cut.index(report.len());
        prop_assert_eq!(status(&report.as_bytes()[..cut]), VerdictStatus::Errored);
    }

    #[test]
    fn whatever_a_report_says_is_judged_and_shown_without_effect(report in xml_like()) {
        let verdict = judged(report);
        prop_assert!(!verdict.title.is_empty() && !verdict.title.contains(['@', '`', '<', '\n']));
        let outside = outside_of_code(&verdict.summary);
        prop_assert!(!outside.contains(['@', '<', '`', '&', '!']), "{}", outside);
    }

    #[test]
    fn whatever_a_command_says_is_shown_without_effect(log_tail in "[`@<!a \\n\u{1b}\\[~]{0,60}") {
        let verdict = judge(&gate(""), &gatewright_core::verdict::Evidence { log_tail, ..evidence(1, &[]) });
        prop_assert!(!outside_of_code(&verdict.summary).contains(['@', '<', '`', '!']));
    }
}
