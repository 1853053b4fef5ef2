//! What GitHub is answered.

use std::sync::Arc;

use async_trait::async_trait;
use axum::body::Body;
use axum::http::{Request, StatusCode};
use gatewright_core::event::{Delivery, Event, Intake, IntakeError, Taken};
use gatewright_webhook::Limits;
use serde_json::json;

use crate::support::{OLD_SECRET, Sent, router, send, service, sign};

const PING: &str = r#"{"zen":"Keep it logically awesome.","hook_id":1}"#;

#[tokio::test]
async fn a_signed_delivery_is_taken_and_a_repeat_is_said_to_be_one() {
    let (service, intake) = service();
    let first = send(&service, Sent::new("ping", PING).request()).await;
    assert_eq!(first.status, StatusCode::ACCEPTED);
    assert_eq!(first.json, json!({ "delivery": "72d3162e-cc78-11e3-81ab-4c9367dc0958" }));
    let again = send(&service, Sent::new("ping", PING).request()).await;
    assert_eq!(again.status, StatusCode::OK);
    assert_eq!(again.json, first.json);

    let taken = intake.taken();
    assert_eq!(taken.len(), 1);
    assert_eq!(taken[0].id.as_str(), "github/72d3162e-cc78-11e3-81ab-4c9367dc0958");
    assert_eq!((taken[0].name.as_str(), taken[0].action.as_deref()), ("ping", None));
    assert_eq!(taken[0].body, PING.as_bytes());
}

#[tokio::test]
async fn while_a_secret_is_being_changed_both_are_good() {
    let (service, intake) = service();
    let old = Sent::new("ping", PING).header("x-hub-signature-256", &sign(OLD_SECRET, PING.as_bytes()));
    assert_eq!(send(&service, old.request()).await.status, StatusCode::ACCEPTED);
    let upper = Sent::new("ping", PING).guid("another");
    let signature = upper.headers.iter().find(|(name, _)| *name == "x-hub-signature-256").unwrap().1.to_uppercase();
    let upper = upper.header("x-hub-signature-256", &signature.replace("SHA256", "sha256"));
    assert_eq!(send(&service, upper.request()).await.status, StatusCode::ACCEPTED);
    assert_eq!(intake.taken().len(), 2);
}

#[tokio::test]
async fn without_a_right_signature_nothing_is_taken() {
    let (service, intake) = service();
    let good = Sent::new("ping", PING);
    let right = sign(crate::support::SECRET, PING.as_bytes());
    let wrong = |value: &str| good.clone().header("x-hub-signature-256", value);
    let cases = [
        good.clone().without("x-hub-signature-256"),
        good.clone().without("x-hub-signature-256").header("x-hub-signature", "sha1=7d38cdd689735b008b3c702edd92eea23791c5f6"),
        good.clone().twice("x-hub-signature-256"),
        wrong(&sign("some other secret", PING.as_bytes())),
        wrong(&sign("", PING.as_bytes())),
        wrong(""),
        wrong("sha256="),
        wrong(right.trim_start_matches("sha256=")),
        wrong(&right.replace("sha256", "SHA256")),
        wrong(&right.replace("sha256", "sha1")),
        wrong(&right[..right.len() - 2]),
        wrong(&format!("{right}00")),
        wrong(&format!("{right},{right}")),
        Sent { body: b"{}".to_vec(), ..good.clone() },
        Sent { body: Vec::new(), ..good.clone() },
    ];
    for case in cases {
        let shown = format!("{:?}", case.headers);
        let answer = send(&service, case.request()).await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{shown}");
        assert!(answer.error().contains("X-Hub-Signature-256"), "{}", answer.json);
    }
    assert_eq!(intake.taken().len(), 0);
}

