//! What proves that a delivery comes from GitLab.

use axum::http::StatusCode;
use bytes::Bytes;
use gatewright_core::Timestamp;
use gatewright_core::event::Delivery;
use gatewright_webhook::gitlab::{GitlabHook, SKEW_SECS_MAX};
use gatewright_webhook::{Refusal, WebhookConfig, routes};

use crate::support::{KEY, SECRET, Sent, TOKEN, gitlab_hook, gitlab_with, send, service, sign_v1, signing_token};

const BODY: &str = r#"{"object_kind":"pipeline"}"#;
const OTHER_KEY: [u8; 32] = [7; 32];

fn now() -> Timestamp {
    Timestamp::from_second(1_772_359_200).unwrap()
}

fn token() -> Sent {
    Sent::gitlab("Pipeline Hook", BODY)
}

fn signed() -> Sent {
    token().signed(&KEY, now())
}

fn deliver(hook: &GitlabHook, sent: Sent) -> Result<Delivery, Refusal> {
    hook.deliver(&sent.header_map(), Bytes::from(sent.body), now())
}

/// The cause and the next move of a refusal for want of a proof.
fn refused(hook: &GitlabHook, sent: Sent) -> (&'static str, &'static str) {
    let shown = format!("{:?}", sent.headers);
    match deliver(hook, sent) {
        Err(Refusal::Signature { cause, next }) => (cause, next),
        other => panic!("{other:?} for {shown}"),
    }
}

#[test]
fn either_kind_of_proof_is_enough() {
    let both = gitlab_hook();
    assert!(deliver(&both, token()).is_ok());
    assert!(deliver(&both, signed()).is_ok());
    assert!(deliver(&both, signed().header("x-gitlab-token", TOKEN)).is_ok());
    assert!(deliver(&gitlab_with(&[TOKEN]), token()).is_ok());
    assert!(deliver(&gitlab_with(&[&signing_token(KEY)]), signed()).is_ok());
}

#[test]
fn while_a_secret_is_being_changed_both_are_good() {
    let hook = gitlab_with(&["the token before it", TOKEN, &signing_token(OTHER_KEY), &signing_token(KEY)]);
    for sent in [token(), token().header("x-gitlab-token", "the token before it"), signed(), token().signed(&OTHER_KEY, now())] {
        assert!(deliver(&hook, sent).is_ok());
    }
    // A forge that changes its key may sign with both.
    let (right, id) = (signed(), "f5e5f430-f57b-4e6e-9fac-d9128cd7232f");
    let timestamp = now().as_second().to_string();
    let other = sign_v1(&[9; 32], id, &timestamp, BODY.as_bytes());
    let own = sign_v1(&KEY, id, &timestamp, BODY.as_bytes());
    for list in [format!("{other} {own}"), format!("{own} {other}"), format!("v2,abc v1a,xyz {own}")] {
        assert!(deliver(&gitlab_hook(), right.clone().header("webhook-signature", &list)).is_ok(), "{list}");
    }
}

#[test]
fn a_proof_that_this_server_has_no_secret_for_is_none() {
    let next = "give the webhook in GitLab the secret token, or the signing token, that this server is configured with";
    let tokens = gitlab_with(&[TOKEN]);
    assert_eq!(refused(&tokens, signed()), ("the header X-Gitlab-Token is missing", next));
    assert!(
        deliver(&tokens, signed().header("x-gitlab-token", TOKEN)).is_ok(),
        "the token is right, and the rest is not looked at"
    );
    let keys = gitlab_with(&[&signing_token(KEY)]);
    assert_eq!(refused(&keys, token()), ("the header webhook-signature is missing", next));
    assert!(deliver(&keys, signed().header("x-gitlab-token", "something")).is_ok());
}

#[test]
fn without_a_proof_nothing_is_taken() {
    let bare = || token().without("x-gitlab-token");
    let cause = "neither the header X-Gitlab-Token nor the header webhook-signature is there";
    assert_eq!(refused(&gitlab_hook(), bare()).0, cause);
    // That of GitHub is none here, whatever it is.
    let github = bare().header("x-hub-signature-256", &crate::support::sign(SECRET, BODY.as_bytes()));
    assert_eq!(refused(&gitlab_hook(), github).0, cause);
    assert_eq!(refused(&gitlab_hook(), bare().header("x-gitlab-signature", TOKEN)).0, cause);
}

#[test]
fn a_token_is_right_as_a_whole() {
    let cause = "the token in X-Gitlab-Token is not one of this server's";
    let with = |value: &str| refused(&gitlab_hook(), token().header("x-gitlab-token", value)).0;
    for wrong in
        ["", " ", "x", &TOKEN[1..], &TOKEN[..TOKEN.len() - 1], &format!("{TOKEN}x"), &TOKEN.to_uppercase(), &"x".repeat(100_000)]
    {
        assert_eq!(with(wrong), cause, "{wrong}");
    }
    // A signing token is no secret token, even if somebody sends it as one.
    assert_eq!(with(&signing_token(KEY)), cause);
    assert_eq!(refused(&gitlab_hook(), token().twice("x-gitlab-token")).0, "the header X-Gitlab-Token is there more than once");
}

