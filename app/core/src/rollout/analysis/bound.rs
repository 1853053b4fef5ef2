//! How much worse the new version can be at most: a confidence sequence, by inverting the same test.
//!
//! For a factor, bets are made that the new version is *better* than that many times the stable version's errors. Where they bring `1/β`,
//! it is, but for the probability `β`, at whatever moment is looked (Robbins, *Annals of Mathematical Statistics* 41, 1970; Waudby-Smith
//! and Ramdas 2024). Factors are asked for seldom and buckets come often, so buckets are kept, and bets made when one is asked for.

use std::collections::VecDeque;

use super::wealth::{Draw, Happened, log_add, log_factor, tilted};

/// The factors of which the least that it lies below is told.
const TOLD: [f64; 32] = [
    0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.1, 1.2, 1.3, 1.4, 1.5, 1.6, 1.75, 2.0, 2.3, 2.6, 3.0, 3.5, 4.0, 5.0, 6.0,
    8.0, 10.0, 15.0, 20.0, 30.0, 50.0, 100.0,
];

/// So many times the factor is what is bet on, with these parts of the stake.
const BETTER: [(f64, f64); 4] = [(0.9, 0.12), (0.7, 0.5), (0.45, 0.25), (0.1, 0.13)];

/// A bound is wrong with at most this probability.
pub(super) const BETA: f64 = 0.05;

/// Two days of buckets of ten seconds. Of more, the oldest are forgotten, and the bound is one of what was measured since.
const KEPT_MAX: usize = 17_280;

/// The bound of one metric.
#[derive(Debug, Clone)]
pub(super) struct Bound {
    /// The factor that is asked for at every look, and its bets.
    usual: f64,
    logs: [f64; BETTER.len()],
    /// The share of the requests in each bucket in which anything happened, and what did.
    kept: VecDeque<(f64, Happened)>,
}

impl Bound {
    /// Of one factor above all.
    pub(super) fn new(usual: f64) -> Bound {
        Bound { usual, logs: begun(), kept: VecDeque::new() }
    }

    pub(super) fn take(&mut self, draw: &Draw, happened: &Happened) {
        bet(&mut self.logs, self.usual, draw.share(), happened);
        if self.kept.len() == KEPT_MAX {
            self.kept.pop_front();
        }
        self.kept.push_back((draw.share(), *happened));
    }

    /// Whether it is shown that it happens to the new version less than so many times as often.
    pub(super) fn is_below(&self, factor: f64) -> bool {
        let bets = || {
            self.kept.iter().fold(begun(), |mut logs, (w, happened)| {
                bet(&mut logs, factor, *w, happened);
                logs
            })
        };
        let logs = if factor == self.usual { self.logs } else { bets() };
        logs.into_iter().fold(f64::NEG_INFINITY, log_add) >= -BETA.ln()
    }

    /// The least factor of a list that it is shown to lie below. None where it can be anything.
    pub(super) fn at_most(&self) -> Option<f64> {
        TOLD.get(TOLD.partition_point(|factor| !self.is_below(*factor))).copied()
    }
}

/// The logarithms of the stakes.
fn begun() -> [f64; BETTER.len()] {
    BETTER.map(|(_, part)| part.ln())
}

/// Bets on a bucket that it is better than a factor.
fn bet(logs: &mut [f64; BETTER.len()], factor: f64, w: f64, happened: &Happened) {
    let at_factor = tilted(w, factor);
    for (log, (better, _)) in logs.iter_mut().zip(BETTER) {
        *log += log_factor(at_factor, tilted(w, factor * better), happened);
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
