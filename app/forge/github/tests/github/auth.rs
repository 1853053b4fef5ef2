//! Signing in.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use gatewright_core::RepoRef;
use gatewright_core::forge::{Forge, ForgeError};
use gatewright_core::report::Known;
use secrecy::ExposeSecret;
use serde_json::json;

use crate::stub::*;

fn branches(seen: &Seen) -> Option<Reply> {
    seen.is("GET", "/repos/octo/app/branches/").then(|| branch_reply('a'))
}

#[tokio::test]
async fn twenty_calls_at_once_mint_one_token() {
    let stub = Stub::start(branches).await;
    let github: Arc<dyn Forge> = Arc::new(stub.github());
    let calls = (0..20).map(|n| {
        let github = github.clone();
        tokio::spawn(async move { github.branch(&repo(), &format!("b{n}")).await })
    });
    for call in calls.collect::<Vec<_>>() {
        assert_eq!(call.await.unwrap(), Ok(commit('a')));
    }
    assert_eq!(stub.count("POST", "/app/installations/99/access_tokens"), 1);
    assert_eq!(stub.count("GET", "/repos/octo/app/branches/"), 20);
    assert!(stub.most_under_way() > 1, "they were not under way at once");
}

#[tokio::test]
async fn a_token_reaches_one_repository_and_what_git_gets_reads_only() {
    let stub = Stub::start(branches).await;
    let github = stub.github();
    github.branch(&repo(), "main").await.unwrap();
    let credential = github.credential(&repo()).await.unwrap();
    assert_eq!(credential.url, format!("{}/octo/app.git", stub.url()));
    let (name, secret) = credential.login.unwrap();
    assert_eq!((name.as_str(), secret.expose_secret()), ("x-access-token", token(2).as_str()));
    let asked: Vec<_> = stub.seen().into_iter().filter(|seen| seen.method == "POST").map(|seen| seen.body).collect();
    let api = json!({"contents": "read", "metadata": "read", "checks": "write", "pull_requests": "write"});
    let clone = json!({"contents": "read", "metadata": "read"});
    assert_eq!(asked[0], json!({"repository_ids": [7], "permissions": api}));
    assert_eq!(asked[1], json!({"repository_ids": [7], "permissions": clone}));
    github.credential(&repo()).await.unwrap();
    assert_eq!(stub.count("POST", "/app/"), 2, "the second credential is the first one's token");
}

#[tokio::test]
async fn two_repositories_of_one_installation_have_a_token_each() {
    let stub = Stub::start(|seen| seen.is("GET", "/repos/").then(|| branch_reply('a'))).await;
    let github = stub.github();
    github.branch(&repo(), "main").await.unwrap();
    github.branch(&RepoRef { id: 8, path: "octo/other".to_owned(), ..repo() }, "main").await.unwrap();
    let used: Vec<_> = stub.seen().iter().filter(|s| s.method == "GET").map(|s| s.header("authorization").to_owned()).collect();
    assert_eq!(used, [format!("Bearer {}", token(1)), format!("Bearer {}", token(2))]);
}

#[tokio::test]
async fn a_token_is_replaced_minutes_before_it_ends() {
    let stub = Stub::start(branches).await;
    let github = stub.github();
    for (pass, minted) in [(0, 1), (54 * 60, 1), (60, 2), (60, 2)] {
        stub.pass(pass);
        github.branch(&repo(), "main").await.unwrap();
        assert_eq!(stub.count("POST", "/app/"), minted);
    }
}

#[tokio::test]
async fn a_refused_token_is_minted_again_once_and_the_call_goes_through() {
    let stub = Stub::start(|seen| {
        let old = seen.header("authorization").ends_with(&token(1));
        if old { Some(Reply::status(401)) } else { branches(seen) }.filter(|_| seen.method == "GET")
    })
    .await;
    assert_eq!(stub.github().branch(&repo(), "main").await, Ok(commit('a')));
    assert_eq!(stub.count("POST", "/app/"), 2);
}

#[tokio::test]
async fn credentials_that_stay_refused_end_the_call() {
    let stub = Stub::start(|seen| (seen.method == "GET").then(|| Reply::status(401))).await;
    let result = stub.github().branch(&repo(), "main").await;
    assert!(matches!(result, Err(ForgeError::LockedOut { .. })), "{result:?}");
    assert_eq!(stub.count("GET", "/repos/"), 2);
}

