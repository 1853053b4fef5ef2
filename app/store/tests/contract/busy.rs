//! Many callers that use a store as the service does, and remember what it acknowledged.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use gatewright_core::RunId;
use gatewright_core::report::Conclusion;
use gatewright_core::run::RunEvent;
use gatewright_core::store::{Accepted, Release, RunState, Store, StoreUpkeep};
use gatewright_store::EmbeddedStore;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::bed::{Wanted, at, delivery_id, noise, request};
use crate::journals::step_finished;

/// So many callers at once.
const CALLERS: u64 = 8;

/// What the store acknowledged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Acknowledged {
    /// This delivery, with a body made from this seed, and its run.
    Taken { delivery: String, seed: u64, run: RunId },
    /// This run is over, with so many events in its journal.
    Finished { run: RunId, seq: u64 },
}

/// Callers at work.
pub(crate) struct Busy {
    stop: Arc<AtomicBool>,
    acknowledged: Arc<Mutex<Vec<Acknowledged>>>,
    count: watch::Receiver<usize>,
    tasks: JoinSet<()>,
}

impl Busy {
    /// Sets callers to work. `tell` hears of everything that is acknowledged, as soon as it is.
    pub(crate) fn start(
        store: &Arc<EmbeddedStore>,
        round: u64,
        tell: impl Fn(&Acknowledged) + Clone + Send + Sync + 'static,
    ) -> Busy {
        let stop = Arc::new(AtomicBool::new(false));
        let acknowledged = Arc::new(Mutex::new(Vec::new()));
        let (counted, count) = watch::channel(0);
        let mut tasks = JoinSet::new();
        for caller in 0..CALLERS {
            let (store, stop, acknowledged, tell, counted) =
                (Arc::clone(store), Arc::clone(&stop), Arc::clone(&acknowledged), tell.clone(), counted.clone());
            let note = move |what: Acknowledged| {
                tell(&what);
                acknowledged.lock().unwrap().push(what);
                counted.send_modify(|count| *count += 1);
            };
            tasks.spawn(async move {
                let mut n = 0;
                while !stop.load(Ordering::Relaxed) {
                    take_and_finish(&store, round * 1_000_000_000 + caller * 1_000_000 + n, &note).await;
                    n += 1;
                }
            });
        }
        Busy { stop, acknowledged, count, tasks }
    }

    /// What has been acknowledged by now.
    pub(crate) fn so_far(&self) -> Vec<Acknowledged> {
        self.acknowledged.lock().unwrap().clone()
    }

    /// Waits until so much has been acknowledged.
    pub(crate) async fn wait_for(&mut self, count: usize) {
        tokio::select! {
            reached = self.count.wait_for(|acknowledged| *acknowledged >= count) => drop(reached.expect("the callers work")),
            ended = self.tasks.join_next() => panic!("a caller has failed: {ended:?}"),
        }
    }

    /// Lets the callers end what they have begun.
    pub(crate) async fn stop(self) {
        self.stop.store(true, Ordering::Relaxed);
        self.tasks.join_all().await;
    }
}

fn body(seed: u64) -> Bytes {
    // Mostly small ones, some that are cut into chunks, and a few that become files.
    let len = match seed % 50 {
        0 => 300_000,
        1..5 => 40_000,
        _ => 3_000,
    };
    noise(seed, len)
}

async fn take_and_finish(store: &EmbeddedStore, seed: u64, note: &(impl Fn(Acknowledged) + Sync)) {
    let delivery = seed.to_string();
    let wanted = Wanted {
        repo: seed % 20,
        pull: seed % 100,
        second: (seed % 1_000_000) as i64,
        body: body(seed),
        ..Wanted::by(&delivery)
    };
    let acceptance = wanted.acceptance();
    let run = acceptance.run.as_ref().unwrap().id;
    assert_eq!(store.accept(acceptance).await, Ok(Accepted::New { signalled: vec![] }));
    note(Acknowledged::Taken { delivery, seed, run });
    // Two of three are worked on. Which run it is does not matter.
    let now = at(2_000_000);
    if !seed.is_multiple_of(3)
        && let Some(leased) = store.lease(&request(2_000_000)).await.unwrap()
    {
        let events = [step_finished(None, (seed % 5_000) as usize), RunEvent::Finished { conclusion: Conclusion::Success }];
        store.append(&leased.lease, leased.seq, &events, now).await.unwrap();
        store.release(&leased.lease, Release::Finished(Conclusion::Success), now).await.unwrap();
        note(Acknowledged::Finished { run: leased.lease.run, seq: leased.seq + 2 });
    }
}

/// Fails unless everything that was acknowledged is there.
pub(crate) async fn assert_all_there(store: &EmbeddedStore, acknowledged: &[Acknowledged]) {
    let mut lost = Vec::new();
    for what in acknowledged {
        let there = match what {
            Acknowledged::Taken { delivery, seed, run } => {
                let stored = store.delivery(&delivery_id(delivery)).await.unwrap();
                stored.is_some_and(|(record, stored)| record.run == Some(*run) && stored == body(*seed))
                    && store.journal(*run).await.is_ok()
            }
            Acknowledged::Finished { run, seq } => store.journal(*run).await.is_ok_and(|(record, journal)| {
                record.state == RunState::Finished { conclusion: Conclusion::Success } && journal.len() as u64 == *seq
            }),
        };
        if !there {
            lost.push(what);
        }
    }
    assert!(lost.is_empty(), "{} of {} are lost, the first of them {:?}", lost.len(), acknowledged.len(), lost[0]);
}
