//! Who may drive a run, in which order, and how often.

use gatewright_core::report::Conclusion;
use gatewright_core::run::RunEvent;
use gatewright_core::store::{LeaseRequest, Phase, Release, RunFilter, RunState, Store, StoreError, StoreUpkeep};

use crate::bed::{Bed, Wanted, at, request};

with_every_driver!(
    the_oldest_ready_run_comes_first,
    a_leased_run_is_nobody_elses,
    a_repository_has_only_so_many_leased_runs,
    a_lease_that_is_over_frees_its_place_in_the_repository,
    a_late_worker_is_refused_after_a_takeover,
    an_expired_lease_that_nobody_took_over_still_counts,
    a_prolonged_lease_does_not_expire,
    an_append_at_the_wrong_place_is_refused,
    a_finished_run_refuses_everything,
    a_run_that_nobody_knows_is_no_lost_lease,
    a_run_that_waits_is_ready_when_its_time_comes,
    a_run_handed_back_is_ready_at_once_and_its_attempt_is_not_counted,
    a_run_that_never_gets_anywhere_is_set_aside,
    a_run_that_kills_its_worker_is_set_aside,
    a_set_aside_run_can_be_tried_again,
    only_a_set_aside_run_can_be_tried_again,
    stats_tell_what_waits,
);

async fn the_oldest_ready_run_comes_first(bed: Bed) {
    let second = bed.start(Wanted { second: 2, ..Wanted::by("b") }).await;
    let first = bed.start(Wanted { second: 1, repo: 2, ..Wanted::by("a") }).await;
    let third = bed.start(Wanted { second: 2, repo: 3, ..Wanted::by("c") }).await;
    assert!(bed.lease(0).await.is_none());
    let mut order = Vec::new();
    while let Some(leased) = bed.lease(3).await {
        order.push(leased.lease.run);
    }
    assert_eq!(order, [first, second, third]);
}

async fn a_leased_run_is_nobody_elses(bed: Bed) {
    let run = bed.start(Wanted::by("a")).await;
    let leased = bed.lease(1).await.unwrap();
    assert_eq!((leased.lease.run, leased.attempt, leased.seq, leased.lease.expires_at), (run, 1, 1, at(31)));
    assert!(bed.lease(2).await.is_none());
    let (record, _) = bed.store.journal(run).await.unwrap();
    assert_eq!(record.state, RunState::Leased { worker: "worker".to_owned(), expires_at: at(31) });
    assert_eq!((record.attempts, record.updated_at), (1, at(1)));
}

async fn a_repository_has_only_so_many_leased_runs(bed: Bed) {
    for delivery in ["a", "b", "c"] {
        bed.start(Wanted::by(delivery)).await;
    }
    let other = bed.start(Wanted { repo: 2, second: 1, ..Wanted::by("d") }).await;
    let two = LeaseRequest { per_repo_max: 2, ..request(2) };
    let first = bed.store.lease(&two).await.unwrap().unwrap();
    bed.store.lease(&two).await.unwrap().unwrap();
    assert_eq!(bed.store.lease(&two).await.unwrap().unwrap().lease.run, other);
    assert!(bed.store.lease(&two).await.unwrap().is_none());
    bed.store.release(&first.lease, Release::Finished(Conclusion::Success), at(3)).await.unwrap();
    assert!(bed.store.lease(&two).await.unwrap().is_some());
}

async fn a_lease_that_is_over_frees_its_place_in_the_repository(bed: Bed) {
    let run = bed.start(Wanted::by("a")).await;
    let one = |second| LeaseRequest { per_repo_max: 1, ..request(second) };
    bed.store.lease(&one(0)).await.unwrap().unwrap();
    assert!(bed.store.lease(&one(29)).await.unwrap().is_none());
    let again = bed.store.lease(&one(30)).await.unwrap().unwrap();
    assert_eq!((again.lease.run, again.attempt), (run, 2));
}

fn step(n: u32) -> RunEvent {
    RunEvent::Resumed { attempt: n, worker: "worker".to_owned() }
}

async fn a_late_worker_is_refused_after_a_takeover(bed: Bed) {
    let run = bed.start(Wanted::by("a")).await;
    let late = bed.lease(0).await.unwrap().lease;
    let new = bed.lease(30).await.unwrap().lease;
    assert!(new.token > late.token);
    let lost = Err(StoreError::LeaseLost(run));
    assert_eq!(bed.store.append(&late, 1, &[step(1)], at(31)).await, lost);
    assert_eq!(bed.store.renew(&late, at(31), 30, 0).await.map(drop), lost);
    assert_eq!(bed.store.release(&late, Release::HandBack, at(31)).await, lost);
    assert_eq!(bed.store.append(&new, 1, &[step(2)], at(31)).await, Ok(()));
    let (_, journal) = bed.store.journal(run).await.unwrap();
    assert_eq!(journal[1].event, step(2));
}

