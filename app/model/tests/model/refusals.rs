//! What is made of what providers say instead of an answer.

use gatewright_core::model::Model;
use serde_json::{Value, json};

use crate::fake::{Canned, Fake};
use crate::support::{ask, one, words};

struct Case {
    kind: &'static str,
    status: u16,
    headers: Vec<(&'static str, &'static str)>,
    body: Value,
}

fn case(kind: &'static str, status: u16, body: Value) -> Case {
    Case { kind, status, headers: Vec::new(), body }
}

impl Case {
    fn with(mut self, name: &'static str, value: &'static str) -> Case {
        self.headers.push((name, value));
        self
    }
}

fn anthropic(kind: &str, message: &str) -> Value {
    json!({ "type": "error", "error": { "type": kind, "message": message }, "request_id": "req_011CSHoEeqs5C35K2UUqR7Fy" })
}

fn openai(kind: &str, code: &str, message: &str) -> Value {
    json!({ "error": { "message": message, "type": kind, "param": null, "code": code } })
}

fn gemini(code: u16, status: &str, message: &str, details: &Value) -> Value {
    json!({ "error": { "code": code, "message": message, "status": status, "details": details } })
}

fn retry_info(delay: &str) -> Value {
    json!({ "@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": delay })
}

fn cases() -> Vec<Case> {
    let quota = |id: &str| json!({ "@type": "type.googleapis.com/google.rpc.QuotaFailure", "violations": [{ "quotaId": id }] });
    vec![
        case("anthropic", 429, anthropic("rate_limit_error", "Too many tokens a minute.")).with("retry-after", "0"),
        case("anthropic", 429, anthropic("rate_limit_error", "Too many tokens a minute.")).with("retry-after", "3600"),
        case("anthropic", 429, anthropic("rate_limit_error", "Your spend limit is reached.")),
        case("anthropic", 400, anthropic("invalid_request_error", "You have reached your specified API usage limits.")),
        case("anthropic", 400, anthropic("invalid_request_error", "Your credit balance is too low to access the API.")),
        case("anthropic", 400, anthropic("invalid_request_error", "prompt is too long: 300000 tokens > 200000 maximum")),
        case("anthropic", 401, anthropic("authentication_error", "invalid x-api-key")),
        case("anthropic", 404, anthropic("not_found_error", "model: m")),
        case("anthropic", 413, anthropic("request_too_large", "Request exceeds the maximum size")),
        case("anthropic", 529, anthropic("overloaded_error", "Overloaded")),
        case("anthropic", 500, anthropic("api_error", "Internal server error")),
        case("openai", 429, openai("requests", "rate_limit_exceeded", "Rate limit reached.")),
        case("openai", 429, openai("requests", "rate_limit_exceeded", "Rate limit reached.")).with("retry-after-ms", "1"),
        case("openai", 429, openai("requests", "rate_limit_exceeded", "Come back.")).with("x-should-retry", "false"),
        case("openai", 429, openai("insufficient_quota", "insufficient_quota", "You exceeded your current quota.")),
        case("openai", 429, openai("insufficient_quota", "project_spend_limit_exceeded", "The project's limit.")),
        case("openai", 400, openai("invalid_request_error", "context_length_exceeded", "Maximum context length.")),
        case("openai", 403, openai("invalid_request_error", "unsupported_country", "Not here.")),
        case("openai", 503, json!("upstream connect error")),
        case("gemini", 429, gemini(429, "RESOURCE_EXHAUSTED", "A minute's quota.", &json!([retry_info("0s")]))),
        case("gemini", 429, gemini(429, "RESOURCE_EXHAUSTED", "A minute's quota.", &json!([retry_info("34.5s")]))),
        case(
            "gemini",
            429,
            gemini(
                429,
                "RESOURCE_EXHAUSTED",
                "A day's quota.",
                &json!([quota("GenerateRequestsPerDayPerProjectPerModel-FreeTier"), retry_info("1s")]),
            ),
        ),
        case("gemini", 429, gemini(429, "RESOURCE_EXHAUSTED", "Your project has exceeded its monthly spending cap.", &json!([]))),
        case("gemini", 400, gemini(400, "INVALID_ARGUMENT", "API key not valid.", &json!([{ "reason": "API_KEY_INVALID" }]))),
        case("gemini", 400, gemini(400, "INVALID_ARGUMENT", "Function call is missing a thought_signature.", &json!([]))),
        case("gemini", 503, gemini(503, "UNAVAILABLE", "The model is overloaded.", &json!([]))),
        case("perplexity", 401, json!({ "error": { "message": "Invalid API key", "type": "unauthorized", "code": 401 } })),
        case("perplexity", 402, json!({ "error": { "message": "No credits", "type": "payment_required", "code": 402 } })),
        case("perplexity", 422, json!({ "detail": [{ "loc": ["body", "model"], "msg": "field required" }] })),
        case("ollama", 404, json!({ "error": "model 'm' not found" })),
        case("ollama", 500, json!({ "error": "llama runner process has terminated" })),
        case("ollama", 301, json!({})),
    ]
}

