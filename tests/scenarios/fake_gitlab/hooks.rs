//! How webhooks get there: their headers and proofs, when they are no longer sent, and what may go wrong with them.

use aws_lc_rs::hmac;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use gatewright_core::Timestamp;
use gatewright_core::secret::SecretString;
use gatewright_tests::gitlab::{HookEffect, HookFault, Signing};
use gatewright_webhook::gitlab::GitlabHook;
use gatewright_webhook::{GitlabSecrets, Refusal};

use super::*;

const SECRET: &str = "a secret token of some length";
const KEY: [u8; 32] = *b"0123456789abcdef0123456789abcdef";

fn by_token() -> Signing {
    Signing::Token(SECRET.to_owned())
}

/// A project with a merge request whose webhooks go to the receiver; what was told of making it is forgotten.
async fn hooked(signing: Signing) -> (FakeGitLab, Receiver, u64) {
    let (gitlab, receiver) = (FakeGitLab::start().await, Receiver::start().await);
    let (iid, _) = with_request(&gitlab);
    gitlab.set_webhook(&receiver.url, signing);
    (gitlab, receiver, iid)
}

/// The hook of a service that is configured with this secret.
fn service(signing: &Signing) -> GitlabHook {
    let secrets = GitlabSecrets::new([SecretString::from(signing.secret())]);
    GitlabHook { secrets: secrets.expect("the secret is a good one") }
}

fn events(got: &[(HeaderMap, Bytes)]) -> Vec<&str> {
    got.iter().map(|(headers, _)| header(headers, "x-gitlab-event")).collect()
}

fn keys(got: &[(HeaderMap, Bytes)]) -> Vec<&str> {
    got.iter().map(|(headers, _)| header(headers, "idempotency-key")).collect()
}

/// How many were not sent since the hook was disabled.
fn suppressed(gitlab: &FakeGitLab) -> usize {
    gitlab.deliveries().iter().filter(|delivery| delivery.suppressed).count()
}

/// By another implementation than the fake's.
fn signature(key: &[u8], headers: &HeaderMap, body: &[u8]) -> String {
    let mut mac = hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA256, key));
    for part in [header(headers, "webhook-id"), ".", header(headers, "webhook-timestamp"), "."] {
        mac.update(part.as_bytes());
    }
    mac.update(body);
    format!("v1,{}", BASE64_STANDARD.encode(mac.sign()))
}

#[tokio::test]
async fn a_delivery_says_what_it_is_where_from_and_which() {
    let (gitlab, receiver, iid) = hooked(by_token()).await;
    gitlab.close(REPO, iid, "alice");
    gitlab.comment(REPO, iid, "bob", "too bad");
    let got = receiver.take(&gitlab).await;
    assert_eq!(events(&got), ["Merge Request Hook", "Note Hook"]);
    for (headers, _) in &got {
        assert_eq!(header(headers, "content-type"), "application/json");
        assert!(header(headers, "user-agent").starts_with("GitLab/"));
        assert_eq!(header(headers, "x-gitlab-instance"), gitlab.url());
        for name in ["idempotency-key", "x-gitlab-event-uuid", "x-gitlab-webhook-uuid"] {
            assert!(header(headers, name).parse::<uuid::Uuid>().is_ok(), "{name}");
        }
    }
    let (first, second) = (&got[0].0, &got[1].0);
    assert_eq!(header(first, "x-gitlab-webhook-uuid"), header(second, "x-gitlab-webhook-uuid"));
    for name in ["idempotency-key", "x-gitlab-event-uuid"] {
        assert_ne!(header(first, name), header(second, name));
    }
    let told = gitlab.deliveries();
    assert_eq!((told.len(), told[0].key.as_str(), told[0].taken()), (2, keys(&got)[0], true));
    gitlab.assert_valid();
}

#[tokio::test]
async fn a_secret_token_comes_as_it_is_and_a_signing_token_only_signs() {
    for (signing, token, signs) in [
        (by_token(), SECRET, false),
        (Signing::Key(KEY.to_vec()), "", true),
        (Signing::Both(SECRET.to_owned(), KEY.to_vec()), SECRET, true),
    ] {
        let (gitlab, receiver, iid) = hooked(signing.clone()).await;
        gitlab.close(REPO, iid, "alice");
        let got = receiver.take(&gitlab).await;
        let (headers, body) = &got[0];
        assert_eq!(header(headers, "x-gitlab-token"), token);
        let (id, signed) = (header(headers, "webhook-id"), header(headers, "webhook-signature"));
        if signs {
            assert_eq!((id, signed), (header(headers, "idempotency-key"), signature(&KEY, headers, body).as_str()));
        } else {
            assert_eq!((id, signed, header(headers, "webhook-timestamp")), ("", "", ""));
        }
        let taken = service(&signing).deliver(headers, body.clone(), Timestamp::now()).expect("the service takes it");
        assert_eq!((taken.id.guid(), taken.name.as_str()), (keys(&got)[0], "merge_request"));
    }
}

