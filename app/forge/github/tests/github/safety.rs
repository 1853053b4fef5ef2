//! Where tokens go, and where they never show.

use gatewright_core::RepoRef;
use gatewright_core::event::{CommentPlace, CommentRef, User};
use gatewright_core::forge::{CatchUp, Change, Forge, ForgeError};
use gatewright_core::report::{Holds, Known, Reaction, ReactionReport, Report};
use gatewright_forge_github::{GitHub, GitHubConfig};
use secrecy::SecretString;
use serde_json::json;

use crate::stub::*;

#[tokio::test]
async fn a_redirect_to_another_host_is_not_followed() {
    let elsewhere = Stub::start(|_| Some(branch_reply('a'))).await;
    // Another port is another host: both are 127.0.0.1.
    for status in [301, 302, 307, 308] {
        let target = format!("{}/stolen", elsewhere.url());
        let stub =
            Stub::start(move |seen| seen.target.starts_with("/repos/").then(|| Reply::status(status).with("location", &target)))
                .await;
        let github = stub.github();
        assert!(is_refused(&github.branch(&repo(), "main").await), "{status}");
        assert!(is_refused(&github.publish(&repo(), &check_report(0), &Known::Never).await), "{status}");
    }
    assert_eq!(elsewhere.seen().len(), 0);
}

#[tokio::test]
async fn a_renamed_repository_is_followed_with_authorisation() {
    for status in [301, 302, 307, 308] {
        let stub = Stub::start(move |seen| {
            let old = seen.is("GET", "/repos/octo/app/");
            let new = seen.is("GET", "/repositories/7/");
            match (old, new) {
                (true, _) => Some(Reply::status(status).with("location", "/repositories/7/branches/main")),
                (_, true) => Some(branch_reply('a')),
                (false, false) => None,
            }
        })
        .await;
        assert_eq!(stub.github().branch(&repo(), "main").await, Ok(commit('a')), "{status}");
        assert_eq!(stub.seen().last().unwrap().header("authorization"), format!("Bearer {}", token(1)));
    }
}

#[tokio::test]
async fn a_write_is_followed_only_where_the_redirect_keeps_it_a_write() {
    for (status, followed) in [(301, false), (302, false), (303, false), (307, true), (308, true)] {
        let stub = Stub::start(move |seen| {
            let old = seen.is("POST", "/repos/octo/app/check-runs");
            let new = seen.is("POST", "/repositories/7/check-runs");
            match (old, new) {
                (true, _) => Some(Reply::status(status).with("location", "/repositories/7/check-runs")),
                (_, true) => Some(Reply::json(201, &json!({"id": 4}))),
                (false, false) => None,
            }
        })
        .await;
        let result = stub.github().publish(&repo(), &check_report(0), &Known::Never).await;
        assert_eq!(result.is_ok(), followed, "{status}: {result:?}");
        assert_eq!(stub.count("POST", "/repositories/"), usize::from(followed));
        assert!(!followed || stub.seen().last().unwrap().body["external_id"] == "run-1/tests");
    }
}

#[tokio::test]
async fn redirects_in_a_circle_end() {
    let stub = Stub::start(|seen| seen.is("GET", "/repos/").then(|| Reply::status(302).with("location", &seen.target))).await;
    assert!(is_refused(&stub.github().branch(&repo(), "main").await));
    assert_eq!(stub.lines().len(), 4);
}

#[tokio::test]
async fn a_repository_path_cannot_lead_out_of_the_repositories() {
    let stub = Stub::start(|_| None).await;
    let github = stub.github();
    for path in ["../user", "octo/..", "octo", "./.", "octo/"] {
        let repo = RepoRef { path: path.to_owned(), ..repo() };
        assert!(matches!(github.branch(&repo, "main").await, Err(ForgeError::Missing { .. })), "{path}");
        assert!(matches!(github.credential(&repo).await, Err(ForgeError::Missing { .. })), "{path}");
    }
    assert_eq!(stub.seen().len(), 0);
}

#[tokio::test]
async fn every_request_says_who_asks_and_which_api_is_meant() {
    let stub = Stub::start(|seen| seen.is("GET", "/repos/").then(|| branch_reply('a'))).await;
    stub.github().branch(&repo(), "main").await.unwrap();
    for seen in stub.seen() {
        assert_eq!(seen.headers.get_all("user-agent").iter().count(), 1);
        assert_eq!(seen.header("user-agent"), concat!("gatewright/", env!("CARGO_PKG_VERSION")));
        assert_eq!(seen.header("x-github-api-version"), "2022-11-28");
        assert_eq!(seen.header("accept"), "application/vnd.github+json");
        assert_eq!(seen.headers.get_all("authorization").iter().count(), 1);
    }
}

