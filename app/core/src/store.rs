//! The store: where deliveries, runs and journals are kept, and the traits that an adapter implements.
//!
//! What is acknowledged is durable: after a power loss too, not only after the process was killed.

use std::collections::BTreeMap;

use async_trait::async_trait;
use bytes::Bytes;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::event::Delivery;
use crate::ids::{BlobId, CommitId, DeliveryId, ForgeKind, RepoRef, RunId};
use crate::order::{Order, OrderChange};
use crate::report::Conclusion;
use crate::run::{JournalEntry, NewRun, RunEvent, Signal, SignalTarget, Start};

/// Something to take in, in one transaction: it is there as a whole or not at all.
#[derive(Debug, Clone)]
pub struct Acceptance {
    /// What makes it unique: accepting the same id again changes nothing.
    pub id: DeliveryId,
    /// The delivery to record. None where the service itself accepts something.
    pub delivery: Option<Delivery>,
    /// A run that was accepted before, under an id of its own, and that the delivery is said to have led to.
    pub led_to: Option<RunId>,
    /// The run that it starts.
    pub run: Option<NewRun>,
    /// When that run starts.
    pub start: Start,
    /// What other runs are to be told.
    pub signals: Vec<(SignalTarget, Signal)>,
    /// What changes of the standing orders of subjects, each named by its key.
    pub orders: Vec<(String, OrderChange)>,
    /// What is written into the audit log.
    pub audit: Vec<AuditEntry>,
    /// When.
    pub now: Timestamp,
}

impl Acceptance {
    /// Something that the service itself accepts and that, so far, changes nothing.
    pub fn internal(words: &str, now: Timestamp) -> Acceptance {
        Acceptance {
            id: DeliveryId::internal(words),
            delivery: None,
            led_to: None,
            run: None,
            start: Start::Always,
            signals: Vec::new(),
            orders: Vec::new(),
            audit: Vec::new(),
            now,
        }
    }
}

/// What came of an [`Acceptance`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Accepted {
    /// It is on disk now.
    New {
        /// Those that got a signal.
        signalled: Vec<RunId>,
    },
    /// It was taken before. Nothing was changed.
    Duplicate,
}

/// The right to write one run's journal, until it expires or somebody else gets it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    /// The run.
    pub run: RunId,
    /// Grows with every lease of the run; a writer with an older one is refused.
    pub token: u64,
    /// Until when, unless renewed.
    pub expires_at: Timestamp,
}

/// Which run to lease.
#[derive(Debug, Clone)]
pub struct LeaseRequest {
    /// Who asks, for people to read.
    pub worker: String,
    /// When.
    pub now: Timestamp,
    /// For how long.
    pub lease_secs: u32,
    /// At most so many runs of one repository are leased at once.
    pub per_repo_max: u32,
    /// A run that has been leased so often without getting anywhere is set aside instead.
    pub attempts_max: u32,
}

/// A leased run.
#[derive(Debug, Clone)]
pub struct Leased {
    /// The right to write.
    pub lease: Lease,
    /// The attempt that this is, from 1, counted when the lease was given.
    pub attempt: u32,
    /// The number of events in the journal.
    pub seq: u64,
    /// Why the last attempt ended, where it ended with a failure.
    pub failed: Option<String>,
}

/// What pending signals a lease's holder has not yet taken into the journal, in order, each with its number from 1.
pub type Signals = Vec<(u64, Signal)>;

/// How a lease ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Release {
    /// The run is over; its journal says how.
    Finished(Conclusion),
    /// Nothing to do until then, unless it was told something that its journal has not taken. The attempt is not counted.
    WaitUntil(Timestamp),
    /// Somebody else may go on at once. The attempt is not counted.
    HandBack,
    /// It failed; somebody may try again from then on. The attempt counts.
    Failed {
        /// Not before.
        retry_at: Timestamp,
        /// Why, for people.
        cause: String,
    },
    /// It is given up, until a person has it tried again.
    SetAside {
        /// Why, for people.
        cause: String,
    },
}

/// Where a run stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "state")]
pub enum RunState {
    /// Wants a worker, not before `ready_at`.
    Ready {
        /// Not before.
        ready_at: Timestamp,
    },
    /// A worker has it.
    Leased {
        /// Which.
        worker: String,
        /// Until when.
        expires_at: Timestamp,
    },
    /// It is over.
    Finished {
        /// How.
        conclusion: Conclusion,
    },
    /// It was tried too often. A person can have it tried again.
    SetAside {
        /// Why, for people.
        cause: String,
    },
}

