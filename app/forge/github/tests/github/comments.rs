//! Publishing the sticky comment.

use std::sync::{Arc, Mutex};

use gatewright_core::forge::Forge;
use gatewright_core::report::Known;
use serde_json::{Value, json};

use crate::stub::*;

const LIST: &str = "/repos/octo/app/issues/5/comments";
const ONE: &str = "/repos/octo/app/issues/comments/";

/// The comments of a pull request.
#[derive(Clone, Default)]
struct Comments(Arc<Mutex<Vec<Value>>>);

impl Comments {
    fn with(comments: Vec<Value>) -> Self {
        Comments(Arc::new(Mutex::new(comments)))
    }

    fn answer(&self, seen: &Seen) -> Option<Reply> {
        let mut comments = self.0.lock().unwrap();
        if seen.is("GET", LIST) {
            return Some(Reply::json(200, &json!(*comments)));
        }
        if seen.is("POST", LIST) {
            let made = ours(comments.len() as u64 + 500, seen.body["body"].as_str().unwrap());
            comments.push(made.clone());
            return Some(Reply::json(201, &made));
        }
        let id: u64 = seen.target.strip_prefix(ONE)?.parse().ok()?;
        let at = comments.iter().position(|comment| comment["id"] == id)?;
        if seen.method == "DELETE" {
            comments.remove(at);
            return Some(Reply::text(204, ""));
        }
        comments[at]["body"] = seen.body["body"].clone();
        Some(Reply::json(200, &comments[at]))
    }

    fn bodies(&self) -> Vec<(u64, String)> {
        let comments = self.0.lock().unwrap();
        comments.iter().map(|c| (c["id"].as_u64().unwrap(), c["body"].as_str().unwrap().to_owned())).collect()
    }
}

async fn stub_of(comments: &Comments) -> Stub {
    let comments = comments.clone();
    Stub::start(move |seen| comments.answer(seen)).await
}

fn ours(id: u64, body: &str) -> Value {
    json!({"id": id, "body": body, "user": {"id": 1234, "login": "gw[bot]", "type": "Bot"}, "performed_via_github_app": {"id": APP}})
}

fn by_user(id: u64, body: &str) -> Value {
    json!({"id": id, "body": body, "user": {"id": 77, "login": "mallory", "type": "User"}, "performed_via_github_app": null})
}

fn marked(body: &str) -> String {
    format!("{MARKER}\n{body}")
}

#[tokio::test]
async fn one_comment_is_made_and_then_edited() {
    let comments = Comments::default();
    let stub = stub_of(&comments).await;
    let github = stub.github();
    let made = github.publish(&repo(), &comment("one"), &Known::Maybe).await.unwrap();
    github.publish(&repo(), &comment("two"), &Known::Id(made.id)).await.unwrap();
    github.publish(&repo(), &comment("three"), &Known::Maybe).await.unwrap();
    assert_eq!(comments.bodies(), [(made.id, marked("three"))]);
    let writes = stub.lines().len();
    github.publish(&repo(), &comment("three"), &Known::Maybe).await.unwrap();
    assert_eq!(stub.lines().len(), writes + 1, "what is already so is only looked at");
}

#[tokio::test]
async fn a_comment_answered_502_is_sent_once_and_found_the_next_time() {
    let comments = Comments::default();
    let inner = comments.clone();
    let stub = Stub::start(move |seen| {
        let reply = inner.answer(seen);
        if seen.is("POST", LIST) { Some(Reply::status(502)) } else { reply }
    })
    .await;
    let github = stub.github();
    assert!(is_unavailable(&github.publish(&repo(), &comment("one"), &Known::Never).await));
    assert_eq!(stub.count("POST", LIST), 1);
    github.publish(&repo(), &comment("two"), &Known::Maybe).await.unwrap();
    assert_eq!(comments.bodies(), [(500, marked("two"))]);
}

#[tokio::test]
async fn somebody_elses_comment_with_our_marker_is_not_ours() {
    let comments = Comments::with(vec![
        by_user(1, &marked("forged")),
        json!({"id": 2, "body": marked("forged"), "user": null}),
        json!({"id": 3, "body": marked("another app"), "user": {"id": 5, "type": "Bot"}, "performed_via_github_app": {"id": 1}}),
        ours(4, &format!("quoting {MARKER}")),
        ours(5, &marked("the one")),
    ]);
    let stub = stub_of(&comments).await;
    let published = stub.github().publish(&repo(), &comment("new"), &Known::Maybe).await.unwrap();
    assert_eq!(published.id, 5);
    assert_eq!(stub.count("DELETE", "/"), 0);
    assert_eq!(comments.bodies()[0].1, marked("forged"));
}

