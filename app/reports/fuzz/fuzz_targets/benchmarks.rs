//! Any bytes are read as a benchmark report within bounds, and every sample is one. Run: `cargo +nightly fuzz run benchmarks`
//! in `app/reports`.

#![no_main]

use gatewright_reports::benchmarks::{BenchmarkFormat, read};
use libfuzzer_sys::fuzz_target;

const FORMATS: [BenchmarkFormat; 7] = [
    BenchmarkFormat::Hyperfine,
    BenchmarkFormat::Go,
    BenchmarkFormat::Pytest,
    BenchmarkFormat::Google,
    BenchmarkFormat::Jmh,
    BenchmarkFormat::Cargo,
    BenchmarkFormat::Plain,
];

fuzz_target!(|input: (u8, &[u8])| {
    let (which, bytes) = input;
    match read(FORMATS[usize::from(which) % FORMATS.len()], bytes) {
        Ok(found) => {
            for measurement in &found.list {
                assert!(!measurement.samples.is_empty());
                assert!(measurement.samples.iter().all(|sample| sample.is_finite() && *sample >= 0.0));
            }
        }
        Err(error) => assert!(error.place().is_some()),
    }
});
