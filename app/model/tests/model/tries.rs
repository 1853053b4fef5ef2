//! Tries, time limits, and the models that are asked then.

use std::time::Duration;

use gatewright_core::model::{Ask, Finish, Model, ModelError};
use gatewright_model::ProviderConfig;
use serde_json::json;

use crate::fake::{Canned, Fake};
use crate::support::{KINDS, ask, models, one, provider, words};

fn unavailable(error: ModelError) -> (String, Option<Duration>) {
    match error {
        ModelError::Unavailable { cause, after } => (cause, after),
        other => panic!("{other}"),
    }
}

#[tokio::test]
async fn a_model_that_is_overloaded_is_asked_again_and_only_so_often() {
    for kind in KINDS {
        let fake = Fake::start().await;
        fake.will(Canned::no(503, &json!({}))).will(Canned::no(503, &json!({}))).will(Canned::ok(&words(kind)));
        one(kind, &fake).reply(&ask(&[&format!("{kind}/m")])).await.expect("the third try is answered");
        let fake = Fake::start().await;
        fake.always(Canned::no(503, &json!({})));
        let error = one(kind, &fake).reply(&ask(&[&format!("{kind}/m")])).await.expect_err("nobody answers");
        assert_eq!((unavailable(error).0, fake.seen().len()), (format!("{kind}/m: status 503"), 3));
    }
}

#[tokio::test]
async fn the_next_model_is_asked_where_one_cannot_answer_and_both_are_paid() {
    let (first, second) = (Fake::start().await, Fake::start().await);
    first.always(Canned::no(529, &json!({})));
    second.will(Canned::ok(&words("openai")));
    let models = models(vec![provider("anthropic", &first), provider("openai", &second)]);
    let reply = models.reply(&ask(&["anthropic/m", "openai/m"])).await.expect("the second answers");
    assert_eq!(reply.model.to_string(), "openai/m");
    assert_eq!((first.seen().len(), second.seen().len()), (3, 1));
    assert_eq!(reply.micro_usd, Some(360 + 90 + 750), "an overload costs nothing");
}

#[tokio::test]
async fn the_same_conversation_can_go_on_with_another_provider() {
    for (one_kind, other) in
        [("gemini", "anthropic"), ("anthropic", "gemini"), ("perplexity", "openai"), ("openai", "perplexity")]
    {
        let (first, second) = (Fake::start().await, Fake::start().await);
        first.will(Canned::ok(&crate::support::wants(one_kind))).always(Canned::no(503, &json!({})));
        second.always(Canned::ok(&words(other)));
        let models = models(vec![provider(one_kind, &first), provider(other, &second)]);
        let names = [format!("{one_kind}/m"), format!("{other}/m")];
        let mut question = ask(&[&names[0], &names[1]]);
        let reply = models.reply(&question).await.expect("the first answers");
        let results = reply.calls.iter().map(|call| crate::support::result(&call.id, "fn main()")).collect();
        question.messages.push(gatewright_core::model::Message::Model {
            text: reply.text,
            calls: reply.calls,
            opaque: reply.opaque,
        });
        question.messages.push(gatewright_core::model::Message::Results { results });
        let reply = models.reply(&question).await.expect("the second answers");
        assert_eq!(reply.model.to_string(), names[1]);
        assert!(!second.seen()[0].body.to_string().contains("c2lnbmVk"), "{other} gets no signature of {one_kind}");
    }
}

#[tokio::test]
async fn a_cut_answer_is_asked_for_again_and_is_on_the_bill() {
    for kind in KINDS {
        let fake = Fake::start().await;
        let whole = words(kind).to_string();
        fake.will(Canned::Cut(whole[..whole.len() / 2].to_owned())).will(Canned::ok(&words(kind)));
        let models = one(kind, &fake);
        let reply = models.reply(&ask(&[&format!("{kind}/m")])).await.expect("the second try is answered");
        assert_eq!(fake.seen().len(), 2, "{kind}");
        assert!(reply.usage.output > 50, "{kind}: what came of the first answer is counted too");
    }
}

#[tokio::test]
async fn an_empty_answer_is_asked_for_once_more_and_then_taken() {
    let mut empty = words("openai");
    empty["choices"][0]["message"]["content"] = json!("");
    let fake = Fake::start().await;
    fake.always(Canned::ok(&empty));
    let reply = one("openai", &fake).reply(&ask(&["openai/m"])).await.expect("an answer, though of nothing");
    assert_eq!((reply.text.as_str(), reply.usage.output, fake.seen().len()), ("", 100, 2));
}

#[tokio::test]
async fn an_answer_that_cannot_be_read_to_the_last_is_an_answer_of_nothing_with_its_bill() {
    let fake = Fake::start().await;
    fake.always(Canned::Whole(200, Vec::new(), "{\"choices\": [{".to_owned()));
    let reply = one("openai", &fake).reply(&ask(&["openai/m"])).await.expect("an answer, though of nothing");
    assert_eq!((reply.text.as_str(), reply.finish, fake.seen().len()), ("", Finish::Other, 3));
    assert!(reply.micro_usd.is_some_and(|costs| costs > 0));
}

