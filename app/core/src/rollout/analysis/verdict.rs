//! From buckets to a verdict.

use std::collections::VecDeque;
use std::fmt;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::bound::{Bound, Few};
use super::evidence::{self, Evidence, Metric, MetricEvidence, Odds, Rule, Seen};
use super::fixed::Fixed;
use super::wealth::{Clusters, Draw, Wealth, log_add};
use super::{AnalysisConfig, Baseline, Bucket, Counts, Times};

/// What is not measured for longer than this is not known to be so any more.
const STALE_SECS: i64 = 60;

/// Two days of buckets of ten seconds. A stage that has lasted for longer counts as measured by these.
const SPANS_MAX: usize = 17_280;

/// While the new version has looked worse lately by odds of about ten to one, it does not get everything. A healthy one looks so now
/// and then, and waits for a minute or two; one that has become bad only lately would otherwise get through on its past.
const LOOKS_WORSE_LOG: f64 = 2.3;

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "verdict")]
pub enum Verdict {
    /// The new version is bad, and goes.
    RollBack {
        /// What shows it.
        evidence: Box<Evidence>,
    },
    /// The stage may be left upwards.
    Promote,
    /// It stays as it is, and is measured on.
    Extend {
        /// What is waited for.
        because: Reason,
    },
    /// It stays as it is until somebody decides.
    Inconclusive {
        /// What was waited for.
        because: Reason,
    },
}

/// Why a stage cannot be left.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "reason")]
pub enum Reason {
    /// It has not lasted as long as planned.
    StageLasts {
        /// Up to then.
        until: Timestamp,
    },
    /// Nothing was measured lately, or too little of the stage.
    NotMeasured {
        /// Since when nothing was. None: nothing ever was.
        since: Option<Timestamp>,
    },
    /// It was measured, and the new version had no requests that count.
    NoTraffic,
    /// It was measured, and the stable version had no requests to compare with.
    NothingToCompare,
    /// Latency is to be compared, and the source does not tell it, or there was no baseline.
    LatencyNotMeasured,
    /// It is not shown yet that a metric is no worse than tolerated.
    TooLittleKnown {
        /// The metric.
        metric: Metric,
        /// How many times as many there can be. None: any, or the stage can still be drawn out.
        at_most: Option<Times>,
        /// How many times as many there may be.
        tolerated: Times,
    },
    /// It rather looks worse, if not yet enough to roll back.
    LooksWorse {
        /// The odds.
        odds: Odds,
    },
}

/// A stage of a rollout: one weight.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stage {
    /// Since when the weight is read back as it is.
    pub since: Timestamp,
    /// So long it is to last at least, in seconds.
    pub secs: u64,
    /// Whether all requests go to the new version after it. What is left by any other stage is still being compared.
    pub last: bool,
}

/// The new version's instances, as their target sees them, once they have been ready.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Instances {
    /// So many are ready.
    pub ready: u32,
    /// Of so many.
    pub all: u32,
}

/// When it is judged.
#[derive(Debug, Clone, Copy)]
pub struct Moment {
    /// The time.
    pub now: Timestamp,
    /// The stage.
    pub stage: Stage,
    /// None where they were not looked at: that is no reason for anything.
    pub instances: Option<Instances>,
}

/// Judges from all buckets of a rollout, in the order of time. Of buckets that begin before another one has ended, the first counts.
/// Costs about a microsecond a bucket; who judges often keeps an [`Analysis`].
pub fn judge(config: &AnalysisConfig, baseline: &Baseline, buckets: &[Bucket], moment: &Moment) -> Verdict {
    let mut analysis = Analysis::new(*config, baseline);
    for bucket in buckets {
        analysis.take(bucket);
    }
    analysis.verdict(moment)
}

/// What is known of a rollout so far: what all buckets come to, taken one by one.
#[derive(Debug, Clone)]
pub struct Analysis {
    config: AnalysisConfig,
    has_thresholds: bool,
    /// When the new version had its first requests.
    first_requests: Option<Timestamp>,
    /// When the last bucket ended, judged or not.
    measured_to: Option<Timestamp>,
    seen: Seen,
    errors: Option<Compared>,
    few: Option<Few>,
    slow: Option<Compared>,
    fixed: Fixed,
    /// What tells whether a stage was measured. Of more buckets than [`SPANS_MAX`], the oldest are forgotten.
    spans: VecDeque<Span>,
}

