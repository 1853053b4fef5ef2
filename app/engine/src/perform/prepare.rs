//! Prepare: asks the forge how things are now, pins the inputs, and plans.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use gatewright_core::command::CommandName;
use gatewright_core::config::{self, GateEvent, Problem, RepoConfig};
use gatewright_core::event::User;
use gatewright_core::forge::{Change, ChangedFiles, Forge, ForgeError, PullState};
use gatewright_core::order::{Order, OrderChange, OrderKey, Ordered};
use gatewright_core::plan::{self, Applies};
use gatewright_core::report::ReportKey;
use gatewright_core::run::{
    CancelReason, Cause, Gates, GatesSpec, Preparation, Prepared, Run, RunEvent, Signal, SignalTarget, Step, StepState,
};
use gatewright_core::store::{Acceptance, RunFilter, StoreError};
use gatewright_core::verdict::{Verdict, VerdictStatus};
use gatewright_core::{CommitId, GateName, PipelineName, RunId, Subject, Timestamp};

use super::{Done, again_or_final};
use crate::commands::may::still_may;
use crate::{Engine, gates as gates_of, history, take};

/// A forge may show a pull request's former head for a moment after the delivery about the new one. A run younger than
/// this that does not find itself at the head looks again before it gives way.
const HEAD_LAG_SECS: i64 = 6;

/// How long it waits before it looks again.
const LOOK_AGAIN: Duration = Duration::from_secs(2);

/// To find the last valid repository file, and the comment of an earlier run, so many earlier runs are looked at.
const EARLIER_RUNS_MAX: usize = 20;

/// Why preparing stopped short of a plan.
enum Short {
    /// To be tried again.
    Again(Done),
    /// That is what came of it.
    Outcome(Box<Preparation>),
}

impl From<ForgeError> for Short {
    fn from(error: ForgeError) -> Self {
        match again_or_final(error) {
            Ok(again) => Short::Again(again),
            Err(cause) => Short::Outcome(Box::new(Preparation::Gone { cause })),
        }
    }
}

impl From<StoreError> for Short {
    fn from(error: StoreError) -> Self {
        Short::Again(Done::Again { after: None, cause: error.to_string() })
    }
}

/// What is found out on the way, whether it leads to a plan or not.
#[derive(Default)]
struct Findings {
    pull: Option<PullState>,
    base: Option<CommitId>,
    compared_with: Option<CommitId>,
    shown: BTreeMap<ReportKey, u64>,
    orders: Vec<Order>,
}

pub(super) async fn prepare(engine: &Engine, run: &Run, gates: &Gates) -> Done {
    let Some(forge) = engine.forge(run.repo.forge) else {
        let cause = format!("{} is not configured", run.repo.forge);
        return done(Findings::default(), Preparation::Gone { cause });
    };
    let mut findings = Findings::default();
    match outcome(engine, forge.as_ref(), run, gates, &mut findings).await {
        Ok(outcome) => done(findings, outcome),
        Err(Short::Outcome(outcome)) => done(findings, *outcome),
        Err(Short::Again(again)) => again,
    }
}

fn done(findings: Findings, outcome: Preparation) -> Done {
    let Findings { pull, base, compared_with, shown, orders } = findings;
    let prepared = Prepared { pull, base, compared_with, shown, orders, outcome };
    Done::Events(vec![RunEvent::Prepared { prepared: Box::new(prepared) }])
}

