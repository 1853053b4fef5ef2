//! What earlier tries of the same command say: a test that failed in one and not in another is flaky.

use std::collections::{HashMap, HashSet};

use gatewright_core::config::GateConfig;
use gatewright_core::verdict::{ReportKind, Try};
use gatewright_reports::testing::{TestCase, TestRun};

/// So many tests that failed in earlier tries are known. Others are not found to be flaky.
const FAILED_MAX: usize = 10_000;

/// Of the text of each so many bytes are kept.
const TEXT_BYTES_MAX: usize = 2 * 1024;

/// Earlier tries.
#[derive(Default)]
pub(super) struct Tries {
    /// How many there were whose reports tell anything.
    told: u32,
    /// How often each test failed in these that fails in the last one too.
    failed: HashMap<String, u32>,
    /// Tests that failed in some of them and not in the last one, with how often.
    pub(super) flaky: Vec<(TestCase, u32)>,
}

impl Tries {
    /// What earlier tries say of the tests that the last one has run.
    pub(super) fn of(config: &GateConfig, earlier: &[Try], last: &TestRun) -> Tries {
        let mut tries = Tries::default();
        let mut failed: HashMap<String, (TestCase, u32)> = HashMap::new();
        for reports in earlier.iter().filter_map(|earlier| earlier.reports.get(&ReportKind::Tests)) {
            let (run, problems) = super::read(config, reports);
            // Of half of its reports nobody can say what passed.
            if !problems.is_empty() || run.counts.tests() == 0 {
                continue;
            }
            tries.told += 1;
            note(&mut failed, run);
        }
        let bad: HashSet<&str> = last.bad.iter().map(|case| case.name.as_str()).collect();
        // A command that never came to its tests has passed none.
        let told = last.counts.tests() > 0;
        for (name, (case, times)) in failed {
            match bad.contains(name.as_str()) {
                true => drop(tries.failed.insert(name, times)),
                false if told => tries.flaky.push((case, times)),
                false => {}
            }
        }
        tries.flaky.sort_by(|(a, _), (b, _)| a.name.cmp(&b.name));
        tries
    }

    /// Whether a test that failed in the last try had not failed in all earlier ones.
    pub(super) fn has_passed(&self, case: &TestCase) -> bool {
        case.stands_for == 1 && self.told > self.failed.get(&case.name).copied().unwrap_or(0)
    }
}

/// Notes which tests failed, with the text of the first time.
fn note(failed: &mut HashMap<String, (TestCase, u32)>, run: TestRun) {
    let mut seen = HashSet::new();
    for mut case in run.bad.into_iter().filter(|case| case.stands_for == 1 && !case.name.is_empty()) {
        if !seen.insert(case.name.clone()) {
            continue;
        }
        if let Some((_, times)) = failed.get_mut(&case.name) {
            *times += 1;
        } else if failed.len() < FAILED_MAX {
            case.text.truncate(case.text.floor_char_boundary(TEXT_BYTES_MAX));
            case.message.truncate(case.message.floor_char_boundary(TEXT_BYTES_MAX));
            failed.insert(case.name.clone(), (case, 1));
        }
    }
}
