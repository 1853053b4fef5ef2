//! Comments that no longer hold.

use gatewright_core::forge::Forge;
use gatewright_core::report::{Holds, Known, Published};
use gatewright_forge_github::{GitHub, GitHubConfig};
use serde_json::{Value, json};

use crate::stub::*;

const ONE: &str = "/repos/octo/app/issues/comments/500";
const LIST: &str = "/repos/octo/app/issues/5/comments";

fn ours(body: &str) -> Value {
    json!({"id": 500, "node_id": "IC_500", "body": body, "user": {"id": 1, "type": "Bot"}, "performed_via_github_app": {"id": APP}})
}

/// A stub with one comment of ours, whose GraphQL answers so.
async fn with_reply(graphql: Reply) -> Stub {
    Stub::start(move |seen| match (seen.method.as_str(), seen.target.split('?').next().unwrap()) {
        ("POST", "/graphql") => Some(graphql.clone()),
        ("GET", ONE) => Some(Reply::json(200, &ours(&format!("{MARKER}\nNo.")))),
        ("GET", LIST) => Some(Reply::json(200, &json!([ours(&format!("{MARKER}\nNo."))]))),
        ("PATCH", ONE) => Some(Reply::json(200, &json!({"id": 500}))),
        _ => None,
    })
    .await
}

fn done() -> Reply {
    Reply::json(200, &json!({"data": {"minimizeComment": {"minimizedComment": {"isMinimized": true}}}}))
}

fn error(error: &Value) -> Reply {
    Reply::json(200, &json!({"data": {"minimizeComment": null}, "errors": [error]}))
}

async fn retire(github: &GitHub, known: Known) -> Result<Published, gatewright_core::forge::ForgeError> {
    github.publish(&repo(), &comment_that(Holds::NoLonger, "No."), &known).await
}

#[tokio::test]
async fn a_comment_that_no_longer_holds_is_minimised_as_resolved() {
    for known in [Known::Id(500), Known::Maybe, Known::Never] {
        let stub = with_reply(done()).await;
        assert_eq!(retire(&stub.github(), known).await, Ok(Published { id: 500 }));
        let sent = stub.seen().into_iter().find(|seen| seen.target == "/graphql").unwrap();
        assert_eq!(sent.body["variables"], json!({"input": {"subjectId": "IC_500", "classifier": "RESOLVED"}}));
        assert_eq!((stub.count("PATCH", "/"), stub.count("POST", "/repos/")), (0, 0), "its text stays, none is made");
    }
}

#[tokio::test]
async fn on_an_enterprise_server_graphql_lies_beside_rest() {
    let stub = Stub::start(|seen| match seen.target.strip_prefix("/api")? {
        "/graphql" => Some(done()),
        "/v3/app/installations/99/access_tokens" => {
            Some(Reply::json(201, &json!({"token": CANARY, "expires_at": at(3_600).to_string()})))
        }
        "/v3/repos/octo/app/issues/comments/500" => Some(Reply::json(200, &ours(MARKER))),
        _ => None,
    })
    .await;
    let github = GitHub::new(GitHubConfig { api_url: format!("{}/api/v3", stub.url()), ..stub.config() }).unwrap();
    assert_eq!(retire(&github, Known::Id(500)).await, Ok(Published { id: 500 }));
    let sent = stub.seen().into_iter().find(|seen| seen.target == "/api/graphql").unwrap();
    assert_eq!(sent.header("authorization"), format!("Bearer {CANARY}"));
}

#[tokio::test]
async fn one_that_is_not_there_is_not_made() {
    let stub = Stub::start(|seen| seen.is("GET", LIST).then(|| Reply::json(200, &json!([])))).await;
    let github = stub.github();
    assert_eq!(retire(&github, Known::Id(500)).await, Ok(Published { id: 500 }));
    assert_eq!(retire(&github, Known::Maybe).await, Ok(Published { id: 0 }));
    assert_eq!(retire(&github, Known::Never).await, Ok(Published { id: 0 }));
    assert_eq!(retire(&github, Known::Id(0)).await, Ok(Published { id: 0 }));
    assert!(stub.lines().iter().all(|line| line.starts_with("GET ")));
}

