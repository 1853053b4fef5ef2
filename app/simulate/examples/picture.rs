//! The picture of `docs/rollout-analysis.md`: a simulated rollout that is rolled back.
//!
//! `cargo run -p gatewright-simulate --example picture > docs/rollout-analysis.svg`

#![expect(clippy::print_stdout, reason = "an example prints what it makes")]

use gatewright_core::rollout::analysis::{Analysis, AnalysisConfig, Baseline, Moment, Picture, Stage, Verdict};
use gatewright_simulate::world::World;
use gatewright_simulate::{BUCKET_SECS, Cell, Confounder, Fault, Onset, STEP_SECS, STEPS};

const SEED: u64 = 2026;

fn main() {
    // Four times the errors, from the middle of the second step on.
    let cell = Cell {
        requests_per_sec: 20,
        base_percent: 0.5,
        fault: Fault::Errors(4.0),
        onset: Onset::Middle,
        confounder: confounder(),
    };
    let (config, baseline) = (AnalysisConfig::default(), Baseline::default());
    let mut analysis = Analysis::new(config, &baseline);
    let world = World::new(cell, SEED, 1);
    let (mut buckets, mut steps, mut evidence, mut now) = (Vec::new(), Vec::new(), None, 0);
    'rollout: for (number, percent) in STEPS.into_iter().enumerate() {
        let stage = Stage { since: World::at(now), secs: STEP_SECS, last: number + 1 == STEPS.len() };
        steps.push((stage.since, percent));
        for _ in 0..STEP_SECS / u64::from(BUCKET_SECS) {
            if let Some(bucket) = world.bucket(now, percent) {
                analysis.take(&bucket);
                buckets.push(bucket);
            }
            now += BUCKET_SECS;
            if let Verdict::RollBack { evidence: found } =
                analysis.verdict(&Moment { now: World::at(now), stage, instances: None })
            {
                evidence = Some(found);
                break 'rollout;
            }
        }
    }
    let evidence = evidence.as_deref();
    println!("{}", Picture { config: &config, baseline: &baseline, buckets: &buckets, steps: &steps, evidence }.svg());
}

/// With `outage` as an argument, five minutes of it are not measured; with `incident`, both versions fail for five minutes.
fn confounder() -> Confounder {
    match std::env::args().nth(1).as_deref() {
        Some("outage") => Confounder::Outage,
        Some("incident") => Confounder::Incident,
        Some(_) | None => Confounder::None,
    }
}
