//! The sequential test: what somebody would have by now who bets that the new version is worse.
//!
//! Of the `m` errors of a bucket (or slow requests), `x` fell on the new version, which had the share `w` of the bucket's requests.
//! If it is no worse, `x/m` is `w` in the mean, whatever else happened: an incident that struck both, more or less traffic, another
//! weight, errors that come in clusters. So a bet that multiplies what was staked by
//!
//! ```text
//! q/w · x/m + (1-q)/(1-w) · (1 - x/m)        q = w·θ / (w·θ + 1 - w)
//! ```
//!
//! is fair, and nobody gets rich by it: that the wealth of who begins with 1 ever reaches `1/α` has at most the probability `α`
//! (Ville's inequality). If the new version has `θ` times the errors, `q` is the share that falls on it, and the wealth grows.
//! For a single error the factor is the likelihood ratio (Wald 1945; Lindon and Malek, *Anytime-Valid Inference for Multinomial Count
//! Data*, NeurIPS 2022); for several it is a bet on the mean of a bounded variable (Waudby-Smith and Ramdas, *Estimating means of
//! bounded random variables by betting*, JRSS B 2024), which is fair however the errors within a bucket depend on each other. The
//! product of likelihood ratios is not: clusters of errors make it grow by themselves.
//!
//! Nobody knows `θ`, nor when the new version becomes worse. So the stake is spread over several `θ`, and over moments to begin at:
//! a mixture of fair bets is fair.

use jiff::Timestamp;

/// The stakes: so many times the errors, and the part of the wealth that bets on it.
const STAKES: [(f64, f64); 7] = [(1.5, 0.1), (2.0, 0.25), (3.0, 0.2), (5.0, 0.15), (10.0, 0.15), (30.0, 0.1), (300.0, 0.05)];

/// This part of each stake bets from the first bucket on.
const AT_ONCE: f64 = 0.6;

/// The rest is shared out over the moments at which the version may become worse, one in so many seconds of what is judged ...
const ONSET_EVERY_SECS: i64 = 60;

/// ... evenly over about so many of them, and less and less for later ones: the n-th gets `h/((h+n-1)(h+n))` of it, 1 in all.
const ONSETS_HALF: f64 = 30.0;

/// What a bucket says of one metric: so many of so many happened to the new version, which had this share of the requests.
#[derive(Debug, Clone, Copy)]
pub(super) struct Draw {
    /// When the bucket began.
    pub(super) at: Timestamp,
    /// The errors, or slow requests, of the new version.
    pub(super) canary: u64,
    /// Those of the stable version.
    pub(super) stable: u64,
    /// The new version's requests.
    pub(super) canary_requests: u64,
    /// The stable version's requests.
    pub(super) stable_requests: u64,
}

impl Draw {
    /// The new version's share of the requests. Both have some.
    pub(super) fn share(&self) -> f64 {
        self.canary_requests as f64 / (self.canary_requests as f64 + self.stable_requests as f64)
    }

    /// The new version's share of what happened. None where nothing did.
    pub(super) fn seen(&self) -> Option<f64> {
        let all = self.canary as f64 + self.stable as f64;
        (all > 0.0).then(|| self.canary as f64 / all)
    }
}

/// The share of what happens that falls on a version with the share `w` of the requests, if it happens to it `theta` times as often.
pub(super) fn tilted(w: f64, theta: f64) -> f64 {
    w * theta / (w * theta + 1.0 - w)
}

/// The logarithm of what a bet multiplies the stake by, that the share is `q` and not `w`, where it was `seen`.
pub(super) fn log_factor(w: f64, q: f64, seen: f64) -> f64 {
    // Both shares lie strictly between 0 and 1, so neither quotient is without bound, and their mean is above zero.
    (q / w * seen + (1.0 - q) / (1.0 - w) * (1.0 - seen)).ln()
}

/// log(exp(a) + exp(b)).
pub(super) fn log_add(a: f64, b: f64) -> f64 {
    let (low, high) = if a < b { (a, b) } else { (b, a) };
    if high == f64::NEG_INFINITY { high } else { high + (low - high).exp().ln_1p() }
}