#[test]
fn a_wrong_proof_is_not_made_good_by_a_right_one() {
    let wrong_signature = token().signed(&OTHER_KEY, now()).header("x-gitlab-token", TOKEN);
    let cause = "the signature in webhook-signature is not that of webhook-id, webhook-timestamp and the body";
    assert_eq!(refused(&gitlab_hook(), wrong_signature).0, cause);
    let wrong_token = signed().header("x-gitlab-token", "not the token of the tests");
    assert_eq!(refused(&gitlab_hook(), wrong_token).0, "the token in X-Gitlab-Token is not one of this server's");
}

#[test]
fn a_signature_covers_the_id_the_time_and_every_byte_of_the_body() {
    let hook = gitlab_hook();
    let not_that = "the signature in webhook-signature is not that of webhook-id, webhook-timestamp and the body";
    let unread = "the header webhook-signature holds no v1, and 32 bytes in base64";
    let signature = signed().headers.iter().find(|(name, _)| *name == "webhook-signature").unwrap().1.clone();
    let cases = [
        (Sent { body: b"{}".to_vec(), ..signed() }, not_that),
        (Sent { body: Vec::new(), ..signed() }, not_that),
        (signed().header("webhook-id", "another"), not_that),
        (signed().header("webhook-timestamp", "1772359201"), not_that),
        (signed().header("webhook-timestamp", "01772359200"), not_that),
        (signed().header("webhook-signature", &format!("v1,{}=", "A".repeat(43))), not_that),
        (signed().header("webhook-signature", ""), unread),
        (signed().header("webhook-signature", "v1,"), unread),
        (signed().header("webhook-signature", &signature[3..]), unread),
        (signed().header("webhook-signature", &signature.replace("v1", "v2")), unread),
        (signed().header("webhook-signature", &signature[..signature.len() - 1]), unread),
        (signed().header("webhook-signature", &format!("{signature},{signature}")), unread),
        (signed().twice("webhook-signature"), "the header webhook-signature is there more than once"),
        (signed().without("webhook-id"), "the header webhook-id, which is signed, is missing or there more than once"),
        (signed().twice("webhook-id"), "the header webhook-id, which is signed, is missing or there more than once"),
        (
            signed().without("webhook-timestamp"),
            "the header webhook-timestamp, which is signed, is missing or there more than once",
        ),
    ];
    for (sent, cause) in cases {
        let shown = format!("{:?}", sent.headers);
        assert_eq!(refused(&hook, sent).0, cause, "{shown}");
    }
}

#[test]
fn a_signature_is_good_for_five_minutes_before_and_after() {
    let at = |secs: i64| token().signed(&KEY, now().checked_add(jiff::SignedDuration::from_secs(secs)).unwrap());
    for good in [-SKEW_SECS_MAX, -1, 0, 1, SKEW_SECS_MAX] {
        assert!(deliver(&gitlab_hook(), at(good)).is_ok(), "{good}");
    }
    let next = "set the clocks of both machines right, then send the delivery again from GitLab";
    for (secs, cause) in [
        (-SKEW_SECS_MAX - 1, "the time in webhook-timestamp is more than 5 minutes ago"),
        (-86_400, "the time in webhook-timestamp is more than 5 minutes ago"),
        (SKEW_SECS_MAX + 1, "the time in webhook-timestamp is more than 5 minutes ahead of this server's clock"),
        (86_400, "the time in webhook-timestamp is more than 5 minutes ahead of this server's clock"),
    ] {
        assert_eq!(refused(&gitlab_hook(), at(secs)), (cause, next), "{secs}");
        // A token beside it does not make it any younger.
        assert_eq!(refused(&gitlab_hook(), at(secs).header("x-gitlab-token", TOKEN)).0, cause);
    }
}

#[test]
fn a_time_is_one_in_whole_seconds() {
    for odd in ["", "-1", "+1772359200", "1772359200.0", "1772359200Z", " 1772359200", "1e9", "99999999999999999999999", "now"] {
        let id = "f5e5f430-f57b-4e6e-9fac-d9128cd7232f";
        let signature = sign_v1(&KEY, id, odd, BODY.as_bytes());
        let sent = signed().header("webhook-timestamp", odd).header("webhook-signature", &signature);
        assert_eq!(
            refused(&gitlab_hook(), sent).0,
            "the header webhook-timestamp is not a time in seconds since 1970",
            "{odd:?}"
        );
    }
}

