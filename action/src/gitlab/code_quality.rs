//! Findings as GitLab's code quality report: a list of objects with the keys that its documentation names
//! ("Code Quality report format").

use std::collections::BTreeSet;

use gatewright_reports::findings::{Finding, Findings, Level, Severity};
use serde::Serialize;

/// So many findings are listed, the worst first. GitLab's page takes seconds for more.
const FINDINGS_MAX: usize = 10_000;
/// A description is shown on one line.
const DESCRIPTION_CHARS_MAX: usize = 1_000;

/// An entry of the report.
#[derive(Debug, Serialize)]
struct Entry {
    description: String,
    check_name: String,
    /// By it GitLab tells what is new against the target branch.
    fingerprint: String,
    severity: &'static str,
    location: Location,
}

#[derive(Debug, Serialize)]
struct Location {
    path: String,
    lines: Lines,
}

#[derive(Debug, Serialize)]
struct Lines {
    begin: u32,
    end: u32,
}

/// The report. Findings that do not stand, and those that are at no place in the repository, are left out: GitLab refuses the
/// whole report for one of them. The findings must have been mapped and given fingerprints.
pub fn write(findings: &Findings) -> String {
    let mut standing: Vec<&Finding> = findings.list.iter().filter(|finding| finding.stands()).collect();
    standing.sort_by_key(|finding| finding.level);
    let mut seen = BTreeSet::new();
    let entries: Vec<Entry> = standing
        .into_iter()
        .filter_map(entry)
        .filter(|entry| seen.insert(entry.fingerprint.clone()))
        .take(FINDINGS_MAX)
        .collect();
    // Every part of it is a text or a number.
    serde_json::to_string_pretty(&entries).expect("it can be written as JSON")
}

fn entry(finding: &Finding) -> Option<Entry> {
    let location = finding.location.as_ref()?;
    let fingerprint = finding.fingerprint.as_ref()?.to_string();
    let (begin, end) = location.range.map_or((1, 1), |range| (range.start_line, range.end_line));
    let rule = &finding.rule;
    let check_name =
        [rule.tool.as_str(), rule.id.as_str()].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(": ");
    let words: Vec<&str> = finding.message.split_whitespace().collect();
    let description = gatewright_forge_shared::text::one_line(&words.join(" "), DESCRIPTION_CHARS_MAX);
    Some(Entry {
        description: if description.is_empty() { check_name.clone() } else { description },
        check_name,
        fingerprint,
        severity: severity(finding),
        location: Location { path: location.path.to_string(), lines: Lines { begin, end } },
    })
}

/// By how bad it is for security where the tool says that, else by the level.
fn severity(finding: &Finding) -> &'static str {
    match (finding.severity, finding.level) {
        (Some(Severity::Critical), _) => "blocker",
        (Some(Severity::High), _) => "critical",
        (Some(Severity::Medium), _) | (None, Level::Error) => "major",
        (Some(Severity::Low), _) | (None, Level::Warning) => "minor",
        (None, Level::Note | Level::None) => "info",
    }
}

#[cfg(test)]
mod tests {
    use gatewright_reports::findings::{FindingsFormat, read};
    use gatewright_reports::{Mapping, RepositoryFiles};

    use super::*;

    #[test]
    fn what_stands_in_the_repository_is_listed_the_worst_first() {
        let sarif = r#"{"version": "2.1.0", "runs": [{"tool": {"driver": {"name": "lint"}}, "results": [
            {"ruleId": "W1", "level": "warning", "message": {"text": "two\nlines"}, "locations": [{"physicalLocation": {"artifactLocation": {"uri": "src/a.c"}, "region": {"startLine": 3, "endLine": 4}}}]},
            {"ruleId": "E1", "level": "error", "message": {"text": "bad"}, "locations": [{"physicalLocation": {"artifactLocation": {"uri": "src/a.c"}, "region": {"startLine": 9}}}]},
            {"ruleId": "E1", "level": "error", "message": {"text": "elsewhere"}, "locations": [{"physicalLocation": {"artifactLocation": {"uri": "/usr/include/x.h"}, "region": {"startLine": 9}}}]},
            {"ruleId": "E2", "level": "error", "message": {"text": "of no file"}},
            {"ruleId": "E1", "level": "error", "message": {"text": "known"}, "suppressions": [{"kind": "external", "justification": "not ours"}], "locations": [{"physicalLocation": {"artifactLocation": {"uri": "src/a.c"}, "region": {"startLine": 11}}}]}
        ]}]}"#;
        let mut findings = read(FindingsFormat::Sarif, sarif.as_bytes()).expect("it is SARIF");
        findings.map(&RepositoryFiles::new(["src/a.c".to_owned()]), &Mapping::default());
        findings.identify(|_, line| Some(format!("line {line}")));
        let entries: Vec<serde_json::Value> = serde_json::from_str(&write(&findings)).expect("it is JSON");
        let shown: Vec<String> = entries
            .iter()
            .map(|e| {
                format!(
                    "{} {} {}:{} {}",
                    e["severity"], e["check_name"], e["location"]["path"], e["location"]["lines"]["begin"], e["description"]
                )
            })
            .collect();
        insta::assert_snapshot!(shown.join("\n"), @r#"
        "major" "lint: E1" "src/a.c":9 "bad"
        "minor" "lint: W1" "src/a.c":3 "two lines"
        "#);
        assert!(entries.iter().all(|entry| entry["fingerprint"].as_str().is_some_and(|print| print.len() == 32)));
        assert_ne!(entries[0]["fingerprint"], entries[1]["fingerprint"]);
    }

    #[test]
    fn nothing_wrong_is_an_empty_list() {
        assert_eq!(write(&Findings::default()), "[]");
    }
}
