//! Standing orders: one row a subject and key, the newest order of the key in it, or that it was taken back.

use gatewright_core::order::{Order, OrderChange, OrderKey};
use gatewright_core::store::StoreError;
use gatewright_core::{CommitId, RunId, Timestamp};
use serde::{Deserialize, Serialize};

use crate::keys::{self, Key};
use crate::kv::{self, Kv, Order as Direction};
use crate::row;
use crate::writer::Tx;

/// An order may have so many bytes, so that it fits into a leaf of the tree. A longer one is refused.
const ORDER_BYTES_MAX: usize = 14 * 1024;

/// A subject may have so many orders. Beyond that nothing more can be ordered about it: a file has fewer gates.
const ORDERS_MAX: usize = 1000;

/// What is kept of a key.
#[derive(Serialize, Deserialize)]
struct Stored {
    /// When it was given or taken back.
    at: Timestamp,
    /// The run that said so. What an older run says later changes nothing.
    run: RunId,
    /// None: it was taken back.
    order: Option<Order>,
}

/// Changes a subject's orders.
pub(crate) fn change(tx: &mut Tx<'_>, subject: &str, change: &OrderChange, now: Timestamp) -> Result<(), StoreError> {
    match change {
        OrderChange::Set { order } => {
            put(tx, subject, order.key(), Stored { at: now, run: order.run, order: Some(order.clone()) })
        }
        OrderChange::Clear { key, run } => put(tx, subject, key.clone(), Stored { at: now, run: *run, order: None }),
        OrderChange::MovedTo { commit } => move_to(tx, subject, commit),
        OrderChange::Take { order } => take(tx, subject, order, now),
        OrderChange::Yield { key, run } => yield_up(tx, subject, key, *run),
    }
}

/// Gives an order to the first that asks, whichever run is the older one.
fn take(tx: &mut Tx<'_>, subject: &str, order: &Order, now: Timestamp) -> Result<(), StoreError> {
    let row = keys::order(subject, &String::from(order.key()));
    if let Some(stored) = tx.get(&row)? {
        let stored: Stored = row::read(&stored)?;
        if stored.order.as_ref().is_some_and(|standing| standing.run != order.run) {
            return Ok(());
        }
        tx.remove(keys::order_age(stored.at, &row));
        tx.remove(row);
    }
    put(tx, subject, order.key(), Stored { at: now, run: order.run, order: Some(order.clone()) })
}

/// Takes an order back that is this run's.
fn yield_up(tx: &mut Tx<'_>, subject: &str, key: &OrderKey, run: RunId) -> Result<(), StoreError> {
    let row = keys::order(subject, &String::from(key.clone()));
    let Some(stored) = tx.get(&row)? else { return Ok(()) };
    let stored: Stored = row::read(&stored)?;
    if stored.order.is_some_and(|standing| standing.run == run) {
        tx.remove(keys::order_age(stored.at, &row));
        tx.remove(row);
    }
    Ok(())
}

fn put(tx: &mut Tx<'_>, subject: &str, key: OrderKey, stored: Stored) -> Result<(), StoreError> {
    let row = keys::order(subject, &String::from(key.clone()));
    let value = row::write(&stored);
    if value.len() > ORDER_BYTES_MAX {
        return Err(StoreError::Unavailable(format!("an order has {} bytes and may have {ORDER_BYTES_MAX}", value.len())));
    }
    match tx.get(&row)? {
        Some(older) => {
            let older: Stored = row::read(&older)?;
            if older.run > stored.run {
                return Ok(());
            }
            tx.remove(keys::order_age(older.at, &row));
        }
        None if tx.pairs(&keys::orders(subject))?.len() >= ORDERS_MAX => {
            return Err(StoreError::Unavailable(format!("a subject may have {ORDERS_MAX} standing orders")));
        }
        None => {}
    }
    tx.put(keys::order_age(stored.at, &row), Vec::new());
    tx.put(row, value);
    if is_listed(&key) {
        let listed = keys::standing(&String::from(key), subject);
        match stored.order {
            Some(_) => tx.put(listed, Vec::new()),
            None => tx.remove(listed),
        }
    }
    Ok(())
}

/// Whether it is asked about which subjects an order of this key stands. For others that is not written down.
fn is_listed(key: &OrderKey) -> bool {
    match key {
        OrderKey::Live => true,
        OrderKey::Hold
        | OrderKey::Approval
        | OrderKey::Skip(_)
        | OrderKey::Answer
        | OrderKey::Lock
        | OrderKey::Freeze
        | OrderKey::Arrival(_)
        | OrderKey::Drift => false,
    }
}

/// The next subjects behind `after` that have something live, with that order.
pub(crate) fn live(kv: &dyn Kv, after: Option<&str>, limit: usize) -> Result<Vec<(String, Order)>, StoreError> {
    let key = String::from(OrderKey::Live);
    let mut found = Vec::new();
    for listed in kv::keys(kv, &keys::all_standing(&key, after), Direction::Up, limit)? {
        let damaged = || StoreError::Damaged("an index key of standing orders is cut off".to_owned());
        let subject = keys::subject_of(&listed).ok_or_else(damaged)?;
        let Some(value) = kv.get(&keys::order(subject, &key))? else { continue };
        found.extend(row::read::<Stored>(&value)?.order.map(|order| (subject.to_owned(), order)));
    }
    Ok(found)
}

fn move_to(tx: &mut Tx<'_>, subject: &str, commit: &CommitId) -> Result<(), StoreError> {
    for (row, value) in tx.pairs(&keys::orders(subject))? {
        let stored: Stored = row::read(&value)?;
        if stored.order.as_ref().and_then(Order::commit).is_some_and(|of| of != commit) {
            tx.remove(keys::order_age(stored.at, &row));
            tx.remove(row);
        }
    }
    Ok(())
}

/// The orders of a subject that stand.
pub(crate) fn standing(kv: &dyn Kv, subject: &str) -> Result<Vec<Order>, StoreError> {
    let rows = kv::pairs(kv, &keys::orders(subject), Direction::Up, usize::MAX)?;
    let stored = rows.iter().map(|(_, value)| row::read::<Stored>(value));
    stored.filter_map(|stored| stored.map(|stored| stored.order).transpose()).collect()
}

/// The keys of at most `limit` orders that were given or taken back before then.
pub(crate) fn old(kv: &dyn Kv, before: Timestamp, limit: usize) -> Result<Vec<Key>, StoreError> {
    kv::keys(kv, &keys::orders_before(before), Direction::Up, limit)
}

/// Removes those of these orders that were not given anew since.
pub(crate) fn remove(tx: &mut Tx<'_>, ages: Vec<Key>) -> Result<(), StoreError> {
    for age in ages {
        if tx.get(&age)?.is_none() {
            continue;
        }
        let row = keys::row_of_age(&age).to_vec();
        let stored: Option<Stored> = tx.get(&row)?.map(|value| row::read(&value)).transpose()?;
        // What an environment runs is so until something else is, however long that takes. Without its age it is looked at no more.
        if stored.and_then(|stored| stored.order).is_none_or(|order| order.key() != OrderKey::Live) {
            tx.remove(row);
        }
        tx.remove(age);
    }
    Ok(())
}
