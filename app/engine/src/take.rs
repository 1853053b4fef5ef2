//! Takes a delivery: what it starts, what it stops, made durable before it is acknowledged.

use async_trait::async_trait;
use gatewright_core::event::{
    Delivery, Event, Intake, IntakeError, MergeGroupEvent, PullChange, PullEvent, PushEvent, Rerequested, RerequestedEvent,
    Taken, User,
};
use gatewright_core::report::parse_external_id;
use gatewright_core::run::{CancelReason, Cause, Run, RunSpec, Signal};
use gatewright_core::store::{Acceptance, Accepted, NewRun, RunFilter, SignalTarget, StoreError};
use gatewright_core::verdict::VerdictStatus;
use gatewright_core::{DeliveryId, GateName, RunId, Subject, Timestamp};

use crate::{Engine, Point};

/// A sender is asked to come back after so long when the store cannot take its delivery.
const RETRY_AFTER_SECS: u32 = 30;

/// When a whole commit is to be checked again, so many of its runs are looked at to find its subjects.
const RUNS_OF_A_COMMIT_MAX: usize = 50;

/// What an event comes to.
#[derive(Debug, Default)]
struct Intent {
    /// Runs to start.
    runs: Vec<RunSpec>,
    /// What others are told.
    signals: Vec<(SignalTarget, Signal)>,
}

#[async_trait]
impl Intake for Engine {
    async fn take(&self, delivery: Delivery) -> Result<Taken, IntakeError> {
        let taken = self.take_delivery(delivery).await;
        taken.map_err(|error| IntakeError { retry_after_secs: RETRY_AFTER_SECS, cause: error.to_string() })
    }
}

impl Engine {
    async fn take_delivery(&self, delivery: Delivery) -> Result<Taken, StoreError> {
        let now = delivery.received_at;
        let mut intent = self.intent(&delivery.event).await?;
        let own = intent.runs.pop();
        // Further runs go first, under ids that follow from the delivery's: should the process die in between, the
        // forge sends the delivery again, and these are found to be there already.
        for (n, spec) in intent.runs.into_iter().enumerate() {
            self.accept(internal(&format!("{}/{n}", delivery.id), spec, now)).await?;
        }
        let id = delivery.id.clone();
        let run = own.map(|spec| NewRun { id: RunId::new(), spec });
        let accepted = self.accept(Acceptance { id, delivery: Some(delivery), run, signals: intent.signals, now }).await?;
        (self.hook)(Point::Accepted);
        Ok(match accepted {
            Accepted::New { .. } => Taken::New,
            Accepted::Duplicate => Taken::Duplicate,
        })
    }

    async fn intent(&self, event: &Event) -> Result<Intent, StoreError> {
        Ok(match event {
            Event::Pull(event) => pull(event),
            Event::MergeGroup(event) => merge_group(event),
            Event::Push(event) => Intent { runs: vec![push(event)], ..Intent::default() },
            Event::Rerequested(event) => Intent { runs: self.rerequested(event).await?, ..Intent::default() },
            Event::Unused { .. } => Intent::default(),
        })
    }

    /// The runs that answer a wish to run checks again. None where the check is not one that this store knows.
    async fn rerequested(&self, event: &RerequestedEvent) -> Result<Vec<RunSpec>, StoreError> {
        match &event.what {
            Rerequested::All => self.rerun_commit(event).await,
            Rerequested::Check { external_id } => {
                self.rerun(external_id, &event.sender, |gate, _| gate.map(|gate| vec![gate])).await
            }
            Rerequested::Failed { external_id } => self.rerun(external_id, &event.sender, |_, run| Some(failed_gates(run))).await,
        }
    }

