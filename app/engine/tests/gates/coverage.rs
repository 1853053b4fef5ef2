//! What the coverage gate says of reports, of a change, and of what is asked for.

use std::sync::Arc;

use bytes::Bytes;
use gatewright_core::Timestamp;
use gatewright_core::config::{GateConfig, RepoConfig, parse};
use gatewright_core::facts::{CoverageFacts, Facts, Past, Share};
use gatewright_core::verdict::{
    Counted, CountedWhat, Evidence, Exit, ReportFile, ReportKind, Reports, SourceText, Survey, Verdict, VerdictStatus,
};
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

/// Counts `unit` and `more`, and what it reports itself where it does.
fn counting(keys: &str, reports: &str) -> GateConfig {
    let file = format!(
        "image: a\ngates:\n  unit: {{ run: x, coverage: u.info }}\n  more: {{ run: x, coverage: m.info }}\n  \
         t: {{ needs: [unit, more], coverage: {{ of: [unit, more]{reports} }}{keys} }}\n"
    );
    parse(&file).unwrap().gates.pop().unwrap()
}

/// What a gate hands on that has left this report.
fn handed_on(report: &str) -> CountedWhat {
    let file = "image: a\ngates: { u: { run: x, coverage: u.info }, t: { needs: u, coverage: { of: u } } }";
    let config = parse(file).unwrap().gates.swap_remove(0);
    CountedWhat::Here(gates::judge(&config, &left_behind(&[report], None)).coverage.unwrap())
}

/// What is counted by a gate that has these reports of its own.
fn counted(unit: CountedWhat, more: CountedWhat, own: &[&str], diff: Option<&str>) -> Evidence {
    let of = |gate: &str, what| Counted { gate: gate.parse().unwrap(), what };
    Evidence { counted: vec![of("unit", unit), of("more", more)], ..left_behind(own, diff) }
}

