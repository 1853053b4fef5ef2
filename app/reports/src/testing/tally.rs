//! Puts the tests of a report together, within bounds.

use std::collections::{BTreeMap, HashMap};

use super::{Outcome, TestCase, TestCounts, TestRun};
use crate::error::Fault;

/// So many bad tests are kept. All are counted.
const BAD_MAX: usize = 10_000;

/// So many flaky tests are kept. All are counted.
const FLAKY_MAX: usize = 1_000;

/// So many of the slowest tests are kept.
const SLOWEST_MAX: usize = 10;

/// So many suites are counted one by one.
const SUITES_MAX: usize = 5_000;

/// Of the message and of the text of a bad test so many bytes are kept each; of all of them together so many.
pub(super) const TEXT_BYTES_MAX: usize = 8 * 1024;
const TEXTS_BYTES_MAX: usize = 32 * 1024 * 1024;

/// Of a name so many bytes are kept.
const NAME_BYTES_MAX: usize = 512;

/// So many tests may be under way at once. Beyond, the report is refused.
pub(super) const RUNNING_MAX: usize = 50_000;

/// A report may have so many tests. Beyond, it is refused.
pub(super) const CASES_MAX: u64 = 5_000_000;

/// The tests of a report so far.
#[derive(Default)]
pub(super) struct Tally {
    pub(super) run: TestRun,
    texts_bytes: usize,
    /// Whether a name is of one test only, so that one that comes again was run again.
    names: Names,
    /// Bad tests that are kept, by suite and name, and where.
    kept: HashMap<(String, String), usize>,
    /// Which of them were not bad when they were run again.
    recovered: Vec<bool>,
    /// The suite of the latest test, and its counts, which `run` does not have yet: most tests stand beside others of theirs.
    suite: (String, TestCounts),
}

/// Whether several tests may have one name.
#[derive(Default, Clone, Copy, PartialEq, Eq)]
pub(super) enum Names {
    #[default]
    Unique,
    MayRepeat,
}

impl Tally {
    pub(super) fn new(names: Names) -> Tally {
        Tally { names, ..Tally::default() }
    }

    /// Takes a test. One that was bad before under the same name was run again: then the last time counts.
    pub(super) fn add(&mut self, case: TestCase) -> Result<(), Fault> {
        if self.run.counts.tests() >= CASES_MAX {
            return Err(Fault::TooMuch(format!("more than {CASES_MAX} tests")));
        }
        self.time(&case);
        let earlier = self.earlier(&case);
        if let Some(at) = earlier {
            let was = self.run.bad[at].outcome;
            self.count(&case.suite, |counts| *counts.of(was) = counts.of(was).saturating_sub(1));
            match case.outcome {
                Outcome::Passed => self.flaky(at),
                Outcome::Skipped => self.recovered[at] = true,
                Outcome::Failed | Outcome::Errored => {}
            }
        }
        self.count(&case.suite, |counts| *counts.of(case.outcome) = counts.of(case.outcome).saturating_add(case.stands_for));
        if matches!(case.outcome, Outcome::Failed | Outcome::Errored) {
            self.keep(case, earlier);
        }
        Ok(())
    }

    /// Counts tests of which nothing is known but how they ended.
    pub(super) fn add_unnamed(&mut self, suite: &str, counts: TestCounts) {
        self.count(suite, |of_suite| of_suite.add(counts));
    }

    /// Whether any more of what tests say can be kept.
    pub(super) fn has_room_for_texts(&self) -> bool {
        self.texts_bytes < TEXTS_BYTES_MAX
    }

    /// Keeps a bad test, in the place of the earlier one of its name.
    fn keep(&mut self, mut case: TestCase, earlier: Option<usize>) {
        if earlier.is_none() && self.run.bad.len() >= BAD_MAX {
            return;
        }
        self.fit(&mut case);
        if let Some(at) = earlier {
            self.run.bad[at] = case;
            return;
        }
        if self.names == Names::Unique {
            self.kept.insert((case.suite.clone(), case.name.clone()), self.run.bad.len());
        }
        self.recovered.push(false);
        self.run.bad.push(case);
    }

    /// Notes that a test passed only when it was run again.
    pub(super) fn add_flaky(&mut self, mut case: TestCase) -> Result<(), Fault> {
        let known = self.earlier(&case).is_some();
        let TestCase { suite, name, .. } = &case;
        let passed = TestCase { secs: case.secs, ..TestCase::named(suite.clone(), name.clone(), Outcome::Passed) };
        self.add(passed)?;
        if !known {
            self.count(&case.suite, |counts| counts.flaky += 1);
            if self.run.flaky.len() < FLAKY_MAX {
                self.fit(&mut case);
                self.run.flaky.push(case);
            }
        }
        Ok(())
    }

    /// The bad test of the same name that is kept and has been bad since.
    fn earlier(&self, case: &TestCase) -> Option<usize> {
        if self.kept.is_empty() {
            return None;
        }
        let at = self.kept.get(&(case.suite.clone(), case.name.clone())).copied()?;
        (!self.recovered[at]).then_some(at)
    }

