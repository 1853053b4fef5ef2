//! Deliveries that were missed.

use std::sync::{Arc, Mutex};

use gatewright_core::Timestamp;
use gatewright_core::forge::{CatchUp, ForgeError, MissedDelivery, Redelivered};
use gatewright_forge_github::GitHub;
use serde_json::{Value, json};

use crate::stub::*;

fn attempt(id: u64, guid: &str, secs: i64, code: u16) -> Value {
    json!({"id": id, "guid": guid, "delivered_at": at(secs), "redelivery": false, "duration": 0.1, "status": "whatever",
           "status_code": code, "event": "pull_request", "action": null, "installation_id": null, "repository_id": 7})
}

/// Serves pages of attempts, newest first, and takes redeliveries with that status.
async fn stub_of(pages: Vec<Vec<Value>>, taken: u16) -> Stub {
    Stub::start(move |seen| {
        if seen.method == "POST" && seen.target.ends_with("/attempts") {
            return Some(Reply::json(taken, &json!({})));
        }
        let rest = seen.target.strip_prefix("/app/hook/deliveries?per_page=100")?;
        let page: usize = rest.strip_prefix("&cursor=v1_").map_or(0, |cursor| cursor.parse().unwrap());
        let reply = Reply::json(200, &json!(pages[page]));
        let next = format!("<https://api.github.com/app/hook/deliveries?per_page=100&cursor=v1_{}>; rel=\"next\"", page + 1);
        Some(if page + 1 < pages.len() { reply.with("link", next) } else { reply })
    })
    .await
}

fn redelivered(stub: &Stub) -> Vec<u64> {
    let id = |line: &String| line.strip_prefix("POST /app/hook/deliveries/")?.strip_suffix("/attempts")?.parse().ok();
    stub.lines().iter().filter_map(id).collect()
}

/// How many are sent again.
async fn sent(
    github: &GitHub,
    since: Timestamp,
    wanted: &(dyn for<'a> Fn(&'a MissedDelivery) -> bool + Send + Sync),
) -> Result<u64, ForgeError> {
    github.redeliver(since, wanted).await.map(|done| done.sent)
}

#[tokio::test]
async fn only_what_never_arrived_is_sent_again_once_each_and_oldest_first() {
    let pages = vec![
        vec![
            attempt(9, "twice-failed", 90, 502),
            attempt(8, "arrived", 80, 202),
            attempt(7, "timed-out", 70, 0),
            attempt(10, "arrived-before-a-later-attempt-failed", 69, 500),
        ],
        vec![attempt(6, "twice-failed", 60, 500), attempt(5, "arrived-at-last", 50, 200), attempt(4, "gone", 40, 404)],
        vec![
            attempt(3, "arrived-at-last", 30, 503),
            attempt(2, "redirected", 20, 302),
            attempt(1, "arrived-before-a-later-attempt-failed", 10, 200),
        ],
    ];
    let stub = stub_of(pages, 202).await;
    assert_eq!(sent(&stub.github(), at(0), &|_| true).await, Ok(4));
    assert_eq!(redelivered(&stub), [2, 4, 7, 9]);
    assert!(stub.seen().iter().all(|seen| claims(seen.header("authorization"))["iss"] == "4711"));
}

#[tokio::test]
async fn the_caller_picks_and_is_told_what_it_is() {
    let stub = stub_of(vec![vec![attempt(2, "b", 20, 500), attempt(1, "a", 10, 500)]], 202).await;
    let asked = Arc::new(Mutex::new(Vec::new()));
    let inner = asked.clone();
    let wanted = move |missed: &MissedDelivery| {
        inner.lock().unwrap().push((missed.guid.clone(), missed.attempt, missed.at, missed.event.clone()));
        missed.guid == "b"
    };
    assert_eq!(sent(&stub.github(), at(0), &wanted).await, Ok(1));
    assert_eq!(redelivered(&stub), [2]);
    let event = "pull_request".to_owned();
    let expected = [("a".to_owned(), 1, at(10), event.clone()), ("b".to_owned(), 2, at(20), event)];
    assert_eq!(*asked.lock().unwrap(), expected);
}

#[tokio::test]
async fn what_is_older_is_not_looked_at() {
    let pages = vec![vec![attempt(3, "c", 30, 500), attempt(2, "b", 9, 500)], vec![attempt(1, "a", 5, 500)]];
    let stub = stub_of(pages, 202).await;
    assert_eq!(sent(&stub.github(), at(10), &|_| true).await, Ok(1));
    assert_eq!(stub.count("GET", "/app/hook/deliveries"), 1);
    assert_eq!(redelivered(&stub), [3]);
}

