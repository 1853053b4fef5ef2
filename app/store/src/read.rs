//! Reading, beside the writer.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use gatewright_core::run::JournalEntry;
use gatewright_core::store::{AuditEntry, DeliveryRecord, Phase, RunFilter, RunRecord, RunState, StoreError};
use gatewright_core::{DeliveryId, RunId, Timestamp};

use crate::blobs::BlobShelves;
use crate::keys::{self, Index};
use crate::kv::{self, Kv, Order};
use crate::open::Open;
use crate::row::{self, Row};
use crate::value;

/// A list looks at so many runs at most. Where the filter lets fewer through than were asked for, it ends there.
const LIST_SCAN_MAX: usize = 10_000;

/// Everything but the way to change it.
#[derive(Clone)]
pub(crate) struct Reader {
    pub(crate) kv: Arc<dyn Kv>,
    pub(crate) open: Arc<Mutex<Open>>,
    pub(crate) blobs: Arc<dyn BlobShelves>,
}

impl Reader {
    /// The unfinished runs.
    pub(crate) fn open(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A run's row.
    fn row(&self, id: RunId) -> Result<Row, StoreError> {
        // In this order: a run that finishes meanwhile is found, too.
        let row = match self.kv.get(&keys::unfinished(id))? {
            Some(row) => Some(row),
            None => self.kv.get(&keys::row(id))?,
        };
        row::read(&row.ok_or(StoreError::NoRun(id))?)
    }

    /// The record of a run, with what is known in memory only: a prolonged lease, or one that ended with its process.
    fn record(&self, row: Row) -> RunRecord {
        let open = self.open();
        match open.get(row.id()) {
            Some(run) => RunRecord { state: run.row.record.state.clone(), ..row.record },
            None => row.record,
        }
    }

    /// A run and its journal.
    pub(crate) fn journal(&self, id: RunId) -> Result<(RunRecord, Vec<JournalEntry>), StoreError> {
        let row = self.row(id)?;
        let mut pages = Vec::new();
        self.kv.scan(&keys::pages(id), Order::Up, &mut |key, head| {
            pages.push((key.to_vec(), head.to_vec()));
            ControlFlow::Continue(())
        })?;
        let mut entries: Vec<JournalEntry> = Vec::new();
        for (key, head) in pages {
            let page = value::read(&key, &head, &*self.kv, &*self.blobs)?;
            entries.extend(row::read::<Vec<JournalEntry>>(&page)?);
        }
        // What was appended after the row was read is left out, so that both tell of the same moment.
        entries.retain(|entry| entry.seq < row.record.seq);
        if entries.len() as u64 != row.record.seq {
            // Either it was pruned just now, or entries are missing.
            self.row(id)?;
            return Err(StoreError::Damaged(format!("run {id} has {} journal entries, not {}", entries.len(), row.record.seq)));
        }
        Ok((self.record(row), entries))
    }

    /// The newest runs that a filter lets through.
    pub(crate) fn list(&self, filter: &RunFilter, limit: usize) -> Result<Vec<RunRecord>, StoreError> {
        // First what is in memory: a run that finishes meanwhile is in both then, and in none the other way round.
        let in_memory = self.list_in_memory(filter, limit);
        let stored = match filter.phase {
            Some(Phase::Open | Phase::SetAside) => Vec::new(),
            Some(Phase::Finished) | None => self.list_stored(filter, limit)?,
        };
        let newest_first = in_memory.into_iter().chain(stored).map(|record| (Reverse(record.id), record));
        let listed: BTreeMap<_, _> = newest_first.collect();
        Ok(listed.into_values().take(limit).collect())
    }

    fn list_in_memory(&self, filter: &RunFilter, limit: usize) -> Vec<RunRecord> {
        let open = self.open();
        let rows: Box<dyn Iterator<Item = &Row>> = match named(filter) {
            Some((index, name)) => Box::new(open.named(index, name).rev().map(|run| &run.row)),
            None => Box::new(open.newest_first(filter.before).map(|run| &run.row)),
        };
        let unfinished = rows.map(|row| &row.record).filter(|record| passes(filter, record)).take(limit);
        let finished = open.just_finished().map(|row| &row.record).filter(|record| passes(filter, record));
        unfinished.chain(finished).cloned().collect()
    }

    fn list_stored(&self, filter: &RunFilter, limit: usize) -> Result<Vec<RunRecord>, StoreError> {
        let range = match named(filter) {
            Some((index, name)) => keys::named(index, name, filter.before),
            None => keys::rows(filter.before),
        };
        let mut found = Vec::new();
        let mut looked_at = 0;
        let mut failure = None;
        self.kv.scan(&range, Order::Down, &mut |key, value| {
            if found.len() >= limit || looked_at >= LIST_SCAN_MAX {
                return ControlFlow::Break(());
            }
            looked_at += 1;
            match self.listed(key, value) {
                Ok(Some(record)) if passes(filter, &record) => found.push(record),
                Ok(_) => {}
                Err(error) => {
                    failure = Some(error);
                    return ControlFlow::Break(());
                }
            }
            ControlFlow::Continue(())
        })?;
        failure.map_or(Ok(found), Err)
    }

    /// The record that a row is of or an index key leads to. None where it was pruned just now.
    fn listed(&self, key: &[u8], value: &[u8]) -> Result<Option<RunRecord>, StoreError> {
        if !value.is_empty() {
            return Ok(Some(self.record(row::read(value)?)));
        }
        let id = keys::run_at_end(key).ok_or_else(|| StoreError::Damaged("an index key is cut off".to_owned()))?;
        match self.row(id) {
            Ok(row) => Ok(Some(self.record(row))),
            Err(StoreError::NoRun(_)) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// A delivery and its body.
    pub(crate) fn delivery(&self, id: &DeliveryId) -> Result<Option<(DeliveryRecord, Bytes)>, StoreError> {
        let Some(accepted) = self.kv.get(&keys::accepted(id))? else { return Ok(None) };
        let Some(received_at) = row::read::<Option<Timestamp>>(&accepted)? else { return Ok(None) };
        let key = keys::delivery(received_at, id);
        let Some(value) = self.kv.get(&key)? else { return Ok(None) };
        let (record, head) = row::read_delivery(&value)?;
        let body = value::read(&key, head, &*self.kv, &*self.blobs)?;
        Ok(Some((record, body.into())))
    }

    /// The newest deliveries.
    pub(crate) fn deliveries(&self, limit: usize) -> Result<Vec<DeliveryRecord>, StoreError> {
        let found = kv::pairs(&*self.kv, &keys::deliveries(), Order::Down, limit)?;
        found.iter().map(|(_, value)| row::read_delivery(value).map(|(record, _)| record)).collect()
    }

    /// The newest lines of the audit log.
    pub(crate) fn audited(&self, limit: usize) -> Result<Vec<AuditEntry>, StoreError> {
        let found = kv::pairs(&*self.kv, &keys::audits(), Order::Down, limit)?;
        found.iter().map(|(_, value)| row::read(value)).collect()
    }
}

/// By what to look up what a filter lets through: the index that leads to the fewest.
fn named(filter: &RunFilter) -> Option<(Index, &str)> {
    match filter {
        RunFilter { subject: Some(subject), .. } => Some((Index::Subject, subject)),
        RunFilter { commit: Some(commit), .. } => Some((Index::Commit, commit.as_str())),
        RunFilter { repo: Some(repo), .. } => Some((Index::Repo, repo)),
        RunFilter { .. } => None,
    }
}

fn passes(filter: &RunFilter, record: &RunRecord) -> bool {
    let phase = match record.state {
        RunState::Ready { .. } | RunState::Leased { .. } => Phase::Open,
        RunState::Finished { .. } => Phase::Finished,
        RunState::SetAside { .. } => Phase::SetAside,
    };
    filter.before.is_none_or(|before| record.id < before)
        && filter.phase.is_none_or(|wanted| wanted == phase)
        && filter.repo.as_ref().is_none_or(|repo| *repo == record.repo.key())
        && filter.subject.as_ref().is_none_or(|subject| *subject == record.subject)
        && (filter.commit.is_none() || filter.commit == record.commit)
}
