//! No token, list of signatures, id or time that a fuzzer finds proves anything, and what is read of a list is in it.

#![no_main]

use std::sync::LazyLock;

use axum::http::{HeaderMap, HeaderValue};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use gatewright_core::Timestamp;
use gatewright_webhook::gitlab::GitlabHook;
use gatewright_webhook::signature::parse_signature_list;
use gatewright_webhook::{GitlabSecrets, Refusal};
use libfuzzer_sys::fuzz_target;
use secrecy::SecretString;

static HOOK: LazyLock<GitlabHook> = LazyLock::new(|| {
    let secrets = ["a secret of the fuzzer", "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="].map(SecretString::from);
    GitlabHook { secrets: GitlabSecrets::new(secrets).expect("these are good") }
});

const NAMES: [&str; 7] = [
    "webhook-signature",
    "webhook-id",
    "webhook-timestamp",
    "x-gitlab-token",
    "x-gitlab-event",
    "idempotency-key",
    "x-gitlab-event-uuid",
];

// The input's lines are the values of the headers; one that is missing leaves its header out.
fuzz_target!(|input: &[u8]| {
    let mut headers = HeaderMap::new();
    for (name, value) in NAMES.into_iter().zip(input.split(|byte| *byte == b'\n')) {
        let Ok(value) = HeaderValue::from_bytes(value) else { continue };
        if name == "webhook-signature" {
            let list = parse_signature_list(value.as_bytes());
            assert!(list.len() <= 8);
            for signature in list {
                let written = format!("v1,{}", STANDARD.encode(signature));
                assert!(value.as_bytes().split(|byte| *byte == b' ').any(|item| item == written.as_bytes()));
            }
        }
        headers.append(name, value);
    }
    let body = Bytes::from_static(b"{\"object_kind\":\"push\"}");
    let now = Timestamp::from_second(1_772_359_200).expect("this is in range");
    match HOOK.deliver(&headers, body.clone(), now) {
        Err(Refusal::Signature { cause, next }) => assert!(!cause.is_empty() && !next.is_empty()),
        other => panic!("{other:?}"),
    }
    // With the right token the rest of the headers makes no delivery unacceptable.
    headers.remove("webhook-signature");
    headers.insert("x-gitlab-token", HeaderValue::from_static("a secret of the fuzzer"));
    let delivery = HOOK.deliver(&headers, body, now).expect("it is proven, and JSON");
    assert!(!delivery.id.guid().is_empty() && delivery.name == "push");
});