/// Everything that can be asked, with its error in both of its texts.
async fn all_errors(github: &GitHub) -> Vec<String> {
    let user = User { id: 1, login: "ada".to_owned() };
    let between = Change::Between { base: commit('a'), head: commit('b') };
    let place = CommentRef { number: 1, id: 2, place: CommentPlace::Conversation };
    let reaction = Report::Reaction(ReactionReport { comment: place, reaction: Reaction::Eyes });
    let unnamed = RepoRef { installation: None, id: 70, ..repo() };
    let errors = [
        github.pull(&repo(), 1).await.err(),
        github.branch(&repo(), "main").await.err(),
        github.branch(&unnamed, "main").await.err(),
        github.file(&repo(), &commit('a'), "x").await.err(),
        github.changed_files(&repo(), &Change::Pull { number: 1 }).await.err(),
        github.changed_files(&repo(), &between).await.err(),
        github.standing(&repo(), &user, &[]).await.err(),
        github.credential(&repo()).await.err(),
        github.publish(&repo(), &check_report(60), &Known::Never).await.err(),
        github.publish(&repo(), &check_report(60), &Known::Maybe).await.err(),
        github.publish(&repo(), &comment("x"), &Known::Id(1)).await.err(),
        github.publish(&repo(), &comment_that(Holds::NoLonger, "x"), &Known::Id(1)).await.err(),
        github.publish(&repo(), &reaction, &Known::Never).await.err(),
        github.redeliver(at(-100), &|_| true).await.err(),
        github.repositories().await.err(),
        github.open_pulls(&repo(), at(-100)).await.err(),
        github.probe().await.err(),
    ];
    errors.into_iter().flatten().map(|error| format!("{error} {error:?}")).collect()
}

#[tokio::test]
async fn no_error_text_holds_a_token_or_the_key_whatever_the_server_echoes() {
    for status in [200, 201, 400, 401, 403, 404, 422, 429, 500] {
        for mint_fails in [true, false] {
            let stub = Stub::start(move |seen| {
                let mint = seen.target.ends_with("/access_tokens");
                let echo = format!("{} said {CANARY} and {:?}", seen.header("authorization"), seen.headers);
                let reply = Reply::json(status, &json!({"message": echo, "token": CANARY, "errors": [echo], "id": echo}));
                (mint_fails || !mint).then_some(reply)
            })
            .await;
            let github = stub.github();
            let errors = all_errors(&github).await;
            assert!(!errors.is_empty() || status == 404, "{status}");
            let jwt = stub.seen().first().unwrap().header("authorization").replace("Bearer ", "");
            for text in errors.iter().chain([&format!("{github:?}")]) {
                for secret in ["CANARY", jwt.as_str(), "PRIVATE KEY"] {
                    assert!(!text.contains(secret), "{status}: {text}");
                }
            }
        }
    }
}

#[tokio::test]
async fn a_token_that_no_header_can_carry_is_not_shown_either() {
    let bad = format!("{CANARY}\n");
    let stub = Stub::start(move |seen| {
        seen.is("POST", "/app/").then(|| Reply::json(201, &json!({"token": bad, "expires_at": at(3_600)})))
    })
    .await;
    let error = stub.github().branch(&repo(), "main").await.unwrap_err();
    assert!(!format!("{error} {error:?}").contains("CANARY"), "{error}");
}

#[tokio::test]
async fn nothing_is_made_from_a_configuration_that_is_wrong() {
    let stub = Stub::start(|_| None).await;
    let wrong = [
        GitHubConfig { app_id: 0, ..stub.config() },
        GitHubConfig { api_url: "http://api.github.com".to_owned(), ..stub.config() },
        GitHubConfig { clone_url: Some("git://github.com".to_owned()), ..stub.config() },
        GitHubConfig { private_key: SecretString::from("CANARY"), ..stub.config() },
        GitHubConfig { private_key: SecretString::from(""), ..stub.config() },
    ];
    for config in wrong {
        let error = GitHub::new(config).unwrap_err();
        assert!(!format!("{error} {error:?}").contains("CANARY"));
    }
}
