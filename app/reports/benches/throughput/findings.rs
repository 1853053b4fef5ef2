//! Made-up reports of findings.

use super::{Report, Written, joined, parts, path};

pub(super) fn sarif(report: &mut Report, rules_first: bool) -> Written {
    let rules = (0..200).map(|n| {
        format!("{{\"id\":\"R{n}\",\"helpUri\":\"https://example.com/{n}\",\"defaultConfiguration\":{{\"level\":\"error\"}}}}")
    });
    let tool = format!("\"tool\":{{\"driver\":{{\"name\":\"lint\",\"rules\":[{}]}}}}", rules.collect::<Vec<_>>().join(","));
    let begin = if rules_first { format!("{tool},") } else { String::new() };
    report.put(&format!("{{\"version\":\"2.1.0\",\"runs\":[{{{begin}\"results\":[\n"))?;
    parts(report, ",\n", |nth| {
        format!(
            "{{\"ruleId\":\"R{}\",\"ruleIndex\":{},\"message\":{{\"text\":\"variable `x{nth}` is assigned \\\"twice\\\" and never read in between\"}},\
             \"locations\":[{{\"physicalLocation\":{{\"artifactLocation\":{{\"uri\":\"{}\",\"uriBaseId\":\"%SRCROOT%\"}},\"region\":{{\"startLine\":{},\"startColumn\":5,\"endColumn\":20,\"snippet\":{{\"text\":\"    let x = 5;\"}}}}}}}}],\
             \"partialFingerprints\":{{\"primaryLocationLineHash\":\"{nth:016x}:1\"}},\"properties\":{{\"precision\":\"high\",\"weights\":[1,2.5,-3e4,null,true]}}}}",
            nth % 200,
            nth % 200,
            path(nth % 5000),
            nth % 900 + 1
        )
    })?;
    let end = if rules_first { String::new() } else { format!(",{tool}") };
    report.put(&format!("]{end}}}]}}"))
}

pub(super) fn checkstyle(report: &mut Report) -> Written {
    report.put("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<checkstyle version=\"8\">\n")?;
    parts(report, "\n", |nth| {
        let errors = joined(1..40, |line| {
            format!(
                "<error line=\"{line}\" column=\"3\" severity=\"warning\" message=\"&apos;,&apos; is not followed by whitespace.\" source=\"com.puppycrawl.tools.checkstyle.checks.whitespace.WhitespaceAfterCheck\"/>\n"
            )
        });
        format!("<file name=\"/ci/{}\">\n{errors}</file>", path(nth))
    })?;
    report.put("</checkstyle>\n")
}

pub(super) fn eslint(report: &mut Report) -> Written {
    report.put("[")?;
    parts(report, ",", |nth| {
        let messages = (1..30).map(|line| format!("{{\"ruleId\":\"semi\",\"severity\":2,\"message\":\"Extra semicolon.\",\"line\":{line},\"column\":3,\"nodeType\":\"X\",\"endLine\":{line},\"endColumn\":4,\"fix\":{{\"range\":[{line},{}],\"text\":\"\"}}}}", line + 1));
        let source = "const x = require('y');;\\n".repeat(40);
        format!(
            "{{\"filePath\":\"/ci/{}\",\"messages\":[{}],\"suppressedMessages\":[],\"errorCount\":29,\"source\":\"{source}\"}}",
            path(nth),
            messages.collect::<Vec<_>>().join(",")
        )
    })?;
    report.put("]")
}

/// One diagnostic of reviewdog's.
fn diagnostic(nth: u64) -> String {
    let line = nth % 900 + 1;
    format!(
        "{{\"message\":\"something is odd here\",\"location\":{{\"path\":\"{}\",\"range\":{{\"start\":{{\"line\":{line},\"column\":2}},\"end\":{{\"line\":{line},\"column\":9}}}}}},\"severity\":\"WARNING\",\"source\":{{\"name\":\"lint\"}},\"code\":{{\"value\":\"L{}\"}}}}",
        path(nth % 5000),
        nth % 50
    )
}

pub(super) fn rdjsonl(report: &mut Report) -> Written {
    parts(report, "\n", diagnostic)
}

