//! A stage whose agent is a program of the repository's choice: it runs in the stage's sandbox, and reaches models only through a proxy
//! that puts the keys in on its way out. What it changed is taken out like any agent's work.

use std::collections::BTreeMap;
use std::time::Duration;

use gatewright_core::agent::InputName;
use gatewright_core::config::ProgramStage;
use gatewright_core::run::{AgentEvent, AgentPrepared, AgentRun, Doing, ProgramEnd, Run, StageRun};
use gatewright_core::sandbox::{ChangesError, Command, EgressSpec, ExecEnd, Network, OutputSink, SandboxSpec};
use gatewright_core::tree::Tree;
use gatewright_core::verdict::LogRef;
use tokio_util::sync::CancellationToken;

use super::session::{self, NoSession};
use super::turn::{self, Lost};
use super::{done, protect};
use crate::Engine;
use crate::log::StepLog;
use crate::perform::Done;
use crate::redact::Redactor;

/// Where a program finds what it is to do.
const TASK_VARIABLE: &str = "GATEWRIGHT_TASK";

/// What the variable of an input begins with.
const INPUT_PREFIX: &str = "GATEWRIGHT_INPUT_";

/// An environment has room for so many bytes of what a program is told.
const TASK_BYTES_MAX: usize = 96 * 1024;

pub(super) async fn program(engine: &Engine, run: &Run, of: &AgentRun, n: u16, stop: &CancellationToken) -> Done {
    let (Some(prepared), Some(stage)) = (&of.prepared, of.stage(n)) else { return Done::GivenUp };
    let Doing::Program(program) = &stage.what else { return Done::GivenUp };
    let key = session::key(run.id, n);
    let ended = tokio::select! {
        ended = ended(engine, run, of, prepared, (n, stage), program) => Some(ended),
        () = stop.cancelled() => None,
    };
    for used in engine.deps.sandbox.egress(&key) {
        tracing::info!(run.id = %run.id, stage = n, host = used.host, requests = used.requests, refused = used.refused,
            sent_bytes = used.sent_bytes, received_bytes = used.received_bytes, "an agent's program went out");
    }
    if let Err(error) = engine.deps.sandbox.close(&key).await {
        tracing::warn!(run.id = %run.id, stage = n, %error, "an agent's sandbox could not be removed");
    }
    match ended {
        None => Done::GivenUp,
        Some(Ok(ended)) => done(AgentEvent::ProgramEnded { stage: n, ended: Box::new(ended) }),
        Some(Err(NoSession::Later(cause))) => Done::Again { after: None, cause },
        Some(Err(NoSession::Never(because))) => done(AgentEvent::Broken { stage: n, because }),
    }
}

async fn ended(
    engine: &Engine,
    run: &Run,
    of: &AgentRun,
    prepared: &AgentPrepared,
    (n, stage): (u16, &StageRun),
    program: &ProgramStage,
) -> Result<ProgramEnd, NoSession> {
    let source = session::source(engine, run, prepared, &stage.tree).await?;
    let task = told(engine, of, prepared, n).await?;
    let spec = SandboxSpec {
        key: session::key(run.id, n),
        image: program.image.clone().unwrap_or_else(|| prepared.pipeline.image.clone()),
        env: env(task, prepared),
        limits: engine.options.limits,
        network: network(engine, program)?,
        source: Some(source.clone()),
        base: None,
        cache: None,
        watched: true,
    };
    let handle = engine.deps.sandbox.open(&spec).await?;
    let log = StepLog::new(Redactor::new(engine.options.secrets.iter().cloned()));
    let command = Command { script: program.run.clone(), wall: Duration::from_secs(program.secs_max) };
    let result = engine.deps.sandbox.exec(&handle, &command, &log).await?;
    let failed = match result.end {
        ExecEnd::Exited(0) => None,
        ExecEnd::Exited(code) => Some(format!("it ended with {code}")),
        ExecEnd::TimedOut => Some(format!("it was killed after {} s", program.secs_max)),
        ExecEnd::OutOfMemory => Some("it used too much memory".to_owned()),
    };
    let (tree, refused) = match engine.deps.sandbox.changes(&handle, &source, &prepared.leftovers).await {
        Ok(all) => {
            let (barred, taken): (Vec<_>, Vec<_>) =
                all.into_iter().partition(|change| protect::is_protected(&prepared.protected, &change.path));
            for change in barred {
                log.write(format!("\ngatewright: left out, since nobody but people may change it: {}", change.path).as_bytes());
            }
            (Some(session::kept(engine, taken).await?), None)
        }
        Err(ChangesError::Refused(refused)) => (None::<Tree>, Some(refused.to_string())),
        Err(ChangesError::Failed(error)) => return Err(error.into()),
    };
    let log = log.finish();
    let blob = engine.deps.blobs.put(log.bytes.clone()).await.map_err(|error| NoSession::Later(error.to_string()))?;
    let log = LogRef { blob, bytes: log.bytes.len() as u64, dropped_bytes: log.dropped_bytes };
    Ok(ProgramEnd { failed: failed.or(refused), log: Some(log), tree })
}

/// What it is told: the task, and each input by itself for programs that read no prose.
fn env(task: String, prepared: &AgentPrepared) -> BTreeMap<String, String> {
    let input = |(name, value): (&InputName, &String)| {
        let name = name.as_str().replace('-', "_").to_ascii_uppercase();
        (format!("{INPUT_PREFIX}{name}"), value.clone())
    };
    prepared.inputs.iter().map(input).chain([(TASK_VARIABLE.to_owned(), task)]).collect()
}

/// What it may reach.
fn network(engine: &Engine, program: &ProgramStage) -> Result<Network, NoSession> {
    if program.egress.is_empty() && program.keys.is_empty() {
        return Ok(Network::None);
    }
    let mut inject = Vec::new();
    for name in &program.keys {
        let injection = engine.deps.models.injection(name);
        inject.push(injection.ok_or_else(|| NoSession::Never(not_lent(name)))?);
    }
    Ok(Network::Egress(EgressSpec { hosts: program.egress.clone(), inject }))
}

fn not_lent(name: &str) -> String {
    format!("no program may use the key of `{name}`: the server file says which may, in `programs_may_use` of `[agents]`")
}

/// What a program is told: the task, what is known, and what gates had to say against its last try.
async fn told(engine: &Engine, of: &AgentRun, prepared: &AgentPrepared, n: u16) -> Result<String, NoSession> {
    let lost = |lost: Lost| match lost {
        Lost::Later(cause) => NoSession::Later(cause),
        Lost::Never(cause) => NoSession::Never(cause),
    };
    let user = turn::told(&*engine.deps.blobs, of, prepared, n).await.map_err(lost)?;
    let mut text = user.replace('\0', "");
    text.truncate(text.floor_char_boundary(TASK_BYTES_MAX));
    Ok(text)
}
