//! The one thread that changes anything.
//!
//! It takes what is waiting, makes all the changes in memory, applies them to the driver at once, and only when they
//! are durable it answers. So callers that come at the same time share one flush, and nobody's check is overtaken by
//! somebody else's change.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use gatewright_core::RunId;
use gatewright_core::store::{AuditEntry, StoreError};
use tokio::sync::{mpsc, oneshot};

use crate::keys::{self, Key, Range};
use crate::kv::{self, Changes, Kv, Order};
use crate::open::Open;
use crate::room::{Purpose, Reserve};
use crate::row;

/// So many callers wait in the writer's queue; more wait to get into it.
const QUEUE_MAX: usize = 1024;

/// So many requests share a flush at most; the others come with the next.
const BATCH_REQUESTS_MAX: usize = 256;

/// When the changes of a batch have so many bytes, no further request joins it.
const BATCH_BYTES_MAX: usize = 1024 * 1024;

/// A caller waits so long. Beyond it is told that the store is not available, and cannot know whether its change was made.
const WAIT_MAX: Duration = Duration::from_secs(60);

/// What a request changes, on top of what is durable already.
pub(crate) struct Tx<'a> {
    pub(crate) open: MutexGuard<'a, Open>,
    kv: &'a dyn Kv,
    changes: &'a mut Changes,
    bytes: &'a mut usize,
}

impl Tx<'_> {
    /// The value at a key, with the changes of this batch.
    pub(crate) fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        match self.changes.get(key) {
            Some(value) => Ok(value.clone()),
            None => self.kv.get(key),
        }
    }

    /// Whether there is such a run, finished or not.
    pub(crate) fn knows(&self, run: RunId) -> Result<bool, StoreError> {
        Ok(self.open.get(run).is_some() || self.get(&keys::row(run))?.is_some())
    }

    /// The pairs of a range, with the changes of this batch.
    pub(crate) fn pairs(&self, range: &Range) -> Result<Vec<(Key, Vec<u8>)>, StoreError> {
        let mut found: BTreeMap<Key, Vec<u8>> = kv::pairs(self.kv, range, Order::Up, usize::MAX)?.into_iter().collect();
        for (key, value) in self.changes.range(range.from.clone()..range.to.clone()) {
            match value {
                Some(value) => found.insert(key.clone(), value.clone()),
                None => found.remove(key),
            };
        }
        Ok(found.into_iter().collect())
    }

    /// Adds a line to the audit log.
    pub(crate) fn audit(&mut self, entry: &AuditEntry) {
        let n = self.open.next_audit;
        self.open.next_audit += 1;
        self.put(keys::audit(n), row::write(entry));
    }

    /// Puts a value at a key.
    pub(crate) fn put(&mut self, key: Key, value: Vec<u8>) {
        *self.bytes += key.len() + value.len();
        self.changes.insert(key, Some(value));
    }

    /// Removes what is at a key.
    pub(crate) fn remove(&mut self, key: Key) {
        *self.bytes += key.len();
        self.changes.insert(key, None);
    }

    /// Makes several changes.
    pub(crate) fn change(&mut self, changes: Changes) {
        for (key, value) in changes {
            match value {
                Some(value) => self.put(key, value),
                None => self.remove(key),
            }
        }
    }
}

/// What tells a caller how its request ended, once that is durable.
type Answer = Box<dyn FnOnce(Result<(), StoreError>) + Send>;

