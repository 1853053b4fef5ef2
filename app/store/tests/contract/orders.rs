//! Standing orders, and that no signal is lost between a run's last look and its end.

use gatewright_core::event::User;
use gatewright_core::order::{Order, OrderChange, OrderKey, Ordered};
use gatewright_core::report::Conclusion;
use gatewright_core::rollout::{Live, Release};
use gatewright_core::run::{CancelReason, NewRun, RunEvent, Signal, SignalTarget, Start};
use gatewright_core::store::{
    Acceptance, Accepted, AuditEntry, Environments, ORDERS_KEPT_DAYS, Release as LeaseEnd, RunFilter, Store, StoreError,
    StoreUpkeep,
};
use gatewright_core::target::Pool;
use gatewright_core::{RunId, Timestamp};

use crate::bed::{Bed, Wanted, at, commit};

with_every_driver!(
    an_order_stands_until_it_is_taken_back,
    what_was_said_first_and_is_done_last_changes_nothing,
    what_held_for_one_commit_is_gone_when_the_subject_moves_to_another,
    orders_and_audit_lines_are_accepted_once_with_their_acceptance,
    old_orders_are_pruned_and_those_given_anew_stay,
    what_is_live_anywhere_is_found_page_by_page,
    a_lock_is_the_first_takers_until_that_one_gives_it_back,
    a_run_that_only_starts_where_nobody_was_told_starts_once_the_others_are_over,
    a_run_about_something_else_that_was_told_keeps_none_from_starting,
    answers_without_end_leave_room_for_what_stops_a_run,
);

const SUBJECT: &str = "github/1/pull/7";

fn by() -> User {
    User { id: 2, login: "alice".to_owned() }
}

fn set(run: RunId, what: Ordered) -> OrderChange {
    OrderChange::Set { order: Order { by: by(), at: at(0), run, what } }
}

fn hold(run: RunId) -> OrderChange {
    set(run, Ordered::Hold { reason: None })
}

async fn order(bed: &Bed, words: &str, changes: Vec<OrderChange>, now: Timestamp) {
    let orders = changes.into_iter().map(|change| (SUBJECT.to_owned(), change)).collect();
    let acceptance = Acceptance { orders, ..Acceptance::internal(words, now) };
    assert!(matches!(bed.store.accept(acceptance).await, Ok(Accepted::New { .. })));
}

async fn keys(bed: &Bed, subject: &str) -> Vec<String> {
    let orders = bed.store.orders(subject).await.unwrap();
    orders.iter().map(|order| String::from(order.key())).collect()
}

async fn an_order_stands_until_it_is_taken_back(bed: Bed) {
    order(&bed, "a", vec![hold(RunId::new())], at(1)).await;
    assert_eq!(keys(&bed, SUBJECT).await, ["hold"]);
    assert_eq!(keys(&bed, "github/1/pull/70").await, Vec::<String>::new());
    order(&bed, "b", vec![OrderChange::Clear { key: OrderKey::Hold, run: RunId::new() }], at(2)).await;
    assert_eq!(keys(&bed, SUBJECT).await, Vec::<String>::new());
}

async fn what_was_said_first_and_is_done_last_changes_nothing(bed: Bed) {
    let (first, second) = (RunId::new(), RunId::new());
    order(&bed, "b", vec![OrderChange::Clear { key: OrderKey::Hold, run: second }], at(1)).await;
    order(&bed, "a", vec![hold(first)], at(2)).await;
    assert_eq!(keys(&bed, SUBJECT).await, Vec::<String>::new());
}

async fn what_held_for_one_commit_is_gone_when_the_subject_moves_to_another(bed: Bed) {
    let approval = |digit| set(RunId::new(), Ordered::Approval { commit: commit(digit) });
    order(&bed, "a", vec![hold(RunId::new()), approval('a')], at(1)).await;
    order(&bed, "b", vec![OrderChange::MovedTo { commit: commit('a') }], at(2)).await;
    assert_eq!(keys(&bed, SUBJECT).await, ["approval", "hold"]);
    order(&bed, "c", vec![OrderChange::MovedTo { commit: commit('b') }], at(3)).await;
    assert_eq!(keys(&bed, SUBJECT).await, ["hold"]);
}

