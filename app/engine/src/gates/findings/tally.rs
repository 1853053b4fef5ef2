//! Findings counted by how bad they are.

use gatewright_core::config::FindingLimits;
use gatewright_reports::findings::{Finding, Findings, Level, Severity};

/// How many findings there are of each level, and of each severity.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Tally {
    /// Errors, warnings, notes and others.
    pub(super) levels: [u64; 4],
    /// Critical, high, medium and low.
    pub(super) severities: [u64; 4],
}

/// A level or a severity.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Row {
    Of(Level),
    Security(Severity),
}

impl Tally {
    /// Of findings that are known one by one.
    pub(super) fn of<'f>(findings: impl IntoIterator<Item = &'f Finding>) -> Tally {
        let mut tally = Tally::default();
        for finding in findings {
            tally.levels[finding.level as usize] += 1;
            if let Some(severity) = finding.severity {
                tally.severities[severity as usize] += 1;
            }
        }
        tally
    }

    /// Of all findings that stand, those that are only counted included.
    pub(super) fn of_all(findings: &Findings) -> Tally {
        let mut tally = Tally::of(findings.list.iter().filter(|finding| finding.stands()));
        tally.add(&Tally::of_left_out(findings));
        tally
    }

    /// Of those that are only counted.
    pub(super) fn of_left_out(findings: &Findings) -> Tally {
        let mut tally = Tally::default();
        for ((level, severity), count) in &findings.left_out {
            tally.levels[*level as usize] += count;
            if let Some(severity) = severity {
                tally.severities[*severity as usize] += count;
            }
        }
        tally
    }

    pub(super) fn add(&mut self, other: &Tally) {
        for (count, more) in self.all_mut().zip(other.levels.iter().chain(&other.severities)) {
            *count += more;
        }
    }

    /// By how much each count is above the other's.
    pub(super) fn above(mut self, other: &Tally) -> Tally {
        for (count, less) in self.all_mut().zip(other.levels.iter().chain(&other.severities)) {
            *count = count.saturating_sub(*less);
        }
        self
    }

    fn all_mut(&mut self) -> impl Iterator<Item = &mut u64> {
        self.levels.iter_mut().chain(&mut self.severities)
    }

    /// Whether any finding has a word for how bad it is for security.
    pub(super) fn has_severities(&self) -> bool {
        self.severities.iter().any(|count| *count > 0)
    }

    pub(super) fn total(&self) -> u64 {
        self.levels.iter().sum()
    }

    pub(super) fn of_row(&self, row: Row) -> u64 {
        match row {
            Row::Of(level) => self.levels[level as usize],
            Row::Security(severity) => self.severities[severity as usize],
        }
    }
}

impl Row {
    pub(super) const ALL: [Row; 8] = [
        Row::Of(Level::Error),
        Row::Of(Level::Warning),
        Row::Of(Level::Note),
        Row::Of(Level::None),
        Row::Security(Severity::Critical),
        Row::Security(Severity::High),
        Row::Security(Severity::Medium),
        Row::Security(Severity::Low),
    ];

    /// How many the repository file allows of it.
    pub(super) fn limit(self, limits: &FindingLimits) -> Option<u32> {
        match self {
            Row::Of(Level::Error) => limits.error,
            Row::Of(Level::Warning) => limits.warning,
            Row::Of(Level::Note) => limits.note,
            Row::Of(Level::None) => None,
            Row::Security(Severity::Critical) => limits.critical,
            Row::Security(Severity::High) => limits.high,
            Row::Security(Severity::Medium) => limits.medium,
            Row::Security(Severity::Low) => limits.low,
        }
    }

    /// Of many.
    pub(super) fn plural(self) -> &'static str {
        match self {
            Row::Of(Level::Error) => "errors",
            Row::Of(Level::Warning) => "warnings",
            Row::Of(Level::Note) => "notes",
            Row::Of(Level::None) => "without a level",
            Row::Security(severity) => word(severity),
        }
    }

    /// `1 error`, `2 errors`
    pub(super) fn counted(self, count: u64) -> String {
        let plural = self.plural();
        match self {
            Row::Of(Level::Error | Level::Warning | Level::Note) if count == 1 => format!("1 {}", plural.trim_end_matches('s')),
            Row::Of(_) | Row::Security(_) => format!("{count} {plural}"),
        }
    }
}

/// As people write it.
pub(super) fn word(severity: Severity) -> &'static str {
    match severity {
        Severity::Critical => "critical",
        Severity::High => "high",
        Severity::Medium => "medium",
        Severity::Low => "low",
    }
}
