//! ESLint, Bandit, Clippy and ShellCheck.

use std::collections::BTreeSet;
use std::fs::File;
use std::process::Command;

use gatewright_reports::findings::{Findings, FindingsFormat, Level, read};
use serde_json::Value;

use crate::{Project, before, line_with, node, python};

fn count(findings: &Findings, level: Level) -> u64 {
    findings.counts().get(&level).copied().unwrap_or_default()
}

/// Rule, and line.
fn places(findings: &Findings) -> BTreeSet<(String, u64)> {
    let line = |finding: &gatewright_reports::findings::Finding| finding.location.as_ref()?.range.map(|range| range.start_line);
    findings.list.iter().map(|finding| (finding.rule.id.clone(), line(finding).unwrap_or_default().into())).collect()
}

fn good(format: FindingsFormat, file: File) -> Findings {
    read(format, file).expect("it is read")
}

#[test]
fn of_eslint_the_numbers_of_its_last_lines_are_read() {
    let config = "module.exports = [{ rules: { 'no-undef': 'error', 'no-unused-vars': 'warn', 'prefer-const': 'error', eqeqeq: 'warn' } }];\n";
    let source = "let price = 3;\nfunction total(a) {\n  if (price == 3) {\n    missing();\n  }\n}\n// eslint-disable-next-line no-undef -- it is given by the page\nalso();\n";
    let project = Project::new(&[("package.json", "{}"), ("eslint.config.js", config), ("cart.js", source)]);
    let eslint = || node("eslint/bin/eslint.js");
    project.run(eslint().args(["--format", "json", "--output-file", "out.json", "cart.js"]), &[1]);
    let said = project.run(eslint().args(["--format", "stylish", "cart.js"]), &[1]);
    let last = line_with(&said, " problems (");
    let found = good(FindingsFormat::Eslint, project.open("out.json"));
    assert_eq!(
        (count(&found, Level::Error), count(&found, Level::Warning)),
        (before(last, "errors"), before(last, "warnings")),
        "{last}"
    );
    let suppressed: Vec<Option<&str>> =
        found.list.iter().filter(|finding| !finding.stands()).map(|finding| finding.reason()).collect();
    assert_eq!(suppressed, [Some("it is given by the page")]);

    // What the fix of one finding makes of the file is what ESLint makes of it.
    let fixed: Vec<_> = found.list.iter().filter_map(|finding| finding.fix.as_ref()).flat_map(|fix| &fix.edits).collect();
    let [edit] = fixed[..] else { panic!("one fix, of `prefer-const`: {fixed:?}") };
    assert_eq!((edit.range.start_line, edit.range.end_line), (1, 1));
    let (begin, end) =
        (edit.range.start_column.expect("it has one") as usize, edit.range.end_column.expect("it has one") as usize);
    let ours = format!("{}{}{}", &source[..begin - 1], edit.text, &source[end - 1..]);
    project.run(eslint().args(["--fix", "cart.js"]), &[1]);
    assert_eq!(ours, std::fs::read_to_string(project.path("cart.js")).expect("it is there"));
}

#[test]
fn of_bandits_sarif_the_results_of_its_json_are_read() {
    let source = "import subprocess\nimport pickle\n\ndef run(name, data):\n    subprocess.call('ls ' + name, shell=True)\n    assert name\n    password = 'secret-of-mine'\n    return pickle.loads(data), password\n";
    let project = Project::new(&[("shop/cart.py", source)]);
    for (format, file) in [("sarif", "out.sarif"), ("json", "out.json")] {
        project.run(python("bandit").args(["--quiet", "-r", "shop", "-f", format, "-o", file]), &[1]);
    }
    let found = good(FindingsFormat::Sarif, project.open("out.sarif"));
    let stated = project.json("out.json");
    let results = stated["results"].as_array().expect("a list");
    let severities = |word: &str| results.iter().filter(|result| result["issue_severity"] == word).count() as u64;
    assert!(results.len() >= 5, "{stated}");
    let counted = [Level::Error, Level::Warning, Level::Note].map(|level| count(&found, level));
    assert_eq!(counted, ["HIGH", "MEDIUM", "LOW"].map(severities));
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    let expected = results.iter().map(|result| (text(&result["test_id"]), result["line_number"].as_u64().expect("a number")));
    assert_eq!(places(&found), expected.collect());
    assert!(found.tools.contains("Bandit"), "{:?}", found.tools);
}

#[test]
fn of_clippy_the_warnings_that_it_counts_are_read() {
    let manifest = "[package]\nname = \"tiny\"\nversion = \"0.1.0\"\nedition = \"2021\"\n[workspace]\n";
    let source = "pub fn f(x: &u32) -> u32 {\n    let y = x.clone();\n    return y;\n}\n\nfn unused() {}\n";
    let project = Project::new(&[("Cargo.toml", manifest), ("src/lib.rs", source)]);
    let json = project.run(Command::new("cargo").args(["clippy", "--offline", "--quiet", "--message-format=json"]), &[0]);
    let found = read(FindingsFormat::Cargo, json.as_bytes()).expect("it is read");
    project.write("src/lib.rs", source);
    let said = project.run(Command::new("cargo").args(["clippy", "--offline"]), &[0]);
    let last = line_with(&said, "generated");
    assert_eq!(count(&found, Level::Warning), before(last, "warnings"), "{said}");
    let rules: BTreeSet<&str> = found.list.iter().map(|finding| finding.rule.id.as_str()).collect();
    assert_eq!(rules, BTreeSet::from(["clippy::clone_on_copy", "clippy::needless_return", "dead_code"]));
}

#[test]
fn of_shellchecks_checkstyle_the_results_of_its_json_are_read() {
    let project = Project::new(&[(
        "run.sh",
        "#!/bin/sh\ncd $1\nls *.txt | while read x; do echo $x; done\n[[ $1 == a ]] && echo \"it's <b> & 'c'\"\n",
    )]);
    let checked = |format: &str| project.run(Command::new("shellcheck").args(["--format", format, "run.sh"]), &[1]);
    let found = read(FindingsFormat::Checkstyle, checked("checkstyle").as_bytes()).expect("it is read");
    let stated: Value = serde_json::from_str(&checked("json")).expect("it is JSON");
    let stated = stated.as_array().expect("a list");
    let expected = stated.iter().map(|one| (format!("ShellCheck.SC{}", one["code"]), one["line"].as_u64().expect("a number")));
    assert_eq!(places(&found), expected.collect());
    assert_eq!(found.list.len(), stated.len());
}