#[tokio::test]
async fn where_github_names_no_app_the_bots_number_decides() {
    let bot = |id: u64, account: u64| json!({"id": id, "body": marked("x"), "user": {"id": account, "type": "Bot"}});
    let comments = Comments::with(vec![bot(1, 4), bot(2, 1234)]);
    let inner = comments.clone();
    let stub = Stub::start(move |seen| match seen.target.as_str() {
        "/app" => Some(Reply::json(200, &json!({"id": APP, "slug": "gw"}))),
        "/users/gw%5Bbot%5D" => Some(Reply::json(200, &json!({"id": 1234, "login": "gw[bot]"}))),
        _ => inner.answer(seen),
    })
    .await;
    let github = stub.github();
    assert_eq!(github.publish(&repo(), &comment("new"), &Known::Maybe).await.unwrap().id, 2);
    github.publish(&repo(), &comment("newer"), &Known::Maybe).await.unwrap();
    assert_eq!(stub.count("GET", "/users/"), 1, "asked once");
}

#[tokio::test]
async fn of_several_of_ours_the_oldest_stays_and_the_others_go() {
    let comments =
        Comments::with(vec![ours(12, &marked("c")), ours(10, &marked("a")), by_user(9, &marked("z")), ours(11, &marked("b"))]);
    let stub = stub_of(&comments).await;
    stub.github().publish(&repo(), &comment("new"), &Known::Maybe).await.unwrap();
    assert_eq!(comments.bodies(), [(10, marked("new")), (9, marked("z"))]);
}

#[tokio::test]
async fn a_comment_that_was_deleted_is_made_again() {
    for gone in [404, 410] {
        let comments = Comments::default();
        let inner = comments.clone();
        let stub =
            Stub::start(move |seen| if seen.method == "PATCH" { Some(Reply::status(gone)) } else { inner.answer(seen) }).await;
        let published = stub.github().publish(&repo(), &comment("again"), &Known::Id(3)).await.unwrap();
        assert_eq!(comments.bodies(), [(published.id, marked("again"))]);
    }
}

#[tokio::test]
async fn runs_of_one_pull_request_that_publish_at_once_make_one_comment() {
    let comments = Comments::default();
    let stub = stub_of(&comments).await;
    let github = Arc::new(stub.github());
    let calls: Vec<_> = (0..10)
        .map(|n| {
            let github = github.clone();
            tokio::spawn(async move { github.publish(&repo(), &comment(&format!("run {n}")), &Known::Maybe).await.unwrap() })
        })
        .collect();
    for call in calls {
        assert_eq!(call.await.unwrap().id, 500);
    }
    assert_eq!(comments.bodies().len(), 1);
}

#[tokio::test]
async fn our_comment_is_found_on_a_later_page_and_asked_for_with_authorisation() {
    let stub = Stub::start(|seen| {
        if seen.target == "/repositories/7/issues/5/comments?per_page=100&page=2" {
            return Some(Reply::json(200, &json!([ours(88, &marked("old"))])));
        }
        if seen.is("GET", LIST) {
            let next = r#"<https://other.example/repositories/7/issues/5/comments?per_page=100&page=2>; rel="next""#;
            return Some(Reply::json(200, &json!([by_user(1, "hello")])).with("link", next));
        }
        seen.is("PATCH", ONE).then(|| Reply::json(200, &json!({})))
    })
    .await;
    assert_eq!(stub.github().publish(&repo(), &comment("new"), &Known::Maybe).await.unwrap().id, 88);
    assert!(
        stub.seen().iter().filter(|s| s.method != "POST").all(|s| s.header("authorization") == format!("Bearer {}", token(1)))
    );
}

#[tokio::test]
async fn a_comment_that_is_too_long_keeps_marker_and_beginning() {
    let comments = Comments::default();
    let stub = stub_of(&comments).await;
    let body = format!("First things first.\n{}", "| ü | row |\n".repeat(10_000));
    stub.github().publish(&repo(), &comment(&body), &Known::Never).await.unwrap();
    let (_, body) = comments.bodies().remove(0);
    assert!(body.len() <= 65_536 && body.starts_with(&marked("First things first.\n")) && body.contains("left out"));
}
