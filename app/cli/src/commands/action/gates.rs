//! The step that runs the gates.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use gatewright_action::checked::{Checked, CheckedGate};
use gatewright_action::inputs::{Inputs, SandboxKind};
use gatewright_action::job::{self, Change, Job, Runner};
use gatewright_action::{Variables, result, summary};
use gatewright_core::config::{self, GateEvent, RepoConfig};
use gatewright_core::forge::{ChangedFiles, CloneCredential};
use gatewright_core::plan::Applies;
use gatewright_core::run::{Step, StepState};
use gatewright_core::sandbox::{Limits, Sandbox, Source};
use gatewright_core::survey::{Survey, SurveyWanted};
use gatewright_core::verdict::{Evidence, Verdict, VerdictStatus};
use gatewright_core::{ForgeKind, GateName, RepoRef, RunId};
use gatewright_engine::local::{LocalChange, LocalReport, LocalRun};
use gatewright_sandbox::local::{Base, Content, WorkingTree};
use gatewright_sandbox::{DockerConfig, DockerSandbox, HostConfig, HostSandbox, HostWorkspace};
use tokio_util::sync::CancellationToken;

use super::folder::Folder;
use super::keep::Kept;
use super::seal::Seal;
use super::show::{self, Output};
use super::{base, event, history, write, wrong};
use crate::commands::run::file;
use crate::failure::Failure;
use crate::load;

/// So many gates run at once in containers. Those on the runner itself share one folder, and run one after the other.
const JOBS_MAX: usize = 4;

/// A runner is thrown away or shared by jobs, so what a gate may take of it is left to its owner: a time only, and what containers
/// need to be told.
const LIMITS: Limits = Limits { memory_mib: 4096, cpus: 4.0, pids: 4096, disk_mib: 4096, wall_secs: 3600 };

/// Where a change goes to where nothing says which branch.
const BRANCH_DEFAULT: &str = "main";

pub(super) async fn run(variables: &Variables) -> Result<ExitCode, Failure> {
    let inputs = Inputs::read(variables).map_err(wrong)?;
    let job = job(variables)?;
    let here = std::env::current_dir().map_err(|e| Failure::Outside(format!("the current folder cannot be found: {e}")))?;
    // Before anything runs: what is wrong with it is the workflow's, and better known early.
    let folder = Folder::make(&here, &inputs.output)?;
    let config = repository_file(&job, &inputs, &here)?;
    let scratch = tempfile::Builder::new().prefix("gatewright-").tempdir();
    let scratch = scratch.map_err(|error| Failure::Outside(format!("no temporary folder can be made: {error}")))?;
    let source = Checkout::of(&job, &inputs, &here, scratch.path()).await?;
    let sandbox = sandbox(&inputs, &source, scratch.path());
    let pasts = history::known(variables, &job, &inputs, scratch.path()).await?;
    let local = LocalRun { pasts, ..local_run(&job, &inputs, config, &source, (sandbox, scratch.path())) };
    let (report, kept) = driven(&job, &inputs, &local).await?;
    let checked = checked(&job, &source, &report);
    let survey = survey(&local, &source).await;
    let left = write::Left { kept, survey: &survey, root: source.root.clone(), config: &local.config };
    let coverage = folder.reports(&left, &report)?;
    let left_out = show::end(job.runner, &checked, coverage.as_deref())?;
    let text = summary::markdown(&checked, summary::Details::Ours, left_out, summary::SUMMARY_BYTES_MAX);
    let result = result::write(&checked);
    folder.results(&result, &text)?;
    history::leave(variables, &job, local.pasts.as_ref(), &folder)?;
    if job.runner == Runner::Github {
        write::tell_runner(variables, &checked, &folder, &text, &Seal::of(&result, &report))?;
    }
    Ok(if checked.fails(inputs.fail_on) { ExitCode::from(Failure::NOT_PASSED) } else { ExitCode::SUCCESS })
}

