//! Which files a change touches.

use gatewright_core::forge::{Change, Forge};
use serde_json::{Value, json};

use crate::stub::*;

const DIFFS: &str = "/api/v4/projects/7/merge_requests/5/diffs";
const COMPARE: &str = "/api/v4/projects/7/repository/compare";

fn file(old: &str, new: &str) -> Value {
    json!({"old_path": old, "new_path": new, "diff": "@@ -1 +1 @@\n-a\n+b\n", "renamed_file": old != new})
}

fn between() -> Change {
    Change::Between { base: commit('b'), head: commit('a') }
}

#[tokio::test]
async fn a_renamed_file_counts_by_both_its_names() {
    let stub = Stub::start(|seen| match seen.path() {
        REQUEST => Reply::ok(merge_request_with(json!({"changes_count": "2"}))),
        DIFFS => Reply::ok(json!([file("a", "b"), file("c", "c")])),
        _ => None,
    })
    .await;
    let changed = stub.gitlab().changed_files(&repo(), &Change::Pull { number: 5 }).await.unwrap();
    assert_eq!((changed.paths, changed.incomplete), (["a", "b", "c"].map(str::to_owned).to_vec(), false));
}

#[tokio::test]
async fn all_pages_are_read_and_gitlabs_own_host_in_their_links_does_not_matter() {
    let link = r#"<http://inner.example:8080/api/v4/projects/7/merge_requests/5/diffs?page=2&per_page=100>; rel="next", <http://inner.example/x>; rel="last""#;
    let stub = Stub::start(move |seen| match seen.target.as_str() {
        REQUEST => Reply::ok(merge_request_with(json!({"changes_count": "3"}))),
        "/api/v4/projects/7/merge_requests/5/diffs?per_page=100" => {
            Some(Reply::json(200, &json!([file("a", "a")])).with("link", link))
        }
        "/api/v4/projects/7/merge_requests/5/diffs?page=2&per_page=100" => {
            Some(Reply::json(200, &json!([file("b", "b")])).with("x-next-page", 3))
        }
        "/api/v4/projects/7/merge_requests/5/diffs?per_page=100&page=3" => {
            Some(Reply::json(200, &json!([file("c", "c")])).with("x-next-page", ""))
        }
        _ => None,
    })
    .await;
    let changed = stub.gitlab().changed_files(&repo(), &Change::Pull { number: 5 }).await.unwrap();
    assert_eq!((changed.paths, changed.incomplete), (["a", "b", "c"].map(str::to_owned).to_vec(), false));
    assert!(stub.seen().iter().all(|seen| seen.header("private-token") == CANARY));
}

#[tokio::test]
async fn files_that_gitlab_does_not_name_make_it_incomplete() {
    for count in [json!("2"), json!("1000+"), json!(null), json!("")] {
        let request = merge_request_with(json!({"changes_count": count}));
        let stub = Stub::start(move |seen| match seen.path() {
            REQUEST => Reply::ok(request.clone()),
            DIFFS => Reply::ok(json!([file("a", "a")])),
            _ => None,
        })
        .await;
        let changed = stub.gitlab().changed_files(&repo(), &Change::Pull { number: 5 }).await.unwrap();
        assert!(changed.incomplete && changed.paths == ["a"], "{count}");
    }
}

#[tokio::test]
async fn pages_without_end_are_read_no_further() {
    let stub = Stub::start(|seen| match seen.path() {
        REQUEST => Reply::ok(merge_request()),
        DIFFS => Some(Reply::json(200, &json!([file("a", "a")])).with("x-next-page", 2)),
        _ => None,
    })
    .await;
    assert!(stub.gitlab().changed_files(&repo(), &Change::Pull { number: 5 }).await.unwrap().incomplete);
    assert_eq!(stub.count("GET", DIFFS), 31);
}

#[tokio::test]
async fn an_empty_page_is_the_last_whatever_it_names() {
    let stub = Stub::start(|seen| match seen.path() {
        REQUEST => Reply::ok(merge_request_with(json!({"changes_count": "0"}))),
        DIFFS => Some(Reply::json(200, &json!([])).with("x-next-page", 2)),
        _ => None,
    })
    .await;
    let changed = stub.gitlab().changed_files(&repo(), &Change::Pull { number: 5 }).await.unwrap();
    assert!(!changed.incomplete && stub.count("GET", DIFFS) == 1);
}

#[tokio::test]
async fn two_commits_are_compared_directly() {
    let stub = Stub::start(|seen| seen.is("GET", COMPARE).then(|| Reply::json(200, &json!({"diffs": [file("a", "b")]})))).await;
    let changed = stub.gitlab().changed_files(&repo(), &between()).await.unwrap();
    assert_eq!((changed.paths, changed.incomplete), (["a", "b"].map(str::to_owned).to_vec(), false));
    let query = format!("{COMPARE}?from={}&to={}&straight=true", commit('b'), commit('a'));
    assert_eq!(stub.lines(), [format!("GET {query}")]);
}

#[tokio::test]
async fn a_comparison_that_was_cut_or_given_up_is_incomplete() {
    let mut collapsed = file("a", "a");
    collapsed["collapsed"] = json!(true);
    let mut too_large = file("a", "a");
    too_large["too_large"] = json!(true);
    let many: Vec<Value> = (0..1_000).map(|n| file(&n.to_string(), &n.to_string())).collect();
    let answers = [
        json!({"diffs": [collapsed]}),
        json!({"diffs": [too_large]}),
        json!({"diffs": many}),
        json!({"diffs": [], "compare_timeout": true}),
    ];
    for answer in answers {
        let stub = Stub::start(move |_| Reply::ok(answer.clone())).await;
        assert!(stub.gitlab().changed_files(&repo(), &between()).await.unwrap().incomplete);
    }
}

#[tokio::test]
async fn a_comparison_too_large_to_be_read_is_incomplete_and_no_error() {
    let stub = Stub::start(|_| Some(Reply::text(200, &" ".repeat(17 * 1024 * 1024)))).await;
    let changed = stub.gitlab().changed_files(&repo(), &between()).await.unwrap();
    assert!(changed.incomplete && changed.paths.is_empty());
}
