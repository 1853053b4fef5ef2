//! What is kept of a run beside its journal, and how small things are written.

use gatewright_core::run::{NewRun, RunSpec, Work};
use gatewright_core::store::{DeliveryRecord, RunRecord, RunState, StoreError};
use gatewright_core::{DeliveryId, RunId, Timestamp};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::keys::{Index, Key, indexed};

/// A run's row.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Row {
    /// What lists show.
    pub(crate) record: RunRecord,
    /// The last lease's token, 0 before the first.
    pub(crate) token: u64,
    /// The number of signals that it got.
    pub(crate) signals: u64,
    /// The number of signals that its journal has taken.
    pub(crate) signals_taken: u64,
    /// Whether its journal says that it is over, so that it takes nothing more.
    pub(crate) over: bool,
    /// Why it failed, where its last attempt ended with a failure.
    pub(crate) failed: Option<String>,
    /// The id under which it was accepted.
    pub(crate) accepted_as: DeliveryId,
    /// When the delivery was received that it came with, if it came with one.
    pub(crate) received_at: Option<Timestamp>,
    /// When it ended, if it did.
    pub(crate) finished_at: Option<Timestamp>,
}

impl Row {
    /// The row of a new run.
    pub(crate) fn new(run: &NewRun, accepted_as: DeliveryId, received_at: Option<Timestamp>, now: Timestamp) -> Row {
        let RunSpec { repo, subject, work } = &run.spec;
        let commit = match work {
            Work::Gates(gates) => Some(gates.head.clone()),
            Work::Command(command) => command.head.clone(),
            Work::Release(release) => release.commit.clone(),
            Work::Rollout(rollout) => Some(rollout.release.commit.clone()),
            Work::Agent(agent) => agent.head.clone(),
            Work::Notice(_) => None,
            Work::Permit(permit) => permit.head.clone(),
        };
        let record = RunRecord {
            id: run.id,
            repo: repo.clone(),
            subject: subject.key(repo),
            title: subject.to_string(),
            commit,
            state: RunState::Ready { ready_at: now },
            attempts: 0,
            seq: 1,
            created_at: now,
            updated_at: now,
        };
        Row {
            record,
            token: 0,
            signals: 0,
            signals_taken: 0,
            over: false,
            failed: None,
            accepted_as,
            received_at,
            finished_at: None,
        }
    }

    /// The run.
    pub(crate) fn id(&self) -> RunId {
        self.record.id
    }

    /// By what it is looked up.
    pub(crate) fn names(&self) -> impl Iterator<Item = (Index, String)> {
        let RunRecord { repo, subject, commit, .. } = &self.record;
        let commit = commit.as_ref().map(|commit| (Index::Commit, commit.to_string()));
        [(Index::Repo, repo.key()), (Index::Subject, subject.clone())].into_iter().chain(commit)
    }

    /// Where indexes lead to it once it is finished, and what lies there.
    pub(crate) fn indexed(&self) -> impl Iterator<Item = (Key, Vec<u8>)> {
        self.names().map(|(index, name)| {
            let value = match index {
                // What a subject's list shows lies where that list is read: together.
                Index::Subject => write(self),
                Index::Repo | Index::Commit => Vec::new(),
            };
            (indexed(index, &name, self.id()), value)
        })
    }
}

/// Writes something small.
pub(crate) fn write(what: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(what).expect("what is stored holds only what JSON can say")
}

/// Reads something small.
pub(crate) fn read<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, StoreError> {
    serde_json::from_slice(bytes).map_err(|e| StoreError::Damaged(format!("a record cannot be read: {e}")))
}

/// A delivery's record and the head of its body, as one value.
pub(crate) fn write_delivery(record: &DeliveryRecord, body: &[u8]) -> Vec<u8> {
    let record = write(record);
    let len = u32::try_from(record.len()).expect("a record is small");
    [len.to_be_bytes().as_slice(), record.as_slice(), body].concat()
}

/// Takes that apart again.
pub(crate) fn read_delivery(value: &[u8]) -> Result<(DeliveryRecord, &[u8]), StoreError> {
    let cut = || StoreError::Damaged("a delivery's record is cut off".to_owned());
    let (len, rest) = value.split_first_chunk::<4>().ok_or_else(cut)?;
    let (record, body) = rest.split_at_checked(u32::from_be_bytes(*len) as usize).ok_or_else(cut)?;
    Ok((read(record)?, body))
}