/// Makes the changes of a request, or is told why it may not.
type Job = Box<dyn FnOnce(Result<Tx<'_>, StoreError>) -> Answer + Send>;

struct Request {
    purpose: Purpose,
    bytes: usize,
    job: Job,
}

/// The way to the writer. Dropping it waits until the writer has done what it was asked for.
pub(crate) struct Writer {
    requests: Option<mpsc::Sender<Request>>,
    thread: Option<JoinHandle<()>>,
    died_of: Arc<Mutex<Option<StoreError>>>,
}

impl Writer {
    /// Starts the thread.
    pub(crate) fn start(kv: Arc<dyn Kv>, open: Arc<Mutex<Open>>, reserve: Reserve) -> std::io::Result<Writer> {
        let (requests, queue) = mpsc::channel(QUEUE_MAX);
        let died_of = Arc::new(Mutex::new(None));
        let work = Work { kv, open, reserve, queue, died_of: Arc::clone(&died_of) };
        let thread = std::thread::Builder::new().name("store-writer".to_owned()).spawn(move || work.run())?;
        Ok(Writer { requests: Some(requests), thread: Some(thread), died_of })
    }

    /// Has a request done, which will write about so many bytes, and returns once what it changed is durable.
    pub(crate) async fn call<T, F>(&self, purpose: Purpose, bytes: usize, request: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&mut Tx<'_>) -> Result<T, StoreError> + Send + 'static,
    {
        let (answer, answered) = oneshot::channel();
        let job: Job = Box::new(move |tx| {
            let outcome = tx.and_then(|mut tx| request(&mut tx));
            // Whoever has gone away in the meantime needs no answer.
            Box::new(move |durable| drop(answer.send(durable.and(outcome))))
        });
        let requests = self.requests.as_ref().expect("the queue is only closed when the writer is dropped");
        let wait = async {
            requests.send(Request { purpose, bytes, job }).await.map_err(|_| self.cause_of_death())?;
            answered.await.map_err(|_| self.cause_of_death())?
        };
        match tokio::time::timeout(WAIT_MAX, wait).await {
            Ok(outcome) => outcome,
            Err(_) => Err(StoreError::Unavailable(format!("the disk did not answer within {} s", WAIT_MAX.as_secs()))),
        }
    }

    /// Why the writer has ended, if it has.
    pub(crate) fn broken(&self) -> Option<StoreError> {
        let ended = self.thread.as_ref().is_none_or(JoinHandle::is_finished);
        ended.then(|| self.cause_of_death())
    }

    fn cause_of_death(&self) -> StoreError {
        let died_of = self.died_of.lock().unwrap_or_else(PoisonError::into_inner);
        match &*died_of {
            Some(error) => StoreError::Unavailable(format!("writing failed, so it must be opened again: {error}")),
            None => StoreError::Unavailable("the writer has ended, so it must be opened again".to_owned()),
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.requests = None;
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the store's writer had panicked");
        }
    }
}

/// The writer's side.
struct Work {
    kv: Arc<dyn Kv>,
    open: Arc<Mutex<Open>>,
    reserve: Reserve,
    queue: mpsc::Receiver<Request>,
    died_of: Arc<Mutex<Option<StoreError>>>,
}

impl Work {
    fn run(mut self) {
        while let Some(first) = self.queue.blocking_recv() {
            if let Err(error) = self.batch(first) {
                tracing::error!(%error, "the store cannot be written to any more");
                return;
            }
        }
    }

    /// Does the first request and those that wait behind it.
    fn batch(&mut self, first: Request) -> Result<(), StoreError> {
        let free = self.kv.free_bytes();
        let (mut changes, mut bytes, mut answers) = (Changes::new(), 0, Vec::new());
        let mut next = Some(first);
        while let Some(Request { purpose, bytes: wanted, job }) = next {
            let room = free.clone().and_then(|free| self.reserve.check(purpose, bytes + wanted, free));
            let tx = room.map(|()| Tx {
                open: self.open.lock().unwrap_or_else(PoisonError::into_inner),
                kv: &*self.kv,
                changes: &mut changes,
                bytes: &mut bytes,
            });
            answers.push(job(tx));
            let full = answers.len() >= BATCH_REQUESTS_MAX || bytes >= BATCH_BYTES_MAX;
            next = if full { None } else { self.queue.try_recv().ok() };
        }
        let outcome = if changes.is_empty() { Ok(()) } else { self.kv.apply(changes) };
        if outcome.is_ok() {
            self.open.lock().unwrap_or_else(PoisonError::into_inner).forget_finished();
        }
        let mut answer = Ok(());
        if let Err(error) = &outcome {
            // Known before the answers go out: whoever asks again is to hear the cause.
            *self.died_of.lock().unwrap_or_else(PoisonError::into_inner) = Some(error.clone());
            // Whatever the cause, it is not known whether the changes were made.
            answer = Err(StoreError::Unavailable(format!("writing failed: {error}")));
        }
        answers.into_iter().for_each(|tell| tell(answer.clone()));
        outcome
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kv::{MemoryKv, Visit};

    /// A driver that fails in one way or the other.
    struct Broken(fn() -> StoreError);

    impl Kv for Broken {
        fn get(&self, _key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
            Ok(None)
        }
        fn scan(&self, _range: &Range, _order: Order, _visit: Visit<'_>) -> Result<(), StoreError> {
            Ok(())
        }
        fn apply(&self, _changes: Changes) -> Result<(), StoreError> {
            Err(self.0())
        }
        fn free_bytes(&self) -> Result<u64, StoreError> {
            Ok(u64::MAX)
        }
    }

    fn start(kv: Arc<dyn Kv>) -> Writer {
        Writer::start(kv, Arc::default(), Reserve { bytes: 0 }).expect("a thread can be started")
    }

    async fn put(writer: &Writer, key: &[u8]) -> Result<(), StoreError> {
        let key = key.to_vec();
        let request = move |tx: &mut Tx<'_>| {
            tx.put(key, Vec::new());
            Ok(())
        };
        writer.call(Purpose::Work, 1, request).await
    }

    async fn assert_everybody_is_told(writer: Writer) {
        let (first, second) = tokio::join!(put(&writer, b"a"), put(&writer, b"b"));
        for outcome in [first, second, put(&writer, b"later").await] {
            assert!(matches!(outcome, Err(StoreError::Unavailable(_))), "{outcome:?}");
        }
        while writer.broken().is_none() {
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn after_a_failed_write_everybody_is_told_that_the_store_is_not_available() {
        let broken = Broken(|| StoreError::Full("no space left on device".to_owned()));
        assert_everybody_is_told(start(Arc::new(broken))).await;
    }

    #[tokio::test]
    async fn after_a_panic_of_the_driver_everybody_is_told_that_the_store_is_not_available() {
        assert_everybody_is_told(start(Arc::new(Broken(|| panic!("a bug in the driver"))))).await;
    }

    /// A driver whose first write takes until it is let go.
    struct Slow {
        kv: MemoryKv,
        let_go: Mutex<std::sync::mpsc::Receiver<()>>,
        writes: std::sync::atomic::AtomicUsize,
    }

    impl Kv for Slow {
        fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
            self.kv.get(key)
        }
        fn scan(&self, range: &Range, order: Order, visit: Visit<'_>) -> Result<(), StoreError> {
            self.kv.scan(range, order, visit)
        }
        fn apply(&self, changes: Changes) -> Result<(), StoreError> {
            if self.writes.fetch_add(1, std::sync::atomic::Ordering::Relaxed) == 0 {
                self.let_go.lock().expect("nobody panicked").recv().expect("it is let go");
            }
            self.kv.apply(changes)
        }
        fn free_bytes(&self) -> Result<u64, StoreError> {
            Ok(u64::MAX)
        }
    }

    #[tokio::test]
    async fn callers_that_wait_at_the_same_time_share_a_flush() {
        let (go, let_go) = std::sync::mpsc::channel();
        let kv = Arc::new(Slow { kv: MemoryKv::default(), let_go: Mutex::new(let_go), writes: 0.into() });
        let writer = Arc::new(start(kv.clone()));
        let call = |n: u8| {
            let writer = Arc::clone(&writer);
            tokio::spawn(async move { put(&writer, &[n]).await })
        };
        let calls: Vec<_> = (0..100).map(call).collect();
        // All have asked before the first write ends.
        tokio::task::yield_now().await;
        go.send(()).expect("the writer waits");
        for call in calls {
            assert_eq!(call.await.expect("it ends"), Ok(()));
        }
        let writes = kv.writes.load(std::sync::atomic::Ordering::Relaxed);
        assert!(writes <= 2, "{writes} flushes of 100 callers");
        assert_eq!(
            crate::kv::keys(&kv.kv, &Range { from: vec![0], to: vec![200] }, Order::Up, 1_000).map(|keys| keys.len()),
            Ok(100)
        );
    }

    #[tokio::test]
    async fn a_request_sees_what_those_before_it_change() {
        let kv = Arc::new(MemoryKv::default());
        let writer = start(kv.clone());
        let taken = |n: u8| {
            writer.call(Purpose::Work, 1, move |tx| {
                let first = tx.get(b"key")?.is_none();
                tx.put(b"key".to_vec(), vec![n]);
                Ok(first)
            })
        };
        let (first, second) = tokio::join!(taken(1), taken(2));
        assert_eq!([first, second], [Ok(true), Ok(false)]);
        assert_eq!(writer.broken(), None);
        drop(writer);
        assert_eq!(kv.get(b"key"), Ok(Some(vec![2])));
    }
}
