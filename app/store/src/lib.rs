//! Durable storage of deliveries, runs, journals and blobs, embedded in the process.
//!
//! [`EmbeddedStore`] is the [`Store`], the [`StoreUpkeep`] and the [`Blobs`] of one process that needs nothing beside a
//! folder. What it acknowledges survives a power loss. All logic is written once, over a small ordered map of bytes
//! with two drivers: sled, and memory for tests.
//!
//! It deliberately does not interpret journals (but for the blobs that they refer to), look at a clock, or share a
//! folder with another process: several replicas need a store that is a server. The binary opens it; engine and
//! dashboard use it through the traits of `gatewright-core`.
//!
//! How a change is made: the caller packs what it brings, and hands a closure to the one writer thread (`writer`), which
//! checks it against the unfinished runs in memory (`open`), applies the changes of all waiting callers at once, flushes
//! once, and answers. Reads (`read`) go past the writer. The keys (`keys`) lie in one tree, so a batch is atomic.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use bytes::Bytes;
use gatewright_core::order::Order;
use gatewright_core::run::{JournalEntry, RunEvent};
use gatewright_core::store::{
    Acceptance, Accepted, AuditEntry, Blobs, DeliveryRecord, Environments, Lease, LeaseRequest, Leased, ORDERS_KEPT_DAYS,
    Release, RunFilter, RunRecord, Signals, Store, StoreError, StoreStats, StoreUpkeep,
};
use gatewright_core::{BlobId, DeliveryId, RunId, Timestamp};

mod accept;
mod blobs;
mod folder;
mod keys;
mod kv;
mod lease;
mod load;
mod open;
mod orders;
mod prune;
mod read;
mod room;
mod row;
mod value;
mod writer;

pub use folder::OpenError;

use blobs::{BlobFolder, BlobMap, BlobShelves};
use kv::{Kv, MemoryKv, SledKv};
use read::Reader;
use room::{Purpose, Reserve};
use writer::Writer;

/// What has more bytes than this is packed on a thread that may block.
const INLINE_BYTES_MAX: usize = 32 * 1024;

/// How an [`EmbeddedStore`] is opened.
#[derive(Debug, Clone)]
pub struct Options {
    /// So much of what was read or written last is kept in memory.
    pub cache_bytes: u64,
    /// New deliveries are refused before less than this is left on the disk. Running work may use three quarters of it,
    /// pruning seven eighths. 0: nothing is refused, and a full disk makes the store unavailable until it is opened again.
    pub reserve_bytes: u64,
}

impl Default for Options {
    fn default() -> Self {
        Options { cache_bytes: 32 * 1024 * 1024, reserve_bytes: room::RESERVE_BYTES }
    }
}

/// The store of one process. Dropping it waits for the writer, and gives the folder free.
pub struct EmbeddedStore {
    // Dropped first: it finishes what it was asked for.
    writer: Writer,
    reader: Reader,
    reserve: Reserve,
    next_shelf: AtomicUsize,
}

impl EmbeddedStore {
    /// Opens the store in this folder, or makes one. What other processes had leased is ready again: that nobody else
    /// has the folder open proves that they are gone. It blocks: for some milliseconds, and longer where the process
    /// before wrote much and was not closed.
    ///
    /// # Errors
    /// The folder is in use, cannot be read or written, is damaged, or is of another version of Gatewright.
    pub fn open(path: &Path, options: &Options) -> Result<EmbeddedStore, OpenError> {
        let lock = folder::claim(path)?;
        let blobs = BlobFolder::open(&path.join("blobs")).map_err(|e| OpenError::io(path, &e))?;
        let kv = SledKv::open(&path.join("log"), options.cache_bytes, lock).map_err(|e| OpenError::store(path, e))?;
        folder::sync(path).map_err(|e| OpenError::io(path, &e))?;
        let reserve = Reserve { bytes: options.reserve_bytes };
        Self::start(path, Arc::new(kv), Arc::new(blobs), reserve)
    }

    /// A store that is gone with the process.
    pub fn in_memory() -> EmbeddedStore {
        let path = PathBuf::from("memory");
        let started = Self::start(&path, Arc::new(MemoryKv::default()), Arc::new(BlobMap::default()), Reserve { bytes: 0 });
        started.expect("an empty map is of this version, and a thread can be started")
    }