#[tokio::test]
async fn one_that_is_minimised_already_is_left_alone() {
    let mut comment = ours(MARKER);
    comment["minimized"] = json!({"reason": "spam"});
    let stub = Stub::start(move |seen| seen.is("GET", ONE).then(|| Reply::json(200, &comment))).await;
    assert_eq!(retire(&stub.github(), Known::Id(500)).await, Ok(Published { id: 500 }));
    assert_eq!(stub.lines(), [format!("GET {ONE}")]);
}

#[tokio::test]
async fn one_that_goes_meanwhile_is_gone() {
    let stub = with_reply(error(&json!({"type": "NOT_FOUND", "message": "Could not resolve to a node"}))).await;
    assert_eq!(retire(&stub.github(), Known::Id(500)).await, Ok(Published { id: 500 }));
    assert_eq!(stub.count("PATCH", "/"), 0);
}

#[tokio::test]
async fn where_github_does_not_minimise_it_is_folded_once() {
    let refusals = [
        error(&json!({"type": "FORBIDDEN", "message": "Resource not accessible by integration"})),
        error(&json!({"message": "Field 'x' doesn't exist", "extensions": {"code": "undefinedField"}})),
        Reply::status(404),
        Reply::status(403),
    ];
    let folded = format!("{MARKER}\n<details><summary>This no longer holds.</summary>\n\nNo.\n\n</details>");
    for refusal in refusals {
        let stub = with_reply(refusal).await;
        assert_eq!(retire(&stub.github(), Known::Id(500)).await, Ok(Published { id: 500 }));
        let sent = stub.seen().into_iter().find(|seen| seen.method == "PATCH").unwrap();
        assert_eq!(sent.body, json!({"body": folded}));
    }
    let stub = Stub::start(move |seen| (seen.is("GET", ONE)).then(|| Reply::json(200, &ours(&folded)))).await;
    assert_eq!(retire(&stub.github(), Known::Id(500)).await, Ok(Published { id: 500 }));
    assert_eq!(stub.count("PATCH", "/"), 0);
}

#[tokio::test]
async fn what_may_pass_is_tried_again_and_a_limit_is_a_limit() {
    let stub = with_reply(error(&json!({"message": "Something went wrong while executing your query."}))).await;
    assert!(is_unavailable(&retire(&stub.github(), Known::Id(500)).await));
    let stub = with_reply(Reply::status(502)).await;
    assert!(is_unavailable(&retire(&stub.github(), Known::Id(500)).await));
    assert_eq!(stub.count("POST", "/graphql"), 3);
    let stub = with_reply(error(&json!({"type": "RATE_LIMITED", "message": "API rate limit exceeded"}))).await;
    assert!(is_limited(&retire(&stub.github(), Known::Id(500)).await, 60));
}

#[tokio::test]
async fn what_is_left_of_graphql_says_nothing_of_rest() {
    let used_up =
        done().with("x-ratelimit-resource", "graphql").with("x-ratelimit-remaining", 0).with("x-ratelimit-reset", START + 900);
    let stub = with_reply(used_up).await;
    let github = stub.github();
    retire(&github, Known::Id(500)).await.unwrap();
    assert_eq!(retire(&github, Known::Id(500)).await, Ok(Published { id: 500 }));
}

#[tokio::test]
async fn replies_of_two_runs_are_two_comments() {
    let marker = |run: &str| format!("<!-- reply {run} -->");
    let other =
        json!({"id": 7, "node_id": "IC_7", "body": format!("{}\nx", marker("two")), "performed_via_github_app": {"id": APP}});
    let stub = Stub::start(move |seen| match (seen.method.as_str(), seen.target.split('?').next().unwrap()) {
        ("GET", LIST) => Some(Reply::json(200, &json!([other]))),
        ("POST", LIST) => Some(Reply::json(201, &json!({"id": 8}))),
        _ => None,
    })
    .await;
    let report = |run: &str| {
        let report = gatewright_core::report::CommentReport {
            on: gatewright_core::ItemRef::Pull { number: 5 },
            marker: marker(run),
            body: "x".to_owned(),
            holds: Holds::Yes,
        };
        gatewright_core::report::Report::Comment(report)
    };
    let github = stub.github();
    assert_eq!(github.publish(&repo(), &report("one"), &Known::Maybe).await, Ok(Published { id: 8 }));
    assert_eq!(github.publish(&repo(), &report("two"), &Known::Maybe).await, Ok(Published { id: 7 }));
}
