//! Deliveries that were kept in files.

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
        assert!(matches!(delivery.parse(APP_ID).unwrap().event, Event::Pull(_)), "{file}");
    }
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
