//! Taking in: a delivery, the run that it starts and what it tells other runs, all or nothing.

use gatewright_core::event::Event;
use gatewright_core::order::{OrderChange, OrderKey};
use gatewright_core::run::{JournalEntry, NewRun, RunEvent, Signal, SignalTarget, Start};
use gatewright_core::store::{Acceptance, Accepted, DeliveryRecord, RunState, StoreError};
use gatewright_core::{RunId, Timestamp};

use crate::blobs::BlobShelves;
use crate::keys::{self, Key};
use crate::kv::Changes;
use crate::open::OpenRun;
use crate::orders;
use crate::row::{self, Row};
use crate::value::Value;
use crate::writer::Tx;

/// So many signals of one run are kept. A run that has not heeded these would not heed another one.
const SIGNALS_MAX: usize = 1000;

/// Answers, of which people can ask for as many as they like, take this many of these at most: they do not keep a run from
/// being stopped.
const ANSWERS_MAX: usize = 500;

/// The names in a record (subject, branch, action, ...) have so many bytes together at most. Forges allow a few hundred
/// each; what has more is refused.
const RECORD_BYTES_MAX: usize = 8 * 1024;

/// Something to take in, with all that can be done before it is the writer's turn.
pub(crate) struct Prepared {
    acceptance: Acceptance,
    delivery: Option<(Key, DeliveryRecord, Value)>,
    journal: Option<Value>,
}

impl Prepared {
    /// Packs the body and the journal's first entry. A large body is durable afterwards, as a blob that nothing refers to.
    pub(crate) fn new(mut acceptance: Acceptance, blobs: &dyn BlobShelves) -> Result<Prepared, StoreError> {
        let now = acceptance.now;
        let journal = match &acceptance.run {
            Some(run) => {
                check_length(&Row::new(run, acceptance.id.clone(), None, now))?;
                let event = RunEvent::Created { spec: Box::new(run.spec.clone()) };
                Some(Value::new(&row::write(&[JournalEntry { seq: 0, at: now, event }]), blobs)?)
            }
            None => None,
        };
        let delivery = match acceptance.delivery.take() {
            Some(delivery) => {
                let body = Value::new(&delivery.body, blobs)?;
                let unused = match delivery.event {
                    Event::Unused { reason } => Some(reason),
                    Event::Pull(_)
                    | Event::MergeGroup(_)
                    | Event::Push(_)
                    | Event::Rerequested(_)
                    | Event::Comment(_)
                    | Event::Button(_)
                    | Event::Tag(_)
                    | Event::ProtectionRule(_)
                    | Event::Issue(_)
                    | Event::Labelled(_) => None,
                };
                let record = DeliveryRecord {
                    id: acceptance.id.clone(),
                    forge: delivery.forge,
                    name: delivery.name,
                    action: delivery.action,
                    received_at: delivery.received_at,
                    run: acceptance.run.as_ref().map(|run| run.id),
                    unused,
                };
                check_length(&record)?;
                Some((keys::delivery(record.received_at, &record.id), record, body))
            }
            None => None,
        };
        Ok(Prepared { acceptance, delivery, journal })
    }

    /// About so many bytes will be written.
    pub(crate) fn bytes(&self) -> usize {
        let body = self.delivery.as_ref().map_or(0, |(_, _, body)| body.len());
        // The row and the keys, generously.
        body + self.journal.as_ref().map_or(0, Value::len) + 2048
    }

    /// Takes it in.
    pub(crate) fn accept(self, tx: &mut Tx<'_>) -> Result<Accepted, StoreError> {
        let Prepared { acceptance, delivery, journal } = self;
        let Acceptance { id, run, led_to, start, signals, orders, audit, now, .. } = acceptance;
        if tx.get(&keys::accepted(&id))?.is_some() {
            return Ok(Accepted::Duplicate);
        }
        if let Some(run) = &run
            && tx.knows(run.id)?
        {
            return Err(StoreError::Damaged(format!("run {} exists already", run.id)));
        }
        // Before the run is there: it is not among those that it tells something.
        let signalled = tell(tx, &signals, now);
        let run = run.filter(|run| start == Start::Always || !is_told(tx, run, &signalled));
        for (subject, change) in &orders {
            orders::change(tx, subject, change, now)?;
        }
        audit.iter().for_each(|entry| tx.audit(entry));
        let received_at = delivery.as_ref().map(|(_, record, _)| record.received_at);
        // A delivery is found by when it was received, which its id leads to.
        tx.put(keys::accepted(&id), row::write(&received_at));
        if run.is_none() {
            tx.put(keys::runless(received_at.unwrap_or(now), &id), row::write(&id));
        }
        if let Some((key, mut record, body)) = delivery {
            record.run = run.as_ref().map(|run| run.id).or(led_to);
            let last = tx.open.last_delivery_at.entry(record.forge).or_insert(record.received_at);
            *last = record.received_at.max(*last);
            tx.change(place_delivery(key, &record, body));
        }
        if let Some((run, journal)) = run.zip(journal) {
            insert(tx, Row::new(&run, id, received_at, now), &run, journal);
        }
        Ok(Accepted::New { signalled })
    }
}

