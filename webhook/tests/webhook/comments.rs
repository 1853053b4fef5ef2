//! Comments on GitHub's pull requests.

use gatewright_core::event::{CommentEvent, CommentPlace, CommentRef, Event};
use gatewright_webhook::COMMENT_BYTES_MAX;
use gatewright_webhook::github::parse;
use serde_json::{Value, json};

use crate::events::{HEAD, commit, event, mona, payload, reason, repo};
use crate::support::{APP_ID, unused};

fn comment(body: &str) -> Value {
    json!({
        "id": 492_700_400,
        "body": body,
        "user": { "login": "mona", "id": 21_031_067, "type": "User" },
        "created_at": "2019-05-15T15:20:21Z",
        "updated_at": "2019-05-15T15:20:21Z",
        "author_association": "OWNER",
        "performed_via_github_app": null,
    })
}

fn issue_comment(body: &str) -> Value {
    payload(json!({
        "action": "created",
        "issue": { "number": 7, "state": "open", "pull_request": { "url": "https://api.github.com/repos/octo-org/app.rs/pulls/7" } },
        "comment": comment(body),
    }))
}

fn review_comment(body: &str) -> Value {
    payload(json!({
        "action": "created",
        "pull_request": { "number": 7, "head": { "sha": HEAD, "ref": "feature" }, "base": { "ref": "main" } },
        "comment": comment(body),
    }))
}

#[test]
fn a_comment_with_a_command_is_handed_on_whole() {
    let body = "Looks good.\r\n\r\n  /gw run tests\r\n> /gw skip x";
    let expected = |place, head: Option<&str>| CommentEvent {
        repo: repo(),
        comment: CommentRef { number: 7, id: 492_700_400, place },
        by: mona(),
        written_at: "2019-05-15T15:20:21Z".parse().unwrap(),
        head: head.map(commit),
        body: body.to_owned(),
    };
    // A comment in the conversation does not say which commit it was written at.
    let conversation = event("issue_comment", &issue_comment(body));
    assert_eq!(conversation, Event::Comment(Box::new(expected(CommentPlace::Conversation, None))));
    let diff = event("pull_request_review_comment", &review_comment(body));
    assert_eq!(diff, Event::Comment(Box::new(expected(CommentPlace::Diff, Some(HEAD)))));
}

#[test]
fn comments_without_a_command_are_not_used() {
    for body in ["", "lgtm", "see /gw help", "> /gw run", "/", "// a comment", "/1", "https://example.com/gw"] {
        assert_eq!(reason("issue_comment", &issue_comment(body)), "the comment holds no command", "{body:?}");
        assert_eq!(reason("pull_request_review_comment", &review_comment(body)), "the comment holds no command", "{body:?}");
    }
}

#[test]
fn what_is_changed_about_a_comment_is_not_read() {
    for (name, mut payload) in
        [("issue_comment", issue_comment("/gw run")), ("pull_request_review_comment", review_comment("/gw run"))]
    {
        payload["action"] = "edited".into();
        payload["changes"] = json!({ "body": { "from": "lgtm" } });
        assert_eq!(reason(name, &payload), "edits of comments are not read");
        payload["action"] = "deleted".into();
        assert_eq!(reason(name, &payload), format!("{name} events with the action \"deleted\" are not used"));
        payload.as_object_mut().unwrap().remove("action");
        assert_eq!(reason(name, &payload), format!("{name} events without an action are not used"));
    }
}

#[test]
fn a_comment_on_an_issue_says_that_it_is_on_one() {
    for pull_request in [None, Some(Value::Null)] {
        let mut payload = issue_comment("/gw run");
        payload["issue"].as_object_mut().unwrap().remove("pull_request");
        if let Some(null) = pull_request {
            payload["issue"]["pull_request"] = null;
        }
        let Event::Comment(said) = event("issue_comment", &payload) else { panic!("it is used") };
        assert_eq!((said.comment.number, said.comment.place, said.head), (7, CommentPlace::Issue, None));
    }
}

