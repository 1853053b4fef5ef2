//! A local pipeline as JSON. The shape is described in `docs/agents.md`; keys are added to it, and never change what they mean.

use gatewright_core::run::StageRun;
use gatewright_engine::agents::policy::Shown;
use serde_json::{Value, json};

use super::{Done, show};
use crate::failure::Failure;
use crate::print;

pub(super) async fn print(done: &Done<'_>) -> Result<(), Failure> {
    let (of, outcome) = (done.of, done.outcome);
    let budget = of.prepared.as_ref().map(|prepared| {
        let budget = &prepared.pipeline.budget;
        json!({ "micro_usd": budget.micro_usd, "tokens": budget.tokens, "turns": budget.turns, "secs": budget.secs })
    });
    let change = &done.tree.change;
    let (mut findings, mut issues) = (Vec::new(), Vec::new());
    for shown in show::offered(done).await {
        match shown {
            Shown::Findings { annotations } => findings.extend(annotations),
            Shown::Issue { title, body } => issues.push(json!({ "title": title, "body": body })),
            Shown::Comment { .. } | Shown::Suggestions { .. } | Shown::Change { .. } => {}
        }
    }
    let refused = of.offers.iter().flatten().filter_map(|offer| {
        let because = offer.refused.as_ref()?;
        Some(json!({ "what": offer.what, "because": because }))
    });
    print::json(&json!({
        "conclusion": done.run.conclusion(),
        "exit_code": outcome.exit_code,
        "run": done.run.id,
        "pipeline": of.pipeline(),
        "headline": show::headline(done),
        "not_started": of.refused.as_ref().map(|(because, _)| because),
        "stopped": of.stopped,
        "commit": change.commit,
        "committed": change.lasting,
        "base": done.tree.base.as_ref().map(|base| json!({ "commit": base.commit, "name": base.name })),
        "file": done.file,
        "stages": of.stages.iter().map(stage).collect::<Vec<_>>(),
        "turns": of.turns,
        "tokens": of.spent.tokens,
        "micro_usd": (!of.unpriced).then_some(of.spent.micro_usd),
        "budget": budget,
        "verified": of.is_verified(),
        "findings": findings,
        "issues": issues,
        "refused": refused.collect::<Vec<_>>(),
        "files": outcome.changes.iter().map(|change| &change.path).collect::<Vec<_>>(),
        "message": outcome.message,
        "patch": outcome.patch,
        "applied": matches!(outcome.applied, Some(Ok(()))),
        "not_applied": outcome.applied.as_ref().and_then(|applied| applied.as_ref().err()),
        "kept": outcome.kept,
        "duration_ms": done.duration_ms,
    }))
}

fn stage(stage: &StageRun) -> Value {
    let because = match &stage.state {
        gatewright_core::run::StageState::Failed { because, .. } => Some(because),
        gatewright_core::run::StageState::Waiting
        | gatewright_core::run::StageState::Working
        | gatewright_core::run::StageState::Done { .. }
        | gatewright_core::run::StageState::NotRun => None,
    };
    let gates = stage.rounds.last().into_iter().flatten();
    json!({
        "name": stage.name,
        "state": stage.word(),
        "because": because,
        "tries": stage.tries,
        "turns": stage.turns.len(),
        "summary": stage.handover.as_ref().map(|handover| &handover.summary),
        "gates": gates.map(|(gate, outcome)| json!({
            "name": gate, "status": outcome.verdict.status, "title": outcome.verdict.title,
        })).collect::<Vec<_>>(),
    })
}
