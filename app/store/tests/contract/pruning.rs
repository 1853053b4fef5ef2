//! What is old and over goes, and nothing else.

use bytes::Bytes;
use gatewright_core::report::Conclusion;
use gatewright_core::run::{CancelReason, Signal, SignalTarget};
use gatewright_core::store::{Acceptance, Accepted, Blobs, LeaseRequest, Release, RunFilter, Store, StoreError, StoreUpkeep};
use gatewright_core::{RunId, Timestamp};

use crate::bed::{Bed, Wanted, at, delivery_id, noise, request};
use crate::journals::step_finished;

with_every_driver!(
    finished_runs_go_with_all_that_belongs_to_them,
    what_is_too_young_or_not_over_stays,
    at_most_so_many_go_oldest_first,
    deliveries_without_a_run_go_by_their_age,
    a_log_that_another_run_refers_to_stays,
    a_log_put_after_that_time_stays,
    a_log_that_nobody_came_to_refer_to_goes,
);

/// A time by which even what was put just now is old.
fn far_future() -> Timestamp {
    "2200-01-01T00:00:00Z".parse().unwrap()
}

/// Runs a run of this delivery to its end, with a log.
async fn run_with_log(bed: &Bed, delivery: &str, log: &'static [u8], second: i64) -> RunId {
    let run = bed.start(Wanted { second, body: noise(second as u64, 400_000), ..Wanted::by(delivery) }).await;
    let lease = bed.lease(second).await.unwrap().lease;
    let log = bed.store.put(Bytes::from_static(log)).await.unwrap();
    bed.store.append(&lease, 1, &[step_finished(Some(log), 500_000)], at(second)).await.unwrap();
    bed.store.release(&lease, Release::Finished(Conclusion::Success), at(second)).await.unwrap();
    run
}

async fn finished_runs_go_with_all_that_belongs_to_them(bed: Bed) {
    let run = run_with_log(&bed, "a", b"log of a", 1).await;
    assert_eq!(bed.store.prune(far_future(), 10).await, Ok(1));
    assert_eq!(bed.store.journal(run).await.map(drop), Err(StoreError::NoRun(run)));
    assert_eq!(bed.store.delivery(&delivery_id("a")).await, Ok(None));
    assert_eq!(bed.store.deliveries(10).await, Ok(vec![]));
    let log = gatewright_core::BlobId::of(b"log of a");
    assert_eq!(bed.store.get(&log).await, Ok(None));
    let filters = [
        RunFilter::default(),
        RunFilter { repo: Some("github/1".to_owned()), ..RunFilter::default() },
        RunFilter { subject: Some(Wanted::by("a").subject()), ..RunFilter::default() },
        RunFilter { commit: Some(crate::bed::commit('a')), ..RunFilter::default() },
    ];
    for filter in filters {
        assert_eq!(bed.store.list(&filter, 10).await, Ok(vec![]));
    }
    assert_eq!(bed.store.prune(far_future(), 10).await, Ok(0));
    // It is as if it had never been there.
    bed.start(Wanted::by("a")).await;
}

async fn what_is_too_young_or_not_over_stays(bed: Bed) {
    let set_aside = bed.start(Wanted::by("set-aside")).await;
    let once = |second| LeaseRequest { attempts_max: 1, ..request(second) };
    bed.store.lease(&once(0)).await.unwrap().unwrap();
    assert!(bed.store.lease(&once(30)).await.unwrap().is_none());
    bed.start(Wanted { second: 31, ..Wanted::by("young") }).await;
    let young = bed.finish_next(100).await;
    let open = bed.start(Wanted { second: 32, ..Wanted::by("open") }).await;
    assert_eq!(bed.store.prune(at(100), 10).await, Ok(0));
    assert_eq!(bed.store.prune(at(101), 10).await, Ok(1));
    for (run, stays) in [(set_aside, true), (young, false), (open, true)] {
        assert_eq!(bed.store.journal(run).await.is_ok(), stays);
    }
    assert!(bed.store.delivery(&delivery_id("set-aside")).await.unwrap().is_some());
}

async fn at_most_so_many_go_oldest_first(bed: Bed) {
    let mut runs = Vec::new();
    for n in 0..100 {
        bed.start(Wanted { second: n, ..Wanted::by(&n.to_string()) }).await;
        runs.push(bed.finish_next(n).await);
    }
    assert_eq!(bed.store.prune(at(1000), 40).await, Ok(40));
    let left = bed.store.list(&RunFilter::default(), 1000).await.unwrap();
    assert_eq!(left.iter().rev().map(|r| r.id).collect::<Vec<_>>(), runs[40..]);
    assert_eq!(bed.store.prune(at(1000), 1000).await, Ok(60));
}

async fn deliveries_without_a_run_go_by_their_age(bed: Bed) {
    for (delivery, second) in [("old", 1), ("young", 100)] {
        let acceptance = Acceptance { run: None, ..Wanted { second, ..Wanted::by(delivery) }.acceptance() };
        bed.store.accept(acceptance).await.unwrap();
    }
    // What the service told itself goes too.
    let id = gatewright_core::DeliveryId::internal("told");
    let target = SignalTarget::Run { run: RunId::new() };
    let signal = Signal::Cancel { reason: CancelReason::Closed };
    let told = Acceptance { id, signals: vec![(target, signal)], ..Acceptance::internal("a test", at(2)) };
    bed.store.accept(told.clone()).await.unwrap();
    assert_eq!(bed.store.prune(at(50), 10).await, Ok(2));
    assert_eq!(bed.store.delivery(&delivery_id("old")).await, Ok(None));
    assert!(bed.store.delivery(&delivery_id("young")).await.unwrap().is_some());
    assert_eq!(bed.store.accept(told).await, Ok(Accepted::New { signalled: vec![] }));
}

async fn a_log_that_another_run_refers_to_stays(bed: Bed) {
    run_with_log(&bed, "a", b"the same log", 1).await;
    run_with_log(&bed, "b", b"the same log", 100).await;
    let log = gatewright_core::BlobId::of(b"the same log");
    assert_eq!(bed.store.prune(at(50), 10).await, Ok(1));
    assert_eq!(bed.store.prune(far_future(), 0).await, Ok(0));
    assert!(bed.store.get(&log).await.unwrap().is_some());
    assert_eq!(bed.store.prune(far_future(), 10).await, Ok(1));
    assert_eq!(bed.store.get(&log).await, Ok(None));
}

async fn a_log_put_after_that_time_stays(bed: Bed) {
    run_with_log(&bed, "a", b"the log", 1).await;
    // Another run puts the same log again, and is about to refer to it.
    let log = bed.store.put(Bytes::from_static(b"the log")).await.unwrap();
    assert_eq!(bed.store.prune(at(50), 10).await, Ok(1));
    assert!(bed.store.get(&log).await.unwrap().is_some());
}

async fn a_log_that_nobody_came_to_refer_to_goes(bed: Bed) {
    let log = bed.store.put(Bytes::from_static(b"its process died")).await.unwrap();
    // Each call looks through one of 256 shelves.
    for _ in 0..256 {
        assert_eq!(bed.store.prune(far_future(), 10).await, Ok(0));
    }
    assert_eq!(bed.store.get(&log).await, Ok(None));
}
