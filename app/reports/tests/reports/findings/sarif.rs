//! SARIF of real tools, of the standard's own examples, and hostile SARIF.

use gatewright_reports::findings::{BaselineState, FindingKind, FindingsFormat, Level, Severity, read, sniff};

use super::{all, counts, good, refused, shown};
use crate::fixtures::{files, report};

const SDK: &str = "sarif/sarif-sdk/Test.FunctionalTests.Sarif__v2__ConverterTestData__";

/// Wraps results in a log.
fn log(results: &str, more: &str) -> String {
    format!("{{\"version\":\"2.1.0\",\"runs\":[{{\"results\":[{results}],\"tool\":{{\"driver\":{{\"name\":\"t\"{more}}}}}}}]}}")
}

#[test]
fn levels_are_those_of_another_count() {
    // By a script over Python's json that follows 3.27.10 and 3.27.23 of the standard.
    for (name, expected) in [
        ("generated/ruff/python-gitlab.sarif", [875, 0, 0, 0]),
        ("TSLint__TSLint-03.json.sarif", [0, 0, 3007, 0]),
        ("TSLint__TSLint-04.json.sarif", [1029, 0, 0, 0]),
        ("FxCop__SarifSdkTest.xml.sarif", [237, 648, 0, 0]),
        ("Fortify__bannedAPIs_java.xml.sarif", [0, 33, 0, 0]),
        ("AndroidStudio__AndroidStudio_issueLog7_raw.xml.sarif", [0, 6, 0, 0]),
        ("SemmleQL__Simple.csv.sarif", [1, 0, 0, 0]),
        ("sarif/sarif-sdk-validate/SARIF1008.PhysicalLocationPropertiesMustBeConsistent_Invalid.sarif", [17, 0, 0, 0]),
        ("sarif/sarif-sdk-validate/SARIF2016.FileUrisShouldBeRelative_Valid.sarif", [1, 0, 1, 0]),
        ("sarif/sarif-sdk-validate/SARIF2004.OptimizeFileSize_Invalid.sarif", [1, 4, 0, 0]),
        ("sarif/analysis-model/violations__suppressed-sarif.json", [1, 0, 1, 0]),
        ("sarif/codeql-action/valid-sarif-diff-filtered.sarif", [0, 0, 2, 0]),
        ("sarif/sarif-sdk/docs__ai__example.sarif", [1, 1, 0, 0]),
        ("sarif/tutorials/DefaultRuleConfiguration.sarif", [1, 1, 0, 0]),
        ("sarif/tutorials/Baseline.sarif", [0, 3, 0, 0]),
    ] {
        let path = if name.contains("/") { name.to_owned() } else { format!("{SDK}{name}") };
        let Some(bytes) = report(&path) else { return };
        assert_eq!(sniff("", &bytes), Some(FindingsFormat::Sarif), "{name}");
        // The standard takes a suppression without a reason for one.
        let mut findings = good(FindingsFormat::Sarif, bytes);
        findings.list.retain(|finding| finding.suppressed.is_none());
        assert_eq!(counts(&findings), expected, "{name}");
    }
}

#[test]
fn every_example_is_read_or_refused_for_what_it_is() {
    for path in files("sarif") {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let bytes = std::fs::read(&path).unwrap();
        let expected = match name.as_str() {
            "JSON1001.SyntaxError.sarif" => Some("line 3, column 3: this is no JSON"),
            "clang-tidy.out" | "shell.sh" => Some("expected an object"),
            name if name.ends_with("AndroidStudio__AndroidStudio.sarif") => Some("SARIF version \"2.0.0\", where 2.1.0 is read"),
            name if name.ends_with("PyLint.sarif") => Some("SARIF version \"2.0.0\""),
            name if name.ends_with("fxcop.sarif") => Some("SARIF version \"2.0.0-csd.2.beta.2018-09-26\""),
            _ => None,
        };
        match (read(FindingsFormat::Sarif, bytes.as_slice()), expected) {
            (Ok(_), None) => {}
            (Err(error), Some(cause)) => assert!(error.to_string().contains(cause), "{name}: {error}"),
            (Ok(_), Some(cause)) => panic!("{name} was read, and not refused with {cause}"),
            (Err(error), None) => panic!("{name}: {error}"),
        }
    }
}

