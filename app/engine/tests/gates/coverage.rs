//! What the coverage gate says of reports, of a change, and of what is asked for.

use gatewright_core::Timestamp;
use gatewright_core::config::{GateConfig, RepoConfig, parse};
use gatewright_core::facts::{CoverageFacts, Facts, Past, Share};
use gatewright_core::verdict::{Evidence, Exit, ReportFile, ReportKind, Reports, Survey, Verdict, VerdictStatus};
use gatewright_engine::gates;
use insta::assert_snapshot;

use super::{evidence, judge};

const LCOV: &str = "SF:src/a.rs\nBRDA:1,0,0,1\nBRDA:1,0,1,0\nDA:1,1\nDA:2,0\nDA:3,1\nend_of_record\n";
const OTHER: &str = "SF:src/a.rs\nDA:2,7\nend_of_record\nSF:lib/b.rs\nDA:1,0\nend_of_record\n";

/// Adds the second and the third line.
const DIFF: &str = "diff --git a/src/a.rs b/src/a.rs\n--- a/src/a.rs\n+++ b/src/a.rs\n@@ -1,0 +2,2 @@\n+two\n+three\n";

fn gate(require: &str) -> GateConfig {
    let file = format!("image: a\ngates:\n  t: {{ run: x, coverage: '*.info', require: {{ {require} }} }}\n");
    let RepoConfig { gates, .. } = parse(&file).unwrap();
    gates.into_iter().next().unwrap()
}

fn left_behind(reports: &[&str], diff: Option<&str>) -> Evidence {
    let file = |(n, text): (usize, &&str)| ReportFile::new(format!("{n}.info"), text.as_bytes().to_vec());
    let files = reports.iter().enumerate().map(file).collect();
    let survey = Survey {
        files: ["src/a.rs", "lib/b.rs"].map(str::to_owned).to_vec(),
        diff: diff.map(|diff| diff.as_bytes().to_vec().into()),
        ..Survey::default()
    };
    Evidence {
        reports: [(ReportKind::Coverage, Reports { files, errors: Vec::new() })].into(),
        survey: Some(survey),
        ..evidence(0, &[])
    }
}

fn said(verdict: &Verdict) -> String {
    format!("{:?}: {}", verdict.status, verdict.title)
}

#[test]
fn reports_count_together_and_the_change_apart() {
    let verdict = judge(&gate(""), &left_behind(&[LCOV], Some(DIFF)));
    assert_snapshot!(said(&verdict), @"Passed: 66.66 % (2 of 3) of lines, 50 % (1 of 2) of changed lines");
    let annotation = &verdict.annotations[0];
    assert_eq!((annotation.path.as_str(), annotation.start_line, annotation.end_line), ("src/a.rs", 2, 2));
    let verdict = judge(&gate(""), &left_behind(&[LCOV, OTHER], Some(DIFF)));
    assert_snapshot!(said(&verdict), @"Passed: 75 % (3 of 4) of lines, 100 % (2 of 2) of changed lines");
    assert_eq!(verdict.annotations, []);
    let verdict = judge(&gate("lines: 70"), &left_behind(&[LCOV], None));
    assert_snapshot!(said(&verdict), @"Failed: 66.66 % (2 of 3) of lines, less than 70 %");
}

#[test]
fn what_is_asked_for_is_compared_exactly() {
    let judged_as = |require: &str| said(&judge(&gate(require), &left_behind(&[LCOV], Some(DIFF))));
    assert_snapshot!(judged_as("lines: 66.66"), @"Passed: 66.66 % (2 of 3) of lines, 50 % (1 of 2) of changed lines");
    assert_snapshot!(judged_as("lines: 66.67"), @"Failed: 66.66 % (2 of 3) of lines, less than 66.67 %");
    assert_snapshot!(judged_as("branches: 50, changed-lines: 50"), @"Passed: 66.66 % (2 of 3) of lines, 50 % (1 of 2) of changed lines");
    assert_snapshot!(judged_as("branches: 51, changed-lines: 51"), @"Failed: 50 % (1 of 2) of branches, less than 51 %, and 1 more");
}

/// What was known at the commit that the change starts from, or at another one of the base branch.
fn base(covered: u64, total: u64, exact: bool) -> Option<Past> {
    let lines = Share { covered, total };
    let facts = Facts { coverage: Some(CoverageFacts { lines, branches: Share::default() }), ..Facts::default() };
    let (run, commit) = ("0199e2a4-7c1e-7000-8000-000000000000".parse().unwrap(), "0123456789".repeat(4).parse().unwrap());
    Some(Past { run, commit, at: Timestamp::UNIX_EPOCH, exact, facts })
}

