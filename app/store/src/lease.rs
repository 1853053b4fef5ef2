//! Leases: who may write a run's journal, and what they write.

use gatewright_core::run::{JournalEntry, RunEvent};
use gatewright_core::store::{Lease, LeaseRequest, Leased, Release, RunState, Signals, StoreError};
use gatewright_core::{BlobId, RunId, Timestamp};
use jiff::SignedDuration;

use crate::blobs::BlobShelves;
use crate::keys;
use crate::open::OpenRun;
use crate::row::{self, Row};
use crate::value::Value;
use crate::writer::Tx;

/// So many characters of a failure's cause are kept, from its beginning.
const CAUSE_CHARS_MAX: usize = 2000;

/// Writes an unfinished run's row.
fn put_row(tx: &mut Tx<'_>, row: &Row) {
    tx.put(keys::unfinished(row.id()), row::write(row));
}

/// Moves the row of a run that has finished to where it stays, and leads to it: it changes no more.
fn put_finished(tx: &mut Tx<'_>, row: &Row, now: Timestamp) {
    tx.remove(keys::unfinished(row.id()));
    tx.put(keys::row(row.id()), row::write(row));
    tx.put(keys::finished(now, row.id()), Vec::new());
    row.indexed().for_each(|(key, value)| tx.put(key, value));
    tx.open.finish(row.id());
}

fn until(now: Timestamp, secs: u32) -> Timestamp {
    now.checked_add(SignedDuration::from_secs(secs.into())).unwrap_or(Timestamp::MAX)
}

/// Leases the run whose turn it is.
pub(crate) fn lease(tx: &mut Tx<'_>, request: &LeaseRequest) -> Result<Option<Leased>, StoreError> {
    tx.open.expire(request.now);
    while let Some(id) = tx.open.next_ready(request.now, request.per_repo_max) {
        let mut failed = None;
        let row = tx.open.change(id, |run| {
            if run.row.record.attempts >= request.attempts_max {
                set_aside(run, request.now);
            } else {
                failed = run.row.failed.take();
                give(run, request);
            }
        });
        let Some(row) = row else { continue };
        put_row(tx, &row);
        if let RunState::Leased { expires_at, .. } = row.record.state {
            let lease = Lease { run: id, token: row.token, expires_at };
            return Ok(Some(Leased { lease, attempt: row.record.attempts, seq: row.record.seq, failed }));
        }
    }
    Ok(None)
}

fn give(run: &mut OpenRun, request: &LeaseRequest) {
    run.holder = Some(request.worker.clone());
    let row = &mut run.row;
    row.token += 1;
    row.record.attempts += 1;
    row.record.updated_at = request.now;
    let expires_at = until(request.now, request.lease_secs);
    row.record.state = RunState::Leased { worker: request.worker.clone(), expires_at };
}

fn set_aside(run: &mut OpenRun, now: Timestamp) {
    run.holder = None;
    let record = &mut run.row.record;
    let times = if record.attempts == 1 { "once".to_owned() } else { format!("{} times", record.attempts) };
    let cause = match &run.row.failed {
        Some(cause) => format!("it was tried {times}; the last time: {cause}"),
        None => format!("it was tried {times}; the last time, the process ended or hung while it ran"),
    };
    record.state = RunState::SetAside { cause };
    record.updated_at = now;
}

/// The run of a lease that nobody has taken over.
fn held<'a>(tx: &'a Tx<'_>, lease: &Lease) -> Result<&'a OpenRun, StoreError> {
    match tx.open.get(lease.run) {
        Some(run) if run.holder.is_some() && run.row.token == lease.token => Ok(run),
        Some(_) => Err(StoreError::LeaseLost(lease.run)),
        None if tx.knows(lease.run)? => Err(StoreError::LeaseLost(lease.run)),
        None => Err(StoreError::NoRun(lease.run)),
    }
}

