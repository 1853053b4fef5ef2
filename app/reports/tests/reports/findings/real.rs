//! Reports that the tools themselves wrote (`data/README.md`), beside what the same runs say in another of the tool's formats.

use gatewright_reports::findings::{Findings, FindingsFormat, Level, sniff};

use super::{all, counts, good};

/// A file of `data/findings`.
macro_rules! data {
    ($file:expr) => {
        include_bytes!(concat!("../../data/findings/", $file)).as_slice()
    };
}

/// Level, file and first line of each finding, in order.
fn places(findings: &Findings) -> Vec<(Level, String, u32)> {
    let place = |finding: &gatewright_reports::findings::Finding| {
        let location = finding.location.as_ref();
        let line = location.and_then(|location| location.range).map_or(1, |range| range.start_line);
        let path = location.map_or("", |location| &location.path);
        (finding.level, path.trim_start_matches("/workspace/").to_owned(), line)
    };
    let mut places: Vec<_> = findings.list.iter().filter(|finding| finding.stands()).map(place).collect();
    places.sort();
    places
}

fn read_as(format: FindingsFormat, report: &[u8]) -> Findings {
    assert_eq!(sniff("", report), Some(format));
    good(format, report)
}

#[test]
fn trivy_says_the_same_in_its_json_and_in_sarif() {
    for (json, sarif, found) in [
        (data!("trivy/dockerfile.json"), data!("trivy/dockerfile.sarif"), [2, 1, 1, 0]),
        (data!("trivy/kubernetes.json"), data!("trivy/kubernetes.sarif"), [2, 0, 0, 0]),
        (data!("trivy/terraform.json"), data!("trivy/terraform.sarif"), [1, 0, 0, 0]),
        (data!("trivy/secret.json"), data!("trivy/secret.sarif"), [1, 0, 0, 0]),
        (data!("trivy/licence.json"), data!("trivy/licence.sarif"), [1, 0, 1, 0]),
        (data!("trivy/none.json"), data!("trivy/none.sarif"), [0, 0, 0, 0]),
    ] {
        let findings = read_as(FindingsFormat::Trivy, json);
        assert_eq!(counts(&findings), found, "{:?}", all(&findings));
        assert_eq!(places(&findings), places(&read_as(FindingsFormat::Sarif, sarif)), "{:?}", all(&findings));
    }
}

#[test]
fn gitleaks_says_the_same_in_its_json_and_in_sarif_and_its_secrets_are_not_kept() {
    for (json, leaks) in [
        (data!("gitleaks/folder.json"), 3),
        (data!("gitleaks/history.json"), 2),
        (data!("gitleaks/built-in.json"), 2),
        (data!("gitleaks/part.json"), 1),
    ] {
        let findings = read_as(FindingsFormat::Gitleaks, json);
        assert_eq!(counts(&findings), [leaks, 0, 0, 0], "{:?}", all(&findings));
        let kept = format!("{findings:?}");
        let secrets = String::from_utf8_lossy(json);
        for secret in secrets.lines().filter_map(|line| line.trim().strip_prefix("\"Secret\": \"")) {
            let secret = secret.trim_end_matches("\",");
            assert!(secret.contains("REDACTED") || !kept.contains(secret), "{secret}: {kept}");
        }
    }
    let (json, sarif) = (data!("gitleaks/folder.json"), data!("gitleaks/folder.sarif"));
    let (json, sarif) = (read_as(FindingsFormat::Gitleaks, json), read_as(FindingsFormat::Sarif, sarif));
    // In SARIF it gives them no level.
    let lines = |findings: &Findings| places(findings).into_iter().map(|(_, path, line)| (path, line)).collect::<Vec<_>>();
    assert_eq!(lines(&json), lines(&sarif));
    let none = read_as(FindingsFormat::EmptyArray, data!("gitleaks/none.json"));
    assert!(none.list.is_empty() && none.tools.is_empty(), "{none:?}");
}

#[test]
fn of_cargo_audit_the_numbers_of_its_last_lines_are_read() {
    for (report, vulnerabilities, warnings) in [
        (data!("cargo-audit/all.json"), 2, 2),
        (data!("cargo-audit/ignored.json"), 0, 2),
        (data!("cargo-audit/target.json"), 1, 2),
        (data!("cargo-audit/warnings.json"), 0, 1),
        (data!("cargo-audit/none.json"), 0, 0),
    ] {
        let findings = read_as(FindingsFormat::CargoAudit, report);
        assert_eq!(counts(&findings), [vulnerabilities, warnings, 0, 0], "{:?}", all(&findings));
    }
}

#[test]
fn semgrep_says_the_same_in_its_json_and_in_sarif_of_fixes_suppressions_and_traces() {
    for (json, sarif, found) in [
        (data!("semgrep/fix.json"), data!("semgrep/fix.sarif"), [2, 0, 1, 0]),
        (data!("semgrep/kept.json"), data!("semgrep/kept.sarif"), [3, 0, 0, 0]),
        (data!("semgrep/trace.json"), data!("semgrep/trace.sarif"), [0, 1, 0, 0]),
        (data!("semgrep/words.json"), data!("semgrep/words.sarif"), [3, 1, 1, 0]),
        (data!("semgrep/broken.json"), data!("semgrep/broken.sarif"), [2, 0, 0, 0]),
        (data!("semgrep/none.json"), data!("semgrep/none.sarif"), [0, 0, 0, 0]),
    ] {
        let findings = read_as(FindingsFormat::Semgrep, json);
        assert_eq!(counts(&findings), found, "{:?}", all(&findings));
        assert_eq!(places(&findings), places(&read_as(FindingsFormat::Sarif, sarif)), "{:?}", all(&findings));
    }
    // What `nosemgrep` hides is not in the JSON at all; in SARIF it is, without a reason, so there it counts.
    assert_eq!(counts(&good(FindingsFormat::Semgrep, data!("semgrep/ignored.json"))), [1, 0, 0, 0]);
    let fixes = good(FindingsFormat::Semgrep, data!("semgrep/fix.json"));
    let fixes = fixes.list.iter().filter_map(|finding| finding.fix.as_ref());
    assert_eq!(fixes.map(|fix| fix.edits[0].text.as_str()).collect::<Vec<_>>(), ["log(x)"]);
}
