//! What the gate of findings says of reports, of the base, and of what is asked for.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use gatewright_core::Timestamp;
use gatewright_core::config::{GateConfig, RepoConfig, parse};
use gatewright_core::facts::{Facts, Past};
use gatewright_core::verdict::{Evidence, Exit, ReportFile, ReportKind, Reports, SourceText, Survey, Verdict, VerdictStatus};
use gatewright_engine::gates;
use insta::assert_snapshot;
use serde_json::{Value, json};

use super::{judge, shown};

/// The files of a commit, with what is in them.
#[derive(Debug, Clone, Default)]
struct Tree(BTreeMap<&'static str, String>);

impl SourceText for Tree {
    fn read(&self, path: &str, bytes_max: u64) -> Option<Bytes> {
        let text = self.0.get(path)?;
        (text.len() as u64 <= bytes_max).then(|| Bytes::from(text.clone()))
    }
}

const TEN: &str = "one()\ntwo()\nthree()\nfour()\nfive()\nsix()\nseven()\neight()\nnine()\nten()\n";

fn tree(text: &str) -> Tree {
    Tree([("src/a.py", text.to_owned()), ("Cargo.lock", "lock\n".to_owned())].into())
}

fn gate(more: &str) -> GateConfig {
    let RepoConfig { gates, .. } = parse(&format!("image: a\ngates:\n  lint: {{ run: x, sarif: '*.sarif'{more} }}\n")).unwrap();
    gates.into_iter().next().unwrap()
}

/// A result in `src/a.py`.
fn result(rule: &str, level: &str, line: u32, message: &str) -> Value {
    json!({"ruleId": rule, "level": level, "message": {"text": message}, "locations": [
        {"physicalLocation": {"artifactLocation": {"uri": "src/a.py"}, "region": {"startLine": line}}}]})
}

fn log(results: &[Value]) -> String {
    let rules = json!([{"id": "sql", "shortDescription": {"text": "SQL | from text"}, "helpUri": "https://example.com/sql",
        "properties": {"security-severity": "9.1"}}, {"id": "evil", "helpUri": "javascript:alert(1)"}]);
    json!({"version": "2.1.0", "runs": [{"tool": {"driver": {"name": "scan", "rules": rules}}, "results": results}]}).to_string()
}

/// What a step leaves behind, in a commit that adds these lines of `src/a.py` (the first, and how many).
fn left_behind(results: &[Value], text: &str, added: Option<(u32, u32)>) -> Evidence {
    let diff = |(first, count)| {
        let lines = "+x\n".repeat(count as usize);
        format!("diff --git a/src/a.py b/src/a.py\n--- a/src/a.py\n+++ b/src/a.py\n@@ -{first},0 +{first},{count} @@\n{lines}")
    };
    let tree = tree(text);
    let survey = Survey {
        files: tree.0.keys().map(|path| (*path).to_owned()).collect(),
        diff: added.map(|added| Bytes::from(diff(added))),
        texts: Some(Arc::new(tree)),
        ..Survey::default()
    };
    with(&log(results), Evidence { survey: Some(survey), ..Evidence::of(Exit::Code { code: 0 }) })
}

fn with(report: &str, evidence: Evidence) -> Evidence {
    let files = vec![ReportFile::new("out.sarif", report.as_bytes().to_vec())];
    Evidence { reports: [(ReportKind::Findings, Reports { files, errors: Vec::new() })].into(), ..evidence }
}

/// What is known of a base on which the gate found this.
fn base(results: &[Value], exact: bool) -> Option<Past> {
    let facts = gates::judge(&gate(""), &left_behind(results, TEN, None)).facts;
    // As it is stored.
    let facts: Facts = serde_json::from_slice(&serde_json::to_vec(&facts).unwrap()).unwrap();
    let (run, commit) = ("01920000-0000-7000-8000-000000000001".parse().unwrap(), "b".repeat(40).parse().unwrap());
    Some(Past { run, commit, at: Timestamp::UNIX_EPOCH, exact, facts })
}

fn said(verdict: &Verdict) -> String {
    let change = if verdict.change.is_empty() { String::new() } else { format!(" [{}]", verdict.change) };
    format!("{:?}: {}{change}", verdict.status, verdict.title)
}

#[test]
fn only_what_the_base_does_not_have_is_new_however_lines_have_moved() {
    let base = base(&[result("eval", "error", 2, "eval"), result("eval", "error", 5, "eval"), result("x", "note", 9, "n")], true);
    // Three lines came in at the top, the fifth is gone, and another error stands in the seventh.
    let text = format!("new()\nnew()\nnew()\n{}", TEN.replace("five()\n", ""));
    let results = [result("eval", "error", 5, "eval"), result("eval", "error", 8, "eval"), result("x", "note", 11, "n")];
    let evidence = Evidence { base, ..left_behind(&results, &text, Some((1, 3))) };
    let verdict = judge(&gate(""), &evidence);
    assert_snapshot!(said(&verdict), @"Failed: 1 new error, none allowed [1 new, 1 fixed]");
    assert_snapshot!(shown(&verdict), @r"
    Failed: 1 new error, none allowed
    Failure src/a.py:8 scan: eval: eval
    ");
    assert_snapshot!(verdict.summary, @r"
    | findings | new | all | asked for | |
    |---|--:|--:|---|---|
    | errors | 1 | 2 | new at most 0 | ❌ |
    | notes | 0 | 1 |  |  |

    Compared with bbbbbbb, the commit that it started from: 1 new, 1 fixed.

    ### New

    - `src/a.py:8` error, `eval`: `eval`

    ### By rule

    | rule | tool | level | security | new | all | about | help |
    |---|---|---|---|--:|--:|---|---|
    | `eval` | `scan` | error |  | 1 | 2 |  |  |
    | `x` | `scan` | note |  | 0 | 1 |  |  |
    ");
}

#[test]
fn what_is_known_passes_and_what_is_fixed_is_told() {
    let results = [result("eval", "error", 2, "eval"), result("eval", "error", 5, "eval")];
    let judged = |results: &[Value], now: &[Value]| {
        judge(&gate(""), &Evidence { base: base(results, true), ..left_behind(now, TEN, None) })
    };
    assert_snapshot!(said(&judged(&results, &results)), @"Passed: no new findings, 2 known [0 new]");
    assert_snapshot!(said(&judged(&results, &results[..1])), @"Passed: no new findings, 1 known [1 fixed]");
    assert_snapshot!(said(&judged(&results, &[])), @"Passed: no findings [2 fixed]");
    assert_eq!(judged(&results, &results).annotations, []);
    let worse = [&results[..], &[result("y", "warning", 3, "w"), result("z", "note", 3, "n")]].concat();
    assert_snapshot!(said(&judged(&results, &worse)), @"Passed: 1 new warning, 1 new note [2 new]");
}

#[test]
fn limits_are_of_new_ones_and_of_all_by_level_and_by_severity() {
    let known = [result("sql", "warning", 2, "m"), result("x", "error", 3, "m")];
    let now = [&known[..], &[result("sql", "warning", 4, "m"), result("y", "note", 5, "m")]].concat();
    let judged_as = |require: &str| {
        let config = gate(&format!(", require: {{ {require} }}"));
        said(&judge(&config, &Evidence { base: base(&known, true), ..left_behind(&now, TEN, None) }))
    };
    assert_snapshot!(judged_as("new: { error: 0 }"), @"Passed: 1 new warning, 1 new note [2 new]");
    assert_snapshot!(judged_as("new: { warning: 1, note: 1 }"), @"Passed: 1 new warning, 1 new note [2 new]");
    assert_snapshot!(judged_as("new: { note: 0, warning: 0 }"), @"Failed: 1 new warning, none allowed, and 1 more [2 new]");
    assert_snapshot!(judged_as("new: { critical: 0 }"), @"Failed: 1 new critical, none allowed [2 new]");
    assert_snapshot!(judged_as("total: { critical: 2, error: 1 }"), @"Passed: 1 new warning, 1 new note [2 new]");
    assert_snapshot!(judged_as("total: { critical: 1 }"), @"Failed: 2 critical, 1 allowed [2 new]");
    assert_snapshot!(judged_as("total: { error: 0 }"), @"Failed: 1 error, none allowed [2 new]");
}

#[test]
fn without_a_base_what_lies_on_added_lines_is_new() {
    let results = [result("eval", "error", 2, "old"), result("eval", "error", 5, "added"), result("eval", "error", 6, "old")];
    let verdict = judge(&gate(""), &left_behind(&results, TEN, Some((4, 2))));
    assert_snapshot!(shown(&verdict), @r"
    Failed: 1 new error, none allowed
    Failure src/a.py:5 scan: eval: added
    ");
    assert_eq!(verdict.change, "");
    assert!(verdict.summary.contains("Findings on lines that the change adds count as new"), "{}", verdict.summary);
    assert!(verdict.summary.contains("from the next such push on"), "{}", verdict.summary);
    // What the tool itself says goes before the lines.
    let told = |mut result: Value, state: &str| {
        result["baselineState"] = state.into();
        result
    };
    let results = [told(result("a", "error", 5, "m"), "unchanged"), told(result("b", "error", 9, "m"), "new")];
    assert_snapshot!(shown(&judge(&gate(""), &left_behind(&results, TEN, Some((4, 2))))), @r"
    Failed: 1 new error, none allowed
    Failure src/a.py:9 scan: b: m
    ");
}

#[test]
fn where_there_is_nothing_to_compare_with_nothing_is_new_and_all_is_shown() {
    let results = [result("x", "note", 2, "n"), result("eval", "error", 5, "e")];
    assert_snapshot!(shown(&judge(&gate(""), &left_behind(&results, TEN, None))), @r"
    Passed: 1 error, 1 note
    Failure src/a.py:5 scan: eval: e
    Notice src/a.py:2 scan: x: n
    ");
}

#[test]
fn a_base_that_stands_in_for_the_right_one_tells_nothing_of_files_that_the_change_leaves_alone() {
    let results = [result("eval", "error", 5, "here")];
    let judged = |added| said(&judge(&gate(""), &Evidence { base: base(&[], false), ..left_behind(&results, TEN, Some(added)) }));
    assert_snapshot!(judged((1, 1)), @"Failed: 1 new error, none allowed [1 new]");
    let other = left_behind(&results, TEN, None);
    let diff = Bytes::from_static(b"diff --git a/b b/b\n--- a/b\n+++ b/b\n@@ -0,0 +1 @@\n+x\n");
    let survey = Survey { diff: Some(diff), ..other.survey.clone().unwrap() };
    let other = Evidence { base: base(&[], false), survey: Some(survey), ..other };
    let verdict = judge(&gate(""), &other);
    assert_snapshot!(said(&verdict), @"Passed: no new findings, 1 known [0 new]");
    assert!(verdict.summary.contains("In files that the change leaves alone nothing counts as new"), "{}", verdict.summary);
}

#[test]
fn a_suppression_counts_where_it_says_why() {
    let suppressed = |mut result: Value, why: Option<&str>| {
        result["suppressions"] = json!([{"kind": "inSource", "justification": why}]);
        result
    };
    let results = [
        suppressed(result("a", "error", 2, "m"), Some("legacy `x` @all")),
        suppressed(result("a", "error", 3, "m"), Some("legacy `x` @all")),
        suppressed(result("b", "error", 4, "m"), None),
    ];
    let verdict = judge(&gate(", require: { total: { error: 0 } }"), &left_behind(&results, TEN, None));
    assert_snapshot!(shown(&verdict), @r"
    Failed: 1 error, none allowed
    Failure src/a.py:4 scan: b: m
    ");
    assert!(verdict.summary.contains("1 finding is suppressed without a reason."), "{}", verdict.summary);
    assert!(verdict.summary.contains("### Suppressed: 2\n\n- 2: ``legacy `x` @all``"), "{}", verdict.summary);
}

#[test]
fn what_cannot_be_judged_is_no_pass() {
    let none = Evidence { reports: BTreeMap::new(), ..left_behind(&[], TEN, None) };
    assert_snapshot!(said(&judge(&gate(""), &none)), @"Errored: no report of findings");
    let failed = Evidence { exit: Exit::Code { code: 2 }, ..none };
    assert_snapshot!(said(&judge(&gate(""), &failed)), @"Failed: exit code 2; no report of findings");
    for (report, why) in [
        ("hello", "in no format that is known"),
        ("{\"version\":\"2.1.0\",\"runs\":[{\"results\":[", "cannot be read"),
        ("{\"version\":\"1.0.0\",\"runs\":[]}", "where 2.1.0 is read"),
        ("", "a tool that failed leaves the same"),
        ("[1]", "in no format that is known"),
    ] {
        let verdict = judge(&gate(""), &with(report, left_behind(&[], TEN, None)));
        assert_eq!(verdict.status, VerdictStatus::Errored, "{report}");
        assert!(verdict.summary.contains(why), "{report}: {}", verdict.summary);
    }
    let broken_off = json!({"version": "2.1.0", "runs": [{"tool": {"driver": {"name": "t"}}, "results": [],
        "invocations": [{"executionSuccessful": false, "exitCodeDescription": "out of `memory`"}]}]});
    let verdict = judge(&gate(""), &with(&broken_off.to_string(), left_behind(&[], TEN, None)));
    assert_snapshot!(said(&verdict), @"Errored: the tool did not run to its end");
    assert!(verdict.summary.contains("### What the tool could not do\n\n- `` out of `memory` ``"), "{}", verdict.summary);
}

#[test]
fn a_tool_that_found_nothing_passes_whatever_its_format_writes_then() {
    let judged = |name: &str, report: &str| {
        let files = vec![ReportFile::new(name, report.as_bytes().to_vec())];
        let reports = [(ReportKind::Findings, Reports { files, errors: Vec::new() })].into();
        said(&judge(&gate(""), &Evidence { reports, ..left_behind(&[], TEN, None) }))
    };
    assert_snapshot!(judged("leaks.json", "[]\n"), @"Passed: no findings");
    assert_snapshot!(judged("lint.rdjsonl", ""), @"Passed: no findings");
    assert_snapshot!(judged("lint.json", ""), @"Errored: a report of findings cannot be read");
}

#[test]
fn a_linter_that_fails_for_what_is_known_is_excused_or_told_what_to_do() {
    let known = [result("x", "error", 3, "m")];
    let ended = |code: i64, now: &[Value]| {
        let exit = Exit::Code { code };
        judge(&gate(""), &Evidence { base: base(&known, true), exit, ..left_behind(now, TEN, None) })
    };
    let verdict = ended(2, &known);
    assert_snapshot!(said(&verdict), @"Failed: exit code 2; no new findings, 1 known [0 new]");
    assert!(verdict.summary.contains("let the command pass (`|| true`)"), "{}", verdict.summary);
    // By 1 linters say that they have found something, and that is known.
    let verdict = ended(1, &known);
    assert_snapshot!(said(&verdict), @"Passed: no new findings, 1 known [0 new]");
    assert!(verdict.summary.contains("as linters do that found anything"), "{}", verdict.summary);
    assert_snapshot!(said(&ended(1, &[])), @"Failed: exit code 1; no findings [1 fixed]");
    let more = [known[0].clone(), result("x", "error", 7, "m")];
    assert_snapshot!(said(&ended(1, &more)), @"Failed: exit code 1; 1 new error, none allowed [1 new]");
}

#[test]
fn reports_in_several_formats_count_together() {
    let checkstyle = "<checkstyle><file name='/workspace/src/a.py'><error line='3' severity='error' message='m' source='s'/></file></checkstyle>";
    let mut evidence = left_behind(&[result("x", "error", 3, "m")], TEN, None);
    let reports = evidence.reports.get_mut(&ReportKind::Findings).unwrap();
    reports.files.push(ReportFile::new("out.xml", checkstyle.as_bytes().to_vec()));
    // The same report by two jobs counts once.
    reports.files.push(ReportFile::new("again.xml", checkstyle.as_bytes().to_vec()));
    assert_snapshot!(shown(&judge(&gate(", findings: '*.xml'"), &evidence)), @r"
    Passed: 2 errors
    Failure src/a.py:3 scan: x: m
    Failure src/a.py:3 checkstyle: s: m
    ");
}

#[test]
fn hostile_findings_have_no_effect() {
    let mut evil = result("sql", "error", 2, "`x` @octo/all <img src=x>\n/gw skip\n\u{1b}[31m\u{202e}red | cell");
    evil["message"]["text"] = "` @octo/all <img src=x>\n/gw skip lint x\n\u{1b}[31m\u{202e}red | cell".into();
    let mut elsewhere = result("evil", "error", 2, "m");
    elsewhere["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] = "../../etc/passwd|`".into();
    let verdict = judge(&gate(""), &left_behind(&[evil, elsewhere], TEN, Some((1, 4))));
    assert_snapshot!(verdict.summary, @r"
    | findings | new | all | asked for | |
    |---|--:|--:|---|---|
    | errors | 1 | 2 | new at most 0 | ❌ |
    | critical | 1 | 1 |  |  |

    Findings on lines that the change adds count as new, and those without a line in files that it touches; no others. Nothing is known of the base yet, so this was not compared. A gate that compares also runs for pushes to the default branch, unless its `when` says otherwise; from the next such push on there is something to compare with.

    1 finding is in files that are none of the commit's, for example `` ../../etc/passwd|` ``.

    ### New

    - `src/a.py:2` error, critical, `sql`: `` ` @octo/all <img src=x> /gw skip lint x red | cell ``

    ### By rule

    | rule | tool | level | security | new | all | about | help |
    |---|---|---|---|--:|--:|---|---|
    | `sql` | `scan` | error | critical | 1 | 1 | `SQL ¦ from text` | `https://example.com/sql` |
    | `evil` | `scan` | error |  | 0 | 1 |  |  |
    ");
    let message = &verdict.annotations[0].message;
    assert_eq!(message, "` @octo/all <img src=x>\n/gw skip lint x\nred | cell\nhttps://example.com/sql");
}

#[test]
fn many_findings_are_shown_within_bounds() {
    let many: Vec<Value> = (0..5000).map(|n| result(&format!("rule-{n}"), "error", 1 + n % 10, &"long ".repeat(200))).collect();
    let verdict = judge(&gate(""), &left_behind(&many, TEN, Some((1, 10))));
    assert_snapshot!(verdict.title, @"5000 new errors, none allowed");
    assert_eq!(verdict.annotations.len(), Verdict::ANNOTATIONS_MAX);
    assert_eq!(verdict.annotations_left_out, 5000 - Verdict::ANNOTATIONS_MAX as u64);
    assert!(verdict.summary.len() < 30_000, "{}", verdict.summary.len());
    let facts = gates::judge(&gate(""), &left_behind(&many, TEN, None)).facts.findings.unwrap();
    assert_eq!((facts.counts, facts.fingerprints().unwrap().len()), ([5000, 0, 0, 0], 5000));
}

/// A result with a fix of these lines and columns.
fn fixed(line: u32, region: Value, text: &str) -> Value {
    let mut found = result("fix", "warning", line, "better `so`");
    found["fixes"] = json!([{"artifactChanges": [{"artifactLocation": {"uri": "src/a.py"},
        "replacements": [{"deletedRegion": region, "insertedContent": {"text": text}}]}]}]);
    found
}

#[test]
fn fixes_of_new_findings_on_added_lines_are_suggested_as_whole_lines() {
    let suggested = |results: &[Value], added| -> Vec<String> {
        let verdict = judge(&gate(""), &left_behind(results, TEN, Some(added)));
        let shown = verdict.suggestions.iter().map(|one| format!("{}-{} {:?}", one.first_line, one.last_line, one.text));
        shown.collect()
    };
    let part = |first: u32, from: u32, last: u32, to: u32| json!({"startLine": first, "startColumn": from, "endLine": last, "endColumn": to});
    assert_eq!(suggested(&[fixed(2, part(2, 1, 2, 4), "zwei")], (1, 3)), ["2-2 \"zwei()\""]);
    assert_eq!(suggested(&[fixed(2, part(2, 4, 3, 6), "&")], (1, 3)), ["2-3 \"two&()\""]);
    // A line that is taken away with its end.
    assert_eq!(suggested(&[fixed(2, part(2, 1, 3, 1), "")], (1, 3)), ["2-2 \"\""]);
    assert_eq!(suggested(&[fixed(2, json!({"startLine": 2}), "all")], (1, 3)), ["2-2 \"all\""]);
    let none: [&str; 0] = [];
    // Not on added lines, not wholly on them, beyond the line, without effect, and a second one for the same line.
    assert_eq!(suggested(&[fixed(2, part(2, 1, 2, 4), "zwei")], (5, 3)), none);
    assert_eq!(suggested(&[fixed(3, part(3, 1, 4, 2), "x")], (1, 3)), none);
    assert_eq!(suggested(&[fixed(2, part(2, 1, 2, 99), "x")], (1, 3)), none);
    assert_eq!(suggested(&[fixed(2, part(2, 1, 2, 4), "two")], (1, 3)), none);
    assert_eq!(suggested(&[fixed(2, part(2, 1, 2, 4), "a\u{202e}b")], (1, 3)), none, "text that hides text");
    let both = [fixed(2, part(2, 1, 2, 4), "zwei"), fixed(2, part(2, 4, 2, 6), "!")];
    assert_eq!(suggested(&both, (1, 3)).len(), 1);
    let many: Vec<Value> = (1..=10).chain(1..=10).map(|n| fixed(n, part(n, 1, n, 2), &format!("{n}"))).collect();
    assert_eq!(suggested(&many, (1, 10)).len(), 10);
}

#[test]
fn code_scanning_is_given_what_stands_where_the_gate_asks_for_it() {
    let evidence = left_behind(&[result("sql", "error", 2, "m")], TEN, None);
    assert!(gates::judge(&gate(""), &evidence).scan.is_none());
    let scan = gates::judge(&gate(", code-scanning: true"), &evidence).scan.unwrap();
    let written: Value = serde_json::from_slice(&scan.json).unwrap();
    assert_eq!(written["runs"][0]["automationDetails"]["id"], "gatewright/lint/");
    assert_eq!(written["runs"][0]["results"][0]["ruleId"], "sql");
}

#[test]
fn a_finding_without_a_line_is_new_where_the_change_touches_its_file() {
    let mut whole = result("CVE-1", "error", 1, "vulnerable");
    whole["locations"][0]["physicalLocation"].as_object_mut().unwrap().remove("region");
    let judged = |results: &[Value], added| said(&judge(&gate(""), &left_behind(results, TEN, Some(added))));
    assert_snapshot!(judged(&[whole.clone()], (7, 1)), @"Failed: 1 new error, none allowed");
    whole["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] = "Cargo.lock".into();
    assert_snapshot!(judged(&[whole], (7, 1)), @"Passed: no new findings, 1 known");
}

#[test]
fn what_somebody_has_to_look_at_has_no_level_so_only_limits_of_severities_count_it() {
    let review = |rule: &str| {
        let mut found = result(rule, "none", 3, "look");
        found["kind"] = "review".into();
        found
    };
    let judged = |results: &[Value], require: &str| {
        said(&judge(&gate(&format!(", require: {{ {require} }}")), &left_behind(results, TEN, None)))
    };
    assert_snapshot!(judged(&[review("x")], "total: { error: 0, warning: 0, note: 0 }"), @"Passed: 1 without a level");
    assert_snapshot!(judged(&[review("sql")], "total: { critical: 0 }"), @"Failed: 1 critical, none allowed");
}

#[test]
fn a_limit_of_severities_says_so_where_no_finding_has_one() {
    let summary = |results: &[Value]| judge(&gate(", require: { total: { high: 0 } }"), &left_behind(results, TEN, None)).summary;
    let note = "No finding says how bad it is for security";
    assert!(summary(&[result("x", "error", 2, "m")]).contains(note));
    assert!(!summary(&[result("x", "error", 2, "m"), result("sql", "error", 3, "m")]).contains(note));
    assert!(!summary(&[]).contains(note));
}

#[test]
fn findings_beyond_those_that_are_kept_count_by_severity_and_as_new_where_nothing_tells() {
    let mut many: Vec<Value> =
        (0..100_000).map(|n| json!({"ruleId": "x", "level": "note", "message": {"text": n.to_string()}})).collect();
    many.push(json!({"ruleId": "sql", "level": "error", "message": {"text": "m"}}));
    let beyond = left_behind(&many, TEN, Some((1, 1)));
    let config = gate(", require: { new: { error: 0 }, total: { critical: 0 } }");
    let judgement = gates::judge(&config, &beyond);
    assert_snapshot!(said(&judgement.verdict), @"Failed: 1 new error, none allowed, and 1 more");
    let told = "1 finding is only counted, being beyond the first 100000. That counts as new";
    assert!(judgement.verdict.summary.contains(told), "{}", judgement.verdict.summary);
    // On a base that has as many of them, none is new.
    let past = Past { facts: judgement.facts, ..base(&[], true).unwrap() };
    let config = gate(", require: { new: { error: 0, critical: 0 } }");
    let verdict = judge(&config, &Evidence { base: Some(past), ..beyond });
    assert_snapshot!(said(&verdict), @"Passed: no new findings, 100001 known [0 new]");
}
