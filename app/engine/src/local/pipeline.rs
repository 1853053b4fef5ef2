//! One pipeline of agents on this machine: the engine's own loop over a store that is gone with the process, until that one run is over.
//!
//! Nothing here knows what agents do: the run is accepted, leased and driven as in the service. What a forge would be asked and shown
//! is the caller's, as an ordinary [`Forge`](gatewright_core::forge::Forge) of its own. `gatewright agent run` and `agent replay` call it.

use std::sync::Arc;
use std::time::Duration;

use gatewright_core::run::{
    CancelReason, JournalEntry, NewRun, Run, RunEvent, RunSpec, Signal, SignalTarget, Step, StepState, Work,
};
use gatewright_core::store::{Acceptance, Blobs, LeaseRequest, Release, RunState, StoreError};
use gatewright_core::{BlobId, RunId, Timestamp};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::LocalReport;
use crate::worker::Stopping;
use crate::{Deps, Engine, Hook, Options, Point, Wait, drive};

/// A run that waits for a time, or was left after a failure, is asked for again so often.
const POLL: Duration = Duration::from_millis(200);

/// What keeps the run is looked for so often.
const LOOK: Duration = Duration::from_secs(1);

/// Is told how a pipeline goes, while it goes. Nothing of it may block.
pub trait PipelineObserver: Send + Sync {
    /// This was written into the journal; `run` is what follows from it and all before it.
    fn happened(&self, run: &Run, entry: &JournalEntry);

    /// These actions failed and are to be tried again: told every second, also while there are none.
    fn waits(&self, waits: &[Wait]);
}

/// Why a pipeline could not be driven to an end.
#[derive(Debug, thiserror::Error)]
pub enum PipelineFailure {
    /// The store in memory failed, which is a fault of ours or the end of the machine's memory.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The journal came to something that cannot be.
    #[error(transparent)]
    Impossible(#[from] gatewright_core::run::Impossible),
    /// It was tried again and again and got nowhere.
    #[error("it got nowhere: {0}")]
    SetAside(String),
}

/// A pipeline that is over.
#[derive(Debug)]
pub struct PipelineEnd {
    /// The run.
    pub run: Run,
    /// Its journal.
    pub journal: Vec<JournalEntry>,
}

/// What an observer has been told.
#[derive(Default)]
struct Told {
    run: Option<Run>,
    entries: usize,
}

/// An engine for one run.
pub struct LocalPipeline {
    engine: Arc<Engine>,
    grown: Arc<Notify>,
}

impl LocalPipeline {
    /// An engine over these; the store is nobody else's.
    pub fn new(deps: Deps, options: Options) -> LocalPipeline {
        let grown = Arc::new(Notify::new());
        let told = Arc::clone(&grown);
        let hook: Hook = Arc::new(move |point| match point {
            Point::Appended => told.notify_one(),
            Point::Accepted | Point::Performed => {}
        });
        LocalPipeline { engine: Engine::new(deps, options, hook), grown }
    }

    /// Drives a new run to its end, or until `stop` is cancelled: then it ends like one that somebody stopped. `known` is what its journal
    /// says already when it begins. Whatever comes of it, no sandbox of it is left.
    pub async fn run(
        &self,
        new: NewRun,
        known: &[RunEvent],
        observer: &dyn PipelineObserver,
        stop: &CancellationToken,
    ) -> Result<PipelineEnd, PipelineFailure> {
        let id = new.id;
        let now = Timestamp::now();
        self.engine.accept(Acceptance { run: Some(new), ..Acceptance::internal(&format!("local/{id}"), now) }).await?;
        if !known.is_empty() {
            self.write(id, known, Release::HandBack).await?;
        }
        let driven = self.watched(id, observer, stop).await;
        self.clear(id).await;
        driven?;
        let (_, journal) = self.engine.deps.store.journal(id).await?;
        Ok(PipelineEnd { run: Run::replay(id, &journal)?, journal })
    }

    /// Remembers what gates said of the commit that agents are going to work on, as the service would: agents are shown it, and gates that
    /// look at their work compare with it. Gates that were stopped said nothing.
    pub async fn remember(&self, report: &LocalReport) -> Result<(), PipelineFailure> {
        let (id, gates) = (report.run.id, report.gates());
        let work = Work::Gates(gates.spec.clone());
        let spec = RunSpec { repo: report.run.repo.clone(), subject: report.run.subject.clone(), work };
        let internal = Acceptance::internal(&format!("local/{id}"), Timestamp::now());
        self.engine.accept(Acceptance { run: Some(NewRun { id, spec }), ..internal }).await?;
        for blob in gates.steps.iter().flat_map(kept) {
            if let Some(bytes) = report.blobs.get(blob).await? {
                self.engine.deps.blobs.put(bytes).await?;
            }
        }
        let conclusion = report.run.conclusion();
        let prepared = gates.prepared.iter().map(|prepared| RunEvent::Prepared { prepared: Box::new(prepared.clone()) });
        let known = prepared.chain(gates.steps.iter().flat_map(said)).chain([RunEvent::Finished { conclusion }]);
        let known: Vec<RunEvent> = known.collect();
        Ok(self.write(id, &known, Release::Finished(conclusion)).await?)
    }

