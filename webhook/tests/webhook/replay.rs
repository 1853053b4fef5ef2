//! Deliveries that were kept in files.

use gatewright_core::ForgeKind;
use gatewright_core::event::Event;
use gatewright_webhook::replay::{DeliveryFile, DeliveryFileError};
use serde_json::{Value, json};

use crate::support::APP_ID;

fn payload() -> Value {
    json!({
        "action": "opened",
        "number": 7,
        "pull_request": { "head": { "sha": "2ffea6db159f6b6c47a24e778fb9ef40cf6b1c7d" }, "base": { "ref": "main" } },
        "repository": { "id": 1, "full_name": "octo/app" },
        "sender": { "id": 3, "login": "mona" },
    })
}

fn read(file: &Value, event_name: Option<&str>) -> DeliveryFile {
    DeliveryFile::read(file.to_string().as_bytes(), event_name).unwrap()
}

#[test]
fn every_way_of_keeping_a_delivery_is_read_back() {
    let headers = json!({ "X-GitHub-Event": "pull_request", "x-github-delivery": "guid", "Accept": "*/*" });
    let form: String = form_urlencoded::Serializer::new(String::new()).append_pair("payload", &payload().to_string()).finish();
    let files = [
        json!({ "headers": headers, "payload": payload() }),
        json!({ "headers": headers, "body": payload() }),
        json!({ "headers": headers, "body": payload().to_string() }),
        json!({ "headers": headers, "body": form }),
        json!({ "id": 1, "guid": "guid", "event": "pull_request", "status_code": 502, "request": { "headers": headers, "payload": payload() } }),
        json!({ "guid": "guid", "event": "pull_request", "request": { "headers": {}, "payload": payload() } }),
        json!({ "delivery": "guid", "event": "pull_request", "payload": payload() }),
    ];
    for file in files {
        let delivery = read(&file, None);
        assert_eq!((delivery.guid.as_deref(), delivery.event_name.as_str()), (Some("guid"), "pull_request"), "{file}");
        assert_eq!(delivery.forge, ForgeKind::Github, "{file}");
        assert!(matches!(delivery.parse(APP_ID).unwrap().event, Event::Pull(_)), "{file}");
    }
}

fn push() -> Value {
    json!({
        "object_kind": "push",
        "ref": "refs/heads/main",
        "before": "0000000000000000000000000000000000000000",
        "after": "2ffea6db159f6b6c47a24e778fb9ef40cf6b1c7d",
        "user_id": 3,
        "project": { "id": 1, "path_with_namespace": "group/app", "default_branch": "main" },
    })
}

#[test]
fn every_way_of_keeping_a_delivery_of_gitlab_is_read_back() {
    let headers = json!({ "X-Gitlab-Event": "Push Hook", "Idempotency-Key": "guid", "X-Gitlab-Token": "[REDACTED]" });
    let signed = json!({ "x-gitlab-event": "Push Hook", "webhook-id": "guid" });
    let files = [
        json!({ "headers": headers, "payload": push() }),
        json!({ "headers": signed, "body": push().to_string() }),
        json!({ "id": 1, "url": "https://x", "trigger": "push_hooks", "request_headers": headers, "request_data": push(), "response_status": "500" }),
        json!({ "request_headers": headers, "request_data": push().to_string() }),
        json!({ "delivery": "guid", "event": "Push Hook", "payload": push() }),
    ];
    for file in files {
        let delivery = read(&file, None);
        assert_eq!((delivery.forge, delivery.guid.as_deref()), (ForgeKind::Gitlab, Some("guid")), "{file}");
        assert_eq!(delivery.event_name, "Push Hook", "{file}");
        assert!(matches!(delivery.parse(APP_ID).unwrap().event, Event::Push(_)), "{file}");
    }
}

#[test]
fn a_bare_payload_of_gitlab_says_which_event_it_is() {
    for given in [None, Some("push"), Some("Push Hook"), Some("System Hook")] {
        let delivery = read(&push(), given);
        assert_eq!((delivery.forge, delivery.event_name.as_str()), (ForgeKind::Gitlab, given.unwrap_or("push")));
        assert!(matches!(delivery.parse(APP_ID).unwrap().event, Event::Push(_)));
    }
    let named = json!({ "event": "push", "delivery": "guid", "payload": push() });
    assert_eq!(read(&named, None).forge, ForgeKind::Gitlab);
    let mut system = push();
    system.as_object_mut().unwrap().remove("object_kind");
    system["event_name"] = "push".into();
    let delivery = read(&system, None);
    assert_eq!((delivery.forge, delivery.event_name.as_str()), (ForgeKind::Gitlab, "push"));
    // Whoever gives a name of GitHub's means GitHub.
    assert_eq!(read(&push(), Some("pull_request")).forge, ForgeKind::Github);
}

#[test]
fn a_bare_payload_needs_the_name_of_its_event() {
    let delivery = read(&payload(), Some("pull_request"));
    assert_eq!(delivery.guid, None);
    assert!(matches!(delivery.parse(APP_ID).unwrap().event, Event::Pull(_)));
    // What it holds beside is its own, not that of a recording.
    let mut odd = payload();
    odd["event"] = "push".into();
    odd["guid"] = 7.into();
    let refused = DeliveryFile::read(odd.to_string().as_bytes(), None).unwrap_err();
    assert_eq!(refused, DeliveryFileError::NoEventName);
}

#[test]
fn the_event_name_that_is_given_wins() {
    let file = json!({ "headers": { "x-github-event": "ping" }, "payload": payload() });
    assert_eq!(read(&file, Some("pull_request")).event_name, "pull_request");
}

#[test]
fn a_file_that_is_not_json_is_told_where_it_goes_wrong() {
    let error = DeliveryFile::read(b"{\n  \"headers\": oops", None).unwrap_err();
    assert_eq!(error.to_string(), "the payload is not JSON (line 2, column 14)");
}