#[test]
fn suppressions_are_what_the_standards_example_says_of_itself() {
    let Some(bytes) = report("sarif/tutorials/Suppressions.sarif") else { return };
    let findings = good(FindingsFormat::Sarif, bytes);
    assert_eq!(findings.list.len(), 9);
    for finding in &findings.list {
        // The example says of two results that are under review that one is visible and the other hidden. Nobody has accepted
        // either.
        let visible = finding.message.contains("visible") || finding.message.contains("still under review");
        assert_eq!(finding.suppressed.is_none(), visible, "{}", finding.message);
        assert!(finding.stands(), "a suppression without a reason is none: {}", finding.message);
    }
    let Some(bytes) = report("sarif/analysis-model/violations__suppressed-sarif.json") else { return };
    let findings = good(FindingsFormat::Sarif, bytes);
    assert_eq!(findings.list[0].suppressed.as_ref().unwrap().reason.as_deref(), Some("bla"));
}

#[test]
fn bases_of_paths_are_joined() {
    let Some(bytes) = report("sarif/tutorials/OriginalUriBaseIds.sarif") else { return };
    let paths: Vec<String> = all(&good(FindingsFormat::Sarif, bytes));
    let paths: Vec<&str> = paths.iter().map(|text| text.split(' ').next().unwrap()).collect();
    assert_eq!(paths, ["README.md", "src/io/kb.c", "."]);
    let text = r#"{"version":"2.1.0","runs":[{"results":[
        {"message":{"text":"m"},"locations":[{"physicalLocation":{"artifactLocation":{"index":1},"region":{"startLine":3}}}]},
        {"message":{"text":"m"},"locations":[{"physicalLocation":{"artifactLocation":{"uri":"a%20b.c","uriBaseId":"X"}}}]},
        {"message":{"text":"m"},"locations":[{"physicalLocation":{"artifactLocation":{"uri":"file:///ci/c.c","uriBaseId":"X"}}}]}],
        "artifacts":[{},{"location":{"uri":"d.c","uriBaseId":"X"}}],
        "originalUriBaseIds":{"X":{"uri":"file:///ci/src/"},"Y":{"uri":"y","uriBaseId":"Y"}}}]}"#;
    let found = all(&good(FindingsFormat::Sarif, text));
    assert_eq!(found[0], "/ci/src/d.c:3-3 Warning /: m");
    assert_eq!(found[1], "/ci/src/a b.c Warning /: m");
    assert_eq!(found[2], "/ci/c.c Warning /: m");
}

#[test]
fn what_results_refer_to_may_stand_behind_them() {
    let results = r#"{"ruleId":"R/sub","message":{"id":"x","arguments":["one","two"]}},
        {"ruleIndex":1,"message":{"text":"{1} {{x}} {7}","arguments":["a","b"]},"level":"note"},
        {"rule":{"index":0,"toolComponent":{"index":0}},"message":{"text":"of a plugin"}},
        {"ruleId":"unknown","message":{"markdown":"only *markdown*"}}"#;
    let rules = r#","rules":[
        {"id":"R","name":"Rule","helpUri":"https://example.com/R","shortDescription":{"text":"short"},
         "defaultConfiguration":{"level":"error"},"messageStrings":{"x":{"text":"{0} and {1}"}},
         "properties":{"tags":["security"],"security-severity":"8.8"}},
        {"id":"S","properties":{"security-severity":"NaN"}}]},"extensions":[{"name":"p","rules":[{"id":"P1","defaultConfiguration":{"level":"note"}}]}],"x":{"y":1"#;
    let findings = good(FindingsFormat::Sarif, log(results, rules));
    assert_eq!(
        all(&findings),
        [
            "nowhere Error t/R/sub: one and two",
            "nowhere Note t/S: b {x} {7}",
            "nowhere Note t/P1: of a plugin",
            "nowhere Warning t/unknown: only *markdown*",
        ]
    );
    let rule = &findings.list[0].rule;
    assert_eq!((rule.name.as_deref(), rule.help_url.as_deref()), (Some("Rule"), Some("https://example.com/R")));
    assert_eq!((rule.summary.as_deref(), rule.tags.as_slice()), (Some("short"), ["security".to_owned()].as_slice()));
    assert_eq!((rule.security_severity, findings.list[1].rule.security_severity), (Some(8.8), None));
}

#[test]
fn kinds_and_baselines_say_what_stands() {
    let result = |more: &str| format!("{{\"message\":{{\"text\":\"m\"}},{more}}}");
    let results = [
        "\"kind\":\"pass\"",
        "\"kind\":\"FAIL\",\"level\":\"error\"",
        "\"kind\":\"review\"",
        "\"kind\":\"notApplicable\"",
        "\"baselineState\":\"absent\"",
        "\"baselineState\":\"new\",\"suppressions\":null,\"fixes\":null,\"locations\":null",
        "\"suppressions\":[]",
    ];
    let findings = good(FindingsFormat::Sarif, log(&results.map(result).join(","), ""));
    let stands: Vec<bool> = findings.list.iter().map(gatewright_reports::findings::Finding::stands).collect();
    assert_eq!(stands, [false, true, true, false, false, true, true]);
    assert_eq!((findings.list[0].kind, findings.list[0].level), (FindingKind::Pass, Level::None));
    assert_eq!(findings.list[5].baseline, Some(BaselineState::New));
}

