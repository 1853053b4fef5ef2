//! How much worse the new version can be at most: a confidence sequence, by inverting the same test.
//!
//! For each factor of a list, bets are made that the new version is *better* than that many times the stable version's errors. Where
//! they bring `1/β`, it is, but for the probability `β`, at whatever moment is looked (Robbins 1970; Waudby-Smith and Ramdas 2024).

use super::wealth::{Draw, Happened, log_add, log_factor, tilted};

/// The factors that are tried.
const TRIED: [f64; 30] = [
    0.3, 0.5, 0.7, 0.8, 0.9, 1.0, 1.1, 1.2, 1.3, 1.4, 1.5, 1.6, 1.75, 1.9, 2.1, 2.35, 2.7, 3.0, 3.5, 4.0, 5.0, 6.0, 8.0, 10.0, 13.0,
    18.0, 25.0, 35.0, 50.0, 100.0,
];

/// So many times the factor is what is bet on, with these parts of the stake.
const BETTER: [(f64, f64); 3] = [(0.7, 0.55), (0.45, 0.3), (0.1, 0.15)];

/// A bound is wrong with at most this probability.
pub(super) const BETA: f64 = 0.05;

/// The bound of one metric.
#[derive(Debug, Clone)]
pub(super) struct Bound {
    factors: Vec<f64>,
    bets: Vec<[f64; BETTER.len()]>,
}

impl Bound {
    /// One that can tell of `tolerated` exactly.
    pub(super) fn new(tolerated: f64) -> Bound {
        let mut factors = TRIED.to_vec();
        if !factors.contains(&tolerated) {
            factors.push(tolerated);
            factors.sort_by(f64::total_cmp);
        }
        Bound { bets: vec![[0.0; BETTER.len()]; factors.len()], factors }
    }

    pub(super) fn take(&mut self, draw: &Draw, happened: &Happened) {
        let w = draw.share();
        for (bets, factor) in self.bets.iter_mut().zip(&self.factors) {
            let at_factor = tilted(w, *factor);
            for (log, (better, _)) in bets.iter_mut().zip(BETTER) {
                *log += log_factor(at_factor, tilted(w, factor * better), happened);
            }
        }
    }

    /// The least factor of the list that it lies below, together with all that are greater. None where it can be anything.
    pub(super) fn at_most(&self) -> Option<f64> {
        let shown = |bets: &&[f64; BETTER.len()]| {
            let parts = bets.iter().zip(BETTER).map(|(log, (_, part))| log + part.ln());
            parts.fold(f64::NEG_INFINITY, log_add) >= -BETA.ln()
        };
        let count = self.bets.iter().rev().take_while(shown).count();
        self.factors.get(self.factors.len() - count).copied()
    }
}

/// Shows that the new version's own share of errors is small, where there are too few errors to compare: Poisson counts against a
/// rate, as many times weaker as errors are thought to come together.
#[derive(Debug, Clone)]
pub(super) struct Few {
    limit: f64,
    logs: [f64; FEWER.len()],
}

/// So many times the limit is what is bet on.
const FEWER: [f64; 3] = [0.3, 0.1, 0.01];

/// Errors are thought to come in clusters of this size. Where there are none it cannot be measured.
const CLUSTER: f64 = 2.0;

impl Few {
    /// Of a share of the requests, above zero.
    pub(super) fn new(limit: f64) -> Few {
        Few { limit, logs: [0.0; FEWER.len()] }
    }

    pub(super) fn take(&mut self, draw: &Draw) {
        for (log, fewer) in self.logs.iter_mut().zip(FEWER) {
            let spared = draw.canary_requests as f64 * self.limit * (1.0 - fewer);
            *log += (spared + draw.canary as f64 * fewer.ln()) / CLUSTER;
        }
    }

    /// Whether it is shown.
    pub(super) fn is_shown(&self) -> bool {
        let sum = self.logs.iter().copied().fold(f64::NEG_INFINITY, log_add);
        sum - (FEWER.len() as f64).ln() >= -BETA.ln()
    }
}
