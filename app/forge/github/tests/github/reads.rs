//! What is read of a repository.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use gatewright_core::event::User;
use gatewright_core::forge::{Change, Forge, ForgeError, Reviews};
use gatewright_forge_github::{GitHub, GitHubConfig};
use serde_json::{Value, json};

use crate::stub::*;

fn pull_json(state: &str, head_repo: &Value) -> Value {
    json!({
        "number": 5, "state": state, "title": "A <b>title</b>", "user": {"id": 42, "login": "ada", "type": "Mannequin"},
        "head": {"ref": "feature", "sha": commit('b'), "repo": head_repo},
        "base": {"ref": "release/1.0#x", "sha": commit('c'), "repo": {"id": 7}},
        "a_field_of_tomorrow": {"deep": [null]},
    })
}

async fn pull_stub(pull: Value) -> Stub {
    Stub::start(move |seen| match seen.target.as_str() {
        "/repos/octo/app/pulls/5" => Some(Reply::json(200, &pull)),
        "/repos/octo/app/branches/release%2F1.0%23x" => Some(branch_reply('d')),
        _ => None,
    })
    .await
}

#[tokio::test]
async fn a_pull_request_comes_with_the_tip_of_its_base() {
    let stub = pull_stub(pull_json("open", &json!({"id": 7}))).await;
    let pull = stub.github().pull(&repo(), 5).await.unwrap();
    assert_eq!((pull.number, pull.open, pull.fork), (5, true, false));
    assert_eq!((pull.head, pull.base, pull.base_ref.as_str()), (commit('b'), commit('d'), "release/1.0#x"));
    assert_eq!((pull.author, pull.title.as_str()), (User { id: 42, login: "ada".to_owned() }, "A <b>title</b>"));
}

#[tokio::test]
async fn a_fork_is_a_fork_also_after_it_was_deleted() {
    for head_repo in [json!({"id": 8}), json!(null)] {
        let stub = pull_stub(pull_json("open", &head_repo)).await;
        assert!(stub.github().pull(&repo(), 5).await.unwrap().fork, "{head_repo}");
    }
}

#[tokio::test]
async fn a_closed_pull_request_can_be_read_without_its_base_branch_and_author() {
    let mut pull = pull_json("closed", &json!(null));
    pull["base"]["ref"] = json!("gone");
    pull["user"] = json!(null);
    let stub = pull_stub(pull.clone()).await;
    let read = stub.github().pull(&repo(), 5).await.unwrap();
    assert_eq!((read.open, read.base, read.author.login.as_str()), (false, commit('c'), "ghost"));
    pull["state"] = json!("open");
    let stub = pull_stub(pull).await;
    assert!(matches!(stub.github().pull(&repo(), 5).await, Err(ForgeError::Missing { .. })));
}

#[tokio::test]
async fn what_did_not_change_is_answered_from_memory() {
    let stub = Stub::start(|seen| {
        let known = seen.header("if-none-match") == "W/\"abc\"";
        let read = seen.is("GET", "/repos/octo/app/branches/main");
        read.then(|| {
            if known { Reply::text(304, "").with("etag", "W/\"abc\"") } else { branch_reply('a').with("etag", "W/\"abc\"") }
        })
    })
    .await;
    let github = stub.github();
    for _ in 0..3 {
        assert_eq!(github.branch(&repo(), "main").await, Ok(commit('a')));
    }
    let sent: Vec<_> = stub.seen().iter().filter(|s| s.method == "GET").map(|s| s.header("if-none-match").to_owned()).collect();
    assert_eq!(sent, ["", "W/\"abc\"", "W/\"abc\""]);
}

