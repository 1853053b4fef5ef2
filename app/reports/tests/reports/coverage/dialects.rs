//! The same run in several formats says the same. `tests/data/coverage` holds what coverage.py 7.17 (`coverage run --branch`,
//! then `json`, `xml`, `lcov`) and llvm-cov 22 (`rustc -Zcoverage-options=branch`, then `export` as JSON and LCOV) wrote for two
//! small programs, and what Istanbul (nyc 17) wrote for a third as Clover, Cobertura and LCOV.

use gatewright_reports::coverage::{CoverageFormat, CoverageReport, FileCoverage, sniff};

use super::{good, refused};
use crate::fixtures::report;

const LLVM_JSON: &str = include_str!("../../data/coverage/llvm.json");
const LLVM_LCOV: &str = include_str!("../../data/coverage/llvm.lcov");
const PYTHON_JSON: &str = include_str!("../../data/coverage/coveragepy.json");
const PYTHON_XML: &str = include_str!("../../data/coverage/coveragepy.xml");
const PYTHON_LCOV: &str = include_str!("../../data/coverage/coveragepy.lcov");

const ISTANBUL_CLOVER: &str = include_str!("../../data/coverage/istanbul-clover.xml");
const ISTANBUL_COBERTURA: &str = include_str!("../../data/coverage/istanbul-cobertura.xml");
const ISTANBUL_LCOV: &str = include_str!("../../data/coverage/istanbul.lcov");

/// Path; each line with its count; each line with branches, and how many were taken of how many.
type Said = (String, Vec<(u32, u32)>, Vec<(u32, u64, u64)>);

fn said(report: &CoverageReport) -> Vec<Said> {
    let branches = |file: &FileCoverage| {
        let lines = file.lines().iter().map(|line| (line.number, file.branches_of(line.number)));
        lines.filter(|(_, of)| of.total > 0).map(|(line, of)| (line, of.covered, of.total)).collect()
    };
    let lines = |file: &FileCoverage| file.lines().iter().map(|line| (line.number, line.hits)).collect();
    report.files.iter().map(|(path, file)| (path.clone(), lines(file), branches(file))).collect()
}

#[test]
fn llvm_says_the_same_in_json_and_lcov() {
    let json = good(CoverageFormat::Llvm, LLVM_JSON);
    assert_eq!(said(&json), said(&good(CoverageFormat::Lcov, LLVM_LCOV)));
    assert_eq!(json.totals().branches.to_string(), "71.42 % (10 of 14)");
    assert_eq!(sniff("x.json", LLVM_JSON.as_bytes()), Some(CoverageFormat::Llvm));
}

#[test]
fn coverage_py_says_the_same_in_json_xml_and_lcov() {
    let json = good(CoverageFormat::CoveragePy, PYTHON_JSON);
    assert_eq!(said(&json), said(&good(CoverageFormat::Cobertura, PYTHON_XML)));
    assert_eq!(said(&json), said(&good(CoverageFormat::Lcov, PYTHON_LCOV)));
    // What `coverage report` says: 18 statements, 4 of them missed; 8 branches.
    assert_eq!(json.totals().lines.to_string(), "77.77 % (14 of 18)");
    assert_eq!(json.totals().branches.to_string(), "75 % (6 of 8)");
    assert_eq!(sniff("coverage.json", PYTHON_JSON.as_bytes()), Some(CoverageFormat::CoveragePy));
}

#[test]
fn istanbul_says_the_same_in_clover_cobertura_and_lcov() {
    let lcov = good(CoverageFormat::Lcov, ISTANBUL_LCOV);
    assert_eq!(said(&lcov), said(&good(CoverageFormat::Cobertura, ISTANBUL_COBERTURA)));
    let mut clover = good(CoverageFormat::Clover, ISTANBUL_CLOVER);
    for (path, _) in &mut clover.files {
        *path = path.trim_start_matches("/workspace/").to_owned();
    }
    assert_eq!(said(&lcov), said(&clover));
    // What its own summary says: 18 of 21 lines, 13 of 14 branches.
    assert_eq!(lcov.totals().lines.to_string(), "85.71 % (18 of 21)");
    assert_eq!(lcov.totals().branches.to_string(), "92.85 % (13 of 14)");
}

#[test]
fn the_recorded_report_of_coverage_py_has_its_own_totals() {
    let (Some(json), Some(lcov)) = (report("generated/pytest/coverage.json"), report("generated/pytest/coverage.lcov")) else {
        return;
    };
    let json = good(CoverageFormat::CoveragePy, &String::from_utf8(json).unwrap());
    // `totals` of the file: 10 statements, all of them covered, and 9 of 12 branches.
    assert_eq!(json.totals().lines.to_string(), "100 % (10 of 10)");
    assert_eq!(json.totals().branches.to_string(), "75 % (9 of 12)");
    assert_eq!(said(&json), said(&good(CoverageFormat::Lcov, &String::from_utf8(lcov).unwrap())));
}

