//! Gates: finds what the gates say that a release asks for, and has those run of which nothing is known.

use std::collections::BTreeMap;

use gatewright_core::run::{
    Cause, Gates, GatesSpec, GatesState, NewRun, ReleaseEvent, ReleaseRun, Run, RunSpec, StepState, Valid, Work,
};
use gatewright_core::store::{Acceptance, RunFilter, StoreError};
use gatewright_core::verdict::VerdictStatus;
use gatewright_core::{CommitId, GateName, RunId, Subject, Timestamp};
use jiff::SignedDuration;

use super::{again, done};
use crate::perform::Done;
use crate::{Engine, drive};

/// So many runs of the commit are looked at, the newest first.
const RUNS_MAX: usize = 50;

/// Gates that run are asked after so often. The release is told when they are over; this is for when it was not.
const LOOK_AGAIN: SignedDuration = SignedDuration::from_secs(60);
// Meanwhile it is out of hand.
const _: () = assert!(LOOK_AGAIN.as_secs() > drive::PATIENCE.as_secs());

pub(super) async fn gates(engine: &Engine, run: &Run, release: &ReleaseRun) -> Done {
    match state(engine, run, release, Timestamp::now()).await {
        Ok(state) => done(ReleaseEvent::Gates { state }),
        Err(error) => again(error),
    }
}

async fn state(engine: &Engine, run: &Run, release: &ReleaseRun, now: Timestamp) -> Result<GatesState, StoreError> {
    let Some(valid) = &release.valid else { return Ok(GatesState::Passed { run: None }) };
    let wanted = &valid.config.require;
    if wanted.is_empty() {
        return Ok(GatesState::Passed { run: None });
    }
    let known = known(engine, run, &valid.release.commit).await?;
    if let Some(state) = judged(wanted, &known) {
        return Ok(state);
    }
    let own = run.id.child("gates");
    match engine.run(own).await? {
        Some(gates) if gates.finished.is_some() => Ok(not_judged(own, wanted, &known)),
        // Why is on that run's page: the words are an error's, and these here are shown on the forge.
        Some(gates) if gates.given_up.is_some() => {
            Ok(GatesState::Failed { run: own, because: "the run of its gates was set aside".to_owned() })
        }
        Some(_) => Ok(GatesState::Running { run: own, look_at: now + LOOK_AGAIN }),
        None => {
            let spec = spec(run, &valid.release.tag, &valid.release.commit, wanted);
            let acceptance = Acceptance {
                run: Some(NewRun { id: own, spec }),
                ..Acceptance::internal(&format!("release-gates/{}", run.id), now)
            };
            engine.accept(acceptance).await?;
            Ok(GatesState::Running { run: own, look_at: now + LOOK_AGAIN })
        }
    }
}

/// What the gates say that were run already. None where one has not said anything.
pub(super) async fn known_state(engine: &Engine, run: &Run, valid: &Valid) -> Result<Option<GatesState>, StoreError> {
    let wanted = &valid.config.require;
    if wanted.is_empty() {
        return Ok(Some(GatesState::Passed { run: None }));
    }
    Ok(judged(wanted, &known(engine, run, &valid.release.commit).await?))
}

fn spec(run: &Run, tag: &str, commit: &CommitId, wanted: &[GateName]) -> RunSpec {
    let gates = GatesSpec {
        base: Some(commit.clone()),
        only: Some(wanted.to_vec()),
        ..GatesSpec::of(commit.clone(), tag.to_owned(), Cause::Released { run: run.id })
    };
    RunSpec { repo: run.repo.clone(), subject: Subject::Tag { name: tag.to_owned() }, work: Work::Gates(gates) }
}

/// What each gate says of the commit now, by the newest run that has it say anything.
async fn known(engine: &Engine, run: &Run, commit: &CommitId) -> Result<BTreeMap<GateName, (RunId, VerdictStatus)>, StoreError> {
    let filter = RunFilter { repo: Some(run.repo.key()), commit: Some(commit.clone()), ..RunFilter::default() };
    let mut known = BTreeMap::new();
    for of in engine.runs(&filter, RUNS_MAX).await? {
        let Some(gates) = of.gates() else { continue };
        for (name, status) in said(gates) {
            known.entry(name).or_insert((of.id, status));
        }
    }
    Ok(known)
}

/// What the gates themselves have said: neither what somebody has passed by hand, nor what did not run.
fn said(gates: &Gates) -> impl Iterator<Item = (GateName, VerdictStatus)> {
    let ran = |state: &StepState| match state {
        StepState::Done { outcome, .. } => Some(outcome.verdict.status),
        StepState::Carried { verdict } => Some(verdict.status),
        StepState::Waiting | StepState::Running { .. } | StepState::NotRun { .. } => None,
    };
    let counts = |status: &VerdictStatus| *status != VerdictStatus::Cancelled;
    gates.steps.iter().filter_map(move |step| Some((step.gate.name.clone(), ran(&step.state).filter(counts)?)))
}

/// All have passed, or one has not. None where one has not said anything.
fn judged(wanted: &[GateName], known: &BTreeMap<GateName, (RunId, VerdictStatus)>) -> Option<GatesState> {
    let mut newest = None;
    let mut failed = Vec::new();
    for name in wanted {
        let (run, status) = known.get(name)?;
        newest = newest.max(Some(*run));
        if *status != VerdictStatus::Passed {
            failed.push((*run, name));
        }
    }
    let Some((run, _)) = failed.first() else { return Some(GatesState::Passed { run: newest }) };
    let names: Vec<&str> = failed.iter().map(|(_, name)| name.as_str()).collect();
    Some(GatesState::Failed { run: *run, because: format!("{} did not pass", names.join(", ")) })
}

fn not_judged(run: RunId, wanted: &[GateName], known: &BTreeMap<GateName, (RunId, VerdictStatus)>) -> GatesState {
    let silent: Vec<&str> = wanted.iter().filter(|name| !known.contains_key(*name)).map(GateName::as_str).collect();
    GatesState::Failed { run, because: format!("{} could not be run", silent.join(", ")) }
}