async fn an_expired_lease_that_nobody_took_over_still_counts(bed: Bed) {
    bed.start(Wanted::by("a")).await;
    let lease = bed.lease(0).await.unwrap().lease;
    // Somebody looks for work of another repository, which finds the lease to be over.
    assert!(bed.store.lease(&LeaseRequest { per_repo_max: 0, ..request(40) }).await.unwrap().is_none());
    bed.store.append(&lease, 1, &[step(1)], at(41)).await.unwrap();
    let (lease, _) = bed.store.renew(&lease, at(42), 30, 0).await.unwrap();
    assert!(bed.lease(43).await.is_none());
    bed.store.release(&lease, Release::Finished(Conclusion::Success), at(44)).await.unwrap();
}

async fn a_prolonged_lease_does_not_expire(bed: Bed) {
    bed.start(Wanted::by("a")).await;
    let lease = bed.lease(0).await.unwrap().lease;
    let (renewed, signals) = bed.store.renew(&lease, at(20), 30, 0).await.unwrap();
    assert_eq!((renewed.token, renewed.expires_at, signals), (lease.token, at(50), vec![]));
    assert!(bed.lease(49).await.is_none());
    assert!(bed.lease(50).await.is_some());
}

async fn an_append_at_the_wrong_place_is_refused(bed: Bed) {
    let run = bed.start(Wanted::by("a")).await;
    let lease = bed.lease(0).await.unwrap().lease;
    let wrong = |expected, actual| Err(StoreError::WrongSeq { run, expected, actual });
    assert_eq!(bed.store.append(&lease, 0, &[step(1)], at(1)).await, wrong(0, 1));
    bed.store.append(&lease, 1, &[step(1), step(2)], at(1)).await.unwrap();
    assert_eq!(bed.store.append(&lease, 1, &[step(1), step(2)], at(1)).await, wrong(1, 3));
    assert_eq!(bed.store.append(&lease, 3, &[], at(1)).await, Ok(()));
    assert_eq!(bed.store.journal(run).await.unwrap().0.seq, 3);
}

async fn a_finished_run_refuses_everything(bed: Bed) {
    let run = bed.start(Wanted::by("a")).await;
    let lease = bed.lease(0).await.unwrap().lease;
    bed.store.release(&lease, Release::Finished(Conclusion::Failure), at(1)).await.unwrap();
    let lost = Err(StoreError::LeaseLost(run));
    assert_eq!(bed.store.append(&lease, 1, &[step(1)], at(2)).await, lost);
    assert_eq!(bed.store.renew(&lease, at(2), 30, 0).await.map(drop), lost);
    assert_eq!(bed.store.release(&lease, Release::HandBack, at(2)).await, lost);
    assert_eq!(bed.store.retry(run, at(2)).await, Ok(false));
    assert!(bed.lease(1000).await.is_none());
    let (record, _) = bed.store.journal(run).await.unwrap();
    assert_eq!(record.state, RunState::Finished { conclusion: Conclusion::Failure });
    assert_eq!(record.updated_at, at(1));
}

async fn a_run_that_nobody_knows_is_no_lost_lease(bed: Bed) {
    bed.start(Wanted::by("a")).await;
    let mut lease = bed.lease(0).await.unwrap().lease;
    lease.run = gatewright_core::RunId::new();
    let unknown = Err(StoreError::NoRun(lease.run));
    assert_eq!(bed.store.append(&lease, 1, &[step(1)], at(2)).await, unknown);
    assert_eq!(bed.store.retry(lease.run, at(2)).await.map(drop), unknown);
    assert_eq!(bed.store.journal(lease.run).await.map(drop), unknown);
}

async fn a_run_that_waits_is_ready_when_its_time_comes(bed: Bed) {
    bed.start(Wanted::by("a")).await;
    let lease = bed.lease(0).await.unwrap().lease;
    bed.store.release(&lease, Release::WaitUntil(at(100)), at(1)).await.unwrap();
    assert!(bed.lease(99).await.is_none());
    let again = bed.lease(100).await.unwrap();
    assert_eq!(again.attempt, 1, "waiting is getting somewhere");
    assert!(again.lease.token > lease.token);
    assert_eq!(bed.store.append(&lease, 1, &[step(1)], at(101)).await, Err(StoreError::LeaseLost(lease.run)));
}