#[test]
fn a_drop_is_measured_against_the_base_and_what_is_shown_as_allowed_is_allowed() {
    let judged_as = |require: &str, base: Option<Past>| {
        let verdict = judge(&gate(require), &Evidence { base, ..left_behind(&[LCOV], None) });
        format!("{} [{}]", said(&verdict), verdict.change)
    };
    assert_snapshot!(judged_as("drop-at-most: 0.5", base(2, 3, true)), @"Passed: 66.66 % (2 of 3) of lines [+0 % of lines]");
    assert_snapshot!(judged_as("drop-at-most: 0.5", base(1, 2, true)), @"Passed: 66.66 % (2 of 3) of lines [+16.66 % of lines]");
    assert_snapshot!(judged_as("drop-at-most: 8.33", base(3, 4, true)), @"Failed: -8.34 % of lines, and a drop of 8.33 % is allowed [-8.34 % of lines]");
    assert_snapshot!(judged_as("drop-at-most: 8.34", base(3, 4, true)), @"Passed: 66.66 % (2 of 3) of lines [-8.34 % of lines]");
    assert_snapshot!(judged_as("lines: 70, drop-at-most: 0", base(3, 4, true)), @"Failed: 66.66 % (2 of 3) of lines, less than 70 % [-8.34 % of lines]");
    assert_snapshot!(judged_as("lines: 1", base(3, 4, true)), @"Passed: 66.66 % (2 of 3) of lines [-8.34 % of lines]");
    assert_snapshot!(judged_as("drop-at-most: 0", None), @"Passed: 66.66 % (2 of 3) of lines []");
}

#[test]
fn it_is_said_what_a_drop_was_measured_against_and_where_nothing_is_known_what_to_do() {
    let summary = |base| judge(&gate("drop-at-most: 1"), &Evidence { base, ..left_behind(&[LCOV], None) }).summary;
    let against = |summary: String| summary.lines().find(|line| line.starts_with('-')).unwrap_or_default().to_owned();
    assert_snapshot!(against(summary(base(3, 4, true))), @"-8.34 % of lines: 66.66 % (2 of 3) here, 75 % (3 of 4) at 0123456, the commit that it started from. A drop of 1 % is allowed.");
    assert_snapshot!(against(summary(base(3, 4, false))), @"-8.34 % of lines: 66.66 % (2 of 3) here, 75 % (3 of 4) at 0123456, the newest one of the base branch that is known here. A drop of 1 % is allowed.");
    assert!(summary(None).contains("Nothing is known of the base yet"));
}

#[test]
fn what_later_runs_compare_with_is_kept_even_of_a_gate_that_fails() {
    let facts = gates::judge(&gate("lines: 70"), &left_behind(&[LCOV], None)).facts;
    assert_eq!(facts.coverage.unwrap().lines, Share { covered: 2, total: 3 });
    assert!(gates::judge(&gate("lines: 70"), &left_behind(&["hello"], None)).facts.is_empty());
}

#[test]
fn a_command_that_failed_does_not_pass_however_much_is_covered() {
    let evidence = Evidence { exit: Exit::Code { code: 1 }, ..left_behind(&[LCOV], None) };
    assert_snapshot!(said(&judge(&gate("lines: 50"), &evidence)), @"Failed: exit code 1; 66.66 % (2 of 3) of lines");
}

#[test]
fn what_cannot_be_judged_is_an_error_and_says_where() {
    let judged_as = |evidence: &Evidence| judge(&gate("lines: 1"), evidence);
    let verdict = judged_as(&left_behind(&[], None));
    assert_snapshot!(said(&verdict), @"Errored: no coverage report");
    for (report, why) in [
        ("SF:src/a.rs\nDA:1,x\n", "line 2"),
        ("hello", "in no format that is known"),
        ("SF:../../etc/passwd\nDA:1,1\nend_of_record\n", "names no file of this commit"),
        ("TN:\n", "cannot be read"),
    ] {
        let verdict = judged_as(&left_behind(&[LCOV, report], None));
        assert_eq!(verdict.status, VerdictStatus::Errored, "{report}");
        assert!(verdict.summary.contains(why) && verdict.summary.contains("1.info"), "{report}: {}", verdict.summary);
    }
    let verdict = judged_as(&left_behind(&[LCOV], Some("--- a/x\n+++ b/x\n@@ -1 nonsense")));
    assert_eq!(verdict.status, VerdictStatus::Errored, "{}", verdict.summary);
}

#[test]
fn names_in_a_report_have_no_effect_in_what_people_read() {
    let hostile = "SF:<img src=x> @team #1 `x` | b\nDA:1,1\nend_of_record\n";
    let verdict = judge(&gate(""), &left_behind(&[hostile], None));
    assert_snapshot!(verdict.summary, @"The report `0.info` names no file of this commit, for example ``<img src=x> @team #1 `x` | b``.");
}
