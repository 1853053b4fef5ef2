//! Execute: runs a gate's step, again where what failed may pass by itself.

use std::time::{Duration, Instant};

use gatewright_core::config::GateConfig;
use gatewright_core::event::User;
use gatewright_core::forge::{Forge, ForgeError, Permission, PullState, Standing};
use gatewright_core::run::{Gates, Run, RunEvent};
use gatewright_core::sandbox::{SandboxKey, Source};
use gatewright_core::store::StoreError;
use gatewright_core::survey::{Approval, PullFacts};
use gatewright_core::verdict::StepOutcome;
use gatewright_core::{CommitId, GateName, Subject};
use tokio_util::sync::CancellationToken;

use super::Done;
use crate::log::StepLog;
use crate::past;
use crate::step::{CacheScopes, Ended, Failure, Known, StepInput, StepRunner};
use crate::{Engine, counted, gates as gates_of};

/// What may pass by itself (an engine that is restarted, a fetch that is cut) is tried so often before the gate is said to
/// have failed for it.
const TRIES_MAX: u32 = 4;

/// Between such tries.
const TRY_AGAIN: Duration = Duration::from_secs(2);

pub(super) async fn execute(
    engine: &Engine,
    run: &Run,
    gates: &Gates,
    gate: &GateName,
    attempt: u32,
    stop: &CancellationToken,
) -> Done {
    let Some(step) = gates.step(gate) else { return Done::GivenUp };
    let started = Instant::now();
    let key = SandboxKey { run: run.id, gate: gate.clone() };
    tracing::info!(run.id = %run.id, step.key = %gate, repo = %run.repo, attempt, "step started");
    let runner = runner(engine);
    let past = match known(engine, run, gates, &step.gate).await {
        Ok(past) => past,
        Err(error) => return Done::Again { after: None, cause: error.to_string() },
    };
    let log = engine.live_logs.show(&key, runner.log());
    let ended = tokio::select! {
        ended = tried(engine, run, gates, gate, &past, &key, log.log()) => Some(ended),
        () = stop.cancelled() => None,
    };
    // Also after a failure: a sandbox that could not be removed is found by the sweep.
    if let Err(error) = engine.deps.sandbox.close(&key).await {
        tracing::warn!(run.id = %run.id, step.key = %gate, %error, "a sandbox could not be removed");
    }
    let Some(ended) = ended else {
        return Done::Stopped { gate: gate.clone(), kept: runner.keep(log.finish(), started).await };
    };
    let outcome = runner.judge(&step.gate, past, ended, log.finish(), started).await;
    observe(run, gate, attempt, &outcome);
    Done::Events(vec![RunEvent::StepFinished { gate: gate.clone(), outcome: Box::new(outcome) }])
}

/// What is known before the step runs.
async fn known(engine: &Engine, run: &Run, gates: &Gates, gate: &GateConfig) -> Result<Known, StoreError> {
    let past = past::of(engine, run, gates, gate).await?;
    let counted = counted::of(gates, gate, &*engine.deps.blobs, Some(engine)).await?;
    Ok(Known { counted, ..past })
}

/// What steps are run with.
pub(crate) fn runner(engine: &Engine) -> StepRunner<'_> {
    StepRunner {
        sandbox: &*engine.deps.sandbox,
        blobs: &*engine.deps.blobs,
        limits: engine.options.limits,
        secrets: &engine.options.secrets,
    }
}

/// Runs the step, again if what failed may pass by itself.
async fn tried(
    engine: &Engine,
    run: &Run,
    gates: &Gates,
    gate: &GateName,
    past: &Known,
    key: &SandboxKey,
    log: &StepLog,
) -> Ended {
    let mut tries = 1;
    loop {
        let Failure { cause, may_pass } = match once(engine, run, gates, gate, past, key, log).await {
            Ok(ended) => return ended,
            Err(failure) => failure,
        };
        metrics::counter!("gatewright_sandbox_failures_total").increment(1);
        if !may_pass || tries >= TRIES_MAX {
            return Ended::not_started(cause);
        }
        tracing::warn!(run.id = %run.id, step.key = %gate, attempt = tries, cause, "the sandbox failed; trying again");
        tries += 1;
        tokio::time::sleep(TRY_AGAIN).await;
    }
}

async fn once(
    engine: &Engine,
    run: &Run,
    gates: &Gates,
    gate: &GateName,
    past: &Known,
    key: &SandboxKey,
    log: &StepLog,
) -> Result<Ended, Failure> {
    let step = gates.step(gate).ok_or_else(|| Failure { cause: "the gate is gone".to_owned(), may_pass: false })?;
    let input = StepInput {
        key: key.clone(),
        gate: &step.gate,
        // A credential is short-lived, so each try has its own.
        source: source(engine, run, &gates.spec.head, &step.gate).await?,
        since: gates.prepared.as_ref().and_then(|prepared| prepared.compared_with.clone()),
        pull: pull_facts(engine, run, gates, &step.gate).await?,
        scopes: scopes(run, gates),
        past: past.clone(),
    };
    runner(engine).run(&input, log).await
}

