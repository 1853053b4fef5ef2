//! Any bytes are judged as a JUnit report within bounds, and pass only if a test is counted. Run: `cargo +nightly fuzz run
//! junit` in `app/engine`.

#![no_main]

use std::sync::LazyLock;

use gatewright_core::config::{RepoConfig, parse};
use gatewright_core::verdict::{Evidence, Exit, ReportFile, ReportKind, Reports, Verdict, VerdictStatus};
use libfuzzer_sys::fuzz_target;

static FILE: LazyLock<RepoConfig> =
    LazyLock::new(|| parse("image: a\ngates: { t: { run: x, junit: out.xml } }\n").expect("a valid file"));

fuzz_target!(|report: &[u8]| {
    let evidence = Evidence {
        reports: [(
            ReportKind::Tests,
            Reports { files: vec![ReportFile::new("out.xml", report.to_vec())], errors: Vec::new() },
        )]
        .into(),
        ..Evidence::of(Exit::Code { code: 0 })
    };
    let verdict = gatewright_engine::gates::judge(&FILE.gates[0], &evidence).verdict;
    assert!(!verdict.title.contains(['@', '<', '`', '\n']), "{}", verdict.title);
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
