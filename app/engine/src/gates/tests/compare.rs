//! How tests differ from before: from the base, and from what was seen on the base branch.

use gatewright_core::config::Percent;
use gatewright_core::facts::{Past, TestFacts};
use gatewright_core::verdict::Evidence;
use gatewright_reports::testing::{TestCase, TestRun};

/// What is known of before.
pub(super) struct Compared<'a> {
    /// The base, if anything is known of its tests.
    pub(super) base: Option<(&'a Past, &'a TestFacts)>,
    /// Of the base branch, newest first.
    history: Vec<&'a TestFacts>,
}

/// How a test did on the base branch, where it did not always do the same.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Before {
    /// In so many runs it failed.
    pub(super) failed: usize,
    /// In so many runs it did both.
    pub(super) flaky: usize,
    /// So many runs are known.
    pub(super) of: usize,
}

/// A suite that ran fewer tests.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Lost<'a> {
    pub(super) suite: &'a str,
    pub(super) was: u64,
    pub(super) is: u64,
}

impl<'a> Compared<'a> {
    pub(super) fn with(evidence: &'a Evidence) -> Compared<'a> {
        let base = evidence.base.as_ref().and_then(|past| Some((past, past.facts.tests.as_ref()?)));
        Compared { base, history: evidence.history.iter().filter_map(|past| past.facts.tests.as_ref()).collect() }
    }

    /// Whether a test fails on the base too.
    pub(super) fn is_known(&self, case: &TestCase) -> bool {
        case.stands_for == 1 && self.base.is_some_and(|(_, facts)| has(&facts.failed_names, &case.name))
    }

    /// How often a test failed on the base branch, if it has also passed there since: a test that is broken fails on.
    pub(super) fn before(&self, name: &str) -> Option<Before> {
        let failed = |facts: &&&TestFacts| has(&facts.failed_names, name);
        let flaky = self.history.iter().filter(|facts| has(&facts.flaky_names, name)).count();
        let since = self.history.iter().skip_while(failed).skip_while(|facts| !failed(facts)).count();
        let failures = self.history.iter().filter(failed).count();
        (flaky > 0 || since > 0).then_some(Before { failed: failures, flaky, of: self.history.len() })
    }

    /// By how many tests fewer were run than on the base, and how many were.
    pub(super) fn drop(&self, run: &TestRun) -> Option<(u64, u64)> {
        let (was, is) = (self.base?.1.run(), run.counts.run());
        (is < was).then(|| (was - is, was))
    }

    /// Whether no more tests are missing than are allowed to.
    pub(super) fn drop_is_within(&self, run: &TestRun, most: Percent) -> bool {
        let part = |(fewer, was): (u64, u64)| u128::from(fewer) * 10_000 <= u128::from(most.hundredths) * u128::from(was);
        self.drop(run).is_none_or(part)
    }

    /// The suites that ran fewer tests than on the base, those first that lost most.
    pub(super) fn lost(&self, run: &TestRun) -> Vec<Lost<'a>> {
        let Some((_, facts)) = self.base else { return Vec::new() };
        let lost = |(suite, was): (&'a String, &'a u64)| {
            let is = run.suites.get(suite).map_or(0, |counts| counts.run());
            (is < *was).then_some(Lost { suite, was: *was, is })
        };
        let mut lost: Vec<Lost<'a>> = facts.suites.iter().filter_map(lost).collect();
        lost.sort_by_key(|lost| std::cmp::Reverse(lost.was - lost.is));
        lost
    }

    /// `2 new failures, 1 failure gone, +12 tests`
    pub(super) fn change(&self, run: &TestRun, new_failures: u64) -> String {
        let Some((_, facts)) = self.base else { return String::new() };
        let still = run.counts.bad().saturating_sub(new_failures);
        let gone = facts.bad.saturating_sub(still);
        let plural = |n: u64| if n == 1 { "" } else { "s" };
        let (was, is) = (facts.run(), run.counts.run());
        let words = [
            (new_failures, format!("{new_failures} new failure{}", plural(new_failures))),
            (gone, format!("{gone} failure{} gone", plural(gone))),
            (is.saturating_sub(was), format!("+{} test{}", is.saturating_sub(was), plural(is.saturating_sub(was)))),
            (was.saturating_sub(is), format!("-{} test{}", was.saturating_sub(is), plural(was.saturating_sub(is)))),
        ];
        words.into_iter().filter(|(n, _)| *n > 0).map(|(_, words)| words).collect::<Vec<_>>().join(", ")
    }
}

/// Whether a sorted list has a name.
fn has(names: &[String], name: &str) -> bool {
    !name.is_empty() && names.binary_search_by(|known| known.as_str().cmp(name)).is_ok()
}
