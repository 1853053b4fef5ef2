//! What holds for every header and every payload.

use gatewright_core::event::Event;
use gatewright_webhook::WebhookSecrets;
use gatewright_webhook::github::parse;
use gatewright_webhook::gitlab;
use gatewright_webhook::signature::{parse_sha256_header, parse_signature_list};
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use proptest::sample::Index;
use secrecy::SecretString;
use serde_json::{Value, json};

use crate::events::USED;
use crate::support::{APP_ID, SECRET, sign};

fn is_sha256_header(value: &[u8]) -> bool {
    value.len() == 71 && value.starts_with(b"sha256=") && value[7..].iter().all(u8::is_ascii_hexdigit)
}

fn signed(body: &[u8], header: &[u8]) -> bool {
    let secrets = WebhookSecrets::new([SecretString::from(SECRET)]).unwrap();
    parse_sha256_header(header).is_some_and(|signature| secrets.signed(body, &signature))
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,20}".prop_map(Value::from),
        Just(Value::from("0".repeat(40))),
        Just(Value::from("refs/heads/main")),
    ];
    leaf.prop_recursive(4, 32, 5, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..5).prop_map(Value::from),
            btree_map("[a-z_]{0,8}", inner, 0..5).prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

fn used_name() -> impl Strategy<Value = &'static str> {
    prop::sample::select([&USED[..], &["ping"]].concat())
}

/// A payload that every event in use can be made of.
fn rich() -> Value {
    let sha = "2ffea6db159f6b6c47a24e778fb9ef40cf6b1c7d";
    let app = json!({ "id": APP_ID });
    json!({
        "action": "rerequested", "number": 7, "ref": "refs/heads/main", "before": sha, "after": sha, "created": false, "deleted": false,
        "pull_request": { "number": 7, "head": { "sha": sha }, "base": { "ref": "main" }, "updated_at": "2019-05-15T15:20:21Z" }, "changes": { "base": {} },
        "merge_group": { "head_sha": sha, "head_ref": "refs/heads/q", "base_sha": sha, "base_ref": "refs/heads/main" },
        "check_run": { "head_sha": sha, "external_id": "run/gate", "app": app }, "check_suite": { "head_sha": sha, "app": app },
        "requested_action": { "identifier": "rerun-failed" },
        "issue": { "number": 7, "pull_request": {} },
        "comment": {
            "id": 9, "body": "/gw run", "user": { "id": 3, "login": "mona", "type": "User" }, "created_at": "2019-05-15T15:20:21Z",
            "performed_via_github_app": null,
        },
        "repository": { "id": 1, "full_name": "o/r", "default_branch": "main" },
        "installation": { "id": 2 }, "sender": { "id": 3, "login": "mona" },
    })
}

fn pointers(value: &Value, here: &str, all: &mut Vec<String>) {
    for (key, inner) in value.as_object().into_iter().flatten() {
        let pointer = format!("{here}/{key}");
        pointers(inner, &pointer, all);
        all.push(pointer);
    }
}

/// A payload that any event of GitLab in use can be made of.
fn rich_gitlab(kind: &str, action: &str) -> Value {
    let sha = "2ffea6db159f6b6c47a24e778fb9ef40cf6b1c7d";
    let project = json!({ "id": 1, "path_with_namespace": "g/s/p", "default_branch": "main" });
    let at = "2026-03-01 10:00:00 UTC";
    json!({
        "object_kind": kind, "event_name": kind, "event_type": kind, "user": { "id": 3, "username": "mona" }, "project": project,
        "object_attributes": {
            "id": 9, "iid": 7, "action": action, "oldrev": sha, "target_branch": "main", "target_project_id": 1, "target": project,
            "last_commit": { "id": sha }, "note": "/gw run", "noteable_type": "MergeRequest", "author_id": 3, "system": false,
            "internal": false, "created_at": at, "updated_at": at,
        },
        "changes": { "draft": { "previous": true, "current": false }, "title": { "previous": "Draft: x", "current": "x" } },
        "merge_request": { "iid": 7, "target_project_id": 1, "target": project, "last_commit": { "id": sha } },
        "ref": "refs/heads/main", "before": sha, "after": sha, "user_id": 3, "user_username": "mona", "project_id": 1,
    })
}

fn gitlab_payload() -> impl Strategy<Value = Value> {
    let kinds = [("merge_request", "open"), ("merge_request", "update"), ("note", "create"), ("push", ""), ("tag_push", "")];
    prop::sample::select(kinds.to_vec()).prop_map(|(kind, action)| {
        let mut payload = rich_gitlab(kind, action);
        if kind == "tag_push" {
            payload["ref"] = "refs/tags/v1".into();
            payload["checkout_sha"] = payload["after"].clone();
        }
        payload
    })
}

