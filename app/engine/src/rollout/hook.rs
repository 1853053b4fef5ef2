//! Runs a command of a rollout in a sandbox, on the released commit.

use std::collections::BTreeMap;
use std::time::Instant;

use gatewright_core::config::Hook;
use gatewright_core::rollout::HookOutcome;
use gatewright_core::run::{Rollout, RolloutEvent, Run, Way};
use gatewright_core::sandbox::{SandboxKey, Source};
use gatewright_core::verdict::VerdictStatus;
use tokio_util::sync::CancellationToken;

use super::{again, done};
use crate::Engine;
use crate::perform::{Done, again_or_final};
use crate::step::{CacheScopes, Ended, Known, StepInput, StepRunner};

pub(super) async fn run(
    engine: &Engine,
    run: &Run,
    rollout: &Rollout,
    way: Way,
    n: usize,
    hook: &Hook,
    stop: &CancellationToken,
) -> Done {
    let repo = run.repo.key();
    let slot = tokio::select! {
        slot = engine.slots.claim(&repo) => slot,
        () = stop.cancelled() => return Done::GivenUp,
    };
    let key = SandboxKey { run: run.id, gate: hook.name.clone() };
    let ended = tokio::select! {
        ended = once(engine, run, rollout, hook, &key) => Some(ended),
        () = stop.cancelled() => None,
    };
    // Also after a failure: a sandbox that could not be removed is found by the sweep.
    if let Err(error) = engine.deps.sandbox.close(&key).await {
        tracing::warn!(run.id = %run.id, step.key = %hook.name, %error, "a sandbox could not be removed");
    }
    drop(slot);
    let outcome = match ended {
        None => return Done::GivenUp,
        Some(Err(again)) => return again,
        Some(Ok(outcome)) => outcome,
    };
    if outcome.passed {
        return done(RolloutEvent::Made { way, n, seen: Vec::new(), hook: Some(outcome) });
    }
    let because = format!("`{}` failed: {}", hook.name, outcome.ended);
    done(RolloutEvent::Failed { way, n, because, hook: Some(outcome) })
}

async fn once(engine: &Engine, run: &Run, rollout: &Rollout, hook: &Hook, key: &SandboxKey) -> Result<HookOutcome, Done> {
    let Some(forge) = engine.forge(run.repo.forge) else { return Err(again(format!("{} is not configured", run.repo.forge))) };
    let credential = match forge.credential(&run.repo).await.map_err(again_or_final) {
        Ok(credential) => credential,
        Err(Ok(again)) => return Err(again),
        Err(Err(cause)) => return Err(again(cause)),
    };
    let gate = hook.as_gate(environment(rollout));
    let commit = rollout.spec.release.commit.clone();
    let source =
        Source { repo: run.repo.clone(), commit, credential, checkout: gate.checkout, overlay: std::sync::Arc::default() };
    let input = StepInput {
        key: key.clone(),
        gate: &gate,
        source,
        since: None,
        pull: None,
        scopes: CacheScopes::default(),
        past: Known::default(),
    };
    let runner = StepRunner {
        sandbox: &*engine.deps.sandbox,
        blobs: &*engine.deps.blobs,
        limits: engine.options.limits,
        secrets: &engine.options.secrets,
    };
    let (started, log) = (Instant::now(), runner.log());
    let ended = match runner.run(&input, &log).await {
        Ok(ended) => ended,
        Err(failure) if failure.may_pass => return Err(again(failure.cause)),
        Err(failure) => Ended::not_started(failure.cause),
    };
    let outcome = runner.judge(&gate, Known::default(), ended, log.finish(), started).await;
    Ok(HookOutcome {
        name: hook.name.clone(),
        passed: outcome.verdict.status == VerdictStatus::Passed,
        ended: outcome.verdict.title.clone(),
        log: outcome.log.map(|log| log.blob),
        duration_ms: outcome.duration_ms,
    })
}

/// What a command is told.
fn environment(rollout: &Rollout) -> BTreeMap<String, String> {
    let spec = &rollout.spec;
    let previous = rollout.live().map_or("", |live| live.release.version.as_str());
    [
        ("GATEWRIGHT_VERSION", spec.release.version.as_str()),
        ("GATEWRIGHT_TAG", spec.release.tag.as_str()),
        ("GATEWRIGHT_COMMIT", spec.release.commit.as_str()),
        ("GATEWRIGHT_ENVIRONMENT", spec.environment.name.as_str()),
        ("GATEWRIGHT_ENVIRONMENT_URL", spec.environment.url.as_deref().unwrap_or_default()),
        ("GATEWRIGHT_PREVIOUS_VERSION", previous),
    ]
    .into_iter()
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .collect()
}
