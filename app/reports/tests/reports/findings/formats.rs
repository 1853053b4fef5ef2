//! The formats beside SARIF.

use gatewright_reports::findings::{FindingsFormat, Severity, read, sniff, write_sarif};

use super::{all, counts, good, refused};
use crate::fixtures::report;

#[test]
fn checkstyle_of_real_tools_is_read() {
    for (name, expected) in [
        ("analysis-model/checkstyle.xml", [5, 0, 0, 0]),
        ("analysis-model/checkstyle__checkstyle.xml", [7, 0, 0, 0]),
        ("analysis-model/checkstyle__issue25511.xml", [2, 0, 0, 0]),
        ("analysis-model/checkstyle__issue60859.xml", [0, 3, 0, 0]),
        ("analysis-model/eslint__eslint-checkstyle.xml", [1, 1, 0, 0]),
    ] {
        let Some(bytes) = report(&format!("checkstyle/{name}")) else { return };
        assert_eq!(sniff("", &bytes), Some(FindingsFormat::Checkstyle));
        let findings = good(FindingsFormat::Checkstyle, &bytes);
        assert_eq!(counts(&findings), expected, "{name}");
    }
    let Some(bytes) = report("checkstyle/analysis-model/checkstyle__issue60859.xml") else { return };
    assert_eq!(
        all(&good(FindingsFormat::Checkstyle, bytes))[0],
        "Dockerfile:13:1-13 Warning checkstyle/DL3018: Pin versions in apk add. Instead of `apk add <package>` use `apk add \
         <package>=<version>`"
    );
}

#[test]
fn rdjson_of_real_tools_is_read() {
    for (name, expected) in
        [("generated/biome/probot.rdjson", [16, 192, 11, 0]), ("rdjson/reviewdog/_testdata__custom_rdjson.json", [3, 11, 1, 0])]
    {
        let Some(bytes) = report(name) else { return };
        assert_eq!(sniff("", &bytes), Some(FindingsFormat::RdJson), "{name}");
        assert_eq!(counts(&good(FindingsFormat::RdJson, &bytes)), expected, "{name}");
    }
    let Some(bytes) = report("generated/biome/probot.rdjson") else { return };
    let findings = good(FindingsFormat::RdJson, &bytes);
    assert_eq!(findings.list.iter().filter(|finding| finding.fix.is_some()).count(), 59);
    assert_eq!(findings.list[0].rule.help_url.as_deref(), Some("https://biomejs.dev/linter/rules/use-literal-keys"));
    assert!(
        all(&findings)[0].starts_with("src/bin/read-cli-options.ts:125:19-125:24 Note Biome/lint/complexity/useLiteralKeys: ")
    );
    for number in [10, 12, 14] {
        let Some(bytes) = report(&format!("rdjson/reviewdog/parser_sarif_{number}.sarif")) else { return };
        // One diagnostic over many lines is no rdjsonl; on one line it is.
        assert!(refused(FindingsFormat::RdJsonLines, &bytes).contains("EOF"));
        let line = String::from_utf8(bytes).unwrap().replace('\n', " ");
        assert_eq!(good(FindingsFormat::RdJsonLines, &line).list.len(), 1);
    }
}

#[test]
fn source_and_severity_of_all_diagnostics_may_stand_behind_them() {
    let text = r#"{"diagnostics":[{"message":"m","location":{"path":"a"}},
        {"message":"n","location":{"path":"a","range":{"start":{"line":1}}},"source":{"name":"own"},"severity":3}],
        "severity":"ERROR","source":{"name":"lint"}}"#;
    assert_eq!(all(&good(FindingsFormat::RdJson, text)), ["a Error lint/: m", "a:1-1 Note own/: n"]);
    let lines = "{\"message\":\"m\",\"location\":{\"path\":\"a\"}}\n\n{\"message\":\"n\",\"location\":{\"path\":\"b\"},\"severity\":\"INFO\"}\n";
    assert_eq!(all(&good(FindingsFormat::RdJsonLines, lines)), ["a Warning /: m", "b Note /: n"]);
    assert_eq!(sniff("", lines.as_bytes()), Some(FindingsFormat::RdJsonLines));
}

