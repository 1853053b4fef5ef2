//! Telling runs something.

use gatewright_core::RunId;
use gatewright_core::run::{CancelReason, Signal, SignalTarget};
use gatewright_core::store::{Acceptance, Accepted, Release, Store};

use crate::bed::{Bed, Wanted, at};

with_every_driver!(
    a_newer_run_tells_the_older_ones_about_its_subject,
    a_run_does_not_tell_itself,
    a_signal_to_a_run_that_is_over_goes_nowhere,
    signals_come_in_order_and_each_once,
    a_signal_wakes_a_run_that_waits,
    what_a_run_was_told_while_it_went_to_wait_it_hears_at_once,
);

fn by_user(login: &str) -> Signal {
    Signal::Cancel { reason: CancelReason::User { login: login.to_owned() } }
}

/// Tells runs something, and returns those that got it.
async fn tell(bed: &Bed, delivery: &str, target: SignalTarget, signal: Signal) -> Vec<RunId> {
    let wanted = Wanted { second: 50, ..Wanted::by(delivery) };
    let acceptance = Acceptance { run: None, signals: vec![(target, signal)], ..wanted.acceptance() };
    match bed.store.accept(acceptance).await.unwrap() {
        Accepted::New { signalled } => signalled,
        Accepted::Duplicate => panic!("{delivery} was accepted before"),
    }
}

async fn a_newer_run_tells_the_older_ones_about_its_subject(bed: Bed) {
    let first = bed.start(Wanted::by("a")).await;
    let second = bed.start(Wanted::by("b")).await;
    let third = bed.start(Wanted::by("c")).await;
    let other = bed.start(Wanted { pull: 8, ..Wanted::by("d") }).await;
    let about = |before| SignalTarget::Subject { key: Wanted::by("a").subject(), before, commit: None };
    assert_eq!(tell(&bed, "e", about(Some(third)), by_user("x")).await, [first, second]);
    assert_eq!(tell(&bed, "f", about(None), by_user("x")).await, [first, second, third]);
    assert_eq!(tell(&bed, "g", SignalTarget::Run { run: other }, by_user("x")).await, [other]);
    assert_eq!(tell(&bed, "h", SignalTarget::Run { run: RunId::new() }, by_user("x")).await, []);
}

async fn a_run_does_not_tell_itself(bed: Bed) {
    let first = bed.start(Wanted::by("a")).await;
    let all = SignalTarget::Subject { key: Wanted::by("a").subject(), before: None, commit: None };
    let acceptance = Acceptance { signals: vec![(all, by_user("x"))], ..Wanted::by("b").acceptance() };
    assert_eq!(bed.store.accept(acceptance).await, Ok(Accepted::New { signalled: vec![first] }));
}

async fn a_signal_to_a_run_that_is_over_goes_nowhere(bed: Bed) {
    let run = bed.start(Wanted::by("a")).await;
    bed.finish_next(1).await;
    let all = SignalTarget::Subject { key: Wanted::by("a").subject(), before: None, commit: None };
    assert_eq!(tell(&bed, "b", all, by_user("x")).await, []);
    assert_eq!(tell(&bed, "c", SignalTarget::Run { run }, by_user("x")).await, []);
}

async fn signals_come_in_order_and_each_once(bed: Bed) {
    let run = bed.start(Wanted::by("a")).await;
    for (delivery, login) in [("b", "x"), ("c", "y")] {
        tell(&bed, delivery, SignalTarget::Run { run }, by_user(login)).await;
    }
    let lease = bed.lease(1).await.unwrap().lease;
    tell(&bed, "d", SignalTarget::Run { run }, by_user("z")).await;
    let above = async |after| bed.store.renew(&lease, at(2), 30, after).await.unwrap().1;
    assert_eq!(above(0).await, [(1, by_user("x")), (2, by_user("y")), (3, by_user("z"))]);
    assert_eq!(above(2).await, [(3, by_user("z"))]);
    assert_eq!(above(3).await, []);
}

async fn a_signal_wakes_a_run_that_waits(bed: Bed) {
    let run = bed.start(Wanted::by("a")).await;
    let lease = bed.lease(1).await.unwrap().lease;
    bed.store.release(&lease, Release::WaitUntil(at(5000)), at(2)).await.unwrap();
    assert!(bed.lease(51).await.is_none());
    tell(&bed, "b", SignalTarget::Run { run }, by_user("x")).await;
    assert_eq!(bed.lease(51).await.map(|leased| leased.lease.run), Some(run));
}

async fn what_a_run_was_told_while_it_went_to_wait_it_hears_at_once(bed: Bed) {
    let run = bed.start(Wanted::by("a")).await;
    let lease = bed.lease(1).await.unwrap().lease;
    tell(&bed, "b", SignalTarget::Run { run }, by_user("x")).await;
    bed.store.release(&lease, Release::WaitUntil(at(5000)), at(2)).await.unwrap();
    assert_eq!(bed.lease(3).await.map(|leased| leased.lease.run), Some(run));
}