#[tokio::test]
async fn a_moved_branch_is_seen_at_once() {
    let reads = AtomicUsize::new(0);
    let stub = Stub::start(move |seen| {
        let digit = ['a', 'b'][reads.load(Ordering::SeqCst).min(1)];
        let read = seen.is("GET", "/repos/");
        read.then(|| {
            reads.fetch_add(1, Ordering::SeqCst);
            branch_reply(digit).with("etag", format!("\"{digit}\""))
        })
    })
    .await;
    let github = stub.github();
    assert_eq!(github.branch(&repo(), "main").await, Ok(commit('a')));
    assert_eq!(github.branch(&repo(), "main").await, Ok(commit('b')));
}

#[tokio::test]
async fn a_file_at_a_commit_is_read_once() {
    let stub = Stub::start(|seen| {
        let file = "/repos/octo/app/contents/.github/a%20b.yml?ref=aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
        seen.is("GET", file).then(|| Reply::json(200, &json!({"type": "file", "encoding": "base64", "content": "Z2F0\nZXM6\n"})))
    })
    .await;
    let github = stub.github();
    for _ in 0..2 {
        assert_eq!(github.file(&repo(), &commit('a'), ".github/a b.yml").await, Ok(Some(Bytes::from("gates:"))));
    }
    assert_eq!(stub.lines().len(), 1);
    assert_eq!(github.file(&repo(), &commit('b'), ".github/a b.yml").await, Ok(None));
}

#[tokio::test]
async fn a_path_that_leads_elsewhere_is_no_file_and_is_never_asked_for() {
    let stub = Stub::start(|_| None).await;
    let github = stub.github();
    for path in ["../../../user", "a/../b", "./a", "/etc/passwd", "", "a//b"] {
        assert_eq!(github.file(&repo(), &commit('a'), path).await, Ok(None), "{path}");
    }
    assert_eq!(stub.seen().len(), 0);
}

#[tokio::test]
async fn a_file_over_one_mebibyte_is_refused() {
    let stub = Stub::start(|seen| {
        seen.is("GET", "/repos/")
            .then(|| Reply::json(200, &json!({"type": "file", "encoding": "none", "content": "", "size": 2_000_000})))
    })
    .await;
    assert!(is_refused(&stub.github().file(&repo(), &commit('a'), "large.bin").await));
}

fn files(count: usize) -> Value {
    (0..count).map(|n| json!({"filename": format!("f{n}"), "status": "modified"})).collect()
}

/// Pages of a hundred files, at most `pages` of them.
async fn files_stub(pages: usize) -> Stub {
    Stub::start(move |seen| {
        if !seen.is("GET", "/ghe/api/v3/repos/octo/app/pulls/5/files?per_page=100") {
            return seen
                .target
                .strip_prefix("/ghe/api/v3/app/")
                .map(|_| Reply::json(201, &json!({"token": token(1), "expires_at": at(3_600)})));
        }
        let page: usize = seen.target.rsplit_once("&page=").map_or(1, |(_, page)| page.parse().unwrap());
        let reply = Reply::json(200, &files(100));
        let next =
            format!("<https://ghe.example/ghe/api/v3/repos/octo/app/pulls/5/files?per_page=100&page={}>; rel=\"next\"", page + 1);
        Some(if page < pages { reply.with("link", next) } else { reply })
    })
    .await
}

fn enterprise(stub: &Stub) -> GitHub {
    GitHub::new(GitHubConfig { api_url: format!("{}/ghe/api/v3/", stub.url()), ..stub.config() }).unwrap()
}

#[tokio::test]
async fn the_files_of_a_pull_request_are_paged_through_with_authorisation_on_any_host() {
    let stub = files_stub(3).await;
    let found = enterprise(&stub).changed_files(&repo(), &Change::Pull { number: 5 }).await.unwrap();
    assert_eq!((found.paths.len(), found.incomplete), (300, false));
    let reads: Vec<_> = stub.seen().into_iter().filter(|seen| seen.method == "GET").collect();
    assert_eq!(reads.len(), 3);
    assert!(reads.iter().all(|seen| seen.header("authorization") == format!("Bearer {}", token(1))));
    assert_eq!(reads[2].target, "/ghe/api/v3/repos/octo/app/pulls/5/files?per_page=100&page=3");
}

