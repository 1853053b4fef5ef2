//! Publishing reactions.

use gatewright_core::event::{CommentPlace, CommentRef};
use gatewright_core::forge::Forge;
use gatewright_core::report::{Known, Reaction, ReactionReport, Report};
use serde_json::{Value, json};

use crate::stub::*;

const EMOJI: &str = "/api/v4/projects/7/merge_requests/5/notes/31/award_emoji";

fn reaction(reaction: Reaction) -> Report {
    let comment = CommentRef { number: 5, id: 31, place: CommentPlace::Conversation };
    Report::Reaction(ReactionReport { comment, reaction })
}

fn emoji(id: u64, name: &str, user: u64) -> Value {
    json!({"id": id, "name": name, "user": {"id": user, "username": "x"}})
}

#[tokio::test]
async fn each_reaction_has_its_emoji() {
    for (given, name) in [(Reaction::Eyes, "eyes"), (Reaction::ThumbsUp, "thumbsup"), (Reaction::Confused, "confused")] {
        let stub = Stub::start(|seen| if seen.is("POST", EMOJI) { Reply::made(emoji(9, "x", ME)) } else { None }).await;
        let published = stub.gitlab().publish(&repo(), &reaction(given), &Known::Never).await.unwrap();
        assert_eq!(published.id, 9);
        assert_eq!(stub.bodies("POST", EMOJI), [json!({"name": name})]);
    }
}

#[tokio::test]
async fn an_emoji_that_is_there_already_is_found() {
    let stub = Stub::start(|seen| match seen.method.as_str() {
        "POST" => Some(Reply::says(404, "404 Award Emoji Name has already been taken Not Found")),
        "GET" if seen.is("GET", EMOJI) => {
            Reply::ok(json!([emoji(1, "eyes", 77), emoji(2, "thumbsup", ME), emoji(3, "eyes", ME)]))
        }
        _ => None,
    })
    .await;
    let gitlab = stub.gitlab();
    for known in [Known::Maybe, Known::Never, Known::Id(3)] {
        assert_eq!(gitlab.publish(&repo(), &reaction(Reaction::Eyes), &known).await.unwrap().id, 3);
    }
}

#[tokio::test]
async fn another_reaction_takes_the_place_of_the_one_before() {
    for gone in [204, 404] {
        let stub = Stub::start(move |seen| match (seen.method.as_str(), seen.path()) {
            ("POST", EMOJI) => Reply::made(emoji(9, "thumbsup", ME)),
            ("DELETE", _) => Some(Reply::status(gone)),
            _ => None,
        })
        .await;
        assert_eq!(stub.gitlab().publish(&repo(), &reaction(Reaction::ThumbsUp), &Known::Id(4)).await.unwrap().id, 9);
        assert_eq!(stub.count("DELETE", &format!("{EMOJI}/4")), 1);
    }
}

#[tokio::test]
async fn a_note_that_was_deleted_is_missing() {
    let stub = Stub::start(|_| Some(Reply::says(404, "404 Note Not Found"))).await;
    assert!(is_missing(&stub.gitlab().publish(&repo(), &reaction(Reaction::Eyes), &Known::Never).await));
}