/// What bets on one metric have come to.
#[derive(Debug, Clone)]
pub(super) struct Wealth {
    bets: [Bet; STAKES.len()],
    /// When the first bucket began, and how many onsets have been bet on.
    began: Option<Timestamp>,
    onsets: u32,
    /// The part of every stake that waits for a later onset.
    waiting: f64,
}

/// The bets on one `theta`.
#[derive(Debug, Clone, Copy)]
struct Bet {
    /// The logarithm of what all its bets together have come to.
    log: f64,
    /// The logarithm of what the best of them has come to, by the moment it began at.
    best: f64,
    since: Option<Timestamp>,
    odds: Odds,
}

/// Mantel and Haenszel's estimate of how many times as often something happens to the new version, over buckets with different shares
/// and incidents (*JNCI* 22, 1959).
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Odds {
    over: f64,
    under: f64,
}

impl Odds {
    pub(super) fn take(&mut self, draw: &Draw) {
        let w = draw.share();
        self.over += draw.canary as f64 * (1.0 - w);
        self.under += draw.stable as f64 * w;
    }

    /// How many times as often. None where nothing happened; without bound where it happened to the new version only.
    pub(super) fn estimate(&self) -> Option<f64> {
        (self.over > 0.0 || self.under > 0.0).then(|| self.over / self.under)
    }
}

impl Wealth {
    pub(super) fn new() -> Wealth {
        let bet = Bet { log: f64::NEG_INFINITY, best: f64::NEG_INFINITY, since: None, odds: Odds::default() };
        Wealth { bets: [bet; STAKES.len()], began: None, onsets: 0, waiting: 1.0 }
    }

    /// Bets on what a bucket has brought. Both versions had requests in it.
    pub(super) fn take(&mut self, draw: &Draw) {
        let stake = self.stake(draw.at);
        let w = draw.share();
        let seen = draw.seen();
        for (bet, (theta, _)) in self.bets.iter_mut().zip(STAKES) {
            bet.begin(stake, draw.at);
            if let Some(seen) = seen {
                let factor = log_factor(w, tilted(w, theta), seen);
                bet.log += factor;
                bet.best += factor;
                bet.odds.take(draw);
            }
        }
    }

    /// The part of the stakes that begins to bet with a bucket. Which buckets there are was not decided by what happened in them.
    fn stake(&mut self, at: Timestamp) -> f64 {
        let Some(began) = self.began else {
            self.began = Some(at);
            self.waiting = 1.0 - AT_ONCE;
            return AT_ONCE;
        };
        let due = (at.as_second() - began.as_second()) / ONSET_EVERY_SECS;
        let mut stake = 0.0;
        while i64::from(self.onsets) < due {
            self.onsets += 1;
            let n = f64::from(self.onsets);
            stake += (1.0 - AT_ONCE) * ONSETS_HALF / ((ONSETS_HALF + n - 1.0) * (ONSETS_HALF + n));
        }
        self.waiting = (self.waiting - stake).max(0.0);
        stake
    }

    /// The logarithm of the wealth: of the e-value that the new version is no worse.
    pub(super) fn log(&self) -> f64 {
        let bets = self.bets.iter().zip(STAKES).map(|(bet, (_, part))| bet.log + part.ln());
        bets.fold(self.waiting.ln(), log_add)
    }

    /// The bet that has brought most: since when it goes, and the estimate since then.
    pub(super) fn leading(&self) -> Option<(Timestamp, Odds)> {
        let ahead = |bet: &(&Bet, (f64, f64))| bet.0.log + bet.1.1.ln();
        let best = self.bets.iter().zip(STAKES).max_by(|a, b| ahead(a).total_cmp(&ahead(b)))?.0;
        Some((best.since?, best.odds))
    }
}

impl Bet {
    /// So much of the stake begins to bet now.
    fn begin(&mut self, stake: f64, at: Timestamp) {
        if stake <= 0.0 {
            return;
        }
        let fresh = stake.ln();
        self.log = log_add(self.log, fresh);
        if fresh > self.best {
            (self.best, self.since, self.odds) = (fresh, Some(at), Odds::default());
        }
    }
}