#[test]
fn eslint_is_read_with_its_fixes_in_lines_and_columns() {
    for (name, format, expected) in [
        ("generated/eslint/probot-lib.json", FindingsFormat::Eslint, [813, 49, 0, 0]),
        ("generated/eslint/probot-lib.json-with-metadata", FindingsFormat::Eslint, [813, 49, 0, 0]),
        ("generated/eslint/fatal-parse-error.json", FindingsFormat::Eslint, [1, 0, 0, 0]),
        ("eslint/analysis-model/eslint__eslint-with-metadata.json", FindingsFormat::Eslint, [2, 5, 0, 0]),
    ] {
        let Some(bytes) = report(name) else { return };
        assert_eq!(sniff("", &bytes), Some(format), "{name}");
        assert_eq!(counts(&good(format, &bytes)), expected, "{name}");
    }
    let Some(bytes) = report("generated/eslint/probot-lib.json-with-metadata") else { return };
    let findings = good(FindingsFormat::Eslint, &bytes);
    assert_eq!(findings.list.iter().filter(|finding| finding.fix.is_some()).count(), 717);
    assert_eq!(findings.list[0].rule.help_url.as_deref(), Some("https://eslint.org/docs/latest/rules/semi"));
    // The first is an extra semicolon behind column 35: from the string before it to `import` in the next line.
    let edit = &findings.list[0].fix.as_ref().unwrap().edits[0];
    let range = edit.range;
    assert_eq!((range.start_line, range.start_column, range.end_line, range.end_column), (1, Some(25), 2, Some(7)));
    assert_eq!(edit.text, "\"node:path\"\nimport");
}

#[test]
fn eslint_counts_its_offsets_in_utf_16_and_suppressions_have_reasons() {
    let text = r#"[{"filePath":"a.js","messages":[{"ruleId":"r","severity":1,"message":"m","line":2,"column":1,
        "fix":{"range":[4,6],"text":""}}],"source":"😀\r\né😀x",
        "suppressedMessages":[{"ruleId":"r","severity":2,"message":"s","suppressions":[{"kind":"directive","justification":"legacy"}]}]}]"#;
    let findings = good(FindingsFormat::Eslint, text);
    let range = findings.list[0].fix.as_ref().unwrap().edits[0].range;
    assert_eq!((range.start_line, range.start_column, range.end_line, range.end_column), (2, Some(1), 2, Some(3)));
    assert_eq!(findings.list[1].suppressed.as_ref().unwrap().reason.as_deref(), Some("legacy"));
    assert_eq!(counts(&findings), [0, 1, 0, 0]);
}

#[test]
fn messages_of_cargo_are_read_once_each() {
    for (name, expected) in [
        ("clippyish.check.jsonl", [0, 2, 0, 0]),
        ("err.check.jsonl", [3, 0, 0, 0]),
        ("err.clippy.jsonl", [3, 0, 0, 0]),
        ("mac.check.jsonl", [1, 0, 0, 0]),
        ("ok.check.jsonl", [0, 0, 0, 0]),
        ("ok.test-ansi.jsonl", [0, 0, 0, 0]),
    ] {
        let Some(bytes) = report(&format!("generated/cargo/{name}")) else { return };
        assert_eq!(sniff("", &bytes), Some(FindingsFormat::Cargo), "{name}");
        let findings = good(FindingsFormat::Cargo, &bytes);
        assert_eq!(counts(&findings), expected, "{name}");
        let twice = [bytes.clone(), bytes].concat();
        assert_eq!(good(FindingsFormat::Cargo, twice).list, findings.list, "{name}");
    }
    let Some(bytes) = report("generated/cargo/clippyish.check.jsonl") else { return };
    let findings = good(FindingsFormat::Cargo, &bytes);
    assert_eq!(all(&findings)[0], "src/lib.rs:2:24-2:29 Warning rustc/unused_mut: variable does not need to be mutable");
    let fix = findings.list[0].fix.as_ref().unwrap();
    assert_eq!((fix.description.as_str(), fix.edits[0].text.as_str()), ("remove this `mut`", ""));
}