/// One line of the list of runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunRecord {
    /// Its id.
    pub id: RunId,
    /// The repository.
    pub repo: RepoRef,
    /// The subject's key.
    pub subject: String,
    /// The subject, for people.
    pub title: String,
    /// The commit that it is about. None where it is about none.
    pub commit: Option<CommitId>,
    /// Where it stands.
    pub state: RunState,
    /// How often it was leased since it last got somewhere.
    pub attempts: u32,
    /// The number of events in its journal.
    pub seq: u64,
    /// When it was accepted.
    pub created_at: Timestamp,
    /// When its journal last grew, or its state last changed.
    pub updated_at: Timestamp,
}

/// Which runs to list, newest first. What is None does not matter.
#[derive(Debug, Clone, Default)]
pub struct RunFilter {
    /// Only of this repository, by [`RepoRef::key`].
    pub repo: Option<String>,
    /// Only about this subject, by its key.
    pub subject: Option<String>,
    /// Only on this commit.
    pub commit: Option<CommitId>,
    /// Only in this phase.
    pub phase: Option<Phase>,
    /// Only older than this run: the page's last id gives the next page.
    pub before: Option<RunId>,
}

/// A coarser [`RunState`], to filter by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Ready or leased.
    Open,
    /// Over.
    Finished,
    /// Set aside.
    SetAside,
}

/// A line of the audit log: who did what, where, when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditEntry {
    /// When.
    pub at: Timestamp,
    /// Who: a forge account, `operator` (the command line) or `gatewright`.
    pub actor: String,
    /// What, such as "run.retry".
    pub action: String,
    /// On what: a run, a pull request.
    pub target: String,
    /// The commit that it was pinned to.
    pub commit: Option<CommitId>,
    /// What came of it, for people.
    pub outcome: String,
}

/// A recorded delivery.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeliveryRecord {
    /// Its id.
    pub id: DeliveryId,
    /// Who sent it.
    pub forge: ForgeKind,
    /// The event's name.
    pub name: String,
    /// The event's action.
    pub action: Option<String>,
    /// When.
    pub received_at: Timestamp,
    /// The run that it started.
    pub run: Option<RunId>,
    /// Why nothing was done, where it was so.
    pub unused: Option<String>,
}

/// What is waiting, and for how long.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoreStats {
    /// Runs that want a worker now.
    pub ready: u64,
    /// Runs that a worker has.
    pub leased: u64,
    /// Runs that wait for a time to come.
    pub waiting: u64,
    /// Runs that were tried too often.
    pub set_aside: u64,
    /// When the oldest of the ready runs became ready.
    pub oldest_ready_at: Option<Timestamp>,
    /// When the next waiting run becomes ready.
    pub next_ready_at: Option<Timestamp>,
    /// When the last delivery of each forge was taken. After a restart it is looked for among the newest ones only.
    pub last_delivery_at: BTreeMap<ForgeKind, Timestamp>,
}

/// What a failed call to the store means for what comes next.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// The lease is lost or over: stop working on this run, write nothing more.
    #[error("the lease of run {0} is lost")]
    LeaseLost(RunId),
    /// The journal has grown since it was read: a bug of the caller.
    #[error("the journal of run {run} has {actual} entries, not {expected}")]
    WrongSeq {
        /// The run.
        run: RunId,
        /// What the caller thought.
        expected: u64,
        /// What is so.
        actual: u64,
    },
    /// The run was told something that its journal has not taken yet, so it cannot be over: renew the lease, take it.
    #[error("run {0} cannot finish before it has taken what it was told")]
    Untaken(RunId),
    /// There is no such run.
    #[error("there is no run {0}")]
    NoRun(RunId),
    /// The disk is full: nothing was changed; try again once there is room.
    #[error("the store has no room left: {0}")]
    Full(String),
    /// The store cannot be used now.
    #[error("the store is not available: {0}")]
    Unavailable(String),
    /// What is stored cannot be read.
    #[error("the store is damaged: {0}")]
    Damaged(String),
}