async fn orders_and_audit_lines_are_accepted_once_with_their_acceptance(bed: Bed) {
    let entry = AuditEntry {
        at: at(1),
        actor: "alice".to_owned(),
        action: "command.hold".to_owned(),
        target: "octo/app#7".to_owned(),
        commit: None,
        outcome: "held".to_owned(),
    };
    for _ in 0..2 {
        let orders = vec![(SUBJECT.to_owned(), hold(RunId::new()))];
        let acceptance = Acceptance { orders, audit: vec![entry.clone()], ..Acceptance::internal("once", at(1)) };
        bed.store.accept(acceptance).await.unwrap();
    }
    assert_eq!(bed.store.audited(10).await.unwrap(), [entry]);
    assert_eq!(bed.store.orders(SUBJECT).await.unwrap().len(), 1);
}

async fn old_orders_are_pruned_and_those_given_anew_stay(bed: Bed) {
    let day = |n: i64| at(n * 24 * 3600);
    let old = set(RunId::new(), Ordered::Approval { commit: commit('a') });
    order(&bed, "a", vec![hold(RunId::new()), old], day(0)).await;
    order(&bed, "b", vec![hold(RunId::new())], day(10)).await;
    bed.store.prune(day(ORDERS_KEPT_DAYS + 5), 1000).await.unwrap();
    assert_eq!(keys(&bed, SUBJECT).await, ["hold"]);
}

async fn what_is_live_anywhere_is_found_page_by_page(bed: Bed) {
    let subject = |n: u8| format!("github/{n}/environment/production");
    for n in [3, 1, 2] {
        let orders = vec![(subject(n), live(n)), (subject(n), hold(RunId::new()))];
        let acceptance = Acceptance { orders, ..Acceptance::internal(&format!("live {n}"), at(1)) };
        bed.store.accept(acceptance).await.unwrap();
    }
    let page = async |after: Option<&str>| {
        let page = bed.store.live(after, 2).await.unwrap();
        let tag = |(subject, order): (String, Order)| match order.what {
            Ordered::Live { live } => (subject, live.release.tag),
            other => panic!("only what is live: {other:?}"),
        };
        page.into_iter().map(tag).collect::<Vec<_>>()
    };
    assert_eq!(page(None).await, [(subject(1), "v1".to_owned()), (subject(2), "v2".to_owned())]);
    assert_eq!(page(Some(&subject(2))).await, [(subject(3), "v3".to_owned())]);
    assert_eq!(page(Some(&subject(3))).await, []);
    let orders = vec![(subject(1), OrderChange::Clear { key: OrderKey::Live, run: RunId::new() }), (subject(2), live(9))];
    bed.store.accept(Acceptance { orders, ..Acceptance::internal("changed", at(2)) }).await.unwrap();
    assert_eq!(page(None).await, [(subject(2), "v9".to_owned()), (subject(3), "v3".to_owned())]);
}

/// An environment runs version `n`.
fn live(n: u8) -> OrderChange {
    let file = "gates:\n  good: { run: x }\nimage: i\nreleases:\n  on: { tag: 'v*' }\nenvironments:\n  production:\n    \
                target: { docker: { service: s, image: i } }\n";
    let environment = gatewright_core::config::parse(file).unwrap().environments.remove(0);
    let live = Live {
        release: Release {
            tag: format!("v{n}"),
            version: n.to_string(),
            commit: commit('a'),
            run: None,
            pull: None,
            authors: vec![],
        },
        pool: Pool {
            id: "1-3f2a9c01".parse().unwrap(),
            version: n.to_string(),
            config: environment.target.clone(),
            digest: None,
        },
        config_hash: "h".to_owned(),
        environment: Box::new(environment),
        since: at(0),
        rollout: RunId::new(),
        repo: None,
    };
    set(RunId::new(), Ordered::Live { live: Box::new(live) })
}

