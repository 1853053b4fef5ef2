//! A run without a forge: the same plan, the same machine, the same steps and verdicts as in the service, over a commit that
//! somebody has here. No journal, no leases, nothing published: what comes of it is given back.
//!
//! Which commit that is, where sandboxes come from and what is shown of it is the caller's: the command line (`gatewright run`)
//! and the front of CI jobs call it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use gatewright_core::config::{GateConfig, GateEvent, Pushed, RepoConfig};
use gatewright_core::forge::{ChangedFiles, CloneCredential};
use gatewright_core::plan::{self, Applies, Plan};
use gatewright_core::report::Conclusion;
use gatewright_core::run::{
    Action, CancelReason, Cause, Gates, GatesSpec, Impossible, JournalEntry, Next, Preparation, Prepared, Run, RunEvent, RunSpec,
    Signal, Step, StepState, Work,
};
use gatewright_core::sandbox::{Limits, Sandbox, SandboxKey, Source};
use gatewright_core::verdict::{Counted, CountedWhat, Exit, ReportFile, StepOutcome, VerdictStatus};
use gatewright_core::{CommitId, GateName, RepoRef, RunId, Subject, Timestamp};
use secrecy::SecretString;
use tokio_util::sync::CancellationToken;

use crate::counted;
use crate::perform::cancelled_step;
use crate::step::{CacheScopes, Ended, Known, StepInput, StepRunner};

mod blobs;
mod pasts;
mod pipeline;
mod watched;

pub use blobs::FolderBlobs;
pub use pasts::{Pasts, PastsHere};
pub use pipeline::{LocalPipeline, PipelineEnd, PipelineFailure, PipelineObserver};
use watched::Watched;

/// The one scope of caches, of which each repository has a folder of its own.
const CACHE_SCOPE: &str = "local";

/// What is to be checked, and how.
pub struct LocalRun {
    /// Where steps run.
    pub sandbox: Arc<dyn Sandbox>,
    /// The repository file.
    pub config: RepoConfig,
    /// The change.
    pub change: LocalChange,
    /// Only these gates, with those whose coverage they count, whatever they say of when they run; what else they need is taken to
    /// have passed. None: those that apply.
    pub only: Option<Vec<GateName>>,
    /// So many gates run at once.
    pub jobs: usize,
    /// The bounds of a sandbox, but for what a gate sets itself.
    pub limits: Limits,
    /// What must never be in a log.
    pub secrets: Vec<SecretString>,
    /// A folder for what gates leave: logs, files that they keep, facts. It is the caller's to remove.
    pub scratch: PathBuf,
    /// What gates said of earlier commits, as far as it is kept.
    pub pasts: Option<Pasts>,
}

/// A commit and what it is compared with.
#[derive(Debug, Clone)]
pub struct LocalChange {
    /// The repository.
    pub repo: RepoRef,
    /// The commit that is checked.
    pub commit: CommitId,
    /// Whether the commit is one that will mean the same tomorrow. Only of such is anything kept.
    pub lasting: bool,
    /// The commit that it is compared with.
    pub base: Option<CommitId>,
    /// Commits of the base branch, newest first.
    pub history: Vec<CommitId>,
    /// The branch that the change goes to.
    pub branch: String,
    /// What is going on: a pull request, unless the caller knows better.
    pub event: GateEvent,
    /// Where it was pushed to, if that is what is going on.
    pub pushed: Pushed,
    /// The files that the change touches.
    pub files: ChangedFiles,
}

/// Is told how a run goes, while it goes.
pub trait Observer: Send + Sync {
    /// A gate's step begins.
    fn started(&self, gate: &GateName);

    /// A gate's command has written something. It is passed on as it is: not redacted, and hostile. Must not block.
    fn output(&self, gate: &GateName, bytes: &[u8]);

    /// Of a gate's files those were read that match `glob`: of each try anew, the last one's last.
    fn read(&self, gate: &GateName, glob: &str, files: &[ReportFile]) {
        let _ = (gate, glob, files);
    }

    /// A gate is over, or it is certain that it does not run.
    fn over(&self, step: &Step);
}

/// What came of a run.
#[derive(Debug)]
pub struct LocalReport {
    /// The run, over.
    pub run: Run,
    /// Logs, and files that gates keep, for as long as the run's folder is there.
    pub blobs: FolderBlobs,
}

/// How a run went, as an exit code tells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LocalEnd {
    /// All gates that are required have passed, or do not apply.
    Passed,
    /// One has not.
    NotPassed,
    /// None has failed, but one that is required could not be run at all.
    NotRun,
}

impl LocalReport {
    /// The gates.
    pub fn gates(&self) -> &Gates {
        self.run.gates().expect("a local run runs gates: begin() makes no other")
    }

