//! Coverage of changed lines, against what diff-cover says of the same files.

use gatewright_reports::Diff;
use gatewright_reports::coverage::{ChangedCoverage, Coverage, CoverageFormat, read};

use crate::fixtures::report;

fn changed(format: CoverageFormat, coverage: &[u8], diff: &[u8]) -> ChangedCoverage {
    let coverage = Coverage::of(read(format, coverage).unwrap().files);
    coverage.changed_lines(&Diff::read(diff).unwrap())
}

fn shown(changed: &ChangedCoverage) -> String {
    let ranges = changed.uncovered.iter().map(|missed| {
        let (first, last) = (missed.range.first, missed.range.last);
        if first == last { format!("{}:{first}", missed.path) } else { format!("{}:{first}-{last}", missed.path) }
    });
    format!("{}; {}", changed.lines, ranges.collect::<Vec<_>>().join(" "))
}

fn fixture(name: &str) -> Option<Vec<u8>> {
    report(&format!("diffs/diff_cover/{name}"))
}

/// A diff that adds so many lines to a new file.
fn added(path: &str, lines: usize) -> Vec<u8> {
    format!("--- /dev/null\n+++ b/{path}\n@@ -0,0 +1,{lines} @@\n{}", "+x\n".repeat(lines)).into_bytes()
}

#[test]
fn changed_lines_are_what_diff_cover_says() {
    for (format, coverage, diff, said) in [
        (CoverageFormat::Cobertura, "coverage.xml", "git_diff_changed.txt", "100 % (1 of 1); "),
        (CoverageFormat::Cobertura, "coverage.xml", "git_diff_delete.txt", "none of none; "),
        (
            CoverageFormat::Cobertura,
            "unicode_coverage.xml",
            "git_diff_unicode.txt",
            "50 % (5 of 10); unicode_test_src.txt:2 unicode_test_src.txt:4 unicode_test_src.txt:6 unicode_test_src.txt:8 \
             unicode_test_src.txt:10",
        ),
    ] {
        let (Some(coverage), Some(diff)) = (fixture(coverage), fixture(diff)) else { return };
        assert_eq!(shown(&changed(format, &coverage, &diff)), said);
    }
    // The console reports `add`, `moved` and `cpp_functions` of diff-cover's own tests, whose diffs are not among the
    // fixtures or not whole.
    for (format, coverage, path, lines, said) in [
        (
            CoverageFormat::Cobertura,
            "coverage.xml",
            "test_src.txt",
            10,
            "50 % (5 of 10); test_src.txt:2 test_src.txt:4 test_src.txt:6 test_src.txt:8 test_src.txt:10",
        ),
        (CoverageFormat::Lcov, "real_cpp_coverage.lcov", "calculator.cpp", 22, "92.3 % (12 of 13); calculator.cpp:12"),
    ] {
        let Some(coverage) = fixture(coverage) else { return };
        assert_eq!(shown(&changed(format, &coverage, &added(path, lines))), said);
    }
}

#[test]
fn several_inputs_are_what_diff_cover_says() {
    let (Some(one), Some(two)) = (fixture("coverage1.xml"), fixture("coverage2.xml")) else { return };
    let [mut all, two] = [one, two].map(|bytes| Coverage::of(read(CoverageFormat::Cobertura, bytes.as_slice()).unwrap().files));
    all.merge(two);
    let changed = all.changed_lines(&Diff::read(added("test_src.txt", 10).as_slice()).unwrap());
    assert_eq!(shown(&changed), "60 % (6 of 10); test_src.txt:4 test_src.txt:6 test_src.txt:8 test_src.txt:10");
}