async fn outcome(
    engine: &Engine,
    forge: &dyn Forge,
    run: &Run,
    gates: &Gates,
    findings: &mut Findings,
) -> Result<Preparation, Short> {
    let spec = &gates.spec;
    let base = match pin(forge, run, gates, findings).await {
        Err(Short::Outcome(outcome)) => {
            if let Preparation::Stale { head } = &*outcome {
                redraw_at(engine, run, gates, head).await?;
            }
            return Ok(*outcome);
        }
        pinned => pinned?,
    };
    take_over(engine, run, spec).await?;
    findings.orders = standing_orders(engine, run).await?;
    findings.shown = shown(engine, run, gates).await?;
    let fork = findings.pull.as_ref().is_some_and(|pull| pull.fork);
    // A pull request can be pointed at another branch before the delivery about that arrives.
    let base_ref = findings.pull.as_ref().map_or_else(|| spec.base_ref.clone(), |pull| pull.base_ref.clone());
    let approval = approval(&findings.orders, spec).cloned();
    if fork && approval.is_none() {
        return Ok(Preparation::NeedsApproval);
    }
    let text = forge.file(&run.repo, &base, config::PATH).await?;
    let head_text = if base == spec.head { text.clone() } else { forge.file(&run.repo, &spec.head, config::PATH).await? };
    let head_problems = match &head_text {
        Some(head_text) if head_text.as_ref() != text.as_deref().unwrap_or_default() => read(head_text).err(),
        Some(_) | None => None,
    };
    let Some(text) = text else {
        let head_problems = head_text.map(|_| head_problems.unwrap_or_default());
        return Ok(Preparation::NoConfig { head_problems });
    };
    let (config, base_problems) = match read(&text) {
        Ok(config) => (config, Vec::new()),
        Err(problems) => match last_valid(engine, run, gates, &base_ref).await? {
            Some(config) => (config, problems),
            None => return Ok(Preparation::ConfigBroken { problems }),
        },
    };
    if fork
        && let Some(approval) = approval
        && !still_may(forge, &run.repo, &config, CommandName::Approve, &approval.by).await?
    {
        return Ok(Preparation::NeedsApproval);
    }
    drop_skips_without_right(forge, run, &config, &mut findings.orders).await?;
    let plan = planned(forge, run, gates, &config, &base_ref).await?;
    findings.compared_with = compared_with(forge, run, spec, &plan, findings.pull.as_ref()).await?;
    let carried = match spec.rerun_of {
        Some(earlier) => carried(engine, earlier, &base_ref, &plan).await?,
        None => BTreeMap::new(),
    };
    let head_problems = head_problems.unwrap_or_default();
    let agents_on = config.agents.iter().flat_map(|pipeline| pipeline.on.failed.clone()).collect();
    Ok(Preparation::Planned { plan, carried, head_problems, base_problems, commands: config.commands, agents_on })
}

async fn planned(forge: &dyn Forge, run: &Run, gates: &Gates, config: &RepoConfig, base_ref: &str) -> Result<plan::Plan, Short> {
    let files = changed_files(forge, run, &gates.spec, config).await?;
    let only = gates.spec.only.as_deref();
    Ok(plan::plan(config, &plan::Change { event: gates.event(), branch: base_ref, pushed: gates.pushed(), files: &files, only }))
}

/// The commit that the run's is compared with to find the lines that it adds, where a gate that may run asks for them.
async fn compared_with(
    forge: &dyn Forge,
    run: &Run,
    spec: &GatesSpec,
    plan: &plan::Plan,
    pull: Option<&PullState>,
) -> Result<Option<CommitId>, Short> {
    let asks = |planned: &plan::PlannedGate| match planned.applies {
        Applies::No { .. } => false,
        Applies::Yes | Applies::NotAskedFor => gates_of::base_wanted(&planned.config),
    };
    match pull {
        _ if !plan.gates.iter().any(asks) => Ok(None),
        Some(pull) => Ok(Some(forge.merge_base(&run.repo, pull).await?)),
        None => Ok(spec.compare_from.clone()),
    }
}

/// Who has approved the run's commit, if anybody has.
fn approval<'a>(orders: &'a [Order], spec: &GatesSpec) -> Option<&'a Order> {
    orders.iter().find(|order| matches!(&order.what, Ordered::Approval { commit } if *commit == spec.head))
}

