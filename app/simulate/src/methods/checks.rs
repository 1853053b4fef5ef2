//! What is checked every minute: fixed thresholds, and a z-test that is looked at again and again.

use gatewright_core::rollout::analysis::{Bucket, Counts};

use super::Watch;

/// It is checked so often.
const CHECK_SECS: u32 = 60;

/// The upper 5 % of a normal distribution.
const SIGNIFICANT: f64 = 1.644_853_626_951_472;

/// A share of requests that have to succeed.
pub(super) struct Fixed {
    share: f64,
    /// So many checks that fail are too many, and so many in a row that could not be measured.
    failed_max: u32,
    unmeasured_max: u32,
    failed: u32,
    unmeasured: u32,
    minute: Counts,
    measured: bool,
}

impl Fixed {
    /// Where `unmeasured_max` is never reached, a check that could not be measured has failed.
    pub(super) fn new(share: f64, failed_max: u32, unmeasured_max: u32) -> Fixed {
        let minute = Counts::default();
        Fixed { share, failed_max, unmeasured_max, failed: 0, unmeasured: 0, minute, measured: false }
    }
}

impl Watch for Fixed {
    fn is_bad(&mut self, bucket: Option<&Bucket>, ends: u32) -> bool {
        if let Some(bucket) = bucket.filter(|bucket| bucket.canary.requests > 0) {
            self.measured = true;
            self.minute.requests += bucket.canary.requests;
            self.minute.errors += bucket.canary.errors;
        }
        if !ends.is_multiple_of(CHECK_SECS) {
            return false;
        }
        let succeeded = (self.minute.requests - self.minute.errors) as f64 >= self.share * self.minute.requests as f64;
        if self.measured {
            self.unmeasured = 0;
            self.failed += u32::from(!succeeded);
        } else if self.unmeasured_max == u32::MAX {
            self.failed += 1;
        } else {
            self.unmeasured += 1;
        }
        (self.minute, self.measured) = (Counts::default(), false);
        self.failed >= self.failed_max || self.unmeasured >= self.unmeasured_max
    }
}

/// Two shares, compared every minute.
#[derive(Default)]
pub(super) struct PeekingZ {
    canary: Counts,
    stable: Counts,
}

impl Watch for PeekingZ {
    fn is_bad(&mut self, bucket: Option<&Bucket>, ends: u32) -> bool {
        if let Some(bucket) = bucket {
            for (sum, counts) in [(&mut self.canary, bucket.canary), (&mut self.stable, bucket.stable)] {
                sum.requests += counts.requests;
                sum.errors += counts.errors;
            }
        }
        if !ends.is_multiple_of(CHECK_SECS) {
            return false;
        }
        let (n, m) = (self.canary.requests as f64, self.stable.requests as f64);
        let (p, q) = (self.canary.errors as f64 / n, self.stable.errors as f64 / m);
        let pooled = (self.canary.errors + self.stable.errors) as f64 / (n + m);
        let error = (pooled * (1.0 - pooled) * (1.0 / n + 1.0 / m)).sqrt();
        // Without any errors the quotient is none, and not significant.
        (p - q) / error > SIGNIFICANT
    }
}
