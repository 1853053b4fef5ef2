//! A part of a whole, exactly.

use std::fmt;
use std::ops::Add;

/// So many of so many. Never rounded, but where it is shown.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Ratio {
    /// The part.
    pub covered: u64,
    /// The whole.
    pub total: u64,
}

impl Ratio {
    /// Counts those that are true among all.
    pub fn count(all: impl Iterator<Item = bool>) -> Ratio {
        all.fold(Ratio::default(), |sum, covered| Ratio { covered: sum.covered + u64::from(covered), total: sum.total + 1 })
    }

    /// Hundredths of a percent, rounded down: what is shown as 100 % is all. None of nothing.
    pub fn hundredths(self) -> Option<u64> {
        let hundredths = u128::from(self.covered) * 10_000;
        Some(u64::try_from(hundredths.checked_div(u128::from(self.total))?).unwrap_or(u64::MAX))
    }

    /// Whether it is at least so many hundredths of a percent, exactly. Nothing is all of nothing.
    pub fn is_at_least(self, hundredths: u64) -> bool {
        self.total == 0 || u128::from(self.covered) * 10_000 >= u128::from(hundredths) * u128::from(self.total)
    }

    /// How many hundredths of a percent it has lost against what it was, exactly: whether it is more than `hundredths`. Where
    /// one of both is of nothing, nothing is lost.
    pub fn has_dropped_by_more_than(self, hundredths: u64, was: Ratio) -> bool {
        let [covered, total, then, of] = [self.covered, self.total, was.covered, was.total].map(u128::from);
        if total == 0 || of == 0 {
            return false;
        }
        // was/of - covered/total > hundredths/10000, without a division.
        then * total * 10_000 > covered * of * 10_000 + u128::from(hundredths) * of * total
    }
}

impl Add for Ratio {
    type Output = Ratio;

    fn add(self, other: Ratio) -> Ratio {
        Ratio { covered: self.covered + other.covered, total: self.total + other.total }
    }
}

/// `87.5 % (7 of 8)`, or `none of none`.
impl fmt::Display for Ratio {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(hundredths) = self.hundredths() else { return f.write_str("none of none") };
        write!(f, "{}", hundredths / 100)?;
        match (hundredths / 10 % 10, hundredths % 10) {
            (0, 0) => {}
            (tenths, 0) => write!(f, ".{tenths}")?,
            (tenths, rest) => write!(f, ".{tenths}{rest}")?,
        }
        write!(f, " % ({} of {})", self.covered, self.total)
    }
}
