//! Execute: runs a gate's step in a sandbox and has the gate judge what it left behind.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use gatewright_core::config::GateConfig;
use gatewright_core::forge::ForgeError;
use gatewright_core::run::{Gates, Run, RunEvent};
use gatewright_core::sandbox::{Command, ExecEnd, Limits, Network, SandboxError, SandboxHandle, SandboxKey, SandboxSpec, Source};
use gatewright_core::verdict::{Evidence, Exit, LogRef, ReportFile, ReportKind, Reports, StepOutcome, Survey, Verdict};
use gatewright_core::{CommitId, GateName};
use tokio_util::sync::CancellationToken;

use super::Done;
use crate::Engine;
use crate::gates;
use crate::log::{FinishedLog, StepLog};
use crate::redact::Redactor;

/// What may pass by itself (an engine that is restarted, a fetch that is cut) is tried so often before the gate is said to
/// have failed for it.
const TRIES_MAX: u32 = 4;

/// Between such tries.
const TRY_AGAIN: Duration = Duration::from_secs(2);

/// A gate's reports may have so many bytes in all, and be so many files.
const REPORT_BYTES_MAX: u64 = 64 * 1024 * 1024;
const REPORT_FILES_MAX: usize = 1000;

/// How a step ended, before it is judged.
struct Ended {
    exit: Exit,
    disk_full: bool,
    reports: BTreeMap<ReportKind, Reports>,
    survey: Option<Survey>,
}

impl Ended {
    fn without_reports(exit: Exit) -> Ended {
        Ended { exit, disk_full: false, reports: BTreeMap::new(), survey: None }
    }
}

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
    let log = StepLog::new(Redactor::new(engine.options.secrets.iter().cloned()));
    let ended = tokio::select! {
        ended = tried(engine, run, gates, &step.gate, &key, &log) => Some(ended),
        () = stop.cancelled() => None,
    };
    // Also after a failure: a sandbox that could not be removed is found by the sweep.
    if let Err(error) = engine.deps.sandbox.close(&key).await {
        tracing::warn!(run.id = %run.id, step.key = %gate, %error, "a sandbox could not be removed");
    }
    let Some(ended) = ended else { return Done::Stopped { gate: gate.clone() } };
    let outcome = judged(engine, &step.gate, ended, log.finish(), started).await;
    observe(run, gate, attempt, &outcome);
    Done::Events(vec![RunEvent::StepFinished { gate: gate.clone(), outcome: Box::new(outcome) }])
}

/// Runs the step, again if what failed may pass by itself.
async fn tried(engine: &Engine, run: &Run, gates: &Gates, gate: &GateConfig, key: &SandboxKey, log: &StepLog) -> Ended {
    let mut tries = 1;
    loop {
        let (error, may_pass) = match once(engine, run, gates, gate, key, log).await {
            Ok(ended) => return ended,
            Err(failure) => failure,
        };
        metrics::counter!("gatewright_sandbox_failures_total").increment(1);
        if !may_pass || tries >= TRIES_MAX {
            return Ended::without_reports(Exit::NotStarted { cause: error });
        }
        tracing::warn!(run.id = %run.id, step.key = %gate.name, attempt = tries, cause = error, "the sandbox failed; trying again");
        tries += 1;
        tokio::time::sleep(TRY_AGAIN).await;
    }
}

async fn once(
    engine: &Engine,
    run: &Run,
    gates: &Gates,
    gate: &GateConfig,
    key: &SandboxKey,
    log: &StepLog,
) -> Result<Ended, (String, bool)> {
    let limits = limits(engine, gate);
    let source = source(engine, run, &gates.spec.head, gate).await?;
    let spec = SandboxSpec {
        key: key.clone(),
        image: gate.image.clone(),
        env: gate.env.clone(),
        limits,
        network: if gate.network { Network::Open } else { Network::None },
        source: Some(source.clone()),
    };
    let sandbox = &engine.deps.sandbox;
    let handle = sandbox.open(&spec).await.map_err(of_sandbox)?;
    let command = Command { script: gate.run.clone(), wall: Duration::from_secs(limits.wall_secs) };
    let result = sandbox.exec(&handle, &command, log).await.map_err(of_sandbox)?;
    let exit = match result.end {
        ExecEnd::Exited(code) => Exit::Code { code },
        ExecEnd::TimedOut => Exit::TimedOut { after_secs: limits.wall_secs },
        ExecEnd::OutOfMemory => Exit::OutOfMemory { memory_mib: limits.memory_mib },
    };
    // A step that was killed has left half a report at best.
    let wanted = if matches!(exit, Exit::Code { .. }) { gates::reports_wanted(gate) } else { Vec::new() };
    let reports = read_reports(engine, &handle, wanted).await?;
    let survey = match gates::survey_wanted(gate) {
        true => {
            let since = gates.prepared.as_ref().and_then(|prepared| prepared.compared_with.as_ref());
            Some(sandbox.survey(&source, since).await.map_err(of_sandbox)?)
        }
        false => None,
    };
    Ok(Ended { exit, disk_full: result.disk_full, reports, survey })
}

