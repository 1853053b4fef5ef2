//! Pruning: what is old and over goes, with all that belongs to it.
//!
//! What is to go is looked up beside the writer: nothing about a finished run changes any more. The writer only removes.

use std::collections::BTreeSet;
use std::time::SystemTime;

use gatewright_core::run::JournalEntry;
use gatewright_core::store::{RunState, StoreError};
use gatewright_core::{BlobId, DeliveryId, RunId, Timestamp};

use crate::keys::{self, Key};
use crate::kv::{self, Changes, Order};
use crate::lease::blobs_of;
use crate::read::Reader;
use crate::row::{self, Row};
use crate::value;
use crate::writer::Tx;

/// So many runs or deliveries are removed in one go, so that others need not wait long for the writer.
pub(crate) const STEP_MAX: usize = 32;

/// Something that goes as a whole.
#[derive(Default)]
pub(crate) struct Doomed {
    /// What is there as long as it was not removed by somebody else.
    pub(crate) mark: Key,
    /// The changes that remove it.
    pub(crate) changes: Changes,
    /// The blobs that it refers to.
    pub(crate) blobs: BTreeSet<BlobId>,
}

impl Doomed {
    fn remove(&mut self, key: Key) {
        self.changes.insert(key, None);
    }

    fn remove_value(&mut self, key: &[u8], head: &[u8]) -> Result<(), StoreError> {
        let (changes, blob) = value::remove(key, head)?;
        self.changes.extend(changes);
        self.blobs.extend(blob);
        Ok(())
    }
}

/// The next things to go, at most `limit` of them: finished runs first, then deliveries that started no run.
pub(crate) fn doomed(reader: &Reader, before: Timestamp, limit: usize) -> Result<Vec<Doomed>, StoreError> {
    let mut doomed = Vec::new();
    for mark in kv::keys(&*reader.kv, &keys::finished_before(before), Order::Up, limit)? {
        let id = keys::run_at_end(&mark).ok_or_else(|| StoreError::Damaged("an index key is cut off".to_owned()))?;
        doomed.push(doomed_run(reader, mark, id)?);
    }
    for (mark, id) in kv::pairs(&*reader.kv, &keys::runless_before(before), Order::Up, limit - doomed.len())? {
        let id: DeliveryId = row::read(&id)?;
        let mut it = Doomed { mark: mark.clone(), ..Doomed::default() };
        it.remove(mark);
        doom_delivery(reader, &mut it, &id)?;
        doomed.push(it);
    }
    Ok(doomed)
}

fn doomed_run(reader: &Reader, mark: Key, id: RunId) -> Result<Doomed, StoreError> {
    let mut it = Doomed { mark: mark.clone(), ..Doomed::default() };
    it.remove(mark);
    let Some(stored) = reader.kv.get(&keys::row(id))? else { return Ok(it) };
    let row: Row = row::read(&stored)?;
    match row.record.state {
        RunState::Finished { .. } => {}
        RunState::Ready { .. } | RunState::Leased { .. } | RunState::SetAside { .. } => {
            return Err(StoreError::Damaged(format!("run {id} is listed as finished and is not")));
        }
    }
    it.remove(keys::row(id));
    row.indexed().for_each(|(key, _)| it.remove(key));
    for key in kv::keys(&*reader.kv, &keys::signals(id), Order::Up, usize::MAX)? {
        it.remove(key);
    }
    for (key, head) in kv::pairs(&*reader.kv, &keys::pages(id), Order::Up, usize::MAX)? {
        doom_page(reader, &mut it, &key, &head)?;
    }
    doom_delivery(reader, &mut it, &row.accepted_as)?;
    Ok(it)
}

fn doom_page(reader: &Reader, it: &mut Doomed, key: &[u8], head: &[u8]) -> Result<(), StoreError> {
    let page = value::read(key, head, &*reader.kv, &*reader.blobs)?;
    for blob in row::read::<Vec<JournalEntry>>(&page)?.iter().flat_map(|entry| blobs_of(&entry.event)) {
        it.remove(keys::blob_use(blob, key));
        it.blobs.insert(blob.clone());
    }
    it.remove_value(key, head)
}

fn doom_delivery(reader: &Reader, it: &mut Doomed, id: &DeliveryId) -> Result<(), StoreError> {
    let accepted = keys::accepted(id);
    let Some(received_at) = reader.kv.get(&accepted)? else { return Ok(()) };
    it.remove(accepted);
    let Some(received_at) = row::read::<Option<Timestamp>>(&received_at)? else { return Ok(()) };
    let key = keys::delivery(received_at, id);
    if let Some(stored) = reader.kv.get(&key)? {
        let (_, head) = row::read_delivery(&stored)?;
        it.remove_value(&key, head)?;
    }
    Ok(())
}

/// Removes things, and returns how many of them were still there.
pub(crate) fn remove(tx: &mut Tx<'_>, doomed: Vec<Doomed>) -> Result<usize, StoreError> {
    let mut gone = 0;
    for it in doomed {
        if tx.get(&it.mark)?.is_some() {
            tx.change(it.changes);
            gone += 1;
        }
    }
    Ok(gone)
}

/// Removes those of these blobs that nothing refers to and that were last put before then.
pub(crate) fn sweep(reader: &Reader, blobs: impl IntoIterator<Item = BlobId>, before: Timestamp) -> Result<(), StoreError> {
    let before = SystemTime::from(before);
    for blob in blobs {
        if kv::keys(&*reader.kv, &keys::blob_uses(&blob), Order::Up, 1)?.is_empty() {
            reader.blobs.remove_older(&blob, before)?;
        }
    }
    Ok(())
}

/// Removes what nothing refers to from one shelf: what was put, and then the process died before it referred to it.
pub(crate) fn sweep_shelf(reader: &Reader, shelf: usize, before: Timestamp) -> Result<(), StoreError> {
    let older = reader.blobs.older(shelf, before.into())?;
    sweep(reader, older, before)
}
