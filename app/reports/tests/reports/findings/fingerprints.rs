//! Findings are recognised though the code around them has changed.

use gatewright_reports::findings::{Findings, FindingsFormat, Fingerprint};
use gatewright_reports::{Mapping, RepositoryFiles};

use super::{all, good};
use crate::fixtures::report;

/// Findings of rule `r` in these lines of `a.c`, identified by its text.
fn found(lines: &[u32], text: &str) -> Findings {
    let errors: String =
        lines.iter().map(|line| format!("<error line='{line}' severity='error' message='m' source='r'/>")).collect();
    let mut findings = good(FindingsFormat::Checkstyle, format!("<checkstyle><file name='a.c'>{errors}</file></checkstyle>"));
    findings.identify(|path, line| {
        assert_eq!(path, "a.c");
        text.lines().nth(line as usize - 1).map(str::to_owned)
    });
    findings
}

fn new_lines(findings: &Findings, base: &Findings) -> Vec<u32> {
    let new = findings.new_against(&base.fingerprints());
    new.iter().map(|finding| finding.location.as_ref().unwrap().range.unwrap().start_line).collect()
}

#[test]
fn moved_and_indented_lines_are_the_same_finding() {
    let base = found(&[1, 2], "bad();\nworse();\n");
    let head = found(&[3, 5], "a\nb\n  bad();\nc\n\tworse( );\n");
    assert!(new_lines(&head, &base).is_empty());
}

#[test]
fn another_line_of_the_same_rule_is_new() {
    let base = found(&[1], "bad();\n");
    assert_eq!(new_lines(&found(&[1, 2], "bad();\nbad(1);\n"), &base), [2]);
    // Equal lines are told by how many there are.
    assert_eq!(new_lines(&found(&[1, 2], "bad();\nbad();\n"), &base).len(), 1);
    assert!(new_lines(&base, &found(&[1, 2], "bad();\nbad();\n")).is_empty());
}

#[test]
fn without_the_source_the_message_tells() {
    let base = found(&[1], "");
    assert!(new_lines(&found(&[7], ""), &base).is_empty());
}

#[test]
fn fingerprints_of_the_tool_are_used_where_it_brings_them() {
    let Some(bytes) = report("sarif/codeql-action/fingerprinting.expected.sarif") else { return };
    let mut findings = good(FindingsFormat::Sarif, &bytes);
    let own: Vec<Fingerprint> = findings.list.iter().map(|finding| finding.fingerprint.unwrap()).collect();
    assert_ne!(own[0], own[1]);
    findings.identify(|_, _| panic!("there is nothing to identify"));
    assert!(findings.new_against(&findings.fingerprints()).is_empty());
    // The line number is no part of it; the hash of the line is.
    let text = String::from_utf8(bytes).unwrap();
    let moved = good(FindingsFormat::Sarif, text.replace("\"startLine\": 1,", "\"startLine\": 91,"));
    assert!(moved.new_against(&findings.fingerprints()).is_empty());
    let changed = good(FindingsFormat::Sarif, text.replace("5e4d5a9cf1294ad9:1", "5e4d5a9cf1294ad9:2"));
    assert_eq!(changed.new_against(&findings.fingerprints()).len(), 1);
}

#[test]
fn a_fingerprint_of_many_results_is_none() {
    let result = |line: u32, fingerprint: &str| {
        format!(
            "{{\"ruleId\":\"r\",\"message\":{{\"text\":\"m\"}},\"fingerprints\":{{\"v1\":\"{fingerprint}\"}},\"locations\":[{{\"physicalLocation\":{{\"artifactLocation\":{{\"uri\":\"a\"}},\"region\":{{\"startLine\":{line}}}}}}}]}}"
        )
    };
    let results = [result(1, "same"), result(2, "same"), result(3, "own")].join(",");
    let findings = good(FindingsFormat::Sarif, format!("{{\"version\":\"2.1.0\",\"runs\":[{{\"results\":[{results}]}}]}}"));
    let has: Vec<bool> = findings.list.iter().map(|finding| finding.fingerprint.is_some()).collect();
    assert_eq!(has, [false, false, true]);
}

#[test]
fn fingerprints_survive_being_written_down() {
    let findings = found(&[1], "x");
    let fingerprint = findings.list[0].fingerprint.unwrap();
    assert_eq!(fingerprint.to_string().parse::<Fingerprint>().unwrap(), fingerprint);
    assert!("xyz".parse::<Fingerprint>().is_err());
}

#[test]
fn paths_become_those_of_the_repository_or_the_finding_is_elsewhere() {
    let text = "<checkstyle><file name='/workspace/src/a.c'><error line='1' message='m'/></file>\
        <file name='/usr/include/b.h'><error line='2' message='n'/></file></checkstyle>";
    let mut findings = good(FindingsFormat::Checkstyle, text);
    let mapping = Mapping { roots: vec!["/workspace".to_owned()], ..Mapping::default() };
    findings.map(&RepositoryFiles::new(["src/a.c".to_owned()]), &mapping);
    assert_eq!(all(&findings), ["src/a.c:1-1 Error checkstyle/: m", "nowhere Error checkstyle/: n"]);
    assert_eq!(findings.list[1].elsewhere.as_deref(), Some("/usr/include/b.h"));
}
