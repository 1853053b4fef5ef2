//! Any bytes are read as coverage, and any as a diff, within bounds; what is read is in order, adds up, and stays the same when
//! it is merged with itself, or handed on. Run: `cargo +nightly fuzz run coverage` in `app/reports`.

#![no_main]

use gatewright_reports::coverage::{Coverage, CoverageFormat, read};
use gatewright_reports::{Diff, Mapping, RepositoryFiles};
use libfuzzer_sys::fuzz_target;

const FORMATS: [CoverageFormat; 8] = [
    CoverageFormat::Lcov,
    CoverageFormat::Cobertura,
    CoverageFormat::Jacoco,
    CoverageFormat::Clover,
    CoverageFormat::GoProfile,
    CoverageFormat::OpenCover,
    CoverageFormat::CoveragePy,
    CoverageFormat::Llvm,
];

fuzz_target!(|input: (u8, &[u8])| {
    let (which, bytes) = input;
    let format = FORMATS[usize::from(which) % FORMATS.len()];
    let report = match read(format, bytes) {
        Ok(report) => report,
        Err(error) => {
            assert!(error.place().is_some());
            return;
        }
    };
    assert!(!report.files.is_empty());
    for (_, file) in &report.files {
        assert!(file.lines().is_sorted_by(|a, b| a.number < b.number) && file.lines().iter().all(|line| line.number > 0));
        assert!(file.branches().is_sorted_by(|a, b| (a.line(), a.id()) < (b.line(), b.id())));
    }
    let once = Coverage::of(report.files.clone());
    let mut twice = once.clone();
    twice.merge(once.clone());
    assert_eq!(once, twice);
    let mut handed = Vec::new();
    once.hand_on(&mut handed).expect("memory takes it");
    assert_eq!(Coverage::read_back(handed.as_slice()).expect("it was written here"), once);
    let totals = once.totals();
    assert!(totals.lines.covered <= totals.lines.total && totals.branches.covered <= totals.branches.total);
    let repository = RepositoryFiles::new(["a".to_owned(), "src/a.c".to_owned(), "lib/src/a.c".to_owned()]);
    let files = report.files.len();
    let (mapped, unmapped) = report.map(&repository, &Mapping { roots: vec!["/x".to_owned()], ..Mapping::default() });
    assert!(mapped.files().count() + unmapped.len() <= files);
    if let Ok(diff) = Diff::read(bytes) {
        let changed = once.changed_lines(&diff);
        assert!(changed.lines.total <= totals.lines.total);
    }
});