/// Deliveries, runs and journals.
#[async_trait]
pub trait Store: Send + Sync {
    /// Takes something in, durably, once.
    async fn accept(&self, acceptance: Acceptance) -> Result<Accepted, StoreError>;

    /// Gives the right to drive the oldest run that wants a worker, counting the attempt. None where there is none.
    async fn lease(&self, request: &LeaseRequest) -> Result<Option<Leased>, StoreError>;

    /// Prolongs a lease, and brings the run's signals numbered above `after`.
    async fn renew(&self, lease: &Lease, now: Timestamp, lease_secs: u32, after: u64) -> Result<(Lease, Signals), StoreError>;

    /// Appends to a journal that has `seq` entries, all or nothing, durably. [`RunEvent::Finished`] is refused while there
    /// are signals that the journal has not taken: what a run was told while it was unfinished it has heard.
    async fn append(&self, lease: &Lease, seq: u64, events: &[RunEvent], now: Timestamp) -> Result<(), StoreError>;

    /// Ends a lease.
    async fn release(&self, lease: &Lease, how: Release, now: Timestamp) -> Result<(), StoreError>;

    /// A run and its whole journal.
    async fn journal(&self, run: RunId) -> Result<(RunRecord, Vec<JournalEntry>), StoreError>;

    /// At most `limit` runs, newest first.
    async fn list(&self, filter: &RunFilter, limit: usize) -> Result<Vec<RunRecord>, StoreError>;

    /// The standing orders of a subject, by its key.
    async fn orders(&self, subject: &str) -> Result<Vec<Order>, StoreError>;
}

/// Standing orders are kept so long after they were given, whatever the retention of runs: a pull request may be held, or
/// wait, for longer than its runs are of interest.
pub const ORDERS_KEPT_DAYS: i64 = 400;

/// What keeps a store healthy and lets one look into it.
#[async_trait]
pub trait StoreUpkeep: Send + Sync {
    /// What is waiting.
    async fn stats(&self, now: Timestamp) -> Result<StoreStats, StoreError>;

    /// Makes a set-aside run ready again, with its attempts forgotten. False where it was not set aside.
    async fn retry(&self, run: RunId, now: Timestamp) -> Result<bool, StoreError>;

    /// Removes at most `limit` finished runs that ended before `before`, with their journals, deliveries and blobs that
    /// nothing else refers to, and deliveries without a run of that age. Returns how many runs and deliveries went.
    /// Set-aside and open runs stay. Standing orders go [`ORDERS_KEPT_DAYS`] after they were given, or taken back.
    async fn prune(&self, before: Timestamp, limit: usize) -> Result<u64, StoreError>;

    /// A recorded delivery and its body. None where it was never taken, or has been pruned.
    async fn delivery(&self, id: &DeliveryId) -> Result<Option<(DeliveryRecord, Bytes)>, StoreError>;

    /// At most `limit` deliveries, newest first.
    async fn deliveries(&self, limit: usize) -> Result<Vec<DeliveryRecord>, StoreError>;

    /// Adds a line to the audit log, durably.
    async fn audit(&self, entry: &AuditEntry) -> Result<(), StoreError>;

    /// At most `limit` lines of the audit log, newest first.
    async fn audited(&self, limit: usize) -> Result<Vec<AuditEntry>, StoreError>;

    /// Writes a probe durably: whether deliveries could be taken now.
    async fn probe(&self) -> Result<(), StoreError>;

    /// Why nothing can be written any more until the store is opened again, if that is so.
    fn broken(&self) -> Option<StoreError>;
}

/// What runs where, of all repositories.
#[async_trait]
pub trait Environments: Send + Sync {
    /// The next environments behind the subject `after` that have a standing order [`Ordered::Live`](crate::order::Ordered::Live), each as
    /// its subject's key and that order, in the order of those keys, out of at most `limit`. Empty: there are no more.
    async fn live(&self, after: Option<&str>, limit: usize) -> Result<Vec<(String, Order)>, StoreError>;
}

/// Things too large for a journal, by their SHA-256.
#[async_trait]
pub trait Blobs: Send + Sync {
    /// Keeps bytes, durably. The same bytes again change nothing.
    async fn put(&self, bytes: Bytes) -> Result<BlobId, StoreError>;

    /// Brings them back. None where there are none, or they have been pruned.
    async fn get(&self, id: &BlobId) -> Result<Option<Bytes>, StoreError>;
}