#[test]
fn what_programs_write_is_not_read() {
    let bots = [
        ("/comment/user/type", json!("Bot")),
        ("/comment/performed_via_github_app", json!({ "id": 1, "slug": "some-app" })),
        // In whatever shape it is said.
        ("/comment/performed_via_github_app", json!(true)),
    ];
    for (path, value) in bots {
        for (name, mut payload) in
            [("issue_comment", issue_comment("/gw run")), ("pull_request_review_comment", review_comment("/gw run"))]
        {
            *payload.pointer_mut(path).unwrap() = value.clone();
            assert_eq!(reason(name, &payload), "comments of bots are not read", "{path}");
        }
    }
}

#[test]
fn what_is_missing_of_a_comment_is_named() {
    let cases = [
        ("/repository", "the payload names no repository"),
        ("/issue", "the payload has no issue"),
        ("/issue/number", "the payload has no issue.number"),
        ("/comment", "the payload has no comment"),
        ("/comment/id", "the payload has no comment.id"),
        ("/comment/body", "the payload has no text of the comment"),
        ("/comment/user", "the payload does not say who wrote the comment"),
        ("/comment/user/id", "the payload does not say who wrote the comment"),
        ("/comment/created_at", "the payload has no comment.created_at"),
    ];
    for (path, named) in cases {
        let mut payload = issue_comment("/gw run");
        *payload.pointer_mut(path).unwrap() = Value::Null;
        assert_eq!(reason("issue_comment", &payload), named);
    }
    let odd = [
        ("/comment/created_at", json!("soon"), "comment.created_at is not a time"),
        ("/comment/user/id", json!(0), "the payload does not say who wrote the comment"),
        ("/comment/id", json!(-1), "the payload does not have the form of issue_comment events"),
        ("/comment/id", json!(1e300), "the payload does not have the form of issue_comment events"),
        ("/comment/body", json!(["/gw run"]), "the payload does not have the form of issue_comment events"),
        ("/issue/number", json!("7"), "the payload does not have the form of issue_comment events"),
    ];
    for (path, value, named) in odd {
        let mut payload = issue_comment("/gw run");
        *payload.pointer_mut(path).unwrap() = value;
        assert_eq!(reason("issue_comment", &payload), named);
    }
}

#[test]
fn a_head_that_is_no_commit_is_left_out() {
    for head in [Value::Null, json!("main"), json!("0".repeat(40))] {
        let mut payload = review_comment("/gw run");
        payload["pull_request"]["head"]["sha"] = head;
        let Event::Comment(comment) = event("pull_request_review_comment", &payload) else { panic!("it is used") };
        assert_eq!(comment.head, None);
    }
}

#[test]
fn comments_of_any_size_are_read_or_said_to_be_too_long() {
    let fits = format!("/gw {}", "x".repeat(COMMENT_BYTES_MAX - 4));
    assert!(matches!(event("issue_comment", &issue_comment(&fits)), Event::Comment(_)));
    let long = format!("{fits}x");
    assert_eq!(reason("issue_comment", &issue_comment(&long)), "the comment is longer than 131072 bytes");
    let endless = "/gw run\n".repeat(10 * 1024 * 1024 / 8);
    assert_eq!(reason("issue_comment", &issue_comment(&endless)), "the comment is longer than 131072 bytes");
}

#[test]
fn a_comment_that_is_not_text_is_not_json() {
    let mut body = issue_comment("/gw run?").to_string().into_bytes();
    let at = body.iter().position(|byte| *byte == b'?').unwrap();
    body[at] = 0xff;
    assert!(parse("issue_comment", &body, APP_ID).is_err());
    // Half of a surrogate pair is JSON, and the text of nobody.
    let lone = issue_comment("/gw run?").to_string().replace('?', "\\ud800");
    let parsed = parse("issue_comment", lone.as_bytes(), APP_ID).unwrap();
    assert_eq!(unused(parsed.event), "the payload does not have the form of issue_comment events");
}