#[tokio::test]
async fn each_refusal_is_tried_again_or_given_up_as_its_provider_means_it() {
    let mut listed = String::new();
    for Case { kind, status, headers, body } in cases() {
        let fake = Fake::start().await;
        let sent = headers.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
        fake.always(Canned::Whole(status, sent, body.to_string()));
        let error = one(kind, &fake).reply(&ask(&[&format!("{kind}/m")])).await.expect_err("it is refused");
        let name = format!("{error:?}").split([' ', '(']).next().unwrap_or_default().to_owned();
        let after = match &error {
            gatewright_core::model::ModelError::Unavailable { after: Some(after), .. } => format!(", after {after:?}"),
            _ => String::new(),
        };
        let headers: String = headers.iter().map(|(name, value)| format!(" ({name}: {value})")).collect();
        listed += &format!("{kind} {status}{headers} -> {} asked, {name}{after}: {error}\n", fake.seen().len());
    }
    insta::assert_snapshot!(listed, @r"
    anthropic 429 (retry-after: 0) -> 3 asked, Unavailable, after 0ns: no model answers now: anthropic/m: status 429: Too many tokens a minute.
    anthropic 429 (retry-after: 3600) -> 1 asked, Unavailable, after 3600s: no model answers now: anthropic/m: status 429: Too many tokens a minute.
    anthropic 429 -> 1 asked, SpendLimit: the limit of spending at anthropic is reached: status 429: Your spend limit is reached.
    anthropic 400 -> 1 asked, SpendLimit: the limit of spending at anthropic is reached: status 400: You have reached your specified API usage limits.
    anthropic 400 -> 1 asked, SpendLimit: the limit of spending at anthropic is reached: status 400: Your credit balance is too low to access the API.
    anthropic 400 -> 1 asked, Invalid: anthropic did not take the question: status 400: prompt is too long: 300000 tokens > 200000 maximum
    anthropic 401 -> 1 asked, NotAllowed: anthropic does not let us ask m: status 401: invalid x-api-key
    anthropic 404 -> 1 asked, NotAllowed: anthropic does not let us ask m: status 404: model: m
    anthropic 413 -> 1 asked, Invalid: anthropic did not take the question: status 413: Request exceeds the maximum size
    anthropic 529 -> 3 asked, Unavailable: no model answers now: anthropic/m: status 529: Overloaded
    anthropic 500 -> 3 asked, Unavailable: no model answers now: anthropic/m: status 500: Internal server error
    openai 429 -> 3 asked, Unavailable: no model answers now: openai/m: status 429: Rate limit reached.
    openai 429 (retry-after-ms: 1) -> 3 asked, Unavailable, after 1ms: no model answers now: openai/m: status 429: Rate limit reached.
    openai 429 (x-should-retry: false) -> 1 asked, Unavailable: no model answers now: openai/m: status 429: Come back.
    openai 429 -> 1 asked, SpendLimit: the limit of spending at openai is reached: status 429: You exceeded your current quota.
    openai 429 -> 1 asked, SpendLimit: the limit of spending at openai is reached: status 429: The project's limit.
    openai 400 -> 1 asked, Invalid: openai did not take the question: status 400: Maximum context length.
    openai 403 -> 1 asked, NotAllowed: openai does not let us ask m: status 403: Not here.
    openai 503 -> 3 asked, Unavailable: no model answers now: openai/m: status 503: upstream connect error
    gemini 429 -> 3 asked, Unavailable, after 0ns: no model answers now: gemini/m: status 429: A minute's quota.
    gemini 429 -> 1 asked, Unavailable, after 34.5s: no model answers now: gemini/m: status 429: A minute's quota.
    gemini 429 -> 1 asked, Unavailable: no model answers now: gemini/m: status 429: A day's quota.
    gemini 429 -> 1 asked, SpendLimit: the limit of spending at gemini is reached: status 429: Your project has exceeded its monthly spending cap.
    gemini 400 -> 1 asked, NotAllowed: gemini does not let us ask m: status 400: API key not valid.
    gemini 400 -> 1 asked, Invalid: gemini did not take the question: status 400: Function call is missing a thought_signature.
    gemini 503 -> 3 asked, Unavailable: no model answers now: gemini/m: status 503: The model is overloaded.
    perplexity 401 -> 1 asked, NotAllowed: perplexity does not let us ask m: status 401: Invalid API key
    perplexity 402 -> 1 asked, SpendLimit: the limit of spending at perplexity is reached: status 402: No credits
    perplexity 422 -> 1 asked, Invalid: perplexity did not take the question: status 422
    ollama 404 -> 1 asked, NotAllowed: ollama does not let us ask m: status 404: model 'm' not found
    ollama 500 -> 3 asked, Unavailable: no model answers now: ollama/m: status 500: llama runner process has terminated
    ollama 301 -> 1 asked, NotAllowed: ollama does not let us ask m: status 301; it leads to another address, look at `url`
    ");
}

#[tokio::test]
async fn a_wait_until_a_time_is_understood() {
    let fake = Fake::start().await;
    let past = vec![("retry-after", "Wed, 21 Oct 2015 07:28:00 GMT".to_owned())];
    fake.will(Canned::Whole(429, past, anthropic("rate_limit_error", "Later.").to_string()));
    fake.will(Canned::ok(&words("anthropic")));
    one("anthropic", &fake).reply(&ask(&["anthropic/m"])).await.expect("the second try is answered");
    assert_eq!(fake.seen().len(), 2);
}