    /// How it went.
    pub fn end(&self) -> LocalEnd {
        let gates = self.gates();
        let bad = |step: &&Step| {
            let bad = matches!(step.status(), Some(VerdictStatus::Failed | VerdictStatus::Errored | VerdictStatus::Cancelled));
            bad && step.gate.required
        };
        let never_ran = |step: &Step| matches!(&step.state, StepState::Done { outcome, .. } if matches!(outcome.exit, Exit::NotStarted { .. }));
        let bad: Vec<&Step> = gates.steps.iter().filter(bad).collect();
        match gates.conclusion() {
            Conclusion::Success | Conclusion::Neutral | Conclusion::Skipped => LocalEnd::Passed,
            _ if !bad.is_empty() && bad.into_iter().all(never_ran) => LocalEnd::NotRun,
            _ => LocalEnd::NotPassed,
        }
    }
}

impl LocalRun {
    /// The gates that would be run or skipped, in the order of the file.
    pub fn plan(&self) -> Plan {
        let change = plan::Change {
            event: self.change.event,
            branch: &self.change.branch,
            pushed: self.change.pushed,
            files: &self.change.files,
            only: None,
        };
        let mut plan = plan::plan(&self.config, &change);
        let Some(only) = &self.only else { return plan };
        let only = self.config.with_counted(only);
        plan.gates.retain(|planned| only.contains(&planned.config.name));
        for planned in &mut plan.gates {
            planned.applies = Applies::Yes;
            planned.config.needs.retain(|need| only.contains(need));
        }
        plan
    }

    /// Runs the gates to their end, or until `stop` is cancelled; then what runs is stopped, and its sandboxes are removed.
    pub async fn run(&self, observer: &dyn Observer, stop: &CancellationToken) -> Result<LocalReport, Impossible> {
        let blobs = FolderBlobs::new(self.scratch.clone());
        let watched = Watched { inner: &*self.sandbox, observer };
        let runner = StepRunner { sandbox: &watched, blobs: &blobs, limits: self.limits, secrets: &self.secrets };
        let mut driver = Driver { this: self, runner, observer, stop, run: self.begin()?, told: BTreeSet::new() };
        driver.drive().await?;
        let run = driver.run;
        Ok(LocalReport { run, blobs })
    }

    /// The run, its inputs pinned.
    fn begin(&self) -> Result<Run, Impossible> {
        let LocalChange { repo, commit, base, branch, .. } = &self.change;
        let spec = GatesSpec { compare_from: base.clone(), ..GatesSpec::of(commit.clone(), branch.clone(), Cause::Opened) };
        let subject = Subject::Pull { number: 0 };
        let created = RunEvent::Created { spec: Box::new(RunSpec { repo: repo.clone(), subject, work: Work::Gates(spec) }) };
        let prepared = Prepared {
            pull: None,
            // The file that counts is the one that is here, and of no commit.
            base: None,
            compared_with: base.clone(),
            shown: BTreeMap::new(),
            orders: Vec::new(),
            outcome: Preparation::Planned {
                plan: self.plan(),
                carried: BTreeMap::new(),
                head_problems: Vec::new(),
                base_problems: Vec::new(),
                commands: BTreeMap::new(),
                agents_on: Vec::new(),
            },
        };
        let at = Timestamp::now();
        let mut run = Run::replay(RunId::new(), &[JournalEntry { seq: 0, at, event: created }])?;
        run.apply(at, &RunEvent::Prepared { prepared: Box::new(prepared) })?;
        Ok(run)
    }

    fn source(&self, gate: &GateConfig) -> Source {
        let credential = CloneCredential { url: String::new(), login: None, one_repository: true };
        let LocalChange { repo, commit, .. } = &self.change;
        Source { repo: repo.clone(), commit: commit.clone(), credential, checkout: gate.checkout, overlay: Arc::default() }
    }
}

/// A run that is being driven.
struct Driver<'a> {
    this: &'a LocalRun,
    runner: StepRunner<'a>,
    observer: &'a dyn Observer,
    stop: &'a CancellationToken,
    run: Run,
    /// The gates of which the observer has been told that they are over.
    told: BTreeSet<GateName>,
}

type UnderWay<'a> = FuturesUnordered<BoxFuture<'a, RunEvent>>;

impl<'a> Driver<'a> {
    async fn drive(&mut self) -> Result<(), Impossible> {
        let mut under_way: UnderWay<'a> = FuturesUnordered::new();
        let mut stopped = false;
        loop {
            // What is over is told before what begins because of it.
            self.tell();
            self.begin_steps(&mut under_way)?;
            if under_way.is_empty() {
                return Ok(());
            }
            tokio::select! {
                biased;
                () = self.stop.cancelled(), if !stopped => {
                    stopped = true;
                    let reason = CancelReason::User { login: "you".to_owned() };
                    self.apply(&RunEvent::Signalled { n: 1, signal: Signal::Cancel { reason } })?;
                }
                Some(ended) = under_way.next() => self.apply(&ended)?,
            }
        }
    }

    fn apply(&mut self, event: &RunEvent) -> Result<(), Impossible> {
        self.run.apply(Timestamp::now(), event)
    }