async fn a_run_handed_back_is_ready_at_once_and_its_attempt_is_not_counted(bed: Bed) {
    bed.start(Wanted::by("a")).await;
    for second in 0..10 {
        let leased = bed.lease(second).await.unwrap();
        assert_eq!(leased.attempt, 1);
        bed.store.release(&leased.lease, Release::HandBack, at(second)).await.unwrap();
    }
}

async fn a_run_that_never_gets_anywhere_is_set_aside(bed: Bed) {
    let run = bed.start(Wanted::by("a")).await;
    for attempt in 1..=5 {
        let leased = bed.lease(attempt * 10).await.unwrap();
        assert_eq!(i64::from(leased.attempt), attempt);
        let how = Release::Failed { retry_at: at(attempt * 10 + 5), cause: "the engine is down".to_owned() };
        bed.store.release(&leased.lease, how, at(attempt * 10)).await.unwrap();
        assert!(bed.lease(attempt * 10 + 4).await.is_none());
    }
    assert!(bed.lease(60).await.is_none());
    let (record, _) = bed.store.journal(run).await.unwrap();
    let cause = "it was tried 5 times; the last time: the engine is down".to_owned();
    assert_eq!(record.state, RunState::SetAside { cause });
    let filter = RunFilter { phase: Some(Phase::SetAside), ..RunFilter::default() };
    assert_eq!(bed.store.list(&filter, 10).await.unwrap().len(), 1);
    assert_eq!(bed.store.stats(at(60)).await.unwrap().set_aside, 1);
}

async fn a_run_that_kills_its_worker_is_set_aside(bed: Bed) {
    let run = bed.start(Wanted::by("a")).await;
    let once = |second| LeaseRequest { attempts_max: 1, ..request(second) };
    let leased = bed.store.lease(&once(0)).await.unwrap().unwrap();
    assert!(bed.store.lease(&once(30)).await.unwrap().is_none());
    let (record, _) = bed.store.journal(run).await.unwrap();
    let cause = "it was tried once; the last time, the process ended or hung while it ran".to_owned();
    assert_eq!(record.state, RunState::SetAside { cause });
    assert_eq!(bed.store.append(&leased.lease, 1, &[step(1)], at(31)).await, Err(StoreError::LeaseLost(run)));
}

async fn a_set_aside_run_can_be_tried_again(bed: Bed) {
    let run = bed.start(Wanted::by("a")).await;
    let once = |second| LeaseRequest { attempts_max: 1, ..request(second) };
    bed.store.lease(&once(0)).await.unwrap().unwrap();
    assert!(bed.store.lease(&once(30)).await.unwrap().is_none());
    assert_eq!(bed.store.retry(run, at(31)).await, Ok(true));
    assert_eq!(bed.store.retry(run, at(31)).await, Ok(false));
    let again = bed.store.lease(&once(31)).await.unwrap().unwrap();
    assert_eq!((again.lease.run, again.attempt), (run, 1));
    assert_eq!(bed.store.stats(at(31)).await.unwrap().set_aside, 0);
}

async fn only_a_set_aside_run_can_be_tried_again(bed: Bed) {
    let run = bed.start(Wanted::by("a")).await;
    assert_eq!(bed.store.retry(run, at(1)).await, Ok(false));
    bed.lease(1).await.unwrap();
    assert_eq!(bed.store.retry(run, at(2)).await, Ok(false));
}

async fn stats_tell_what_waits(bed: Bed) {
    for (n, delivery) in ["a", "b", "c", "d"].into_iter().enumerate() {
        bed.start(Wanted { repo: n as u64, second: n as i64, ..Wanted::by(delivery) }).await;
    }
    let lease = bed.lease(10).await.unwrap().lease;
    bed.store.release(&lease, Release::WaitUntil(at(1000)), at(10)).await.unwrap();
    bed.lease(10).await.unwrap();

    let stats = bed.store.stats(at(11)).await.unwrap();
    assert_eq!((stats.ready, stats.leased, stats.waiting, stats.set_aside), (2, 1, 1, 0));
    assert_eq!((stats.oldest_ready_at, stats.next_ready_at), (Some(at(2)), Some(at(1000))));
    assert_eq!(stats.last_delivery_at.into_values().collect::<Vec<_>>(), [at(3)]);
    let later = bed.store.stats(at(1000)).await.unwrap();
    assert_eq!((later.ready, later.leased, later.waiting), (4, 0, 0), "the lease is over by then");
    assert_eq!(later.next_ready_at, None);
    assert_eq!(Bed::in_memory().store.stats(at(0)).await.unwrap(), gatewright_core::store::StoreStats::default());
}