    fn start(path: &Path, kv: Arc<dyn Kv>, blobs: Arc<dyn BlobShelves>, reserve: Reserve) -> Result<EmbeddedStore, OpenError> {
        folder::check_layout(path, &*kv)?;
        let open = load::load(&*kv).map_err(|e| OpenError::store(path, e))?;
        let open = Arc::new(Mutex::new(open));
        let writer = Writer::start(Arc::clone(&kv), Arc::clone(&open), reserve).map_err(|e| OpenError::io(path, &e))?;
        Ok(EmbeddedStore { writer, reader: Reader { kv, open, blobs }, reserve, next_shelf: AtomicUsize::new(0) })
    }

    /// Reads where it may take a while.
    async fn read<T, F>(&self, read: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Reader) -> Result<T, StoreError> + Send + 'static,
    {
        let reader = self.reader.clone();
        let done = tokio::task::spawn_blocking(move || read(&reader)).await;
        done.map_err(|e| StoreError::Unavailable(format!("reading failed: {e}")))?
    }

    /// Prepares a change: at once where it is small, elsewhere where it may take a while.
    async fn prepare<T, F>(&self, bytes: usize, prepare: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&dyn BlobShelves) -> Result<T, StoreError> + Send + 'static,
    {
        if bytes <= INLINE_BYTES_MAX {
            prepare(&*self.reader.blobs)
        } else {
            self.read(move |reader| prepare(&*reader.blobs)).await
        }
    }

    async fn prune_orders(&self, before: Timestamp, limit: usize) -> Result<(), StoreError> {
        // Where that would be before the calendar's beginning, nothing is old enough.
        let Ok(before) = before.checked_sub(jiff::SignedDuration::from_hours(24 * ORDERS_KEPT_DAYS)) else { return Ok(()) };
        let old = self.read(move |reader| orders::old(&*reader.kv, before, limit)).await?;
        if old.is_empty() {
            return Ok(());
        }
        self.writer.call(Purpose::Prune, 0, move |tx| orders::remove(tx, old)).await
    }

    /// Refuses what would fill the disk. Only what becomes a file is asked about here: the writer asks for the rest.
    fn check_room(&self, purpose: Purpose, bytes: usize) -> Result<(), StoreError> {
        self.reserve.check(purpose, bytes, self.reader.kv.free_bytes()?)
    }
}

#[async_trait]
impl Store for EmbeddedStore {
    async fn accept(&self, acceptance: Acceptance) -> Result<Accepted, StoreError> {
        let bytes = acceptance.delivery.as_ref().map_or(0, |delivery| delivery.body.len());
        if bytes > INLINE_BYTES_MAX {
            self.check_room(Purpose::Intake, bytes)?;
        }
        let prepared = self.prepare(bytes, move |blobs| accept::Prepared::new(acceptance, blobs)).await?;
        self.writer.call(Purpose::Intake, prepared.bytes(), move |tx| prepared.accept(tx)).await
    }

    async fn lease(&self, request: &LeaseRequest) -> Result<Option<Leased>, StoreError> {
        let request = request.clone();
        self.writer.call(Purpose::Work, 1024, move |tx| lease::lease(tx, &request)).await
    }

    async fn renew(&self, lease: &Lease, now: Timestamp, lease_secs: u32, after: u64) -> Result<(Lease, Signals), StoreError> {
        let lease = lease.clone();
        self.writer.call(Purpose::Memory, 0, move |tx| lease::renew(tx, &lease, now, lease_secs, after)).await
    }

    async fn append(&self, lease: &Lease, seq: u64, events: &[RunEvent], now: Timestamp) -> Result<(), StoreError> {
        let (lease, events) = (lease.clone(), events.to_vec());
        let page = self.prepare(lease::size_hint(&events), move |blobs| lease::Page::new(seq, &events, now, blobs)).await?;
        self.writer.call(Purpose::Work, page.bytes(), move |tx| page.append(tx, &lease, now)).await
    }

    async fn release(&self, lease: &Lease, how: Release, now: Timestamp) -> Result<(), StoreError> {
        let lease = lease.clone();
        self.writer.call(Purpose::Work, 1024, move |tx| lease::release(tx, &lease, how, now)).await
    }

