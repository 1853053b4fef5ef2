//! Shares of trials, with what they can be.

use serde::Serialize;
use statrs::distribution::{Beta, ContinuousCDF};

/// So many of so many.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Rate {
    /// Trials in which it happened.
    pub count: u64,
    /// All trials.
    pub of: u64,
}

impl Rate {
    /// The two together.
    pub fn and(self, other: Rate) -> Rate {
        Rate { count: self.count + other.count, of: self.of + other.of }
    }

    /// In percent. None where there were no trials.
    pub fn percent(self) -> Option<f64> {
        (self.of > 0).then(|| 100.0 * self.count as f64 / self.of as f64)
    }

    /// It is no less than this, in percent, but for the given probability (Clopper and Pearson, *Biometrika* 26, 1934, one-sided).
    pub fn at_least(self, but_for: f64) -> f64 {
        // Without any, nothing is excluded.
        let beta = Beta::new(self.count as f64, (self.of - self.count + 1) as f64);
        beta.map_or(0.0, |beta| 100.0 * beta.inverse_cdf(but_for))
    }

    /// It is no more than this, in percent, but for the given probability.
    pub fn at_most(self, but_for: f64) -> f64 {
        100.0 - Rate { count: self.of - self.count, of: self.of }.at_least(but_for)
    }
}

#[cfg(test)]
mod tests {
    use super::Rate;

    #[test]
    fn bounds_are_those_of_clopper_and_pearson() {
        // Without a single one in n trials, 1 - 0.05^(1/n) is not excluded.
        let none = Rate { count: 0, of: 300 };
        assert!((none.at_most(0.05) - 100.0 * (1.0 - 0.05_f64.powf(1.0 / 300.0))).abs() < 1e-6, "{}", none.at_most(0.05));
        assert!(none.at_least(0.05).abs() < 1e-9);
        // At this share, 10 or more of 100 have the chance 0.05, as summed up from the binomial distribution.
        let some = Rate { count: 10, of: 100 }.at_least(0.05);
        assert!((some - 5.5263).abs() < 0.001, "{some}");
    }
}