/// The same diagnostics as one object.
pub(super) fn rdjson(report: &mut Report) -> Written {
    report.put("{\"source\":{\"name\":\"lint\",\"url\":\"https://example.com\"},\"diagnostics\":[")?;
    parts(report, ",", diagnostic)?;
    report.put("]}\n")
}

/// What Cargo writes of a workspace: artefacts between the messages.
pub(super) fn cargo(report: &mut Report) -> Written {
    parts(report, "", |nth| {
        let file = path(nth % 5000);
        let line = nth % 900 + 1;
        let artefact = format!(
            "{{\"reason\":\"compiler-artifact\",\"package_id\":\"path+file:///ci#p{nth}@0.1.0\",\"target\":{{\"kind\":[\"lib\"],\"name\":\"p{nth}\"}},\"profile\":{{\"opt_level\":\"0\"}},\"features\":[],\"filenames\":[\"/ci/target/libp{nth}.rlib\"],\"executable\":null,\"fresh\":false}}\n"
        );
        let span = |suggested: &str| {
            format!(
                "{{\"file_name\":\"{file}\",\"byte_start\":100,\"byte_end\":110,\"line_start\":{line},\"line_end\":{line},\"column_start\":5,\"column_end\":15,\"is_primary\":true,\
                 \"text\":[{{\"text\":\"    let x = y.clone();\",\"highlight_start\":5,\"highlight_end\":15}}],\"label\":null,\"suggested_replacement\":{suggested},\"suggestion_applicability\":null,\"expansion\":null}}"
            )
        };
        let message = format!(
            "{{\"reason\":\"compiler-message\",\"package_id\":\"path+file:///ci#p@0.1.0\",\"manifest_path\":\"/ci/Cargo.toml\",\"target\":{{\"kind\":[\"lib\"],\"name\":\"p\"}},\"message\":{{\"rendered\":\"warning: using `clone` on type `x{nth}` which implements the `Copy` trait\\n --> {file}:{line}:5\\n  |\\n\",\
             \"$message_type\":\"diagnostic\",\"children\":[{{\"children\":[],\"code\":null,\"level\":\"help\",\"message\":\"try removing the `clone` call\",\"rendered\":null,\"spans\":[{}]}}],\"code\":{{\"code\":\"clippy::clone_on_copy\",\"explanation\":null}},\"level\":\"warning\",\"message\":\"using `clone` on type `x{nth}` which implements the `Copy` trait\",\"spans\":[{}]}}}}\n",
            span("\"y\""),
            span("null")
        );
        if nth % 8 == 0 { artefact + &message } else { message }
    })?;
    report.put("{\"reason\":\"build-finished\",\"success\":true}\n")
}

pub(super) fn semgrep(report: &mut Report) -> Written {
    report.put("{\"version\":\"1.100.0\",\"results\":[")?;
    parts(report, ",", |nth| {
        format!(
            "{{\"check_id\":\"python.lang.security.rule-{}\",\"path\":\"{}\",\"start\":{{\"line\":{line},\"col\":5,\"offset\":900}},\"end\":{{\"line\":{line},\"col\":30,\"offset\":925}},\"extra\":{{\"metavars\":{{\"$X\":{{\"start\":{{\"line\":{line},\"col\":5,\"offset\":900}},\"end\":{{\"line\":{line},\"col\":9,\"offset\":904}},\"abstract_content\":\"user\"}}}},\
             \"message\":\"Detected subprocess function `call{nth}` with user controlled data.\",\"metadata\":{{\"cwe\":[\"CWE-78: OS Command Injection\"],\"owasp\":[\"A01:2017\"],\"confidence\":\"LOW\",\"references\":[\"https://example.com/a\"],\"shortlink\":\"https://example.com/r\"}},\"severity\":\"ERROR\",\"fingerprint\":\"{nth:064x}\",\"lines\":\"    subprocess.call(user, shell=True)\",\"is_ignored\":false,\"validation_state\":\"NO_VALIDATOR\",\"engine_kind\":\"OSS\"}}}}",
            nth % 200,
            path(nth % 5000),
            line = nth % 900 + 1
        )
    })?;
    report.put("],\"errors\":[],\"paths\":{\"scanned\":[]}}")
}

