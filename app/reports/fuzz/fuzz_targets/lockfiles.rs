//! Any bytes are read as a lock file within bounds; what is read is sorted, each package is there once, and against itself
//! nothing has changed. Run: `cargo +nightly fuzz run lockfiles` in `app/reports`.

#![no_main]

use gatewright_reports::lockfiles::{LockFormat, difference, read};
use libfuzzer_sys::fuzz_target;

const FORMATS: [LockFormat; 12] = [
    LockFormat::Cargo,
    LockFormat::Npm,
    LockFormat::Pnpm,
    LockFormat::Yarn,
    LockFormat::Poetry,
    LockFormat::Uv,
    LockFormat::Pipfile,
    LockFormat::Requirements,
    LockFormat::GoMod,
    LockFormat::GoSum,
    LockFormat::Gemfile,
    LockFormat::Composer,
];

fuzz_target!(|input: (u8, &[u8])| {
    let (which, bytes) = input;
    match read(FORMATS[usize::from(which) % FORMATS.len()], bytes) {
        Ok(packages) => {
            assert!(packages.is_sorted_by(|a, b| a < b));
            assert!(difference(&packages, &packages).is_empty());
        }
        Err(error) => assert!(error.place().is_some()),
    }
});
