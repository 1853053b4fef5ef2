use gatewright_core::notice::{Channels, SendError};
use gatewright_notify::{Client, SIGNATURE_HEADER, Way, Webhook};
use hmac::{Hmac, Mac};
use sha2::Sha256;

use crate::sinks::{Answer, HttpSink};
use crate::{notice, only};

const SECRET: &str = "what only we and they know";

fn webhook(url: &str) -> Way {
    Way::Webhook(Webhook::new(Client::new().unwrap(), url.into(), SECRET.into()))
}

async fn sent(answer: Answer) -> (Result<(), SendError>, HttpSink) {
    let sink = HttpSink::answering(answer).await;
    (only(webhook(&sink.url())).send("ops", &notice()).await, sink)
}

#[tokio::test]
async fn who_gets_it_can_tell_by_the_signature_that_it_is_ours_and_by_the_key_that_it_came_before() {
    let (result, sink) = sent(Answer(204, None, "")).await;
    assert_eq!(result, Ok(()));
    let got = sink.got().pop().unwrap();
    let mut mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).unwrap();
    mac.update(&got.body);
    let signature = format!("sha256={}", hex::encode(mac.finalize().into_bytes()));
    assert_eq!(got.headers[SIGNATURE_HEADER], signature);
    assert_eq!(got.headers["x-gatewright-delivery"], "rollout/0198/7");
    assert_eq!(got.headers["x-gatewright-event"], "rolled-back");
    assert_eq!(got.headers["content-type"], "application/json");
    insta::assert_snapshot!(serde_json::to_string_pretty(&got.json()).unwrap(), @r#"
    {
      "at": "2027-01-15T08:00:00Z",
      "environment": "production",
      "forge": "github",
      "key": "rollout/0198/7",
      "kind": "rolled-back",
      "owner": "whoever may resume",
      "protocol": 1,
      "repository": "octo/app",
      "tag": "v1.4.0",
      "text": "rolled back: too many errors",
      "title": "v1.4.0 to production: rolled back: too many errors",
      "url": "https://ci.example.com/runs/0198"
    }
    "#);
}

#[tokio::test]
async fn what_may_pass_is_tried_again_and_what_will_not_is_not() {
    for (status, header, after) in [
        (503, None, None),
        (429, Some(("retry-after", "17")), Some(17)),
        (429, Some(("retry-after", "0.3")), Some(1)),
        (408, None, None),
    ] {
        let (result, _) = sent(Answer(status, header, "later")).await;
        match result {
            Err(SendError::Again { after_secs, .. }) => assert_eq!(after_secs, after, "{status}"),
            other => panic!("{status}: {other:?}"),
        }
    }
    for status in [400, 401, 404, 410] {
        let (result, _) = sent(Answer(status, None, "no")).await;
        assert!(matches!(result, Err(SendError::Final { .. })), "{status}: {result:?}");
    }
    // An address that leads elsewhere is not followed: nothing is sent where the operator has not written it.
    let (result, sink) = sent(Answer(307, Some(("location", "http://127.0.0.1:9/elsewhere")), "")).await;
    assert!(matches!(result, Err(SendError::Final { .. })) && sink.got().len() == 1, "{result:?}");
}

#[tokio::test]
async fn the_address_is_in_no_error() {
    let nobody = only(webhook("http://127.0.0.1:9/hooks/T0PSECRETPATH")).send("ops", &notice()).await;
    let Err(SendError::Again { cause, .. }) = nobody else { panic!("{nobody:?}") };
    assert!(!cause.contains("T0PSECRETPATH"), "{cause}");
    let (repeats, _) = sent(Answer(404, None, "no hook at /hooks/T0PSECRETPATH")).await;
    assert_eq!(repeats, Err(SendError::Final { cause: "it answered 404 Not Found".to_owned() }));
}