#[test]
fn a_region_that_goes_on_covers_the_lines_that_nothing_begins_in() {
    let file = |segments: &str| format!("{{\"data\":[{{\"files\":[{{\"filename\":\"a\",\"segments\":[{segments}]}}]}}]}}");
    let shown = |segments: &str| super::shown(&good(CoverageFormat::Llvm, &file(segments)));
    assert_eq!(shown("[1,1,3,true,true,false],[4,2,0,false,false,false]"), "a 1:3 2:3 3:3 4:3");
    // A gap between regions is no code by itself, and does not lower a count.
    assert_eq!(
        shown("[1,1,3,true,true],[2,1,0,true,false,true],[3,1,2,true,true,false],[4,1,0,false,false,false]"),
        "a 1:3 2:3 3:2 4:2"
    );
    // Code that is left out of the compilation; it ends in line 4, where nothing begins.
    assert_eq!(
        shown("[1,1,1,true,true,false],[2,1,0,false,true,false],[4,1,1,true,false,false],[5,1,0,false,false,false]"),
        "a 1:1 5:1"
    );
}

#[test]
fn hostile_json_is_refused_where_it_stands() {
    for (format, report, error) in [
        (
            CoverageFormat::CoveragePy,
            "{\"files\": {\"a\":\n {\"executed_lines\": [-1], \"missing_lines\": []}}}",
            "line 2, column 23: invalid value",
        ),
        (CoverageFormat::CoveragePy, "{\"files\": {\"a\": {\"executed_lines\": [1]}}}", "missing field `missing_lines`"),
        (
            CoverageFormat::CoveragePy,
            "{\"files\": {\"a\": {\"executed_lines\": [NaN], \"missing_lines\": []}}}",
            "line 1, column 37: expected value",
        ),
        (CoverageFormat::CoveragePy, "{\"files\": {}}", "no file is in it"),
        (CoverageFormat::CoveragePy, "{\"meta\": {}, \"files\": {\"a\"", "line 1, column 27: this is no JSON: expected `:`"),
        (CoverageFormat::CoveragePy, "{\"x\": [1,,2]}", "line 1, column 10: this is no JSON: a value that is not well formed"),
        (CoverageFormat::CoveragePy, "{\"x\": \"abc", "line 1, column 7: a value that does not end"),
        (CoverageFormat::CoveragePy, "{\"x\": nul}", "line 1, column 10: this is no JSON: a value that is not well formed"),
        (CoverageFormat::CoveragePy, "", "line 1, column 1: expected an object"),
        (CoverageFormat::CoveragePy, "[]", "line 1, column 1: expected an object"),
        (
            CoverageFormat::Llvm,
            "{\"data\":[{\"files\":[{\"filename\":\"a\",\"segments\":[[1,1]]}]}]}",
            "a segment that is too short",
        ),
        (
            CoverageFormat::Llvm,
            "{\"data\":[{\"files\":[{\"filename\":\"a\",\"segments\":[[2,1,1,true,true],[1,1,1,true,true]]}]}]}",
            "segments that are not in order",
        ),
        (
            CoverageFormat::Llvm,
            "{\"data\":[{\"files\":[{\"filename\":\"a\",\"segments\":[[1,1,1,true,true],[99999999999,1,1,true,true]]}]}]}",
            "line 99999999998, where a file may have 10000000",
        ),
    ] {
        let found = refused(format, report);
        assert!(found.contains(error), "{report}: {found}");
    }
    let deep = format!("{{\"x\": {}", "[".repeat(100_000));
    assert!(refused(CoverageFormat::CoveragePy, deep).contains("more than 128 objects and arrays in each other"));
    let deep = format!("{{\"files\": {{\"a\": {{\"x\": {}", "[".repeat(100_000));
    assert!(refused(CoverageFormat::CoveragePy, deep).starts_with("line 1, column "));
    let huge = format!("{{\"files\": {{\"a\": {{\"x\": \"{}\"}}}}}}", "y".repeat(17 * 1024 * 1024));
    assert!(refused(CoverageFormat::CoveragePy, huge).contains("an item of more than 16 MiB"));
}

#[test]
fn what_is_not_read_may_be_of_any_size() {
    let text = format!(
        "{{\"meta\": {{\"x\": \"{}\"}}, \"files\": {{\"a\": {{\"executed_lines\": [1], \"missing_lines\": []}}}}}}",
        "y".repeat(20_000_000)
    );
    assert_eq!(super::shown(&good(CoverageFormat::CoveragePy, &text)), "a 1:1");
}

#[test]
fn json_that_others_collected_to_break_parsers_breaks_nothing() {
    for path in crate::fixtures::files("nasty/json-test-suite") {
        let bytes = std::fs::read(&path).unwrap();
        let broken = path.file_name().unwrap().to_string_lossy().starts_with("parsing__n_");
        for (wrapped, report) in [(false, bytes.clone()), (true, [b"{\"x\": ", bytes.as_slice(), b"}"].concat())] {
            let error = refused(CoverageFormat::CoveragePy, &report);
            assert!(error.starts_with("line "), "{}: {error}", path.display());
            // What is good JSON only lacks files.
            assert!(!(wrapped && broken && error.contains("no file is in it")), "{}", path.display());
        }
    }
}
