//! Judge: what a look at a rollout comes to. Pure.

use gatewright_core::Timestamp;
use gatewright_core::config::StepHold;
use gatewright_core::rollout::analysis::{
    AnalysisConfig, Baseline, Bucket, Instances, Moment, Pools, Stage, Verdict, judge as verdict,
};
use gatewright_core::rollout::{Finding, Move};
use gatewright_core::run::{Look, Rollout};
use gatewright_core::target::{PoolId, Reading, Totals};

/// What a look comes to, with all that was seen before it.
pub(super) fn judge(rollout: &Rollout, look: &Look, now: Timestamp) -> Finding {
    if let Some(because) = failing(rollout, look) {
        return Finding::Back { because, evidence: None };
    }
    let Some(stage) = stage(rollout) else { return Finding::GoOn };
    let config = config(rollout);
    let looks: Vec<&Look> = rollout.looks.iter().map(|(_, look, _)| look).chain([look]).collect();
    let (baseline, buckets) = measured(rollout, &looks);
    let moment = Moment { now, stage, instances: look.instances };
    let manual = matches!(rollout.current(), Some(Move::Hold { hold: StepHold::Manual, .. }));
    match verdict(&config, &baseline, &buckets, &moment) {
        Verdict::RollBack { evidence } => Finding::Back { because: sentence(&evidence.to_string()), evidence: Some(evidence) },
        Verdict::Promote => Finding::GoOn,
        Verdict::Extend { because } => Finding::Wait { because: because.to_string() },
        // Somebody is to decide anyway.
        Verdict::Inconclusive { because } if manual => Finding::Wait { because: because.to_string() },
        Verdict::Inconclusive { because } => Finding::Pause { because: sentence(&because.to_string()) },
    }
}

fn sentence(words: &str) -> String {
    let mut chars = words.chars();
    chars.next().map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
}

/// Half of the new instances, or more, are not as they should be, and were not at the look before either.
fn failing(rollout: &Rollout, look: &Look) -> Option<String> {
    let bad = |instances: &Instances| instances.all > 0 && instances.ready * 2 <= instances.all;
    let before = rollout.looks.last().and_then(|(_, look, _)| look.instances);
    let instances = look.instances.filter(bad)?;
    let again = before.is_some_and(|before| bad(&before));
    let none = instances.ready == 0 && rollout.percent > 0;
    let named = look.unhealthy.join("; ");
    (again || none).then(|| format!("{} of {} new instances are ready ({named})", instances.ready, instances.all))
}

/// The stage that it is in. None while nobody gets the new version.
fn stage(rollout: &Rollout) -> Option<Stage> {
    if rollout.percent == 0 {
        return None;
    }
    let secs = match rollout.current() {
        Some(Move::Hold { hold: StepHold::Secs(secs), .. }) => *secs,
        Some(_) | None => 0,
    };
    let rest = rollout.moves.get(rollout.made..).unwrap_or_default();
    let next = rest.iter().find_map(|what| match what {
        Move::Share { percent } => Some(*percent),
        Move::Hook { .. }
        | Move::Deploy { .. }
        | Move::Baseline { .. }
        | Move::Hold { .. }
        | Move::Shrink { .. }
        | Move::Settle
        | Move::Keep { .. }
        | Move::Clean => None,
    });
    Some(Stage { since: rollout.since, secs, last: next.is_none_or(|percent| percent == 100) })
}

/// What is asked for. Where the old version gets nothing any more and nothing was measured of it before, there is nothing to compare with.
fn config(rollout: &Rollout) -> AnalysisConfig {
    let config = rollout.spec.environment.analysis;
    let compares = rollout.percent < 100 || switched_at_once(rollout);
    if compares { config } else { AnalysisConfig { errors: None, latency_p95: None, ..config } }
}

/// Whether everything went to the new version at once, so that it is compared with the old one before that.
fn switched_at_once(rollout: &Rollout) -> bool {
    let mut shares = rollout.moves.iter().filter_map(|what| match what {
        Move::Share { percent } if *percent > 0 => Some(*percent),
        _ => None,
    });
    rollout.live().is_some()
        && shares.next() == Some(100)
        && rollout.moves.iter().any(|what| matches!(what, Move::Baseline { .. }))
}

/// What was measured: of the old version before the new one got anything, and of both since.
pub(super) fn measured(rollout: &Rollout, looks: &[&Look]) -> (Baseline, Vec<Bucket>) {
    let new = &rollout.spec.pool.id;
    let Some(old) = rollout.live().map(|live| &live.pool.id) else {
        let alone = readings(looks).collect::<Vec<_>>();
        return (
            Baseline::default(),
            pairs(&alone, |before, after| Bucket::between(before, after, Pools { canary: new, stable: new }, None)),
        );
    };
    let shared_at = rollout.checkpoints.iter().map(|(at, _)| *at).nth(shares_of_nothing(rollout));
    let (before, since): (Vec<&Reading>, Vec<&Reading>) =
        readings(looks).partition(|reading| shared_at.is_none_or(|at| reading.at < at));
    let baseline = baseline(&before, old, &rollout.spec.environment.analysis);
    let pools = Pools { canary: new, stable: old };
    let buckets = pairs(&since, |a, b| Bucket::between(a, b, pools, baseline.thresholds));
    if !switched_at_once(rollout) {
        return (baseline, buckets);
    }
    let usual = pairs(&before, |a, b| Bucket::between(a, b, Pools { canary: old, stable: old }, baseline.thresholds));
    // Each span before the switch stands for one after it, once.
    let both = buckets.into_iter().zip(usual).map(|(bucket, usual)| Bucket { stable: usual.stable, ..bucket });
    (baseline, both.collect())
}

/// So many changes of shares came before the first that gave the new version anything.
fn shares_of_nothing(rollout: &Rollout) -> usize {
    let shares = rollout.moves.iter().filter_map(|what| match what {
        Move::Share { percent } => Some(*percent),
        _ => None,
    });
    shares.take_while(|percent| *percent == 0).count()
}

fn readings<'a>(looks: &[&'a Look]) -> impl Iterator<Item = &'a Reading> {
    looks.iter().filter_map(|look| look.reading.as_ref())
}

fn pairs(readings: &[&Reading], bucket: impl Fn(&Reading, &Reading) -> Option<Bucket>) -> Vec<Bucket> {
    readings.windows(2).filter_map(|pair| bucket(pair[0], pair[1])).collect()
}

fn baseline(readings: &[&Reading], stable: &PoolId, config: &AnalysisConfig) -> Baseline {
    let (Some(first), Some(last)) = (readings.first(), readings.last()) else { return Baseline::default() };
    let none = Totals::default();
    let totals = |reading: &&Reading| reading.pools.get(stable).cloned();
    let (Some(before), Some(after)) = (totals(first).or(Some(none)), totals(last)) else { return Baseline::default() };
    Baseline::between(&before, &after, config.latency_p95).unwrap_or_default()
}
