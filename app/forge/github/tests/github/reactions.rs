//! Publishing reactions.

use gatewright_core::event::{CommentPlace, CommentRef};
use gatewright_core::forge::{Forge, ForgeError};
use gatewright_core::report::{Known, Published, Reaction, ReactionReport, Report};
use gatewright_forge_github::Limits;
use serde_json::json;

use crate::stub::*;

fn report(place: CommentPlace, reaction: Reaction) -> Report {
    Report::Reaction(ReactionReport { comment: CommentRef { number: 5, id: 31, place }, reaction })
}

fn eyes() -> Report {
    report(CommentPlace::Conversation, Reaction::Eyes)
}

#[tokio::test]
async fn each_reaction_has_its_word_and_each_place_its_address() {
    let stub = Stub::start(|seen| seen.is("POST", "/repos/").then(|| Reply::json(201, &json!({"id": 8, "content": "x"})))).await;
    let github = stub.github();
    for (place, reaction) in [
        (CommentPlace::Conversation, Reaction::Eyes),
        (CommentPlace::Diff, Reaction::ThumbsUp),
        (CommentPlace::Conversation, Reaction::Confused),
    ] {
        assert_eq!(github.publish(&repo(), &report(place, reaction), &Known::Never).await, Ok(Published { id: 8 }));
    }
    let sent: Vec<_> = stub.seen().into_iter().filter(|seen| seen.is("POST", "/repos/")).map(|s| (s.target, s.body)).collect();
    let expected = [
        ("/repos/octo/app/issues/comments/31/reactions".to_owned(), json!({"content": "eyes"})),
        ("/repos/octo/app/pulls/comments/31/reactions".to_owned(), json!({"content": "+1"})),
        ("/repos/octo/app/issues/comments/31/reactions".to_owned(), json!({"content": "confused"})),
    ];
    assert_eq!(sent, expected);
}

#[tokio::test]
async fn one_that_is_there_is_as_good_as_a_new_one() {
    let stub = Stub::start(|seen| seen.is("POST", "/repos/").then(|| Reply::json(200, &json!({"id": 8})))).await;
    let github = stub.github();
    for known in [Known::Never, Known::Maybe, Known::Id(8)] {
        assert_eq!(github.publish(&repo(), &eyes(), &known).await, Ok(Published { id: 8 }));
    }
    assert_eq!(stub.count("DELETE", "/"), 0);
}

#[tokio::test]
async fn an_uncertain_end_is_repeated_at_once_because_twice_is_once() {
    let stub = Stub::start(|seen| seen.is("POST", "/repos/").then(|| Reply::status(502))).await;
    assert!(is_unavailable(&stub.github().publish(&repo(), &eyes(), &Known::Never).await));
    assert_eq!(stub.count("POST", "/repos/"), 3);
}

#[tokio::test]
async fn another_reaction_under_the_same_key_takes_the_older_ones_place() {
    for gone in [204, 404] {
        let stub = Stub::start(move |seen| match seen.method.as_str() {
            "DELETE" => Some(Reply::text(gone, "")),
            _ => seen.is("POST", "/repos/").then(|| Reply::json(201, &json!({"id": 9}))),
        })
        .await;
        let up = report(CommentPlace::Conversation, Reaction::ThumbsUp);
        assert_eq!(stub.github().publish(&repo(), &up, &Known::Id(8)).await, Ok(Published { id: 9 }));
        assert_eq!(stub.lines()[1..], ["DELETE /repos/octo/app/issues/comments/31/reactions/8"]);
    }
}

#[tokio::test]
async fn a_comment_that_was_deleted_cannot_be_reacted_to() {
    let stub = Stub::start(|_| None).await;
    let result = stub.github().publish(&repo(), &eyes(), &Known::Never).await;
    assert!(matches!(result, Err(ForgeError::Missing { .. })), "{result:?}");
}

#[tokio::test]
async fn reactions_do_not_use_up_what_comments_need() {
    let stub = Stub::start(|seen| seen.is("POST", "/repos/").then(|| Reply::json(201, &json!({"id": 8})))).await;
    let github = stub.github_with(Limits { content_per_minute: 1, content_per_hour: 1, ..Limits::default() });
    for _ in 0..120 {
        github.publish(&repo(), &eyes(), &Known::Never).await.unwrap();
    }
    github.publish(&repo(), &comment("the one"), &Known::Never).await.unwrap();
}