/// What of a bucket tells whether a stage was measured.
#[derive(Debug, Clone, Copy)]
struct Span {
    from: Timestamp,
    secs: u32,
    canary: bool,
    stable: bool,
    slow: bool,
}

/// One metric.
#[derive(Debug, Clone)]
struct Compared {
    metric: Metric,
    tolerated: f64,
    clusters: Clusters,
    wealth: Wealth,
    bound: Bound,
    /// The share of the stable version's requests that it happened to.
    happened: u64,
    of: u64,
}

impl Compared {
    fn new(metric: Metric, tolerated: f64) -> Compared {
        Compared {
            metric,
            tolerated,
            clusters: Clusters::default(),
            wealth: Wealth::new(tolerated),
            bound: Bound::new(tolerated),
            happened: 0,
            of: 0,
        }
    }

    fn take(&mut self, draw: &Draw) {
        let happened = draw.happened(&self.clusters);
        self.wealth.take(draw, happened.as_ref());
        if let Some(happened) = &happened {
            self.bound.take(draw, happened);
        }
        // Afterwards: a bet may know what was before it, and not what comes.
        self.clusters.take(draw);
        self.happened = self.happened.saturating_add(draw.stable);
        self.of = self.of.saturating_add(draw.stable_requests);
    }

    /// How many times as often, by the best guess of since when.
    fn estimate(&self) -> Option<f64> {
        self.wealth.leading()?.1.estimate()
    }

    fn evidence(&self, tolerated: f64) -> MetricEvidence {
        MetricEvidence {
            metric: self.metric,
            odds: Odds::of_log(self.wealth.log()),
            estimate: self.estimate().and_then(times),
            at_most: self.bound.at_most().and_then(times),
            tolerated: times(tolerated).unwrap_or(Times::RANGE.1),
        }
    }
}

/// A factor to hundredths. None where it is more than can be said.
fn times(factor: f64) -> Option<Times> {
    let hundredths = (factor * 100.0).round();
    (hundredths < f64::from(u32::MAX)).then_some(Times { hundredths: hundredths as u32 })
}

impl Analysis {
    /// An analysis that has seen nothing.
    pub fn new(config: AnalysisConfig, baseline: &Baseline) -> Analysis {
        let share = |points: crate::config::Percent| f64::from(points.hundredths) / 10_000.0;
        let few = config.errors.map(|errors| share(errors.more_at_most)).filter(|limit| *limit > 0.0);
        Analysis {
            has_thresholds: baseline.thresholds.is_some(),
            first_requests: None,
            measured_to: None,
            seen: Seen::default(),
            errors: config.errors.map(|errors| Compared::new(Metric::Errors, errors.worse_at_most.factor())),
            few: few.map(Few::new),
            // What is tolerated is in the thresholds.
            slow: config.latency_p95.map(|_| Compared::new(Metric::SlowRequests, 1.0)),
            fixed: Fixed::default(),
            spans: VecDeque::new(),
            config,
        }
    }

    /// Takes the next bucket. One that begins before the last one ended says nothing new and is passed over.
    pub fn take(&mut self, bucket: &Bucket) {
        if bucket.secs == 0 || self.measured_to.is_some_and(|to| bucket.from < to) {
            return;
        }
        self.measured_to = Some(bucket.to());
        let (canary, stable) = (&bucket.canary, &bucket.stable);
        if canary.requests > 0 && self.first_requests.is_none() {
            self.first_requests = Some(bucket.from);
        }
        let is_cold = self.warm_from().is_none_or(|warm| bucket.from < warm);
        let (has_canary, has_stable) = (canary.requests > 0 && !is_cold, stable.requests > 0);
        let slow = canary.slow.is_some() && stable.slow.is_some() && self.has_thresholds;
        if self.spans.len() == SPANS_MAX {
            self.spans.pop_front();
        }
        self.spans.push_back(Span { from: bucket.from, secs: bucket.secs, canary: has_canary, stable: has_stable, slow });
        if has_canary {
            self.fixed.take(&self.config.fixed, bucket);
        }
        if has_canary && has_stable {
            self.compare(bucket);
        }
    }

