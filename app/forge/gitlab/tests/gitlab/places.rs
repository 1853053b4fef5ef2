//! Which project, commit and pipeline a status goes to.

use gatewright_core::forge::Forge;
use gatewright_core::report::{CheckReport, CheckStatus, Conclusion, Known};
use serde_json::{Value, json};

use crate::stub::*;

const PIPELINES: &str = "/api/v4/projects/7/merge_requests/5/pipelines";

/// Answers for a merge request, and for statuses anywhere but in the projects that are closed to us.
async fn project(request: Value, closed: &'static [u64]) -> Stub {
    Stub::start(move |seen| {
        let is_closed = closed.iter().any(|id| seen.target.starts_with(&format!("/api/v4/projects/{id}/")));
        match (seen.method.as_str(), seen.path()) {
            ("GET", REQUEST) => Reply::ok(request.clone()),
            ("POST", path) if path.contains("/statuses/") => {
                if is_closed {
                    Some(Reply::says(403, "403 Forbidden"))
                } else {
                    Reply::made(json!({"id": 90}))
                }
            }
            _ => None,
        }
    })
    .await
}

/// Publishes a running check, and says to where it went: the path's end, the ref and the pipeline.
async fn sent(stub: &Stub, check: CheckReport) -> (String, Value, Value) {
    stub.gitlab().publish(&repo(), &report(check), &Known::Never).await.unwrap();
    let last = stub.seen().into_iter().rfind(|seen| seen.method == "POST").unwrap();
    let place = last.target.strip_prefix("/api/v4/projects/").unwrap().to_owned();
    (place, last.body["ref"].clone(), last.body["pipeline_id"].clone())
}

fn place(project: u64, digit: char) -> String {
    format!("{project}/statuses/{}", commit(digit))
}

#[tokio::test]
async fn without_a_pipeline_the_source_branch_is_named() {
    let stub = project(merge_request(), &[]).await;
    assert_eq!(sent(&stub, check(running())).await, (place(7, 'a'), json!("feature"), json!(null)));
}

#[tokio::test]
async fn without_a_pipeline_the_next_status_looks_for_one_again() {
    let stub = project(merge_request(), &[]).await;
    let gitlab = stub.gitlab();
    let made = gitlab.publish(&repo(), &report(check(CheckStatus::Queued)), &Known::Never).await.unwrap();
    gitlab.publish(&repo(), &report(check(running())), &Known::Id(made.id)).await.unwrap();
    assert_eq!(stub.count("GET", REQUEST), 2);
}

#[tokio::test]
async fn a_pipeline_is_looked_for_again_after_a_minute() {
    let stub = project(merge_request_with(json!({"head_pipeline": pipeline(42)})), &[]).await;
    let gitlab = stub.gitlab();
    for (secs, lookups) in [(0, 1), (59, 1), (1, 2)] {
        stub.pass(secs);
        gitlab.publish(&repo(), &report(check(running())), &Known::Id(1)).await.unwrap();
        assert_eq!(stub.count("GET", REQUEST), lookups);
    }
}

#[tokio::test]
async fn a_pipeline_of_another_commit_is_not_named() {
    let mut other = pipeline(41);
    other["sha"] = json!(commit('f'));
    let stub = project(merge_request_with(json!({"head_pipeline": other})), &[]).await;
    assert_eq!(sent(&stub, check(running())).await, (place(7, 'a'), json!("feature"), json!(null)));
}

#[tokio::test]
async fn a_merged_results_pipeline_counts_if_it_is_of_this_head() {
    for (parent, expected) in [
        ('a', (place(7, 'f'), json!("refs/merge-requests/5/merge"), json!(43))),
        ('9', (place(7, 'a'), json!("feature"), json!(null))),
    ] {
        let merged = json!({"id": 43, "project_id": 7, "sha": commit('f'), "ref": "refs/merge-requests/5/merge"});
        let request = merge_request_with(json!({"head_pipeline": merged}));
        let of_pipeline = format!("{PROJECT}/repository/commits/{}", commit('f'));
        let stub = Stub::start(move |seen| match (seen.method.as_str(), seen.path()) {
            ("GET", REQUEST) => Reply::ok(request.clone()),
            ("GET", path) if path == of_pipeline => {
                Reply::ok(json!({"id": commit('f'), "parent_ids": [commit('c'), commit(parent)]}))
            }
            ("POST", _) => Reply::made(json!({"id": 90})),
            _ => None,
        })
        .await;
        assert_eq!(sent(&stub, check(running())).await, expected);
    }
}

#[tokio::test]
async fn a_commit_that_is_no_longer_the_head_keeps_its_own_pipeline() {
    let request = merge_request_with(json!({"sha": commit('e'), "head_pipeline": pipeline(50)}));
    let pipelines = json!([
        {"id": 50, "sha": commit('e'), "ref": "refs/merge-requests/5/head", "project_id": 7},
        {"id": 41, "sha": commit('a'), "ref": "refs/merge-requests/5/head", "project_id": 7},
        {"id": 40, "sha": commit('a'), "ref": "feature", "project_id": 7}
    ]);
    let stub = Stub::start(move |seen| match (seen.method.as_str(), seen.path()) {
        ("GET", REQUEST) => Reply::ok(request.clone()),
        ("GET", PIPELINES) => Reply::ok(pipelines.clone()),
        ("POST", _) => Reply::made(json!({"id": 90})),
        _ => None,
    })
    .await;
    assert_eq!(sent(&stub, check(running())).await, (place(7, 'a'), json!("refs/merge-requests/5/head"), json!(41)));
}

