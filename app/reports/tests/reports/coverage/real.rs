//! Totals of real reports, against what the report itself states, or a count by other means: a script over Python's
//! ElementTree for XML, and over lines for LCOV, that puts lines and branches of a file into sets.

use gatewright_reports::SNIFF_BYTES;
use gatewright_reports::coverage::{CoverageFormat, read, sniff};

use crate::fixtures::report;

/// Files; lines covered and all; branches taken and all.
type Totals = (usize, u64, u64, u64, u64);

fn check(format: CoverageFormat, folder: &str, expected: &[(&str, Totals)]) {
    assert!(expected.len() >= 4);
    for (name, totals) in expected {
        let Some(bytes) = report(&format!("{folder}/{name}")) else { return };
        assert_eq!(sniff(name, &bytes[..bytes.len().min(SNIFF_BYTES)]), Some(format), "{name}");
        let report = read(format, bytes.as_slice()).unwrap_or_else(|error| panic!("{name}: {error}"));
        let found = report.totals();
        let (lines, branches) = (found.lines, found.branches);
        let found = (report.files.len(), lines.covered, lines.total, branches.covered, branches.total);
        assert_eq!(found, *totals, "{name}");
    }
}

#[test]
fn lcov_totals_are_those_of_another_count() {
    let expected = [
        ("coverage-model/lcov__large-hit-counts.lcov", (1, 1, 2, 1, 2)),
        ("coverage-model/lcov__single.lcov", (1, 1, 1, 0, 0)),
        ("diff_cover/lcov.info", (1, 5, 10, 0, 1)),
        ("diff_cover/real_cpp_coverage.lcov", (1, 27, 28, 0, 0)),
        ("diff_cover/typescript_branches_coverage.lcov", (1, 11, 11, 11, 11)),
        // 603 records of 431 files, some with line 0.
        ("grcov/prova.info", (431, 37718, 126_462, 7923, 67_597)),
        ("grcov/relative_path__relative_path.info", (3, 9, 9, 0, 0)),
        ("reportgenerator/C++__Reports__lcov.info", (3, 17, 19, 0, 0)),
        ("reportgenerator/CSharp__Reports__lcov.info", (15, 118, 184, 5, 8)),
    ];
    check(CoverageFormat::Lcov, "lcov", &expected);
}

#[test]
fn cobertura_totals_are_those_that_the_report_states() {
    let expected = [
        ("coverage-model/cobertura__cobertura-absolute-path.xml", (1, 12, 12, 6, 6)),
        ("coverage-model/cobertura__cobertura-duplicate-go-init-methods.xml", (1, 3, 3, 0, 0)),
        ("coverage-model/cobertura__cobertura-npe.xml", (2, 44, 53, 3, 4)),
        ("coverage-model/cobertura__coverage-missing-sources.xml", (4, 27, 29, 2, 2)),
        ("coverage-model/cobertura__merge-issue-244-a.xml", (1, 1, 3, 0, 3)),
        ("reportgenerator/Java__Reports__Cobertura2.1.1-MultiSource.xml", (7, 24, 36, 1, 4)),
    ];
    check(CoverageFormat::Cobertura, "cobertura", &expected);
}

#[test]
fn cobertura_totals_of_cut_reports_are_those_of_another_count() {
    let expected = [
        // 35 branches are stated and 16 are there; the lines are those that are stated.
        ("5monkeys/test-istanbul.xml", (2, 51, 51, 16, 16)),
        ("5monkeys/test-no-branch.xml", (4, 27, 30, 0, 0)),
        ("coverage-model/cobertura__cobertura-cpp.xml", (1, 2, 2, 0, 0)),
        ("coverage-model/cobertura__cobertura-duplicate-lines.xml", (1, 5, 7, 6, 14)),
        ("coverage-model/cobertura__cobertura-lots-of-data.xml", (19, 602, 958, 285, 628)),
        ("coverage-model/cobertura__cobertura-same-filename.xml", (2, 1, 2, 2, 10)),
        ("coverage-model/cobertura__cobertura-ts.xml", (12, 63, 156, 21, 32)),
        ("coverage-model/cobertura__cobertura-python.xml", (1, 19, 19, 4, 4)),
        ("diff_cover/coverage.xml", (1, 5, 10, 0, 0)),
        ("diff_cover/unicode_coverage.xml", (1, 5, 10, 0, 0)),
        ("reportgenerator/C++__Reports__Cobertura_CPPCoverage.xml", (1, 0, 2, 0, 0)),
        // 235 lines are stated, of 18 classes; 221 are left when partial classes share a line.
        ("reportgenerator/CSharp__Reports__Cobertura_dotnet-coverage.xml", (18, 158, 221, 15, 18)),
    ];
    check(CoverageFormat::Cobertura, "cobertura", &expected);
}