    async fn journal(&self, run: RunId) -> Result<(RunRecord, Vec<JournalEntry>), StoreError> {
        self.read(move |reader| reader.journal(run)).await
    }

    async fn list(&self, filter: &RunFilter, limit: usize) -> Result<Vec<RunRecord>, StoreError> {
        let filter = filter.clone();
        self.read(move |reader| reader.list(&filter, limit)).await
    }

    async fn orders(&self, subject: &str) -> Result<Vec<Order>, StoreError> {
        let subject = subject.to_owned();
        self.read(move |reader| orders::standing(&*reader.kv, &subject)).await
    }
}

#[async_trait]
impl StoreUpkeep for EmbeddedStore {
    async fn stats(&self, now: Timestamp) -> Result<StoreStats, StoreError> {
        Ok(self.reader.open().stats(now))
    }

    async fn retry(&self, run: RunId, now: Timestamp) -> Result<bool, StoreError> {
        self.writer.call(Purpose::Work, 1024, move |tx| lease::retry(tx, run, now)).await
    }

    async fn prune(&self, before: Timestamp, limit: usize) -> Result<u64, StoreError> {
        let mut gone = 0;
        while gone < limit {
            let step = prune::STEP_MAX.min(limit - gone);
            let doomed = self.read(move |reader| prune::doomed(reader, before, step)).await?;
            if doomed.is_empty() {
                break;
            }
            let blobs: Vec<BlobId> = doomed.iter().flat_map(|it| it.blobs.iter().cloned()).collect();
            gone += self.writer.call(Purpose::Prune, 0, move |tx| prune::remove(tx, doomed)).await?;
            self.read(move |reader| prune::sweep(reader, blobs, before)).await?;
        }
        self.prune_orders(before, limit).await?;
        let shelf = self.next_shelf.fetch_add(1, Ordering::Relaxed);
        self.read(move |reader| prune::sweep_shelf(reader, shelf, before)).await?;
        Ok(gone as u64)
    }

    async fn delivery(&self, id: &DeliveryId) -> Result<Option<(DeliveryRecord, Bytes)>, StoreError> {
        let id = id.clone();
        self.read(move |reader| reader.delivery(&id)).await
    }

    async fn deliveries(&self, limit: usize) -> Result<Vec<DeliveryRecord>, StoreError> {
        self.read(move |reader| reader.deliveries(limit)).await
    }

    async fn audit(&self, entry: &AuditEntry) -> Result<(), StoreError> {
        let entry = entry.clone();
        let request = move |tx: &mut writer::Tx<'_>| {
            tx.audit(&entry);
            Ok(())
        };
        self.writer.call(Purpose::Work, 1024, request).await
    }

    async fn audited(&self, limit: usize) -> Result<Vec<AuditEntry>, StoreError> {
        self.read(move |reader| reader.audited(limit)).await
    }

    async fn probe(&self) -> Result<(), StoreError> {
        let request = |tx: &mut writer::Tx<'_>| {
            tx.put(keys::PROBE_KEY.to_vec(), b"written".to_vec());
            Ok(())
        };
        self.writer.call(Purpose::Intake, 64, request).await
    }

    fn broken(&self) -> Option<StoreError> {
        self.writer.broken()
    }
}

#[async_trait]
impl Environments for EmbeddedStore {
    async fn live(&self, after: Option<&str>, limit: usize) -> Result<Vec<(String, Order)>, StoreError> {
        let after = after.map(str::to_owned);
        self.read(move |reader| orders::live(&*reader.kv, after.as_deref(), limit)).await
    }
}

#[async_trait]
impl Blobs for EmbeddedStore {
    async fn put(&self, bytes: Bytes) -> Result<BlobId, StoreError> {
        self.check_room(Purpose::Work, bytes.len())?;
        self.read(move |reader| reader.blobs.put(&bytes)).await
    }

    async fn get(&self, id: &BlobId) -> Result<Option<Bytes>, StoreError> {
        let id = id.clone();
        self.read(move |reader| Ok(reader.blobs.get(&id)?.map(Bytes::from))).await
    }
}