/// Leaves out the skipped gates of those who may not skip them (any more, or here).
async fn drop_skips_without_right(
    forge: &dyn Forge,
    run: &Run,
    config: &RepoConfig,
    orders: &mut Vec<Order>,
) -> Result<(), Short> {
    let is_skip = |order: &&Order| matches!(order.what, Ordered::Skip { .. });
    let mut people: Vec<User> = Vec::new();
    for order in orders.iter().filter(is_skip) {
        if !people.iter().any(|user| user.id == order.by.id) {
            people.push(order.by.clone());
        }
    }
    for user in people {
        if !still_may(forge, &run.repo, config, CommandName::Skip, &user).await? {
            orders.retain(|order| !is_skip(&order) || order.by.id != user.id);
        }
    }
    Ok(())
}

/// An order that holds for every commit was to be shown at this one, and the head has moved meanwhile: it is shown there.
async fn redraw_at(engine: &Engine, run: &Run, gates: &Gates, head: &CommitId) -> Result<(), Short> {
    if !gates.is_redraw() {
        return Ok(());
    }
    let key = run.subject.key(&run.repo);
    let of_head = RunFilter { subject: Some(key), commit: Some(head.clone()), ..RunFilter::default() };
    let newest = engine.runs(&of_head, 1).await?.into_iter().next();
    // Where no run of that commit is known, its delivery is still to come, and its run reads what stands.
    let Some((newest, of_newest)) = newest.as_ref().and_then(|run| Some((run, run.gates()?))) else { return Ok(()) };
    let spec = history::again(&run.repo, newest, of_newest, gates.spec.cause.clone(), Some(Vec::new()));
    engine.accept(take::internal(&format!("redraw/{}", run.id), spec, Timestamp::now())).await?;
    Ok(())
}

/// Makes sure that the run's commit is what the forge has now, and says whose repository file counts.
async fn pin(forge: &dyn Forge, run: &Run, gates: &Gates, findings: &mut Findings) -> Result<CommitId, Short> {
    let spec = &gates.spec;
    let base = match &run.subject {
        Subject::Pull { number } => {
            let pull = forge.pull(&run.repo, *number).await?;
            if !pull.open {
                return Err(Short::Outcome(Box::new(Preparation::Closed)));
            }
            at_head(run, spec, &pull.head)?;
            let base = pull.base.clone();
            findings.pull = Some(pull);
            base
        }
        // The queue makes a branch of its own for each group, so its commit cannot move.
        Subject::MergeGroup { .. } => match &spec.base {
            Some(base) => base.clone(),
            None => forge.branch(&run.repo, &spec.base_ref).await?,
        },
        Subject::Branch { name } => {
            at_head(run, spec, &forge.branch(&run.repo, name).await?)?;
            match (&spec.base, &spec.config_ref) {
                (Some(base), _) => base.clone(),
                (None, Some(branch)) => forge.branch(&run.repo, branch).await?,
                (None, None) => spec.head.clone(),
            }
        }
        // The release that asks for these gates has found out what the tag is, and looks again afterwards.
        Subject::Tag { .. } => spec.base.clone().unwrap_or_else(|| spec.head.clone()),
        Subject::Release { .. }
        | Subject::Environment { .. }
        | Subject::Notice { .. }
        | Subject::Permit { .. }
        | Subject::Issue { .. }
        | Subject::Agents { .. }
        | Subject::Commands { .. } => {
            let cause = format!("{} has no gates", run.subject);
            return Err(Short::Outcome(Box::new(Preparation::Gone { cause })));
        }
    };
    findings.base = Some(base.clone());
    Ok(base)
}

fn at_head(run: &Run, spec: &GatesSpec, head: &CommitId) -> Result<(), Short> {
    if *head == spec.head {
        return Ok(());
    }
    if Timestamp::now().duration_since(run.created_at).as_secs() < HEAD_LAG_SECS {
        let cause = format!("the forge says that the head is {}", head.short());
        return Err(Short::Again(Done::Again { after: Some(LOOK_AGAIN), cause }));
    }
    Err(Short::Outcome(Box::new(Preparation::Stale { head: head.clone() })))
}