fn job(variables: &Variables) -> Result<Job, Failure> {
    match Runner::of(variables).map_err(wrong)? {
        Runner::Github => Ok(job::github(variables, &event::read(variables)?)),
        Runner::Gitlab => job::gitlab(variables).map_err(wrong),
    }
}

/// The repository file as it lies in the checkout. What is wrong with it is shown at its lines too.
fn repository_file(job: &Job, inputs: &Inputs, here: &Path) -> Result<RepoConfig, Failure> {
    let path = here.join(&inputs.config);
    if path.is_file() {
        let text = load::read_text(&path, config::BYTES_MAX as u64)?;
        if let Err(problems) = config::parse(&text) {
            show::problems(job.runner, &inputs.config, &problems)?;
        }
    }
    let config = file::read(&path, here)?;
    file::know(&config, &inputs.gates)?;
    Ok(config)
}

/// The commit that is checked out, and what it is compared with.
struct Checkout {
    root: PathBuf,
    /// The repository that sandboxes and surveys are filled from.
    repository: PathBuf,
    change: LocalChange,
}

impl Checkout {
    async fn of(job: &Job, inputs: &Inputs, here: &Path, scratch: &Path) -> Result<Checkout, Failure> {
        let tree = WorkingTree::find(here).await?;
        let found = base::find(&tree, inputs.base.as_deref(), &job.change.against).await?;
        for note in &found.notes {
            show::note(job.runner, note)?;
        }
        // What earlier steps made is not the change's.
        let taken = tree.snapshot(&scratch.join("source.git"), Content::Head).await?;
        let (history, files) = match &found.base {
            Some(base) => {
                let paths = tree.changed(&taken.repository, &base.commit, &taken.commit).await?;
                let history = tree.history(&base.commit, Evidence::HISTORY_MAX).await?;
                (history, ChangedFiles { paths, incomplete: false })
            }
            // With nothing to compare with, everything may have changed.
            None => (Vec::new(), ChangedFiles { paths: Vec::new(), incomplete: true }),
        };
        let change = LocalChange {
            repo: repo(tree.root()),
            commit: taken.commit,
            lasting: job.change.event == Some(GateEvent::Push),
            base: found.base.as_ref().map(|base| base.commit.clone()),
            history,
            branch: branch(&job.change, found.base.as_ref()),
            // Of gates that are named, and those are all where no event says which, none is left out for its events.
            event: job.change.event.filter(|_| inputs.gates.is_empty()).unwrap_or(GateEvent::PullRequest),
            pushed: job.change.pushed,
            files,
        };
        Ok(Checkout { root: tree.root().to_owned(), repository: taken.repository, change })
    }
}

fn branch(change: &Change, base: Option<&Base>) -> String {
    let of_base = || base.and_then(|base| base.branch.clone());
    change.branch.clone().or_else(of_base).unwrap_or_else(|| BRANCH_DEFAULT.to_owned())
}

/// No forge is asked about it, so its folder's name will do.
fn repo(root: &Path) -> RepoRef {
    let path = root.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    RepoRef { forge: ForgeKind::Github, id: 0, path, installation: None }
}

fn sandbox(inputs: &Inputs, source: &Checkout, scratch: &Path) -> Arc<dyn Sandbox> {
    let instance = format!("action-{}", RunId::new());
    let (mirrors, local) = (scratch.join("mirrors"), Some(source.repository.clone()));
    match inputs.sandbox {
        SandboxKind::Docker => {
            let usual = DockerConfig::new(instance, mirrors);
            let caches = inputs.cache.as_ref().map_or_else(|| usual.caches.clone(), PathBuf::from);
            Arc::new(DockerSandbox::new(DockerConfig { local, caches, ..usual }))
        }
        SandboxKind::Runner => {
            let workspace = HostWorkspace::InPlace(source.root.clone());
            Arc::new(HostSandbox::new(HostConfig { workspace, instance, mirrors, local, env: Default::default() }))
        }
    }
}

