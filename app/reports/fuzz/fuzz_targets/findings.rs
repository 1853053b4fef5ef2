//! Any bytes are read as findings within bounds, and none of what is read is new against itself. Run: `cargo +nightly fuzz run
//! findings` in `app/reports`.

#![no_main]

use gatewright_reports::findings::{FindingsFormat, read};
use libfuzzer_sys::fuzz_target;

const FORMATS: [FindingsFormat; 11] = [
    FindingsFormat::Sarif,
    FindingsFormat::Checkstyle,
    FindingsFormat::RdJson,
    FindingsFormat::RdJsonLines,
    FindingsFormat::Eslint,
    FindingsFormat::Cargo,
    FindingsFormat::Semgrep,
    FindingsFormat::Trivy,
    FindingsFormat::Gitleaks,
    FindingsFormat::CargoAudit,
    FindingsFormat::EmptyArray,
];

fuzz_target!(|input: (u8, &[u8])| {
    let (which, bytes) = input;
    let mut findings = match read(FORMATS[usize::from(which) % FORMATS.len()], bytes) {
        Ok(findings) => findings,
        Err(error) => {
            assert!(error.place().is_some());
            return;
        }
    };
    for finding in &findings.list {
        if let Some(range) = finding.location.as_ref().and_then(|location| location.range) {
            assert!(range.start_line >= 1 && range.end_line >= range.start_line);
        }
    }
    findings.identify(|_, line| Some(format!("line {line}")));
    assert!(findings.new_against(&findings.fingerprints()).is_empty());
    let standing = findings.list.iter().filter(|finding| finding.stands()).count() as u64;
    assert_eq!(findings.counts().values().sum::<u64>(), standing + findings.left_out.values().sum::<u64>());
});
