//! Which findings the change brings.

use std::collections::HashMap;

use gatewright_core::facts::Past;
use gatewright_reports::Diff;
use gatewright_reports::findings::{BaselineState, Finding, Findings, Fingerprint};

use super::tally::{Tally, left_out};

/// Findings against what they are compared with.
pub(super) struct Compared<'a> {
    pub(super) against: Against<'a>,
    /// The worst first.
    pub(super) new: Vec<&'a Finding>,
    /// Findings that are only counted and that the base has fewer of, by level.
    more: [u64; 4],
    /// How many the base has and this has not. None where that cannot be told.
    pub(super) fixed: Option<u64>,
}

/// What findings are compared with.
pub(super) enum Against<'a> {
    /// What the same gate said of the base.
    Base(&'a Past),
    /// Nothing but the lines that the change adds.
    AddedLines,
    /// Nothing at all: none of them is new.
    Nothing,
}

impl Compared<'_> {
    /// How many are new.
    pub(super) fn tally(&self) -> Tally {
        let mut tally = Tally::of(self.new.iter().copied());
        tally.add(self.more);
        tally
    }
}

/// The part of a fingerprint that is stored.
pub(super) fn short(fingerprint: &Fingerprint) -> u64 {
    let mut bytes = [0; 8];
    bytes.copy_from_slice(&fingerprint.0[..8]);
    u64::from_be_bytes(bytes)
}

/// Compares with the base where something is known of it, else with the lines that the change adds.
pub(super) fn compare<'a>(findings: &'a Findings, base: Option<&'a Past>, diff: Option<&Diff>) -> Compared<'a> {
    let standing = findings.list.iter().filter(|finding| finding.stands());
    let known = base.and_then(|past| Some((past, past.facts.findings.as_ref()?, past.facts.findings.as_ref()?.fingerprints()?)));
    let mut compared = match (known, diff) {
        (Some((past, facts, known)), diff) => {
            let mut left = known;
            let whole = facts.left_out == [0; 4];
            let new = standing.filter(|finding| !take(&mut left, finding) && may_be_new(finding, past.exact, whole, diff));
            let new = new.collect();
            let fixed = (whole && findings.left_out.is_empty()).then(|| left.values().map(|count| u64::from(*count)).sum());
            let here = left_out(findings);
            let more = [0, 1, 2, 3].map(|at| here[at].saturating_sub(facts.left_out[at]));
            Compared { against: Against::Base(past), new, more, fixed }
        }
        (None, Some(diff)) => {
            let new = standing.filter(|finding| looks_new(finding, diff)).collect();
            Compared { against: Against::AddedLines, new, more: [0; 4], fixed: None }
        }
        (None, None) => Compared { against: Against::Nothing, new: Vec::new(), more: [0; 4], fixed: None },
    };
    compared.new.sort_by_key(|finding| worst_first(finding));
    compared
}

/// The order in which findings are shown.
pub(super) fn worst_first(finding: &Finding) -> impl Ord + use<> {
    let severity = finding.rule.severity().map_or(4, |severity| severity as u8);
    let location = finding.location.as_ref();
    // A compiler's error without a number for security is no less than a weakness that has a low one.
    let rank = (finding.level as u8).min(severity);
    (rank, finding.level, location.map(|l| l.path.clone()), location.and_then(|l| l.range))
}

/// Whether the base has it; then it has one less.
fn take(left: &mut HashMap<u64, u32>, finding: &Finding) -> bool {
    let count = finding.fingerprint.and_then(|fingerprint| left.get_mut(&short(&fingerprint)));
    match count {
        Some(count) if *count > 0 => {
            *count -= 1;
            true
        }
        Some(_) | None => false,
    }
}

/// Whether a finding that the base is not known to have may be new.
///
/// Where another commit of the base branch stands in for the base, what differs in files that the change leaves alone came or
/// went on that branch. Where not all of the base's findings are stored, only an added line shows that one is new.
fn may_be_new(finding: &Finding, exact: bool, whole: bool, diff: Option<&Diff>) -> bool {
    let (Some(diff), Some(location)) = (diff, &finding.location) else { return true };
    (exact || diff.touches(&location.path)) && (whole || is_added(finding, diff))
}

/// Whether a finding is new as far as the report itself and the change tell.
fn looks_new(finding: &Finding, diff: &Diff) -> bool {
    match finding.baseline {
        Some(BaselineState::New) => true,
        Some(BaselineState::Unchanged | BaselineState::Updated | BaselineState::Absent) => false,
        None => is_added(finding, diff),
    }
}

/// Whether it is on a line that the change adds. What is about a whole file is where its first line is.
fn is_added(finding: &Finding, diff: &Diff) -> bool {
    let Some(location) = &finding.location else { return false };
    let (first, last) = location.range.map_or((1, 1), |range| (range.start_line, range.end_line));
    diff.adds_any(&location.path, first, last)
}