#[tokio::test]
async fn a_status_without_a_merge_request_is_on_its_commit() {
    let stub = project(merge_request(), &[]).await;
    let of_branch = CheckReport { pull: None, ..check(running()) };
    assert_eq!(sent(&stub, of_branch).await, (place(7, 'a'), json!(null), json!(null)));
    assert_eq!(stub.count("GET", REQUEST), 0);
}

fn from_fork(head_pipeline: Value) -> Value {
    merge_request_with(json!({"source_project_id": 8, "head_pipeline": head_pipeline}))
}

#[tokio::test]
async fn a_forks_pipeline_gets_the_status_where_we_may_write_there() {
    let in_fork = json!({"id": 44, "project_id": 8, "sha": commit('a'), "ref": "feature"});
    let stub = project(from_fork(in_fork), &[]).await;
    assert_eq!(sent(&stub, check(running())).await, (place(8, 'a'), json!("feature"), json!(44)));
}

#[tokio::test]
async fn a_forks_pipeline_in_the_target_project_gets_the_status() {
    let stub = project(from_fork(pipeline(45)), &[8]).await;
    assert_eq!(sent(&stub, check(running())).await, (place(7, 'a'), json!("refs/merge-requests/5/head"), json!(45)));
}

#[tokio::test]
async fn where_the_fork_is_closed_to_us_the_target_gets_it_under_no_branch_of_its_own() {
    let in_fork = json!({"id": 44, "project_id": 8, "sha": commit('a'), "ref": "main"});
    for pipeline in [in_fork, json!(null)] {
        let stub = project(from_fork(pipeline), &[8]).await;
        let gitlab = stub.gitlab();
        for _ in 0..3 {
            gitlab.publish(&repo(), &report(check(running())), &Known::Never).await.unwrap();
        }
        let target = format!("{PROJECT}/statuses/{}", commit('a'));
        let refs: Vec<Value> = stub.bodies("POST", &target).into_iter().map(|body| body["ref"].clone()).collect();
        assert_eq!(
            refs,
            [json!("refs/merge-requests/5/head"), json!("refs/merge-requests/5/head"), json!("refs/merge-requests/5/head")]
        );
        assert_eq!(stub.count("POST", &format!("/api/v4/projects/8/statuses/{}", commit('a'))), 1, "it is tried once");
        stub.pass(600);
        gitlab.publish(&repo(), &report(check(running())), &Known::Never).await.unwrap();
        assert_eq!(stub.count("POST", &format!("/api/v4/projects/8/statuses/{}", commit('a'))), 2, "and again later");
    }
}

#[tokio::test]
async fn a_fork_that_is_gone_leaves_the_target() {
    let stub = project(merge_request_with(json!({"source_project_id": null})), &[]).await;
    assert_eq!(sent(&stub, check(running())).await, (place(7, 'a'), json!("refs/merge-requests/5/head"), json!(null)));
}

#[tokio::test]
async fn where_no_place_is_for_us_it_is_refused() {
    let stub = project(from_fork(json!(null)), &[7, 8]).await;
    assert!(is_refused(&stub.gitlab().publish(&repo(), &report(check(running())), &Known::Never).await));
}

#[tokio::test]
async fn a_pipeline_that_was_deleted_meanwhile_is_looked_up_again() {
    let stub = Stub::start(|seen| match (seen.method.as_str(), seen.path()) {
        ("GET", REQUEST) => Reply::ok(merge_request_with(json!({"head_pipeline": pipeline(42)}))),
        ("POST", _) => Some(Reply::says(404, "404 Pipeline for pipeline_id, sha and ref Not Found")),
        _ => None,
    })
    .await;
    let gitlab = stub.gitlab();
    for lookups in [1, 2] {
        assert!(is_unavailable(&gitlab.publish(&repo(), &report(check(running())), &Known::Never).await));
        assert_eq!(stub.count("GET", REQUEST), lookups);
    }
}

#[tokio::test]
async fn a_check_of_a_cancelled_run_is_canceled_as_gitlab_spells_it() {
    let stub = Stub::start(|seen| match (seen.method.as_str(), seen.path()) {
        ("GET", REQUEST) => Reply::ok(merge_request_with(json!({"head_pipeline": pipeline(42)}))),
        ("POST", _) => Reply::made(json!({"id": 90})),
        _ => None,
    })
    .await;
    stub.gitlab().publish(&repo(), &report(check(completed(Conclusion::Cancelled))), &Known::Never).await.unwrap();
    assert_eq!(stub.seen().last().unwrap().body["state"], "canceled");
}
