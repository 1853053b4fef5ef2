//! `gatewright run`: the gates of the working tree, on this machine.
//!
//! What is checked is found in `tree.rs`, run by the engine's [`local`](gatewright_engine::local) run, shown while it runs by
//! `progress.rs` and afterwards by `show.rs`, `json.rs` and `report.rs`. Beside the exit codes that every command has: 1 where
//! a required gate did not pass, 3 where none failed but one could not be run at all (no engine, no image).

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

use gatewright_core::GateName;
use gatewright_core::config::{GateConfig, RepoConfig};
use gatewright_core::plan::Applies;
use gatewright_core::sandbox::{Limits, Sandbox};
use gatewright_engine::local::{LocalEnd, LocalReport, LocalRun, Pasts};
use gatewright_sandbox::{DockerConfig, DockerSandbox, HostConfig, HostSandbox, HostWorkspace};
use tokio_util::sync::CancellationToken;

use crate::args::{Bounds, ReportFormat, RunArgs, SandboxKind};
use crate::failure::Failure;
use crate::print;

pub(in crate::commands) mod cache;
pub(in crate::commands) mod file;
mod json;
pub(in crate::commands) mod places;
pub(in crate::commands) mod progress;
pub(in crate::commands) mod remains;
mod report;
pub(in crate::commands) mod show;
pub(in crate::commands) mod tree;

use cache::{Cache, Kept};
use progress::Progress;
use remains::Here;
use tree::{Tree, Wanted};

/// So many gates run at once unless the user says otherwise: each takes as much of the machine as its bounds allow.
const JOBS_DEFAULT: usize = 4;

/// What a run was about and what came of it, for whoever shows it.
struct Done<'a> {
    tree: &'a Tree,
    file: &'a Path,
    report: &'a LocalReport,
    /// What gates have left.
    kept: Kept,
    duration_ms: u64,
}

pub(super) fn run(args: RunArgs) -> Result<ExitCode, Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let runtime = runtime.map_err(|error| Failure::Outside(format!("the runtime cannot start: {error}")))?;
    runtime.block_on(checked(args))
}

async fn checked(args: RunArgs) -> Result<ExitCode, Failure> {
    let started = Instant::now();
    check(&args)?;
    let scratch = tempfile::Builder::new().prefix(remains::SCRATCH_PREFIX).tempdir();
    let scratch = scratch.map_err(|error| Failure::Outside(format!("no temporary folder can be made: {error}")))?;
    let stop = stopped_by_the_user();
    let progress = Progress::new();
    let (tree, path, config) = found(&args, scratch.path(), &progress).await?;
    let cache = Cache::of(tree.working_tree.common());
    remains::remove(&cache.running).await;
    let here = Here::begin(&cache.running, scratch.path());
    let here = here.map_err(|e| Failure::Outside(format!("{} cannot be written: {e}", cache.running.display())))?;
    let job = Job { args: &args, tree: &tree, config: &config, scratch: scratch.path(), cache: &cache, here: &here };
    if args.measure_base {
        job.measure_base(&progress, &stop).await?;
    }
    let local = job.local_run(args.sandbox)?;
    if local.plan().gates.iter().any(|planned| planned.applies == Applies::Yes && planned.config.run.is_some()) {
        let there = local.sandbox.probe().await;
        there.map_err(|e| Failure::Outside(format!("{e}; start it, or see `gatewright run --help` for `--sandbox host`")))?;
    }
    let report = job.driven(&local, &progress, &stop).await?;
    progress.finish();
    let kept = cache.keep(args.logs.as_deref(), &report)?;
    let duration_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
    show(&args, &Done { tree: &tree, file: &path, report: &report, kept, duration_ms }).await?;
    Ok(match report.end() {
        LocalEnd::Passed => ExitCode::SUCCESS,
        LocalEnd::NotPassed => ExitCode::from(Failure::NOT_PASSED),
        LocalEnd::NotRun => ExitCode::from(Failure::OUTSIDE),
    })
}

/// What is wrong with a call, before anything runs: what comes of minutes of work is not lost at its end.
fn check(args: &RunArgs) -> Result<(), Failure> {
    if args.tree.committed && args.sandbox == SandboxKind::InPlace {
        let cause = "in place gates see what is not committed, too";
        return Err(Failure::Wrong(format!(
            "--committed does not go with --sandbox in-place: {cause}; with --sandbox host they see a copy"
        )));
    }
    if args.output.is_some() && !args.json && args.report.is_none() {
        return Err(Failure::Wrong("--output does not say what is to be written: add --json or --report".to_owned()));
    }
    args.output.iter().try_for_each(|file| places::file("--output", file))?;
    args.logs.iter().try_for_each(|folder| places::folder("--logs", folder))
}

/// The working tree and its file, both as they are now.
async fn found(args: &RunArgs, scratch: &Path, progress: &Progress) -> Result<(Tree, PathBuf, RepoConfig), Failure> {
    let here = std::env::current_dir().map_err(|e| Failure::Outside(format!("the current folder cannot be found: {e}")))?;
    let working_tree = tree::find(&here).await?;
    let path = args.tree.file_in(&working_tree);
    let mut config = file::read(&path, &here)?;
    file::know(&config, &args.gates)?;
    for gate in &mut config.gates {
        if let Some(image) = &args.image {
            gate.image.clone_from(image);
        }
        gate.env.extend(args.env.iter().cloned());
    }
    progress.say("taking up the working tree");
    let RunArgs { tree: of, gates, measure_base, .. } = args;
    let wanted = Wanted { base: of.base.as_deref(), committed: of.committed, gates, measure_base: *measure_base };
    let tree = Tree::of(working_tree, wanted, scratch, &config).await?;
    Ok((tree, path, config))
}