#[test]
fn a_build_that_was_cut_off_is_no_clean_build() {
    let artifact = "{\"reason\":\"compiler-artifact\"}\n";
    assert!(refused(FindingsFormat::Cargo, artifact).contains("ends before Cargo says that the build has finished"));
    assert!(refused(FindingsFormat::Cargo, "running 3 tests\n").contains("no message of Cargo or rustc is in it"));
    let failed = good(FindingsFormat::Cargo, format!("{artifact}{{\"reason\":\"build-finished\",\"success\":false}}"));
    assert_eq!(failed.problems, ["Cargo says that the build failed, and no message says why"]);
    let rustc = "{\"$message_type\":\"diagnostic\",\"message\":\"m\",\"code\":{\"code\":\"E0308\",\"explanation\":null},\"level\":\"error\",\
        \"spans\":[{\"file_name\":\"<::core::macros::panic macros>\",\"line_start\":1,\"line_end\":1,\"column_start\":1,\"column_end\":2,\"is_primary\":true,\
        \"expansion\":{\"span\":{\"file_name\":\"src/a.rs\",\"line_start\":4,\"line_end\":5,\"column_start\":6,\"column_end\":7}}}]}\n";
    let findings = good(FindingsFormat::Cargo, rustc);
    assert_eq!(all(&findings), ["src/a.rs:4:6-5:7 Error rustc/E0308: m"]);
    assert_eq!(findings.list[0].rule.help_url.as_deref(), Some("https://doc.rust-lang.org/error_codes/E0308.html"));
}

#[test]
fn semgrep_is_read() {
    let text = r#"{"version":"1.0","results":[{"check_id":"python.eval","path":"a.py","start":{"line":3,"col":5,"offset":20},
        "end":{"line":3,"col":12,"offset":27},"extra":{"message":"eval","severity":"ERROR","fingerprint":"requires login","lines":"requires login",
        "metadata":{"cwe":["CWE-95: Eval"],"source":"https://semgrep.dev/r/python.eval"},"is_ignored":false,"fix":"safe()"}},
        {"check_id":"x","path":"b.py","start":{"line":1,"col":1},"end":{"line":1,"col":2},"extra":{"message":"n","severity":"INFO","is_ignored":true}}],
        "errors":[{"level":"warn","message":"skipped"},{"level":"error","message":"timeout in a.py"}],"paths":{"scanned":[]}}"#;
    assert_eq!(sniff("", text.as_bytes()), Some(FindingsFormat::Semgrep));
    let findings = good(FindingsFormat::Semgrep, text);
    assert_eq!(all(&findings), ["a.py:3:5-3:12 Error Semgrep/python.eval: eval", "b.py:1:1-1:2 Note Semgrep/x: n"]);
    // `nosemgrep` says no reason, so it suppresses nothing.
    assert_eq!((counts(&findings), findings.problems.as_slice()), ([1, 0, 1, 0], ["timeout in a.py".to_owned()].as_slice()));
    assert_eq!(findings.list[0].taxa, ["CWE-95: Eval"]);
    assert_eq!(findings.list[0].fix.as_ref().unwrap().edits[0].text, "safe()");
}

/// `tests/data/findings` holds what Semgrep 1.182 (`--json`, `--sarif`) wrote for a small program, of which a part cannot be
/// parsed.
#[test]
fn semgrep_says_the_same_in_its_json_and_in_sarif() {
    let json = good(FindingsFormat::Semgrep, include_str!("../../data/findings/semgrep.json"));
    let sarif = good(FindingsFormat::Sarif, include_str!("../../data/findings/semgrep.sarif"));
    assert_eq!(
        all(&json),
        ["app.py:2:5-2:21 Note Semgrep/print-call: print is called", "app.py:3:12-3:22 Error Semgrep/no-eval: eval of text"]
    );
    // SARIF has what is suppressed in the source too.
    let standing = sarif.list.iter().filter(|finding| finding.suppressed.is_none());
    let places =
        |finding: &gatewright_reports::findings::Finding| (finding.location.clone(), finding.rule.id.clone(), finding.level);
    assert_eq!(standing.map(places).collect::<Vec<_>>(), json.list.iter().map(places).collect::<Vec<_>>());
    assert_eq!((sarif.list.len(), sarif.list[2].suppressed.is_some()), (3, true));
    // Its fingerprints are not its own.
    assert!(sarif.list.iter().all(|finding| finding.fingerprint.is_none()));
}