#[tokio::test]
async fn what_lies_behind_the_limit_is_looked_at_the_next_time() {
    let missed = |n: u64| if n == 150 { 500 } else { 200 };
    let pages = (0..200).map(|n| vec![attempt(1_000 - n, &format!("delivery {n}"), 100, missed(n))]).collect();
    let stub = stub_of(pages, 202).await;
    let github = stub.github();
    assert_eq!(github.redeliver(at(0), &|_| true).await, Ok(Redelivered { sent: 0, more: true }));
    assert_eq!(stub.count("GET", "/app/hook/deliveries"), 100);
    // The newest page again, which reaches back far enough, and those that were left.
    assert_eq!(github.redeliver(at(101), &|_| true).await, Ok(Redelivered { sent: 1, more: false }));
    assert_eq!(stub.count("GET", "/app/hook/deliveries"), 100 + 1 + 100);
    assert_eq!(redelivered(&stub), [850]);
}

#[tokio::test]
async fn what_could_not_be_sent_again_is_not_lost_from_sight() {
    let answers = Arc::new(Mutex::new(vec![202, 502]));
    let stub = Stub::start(move |seen| {
        if seen.method == "POST" {
            return Some(Reply::json(answers.lock().unwrap().pop().unwrap_or(202), &json!({})));
        }
        seen.target
            .starts_with("/app/hook/deliveries")
            .then(|| Reply::json(200, &json!([attempt(2, "b", 20, 500), attempt(1, "a", 10, 500)])))
    })
    .await;
    let github = stub.github();
    assert_eq!(github.redeliver(at(0), &|_| true).await, Ok(Redelivered { sent: 1, more: true }));
    assert_eq!(redelivered(&stub), [1, 2]);
    // Nothing is that new.
    assert_eq!(github.redeliver(at(90), &|_| true).await, Ok(Redelivered { sent: 1, more: false }));
    assert_eq!(redelivered(&stub), [1, 2, 1], "only the one that GitHub did not take");
    assert_eq!(github.redeliver(at(90), &|_| true).await, Ok(Redelivered { sent: 0, more: false }));
}

#[tokio::test]
async fn the_caller_learns_how_often_a_delivery_has_failed_since_it_began_to_ask() {
    let attempts = Arc::new(Mutex::new(vec![attempt(2, "a", 20, 500), attempt(1, "a", 10, 500)]));
    let listed = attempts.clone();
    let stub = Stub::start(move |seen| {
        if seen.method == "POST" {
            return Some(Reply::json(202, &json!({})));
        }
        seen.target.starts_with("/app/hook/deliveries").then(|| Reply::json(200, &json!(*listed.lock().unwrap())))
    })
    .await;
    let (github, failures) = (stub.github(), Mutex::new(Vec::new()));
    let wanted = |missed: &MissedDelivery| {
        failures.lock().unwrap().push((missed.attempt, missed.failures));
        true
    };
    for n in 3..6 {
        assert_eq!(sent(&github, at(0), &wanted).await, Ok(1));
        attempts.lock().unwrap().insert(0, attempt(n, "a", 10 * n as i64, 500));
    }
    assert_eq!(*failures.lock().unwrap(), [(2, 1), (3, 2), (4, 3)], "what failed before is no reason to wait");
    attempts.lock().unwrap().insert(0, attempt(6, "a", 60, 202));
    assert_eq!(sent(&github, at(0), &wanted).await, Ok(0), "it has arrived");
}

#[tokio::test]
async fn so_many_are_sent_again_in_one_go_that_tokens_can_be_made_too() {
    let pages = vec![(0..105).map(|n| attempt(n, &format!("delivery {n}"), 20, 500)).collect()];
    let stub = stub_of(pages, 202).await;
    let github = stub.github();
    for (sent, more) in [(100, true), (5, false), (0, false)] {
        assert_eq!(github.redeliver(at(0), &|_| true).await, Ok(Redelivered { sent, more }));
    }
}

#[tokio::test]
async fn one_that_cannot_be_sent_again_holds_no_other_up() {
    let pages = vec![vec![attempt(2, "b", 20, 500), attempt(1, "a", 10, 500)]];
    for status in [404, 422] {
        let stub = stub_of(pages.clone(), status).await;
        assert_eq!(sent(&stub.github(), at(0), &|_| true).await, Ok(0));
        assert_eq!(redelivered(&stub), [1, 2]);
    }
    let stub = stub_of(pages.clone(), 502).await;
    assert!(is_unavailable(&stub.github().redeliver(at(0), &|_| true).await));
    assert_eq!(redelivered(&stub), [1, 2], "each was sent once");
    let stub = stub_of(pages, 429).await;
    assert!(matches!(stub.github().redeliver(at(0), &|_| true).await, Err(ForgeError::RateLimited { wait_secs: 60, .. })));
    assert_eq!(redelivered(&stub), [1], "a limit ends it at once");
}