    /// Begins what is wanted, as far as there are slots. What is to be published is nobody's here.
    fn begin_steps(&mut self, under_way: &mut UnderWay<'a>) -> Result<(), Impossible> {
        while under_way.len() < self.this.jobs.max(1) {
            let Next::Perform { actions, .. } = self.run.next(Timestamp::now()) else { return Ok(()) };
            let claim = actions.into_iter().find_map(|action| match action {
                Action::Claim { gate, attempt } => Some((gate, attempt)),
                Action::Prepare
                | Action::Execute { .. }
                | Action::Stop { .. }
                | Action::Rule
                | Action::Obey
                | Action::Release(_)
                | Action::Rollout(_)
                | Action::Agent(_)
                | Action::Notice(_)
                | Action::Permit(_)
                | Action::Publish { .. }
                | Action::SetAside { .. }
                | Action::Finish { .. } => None,
            });
            let Some((gate, attempt)) = claim else { return Ok(()) };
            self.apply(&RunEvent::StepStarted { gate: gate.clone(), attempt })?;
            let Some(config) = self.run.gates().and_then(|gates| gates.step(&gate)).map(|step| step.gate.clone()) else {
                return Ok(());
            };
            self.observer.started(&gate);
            let job = Job { this: self.this, runner: self.runner, stop: self.stop, run: self.run.id };
            let counts = self.run.gates().filter(|_| !config.coverage_of.is_empty()).cloned();
            under_way.push(Box::pin(job.step(config, counts)));
        }
        Ok(())
    }

    /// Tells the observer of the gates that are newly over.
    fn tell(&mut self) {
        let Some(gates) = self.run.gates() else { return };
        for step in gates.steps.iter().filter(|step| step.is_over()) {
            if self.told.insert(step.gate.name.clone()) {
                self.observer.over(step);
            }
        }
    }
}

/// What a step needs that runs beside others.
struct Job<'a> {
    this: &'a LocalRun,
    runner: StepRunner<'a>,
    stop: &'a CancellationToken,
    run: RunId,
}

impl Job<'_> {
    /// `counts` are the gates as they stand, where the gate counts what others have covered.
    async fn step(self, gate: GateConfig, counts: Option<Gates>) -> RunEvent {
        let started = Instant::now();
        let key = SandboxKey { run: self.run, gate: gate.name.clone() };
        let change = &self.this.change;
        let past = self.known(&gate, counts.as_ref()).await;
        let input = StepInput {
            key: key.clone(),
            gate: &gate,
            source: self.this.source(&gate),
            since: change.base.clone(),
            // All that runs here is the same person's.
            scopes: CacheScopes { read: vec![CACHE_SCOPE.to_owned()], write: Some(CACHE_SCOPE.to_owned()) },
            past: past.clone(),
            // No forge is asked: what only one could tell is said to be not judged.
            pull: None,
        };
        let log = self.runner.log();
        // What is not to be begun any more needs no sandbox to be stopped in.
        let ended = tokio::select! {
            biased;
            () = self.stop.cancelled() => None,
            ended = self.runner.run(&input, &log) => Some(ended),
        };
        if let Err(error) = self.runner.sandbox.close(&key).await {
            tracing::warn!(step.key = %gate.name, %error, "a sandbox could not be removed");
        }
        let Some(ended) = ended else {
            return cancelled_step(&gate.name, "stopped by you", self.runner.keep(log.finish(), started).await);
        };
        let ended = ended.unwrap_or_else(|failure| Ended::not_started(failure.cause));
        let outcome = self.runner.judge(&gate, past, ended, log.finish(), started).await;
        self.keep(&gate, &outcome).await;
        RunEvent::StepFinished { gate: gate.name, outcome: Box::new(outcome) }
    }

    /// What is known before the step runs.
    async fn known(&self, gate: &GateConfig, counts: Option<&Gates>) -> Known {
        let past = self.this.pasts.as_ref().map(|pasts| pasts.of(&self.this.change, gate)).unwrap_or_default();
        let Some(gates) = counts else { return past };
        match counted::of(gates, gate, self.runner.blobs, None).await {
            Ok(counted) => Known { counted, ..past },
            Err(error) => {
                let missing =
                    |gate: &GateName| Counted { gate: gate.clone(), what: CountedWhat::Missing { because: error.to_string() } };
                Known { counted: gate.coverage_of.iter().map(missing).collect(), ..past }
            }
        }
    }

    /// Keeps what the gate has said for later runs to compare with, where the commit will be there later.
    async fn keep(&self, gate: &GateConfig, outcome: &StepOutcome) {
        let (Some(pasts), Some(facts)) = (&self.this.pasts, &outcome.facts) else { return };
        if !self.this.change.lasting {
            return;
        }
        if let Ok(Some(facts)) = self.runner.blobs.get(facts).await {
            pasts.keep(&self.this.change.commit, &gate.name, self.run, &facts);
        }
    }
}

#[cfg(test)]
mod tests;