/// What the steps of a run are made from.
struct Job<'a> {
    args: &'a RunArgs,
    tree: &'a Tree,
    config: &'a RepoConfig,
    scratch: &'a Path,
    cache: &'a Cache,
    here: &'a Here,
}

impl Job<'_> {
    /// Runs the gates that compare on the base, where nothing is known of it yet.
    async fn measure_base(&self, progress: &Progress, stop: &CancellationToken) -> Result<(), Failure> {
        let Some(change) = self.tree.of_base() else { return Ok(()) };
        let pasts = Pasts::new(&self.cache.pasts);
        let looks = |gate: &GateConfig| gate.compares() || gate.looks_back();
        let unknown = |gate: &&GateConfig| looks(gate) && !pasts.has(&change.commit, &gate.name);
        let named = |name: &GateName| self.args.gates.is_empty() || self.args.gates.contains(name);
        let gates: Vec<GateName> = self.config.gates.iter().filter(unknown).map(|gate| gate.name.clone()).filter(named).collect();
        if gates.is_empty() {
            return Ok(());
        }
        progress.say(&format!("measuring the base {}", change.commit.short()));
        // Never in place: the base is another commit than the one that is there.
        let sandbox = if self.args.sandbox == SandboxKind::InPlace { SandboxKind::Host } else { self.args.sandbox };
        let local = LocalRun { only: Some(gates), change, ..self.local_run(sandbox)? };
        self.driven(&local, progress, stop).await.map(|_| ())
    }

    fn local_run(&self, sandbox: SandboxKind) -> Result<LocalRun, Failure> {
        let bounds = self.args.tree.bounds;
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        let jobs = match (self.args.jobs, sandbox) {
            (Some(jobs), _) => usize::from(jobs),
            // Gates in the same folder would be in each other's way.
            (None, SandboxKind::InPlace) => 1,
            (None, SandboxKind::Docker | SandboxKind::Host) => JOBS_DEFAULT.min(processors),
        };
        Ok(LocalRun {
            sandbox: self.sandbox(sandbox),
            config: self.config.clone(),
            change: self.tree.change.clone(),
            only: (!self.args.gates.is_empty()).then(|| self.args.gates.clone()),
            jobs,
            limits: limits(bounds),
            secrets: Vec::new(),
            scratch: self.scratch.join("blobs"),
            pasts: Some(Pasts::new(&self.cache.pasts)),
        })
    }

    fn sandbox(&self, kind: SandboxKind) -> Arc<dyn Sandbox> {
        let env: BTreeMap<String, String> = self.args.env.iter().cloned().collect();
        let instance = self.here.instance.clone();
        let (mirrors, local) = (self.scratch.join("mirrors"), Some(self.tree.repository.clone()));
        let workspace = match kind {
            SandboxKind::Docker => {
                let pull = self.args.tree.pull();
                let caches = self.cache.caches.clone();
                let config = DockerConfig { local, caches, pull, env, ..DockerConfig::new(instance, mirrors) };
                return Arc::new(DockerSandbox::new(config));
            }
            SandboxKind::Host => HostWorkspace::Fresh(self.scratch.join("workspaces")),
            SandboxKind::InPlace => HostWorkspace::InPlace(self.tree.working_tree.root().to_owned()),
        };
        Arc::new(HostSandbox::new(HostConfig { workspace, instance, mirrors, local, env }))
    }

    async fn driven(&self, local: &LocalRun, progress: &Progress, stop: &CancellationToken) -> Result<LocalReport, Failure> {
        let ran = local.run(progress, stop).await;
        ran.map_err(|error| Failure::Outside(format!("the run came to something that cannot be, which is our fault: {error}")))
    }
}

/// The bounds of a container, as the service has them in its file.
pub(in crate::commands) fn limits(bounds: Bounds) -> Limits {
    let Bounds { memory_mib, disk_mib, cpus, wall_secs } = bounds;
    Limits { memory_mib, disk_mib, cpus, wall_secs, ..Limits::default() }
}

/// Is cancelled when the user presses Ctrl-C, or the process is told to end. At the second time it ends at once, and what runs
/// is left behind.
pub(in crate::commands) fn stopped_by_the_user() -> CancellationToken {
    let stop = CancellationToken::new();
    let told = stop.clone();
    tokio::spawn(async move {
        let terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate());
        let Ok(mut terminate) = terminate else { return };
        loop {
            tokio::select! {
                heard = tokio::signal::ctrl_c() => if heard.is_err() { return },
                _ = terminate.recv() => {}
            }
            if told.is_cancelled() {
                std::process::exit(i32::from(Failure::NOT_PASSED));
            }
            told.cancel();
        }
    });
    stop
}

async fn show(args: &RunArgs, done: &Done<'_>) -> Result<(), Failure> {
    let text = match (args.json, args.report) {
        (true, _) => Some(json::render(done)?),
        (false, Some(ReportFormat::Markdown)) => Some(report::markdown(done)?),
        (false, Some(ReportFormat::Html)) => Some(report::html(done)?),
        (false, None) => None,
    };
    match (text, &args.output) {
        (Some(text), None) => print::line(text.trim_end()),
        (Some(text), Some(file)) => {
            let written = std::fs::write(file, text);
            written.map_err(|e| Failure::Outside(format!("{} cannot be written: {e}", file.display())))?;
            show::table(done)
        }
        (None, _) => {
            show::failures(done).await?;
            show::table(done)
        }
    }
}
