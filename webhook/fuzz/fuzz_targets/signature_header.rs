//! A signature header is read only in its one form, and no header that a fuzzer finds signs anything.

#![no_main]

use std::sync::LazyLock;

use gatewright_webhook::WebhookSecrets;
use gatewright_webhook::signature::parse_sha256_header;
use libfuzzer_sys::fuzz_target;
use secrecy::SecretString;

static SECRETS: LazyLock<WebhookSecrets> = LazyLock::new(|| {
    let secrets = ["a secret of the fuzzer", "another secret of it"].map(SecretString::from);
    WebhookSecrets::new(secrets).expect("these are long enough")
});

fuzz_target!(|header: &[u8]| {
    let Some(signature) = parse_sha256_header(header) else { return };
    let again = format!("sha256={}", hex::encode(signature));
    assert!(again.as_bytes().eq_ignore_ascii_case(header) && header.starts_with(b"sha256="));
    assert!(!SECRETS.signed(b"a body", &signature));
});
