//! Limits, repeats and timeouts.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use gatewright_core::forge::{Forge, ForgeError};
use gatewright_core::report::Known;
use gatewright_forge_gitlab::{GitLab, GitLabConfig, Limits, Timeouts};
use serde_json::json;

use crate::stub::*;

const NOTES: &str = "/api/v4/projects/7/merge_requests/5/notes";

/// Answers the first so many reads with something else than a branch.
fn first(times: usize, reply: Reply) -> impl Fn(&Seen) -> Option<Reply> + Send + Sync + 'static {
    let reads = AtomicUsize::new(0);
    move |seen| {
        let read = seen.path().starts_with("/api/v4/projects/7/repository/branches/");
        read.then(|| if reads.fetch_add(1, Ordering::SeqCst) < times { reply.clone() } else { branch_reply('a') })
    }
}

#[tokio::test]
async fn a_limit_pauses_everything_until_its_time_is_over() {
    let stub = Stub::start(first(1, Reply::text(429, "Retry later\n").with("retry-after", 30))).await;
    let gitlab = stub.gitlab();
    assert!(is_limited(&gitlab.branch(&repo(), "main").await, 30));
    stub.pass(10);
    assert!(is_limited(&gitlab.branch(&repo(), "other").await, 20));
    assert!(is_limited(&gitlab.publish(&repo(), &comment("x"), &Known::Never).await, 20));
    assert_eq!(stub.lines().len(), 1, "nothing was sent during the pause");
    stub.pass(20);
    assert_eq!(gitlab.branch(&repo(), "main").await, Ok(commit('a')));
}

#[tokio::test]
async fn an_exhausted_window_waits_for_its_reset() {
    let last = branch_reply('b').with("ratelimit-remaining", 0).with("ratelimit-reset", START + 90);
    let stub = Stub::start(first(1, last)).await;
    let gitlab = stub.gitlab();
    assert_eq!(gitlab.branch(&repo(), "main").await, Ok(commit('b')));
    assert!(is_limited(&gitlab.branch(&repo(), "other").await, 90));
    stub.pass(90);
    assert_eq!(gitlab.branch(&repo(), "other").await, Ok(commit('a')));
}

#[tokio::test]
async fn too_many_notes_hold_back_notes_and_nothing_else() {
    let words = json!({"message": {"error": "This endpoint has been requested too many times. Try again later."}});
    let stub = Stub::start(move |seen| match (seen.method.as_str(), seen.path()) {
        ("POST", NOTES) => Some(Reply::json(429, &words)),
        ("GET", _) => Some(branch_reply('a')),
        _ => None,
    })
    .await;
    let gitlab = stub.gitlab();
    assert!(is_limited(&gitlab.publish(&repo(), &comment("x"), &Known::Never).await, 60));
    assert!(is_limited(&gitlab.publish(&repo(), &comment("x"), &Known::Never).await, 60));
    assert_eq!(gitlab.branch(&repo(), "main").await, Ok(commit('a')));
    assert_eq!(stub.count("POST", NOTES), 1);
}

#[tokio::test]
async fn our_own_limits_hold_requests_back_before_gitlab_does() {
    let stub = Stub::start(|seen| match (seen.method.as_str(), seen.path()) {
        ("POST", NOTES) => Reply::made(json!({"id": 1})),
        ("PUT", _) => Reply::ok(json!({"id": 1})),
        _ => None,
    })
    .await;
    let gitlab = stub.gitlab_with(Limits { notes_per_minute: 2, requests_per_minute: 4, concurrent: 3 });
    for _ in 0..2 {
        gitlab.publish(&repo(), &comment("x"), &Known::Never).await.unwrap();
    }
    assert!(is_limited(&gitlab.publish(&repo(), &comment("x"), &Known::Never).await, 61));
    for _ in 0..2 {
        assert!(gitlab.publish(&repo(), &comment("x"), &Known::Id(1)).await.is_ok(), "an edit is no new note");
    }
    assert!(is_limited(&gitlab.publish(&repo(), &comment("x"), &Known::Id(1)).await, 61));
    stub.pass(61);
    gitlab.publish(&repo(), &comment("x"), &Known::Never).await.unwrap();
}

#[tokio::test]
async fn a_read_is_repeated_and_a_write_that_makes_something_is_not() {
    let stub = Stub::start(first(2, Reply::status(503))).await;
    assert_eq!(stub.gitlab().branch(&repo(), "main").await, Ok(commit('a')));
    assert_eq!(stub.lines().len(), 3);
    let stub = Stub::start(first(9, Reply::status(503))).await;
    assert!(is_unavailable(&stub.gitlab().branch(&repo(), "main").await));
    assert_eq!(stub.lines().len(), 3, "and not for ever");
    let stub = Stub::start(|seen| seen.is("POST", NOTES).then(|| Reply::status(500))).await;
    assert!(is_unavailable(&stub.gitlab().publish(&repo(), &comment("x"), &Known::Never).await));
    assert_eq!(stub.lines().len(), 1);
}

#[tokio::test]
async fn a_forge_that_never_answers_is_unavailable() {
    let stub = Stub::start(|_| Some(Reply::silence())).await;
    let timeouts = Timeouts { total: Duration::from_millis(50), probe: Duration::from_millis(50), ..stub.config().timeouts };
    let gitlab = GitLab::new(GitLabConfig { timeouts, ..stub.config() }).unwrap();
    assert!(is_unavailable(&gitlab.publish(&repo(), &comment("x"), &Known::Never).await));
    assert_eq!(stub.count("POST", NOTES), 1);
    assert!(is_unavailable(&gitlab.probe().await));
}

#[tokio::test]
async fn no_more_requests_are_under_way_at_once_than_configured() {
    let stub = Stub::start(|_| Some(branch_reply('a'))).await;
    let gitlab = Arc::new(stub.gitlab_with(Limits { concurrent: 3, ..Limits::default() }));
    let calls: Vec<_> = (0..40)
        .map(|n| {
            let gitlab = gitlab.clone();
            tokio::spawn(async move { gitlab.branch(&repo(), &format!("b{n}")).await })
        })
        .collect();
    for call in calls {
        assert_eq!(call.await.unwrap(), Ok(commit('a')));
    }
    assert!((2..=3).contains(&stub.most_under_way()), "{}", stub.most_under_way());
}

#[tokio::test]
async fn each_status_means_what_the_caller_can_do_about_it() {
    let of = async |reply: Reply| {
        let stub = Stub::start(move |_| Some(reply.clone())).await;
        stub.gitlab().branch(&repo(), "main").await.unwrap_err()
    };
    assert!(matches!(of(Reply::says(404, "404 Project Not Found")).await, ForgeError::Missing { .. }));
    assert!(matches!(of(Reply::says(401, "401 Unauthorized")).await, ForgeError::LockedOut { .. }));
    assert!(matches!(of(Reply::says(403, "403 Forbidden")).await, ForgeError::Refused { .. }));
    assert!(matches!(of(Reply::says(409, "Another update is in progress")).await, ForgeError::Unavailable { .. }));
    assert!(matches!(of(Reply::text(200, "<html>")).await, ForgeError::Unavailable { .. }));
    assert!(matches!(of(Reply::text(301, "").with("location", "https://evil.example/")).await, ForgeError::Refused { .. }));
}
