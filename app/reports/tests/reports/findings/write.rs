//! What is written for code scanning.

use gatewright_reports::findings::{Findings, FindingsFormat, Level, Merger, Severity, read, sniff, write_sarif};
use gatewright_reports::{Mapping, RepositoryFiles};

use super::{all, good};
use crate::fixtures::{files, folder};

/// Ten findings of a tool, one of them suppressed, one in no file.
const SMALL: &str = r#"{"version":"2.1.0","runs":[{"tool":{"driver":{"name":"lint","rules":[{"id":"R","name":"Rule",
    "helpUri":"https://example.com/R","shortDescription":{"text":"short"},"help":{"text":"at length"},
    "relationships":[{"target":{"id":"79","toolComponent":{"name":"CWE"}}}],
    "properties":{"tags":["security"],"security-severity":"9.8"}},{"id":"S","helpUri":"javascript:alert(1)"}]}},"results":[
    {"ruleId":"S","level":"error","message":{"text":"second"},"locations":[{"physicalLocation":{"artifactLocation":{"uri":"src/a b.c"}}}]},
    {"ruleId":"R","level":"warning","message":{"text":"first"},
     "locations":[{"physicalLocation":{"artifactLocation":{"uri":"src/a.c"},"region":{"startLine":2,"startColumn":3,"endColumn":9}}}],
     "relatedLocations":[{"physicalLocation":{"artifactLocation":{"uri":"src/a.c"},"region":{"startLine":7}},"message":{"text":"here"}}]},
    {"ruleId":"R","message":{"text":"suppressed"},"locations":[{"physicalLocation":{"artifactLocation":{"uri":"src/a.c"}}}],
     "suppressions":[{"kind":"inSource","justification":"legacy"}]},
    {"ruleId":"R","message":{"text":"nowhere"}}]}]}"#;

fn json(log: &[u8]) -> serde_json::Value {
    serde_json::from_slice(log).unwrap()
}

fn identified(mut findings: Findings) -> Findings {
    findings.identify(|_, _| None);
    findings
}

#[test]
fn what_stands_in_a_file_is_written_the_worst_first() {
    let findings = identified(good(FindingsFormat::Sarif, SMALL));
    let log = write_sarif(&findings, "gatewright/security");
    assert_eq!((log.results, log.left_out), (2, 1));
    let written = json(&log.json);
    let run = &written["runs"][0];
    assert_eq!(run["automationDetails"]["id"], "gatewright/security/");
    let rules = &run["tool"]["driver"]["rules"];
    assert_eq!(rules[0]["properties"], serde_json::json!({"tags": ["security", "CWE 79"], "security-severity": "9.8"}));
    assert_eq!((&rules[0]["help"]["text"], &rules[0]["helpUri"]), (&"at length".into(), &"https://example.com/R".into()));
    assert_eq!(rules[1].get("helpUri"), None, "no link that may do something");
    let results = run["results"].as_array().unwrap();
    let texts: Vec<_> = results.iter().map(|result| result["message"]["text"].as_str().unwrap()).collect();
    assert_eq!(texts, ["first", "second"]);
    let place = &results[1]["locations"][0]["physicalLocation"];
    assert_eq!((&place["artifactLocation"]["uri"], &place["region"]["startLine"]), (&"src/a%20b.c".into(), &1.into()));
    let own = findings.list[1].fingerprint.unwrap().to_string();
    assert_eq!(results[0]["partialFingerprints"]["primaryLocationLineHash"], own);
    assert_eq!(results[0]["relatedLocations"][0]["message"]["text"], "here");
}

#[test]
fn a_tool_that_found_nothing_is_named_so_that_what_it_found_before_is_over() {
    let log = write_sarif(&good(FindingsFormat::Eslint, "[]"), "c");
    let written = json(&log.json);
    assert_eq!(written["runs"][0]["tool"]["driver"]["name"], "ESLint");
    assert_eq!(written["runs"][0]["results"], serde_json::json!([]));
    let quiet = r#"{"version":"2.1.0","runs":[{"tool":{"driver":{"name":"quiet"}},"results":[]}]}"#;
    assert_eq!(json(&write_sarif(&good(FindingsFormat::Sarif, quiet), "c").json)["runs"][0]["tool"]["driver"]["name"], "quiet");
}

