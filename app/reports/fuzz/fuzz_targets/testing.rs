//! Any bytes are read as a test report within bounds, and the counts add up. Run: `cargo +nightly fuzz run testing` in
//! `app/reports`.

#![no_main]

use gatewright_reports::testing::{Outcome, TestFormat, read};
use libfuzzer_sys::fuzz_target;

const FORMATS: [TestFormat; 5] = [TestFormat::Junit, TestFormat::GoTest, TestFormat::Libtest, TestFormat::Tap, TestFormat::Trx];

fuzz_target!(|input: (u8, &[u8])| {
    let (which, bytes) = input;
    match read(FORMATS[usize::from(which) % FORMATS.len()], bytes) {
        Ok(run) => {
            assert_eq!(run.counts.bad(), run.bad.iter().map(|case| case.stands_for).sum::<u64>());
            let of_suites = run.suites.values().map(|counts| counts.tests()).sum::<u64>();
            assert_eq!(run.counts.tests(), of_suites);
            for place in run.bad.iter().filter_map(|case| case.place("/workspace")) {
                assert!(!place.path.is_empty() && !place.path.starts_with('/') && place.line >= 1, "{place:?}");
                assert!(!place.path.split('/').any(|part| part == ".."), "{place:?}");
            }
            assert!(run.counts.flaky <= run.counts.passed && run.secs >= 0.0);
            assert!(run.bad.iter().all(|case| matches!(case.outcome, Outcome::Failed | Outcome::Errored)));
        }
        Err(error) => assert!(error.place().is_some()),
    }
});