fn local_run(
    job: &Job,
    inputs: &Inputs,
    config: RepoConfig,
    source: &Checkout,
    (sandbox, scratch): (Arc<dyn Sandbox>, &Path),
) -> LocalRun {
    let all = || config.gates.iter().map(|gate| gate.name.clone()).collect();
    let only: Option<Vec<GateName>> = match (inputs.gates.is_empty(), job.change.event) {
        (false, _) => Some(inputs.gates.clone()),
        (true, Some(_)) => None,
        // A schedule or a button is no event that a gate could name, and is for all of them.
        (true, None) => Some(all()),
    };
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    let jobs = match inputs.sandbox {
        SandboxKind::Runner => 1,
        SandboxKind::Docker => JOBS_MAX.min(processors),
    };
    #[expect(clippy::cast_precision_loss, reason = "a machine's processors")]
    let cpus = LIMITS.cpus.min(processors as f64);
    LocalRun {
        sandbox,
        config,
        change: source.change.clone(),
        only,
        jobs,
        limits: Limits { cpus, ..LIMITS },
        secrets: Vec::new(),
        scratch: scratch.join("blobs"),
        pasts: None,
    }
}

/// What came of the run, and the reports that its gates left.
async fn driven(job: &Job, inputs: &Inputs, local: &LocalRun) -> Result<(LocalReport, Vec<Kept>), Failure> {
    if local.plan().gates.iter().any(|planned| planned.applies == Applies::Yes && planned.config.run.is_some()) {
        local.sandbox.probe().await.map_err(|error| Failure::Outside(error.to_string()))?;
    }
    let output = Output::new(job.runner, inputs.sandbox == SandboxKind::Runner);
    let ran = local.run(&output, &stopped_by_the_runner()).await;
    let wrong = |error| Failure::Outside(format!("the run came to something that cannot be, which is our fault: {error}"));
    Ok((ran.map_err(wrong)?, output.reports.into_list()))
}

/// Is cancelled when the job is: the runner sends SIGINT, and SIGTERM some seconds later.
fn stopped_by_the_runner() -> CancellationToken {
    let stop = CancellationToken::new();
    let told = stop.clone();
    tokio::spawn(async move {
        let Ok(mut terminate) = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) else { return };
        tokio::select! {
            _ = tokio::signal::ctrl_c() => {}
            _ = terminate.recv() => {}
        }
        told.cancel();
    });
    stop
}

fn checked(job: &Job, source: &Checkout, report: &LocalReport) -> Checked {
    let head = job.change.head.clone().or_else(|| Some(source.change.commit.clone()));
    let gates = report.gates().steps.iter().map(checked_gate).collect();
    Checked { head, base: source.change.base.clone(), gates }
}

fn checked_gate(step: &Step) -> CheckedGate {
    let (verdict, duration_ms) = match &step.state {
        StepState::Done { outcome, .. } => (outcome.verdict.clone(), Some(outcome.duration_ms)),
        StepState::NotRun { because, status, .. } => (Verdict::plain(*status, because.clone(), ""), None),
        StepState::Carried { verdict } => ((**verdict).clone(), None),
        // The run is over, so this cannot be; it is no pass.
        StepState::Waiting | StepState::Running { .. } => {
            (Verdict::plain(VerdictStatus::Errored, "it did not come to an end", ""), None)
        }
    };
    CheckedGate { name: step.gate.name.clone(), required: step.gate.required, verdict, duration_ms }
}

/// The files of the commit. Without them reports keep the paths of their tools, and are left out where they fit nothing.
async fn survey(local: &LocalRun, source: &Checkout) -> Survey {
    let credential = CloneCredential { url: String::new(), login: None, one_repository: true };
    let LocalChange { repo, commit, .. } = &source.change;
    let of = Source {
        repo: repo.clone(),
        commit: commit.clone(),
        credential,
        checkout: Default::default(),
        overlay: Default::default(),
    };
    local.sandbox.survey(&of, None, &SurveyWanted { files: true, ..SurveyWanted::default() }).await.unwrap_or_default()
}