pub(super) fn trivy(report: &mut Report) -> Written {
    report.put("{\"SchemaVersion\":2,\"ArtifactName\":\"/ci\",\"ArtifactType\":\"repository\",\"Results\":[")?;
    parts(report, ",", |nth| {
        let found = (0..20).map(|n| {
            format!(
                "{{\"VulnerabilityID\":\"CVE-2026-{nth}\",\"PkgID\":\"p{n}@1.2.3\",\"PkgName\":\"p{n}\",\"InstalledVersion\":\"1.2.3\",\"FixedVersion\":\"1.2.4, 2.0.1\",\"Status\":\"fixed\",\"Layer\":{{}},\"SeveritySource\":\"nvd\",\"PrimaryURL\":\"https://example.com/CVE-2026-{nth}\",\"DataSource\":{{\"ID\":\"ghsa\",\"Name\":\"An advisory database\",\"URL\":\"https://example.com\"}},\
                 \"Title\":\"p{n}: a bad thing may happen to those who do not update\",\"Description\":\"When a package of version 1.2.3 reads what it should not read, an attacker who can write there can make it read what they wish, without being asked.\",\"Severity\":\"HIGH\",\"CweIDs\":[\"CWE-79\"],\"CVSS\":{{\"nvd\":{{\"V3Vector\":\"CVSS:3.1/AV:N\",\"V3Score\":7.5}}}},\"References\":[\"https://example.com/a\",\"https://example.com/b\"],\"PublishedDate\":\"2026-01-01T00:00:00Z\"}}"
            )
        });
        format!(
            "{{\"Target\":\"{}/package-lock.json\",\"Class\":\"lang-pkgs\",\"Type\":\"npm\",\"Vulnerabilities\":[{}]}}",
            path(nth % 5000),
            found.collect::<Vec<_>>().join(",")
        )
    })?;
    report.put("]}")
}

pub(super) fn gitleaks(report: &mut Report) -> Written {
    report.put("[")?;
    parts(report, ",", |nth| {
        format!(
            "{{\"Description\":\"Generic API Key\",\"StartLine\":{line},\"EndLine\":{line},\"StartColumn\":5,\"EndColumn\":50,\"Match\":\"api_key = 'REDACTED'\",\"Secret\":\"REDACTED\",\"File\":\"{}\",\"SymlinkFile\":\"\",\"Commit\":\"{nth:040x}\",\"Entropy\":3.9,\"Author\":\"A\",\"Email\":\"a@example.com\",\"Date\":\"2026-01-01T00:00:00Z\",\"Message\":\"a commit\",\"Tags\":[],\"RuleID\":\"generic-api-key\",\"Fingerprint\":\"{nth:040x}:a:generic-api-key:{line}\"}}",
            path(nth % 5000),
            line = nth % 900 + 1
        )
    })?;
    report.put("]")
}

pub(super) fn cargo_audit(report: &mut Report) -> Written {
    report.put("{\"database\":{\"advisory-count\":700},\"lockfile\":{\"dependency-count\":300},\"settings\":{\"target_arch\":[]},\"vulnerabilities\":{\"found\":true,\"count\":1,\"list\":[")?;
    parts(report, ",", |nth| {
        format!(
            "{{\"advisory\":{{\"id\":\"RUSTSEC-2026-{nth:04}\",\"package\":\"crate-{nth}\",\"title\":\"It may read beyond the end\",\"description\":\"{}\",\"date\":\"2026-01-01\",\"aliases\":[\"CVE-2026-{nth}\"],\"related\":[],\"collection\":\"crates\",\"categories\":[\"memory-corruption\"],\"keywords\":[],\"cvss\":\"CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H\",\"informational\":null,\"references\":[],\"source\":null,\"url\":\"https://example.com/{nth}\",\"withdrawn\":null}},\
             \"versions\":{{\"patched\":[\">=1.2.4\"],\"unaffected\":[]}},\"affected\":null,\"package\":{{\"name\":\"crate-{nth}\",\"version\":\"1.2.3\",\"source\":\"registry+https://example.com\",\"checksum\":\"{nth:064x}\",\"dependencies\":[],\"replace\":null}}}}",
            "Versions before 1.2.4 read beyond the end of what they were given. ".repeat(8)
        )
    })?;
    report.put("]},\"warnings\":{}}")
}
