//! Publishing the sticky note and replies.

use std::sync::{Arc, Mutex};

use gatewright_core::forge::Forge;
use gatewright_core::report::{Holds, Known};
use serde_json::{Value, json};

use crate::stub::*;

const LIST: &str = "/api/v4/projects/7/merge_requests/5/notes";
const FOLD: &str = "<details><summary>This no longer holds.</summary>";

/// The notes of a merge request.
#[derive(Clone, Default)]
struct Notes(Arc<Mutex<Vec<Value>>>);

impl Notes {
    fn with(notes: Vec<Value>) -> Self {
        Notes(Arc::new(Mutex::new(notes)))
    }

    fn answer(&self, seen: &Seen) -> Option<Reply> {
        let mut notes = self.0.lock().unwrap();
        if seen.is("GET", LIST) {
            return Reply::ok(json!(*notes));
        }
        if seen.is("POST", LIST) {
            let made = ours(notes.len() as u64 + 500, seen.body["body"].as_str().unwrap());
            notes.push(made.clone());
            return Reply::made(made);
        }
        let id: u64 = seen.target.strip_prefix(LIST)?.strip_prefix('/')?.parse().ok()?;
        let Some(at) = notes.iter().position(|note| note["id"] == id) else {
            return Some(Reply::says(404, "404 Note Not Found"));
        };
        match seen.method.as_str() {
            "GET" => Reply::ok(notes[at].clone()),
            "PUT" => {
                notes[at]["body"] = seen.body["body"].clone();
                Reply::ok(notes[at].clone())
            }
            "DELETE" => {
                notes.remove(at);
                Some(Reply::text(204, ""))
            }
            _ => None,
        }
    }

    fn bodies(&self) -> Vec<(u64, String)> {
        let notes = self.0.lock().unwrap();
        notes.iter().map(|n| (n["id"].as_u64().unwrap(), n["body"].as_str().unwrap().to_owned())).collect()
    }
}

async fn stub_of(notes: &Notes) -> Stub {
    let notes = notes.clone();
    Stub::start(move |seen| notes.answer(seen)).await
}

fn ours(id: u64, body: &str) -> Value {
    json!({"id": id, "body": body, "author": {"id": ME, "username": "gatewright"}, "system": false})
}

fn by_user(id: u64, body: &str) -> Value {
    json!({"id": id, "body": body, "author": {"id": 77, "username": "mallory"}, "system": false})
}

fn marked(body: &str) -> String {
    format!("{MARKER}\n{body}")
}

#[tokio::test]
async fn one_note_is_made_and_then_edited() {
    let notes = Notes::default();
    let stub = stub_of(&notes).await;
    let gitlab = stub.gitlab();
    let made = gitlab.publish(&repo(), &comment("one"), &Known::Maybe).await.unwrap();
    gitlab.publish(&repo(), &comment("two"), &Known::Id(made.id)).await.unwrap();
    gitlab.publish(&repo(), &comment("three"), &Known::Maybe).await.unwrap();
    assert_eq!(notes.bodies(), [(made.id, marked("three"))]);
    let before = stub.lines().len();
    gitlab.publish(&repo(), &comment("three"), &Known::Maybe).await.unwrap();
    assert_eq!(stub.lines().len(), before + 1, "what is already so is only looked at");
    assert_eq!(stub.count("GET", "/api/v4/user"), 1, "who we are is asked once");
}

#[tokio::test]
async fn a_note_answered_502_is_sent_once_and_found_the_next_time() {
    let notes = Notes::default();
    let inner = notes.clone();
    let stub = Stub::start(move |seen| {
        let reply = inner.answer(seen);
        if seen.is("POST", LIST) { Some(Reply::status(502)) } else { reply }
    })
    .await;
    let gitlab = stub.gitlab();
    assert!(is_unavailable(&gitlab.publish(&repo(), &comment("one"), &Known::Never).await));
    assert_eq!(stub.count("POST", LIST), 1);
    gitlab.publish(&repo(), &comment("two"), &Known::Maybe).await.unwrap();
    assert_eq!(notes.bodies(), [(500, marked("two"))]);
}

