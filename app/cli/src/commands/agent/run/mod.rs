//! `gatewright agent run`: a pipeline of agents on the working tree of this machine.
//!
//! The engine's own loop runs it, over a clone in the place of a forge (`super::forge`) and a store that is gone with the process. What
//! it comes to is a patch (`outcome.rs`), shown while it comes about by `progress.rs` and afterwards by `show.rs` and `json.rs`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use bytes::Bytes;
use gatewright_core::agent::inputs::Inputs;
use gatewright_core::config::{self, Pipeline, RepoConfig};
use gatewright_core::event::User;
use gatewright_core::forge::PullState;
use gatewright_core::run::{AgentEvent, AgentRun, AgentSpec, Run, RunEvent, RunSpec, Trigger, Work};
use gatewright_core::sandbox::Workshop;
use gatewright_core::{ForgeKind, PipelineName, Subject, Timestamp};
use gatewright_engine::Options;
use gatewright_engine::local::{Pasts, PastsHere, PipelineEnd};
use gatewright_sandbox::local::Snapshot;
use gatewright_sandbox::{DockerConfig, DockerSandbox, HostConfig, HostSandbox, HostWorkspace};
use tokio_util::sync::CancellationToken;

use super::forge::{LocalForge, NUMBER};
use super::here::{self, Bench};
use crate::args::{AgentRunArgs, AgentSandbox};
use crate::commands::run::cache::Cache;
use crate::commands::run::remains::Here;
use crate::commands::run::tree::{self, Tree, Wanted};
use crate::commands::run::{file, limits, places, stopped_by_the_user};
use crate::failure::Failure;
use crate::load;

mod before;
mod json;
mod models;
mod outcome;
mod progress;
mod show;

use before::Before;
use models::Asked;
use outcome::Outcome;
use progress::Progress;

/// So many gates look at once: each takes as much of the machine as its bounds allow.
const GATES_MAX: usize = 4;

/// Pipelines that do what their name says only once somebody has said what.
const NEED_A_TASK: [&str; 2] = ["build", "tdd"];

/// What the others are told where nothing is said.
const TASK: &str = "Do what your role is for.";

/// What a pipeline was about and what came of it, for whoever shows it.
struct Done<'a> {
    tree: &'a Tree,
    file: &'a Path,
    run: &'a Run,
    of: &'a AgentRun,
    bench: &'a Bench,
    outcome: &'a Outcome,
    duration_ms: u64,
}

pub(super) async fn run(args: AgentRunArgs) -> Result<ExitCode, Failure> {
    let started = Instant::now();
    args.patch.iter().try_for_each(|file| places::file("--patch", file))?;
    args.logs.iter().try_for_each(|folder| places::folder("--logs", folder))?;
    let task = task(&args)?;
    let folder = std::env::current_dir().map_err(|e| Failure::Outside(format!("the current folder cannot be found: {e}")))?;
    let working_tree = tree::find(&folder).await?;
    let path = args.tree.file_in(&working_tree);
    let (config, text) = file::read_with(&path, &folder, &args.pipeline)?;
    let pipeline = meant(&config, &args.pipeline)?;
    let inputs = inputs(&args, pipeline)?;
    let asked = Asked::of(&args, pipeline)?;
    asked.check(&args, pipeline)?;
    let (scratch, stop, progress) = (here::scratch()?, stopped_by_the_user(), Progress::new());
    progress.say("taking up the working tree");
    let wanted = Wanted { base: args.tree.base.as_deref(), committed: args.tree.committed, gates: &[], measure_base: false };
    let tree = Tree::of(working_tree, wanted, scratch.path(), &config).await?;
    let cache = Cache::of(tree.working_tree.common());
    let here = here::begin(&cache, scratch.path()).await?;
    let job = Job { args: &args, tree: &tree, scratch: scratch.path(), here: &here, asked: &asked, pasts: &cache.pasts };
    let bench = job.bench(text).await?;
    let before = job.before(&bench, &config, pipeline, &progress, &stop).await?;
    let run = job.driven(&bench, (task, inputs, pipeline), &before, &progress, &stop).await?;
    progress.finish();
    let of = run.run.agent().ok_or_else(|| Failure::Outside("the run has no agents, which is our fault".to_owned()))?;
    let room = cache.room(args.logs.as_deref(), run.run.id);
    let outcome = Outcome::of(&args, &tree, &bench, &run, &before, room).await?;
    if args.logs.is_none() {
        // That older ones stay is no reason to fail.
        let _ = cache.prune();
    }
    let duration_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
    let done = Done { tree: &tree, file: &path, run: &run.run, of, bench: &bench, outcome: &outcome, duration_ms };
    match args.json {
        true => json::print(&done).await?,
        false => show::show(&done).await?,
    }
    Ok(ExitCode::from(outcome.exit_code))
}