#[tokio::test]
async fn a_list_of_files_that_github_cut_is_incomplete() {
    for (pages, incomplete) in [(29, false), (30, true), (40, true)] {
        let stub = files_stub(pages).await;
        let found = enterprise(&stub).changed_files(&repo(), &Change::Pull { number: 5 }).await.unwrap();
        assert_eq!(found.incomplete, incomplete, "{pages} pages");
        assert!(found.paths.len() <= 3_100);
    }
}

async fn compared(comparison: Value) -> (Vec<String>, bool) {
    let stub = Stub::start(move |seen| seen.is("GET", "/repos/octo/app/compare/").then(|| Reply::json(200, &comparison))).await;
    let change = Change::Between { base: commit('a'), head: commit('b') };
    let found = stub.github().changed_files(&repo(), &change).await.unwrap();
    assert_eq!(stub.lines(), [format!("GET /repos/octo/app/compare/{}...{}?per_page=1", commit('a'), commit('b'))]);
    (found.paths, found.incomplete)
}

#[tokio::test]
async fn a_renamed_file_counts_under_both_names() {
    let comparison = json!({"status": "ahead", "files": [{"filename": "new", "previous_filename": "old", "status": "renamed"}]});
    assert_eq!(compared(comparison).await, (vec!["old".to_owned(), "new".to_owned()], false));
}

#[tokio::test]
async fn a_comparison_that_names_not_everything_is_incomplete() {
    assert!(compared(json!({"status": "ahead", "files": files(300)})).await.1);
    assert!(compared(json!({"status": "diverged", "files": files(1)})).await.1, "a forced push took commits away");
    assert!(compared(json!({"status": "behind", "files": []})).await.1);
    assert!(!compared(json!({"status": "ahead", "files": files(299)})).await.1);
    assert!(!compared(json!({"status": "identical"})).await.1);
}

#[tokio::test]
async fn an_answer_larger_than_is_read_is_cut_off_and_counts_as_incomplete() {
    let huge = Arc::new("x".repeat(17 * 1024 * 1024));
    let stub = Stub::start(move |seen| seen.is("GET", "/repos/").then(|| Reply::text(200, &huge))).await;
    let github = stub.github();
    let found = github.changed_files(&repo(), &Change::Pull { number: 5 }).await.unwrap();
    assert!(found.incomplete);
    assert!(is_refused(&github.file(&repo(), &commit('a'), "x").await));
}

#[tokio::test]
async fn those_approve_whose_latest_word_is_an_approval() {
    let review = |id: u64, login: &str, state: &str| json!({"id": 1, "user": {"id": id, "login": login}, "state": state});
    let stub = Stub::start(move |seen| {
        let page = |reviews: Value| Reply::json(200, &reviews);
        match seen.target.as_str() {
            "/repos/octo/app/pulls/5/reviews?per_page=100" => {
                let next = "</repos/octo/app/pulls/5/reviews?per_page=100&page=2>; rel=\"next\"".to_owned();
                let gone = json!({"id": 2, "user": null, "state": "APPROVED"});
                Some(
                    page(json!([review(1, "ann", "APPROVED"), review(2, "bob", "APPROVED"), review(3, "cid", "PENDING"), gone]))
                        .with("link", next),
                )
            }
            "/repos/octo/app/pulls/5/reviews?per_page=100&page=2" => Some(page(json!([
                review(1, "ann", "COMMENTED"),
                review(2, "bob", "CHANGES_REQUESTED"),
                review(4, "dan", "APPROVED"),
                review(4, "dan", "DISMISSED"),
                review(5, "eve", "CHANGES_REQUESTED"),
                review(5, "eve", "APPROVED"),
            ]))),
            _ => None,
        }
    })
    .await;
    let approvals = stub.github().approvals(&repo(), 5).await.unwrap();
    let names: Vec<&str> = approvals.iter().map(|user| user.login.as_str()).collect();
    assert_eq!(names, ["ann", "eve"]);
}
