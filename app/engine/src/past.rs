//! What a gate said before: of the commit that a run's is compared with, and of the base branch.

use bytes::Bytes;
use gatewright_core::config::GateConfig;
use gatewright_core::facts::{Facts, Past};
use gatewright_core::run::{Gates, Run, StepState};
use gatewright_core::store::{RunFilter, StoreError};
use gatewright_core::verdict::Evidence;
use gatewright_core::{CommitId, GateName, Subject};

use crate::Engine;
use crate::step::Known;

/// So many runs of one commit are looked at.
const OF_COMMIT_MAX: usize = 10;

/// What is known of a gate's past, as far as the gate looks at it.
pub(crate) async fn of(engine: &Engine, run: &Run, gates: &Gates, gate: &GateConfig) -> Result<Known, StoreError> {
    if !gate.compares() && !gate.looks_back() {
        return Ok(Known::default());
    }
    let since = gates.prepared.as_ref().and_then(|prepared| prepared.compared_with.as_ref());
    let exact = match since {
        Some(commit) => of_commit(engine, run, commit, &gate.name).await?,
        None => None,
    };
    let wanted = match (&exact, gate.looks_back()) {
        (_, true) => Evidence::HISTORY_MAX,
        (None, false) => 1,
        (Some(_), false) => 0,
    };
    let history = of_branch(engine, run, gates.base_ref(), &gate.name, wanted).await?;
    let base = exact.or_else(|| history.first().cloned());
    Ok(Known { base, history: if gate.looks_back() { history } else { Vec::new() }, ..Known::default() })
}

/// What a gate said of a commit on a branch, for what is based on it, as far as the gate looks at it.
pub(crate) async fn at(
    engine: &Engine,
    run: &Run,
    commit: &CommitId,
    branch: &str,
    gate: &GateConfig,
) -> Result<Known, StoreError> {
    if !gate.compares() && !gate.looks_back() {
        return Ok(Known::default());
    }
    let base = match of_commit(engine, run, commit, &gate.name).await? {
        Some(exact) => Some(exact),
        None => of_branch(engine, run, branch, &gate.name, 1).await?.pop(),
    };
    let here = || engine.options.here.as_ref().and_then(|here| here.base(gate));
    Ok(Known { base: base.or_else(here), ..Known::default() })
}

/// What the gate said of a commit, in whichever run it was last.
async fn of_commit(engine: &Engine, run: &Run, commit: &CommitId, gate: &GateName) -> Result<Option<Past>, StoreError> {
    let repo = Some(run.repo.key());
    let filter = RunFilter { repo, commit: Some(commit.clone()), before: Some(run.id), ..RunFilter::default() };
    for of_commit in engine.runs(&filter, OF_COMMIT_MAX).await? {
        if let Some(past) = past(engine, &of_commit, gate).await? {
            return Ok(Some(Past { exact: true, ..past }));
        }
    }
    Ok(None)
}

/// What the gate said of the newest commits of a branch, at most `wanted` of them.
async fn of_branch(engine: &Engine, run: &Run, branch: &str, gate: &GateName, wanted: usize) -> Result<Vec<Past>, StoreError> {
    let mut known = Vec::new();
    if wanted == 0 {
        return Ok(known);
    }
    let subject = Some(Subject::Branch { name: branch.to_owned() }.key(&run.repo));
    let filter = RunFilter { subject, before: Some(run.id), ..RunFilter::default() };
    for of_branch in engine.runs(&filter, Evidence::HISTORY_MAX).await? {
        known.extend(past(engine, &of_branch, gate).await?);
        if known.len() == wanted {
            break;
        }
    }
    Ok(known)
}

/// What a gate said in a run, if anything of it is kept.
async fn past(engine: &Engine, run: &Run, gate: &GateName) -> Result<Option<Past>, StoreError> {
    let Some(gates) = run.gates() else { return Ok(None) };
    let Some(StepState::Done { outcome, finished_at, .. }) = gates.step(gate).map(|step| &step.state) else { return Ok(None) };
    let Some(blob) = &outcome.facts else { return Ok(None) };
    let facts = engine.deps.blobs.get(blob).await?.and_then(read);
    let past = |facts| Past { run: run.id, commit: gates.spec.head.clone(), at: *finished_at, exact: false, facts };
    Ok(facts.map(past))
}

/// Facts that another version wrote and this one cannot read are as good as none.
fn read(text: Bytes) -> Option<Facts> {
    serde_json::from_slice(&text).ok()
}
