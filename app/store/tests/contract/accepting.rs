//! Taking in, once.

use bytes::Bytes;
use gatewright_core::run::{RunEvent, Signal, SignalTarget};
use gatewright_core::store::{Acceptance, Accepted, RunFilter, RunState, Store, StoreError, StoreUpkeep};
use gatewright_core::{DeliveryId, RunId};

use crate::bed::{Bed, Wanted, at, delivery_id, noise};

with_every_driver!(
    a_delivery_and_its_run_are_there_after_it_was_accepted,
    a_delivery_taken_twice_makes_one_run,
    five_identical_deliveries_at_once_make_one_run,
    a_duplicate_tells_nobody_anything,
    a_delivery_without_a_run_is_recorded,
    what_the_service_accepts_itself_is_no_delivery,
    a_body_of_25_mib_comes_back_as_it_was,
    bodies_of_every_size_come_back_as_they_were,
    names_that_are_too_long_are_refused_and_nothing_is_kept,
);

async fn a_delivery_and_its_run_are_there_after_it_was_accepted(bed: Bed) {
    let wanted = Wanted { second: 5, ..Wanted::by("one") };
    let run = bed.start(wanted.clone()).await;

    let (record, body) = bed.store.delivery(&delivery_id("one")).await.unwrap().unwrap();
    assert_eq!(body, wanted.body);
    assert_eq!((record.run, record.received_at, record.name.as_str()), (Some(run), at(5), "pull_request"));
    let (record, journal) = bed.store.journal(run).await.unwrap();
    assert_eq!(record.state, RunState::Ready { ready_at: at(5) });
    assert_eq!((record.subject.as_str(), record.title.as_str()), ("github/1/pull/7", "#7"));
    assert_eq!((record.attempts, record.seq, record.created_at, record.updated_at), (0, 1, at(5), at(5)));
    assert_eq!(journal.len(), 1);
    assert_eq!((journal[0].seq, journal[0].at), (0, at(5)));
    assert_eq!(journal[0].event, RunEvent::Created { spec: Box::new(wanted.spec()) });
    let last = bed.store.stats(at(5)).await.unwrap().last_delivery_at;
    assert_eq!(last, [(gatewright_core::ForgeKind::Github, at(5))].into());
}

async fn a_delivery_taken_twice_makes_one_run(bed: Bed) {
    let run = bed.start(Wanted::by("one")).await;
    let again = Wanted { second: 9, ..Wanted::by("one") }.acceptance();
    let other = again.run.as_ref().unwrap().id;
    assert_eq!(bed.store.accept(again).await, Ok(Accepted::Duplicate));

    let listed = bed.store.list(&RunFilter::default(), 10).await.unwrap();
    assert_eq!(listed.iter().map(|r| r.id).collect::<Vec<_>>(), [run]);
    assert_eq!(bed.store.journal(other).await.unwrap_err(), StoreError::NoRun(other));
    assert_eq!(bed.store.deliveries(10).await.unwrap().len(), 1);
}

async fn five_identical_deliveries_at_once_make_one_run(bed: Bed) {
    let accept = || {
        let store = bed.store.clone();
        tokio::spawn(async move { store.accept(Wanted::by("one").acceptance()).await.unwrap() })
    };
    let tasks = [accept(), accept(), accept(), accept(), accept()];
    let mut new = 0;
    for task in tasks {
        new += usize::from(task.await.unwrap() != Accepted::Duplicate);
    }
    assert_eq!(new, 1);
    assert_eq!(bed.store.list(&RunFilter::default(), 10).await.unwrap().len(), 1);
    assert_eq!(bed.store.stats(at(0)).await.unwrap().ready, 1);
}

fn cancel(subject: String) -> Vec<(SignalTarget, Signal)> {
    let reason = gatewright_core::run::CancelReason::Closed;
    vec![(SignalTarget::Subject { key: subject, before: None, commit: None }, Signal::Cancel { reason })]
}

