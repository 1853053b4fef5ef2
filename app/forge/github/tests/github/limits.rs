//! Limits, repeats and timeouts.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use gatewright_core::RepoRef;
use gatewright_core::forge::{Forge, ForgeError};
use gatewright_core::report::Known;
use gatewright_forge_github::{GitHub, GitHubConfig, Limits, Timeouts};
use serde_json::json;

use crate::stub::*;

/// Answers the first so many reads with something else than a branch.
fn first(times: usize, reply: Reply) -> impl Fn(&Seen) -> Option<Reply> + Send + Sync + 'static {
    let seen_reads = AtomicUsize::new(0);
    move |seen| {
        let read = seen.is("GET", "/repos/");
        read.then(|| if seen_reads.fetch_add(1, Ordering::SeqCst) < times { reply.clone() } else { branch_reply('a') })
    }
}

fn other_installation() -> RepoRef {
    RepoRef { id: 8, installation: Some(100), ..repo() }
}

#[tokio::test]
async fn a_secondary_limit_pauses_the_installation_and_no_other() {
    let words = json!({"message": "You have exceeded a secondary rate limit. Please wait."});
    let stub = Stub::start(first(1, Reply::json(403, &words).with("retry-after", 30))).await;
    let github = stub.github();
    assert!(is_limited(&github.branch(&repo(), "main").await, 30));
    stub.pass(10);
    assert!(is_limited(&github.branch(&repo(), "other").await, 20));
    assert!(is_limited(&github.publish(&repo(), &comment("x"), &Known::Never).await, 20));
    assert_eq!(stub.lines().len(), 1, "nothing was sent during the pause");
    assert_eq!(github.branch(&other_installation(), "main").await, Ok(commit('a')));
    stub.pass(20);
    assert_eq!(github.branch(&repo(), "main").await, Ok(commit('a')));
}

#[tokio::test]
async fn an_exhausted_hour_waits_for_its_reset() {
    let limited = |status| Reply::status(status).with("x-ratelimit-remaining", 0).with("x-ratelimit-reset", START + 90);
    for status in [403, 429] {
        let stub = Stub::start(first(1, limited(status))).await;
        let github = stub.github();
        assert!(is_limited(&github.branch(&repo(), "main").await, 90));
        stub.pass(90);
        assert_eq!(github.branch(&repo(), "main").await, Ok(commit('a')));
    }
}

#[tokio::test]
async fn a_limit_without_a_time_waits_a_minute() {
    let stub = Stub::start(first(1, Reply::json(403, &json!({"message": "You have exceeded a secondary rate limit"})))).await;
    assert!(is_limited(&stub.github().branch(&repo(), "main").await, 60));
}

#[tokio::test]
async fn a_forbidden_answer_that_is_no_limit_is_refused_and_pauses_nothing() {
    let stub = Stub::start(first(1, Reply::json(403, &json!({"message": "Resource not accessible by integration"})))).await;
    let github = stub.github();
    assert!(is_refused(&github.branch(&repo(), "main").await));
    assert_eq!(github.branch(&repo(), "main").await, Ok(commit('a')));
}

#[tokio::test]
async fn our_own_limit_on_comments_holds_them_back_before_github_does() {
    let stub =
        Stub::start(|seen| (seen.is("POST", "/repos/") || seen.method == "PATCH").then(|| Reply::json(201, &json!({"id": 1}))))
            .await;
    let github = stub.github_with(Limits { content_per_minute: 2, ..Limits::default() });
    for _ in 0..2 {
        github.publish(&repo(), &comment("x"), &Known::Never).await.unwrap();
    }
    assert!(is_limited(&github.publish(&repo(), &comment("x"), &Known::Never).await, 61));
    assert_eq!(stub.count("POST", "/repos/"), 2);
    assert!(github.publish(&repo(), &comment("x"), &Known::Id(1)).await.is_ok(), "an edit is no new comment");
    assert!(github.publish(&repo(), &check_report(0), &Known::Never).await.is_ok(), "nor is a check run");
    stub.pass(61);
    assert!(github.publish(&repo(), &comment("x"), &Known::Never).await.is_ok());
}

#[tokio::test]
async fn no_more_requests_are_under_way_at_once_than_configured() {
    let stub = Stub::start(first(0, Reply::status(500))).await;
    let github = Arc::new(stub.github_with(Limits { concurrent: 3, ..Limits::default() }));
    let calls: Vec<_> = (0..30)
        .map(|n| {
            let github = github.clone();
            tokio::spawn(async move { github.branch(&repo(), &format!("b{n}")).await })
        })
        .collect();
    for call in calls {
        assert_eq!(call.await.unwrap(), Ok(commit('a')));
    }
    assert!((2..=3).contains(&stub.most_under_way()), "{}", stub.most_under_way());
}

#[tokio::test]
async fn a_read_is_repeated_a_little_and_then_given_up() {
    let stub = Stub::start(first(2, Reply::status(502))).await;
    assert_eq!(stub.github().branch(&repo(), "main").await, Ok(commit('a')));
    let stub = Stub::start(first(usize::MAX, Reply::status(502))).await;
    let result = stub.github().branch(&repo(), "main").await;
    assert!(matches!(&result, Err(ForgeError::Unavailable { cause, .. }) if cause == "502 Bad Gateway"), "{result:?}");
    assert_eq!(stub.lines().len(), 3);
}

#[tokio::test]
async fn what_will_not_change_is_not_repeated() {
    for status in [400, 403, 404, 409, 422] {
        let stub = Stub::start(first(usize::MAX, Reply::status(status))).await;
        assert!(stub.github().branch(&repo(), "main").await.is_err());
        assert_eq!(stub.lines().len(), 1, "{status}");
    }
}

#[tokio::test]
async fn a_silent_server_costs_no_more_than_the_timeouts() {
    let stub = Stub::start(|seen| seen.is("GET", "/").then(Reply::silence)).await;
    let short = Duration::from_millis(20);
    let timeouts = Timeouts { read: short, total: short, probe: short, ..stub.config().timeouts };
    let github = GitHub::new(GitHubConfig { timeouts, ..stub.config() }).unwrap();
    assert!(is_unavailable(&github.probe().await));
    let result = github.branch(&repo(), "main").await;
    assert!(
        matches!(&result, Err(ForgeError::Unavailable { cause, .. }) if cause == "no answer in time"
        || cause == "no whole answer in time"),
        "{result:?}"
    );
}

#[tokio::test]
async fn a_server_that_is_not_there_is_named_as_such() {
    let stub = Stub::start(|_| None).await;
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let config = GitHubConfig { api_url: format!("http://{free}"), ..stub.config() };
    let result = GitHub::new(config).unwrap().probe().await;
    assert!(matches!(&result, Err(ForgeError::Unavailable { cause, .. }) if cause.starts_with("cannot connect: ")), "{result:?}");
}

#[tokio::test]
async fn limits_under_which_nothing_could_be_sent_are_refused() {
    let stub = Stub::start(|_| None).await;
    for limits in [
        Limits { concurrent: 0, ..Limits::default() },
        Limits { points_per_minute: 4, ..Limits::default() },
        Limits { content_per_hour: 0, ..Limits::default() },
    ] {
        assert!(GitHub::new(GitHubConfig { limits, ..stub.config() }).is_err(), "{limits:?}");
    }
}
