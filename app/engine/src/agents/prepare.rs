//! Prepare: which pipeline a trigger means, whether whoever started it may, and everything that its agents work with, pinned.

use std::collections::BTreeMap;

use bytes::Bytes;
use gatewright_core::agent::inputs;
use gatewright_core::command::CommandName;
use gatewright_core::config::{self, AgentStage, GateConfig, Offering, Pipeline, RepoConfig, Stage};
use gatewright_core::forge::{Forge, ForgeError, PullState};
use gatewright_core::model::{ModelName, Price};
use gatewright_core::order::Ordered;
use gatewright_core::run::{AgentEvent, AgentPrepared, AgentRun, AgentSpec, Run, StepState, Trigger};
use gatewright_core::store::{RunFilter, StoreError};
use gatewright_core::{BlobId, CommitId, GateName, Subject};
use uuid::Uuid;

use super::context::{self, Context};
use super::fence::Kind;
use super::prompt::{SECTION_BYTES_MAX, SECTIONS_BYTES_MAX};
use super::session::{self, NoSession};
use super::{day, done, leftovers, past, protect};
use crate::Engine;
use crate::commands::may::still_may;
use crate::perform::{Done, again_or_final, read, read_with};
use crate::redact::Redactor;
use crate::render::escape;

/// What all agents are told has at most about so many bytes: the frame, the part of a role, what earlier stages said, the tools.
const FRAME_BYTES_MAX: u64 = 96 * 1024;

/// Of a gate's log agents see so much of its end.
const LOG_BYTES_MAX: usize = 16 * 1024;

/// Why a pipeline is not prepared.
enum Short {
    /// To be tried again.
    Again(Done),
    /// It is not run, and people are told why: Markdown, in which what comes from elsewhere is escaped.
    Refused(String),
    /// It is not run, and nobody has asked for it.
    Quiet(String),
}

impl From<ForgeError> for Short {
    fn from(error: ForgeError) -> Short {
        match again_or_final(error) {
            Ok(again) => Short::Again(again),
            Err(cause) => Short::Refused(escape(&cause)),
        }
    }
}

impl From<StoreError> for Short {
    fn from(error: StoreError) -> Short {
        Short::Again(Done::Again { after: None, cause: error.to_string() })
    }
}

impl From<NoSession> for Short {
    fn from(error: NoSession) -> Short {
        match error {
            NoSession::Later(cause) => Short::Again(Done::Again { after: None, cause }),
            NoSession::Never(cause) => Short::Refused(escape(&cause)),
        }
    }
}

/// What models cost.
type Prices = Vec<(ModelName, Price)>;

/// Where agents work.
struct Ground {
    pull: Option<PullState>,
    /// The commit that they work on.
    commit: CommitId,
    /// The branch that has it.
    target: String,
    /// The commit whose repository file counts.
    base: CommitId,
}

pub(super) async fn prepare(engine: &Engine, run: &Run, of: &AgentRun) -> Done {
    let Some(forge) = engine.forge(run.repo.forge) else {
        let because = format!("{} is not configured", run.repo.forge);
        return done(AgentEvent::Refused { because, quiet: true });
    };
    match prepared(engine, forge.as_ref(), run, &of.spec).await {
        Ok(prepared) => done(AgentEvent::Prepared { prepared: Box::new(prepared) }),
        Err(Short::Again(again)) => again,
        Err(Short::Refused(because)) => done(AgentEvent::Refused { because, quiet: false }),
        Err(Short::Quiet(because)) => done(AgentEvent::Refused { because, quiet: true }),
    }
}

