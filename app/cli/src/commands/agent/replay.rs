//! `gatewright agent replay RUN`: a pipeline of the service once more, by its journal, without a model.

use std::path::Path;
use std::process::ExitCode;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use gatewright_core::event::User;
use gatewright_core::forge::PullState;
use gatewright_core::run::{JournalEntry, Run, RunEvent, RunSpec, Trigger};
use gatewright_core::sandbox::Workshop;
use gatewright_core::store::Blobs;
use gatewright_core::{CommitId, RunId};
use gatewright_engine::agents::replay::{self, Difference, Recorded, Replayable, Told};
use gatewright_engine::local::{PipelineEnd, PipelineObserver};
use gatewright_engine::{Options, Wait};
use gatewright_sandbox::local::WorkingTree;
use gatewright_sandbox::{DockerConfig, DockerSandbox, HostConfig, HostSandbox, HostWorkspace, PullPolicy};
use gatewright_store::EmbeddedStore;
use serde::de::DeserializeOwned;
use serde_json::json;

use super::forge::{LocalForge, NUMBER};
use super::here::{self, Bench, JOURNAL, SAID};
use crate::args::ReplayAgentArgs;
use crate::commands::run::cache::Cache;
use crate::commands::run::remains::Here;
use crate::commands::run::{stopped_by_the_user, tree};
use crate::desk::agents::Said;
use crate::desk::source::Source;
use crate::failure::Failure;
use crate::load;
use crate::print::{self, Tone, printable};
use crate::server_file::{Driver, Pull, SandboxTable};

/// What is kept of a run may have so many bytes in a file; a pipeline's budget allows for far less.
const KEPT_BYTES_MAX: u64 = 256 * 1024 * 1024;

/// So many differences are shown; the JSON has all.
const SHOWN_MAX: usize = 50;

pub(super) async fn run(args: ReplayAgentArgs) -> Result<ExitCode, Failure> {
    let (kept, table) = match args.run.parse::<RunId>() {
        Ok(id) => of_service(&args, id).await?,
        Err(_) => of_folder(&args)?,
    };
    let Kept { id, journal, said } = &kept;
    let then = Recording::of(*id, journal)?;
    let clone =
        tree::find(&args.checkout).await.map_err(|failure| no_checkout(&then.replayable.commit, then.is_local(), &failure))?;
    let (scratch, stop) = (here::scratch()?, stopped_by_the_user());
    let cache = Cache::of(clone.common());
    let here = here::begin(&cache, scratch.path()).await?;
    let bench = then.bench(&table, &clone, scratch.path(), &here, said).await?;
    let new = here::new(then.spec()?);
    let end = bench.pipeline.run(new, &then.replayable.known, &Quiet, &stop).await;
    let end = end.map_err(|failure| here::failed(&failure))?;
    if stop.is_cancelled() {
        return Err(Failure::Refused("stopped by you; nothing is compared".to_owned()));
    }
    let differences = then.compared(&bench, &end).await?;
    show(&args, &then, &end, &differences)
}

/// What is kept of a run.
struct Kept {
    id: RunId,
    journal: Vec<JournalEntry>,
    said: Said,
}

/// A run of the service, and its sandboxes.
async fn of_service(args: &ReplayAgentArgs, id: RunId) -> Result<(Kept, SandboxTable), Failure> {
    let config = load::server_config(&args.config.config, Vec::new())?;
    // It is given free again before anything takes long: no service can start beside it.
    let source = Source::open(&config).await?;
    let journal = source.run(id).await?.journal;
    let said = source.said(id).await?;
    Ok((Kept { id, journal, said }, config.sandbox))
}

/// A run of this machine. Its sandboxes are those of the server file, where there is one.
fn of_folder(args: &ReplayAgentArgs) -> Result<(Kept, SandboxTable), Failure> {
    let folder = Path::new(&args.run);
    if !folder.join(JOURNAL).is_file() {
        let message = format!("{} is no run's id, and no folder in which a run of agents was kept", args.run);
        return Err(Failure::Wrong(message));
    }
    let journal: Vec<JournalEntry> = read(&folder.join(JOURNAL))?;
    let said = read(&folder.join(SAID))?;
    let config = match args.config.config.exists() {
        true => load::models_config(&args.config.config)?,
        false => load::unsaid()?,
    };
    // The folder may be called otherwise by now; nothing goes by it.
    Ok((Kept { id: RunId::new(), journal, said }, config.sandbox))
}

fn read<T: DeserializeOwned>(file: &Path) -> Result<T, Failure> {
    let text = load::read_text(file, KEPT_BYTES_MAX)?;
    serde_json::from_str(&text).map_err(|error| Failure::Wrong(format!("{} is not what was kept: {error}", file.display())))
}

