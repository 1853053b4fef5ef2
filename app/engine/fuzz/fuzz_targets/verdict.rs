//! Any bytes are judged as a report of any kind within bounds, and what people read of it has no effect. Run: `cargo +nightly fuzz
//! run verdict` in `app/engine`.

#![no_main]

use std::sync::LazyLock;

use gatewright_core::config::{RepoConfig, parse};
use gatewright_core::verdict::{Evidence, Exit, ReportFile, ReportKind, Reports, Verdict, VerdictStatus};
use libfuzzer_sys::fuzz_target;

#[path = "../inert.rs"]
mod inert;

const KINDS: [ReportKind; 4] = [ReportKind::Tests, ReportKind::Coverage, ReportKind::Findings, ReportKind::Benchmarks];

/// A gate for each of [`KINDS`].
static FILE: LazyLock<RepoConfig> = LazyLock::new(|| {
    let text = "image: a
gates:
  tests: { run: x, tests: out, require: { new-failures-at-most: 0 } }
  coverage: { run: x, coverage: out, require: { lines: 50, changed-lines: 50 } }
  findings: { run: x, findings: out, require: { new: { error: 0 } } }
  speed: { run: x, benchmark: out, require: { slower-at-most: 5 } }
";
    parse(text).expect("a valid file")
});

fuzz_target!(|input: (u8, &[u8])| {
    let (which, report) = input;
    let nth = usize::from(which) % KINDS.len();
    let reports = Reports { files: vec![ReportFile::new("out", report.to_vec())], errors: Vec::new() };
    let evidence = Evidence { reports: [(KINDS[nth], reports)].into(), ..Evidence::of(Exit::Code { code: 0 }) };
    let verdict = gatewright_engine::gates::judge(&FILE.gates[nth], &evidence).verdict;
    assert!(!verdict.title.contains(['@', '<', '`', '\n']), "{}", verdict.title);
    inert::assert_inert(&verdict.summary);
    assert!(verdict.annotations.len() <= Verdict::ANNOTATIONS_MAX);
    for annotation in &verdict.annotations {
        let path = &annotation.path;
        assert!(!path.is_empty() && !path.starts_with('/') && !path.split('/').any(|part| part == ".."), "{path}");
        assert!(annotation.start_line >= 1 && annotation.end_line >= annotation.start_line);
    }
    if verdict.status == VerdictStatus::Passed {
        assert!(!verdict.title.contains("failed") && verdict.title != "0 passed", "{}", verdict.title);
    }
});