#[test]
fn uncovered_lines_are_joined_over_those_that_cannot_be_run() {
    let lcov = "SF:a\nDA:1,0\nDA:3,0\nDA:5,0\nDA:6,1\nDA:8,0\nBRDA:5,0,0,0\nBRDA:6,0,0,1\nBRDA:9,0,0,0\nend_of_record\n";
    let found = changed(CoverageFormat::Lcov, lcov.as_bytes(), &added("a", 8));
    assert_eq!(shown(&found), "20 % (1 of 5); a:1-5 a:8");
    assert_eq!(found.uncovered[0].lines, 3);
    assert_eq!(found.branches.to_string(), "50 % (1 of 2)");
    // Not over lines that were not changed.
    let diff = "--- a/a\n+++ b/a\n@@ -1,4 +1,6 @@\n+x\n y\n y\n-z\n+x\n+x\n y\n";
    assert_eq!(shown(&changed(CoverageFormat::Lcov, lcov.as_bytes(), diff.as_bytes())), "0 % (0 of 2); a:1 a:5");
}

#[test]
fn changed_files_that_nothing_is_known_of_are_named() {
    let found = changed(CoverageFormat::Lcov, b"SF:a\nDA:1,1\nend_of_record\n", &added("docs/b.md", 3));
    assert_eq!((found.files_unknown, found.lines.total), (vec!["docs/b.md".to_owned()], 0));
}

#[test]
fn diffs_are_read_as_git_writes_them() {
    let diff = b"diff --git a/x b/x\nindex 1..2\nBinary files differ\n\
        --- \"a/\\303\\274 \\\"q\\\".c\"\n+++ \"b/\\303\\274 \\\"q\\\".c\"\n@@ -3 +3,2 @@ fn x() {\n-a\n+++ b/not a file\n+c\n\\ No newline at end of file\n\
        --- a/y\t2026-01-01\n+++ b/y\t2026-01-02\n@@ -1,2 +1,2 @@\n\n-a\n+b\n@@ -9,0 +10,2 @@\n+c\n+d\n\
        --- a/gone\n+++ /dev/null\n@@ -1 +0,0 @@\n-a\n";
    let diff = Diff::read(diff.as_slice()).unwrap();
    let shown: Vec<String> = diff
        .added()
        .map(|(path, ranges)| format!("{path} {:?}", ranges.iter().map(|r| (r.first, r.last)).collect::<Vec<_>>()))
        .collect();
    assert_eq!(shown, ["y [(2, 2), (10, 11)]", "ü \"q\".c [(3, 4)]"]);
    assert_eq!([1, 2, 3, 9, 10, 11, 12].map(|line| diff.adds("y", line)), [false, true, false, false, true, true, false]);
    assert!(!diff.adds("gone", 1) && !diff.adds("x", 1));
}

#[test]
fn diffs_of_real_programs_are_read() {
    for (name, files) in [
        ("sample.diff", 1),
        ("nonewline.diff", 1),
        ("nonewline2.diff", 1),
        ("nonewline3.diff", 1),
        ("empty.diff", 0),
        ("removeeofnewline.diff", 1),
        ("newline_and_empty_deleted.diff", 1),
    ] {
        let Some(bytes) = report(&format!("diffs/reviewdog/{name}")) else { return };
        let diff = Diff::read(bytes.as_slice()).unwrap_or_else(|error| panic!("{name}: {error}"));
        // The lines by another count: those that begin with one `+`.
        let text = String::from_utf8(bytes).unwrap();
        let plain = text.lines().filter(|line| line.starts_with('+') && !line.starts_with("+++")).count();
        let found: u32 = diff.added().flat_map(|(_, ranges)| ranges).map(|range| range.last - range.first + 1).sum();
        assert_eq!((diff.added().count(), found as usize), (files, plain), "{name}");
    }
}

#[test]
fn a_diff_that_is_cut_off_is_refused() {
    let cut = added("a", 5);
    let error = Diff::read(&cut[..cut.len() - 3]).unwrap_err().to_string();
    assert_eq!(error, "line 8, column 1: the diff ends within a hunk");
    let Some(short) = fixture("git_diff_cpp_functions.txt") else { return };
    assert!(Diff::read(short.as_slice()).unwrap_err().to_string().contains("ends within a hunk"));
}