/// The payload with something else in one place.
fn bent_from(payload: impl Strategy<Value = Value>) -> impl Strategy<Value = Value> {
    (payload, any::<Index>(), any_json()).prop_map(|(mut bent, at, value)| {
        let mut all = Vec::new();
        pointers(&bent, "", &mut all);
        *bent.pointer_mut(&all[at.index(all.len())]).unwrap() = value;
        bent
    })
}

fn bent() -> impl Strategy<Value = Value> {
    bent_from(Just(rich()))
}

proptest! {
    #[test]
    fn a_signature_header_is_taken_only_in_its_one_form(value in prop_oneof![
        vec(any::<u8>(), 0..80),
        "sha256=[0-9a-fA-F]{62,66}".prop_map(String::into_bytes),
        "[sS][hH][aA](1|256|-256)[=: ][0-9a-g]{64}".prop_map(String::into_bytes),
    ]) {
        prop_assert_eq!(parse_sha256_header(&value).is_some(), is_sha256_header(&value));
    }

    #[test]
    fn only_the_exact_signature_of_the_exact_body_passes(body in vec(any::<u8>(), 1..200), at in any::<Index>(), bit in 0..8u32) {
        let header = sign(SECRET, &body);
        prop_assert!(signed(&body, header.as_bytes()));
        prop_assert!(!signed(&body, sign("another secret of the tests", &body).as_bytes()));

        let mut other = body.clone();
        other[at.index(body.len())] ^= 1 << bit;
        prop_assert!(!signed(&other, header.as_bytes()));
        prop_assert!(!signed(&body[1..], header.as_bytes()));

        let mut raw = hex::decode(&header[7..]).unwrap();
        let at = at.index(raw.len());
        raw[at] ^= 1 << bit;
        let header = format!("sha256={}", hex::encode(raw));
        prop_assert!(!signed(&body, header.as_bytes()));
    }

    #[test]
    fn no_bytes_make_the_parser_panic(name in used_name(), body in vec(any::<u8>(), 0..400)) {
        let json = serde_json::from_slice::<serde::de::IgnoredAny>(&body).is_ok() && std::str::from_utf8(&body).is_ok();
        prop_assert_eq!(parse(name, &body, APP_ID).is_ok(), json);
    }

    #[test]
    fn any_json_at_all_means_something(name in used_name(), payload in any_json()) {
        prop_assert!(parse(name, payload.to_string().as_bytes(), APP_ID).is_ok());
    }

    #[test]
    fn one_odd_field_never_makes_a_payload_unacceptable(name in used_name(), payload in bent()) {
        let parsed = parse(name, payload.to_string().as_bytes(), APP_ID).unwrap();
        if let Event::Unused { reason } = parsed.event {
            prop_assert!(!reason.is_empty());
        }
    }

    #[test]
    fn a_form_means_what_its_payload_means(name in used_name(), payload in bent()) {
        let json = payload.to_string();
        let form: String = form_urlencoded::Serializer::new(String::new()).append_pair("payload", &json).finish();
        prop_assert_eq!(parse(name, form.as_bytes(), APP_ID), parse(name, json.as_bytes(), APP_ID));
    }

    #[test]
    fn gitlabs_rich_payloads_are_used(payload in gitlab_payload()) {
        let parsed = gitlab::parse("", payload.to_string().as_bytes()).unwrap();
        prop_assert!(parsed.event.repo().is_some(), "{:?}", parsed.event);
    }

    #[test]
    fn one_odd_field_never_makes_a_payload_of_gitlab_unacceptable(payload in bent_from(gitlab_payload())) {
        let parsed = gitlab::parse("System Hook", payload.to_string().as_bytes()).unwrap();
        prop_assert!(!parsed.name.is_empty() && parsed.name.len() <= 64);
        if let Event::Unused { reason } = parsed.event {
            prop_assert!(!reason.is_empty());
        }
    }

    #[test]
    fn any_json_at_all_means_something_to_gitlab(payload in any_json()) {
        prop_assert!(gitlab::parse("", payload.to_string().as_bytes()).is_ok());
    }

    #[test]
    fn no_bytes_make_gitlabs_parser_panic(body in vec(any::<u8>(), 0..400)) {
        let json = serde_json::from_slice::<serde::de::IgnoredAny>(&body).is_ok() && std::str::from_utf8(&body).is_ok();
        prop_assert_eq!(gitlab::parse("", &body).is_ok(), json);
    }

    #[test]
    fn only_whole_signatures_are_read_of_a_list(value in prop_oneof![
        vec(any::<u8>(), 0..200),
        "(v[12]a?,[A-Za-z0-9+/]{42,44}={0,2} ?){0,12}".prop_map(String::into_bytes),
    ]) {
        let signatures = parse_signature_list(&value);
        let versioned = value.split(|byte| *byte == b' ').filter(|item| item.starts_with(b"v1,") && item.len() == 47).count();
        prop_assert!(signatures.len() <= versioned.min(8));
    }
}