/// So many of those who approve are looked at, the first ones.
const APPROVALS_MAX: usize = 30;

/// What the forge tells of the pull request, where the gate wants to know.
async fn pull_facts(engine: &Engine, run: &Run, gates: &Gates, gate: &GateConfig) -> Result<Option<PullFacts>, Failure> {
    let pull = gates.prepared.as_ref().and_then(|prepared| prepared.pull.as_ref()).filter(|_| gates_of::pull_wanted(gate));
    let (Some(pull), Some(forge)) = (pull, engine.forge(run.repo.forge)) else { return Ok(None) };
    let approvals = match gate.policy.reviewers {
        Some(_) => Some(approvals(forge.as_ref(), run, pull, gate).await.map_err(|error| of_forge("who approves", &error))?),
        None => None,
    };
    Ok(Some(PullFacts { title: pull.title.clone(), author: pull.author.clone(), approvals }))
}

/// Those who approve, and may: whoever may not write decides nothing.
async fn approvals(forge: &dyn Forge, run: &Run, pull: &PullState, gate: &GateConfig) -> Result<Vec<Approval>, ForgeError> {
    let mut owners = None;
    for path in gates_of::owners_paths(gate) {
        owners = forge.file(&run.repo, &pull.base, path).await?;
        if owners.is_some() {
            break;
        }
    }
    let owners = owners.map(|text| String::from_utf8_lossy(&text).into_owned());
    let teams = gates_of::teams_wanted(gate, owners.as_deref());
    let mut approvals = Vec::new();
    for by in forge.approvals(&run.repo, pull.number).await?.into_iter().take(APPROVALS_MAX) {
        let Standing { permission, login, teams, .. } = forge.standing(&run.repo, &by, &teams).await?;
        if permission >= Permission::Write {
            approvals.push(Approval { by: User { login, ..by }, teams });
        }
    }
    Ok(approvals)
}

fn of_forge(what: &str, error: &ForgeError) -> Failure {
    Failure { cause: format!("{what} could not be asked: {error}"), may_pass: error.may_pass() }
}

/// A branch's cache is written by what runs on that branch alone, and read by what is going to it. A pull request has one of its own
/// that nobody else reads; what comes from a fork writes none at all.
fn scopes(run: &Run, gates: &Gates) -> CacheScopes {
    let own = run.subject.key(&run.repo);
    let base = Subject::Branch { name: gates.base_ref().to_owned() }.key(&run.repo);
    let fork = gates.prepared.as_ref().and_then(|prepared| prepared.pull.as_ref()).is_none_or(|pull| pull.fork);
    match run.subject {
        Subject::Branch { .. } => CacheScopes { read: vec![own.clone()], write: Some(own) },
        Subject::Pull { .. } if !fork => CacheScopes { read: vec![own.clone(), base], write: Some(own) },
        Subject::Pull { .. } | Subject::MergeGroup { .. } => CacheScopes { read: vec![base], write: None },
        Subject::Tag { .. }
        | Subject::Release { .. }
        | Subject::Environment { .. }
        | Subject::Notice { .. }
        | Subject::Permit { .. }
        | Subject::Issue { .. }
        | Subject::Agents { .. }
        | Subject::Commands { .. } => CacheScopes::default(),
    }
}

async fn source(engine: &Engine, run: &Run, head: &CommitId, gate: &GateConfig) -> Result<Source, Failure> {
    let forge = engine
        .forge(run.repo.forge)
        .ok_or_else(|| Failure { cause: format!("{} is not configured", run.repo.forge), may_pass: false })?;
    let credential = forge
        .credential(&run.repo)
        .await
        .map_err(|error| Failure { cause: format!("no access to the source: {error}"), may_pass: error.may_pass() })?;
    Ok(Source {
        repo: run.repo.clone(),
        commit: head.clone(),
        credential,
        checkout: gate.checkout,
        overlay: std::sync::Arc::default(),
    })
}

fn observe(run: &Run, gate: &GateName, attempt: u32, outcome: &StepOutcome) {
    let status = format!("{:?}", outcome.verdict.status).to_lowercase();
    let seconds = Duration::from_millis(outcome.duration_ms).as_secs_f64();
    metrics::histogram!("gatewright_step_seconds", "status" => status.clone()).record(seconds);
    tracing::info!(
        run.id = %run.id, step.key = %gate, repo = %run.repo, attempt, status, exit = ?outcome.exit,
        duration_ms = outcome.duration_ms, "step finished"
    );
}
