//! The coverage that a gate counts together with its own: what the gates that it names have handed on, in its run, or in the earlier
//! one of the same commit whose verdicts stand.

use bytes::Bytes;
use gatewright_core::config::GateConfig;
use gatewright_core::run::{Gates, StepState};
use gatewright_core::store::{Blobs, StoreError};
use gatewright_core::verdict::{Counted, CountedWhat, VerdictStatus};
use gatewright_core::{BlobId, GateName};

use crate::Engine;

/// What a gate counts may have so many bytes in all, compressed. What is beyond is said to be missing.
const BYTES_MAX: usize = 64 * 1024 * 1024;

/// So many runs of a commit are gone back through, each of which let the verdict of the one before it stand.
const EARLIER_MAX: usize = 50;

/// Where a gate's coverage is.
enum Place {
    Blob(BlobId),
    /// Wherever the verdict comes from.
    Earlier,
    Nowhere(CountedWhat),
}

/// What a gate counts, once the gates that it needs are over. Earlier runs are looked into where there is an engine that has any.
pub(crate) async fn of(
    gates: &Gates,
    gate: &GateConfig,
    blobs: &dyn Blobs,
    engine: Option<&Engine>,
) -> Result<Vec<Counted>, StoreError> {
    let mut all = Vec::new();
    let mut left = BYTES_MAX;
    for name in &gate.coverage_of {
        let what = match place(gates, name) {
            Place::Blob(blob) => here(blobs.get(&blob).await?, &mut left),
            Place::Earlier => here(earlier(gates, name, engine).await?, &mut left),
            Place::Nowhere(what) => what,
        };
        all.push(Counted { gate: name.clone(), what });
    }
    Ok(all)
}

fn place(gates: &Gates, name: &GateName) -> Place {
    // What the plan leaves out does not apply to what is going on.
    let Some(step) = gates.step(name) else { return Place::Nowhere(CountedWhat::DoesNotApply) };
    match &step.state {
        StepState::Done { outcome, .. } => match &outcome.coverage {
            Some(blob) => Place::Blob(blob.clone()),
            None if outcome.verdict.status == VerdictStatus::Skipped => Place::Nowhere(CountedWhat::DoesNotApply),
            None => Place::Nowhere(missing("it has no coverage that could be read, or more than is handed on")),
        },
        StepState::Carried { .. } => Place::Earlier,
        StepState::NotRun { .. } if gates.does_not_apply(name) => Place::Nowhere(CountedWhat::DoesNotApply),
        StepState::NotRun { because, .. } => Place::Nowhere(missing(&format!("it did not run: {because}"))),
        StepState::Waiting | StepState::Running { .. } => Place::Nowhere(missing("it is not over yet")),
    }
}

fn here(bytes: Option<Bytes>, left: &mut usize) -> CountedWhat {
    let Some(bytes) = bytes else { return missing("what it covered is not kept any more; run it again") };
    match left.checked_sub(bytes.len()) {
        Some(rest) => {
            *left = rest;
            CountedWhat::Here(bytes)
        }
        None => missing("together with the others it is more than is counted"),
    }
}

fn missing(because: &str) -> CountedWhat {
    CountedWhat::Missing { because: because.to_owned() }
}

/// The coverage of a gate whose verdict comes from an earlier run.
async fn earlier(gates: &Gates, name: &GateName, engine: Option<&Engine>) -> Result<Option<Bytes>, StoreError> {
    let Some(engine) = engine else { return Ok(None) };
    let mut next = gates.spec.rerun_of;
    for _ in 0..EARLIER_MAX {
        let Some(id) = next else { return Ok(None) };
        let Some(run) = engine.run(id).await? else { return Ok(None) };
        let Some(gates) = run.gates() else { return Ok(None) };
        match place(gates, name) {
            Place::Blob(blob) => return engine.deps.blobs.get(&blob).await,
            Place::Earlier => next = gates.spec.rerun_of,
            Place::Nowhere(_) => return Ok(None),
        }
    }
    Ok(None)
}