/// Says nothing: what happens has happened before.
struct Quiet;

impl PipelineObserver for Quiet {
    fn happened(&self, _: &Run, _: &JournalEntry) {}

    fn waits(&self, _: &[Wait]) {}
}

/// A run as its journal has it.
struct Recording<'a> {
    journal: &'a [JournalEntry],
    run: Run,
    replayable: Replayable,
}

impl Recording<'_> {
    fn of(id: RunId, journal: &[JournalEntry]) -> Result<Recording<'_>, Failure> {
        let run = Run::replay(id, journal);
        let run = run.map_err(|error| Failure::Wrong(format!("run {id} cannot be read by this version: {error}")))?;
        let replayable = replay::replayable(&run, journal);
        let replayable = replayable.map_err(|because| Failure::Wrong(format!("run {id} cannot be replayed: {because}")))?;
        Ok(Recording { journal, run, replayable })
    }

    fn spec(&self) -> Result<RunSpec, Failure> {
        match self.journal.first().map(|entry| &entry.event) {
            Some(RunEvent::Created { spec }) => Ok((**spec).clone()),
            _ => Err(Failure::Outside(format!("the journal of run {} has no beginning", self.run.id))),
        }
    }

    /// What it runs on: the commit out of the clone, a model that says what the journal has, sandboxes as the service has them.
    async fn bench(
        &self,
        table: &SandboxTable,
        clone: &WorkingTree,
        scratch: &Path,
        here: &Here,
        said: &Said,
    ) -> Result<Bench, Failure> {
        let commit = &self.replayable.commit;
        let snapshot = clone.at(&scratch.join("source.git"), commit).await.map_err(Failure::from);
        let snapshot = snapshot.map_err(|failure| no_checkout(commit, self.is_local(), &failure))?;
        let pull = self.run.agent().and_then(|of| of.prepared.as_ref()).and_then(|prepared| prepared.pull.clone());
        let since = match &pull {
            Some(pull) => clone.common_commit(&pull.base, commit).await?,
            None => None,
        };
        let forge = LocalForge {
            kind: self.run.repo.forge,
            pull: pull.unwrap_or_else(|| no_pull(commit)),
            since: since.unwrap_or_else(|| commit.clone()),
            file: None,
            snapshot,
            proposed: Mutex::default(),
        };
        let sandbox = sandbox(table, scratch, here);
        sandbox.probe().await.map_err(|error| Failure::Outside(error.to_string()))?;
        // What was said is read by the model before the loop begins, and by the loop out of the store.
        let store = EmbeddedStore::in_memory();
        keep(&store, said).await?;
        let models = Recorded::read(&store, self.journal).await.map_err(Failure::Outside)?;
        let options = Options { worker: "replay".to_owned(), limits: table.limits, ..Options::default() };
        let bench = Bench::new(forge, sandbox, Arc::new(models), options);
        keep(bench.blobs(), said).await?;
        Ok(bench)
    }

    /// Whether it ran on somebody's working tree.
    fn is_local(&self) -> bool {
        self.run.agent().is_some_and(|of| matches!(of.spec.trigger, Trigger::Local { .. }))
    }

    async fn compared(&self, bench: &Bench, end: &PipelineEnd) -> Result<Vec<Difference>, Failure> {
        let (Some(then), Some(now)) = (self.run.agent(), end.run.agent()) else {
            return Err(Failure::Outside("the run has no agents".to_owned()));
        };
        let then = Told { of: then, journal: self.journal };
        let now = Told { of: now, journal: &end.journal };
        let cut = self.replayable.cut.is_some();
        replay::differences(bench.blobs(), then, now, cut).await.map_err(Failure::Outside)
    }
}

async fn keep(blobs: &dyn Blobs, said: &Said) -> Result<(), Failure> {
    for text in said.values() {
        blobs.put(Bytes::from(text.clone())).await.map_err(|error| Failure::Outside(error.to_string()))?;
    }
    Ok(())
}

fn no_checkout(commit: &CommitId, local: bool, failure: &Failure) -> Failure {
    let next = "name a clone that has the commit with --checkout, or `git fetch` it there";
    let gone = match local {
        true => ". A run that began with changes that were not committed cannot be replayed: nobody has kept those files",
        false => "",
    };
    let message = format!("the files of commit {commit} cannot be had: {failure}; {next}{gone}");
    match failure {
        Failure::Wrong(_) | Failure::Refused(_) => Failure::Wrong(message),
        Failure::Outside(_) => Failure::Outside(message),
    }
}

