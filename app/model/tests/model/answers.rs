//! What is understood of what providers answer.

use gatewright_core::model::{Arguments, Finish, Model, Reply, Usage};
use serde_json::{Value, json};

use crate::fake::{Canned, Fake};
use crate::support::{KINDS, ask, one, wants, words};

async fn reply(kind: &str, answer: &Value) -> Reply {
    let fake = Fake::start().await;
    fake.will(Canned::ok(answer));
    one(kind, &fake).reply(&ask(&[&format!("{kind}/m")])).await.expect("an answer")
}

#[tokio::test]
async fn words_are_understood_with_what_they_used_and_what_that_costs() {
    for kind in KINDS {
        let reply = reply(kind, &words(kind)).await;
        assert_eq!(reply.text, "A semicolon is missing.", "{kind}");
        assert_eq!((reply.finish, reply.calls.len()), (Finish::End, 0), "{kind}");
        let usage = |input, cache_read, cache_write| Usage { input, cache_read, cache_write, output: 50 };
        // In micro-dollars: input 3, kept 0.3, to be kept 3.75, output 15 for each token.
        let (used, costs) = match kind {
            "anthropic" | "perplexity" => (usage(20, 300, 100), 60 + 90 + 375 + 750),
            "openai" | "gemini" => (usage(120, 300, 0), 360 + 90 + 750),
            _ => (usage(420, 0, 0), 1260 + 750),
        };
        assert_eq!((reply.usage, reply.micro_usd), (used, Some(costs)), "{kind}");
        assert_eq!(reply.model.to_string(), format!("{kind}/m"));
    }
}

#[tokio::test]
async fn calls_are_understood_in_each_providers_form() {
    for kind in KINDS {
        let reply = reply(kind, &wants(kind)).await;
        assert_eq!(reply.finish, Finish::Tools, "{kind}");
        let [first, second] = reply.calls.as_slice() else { panic!("{kind}: {:?}", reply.calls) };
        assert_eq!((first.name.as_str(), &first.arguments), ("read", &Arguments::Json(json!({ "path": "a.rs" }))), "{kind}");
        let none = match kind {
            "openai" => Arguments::Malformed("{\"path\": ".to_owned()),
            _ => Arguments::Json(json!({})),
        };
        assert_eq!(second.arguments, none, "{kind}");
        assert!(!first.id.is_empty() && !second.id.is_empty() && first.id != second.id, "{kind}: ids are there and differ");
    }
}

#[tokio::test]
async fn an_id_that_two_calls_have_is_replaced_for_the_second_one() {
    let mut answer = wants("openai");
    answer["choices"][0]["message"]["tool_calls"][1]["id"] = json!("call_1");
    let calls = reply("openai", &answer).await.calls;
    assert_eq!(calls[0].id, "call_1");
    assert!(calls[1].id.starts_with("call_") && calls[1].id != "call_1");
}

#[tokio::test]
async fn a_refusal_is_an_answer_that_says_so() {
    let mut anthropic = words("anthropic");
    anthropic["stop_reason"] = json!("refusal");
    anthropic["content"] = json!([]);
    let mut openai = words("openai");
    openai["choices"][0]["message"] = json!({ "role": "assistant", "content": null, "refusal": "I will not." });
    let mut filtered = words("openai");
    filtered["choices"][0]["finish_reason"] = json!("content_filter");
    let mut gemini = words("gemini");
    gemini["candidates"][0] = json!({ "finishReason": "SAFETY", "index": 0 });
    let blocked = json!({
        "promptFeedback": { "blockReason": "PROHIBITED_CONTENT" },
        "usageMetadata": { "promptTokenCount": 420, "totalTokenCount": 420 },
    });
    let cases = [("anthropic", anthropic), ("openai", openai), ("openai", filtered), ("gemini", gemini), ("gemini", blocked)];
    for (kind, answer) in cases {
        let reply = reply(kind, &answer).await;
        assert_eq!(reply.finish, Finish::Refused, "{kind}: {answer}");
        assert!(reply.micro_usd.is_some_and(|costs| costs > 0), "{kind}: a refusal is billed");
    }
}

#[tokio::test]
async fn an_answer_at_its_limit_says_so_even_with_a_call() {
    type Cut = fn(&mut Value);
    let reasons: [(&str, Cut); 5] = [
        ("anthropic", |answer| answer["stop_reason"] = json!("max_tokens")),
        ("openai", |answer| answer["choices"][0]["finish_reason"] = json!("length")),
        ("gemini", |answer| answer["candidates"][0]["finishReason"] = json!("MAX_TOKENS")),
        ("perplexity", |answer| {
            answer["status"] = json!("incomplete");
            answer["incomplete_details"] = json!({ "reason": "max_output_tokens" });
        }),
        ("ollama", |answer| answer["done_reason"] = json!("length")),
    ];
    for (kind, cut) in reasons {
        let mut answer = wants(kind);
        cut(&mut answer);
        assert_eq!(reply(kind, &answer).await.finish, Finish::Length, "{kind}");
    }
}

#[tokio::test]
async fn a_server_that_counts_nothing_is_counted_by_size() {
    let mut answer = words("ollama");
    answer.as_object_mut().expect("an object").retain(|key, _| !key.ends_with("_count"));
    let fake = Fake::start().await;
    fake.will(Canned::ok(&answer));
    let reply = one("ollama", &fake).reply(&ask(&["ollama/m"])).await.expect("an answer");
    let sent = fake.seen()[0].body.to_string().len().div_ceil(4) as u64;
    let came = answer.to_string().len().div_ceil(4) as u64;
    assert_eq!(reply.usage, Usage { input: sent, output: came, ..Usage::default() });
}

#[tokio::test]
async fn what_a_model_costs_is_not_known_where_nobody_said_so() {
    let fake = Fake::start().await;
    fake.will(Canned::ok(&words("openai")));
    let models = one("openai", &fake);
    let other = "openai/another".parse().expect("a name");
    assert_eq!(models.price(&other), None);
    assert_eq!(models.reply(&ask(&["openai/another"])).await.expect("an answer").micro_usd, None);
}

#[tokio::test]
async fn bodies_of_any_shape_are_no_answers_and_no_panics() {
    let shapes = [
        "",
        "null",
        "[]",
        "7",
        "\"x\"",
        "{}",
        "{\"content\":7}",
        "{\"content\":[7,null,{\"type\":\"tool_use\"}],\"usage\":null}",
        "{\"choices\":[{}]}",
        "{\"choices\":[{\"message\":{\"tool_calls\":[{\"function\":{\"arguments\":[1]}}]}}]}",
        "{\"candidates\":[{\"content\":{\"parts\":[7,{\"functionCall\":\"x\"},{\"functionCall\":{\"args\":7}}]}}]}",
        "{\"output\":[7,{\"type\":\"message\",\"content\":7},{\"type\":\"function_call\",\"arguments\":{}}]}",
        "{\"message\":{\"tool_calls\":[{}]}}",
        "{\"error\":\"out of memory\"}",
        "{\"error\":{\"message\":\"x\"}}",
        "\u{feff}{",
    ];
    for kind in KINDS {
        for shape in shapes {
            let fake = Fake::start().await;
            fake.always(Canned::Whole(200, Vec::new(), shape.to_owned()));
            // Whatever comes of it: an answer, or an error of the kinds that there are.
            let _ = one(kind, &fake).reply(&ask(&[&format!("{kind}/m")])).await;
            assert!(!fake.seen().is_empty());
        }
    }
}
