//! The product of likelihood ratios of the errors in each bucket, with equal parts for each factor, and its logarithm divided by the
//! variance of the stable version's errors over their mean, as measured before the rollout (at least 1).

use gatewright_core::rollout::analysis::Bucket;

use super::Watch;
use crate::BUCKET_SECS;
use crate::world::{BASELINE_SECS, World};

const FACTORS: [f64; 6] = [1.5, 2.0, 3.0, 5.0, 10.0, 30.0];

/// 1/α at α = 0.01.
const ENOUGH: f64 = 100.0;

pub(super) struct LikelihoodRatio {
    dispersion: f64,
    logs: [f64; FACTORS.len()],
}

impl LikelihoodRatio {
    pub(super) fn new(world: &World) -> LikelihoodRatio {
        let errors: Vec<f64> = (0..BASELINE_SECS / BUCKET_SECS).map(|n| world.before(n).errors as f64).collect();
        let mean = errors.iter().sum::<f64>() / errors.len() as f64;
        let variance = errors.iter().map(|count| (count - mean).powi(2)).sum::<f64>() / (errors.len() - 1) as f64;
        let dispersion = if mean > 0.0 { (variance / mean).max(1.0) } else { 1.0 };
        LikelihoodRatio { dispersion, logs: [0.0; FACTORS.len()] }
    }
}

impl Watch for LikelihoodRatio {
    fn is_bad(&mut self, bucket: Option<&Bucket>, _ends: u32) -> bool {
        let Some(Bucket { canary, stable, .. }) = bucket else { return false };
        if canary.requests == 0 || stable.requests == 0 {
            return false;
        }
        let w = canary.requests as f64 / (canary.requests + stable.requests) as f64;
        for (log, factor) in self.logs.iter_mut().zip(FACTORS) {
            let q = w * factor / (w * factor + 1.0 - w);
            let ratio = canary.errors as f64 * (q / w).ln() + stable.errors as f64 * ((1.0 - q) / (1.0 - w)).ln();
            *log += ratio / self.dispersion;
        }
        self.logs.iter().map(|log| log.exp() / FACTORS.len() as f64).sum::<f64>() >= ENOUGH
    }
}
