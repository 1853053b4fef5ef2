//! The Mann-Whitney test of the shares of errors by the minute, at the end of each step, with the normal approximation and its
//! correction for ties.

use gatewright_core::rollout::analysis::{Bucket, Counts};

use super::Watch;
use crate::STEP_SECS;

const MINUTE_SECS: u32 = 60;

/// The upper 1 % of a normal distribution: of both ends, 98 % confidence.
const SIGNIFICANT: f64 = 2.326_347_874_040_841;

#[derive(Default)]
pub(super) struct MannWhitney {
    minute: Option<(Counts, Counts)>,
    canary: Vec<f64>,
    stable: Vec<f64>,
}

impl Watch for MannWhitney {
    fn is_bad(&mut self, bucket: Option<&Bucket>, ends: u32) -> bool {
        if let Some(bucket) = bucket {
            let (canary, stable) = self.minute.get_or_insert_default();
            for (sum, counts) in [(canary, bucket.canary), (stable, bucket.stable)] {
                sum.requests += counts.requests;
                sum.errors += counts.errors;
            }
        }
        if ends.is_multiple_of(MINUTE_SECS)
            && let Some((canary, stable)) = self.minute.take()
        {
            self.canary.extend(canary.error_percent());
            self.stable.extend(stable.error_percent());
        }
        u64::from(ends).is_multiple_of(STEP_SECS) && z(&self.canary, &self.stable).is_some_and(|z| z > SIGNIFICANT)
    }
}

/// How far the ranks of the first lie above those of the second, in standard deviations.
fn z(first: &[f64], second: &[f64]) -> Option<f64> {
    let (n, m) = (first.len() as f64, second.len() as f64);
    let mut all: Vec<(f64, bool)> = first.iter().map(|v| (*v, true)).chain(second.iter().map(|v| (*v, false))).collect();
    all.sort_by(|a, b| a.0.total_cmp(&b.0));
    let (mut ranks, mut ties, mut begin) = (0.0, 0.0, 0);
    while begin < all.len() {
        let same = all[begin..].iter().take_while(|(value, _)| *value == all[begin].0).count();
        // Those that are the same share their ranks.
        let rank = begin as f64 + (same as f64 + 1.0) / 2.0;
        ranks += rank * all[begin..begin + same].iter().filter(|(_, is_first)| *is_first).count() as f64;
        ties += (same as f64).powi(3) - same as f64;
        begin += same;
    }
    let variance = n * m / 12.0 * ((n + m + 1.0) - ties / ((n + m) * (n + m - 1.0)));
    let above = ranks - n * (n + 1.0) / 2.0 - n * m / 2.0 - 0.5;
    (variance > 0.0).then(|| above / variance.sqrt())
}

#[cfg(test)]
mod tests {
    use super::z;

    #[test]
    fn ranks_that_all_lie_above_are_far_above() {
        // W = 25 of 25; R: wilcox.test(6:10, 1:5, exact = FALSE, alternative = "greater") has p = 0.006093.
        let z = z(&[6.0, 7.0, 8.0, 9.0, 10.0], &[1.0, 2.0, 3.0, 4.0, 5.0]).map(|z| (z * 1000.0).round() / 1000.0);
        assert_eq!(z, Some(2.507));
    }

    #[test]
    fn what_is_all_the_same_says_nothing() {
        assert_eq!(z(&[0.0; 5], &[0.0; 5]), None);
    }
}
