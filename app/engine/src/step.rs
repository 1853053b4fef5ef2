//! A step: runs one gate's command in a sandbox and has the gate judge what it left behind. It knows no run and no forge, so the
//! service ([`perform`](crate::perform)) and a local run drive the same steps.

use std::collections::BTreeMap;
use std::io::Write;
use std::time::{Duration, Instant};

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use gatewright_core::config::GateConfig;
use gatewright_core::facts::{Facts, Past};
use gatewright_core::sandbox::{
    CacheUse, Command, ExecEnd, Limits, Network, OutputSink, Restored, Sandbox, SandboxError, SandboxHandle, SandboxKey,
    SandboxSpec, Source, WORKSPACE,
};
use gatewright_core::store::Blobs;
use gatewright_core::survey::PullFacts;
use gatewright_core::verdict::{
    Counted, Evidence, Exit, LogRef, ReportFile, ReportKind, Reports, Rounds, StepOutcome, Survey, Try, Verdict,
};
use gatewright_core::{BlobId, CommitId};
use gatewright_reports::findings::SarifLog;
use secrecy::SecretString;

use crate::gates::{self, Judgement};
use crate::log::{FinishedLog, StepLog};
use crate::redact::Redactor;

#[cfg(test)]
mod fake;
mod interleaved;
mod outputs;
#[cfg(test)]
mod tests;

use outputs::Outputs;

/// A gate's reports may have so many bytes in all, and be so many files. They are read as streams and never whole in memory.
const REPORT_BYTES_MAX: u64 = 1024 * 1024 * 1024;
const REPORT_FILES_MAX: usize = 1000;

/// What steps are run with.
#[derive(Clone, Copy)]
pub struct StepRunner<'a> {
    /// Where their commands run.
    pub sandbox: &'a dyn Sandbox,
    /// Where logs and facts are kept.
    pub blobs: &'a dyn Blobs,
    /// The bounds of a sandbox, but for what a gate sets itself.
    pub limits: Limits,
    /// What must never be in a log.
    pub secrets: &'a [SecretString],
}

/// What one step is about.
#[derive(Debug, Clone)]
pub struct StepInput<'a> {
    /// Names its sandbox.
    pub key: SandboxKey,
    /// The gate.
    pub gate: &'a GateConfig,
    /// The commit that is checked.
    pub source: Source,
    /// The commit that it is compared with, where there is one.
    pub since: Option<CommitId>,
    /// What a forge tells of its pull request, where there is one and the gate wants to know ([`gates::pull_wanted`]).
    pub pull: Option<PullFacts>,
    /// From where its cache may come, and where it is saved, if it has one.
    pub scopes: CacheScopes,
    /// What is known of the gate's past: a failure that the gate forgives is no reason to try again.
    pub past: Known,
}

/// From where caches may come, and where they are saved.
#[derive(Debug, Clone, Default)]
pub struct CacheScopes {
    /// The first one first.
    pub read: Vec<String>,
    /// None: they are not saved.
    pub write: Option<String>,
}

/// Whether the step's gate fails for something that another try may mend.
async fn may_pass_again(input: &StepInput<'_>, ended: &Ended) -> bool {
    let (config, evidence) = (input.gate.clone(), ended.evidence(&input.past));
    // Reads reports of many megabytes, as judging does.
    tokio::task::spawn_blocking(move || gates::may_pass_again(&config, &evidence)).await.unwrap_or(false)
}

/// What is kept of a try that failed: of its reports those of tests, as long as those of all tries are no more than one may
/// have. Of a try without them nobody can say which of its tests failed.
fn kept_of_try(exit: Exit, mut reports: BTreeMap<ReportKind, Reports>, earlier: &[Try]) -> Try {
    let bytes = |reports: &BTreeMap<ReportKind, Reports>| -> u64 {
        reports.values().flat_map(|reports| &reports.files).map(|file| file.content.bytes()).sum()
    };
    reports.retain(|kind, _| *kind == ReportKind::Tests);
    if earlier.iter().map(|earlier| bytes(&earlier.reports)).sum::<u64>() + bytes(&reports) > REPORT_BYTES_MAX {
        reports.clear();
    }
    Try { exit, reports }
}

/// What is known of a gate's past, and of other gates.
#[derive(Debug, Clone, Default)]
pub struct Known {
    /// Of the commit that the step's is compared with.
    pub base: Option<Past>,
    /// Of commits of the base branch, newest first.
    pub history: Vec<Past>,
    /// The coverage that the gate counts together with its own.
    pub counted: Vec<Counted>,
}