#[test]
fn jacoco_totals_are_the_counters_of_the_report() {
    let expected = [
        ("coverage-model/jacoco__file-subpackage.xml", (11, 497, 532, 149, 158)),
        ("coverage-model/jacoco__jacoco-analysis-model.xml", (307, 5531, 5798, 1544, 1749)),
        ("coverage-model/jacoco__jacoco-big.xml", (194, 5312, 5574, 1645, 1745)),
        ("coverage-model/jacoco__jacoco-merge-a.xml", (1, 8, 26, 2, 14)),
        ("coverage-model/jacoco__pester.xml", (4, 3, 4, 0, 0)),
        ("coverage-plugin/steps__jacoco-codingstyle.xml", (10, 294, 323, 109, 116)),
        ("grcov/inner-classes.xml", (1, 0, 14, 0, 0)),
        ("grcov/kotlin-jacoco-report.xml", (1, 0, 27, 0, 4)),
        ("reportgenerator/Java__Reports__JaCoCo0.8.3.xml", (7, 26, 38, 1, 4)),
    ];
    check(CoverageFormat::Jacoco, "jacoco", &expected);
}

#[test]
fn clover_totals_are_the_metrics_of_the_report() {
    let expected = [
        ("coverage-model/clover__clover-empty-project-name.xml", (1, 12, 12, 0, 0)),
        // The metrics are of 170 files, of which 6 were left in.
        ("coverage-model/clover__clover.xml", (6, 143, 165, 7, 12)),
        ("reportgenerator/Java__Reports__Clover_OpenClover4.3.1.xml", (7, 15, 22, 1, 2)),
        ("reportgenerator/Other__Clover_Istanbul.xml", (2, 11, 11, 0, 0)),
    ];
    check(CoverageFormat::Clover, "clover", &expected);
}

#[test]
fn opencover_totals_are_those_that_the_report_states() {
    for (name, totals) in [
        ("opencover__opencover.xml", (3, 122, 138, 35, 48)),
        // It begins with a byte order mark.
        ("opencover__opencover-with-bom.xml", (1, 9, 15, 3, 6)),
    ] {
        let Some(bytes) = report(&format!("opencover/coverage-model/{name}")) else { return };
        assert_eq!(sniff(name, &bytes), Some(CoverageFormat::OpenCover));
        let report = read(CoverageFormat::OpenCover, bytes.as_slice()).unwrap();
        let (lines, branches) = (report.totals().lines, report.totals().branches);
        assert_eq!((report.files.len(), lines.covered, lines.total, branches.covered, branches.total), totals, "{name}");
    }
}

#[test]
fn reports_of_nothing_are_refused() {
    for (format, path, cause) in [
        (CoverageFormat::Lcov, "lcov/coverage-model/lcov__empty.xml", "no file is in it"),
        (CoverageFormat::GoProfile, "gocover/coverage-model/go__empty.xml", "no block is in it"),
        (CoverageFormat::Clover, "clover/coverage-model/clover__empty.xml", "no file is in it"),
        (CoverageFormat::OpenCover, "opencover/coverage-model/opencover__opencover-missing-module-name.xml", "no sequence"),
        (CoverageFormat::Jacoco, "jacoco/reportgenerator/JaCoCo_Ant.xml", "line 1, column 1: this is no JaCoCo report"),
        (CoverageFormat::Lcov, "lcov/grcov/invalid_DA_record.info", "line 479, column 1: DA without a count"),
    ] {
        let Some(bytes) = report(path) else { return };
        let error = super::refused(format, bytes);
        assert!(error.contains(cause), "{path}: {error}");
    }
}

/// The files of one run of a tool, in several forms.
macro_rules! data {
    ($($file:literal),+) => {
        [$(($file, include_str!(concat!("../../data/coverage/", $file)))),+]
    };
}