    fn compare(&mut self, bucket: &Bucket) {
        self.seen.take(bucket);
        let draw = |of: fn(&Counts) -> Option<u64>| {
            let (canary, stable) = (&bucket.canary, &bucket.stable);
            Some(Draw {
                at: bucket.from,
                canary: of(canary)?.min(canary.requests),
                stable: of(stable)?.min(stable.requests),
                canary_requests: canary.requests,
                stable_requests: stable.requests,
            })
        };
        if let (Some(errors), Some(draw)) = (&mut self.errors, draw(|counts| Some(counts.errors))) {
            errors.take(&draw);
            if let Some(few) = &mut self.few {
                few.take(&draw);
            }
        }
        if let (Some(slow), Some(draw), true) = (&mut self.slow, draw(|counts| counts.slow), self.has_thresholds) {
            slow.take(&draw);
        }
    }

    /// From when on the new version is judged.
    fn warm_from(&self) -> Option<Timestamp> {
        Some(later(self.first_requests?, u64::from(self.config.warm_up_secs)))
    }

    /// What is to be done now.
    pub fn verdict(&self, moment: &Moment) -> Verdict {
        if let Some(rule) = self.broken(moment) {
            return Verdict::RollBack { evidence: Box::new(self.evidence(moment.now, Some(rule))) };
        }
        let Some(mut because) = self.wanting(moment) else { return Verdict::Promote };
        let end = later(moment.stage.since, moment.stage.secs.saturating_add(self.config.extend_at_most_secs));
        if moment.now < end {
            return Verdict::Extend { because };
        }
        if let Reason::TooLittleKnown { metric, at_most, .. } = &mut because {
            *at_most =
                self.compared().find(|compared| compared.metric == *metric).and_then(|it| it.bound.at_most()).and_then(times);
        }
        Verdict::Inconclusive { because }
    }

    /// What is known, for people.
    pub fn evidence(&self, at: Timestamp, rule: Option<Rule>) -> Evidence {
        let leading = self.compared().max_by(|a, b| a.wealth.log().total_cmp(&b.wealth.log()));
        let since = match rule {
            Some(Rule::Worse { .. }) => leading.and_then(|metric| metric.wealth.leading()).map(|(since, _)| since),
            _ => None,
        };
        Evidence {
            at,
            rule,
            since,
            odds: Odds::of_log(self.log_odds()),
            needed: Odds::of_log(self.log_needed()),
            metrics: self.compared().map(|metric| metric.evidence(self.tolerated(metric))).collect(),
            seen: self.seen,
        }
    }

    fn compared(&self) -> impl Iterator<Item = &Compared> {
        self.errors.iter().chain(&self.slow)
    }

    /// The logarithm of the e-value of all metrics: their mean, which is an e-value however they depend on each other (Vovk and Wang,
    /// *E-values: calibration, combination and applications*, Annals of Statistics 2021).
    pub(super) fn log_odds(&self) -> f64 {
        let count = self.compared().count();
        if count == 0 {
            return 0.0;
        }
        self.compared().map(|metric| metric.wealth.log()).fold(f64::NEG_INFINITY, log_add) - (count as f64).ln()
    }

    pub(super) fn log_needed(&self) -> f64 {
        let (least, most) = AnalysisConfig::ALPHA_RANGE;
        -(f64::from(self.config.alpha.clamp(least, most).hundredths) / 10_000.0).ln()
    }

    /// The rule that is broken.
    fn broken(&self, moment: &Moment) -> Option<Rule> {
        if let Some(Instances { ready: 0, all: instances @ 1.. }) = moment.instances {
            return Some(Rule::Unhealthy { instances });
        }
        self.fixed.broken(&self.config.fixed).or_else(|| self.worse())
    }

    /// The metric at which it is shown to be worse. With much traffic a version can be shown to be worse by less than is tolerated: so
    /// the estimate has to be above that too, which only makes a rollback rarer.
    fn worse(&self) -> Option<Rule> {
        if self.log_odds() < self.log_needed() {
            return None;
        }
        let leading = self.compared().max_by(|a, b| a.wealth.log().total_cmp(&b.wealth.log()))?;
        (leading.estimate()? >= leading.tolerated).then_some(Rule::Worse { metric: leading.metric })
    }