#[test]
fn trivy_is_read_and_no_secret_is_kept() {
    let text = r#"{"SchemaVersion":2,"ArtifactName":".","Results":[
        {"Target":"Cargo.lock","Class":"lang-pkgs","Vulnerabilities":[{"VulnerabilityID":"CVE-2024-1","PkgName":"time","InstalledVersion":"0.1",
          "FixedVersion":"0.2","Severity":"HIGH","Title":"segfault","PrimaryURL":"https://avd.aquasec.com/nvd/cve-2024-1","CweIDs":["CWE-476"]}]},
        {"Class":"config","Misconfigurations":[{"ID":"DS002","Title":"root user","Message":"add USER","Severity":"MEDIUM","Status":"FAIL",
          "CauseMetadata":{"StartLine":3,"EndLine":4}},{"ID":"DS001","Title":"ok","Severity":"LOW","Status":"PASS"}],"Target":"Dockerfile"},
        {"Target":"key.pem","Class":"secret","Secrets":[{"RuleID":"private-key","Severity":"CRITICAL","Title":"Private key","StartLine":1,"EndLine":2,
          "Match":"hunter2","Code":{"Lines":[{"Content":"hunter2"}]}}]},
        {"Target":"x","Class":"license","Licenses":[{"Severity":"LOW","PkgName":"gpl-thing","FilePath":"","Name":"GPL-3.0"}]}]}"#;
    assert_eq!(sniff("", text.as_bytes()), Some(FindingsFormat::Trivy));
    let findings = good(FindingsFormat::Trivy, text);
    assert_eq!(
        all(&findings),
        [
            "Cargo.lock Error Trivy/CVE-2024-1: time 0.1: segfault (fixed in 0.2)",
            "Dockerfile:3-4 Warning Trivy/DS002: add USER",
            "Dockerfile Note Trivy/DS001: ok",
            "key.pem:1-2 Error Trivy/private-key: A secret: Private key",
            "x Note Trivy/GPL-3.0: gpl-thing has the licence GPL-3.0",
        ]
    );
    assert_eq!(counts(&findings), [2, 1, 1, 0]);
    assert!(!format!("{findings:?}").contains("hunter2"));
    assert!(good(FindingsFormat::Trivy, "{\"SchemaVersion\":2,\"Results\":null}").list.is_empty());
    assert!(refused(FindingsFormat::Trivy, "{\"SchemaVersion\":1}").contains("version 1 of Trivy's report"));
}

#[test]
fn gitleaks_is_read_and_no_secret_is_kept() {
    let text = r#"[{"RuleID":"aws-access-token","Description":"AWS","StartLine":5,"EndLine":5,"StartColumn":7,"EndColumn":26,"Match":"hunter2",
        "Secret":"hunter2","File":"a.env","SymlinkFile":"","Commit":"c0ffee","Entropy":3.1,"Author":"a","Email":"e","Date":"d","Message":"m",
        "Tags":null,"Fingerprint":"c0ffee:a.env:aws-access-token:5"}]"#;
    assert_eq!(sniff("", text.as_bytes()), Some(FindingsFormat::Gitleaks));
    let findings = good(FindingsFormat::Gitleaks, text);
    assert_eq!(all(&findings), ["a.env:5:7-5:26 Error gitleaks/aws-access-token: AWS (commit c0ffee)"]);
    assert!(!format!("{findings:?}").contains("hunter2"));
    assert!(good(FindingsFormat::Gitleaks, "[]").list.is_empty());
}

#[test]
fn cargo_audit_is_read_in_its_shapes() {
    let text = r#"{"database":{},"vulnerabilities":{"found":true,"count":1,"list":[{"advisory":{"id":"RUSTSEC-2020-0071","package":"time",
        "title":"segfault","url":null,"aliases":["CVE-2020-26235"]},"versions":{"patched":[">=0.2.23"],"unaffected":[]},
        "package":{"name":"time","version":"0.1.43"}}]},"warnings":{"unmaintained":[{"kind":"unmaintained","package":{"name":"fxhash","version":"0.2.1"},
        "advisory":{"id":"RUSTSEC-2025-0057","package":"fxhash","title":"no longer maintained"},"versions":{"patched":[]}}],
        "yanked":[{"kind":"yanked","package":{"name":"a","version":"1.0.0"},"advisory":null}]}}"#;
    assert_eq!(sniff("", text.as_bytes()), Some(FindingsFormat::CargoAudit));
    let findings = good(FindingsFormat::CargoAudit, text);
    assert_eq!(
        all(&findings),
        [
            "Cargo.lock Error cargo-audit/RUSTSEC-2020-0071: time 0.1.43: segfault (fixed in >=0.2.23)",
            "Cargo.lock Warning cargo-audit/RUSTSEC-2025-0057: fxhash 0.2.1: no longer maintained (no version fixes it)",
            "Cargo.lock Warning cargo-audit/yanked: a 1.0.0 is yanked",
        ]
    );
    assert_eq!(findings.list[0].rule.help_url.as_deref(), Some("https://rustsec.org/advisories/RUSTSEC-2020-0071"));
    let Some(bytes) = report("cargo-json/analysis-model/cargo-audit.json") else { return };
    assert_eq!(sniff("", &bytes), Some(FindingsFormat::CargoAudit));
    assert_eq!(counts(&good(FindingsFormat::CargoAudit, bytes)), [3, 0, 0, 0]);
}

