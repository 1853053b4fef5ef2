//! Reports that real tools wrote, and hostile XML that others collected. They lie outside of the project, where
//! `GATEWRIGHT_FIXTURES` says.

use std::path::{Path, PathBuf};

use super::{VerdictStatus, judged};

/// The folder of reports. Says loudly when there is none: the tests here have then tested nothing.
fn reports(folder: &str) -> Option<PathBuf> {
    match std::env::var_os("GATEWRIGHT_FIXTURES") {
        Some(root) => Some(PathBuf::from(root).join("reports").join(folder)),
        None => {
            eprintln!("GATEWRIGHT_FIXTURES is not set: the reports in `{folder}` WERE NOT TRIED");
            None
        }
    }
}

/// All files below a folder with one of these extensions, in order.
fn files(folder: &Path, extensions: &[&str]) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|e| extensions.iter().any(|extension| e == *extension)) {
                files.push(path);
            }
        }
    }
    files.sort();
    assert!(!files.is_empty(), "no files in {}", folder.display());
    files
}

fn name(path: &Path) -> String {
    path.file_name().unwrap().to_string_lossy().into_owned()
}

#[test]
fn what_is_no_junit_is_never_a_pass() {
    let Some(folder) = reports("") else { return };
    for other in ["nasty", "jacoco", "cobertura", "checkstyle", "clover", "opencover", "pit", "json-test-suite"] {
        let folder = folder.join(other);
        if !folder.is_dir() {
            continue;
        }
        for path in files(&folder, &["xml", "json"]) {
            let verdict = judged(std::fs::read(&path).unwrap());
            assert_eq!(verdict.status, VerdictStatus::Errored, "{}: {}", path.display(), verdict.title);
        }
    }
}

/// Reports that are broken, empty or not JUnit, and two with negative times. Every other one is read, and passes or fails but where all
/// of its tests were skipped.
const ERRORS: [&str; 13] = [
    "empty__dotnet-trx.trx",
    "empty__java-junit.xml",
    "empty__jest-junit-empty-testsuite.xml",
    "empty__jest-junit.xml",
    "external__FluentValidation.Tests.trx",
    "junit-report-bad-duration.xml",
    "junit-report-huge.xml",
    "junit-xml__non-junit.xml",
    "junit-xml__pytest__corrupt-xml.xml",
    "xml__empty.xml",
    "xml__non-xml.xml",
    "testXxe-oob.xml",
    "tests__utils__pom.xml",
];

#[test]
fn every_report_in_the_wild_is_read_or_its_error_named() {
    let Some(folder) = reports("junit") else { return };
    for path in files(&folder, &["xml", "trx"]) {
        let verdict = judged(std::fs::read(&path).unwrap());
        let expected = ERRORS.contains(&name(&path).as_str()) || verdict.title.starts_with("no test was run; 0 passed, ");
        assert_eq!(verdict.status == VerdictStatus::Errored, expected, "{}: {}", path.display(), verdict.summary);
        assert!(verdict.summary.len() < 60_000, "{}", path.display());
    }
}

/// A number that stands behind a key in JSON that is otherwise of no interest.
fn number(json: &str, key: &str) -> u64 {
    let behind = json.split_once(&format!("\"{key}\": ")).unwrap().1;
    behind.split(|c: char| !c.is_ascii_digit()).next().unwrap().parse().unwrap()
}

#[test]
fn counts_are_those_that_another_tool_came_to() {
    let Some(folder) = reports("junit") else { return };
    let mut compared = 0;
    for path in files(&folder, &["xml"]) {
        let Ok(json) = std::fs::read_to_string(path.with_extension("results.json")) else { continue };
        let skipped = number(&json, "tests_skip");
        let failed = number(&json, "tests_fail") + number(&json, "tests_error");
        let counts = [(failed, "failed"), (skipped, "skipped")];
        let more = counts.iter().filter(|(n, _)| *n > 0).map(|(n, word)| format!(", {n} {word}")).collect::<String>();
        let title = format!("{} passed{more}", number(&json, "tests_succ"));
        assert_eq!(judged(std::fs::read(&path).unwrap()).title, title, "{}", path.display());
        compared += 1;
    }
    assert!(compared >= 5, "only {compared} reports carry counts");
}

#[test]
fn a_long_report_in_the_wild_cut_anywhere_is_no_pass() {
    let Some(folder) = reports("junit") else { return };
    let report = std::fs::read(folder.join("enricomi/junit-xml__pytest__junit.gloo.elastic.spark.torch.xml")).unwrap();
    let end = report.trim_ascii_end().len();
    for cut in (0..end).step_by(37).chain([end - 1]) {
        assert_eq!(judged(&report[..cut]).status, VerdictStatus::Errored, "cut at {cut} of {end}");
    }
}