#[test]
fn llvm_totals_are_those_that_the_report_states() {
    for (name, text) in data!("llvm/c-14.json", "llvm/cpp-14.json", "llvm/mcdc-19.json", "llvm/two-19.json", "llvm/lines-19.json")
    {
        assert_eq!(sniff(name, text.as_bytes()), Some(CoverageFormat::Llvm), "{name}");
        let found = read(CoverageFormat::Llvm, text.as_bytes()).unwrap_or_else(|error| panic!("{name}: {error}")).totals();
        let stated: serde_json::Value = serde_json::from_str(text).unwrap();
        let stated = |what: &str, count: &str| stated["data"][0]["totals"][what][count].as_u64().unwrap();
        // The line in which a macro of the header stands is one of LLVM's own segments, and of its LCOV, and not of its sums.
        let of_macro = u64::from(name != "llvm/c-14.json");
        let stated_lines = (stated("lines", "covered") + of_macro, stated("lines", "count") + of_macro);
        assert_eq!((found.lines.covered, found.lines.total), stated_lines, "{name}");
        if name != "llvm/lines-19.json" {
            let branches = (found.branches.covered, found.branches.total);
            assert_eq!(branches, (stated("branches", "covered"), stated("branches", "count")), "{name}");
        }
    }
    let [(_, summary)] = data!("llvm/summary-19.json");
    assert!(read(CoverageFormat::Llvm, summary.as_bytes()).is_err(), "sums alone say of no line whether it was run");
}

#[test]
fn of_llvm_json_and_lcov_have_the_same_lines() {
    let pairs = [
        data!("llvm/c-14.json", "llvm/c-14.lcov"),
        data!("llvm/cpp-14.json", "llvm/cpp-14.lcov"),
        data!("llvm/mcdc-19.json", "llvm/mcdc-19.lcov"),
        data!("llvm/two-19.json", "llvm/two-19.lcov"),
    ];
    for [(name, json), (_, lcov)] in pairs {
        let json = read(CoverageFormat::Llvm, json.as_bytes()).unwrap();
        let lcov = read(CoverageFormat::Lcov, lcov.as_bytes()).unwrap();
        let lines = |report: &gatewright_reports::coverage::CoverageReport| -> Vec<_> {
            let run = |(path, file): &(String, gatewright_reports::coverage::FileCoverage)| {
                (path.clone(), file.lines().iter().map(|line| (line.number, line.hits > 0)).collect::<Vec<_>>())
            };
            report.files.iter().map(run).collect()
        };
        assert_eq!(lines(&json), lines(&lcov), "{name}");
    }
}

/// Lines covered and all by a count of its own, and statements covered and all.
fn counted(profile: &str) -> [u64; 4] {
    let (mut lines, mut blocks) = (std::collections::BTreeMap::new(), std::collections::BTreeMap::new());
    for block in profile.lines().filter(|line| !line.starts_with("mode:")) {
        let [place, statements, count] = block.split(' ').collect::<Vec<_>>()[..] else { panic!("{block}") };
        let (file, range) = place.split_once(':').unwrap();
        let ends: Vec<u64> = range.split([',', '.']).map(|number| number.parse().unwrap()).collect();
        let run = count != "0";
        *blocks.entry((place, statements.parse::<u64>().unwrap())).or_insert(false) |= run;
        let last = if ends[3] <= 1 { ends[2] - 1 } else { ends[2] };
        for line in ends[0]..=last {
            *lines.entry((file, line)).or_insert(false) |= run;
        }
    }
    let of_run = |run: bool, amount: u64| if run { amount } else { 0 };
    [
        lines.values().map(|run| of_run(*run, 1)).sum(),
        lines.len() as u64,
        blocks.iter().map(|((_, statements), run)| of_run(*run, *statements)).sum(),
        blocks.keys().map(|(_, statements)| statements).sum(),
    ]
}

#[test]
fn go_profiles_have_the_lines_of_another_count_that_has_gos_own_share_of_statements() {
    let profiles = data!("go/set.out", "go/count.out", "go/atomic.out", "go/across.out", "go/joined.out");
    let said = data!("go/set.func", "go/count.func", "go/atomic.func", "go/across.func");
    for (at, (name, profile)) in profiles.into_iter().enumerate() {
        assert_eq!(sniff(name, profile.as_bytes()), Some(CoverageFormat::GoProfile), "{name}");
        let found =
            read(CoverageFormat::GoProfile, profile.as_bytes()).unwrap_or_else(|error| panic!("{name}: {error}")).totals();
        let [covered, all, statements_covered, statements] = counted(profile);
        assert_eq!((found.lines.covered, found.lines.total), (covered, all), "{name}");
        if let Some((_, said)) = said.get(at) {
            let share = format!("{:.1}%", 100.0 * statements_covered as f64 / statements as f64);
            assert!(said.lines().last().unwrap().ends_with(&share), "{name}: {share} is counted, Go says {said}");
        }
    }
}