/// How a step ended, before it is judged.
pub struct Ended {
    exit: Exit,
    workspace: String,
    disk_full: bool,
    reports: BTreeMap<ReportKind, Reports>,
    survey: Option<Survey>,
    outputs: Outputs,
    /// The tries before this one.
    earlier: Vec<Try>,
    rounds: Option<Rounds>,
}

/// Why a step could not be run.
#[derive(Debug, Clone)]
pub struct Failure {
    /// In words for the user.
    pub cause: String,
    /// Whether it may pass by itself: an engine that is restarted, a fetch that is cut.
    pub may_pass: bool,
}

impl Ended {
    /// A step that never ran.
    pub fn not_started(cause: String) -> Ended {
        Ended::of(Exit::NotStarted { cause })
    }

    fn of(exit: Exit) -> Ended {
        Ended {
            exit,
            workspace: WORKSPACE.to_owned(),
            disk_full: false,
            reports: BTreeMap::new(),
            survey: None,
            outputs: Outputs::default(),
            earlier: Vec::new(),
            rounds: None,
        }
    }

    /// What the gate is judged by, but for the log.
    fn evidence(&self, past: &Known) -> Evidence {
        let Known { base, history, counted } = past.clone();
        let (reports, survey, earlier) = (self.reports.clone(), self.survey.clone(), self.earlier.clone());
        let (disk_full, rounds) = (self.disk_full, self.rounds.clone());
        let workspace = self.workspace.clone();
        let found = Evidence { disk_full, workspace, reports, survey, earlier, rounds, ..Evidence::of(self.exit.clone()) };
        Evidence { base, history, counted, ..found }
    }
}

/// How a command ended.
fn exit(end: ExecEnd, limits: &Limits) -> Exit {
    match end {
        ExecEnd::Exited(code) => Exit::Code { code },
        ExecEnd::TimedOut => Exit::TimedOut { after_secs: limits.wall_secs },
        ExecEnd::OutOfMemory => Exit::OutOfMemory { memory_mib: limits.memory_mib },
    }
}

impl From<SandboxError> for Failure {
    fn from(error: SandboxError) -> Self {
        let may_pass = match &error {
            SandboxError::Unavailable(_) | SandboxError::Source(_) | SandboxError::Gone(_) => true,
            SandboxError::ImageMissing { .. }
            | SandboxError::SourceUnusable(_)
            | SandboxError::HostDiskFull(_)
            | SandboxError::NotStartable(_)
            | SandboxError::Report(_) => false,
        };
        Failure { cause: error.to_string(), may_pass }
    }
}

/// What is kept of a step that was stopped.
#[derive(Debug, Default)]
pub(crate) struct Kept {
    /// What it had written.
    pub(crate) log: Option<LogRef>,
    /// How long it had run.
    pub(crate) duration_ms: u64,
}

