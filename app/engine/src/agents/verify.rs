//! Verify: has a gate look at the work, in a fresh sandbox that holds the pinned commit with the tree laid over it, as it would look at
//! a pull request.

use std::time::{Duration, Instant};

use gatewright_core::GateName;
use gatewright_core::config::GateConfig;
use gatewright_core::run::{AgentEvent, AgentPrepared, AgentRun, Run};
use gatewright_core::sandbox::{SandboxKey, Source};
use tokio_util::sync::CancellationToken;

use super::done;
use super::session::{self, NoSession};
use crate::log::StepLog;
use crate::perform::{Done, runner};
use crate::step::{CacheScopes, Ended, Failure, Known, StepInput};
use crate::{Engine, past};

/// What may pass by itself is tried so often before the gate is said to have failed for it.
const TRIES_MAX: u32 = 4;

/// Between such tries.
const TRY_AGAIN: Duration = Duration::from_secs(2);

/// What a gate looks at.
struct Look<'a> {
    engine: &'a Engine,
    run: &'a Run,
    of: &'a AgentRun,
    prepared: &'a AgentPrepared,
    stage: u16,
    gate: &'a GateConfig,
    key: SandboxKey,
    past: Known,
}

pub(super) async fn verify(
    engine: &Engine,
    run: &Run,
    of: &AgentRun,
    stage: u16,
    gate: &GateName,
    stop: &CancellationToken,
) -> Done {
    let Some(prepared) = &of.prepared else { return Done::GivenUp };
    let Some(at) = prepared.gates.iter().position(|known| known.name == *gate) else { return Done::GivenUp };
    let repo = run.repo.key();
    let _slot = tokio::select! {
        slot = engine.slots.claim(&repo) => slot,
        () = stop.cancelled() => return Done::GivenUp,
    };
    let (config, started, runner) = (&prepared.gates[at], Instant::now(), runner(engine));
    let past = match past::at(engine, run, &prepared.commit, &prepared.target, config).await {
        Ok(past) => past,
        Err(error) => return Done::Again { after: None, cause: error.to_string() },
    };
    let key = SandboxKey { run: run.id, gate: session::name(&format!("agent.{stage}.{at}")) };
    let look = Look { engine, run, of, prepared, stage, gate: config, key, past };
    let log = runner.log();
    let ended = tokio::select! {
        ended = tried(&look, &log) => Some(ended),
        () = stop.cancelled() => None,
    };
    if let Err(error) = engine.deps.sandbox.close(&look.key).await {
        tracing::warn!(run.id = %run.id, step.key = %look.key.gate, %error, "a sandbox could not be removed");
    }
    let Some(ended) = ended else { return Done::GivenUp };
    let outcome = runner.judge(config, look.past, ended, log.finish(), started).await;
    done(AgentEvent::Verified { stage, gate: gate.clone(), outcome: Box::new(outcome) })
}

async fn tried(look: &Look<'_>, log: &StepLog) -> Ended {
    let mut tries = 1;
    loop {
        let failure = match once(look, log).await {
            Ok(ended) => return ended,
            Err(failure) => failure,
        };
        if !failure.may_pass || tries >= TRIES_MAX {
            return Ended::not_started(failure.cause);
        }
        tries += 1;
        tokio::time::sleep(TRY_AGAIN).await;
    }
}

async fn once(look: &Look<'_>, log: &StepLog) -> Result<Ended, Failure> {
    let gone = || Failure { cause: "the stage is gone".to_owned(), may_pass: false };
    let stage = look.of.stage(look.stage).ok_or_else(gone)?;
    let source = session::source(look.engine, look.run, look.prepared, &stage.tree).await.map_err(|error| match error {
        NoSession::Later(cause) => Failure { cause, may_pass: true },
        NoSession::Never(cause) => Failure { cause, may_pass: false },
    })?;
    let input = StepInput {
        key: look.key.clone(),
        gate: look.gate,
        // An agent works on the commit alone; a gate has beside it what it asks for.
        source: Source { checkout: look.gate.checkout, ..source },
        // What agents change is what is new: it is compared with the commit that they work on.
        since: Some(look.prepared.commit.clone()),
        pull: None,
        scopes: CacheScopes::default(),
        past: look.past.clone(),
    };
    runner(look.engine).run(&input, log).await
}
