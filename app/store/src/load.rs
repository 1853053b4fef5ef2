//! Opening: the unfinished runs are read into memory, however many have finished.

use gatewright_core::run::Signal;
use gatewright_core::store::{RunState, StoreError};

use crate::keys;
use crate::kv::{self, Kv, Order};
use crate::open::{Open, OpenRun};
use crate::row::{self, Row};

/// Among so many of the newest deliveries the last one of each forge is looked for.
const LAST_DELIVERIES_MAX: usize = 100;

/// Reads the unfinished runs. Leases are void: whoever held them has ended with its process. The attempts stay counted.
pub(crate) fn load(kv: &dyn Kv) -> Result<Open, StoreError> {
    let mut open = Open::default();
    for (key, row) in kv::pairs(kv, &keys::all_unfinished(), Order::Up, usize::MAX)? {
        open.insert(load_run(kv, &key, &row)?);
    }
    for (_, value) in kv::pairs(kv, &keys::deliveries(), Order::Down, LAST_DELIVERIES_MAX)? {
        let (record, _) = row::read_delivery(&value)?;
        open.last_delivery_at.entry(record.forge).or_insert(record.received_at);
    }
    let last = kv::keys(kv, &keys::audits(), Order::Down, 1)?;
    let number = last.first().and_then(|key| key.last_chunk::<8>());
    open.next_audit = number.map_or(0, |n| u64::from_be_bytes(*n) + 1);
    Ok(open)
}

fn load_run(kv: &dyn Kv, key: &[u8], row: &[u8]) -> Result<OpenRun, StoreError> {
    let id = keys::run_at_end(key).ok_or_else(|| StoreError::Damaged("the key of an unfinished run is cut off".to_owned()))?;
    let mut row: Row = row::read(row)?;
    let record = &mut row.record;
    if let RunState::Leased { .. } = record.state {
        // When it was leased is in the past, so it is ready at once.
        record.state = RunState::Ready { ready_at: record.updated_at };
    }
    let signals = kv::pairs(kv, &keys::signals(id), Order::Up, usize::MAX)?;
    let signals = signals.iter().map(|(_, signal)| row::read::<Signal>(signal)).collect::<Result<_, _>>()?;
    Ok(OpenRun { row, holder: None, signals })
}
