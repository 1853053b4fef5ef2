//! Ways to judge a canary.

mod checks;
mod plain;
mod rank;
mod sequential;

use std::fmt;

use gatewright_core::rollout::analysis::Bucket;
use serde::Serialize;

use crate::world::World;
use crate::{BUCKET_SECS, STEP_SECS, STEPS};

/// A way to judge a canary.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Method {
    /// Gatewright's own: bets per bucket. Errors and latency are compared, as in a file that asks for both.
    Gatewright,
    /// The same, of errors only: what the others look at.
    GatewrightErrors,
    /// The product of likelihood ratios, its logarithm divided by the overdispersion before the rollout.
    LikelihoodRatio,
    /// Every minute, 99 % of the last minute's requests have to succeed; five minutes that do not are too many. What could not be
    /// measured failed.
    Fixed99,
    /// The same with 95 % and more than three minutes; more than four in a row that could not be measured are too many.
    Fixed95,
    /// Every minute a z-test of all errors so far, at 5 %.
    PeekingZ,
    /// At the end of each step, the Mann-Whitney test of the shares of errors by the minute, at 98 % confidence.
    MannWhitney,
}

impl Method {
    /// All of them.
    pub const ALL: [Method; 7] = [
        Method::Gatewright,
        Method::GatewrightErrors,
        Method::LikelihoodRatio,
        Method::Fixed99,
        Method::Fixed95,
        Method::PeekingZ,
        Method::MannWhitney,
    ];

    /// Its name, as the command line takes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Method::Gatewright => "gatewright",
            Method::GatewrightErrors => "gatewright-errors",
            Method::LikelihoodRatio => "likelihood-ratio",
            Method::Fixed99 => "fixed-99",
            Method::Fixed95 => "fixed-95",
            Method::PeekingZ => "peeking-z",
            Method::MannWhitney => "mann-whitney",
        }
    }

    /// How a rollout ends that is judged so, where what is measured in the first seconds is not judged.
    pub fn judge(self, world: &World, warm_up_secs: u32) -> Ending {
        let planned = |watch: &mut dyn Watch| planned(world, warm_up_secs, watch);
        match self {
            Method::Gatewright => sequential::judge(world, sequential::both(warm_up_secs)),
            Method::GatewrightErrors => sequential::judge(world, sequential::errors(warm_up_secs)),
            Method::LikelihoodRatio => planned(&mut plain::LikelihoodRatio::new(world)),
            Method::Fixed99 => planned(&mut checks::Fixed::new(0.99, 5, u32::MAX)),
            Method::Fixed95 => planned(&mut checks::Fixed::new(0.95, 4, 5)),
            Method::PeekingZ => planned(&mut checks::PeekingZ::default()),
            Method::MannWhitney => planned(&mut rank::MannWhitney::default()),
        }
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How a rollout ended, after so many seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// The new version was undone.
    RolledBack(u32),
    /// It got everything.
    Promoted(u32),
    /// Nobody knows, and somebody has to decide.
    Inconclusive(u32),
}

/// What looks at bucket after bucket, and says whether the new version has to go.
trait Watch {
    /// A bucket, or None where it could not be measured, which ends after so many seconds.
    fn is_bad(&mut self, bucket: Option<&Bucket>, ends: u32) -> bool;
}

/// A rollout that goes by its plan and nothing else, until it is undone.
fn planned(world: &World, warm_up_secs: u32, watch: &mut dyn Watch) -> Ending {
    let mut now = 0;
    for percent in STEPS {
        for _ in 0..STEP_SECS / u64::from(BUCKET_SECS) {
            let (is_cold, bucket) = (now < warm_up_secs, world.bucket(now, percent));
            now += BUCKET_SECS;
            if !is_cold && watch.is_bad(bucket.as_ref(), now) {
                return Ending::RolledBack(now);
            }
        }
    }
    Ending::Promoted(now)
}
