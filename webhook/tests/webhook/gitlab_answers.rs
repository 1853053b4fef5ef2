//! What GitLab is answered.

use std::sync::Arc;

use axum::body::Body;
use axum::http::{Request, StatusCode};
use futures_util::future;
use gatewright_core::ForgeKind;
use gatewright_core::event::Event;
use gatewright_webhook::Limits;
use serde_json::json;

use crate::support::{Recording, Sent, router, send, service};

const PIPELINE: &str = r#"{"object_kind":"pipeline","object_attributes":{"id":31}}"#;

#[tokio::test]
async fn a_delivery_is_taken_and_a_repeat_is_said_to_be_one() {
    let (service, intake) = service();
    let first = send(&service, Sent::gitlab("Pipeline Hook", PIPELINE).request()).await;
    assert_eq!(first.status, StatusCode::ACCEPTED);
    assert_eq!(first.json, json!({ "delivery": "f5e5f430-f57b-4e6e-9fac-d9128cd7232f" }));
    // A new attempt has a UUID of its own, and the key of the first one.
    let again = Sent::gitlab("Pipeline Hook", PIPELINE).header("x-gitlab-webhook-uuid", "b1b7d5d4-0000-4e6e-9fac-d9128cd7232f");
    let again = send(&service, again.request()).await;
    assert_eq!(again.status, StatusCode::OK);
    assert_eq!(again.json, first.json);
    let taken = intake.taken();
    assert_eq!(taken.len(), 1);
    assert_eq!((taken[0].id.as_str(), taken[0].forge), ("gitlab/f5e5f430-f57b-4e6e-9fac-d9128cd7232f", ForgeKind::Gitlab));
    assert_eq!((taken[0].name.as_str(), taken[0].action.as_deref(), &taken[0].body[..]), ("pipeline", None, PIPELINE.as_bytes()));
}

#[tokio::test]
async fn the_same_id_on_the_other_forge_is_another_delivery() {
    let (service, intake) = service();
    let id = "f5e5f430-f57b-4e6e-9fac-d9128cd7232f";
    assert_eq!(send(&service, Sent::gitlab("Pipeline Hook", PIPELINE).request()).await.status, StatusCode::ACCEPTED);
    assert_eq!(send(&service, Sent::new("ping", "{}").guid(id).request()).await.status, StatusCode::ACCEPTED);
    assert_eq!(intake.taken().len(), 2);
}

#[tokio::test]
async fn an_odd_delivery_is_taken_so_that_the_hook_is_not_switched_off() {
    let (service, intake) = service();
    let good = |n: usize| Sent::gitlab("Pipeline Hook", PIPELINE).header("idempotency-key", &n.to_string());
    let odd = [
        good(0).without("content-type"),
        good(1).header("content-type", "text/plain"),
        good(2).twice("content-type"),
        good(3).header("content-type", "application/json; charset=utf-8"),
        good(4).without("x-gitlab-event"),
        good(5).twice("x-gitlab-event"),
        good(6).header("x-gitlab-event", "a \u{fc} b"),
        good(7).header("x-gitlab-event", &"x".repeat(200)),
        good(8).without("user-agent"),
        Sent { body: b"[]".to_vec(), ..good(9) },
        Sent { body: b"7".to_vec(), ..good(10) },
        Sent { body: b" {} ".to_vec(), ..good(11) },
        Sent { body: br#"{"object_kind":"merge_request","object_attributes":{"action":"open","iid":"7"}}"#.to_vec(), ..good(12) },
        Sent { body: br#"{"object_kind":"note","object_attributes":[1e400]}"#.to_vec(), ..good(13) },
        good(14).without("x-gitlab-event-uuid").without("x-gitlab-webhook-uuid").without("x-gitlab-instance"),
    ];
    let count = odd.len();
    for sent in odd {
        let shown = format!("{:?}", sent.headers);
        assert_eq!(send(&service, sent.request()).await.status, StatusCode::ACCEPTED, "{shown}");
    }
    let taken = intake.taken();
    assert_eq!(taken.len(), count);
    assert!(taken.iter().all(|delivery| matches!(&delivery.event, Event::Unused { reason } if !reason.is_empty())));
}

#[tokio::test]
async fn what_is_not_json_is_told_where() {
    let (service, intake) = service();
    for (body, cause) in [
        (&b""[..], "the payload is not JSON (line 1, column 0)"),
        (b"{\"object_kind\":", "the payload is not JSON (line 1, column 15)"),
        (b"{\n\"a\":\"\xff\"}", "the payload is not JSON (line 2, column 5)"),
        (b"payload=%7B%7D", "the payload is not JSON (line 1, column 1)"),
    ] {
        let answer = send(&service, Sent::gitlab("Push Hook", body).request()).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST);
        assert_eq!(answer.error(), cause);
    }
    assert_eq!(intake.taken().len(), 0);
}

#[tokio::test]
async fn bodies_are_limited_as_those_of_the_other_forge_are() {
    let intake = Arc::new(Recording::default());
    let service = router(intake.clone(), Limits { body_bytes_max: 1024, ..Limits::default() });
    let answer = send(&service, Sent::gitlab("Push Hook", vec![b' '; 1025]).request()).await;
    assert_eq!(answer.status, StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(answer.error(), "the body has more than 1024 bytes");
    assert_eq!(intake.taken().len(), 0);
}

#[tokio::test]
async fn a_comment_of_ten_megabytes_is_taken_and_not_used() {
    let (service, intake) = service();
    let body = json!({
        "object_kind": "note", "user": { "id": 1, "username": "mona" }, "project": { "id": 1, "path_with_namespace": "g/p" },
        "object_attributes": {
            "id": 1, "note": "/gw run\n".repeat(10 * 1024 * 1024 / 8), "noteable_type": "MergeRequest", "action": "create",
            "created_at": "2026-03-01 10:00:00 UTC",
        },
        "merge_request": { "iid": 7 },
    });
    let answer = send(&service, Sent::gitlab("Note Hook", body.to_string()).request()).await;
    assert_eq!(answer.status, StatusCode::ACCEPTED);
    let reason = crate::support::unused(intake.taken().remove(0).event);
    assert_eq!(reason, "the comment is longer than 131072 bytes");
}

#[tokio::test]
async fn only_post_is_answered_with_more_than_how_to_do_it() {
    let (service, _) = service();
    for method in ["GET", "PUT", "DELETE", "OPTIONS"] {
        let request = Request::builder().method(method).uri("/webhooks/gitlab").body(Body::empty()).unwrap();
        let answer = send(&service, request).await;
        assert_eq!(answer.status, StatusCode::METHOD_NOT_ALLOWED, "{method}");
        assert_eq!((answer.headers["allow"].as_bytes(), answer.error()), (&b"POST"[..], "webhooks are sent with POST"));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn five_copies_at_the_same_instant_are_one_delivery() {
    let (service, intake) = service();
    let copies = (0..5).map(|n| {
        // Attempts differ in nothing but the UUID of the request.
        let sent = Sent::gitlab("Pipeline Hook", PIPELINE).header("x-gitlab-webhook-uuid", &n.to_string());
        let service = service.clone();
        tokio::spawn(async move { send(&service, sent.request()).await.status })
    });
    let mut statuses: Vec<StatusCode> = future::join_all(copies).await.into_iter().map(Result::unwrap).collect();
    statuses.sort_by_key(StatusCode::as_u16);
    assert_eq!(statuses, [200, 200, 200, 200, 202]);
    assert_eq!(intake.taken().len(), 1);
}
