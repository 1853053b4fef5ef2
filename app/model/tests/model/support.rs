//! Questions, providers and answers of each kind.

use std::time::Duration;

use gatewright_core::RunId;
use gatewright_core::model::{Arguments, Ask, Message, Price, ToolCall, ToolResult, ToolSpec};
use gatewright_model::{Config, Endpoint, Kind, Models, Patience, ProviderConfig};
use serde_json::{Value, json};

use crate::fake::Fake;

/// A key in the shape of a provider's.
pub(crate) const KEY: &str = "sk-test-4f9c2a7b1e8d6035aa";

/// The five that speak HTTP.
pub(crate) const KINDS: [&str; 5] = ["anthropic", "openai", "gemini", "perplexity", "ollama"];

/// A provider of this kind at this fake.
pub(crate) fn provider(kind: &str, fake: &Fake) -> ProviderConfig {
    let endpoint = Endpoint { url: Some(fake.url.clone()), key: Some(KEY.to_owned().into()) };
    let of_kind = match kind {
        "anthropic" => Kind::Anthropic(endpoint),
        "openai" => Kind::OpenAi(endpoint),
        "gemini" => Kind::Gemini(endpoint),
        "perplexity" => Kind::Perplexity(endpoint),
        "ollama" => Kind::Ollama { endpoint, context_tokens: Some(32_768) },
        other => panic!("no such kind: {other}"),
    };
    let price = Price { input: 3_000_000, cache_read: 300_000, cache_write: 3_750_000, output: 15_000_000 };
    ProviderConfig {
        prices: [("m".to_owned(), price)].into_iter().collect(),
        timeout: Duration::from_secs(20),
        ..ProviderConfig::new(kind, of_kind)
    }
}

/// Models that wait hardly at all between tries.
pub(crate) fn models(providers: Vec<ProviderConfig>) -> Models {
    let patience = Patience { pause: Duration::from_millis(1), ..Patience::default() };
    Models::new(Config { providers, usual: Vec::new(), patience }).expect("the configuration is valid")
}

pub(crate) fn one(kind: &str, fake: &Fake) -> Models {
    models(vec![provider(kind, fake)])
}

/// A question to these models, with one tool.
pub(crate) fn ask(models: &[&str]) -> Ask {
    Ask {
        run: RunId::new(),
        stage: 0,
        turn: 1,
        models: models.iter().map(|name| name.parse().expect("a name")).collect(),
        system: "You mend code.".to_owned(),
        messages: vec![user("The build fails. Why?")],
        tools: vec![ToolSpec {
            name: "read".to_owned(),
            about: "Reads a file.".to_owned(),
            takes: json!({
                "type": "object",
                "properties": { "path": { "type": "string" } },
                "required": ["path"],
                "additionalProperties": false,
            }),
        }],
        tokens_max: 1000,
        within: Duration::from_secs(30),
    }
}

pub(crate) fn user(text: &str) -> Message {
    Message::User { text: text.to_owned() }
}

pub(crate) fn said(text: &str, calls: Vec<ToolCall>) -> Message {
    Message::Model { text: text.to_owned(), calls, opaque: None }
}

pub(crate) fn call(id: &str, arguments: Value) -> ToolCall {
    ToolCall { id: id.to_owned(), name: "read".to_owned(), arguments: Arguments::Json(arguments) }
}

pub(crate) fn result(id: &str, content: &str) -> ToolResult {
    ToolResult { call: id.to_owned(), name: "read".to_owned(), content: content.to_owned(), is_error: false }
}