impl StepRunner<'_> {
    /// An empty log for a step.
    pub fn log(&self) -> StepLog {
        StepLog::new(Redactor::new(self.secrets.iter().cloned()))
    }

    /// Runs the gate's command, if it has one, and reads what it left. The sandbox stays open: closing it is the caller's,
    /// whatever comes of this, also when it is dropped.
    pub async fn run(&self, input: &StepInput<'_>, log: &StepLog) -> Result<Ended, Failure> {
        let mut ended = match &input.gate.run {
            Some(script) if input.gate.benchmark.is_interleaved() => self.run_interleaved(input, script, log).await?,
            Some(script) => self.run_tries(input, script, log).await?,
            None => Ended::of(Exit::Code { code: 0 }),
        };
        let wanted = gates::survey_wanted(input.gate);
        if !wanted.is_empty() {
            ended.survey = Some(self.sandbox.survey(&input.source, input.since.as_ref(), &wanted).await?);
        }
        if input.pull.is_some() {
            ended.survey.get_or_insert_default().pull.clone_from(&input.pull);
        }
        Ok(ended)
    }

    /// Runs the command, and again while the gate has retries left and would fail. Each try has a sandbox of its own: opening
    /// one removes what is left of the one before.
    async fn run_tries(&self, input: &StepInput<'_>, script: &str, log: &StepLog) -> Result<Ended, Failure> {
        let mut earlier = Vec::new();
        loop {
            let mut ended = self.run_command(input, script, log).await?;
            ended.earlier = std::mem::take(&mut earlier);
            let tries = ended.earlier.len() + 1;
            let left = input.gate.retries as usize + 1 - tries;
            if left == 0 || !may_pass_again(input, &ended).await {
                return Ok(ended);
            }
            log.write(format!("\n=== The gate failed. Try {} of {}. ===\n\n", tries + 1, tries + left).as_bytes());
            let Ended { exit, reports, earlier: before, .. } = ended;
            earlier = before;
            earlier.push(kept_of_try(exit, reports, &earlier));
        }
    }

    async fn run_command(&self, input: &StepInput<'_>, script: &str, log: &StepLog) -> Result<Ended, Failure> {
        let spec = self.spec(input, None);
        let handle = self.open(&spec, log).await?;
        let command = Command { script: script.to_owned(), wall: Duration::from_secs(spec.limits.wall_secs) };
        let result = self.sandbox.exec(&handle, &command, log).await?;
        let exit = exit(result.end, &spec.limits);
        // A step that was killed has left half a report at best.
        let wanted = if matches!(exit, Exit::Code { .. }) { gates::reports_wanted(input.gate) } else { Vec::new() };
        let reports = self.read_reports(&handle, wanted).await?;
        // What a step has left of its pictures and logs is of use above all where it was killed.
        let outputs = outputs::keep(self, &handle, &input.gate.outputs).await?;
        let workspace = self.sandbox.workspace(&handle);
        Ok(Ended { workspace, disk_full: result.disk_full, reports, outputs, ..Ended::of(exit) })
    }

    /// Opens a step's sandbox. What came out of the cache is said in the log.
    async fn open(&self, spec: &SandboxSpec, log: &StepLog) -> Result<SandboxHandle, SandboxError> {
        let handle = self.sandbox.open(spec).await?;
        match handle.restored {
            Restored::Nothing => {}
            Restored::Exact => log.write(b"gatewright: restored the cache\n"),
            Restored::Older => log.write(b"gatewright: restored an older cache: the files that decide about it have changed\n"),
        }
        Ok(handle)
    }

    /// The sandbox of a step.
    fn spec(&self, input: &StepInput<'_>, base: Option<Source>) -> SandboxSpec {
        let gate = input.gate;
        SandboxSpec {
            key: input.key.clone(),
            image: gate.image.clone(),
            env: gate.env.clone(),
            limits: Limits { wall_secs: gate.timeout_secs.unwrap_or(self.limits.wall_secs), ..self.limits },
            network: if gate.network { Network::Open } else { Network::None },
            source: Some(input.source.clone()),
            cache: gate.cache.as_ref().map(|cache| CacheUse {
                paths: cache.paths.clone(),
                key: cache.key.clone(),
                read: input.scopes.read.clone(),
                write: input.scopes.write.clone(),
            }),
            base,
            watched: false,
        }
    }

    async fn read_reports(
        &self,
        handle: &SandboxHandle,
        wanted: Vec<(ReportKind, Vec<String>)>,
    ) -> Result<BTreeMap<ReportKind, Reports>, Failure> {
        let mut read: BTreeMap<ReportKind, Reports> = BTreeMap::new();
        let (mut files_left, mut bytes_left) = (REPORT_FILES_MAX, REPORT_BYTES_MAX);
        let globs: Vec<(ReportKind, String)> =
            wanted.into_iter().flat_map(|(kind, globs)| globs.into_iter().map(move |glob| (kind, glob))).collect();
        for (kind, glob) in globs {
            let reports = read.entry(kind).or_default();
            match self.sandbox.read(handle, &glob, files_left, bytes_left).await {
                Ok(files) => {
                    files_left = files_left.saturating_sub(files.len());
                    bytes_left = bytes_left.saturating_sub(files.iter().map(|file| file.content.bytes()).sum());
                    // Two globs may match one file; it counts once.
                    let new = |file: &ReportFile| !reports.files.iter().any(|known| known.path == file.path);
                    let new: Vec<ReportFile> = files.into_iter().filter(new).collect();
                    reports.files.extend(new);
                }
                Err(SandboxError::Report(cause)) => reports.errors.push(cause),
                Err(error) => return Err(error.into()),
            }
        }
        Ok(read)
    }

    /// What the gate says of a step that has ended. Its log and what is kept of its reports are stored.
    pub async fn judge(&self, gate: &GateConfig, past: Known, ended: Ended, log: FinishedLog, started: Instant) -> StepOutcome {
        let stored = self.store_log(&log).await;
        let evidence = Evidence { log_tail: log.tail, ..ended.evidence(&past) };
        let (exit, outputs) = (ended.exit, ended.outputs);
        let config = gate.clone();
        // Judging reads reports of many megabytes: not on a thread that others wait for.
        let judged = tokio::task::spawn_blocking(move || gates::judge(&config, &evidence)).await;
        let Judgement { mut verdict, facts, scan, coverage } = judged.unwrap_or_else(|_| gates::unreadable());
        gates::say_not_kept(&mut verdict, &outputs.problems);
        let (facts, scan, coverage) =
            (self.store_facts(&facts).await, self.store_scan(scan).await, self.store_coverage(coverage).await);
        let duration_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
        let (verdict, outputs) = (self.redacted(verdict), outputs.kept);
        StepOutcome { exit, verdict, log: stored, duration_ms, facts, scan, coverage, outputs }
    }

    /// What is kept of a step that was stopped.
    pub(crate) async fn keep(&self, log: FinishedLog, started: Instant) -> Kept {
        let log = if log.bytes.is_empty() { None } else { self.store_log(&log).await };
        Kept { log, duration_ms: u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX) }
    }

    /// Reports are written by the step's program like its output, and are as likely to repeat what it should not have.
    fn redacted(&self, mut verdict: Verdict) -> Verdict {
        let mut redactor = Redactor::new(self.secrets.iter().cloned());
        for text in [&mut verdict.title, &mut verdict.change, &mut verdict.summary] {
            *text = redactor.text(text);
        }
        for annotation in &mut verdict.annotations {
            annotation.title = redactor.text(&annotation.title);
            annotation.message = redactor.text(&annotation.message);
        }
        // A change with a hole in it is none.
        verdict.suggestions.retain(|suggestion| {
            redactor.text(&suggestion.text) == suggestion.text && redactor.text(&suggestion.message) == suggestion.message
        });
        verdict
    }

    async fn store_log(&self, log: &FinishedLog) -> Option<LogRef> {
        match self.blobs.put(log.bytes.clone()).await {
            Ok(blob) => Some(LogRef { blob, bytes: log.bytes.len() as u64, dropped_bytes: log.dropped_bytes }),
            Err(error) => {
                // The verdict and the log's end are worth more than the log.
                tracing::error!(%error, "a log could not be stored");
                None
            }
        }
    }

    async fn store_facts(&self, facts: &Facts) -> Option<BlobId> {
        if facts.is_empty() {
            return None;
        }
        let text = serde_json::to_vec(facts).ok().filter(|text| text.len() <= Facts::BYTES_MAX)?;
        match self.blobs.put(Bytes::from(text)).await {
            Ok(blob) => Some(blob),
            Err(error) => {
                tracing::error!(%error, "what later runs would compare with could not be stored");
                None
            }
        }
    }

    /// What another gate counts. Without it that gate says that it is missing.
    async fn store_coverage(&self, coverage: Option<Bytes>) -> Option<BlobId> {
        match self.blobs.put(coverage?).await {
            Ok(blob) => Some(blob),
            Err(error) => {
                tracing::error!(%error, "coverage that another gate counts could not be stored");
                None
            }
        }
    }

    /// What code scanning is to be given, compressed. What must not be known is not in it, nor is anything where it cannot be
    /// taken out without breaking what is left.
    async fn store_scan(&self, scan: Option<SarifLog>) -> Option<gatewright_core::BlobId> {
        let (json, redactor) = (scan?.json, Redactor::new(self.secrets.iter().cloned()));
        // Up to 9 MB: not on a thread that others wait for.
        let compressed = tokio::task::spawn_blocking(move || without_secrets(json, redactor)).await.ok().flatten();
        let Some(compressed) = compressed else {
            tracing::warn!("findings are not given to code scanning: they hold a secret that cannot be taken out");
            return None;
        };
        match self.blobs.put(compressed).await {
            Ok(blob) => Some(blob),
            Err(error) => {
                tracing::error!(%error, "what code scanning is to be given could not be stored");
                None
            }
        }
    }
}

/// JSON without what must not be known, by gzip. The same gives the same.
fn without_secrets(json: Vec<u8>, mut redactor: Redactor) -> Option<Bytes> {
    let redacted = redactor.text(&String::from_utf8(json).ok()?);
    serde_json::from_str::<serde::de::IgnoredAny>(&redacted).ok()?;
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(redacted.as_bytes()).ok()?;
    encoder.finish().ok().map(Bytes::from)
}
