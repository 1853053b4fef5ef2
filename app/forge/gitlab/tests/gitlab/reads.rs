//! Merge requests, branches, files, and who we are.

use bytes::Bytes;
use gatewright_core::forge::{Forge, Reviews};
use gatewright_forge_gitlab::{GitLab, GitLabConfig};
use secrecy::ExposeSecret;
use serde_json::json;

use crate::stub::*;

const BRANCH: &str = "/api/v4/projects/7/repository/branches/main";

#[tokio::test]
async fn a_merge_request_is_read_with_its_target_branch_as_it_is_now() {
    let stub = Stub::start(|seen| match seen.target.as_str() {
        REQUEST => Reply::ok(merge_request()),
        BRANCH => Some(branch_reply('d')),
        _ => None,
    })
    .await;
    let pull = stub.gitlab().pull(&repo(), 5).await.unwrap();
    assert_eq!((pull.number, pull.open, pull.fork), (5, true, false));
    assert_eq!((pull.head, pull.base, pull.base_ref.as_str()), (commit('a'), commit('d'), "main"));
    assert_eq!((pull.author.id, pull.author.login.as_str(), pull.title.as_str()), (77, "ada", "Add it"));
}

#[tokio::test]
async fn a_source_in_another_project_or_in_none_is_a_fork() {
    for source in [json!(8), json!(null)] {
        let stub = Stub::start(move |seen| match seen.target.as_str() {
            REQUEST => Reply::ok(merge_request_with(json!({"source_project_id": source}))),
            BRANCH => Some(branch_reply('d')),
            _ => None,
        })
        .await;
        assert!(stub.gitlab().pull(&repo(), 5).await.unwrap().fork);
    }
}

#[tokio::test]
async fn only_an_opened_one_is_open_and_a_merged_one_needs_its_branch_no_more() {
    for (state, open) in [("opened", true), ("closed", false), ("merged", false), ("locked", false)] {
        let stub = Stub::start(move |seen| match seen.target.as_str() {
            REQUEST => Reply::ok(merge_request_with(json!({"state": state}))),
            BRANCH => Some(Reply::says(404, "404 Branch Not Found")),
            _ => None,
        })
        .await;
        let pull = stub.gitlab().pull(&repo(), 5).await;
        match open {
            true => assert!(is_missing(&pull)),
            false => assert_eq!(pull.map(|pull| (pull.open, pull.base)), Ok((false, commit('c')))),
        }
    }
}

#[tokio::test]
async fn a_merge_request_that_gitlab_still_prepares_is_asked_for_again_later() {
    let stub = Stub::start(|seen| match seen.target.as_str() {
        REQUEST => Reply::ok(merge_request_with(json!({"sha": null, "diff_refs": null}))),
        BRANCH => Some(branch_reply('d')),
        _ => None,
    })
    .await;
    assert!(is_unavailable(&stub.gitlab().pull(&repo(), 5).await));
}

#[tokio::test]
async fn what_has_not_changed_is_answered_by_its_tag() {
    let stub = Stub::start(|seen| {
        let known = seen.header("if-none-match") == "W/\"tag\"";
        seen.is("GET", BRANCH).then(|| if known { Reply::text(304, "") } else { branch_reply('d').with("etag", "W/\"tag\"") })
    })
    .await;
    let gitlab = stub.gitlab();
    for _ in 0..2 {
        assert_eq!(gitlab.branch(&repo(), "main").await, Ok(commit('d')));
    }
    assert_eq!(stub.seen().iter().map(|seen| seen.header("if-none-match").to_owned()).collect::<Vec<_>>(), ["", "W/\"tag\""]);
}

#[tokio::test]
async fn odd_branch_names_stay_one_segment() {
    let stub = Stub::start(|seen| {
        (seen.target == "/api/v4/projects/7/repository/branches/feat%2F%C3%BC%20%231%3F").then(|| branch_reply('e'))
    })
    .await;
    let gitlab = stub.gitlab();
    assert_eq!(gitlab.branch(&repo(), "feat/ü #1?").await, Ok(commit('e')));
    assert!(is_missing(&gitlab.branch(&repo(), "..").await));
    assert_eq!(stub.lines().len(), 1);
}