fn limits(engine: &Engine, gate: &GateConfig) -> Limits {
    let service = engine.options.limits;
    Limits { wall_secs: gate.timeout_secs.unwrap_or(service.wall_secs), ..service }
}

async fn source(engine: &Engine, run: &Run, head: &CommitId, gate: &GateConfig) -> Result<Source, (String, bool)> {
    let forge = engine.forge(run.repo.forge).ok_or_else(|| (format!("{} is not configured", run.repo.forge), false))?;
    let credential = forge.credential(&run.repo).await.map_err(|error| {
        let may_pass = matches!(error, ForgeError::Unavailable { .. } | ForgeError::RateLimited { .. });
        (format!("no access to the source: {error}"), may_pass)
    })?;
    Ok(Source { repo: run.repo.clone(), commit: head.clone(), credential, checkout: gate.checkout })
}

fn of_sandbox(error: SandboxError) -> (String, bool) {
    let may_pass = match &error {
        SandboxError::Unavailable(_) | SandboxError::Source(_) | SandboxError::Gone(_) => true,
        SandboxError::ImageMissing { .. }
        | SandboxError::SourceUnusable(_)
        | SandboxError::HostDiskFull(_)
        | SandboxError::NotStartable(_)
        | SandboxError::Report(_) => false,
    };
    (error.to_string(), may_pass)
}

async fn read_reports(
    engine: &Engine,
    handle: &SandboxHandle,
    wanted: Vec<(ReportKind, Vec<String>)>,
) -> Result<BTreeMap<ReportKind, Reports>, (String, bool)> {
    let mut read: BTreeMap<ReportKind, Reports> = BTreeMap::new();
    let (mut files_left, mut bytes_left) = (REPORT_FILES_MAX, REPORT_BYTES_MAX);
    let globs: Vec<(ReportKind, String)> =
        wanted.into_iter().flat_map(|(kind, globs)| globs.into_iter().map(move |glob| (kind, glob))).collect();
    for (kind, glob) in globs {
        let reports = read.entry(kind).or_default();
        match engine.deps.sandbox.read(handle, &glob, files_left, bytes_left).await {
            Ok(files) => {
                files_left = files_left.saturating_sub(files.len());
                bytes_left = bytes_left.saturating_sub(files.iter().map(|file| file.bytes.len() as u64).sum());
                // Two globs may match one file; it counts once.
                let new = |file: &ReportFile| !reports.files.iter().any(|known| known.path == file.path);
                let new: Vec<ReportFile> = files.into_iter().filter(new).collect();
                reports.files.extend(new);
            }
            Err(SandboxError::Report(cause)) => reports.errors.push(cause),
            Err(error) => return Err(of_sandbox(error)),
        }
    }
    Ok(read)
}

async fn judged(engine: &Engine, gate: &GateConfig, ended: Ended, log: FinishedLog, started: Instant) -> StepOutcome {
    let Ended { exit, disk_full, reports, survey } = ended;
    let stored = store_log(engine, &log).await;
    let evidence = Evidence { exit: exit.clone(), log_tail: log.tail, disk_full, reports, survey };
    let config = gate.clone();
    // Judging reads reports of many megabytes: not on a thread that others wait for.
    let verdict = tokio::task::spawn_blocking(move || gates::judge(&config, &evidence)).await;
    let verdict = redacted(engine, verdict.unwrap_or_else(|_| gates::unreadable()));
    let duration_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
    StepOutcome { exit, verdict, log: stored, duration_ms }
}

/// Reports are written by the step's program like its output, and are as likely to repeat what it should not have.
fn redacted(engine: &Engine, mut verdict: Verdict) -> Verdict {
    let mut redactor = Redactor::new(engine.options.secrets.iter().cloned());
    verdict.summary = redactor.text(&verdict.summary);
    for annotation in &mut verdict.annotations {
        annotation.title = redactor.text(&annotation.title);
        annotation.message = redactor.text(&annotation.message);
    }
    verdict
}

async fn store_log(engine: &Engine, log: &FinishedLog) -> Option<LogRef> {
    match engine.deps.blobs.put(log.bytes.clone()).await {
        Ok(blob) => Some(LogRef { blob, bytes: log.bytes.len() as u64, dropped_bytes: log.dropped_bytes }),
        Err(error) => {
            // The verdict and the log's end are worth more than the log.
            tracing::error!(%error, "a log could not be stored");
            None
        }
    }
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
