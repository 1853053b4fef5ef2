//! What would be measured in a cell: numbers drawn from a seed.

use gatewright_core::Timestamp;
use gatewright_core::rollout::analysis::{Bucket, Counts};
use jiff::SignedDuration;
use rand::{RngExt, SeedableRng};
use rand_distr::{Binomial, Distribution, Gamma, Normal, Poisson};
use rand_pcg::Pcg64Mcg;
use statrs::function::erf::erfc;

use crate::{BUCKET_SECS, Cell, Confounder, Fault, STEP_SECS, STEPS};

/// The beginning of every rollout. Any other would do.
const BEGAN: i64 = 1_790_000_000;

/// The stable version was measured for so long before.
pub const BASELINE_SECS: u32 = 1800;

/// The spread of the logarithm of how long requests take.
const LATENCY_SPREAD: f64 = 0.5;

/// What is tolerated of the 95th percentile.
pub const LATENCY_TOLERATED: f64 = 1.2;

/// An incident and an outage last so long.
const TROUBLE_SECS: f64 = 300.0;

/// The new version is cold for so long.
const COLD_SECS: f64 = 45.0;

/// The variance of clustered errors over their mean.
const CLUSTERED: f64 = 5.0;

/// One trial of a cell.
#[derive(Debug, Clone)]
pub struct World {
    cell: Cell,
    seed: u64,
    /// When the incident or the outage begins, in seconds.
    trouble: f64,
    /// Where in its up and down the day is, and how long that takes.
    phase: f64,
    period: f64,
    /// So many times the share that was asked for.
    skew: f64,
    /// The 95th percentile as it was estimated before the rollout, over what it is.
    p95_error: f64,
}

impl World {
    /// A trial: the same for the same numbers.
    pub fn new(cell: Cell, seed: u64, trial: u64) -> World {
        let seed = mixed(seed ^ mixed(trial) ^ mixed(identity(&cell)));
        let mut rng = Pcg64Mcg::seed_from_u64(seed);
        let planned = STEP_SECS as f64 * STEPS.len() as f64;
        let before = f64::from(cell.requests_per_sec * BASELINE_SECS);
        // The standard error of a quantile, on the logarithm: sqrt(p(1-p)/n) over the density there.
        let error = LATENCY_SPREAD * (0.05 * 0.95 / before).sqrt() / 0.103;
        World {
            cell,
            seed,
            trouble: rng.random_range(0.0..planned - TROUBLE_SECS),
            phase: rng.random_range(0.0..std::f64::consts::TAU),
            period: rng.random_range(3600.0..7200.0),
            skew: (0.35 * normal(&mut rng)).exp(),
            p95_error: (error * normal(&mut rng)).exp(),
        }
    }

    /// When the rollout has lasted so many seconds.
    pub fn at(secs: u32) -> Timestamp {
        let began = Timestamp::from_second(BEGAN).unwrap_or_default();
        began.saturating_add(SignedDuration::from_secs(i64::from(secs))).unwrap_or(Timestamp::MAX)
    }

    /// The bucket that begins after so many seconds, where the new version is to get so many percent of the requests. None where
    /// nothing is measured.
    pub fn bucket(&self, secs: u32, percent: u32) -> Option<Bucket> {
        let is_troubled = self.is_troubled(secs);
        if self.cell.confounder == Confounder::Outage && is_troubled {
            return None;
        }
        let mut rng = Pcg64Mcg::seed_from_u64(mixed(self.seed ^ mixed(u64::from(secs) + 1)));
        let now = f64::from(secs);
        let wave = if self.cell.confounder == Confounder::Drift {
            (self.phase + now / self.period * std::f64::consts::TAU).sin()
        } else {
            0.0
        };
        let requests = poisson(&mut rng, f64::from(self.cell.requests_per_sec * BUCKET_SECS) * (1.0 + 0.5 * wave));
        let canary_share = self.share(&mut rng, percent);
        let canary_requests = binomial(&mut rng, requests, canary_share);
        let mut share = self.cell.base_percent / 100.0 * (1.0 + 0.5 * wave);
        let mut slower = 1.0 + 0.2 * wave;
        if self.cell.confounder == Confounder::Incident && is_troubled {
            (share, slower) = (share + 0.1, slower * 2.0);
        }
        let stable = self.counts(&mut rng, requests - canary_requests, share, slower / self.p95_error);
        let (share, slower) = self.worse(now, share, slower);
        let canary = self.counts(&mut rng, canary_requests, share, slower / self.p95_error / LATENCY_TOLERATED);
        Some(Bucket { from: World::at(secs), secs: BUCKET_SECS, canary, stable })
    }