#[test]
fn places_related_taxa_and_fixes_are_kept() {
    let result = r#"{"ruleId":"r","message":{"text":"m"},
        "locations":[{"physicalLocation":{"artifactLocation":{"uri":"a.c"},"region":{"startLine":2,"startColumn":3,"endColumn":9}}}],
        "relatedLocations":[{"physicalLocation":{"artifactLocation":{"uri":"b.c"},"region":{"startLine":7}},"message":{"text":"here"}},
                            {"message":{"text":"nowhere"}}],
        "taxa":[{"id":"79","toolComponent":{"name":"CWE"}}],
        "fixes":[{"description":{"text":"remove it"},"artifactChanges":[{"artifactLocation":{"uri":"a.c"},"replacements":[
            {"deletedRegion":{"startLine":2,"startColumn":3,"endLine":2,"endColumn":9},"insertedContent":{"text":"x"}}]}]}]}"#;
    let findings = good(FindingsFormat::Sarif, log(result, ""));
    let finding = &findings.list[0];
    assert_eq!(shown(finding), "a.c:2:3-2:9 Warning t/r: m");
    let [related] = finding.related.as_slice() else { panic!("{finding:?}") };
    assert_eq!(
        (&*related.location.path, related.location.range.unwrap().start_line, related.message.as_str()),
        ("b.c", 7, "here")
    );
    assert_eq!(finding.taxa, ["CWE 79"]);
    let fix = finding.fix.as_ref().unwrap();
    assert_eq!((fix.description.as_str(), &*fix.edits[0].path, fix.edits[0].text.as_str()), ("remove it", "a.c", "x"));
}

#[test]
fn entries_of_catalogues_may_be_named_by_number() {
    let text = r#"{"version":"2.1.0","runs":[{"results":[{"message":{"text":"m"},"taxa":[{"index":1,"toolComponent":{"index":0}},
        {"id":"89","toolComponent":{"index":0}},{"id":"own"},{"index":7},{"index":9,"toolComponent":{"index":9}}]}],
        "taxonomies":[{"name":"CWE","taxa":[{"id":"1"},{"id":"79"}]}]}]}"#;
    assert_eq!(good(FindingsFormat::Sarif, text).list[0].taxa, ["CWE 79", "CWE 89", "own"]);
}

#[test]
fn links_to_related_places_are_their_texts() {
    let message = |text: &str| {
        let text = serde_json::to_string(text).unwrap();
        good(FindingsFormat::Sarif, log(&format!("{{\"message\":{{\"text\":{text}}}}}"), "")).list[0].message.clone()
    };
    for (text, shown) in [
        ("a [user-provided value](1).", "a user-provided value."),
        ("[a [b](2) c](1)", "a b c"),
        (r"\[x\](1) a[0](b) [y](z) [", "[x](1) a[0](b) [y](z) ["),
        ("](1) [ü](12) []", "](1) ü []"),
        (r"c:\dir\[1\] \\", r"c:\dir[1] \"),
    ] {
        assert_eq!(message(text), shown, "{text}");
    }
}

#[test]
fn what_the_tool_could_not_do_is_a_problem() {
    let text = r#"{"version":"2.1.0","runs":[{"tool":{"driver":{"name":"t"}},"invocations":[{"executionSuccessful":false,
        "toolExecutionNotifications":[{"level":"error","message":{"text":"out of memory"}},{"message":{"text":"fine"}}]}],"results":[]}]}"#;
    let findings = good(FindingsFormat::Sarif, text);
    assert_eq!(findings.problems, ["the tool says that it did not run to its end", "out of memory"]);
    assert!(findings.unfinished);
}

