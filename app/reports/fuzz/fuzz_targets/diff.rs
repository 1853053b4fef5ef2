//! Any bytes are read as a diff within bounds: what is added are ranges in order, of files of the repository. Run: `cargo +nightly
//! fuzz run diff` in `app/reports`.

#![no_main]

use gatewright_reports::Diff;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| match Diff::read(bytes) {
    Ok(diff) => {
        for (path, ranges) in diff.added() {
            assert!(!path.is_empty() && diff.touches(path));
            assert!(ranges.iter().all(|range| range.first >= 1 && range.first <= range.last));
            assert!(ranges.is_sorted_by(|a, b| a.last < b.first), "{path}: {ranges:?}");
            // One from which lines are only taken away has none.
            let [first, last] = [ranges.first(), ranges.last()].map(|range| range.map(|range| (range.first, range.last)));
            let (Some((first, _)), Some((_, last))) = (first, last) else { continue };
            assert!(diff.adds(path, first) && diff.adds_any(path, 1, last));
            assert_eq!(diff.adds_all(path, first, last), ranges.len() == 1 || ranges.windows(2).all(|two| two[0].last + 1 == two[1].first));
        }
    }
    Err(error) => assert!(error.place().is_some()),
});