async fn prepared(engine: &Engine, forge: &dyn Forge, run: &Run, spec: &AgentSpec) -> Result<AgentPrepared, Short> {
    let ground = ground(forge, run, spec).await?;
    let Some(text) = forge.file(&run.repo, &ground.base, config::PATH).await? else {
        return Err(unasked(spec, "the base branch has no repository file, so it has no pipelines".to_owned()));
    };
    let local = matches!(spec.trigger, Trigger::Local { .. });
    let read = match &spec.trigger {
        Trigger::Local { pipeline, .. } => read_with(&text, pipeline),
        Trigger::Command { .. }
        | Trigger::Failed { .. }
        | Trigger::Labelled { .. }
        | Trigger::IssueOpened
        | Trigger::Scheduled { .. } => read(&text),
    };
    let config = read.map_err(|problems| {
        let first = problems.first().map(ToString::to_string).unwrap_or_default();
        // A terminal shows Markdown as it is written.
        let first = if local { first } else { escape(&first) };
        unasked(spec, format!("{} of the base branch is not valid: {first}", config::PATH))
    })?;
    let pipeline = asked(meant(&config, spec)?.clone(), spec);
    allowed(engine, forge, run, &config, spec, &ground).await?;
    let inputs = inputs::resolved(&pipeline.inputs, &spec.inputs).map_err(|cause| {
        let cause = if local { cause } else { escape(&cause) };
        unasked(spec, cause)
    })?;
    let (models, prices) = models(engine, &pipeline)?;
    let day_left = day::left(engine, run, &pipeline).await?;
    let context = shown(engine, forge, run, spec, &ground, &pipeline).await?;
    let context_bytes = SECTIONS_BYTES_MAX.min(context.bytes()) as u64 + spec.task.len() as u64 + FRAME_BYTES_MAX;
    let (gates, finally) = gates(&config, &pipeline);
    Ok(AgentPrepared {
        prompts: prompts(engine, forge, run, &ground.base, &pipeline).await?,
        context: put(engine, &context).await?,
        context_bytes,
        delimiter: Uuid::new_v4().simple().to_string(),
        models,
        prices,
        tokens_max: engine.options.agent_tokens_max,
        protected: protect::ALWAYS.iter().map(|glob| (*glob).to_owned()).chain(pipeline.protect.clone()).collect(),
        leftovers: leftovers::globs(&config.gates),
        day_left: day_left.micro_usd,
        day_tokens_left: day_left.tokens,
        gates,
        finally,
        inputs,
        pull: ground.pull,
        commit: ground.commit,
        target: ground.target,
        base: ground.base,
        pipeline,
    })
}

/// What nobody has asked for in person is refused without a word.
fn unasked(spec: &AgentSpec, because: String) -> Short {
    match spec.trigger {
        Trigger::Command { .. } | Trigger::Local { .. } => Short::Refused(because),
        Trigger::Failed { .. } | Trigger::Labelled { .. } | Trigger::IssueOpened | Trigger::Scheduled { .. } => {
            Short::Quiet(because)
        }
    }
}

async fn ground(forge: &dyn Forge, run: &Run, spec: &AgentSpec) -> Result<Ground, Short> {
    let Some(number) = run.about().pull() else {
        // Of an issue they work on what is there now.
        let target = match run.about() {
            Subject::Branch { name } => name.clone(),
            _ => forge.default_branch(&run.repo).await?,
        };
        let commit = forge.branch(&run.repo, &target).await?;
        return Ok(Ground { pull: None, base: commit.clone(), commit, target });
    };
    let pull = forge.pull(&run.repo, number).await?;
    if !pull.open {
        return Err(unasked(spec, "it is closed. Reopen it first.".to_owned()));
    }
    if spec.head.as_ref().is_some_and(|head| *head != pull.head) {
        let because = format!("there are new commits: it was asked for another one than {}.", pull.head.short());
        return Err(unasked(spec, because));
    }
    let target = if pull.fork { pull.base_ref.clone() } else { pull.head_ref.clone() };
    Ok(Ground { commit: pull.head.clone(), target, base: pull.base.clone(), pull: Some(pull) })
}

/// The pipeline that a trigger means.
fn meant<'a>(config: &'a RepoConfig, spec: &AgentSpec) -> Result<&'a Pipeline, Short> {
    let is = |pipeline: &&Pipeline| match &spec.trigger {
        Trigger::Command { name } => pipeline.on.command == Some(*name),
        Trigger::Failed { gates, .. } => gates.iter().any(|gate| pipeline.on.failed.contains(gate)),
        Trigger::Labelled { label } => pipeline.on.labels.contains(label),
        Trigger::IssueOpened => pipeline.on.issue_opened,
        Trigger::Scheduled { pipeline: name } | Trigger::Local { pipeline: name, .. } => pipeline.name == *name,
    };
    config.agents.iter().find(is).ok_or_else(|| {
        unasked(
            spec,
            "no pipeline of the base branch's repository file is started by this. `agents:` of the file says which are."
                .to_owned(),
        )
    })
}

