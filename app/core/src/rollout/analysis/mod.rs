//! Whether a new version is worse than the one that it is to replace, judged from what was measured of both at the same time.
//!
//! [`judge`] is a deterministic function of what was journaled: the [`AnalysisConfig`] of the repository file, the [`Baseline`], the
//! [`Bucket`]s. It may be called as often as anybody likes without being wrong more often for it. What it says:
//!
//! - [`Verdict::RollBack`]: the new version is shown to be worse (`wealth.rs`), breaks a fixed limit (`fixed.rs`), or none of its
//!   instances is ready. Only what was measured leads here.
//! - [`Verdict::Promote`]: the stage may be left upwards: it has lasted as long as planned, at least half of it was measured, and of the
//!   last stage it is also shown that the new version is no worse than is tolerated (`bound.rs`).
//! - [`Verdict::Extend`]: neither yet. [`Verdict::Inconclusive`]: neither, and the stage has been drawn out for as long as it may.
//!
//! A value that is bad is not the same as a value that could not be measured: what was not measured has no bucket, moves no evidence,
//! and never leads to a rollback nor to a promotion. No traffic is no success.
//!
//! Deliberately absent: a clock, the source of the numbers, the weights that were asked for (what counts is the share of the requests that
//! was observed) and what is done about a verdict. Who calls it: the machine of a rollout, and the simulation that publishes its error
//! rates (`docs/rollout-analysis.md`).
//!
//! Where no stable version takes requests any more, as after the switch of a blue-green rollout, buckets can be made of the new
//! version's counts and the stable version's as long before the switch. Then what strikes both is not taken out.

mod bound;
mod bucket;
mod config;
mod evidence;
mod fixed;
mod picture;
mod verdict;
mod wealth;

#[cfg(test)]
mod tests;

pub use bucket::{Baseline, Bucket, Counts, Pools, Thresholds};
pub use config::{AnalysisConfig, ErrorLimit, FixedLimits, Times};
pub use evidence::{Evidence, Metric, MetricEvidence, Odds, Rule, Seen};
pub use picture::Picture;
pub use verdict::{Analysis, Instances, Moment, Reason, Stage, Verdict, judge};