#[test]
fn hostile_sarif_is_refused_where_it_stands() {
    let region = |region: &str| {
        log(
            &format!(
                "{{\"message\":{{}},\n\"locations\":[{{\"physicalLocation\":{{\"artifactLocation\":{{\"uri\":\"a\"}},\"region\":{region}}}}}]}}"
            ),
            "",
        )
    };
    for (text, error) in [
        (region("{\"startLine\":-3}"), "line 1, column 40: startLine is -3"),
        (region("{\"startLine\":9,\"endLine\":2}"), "a region that ends in line 2 and begins in line 9"),
        (region("{\"startLine\":99999999999}"), "startLine is 99999999999"),
        (region("{\"startLine\":1.5}"), "line 2, column 90: invalid type: floating point `1.5`, expected i64"),
        (region("{\"startLine\":NaN}"), "line 2, column 88: expected value"),
        (log("{\"level\":\"bad\"}", ""), "the level \"bad\""),
        (log("{\"kind\":\"odd\"}", ""), "a result of the kind \"odd\""),
        (log("{\"message\":[]},", ""), "line 1, column 55: this is no JSON: expected a value"),
        ("{\"version\":\"2.1.0\"}".to_owned(), "a SARIF log without runs"),
        ("{\"version\":\"1.0.0\",\"runs\":[]}".to_owned(), "SARIF version \"1.0.0\", where 2.1.0 is read"),
        ("{}".to_owned(), "this is no SARIF log"),
        ("{\"version\":\"2.1.0\",\"runs\":[{\"results\":[{\"message\":".to_owned(), "EOF while parsing"),
        ("{\"version\":\"2.1.0\",\"runs\":[{\"results\":[]}".to_owned(), "expected `,` or `]`"),
        ("{\"version\":\"2.1.0\",\"runs\":[]} x".to_owned(), "expected the end of the file"),
    ] {
        let found = refused(FindingsFormat::Sarif, &text);
        assert!(found.contains(error), "{text}: {found}");
    }
    let bytes = [b"{\"version\":\"2.1.0\",\"runs\":[{\"tool\":{\"driver\":{\"name\":\"".as_slice(), b"\xff\"}}}]}"].concat();
    assert!(refused(FindingsFormat::Sarif, bytes).contains("column 55: bytes that are not valid UTF-8"));
}

#[test]
fn sarif_in_utf_16_is_read() {
    let text = log("{\"message\":{\"text\":\"ü\"}}", "");
    let bytes: Vec<u8> = [0xff, 0xfe].into_iter().chain(text.encode_utf16().flat_map(u16::to_le_bytes)).collect();
    assert_eq!(all(&good(FindingsFormat::Sarif, bytes)), ["nowhere Warning t/: ü"]);
}

#[test]
fn bases_that_lie_in_themselves_end() {
    let text = r#"{"version":"2.1.0","runs":[{"originalUriBaseIds":{"X":{"uri":"x","uriBaseId":"X"}},"results":[
        {"message":{},"locations":[{"physicalLocation":{"artifactLocation":{"uri":"a","uriBaseId":"X"}}}]}]}]}"#;
    let findings = good(FindingsFormat::Sarif, text);
    assert!(findings.list[0].location.as_ref().unwrap().path.len() < 100);
}

#[test]
fn findings_beyond_those_that_are_kept_are_counted() {
    let one = "{\"ruleId\":\"R\",\"message\":{\"text\":\"m\"}},";
    let results = format!("{}{}", one.repeat(100_500), "{\"kind\":\"pass\",\"message\":{}}");
    let findings =
        good(FindingsFormat::Sarif, log(&results, ",\"rules\":[{\"id\":\"R\",\"defaultConfiguration\":{\"level\":\"error\"}}]"));
    assert_eq!(findings.list.len(), 100_000);
    assert_eq!(findings.left_out.get(&(Level::Error, None)), Some(&500));
    assert_eq!(counts(&findings), [100_500, 0, 0, 0]);
    let rules = ",\"rules\":[{\"id\":\"R\",\"properties\":{\"security-severity\":\"9.5\"}}]";
    let findings = good(FindingsFormat::Sarif, log(&results, rules));
    assert_eq!(findings.left_out.get(&(Level::Warning, Some(Severity::Critical))), Some(&500));
}

#[test]
fn lists_of_little_are_cut_or_refused() {
    let locations = "{},".repeat(500_000);
    let result = format!(
        "{{\"message\":{{\"text\":\"m\"}},\"locations\":[{locations}{{}}],\"fixes\":[{{\"artifactChanges\":[{locations}{{}}]}}]}}"
    );
    let findings = good(FindingsFormat::Sarif, log(&result, ""));
    assert_eq!((findings.list.len(), findings.list[0].related.len(), &findings.list[0].fix), (1, 0, &None));
    let rules = format!(",\"rules\":[{}{{}}]", "{},".repeat(50_000));
    assert!(refused(FindingsFormat::Sarif, log("", &rules)).contains("a list of more than 50000"));
    let huge = format!("{{\"message\":{{\"text\":\"{}\"}}}}", "x".repeat(17 * 1024 * 1024));
    assert!(refused(FindingsFormat::Sarif, log(&huge, "")).contains("an item of more than 16 MiB"));
    let many: String = (0..5000).map(|n| format!("\"{n}\":{{\"text\":\"t{n}\"}},")).collect();
    let rules = format!(",\"rules\":[{{\"id\":\"r\",\"messageStrings\":{{{many}\"x\":{{}}}}}}]");
    let findings = good(FindingsFormat::Sarif, log("{\"ruleId\":\"r\",\"message\":{\"id\":\"7\"}}", &rules));
    assert_eq!(findings.list[0].message, "t7");
    // A long message is cut.
    let long = format!("{{\"message\":{{\"text\":\"{}\"}}}}", "ü".repeat(100_000));
    assert_eq!(good(FindingsFormat::Sarif, log(&long, "")).list[0].message.len(), 4096);
}