/// The pipeline as somebody on the machine itself wants it.
fn asked(pipeline: Pipeline, spec: &AgentSpec) -> Pipeline {
    let Trigger::Local { budget, models, .. } = &spec.trigger else { return pipeline };
    let models = if models.is_empty() { pipeline.models } else { models.clone() };
    Pipeline { budget: budget.unwrap_or(pipeline.budget), models, ..pipeline }
}

/// Whether whoever started it may. Who gave a command was asked for that when the command was weighed.
async fn allowed(
    engine: &Engine,
    forge: &dyn Forge,
    run: &Run,
    config: &RepoConfig,
    spec: &AgentSpec,
    ground: &Ground,
) -> Result<(), Short> {
    if let (false, Some(by)) = (matches!(spec.trigger, Trigger::Command { .. }), &spec.by) {
        let standing = forge.standing(&run.repo, by, &[]).await?;
        if !context::may_start(standing.permission, standing.bot) {
            return Err(Short::Quiet(format!("{} may not push to the repository", by.login)));
        }
    }
    let Some(pull) = ground.pull.as_ref().filter(|pull| pull.fork) else { return Ok(()) };
    let subject = Subject::Pull { number: pull.number }.key(&run.repo);
    let orders = engine.deps.store.orders(&subject).await?;
    let approval = orders.iter().find(|order| matches!(&order.what, Ordered::Approval { commit } if *commit == pull.head));
    let because = match approval {
        Some(order) if still_may(forge, &run.repo, config, CommandName::Approve, &order.by).await? => return Ok(()),
        Some(order) => format!("it comes from a fork, and {} may not approve it any more.", escape(&order.by.login)),
        None => "it comes from a fork: agents work on it once somebody has approved this commit.".to_owned(),
    };
    Err(unasked(spec, because))
}

/// The models that agents ask, and what those cost that have a price. One without a price is asked only where no limit of money has to
/// be kept.
fn models(engine: &Engine, pipeline: &Pipeline) -> Result<(Vec<ModelName>, Prices), Short> {
    let usual = if pipeline.models.is_empty() { engine.deps.models.usual() } else { pipeline.models.clone() };
    let stages = agents(&pipeline.steps);
    if usual.is_empty() && stages.iter().any(|stage| stage.models.is_empty()) {
        let because = "no model is configured: the server file needs `[[model]]` and `models` in `[agents]`.".to_owned();
        return Err(Short::Refused(because));
    }
    let mut prices = Vec::new();
    let limited = pipeline.budget.micro_usd.is_some() || engine.options.agents_day_micro_usd.is_some();
    for model in usual.iter().chain(stages.iter().flat_map(|stage| &stage.models)) {
        if let Some(why) = engine.deps.models.unknown(model) {
            return Err(Short::Refused(format!("the model `{model}` cannot be asked: {}", escape(&why))));
        }
        match engine.deps.models.price(model) {
            Some(price) => prices.push((model.clone(), price)),
            None if limited => {
                let because = format!(
                    "nobody has said what the model `{model}` costs, so no limit of money can be kept: name its price in the server \
                     file, or write `usd: none` in the pipeline's `budget`."
                );
                return Err(Short::Refused(because));
            }
            None => {}
        }
    }
    prices.sort_by(|(a, _), (b, _)| a.cmp(b));
    prices.dedup();
    Ok((usual, prices))
}

fn agents(steps: &[Stage]) -> Vec<&AgentStage> {
    let mut all = Vec::new();
    for step in steps {
        match step {
            Stage::Agent(agent) => all.push(agent),
            Stage::Parallel { branches } => all.extend(branches.iter().flat_map(|branch| agents(branch))),
            Stage::Verify(_) | Stage::Program(_) => {}
        }
    }
    all
}

/// The gates that verify, and the names of those that look at the result whatever the pipeline says: those that verify on the way, and
/// those that look for what an attacker could use, since what a model writes is no better than what a stranger does.
fn gates(config: &RepoConfig, pipeline: &Pipeline) -> (Vec<GateConfig>, Vec<GateName>) {
    let offers_change =
        pipeline.may.iter().any(|may| matches!(may, Offering::Commit | Offering::PullRequest | Offering::Suggestion));
    let (mut on_the_way, mut finally) = (Vec::new(), Vec::new());
    verified(&pipeline.steps, &mut on_the_way, &mut finally);
    if offers_change {
        let scans = |gate: &&GateConfig| gate.stands_alone() && !gate.findings.is_empty();
        finally.extend(config.gates.iter().filter(scans).map(|gate| gate.name.clone()));
    } else {
        finally.clear();
    }
    finally.sort();
    finally.dedup();
    let wanted = |gate: &&GateConfig| on_the_way.contains(&gate.name) || finally.contains(&gate.name);
    (config.gates.iter().filter(wanted).cloned().collect(), finally)
}