async fn a_duplicate_tells_nobody_anything(bed: Bed) {
    let run = bed.start(Wanted::by("one")).await;
    let acceptance = Acceptance { run: None, signals: cancel(Wanted::by("one").subject()), ..Wanted::by("two").acceptance() };
    assert_eq!(bed.store.accept(acceptance.clone()).await, Ok(Accepted::New { signalled: vec![run] }));
    assert_eq!(bed.store.accept(acceptance).await, Ok(Accepted::Duplicate));
    let leased = bed.lease(1).await.unwrap();
    let (_, signals) = bed.store.renew(&leased.lease, at(1), 30, 0).await.unwrap();
    assert_eq!(signals.len(), 1);
}

async fn a_delivery_without_a_run_is_recorded(bed: Bed) {
    let acceptance = Acceptance { run: None, ..Wanted::by("one").acceptance() };
    assert_eq!(bed.store.accept(acceptance).await, Ok(Accepted::New { signalled: vec![] }));
    let (record, body) = bed.store.delivery(&delivery_id("one")).await.unwrap().unwrap();
    assert_eq!((record.run, record.unused.as_deref()), (None, Some("tests look at the run")));
    assert_eq!(body, Wanted::by("one").body);
    assert_eq!(bed.lease(1).await.map(|leased| leased.lease.run), None);
}

async fn what_the_service_accepts_itself_is_no_delivery(bed: Bed) {
    let id = DeliveryId::internal("github/one/0");
    let acceptance = || Acceptance { id: id.clone(), delivery: None, ..Wanted::by("x").acceptance() };
    let first = acceptance();
    let run = first.run.as_ref().unwrap().id;
    assert_eq!(bed.store.accept(first).await, Ok(Accepted::New { signalled: vec![] }));
    assert_eq!(bed.store.accept(acceptance()).await, Ok(Accepted::Duplicate));
    assert_eq!(bed.store.delivery(&id).await, Ok(None));
    assert_eq!(bed.store.deliveries(10).await, Ok(vec![]));
    assert_eq!(bed.lease(1).await.map(|leased| leased.lease.run), Some(run));
}

async fn a_body_of_25_mib_comes_back_as_it_was(bed: Bed) {
    let body = noise(1, 25 * 1024 * 1024);
    bed.start(Wanted { body: body.clone(), ..Wanted::by("one") }).await;
    let (_, stored) = bed.store.delivery(&delivery_id("one")).await.unwrap().unwrap();
    // Compared so, since a failure would otherwise print them.
    assert!(stored == body);
}

async fn bodies_of_every_size_come_back_as_they_were(bed: Bed) {
    let sizes = [0, 1, 300, 16_000, 16_384, 16_500, 40_000, 262_000, 263_000, 400_000];
    let mut bodies: Vec<Bytes> = sizes.iter().map(|size| noise(*size as u64, *size)).collect();
    bodies.extend(sizes.iter().map(|size| Bytes::from("word ".repeat(size / 5))));
    for (n, body) in bodies.iter().enumerate() {
        bed.start(Wanted { body: body.clone(), ..Wanted::by(&n.to_string()) }).await;
    }
    for (n, body) in bodies.iter().enumerate() {
        let (_, stored) = bed.store.delivery(&delivery_id(&n.to_string())).await.unwrap().unwrap();
        assert!(stored == body, "body {n} of {} bytes", body.len());
    }
    assert_eq!(bed.store.deliveries(100).await.unwrap().len(), bodies.len());
}

async fn names_that_are_too_long_are_refused_and_nothing_is_kept(bed: Bed) {
    let mut acceptance = Wanted::by("one").acceptance();
    let run = acceptance.run.as_mut().unwrap();
    run.spec.subject = gatewright_core::Subject::Branch { name: "b".repeat(20_000) };
    let id: RunId = run.id;
    assert!(matches!(bed.store.accept(acceptance).await, Err(StoreError::Unavailable(_))));
    assert_eq!(bed.store.delivery(&delivery_id("one")).await, Ok(None));
    assert_eq!(bed.store.journal(id).await.unwrap_err(), StoreError::NoRun(id));
}