#[test]
fn what_is_written_is_valid_and_reads_as_what_it_was_made_of() {
    let Some(schema) = folder("../schemas/sarif/sarif-schema-2.1.0.json") else { return };
    let schema = json(&std::fs::read(schema).unwrap());
    let schema = jsonschema::validator_for(&schema).unwrap();
    let mut tried = 0;
    for path in files("sarif").into_iter().chain(files("generated")).chain(files("checkstyle")).chain(files("eslint")) {
        let bytes = std::fs::read(&path).unwrap();
        let Some(format) = sniff("", &bytes) else { continue };
        let Ok(findings) = read(format, bytes.as_slice()) else { continue };
        let findings = identified(findings);
        let log = write_sarif(&findings, "gatewright/g");
        let written = json(&log.json);
        if let Err(error) = schema.validate(&written) {
            panic!("{}: {error}", path.display());
        }
        let again = good(FindingsFormat::Sarif, &log.json);
        assert_eq!(again.list.len(), log.results, "{}", path.display());
        let mut expected: Vec<_> =
            findings.list.iter().filter(|finding| finding.stands() && finding.location.is_some()).collect();
        expected.sort_by_key(|finding| (finding.severity.map_or(4, |severity| severity as u8), finding.level));
        // What is read as several tools' is not in the order of all.
        if findings.tools.len() == 1 && expected.len() == log.results {
            for (one, other) in again.list.iter().zip(expected) {
                let of = |finding: &gatewright_reports::findings::Finding| {
                    (finding.level, finding.location.as_ref().map(|location| location.path.to_string()), finding.taxa.len())
                };
                assert_eq!(of(one).0, of(other).0, "{}", path.display());
                if !other.message.is_empty() {
                    assert_eq!(one.message, other.message, "{}", path.display());
                }
            }
        }
        tried += 1;
    }
    assert!(tried > 100, "{tried}");
}

#[test]
fn the_limits_of_code_scanning_are_kept() {
    let result = |level: &str, text: &str, n: usize| {
        format!(
            "{{\"ruleId\":\"r{n}\",\"level\":\"{level}\",\"message\":{{\"text\":\"{text}\"}},\"locations\":[{{\"physicalLocation\":{{\"artifactLocation\":{{\"uri\":\"a\"}}}}}}]}}"
        )
    };
    let of = |results: &[String]| {
        let log = format!(
            "{{\"version\":\"2.1.0\",\"runs\":[{{\"tool\":{{\"driver\":{{\"name\":\"t\"}}}},\"results\":[{}]}}]}}",
            results.join(",")
        );
        identified(good(FindingsFormat::Sarif, log))
    };
    let many: Vec<String> = (0..5500).map(|n| result(if n == 5499 { "error" } else { "note" }, "m", n)).collect();
    let log = write_sarif(&of(&many), "c");
    assert_eq!((log.results, log.left_out), (5000, 500));
    assert_eq!(json(&log.json)["runs"][0]["results"][0]["ruleId"], "r5499", "the worst is not left out");
    let long: Vec<String> = (0..2600).map(|n| result("note", &"x".repeat(4096), n)).collect();
    let log = write_sarif(&of(&long), "c");
    assert!((8_000_000..10_000_000).contains(&log.json.len()), "{}", log.json.len());
    assert_eq!(log.results + log.left_out, 2600);
    let mut merger = Merger::default();
    for n in 0..30 {
        let text = SMALL.replace("\"lint\"", &format!("\"lint{n}\""));
        merger.add(good(FindingsFormat::Sarif, text));
    }
    let log = write_sarif(&identified(merger.finish()), "c");
    assert_eq!(json(&log.json)["runs"].as_array().unwrap().len(), 20);
}

#[test]
fn reports_of_several_jobs_count_once() {
    let mut merger = Merger::default();
    for _ in 0..3 {
        let mut report = good(FindingsFormat::Sarif, SMALL);
        report.map(&RepositoryFiles::new(["src/a.c".to_owned()]), &Mapping::default());
        merger.add(report);
    }
    let more = SMALL.replace("\"first\"", "\"another\"");
    merger.add(good(FindingsFormat::Sarif, more));
    let findings = merger.finish();
    assert_eq!(all(&findings).len(), 6, "{:?}", all(&findings));
    assert_eq!(findings.counts().get(&Level::Warning), Some(&3));
}

#[test]
fn severities_are_in_the_words_of_cvss() {
    let words = [10.0, 9.0, 8.9, 7.0, 6.9, 4.0, 3.9, 0.1, 0.0].map(Severity::of_score);
    let [critical, high, medium, low] = [Severity::Critical, Severity::High, Severity::Medium, Severity::Low].map(Some);
    assert_eq!(words, [critical, critical, high, high, medium, medium, low, low, None]);
    let trivy = r#"{"SchemaVersion":2,"Results":[{"Target":"a","Vulnerabilities":[{"VulnerabilityID":"CVE-1","PkgName":"p","Severity":"MEDIUM"}]}]}"#;
    let findings = identified(good(FindingsFormat::Trivy, trivy));
    assert_eq!(findings.list[0].severity, Some(Severity::Medium));
    let written = json(&write_sarif(&findings, "c").json);
    assert_eq!(written["runs"][0]["tool"]["driver"]["rules"][0]["properties"]["security-severity"], "5.5");
}