#[test]
fn what_is_broken_is_refused_where_it_stands() {
    for (format, text, error) in [
        (
            FindingsFormat::Checkstyle,
            "<checkstyle><file name='a'>\n<error line='-1' message='m'/>",
            "line 2, column 1: <error line=\"-1\">",
        ),
        (FindingsFormat::Checkstyle, "<checkstyle><error line='1' message='m'/>", "an <error> that is in no <file>"),
        (FindingsFormat::Checkstyle, "<checkstyle><file name='a'><error severity='bad' message='m'/>", "the severity \"bad\""),
        (FindingsFormat::Checkstyle, "<checkstyle><file name='a'>", "ends before its last element"),
        (FindingsFormat::Checkstyle, "<!DOCTYPE x [<!ENTITY a 'b'>]><checkstyle/>", "defines entities"),
        (FindingsFormat::RdJson, "{}", "it has no diagnostics"),
        (FindingsFormat::RdJson, "{\"diagnostics\":[{\"message\":\"m\",\"severity\":9}]}", "the severity 9"),
        (
            FindingsFormat::RdJson,
            "{\"diagnostics\":[{\"message\":\"m\",\"location\":{\"path\":\"a\",\"range\":{\"start\":{\"line\":-1}}}}]}",
            "invalid value",
        ),
        (FindingsFormat::RdJsonLines, "{\"message\":\"m\"}\n{\"message\":", "line 2, column 11: EOF"),
        (FindingsFormat::Eslint, "{}", "it has no results"),
        (FindingsFormat::Eslint, "[{\"filePath\":\"a\",\"messages\":[{\"severity\":3,\"message\":\"m\"}]}]", "the severity 3"),
        (
            FindingsFormat::Eslint,
            "[{\"filePath\":\"a\",\"messages\":[{\"severity\":2,\"message\":\"m\",\"line\":-5}]}]",
            "line is -5",
        ),
        (FindingsFormat::Eslint, "[{\"filePath\":\"a\",\"messages\":[]}", "expected `,` or `]`"),
        (FindingsFormat::Semgrep, "{\"results\":[{\"check_id\":1}]}", "line 1, column 25: invalid type"),
        (FindingsFormat::Gitleaks, "{}", "expected an array"),
        (FindingsFormat::CargoAudit, "{}", "it has no vulnerabilities"),
        (
            FindingsFormat::Trivy,
            "{\"SchemaVersion\":2,\"Results\":[{\"Vulnerabilities\":[{}]}]}",
            "missing field `VulnerabilityID`",
        ),
    ] {
        let found = refused(format, text);
        assert!(found.contains(error), "{text}: {found}");
    }
    for path in crate::fixtures::files("nasty/json-test-suite") {
        let bytes = std::fs::read(&path).unwrap();
        for format in [FindingsFormat::Sarif, FindingsFormat::Eslint, FindingsFormat::Gitleaks, FindingsFormat::RdJsonLines] {
            // Whatever it is, it is read or refused with a place; what is no JSON is never read.
            let read = read(format, bytes.as_slice());
            let broken = path.file_name().unwrap().to_string_lossy().starts_with("parsing__n_");
            let blank = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&bytes).trim_ascii().is_empty();
            assert!(!(broken && read.is_ok()) || blank && format == FindingsFormat::RdJsonLines, "{}", path.display());
        }
    }
}