#[tokio::test]
async fn a_file_is_read_raw_at_its_commit_once() {
    let target = format!("{PROJECT}/repository/files/dir%2F.gatewright.yml/raw?ref={}", commit('a'));
    let stub = Stub::start(move |seen| (seen.target == target).then(|| Reply::text(200, "gates: {}\n"))).await;
    let gitlab = stub.gitlab();
    for _ in 0..2 {
        let file = gitlab.file(&repo(), &commit('a'), "dir/.gatewright.yml").await;
        assert_eq!(file, Ok(Some(Bytes::from("gates: {}\n"))));
    }
    assert_eq!(stub.lines().len(), 1, "a file at a commit never changes");
}

#[tokio::test]
async fn no_file_is_told_from_no_commit_and_from_no_project() {
    for (words, expected) in [("404 File Not Found", true), ("404 Commit Not Found", false), ("404 Project Not Found", false)] {
        let stub = Stub::start(move |_| Some(Reply::says(404, words))).await;
        let file = stub.gitlab().file(&repo(), &commit('a'), "x").await;
        assert_eq!(file == Ok(None), expected, "{words}");
        assert_eq!(is_missing(&file), !expected, "{words}");
    }
}

#[tokio::test]
async fn a_file_of_one_mebibyte_is_read_and_a_larger_one_refused() {
    let stub = Stub::start(|seen| {
        let bytes = if seen.target.contains("small") { 1024 * 1024 } else { 1024 * 1024 + 1 };
        Some(Reply::text(200, &"x".repeat(bytes)))
    })
    .await;
    let gitlab = stub.gitlab();
    assert_eq!(gitlab.file(&repo(), &commit('a'), "small").await.unwrap().unwrap().len(), 1024 * 1024);
    assert!(is_refused(&gitlab.file(&repo(), &commit('a'), "large").await));
}

#[tokio::test]
async fn a_probe_says_who_we_are_and_what_gitlab_it_is() {
    for (reply, version) in
        [(Reply::json(200, &json!({"version": "18.2.1-ee", "revision": "x"})), Some("18.2.1-ee")), (Reply::status(403), None)]
    {
        let stub = Stub::start(move |seen| seen.is("GET", "/api/v4/version").then(|| reply.clone())).await;
        let whoami = stub.gitlab().probe().await.unwrap();
        assert_eq!((whoami.id, whoami.username.as_str(), whoami.version.as_deref()), (ME, "gatewright", version));
    }
}

#[tokio::test]
async fn gitlab_below_a_path_is_reached_below_it() {
    let stub =
        Stub::start(|seen| (seen.target == "/git/lab/api/v4/projects/7/repository/branches/main").then(|| branch_reply('d')))
            .await;
    let gitlab = GitLab::new(GitLabConfig { url: format!("{}/git/lab/", stub.url()), ..stub.config() }).unwrap();
    assert_eq!(gitlab.branch(&repo(), "main").await, Ok(commit('d')));
    let credential = gitlab.credential(&repo()).await.unwrap();
    assert_eq!(credential.url, format!("{}/git/lab/group/sub/app.git", stub.url()));
}

#[tokio::test]
async fn git_gets_the_token_of_its_own_where_there_is_one() {
    let stub = Stub::start(|_| None).await;
    let of = async |config| {
        let (user, secret) = GitLab::new(config).unwrap().credential(&repo()).await.unwrap().login.unwrap();
        (user, secret.expose_secret().to_owned())
    };
    assert_eq!(of(stub.config()).await, ("oauth2".to_owned(), CANARY.to_owned()));
    let config = GitLabConfig { clone_token: Some("glpat-readonly-00000".into()), ..stub.config() };
    assert_eq!(of(config).await, ("oauth2".to_owned(), "glpat-readonly-00000".to_owned()));
}

#[tokio::test]
async fn those_approve_whom_gitlab_names() {
    let stub = Stub::start(|seen| {
        (seen.target == format!("{REQUEST}/approvals"))
            .then(|| Reply::json(200, &json!({"approved_by": [{"user": {"id": 9, "username": "max"}}, {"user": null}, {}]})))
    })
    .await;
    let approvals = stub.gitlab().approvals(&repo(), 5).await.unwrap();
    assert_eq!(approvals.iter().map(|user| (user.id, user.login.as_str())).collect::<Vec<_>>(), [(9, "max")]);
}