    fn flaky(&mut self, at: usize) {
        self.recovered[at] = true;
        let case = TestCase { outcome: Outcome::Passed, ..self.run.bad[at].clone() };
        self.count(&case.suite, |counts| counts.flaky += 1);
        if self.run.flaky.len() < FLAKY_MAX {
            self.run.flaky.push(case);
        }
    }

    fn count(&mut self, suite: &str, how: impl Fn(&mut TestCounts)) {
        how(&mut self.run.counts);
        if self.suite.0 != suite {
            self.end_suite();
            suite.clone_into(&mut self.suite.0);
            self.suite.1 = self.run.suites.remove(suite).unwrap_or_default();
        }
        how(&mut self.suite.1);
    }

    fn end_suite(&mut self) {
        let (name, counts) = std::mem::take(&mut self.suite);
        if counts != TestCounts::default() && self.run.suites.len() < SUITES_MAX {
            self.run.suites.insert(name, counts);
        }
    }

    /// Cuts the texts to what there is room for: to the end of what the test wrote, to the beginning of what was made of it.
    fn fit(&mut self, case: &mut TestCase) {
        let room = TEXT_BYTES_MAX.min(TEXTS_BYTES_MAX - self.texts_bytes);
        match case.cause {
            super::Cause::First => case.text.truncate(case.text.floor_char_boundary(room)),
            super::Cause::Last => drop(case.text.drain(..case.text.ceil_char_boundary(case.text.len().saturating_sub(room)))),
        }
        let room = TEXT_BYTES_MAX.min(TEXTS_BYTES_MAX - self.texts_bytes - case.text.len());
        case.message.truncate(case.message.floor_char_boundary(room));
        // What was read may have had room for more.
        case.text.shrink_to_fit();
        case.message.shrink_to_fit();
        self.texts_bytes += case.text.len() + case.message.len();
    }

    fn time(&mut self, case: &TestCase) {
        let Some(secs) = case.secs else { return };
        self.run.secs += secs;
        let slowest = &mut self.run.slowest;
        let full = slowest.len() >= SLOWEST_MAX;
        if secs <= 0.0 || full && slowest.last().is_some_and(|(least, _)| secs <= *least) {
            return;
        }
        let at = slowest.partition_point(|(other, _)| *other >= secs);
        slowest.insert(at, (secs, case.name.clone()));
        slowest.truncate(SLOWEST_MAX);
    }

    pub(super) fn finish(mut self) -> TestRun {
        self.end_suite();
        let mut recovered = self.recovered.iter();
        self.run.bad.retain(|_| !recovered.next().is_some_and(|recovered| *recovered));
        self.run
    }
}

impl TestRun {
    /// Adds what another report of the same step says, within the same bounds. A name that both have is of two tests: one
    /// report a platform is common.
    pub fn add(&mut self, other: TestRun) {
        let TestRun { counts, suites, secs, bad, flaky, slowest } = other;
        self.counts.add(counts);
        self.secs += secs;
        add_suites(&mut self.suites, suites);
        let texts = |cases: &[TestCase]| cases.iter().map(|case| case.text.len() + case.message.len()).sum::<usize>();
        let mut room = TEXTS_BYTES_MAX.saturating_sub(texts(&self.bad) + texts(&self.flaky));
        let mut fitting = |mut case: TestCase| {
            if case.text.len() + case.message.len() > room {
                (case.text, case.message) = (String::new(), String::new());
            }
            room -= case.text.len() + case.message.len();
            case
        };
        let bad = bad.into_iter().take(BAD_MAX.saturating_sub(self.bad.len()));
        self.bad.extend(bad.map(&mut fitting));
        let flaky = flaky.into_iter().take(FLAKY_MAX.saturating_sub(self.flaky.len()));
        self.flaky.extend(flaky.map(&mut fitting));
        self.slowest.extend(slowest);
        self.slowest.sort_by(|(a, _), (b, _)| b.total_cmp(a));
        self.slowest.truncate(SLOWEST_MAX);
    }
}

fn add_suites(suites: &mut BTreeMap<String, TestCounts>, others: BTreeMap<String, TestCounts>) {
    for (name, counts) in others {
        if suites.len() < SUITES_MAX || suites.contains_key(&name) {
            suites.entry(name).or_default().add(counts);
        }
    }
}

/// What is kept of a name.
pub(super) fn cut(name: &str) -> String {
    name[..name.floor_char_boundary(NAME_BYTES_MAX)].to_owned()
}

/// Appends to a text of which only the end counts.
pub(super) fn append(text: &mut String, more: &str) {
    text.push_str(more);
    if text.len() > 4 * TEXT_BYTES_MAX {
        let begin = text.ceil_char_boundary(text.len() - TEXT_BYTES_MAX);
        text.drain(..begin);
    }
}

/// A time that can be one.
pub(super) fn secs(secs: f64) -> Result<f64, Fault> {
    match secs.is_finite() && (0.0..1e9).contains(&secs) {
        true => Ok(secs),
        false => Err(Fault::Broken(format!("a test that took {secs} s"))),
    }
}
