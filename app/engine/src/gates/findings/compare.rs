//! Which findings the change brings.

use std::collections::HashMap;

use gatewright_core::facts::Past;
use gatewright_reports::Diff;
use gatewright_reports::findings::{BaselineState, Finding, Findings, Fingerprint};

use super::tally::Tally;

/// Findings against what they are compared with.
pub(super) struct Compared<'a> {
    pub(super) against: Against<'a>,
    /// The worst first.
    pub(super) new: Vec<&'a Finding>,
    /// Findings that are only counted and taken for new.
    pub(super) more: Tally,
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
        tally.add(&self.more);
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
            let left_out = Tally { levels: facts.left_out, severities: facts.left_out_severities };
            let whole = left_out.total() == 0;
            let new = standing.filter(|finding| !take(&mut left, finding) && may_be_new(finding, past.exact, whole, diff));
            let new = new.collect();
            let fixed = (whole && findings.left_out.is_empty()).then(|| left.values().map(|count| u64::from(*count)).sum());
            let more = Tally::of_left_out(findings).above(&left_out);
            Compared { against: Against::Base(past), new, more, fixed }
        }
        (None, Some(diff)) => {
            let new = standing.filter(|finding| looks_new(finding, diff)).collect();
            // Where they are is not known, so any of them may be on an added line.
            let more = Tally::of_left_out(findings);
            Compared { against: Against::AddedLines, new, more, fixed: None }
        }
        (None, None) => Compared { against: Against::Nothing, new: Vec::new(), more: Tally::default(), fixed: None },
    };
    compared.new.sort_by_key(|finding| worst_first(finding));
    compared
}

/// The order in which findings are shown.
pub(super) fn worst_first(finding: &Finding) -> impl Ord + use<> {
    let severity = finding.severity.map_or(4, |severity| severity as u8);
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

/// Whether it is on a line that the change adds. What is about a whole file, such as a package that a lock file names, may have come
/// with any line of it.
fn is_added(finding: &Finding, diff: &Diff) -> bool {
    let Some(location) = &finding.location else { return false };
    match location.range {
        Some(range) => diff.adds_any(&location.path, range.start_line, range.end_line),
        None => diff.touches(&location.path),
    }
}
