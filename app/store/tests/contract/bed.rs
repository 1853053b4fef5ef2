//! A store to try things with, and what goes into it.

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use gatewright_core::event::{Delivery, Event};
use gatewright_core::report::Conclusion;
use gatewright_core::run::{Cause, GatesSpec, NewRun, RunEvent, RunSpec, Work};
use gatewright_core::store::{Acceptance, Accepted, LeaseRequest, Leased, Release, Store};
use gatewright_core::{CommitId, DeliveryId, ForgeKind, RepoRef, RunId, Subject, Timestamp};
use gatewright_store::{EmbeddedStore, Options};

/// A store, and the folder that it lies in.
pub(crate) struct Bed {
    pub(crate) store: Arc<EmbeddedStore>,
    folder: Option<tempfile::TempDir>,
}

impl Bed {
    pub(crate) fn in_memory() -> Bed {
        Bed { store: Arc::new(EmbeddedStore::in_memory()), folder: None }
    }

    pub(crate) fn on_disk() -> Bed {
        let folder = tempfile::tempdir().unwrap();
        Bed { store: Arc::new(open(folder.path())), folder: Some(folder) }
    }

    /// The store's folder.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.as_ref().expect("a store in memory has no folder").path()
    }

    /// Closes the store and opens it again.
    pub(crate) fn restart(self) -> Bed {
        let Bed { store, folder } = self;
        let folder = folder.expect("a store in memory does not restart");
        drop(Arc::into_inner(store).expect("nobody else uses the store any more"));
        Bed { store: Arc::new(open(folder.path())), folder: Some(folder) }
    }

    /// Accepts a delivery that starts a run, and returns the run.
    pub(crate) async fn start(&self, run: Wanted<'_>) -> RunId {
        let acceptance = run.acceptance();
        let id = acceptance.run.as_ref().unwrap().id;
        assert_eq!(self.store.accept(acceptance).await, Ok(Accepted::New { signalled: vec![] }));
        id
    }

    /// Leases a run, at this second.
    pub(crate) async fn lease(&self, second: i64) -> Option<Leased> {
        self.store.lease(&request(second)).await.unwrap()
    }

    /// Leases the next run at this second, and finishes it.
    pub(crate) async fn finish_next(&self, second: i64) -> RunId {
        let leased = self.lease(second).await.expect("a run is ready");
        let event = RunEvent::Finished { conclusion: Conclusion::Success };
        self.store.append(&leased.lease, leased.seq, &[event], at(second)).await.unwrap();
        self.store.release(&leased.lease, Release::Finished(Conclusion::Success), at(second)).await.unwrap();
        leased.lease.run
    }
}

/// Opens the store in a folder.
pub(crate) fn open(folder: &Path) -> EmbeddedStore {
    EmbeddedStore::open(folder, &Options::default()).unwrap()
}

/// A moment of the test's own time.
pub(crate) fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_700_000_000 + second).unwrap()
}

/// A lease of 30 seconds, without any limit that matters.
pub(crate) fn request(second: i64) -> LeaseRequest {
    LeaseRequest { worker: "worker".to_owned(), now: at(second), lease_secs: 30, per_repo_max: 100, attempts_max: 5 }
}

/// A run to be started by a delivery.
#[derive(Clone)]
pub(crate) struct Wanted<'a> {
    pub(crate) delivery: &'a str,
    pub(crate) repo: u64,
    pub(crate) pull: u64,
    pub(crate) commit: char,
    pub(crate) second: i64,
    pub(crate) body: Bytes,
}

impl<'a> Wanted<'a> {
    /// A pull request of repository 1, at second 0.
    pub(crate) fn by(delivery: &'a str) -> Self {
        Wanted { delivery, repo: 1, pull: 7, commit: 'a', second: 0, body: Bytes::from_static(b"{\"action\":\"opened\"}") }
    }

    pub(crate) fn acceptance(&self) -> Acceptance {
        let id = delivery_id(self.delivery);
        let delivery = Delivery {
            id: id.clone(),
            forge: ForgeKind::Github,
            name: "pull_request".to_owned(),
            action: Some("opened".to_owned()),
            received_at: at(self.second),
            body: self.body.clone(),
            event: Event::Unused { reason: "tests look at the run".to_owned() },
        };
        let run = NewRun { id: RunId::new(), spec: self.spec() };
        let now = at(self.second);
        Acceptance { id, delivery: Some(delivery), run: Some(run), ..Acceptance::internal("a test", now) }
    }

    pub(crate) fn spec(&self) -> RunSpec {
        RunSpec {
            repo: repo(self.repo),
            subject: Subject::Pull { number: self.pull },
            work: Work::Gates(GatesSpec::of(commit(self.commit), "main".to_owned(), Cause::Opened)),
        }
    }

    /// The key of its subject.
    pub(crate) fn subject(&self) -> String {
        Subject::Pull { number: self.pull }.key(&repo(self.repo))
    }
}

pub(crate) fn delivery_id(guid: &str) -> DeliveryId {
    DeliveryId::new(ForgeKind::Github, guid).unwrap()
}

pub(crate) fn repo(id: u64) -> RepoRef {
    RepoRef { forge: ForgeKind::Github, id, path: format!("octo/app{id}"), installation: Some(1) }
}

pub(crate) fn commit(digit: char) -> CommitId {
    digit.to_string().repeat(40).parse().unwrap()
}

/// Bytes that do not compress, other ones for each seed.
pub(crate) fn noise(seed: u64, len: usize) -> Bytes {
    let mut state = seed.wrapping_mul(2) ^ 0x9e37_79b9_7f4a_7c15;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    let words = (0..len.div_ceil(8)).flat_map(|_| next().to_le_bytes());
    words.take(len).collect()
}
