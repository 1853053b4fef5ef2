//! Picture: what was measured of a rollout, drawn. For the pages; judges nothing.

use gatewright_core::Timestamp;
use gatewright_core::rollout::analysis::{Evidence, Picture};
use gatewright_core::rollout::{Finding, Move};
use gatewright_core::run::{JournalEntry, Look, Rollout, RolloutEvent, RunEvent};

use super::judge;

/// A rollout as a picture (SVG), with what it was rolled back for. Empty where nothing was measured that can be compared.
pub fn picture(rollout: &Rollout, journal: &[JournalEntry]) -> String {
    // What went back has the moves of the way back; what was measured was measured on the way forth.
    let mut forth = rollout.clone();
    forth.moves = moves(journal).unwrap_or_default();
    let looks: Vec<&Look> = forth.looks.iter().map(|(_, look, _)| look).collect();
    let (baseline, buckets) = judge::measured(&forth, &looks);
    let (config, steps) = (forth.spec.environment.analysis, steps(&forth));
    Picture { config: &config, baseline: &baseline, buckets: &buckets, steps: &steps, evidence: evidence(&forth) }.svg()
}

/// The moves that it began with.
fn moves(journal: &[JournalEntry]) -> Option<Vec<Move>> {
    journal.iter().find_map(|entry| match &entry.event {
        RunEvent::Rollout { event } => match event.as_ref() {
            RolloutEvent::Admitted { moves, .. } => Some(moves.clone()),
            RolloutEvent::Looked { .. }
            | RolloutEvent::Refused { .. }
            | RolloutEvent::Made { .. }
            | RolloutEvent::Failed { .. }
            | RolloutEvent::Measured { .. }
            | RolloutEvent::Told { .. }
            | RolloutEvent::Reminded => None,
        },
        _ => None,
    })
}

/// Since when it was seen to get so many percent.
fn steps(rollout: &Rollout) -> Vec<(Timestamp, u32)> {
    let mut steps: Vec<(Timestamp, u32)> = Vec::new();
    for (at, look, _) in &rollout.looks {
        let percent = u32::try_from((look.share_millipercent + 500) / 1_000).unwrap_or(100);
        if steps.last().is_none_or(|(_, last)| *last != percent) {
            steps.push((*at, percent));
        }
    }
    steps
}

/// What it was rolled back for.
pub fn evidence(rollout: &Rollout) -> Option<&Evidence> {
    rollout.looks.iter().find_map(|(_, _, finding)| match finding {
        Finding::Back { evidence, .. } => evidence.as_deref(),
        Finding::GoOn | Finding::Wait { .. } | Finding::Pause { .. } => None,
    })
}