async fn a_lock_is_the_first_takers_until_that_one_gives_it_back(bed: Bed) {
    let (older, newer) = (RunId::new(), RunId::new());
    let take = |run| OrderChange::Take { order: Order { by: by(), at: at(0), run, what: Ordered::Lock } };
    let give_back = |run| OrderChange::Yield { key: OrderKey::Lock, run };
    let holder = async || bed.store.orders(SUBJECT).await.unwrap().first().map(|order| order.run);
    order(&bed, "a", vec![take(newer)], at(1)).await;
    order(&bed, "b", vec![take(older)], at(2)).await;
    order(&bed, "c", vec![give_back(older)], at(3)).await;
    assert_eq!(holder().await, Some(newer), "whoever is the older run, and whatever others give back");
    order(&bed, "d", vec![take(newer)], at(4)).await;
    order(&bed, "e", vec![give_back(newer)], at(5)).await;
    assert_eq!(holder().await, None);
    order(&bed, "f", vec![take(older)], at(6)).await;
    assert_eq!(holder().await, Some(older), "a newer run had it, and has it no more");
}

async fn a_run_that_only_starts_where_nobody_was_told_starts_once_the_others_are_over(bed: Bed) {
    let told = |words: &str| {
        let key = Wanted::by("one").subject();
        let target = SignalTarget::Subject { key, before: None, commit: Some(commit('a')) };
        let signal = Signal::Cancel { reason: CancelReason::Closed };
        let run = Some(NewRun { id: RunId::new(), spec: Wanted::by("two").spec() });
        Acceptance { run, start: Start::UnlessTold, signals: vec![(target, signal)], ..Acceptance::internal(words, at(1)) }
    };
    let run = bed.start(Wanted::by("one")).await;
    assert_eq!(bed.store.accept(told("x")).await, Ok(Accepted::New { signalled: vec![run] }));
    assert_eq!(bed.store.list(&RunFilter::default(), 10).await.unwrap().len(), 1);
    let lease = bed.lease(2).await.unwrap().lease;
    let untaken = bed.store.append(&lease, 1, &[RunEvent::Finished { conclusion: Conclusion::Cancelled }], at(2)).await;
    assert_eq!(untaken, Err(StoreError::Untaken(run)), "it has not heard what it was told");
    let heard = RunEvent::Signalled { n: 1, signal: Signal::Cancel { reason: CancelReason::Closed } };
    let last = RunEvent::Finished { conclusion: Conclusion::Cancelled };
    assert_eq!(bed.store.append(&lease, 1, &[heard, last], at(2)).await, Ok(()));
    // Not before the lease has ended, but from here on: it can take nothing more.
    assert_eq!(bed.store.accept(told("y")).await, Ok(Accepted::New { signalled: vec![] }));
    assert_eq!(bed.store.list(&RunFilter::default(), 10).await.unwrap().len(), 2);
    bed.store.release(&lease, LeaseEnd::Finished(Conclusion::Cancelled), at(3)).await.unwrap();
}

async fn a_run_about_something_else_that_was_told_keeps_none_from_starting(bed: Bed) {
    let other = Wanted { pull: 8, ..Wanted::by("one") };
    let target = SignalTarget::Subject { key: other.subject(), before: None, commit: None };
    let told = bed.start(other).await;
    let signal = Signal::Cancel { reason: CancelReason::Closed };
    let run = Some(NewRun { id: RunId::new(), spec: Wanted::by("two").spec() });
    let acceptance =
        Acceptance { run, start: Start::UnlessTold, signals: vec![(target, signal)], ..Acceptance::internal("x", at(1)) };
    assert_eq!(bed.store.accept(acceptance).await, Ok(Accepted::New { signalled: vec![told] }));
    assert_eq!(bed.store.list(&RunFilter::default(), 10).await.unwrap().len(), 2);
}

async fn answers_without_end_leave_room_for_what_stops_a_run(bed: Bed) {
    let run = bed.start(Wanted::by("one")).await;
    let tell = async |words: &str, signal: Signal| {
        let acceptance = Acceptance { signals: vec![(SignalTarget::Run { run }, signal)], ..Acceptance::internal(words, at(1)) };
        bed.store.accept(acceptance).await.unwrap() == Accepted::New { signalled: vec![run] }
    };
    let answer = || {
        let what = Ordered::Answer { commit: commit('a'), question: "status".to_owned(), body: "well".to_owned() };
        Signal::Order { change: set(RunId::new(), what) }
    };
    let mut heard = 0;
    while tell(&format!("answer {heard}"), answer()).await {
        heard += 1;
        assert!(heard < 1_000, "there is an end");
    }
    assert!(heard >= 500, "only {heard} answers");
    assert!(tell("stop", Signal::Cancel { reason: CancelReason::Closed }).await);
}