#[test]
fn a_report_is_told_by_its_structure_and_not_by_words_in_it() {
    let semgrep =
        r#"{"version":"1.0","results":[{"check_id":"x","path":"src/findings/sarif/\"runs\":/mod.rs","extra":{"diagnostics":1}}]"#;
    assert_eq!(sniff("", semgrep.as_bytes()), Some(FindingsFormat::Semgrep));
    let trivy = r#"{"SchemaVersion":2,"ArtifactName":"sarif","Results":[{"Target":"a","Vulnerabilities":[{"message":"m","location":"runs"#;
    assert_eq!(sniff("", trivy.as_bytes()), Some(FindingsFormat::Trivy));
    let rdjson = r#"{"source":{"name":"sarif","runs":[]},"diagnostics":[{"message":"m","location":{"path":"sarif.rs"}}]}"#;
    assert_eq!(sniff("", rdjson.as_bytes()), Some(FindingsFormat::RdJson));
    let sarif = r#"{ "$schema" : "https://json.schemastore.org/sarif-2.1.0.json", "version": "2.1.0", "properties": {"results": [{"check"#;
    assert_eq!(sniff("", sarif.as_bytes()), Some(FindingsFormat::Sarif));
    for other in ["{\"sarif\": {}}", "{\"a\": {\"runs\": []}}", "{\"name\": \"runs\"", "[1]", "[[]]", "{\"\\", "{"] {
        assert_eq!(sniff("", other.as_bytes()), None, "{other}");
    }
}

#[test]
fn an_empty_array_is_nothing_found_and_an_empty_file_only_where_its_name_says_so() {
    for none in ["[]", " [\n]\n", "\u{feff}[ ]"] {
        assert_eq!(sniff("out.json", none.as_bytes()), Some(FindingsFormat::EmptyArray), "{none:?}");
        assert!(good(FindingsFormat::EmptyArray, none).list.is_empty());
    }
    for cut in ["[", "[]x", "[],[]", "[1]"] {
        assert!(refused(FindingsFormat::EmptyArray, cut).starts_with("line 1"), "{cut}");
    }
    assert_eq!(sniff("reports/lint.rdjsonl", b"\n"), Some(FindingsFormat::RdJsonLines));
    assert!(good(FindingsFormat::RdJsonLines, "\n").list.is_empty());
    assert_eq!((sniff("lint.json", b""), sniff("", b"")), (None, None));
}

/// The severities of all findings, in order.
fn severities(format: FindingsFormat, report: &[u8]) -> Vec<Option<Severity>> {
    good(format, report).list.iter().map(|finding| finding.severity).collect()
}

#[test]
fn one_vulnerability_is_as_bad_as_it_is_said_to_be_in_each_package() {
    let found = |package: &str, word: &str| {
        format!("{{\"VulnerabilityID\":\"CVE-1\",\"PkgName\":\"{package}\",\"Severity\":\"{word}\"}}")
    };
    let found = [found("a", "LOW"), found("b", "CRITICAL"), found("c", "UNKNOWN")].join(",");
    let licence = "{\"Name\":\"AGPL-3.0\",\"PkgName\":\"d\",\"Severity\":\"HIGH\"}";
    let text = format!(
        "{{\"SchemaVersion\":2,\"Results\":[{{\"Target\":\"x\",\"Vulnerabilities\":[{found}],\"Licenses\":[{licence}]}}]}}"
    );
    let [critical, high, low] = [Severity::Critical, Severity::High, Severity::Low].map(Some);
    assert_eq!(severities(FindingsFormat::Trivy, text.as_bytes()), [low, critical, None, high]);
    // Code scanning knows one number of a rule: that of the worst it finds.
    let written = write_sarif(&good(FindingsFormat::Trivy, text), "c").json;
    let written: serde_json::Value = serde_json::from_slice(&written).unwrap();
    let rules = written["runs"][0]["tool"]["driver"]["rules"].as_array().unwrap();
    let of_cve = rules.iter().find(|rule| rule["id"] == "CVE-1").unwrap();
    assert_eq!(of_cve["properties"]["security-severity"], "9.5");
}

#[test]
fn semgrep_s_words_for_security_and_the_scores_of_advisories_are_severities() {
    let [critical, high, medium, low] = [Severity::Critical, Severity::High, Severity::Medium, Severity::Low].map(Some);
    let words = include_bytes!("../../data/findings/semgrep/words.json");
    assert_eq!(severities(FindingsFormat::Semgrep, words), [high, medium, critical, critical, low]);
    let old = r#"{"results":[{"check_id":"x","path":"b.py","start":{"line":1,"col":1},"end":{"line":1,"col":2},"extra":{"message":"n","severity":"ERROR"}}]}"#;
    assert_eq!(severities(FindingsFormat::Semgrep, old.as_bytes()), [None]);
    // Two of four advisories have a vector.
    let advisories = include_bytes!("../../data/findings/cargo-audit/all.json");
    let found = severities(FindingsFormat::CargoAudit, advisories);
    assert_eq!((found.len(), found[0], found.iter().flatten().count()), (4, critical, 2));
}