/// Prolongs a lease. Nothing is written: leases do not outlive the process, so they need not outlive a crash.
pub(crate) fn renew(
    tx: &mut Tx<'_>,
    lease: &Lease,
    now: Timestamp,
    lease_secs: u32,
    after: u64,
) -> Result<(Lease, Signals), StoreError> {
    let signals = (1..).zip(&held(tx, lease)?.signals).filter(|(n, _)| *n > after);
    let signals = signals.map(|(n, signal)| (n, signal.clone())).collect();
    let expires_at = until(now, lease_secs);
    tx.open.change(lease.run, |run| {
        let worker = run.holder.clone().unwrap_or_default();
        run.row.record.state = RunState::Leased { worker, expires_at };
    });
    Ok((Lease { expires_at, ..lease.clone() }, signals))
}

/// About so many bytes of JSON are these events, as far as that is cheap to tell.
pub(crate) fn size_hint(events: &[RunEvent]) -> usize {
    let size = |event: &RunEvent| match event {
        // A plan, or a verdict with its annotations, can be large.
        RunEvent::Prepared { .. } => 64 * 1024,
        RunEvent::StepFinished { outcome, .. } => outcome.verdict.summary.len() + 512 * outcome.verdict.annotations.len(),
        RunEvent::Created { .. }
        | RunEvent::Resumed { .. }
        | RunEvent::Signalled { .. }
        | RunEvent::StepStarted { .. }
        | RunEvent::Obeyed
        | RunEvent::Notice { .. }
        | RunEvent::Permit { .. }
        | RunEvent::PublishBegun { .. }
        | RunEvent::Published { .. }
        | RunEvent::PublishRefused { .. }
        | RunEvent::Finished { .. } => 512,
        // Notes and environments; what target and router look like.
        RunEvent::Release { .. } => 64 * 1024,
        RunEvent::Rollout { .. } => 16 * 1024,
        // A pipeline with its gates, or a tree; what was said is in blobs.
        RunEvent::Agent { .. } => 16 * 1024,
        // Answers to questions, and what is to be started.
        RunEvent::GivenUp { cause } => cause.len(),
        RunEvent::Ruled { ruled } => 16 * 1024 * ruled.rulings.len(),
    };
    events.iter().map(size).sum()
}

/// Events on their way to a journal.
pub(crate) struct Page {
    value: Value,
    count: u64,
    seq: u64,
    blobs: Vec<BlobId>,
    signals_taken: u64,
    gets_on: bool,
    finishes: bool,
}

impl Page {
    /// Packs events that follow on `seq` others.
    pub(crate) fn new(seq: u64, events: &[RunEvent], now: Timestamp, blobs: &dyn BlobShelves) -> Result<Page, StoreError> {
        let entry = |(seq, event): (u64, &RunEvent)| JournalEntry { seq, at: now, event: event.clone() };
        let entries: Vec<JournalEntry> = (seq..).zip(events).map(entry).collect();
        let value = Value::new(&row::write(&entries), blobs)?;
        let signals_taken = events.iter().filter(|event| matches!(event, RunEvent::Signalled { .. })).count() as u64;
        let finishes = events.iter().any(|event| matches!(event, RunEvent::Finished { .. }));
        let gets_on = events.iter().any(RunEvent::gets_on);
        let blobs = events.iter().flat_map(blobs_of).cloned().collect();
        Ok(Page { value, count: events.len() as u64, seq, blobs, signals_taken, gets_on, finishes })
    }

    /// About so many bytes will be written.
    pub(crate) fn bytes(&self) -> usize {
        self.value.len() + 1024
    }

    /// Appends them.
    pub(crate) fn append(self, tx: &mut Tx<'_>, lease: &Lease, now: Timestamp) -> Result<(), StoreError> {
        let row = &held(tx, lease)?.row;
        if self.finishes && row.signals_taken + self.signals_taken < row.signals {
            return Err(StoreError::Untaken(lease.run));
        }
        let actual = row.record.seq;
        if actual != self.seq {
            return Err(StoreError::WrongSeq { run: lease.run, expected: self.seq, actual });
        }
        if self.count == 0 {
            return Ok(());
        }
        let key = keys::page(lease.run, self.seq);
        for blob in &self.blobs {
            tx.put(keys::blob_use(blob, &key), Vec::new());
        }
        tx.change(self.value.place(key));
        let row = tx.open.change(lease.run, |run| {
            run.row.record.seq += self.count;
            run.row.signals_taken += self.signals_taken;
            run.row.over |= self.finishes;
            if self.gets_on {
                run.row.record.attempts = run.row.record.attempts.min(1);
            }
            run.row.record.updated_at = now;
        });
        if let Some(row) = row {
            put_row(tx, &row);
        }
        Ok(())
    }
}