/// What a provider of this kind answers where it has something to say.
pub(crate) fn words(kind: &str) -> Value {
    match kind {
        "anthropic" => json!({
            "id": "msg_01XFDUDYJgAACzvnptvVoYEL", "type": "message", "role": "assistant", "model": "m",
            "content": [{ "type": "text", "text": "A semicolon is missing." }],
            "stop_reason": "end_turn", "stop_sequence": null,
            "usage": {
                "input_tokens": 20, "cache_creation_input_tokens": 100, "cache_read_input_tokens": 300, "output_tokens": 50
            },
        }),
        "openai" => json!({
            "id": "chatcmpl-B9MHDbslfkBeAs8l4bebGdFOJ6PeG", "object": "chat.completion", "created": 1_741_570_283, "model": "m",
            "choices": [{
                "index": 0, "finish_reason": "stop", "logprobs": null,
                "message": { "role": "assistant", "content": "A semicolon is missing.", "refusal": null, "annotations": [] },
            }],
            "usage": {
                "prompt_tokens": 420, "completion_tokens": 50, "total_tokens": 470,
                "prompt_tokens_details": { "cached_tokens": 300, "audio_tokens": 0 },
            },
        }),
        "gemini" => json!({
            "candidates": [{
                "content": { "parts": [{ "text": "A semicolon is missing." }], "role": "model" },
                "finishReason": "STOP", "index": 0,
            }],
            "usageMetadata": {
                "promptTokenCount": 420, "cachedContentTokenCount": 300, "candidatesTokenCount": 30,
                "thoughtsTokenCount": 20, "totalTokenCount": 470,
            },
            "modelVersion": "m",
        }),
        "perplexity" => json!({
            "id": "resp_1", "created_at": 1_741_570_283, "model": "m", "object": "response", "status": "completed",
            "output": [{
                "type": "message", "id": "msg_1", "role": "assistant", "status": "completed",
                "content": [{ "type": "output_text", "text": "A semicolon is missing." }],
            }],
            "usage": {
                "input_tokens": 420, "output_tokens": 50, "total_tokens": 470,
                "input_tokens_details": { "cache_read_input_tokens": 300, "cache_creation_input_tokens": 100 },
            },
        }),
        _ => json!({
            "model": "m", "created_at": "2026-11-21T12:00:00.000000Z", "done": true, "done_reason": "stop",
            "message": { "role": "assistant", "content": "A semicolon is missing." },
            "total_duration": 5_000_000, "prompt_eval_count": 420, "eval_count": 50,
        }),
    }
}

/// What a provider of this kind answers where it wants one tool used twice at once.
pub(crate) fn wants(kind: &str) -> Value {
    let mut answer = words(kind);
    match kind {
        "anthropic" => {
            answer["stop_reason"] = json!("tool_use");
            answer["content"] = json!([
                { "type": "thinking", "thinking": "Let me look.", "signature": "c2lnbmVk" },
                { "type": "text", "text": "I look." },
                { "type": "tool_use", "id": "toolu_1", "name": "read", "input": { "path": "a.rs" } },
                { "type": "tool_use", "id": "toolu_2", "name": "read", "input": {} },
            ]);
        }
        "openai" => {
            answer["choices"][0]["finish_reason"] = json!("tool_calls");
            answer["choices"][0]["message"] = json!({
                "role": "assistant", "content": null, "refusal": null,
                "tool_calls": [
                    { "id": "call_1", "type": "function", "function": { "name": "read", "arguments": "{\"path\":\"a.rs\"}" } },
                    { "id": "call_2", "type": "function", "function": { "name": "read", "arguments": "{\"path\": " } },
                ],
            });
        }
        "gemini" => {
            answer["candidates"][0]["content"]["parts"] = json!([
                { "text": "I look." },
                { "functionCall": { "name": "read", "args": { "path": "a.rs" } }, "thoughtSignature": "c2lnbmVk" },
                { "functionCall": { "name": "read" } },
            ]);
        }
        "perplexity" => {
            answer["status"] = json!("requires_action");
            answer["output"] = json!([
                {
                    "type": "function_call", "id": "fc_1", "call_id": "call_1", "name": "read", "status": "completed",
                    "arguments": "{\"path\":\"a.rs\"}", "thought_signature": "c2lnbmVk",
                },
                { "type": "function_call", "id": "fc_2", "call_id": "call_2", "name": "read", "status": "completed", "arguments": "" },
            ]);
        }
        _ => {
            answer["message"] = json!({
                "role": "assistant", "content": "",
                "tool_calls": [
                    { "function": { "name": "read", "arguments": { "path": "a.rs" } } },
                    { "function": { "name": "read", "arguments": {} } },
                ],
            });
        }
    }
    answer
}