#[tokio::test]
async fn a_failure_in_an_answers_clothes_is_told_in_its_own_words() {
    let bodies = [
        ("ollama", r#"{"error":"model requires more system memory"}"#, "ollama/m: model requires more system memory"),
        ("anthropic", r#"{"type":"error","error":{"message":"Overloaded"}}"#, "anthropic/m: Overloaded"),
        ("openai", r#"{"error":{"message":"Upstream is gone"}}"#, "openai/m: Upstream is gone"),
        ("perplexity", r#"{"status":"failed","error":{"message":"No route"}}"#, "perplexity/m: No route"),
        ("gemini", "<html>Sign in</html>", "gemini/m: the answer is not what was expected: it is no JSON"),
    ];
    for (kind, body, cause) in bodies {
        let fake = Fake::start().await;
        fake.always(Canned::Whole(200, Vec::new(), body.to_owned()));
        let error = one(kind, &fake).reply(&ask(&[&format!("{kind}/m")])).await.expect_err("it is none");
        assert_eq!((unavailable(error).0.as_str(), fake.seen().len()), (cause, 3));
    }
}

#[tokio::test]
async fn a_call_that_a_model_could_not_write_is_its_own_failure_and_on_the_bill() {
    let mut malformed = words("gemini");
    malformed["candidates"][0] = json!({ "finishReason": "MALFORMED_FUNCTION_CALL", "index": 0 });
    let fake = Fake::start().await;
    fake.always(Canned::ok(&malformed));
    let models = one("gemini", &fake);
    for _ in 0..2 {
        let reply = models.reply(&ask(&["gemini/m"])).await.expect("an answer, though of nothing");
        assert_eq!((reply.finish, reply.usage.output), (Finish::Other, 150));
    }
    assert_eq!(models.health()[0].circuit, gatewright_core::model::Circuit::Closed, "the provider is well");
}

#[tokio::test]
async fn an_answer_that_is_too_large_is_not_read_to_its_end() {
    let fake = Fake::start().await;
    let large = Canned::Whole(200, Vec::new(), "x".repeat(17 * 1024 * 1024));
    fake.will(large).will(Canned::ok(&words("openai")));
    one("openai", &fake).reply(&ask(&["openai/m"])).await.expect("the second try is answered");
}

#[tokio::test]
async fn a_provider_that_does_not_answer_in_time_is_given_up() {
    let fake = Fake::start().await;
    fake.always(Canned::Hang);
    let slow = ProviderConfig { timeout: Duration::from_millis(30), ..provider("openai", &fake) };
    let error = models(vec![slow]).reply(&ask(&["openai/m"])).await.expect_err("it hangs");
    assert_eq!((unavailable(error).0.as_str(), fake.seen().len()), ("openai/m: no whole answer in time", 3));
    let question = Ask { within: Duration::from_millis(30), ..ask(&["openai/m"]) };
    let error = one("openai", &fake).reply(&question).await.expect_err("it hangs");
    assert_eq!(unavailable(error).0, "openai/m: no whole answer in time");
    assert_eq!(fake.seen().len(), 4, "no time is left for a second try");
}

#[tokio::test]
async fn further_questions_wait_for_those_that_are_under_way() {
    let fake = Fake::start().await;
    fake.will(Canned::Hang).always(Canned::ok(&words("openai")));
    let narrow = ProviderConfig { concurrency: 1, ..provider("openai", &fake) };
    let models = std::sync::Arc::new(models(vec![narrow]));
    let first = tokio::spawn({
        let models = models.clone();
        async move { models.reply(&ask(&["openai/m"])).await }
    });
    fake.until_asked(1).await;
    let question = Ask { within: Duration::from_millis(30), ..ask(&["openai/m"]) };
    let error = models.reply(&question).await.expect_err("there is one place");
    assert!(unavailable(error).0.contains("1 questions to it are under way"));
    assert_eq!(fake.seen().len(), 1);
    first.abort();
    assert!(first.await.is_err_and(|error| error.is_cancelled()));
    models.reply(&ask(&["openai/m"])).await.expect("the place is free again");
}

#[tokio::test]
async fn nothing_listens_there() {
    let fake = Fake::start().await;
    let mut gone = provider("ollama", &fake);
    let free = std::net::TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("its address");
    let endpoint = gatewright_model::Endpoint { url: Some(format!("http://{free}/")), key: None };
    gone.kind = gatewright_model::Kind::Ollama { endpoint, context_tokens: None };
    let error = models(vec![gone]).reply(&ask(&["ollama/m"])).await.expect_err("nothing listens");
    assert!(unavailable(error).0.starts_with("ollama/m: cannot connect: "));
}

#[tokio::test]
async fn a_provider_that_is_not_configured_is_named() {
    let fake = Fake::start().await;
    let models = one("openai", &fake);
    let error = models.reply(&ask(&["opnai/m"])).await.expect_err("there is none");
    let said = "there is no provider `opnai` for `opnai/m`: the server file has only openai";
    assert_eq!(error, ModelError::Unknown(said.to_owned()));
    assert_eq!(models.unknown(&"opnai/m".parse().expect("a name")).as_deref(), Some(said));
    assert_eq!(models.unknown(&"openai/m".parse().expect("a name")), None);
}

#[tokio::test]
async fn that_asking_later_helps_with_one_of_them_is_what_is_said_of_all() {
    let (first, second) = (Fake::start().await, Fake::start().await);
    first.always(Canned::no(401, &json!({ "error": { "message": "invalid x-api-key" } })));
    let wait = vec![("retry-after", "90".to_owned())];
    second.always(Canned::Whole(429, wait, "{}".to_owned()));
    let models = models(vec![provider("anthropic", &first), provider("openai", &second)]);
    let error = models.reply(&ask(&["anthropic/m", "openai/m"])).await.expect_err("nobody answers");
    let cause = "anthropic/m: status 401: invalid x-api-key; openai/m: status 429".to_owned();
    assert_eq!(error, ModelError::Unavailable { cause, after: Some(Duration::from_secs(90)) });
    assert_eq!((first.seen().len(), second.seen().len()), (1, 1), "a minute and a half is too long to wait here");
}