#[test]
fn the_text_of_all_findings_together_is_bounded() {
    let one = format!("{{\"ruleId\":\"R\",\"level\":\"note\",\"message\":{{\"text\":\"{}\"}}}},", "x".repeat(4000));
    let findings = good(FindingsFormat::Sarif, log(&format!("{}{{\"message\":{{}}}}", one.repeat(20_000)), ""));
    let kept: usize = findings.list.iter().map(|finding| finding.message.len()).sum();
    assert!((60_000_000..=64 * 1024 * 1024).contains(&kept), "{kept}");
    assert_eq!(counts(&findings)[2], 20_000);
}

/// 3.27.10: how a rule is configured for an invocation goes before what it is by default, and a result's own level before both.
#[test]
fn a_rule_has_the_level_that_its_invocation_gives_it() {
    let rules = ",\"rules\":[{\"id\":\"a\",\"defaultConfiguration\":{\"level\":\"note\"}},{\"id\":\"b\"}]";
    let result = |rule: &str, more: &str| format!("{{\"ruleId\":\"{rule}\",\"message\":{{\"text\":\"m\"}}{more}}}");
    let from = |invocation: u8| format!(",\"provenance\":{{\"invocationIndex\":{invocation}}}");
    let overrides = |rule: &str, level: &str| {
        format!(
            "{{\"executionSuccessful\":true,\"ruleConfigurationOverrides\":[{{\"descriptor\":{rule},\"configuration\":{{\"level\":\"{level}\"}}}},\
             {{\"descriptor\":{{\"id\":\"gone\"}},\"configuration\":{{\"enabled\":false}}}}]}}"
        )
    };
    let levels = |results: &[String], invocations: &[String]| {
        let text = log(&results.join(","), rules).replacen(
            "\"results\"",
            &format!("\"invocations\":[{}],\"results\"", invocations.join(",")),
            1,
        );
        good(FindingsFormat::Sarif, text).list.iter().map(|finding| finding.level).collect::<Vec<_>>()
    };
    let of_a = overrides("{\"id\":\"a\",\"index\":0}", "error");
    let results = [result("a", ""), result("a/1", ""), result("b", ""), result("a", ",\"level\":\"warning\"")];
    assert_eq!(levels(&results, std::slice::from_ref(&of_a)), [Level::Error, Level::Error, Level::Warning, Level::Warning]);
    let two = [of_a, overrides("{\"index\":1}", "error")];
    let results = [result("a", &from(0)), result("a", &from(1)), result("b", &from(1)), result("a", "")];
    assert_eq!(levels(&results, &two), [Level::Error, Level::Note, Level::Error, Level::Note]);
    let wrong = log("", rules).replacen("\"results\"", &format!("\"invocations\":[{}],\"results\"", overrides("{}", "bad")), 1);
    assert!(refused(FindingsFormat::Sarif, wrong).contains("the level \"bad\""));
}

#[test]
fn a_result_is_as_bad_as_its_own_run_says_of_the_rule() {
    let run = |properties: &str| {
        format!(
            "{{\"results\":[{{\"ruleId\":\"x\",\"message\":{{\"text\":\"m\"}}}}],\
             \"tool\":{{\"driver\":{{\"name\":\"t\",\"rules\":[{{\"id\":\"x\",\"properties\":{{{properties}}}}}]}}}}}}"
        )
    };
    let runs = ["\"security-severity\":\"3.0\"", "\"security-severity\":9.1", ""].map(run).join(",");
    let findings = good(FindingsFormat::Sarif, format!("{{\"version\":\"2.1.0\",\"runs\":[{runs}]}}"));
    let severities: Vec<Option<Severity>> = findings.list.iter().map(|finding| finding.severity).collect();
    assert_eq!(severities, [Some(Severity::Low), Some(Severity::Critical), None]);
}