    /// What the stable version had in a bucket before the rollout, the n-th before it.
    pub fn before(&self, number: u32) -> Counts {
        let mut rng = Pcg64Mcg::seed_from_u64(mixed(self.seed ^ mixed(u64::MAX - u64::from(number))));
        let requests = poisson(&mut rng, f64::from(self.cell.requests_per_sec * BUCKET_SECS));
        self.counts(&mut rng, requests, self.cell.base_percent / 100.0, 1.0)
    }

    fn is_troubled(&self, secs: u32) -> bool {
        let since = f64::from(secs) - self.trouble;
        (0.0..TROUBLE_SECS).contains(&since)
    }

    /// The share that the new version gets.
    fn share(&self, rng: &mut Pcg64Mcg, percent: u32) -> f64 {
        let wanted = f64::from(percent) / 100.0;
        if self.cell.confounder != Confounder::SkewedShare {
            return wanted;
        }
        let odds = wanted / (1.0 - wanted) * self.skew * (0.2 * normal(rng)).exp();
        odds / (1.0 + odds)
    }

    /// The new version's share of errors, and how long its requests take.
    fn worse(&self, now: f64, share: f64, slower: f64) -> (f64, f64) {
        let (mut share, mut slower) = (share, slower);
        if self.cell.confounder == Confounder::ColdStart && now < COLD_SECS {
            (share, slower) = (share * 10.0 + 0.02, slower * 3.0);
        }
        if now >= f64::from(self.cell.onset.secs()) {
            match self.cell.fault {
                Fault::None => {}
                Fault::Errors(times) => share *= times,
                Fault::Latency(times) => slower *= times,
            }
        }
        (share.min(1.0), slower)
    }

    /// What a version with so many requests has, where this is the share of errors, and requests take so many times as long as that
    /// a twentieth of them is slow.
    fn counts(&self, rng: &mut Pcg64Mcg, requests: u64, share: f64, slower: f64) -> Counts {
        let errors = match self.cell.confounder {
            Confounder::Clustering => clustered(rng, requests as f64 * share).min(requests),
            _ => binomial(rng, requests, share),
        };
        // The 95th percentile of a normal distribution.
        let beyond = 1.644_853_626_951_472 - slower.ln() / LATENCY_SPREAD;
        let slow = binomial(rng, requests, 0.5 * erfc(beyond / std::f64::consts::SQRT_2));
        Counts { requests, errors, slow: Some(slow), p95_ms: None }
    }
}

/// Tells a cell from every other one.
fn identity(cell: &Cell) -> u64 {
    let fault = match cell.fault {
        Fault::None => 0,
        Fault::Errors(times) => times.to_bits(),
        Fault::Latency(times) => !times.to_bits(),
    };
    let place = u64::from(cell.onset.secs()) << 8 | cell.confounder as u64;
    [u64::from(cell.requests_per_sec), cell.base_percent.to_bits(), fault, place].iter().fold(0, |seed, part| mixed(seed ^ part))
}

/// SplitMix64's finaliser (Steele, Lea and Flood, *OOPSLA* 2014): numbers that lie close together become numbers that do not.
fn mixed(number: u64) -> u64 {
    let mut z = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

fn normal(rng: &mut Pcg64Mcg) -> f64 {
    Normal::new(0.0, 1.0).map_or(0.0, |normal| normal.sample(rng))
}

/// A mean of zero has no distribution, and nothing happens.
fn poisson(rng: &mut Pcg64Mcg, mean: f64) -> u64 {
    Poisson::new(mean).map_or(0, |poisson| poisson.sample(rng) as u64)
}

fn binomial(rng: &mut Pcg64Mcg, count: u64, share: f64) -> u64 {
    Binomial::new(count, share.clamp(0.0, 1.0)).map_or(0, |binomial| binomial.sample(rng))
}

/// Negative binomial: Poisson with a mean that is itself drawn.
fn clustered(rng: &mut Pcg64Mcg, mean: f64) -> u64 {
    let drawn = Gamma::new(mean / (CLUSTERED - 1.0), CLUSTERED - 1.0).map_or(0.0, |gamma| gamma.sample(rng));
    poisson(rng, drawn)
}