#[test]
fn what_several_gates_cover_counts_together_line_by_line_and_branch_by_branch() {
    let other_way = "SF:src/a.rs\nBRDA:1,0,0,0\nBRDA:1,0,1,3\nDA:1,1\nDA:2,7\nend_of_record\n";
    let evidence = || counted(handed_on(LCOV), handed_on(other_way), &[], Some(DIFF));
    let verdict = judge(&counting(", require: { lines: 100, branches: 100, changed-lines: 100 }", ""), &evidence());
    assert_snapshot!(said(&verdict), @"Passed: 100 % (3 of 3) of lines, 100 % (2 of 2) of changed lines");
    assert_eq!(verdict.annotations, []);
    let by_gate = verdict.summary.lines().skip_while(|line| !line.starts_with("| gate")).take_while(|line| !line.is_empty());
    assert_snapshot!(by_gate.collect::<Vec<_>>().join("\n"), @"
    | gate | lines | branches |
    |---|--:|--:|
    | `unit` | 66.66 % (2 of 3) | 50 % (1 of 2) |
    | `more` | 100 % (2 of 2) | 50 % (1 of 2) |
    ");
    // With a command and reports of its own it counts these too.
    let own = "SF:lib/b.rs\nDA:1,0\nend_of_record\n";
    let verdict =
        judge(&counting(", run: x", ", reports: '*.info'"), &counted(handed_on(LCOV), handed_on(other_way), &[own], None));
    assert_snapshot!(said(&verdict), @"Passed: 75 % (3 of 4) of lines");
    assert!(verdict.summary.contains("| its own reports | 0 % (0 of 1) |"), "{}", verdict.summary);
}

#[test]
fn a_gate_that_does_not_apply_is_left_out_of_what_is_counted_and_that_is_said_and_compared_with_nothing() {
    let config = counting(", require: { drop-at-most: 1 }", "");
    let evidence = counted(handed_on(LCOV), CountedWhat::DoesNotApply, &[], None);
    let judgement = gates::judge(&config, &Evidence { base: base(3, 3, true), ..evidence });
    assert_snapshot!(said(&judgement.verdict), @"Passed: 66.66 % (2 of 3) of lines");
    assert!(judgement.facts.is_empty(), "a part is not what later runs are compared with");
    let note = judgement.verdict.summary.lines().find(|line| line.starts_with("Not counted")).unwrap_or_default();
    assert_snapshot!(note, @"Not counted, since they do not apply to this change: `more`. So it was not compared with the base.");
    let none = counted(CountedWhat::DoesNotApply, CountedWhat::DoesNotApply, &[], None);
    assert_snapshot!(said(&judge(&config, &none)), @"Skipped: none of the gates that it counts applies here");
}

#[test]
fn coverage_that_should_be_there_and_is_not_is_an_error_however_much_the_rest_covers() {
    let missing = CountedWhat::Missing { because: "it did not run: skipped by <b>mallory</b>".to_owned() };
    let CountedWhat::Here(whole) = handed_on(LCOV) else { panic!("it is there") };
    let cut = CountedWhat::Here(whole.slice(..whole.len() - 4));
    let other = CountedWhat::Here(LCOV.as_bytes().to_vec().into());
    for what in [missing, cut, other] {
        let verdict = judge(&counting(", require: { lines: 1 }", ""), &counted(handed_on(LCOV), what, &[], None));
        assert_eq!(said(&verdict), "Errored: coverage of another gate is missing");
        assert!(verdict.summary.contains("The coverage of `more` is missing: "), "{}", verdict.summary);
        assert!(!verdict.summary.contains("<b>m") || verdict.summary.contains("`it did not run: skipped by <b>mallory</b>`"));
    }
    assert_snapshot!(said(&judge(&counting("", ""), &left_behind(&[], None))), @"Errored: coverage of another gate is missing");
}

#[test]
fn coverage_is_handed_on_only_where_a_gate_counts_it() {
    assert!(gates::judge(&gate(""), &left_behind(&[LCOV], None)).coverage.is_none());
}

/// What a summary says below its table, up to the folders.
fn below(verdict: &Verdict) -> String {
    let lines = verdict.summary.lines().skip_while(|line| line.starts_with('|')).take_while(|line| !line.contains("By folder"));
    lines.collect::<Vec<_>>().join("\n").trim().to_owned()
}

#[test]
fn what_is_asked_of_lines_or_branches_that_no_report_has_is_never_a_pass() {
    let judged_as = |require: &str, report: &str, diff| judge(&gate(require), &left_behind(&[report], diff));
    let verdict = judged_as("lines: 50, branches: 80", OTHER, None);
    assert_snapshot!(said(&verdict), @"Errored: the reports lack what `require` asks about");
    assert!(verdict.summary.contains("| branches | none of none | 80 % | ❌ |"), "{}", verdict.summary);
    assert_snapshot!(below(&verdict), @"The reports have no branches in them, so `branches` cannot be judged. Have the tool report branches, or take it out of `require`.");
    let no_lines = "SF:src/a.rs\nend_of_record\n";
    for require in ["lines: 100", "changed-lines: 100", "drop-at-most: 1"] {
        let evidence = Evidence { base: base(3, 4, true), ..left_behind(&[no_lines], Some(DIFF)) };
        let verdict = judge(&gate(require), &evidence);
        assert_eq!(verdict.status, VerdictStatus::Errored, "{require}: {}", verdict.summary);
        assert!(verdict.summary.contains("no lines that can be run in them"), "{require}: {}", verdict.summary);
    }
    assert_eq!(judged_as("", no_lines, None).status, VerdictStatus::Passed);
    let elsewhere = "diff --git a/README.md b/README.md\n--- a/README.md\n+++ b/README.md\n@@ -1,0 +2 @@\n+two\n";
    let verdict = judged_as("changed-lines: 100", LCOV, Some(elsewhere));
    assert_eq!(verdict.status, VerdictStatus::Passed);
    assert!(verdict.summary.contains("| changed lines | none of none | 100 % | ✅ |"), "{}", verdict.summary);
}

#[test]
fn changed_lines_that_cannot_be_told_are_said_to_be_not_judged() {
    let verdict = judge(&gate("changed-lines: 90"), &left_behind(&[LCOV], None));
    assert_snapshot!(said(&verdict), @"Passed: 66.66 % (2 of 3) of lines");
    assert_snapshot!(below(&verdict), @"There is no commit that this one is compared with, so nothing says which lines are changed: `changed-lines` is not judged.");
}

#[test]
fn files_of_a_report_that_are_none_of_the_commit_s_are_named_with_why() {
    let others: String = (0..12).map(|n| format!("SF:/usr/include/{n}.h\nDA:1,0\nend_of_record\n")).collect();
    let report = format!("{LCOV}SF:/workspace/gen/c.rs\nDA:1,0\nend_of_record\nSF:../<b>.rs\nDA:1,0\nend_of_record\n{others}");
    // Two jobs have the same ones.
    let verdict = judge(&gate("lines: 60"), &left_behind(&[&report, &report], None));
    assert_snapshot!(said(&verdict), @"Passed: 66.66 % (2 of 3) of lines");
    assert_snapshot!(below(&verdict), @"
    <details><summary>14 files of the reports are not counted, being none of this commit's</summary>

    - `/workspace/gen/c.rs`
    - `../<b>.rs`, outside of the workspace
    - `/usr/include/0.h`, outside of the workspace
    - `/usr/include/1.h`, outside of the workspace
    - `/usr/include/10.h`, outside of the workspace
    - `/usr/include/11.h`, outside of the workspace
    - `/usr/include/2.h`, outside of the workspace
    - `/usr/include/3.h`, outside of the workspace
    - `/usr/include/4.h`, outside of the workspace
    - `/usr/include/5.h`, outside of the workspace
    - and 4 more

    </details>
    ");
    let evidence = left_behind(&[&format!("{LCOV}SF:pkg/x.rs\nDA:1,0\nend_of_record\n")], None);
    let files = ["src/a.rs", "one/pkg/x.rs", "two/pkg/x.rs"].map(str::to_owned).to_vec();
    let evidence = Evidence { survey: Some(Survey { files, ..Survey::default() }), ..evidence };
    assert_snapshot!(below(&judge(&gate(""), &evidence)), @"
    <details><summary>1 file of the reports is not counted, being none of this commit's</summary>

    - `pkg/x.rs`, either `one/pkg/x.rs` or `two/pkg/x.rs`

    </details>
    ");
}

#[test]
fn changed_files_that_no_report_knows_are_named_where_they_are_called_like_code() {
    let added = |path: &str| format!("diff --git a/{path} b/{path}\n--- /dev/null\n+++ b/{path}\n@@ -0,0 +1 @@\n+x\n");
    let removed = "diff --git a/src/z.rs b/src/z.rs\n--- a/src/z.rs\n+++ b/src/z.rs\n@@ -1 +0,0 @@\n-x\n";
    let diff = [added("README.md"), added("src/new.rs"), added("LICENSE"), removed.to_owned()].concat();
    let verdict = judge(&gate("changed-lines: 100"), &left_behind(&[LCOV], Some(&diff)));
    assert_snapshot!(said(&verdict), @"Passed: 66.66 % (2 of 3) of lines");
    assert_snapshot!(below(&verdict), @"
    Changed files that no report knows, so that they count neither as covered nor as not covered:

    - `src/new.rs`

    ");
}

#[test]
fn folders_are_shown_to_the_second_level_with_what_of_them_is_run() {
    let record = |path: &str, run: u8| format!("SF:{path}\nDA:1,{run}\nDA:2,0\nend_of_record\n");
    let paths = ["main.rs", "app/web/src/deep/a.rs", "app/web/src/b.rs", "app/c|d/e.rs", "lib/f.rs"];
    let report: String = paths.iter().enumerate().map(|(n, path)| record(path, u8::from(n != 2))).collect();
    let survey = Some(Survey { files: paths.map(str::to_owned).to_vec(), ..Survey::default() });
    let verdict = judge(&gate(""), &Evidence { survey, ..left_behind(&[&report], None) });
    let folders = verdict.summary.lines().skip_while(|line| !line.contains("By folder")).collect::<Vec<_>>().join("\n");
    assert_snapshot!(folders, @r"
    <details><summary>By folder</summary>

    | folder | files | lines |
    |---|--:|--:|
    | (root) | 1 | 50 % (1 of 2) |
    | `app/c\|d` | 1 | 50 % (1 of 2) |
    | `app/web` | 2 | 25 % (1 of 4) |
    | `lib` | 1 | 50 % (1 of 2) |

    </details>
    ");
    let paths: Vec<String> = (0..40).map(|n| format!("m{n:02}/a.rs")).collect();
    let report: String = paths.iter().map(|path| record(path, 1)).collect();
    let survey = Some(Survey { files: paths, ..Survey::default() });
    let verdict = judge(&gate(""), &Evidence { survey, ..left_behind(&[&report], None) });
    assert!(verdict.summary.contains("| `m29` | 1 |") && verdict.summary.contains("And 10 more folders."), "{}", verdict.summary);
    assert!(!verdict.summary.contains("m30"), "{}", verdict.summary);
}

#[derive(Debug)]
struct GoMod(&'static str);

impl SourceText for GoMod {
    fn read(&self, path: &str, _: u64) -> Option<Bytes> {
        (path == self.0).then(|| Bytes::from_static(b"module example.com/api // the service\n\ngo 1.22\n"))
    }
}

#[test]
fn files_of_a_go_module_are_found_by_its_go_mod_and_not_by_their_names() {
    let profile = "mode: set\nexample.com/api/cart.go:1.1,4.2 2 1\nexample.com/api/pay/pay.go:1.1,4.2 2 0\n";
    let files = ["services/api/go.mod", "services/api/cart.go", "services/api/pay/pay.go", "pay/pay.go", "other/cart.go"];
    let survey = Survey {
        files: files.map(str::to_owned).to_vec(),
        texts: Some(Arc::new(GoMod("services/api/go.mod"))),
        ..Survey::default()
    };
    let verdict = judge(&gate(""), &Evidence { survey: Some(survey), ..left_behind(&[profile], None) });
    assert_snapshot!(said(&verdict), @"Passed: 50 % (4 of 8) of lines");
    let folders = verdict.summary.lines().filter(|line| line.starts_with("| `")).collect::<Vec<_>>().join("\n");
    assert_snapshot!(folders, @"| `services/api` | 2 | 50 % (4 of 8) |");
}
