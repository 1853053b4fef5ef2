//! External status checks.

use gatewright_core::forge::Forge;
use gatewright_core::report::{CheckStatus, Conclusion, Known};
use serde_json::json;

use crate::stub::*;

const CHECKS: &str = "/api/v4/projects/7/merge_requests/5/status_checks";
const RESPONSES: &str = "/api/v4/projects/7/merge_requests/5/status_check_responses";

/// A project with a pipeline and with these answers about external status checks.
async fn project(checks: Reply, response: Reply) -> Stub {
    Stub::start(move |seen| match (seen.method.as_str(), seen.path()) {
        ("GET", REQUEST) => Reply::ok(merge_request_with(json!({"head_pipeline": pipeline(42)}))),
        ("GET", CHECKS) => Some(checks.clone()),
        ("POST", RESPONSES) => Some(response.clone()),
        ("POST", _) => Reply::made(json!({"id": 90})),
        ("GET", path) if path.ends_with("/discussions") || path.ends_with("/statuses") => Reply::ok(json!([])),
        _ => None,
    })
    .await
}

fn two_checks() -> Reply {
    Reply::json(
        200,
        &json!([{"id": 3, "name": "gatewright", "status": "pending"}, {"id": 4, "name": "other", "status": "pending"}]),
    )
}

#[tokio::test]
async fn the_aggregate_answers_the_external_check_of_its_name() {
    let cases = [
        (CheckStatus::Queued, "pending"),
        (running(), "pending"),
        (completed(Conclusion::Success), "passed"),
        (completed(Conclusion::Skipped), "passed"),
        (completed(Conclusion::Neutral), "passed"),
        (completed(Conclusion::Failure), "failed"),
        (completed(Conclusion::TimedOut), "failed"),
        (completed(Conclusion::ActionRequired), "failed"),
        (completed(Conclusion::Cancelled), "failed"),
    ];
    for (status, word) in cases {
        let stub = project(two_checks(), Reply::status(201)).await;
        stub.gitlab().publish(&repo(), &report(aggregate(status)), &Known::Never).await.unwrap();
        let expected = json!({"sha": commit('a'), "external_status_check_id": 3, "status": word});
        assert_eq!(stub.bodies("POST", RESPONSES), [expected]);
    }
}

#[tokio::test]
async fn a_gates_own_check_answers_none() {
    let stub = project(two_checks(), Reply::status(201)).await;
    stub.gitlab().publish(&repo(), &report(check(running())), &Known::Never).await.unwrap();
    assert_eq!((stub.count("GET", CHECKS), stub.count("POST", RESPONSES)), (0, 0));
}

#[tokio::test]
async fn a_plan_without_them_is_asked_once_an_hour() {
    for status in [403, 404] {
        let stub = project(Reply::status(status), Reply::status(500)).await;
        let gitlab = stub.gitlab();
        for _ in 0..3 {
            gitlab.publish(&repo(), &report(aggregate(running())), &Known::Never).await.unwrap();
        }
        assert_eq!(stub.count("GET", CHECKS), 1);
        stub.pass(3_600);
        gitlab.publish(&repo(), &report(aggregate(running())), &Known::Never).await.unwrap();
        assert_eq!(stub.count("GET", CHECKS), 2);
    }
}

#[tokio::test]
async fn an_answer_that_gitlab_does_not_take_leaves_the_status_shown() {
    for status in [400, 403, 409, 422] {
        let stub = project(two_checks(), Reply::status(status)).await;
        let published = stub.gitlab().publish(&repo(), &report(aggregate(running())), &Known::Never).await;
        assert_eq!(published.map(|published| published.id), Ok(90));
    }
    let stub = project(two_checks(), Reply::status(502)).await;
    let published = stub.gitlab().publish(&repo(), &report(aggregate(running())), &Known::Never).await;
    assert!(is_unavailable(&published), "what may pass is tried again");
}
