//! Judge: what a look at a rollout comes to. Pure.

use std::borrow::Cow;

use gatewright_core::Timestamp;
use gatewright_core::config::StepHold;
use gatewright_core::rollout::analysis::{
    AnalysisConfig, Baseline, Bucket, Instances, Moment, Pools, Stage, Verdict, judge as verdict,
};
use gatewright_core::rollout::{Finding, Move};
use gatewright_core::run::{Look, Rollout};
use gatewright_core::target::{PoolId, Reading, Totals};
use jiff::SignedDuration;

use super::make::ready_within_secs;

/// Why it goes no further.
const OF_BOTH: &str = "the old version's instances are not ready either";

/// What a look comes to, with all that was seen before it.
pub(super) fn judge(rollout: &Rollout, look: &Look, now: Timestamp) -> Finding {
    let of_both = is_of_both(rollout, look, now);
    if let Some(because) = failing(rollout, look).filter(|_| !of_both) {
        return Finding::Back { because, evidence: None };
    }
    let Some(stage) = stage(rollout) else { return Finding::GoOn };
    let config = config(rollout);
    let looks: Vec<&Look> = rollout.looks.iter().map(|(_, look, _)| look).chain([look]).collect();
    let (baseline, buckets) = measured(rollout, &looks);
    let moment = Moment { now, stage, instances: look.instances.filter(|_| !of_both) };
    let manual = matches!(rollout.current(), Some(Move::Hold { hold: StepHold::Manual, .. }));
    match verdict(&config, &baseline, &buckets, &moment) {
        Verdict::RollBack { evidence } => Finding::Back { because: sentence(&evidence.to_string()), evidence: Some(evidence) },
        Verdict::Promote if of_both => Finding::Wait { because: OF_BOTH.to_owned() },
        Verdict::Promote => match objection(rollout, &looks, &config, &moment) {
            None => Finding::GoOn,
            Some(because) if manual => Finding::Wait { because },
            Some(because) => Finding::Pause { because: sentence(&because) },
        },
        Verdict::Extend { because } => Finding::Wait { because: because.to_string() },
        // Somebody is to decide anyway.
        Verdict::Inconclusive { because } if manual => Finding::Wait { because: because.to_string() },
        Verdict::Inconclusive { because } => Finding::Pause { because: sentence(&because.to_string()) },
    }
}

/// What another source of metrics has against going on. The first decides; what the others show to be worse goes no further by itself,
/// and is for people to decide. One that cannot be read has nothing to say.
fn objection(rollout: &Rollout, looks: &[&Look], config: &AnalysisConfig, moment: &Moment) -> Option<String> {
    // Where one could not be read, which of them the others are cannot be told.
    let all = looks.iter().map(|look| look.others.len()).max()?;
    let whole = || looks.iter().filter(move |look| look.others.len() == all);
    (0..all).find_map(|n| {
        let of_other = |look: &&Look| Look { reading: look.others.get(n).cloned(), ..(*look).clone() };
        let theirs: Vec<Look> = whole().map(of_other).collect();
        let (baseline, buckets) = measured(rollout, &theirs.iter().collect::<Vec<_>>());
        match verdict(config, &baseline, &buckets, moment) {
            Verdict::RollBack { evidence } => Some(format!("another source of metrics speaks against it: {evidence}")),
            Verdict::Promote | Verdict::Extend { .. } | Verdict::Inconclusive { .. } => None,
        }
    })
}

fn sentence(words: &str) -> String {
    let mut chars = words.chars();
    chars.next().map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
}

/// Half of them, or more, are not as they should be.
fn bad(instances: &Instances) -> bool {
    instances.all > 0 && instances.ready * 2 <= instances.all
}

/// Whether the old version's instances are in no better way than the new ones, so that nothing speaks against the new version: an engine
/// that was restarted starts all of them again. They have as long for it as new ones have; then it is no matter whose fault it is.
fn is_of_both(rollout: &Rollout, look: &Look, now: Timestamp) -> bool {
    let both = |look: &Look| look.instances.as_ref().is_some_and(bad) && look.old_instances.as_ref().is_some_and(bad);
    let since = rollout.looks.iter().rev().take_while(|(_, look, _)| both(look)).last().map_or(now, |(at, _, _)| *at);
    let patience = SignedDuration::from_secs(i64::try_from(ready_within_secs(&rollout.spec.pool.config)).unwrap_or(i64::MAX));
    both(look) && now.duration_since(since) <= patience
}

/// Half of the new instances, or more, are not as they should be, and were not at the look before either.
fn failing(rollout: &Rollout, look: &Look) -> Option<String> {
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
        let alone = in_order(looks);
        let alone: Vec<&Reading> = alone.iter().map(|reading| &**reading).collect();
        return (
            Baseline::default(),
            pairs(&alone, |before, after| Bucket::between(before, after, Pools { canary: new, stable: new }, None)),
        );
    };
    let read: Vec<&Look> = looks.iter().copied().filter(|look| look.reading.is_some()).collect();
    let shared_at = rollout.checkpoints.iter().map(|(at, _)| *at).nth(shares_of_nothing(rollout));
    // The router's own word counts beside the time: a clock that was set back makes nothing a measurement of before.
    let is_shared = |look: &&Look| {
        let late = |at| look.reading.as_ref().is_some_and(|reading| reading.at >= at);
        shared_at.is_some_and(|at| late(at) || look.share_millipercent > 0)
    };
    let (before, since) = read.split_at(read.iter().position(is_shared).unwrap_or(read.len()));
    let (before, since) = (in_order(before), in_order(since));
    let (before, since): (Vec<&Reading>, Vec<&Reading>) =
        (before.iter().map(|reading| &**reading).collect(), since.iter().map(|reading| &**reading).collect());
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

/// What was read, in the order in which it was. Where the clock was set back in between, what was read before is moved back as far: what
/// counts is how long things lasted, and the time now.
fn in_order<'a>(looks: &[&'a Look]) -> Vec<Cow<'a, Reading>> {
    let mut readings: Vec<Cow<'_, Reading>> = looks.iter().filter_map(|look| look.reading.as_ref()).map(Cow::Borrowed).collect();
    let mut back = SignedDuration::ZERO;
    let mut next: Option<Timestamp> = None;
    for reading in readings.iter_mut().rev() {
        let at = reading.at.saturating_sub(back).unwrap_or(Timestamp::MIN);
        let at = next.map_or(at, |next| next.min(at));
        if at != reading.at {
            back = reading.at.duration_since(at);
            reading.to_mut().at = at;
        }
        next = Some(at);
    }
    readings
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

#[cfg(test)]
mod tests;
