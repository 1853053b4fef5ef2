//! The circuit breaker around a provider.

use gatewright_core::model::{Circuit, Model, ModelError};
use serde_json::json;

use crate::fake::{Canned, Fake};
use crate::support::{ask, models, one, provider, words};

#[tokio::test]
async fn a_provider_that_fails_again_and_again_is_left_alone_and_the_next_one_is_asked_at_once() {
    let (first, second) = (Fake::start().await, Fake::start().await);
    first.always(Canned::no(500, &json!({})));
    second.always(Canned::ok(&words("openai")));
    let models = models(vec![provider("anthropic", &first), provider("openai", &second)]);
    for _ in 0..4 {
        models.reply(&ask(&["anthropic/m", "openai/m"])).await.expect("the second answers");
    }
    assert_eq!(first.seen().len(), 5, "three tries, two more, then none");
    let health = models.health();
    assert!(matches!(health[0].circuit, Circuit::Open { .. }), "{health:?}");
    assert_eq!(health[0].last_failure.as_deref(), Some("status 500"));
    assert_eq!(health[1].circuit, Circuit::Closed);
    let error = models.reply(&ask(&["anthropic/m"])).await.expect_err("it is left alone");
    let ModelError::Unavailable { cause, after } = error else { panic!("{error}") };
    assert!(cause.contains("left alone") && after.is_some_and(|after| after.as_secs() >= 20), "{cause} {after:?}");
}

#[tokio::test]
async fn a_no_that_is_about_the_question_does_not_open_it() {
    let fake = Fake::start().await;
    fake.always(Canned::no(400, &json!({ "error": { "message": "too long" } })));
    let models = one("anthropic", &fake);
    for _ in 0..8 {
        models.reply(&ask(&["anthropic/m"])).await.expect_err("it is not taken");
    }
    assert_eq!((fake.seen().len(), models.health()[0].circuit), (8, Circuit::Closed));
}