#[test]
fn a_delivery_is_known_by_what_was_signed_of_it() {
    let id = |sent: Sent| deliver(&gitlab_hook(), sent).unwrap().id;
    assert_eq!(id(signed()).as_str(), "gitlab/f5e5f430-f57b-4e6e-9fac-d9128cd7232f");
    // Whoever overheard it cannot have it taken again under another key, nor another event.
    let renamed = signed()
        .header("idempotency-key", "another")
        .header("x-gitlab-event-uuid", "another")
        .header("x-gitlab-event", "Push Hook");
    assert_eq!(id(renamed), id(signed()));
    let odd = |key: &str| {
        let timestamp = now().as_second().to_string();
        let signature = sign_v1(&KEY, key, &timestamp, BODY.as_bytes());
        signed().header("webhook-id", key).header("webhook-signature", &signature)
    };
    assert_eq!(id(odd("not/an id")), id(odd("not/an id")));
    assert_ne!(id(odd("not/an id")), id(odd("not/another id")));
}

#[test]
fn a_delivery_is_known_by_the_best_id_that_it_has() {
    let id = |sent: Sent| deliver(&gitlab_hook(), sent).unwrap().id.guid().to_owned();
    assert_eq!(id(token()), "f5e5f430-f57b-4e6e-9fac-d9128cd7232f");
    let keyless = token().without("idempotency-key");
    assert_eq!(id(keyless.clone().header("webhook-id", "msg_1")), "msg_1");
    // The UUID of an event is shared by the deliveries that it sets off.
    let event = id(keyless.clone());
    assert!(event.starts_with("13792a34-cac6-4fda-95a8-c58e00a3954e."), "{event}");
    assert_eq!(id(keyless.clone()), event);
    assert_ne!(id(Sent { body: b"{}".to_vec(), ..keyless.clone() }), event);
    assert_ne!(id(keyless.clone().header("x-gitlab-event", "Job Hook")), event);
    // Old instances say nothing, and what is no id is as good as nothing.
    let bare = keyless.clone().without("x-gitlab-event-uuid");
    let hash = id(bare.clone());
    assert!(hash.len() == 64 && hash.bytes().all(|byte| byte.is_ascii_hexdigit()), "{hash}");
    assert_ne!(id(Sent { body: b"{}".to_vec(), ..bare.clone() }), hash);
    for odd in ["", "a/b", "a b", &"x".repeat(129)] {
        assert_eq!(id(bare.clone().header("idempotency-key", odd).header("x-gitlab-event-uuid", odd)), hash, "{odd}");
    }
    assert_eq!(id(bare.header("idempotency-key", "a").twice("idempotency-key")), hash);
}

#[tokio::test]
async fn a_refusal_says_nothing_of_the_secrets_and_takes_nothing() {
    let (service, intake) = service();
    let long_ago = token().signed(&KEY, Timestamp::from_second(1).unwrap());
    for sent in [
        token().without("x-gitlab-token"),
        token().header("x-gitlab-token", "canary"),
        long_ago,
        token().signed(&OTHER_KEY, Timestamp::now()),
    ] {
        let answer = send(&service, sent.request()).await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
        assert!(!answer.error().is_empty() && !answer.json.to_string().contains("canary"), "{}", answer.json);
    }
    assert_eq!(intake.taken().len(), 0);
    let answer = send(&service, token().signed(&KEY, Timestamp::now()).request()).await;
    assert_eq!(answer.status, StatusCode::ACCEPTED);
}

#[tokio::test]
async fn a_signed_delivery_that_is_sent_again_is_a_duplicate() {
    let (service, intake) = service();
    let sent = token().signed(&KEY, Timestamp::now());
    assert_eq!(send(&service, sent.clone().request()).await.status, StatusCode::ACCEPTED);
    assert_eq!(send(&service, sent.clone().request()).await.status, StatusCode::OK);
    let other_key = sent.clone().header("idempotency-key", "another");
    assert_eq!(send(&service, other_key.request()).await.status, StatusCode::OK);
    // The forge's own next attempt is signed anew, and has the same id.
    let later = token().signed(&KEY, Timestamp::now());
    assert_eq!(send(&service, later.request()).await.status, StatusCode::OK);
    assert_eq!(intake.taken().len(), 1);
}

#[tokio::test]
async fn what_is_not_configured_has_no_address() {
    let intake = std::sync::Arc::new(crate::support::Recording::default());
    let limits = gatewright_webhook::Limits::default();
    let config = WebhookConfig { intake: intake.clone(), github: None, gitlab: Some(gitlab_hook()), limits };
    let service = routes(config);
    let status = async |sent: Sent| {
        use tower::ServiceExt;
        service.clone().oneshot(sent.request()).await.unwrap().status()
    };
    assert_eq!(status(token()).await, StatusCode::ACCEPTED);
    assert_eq!(status(Sent::new("ping", "{}")).await, StatusCode::NOT_FOUND);
    assert_eq!(intake.taken().len(), 1);
}