/// Whether a run about the same is among those that were told.
fn is_told(tx: &Tx<'_>, run: &NewRun, told: &[RunId]) -> bool {
    let key = run.spec.subject.key(&run.spec.repo);
    told.iter().any(|id| tx.open.get(*id).is_some_and(|open| open.row.record.subject == key))
}

fn is_answer(signal: &Signal) -> bool {
    match signal {
        Signal::Order { change: OrderChange::Set { order } } => order.key() == OrderKey::Answer,
        Signal::Order {
            change: OrderChange::Clear { .. } | OrderChange::MovedTo { .. } | OrderChange::Take { .. } | OrderChange::Yield { .. },
        }
        | Signal::Cancel { .. }
        | Signal::Release { .. }
        | Signal::Rollout { .. } => false,
    }
}

fn check_length(record: &impl serde::Serialize) -> Result<(), StoreError> {
    let len = row::write(record).len();
    if len > RECORD_BYTES_MAX {
        return Err(StoreError::Unavailable(format!("its names have {len} bytes together and may have {RECORD_BYTES_MAX}")));
    }
    Ok(())
}

fn place_delivery(key: Key, record: &DeliveryRecord, body: Value) -> Changes {
    let mut changes = body.place(key.clone());
    if let Some(Some(head)) = changes.get_mut(&key) {
        *head = row::write_delivery(record, head);
    }
    changes
}

fn insert(tx: &mut Tx<'_>, row: Row, run: &NewRun, journal: Value) {
    tx.put(keys::unfinished(run.id), row::write(&row));
    tx.change(journal.place(keys::page(run.id, 0)));
    tx.open.insert(OpenRun { row, holder: None, signals: Vec::new() });
}

/// Gives signals to the unfinished runs that they are for, and returns those that will take them: not set-aside ones.
fn tell(tx: &mut Tx<'_>, signals: &[(SignalTarget, Signal)], now: Timestamp) -> Vec<RunId> {
    let mut told = Vec::new();
    for (target, signal) in signals {
        let runs = match target {
            SignalTarget::Run { run } => vec![*run],
            SignalTarget::Subject { key, before, commit } => {
                let on = |run: RunId| tx.open.get(run).and_then(|run| run.row.record.commit.as_ref());
                let older = |run: RunId| before.is_none_or(|before| run < before);
                let runs = tx.open.about(key).into_iter().filter(|run| older(*run));
                runs.filter(|run| commit.is_none() || on(*run) == commit.as_ref()).collect()
            }
        };
        for run in runs {
            if tell_run(tx, run, signal, now) && !told.contains(&run) {
                told.push(run);
            }
        }
    }
    told
}

fn tell_run(tx: &mut Tx<'_>, id: RunId, signal: &Signal, now: Timestamp) -> bool {
    let Some(run) = tx.open.get(id) else { return false };
    let room = if is_answer(signal) { ANSWERS_MAX } else { SIGNALS_MAX };
    if run.row.over || run.signals.len() >= room {
        return false;
    }
    // It gets the signal, but nobody can say when it will take it.
    let heard = !matches!(run.row.record.state, RunState::SetAside { .. });
    let row = tx.open.change(id, |run| {
        run.signals.push(signal.clone());
        run.row.signals += 1;
        // A run that waits for a time to come is to hear it now.
        if let RunState::Ready { ready_at } = &mut run.row.record.state {
            *ready_at = now.min(*ready_at);
        }
    });
    if let Some(row) = row {
        tx.put(keys::signal(id, row.signals), row::write(signal));
        tx.put(keys::unfinished(id), row::write(&row));
    }
    heard
}