    /// What is wanting for the stage to be left upwards.
    fn wanting(&self, moment: &Moment) -> Option<Reason> {
        let until = later(moment.stage.since, moment.stage.secs);
        if moment.now < until {
            return Some(Reason::StageLasts { until });
        }
        if self.config.is_empty() {
            return None;
        }
        self.unmeasured(moment).or_else(|| if moment.stage.last { self.unknown() } else { None })
    }

    /// Why the stage does not count as measured.
    fn unmeasured(&self, moment: &Moment) -> Option<Reason> {
        let in_stage = || self.spans.iter().rev().take_while(|span| span.from >= moment.stage.since);
        let secs_of =
            |has: fn(&Span) -> bool| -> u64 { in_stage().filter(|span| has(span)).map(|span| u64::from(span.secs)).sum() };
        let half = moment.stage.secs / 2;
        let is_stale = self.measured_to.is_none_or(|to| moment.now.as_second() - to.as_second() > STALE_SECS);
        let (measured, canary) = (secs_of(|_| true), secs_of(|span| span.canary));
        if is_stale || measured == 0 || measured < half {
            return Some(Reason::NotMeasured { since: self.measured_to });
        }
        if canary == 0 {
            return Some(Reason::NoTraffic);
        }
        let compares = self.errors.is_some() || self.slow.is_some();
        if compares && secs_of(|span| span.canary && span.stable) == 0 {
            return Some(Reason::NothingToCompare);
        }
        let timed = secs_of(|span| span.canary && span.slow);
        (self.slow.is_some() && timed == 0).then_some(Reason::LatencyNotMeasured)
    }

    /// What is not yet known well enough for everything to go to the new version.
    fn unknown(&self) -> Option<Reason> {
        let gain = self.compared().map(|metric| metric.wealth.gain()).fold(0.0, f64::max);
        if gain >= LOOKS_WORSE_LOG {
            return Some(Reason::LooksWorse { odds: Odds::of_log(gain) });
        }
        self.compared().find_map(|metric| {
            let tolerated = self.tolerated(metric);
            let is_few = metric.metric == Metric::Errors && self.few.as_ref().is_some_and(Few::is_shown);
            let is_known = is_few || metric.bound.is_below(tolerated);
            (!is_known).then(|| Reason::TooLittleKnown {
                metric: metric.metric,
                at_most: None,
                tolerated: times(tolerated).unwrap_or(Times::RANGE.1),
            })
        })
    }

    /// How many times as often it may happen for everything to go to the new version: what the file says, or what so few percentage
    /// points come to at the stable version's own share.
    fn tolerated(&self, metric: &Compared) -> f64 {
        let points = self.config.errors.map_or(0.0, |errors| f64::from(errors.more_at_most.hundredths) / 10_000.0);
        if metric.metric != Metric::Errors || metric.happened == 0 {
            return metric.tolerated;
        }
        metric.tolerated.max(1.0 + points * metric.of as f64 / metric.happened as f64)
    }
}

/// So many seconds later.
fn later(at: Timestamp, secs: u64) -> Timestamp {
    let secs = SignedDuration::from_secs(i64::try_from(secs).unwrap_or(i64::MAX));
    at.saturating_add(secs).unwrap_or(Timestamp::MAX)
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Reason::StageLasts { until } => write!(f, "the stage lasts until {}", evidence::time(*until)),
            Reason::NotMeasured { since: Some(since) } => {
                write!(f, "it could not be measured well enough; the last measurement ended at {}", evidence::time(*since))
            }
            Reason::NotMeasured { since: None } => f.write_str("nothing could be measured"),
            Reason::NoTraffic => f.write_str("the new version has had no requests that count"),
            Reason::NothingToCompare => f.write_str("the stable version has had no requests to compare with"),
            Reason::LatencyNotMeasured => f.write_str(
                "latency is to be compared, and was not measured of both versions; take `latency-p95` out, or have a source that tells it",
            ),
            Reason::TooLittleKnown { metric, at_most: Some(at_most), tolerated } => {
                write!(f, "{metric} can still be up to {at_most} as many, and may be {tolerated}")
            }
            Reason::TooLittleKnown { metric, at_most: None, tolerated } => {
                write!(f, "too little is known to say that {metric} are at most {tolerated} as many as the stable version's")
            }
            Reason::LooksWorse { odds } => write!(f, "it rather looks worse, at odds of {odds}"),
        }
    }
}
