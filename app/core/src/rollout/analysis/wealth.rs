//! The sequential test: what somebody would have by now who bets that the new version is worse.
//!
//! Of the `m` errors of a bucket (or slow requests), `x` fell on the new version, which had the share `w` of the bucket's requests.
//! If it is no worse, `x/m` is `w` in the mean (or less), whatever else happened: an incident that struck both, more or less traffic,
//! another weight, errors that come in clusters. So a bet that multiplies what was staked by
//!
//! ```text
//! 1 + λ · (x/m - w)        where λ is chosen before x is known, and not below zero
//! ```
//!
//! is fair (or worse), and nobody gets rich by it: that the wealth of who begins with 1 ever reaches `1/α` has at most the probability
//! `α` (Ville's inequality). That is a bet on the mean of a bounded variable (Waudby-Smith and Ramdas, *Estimating means of bounded
//! random variables by betting*, JRSS B 2024), and it is fair however the errors of a bucket depend on each other.
//!
//! If the new version has `θ` times the errors, it gets `q = wθ / (wθ + 1 - w)` of them in the mean, and `λ` is chosen to make the wealth
//! grow fast then. Of a single error that gives the likelihood ratio, as in Wald's test (1945) and in Lindon and Malek's (*Anytime-Valid
//! Inference for Multinomial Count Data*, NeurIPS 2022). Of several, the product of their likelihood ratios would grow a little faster if
//! they were independent, and by itself if they were not.
//!
//! Nobody knows `θ`, nor when the new version becomes worse. So the stake is spread over several `θ`, and over moments to begin at:
//! a mixture of fair bets is fair.

use jiff::Timestamp;

/// The stakes: so many times what is tolerated, and the part of the wealth that bets on it.
const STAKES: [(f64, f64); 5] = [(4.0 / 3.0, 0.4), (8.0 / 3.0, 0.3), (20.0 / 3.0, 0.2), (80.0 / 3.0, 0.07), (200.0, 0.03)];

/// This part of each stake bets from the first bucket on.
const AT_ONCE: f64 = 0.8;

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

    /// How often it happened. None where it did not.
    pub(super) fn happened(&self, clusters: &Clusters) -> Option<Happened> {
        let count = self.canary as f64 + self.stable as f64;
        (count > 0.0).then(|| Happened { count, seen: self.canary as f64 / count, cluster: clusters.size() })
    }
}

/// The share of what happens that falls on a version with the share `w` of the requests, if it happens to it `theta` times as often.
pub(super) fn tilted(w: f64, theta: f64) -> f64 {
    w * theta / (w * theta + 1.0 - w)
}

/// No bet on the mean loses more than this part of its stake in one bucket.
const LOST_MAX: f64 = 0.95;

/// How much the stake is held back for the spread of `x/m` that does not go away with a larger `m`. Kelly's rule for a variable of the
/// mean `q` and a small variance `v` stakes `(q-w) / (v + (q-w)²)`; less caution found faulty versions sooner in the simulation.
const CAUTION: f64 = 0.25;

/// The logarithm of what a bet multiplies the stake by, that the share is `q` in the mean and not `w`, both strictly between 0 and 1,
/// in a bucket in which so many happened. Which of the two ways to bet promises more is decided before it is looked where they happened.
pub(super) fn log_factor(w: f64, q: f64, happened: &Happened) -> f64 {
    let Happened { count, seen, cluster } = *happened;
    let ahead = q - w;
    let single = ahead / (w * (1.0 - w));
    let several = ahead / (w * (1.0 - w) / count + CAUTION * (1.0 - 1.0 / count) * ahead * ahead);
    // The stake of a single one never loses everything, and is what more of them begin from.
    let stake = if ahead < 0.0 { several.max(-LOST_MAX / (1.0 - w)).min(single) } else { several.min(LOST_MAX / w).max(single) };
    // Of one cluster, the bet on the mean always promises more.
    let clusters = count / cluster;
    if clusters > 1.0 {
        let (win, lose) = ((q / w).ln(), ((1.0 - q) / (1.0 - w)).ln());
        if clusters * (q * win + (1.0 - q) * lose) > (stake * ahead).ln_1p() {
            return clusters * (seen * win + (1.0 - seen) * lose);
        }
    }
    (stake * (seen - w)).ln_1p()
}

/// How often something happened in a bucket, and where.
#[derive(Debug, Clone, Copy)]
pub(super) struct Happened {
    /// How often, above zero.
    count: f64,
    /// The part of it that happened to the new version.
    seen: f64,
    /// So many of them at most are thought to have had one cause, and to have struck one version because of it.
    cluster: f64,
}

/// How errors come together, measured at the stable version alone while it goes on: the variance over the mean, from each bucket and
/// the next one, so that what changes slowly is not taken for it (von Neumann, *Annals of Mathematical Statistics* 12, 1941).
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Clusters {
    last: Option<(f64, f64)>,
    squares: f64,
    count: f64,
}