    /// Writes what is known of a run before it begins, and gives it out of hand.
    async fn write(&self, id: RunId, known: &[RunEvent], then: Release) -> Result<(), StoreError> {
        let store = &self.engine.deps.store;
        let Some(leased) = store.lease(&self.request()).await? else { return Err(StoreError::NoRun(id)) };
        let now = Timestamp::now();
        store.append(&leased.lease, leased.seq, known, now).await?;
        store.release(&leased.lease, then, now).await
    }

    fn request(&self) -> LeaseRequest {
        let options = &self.engine.options;
        LeaseRequest {
            worker: options.worker.clone(),
            now: Timestamp::now(),
            lease_secs: options.lease_secs,
            per_repo_max: 1,
            // As in the service: one more, in which it is given up.
            attempts_max: options.attempts_max + 1,
        }
    }

    async fn watched(&self, id: RunId, observer: &dyn PipelineObserver, stop: &CancellationToken) -> Result<(), PipelineFailure> {
        let driving = self.driven(id);
        tokio::pin!(driving);
        let mut told = Told::default();
        let mut stopped = false;
        let mut look = tokio::time::interval(LOOK);
        loop {
            let ended = tokio::select! {
                ended = &mut driving => Some(ended),
                () = self.grown.notified() => None,
                () = stop.cancelled(), if !stopped => {
                    stopped = true;
                    self.cancel(id).await?;
                    None
                }
                _ = look.tick() => {
                    observer.waits(&self.engine.waits_of(id));
                    continue;
                }
            };
            self.tell(id, &mut told, observer).await?;
            if let Some(ended) = ended {
                return ended;
            }
        }
    }

    /// Tells of the entries that are new.
    async fn tell(&self, id: RunId, told: &mut Told, observer: &dyn PipelineObserver) -> Result<(), PipelineFailure> {
        let (_, journal) = self.engine.deps.store.journal(id).await?;
        for entry in journal.iter().skip(told.entries) {
            told.entries += 1;
            match &mut told.run {
                Some(run) => run.apply(entry.at, &entry.event)?,
                None => told.run = Some(Run::replay(id, std::slice::from_ref(entry))?),
            }
            told.run.iter().for_each(|run| observer.happened(run, entry));
        }
        Ok(())
    }

    async fn cancel(&self, id: RunId) -> Result<(), StoreError> {
        let reason = CancelReason::User { login: "you".to_owned() };
        let signals = vec![(SignalTarget::Run { run: id }, Signal::Cancel { reason })];
        let acceptance = Acceptance { signals, ..Acceptance::internal(&format!("local-stop/{id}"), Timestamp::now()) };
        self.engine.accept(acceptance).await.map(|_| ())
    }

    /// Drives it until it is over.
    async fn driven(&self, id: RunId) -> Result<(), PipelineFailure> {
        loop {
            match self.engine.deps.store.lease(&self.request()).await? {
                Some(leased) => Box::pin(drive::drive(Arc::clone(&self.engine), leased, Stopping::default())).await,
                None => tokio::time::sleep(POLL).await,
            }
            let (record, _) = self.engine.deps.store.journal(id).await?;
            match record.state {
                RunState::Finished { .. } => return Ok(()),
                RunState::SetAside { cause } => return Err(PipelineFailure::SetAside(cause)),
                RunState::Ready { .. } | RunState::Leased { .. } => {}
            }
        }
    }

    /// Removes what is left of it: a gate that was stopped in the middle may not have come to closing its sandbox.
    async fn clear(&self, id: RunId) {
        crate::agents::session::close(&self.engine, id, None).await;
        let Ok(left) = self.engine.deps.sandbox.leftovers().await else { return };
        for key in left.into_iter().filter(|key| key.run == id) {
            if let Err(error) = self.engine.deps.sandbox.close(&key).await {
                tracing::warn!(run.id = %id, step.key = %key.gate, %error, "a sandbox could not be removed");
            }
        }
    }
}

/// What is stored of a step.
fn kept(step: &Step) -> Vec<&BlobId> {
    match &step.state {
        StepState::Done { outcome, .. } => outcome.log.iter().map(|log| &log.blob).chain(&outcome.facts).collect(),
        StepState::Waiting | StepState::Running { .. } | StepState::NotRun { .. } | StepState::Carried { .. } => Vec::new(),
    }
}

/// What became of a step, as a journal tells it. What did not run follows from the others.
fn said(step: &Step) -> Vec<RunEvent> {
    match &step.state {
        StepState::Done { outcome, .. } => vec![
            RunEvent::StepStarted { gate: step.gate.name.clone(), attempt: 1 },
            RunEvent::StepFinished { gate: step.gate.name.clone(), outcome: outcome.clone() },
        ],
        StepState::Waiting | StepState::Running { .. } | StepState::NotRun { .. } | StepState::Carried { .. } => Vec::new(),
    }
}