/// What is to be done, in the user's words.
fn task(args: &AgentRunArgs) -> Result<String, Failure> {
    let most = AgentSpec::TASK_BYTES_MAX;
    let (text, from) = match (&args.requirements, &args.requirements_file) {
        (Some(text), _) => (text.clone(), "--requirements".to_owned()),
        (None, Some(file)) => (load::read_text(file, most as u64)?, file.display().to_string()),
        (None, None) if NEED_A_TASK.contains(&args.pipeline.as_str()) => {
            let next = "say it with --requirements TEXT, or in a file with --requirements-file FILE";
            return Err(Failure::Wrong(format!("the pipeline `{}` has to be told what to build; {next}", args.pipeline)));
        }
        (None, None) => (TASK.to_owned(), String::new()),
    };
    if text.trim().is_empty() {
        return Err(Failure::Wrong(format!("{from} says nothing: write what is to be done")));
    }
    if text.len() > most {
        return Err(Failure::Wrong(format!("{from} has {} bytes; what is to be done may have {most}", text.len())));
    }
    Ok(text)
}

/// The pipeline that was asked for.
fn meant<'c>(config: &'c RepoConfig, name: &PipelineName) -> Result<&'c Pipeline, Failure> {
    config.agents.iter().find(|pipeline| pipeline.name == *name).ok_or_else(|| {
        let built_in = gatewright_core::agent::PIPELINES.iter().map(|pipeline| pipeline.name);
        let mut names: Vec<&str> = config.agents.iter().map(|pipeline| pipeline.name.as_str()).chain(built_in).collect();
        names.sort_unstable();
        names.dedup();
        let hint = match config::nearest(name.as_str(), names.iter().copied()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("there are {}", names.join(", ")),
        };
        Failure::Wrong(format!("there is no pipeline `{name}`; {hint}"))
    })
}

/// What is given to it beside that.
fn inputs(args: &AgentRunArgs, pipeline: &Pipeline) -> Result<Inputs, Failure> {
    let mut given = Inputs::new();
    for (name, value) in &args.inputs {
        if given.insert(name.clone(), value.clone()).is_some() {
            return Err(Failure::Wrong(format!("--input: the input `{name}` is given twice")));
        }
    }
    let wrong = |cause: String| Failure::Wrong(format!("--input: {cause}"));
    gatewright_core::agent::inputs::resolved(&pipeline.inputs, &given).map_err(wrong)?;
    Ok(given)
}

/// What a local pipeline is made from.
struct Job<'a> {
    args: &'a AgentRunArgs,
    tree: &'a Tree,
    scratch: &'a Path,
    here: &'a Here,
    asked: &'a Asked,
    /// What gates said of earlier commits.
    pasts: &'a Path,
}

