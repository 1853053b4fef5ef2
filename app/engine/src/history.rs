//! What earlier runs tell, read back from their journals.

use gatewright_core::run::{Cause, Gates, GatesSpec, Run, RunSpec, Step, StepState, Work};
use gatewright_core::store::{RunFilter, StoreError};
use gatewright_core::verdict::VerdictStatus;
use gatewright_core::{GateName, RepoRef, RunId};

use crate::Engine;

impl Engine {
    /// A run, if the store has it.
    pub(crate) async fn run(&self, id: RunId) -> Result<Option<Run>, StoreError> {
        let journal = match self.deps.store.journal(id).await {
            Ok((_, journal)) => journal,
            Err(StoreError::NoRun(_)) => return Ok(None),
            Err(error) => return Err(error),
        };
        Run::replay(id, &journal).map(Some).map_err(|error| StoreError::Damaged(error.to_string()))
    }

    /// At most `limit` runs that a filter lets through, newest first.
    pub(crate) async fn runs(&self, filter: &RunFilter, limit: usize) -> Result<Vec<Run>, StoreError> {
        let mut runs = Vec::new();
        for record in self.deps.store.list(filter, limit).await? {
            let (_, journal) = self.deps.store.journal(record.id).await?;
            // A journal that an older version wrote and this one cannot read is of no use here, but no reason to stop.
            runs.extend(Run::replay(record.id, &journal));
        }
        Ok(runs)
    }
}

/// A run that checks the commit of another one again: all of it, or only these gates. `repo` is the repository as it is called now: it may
/// have been renamed since, or given to somebody else.
pub(crate) fn again(repo: &RepoRef, run: &Run, gates: &Gates, cause: Cause, only: Option<Vec<GateName>>) -> RunSpec {
    // Without a list every gate runs again, so nothing of the earlier run stands.
    let rerun_of = only.as_ref().map(|_| run.id);
    // Since when the commit is the head, this time, is for the caller to say: it can have been another one in between.
    let spec = GatesSpec { cause, only, rerun_of, changed_at: None, ..gates.spec.clone() };
    RunSpec { repo: repo.clone(), subject: run.subject.clone(), work: Work::Gates(spec) }
}

/// The gates that did not pass, or were skipped for those.
pub(crate) fn failed(gates: &Gates) -> Vec<GateName> {
    gates.steps.iter().filter(|step| is_bad(gates, step)).map(|step| step.gate.name.clone()).collect()
}

fn is_bad(gates: &Gates, step: &Step) -> bool {
    match step.status() {
        Some(VerdictStatus::Failed | VerdictStatus::Errored | VerdictStatus::Cancelled) => true,
        Some(VerdictStatus::Skipped) if matches!(step.state, StepState::NotRun { .. }) => {
            step.gate.needs.iter().any(|need| gates.step(need).is_some_and(|need| is_bad(gates, need)))
        }
        Some(VerdictStatus::Passed | VerdictStatus::Skipped) | None => false,
    }
}