/// Tells older runs of the same subject to stop, and takes back what was ordered for another commit: this one is the head.
async fn take_over(engine: &Engine, run: &Run, spec: &GatesSpec) -> Result<(), Short> {
    let key = run.subject.key(&run.repo);
    let target = SignalTarget::Subject { key: key.clone(), before: Some(run.id), commit: None };
    let reason = CancelReason::Superseded { by: run.id, commit: spec.head.clone() };
    let acceptance = Acceptance {
        signals: vec![(target, Signal::Cancel { reason })],
        orders: vec![(key, OrderChange::MovedTo { commit: spec.head.clone() })],
        ..Acceptance::internal(&format!("supersede/{}", run.id), Timestamp::now())
    };
    engine.accept(acceptance).await?;
    Ok(())
}

/// What stands about the run's subject. A held pull request is held in its merge group too.
async fn standing_orders(engine: &Engine, run: &Run) -> Result<Vec<Order>, StoreError> {
    let mut orders = engine.deps.store.orders(&run.subject.key(&run.repo)).await?;
    if let Some(number) = run.subject.queued_pull() {
        let of_pull = engine.deps.store.orders(&Subject::Pull { number }.key(&run.repo)).await?;
        orders.extend(of_pull.into_iter().filter(|order| order.key() == OrderKey::Hold));
    }
    Ok(orders)
}

pub(crate) fn read(text: &Bytes) -> Result<RepoConfig, Vec<Problem>> {
    config::parse(text_of(text)?)
}

/// The same, for somebody who has asked for a pipeline by its name.
pub(crate) fn read_with(text: &Bytes, pipeline: &PipelineName) -> Result<RepoConfig, Vec<Problem>> {
    config::parse_with(text_of(text)?, pipeline)
}

fn text_of(text: &Bytes) -> Result<&str, Vec<Problem>> {
    let not_text = |_| vec![Problem { line: 1, column: 1, message: "the file is not UTF-8 text; save it as UTF-8".to_owned() }];
    std::str::from_utf8(text).map_err(not_text)
}

async fn changed_files(forge: &dyn Forge, run: &Run, spec: &GatesSpec, config: &RepoConfig) -> Result<ChangedFiles, Short> {
    if !plan::needs_changed_files(config) {
        return Ok(ChangedFiles::default());
    }
    let change = match (run.subject.pull(), &spec.compare_from) {
        (Some(number), _) => Change::Pull { number },
        (None, Some(base)) => Change::Between { base: base.clone(), head: spec.head.clone() },
        // A new branch has nothing to be compared with, so everything counts as changed.
        (None, None) => return Ok(ChangedFiles { incomplete: true, ..ChangedFiles::default() }),
    };
    Ok(forge.changed_files(&run.repo, &change).await?)
}

/// What earlier runs made the forge show that this one goes on with.
async fn shown(engine: &Engine, run: &Run, gates: &Gates) -> Result<BTreeMap<ReportKey, u64>, StoreError> {
    let mut shown = BTreeMap::new();
    if let (Some(id), true) = (gates.spec.rerun_of, gates.spec.only.as_ref().is_some_and(Vec::is_empty)) {
        // Nothing is asked to run, so nothing new is to appear: the earlier run's checks are drawn anew.
        if let Some(earlier) = engine.run(id).await? {
            let of_gates =
                earlier.gates().into_iter().flat_map(|of| of.steps.iter().map(|step| ReportKey::Gate(step.gate.name.clone())));
            let keys = of_gates.chain([ReportKey::Aggregate]);
            shown.extend(keys.filter_map(|key| earlier.shown_as(&key).map(|id| (key, id))));
        }
    }
    shown.extend(earlier_comment(engine, run, gates).await?.map(|id| (ReportKey::Comment, id)));
    Ok(shown)
}