#[tokio::test]
async fn the_signature_comes_before_everything_else() {
    let (service, _) = service();
    let nonsense = Sent::new("not an event!", "not JSON").without("x-github-delivery").header("x-hub-signature-256", "sha256=00");
    assert_eq!(send(&service, nonsense.request()).await.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_signed_request_that_is_no_delivery_is_told_what_is_wrong_with_it() {
    let (service, intake) = service();
    let good = Sent::new("ping", PING);
    let long = "x".repeat(200);
    let cases = [
        (good.clone().without("x-github-event"), "the header X-GitHub-Event is missing"),
        (good.clone().twice("x-github-event"), "the header X-GitHub-Event is there more than once"),
        (good.clone().header("x-github-event", "a b"), "the header X-GitHub-Event is not the name of an event"),
        (good.clone().header("x-github-event", &long), "the header X-GitHub-Event is not the name of an event"),
        (good.clone().header("x-github-event", "\u{fc}"), "the header X-GitHub-Event is not the name of an event"),
        (good.clone().without("x-github-delivery"), "the header X-GitHub-Delivery is missing"),
        (good.clone().twice("x-github-delivery"), "the header X-GitHub-Delivery is there more than once"),
        (good.clone().guid(""), "the header X-GitHub-Delivery is not a delivery's id"),
        (good.clone().guid("../x"), "the header X-GitHub-Delivery is not a delivery's id"),
        (good.clone().guid(&long), "the header X-GitHub-Delivery is not a delivery's id"),
        (good.clone().without("content-type"), "the header Content-Type is missing"),
        (
            good.clone().header("content-type", "text/plain"),
            "the header Content-Type is neither application/json nor application/x-www-form-urlencoded",
        ),
        (Sent::new("ping", ""), "the payload is not JSON (line 1, column 0)"),
        (Sent::new("ping", "{\"zen\":"), "the payload is not JSON (line 1, column 7)"),
        (Sent::new("pull_request", "{}{}"), "the payload is not JSON (line 1, column 3)"),
        (Sent::new("pull_request", b"{\n\"zen\":\"\xff\"}"), "the payload is not JSON (line 2, column 7)"),
        (Sent::new("ping", "payload=%7B%7D"), "the payload is not JSON (line 1, column 1)"),
        (
            Sent::new("ping", PING).header("content-type", "application/x-www-form-urlencoded"),
            "the header Content-Type says that the body is a form, and it has no field `payload`",
        ),
    ];
    for (case, cause) in cases {
        let answer = send(&service, case.request()).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{cause}");
        assert_eq!(answer.error(), cause);
    }
    assert_eq!(intake.taken().len(), 0);
}

#[tokio::test]
async fn a_hook_that_sends_forms_works_too() {
    let (service, intake) = service();
    let json = r#"{"action":"created","text":"100% & more"}"#;
    let form: String = form_urlencoded::Serializer::new(String::new()).append_pair("payload", json).finish();
    let types = ["application/x-www-form-urlencoded", "Application/X-WWW-Form-Urlencoded; charset=utf-8"];
    for (guid, content_type) in types.into_iter().enumerate() {
        let sent = Sent::new("issue_comment", form.clone()).guid(&guid.to_string()).header("content-type", content_type);
        assert_eq!(send(&service, sent.request()).await.status, StatusCode::ACCEPTED);
    }
    let taken = intake.taken();
    assert_eq!(taken.len(), 2);
    assert_eq!(taken[0].action.as_deref(), Some("created"));
    // The body is kept as it was signed, so that its signature can be checked again.
    assert_eq!(taken[0].body, form.as_bytes());
}

#[tokio::test]
async fn only_post_is_answered_with_more_than_how_to_do_it() {
    let (service, _) = service();
    for method in ["GET", "PUT", "DELETE", "PATCH", "OPTIONS"] {
        let request = Request::builder().method(method).uri("/webhooks/github").body(Body::empty()).unwrap();
        let answer = send(&service, request).await;
        assert_eq!(answer.status, StatusCode::METHOD_NOT_ALLOWED, "{method}");
        assert_eq!(answer.headers["allow"], "POST");
        assert_eq!(answer.error(), "webhooks are sent with POST");
    }
}

#[tokio::test]
async fn events_without_a_use_are_taken_like_any_other() {
    let (service, intake) = service();
    let cases = [
        ("deployment_protection_rule", r#"{"action":"requested","environment":"production"}"#, "requested"),
        ("pull_request", r#"{"action":"enqueued","number":1}"#, "enqueued"),
        ("pull_request", r#"{"action":"dequeued","number":1}"#, "dequeued"),
        ("pull_request", r#"{"action":"auto_merge_enabled","number":1}"#, "auto_merge_enabled"),
        ("pull_request", r#"{"action":"something new","number":1}"#, "something new"),
        ("an_event_of_next_year", r#"{"action":"invented"}"#, "invented"),
    ];
    for (guid, (event, body, _)) in cases.iter().enumerate() {
        let answer = send(&service, Sent::new(event, *body).guid(&guid.to_string()).request()).await;
        assert_eq!(answer.status, StatusCode::ACCEPTED, "{event} {body}");
    }
    let taken = intake.taken();
    for (delivery, (event, _, action)) in taken.iter().zip(cases) {
        assert_eq!((delivery.name.as_str(), delivery.action.as_deref()), (event, Some(action)));
        assert!(matches!(delivery.event, Event::Unused { .. }));
    }
    assert_eq!(taken.len(), cases.len());
}

struct Full;

#[async_trait]
impl Intake for Full {
    async fn take(&self, _: Delivery) -> Result<Taken, IntakeError> {
        Err(IntakeError { retry_after_secs: 17, cause: "no space left on /var/lib".to_owned() })
    }
}

#[tokio::test]
async fn a_store_that_is_full_has_the_forge_come_back_later() {
    let service = router(Arc::new(Full), Limits::default());
    let answer = send(&service, Sent::new("ping", PING).request()).await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(answer.headers["retry-after"], "17");
    // What is wrong on this side is for the log, not for whoever sends.
    assert_eq!(answer.error(), "the delivery could not be stored");
    assert!(!answer.json.to_string().contains("/var/lib"));
}
