//! Gatewright's own analysis, as the machine of a rollout asks it.

use gatewright_core::rollout::analysis::{Analysis, AnalysisConfig, Baseline, Moment, Stage, Thresholds, Times, Verdict};

use super::Ending;
use crate::world::{LATENCY_TOLERATED, World};
use crate::{BUCKET_SECS, STEP_SECS, STEPS};

/// Errors and latency, as in a file that asks for both.
pub(super) fn both(warm_up_secs: u32) -> AnalysisConfig {
    let latency_p95 = Some(Times { hundredths: (LATENCY_TOLERATED * 100.0).round() as u32 });
    AnalysisConfig { latency_p95, warm_up_secs, ..AnalysisConfig::default() }
}

/// Errors only.
pub(super) fn errors(warm_up_secs: u32) -> AnalysisConfig {
    AnalysisConfig { warm_up_secs, ..AnalysisConfig::default() }
}

pub(super) fn judge(world: &World, config: AnalysisConfig) -> Ending {
    let thresholds = Thresholds::exact(100.0, LATENCY_TOLERATED);
    let mut analysis = Analysis::new(config, &Baseline { thresholds, ..Baseline::default() });
    let mut now = 0;
    for (number, percent) in STEPS.into_iter().enumerate() {
        let stage = Stage { since: World::at(now), secs: STEP_SECS, last: number + 1 == STEPS.len() };
        loop {
            if let Some(bucket) = world.bucket(now, percent) {
                analysis.take(&bucket);
            }
            now += BUCKET_SECS;
            match analysis.verdict(&Moment { now: World::at(now), stage, instances: None }) {
                Verdict::RollBack { .. } => return Ending::RolledBack(now),
                Verdict::Promote => break,
                Verdict::Extend { .. } => {}
                Verdict::Inconclusive { .. } => return Ending::Inconclusive(now),
            }
        }
    }
    Ending::Promoted(now)
}