/// The blobs that an event refers to.
pub(crate) fn blobs_of(event: &RunEvent) -> Vec<&BlobId> {
    match event {
        RunEvent::StepFinished { outcome, .. } => outcome.blobs().collect(),
        RunEvent::Rollout { event } => event.blobs().collect(),
        RunEvent::Release { event } => event.blobs().collect(),
        RunEvent::Agent { event } => event.blobs(),
        RunEvent::Created { .. }
        | RunEvent::Notice { .. }
        | RunEvent::Permit { .. }
        | RunEvent::Resumed { .. }
        | RunEvent::Signalled { .. }
        | RunEvent::Prepared { .. }
        | RunEvent::StepStarted { .. }
        | RunEvent::Ruled { .. }
        | RunEvent::Obeyed
        | RunEvent::PublishBegun { .. }
        | RunEvent::Published { .. }
        | RunEvent::PublishRefused { .. }
        | RunEvent::GivenUp { .. }
        | RunEvent::Finished { .. } => Vec::new(),
    }
}

/// Ends a lease.
pub(crate) fn release(tx: &mut Tx<'_>, lease: &Lease, how: Release, now: Timestamp) -> Result<(), StoreError> {
    held(tx, lease)?;
    let row = tx.open.change(lease.run, |run| {
        run.holder = None;
        let Row { record, failed, finished_at, signals, signals_taken, .. } = &mut run.row;
        let untaken = *signals_taken < *signals;
        record.updated_at = now;
        match how {
            Release::Finished(conclusion) => {
                record.state = RunState::Finished { conclusion };
                *finished_at = Some(now);
            }
            Release::WaitUntil(ready_at) => {
                record.attempts = 0;
                // What it was told since it looked last, it is to hear now.
                let ready_at = if untaken { now.min(ready_at) } else { ready_at };
                record.state = RunState::Ready { ready_at };
            }
            Release::HandBack => {
                record.attempts = record.attempts.saturating_sub(1);
                record.state = RunState::Ready { ready_at: now };
            }
            Release::SetAside { cause } => {
                record.state = RunState::SetAside { cause: cause.chars().take(CAUSE_CHARS_MAX).collect() };
            }
            Release::Failed { retry_at, cause } => {
                *failed = Some(cause.chars().take(CAUSE_CHARS_MAX).collect());
                record.state = RunState::Ready { ready_at: retry_at };
            }
        }
    });
    match row {
        Some(row) if row.finished_at.is_some() => put_finished(tx, &row, now),
        Some(row) => put_row(tx, &row),
        None => {}
    }
    Ok(())
}

/// Makes a set-aside run ready again.
pub(crate) fn retry(tx: &mut Tx<'_>, id: RunId, now: Timestamp) -> Result<bool, StoreError> {
    let Some(run) = tx.open.get(id) else {
        return if tx.knows(id)? { Ok(false) } else { Err(StoreError::NoRun(id)) };
    };
    match run.row.record.state {
        RunState::SetAside { .. } => {}
        RunState::Ready { .. } | RunState::Leased { .. } | RunState::Finished { .. } => return Ok(false),
    }
    let row = tx.open.change(id, |run| {
        let Row { record, failed, .. } = &mut run.row;
        *failed = None;
        record.attempts = 0;
        record.updated_at = now;
        record.state = RunState::Ready { ready_at: now };
    });
    if let Some(row) = row {
        put_row(tx, &row);
    }
    Ok(true)
}