#[tokio::test]
async fn what_is_signed_is_signed_at_the_fakes_time() {
    let signing = Signing::Key(KEY.to_vec());
    let (gitlab, receiver, iid) = hooked(signing.clone()).await;
    gitlab.advance(3_600);
    gitlab.close(REPO, iid, "alice");
    let (headers, body) = receiver.take(&gitlab).await.remove(0);
    let now = Timestamp::now();
    let refusal = service(&signing).deliver(&headers, body.clone(), now).expect_err("an hour ahead");
    assert!(matches!(refusal, Refusal::Signature { .. }));
    let later = Timestamp::from_second(now.as_second() + 3_600).expect("in range");
    assert!(service(&signing).deliver(&headers, body, later).is_ok());
}

#[tokio::test]
async fn somebody_who_has_it_sent_again_sends_the_same() {
    let (gitlab, receiver, iid) = hooked(by_token()).await;
    receiver.answer(503);
    gitlab.close(REPO, iid, "alice");
    let first = receiver.take(&gitlab).await;
    let delivery = gitlab.deliveries().remove(0);
    assert_eq!((delivery.name().as_str(), &delivery.answers, delivery.taken()), ("merge_request.close", &vec![503], false));
    receiver.answer(202);
    gitlab.resend(&delivery.key);
    let again = receiver.take(&gitlab).await;
    assert_eq!((keys(&again), &again[0].1), (keys(&first), &first[0].1));
    assert_eq!(header(&again[0].0, "x-gitlab-event-uuid"), header(&first[0].0, "x-gitlab-event-uuid"));
    let after = gitlab.deliveries();
    assert_eq!((after.len(), &after[0].answers, after[0].taken()), (1, &vec![503, 202], true));
}

#[tokio::test]
async fn four_failures_in_a_row_disable_a_hook_for_a_minute_and_each_more_for_twice_as_long() {
    let (gitlab, receiver, iid) = hooked(by_token()).await;
    let told = async || {
        gitlab.comment(REPO, iid, "bob", "a comment");
        receiver.take(&gitlab).await.len()
    };
    for status in [500, 404, 401] {
        receiver.answer(status);
        assert_eq!((told().await, gitlab.webhook_disabled()), (1, false));
    }
    receiver.answer(202);
    assert_eq!((told().await, gitlab.webhook_disabled()), (1, false), "one that is taken begins the count anew");
    receiver.answer(500);
    for _ in 0..4 {
        assert_eq!((told().await, suppressed(&gitlab)), (1, 0));
    }
    assert!(gitlab.webhook_disabled());
    assert_eq!((told().await, suppressed(&gitlab)), (0, 1), "it is not sent, and never will be by itself");
    gitlab.advance(61);
    assert_eq!((gitlab.webhook_disabled(), told().await, gitlab.webhook_disabled()), (false, 1, true));
    gitlab.advance(61);
    assert!(gitlab.webhook_disabled(), "two minutes now");
    gitlab.advance(61);
    receiver.answer(200);
    assert_eq!((told().await, gitlab.webhook_disabled()), (1, false));
    gitlab.assert_valid();
}

#[tokio::test]
async fn forty_failures_disable_a_hook_until_somebody_enables_it() {
    let (gitlab, receiver, iid) = hooked(by_token()).await;
    receiver.answer(500);
    for n in 1..=40 {
        gitlab.comment(REPO, iid, "bob", "a comment");
        assert_eq!(receiver.take(&gitlab).await.len(), 1, "{n}");
        // The longest pause is a day.
        gitlab.advance(24 * 3_600 + 1);
    }
    assert!(gitlab.webhook_disabled());
    gitlab.comment(REPO, iid, "bob", "nobody hears");
    assert_eq!(receiver.take(&gitlab).await.len(), 0);
    gitlab.enable_webhook();
    gitlab.comment(REPO, iid, "bob", "heard again");
    assert_eq!(receiver.take(&gitlab).await.len(), 1);
}

#[tokio::test]
async fn a_hook_of_the_whole_server_is_told_less_under_one_name_and_never_disabled() {
    let (gitlab, receiver) = (FakeGitLab::start().await, Receiver::start().await);
    gitlab.set_system_hook(&receiver.url, by_token());
    receiver.answer(500);
    let (iid, head) = with_request(&gitlab);
    gitlab.comment(REPO, iid, "bob", "/gw run");
    gitlab.tag(REPO, "v1", &head, "alice");
    gitlab.close(REPO, iid, "alice");
    gitlab.reopen(REPO, iid, "alice");
    let got = receiver.take(&gitlab).await;
    assert!(events(&got).iter().all(|event| *event == "System Hook") && !gitlab.webhook_disabled());
    let named: Vec<(Value, Value)> =
        got.iter().map(|(_, body)| parsed(body)).map(|p| (p["object_kind"].clone(), p["event_name"].clone())).collect();
    let (push, tag) = ((Value::Null, json!("push")), (Value::Null, json!("tag_push")));
    let request = (json!("merge_request"), Value::Null);
    assert_eq!(named, [push, request.clone(), tag, request.clone(), request]);
    let names: Vec<String> = gitlab.deliveries().iter().map(|delivery| delivery.name()).collect();
    assert_eq!(names, ["push", "merge_request.open", "tag_push", "merge_request.close", "merge_request.reopen"]);
}