#[tokio::test]
async fn somebody_elses_note_with_our_marker_is_not_ours() {
    let notes = Notes::with(vec![
        by_user(1, &marked("forged")),
        json!({"id": 2, "body": marked("forged"), "author": null}),
        ours(4, &format!("quoting {MARKER}")),
        ours(5, &marked("the one")),
    ]);
    let stub = stub_of(&notes).await;
    assert_eq!(stub.gitlab().publish(&repo(), &comment("new"), &Known::Maybe).await.unwrap().id, 5);
    assert_eq!((notes.bodies().len(), notes.bodies()[0].1.as_str()), (4, marked("forged").as_str()));
}

#[tokio::test]
async fn of_several_of_ours_the_oldest_stays_and_the_others_go() {
    let notes =
        Notes::with(vec![ours(12, &marked("c")), ours(10, &marked("a")), by_user(9, &marked("z")), ours(11, &marked("b"))]);
    let stub = stub_of(&notes).await;
    stub.gitlab().publish(&repo(), &comment("new"), &Known::Maybe).await.unwrap();
    assert_eq!(notes.bodies(), [(10, marked("new")), (9, marked("z"))]);
}

#[tokio::test]
async fn a_note_that_was_deleted_is_made_again() {
    let notes = Notes::default();
    let stub = stub_of(&notes).await;
    let published = stub.gitlab().publish(&repo(), &comment("again"), &Known::Id(3)).await.unwrap();
    assert_eq!(notes.bodies(), [(published.id, marked("again"))]);
}

#[tokio::test]
async fn runs_of_one_merge_request_that_publish_at_once_make_one_note() {
    let notes = Notes::default();
    let stub = stub_of(&notes).await;
    let gitlab = Arc::new(stub.gitlab());
    let calls: Vec<_> = (0..10)
        .map(|n| {
            let gitlab = gitlab.clone();
            tokio::spawn(async move { gitlab.publish(&repo(), &comment(&format!("run {n}")), &Known::Maybe).await.unwrap() })
        })
        .collect();
    for call in calls {
        assert_eq!(call.await.unwrap().id, 500);
    }
    assert_eq!(notes.bodies().len(), 1);
}

#[tokio::test]
async fn a_note_that_no_longer_holds_is_folded_once_and_never_made() {
    let notes = Notes::with(vec![ours(8, &marked("You may not."))]);
    let stub = stub_of(&notes).await;
    let gitlab = stub.gitlab();
    let gone = comment_that(Holds::NoLonger, "");
    for known in [Known::Id(8), Known::Maybe, Known::Id(8)] {
        assert_eq!(gitlab.publish(&repo(), &gone, &known).await.unwrap().id, 8);
    }
    assert_eq!(notes.bodies(), [(8, marked(&format!("{FOLD}\n\nYou may not.\n\n</details>")))]);
    assert_eq!(stub.count("PUT", &format!("{LIST}/8")), 1);
    let empty = stub_of(&Notes::default()).await;
    for known in [Known::Never, Known::Maybe, Known::Id(3)] {
        empty.gitlab().publish(&repo(), &gone, &known).await.unwrap();
    }
    assert!(empty.seen().iter().all(|seen| seen.method == "GET"));
}

#[tokio::test]
async fn what_others_wrote_gives_gitlab_no_orders() {
    let notes = Notes::default();
    let stub = stub_of(&notes).await;
    let gitlab = stub.gitlab();
    let made = gitlab.publish(&repo(), &comment("Why:\n/merge\n  /approve now\n/usr/bin/x"), &Known::Never).await.unwrap();
    let expected = marked("Why:\n\u{200B}/merge\n  \u{200B}/approve now\n/usr/bin/x");
    assert_eq!(notes.bodies(), [(made.id, expected.clone())]);
    gitlab.publish(&repo(), &comment("Why:\n/merge\n  /approve now\n/usr/bin/x"), &Known::Maybe).await.unwrap();
    assert_eq!(stub.count("PUT", &format!("{LIST}/{}", made.id)), 0, "it is found to be so already");
}

#[tokio::test]
async fn a_note_that_is_too_long_keeps_marker_and_beginning() {
    let notes = Notes::default();
    let stub = stub_of(&notes).await;
    let body = format!("First things first.\n{}", "| ü | row |\n".repeat(100_000));
    stub.gitlab().publish(&repo(), &comment(&body), &Known::Never).await.unwrap();
    let (_, body) = notes.bodies().remove(0);
    assert!(body.len() <= 1_000_000 && body.starts_with(&marked("First things first.\n")) && body.contains("left out"));
}