impl Job<'_> {
    /// What it runs on. Says at once where there is no engine for its sandboxes.
    async fn bench(&self, file: String) -> Result<Bench, Failure> {
        let sandbox = self.sandbox();
        let there = sandbox.probe().await;
        there
            .map_err(|e| Failure::Outside(format!("{e}; start it, or see `gatewright agent run --help` for `--sandbox host`")))?;
        Ok(Bench::new(self.forge(file), sandbox, Arc::clone(&self.asked.models), self.options()))
    }

    fn forge(&self, file: String) -> LocalForge {
        let change = &self.tree.change;
        let commit = change.commit.clone();
        let pull = PullState {
            number: NUMBER,
            open: true,
            head: commit.clone(),
            head_ref: change.branch.clone(),
            fork: false,
            base_ref: change.branch.clone(),
            // The file that counts is the one that is here.
            base: commit.clone(),
            author: User { id: 0, login: "you".to_owned() },
            title: String::new(),
        };
        LocalForge {
            kind: ForgeKind::Github,
            snapshot: self.snapshot(),
            file: Some(Bytes::from(file)),
            pull,
            since: change.base.clone().unwrap_or(commit),
            proposed: Mutex::default(),
        }
    }

    fn snapshot(&self) -> Snapshot {
        let (repository, commit) = (self.tree.repository.clone(), self.tree.change.commit.clone());
        Snapshot { repository, commit, committed: self.tree.change.lasting }
    }

    fn sandbox(&self) -> Arc<dyn Workshop> {
        let (mirrors, local) = (self.scratch.join("mirrors"), Some(self.tree.repository.clone()));
        let instance = self.here.instance.clone();
        match self.args.sandbox {
            AgentSandbox::Docker => {
                let pull = self.args.tree.pull();
                Arc::new(DockerSandbox::new(DockerConfig { local, pull, ..DockerConfig::new(instance, mirrors) }))
            }
            AgentSandbox::Host => {
                let workspace = HostWorkspace::Fresh(self.scratch.join("workspaces"));
                Arc::new(HostSandbox::new(HostConfig { workspace, instance, mirrors, local, env: Default::default() }))
            }
        }
    }

    fn gates_at_once(&self) -> usize {
        GATES_MAX.min(std::thread::available_parallelism().map_or(1, usize::from))
    }

    fn options(&self) -> Options {
        let gates = self.gates_at_once();
        let agents = &self.asked.config.agents;
        Options {
            worker: "local".to_owned(),
            sandboxes_max: gates,
            sandboxes_per_repo_max: gates,
            limits: limits(self.args.tree.bounds),
            secrets: self.asked.secrets.clone(),
            agents_max: agents.concurrent,
            agent_tokens_max: agents.answer_tokens_max,
            here: Some(PastsHere { pasts: Pasts::new(self.pasts), change: self.tree.change.clone() }),
            ..Options::default()
        }
    }

    async fn driven(
        &self,
        bench: &Bench,
        (task, inputs, pipeline): (String, Inputs, &Pipeline),
        before: &Before,
        progress: &Progress,
        stop: &CancellationToken,
    ) -> Result<PipelineEnd, Failure> {
        let budget = self.args.budget.map(|budget| budget.over(pipeline.budget));
        let trigger = Trigger::Local { pipeline: pipeline.name.clone(), budget, models: self.args.model.clone() };
        let of = AgentSpec { trigger, task, inputs, head: None, by: None, triggered_at: Timestamp::now() };
        let subject = Subject::Agents { about: Box::new(Subject::Pull { number: NUMBER }) };
        let spec = RunSpec { repo: self.tree.change.repo.clone(), subject, work: Work::Agent(of) };
        let refused = |because: &String| {
            let event = Box::new(AgentEvent::Refused { because: because.clone(), quiet: false });
            RunEvent::Agent { event }
        };
        let known: Vec<RunEvent> = before.nothing_to_fix.iter().map(refused).collect();
        let ended = bench.pipeline.run(here::new(spec), &known, progress, stop).await;
        ended.map_err(|failure| here::failed(&failure))
    }
}

/// A path as the user would write it.
fn shown(path: &Path) -> String {
    let here: Option<PathBuf> = std::env::current_dir().ok();
    let relative = here.as_deref().and_then(|here| path.strip_prefix(here).ok());
    relative.unwrap_or(path).display().to_string()
}