/// What was about no pull request is asked about none.
fn no_pull(commit: &CommitId) -> PullState {
    PullState {
        number: NUMBER,
        open: true,
        head: commit.clone(),
        head_ref: String::new(),
        fork: false,
        base_ref: String::new(),
        base: commit.clone(),
        author: User { id: 0, login: String::new() },
        title: String::new(),
    }
}

fn sandbox(table: &SandboxTable, scratch: &Path, here: &Here) -> Arc<dyn Workshop> {
    let (instance, mirrors) = (here.instance.clone(), scratch.join("mirrors"));
    let local = Some(scratch.join("source.git"));
    match table.driver {
        Driver::Docker => {
            let pull = match table.pull {
                Pull::Missing => PullPolicy::Missing,
                Pull::Never => PullPolicy::Never,
            };
            Arc::new(DockerSandbox::new(DockerConfig {
                engine: table.engine.clone(),
                local,
                pull,
                ..DockerConfig::new(instance, mirrors)
            }))
        }
        Driver::Host => {
            let workspace = HostWorkspace::Fresh(scratch.join("workspaces"));
            Arc::new(HostSandbox::new(HostConfig { workspace, instance, mirrors, local, env: Default::default() }))
        }
    }
}

fn show(args: &ReplayAgentArgs, then: &Recording<'_>, end: &PipelineEnd, all: &[Difference]) -> Result<ExitCode, Failure> {
    let turns = end.run.agent().into_iter().flat_map(|of| &of.stages).flat_map(|stage| &stage.turns);
    let turns = turns.filter(|turn| turn.acted.is_some()).count();
    let code = if all.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(Failure::NOT_PASSED) };
    if args.json {
        print::json(&json!({
            "run": args.run,
            "commit": then.replayable.commit,
            "same": all.is_empty(),
            "turns": turns,
            "cut": then.replayable.cut,
            "differences": all,
        }))?;
        return Ok(code);
    }
    let rows: Vec<_> = all.iter().take(SHOWN_MAX).map(|difference| (Tone::Bad, row(difference))).collect();
    if !rows.is_empty() {
        print::table(&["where", "what", "in the journal", "now"], &rows, "")?;
        if all.len() > SHOWN_MAX {
            print::line(&format!("and {} more; --json has them all", all.len() - SHOWN_MAX))?;
        }
        print::line("")?;
    }
    let commit = then.replayable.commit.short();
    let verdict = match all.len() {
        0 => "everything came to the same".to_owned(),
        1 => "1 thing is other than in the journal".to_owned(),
        count => format!("{count} things are other than in the journal"),
    };
    let turns = if turns == 1 { "1 turn".to_owned() } else { format!("{turns} turns") };
    print::line(&format!("replayed {turns} on {commit}: {verdict}"))?;
    if let Some(cut) = &then.replayable.cut {
        let line = format!("the journal ends early ({cut}): what came before that is compared, and no result");
        print::line(&printable(&line))?;
    }
    Ok(code)
}

fn row(difference: &Difference) -> Vec<String> {
    let (place, what, then, now) = match difference {
        Difference::Said { stage, turn, tool, about, then, now } => {
            (format!("stage {stage}, turn {turn}"), format!("{tool} {about}"), then.clone(), now.clone())
        }
        Difference::Files { stage, turn, paths } => {
            let turn = turn.map_or_else(|| ", its program".to_owned(), |turn| format!(", turn {turn}"));
            (format!("stage {stage}{turn}"), "files".to_owned(), String::new(), paths.join(", "))
        }
        Difference::Gate { stage, gate, round, then, now, title } => {
            let now = format!("{}: {title}", now.words());
            (format!("stage {stage}, look {round}"), format!("gate {gate}"), then.words().to_owned(), now)
        }
        Difference::Way { stage, step, in_journal } => {
            let (then, now) = if *in_journal { ("there", "not there") } else { ("not there", "there") };
            (format!("stage {stage}, {step}"), String::new(), then.to_owned(), now.to_owned())
        }
        Difference::Stage { stage, name, then, now } => (format!("stage {stage}"), name.clone(), then.clone(), now.clone()),
        Difference::Result { paths } => ("the result".to_owned(), "files".to_owned(), String::new(), paths.join(", ")),
        Difference::Offer { then, now } => ("the result".to_owned(), "handed over".to_owned(), then.join("; "), now.join("; ")),
    };
    vec![place, what, cut(&then), cut(&now)]
}

/// The beginning of a text on one line: it begins a little before what differs.
fn cut(text: &str) -> String {
    const CHARS_MAX: usize = 120;
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    line.chars().take(CHARS_MAX).collect()
}
