//! What is there when the store is opened again.

use gatewright_core::report::Conclusion;
use gatewright_core::run::{CancelReason, RunEvent, Signal, SignalTarget};
use gatewright_core::store::{Acceptance, Accepted, Blobs, Release, RunState, Store, StoreError, StoreUpkeep};
use gatewright_store::{EmbeddedStore, OpenError, Options};

use crate::bed::{Bed, Wanted, at, delivery_id, noise};

#[tokio::test]
async fn everything_is_there_after_a_restart() {
    let bed = Bed::on_disk();
    let body = noise(5, 400_000);
    let finished = bed.start(Wanted { body: body.clone(), ..Wanted::by("a") }).await;
    bed.finish_next(1).await;
    let waiting = bed.start(Wanted::by("b")).await;
    let lease = bed.lease(2).await.unwrap().lease;
    bed.store.release(&lease, Release::WaitUntil(at(100)), at(3)).await.unwrap();
    let log = bed.store.put(noise(6, 1000)).await.unwrap();
    let before = [bed.store.journal(finished).await.unwrap(), bed.store.journal(waiting).await.unwrap()];
    let stats = bed.store.stats(at(4)).await.unwrap();

    let bed = bed.restart();
    assert_eq!([bed.store.journal(finished).await.unwrap(), bed.store.journal(waiting).await.unwrap()], before);
    assert_eq!(bed.store.stats(at(4)).await.unwrap(), stats);
    assert!(bed.store.delivery(&delivery_id("a")).await.unwrap().unwrap().1 == body);
    assert!(bed.store.get(&log).await.unwrap().is_some());
    assert_eq!(bed.store.accept(Wanted::by("a").acceptance()).await, Ok(Accepted::Duplicate));
    assert_eq!(bed.lease(100).await.unwrap().lease.run, waiting);
}

#[tokio::test]
async fn what_an_earlier_process_had_leased_is_ready_at_once_and_its_attempt_counts() {
    let bed = Bed::on_disk();
    let run = bed.start(Wanted::by("a")).await;
    let stale = bed.lease(10).await.unwrap();

    let bed = bed.restart();
    let (record, _) = bed.store.journal(run).await.unwrap();
    assert_eq!((record.state, record.attempts), (RunState::Ready { ready_at: at(10) }, 1));
    let event = RunEvent::Finished { conclusion: Conclusion::Success };
    assert_eq!(bed.store.append(&stale.lease, 1, &[event], at(11)).await, Err(StoreError::LeaseLost(run)));
    let leased = bed.lease(11).await.unwrap();
    assert_eq!((leased.lease.run, leased.attempt), (run, 2));
    assert!(leased.lease.token > stale.lease.token);
}

#[tokio::test]
async fn signals_and_their_numbers_outlive_a_restart() {
    let bed = Bed::on_disk();
    let run = bed.start(Wanted::by("a")).await;
    let signal = || Signal::Cancel { reason: CancelReason::Closed };
    let tell = async |bed: &Bed, delivery: &str| {
        let signals = vec![(SignalTarget::Run { run }, signal())];
        let acceptance = Acceptance { run: None, signals, ..Wanted::by(delivery).acceptance() };
        bed.store.accept(acceptance).await.unwrap();
    };
    tell(&bed, "b").await;
    let bed = bed.restart();
    tell(&bed, "c").await;
    let lease = bed.lease(1).await.unwrap().lease;
    let (_, signals) = bed.store.renew(&lease, at(1), 30, 0).await.unwrap();
    assert_eq!(signals, [(1, signal()), (2, signal())]);
}

#[tokio::test]
async fn the_audit_log_goes_on_after_a_restart() {
    let mut bed = Bed::on_disk();
    for n in 0..3 {
        let entry = gatewright_core::store::AuditEntry {
            at: at(n),
            actor: "operator".to_owned(),
            action: "run.retry".to_owned(),
            target: "run".to_owned(),
            commit: None,
            outcome: String::new(),
        };
        bed.store.audit(&entry).await.unwrap();
        bed = bed.restart();
    }
    let times: Vec<_> = bed.store.audited(10).await.unwrap().iter().map(|entry| entry.at).collect();
    assert_eq!(times, [at(2), at(1), at(0)]);
}

#[tokio::test]
async fn a_second_opener_is_told_who_has_the_folder() {
    let bed = Bed::on_disk();
    let error = EmbeddedStore::open(bed.folder(), &Options::default()).map(drop).unwrap_err();
    assert_eq!(error, OpenError::InUse { path: bed.folder().to_owned() });
    let words = error.to_string();
    assert!(words.contains(&*bed.folder().to_string_lossy()) && words.contains("another Gatewright"), "{words}");
    // It has done no harm.
    bed.start(Wanted::by("a")).await;
}

#[tokio::test]
async fn a_folder_that_cannot_be_made_is_named() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("file"), "in the way").unwrap();
    let path = folder.path().join("file/store");
    let error = EmbeddedStore::open(&path, &Options::default()).map(drop).unwrap_err();
    assert!(matches!(error, OpenError::Io { .. }) && error.to_string().contains("file/store"), "{error}");
}

#[tokio::test]
async fn a_damaged_log_is_an_error_that_names_the_folder() {
    let folder = tempfile::tempdir().unwrap();
    let bed = Bed::on_disk();
    bed.start(Wanted::by("a")).await;
    std::fs::create_dir_all(folder.path().join("log")).unwrap();
    std::fs::write(folder.path().join("log/conf"), "segment_size: eight\nversion: ?\n............").unwrap();
    let error = EmbeddedStore::open(folder.path(), &Options::default()).map(drop).unwrap_err();
    assert!(matches!(error, OpenError::Damaged { .. }), "{error}");
    assert!(error.to_string().contains(&*folder.path().to_string_lossy()));
}
