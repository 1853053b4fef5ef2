//! Any files are read as a folder of Criterion's within bounds, and every sample is one. A NUL ends a file. Run: `cargo +nightly fuzz
//! run criterion` in `app/reports`.

#![no_main]

use std::collections::BTreeMap;

use gatewright_reports::benchmarks::read_criterion;
use libfuzzer_sys::fuzz_target;

const NAMES: [&str; 4] = ["a/new/benchmark.json", "a/new/sample.json", "a/new/estimates.json", "b/new/benchmark.json"];

fuzz_target!(|bytes: &[u8]| {
    let parts = bytes.split(|byte| *byte == 0).map(<[u8]>::to_vec);
    let files: BTreeMap<String, Vec<u8>> = NAMES.iter().map(|name| (*name).to_owned()).zip(parts).collect();
    match read_criterion(&files) {
        Ok(found) => {
            for measurement in &found.list {
                assert!(!measurement.samples.is_empty());
                assert!(measurement.samples.iter().all(|sample| sample.is_finite() && *sample >= 0.0));
            }
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
});