/// However they come, so many may have had one cause.
const CLUSTER_MIN: f64 = 8.0;

/// Clusters are of different sizes: up to so many times the variance over the mean is reckoned with.
const CLUSTER_SPREAD: f64 = 4.0;

impl Clusters {
    /// What the next bucket's errors are thought to come in.
    fn size(&self) -> f64 {
        let dispersion = if self.count > 0.0 { self.squares / self.count } else { 1.0 };
        (CLUSTER_SPREAD * dispersion).max(CLUSTER_MIN)
    }

    /// Two buckets with the same chance of an error have them in the proportion of their requests.
    pub(super) fn take(&mut self, draw: &Draw) {
        let (errors, requests) = (draw.stable as f64, draw.stable_requests as f64);
        let Some((before, of)) = self.last.take() else {
            self.last = Some((errors, requests));
            return;
        };
        let part = of / (of + requests);
        let all = before + errors;
        self.squares += (before - all * part).powi(2) / (part * (1.0 - part));
        self.count += all;
    }
}

/// log(exp(a) + exp(b)).
pub(super) fn log_add(a: f64, b: f64) -> f64 {
    let (low, high) = if a < b { (a, b) } else { (b, a) };
    if high == f64::NEG_INFINITY { high } else { high + (low - high).exp().ln_1p() }
}

/// What bets on one metric have come to.
#[derive(Debug, Clone)]
pub(super) struct Wealth {
    tolerated: f64,
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
    /// The logarithm of what one of them would have gained that began at the best moment (Page's CUSUM, *Biometrika* 41, 1954).
    gain: f64,
    /// That moment, and what was seen since then.
    since: Option<Timestamp>,
    odds: OddsRatio,
}

/// Mantel and Haenszel's estimate of how many times as often something happens to the new version, over buckets with different shares
/// and incidents (*JNCI* 22, 1959).
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct OddsRatio {
    over: f64,
    under: f64,
}

impl OddsRatio {
    fn take(&mut self, draw: &Draw) {
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
    /// Of a metric at which so many times as many are tolerated.
    pub(super) fn new(tolerated: f64) -> Wealth {
        let bet = Bet { log: f64::NEG_INFINITY, gain: 0.0, since: None, odds: OddsRatio::default() };
        Wealth { tolerated, bets: [bet; STAKES.len()], began: None, onsets: 0, waiting: 1.0 }
    }

    /// Bets on what a bucket has brought. Both versions had requests in it.
    pub(super) fn take(&mut self, draw: &Draw, happened: Option<&Happened>) {
        let stake = self.stake(draw.at);
        let w = draw.share();
        for (bet, (times, _)) in self.bets.iter_mut().zip(STAKES) {
            if stake > 0.0 {
                bet.log = log_add(bet.log, stake.ln());
            }
            if let Some(happened) = happened {
                bet.take(log_factor(w, tilted(w, self.tolerated * times), happened), draw);
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
        let due = u32::try_from(due).unwrap_or(u32::MAX).max(self.onsets);
        // The parts up to the n-th come to n/(h+n) of the whole.
        let upto = |n: u32| f64::from(n) / (ONSETS_HALF + f64::from(n));
        let stake = (1.0 - AT_ONCE) * (upto(due) - upto(self.onsets));
        self.onsets = due;
        self.waiting = (self.waiting - stake).max(0.0);
        stake
    }

    /// The logarithm of the wealth: of the e-value that the new version is no worse.
    pub(super) fn log(&self) -> f64 {
        let bets = self.bets.iter().zip(STAKES).map(|(bet, (_, part))| bet.log + part.ln());
        bets.fold(self.waiting.ln(), log_add)
    }

    /// The logarithm of what would have been gained by who had known when and on what to bet. It is no e-value: it is large now and then.
    pub(super) fn gain(&self) -> f64 {
        self.bets.iter().map(|bet| bet.gain).fold(0.0, f64::max)
    }

    /// The bet that has brought most: since when it gains, and the estimate since then.
    pub(super) fn leading(&self) -> Option<(Timestamp, OddsRatio)> {
        let ahead = |bet: &(&Bet, (f64, f64))| bet.0.log + bet.1.1.ln();
        let best = self.bets.iter().zip(STAKES).max_by(|a, b| ahead(a).total_cmp(&ahead(b)))?.0;
        Some((best.since?, best.odds))
    }
}

impl Bet {
    fn take(&mut self, factor: f64, draw: &Draw) {
        self.log += factor;
        if self.gain <= 0.0 {
            (self.gain, self.since, self.odds) = (0.0, Some(draw.at), OddsRatio::default());
        }
        self.gain += factor;
        self.odds.take(draw);
    }
}