/// The id of the subject's comment, where an earlier run made it.
async fn earlier_comment(engine: &Engine, run: &Run, gates: &Gates) -> Result<Option<u64>, StoreError> {
    // The first event about a pull request can have no earlier run, or none worth a look: publishing looks anyway.
    if run.subject.pull().is_none() || gates.spec.cause == Cause::Opened {
        return Ok(None);
    }
    let subject = Some(run.subject.key(&run.repo));
    let filter = RunFilter { subject, before: Some(run.id), ..RunFilter::default() };
    let runs = engine.runs(&filter, EARLIER_RUNS_MAX).await?;
    Ok(runs.iter().find_map(|run| run.shown_as(&ReportKey::Comment)))
}

/// The repository file that was in force for the last run to the same branch.
async fn last_valid(engine: &Engine, run: &Run, gates: &Gates, base_ref: &str) -> Result<Option<RepoConfig>, StoreError> {
    // A push's plan names only the gates for pushes, so it stands for the whole file only for another push.
    let whole = |of: &Gates| of.event() != GateEvent::Push || gates.event() == GateEvent::Push;
    last_config(engine, run, |of| of.base_ref() == base_ref && whole(of)).await
}

/// The repository file that was in force last for pull requests to the branch that this one goes to.
pub(super) async fn last_valid_config(
    engine: &Engine,
    run: &Run,
    pull: Option<&PullState>,
) -> Result<Option<RepoConfig>, StoreError> {
    let to_branch = |of: &Gates| pull.is_none_or(|pull| of.base_ref() == pull.base_ref);
    last_config(engine, run, |of| of.event() != GateEvent::Push && to_branch(of)).await
}

async fn last_config(engine: &Engine, run: &Run, wanted: impl Fn(&Gates) -> bool) -> Result<Option<RepoConfig>, StoreError> {
    let filter = RunFilter { repo: Some(run.repo.key()), before: Some(run.id), ..RunFilter::default() };
    let runs = engine.runs(&filter, EARLIER_RUNS_MAX).await?;
    Ok(runs.iter().filter_map(Run::gates).filter(|of| wanted(of)).find_map(config_of))
}

fn config_of(gates: &Gates) -> Option<RepoConfig> {
    match gates.preparation()? {
        Preparation::Planned { plan, commands, .. } => {
            let gates = plan.gates.iter().map(|planned| planned.config.clone()).collect();
            Some(RepoConfig { gates, releases: None, environments: Vec::new(), agents: Vec::new(), commands: commands.clone() })
        }
        Preparation::NoConfig { .. }
        | Preparation::ConfigBroken { .. }
        | Preparation::Stale { .. }
        | Preparation::Closed
        | Preparation::NeedsApproval
        | Preparation::Gone { .. } => None,
    }
}

/// The verdicts of an earlier run of the same commit to the same branch, for the gates that do not run again and are what
/// they were.
async fn carried(
    engine: &Engine,
    earlier: RunId,
    base_ref: &str,
    plan: &plan::Plan,
) -> Result<BTreeMap<GateName, Verdict>, StoreError> {
    let Some(run) = engine.run(earlier).await? else { return Ok(BTreeMap::new()) };
    let Some(gates) = run.gates().filter(|gates| gates.base_ref() == base_ref) else { return Ok(BTreeMap::new()) };
    let carried = plan.gates.iter().filter(|planned| planned.applies == Applies::NotAskedFor).filter_map(|planned| {
        let step = gates.step(&planned.config.name).filter(|step| step.gate.same_as(&planned.config))?;
        let verdict = step.verdict().cloned().or_else(|| cancelled(step))?;
        Some((step.gate.name.clone(), verdict))
    });
    Ok(carried.collect())
}

/// The verdict of a gate that was stopped before it began. One that was skipped has none that could stand: whether what it
/// needs is there now is found out anew.
fn cancelled(step: &Step) -> Option<Verdict> {
    match &step.state {
        StepState::NotRun { because, status: VerdictStatus::Cancelled, .. } => {
            Some(Verdict::plain(VerdictStatus::Cancelled, because.clone(), because.clone()))
        }
        StepState::NotRun { .. }
        | StepState::Waiting
        | StepState::Running { .. }
        | StepState::Done { .. }
        | StepState::Carried { .. } => None,
    }
}