#[tokio::test]
async fn an_installation_that_was_suspended_lets_us_in_again_some_day() {
    let words = json!({"message": "This installation has been suspended"});
    let stub = Stub::start(move |seen| seen.target.ends_with("/access_tokens").then(|| Reply::json(403, &words))).await;
    let result = stub.github().branch(&repo(), "main").await;
    assert!(matches!(&result, Err(ForgeError::LockedOut { cause, .. }) if cause.contains("has been suspended")), "{result:?}");
}

#[tokio::test]
async fn a_write_refused_for_its_token_is_sent_with_the_next_one() {
    let stub = Stub::start(|seen| {
        let write = seen.is("POST", "/repos/");
        let old = seen.header("authorization").ends_with(&token(1));
        write.then(|| if old { Reply::status(401) } else { Reply::json(201, &json!({"id": 31})) })
    })
    .await;
    let published = stub.github().publish(&repo(), &check_report(0), &Known::Never).await.unwrap();
    assert_eq!(published.id, 31);
    assert_eq!(stub.count("POST", "/repos/"), 2);
}

#[tokio::test]
async fn the_apps_token_is_short_lived_signed_and_used_again() {
    let stub = Stub::start(|seen| seen.is("GET", "/app").then(|| Reply::json(200, &json!({"id": APP, "slug": "gw"})))).await;
    let github = stub.github();
    for pass in [0, 60, 7 * 60] {
        stub.pass(pass);
        let info = github.probe().await.unwrap();
        assert_eq!((info.id, info.slug.as_str(), github.app_id()), (APP, "gw", Some(APP)));
    }
    let used: Vec<_> = stub.seen().iter().map(|seen| seen.header("authorization").to_owned()).collect();
    assert_eq!(used[0], used[1]);
    assert_ne!(used[1], used[2], "it is signed anew before it ends");
    let claims = claims(&used[0]);
    assert_eq!(claims["iss"], APP.to_string());
    let (iat, exp) = (claims["iat"].as_i64().unwrap(), claims["exp"].as_i64().unwrap());
    assert_eq!(iat, START - 60);
    assert!(exp - iat <= 600 && exp > START + 300);
}

#[tokio::test]
async fn an_installation_that_the_delivery_did_not_name_is_looked_up_once() {
    let stub = Stub::start(|seen| {
        let lookup = seen.is("GET", "/repos/octo/app/installation");
        if lookup { Some(Reply::json(200, &json!({"id": 55}))) } else { branches(seen) }
    })
    .await;
    let github = stub.github();
    let unnamed = RepoRef { installation: None, ..repo() };
    github.branch(&unnamed, "main").await.unwrap();
    github.branch(&unnamed, "other").await.unwrap();
    assert_eq!(stub.count("GET", "/repos/octo/app/installation"), 1);
    assert_eq!(stub.count("POST", "/app/installations/55/access_tokens"), 1);
}

#[tokio::test]
async fn a_looked_up_installation_that_is_gone_is_looked_up_again() {
    let round = Arc::new(AtomicUsize::new(0));
    let stub = Stub::start(move |seen| {
        if seen.is("GET", "/repos/octo/app/installation") {
            let id = 55 + round.fetch_add(1, Ordering::SeqCst);
            return Some(Reply::json(200, &json!({"id": id})));
        }
        if seen.is("POST", "/app/installations/55/") { Some(Reply::status(404)) } else { branches(seen) }
    })
    .await;
    let github = stub.github();
    let unnamed = RepoRef { installation: None, ..repo() };
    assert!(matches!(github.branch(&unnamed, "main").await, Err(ForgeError::Missing { .. })));
    assert_eq!(github.branch(&unnamed, "main").await, Ok(commit('a')));
}

#[tokio::test]
async fn a_repository_without_the_app_is_missing_and_a_missing_permission_is_named() {
    let stub = Stub::start(|_| None).await;
    let unnamed = RepoRef { installation: None, ..repo() };
    let error = stub.github().branch(&unnamed, "main").await.unwrap_err();
    assert_eq!(error.to_string(), "the App's installation on octo/app does not exist on GitHub, or Gatewright may not see it");
    let words = json!({"message": "The permissions requested are not granted to this installation."});
    let stub = Stub::start(move |seen| seen.is("POST", "/app/").then(|| Reply::json(422, &words))).await;
    let error = stub.github().branch(&repo(), "main").await.unwrap_err();
    assert!(is_refused::<()>(&Err(error.clone())));
    assert!(error.to_string().contains("not granted") && error.to_string().contains("accept the permissions"), "{error}");
}
