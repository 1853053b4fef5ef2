//! Findings: uploads to code scanning, and suggestions in reviews.

use std::sync::atomic::{AtomicUsize, Ordering};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use gatewright_core::forge::Forge;
use gatewright_core::report::{CheckReport, CheckStatus, Known, Published, Report, ScanOf, ScanReport};
use gatewright_core::suggestion::Suggestion;
use serde_json::{Value, json};

use crate::stub::*;

fn scan(of: ScanOf, bytes: usize) -> Report {
    Report::Scan(Box::new(ScanReport { head: commit('a'), of, sarif: vec![7; bytes].into() }))
}

const UPLOAD: &str = "/repos/octo/app/code-scanning/sarifs";

/// A GitHub that takes an upload, and then answers this to each question for it, the last one again and again.
async fn processing(answers: Vec<Reply>) -> Stub {
    let asked = AtomicUsize::new(0);
    Stub::start(move |seen| match seen.method.as_str() {
        "POST" if seen.target == UPLOAD => Some(Reply::json(202, &json!({"id": "47177e22"}))),
        "GET" if seen.target == format!("{UPLOAD}/47177e22") => {
            Some(answers[asked.fetch_add(1, Ordering::SeqCst).min(answers.len() - 1)].clone())
        }
        _ => None,
    })
    .await
}

fn state(status: &str) -> Reply {
    Reply::json(200, &json!({"processing_status": status, "analyses_url": null, "errors": null}))
}

#[tokio::test]
async fn what_code_scanning_cannot_process_is_refused_in_its_own_words() {
    let errors = json!(["locationFromSarifResult: expected at least one location", "token ghs_abc\n@all"]);
    let failed = Reply::json(200, &json!({"processing_status": "failed", "errors": errors}));
    let stub = processing(vec![Reply::status(404), state("pending"), failed]).await;
    let refused = stub.github().publish(&repo(), &scan(ScanOf::Pull(5), 3), &Known::Never).await.unwrap_err();
    assert_eq!(
        refused.to_string(),
        "GitHub refused: code scanning could not process the findings: locationFromSarifResult: expected at least one location; \
         token [redacted] @all"
    );
    assert_eq!(stub.count("POST", UPLOAD), 1);
    assert_eq!(stub.count("GET", UPLOAD), 3);
}

#[tokio::test]
async fn an_upload_counts_as_taken_where_nobody_says_that_it_failed_and_what_is_still_open_is_told_apart() {
    for (answer, asked, id) in [
        (state("complete"), 1, ScanReport::TAKEN),
        (state("pending"), 9, ScanReport::PENDING),
        (state("of another day"), 9, ScanReport::PENDING),
        (Reply::status(403), 1, ScanReport::TAKEN),
    ] {
        let stub = processing(vec![answer]).await;
        assert_eq!(stub.github().publish(&repo(), &scan(ScanOf::Pull(5), 3), &Known::Never).await, Ok(Published { id }));
        assert_eq!((stub.count("POST", UPLOAD), stub.count("GET", UPLOAD)), (1, asked));
    }
}

#[tokio::test]
async fn findings_are_uploaded_for_the_pull_request_or_the_branch_by_a_token_of_its_own() {
    let stub = processing(vec![state("complete")]).await;
    let github = stub.github();
    for of in [ScanOf::Pull(5), ScanOf::Branch("main".to_owned())] {
        assert_eq!(github.publish(&repo(), &scan(of, 3), &Known::Never).await, Ok(Published { id: ScanReport::TAKEN }));
    }
    let sent: Vec<Value> = stub.seen().into_iter().filter(|seen| seen.is("POST", UPLOAD)).map(|seen| seen.body).collect();
    let body = |of: &str| json!({"commit_sha": commit('a'), "ref": of, "sarif": BASE64_STANDARD.encode([7, 7, 7])});
    assert_eq!(sent, [body("refs/pull/5/head"), body("refs/heads/main")]);
    let asked: Vec<Value> = stub.seen().into_iter().filter(|seen| seen.is("POST", "/app/")).map(|seen| seen.body).collect();
    assert_eq!(asked, [json!({"repository_ids": [7], "permissions": {"metadata": "read", "security_events": "write"}})]);
}

#[tokio::test]
async fn an_upload_may_be_repeated_and_what_is_not_taken_is_refused() {
    let stub = Stub::start(|seen| seen.is("POST", UPLOAD).then(|| Reply::status(502))).await;
    assert!(is_unavailable(&stub.github().publish(&repo(), &scan(ScanOf::Pull(5), 3), &Known::Never).await));
    assert_eq!(stub.count("POST", UPLOAD), 3);
    for status in [403, 413] {
        let stub = Stub::start(move |seen| seen.is("POST", UPLOAD).then(|| Reply::status(status))).await;
        let result = stub.github().publish(&repo(), &scan(ScanOf::Pull(5), 3), &Known::Never).await;
        assert!(is_refused(&result), "{status}: {result:?}");
    }
    let stub = Stub::start(|_| None).await;
    let large = scan(ScanOf::Pull(5), 10 * 1024 * 1024 + 1);
    assert!(is_refused(&stub.github().publish(&repo(), &large, &Known::Never).await));
    assert_eq!(stub.count("POST", UPLOAD), 0);
}

fn suggestion(first_line: u32, last_line: u32, text: &str) -> Suggestion {
    let (path, text, message) = ("src/lib.rs".to_owned(), text.to_owned(), "`rule`: `better so`".to_owned());
    Suggestion { path, first_line, last_line, text, message }
}

