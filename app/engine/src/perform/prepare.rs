//! Prepare: asks the forge how things are now, pins the inputs, and plans.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use gatewright_core::config::{self, GateEvent, Problem, RepoConfig};
use gatewright_core::forge::{Change, ChangedFiles, Forge, ForgeError, PullState};
use gatewright_core::plan::{self, Applies};
use gatewright_core::report::ReportKey;
use gatewright_core::run::{CancelReason, Cause, Preparation, Prepared, Run, RunEvent, RunSpec, Signal};
use gatewright_core::store::{Acceptance, RunFilter, SignalTarget, StoreError};
use gatewright_core::verdict::Verdict;
use gatewright_core::{CommitId, DeliveryId, GateName, RunId, Subject, Timestamp};

use super::{Done, again_or_final};
use crate::Engine;

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
    Outcome(Preparation),
}

impl From<ForgeError> for Short {
    fn from(error: ForgeError) -> Self {
        match again_or_final(error) {
            Ok(again) => Short::Again(again),
            Err(cause) => Short::Outcome(Preparation::Gone { cause }),
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
    comment: Option<u64>,
}

pub(super) async fn prepare(engine: &Engine, run: &Run) -> Done {
    let Some(forge) = engine.forge(run.spec.repo.forge) else {
        let cause = format!("{} is not configured", run.spec.repo.forge);
        return done(Findings::default(), Preparation::Gone { cause });
    };
    let mut findings = Findings::default();
    match outcome(engine, forge.as_ref(), run, &mut findings).await {
        Ok(outcome) | Err(Short::Outcome(outcome)) => done(findings, outcome),
        Err(Short::Again(again)) => again,
    }
}

fn done(findings: Findings, outcome: Preparation) -> Done {
    let Findings { pull, base, comment } = findings;
    Done::Events(vec![RunEvent::Prepared { prepared: Box::new(Prepared { pull, base, comment, outcome }) }])
}

async fn outcome(engine: &Engine, forge: &dyn Forge, run: &Run, findings: &mut Findings) -> Result<Preparation, Short> {
    let spec = &run.spec;
    let base = pin(forge, run, findings).await?;
    supersede(engine, run).await?;
    findings.comment = earlier_comment(engine, run).await?;
    if let Some(pull) = &findings.pull
        && pull.fork
    {
        // Approval comes as a run of its own, started by the command that gives it.
        return Ok(Preparation::NeedsApproval);
    }
    let text = forge.file(&spec.repo, &base, config::PATH).await?;
    let head_text = if base == spec.head { text.clone() } else { forge.file(&spec.repo, &spec.head, config::PATH).await? };
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
        Err(problems) => match last_valid(engine, run).await? {
            Some(config) => (config, problems),
            None => return Ok(Preparation::ConfigBroken { problems }),
        },
    };
    let files = changed_files(forge, spec, &config).await?;
    let change = plan::Change { event: spec.gate_event(), branch: &spec.base_ref, files: &files, only: spec.only.as_deref() };
    let plan = plan::plan(&config, &change);
    let carried = match spec.rerun_of {
        Some(earlier) => carried(engine, earlier, &plan).await?,
        None => BTreeMap::new(),
    };
    Ok(Preparation::Planned { plan, carried, head_problems: head_problems.unwrap_or_default(), base_problems })
}

/// Makes sure that the run's commit is what the forge has now, and says whose repository file counts.
async fn pin(forge: &dyn Forge, run: &Run, findings: &mut Findings) -> Result<CommitId, Short> {
    let spec = &run.spec;
    let base = match &spec.subject {
        Subject::Pull { number } => {
            let pull = forge.pull(&spec.repo, *number).await?;
            if !pull.open {
                return Err(Short::Outcome(Preparation::Closed));
            }
            at_head(run, &pull.head)?;
            let base = pull.base.clone();
            findings.pull = Some(pull);
            base
        }
        // The queue makes a branch of its own for each group, so its commit cannot move.
        Subject::MergeGroup { .. } => match &spec.base {
            Some(base) => base.clone(),
            None => forge.branch(&spec.repo, &spec.base_ref).await?,
        },
        Subject::Branch { name } => {
            at_head(run, &forge.branch(&spec.repo, name).await?)?;
            match (&spec.base, &spec.config_ref) {
                (Some(base), _) => base.clone(),
                (None, Some(branch)) => forge.branch(&spec.repo, branch).await?,
                (None, None) => spec.head.clone(),
            }
        }
    };
    findings.base = Some(base.clone());
    Ok(base)
}

fn at_head(run: &Run, head: &CommitId) -> Result<(), Short> {
    if *head == run.spec.head {
        return Ok(());
    }
    if Timestamp::now().duration_since(run.created_at).as_secs() < HEAD_LAG_SECS {
        let cause = format!("the forge says that the head is {}", head.short());
        return Err(Short::Again(Done::Again { after: Some(LOOK_AGAIN), cause }));
    }
    Err(Short::Outcome(Preparation::Stale { head: head.clone() }))
}

/// Tells older runs of the same subject to stop: this one is at the head.
async fn supersede(engine: &Engine, run: &Run) -> Result<(), Short> {
    let target = SignalTarget::Subject { key: run.spec.subject.key(&run.spec.repo), before: Some(run.id) };
    let reason = CancelReason::Superseded { by: run.id, commit: run.spec.head.clone() };
    let acceptance = Acceptance {
        id: DeliveryId::internal(&format!("supersede/{}", run.id)),
        delivery: None,
        run: None,
        signals: vec![(target, Signal::Cancel { reason })],
        now: Timestamp::now(),
    };
    engine.accept(acceptance).await?;
    Ok(())
}

fn read(text: &Bytes) -> Result<RepoConfig, Vec<Problem>> {
    let not_text = |_| vec![Problem { line: 1, column: 1, message: "the file is not UTF-8 text; save it as UTF-8".to_owned() }];
    config::parse(std::str::from_utf8(text).map_err(not_text)?)
}

async fn changed_files(forge: &dyn Forge, spec: &RunSpec, config: &RepoConfig) -> Result<ChangedFiles, Short> {
    if !plan::needs_changed_files(config) {
        return Ok(ChangedFiles::default());
    }
    let change = match (&spec.subject, &spec.compare_from) {
        (Subject::Pull { number }, _) => Change::Pull { number: *number },
        (Subject::MergeGroup { .. } | Subject::Branch { .. }, Some(base)) => {
            Change::Between { base: base.clone(), head: spec.head.clone() }
        }
        // A new branch has nothing to be compared with, so everything counts as changed.
        (Subject::MergeGroup { .. } | Subject::Branch { .. }, None) => {
            return Ok(ChangedFiles { incomplete: true, ..ChangedFiles::default() });
        }
    };
    Ok(forge.changed_files(&spec.repo, &change).await?)
}

/// The earlier runs that match, newest first.
async fn earlier(engine: &Engine, run: &Run, filter: RunFilter) -> Result<Vec<Run>, StoreError> {
    let mut runs = Vec::new();
    for record in engine.deps.store.list(&RunFilter { before: Some(run.id), ..filter }, EARLIER_RUNS_MAX).await? {
        let (_, journal) = engine.deps.store.journal(record.id).await?;
        // A journal that an older version wrote and this one cannot read is of no use here, but no reason to stop.
        runs.extend(Run::replay(record.id, &journal));
    }
    Ok(runs)
}

/// The id of the subject's comment, where an earlier run made it.
async fn earlier_comment(engine: &Engine, run: &Run) -> Result<Option<u64>, StoreError> {
    // The first event about a pull request can have no earlier run, or none worth a look: publishing looks anyway.
    if run.spec.subject.pull().is_none() || run.spec.cause == Cause::Opened {
        return Ok(None);
    }
    let filter = RunFilter { subject: Some(run.spec.subject.key(&run.spec.repo)), ..RunFilter::default() };
    let runs = earlier(engine, run, filter).await?;
    Ok(runs.iter().find_map(|run| run.published.get(&ReportKey::Comment)?.shown.as_ref().map(|(_, id)| *id)))
}

/// The repository file that was in force for the last run to the same branch.
async fn last_valid(engine: &Engine, run: &Run) -> Result<Option<RepoConfig>, StoreError> {
    let filter = RunFilter { repo: Some(run.spec.repo.key()), ..RunFilter::default() };
    let runs = earlier(engine, run, filter).await?;
    // A push's plan names only the gates for pushes, so it stands for the whole file only for another push.
    let whole = |earlier: &&Run| earlier.spec.gate_event() != GateEvent::Push || run.spec.gate_event() == GateEvent::Push;
    let to_same_branch = runs.iter().filter(|earlier| earlier.spec.base_ref == run.spec.base_ref);
    Ok(to_same_branch.filter(whole).find_map(config_of))
}

fn config_of(run: &Run) -> Option<RepoConfig> {
    match run.preparation()? {
        Preparation::Planned { plan, .. } => {
            Some(RepoConfig { gates: plan.gates.iter().map(|planned| planned.config.clone()).collect() })
        }
        Preparation::NoConfig { .. }
        | Preparation::ConfigBroken { .. }
        | Preparation::Stale { .. }
        | Preparation::Closed
        | Preparation::NeedsApproval
        | Preparation::Gone { .. } => None,
    }
}

/// The verdicts of an earlier run of the same commit, for the gates that do not run again.
async fn carried(engine: &Engine, earlier: RunId, plan: &plan::Plan) -> Result<BTreeMap<GateName, Verdict>, StoreError> {
    let (_, journal) = match engine.deps.store.journal(earlier).await {
        Ok(found) => found,
        Err(StoreError::NoRun(_)) => return Ok(BTreeMap::new()),
        Err(error) => return Err(error),
    };
    let Ok(run) = Run::replay(earlier, &journal) else { return Ok(BTreeMap::new()) };
    let carried = plan.gates.iter().filter(|planned| planned.applies == Applies::NotAskedFor).filter_map(|planned| {
        let name = &planned.config.name;
        let verdict = run.step(name).and_then(|step| step.verdict().cloned().or_else(|| not_run(step)))?;
        Some((name.clone(), verdict))
    });
    Ok(carried.collect())
}

fn not_run(step: &gatewright_core::run::Step) -> Option<Verdict> {
    match &step.state {
        gatewright_core::run::StepState::NotRun { because, status, .. } => {
            Some(Verdict::plain(*status, because.clone(), because.clone()))
        }
        gatewright_core::run::StepState::Waiting
        | gatewright_core::run::StepState::Running { .. }
        | gatewright_core::run::StepState::Done { .. }
        | gatewright_core::run::StepState::Carried { .. } => None,
    }
}