#[tokio::test]
async fn a_delivery_may_come_several_times_at_once_or_not_at_all() {
    let (gitlab, receiver, iid) = hooked(by_token()).await;
    gitlab.hook_fault(HookFault::on("note.create", HookEffect::Duplicate(5)).once());
    gitlab.comment(REPO, iid, "bob", "five times");
    let got = receiver.take(&gitlab).await;
    assert_eq!((got.len(), keys(&got).iter().all(|key| *key == keys(&got)[0])), (5, true));
    assert_eq!(gitlab.deliveries()[0].answers, [202; 5]);
    gitlab.hook_fault(HookFault::on("merge_request", HookEffect::Drop).once());
    gitlab.close(REPO, iid, "alice");
    assert_eq!(receiver.take(&gitlab).await.len(), 0);
    let lost = gitlab.deliveries().remove(1);
    assert_eq!(lost.answers, [0]);
    gitlab.hook_fault(HookFault::on("*", HookEffect::Drop));
    gitlab.resend(&lost.key);
    assert_eq!(keys(&receiver.take(&gitlab).await), [lost.key.as_str()], "what is sent again is not struck");
    gitlab.heal();
    gitlab.reopen(REPO, iid, "alice");
    assert_eq!(receiver.take(&gitlab).await.len(), 1);
}

#[tokio::test]
async fn a_delivery_may_come_behind_later_ones() {
    let (gitlab, receiver, iid) = hooked(by_token()).await;
    gitlab.hook_fault(HookFault::on("note", HookEffect::HoldBehind(1)).once());
    gitlab.comment(REPO, iid, "bob", "first");
    gitlab.close(REPO, iid, "alice");
    gitlab.reopen(REPO, iid, "alice");
    let got = receiver.take(&gitlab).await;
    assert_eq!(events(&got), ["Merge Request Hook", "Note Hook", "Merge Request Hook"]);
    // Late by more than this test takes: what comes after it does not wait for it.
    gitlab.hook_fault(HookFault::on("note", HookEffect::Delay(Duration::from_secs(3_600))).once());
    let late = gitlab.comment(REPO, iid, "bob", "late");
    gitlab.hook_fault(HookFault::on("merge_request", HookEffect::Drop).once());
    gitlab.close(REPO, iid, "alice");
    let lost = |delivery: &gatewright_tests::gitlab::Delivery| delivery.answers == [0];
    while !gitlab.deliveries().iter().any(lost) {
        tokio::task::yield_now().await;
    }
    let waiting = gitlab.deliveries().into_iter().find(|one| one.answers.is_empty()).expect("it is under way");
    assert_eq!(waiting.payload()["object_attributes"]["id"], json!(late));
}

#[tokio::test]
async fn two_hooks_tell_of_one_event_under_two_keys() {
    let (gitlab, receiver, iid) = hooked(by_token()).await;
    gitlab.hook_fault(HookFault::on("note", HookEffect::TwoHooks).once());
    gitlab.comment(REPO, iid, "bob", "twice");
    let got = receiver.take(&gitlab).await;
    assert_eq!((got.len(), &got[0].1), (2, &got[1].1));
    assert_ne!(keys(&got)[0], keys(&got)[1]);
    assert_eq!(header(&got[0].0, "x-gitlab-event-uuid"), header(&got[1].0, "x-gitlab-event-uuid"));
}

#[tokio::test]
async fn a_bad_proof_is_bad_in_every_form() {
    for signing in [by_token(), Signing::Key(KEY.to_vec()), Signing::Both(SECRET.to_owned(), KEY.to_vec())] {
        let (gitlab, receiver, iid) = hooked(signing.clone()).await;
        gitlab.hook_fault(HookFault::on("*", HookEffect::BadSignature).once());
        for _ in 0..2 {
            gitlab.comment(REPO, iid, "bob", "/gw run");
        }
        let got = receiver.take(&gitlab).await;
        let taken = got.iter().map(|(headers, body)| service(&signing).deliver(headers, body.clone(), Timestamp::now()).is_ok());
        assert_eq!(taken.collect::<Vec<_>>(), [false, true], "{signing:?}");
    }
}