fn verified(steps: &[Stage], all: &mut Vec<GateName>, proven: &mut Vec<GateName>) {
    for step in steps {
        match step {
            Stage::Verify(verify) => {
                all.extend(verify.gates.iter().cloned());
                // A gate that has to fail on the way has to pass in the end.
                proven.extend(verify.gates.iter().cloned());
            }
            Stage::Parallel { branches } => branches.iter().for_each(|branch| verified(branch, all, proven)),
            Stage::Agent(_) | Stage::Program(_) => {}
        }
    }
}

/// The prompts of the base branch that take the place of built-in ones.
async fn prompts(
    engine: &Engine,
    forge: &dyn Forge,
    run: &Run,
    base: &CommitId,
    pipeline: &Pipeline,
) -> Result<BTreeMap<String, BlobId>, Short> {
    let mut prompts = BTreeMap::new();
    for stage in agents(&pipeline.steps) {
        let Some(path) = &stage.role.prompt else { continue };
        let Some(text) = forge.file(&run.repo, base, path).await? else {
            return Err(Short::Refused(format!(
                "the base branch has no file `{path}`, which is the prompt of `{}`.",
                stage.role.name
            )));
        };
        let text = String::from_utf8_lossy(&text).into_owned();
        prompts.insert(stage.role.name.to_string(), put(engine, &text).await?);
    }
    Ok(prompts)
}

/// What agents are shown.
async fn shown(
    engine: &Engine,
    forge: &dyn Forge,
    run: &Run,
    spec: &AgentSpec,
    ground: &Ground,
    pipeline: &Pipeline,
) -> Result<Context, Short> {
    let mut context = Context::default();
    if let Some(item) = run.about().item() {
        context::of_item(&mut context, &forge.item(&run.repo, &item).await?, spec);
    }
    if let Some(pull) = &ground.pull {
        let since = forge.merge_base(&run.repo, pull).await?;
        let source = session::source_of(engine, run, &ground.commit, &[]).await?;
        let diff = engine.deps.sandbox.diff(&source, &since, SECTION_BYTES_MAX).await.map_err(NoSession::from)?;
        context.add("diff of the pull request", Kind::Source, diff);
        verdicts(engine, run, &ground.commit, &mut context).await?;
    }
    if agents(&pipeline.steps).iter().any(|stage| past::is_shown_to(stage.role.name.as_str())) {
        past::add(engine, run, &mut context).await?;
    }
    let mut redactor = Redactor::new(engine.options.secrets.iter().cloned());
    for section in &mut context.sections {
        section.text = redactor.text(&section.text);
    }
    Ok(context)
}

/// What gates said of the commit last.
async fn verdicts(engine: &Engine, run: &Run, commit: &CommitId, context: &mut Context) -> Result<(), Short> {
    let subject = Some(run.about().key(&run.repo));
    let filter = RunFilter { subject, commit: Some(commit.clone()), before: Some(run.id), ..RunFilter::default() };
    let Some(newest) = engine.runs(&filter, 5).await?.into_iter().find(|run| run.gates().is_some()) else { return Ok(()) };
    let mut logs = Vec::new();
    for step in newest.gates().into_iter().flat_map(|gates| &gates.steps) {
        let StepState::Done { outcome, .. } = &step.state else { continue };
        let Some(log) = &outcome.log else { continue };
        let Some(bytes) = engine.deps.blobs.get(&log.blob).await? else { continue };
        let from = bytes.len().saturating_sub(LOG_BYTES_MAX);
        logs.push((step.gate.name.to_string(), String::from_utf8_lossy(&bytes[from..]).into_owned()));
    }
    context::of_gates(context, &newest, &logs);
    Ok(())
}

async fn put(engine: &Engine, value: &impl serde::Serialize) -> Result<BlobId, Short> {
    let json = serde_json::to_vec(value).map_err(|error| Short::Refused(error.to_string()))?;
    Ok(engine.deps.blobs.put(Bytes::from(json)).await?)
}