fn with(suggestions: Vec<Suggestion>) -> CheckReport {
    CheckReport { pull: Some(5), suggestions, ..check(0) }
}

const COMMENTS: &str = "/repos/octo/app/pulls/5/comments";
const REVIEWS: &str = "/repos/octo/app/pulls/5/reviews";

/// A GitHub with these comments on the diff, which takes reviews as this status.
async fn stub_with(comments: Value, reviews: u16) -> Stub {
    Stub::start(move |seen| match (seen.method.as_str(), seen.target.as_str()) {
        ("POST", "/repos/octo/app/check-runs") => Some(Reply::json(201, &json!({"id": 8}))),
        ("GET", target) if target.starts_with(COMMENTS) => Some(Reply::json(200, &comments)),
        ("GET", "/app") => Some(Reply::json(200, &json!({"id": APP, "slug": "gw"}))),
        ("GET", target) if target.starts_with("/users/gw") => Some(Reply::json(200, &json!({"id": 77}))),
        ("POST", REVIEWS) => Some(Reply::json(reviews, &json!({"id": 9, "message": "no"}))),
        _ => None,
    })
    .await
}

async fn publish(stub: &Stub, report: CheckReport) -> Result<Published, gatewright_core::forge::ForgeError> {
    stub.github().publish(&repo(), &Report::Check(Box::new(report)), &Known::Never).await
}

fn reviews(stub: &Stub) -> Vec<Value> {
    stub.seen().into_iter().filter(|seen| seen.is("POST", REVIEWS)).map(|seen| seen.body).collect()
}

#[tokio::test]
async fn what_tools_propose_is_one_review_of_comments_that_can_be_applied() {
    let stub = stub_with(json!([]), 200).await;
    publish(&stub, with(vec![suggestion(3, 4, "let x = 1;"), suggestion(9, 9, "``` @all")])).await.unwrap();
    let reviews = reviews(&stub);
    let [review] = reviews.as_slice() else { panic!("{reviews:?}") };
    assert_eq!((&review["event"], &review["commit_id"]), (&json!("COMMENT"), &json!(commit('a'))));
    assert_eq!(review["body"], "`gatewright/tests` proposes 2 changes. Each can be taken as it is, or left.");
    let comments = review["comments"].as_array().unwrap();
    let place = |comment: &Value| {
        let mut place = comment.clone();
        place.as_object_mut().unwrap().remove("body");
        place
    };
    let expected = json!({"path": "src/lib.rs", "line": 4, "side": "RIGHT", "start_line": 3, "start_side": "RIGHT"});
    assert_eq!(place(&comments[0]), expected);
    assert_eq!(place(&comments[1]), json!({"path": "src/lib.rs", "line": 9, "side": "RIGHT"}));
    let body = comments[0]["body"].as_str().unwrap();
    assert!(body.starts_with("<!-- gatewright:suggestion "), "{body}");
    assert!(body.ends_with(" -->\n`rule`: `better so`\n\n```suggestion\nlet x = 1;\n```"), "{body}");
    assert!(comments[1]["body"].as_str().unwrap().ends_with("````suggestion\n``` @all\n````"));
}

#[tokio::test]
async fn what_was_proposed_once_is_not_proposed_again_though_lines_have_moved() {
    let first = stub_with(json!([]), 200).await;
    publish(&first, with(vec![suggestion(3, 3, "x")])).await.unwrap();
    let body = reviews(&first)[0]["comments"][0]["body"].clone();
    let there = |user: u64| json!([{"id": 1, "body": body, "user": {"id": user}}]);
    let stub = stub_with(there(77), 200).await;
    publish(&stub, with(vec![suggestion(30, 30, "x")])).await.unwrap();
    assert_eq!(reviews(&stub).len(), 0);
    let stub = stub_with(there(77), 200).await;
    publish(&stub, with(vec![suggestion(30, 30, "x"), suggestion(3, 3, "y")])).await.unwrap();
    assert_eq!(reviews(&stub)[0]["comments"].as_array().unwrap().len(), 1);
    // Somebody else's comment that looks like ours is none of ours.
    let stub = stub_with(there(78), 200).await;
    publish(&stub, with(vec![suggestion(3, 3, "x")])).await.unwrap();
    assert_eq!(reviews(&stub).len(), 1);
}

#[tokio::test]
async fn a_check_is_shown_though_its_suggestions_are_not_taken() {
    let stub = stub_with(json!([]), 422).await;
    assert_eq!(publish(&stub, with(vec![suggestion(3, 3, "x")])).await, Ok(Published { id: 8 }));
    // What may pass by itself is tried again by the caller.
    let stub = stub_with(json!([]), 502).await;
    assert!(is_unavailable(&publish(&stub, with(vec![suggestion(3, 3, "x")])).await));
    assert_eq!(reviews(&stub).len(), 1, "twice might make two");
}

#[tokio::test]
async fn nothing_is_proposed_before_the_verdict_or_outside_of_a_pull_request() {
    let stub = stub_with(json!([]), 200).await;
    let waiting = CheckReport { status: CheckStatus::Queued, ..with(vec![suggestion(3, 3, "x")]) };
    let elsewhere = CheckReport { pull: None, ..with(vec![suggestion(3, 3, "x")]) };
    for report in [waiting, elsewhere, with(Vec::new())] {
        publish(&stub, report).await.unwrap();
    }
    assert_eq!(stub.count("GET", COMMENTS) + reviews(&stub).len(), 0);
}