    async fn rerun(
        &self,
        external_id: &str,
        by: &User,
        only: impl FnOnce(Option<GateName>, &Run) -> Option<Vec<GateName>>,
    ) -> Result<Vec<RunSpec>, StoreError> {
        let Some((id, gate)) = parse_external_id(external_id) else { return Ok(Vec::new()) };
        let journal = match self.deps.store.journal(id).await {
            Ok((_, journal)) => journal,
            Err(StoreError::NoRun(_)) => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        let run = Run::replay(id, &journal).map_err(|e| StoreError::Damaged(e.to_string()))?;
        let only = only(gate, &run);
        Ok(vec![rerun_spec(&run.spec, id, by, only)])
    }

    async fn rerun_commit(&self, event: &RerequestedEvent) -> Result<Vec<RunSpec>, StoreError> {
        let filter = RunFilter { repo: Some(event.repo.key()), commit: Some(event.head.clone()), ..RunFilter::default() };
        let mut subjects = Vec::new();
        let mut specs = Vec::new();
        for record in self.deps.store.list(&filter, RUNS_OF_A_COMMIT_MAX).await? {
            if subjects.contains(&record.subject) {
                continue;
            }
            let (_, journal) = self.deps.store.journal(record.id).await?;
            let run = Run::replay(record.id, &journal).map_err(|e| StoreError::Damaged(e.to_string()))?;
            specs.push(rerun_spec(&run.spec, record.id, &event.sender, None));
            subjects.push(record.subject);
        }
        Ok(specs)
    }
}

/// An acceptance by the service itself.
pub(crate) fn internal(words: &str, spec: RunSpec, now: Timestamp) -> Acceptance {
    let run = Some(NewRun { id: RunId::new(), spec });
    Acceptance { id: DeliveryId::internal(words), delivery: None, run, signals: Vec::new(), now }
}

fn rerun_spec(spec: &RunSpec, id: RunId, by: &User, only: Option<Vec<GateName>>) -> RunSpec {
    // Without a list every gate runs again, so nothing of the earlier run stands.
    let rerun_of = only.as_ref().map(|_| id);
    RunSpec { cause: Cause::Rerequested { by: by.clone() }, only, rerun_of, ..spec.clone() }
}

fn failed_gates(run: &Run) -> Vec<GateName> {
    let failed = |step: &&gatewright_core::run::Step| match step.status() {
        Some(VerdictStatus::Failed | VerdictStatus::Errored | VerdictStatus::Cancelled) => true,
        Some(VerdictStatus::Skipped) => step.gate.needs.iter().any(|need| is_bad(run, need)),
        Some(VerdictStatus::Passed) | None => false,
    };
    run.steps.iter().filter(failed).map(|step| step.gate.name.clone()).collect()
}

/// Whether a gate did not pass, so that what needs it was skipped for that.
fn is_bad(run: &Run, gate: &GateName) -> bool {
    match run.step(gate).and_then(gatewright_core::run::Step::status) {
        Some(VerdictStatus::Failed | VerdictStatus::Errored | VerdictStatus::Cancelled) => true,
        Some(VerdictStatus::Skipped) => run.step(gate).is_some_and(|step| step.gate.needs.iter().any(|need| is_bad(run, need))),
        Some(VerdictStatus::Passed) | None => false,
    }
}

fn pull(event: &PullEvent) -> Intent {
    let subject = Subject::Pull { number: event.number };
    let cause = match event.change {
        PullChange::Opened => Cause::Opened,
        PullChange::Updated => Cause::Updated,
        PullChange::Closed => return stop(subject.key(&event.repo)),
    };
    let spec = RunSpec {
        repo: event.repo.clone(),
        subject,
        head: event.head.clone(),
        base_ref: event.base_ref.clone(),
        base: None,
        config_ref: None,
        compare_from: None,
        cause,
        only: None,
        rerun_of: None,
    };
    Intent { runs: vec![spec], ..Intent::default() }
}

fn merge_group(event: &MergeGroupEvent) -> Intent {
    let subject = Subject::MergeGroup { head_ref: event.head_ref.clone() };
    if !event.wanted {
        return stop(subject.key(&event.repo));
    }
    let spec = RunSpec {
        repo: event.repo.clone(),
        subject,
        head: event.head.clone(),
        base_ref: event.base_ref.clone(),
        base: Some(event.base.clone()),
        config_ref: None,
        compare_from: Some(event.base.clone()),
        cause: Cause::MergeQueue,
        only: None,
        rerun_of: None,
    };
    Intent { runs: vec![spec], ..Intent::default() }
}

fn push(event: &PushEvent) -> RunSpec {
    // A push to the default branch is checked by the file that it brings; a push to another branch by the default
    // branch's, since anybody who may push a branch could otherwise say what runs.
    let own_file = event.branch == event.default_branch;
    RunSpec {
        repo: event.repo.clone(),
        subject: Subject::Branch { name: event.branch.clone() },
        head: event.after.clone(),
        base_ref: event.branch.clone(),
        base: own_file.then(|| event.after.clone()),
        config_ref: (!own_file).then(|| event.default_branch.clone()),
        compare_from: event.before.clone(),
        cause: Cause::Pushed,
        only: None,
        rerun_of: None,
    }
}

fn stop(subject: String) -> Intent {
    let target = SignalTarget::Subject { key: subject, before: None };
    Intent { signals: vec![(target, Signal::Cancel { reason: CancelReason::Closed })], ..Intent::default() }
}
